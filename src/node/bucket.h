/* A bucket: settings, documents, the configuration that clients get, figures. */
#ifndef DIVAN_NODE_BUCKET_H
#define DIVAN_NODE_BUCKET_H

#include "node/kv/scan.h"
#include "node/kv/store.h"
#include "node/served.h"

enum { BUCKET_NAME_MAX = 100 };

struct bucket {
    struct link link; /* in the engine, by time of creation */
    char name[BUCKET_NAME_MAX + 1];
    char uuid[40];
    struct bucket_spec spec; /* name and uuid point into this struct */
    struct store store;
    struct disk *disk; /* NULL = in memory alone */
    struct served config;
    struct scan_table scans;
    uint32_t sessions; /* that have it selected */
    struct {
        uint64_t at_ns, ops;
        double per_s;
    } rate; /* ops per second between the last two readings */
};

/** NULL with err filled: BUCKET_NAME, INVALID_ARGUMENT, OUT_OF_MEMORY. */
struct bucket *node_bucket_new(const struct bucket_spec *, struct rng *, struct divan_error *err);
void node_bucket_free(struct bucket *); /**< NULL is fine */
/** What may change while it lives. */
void bucket_update(struct bucket *, const struct bucket_spec *);
void bucket_read_stats(struct bucket *, uint64_t now_ns, struct bucket_stats *out);

#endif
