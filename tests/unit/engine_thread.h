/* A real node's key-value service on a thread of the test, for tests of the public interface. */
#ifndef TESTS_UNIT_ENGINE_THREAD_H
#define TESTS_UNIT_ENGINE_THREAD_H

#include "unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/error.h"
#include "node/engine.h"

struct engine_thread {
    struct io_loop *loop;
    struct engine *engine;
    pthread_t thread;
    _Atomic bool stop;
    unsigned port;
    char connstr[80]; /* with the bucket "default" */
};

static inline void engine_must(enum divan_code rc, const struct divan_error *err)
{
    if (rc) fail_msg("%s", err->message);
}

static inline void *engine_run(void *user)
{
    struct engine_thread *t = user;
    while (!atomic_load(&t->stop)) io_run_once(t->loop, IO_NEVER);
    return NULL;
}

static inline void engine_describe(struct engine_thread *t)
{
    struct divan_error err;
    struct buf b = {.limit = 1 << 20};
    buf_printf(
        &b,
        "{\"rev\":7,\"revEpoch\":1,\"name\":\"default\",\"uuid\":\"0123456789abcdef0123456789abcdef\",\"nodeLocator\":"
        "\"vbucket\",\"bucketCapabilities\":[\"collections\",\"durableWrite\"],"
        "\"nodesExt\":[{\"services\":{\"kv\":%u,\"mgmt\":8091},\"thisNode\":true}],"
        "\"nodes\":[{\"hostname\":\"$HOST:8091\",\"ports\":{\"direct\":%u}}],\"vBucketServerMap\":{\"hashAlgorithm\":"
        "\"CRC\",\"numReplicas\":0,\"serverList\":[\"$HOST:%u\"],\"vBucketMap\":[",
        t->port, t->port, t->port);
    for (int i = 0; i < 64; i++) buf_put_str(&b, i ? ",[0]" : "[0]");
    buf_put_str(&b, "]}}");
    engine_must(engine_set_config(t->engine, "default", (struct map_revision){1, 7}, buf_view(&b), &err), &err);
    buf_clear(&b);
    buf_put_str(&b, "{\"rev\":7,\"revEpoch\":1,");
    buf_printf(&b, "\"nodesExt\":[{\"services\":{\"kv\":%u,\"mgmt\":8091},\"thisNode\":true}]}", t->port);
    engine_must(engine_set_config(t->engine, NULL, (struct map_revision){1, 7}, buf_view(&b), &err), &err);
    buf_fini(&b);
}

/** Bucket "default" with collections _default._default and s.c, user "u" with password "p". */
static inline void engine_thread_start(struct engine_thread *t)
{
    struct divan_error err;
    struct io_addr addr, bound;
    static const struct collection_spec in_default[] = {{"_default", 0, 0, false}}, in_s[] = {{"c", 8, 0, false}};
    static const struct scope_spec scopes[] = {{"_default", 0, in_default, 1}, {"s", 8, in_s, 1}};
    struct engine_user user = {.name = "u", .admin = true};
    const struct bucket_spec bucket = {.name = "default",
                                       .uuid = "0123456789abcdef0123456789abcdef",
                                       .vbuckets = 64,
                                       .ram_quota_bytes = (uint64_t)1 << 30};
    memset(t, 0, sizeof *t);
    t->loop = io_loop_new_uv(&err);
    t->engine = engine_new(t->loop, NULL, NULL, &err);
    assert_non_null(t->engine);
    engine_must(sasl_secret_derive(divan_str("p"), 10, &user.secret, &err), &err);
    engine_must(engine_set_user(t->engine, &user, &err), &err);
    engine_must(engine_bucket_create(t->engine, &bucket, &err), &err);
    engine_must(engine_own_all(t->engine, "default", &err), &err);
    engine_must(engine_set_manifest(t->engine, "default", &(struct manifest_spec){5, scopes, 2}, &err), &err);
    assert_true(io_addr_parse(&addr, "127.0.0.1", 0));
    engine_must(engine_listen_kv(t->engine, &addr, &bound, &err), &err);
    t->port = bound.port;
    snprintf(t->connstr, sizeof t->connstr, "couchbase://127.0.0.1:%u/default", t->port);
    engine_describe(t);
    assert_int_equal(pthread_create(&t->thread, NULL, engine_run, t), 0);
}

static inline void engine_thread_stop(struct engine_thread *t)
{
    atomic_store(&t->stop, true);
    io_wake(t->loop);
    pthread_join(t->thread, NULL);
    engine_free(t->engine);
    io_loop_free(t->loop);
}

#endif
