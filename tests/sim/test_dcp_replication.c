/* Replicas in the simulated network: they become what their active is, whatever happens on the way. */
#include "sim/dcp_world.h"

static void a_replica_becomes_its_active(void **state)
{
    struct dcp_world w;
    dcp_world_open(&w, 2, 1);
    set_chain(&w, (int[]){0, 1}, 2);
    scribble(&w, 0, 500);
    run_until(&w, 5, same_node(&w, 0, 1));
    assert_true(same_history(&w, 0, 1));
    scribble(&w, 0, 500);
    run_until(&w, 5, same_node(&w, 0, 1) && replication_caught_up(w.nodes[1].engine, "default"));
    struct vbucket_figures f;
    must(replication_read(w.nodes[1].engine, "default", 0, &f, must_err));
    assert_int_equal(f.mode, VBUCKET_REPLICA);
    assert_int_equal(f.lag, 0);
    assert_string_equal(f.source, "n0");
    dcp_world_close(&w);
}

static void writing_goes_on_while_a_replica_is_built(void **state)
{
    struct dcp_world w;
    dcp_world_open(&w, 2, 2);
    struct sim_link slow = sim_link_default();
    slow.latency_min_ns = slow.latency_max_ns = 5 * NS_PER_MS;
    slow.piece_max = 300;
    slow.send_bytes = 2000;
    sim_link_set(w.sim, NULL, NULL, &slow);
    set_chain(&w, (int[]){0, 1}, 2);
    scribble(&w, 0, 1000);
    for (int i = 0; i < 300; i++) {
        sim_run_for(w.sim, NS_PER_MS);
        scribble(&w, 0, 5);
    }
    run_until(&w, 30, same_node(&w, 0, 1));
    assert_int_equal(bucket_of(&w, 0)->store.ghost_bytes, 0);
    dcp_world_close(&w);
}

static void connections_are_lost_at_any_byte(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct dcp_world w;
        dcp_world_open(&w, 3, seed);
        set_chain(&w, (int[]){0, 1, 2}, 3);
        for (int i = 0; i < 30; i++) {
            scribble(&w, 0, 20);
            sim_run_for(w.sim, rng_below(&w.rng, 3 * NS_PER_MS));
            if (rng_below(&w.rng, 2)) sim_reset(w.sim, w.nodes[0].host, w.nodes[1 + rng_below(&w.rng, 2)].host);
            sim_run_for(w.sim, rng_below(&w.rng, 30 * NS_PER_MS));
        }
        run_until(&w, 30, same_node(&w, 0, 1) && same_node(&w, 0, 2));
        assert_true(same_history(&w, 0, 2));
        assert_int_equal(bucket_of(&w, 0)->store.ghost_bytes, 0);
        dcp_world_close(&w);
    }
}

static void a_stalled_source_is_dialled_again(void **state)
{
    struct dcp_world w;
    dcp_world_open(&w, 2, 3);
    set_chain(&w, (int[]){0, 1}, 2);
    scribble(&w, 0, 100);
    run_until(&w, 5, same_node(&w, 0, 1));
    sim_flow_set(w.sim, w.nodes[0].host, w.nodes[1].host, SIM_SWALLOWS);
    scribble(&w, 0, 100);
    sim_run_for(w.sim, 5 * NS_PER_S);
    assert_false(same_node(&w, 0, 1));
    assert_false(replication_caught_up(w.nodes[1].engine, "default"));
    sim_flow_set(w.sim, w.nodes[0].host, w.nodes[1].host, SIM_FLOWS);
    run_until(&w, 20, same_node(&w, 0, 1));
    dcp_world_close(&w);
}

/* The old active has writes that never reached the replica that is promoted: it comes back, rolls back and follows. */
static void what_was_never_replicated_is_rolled_back(void **state)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct dcp_world w;
        dcp_world_open(&w, 2, seed);
        set_chain(&w, (int[]){0, 1}, 2);
        scribble(&w, 0, 200);
        run_until(&w, 5, same_node(&w, 0, 1));
        sim_flow_set(w.sim, w.nodes[0].host, w.nodes[1].host, SIM_STALLS);
        scribble(&w, 0, 1 + (unsigned)rng_below(&w.rng, 60));
        sim_run_for(w.sim, 10 * NS_PER_MS);
        set_chain(&w, (int[]){1, 0}, 2);
        scribble(&w, 1, (unsigned)rng_below(&w.rng, 60));
        sim_flow_set(w.sim, w.nodes[0].host, w.nodes[1].host, SIM_FLOWS);
        run_until(&w, 30, same_node(&w, 0, 1) && replication_caught_up(w.nodes[0].engine, "default"));
        assert_true(same_history(&w, 0, 1));
        assert_int_equal(vb(&w, 1, 0)->failover_count, 2);
        dcp_world_close(&w);
    }
}

/* A replica is promoted in the middle of a snapshot: what it has is a mixture, the branch begins before it. */
static void a_cut_snapshot_does_not_count(void **state)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct dcp_world w;
        dcp_world_open(&w, 3, seed);
        struct sim_link slow = sim_link_default();
        slow.piece_max = 200;
        slow.latency_min_ns = slow.latency_max_ns = 2 * NS_PER_MS;
        slow.send_bytes = 600;
        sim_link_set(w.sim, w.nodes[0].host, w.nodes[1].host, &slow);
        set_chain(&w, (int[]){0, 1, 2}, 3);
        scribble(&w, 0, 600);
        sim_run_for(w.sim, 10 * NS_PER_MS + rng_below(&w.rng, 60 * NS_PER_MS));
        set_chain(&w, (int[]){1, 2, 0}, 3);
        scribble(&w, 1, 100);
        sim_link_set(w.sim, w.nodes[0].host, w.nodes[1].host,
                     &(struct sim_link){.piece_max = 0, .send_bytes = 1 << 18});
        run_until(&w, 60, same_node(&w, 1, 2) && same_node(&w, 1, 0));
        dcp_world_close(&w);
    }
}

/* One replica is promoted in the middle of its first snapshot, the other has less, but whole: the documents that the
 * promoted one lacks, because newer states of them were to come, must go from the other too. */
static void who_has_less_but_whole_follows_a_mixture(void **state)
{
    unsigned cut = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct dcp_world w;
        dcp_world_open(&w, 3, seed);
        set_chain(&w, (int[]){0, 2}, 2);
        scribble(&w, 0, 300);
        run_until(&w, 5, same_node(&w, 0, 2));
        sim_flow_set(w.sim, w.nodes[0].host, w.nodes[2].host, SIM_STALLS);
        scribble(&w, 0, 300);
        struct sim_link slow = sim_link_default();
        slow.piece_max = 200;
        slow.latency_min_ns = slow.latency_max_ns = 2 * NS_PER_MS;
        slow.send_bytes = 600;
        sim_link_set(w.sim, w.nodes[0].host, w.nodes[1].host, &slow);
        set_chain(&w, (int[]){0, 1, 2}, 3);
        uint64_t least = vb(&w, 2, 0)->high_seqno + rng_below(&w.rng, 40);
        run_until(&w, 60, vb(&w, 1, 0)->high_seqno > least);
        const struct vbucket *v = vb(&w, 1, 0);
        cut += v->high_seqno < v->snapshot_end;
        sim_host_set(w.sim, w.nodes[0].host, SIM_GONE);
        set_chain(&w, (int[]){1, 2, -1}, 3);
        scribble(&w, 1, 20);
        run_until(&w, 60, same_node(&w, 1, 2));
        dcp_world_close(&w);
    }
    assert_true(cut > 10);
}

static void a_flushed_bucket_is_followed_anew(void **state)
{
    struct dcp_world w;
    dcp_world_open(&w, 2, 5);
    set_chain(&w, (int[]){0, 1}, 2);
    scribble(&w, 0, 200);
    run_until(&w, 5, same_node(&w, 0, 1));
    must(engine_bucket_flush(w.nodes[0].engine, "default", must_err));
    scribble(&w, 0, 20);
    run_until(&w, 20, same_node(&w, 0, 1) && same_history(&w, 0, 1));
    dcp_world_close(&w);
}

/* Any one allocation fails while connections come and go: nothing is lost, nobody hangs. */
static void memory_may_fail_anywhere(void **state)
{
    for (uint64_t fail = 1; fail <= 150; fail++) {
        struct dcp_world w;
        struct wire_client c;
        dcp_world_open(&w, 2, 1);
        set_chain(&w, (int[]){0, 1}, 2);
        client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED));
        mem_fail_at(fail);
        for (int i = 0; i < 6; i++) {
            char key[8];
            snprintf(key, sizeof key, "d%d", i);
            scribble(&w, 0, 4);
            client_send(&c, (uint16_t)(i % VBUCKETS), key, "v", 1, 1000);
            sim_run_for(w.sim, 5 * NS_PER_MS);
            if (i == 3) sim_reset(w.sim, w.nodes[0].host, w.nodes[1].host);
        }
        sim_run_for(w.sim, 3 * NS_PER_S);
        mem_fail_at(0);
        run_until(&w, 60, same_node(&w, 0, 1));
        for (uint16_t i = 0; i < VBUCKETS; i++) assert_null(vb(&w, 0, i)->prepares);
        for (uint32_t i = 1; i <= c.next_opaque; i++) assert_true(c.told[i].there || c.closed);
        client_close(&w, &c);
        dcp_world_close(&w);
    }
}

static void roles_and_sources_come_in_any_order(void **state)
{
    struct dcp_world w;
    struct vbucket_figures f;
    dcp_world_open(&w, 2, 6);
    struct replication_source sources[VBUCKETS];
    for (uint16_t i = 0; i < VBUCKETS; i++) sources[i] = source_of(&w, 0, i);
    must(replication_set(w.nodes[1].engine, "default", sources, VBUCKETS, must_err));
    sim_run_for(w.sim, NS_PER_S);
    must(replication_read(w.nodes[1].engine, "default", 1, &f, must_err));
    assert_int_equal(f.state, REPLICATION_WAITING);
    must(engine_own_all(w.nodes[0].engine, "default", must_err));
    scribble(&w, 0, 50);
    struct vbucket_role roles[VBUCKETS] = {0};
    for (uint16_t i = 0; i < VBUCKETS; i++) roles[i].mode = VBUCKET_REPLICA;
    must(engine_set_roles(w.nodes[1].engine, "default", roles, VBUCKETS, must_err));
    run_until(&w, 5, same_node(&w, 0, 1));
    must(replication_set(w.nodes[1].engine, "default", NULL, 0, must_err));
    must(replication_read(w.nodes[1].engine, "default", 1, &f, must_err));
    assert_int_equal(f.state, REPLICATION_NONE);
    scribble(&w, 0, 50);
    sim_run_for(w.sim, 2 * NS_PER_S);
    assert_false(same_node(&w, 0, 1));
    sources[0].vbucket = VBUCKETS;
    struct divan_error err;
    assert_int_equal(replication_set(w.nodes[1].engine, "default", sources, 1, &err), DIVAN_ERR_INVALID_ARGUMENT);
    assert_int_equal(replication_set(w.nodes[1].engine, "nope", sources, 1, &err), DIVAN_ERR_BUCKET_NOT_FOUND);
    dcp_world_close(&w);
}

/* ---- moves */

struct finished {
    int times;
    enum divan_code code;
    uint64_t high_seqno;
    char message[256];
};

static void on_done(void *user, uint16_t vbucket, uint64_t high_seqno, const struct divan_error *why)
{
    struct finished *f = user;
    f->times++;
    f->code = why->code;
    f->high_seqno = high_seqno;
    text_copy(f->message, sizeof f->message, why->message);
}

static void a_vbucket_moves_while_it_is_written(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct dcp_world w;
        struct finished built = {0}, moved = {0};
        dcp_world_open(&w, 2, seed);
        set_chain(&w, (int[]){0}, 1);
        scribble(&w, 0, 400);
        const struct replication_source source = source_of(&w, 0, 2);
        struct divan_error err;
        uint64_t have = vb(&w, 0, 2)->high_seqno;
        assert_non_null(replication_build(w.nodes[1].engine, "default", &source, 0, on_done, &built, &err));
        run_until(&w, 5, built.times);
        assert_int_equal(built.code, DIVAN_OK);
        assert_true(built.high_seqno >= have);
        scribble(&w, 0, 100);
        assert_non_null(replication_take_over(w.nodes[1].engine, "default", &source, on_done, &moved, &err));
        while (!moved.times) {
            for (int i = 0; i < 3 && vb(&w, 0, 2)->mode == VBUCKET_ACTIVE; i++) {
                char key[16];
                snprintf(key, sizeof key, "k%u", (unsigned)rng_below(&w.rng, 40));
                put_key(&w, 0, 2, 0, key, "late", false);
            }
            sim_run_for(w.sim, 50000);
            assert_true(sim_now(w.sim) < 60 * NS_PER_S);
        }
        if (moved.code) fail_msg("%s", moved.message);
        assert_int_equal(vb(&w, 0, 2)->mode, VBUCKET_DEAD);
        assert_int_equal(vb(&w, 1, 2)->mode, VBUCKET_ACTIVE);
        assert_true(same_vbucket(vb(&w, 0, 2), vb(&w, 1, 2)));
        assert_int_equal(vb(&w, 1, 2)->failover_count, 1);
        assert_int_equal(vbucket_uuid(vb(&w, 0, 2)), vbucket_uuid(vb(&w, 1, 2)));
        assert_int_equal(moved.times + built.times, 2);
        dcp_world_close(&w);
    }
}

/* Wherever the connection breaks, at most one node serves the vBucket, and nothing that was written is lost. */
static void a_broken_takeover_leaves_one_active_at_most(void **state)
{
    unsigned failed = 0, went = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct dcp_world w;
        struct finished moved = {0};
        struct divan_error err;
        dcp_world_open(&w, 2, seed);
        set_chain(&w, (int[]){0}, 1);
        scribble(&w, 0, 100);
        const struct replication_source source = source_of(&w, 0, 1);
        assert_non_null(replication_take_over(w.nodes[1].engine, "default", &source, on_done, &moved, &err));
        sim_run_for(w.sim, rng_below(&w.rng, 8 * NS_PER_MS));
        sim_reset(w.sim, w.nodes[0].host, w.nodes[1].host);
        run_until(&w, 10, moved.times);
        sim_run_for(w.sim, 2 * NS_PER_S);
        int active = (vb(&w, 0, 1)->mode == VBUCKET_ACTIVE) + (vb(&w, 1, 1)->mode == VBUCKET_ACTIVE);
        assert_true(active <= 1);
        if (vb(&w, 1, 1)->mode == VBUCKET_ACTIVE) assert_true(same_vbucket(vb(&w, 0, 1), vb(&w, 1, 1)));
        if (!moved.code) assert_int_equal(vb(&w, 1, 1)->mode, VBUCKET_ACTIVE);
        assert_false(vb(&w, 0, 1)->handing_over);
        moved.code ? failed++ : went++;
        dcp_world_close(&w);
    }
    assert_true(failed && went);
}

static void tasks_that_cannot_be_done(void **state)
{
    struct dcp_world w;
    struct finished done = {0};
    struct divan_error err;
    dcp_world_open(&w, 2, 9);
    set_chain(&w, (int[]){0}, 1);
    struct replication_source source = source_of(&w, 0, 1), nowhere = {1, "10.0.0.7", KV_PORT, "nowhere"};
    assert_null(replication_build(w.nodes[0].engine, "default", &source, 0, on_done, &done, &err));
    assert_int_equal(err.code, DIVAN_ERR_INVALID_ARGUMENT);
    assert_non_null(replication_build(w.nodes[1].engine, "default", &nowhere, 0, on_done, &done, &err));
    assert_null(replication_build(w.nodes[1].engine, "default", &source, 0, on_done, &done, &err));
    run_until(&w, 60, done.times);
    assert_true(done.code != DIVAN_OK);
    struct replication_task *task = replication_build(w.nodes[1].engine, "default", &nowhere, 0, on_done, &done, &err);
    assert_non_null(task);
    replication_cancel(task);
    sim_run_for(w.sim, 20 * NS_PER_S);
    assert_int_equal(done.times, 1);
    must(engine_set_user(w.nodes[0].engine, &(struct engine_user){.name = "@divan"}, must_err));
    must(replication_identify(w.nodes[1].engine, "n1", "@divan", "wrong", must_err));
    assert_non_null(replication_take_over(w.nodes[1].engine, "default", &source, on_done, &done, &err));
    run_until(&w, 60, done.times == 2);
    assert_int_equal(done.code, DIVAN_ERR_CREDENTIALS);
    assert_int_equal(vb(&w, 0, 1)->mode, VBUCKET_ACTIVE);
    dcp_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replica_becomes_its_active),
        cmocka_unit_test(writing_goes_on_while_a_replica_is_built),
        cmocka_unit_test(connections_are_lost_at_any_byte),
        cmocka_unit_test(a_stalled_source_is_dialled_again),
        cmocka_unit_test(what_was_never_replicated_is_rolled_back),
        cmocka_unit_test(a_cut_snapshot_does_not_count),
        cmocka_unit_test(who_has_less_but_whole_follows_a_mixture),
        cmocka_unit_test(a_flushed_bucket_is_followed_anew),
        cmocka_unit_test(memory_may_fail_anywhere),
        cmocka_unit_test(roles_and_sources_come_in_any_order),
        cmocka_unit_test(a_vbucket_moves_while_it_is_written),
        cmocka_unit_test(a_broken_takeover_leaves_one_active_at_most),
        cmocka_unit_test(tasks_that_cannot_be_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
