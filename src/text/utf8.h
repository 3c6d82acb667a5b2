/* UTF-8: the shortest form only, no surrogates, nothing above U+10FFFF. */
#ifndef DIVAN_TEXT_UTF8_H
#define DIVAN_TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>

/** Length of the well-formed sequence at text (1..4), 0 when there is none. left >= 1. */
static inline size_t utf8_length(const uint8_t *text, size_t left)
{
    uint8_t c = text[0];
    if (c < 0x80) return 1;
    size_t len = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (!len || len > left) return 0;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80, high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (text[1] < low || text[1] > high) return 0;
    for (size_t i = 2; i < len; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    return len;
}
/** Writes a code point and returns its length; surrogates and what is too large become U+FFFD. */
static inline size_t utf8_put(uint32_t code, char out[4])
{
    if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) code = 0xfffd;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((len == 2 ? 0xc0 : len == 3 ? 0xe0 : 0xf0) | code);
    return len;
}

#endif
