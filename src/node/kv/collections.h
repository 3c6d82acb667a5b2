/* The collections of a bucket: what the manager has declared, with the node's own counters. */
#ifndef DIVAN_NODE_KV_COLLECTIONS_H
#define DIVAN_NODE_KV_COLLECTIONS_H

#include "node/engine.h"

struct collection {
    uint32_t id, scope_id;
    int64_t max_ttl_s; /* MAX_TTL_INHERIT, MAX_TTL_NONE or seconds */
    bool history;
    uint64_t items, mem_bytes; /* live documents in active vBuckets; bytes of all */
    uint64_t gets, stores, deletes;
    uint64_t high_seqno; /* of any vBucket */
    char name[252], scope_name[252];
};

struct scope {
    uint32_t id;
    char name[252];
};

struct manifest {
    uint64_t uid;
    struct scope *scopes;
    size_t scope_count;
    struct collection *collections; /* by id; [0] is _default while that exists */
    size_t collection_count;
    struct buf json; /* the text clients get */
};

/** The default scope and collection alone, uid 0. */
bool manifest_init(struct manifest *);
void manifest_fini(struct manifest *);
/** Replaces the content, keeping the counters of collections whose id stays. On failure nothing changes.
 * INVALID_ARGUMENT: a name too long or an id twice; OUT_OF_MEMORY. */
enum divan_code manifest_apply(struct manifest *, const struct manifest_spec *, struct divan_error *err);

struct collection *manifest_find_slow(const struct manifest *, uint32_t id);
/** NULL = no such collection. */
static inline struct collection *manifest_find(const struct manifest *m, uint32_t id)
{
    if (m->collection_count && m->collections[0].id == id) return m->collections;
    return manifest_find_slow(m, id);
}
/** By names; NULL = not there. */
const struct scope *manifest_find_scope(const struct manifest *, struct divan_bytes name);
const struct collection *manifest_find_collection(const struct manifest *, const struct scope *,
                                                  struct divan_bytes name);

#endif
