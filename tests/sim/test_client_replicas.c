/* Reading from several copies at once. */
#include "sim/support_script.h"

#include <stdio.h>

#include "base/alloc.h"
#include "client/bucket.h"
#include "client/ping.h"
#include "client/race.h"
#include "client/retry.h"

enum { NODES = 3 };

static const char *const hosts[NODES] = {"10.0.0.1", "10.0.0.2", "10.0.0.3"};
static const char *const groups[NODES] = {"east", "west", "west"};

struct stage {
    struct sim *sim;
    struct script *node[NODES];
    struct probe client;
    struct race_outcome outcome;
};

/* Every vBucket has this row. */
static void make_config(char *out, size_t cap, int64_t rev, const char *row, unsigned replicas)
{
    struct buf b = {.limit = cap};
    buf_printf(&b, "{\"rev\":%d,\"revEpoch\":1,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"uuid\":\"aa\",\"nodes\":[",
               (int)rev);
    for (int i = 0; i < NODES; i++)
        buf_printf(&b, "%s{\"hostname\":\"%s:8091\",\"ports\":{\"direct\":11210}}", i ? "," : "", hosts[i]);
    buf_put_str(&b, "],\"nodesExt\":[");
    for (int i = 0; i < NODES; i++)
        buf_printf(&b, "%s{\"services\":{\"mgmt\":8091,\"kv\":11210},\"hostname\":\"%s\",\"serverGroup\":\"%s\"}",
                   i ? "," : "", hosts[i], groups[i]);
    buf_printf(&b,
               "],\"bucketCapabilities\":[\"collections\"],\"vBucketServerMap\":{\"hashAlgorithm\":\"CRC\","
               "\"numReplicas\":%u,\"serverList\":[",
               replicas);
    for (int i = 0; i < NODES; i++) buf_printf(&b, "%s\"%s:11210\"", i ? "," : "", hosts[i]);
    buf_printf(&b, "],\"vBucketMap\":[%s,%s,%s,%s]}}", row, row, row, row);
    const char *text = buf_text(&b);
    assert_non_null(text);
    snprintf(out, cap, "%s", text);
    buf_fini(&b);
}

static void set(struct stage *t, const char *row, unsigned replicas, const char *options)
{
    char connstr[100];
    memset(t, 0, sizeof *t);
    t->sim = sim_new(11);
    for (int i = 0; i < NODES; i++) {
        t->node[i] = script_new(t->sim, hosts[i]);
        make_config(t->node[i]->config, sizeof t->node[i]->config, 10, row, replicas);
    }
    snprintf(connstr, sizeof connstr, "couchbase://10.0.0.1/b%s", options);
    assert_int_equal(probe_open_wait(&t->client, t->sim, connstr, NULL), DIVAN_OK);
    probe_run_for(&t->client, 100 * NS_PER_MS);
}

static void strike(struct stage *t)
{
    for (int i = 0; i < DIVAN_COPIES_MAX; i++) op_release(t->outcome.results[i]);
    op_release(t->outcome.failed);
    probe_close(&t->client);
    sim_free(t->sim);
    for (int i = 0; i < NODES; i++) script_free(t->node[i]);
}

static void store_at(struct script *s, const char *value)
{
    struct script_doc *d = script_doc(s, "k", true);
    d->value_len = strlen(value);
    memcpy(d->value, value, d->value_len);
    d->cas = 5;
}

static struct race *make_race(struct stage *t, enum op_kind kind, bool all, enum divan_read_from from, uint32_t ms)
{
    struct client *c = t->client.client;
    struct race *race = race_new(c, "get_any_replica", all, all ? &t->outcome : NULL);
    assert_non_null(race);
    for (int i = 0; i < DIVAN_COPIES_MAX; i++) {
        struct operation *op = client_take(c);
        op->kind = (uint8_t)kind;
        op->collection = probe_collection(&t->client, "b", NULL, NULL);
        op->key_len = 1;
        op->key[0] = 'k';
        op->timeout_ms = ms;
        op->how = DONE_NOWHERE;
        race_enter(race, op, from);
    }
    return race;
}

static struct operation *read_any(struct stage *t, enum divan_read_from from, uint32_t ms)
{
    struct divan_error err;
    size_t n = t->client.count;
    assert_int_equal(race_start(make_race(t, KIND_GET, false, from, ms), &err), DIVAN_OK);
    probe_wait(&t->client, n + 1);
    probe_run_for(&t->client, 10 * NS_PER_MS);
    assert_int_equal(t->client.count, n + 1); /* one result, not more */
    assert_int_equal(t->client.client->in_flight, 0);
    return t->client.results[n];
}

static size_t read_all(struct stage *t, uint32_t ms)
{
    struct divan_error err;
    size_t n = t->client.count, found = 0;
    assert_int_equal(race_start(make_race(t, KIND_GET, true, DIVAN_READ_ALL, ms), &err), DIVAN_OK);
    probe_wait(&t->client, n + 1);
    for (int i = 0; i < DIVAN_COPIES_MAX; i++) found += t->outcome.results[i] != NULL;
    assert_int_equal(t->client.client->in_flight, 0);
    return found;
}

static void the_first_copy_that_answers_is_the_answer(void **state)
{
    struct stage t;
    set(&t, "[0,1,2]", 2, "");
    store_at(t.node[0], "new");
    store_at(t.node[1], "old");
    t.node[0]->is_deaf = true;
    t.node[2]->is_deaf = true;
    uint64_t start = sim_now(t.sim);
    struct operation *op = read_any(&t, DIVAN_READ_ALL, 2500);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_true(bytes_is(op->value, "old"));
    assert_int_equal(op->flags, 7);
    assert_int_equal(op->copy, 1);
    assert_true(sim_now(t.sim) - start < 50 * NS_PER_MS);
    assert_int_equal(t.node[1]->by_opcode[OP_GET_REPLICA], 1);
    strike(&t);
}

static void a_replica_that_has_nothing_does_not_decide(void **state)
{
    struct stage t;
    set(&t, "[0,1,2]", 2, "");
    store_at(t.node[2], "here");
    struct operation *op = read_any(&t, DIVAN_READ_ALL, 2500);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(op->copy, 2);
    strike(&t);
}

static void without_any_copy_it_is_unretrievable(void **state)
{
    struct stage t;
    set(&t, "[0,1,-1]", 2, "");
    struct operation *op = read_any(&t, DIVAN_READ_ALL, 2500);
    assert_int_equal(probe_code(op), DIVAN_ERR_DOCUMENT_UNRETRIEVABLE);
    assert_non_null(strstr(op->error->message, "active: "));
    assert_non_null(strstr(op->error->message, "replica 1: "));
    assert_null(strstr(op->error->message, "replica 3")); /* the bucket has two */
    assert_string_equal(op->error->op, "get_any_replica");
    strike(&t);
}

static void copies_that_do_not_answer_make_it_a_timeout(void **state)
{
    struct stage t;
    set(&t, "[0,1]", 1, "");
    t.node[0]->is_deaf = true;
    uint64_t start = sim_now(t.sim);
    struct operation *op = read_any(&t, DIVAN_READ_ALL, 300);
    assert_int_equal(probe_code(op), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_non_null(strstr(op->error->message, "replica 1: the document does not exist"));
    assert_true(sim_now(t.sim) - start < 320 * NS_PER_MS);
    strike(&t);
}

static void all_copies_come_with_what_they_have(void **state)
{
    struct stage t;
    set(&t, "[0,1,2]", 2, "");
    store_at(t.node[0], "a");
    store_at(t.node[2], "c");
    assert_int_equal(read_all(&t, 2500), 2);
    assert_true(bytes_is(t.outcome.results[0]->value, "a"));
    assert_null(t.outcome.results[1]);
    assert_true(bytes_is(t.outcome.results[2]->value, "c"));
    assert_null(t.outcome.failed);
    strike(&t);
}

static void a_dead_active_does_not_hide_the_replicas(void **state)
{
    struct stage t;
    set(&t, "[0,1]", 1, "");
    store_at(t.node[1], "b");
    sim_host_set(t.sim, hosts[0], SIM_CRASHED);
    uint64_t start = sim_now(t.sim);
    struct operation *op = read_any(&t, DIVAN_READ_ALL, 500);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_true(sim_now(t.sim) - start < 50 * NS_PER_MS);
    assert_int_equal(read_all(&t, 500), 1); /* waited for the active until the deadline */
    strike(&t);
}

static void the_preferred_group_is_kept_to(void **state)
{
    struct stage t;
    set(&t, "[0,1]", 1, "?server_group=west");
    store_at(t.node[0], "a");
    store_at(t.node[1], "b");
    struct operation *op = read_any(&t, DIVAN_READ_GROUP, 2500);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(op->copy, 1);
    assert_int_equal(t.node[0]->requests, 0);
    strike(&t);

    set(&t, "[0,-1]", 1, "?server_group=west"); /* nothing of it in the west */
    store_at(t.node[0], "a");
    op = read_any(&t, DIVAN_READ_GROUP, 2500);
    assert_int_equal(probe_code(op), DIVAN_ERR_DOCUMENT_UNRETRIEVABLE);
    assert_non_null(strstr(op->error->message, "server group west"));
    op = read_any(&t, DIVAN_READ_GROUP_OR_ALL, 2500);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(op->copy, 0);
    strike(&t);
}

static void a_replica_that_moved_is_followed(void **state)
{
    struct stage t;
    char newer[8192];
    set(&t, "[0,1]", 1, "");
    make_config(newer, sizeof newer, 11, "[0,2]", 1);
    t.node[0]->is_deaf = true;
    script_expect(t.node[1], "GET_REPLICA");
    script_reply(t.node[1], ST_NOT_MY_VBUCKET, strlen(newer) < 2048 ? newer : NULL);
    store_at(t.node[2], "moved");
    struct operation *op = read_any(&t, DIVAN_READ_ALL, 2500);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_true(bytes_is(op->value, "moved"));
    script_check(t.node[1]);
    strike(&t);
}

static void closing_cancels_the_race(void **state)
{
    struct stage t;
    struct divan_error err;
    set(&t, "[0,1,2]", 2, "");
    for (int i = 0; i < NODES; i++) t.node[i]->is_deaf = true;
    assert_int_equal(race_start(make_race(&t, KIND_GET, false, DIVAN_READ_ALL, 2500), &err), DIVAN_OK);
    probe_run_for(&t.client, 10 * NS_PER_MS);
    client_close(t.client.client);
    assert_int_equal(t.client.count, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_ERR_CANCELLED);
    strike(&t);
}

static void on_pinged(void *user) {}

/* As far as memory goes: a race, and a ping beside it. */
static void race_and_ping(struct stage *t, struct ping **ping)
{
    struct client *c = t->client.client;
    struct divan_error err;
    struct race *race = race_new(c, "get_any_replica", false, NULL);
    bool ok = race != NULL;
    for (int i = 0; i < DIVAN_COPIES_MAX && ok; i++) {
        struct operation *op = client_take(c);
        ok = op != NULL;
        if (!ok) break;
        op->kind = KIND_GET;
        op->collection = probe_collection(&t->client, "b", NULL, NULL);
        op->key_len = 1;
        op->key[0] = 'k';
        op->timeout_ms = 500;
        op->how = DONE_NOWHERE;
        race_enter(race, op, DIVAN_READ_ALL);
    }
    if (!ok) race_abandon(race);
    else race_start(race, &err);
    *ping = ping_start(c, 0, 300, on_pinged, t);
    probe_run_for(&t->client, 1000 * NS_PER_MS);
    mem_fail_at(0);
    assert_true(!*ping || ping_is_done(*ping));
}

static void every_allocation_may_fail(void **state)
{
    int64_t before = mem_live();
    for (int n = 1; n <= 60; n++) {
        struct stage t;
        struct ping *ping = NULL;
        struct buf report = {.limit = 65536};
        set(&t, "[0,1,2]", 2, "");
        store_at(t.node[0], "v");
        mem_fail_at(n);
        race_and_ping(&t, &ping);
        if (ping) ping_json(ping, NULL, &report);
        ping_free(ping);
        buf_fini(&report);
        assert_int_equal(t.client.client->in_flight, 0);
        strike(&t);
        assert_int_equal(mem_live(), before);
    }
}

static void nothing_is_left_behind(void **state)
{
    size_t before = mem_live();
    the_first_copy_that_answers_is_the_answer(state);
    without_any_copy_it_is_unretrievable(state);
    all_copies_come_with_what_they_have(state);
    closing_cancels_the_race(state);
    assert_int_equal(mem_live(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_copy_that_answers_is_the_answer),
        cmocka_unit_test(a_replica_that_has_nothing_does_not_decide),
        cmocka_unit_test(without_any_copy_it_is_unretrievable),
        cmocka_unit_test(copies_that_do_not_answer_make_it_a_timeout),
        cmocka_unit_test(all_copies_come_with_what_they_have),
        cmocka_unit_test(a_dead_active_does_not_hide_the_replicas),
        cmocka_unit_test(the_preferred_group_is_kept_to),
        cmocka_unit_test(a_replica_that_moved_is_followed),
        cmocka_unit_test(closing_cancels_the_race),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(nothing_is_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
