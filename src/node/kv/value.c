#include "node/kv/value.h"

#include "wire/compress.h"

struct xattr_walk xattr_walk_begin(struct divan_bytes block)
{
    struct xattr_walk w = {rd_from(block)};
    rd_u32be(&w.rest);
    return w;
}

bool xattr_next(struct xattr_walk *w, struct xattr_pair *out)
{
    if (!w->rest.left || w->rest.bad) return false;
    struct divan_bytes pair = rd_take(&w->rest, rd_u32be(&w->rest));
    const char *key_end = pair.len ? memchr(pair.data, 0, pair.len) : NULL;
    size_t key_len = key_end ? (size_t)(key_end - (const char *)pair.data) : 0;
    if (!key_len || pair.len < key_len + 2 || ((const char *)pair.data)[pair.len - 1]) {
        w->rest.bad = true;
        return false;
    }
    *out = (struct xattr_pair){bytes_slice(pair, 0, key_len), bytes_slice(pair, key_len + 1, pair.len - key_len - 2)};
    return true;
}

struct divan_bytes xattr_block(struct divan_bytes value)
{
    struct rd r = rd_from(value);
    uint32_t len = rd_u32be(&r);
    if (!rd_ok(&r) || len > r.left) return (struct divan_bytes){0};
    return bytes_slice(value, 0, len + 4u);
}

struct divan_bytes xattr_body(struct divan_bytes value)
{
    return bytes_slice(value, xattr_block(value).len, value.len);
}

bool xattr_is_valid(struct divan_bytes value)
{
    struct divan_bytes block = xattr_block(value);
    if (!block.len) return false;
    struct xattr_walk w = xattr_walk_begin(block);
    struct xattr_pair pair;
    while (xattr_next(&w, &pair)) {}
    return rd_ok(&w.rest);
}

void xattr_keep_system(struct divan_bytes block, struct buf *out)
{
    size_t start = out->len;
    struct xattr_walk w = xattr_walk_begin(block);
    struct xattr_pair pair;
    while (xattr_next(&w, &pair)) {
        if (!xattr_is_system(pair.key)) continue;
        if (out->len == start) buf_u32be(out, 0);
        buf_u32be(out, (uint32_t)(pair.key.len + pair.value.len + 2));
        buf_put_bytes(out, pair.key);
        buf_u8(out, 0);
        buf_put_bytes(out, pair.value);
        buf_u8(out, 0);
    }
    if (!out->failed && out->len > start) put_u32be(out->data + start, (uint32_t)(out->len - start - 4));
}

bool item_plain_value(const struct item *i, struct buf *scratch, struct divan_bytes *out)
{
    *out = item_value(i);
    if (!(i->datatype & DATATYPE_SNAPPY)) return true;
    buf_clear(scratch);
    if (value_inflate(*out, INFLATE_MAX, scratch, NULL)) return false;
    *out = buf_view(scratch);
    return true;
}
