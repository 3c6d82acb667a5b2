/* The commands: one row per opcode. What a request of it must look like is in defs/opcodes.def; here is who may, what it
 * needs and who does it. */
#ifndef DIVAN_NODE_COMMAND_H
#define DIVAN_NODE_COMMAND_H

#include "node/request.h"

enum command_need {
    NEED_BUCKET = 1,
    NEED_VBUCKET = 2,   /* any mode but absent and dead; request.vbucket is set */
    NEED_ACTIVE = 4,    /* an active vBucket */
    NEED_REPLICA = 8,   /* a replica vBucket */
    NEED_DOCUMENT = 16, /* a document key: request.op is set */
};

struct command {
    void (*run)(struct request *);
    uint32_t privileges;        /* any of these, enum privilege; 0 = authenticated is enough */
    uint8_t needs;              /* enum command_need */
    const char *privilege_name; /* of the one that is missed most likely */
    /* What only this command can check of its form, before bucket and rights; false: it has answered. May be NULL. */
    bool (*check)(struct request *);
};

extern const struct command kv_commands[256]; /* of loud opcodes */

/* kv/cmd_get.c */
void run_get(struct request *);
void run_get_replica(struct request *);
void run_get_meta(struct request *);
void run_get_random_key(struct request *);
/* kv/cmd_store.c */
void run_store(struct request *);
void run_concat(struct request *);
void run_counter(struct request *);
void run_delete(struct request *);
/* kv/cmd_touch.c */
void run_touch(struct request *);
void run_get_and_touch(struct request *);
void run_get_and_lock(struct request *);
void run_unlock(struct request *);
void run_evict(struct request *);
/* kv/cmd_meta.c */
void run_write_with_meta(struct request *);
void run_return_meta(struct request *);
/* kv/cmd_observe.c */
void run_observe(struct request *);
void run_observe_seqno(struct request *);
void run_all_vb_seqnos(struct request *);
void run_failover_log(struct request *);
void run_seqno_persistence(struct request *);
/* kv/cmd_collections.c */
void run_collections_manifest(struct request *);
void run_collection_id(struct request *);
void run_scope_id(struct request *);
/* kv/cmd_config.c */
void run_cluster_config(struct request *);
void run_error_map(struct request *);
/* kv/cmd_hello.c */
void run_hello(struct request *);
void run_sasl_list(struct request *);
void run_sasl_auth(struct request *);
void run_sasl_step(struct request *);
void run_select_bucket(struct request *);
void run_list_buckets(struct request *);
/* kv/cmd_misc.c */
void run_noop(struct request *);
void run_version(struct request *);
void run_verbosity(struct request *);
void run_quit(struct request *);
/* kv/cmd_subdoc.c */
bool check_subdoc(struct request *);
void run_subdoc(struct request *);
/* dcp/peer.c */
void run_dcp_open(struct request *);
void run_dcp(struct request *);
/* kv/cmd_scan.c */
bool check_scan_create(struct request *);
void run_scan_create(struct request *);
void run_scan_continue(struct request *);
void run_scan_cancel(struct request *);
/* kv/cmd_stat.c */
void run_stat(struct request *);

#endif
