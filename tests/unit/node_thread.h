/* A whole node, with its management interface and a manager of its own, on a thread of the test. */
#ifndef TESTS_UNIT_NODE_THREAD_H
#define TESTS_UNIT_NODE_THREAD_H

#include "unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/error.h"
#include "node/node.h"

struct node_thread {
    struct io_loop *loop;
    struct node *node;
    pthread_t thread;
    _Atomic bool stop, ready;
    char connstr[80]; /* without a bucket */
};

static inline void node_thread_ready(void *user)
{
    atomic_store(&((struct node_thread *)user)->ready, true);
}

static inline void *node_thread_run(void *user)
{
    struct node_thread *t = user;
    while (!atomic_load(&t->stop)) io_run_once(t->loop, IO_NEVER);
    return NULL;
}

/** User "Administrator" with password "password", bucket "default". */
static inline void node_thread_start(struct node_thread *t)
{
    struct divan_error err;
    static const char *const buckets[] = {"default"};
    const struct manager_setup setup = {
        .user = "Administrator", .password = "password", .buckets = buckets, .bucket_count = 1};
    const struct node_options options = {.any_port = true, .vbuckets = 64, .setup = &setup};
    memset(t, 0, sizeof *t);
    t->loop = io_loop_new_uv(&err);
    assert_non_null(t->loop);
    t->node = node_start(t->loop, &options, node_thread_ready, t, &err);
    if (!t->node) fail_msg("%s", err.message);
    while (!atomic_load(&t->ready)) io_run_once(t->loop, IO_NEVER);
    snprintf(t->connstr, sizeof t->connstr, "couchbase://127.0.0.1:%u", node_ports(t->node)->plain[SVC_KV]);
    assert_int_equal(pthread_create(&t->thread, NULL, node_thread_run, t), 0);
}

static inline void node_thread_stop(struct node_thread *t)
{
    atomic_store(&t->stop, true);
    io_wake(t->loop);
    pthread_join(t->thread, NULL);
    node_stop(t->node);
    io_loop_free(t->loop);
}

#endif
