/* The same conversations on both backends: what io.h promises. */
#include "unit/io_world.h"

static bool simulated; /* which backend this run of the group uses */
static const uint64_t seed = 4711;

#define WITH_PAIR                                                                                                      \
    struct world w;                                                                                                    \
    struct server server = {0};                                                                                        \
    struct end client = {0}, peer = {0};                                                                               \
    world_open(&w, simulated, seed);                                                                                   \
    pair_open(&w, &server, &client, &peer)

#define END_PAIR                                                                                                       \
    world_close(&w);                                                                                                   \
    end_fini(&client);                                                                                                 \
    end_fini(&peer)

static void echo_comes_back(void **state)
{
    WITH_PAIR;
    peer.echo = true;
    end_send(&client, "hello", 5);
    world_run(&w, client.got.len == 5);
    assert_memory_equal(client.got.data, "hello", 5);
    assert_int_equal(client.opened, 1);
    assert_true(io_addr_equal(io_stream_peer(client.stream), &w.at));
    assert_true(io_addr_equal(io_stream_local(client.stream), io_stream_peer(peer.stream)));
    assert_true(io_addr_equal(io_stream_local(peer.stream), &w.at));
    END_PAIR;
    assert_int_equal(client.closed, 1); /* the loop closed what was left */
    assert_int_equal(peer.closed, 1);
}

static void nothing_goes_before_flush(void **state)
{
    WITH_PAIR;
    buf_put_str(io_stream_output(client.stream), "first");
    for (int i = 0; i < 5; i++) io_run_once(w.client, io_refresh_now(w.client) + NS_PER_MS);
    assert_int_equal(peer.got.len, 0);
    assert_int_equal(io_stream_backlog(client.stream), 5);
    io_stream_flush(client.stream);
    world_run(&w, peer.got.len == 5);
    END_PAIR;
}

static void output_flushed_before_connected_goes_out(void **state)
{
    struct world w;
    struct server server = {0};
    struct end client = {0}, peer = {0};
    world_open(&w, simulated, seed);
    server_open(&w, &server);
    server.next = &peer;
    end_connect(&w, &client);
    end_send(&client, "early", 5);
    world_run(&w, peer.got.len == 5);
    END_PAIR;
}

static void large_transfer_is_intact(void **state)
{
    enum { SIZE = 20 * 1024 * 1024 };
    WITH_PAIR;
    struct buf data = {.limit = SIZE};
    put_pattern(&data, SIZE);
    end_send(&client, data.data, SIZE / 2);
    assert_true(io_stream_backlog(client.stream) > 0);
    end_send(&client, data.data + SIZE / 2, SIZE / 2); /* appends while the first part is on its way */
    world_run(&w, peer.got.len == SIZE);
    assert_pattern(peer.got.data, SIZE);
    assert_int_equal(io_stream_backlog(client.stream), 0);
    assert_int_equal(client.drained, 1);
    buf_fini(&data);
    END_PAIR;
}

/* Bytes that were appended but not flushed stay where they are while earlier ones wait. */
static void unflushed_bytes_stay_behind_a_backlog(void **state)
{
    enum { SIZE = 8 * 1024 * 1024 };
    WITH_PAIR;
    struct buf data = {.limit = SIZE};
    put_pattern(&data, SIZE);
    end_send(&client, data.data, SIZE);
    buf_put_str(io_stream_output(client.stream), "tail");
    world_run(&w, peer.got.len == SIZE);
    for (int i = 0; i < 5; i++) io_run_once(w.client, io_refresh_now(w.client) + NS_PER_MS);
    assert_int_equal(peer.got.len, SIZE);
    io_stream_flush(client.stream);
    world_run(&w, peer.got.len == SIZE + 4);
    assert_pattern(peer.got.data, SIZE);
    assert_memory_equal(peer.got.data + SIZE, "tail", 4);
    buf_fini(&data);
    END_PAIR;
}

static void expected_frame_of_20_mib_is_contiguous(void **state)
{
    enum { SIZE = 20 * 1024 * 1024 + 100 };
    WITH_PAIR;
    struct buf data = {.limit = SIZE};
    put_pattern(&data, SIZE);
    peer.expect = SIZE;
    end_send(&client, data.data, SIZE);
    world_run(&w, peer.got.len >= SIZE);
    assert_pattern(peer.got.data, SIZE);
    peer.expect = 0;
    end_send(&client, "after", 5); /* and small ones go on */
    world_run(&w, peer.got.len >= SIZE + 5);
    buf_fini(&data);
    END_PAIR;
}

static void unread_input_piles_up_contiguously(void **state)
{
    enum { SIZE = 300 * 1000 };
    WITH_PAIR;
    struct buf data = {.limit = SIZE};
    put_pattern(&data, SIZE);
    peer.keep = true;
    end_send(&client, data.data, SIZE);
    world_run(&w, io_stream_input(peer.stream).len == SIZE);
    assert_pattern(io_stream_input(peer.stream).data, SIZE);
    io_stream_consume(peer.stream, 1000);
    assert_int_equal(io_stream_input(peer.stream).len, SIZE - 1000);
    buf_fini(&data);
    END_PAIR;
}

static void close_with_flush_delivers_all(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };
    WITH_PAIR;
    struct buf data = {.limit = SIZE};
    put_pattern(&data, SIZE);
    end_send(&client, data.data, SIZE);
    io_stream_close(client.stream, true);
    assert_int_equal(client.closed, 0); /* never from inside */
    world_run(&w, client.closed && peer.closed);
    assert_int_equal(peer.got.len, SIZE);
    assert_pattern(peer.got.data, SIZE);
    assert_int_equal(peer.why.code, DIVAN_OK);
    assert_int_equal(client.why.code, DIVAN_OK);
    buf_fini(&data);
    END_PAIR;
    assert_int_equal(client.closed, 1);
}

static void close_with_flush_gives_up_on_a_deaf_peer(void **state)
{
    enum { SIZE = 32 * 1024 * 1024 };
    WITH_PAIR;
    struct buf data = {.limit = SIZE};
    put_pattern(&data, SIZE);
    io_stream_pause(peer.stream, true);
    uint64_t start_ns = io_refresh_now(w.client);
    end_send(&client, data.data, SIZE);
    io_stream_close(client.stream, true);
    world_run(&w, client.closed);
    uint64_t took_ns = io_refresh_now(w.client) - start_ns;
    assert_true(took_ns >= 900 * NS_PER_MS && took_ns < 5 * NS_PER_S);
    buf_fini(&data);
    END_PAIR;
}

static void close_from_inside_data_is_told_once(void **state)
{
    WITH_PAIR;
    peer.close_on_data = true;
    end_send(&client, "x", 1);
    world_run(&w, client.closed && peer.closed);
    assert_int_equal(client.why.code, DIVAN_OK);
    END_PAIR;
    assert_int_equal(peer.closed, 1);
}

static void answer_and_close_from_inside_data_arrives(void **state)
{
    WITH_PAIR;
    peer.echo = peer.close_on_data = peer.close_flush = true;
    peer.expect = 8;
    end_send(&client, "question", 8);
    world_run(&w, client.closed && peer.closed);
    assert_int_equal(client.got.len, 8);
    END_PAIR;
}

static void close_before_connected_is_quiet(void **state)
{
    struct world w;
    struct server server = {0};
    struct end client = {0}, peer = {0};
    world_open(&w, simulated, seed);
    server_open(&w, &server);
    end_connect(&w, &client);
    io_stream_close(client.stream, true);
    assert_int_equal(client.closed, 0);
    world_run(&w, client.closed);
    assert_int_equal(client.opened, 0);
    assert_int_equal(client.why.code, DIVAN_OK);
    END_PAIR;
}

static void refused_connection_tells_why(void **state)
{
    struct world w;
    struct server server = {0};
    struct end client = {0};
    world_open(&w, simulated, seed);
    server_open(&w, &server);
    io_listener_close(server.listener);
    end_connect(&w, &client);
    assert_int_equal(client.closed, 0);
    world_run(&w, client.closed);
    assert_int_equal(client.opened, 0);
    assert_int_equal(client.why.code, DIVAN_ERR_UNREACHABLE);
    assert_non_null(strstr(client.why.message, "Connection refused"));
    assert_non_null(strstr(client.why.message, w.at.host));
    world_close(&w);
}

/* A kernel resets when a program closes with unread bytes. */
static void reset_by_the_peer_is_connection_lost(void **state)
{
    WITH_PAIR;
    io_stream_pause(peer.stream, true);
    end_send(&client, "never read", 10);
    uint64_t until_ns = io_refresh_now(w.client) + 20 * NS_PER_MS;
    while (io_refresh_now(w.client) < until_ns) io_run_once(w.client, until_ns);
    io_stream_close(peer.stream, false);
    world_run(&w, client.closed);
    assert_int_equal(client.why.code, DIVAN_ERR_CONNECTION_LOST);
    assert_string_not_equal(client.why.message, "");
    END_PAIR;
}

static void sending_to_a_gone_peer_ends(void **state)
{
    WITH_PAIR;
    io_stream_close(peer.stream, false);
    for (int i = 0; i < 1000 && client.stream; i++) {
        end_send(&client, "more", 4);
        if (client.stream) io_run_once(w.client, io_refresh_now(w.client) + NS_PER_MS);
    }
    world_run(&w, client.closed);
    END_PAIR;
}

static void pause_holds_bytes_back(void **state)
{
    WITH_PAIR;
    io_stream_pause(peer.stream, true);
    end_send(&client, "later", 5);
    uint64_t until_ns = io_refresh_now(w.client) + 20 * NS_PER_MS;
    while (io_refresh_now(w.client) < until_ns) io_run_once(w.client, until_ns);
    assert_int_equal(peer.got.len, 0);
    io_stream_pause(peer.stream, false);
    world_run(&w, peer.got.len == 5);
    END_PAIR;
}

static void back_pressure_reaches_the_sender(void **state)
{
    enum { SIZE = 16 * 1024 * 1024 };
    WITH_PAIR;
    struct buf data = {.limit = SIZE};
    put_pattern(&data, SIZE);
    io_stream_pause(peer.stream, true);
    end_send(&client, data.data, SIZE);
    uint64_t until_ns = io_refresh_now(w.client) + 50 * NS_PER_MS;
    while (io_refresh_now(w.client) < until_ns) io_run_once(w.client, until_ns);
    assert_true(io_stream_backlog(client.stream) > IO_BACKLOG_HIGH);
    assert_int_equal(client.drained, 0);
    io_stream_pause(peer.stream, false);
    world_run(&w, client.drained);
    assert_true(io_stream_backlog(client.stream) <= IO_BACKLOG_LOW);
    world_run(&w, peer.got.len == SIZE);
    assert_int_equal(client.drained, 1);
    buf_fini(&data);
    END_PAIR;
}

/* What a consumer pins stays as it was, while the stream reads on. */
static struct pins {
    struct chunk *chunk[1000];
    struct divan_bytes bytes[1000];
    size_t count;
    struct end *end;
} pins;

static void pin_data(void *user)
{
    struct divan_bytes in;
    while ((in = io_stream_input(pins.end->stream)).len >= 1000) {
        pins.chunk[pins.count] = chunk_retain(io_stream_chunk(pins.end->stream));
        pins.bytes[pins.count++] = bytes_of(in.data, 1000);
        io_stream_consume(pins.end->stream, 1000);
    }
}

static void pinned_chunks_stay_intact(void **state)
{
    enum { FRAMES = 1000 };
    static const struct io_handler pinning = {end_opened, pin_data, NULL, end_closed};
    WITH_PAIR;
    struct buf data = {.limit = FRAMES * 1000};
    memset(&pins, 0, sizeof pins);
    pins.end = &peer;
    io_stream_handle(peer.stream, &pinning, &peer);
    put_pattern(&data, FRAMES * 1000);
    for (size_t at = 0; at < data.len; at += 12500) {
        end_send(&client, data.data + at, 12500);
        io_run_once(w.client, io_refresh_now(w.client));
    }
    world_run(&w, pins.count == FRAMES);
    for (size_t i = 0; i < FRAMES; i++) assert_memory_equal(pins.bytes[i].data, data.data + i * 1000, 1000);
    buf_fini(&data);
    END_PAIR;
    for (size_t i = 0; i < FRAMES; i++) chunk_release(pins.chunk[i]); /* they outlive loop and stream */
}

static void steady_exchange_does_not_allocate(void **state)
{
    WITH_PAIR;
    uint64_t before = 0;
    char request[1000];
    memset(request, 'r', sizeof request);
    peer.echo = true;
    for (int i = 0; i < 300; i++) {
        buf_clear(&client.got);
        buf_clear(&peer.got);
        end_send(&client, request, sizeof request);
        world_run(&w, client.got.len == sizeof request);
        if (i == 50) before = mem_count();
    }
    assert_int_equal(mem_count() - before, 0);
    END_PAIR;
}

static void port_in_use_is_told(void **state)
{
    struct world w;
    struct server server = {0};
    struct divan_error err;
    world_open(&w, simulated, seed);
    server_open(&w, &server);
    assert_null(io_listen(w.server, &w.at, server_accept, &server, &err));
    assert_int_equal(err.code, DIVAN_ERR_PORT_IN_USE);
    struct io_addr elsewhere;
    io_addr_parse(&elsewhere, "192.0.2.1", 0);
    assert_null(io_listen(w.server, &elsewhere, server_accept, &server, &err));
    assert_int_equal(err.code, DIVAN_ERR_INVALID_ARGUMENT);
    world_close(&w);
}

static void accepted_stream_may_be_closed_at_once(void **state)
{
    struct world w;
    struct server server = {0};
    struct end client = {0};
    world_open(&w, simulated, seed);
    server_open(&w, &server);
    end_connect(&w, &client);
    world_run(&w, client.closed);
    assert_int_equal(server.accepted, 1);
    assert_int_equal(client.opened, 1);
    assert_int_equal(client.why.code, DIVAN_OK);
    world_close(&w);
}

static void many_connections_at_once(void **state)
{
    enum { COUNT = 100 };
    struct world w;
    struct server server = {0};
    static struct end clients[COUNT], peers[COUNT];
    memset(clients, 0, sizeof clients);
    memset(peers, 0, sizeof peers);
    world_open(&w, simulated, seed);
    server_open(&w, &server);
    for (int i = 0; i < COUNT; i++) {
        server.next = &peers[i];
        peers[i].echo = true;
        end_connect(&w, &clients[i]);
        world_run(&w, peers[i].stream);
    }
    for (int i = 0; i < COUNT; i++) end_send(&clients[i], &i, sizeof i);
    for (int i = 0; i < COUNT; i++) {
        world_run(&w, clients[i].got.len == sizeof i);
        assert_memory_equal(clients[i].got.data, &i, sizeof i);
    }
    world_close(&w);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(clients[i].closed, 1);
        assert_int_equal(peers[i].closed, 1);
        end_fini(&clients[i]);
        end_fini(&peers[i]);
    }
}

/* ---- timers */

static int fired[64], fired_count;

static void note(void *user)
{
    fired[fired_count++] = (int)(intptr_t)user;
}

static void timers_fire_in_order_and_in_time(void **state)
{
    enum { COUNT = 40 };
    struct world w;
    struct io_timer timers[COUNT];
    world_open(&w, simulated, seed);
    uint64_t start_ns = io_refresh_now(w.client);
    fired_count = 0;
    for (int i = 0; i < COUNT; i++) {
        int place = i * 17 % COUNT; /* a permutation */
        io_timer_init(&timers[i], w.client, note, (void *)(intptr_t)place);
        assert_true(io_timer_start(&timers[i], start_ns + (uint64_t)(place + 1) * NS_PER_MS));
    }
    for (int i = 0; i < COUNT; i += 3) io_timer_stop(&timers[i]);
    assert_false(io_timer_running(&timers[0]));
    assert_true(io_timer_running(&timers[1]));
    int expected = COUNT - (COUNT + 2) / 3;
    while (fired_count < expected) {
        int before = fired_count;
        io_run_once(w.client, IO_NEVER);
        uint64_t late_ns = io_refresh_now(w.client) - start_ns - (uint64_t)(fired[fired_count - 1] + 1) * NS_PER_MS;
        if (fired_count > before && late_ns > NS_PER_S) /* a busy machine is not our fault */
            fail_msg("%d ms late", (int)(late_ns / NS_PER_MS));
    }
    for (int i = 1; i < fired_count; i++) assert_true(fired[i - 1] < fired[i]);
    io_run_once(w.client, io_refresh_now(w.client) + 50 * NS_PER_MS);
    assert_int_equal(fired_count, expected);
    world_close(&w);
}

static void timer_may_be_moved_both_ways(void **state)
{
    struct world w;
    struct io_timer a, b;
    world_open(&w, simulated, seed);
    uint64_t now_ns = io_refresh_now(w.client);
    fired_count = 0;
    io_timer_init(&a, w.client, note, (void *)1);
    io_timer_init(&b, w.client, note, (void *)2);
    io_timer_start(&a, now_ns + 2 * NS_PER_MS);
    io_timer_start(&b, now_ns + 60 * NS_PER_S);
    io_timer_start(&a, now_ns + 10 * NS_PER_MS);
    io_timer_start(&b, now_ns + 5 * NS_PER_MS);
    world_run(&w, fired_count == 2);
    assert_int_equal(fired[0], 2);
    assert_true(io_now_ns(w.client) >= now_ns + 10 * NS_PER_MS);
    io_timer_start(&a, 0); /* long past: the next turn, not from inside */
    assert_int_equal(fired_count, 2);
    assert_true(io_run_once(w.client, 0) >= 1);
    assert_int_equal(fired_count, 3);
    world_close(&w);
}

static void run_once_comes_back_in_time(void **state)
{
    struct world w;
    world_open(&w, simulated, seed);
    uint64_t start_ns = io_refresh_now(w.client);
    assert_int_equal(io_run_once(w.client, start_ns + 20 * NS_PER_MS), 0);
    uint64_t took_ns = io_refresh_now(w.client) - start_ns;
    assert_true(took_ns >= 20 * NS_PER_MS);
    assert_true(took_ns < 2 * NS_PER_S);
    assert_int_equal(io_run_once(w.client, 0), 0);
    assert_true(io_wall_ns(w.client) > UINT64_C(1600000000) * NS_PER_S);
    world_close(&w);
}

/* ---- waking */

static int woken;

static void count_wake(void *user)
{
    woken++;
}

static void wake_is_told_on_the_loop(void **state)
{
    struct world w;
    world_open(&w, simulated, seed);
    woken = 0;
    io_on_wake(w.client, count_wake, NULL);
    io_wake(w.client);
    io_wake(w.client);
    assert_int_equal(woken, 0);
    assert_true(io_run_once(w.client, IO_NEVER) >= 1);
    assert_int_equal(woken, 1);
    io_wake(w.client);
    io_run_once(w.client, IO_NEVER);
    assert_int_equal(woken, 2);
    world_close(&w);
}

/* ---- names */

struct answer {
    int count_of_calls;
    size_t count;
    struct io_addr first;
    struct divan_error err;
};

static void got_addresses(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *err)
{
    struct answer *a = user;
    a->count_of_calls++;
    a->count = count;
    if (count) a->first = addrs[0];
    else a->err = *err;
}

static void ask(struct world *w, const char *host, enum io_family family, struct answer *a)
{
    struct divan_error err;
    memset(a, 0, sizeof *a);
    assert_non_null(io_lookup_start(w->client, host, 11210, family, got_addresses, a, &err));
    assert_int_equal(a->count_of_calls, 0);
    world_run(w, a->count_of_calls);
    for (int i = 0; i < 3; i++) io_run_once(w->client, 0);
    assert_int_equal(a->count_of_calls, 1);
}

static void names_are_resolved(void **state)
{
    struct world w;
    struct answer a;
    world_open(&w, simulated, seed);
    ask(&w, "127.0.0.1", IO_ANY, &a);
    assert_int_equal(a.count, 1);
    assert_string_equal(a.first.host, "127.0.0.1");
    assert_int_equal(a.first.port, 11210);
    ask(&w, "::1", IO_ANY, &a);
    assert_int_equal(a.count, 1);
    assert_true(a.first.v6);
    ask(&w, "::1", IO_V4, &a);
    assert_int_equal(a.count, 0);
    assert_int_equal(a.err.code, DIVAN_ERR_NAME_NOT_RESOLVED);
    ask(&w, "localhost", IO_V4, &a);
    assert_true(a.count >= 1);
    assert_string_equal(a.first.host, "127.0.0.1");
    assert_int_equal(a.first.port, 11210);
    world_close(&w);
}

static void failing_names_tell_why(void **state)
{
    struct world w;
    struct answer a;
    world_open(&w, simulated, seed);
    ask(&w, "no such name", IO_ANY, &a); /* refused by the resolver without asking anybody */
    assert_int_equal(a.count, 0);
    assert_int_equal(a.err.code, DIVAN_ERR_NAME_NOT_RESOLVED);
    assert_non_null(strstr(a.err.message, "no such name"));
    world_close(&w);
}

static void cancelled_lookups_are_silent(void **state)
{
    struct world w;
    struct answer a = {0};
    struct divan_error err;
    world_open(&w, simulated, seed);
    struct io_lookup *early = io_lookup_start(w.client, "127.0.0.1", 1, IO_ANY, got_addresses, &a, &err);
    io_lookup_cancel(early);
    io_lookup_cancel(NULL);
    struct io_lookup *running = io_lookup_start(w.client, "localhost", 1, IO_ANY, got_addresses, &a, &err);
    assert_non_null(running);
    assert_non_null(io_lookup_start(w.client, "127.0.0.1", 1, IO_ANY, got_addresses, &a, &err)); /* left to the end */
    world_close(&w);
    assert_int_equal(a.count_of_calls, 0);
}

/* ---- memory */

/* Connect, talk, close with the n-th allocation failing. Whatever happens, everything ends and nothing is lost. */
static bool conversation_with_failure(uint64_t n)
{
    struct divan_error err;
    struct world w;
    struct server server = {0};
    struct end client = {0}, peer = {0};
    world_open(&w, simulated, seed);
    server_open(&w, &server);
    server.next = &peer;
    uint64_t count = mem_count();
    mem_fail_at(n);
    client.stream = io_connect(w.client, &w.at, &end_handler, &client, &err);
    if (!client.stream) assert_int_equal(err.code, DIVAN_ERR_OUT_OF_MEMORY);
    for (int step = 0; step < 4 && client.stream; step++) {
        struct buf *out = io_stream_output(client.stream);
        uint8_t *room = buf_grow(out, (size_t)1 << (8 + 4 * step));
        if (room) memset(room, 'x', (size_t)1 << (8 + 4 * step));
        io_stream_flush(client.stream);
        for (int i = 0; i < 200 && client.stream && peer.got.len < ((size_t)1 << (8 + 4 * step)); i++)
            io_run_once(w.client, io_refresh_now(w.client) + NS_PER_MS);
        buf_clear(&peer.got);
    }
    struct io_lookup *q = io_lookup_start(w.client, "127.0.0.1", 1, IO_ANY, got_addresses, &(struct answer){0}, &err);
    io_lookup_cancel(q);
    if (client.stream) io_stream_close(client.stream, true);
    for (int i = 0; i < 3000 && client.stream; i++) io_run_once(w.client, io_refresh_now(w.client) + NS_PER_MS);
    bool reached = mem_count() - count >= n;
    mem_fail_at(0);
    world_close(&w);
    assert_null(client.stream);
    assert_null(peer.stream);
    end_fini(&client);
    end_fini(&peer);
    return reached;
}

static void any_failed_allocation_is_survived(void **state)
{
    int64_t live = mem_live();
    uint64_t n = 1;
    while (conversation_with_failure(n)) n++;
    assert_true(n > 8);
    assert_int_equal(mem_live(), live);
}

static void loop_without_memory_is_refused(void **state)
{
    struct divan_error err;
    mem_fail_at(1);
    struct io_loop *l = io_loop_new_uv(&err);
    mem_fail_at(0);
    assert_null(l);
    assert_int_equal(err.code, DIVAN_ERR_OUT_OF_MEMORY);
    io_loop_free(NULL);
}

/* ---- both backends */

static int choose_uv(void **state)
{
    simulated = false;
    return 0;
}

static int choose_sim(void **state)
{
    simulated = true;
    return 0;
}

#define ON_BOTH(test)                                                                                                  \
    {"uv: " #test, test, choose_uv, NULL, NULL},                                                                       \
    {                                                                                                                  \
        "sim: " #test, test, choose_sim, NULL, NULL                                                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(echo_comes_back),
        ON_BOTH(nothing_goes_before_flush),
        ON_BOTH(output_flushed_before_connected_goes_out),
        ON_BOTH(large_transfer_is_intact),
        ON_BOTH(unflushed_bytes_stay_behind_a_backlog),
        ON_BOTH(expected_frame_of_20_mib_is_contiguous),
        ON_BOTH(unread_input_piles_up_contiguously),
        ON_BOTH(close_with_flush_delivers_all),
        ON_BOTH(close_with_flush_gives_up_on_a_deaf_peer),
        ON_BOTH(close_from_inside_data_is_told_once),
        ON_BOTH(answer_and_close_from_inside_data_arrives),
        ON_BOTH(close_before_connected_is_quiet),
        ON_BOTH(refused_connection_tells_why),
        ON_BOTH(reset_by_the_peer_is_connection_lost),
        ON_BOTH(sending_to_a_gone_peer_ends),
        ON_BOTH(pause_holds_bytes_back),
        ON_BOTH(back_pressure_reaches_the_sender),
        ON_BOTH(pinned_chunks_stay_intact),
        ON_BOTH(steady_exchange_does_not_allocate),
        ON_BOTH(port_in_use_is_told),
        ON_BOTH(accepted_stream_may_be_closed_at_once),
        ON_BOTH(many_connections_at_once),
        ON_BOTH(timers_fire_in_order_and_in_time),
        ON_BOTH(timer_may_be_moved_both_ways),
        ON_BOTH(run_once_comes_back_in_time),
        ON_BOTH(wake_is_told_on_the_loop),
        ON_BOTH(names_are_resolved),
        ON_BOTH(failing_names_tell_why),
        ON_BOTH(cancelled_lookups_are_silent),
        ON_BOTH(any_failed_allocation_is_survived),
        cmocka_unit_test(loop_without_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
