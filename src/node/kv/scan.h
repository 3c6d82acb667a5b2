/* Range scans: at its creation a scan copies what it will show, in the order of the keys, and later gives it away piece by
 * piece. So what it shows is one moment of the vBucket, whatever happens meanwhile. */
#ifndef DIVAN_NODE_KV_SCAN_H
#define DIVAN_NODE_KV_SCAN_H

#include "node/kv/store.h"
#include "wire/rangescan.h"

enum {
    SCAN_LIFE_S = 180,
    SCANS_MAX = 2048,                    /* open at once, per bucket */
    SCANS_BYTES_MAX = 512 * 1024 * 1024, /* what they hold together */
};

struct scan {
    struct link link;
    struct scan_id id;
    uint16_t vbucket;
    enum scan_kind kind;
    struct buf items; /* as they go out */
    struct buf ends;  /* size_t: where each item ends in `items` */
    size_t count, next;
    uint64_t until_ns;
    bool busy; /* some connection is being served from it */
};

struct scan_table {
    struct list scans;
    size_t count, bytes;
};

void scan_table_init(struct scan_table *);
void scan_table_fini(struct scan_table *);
/** Removes those whose time is over. */
void scan_table_tidy(struct scan_table *, uint64_t now_ns);

enum scan_result {
    SCAN_MADE,
    SCAN_NOTHING, /* no key in the range */
    SCAN_TOO_MANY,
    SCAN_NO_MEMORY,
};
/** Makes a scan of one vBucket with a fresh id. snappy: the client takes compressed values. */
enum scan_result scan_make(struct scan_table *, struct vbucket *, const struct scan_create *, bool snappy,
                           const struct kv_clock *, struct scan **out);
struct scan *scan_find(struct scan_table *, const struct scan_id *, uint16_t vbucket); /**< NULL = not there */
void scan_drop(struct scan_table *, struct scan *);

struct scan_limits {
    size_t items, bytes; /* 0 = none */
};
/** Appends the next items, at least one while there are any, until a limit or about `piece` bytes are reached. Returns how
 * many. */
size_t scan_take(struct scan *, const struct scan_limits *, size_t piece, struct buf *out);

#endif
