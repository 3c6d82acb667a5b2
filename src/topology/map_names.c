/* The names of services and capabilities in cluster configurations. */
#include "topology/map_make.h"

const struct map_service_names map_service_names[SVC_COUNT] = {
    [SVC_KV] = {"kv", "kvSSL"},
    [SVC_MGMT] = {"mgmt", "mgmtSSL"},
    [SVC_VIEWS] = {"capi", "capiSSL"},
    [SVC_QUERY] = {"n1ql", "n1qlSSL"},
    [SVC_SEARCH] = {"fts", "ftsSSL"},
    [SVC_ANALYTICS] = {"cbas", "cbasSSL"},
    [SVC_EVENTING] = {"eventingAdminPort", "eventingSSL"},
};

/* The first name of a bit is the one that is written. */
const struct map_capability_name map_capability_names[] = {
    {NULL, "collections", MAP_COLLECTIONS},
    {NULL, "durableWrite", MAP_DURABLE_WRITE},
    {NULL, "couchapi", MAP_COUCHAPI},
    {NULL, "tombstonedUserXAttrs", MAP_TOMBSTONED_USER_XATTRS},
    {NULL, "subdoc.AccessDeleted", MAP_TOMBSTONED_USER_XATTRS},
    {NULL, "subdoc.ReplicaRead", MAP_REPLICA_READ},
    {NULL, "rangeScan", MAP_RANGE_SCAN},
    {NULL, "preserveExpiry", MAP_PRESERVE_EXPIRY},
    {NULL, "preserve_expiry", MAP_PRESERVE_EXPIRY},
    {NULL, "subdoc.BinaryXattr", MAP_BINARY_XATTR},
    {NULL, "nonDedupedHistory", MAP_HISTORY},
    {NULL, "subdoc.ReviveDocument", MAP_REVIVE},
    {NULL, "subdoc.ReplaceBodyWithXattr", MAP_BODY_WITH_XATTR},
    {NULL, "subdoc.DocumentMacroSupport", MAP_DOCUMENT_MACROS},
    {"n1ql", "enhancedPreparedStatements", MAP_N1QL_PREPARED},
    {"n1ql", "costBasedOptimizer", MAP_N1QL_COST_BASED},
    {"n1ql", "indexAdvisor", MAP_N1QL_INDEX_ADVISOR},
    {"n1ql", "javaScriptFunctions", MAP_N1QL_JAVASCRIPT},
    {"n1ql", "inlineFunctions", MAP_N1QL_INLINE},
    {"n1ql", "readFromReplica", MAP_N1QL_READ_FROM_REPLICA},
    {"search", "vectorSearch", MAP_SEARCH_VECTOR},
    {"search", "scopedSearchIndex", MAP_SEARCH_SCOPED_INDEX},
    {NULL, NULL, 0},
};
