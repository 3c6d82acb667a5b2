/* The terse JSON form of a map. */
#include "base/alloc.h"
#include "topology/map_make.h"

/* Members of an object are separated here, so that each writer only names its own. */
struct writer {
    struct buf *out;
    bool first;
};

static void open(struct writer *w, const char *bracket)
{
    buf_put_str(w->out, bracket);
    w->first = true;
}

static void close(struct writer *w, const char *bracket)
{
    buf_put_str(w->out, bracket);
    w->first = false;
}

static void separate(struct writer *w)
{
    if (!w->first) buf_put_str(w->out, ",");
    w->first = false;
}

static void put_key(struct writer *w, const char *key)
{
    separate(w);
    json_put_str(w->out, key);
    buf_put_str(w->out, ":");
}

static void put_text(struct writer *w, const char *key, const char *text)
{
    if (!text) return;
    put_key(w, key);
    json_put_str(w->out, text);
}

static void put_number(struct writer *w, const char *key, int64_t number)
{
    put_key(w, key);
    buf_printf(w->out, "%lld", (long long)number);
}

/* ---- nodes */

static void put_ports(struct writer *w, const char *key, const struct map_ports *ports)
{
    put_key(w, key);
    open(w, "{");
    for (size_t i = 0; i < SVC_COUNT; i++) {
        if (ports->plain[i]) put_number(w, map_service_names[i].plain, ports->plain[i]);
        if (ports->tls[i]) put_number(w, map_service_names[i].tls, ports->tls[i]);
    }
    close(w, "}");
}

static void put_alternates(struct writer *w, const struct map_node *n)
{
    if (!n->alternate_count) return;
    put_key(w, "alternateAddresses");
    open(w, "{");
    for (size_t i = 0; i < n->alternate_count; i++) {
        put_key(w, n->alternates[i].network);
        open(w, "{");
        put_text(w, "hostname", n->alternates[i].hostname);
        if (n->alternates[i].has_ports) put_ports(w, "ports", &n->alternates[i].ports);
        close(w, "}");
    }
    close(w, "}");
}

static void put_node(struct writer *w, const struct map_node *n)
{
    separate(w);
    open(w, "{");
    put_ports(w, "services", &n->ports);
    if (n->this_node) {
        put_key(w, "thisNode");
        buf_put_str(w->out, "true");
    }
    put_text(w, "hostname", n->hostname);
    put_alternates(w, n);
    put_text(w, "serverGroup", n->server_group);
    put_text(w, "nodeUUID", n->uuid);
    put_text(w, "appTelemetryPath", n->app_telemetry_path);
    close(w, "}");
}

static void put_address(struct buf *out, const char *host, uint16_t port)
{
    struct buf text = {.limit = MAP_BYTES_MAX};
    buf_printf(&text, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
    json_put_string(out, buf_view(&text));
    out->failed |= text.failed;
    buf_fini(&text);
}

static void put_served_nodes(struct writer *w, const struct map *m)
{
    put_key(w, "nodes");
    open(w, "[");
    for (size_t i = 0; i < m->node_count; i++) {
        const struct map_node *n = &m->nodes[i];
        uint16_t mgmt = n->ports.plain[SVC_MGMT] ? n->ports.plain[SVC_MGMT] : n->ports.tls[SVC_MGMT];
        if (!n->serves_bucket) continue;
        separate(w);
        open(w, "{");
        put_key(w, "hostname");
        put_address(w->out, n->hostname, mgmt);
        put_key(w, "ports");
        buf_printf(w->out, "{\"direct\":%u}", n->ports.plain[SVC_KV]);
        close(w, "}");
    }
    close(w, "]");
}

/* ---- vBuckets */

/* serverList holds the nodes of the bucket; when a row names another node it holds all, so that names decide. */
static bool rows_stay_in_bucket(const struct map *m)
{
    size_t total = (size_t)m->vbuckets * m->row;
    for (size_t i = 0; i < total; i++) {
        if (m->entries[i] >= 0 && !m->nodes[m->entries[i]].serves_bucket) return false;
        if (m->forward && m->forward[i] >= 0 && !m->nodes[m->forward[i]].serves_bucket) return false;
    }
    return true;
}

static size_t put_server_list(struct writer *w, const struct map *m, int16_t *index)
{
    bool only_served = rows_stay_in_bucket(m);
    size_t count = 0;
    put_key(w, "serverList");
    open(w, "[");
    for (size_t i = 0; i < m->node_count; i++) {
        index[i] = -1;
        if (only_served && !m->nodes[i].serves_bucket) continue;
        index[i] = (int16_t)count++;
        separate(w);
        put_address(w->out, m->nodes[i].hostname, m->nodes[i].ports.plain[SVC_KV]);
    }
    close(w, "]");
    return count;
}

static void put_rows(struct writer *w, const char *key, const struct map *m, const int16_t *entries,
                     const int16_t *index)
{
    put_key(w, key);
    open(w, "[");
    for (size_t vb = 0; vb < m->vbuckets; vb++) {
        separate(w);
        open(w, "[");
        for (size_t i = 0; i < m->row; i++) {
            int16_t node = entries[vb * m->row + i];
            separate(w);
            buf_printf(w->out, "%d", node < 0 ? -1 : index[node]);
        }
        close(w, "]");
    }
    close(w, "]");
}

static void put_server_map(struct writer *w, const struct map *m)
{
    int16_t *index = mem_alloc((m->node_count + 1) * sizeof *index);
    if (!index) {
        w->out->failed = true;
        return;
    }
    put_key(w, "vBucketServerMap");
    open(w, "{");
    put_text(w, "hashAlgorithm", "CRC");
    put_number(w, "numReplicas", m->replicas);
    put_server_list(w, m, index);
    put_rows(w, "vBucketMap", m, m->entries, index);
    if (m->forward) put_rows(w, "vBucketMapForward", m, m->forward, index);
    close(w, "}");
    mem_free(index);
}

/* ---- capabilities */

/* Names of the set bits of one service (NULL: the bucket), each bit once. Returns whether there was one. */
static bool put_names(struct writer *w, const char *service, uint64_t bits)
{
    bool any = false;
    for (const struct map_capability_name *c = map_capability_names; c->name; c++) {
        bool right = service ? c->service && !strcmp(c->service, service) : !c->service;
        if (!right || !(bits & c->bit)) continue;
        bits &= ~c->bit;
        any = true;
        if (!w) continue;
        separate(w);
        json_put_str(w->out, c->name);
    }
    return any;
}

static void put_cluster_capabilities(struct writer *w, uint64_t bits)
{
    static const char *const services[] = {"n1ql", "search"};
    if (!bits) return;
    put_key(w, "clusterCapabilities");
    open(w, "{");
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        if (!put_names(NULL, services[i], bits)) continue;
        put_key(w, services[i]);
        open(w, "[");
        put_names(w, services[i], bits);
        close(w, "]");
    }
    close(w, "}");
}

static void put_bucket(struct writer *w, const struct map *m)
{
    put_text(w, "name", m->bucket);
    put_text(w, "nodeLocator", m->is_vbucket ? "vbucket" : "ketama");
    put_text(w, "uuid", m->bucket_uuid);
    put_text(w, "bucketType", m->ephemeral ? "ephemeral" : m->is_vbucket ? "membase" : "memcached");
    put_key(w, "bucketCapabilities");
    open(w, "[");
    put_names(w, NULL, m->capabilities);
    close(w, "]");
    put_key(w, "collectionsManifestUid");
    buf_printf(w->out, "\"%llx\"", (unsigned long long)m->manifest_uid);
    if (m->vbuckets) put_number(w, "numVBuckets", m->vbuckets);
    if (m->is_vbucket) put_server_map(w, m);
    put_served_nodes(w, m);
}

void map_serialise(const struct map *m, struct buf *out)
{
    struct writer w = {out, true};
    open(&w, "{");
    if (m->revision.rev) put_number(&w, "rev", m->revision.rev);
    if (m->revision.epoch >= 0) put_number(&w, "revEpoch", m->revision.epoch);
    if (m->bucket) put_bucket(&w, m);
    put_key(&w, "nodesExt");
    open(&w, "[");
    for (size_t i = 0; i < m->node_count; i++) put_node(&w, &m->nodes[i]);
    close(&w, "]");
    put_cluster_capabilities(&w, m->cluster_capabilities);
    put_text(&w, "clusterName", m->cluster_name);
    put_text(&w, "clusterUUID", m->cluster_uuid);
    close(&w, "}");
}
