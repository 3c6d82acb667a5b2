#include "cli/spec.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/near.h"
#include "cli/value.h"
#include "text/json.h"

enum takes {
    TAKES_NOTHING,
    TAKES_VALUE,
    TAKES_VALUES, /* "1,2,3" are three */
    TAKES_NUMBER, /* 1 when there is none */
    TAKES_MACRO,
};

struct op {
    const char *name;
    int op;
    enum takes takes;
    bool creates; /* may make the objects on the way to its path */
    bool negative;
};

static const struct op lookups[] = {
    {"get", DIVAN_LOOKUP_GET, TAKES_NOTHING, false, false},
    {"exists", DIVAN_LOOKUP_EXISTS, TAKES_NOTHING, false, false},
    {"count", DIVAN_LOOKUP_COUNT, TAKES_NOTHING, false, false},
    {0},
};

static const struct op changes[] = {
    {"insert", DIVAN_MUTATE_INSERT, TAKES_VALUE, true, false},
    {"upsert", DIVAN_MUTATE_UPSERT, TAKES_VALUE, true, false},
    {"replace", DIVAN_MUTATE_REPLACE, TAKES_VALUE, false, false},
    {"remove", DIVAN_MUTATE_REMOVE, TAKES_NOTHING, false, false},
    {"append", DIVAN_MUTATE_ARRAY_APPEND, TAKES_VALUES, true, false},
    {"prepend", DIVAN_MUTATE_ARRAY_PREPEND, TAKES_VALUES, true, false},
    {"insert-at", DIVAN_MUTATE_ARRAY_INSERT, TAKES_VALUES, false, false},
    {"add", DIVAN_MUTATE_ARRAY_ADD_UNIQUE, TAKES_VALUE, true, false},
    {"incr", DIVAN_MUTATE_INCREMENT, TAKES_NUMBER, true, false},
    {"decr", DIVAN_MUTATE_INCREMENT, TAKES_NUMBER, true, true},
    {"macro", DIVAN_MUTATE_UPSERT, TAKES_MACRO, true, false},
    {"body-from", DIVAN_MUTATE_BODY_FROM_XATTR, TAKES_NOTHING, false, false},
    {0},
};

static const char *op_name(const struct op *ops, int op)
{
    while (ops->name && ops->op != op) ops++;
    return ops->name ? ops->name : "";
}

const char *spec_lookup_name(enum divan_lookup_op op)
{
    return op_name(lookups, (int)op);
}

const char *spec_change_name(enum divan_mutate_op op)
{
    return op_name(changes, (int)op);
}

/* Length of text up to the first = that is not within backquotes. */
static size_t until_equals(const char *text)
{
    bool quoted = false;
    size_t len = 0;
    for (; text[len] && (quoted || text[len] != '='); len++)
        if (text[len] == '`') quoted = !quoted;
    return len;
}

static enum divan_code unknown_op(const struct op *ops, const char *text, size_t len, struct divan_error *err)
{
    char wanted[64];
    struct near near = {.wanted = wanted};
    if (len >= sizeof wanted) len = sizeof wanted - 1;
    memcpy(wanted, text, len);
    wanted[len] = 0;
    for (const struct op *o = ops; o->name; o++) near_offer(&near, o->name);
    const char *best = near_answer(&near);
    if (best)
        return err_set(err, DIVAN_ERR_USAGE, "unknown operation \"%s\" in \"%s\": did you mean \"%s\"?", wanted, text,
                       best);
    return err_set(err, DIVAN_ERR_USAGE, "unknown operation \"%s\" in \"%s\": --help lists them", wanted, text);
}

static enum divan_code find_op(const struct op *ops, const char *text, size_t len, const struct op **out,
                               struct divan_error *err)
{
    for (const struct op *o = ops; o->name; o++)
        if (strlen(o->name) == len && memcmp(o->name, text, len) == 0) return *out = o, DIVAN_OK;
    return unknown_op(ops, text, len, err);
}

/* The path of len bytes, without the mark of extended attributes. */
static struct divan_bytes path_of(const char *text, size_t len, bool *xattr)
{
    static const char mark[] = "xattr:";
    enum { MARK = sizeof mark - 1 };
    *xattr = len >= MARK && memcmp(text, mark, MARK) == 0;
    return *xattr ? bytes_of(text + MARK, len - MARK) : bytes_of(text, len);
}

enum divan_code spec_lookup_parse(const char *text, struct divan_lookup *out, struct divan_error *err)
{
    const struct op *op = &lookups[0];
    const char *path = text;
    size_t len = until_equals(text);
    if (text[len]) {
        enum divan_code rc = find_op(lookups, text, len, &op, err);
        if (rc) return rc;
        path = text + len + 1;
    }
    *out = (struct divan_lookup){.op = (enum divan_lookup_op)op->op};
    out->path = path_of(path, strlen(path), &out->xattr);
    return DIVAN_OK;
}

/* ---- changes */

static enum divan_code check_json(const struct op *op, const char *text, struct buf *value, struct divan_error *err)
{
    struct buf list = {.limit = (64 << 20) + 2};
    struct divan_bytes json = buf_view(value);
    size_t at, before = 0;
    if (op->takes == TAKES_VALUES) {
        buf_u8(&list, '[');
        buf_put_bytes(&list, json);
        buf_u8(&list, ']');
        json = buf_view(&list);
        before = 1;
    }
    enum divan_code rc = list.failed ? err_oom(err) : DIVAN_OK;
    if (!rc && json_check(json, JSON_UTF8, 0, &at) != JSON_VALID)
        rc = err_set(err, DIVAN_ERR_VALUE_NOT_JSON,
                     "the value in \"%s\" is not JSON (byte %zu): write == in front of it when it is meant as text",
                     text, at < before ? 0 : at - before);
    buf_fini(&list);
    return rc;
}

static enum divan_code load_value(const struct op *op, const char *text, const char *value, struct spec_change *out,
                                  struct divan_error *err)
{
    if (value[0] == '=') {
        out->value = (struct buf){.limit = 64 << 20};
        json_put_str(&out->value, value + 1);
        return out->value.failed ? err_oom(err) : DIVAN_OK;
    }
    enum divan_code rc = value_load(value, &out->value, err);
    return rc ? rc : check_json(op, text, &out->value, err);
}

static enum divan_code load_delta(const struct op *op, const char *text, const char *value, int64_t *out,
                                  struct divan_error *err)
{
    char *end = NULL;
    errno = 0;
    long long n = value ? strtoll(value, &end, 10) : 1;
    bool whole = !value || (*value && !*end && !errno && *value != ' ' && n != INT64_MIN);
    if (!whole || !n)
        return err_set(err, DIVAN_ERR_USAGE, "\"%s\" takes a whole number other than 0 after the path", text);
    *out = op->negative ? -n : n;
    return DIVAN_OK;
}

static enum divan_code load_macro(const char *text, const char *value, struct divan_mutation *out,
                                  struct divan_error *err)
{
    static const char *const macros[][2] = {
        {"cas", DIVAN_MACRO_CAS}, {"seqno", DIVAN_MACRO_SEQNO}, {"crc32c", DIVAN_MACRO_CRC32C}};
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++) {
        if (strcmp(macros[i][0], value) != 0) continue;
        out->value = divan_str(macros[i][1]);
        out->xattr = out->expand_macros = out->create_path = true;
        return DIVAN_OK;
    }
    return err_set(err, DIVAN_ERR_USAGE, "\"%s\": the macros are cas, seqno and crc32c", text);
}

enum divan_code spec_change_parse(const char *text, struct spec_change *out, struct divan_error *err)
{
    size_t len = until_equals(text);
    const struct op *op = &changes[0];
    *out = (struct spec_change){0};
    enum divan_code rc = find_op(changes, text, len, &op, err);
    if (rc) return rc;
    if (!text[len]) return err_set(err, DIVAN_ERR_USAGE, "\"%s\" has no path: write %s=PATH", text, op->name);
    const char *path = text + len + 1;
    size_t path_len = until_equals(path);
    const char *value = path[path_len] ? path + path_len + 1 : NULL;
    struct divan_mutation *m = &out->mutation;
    m->op = (enum divan_mutate_op)op->op;
    m->path = path_of(path, path_len, &m->xattr);
    out->creates = op->creates && m->path.len;
    if (m->op == DIVAN_MUTATE_BODY_FROM_XATTR) m->xattr = true;
    if (op->takes == TAKES_NUMBER) return load_delta(op, text, value, &m->delta, err);
    if (op->takes == TAKES_NOTHING && value)
        return err_set(err, DIVAN_ERR_USAGE, "\"%s\": %s takes a path and no value", text, op->name);
    if (op->takes == TAKES_NOTHING) return DIVAN_OK;
    if (!value) return err_set(err, DIVAN_ERR_USAGE, "\"%s\" has no value: write %s=PATH=VALUE", text, op->name);
    if (op->takes == TAKES_MACRO) return load_macro(text, value, m, err);
    rc = load_value(op, text, value, out, err);
    m->value = out->value.data ? buf_view(&out->value) : bytes_of("", 0);
    return rc;
}

void spec_change_fini(struct spec_change *c)
{
    buf_fini(&c->value);
    *c = (struct spec_change){0};
}
