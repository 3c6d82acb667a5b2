/* Stored values: an optional block of extended attributes, then the body; the whole perhaps compressed. The datatype says
 * which. Block: u32 length of all pairs, then pairs of u32 length, key NUL value NUL. */
#ifndef DIVAN_NODE_KV_VALUE_H
#define DIVAN_NODE_KV_VALUE_H

#include "node/kv/item.h"
#include "wire/frame.h"
#include "wire/kv.h"

enum { SYSTEM_XATTR_MAX = 1024 * 1024 /* attributes of the system may come on top of VALUE_MAX */ };

/** Whether an uncompressed value begins with a well-formed attribute block. */
bool xattr_is_valid(struct divan_bytes value);
/** The attribute block of an uncompressed value with the XATTR datatype, length word included; empty when broken. */
struct divan_bytes xattr_block(struct divan_bytes value);
/** What follows the block. */
struct divan_bytes xattr_body(struct divan_bytes value);

struct xattr_pair {
    struct divan_bytes key, value;
};
struct xattr_walk {
    struct rd rest;
};
struct xattr_walk xattr_walk_begin(struct divan_bytes block);
bool xattr_next(struct xattr_walk *, struct xattr_pair *out);
static inline bool xattr_is_system(struct divan_bytes key)
{
    return key.len && *(const char *)key.data == '_';
}
/** Appends a block of those pairs that belong to the system; nothing when there are none. */
void xattr_keep_system(struct divan_bytes block, struct buf *out);

/** The value uncompressed: a view of the item itself when it is, else of `scratch` (cleared first). false: out of memory. */
bool item_plain_value(const struct item *, struct buf *scratch, struct divan_bytes *out);

#endif
