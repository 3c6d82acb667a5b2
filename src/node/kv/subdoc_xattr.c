#include "node/kv/subdoc_xattr.h"

#include <inttypes.h>
#include <stdlib.h>

#include "text/json.h"
#include "text/subdoc.h"

void xattr_sizes(struct divan_bytes section, size_t *system, size_t *user)
{
    struct rd r = rd_from(section);
    struct xattr x;
    *system = *user = 0;
    while (xattrs_next(&r, &x)) {
        size_t size = x.key.len + x.value.len + 6;
        if (xattrs_is_system(x.key)) *system += size;
        else *user += size;
    }
}

/* ---- virtual attributes */

uint32_t crc32c_of(struct divan_bytes data)
{
    static uint32_t table[256];
    if (!table[1]) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t c = i;
            for (int bit = 0; bit < 8; bit++) c = c & 1 ? c >> 1 ^ UINT32_C(0x82f63b78) : c >> 1;
            table[i] = c;
        }
    }
    uint32_t crc = UINT32_MAX;
    const uint8_t *at = data.data;
    for (size_t i = 0; i < data.len; i++) crc = crc >> 8 ^ table[(crc ^ at[i]) & 0xff];
    return ~crc;
}

static void put_datatype(struct buf *out, uint8_t datatype)
{
    static const char *const names[] = {"json", "snappy", "xattr"};
    bool first = true;
    buf_put_str(out, "[");
    for (int bit = 0; bit < 3; bit++) {
        if (!(datatype >> bit & 1)) continue;
        buf_printf(out, "%s\"%s\"", first ? "" : ",", names[bit]);
        first = false;
    }
    buf_put_str(out, first ? "\"raw\"]" : "]");
}

static void put_document(const struct document_view *d, struct buf *out)
{
    static const struct item none = {.state = ITEM_DELETED};
    const struct item *i = d->item ? d->item : &none;
    bool live = item_is_live(i);
    buf_printf(out, "{\"$document\":{\"CAS\":\"0x%016" PRIx64 "\",\"datatype\":", i->cas);
    put_datatype(out, i->datatype);
    buf_printf(out, ",\"deleted\":%s,\"exptime\":%" PRIu32 ",\"flags\":%" PRIu32 ",\"last_modified\":\"%" PRIu64 "\"",
               live ? "false" : "true", live ? i->expiry_s : 0, i->flags, i->cas / UINT64_C(1000000000));
    buf_printf(out, ",\"revid\":\"%" PRIu64 "\",\"seqno\":\"0x%016" PRIx64 "\",\"value_bytes\":%zu", i->revision,
               i->seqno, d->body.len);
    buf_printf(out, ",\"value_crc32c\":\"0x%08" PRIx32 "\",\"vbucket_uuid\":\"0x%016" PRIx64 "\"}}", crc32c_of(d->body),
               vbucket_uuid(d->vbucket));
}

static int by_bytes(const void *a, const void *b)
{
    return bytes_compare(*(const struct divan_bytes *)a, *(const struct divan_bytes *)b);
}

enum { XTOC_MAX = 256 };

static void put_toc(const struct document_view *d, bool sees_system, struct buf *out)
{
    struct divan_bytes keys[XTOC_MAX];
    size_t count = 0;
    struct rd r = rd_from(d->section);
    struct xattr x;
    while (count < XTOC_MAX && xattrs_next(&r, &x)) {
        if (sees_system || !xattrs_is_system(x.key)) keys[count++] = x.key;
    }
    qsort(keys, count, sizeof *keys, by_bytes);
    buf_put_str(out, "{\"$XTOC\":[");
    for (size_t i = 0; i < count; i++) {
        if (i) buf_put_str(out, ",");
        json_put_string(out, keys[i]);
    }
    buf_put_str(out, "]}");
}

bool xattr_virtual(const struct document_view *d, struct divan_bytes key, bool sees_system, struct buf *out)
{
    if (bytes_is(key, "$document")) put_document(d, out);
    else if (bytes_is(key, "$XTOC")) put_toc(d, sees_system, out);
    else if (bytes_is(key, "$vbucket"))
        buf_printf(out, "{\"$vbucket\":{\"HLC\":{\"mode\":\"real\",\"now\":\"%" PRIu32 "\"}}}", d->clock->wall_s);
    else return false;
    return true;
}

/* ---- macros: a value that is exactly one of these, in quotes */

static bool starts_with(struct divan_bytes text, const char *prefix)
{
    return bytes_is(bytes_slice(text, 0, strlen(prefix)), prefix);
}

static bool is_mutation_macro(struct divan_bytes value)
{
    return bytes_is(value, "\"${Mutation.CAS}\"") || bytes_is(value, "\"${Mutation.seqno}\"") ||
           bytes_is(value, "\"${Mutation.value_crc32c}\"");
}

enum status macro_check(struct divan_bytes value)
{
    bool document = bytes_is(value, "\"${$document}\"") ||
                    (starts_with(value, "\"${$document.") && value.len > 15 &&
                     memcmp((const char *)value.data + value.len - 2, "}\"", 2) == 0);
    return document || is_mutation_macro(value) ? ST_SUCCESS : ST_SUBDOC_XATTR_UNKNOWN_MACRO;
}

static uint64_t swapped(uint64_t v)
{
    uint8_t bytes[8];
    put_u64be(bytes, v);
    uint64_t out = 0;
    for (int i = 7; i >= 0; i--) out = out << 8 | bytes[i];
    return out;
}

static enum status expand_document(const struct document_view *d, struct divan_bytes value, struct buf *out)
{
    struct buf all = {.limit = 64 * 1024};
    struct subdoc_reply reply;
    struct divan_bytes path = bytes_slice(value, 3, value.len - 5); /* between the quote, the dollar and the braces */
    put_document(d, &all);
    enum status status = all.failed ? ST_ENOMEM : ST_SUCCESS;
    /* The checksum of a document is not among the macros of the measured server. */
    bool known = !bytes_is(path, "$document.value_crc32c") && status == ST_SUCCESS &&
                 subdoc_lookup(SUBDOC_GET, buf_view(&all), path, &reply) == SUBDOC_OK;
    if (known) buf_put_bytes(out, reply.value);
    else if (status == ST_SUCCESS) status = ST_SUBDOC_XATTR_UNKNOWN_VATTR_MACRO;
    buf_fini(&all);
    return status;
}

enum status macro_expand(const struct document_view *d, struct mutation_facts *m, struct divan_bytes value,
                         struct buf *out)
{
    if (bytes_is(value, "\"${Mutation.CAS}\"")) { /* in the byte order that readers of old expect */
        buf_printf(out, "\"0x%016" PRIx64 "\"", swapped(m->cas));
    } else if (bytes_is(value, "\"${Mutation.seqno}\"")) {
        buf_printf(out, "\"0x%016" PRIx64 "\"", m->seqno);
    } else if (bytes_is(value, "\"${Mutation.value_crc32c}\"")) {
        m->wants_crc = true;
        buf_printf(out, "\"0x%08" PRIx32 "\"", m->crc32c);
    } else {
        return expand_document(d, value, out);
    }
    return out->failed ? ST_ENOMEM : ST_SUCCESS;
}

/* ---- normal form */

struct member {
    struct divan_bytes key;
    struct json_value value;
};

static int by_key(const void *a, const void *b)
{
    return bytes_compare(((const struct member *)a)->key, ((const struct member *)b)->key);
}

static void normalise(struct json_value v, struct buf *out);

static void normalise_object(struct json_value v, struct buf *out)
{
    struct json_walk w = json_walk_begin(v);
    struct buf members = {.limit = 64 * 1024 * 1024};
    struct member m;
    while (json_next_member(&w, &m.key, &m.value)) buf_put(&members, &m, sizeof m);
    size_t count = members.len / sizeof m;
    struct member *sorted = (struct member *)(void *)members.data;
    if (members.failed) out->failed = true;
    if (count) qsort(sorted, count, sizeof *sorted, by_key);
    buf_put_str(out, "{");
    for (size_t i = 0; i < count; i++) {
        if (i) buf_put_str(out, ",");
        buf_put_bytes(out, sorted[i].key);
        buf_put_str(out, ":");
        normalise(sorted[i].value, out);
    }
    buf_put_str(out, "}");
    buf_fini(&members);
}

static void normalise(struct json_value v, struct buf *out)
{
    if (v.type == JSON_OBJECT) {
        normalise_object(v, out);
    } else if (v.type == JSON_ARRAY) {
        struct json_walk w = json_walk_begin(v);
        struct json_value element;
        bool first = true;
        buf_put_str(out, "[");
        for (; json_next_element(&w, &element); first = false) {
            if (!first) buf_put_str(out, ",");
            normalise(element, out);
        }
        buf_put_str(out, "]");
    } else {
        buf_put_bytes(out, v.text);
    }
}

void xattr_normalise(struct divan_bytes value, struct buf *out)
{
    normalise(json_value_of(value), out);
}
