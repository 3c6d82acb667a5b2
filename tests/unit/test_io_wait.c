/* Waiting for one stream without the loop. */
#include "unit/io_world.h"

#include <pthread.h>
#include <time.h>

struct stage {
    struct world w;
    struct server server;
    struct end client, peer;
};

static void set(struct stage *t, bool simulated)
{
    memset(t, 0, sizeof *t);
    world_open(&t->w, simulated, 1);
    pair_open(&t->w, &t->server, &t->client, &t->peer);
}

static void strike(struct stage *t)
{
    world_close(&t->w);
    end_fini(&t->client);
    end_fini(&t->peer);
}

static void say(struct end *e, const char *words)
{
    buf_put_str(io_stream_output(e->stream), words);
    io_stream_flush(e->stream);
}

static void bytes_reach_the_callback_without_the_loop(void **state)
{
    struct stage t;
    struct io_wait wait;
    set(&t, false);
    for (int i = 0; i < 3; i++) {
        size_t had = t.client.got.len;
        say(&t.peer, "answer");
        assert_true(io_wait_begin(t.client.stream, &wait));
        assert_false(io_wait_begin(t.client.stream, &(struct io_wait){.fd = 0})); /* one at a time */
        io_wait_sleep(&wait);
        assert_true(io_wait_end(&wait));
        assert_int_equal(t.client.got.len, had + 6);
    }
    say(&t.peer, "by the loop");
    world_run(&t.w, t.client.got.len == 3 * 6 + 11);
    strike(&t);
}

static void silence_ends_by_itself(void **state)
{
    struct stage t;
    struct io_wait wait;
    set(&t, false);
    uint64_t start = io_refresh_now(t.w.client);
    assert_true(io_wait_begin(t.client.stream, &wait));
    io_wait_sleep(&wait);
    assert_false(io_wait_end(&wait));
    uint64_t took = io_now_ns(t.w.client) - start;
    assert_true(took >= IO_WAIT_MS * NS_PER_MS / 2 && took < 20 * IO_WAIT_MS * NS_PER_MS);
    assert_int_equal(t.client.closed, 0);
    strike(&t);
}

static void the_end_of_the_peer_is_told_by_the_loop(void **state)
{
    struct stage t;
    struct io_wait wait;
    set(&t, false);
    io_stream_close(t.peer.stream, true);
    world_run(&t.w, t.peer.closed || t.client.closed);
    if (!t.client.closed && io_wait_begin(t.client.stream, &wait)) {
        io_wait_sleep(&wait);
        assert_false(io_wait_end(&wait));
        assert_int_equal(t.client.closed, 0);
        world_run(&t.w, t.client.closed);
    }
    strike(&t);
}

static void *sleep_there(void *wait)
{
    io_wait_sleep(wait);
    return NULL;
}

/* The loop, run by another thread, leaves the input alone; a close wakes the sleeper, and is finished after its end. */
static void closing_wakes_the_sleeper(void **state)
{
    struct stage t;
    struct io_wait wait;
    pthread_t sleeper;
    set(&t, false);
    assert_true(io_wait_begin(t.client.stream, &wait));
    pthread_create(&sleeper, NULL, sleep_there, &wait);
    say(&t.peer, "x");
    for (int i = 0; i < 5; i++) io_run_once(t.w.client, io_refresh_now(t.w.client) + NS_PER_MS);
    assert_int_equal(t.client.got.len, 0);
    pthread_join(sleeper, NULL);
    assert_true(io_wait_end(&wait));
    assert_int_equal(t.client.got.len, 1);
    assert_true(io_wait_begin(t.client.stream, &wait));
    pthread_create(&sleeper, NULL, sleep_there, &wait);
    io_stream_close(t.client.stream, false);
    pthread_join(sleeper, NULL);
    for (int i = 0; i < 5; i++) io_run_once(t.w.client, io_refresh_now(t.w.client) + NS_PER_MS);
    assert_int_equal(t.client.closed, 0); /* not under the waiter */
    assert_false(io_wait_end(&wait));
    world_run(&t.w, t.client.closed);
    strike(&t);
}

static void a_simulated_stream_has_no_short_way(void **state)
{
    struct stage t;
    struct io_wait wait;
    set(&t, true);
    assert_false(io_wait_begin(t.client.stream, &wait));
    strike(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_reach_the_callback_without_the_loop), cmocka_unit_test(silence_ends_by_itself),
        cmocka_unit_test(the_end_of_the_peer_is_told_by_the_loop),   cmocka_unit_test(closing_wakes_the_sleeper),
        cmocka_unit_test(a_simulated_stream_has_no_short_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
