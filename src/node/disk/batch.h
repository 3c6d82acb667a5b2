/* What the loop hands to the writer: changes of some vBuckets, in the order in which they are to be applied, copied out of
 * the store. A batch is a part of a transaction; the last part commits. */
#ifndef DIVAN_NODE_DISK_BATCH_H
#define DIVAN_NODE_DISK_BATCH_H

#include "node/kv/store.h"

enum record_kind {
    RECORD_STATE = 1, /* value: struct disk_state */
    RECORD_WIPE,      /* the vBucket has nothing any more */
    RECORD_ITEM,      /* a document, tombstone, prepare, abort or event */
    RECORD_FORGET,    /* a document or prepare of this key, up to this seqno, went without a trace */
    RECORD_MANIFEST,  /* value: struct disk_manifest, then scopes and collections */
};

struct record {
    uint8_t kind, key_len, datatype, state, level;
    uint16_t vbucket;
    uint32_t collection, expiry_s, flags, prepared_ago, back_ago, value_len;
    uint64_t seqno, cas, revision;
};

/* All of a vBucket that is not an item. */
struct disk_state {
    uint8_t mode, failover_count;
    uint64_t high_seqno, purge_seqno, max_cas, max_deleted_revision, high_prepared_seqno, high_completed_seqno;
    uint64_t snapshot_start, snapshot_end, events_uid, anchor, next_anchor;
    struct failover_entry failover[FAILOVER_MAX];
};

struct disk_manifest {
    uint64_t uid;
    uint32_t top_collection, scopes, collections;
};
struct disk_scope {
    uint32_t id;
    char name[252];
};
struct disk_collection {
    uint32_t id, scope_id;
    int64_t max_ttl_s;
    bool history;
    char name[252];
};

struct batch {
    struct buf bytes;
    bool commit; /* else the transaction goes on with the next batch */
};

void batch_put_state(struct batch *, const struct vbucket *);
void batch_put_wipe(struct batch *, uint16_t vbucket);
void batch_put_item(struct batch *, const struct vbucket *, const struct item *);
void batch_put_forget(struct batch *, const struct record *, const void *key);
void batch_put_manifest(struct batch *, const struct store *);

/** The next record, from *at on; key and value are views of the batch. false: there is none. */
bool batch_next(const struct batch *, size_t *at, struct record *, struct divan_bytes *key, struct divan_bytes *value);

#endif
