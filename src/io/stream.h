/* What all streams have in common (stream.c): input, output, states, the promises about callbacks. A transport (a socket
 * of the uv backend, a simulated connection, TLS over another stream) only moves bytes. */
#ifndef DIVAN_IO_STREAM_H
#define DIVAN_IO_STREAM_H

#include <stddef.h>

#include "io/loop.h"

enum stream_state {
    STREAM_CONNECTING,
    STREAM_OPEN,
    STREAM_ENDING, /* closed by the owner: the output goes out, then the peer's end is awaited, all within END_NS */
    STREAM_DEAD,   /* the transport is letting go; `closed` comes next */
    STREAM_STATES
};

struct stream_ops {
    /** Offers bytes (never none): how many were taken, 0 = none now, negative = -errno. Makes no callback. */
    ptrdiff_t (*send)(struct io_stream *, struct divan_bytes);
    /** stream_wants_read() or stream_wants_write() may have changed. Makes no callback. */
    void (*update)(struct io_stream *);
    /** No more bytes will be sent. */
    void (*finish)(struct io_stream *);
    /** Lets go of the connection; calls stream_gone() later, from the loop. */
    void (*drop)(struct io_stream *);
    /** For io_wait_*: reserves the input for one waiter and returns the descriptor to read from, -1 = not now. NULL = never. */
    int (*reserve)(struct io_stream *);
    /** Ends the reservation; does what was put off by it. False: the stream was dropped meanwhile. */
    bool (*unreserve)(struct io_stream *);
};

struct io_stream {
    struct io_loop *loop;
    const struct stream_ops *ops;
    const struct io_handler *handler; /* NULL = nobody listens (any more) */
    void *user;
    struct link link; /* in loop->streams */
    enum stream_state state;
    bool paused, congested, finished;
    int send_errno; /* sending broke: what is readable still comes, then the end */
    struct input in;
    struct buf out;     /* what the owner appends */
    size_t flushed;     /* bytes of out that may go */
    struct buf sending; /* what the transport did not take at once, from sent on; owner appends do not touch it */
    size_t sent;
    struct io_addr peer, local;
    struct io_timer end_timer;
    struct divan_error why;
};

/* ---- for transports */

void stream_init(struct io_stream *, struct io_loop *, const struct stream_ops *, enum stream_state);
/** Undoes stream_init() for a stream nobody was told of. */
void stream_fini(struct io_stream *);

static inline bool stream_wants_read(const struct io_stream *s)
{
    return (s->state == STREAM_OPEN && !s->paused) || s->state == STREAM_ENDING;
}
static inline bool stream_wants_write(const struct io_stream *s)
{
    return s->state == STREAM_CONNECTING || (s->state != STREAM_DEAD && s->sending.len > s->sent && !s->send_errno);
}

/* Events, on the loop only. After each the state may have changed, the memory is still there. */
void stream_opened(struct io_stream *);
size_t stream_room(struct io_stream *, uint8_t **at); /**< where to read to; 0: the stream has just died of memory */
void stream_received(struct io_stream *, size_t n);   /**< n bytes were written into that room */
void stream_writable(struct io_stream *);
/** The peer's end: code DIVAN_OK or why. Any thread that holds the loop: the callback comes later. */
void stream_ended(struct io_stream *, enum divan_code code, int errno_value, const char *what);
/** As stream_ended() with a complete reason. */
void stream_failed(struct io_stream *, const struct divan_error *why);
/** Last call of a transport after drop(): makes the `closed` callback, ends the use of everything but the memory. */
void stream_gone(struct io_stream *);

#endif
