#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/loop.h"

static void lookup_free(struct io_lookup *q)
{
    list_remove(&q->task.link);
    list_remove(&q->link);
    mem_free(q);
}

void lookup_done(struct io_lookup *q, const struct io_addr *addrs, size_t count, const struct divan_error *err)
{
    bool tell = !q->cancelled;
    io_lookup_fn *fn = q->fn;
    void *user = q->user;
    q->loop->events++;
    lookup_free(q);
    if (tell) fn(user, addrs, count, count ? NULL : err);
}

static int by_priority(const void *a, const void *b)
{
    const struct io_srv *x = a, *y = b;
    if (x->priority != y->priority) return x->priority < y->priority ? -1 : 1;
    if (x->weight != y->weight) return x->weight > y->weight ? -1 : 1;
    int order = strcmp(x->target, y->target);
    return order ? order : (x->port > y->port) - (x->port < y->port);
}

void lookup_srv_done(struct io_lookup *q, struct io_srv *srv, size_t count, const struct divan_error *err)
{
    bool tell = !q->cancelled;
    io_lookup_srv_fn *fn = q->srv_fn;
    void *user = q->user;
    q->loop->events++;
    lookup_free(q);
    if (count > 1) qsort(srv, count, sizeof *srv, by_priority);
    if (tell) fn(user, srv, count, count ? NULL : err);
}

static bool family_fits(enum io_family family, const struct io_addr *addr)
{
    return family == IO_ANY || (family == IO_V6) == addr->v6;
}

static void run(struct io_task *task)
{
    struct io_lookup *q = container_of(task, struct io_lookup, task);
    struct io_addr addr;
    if (q->srv || !io_addr_parse(&addr, q->name, q->port)) {
        q->running = true;
        q->loop->backend->resolve(q);
        return;
    }
    struct divan_error err;
    bool fits = family_fits(q->family, &addr);
    if (!fits)
        err_set(&err, DIVAN_ERR_NAME_NOT_RESOLVED, "the address %s is not of the IP family that is asked for, %s",
                q->name, q->family == IO_V6 ? "IPv6" : "IPv4");
    lookup_done(q, &addr, fits, &err);
}

static struct io_lookup *start(struct io_loop *l, const char *name, void *user, struct divan_error *err)
{
    size_t len = strlen(name);
    struct io_lookup *q = mem_zalloc(sizeof *q + len + 1);
    if (!q) {
        err_oom(err);
        return NULL;
    }
    memcpy(q->name, name, len);
    q->loop = l;
    q->user = user;
    q->task.fn = run;
    list_append(&l->lookups, &q->link);
    loop_post(l, &q->task);
    return q;
}

struct io_lookup *io_lookup_start(struct io_loop *l, const char *host, uint16_t port, enum io_family family,
                                  io_lookup_fn *fn, void *user, struct divan_error *err)
{
    struct io_lookup *q = start(l, host, user, err);
    if (!q) return NULL;
    q->port = port;
    q->family = family;
    q->fn = fn;
    return q;
}

struct io_lookup *io_lookup_srv_start(struct io_loop *l, const char *name, io_lookup_srv_fn *fn, void *user,
                                      struct divan_error *err)
{
    struct io_lookup *q = start(l, name, user, err);
    if (!q) return NULL;
    q->srv = true;
    q->srv_fn = fn;
    return q;
}

void io_lookup_cancel(struct io_lookup *q)
{
    if (!q) return;
    if (q->running) q->cancelled = true; /* the backend still answers; it frees then */
    else lookup_free(q);
}

enum divan_code io_set_dns_servers(struct io_loop *l, const char *servers, struct divan_error *err)
{
    return l->backend->set_dns_servers ? l->backend->set_dns_servers(l, servers, err) : DIVAN_OK;
}
