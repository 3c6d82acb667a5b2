#include "node/http/render.h"

#include <stdio.h>

#include "node/engine.h"
#include "node/http/server.h"

const char server_version[] = "7.6.2-3721-enterprise";

enum { MIB = 1024 * 1024 };

/* ---- nodes */

const char *render_address(const struct exchange *x, const struct doc_node *n, uint16_t port, char *out)
{
    bool self = strcmp(n->uuid, x->rest->options.self) == 0;
    const char *host = !n->named && self ? x_local_host(x) : n->host;
    snprintf(out, 300, strchr(host, ':') ? "[%.250s]:%u" : "%.250s:%u", host, port);
    return out;
}

void render_facts(const struct exchange *x, struct facts *out)
{
    facts_read(x->rest->options.data_dir, out);
}

static void put_ports(const struct doc_node *n, struct buf *out)
{
    jw_open(out, "ports", '{');
    jw_uint(out, "direct", n->ports.plain[SVC_KV]);
    if (n->ports.tls[SVC_MGMT]) jw_uint(out, "httpsMgmt", n->ports.tls[SVC_MGMT]);
    if (n->ports.tls[SVC_VIEWS]) jw_uint(out, "httpsCAPI", n->ports.tls[SVC_VIEWS]);
    jw_close(out, '}');
}

static void put_services(const struct doc_node *n, struct buf *out)
{
    jw_open(out, "services", '[');
    for (int s = 0; s < SVC_COUNT; s++)
        if (n->services >> s & 1) jw_str(out, NULL, doc_service_name((enum map_service)s));
    jw_close(out, ']');
}

struct sums {
    uint64_t items, replica_items, mem, ops, gets, hits;
};

static void add_bucket(struct exchange *x, const struct doc_bucket *b, struct sums *s)
{
    struct bucket_stats stats = {0};
    if (!x->rest->options.engine || engine_bucket_stats(x->rest->options.engine, b->name, &stats, NULL)) return;
    s->items += stats.items;
    s->replica_items += stats.replica_items;
    s->mem += stats.mem_used_bytes;
    s->ops += (uint64_t)stats.ops_per_s;
    s->gets += stats.gets;
    s->hits += stats.gets - (stats.misses < stats.gets ? stats.misses : stats.gets);
}

static struct sums sum_of(struct exchange *x, const struct doc_bucket *only)
{
    struct sums s = {0};
    for (size_t i = 0; i < x->doc->bucket_count; i++)
        if (!only || only == &x->doc->buckets[i]) add_bucket(x, &x->doc->buckets[i], &s);
    return s;
}

static void put_stats(struct exchange *x, const struct doc_bucket *b, const struct facts *f, struct buf *out)
{
    struct sums s = sum_of(x, b);
    jw_open(out, "systemStats", '{');
    jw_int(out, "cpu_utilization_rate", 0);
    jw_int(out, "cpu_stolen_rate", 0);
    jw_int(out, "swap_total", 0);
    jw_int(out, "swap_used", 0);
    jw_uint(out, "mem_total", f->memory_total);
    jw_uint(out, "mem_free", f->memory_free);
    jw_uint(out, "mem_limit", f->memory_total);
    jw_uint(out, "cpu_cores_available", f->cpus);
    jw_int(out, "allocstall", 0);
    jw_close(out, '}');
    jw_open(out, "interestingStats", '{');
    jw_uint(out, "cmd_get", s.gets);
    jw_uint(out, "curr_items", s.items);
    jw_uint(out, "curr_items_tot", s.items + s.replica_items);
    jw_int(out, "ep_bg_fetched", 0);
    jw_uint(out, "get_hits", s.hits);
    jw_uint(out, "mem_used", s.mem);
    jw_uint(out, "ops", s.ops);
    jw_int(out, "vb_active_num_non_resident", 0);
    jw_uint(out, "vb_replica_curr_items", s.replica_items);
    jw_close(out, '}');
}

static uint32_t hash_of(const char *text)
{
    uint32_t h = 2166136261u;
    for (; *text; text++) h = (h ^ (uint8_t)*text) * 16777619u;
    return h & 0x7ffffff;
}

static double replication_of(const struct doc *d, const struct doc_bucket *b)
{
    size_t active = 0;
    for (size_t i = 0; i < d->node_count; i++) active += d->nodes[i].membership == DOC_ACTIVE;
    if (b) return b->replicas && active > b->replicas ? 1 : 0;
    for (size_t i = 0; i < d->bucket_count; i++)
        if (replication_of(d, &d->buckets[i]) == 0) return 0;
    return d->bucket_count || active > 1 ? (active > 1) : 1;
}

void render_node_open(struct exchange *x, const struct doc_node *n, const struct doc_bucket *b, const struct facts *f,
                      struct buf *out)
{
    char at[300];
    const struct doc_server_group *g = doc_find_server_group(x->doc, n->group);
    bool self = strcmp(n->uuid, x->rest->options.self) == 0, v6 = strchr(n->host, ':') != NULL;
    jw_open(out, NULL, '{');
    jw_str(out, "clusterMembership", doc_membership_name(n->membership));
    jw_str(out, "recoveryType", doc_recovery_name(n->recovery));
    jw_str(out, "status", n->down ? "unhealthy" : "healthy");
    jw_str(out, "otpNode", n->otp);
    if (self) jw_bool(out, "thisNode", true);
    jw_str(out, "hostname", render_address(x, n, n->ports.plain[SVC_MGMT], at));
    jw_str(out, "configuredHostname", at);
    jw_str(out, "nodeUUID", n->uuid);
    jw_int(out, "clusterCompatibility", COMPATIBILITY);
    jw_str(out, "version", server_version);
    jw_str(out, "os", "x86_64-pc-linux-gnu");
    jw_uint(out, "cpuCount", f->cpus);
    put_ports(n, out);
    put_services(n, out);
    jw_bool(out, "nodeEncryption", false);
    jw_bool(out, "nodeEncryptionClientCertVerification", false);
    jw_bool(out, "addressFamilyOnly", false);
    jw_str(out, "addressFamily", v6 ? "inet6" : "inet");
    jw_open(out, "externalListeners", '[');
    jw_open(out, NULL, '{');
    jw_str(out, "afamily", v6 ? "inet6" : "inet");
    jw_bool(out, "nodeEncryption", false);
    jw_close(out, '}');
    jw_close(out, ']');
    doc_put_alternate(n, DOC_ALTERNATE_NO_KV_TLS, out);
    jw_str(out, "serverGroup", g ? g->name : "");
    if (b) jw_int(out, "replication", (int64_t)replication_of(x->doc, b));
    else if (n->ports.plain[SVC_VIEWS])
        jw_printf(out, "couchApiBase", "http://%s/", render_address(x, n, n->ports.plain[SVC_VIEWS], at));
    if (!b && n->ports.tls[SVC_VIEWS])
        jw_printf(out, "couchApiBaseHTTPS", "https://%s/", render_address(x, n, n->ports.tls[SVC_VIEWS], at));
    jw_uint(out, "nodeHash", hash_of(n->uuid));
    put_stats(x, b, f, out);
    jw_printf(out, "uptime", "%llu", (unsigned long long)((io_now_ns(x->rest->loop) - x->rest->started_ns) / NS_PER_S));
    jw_uint(out, "memoryTotal", f->memory_total);
    jw_uint(out, "memoryFree", f->memory_free);
    jw_uint(out, "mcdMemoryReserved", f->memory_total / MIB * 8 / 10);
    jw_uint(out, "mcdMemoryAllocated", f->memory_total / MIB * 8 / 10);
}

void render_nodes(struct exchange *x, const char *key, const struct facts *f, struct buf *out)
{
    jw_open(out, key, '[');
    for (size_t i = 0; i < x->doc->node_count; i++) {
        render_node_open(x, &x->doc->nodes[i], NULL, f, out);
        jw_close(out, '}');
    }
    jw_close(out, ']');
}

/* ---- sums over the cluster */

void render_storage_totals(struct exchange *x, const struct facts *f, struct buf *out)
{
    const struct doc *d = x->doc;
    uint64_t quota = (uint64_t)d->quotas.kv * MIB, used = 0, nodes = d->node_count ? d->node_count : 1;
    for (size_t i = 0; i < d->bucket_count; i++) used += (uint64_t)d->buckets[i].quota_mb * MIB;
    jw_open(out, "storageTotals", '{');
    jw_open(out, "ram", '{');
    jw_uint(out, "total", f->memory_total * nodes);
    jw_uint(out, "quotaTotal", quota * nodes);
    jw_uint(out, "quotaUsed", used * nodes);
    jw_uint(out, "used", (f->memory_total - f->memory_free) * nodes);
    jw_uint(out, "usedByData", sum_of(x, NULL).mem);
    jw_uint(out, "quotaUsedPerNode", used);
    jw_uint(out, "quotaTotalPerNode", quota);
    jw_close(out, '}');
    jw_open(out, "hdd", '{');
    jw_uint(out, "total", f->disk_total);
    jw_uint(out, "quotaTotal", f->disk_total);
    jw_uint(out, "used", f->disk_total - f->disk_free);
    jw_int(out, "usedByData", 0);
    jw_uint(out, "free", f->disk_free);
    jw_close(out, '}');
    jw_close(out, '}');
}

void render_quotas(const struct doc *d, struct buf *out)
{
    jw_uint(out, "memoryQuota", d->quotas.kv);
    jw_uint(out, "queryMemoryQuota", d->quotas.query);
    jw_uint(out, "indexMemoryQuota", d->quotas.index);
    jw_uint(out, "ftsMemoryQuota", d->quotas.fts);
    jw_uint(out, "cbasMemoryQuota", d->quotas.cbas);
    jw_uint(out, "eventingMemoryQuota", d->quotas.eventing);
}

const char *render_etag(const struct doc *d, char out[24])
{
    snprintf(out, 24, "%llu", (unsigned long long)d->revision.rev);
    return out;
}

/* ---- buckets */

bool render_may_see(const struct exchange *x, const struct doc_bucket *b)
{
    char permission[160];
    snprintf(permission, sizeof permission, "cluster.bucket[%s].settings!read", b->name);
    return identity_may(&x->who, permission);
}

/* doc_put_vbmap() has no place for the exchange: the address of an unnamed node is that of the loopback it lives on. */
static void put_real_address(const struct doc_node *n, uint16_t port, struct buf *out)
{
    buf_printf(out, strchr(n->host, ':') ? "[%s]:%u" : "%s:%u", n->host, port);
}

static void put_path(const char *key, const struct doc_bucket *b, const char *rest, struct buf *out)
{
    jw_key(out, key);
    buf_put_str(out, "\"/pools/default/buckets/");
    percent_encode(divan_str(b->name), false, out);
    buf_put_str(out, rest);
    buf_u8(out, '"');
}

static void put_controllers(const struct doc_bucket *b, struct buf *out)
{
    jw_open(out, "controllers", '{');
    put_path("compactAll", b, "/controller/compactBucket", out);
    if (b->flush_enabled) put_path("flush", b, "/controller/doFlush", out);
    jw_close(out, '}');
}

static void put_bucket_nodes(struct exchange *x, const struct doc_bucket *b, const struct facts *f, struct buf *out)
{
    jw_open(out, "nodes", '[');
    for (size_t i = 0; i < x->doc->node_count; i++) {
        const struct doc_node *n = &x->doc->nodes[i];
        bool serves = b->type == DOC_MEMCACHED && n->membership == DOC_ACTIVE;
        for (size_t s = 0; s < b->map.server_count; s++) serves = serves || strcmp(b->map.servers[s], n->uuid) == 0;
        if (!serves) continue;
        render_node_open(x, n, b, f, out);
        jw_close(out, '}');
    }
    jw_close(out, ']');
}

static void put_basic_stats(struct exchange *x, const struct doc_bucket *b, struct buf *out)
{
    struct sums s = sum_of(x, b);
    double quota = (double)b->quota_mb * MIB;
    jw_open(out, "basicStats", '{');
    jw_key(out, "quotaPercentUsed");
    buf_printf(out, "%.3f", (double)s.mem * 100 / quota);
    jw_uint(out, "opsPerSec", s.ops);
    jw_int(out, "diskFetches", 0);
    jw_uint(out, "itemCount", s.items);
    jw_int(out, "diskUsed", 0);
    jw_int(out, "dataUsed", 0);
    jw_uint(out, "memUsed", s.mem);
    jw_int(out, "vbActiveNumNonResident", 0);
    jw_close(out, '}');
}

void render_bucket(struct exchange *x, const struct doc_bucket *b, const struct facts *f, struct buf *out)
{
    uint64_t quota = (uint64_t)b->quota_mb * MIB, nodes = b->map.server_count ? b->map.server_count : 1;
    jw_open(out, NULL, '{');
    doc_put_bucket_head(b, out);
    if (b->type != DOC_MEMCACHED) doc_put_vbmap(x->doc, b, put_real_address, out);
    put_path("localRandomKeyUri", b, "/localRandomKey", out);
    put_controllers(b, out);
    put_bucket_nodes(x, b, f, out);
    jw_open(out, "stats", '{');
    put_path("uri", b, "/stats", out);
    put_path("nodeStatsListURI", b, "/nodes", out);
    jw_close(out, '}');
    jw_str(out, "authType", "sasl");
    if (b->type != DOC_EPHEMERAL) jw_bool(out, "autoCompactionSettings", false);
    if (b->type == DOC_COUCHBASE) jw_bool(out, "replicaIndex", b->replica_index);
    jw_uint(out, "rank", b->rank);
    jw_uint(out, "replicaNumber", b->replicas);
    jw_uint(out, "threadsNumber", b->threads);
    jw_open(out, "quota", '{');
    jw_uint(out, "ram", quota * nodes);
    jw_uint(out, "rawRAM", quota);
    jw_close(out, '}');
    put_basic_stats(x, b, out);
    jw_str(out, "evictionPolicy", doc_eviction_name(b->eviction));
    jw_str(out, "durabilityMinLevel", doc_durability_name(b->durability_min));
    jw_str(out, "conflictResolutionType", doc_conflict_name(b->conflict));
    jw_uint(out, "maxTTL", b->max_ttl_s);
    jw_str(out, "compressionMode", doc_compression_name(b->compression));
    jw_close(out, '}');
}

/* ---- the pool */

static void put_bucket_names(struct exchange *x, struct buf *out)
{
    jw_open(out, "bucketNames", '[');
    for (size_t i = 0; i < x->doc->bucket_count; i++) {
        const struct doc_bucket *b = &x->doc->buckets[i];
        if (!render_may_see(x, b)) continue;
        jw_open(out, NULL, '{');
        jw_str(out, "bucketName", b->name);
        jw_str(out, "uuid", b->uuid);
        jw_close(out, '}');
    }
    jw_close(out, ']');
}

static void put_links(const struct doc *d, struct buf *out)
{
    long long v = d->revision.rev;
    static const char *const controllers[] = {"rebalance",  "failOver",  "startGracefulFailover", "reAddNode",
                                              "reFailOver", "ejectNode", "setRecoveryType",       NULL};
    jw_open(out, "controllers", '{');
    jw_open(out, "addNode", '{');
    jw_printf(out, "uri", "/controller/addNodeV2?uuid=%s", d->uuid);
    jw_close(out, '}');
    for (const char *const *c = controllers; *c; c++) {
        jw_open(out, *c, '{');
        jw_printf(out, "uri", "/controller/%s?uuid=%s", *c, d->uuid);
        jw_close(out, '}');
    }
    jw_close(out, '}');
    jw_str(out, "rebalanceStatus", doc_is_busy(d) ? "running" : "none");
    jw_str(out, "rebalanceProgressUri", "/pools/default/rebalanceProgress");
    jw_printf(out, "stopRebalanceUri", "/controller/stopRebalance?uuid=%s", d->uuid);
    jw_str(out, "nodeStatusesUri", "/nodeStatuses");
    jw_printf(out, "nodeServicesUri", "/pools/default/nodeServices?v=%lld", v);
    jw_int(out, "maxBucketCount", 30);
    jw_int(out, "maxCollectionCount", 1200);
    jw_int(out, "maxScopeCount", 1200);
    jw_int(out, "minReplicasCount", 0);
    jw_open(out, "tasks", '{');
    jw_printf(out, "uri", "/pools/default/tasks?v=%lld", v);
    jw_close(out, '}');
}

static void put_counters(const struct doc_counters *c, struct buf *out)
{
    const struct {
        const char *name;
        uint32_t n;
    } counters[] = {
        {"rebalance_start", c->rebalance_start},
        {"rebalance_success", c->rebalance_success},
        {"rebalance_fail", c->rebalance_fail},
        {"rebalance_stop", c->rebalance_stop},
        {"failover", c->failover},
        {"failover_complete", c->failover_complete},
        {"graceful_failover_start", c->graceful_start},
        {"graceful_failover_success", c->graceful_success},
    };
    jw_open(out, "counters", '{');
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        if (counters[i].n) jw_uint(out, counters[i].name, counters[i].n);
    jw_close(out, '}');
}

void render_pool(struct exchange *x, bool etag, struct buf *out)
{
    const struct doc *d = x->doc;
    struct facts f;
    char tag[24];
    render_facts(x, &f);
    jw_open(out, NULL, '{');
    if (etag) jw_str(out, "etag", render_etag(d, tag));
    jw_str(out, "name", "default");
    render_nodes(x, "nodes", &f, out);
    jw_open(out, "buckets", '{');
    jw_printf(out, "uri", "/pools/default/buckets?v=%lld&uuid=%s", (long long)d->revision.rev, d->uuid);
    jw_str(out, "terseBucketsBase", "/pools/default/b/");
    jw_str(out, "terseStreamingBucketsBase", "/pools/default/bs/");
    jw_close(out, '}');
    put_bucket_names(x, out);
    jw_raw(out, "alerts", "[]");
    put_links(d, out);
    put_counters(&d->counters, out);
    jw_str(out, "clusterName", d->name);
    jw_str(out, "clusterEncryptionLevel", "none");
    jw_bool(out, "balanced", doc_is_balanced(d));
    jw_printf(out, "checkPermissionsURI", "/pools/default/checkPermissions?v=%lld", (long long)d->revision.rev);
    render_quotas(d, out);
    render_storage_totals(x, &f, out);
    jw_printf(out, "serverGroupsUri", "/pools/default/serverGroups?v=%lld", (long long)d->revision.rev);
    jw_close(out, '}');
}
