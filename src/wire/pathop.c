/* Writing of requests, reading and writing of answers. */
#include "wire/pathop.h"

/* Expiry and user flags are fields of their own, told apart by the length of the extras alone. */
static size_t tail_len(const struct pathop_request *r)
{
    size_t expiry = r->mutation && (r->has_expiry || r->has_user_flags) ? 4 : 0;
    return expiry + (r->mutation && r->has_user_flags ? 4 : 0) + (r->doc_flags ? 1 : 0);
}

static void tail_fill(uint8_t *at, const struct pathop_request *r)
{
    if (r->mutation && (r->has_expiry || r->has_user_flags)) put_u32be(at, r->has_expiry ? r->expiry : 0), at += 4;
    if (r->mutation && r->has_user_flags) put_u32be(at, r->user_flags), at += 4;
    if (r->doc_flags) *at = r->doc_flags;
}

static bool ops_fit(const struct pathop_request *r, size_t *value_len)
{
    size_t sum = 0;
    for (size_t i = 0; i < r->count && i < PATHOPS_MAX; i++) {
        const struct pathop *op = &r->ops[i];
        if (op->path.len > UINT16_MAX || op->value.len > FRAME_MAX) return false;
        sum += (r->mutation ? 8 + op->value.len : 4) + op->path.len;
    }
    *value_len = sum;
    return r->count && r->count <= PATHOPS_MAX && sum <= FRAME_MAX;
}

static void put_ops(struct buf *out, const struct pathop_request *r)
{
    for (size_t i = 0; i < r->count; i++) {
        const struct pathop *op = &r->ops[i];
        buf_u8(out, op->opcode);
        buf_u8(out, op->flags);
        buf_u16be(out, (uint16_t)op->path.len);
        if (r->mutation) buf_u32be(out, (uint32_t)op->value.len);
        buf_put_bytes(out, op->path);
        if (r->mutation) buf_put_bytes(out, op->value);
    }
}

static void put_multi_head(struct buf *out, const struct kv_target *t, const struct pathop_request *r, size_t value_len)
{
    uint8_t opcode = r->mutation ? OP_SUBDOC_MULTI_MUTATION : OP_SUBDOC_MULTI_LOOKUP;
    uint8_t *extras = kv_put_head(out, opcode, t, 0, tail_len(r), value_len);
    if (extras) tail_fill(extras, r);
}

void pathop_put_multi(struct buf *out, const struct kv_target *t, const struct pathop_request *r)
{
    size_t value_len;
    if (!ops_fit(r, &value_len)) {
        out->failed = true;
        return;
    }
    put_multi_head(out, t, r, value_len);
    put_ops(out, r);
}

void pathop_put_specs(struct buf *out, const struct pathop_request *r)
{
    size_t value_len;
    if (ops_fit(r, &value_len)) put_ops(out, r);
    else out->failed = true;
}

void pathop_put_around(struct buf *out, const struct kv_target *t, const struct pathop_request *r,
                       struct divan_bytes specs)
{
    put_multi_head(out, t, r, specs.len);
    buf_put_bytes(out, specs);
}

void pathop_put_single(struct buf *out, const struct kv_target *t, const struct pathop_request *r)
{
    const struct pathop *op = &r->ops[0];
    if (r->count != 1 || op->path.len > UINT16_MAX || op->value.len > FRAME_MAX) {
        out->failed = true;
        return;
    }
    uint8_t *extras = kv_put_head(out, op->opcode, t, 0, 3 + tail_len(r), op->path.len + op->value.len);
    if (extras) {
        put_u16be(extras, (uint16_t)op->path.len);
        extras[2] = op->flags;
        tail_fill(extras + 3, r);
    }
    buf_put_bytes(out, op->path);
    buf_put_bytes(out, op->value);
}

void pathop_sort(struct pathop_request *r, uint8_t order[PATHOPS_MAX])
{
    struct pathop sorted[PATHOPS_MAX];
    size_t n = 0;
    for (int attributes = 1; attributes >= 0; attributes--)
        for (size_t i = 0; i < r->count && i < PATHOPS_MAX; i++)
            if (((r->ops[i].flags & PATHOP_XATTR) != 0) == attributes) {
                sorted[n] = r->ops[i];
                order[n++] = (uint8_t)i;
            }
    if (n) memcpy(r->ops, sorted, n * sizeof sorted[0]);
}

bool pathop_next_lookup(struct rd *r, struct pathop_result *out)
{
    if (r->bad || !r->left) return false;
    uint16_t status = rd_u16be(r);
    struct divan_bytes value = rd_take(r, rd_u32be(r));
    if (!rd_ok(r)) return false;
    out->status = status;
    out->value = value;
    return true;
}

bool pathop_next_mutation(struct rd *r, struct pathop_result *out)
{
    if (r->bad || !r->left) return false;
    struct pathop_result result = {.index = rd_u8(r)};
    result.status = rd_u16be(r);
    if (result.status == ST_SUCCESS) result.value = rd_take(r, rd_u32be(r));
    if (result.index >= PATHOPS_MAX) r->bad = true;
    if (!rd_ok(r)) return false;
    *out = result;
    return true;
}

void pathop_put_lookup_result(struct buf *out, uint16_t status, struct divan_bytes value)
{
    buf_u16be(out, status);
    buf_u32be(out, (uint32_t)value.len);
    buf_put_bytes(out, value);
}

void pathop_put_mutation_result(struct buf *out, uint8_t index, struct divan_bytes value)
{
    buf_u8(out, index);
    pathop_put_lookup_result(out, ST_SUCCESS, value);
}

void pathop_put_mutation_failure(struct buf *out, uint8_t index, uint16_t status)
{
    buf_u8(out, index);
    buf_u16be(out, status);
}
