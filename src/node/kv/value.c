#include "node/kv/value.h"

#include "text/json.h"
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

bool value_is_json(struct divan_bytes body)
{
    return json_check(body, JSON_UTF8, 0, NULL) == JSON_VALID;
}
