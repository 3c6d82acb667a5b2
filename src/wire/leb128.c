#include "wire/leb128.h"

enum leb128_verdict leb128_take(struct rd *r, uint32_t *value)
{
    uint32_t sum = 0;
    const uint8_t *at = r->at;
    for (size_t i = 0; !r->bad && i < LEB128_MAX && i < r->left; i++) {
        uint8_t byte = at[i];
        sum |= (uint32_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80) continue;
        if (i && !byte) break; /* a last byte of zero adds nothing */
        rd_take(r, i + 1);
        *value = sum;
        return i == LEB128_MAX - 1 && byte > 0x0f ? LEB128_OVERFLOW : LEB128_OK;
    }
    bool ended = false;
    for (size_t i = 0; !r->bad && i < LEB128_MAX && i < r->left && !ended; i++) ended = !(at[i] & 0x80);
    r->bad = true;
    return ended ? LEB128_OVERLONG : LEB128_UNFINISHED;
}

void leb128_append(struct buf *out, uint32_t value)
{
    uint8_t bytes[LEB128_MAX];
    buf_put(out, bytes, leb128_put(bytes, value));
}
