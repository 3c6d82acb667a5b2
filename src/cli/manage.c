#include "cli/manage.h"

#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/document.h"
#include "cli/near.h"
#include "manager/json_writer.h"

#define ROW(...) OPT(struct manage_args, __VA_ARGS__)
const struct opt_row manage_rows[] = {
    ROW(timeout_ms, "timeout", 0, OPT_MS, "MS", "give up after so long (default 75s, connecting 10s)",
        .env = "DIVAN_TIMEOUT", .min = 1, .max = 3600000),
    ROW(json, "json", 0, OPT_FLAG, NULL, "print JSON: of a list the server's own, else one object"),
    {0},
};

const char *manage_text(struct json_value object, const char *name, char *out, size_t cap)
{
    struct json_value v = json_member(object, name);
    struct buf plain = {.limit = 1 << 20};
    if (v.type == JSON_STRING) json_unescape(v.text, &plain);
    else if (v.type) buf_put_bytes(&plain, v.text);
    const char *text = buf_text(&plain);
    text_copy(out, cap, text ? text : "");
    buf_fini(&plain);
    return out;
}

uint64_t manage_number(struct json_value object, const char *name)
{
    uint64_t n = 0;
    json_to_u64(json_member(object, name), &n);
    return n;
}

void manage_put_role(struct json_value role, struct buf *out)
{
    static const char *const places[] = {"bucket_name", "scope_name", "collection_name"};
    char text[256];
    buf_printf(out, "%s%s", out->len ? ", " : "", manage_text(role, "role", text, sizeof text));
    bool open = false;
    for (size_t i = 0; i < 3; i++) {
        manage_text(role, places[i], text, sizeof text);
        if (!*text || (i && strcmp(text, "*") == 0)) break; /* everything below is the rule */
        buf_printf(out, "%c%s", open ? ':' : '[', text);
        open = true;
    }
    if (open) buf_u8(out, ']');
}

static int exit_of(enum divan_code code)
{
    switch (code) {
    case DIVAN_ERR_BUCKET_NOT_FOUND:
    case DIVAN_ERR_BUCKET_EXISTS:
    case DIVAN_ERR_BUCKET_NOT_FLUSHABLE:
    case DIVAN_ERR_SCOPE_NOT_FOUND:
    case DIVAN_ERR_SCOPE_EXISTS:
    case DIVAN_ERR_COLLECTION_NOT_FOUND:
    case DIVAN_ERR_COLLECTION_EXISTS:
    case DIVAN_ERR_USER_NOT_FOUND:
    case DIVAN_ERR_USER_EXISTS:
    case DIVAN_ERR_GROUP_NOT_FOUND:
        return EXIT_REFUSED;
    default:
        return document_exit(code);
    }
}

/* ---- which action */

static enum divan_code unknown_action(const char *command, const struct manage_action *actions, const char *given,
                                      struct divan_error *err)
{
    struct near near = {.wanted = given};
    struct buf names = {.limit = 256};
    for (const struct manage_action *a = actions; a->name; a++) {
        near_offer(&near, a->name);
        buf_printf(&names, "%s%s", a == actions ? "" : ", ", a->name);
    }
    const char *best = near_answer(&near), *all = buf_text(&names);
    if (best) err_set(err, DIVAN_ERR_USAGE, "\"%s\" is no action: did you mean \"%s\"?", given, best);
    else err_set(err, DIVAN_ERR_USAGE, "\"%s\" is no action: divan %s takes %s", given, command, all ? all : "");
    buf_fini(&names);
    return DIVAN_ERR_USAGE;
}

static enum divan_code choose(const char *command, const struct manage_action *actions, const struct operands *operands,
                              const struct manage_action **out, struct divan_error *err)
{
    const struct manage_action *a = actions;
    const char *given = operands->items[0];
    while (a->name && strcmp(a->name, given) != 0) a++;
    if (!a->name) return unknown_action(command, actions, given, err);
    if (a->takes_names && operands->count == 1)
        return err_set(err, DIVAN_ERR_USAGE, "a name is missing: divan %s %s NAME", command, a->name);
    if (!a->takes_names && operands->count > 1)
        return err_set(err, DIVAN_ERR_USAGE, "\"%s\" is one too many: divan %s %s takes no name", operands->items[1],
                       command, a->name);
    *out = a;
    return DIVAN_OK;
}

/* ---- output */

static void show_read(const struct manage *m, const struct manage_action *a)
{
    struct divan_bytes text = divan_result_value(m->result);
    struct term term = term_of(STDOUT_FILENO);
    struct buf out = {.limit = 256 << 20};
    if (!term.live) term.columns = 10000;
    if (m->args->json) {
        json_put_compact(&out, text);
        buf_u8(&out, '\n');
    } else {
        struct table t;
        table_init(&t, a->header);
        a->rows(m, json_value_of(text), &t);
        table_draw(&t, &term, 0, &out);
        table_fini(&t);
    }
    if (!out.failed) fwrite(out.data, 1, out.len, stdout);
    else fputs("divan: not enough memory to print the outcome\n", stderr);
    buf_fini(&out);
}

static void show_act(const char *command, const struct manage_action *a, const char *name,
                     const struct divan_error *err)
{
    struct buf out = {.limit = 64 << 10};
    jw_open(&out, NULL, '{');
    jw_str(&out, "action", a->name);
    if (name) jw_str(&out, command, name);
    if (err) document_error_json(err, &out);
    jw_close(&out, '}');
    buf_u8(&out, '\n');
    if (!out.failed) fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
}

/* Of several names one was refused: which. */
static void name_it(const struct manage_action *a, const char *name, struct divan_error *err)
{
    char message[sizeof err->message];
    text_copy(message, sizeof message, err->message);
    snprintf(err->message, sizeof err->message, "%s \"%.100s\": %.200s", a->name, name, message);
}

static enum divan_code act(struct manage *m, const char *command, const struct manage_action *a, const char *name)
{
    enum divan_code rc = a->act(m, name);
    if (!rc && a->rows && !json_is_valid(divan_result_value(m->result)))
        rc = err_set(m->err, DIVAN_ERR_JSON_SYNTAX, "the answer of the server is not JSON");
    if (!rc && a->rows) show_read(m, a);
    else if (m->args->json) show_act(command, a, name, rc ? m->err : NULL);
    if (rc && name) name_it(a, name, m->err);
    divan_result_release(m->result);
    m->result = NULL;
    return rc;
}

int manage_run(const char *command, const struct manage_action *actions, const struct manage_args *args,
               const struct operands *operands)
{
    struct divan_error err;
    struct connection connection = {0};
    const struct manage_action *a = &actions[0];
    uint32_t timeout_ms = (uint32_t)args->timeout_ms.value;
    const struct divan_management_options options = {.timeout_ms = timeout_ms};
    enum divan_code rc = choose(command, actions, operands, &a, &err);
    if (!rc) rc = connection_open_cluster(&args->connect, timeout_ms, &connection, &err);
    struct manage m = {.args = args,
                       .cluster = connection.cluster,
                       .bucket = connection.target.bucket,
                       .options = &options,
                       .err = &err};
    if (!rc && !a->takes_names) rc = act(&m, command, a, NULL);
    for (size_t i = 1; !rc && a->takes_names && i < operands->count; i++) rc = act(&m, command, a, operands->items[i]);
    if (rc) command_fail(command, &err);
    connection_close(&connection);
    return exit_of(rc);
}
