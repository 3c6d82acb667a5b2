#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/bench.h"
#include "cli/clock.h"
#include "cli/command.h"
#include "cli/connect.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "manager/json_writer.h"

struct bench_args {
    struct connect_args connect;
    struct opt_choice ops;
    struct opt_number batch, threads, keys, value_bytes, seconds;
    bool json;
};

static const char *const ops_names[] = {"get", "set", "mix", NULL}; /* in the order of enum bench_ops */

#define BENCH(...) OPT(struct bench_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    BENCH(ops, "ops", 0, OPT_CHOICE, "KIND", "what to do (mix: half of each)", .preset = "mix", .choices = ops_names),
    BENCH(batch, "batch", 0, OPT_NUMBER, "N",
          "operations each thread keeps in flight: 1 is blocking calls, more go through a completion queue",
          .preset = "1", .min = 1, .max = 65536),
    BENCH(threads, "threads", 't', OPT_NUMBER, "N", "threads, sharing one connection handle", .preset = "1", .min = 1,
          .max = 256),
    BENCH(keys, "keys", 0, OPT_NUMBER, "N", "different documents, chosen evenly", .preset = "10000", .min = 1,
          .max = 100000000),
    BENCH(value_bytes, "value-size", 0, OPT_SIZE, "BYTES", "size of a document", .preset = "256", .min = 1,
          .max = 20u << 20),
    BENCH(seconds, "seconds", 0, OPT_SECONDS, "N", "how long to measure", .preset = "5", .min = 1, .max = 86400),
    BENCH(json, "json", 0, OPT_FLAG, NULL, "print one JSON object"),
    {0},
};
static const struct opt_group groups[] = {
    {"Options", rows, 0}, {"Connection", connect_rows, offsetof(struct bench_args, connect)}, {0}};

/* ---- while it runs */

struct live {
    struct term term;
    struct progress fill;
    uint64_t begun_ns, last_ns, last_done;
};

static void told_fill(void *user, uint64_t done)
{
    struct live *live = user;
    if (live->term.live) progress_update(&live->fill, done);
}

static void told_run(void *user, uint64_t done)
{
    struct live *live = user;
    char rate[24], count[32];
    uint64_t now_ns = clock_ns();
    if (!live->term.live) return;
    if (!live->begun_ns) live->begun_ns = live->last_ns = now_ns;
    double s = (double)(now_ns - live->last_ns) / 1e9;
    fprintf(stderr, "\r\033[K  %-10s %s  %s operations", "measuring",
            format_rate(rate, sizeof rate, s > 0 ? (double)(done - live->last_done) / s : 0),
            format_count(count, sizeof count, done));
    fflush(stderr);
    live->last_ns = now_ns;
    live->last_done = done;
}

/* ---- what comes out */

static const struct {
    const char *name;
    double q;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
enum { QUANTILES = sizeof quantiles / sizeof quantiles[0] };

static double cpu_us_per_operation(const struct bench_outcome *o)
{
    return o->operations ? o->cpu_s * 1e6 / (double)o->operations : 0;
}

static void put_json(const struct bench_plan *plan, const struct bench_outcome *o, struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_str(out, "ops", ops_names[plan->ops]);
    jw_uint(out, "batch", plan->window);
    jw_uint(out, "threads", plan->threads);
    jw_uint(out, "keys", plan->keys);
    jw_uint(out, "value_bytes", plan->value_bytes);
    jw_key(out, "seconds");
    buf_printf(out, "%.3f", o->seconds);
    jw_uint(out, "operations", o->operations);
    jw_uint(out, "gets", o->gets);
    jw_uint(out, "sets", o->sets);
    jw_uint(out, "missing", o->missing);
    jw_uint(out, "errors", o->errors);
    if (o->errors) jw_str(out, "first_error", o->first_error.message);
    jw_key(out, "operations_per_s");
    buf_printf(out, "%.1f", (double)o->operations / o->seconds);
    jw_key(out, "cpu_us_per_operation");
    buf_printf(out, "%.3f", cpu_us_per_operation(o));
    jw_open(out, "latency_us", '{');
    for (size_t i = 0; i < QUANTILES; i++) {
        jw_key(out, quantiles[i].name);
        buf_printf(out, "%.3f", (double)latency_at(&o->latency, quantiles[i].q) / 1e3);
    }
    jw_key(out, "mean");
    buf_printf(out, "%.3f", o->latency.count ? (double)o->latency.sum_ns / (double)o->latency.count / 1e3 : 0);
    jw_close(out, '}');
    jw_close(out, '}');
    buf_u8(out, '\n');
}

static void put_table(const struct bench_outcome *o, const struct term *term, struct buf *out)
{
    struct table t;
    char count[32], rate[24], q[QUANTILES][24];
    table_init(&t, ">operations|>rate|>p50|>p90|>p99|>p99.9|>max|>CPU/op");
    for (size_t i = 0; i < QUANTILES; i++) format_ns(q[i], sizeof q[i], latency_at(&o->latency, quantiles[i].q));
    table_add(&t, "%s|%s|%s|%s|%s|%s|%s|%.2f us", format_count(count, sizeof count, o->operations),
              format_rate(rate, sizeof rate, (double)o->operations / o->seconds), q[0], q[1], q[2], q[3], q[4],
              cpu_us_per_operation(o));
    table_draw(&t, term, 2, out);
    table_fini(&t);
    if (o->missing) buf_printf(out, "  %s documents were not found\n", format_count(count, sizeof count, o->missing));
    if (o->errors)
        buf_printf(out, "  %s operations failed; the first: %s\n", format_count(count, sizeof count, o->errors),
                   o->first_error.message);
}

/* ---- the way */

static enum divan_code measure(const struct bench_plan *plan, struct bench_outcome *o, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    struct live live = {.term = term_of(STDERR_FILENO)};
    if (plan->ops != BENCH_SET) {
        progress_begin(&live.fill, stderr, &live.term, "filling", plan->keys);
        rc = bench_fill(plan, told_fill, &live, err);
        if (live.term.live) progress_end(&live.fill, rc ? 0 : plan->keys);
    }
    if (!rc) rc = bench_run(plan, told_run, &live, o, err);
    if (live.term.live) fputs("\r\033[K", stderr);
    return rc;
}

static int run(const void *args_, const struct operands *operands)
{
    const struct bench_args *args = args_;
    struct connection connection = {0};
    struct divan_error err;
    struct term term = term_of(STDOUT_FILENO);
    struct buf out = {.limit = 1 << 20};
    struct bench_outcome *o = mem_zalloc(sizeof *o);
    if (!o) return err_oom(&err), command_fail("bench", &err);
    enum divan_code rc = connection_open(&args->connect, 0, &connection, &err);
    const struct bench_plan plan = {
        .cluster = connection.cluster,
        .collection = connection.collection,
        .ops = (enum bench_ops)args->ops.index,
        .window = (size_t)args->batch.value,
        .threads = (unsigned)args->threads.value,
        .keys = (uint32_t)args->keys.value,
        .value_bytes = (uint32_t)args->value_bytes.value,
        .seconds = args->seconds.value,
    };
    if (!rc) rc = measure(&plan, o, &err);
    if (!rc && args->json) put_json(&plan, o, &out);
    else if (!rc) put_table(o, &term, &out);
    if (!rc) fwrite(out.data, 1, out.len, stdout);
    int status = rc ? command_fail("bench", &err) : o->errors ? EXIT_TROUBLE : EXIT_DONE;
    buf_fini(&out);
    connection_close(&connection);
    mem_free(o);
    return status;
}

const struct command command_bench = {
    .name = "bench",
    .summary = "load a cluster and measure",
    .text =
        "Stores the documents first when they are to be read, then works on random ones for the time given. Shows the "
        "rate, "
        "how long operations took, and the processor time of this process per operation. The documents expire after an "
        "hour. Exits with 2 when an operation failed.",
    .example = "divan bench --ops get --batch 100\ndivan bench --threads 4 --seconds 10 --json",
    .groups = groups,
    .args_size = sizeof(struct bench_args),
    .run = run,
};
