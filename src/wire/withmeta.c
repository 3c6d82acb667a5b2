#include "wire/withmeta.h"

#include "base/error.h"

enum { META_LEN = 24, OPTIONS_LEN = 4, EXTENDED_LEN = 2 };

void with_meta_put(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct with_meta *m)
{
    size_t extras_len = META_LEN + (m->options ? OPTIONS_LEN : 0) + (m->extended.len ? EXTENDED_LEN : 0);
    if (m->extended.len > UINT16_MAX || m->value.len > FRAME_MAX) {
        out->failed = true;
        return;
    }
    uint8_t *at = kv_put_head(out, opcode, t, m->datatype, extras_len, m->value.len + m->extended.len);
    if (at) {
        put_u32be(at, m->flags);
        put_u32be(at + 4, m->expiry);
        put_u64be(at + 8, m->seqno);
        put_u64be(at + 16, m->cas);
        if (m->options) put_u32be(at + META_LEN, m->options);
        if (m->extended.len) put_u16be(at + extras_len - EXTENDED_LEN, (uint16_t)m->extended.len);
    }
    buf_put_bytes(out, m->value);
    buf_put_bytes(out, m->extended);
}

enum divan_code with_meta_read(const struct frame *f, struct with_meta *out, struct divan_error *err)
{
    size_t extra = f->extras.len - META_LEN;
    struct rd r = rd_from(f->extras);
    if (f->extras.len < META_LEN || extra > OPTIONS_LEN + EXTENDED_LEN || extra % 2)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "Request extras invalid");
    struct with_meta m = {.datatype = f->datatype};
    m.flags = rd_u32be(&r);
    m.expiry = rd_u32be(&r);
    m.seqno = rd_u64be(&r);
    m.cas = rd_u64be(&r);
    if (extra >= OPTIONS_LEN) m.options = rd_u32be(&r);
    size_t extended = r.left ? rd_u16be(&r) : 0;
    if (extended > f->value.len) return err_set(err, DIVAN_ERR_FRAME_VALUE, "Invalid extended metadata");
    struct rd value = rd_from(f->value);
    m.value = rd_take(&value, f->value.len - extended);
    m.extended = rd_rest(&value);
    *out = m;
    return DIVAN_OK;
}

void random_put_request(struct buf *out, uint32_t opaque, const struct random_request *r)
{
    uint8_t extras[4];
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_GET_RANDOM_KEY, .opaque = opaque};
    put_u32be(extras, r->collection);
    if (r->collections) f.extras = bytes_of(extras, sizeof extras);
    frame_encode(out, &f);
}

enum divan_code random_read_request(const struct frame *f, struct random_request *r, struct divan_error *err)
{
    if (f->extras.len != (r->collections ? 4 : 0))
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "Request must include extras of length %d", r->collections ? 4 : 0);
    r->collection = f->extras.len ? get_u32be(f->extras.data) : 0;
    return DIVAN_OK;
}

enum divan_code random_read_reply(const struct frame *f, bool collections, struct random_document *out,
                                  struct divan_error *err)
{
    struct random_document d = {.value = f->value};
    struct rd key = rd_from(f->key);
    enum divan_code rc = kv_read_flags(f, &d.flags, err);
    if (rc) return rc;
    if (collections && leb128_take(&key, &d.collection) != LEB128_OK)
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "the key in the answer to GET_RANDOM_KEY has no collection id");
    d.key = rd_rest(&key);
    if (!d.key.len) return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "the answer to GET_RANDOM_KEY has no key");
    *out = d;
    return DIVAN_OK;
}
