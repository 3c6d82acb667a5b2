#include "text/duration.h"

#include <stdio.h>

#include "text/ascii.h"

enum { MS_NS = 1000000 };

struct scan {
    const char *text;
    size_t len, at;
};

static int peek(const struct scan *s)
{
    return s->at < s->len ? (unsigned char)s->text[s->at] : -1;
}

/* Longest first, so that "ms" is not read as "m". Both code points people type for micro are known. */
static const struct unit {
    const char *name;
    uint64_t ns;
} units[] = {
    {"ns", 1},     {"us", 1000},      {"\xc2\xb5s", 1000},       {"\xce\xbcs", 1000},
    {"ms", MS_NS}, {"s", 1000000000}, {"m", 60ull * 1000000000}, {"h", 3600ull * 1000000000},
};

static uint64_t take_unit(struct scan *s)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t len = strlen(units[i].name);
        if (s->len - s->at < len || memcmp(s->text + s->at, units[i].name, len) != 0) continue;
        s->at += len;
        return units[i].ns;
    }
    return 0;
}

struct number {
    uint64_t whole, fraction, scale; /* fraction / scale < 1 */
    bool has_fraction;
};

/* Digits beyond the 18th of a fraction are far below a nanosecond of an hour and are dropped. */
static bool take_number(struct scan *s, struct number *out)
{
    size_t digits = 0;
    *out = (struct number){.scale = 1};
    for (; ascii_is_digit(peek(s)); s->at++, digits++)
        if (__builtin_mul_overflow(out->whole, 10, &out->whole) ||
            __builtin_add_overflow(out->whole, (uint64_t)(peek(s) - '0'), &out->whole))
            return false;
    if (peek(s) == '.') {
        out->has_fraction = true;
        for (s->at++; ascii_is_digit(peek(s)); s->at++, digits++)
            if (out->scale < 1000000000000000000ull) {
                out->fraction = out->fraction * 10 + (uint64_t)(peek(s) - '0');
                out->scale *= 10;
            }
    }
    return digits > 0;
}

static bool add_part(uint64_t *total, const struct number *n, uint64_t unit)
{
    uint64_t whole, part = (uint64_t)((unsigned __int128)n->fraction * unit / n->scale);
    return !__builtin_mul_overflow(n->whole, unit, &whole) && !__builtin_add_overflow(whole, part, &whole) &&
           !__builtin_add_overflow(*total, whole, total);
}

static bool parse_parts(struct scan *s, uint64_t *total)
{
    size_t parts = 0;
    for (; s->at < s->len; parts++) {
        size_t start = s->at;
        struct number n;
        if (!take_number(s, &n)) return false;
        bool bare = s->at == s->len && parts == 0 && !n.has_fraction;
        uint64_t unit = bare ? MS_NS : take_unit(s);
        if (!unit) return false;
        if (!add_part(total, &n, unit)) return s->at = start, false;
    }
    return parts > 0;
}

bool duration_parse(struct divan_bytes text, int64_t *ns, size_t *error_at)
{
    struct scan s = {text.data, text.len, 0};
    bool negative = peek(&s) == '-';
    if (negative || peek(&s) == '+') s.at++;
    uint64_t total = 0;
    bool ok = parse_parts(&s, &total);
    if (ok && total > (uint64_t)INT64_MAX + negative) ok = false, s.at = 0;
    if (!ok) {
        if (error_at) *error_at = s.at;
        return false;
    }
    *ns = (int64_t)(negative ? 0 - total : total);
    return true;
}

/* Appends value / 10^decimals with trailing zeros of the fraction removed. */
static int put_decimal(char *out, size_t cap, uint64_t value, int decimals, const char *unit)
{
    uint64_t scale = 1;
    for (int i = 0; i < decimals; i++) scale *= 10;
    uint64_t fraction = value % scale;
    if (!fraction) return snprintf(out, cap, "%llu%s", (unsigned long long)(value / scale), unit);
    for (; fraction % 10 == 0; decimals--) fraction /= 10;
    return snprintf(out, cap, "%llu.%0*llu%s", (unsigned long long)(value / scale), decimals,
                    (unsigned long long)fraction, unit);
}

void duration_format(int64_t ns, char out[DURATION_TEXT])
{
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    size_t n = 0;
    if (ns < 0) out[n++] = '-';
    if (left == 0) snprintf(out, DURATION_TEXT, "0s");
    else if (left < 1000) put_decimal(out + n, DURATION_TEXT - n, left, 0, "ns");
    else if (left < MS_NS) put_decimal(out + n, DURATION_TEXT - n, left, 3, "us");
    else if (left < 1000000000) put_decimal(out + n, DURATION_TEXT - n, left, 6, "ms");
    else {
        uint64_t hours = left / (3600ull * 1000000000), minutes = left / (60ull * 1000000000) % 60;
        uint64_t rest = left % (60ull * 1000000000);
        if (hours) n += (size_t)put_decimal(out + n, DURATION_TEXT - n, hours, 0, "h");
        if (minutes) n += (size_t)put_decimal(out + n, DURATION_TEXT - n, minutes, 0, "m");
        if (rest) put_decimal(out + n, DURATION_TEXT - n, rest, 9, "s");
    }
}
