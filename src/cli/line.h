/* A document as a line of JSON: what divan scan and divan export write and divan import reads.
 *
 *     {"key":"u:1","flags":33554438,"format":"json","value":{"n":1}}
 *     {"key":"logo","flags":50331648,"format":"base64","value_base64":"/wA=","expiry":1893456000}
 *
 * A key that is not UTF-8 stands in "key_base64". */
#ifndef DIVAN_CLI_LINE_H
#define DIVAN_CLI_LINE_H

#include <divan/divan.h>

#include "base/bytes.h"

/** Appends the line with its newline. JSON values stay byte for byte unless they have line breaks. */
void line_put(struct buf *out, const struct divan_scan_item *item, bool ids_only, bool with_cas);

struct line {
    size_t key_at, key_len, value_at, value_len; /* in the texts; no key: key_len 0 */
    uint32_t flags;
    uint64_t expiry; /* seconds since 1970, 0 = not told */
};

/** Reads one line and appends its key and its value to texts. "value" or "value_base64" is needed; without "flags" they
 * are told from the format. Unknown members are passed over. Errors: JSON_SYNTAX, USAGE (what a member lacks),
 * OUT_OF_MEMORY. */
enum divan_code line_read(struct divan_bytes text, struct buf *texts, struct line *out, struct divan_error *err);
/** A line that is the value itself, JSON: no key, no expiry. Errors: JSON_SYNTAX, OUT_OF_MEMORY. */
enum divan_code line_read_value(struct divan_bytes text, struct buf *texts, struct line *out, struct divan_error *err);

static inline struct divan_bytes line_part(const struct buf *texts, size_t at, size_t len)
{
    return bytes_slice(buf_view(texts), at, len);
}

#endif
