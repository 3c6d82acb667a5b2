#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <divan/divan.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/clock.h"
#include "cli/command.h"
#include "cli/demo_cluster.h"
#include "cli/demo_data.h"
#include "cli/drive.h"
#include "cli/format.h"
#include "cli/progress.h"
#include "cli/table.h"
#include "cli/value.h"

static const char bucket_name[] = "world", scope_name[] = "iso";

struct demo_args {
    const char *data;
    struct opt_number nodes, window;
};

#define DEMO(...) OPT(struct demo_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    DEMO(nodes, "nodes", 'n', OPT_NUMBER, "N", "nodes of the cluster", .preset = "1", .min = 1, .max = 8),
    DEMO(window, "window", 0, OPT_NUMBER, "N", "operations in flight", .preset = "100", .min = 1, .max = 10000),
    DEMO(data, "data", 0, OPT_TEXT, "FOLDER", "where the files of iso-codes are",
         .preset = "/usr/share/iso-codes/json"),
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, {0}};

struct phase {
    struct latency latency;
    double seconds;
    uint64_t wrong; /* documents that are not what was stored */
};

struct demo {
    const struct demo_args *args;
    struct term term;
    struct demo_set set;
    struct demo_cluster cluster;
    divan_cluster *handle;
    divan_collection *collections[DEMO_SOURCES_MAX];
    struct phase load, read, *phase;
    struct progress progress;
    struct divan_error *err;
};

static volatile sig_atomic_t interrupted;
static void on_interrupt(int number)
{
    interrupted = number;
}

static void step(const struct demo *d, const char *name, const char *text)
{
    printf("  %s%-10s%s %s\n", term_style(&d->term, TERM_DIM), name, term_style(&d->term, TERM_PLAIN), text);
    fflush(stdout);
}

/* ---- before the documents */

static enum divan_code load_data(struct demo *d)
{
    char text[512], count[32], bytes[24];
    enum divan_code rc = demo_set_load(&d->set, d->args->data, d->err);
    if (rc) return rc;
    snprintf(text, sizeof text, "%s documents, %s, from %s", format_count(count, sizeof count, d->set.count),
             format_bytes(bytes, sizeof bytes, d->set.texts.len), d->args->data);
    step(d, "data", text);
    return DIVAN_OK;
}

static enum divan_code start_cluster(struct demo *d)
{
    char text[512], took[24];
    const char *names[DEMO_SOURCES_MAX + 1] = {0};
    for (size_t i = 0; demo_sources[i].collection; i++) names[i] = demo_sources[i].collection;
    uint64_t begun_ns = clock_ns();
    enum divan_code rc = demo_cluster_start(&d->cluster, (unsigned)d->args->nodes.value, bucket_name, d->err);
    if (rc) return rc;
    snprintf(text, sizeof text, "%s, ready in %s", d->cluster.record.connection_string,
             format_ns(took, sizeof took, clock_ns() - begun_ns));
    step(d, "cluster", text);
    return demo_cluster_collections(&d->cluster, scope_name, names, d->err);
}

static enum divan_code open_cluster(struct demo *d)
{
    const struct divan_cluster_options options = {
        .username = d->cluster.record.username,
        .password = d->cluster.record.password,
        .kv_timeout_ms = 10000, /* a busy machine should not fail the demo */
    };
    enum divan_code rc = divan_cluster_open(&d->handle, d->cluster.record.connection_string, &options, d->err);
    for (size_t i = 0; !rc && demo_sources[i].collection; i++) {
        const char *name = demo_sources[i].collection;
        d->collections[i] = divan_cluster_collection(d->handle, bucket_name, scope_name, name, d->err);
        if (!d->collections[i]) rc = d->err->code;
    }
    return rc;
}

/* ---- storing and reading */

static enum divan_code start_load(void *user, uint64_t i, struct divan_done done, struct divan_error *err)
{
    static const struct divan_upsert_options options = {.flags = VALUE_FLAGS_JSON};
    const struct demo *d = user;
    return divan_upsert_start(d->collections[d->set.documents[i].source], demo_key(&d->set, i), demo_body(&d->set, i),
                              &options, done, err);
}

static enum divan_code start_read(void *user, uint64_t i, struct divan_done done, struct divan_error *err)
{
    const struct demo *d = user;
    return divan_get_start(d->collections[d->set.documents[i].source], demo_key(&d->set, i), NULL, done, err);
}

static enum divan_code loaded(void *user, uint64_t i, const divan_result *result, uint64_t ns, struct divan_error *err)
{
    struct demo *d = user;
    const struct divan_error *e = divan_result_error(result);
    latency_add(&d->phase->latency, ns);
    if (e) *err = *e;
    return e ? e->code : DIVAN_OK;
}

/* A document that is missing or different does not end the run: the summary tells how many there are. */
static enum divan_code was_read(void *user, uint64_t i, const divan_result *result, uint64_t ns,
                                struct divan_error *err)
{
    struct demo *d = user;
    const struct divan_error *e = divan_result_error(result);
    latency_add(&d->phase->latency, ns);
    bool missing = e && e->code == DIVAN_ERR_DOCUMENT_NOT_FOUND;
    bool same = !e && bytes_equal(divan_result_value(result), demo_body(&d->set, i)) &&
                divan_result_flags(result) == VALUE_FLAGS_JSON && divan_result_cas(result);
    if (missing || (!e && !same)) d->phase->wrong++;
    if (!e || missing) return DIVAN_OK;
    *err = *e;
    return e->code;
}

static bool go_on(void *user, uint64_t finished)
{
    struct demo *d = user;
    progress_update(&d->progress, finished);
    return !interrupted;
}

static enum divan_code run_phase(struct demo *d, const char *label, struct phase *phase, bool reading)
{
    const struct drive_plan plan = {
        .window = (size_t)d->args->window.value,
        .total = d->set.count,
        .user = d,
        .start = reading ? start_read : start_load,
        .done = reading ? was_read : loaded,
        .turn = go_on,
    };
    d->phase = phase;
    progress_begin(&d->progress, stdout, &d->term, label, d->set.count);
    uint64_t begun_ns = clock_ns();
    enum divan_code rc = drive(d->handle, &plan, d->err);
    phase->seconds = (double)(clock_ns() - begun_ns) / 1e9;
    progress_end(&d->progress, phase->latency.count);
    if (!rc && interrupted) rc = err_set(d->err, DIVAN_ERR_CANCELLED, "interrupted");
    return rc;
}

/* ---- the summary */

static void collections_table(const struct demo *d, struct buf *out)
{
    struct table t;
    char count[32], bytes[24];
    uint64_t sizes[DEMO_SOURCES_MAX] = {0}, all = 0;
    for (size_t i = 0; i < d->set.count; i++) sizes[d->set.documents[i].source] += d->set.documents[i].body_len;
    table_init(&t, "collection|>documents|>size|example");
    for (size_t i = 0, first = 0; demo_sources[i].collection; first += d->set.per_source[i], i++) {
        struct divan_bytes key = demo_key(&d->set, first);
        table_add(&t, "%s|%s|%s|%.*s", demo_sources[i].collection,
                  format_count(count, sizeof count, d->set.per_source[i]), format_bytes(bytes, sizeof bytes, sizes[i]),
                  (int)key.len, (const char *)key.data);
        all += sizes[i];
    }
    t.total = true;
    table_add(&t, "all|%s|%s|", format_count(count, sizeof count, d->set.count),
              format_bytes(bytes, sizeof bytes, all));
    table_draw(&t, &d->term, 2, out);
    table_fini(&t);
}

static void phase_row(struct table *t, const char *name, const struct phase *p)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 1};
    char count[32], rate[24], took[24], q[5][24];
    for (size_t i = 0; i < 5; i++) format_ns(q[i], sizeof q[i], latency_at(&p->latency, quantiles[i]));
    table_add(t, "%s|%s|%s|%s|%s|%s|%s|%s|%s", name, format_count(count, sizeof count, p->latency.count),
              format_ns(took, sizeof took, (uint64_t)(p->seconds * 1e9)),
              format_rate(rate, sizeof rate, (double)p->latency.count / p->seconds), q[0], q[1], q[2], q[3], q[4]);
}

static void summary(const struct demo *d)
{
    struct table t;
    char count[32];
    struct buf out = {.limit = 1 << 20};
    uint64_t wrong = d->read.wrong;
    buf_u8(&out, '\n');
    collections_table(d, &out);
    buf_u8(&out, '\n');
    table_init(&t, "phase|>ops|>time|>rate|>p50|>p90|>p99|>p99.9|>max");
    phase_row(&t, "load", &d->load);
    phase_row(&t, "read", &d->read);
    table_draw(&t, &d->term, 2, &out);
    table_fini(&t);
    buf_printf(&out, "\n  %s", term_style(&d->term, wrong ? TERM_BAD : TERM_GOOD));
    if (wrong) buf_printf(&out, "%s documents are not what was stored", format_count(count, sizeof count, wrong));
    else
        buf_printf(&out, "all %s documents were read back as they were stored",
                   format_count(count, sizeof count, d->set.count));
    buf_printf(&out, "%s\n\n", term_style(&d->term, TERM_PLAIN));
    if (!out.failed) fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    buf_fini(&out);
}

static enum divan_code play(struct demo *d)
{
    enum divan_code rc = load_data(d);
    if (!rc) rc = start_cluster(d);
    if (!rc) rc = open_cluster(d);
    if (!rc) rc = run_phase(d, "loading", &d->load, false);
    if (!rc) rc = run_phase(d, "reading", &d->read, true);
    if (!rc) summary(d);
    if (!rc && d->read.wrong)
        rc = err_set(d->err, DIVAN_ERR_FAILED, "%llu documents are missing or differ from what was stored",
                     (unsigned long long)d->read.wrong);
    return rc;
}

static int run(const void *args, const struct operands *operands)
{
    struct divan_error err;
    struct demo *d = mem_zalloc(sizeof *d);
    if (!d) return err_oom(&err), command_fail("demo", &err);
    *d = (struct demo){.args = args, .term = term_of(STDOUT_FILENO), .err = &err};
    const struct sigaction action = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    printf("%sdivan demo%s: real documents into a local cluster and back\n\n", term_style(&d->term, TERM_BOLD),
           term_style(&d->term, TERM_PLAIN));
    enum divan_code rc = play(d);
    bool ran = d->cluster.pid != 0;
    divan_cluster_close(d->handle);
    demo_cluster_stop(&d->cluster);
    if (ran) step(d, "cluster", "stopped");
    demo_set_fini(&d->set);
    mem_free(d);
    return rc ? command_fail("demo", &err) : EXIT_DONE;
}

const struct command command_demo = {
    .name = "demo",
    .summary = "start a cluster, store and read 14,000 documents, check each, stop",
    .text = "Stores the ISO codes of countries, subdivisions, languages, currencies and scripts (Debian's package "
            "iso-codes) in "
            "collections of a cluster of its own, which lives in a temporary folder on free ports, reads all of it "
            "back and "
            "compares every byte.",
    .groups = groups,
    .args_size = sizeof(struct demo_args),
    .run = run,
};
