/* Range scans: the JSON that starts one, continue and cancel, and the streams of items in the answers. */
#ifndef DIVAN_WIRE_RANGESCAN_H
#define DIVAN_WIRE_RANGESCAN_H

#include "wire/kv.h"

enum { SCAN_ID_LEN = 16, SCAN_NAME_MAX = 50, SCAN_KEY_ROOM = KEY_MAX + 5 };

struct scan_id {
    uint8_t bytes[SCAN_ID_LEN];
};

/* One end of a range. Any bytes: an end need not be a possible key. */
struct scan_bound {
    uint8_t key[SCAN_KEY_ROOM];
    size_t len;
    bool exclusive;
};

struct scan_create {
    uint32_t collection;
    bool key_only, include_xattrs;
    bool sampling;                /* else the range */
    struct scan_bound start, end; /* both of length 0 = the whole collection */
    uint64_t samples;
    uint32_t seed;
    bool has_snapshot; /* wait until seqno of this history is there */
    uint64_t vbucket_uuid, seqno;
    bool seqno_exists;   /* and refuse (NOT_STORED) when it was compacted away */
    uint32_t timeout_ms; /* 0 = not given */
    char name[SCAN_NAME_MAX + 1];
};

/** A bound from bytes; false when they are too many (250, or 255 for an end that was made from a prefix). */
bool scan_bound_set(struct scan_bound *b, struct divan_bytes key, bool exclusive);
/** The range of all keys that begin with prefix (at most 250 bytes; empty = everything). */
bool scan_set_prefix(struct scan_create *c, struct divan_bytes prefix);

void scan_put_create(struct buf *out, uint32_t opaque, uint16_t vbucket, const struct scan_create *c);

enum scan_verdict {
    SCAN_GOOD,
    SCAN_INVALID,    /* EINVAL; the problem is for the error body, NULL = none is sent */
    SCAN_DISCONNECT, /* the measured server closes the connection: wrong types inside the JSON */
};
/** Reads the value of RANGE_SCAN_CREATE. *problem as above (a static text, also for DISCONNECT as a log line). */
enum scan_verdict scan_read_create(const struct frame *f, struct scan_create *out, const char **problem);
/** The id in a successful answer to CREATE. PROTOCOL_ERROR. */
enum divan_code scan_read_created(const struct frame *f, struct scan_id *out, struct divan_error *err);

struct scan_continue {
    struct scan_id id;
    uint32_t item_limit, time_limit_ms, byte_limit; /* 0 = none */
};
void scan_put_continue(struct buf *out, uint32_t opaque, uint16_t vbucket, const struct scan_continue *c);
void scan_put_cancel(struct buf *out, uint32_t opaque, uint16_t vbucket, const struct scan_id *id);
enum divan_code scan_read_continue(const struct frame *f, struct scan_continue *out, struct divan_error *err);
enum divan_code scan_read_cancel(const struct frame *f, struct scan_id *out, struct divan_error *err);

/* ---- items: the value of answers to CONTINUE; their extras say of which kind */

enum scan_kind { SCAN_KEYS = 0, SCAN_DOCUMENTS = 1 };

struct scan_item {
    struct divan_bytes key, value;
    uint32_t flags, expiry;
    uint64_t seqno, cas;
    uint8_t datatype;
};

/** The kind an answer carries. PROTOCOL_ERROR when its extras are not a known kind; an answer without extras and value
 * is one without items: SCAN_KEYS. */
enum divan_code scan_read_kind(const struct frame *f, enum scan_kind *out, struct divan_error *err);
/** Takes the next item; false at the end or (r->bad) when malformed. Of keys only *out->key is written. */
bool scan_next(struct rd *r, enum scan_kind kind, struct scan_item *out);
void scan_put_item(struct buf *out, enum scan_kind kind, const struct scan_item *item);

#endif
