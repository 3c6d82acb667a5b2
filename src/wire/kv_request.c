/* Encoding of requests. */
#include "wire/kv.h"

enum { FRAMING_ROOM = 5 /* durability with timeout, preserve TTL */, EXTRAS_STORE = 8, EXTRAS_COUNTER = 20 };

static size_t framing_fill(const struct kv_target *t, uint8_t at[FRAMING_ROOM])
{
    size_t n = 0;
    if (t->durability) {
        at[n++] = FRAMING_DURABILITY << 4 | (t->durable_ms ? 3 : 1);
        at[n++] = t->durability;
        if (t->durable_ms) put_u16be(at + n, t->durable_ms), n += 2;
    }
    if (t->keep_ttl) at[n++] = FRAMING_PRESERVE_TTL << 4;
    return n;
}

uint8_t *kv_put_head(struct buf *out, uint8_t opcode, const struct kv_target *t, uint8_t datatype, size_t extras_len,
                     size_t value_len)
{
    uint8_t framing[FRAMING_ROOM], prefix[LEB128_MAX];
    size_t framing_len = t->durability || t->keep_ttl ? framing_fill(t, framing) : 0;
    size_t prefix_len = t->collections ? leb128_put(prefix, t->collection) : 0;
    size_t key_len = prefix_len + t->key.len;
    if (t->key.len > KEY_MAX || key_len > UINT8_MAX || extras_len > UINT8_MAX || value_len > FRAME_MAX) {
        out->failed = true;
        return NULL;
    }
    size_t before = framing_len + extras_len + key_len;
    uint8_t *at = buf_grow(out, FRAME_HEADER + before);
    if (!at) return NULL;
    at[0] = framing_len ? MAGIC_ALT_REQUEST : MAGIC_REQUEST;
    at[1] = opcode;
    at[2] = (uint8_t)framing_len; /* the high byte of the key length in the plain form, where it is 0 as well */
    at[3] = (uint8_t)key_len;
    at[4] = (uint8_t)extras_len;
    at[5] = datatype;
    put_u16be(at + 6, t->vbucket);
    put_u32be(at + 8, (uint32_t)(before + value_len));
    put_u32be(at + 12, t->opaque);
    put_u64be(at + 16, t->cas);
    uint8_t *extras = at + FRAME_HEADER + framing_len, *key = extras + extras_len;
    if (framing_len) memcpy(at + FRAME_HEADER, framing, framing_len);
    if (prefix_len) memcpy(key, prefix, prefix_len);
    if (t->key.len) memcpy(key + prefix_len, t->key.data, t->key.len);
    return extras;
}

void kv_put_get(struct buf *out, uint8_t opcode, const struct kv_target *t)
{
    kv_put_head(out, opcode, t, 0, 0, 0);
}

void kv_put_store_head(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct kv_store *s)
{
    uint8_t *extras = kv_put_head(out, opcode, t, s->datatype, EXTRAS_STORE, s->value.len);
    if (!extras) return;
    put_u32be(extras, s->flags);
    put_u32be(extras + 4, s->expiry);
}

/* One growth for the whole frame: the head would grow the buffer first and the value again. */
static bool reserve_frame(struct buf *out, const struct kv_target *t, size_t extras_len, size_t value_len)
{
    return value_len > FRAME_MAX ||
           buf_reserve(out, FRAME_HEADER + FRAMING_ROOM + extras_len + LEB128_MAX + t->key.len + value_len);
}

void kv_put_store(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct kv_store *s)
{
    if (!reserve_frame(out, t, EXTRAS_STORE, s->value.len)) return;
    kv_put_store_head(out, opcode, t, s);
    buf_put_bytes(out, s->value);
}

void kv_put_concat(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct kv_store *s)
{
    if (!reserve_frame(out, t, 0, s->value.len)) return;
    kv_put_head(out, opcode, t, s->datatype, 0, s->value.len);
    buf_put_bytes(out, s->value);
}

void kv_put_counter(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct kv_counter *c)
{
    uint8_t *extras = kv_put_head(out, opcode, t, 0, EXTRAS_COUNTER, 0);
    if (!extras) return;
    put_u64be(extras, c->delta);
    put_u64be(extras + 8, c->initial);
    put_u32be(extras + 16, c->expiry);
}

void kv_put_touch(struct buf *out, uint8_t opcode, const struct kv_target *t, uint32_t expiry)
{
    uint8_t *extras = kv_put_head(out, opcode, t, 0, 4, 0);
    if (extras) put_u32be(extras, expiry);
}

void kv_put_getl(struct buf *out, const struct kv_target *t, uint32_t lock_s)
{
    uint8_t *extras = kv_put_head(out, OP_GETL, t, 0, lock_s ? 4 : 0, 0);
    if (extras && lock_s) put_u32be(extras, lock_s);
}

void kv_put_get_meta(struct buf *out, const struct kv_target *t, bool with_datatype)
{
    uint8_t *extras = kv_put_head(out, OP_GET_META, t, 0, with_datatype ? 1 : 0, 0);
    if (extras && with_datatype) extras[0] = 2; /* version 2 of the answer */
}
