#include "client/kinds.h"

#include "wire/opcodes.h"

/* Idempotent as RFC 49 has it: reads only. An upsert sent twice could undo what another client wrote in between. */
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
    [KIND_CONFIG] = {"get_cluster_config", OP_GET_CLUSTER_CONFIG, EXTRAS_REVISION, true, false, false, false},
    [KIND_COLLECTION_ID] = {"get_collection_id", OP_GET_COLLECTION_ID, EXTRAS_NONE, true, false, false, false},
};
