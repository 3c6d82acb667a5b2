/* The section of extended attributes in front of a body (DATATYPE_XATTR): a length, then pairs, each with its own length,
 * of key NUL value NUL. */
#ifndef DIVAN_WIRE_XATTRS_H
#define DIVAN_WIRE_XATTRS_H

#include "base/bytes.h"

struct xattr {
    struct divan_bytes key, value; /* value is JSON, not checked here */
};

/** Splits section and body. false: the length does not fit, or a pair is malformed, or a key is empty or occurs twice. */
bool xattrs_split(struct divan_bytes document, struct divan_bytes *section, struct divan_bytes *body);
/** Takes the next pair of a section (as xattrs_split gives it, without its length); false at the end or when malformed. */
bool xattrs_next(struct rd *r, struct xattr *out);
/** The value of a key; false when it is not there. */
bool xattrs_find(struct divan_bytes section, struct divan_bytes key, struct divan_bytes *value);

/** Appends one pair. out->failed: empty key, or a NUL in it. */
void xattrs_put(struct buf *out, struct divan_bytes key, struct divan_bytes value);
/** Appends `section` with key set to value ({NULL, 0} = removed); others keep place and bytes, a new one comes last. */
void xattrs_replace(struct buf *out, struct divan_bytes section, struct divan_bytes key, struct divan_bytes value);
/** Appends length, section and body: the document with DATATYPE_XATTR. An empty section is nothing but the body: give it
 * no such datatype then. */
void xattrs_join(struct buf *out, struct divan_bytes section, struct divan_bytes body);

/** System attributes survive the deletion of their document. */
static inline bool xattrs_is_system(struct divan_bytes key)
{
    return key.len && *(const char *)key.data == '_';
}
/** Appends only the system attributes of a section. */
void xattrs_keep_system(struct buf *out, struct divan_bytes section);

#endif
