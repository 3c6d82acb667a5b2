/* The one place that talks to the network or reads a clock. Two backends behind one interface: libuv (io/uv_*.c) and a
 * deterministic simulation (io/sim*.c, see io/sim.h). Client and node are written against this header only.
 *
 * Threads: everything belongs to the thread that runs the loop (or holds the lock its wait hooks release); only
 * io_wake() may be called from anywhere. Callbacks are never made from inside the call that caused them.
 * Lifetimes: a handle is valid until its `closed` callback returns (streams) or its close call returns (timers,
 * listeners, lookups). */
#ifndef DIVAN_IO_IO_H
#define DIVAN_IO_IO_H

#include <divan/types.h>

#include "base/bytes.h"
#include "base/chunk.h"
#include "base/list.h"
#include "base/rand.h"

#define IO_NEVER  UINT64_MAX
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

struct io_loop;
struct io_stream;
struct io_listener;
struct io_lookup;

/* ---- loop */

/** A loop on libuv. NULL with err filled: OUT_OF_MEMORY, SYSTEM. */
struct io_loop *io_loop_new_uv(struct divan_error *err);
/** Closes what is left open (their `closed` callbacks run) and frees. NULL is fine. */
void io_loop_free(struct io_loop *);

/** Monotonic time in ns, read at most once per batch of events (cached); simulated in the simulation. */
uint64_t io_now_ns(struct io_loop *);
/** Re-reads the clock, for a caller that comes from outside the loop. Returns the new now. */
uint64_t io_refresh_now(struct io_loop *);
/** Wall-clock time in ns since 1970 (cached alike, simulated alike): CAS values, expiry, logs. */
uint64_t io_wall_ns(struct io_loop *);
/** The loop's generator: seeded by the system, or by the simulation. */
struct rng *io_rng(struct io_loop *);

/** Handles events: waits until at least one was handled, or until_ns (absolute; 0 = do not wait, IO_NEVER) has come.
 * Not re-entrant. Returns the number of events handled. */
int io_run_once(struct io_loop *, uint64_t until_ns);
/** Makes a running or the next io_run_once() return, and calls the wake function. Any thread; async-signal-safe not
 * promised. Cheap when a wake is pending already. */
void io_wake(struct io_loop *);
/** fn runs on the loop after io_wake(); several wakes may be folded into one call. */
void io_on_wake(struct io_loop *, void (*fn)(void *user), void *user);
/** Around the moment the loop sleeps in the kernel: before(user) just before, after(user) just after and before any
 * callback. A caller keeps its lock for all but the sleep this way. */
void io_set_wait_hooks(struct io_loop *, void (*before)(void *user), void (*after)(void *user), void *user);

/* ---- timers: caller memory, no allocation; resolution 1 ms with libuv, exact in the simulation */

struct io_timer {
    struct io_loop *loop;
    void (*fn)(void *user);
    void *user;
    uint64_t at_ns;  /* private: due time, and place in the loop's heap (0 = not running) */
    size_t position; /* 1-based */
};

void io_timer_init(struct io_timer *, struct io_loop *, void (*fn)(void *user), void *user);
/** (Re)starts: fn runs once, not before at_ns (absolute, past = next turn of the loop). false: out of memory. */
bool io_timer_start(struct io_timer *, uint64_t at_ns);
void io_timer_stop(struct io_timer *); /**< fine when not running */
static inline bool io_timer_running(const struct io_timer *t)
{
    return t->position != 0;
}

/* ---- addresses and names */

/** A numeric address with port, comparable with io_addr_equal(). */
struct io_addr {
    char host[48]; /* numeric, no brackets; "" = none */
    uint16_t port;
    bool v6;
};

bool io_addr_parse(struct io_addr *, const char *host, uint16_t port); /**< false: not a numeric address */
bool io_addr_equal(const struct io_addr *, const struct io_addr *);
/** "1.2.3.4:5" or "[::1]:5" into out; returns out. */
const char *io_addr_text(const struct io_addr *, char *out, size_t cap);

/** Asks these DNS servers ("10.0.0.53,[::1]:5353") instead of the system's, from the next lookup on; call it before the
 * first one. Errors: INVALID_ARGUMENT (not numeric addresses), OUT_OF_MEMORY. Without effect in the simulation. */
enum divan_code io_set_dns_servers(struct io_loop *, const char *servers, struct divan_error *err);

enum io_family { IO_ANY, IO_V4, IO_V6 };
/** count 0: err tells why (NAME_NOT_RESOLVED). addrs borrowed for the call. */
typedef void io_lookup_fn(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *err);
/** Resolves a host name (numeric ones at once, still asynchronously). NULL with err filled: OUT_OF_MEMORY. fn runs
 * exactly once unless cancelled. */
struct io_lookup *io_lookup_start(struct io_loop *, const char *host, uint16_t port, enum io_family, io_lookup_fn *,
                                  void *user, struct divan_error *err);
void io_lookup_cancel(struct io_lookup *); /**< fn will not run; NULL is fine; not after fn ran */

/** One answer of a DNS SRV query. */
struct io_srv {
    char target[256]; /* host name without the final dot */
    uint16_t port, priority, weight;
};
/** Sorted by priority, then by descending weight. count 0: err tells why (NAME_NOT_RESOLVED). srv borrowed for the call. */
typedef void io_lookup_srv_fn(void *user, const struct io_srv *srv, size_t count, const struct divan_error *err);
/** Asks for the SRV records of name ("_couchbases._tcp.example.com"). As io_lookup_start() otherwise. */
struct io_lookup *io_lookup_srv_start(struct io_loop *, const char *name, io_lookup_srv_fn *, void *user,
                                      struct divan_error *err);

/* ---- streams: TCP (TLS comes as a layer beneath the same calls) */

/** Marks of the output backlog, see io_handler.drained. */
enum { IO_BACKLOG_HIGH = 1024 * 1024, IO_BACKLOG_LOW = 256 * 1024 };

struct io_handler {
    /** Connected (only for streams made by io_connect). */
    void (*opened)(void *user);
    /** Bytes came in: look at io_stream_input(), take with io_stream_consume(). Called again only when more arrive. */
    void (*data)(void *user);
    /** The backlog fell to the low-water mark after io_stream_backlog() had been above the high one. May be NULL. */
    void (*drained)(void *user);
    /** The end, exactly once, after which the stream is gone: why->code DIVAN_OK = the peer ended it or io_stream_close()
     * was called, UNREACHABLE = connect failed, CONNECTION_LOST = reset or broken. why is borrowed. */
    void (*closed)(void *user, const struct divan_error *why);
};

/** Starts connecting. NULL with err filled: OUT_OF_MEMORY, SYSTEM. handler is borrowed for the stream's life. */
struct io_stream *io_connect(struct io_loop *, const struct io_addr *, const struct io_handler *, void *user,
                             struct divan_error *err);
/** Sets who is told (an accepted stream starts without; set it in the accept callback). */
void io_stream_handle(struct io_stream *, const struct io_handler *, void *user);
/** Asks for the end: pending output is dropped unless flush is set (then it is sent, and the peer's end awaited so that
 * the last bytes are not lost to a reset; both within 1 s). `closed` follows later, never from inside. No other callback
 * comes any more. */
void io_stream_close(struct io_stream *, bool flush);

/** What has arrived and not been consumed, contiguous. Valid until the next consume or return to the loop, unless pinned:
 * chunk_retain(io_stream_chunk()) keeps these bytes where they are. */
struct divan_bytes io_stream_input(const struct io_stream *);
struct chunk *io_stream_chunk(const struct io_stream *); /**< borrowed: holds what io_stream_input() shows */
void io_stream_consume(struct io_stream *, size_t n);
/** The next frame needs n contiguous bytes in all: room for them is made (default room: CHUNK_SIZE). */
void io_stream_expect(struct io_stream *, size_t n);
/** Stop or go on reading from the socket: back-pressure. */
void io_stream_pause(struct io_stream *, bool paused);

/** Output buffer: append to it, then flush. Nothing is sent before io_stream_flush(). Do not keep the pointer across a
 * flush. Its limit is 1 GiB: check ->failed. */
struct buf *io_stream_output(struct io_stream *);
/** Writes what the kernel takes now (one system call) and the rest when it can; cheap when there is nothing. */
void io_stream_flush(struct io_stream *);
size_t io_stream_backlog(const struct io_stream *); /**< bytes appended and not yet taken by the kernel */

/* Waiting for one stream alone: the short way of a caller that waits for one answer and has nothing else to look after. It
 * saves a system call and the turn of the loop. Meanwhile another thread that holds the lock may run the loop, which leaves
 * this stream's input alone, or close the stream, which wakes the waiter. */
struct io_wait {
    struct io_stream *stream; /* private, all of it */
    uint8_t *at;
    size_t room;
    int fd, problem;
    ptrdiff_t got;
};
enum { IO_WAIT_MS = 20 };
/** False when it is not possible (TLS, simulation, not open, somebody waits already): use the loop. */
bool io_wait_begin(struct io_stream *, struct io_wait *);
/** Sleeps in the kernel until bytes come, the stream ends, or about IO_WAIT_MS passed. Without the lock. */
void io_wait_sleep(struct io_wait *);
/** With the lock again: hands what came to the data callback as the loop would; an end is told by the loop later. False:
 * nothing came. Reads the clock. */
bool io_wait_end(struct io_wait *);

const struct io_addr *io_stream_peer(const struct io_stream *);
const struct io_addr *io_stream_local(const struct io_stream *);

/* ---- listening */

/** A stream came in: give it a handler now, or io_stream_close() it. */
typedef void io_accept_fn(void *user, struct io_stream *);
/** port 0 = any free one, see io_listener_addr(). NULL with err filled: PORT_IN_USE, SYSTEM, OUT_OF_MEMORY,
 * INVALID_ARGUMENT. */
struct io_listener *io_listen(struct io_loop *, const struct io_addr *, io_accept_fn *, void *user,
                              struct divan_error *err);
const struct io_addr *io_listener_addr(const struct io_listener *);
void io_listener_close(struct io_listener *); /**< accepted streams stay; NULL is fine */

#endif
