#include "wire/history.h"

#include "base/error.h"

enum { OBSERVE_SEQNO_LEN = 27, OBSERVE_SEQNO_FAILED_OVER_LEN = 43, STATE_MAX = 4 };

/* ---- OBSERVE */

bool observe_next_key(struct rd *r, struct observed *out)
{
    if (r->bad || !r->left) return false;
    struct observed o = {.vbucket = rd_u16be(r)};
    o.key = rd_take(r, rd_u16be(r));
    if (!rd_ok(r)) return false;
    *out = o;
    return true;
}

bool observe_next_state(struct rd *r, struct observed *out)
{
    struct observed o;
    if (!observe_next_key(r, &o)) return false;
    o.state = rd_u8(r);
    o.cas = rd_u64be(r);
    if (!rd_ok(r)) return false;
    *out = o;
    return true;
}

void observe_put_key(struct buf *out, const struct observed *o)
{
    if (o->key.len > UINT16_MAX) {
        out->failed = true;
        return;
    }
    buf_u16be(out, o->vbucket);
    buf_u16be(out, (uint16_t)o->key.len);
    buf_put_bytes(out, o->key);
}

void observe_put_state(struct buf *out, const struct observed *o)
{
    observe_put_key(out, o);
    buf_u8(out, o->state);
    buf_u64be(out, o->cas);
}

/* The key travels in the value; the head has none. */
void observe_put_request(struct buf *out, const struct kv_target *t)
{
    uint8_t prefix[LEB128_MAX];
    size_t prefix_len = t->collections ? leb128_put(prefix, t->collection) : 0, key_len = prefix_len + t->key.len;
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_OBSERVE, .vbucket = t->vbucket, .opaque = t->opaque};
    if (t->key.len > KEY_MAX) {
        out->failed = true;
        return;
    }
    frame_encode_head(out, &f, 4 + key_len);
    buf_u16be(out, t->vbucket);
    buf_u16be(out, (uint16_t)key_len);
    buf_put(out, prefix, prefix_len);
    buf_put_bytes(out, t->key);
}

/* ---- OBSERVE_SEQNO */

void observe_seqno_put_request(struct buf *out, uint32_t opaque, uint16_t vbucket, uint64_t uuid)
{
    uint8_t value[8];
    put_u64be(value, uuid);
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_OBSERVE_SEQNO, .vbucket = vbucket, .opaque = opaque};
    f.value = bytes_of(value, sizeof value);
    frame_encode(out, &f);
}

enum divan_code observe_seqno_read_request(const struct frame *f, uint64_t *uuid, struct divan_error *err)
{
    if (f->value.len != 8)
        return err_set(err, DIVAN_ERR_FRAME_VALUE, "Request must include a value of 8 bytes, not of %zu", f->value.len);
    *uuid = get_u64be(f->value.data);
    return DIVAN_OK;
}

void observe_seqno_put(struct buf *out, const struct observe_seqno *o)
{
    buf_u8(out, o->failed_over);
    buf_u16be(out, o->vbucket);
    buf_u64be(out, o->uuid);
    buf_u64be(out, o->persisted);
    buf_u64be(out, o->current);
    if (!o->failed_over) return;
    buf_u64be(out, o->old_uuid);
    buf_u64be(out, o->old_last);
}

enum divan_code observe_seqno_read(struct divan_bytes value, struct observe_seqno *out, struct divan_error *err)
{
    struct rd r = rd_from(value);
    uint8_t form = rd_u8(&r);
    struct observe_seqno o = {.failed_over = form == 1};
    if (!(form == 0 && value.len == OBSERVE_SEQNO_LEN) && !(form == 1 && value.len == OBSERVE_SEQNO_FAILED_OVER_LEN))
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR,
                       "the answer to OBSERVE_SEQNO has form %u and %zu bytes, expected are 0 with 27 or 1 with 43",
                       form, value.len);
    o.vbucket = rd_u16be(&r);
    o.uuid = rd_u64be(&r);
    o.persisted = rd_u64be(&r);
    o.current = rd_u64be(&r);
    if (o.failed_over) {
        o.old_uuid = rd_u64be(&r);
        o.old_last = rd_u64be(&r);
    }
    *out = o;
    return DIVAN_OK;
}

/* ---- lists of pairs */

bool seqnos_next(struct rd *r, struct vbucket_seqno *out)
{
    if (r->bad || !r->left) return false;
    struct vbucket_seqno pair = {.vbucket = rd_u16be(r)};
    pair.seqno = rd_u64be(r);
    if (!rd_ok(r)) return false;
    *out = pair;
    return true;
}

void seqnos_put(struct buf *out, struct vbucket_seqno pair)
{
    buf_u16be(out, pair.vbucket);
    buf_u64be(out, pair.seqno);
}

void seqnos_put_request(struct buf *out, uint32_t opaque, const struct seqnos_request *r)
{
    uint8_t extras[8];
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_GET_ALL_VB_SEQNOS, .opaque = opaque};
    put_u32be(extras, r->state);
    put_u32be(extras + 4, r->collection);
    if (r->state || r->has_collection) f.extras = bytes_of(extras, r->has_collection ? 8 : 4);
    frame_encode(out, &f);
}

enum divan_code seqnos_read_request(const struct frame *f, struct seqnos_request *out, struct divan_error *err)
{
    struct rd r = rd_from(f->extras);
    struct seqnos_request q = {.has_collection = f->extras.len == 8};
    if (f->extras.len && f->extras.len != 4 && f->extras.len != 8)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "Request must include extras of length 0, 4 or 8");
    if (r.left) q.state = rd_u32be(&r);
    if (r.left) q.collection = rd_u32be(&r);
    if (q.state > STATE_MAX)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "%u is no state of a vBucket", (unsigned)q.state);
    *out = q;
    return DIVAN_OK;
}

bool failover_next(struct rd *r, struct failover_entry *out)
{
    if (r->bad || !r->left) return false;
    struct failover_entry entry = {.uuid = rd_u64be(r)};
    entry.seqno = rd_u64be(r);
    if (!rd_ok(r)) return false;
    *out = entry;
    return true;
}

void failover_put(struct buf *out, struct failover_entry entry)
{
    buf_u64be(out, entry.uuid);
    buf_u64be(out, entry.seqno);
}

void seqno_persistence_put(struct buf *out, uint32_t opaque, uint16_t vbucket, uint64_t seqno)
{
    uint8_t extras[8];
    put_u64be(extras, seqno);
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_SEQNO_PERSISTENCE, .vbucket = vbucket, .opaque = opaque};
    f.extras = bytes_of(extras, sizeof extras);
    frame_encode(out, &f);
}

enum divan_code seqno_persistence_read(const struct frame *f, uint64_t *seqno, struct divan_error *err)
{
    if (f->extras.len != 8) return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "Request must include extras of length 8");
    *seqno = get_u64be(f->extras.data);
    return DIVAN_OK;
}
