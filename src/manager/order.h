/* What the manager has a node do with its vBuckets. Orders may come twice (the manager came back and does not know how far
 * it was): one that is fulfilled is answered at once, one that is under way is answered to the newest id. */
#ifndef DIVAN_MANAGER_ORDER_H
#define DIVAN_MANAGER_ORDER_H

#include "manager/failover.h"

enum order_kind {
    ORDER_BUILD,     /* become a replica of the source's vBucket, up to `until` (0 = what it has now) */
    ORDER_TAKE_OVER, /* become active in place of the source */
    /* End what you are at with the vBucket and tell how you have it; ORDER_ALL = all of the bucket, and `node` are those
     * (uuids, commas between) that are not to be followed from now on: others will be promoted in their place. */
    ORDER_READ,
};
enum { ORDER_ALL = 0xffff };

struct order {
    enum order_kind kind;
    uint64_t id;
    const char *bucket; /* uuid */
    uint16_t vbucket;
    bool fresh;       /* build: what is there is worth nothing, begin with an empty one */
    uint64_t until;   /* seqno */
    const char *node; /* the source: its uuid, and where its key-value service listens */
    const char *host;
    uint16_t port;
};

struct order_result {
    uint64_t id;
    const char *problem;                /* "" = done */
    uint64_t seqno;                     /* what the vBucket has now */
    const struct copy_figures *figures; /* read: of the vBucket, or of all from 0 on */
    size_t figure_count;
};

#endif
