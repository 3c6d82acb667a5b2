#include "sim/support_world.h"

#include "unit/unit.h"

#include "client/cluster.h"

enum { PORT = 11210, VBUCKETS = 64 };

static void must(enum divan_code rc, const struct divan_error *err)
{
    if (rc) fail_msg("%s: %s", divan_code_name(rc), err->message);
}

static void put_config(struct engine *engine)
{
    struct divan_error err;
    struct buf b = {.limit = 1 << 20};
    buf_printf(&b,
               "{\"rev\":7,\"revEpoch\":1,\"name\":\"default\",\"uuid\":\"0123456789abcdef0123456789abcdef\","
               "\"nodeLocator\":\"vbucket\",\"bucketCapabilities\":[\"collections\",\"durableWrite\"],"
               "\"nodesExt\":[{\"services\":{\"kv\":%d,\"mgmt\":8091},\"thisNode\":true}],"
               "\"nodes\":[{\"hostname\":\"$HOST:8091\",\"ports\":{\"direct\":%d}}],\"vBucketServerMap\":{"
               "\"hashAlgorithm\":\"CRC\",\"numReplicas\":0,\"serverList\":[\"$HOST:%d\"],\"vBucketMap\":[",
               PORT, PORT, PORT);
    for (int i = 0; i < VBUCKETS; i++) buf_put_str(&b, i ? ",[0]" : "[0]");
    buf_put_str(&b, "]}}");
    must(engine_set_config(engine, "default", (struct map_revision){1, 7}, buf_view(&b), &err), &err);
    buf_clear(&b);
    buf_printf(&b,
               "{\"rev\":7,\"revEpoch\":1,\"nodesExt\":[{\"services\":{\"kv\":%d,\"mgmt\":8091},\"thisNode\":true}]}",
               PORT);
    must(engine_set_config(engine, NULL, (struct map_revision){1, 7}, buf_view(&b), &err), &err);
    buf_fini(&b);
}

static void start_engine(struct world *w)
{
    struct divan_error err;
    struct io_addr addr;
    static const struct collection_spec in_default[] = {{"_default", 0, 0, false}}, in_s[] = {{"c", 8, 0, false}};
    static const struct scope_spec scopes[] = {{"_default", 0, in_default, 1}, {"s", 8, in_s, 1}};
    const struct bucket_spec bucket = {.name = "default",
                                       .uuid = "0123456789abcdef0123456789abcdef",
                                       .vbuckets = VBUCKETS,
                                       .ram_quota_bytes = (uint64_t)1 << 30};
    struct engine_user user = {.name = "u", .admin = true};
    struct engine *e = engine_new(sim_host(w->sim, WORLD_NODE), NULL, NULL, &err);
    assert_non_null(e);
    must(sasl_secret_derive(divan_str("p"), 10, &user.secret, &err), &err);
    must(engine_set_user(e, &user, &err), &err);
    must(engine_bucket_create(e, &bucket, &err), &err);
    must(engine_own_all(e, "default", &err), &err);
    must(engine_set_manifest(e, "default", &(struct manifest_spec){5, scopes, 2}, &err), &err);
    assert_true(io_addr_parse(&addr, WORLD_NODE, PORT));
    must(engine_listen_kv(e, &addr, NULL, &err), &err);
    put_config(e);
    w->engine = e;
}

void world_open(struct world *w, uint64_t seed)
{
    struct divan_error err;
    struct sim_link link = sim_link_default();
    memset(w, 0, sizeof *w);
    w->sim = sim_new(seed);
    link.latency_min_ns = 1000;
    link.latency_max_ns = 20000;
    link.piece_max = 64 * 1024;
    sim_link_set(w->sim, NULL, NULL, &link);
    start_engine(w);
    const struct divan_cluster_options o = {.username = "u", .password = "p"};
    must(cluster_open_on(sim_host(w->sim, WORLD_APP), &w->cluster, "couchbase://" WORLD_NODE "/default", &o, &err),
         &err);
    w->things = divan_cluster_collection(w->cluster, "default", "s", "c", &err);
    assert_non_null(w->things);
}

void world_close(struct world *w)
{
    divan_cluster_close(w->cluster);
    engine_free(w->engine);
    sim_free(w->sim);
}

uint64_t world_wall_s(struct world *w)
{
    return io_wall_ns(sim_host(w->sim, WORLD_NODE)) / NS_PER_S;
}
