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
    ITEM_DELETED = 1, /* a tombstone; its value, if any, holds extended attributes only */
    ITEM_LOCKED = 2,  /* an entry in the vBucket's locks belongs to it (perhaps run out) */
    ITEM_EXPIRED = 4, /* with ITEM_DELETED: time deleted it, not a client */
};

struct item {
    struct item *chain; /* next in the same slot of the table */
    struct link order;  /* place by seqno in the vBucket */
    uint64_t cas, seqno, revision;
    uint32_t expiry_s; /* 0 = never; of a tombstone: when it was deleted */
    uint32_t flags, value_len, collection;
    uint32_t hash;
    uint8_t key_len, datatype, state;
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
static inline bool item_is_live(const struct item *i)
{
    return !(i->state & ITEM_DELETED);
}

#endif
