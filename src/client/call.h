/* One document operation as the program asked for it, before it becomes an operation: what all of them have in common. */
#ifndef DIVAN_CLIENT_CALL_H
#define DIVAN_CLIENT_CALL_H

#include <divan/divan.h>

#include "client/kinds.h"

struct call_specs;
struct operation;

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
    uint32_t lock_s;                /* get_and_lock */
    const struct call_specs *specs; /* sub-document operations: instead of a value */
    enum divan_persist_to persist_to;
    enum divan_replicate_to replicate_to;
};

/** Checks, starts and waits. The value is not copied. *out (may be NULL) is written on success only. */
enum divan_code call_run(const struct call *call, divan_result **out, struct divan_error *err);
/** Checks and starts; the value is copied. */
enum divan_code call_start(const struct call *call, struct divan_done done, struct divan_error *err);

/* ---- for calls of another form */

/** Everything that can be said about the arguments without the lock. */
enum divan_code call_check(const struct call *call, struct divan_error *err);
/** A fresh operation, filled; the lock is held. Errors: CLUSTER_CLOSED, OUT_OF_MEMORY, EXPIRY_RANGE. */
enum divan_code call_take(struct divan_cluster *cluster, const struct call *call, struct operation **out,
                          struct divan_error *err);
/** COMPLETION. */
enum divan_code done_check(const struct divan_done *done, struct divan_cluster *cluster, struct divan_error *err);
/** Before it is started: how the operation is delivered, the lock held. _unset takes it back when starting failed. */
void done_set(struct divan_cluster *cluster, struct operation *op, const struct divan_done *done);
void done_unset(struct divan_cluster *cluster, const struct divan_done *done);

#endif
