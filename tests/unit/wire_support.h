/* Bytes for the tests of the wire layer, written as hexadecimal text with blanks anywhere. */
#ifndef TESTS_UNIT_WIRE_SUPPORT_H
#define TESTS_UNIT_WIRE_SUPPORT_H

#include "unit/unit.h"

#include "base/bytes.h"

struct hex {
    uint8_t data[4096];
    size_t len;
};

static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline struct divan_bytes hex_read(struct hex *h, const char *text)
{
    h->len = 0;
    for (int high = -1; *text; text++) {
        int digit = hex_digit(*text);
        if (digit < 0) continue;
        if (high < 0) {
            high = digit;
        } else {
            assert_true(h->len < sizeof h->data);
            h->data[h->len++] = (uint8_t)(high << 4 | digit);
            high = -1;
        }
    }
    return bytes_of(h->data, h->len);
}

static inline void assert_hex(struct divan_bytes have, const char *want)
{
    struct hex h;
    struct divan_bytes expected = hex_read(&h, want);
    for (size_t i = 0; i < have.len && i < expected.len; i++)
        if (((const uint8_t *)have.data)[i] != h.data[i])
            fail_msg("byte %zu is %02x, expected %02x", i, ((const uint8_t *)have.data)[i], h.data[i]);
    assert_int_equal(have.len, expected.len);
}

static inline void assert_text(struct divan_bytes have, const char *want)
{
    if (!bytes_is(have, want)) fail_msg("\"%.*s\" instead of \"%s\"", (int)have.len, (const char *)have.data, want);
}

#endif
