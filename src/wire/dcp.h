/* The messages of DCP, the stream of changes of vBuckets, both directions: who produces encodes what the consumer reads,
 * and the other way round. A message is one flat struct; which fields it has is said at each opcode. */
#ifndef DIVAN_WIRE_DCP_H
#define DIVAN_WIRE_DCP_H

#include "wire/frame.h"
#include "wire/opcodes.h"
#include "wire/statuses.h"

enum dcp_open_flag {
    DCP_OPEN_PRODUCER = 0x01, /* the peer is to produce: the caller will consume */
    DCP_OPEN_XATTRS = 0x04,
    DCP_OPEN_NO_VALUE = 0x08,
    DCP_OPEN_DELETE_TIMES = 0x20,
    DCP_OPEN_NO_VALUE_KEEP_DATATYPE = 0x40,
    DCP_OPEN_DELETED_USER_XATTRS = 0x100,
    DCP_OPEN_SKIP_DELETES = 0x200, /* newer servers */
};

enum dcp_stream_flag {
    DCP_STREAM_TAKEOVER = 0x01,
    DCP_STREAM_DISK_ONLY = 0x02,
    DCP_STREAM_TO_LATEST = 0x04,
    DCP_STREAM_ACTIVE_ONLY = 0x10,
    DCP_STREAM_STRICT_UUID = 0x20,
    DCP_STREAM_FROM_LATEST = 0x40,
    DCP_STREAM_IGNORE_PURGED = 0x80,
};

enum dcp_marker_flag {
    DCP_MARKER_MEMORY = 0x01,
    DCP_MARKER_DISK = 0x02, /* every key once at most, what is deleted may be missing */
    DCP_MARKER_CHECKPOINT = 0x04,
    DCP_MARKER_ACK = 0x08, /* to be answered */
    DCP_MARKER_HISTORY = 0x10,
    DCP_MARKER_DUPLICATES = 0x20,
};

enum dcp_end {
    DCP_END_OK,
    DCP_END_CLOSED,
    DCP_END_STATE_CHANGED,
    DCP_END_DISCONNECTED,
    DCP_END_TOO_SLOW,
    DCP_END_BACKFILL_FAILED,
    DCP_END_ROLLBACK,
    DCP_END_FILTER_EMPTY,
    DCP_END_LOST_PRIVILEGES,
};

enum dcp_event {
    DCP_EVENT_CREATE_COLLECTION,
    DCP_EVENT_DROP_COLLECTION,
    DCP_EVENT_FLUSH_COLLECTION, /* never sent */
    DCP_EVENT_CREATE_SCOPE,
    DCP_EVENT_DROP_SCOPE,
    DCP_EVENT_MODIFY_COLLECTION,
    DCP_EVENTS
};

/* vBucket states on the wire. */
enum dcp_vbucket_state { DCP_VB_ACTIVE = 1, DCP_VB_REPLICA = 2, DCP_VB_PENDING = 3, DCP_VB_DEAD = 4 };

enum { DCP_NAME_MAX = 200 };
#define DCP_FOREVER UINT64_MAX /* the end of a stream without end */

struct dcp_marker {
    uint64_t start, end;
    uint32_t flags;                       /* enum dcp_marker_flag */
    uint8_t version;                      /* 1; 20 and 22: with what follows */
    uint64_t max_visible, high_completed; /* 20 and 22; the latter 0 = none */
    uint64_t high_prepared, purge;        /* 22 */
};

struct dcp_stream_request {
    uint32_t flags; /* enum dcp_stream_flag */
    uint64_t start, end, uuid, snapshot_start, snapshot_end;
};

/* A request of DCP. */
struct dcp_message {
    uint8_t opcode;
    uint8_t datatype; /* of value */
    bool has_stream_id;
    bool collections; /* keys of documents carry their collection: negotiated */
    uint16_t vbucket, stream_id;
    uint32_t opaque;
    uint64_t cas; /* documents */
    /* MUTATION, DELETION, EXPIRATION, PREPARE, SYSTEM_EVENT, SEQNO_ADVANCED: the seqno of the change. COMMIT and ABORT:
     * theirs. SEQNO_ACKNOWLEDGED: the prepare that was received last. */
    uint64_t seqno;
    uint64_t prepared_seqno; /* COMMIT, ABORT */
    uint64_t revision;       /* MUTATION, DELETION, EXPIRATION, PREPARE */
    uint32_t flags;          /* MUTATION, PREPARE: of the document. OPEN, ADD_STREAM, OSO_SNAPSHOT: theirs */
    uint32_t expiry;         /* MUTATION, PREPARE */
    uint32_t lock_s;         /* MUTATION, PREPARE */
    uint32_t delete_s;       /* EXPIRATION, DELETION with delete_times: when */
    bool delete_times;       /* DELETION: the longer form */
    uint8_t nru;             /* MUTATION, PREPARE */
    bool deleted;            /* PREPARE */
    uint8_t level;           /* PREPARE: of durability, 1..3 */
    uint8_t event_version;   /* SYSTEM_EVENT */
    uint8_t state;           /* SET_VBUCKET_STATE */
    uint32_t event;          /* SYSTEM_EVENT: enum dcp_event */
    uint32_t reason;         /* STREAM_END: enum dcp_end */
    uint32_t ack_bytes;      /* BUFFER_ACK */
    uint32_t collection;     /* documents, COMMIT, ABORT; 0 without collections */
    struct divan_bytes key, value;
    struct dcp_marker marker;          /* SNAPSHOT_MARKER */
    struct dcp_stream_request request; /* STREAM_REQ */
};

/** Appends the request. COMMIT, ABORT and documents need key; OPEN and CONTROL take key and value as they are. The value
 * of MUTATION, DELETION, EXPIRATION, PREPARE is as stored: attributes, body. An unknown opcode sets out->failed. */
void dcp_put(struct buf *out, const struct dcp_message *m);
/** The same up to the value; value_len bytes are to follow. */
void dcp_put_head(struct buf *out, const struct dcp_message *m, size_t value_len);
/** Bytes that a message counts for in flow control, from its whole frame: a prepare counts two more than it has. */
size_t dcp_flow_bytes(uint8_t opcode, size_t frame_bytes);
/** Whether messages of this opcode take part in flow control. */
bool dcp_flow_counts(uint8_t opcode);

/** Reads any DCP request; views into the frame. collections: negotiated on this connection. FRAME_EXTRAS, FRAME_KEY,
 * FRAME_VALUE, FRAME_LEB128; PROTOCOL_ERROR: not of DCP, or metadata no one sends any more. */
enum divan_code dcp_read(const struct frame *f, bool collections, struct dcp_message *out, struct divan_error *err);

/* ---- answers */

/** Opcode, opaque, status and a value. */
void dcp_put_answer(struct buf *out, uint8_t opcode, uint32_t opaque, enum status status, struct divan_bytes value);
/** Where to go on after ROLLBACK: PROTOCOL_ERROR unless the value has eight bytes. */
enum divan_code dcp_read_rollback(const struct frame *f, uint64_t *seqno, struct divan_error *err);

/* ---- system events: the value of versions 0 and 1 */

struct dcp_event_value {
    uint64_t manifest_uid;
    uint32_t scope_id, collection_id, max_ttl_s;
    bool has_max_ttl; /* version 1, of a creation */
};
void dcp_put_event_value(struct buf *out, enum dcp_event, const struct dcp_event_value *);
/** FRAME_VALUE: length, or an event or version without this form. */
enum divan_code dcp_read_event_value(const struct dcp_message *, struct dcp_event_value *out, struct divan_error *err);

#endif
