#include "wire/errorbody.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"

/* The context is made here or taken from a peer: everything that JSON does not allow raw is escaped. */
static void put_string(struct buf *out, const char *text)
{
    buf_u8(out, '"');
    for (const char *at = text; *at; at++) {
        if (*at == '"' || *at == '\\') buf_printf(out, "\\%c", *at);
        else if ((unsigned char)*at < 0x20) buf_printf(out, "\\u%04x", (unsigned)*at);
        else buf_u8(out, (uint8_t)*at);
    }
    buf_u8(out, '"');
}

void error_body_write(const struct error_body *body, struct buf *out)
{
    bool context = body->context[0] != 0, ref = body->ref[0] != 0;
    if (!context && !ref && !body->has_manifest_uid) return;
    buf_put_str(out, "{\"error\":{");
    if (context) buf_put_str(out, "\"context\":"), put_string(out, body->context);
    if (ref) buf_put_str(out, context ? ",\"ref\":" : "\"ref\":"), put_string(out, body->ref);
    buf_u8(out, '}');
    if (body->has_manifest_uid) buf_printf(out, ",\"manifest_uid\":\"%llx\"", (unsigned long long)body->manifest_uid);
    buf_u8(out, '}');
}

/* Cuts before a character that would not fit whole. */
static void copy_text(char *out, size_t cap, const json_t *value)
{
    const char *text = json_string_value(value);
    text_copy(out, cap, text ? text : "");
    if (!text || strlen(text) < cap) return;
    size_t len = cap - 1;
    while (len && ((unsigned char)text[len] & 0xc0) == 0x80) len--;
    out[len] = 0;
}

static bool read_uid(const json_t *value, uint64_t *out)
{
    const char *text = json_string_value(value);
    if (!text || !*text || strlen(text) > 16 || strspn(text, "0123456789abcdefABCDEF") != strlen(text)) return false;
    *out = strtoull(text, NULL, 16);
    return true;
}

bool error_body_read(struct divan_bytes json, struct error_body *out)
{
    json_t *root = json.len ? json_loadb(json.data, json.len, 0, NULL) : NULL;
    bool good = json_is_object(root);
    memset(out, 0, sizeof *out);
    if (good) {
        json_t *error = json_object_get(root, "error");
        copy_text(out->context, sizeof out->context, json_object_get(error, "context"));
        copy_text(out->ref, sizeof out->ref, json_object_get(error, "ref"));
        out->has_manifest_uid = read_uid(json_object_get(root, "manifest_uid"), &out->manifest_uid);
    }
    json_decref(root);
    return good;
}
