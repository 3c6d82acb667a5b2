/* Key-value operations, both directions: a client encodes requests and decodes answers, a node the other way round.
 * Encoding is the hot path of the client: one reservation, some stores, one or two copies. */
#ifndef DIVAN_WIRE_KV_H
#define DIVAN_WIRE_KV_H

#include "wire/frame.h"
#include "wire/leb128.h"
#include "wire/opcodes.h"
#include "wire/statuses.h"

enum {
    KEY_MAX = 250,            /* default collection, or collections not negotiated */
    KEY_COLLECTION_MAX = 246, /* any other collection */
    VALUE_MAX = 20 * 1024 * 1024,
};

#define COUNTER_NO_CREATE UINT32_MAX /* the expiry of a counter that must exist already */

/* ---- requests: what all of them with a key have in common */

struct kv_target {
    uint32_t opaque;
    uint16_t vbucket;
    bool collections;    /* negotiated: the key is prefixed with the id */
    uint32_t collection; /* id; 0 = default */
    struct divan_bytes key;
    uint64_t cas;        /* 0 = any */
    uint8_t durability;  /* 0 = none, 1 majority, 2 + persisted on the active, 3 persisted on a majority */
    uint16_t durable_ms; /* 0 = the server's default; not 65535 */
    bool keep_ttl;
};

/** Appends the frame up to the value: header, framing extras, `extras_len` bytes to be filled, key. Returns the place of
 * the extras (never NULL on success, valid until the next growth), NULL when the buffer failed. Any length error (key
 * above 250 bytes) also sets out->failed: check keys at the API. */
uint8_t *kv_put_head(struct buf *out, uint8_t opcode, const struct kv_target *t, uint8_t datatype, size_t extras_len,
                     size_t value_len);

/** GET, GETK, GETQ, DELETE, UNLOCK, GET_REPLICA, EVICT_KEY ...: no extras, no value. */
void kv_put_get(struct buf *out, uint8_t opcode, const struct kv_target *t);

struct kv_store {
    uint32_t flags, expiry;
    uint8_t datatype; /* DATATYPE_JSON, DATATYPE_SNAPPY: only what was negotiated */
    struct divan_bytes value;
};
/** SET, ADD, REPLACE and quiet forms. _head leaves the value to the caller, who sends it right behind. */
void kv_put_store(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct kv_store *s);
void kv_put_store_head(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct kv_store *s);
/** APPEND, PREPEND: flags and expiry of *s are not sent. */
void kv_put_concat(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct kv_store *s);

struct kv_counter {
    uint64_t delta, initial;
    uint32_t expiry; /* (uint32_t)-1 = fail when the document is missing */
};
void kv_put_counter(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct kv_counter *c);
/** TOUCH, GAT: expiry. GETL: seconds (0 = the server's default of 15). */
void kv_put_touch(struct buf *out, uint8_t opcode, const struct kv_target *t, uint32_t expiry);
void kv_put_getl(struct buf *out, const struct kv_target *t, uint32_t lock_s);
/** GET_META; with_datatype asks for the byte at the end. */
void kv_put_get_meta(struct buf *out, const struct kv_target *t, bool with_datatype);

/* ---- requests, read by a node. `f` is a complete request. Length errors: FRAME_EXTRAS. */

/** Splits the prefix off a document key. FRAME_KEY (too short, too long), FRAME_LEB128. An id above 32 bits is cut as
 * the measured server does; ids 1..7 are reserved: FRAME_KEY. */
enum divan_code kv_read_key(const struct frame *f, bool collections, uint32_t *collection, struct divan_bytes *key,
                            struct divan_error *err);
enum divan_code kv_read_store(const struct frame *f, struct kv_store *out, struct divan_error *err);
enum divan_code kv_read_counter(const struct frame *f, struct kv_counter *out, struct divan_error *err);
/** TOUCH, GAT: the expiry; GETL: the seconds, 0 when absent; GET_META: 1 when the datatype is wanted. */
enum divan_code kv_read_touch(const struct frame *f, uint32_t *expiry, struct divan_error *err);
enum divan_code kv_read_getl(const struct frame *f, uint32_t *lock_s, struct divan_error *err);
enum divan_code kv_read_get_meta(const struct frame *f, bool *with_datatype, struct divan_error *err);

/** The framing extras of a request. */
struct kv_framing {
    bool barrier, keep_ttl, has_stream_id, has_user;
    uint8_t durability;  /* 0 = none */
    uint16_t durable_ms; /* 0 = default */
    uint16_t stream_id;
    struct divan_bytes user;
};
/** SUCCESS, or the status the measured server gives: EINVAL, UNKNOWN_FRAME_INFO, NOT_SUPPORTED,
 * DURABILITY_INVALID_LEVEL; *problem (may be NULL) is then a sentence, or NULL where the server sends none. */
enum status kv_read_framing(const struct frame *f, struct kv_framing *out, const char **problem);

/* ---- answers */

struct mutation_token {
    uint64_t vbucket_uuid, seqno; /* 0, 0 = the answer has none */
};
struct kv_meta {
    bool deleted;
    uint32_t flags, expiry;
    uint64_t seqno; /* revision seqno */
    bool has_datatype;
    uint8_t datatype;
};

/* Client side: the extras and values of successful answers. PROTOCOL_ERROR with the lengths in the sentence. */
enum divan_code kv_read_flags(const struct frame *f, uint32_t *flags, struct divan_error *err);
enum divan_code kv_read_token(const struct frame *f, struct mutation_token *out, struct divan_error *err);
enum divan_code kv_read_counter_value(const struct frame *f, uint64_t *out, struct divan_error *err);
enum divan_code kv_read_meta(const struct frame *f, struct kv_meta *out, struct divan_error *err);
/** Microseconds the server says it needed; -1 = it does not say. */
int64_t kv_server_duration_us(const struct frame *f);

/* Node side: what an answer is made of. */
struct kv_reply {
    uint8_t opcode, datatype;
    uint16_t status; /* enum status */
    uint32_t opaque;
    uint64_t cas;
    bool traced; /* tracing was negotiated: add duration_us */
    uint32_t duration_us;
    struct divan_bytes key, value;
};
/** Appends the frame up to the value with `extras_len` bytes to be filled, and r->key. Returns as kv_put_head. The value
 * of r->value.len bytes is appended by kv_put_reply*, or by the caller after kv_put_reply_head. */
uint8_t *kv_put_reply_head(struct buf *out, const struct kv_reply *r, size_t extras_len);
void kv_put_reply(struct buf *out, const struct kv_reply *r);                       /**< no extras */
void kv_put_reply_flags(struct buf *out, const struct kv_reply *r, uint32_t flags); /**< GET, GAT, GETL, GETK */
/** Mutations. token NULL = not negotiated. */
void kv_put_reply_token(struct buf *out, const struct kv_reply *r, const struct mutation_token *token);
/** INCR, DECR: r->value is ignored. */
void kv_put_reply_counter(struct buf *out, const struct kv_reply *r, const struct mutation_token *token,
                          uint64_t value);
void kv_put_reply_meta(struct buf *out, const struct kv_reply *r, const struct kv_meta *meta);

#endif
