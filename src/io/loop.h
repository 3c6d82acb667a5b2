/* Inside of src/io: what a loop is made of, and what a backend (uv, sim) has to provide. Everything both backends share is
 * written here and in loop.c, timer.c, input.c, stream.c, lookup.c, addr.c. */
#ifndef DIVAN_IO_LOOP_H
#define DIVAN_IO_LOOP_H

#include "io/input.h"
#include "io/io.h"

/* ---- work for the next turn of the loop: how "callbacks are never made from inside the call" is kept */

struct io_task {
    struct link link;
    void (*fn)(struct io_task *);
};

/* ---- timers (timer.c): a binary heap of pointers into caller memory */

struct timers {
    struct io_timer **heap; /* heap[0] unused: positions are 1-based */
    size_t count, cap;
};

static inline uint64_t timers_next(const struct timers *t)
{
    return t->count ? t->heap[1]->at_ns : IO_NEVER;
}

/* ---- lookups (lookup.c) */

struct io_lookup {
    struct io_loop *loop;
    struct link link; /* in loop->lookups until done */
    struct io_task task;
    bool srv, running, cancelled; /* running: the backend has it and will call a lookup_*_done() */
    io_lookup_fn *fn;
    io_lookup_srv_fn *srv_fn;
    void *user;
    enum io_family family;
    uint16_t port;
    char name[];
};

enum { LOOKUP_MAX = 64 }; /* answers passed on; more are dropped */

/** What a backend calls when it has the answer, once, on the loop. count 0 needs err. Frees the lookup. */
void lookup_done(struct io_lookup *, const struct io_addr *addrs, size_t count, const struct divan_error *err);
/** As lookup_done(); sorts srv. */
void lookup_srv_done(struct io_lookup *, struct io_srv *srv, size_t count, const struct divan_error *err);

/* ---- backends */

struct io_backend {
    uint64_t (*clock)(struct io_loop *); /* monotonic, ns */
    uint64_t (*wall)(struct io_loop *);
    int (*run_once)(struct io_loop *, uint64_t until_ns);
    void (*wake)(struct io_loop *); /* any thread */
    void (*timers_changed)(
        struct io_loop *); /* the earliest timer became earlier, from outside of run_once; may be NULL */
    struct io_stream *(*connect)(struct io_loop *, const struct io_addr *, struct divan_error *);
    struct io_listener *(*listen)(struct io_loop *, const struct io_addr *, struct divan_error *);
    void (*unlisten)(struct io_listener *); /* frees it, now or later; no accept callback any more */
    void (*resolve)(struct io_lookup *);    /* on the loop; may finish at once */
    enum divan_code (*set_dns_servers)(struct io_loop *, const char *,
                                       struct divan_error *); /* NULL = there are none */
    void (*free)(struct io_loop *); /* streams, listeners and timers are gone; lookups it still has are cancelled */
};

struct io_loop {
    const struct io_backend *backend;
    struct timers timers;
    struct list tasks, streams, listeners, lookups;
    struct chunk_pool chunks;
    struct rng rng;
    uint64_t now_ns, wall_ns; /* wall_ns 0: not read in this batch yet */
    unsigned events;          /* handled in this turn */
    bool asleep;              /* the loop is in the kernel with the owner's lock released */
    void (*on_wake)(void *user);
    void *wake_user;
    void (*before_wait)(void *user), (*after_wait)(void *user);
    void *wait_user;
};

struct io_listener {
    struct io_loop *loop;
    struct link link;
    io_accept_fn *fn;
    void *user;
    struct io_addr addr;
    void *layer; /* what stands on this listener (TLS) and is told of its end */
    void (*layer_closed)(void *layer);
};

void loop_init(struct io_loop *, const struct io_backend *, uint64_t seed);
/** Closes and waits for everything that is open; then the backend may free itself. */
void loop_close_all(struct io_loop *);
void loop_fini(struct io_loop *); /* what loop_init() and use made, not the loop itself */

/** fn runs on the loop's next turn, once; the task must not be posted already (link_in_list() tells). */
void loop_post(struct io_loop *, struct io_task *);
/** Makes a sleeping loop look again at what was changed by another holder of the lock. */
static inline void loop_nudge(struct io_loop *l)
{
    if (l->asleep) io_wake(l);
}
/** Runs what was posted before the call, and timers due at now_ns; each counts as an event. */
void loop_run_tasks(struct io_loop *);
void loop_run_timers(struct io_loop *);

/** For backends: the common fields of a listener are filled by io_listen() after backend->listen(). */
struct sockaddr_storage;
/** Socket form of a; returns its length. */
unsigned addr_to_sockaddr(const struct io_addr *, struct sockaddr_storage *);
void addr_from_sockaddr(struct io_addr *, const struct sockaddr_storage *);
/** 4 or 16 bytes as in the IP header; else false. */
bool addr_from_bytes(struct io_addr *, struct divan_bytes);

#endif
