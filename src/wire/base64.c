#include "wire/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_append(struct buf *out, struct divan_bytes data)
{
    struct rd r = rd_from(data);
    while (r.left) {
        uint8_t in[3] = {0}, text[4];
        size_t n = r.left < 3 ? r.left : 3;
        memcpy(in, rd_take(&r, n).data, n);
        text[0] = (uint8_t)digits[in[0] >> 2];
        text[1] = (uint8_t)digits[(in[0] & 3) << 4 | in[1] >> 4];
        text[2] = n > 1 ? (uint8_t)digits[(in[1] & 15) << 2 | in[2] >> 6] : '=';
        text[3] = n > 2 ? (uint8_t)digits[in[2] & 63] : '=';
        buf_put(out, text, sizeof text);
    }
}

static int value_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode_into(struct divan_bytes text, uint8_t *out, size_t cap, size_t *len)
{
    struct rd r = rd_from(text);
    size_t n = 0;
    if (text.len % 4) return false;
    while (r.left) {
        const uint8_t *at = rd_take(&r, 4).data;
        size_t pad = r.left ? 0 : (at[3] == '=') + (at[3] == '=' && at[2] == '=');
        uint32_t bits = 0;
        for (size_t i = 0; i < 4; i++) {
            int v = i >= 4 - pad ? 0 : value_of(at[i]);
            if (v < 0) return false;
            bits = bits << 6 | (uint32_t)v;
        }
        if (pad && bits & ((1u << (8 * pad)) - 1)) return false;
        if (cap - n < 3 - pad) return false;
        for (size_t i = 0; i < 3 - pad; i++) out[n++] = (uint8_t)(bits >> (16 - 8 * i));
    }
    *len = n;
    return true;
}
