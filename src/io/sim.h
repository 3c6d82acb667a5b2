/* A deterministic world instead of network and clock: hosts, connections between them, names, faults, one virtual time.
 * Programs written against io.h run in it unchanged, each on the loop of its host, all in one thread. Everything that
 * happens follows from the seed: the same seed and the same calls give the same trace.
 *
 * Not thread-safe. The world's own memory stands for kernel and network and is not subject to mem_fail_at(). */
#ifndef DIVAN_IO_SIM_H
#define DIVAN_IO_SIM_H

#include "io/io.h"

struct sim;

struct sim *sim_new(uint64_t seed);
/** Frees the loops that are left, as io_loop_free(), then the world. NULL is fine. */
void sim_free(struct sim *);

/** The loop of the host with this numeric address; the host and its loop are made when missing. io_loop_free() on it is
 * the end of the program there (its connections end as when a process exits); asking again starts the next program. */
struct io_loop *sim_host(struct sim *, const char *address);
/** Gives the host one more address to listen on and to be reached at. */
void sim_host_alias(struct sim *, const char *address, const char *more);

/* ---- time. Begins at 1 s monotonic and 2024-01-01 00:00:00 UTC. io_run_once() of any loop advances the whole world by
 * one event and returns how many were handled anywhere; with IO_NEVER and nothing left that could ever happen it aborts
 * the program: that is a deadlock of the code under test. */

uint64_t sim_now(const struct sim *);
/** Makes all happen that is due until then; now is `until_ns` afterwards. */
void sim_run_until(struct sim *, uint64_t until_ns);
static inline void sim_run_for(struct sim *s, uint64_t ns)
{
    sim_run_until(s, sim_now(s) + ns);
}
/** The next event if it is due by until_ns: true. Else the clock goes to until_ns (not for IO_NEVER): false. */
bool sim_step(struct sim *, uint64_t until_ns);
/** Shifts the wall clock of all hosts; the monotonic one never jumps. */
void sim_wall_shift(struct sim *, int64_t ns);

/* ---- trace */

uint64_t sim_trace_hash(const struct sim *); /**< of all that happened so far */
uint64_t sim_events(const struct sim *);     /**< how many events that were */
/** Tells each event as a line of text. fn NULL = stop. */
void sim_trace_to(struct sim *, void (*fn)(void *user, const char *line), void *user);

/* ---- the network between two hosts, one direction */

enum sim_flow {
    SIM_FLOWS,
    SIM_STALLS,   /* bytes and connection requests wait, and go on when it flows again */
    SIM_SWALLOWS, /* what is sent meanwhile is lost for good: connections that lost bytes never deliver again */
};

struct sim_link {
    uint64_t latency_min_ns, latency_max_ns;
    enum sim_flow flow;
    bool refuse;       /* new connections are refused */
    size_t piece_max;  /* most bytes that arrive at once: 1 = one by one; 0 = random cuts, as many as have come */
    size_t send_bytes; /* send buffer: taken from the sender and not yet read by the receiver */
};

struct sim_link sim_link_default(void); /**< 50 to 500 us, flows, random cuts, 256 KiB */
/** From one host to another, NULL = any. The last matching call counts; a repeated pair replaces. */
void sim_link_set(struct sim *, const char *from, const char *to, const struct sim_link *);
/** Changes only the flow, both directions, of the rule that holds between two hosts (NULL = any). */
void sim_flow_set(struct sim *, const char *a, const char *b, enum sim_flow);
/** All connections between them (NULL = any) are reset, on both sides, now. Returns how many. */
size_t sim_reset(struct sim *, const char *a, const char *b);

/* ---- hosts */

enum sim_host_state {
    SIM_UP,
    SIM_FROZEN, /* the program does not run; its kernel goes on: connects succeed, bytes are taken until buffers are full */
    SIM_CRASHED, /* the program is dead: connections are reset at once, connects refused */
    SIM_GONE, /* the machine is off the net: nobody is told, nothing answers. After SIM_UP a peer that still sends on an
                    old connection is told by a reset */
};
/** After SIM_CRASHED or SIM_GONE the host's own ends are lost; if its loop is not freed but the host comes up again, its
 * program hears so then (CONNECTION_LOST). Listeners live on with the loop. */
void sim_host_set(struct sim *, const char *address, enum sim_host_state);

/* ---- names */

/** Adds an address (or a SRV record) to a name. A numeric host is never looked up. */
void sim_name_add(struct sim *, const char *name, const char *address);
void sim_name_add_srv(struct sim *, const char *name, const char *target, uint16_t port, uint16_t priority,
                      uint16_t weight);
void sim_name_clear(struct sim *, const char *name); /**< no answer is known any more */
/** How long the answer takes; 0 = the default, 0.1 to 1 ms. */
void sim_name_delay(struct sim *, const char *name, uint64_t ns);

#endif
