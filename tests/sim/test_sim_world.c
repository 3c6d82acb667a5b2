/* The simulation itself: it repeats from its seed, and each fault does what it says. */
#include "unit/io_world.h"

#define CLIENT "10.0.0.1"
#define SERVER "10.0.0.2"

static void run_for(struct world *w, uint64_t ns)
{
    sim_run_for(w->sim, ns);
}

#define WITH_PAIR(seed)                                                                                                \
    struct world w;                                                                                                    \
    struct server server = {0};                                                                                        \
    struct end client = {0}, peer = {0};                                                                               \
    world_open(&w, true, seed);                                                                                        \
    pair_open(&w, &server, &client, &peer)

#define END_PAIR                                                                                                       \
    world_close(&w);                                                                                                   \
    end_fini(&client);                                                                                                 \
    end_fini(&peer)

/* ---- determinism */

struct lines {
    struct buf text;
};

static void keep_line(void *user, const char *line)
{
    struct lines *l = user;
    buf_put_str(&l->text, line);
    buf_u8(&l->text, '\n');
}

static uint64_t conversation(uint64_t seed, struct lines *lines)
{
    struct world w;
    struct server server = {0};
    struct end client = {0}, peer = {0};
    world_open(&w, true, seed);
    sim_trace_to(w.sim, lines ? keep_line : NULL, lines);
    pair_open(&w, &server, &client, &peer);
    peer.echo = true;
    for (int i = 0; i < 50; i++) {
        put_pattern(io_stream_output(client.stream), (size_t)(100 + 997 * i));
        io_stream_flush(client.stream);
        io_run_once(w.client, IO_NEVER);
    }
    run_for(&w, NS_PER_S);
    uint64_t hash = sim_trace_hash(w.sim);
    assert_true(sim_events(w.sim) > 100);
    world_close(&w);
    end_fini(&client);
    end_fini(&peer);
    return hash;
}

static void same_seed_same_trace(void **state)
{
    struct lines first = {.text.limit = 16u << 20}, second = {.text.limit = 16u << 20};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        buf_clear(&first.text);
        buf_clear(&second.text);
        uint64_t a = conversation(seed, &first), b = conversation(seed, &second);
        assert_true(a == b);
        assert_true(bytes_equal(buf_view(&first.text), buf_view(&second.text)));
        assert_true(conversation(seed, NULL) == a); /* watching changes nothing */
    }
    buf_fini(&first.text);
    buf_fini(&second.text);
}

static void other_seed_other_trace(void **state)
{
    uint64_t seen[20];
    for (uint64_t seed = 0; seed < 20; seed++) {
        seen[seed] = conversation(seed, NULL);
        for (uint64_t i = 0; i < seed; i++) assert_true(seen[i] != seen[seed]);
    }
}

/* ---- time */

static void time_is_virtual_and_exact(void **state)
{
    struct world w;
    world_open(&w, true, 1);
    uint64_t start_ns = sim_now(w.sim), wall_ns = io_wall_ns(w.client);
    run_for(&w, 86400 * NS_PER_S);
    assert_true(sim_now(w.sim) == start_ns + 86400 * NS_PER_S);
    assert_true(io_now_ns(w.server) == sim_now(w.sim));
    assert_true(io_wall_ns(w.client) - wall_ns == 86400 * NS_PER_S);
    sim_wall_shift(w.sim, -3600 * (int64_t)NS_PER_S);
    assert_true(io_wall_ns(w.client) - wall_ns == 82800 * NS_PER_S);
    assert_true(io_now_ns(w.server) == sim_now(w.sim));
    world_close(&w);
}

static uint64_t fired_at_ns;
static struct io_loop *fired_loop;

static void note_time(void *user)
{
    fired_at_ns = io_now_ns(fired_loop);
}

static void timers_are_exact(void **state)
{
    struct world w;
    struct io_timer t;
    world_open(&w, true, 1);
    fired_loop = w.server;
    io_timer_init(&t, w.server, note_time, NULL);
    uint64_t due_ns = sim_now(w.sim) + 1234567;
    io_timer_start(&t, due_ns);
    io_run_once(w.client, IO_NEVER); /* any loop drives the whole world */
    assert_true(fired_at_ns == due_ns);
    world_close(&w);
}

/* ---- cutting and joining */

static size_t calls;

static void count_calls(void *user)
{
    calls++;
    end_data(user);
}

static void bytes_may_come_one_by_one(void **state)
{
    static const struct io_handler counting = {end_opened, count_calls, NULL, end_closed};
    WITH_PAIR(3);
    struct sim_link link = sim_link_default();
    link.piece_max = 1;
    sim_link_set(w.sim, NULL, NULL, &link);
    io_stream_handle(peer.stream, &counting, &peer);
    calls = 0;
    put_pattern(io_stream_output(client.stream), 1000);
    io_stream_flush(client.stream);
    world_run(&w, peer.got.len == 1000);
    assert_int_equal(calls, 1000);
    assert_pattern(peer.got.data, 1000);
    END_PAIR;
}

static void seeds_cut_in_many_ways(void **state)
{
    static const struct io_handler counting = {end_opened, count_calls, NULL, end_closed};
    unsigned distinct = 0, seen = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        WITH_PAIR(seed);
        io_stream_handle(peer.stream, &counting, &peer);
        calls = 0;
        for (int i = 0; i < 5; i++) end_send(&client, "0123456789", 10);
        world_run(&w, peer.got.len == 50);
        unsigned bit = 1u << (calls < 31 ? calls : 31);
        distinct += !(seen & bit);
        seen |= bit;
        END_PAIR;
    }
    assert_true(distinct >= 5);
}

static void latency_follows_the_rule(void **state)
{
    WITH_PAIR(5);
    struct sim_link slow = sim_link_default();
    slow.latency_min_ns = slow.latency_max_ns = 70 * NS_PER_MS;
    sim_link_set(w.sim, CLIENT, SERVER, &slow);
    uint64_t start_ns = sim_now(w.sim);
    end_send(&client, "x", 1);
    world_run(&w, peer.got.len == 1);
    assert_true(sim_now(w.sim) - start_ns >= 70 * NS_PER_MS && sim_now(w.sim) - start_ns < 80 * NS_PER_MS);
    start_ns = sim_now(w.sim);
    end_send(&peer, "y", 1); /* the other direction is not slow */
    world_run(&w, client.got.len == 1);
    assert_true(sim_now(w.sim) - start_ns < NS_PER_MS);
    END_PAIR;
}

/* ---- faults of links */

static void stalled_bytes_come_later(void **state)
{
    WITH_PAIR(6);
    sim_flow_set(w.sim, CLIENT, SERVER, SIM_STALLS);
    end_send(&client, "stalled", 7);
    run_for(&w, 60 * NS_PER_S);
    assert_int_equal(peer.got.len, 0);
    assert_int_equal(client.closed, 0);
    sim_flow_set(w.sim, CLIENT, SERVER, SIM_FLOWS);
    world_run(&w, peer.got.len == 7);
    END_PAIR;
}

static void stalled_connection_request_goes_on(void **state)
{
    struct world w;
    struct server server = {0};
    struct end client = {0}, peer = {0};
    world_open(&w, true, 7);
    server_open(&w, &server);
    server.next = &peer;
    sim_flow_set(w.sim, NULL, NULL, SIM_STALLS);
    end_connect(&w, &client);
    run_for(&w, 2 * NS_PER_S);
    assert_int_equal(client.opened + client.closed, 0);
    sim_flow_set(w.sim, NULL, NULL, SIM_FLOWS);
    world_run(&w, client.opened);
    END_PAIR;
}

static void connecting_into_a_black_hole_times_out(void **state)
{
    struct world w;
    struct server server = {0};
    struct end client = {0};
    world_open(&w, true, 8);
    server_open(&w, &server);
    sim_flow_set(w.sim, CLIENT, SERVER, SIM_SWALLOWS);
    end_connect(&w, &client);
    run_for(&w, 30 * NS_PER_S);
    assert_int_equal(client.opened + client.closed, 0);
    run_for(&w, 300 * NS_PER_S);
    assert_int_equal(client.closed, 1);
    assert_int_equal(client.why.code, DIVAN_ERR_UNREACHABLE);
    assert_non_null(strstr(client.why.message, "timed out"));
    world_close(&w);
}

static void swallowed_bytes_never_come(void **state)
{
    WITH_PAIR(9);
    sim_flow_set(w.sim, CLIENT, SERVER, SIM_SWALLOWS);
    end_send(&client, "lost", 4);
    run_for(&w, NS_PER_S);
    sim_flow_set(w.sim, CLIENT, SERVER, SIM_FLOWS);
    end_send(&client, "too late", 8);
    run_for(&w, 60 * NS_PER_S);
    assert_int_equal(peer.got.len, 0);
    assert_int_equal(client.closed + peer.closed, 0); /* half-open: nobody knows */
    struct end second = {0}, other = {0};
    server.next = &other;
    end_connect(&w, &second); /* a new connection works */
    end_send(&second, "new", 3);
    world_run(&w, other.got.len == 3);
    END_PAIR;
    end_fini(&second);
    end_fini(&other);
}

static void one_direction_may_be_swallowed(void **state)
{
    WITH_PAIR(10);
    struct sim_link hole = sim_link_default();
    hole.flow = SIM_SWALLOWS;
    sim_link_set(w.sim, SERVER, CLIENT, &hole);
    end_send(&client, "there", 5);
    world_run(&w, peer.got.len == 5);
    end_send(&peer, "back", 4);
    run_for(&w, 10 * NS_PER_S);
    assert_int_equal(client.got.len, 0);
    END_PAIR;
}

static void refusing_link_refuses(void **state)
{
    struct world w;
    struct server server = {0};
    struct end client = {0};
    world_open(&w, true, 11);
    server_open(&w, &server);
    struct sim_link link = sim_link_default();
    link.refuse = true;
    sim_link_set(w.sim, NULL, SERVER, &link);
    end_connect(&w, &client);
    world_run(&w, client.closed);
    assert_int_equal(client.why.code, DIVAN_ERR_UNREACHABLE);
    world_close(&w);
}

static void unknown_host_has_no_route(void **state)
{
    struct world w;
    struct end client = {0};
    world_open(&w, true, 12);
    io_addr_parse(&w.at, "10.9.9.9", 11210);
    end_connect(&w, &client);
    world_run(&w, client.closed);
    assert_int_equal(client.why.code, DIVAN_ERR_UNREACHABLE);
    assert_non_null(strstr(client.why.message, "No route"));
    world_close(&w);
}

static void reset_reaches_both_sides(void **state)
{
    WITH_PAIR(13);
    assert_int_equal(sim_reset(w.sim, CLIENT, SERVER), 1);
    world_run(&w, client.closed && peer.closed);
    assert_int_equal(client.why.code, DIVAN_ERR_CONNECTION_LOST);
    assert_int_equal(peer.why.code, DIVAN_ERR_CONNECTION_LOST);
    assert_int_equal(sim_reset(w.sim, NULL, NULL), 0);
    END_PAIR;
}

static void send_buffer_is_bounded(void **state)
{
    WITH_PAIR(14);
    struct sim_link narrow = sim_link_default();
    narrow.send_bytes = 1000;
    sim_link_set(w.sim, CLIENT, SERVER, &narrow);
    io_stream_pause(peer.stream, true);
    put_pattern(io_stream_output(client.stream), 5000);
    io_stream_flush(client.stream);
    run_for(&w, NS_PER_S);
    assert_int_equal(io_stream_backlog(client.stream), 4000);
    io_stream_pause(peer.stream, false);
    world_run(&w, peer.got.len == 5000);
    assert_pattern(peer.got.data, 5000);
    END_PAIR;
}

/* ---- faults of hosts */

static void frozen_host_goes_on(void **state)
{
    WITH_PAIR(15);
    struct end second = {0}, other = {0};
    sim_host_set(w.sim, SERVER, SIM_FROZEN);
    end_send(&client, "hello", 5);
    server.next = &other;
    end_connect(&w, &second);
    run_for(&w, 10 * NS_PER_S);
    assert_int_equal(peer.got.len, 0);
    assert_int_equal(second.opened, 1); /* its kernel answered */
    assert_int_equal(server.accepted, 1);
    sim_host_set(w.sim, SERVER, SIM_UP);
    world_run(&w, peer.got.len == 5 && server.accepted == 2);
    END_PAIR;
    end_fini(&second);
    end_fini(&other);
}

static void crashed_host_resets_and_refuses(void **state)
{
    WITH_PAIR(16);
    sim_host_set(w.sim, SERVER, SIM_CRASHED);
    world_run(&w, client.closed);
    assert_int_equal(client.why.code, DIVAN_ERR_CONNECTION_LOST);
    assert_int_equal(peer.closed, 0); /* it is dead: no callback runs */
    struct end again = {0};
    end_connect(&w, &again);
    world_run(&w, again.closed);
    assert_int_equal(again.why.code, DIVAN_ERR_UNREACHABLE);
    io_loop_free(w.server); /* the test cleans up the dead program ... */
    assert_int_equal(peer.closed, 1);
    sim_host_set(w.sim, SERVER, SIM_UP);
    w.server = sim_host(w.sim, SERVER); /* ... and starts the next one */
    server_open(&w, &server);
    struct end third = {0}, other = {0};
    server.next = &other;
    end_connect(&w, &third);
    world_run(&w, third.opened && other.stream);
    END_PAIR;
}

static void vanished_host_leaves_half_open_connections(void **state)
{
    WITH_PAIR(17);
    sim_host_set(w.sim, SERVER, SIM_GONE);
    end_send(&client, "anybody?", 8);
    run_for(&w, 100 * NS_PER_S);
    assert_int_equal(client.closed, 0);
    assert_int_equal(peer.closed, 0);
    sim_host_set(w.sim, SERVER, SIM_UP);
    world_run(&w, peer.closed); /* its old program hears that its end is lost */
    assert_int_equal(peer.why.code, DIVAN_ERR_CONNECTION_LOST);
    if (!client.closed) end_send(&client, "still there?", 12);
    world_run(&w, client.closed); /* and whoever sends is told */
    assert_int_equal(client.why.code, DIVAN_ERR_CONNECTION_LOST);
    END_PAIR;
}

static void end_of_a_program_ends_its_connections(void **state)
{
    WITH_PAIR(18);
    end_send(&peer, "bye", 3);
    run_for(&w, 0);
    io_loop_free(w.server);
    assert_int_equal(peer.closed, 1);
    world_run(&w, client.closed);
    assert_int_equal(client.why.code, DIVAN_OK);
    assert_int_equal(client.got.len, 3);
    END_PAIR;
}

static void host_may_have_more_addresses(void **state)
{
    struct world w;
    struct server server = {0};
    struct end client = {0}, peer = {0};
    world_open(&w, true, 19);
    sim_host_alias(w.sim, SERVER, "192.168.7.2");
    io_addr_parse(&w.at, "0.0.0.0", 11210);
    server_open(&w, &server);
    server.next = &peer;
    io_addr_parse(&w.at, "192.168.7.2", 11210);
    end_connect(&w, &client);
    world_run(&w, client.opened);
    END_PAIR;
}

/* ---- names */

struct answer {
    int calls;
    size_t count;
    struct io_addr addrs[4];
    struct io_srv srv[4];
    struct divan_error err;
};

static void got_addresses(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *err)
{
    struct answer *a = user;
    a->calls++;
    a->count = count;
    if (!count) a->err = *err;
    for (size_t i = 0; i < count && i < 4; i++) a->addrs[i] = addrs[i];
}

static void got_srv(void *user, const struct io_srv *srv, size_t count, const struct divan_error *err)
{
    struct answer *a = user;
    a->calls++;
    a->count = count;
    if (!count) a->err = *err;
    for (size_t i = 0; i < count && i < 4; i++) a->srv[i] = srv[i];
}

static void names_of_the_table_are_found(void **state)
{
    struct world w;
    struct answer a = {0};
    world_open(&w, true, 20);
    sim_name_add(w.sim, "node1", "10.0.0.2");
    sim_name_add(w.sim, "node1", "fd00::2");
    io_lookup_start(w.client, "node1", 8091, IO_ANY, got_addresses, &a, NULL);
    world_run(&w, a.calls);
    assert_int_equal(a.count, 2);
    assert_string_equal(a.addrs[1].host, "fd00::2");
    assert_int_equal(a.addrs[1].port, 8091);
    a = (struct answer){0};
    io_lookup_start(w.client, "node1", 8091, IO_V6, got_addresses, &a, NULL);
    world_run(&w, a.calls);
    assert_int_equal(a.count, 1);
    a = (struct answer){0};
    io_lookup_start(w.client, "node2", 8091, IO_ANY, got_addresses, &a, NULL);
    world_run(&w, a.calls);
    assert_int_equal(a.count, 0);
    assert_int_equal(a.err.code, DIVAN_ERR_NAME_NOT_RESOLVED);
    sim_name_clear(w.sim, "node1");
    a = (struct answer){0};
    io_lookup_start(w.client, "node1", 8091, IO_ANY, got_addresses, &a, NULL);
    world_run(&w, a.calls);
    assert_int_equal(a.count, 0);
    world_close(&w);
}

static void srv_records_are_sorted(void **state)
{
    struct world w;
    struct answer a = {0};
    world_open(&w, true, 21);
    sim_name_add_srv(w.sim, "_couchbase._tcp.example", "c.example", 3, 20, 1);
    sim_name_add_srv(w.sim, "_couchbase._tcp.example", "b.example", 2, 10, 1);
    sim_name_add_srv(w.sim, "_couchbase._tcp.example", "a.example", 1, 10, 9);
    io_lookup_srv_start(w.client, "_couchbase._tcp.example", got_srv, &a, NULL);
    world_run(&w, a.calls);
    assert_int_equal(a.count, 3);
    assert_string_equal(a.srv[0].target, "a.example");
    assert_int_equal(a.srv[1].port, 2);
    assert_int_equal(a.srv[2].priority, 20);
    a = (struct answer){0};
    io_lookup_srv_start(w.client, "_couchbase._tcp.nowhere", got_srv, &a, NULL);
    world_run(&w, a.calls);
    assert_int_equal(a.err.code, DIVAN_ERR_NAME_NOT_RESOLVED);
    world_close(&w);
}

static void slow_lookups_may_be_cancelled(void **state)
{
    struct world w;
    struct answer a = {0};
    world_open(&w, true, 22);
    sim_name_add(w.sim, "slow", "10.0.0.2");
    sim_name_delay(w.sim, "slow", 7 * NS_PER_S);
    struct io_lookup *q = io_lookup_start(w.client, "slow", 1, IO_ANY, got_addresses, &a, NULL);
    run_for(&w, 6 * NS_PER_S);
    assert_int_equal(a.calls, 0);
    io_lookup_cancel(q);
    run_for(&w, 6 * NS_PER_S);
    assert_int_equal(a.calls, 0);
    io_lookup_start(w.client, "slow", 1, IO_ANY, got_addresses, &a, NULL);
    run_for(&w, 8 * NS_PER_S);
    assert_int_equal(a.calls, 1);
    io_lookup_start(w.client, "slow", 1, IO_ANY, got_addresses, &a, NULL); /* open at the end */
    run_for(&w, NS_PER_S);
    world_close(&w);
    assert_int_equal(a.calls, 1);
}

/* ---- the owner's lock */

static int depth, sleeps;

static void before_wait(void *user)
{
    assert_int_equal(depth, 0);
    depth++;
    sleeps++;
}

static void after_wait(void *user)
{
    assert_int_equal(depth, 1);
    depth--;
}

static void wait_hooks_pair(void **state)
{
    WITH_PAIR(23);
    depth = sleeps = 0;
    io_set_wait_hooks(w.client, before_wait, after_wait, NULL);
    peer.echo = true;
    end_send(&client, "x", 1);
    world_run(&w, client.got.len == 1);
    assert_int_equal(depth, 0);
    assert_true(sleeps > 0);
    io_set_wait_hooks(w.client, NULL, NULL, NULL);
    END_PAIR;
}

static void nothing_is_left(void **state)
{
    assert_int_equal(mem_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_trace),
        cmocka_unit_test(other_seed_other_trace),
        cmocka_unit_test(time_is_virtual_and_exact),
        cmocka_unit_test(timers_are_exact),
        cmocka_unit_test(bytes_may_come_one_by_one),
        cmocka_unit_test(seeds_cut_in_many_ways),
        cmocka_unit_test(latency_follows_the_rule),
        cmocka_unit_test(stalled_bytes_come_later),
        cmocka_unit_test(stalled_connection_request_goes_on),
        cmocka_unit_test(connecting_into_a_black_hole_times_out),
        cmocka_unit_test(swallowed_bytes_never_come),
        cmocka_unit_test(one_direction_may_be_swallowed),
        cmocka_unit_test(refusing_link_refuses),
        cmocka_unit_test(unknown_host_has_no_route),
        cmocka_unit_test(reset_reaches_both_sides),
        cmocka_unit_test(send_buffer_is_bounded),
        cmocka_unit_test(frozen_host_goes_on),
        cmocka_unit_test(crashed_host_resets_and_refuses),
        cmocka_unit_test(vanished_host_leaves_half_open_connections),
        cmocka_unit_test(end_of_a_program_ends_its_connections),
        cmocka_unit_test(host_may_have_more_addresses),
        cmocka_unit_test(names_of_the_table_are_found),
        cmocka_unit_test(srv_records_are_sorted),
        cmocka_unit_test(slow_lookups_may_be_cancelled),
        cmocka_unit_test(wait_hooks_pair),
        cmocka_unit_test(nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
