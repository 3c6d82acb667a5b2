#include "cli/bench.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/rand.h"
#include "cli/clock.h"
#include "cli/drive.h"
#include "cli/value.h"

enum { FILL_WINDOW = 256, FILL_BYTES = 64 << 20, EXPIRY_S = 3600, TELL_MS = 250 };

const char *bench_key(uint32_t i, char *out, size_t cap)
{
    snprintf(out, cap, "bench::%08u", i);
    return out;
}

void bench_value(char *out, size_t len)
{
    static const char begin[] = "{\"pad\":\"", end[] = "\"}";
    const size_t frame = sizeof begin + sizeof end - 2;
    memset(out, len >= frame ? 'x' : '0', len);
    if (len < frame) {
        if (len > 1) out[0] = '1'; /* a number may not begin with 0 */
        return;
    }
    memcpy(out, begin, sizeof begin - 1);
    memcpy(out + len - (sizeof end - 1), end, sizeof end - 1);
}

/* ---- one thread */

struct worker {
    const struct bench_plan *plan;
    struct bench_outcome out;
    struct rng rng;
    struct divan_bytes value;
    _Atomic uint64_t done;
    atomic_bool *stop;
    pthread_t thread;
};

static bool is_get(struct worker *w)
{
    return w->plan->ops == BENCH_GET || (w->plan->ops == BENCH_MIX && (rng_u64(&w->rng) & 1));
}

static struct divan_bytes random_key(struct worker *w, char *out, size_t cap)
{
    return divan_str(bench_key((uint32_t)rng_below(&w->rng, w->plan->keys), out, cap));
}

static void count(struct worker *w, const struct divan_error *err, uint64_t ns)
{
    struct bench_outcome *out = &w->out;
    latency_add(&out->latency, ns);
    out->operations++;
    atomic_store_explicit(&w->done, out->operations, memory_order_relaxed);
    if (!err) return;
    if (err->code == DIVAN_ERR_DOCUMENT_NOT_FOUND) {
        out->missing++;
        return;
    }
    if (!out->errors++) out->first_error = *err;
}

static const struct divan_upsert_options set_options = {.expiry_s = EXPIRY_S, .flags = VALUE_FLAGS_JSON};

static void one_by_one(struct worker *w)
{
    char key[24];
    struct divan_error err;
    uint64_t before_ns = clock_ns();
    while (!atomic_load_explicit(w->stop, memory_order_relaxed)) {
        enum divan_code rc;
        struct divan_bytes k = random_key(w, key, sizeof key);
        if (is_get(w)) {
            divan_result *result = NULL;
            rc = divan_get(w->plan->collection, k, NULL, &result, &err);
            divan_result_release(result);
            w->out.gets++;
        } else {
            rc = divan_upsert(w->plan->collection, k, w->value, &set_options, NULL, &err);
            w->out.sets++;
        }
        uint64_t now_ns = clock_ns();
        count(w, rc ? &err : NULL, now_ns - before_ns);
        before_ns = now_ns;
    }
}

static enum divan_code start_one(void *user, uint64_t i, struct divan_done done, struct divan_error *err)
{
    struct worker *w = user;
    char key[24];
    struct divan_bytes k = random_key(w, key, sizeof key);
    if (is_get(w)) {
        w->out.gets++;
        return divan_get_start(w->plan->collection, k, NULL, done, err);
    }
    w->out.sets++;
    return divan_upsert_start(w->plan->collection, k, w->value, &set_options, done, err);
}

static enum divan_code done_one(void *user, uint64_t i, const divan_result *result, uint64_t ns,
                                struct divan_error *err)
{
    count(user, divan_result_error(result), ns);
    return DIVAN_OK;
}

static bool go_on(void *user, uint64_t finished)
{
    struct worker *w = user;
    return !atomic_load_explicit(w->stop, memory_order_relaxed);
}

static void *work(void *user)
{
    struct worker *w = user;
    const struct drive_plan plan = {
        .window = w->plan->window, .total = UINT64_MAX, .user = w, .start = start_one, .done = done_one, .turn = go_on};
    struct divan_error err;
    if (w->plan->window == 1) one_by_one(w);
    else if (drive(w->plan->cluster, &plan, &err) && !w->out.errors++) w->out.first_error = err;
    return NULL;
}

/* ---- all of them */

static double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void watch(const struct bench_plan *plan, struct worker *workers, void (*told)(void *, uint64_t), void *user)
{
    uint64_t end_ns = clock_ns() + plan->seconds * 1000000000u, now_ns;
    while ((now_ns = clock_ns()) < end_ns) {
        uint64_t left_ms = (end_ns - now_ns + 999999) / 1000000, done = 0;
        clock_sleep_ms(left_ms < TELL_MS ? (unsigned)left_ms : TELL_MS);
        for (unsigned i = 0; i < plan->threads; i++)
            done += atomic_load_explicit(&workers[i].done, memory_order_relaxed);
        if (told) told(user, done);
    }
}

static void add_up(struct bench_outcome *into, const struct bench_outcome *from)
{
    latency_merge(&into->latency, &from->latency);
    if (from->errors && !into->errors) into->first_error = from->first_error;
    into->operations += from->operations;
    into->gets += from->gets;
    into->sets += from->sets;
    into->missing += from->missing;
    into->errors += from->errors;
}

static enum divan_code run_workers(const struct bench_plan *plan, struct worker *workers, struct divan_bytes value,
                                   void (*told)(void *, uint64_t), void *user, struct bench_outcome *out,
                                   struct divan_error *err)
{
    atomic_bool stop = false;
    unsigned started = 0;
    int error = 0;
    uint64_t begun_ns = clock_ns();
    double cpu_before = cpu_seconds();
    for (; started < plan->threads && !error; started += !error) {
        struct worker *w = &workers[started];
        w->plan = plan;
        w->value = value;
        w->stop = &stop;
        rng_init(&w->rng, rng_system_seed());
        error = pthread_create(&w->thread, NULL, work, w);
    }
    if (!error) watch(plan, workers, told, user);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < started; i++) pthread_join(workers[i].thread, NULL);
    out->seconds = (double)(clock_ns() - begun_ns) / 1e9;
    out->cpu_s = cpu_seconds() - cpu_before;
    for (unsigned i = 0; i < started; i++) add_up(out, &workers[i].out);
    return error ? err_sys(err, DIVAN_ERR_SYSTEM, error, "cannot start a thread") : DIVAN_OK;
}

enum divan_code bench_run(const struct bench_plan *plan, void (*told)(void *user, uint64_t done), void *user,
                          struct bench_outcome *out, struct divan_error *err)
{
    struct worker *workers = mem_zalloc(plan->threads * sizeof *workers);
    char *value = mem_alloc(plan->value_bytes + 1);
    memset(out, 0, sizeof *out);
    if (value) bench_value(value, plan->value_bytes);
    enum divan_code rc = workers && value
                             ? run_workers(plan, workers, bytes_of(value, plan->value_bytes), told, user, out, err)
                             : err_oom(err);
    mem_free(workers);
    mem_free(value);
    return rc;
}

/* ---- filling */

struct fill {
    const struct bench_plan *plan;
    struct divan_bytes value;
    void (*told)(void *user, uint64_t done);
    void *user;
};

static enum divan_code fill_start(void *user, uint64_t i, struct divan_done done, struct divan_error *err)
{
    const struct fill *f = user;
    char key[24];
    return divan_upsert_start(f->plan->collection, divan_str(bench_key((uint32_t)i, key, sizeof key)), f->value,
                              &set_options, done, err);
}

static enum divan_code fill_done(void *user, uint64_t i, const divan_result *result, uint64_t ns,
                                 struct divan_error *err)
{
    const struct divan_error *e = divan_result_error(result);
    if (e) *err = *e;
    return e ? e->code : DIVAN_OK;
}

static bool fill_turn(void *user, uint64_t finished)
{
    const struct fill *f = user;
    if (f->told) f->told(f->user, finished);
    return true;
}

enum divan_code bench_fill(const struct bench_plan *plan, void (*told)(void *user, uint64_t done), void *user,
                           struct divan_error *err)
{
    char *value = mem_alloc(plan->value_bytes + 1);
    if (!value) return err_oom(err);
    bench_value(value, plan->value_bytes);
    struct fill f = {.plan = plan, .value = bytes_of(value, plan->value_bytes), .told = told, .user = user};
    size_t fitting = FILL_BYTES / plan->value_bytes + 1;
    const struct drive_plan drive_plan = {.window = fitting < FILL_WINDOW ? fitting : FILL_WINDOW,
                                          .total = plan->keys,
                                          .user = &f,
                                          .start = fill_start,
                                          .done = fill_done,
                                          .turn = fill_turn};
    enum divan_code rc = drive(plan->cluster, &drive_plan, err);
    mem_free(value);
    return rc;
}
