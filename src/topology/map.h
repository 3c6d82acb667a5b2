/* The cluster map as an immutable value: made from the JSON a node sends, shared by reference count, never changed. */
#ifndef DIVAN_TOPOLOGY_MAP_H
#define DIVAN_TOPOLOGY_MAP_H

#include <stdatomic.h>

#include "base/bytes.h"

enum map_service { SVC_KV, SVC_MGMT, SVC_VIEWS, SVC_QUERY, SVC_SEARCH, SVC_ANALYTICS, SVC_EVENTING, SVC_COUNT };

struct map_ports {
    uint16_t plain[SVC_COUNT], tls[SVC_COUNT]; /* 0 = not offered */
};

struct map_alternate {
    char *network, *hostname;
    bool has_ports; /* false: the ports of the default network hold */
    struct map_ports ports;
};

/* A node at its position in nodesExt: vBucket map entries are such positions (whatever list the JSON counts in). Nodes the chosen network does not show
 * keep their place. */
struct map_node {
    char *hostname; /* "$HOST" and a missing one are replaced by the host the map came from; no brackets */
    char *uuid, *server_group, *app_telemetry_path; /* may be NULL */
    struct map_ports ports;
    struct map_alternate *alternates;
    size_t alternate_count;
    bool this_node;
    bool serves_bucket; /* in `nodes`: ready for key-value operations of this bucket */
};

struct map_revision {
    int64_t epoch, rev; /* missing epoch = -1 (lowest), missing rev = 0 (unversioned) */
};

struct map {
    _Atomic uint32_t refs;
    struct map_revision revision;
    char *bucket;                                    /* NULL: a global config */
    char *bucket_uuid, *cluster_uuid, *cluster_name; /* may be NULL */
    bool is_vbucket;                                 /* nodeLocator "vbucket" */
    bool ephemeral;
    uint64_t manifest_uid;
    uint64_t capabilities;         /* bits of enum map_capability */
    uint64_t cluster_capabilities; /* bits of enum map_cluster_capability */
    uint16_t vbuckets;             /* 0 = no map yet: not ready */
    uint8_t replicas;
    uint8_t row;      /* entries per vBucket: 1 + what the rows provide, padded with -1 */
    int16_t *entries; /* vbuckets * row positions in nodes, -1 = nobody */
    int16_t *forward; /* the same for vBucketMapForward, NULL = absent */
    struct map_node *nodes;
    size_t node_count;
};

enum map_capability {
    MAP_COLLECTIONS = 1 << 0,
    MAP_DURABLE_WRITE = 1 << 1,
    MAP_COUCHAPI = 1 << 2,
    MAP_TOMBSTONED_USER_XATTRS = 1 << 3,
    MAP_REPLICA_READ = 1 << 4,
    MAP_RANGE_SCAN = 1 << 5,
    MAP_PRESERVE_EXPIRY = 1 << 6,
    MAP_BINARY_XATTR = 1 << 7,
    MAP_HISTORY = 1 << 8,
    MAP_REVIVE = 1 << 9,
    MAP_BODY_WITH_XATTR = 1 << 10,
    MAP_DOCUMENT_MACROS = 1 << 11,
};

enum map_cluster_capability { /* what the query (N1QL_) and search service of the whole cluster can do */
                              MAP_N1QL_PREPARED = 1 << 0,
                              MAP_N1QL_COST_BASED = 1 << 1,
                              MAP_N1QL_INDEX_ADVISOR = 1 << 2,
                              MAP_N1QL_JAVASCRIPT = 1 << 3,
                              MAP_N1QL_INLINE = 1 << 4,
                              MAP_N1QL_READ_FROM_REPLICA = 1 << 5,
                              MAP_SEARCH_VECTOR = 1 << 6,
                              MAP_SEARCH_SCOPED_INDEX = 1 << 7,
};

enum { MAP_BYTES_MAX = 16 * 1024 * 1024, MAP_NODES_MAX = 4096, MAP_ROW_MAX = 16, MAP_VBUCKETS_MAX = 32768 };

/** Parses a bucket or global config. source_host (no brackets; NULL = 127.0.0.1) replaces $HOST and missing host names.
 * One reference, yours. Unknown fields and capabilities are stepped over.
 * Errors: CONFIG_* (byte offset in the sentence), OUT_OF_MEMORY. Rules: spec section 3.5. */
enum divan_code map_parse(struct divan_bytes json, const char *source_host, struct map **out, struct divan_error *err);
/** The terse JSON form: parsing it again gives an equal map. */
void map_serialise(const struct map *m, struct buf *out);
/** Whether two maps say the same. */
bool map_equal(const struct map *a, const struct map *b);
struct map *map_retain(const struct map *m);
void map_release(const struct map *m); /**< NULL is fine; any thread */

/** <0, 0, >0; a higher epoch wins whatever the rev. */
int revision_compare(struct map_revision a, struct map_revision b);
/** Whether `next` may replace `now` (NULL = nothing yet): newer by (epoch, rev), or unversioned; same vBucket count. */
bool map_supersedes(const struct map *now, const struct map *next);

/** CRC-32 (IEEE, as zlib), slicing-by-8. */
uint32_t crc32_of(struct divan_bytes data);
/** The hash of a key before the modulo; vBucket = hash % m->vbuckets. The key without its collection prefix. */
static inline uint32_t vbucket_hash(struct divan_bytes key)
{
    return crc32_of(key) >> 16 & 0x7fff;
}
static inline uint16_t map_vbucket(const struct map *m, struct divan_bytes key)
{
    return m->vbuckets ? (uint16_t)(vbucket_hash(key) % m->vbuckets) : 0;
}
/** Position of copy `copy` (0 = active) of a vBucket, -1 = nobody. */
static inline int map_owner(const struct map *m, uint16_t vbucket, unsigned copy)
{
    return vbucket < m->vbuckets && copy < m->row ? m->entries[(size_t)vbucket * m->row + copy] : -1;
}
int map_forward_owner(const struct map *m, uint16_t vbucket, unsigned copy); /**< as map_owner in the forward map */

/** The network whose addresses contain the bootstrap host and port (key-value or management, plain or TLS): "default", or
 * an alternate's name (borrowed from the map); none does: "external" when a node offers it, else "default". NULL when `wanted` ("auto" = decide) is not offered by any node (err: CONFIG_NETWORK names those that are). */
const char *map_choose_network(const struct map *m, const char *wanted, const char *seed_host, uint16_t seed_port,
                               struct divan_error *err);
/** Where to reach a service of the node at a position on a network; false: not there. host is borrowed. */
bool map_endpoint(const struct map *m, size_t position, const char *network, enum map_service, bool tls,
                  const char **host, uint16_t *port);

/** What changed between two maps (either may be NULL), nodes matched by uuid, else by host and management port. */
struct map_change {
    size_t nodes_added, nodes_removed, vbuckets_moved;
};
struct map_change map_difference(const struct map *before, const struct map *after);

#endif
