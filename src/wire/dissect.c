#include "wire/dissect.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/kv.h"

enum { SHOWN_KEY = 64, SHOWN_VALUE = 96 };

struct line {
    char *text;
    size_t cap, len;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *l, const char *format, ...)
{
    if (l->len + 1 >= l->cap) return;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(l->text + l->len, l->cap - l->len, format, args);
    va_end(args);
    if (n > 0) l->len = l->len + (size_t)n < l->cap ? l->len + (size_t)n : l->cap - 1;
}

static void put_text(struct line *l, struct divan_bytes bytes, size_t shown)
{
    const uint8_t *at = bytes.data;
    for (size_t i = 0; i < bytes.len && i < shown; i++) {
        if (at[i] >= 0x20 && at[i] < 0x7f && at[i] != '\\') put(l, "%c", at[i]);
        else put(l, "\\x%02x", at[i]);
    }
    if (bytes.len > shown) put(l, "...");
}

static void put_hex(struct line *l, struct divan_bytes bytes)
{
    const uint8_t *at = bytes.data;
    for (size_t i = 0; i < bytes.len && i < 64; i++) put(l, "%02x", at[i]);
    if (bytes.len > 64) put(l, "...");
}

static void put_name(struct line *l, const struct frame *f)
{
    if (f->magic == MAGIC_SERVER_REQUEST || f->magic == MAGIC_SERVER_RESPONSE) {
        if (f->opcode == SERVER_OP_CLUSTERMAP) put(l, "PUSH_CLUSTERMAP");
        else put(l, "SERVER_0x%02x", f->opcode);
    } else {
        put(l, "%s", op_name(f->opcode));
    }
    if (!frame_is_response(f)) put(l, " vb=%u", f->vbucket);
    else if (status_facts_of(f->status)) put(l, " %s", status_name(f->status));
    else put(l, " status=0x%02x", f->status);
}

static void put_framing(struct line *l, const struct frame *f)
{
    struct rd r = rd_from(f->framing);
    struct framing_element e;
    while (framing_next(&r, &e)) {
        if (frame_is_response(f) && e.id == FRAMING_SERVER_DURATION && e.data.len == 2)
            put(l, " took=%uus", (unsigned)duration_decode(get_u16be(e.data.data)));
        else if (!frame_is_response(f) && e.id == FRAMING_DURABILITY && e.data.len)
            put(l, " durability=%u", *(const uint8_t *)e.data.data);
        else if (!frame_is_response(f) && e.id == FRAMING_PRESERVE_TTL) put(l, " keep-ttl");
        else if (!frame_is_response(f) && e.id == FRAMING_BARRIER) put(l, " barrier");
        else put(l, " framing(%u)[%zu]", e.id, e.data.len);
    }
    if (!rd_ok(&r)) put(l, " framing=broken");
}

static void put_key(struct line *l, const struct frame *f, bool collections)
{
    struct rd r = rd_from(f->key);
    uint32_t id = 0;
    bool prefixed = collections && op_takes_document_key(f->opcode) && f->magic != MAGIC_SERVER_REQUEST;
    if (!f->key.len) return;
    if (prefixed && leb128_take(&r, &id) == LEB128_OK) put(l, " cid=0x%x", (unsigned)id);
    else r = rd_from(f->key);
    put(l, " key=");
    put_text(l, rd_rest(&r), SHOWN_KEY);
}

static void put_value(struct line *l, const struct frame *f)
{
    bool secret = f->opcode == OP_SASL_AUTH || f->opcode == OP_SASL_STEP;
    if (!f->value.len) return;
    put(l, " value[%zu]", f->value.len);
    if (f->datatype & DATATYPE_JSON) put(l, "json");
    if (f->datatype & DATATYPE_SNAPPY) put(l, "+snappy");
    if (f->datatype & DATATYPE_XATTR) put(l, "+xattr");
    if (secret || f->datatype & DATATYPE_SNAPPY) return;
    put(l, "=");
    put_text(l, f->value, SHOWN_VALUE);
}

const char *frame_dissect(const struct frame *f, bool collections, char *out, size_t cap)
{
    struct line l = {.text = out, .cap = cap};
    if (cap) out[0] = 0;
    put_name(&l, f);
    put_framing(&l, f);
    put_key(&l, f, collections);
    put(&l, " opaque=0x%x", (unsigned)f->opaque);
    if (f->cas) put(&l, " cas=0x%llx", (unsigned long long)f->cas);
    if (f->extras.len) put(&l, " extras="), put_hex(&l, f->extras);
    put_value(&l, f);
    return out;
}

const char *bytes_dissect(struct divan_bytes input, bool collections, char *out, size_t cap)
{
    struct frame f;
    struct divan_error err;
    size_t size;
    struct line l = {.text = out, .cap = cap};
    switch (frame_decode(input, SIZE_MAX, &f, &size, &err)) {
    case FRAME_COMPLETE:
        return frame_dissect(&f, collections, out, cap);
    case FRAME_PARTIAL:
        put(&l, "partial frame, %zu of %zu bytes: ", input.len, size);
        break;
    case FRAME_BROKEN:
        put(&l, "no frame, %s: ", err.message);
        break;
    }
    put_hex(&l, input);
    return out;
}
