#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/document.h"
#include "cli/spec.h"
#include "manager/json_writer.h"

static const struct opt_row rows[] = {
    DOC(store, "store", 0, OPT_CHOICE, "HOW",
        "the document itself: replace takes one that exists, upsert makes it when there is none, insert makes it",
        .preset = "replace", .choices = store_names),
    DOC(create_paths, "create-paths", 0, OPT_FLAG, NULL, "make the objects on the way to a path"),
    ROW_EXPIRY,
    ROW_KEEP_EXPIRY,
    ROW_CAS,
    ROW_DURABILITY,
    ROW_ACCESS_DELETED,
    DOC(create_as_deleted, "create-as-deleted", 0, OPT_FLAG, NULL,
        "with --store insert or upsert: the new document begins as deleted and has extended attributes alone"),
    DOC(revive, "revive", 0, OPT_FLAG, NULL, "with --access-deleted: make a deleted document live again"),
    DOC(flags, "flags", 0, OPT_NUMBER, "N", "the 32 bits that say what the document is (default: as they are)",
        .max = UINT32_MAX),
    ROW_TIMEOUT,
    ROW_JSON,
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

struct mutate {
    const struct document_args *args;
    struct divan_bytes key;
    const char *const *texts; /* of the changes */
    struct spec_change *changes;
    struct divan_mutation *specs;
    size_t count;
    divan_result *result;
};

static void change_json(const struct mutate *m, size_t i, struct buf *out)
{
    struct divan_spec_result r;
    divan_result_spec(m->result, i, &r);
    jw_open(out, NULL, '{');
    jw_str(out, "op", spec_change_name(m->specs[i].op));
    jw_bytes(out, "path", m->specs[i].path);
    if (m->specs[i].xattr) jw_bool(out, "xattr", true);
    if (r.value.len) {
        jw_key(out, "value");
        json_put_compact(out, r.value);
    }
    jw_close(out, '}');
}

static void put_json(const struct mutate *m, const struct divan_error *err, struct buf *out)
{
    const divan_result *r = m->result;
    jw_open(out, NULL, '{');
    jw_bytes(out, "key", m->key);
    if (err) {
        document_error_json(err, out);
        if (r && divan_result_spec_failed(r) >= 0) {
            jw_open(out, "failed", '{');
            jw_uint(out, "index", (uint64_t)divan_result_spec_failed(r));
            jw_str(out, "spec", m->texts[divan_result_spec_failed(r)]);
            jw_close(out, '}');
        }
    } else {
        jw_printf(out, "cas", "%" PRIu64, divan_result_cas(r));
        document_token_json(divan_result_token(r), out);
        jw_open(out, "paths", '[');
        for (size_t i = 0; i < m->count; i++) change_json(m, i, out);
        jw_close(out, ']');
    }
    jw_close(out, '}');
    buf_u8(out, '\n');
}

/* What came back: the new numbers. */
static void put_plain(const struct mutate *m, struct buf *out)
{
    for (size_t i = 0; i < m->count; i++) {
        struct divan_bytes value = divan_result_spec_value(m->result, i);
        if (!value.len) continue;
        buf_put_bytes(out, value);
        buf_u8(out, '\n');
    }
}

static enum divan_code parse(struct mutate *m, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    m->changes = mem_zalloc(m->count * sizeof *m->changes);
    m->specs = mem_zalloc(m->count * sizeof *m->specs);
    if (!m->changes || !m->specs) return err_oom(err);
    for (size_t i = 0; !rc && i < m->count; i++) {
        struct spec_change *c = &m->changes[i];
        rc = spec_change_parse(m->texts[i], c, err);
        if (m->args->create_paths && c->creates) c->mutation.create_path = true;
        m->specs[i] = c->mutation;
    }
    return rc;
}

/* Started, not called: of a mutation that failed only a result tells which of its changes was refused. */
static enum divan_code change(struct mutate *m, const struct connection *connection, struct divan_error *err)
{
    const struct document_args *args = m->args;
    const struct divan_mutate_options options = {
        .timeout_ms = (uint32_t)args->timeout_ms.value,
        .store = (enum divan_store)args->store.index,
        .expiry_s = (uint32_t)args->expiry_s.value,
        .keep_expiry = args->keep_expiry,
        .cas = args->cas.value,
        .durability = (enum divan_durability)args->durability.index,
        .access_deleted = args->access_deleted,
        .create_as_deleted = args->create_as_deleted,
        .revive = args->revive,
        .has_flags = args->flags.given,
        .flags = (uint32_t)args->flags.value,
    };
    divan_queue *queue = divan_queue_new(connection->cluster);
    if (!queue) return err_oom(err);
    enum divan_code rc = divan_mutate_in_start(connection->collection, m->key, m->specs, m->count, &options,
                                               (struct divan_done){.queue = queue}, err);
    if (!rc) divan_queue_pop(queue, &m->result, 1, -1);
    divan_queue_free(queue);
    const struct divan_error *failed = m->result ? divan_result_error(m->result) : NULL;
    if (failed) *err = *failed, rc = failed->code;
    return rc;
}

static void mutate_fini(struct mutate *m)
{
    for (size_t i = 0; m->changes && i < m->count; i++) spec_change_fini(&m->changes[i]);
    mem_free(m->changes);
    mem_free(m->specs);
    divan_result_release(m->result);
}

static int run(const void *args_, const struct operands *operands)
{
    struct connection connection = {0};
    struct divan_error err;
    struct buf out = {.limit = 256 << 20};
    struct mutate m = {
        .args = args_,
        .key = divan_str(operands->items[0]),
        .texts = operands->items + 1,
        .count = operands->count - 1,
    };
    enum divan_code rc = parse(&m, &err);
    if (!rc) rc = connection_open(&m.args->connect, (uint32_t)m.args->timeout_ms.value, &connection, &err);
    if (!rc) rc = change(&m, &connection, &err);
    if (m.args->json) put_json(&m, rc ? &err : NULL, &out);
    else if (!rc) put_plain(&m, &out);
    if (out.failed && !rc) rc = err_oom(&err);
    if (out.len && !out.failed) fwrite(out.data, 1, out.len, stdout);
    if (rc) command_fail("mutate", &err);
    buf_fini(&out);
    mutate_fini(&m);
    connection_close(&connection);
    return document_exit(rc);
}

const struct command command_mutate = {
    .name = "mutate",
    .summary = "change parts of a document",
    .operands = "KEY OP=PATH[=VALUE]...",
    .operands_min = 2,
    .operands_max = SIZE_MAX,
    .text =
        "All of the changes are made in one step, or none; up to 16.\n\n"
        "OP is insert (a member that is not there yet), upsert, replace, remove, append or prepend (to an array; "
        "'1,2,3' are three elements), insert-at (before the element at list[2]), add (to an array that does not have "
        "it), incr or decr (by VALUE, else by 1; prints the new number), macro (an extended attribute that the server "
        "fills in: cas, seqno or crc32c), body-from (the document becomes the value of that extended attribute).\n\n"
        "VALUE is JSON; ==TEXT is a string, =@FILE the content of a file, =- standard input. Paths are written as for "
        "divan lookup; xattr: in front of one means the extended attributes; upsert== and remove= mean the whole "
        "document when nothing stands between.",
    .example = "divan mutate user::1 upsert=name==Ada incr=visits append=tags='\"new\"'\n"
               "divan mutate --store upsert --create-paths user::2 upsert=address.city==Wien\n"
               "divan mutate user::1 upsert=xattr:_audit.by==cron macro=_audit.cas=cas",
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
