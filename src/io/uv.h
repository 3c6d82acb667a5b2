/* Inside of the libuv backend. Sockets are driven by uv_poll and plain recv/send: an answer is written and read without a
 * detour through libuv's queues, and a holder of the lock may send while the loop sleeps.
 *
 * That other thread must not touch libuv, though: libuv works on its own state between the return of the kernel and our
 * first callback. So every change of a poll handle goes through uv_poller and is made by the loop's thread (the dirty
 * list) whenever the loop is asleep. */
#ifndef DIVAN_IO_UV_H
#define DIVAN_IO_UV_H

#include <stdatomic.h>
#include <uv.h>

#include "io/stream.h"

enum wake_state { WAKE_NONE, WAKE_SLEEPING, WAKE_PENDING };

struct uv_resolver;

struct uv_io {
    struct io_loop base;
    uv_loop_t loop;
    uv_async_t async;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t timer;
    uint64_t armed_ns; /* when the one timer fires; earlier than needed is fine */
    bool will_sleep, skipped_poll;
    _Atomic int wake;
    struct list dirty; /* pollers */
    struct uv_resolver *resolver;
};

static inline struct uv_io *uv_io_of(struct io_loop *l)
{
    return (struct uv_io *)(void *)l;
}

/** A watched socket. The owner's memory stays until gone() was called. */
struct uv_poller {
    uv_poll_t poll;
    struct uv_io *u;
    struct link dirty;
    int fd;
    int want, have; /* UV_READABLE | UV_WRITABLE */
    bool started, closing, borrowed /* somebody else closes fd */;
    void (*ready)(struct uv_poller *, int events); /* on an error state all events are reported */
    void (*gone)(struct uv_poller *);
};

void uv_poller_init(struct uv_poller *, struct uv_io *, int fd);
void uv_poller_want(struct uv_poller *, int events);
/** Closes the socket; gone() follows from the loop. */
void uv_poller_close(struct uv_poller *);

/** Every callback of libuv begins with it: takes the owner's lock back, once per sleep. */
void uv_io_awake(struct uv_io *);

struct io_stream *uv_stream_connect(struct io_loop *, const struct io_addr *, struct divan_error *);
/** Takes the socket over, also on failure (NULL: out of memory). */
struct io_stream *uv_stream_accepted(struct uv_io *, int fd, const struct io_addr *peer);

struct io_listener *uv_listener_new(struct io_loop *, const struct io_addr *, struct divan_error *);
void uv_listener_close(struct io_listener *);

void uv_resolve(struct io_lookup *);
enum divan_code uv_set_dns_servers(struct io_loop *, const char *servers, struct divan_error *err);
void uv_resolver_free(struct uv_resolver *);

#endif
