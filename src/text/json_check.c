/* The JSON validator. It runs over every document a node stores, so plain runs of strings are stepped over eight bytes at
 * a time and open containers are one bit each. */
#include "text/ascii.h"
#include "text/json.h"
#include "text/utf8.h"

struct check {
    const uint8_t *at, *end;
    unsigned flags, depth, max_depth;
    bool too_deep;
    uint64_t is_object[JSON_DEPTH_MAX / 64]; /* bit per open container; written when it is opened */
};

enum want { WANT_VALUE, WANT_VALUE_OR_END, WANT_KEY, WANT_KEY_OR_END, WANT_NEXT };

static void skip_blanks(struct check *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\r' || *c->at == '\t')) c->at++;
}

static int peek(const struct check *c)
{
    return c->at < c->end ? *c->at : -1;
}

/* ---- strings */

#define EACH(byte) (0x0101010101010101ull * (byte))

/* The high bit of each byte that is zero; bytes behind a hit may be marked too, which costs a second look only. */
static uint64_t zero_bytes(uint64_t v)
{
    return (v - EACH(1)) & ~v & EACH(0x80);
}

/* The high bit of each of the eight bytes at `at` that is special in a string; bytes in front of the first are exact. */
static uint64_t special_bytes(const uint8_t *at, uint64_t high)
{
    uint64_t v;
    memcpy(&v, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v); /* the first byte is the lowest, so that borrows run away from it */
#endif
    uint64_t control = (v - EACH(0x20)) & ~v & EACH(0x80);
    return control | zero_bytes(v ^ EACH('"')) | zero_bytes(v ^ EACH('\\')) | (v & high);
}

/* Steps over bytes that mean nothing special in a string. */
static void skip_plain(struct check *c)
{
    uint64_t high = c->flags & JSON_UTF8 ? EACH(0x80) : 0;
    while (c->end - c->at >= 8) {
        uint64_t special = special_bytes(c->at, high);
        if (special) {
            c->at += __builtin_ctzll(special) / 8;
            return;
        }
        c->at += 8;
    }
    uint8_t top = c->flags & JSON_UTF8 ? 0x80 : 0;
    while (c->at < c->end && *c->at >= 0x20 && *c->at != '"' && *c->at != '\\' && !(*c->at & top)) c->at++;
}

static bool take_hex(struct check *c)
{
    for (int i = 0; i < 4; i++, c->at++)
        if (ascii_hex(peek(c)) < 0) return false;
    return true;
}

static bool take_escape(struct check *c)
{
    c->at++;
    switch (peek(c)) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        c->at++;
        return true;
    case 'u':
        c->at++;
        return take_hex(c);
    default:
        return false;
    }
}

static bool take_sequence(struct check *c)
{
    size_t len = utf8_length(c->at, (size_t)(c->end - c->at));
    c->at += len;
    return len > 0;
}

static bool take_string(struct check *c)
{
    c->at++;
    for (;;) {
        skip_plain(c);
        int next = peek(c);
        if (next == '"') return c->at++, true;
        if (next == '\\' ? !take_escape(c) : next < 0x80 || !take_sequence(c)) return false;
    }
}

/* ---- numbers and words */

static bool take_digits(struct check *c)
{
    if (!ascii_is_digit(peek(c))) return false;
    while (ascii_is_digit(peek(c))) c->at++;
    return true;
}

static bool take_number(struct check *c)
{
    if (peek(c) == '-') c->at++;
    if (peek(c) == '0') c->at++;
    else if (!take_digits(c)) return false;
    if (peek(c) == '.' && (c->at++, !take_digits(c))) return false;
    if (peek(c) != 'e' && peek(c) != 'E') return true;
    c->at++;
    if (peek(c) == '+' || peek(c) == '-') c->at++;
    return take_digits(c);
}

static bool take_word(struct check *c, const char *word)
{
    for (; *word; word++, c->at++)
        if (peek(c) != *word) return false;
    return true;
}

/* ---- containers */

static bool in_object(const struct check *c)
{
    unsigned i = c->depth - 1;
    return c->is_object[i / 64] >> i % 64 & 1;
}

static bool open_container(struct check *c, bool object, enum want *want)
{
    if (c->depth == c->max_depth) return c->too_deep = true, false;
    unsigned i = c->depth++;
    uint64_t bit = 1ull << i % 64, *word = &c->is_object[i / 64];
    *word = i % 64 ? *word & ~bit : 0;
    if (object) *word |= bit;
    *want = object ? WANT_KEY_OR_END : WANT_VALUE_OR_END;
    c->at++;
    return true;
}

static bool take_value(struct check *c, enum want *want)
{
    *want = WANT_NEXT;
    switch (peek(c)) {
    case '{':
        return open_container(c, true, want);
    case '[':
        return open_container(c, false, want);
    case '"':
        return take_string(c);
    case 't':
        return take_word(c, "true");
    case 'f':
        return take_word(c, "false");
    case 'n':
        return take_word(c, "null");
    default:
        return take_number(c);
    }
}

static bool take_key(struct check *c, enum want *want)
{
    if (peek(c) != '"' || !take_string(c)) return false;
    skip_blanks(c);
    if (peek(c) != ':') return false;
    c->at++;
    *want = WANT_VALUE;
    return true;
}

static bool close_container(struct check *c, enum want *want)
{
    if (peek(c) != (in_object(c) ? '}' : ']')) return false;
    c->at++;
    c->depth--;
    *want = WANT_NEXT;
    return true;
}

static bool take_next(struct check *c, enum want *want)
{
    if (peek(c) != ',') return close_container(c, want);
    c->at++;
    *want = in_object(c) ? WANT_KEY : WANT_VALUE;
    return true;
}

static bool step(struct check *c, enum want *want)
{
    switch (*want) {
    case WANT_VALUE_OR_END:
        return peek(c) == ']' ? close_container(c, want) : take_value(c, want);
    case WANT_KEY_OR_END:
        return peek(c) == '}' ? close_container(c, want) : take_key(c, want);
    case WANT_KEY:
        return take_key(c, want);
    case WANT_NEXT:
        return take_next(c, want);
    case WANT_VALUE:
        break;
    }
    return take_value(c, want);
}

enum json_verdict json_check(struct divan_bytes text, unsigned flags, unsigned max_depth, size_t *error_at)
{
    struct check c;
    const uint8_t *start = text.len ? text.data : (const void *)"";
    c.at = start;
    c.end = start + text.len;
    c.flags = flags;
    c.depth = 0;
    c.max_depth = max_depth && max_depth < JSON_DEPTH_MAX ? max_depth : JSON_DEPTH_MAX;
    c.too_deep = false;
    enum want want = WANT_VALUE;
    bool ok = true;
    do {
        skip_blanks(&c);
        ok = step(&c, &want);
    } while (ok && (c.depth || want != WANT_NEXT));
    if (ok) skip_blanks(&c);
    if (ok && c.at == c.end) return JSON_VALID;
    if (error_at) *error_at = (size_t)(c.at - start);
    return c.too_deep ? JSON_TOO_DEEP : JSON_INVALID;
}
