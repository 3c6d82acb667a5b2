/* Sub-documents, locks, scans and old-style durability under faults: against scripted nodes, and against a node's engine whose
 * connections break. */
#include "sim/support_script.h"
#include "sim/support_world.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wire/history.h"

#define HOST_1 "10.0.0.1"
#define HOST_2 "10.0.0.2"

struct stage {
    struct sim *sim;
    struct script *a, *b;
    struct probe client;
};

static const char *const two_hosts[] = {HOST_1, HOST_2};

static void replace_all(char *text, size_t cap, const char *what, const char *with)
{
    static char copy[16384];
    size_t n = 0;
    for (const char *at = text; *at && n + strlen(with) + 1 < sizeof copy;) {
        bool hit = !strncmp(at, what, strlen(what));
        n += (size_t)snprintf(copy + n, sizeof copy - n, "%.*s", hit ? (int)strlen(with) : 1, hit ? with : at);
        at += hit ? strlen(what) : 1;
    }
    text_copy(text, cap, copy);
}

/* Node a is active for all, node b has the replicas. */
static void set(struct stage *t, uint64_t seed, unsigned replicas)
{
    memset(t, 0, sizeof *t);
    t->sim = sim_new(seed);
    t->a = script_new(t->sim, HOST_1);
    t->b = script_new(t->sim, HOST_2);
    struct script *both[] = {t->a, t->b};
    for (int i = 0; i < 2; i++) {
        script_make_config(both[i]->config, sizeof both[i]->config, 1, 10, two_hosts, 2, (const int[]){0}, 1, 8);
        replace_all(both[i]->config, sizeof both[i]->config, "[\"collections\"", "[\"couchapi\",\"collections\"");
        if (!replicas) continue;
        replace_all(both[i]->config, sizeof both[i]->config, "\"numReplicas\":0", "\"numReplicas\":1");
        replace_all(both[i]->config, sizeof both[i]->config, "[0]", "[0,1]");
    }
    assert_int_equal(probe_open_wait(&t->client, t->sim, "couchbase://10.0.0.1/b", NULL), DIVAN_OK);
    probe_run_for(&t->client, 100 * NS_PER_MS);
}

static void strike(struct stage *t)
{
    probe_close(&t->client);
    sim_free(t->sim);
    script_free(t->a);
    script_free(t->b);
}

/* ---- old-style durability */

static struct operation *write_and_wait(struct stage *t, uint32_t timeout_ms, probe_setup_fn *setup)
{
    struct divan_error err;
    size_t n = t->client.count;
    assert_int_equal(probe_start(&t->client, probe_collection(&t->client, "b", NULL, NULL), KIND_UPSERT, "k", "v",
                                 timeout_ms, setup, &err),
                     DIVAN_OK);
    probe_wait(&t->client, n + 1);
    return t->client.results[n];
}

static void replicate_to_one(struct operation *op)
{
    op->replicate_to = DIVAN_REPLICATE_TO_ONE;
}

static void persist_to_two(struct operation *op)
{
    op->persist_to = DIVAN_PERSIST_TO_TWO;
}

static void persist_to_active(struct operation *op)
{
    op->persist_to = DIVAN_PERSIST_TO_ACTIVE;
}

static void persist_to_one(struct operation *op)
{
    op->persist_to = DIVAN_PERSIST_TO_ONE;
}

static void persist_to_three(struct operation *op)
{
    op->persist_to = DIVAN_PERSIST_TO_THREE;
}

static void say(struct script *s, struct observe_seqno o)
{
    struct buf value = {.limit = 100};
    observe_seqno_put(&value, &o);
    script_expect(s, "OBSERVE_SEQNO");
    script_reply(s, ST_SUCCESS, "");
    struct script_step *step = &s->steps[s->step_count - 1];
    memcpy(step->value, value.data, value.len);
    step->value_len = value.len;
    buf_fini(&value);
}

static void a_write_waits_for_its_replica(void **state)
{
    struct stage t;
    set(&t, 1, 1);
    say(t.b, (struct observe_seqno){.uuid = 0xabcd, .current = 0});
    say(t.b, (struct observe_seqno){.uuid = 0xabcd, .current = 0});
    say(t.b, (struct observe_seqno){.uuid = 0xabcd, .current = 1});
    struct operation *op = write_and_wait(&t, 5000, replicate_to_one);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(op->token.seqno, 1);
    assert_int_equal(op->attempts, 1);
    assert_int_equal(t.a->by_opcode[OP_SET], 1);
    assert_int_equal(t.a->by_opcode[OP_OBSERVE_SEQNO], 0);
    script_check(t.b);
    strike(&t);
}

static void persistence_counts_the_active_node(void **state)
{
    const struct observe_seqno no = {.uuid = 0xabcd, .persisted = 0, .current = 1};
    const struct observe_seqno yes = {.uuid = 0xabcd, .persisted = 1, .current = 1};
    struct stage t;
    set(&t, 2, 1);
    script_expect(t.a, "SET key=k");
    say(t.a, no);
    for (int i = 0; i < 20; i++) say(t.a, yes), say(t.b, yes);
    assert_int_equal(probe_code(write_and_wait(&t, 5000, persist_to_two)), DIVAN_OK);
    assert_true(t.a->by_opcode[OP_OBSERVE_SEQNO] >= 2 && t.b->by_opcode[OP_OBSERVE_SEQNO] >= 1);
    strike(&t);

    set(&t, 3, 1); /* the replica's word does not count */
    script_expect(t.a, "SET key=k");
    say(t.a, no);
    say(t.a, yes);
    assert_int_equal(probe_code(write_and_wait(&t, 5000, persist_to_active)), DIVAN_OK);
    assert_int_equal(t.a->by_opcode[OP_OBSERVE_SEQNO], 2);
    assert_int_equal(t.b->by_opcode[OP_OBSERVE_SEQNO], 0);
    strike(&t);

    set(&t, 4, 0); /* without replicas one copy is enough: the active one */
    script_expect(t.a, "SET key=k");
    say(t.a, yes);
    assert_int_equal(probe_code(write_and_wait(&t, 5000, persist_to_one)), DIVAN_OK);
    strike(&t);
}

static void what_is_impossible_is_not_written(void **state)
{
    struct stage t;
    set(&t, 5, 0);
    assert_int_equal(probe_code(write_and_wait(&t, 5000, replicate_to_one)), DIVAN_ERR_DURABILITY_IMPOSSIBLE);
    assert_int_equal(probe_code(write_and_wait(&t, 5000, persist_to_two)), DIVAN_ERR_DURABILITY_IMPOSSIBLE);
    assert_int_equal(t.a->by_opcode[OP_SET], 0);
    strike(&t);
    set(&t, 6, 1);
    assert_int_equal(probe_code(write_and_wait(&t, 5000, persist_to_three)), DIVAN_ERR_DURABILITY_IMPOSSIBLE);
    assert_int_equal(t.a->by_opcode[OP_SET], 0);
    strike(&t);
}

static void a_write_that_is_not_copied_in_time_is_told_apart(void **state)
{
    struct stage t;
    set(&t, 7, 1);
    for (int i = 0; i < 40; i++) say(t.b, (struct observe_seqno){.uuid = 0xabcd, .current = 0});
    uint64_t start = sim_now(t.sim);
    struct operation *op = write_and_wait(&t, 1000, replicate_to_one);
    assert_int_equal(probe_code(op), DIVAN_ERR_DURABILITY_AMBIGUOUS);
    assert_true(op->error->flags & DIVAN_IS_AMBIGUOUS);
    assert_non_null(strstr(op->error->message, "was applied"));
    assert_in_range(sim_now(t.sim) - start, 1000 * NS_PER_MS, 1010 * NS_PER_MS);
    assert_int_equal(t.a->by_opcode[OP_SET], 1);
    strike(&t);
}

static void a_failover_that_lost_the_write_is_told(void **state)
{
    struct stage t;
    set(&t, 8, 1);
    say(t.b, (struct observe_seqno){
                 .failed_over = true, .uuid = 0x99, .current = 9, .persisted = 9, .old_uuid = 0xabcd, .old_last = 0});
    struct operation *op = write_and_wait(&t, 5000, replicate_to_one);
    assert_int_equal(probe_code(op), DIVAN_ERR_DURABILITY_AMBIGUOUS);
    assert_non_null(strstr(op->error->message, "failover"));
    strike(&t);
}

static void questions_survive_lost_connections(void **state)
{
    struct stage t;
    set(&t, 9, 1);
    script_expect(t.b, "OBSERVE_SEQNO");
    script_close(t.b);
    say(t.b, (struct observe_seqno){.uuid = 0xabcd, .current = 1});
    assert_int_equal(probe_code(write_and_wait(&t, 5000, replicate_to_one)), DIVAN_OK);
    assert_int_equal(t.a->by_opcode[OP_SET], 1);
    strike(&t);
}

static void closing_ends_the_watch(void **state)
{
    struct stage t;
    struct divan_error err;
    set(&t, 10, 1);
    for (int i = 0; i < 40; i++) say(t.b, (struct observe_seqno){.uuid = 0xabcd, .current = 0});
    assert_int_equal(probe_start(&t.client, probe_collection(&t.client, "b", NULL, NULL), KIND_UPSERT, "k", "v", 5000,
                                 replicate_to_one, &err),
                     DIVAN_OK);
    probe_run_for(&t.client, 300 * NS_PER_MS);
    assert_int_equal(t.client.count, 0);
    client_close(t.client.client);
    assert_int_equal(t.client.count, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_ERR_CANCELLED);
    assert_true(t.client.results[0]->error->flags & DIVAN_IS_AMBIGUOUS);
    strike(&t);
}

/* ---- locks on the wire */

static void hold_for_20(struct operation *op)
{
    op->expiry = 20;
}

static void with_cas(struct operation *op)
{
    op->cas = 77;
}

static struct operation *run(struct stage *t, enum op_kind kind, uint32_t timeout_ms, probe_setup_fn *setup)
{
    struct divan_error err;
    size_t n = t->client.count;
    assert_int_equal(probe_start(&t->client, probe_collection(&t->client, "b", NULL, NULL), kind, "k", NULL, timeout_ms,
                                 setup, &err),
                     DIVAN_OK);
    probe_wait(&t->client, n + 1);
    return t->client.results[n];
}

static void locks_on_the_wire(void **state)
{
    struct stage t;
    set(&t, 11, 0);
    for (int i = 0; i < 3; i++) {
        script_expect(t.a, "GETL key=k");
        script_reply(t.a, i < 2 ? ST_LOCKED : ST_KEY_ENOENT, NULL);
    }
    struct operation *op = run(&t, KIND_GET_AND_LOCK, 0, hold_for_20);
    assert_int_equal(probe_code(op), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    assert_int_equal(op->attempts, 3);
    const struct {
        uint16_t status;
        enum divan_code code;
    } rows[] = {
        {ST_SUCCESS, DIVAN_OK},
        {ST_LOCKED, DIVAN_ERR_CAS_MISMATCH},
        {ST_NOT_LOCKED, DIVAN_ERR_DOCUMENT_NOT_LOCKED},
        {ST_KEY_ENOENT, DIVAN_ERR_DOCUMENT_NOT_FOUND},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        script_expect(t.a, "UNLOCK key=k");
        script_reply(t.a, rows[i].status, NULL);
        op = run(&t, KIND_UNLOCK, 0, with_cas);
        assert_int_equal(probe_code(op), rows[i].code);
        assert_int_equal(op->attempts, 1); /* never waits for another's lock */
    }
    script_check(t.a);
    strike(&t);
}

/* ---- an engine whose connections break */

enum { DOCUMENTS = 400 };

static void load(struct world *w)
{
    char key[16];
    struct divan_error err;
    for (int i = 0; i < DOCUMENTS; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(divan_upsert(w->things, divan_str(key), divan_str("{\"a\":1}"), NULL, NULL, &err), DIVAN_OK);
    }
}

static size_t scan_through_resets(struct world *w, const struct divan_scan_options *o, size_t every)
{
    uint8_t seen[DOCUMENTS] = {0};
    struct divan_error err;
    struct divan_scan_item item;
    divan_scanner *scanner;
    size_t n = 0;
    enum divan_code rc;
    assert_int_equal(divan_scan_open(w->things, NULL, o, &scanner, &err), DIVAN_OK);
    while (!(rc = divan_scan_next(scanner, &item, &err))) {
        char key[16] = "";
        memcpy(key, item.key.data, item.key.len < 15 ? item.key.len : 15);
        int i = atoi(key + 1);
        assert_int_equal(seen[i], 0);
        seen[i] = 1;
        if (++n % every == 0) sim_reset(w->sim, NULL, NULL);
    }
    if (rc != DIVAN_ERR_RANGE_SCAN_COMPLETED) fail_msg("%s: %s", divan_code_name(rc), err.message);
    divan_scan_close(scanner);
    return n;
}

static void scans_go_on_after_losses(void **state)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world w;
        world_open(&w, seed);
        load(&w);
        const struct divan_scan_options o = {.page_items = (uint32_t)(seed % 4 + 1),
                                             .concurrency = (uint32_t)(seed % 7 + 1),
                                             .buffered_bytes = seed % 2 ? 500 : 0,
                                             .ids_only = seed % 3 == 0};
        assert_int_equal(scan_through_resets(&w, &o, 17), DOCUMENTS);
        world_close(&w);
    }
}

static void a_scan_without_a_server_ends_in_time(void **state)
{
    struct world w;
    struct divan_error err;
    struct divan_scan_item item;
    divan_scanner *scanner;
    world_open(&w, 3);
    load(&w);
    const struct divan_scan_options o = {.page_items = 2, .concurrency = 2, .buffered_bytes = 1, .timeout_ms = 4000};
    assert_int_equal(divan_scan_open(w.things, NULL, &o, &scanner, &err), DIVAN_OK);
    assert_int_equal(divan_scan_next(scanner, &item, &err), DIVAN_OK);
    uint64_t start = sim_now(w.sim);
    sim_flow_set(w.sim, NULL, NULL, SIM_SWALLOWS);
    enum divan_code rc;
    while (!(rc = divan_scan_next(scanner, &item, &err))) {}
    assert_int_equal(rc, DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_in_range(sim_now(w.sim) - start, 3900 * NS_PER_MS, 8100 * NS_PER_MS);
    divan_scan_close(scanner);
    world_close(&w);
}

/* ---- the n-th allocation fails */

static enum divan_code do_lookup(struct world *w, struct divan_error *err)
{
    divan_result *r = NULL;
    const struct divan_lookup specs[] = {divan_lookup_get("a"), divan_lookup_xattr(divan_lookup_get("$document"))};
    enum divan_code rc = divan_lookup_in(w->things, divan_str("k1"), specs, 2, NULL, &r, err);
    if (!rc) assert_true(bytes_is(divan_result_spec_value(r, 0), "1"));
    divan_result_release(r);
    return rc;
}

static enum divan_code do_project(struct world *w, struct divan_error *err)
{
    static const char *const paths[] = {"a", "b.c", "d[0]"};
    divan_result *r = NULL;
    const struct divan_get_options o = {.with_expiry = true, .project = paths, .project_count = 3};
    enum divan_code rc = divan_get(w->things, divan_str("k1"), &o, &r, err);
    if (!rc) assert_true(bytes_is(divan_result_value(r), "{\"a\":1}"));
    divan_result_release(r);
    return rc;
}

static enum divan_code do_mutate(struct world *w, struct divan_error *err)
{
    const struct divan_mutation specs[] = {divan_mutate_upsert("z", divan_str("[1,2,3]")),
                                           divan_mutate_increment("n", 1), divan_mutate_macro("m", DIVAN_MACRO_CAS),
                                           divan_mutate_create_path(divan_mutate_upsert("p.q", divan_str("1")))};
    return divan_mutate_in(w->things, divan_str("k2"), specs, 4, NULL, NULL, err);
}

static enum divan_code do_scan(struct world *w, struct divan_error *err)
{
    divan_scanner *scanner;
    struct divan_scan_item item;
    size_t n = 0;
    const struct divan_scan_options o = {.timeout_ms = 5000};
    enum divan_code rc = divan_scan_open(w->things, NULL, &o, &scanner, err);
    if (rc) return rc;
    while (!(rc = divan_scan_next(scanner, &item, err))) n++;
    divan_scan_close(scanner);
    if (rc != DIVAN_ERR_RANGE_SCAN_COMPLETED) return rc;
    assert_int_equal(n, DOCUMENTS);
    return DIVAN_OK;
}

static enum divan_code do_many(struct world *w, struct divan_error *err)
{
    const struct divan_bytes keys[] = {divan_str("k1"), divan_str("k3"), divan_str("k4")};
    divan_result *results[3];
    enum divan_code rc = divan_get_many(w->things, keys, 3, NULL, results, err);
    divan_result_release_many(results, 3);
    return rc;
}

static enum divan_code do_lock(struct world *w, struct divan_error *err)
{
    divan_result *r = NULL;
    enum divan_code rc = divan_get_and_lock(w->things, divan_str("k5"), 1, NULL, &r, err);
    if (!rc) rc = divan_unlock(w->things, divan_str("k5"), divan_result_cas(r), NULL, NULL, err);
    divan_result_release(r);
    return rc;
}

typedef enum divan_code act_fn(struct world *w, struct divan_error *err);

/* The node shares the process: some of the failures hit it, which the client sees as faults of the network. */
static void enumerate(const char *name, act_fn *act)
{
    struct divan_error err;
    uint64_t n = 1, failed = 0;
    struct world w;
    int64_t before = mem_live();
    world_open(&w, 5);
    load(&w);
    for (bool reached = true; reached && n < 3000; n++) {
        uint64_t count = mem_count();
        sim_reset(w.sim, NULL, NULL); /* so that there is something to build again */
        sim_run_for(w.sim, NS_PER_MS);
        mem_fail_at(n);
        failed += act(&w, &err) != DIVAN_OK;
        reached = mem_count() - count >= n;
        mem_fail_at(0);
        bool works = false;
        for (int tries = 0; tries < 4 && !works; tries++) works = !act(&w, &err);
        if (!works)
            fail_msg("%s does not work after allocation %llu failed: %s", name, (unsigned long long)n, err.message);
    }
    print_message("%s: %llu allocations, %llu told the caller\n", name, (unsigned long long)n - 1,
                  (unsigned long long)failed);
    assert_true(n > 5);
    world_close(&w);
    assert_true(mem_live() <= before);
}

static void every_allocation_may_fail(void **state)
{
    enumerate("lookup_in", do_lookup);
    enumerate("get with a projection", do_project);
    enumerate("mutate_in", do_mutate);
    enumerate("scan", do_scan);
    enumerate("get_many", do_many);
    enumerate("lock and unlock", do_lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_waits_for_its_replica),
        cmocka_unit_test(persistence_counts_the_active_node),
        cmocka_unit_test(what_is_impossible_is_not_written),
        cmocka_unit_test(a_write_that_is_not_copied_in_time_is_told_apart),
        cmocka_unit_test(a_failover_that_lost_the_write_is_told),
        cmocka_unit_test(questions_survive_lost_connections),
        cmocka_unit_test(closing_ends_the_watch),
        cmocka_unit_test(locks_on_the_wire),
        cmocka_unit_test(scans_go_on_after_losses),
        cmocka_unit_test(a_scan_without_a_server_ends_in_time),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
