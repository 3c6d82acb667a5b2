#include "wire/xattrs.h"

bool xattrs_next(struct rd *r, struct xattr *out)
{
    if (r->bad || !r->left) return false;
    struct divan_bytes pair = rd_take(r, rd_u32be(r));
    const uint8_t *at = pair.data, *nul = pair.len ? memchr(at, 0, pair.len) : NULL;
    size_t key_len = nul ? (size_t)(nul - at) : 0;
    /* The value has no NUL but the one at its end, and that is not the key's. */
    if (!key_len || key_len + 1 >= pair.len || memchr(nul + 1, 0, pair.len - key_len - 1) != at + pair.len - 1) {
        r->bad = true;
        return false;
    }
    out->key = bytes_slice(pair, 0, key_len);
    out->value = bytes_slice(pair, key_len + 1, pair.len - key_len - 2);
    return true;
}

bool xattrs_find(struct divan_bytes section, struct divan_bytes key, struct divan_bytes *value)
{
    struct rd r = rd_from(section);
    struct xattr a;
    while (xattrs_next(&r, &a))
        if (bytes_equal(a.key, key)) {
            *value = a.value;
            return true;
        }
    return false;
}

/* Quadratic in the number of keys, of which a document has a handful: above this it is no section of ours. */
enum { KEYS_MAX = 1024 };

static bool is_section(struct divan_bytes section)
{
    struct rd r = rd_from(section), before;
    struct xattr a, b;
    size_t count = 0;
    while (xattrs_next(&r, &a)) {
        if (++count > KEYS_MAX) return false;
        before = rd_from(section);
        for (size_t i = 1; i < count && xattrs_next(&before, &b); i++)
            if (bytes_equal(a.key, b.key)) return false;
    }
    return rd_ok(&r);
}

bool xattrs_split(struct divan_bytes document, struct divan_bytes *section, struct divan_bytes *body)
{
    struct rd r = rd_from(document);
    struct divan_bytes pairs = rd_take(&r, rd_u32be(&r));
    if (!rd_ok(&r) || !is_section(pairs)) return false;
    *section = pairs;
    *body = rd_rest(&r);
    return true;
}

void xattrs_put(struct buf *out, struct divan_bytes key, struct divan_bytes value)
{
    if (!key.len || memchr(key.data, 0, key.len) || (value.len && memchr(value.data, 0, value.len)) ||
        value.len > UINT32_MAX / 2 || key.len > UINT16_MAX) {
        out->failed = true;
        return;
    }
    buf_u32be(out, (uint32_t)(key.len + value.len + 2));
    buf_put_bytes(out, key);
    buf_u8(out, 0);
    buf_put_bytes(out, value);
    buf_u8(out, 0);
}

void xattrs_replace(struct buf *out, struct divan_bytes section, struct divan_bytes key, struct divan_bytes value)
{
    struct rd r = rd_from(section);
    struct xattr a;
    bool done = !value.data;
    while (xattrs_next(&r, &a)) {
        if (!bytes_equal(a.key, key)) {
            xattrs_put(out, a.key, a.value);
        } else if (!done) {
            xattrs_put(out, key, value);
            done = true;
        }
    }
    if (!done) xattrs_put(out, key, value);
}

void xattrs_join(struct buf *out, struct divan_bytes section, struct divan_bytes body)
{
    if (section.len) {
        buf_u32be(out, (uint32_t)section.len);
        buf_put_bytes(out, section);
    }
    buf_put_bytes(out, body);
}

void xattrs_keep_system(struct buf *out, struct divan_bytes section)
{
    struct rd r = rd_from(section);
    struct xattr a;
    while (xattrs_next(&r, &a))
        if (xattrs_is_system(a.key)) xattrs_put(out, a.key, a.value);
}
