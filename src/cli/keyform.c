#include "cli/keyform.h"

#include <inttypes.h>

#include "base/error.h"
#include "text/json.h"

enum { NAME_MAX_BYTES = 256 };

/* One piece of a form: literal text, or what stands within braces. */
struct piece {
    struct divan_bytes text;
    bool is_member;
};

/* Takes the next piece off *at; false at the end, or with *bad and *at where it is. */
static bool next_piece(const char **at, struct piece *out, bool *bad)
{
    const char *c = *at;
    *bad = false;
    if (!*c) return false;
    if ((c[0] == '{' || c[0] == '}') && c[1] == c[0]) {
        *out = (struct piece){bytes_of(c, 1), false};
        *at = c + 2;
        return true;
    }
    if (*c != '{') {
        size_t len = strcspn(c, "{}");
        *out = (struct piece){bytes_of(c, len), false};
        *at = c + len;
        *bad = !len; /* a lone } */
        return !*bad;
    }
    size_t len = strcspn(c + 1, "{}");
    *out = (struct piece){bytes_of(c + 1, len), true};
    *bad = c[1 + len] != '}' || !len || len > NAME_MAX_BYTES;
    if (!*bad) *at = c + len + 2;
    return !*bad;
}

enum divan_code keyform_check(const char *form, struct divan_error *err)
{
    const char *at = form;
    struct piece piece;
    bool bad;
    while (next_piece(&at, &piece, &bad)) continue;
    if (bad)
        return err_set(err, DIVAN_ERR_USAGE,
                       "the key form \"%s\" is not well-formed at \"%s\": members stand in braces, as in user::{id}",
                       form, at);
    return *form ? DIVAN_OK : err_set(err, DIVAN_ERR_USAGE, "the key form is empty");
}

static struct json_value member_at(struct json_value value, struct divan_bytes path)
{
    char name[NAME_MAX_BYTES + 1];
    const char *at = path.data, *end = at + path.len;
    while (at < end && value.type == JSON_OBJECT) {
        const char *dot = memchr(at, '.', (size_t)(end - at));
        size_t len = (size_t)((dot ? dot : end) - at);
        memcpy(name, at, len);
        name[len] = 0;
        value = json_member(value, name);
        at += len + 1;
    }
    return at < end ? (struct json_value){0} : value;
}

static enum divan_code put_member(struct json_value document, struct divan_bytes path, struct buf *out,
                                  struct divan_error *err)
{
    struct json_value v = member_at(document, path);
    switch (v.type) {
    case JSON_STRING:
        json_unescape(v.text, out);
        return DIVAN_OK;
    case JSON_NUMBER:
    case JSON_TRUE:
    case JSON_FALSE:
        buf_put_bytes(out, v.text);
        return DIVAN_OK;
    default:
        return err_set(err, DIVAN_ERR_USAGE, "%s \"%.*s\", which makes the key",
                       v.type ? "no text and no number is its member" : "it has no member", (int)path.len,
                       (const char *)path.data);
    }
}

enum divan_code keyform_make(const char *form, struct divan_bytes json, uint64_t number, struct buf *out,
                             struct divan_error *err)
{
    struct json_value document = json_value_of(json);
    struct piece piece;
    bool bad;
    enum divan_code rc = DIVAN_OK;
    while (!rc && next_piece(&form, &piece, &bad)) {
        if (!piece.is_member) buf_put_bytes(out, piece.text);
        else if (bytes_is(piece.text, "#")) buf_printf(out, "%" PRIu64, number);
        else rc = put_member(document, piece.text, out, err);
    }
    return !rc && out->failed ? err_oom(err) : rc;
}
