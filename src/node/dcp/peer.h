/* A session that became a DCP connection: who asked for it, with which wishes, and its streams. */
#ifndef DIVAN_NODE_DCP_PEER_H
#define DIVAN_NODE_DCP_PEER_H

#include "node/dcp/filter.h"
#include "node/request.h"
#include "wire/dcp.h"

struct dcp_peer {
    struct link link; /* in the engine */
    struct session *session;
    char name[DCP_NAME_MAX + 1 + 50]; /* the measured server takes 250 bytes */
    bool produces;                    /* we produce; else the peer said that it will (nobody does) */
    bool collections;                 /* negotiated when it was opened */
    uint32_t flags;                   /* enum dcp_open_flag */
    /* by CONTROL */
    bool noop, end_on_close, expiry_opcode, stream_ids, sync_writes;
    uint16_t node; /* the number of its consumer name, once a chain has it: its acknowledgements count for that */
    char consumer_name[DCP_NAME_MAX + 1];
    uint64_t noop_ns;      /* interval */
    uint64_t window_bytes; /* 0 = no flow control */
    uint64_t unacked_bytes;
    bool noop_open; /* one was sent and not answered */
    uint32_t next_opaque;
    struct list streams; /* struct dcp_stream */
    struct list ready;   /* those with something to send, in turns */
    uint32_t takeovers;  /* streams that are takeovers */
    struct io_timer pump_timer, noop_timer;
    struct buf scratch; /* values put together */
};

enum dcp_stream_state {
    STREAM_READING,
    /* of a takeover */
    STREAM_DRAINING,      /* everything is sent; durable writes come to their ends */
    STREAM_ASKED_PENDING, /* the consumer is to be pending; we are still active */
    STREAM_LAST_READING,  /* we are dead: what was written until then */
    STREAM_ASKED_ACTIVE,  /* the consumer is to be active */
    STREAM_OVER,
};

struct dcp_stream {
    struct link link, ready_link; /* in the peer */
    struct dcp_peer *peer;
    struct order_cursor cursor;
    struct dcp_filter filter;
    enum dcp_stream_state state;
    uint16_t vbucket;
    uint32_t opaque, flags;
    uint64_t end;
    uint64_t shown_until; /* the last item of the open snapshot that is sent; 0 = none is */
    uint64_t opened_at;   /* where the open snapshot began */
    uint64_t backlog_end; /* up to here it is history: disk snapshots */
    uint64_t drain_until_ns;
    uint32_t state_opaque; /* of the SET_VBUCKET_STATE that waits for its answer */
    bool any_marker;       /* one was sent */
    bool disk;             /* the open snapshot is one of history */
};

/* ---- peer.c */

void run_dcp_open(struct request *);
/** Everything else of DCP. */
void run_dcp(struct request *);
/** An answer of the peer to what we asked. */
void dcp_peer_answer(struct dcp_peer *, const struct frame *);
/** Ends all streams without a word: the bucket goes away. NULL is fine. */
void dcp_peer_leave(struct dcp_peer *);
void dcp_peer_free(struct dcp_peer *); /**< NULL is fine */
/** Sends what can be sent. */
void dcp_peer_pump(struct dcp_peer *);
/** All peers of the engine with something to send, now instead of at the loop's next turn. */
void dcp_pump_all(struct engine *);
/** Something of this stream can be sent. */
void dcp_stream_wake(struct dcp_stream *);
/** The number of a node's name, a new one if need be; 0 = out of memory or no name. */
uint16_t engine_name_number(struct engine *, struct divan_bytes name);
/** The node that the peer acknowledges for; 0 = none that is in a chain. */
uint16_t dcp_peer_node(struct dcp_peer *);

/* ---- control.c */

/** One wish. SUCCESS, EINVAL, NOT_SUPPORTED; *problem: for an error body, may stay NULL. */
enum status dcp_control(struct dcp_peer *, struct divan_bytes key, struct divan_bytes value, char problem[200]);

/* ---- stream_open.c */

void run_dcp_stream_request(struct request *);
struct dcp_stream *dcp_peer_find(const struct dcp_peer *, uint16_t vbucket, bool has_sid, uint16_t sid);
/** Whether a consumer at that place of that history has to go back, and to where. Pure. */
bool dcp_needs_rollback(const struct vbucket *, const struct dcp_stream_request *, bool has_purge_seqno,
                        uint64_t purge_seqno, uint64_t *to);

/* ---- stream.c */

/** Sends one message at most. false: there is nothing (any more). */
bool dcp_stream_step(struct dcp_stream *);
/** Ends it with a word. */
void dcp_stream_end(struct dcp_stream *, enum dcp_end);
void dcp_stream_free(struct dcp_stream *);
/** The consumer took the state it was to take. */
void dcp_stream_state_taken(struct dcp_stream *);

/* ---- emit.c */

/** Whether the consumer gets anything of the item. */
bool dcp_shows(const struct dcp_stream *, const struct item *);
/** Sends it: one message, or two for a durable write that began and ended in this snapshot. false: out of memory. */
bool dcp_emit(struct dcp_stream *, const struct item *);
/** Appends a message of the stream: opaque, vBucket, stream id and flow control are seen to. */
void dcp_send(struct dcp_stream *, struct dcp_message *);

#endif
