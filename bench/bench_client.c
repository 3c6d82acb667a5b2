/* The client library against a bare socket loop, on the same null server, in interleaved rounds. */
#include "count_syscalls.h"
#include "floor.h"
#include "nullserver.h"
#include "options.h"
#include "stats.h"

#include <divan/divan.h>

#include <stdlib.h>

enum { BATCH = 100, WARM_UP = 2000 };

struct client {
    divan_cluster *cluster;
    divan_collection *collection;
    divan_queue *queue;
    char keys[BATCH][FLOOR_KEY_BYTES + 1];
};

static char value[NULL_VALUE_BYTES];
static struct bench_options options;

static bool complain(const char *what, const struct divan_error *err)
{
    fprintf(stderr, "bench: %s: %s\n", what, err->message);
    return false;
}

/* ---- one operation, one batch */

static bool client_get(struct client *c)
{
    struct divan_error err;
    divan_result *result = NULL;
    if (divan_get(c->collection, (struct divan_bytes){c->keys[0], FLOOR_KEY_BYTES}, NULL, &result, &err))
        return complain("get", &err);
    bool right = divan_result_value(result).len == NULL_VALUE_BYTES;
    divan_result_release(result);
    return right;
}

static bool client_upsert(struct client *c)
{
    struct divan_error err;
    if (divan_upsert(c->collection, (struct divan_bytes){c->keys[0], FLOOR_KEY_BYTES},
                     (struct divan_bytes){value, sizeof value}, NULL, NULL, &err))
        return complain("upsert", &err);
    return true;
}

static bool client_get_batch(struct client *c)
{
    struct divan_error err;
    for (int i = 0; i < BATCH; i++)
        if (divan_get_start(c->collection, (struct divan_bytes){c->keys[i], FLOOR_KEY_BYTES}, NULL,
                            (struct divan_done){.queue = c->queue}, &err))
            return complain("get_start", &err);
    divan_result *done[BATCH];
    bool right = true;
    for (size_t left = BATCH; left;) {
        size_t n = divan_queue_pop(c->queue, done, BATCH, -1);
        if (!n) return fputs("bench: the queue ended before its operations\n", stderr), false;
        for (size_t i = 0; i < n; i++) {
            if (divan_result_error(done[i])) right = complain("get", divan_result_error(done[i]));
            divan_result_release(done[i]);
        }
        left -= n;
    }
    return right;
}

static bool client_open(struct client *c, uint16_t port)
{
    struct divan_error err;
    char connstr[128];
    snprintf(connstr, sizeof connstr, "couchbase://127.0.0.1:%u/default%s%s", port, options.query ? "?" : "",
             options.query ? options.query : "");
    *c = (struct client){0};
    for (unsigned i = 0; i < BATCH; i++) floor_key(c->keys[i], i);
    if (divan_cluster_open(&c->cluster, connstr,
                           &(struct divan_cluster_options){.username = NULL_USER, .password = NULL_PASSWORD}, &err))
        return complain("open", &err);
    c->collection = divan_cluster_collection(c->cluster, "default", NULL, NULL, &err);
    if (!c->collection) return complain("collection", &err);
    c->queue = divan_queue_new(c->cluster);
    for (int i = 0; i < WARM_UP; i++)
        if (!client_get(c) || !client_upsert(c) || (i < WARM_UP / BATCH && !client_get_batch(c))) return false;
    return c->queue != NULL;
}

static void client_close(struct client *c)
{
    divan_queue_free(c->queue);
    divan_cluster_close(c->cluster);
}

/* ---- samples */

struct sample {
    double p50_us, per_s, cpu_us, allocations; /* per operation */
};

static bool floor_op(void *user)
{
    return floor_get(user);
}
static bool floor_batch_op(void *user)
{
    return floor_get_batch(user);
}
static bool get_op(void *user)
{
    return client_get(user);
}
static bool upsert_op(void *user)
{
    return client_upsert(user);
}
static bool get_batch_op(void *user)
{
    return client_get_batch(user);
}

/* Allocations are counted per block of calls and the median block is reported: what every operation needs, without the
 * few of the map being asked for every other second. */
enum { BLOCK = 100, BLOCKS_MAX = (1 << 20) / BLOCK };

static double block_allocations(uint32_t *blocks, unsigned count, double ops_per_block)
{
    sort_u32(blocks, count);
    return count ? share_of_u32(blocks, count, 0.5) / ops_per_block : 0;
}

/* Runs op `calls` times; each stands for `each` operations. */
static bool measure(bool (*op)(void *), void *user, unsigned calls, unsigned each, struct sample *out)
{
    static uint32_t latency[1 << 20], blocks[BLOCKS_MAX + 1];
    if (calls > sizeof latency / sizeof *latency) calls = sizeof latency / sizeof *latency;
    uint64_t allocated = allocations(), cpu = cpu_ns(), begin = now_ns(), last = begin;
    for (unsigned i = 0; i < calls; i++) {
        if (!op(user)) return false;
        uint64_t now = now_ns();
        latency[i] = (uint32_t)(now - last);
        last = now;
        if ((i + 1) % BLOCK == 0) {
            uint64_t count = allocations();
            blocks[i / BLOCK] = (uint32_t)(count - allocated);
            allocated = count;
        }
    }
    double ops = (double)calls * each;
    out->cpu_us = (double)(cpu_ns() - cpu) / ops / 1e3;
    out->allocations = block_allocations(blocks, calls / BLOCK, (double)BLOCK * each);
    out->per_s = ops * 1e9 / (double)(last - begin);
    sort_u32(latency, calls);
    out->p50_us = share_of_u32(latency, calls, 0.5) / 1e3;
    return true;
}

struct results {
    struct series get_p50, get_cpu, queue_rate, queue_cpu, get_allocations, upsert_allocations, queue_allocations;
    struct series floor_p50_us, client_p50_us, floor_rate, client_rate, floor_cpu_us, client_cpu_us;
};

static bool one_round(struct floor *floor, struct client *client, struct results *r)
{
    struct sample bare, ours, bare_batch, ours_batch, upsert;
    unsigned sync = options.sync_calls, batches = options.batch_calls;
    if (!measure(floor_op, floor, sync, 1, &bare) || !measure(get_op, client, sync, 1, &ours) ||
        !measure(floor_batch_op, floor, batches, BATCH, &bare_batch) ||
        !measure(get_batch_op, client, batches, BATCH, &ours_batch) || !measure(upsert_op, client, sync, 1, &upsert))
        return false;
    series_add(&r->get_p50, ours.p50_us / bare.p50_us);
    series_add(&r->get_cpu, ours.cpu_us / bare.cpu_us);
    series_add(&r->queue_rate, ours_batch.per_s / bare_batch.per_s);
    series_add(&r->queue_cpu, ours_batch.cpu_us);
    series_add(&r->get_allocations, ours.allocations);
    series_add(&r->upsert_allocations, upsert.allocations);
    series_add(&r->queue_allocations, ours_batch.allocations);
    series_add(&r->floor_p50_us, bare.p50_us);
    series_add(&r->client_p50_us, ours.p50_us);
    series_add(&r->floor_cpu_us, bare.cpu_us);
    series_add(&r->client_cpu_us, ours.cpu_us);
    series_add(&r->floor_rate, bare_batch.per_s / 1e6);
    series_add(&r->client_rate, ours_batch.per_s / 1e6);
    return true;
}

/* ---- system calls */

enum { TRACED_BLOCKS = 21, TRACED_GETS = 20 };

struct traced {
    uint16_t port;
    bool batches;
};

static bool traced_work(void *user)
{
    const struct traced *t = user;
    struct client c;
    if (!client_open(&c, t->port)) return false;
    bool right = true;
    count_mark();
    for (int block = 0; right && block < TRACED_BLOCKS; block++) {
        if (t->batches) right = client_get_batch(&c);
        for (int i = 0; right && !t->batches && i < TRACED_GETS; i++) right = client_get(&c);
        count_mark();
    }
    client_close(&c);
    return right;
}

static void add_syscalls(struct series *s, uint16_t port, bool batches)
{
    int64_t n = count_syscalls(traced_work, &(struct traced){port, batches});
    if (n < 0) fputs("bench: system calls were not counted: tracing is not possible here\n", stderr);
    else series_add(s, (double)n / (batches ? BATCH : TRACED_GETS));
}

int main(int argc, char **argv)
{
    bench_options_parse(&options, argc, argv);
    uint16_t port = 0;
    pin(options.pin, PIN_SERVER);
    pid_t server = null_start(&port);
    if (server < 0) return perror("bench: null server"), 2;
    pin(options.pin, PIN_CLIENT);
    memset(value, 'x', sizeof value);

    static struct results r;
    struct series get_syscalls = {0}, queue_syscalls = {0};
    add_syscalls(&get_syscalls, port, false);
    add_syscalls(&queue_syscalls, port, true);

    struct floor floor = {.fd = -1};
    struct client client = {0};
    bool right = floor_open(&floor, port, BATCH, NULL_VBUCKETS) && client_open(&client, port);
    for (unsigned i = 0; right && i < options.rounds; i++) right = one_round(&floor, &client, &r);
    client_close(&client);
    floor_close(&floor);
    null_stop(server);
    if (!right) return 2;

    int json = options.json, met = 1;
    if (!json) printf("GET of %d bytes, %u rounds, %s\n", NULL_VALUE_BYTES, options.rounds, pin_text(options.pin));
    report_head(json);
    met &= report(json, "blocking_get_p50_over_floor", &r.get_p50, "ratio", GOAL_AT_MOST, 1.12);
    met &= report(json, "queue_100_throughput_over_floor", &r.queue_rate, "ratio", GOAL_AT_LEAST, 0.35);
    met &= report(json, "allocations_per_get", &r.get_allocations, "count", GOAL_AT_MOST, 0);
    met &= report(json, "allocations_per_upsert", &r.upsert_allocations, "count", GOAL_AT_MOST, 0);
    if (get_syscalls.count) met &= report(json, "syscalls_per_blocking_get", &get_syscalls, "count", GOAL_AT_MOST, 3);
    report(json, "blocking_get_cpu_over_floor", &r.get_cpu, "ratio", GOAL_NONE, 0);
    report(json, "allocations_per_queued_get", &r.queue_allocations, "count", GOAL_NONE, 0);
    if (queue_syscalls.count) report(json, "syscalls_per_queued_get", &queue_syscalls, "count", GOAL_NONE, 0);
    report(json, "blocking_get_p50", &r.client_p50_us, "us", GOAL_NONE, 0);
    report(json, "floor_get_p50", &r.floor_p50_us, "us", GOAL_NONE, 0);
    report(json, "blocking_get_cpu", &r.client_cpu_us, "us", GOAL_NONE, 0);
    report(json, "floor_get_cpu", &r.floor_cpu_us, "us", GOAL_NONE, 0);
    report(json, "queue_100_throughput", &r.client_rate, "M/s", GOAL_NONE, 0);
    report(json, "floor_100_throughput", &r.floor_rate, "M/s", GOAL_NONE, 0);
    report(json, "queue_100_cpu", &r.queue_cpu, "us", GOAL_NONE, 0);
    return met ? 0 : 1;
}
