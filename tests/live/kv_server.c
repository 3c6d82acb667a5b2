/* The key-value engine alone, with what the recorded conversations expect of a server: bucket `default`, scope s1 (id 8),
 * collections _default.c1, _default.c2, s1.c1, s1.c2 (8, 9, a, b), an administrator, a reader and "nobody". Prints its port
 * and serves until its parent ends.
 *
 *     kv_server [--vbuckets N] [--replicas N] [--foreign N]
 *
 * --foreign N: the last N vBuckets are replicas here and belong to another node. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "node/engine.h"

static struct engine *engine;
static unsigned vbuckets = 64, replicas, foreign;

static void need(enum divan_code rc, const struct divan_error *err)
{
    if (!rc) return;
    fprintf(stderr, "kv_server: %s\n", err->message);
    exit(1);
}

static void add_user(const char *name, const char *password, bool admin, const struct user_grant *grants, size_t count)
{
    struct divan_error err;
    struct engine_user user = {.name = name, .admin = admin, .grants = grants, .grant_count = count};
    need(sasl_secret_derive(divan_str(password), 1000, &user.secret, &err), &err);
    need(engine_set_user(engine, &user, &err), &err);
}

static void add_users(void)
{
    static const struct user_grant reader = {.bucket = "default",
                                             .privileges = PRIV_DATA_READER | PRIV_SYSTEM_SETTINGS};
    add_user("Administrator", "password", true, NULL, 0);
    add_user("reader", "readerpw", false, &reader, 1);
    add_user("nobody", "password", false, NULL, 0);
}

static void add_bucket(void)
{
    struct divan_error err;
    struct bucket_spec spec = {.name = "default",
                               .uuid = "0123456789abcdef0123456789abcdef",
                               .vbuckets = (uint16_t)vbuckets,
                               .replicas = (uint8_t)replicas,
                               .ram_quota_bytes = (uint64_t)1 << 30};
    need(engine_bucket_create(engine, &spec, &err), &err);
    struct vbucket_role *roles = calloc(vbuckets, sizeof *roles);
    for (unsigned i = 0; i < vbuckets; i++) roles[i].mode = i + foreign < vbuckets ? VBUCKET_ACTIVE : VBUCKET_REPLICA;
    need(engine_set_roles(engine, "default", roles, vbuckets, &err), &err);
    free(roles);
    static const struct collection_spec in_default[] = {
        {"_default", 0, 0, false}, {"c1", 8, 0, false}, {"c2", 9, 0, false}};
    static const struct collection_spec in_s1[] = {{"c1", 10, 0, false}, {"c2", 11, 0, false}};
    static const struct scope_spec scopes[] = {{"_default", 0, in_default, 3}, {"s1", 8, in_s1, 2}};
    need(engine_set_manifest(engine, "default", &(struct manifest_spec){5, scopes, 2}, &err), &err);
}

static void put_common(struct buf *b, unsigned port)
{
    buf_printf(b,
               "\"clusterCapabilitiesVer\":[1,0],\"clusterCapabilities\":{\"n1ql\":[\"costBasedOptimizer\"]},"
               "\"nodesExt\":[{\"services\":{\"kv\":%u,\"mgmt\":8091},\"thisNode\":true}%s]",
               port, foreign ? ",{\"services\":{\"kv\":1,\"mgmt\":2}}" : "");
}

static void set_configs(unsigned port)
{
    struct divan_error err;
    struct buf b = {.limit = 1 << 24};
    buf_printf(
        &b, "{\"rev\":7,\"revEpoch\":1,\"name\":\"default\",\"uuid\":\"0123456789abcdef0123456789abcdef\","
            "\"uri\":\"/pools/default/buckets/default\",\"streamingUri\":\"/pools/default/bucketsStreaming/default\","
            "\"nodeLocator\":\"vbucket\",\"bucketCapabilitiesVer\":\"\",\"bucketCapabilities\":[\"collections\"],"
            "\"collectionsManifestUid\":\"5\",");
    put_common(&b, port);
    buf_printf(
        &b,
        ",\"nodes\":[{\"hostname\":\"$HOST:8091\",\"ports\":{\"direct\":%u}}],\"vBucketServerMap\":{\"hashAlgorithm\":"
        "\"CRC\",\"numReplicas\":%u,\"serverList\":[\"$HOST:%u\"%s],\"vBucketMap\":[",
        port, replicas, port, foreign ? ",\"$HOST:1\"" : "");
    for (unsigned i = 0; i < vbuckets; i++) {
        bool mine = i + foreign < vbuckets;
        buf_printf(&b, "%s[%d", i ? "," : "", !mine);
        for (unsigned r = 0; r < replicas; r++) buf_printf(&b, ",%d", !mine && !r ? 0 : -1);
        buf_put_str(&b, "]");
    }
    buf_put_str(&b, "]}}");
    need(engine_set_config(engine, "default", (struct map_revision){1, 7}, buf_view(&b), &err), &err);
    buf_clear(&b);
    buf_put_str(&b, "{\"rev\":7,\"revEpoch\":1,");
    put_common(&b, port);
    buf_put_str(&b, "}");
    need(engine_set_config(engine, NULL, (struct map_revision){1, 7}, buf_view(&b), &err), &err);
    buf_fini(&b);
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        unsigned n = (unsigned)atoi(argv[i + 1]);
        if (!strcmp(argv[i], "--vbuckets")) vbuckets = n;
        else if (!strcmp(argv[i], "--replicas")) replicas = n;
        else if (!strcmp(argv[i], "--foreign")) foreign = n;
    }
}

int main(int argc, char **argv)
{
    struct divan_error err;
    struct io_addr addr, bound;
    struct log log = {.level = getenv("KV_LOG") ? LOG_DEBUG : LOG_WARN, .fn = log_to_stderr};
    read_options(argc, argv);
    struct io_loop *loop = io_loop_new_uv(&err);
    if (!loop) need(err.code, &err);
    engine = engine_new(loop, NULL, &log, &err);
    if (!engine) need(err.code, &err);
    add_users();
    add_bucket();
    io_addr_parse(&addr, "127.0.0.1", 0);
    need(engine_listen_kv(engine, &addr, &bound, &err), &err);
    set_configs(bound.port);
    printf("%u\n", bound.port);
    fflush(stdout);
    pid_t parent = getppid();
    while (getppid() == parent) io_run_once(loop, io_refresh_now(loop) + NS_PER_S);
    engine_free(engine);
    io_loop_free(loop);
    return 0;
}
