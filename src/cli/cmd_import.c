#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/clock.h"
#include "cli/document.h"
#include "cli/format.h"
#include "cli/importing.h"
#include "cli/keyform.h"
#include "cli/progress.h"
#include "manager/json_writer.h"

static const char *const forms[] = {"documents", "values", NULL}; /* in the order of enum importing_form */

struct import_args {
    struct connect_args connect;
    struct opt_choice form, store, durability;
    struct opt_number skip, expiry_s, window, timeout_ms;
    const char *key, *checkpoint, *rejects;
    bool json, quiet;
};

#define ROW(...) OPT(struct import_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    ROW(form, "lines", 0, OPT_CHOICE, "WHAT",
        "what a line is: an object with the members \"key\" and \"value\" as divan export writes it, or the document "
        "itself",
        .preset = "documents", .choices = forms),
    ROW(key, "key", 'k', OPT_TEXT, "FORM",
        "make the keys: members of the document stand in braces, as in user::{id} or {type}:{address.zip}; {#} is the "
        "number of "
        "the line"),
    ROW(store, "store", 0, OPT_CHOICE, "HOW",
        "what becomes of documents that exist: upsert overwrites them, insert refuses them, replace refuses the others",
        .preset = "upsert", .choices = store_names),
    ROW(expiry_s, "expiry", 0, OPT_SECONDS, "S",
        "documents whose line tells no expiry go away after so long; 0 = never", .max = UINT32_MAX),
    ROW(durability, "durability", 0, OPT_CHOICE, "LEVEL", "copies that must have each write", .preset = "none",
        .choices = durability_names),
    ROW(checkpoint, "checkpoint", 0, OPT_TEXT, "FILE",
        "remember there how far it came, and begin there when it exists; it is removed at the end"),
    ROW(skip, "skip", 0, OPT_NUMBER, "N", "begin behind this line"),
    ROW(rejects, "rejects", 0, OPT_TEXT, "FILE", "write the lines that were refused there, as they were"),
    ROW(window, "window", 0, OPT_NUMBER, "N", "operations in flight", .preset = "1000", .min = 1, .max = 8192),
    ROW(timeout_ms, "timeout", 0, OPT_MS, "MS", "give up when a document is not stored after so long", .preset = "30s",
        .env = "DIVAN_TIMEOUT", .min = 1, .max = 3600000),
    ROW(quiet, "quiet", 'q', OPT_FLAG, NULL, "no progress"),
    ROW(json, "json", 0, OPT_FLAG, NULL, "print the summary as one JSON object"),
    {0},
};
static const struct opt_group groups[] = {
    {"Options", rows, 0}, {"Connection", connect_rows, offsetof(struct import_args, connect)}, {0}};

enum { CHECKPOINT_NS = 1000000000 };

struct import {
    const struct import_args *args;
    struct connection connection;
    struct lines lines;
    struct importing_plan plan;
    struct importing work;
    struct checkpoint begun; /* where this run began */
    struct progress progress;
    bool shows; /* progress */
    uint64_t begun_ns, written_ns;
    struct divan_error *err;
};

static volatile sig_atomic_t interrupted;
static void on_interrupt(int number)
{
    interrupted = number;
}

/* The first signal ends the batch that is under way, the second the program. */
static void catch_signals(void)
{
    const struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- what the work tells */

static void refused(void *user, uint64_t line, const struct divan_error *why)
{
    struct import *im = user;
    struct divan_error err;
    err_set(&err, why->code, "line %" PRIu64 ": %s", line, why->message);
    if (im->shows) progress_yield(&im->progress);
    command_fail("import", &err);
}

static bool turn(void *user, uint64_t done)
{
    struct import *im = user;
    if (im->lines.size) im->progress.part = (double)im->lines.offset / (double)im->lines.size;
    if (im->shows) progress_update(&im->progress, done - im->begun.stored - im->begun.bad);
    return !interrupted;
}

/* ---- beginning */

static enum divan_code open_rejects(struct import *im)
{
    const char *path = im->args->rejects;
    uint64_t keep = im->begun.rejects_bytes; /* what came after the checkpoint comes again */
    if (!path) return DIVAN_OK;
    im->plan.rejects = fopen(path, keep ? "r+be" : "wbe");
    bool ok = im->plan.rejects && (!keep || (ftruncate(fileno(im->plan.rejects), (off_t)keep) == 0 &&
                                             fseek(im->plan.rejects, 0, SEEK_END) == 0));
    return ok ? DIVAN_OK : err_sys(im->err, DIVAN_ERR_FILE_WRITE, errno, "cannot write %s", path);
}

static enum divan_code find_place(struct import *im)
{
    bool found = false;
    const struct import_args *args = im->args;
    enum divan_code rc = DIVAN_OK;
    if (args->checkpoint) rc = checkpoint_read(args->checkpoint, im->lines.name, &im->begun, &found, im->err);
    if (!rc && found && args->skip.given)
        rc = err_set(im->err, DIVAN_ERR_USAGE, "--skip and a checkpoint that exists do not agree: leave one out");
    if (args->skip.given) im->begun.line = args->skip.value;
    if (!rc && im->begun.line) rc = lines_skip(&im->lines, im->begun.offset, im->begun.line, im->err);
    im->work.place = im->begun;
    return rc;
}

static enum divan_code prepare(struct import *im, const char *path)
{
    const struct import_args *args = im->args;
    enum divan_code rc = args->key ? keyform_check(args->key, im->err) : DIVAN_OK;
    if (!rc && !args->key && args->form.index == IMPORT_VALUES)
        rc = err_set(im->err, DIVAN_ERR_USAGE, "lines that are documents do not tell their keys: make them with --key");
    if (!rc) rc = lines_open(&im->lines, path, im->err);
    if (!rc) rc = find_place(im);
    if (!rc) rc = open_rejects(im);
    if (!rc) rc = connection_open(&args->connect, 0, &im->connection, im->err);
    im->plan.form = (enum importing_form)args->form.index;
    im->plan.key_form = args->key;
    im->plan.store = (enum divan_store)args->store.index;
    im->plan.timeout_ms = (uint32_t)args->timeout_ms.value;
    im->plan.expiry_s = (uint32_t)args->expiry_s.value;
    im->plan.durability = (enum divan_durability)args->durability.index;
    im->plan.window = (size_t)args->window.value;
    im->plan.user = im;
    im->plan.refused = refused;
    im->plan.turn = turn;
    im->work.plan = &im->plan;
    im->work.lines = &im->lines;
    im->work.cluster = im->connection.cluster;
    im->work.collection = im->connection.collection;
    return rc;
}

/* ---- the way */

static enum divan_code remember(struct import *im, bool now)
{
    uint64_t now_ns = clock_ns();
    bool due = now || now_ns - im->written_ns >= CHECKPOINT_NS;
    if (!im->args->checkpoint || !due) return DIVAN_OK;
    im->written_ns = now_ns;
    return checkpoint_write(im->args->checkpoint, im->lines.name, &im->work.place, im->err);
}

static enum divan_code load(struct import *im)
{
    struct term term = term_of(STDERR_FILENO);
    bool more = true;
    enum divan_code rc = DIVAN_OK;
    im->begun_ns = im->written_ns = clock_ns();
    if (im->shows) progress_begin(&im->progress, stderr, &term, "importing", 0);
    while (!rc && more) {
        uint64_t bad = im->work.place.bad;
        rc = importing_step(&im->work, &more, im->err);
        if (!rc && interrupted) more = false;
        if (!rc) rc = remember(im, !more || im->work.place.bad != bad);
    }
    uint64_t done = im->work.place.stored + im->work.place.bad - im->begun.stored - im->begun.bad;
    if (im->lines.size) im->progress.part = (double)im->work.place.offset / (double)im->lines.size;
    if (im->shows) progress_end(&im->progress, done);
    if (rc) { /* what was reached is worth as much as after an interruption */
        struct divan_error why = *im->err;
        remember(im, true);
        *im->err = why;
    }
    if (!rc && interrupted) rc = err_set(im->err, DIVAN_ERR_CANCELLED, "interrupted");
    if (!rc && im->args->checkpoint) checkpoint_remove(im->args->checkpoint);
    return rc;
}

/* ---- the end */

static void summary_json(const struct import *im, bool complete)
{
    const struct checkpoint *at = &im->work.place, *from = &im->begun;
    struct buf out = {.limit = 64 << 10};
    jw_open(&out, NULL, '{');
    jw_bool(&out, "complete", complete);
    jw_uint(&out, "stored", at->stored - from->stored);
    jw_uint(&out, "refused", at->bad - from->bad);
    jw_uint(&out, "expired", im->work.expired);
    jw_uint(&out, "first_line", from->line + 1);
    jw_uint(&out, "last_line", at->line);
    jw_key(&out, "seconds");
    buf_printf(&out, "%.3f", (double)(clock_ns() - im->begun_ns) / 1e9);
    jw_close(&out, '}');
    buf_u8(&out, '\n');
    if (!out.failed) fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
}

static void summary(const struct import *im)
{
    char count[32], rate[24], took[24];
    const struct checkpoint *at = &im->work.place, *from = &im->begun;
    uint64_t stored = at->stored - from->stored, bad = at->bad - from->bad, ns = clock_ns() - im->begun_ns;
    printf("imported %s documents in %s (%s)", format_count(count, sizeof count, stored),
           format_ns(took, sizeof took, ns), format_rate(rate, sizeof rate, (double)stored / ((double)ns / 1e9)));
    if (from->line) printf(", behind line %s", format_count(count, sizeof count, from->line));
    if (bad) printf("; %s lines were refused", format_count(count, sizeof count, bad));
    if (im->work.expired) printf("; %s had expired", format_count(count, sizeof count, im->work.expired));
    putchar('\n');
}

/* How to go on after the end of a run that is none of the input's. */
static void tell_place(const struct import *im)
{
    uint64_t line = im->work.place.line;
    const char *checkpoint = im->args->checkpoint;
    if (checkpoint)
        fprintf(stderr, "divan import: done up to line %" PRIu64 "; the same command goes on there\n", line);
    else fprintf(stderr, "divan import: done up to line %" PRIu64 "; --skip %" PRIu64 " goes on there\n", line, line);
}

static int run(const void *args_, const struct operands *operands)
{
    struct divan_error err;
    const struct import_args *args = args_;
    struct import im = {.args = args, .shows = !args->quiet, .lines = {.fd = -1}, .err = &err};
    catch_signals();
    enum divan_code rc = prepare(&im, operands->count ? operands->items[0] : "-");
    bool began = !rc;
    if (began) rc = load(&im);
    if (began && args->json) summary_json(&im, !rc);
    else if (began) summary(&im);
    if (rc) command_fail("import", &err);
    if (rc && began) tell_place(&im);
    int status = rc ? EXIT_TROUBLE : im.work.place.bad > im.begun.bad ? EXIT_REFUSED : EXIT_DONE;
    if (im.plan.rejects) fclose(im.plan.rejects);
    importing_fini(&im.work);
    lines_close(&im.lines);
    connection_close(&im.connection);
    return status;
}

const struct command command_import = {
    .name = "import",
    .summary = "store documents from lines of JSON",
    .operands = "[FILE]",
    .operands_max = 1,
    .text =
        "Reads a file or standard input. A line has the members \"key\" and \"value\" (or \"key_base64\", "
        "\"value_base64\"; \"format\":\"text\" for a string that is no JSON), and may have \"flags\" and \"expiry\" "
        "(seconds since 1970). Lines that cannot be stored are told with their number and counted, the others are "
        "stored; "
        "then it exits with 1.\n\n"
        "Trouble that is none of the document's, such as a lost cluster, ends the run, and so does Control-C: with "
        "--checkpoint the same command goes on where it stopped. The lines of the last batch may be stored twice then, "
        "which matters to --store insert alone: it refuses them.",
    .example = "divan import backup.jsonl --checkpoint backup.at\n"
               "divan import --lines values --key 'user::{id}' users.jsonl --rejects bad.jsonl\n"
               "divan export | divan import -b other",
    .groups = groups,
    .args_size = sizeof(struct import_args),
    .run = run,
};
