/* A document as it lies in memory: one block with its key and value behind a fixed head. */
#ifndef DIVAN_NODE_KV_ITEM_H
#define DIVAN_NODE_KV_ITEM_H

#include "base/bytes.h"
#include "base/list.h"

/* Views and numbers that name a document: the key without its collection prefix. */
struct kv_key {
    const uint8_t *data;
    uint32_t collection;
    uint8_t len; /* <= 250 */
};

static inline struct kv_key kv_key_of(uint32_t collection, const void *data, size_t len)
{
    return (struct kv_key){data, collection, (uint8_t)len};
}

enum item_state {
    ITEM_DELETED = 1,   /* a tombstone; its value, if any, holds extended attributes only */
    ITEM_LOCKED = 2,    /* an entry in the vBucket's locks belongs to it (perhaps run out) */
    ITEM_EXPIRED = 4,   /* with ITEM_DELETED: time deleted it, not a client */
    ITEM_SHALLOW = 128, /* the body is JSON that sub-document commands need not check again; only for speed */
    /* What lies in the order by seqno alone, not in the table: */
    ITEM_GHOST = 8,     /* was overwritten, but a snapshot that is being read shows it */
    ITEM_PREPARED = 16, /* a durable write that waits for other copies */
    ITEM_ABORTED = 32,  /* one that was given up */
    ITEM_EVENT = 64,    /* of collections; flags: enum dcp_event, level: version, key: name */
    ITEM_APART = ITEM_GHOST | ITEM_PREPARED | ITEM_ABORTED | ITEM_EVENT,
};

struct item {
    struct item *chain; /* next in the same slot of the table */
    struct link order;  /* place by seqno in the vBucket */
    uint64_t cas, seqno, revision;
    uint32_t expiry_s; /* 0 = never; of a tombstone: when it was deleted */
    uint32_t flags, value_len, collection;
    uint32_t hash;
    uint32_t prepared_ago; /* durable writes: its prepare was so many seqnos before; 0 = none, or too long ago */
    uint32_t back_ago;     /* see vbucket_back(); 0 = there was nothing before, UINT32_MAX = too long ago to know */
    uint8_t key_len, datatype, state;
    uint8_t level;   /* of durability, with prepared_ago or ITEM_PREPARED */
    uint8_t bytes[]; /* key, value */
};

static inline struct kv_key item_key(const struct item *i)
{
    return (struct kv_key){i->bytes, i->collection, i->key_len};
}
static inline struct divan_bytes item_value(const struct item *i)
{
    return bytes_of(i->bytes + i->key_len, i->value_len);
}
/** Whether it is a document as opposed to what only the order holds. */
static inline bool item_in_table(const struct item *i)
{
    return !(i->state & ITEM_APART);
}
static inline bool item_is_live(const struct item *i)
{
    return !(i->state & ITEM_DELETED);
}

#endif
