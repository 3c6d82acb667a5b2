#include "io/uv.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

static struct uv_io *of_handle(void *handle)
{
    return ((uv_handle_t *)handle)->data;
}

/* ---- sleeping and waking */

void uv_io_awake(struct uv_io *u)
{
    struct io_loop *l = &u->base;
    if (!l->asleep) return;
    if (l->after_wait) l->after_wait(l->wait_user);
    l->asleep = false;
    int sleeping = WAKE_SLEEPING;
    atomic_compare_exchange_strong(&u->wake, &sleeping, WAKE_NONE); /* a pending one stays */
    io_refresh_now(l);
}

static void on_prepare(uv_prepare_t *handle)
{
    struct uv_io *u = of_handle(handle);
    if (!u->will_sleep) return;
    u->will_sleep = false;
    u->base.asleep = true;
    if (u->base.before_wait) u->base.before_wait(u->base.wait_user);
}

static void on_check(uv_check_t *handle)
{
    uv_io_awake(of_handle(handle));
}

static void on_async(uv_async_t *handle)
{
    uv_io_awake(of_handle(handle));
}

static void on_timer(uv_timer_t *handle)
{
    struct uv_io *u = of_handle(handle);
    uv_io_awake(u);
    u->armed_ns = IO_NEVER;
    uv_stop(&u->loop); /* when it fires before the poll, that must not sleep */
}

static void wake(struct io_loop *l)
{
    struct uv_io *u = uv_io_of(l);
    if (atomic_load(&u->wake) == WAKE_PENDING) return;
    if (atomic_exchange(&u->wake, WAKE_PENDING) == WAKE_SLEEPING) uv_async_send(&u->async);
}

static void take_wake(struct uv_io *u)
{
    int pending = WAKE_PENDING;
    if (atomic_load(&u->wake) != WAKE_PENDING) return;
    if (!atomic_compare_exchange_strong(&u->wake, &pending, WAKE_NONE)) return;
    u->base.events++;
    if (u->base.on_wake) u->base.on_wake(u->base.wake_user);
}

/* The one libuv timer fires at next_ns or earlier: in steady state deadlines only move away, so it is rarely touched. */
static void arm(struct uv_io *u, uint64_t next_ns)
{
    if (next_ns >= u->armed_ns) return;
    uint64_t due_ms = next_ns / NS_PER_MS + (next_ns % NS_PER_MS != 0), now_ms;
    uv_update_time(&u->loop);
    now_ms = uv_now(&u->loop);
    if (!uv_timer_start(&u->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0)) u->armed_ns = next_ns;
}

/* ---- pollers */

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct uv_poller *p = handle->data;
    uv_io_awake(p->u);
    if (status < 0) { /* libuv has stopped the handle */
        p->have = 0;
        events = UV_READABLE | UV_WRITABLE;
        uv_poller_want(p, p->want);
    }
    p->ready(p, events);
}

void uv_poller_init(struct uv_poller *p, struct uv_io *u, int fd)
{
    p->u = u;
    p->fd = fd;
}

static void mark_dirty(struct uv_poller *p)
{
    if (!link_in_list(&p->dirty)) list_append(&p->u->dirty, &p->dirty);
    loop_nudge(&p->u->base);
}

void uv_poller_want(struct uv_poller *p, int events)
{
    p->want = events;
    if (p->want != p->have && !p->closing) mark_dirty(p);
}

static void on_close(uv_handle_t *handle)
{
    struct uv_poller *p = handle->data;
    uv_io_awake(p->u);
    p->gone(p);
}

static void close_fd(struct uv_poller *p)
{
    if (!p->borrowed && p->fd >= 0) close(p->fd);
    p->fd = -1;
}

static void close_started(struct uv_poller *p)
{
    uv_close((uv_handle_t *)&p->poll, on_close);
    close_fd(p);
}

void uv_poller_close(struct uv_poller *p)
{
    if (p->closing) return;
    p->closing = true;
    if (!p->started) close_fd(p); /* libuv has never seen it */
    if (p->started && !p->u->base.asleep) {
        list_remove(&p->dirty);
        close_started(p);
    } else mark_dirty(p);
}

static bool start_poller(struct uv_poller *p)
{
    if (p->started) return true;
    if (uv_poll_init(&p->u->loop, &p->poll, p->fd)) return false;
    p->poll.data = p;
    return p->started = true;
}

static void apply(struct uv_poller *p)
{
    if (p->closing && p->started) close_started(p);
    else if (p->closing) p->gone(p);
    else if (p->want != p->have) {
        bool ok = start_poller(p) && !(p->want ? uv_poll_start(&p->poll, p->want, on_poll) : uv_poll_stop(&p->poll));
        p->have = p->want;
        if (!ok) p->ready(p, UV_READABLE | UV_WRITABLE); /* the next recv or send meets the error */
    }
}

static void apply_dirty(struct uv_io *u)
{
    struct list now;
    list_init(&now);
    list_move_all(&now, &u->dirty);
    for (struct link *link; (link = list_take_first(&now));) apply(container_of(link, struct uv_poller, dirty));
}

/* ---- turns */

/* Tells what came from elsewhere than sockets. */
static void run_own(struct uv_io *u)
{
    take_wake(u);
    loop_run_tasks(&u->base);
    loop_run_timers(&u->base);
}

static void poll_sockets(struct uv_io *u, bool sleep)
{
    int none = WAKE_NONE;
    if (sleep && !atomic_compare_exchange_strong(&u->wake, &none, WAKE_SLEEPING)) sleep = false;
    u->will_sleep = sleep;
    uv_run(&u->loop, sleep ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    uv_io_awake(u);
}

static int run_once(struct io_loop *l, uint64_t until_ns)
{
    struct uv_io *u = uv_io_of(l);
    l->events = 0;
    /* Before a sleep the clock is not read: an outdated now can only be too early, and what is due meanwhile is met by
     * the armed timer. */
    if (!until_ns) io_refresh_now(l);
    do {
        apply_dirty(u);
        run_own(u);
        if (l->events && until_ns && !u->skipped_poll) { /* save a system call, but never twice in a row */
            u->skipped_poll = true;
            break;
        }
        u->skipped_poll = false;
        uint64_t timer_ns = timers_next(&l->timers);
        bool sleep = !l->events && until_ns > l->now_ns && list_empty(&l->tasks) && list_empty(&u->dirty);
        if (sleep) arm(u, timer_ns < until_ns ? timer_ns : until_ns);
        poll_sockets(u, sleep);
        if (!sleep) io_refresh_now(l);
        run_own(u);
    } while (!l->events && l->now_ns < until_ns);
    return (int)l->events;
}

static uint64_t clock_ns(struct io_loop *l)
{
    return uv_hrtime();
}

static uint64_t wall_ns(struct io_loop *l)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* ---- life */

static void close_any(uv_handle_t *handle, void *unused)
{
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

static void free_uv(struct io_loop *l)
{
    struct uv_io *u = uv_io_of(l);
    uv_resolver_free(u->resolver);
    while (!list_empty(&u->dirty)) apply_dirty(u);
    uv_walk(&u->loop, close_any, NULL);
    while (uv_run(&u->loop, UV_RUN_DEFAULT)) {}
    uv_loop_close(&u->loop);
    loop_fini(l);
    mem_free(u);
}

static const struct io_backend uv_backend = {
    .clock = clock_ns,
    .wall = wall_ns,
    .run_once = run_once,
    .wake = wake,
    .connect = uv_stream_connect,
    .listen = uv_listener_new,
    .unlisten = uv_listener_close,
    .resolve = uv_resolve,
    .set_dns_servers = uv_set_dns_servers,
    .free = free_uv,
};

static int init_handles(struct uv_io *u)
{
    int rc = uv_async_init(&u->loop, &u->async, on_async);
    if (rc) return rc;
    uv_prepare_init(&u->loop, &u->prepare); /* these cannot fail */
    uv_check_init(&u->loop, &u->check);
    uv_timer_init(&u->loop, &u->timer);
    u->async.data = u->prepare.data = u->check.data = u->timer.data = u;
    uv_prepare_start(&u->prepare, on_prepare);
    uv_check_start(&u->check, on_check);
    return 0;
}

struct io_loop *io_loop_new_uv(struct divan_error *err)
{
    struct uv_io *u = mem_zalloc(sizeof *u);
    if (!u) {
        err_oom(err);
        return NULL;
    }
    int rc = uv_loop_init(&u->loop);
    if (rc) {
        mem_free(u);
        err_sys(err, DIVAN_ERR_SYSTEM, -rc, "cannot create an event loop");
        return NULL;
    }
    loop_init(&u->base, &uv_backend, rng_system_seed());
    list_init(&u->dirty);
    u->armed_ns = IO_NEVER;
    rc = init_handles(u);
    if (rc) {
        free_uv(&u->base);
        err_sys(err, DIVAN_ERR_SYSTEM, -rc, "cannot create the wake-up of an event loop");
        return NULL;
    }
    return &u->base;
}
