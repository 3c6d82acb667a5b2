#include "wire/session.h"

#include "base/error.h"

enum { CONFIG_VERSION_LEN = 16, COLLECTION_ID_LEN = 12 };

static const char default_name[] = "_default";

static struct frame request(uint8_t opcode, uint32_t opaque)
{
    return (struct frame){.magic = MAGIC_REQUEST, .opcode = opcode, .opaque = opaque};
}

void session_put_request(struct buf *out, uint8_t opcode, uint32_t opaque, struct divan_bytes key,
                         struct divan_bytes value)
{
    struct frame f = request(opcode, opaque);
    f.key = key;
    f.value = value;
    frame_encode(out, &f);
}

void session_put_noop(struct buf *out, uint32_t opaque)
{
    struct frame f = request(OP_NOOP, opaque);
    frame_encode(out, &f);
}

void session_put_sasl(struct buf *out, uint8_t opcode, uint32_t opaque, enum sasl_mechanism m,
                      struct divan_bytes payload)
{
    session_put_request(out, opcode, opaque, divan_str(sasl_name(m)), payload);
}

void session_put_select_bucket(struct buf *out, uint32_t opaque, const char *bucket)
{
    session_put_request(out, OP_SELECT_BUCKET, opaque, divan_str(bucket), bytes_of(NULL, 0));
}

void session_put_get_error_map(struct buf *out, uint32_t opaque, uint16_t version)
{
    uint8_t value[2];
    put_u16be(value, version);
    session_put_request(out, OP_GET_ERROR_MAP, opaque, bytes_of(NULL, 0), bytes_of(value, sizeof value));
}

uint16_t session_read_error_map_version(const struct frame *f)
{
    return f->value.len == 2 ? get_u16be(f->value.data) : 0;
}

/* ---- cluster map */

static void version_fill(uint8_t at[CONFIG_VERSION_LEN], struct config_version version)
{
    put_u64be(at, (uint64_t)version.epoch);
    put_u64be(at + 8, (uint64_t)version.rev);
}

static struct config_version version_read(struct divan_bytes extras)
{
    struct rd r = rd_from(extras);
    struct config_version version = {.epoch = (int64_t)rd_u64be(&r)};
    version.rev = (int64_t)rd_u64be(&r);
    return version;
}

void session_put_get_config(struct buf *out, uint32_t opaque, const struct config_version *known)
{
    uint8_t extras[CONFIG_VERSION_LEN];
    struct frame f = request(OP_GET_CLUSTER_CONFIG, opaque);
    if (known) {
        version_fill(extras, *known);
        f.extras = bytes_of(extras, sizeof extras);
    }
    frame_encode(out, &f);
}

enum divan_code session_read_get_config(const struct frame *f, bool *has_known, struct config_version *out,
                                        struct divan_error *err)
{
    if (f->extras.len && f->extras.len != CONFIG_VERSION_LEN)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "Request must include extras of length 16");
    struct config_version version = {0, 0};
    if (f->extras.len) version = version_read(f->extras);
    if (f->extras.len && version.rev < 1)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "Revision number must not be less than 1");
    *has_known = f->extras.len != 0;
    *out = version;
    return DIVAN_OK;
}

void session_put_config_push(struct buf *out, const char *bucket, struct config_version version, uint8_t datatype,
                             struct divan_bytes value)
{
    uint8_t extras[CONFIG_VERSION_LEN];
    version_fill(extras, version);
    struct frame f = {.magic = MAGIC_SERVER_REQUEST, .opcode = SERVER_OP_CLUSTERMAP, .datatype = datatype};
    f.extras = bytes_of(extras, sizeof extras);
    f.key = divan_str(bucket);
    f.value = value;
    frame_encode(out, &f);
}

enum divan_code session_read_config_push(const struct frame *f, struct divan_bytes *bucket,
                                         struct config_version *version, struct divan_error *err)
{
    if (f->magic != MAGIC_SERVER_REQUEST || f->opcode != SERVER_OP_CLUSTERMAP)
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "magic 0x%02x, opcode 0x%02x is no push of a cluster map",
                       f->magic, f->opcode);
    if (f->extras.len != CONFIG_VERSION_LEN)
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR,
                       "a push of a cluster map has %zu bytes of extras, expected are 16", f->extras.len);
    *bucket = f->key;
    *version = version_read(f->extras);
    return DIVAN_OK;
}

/* ---- collections */

static void put_path(struct buf *out, uint8_t opcode, uint32_t opaque, const char *scope, const char *collection)
{
    struct divan_bytes s = divan_str(scope && *scope ? scope : default_name);
    struct divan_bytes c = collection ? divan_str(*collection ? collection : default_name) : bytes_of(NULL, 0);
    struct frame f = request(opcode, opaque);
    frame_encode_head(out, &f, s.len + (collection ? 1 + c.len : 0));
    buf_put_bytes(out, s);
    if (collection) buf_u8(out, '.');
    buf_put_bytes(out, c);
}

void session_put_get_collection_id(struct buf *out, uint32_t opaque, const char *scope, const char *collection)
{
    put_path(out, OP_GET_COLLECTION_ID, opaque, scope, collection ? collection : "");
}

void session_put_get_scope_id(struct buf *out, uint32_t opaque, const char *scope)
{
    put_path(out, OP_GET_SCOPE_ID, opaque, scope, NULL);
}

void session_put_get_manifest(struct buf *out, uint32_t opaque)
{
    struct frame f = request(OP_GET_COLLECTIONS_MANIFEST, opaque);
    frame_encode(out, &f);
}

static struct divan_bytes or_default(struct divan_bytes name)
{
    return name.len ? name : divan_str(default_name);
}

enum divan_code session_read_collection_path(const struct frame *f, struct collection_path *out,
                                             struct divan_error *err)
{
    bool scope_only = f->opcode == OP_GET_SCOPE_ID;
    if (f->key.len && f->value.len) return err_set(err, DIVAN_ERR_FRAME_KEY, "Cannot set both key and value");
    struct divan_bytes path = f->key.len ? f->key : f->value;
    const uint8_t *dot = path.len ? memchr(path.data, '.', path.len) : NULL;
    size_t scope_len = dot ? (size_t)(dot - (const uint8_t *)path.data) : path.len;
    struct divan_bytes rest = dot ? bytes_slice(path, scope_len + 1, path.len) : bytes_of(NULL, 0);
    bool second_dot = rest.len && memchr(rest.data, '.', rest.len);
    if (second_dot || (!dot && !scope_only))
        return err_set(err, DIVAN_ERR_FRAME_VALUE, "The path must be scope.collection with exactly one dot");
    out->scope = or_default(bytes_slice(path, 0, scope_len));
    out->collection = or_default(rest);
    return DIVAN_OK;
}

void session_put_reply_collection_id(struct buf *out, const struct kv_reply *r, const struct collection_id *id)
{
    uint8_t *extras = kv_put_reply_head(out, r, COLLECTION_ID_LEN);
    if (!extras) return;
    put_u64be(extras, id->manifest_uid);
    put_u32be(extras + 8, id->id);
}

enum divan_code session_read_collection_id(const struct frame *f, struct collection_id *out, struct divan_error *err)
{
    if (f->extras.len != COLLECTION_ID_LEN)
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "the answer to %s has %zu bytes of extras, expected are 12",
                       op_name(f->opcode), f->extras.len);
    struct rd r = rd_from(f->extras);
    struct collection_id id = {.manifest_uid = rd_u64be(&r)};
    id.id = rd_u32be(&r);
    *out = id;
    return DIVAN_OK;
}
