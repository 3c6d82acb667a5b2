#include "node/kv/value.h"

#include "text/subdoc.h"
#include "wire/compress.h"

bool item_plain_value(const struct item *i, struct buf *scratch, struct divan_bytes *out)
{
    *out = item_value(i);
    if (!(i->datatype & DATATYPE_SNAPPY)) return true;
    buf_clear(scratch);
    if (value_inflate(*out, INFLATE_MAX, scratch, NULL)) return false;
    *out = buf_view(scratch);
    return true;
}

void value_split(struct divan_bytes plain, uint8_t datatype, struct divan_bytes *section, struct divan_bytes *body)
{
    *section = (struct divan_bytes){0};
    *body = plain;
    if ((datatype & DATATYPE_XATTR) && !xattrs_split(plain, section, body))
        *section = (struct divan_bytes){0}, *body = plain;
}

void value_keep_system(struct divan_bytes section, struct buf *out)
{
    size_t start = out->len;
    buf_u32be(out, 0);
    xattrs_keep_system(out, section);
    if (out->failed) return;
    if (out->len == start + 4) out->len = start;
    else put_u32be(out->data + start, (uint32_t)(out->len - start - 4));
}

uint8_t value_detect(struct divan_bytes body, uint8_t *state)
{
    enum json_verdict verdict = json_check(body, JSON_UTF8, SUBDOC_KNOWN_DEPTH, NULL);
    if (verdict == JSON_VALID) *state |= ITEM_SHALLOW;
    else if (verdict == JSON_TOO_DEEP) verdict = json_check(body, JSON_UTF8, 0, NULL);
    return verdict == JSON_VALID ? DATATYPE_JSON : 0;
}
