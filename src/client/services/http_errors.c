/* What the refusals of the management service mean: a pure function of status and text. */
#include "client/services/http.h"
#include "text/json.h"

static bool says(struct divan_bytes body, const char *words)
{
    return body.len && memmem(body.data, body.len, words, strlen(words)) != NULL;
}

static enum divan_code already_there(enum http_subject subject, struct divan_bytes body)
{
    if (says(body, "Collection with name")) return DIVAN_ERR_COLLECTION_EXISTS;
    if (says(body, "Scope with name")) return DIVAN_ERR_SCOPE_EXISTS;
    if (subject == ABOUT_USER) return DIVAN_ERR_USER_EXISTS;
    return DIVAN_ERR_BUCKET_EXISTS;
}

static enum divan_code not_there(enum http_subject subject, struct divan_bytes body)
{
    if (says(body, "Collection with name")) return DIVAN_ERR_COLLECTION_NOT_FOUND;
    if (says(body, "Scope with name")) return DIVAN_ERR_SCOPE_NOT_FOUND;
    if (says(body, "Unknown user domain")) return DIVAN_ERR_INVALID_ARGUMENT;
    switch (subject) {
    case ABOUT_BUCKET:
    case ABOUT_SCOPE:
    case ABOUT_COLLECTION:
        return DIVAN_ERR_BUCKET_NOT_FOUND;
    case ABOUT_USER:
        return DIVAN_ERR_USER_NOT_FOUND;
    case ABOUT_GROUP:
        return DIVAN_ERR_GROUP_NOT_FOUND;
    default:
        return DIVAN_ERR_UNSUPPORTED_OPERATION;
    }
}

static enum divan_code refused(enum http_subject subject, struct divan_bytes body)
{
    if (says(body, "Flush is disabled")) return DIVAN_ERR_BUCKET_NOT_FLUSHABLE;
    if (says(body, "already exists")) return already_there(subject, body);
    if (says(body, "Not allowed on this version")) return DIVAN_ERR_FEATURE_NOT_AVAILABLE;
    if (says(body, "Maximum number of collections")) return DIVAN_ERR_QUOTA_LIMITED;
    return DIVAN_ERR_INVALID_ARGUMENT;
}

enum divan_code http_code(enum http_subject subject, unsigned status, struct divan_bytes body)
{
    switch (status) {
    case 400:
        return refused(subject, body);
    case 401:
    case 403:
        return DIVAN_ERR_AUTHENTICATION_FAILURE;
    case 404:
        return not_there(subject, body);
    case 405:
    case 501:
        return DIVAN_ERR_UNSUPPORTED_OPERATION;
    case 429:
        return says(body, "Maximum number of collections") ? DIVAN_ERR_QUOTA_LIMITED : DIVAN_ERR_RATE_LIMITED;
    case 503:
        return DIVAN_ERR_SERVICE_NOT_AVAILABLE;
    default:
        return status >= 500 ? DIVAN_ERR_INTERNAL_SERVER_FAILURE : DIVAN_ERR_INVALID_ARGUMENT;
    }
}

/* ---- words */

static void put_value(struct json_value value, struct buf *out);

static void put_members(struct json_value object, struct buf *out)
{
    struct json_walk w = json_walk_begin(object);
    struct divan_bytes key;
    struct json_value value;
    for (bool first = true; json_next_member(&w, &key, &value); first = false) {
        if (!first) buf_put_str(out, "; ");
        if (!json_string_is(key, divan_str("_")) && !json_string_is(key, divan_str("message"))) {
            json_unescape(key, out);
            buf_put_str(out, ": ");
        }
        put_value(value, out);
    }
}

static void put_value(struct json_value value, struct buf *out)
{
    if (value.type == JSON_STRING) json_unescape(value.text, out);
    else buf_put_bytes(out, value.text);
}

static void put_words(struct divan_bytes body, struct buf *out)
{
    struct json_value root = json_is_valid(body) ? json_value_of(body) : (struct json_value){JSON_NONE, {NULL, 0}};
    struct json_value errors = json_member(root, "errors");
    struct json_value element;
    if (errors.type == JSON_OBJECT) put_members(errors, out);
    else if (root.type == JSON_OBJECT) put_members(root, out);
    else if (root.type == JSON_ARRAY) {
        struct json_walk w = json_walk_begin(root);
        for (bool first = true; json_next_element(&w, &element); first = false) {
            if (!first) buf_put_str(out, "; ");
            put_value(element, out);
        }
    } else if (root.type == JSON_STRING) put_value(root, out);
    else buf_put_bytes(out, body);
}

void http_words(struct divan_bytes body, char *out, size_t cap)
{
    struct buf text = {.limit = 1 << 20};
    out[0] = 0;
    put_words(bytes_slice(body, 0, 64 * 1024), &text);
    size_t len = text.len < cap - 1 ? text.len : cap - 1;
    if (len) memcpy(out, text.data, len);
    out[len] = 0;
    for (char *at = out; *at; at++)
        if ((unsigned char)*at < 0x20) *at = ' ';
    buf_fini(&text);
}
