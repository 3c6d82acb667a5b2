#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/document.h"
#include "cli/spec.h"
#include "cli/table.h"
#include "manager/json_writer.h"

static const struct opt_row rows[] = {ROW_ACCESS_DELETED, ROW_TIMEOUT, ROW_JSON, {0}};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

struct lookup {
    const struct document_args *args;
    struct divan_bytes key;
    const char *const *texts; /* of the specs */
    struct divan_lookup *specs;
    size_t count;
    divan_result *result;
};

/* Whether the answer to this question is no: nothing there, or the path cannot be followed. */
static bool says_no(const struct lookup *l, size_t i, struct divan_spec_result *out)
{
    enum divan_code rc = divan_result_spec(l->result, i, out);
    return l->specs[i].op == DIVAN_LOOKUP_EXISTS ? rc == DIVAN_OK && !out->exists : false;
}

static void spec_json(const struct lookup *l, size_t i, struct buf *out)
{
    const struct divan_lookup *spec = &l->specs[i];
    struct divan_spec_result r;
    divan_result_spec(l->result, i, &r);
    jw_open(out, NULL, '{');
    jw_str(out, "op", spec_lookup_name(spec->op));
    jw_bytes(out, "path", spec->path);
    if (spec->xattr) jw_bool(out, "xattr", true);
    if (r.code) {
        jw_open(out, "error", '{');
        jw_uint(out, "code", (uint64_t)r.code);
        jw_str(out, "name", divan_code_name(r.code));
        jw_str(out, "message", divan_code_text(r.code));
        jw_uint(out, "server_status", r.status);
        jw_close(out, '}');
    } else if (spec->op == DIVAN_LOOKUP_EXISTS) {
        jw_bool(out, "exists", r.exists);
    } else {
        jw_key(out, "value");
        json_put_compact(out, r.value);
    }
    jw_close(out, '}');
}

static void put_json(const struct lookup *l, const struct divan_error *err, struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_bytes(out, "key", l->key);
    if (l->result) {
        jw_printf(out, "cas", "%" PRIu64, divan_result_cas(l->result));
        if (divan_result_deleted(l->result)) jw_bool(out, "deleted", true);
        jw_open(out, "paths", '[');
        for (size_t i = 0; i < l->count; i++) spec_json(l, i, out);
        jw_close(out, ']');
    } else {
        document_error_json(err, out);
    }
    jw_close(out, '}');
    buf_u8(out, '\n');
}

static void put_value(const struct lookup *l, size_t i, struct buf *out)
{
    struct divan_spec_result r;
    divan_result_spec(l->result, i, &r);
    if (l->specs[i].op == DIVAN_LOOKUP_EXISTS && !r.code) buf_put_str(out, r.exists ? "true" : "false");
    else if (!r.code && l->count == 1) buf_put_bytes(out, r.value);
    else if (!r.code) json_put_compact(out, r.value);
}

/* One path: its value. Several: a table for people, lines of path, tab and value for programs. */
static void put_plain(const struct lookup *l, struct buf *out)
{
    struct term term = term_of(STDOUT_FILENO);
    struct table t;
    table_init(&t, "path|value");
    for (size_t i = 0; i < l->count; i++) {
        struct buf value = {.limit = 64 << 20};
        put_value(l, i, &value);
        const char *text = buf_text(&value);
        if (!text) out->failed = true;
        else if (l->count > 1 && term.live) table_add_cells(&t, (const char *const[]){l->texts[i], text});
        else if (l->count > 1) buf_put_str(out, l->texts[i]), buf_u8(out, '\t');
        if (text && (l->count == 1 || !term.live) && (value.len || l->count > 1))
            buf_put_bytes(out, buf_view(&value)), buf_u8(out, '\n');
        buf_fini(&value);
    }
    if (l->count > 1 && term.live) table_draw(&t, &term, 0, out);
    table_fini(&t);
}

/* Each path that failed is a sentence of its own. */
static int tell(const struct lookup *l)
{
    int status = EXIT_DONE;
    struct divan_spec_result r;
    struct divan_error err;
    for (size_t i = 0; i < l->count; i++) {
        if (says_no(l, i, &r)) status = status == EXIT_DONE ? EXIT_REFUSED : status;
        if (!r.code) continue;
        int one = document_exit(r.code);
        err_set(&err, r.code, "lookup of \"%s\": %s", l->texts[i], divan_code_text(r.code));
        command_fail("lookup", &err);
        if (one > status) status = one;
    }
    return status;
}

static enum divan_code ask(struct lookup *l, struct connection *connection, struct divan_error *err)
{
    const struct divan_lookup_options options = {
        .timeout_ms = (uint32_t)l->args->timeout_ms.value,
        .access_deleted = l->args->access_deleted,
    };
    l->specs = mem_alloc(l->count * sizeof *l->specs);
    enum divan_code rc = l->specs ? DIVAN_OK : err_oom(err);
    for (size_t i = 0; !rc && i < l->count; i++) rc = spec_lookup_parse(l->texts[i], &l->specs[i], err);
    if (!rc) rc = connection_open(&l->args->connect, options.timeout_ms, connection, err);
    if (!rc) rc = divan_lookup_in(connection->collection, l->key, l->specs, l->count, &options, &l->result, err);
    return rc;
}

static int run(const void *args_, const struct operands *operands)
{
    struct connection connection = {0};
    struct divan_error err;
    struct buf out = {.limit = 256 << 20};
    struct lookup l = {
        .args = args_,
        .key = divan_str(operands->items[0]),
        .texts = operands->items + 1,
        .count = operands->count - 1,
    };
    enum divan_code rc = ask(&l, &connection, &err);
    if (l.args->json) put_json(&l, &err, &out);
    else if (!rc) put_plain(&l, &out);
    if (out.failed && !rc) rc = err_oom(&err);
    if (out.len && !out.failed) fwrite(out.data, 1, out.len, stdout);
    int status = rc ? document_exit(rc) : tell(&l);
    if (rc) command_fail("lookup", &err);
    buf_fini(&out);
    divan_result_release(l.result);
    mem_free(l.specs);
    connection_close(&connection);
    return status;
}

const struct command command_lookup = {
    .name = "lookup",
    .summary = "print parts of a document",
    .operands = "KEY [OP=]PATH...",
    .operands_min = 2,
    .operands_max = SIZE_MAX,
    .text =
        "OP is get (the value, as without OP), exists (true or false) or count (elements of an array, members of an "
        "object). A path is written as in a.b[0]; [-1] is the last element; nothing is the whole document. In front "
        "of a path, xattr: looks into the extended attributes instead. Names that hold = or begin with xattr: are "
        "written in backquotes.\n\n"
        "One path prints its value, several print lines of path and value (a table on a terminal). Up to 16 paths "
        "are read in one step. Exits with 1 when one of them is not there.",
    .example = "divan lookup user::1 name\ndivan lookup user::1 address.city count=tags exists=email\n"
               "divan lookup --json user::1 'xattr:$document.exptime' xattr:_audit.by",
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
