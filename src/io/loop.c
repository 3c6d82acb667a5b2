#include "io/loop.h"

#include "base/alloc.h"
#include "io/stream.h"

void loop_init(struct io_loop *l, const struct io_backend *backend, uint64_t seed)
{
    memset(l, 0, sizeof *l);
    l->backend = backend;
    list_init(&l->tasks);
    list_init(&l->streams);
    list_init(&l->listeners);
    list_init(&l->lookups);
    rng_init(&l->rng, seed);
    l->now_ns = backend->clock(l);
}

void loop_fini(struct io_loop *l)
{
    chunk_pool_fini(&l->chunks);
    mem_free(l->timers.heap);
}

static void close_streams(struct io_loop *l)
{
    list_each(&l->streams, it) io_stream_close(container_of(it, struct io_stream, link), false);
}

void loop_close_all(struct io_loop *l)
{
    while (!list_empty(&l->listeners))
        io_listener_close(container_of(list_first(&l->listeners), struct io_listener, link));
    list_each(&l->lookups, it) io_lookup_cancel(container_of(it, struct io_lookup, link));
    while (l->timers.count) io_timer_stop(l->timers.heap[1]); /* what their owners forgot must not fire any more */
    do {                                                      /* a `closed` callback may open something new */
        close_streams(l);
        l->backend->run_once(l, 0);
    } while (!list_empty(&l->streams));
}

void io_loop_free(struct io_loop *l)
{
    if (!l) return;
    io_set_wait_hooks(l, NULL, NULL, NULL);
    io_on_wake(l, NULL, NULL);
    loop_close_all(l);
    l->backend->free(l);
}

uint64_t io_now_ns(struct io_loop *l)
{
    return l->now_ns;
}

uint64_t io_refresh_now(struct io_loop *l)
{
    l->wall_ns = 0;
    return l->now_ns = l->backend->clock(l);
}

uint64_t io_wall_ns(struct io_loop *l)
{
    if (!l->wall_ns) l->wall_ns = l->backend->wall(l);
    return l->wall_ns;
}

struct rng *io_rng(struct io_loop *l)
{
    return &l->rng;
}

int io_run_once(struct io_loop *l, uint64_t until_ns)
{
    return l->backend->run_once(l, until_ns);
}

void io_wake(struct io_loop *l)
{
    l->backend->wake(l);
}

void io_on_wake(struct io_loop *l, void (*fn)(void *user), void *user)
{
    l->on_wake = fn;
    l->wake_user = user;
}

void io_set_wait_hooks(struct io_loop *l, void (*before)(void *user), void (*after)(void *user), void *user)
{
    l->before_wait = before;
    l->after_wait = after;
    l->wait_user = user;
}

void loop_post(struct io_loop *l, struct io_task *task)
{
    list_append(&l->tasks, &task->link);
    loop_nudge(l);
}

void loop_run_tasks(struct io_loop *l)
{
    struct list now;
    list_init(&now);
    list_move_all(&now, &l->tasks); /* what they post waits for the next turn */
    for (struct link *link; (link = list_take_first(&now));) {
        struct io_task *task = container_of(link, struct io_task, link);
        l->events++;
        task->fn(task);
    }
}

/* ---- what both backends do alike around connecting and listening */

struct io_stream *io_connect(struct io_loop *l, const struct io_addr *addr, const struct io_handler *handler,
                             void *user, struct divan_error *err)
{
    struct io_stream *s = l->backend->connect(l, addr, err);
    if (s) io_stream_handle(s, handler, user);
    return s;
}

struct io_listener *io_listen(struct io_loop *l, const struct io_addr *addr, io_accept_fn *fn, void *user,
                              struct divan_error *err)
{
    struct io_listener *listener = l->backend->listen(l, addr, err);
    if (!listener) return NULL;
    listener->loop = l;
    listener->fn = fn;
    listener->user = user;
    list_append(&l->listeners, &listener->link);
    return listener;
}

const struct io_addr *io_listener_addr(const struct io_listener *listener)
{
    return &listener->addr;
}

void io_listener_close(struct io_listener *listener)
{
    if (!listener) return;
    list_remove(&listener->link);
    if (listener->layer_closed) listener->layer_closed(listener->layer);
    listener->loop->backend->unlisten(listener);
}
