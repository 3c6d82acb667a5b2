/* Snappy, both ways, with limits. Values on the wire are raw snappy blocks (no framing format). */
#ifndef DIVAN_WIRE_COMPRESS_H
#define DIVAN_WIRE_COMPRESS_H

#include "base/bytes.h"

enum {
    COMPRESS_MIN_SIZE = 32,      /* a client does not try below (default of an option) */
    COMPRESS_MIN_RATIO_PCT = 83, /* and sends plain when more than this remains (default of an option) */
    INFLATE_MAX = 30 * 1024 * 1024,
};

/** Appends the compressed form when it is at most ratio_pct % of the input; else appends nothing and returns false (also
 * when memory is short: sending it plain is always right). */
bool value_compress(struct divan_bytes value, unsigned ratio_pct, struct buf *out);
/** Appends the inflated form. FRAME_COMPRESSION: not snappy, or larger than max once inflated (nothing is allocated for
 * it). OUT_OF_MEMORY. */
enum divan_code value_inflate(struct divan_bytes compressed, size_t max, struct buf *out, struct divan_error *err);
/** The inflated length without inflating; false when it is not snappy. The content is not checked. */
bool value_inflated_len(struct divan_bytes compressed, size_t *len);
/** Whether it would inflate, without memory. */
bool value_is_compressed(struct divan_bytes compressed, size_t max);

#endif
