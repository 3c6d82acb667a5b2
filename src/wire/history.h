/* What a node tells about the history of its vBuckets: observe in both forms, seqnos of all vBuckets, failover logs,
 * waiting for persistence. */
#ifndef DIVAN_WIRE_HISTORY_H
#define DIVAN_WIRE_HISTORY_H

#include "wire/kv.h"

/* ---- OBSERVE: a list of keys, each with the state of one copy */

enum observe_state {
    OBSERVE_MEMORY = 0x00,    /* there, not on disk yet */
    OBSERVE_PERSISTED = 0x01, /* there, on disk */
    OBSERVE_NOT_FOUND = 0x80,
    OBSERVE_DELETED = 0x81, /* deleted, not on disk yet */
};

struct observed {
    uint16_t vbucket;
    struct divan_bytes key; /* as on the wire: with prefix when collections were negotiated */
    uint8_t state;          /* enum observe_state; answers only */
    uint64_t cas;           /* answers only */
};

/** Takes the next key of a request's value; false at the end or (r->bad) when malformed. */
bool observe_next_key(struct rd *r, struct observed *out);
/** Takes the next state of an answer's value. */
bool observe_next_state(struct rd *r, struct observed *out);
void observe_put_key(struct buf *out, const struct observed *o);
void observe_put_state(struct buf *out, const struct observed *o);
/** A whole request for one key; t->cas and durability are ignored. */
void observe_put_request(struct buf *out, const struct kv_target *t);

/* ---- OBSERVE_SEQNO */

struct observe_seqno {
    bool failed_over; /* the asked uuid is an older one: old_* are there */
    uint16_t vbucket;
    uint64_t uuid, persisted, current;
    uint64_t old_uuid, old_last; /* the asked uuid and the last seqno of it that survived */
};

void observe_seqno_put_request(struct buf *out, uint32_t opaque, uint16_t vbucket, uint64_t uuid);
/** FRAME_VALUE unless the value is eight bytes. */
enum divan_code observe_seqno_read_request(const struct frame *f, uint64_t *uuid, struct divan_error *err);
/** Appends the value of the answer. */
void observe_seqno_put(struct buf *out, const struct observe_seqno *o);
/** PROTOCOL_ERROR. */
enum divan_code observe_seqno_read(struct divan_bytes value, struct observe_seqno *out, struct divan_error *err);

/* ---- lists of pairs */

struct vbucket_seqno {
    uint16_t vbucket;
    uint64_t seqno;
};
bool seqnos_next(struct rd *r, struct vbucket_seqno *out); /**< GET_ALL_VB_SEQNOS */
void seqnos_put(struct buf *out, struct vbucket_seqno pair);

struct seqnos_request {
    uint32_t state;      /* 0 = alive (active, replica, pending), 1 active, 2 replica, 3 pending, 4 dead */
    bool has_collection; /* needs a state on the wire */
    uint32_t collection;
};
void seqnos_put_request(struct buf *out, uint32_t opaque, const struct seqnos_request *r);
/** FRAME_EXTRAS: length not 0, 4, 8, or a state above 4. */
enum divan_code seqnos_read_request(const struct frame *f, struct seqnos_request *out, struct divan_error *err);

struct failover_entry {
    uint64_t uuid, seqno;
};
bool failover_next(struct rd *r, struct failover_entry *out); /**< newest first */
void failover_put(struct buf *out, struct failover_entry entry);

/** SEQNO_PERSISTENCE: answers once the vBucket is on disk up to seqno. */
void seqno_persistence_put(struct buf *out, uint32_t opaque, uint16_t vbucket, uint64_t seqno);
enum divan_code seqno_persistence_read(const struct frame *f, uint64_t *seqno, struct divan_error *err);

#endif
