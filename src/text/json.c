#include "text/json.h"

#include "text/ascii.h"
#include "text/utf8.h"

/* ---- walking */

/* What a byte means between tokens. */
enum byte_class { PLAIN, BLANK, COMMA_OR_COLON, QUOTE, OPENS, CLOSES };

static const uint8_t classes[256] = {
    [' '] = BLANK, ['\n'] = BLANK, ['\r'] = BLANK, ['\t'] = BLANK, [','] = COMMA_OR_COLON, [':'] = COMMA_OR_COLON,
    ['"'] = QUOTE, ['{'] = OPENS,  ['['] = OPENS,  ['}'] = CLOSES, [']'] = CLOSES,
};

static enum byte_class class_of(char c)
{
    return classes[(unsigned char)c];
}
static bool is_blank(char c)
{
    return class_of(c) == BLANK;
}

static const char *after_blanks(const char *at, const char *end)
{
    while (at < end && is_blank(*at)) at++;
    return at;
}

#define EACH(byte) (0x0101010101010101ull * (byte))

/* The first quote or backslash from `at` on, eight bytes at a time; end when there is none. */
static const char *find_quote_or_escape(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t v;
        memcpy(&v, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        v = __builtin_bswap64(v); /* the first byte is the lowest, so that borrows run away from it */
#endif
        uint64_t quote = v ^ EACH('"'), escape = v ^ EACH('\\');
        uint64_t hits = (((quote - EACH(1)) & ~quote) | ((escape - EACH(1)) & ~escape)) & EACH(0x80);
        if (hits) return at + __builtin_ctzll(hits) / 8;
    }
    while (at < end && *at != '"' && *at != '\\') at++;
    return at;
}

/* Behind the closing quote of the string at `at`, NULL when it has none. */
static const char *after_string(const char *at, const char *end)
{
    for (at = find_quote_or_escape(at + 1, end); at < end && *at == '\\';)
        at = end - at > 2 ? find_quote_or_escape(at + 2, end) : end;
    return at < end ? at + 1 : NULL;
}

static const char *after_container(const char *at, const char *end)
{
    size_t depth = 0;
    while (at < end) {
        enum byte_class class = class_of(*at);
        if (class == QUOTE) {
            if (!(at = after_string(at, end))) return NULL;
            continue;
        }
        if (class == OPENS) depth++;
        if (class == CLOSES && --depth == 0) return at + 1;
        at++;
    }
    return NULL;
}

static const char *after_scalar(const char *at, const char *end)
{
    const char *start = at;
    while (at < end && *at && class_of(*at) == PLAIN) at++;
    return at > start ? at : NULL;
}

static const char *after_value(const char *at, const char *end)
{
    if (at >= end) return NULL;
    if (*at == '"') return after_string(at, end);
    if (*at == '{' || *at == '[') return after_container(at, end);
    return after_scalar(at, end);
}

size_t json_skip(struct divan_bytes text, size_t from)
{
    const char *start = text.data;
    if (from >= text.len) return 0;
    const char *after = after_value(start + from, start + text.len);
    return after ? (size_t)(after - start) : 0;
}

static enum json_type type_of(char c)
{
    switch (c) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return c == '-' || ascii_is_digit(c) ? JSON_NUMBER : JSON_NONE;
    }
}

/* The value at `at`; type JSON_NONE when there is none. */
static struct json_value value_at(const char *at, const char *end)
{
    const char *after = after_value(at, end);
    struct json_value value = {0};
    if (!after || !(value.type = type_of(*at))) return (struct json_value){0};
    value.text = bytes_of(at, (size_t)(after - at));
    return value;
}

struct json_value json_value_of(struct divan_bytes text)
{
    if (!text.len) return (struct json_value){0};
    const char *end = (const char *)text.data + text.len, *at = after_blanks(text.data, end);
    struct json_value value = value_at(at, end);
    if (value.type && after_blanks(at + value.text.len, end) != end) return (struct json_value){0};
    return value;
}

struct json_value json_value_known(struct divan_bytes text)
{
    const char *at = text.data, *end = at + text.len;
    at = after_blanks(at, end);
    while (end > at && is_blank(end[-1])) end--;
    struct json_value value = {.type = at < end ? type_of(*at) : JSON_NONE, .text = {at, (size_t)(end - at)}};
    return value;
}

struct json_walk json_walk_begin(struct json_value container)
{
    bool ok = (container.type == JSON_OBJECT || container.type == JSON_ARRAY) && container.text.len >= 2;
    if (!ok) return (struct json_walk){.bad = true, .done = true};
    const char *start = container.text.data;
    return (struct json_walk){start + 1, start + container.text.len - 1, container.type == JSON_OBJECT, true, false,
                              false};
}

static bool stop(struct json_walk *w, bool bad)
{
    w->done = true;
    w->bad |= bad;
    return false;
}

/* Before the next entry; false at the end. */
static bool reach_entry(struct json_walk *w)
{
    if (w->done) return false;
    w->at = after_blanks(w->at, w->end);
    if (w->first) {
        w->first = false;
        return w->at < w->end ? true : stop(w, false);
    }
    if (w->at == w->end) return stop(w, false);
    if (*w->at != ',') return stop(w, true);
    w->at = after_blanks(w->at + 1, w->end);
    return w->at < w->end ? true : stop(w, true);
}

static bool take_value(struct json_walk *w, struct json_value *value)
{
    struct json_value found = value_at(w->at, w->end);
    if (!found.type) return stop(w, true);
    w->at += found.text.len;
    *value = found;
    return true;
}

bool json_next_member(struct json_walk *w, struct divan_bytes *key, struct json_value *value)
{
    if (!w->is_object && !w->done) return stop(w, true);
    if (!reach_entry(w)) return false;
    const char *after = *w->at == '"' ? after_string(w->at, w->end) : NULL;
    const char *colon = after ? after_blanks(after, w->end) : w->end;
    if (colon == w->end || *colon != ':') return stop(w, true);
    struct divan_bytes name = bytes_of(w->at, (size_t)(after - w->at));
    w->at = after_blanks(colon + 1, w->end);
    if (!take_value(w, value)) return false;
    *key = name;
    return true;
}

bool json_next_element(struct json_walk *w, struct json_value *value)
{
    if (w->is_object && !w->done) return stop(w, true);
    return reach_entry(w) && take_value(w, value);
}

struct json_value json_member(struct json_value object, const char *name)
{
    struct json_walk w = json_walk_begin(object);
    struct divan_bytes key;
    struct json_value value;
    while (json_next_member(&w, &key, &value))
        if (json_string_is(key, divan_str(name))) return value;
    return (struct json_value){0};
}

/* ---- strings */

struct unescaper {
    const char *at, *end;
    bool bad;
};

static bool unescape_begin(struct unescaper *u, struct divan_bytes string)
{
    const char *text = string.data;
    if (string.len < 2 || text[0] != '"' || text[string.len - 1] != '"') return false;
    *u = (struct unescaper){text + 1, text + string.len - 1, false};
    return true;
}

static bool take_unit(struct unescaper *u, uint32_t *unit)
{
    if (u->end - u->at < 4) return false;
    *unit = 0;
    for (int i = 0; i < 4; i++) {
        int digit = ascii_hex((unsigned char)u->at[i]);
        if (digit < 0) return false;
        *unit = *unit << 4 | (uint32_t)digit;
    }
    u->at += 4;
    return true;
}

/* Behind "\u". A high surrogate takes the low one that follows with it; alone it is replaced. */
static bool take_code_point(struct unescaper *u, uint32_t *code)
{
    uint32_t low;
    if (!take_unit(u, code)) return false;
    if (*code < 0xd800 || *code > 0xdbff || u->end - u->at < 6 || u->at[0] != '\\' || u->at[1] != 'u') return true;
    struct unescaper ahead = {u->at + 2, u->end, false};
    if (!take_unit(&ahead, &low) || low < 0xdc00 || low > 0xdfff) return true;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    u->at = ahead.at;
    return true;
}

/* The next piece: a run of plain bytes as a view, or one escape in out. Empty at the end or when bad. */
static struct divan_bytes unescape_next(struct unescaper *u, char out[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *start = u->at;
    while (u->at < u->end && *u->at != '\\' && *u->at != '"') u->at++;
    if (u->at > start) return bytes_of(start, (size_t)(u->at - start));
    if (u->at == u->end) return bytes_of(NULL, 0);
    uint32_t code = 0;
    const char *known = NULL;
    u->bad = *u->at == '"' || u->end - u->at < 2;
    if (!u->bad) {
        char kind = u->at[1];
        u->at += 2;
        if (kind == 'u') u->bad = !take_code_point(u, &code);
        else if ((known = kind ? strchr(from, kind) : NULL)) code = (unsigned char)to[known - from];
        else u->bad = true;
    }
    return u->bad ? bytes_of(NULL, 0) : bytes_of(out, utf8_put(code, out));
}

bool json_unescape(struct divan_bytes string, struct buf *out)
{
    struct unescaper u;
    char scratch[4];
    if (!unescape_begin(&u, string)) return false;
    for (;;) {
        struct divan_bytes piece = unescape_next(&u, scratch);
        if (!piece.len) return !u.bad;
        buf_put_bytes(out, piece);
    }
}

bool json_string_is(struct divan_bytes string, struct divan_bytes name)
{
    struct unescaper u;
    char scratch[4];
    if (!unescape_begin(&u, string)) return false;
    if (!memchr(string.data, '\\', string.len)) return bytes_equal(bytes_slice(string, 1, string.len - 2), name);
    for (size_t at = 0;;) {
        struct divan_bytes piece = unescape_next(&u, scratch);
        if (!piece.len) return !u.bad && at == name.len;
        if (!bytes_equal(piece, bytes_slice(name, at, piece.len))) return false;
        at += piece.len;
    }
}

/* ---- numbers */

/* Digits only, with a sign taken off by the caller. */
static bool read_digits(const char *at, size_t len, uint64_t *out)
{
    uint64_t value = 0;
    if (!len) return false;
    for (size_t i = 0; i < len; i++)
        if (!ascii_is_digit(at[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(at[i] - '0'), &value))
            return false;
    *out = value;
    return true;
}

bool json_to_u64(struct json_value value, uint64_t *out)
{
    return value.type == JSON_NUMBER && read_digits(value.text.data, value.text.len, out);
}

bool json_to_i64(struct json_value value, int64_t *out)
{
    if (value.type != JSON_NUMBER) return false;
    const char *text = value.text.data;
    bool negative = *text == '-';
    uint64_t magnitude;
    if (!read_digits(text + negative, value.text.len - negative, &magnitude)) return false;
    if (magnitude > (uint64_t)INT64_MAX + negative) return false;
    *out = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

/* ---- writing */

static void put_escape(struct buf *out, uint8_t c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        buf_u8(out, '\\');
        buf_u8(out, (uint8_t)to[known - from]);
    } else buf_printf(out, "\\u%04x", c);
}

static bool needs_escape(uint8_t c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

void json_put_string(struct buf *out, struct divan_bytes text)
{
    const uint8_t *p = text.data;
    buf_u8(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t from = i, len = 1;
        while (i < text.len && !needs_escape(p[i]) && (len = utf8_length(p + i, text.len - i))) i += len;
        buf_put(out, p + from, i - from);
        if (i == text.len) break;
        if (needs_escape(p[i])) put_escape(out, p[i]);
        else buf_put_str(out, "\xef\xbf\xbd");
        i++;
    }
    buf_u8(out, '"');
}

void json_put_compact(struct buf *out, struct divan_bytes text)
{
    if (!text.len) return;
    const char *at = text.data, *end = at + text.len;
    while ((at = after_blanks(at, end)) < end) {
        const char *from = at;
        while (at && at < end && !is_blank(*at)) at = *at == '"' ? after_string(at, end) : at + 1;
        if (!at) at = end; /* an open string: not valid, keep what is there */
        buf_put(out, from, (size_t)(at - from));
    }
}
