/* Operations under faults: what is retried, what is ambiguous, when deadlines pass. */
#include "sim/support_script.h"

#include <stdio.h>

#include "base/alloc.h"
#include "client/retry.h"

#define HOST_1 "10.0.0.1"
#define HOST_2 "10.0.0.2"

struct stage {
    struct sim *sim;
    struct script *a, *b; /* b only with two nodes */
    struct probe client;
};

static void set(struct stage *t, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->sim = sim_new(seed);
    t->a = script_new(t->sim, HOST_1);
    assert_int_equal(probe_open_wait(&t->client, t->sim, "couchbase://10.0.0.1/b", NULL), DIVAN_OK);
}

static const char *const two_hosts[] = {HOST_1, HOST_2};

static void give_map(struct script *s, int64_t rev, const int *owners, size_t n)
{
    script_make_config(s->config, sizeof s->config, 1, rev, two_hosts, 2, owners, n, 16);
}

/* Two nodes; node a owns everything at first. */
static void set_two(struct stage *t, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->sim = sim_new(seed);
    t->a = script_new(t->sim, HOST_1);
    t->b = script_new(t->sim, HOST_2);
    give_map(t->a, 10, (const int[]){0}, 1);
    give_map(t->b, 10, (const int[]){0}, 1);
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

static struct operation *start_wait(struct stage *t, enum op_kind kind, const char *key, uint32_t timeout_ms,
                                    probe_setup_fn *setup)
{
    struct divan_error err;
    size_t n = t->client.count;
    assert_int_equal(probe_start(&t->client, probe_collection(&t->client, "b", NULL, NULL), kind, key,
                                 kind == KIND_UPSERT ? "v" : NULL, timeout_ms, setup, &err),
                     DIVAN_OK);
    probe_wait(&t->client, n + 1);
    return t->client.results[n];
}

/* ---- answers that mean "later" */

static void temporary_failures_are_retried_with_pauses(void **state)
{
    static const uint16_t statuses[] = {ST_ETMPFAIL,
                                        ST_EBUSY,
                                        ST_ENOMEM,
                                        ST_LOCKED,
                                        ST_SYNC_WRITE_IN_PROGRESS,
                                        ST_SYNC_WRITE_RE_COMMIT_IN_PROGRESS,
                                        ST_EWOULD_THROTTLE};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct stage t;
        set(&t, i);
        for (int n = 0; n < 4; n++) {
            script_expect(t.a, "SET key=k");
            script_reply(t.a, statuses[i], NULL);
        }
        uint64_t start = sim_now(t.sim);
        struct operation *op = start_wait(&t, KIND_UPSERT, "k", 0, NULL);
        assert_int_equal(probe_code(op), DIVAN_OK);
        assert_int_equal(op->attempts, 5);
        uint64_t took = sim_now(t.sim) - start;
        assert_true(took >= (1 + 10 + 50 + 100) * NS_PER_MS && took < 180 * NS_PER_MS);
        script_check(t.a);
        strike(&t);
    }
}

static void be_impatient(struct operation *op)
{
    op->fail_fast = true;
}

static void impatient_operations_fail_at_once(void **state)
{
    struct stage t;
    set(&t, 1);
    script_expect(t.a, "GET");
    script_reply(t.a, ST_ETMPFAIL, NULL);
    struct operation *op = start_wait(&t, KIND_GET, "k", 0, be_impatient);
    assert_int_equal(probe_code(op), DIVAN_ERR_TEMPORARY_FAILURE);
    assert_int_equal(op->error->server_status, ST_ETMPFAIL);
    assert_int_equal(op->error->attempts, 1);
    assert_string_equal(op->error->op, "get");
    assert_string_equal(op->error->endpoint, "10.0.0.1:11210");
    strike(&t);
}

static void a_refusal_until_the_deadline_is_unambiguous(void **state)
{
    struct stage t;
    set(&t, 2);
    for (int n = 0; n < 10; n++) {
        script_expect(t.a, "INCR");
        script_reply(t.a, ST_ETMPFAIL, NULL);
    }
    uint64_t start = sim_now(t.sim);
    struct operation *op = start_wait(&t, KIND_INCREMENT, "n", 1000, NULL);
    assert_int_equal(probe_code(op), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_false(op->error->flags & DIVAN_IS_AMBIGUOUS);
    assert_true(sim_now(t.sim) - start <= 1005 * NS_PER_MS);
    assert_int_equal(op->error->retry_reasons, 1u << RETRY_KV_TEMPORARY_FAILURE);
    assert_non_null(strstr(op->error->message, "key_value_temporary_failure"));
    strike(&t);
}

static void data_refusals_have_their_codes(void **state)
{
    static const struct {
        enum op_kind kind;
        uint16_t status;
        uint64_t cas;
        enum divan_code code;
    } rows[] = {
        {KIND_GET, ST_KEY_ENOENT, 0, DIVAN_ERR_DOCUMENT_NOT_FOUND},
        {KIND_INSERT, ST_KEY_EEXISTS, 0, DIVAN_ERR_DOCUMENT_EXISTS},
        {KIND_REPLACE, ST_KEY_EEXISTS, 5, DIVAN_ERR_CAS_MISMATCH},
        {KIND_REMOVE, ST_KEY_EEXISTS, 5, DIVAN_ERR_CAS_MISMATCH},
        {KIND_APPEND, ST_NOT_STORED, 0, DIVAN_ERR_DOCUMENT_NOT_FOUND},
        {KIND_INSERT, ST_NOT_STORED, 0, DIVAN_ERR_DOCUMENT_EXISTS},
        {KIND_INCREMENT, ST_DELTA_BADVAL, 0, DIVAN_ERR_DELTA_INVALID},
        {KIND_UPSERT, ST_E2BIG, 0, DIVAN_ERR_VALUE_TOO_LARGE},
        {KIND_UPSERT, ST_DURABILITY_IMPOSSIBLE, 0, DIVAN_ERR_DURABILITY_IMPOSSIBLE},
        {KIND_UPSERT, ST_DURABILITY_INVALID_LEVEL, 0, DIVAN_ERR_DURABILITY_LEVEL_NOT_AVAILABLE},
        {KIND_UPSERT, ST_SYNC_WRITE_AMBIGUOUS, 0, DIVAN_ERR_DURABILITY_AMBIGUOUS},
        {KIND_GET, ST_EACCESS, 0, DIVAN_ERR_AUTHENTICATION_FAILURE},
        {KIND_GET, ST_UNKNOWN_COMMAND, 0, DIVAN_ERR_UNSUPPORTED_OPERATION},
        {KIND_GET, 0xff07, 0, DIVAN_ERR_FAILED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stage t;
        struct divan_error err;
        set(&t, i);
        script_expect(t.a, "k");
        script_reply(t.a, rows[i].status, "{\"error\":{\"context\":\"because\",\"ref\":\"r-1\"}}");
        struct operation *op;
        struct collection *c = probe_collection(&t.client, "b", NULL, NULL);
        op = client_take(t.client.client);
        op->kind = (uint8_t)rows[i].kind;
        op->how = DONE_NOWHERE;
        op->collection = c;
        op->key[0] = 'k';
        op->key_len = 1;
        op->cas = rows[i].cas;
        op->timeout_ms = 1000;
        assert_int_equal(client_start(t.client.client, op, &err), DIVAN_OK);
        probe_wait(&t.client, 1);
        assert_int_equal(probe_code(op), rows[i].code);
        assert_int_equal(op->error->server_status, rows[i].status);
        assert_string_equal(op->error->ref, "r-1");
        assert_non_null(strstr(op->error->message, "because"));
        strike(&t);
    }
}

/* ---- lost connections */

static void lost_reads_are_sent_again(void **state)
{
    struct stage t;
    set(&t, 3);
    script_doc(t.a, "k", true);
    script_expect(t.a, "GET key=k");
    script_close(t.a);
    struct operation *op = start_wait(&t, KIND_GET, "k", 0, NULL);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(op->attempts, 2);
    script_check(t.a);
    strike(&t);
}

static void lost_increments_are_ambiguous_and_never_sent_twice(void **state)
{
    struct stage t;
    set(&t, 4);
    script_expect(t.a, "INCR key=n");
    script_close(t.a);
    struct operation *op = start_wait(&t, KIND_INCREMENT, "n", 0, NULL);
    assert_int_equal(probe_code(op), DIVAN_ERR_CONNECTION_LOST);
    assert_true(op->error->flags & DIVAN_IS_AMBIGUOUS);
    probe_run_for(&t.client, 3 * NS_PER_S);
    assert_int_equal(t.a->by_opcode[OP_INCR], 1);
    strike(&t);
}

/* Writes that wait for a connection were never seen by anybody: they go out when it is back. */
static void unsent_writes_wait_for_the_connection(void **state)
{
    struct stage t;
    struct divan_error err;
    set(&t, 5);
    sim_host_set(t.sim, HOST_1, SIM_CRASHED);
    probe_run_for(&t.client, 50 * NS_PER_MS);
    assert_int_equal(
        probe_start(&t.client, probe_collection(&t.client, "b", NULL, NULL), KIND_INCREMENT, "n", NULL, 0, NULL, &err),
        DIVAN_OK);
    probe_run_for(&t.client, 500 * NS_PER_MS);
    assert_int_equal(t.client.count, 0);
    sim_host_set(t.sim, HOST_1, SIM_UP);
    probe_wait(&t.client, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_OK);
    assert_int_equal(t.a->by_opcode[OP_INCR], 1);
    strike(&t);
}

/* Appended, but never handed to the kernel when the connection was lost. */
static void unsent_writes_are_sent_on_the_next_connection(void **state)
{
    struct stage t;
    struct divan_error err;
    set(&t, 27);
    struct collection *c = probe_collection(&t.client, "b", NULL, NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(probe_start(&t.client, c, KIND_INCREMENT, "n", NULL, 0, NULL, &err), DIVAN_OK);
    assert_true(client_is_dirty(t.client.client)); /* the first went out at once, the others wait for the loop */
    sim_reset(t.sim, HOST_1, CLIENT_HOST);
    while (!t.client.client->meter.connections_lost) sim_step(t.sim, sim_now(t.sim) + NS_PER_S);
    probe_wait(&t.client, 5);
    unsigned ambiguous = 0;
    for (int i = 0; i < 5; i++)
        if (probe_code(t.client.results[i])) ambiguous += (t.client.results[i]->error->flags & DIVAN_IS_AMBIGUOUS) != 0;
    assert_int_equal(ambiguous, 1);
    assert_in_range(script_doc(t.a, "n", true)->number, 4, 5);
    strike(&t);
}

static void broken_answers_end_the_connection(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x42garbage that is no frame at all", 30},
        {"\x81\x00\xff\xff\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 24},
        {"\x81\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 24},
        {"\x81\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00", 24},
        {"\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 24},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stage t;
        set(&t, i);
        script_doc(t.a, "k", true);
        script_expect(t.a, "GET");
        script_raw(t.a, rows[i].bytes, rows[i].len);
        struct operation *op = start_wait(&t, KIND_GET, "k", 0, NULL);
        assert_int_equal(probe_code(op), DIVAN_OK); /* on the next connection */
        assert_int_equal(t.client.client->meter.connections_lost, 1);
        strike(&t);
    }
}

static void an_answer_with_wrong_lengths_is_an_error(void **state)
{
    struct stage t;
    set(&t, 6);
    script_expect(t.a, "INCR");
    script_reply(t.a, ST_SUCCESS, "123"); /* a counter has 8 bytes */
    assert_int_equal(probe_code(start_wait(&t, KIND_INCREMENT, "n", 0, NULL)), DIVAN_ERR_PROTOCOL_ERROR);
    strike(&t);
}

static void connection_state_errors_end_the_connection(void **state)
{
    static const uint16_t statuses[] = {ST_NO_BUCKET, ST_AUTH_STALE, ST_NOT_INITIALIZED};
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        struct stage t;
        set(&t, i);
        script_expect(t.a, "INCR");
        script_reply(t.a, statuses[i], NULL);
        assert_int_equal(probe_code(start_wait(&t, KIND_INCREMENT, "n", 0, NULL)), DIVAN_OK);
        assert_int_equal(t.client.client->meter.connections_lost, 1);
        assert_int_equal(t.a->connections, 2);
        strike(&t);
    }
}

/* ---- deadlines */

static void assert_on_time(const struct stage *t, uint64_t start, unsigned ms)
{
    uint64_t took = t->client.at_ns[t->client.count - 1] - start;
    if (took < ms * NS_PER_MS || took > (ms + 5) * NS_PER_MS)
        fail_msg("due after %u ms, completed after %llu us", ms, (unsigned long long)took / 1000);
}

static void deadlines_hold_whatever_happens(void **state)
{
    enum { SILENT, STALLED, SWALLOWED, FROZEN, GONE, CRASHED, HOW };
    static const unsigned timeouts[] = {1, 7, 100, 500, 1023, 1024, 2500, 5000};
    for (int how = 0; how < HOW; how++)
        for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++)
            for (int write = 0; write < 2; write++) {
                struct stage t;
                set(&t, (uint64_t)how * 100 + i);
                if (how == SILENT) {
                    for (int n = 0; n < 40; n++) {
                        script_expect(t.a, "");
                        script_silence(t.a);
                    }
                } else if (how == STALLED) sim_flow_set(t.sim, HOST_1, CLIENT_HOST, SIM_STALLS);
                else if (how == SWALLOWED) sim_flow_set(t.sim, HOST_1, CLIENT_HOST, SIM_SWALLOWS);
                else sim_host_set(t.sim, HOST_1, how == FROZEN ? SIM_FROZEN : how == GONE ? SIM_GONE : SIM_CRASHED);
                probe_run_for(&t.client, 20 * NS_PER_MS);
                uint64_t start = sim_now(t.sim);
                struct operation *op = start_wait(&t, write ? KIND_INCREMENT : KIND_GET, "k", timeouts[i], NULL);
                assert_on_time(&t, start, timeouts[i]);
                bool sent = how != CRASHED;
                assert_int_equal(probe_code(op),
                                 write && sent ? DIVAN_ERR_AMBIGUOUS_TIMEOUT : DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
                assert_int_equal(!!(op->error->flags & DIVAN_IS_AMBIGUOUS), write && sent);
                assert_non_null(strstr(op->error->message, HOST_1));
                strike(&t);
            }
}

static void late_answers_are_counted_and_ignored(void **state)
{
    struct stage t;
    set(&t, 8);
    script_doc(t.a, "k", true);
    script_expect(t.a, "GET");
    script_reply_after(t.a, 300 * NS_PER_MS, ST_SUCCESS, "late");
    assert_int_equal(probe_code(start_wait(&t, KIND_GET, "k", 100, NULL)), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_int_equal(probe_code(start_wait(&t, KIND_GET, "k", 100, NULL)), DIVAN_OK);
    probe_run_for(&t.client, NS_PER_S);
    assert_int_equal(t.client.client->meter.orphans, 1);
    assert_int_equal(t.client.client->meter.connections_lost, 0);
    strike(&t);
}

static void many_operations_complete_in_any_order(void **state)
{
    enum { N = 40 };
    struct stage t;
    struct divan_error err;
    set(&t, 9);
    struct collection *c = probe_collection(&t.client, "b", NULL, NULL);
    for (int i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        script_doc(t.a, key, true)->cas = (uint64_t)i + 1;
        script_expect(t.a, key);
        script_reply_after(t.a, (uint64_t)(N - i) * NS_PER_MS, ST_SUCCESS, key);
    }
    for (int i = 0; i < N; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        assert_int_equal(probe_start(&t.client, c, KIND_GET, key, NULL, 0, NULL, &err), DIVAN_OK);
    }
    probe_wait(&t.client, N);
    script_check(t.a);
    for (int i = 0; i < N; i++) {
        const struct operation *op = t.client.results[i];
        assert_int_equal(probe_code(op), DIVAN_OK);
        assert_true(bytes_equal(op->value, op_key(op)));
    }
    strike(&t);
}

/* ---- maps */

static void not_my_vbucket_follows_the_map_in_its_body(void **state)
{
    struct stage t;
    char body[2048];
    set_two(&t, 10);
    script_make_config(body, sizeof body, 1, 11, two_hosts, 2, (const int[]){1}, 1, 16);
    script_expect(t.a, "INCR key=n");
    script_reply(t.a, ST_NOT_MY_VBUCKET, body);
    struct sim_link quick = sim_link_default();
    quick.latency_min_ns = quick.latency_max_ns = 10000;
    sim_link_set(t.sim, NULL, NULL, &quick);
    uint64_t start = sim_now(t.sim);
    struct operation *op = start_wait(&t, KIND_INCREMENT, "n", 0, NULL);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(op->attempts, 2);
    assert_true(sim_now(t.sim) - start < NS_PER_MS); /* no pause: the way changed */
    assert_int_equal(t.b->by_opcode[OP_INCR], 1);
    assert_int_equal(op->reasons, 1u << RETRY_KV_NOT_MY_VBUCKET);
    strike(&t);
}

static void not_my_vbucket_without_a_body_fetches_the_map(void **state)
{
    struct stage t;
    set_two(&t, 11);
    script_expect(t.a, "INCR key=n");
    script_reply(t.a, ST_NOT_MY_VBUCKET, NULL);
    give_map(t.a, 12, (const int[]){1}, 1);
    struct operation *op = start_wait(&t, KIND_INCREMENT, "n", 0, NULL);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(t.b->by_opcode[OP_INCR], 1);
    strike(&t);
}

static void older_maps_are_ignored(void **state)
{
    static const struct {
        int64_t epoch, rev;
        bool newer;
    } rows[] = {{1, 9, false}, {1, 10, false}, {0, 99, false}, {1, 11, true}, {2, 1, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stage t;
        char body[2048];
        set_two(&t, 12);
        script_make_config(body, sizeof body, rows[i].epoch, rows[i].rev, two_hosts, 2, (const int[]){1}, 1, 16);
        script_expect(t.a, "GET");
        script_reply(t.a, ST_NOT_MY_VBUCKET, body);
        script_doc(t.a, "k", true);
        script_doc(t.b, "k", true);
        assert_int_equal(probe_code(start_wait(&t, KIND_GET, "k", 0, NULL)), DIVAN_OK);
        assert_int_equal(t.b->by_opcode[OP_GET], rows[i].newer);
        strike(&t);
    }
}

static void operations_wait_for_a_master(void **state)
{
    struct stage t;
    struct divan_error err;
    char body[2048];
    set_two(&t, 13);
    script_make_config(body, sizeof body, 1, 11, two_hosts, 2, (const int[]){-1}, 1, 16);
    script_expect(t.a, "INCR");
    script_reply(t.a, ST_NOT_MY_VBUCKET, body);
    assert_int_equal(
        probe_start(&t.client, probe_collection(&t.client, "b", NULL, NULL), KIND_INCREMENT, "n", NULL, 0, NULL, &err),
        DIVAN_OK);
    probe_run_for(&t.client, 500 * NS_PER_MS);
    assert_int_equal(t.client.count, 0);
    give_map(t.a, 12, (const int[]){1}, 1);
    give_map(t.b, 12, (const int[]){1}, 1);
    script_push(t.b, "b", 1, 12);
    probe_run_for(&t.client, 60 * NS_PER_MS);
    assert_int_equal(t.client.count, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_OK);
    strike(&t);
}

static void pushes_are_followed_and_folded(void **state)
{
    struct stage t;
    set_two(&t, 14);
    give_map(t.a, 15, (const int[]){1}, 1);
    size_t before = t.a->config_requests + t.b->config_requests;
    for (int rev = 11; rev <= 15; rev++) script_push(t.a, "b", 1, rev);
    probe_run_for(&t.client, 20 * NS_PER_MS);
    assert_int_equal(t.a->config_requests + t.b->config_requests, before + 1);
    assert_int_equal(bucket_find(t.client.client, "b")->map->revision.rev, 15);
    script_doc(t.b, "k", true);
    assert_int_equal(probe_code(start_wait(&t, KIND_GET, "k", 0, NULL)), DIVAN_OK);
    assert_int_equal(t.a->by_opcode[OP_GET], 0);
    strike(&t);
}

static void nodes_that_do_not_push_are_asked(void **state)
{
    struct stage t;
    memset(&t, 0, sizeof t);
    t.sim = sim_new(15);
    t.a = script_new(t.sim, HOST_1);
    t.b = script_new(t.sim, HOST_2);
    t.a->features &= ~FEATURE(FEATURE_CLUSTERMAP_CHANGE_BRIEF);
    give_map(t.a, 10, (const int[]){0}, 1);
    assert_int_equal(probe_open_wait(&t.client, t.sim, "couchbase://10.0.0.1/b", NULL), DIVAN_OK);
    give_map(t.a, 11, (const int[]){1}, 1);
    probe_run_for(&t.client, 2600 * NS_PER_MS);
    assert_int_equal(bucket_find(t.client.client, "b")->map->revision.rev, 11);
    strike(&t);
}

static void a_node_that_left_is_drained(void **state)
{
    struct stage t;
    struct divan_error err;
    set_two(&t, 16);
    script_doc(t.a, "k", true);
    script_expect(t.a, "GET");
    script_reply_after(t.a, 300 * NS_PER_MS, ST_SUCCESS, "old");
    assert_int_equal(
        probe_start(&t.client, probe_collection(&t.client, "b", NULL, NULL), KIND_GET, "k", NULL, 0, NULL, &err),
        DIVAN_OK);
    probe_run_for(&t.client, 10 * NS_PER_MS);
    script_make_config(t.b->config, sizeof t.b->config, 1, 20, (const char *const[]){HOST_2}, 1, (const int[]){0}, 1,
                       16);
    script_push(t.b, "b", 1, 20);
    probe_run_for(&t.client, 50 * NS_PER_MS);
    assert_int_equal(probe_code(start_wait(&t, KIND_UPSERT, "k", 0, NULL)), DIVAN_OK);
    assert_int_equal(t.b->by_opcode[OP_SET], 1);
    probe_wait(&t.client, 2);
    assert_int_equal(probe_code(t.client.results[1]), DIVAN_OK);
    assert_true(bytes_is(t.client.results[1]->value, "old"));
    probe_run_for(&t.client, 50 * NS_PER_MS);
    for (size_t i = 0; i < SCRIPT_CONNS; i++) assert_null(t.a->conns[i]);
    strike(&t);
}

static void another_node_takes_over_when_one_dies(void **state)
{
    struct stage t;
    struct divan_error err;
    set_two(&t, 17);
    sim_host_set(t.sim, HOST_1, SIM_CRASHED);
    assert_int_equal(
        probe_start(&t.client, probe_collection(&t.client, "b", NULL, NULL), KIND_INCREMENT, "n", NULL, 0, NULL, &err),
        DIVAN_OK);
    probe_run_for(&t.client, 200 * NS_PER_MS);
    give_map(t.b, 30, (const int[]){1}, 1);
    script_push(t.b, "b", 1, 30);
    probe_run_for(&t.client, 60 * NS_PER_MS);
    assert_int_equal(t.client.count, 1);
    strike(&t);
}

/* ---- collections */

static struct operation *in_collection(struct stage *t, enum op_kind kind, uint32_t timeout_ms, probe_setup_fn *setup)
{
    struct divan_error err;
    size_t n = t->client.count;
    assert_int_equal(
        probe_start(&t->client, probe_collection(&t->client, "b", "s", "c"), kind, "k", NULL, timeout_ms, setup, &err),
        DIVAN_OK);
    probe_wait(&t->client, n + 1);
    return t->client.results[n];
}

static void collection_ids_are_looked_up_once(void **state)
{
    struct stage t;
    struct divan_error err;
    set(&t, 18);
    for (int i = 0; i < 10; i++)
        assert_int_equal(probe_start(&t.client, probe_collection(&t.client, "b", "s", "c"), KIND_INCREMENT, "k", NULL,
                                     0, NULL, &err),
                         DIVAN_OK);
    probe_wait(&t.client, 10);
    for (int i = 0; i < 10; i++) assert_int_equal(probe_code(t.client.results[i]), DIVAN_OK);
    assert_int_equal(t.a->lookups, 1);
    strike(&t);
}

static void an_outdated_collection_id_is_renewed(void **state)
{
    struct stage t;
    set(&t, 19);
    assert_int_equal(probe_code(in_collection(&t, KIND_INCREMENT, 0, NULL)), DIVAN_OK);
    t.a->collection = 0x1234;
    t.a->manifest = 4;
    script_expect(t.a, "INCR cid=0x8");
    script_reply(t.a, ST_UNKNOWN_COLLECTION, "{\"manifest_uid\":\"4\"}");
    script_expect(t.a, "INCR cid=0x1234");
    assert_int_equal(probe_code(in_collection(&t, KIND_INCREMENT, 0, NULL)), DIVAN_OK);
    script_check(t.a);
    assert_int_equal(t.a->lookups, 2);
    strike(&t);
}

static void a_node_that_lags_behind_is_asked_again(void **state)
{
    struct stage t;
    set(&t, 20);
    assert_int_equal(probe_code(in_collection(&t, KIND_INCREMENT, 0, NULL)), DIVAN_OK);
    script_expect(t.a, "INCR cid=0x8");
    script_reply(t.a, ST_UNKNOWN_COLLECTION, "{\"manifest_uid\":\"2\"}");
    script_expect(t.a, "INCR cid=0x8");
    assert_int_equal(probe_code(in_collection(&t, KIND_INCREMENT, 0, NULL)), DIVAN_OK);
    script_check(t.a);
    assert_int_equal(t.a->lookups, 1);
    strike(&t);
}

static void a_missing_collection_is_named(void **state)
{
    struct stage t;
    set(&t, 21);
    t.a->has_collection = false;
    uint64_t start = sim_now(t.sim);
    struct operation *op = in_collection(&t, KIND_GET, 700, NULL);
    assert_int_equal(probe_code(op), DIVAN_ERR_COLLECTION_NOT_FOUND);
    assert_on_time(&t, start, 700);
    assert_non_null(strstr(op->error->message, "\"c\""));
    op = in_collection(&t, KIND_GET, 700, be_impatient);
    assert_int_equal(probe_code(op), DIVAN_ERR_COLLECTION_NOT_FOUND);
    t.a->has_collection = true; /* created meanwhile: it is found */
    assert_int_equal(probe_code(in_collection(&t, KIND_INCREMENT, 0, NULL)), DIVAN_OK);
    strike(&t);
}

/* ---- the rest */

static void durable_writes_tell_level_and_time(void **state)
{
    struct stage t;
    struct divan_error err;
    set(&t, 22);
    struct collection *c = probe_collection(&t.client, "b", NULL, NULL);
    struct operation *op = client_take(t.client.client);
    op->kind = KIND_UPSERT;
    op->how = DONE_NOWHERE;
    op->collection = c;
    op->key[0] = 'k';
    op->key_len = 1;
    op->durability = 2;
    op->timeout_ms = 10000;
    script_expect(t.a, "SET dur");
    assert_int_equal(client_start(t.client.client, op, &err), DIVAN_OK);
    probe_wait(&t.client, 1);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(op->token.seqno, 1);
    script_check(t.a);
    strike(&t);
}

static void too_many_operations_are_refused(void **state)
{
    struct stage t;
    struct divan_error err;
    memset(&t, 0, sizeof t);
    t.sim = sim_new(23);
    t.a = script_new(t.sim, HOST_1);
    const struct divan_cluster_options o = {.max_in_flight = 3};
    assert_int_equal(probe_open_wait(&t.client, t.sim, "couchbase://10.0.0.1/b", &o), DIVAN_OK);
    struct collection *c = probe_collection(&t.client, "b", NULL, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(probe_start(&t.client, c, KIND_GET, "k", NULL, 0, NULL, &err), DIVAN_OK);
    assert_int_equal(probe_start(&t.client, c, KIND_GET, "k", NULL, 0, NULL, &err), DIVAN_ERR_OVERLOADED);
    probe_wait(&t.client, 3);
    assert_int_equal(probe_start(&t.client, c, KIND_GET, "k", NULL, 0, NULL, &err), DIVAN_OK);
    probe_wait(&t.client, 4);
    strike(&t);
}

static void a_deleted_bucket_is_told(void **state)
{
    struct stage t;
    set(&t, 24);
    t.a->select_status = ST_EACCESS;
    script_drop_connections(t.a);
    probe_run_for(&t.client, 20 * NS_PER_MS);
    uint64_t start = sim_now(t.sim);
    assert_int_equal(probe_code(start_wait(&t, KIND_GET, "k", 0, NULL)), DIVAN_ERR_BUCKET_NOT_FOUND);
    assert_true(sim_now(t.sim) - start < 100 * NS_PER_MS);
    t.a->select_status = 0;
    script_doc(t.a, "k", true);
    assert_int_equal(probe_code(start_wait(&t, KIND_GET, "k", 0, NULL)), DIVAN_OK);
    strike(&t);
}

/* The connection is dead and nobody says so: after some time of silence another one is made. */
static void a_silent_connection_is_given_up(void **state)
{
    struct stage t;
    set(&t, 25);
    sim_flow_set(t.sim, HOST_1, CLIENT_HOST, SIM_SWALLOWS);
    probe_code(start_wait(&t, KIND_GET, "k", 500, NULL));
    sim_flow_set(t.sim, HOST_1, CLIENT_HOST, SIM_FLOWS); /* new connections work, the old one never again */
    uint64_t start = sim_now(t.sim);
    script_doc(t.a, "k", true);
    while (probe_code(start_wait(&t, KIND_GET, "k", 500, NULL))) assert_true(sim_now(t.sim) - start < 15 * NS_PER_S);
    assert_int_equal(t.a->connections, 2);
    strike(&t);
}

/* A cluster that was set up anew at the same address has another bucket of the same name and begins to count again. */
static void a_cluster_that_was_set_up_anew_is_followed(void **state)
{
    struct stage t;
    set(&t, 26);
    assert_int_equal(probe_code(in_collection(&t, KIND_INCREMENT, 0, NULL)), DIVAN_OK);
    script_make_config(t.a->config, sizeof t.a->config, 1, 2, (const char *const[]){HOST_1}, 1, (const int[]){0}, 1,
                       64);
    char *uuid = strstr(t.a->config, "\"aa\"");
    memcpy(uuid, "\"bb\"", 4);
    t.a->collection = 0x77;
    t.a->manifest = 1;
    script_drop_connections(t.a);
    probe_run_for(&t.client, 100 * NS_PER_MS);
    assert_int_equal(bucket_find(t.client.client, "b")->map->revision.rev, 2);
    assert_int_equal(bucket_find(t.client.client, "b")->map->vbuckets, 64);
    script_expect(t.a, "INCR cid=0x77");
    assert_int_equal(probe_code(in_collection(&t, KIND_INCREMENT, 0, NULL)), DIVAN_OK);
    script_check(t.a);
    strike(&t);
}

/* Random resets under a load of increments: what was acknowledged was applied once, what was not is ambiguous or was
 * not applied. */
static void counters_add_up_under_random_resets(void **state)
{
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct stage t;
        struct divan_error err;
        struct rng rng;
        uint64_t acknowledged = 0, ambiguous = 0;
        set(&t, 5000 + seed);
        rng_init(&rng, seed);
        struct collection *c = probe_collection(&t.client, "b", NULL, NULL);
        for (int i = 0; i < 300; i++) {
            assert_int_equal(probe_start(&t.client, c, KIND_INCREMENT, "n", NULL, 0, NULL, &err), DIVAN_OK);
            probe_run_for(&t.client, rng_below(&rng, NS_PER_MS));
            if (rng_below(&rng, 20) == 0) sim_reset(t.sim, HOST_1, CLIENT_HOST);
        }
        probe_wait(&t.client, 300);
        for (int i = 0; i < 300; i++) {
            const struct operation *op = t.client.results[i];
            if (!op->error) acknowledged++;
            else if (op->error->flags & DIVAN_IS_AMBIGUOUS) ambiguous++;
        }
        uint64_t value = script_doc(t.a, "n", true)->number;
        assert_true(acknowledged <= value && value <= acknowledged + ambiguous);
        assert_true(acknowledged > 200);
        strike(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(temporary_failures_are_retried_with_pauses),
        cmocka_unit_test(impatient_operations_fail_at_once),
        cmocka_unit_test(a_refusal_until_the_deadline_is_unambiguous),
        cmocka_unit_test(data_refusals_have_their_codes),
        cmocka_unit_test(lost_reads_are_sent_again),
        cmocka_unit_test(lost_increments_are_ambiguous_and_never_sent_twice),
        cmocka_unit_test(unsent_writes_wait_for_the_connection),
        cmocka_unit_test(unsent_writes_are_sent_on_the_next_connection),
        cmocka_unit_test(broken_answers_end_the_connection),
        cmocka_unit_test(an_answer_with_wrong_lengths_is_an_error),
        cmocka_unit_test(connection_state_errors_end_the_connection),
        cmocka_unit_test(deadlines_hold_whatever_happens),
        cmocka_unit_test(late_answers_are_counted_and_ignored),
        cmocka_unit_test(many_operations_complete_in_any_order),
        cmocka_unit_test(not_my_vbucket_follows_the_map_in_its_body),
        cmocka_unit_test(not_my_vbucket_without_a_body_fetches_the_map),
        cmocka_unit_test(older_maps_are_ignored),
        cmocka_unit_test(operations_wait_for_a_master),
        cmocka_unit_test(pushes_are_followed_and_folded),
        cmocka_unit_test(nodes_that_do_not_push_are_asked),
        cmocka_unit_test(a_node_that_left_is_drained),
        cmocka_unit_test(another_node_takes_over_when_one_dies),
        cmocka_unit_test(collection_ids_are_looked_up_once),
        cmocka_unit_test(an_outdated_collection_id_is_renewed),
        cmocka_unit_test(a_node_that_lags_behind_is_asked_again),
        cmocka_unit_test(a_missing_collection_is_named),
        cmocka_unit_test(durable_writes_tell_level_and_time),
        cmocka_unit_test(too_many_operations_are_refused),
        cmocka_unit_test(a_deleted_bucket_is_told),
        cmocka_unit_test(a_silent_connection_is_given_up),
        cmocka_unit_test(a_cluster_that_was_set_up_anew_is_followed),
        cmocka_unit_test(counters_add_up_under_random_resets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
