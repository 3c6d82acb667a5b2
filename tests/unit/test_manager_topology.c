/* Requests that change who is in the cluster, and what a failover makes of maps: tables. */
#include "unit/manager_support.h"

#include "manager/failover.h"

#define NODE_C "0000000000000000000000000000000c"
#define OTP_A  "n_9000@127.0.0.1"
#define OTP_B  "n_9000@127.0.0.2"
#define OTP_C  "n_9000@127.0.0.3"

/* Three nodes; a and b have the bucket, c has been added. */
static void open_three(struct cluster *c)
{
    cluster_open(c);
    cluster_hello(c, NODE_B, "127.0.0.2", 9000);
    doc_find_node(c->doc, NODE_B)->membership = DOC_ACTIVE;
    cluster_must(c, "bucket_create", NULL, "name=B&ramQuotaMB=100&replicaNumber=1");
    cluster_hello(c, NODE_C, "127.0.0.3", 9000);
}

struct row {
    const char *op, *args, *form;
    int status;
    const char *body; /* all of it; "" = empty; NULL = not looked at */
};

static void check_rows(struct cluster *c, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *r = &rows[i];
        int status = cluster_run(c, r->op, r->args, r->form, NULL);
        if (status != r->status || (r->body && strcmp(cluster_body(c), r->body) != 0))
            fail_msg("row %zu, %s %s: %d %s (wanted %d %s)", i, r->op, r->form, status, cluster_body(c), r->status,
                     r->body);
    }
}
#define ROWS(c, rows) check_rows(c, rows, sizeof(rows) / sizeof *(rows))

static void rebalance_requests(void **state)
{
    static const struct row rows[] = {
        {"rebalance", NULL, "", 400, "{\"empty_known_nodes\":1}"},
        {"rebalance", NULL, "knownNodes=" OTP_A "," OTP_B, 400, "{\"mismatch\":1}"},
        {"rebalance", NULL, "knownNodes=" OTP_A "," OTP_B "," OTP_C ",x@y", 400, "{\"mismatch\":1}"},
        {"rebalance", NULL, "knownNodes=" OTP_A "," OTP_B "," OTP_C "&ejectedNodes=x@y", 400, "{\"mismatch\":1}"},
        {"rebalance", NULL, "knownNodes=" OTP_A "," OTP_B "," OTP_C "&ejectedNodes=" OTP_A "," OTP_B "," OTP_C, 400,
         "No active nodes left"},
        {"rebalance", NULL, "knownNodes=" OTP_A "," OTP_B "," OTP_C "&deltaRecoveryBuckets=x", 400,
         "{\"deltaRecoveryNotPossible\":1}"},
        {"stop_rebalance", NULL, "", 200, ""},
        {"stop_rebalance", NULL, "allowUnsafe=x", 400,
         "{\"errors\":{\"allowUnsafe\":\"The value must be one of the following: [true,false]\"}}"},
        {"rebalance", NULL, "knownNodes=" OTP_A "," OTP_B "," OTP_C, 200, NULL},
        {"rebalance", NULL, "knownNodes=" OTP_A "," OTP_B "," OTP_C, 200, ""},
        {"fail_over", NULL, "otpNode=" OTP_A, 503, "Cannot failover during rebalance"},
        {"bucket_create", NULL, "name=C&ramQuotaMB=100", 503,
         "{\"_\":\"Cannot create buckets during rebalance.\\r\\n\"}"},
        {"bucket_delete", "B", "", 503, "{\"_\":\"Cannot delete buckets during rebalance.\\r\\n\"}"},
        {"eject", NULL, "otpNode=" OTP_C, 400, "Cannot remove active server.\n"},
        {"stop_rebalance", NULL, "", 200, ""},
    };
    struct cluster c;
    open_three(&c);
    ROWS(&c, rows);
    assert_true(c.doc->task.stopping);
    assert_int_equal(doc_find_node(c.doc, NODE_C)->membership, DOC_ACTIVE);
    assert_int_equal(c.doc->task.keep_count, 3);
    cluster_close(&c);
}

static void nodes_that_are_down_stop_a_rebalance(void **state)
{
    static const struct row rows[] = {{"rebalance", NULL, "knownNodes=" OTP_A "," OTP_B "," OTP_C, 503,
                                       "Cannot contact the following nodes: ['" OTP_B "']"}};
    struct cluster c;
    open_three(&c);
    doc_find_node(c.doc, NODE_B)->down = true;
    ROWS(&c, rows);
    cluster_close(&c);
}

static void failover_requests(void **state)
{
    static const struct row rows[] = {
        {"fail_over", NULL, "", 400, "No server specified."},
        {"fail_over", NULL, "otpNode=x@y", 400, "Unknown server given [\"x@y\"]"},
        {"fail_over", NULL, "otpNode=" OTP_C, 400, "Inactive server given."},
        {"fail_over", NULL, "otpNode=" OTP_A "&otpNode=" OTP_B, 400, "Last active node cannot be failed over."},
        {"graceful_fail_over", NULL, "otpNode=" OTP_C, 400, "Inactive server given."},
        {"fail_over", NULL, "otpNode=" OTP_B, 200, ""},
        {"start_fail_over", NULL, "otpNode=" OTP_B, 200, ""},
        {"recovery_type", NULL, "otpNode=" OTP_B "&recoveryType=delta", 400,
         "{\"otpNode\":\"invalid node name or node can't be used for delta recovery\"}"},
        {"recovery_type", NULL, "otpNode=x&recoveryType=y", 400,
         "{\"recoveryType\":\"recovery type must be either 'delta' or 'full'\",\"otpNode\":\"invalid node name or node "
         "can't be used for delta recovery\"}"},
        {"re_fail_over", NULL, "otpNode=" OTP_B, 400, ""},
    };
    static const struct row back[] = {
        {"recovery_type", NULL, "otpNode=" OTP_B "&recoveryType=delta", 200, "[]"},
        {"re_fail_over", NULL, "otpNode=" OTP_B, 200, ""},
        {"re_add", NULL, "otpNode=" OTP_B, 200, "[]"},
        {"re_fail_over", NULL, "otpNode=" OTP_B, 200, ""},
        {"eject", NULL, "", 400, "Bad Request\n"},
        {"eject", NULL, "otpNode=x", 400, "Server does not exist.\n"},
        {"eject", NULL, "otpNode=" OTP_A, 400, "Cannot remove active server.\n"},
        {"eject", NULL, "otpNode=" OTP_B, 200, ""},
        {"eject", NULL, "otpNode=" OTP_C, 200, ""},
        {"fail_over", NULL, "otpNode=" OTP_A, 400, "Last active node cannot be failed over."},
    };
    struct cluster c;
    const char *b = NODE_B;
    open_three(&c);
    ROWS(&c, rows);
    doc_find_node(c.doc, NODE_B)->down = true;
    assert_int_equal(cluster_run(&c, "fail_over", NULL, "otpNode=" OTP_B, NULL), 504); /* one of two is no majority */
    assert_string_equal(cluster_body(&c), "Cannot safely perform a failover at the moment");
    assert_int_equal(cluster_run(&c, "fail_over", NULL, "otpNode=" OTP_B "&allowUnsafe=true", NULL), 200);
    assert_int_equal(c.reply.follow, PLAN_FAIL_OVER);
    assert_int_equal(cluster_run(&c, "graceful_fail_over", NULL, "otpNode=" OTP_B "&allowUnsafe=true", NULL), 400);
    assert_string_equal(cluster_body(&c), "Failover cannot be done gracefully (would lose vbuckets).");
    failover_nodes(c.doc, &b, 1, NULL, false);
    for (size_t v = 0; v < 64; v++) {
        assert_int_equal(c.doc->buckets[0].map.entries[2 * v], 0);
        assert_int_equal(c.doc->buckets[0].map.entries[2 * v + 1], -1);
    }
    assert_int_equal(c.doc->buckets[0].map.server_count, 1);
    assert_int_equal(c.doc->buckets[0].last.server_count, 2);
    ROWS(&c, back);
    cluster_close(&c);
}

static void a_graceful_failover_begins(void **state)
{
    struct cluster c;
    open_three(&c);
    cluster_must(&c, "graceful_fail_over", NULL, "otpNode=" OTP_B);
    assert_int_equal(c.doc->task.kind, DOC_TASK_GRACEFUL);
    assert_int_equal(c.doc->task.keep_count, 1);
    assert_int_equal(c.doc->buckets[0].last.server_count, 2);
    cluster_close(&c);
}

static void add_node_requests(void **state)
{
#define WHO "&user=u&password=p"
    static const struct row rows[] = {
        {"add_node", NULL, "", 400, "[\"user is missing\",\"password is missing\",\"Hostname is required.\"]"},
        {"add_node", NULL, "hostname=h:1" WHO, 400,
         "[\"The port number must be greater than 1023 and less than 65536.\"]"},
        {"add_node", NULL, "hostname=h:x" WHO, 400,
         "[\"Malformed URL h:x; if using IPv6, enclose in square brackets\"]"},
        {"add_node", NULL, "hostname=h:9000&user=&password=p", 400,
         "[\"If a username is not specified, a password must not be supplied.\"]"},
        {"add_node", NULL, "hostname=h:9000&user=u&password=", 400, "[\"A password must be supplied.\"]"},
        {"add_node", NULL, "hostname=h:9000&x=1&services=kv,zz" WHO, 400,
         "[\"Got unknown parameters: [\\\"x\\\"]\",\"Unknown services: [\\\"zz\\\"]\"]"},
        {"add_node", "nope", "hostname=h:9000" WHO, 404, "[\"Could not find group with uuid\"]"},
        {"add_node", "0", "hostname=h:9000&services=kv" WHO, 200, ""},
    };
    struct cluster c;
    open_three(&c);
    ROWS(&c, rows);
    assert_int_equal(c.reply.follow, PLAN_ADD_NODE);
    cluster_close(&c);
}

static void addresses_of_nodes_to_add(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
        bool tls;
    } cases[] = {
        {" \t\r\nhttp://host:1025\n", "host", 1025, false},
        {"http://host", "host", 8091, false},
        {"127.0.0.1:6000", "127.0.0.1", 6000, true},
        {"host", "host", 18091, true},
        {"https://host:2000/x", "host", 2000, true},
        {"[::1]", "::1", 18091, true},
        {"http://[::1]:10000", "::1", 10000, false},
        {"host:port", NULL, 0, false},
        {"[::1", NULL, 0, false},
        {"host:100", NULL, 0, false},
        {":9000", NULL, 0, false},
        {"[::1]x", NULL, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct manager_field f = {divan_str("hostname"), divan_str(cases[i].text)};
        struct manager_request r = {.form = &f, .form_count = 1};
        char host[256];
        uint16_t port = 0;
        bool tls = false;
        const char *flaw = plan_address(&r, host, &port, &tls);
        if (!flaw != !!cases[i].host) fail_msg("%s: %s", cases[i].text, flaw ? flaw : "taken");
        if (flaw) continue;
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
        assert_int_equal(tls, cases[i].tls);
    }
}

/* ---- failover of one vBucket: servers 0 to 3, of which 1 fails */

#define IS(mode_, prepared_, high_)                                                                                    \
    {                                                                                                                  \
        true, COPY_##mode_, prepared_, high_                                                                           \
    }

static void the_best_copy_is_promoted(void **state)
{
    static const struct {
        const char *what;
        int16_t row[3], moving[3], forward[3];
        struct copy_figures figures[4];
        bool demote;
        int16_t expected[3];
    } cases[] = {
        {"a copy leaves", {0, 1, 2}, {-1}, {-1}, {{0}}, false, {0, 2, -1}},
        {"nobody was asked", {1, 2, 3}, {-1}, {-1}, {{0}}, false, {2, 3, -1}},
        {"the later one", {1, 2, 3}, {-1}, {-1}, {{0}, {0}, IS(REPLICA, 5, 7), IS(REPLICA, 5, 9)}, false, {3, 2, -1}},
        {"durable writes count first",
         {1, 2, 3},
         {-1},
         {-1},
         {{0}, {0}, IS(REPLICA, 6, 7), IS(REPLICA, 5, 9)},
         false,
         {2, 3, -1}},
        {"one that never was there comes last",
         {1, 2, 3},
         {-1},
         {-1},
         {{0}, {0}, IS(ABSENT, 0, 0), IS(REPLICA, 0, 0)},
         false,
         {3, 2, -1}},
        {"nobody is left", {1, -1, -1}, {-1}, {-1}, {{0}}, false, {-1, -1, -1}},
        {"it had been handed over already",
         {1, 0, -1},
         {1, 0, -1},
         {2, 0, -1},
         {IS(REPLICA, 0, 9), {0}, IS(ACTIVE, 0, 12)},
         false,
         {2, 0, -1}},
        {"handed over, the new one fails",
         {1, 2, -1},
         {0, 2, -1},
         {1, 2, -1},
         {IS(DEAD, 0, 12), {0}, IS(REPLICA, 0, 10)},
         false,
         {0, 2, -1}},
        {"the source goes on",
         {0, 2, -1},
         {0, 2, -1},
         {1, 2, -1},
         {IS(ACTIVE, 0, 12), {0}, IS(REPLICA, 0, 12)},
         false,
         {0, 2, -1}},
        {"back, but empty", {1, 2, -1}, {-1}, {-1}, {{0}, {0}, IS(REPLICA, 0, 3)}, true, {2, 1, -1}},
        {"back, but alone", {1, -1, -1}, {-1}, {-1}, {{0}}, true, {1, -1, -1}},
        {"a copy is back, but empty", {0, 1, 2}, {-1}, {-1}, {{0}}, true, {0, 2, 1}},
    };
    const bool gone[4] = {false, true, false, false};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int16_t row[3], maps[3][3];
        memcpy(maps[0], cases[i].row, sizeof maps[0]);
        memcpy(maps[1], cases[i].moving, sizeof maps[1]);
        memcpy(maps[2], cases[i].forward, sizeof maps[2]);
        struct doc_vbmap m = {.vbuckets = 1, .row = 3, .server_count = 4, .entries = maps[0], .moving = maps[1]};
        if (maps[1][0] >= 0) m.forward = maps[2];
        struct failover f = {gone, cases[i].figures, cases[i].demote};
        failover_row(&m, 0, &f, row);
        if (memcmp(row, cases[i].expected, sizeof row) != 0)
            fail_msg("%s: %d %d %d", cases[i].what, row[0], row[1], row[2]);
    }
}

/* ---- failing over by itself: seconds since each of four nodes was heard of; 0 = up */

static void failing_over_by_itself(void **state)
{
    static const struct {
        const char *what;
        const char *settings; /* of the request */
        unsigned away_s[4], done;
        enum autofail_verdict verdict;
    } cases[] = {
        {"all is well", "enabled=true&timeout=5&maxCount=1", {0}, 0, AUTOFAIL_NOTHING},
        {"not yet", "enabled=true&timeout=5&maxCount=1", {0, 4}, 0, AUTOFAIL_NOTHING},
        {"now", "enabled=true&timeout=5&maxCount=1", {0, 5}, 0, AUTOFAIL_GO},
        {"off", "enabled=false", {0, 500}, 0, AUTOFAIL_NOTHING},
        {"one second", "enabled=true&timeout=1&maxCount=1", {0, 0, 1}, 0, AUTOFAIL_GO},
        {"enough for now", "enabled=true&timeout=5&maxCount=1", {0, 5}, 1, AUTOFAIL_COUNT},
        {"one more", "enabled=true&timeout=5&maxCount=2", {0, 5}, 1, AUTOFAIL_GO},
        {"no limit", "enabled=true&timeout=5&maxCount=1&disableMaxCount=true", {0, 5}, 7, AUTOFAIL_GO},
        {"half is no majority", "enabled=true&timeout=5&maxCount=9", {0, 5, 5}, 0, AUTOFAIL_MINORITY},
        {"another one has just gone", "enabled=true&timeout=5&maxCount=9", {0, 5, 2}, 0, AUTOFAIL_NOTHING},
        {"both copies of a chain of two",
         "enabled=true&timeout=5&maxCount=1&failoverPreserveDurabilityMajority=true",
         {0, 5},
         0,
         AUTOFAIL_DURABILITY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cluster c;
        struct autofail_node nodes[4];
        bool chosen[4];
        const uint64_t now_ns = 1000000000000u, second_ns = 1000000000u;
        cluster_open(&c);
        for (int n = 1; n < 4; n++) {
            char uuid[33], host[16];
            snprintf(uuid, sizeof uuid, "%032x", 20 + (unsigned)n);
            snprintf(host, sizeof host, "127.0.0.%u", (unsigned)n % 10 + 1);
            cluster_hello(&c, uuid, host, 9000);
            c.doc->nodes[n].membership = DOC_ACTIVE;
        }
        cluster_must(&c, "bucket_create", NULL, "name=B&ramQuotaMB=100&replicaNumber=1");
        cluster_must(&c, "auto_failover", NULL, cases[i].settings);
        c.doc->auto_failover.count = cases[i].done;
        for (int n = 0; n < 4; n++) {
            unsigned away = cases[i].away_s[n];
            nodes[n] = (struct autofail_node){c.doc->nodes[n].uuid, true, away ? now_ns - away * second_ns : 0};
            c.doc->nodes[n].down = away != 0;
        }
        enum autofail_verdict v = autofail_decide(c.doc, nodes, 4, now_ns, chosen);
        if (v != cases[i].verdict) fail_msg("%s: verdict %d", cases[i].what, v);
        for (int n = 0; n < 4 && v == AUTOFAIL_GO; n++) assert_int_equal(chosen[n], cases[i].away_s[n] != 0);
        cluster_close(&c);
    }
}

static void nobody_is_failed_over_whose_data_is_nowhere_else(void **state)
{
    struct cluster c;
    bool chosen[3];
    const struct doc_bucket *b = NULL;
    const char *last = NODE_B;
    open_three(&c);
    doc_find_node(c.doc, NODE_C)->membership = DOC_ACTIVE;
    cluster_must(&c, "auto_failover", NULL, "enabled=true&timeout=1&maxCount=1");
    for (size_t v = 0; v < 64; v++) c.doc->buckets[0].map.entries[2 * v + 1] = -1;
    struct autofail_node nodes[3] = {{NODE_A, true, 0}, {NODE_B, true, 1}, {NODE_C, true, 0}};
    assert_int_equal(autofail_decide(c.doc, nodes, 3, 5000000000u, chosen), AUTOFAIL_DATA_LOSS);
    assert_false(failover_keeps_all(c.doc, &last, 1, &b));
    assert_ptr_equal(b, &c.doc->buckets[0]);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rebalance_requests),
        cmocka_unit_test(nodes_that_are_down_stop_a_rebalance),
        cmocka_unit_test(failover_requests),
        cmocka_unit_test(a_graceful_failover_begins),
        cmocka_unit_test(add_node_requests),
        cmocka_unit_test(addresses_of_nodes_to_add),
        cmocka_unit_test(the_best_copy_is_promoted),
        cmocka_unit_test(failing_over_by_itself),
        cmocka_unit_test(nobody_is_failed_over_whose_data_is_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
