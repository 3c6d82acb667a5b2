/* Everything on a connection that is not about one document: authentication frames, bucket, cluster map, collections,
 * error map. Handshake frames carry no framing extras. */
#ifndef DIVAN_WIRE_SESSION_H
#define DIVAN_WIRE_SESSION_H

#include "wire/frame.h"
#include "wire/kv.h"
#include "wire/sasl.h"

/* ---- requests */

/** Any request that is opcode, key and value at most. */
void session_put_request(struct buf *out, uint8_t opcode, uint32_t opaque, struct divan_bytes key,
                         struct divan_bytes value);
void session_put_noop(struct buf *out, uint32_t opaque);
/** SASL_AUTH or SASL_STEP. */
void session_put_sasl(struct buf *out, uint8_t opcode, uint32_t opaque, enum sasl_mechanism m,
                      struct divan_bytes payload);
void session_put_select_bucket(struct buf *out, uint32_t opaque, const char *bucket);
#define SESSION_NO_BUCKET "@no bucket@" /* the name that deselects */
/** version: the highest one understood (2). */
void session_put_get_error_map(struct buf *out, uint32_t opaque, uint16_t version);
/** 0 when the value is not two bytes. */
uint16_t session_read_error_map_version(const struct frame *f);

struct config_version {
    int64_t epoch, rev;
};
/** known NULL = send the map in any case. */
void session_put_get_config(struct buf *out, uint32_t opaque, const struct config_version *known);
/** *has_known tells whether the request names a version. FRAME_EXTRAS: length or rev < 1. */
enum divan_code session_read_get_config(const struct frame *f, bool *has_known, struct config_version *out,
                                        struct divan_error *err);

/** The server's push; bucket NULL or "" = global. value empty = brief (revision only). */
void session_put_config_push(struct buf *out, const char *bucket, struct config_version version, uint8_t datatype,
                             struct divan_bytes value);
/** *bucket is a view of the frame's key, empty = global. PROTOCOL_ERROR when it is not a push of 16 extras bytes. */
enum divan_code session_read_config_push(const struct frame *f, struct divan_bytes *bucket,
                                         struct config_version *version, struct divan_error *err);

/* ---- collections */

void session_put_get_collection_id(struct buf *out, uint32_t opaque, const char *scope, const char *collection);
void session_put_get_scope_id(struct buf *out, uint32_t opaque, const char *scope);
void session_put_get_manifest(struct buf *out, uint32_t opaque);

struct collection_path {
    struct divan_bytes scope, collection; /* "_default" where the request leaves it out */
};
/** GET_COLLECTION_ID and GET_SCOPE_ID: from key or value, exactly one dot in the former. FRAME_KEY: both are there (the
 * measured server explains that in an error body), FRAME_VALUE: not a path (it does not). */
enum divan_code session_read_collection_path(const struct frame *f, struct collection_path *out,
                                             struct divan_error *err);

struct collection_id {
    uint64_t manifest_uid;
    uint32_t id; /* of the collection or scope */
};
void session_put_reply_collection_id(struct buf *out, const struct kv_reply *r, const struct collection_id *id);
enum divan_code session_read_collection_id(const struct frame *f, struct collection_id *out, struct divan_error *err);

#endif
