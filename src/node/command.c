#include "node/command.h"

enum { DOC_READ = NEED_BUCKET | NEED_ACTIVE | NEED_DOCUMENT, VB = NEED_BUCKET | NEED_VBUCKET };

#define ROW(run_, any_of, needs_, name_, check_)                                                                       \
    {                                                                                                                  \
        run_, any_of, needs_, name_, check_                                                                            \
    }
#define DOCUMENT(run_, any_of, name_) ROW(run_, any_of, DOC_READ, name_, NULL)

#define LOOKUP   ROW(run_subdoc, PRIV_READ, DOC_READ, "Read", check_subdoc)
#define MUTATION ROW(run_subdoc, PRIV_UPSERT, DOC_READ, "Upsert", check_subdoc)

const struct command kv_commands[256] = {
    [OP_GET] = DOCUMENT(run_get, PRIV_READ, "Read"),
    [OP_GETK] = DOCUMENT(run_get, PRIV_READ, "Read"),
    [OP_GET_REPLICA] = {run_get_replica, PRIV_READ, NEED_BUCKET | NEED_REPLICA | NEED_DOCUMENT, "Read", NULL},
    [OP_GET_META] = DOCUMENT(run_get_meta, PRIV_READ | PRIV_META_READ, "MetaRead"),
    [OP_GET_RANDOM_KEY] = {run_get_random_key, 0, 0, NULL, NULL},
    [OP_SET] = DOCUMENT(run_store, PRIV_UPSERT, "Upsert"),
    [OP_ADD] = DOCUMENT(run_store, PRIV_INSERT | PRIV_UPSERT, "Insert"),
    [OP_REPLACE] = DOCUMENT(run_store, PRIV_UPSERT, "Upsert"),
    [OP_DELETE] = DOCUMENT(run_delete, PRIV_DELETE, "Delete"),
    [OP_INCR] = DOCUMENT(run_counter, PRIV_UPSERT, "Upsert"),
    [OP_DECR] = DOCUMENT(run_counter, PRIV_UPSERT, "Upsert"),
    [OP_APPEND] = DOCUMENT(run_concat, PRIV_UPSERT, "Upsert"),
    [OP_PREPEND] = DOCUMENT(run_concat, PRIV_UPSERT, "Upsert"),
    [OP_TOUCH] = DOCUMENT(run_touch, PRIV_UPSERT, "Upsert"),
    [OP_GAT] = DOCUMENT(run_get_and_touch, PRIV_UPSERT, "Upsert"),
    [OP_GETL] = DOCUMENT(run_get_and_lock, PRIV_READ, "Read"),
    [OP_UNLOCK] = DOCUMENT(run_unlock, PRIV_READ, "Read"),
    [OP_EVICT_KEY] = DOCUMENT(run_evict, PRIV_ADMIN, "NodeSupervisor"),
    [OP_SET_WITH_META] = DOCUMENT(run_write_with_meta, PRIV_META_WRITE, "MetaWrite"),
    [OP_ADD_WITH_META] = DOCUMENT(run_write_with_meta, PRIV_META_WRITE, "MetaWrite"),
    [OP_DEL_WITH_META] = DOCUMENT(run_write_with_meta, PRIV_META_WRITE, "MetaWrite"),
    [OP_SUBDOC_GET] = LOOKUP,
    [OP_SUBDOC_EXISTS] = LOOKUP,
    [OP_SUBDOC_GET_COUNT] = LOOKUP,
    [OP_SUBDOC_MULTI_LOOKUP] = LOOKUP,
    [OP_SUBDOC_DICT_ADD] = MUTATION,
    [OP_SUBDOC_DICT_UPSERT] = MUTATION,
    [OP_SUBDOC_DELETE] = MUTATION,
    [OP_SUBDOC_REPLACE] = MUTATION,
    [OP_SUBDOC_ARRAY_PUSH_LAST] = MUTATION,
    [OP_SUBDOC_ARRAY_PUSH_FIRST] = MUTATION,
    [OP_SUBDOC_ARRAY_INSERT] = MUTATION,
    [OP_SUBDOC_ARRAY_ADD_UNIQUE] = MUTATION,
    [OP_SUBDOC_COUNTER] = MUTATION,
    [OP_SUBDOC_MULTI_MUTATION] = MUTATION,
    [OP_SUBDOC_REPLACE_BODY_WITH_XATTR] = MUTATION,
    [OP_OBSERVE] = {run_observe, PRIV_READ | PRIV_META_READ, NEED_BUCKET, "MetaRead", NULL},
    [OP_OBSERVE_SEQNO] = {run_observe_seqno, PRIV_READ | PRIV_META_READ, VB, "MetaRead", NULL},
    [OP_GET_ALL_VB_SEQNOS] = {run_all_vb_seqnos, PRIV_READ | PRIV_META_READ, NEED_BUCKET, "MetaRead", NULL},
    [OP_GET_FAILOVER_LOG] = {run_failover_log, PRIV_READ | PRIV_META_READ, VB, "MetaRead", NULL},
    [OP_SEQNO_PERSISTENCE] = {run_seqno_persistence, PRIV_READ | PRIV_META_READ, VB, "MetaRead", NULL},
    [OP_GET_COLLECTIONS_MANIFEST] = {run_collections_manifest, 0, NEED_BUCKET, NULL, NULL},
    [OP_GET_COLLECTION_ID] = {run_collection_id, 0, NEED_BUCKET, NULL, NULL},
    [OP_GET_SCOPE_ID] = {run_scope_id, 0, NEED_BUCKET, NULL, NULL},
    [OP_GET_CLUSTER_CONFIG] = {run_cluster_config, 0, 0, NULL, NULL},
    [OP_GET_ERROR_MAP] = {run_error_map, 0, 0, NULL, NULL},
    [OP_HELLO] = {run_hello, 0, 0, NULL, NULL},
    [OP_SASL_LIST_MECHS] = {run_sasl_list, 0, 0, NULL, NULL},
    [OP_SASL_AUTH] = {run_sasl_auth, 0, 0, NULL, NULL},
    [OP_SASL_STEP] = {run_sasl_step, 0, 0, NULL, NULL},
    [OP_SELECT_BUCKET] = {run_select_bucket, 0, 0, NULL, NULL},
    [OP_LIST_BUCKETS] = {run_list_buckets, 0, 0, NULL, NULL},
    [OP_NOOP] = {run_noop, 0, 0, NULL, NULL},
    [OP_VERSION] = {run_version, 0, 0, NULL, NULL},
    [OP_VERBOSITY] = {run_verbosity, 0, 0, NULL, NULL},
    [OP_QUIT] = {run_quit, 0, 0, NULL, NULL},
    [OP_STAT] = {run_stat, PRIV_STATS | PRIV_READ, NEED_BUCKET, "SimpleStats", NULL},
};
