/* The checks a node makes on every request before it looks at buckets and rights, driven by defs/opcodes.def. */
#ifndef DIVAN_WIRE_CHECK_H
#define DIVAN_WIRE_CHECK_H

#include "wire/frame.h"
#include "wire/hello.h"
#include "wire/statuses.h"

/** SUCCESS or the status to answer; *problem is a sentence for the error body, NULL where the real server sends no body.
 * In this order: opcode known and served (UNKNOWN_COMMAND, NOT_SUPPORTED); datatype bits, extras length, key, value, CAS,
 * datatype allowed for the opcode, datatype negotiated (EINVAL). Keys: presence and length only; see kv_read_key. */
enum status request_check(const struct frame *f, feature_set features, const char **problem);

#endif
