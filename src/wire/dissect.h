/* One line that says what a frame is, for logs and test failures:
 *   "GET vb=7 cid=0x8 key=u:1 opaque=0x2a"
 *   "SET KEY_EEXISTS opaque=0x2a cas=0x17d2… value[37]=json {"error":{"context":"…"}}" */
#ifndef DIVAN_WIRE_DISSECT_H
#define DIVAN_WIRE_DISSECT_H

#include "wire/frame.h"

enum { DISSECT_MAX = 512 };

/** Writes at most cap bytes with the NUL and returns out. collections: keys carry a collection id. Secrets (SASL payloads)
 * are shown by their length only; other bytes that do not print are escaped. */
const char *frame_dissect(const struct frame *f, bool collections, char *out, size_t cap);
/** The same for bytes that may not be a whole frame. */
const char *bytes_dissect(struct divan_bytes input, bool collections, char *out, size_t cap);

#endif
