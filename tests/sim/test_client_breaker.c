/* The circuit breaker: as a table of times, and on a connection that goes silent. */
#include "sim/support_script.h"

#include "client/bucket.h"
#include "client/report.h"
#include "client/retry.h"

#define MS NS_PER_MS

static const struct breaker_limits limits = {
    .enabled = true, .volume = 4, .percent = 50, .sleep_ns = 5000 * MS, .window_ns = 60000 * MS};

/* ---- pure */

static void it_opens_at_the_share_once_there_is_enough(void **state)
{
    static const struct {
        const char *ends; /* . answered, x not */
        const char *opens;
    } rows[] = {
        {"xxx", "---"},   /* too few */
        {"xxxx", "---O"}, /* enough */
        {"..xx", "---O"}, /* exactly half */
        {"...x", "----"}, /* a quarter */
        {".....xxxxx", "---------O"},
        {"....xxx.xx", "---------O"}, /* an answer never opens it */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct breaker b = {.total = 0};
        for (size_t n = 0; rows[i].ends[n]; n++) {
            bool opened = breaker_note(&b, &limits, n * MS + 1, rows[i].ends[n] == 'x');
            if (opened != (rows[i].opens[n] == 'O')) fail_msg("row %zu, step %zu", i, n);
        }
        assert_int_equal(b.state, strchr(rows[i].opens, 'O') ? BREAKER_OPEN : BREAKER_CLOSED);
    }
}

static void counting_begins_anew_after_the_window(void **state)
{
    struct breaker b = {.total = 0};
    for (int i = 0; i < 3; i++) breaker_note(&b, &limits, 1, true);
    assert_false(breaker_note(&b, &limits, 1 + limits.window_ns, true));
    assert_int_equal(b.total, 1);
}

static void only_a_probe_closes_it(void **state)
{
    struct breaker b = {.total = 0};
    uint64_t now = 1000 * MS;
    for (int i = 0; i < 4; i++) breaker_note(&b, &limits, now, true);
    assert_false(breaker_note(&b, &limits, now, false));
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(breaker_probe(&b, &limits, now + limits.sleep_ns - 1));
    now += limits.sleep_ns;
    assert_true(breaker_probe(&b, &limits, now));
    assert_false(breaker_probe(&b, &limits, now)); /* one at a time */
    breaker_probed(&b, now, false);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_false(breaker_probe(&b, &limits, now + limits.sleep_ns - 1)); /* sleeps again */
    assert_true(breaker_probe(&b, &limits, now + limits.sleep_ns));
    breaker_probed(&b, now, true);
    assert_int_equal(b.state, BREAKER_CLOSED);
    assert_int_equal(b.total, 0);
    assert_int_equal(b.opened, 2);
}

static void it_is_off_unless_asked_for(void **state)
{
    struct breaker b = {.total = 0};
    const struct breaker_limits off = {.enabled = false, .volume = 1, .percent = 1};
    assert_false(breaker_note(&b, &off, 1, true));
    assert_int_equal(b.state, BREAKER_CLOSED);
}

/* ---- at work */

struct stage {
    struct sim *sim;
    struct script *node;
    struct probe client;
};

static void set(struct stage *t, const char *connstr)
{
    memset(t, 0, sizeof *t);
    t->sim = sim_new(3);
    t->node = script_new(t->sim, "10.0.0.1");
    assert_int_equal(probe_open_wait(&t->client, t->sim, connstr, NULL), DIVAN_OK);
}

static void strike(struct stage *t)
{
    probe_close(&t->client);
    sim_free(t->sim);
    script_free(t->node);
}

static void be_impatient(struct operation *op)
{
    op->fail_fast = true;
}

static void start(struct stage *t, uint32_t timeout_ms, probe_setup_fn *setup)
{
    struct divan_error err;
    assert_int_equal(probe_start(&t->client, probe_collection(&t->client, "b", NULL, NULL), KIND_GET, "k", NULL,
                                 timeout_ms, setup, &err),
                     DIVAN_OK);
}

static const struct connection *connection_of(const struct stage *t)
{
    const struct bucket *b = bucket_find(t->client.client, "b");
    return container_of(b->nodes.head.next, struct node, link)->connection;
}

static void silence_opens_it_and_a_probe_closes_it(void **state)
{
    struct stage t;
    set(&t, "couchbase://10.0.0.1/b?enable_circuit_breaker=true&circuit_breaker_volume=5&circuit_breaker_sleep=1s");
    for (int i = 0; i < 5; i++) {
        script_expect(t.node, "GET");
        script_silence(t.node);
        start(&t, 50, NULL);
    }
    probe_wait(&t.client, 5);
    assert_int_equal(connection_of(&t)->breaker.state, BREAKER_OPEN);
    assert_int_equal(t.client.client->meter.breakers_opened, 1);

    struct buf report = {.limit = 65536};
    report_diagnostics(t.client.client, NULL, &report);
    assert_non_null(strstr(buf_text(&report), "\"details\":\"circuit breaker open\""));
    assert_non_null(strstr(buf_text(&report), "\"state\":\"offline\""));
    buf_fini(&report);

    /* nothing is sent meanwhile */
    size_t before = t.node->requests;
    start(&t, 100, NULL);
    start(&t, 2500, be_impatient);
    probe_wait(&t.client, 7);
    assert_int_equal(t.node->requests, before);
    assert_int_equal(probe_code(t.client.results[5]), DIVAN_ERR_TEMPORARY_FAILURE); /* fail-fast: at once */
    assert_int_equal(t.client.results[5]->error->retry_reasons, 1u << RETRY_CIRCUIT_BREAKER_OPEN);
    assert_int_equal(probe_code(t.client.results[6]), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_non_null(strstr(t.client.results[6]->error->message, "circuit_breaker_open"));

    /* one that waits is sent when the probe was answered */
    start(&t, 2500, NULL);
    uint64_t began = sim_now(t.sim);
    probe_wait(&t.client, 8);
    assert_int_equal(probe_code(t.client.results[7]), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    assert_int_equal(t.node->by_opcode[OP_NOOP], 1);
    assert_int_equal(connection_of(&t)->breaker.state, BREAKER_CLOSED);
    uint64_t took = sim_now(t.sim) - began;
    assert_true(took > 700 * MS && took < 1000 * MS);
    strike(&t);
}

static void a_new_connection_has_a_new_breaker(void **state)
{
    struct stage t;
    set(&t, "couchbase://10.0.0.1/b?enable_circuit_breaker=true&circuit_breaker_volume=2&circuit_breaker_sleep=60s");
    for (int i = 0; i < 2; i++) {
        script_expect(t.node, "GET");
        script_silence(t.node);
        start(&t, 50, NULL);
    }
    probe_wait(&t.client, 2);
    start(&t, 2500, NULL);
    script_drop_connections(t.node);
    probe_wait(&t.client, 3);
    assert_int_equal(probe_code(t.client.results[2]), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    strike(&t);
}

static void by_default_everything_is_sent(void **state)
{
    struct stage t;
    set(&t, "couchbase://10.0.0.1/b");
    for (int i = 0; i < 30; i++) {
        script_expect(t.node, "GET");
        script_silence(t.node);
        start(&t, 50, NULL);
    }
    probe_wait(&t.client, 30);
    assert_int_equal(connection_of(&t)->breaker.state, BREAKER_CLOSED);
    strike(&t);
}

static void a_probe_without_answer_ends_the_connection(void **state)
{
    struct stage t;
    set(&t, "couchbase://10.0.0.1/b?enable_circuit_breaker=true&circuit_breaker_volume=2&circuit_breaker_sleep=100ms");
    t.node->is_deaf = true;
    for (int i = 0; i < 2; i++) start(&t, 50, NULL);
    probe_wait(&t.client, 2);
    probe_run_for(&t.client, 4000 * MS);
    assert_true(t.client.client->meter.connections_lost >= 1);
    t.node->is_deaf = false;
    start(&t, 10000, NULL);
    probe_wait(&t.client, 3);
    assert_int_equal(probe_code(t.client.results[2]), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    strike(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_at_the_share_once_there_is_enough),
        cmocka_unit_test(counting_begins_anew_after_the_window),
        cmocka_unit_test(only_a_probe_closes_it),
        cmocka_unit_test(it_is_off_unless_asked_for),
        cmocka_unit_test(silence_opens_it_and_a_probe_closes_it),
        cmocka_unit_test(a_new_connection_has_a_new_breaker),
        cmocka_unit_test(by_default_everything_is_sent),
        cmocka_unit_test(a_probe_without_answer_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
