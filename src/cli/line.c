#include "cli/line.h"

#include <inttypes.h>

#include "base/error.h"
#include "cli/value.h"
#include "manager/json_writer.h"
#include "text/http.h"
#include "text/json.h"

/* ---- writing */

static void put_base64(struct buf *out, const char *key, struct divan_bytes data)
{
    jw_key(out, key);
    buf_u8(out, '"');
    base64_encode(data, out);
    buf_u8(out, '"');
}

static void put_key(struct buf *out, struct divan_bytes key)
{
    if (utf8_valid(key)) jw_bytes(out, "key", key);
    else put_base64(out, "key_base64", key);
}

static void put_json_value(struct buf *out, struct divan_bytes value)
{
    bool breaks = value.len && (memchr(value.data, '\n', value.len) || memchr(value.data, '\r', value.len));
    jw_key(out, "value");
    if (breaks) json_put_compact(out, value);
    else buf_put_bytes(out, value);
}

static void put_value(struct buf *out, struct divan_bytes value, uint32_t flags)
{
    switch (value_kind_of(value, flags)) {
    case VALUE_JSON:
        jw_str(out, "format", "json");
        put_json_value(out, value);
        break;
    case VALUE_TEXT:
        jw_str(out, "format", "text");
        jw_bytes(out, "value", value);
        break;
    case VALUE_BINARY:
        jw_str(out, "format", "base64");
        put_base64(out, "value_base64", value);
    }
}

void line_put(struct buf *out, const struct divan_scan_item *item, bool ids_only, bool with_cas)
{
    jw_open(out, NULL, '{');
    put_key(out, item->key);
    if (!ids_only) {
        if (with_cas) jw_printf(out, "cas", "%" PRIu64, item->cas);
        if (item->expiry) jw_uint(out, "expiry", item->expiry);
        jw_uint(out, "flags", item->flags);
        put_value(out, item->value, item->flags);
    }
    jw_close(out, '}');
    buf_u8(out, '\n');
}

/* ---- reading */

enum member { KEY, KEY_BASE64, VALUE, VALUE_BASE64, FORMAT, FLAGS, EXPIRY, MEMBERS };
static const char *const member_names[MEMBERS] = {"key",    "key_base64", "value", "value_base64",
                                                  "format", "flags",      "expiry"};

static enum divan_code check(struct divan_bytes text, struct divan_error *err)
{
    size_t at;
    enum json_verdict verdict = json_check(text, JSON_UTF8, 0, &at);
    if (verdict == JSON_TOO_DEEP) return err_set(err, DIVAN_ERR_JSON_DEPTH, "it is nested too deeply");
    if (verdict == JSON_INVALID) return err_set(err, DIVAN_ERR_JSON_SYNTAX, "it is not JSON from byte %zu on", at);
    return DIVAN_OK;
}

static void collect(struct json_value object, struct json_value *members)
{
    struct json_walk walk = json_walk_begin(object);
    struct json_value value;
    struct divan_bytes key;
    while (json_next_member(&walk, &key, &value))
        for (int m = 0; m < MEMBERS; m++)
            if (json_string_is(key, divan_str(member_names[m]))) members[m] = value;
}

/* Appends a string, decoded; the range is where it stands in texts. */
static enum divan_code put_string(const struct json_value *v, const char *name, bool base64, struct buf *texts,
                                  size_t *at, size_t *len, struct divan_error *err)
{
    struct buf plain = {.limit = 128 << 20};
    bool ok = v->type == JSON_STRING;
    *at = texts->len;
    if (ok && base64) ok = json_unescape(v->text, &plain) && base64_decode(buf_view(&plain), texts);
    else if (ok) ok = json_unescape(v->text, texts);
    *len = texts->len - *at;
    bool oom = plain.failed || texts->failed;
    buf_fini(&plain);
    if (oom) return err_oom(err);
    if (!ok) return err_set(err, DIVAN_ERR_USAGE, "\"%s\" is not a string%s", name, base64 ? " of base64" : "");
    return DIVAN_OK;
}

static enum divan_code read_key(const struct json_value *m, struct buf *texts, struct line *out,
                                struct divan_error *err)
{
    enum member which = m[KEY_BASE64].type ? KEY_BASE64 : KEY;
    if (!m[which].type) return DIVAN_OK;
    return put_string(&m[which], member_names[which], which == KEY_BASE64, texts, &out->key_at, &out->key_len, err);
}

static enum divan_code read_value(const struct json_value *m, struct buf *texts, struct line *out,
                                  struct divan_error *err)
{
    bool is_text = m[FORMAT].type == JSON_STRING && json_string_is(m[FORMAT].text, divan_str("text"));
    if (m[VALUE_BASE64].type) {
        out->flags = VALUE_FLAGS_RAW;
        return put_string(&m[VALUE_BASE64], "value_base64", true, texts, &out->value_at, &out->value_len, err);
    }
    if (!m[VALUE].type) return err_set(err, DIVAN_ERR_USAGE, "it has no member \"value\"");
    if (is_text) {
        out->flags = VALUE_FLAGS_UTF8;
        return put_string(&m[VALUE], "value", false, texts, &out->value_at, &out->value_len, err);
    }
    out->flags = VALUE_FLAGS_JSON;
    out->value_at = texts->len;
    out->value_len = m[VALUE].text.len;
    buf_put_bytes(texts, m[VALUE].text);
    return texts->failed ? err_oom(err) : DIVAN_OK;
}

static enum divan_code read_number(const struct json_value *m, enum member which, uint64_t max, uint64_t *out,
                                   struct divan_error *err)
{
    if (!m[which].type) return DIVAN_OK;
    if (!json_to_u64(m[which], out) || *out > max)
        return err_set(err, DIVAN_ERR_USAGE, "\"%s\" is not a whole number up to %" PRIu64, member_names[which], max);
    return DIVAN_OK;
}

enum divan_code line_read(struct divan_bytes text, struct buf *texts, struct line *out, struct divan_error *err)
{
    struct json_value m[MEMBERS] = {{0}};
    *out = (struct line){0};
    enum divan_code rc = check(text, err);
    if (rc) return rc;
    struct json_value object = json_value_of(text);
    if (object.type != JSON_OBJECT) return err_set(err, DIVAN_ERR_USAGE, "it is not a JSON object");
    collect(object, m);
    rc = read_key(m, texts, out, err);
    if (!rc) rc = read_value(m, texts, out, err);
    uint64_t flags = out->flags;
    if (!rc) rc = read_number(m, FLAGS, UINT32_MAX, &flags, err);
    if (!rc) rc = read_number(m, EXPIRY, UINT32_MAX, &out->expiry, err);
    out->flags = (uint32_t)flags;
    return rc;
}

enum divan_code line_read_value(struct divan_bytes text, struct buf *texts, struct line *out, struct divan_error *err)
{
    enum divan_code rc = check(text, err);
    if (rc) return rc;
    *out = (struct line){.value_at = texts->len, .value_len = text.len, .flags = VALUE_FLAGS_JSON};
    buf_put_bytes(texts, text);
    return texts->failed ? err_oom(err) : DIVAN_OK;
}
