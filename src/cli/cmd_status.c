#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/local/ports.h"
#include "cli/local/screen.h"
#include "cli/local/state.h"
#include "manager/json_writer.h"

struct status_args {
    const char *dir;
    bool json;
};

#define STATUS(...) OPT(struct status_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    STATUS(dir, "dir", 0, OPT_TEXT, "FOLDER", "state folder of the cluster (default as of divan up)",
           .env = "DIVAN_DIR"),
    STATUS(json, "json", 0, OPT_FLAG, NULL, "print one JSON object"),
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, {0}};

static bool runs(int64_t pid)
{
    return pid > 0 && kill((pid_t)pid, 0) == 0;
}

static void put_json(const struct record *r, const struct stats *stats, const bool *alive, struct buf *out)
{
    struct buf record = {.limit = 1 << 24};
    record_json(r, &record);
    jw_open(out, NULL, '{');
    jw_bool(out, "running", true);
    jw_key(out, "cluster");
    buf_put_bytes(out, buf_view(&record));
    jw_open(out, "alive", '[');
    for (size_t i = 0; i < r->node_count; i++) jw_bool(out, NULL, alive[i]);
    jw_close(out, ']');
    jw_open(out, "buckets", '[');
    for (size_t i = 0; i < stats->count; i++) {
        jw_open(out, NULL, '{');
        jw_str(out, "name", stats->buckets[i].name);
        jw_uint(out, "documents", stats->buckets[i].items);
        jw_key(out, "operations_per_s");
        buf_printf(out, "%.1f", stats->buckets[i].ops_per_s);
        jw_uint(out, "memory_bytes", stats->buckets[i].memory_bytes);
        jw_close(out, '}');
    }
    jw_close(out, ']');
    jw_close(out, '}');
    buf_u8(out, '\n');
    if (record.failed) out->failed = true;
    buf_fini(&record);
}

static void show(const struct record *r, bool json)
{
    struct divan_error err;
    struct stats stats = {0};
    bool alive[PORTS_NODES_MAX] = {0};
    struct buf out = {.limit = 1 << 24};
    struct term term = term_of(STDOUT_FILENO);
    for (size_t i = 0; i < r->node_count && i < PORTS_NODES_MAX; i++) alive[i] = runs(r->nodes[i].pid);
    for (size_t i = 0; i < r->node_count && i < PORTS_NODES_MAX && !stats.known; i++)
        if (alive[i]) stats_fetch(r, i, &stats, &err);
    term.rows = 10000; /* printed once, it may scroll */
    if (!term.live) term.columns = 10000;
    if (json) put_json(r, &stats, alive, &out);
    else screen_draw(&(struct screen){.record = r, .stats = &stats, .alive = alive, .once = true}, &term, &out);
    if (!out.failed) fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
}

static int run(const void *args_, const struct operands *operands)
{
    const struct status_args *args = args_;
    struct record record;
    struct divan_error err;
    int status = EXIT_DONE;
    char *dir = state_path(args->dir, &err);
    if (!dir) return command_fail("status", &err);
    if (state_read(dir, &record, &err)) {
        show(&record, args->json);
        record_fini(&record);
    } else if (err.code) {
        status = command_fail("status", &err);
    } else {
        if (args->json) puts("{\"running\":false}");
        else printf("no cluster is running on %s\n", dir);
        status = EXIT_REFUSED;
    }
    mem_free(dir);
    return status;
}

const struct command command_status = {
    .name = "status",
    .summary = "show the local cluster that runs",
    .text = "Exits with 1 when none is running.",
    .groups = groups,
    .args_size = sizeof(struct status_args),
    .run = run,
};
