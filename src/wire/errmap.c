#include "wire/errmap.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"

enum { VERSION_MAX = 2, REVISION_V1 = 9, REVISION_V2 = 5 /* as measured */ };

static enum divan_code bad(struct divan_error *err, const char *what, const char *where)
{
    return err_set(err, DIVAN_ERR_ERROR_MAP, "the error map of the server: %s (at %s)", what, where);
}

/* A hexadecimal status without 0x. */
static bool read_code(const char *text, uint16_t *out)
{
    char *end;
    if (!*text || strlen(text) > 4 || strspn(text, "0123456789abcdefABCDEF") != strlen(text)) return false;
    *out = (uint16_t)strtoul(text, &end, 16);
    return true;
}

static uint32_t read_attrs(const json_t *attrs)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < json_array_size(attrs); i++) {
        const json_t *name = json_array_get(attrs, i);
        if (json_is_string(name)) bits |= status_attr_bit(json_string_value(name), json_string_length(name));
    }
    return bits;
}

static uint32_t read_ms(const json_t *retry, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(retry, name));
    return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static void read_retry(const json_t *retry, struct errmap_entry *out)
{
    const char *strategy = json_string_value(json_object_get(retry, "strategy"));
    if (!strategy) return;
    out->strategy = !strcmp(strategy, "constant")      ? ERRMAP_CONSTANT
                    : !strcmp(strategy, "linear")      ? ERRMAP_LINEAR
                    : !strcmp(strategy, "exponential") ? ERRMAP_EXPONENTIAL
                                                       : ERRMAP_NO_STRATEGY;
    out->interval_ms = read_ms(retry, "interval");
    out->after_ms = read_ms(retry, "after");
    out->ceil_ms = read_ms(retry, "ceil");
    out->max_duration_ms = read_ms(retry, "max-duration");
}

static enum divan_code read_entry(const char *code, const json_t *value, struct errmap_entry *out,
                                  struct divan_error *err)
{
    const char *name = json_string_value(json_object_get(value, "name"));
    const char *text = json_string_value(json_object_get(value, "desc"));
    if (!read_code(code, &out->code)) return bad(err, "a key is not a hexadecimal status of up to four digits", code);
    if (!json_is_object(value)) return bad(err, "the entry is not an object", code);
    if (!json_is_array(json_object_get(value, "attrs"))) return bad(err, "the entry has no list attrs", code);
    out->attrs = read_attrs(json_object_get(value, "attrs"));
    read_retry(json_object_get(value, "retry"), out);
    out->name = mem_strdup(name ? name : "");
    out->text = mem_strdup(text ? text : "");
    return out->name && out->text ? DIVAN_OK : err_oom(err);
}

static int by_code(const void *a, const void *b)
{
    return ((const struct errmap_entry *)a)->code - ((const struct errmap_entry *)b)->code;
}

static enum divan_code read_entries(json_t *errors, struct errmap *m, struct divan_error *err)
{
    const char *code;
    json_t *value;
    m->entries = mem_zalloc(json_object_size(errors) * sizeof *m->entries);
    if (!m->entries) return err_oom(err);
    json_object_foreach(errors, code, value)
    {
        enum divan_code rc = read_entry(code, value, &m->entries[m->count++], err);
        if (rc) return rc;
    }
    if (m->count) qsort(m->entries, m->count, sizeof *m->entries, by_code);
    return DIVAN_OK;
}

static enum divan_code read_map(json_t *root, struct errmap *m, struct divan_error *err)
{
    json_t *version = json_object_get(root, "version"), *revision = json_object_get(root, "revision");
    json_t *errors = json_object_get(root, "errors");
    if (!json_is_object(root)) return bad(err, "it is not an object", "byte 0");
    if (!json_is_integer(version) || json_integer_value(version) < 1 || json_integer_value(version) > UINT32_MAX)
        return bad(err, "a whole number above 0 is needed", "version");
    if (!json_is_integer(revision) || json_integer_value(revision) < 0 || json_integer_value(revision) > UINT32_MAX)
        return bad(err, "a whole number is needed", "revision");
    if (!json_is_object(errors)) return bad(err, "an object is needed", "errors");
    m->version = (uint32_t)json_integer_value(version);
    m->revision = (uint32_t)json_integer_value(revision);
    return read_entries(errors, m, err);
}

enum divan_code errmap_parse(struct divan_bytes json, struct errmap **out, struct divan_error *err)
{
    json_error_t where = {.text = "it is empty"};
    json_t *root = json.len ? json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, &where) : NULL;
    struct errmap *m = mem_zalloc(sizeof *m);
    enum divan_code rc;
    if (!m || (!root && json_error_code(&where) == json_error_out_of_memory && json.len)) rc = err_oom(err);
    else if (!root)
        rc = err_set(err, DIVAN_ERR_ERROR_MAP, "the error map of the server is not JSON: %s (at byte %d)", where.text,
                     where.position);
    else rc = read_map(root, m, err);
    if (!rc) {
        *out = m;
        m = NULL;
    }
    errmap_free(m);
    json_decref(root);
    return rc;
}

void errmap_free(struct errmap *m)
{
    for (size_t i = 0; m && i < m->count; i++) {
        mem_free(m->entries[i].name);
        mem_free(m->entries[i].text);
    }
    if (m) mem_free(m->entries);
    mem_free(m);
}

const struct errmap_entry *errmap_find(const struct errmap *m, uint16_t status)
{
    struct errmap_entry key = {.code = status};
    return m && m->count ? bsearch(&key, m->entries, m->count, sizeof key, by_code) : NULL;
}

/* ---- the node's own */

/* Version 1 knows no limits: these attributes are left out of it. */
static const uint32_t only_in_v2 = ATTR_RATE_LIMIT | ATTR_SYSTEM_CONSTRAINT | ATTR_NO_RETRY;

static void put_attrs(struct buf *out, const char *attrs, unsigned version)
{
    const char *comma = "";
    while (*attrs) {
        size_t len = strcspn(attrs, ",");
        if (version > 1 || !(status_attr_bit(attrs, len) & only_in_v2)) {
            buf_printf(out, "%s\"%.*s\"", comma, (int)len, attrs);
            comma = ",";
        }
        attrs += len + (attrs[len] == ',');
    }
}

void errmap_write(struct buf *out, unsigned version)
{
    const char *comma = "";
    if (version > VERSION_MAX) version = VERSION_MAX;
    buf_printf(out, "{\"version\":%u,\"revision\":%d,\"errors\":{", version, version > 1 ? REVISION_V2 : REVISION_V1);
    for (size_t i = 0; i < status_count; i++) {
        const struct status_facts *s = &status_table[i];
        if (!s->map_name) continue;
        buf_printf(out, "%s\"%x\":{\"name\":\"%s\",\"desc\":\"%s\",\"attrs\":[", comma, (unsigned)s->code, s->map_name,
                   s->text);
        put_attrs(out, s->attrs, version);
        buf_put_str(out, "]}");
        comma = ",";
    }
    buf_put_str(out, "}}");
}
