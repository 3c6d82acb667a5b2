/* Answers, both directions. */
#include "wire/kv.h"

#include "base/error.h"

enum { TOKEN_LEN = 16, META_LEN = 20, DURATION_ELEMENT = 3 };

uint8_t *kv_put_reply_head(struct buf *out, const struct kv_reply *r, size_t extras_len)
{
    size_t framing_len = r->traced ? DURATION_ELEMENT : 0;
    if (r->key.len > UINT8_MAX || extras_len > UINT8_MAX || r->value.len > FRAME_MAX) {
        out->failed = true;
        return NULL;
    }
    size_t before = framing_len + extras_len + r->key.len;
    uint8_t *at = buf_grow(out, FRAME_HEADER + before);
    if (!at) return NULL;
    at[0] = framing_len ? MAGIC_ALT_RESPONSE : MAGIC_RESPONSE;
    at[1] = r->opcode;
    at[2] = (uint8_t)framing_len;
    at[3] = (uint8_t)r->key.len;
    at[4] = (uint8_t)extras_len;
    at[5] = r->datatype;
    put_u16be(at + 6, r->status);
    put_u32be(at + 8, (uint32_t)(before + r->value.len));
    put_u32be(at + 12, r->opaque);
    put_u64be(at + 16, r->cas);
    at += FRAME_HEADER;
    if (framing_len) {
        at[0] = FRAMING_SERVER_DURATION << 4 | 2;
        put_u16be(at + 1, duration_encode(r->duration_us));
        at += framing_len;
    }
    if (r->key.len) memcpy(at + extras_len, r->key.data, r->key.len);
    return at;
}

void kv_put_reply(struct buf *out, const struct kv_reply *r)
{
    kv_put_reply_head(out, r, 0);
    buf_put_bytes(out, r->value);
}

void kv_put_reply_flags(struct buf *out, const struct kv_reply *r, uint32_t flags)
{
    uint8_t *extras = kv_put_reply_head(out, r, 4);
    if (extras) put_u32be(extras, flags);
    buf_put_bytes(out, r->value);
}

static void token_fill(uint8_t *at, const struct mutation_token *token)
{
    put_u64be(at, token->vbucket_uuid);
    put_u64be(at + 8, token->seqno);
}

void kv_put_reply_token(struct buf *out, const struct kv_reply *r, const struct mutation_token *token)
{
    uint8_t *extras = kv_put_reply_head(out, r, token ? TOKEN_LEN : 0);
    if (extras && token) token_fill(extras, token);
    buf_put_bytes(out, r->value);
}

void kv_put_reply_counter(struct buf *out, const struct kv_reply *r, const struct mutation_token *token, uint64_t value)
{
    uint8_t text[8];
    put_u64be(text, value);
    struct kv_reply with = *r;
    with.value = bytes_of(text, sizeof text);
    kv_put_reply_token(out, &with, token);
}

void kv_put_reply_meta(struct buf *out, const struct kv_reply *r, const struct kv_meta *meta)
{
    uint8_t *extras = kv_put_reply_head(out, r, META_LEN + (meta->has_datatype ? 1 : 0));
    if (!extras) return;
    put_u32be(extras, meta->deleted);
    put_u32be(extras + 4, meta->flags);
    put_u32be(extras + 8, meta->expiry);
    put_u64be(extras + 12, meta->seqno);
    if (meta->has_datatype) extras[META_LEN] = meta->datatype;
    buf_put_bytes(out, r->value);
}

/* ---- client side */

static enum divan_code unexpected(const struct frame *f, const char *part, size_t have, const char *want,
                                  struct divan_error *err)
{
    return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "the answer to %s has %zu bytes of %s, expected are %s",
                   op_name(f->opcode), have, part, want);
}

enum divan_code kv_read_flags(const struct frame *f, uint32_t *flags, struct divan_error *err)
{
    if (f->extras.len != 4) return unexpected(f, "extras", f->extras.len, "4", err);
    *flags = get_u32be(f->extras.data);
    return DIVAN_OK;
}

enum divan_code kv_read_token(const struct frame *f, struct mutation_token *out, struct divan_error *err)
{
    if (f->extras.len != TOKEN_LEN && f->extras.len) return unexpected(f, "extras", f->extras.len, "none or 16", err);
    struct rd r = rd_from(f->extras);
    struct mutation_token token = {0, 0};
    if (f->extras.len) token.vbucket_uuid = rd_u64be(&r), token.seqno = rd_u64be(&r);
    *out = token;
    return DIVAN_OK;
}

enum divan_code kv_read_counter_value(const struct frame *f, uint64_t *out, struct divan_error *err)
{
    if (f->value.len != 8) return unexpected(f, "value", f->value.len, "8", err);
    *out = get_u64be(f->value.data);
    return DIVAN_OK;
}

enum divan_code kv_read_meta(const struct frame *f, struct kv_meta *out, struct divan_error *err)
{
    if (f->extras.len != META_LEN && f->extras.len != META_LEN + 1)
        return unexpected(f, "extras", f->extras.len, "20 or 21", err);
    struct rd r = rd_from(f->extras);
    struct kv_meta meta = {.deleted = rd_u32be(&r) != 0};
    meta.flags = rd_u32be(&r);
    meta.expiry = rd_u32be(&r);
    meta.seqno = rd_u64be(&r);
    meta.has_datatype = r.left != 0;
    if (meta.has_datatype) meta.datatype = rd_u8(&r);
    *out = meta;
    return DIVAN_OK;
}

int64_t kv_server_duration_us(const struct frame *f)
{
    struct rd r = rd_from(f->framing);
    struct framing_element element;
    while (framing_next(&r, &element))
        if (element.id == FRAMING_SERVER_DURATION && element.data.len == 2)
            return duration_decode(get_u16be(element.data.data));
    return -1;
}
