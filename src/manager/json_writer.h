/* Writing JSON text straight into a buffer: commas come by themselves, from the byte before. No state, no memory of its
 * own; a failed buffer makes every further call a no-op. */
#ifndef DIVAN_MANAGER_JSON_WRITER_H
#define DIVAN_MANAGER_JSON_WRITER_H

#include "base/bytes.h"
#include "text/json.h"

static inline void jw_comma(struct buf *b)
{
    if (!b->len) return;
    uint8_t last = b->data[b->len - 1];
    if (last != '{' && last != '[' && last != ':' && last != '\n') buf_u8(b, ',');
}
/** "key": with what is needed before it; NULL = an element of an array. Keys are plain ASCII. */
static inline void jw_key(struct buf *b, const char *key)
{
    jw_comma(b);
    if (key) buf_u8(b, '"'), buf_put_str(b, key), buf_put_str(b, "\":");
}
static inline void jw_open(struct buf *b, const char *key, char bracket)
{
    jw_key(b, key);
    buf_u8(b, (uint8_t)bracket);
}
static inline void jw_close(struct buf *b, char bracket)
{
    buf_u8(b, (uint8_t)bracket);
}
static inline void jw_str(struct buf *b, const char *key, const char *text)
{
    jw_key(b, key);
    json_put_str(b, text ? text : "");
}
static inline void jw_bytes(struct buf *b, const char *key, struct divan_bytes text)
{
    jw_key(b, key);
    json_put_string(b, text);
}
static inline void jw_int(struct buf *b, const char *key, int64_t value)
{
    jw_key(b, key);
    buf_printf(b, "%lld", (long long)value);
}
static inline void jw_uint(struct buf *b, const char *key, uint64_t value)
{
    jw_key(b, key);
    buf_printf(b, "%llu", (unsigned long long)value);
}
static inline void jw_bool(struct buf *b, const char *key, bool value)
{
    jw_key(b, key);
    buf_put_str(b, value ? "true" : "false");
}
/** A value that is JSON already. */
static inline void jw_raw(struct buf *b, const char *key, const char *json)
{
    jw_key(b, key);
    buf_put_str(b, json);
}
/** A formatted string value; the text is escaped. At most 511 bytes. */
void jw_printf(struct buf *b, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
