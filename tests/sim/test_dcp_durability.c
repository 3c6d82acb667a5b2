/* Durable writes over replicas in the simulated network: who is told what when, and that what was acknowledged stays. */
#include "sim/dcp_world.h"

static void answer_comes(struct dcp_world *w, struct wire_client *c, uint32_t opaque)
{
    run_until(w, 60, c->told[opaque].there || c->closed);
}

#define assert_told(c, opaque, want)                                                                                   \
    do {                                                                                                               \
        if ((c)->told[opaque].status != (want)) fail_msg("status 0x%x instead of " #want, (c)->told[opaque].status);   \
    } while (0)

static bool has(struct dcp_world *w, unsigned n, uint16_t id, const char *key, const char *value)
{
    struct kv_key k = kv_key_of(0, key, strlen(key));
    struct vbucket *v = vb(w, n, id);
    const struct item *i = vbucket_find(v, &k, store_hash(v->store, &k));
    return i && item_is_live(i) && bytes_is(item_value(i), value);
}

static void a_majority_makes_a_durable_write(void **state)
{
    struct dcp_world w;
    struct wire_client c;
    dcp_world_open(&w, 3, 1);
    set_chain(&w, (int[]){0, 1, 2}, 3);
    run_until(&w, 5, same_history(&w, 0, 1) && same_history(&w, 0, 2));
    sim_run_for(w.sim, NS_PER_S);
    client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED) | FEATURE(FEATURE_TRACING));
    uint64_t began = sim_now(w.sim);
    uint32_t durable = client_send(&c, 1, "d", "durable", 1, 0), plain = client_send(&c, 1, "p", "plain", 0, 0);
    answer_comes(&w, &c, durable);
    assert_told(&c, durable, ST_SUCCESS);
    assert_true(c.told[durable].cas && c.told[plain].there);
    assert_true(c.told[plain].at_ns < c.told[durable].at_ns);
    assert_true(sim_now(w.sim) - began < 20 * NS_PER_MS);
    assert_int_equal(c.told[durable].seqno, vb(&w, 0, 1)->high_prepared_seqno);
    assert_true(has(&w, 0, 1, "d", "durable"));
    run_until(&w, 5, has(&w, 1, 1, "d", "durable") && has(&w, 2, 1, "d", "durable"));
    run_until(&w, 5, same_node(&w, 0, 1) && same_node(&w, 0, 2));
    client_close(&w, &c);
    dcp_world_close(&w);
}

static void one_dead_replica_of_two_does_not_matter(void **state)
{
    struct dcp_world w;
    struct wire_client c;
    dcp_world_open(&w, 3, 2);
    set_chain(&w, (int[]){0, 1, 2}, 3);
    client_open(&w, &c, 0, 0);
    sim_host_set(w.sim, w.nodes[2].host, SIM_GONE);
    uint32_t o = client_send(&c, 0, "d", "v", 1, 0);
    answer_comes(&w, &c, o);
    assert_told(&c, o, ST_SUCCESS);
    client_close(&w, &c);
    dcp_world_close(&w);
}

static void without_a_majority_nobody_knows(void **state)
{
    struct dcp_world w;
    struct wire_client c;
    dcp_world_open(&w, 2, 3);
    set_chain(&w, (int[]){0, 1}, 2);
    client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED));
    put_key(&w, 0, 0, 0, "d", "old", false);
    run_until(&w, 5, same_node(&w, 0, 1));
    sim_flow_set(w.sim, w.nodes[0].host, w.nodes[1].host, SIM_STALLS);
    uint64_t began = sim_now(w.sim);
    uint32_t durable = client_send(&c, 0, "d", "new", 1, 2000), meanwhile = client_send(&c, 0, "d", "other", 0, 0),
             other = client_send(&c, 0, "e", "other", 0, 0), get = client_send(&c, 0, "d", NULL, 0, 0);
    answer_comes(&w, &c, get);
    assert_told(&c, meanwhile, ST_SYNC_WRITE_IN_PROGRESS);
    assert_told(&c, other, ST_SUCCESS);
    assert_told(&c, get, ST_SUCCESS);
    assert_true(has(&w, 0, 0, "d", "old"));
    assert_false(c.told[durable].there);
    answer_comes(&w, &c, durable);
    assert_told(&c, durable, ST_SYNC_WRITE_AMBIGUOUS);
    assert_true(sim_now(w.sim) - began >= 2 * NS_PER_S && sim_now(w.sim) - began < 3 * NS_PER_S);
    assert_true(has(&w, 0, 0, "d", "old")); /* it was aborted */
    uint32_t after = client_send(&c, 0, "d", "free", 0, 0);
    answer_comes(&w, &c, after);
    assert_told(&c, after, ST_SUCCESS);
    sim_flow_set(w.sim, w.nodes[0].host, w.nodes[1].host, SIM_FLOWS);
    run_until(&w, 30, same_node(&w, 0, 1));
    assert_null(vb(&w, 1, 0)->prepares);
    client_close(&w, &c);
    dcp_world_close(&w);
}

static void a_chain_with_holes_makes_it_impossible(void **state)
{
    struct dcp_world w;
    struct wire_client c;
    dcp_world_open(&w, 3, 4);
    set_chain(&w, (int[]){0, -1, -1}, 3);
    client_open(&w, &c, 0, 0);
    uint32_t o = client_send(&c, 0, "d", "v", 1, 0);
    answer_comes(&w, &c, o);
    assert_told(&c, o, ST_DURABILITY_IMPOSSIBLE);
    set_chain(&w, (int[]){0, 2, -1}, 3);
    o = client_send(&c, 0, "d", "v", 1, 0);
    answer_comes(&w, &c, o);
    assert_told(&c, o, ST_SUCCESS);
    client_close(&w, &c);
    dcp_world_close(&w);
}

static void answers_in_order_wait_for_each_other(void **state)
{
    struct dcp_world w;
    struct wire_client c;
    dcp_world_open(&w, 2, 5);
    set_chain(&w, (int[]){0, 1}, 2);
    client_open(&w, &c, 0, 0);
    sim_run_for(w.sim, NS_PER_S);
    uint32_t first = client_send(&c, 0, "d", "1", 1, 0), second = client_send(&c, 0, "d", "2", 1, 0),
             third = client_send(&c, 0, "d", "3", 0, 0);
    answer_comes(&w, &c, third);
    assert_told(&c, first, ST_SUCCESS);
    assert_told(&c, second, ST_SUCCESS);
    assert_told(&c, third, ST_SUCCESS);
    assert_true(c.told[first].at_ns < c.told[second].at_ns && c.told[second].at_ns <= c.told[third].at_ns);
    assert_true(has(&w, 0, 0, "d", "3"));
    client_close(&w, &c);
    dcp_world_close(&w);
}

static void demotion_leaves_waiting_clients_without_knowledge(void **state)
{
    struct dcp_world w;
    struct wire_client c;
    dcp_world_open(&w, 2, 6);
    set_chain(&w, (int[]){0, 1}, 2);
    client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED));
    sim_run_for(w.sim, NS_PER_S);
    sim_flow_set(w.sim, w.nodes[0].host, w.nodes[1].host, SIM_STALLS);
    uint32_t o = client_send(&c, 0, "d", "v", 1, 0);
    sim_run_for(w.sim, 100 * NS_PER_MS);
    assert_false(c.told[o].there);
    set_chain(&w, (int[]){1, 0}, 2);
    answer_comes(&w, &c, o);
    assert_told(&c, o, ST_SYNC_WRITE_AMBIGUOUS);
    sim_flow_set(w.sim, w.nodes[0].host, w.nodes[1].host, SIM_FLOWS);
    run_until(&w, 30, same_node(&w, 0, 1));
    assert_null(vb(&w, 0, 0)->prepares);
    client_close(&w, &c);
    dcp_world_close(&w);
}

/* The replica has the prepare, the active dies before its commit: the replica commits it when it may. */
static void a_promoted_replica_commits_what_it_holds(void **state)
{
    struct dcp_world w;
    struct wire_client c, d;
    dcp_world_open(&w, 3, 7);
    set_chain(&w, (int[]){0, 1, 2}, 3);
    sim_run_for(w.sim, NS_PER_S);
    client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED));
    client_open(&w, &d, 1, FEATURE(FEATURE_UNORDERED));
    struct sim_link one_way = sim_link_default();
    one_way.flow = SIM_STALLS; /* no acknowledgement comes back */
    sim_link_set(w.sim, w.nodes[1].host, w.nodes[0].host, &one_way);
    sim_link_set(w.sim, w.nodes[2].host, w.nodes[0].host, &one_way);
    client_send(&c, 0, "d", "v", 1, 0);
    run_until(&w, 5, vb(&w, 1, 0)->prepares && vb(&w, 2, 0)->prepares);
    sim_host_set(w.sim, w.nodes[0].host, SIM_GONE);
    sim_flow_set(w.sim, w.nodes[1].host, w.nodes[2].host, SIM_STALLS);
    set_chain(&w, (int[]){1, 2, -1}, 3);
    uint32_t get = client_send(&d, 0, "d", NULL, 0, 0), set = client_send(&d, 0, "d", "x", 0, 0);
    answer_comes(&w, &d, set);
    assert_told(&d, get, ST_SYNC_WRITE_RE_COMMIT_IN_PROGRESS);
    assert_told(&d, set, ST_SYNC_WRITE_RE_COMMIT_IN_PROGRESS);
    sim_flow_set(w.sim, w.nodes[1].host, w.nodes[2].host, SIM_FLOWS);
    run_until(&w, 20, has(&w, 1, 0, "d", "v"));
    run_until(&w, 20, has(&w, 2, 0, "d", "v"));
    get = client_send(&d, 0, "d", NULL, 0, 0);
    answer_comes(&w, &d, get);
    assert_told(&d, get, ST_SUCCESS);
    client_close(&w, &d);
    mem_free(c.told);
    if (c.stream) io_stream_close(c.stream, false);
    dcp_world_close(&w);
}

/* An active that was only slow comes back while others are about to be promoted: it wins no majority any more. */
static void a_fenced_active_wins_no_majority(void **state)
{
    struct dcp_world w;
    struct wire_client c;
    struct vbucket_figures f;
    dcp_world_open(&w, 3, 12);
    set_chain(&w, (int[]){0, 1, 2}, 3);
    sim_run_for(w.sim, NS_PER_S);
    client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED));
    must(replication_fence(w.nodes[1].engine, "default", "n9,n0", 5000, must_err));
    must(replication_fence(w.nodes[2].engine, "default", "n0", 5000, must_err));
    must(replication_read(w.nodes[1].engine, "default", 0, &f, must_err));
    assert_int_equal(f.state, REPLICATION_WAITING);
    uint32_t o = client_send(&c, 0, "d", "v", 1, 2000);
    answer_comes(&w, &c, o);
    assert_told(&c, o, ST_SYNC_WRITE_AMBIGUOUS);
    set_chain(&w, (int[]){0, 1, 2}, 3); /* an old document does not lift it */
    sim_run_for(w.sim, 500 * NS_PER_MS);
    assert_false(same_node(&w, 0, 1));
    must(engine_set_roles(w.nodes[0].engine, "default", (struct vbucket_role[VBUCKETS]){{0}}, VBUCKETS, must_err));
    set_chain(&w, (int[]){1, 2, -1}, 3); /* a new source does */
    scribble(&w, 1, 20);
    run_until(&w, 2, same_node(&w, 1, 2));
    set_chain(&w, (int[]){1, 2, 0}, 3);
    must(replication_fence(w.nodes[2].engine, "default", "n1", 1000, must_err));
    scribble(&w, 1, 20);
    sim_run_for(w.sim, 500 * NS_PER_MS);
    assert_false(same_node(&w, 1, 2));
    run_until(&w, 2, same_node(&w, 1, 2)); /* it runs out */
    must(replication_fence(w.nodes[2].engine, "default", "n1", 60000, must_err));
    must(replication_fence(w.nodes[2].engine, "default", "n1", 0, must_err));
    scribble(&w, 1, 20);
    run_until(&w, 2, same_node(&w, 1, 2));
    client_close(&w, &c);
    dcp_world_close(&w);
}

/* While a vBucket moves, both chains must have it. */
static void both_chains_count_during_a_move(void **state)
{
    struct dcp_world w;
    struct wire_client c;
    dcp_world_open(&w, 3, 8);
    set_chain(&w, (int[]){0, 1, -1}, 3);
    client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED));
    sim_run_for(w.sim, NS_PER_S);
    const char *now[] = {"n0", "n1", NULL}, *next[] = {"n2", "n0", NULL};
    const struct vbucket_role role = {.mode = VBUCKET_KEEP, 3, 2, .chain = now, .next_chain = next, .next_length = 3};
    must(engine_set_role(w.nodes[0].engine, "default", 0, &role, must_err));
    assert_int_equal(vb(&w, 0, 0)->mode, VBUCKET_ACTIVE);
    uint32_t o = client_send(&c, 0, "d", "v", 1, 0);
    sim_run_for(w.sim, NS_PER_S);
    assert_false(c.told[o].there); /* the new one does not follow yet */
    const struct vbucket_role replica = {.mode = VBUCKET_REPLICA};
    const struct replication_source source = source_of(&w, 0, 0);
    must(engine_set_role(w.nodes[2].engine, "default", 0, &replica, must_err));
    must(replication_set(w.nodes[2].engine, "default", &source, 1, must_err));
    answer_comes(&w, &c, o);
    assert_told(&c, o, ST_SUCCESS);
    client_close(&w, &c);
    dcp_world_close(&w);
}

/* ---- what was acknowledged stays, whichever replica with the greatest prepared seqno is promoted */

struct record {
    uint32_t opaque;
    uint16_t vbucket;
    char key[16], value[16];
};

static void promote_the_best(struct dcp_world *w, unsigned lost)
{
    unsigned best = 3;
    for (unsigned n = 0; n < 3; n++) {
        bool better = best == 3 || vb(w, n, 0)->high_seqno > vb(w, best, 0)->high_seqno;
        if (n != lost && better) best = n;
    }
    int chain[3] = {(int)best, 3 - (int)best - (int)lost, -1};
    /* per vBucket the best may be another one: roles are given one by one */
    for (uint16_t i = 0; i < VBUCKETS; i++) {
        const struct vbucket *a = vb(w, (unsigned)chain[0], i), *b = vb(w, (unsigned)chain[1], i);
        bool swap = b->high_prepared_seqno > a->high_prepared_seqno ||
                    (b->high_prepared_seqno == a->high_prepared_seqno && b->high_seqno > a->high_seqno);
        unsigned active = (unsigned)chain[swap], replica = (unsigned)chain[!swap];
        const char *names[] = {w->nodes[active].name, w->nodes[replica].name, NULL};
        struct vbucket_role role = {.mode = VBUCKET_ACTIVE, 3, 2, .chain = names};
        must(engine_set_role(w->nodes[active].engine, "default", i, &role, must_err));
        role.mode = VBUCKET_REPLICA;
        must(engine_set_role(w->nodes[replica].engine, "default", i, &role, must_err));
    }
    for (int k = 0; k < 2; k++) {
        struct replication_source sources[VBUCKETS];
        size_t count = 0;
        for (uint16_t i = 0; i < VBUCKETS; i++) {
            if (vb(w, (unsigned)chain[k], i)->mode == VBUCKET_REPLICA)
                sources[count++] = source_of(w, (unsigned)chain[!k], i);
        }
        must(replication_set(w->nodes[chain[k]].engine, "default", sources, count, must_err));
    }
}

static bool kept(struct dcp_world *w, unsigned lost, const struct record *r)
{
    for (unsigned n = 0; n < 3; n++) {
        if (n != lost && vb(w, n, r->vbucket)->mode == VBUCKET_ACTIVE) return has(w, n, r->vbucket, r->key, r->value);
    }
    return false;
}

static void acknowledged_durable_writes_survive_a_failover(void **state)
{
    enum { WRITES = 120 };
    unsigned acknowledged = 0, not_acknowledged = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct dcp_world w;
        struct wire_client c;
        struct record records[WRITES];
        dcp_world_open(&w, 3, seed);
        set_chain(&w, (int[]){0, 1, 2}, 3);
        sim_run_for(w.sim, 200 * NS_PER_MS);
        client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED));
        for (unsigned i = 0; i < WRITES; i++) {
            struct record *r = &records[i];
            r->vbucket = (uint16_t)rng_below(&w.rng, VBUCKETS);
            snprintf(r->key, sizeof r->key, "d%u", i);
            snprintf(r->value, sizeof r->value, "v%u", i);
            r->opaque = client_send(&c, r->vbucket, r->key, r->value, 1, 0);
            if (rng_below(&w.rng, 3) == 0) scribble(&w, 0, 3);
            sim_run_for(w.sim, rng_below(&w.rng, NS_PER_MS));
            if (rng_below(&w.rng, 30) == 0) sim_reset(w.sim, w.nodes[0].host, w.nodes[1 + rng_below(&w.rng, 2)].host);
            if (rng_below(&w.rng, 40) == 0)
                sim_flow_set(w.sim, w.nodes[0].host, w.nodes[1 + rng_below(&w.rng, 2)].host, SIM_STALLS);
        }
        sim_run_for(w.sim, rng_below(&w.rng, 3 * NS_PER_MS));
        sim_host_set(w.sim, w.nodes[0].host, SIM_GONE);
        bool told[WRITES];
        for (unsigned i = 0; i < WRITES; i++)
            told[i] = c.told[records[i].opaque].there && c.told[records[i].opaque].status == ST_SUCCESS;
        promote_the_best(&w, 0);
        sim_run_for(w.sim, 10 * NS_PER_S);
        for (unsigned i = 0; i < WRITES; i++) {
            told[i] ? acknowledged++ : not_acknowledged++;
            if (told[i] && !kept(&w, 0, &records[i])) fail_msg("seed %u: write %u is lost", (unsigned)seed, i);
        }
        assert_true(same_node(&w, 1, 2));
        for (uint16_t i = 0; i < VBUCKETS; i++) assert_null(vb(&w, 1, i)->prepares);
        mem_free(c.told);
        dcp_world_close(&w);
    }
    assert_true(acknowledged > 1000 && not_acknowledged > 20);
}

/* Durable writes go on over a takeover: told done or unknown, and what was told done is at the new place. */
struct finished {
    int times;
    enum divan_code code;
};

static void on_done(void *user, uint16_t vbucket, uint64_t high_seqno, const struct divan_error *why)
{
    struct finished *f = user;
    f->times++;
    f->code = why->code;
}

static void durable_writes_meet_a_takeover(void **state)
{
    unsigned done = 0, refused = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct dcp_world w;
        struct wire_client c;
        struct finished moved = {0};
        struct record records[200];
        struct divan_error err;
        dcp_world_open(&w, 3, seed);
        set_chain(&w, (int[]){0, 1, -1}, 3);
        sim_run_for(w.sim, 200 * NS_PER_MS);
        client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED));
        const struct replication_source source = source_of(&w, 0, 0);
        for (unsigned i = 0; i < 200; i++) {
            struct record *r = &records[i];
            snprintf(r->key, sizeof r->key, "d%u", i);
            snprintf(r->value, sizeof r->value, "v%u", i);
            r->vbucket = 0;
            r->opaque = client_send(&c, 0, r->key, r->value, 1, 0);
            sim_run_for(w.sim, rng_below(&w.rng, 200000));
            if (i == 60)
                assert_non_null(replication_take_over(w.nodes[2].engine, "default", &source, on_done, &moved, &err));
        }
        run_until(&w, 10, moved.times);
        assert_int_equal(moved.code, DIVAN_OK);
        sim_run_for(w.sim, NS_PER_S);
        for (unsigned i = 0; i < 200; i++) {
            const struct told *t = &c.told[records[i].opaque];
            assert_true(t->there);
            assert_true(t->status != ST_SYNC_WRITE_AMBIGUOUS);
            if (t->status == ST_SUCCESS) assert_true(has(&w, 2, 0, records[i].key, records[i].value));
            t->status == ST_SUCCESS ? done++ : refused++;
        }
        client_close(&w, &c);
        dcp_world_close(&w);
    }
    assert_true(done > 1000 && refused > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_majority_makes_a_durable_write),
        cmocka_unit_test(one_dead_replica_of_two_does_not_matter),
        cmocka_unit_test(without_a_majority_nobody_knows),
        cmocka_unit_test(a_chain_with_holes_makes_it_impossible),
        cmocka_unit_test(answers_in_order_wait_for_each_other),
        cmocka_unit_test(demotion_leaves_waiting_clients_without_knowledge),
        cmocka_unit_test(a_promoted_replica_commits_what_it_holds),
        cmocka_unit_test(a_fenced_active_wins_no_majority),
        cmocka_unit_test(both_chains_count_during_a_move),
        cmocka_unit_test(acknowledged_durable_writes_survive_a_failover),
        cmocka_unit_test(durable_writes_meet_a_takeover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
