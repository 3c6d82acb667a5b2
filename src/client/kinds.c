#include "client/kinds.h"

#include "wire/opcodes.h"

/* Idempotent as RFC 49 has it: reads only (a continued scan has moved on). An upsert sent twice could undo what another client wrote in between. */
const struct kind_facts kind_facts[KIND_COUNT] = {
    [KIND_GET] = {"get", OP_GET, EXTRAS_NONE, true, true, false, true},
    [KIND_EXISTS] = {"exists", OP_GET_META, EXTRAS_META, true, true, false, false},
    [KIND_GET_AND_TOUCH] = {"get_and_touch", OP_GAT, EXTRAS_EXPIRY, false, true, false, true},
    [KIND_TOUCH] = {"touch", OP_TOUCH, EXTRAS_EXPIRY, false, true, false, false},
    [KIND_INSERT] = {"insert", OP_ADD, EXTRAS_FLAGS_EXPIRY, false, true, true, false},
    [KIND_UPSERT] = {"upsert", OP_SET, EXTRAS_FLAGS_EXPIRY, false, true, true, false},
    [KIND_REPLACE] = {"replace", OP_REPLACE, EXTRAS_FLAGS_EXPIRY, false, true, true, false},
    [KIND_REMOVE] = {"remove", OP_DELETE, EXTRAS_NONE, false, true, true, false},
    [KIND_APPEND] = {"append", OP_APPEND, EXTRAS_NONE, false, true, true, false},
    [KIND_PREPEND] = {"prepend", OP_PREPEND, EXTRAS_NONE, false, true, true, false},
    [KIND_INCREMENT] = {"increment", OP_INCR, EXTRAS_COUNTER, false, true, true, false},
    [KIND_DECREMENT] = {"decrement", OP_DECR, EXTRAS_COUNTER, false, true, true, false},
    [KIND_GET_AND_LOCK] = {"get_and_lock", OP_GETL, EXTRAS_EXPIRY, false, true, false, true},
    [KIND_UNLOCK] = {"unlock", OP_UNLOCK, EXTRAS_NONE, false, true, false, false},
    [KIND_LOOKUP_IN] = {"lookup_in", OP_SUBDOC_MULTI_LOOKUP, EXTRAS_SPECS, true, true, false, false},
    [KIND_MUTATE_IN] = {"mutate_in", OP_SUBDOC_MULTI_MUTATION, EXTRAS_SPECS, false, true, true, false},
    [KIND_GET_PROJECTED] = {"get_projected", OP_SUBDOC_MULTI_LOOKUP, EXTRAS_SPECS, true, true, false, false},
    [KIND_GET_REPLICA] = {"get_replica", OP_GET_REPLICA, EXTRAS_NONE, true, true, false, true},
    [KIND_SCAN_CREATE] = {"scan_create", OP_RANGE_SCAN_CREATE, EXTRAS_NONE, true, false, false, false},
    [KIND_SCAN_CONTINUE] = {"scan_continue", OP_RANGE_SCAN_CONTINUE, EXTRAS_SCAN, false, false, false, false},
    [KIND_SCAN_CANCEL] = {"scan_cancel", OP_RANGE_SCAN_CANCEL, EXTRAS_SCAN, true, false, false, false},
    [KIND_CONFIG] = {"get_cluster_config", OP_GET_CLUSTER_CONFIG, EXTRAS_REVISION, true, false, false, false},
    [KIND_COLLECTION_ID] = {"get_collection_id", OP_GET_COLLECTION_ID, EXTRAS_NONE, true, false, false, false},
    [KIND_OBSERVE] = {"observe", OP_OBSERVE_SEQNO, EXTRAS_NONE, true, false, false, false},
    [KIND_NOOP] = {"noop", OP_NOOP, EXTRAS_NONE, true, false, false, false},
    [KIND_HTTP] = {"http", 0, EXTRAS_NONE, false, false, false, false},
    [KIND_HTTP_READ] = {"http", 0, EXTRAS_NONE, true, false, false, false},
};
