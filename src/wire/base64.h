/* Base64 with padding (RFC 4648), strict. */
#ifndef DIVAN_WIRE_BASE64_H
#define DIVAN_WIRE_BASE64_H

#include "base/bytes.h"

void base64_append(struct buf *out, struct divan_bytes data);
/** Decodes all of text to at most cap bytes; false (nothing written to *len) on any other character, missing or wrong
 * padding, non-zero spare bits, or too little room. The empty text is the empty value. */
bool base64_decode_into(struct divan_bytes text, uint8_t *out, size_t cap, size_t *len);

#endif
