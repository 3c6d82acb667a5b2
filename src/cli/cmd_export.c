#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/clock.h"
#include "cli/command.h"
#include "cli/format.h"
#include "cli/line.h"
#include "cli/progress.h"
#include "cli/scanning.h"
#include "cli/value.h"
#include "manager/json_writer.h"

enum { FLUSH_BYTES = 256 << 10 };
enum form { EXPORT_DOCUMENTS, EXPORT_VALUES };
static const char *const forms[] = {"documents", "values", NULL};

struct export_args {
    struct connect_args connect;
    struct scanning_args scanning;
    struct opt_choice form;
    bool json, quiet;
};

static const struct opt_row rows[] = {
    OPT(struct export_args, form, "lines", 0, OPT_CHOICE, "WHAT",
        "what a line is: an object with key, value, flags and expiry, which divan import reads, or the document itself",
        .preset = "documents", .choices = forms),
    OPT(struct export_args, quiet, "quiet", 'q', OPT_FLAG, NULL, "no progress and no summary"),
    OPT(struct export_args, json, "json", 0, OPT_FLAG, NULL, "print the summary as one JSON object"),
    {0},
};
static const struct opt_group groups[] = {
    {"Documents", scanning_rows, offsetof(struct export_args, scanning)},
    {"Options", rows, 0},
    {"Connection", connect_rows, offsetof(struct export_args, connect)},
    {0},
};

struct export
{
    const struct export_args *args;
    const char *path;   /* NULL = standard output */
    char partial[4096]; /* written under this name until it is complete */
    FILE *file;
    struct buf out;
    struct progress progress;
    uint64_t begun_ns, count, bytes, left_out;
    bool shows, failed;
};

static volatile sig_atomic_t interrupted;
static void on_interrupt(int number)
{
    interrupted = number;
}

static bool flush(struct export *x)
{
    if (x->out.failed || fwrite(x->out.data, 1, x->out.len, x->file) != x->out.len) x->failed = true;
    x->bytes += x->out.len;
    buf_clear(&x->out);
    if (x->shows) progress_update(&x->progress, x->count);
    return !x->failed && !interrupted;
}

static void put_value(struct export *x, const struct divan_scan_item *item)
{
    if (value_kind_of(item->value, item->flags) != VALUE_JSON) {
        x->left_out++;
        return;
    }
    json_put_compact(&x->out, item->value);
    buf_u8(&x->out, '\n');
    x->count++;
}

static bool put(void *user, const struct divan_scan_item *item)
{
    struct export *x = user;
    if (x->args->form.index == EXPORT_VALUES) put_value(x, item);
    else line_put(&x->out, item, false, false), x->count++;
    return x->out.len < FLUSH_BYTES || flush(x);
}

static enum divan_code open_file(struct export *x, struct divan_error *err)
{
    x->file = stdout;
    if (!x->path) return DIVAN_OK;
    if ((size_t)snprintf(x->partial, sizeof x->partial, "%s.partial", x->path) >= sizeof x->partial)
        return err_set(err, DIVAN_ERR_FILE_WRITE, "the name of the file is too long");
    x->file = fopen(x->partial, "wbe");
    return x->file ? DIVAN_OK : err_sys(err, DIVAN_ERR_FILE_WRITE, errno, "cannot write %s", x->partial);
}

/* A file under its name is complete: nobody takes half an export for a whole one. */
static enum divan_code close_file(struct export *x, bool complete, struct divan_error *err)
{
    int errno_value = errno;
    if (!x->file || x->file == stdout)
        return x->failed ? err_sys(err, DIVAN_ERR_FILE_WRITE, errno_value, "cannot write") : DIVAN_OK;
    bool ok = fclose(x->file) == 0 && !x->failed;
    if (ok && complete) ok = rename(x->partial, x->path) == 0;
    if (!ok || !complete) errno_value = errno, unlink(x->partial);
    return ok ? DIVAN_OK : err_sys(err, DIVAN_ERR_FILE_WRITE, errno_value, "cannot write %s", x->path);
}

/* Beside documents on standard output the summary goes to standard error. */
static void summary(const struct export *x)
{
    char count[32], bytes[24], took[24], rate[24];
    FILE *to = x->path ? stdout : stderr;
    uint64_t ns = clock_ns() - x->begun_ns;
    if (x->args->json) {
        fprintf(to, "{\"documents\":%llu,\"bytes\":%llu,\"left_out\":%llu,\"seconds\":%.3f}\n",
                (unsigned long long)x->count, (unsigned long long)x->bytes, (unsigned long long)x->left_out,
                (double)ns / 1e9);
        return;
    }
    fprintf(to, "exported %s documents, %s, in %s (%s)", format_count(count, sizeof count, x->count),
            format_bytes(bytes, sizeof bytes, x->bytes), format_ns(took, sizeof took, ns),
            format_rate(rate, sizeof rate, (double)x->count / ((double)ns / 1e9)));
    if (x->left_out) fprintf(to, "; %s are not JSON and were left out", format_count(count, sizeof count, x->left_out));
    fputc('\n', to);
}

static enum divan_code export(struct export *x, divan_collection *collection, struct divan_error *err) {
    struct term term = term_of(STDERR_FILENO); struct divan_error close_err; enum divan_code rc = open_file(x, err);
    if (rc) return rc;
    x->begun_ns = clock_ns();
    if (x->shows) progress_begin(&x->progress, stderr, &term, "exporting", 0);
    rc = scanning_run(collection, &x->args->scanning, put, x, err);
    if (x->out.len) flush(x);
    if (x->shows && term.live) progress_end(&x->progress, x->count);
    if (!rc && interrupted) rc = err_set(err, DIVAN_ERR_CANCELLED, "interrupted");
    enum divan_code closed = close_file(x, !rc, &close_err);
    if (!rc && closed) *err = close_err, rc = closed;
    return rc;
}

static int run(const void *args_, const struct operands *operands)
{
    const struct export_args *args = args_;
    bool to_file = operands->count && strcmp(operands->items[0], "-") != 0;
    struct export x = {.args = args, .path = to_file ? operands->items[0] : NULL, .out = {.limit = 128 << 20}};
    /* lines and a bar on one terminal would spoil each other */
    x.shows = !args->quiet && (to_file || !isatty(STDOUT_FILENO));
    struct connection connection = {0};
    struct divan_error err;
    const struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    enum divan_code rc = connection_open(&args->connect, (uint32_t)args->scanning.timeout_ms.value, &connection, &err);
    if (!rc) rc = export(&x, connection.collection, &err);
    if (!rc && !args->quiet) summary(&x);
    if (rc) command_fail("export", &err);
    buf_fini(&x.out);
    connection_close(&connection);
    return rc ? EXIT_TROUBLE : x.left_out ? EXIT_REFUSED : EXIT_DONE;
}

const struct command command_export = {
    .name = "export",
    .summary = "write the documents of a collection as lines of JSON",
    .operands = "[FILE]",
    .operands_max = 1,
    .text = "To a file, which has its name when it is complete, or to standard output. JSON documents with line breaks "
            "lose the blanks between their tokens, the others stay byte for byte; extended attributes are not written. "
            "With --lines values documents that are not JSON are left out and counted, then it exits with 1.",
    .example = "divan export backup.jsonl\ndivan export --scope shop --collection users | gzip > users.jsonl.gz",
    .groups = groups,
    .args_size = sizeof(struct export_args),
    .run = run,
};
