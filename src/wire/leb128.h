/* Unsigned LEB128 of 32-bit numbers: collection ids before keys, lengths in range-scan streams. */
#ifndef DIVAN_WIRE_LEB128_H
#define DIVAN_WIRE_LEB128_H

#include "base/bytes.h"

enum { LEB128_MAX = 5 };

enum leb128_verdict {
    LEB128_OK,
    LEB128_UNFINISHED, /* the input, or the first five bytes, have no last byte */
    LEB128_OVERLONG,   /* longer than needed: not canonical */
    LEB128_OVERFLOW,   /* above 32 bits; *value has the bits that fit (the measured server uses them) */
};

/** Takes one number from the front of *r. On UNFINISHED and OVERLONG nothing is taken and r->bad is set. */
enum leb128_verdict leb128_take(struct rd *r, uint32_t *value);
/** Writes 1..5 bytes to `out` and returns how many. */
static inline size_t leb128_put(uint8_t out[LEB128_MAX], uint32_t value)
{
    size_t n = 0;
    for (; value > 0x7f; value >>= 7) out[n++] = (uint8_t)(value | 0x80);
    out[n++] = (uint8_t)value;
    return n;
}
void leb128_append(struct buf *out, uint32_t value);

#endif
