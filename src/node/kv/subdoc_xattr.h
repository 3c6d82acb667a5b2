/* Extended attributes as sub-document commands see them: stored ones, those the server makes up, macros in values. */
#ifndef DIVAN_NODE_KV_SUBDOC_XATTR_H
#define DIVAN_NODE_KV_SUBDOC_XATTR_H

#include "node/kv/ops.h"
#include "wire/pathop.h"

static inline struct divan_bytes spec_key(const struct pathop *s) /* of a checked attribute path */
{
    struct divan_bytes key = {0};
    pathop_xattr_key(s->path, &key);
    return key;
}
static inline bool spec_is_virtual(const struct pathop *s)
{
    return (s->flags & PATHOP_XATTR) && *(const char *)s->path.data == '$';
}

/* The document before a change, for what the server tells about it; item NULL = there was none. */
struct document_view {
    const struct vbucket *vbucket;
    const struct item *item;
    struct divan_bytes section, body; /* of the item, uncompressed */
    const struct kv_clock *clock;
};

/** Sums of pairs that belong to the system, and of all others. */
void xattr_sizes(struct divan_bytes section, size_t *system, size_t *user);

/** Appends {"$document":{...}} or whichever virtual attribute key names, as an object with that one member. False:
 * nobody knows it. */
bool xattr_virtual(const struct document_view *, struct divan_bytes key, bool sees_system, struct buf *out);

/* What a mutation will have been, for macros. */
struct mutation_facts {
    uint64_t cas, seqno;
    uint32_t crc32c;
    bool wants_crc; /* a macro asked for crc32c: it is set when the body is known */
};

/** Whether a value is a macro at all; SUCCESS, or XATTR_UNKNOWN_MACRO. */
enum status macro_check(struct divan_bytes value);
/** Appends what a macro stands for. SUCCESS, XATTR_UNKNOWN_VATTR_MACRO, ENOMEM. */
enum status macro_expand(const struct document_view *, struct mutation_facts *, struct divan_bytes value,
                         struct buf *out);

/** Appends `value` with the members of objects sorted by name and without blanks: how attributes are kept. */
void xattr_normalise(struct divan_bytes value, struct buf *out);

/** CRC-32C of a body. */
uint32_t crc32c_of(struct divan_bytes);

#endif
