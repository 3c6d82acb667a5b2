/* One connection of a client: reads frames, has them served in order, sends the answers of a batch in one go. */
#ifndef DIVAN_NODE_SESSION_H
#define DIVAN_NODE_SESSION_H

#include "node/engine_state.h"
#include "wire/hello.h"

enum session_state {
    SESSION_OPEN,    /* frames are served as they come */
    SESSION_STALLED, /* the peer does not take its answers: nothing is served until it does */
    SESSION_WAITING, /* a command answers later, the frames behind it wait */
    SESSION_CLOSING,
    SESSION_STATES,
};

struct session {
    struct link link; /* in the engine */
    struct engine *engine;
    struct io_stream *stream;
    enum session_state state;
    feature_set features;
    struct account *account;  /* NULL = not authenticated */
    struct bucket *bucket;    /* NULL = none selected */
    struct sasl_server *sasl; /* an exchange is open */
    struct dcp_peer *dcp;     /* it became a DCP connection */
    struct list held;         /* answers to durable writes */
    struct link answered;     /* in the engine: one of them was let go */
    bool unblock;             /* and it was waited for */
    uint32_t privileges;      /* everywhere in the bucket, as of `epoch` */
    uint64_t epoch;
    bool access_lost;          /* authenticated again since the bucket was selected */
    struct map_revision known; /* the newest configuration the client has from us; {-1, 0} = none */
    struct io_timer wait_timer;
    void (*wait_check)(struct session *, void *data, bool last); /* of SESSION_WAITING */
    uint64_t wait_until_ns;
    struct {
        uint64_t number;
        uint32_t opaque;
        uint16_t vbucket;
        uint8_t opcode;
        struct scan_id scan; /* range scans */
        struct scan_limits left;
    } waiting;
};

/** Takes an accepted stream; closes it when it cannot. */
void session_open(struct engine *, struct io_stream *);
/** Closes after what is in the output was sent. No more frames are served. */
void session_close(struct session *);
/** Leaves the bucket, if any. */
void session_leave_bucket(struct session *);
void session_enter_bucket(struct session *, struct bucket *);
/** Ends the connection at once and frees everything. */
void session_free(struct session *);

static inline bool session_has(const struct session *s, enum feature f)
{
    return feature_has(s->features, f);
}
static inline bool session_takes_snappy(const struct session *s)
{
    return session_has(s, FEATURE_SNAPPY) || session_has(s, FEATURE_SNAPPY_EVERYWHERE);
}

/** Serves nothing more until `check` calls session_resume(): it is called every few milliseconds, with last set when
 * limit_ms have passed. */
void session_wait(struct session *, void (*check)(struct session *, void *data, bool last), uint32_t limit_ms);
void session_resume(struct session *);
/** Serves nothing more until session_resume(), without asking. */
void session_block(struct session *);

/** Tells a subscribed client of a newer configuration; bucket NULL = the global one. */
void session_push_config(struct session *, struct bucket *bucket, struct served *);

#endif
