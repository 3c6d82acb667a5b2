/* Character classes of ASCII, whatever the locale. */
#ifndef DIVAN_TEXT_ASCII_H
#define DIVAN_TEXT_ASCII_H

#include <stdbool.h>
#include <stddef.h>

static inline bool ascii_is_digit(int c)
{
    return c >= '0' && c <= '9';
}
static inline int ascii_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}
static inline bool ascii_is_letter(int c)
{
    return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
}
/** 0..15, or -1 when it is no hexadecimal digit. */
static inline int ascii_hex(int c)
{
    if (ascii_is_digit(c)) return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
static inline bool ascii_equal(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len) return false;
    for (size_t i = 0; i < a_len; i++)
        if (ascii_lower((unsigned char)a[i]) != ascii_lower((unsigned char)b[i])) return false;
    return true;
}

#endif
