/* Bytes: a view to read, a cursor with a sticky error to parse, a buffer with a cap to write. Pointer arithmetic on data
 * from the network happens here and nowhere else. All integers are big-endian, as on the wire. */
#ifndef DIVAN_BASE_BYTES_H
#define DIVAN_BASE_BYTES_H

#include <divan/types.h>

/* ---- views */

static inline struct divan_bytes bytes_of(const void *data, size_t len)
{
    return (struct divan_bytes){data, len};
}
static inline bool bytes_equal(struct divan_bytes a, struct divan_bytes b)
{
    return a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool bytes_is(struct divan_bytes a, const char *text)
{
    return bytes_equal(a, divan_str(text));
}
/** Unsigned byte order, shorter first on a tie: <0, 0, >0. */
int bytes_compare(struct divan_bytes a, struct divan_bytes b);
/** The part from `from` (clamped) of at most len bytes. */
struct divan_bytes bytes_slice(struct divan_bytes a, size_t from, size_t len);

static inline uint16_t get_u16be(const void *at)
{
    const uint8_t *p = at;
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t get_u32be(const void *at)
{
    const uint8_t *p = at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t get_u64be(const void *at)
{
    return (uint64_t)get_u32be(at) << 32 | get_u32be((const uint8_t *)at + 4);
}
static inline void put_u16be(void *at, uint16_t v)
{
    uint8_t *p = at;
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void put_u32be(void *at, uint32_t v)
{
    put_u16be(at, (uint16_t)(v >> 16));
    put_u16be((uint8_t *)at + 2, (uint16_t)v);
}
static inline void put_u64be(void *at, uint64_t v)
{
    put_u32be(at, (uint32_t)(v >> 32));
    put_u32be((uint8_t *)at + 4, (uint32_t)v);
}

/* ---- reading cursor: a short read sticks; check once at the end with rd_ok() */

struct rd {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static inline struct rd rd_from(struct divan_bytes view)
{
    return (struct rd){view.data, view.len, false};
}
static inline bool rd_ok(const struct rd *r)
{
    return !r->bad;
}
/** n bytes as a view into the source; the empty view when fewer are left. */
static inline struct divan_bytes rd_take(struct rd *r, size_t n)
{
    if (r->bad || n > r->left) {
        r->bad = true;
        return (struct divan_bytes){NULL, 0};
    }
    struct divan_bytes out = {r->at, n};
    if (n) r->at += n, r->left -= n;
    return out;
}
static inline struct divan_bytes rd_rest(struct rd *r)
{
    return rd_take(r, r->left);
}
static inline uint8_t rd_u8(struct rd *r)
{
    struct divan_bytes b = rd_take(r, 1);
    return b.data ? *(const uint8_t *)b.data : 0;
}
static inline uint16_t rd_u16be(struct rd *r)
{
    struct divan_bytes b = rd_take(r, 2);
    return b.data ? get_u16be(b.data) : 0;
}
static inline uint32_t rd_u32be(struct rd *r)
{
    struct divan_bytes b = rd_take(r, 4);
    return b.data ? get_u32be(b.data) : 0;
}
static inline uint64_t rd_u64be(struct rd *r)
{
    struct divan_bytes b = rd_take(r, 8);
    return b.data ? get_u64be(b.data) : 0;
}

/* ---- growing buffer: {.limit = n} is a valid empty one (0 = no limit, avoid it for data from outside). A failed growth
 * (limit or memory) sticks in `failed`, later puts do nothing, so one check at the end is enough. */

struct buf {
    uint8_t *data;
    size_t len, cap, limit;
    bool failed;
};

void buf_fini(struct buf *b); /**< frees the memory and leaves an empty buffer */
static inline void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}
static inline struct divan_bytes buf_view(const struct buf *b)
{
    return (struct divan_bytes){b->data, b->len};
}
bool buf_reserve_slow(struct buf *b, size_t more);
/** Room for `more` bytes behind the content; false (and b->failed) when it cannot be had. */
static inline bool buf_reserve(struct buf *b, size_t more)
{
    return (!b->failed && more <= b->cap - b->len) || buf_reserve_slow(b, more);
}
/** Appends n uninitialised bytes and returns them; NULL on failure. Valid until the next growth. */
static inline uint8_t *buf_grow(struct buf *b, size_t n)
{
    if (!buf_reserve(b, n)) return NULL;
    uint8_t *at = b->data ? b->data + b->len : NULL; /* nothing appended to an empty buffer */
    b->len += n;
    return at;
}
static inline void buf_put(struct buf *b, const void *data, size_t n)
{
    uint8_t *at = n ? buf_grow(b, n) : NULL;
    if (at) memcpy(at, data, n);
}
static inline void buf_put_bytes(struct buf *b, struct divan_bytes view)
{
    buf_put(b, view.data, view.len);
}
static inline void buf_put_str(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}
static inline void buf_u8(struct buf *b, uint8_t v)
{
    buf_put(b, &v, 1);
}
static inline void buf_u16be(struct buf *b, uint16_t v)
{
    uint8_t *at = buf_grow(b, 2);
    if (at) put_u16be(at, v);
}
static inline void buf_u32be(struct buf *b, uint32_t v)
{
    uint8_t *at = buf_grow(b, 4);
    if (at) put_u32be(at, v);
}
static inline void buf_u64be(struct buf *b, uint64_t v)
{
    uint8_t *at = buf_grow(b, 8);
    if (at) put_u64be(at, v);
}
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_drop_front(struct buf *b, size_t n); /**< removes the first n bytes */
/** Appends a NUL that is not counted in len and returns the text; NULL on failure. */
char *buf_text(struct buf *b);
/** Hands the memory over (NUL-terminated, mem_free() it) and leaves the buffer empty; NULL on failure. */
char *buf_take_text(struct buf *b);

#endif
