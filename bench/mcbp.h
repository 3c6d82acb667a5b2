/* The few bytes of the memcached binary protocol that a bare loop needs. On purpose not the library's codec: the floor is
 * what a program without any library would do. */
#ifndef BENCH_MCBP_H
#define BENCH_MCBP_H

#include <stdint.h>
#include <string.h>

enum { HEADER = 24 };
enum {
    OP_GET = 0x00,
    OP_SET = 0x01,
    OP_NOOP = 0x0a,
    OP_HELLO = 0x1f,
    OP_SASL_MECHS = 0x20,
    OP_SASL_AUTH = 0x21,
    OP_SASL_STEP = 0x22,
    OP_SELECT_BUCKET = 0x89,
    OP_CLUSTER_CONFIG = 0xb5,
    OP_MANIFEST = 0xba,
    OP_COLLECTION_ID = 0xbb,
    OP_ERROR_MAP = 0xfe,
};

static inline uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t load32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}
static inline void store16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v;
}
static inline void store32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}

/** Writes a request header; the caller appends extras, key and value of these lengths. Returns HEADER. */
static inline size_t put_request(uint8_t *out, uint8_t op, uint16_t vbucket, size_t extras, size_t key, size_t value)
{
    memset(out, 0, HEADER);
    out[0] = 0x80, out[1] = op;
    store16(out + 2, (unsigned)key);
    out[4] = (uint8_t)extras;
    store16(out + 6, vbucket);
    store32(out + 8, (uint32_t)(extras + key + value));
    return HEADER;
}

#endif
