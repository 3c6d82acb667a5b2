/* What clients are told: terse bucket configuration, global configuration, collections manifest. Order and spelling of the
 * fields are those of Couchbase Server 7.6. */
#include <inttypes.h>
#include <stdio.h>

#include "manager/doc.h"
#include "manager/json_writer.h"

/* Only what this cluster really does; clients switch features on by it. */
static const char *const capabilities[] = {"collections",
                                           "durableWrite",
                                           "tombstonedUserXAttrs",
                                           "subdoc.ReplaceBodyWithXattr",
                                           "subdoc.DocumentMacroSupport",
                                           "subdoc.ReviveDocument",
                                           "preserveExpiry",
                                           "querySystemCollection",
                                           "mobileSystemCollection",
                                           "subdoc.ReplicaRead",
                                           "rangeScan",
                                           "dcp",
                                           "cbhello",
                                           "touch",
                                           "cccp",
                                           "nodesExt",
                                           "xattr",
                                           NULL};
/* What the server has for persistent buckets alone. */
static const char *const persistent_only[] = {"rangeScan", NULL};
static const char *const memcached_capabilities[] = {"cbhello", "nodesExt", NULL};

static const char cluster_capabilities[] =
    "\"clusterCapabilitiesVer\":[1,0],\"clusterCapabilities\":{\"n1ql\":[\"costBasedOptimizer\",\"indexAdvisor\","
    "\"javaScriptFunctions\",\"inlineFunctions\",\"enhancedPreparedStatements\",\"readFromReplica\"],"
    "\"search\":[\"vectorSearch\",\"scopedSearchIndex\"]}";

/* Services as a configuration lists them; alternate addresses in the second order. */
struct port_name {
    const char *name;
    enum map_service service;
    bool tls;
};
static const struct port_name port_names[] = {
    {"mgmt", SVC_MGMT, false},
    {"mgmtSSL", SVC_MGMT, true},
    {"kv", SVC_KV, false},
    {"kvSSL", SVC_KV, true},
    {"capi", SVC_VIEWS, false},
    {"capiSSL", SVC_VIEWS, true},
    {"n1ql", SVC_QUERY, false},
    {"n1qlSSL", SVC_QUERY, true},
    {"fts", SVC_SEARCH, false},
    {"ftsSSL", SVC_SEARCH, true},
    {"cbas", SVC_ANALYTICS, false},
    {"cbasSSL", SVC_ANALYTICS, true},
    {"eventingAdminPort", SVC_EVENTING, false},
    {"eventingSSL", SVC_EVENTING, true},
};
enum { PORT_NAMES = sizeof port_names / sizeof *port_names };

/* Only services the node was set up for: a port alone, such as that of the views to come, is no offer. */
static uint16_t port_of(const struct doc_node *n, const struct port_name *p)
{
    if (p->service != SVC_MGMT && !(n->services >> p->service & 1)) return 0;
    return (p->tls ? n->ports.tls : n->ports.plain)[p->service];
}

/* ---- addresses */

static void put_host(const char *host, struct buf *out)
{
    bool v6 = strchr(host, ':') != NULL;
    if (v6) buf_u8(out, '[');
    buf_put_str(out, host);
    if (v6) buf_u8(out, ']');
}

void doc_put_address(const struct doc_node *n, uint16_t port, struct buf *out)
{
    if (n->named) put_host(n->host, out);
    else buf_put_str(out, "$HOST");
    buf_printf(out, ":%u", port);
}

uint16_t doc_alternate_port(const struct doc_node *n, const char *service)
{
    if (!n->alternate_host) return 0;
    for (size_t i = 0; i < n->alternate_port_count; i++)
        if (strcmp(n->alternate_ports[i].service, service) == 0) return n->alternate_ports[i].port;
    if (n->alternate_port_count) return 0;
    for (int i = 0; i < PORT_NAMES; i++)
        if (strcmp(port_names[i].name, service) == 0) return port_of(n, &port_names[i]);
    return 0;
}

void doc_put_alternate(const struct doc_node *n, enum doc_alternate_view view, struct buf *out)
{
    if (!n->alternate_host) return;
    jw_open(out, "alternateAddresses", '{');
    jw_open(out, "external", '{');
    jw_str(out, "hostname", n->alternate_host);
    bool some = n->alternate_port_count || view == DOC_ALTERNATE_ALL;
    if (some) jw_open(out, "ports", '{');
    for (int i = 0; some && i < PORT_NAMES; i++) {
        const struct port_name *p = &port_names[i];
        uint16_t port = doc_alternate_port(n, p->name);
        bool hidden = p->tls &&
                      (view == DOC_ALTERNATE_PLAIN || (view == DOC_ALTERNATE_NO_KV_TLS && p->service == SVC_KV));
        if (port && !hidden) jw_uint(out, p->name, port);
    }
    if (some) jw_close(out, '}');
    jw_close(out, '}');
    jw_close(out, '}');
}

static void put_services(const struct doc_node *n, struct buf *out)
{
    jw_open(out, "services", '{');
    for (int i = 0; i < PORT_NAMES; i++)
        if (port_of(n, &port_names[i])) jw_uint(out, port_names[i].name, port_of(n, &port_names[i]));
    jw_close(out, '}');
}

static const char *group_name(const struct doc *d, const struct doc_node *n)
{
    const struct doc_server_group *g = doc_find_server_group(d, n->group);
    return g ? g->name : "";
}

static void put_node_ext(const struct doc *d, const struct doc_node *n, const char *self, struct buf *out)
{
    jw_open(out, NULL, '{');
    put_services(n, out);
    if (self && strcmp(n->uuid, self) == 0) jw_bool(out, "thisNode", true);
    if (n->named) jw_str(out, "hostname", n->host);
    doc_put_alternate(n, DOC_ALTERNATE_ALL, out);
    jw_str(out, "serverGroup", group_name(d, n));
    jw_close(out, '}');
}

/* ---- which nodes a bucket has */

size_t doc_bucket_nodes(const struct doc *d, const struct doc_bucket *b, const struct doc_node **out)
{
    size_t n = 0;
    for (size_t i = 0; i < b->map.server_count; i++) {
        const struct doc_node *node = doc_find_node(d, b->map.servers[i]);
        if (node) out[n++] = node;
    }
    for (size_t i = 0; b->type == DOC_MEMCACHED && i < d->node_count; i++)
        if (d->nodes[i].membership == DOC_ACTIVE) out[n++] = &d->nodes[i];
    return n;
}

static bool among(const struct doc_bucket *b, const struct doc_node *n)
{
    for (size_t i = 0; b && i < b->map.server_count; i++)
        if (strcmp(b->map.servers[i], n->uuid) == 0) return true;
    return false;
}

/* Servers of the bucket first and in the order of its map, whose entries are positions here; then the other active ones. */
static void put_nodes_ext(const struct doc *d, const struct doc_bucket *b, const char *self, struct buf *out)
{
    jw_open(out, "nodesExt", '[');
    for (size_t i = 0; b && i < b->map.server_count; i++) {
        const struct doc_node *n = doc_find_node(d, b->map.servers[i]);
        if (n) put_node_ext(d, n, self, out);
    }
    for (size_t i = 0; i < d->node_count; i++)
        if (d->nodes[i].membership == DOC_ACTIVE && !among(b, &d->nodes[i])) put_node_ext(d, &d->nodes[i], self, out);
    jw_close(out, ']');
}

/* ---- the vBucket map */

static void put_entries(const struct doc_vbmap *m, const int16_t *entries, const char *key, struct buf *out)
{
    if (!entries) return;
    jw_open(out, key, '[');
    for (unsigned v = 0; v < m->vbuckets; v++) {
        buf_put_str(out, v ? ",[" : "[");
        for (unsigned c = 0; c < m->row; c++) buf_printf(out, c ? ",%d" : "%d", entries[(size_t)v * m->row + c]);
        buf_u8(out, ']');
    }
    jw_close(out, ']');
}

void doc_put_vbmap(const struct doc *d, const struct doc_bucket *b,
                   void (*host_of)(const struct doc_node *, uint16_t, struct buf *), struct buf *out)
{
    jw_open(out, "vBucketServerMap", '{');
    jw_str(out, "hashAlgorithm", "CRC");
    jw_uint(out, "numReplicas", b->replicas);
    jw_open(out, "serverList", '[');
    for (size_t i = 0; i < b->map.server_count; i++) {
        const struct doc_node *n = doc_find_node(d, b->map.servers[i]);
        jw_key(out, NULL);
        buf_u8(out, '"');
        if (n) host_of(n, n->ports.plain[SVC_KV], out);
        buf_u8(out, '"');
    }
    jw_close(out, ']');
    if (!b->map.vbuckets) jw_raw(out, "vBucketMap", "[]");
    else put_entries(&b->map, b->map.entries, "vBucketMap", out);
    put_entries(&b->map, b->map.forward, "vBucketMapForward", out);
    jw_close(out, '}');
}

/* ---- the bucket */

/* Names hold nothing but letters, digits and _.-%, so only the last needs escaping. */
static void put_path_name(const char *name, struct buf *out)
{
    for (; *name; name++)
        if (*name == '%') buf_put_str(out, "%25");
        else buf_u8(out, (uint8_t)*name);
}

static bool has_capability(const struct doc_bucket *b, const char *name)
{
    for (const char *const *c = persistent_only; b->type != DOC_COUCHBASE && *c; c++)
        if (strcmp(*c, name) == 0) return false;
    return true;
}

static void put_uri(const char *key, const char *base, const struct doc_bucket *b, struct buf *out)
{
    jw_key(out, key);
    buf_printf(out, "\"%s", base);
    put_path_name(b->name, out);
    buf_printf(out, "?bucket_uuid=%s\"", b->uuid);
}

void doc_put_bucket_head(const struct doc_bucket *b, struct buf *out)
{
    bool memcached = b->type == DOC_MEMCACHED;
    jw_str(out, "name", b->name);
    jw_str(out, "nodeLocator", memcached ? "ketama" : "vbucket");
    jw_str(out, "bucketType", doc_bucket_type_name(b->type));
    if (b->type == DOC_COUCHBASE) jw_str(out, "storageBackend", "couchstore");
    jw_str(out, "uuid", b->uuid);
    put_uri("uri", "/pools/default/buckets/", b, out);
    put_uri("streamingUri", "/pools/default/bucketsStreaming/", b, out);
    if (!memcached && b->map.vbuckets) jw_uint(out, "numVBuckets", b->map.vbuckets);
    jw_str(out, "bucketCapabilitiesVer", "");
    jw_open(out, "bucketCapabilities", '[');
    for (const char *const *c = memcached ? memcached_capabilities : capabilities; *c; c++)
        if (memcached || has_capability(b, *c)) jw_str(out, NULL, *c);
    jw_close(out, ']');
    if (memcached) return;
    jw_printf(out, "collectionsManifestUid", "%" PRIx64, b->manifest.uid);
}

static void put_bucket_node(const struct doc_node *n, struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_key(out, "hostname");
    buf_u8(out, '"');
    doc_put_address(n, n->ports.plain[SVC_MGMT], out);
    buf_u8(out, '"');
    jw_open(out, "ports", '{');
    jw_uint(out, "direct", n->ports.plain[SVC_KV]);
    jw_close(out, '}');
    doc_put_alternate(n, DOC_ALTERNATE_PLAIN, out);
    jw_close(out, '}');
}

static void bucket_config(const struct doc *d, const struct doc_bucket *b, int64_t rev, const char *self,
                          struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_int(out, "rev", rev);
    jw_int(out, "revEpoch", d->revision.epoch);
    doc_put_bucket_head(b, out);
    if (b->type != DOC_MEMCACHED) doc_put_vbmap(d, b, doc_put_address, out);
    jw_open(out, "nodes", '[');
    for (size_t i = 0; i < d->node_count; i++)
        if (b->type == DOC_MEMCACHED && d->nodes[i].membership == DOC_ACTIVE) put_bucket_node(&d->nodes[i], out);
    for (size_t i = 0; i < b->map.server_count; i++) {
        const struct doc_node *n = doc_find_node(d, b->map.servers[i]);
        if (n) put_bucket_node(n, out);
    }
    jw_close(out, ']');
    put_nodes_ext(d, b, self, out);
    jw_raw(out, NULL, cluster_capabilities);
    jw_close(out, '}');
}

static void global_config(const struct doc *d, int64_t rev, const char *self, struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_int(out, "rev", rev);
    put_nodes_ext(d, NULL, self, out);
    jw_int(out, "revEpoch", d->revision.epoch);
    jw_raw(out, NULL, cluster_capabilities);
    jw_close(out, '}');
}

void doc_bucket_config(const struct doc *d, const struct doc_bucket *b, const char *self, struct buf *out)
{
    bucket_config(d, b, b->rev, self, out);
}

void doc_global_config(const struct doc *d, const char *self, struct buf *out)
{
    global_config(d, d->nodes_rev, self, out);
}

/* The big part without writing it: in a rebalance nothing else changes. */
static bool maps_differ(const struct doc_vbmap *a, const struct doc_vbmap *b)
{
    size_t bytes = (size_t)a->vbuckets * a->row * sizeof *a->entries;
    if (a->vbuckets != b->vbuckets || a->row != b->row || a->server_count != b->server_count) return true;
    if (!a->entries != !b->entries || !a->forward != !b->forward) return true;
    return (a->entries && memcmp(a->entries, b->entries, bytes) != 0) ||
           (a->forward && memcmp(a->forward, b->forward, bytes) != 0);
}

bool doc_same_bucket_config(const struct doc *a, const struct doc_bucket *ab, const struct doc *b,
                            const struct doc_bucket *bb)
{
    if (maps_differ(&ab->map, &bb->map)) return false;
    struct buf x = {.limit = 0}, y = {.limit = 0};
    bucket_config(a, ab, 0, NULL, &x);
    bucket_config(b, bb, 0, NULL, &y);
    bool same = !x.failed && !y.failed && bytes_equal(buf_view(&x), buf_view(&y));
    buf_fini(&x);
    buf_fini(&y);
    return same;
}

bool doc_same_global_config(const struct doc *a, const struct doc *b)
{
    struct buf x = {.limit = 0}, y = {.limit = 0};
    global_config(a, 0, NULL, &x);
    global_config(b, 0, NULL, &y);
    bool same = !x.failed && !y.failed && bytes_equal(buf_view(&x), buf_view(&y));
    buf_fini(&x);
    buf_fini(&y);
    return same;
}

/* ---- collections */

void doc_manifest_json(const struct doc_manifest *m, bool rest, struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_printf(out, "uid", "%" PRIx64, m->uid);
    jw_open(out, "scopes", '[');
    for (size_t s = m->scope_count; s-- > 0;) { /* newest first, as the server lists them */
        const struct doc_scope *scope = &m->scopes[s];
        jw_open(out, NULL, '{');
        jw_str(out, "name", scope->name);
        jw_printf(out, "uid", "%x", scope->id);
        jw_open(out, "collections", '[');
        for (size_t c = scope->collection_count; c-- > 0;) {
            const struct doc_collection *col = &scope->collections[c];
            jw_open(out, NULL, '{');
            jw_str(out, "name", col->name);
            jw_printf(out, "uid", "%x", col->id);
            if (rest || col->max_ttl_s) jw_int(out, "maxTTL", col->max_ttl_s);
            if (rest && col->id) jw_bool(out, "history", col->history);
            jw_close(out, '}');
        }
        jw_close(out, ']');
        jw_close(out, '}');
    }
    jw_close(out, ']');
    jw_close(out, '}');
}
