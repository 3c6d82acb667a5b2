/* libuv backend and threads: one thread runs the loop and gives its lock away while it sleeps; others hold the lock then
 * and use everything. Run under the thread sanitizer, too. */
#include "unit/io_world.h"

#include <pthread.h>
#include <stdatomic.h>

static struct shared {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct world w;
    pthread_t thread;
    bool stop;
    int woken, fired, sleeps;
    bool asleep;
} shared;

static void before_wait(void *user)
{
    struct shared *s = user;
    assert_false(s->asleep);
    s->asleep = true;
    s->sleeps++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void after_wait(void *user)
{
    struct shared *s = user;
    pthread_mutex_lock(&s->lock);
    assert_true(s->asleep);
    s->asleep = false;
}

static void on_wake(void *user)
{
    ((struct shared *)user)->woken++;
}

static void *drive(void *user)
{
    struct shared *s = user;
    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        io_run_once(s->w.client, IO_NEVER);
        assert_false(s->asleep);
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void start(void)
{
    struct shared *s = &shared;
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    world_open(&s->w, false, 0);
    io_set_wait_hooks(s->w.client, before_wait, after_wait, s);
    io_on_wake(s->w.client, on_wake, s);
    pthread_create(&s->thread, NULL, drive, s);
}

static void finish(void)
{
    struct shared *s = &shared;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_mutex_unlock(&s->lock);
    io_wake(s->w.client);
    pthread_join(s->thread, NULL);
    world_close(&s->w);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
}

/* Waits with the lock held; a minute is a failure. */
#define until(condition)                                                                                               \
    do {                                                                                                               \
        struct timespec end_;                                                                                          \
        clock_gettime(CLOCK_REALTIME, &end_);                                                                          \
        end_.tv_sec += 60;                                                                                             \
        while (!(condition))                                                                                           \
            if (pthread_cond_timedwait(&shared.changed, &shared.lock, &end_)) fail_msg("never: %s", #condition);       \
    } while (0)

static void wake_reaches_a_sleeping_loop(void **state)
{
    start();
    pthread_mutex_lock(&shared.lock);
    for (int i = 1; i <= 200; i++) {
        until(shared.asleep);
        int before = shared.woken;
        pthread_mutex_unlock(&shared.lock);
        io_wake(shared.w.client); /* without the lock: any thread */
        io_wake(shared.w.client);
        pthread_mutex_lock(&shared.lock);
        until(shared.woken > before);
    }
    pthread_mutex_unlock(&shared.lock);
    finish();
}

static void fire(void *user)
{
    shared.fired++;
}

static void timer_of_another_thread_fires(void **state)
{
    start();
    struct io_timer far, near;
    pthread_mutex_lock(&shared.lock);
    io_timer_init(&far, shared.w.client, fire, NULL);
    io_timer_init(&near, shared.w.client, fire, NULL);
    assert_true(io_timer_start(&far, io_refresh_now(shared.w.client) + 3600 * NS_PER_S));
    until(shared.asleep);
    uint64_t due_ns = io_refresh_now(shared.w.client) + 5 * NS_PER_MS;
    assert_true(io_timer_start(&near, due_ns)); /* earlier than what the loop sleeps for */
    until(shared.fired == 1);
    assert_true(io_refresh_now(shared.w.client) >= due_ns);
    io_timer_stop(&far);
    pthread_mutex_unlock(&shared.lock);
    finish();
}

/* Everything from the thread that does not run the loop: connect, listen, send at once, large sends, pause, close. */
static void other_thread_uses_all(void **state)
{
    enum { SIZE = 8 * 1024 * 1024 };
    start();
    struct world *w = &shared.w;
    struct server server = {0};
    struct end client = {0}, peer = {0};
    pthread_mutex_lock(&shared.lock);
    until(shared.asleep);
    server_open(w, &server);
    server.next = &peer;
    until(shared.asleep);
    end_connect(w, &client);
    until(client.opened && peer.stream);
    for (int i = 0; i < 200; i++) {
        until(shared.asleep);
        buf_clear(&peer.got);
        end_send(&client, "ping", 4);
        until(peer.got.len == 4);
    }
    buf_clear(&peer.got);
    until(shared.asleep);
    io_stream_pause(peer.stream, true);
    put_pattern(io_stream_output(client.stream), SIZE);
    io_stream_flush(client.stream);
    until(shared.asleep);
    assert_true(io_stream_backlog(client.stream) > 0);
    io_stream_pause(peer.stream, false);
    until(peer.got.len == SIZE);
    assert_pattern(peer.got.data, SIZE);
    until(shared.asleep);
    io_stream_close(client.stream, true);
    until(client.closed && peer.closed);
    io_listener_close(server.listener);
    pthread_mutex_unlock(&shared.lock);
    finish();
    end_fini(&client);
    end_fini(&peer);
}

static _Atomic int wakers;

static void *wake_often(void *user)
{
    for (int i = 0; i < 2000; i++) io_wake(user);
    atomic_fetch_add(&wakers, 1);
    return NULL;
}

static void no_wake_is_lost_in_a_storm(void **state)
{
    start();
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, wake_often, shared.w.client);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    pthread_mutex_lock(&shared.lock);
    until(shared.woken > 0);
    until(shared.asleep);
    int before = shared.woken;
    io_wake(shared.w.client);
    until(shared.woken > before);
    pthread_mutex_unlock(&shared.lock);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wake_reaches_a_sleeping_loop),
        cmocka_unit_test(timer_of_another_thread_fires),
        cmocka_unit_test(other_thread_uses_all),
        cmocka_unit_test(no_wake_is_lost_in_a_storm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
