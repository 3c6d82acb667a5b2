/* Which changes a stream is about: the value of a stream request. */
#ifndef DIVAN_NODE_DCP_FILTER_H
#define DIVAN_NODE_DCP_FILTER_H

#include "node/kv/collections.h"
#include "node/kv/item.h"
#include "wire/statuses.h"

struct dcp_filter {
    bool all;          /* every collection */
    bool default_only; /* the peer does not know of collections */
    bool has_scope, has_sid, has_purge_seqno;
    uint16_t sid;
    uint32_t scope;
    uint32_t *collections; /* ids */
    size_t collection_count;
    uint64_t purge_seqno;
};

/** Reads the value of a request; "" = everything. SUCCESS, EINVAL, ENOMEM, UNKNOWN_COLLECTION, UNKNOWN_SCOPE. */
enum status dcp_filter_read(struct divan_bytes json, const struct manifest *, struct dcp_filter *out);
void dcp_filter_fini(struct dcp_filter *);
/** Whether an item of a collection passes. */
bool dcp_filter_passes(const struct dcp_filter *, const struct manifest *, uint32_t collection);
/** Whether an event of collections passes. */
bool dcp_filter_passes_event(const struct dcp_filter *, const struct item *);

#endif
