/* Opening: every variant of the handshake, and every definite cause reported at once. */
#include "sim/support_script.h"

#include <stdio.h>

#include "base/alloc.h"

#define HOST "10.0.0.1"

struct stage {
    struct sim *sim;
    struct script *node;
    struct probe client;
};

static void set(struct stage *t, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->sim = sim_new(seed);
    t->node = script_new(t->sim, HOST);
}

static void strike(struct stage *t)
{
    probe_close(&t->client);
    sim_free(t->sim);
    script_free(t->node);
}

static enum divan_code open_at(struct stage *t, const char *connstr)
{
    uint64_t start = sim_now(t->sim);
    enum divan_code rc = probe_open_wait(&t->client, t->sim, connstr, NULL);
    t->client.opened_ns -= start;
    return rc;
}

static void assert_ms_below(const struct stage *t, unsigned ms)
{
    assert_true(t->client.opened_ns < ms * NS_PER_MS);
}

static void opens_stores_and_reads(void **state)
{
    struct stage t;
    set(&t, 1);
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_OK);
    assert_int_equal(t.node->connections, 1); /* the first connection got the bucket */
    assert_int_equal(probe_code(probe_do(&t.client, KIND_UPSERT, "k", "value")), DIVAN_OK);
    struct operation *op = probe_do(&t.client, KIND_GET, "k", NULL);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_true(bytes_is(op->value, "value"));
    assert_int_equal(op->flags, 7);
    strike(&t);
}

static void opens_without_a_bucket_and_takes_one_later(void **state)
{
    struct stage t;
    set(&t, 2);
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1"), DIVAN_OK);
    assert_int_equal(t.node->selects, 0);
    assert_int_equal(probe_code(probe_do(&t.client, KIND_UPSERT, "k", "value")), DIVAN_OK);
    assert_int_equal(t.node->connections, 1);
    strike(&t);
}

static void old_servers_have_no_global_map(void **state)
{
    struct stage t;
    set(&t, 3);
    t.node->no_global = true;
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1"), DIVAN_OK);
    assert_int_equal(probe_code(probe_do(&t.client, KIND_UPSERT, "k", "value")), DIVAN_OK);
    strike(&t);
}

static void each_mechanism_of_the_server_is_found(void **state)
{
    static const unsigned sets[] = {1, 2, 4, 3, 5, 6, 7, 15};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        struct stage t;
        set(&t, 10 + i);
        t.node->mechanisms = t.node->listed = sets[i];
        assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_OK);
        strike(&t);
    }
}

static void plain_is_refused_unless_forced(void **state)
{
    struct stage t;
    set(&t, 20);
    t.node->mechanisms = t.node->listed = 1u << SASL_PLAIN;
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_ERR_SASL_MECHANISM);
    assert_ms_below(&t, 50);
    strike(&t);
    set(&t, 21);
    t.node->mechanisms = t.node->listed = 1u << SASL_PLAIN;
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b?allowed_sasl_mechanisms=PLAIN"), DIVAN_OK);
    strike(&t);
}

static void wrong_password_is_told_at_once(void **state)
{
    struct stage t;
    set(&t, 30);
    t.node->user = "somebody else";
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_ERR_AUTHENTICATION_FAILURE);
    assert_ms_below(&t, 50);
    assert_non_null(strstr(t.client.open_error.message, "\"u\""));
    assert_string_equal(t.client.open_error.endpoint, "10.0.0.1:11210");
    strike(&t);
}

static void unknown_bucket_is_told_at_once(void **state)
{
    struct stage t;
    set(&t, 31);
    t.node->select_status = ST_EACCESS;
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_ERR_BUCKET_NOT_FOUND);
    assert_ms_below(&t, 50);
    strike(&t);
    set(&t, 32);
    t.node->select_status = ST_KEY_ENOENT; /* may be on its way: asked again for a moment */
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_ERR_BUCKET_NOT_FOUND);
    assert_ms_below(&t, 2000);
    assert_true(t.node->selects > 2);
    strike(&t);
    set(&t, 33);
    t.node->select_status = ST_KEY_ENOENT;
    t.node->select_refusals = 3;
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_OK);
    strike(&t);
}

static void closed_port_is_told_at_once(void **state)
{
    struct stage t;
    set(&t, 40);
    sim_host(t.sim, "10.0.0.2");
    assert_int_equal(open_at(&t, "couchbase://10.0.0.2/b"), DIVAN_ERR_UNREACHABLE);
    assert_ms_below(&t, 50);
    strike(&t);
    set(&t, 41);
    sim_host(t.sim, "10.0.0.2");
    assert_int_equal(open_at(&t, "couchbase://10.0.0.2,10.0.0.1/b"), DIVAN_OK);
    strike(&t);
}

static void unknown_name_is_told_at_once(void **state)
{
    struct stage t;
    set(&t, 45);
    assert_int_equal(open_at(&t, "couchbase://nowhere.example/b"), DIVAN_ERR_NAME_NOT_RESOLVED);
    assert_ms_below(&t, 1000);
    strike(&t);
    set(&t, 46);
    sim_name_add(t.sim, "db.example", HOST);
    assert_int_equal(open_at(&t, "couchbase://db.example/b"), DIVAN_OK);
    strike(&t);
    set(&t, 47);
    sim_name_add_srv(t.sim, "_couchbase._tcp.db.example", HOST, 11210, 1, 1);
    assert_int_equal(open_at(&t, "couchbase://db.example/b"), DIVAN_OK);
    strike(&t);
}

static void strangers_are_recognised(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum divan_code code;
        const char *word;
    } rows[] = {
        {"\x15\x03\x01\x00\x02\x02\x46", 7, DIVAN_ERR_TLS_EXPECTED, "couchbases://"},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", 0, DIVAN_ERR_HANDSHAKE_FAILED, "HTTP"},
        {"SSH-2.0-OpenSSH_9.2\r\n", 0, DIVAN_ERR_PROTOCOL_ERROR, "SSH-2.0"},
        {"-ERR unknown command\r\n", 0, DIVAN_ERR_PROTOCOL_ERROR, "-ERR"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stage t;
        set(&t, 50 + i);
        t.node->greeting = rows[i].bytes;
        t.node->greeting_len = rows[i].len;
        assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), rows[i].code);
        assert_ms_below(&t, 50);
        assert_non_null(strstr(t.client.open_error.message, rows[i].word));
        strike(&t);
    }
}

static void a_port_that_closes_at_once_is_told_at_once(void **state)
{
    struct stage t;
    set(&t, 60);
    t.node->closes_at_once = true;
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_ERR_HANDSHAKE_FAILED);
    assert_ms_below(&t, 50);
    assert_non_null(strstr(t.client.open_error.message, "TLS"));
    strike(&t);
}

static void a_deaf_node_is_a_timeout_that_names_it(void **state)
{
    struct stage t;
    set(&t, 61);
    t.node->is_deaf = true;
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b?bootstrap_timeout=3s"), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_true(t.client.opened_ns >= 3 * NS_PER_S && t.client.opened_ns <= 3 * NS_PER_S + 5 * NS_PER_MS);
    assert_non_null(strstr(t.client.open_error.message, "10.0.0.1:11210"));
    assert_non_null(strstr(t.client.open_error.message, "handshake"));
    strike(&t);
}

static void refused_hello_and_missing_features_are_survived(void **state)
{
    struct stage t;
    set(&t, 62);
    t.node->hello_status = ST_EINVAL;
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_ERR_HANDSHAKE_FAILED);
    strike(&t);
    set(&t, 63);
    t.node->features = 0;
    t.node->errmap_status = ST_UNKNOWN_COMMAND;
    assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_OK);
    assert_int_equal(probe_code(probe_do(&t.client, KIND_UPSERT, "k", "value")), DIVAN_OK);
    struct divan_error err;
    assert_int_equal(
        probe_start(&t.client, probe_collection(&t.client, "b", "s", "c"), KIND_GET, "k", NULL, 0, NULL, &err),
        DIVAN_OK);
    probe_wait(&t.client, 2);
    assert_int_equal(probe_code(probe_last(&t.client)), DIVAN_ERR_FEATURE_NOT_AVAILABLE);
    strike(&t);
}

static void a_bucket_without_a_map_yet_is_waited_for(void **state)
{
    struct stage t;
    char full[8192];
    set(&t, 64);
    memcpy(full, t.node->config, sizeof full);
    snprintf(
        t.node->config, sizeof t.node->config,
        "{\"rev\":5,\"revEpoch\":1,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"nodes\":[],\"nodesExt\":[{\"services\":"
        "{\"mgmt\":8091,\"kv\":11210},\"hostname\":\"10.0.0.1\",\"thisNode\":true}],\"vBucketServerMap\":{"
        "\"hashAlgorithm\":\"CRC\",\"numReplicas\":1,\"serverList\":[],\"vBucketMap\":[]}}");
    probe_open(&t.client, t.sim, "couchbase://10.0.0.1/b", NULL);
    probe_run_for(&t.client, 400 * NS_PER_MS);
    assert_false(t.client.opened);
    memcpy(t.node->config, full, sizeof full);
    probe_run_for(&t.client, 400 * NS_PER_MS);
    assert_true(t.client.opened);
    assert_int_equal(t.client.open_error.code, DIVAN_OK);
    strike(&t);
}

/* Every arrival cut into single bytes, and at random. */
static void splitting_changes_nothing(void **state)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct stage t;
        struct sim_link link = sim_link_default();
        set(&t, 1000 + seed);
        link.piece_max = seed % 2;
        sim_link_set(t.sim, NULL, NULL, &link);
        assert_int_equal(open_at(&t, "couchbase://10.0.0.1/b"), DIVAN_OK);
        assert_int_equal(probe_code(probe_do(&t.client, KIND_UPSERT, "k", "value")), DIVAN_OK);
        assert_true(bytes_is(probe_do(&t.client, KIND_GET, "k", NULL)->value, "value"));
        strike(&t);
    }
}

/* Closing after every possible number of events: nothing hangs, nothing leaks, what was started completes once. */
static void closing_at_any_moment_is_clean(void **state)
{
    for (unsigned events = 0; events < 120; events++) {
        struct stage t;
        struct divan_error err;
        int64_t before = mem_live();
        set(&t, 7);
        probe_open(&t.client, t.sim, "couchbase://10.0.0.1/b", NULL);
        struct collection *c = probe_collection(&t.client, "b", "s", "c");
        assert_int_equal(probe_start(&t.client, c, KIND_INCREMENT, "n", NULL, 0, NULL, &err), DIVAN_OK);
        assert_int_equal(probe_start(&t.client, c, KIND_GET, "n", NULL, 0, NULL, &err), DIVAN_OK);
        for (unsigned i = 0; i < events; i++) {
            client_flush(t.client.client);
            if (!sim_step(t.sim, sim_now(t.sim) + NS_PER_S)) break;
        }
        client_close(t.client.client);
        assert_int_equal(t.client.count, 2);
        strike(&t);
        assert_int_equal(mem_live(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_stores_and_reads),
        cmocka_unit_test(opens_without_a_bucket_and_takes_one_later),
        cmocka_unit_test(old_servers_have_no_global_map),
        cmocka_unit_test(each_mechanism_of_the_server_is_found),
        cmocka_unit_test(plain_is_refused_unless_forced),
        cmocka_unit_test(wrong_password_is_told_at_once),
        cmocka_unit_test(unknown_bucket_is_told_at_once),
        cmocka_unit_test(closed_port_is_told_at_once),
        cmocka_unit_test(unknown_name_is_told_at_once),
        cmocka_unit_test(strangers_are_recognised),
        cmocka_unit_test(a_port_that_closes_at_once_is_told_at_once),
        cmocka_unit_test(a_deaf_node_is_a_timeout_that_names_it),
        cmocka_unit_test(refused_hello_and_missing_features_are_survived),
        cmocka_unit_test(a_bucket_without_a_map_yet_is_waited_for),
        cmocka_unit_test(splitting_changes_nothing),
        cmocka_unit_test(closing_at_any_moment_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
