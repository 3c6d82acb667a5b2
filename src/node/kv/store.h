/* The documents of one bucket: vBuckets, each a hash table of items and a list of them by seqno. Pure: no I/O, no clock;
 * every call that needs the time is given it. What commands mean is in kv/ops.h; this is what they are made of. */
#ifndef DIVAN_NODE_KV_STORE_H
#define DIVAN_NODE_KV_STORE_H

#include "base/rand.h"
#include "node/kv/collections.h"
#include "node/kv/durable.h"
#include "node/kv/item.h"
#include "node/kv/order.h"
#include "wire/history.h"

/* The time of a batch of commands. */
struct kv_clock {
    uint64_t wall_ns; /* since 1970 */
    uint64_t now_ns;  /* monotonic: locks */
    uint32_t wall_s;  /* wall_ns in seconds */
    uint32_t start_s; /* when the engine started, wall time */
};

/* A document locked by get-and-lock. The document keeps its CAS; the lock has one of its own. */
struct item_lock {
    struct item_lock *next;
    struct item *item;
    uint64_t cas, until_ns;
};

enum { FAILOVER_MAX = 25 };

struct vbucket {
    struct store *store;
    struct item **table; /* NULL until the first document */
    uint32_t slots;      /* a power of two, or 0 */
    uint32_t items, tombstones;
    struct list order;                     /* all items by seqno, ascending; see order.h */
    struct list cursors;                   /* struct order_cursor */
    struct item *prepares, **prepares_end; /* durable writes that wait, by seqno */
    struct item *marks;                    /* aborts and events, newest first */
    struct durability *durability;         /* who acknowledges; NULL = nobody else */
    uint64_t snapshot_start, snapshot_end; /* of a replica: the last snapshot it was sent */
    struct list held;                      /* who waits for them (dcp/held.c) */
    uint64_t inherited_seqno; /* prepares up to here were made before this node became active: they are decided anew */
    uint64_t events_uid;      /* the manifest that its events tell of */
    bool handing_over;        /* about to leave: no new durable writes */
    /* For rolling back: the seqnos it had some 10 to 20 s ago, and up to 10 s ago since `anchored_s`. */
    uint64_t anchor, next_anchor;
    uint32_t anchored_s;
    struct item_lock *locks;
    struct failover_entry *failover; /* newest first */
    uint8_t failover_count;
    uint8_t mode; /* enum vbucket_mode */
    uint8_t chain_length, chain_filled;
    uint16_t id;
    uint64_t high_seqno, purge_seqno, max_cas, max_deleted_revision;
    uint64_t high_prepared_seqno, high_completed_seqno;
    uint64_t persisted_seqno; /* on the disk up to here; see vbucket_persisted() */
};

/* Who keeps a store on the disk hears of what the order by seqno does not tell. */
struct store_keeper {
    void (*changed)(void *user, struct vbucket *);                     /* its mode or its history */
    void (*rolled_back)(void *user, struct vbucket *);                 /* is about to go back */
    void (*forgot)(void *user, struct vbucket *, const struct item *); /* a document or prepare goes without a trace */
};

struct store_counters {
    uint64_t gets, sets, deletes, misses, ops, expired;
    uint64_t oom_errors, tmp_oom_errors, evicted;
};

struct store {
    struct vbucket *vbuckets;
    uint16_t vbucket_count;
    struct manifest manifest;
    uint64_t seed; /* of the hash */
    uint64_t mem_bytes, value_bytes;
    uint64_t items, replica_items, tombstones; /* items: in active vBuckets */
    struct store_counters counters;
    /* settings */
    uint64_t quota_bytes;
    uint32_t max_ttl_s;
    uint8_t replicas, compression, durability_min;
    bool evict_when_full;    /* make room by dropping the oldest documents */
    bool refuse_when_full;   /* a full bucket is an error for good, not for the moment */
    struct buf scratch[2];   /* where values are put together; free between commands */
    uint32_t evict_vbucket;  /* where the search for something to drop goes on */
    uint64_t ghost_bytes;    /* kept for snapshots that are being read */
    struct item *pending;    /* the last write became this: it waits for other copies */
    uint32_t top_collection; /* the greatest id there ever was */
    /* A durable write came to its end. */
    void (*settled)(void *user, struct vbucket *, uint64_t prepared_seqno, enum durable_end);
    void *settled_user;
    const struct store_keeper *keeper; /* NULL = the store is in memory alone */
    void *keeper_user;
    bool writes_refused; /* for the moment: the disk is full or too far behind */
    struct {
        uint32_t vbucket, slot; /* where the sweep goes on */
        bool running;
    } sweep;
};

/** All vBuckets absent, the manifest with the default collection alone. OUT_OF_MEMORY. */
enum divan_code store_init(struct store *, uint16_t vbuckets, struct rng *, struct divan_error *err);
void store_fini(struct store *);
/** Removes every document; every vBucket begins a new history. */
void store_flush(struct store *, struct rng *);

/** NULL = not of this bucket. */
static inline struct vbucket *store_vbucket(const struct store *s, uint16_t id)
{
    return id < s->vbucket_count ? &s->vbuckets[id] : NULL;
}
/** Changes the mode; becoming active from anything else but pending starts a new branch of history, becoming absent drops
 * the documents. false: out of memory, nothing changed. */
bool vbucket_set_mode(struct vbucket *, enum vbucket_mode, struct rng *);
/** Begins a new branch of history here: what was told beyond is not to be had any more. false: out of memory. */
bool vbucket_new_branch(struct vbucket *, struct rng *);
/** What survives the end of the process; in memory nothing does, and all counts as persisted. */
static inline uint64_t vbucket_persisted(const struct vbucket *v)
{
    return v->store->keeper ? v->persisted_seqno : v->high_seqno;
}
static inline uint64_t vbucket_uuid(const struct vbucket *v)
{
    return v->failover_count ? v->failover[0].uuid : 0;
}

/* ---- reading */

uint32_t store_hash(const struct store *, const struct kv_key *);
/** The item of a key, live, expired or tombstone; NULL = none. */
struct item *vbucket_find(const struct vbucket *, const struct kv_key *, uint32_t hash);
static inline bool item_is_expired(const struct item *i, const struct kv_clock *t)
{
    return i->expiry_s && i->expiry_s <= t->wall_s && item_is_live(i);
}
/** The lock of an item, NULL when it has none or it ran out (then it is cleared away). */
struct item_lock *vbucket_lock_of(struct vbucket *, struct item *, const struct kv_clock *);

/* ---- writing */

/* What an item becomes. */
struct item_change {
    struct divan_bytes value; /* as stored: attributes, body, compressed or not by datatype; borrowed */
    uint32_t flags, expiry_s;
    uint8_t datatype, state; /* state: ITEM_DELETED, ITEM_EXPIRED, ITEM_SHALLOW */
    uint64_t cas;            /* 0 = the next of the clock */
    uint64_t revision;       /* 0 = one more than before */
    uint64_t seqno;          /* 0 = the next; else as replication says */
    uint8_t prepared;        /* the level of a durable write: it takes two seqnos, prepare and commit; 0 = none */
};

/** The next CAS: nanoseconds of wall time with the low 16 bits for counting, and always greater than any before. */
uint64_t vbucket_next_cas(struct vbucket *, const struct kv_clock *);
/** Whether `more` bytes may be added; counts the refusal, and makes room first where the bucket evicts. */
bool store_has_room(struct store *, size_t more, const struct kv_clock *);
/** Replaces old (may be NULL) by a new item for key. Takes the lock away. Returns the item, at the end of the order; NULL =
 * out of memory, nothing changed. old is gone after success. A durable write that other copies must have first leaves old
 * as it is: the item returned is ITEM_PREPARED and store->pending. */
struct item *vbucket_write(struct vbucket *, struct item *old, const struct kv_key *, uint32_t hash,
                           const struct item_change *, const struct kv_clock *);
/** A new CAS, seqno and revision for an item that keeps its value. */
void vbucket_restamp(struct vbucket *, struct item *, const struct kv_clock *);
/** Turns a live item into a tombstone, keeping `value` (attributes, raw XATTR datatype, may be empty) only. NULL = out of
 * memory. */
struct item *vbucket_bury(struct vbucket *, struct item *, struct divan_bytes value, bool expired, uint8_t prepared,
                          const struct kv_clock *);
/** Removes an item without a trace: purge, eviction, dropped collection. */
void vbucket_forget(struct vbucket *, struct item *);

bool vbucket_lock(struct vbucket *, struct item *, uint64_t cas, uint64_t until_ns); /**< false: out of memory */
void vbucket_unlock(struct vbucket *, struct item *);

/* ---- sweeping: expired documents, old tombstones, dropped collections */

enum { TOMBSTONE_LIFE_S = 3 * 24 * 3600 };

/** Starts a pass over all items, or restarts the running one. */
void store_sweep_begin(struct store *);
/** Looks at about `budget` table slots. true: the pass goes on. */
bool store_sweep_step(struct store *, const struct kv_clock *, uint32_t budget);

#endif
