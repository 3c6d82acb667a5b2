/* What a running local cluster is, as `divan up --json` prints it and cluster.json in its state folder keeps it: how other
 * commands find it. */
#ifndef DIVAN_CLI_LOCAL_RECORD_H
#define DIVAN_CLI_LOCAL_RECORD_H

#include "base/bytes.h"

struct record_node {
    unsigned id; /* 1 is the first */
    int64_t pid;
    char host[48];
    uint16_t mgmt, views, query, kv, kv_tls; /* 0 = not offered */
};

struct record {
    char *connection_string, *username, *password, *dir; /* never NULL in a whole record */
    char **buckets;
    size_t bucket_count;
    int64_t pid; /* of `divan up` */
    struct record_node *nodes;
    size_t node_count;
};

/** Appends it as one JSON object without a newline; the first bucket is also the member "bucket". Nodes: id, pid, host and
 * the ports that are offered, as numbers. */
void record_json(const struct record *r, struct buf *out);
/** The other way; unknown members are ignored. On success *out belongs to the caller: record_fini(). Errors: STATE_DIR,
 * OUT_OF_MEMORY. */
enum divan_code record_parse(struct divan_bytes json, struct record *out, struct divan_error *err);
void record_fini(struct record *r); /**< a zeroed one is fine */

#endif
