/* Stored values: an optional section of extended attributes, then the body; the whole perhaps compressed. The datatype
 * says which. */
#ifndef DIVAN_NODE_KV_VALUE_H
#define DIVAN_NODE_KV_VALUE_H

#include "node/kv/item.h"
#include "wire/frame.h"
#include "wire/kv.h"
#include "wire/xattrs.h"

enum { SYSTEM_XATTR_MAX = 1024 * 1024 /* attributes of the system may come on top of VALUE_MAX */ };

/** The value uncompressed: a view of the item itself when it is, else of `scratch` (cleared first). false: out of memory. */
bool item_plain_value(const struct item *, struct buf *scratch, struct divan_bytes *out);
/** The parts of an uncompressed value; the section is empty without attributes. */
void value_split(struct divan_bytes plain, uint8_t datatype, struct divan_bytes *section, struct divan_bytes *body);
/** DATATYPE_JSON when the body counts as JSON (any type, strings in UTF-8), else 0. Adds ITEM_SHALLOW to *state when it is
 * fit for subdoc_lookup_known(). */
uint8_t value_detect(struct divan_bytes body, uint8_t *state);
/** Appends what a tombstone keeps of a section: a value with the system's attributes alone, or nothing. */
void value_keep_system(struct divan_bytes section, struct buf *out);

#endif
