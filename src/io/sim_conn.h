/* Inside of the simulated network: a connection, its two ends and its two pipes. sim_pipe.c (bytes on the way),
 * sim_connect.c (asking, listening, accepting), sim_net.c (the transport of streams, arriving, faults). */
#ifndef DIVAN_IO_SIM_CONN_H
#define DIVAN_IO_SIM_CONN_H

#include "io/sim_impl.h"

enum sim_end_state {
    END_NONE, /* asked for, or not accepted yet */
    END_OPEN,
    END_CLOSED, /* the program closed it; what was sent still arrives, what comes is answered by a reset */
    END_LOST,   /* reset, or its host died */
};

struct sim_stream {
    struct io_stream base;
    struct sim_conn *conn; /* retained */
    int side;
    struct io_task gone;
};

struct sim_segment {
    size_t n;
    uint64_t at_ns; /* when it arrives */
};

struct sim_pipe {
    uint8_t *bytes;
    size_t from, to, cap; /* unread: from..to */
    struct sim_segment *segments;
    size_t segment_from, segment_to, segment_cap;
    uint64_t last_ns; /* nothing arrives before it: order is kept */
    bool fin, lost /* bytes were swallowed: nothing arrives any more */, scheduled;
    bool sender_waits, writable_scheduled;
};

struct sim_conn {
    struct sim *sim;
    struct link link;
    unsigned id, refs;
    struct sim_host *host[2]; /* host[1] NULL: nobody has the address */
    struct io_addr addr[2];
    struct sim_stream *end[2];
    enum sim_end_state state[2];
    struct sim_pipe pipe[2]; /* pipe[i]: from side i to side 1 - i */
};

/* ---- pipes: in the kernel or on the wire; plain data */

void pipe_put(struct sim_pipe *, struct divan_bytes, uint64_t at_ns);
size_t pipe_arrived(const struct sim_pipe *, uint64_t now_ns);
void pipe_take(struct sim_pipe *, uint8_t *to, size_t n);
void pipe_drop(struct sim_pipe *); /**< forgets what is on the way, its end too */
static inline size_t pipe_len(const struct sim_pipe *p)
{
    return p->to - p->from;
}

/* ---- connections */

struct sim_conn *conn_retain(struct sim_conn *);
struct sim_link conn_link(struct sim_conn *, int from);
/** Plans an event for one side, unless nobody is there. */
void conn_plan(struct sim_conn *, enum sim_kind, int side, uint64_t at_ns, int problem);
/** When something sent now by `side` arrives; later than all that was sent before. */
uint64_t conn_arrival(struct sim_conn *, int side);
void conn_plan_reset(struct sim_conn *, int to);
/** Plans the next delivery from this side, unless it is planned or there is nothing. */
void conn_kick(struct sim_conn *, int from, uint64_t after_ns);
/** The program's end of a connection; NULL: out of memory. */
struct sim_stream *sim_stream_new(struct sim_conn *, int side, enum stream_state);

/* ---- events of connecting */

void conn_on_syn(struct sim_conn *, int tries);
void conn_on_accept(struct sim_conn *);
void conn_on_opened(struct sim_conn *);
void conn_on_refused(struct sim_conn *, int problem);

#endif
