#include <stdio.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/line.h"
#include "cli/scanning.h"

enum { FLUSH_BYTES = 256 << 10 };

struct scan_args {
    struct connect_args connect;
    struct scanning_args scanning;
    bool json;
};

static const struct opt_row rows[] = {
    OPT(struct scan_args, scanning.ids_only, "ids-only", 0, OPT_FLAG, NULL, "keys without documents"),
    OPT(struct scan_args, json, "json", 0, OPT_FLAG, NULL, "with --ids-only: JSON objects all the same"),
    {0},
};
static const struct opt_group groups[] = {
    {"Documents", scanning_rows, offsetof(struct scan_args, scanning)},
    {"Options", rows, 0},
    {"Connection", connect_rows, offsetof(struct scan_args, connect)},
    {0},
};

struct scan {
    bool ids_only, bare; /* bare: keys without JSON */
    struct buf out;
};

static bool flush(struct scan *s)
{
    bool ok = !s->out.failed && fwrite(s->out.data, 1, s->out.len, stdout) == s->out.len;
    buf_clear(&s->out);
    return ok;
}

static bool show(void *user, const struct divan_scan_item *item)
{
    struct scan *s = user;
    if (s->bare) buf_put_bytes(&s->out, item->key), buf_u8(&s->out, '\n');
    else line_put(&s->out, item, s->ids_only, true);
    return s->out.len < FLUSH_BYTES || flush(s);
}

static int run(const void *args_, const struct operands *operands)
{
    const struct scan_args *args = args_;
    struct scan s = {
        .ids_only = args->scanning.ids_only,
        .bare = args->scanning.ids_only && !args->json,
        .out = {.limit = 128 << 20},
    };
    struct connection connection = {0};
    struct divan_error err;
    enum divan_code rc = connection_open(&args->connect, (uint32_t)args->scanning.timeout_ms.value, &connection, &err);
    if (!rc) rc = scanning_run(connection.collection, &args->scanning, show, &s, &err);
    if (s.out.len) flush(&s);
    buf_fini(&s.out);
    if (rc) command_fail("scan", &err);
    connection_close(&connection);
    return rc ? EXIT_TROUBLE : EXIT_DONE;
}

const struct command command_scan = {
    .name = "scan",
    .summary = "print the documents of a collection",
    .text = "One JSON object per line as the documents come, or with --ids-only one key per line. All documents, those "
            "in a "
            "range of keys or with a prefix, or a random sample. A scan is no snapshot: what is written meanwhile may "
            "appear or not, and the order is that of the keys within a vBucket only.",
    .example = "divan scan --prefix user:: --limit 10\ndivan scan --ids-only | wc -l\ndivan scan --sample 100 | jq "
               ".value.name",
    .groups = groups,
    .args_size = sizeof(struct scan_args),
    .run = run,
};
