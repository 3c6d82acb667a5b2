/* Retry strategies of the program. */
#include "sim/support_script.h"

#include "client/bucket.h"
#include "client/retry.h"
#include "client/strategy.h"

struct stage {
    struct sim *sim;
    struct script *node;
    struct probe client;
};

/* What it was asked last, and what it answers. */
static struct {
    int calls;
    int32_t answer;
    struct divan_retry_request last;
} asked;

static int32_t strategy(void *user, const struct divan_retry_request *request)
{
    asked.calls++;
    asked.last = *request;
    return asked.answer;
}

static void set(struct stage *t, int32_t answer)
{
    memset(t, 0, sizeof *t);
    memset(&asked, 0, sizeof asked);
    asked.answer = answer;
    t->sim = sim_new(7);
    t->node = script_new(t->sim, "10.0.0.1");
    assert_int_equal(probe_open_wait(&t->client, t->sim, "couchbase://10.0.0.1/b", NULL), DIVAN_OK);
    t->client.client->strategies[0] = (struct client_strategy){strategy, NULL};
    t->client.client->strategy_count = 1;
}

static void strike(struct stage *t)
{
    probe_close(&t->client);
    sim_free(t->sim);
    script_free(t->node);
}

static void by_strategy(struct operation *op)
{
    op->strategy = 1;
}

static struct operation *run(struct stage *t, enum op_kind kind, uint32_t timeout_ms)
{
    struct divan_error err;
    size_t n = t->client.count;
    assert_int_equal(probe_start(&t->client, probe_collection(&t->client, "b", NULL, NULL), kind, "k",
                                 kind == KIND_UPSERT ? "v" : NULL, timeout_ms, by_strategy, &err),
                     DIVAN_OK);
    probe_wait(&t->client, n + 1);
    return t->client.results[n];
}

static void it_decides_about_the_pause(void **state)
{
    struct stage t;
    set(&t, 250);
    for (int i = 0; i < 2; i++) {
        script_expect(t.node, "SET");
        script_reply(t.node, ST_LOCKED, NULL);
    }
    uint64_t start = sim_now(t.sim);
    struct operation *op = run(&t, KIND_UPSERT, 2500);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(asked.calls, 2);
    assert_string_equal(asked.last.op, "upsert");
    assert_string_equal(asked.last.reason_name, "key_value_locked");
    assert_int_equal(asked.last.reason, 1u << RETRY_KV_LOCKED);
    assert_false(asked.last.idempotent);
    assert_int_equal(asked.last.attempts, 2);
    assert_int_equal(asked.last.retries, 1);
    assert_true(asked.last.elapsed_ms >= 250 && asked.last.left_ms <= 2250);
    uint64_t took = sim_now(t.sim) - start;
    assert_true(took >= 500 * NS_PER_MS && took < 520 * NS_PER_MS);
    strike(&t);
}

static void it_may_give_up(void **state)
{
    struct stage t;
    set(&t, -1);
    script_expect(t.node, "GET");
    script_reply(t.node, ST_ETMPFAIL, NULL);
    struct operation *op = run(&t, KIND_GET, 2500);
    assert_int_equal(probe_code(op), DIVAN_ERR_TEMPORARY_FAILURE);
    assert_int_equal(op->error->retry_reasons, 1u << RETRY_KV_TEMPORARY_FAILURE);
    assert_int_equal(op->attempts, 1);
    strike(&t);
}

static void a_moved_vbucket_is_not_its_business(void **state)
{
    struct stage t;
    set(&t, -1);
    script_expect(t.node, "GET");
    script_reply(t.node, ST_NOT_MY_VBUCKET, NULL);
    assert_int_equal(probe_code(run(&t, KIND_GET, 2500)), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    assert_int_equal(asked.calls, 0);
    strike(&t);
}

static void lost_connections(void **state)
{
    struct stage t;
    set(&t, 0);
    script_expect(t.node, "GET");
    script_close(t.node);
    assert_int_equal(probe_code(run(&t, KIND_GET, 2500)), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    assert_true(asked.calls >= 1);

    /* a write that may have been applied is never sent again, whatever the strategy wants */
    asked.calls = 0;
    script_expect(t.node, "SET");
    script_close(t.node);
    struct operation *op = run(&t, KIND_UPSERT, 2500);
    assert_int_equal(probe_code(op), DIVAN_ERR_CONNECTION_LOST);
    assert_true(op->error->flags & DIVAN_IS_AMBIGUOUS);
    assert_int_equal(asked.calls, 0);

    asked.answer = -1;
    script_expect(t.node, "GET");
    script_close(t.node);
    assert_int_equal(probe_code(run(&t, KIND_GET, 2500)), DIVAN_ERR_CONNECTION_LOST);
    strike(&t);
}

static void a_node_that_is_away(void **state)
{
    struct stage t;
    set(&t, -1);
    sim_host_set(t.sim, "10.0.0.1", SIM_CRASHED);
    probe_run_for(&t.client, 100 * NS_PER_MS);
    uint64_t start = sim_now(t.sim);
    struct operation *op = run(&t, KIND_GET, 2500);
    assert_true(probe_code(op) != DIVAN_OK);
    assert_true(sim_now(t.sim) - start < 1000 * NS_PER_MS);
    assert_int_equal(asked.last.reason, 1u << RETRY_SOCKET_NOT_AVAILABLE);
    strike(&t);
}

static void the_cluster_may_have_one(void **state)
{
    struct stage t;
    struct divan_error err;
    set(&t, 0);
    struct client *c = t.client.client;
    struct operation *op = client_take(c);
    assert_int_equal(strategy_set(c, op, DIVAN_RETRY_DEFAULT, &err), DIVAN_OK);
    assert_int_equal(op->strategy, 0);
    c->retry = (enum divan_retry)DIVAN_RETRY_CUSTOM;
    assert_int_equal(strategy_set(c, op, DIVAN_RETRY_DEFAULT, &err), DIVAN_OK);
    assert_int_equal(op->strategy, 1);
    assert_int_equal(strategy_set(c, op, DIVAN_RETRY_FAIL_FAST, &err), DIVAN_OK);
    assert_int_equal(op->strategy, 0);
    assert_true(op->fail_fast);
    assert_int_equal(strategy_set(c, op, (enum divan_retry)(DIVAN_RETRY_CUSTOM + 1), &err), DIVAN_ERR_INVALID_ARGUMENT);
    op_release(op);
    strike(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_decides_about_the_pause),
        cmocka_unit_test(it_may_give_up),
        cmocka_unit_test(a_moved_vbucket_is_not_its_business),
        cmocka_unit_test(lost_connections),
        cmocka_unit_test(a_node_that_is_away),
        cmocka_unit_test(the_cluster_may_have_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
