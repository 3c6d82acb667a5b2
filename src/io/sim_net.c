/* Simulated connections: two ends, a pipe in each direction. What the pipe holds is "in the kernel or on the wire"; what an
 * end's stream holds is the program's. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "io/sim_conn.h"

static struct sim_stream *of_stream(struct io_stream *s)
{
    return container_of(s, struct sim_stream, base);
}

/* ---- connections and their events */

struct sim_conn *conn_retain(struct sim_conn *c)
{
    c->refs++;
    return c;
}

void sim_conn_release(struct sim_conn *c)
{
    if (--c->refs) return;
    list_remove(&c->link);
    for (int i = 0; i < 2; i++) {
        free(c->pipe[i].bytes);
        free(c->pipe[i].segments);
    }
    free(c);
}

void conn_plan(struct sim_conn *c, enum sim_kind kind, int side, uint64_t at_ns, int problem)
{
    if (!c->host[side]) return;
    sim_push(c->sim, (struct sim_event){.at_ns = at_ns,
                                        .kind = kind,
                                        .host = c->host[side],
                                        .conn = conn_retain(c),
                                        .side = side,
                                        .problem = problem});
}

struct sim_link conn_link(struct sim_conn *c, int side)
{
    return sim_link_of(c->sim, c->host[side], c->host[1 - side]);
}

uint64_t conn_arrival(struct sim_conn *c, int side)
{
    struct sim_link link = conn_link(c, side);
    struct sim_pipe *p = &c->pipe[side];
    uint64_t at = c->sim->now_ns + sim_latency(c->sim, &link);
    if (at <= p->last_ns) at = p->last_ns + 1;
    return p->last_ns = at;
}

void conn_plan_reset(struct sim_conn *c, int to)
{
    if (c->host[to] && c->host[1 - to]) conn_plan(c, SIM_RESET, to, conn_arrival(c, 1 - to), ECONNRESET);
}

void conn_kick(struct sim_conn *c, int from, uint64_t after_ns)
{
    struct sim_pipe *p = &c->pipe[from];
    if (p->scheduled || (p->from == p->to && !p->fin)) return;
    uint64_t at = p->from == p->to ? p->last_ns : p->segments[p->segment_from].at_ns;
    p->scheduled = true;
    conn_plan(c, SIM_DELIVER, 1 - from, at > after_ns ? at : after_ns, 0);
}

static void plan_writable(struct sim_conn *c, int side)
{
    struct sim_pipe *p = &c->pipe[side];
    if (p->writable_scheduled) return;
    struct sim_link back = conn_link(c, 1 - side);
    p->sender_waits = false;
    p->writable_scheduled = true;
    conn_plan(c, SIM_WRITABLE, side, c->sim->now_ns + sim_latency(c->sim, &back), 0);
}

/* ---- the transport of a stream */

static ptrdiff_t stream_send(struct io_stream *s, struct divan_bytes bytes)
{
    struct sim_stream *ss = of_stream(s);
    struct sim_conn *c = ss->conn;
    struct sim *sim = c->sim;
    struct sim_pipe *p = &c->pipe[ss->side];
    if (c->state[ss->side] == END_LOST) return -ECONNRESET;
    struct sim_link link = conn_link(c, ss->side);
    size_t held = p->to - p->from, room = link.send_bytes > held ? link.send_bytes - held : 0;
    size_t n = bytes.len < room ? bytes.len : room;
    if (n > 1 && !rng_below(&sim->rng, 8)) n = 1 + rng_below(&sim->rng, n); /* kernels may take less */
    if (n) pipe_put(p, bytes_of(bytes.data, n), conn_arrival(c, ss->side));
    if (n && link.flow == SIM_SWALLOWS) p->lost = true;
    conn_kick(c, ss->side, sim->now_ns);
    if (n < bytes.len && n < room) plan_writable(c, ss->side);
    else if (n < bytes.len) p->sender_waits = true;
    return (ptrdiff_t)n;
}

static void stream_update(struct io_stream *s)
{
    struct sim_stream *ss = of_stream(s);
    if (stream_wants_read(s)) conn_kick(ss->conn, 1 - ss->side, ss->conn->sim->now_ns);
}

static void end_output(struct sim_conn *c, int side)
{
    c->pipe[side].fin = true;
    conn_arrival(c, side);
    conn_kick(c, side, c->sim->now_ns);
}

static void stream_finish(struct io_stream *s)
{
    end_output(of_stream(s)->conn, of_stream(s)->side);
}

static void run_gone(struct io_task *task)
{
    struct sim_stream *ss = container_of(task, struct sim_stream, gone);
    struct sim_conn *c = ss->conn;
    stream_gone(&ss->base);
    mem_free(ss);
    sim_conn_release(c);
}

static void stream_drop(struct io_stream *s)
{
    struct sim_stream *ss = of_stream(s);
    struct sim_conn *c = ss->conn;
    int side = ss->side;
    struct sim_pipe *incoming = &c->pipe[1 - side];
    c->end[side] = NULL;
    if (c->state[side] == END_OPEN) {
        bool unread = pipe_arrived(incoming, c->sim->now_ns) > 0;
        c->state[side] = END_CLOSED;
        if (unread) conn_plan_reset(c, 1 - side); /* as kernels do when bytes were not read */
        else if (!c->pipe[side].fin) end_output(c, side);
    } else if (c->state[side] == END_NONE) c->state[side] = END_CLOSED;
    loop_post(s->loop, &ss->gone);
}

static const struct stream_ops sim_ops = {
    .send = stream_send,
    .update = stream_update,
    .finish = stream_finish,
    .drop = stream_drop,
};

struct sim_stream *sim_stream_new(struct sim_conn *c, int side, enum stream_state state)
{
    struct sim_stream *ss = mem_zalloc(sizeof *ss);
    if (!ss) return NULL;
    stream_init(&ss->base, &c->host[side]->loop->base, &sim_ops, state);
    ss->conn = conn_retain(c);
    ss->side = side;
    ss->gone.fn = run_gone;
    ss->base.local = c->addr[side];
    ss->base.peer = c->addr[1 - side];
    c->end[side] = ss;
    return ss;
}

/* ---- arriving */

static size_t cut(struct sim *s, const struct sim_link *link, size_t arrived)
{
    if (link->piece_max) return 1 + rng_below(&s->rng, arrived < link->piece_max ? arrived : link->piece_max);
    return rng_below(&s->rng, 2) ? arrived : 1 + rng_below(&s->rng, arrived);
}

static void hand_over(struct sim_conn *c, int from, const struct sim_link *link, size_t arrived)
{
    struct sim_pipe *p = &c->pipe[from];
    struct io_stream *s = &c->end[1 - from]->base;
    uint8_t *at;
    size_t n = cut(c->sim, link, arrived), room = stream_room(s, &at);
    if (!room) return;
    if (n > room) n = room;
    pipe_take(p, at, n);
    if (p->sender_waits) plan_writable(c, from);
    conn_kick(c, from, c->sim->now_ns + 1 + rng_below(&c->sim->rng, link->latency_max_ns / 16 + 1));
    stream_received(s, n);
}

static void on_deliver(struct sim_conn *c, int to)
{
    int from = 1 - to;
    struct sim_pipe *p = &c->pipe[from];
    struct sim_link link = conn_link(c, from);
    p->scheduled = false;
    if (c->host[to]->state == SIM_GONE || link.flow == SIM_STALLS) return; /* sim_kick_all() comes when that ends */
    if (link.flow == SIM_SWALLOWS && p->to > p->from) p->lost = true;
    if (c->state[to] == END_LOST || (c->state[to] == END_CLOSED && p->to > p->from)) {
        pipe_drop(p);
        if (c->state[from] == END_OPEN) conn_plan_reset(c, from);
        return;
    }
    struct sim_stream *reader = c->end[to];
    if (p->lost || link.flow != SIM_FLOWS || !reader || !stream_wants_read(&reader->base)) return;
    size_t arrived = pipe_arrived(p, c->sim->now_ns);
    if (arrived) hand_over(c, from, &link, arrived);
    else if (p->from == p->to && p->fin && p->last_ns <= c->sim->now_ns) stream_ended(&reader->base, DIVAN_OK, 0, NULL);
    else conn_kick(c, from, c->sim->now_ns);
}

static void on_writable(struct sim_conn *c, int side)
{
    c->pipe[side].writable_scheduled = false;
    if (c->end[side] && stream_wants_write(&c->end[side]->base)) stream_writable(&c->end[side]->base);
}

static void on_reset(struct sim_conn *c, int side, int problem)
{
    struct sim_link link = conn_link(c, 1 - side);
    if (problem == ECONNRESET && link.flow != SIM_FLOWS) return; /* lost on the way: this side stays half-open */
    if (c->state[side] == END_OPEN) c->state[side] = END_LOST;
    pipe_drop(&c->pipe[side]);
    struct sim_stream *ss = c->end[side];
    if (!ss) return;
    bool connecting = ss->base.state == STREAM_CONNECTING;
    stream_ended(&ss->base, connecting ? DIVAN_ERR_UNREACHABLE : DIVAN_ERR_CONNECTION_LOST, ECONNRESET,
                 connecting ? "cannot connect to" : "the connection broke to");
}

void sim_conn_event(struct sim *s, const struct sim_event *e)
{
    struct sim_conn *c = e->conn;
    sim_note(s, e->kind, e->host, c->id, c->pipe[1 - e->side].to - c->pipe[1 - e->side].from);
    switch (e->kind) {
    case SIM_SYN:
        conn_on_syn(c, e->problem);
        break;
    case SIM_ACCEPT:
        conn_on_accept(c);
        break;
    case SIM_OPENED:
        conn_on_opened(c);
        break;
    case SIM_REFUSED:
        conn_on_refused(c, e->problem);
        break;
    case SIM_DELIVER:
        on_deliver(c, e->side);
        break;
    case SIM_WRITABLE:
        on_writable(c, e->side);
        break;
    case SIM_RESET:
        on_reset(c, e->side, e->problem);
        break;
    default:
        assert(!"not an event of a connection");
    }
}

/* ---- faults */

void sim_kick_all(struct sim *s)
{
    list_each(&s->conns, it)
    {
        struct sim_conn *c = container_of(it, struct sim_conn, link);
        for (int side = 0; side < 2; side++) conn_kick(c, side, s->now_ns);
    }
}

static bool between(const struct sim_conn *c, const char *a, const char *b)
{
    if (!c->host[1]) return false;
    return (sim_same_name(c->host[0], a) && sim_same_name(c->host[1], b)) ||
           (sim_same_name(c->host[0], b) && sim_same_name(c->host[1], a));
}

size_t sim_reset(struct sim *s, const char *a, const char *b)
{
    size_t count = 0;
    list_each(&s->conns, it)
    {
        struct sim_conn *c = container_of(it, struct sim_conn, link);
        if (!between(c, a, b) || c->state[0] != END_OPEN || c->state[1] != END_OPEN) continue;
        for (int side = 0; side < 2; side++) conn_plan(c, SIM_RESET, side, s->now_ns, ECONNABORTED);
        count++;
    }
    return count;
}

void sim_lose_ends(struct sim *s, struct sim_host *h, bool tell)
{
    list_each(&s->conns, it)
    {
        struct sim_conn *c = container_of(it, struct sim_conn, link);
        for (int side = 0; side < 2; side++) {
            if (c->host[side] != h || !c->host[1 - side]) continue;
            bool open = c->state[side] == END_OPEN;
            pipe_drop(&c->pipe[side]);
            c->state[side] = END_LOST;
            conn_plan(c, SIM_RESET, side, s->now_ns, ECONNABORTED); /* heard when the program runs again */
            if (tell && open) conn_plan_reset(c, 1 - side);
        }
    }
}
