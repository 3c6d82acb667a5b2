#include "wire/compress.h"

#include <snappy-c.h>

#include "base/error.h"

bool value_compress(struct divan_bytes value, unsigned ratio_pct, struct buf *out)
{
    size_t cap = snappy_max_compressed_length(value.len), len = cap, start = out->len;
    if (!value.len || out->failed) return false;
    uint8_t *at = buf_grow(out, cap);
    bool good = at && snappy_compress(value.data, value.len, (char *)at, &len) == SNAPPY_OK &&
                (uint64_t)len * 100 <= (uint64_t)value.len * ratio_pct;
    out->failed = false; /* sending it plain is always right */
    out->len = good ? start + len : start;
    return good;
}

bool value_inflated_len(struct divan_bytes compressed, size_t *len)
{
    return compressed.len && snappy_uncompressed_length(compressed.data, compressed.len, len) == SNAPPY_OK;
}

enum divan_code value_inflate(struct divan_bytes compressed, size_t max, struct buf *out, struct divan_error *err)
{
    size_t len = 0, start = out->len;
    if (!value_inflated_len(compressed, &len))
        return err_set(err, DIVAN_ERR_FRAME_COMPRESSION, "the value is marked as compressed but is not a snappy block");
    if (len > max)
        return err_set(err, DIVAN_ERR_FRAME_COMPRESSION,
                       "the compressed value would need %zu bytes once inflated, more than the %zu allowed", len, max);
    bool good = false;
    if (len) {
        uint8_t *at = buf_grow(out, len);
        if (!at) return err_oom(err);
        good = snappy_uncompress(compressed.data, compressed.len, (char *)at, &len) == SNAPPY_OK;
    } else {
        good = snappy_validate_compressed_buffer(compressed.data, compressed.len) == SNAPPY_OK;
    }
    if (good) return DIVAN_OK;
    out->len = start;
    return err_set(err, DIVAN_ERR_FRAME_COMPRESSION, "the compressed value is damaged and cannot be inflated");
}

bool value_is_compressed(struct divan_bytes compressed, size_t max)
{
    size_t len;
    return value_inflated_len(compressed, &len) && len <= max &&
           snappy_validate_compressed_buffer(compressed.data, compressed.len) == SNAPPY_OK;
}
