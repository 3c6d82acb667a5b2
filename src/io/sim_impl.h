/* Inside of the simulated backend: sim.c (world, clock, events), sim_hosts.c (loops, hosts, links, names),
 * sim_net.c (connections). */
#ifndef DIVAN_IO_SIM_IMPL_H
#define DIVAN_IO_SIM_IMPL_H

#include "io/sim.h"
#include "io/stream.h"

struct sim_host;
struct sim_conn;

struct sim_loop {
    struct io_loop base;
    struct sim *sim;
    struct sim_host *host;
    bool woken;
};

static inline struct sim_loop *sim_loop_of(struct io_loop *l)
{
    return (struct sim_loop *)(void *)l;
}

enum { HOST_ADDRESSES = 4 };

struct sim_host {
    struct link link;
    unsigned id;
    enum sim_host_state state;
    struct sim_loop *loop; /* NULL = no program runs */
    uint16_t next_port;
    size_t addresses;
    char address[HOST_ADDRESSES][48];
};

/* ---- events. Those of a program (not of its kernel) wait while its host is not up. */

#define SIM_KINDS(X)                                                                                                   \
    X(SYN, "syn", false)      /* a connection request reaches the other host */                                        \
    X(ACCEPT, "accept", true) /* the program there is given the stream */                                              \
    X(OPENED, "opened", true) /* the answer reaches the one who asked */                                               \
    X(REFUSED, "refused", true)                                                                                        \
    X(DELIVER, "deliver", true)   /* bytes or the end reach the reader */                                              \
    X(WRITABLE, "writable", true) /* the send buffer has room again */                                                 \
    X(RESET, "reset", true)                                                                                            \
    X(LOOKUP, "lookup", true)                                                                                          \
    X(TURN, "turn", true) /* a loop's own work: wake-up, posted tasks, timers */

enum sim_kind {
#define X(name, text, of_program) SIM_##name,
    SIM_KINDS(X)
#undef X
        SIM_KIND_COUNT
};

struct sim_event {
    uint64_t at_ns, order; /* order breaks ties, by the seed */
    enum sim_kind kind;
    struct sim_host *host; /* where it happens */
    struct sim_conn *conn; /* retained */
    int side;
    int problem; /* errno value, or try number of a SYN */
    struct io_lookup *lookup;
};

struct sim_rule {
    char from[48], to[48]; /* "" = any */
    struct sim_link link;
};

struct sim_name {
    struct link link;
    uint64_t delay_ns;
    size_t addresses, srvs;
    char address[LOOKUP_MAX][48];
    struct io_srv srv[LOOKUP_MAX];
    char name[];
};

struct sim {
    uint64_t now_ns, wall_base_ns, hash, count;
    struct rng rng;
    struct list hosts, conns, names;
    unsigned host_ids, conn_ids;
    struct sim_event *heap, *held; /* heap[0] is the next */
    size_t heap_count, heap_cap, held_count, held_cap;
    struct sim_rule *rules;
    size_t rule_count, rule_cap;
    bool stepping;
    void (*trace)(void *user, const char *line);
    void *trace_user;
};

/** Memory of the world: never fails (the program ends). *array grows to hold count + 1 items of this size. */
void *sim_calloc(size_t size);
void sim_grow(void *array, size_t *cap, size_t count, size_t item);

/** Takes the event over (its conn reference, too). */
void sim_push(struct sim *, struct sim_event);
void sim_note(struct sim *, enum sim_kind, const struct sim_host *, uint64_t a, uint64_t b);
/** Events that waited for this host. */
void sim_release_held(struct sim *, struct sim_host *);
/** Ends the lookups of a loop that goes. */
void sim_drop_lookups(struct sim *, struct io_loop *);

struct sim_host *sim_host_find(struct sim *, const char *address); /**< NULL: no such host */
struct sim_link sim_link_of(struct sim *, const struct sim_host *from, const struct sim_host *to);
uint64_t sim_latency(struct sim *, const struct sim_link *);
void sim_answer(struct sim *, struct io_lookup *);
bool sim_same_name(const struct sim_host *, const char *address); /**< address NULL = any */

/* ---- connections */

struct io_stream *sim_connect(struct io_loop *, const struct io_addr *, struct divan_error *);
struct io_listener *sim_listen(struct io_loop *, const struct io_addr *, struct divan_error *);
void sim_unlisten(struct io_listener *);
void sim_conn_event(struct sim *, const struct sim_event *);
void sim_conn_release(struct sim_conn *);
/** Something about links or hosts changed: what waited goes on. */
void sim_kick_all(struct sim *);
/** The host's ends are lost; peers are told or not. */
void sim_lose_ends(struct sim *, struct sim_host *, bool tell);

#endif
