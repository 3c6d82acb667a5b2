/* A local cluster as this process runs it: the manager here, one divand process per node. */
#ifndef DIVAN_CLI_LOCAL_CLUSTER_H
#define DIVAN_CLI_LOCAL_CLUSTER_H

#include "base/log.h"
#include "cli/local/record.h"
#include "io/io.h"

struct local_options {
    const char *dir; /* the state folder, made and locked */
    unsigned nodes;
    const char *const *buckets;
    size_t bucket_count;
    const char *user, *password;
    uint16_t vbuckets;
    bool data;          /* keep the set-up and the documents in the state folder, and go on from there */
    bool find_ports;    /* choose a port base */
    uint16_t port_base; /* 0 = every node its own address */
    const struct log *log;
};

struct local;

/** Checks the ports, starts the manager and the processes of the nodes. All in options is borrowed for its life. NULL with
 * err filled: PORT_IN_USE, FILE_READ (no divand), STATE_DIR, INVALID_ARGUMENT, SYSTEM, OUT_OF_MEMORY. */
struct local *local_new(struct io_loop *, const struct local_options *, struct divan_error *err);
/** Stops the nodes (grace first) and the manager. NULL is fine. */
void local_free(struct local *);

/** Whether every node serves what the manager has decided. Look again after each turn of the loop. */
bool local_ready(const struct local *);
/** What stands, in full once it is ready; borrowed until local_free(). NULL: out of memory. */
const struct record *local_record(struct local *);

/** Collects nodes whose process ended and tells each once: node from 0, how, and the last line of its log. */
typedef void local_ended_fn(void *user, unsigned node, const char *how, const char *last_words);
void local_reap(struct local *, local_ended_fn *fn, void *user);
unsigned local_alive(const struct local *); /**< nodes whose process runs */
bool local_node_alive(const struct local *, unsigned node);

#endif
