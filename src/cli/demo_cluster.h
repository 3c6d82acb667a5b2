/* The cluster of the demo: `divan up` on free ports and a folder of its own, as a user would start it. */
#ifndef DIVAN_CLI_DEMO_CLUSTER_H
#define DIVAN_CLI_DEMO_CLUSTER_H

#include "cli/local/record.h"

struct demo_cluster {
    char dir[64]; /* temporary, with all the state; "" = none */
    int64_t pid;  /* of divan up; 0 = none */
    struct record record;
};

/** Starts it and waits until it is ready. demo_cluster_stop() in any case. Errors: SYSTEM, FAILED (with what divan up said),
 * OUT_OF_MEMORY. */
enum divan_code demo_cluster_start(struct demo_cluster *c, unsigned nodes, const char *bucket, struct divan_error *err);
/** Makes a scope and in it the collections (NULL-terminated) over REST. Errors of rest_do(). */
enum divan_code demo_cluster_collections(const struct demo_cluster *c, const char *scope,
                                         const char *const *collections, struct divan_error *err);
/** Stops it and removes the folder. */
void demo_cluster_stop(struct demo_cluster *c);

#endif
