#include <assert.h>
#include <errno.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/sim_conn.h"

enum { SYN_TRIES = 7 };
#define NO_ROUTE_NS (3 * NS_PER_S)

struct sim_listener {
    struct io_listener base;
    struct link link;
};

static uint16_t next_port(struct sim_host *h)
{
    assert(h); /* every loop has its host */
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
    struct sim_stream *ss = sim_stream_new(c, 0, STREAM_CONNECTING);
    if (!ss) err_oom(err);
    else if (c->host[1]) conn_plan(c, SIM_SYN, 1, conn_arrival(c, 0), 0);
    else conn_plan(c, SIM_REFUSED, 0, s->now_ns + NO_ROUTE_NS, EHOSTUNREACH);
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

void conn_on_syn(struct sim_conn *c, int tries)
{
    struct sim *s = c->sim;
    if (!c->end[0]) return; /* given up meanwhile */
    struct sim_link there = conn_link(c, 0), back = conn_link(c, 1);
    enum sim_host_state state = c->host[1]->state;
    if (there.flow != SIM_FLOWS || back.flow != SIM_FLOWS || state == SIM_GONE) {
        if (tries + 1 >= SYN_TRIES) conn_plan(c, SIM_REFUSED, 0, s->now_ns, ETIMEDOUT);
        else conn_plan(c, SIM_SYN, 1, s->now_ns + (NS_PER_S << tries), tries + 1);
        return;
    }
    if (state == SIM_CRASHED || there.refuse || !listener_at(c->host[1], c->addr[1].port)) {
        conn_plan(c, SIM_REFUSED, 0, conn_arrival(c, 1), ECONNREFUSED);
        return;
    }
    c->state[0] = c->state[1] = END_OPEN;
    conn_plan(c, SIM_OPENED, 0, conn_arrival(c, 1), 0);
    conn_plan(c, SIM_ACCEPT, 1, s->now_ns, 0);
}

void conn_on_accept(struct sim_conn *c)
{
    if (c->state[1] != END_OPEN) return; /* reset before it was accepted */
    struct sim_listener *l = listener_at(c->host[1], c->addr[1].port);
    struct sim_stream *ss = l ? sim_stream_new(c, 1, STREAM_OPEN) : NULL;
    if (!ss) {
        c->state[1] = END_CLOSED;
        conn_plan_reset(c, 0);
        return;
    }
    l->base.fn(l->base.user, &ss->base);
    conn_kick(c, 0, c->sim->now_ns);
}

void conn_on_opened(struct sim_conn *c)
{
    if (c->end[0]) stream_opened(&c->end[0]->base);
    else conn_plan_reset(c, 1);
}

void conn_on_refused(struct sim_conn *c, int problem)
{
    c->state[0] = END_LOST;
    if (c->end[0]) stream_ended(&c->end[0]->base, DIVAN_ERR_UNREACHABLE, problem, "cannot connect to");
}
