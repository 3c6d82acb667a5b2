/* The JSON of RANGE_SCAN_CREATE. */
#include <jansson.h>
#include <stdlib.h>

#include "wire/base64.h"
#include "wire/rangescan.h"

bool scan_bound_set(struct scan_bound *b, struct divan_bytes key, bool exclusive)
{
    if (key.len > SCAN_KEY_ROOM) return false;
    if (key.len) memcpy(b->key, key.data, key.len);
    b->len = key.len;
    b->exclusive = exclusive;
    return true;
}

/* No key continues with ff: it occurs nowhere in UTF-8, and an end of one byte ff is above all others. */
bool scan_set_prefix(struct scan_create *c, struct divan_bytes prefix)
{
    if (prefix.len >= KEY_MAX) return false;
    scan_bound_set(&c->start, prefix, false);
    scan_bound_set(&c->end, prefix, false);
    if (!prefix.len) c->start.key[c->start.len++] = 0;
    c->end.key[c->end.len++] = 0xff;
    return true;
}

/* ---- writing */

static void put_bound(struct buf *out, const char *name, const struct scan_bound *b)
{
    buf_printf(out, "\"%s%s\":\"", b->exclusive ? "excl_" : "", name);
    base64_append(out, bytes_of(b->key, b->len));
    buf_u8(out, '"');
}

static void put_what(struct buf *out, const struct scan_create *c)
{
    if (c->sampling) {
        buf_printf(out, ",\"sampling\":{\"samples\":%llu,\"seed\":%u}", (unsigned long long)c->samples,
                   (unsigned)c->seed);
    } else if (c->start.len || c->end.len) {
        buf_put_str(out, ",\"range\":{");
        put_bound(out, "start", &c->start);
        buf_u8(out, ',');
        put_bound(out, "end", &c->end);
        buf_u8(out, '}');
    }
}

static void put_snapshot(struct buf *out, const struct scan_create *c)
{
    if (!c->has_snapshot) return;
    buf_printf(out, ",\"snapshot_requirements\":{\"vb_uuid\":\"%llu\",\"seqno\":%llu",
               (unsigned long long)c->vbucket_uuid, (unsigned long long)c->seqno);
    if (c->seqno_exists) buf_put_str(out, ",\"seqno_exists\":true");
    if (c->timeout_ms) buf_printf(out, ",\"timeout_ms\":%u", (unsigned)c->timeout_ms);
    buf_u8(out, '}');
}

/* A name is for log lines: what JSON would have to escape becomes a space. */
static void put_name(struct buf *out, const char *name)
{
    if (!*name) return;
    buf_put_str(out, ",\"name\":\"");
    for (; *name; name++)
        buf_u8(out, *name == '"' || *name == '\\' || (unsigned char)*name < 0x20 ? ' ' : (uint8_t)*name);
    buf_u8(out, '"');
}

void scan_put_create(struct buf *out, uint32_t opaque, uint16_t vbucket, const struct scan_create *c)
{
    struct buf json = {.limit = 4096};
    buf_printf(&json, "{\"collection\":\"%x\"", (unsigned)c->collection);
    if (c->key_only) buf_put_str(&json, ",\"key_only\":true");
    if (c->include_xattrs) buf_put_str(&json, ",\"include_xattrs\":true");
    put_what(&json, c);
    put_snapshot(&json, c);
    put_name(&json, c->name);
    buf_u8(&json, '}');
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_RANGE_SCAN_CREATE, .datatype = DATATYPE_JSON};
    f.vbucket = vbucket;
    f.opaque = opaque;
    f.value = buf_view(&json);
    if (json.failed) out->failed = true;
    else frame_encode(out, &f);
    buf_fini(&json);
}

/* ---- reading: a missing member is fine, a member of another type closes the connection */

struct reading {
    enum scan_verdict verdict;
    const char *problem;
    bool has_large; /* a number is beyond 63 bits, so all of them were read as real ones */
};

static void stop(struct reading *r, enum scan_verdict verdict, const char *problem)
{
    if (r->verdict != SCAN_GOOD) return;
    r->verdict = verdict;
    r->problem = problem;
}

static bool read_bool(struct reading *r, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (value && !json_is_boolean(value)) stop(r, SCAN_DISCONNECT, "a member of the scan is not a boolean");
    return json_is_true(value);
}

static uint64_t read_number(struct reading *r, const json_t *object, const char *name, bool needed)
{
    const json_t *value = json_object_get(object, name);
    if (!value && !needed) return 0;
    double real = r->has_large && json_is_real(value) ? json_real_value(value) : -1;
    const double end = 18446744073709551616.0; /* 2^64, which the largest of 64 bits is rounded to */
    if (real >= 0 && real <= end) return real < end ? (uint64_t)real : UINT64_MAX;
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        stop(r, SCAN_DISCONNECT, "a member of the scan is not a whole number");
        return 0;
    }
    return (uint64_t)json_integer_value(value);
}

/* Digits of a base, all of them, up to `max`. */
static uint64_t read_digits(struct reading *r, const json_t *value, int base, uint64_t max)
{
    const char *text = json_string_value(value);
    const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
    uint64_t n = 0;
    if (text && *text && strlen(text) <= 20 && strspn(text, digits) == strlen(text)) n = strtoull(text, NULL, base);
    else stop(r, SCAN_DISCONNECT, "a member of the scan is not a number written as text");
    if (n > max) stop(r, SCAN_DISCONNECT, "a number in the scan is out of range");
    return n;
}

/* A start that is empty comes from SDKs that scan from the first key on; an end that is empty has no sense. */
static void read_bound(struct reading *r, const json_t *range, const char *name, const char *exclusive,
                       const char *missing, bool is_end, struct scan_bound *out)
{
    const json_t *plain = json_object_get(range, name), *excl = json_object_get(range, exclusive);
    const json_t *value = plain ? plain : excl;
    uint8_t key[1024];
    size_t len = 0;
    if (!value) {
        stop(r, SCAN_INVALID, missing);
        return;
    }
    if ((plain && excl) || !json_is_string(value) ||
        !base64_decode_into(bytes_of(json_string_value(value), json_string_length(value)), key, sizeof key, &len) ||
        (!len && is_end))
        stop(r, SCAN_DISCONNECT, "an end of the range is not base64, empty, or given twice");
    else if (len > KEY_MAX) stop(r, SCAN_INVALID, "invalid key size in range");
    else scan_bound_set(out, bytes_of(key, len), plain == NULL);
}

static void read_range(struct reading *r, const json_t *range, struct scan_create *out)
{
    if (!json_is_object(range)) {
        stop(r, SCAN_DISCONNECT, "the range is not an object");
        return;
    }
    read_bound(r, range, "start", "excl_start", "range did not include start or excl_start", false, &out->start);
    read_bound(r, range, "end", "excl_end", "range did not include end or excl_end", true, &out->end);
}

static void read_sampling(struct reading *r, const json_t *sampling, struct scan_create *out)
{
    if (!json_is_object(sampling)) stop(r, SCAN_DISCONNECT, "the sampling is not an object");
    out->sampling = true;
    out->samples = read_number(r, sampling, "samples", true);
    out->seed = (uint32_t)read_number(r, sampling, "seed", false);
}

static void read_snapshot(struct reading *r, const json_t *snapshot, struct scan_create *out)
{
    if (!json_is_object(snapshot)) stop(r, SCAN_DISCONNECT, "the snapshot requirements are not an object");
    out->has_snapshot = true;
    out->vbucket_uuid = read_digits(r, json_object_get(snapshot, "vb_uuid"), 10, UINT64_MAX);
    out->seqno = read_number(r, snapshot, "seqno", true);
    out->seqno_exists = read_bool(r, snapshot, "seqno_exists");
    uint64_t timeout_ms = read_number(r, snapshot, "timeout_ms", false);
    out->timeout_ms = timeout_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)timeout_ms;
}

static void read_name(struct reading *r, const json_t *name, struct scan_create *out)
{
    if (!json_is_string(name)) stop(r, SCAN_DISCONNECT, "the name is not a text");
    else if (json_string_length(name) > SCAN_NAME_MAX) stop(r, SCAN_INVALID, "name exceeds 50 bytes");
    else memcpy(out->name, json_string_value(name), json_string_length(name) + 1);
}

static void read_members(struct reading *r, const json_t *root, struct scan_create *out)
{
    const json_t *collection = json_object_get(root, "collection"), *range = json_object_get(root, "range");
    const json_t *sampling = json_object_get(root, "sampling"), *name = json_object_get(root, "name");
    const json_t *snapshot = json_object_get(root, "snapshot_requirements");
    if (collection) out->collection = (uint32_t)read_digits(r, collection, 16, UINT32_MAX);
    out->key_only = read_bool(r, root, "key_only");
    out->include_xattrs = read_bool(r, root, "include_xattrs");
    if (range && sampling) stop(r, SCAN_INVALID, NULL);
    if (range) read_range(r, range, out);
    if (sampling) read_sampling(r, sampling, out);
    if (snapshot) read_snapshot(r, snapshot, out);
    if (name) read_name(r, name, out);
}

enum scan_verdict scan_read_create(const struct frame *f, struct scan_create *out, const char **problem)
{
    struct reading r = {.verdict = SCAN_GOOD};
    struct scan_create c;
    json_t *root = f->value.len ? json_loadb(f->value.data, f->value.len, JSON_DECODE_ANY, NULL) : NULL;
    if (!root && f->value.len) { /* SDKs draw seeds of 64 bits */
        root = json_loadb(f->value.data, f->value.len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
        r.has_large = root != NULL;
    }
    memset(&c, 0, sizeof c);
    if (f->datatype != DATATYPE_JSON) stop(&r, SCAN_INVALID, "Datatype must be JSON");
    else if (!root) stop(&r, SCAN_INVALID, "The value of a range scan must be JSON");
    else if (json_is_object(root)) read_members(&r, root, &c);
    else if (!json_is_array(root)) stop(&r, SCAN_DISCONNECT, "the scan is not an object");
    json_decref(root);
    if (r.verdict == SCAN_GOOD) *out = c;
    *problem = r.problem;
    return r.verdict;
}
