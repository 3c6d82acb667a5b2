/* How a command finds its cluster: options, the environment, the local cluster that runs, 127.0.0.1. */
#ifndef DIVAN_CLI_CONNECT_H
#define DIVAN_CLI_CONNECT_H

#include <divan/divan.h>

#include "cli/local/record.h"
#include "cli/options.h"

struct connect_args {
    const char *connstr, *username, *password, *bucket, *scope, *collection, *dir, *ca;
};
extern const struct opt_row connect_rows[];         /* the group "Connection" over a struct connect_args */
extern const struct opt_row connect_bucket_rows[];  /* the same up to the bucket */
extern const struct opt_row connect_cluster_rows[]; /* and without any bucket */

/* What was decided; all texts live until target_fini(). */
struct target {
    const char *connstr, *username, *password;
    const char *bucket;  /* NULL = the one in the connection string */
    struct record local; /* the running local cluster, when it was asked */
    bool is_local;
};

/** Decides. A running local cluster of the state folder gives what is not given, also when the connection string is its
 * own; on loopback the well-known Administrator, password and default do. Errors: CONNSTR_*, STATE_DIR, OUT_OF_MEMORY. */
enum divan_code target_choose(const struct connect_args *args, struct target *out, struct divan_error *err);
void target_fini(struct target *t);

struct connection {
    struct target target;
    divan_cluster *cluster;
    divan_collection *collection;
};
/** target_choose() and opening; timeout_ms 0 = the library's. connection_close() in any case. Errors: those of
 * target_choose(), divan_cluster_open() and divan_cluster_collection(). */
enum divan_code connection_open(const struct connect_args *args, uint32_t timeout_ms, struct connection *out,
                                struct divan_error *err);
/** The same without a collection: for what is asked of the cluster. */
enum divan_code connection_open_cluster(const struct connect_args *args, uint32_t timeout_ms, struct connection *out,
                                        struct divan_error *err);
void connection_close(struct connection *c); /**< a zeroed one is fine */

#endif
