/* Reading of requests. */
#include "wire/kv.h"

#include "base/error.h"

enum { COLLECTION_FIRST_USER = 8 };

static enum divan_code bad_extras(const struct frame *f, const char *want, struct divan_error *err)
{
    return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "%s with %zu bytes of extras, needed are %s", op_name(f->opcode),
                   f->extras.len, want);
}

static enum divan_code plain_key(const struct frame *f, uint32_t *collection, struct divan_bytes *key,
                                 struct divan_error *err)
{
    if (!f->key.len) return err_set(err, DIVAN_ERR_FRAME_KEY, "Request must include key");
    if (f->key.len > KEY_MAX) return err_set(err, DIVAN_ERR_FRAME_KEY, "Key length exceeds %d", KEY_MAX);
    *collection = 0;
    *key = f->key;
    return DIVAN_OK;
}

/* The order of the checks is the measured one: it decides which sentence a client sees. */
enum divan_code kv_read_key(const struct frame *f, bool collections, uint32_t *collection, struct divan_bytes *key,
                            struct divan_error *err)
{
    if (!collections) return plain_key(f, collection, key, err);
    if (f->key.len < 2) return err_set(err, DIVAN_ERR_FRAME_KEY, "Key length must be >= 2");
    struct rd r = rd_from(f->key);
    uint32_t id = 0;
    enum leb128_verdict verdict = leb128_take(&r, &id);
    if (verdict == LEB128_UNFINISHED) return err_set(err, DIVAN_ERR_FRAME_LEB128, "No stop-byte found");
    if (verdict == LEB128_OVERLONG) return err_set(err, DIVAN_ERR_FRAME_LEB128, "Key contains non-canonical leb128");
    if (!r.left) return err_set(err, DIVAN_ERR_FRAME_KEY, "No logical key found");
    size_t max = id ? KEY_COLLECTION_MAX : KEY_MAX;
    if (r.left > max) return err_set(err, DIVAN_ERR_FRAME_KEY, "Logical key exceeds %zu", max);
    if (id && id < COLLECTION_FIRST_USER)
        return err_set(err, DIVAN_ERR_FRAME_KEY, "Invalid collection-id:%u", (unsigned)id);
    *collection = id;
    *key = rd_rest(&r);
    return DIVAN_OK;
}

enum divan_code kv_read_store(const struct frame *f, struct kv_store *out, struct divan_error *err)
{
    struct kv_store s = {.datatype = f->datatype, .value = f->value};
    bool concat = op_loud(f->opcode) == OP_APPEND || op_loud(f->opcode) == OP_PREPEND;
    if (f->extras.len != (concat ? 0 : 8)) return bad_extras(f, concat ? "none" : "8", err);
    struct rd r = rd_from(f->extras);
    if (!concat) s.flags = rd_u32be(&r), s.expiry = rd_u32be(&r);
    *out = s;
    return DIVAN_OK;
}

enum divan_code kv_read_counter(const struct frame *f, struct kv_counter *out, struct divan_error *err)
{
    if (f->extras.len != 20) return bad_extras(f, "20", err);
    struct rd r = rd_from(f->extras);
    struct kv_counter c = {.delta = rd_u64be(&r)};
    c.initial = rd_u64be(&r);
    c.expiry = rd_u32be(&r);
    *out = c;
    return DIVAN_OK;
}

enum divan_code kv_read_touch(const struct frame *f, uint32_t *expiry, struct divan_error *err)
{
    if (f->extras.len != 4) return bad_extras(f, "4", err);
    *expiry = get_u32be(f->extras.data);
    return DIVAN_OK;
}

enum divan_code kv_read_getl(const struct frame *f, uint32_t *lock_s, struct divan_error *err)
{
    if (f->extras.len != 4 && f->extras.len) return bad_extras(f, "none or 4", err);
    *lock_s = f->extras.len ? get_u32be(f->extras.data) : 0;
    return DIVAN_OK;
}

enum divan_code kv_read_get_meta(const struct frame *f, bool *with_datatype, struct divan_error *err)
{
    if (f->extras.len > 1) return bad_extras(f, "none or 1", err);
    uint8_t version = f->extras.len ? *(const uint8_t *)f->extras.data : 1;
    if (version != 1 && version != 2)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "GET_META asks for version %u, there are 1 and 2", version);
    *with_datatype = version == 2;
    return DIVAN_OK;
}
