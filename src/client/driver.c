#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "client/cluster.h"
#include "client/queue.h"

enum {
    WATCH_MS = 2,      /* how often the background thread looks while something is in flight that nobody drives */
    LOOP_EVERY_MS = 2, /* a thread that waits alone lets the loop look at everything else this often */
    DOZE_MAX_MS = 512, /* how long it stays away from an active application that has nothing in flight */
};

/* ---- fork: the child inherits memory, but no thread, and descriptors that it shares with the parent */

static _Atomic unsigned generation; /* counts forks in the line of this process */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void in_child(void)
{
    atomic_fetch_add(&generation, 1);
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_child);
}

bool cluster_is_forked(const struct divan_cluster *cluster)
{
    return cluster->generation != atomic_load_explicit(&generation, memory_order_relaxed);
}

/* ---- the lock */

void cluster_unlock(struct divan_cluster *cluster)
{
    struct parking *called[CALLED_MAX];
    size_t count = cluster->called_count;
    for (size_t i = 0; i < count; i++) called[i] = cluster->called[i];
    cluster->called_count = 0;
    pthread_mutex_unlock(&cluster->lock);
    for (size_t i = 0; i < count; i++) parking_wake(called[i]);
}

/* Before the lock is given up otherwise. */
static void wake_called(struct divan_cluster *cluster)
{
    for (size_t i = 0; i < cluster->called_count; i++) parking_wake(cluster->called[i]);
    cluster->called_count = 0;
}

/* The thread is woken when the lock is free. */
static void call(struct divan_cluster *cluster, struct waiter *w)
{
    if (!link_in_list(&w->link)) return; /* not asleep, or called already */
    list_remove(&w->link);
    parking_call(&w->parking);
    if (cluster->called_count < CALLED_MAX) cluster->called[cluster->called_count++] = &w->parking;
    else parking_wake(&w->parking);
}

static void before_sleep(void *user)
{
    struct divan_cluster *cluster = user;
    cluster->asleep = true;
    cluster_unlock(cluster);
}

static void after_sleep(void *user)
{
    struct divan_cluster *cluster = user;
    cluster_lock(cluster);
    cluster->asleep = false;
}

void cluster_hook_loop(struct divan_cluster *cluster)
{
    pthread_once(&fork_once, watch_forks);
    cluster->generation = atomic_load(&generation);
    io_set_wait_hooks(cluster->loop, before_sleep, after_sleep, cluster);
}

static void turn(struct divan_cluster *cluster, uint64_t until_ns)
{
    client_flush(cluster->client);
    io_run_once(cluster->loop, until_ns);
    cluster->clock_is_fresh = false;
    cluster->turned_ns = io_now_ns(cluster->loop);
}

void cluster_fresh_clock(struct divan_cluster *cluster)
{
    if (cluster->clock_is_fresh) return;
    io_refresh_now(cluster->loop);
    cluster->clock_is_fresh = true;
}

/* ---- handing on */

static void rouse(struct divan_cluster *cluster)
{
    if (cluster->has_thread) pthread_cond_signal(&cluster->doze);
}

/* Whether the loop is the background thread's to run. While it runs callbacks of the program it is not. */
static bool thread_must_drive(const struct divan_cluster *cluster)
{
    return cluster->needs_thread && cluster->has_thread && !cluster->is_delivering;
}

static void offer_role(struct divan_cluster *cluster)
{
    struct link *first = list_first(&cluster->waiters);
    if (first) call(cluster, container_of(first, struct waiter, link));
}

/* The driver leaves: somebody who needs the role must hear of it. */
static void leave(struct divan_cluster *cluster)
{
    bool for_thread = thread_must_drive(cluster);
    cluster->driver = DRIVER_NONE;
    if (for_thread || !list_empty(&cluster->callbacks) || (cluster->undriven && cluster->is_dozing)) rouse(cluster);
    if (!for_thread) offer_role(cluster);
}

void cluster_finish_waiter(struct divan_cluster *cluster, struct waiter *w)
{
    w->done = true;
    call(cluster, w);
}

/* The short way: the only thread that waits, for the only operation in flight, reads its answer itself. The loop is not
 * run, so it is free for others, and comes first again every moment: there are timers and other connections. False: not
 * now; true: the lock was released, so look at everything again. */
static bool wait_alone(struct divan_cluster *cluster)
{
    struct io_stream *stream;
    struct io_wait wait;
    client_flush(cluster->client);
    bool alone = cluster->inside == 1 && list_empty(&cluster->waiters) && list_empty(&cluster->callbacks) &&
                 io_now_ns(cluster->loop) < cluster->turned_ns + LOOP_EVERY_MS * NS_PER_MS;
    if (!alone || !(stream = client_only_stream(cluster->client)) || !io_wait_begin(stream, &wait)) return false;
    cluster_unlock(cluster);
    io_wait_sleep(&wait);
    cluster_lock(cluster);
    cluster->clock_is_fresh = false;
    io_wait_end(&wait);
    return true;
}

static void drive(struct divan_cluster *cluster, struct waiter *w, uint64_t until_ns)
{
    cluster->driver = DRIVER_APPLICATION;
    do turn(cluster, until_ns);
    while (!w->done && !cluster->closed && io_now_ns(cluster->loop) < until_ns);
    leave(cluster);
}

/* Another thread drives. What we appended goes out now; the background thread makes way unless it is needed there. */
static bool wait_asleep(struct divan_cluster *cluster, struct waiter *w, uint64_t until_ns)
{
    client_flush(cluster->client);
    if (cluster->driver == DRIVER_BACKGROUND && !cluster->needs_thread) io_wake(cluster->loop);
    parking_reset(&w->parking);
    list_append(&cluster->waiters, &w->link);
    cluster_unlock(cluster);
    bool in_time = parking_wait(&w->parking, until_ns);
    cluster_lock(cluster);
    list_remove(&w->link);
    return in_time;
}

void cluster_wait(struct divan_cluster *cluster, struct waiter *w, uint64_t until_ns)
{
    bool in_time = true;
    cluster->inside++;
    cluster->activity++;
    while (!w->done && in_time && !cluster->closed) {
        if (cluster->driver == DRIVER_NONE && !thread_must_drive(cluster)) {
            if (until_ns == IO_NEVER && wait_alone(cluster)) continue;
            drive(cluster, w, until_ns);
            in_time = io_now_ns(cluster->loop) < until_ns;
        } else {
            if (cluster->driver == DRIVER_NONE) rouse(cluster);
            in_time = wait_asleep(cluster, w, until_ns);
        }
    }
    if (cluster->driver == DRIVER_NONE && !list_empty(&cluster->waiters))
        leave(cluster); /* the role was offered to us */
    if (!--cluster->inside && cluster->is_closing) pthread_cond_broadcast(&cluster->left);
}

void cluster_glance(struct divan_cluster *cluster)
{
    cluster->activity++;
    if (cluster->closed || cluster->driver != DRIVER_NONE) return;
    cluster->driver = DRIVER_APPLICATION;
    turn(cluster, 0);
    leave(cluster);
}

void cluster_started(struct divan_cluster *cluster)
{
    cluster->activity++;
    if (cluster->asleep) {
        if (client_is_dirty(cluster->client)) io_wake(cluster->loop); /* the driver flushes */
        return;
    }
    if (cluster->driver != DRIVER_NONE || cluster_is_own_thread(cluster)) return;
    if (cluster->needs_thread || (cluster->undriven && cluster->is_dozing)) rouse(cluster);
}

/* ---- delivery */

void cluster_deliver(void *user, struct operation *op)
{
    struct divan_cluster *cluster = user;
    cluster_made_room(cluster);
    switch ((enum op_done)op->how) {
    case DONE_WAITER:
        cluster_finish_waiter(cluster, op->done.waiter);
        break;
    case DONE_CALLBACK:
        cluster->needs_thread--;
        list_append(&cluster->callbacks, &op->link);
        if (cluster->driver != DRIVER_BACKGROUND) rouse(cluster);
        else if (cluster->asleep) io_wake(cluster->loop);
        break;
    case DONE_QUEUE:
        queue_push(op->done.queue, op);
        break;
    case DONE_NOWHERE:
    case DONE_INTERNAL:
        op_release(op);
        break;
    }
}

/* ---- the background thread */

bool cluster_is_own_thread(const struct divan_cluster *cluster)
{
    return cluster->has_thread && pthread_equal(cluster->thread, pthread_self());
}

static void run_callbacks(struct divan_cluster *cluster)
{
    struct list due;
    struct link *link;
    list_init(&due);
    list_move_all(&due, &cluster->callbacks);
    cluster->is_delivering = true;
    if (cluster->driver == DRIVER_NONE) offer_role(cluster);
    cluster_unlock(cluster);
    while ((link = list_take_first(&due)) != NULL) {
        struct operation *op = container_of(link, struct operation, link);
        op->done.fn(op_result(op), op->user);
        op_release(op);
    }
    cluster_lock(cluster);
    cluster->is_delivering = false;
}

static void doze(struct divan_cluster *cluster, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)ms * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    cluster->is_dozing = ms > WATCH_MS;
    wake_called(cluster);
    pthread_cond_clockwait(&cluster->doze, &cluster->lock, CLOCK_MONOTONIC, &until);
    cluster->is_dozing = false;
}

/* Drives for one turn of the loop. True when an application thread wants the role. */
static bool drive_in_background(struct divan_cluster *cluster)
{
    cluster->driver = DRIVER_BACKGROUND;
    turn(cluster, IO_NEVER);
    bool was_asked = !list_empty(&cluster->waiters);
    leave(cluster);
    return was_asked;
}

static void *background(void *user)
{
    struct divan_cluster *cluster = user;
    unsigned patience_ms = WATCH_MS;
    uint64_t seen = 0;
    cluster_lock(cluster);
    while (!cluster->is_closing || !list_empty(&cluster->callbacks)) {
        if (!list_empty(&cluster->callbacks)) {
            run_callbacks(cluster);
            continue;
        }
        bool is_quiet = cluster->activity == seen && list_empty(&cluster->waiters);
        if (!cluster->closed && cluster->driver == DRIVER_NONE && (cluster->needs_thread || is_quiet)) {
            bool was_asked = drive_in_background(cluster);
            seen = cluster->activity;
            if (!was_asked) patience_ms = WATCH_MS;
            if (cluster->needs_thread || !was_asked) continue;
        }
        seen = cluster->activity;
        if (cluster->driver == DRIVER_NONE && !cluster->closed) {
            client_flush(cluster->client); /* what lingers since the last look */
            offer_role(cluster);
        }
        doze(cluster, cluster->undriven && cluster->driver == DRIVER_NONE ? WATCH_MS : patience_ms);
        /* An application that stays active is left alone for longer. */
        patience_ms = patience_ms < DOZE_MAX_MS ? 2 * patience_ms : DOZE_MAX_MS;
    }
    cluster_unlock(cluster);
    return NULL;
}

bool cluster_start_thread(struct divan_cluster *cluster)
{
    sigset_t all, before; /* signals are for the threads of the application */
    sigfillset(&all);
    cluster_lock(cluster); /* the thread looks at has_thread */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    cluster->has_thread = pthread_create(&cluster->thread, NULL, background, cluster) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    cluster_unlock(cluster);
    return cluster->has_thread;
}

void cluster_stop_thread(struct divan_cluster *cluster)
{
    if (!cluster->has_thread) return;
    cluster_lock(cluster);
    cluster->is_closing = true;
    io_wake(cluster->loop);
    pthread_cond_signal(&cluster->doze);
    cluster_unlock(cluster);
    pthread_join(cluster->thread, NULL);
    cluster->has_thread = false;
}
