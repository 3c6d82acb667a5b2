/* Simulated connections: two ends, a pipe in each direction. What the pipe holds is "in the kernel or on the wire"; what an
 * end's stream holds is the program's. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/sim_impl.h"

enum { SYN_TRIES = 7 };
#define NO_ROUTE_NS (3 * NS_PER_S)

enum end_state {
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

struct segment {
    size_t n;
    uint64_t at_ns; /* when it arrives */
};

struct sim_pipe {
    uint8_t *bytes;
    size_t from, to, cap; /* unread: from..to */
    struct segment *segments;
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
    enum end_state state[2];
    struct sim_pipe pipe[2]; /* pipe[i]: from side i to side 1 - i */
};

struct sim_listener {
    struct io_listener base;
    struct link link;
};

static struct sim_stream *of_stream(struct io_stream *s)
{
    return container_of(s, struct sim_stream, base);
}

/* ---- connections and their events */

static struct sim_conn *conn_retain(struct sim_conn *c)
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

static void plan(struct sim_conn *c, enum sim_kind kind, int side, uint64_t at_ns, int problem)
{
    if (!c->host[side]) return;
    sim_push(c->sim, (struct sim_event){.at_ns = at_ns,
                                        .kind = kind,
                                        .host = c->host[side],
                                        .conn = conn_retain(c),
                                        .side = side,
                                        .problem = problem});
}

static struct sim_link link_from(struct sim_conn *c, int side)
{
    return sim_link_of(c->sim, c->host[side], c->host[1 - side]);
}

/* When something sent now by `side` arrives; later than all that was sent before. */
static uint64_t arrival(struct sim_conn *c, int side)
{
    struct sim_link link = link_from(c, side);
    struct sim_pipe *p = &c->pipe[side];
    uint64_t at = c->sim->now_ns + sim_latency(c->sim, &link);
    if (at <= p->last_ns) at = p->last_ns + 1;
    return p->last_ns = at;
}

static void plan_reset(struct sim_conn *c, int to)
{
    if (c->host[to] && c->host[1 - to]) plan(c, SIM_RESET, to, arrival(c, 1 - to), ECONNRESET);
}

/* ---- pipes */

static void pipe_put(struct sim_pipe *p, struct divan_bytes bytes, uint64_t at_ns)
{
    if (p->from == p->to) p->from = p->to = 0;
    if (p->from && p->to + bytes.len > p->cap) {
        memmove(p->bytes, p->bytes + p->from, p->to - p->from);
        p->to -= p->from;
        p->from = 0;
    }
    while (p->to + bytes.len > p->cap) sim_grow(&p->bytes, &p->cap, p->cap, 1);
    memcpy(p->bytes + p->to, bytes.data, bytes.len);
    p->to += bytes.len;
    if (p->segment_to == p->segment_cap && p->segment_from) {
        memmove(p->segments, p->segments + p->segment_from, (p->segment_to - p->segment_from) * sizeof *p->segments);
        p->segment_to -= p->segment_from;
        p->segment_from = 0;
    }
    sim_grow(&p->segments, &p->segment_cap, p->segment_to, sizeof *p->segments);
    p->segments[p->segment_to++] = (struct segment){bytes.len, at_ns};
}

static size_t pipe_arrived(const struct sim_pipe *p, uint64_t now_ns)
{
    size_t n = 0;
    for (size_t i = p->segment_from; i < p->segment_to && p->segments[i].at_ns <= now_ns; i++) n += p->segments[i].n;
    return n;
}

static void pipe_take(struct sim_pipe *p, uint8_t *to, size_t n)
{
    memcpy(to, p->bytes + p->from, n);
    p->from += n;
    while (n) {
        struct segment *first = &p->segments[p->segment_from];
        size_t part = n < first->n ? n : first->n;
        first->n -= part;
        n -= part;
        if (!first->n) p->segment_from++;
    }
}

static void pipe_drop(struct sim_pipe *p)
{
    p->from = p->to = 0;
    p->segment_from = p->segment_to = 0;
    p->fin = false;
}

/* Plans the next arrival unless it is planned. */
static void kick(struct sim_conn *c, int from, uint64_t after_ns)
{
    struct sim_pipe *p = &c->pipe[from];
    if (p->scheduled || (p->from == p->to && !p->fin)) return;
    uint64_t at = p->from == p->to ? p->last_ns : p->segments[p->segment_from].at_ns;
    p->scheduled = true;
    plan(c, SIM_DELIVER, 1 - from, at > after_ns ? at : after_ns, 0);
}

static void plan_writable(struct sim_conn *c, int side)
{
    struct sim_pipe *p = &c->pipe[side];
    if (p->writable_scheduled) return;
    struct sim_link back = link_from(c, 1 - side);
    p->sender_waits = false;
    p->writable_scheduled = true;
    plan(c, SIM_WRITABLE, side, c->sim->now_ns + sim_latency(c->sim, &back), 0);
}

/* ---- the transport of a stream */

static ptrdiff_t stream_send(struct io_stream *s, struct divan_bytes bytes)
{
    struct sim_stream *ss = of_stream(s);
    struct sim_conn *c = ss->conn;
    struct sim *sim = c->sim;
    struct sim_pipe *p = &c->pipe[ss->side];
    if (c->state[ss->side] == END_LOST) return -ECONNRESET;
    struct sim_link link = link_from(c, ss->side);
    size_t held = p->to - p->from, room = link.send_bytes > held ? link.send_bytes - held : 0;
    size_t n = bytes.len < room ? bytes.len : room;
    if (n > 1 && !rng_below(&sim->rng, 8)) n = 1 + rng_below(&sim->rng, n); /* kernels may take less */
    if (n) pipe_put(p, bytes_of(bytes.data, n), arrival(c, ss->side));
    if (n && link.flow == SIM_SWALLOWS) p->lost = true;
    kick(c, ss->side, sim->now_ns);
    if (n < bytes.len && n < room) plan_writable(c, ss->side);
    else if (n < bytes.len) p->sender_waits = true;
    return (ptrdiff_t)n;
}

static void stream_update(struct io_stream *s)
{
    struct sim_stream *ss = of_stream(s);
    if (stream_wants_read(s)) kick(ss->conn, 1 - ss->side, ss->conn->sim->now_ns);
}

static void end_output(struct sim_conn *c, int side)
{
    c->pipe[side].fin = true;
    arrival(c, side);
    kick(c, side, c->sim->now_ns);
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
        if (unread) plan_reset(c, 1 - side); /* as kernels do when bytes were not read */
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

static struct sim_stream *stream_new(struct sim_conn *c, int side, enum stream_state state)
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

/* ---- connecting */

static uint16_t next_port(struct sim_host *h)
{
    if (h->next_port < 49152) h->next_port = 49152;
    return h->next_port++;
}

static struct sim_host *host_at(struct sim_loop *sl, const struct io_addr *addr)
{
    struct sim_host *h = sim_host_find(sl->sim, addr->host);
    bool own = strncmp(addr->host, "127.", 4) == 0 || strcmp(addr->host, "::1") == 0;
    return !h && own ? sl->host : h;
}

struct io_stream *sim_connect(struct io_loop *l, const struct io_addr *to, struct divan_error *err)
{
    struct sim_loop *sl = sim_loop_of(l);
    struct sim *s = sl->sim;
    struct sim_conn *c = sim_calloc(sizeof *c);
    c->sim = s;
    c->id = ++s->conn_ids;
    c->refs = 1;
    list_append(&s->conns, &c->link);
    c->host[0] = sl->host;
    c->host[1] = host_at(sl, to);
    io_addr_parse(&c->addr[0], sl->host->address[0], next_port(sl->host));
    c->addr[1] = *to;
    struct sim_stream *ss = stream_new(c, 0, STREAM_CONNECTING);
    if (!ss) err_oom(err);
    else if (c->host[1]) plan(c, SIM_SYN, 1, arrival(c, 0), 0);
    else plan(c, SIM_REFUSED, 0, s->now_ns + NO_ROUTE_NS, EHOSTUNREACH);
    sim_conn_release(c);
    return ss ? &ss->base : NULL;
}

static struct sim_listener *listener_at(struct sim_host *h, uint16_t port)
{
    if (!h->loop) return NULL;
    list_each(&h->loop->base.listeners, it)
    {
        struct io_listener *l = container_of(it, struct io_listener, link);
        if (l->addr.port == port) return container_of(l, struct sim_listener, base);
    }
    return NULL;
}

struct io_listener *sim_listen(struct io_loop *l, const struct io_addr *addr, struct divan_error *err)
{
    struct sim_loop *sl = sim_loop_of(l);
    bool any = strcmp(addr->host, "0.0.0.0") == 0 || strcmp(addr->host, "::") == 0;
    char text[64];
    io_addr_text(addr, text, sizeof text);
    if (!any && host_at(sl, addr) != sl->host) {
        err_sys(err, DIVAN_ERR_INVALID_ARGUMENT, EADDRNOTAVAIL, "cannot listen on %s", text);
        return NULL;
    }
    if (addr->port && listener_at(sl->host, addr->port)) {
        err_sys(err, DIVAN_ERR_PORT_IN_USE, EADDRINUSE, "cannot listen on %s", text);
        return NULL;
    }
    struct sim_listener *listener = mem_zalloc(sizeof *listener);
    if (!listener) {
        err_oom(err);
        return NULL;
    }
    listener->base.addr = *addr;
    while (!listener->base.addr.port) {
        uint16_t port = next_port(sl->host);
        if (!listener_at(sl->host, port)) listener->base.addr.port = port;
    }
    return &listener->base;
}

void sim_unlisten(struct io_listener *listener)
{
    mem_free(container_of(listener, struct sim_listener, base));
}

static void on_syn(struct sim_conn *c, int tries)
{
    struct sim *s = c->sim;
    if (!c->end[0]) return; /* given up meanwhile */
    struct sim_link there = link_from(c, 0), back = link_from(c, 1);
    enum sim_host_state state = c->host[1]->state;
    if (there.flow != SIM_FLOWS || back.flow != SIM_FLOWS || state == SIM_GONE) {
        if (tries + 1 >= SYN_TRIES) plan(c, SIM_REFUSED, 0, s->now_ns, ETIMEDOUT);
        else plan(c, SIM_SYN, 1, s->now_ns + (NS_PER_S << tries), tries + 1);
        return;
    }
    if (state == SIM_CRASHED || there.refuse || !listener_at(c->host[1], c->addr[1].port)) {
        plan(c, SIM_REFUSED, 0, arrival(c, 1), ECONNREFUSED);
        return;
    }
    c->state[0] = c->state[1] = END_OPEN;
    plan(c, SIM_OPENED, 0, arrival(c, 1), 0);
    plan(c, SIM_ACCEPT, 1, s->now_ns, 0);
}

static void on_accept(struct sim_conn *c)
{
    if (c->state[1] != END_OPEN) return; /* reset before it was accepted */
    struct sim_listener *l = listener_at(c->host[1], c->addr[1].port);
    struct sim_stream *ss = l ? stream_new(c, 1, STREAM_OPEN) : NULL;
    if (!ss) {
        c->state[1] = END_CLOSED;
        plan_reset(c, 0);
        return;
    }
    l->base.fn(l->base.user, &ss->base);
    kick(c, 0, c->sim->now_ns);
}

static void on_opened(struct sim_conn *c)
{
    if (c->end[0]) stream_opened(&c->end[0]->base);
    else plan_reset(c, 1);
}

static void on_refused(struct sim_conn *c, int problem)
{
    c->state[0] = END_LOST;
    if (c->end[0]) stream_ended(&c->end[0]->base, DIVAN_ERR_UNREACHABLE, problem, "cannot connect to");
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
    kick(c, from, c->sim->now_ns + 1 + rng_below(&c->sim->rng, link->latency_max_ns / 16 + 1));
    stream_received(s, n);
}

static void on_deliver(struct sim_conn *c, int to)
{
    int from = 1 - to;
    struct sim_pipe *p = &c->pipe[from];
    struct sim_link link = link_from(c, from);
    p->scheduled = false;
    if (c->host[to]->state == SIM_GONE || link.flow == SIM_STALLS) return; /* sim_kick_all() comes when that ends */
    if (link.flow == SIM_SWALLOWS && p->to > p->from) p->lost = true;
    if (c->state[to] == END_LOST || (c->state[to] == END_CLOSED && p->to > p->from)) {
        pipe_drop(p);
        if (c->state[from] == END_OPEN) plan_reset(c, from);
        return;
    }
    struct sim_stream *reader = c->end[to];
    if (p->lost || link.flow != SIM_FLOWS || !reader || !stream_wants_read(&reader->base)) return;
    size_t arrived = pipe_arrived(p, c->sim->now_ns);
    if (arrived) hand_over(c, from, &link, arrived);
    else if (p->from == p->to && p->fin && p->last_ns <= c->sim->now_ns) stream_ended(&reader->base, DIVAN_OK, 0, NULL);
    else kick(c, from, c->sim->now_ns);
}

static void on_writable(struct sim_conn *c, int side)
{
    c->pipe[side].writable_scheduled = false;
    if (c->end[side] && stream_wants_write(&c->end[side]->base)) stream_writable(&c->end[side]->base);
}

static void on_reset(struct sim_conn *c, int side, int problem)
{
    struct sim_link link = link_from(c, 1 - side);
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
        on_syn(c, e->problem);
        break;
    case SIM_ACCEPT:
        on_accept(c);
        break;
    case SIM_OPENED:
        on_opened(c);
        break;
    case SIM_REFUSED:
        on_refused(c, e->problem);
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
        for (int side = 0; side < 2; side++) kick(c, side, s->now_ns);
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
        for (int side = 0; side < 2; side++) plan(c, SIM_RESET, side, s->now_ns, ECONNABORTED);
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
            plan(c, SIM_RESET, side, s->now_ns, ECONNABORTED); /* heard when the program runs again */
            if (tell && open) plan_reset(c, 1 - side);
        }
    }
}
