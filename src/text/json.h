/* JSON text without a tree: validate, walk, escape. It runs over every stored document, so it makes no copies and takes
 * no memory. */
#ifndef DIVAN_TEXT_JSON_H
#define DIVAN_TEXT_JSON_H

#include "base/bytes.h"

enum json_type { JSON_NONE, JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

enum { JSON_DEPTH_MAX = 16384 }; /* open objects and arrays */

enum json_flags {
    JSON_UTF8 = 1, /* bytes in strings must be UTF-8 (shortest form, no surrogates) */
};

enum json_verdict { JSON_VALID, JSON_INVALID, JSON_TOO_DEEP };

/** Whether text is exactly one JSON value (RFC 8259, any type) with blanks around it. max_depth counts open objects and
 * arrays (0 = JSON_DEPTH_MAX, the largest allowed). On failure *error_at (may be NULL) is the offset of the first byte
 * that cannot belong to a JSON text, text.len when it ends too early. */
enum json_verdict json_check(struct divan_bytes text, unsigned flags, unsigned max_depth, size_t *error_at);
static inline bool json_is_valid(struct divan_bytes text)
{
    return json_check(text, 0, 0, NULL) == JSON_VALID;
}

/* ---- walking. Safe on any bytes: what is malformed ends the walk with `bad` set. A walk checks only what it steps over
 * loosely (brackets and strings), so check a text from outside first. */

struct json_value {
    enum json_type type;
    struct divan_bytes text; /* the value exactly as written, without blanks around it; strings with their quotes */
};

struct json_walk {
    const char *at, *end;
    bool is_object, first, bad, done;
};

/** The one value in text, blanks around it skipped; type JSON_NONE when there is none. */
struct json_value json_value_of(struct divan_bytes text);
/** The same for a text that is known to be valid JSON: it is not looked through. */
struct json_value json_value_known(struct divan_bytes text);
/** Starts a walk over an object or array; any other value gives an empty walk with bad set. */
struct json_walk json_walk_begin(struct json_value container);
/** The next member; key is the string as written, with its quotes. False at the end. */
bool json_next_member(struct json_walk *w, struct divan_bytes *key, struct json_value *value);
/** The next element of an array. False at the end. */
bool json_next_element(struct json_walk *w, struct json_value *value);
/** The first member of this name (compared unescaped); type JSON_NONE when there is none or it is no object. */
struct json_value json_member(struct json_value object, const char *name);
/** The end of the value that begins at text[from] (no blank), as an offset; 0 when it is malformed. */
size_t json_skip(struct divan_bytes text, size_t from);

/* ---- scalars */

/** Appends the content of a string value (with its quotes) unescaped, as UTF-8 (a lone surrogate becomes U+FFFD). False
 * when it is no well-formed string. */
bool json_unescape(struct divan_bytes string, struct buf *out);
/** Whether a string value (with its quotes) unescapes to name. No memory. */
bool json_string_is(struct divan_bytes string, struct divan_bytes name);
/** A whole number in range (no fraction, no exponent); false otherwise. */
bool json_to_i64(struct json_value value, int64_t *out);
bool json_to_u64(struct json_value value, uint64_t *out);

/* ---- writing */

/** Appends text as a JSON string with quotes. Bytes that are no UTF-8 become U+FFFD, so the result is always valid. */
void json_put_string(struct buf *out, struct divan_bytes text);
static inline void json_put_str(struct buf *out, const char *text)
{
    json_put_string(out, divan_str(text));
}
/** Appends a copy without the blanks between tokens. The text must be valid. */
void json_put_compact(struct buf *out, struct divan_bytes text);

#endif
