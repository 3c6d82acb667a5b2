/* One document operation as the program asked for it, before it becomes an operation: what all twelve have in common. */
#ifndef DIVAN_CLIENT_CALL_H
#define DIVAN_CLIENT_CALL_H

#include <divan/divan.h>

#include "client/kinds.h"

struct call {
    divan_collection *collection;
    enum op_kind kind;
    struct divan_bytes key, value;
    uint32_t timeout_ms;
    enum divan_retry retry;
    uint32_t expiry_s, flags;
    enum divan_durability durability;
    bool keep_expiry;
    uint64_t cas;
    uint64_t delta, initial; /* counters */
    bool create;
};

/** Checks, starts and waits. The value is not copied. *out (may be NULL) is written on success only. */
enum divan_code call_run(const struct call *call, divan_result **out, struct divan_error *err);
/** Checks and starts; the value is copied. */
enum divan_code call_start(const struct call *call, struct divan_done done, struct divan_error *err);

#endif
