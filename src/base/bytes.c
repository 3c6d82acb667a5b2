#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"

enum { FIRST_CAP = 256 };

int bytes_compare(struct divan_bytes a, struct divan_bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

struct divan_bytes bytes_slice(struct divan_bytes a, size_t from, size_t len)
{
    if (from > a.len) from = a.len;
    if (len > a.len - from) len = a.len - from;
    return bytes_of(len ? (const uint8_t *)a.data + from : NULL, len);
}

void buf_fini(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.limit = b->limit};
}

bool buf_reserve_slow(struct buf *b, size_t more)
{
    size_t limit = b->limit ? b->limit : SIZE_MAX / 2;
    if (b->failed || more > limit || b->len > limit - more) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + more, cap = b->cap ? b->cap : FIRST_CAP;
    if (need <= b->cap) return true;
    while (cap < need) cap *= 2;
    if (cap > limit) cap = limit;
    uint8_t *data = mem_realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0) b->failed = true;
    else if (buf_reserve(b, (size_t)n + 1)) {
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_drop_front(struct buf *b, size_t n)
{
    if (n >= b->len) b->len = 0;
    else if (n) {
        memmove(b->data, b->data + n, b->len - n);
        b->len -= n;
    }
}

char *buf_text(struct buf *b)
{
    if (!buf_reserve(b, 1)) return NULL;
    b->data[b->len] = 0;
    return (char *)b->data;
}

char *buf_take_text(struct buf *b)
{
    char *text = buf_text(b);
    if (text) *b = (struct buf){.limit = b->limit};
    return text;
}
