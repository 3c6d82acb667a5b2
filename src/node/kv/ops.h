/* What the commands on documents mean, without frames and connections. */
#ifndef DIVAN_NODE_KV_OPS_H
#define DIVAN_NODE_KV_OPS_H

#include "node/kv/store.h"
#include "node/kv/value.h"
#include "wire/withmeta.h"

enum kv_result {
    KV_OK,
    KV_MISSING,
    KV_EXISTS, /* also: the CAS is another one */
    KV_NOT_STORED,
    KV_BAD_DELTA,
    KV_TOO_BIG,
    KV_INVALID,
    KV_LOCKED,     /* to old clients: exists */
    KV_LOCKED_TMP, /* to old clients: try again */
    KV_NOT_LOCKED,
    KV_FULL,       /* the quota is used up */
    KV_NO_MEMORY,  /* the process is out of memory */
    KV_IMPOSSIBLE, /* the durability asked for cannot be had */
    KV_RESULTS,
};

/* Where and when an operation happens. */
struct kv_op {
    struct vbucket *vbucket;
    struct kv_key key;
    uint32_t hash;
    const struct kv_clock *clock;
    struct collection *collection;
    uint64_t cas;       /* 0 = any */
    uint8_t durability; /* enum durability_level */
    bool keep_ttl;
};

/* A document as a client gives it. */
struct kv_input {
    struct divan_bytes sent; /* as it came */
    struct divan_bytes body; /* inflated: the same unless compressed */
    uint32_t flags, expiry;  /* expiry as on the wire */
    bool compressed;
};

/* What a change answers. */
struct kv_done {
    struct item *item;
    uint64_t cas, seqno; /* seqno for the mutation token */
};

enum kv_set_mode { KV_SET, KV_ADD, KV_REPLACE };
enum kv_concat_mode { KV_APPEND, KV_PREPEND };

enum { RELATIVE_EXPIRY_MAX_S = 30 * 24 * 3600, LOCK_DEFAULT_S = 15, LOCK_MAX_S = 30 };

/** The absolute expiry of an expiry on the wire, with the rules of bucket and collection. */
uint32_t kv_expiry(const struct kv_op *, uint32_t wire);
/** The document; an expired one becomes a tombstone by being looked at. MISSING. */
enum kv_result kv_get(const struct kv_op *, struct item **out);
/** As kv_get, but a tombstone counts as found. */
enum kv_result kv_get_any(const struct kv_op *, struct item **out);
/** CAS as clients see it: all ones while locked. */
uint64_t kv_visible_cas(const struct kv_op *, struct item *);

/** MISSING, EXISTS, LOCKED, TOO_BIG, FULL, NO_MEMORY, IMPOSSIBLE. Attributes of a live document are kept. */
enum kv_result kv_set(const struct kv_op *, enum kv_set_mode, const struct kv_input *, struct kv_done *out);
/** NOT_STORED, EXISTS, LOCKED, TOO_BIG, FULL, NO_MEMORY, IMPOSSIBLE. */
enum kv_result kv_concat(const struct kv_op *, enum kv_concat_mode, struct divan_bytes body, struct kv_done *out);
/** Adds or (down) subtracts, never below zero; creates with `initial` unless expiry is all ones. MISSING, BAD_DELTA, and as
 * kv_set. */
enum kv_result kv_count(const struct kv_op *, bool down, uint64_t delta, uint64_t initial, uint32_t expiry,
                        uint64_t *value, struct kv_done *out);
/** MISSING, EXISTS, LOCKED, LOCKED_TMP, NO_MEMORY, IMPOSSIBLE. Attributes of the system stay in the tombstone. */
enum kv_result kv_delete(const struct kv_op *, struct kv_done *out);
/** A new expiry; the same one changes nothing. MISSING, LOCKED. */
enum kv_result kv_touch(const struct kv_op *, uint32_t expiry, struct item **out);
/** Locks for lock_s (0 or more than 30: 15); *cas is the lock's. MISSING, LOCKED_TMP, NO_MEMORY. */
enum kv_result kv_lock(const struct kv_op *, uint32_t lock_s, struct item **out, uint64_t *cas);
/** MISSING, NOT_LOCKED, LOCKED_TMP. */
enum kv_result kv_unlock(const struct kv_op *);
/** Makes a tombstone of an expired document. NULL: out of memory, or not the active: it stays. */
struct item *kv_expire(struct vbucket *, struct item *, const struct kv_clock *);

/* ---- with metadata: what replication from elsewhere writes */

struct meta_write {
    const struct with_meta *meta; /* value inflated; extended metadata is not kept */
    bool add, del;
    bool lww; /* the bucket resolves by CAS */
};
/** EXISTS: the present document wins, or add on a live one. MISSING: a CAS was given and there is nothing. LOCKED. */
enum kv_result kv_write_meta(const struct kv_op *, const struct meta_write *, struct kv_done *out);

/** The level that holds: what was asked for or the least that the bucket wants. */
uint8_t kv_durability(const struct kv_op *);
/** Whether a write with this durability can be done at all. */
bool kv_durable_possible(const struct vbucket *, uint8_t level);

#endif
