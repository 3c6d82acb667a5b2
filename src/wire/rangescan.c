#include "wire/rangescan.h"

#include "base/error.h"

enum { CONTINUE_LEN = SCAN_ID_LEN + 12, ITEM_HEAD = 25 };

enum divan_code scan_read_created(const struct frame *f, struct scan_id *out, struct divan_error *err)
{
    if (f->value.len != SCAN_ID_LEN)
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "the id of the new scan has %zu bytes, expected are 16",
                       f->value.len);
    memcpy(out->bytes, f->value.data, SCAN_ID_LEN);
    return DIVAN_OK;
}

static void put_request(struct buf *out, uint8_t opcode, uint32_t opaque, uint16_t vbucket, struct divan_bytes extras)
{
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = opcode, .vbucket = vbucket, .opaque = opaque};
    f.extras = extras;
    frame_encode(out, &f);
}

void scan_put_continue(struct buf *out, uint32_t opaque, uint16_t vbucket, const struct scan_continue *c)
{
    uint8_t extras[CONTINUE_LEN];
    memcpy(extras, c->id.bytes, SCAN_ID_LEN);
    put_u32be(extras + SCAN_ID_LEN, c->item_limit);
    put_u32be(extras + SCAN_ID_LEN + 4, c->time_limit_ms);
    put_u32be(extras + SCAN_ID_LEN + 8, c->byte_limit);
    put_request(out, OP_RANGE_SCAN_CONTINUE, opaque, vbucket, bytes_of(extras, sizeof extras));
}

void scan_put_cancel(struct buf *out, uint32_t opaque, uint16_t vbucket, const struct scan_id *id)
{
    put_request(out, OP_RANGE_SCAN_CANCEL, opaque, vbucket, bytes_of(id->bytes, SCAN_ID_LEN));
}

enum divan_code scan_read_continue(const struct frame *f, struct scan_continue *out, struct divan_error *err)
{
    if (f->extras.len != CONTINUE_LEN)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "Request must include extras of length 28");
    struct rd r = rd_from(f->extras);
    memcpy(out->id.bytes, rd_take(&r, SCAN_ID_LEN).data, SCAN_ID_LEN);
    out->item_limit = rd_u32be(&r);
    out->time_limit_ms = rd_u32be(&r);
    out->byte_limit = rd_u32be(&r);
    return DIVAN_OK;
}

enum divan_code scan_read_cancel(const struct frame *f, struct scan_id *out, struct divan_error *err)
{
    if (f->extras.len != SCAN_ID_LEN)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "Request must include extras of length 16");
    memcpy(out->bytes, f->extras.data, SCAN_ID_LEN);
    return DIVAN_OK;
}

enum divan_code scan_read_kind(const struct frame *f, enum scan_kind *out, struct divan_error *err)
{
    uint32_t kind = f->extras.len == 4 ? get_u32be(f->extras.data) : UINT32_MAX;
    if (!f->extras.len && !f->value.len) kind = SCAN_KEYS;
    if (kind != SCAN_KEYS && kind != SCAN_DOCUMENTS)
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR,
                       "the answer to RANGE_SCAN_CONTINUE has %zu bytes of extras that name no known kind of items",
                       f->extras.len);
    *out = (enum scan_kind)kind;
    return DIVAN_OK;
}

static struct divan_bytes take_counted(struct rd *r)
{
    uint32_t len = 0;
    if (leb128_take(r, &len) != LEB128_OK) r->bad = true;
    return rd_take(r, len);
}

bool scan_next(struct rd *r, enum scan_kind kind, struct scan_item *out)
{
    struct scan_item item = {.flags = 0};
    if (r->bad || !r->left) return false;
    if (kind == SCAN_DOCUMENTS) {
        item.flags = rd_u32be(r);
        item.expiry = rd_u32be(r);
        item.seqno = rd_u64be(r);
        item.cas = rd_u64be(r);
        item.datatype = rd_u8(r);
    }
    item.key = take_counted(r);
    if (kind == SCAN_DOCUMENTS) item.value = take_counted(r);
    if (!rd_ok(r)) return false;
    *out = item;
    return true;
}

static void put_counted(struct buf *out, struct divan_bytes bytes)
{
    leb128_append(out, (uint32_t)bytes.len);
    buf_put_bytes(out, bytes);
}

void scan_put_item(struct buf *out, enum scan_kind kind, const struct scan_item *item)
{
    uint8_t *at = kind == SCAN_DOCUMENTS ? buf_grow(out, ITEM_HEAD) : NULL;
    if (at) {
        put_u32be(at, item->flags);
        put_u32be(at + 4, item->expiry);
        put_u64be(at + 8, item->seqno);
        put_u64be(at + 16, item->cas);
        at[24] = item->datatype;
    }
    put_counted(out, item->key);
    if (kind == SCAN_DOCUMENTS) put_counted(out, item->value);
}
