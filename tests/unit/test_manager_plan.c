/* The plan: every request has its answer, refusals change nothing, revisions only grow. */
#include "unit/manager_support.h"

struct row {
    const char *op, *args, *form, *body;
    int status;
    const char *answer; /* what the body contains; "" = it is empty */
};

#define ERR(field, text) "{\"errors\":{\"" field "\":\"" text "\"}"
#define QUOTA            "ramQuotaMB=100"

static void run_table(struct cluster *c, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *r = &rows[i];
        int64_t rev = c->doc->revision.rev;
        int status = cluster_run(c, r->op, r->args, r->form, r->body);
        const char *body = cluster_body(c);
        bool fits = r->answer[0] ? strstr(body, r->answer) != NULL : body[0] == 0;
        if (status != r->status || !fits)
            fail_msg("row %zu, %s %s %s: %d %s (wanted %d %s)", i, r->op, r->args ? r->args : "",
                     r->form ? r->form : "", status, body, r->status, r->answer);
        if (status >= 300 && c->doc->revision.rev != rev) fail_msg("row %zu: a refusal changed the document", i);
        if (c->reply.json && !json_is_valid(divan_str(body))) fail_msg("row %zu: not JSON: %s", i, body);
    }
}
#define RUN(c, rows) run_table(c, rows, sizeof(rows) / sizeof *(rows))

static void buckets(void **state)
{
    static const struct row rows[] = {
        {"bucket_create", NULL, "name=B&ramQuotaMB=100&flushEnabled=1", NULL, 202, ""},
        {"bucket_create", NULL, "name=B&" QUOTA, NULL, 400,
         ERR("name",
             "Bucket with given name already exists") ",\"summaries\":{\"ramSummary\":{\"total\":1572864000,"
                                                      "\"otherBuckets\":104857600,\"nodesCount\":1,\"perNodeMegs\":100,"
                                                      "\"thisAlloc\":104857600,\"thisUsed\":0,\"free\":1363148800}"},
        {"bucket_create", NULL, "name=b&" QUOTA, NULL, 400, ERR("name", "Bucket with given name already exists")},
        {"bucket_create", NULL, QUOTA, NULL, 400, ERR("name", "Bucket name needs to be specified")},
        {"bucket_create", NULL, "name=&" QUOTA, NULL, 400, ERR("name", "Bucket name cannot be empty")},
        {"bucket_create", NULL, "name=.a&" QUOTA, NULL, 400, ERR("name", "Bucket name cannot start with dot.")},
        {"bucket_create", NULL, "name=a b&" QUOTA, NULL, 400, "Bucket name can only contain characters"},
        {"bucket_create", NULL, "name=X", NULL, 400,
         ERR("ramQuota", "The RAM Quota must be specified and must be a positive integer.")},
        {"bucket_create", NULL, "name=X&ramQuotaMB=-5", NULL, 400, "must be a positive integer"},
        {"bucket_create", NULL, "name=X&ramQuotaMB=99", NULL, 400,
         ERR("ramQuota", "RAM quota cannot be less than 100 MiB")},
        {"bucket_create", NULL, "name=X&ramQuotaMB=1401", NULL, 400, "too large to be provisioned"},
        {"bucket_create", NULL, "name=X&" QUOTA "&replicaNumber=4", NULL, 400,
         ERR("replicaNumber", "Replica number larger than 3 is not supported.")},
        {"bucket_create", NULL, "name=X&" QUOTA "&bucketType=foo", NULL, 400, ERR("bucketType", "invalid bucket type")},
        {"bucket_create", NULL, "name=X&" QUOTA "&bucketType=memcached&replicaNumber=1", NULL, 400,
         ERR("replicaNumber", "replicaNumber is not valid for memcached buckets")},
        {"bucket_create", NULL, "name=X&" QUOTA "&bucketType=ephemeral&evictionPolicy=valueOnly", NULL, 400,
         "'noEviction' or 'nruEviction'"},
        {"bucket_create", NULL, "name=X&" QUOTA "&evictionPolicy=noEviction", NULL, 400,
         "'valueOnly' or 'fullEviction'"},
        {"bucket_create", NULL, "name=X&" QUOTA "&maxTTL=2147483648", NULL, 400, "Max TTL must be an integer"},
        {"bucket_create", NULL, "name=X&" QUOTA "&durabilityMinLevel=majority", NULL, 400,
         "do not have enough data servers"},
        {"bucket_create", NULL, "name=X&" QUOTA "&durabilityMinLevel=majority&replicaNumber=0", NULL, 202, ""},
        {"bucket_create", NULL, "name=Y&ramQuotaMB=2000&storageBackend=magma", NULL, 400, "no magma storage"},
        {"bucket_create", NULL, "name=&ramQuotaMB=a&replicaNumber=x&durabilityMinLevel=y&maxTTL=z", NULL, 400,
         "{\"errors\":{\"name\":"},
        {"bucket_create", NULL, "?just_validate=1&name=Y&" QUOTA, NULL, 200, "{\"errors\":{},\"summaries\""},
        {"bucket_edit", "Y", QUOTA, NULL, 404, "Requested resource not found.\r\n"},
        {"bucket_edit", "B", "ramQuotaMB=110", NULL, 200, ""},
        {"bucket_edit", "B", "conflictResolutionType=lww", NULL, 400,
         ERR("conflictResolutionType", "Conflict resolution type not allowed in update bucket")},
        {"bucket_edit", "B", "name=Z&bucketType=ephemeral&foo=1", NULL, 200, ""},
        {"bucket_flush", "B", "", NULL, 200, ""},
        {"bucket_edit", "B", "flushEnabled=0", NULL, 200, ""},
        {"bucket_flush", "B", "", NULL, 400, "{\"_\":\"Flush is disabled for the bucket\"}"},
        {"bucket_flush", "Z", "", NULL, 404, "Requested"},
        {"bucket_create", NULL, "name=a%b&" QUOTA, NULL, 202, ""},
        {"bucket_delete", "a%b", "", NULL, 200, ""},
        {"bucket_delete", "a%b", "", NULL, 404, "Requested"},
        {"no_such_op", NULL, "", NULL, 404, "Not found."},
    };
    struct cluster c;
    cluster_open(&c);
    RUN(&c, rows);
    const struct doc_bucket *b = doc_find_bucket(c.doc, divan_str("B"));
    assert_int_equal(b->quota_mb, 110);
    assert_int_equal(b->type, DOC_COUCHBASE);
    assert_int_equal(b->flushes, 1);
    assert_int_equal(cluster_run(&c, "bucket_create", NULL, "name=a%b&" QUOTA, NULL), 202);
    assert_string_equal(c.reply.location, "/pools/default/buckets/a%25b");
    cluster_close(&c);
}

static void collections(void **state)
{
    static const char bulk[] =
        "{\"scopes\":[{\"name\":\"s\",\"collections\":[{\"name\":\"a\"},{\"name\":\"n\",\"maxTTL\":5}]},"
        "{\"name\":\"_default\",\"collections\":[{\"name\":\"_default\"}]}]}";
    static const struct row rows[] = {
        {"scope_create", "B", "name=s", NULL, 200, "{\"uid\":\"2\"}"},
        {"scope_create", "B", "name=s", NULL, 400, ERR("_", "Scope with name \\\"s\\\" already exists")},
        {"scope_create", "B", "", NULL, 400, ERR("name", "The value must be supplied")},
        {"scope_create", "B", "name=", NULL, 400, "Name length (0) must be in the range from 1 to 251, inclusive"},
        {"scope_create", "B", "name=_x", NULL, 400, "First character must not be _ or %"},
        {"scope_create", "B", "name=a.b", NULL, 400, "Invalid value \\\"a.b\\\" : \\\"Can only contain characters"},
        {"scope_create", "B", "name=t&foo=1", NULL, 400, ERR("foo", "Unsupported key")},
        {"scope_create", "M", "name=t", NULL, 400, "Not allowed on this type of bucket"},
        {"scope_create", "nope", "name=t", NULL, 404, "Requested"},
        {"collection_create", "B s", "name=a", NULL, 200, "{\"uid\":\"3\"}"},
        {"collection_create", "B s", "name=a", NULL, 400,
         ERR("_", "Collection with name \\\"a\\\" in scope \\\"s\\\" already exists")},
        {"collection_create", "B t", "name=a", NULL, 404, ERR("_", "Scope with name \\\"t\\\" is not found")},
        {"collection_create", "B _system", "name=a", NULL, 400, "cannot create collection in '_system' scope"},
        {"collection_create", "B s", "name=b&maxTTL=-2", NULL, 400,
         ERR("maxTTL", "The value must be in range from -1 to 2147483647")},
        {"collection_create", "B s", "name=b&maxTTL=x", NULL, 400, ERR("maxTTL", "The value must be an integer")},
        {"collection_create", "B s", "name=b&history=true", NULL, 400, "Not allowed on this type of bucket"},
        {"collection_edit", "B s a", "maxTTL=9", NULL, 200, "{\"uid\":\"4\"}"},
        {"collection_edit", "B s a", "maxTTL=9", NULL, 200, "{\"uid\":\"4\"}"},
        {"collection_edit", "B s b", "maxTTL=9", NULL, 404,
         "Collection with name \\\"b\\\" in scope \\\"s\\\" is not found"},
        {"collection_drop", "B s b", "", NULL, 404, "is not found"},
        {"collection_drop", "B _system _query", "", NULL, 400, "Cannot drop system collection"},
        {"scope_drop", "B _default", "", NULL, 400, ERR("_", "Deleting _default scope is not allowed")},
        {"scope_drop", "B t", "", NULL, 404, ERR("_", "Scope with name \\\"t\\\" is not found")},
        {"manifest_put", "B", "?validOnUid=1", "{\"scopes\":[]}", 400, "validOnUid doesn't match"},
        {"manifest_put", "B", "", "x", 400, ERR("_", "Invalid Json")},
        {"manifest_put", "B", "", "{}", 400, ERR("scopes", "The value must be supplied")},
        {"manifest_put", "B", "", "{\"scopes\":[{\"name\":\"_x\"}]}", 400, "First character"},
        {"manifest_put", "B", "", "{\"scopes\":[{\"name\":\"x\"},{\"name\":\"x\"}]}", 400, "Duplicate scope name"},
        {"manifest_put", "B", "?validOnUid=4", bulk, 200, "{\"uid\":\"5\"}"},
        {"collection_drop", "B _default _default", "", NULL, 200, "{\"uid\":\"6\"}"},
        {"manifest_put", "B", "", bulk, 400, "Creation of _default collection is not allowed."},
        {"scope_drop", "B s", "", NULL, 200, "{\"uid\":\"7\"}"},
    };
    struct cluster c;
    cluster_open(&c);
    cluster_must(&c, "bucket_create", NULL, "name=B&" QUOTA);
    cluster_must(&c, "bucket_create", NULL, "name=M&" QUOTA "&bucketType=memcached");
    RUN(&c, rows);
    cluster_close(&c);
}

static void ids_of_collections_are_never_used_twice(void **state)
{
    struct cluster c;
    uint32_t last = 0;
    cluster_open(&c);
    cluster_must(&c, "bucket_create", NULL, "name=B&" QUOTA);
    for (int i = 0; i < 5; i++) {
        cluster_must(&c, "scope_create", "B", "name=s");
        cluster_must(&c, "collection_create", "B s", "name=a");
        const struct doc_scope *s = doc_find_scope(doc_find_bucket(c.doc, divan_str("B")), divan_str("s"));
        assert_true(s->collections[0].id > last);
        last = s->collections[0].id;
        cluster_must(&c, "scope_drop", "B s", NULL);
    }
    cluster_close(&c);
}

static void users(void **state)
{
    static const struct row rows[] = {
        {"user_put", "local u1", "password=secret1&roles=data_reader[B],data_writer[B]", NULL, 200, "\"\""},
        {"user_put", "local u1", "roles=data_reader[B:_default:_default]", NULL, 200, "\"\""},
        {"user_put", "local u2", "roles=admin", NULL, 400, ERR("password", "Password is required for new user.")},
        {"user_put", "local u2", "password=a&roles=admin", NULL, 400, "at least 6 characters"},
        {"user_put", "local u2", "password=secret2&roles=nosuch,data_reader[nope],data_reader", NULL, 400,
         "undefined: [nosuch,data_reader,data_reader[nope]]"},
        {"user_put", "local u2", "password=secret2&roles=data_reader[B:nope]", NULL, 400, "[data_reader[B:nope]]"},
        {"user_put", "local u2", "password=secret2&roles=admin[B]", NULL, 400, "[admin[B]]"},
        {"user_put", "local a(b", "password=secret2", NULL, 400, "Username must not contain spaces"},
        {"user_put", "local u2", "password=secret2&foo=1", NULL, 400, ERR("foo", "Unsupported key")},
        {"user_put", "local u2", "password=secret2&groups=nope", NULL, 400, ERR("groups", "Groups do not exist: nope")},
        {"user_put", "external e", "password=secret2&roles=admin", NULL, 400, ERR("password", "Unsupported key")},
        {"user_put", "bogus e", "roles=admin", NULL, 404, "\"Unknown user domain.\""},
        {"user_group_put", "g1", "roles=ro_admin&description=d", NULL, 200, "\"\""},
        {"user_group_put", "g(", "roles=", NULL, 400, "Group name must not contain spaces"},
        {"user_put", "local u2", "password=secret2&groups=g1", NULL, 200, "\"\""},
        {"user_patch", "local u2", "name=x", NULL, 400, "\"name\":\"Unsupported key\""},
        {"user_patch", "local u9", "password=secret9", NULL, 404, "\"User was not found.\""},
        {"user_group_delete", "g1", "", NULL, 200, "\"\""},
        {"user_group_delete", "g1", "", NULL, 404, "\"Group was not found.\""},
        {"user_delete", "local u1", "", NULL, 200, "\"\""},
        {"user_delete", "local u1", "", NULL, 404, "\"User was not found.\""},
        {"change_password", NULL, "password=x", NULL, 400, "at least 6 characters"},
        {"change_password", NULL, "password=another1", NULL, 200, ""},
    };
    struct cluster c;
    cluster_open(&c);
    cluster_must(&c, "bucket_create", NULL, "name=B&" QUOTA);
    RUN(&c, rows);
    assert_int_equal(c.doc->user_count, 1);
    assert_int_equal(c.doc->users[0].group_count, 0);
    cluster_close(&c);
}

static void setting_up(void **state)
{
    static const struct row fresh[] = {
        {"cluster_init", NULL, "username=a&password=secret1&services=kv,foo", NULL, 400,
         "Unknown services: [\\\"foo\\\"]"},
        {"cluster_init", NULL, "username=a&password=secret1&services=n1ql", NULL, 400,
         "cannot setup first cluster node without kv service"},
        {"cluster_init", NULL, "username=a&password=secret1&services=kv,index", NULL, 400, "Services not available"},
        {"cluster_init", NULL, "username=a&password=abc", NULL, 400, "\"services\":\"The value must be supplied\""},
        {"cluster_init", "resolving-failed", "hostname=x.y&username=a&password=secret1&services=kv", NULL, 400,
         ERR("hostname", "resolving-failed")},
        {"cluster_init", NULL, "username=a&password=secret1&services=kv&port=99999", NULL, 400, "greater than 1023"},
        {"cluster_init", NULL, "username=a&password=secret1&services=kv&memoryQuota=10", NULL, 400,
         "cannot be less than 256MB"},
        {"services", NULL, "services=", NULL, 400, "At least one service has to be selected"},
        {"rename", "flaw-of-the-name", "hostname=x.y", NULL, 400, "[\"flaw-of-the-name\"]"},
        {"rename", NULL, "", NULL, 400, "[\"The name cannot be empty\"]"},
        {"pools_default", NULL, "memoryQuota=256000000", NULL, 400,
         ERR("_", "Total quota (256000000MB) exceeds the maximum allowed quota (15360MB) on node 'n_9000@127.0.0.1'")},
        {"pools_default", NULL, "memoryQuota=", NULL, 400, "must be an integer"},
        {"pools_default", NULL, "memoryQuota=300&clusterName=x", NULL, 200, ""},
        {"web", NULL, "username=&password=password&port=SAME", NULL, 400, "Username must not be empty"},
        {"web", NULL, "username=a&password=password", NULL, 400, ERR("port", "The value must be supplied")},
        {"web", NULL, "username=a&password=password&port=SAME", NULL, 200,
         "{\"newBaseUri\":\"http://127.0.0.1:9000/\"}"},
        {"services", NULL, "services=kv", NULL, 400, "cannot change node services after cluster is provisioned"},
        {"pools_default", NULL, "memoryQuota=400", NULL, 200, ""},
    };
    struct cluster c = {.doc = doc_new(), .node = NODE_A};
    rng_init(&c.rng, 1);
    cluster_hello(&c, NODE_A, "127.0.0.1", 9000);
    assert_int_equal(c.doc->quotas.kv, (16384 - 1024) / 2);
    RUN(&c, fresh);
    assert_true(c.doc->provisioned);
    assert_string_equal(c.doc->admin, "a");
    cluster_close(&c);
}

static void settings(void **state)
{
    static const struct row rows[] = {
        {"auto_failover", NULL, "enabled=true&timeout=30&maxCount=2", NULL, 200, ""},
        {"auto_failover", NULL, "enabled=true&timeout=3601", NULL, 400,
         "{\"errors\":{\"timeout\":\"The value must be in range from 1 to 3600\",\"_\":\"enabled is true. A value must "
         "be supplied for timeout\"}}"},
        {"auto_failover", NULL, "enabled=x&timeout=30", NULL, 400, "enabled must be true for timeout to take effect"},
        {"auto_failover", NULL, "", NULL, 400, ERR("enabled", "The value must be supplied")},
        {"auto_failover", NULL, "enabled=true&timeout=30&maxCount=101", NULL, 400, "in range from 1 to 100"},
        {"auto_failover", NULL, "enabled=false", NULL, 200, ""},
        {"setting", "/settings/stats", "sendStats=x", NULL, 400,
         ERR("sendStats", "The value must be one of the following: [true,false]")},
        {"setting", "/settings/stats", "foo=1", NULL, 400, ERR("foo", "Unsupported key")},
        {"setting", "/settings/stats", "sendStats=true", NULL, 200, ""},
        {"setting", "/settings/nope", "", NULL, 404, "Not found."},
        {"alternate_set", NULL, "kv=31000", NULL, 400, "hostname should be specified"},
        {"alternate_set", NULL, "hostname=e.x&kv=x", NULL, 400, "Invalid Port \"kv\" : Port must be a number."},
        {"alternate_set", NULL, "hostname=e.x&kv=0", NULL, 400, "greater than 1023"},
        {"alternate_set", NULL, "hostname=e.x&bogus=31000", NULL, 400, "Invalid Port \"bogus\" : No such port."},
        {"alternate_set", NULL, "hostname=e.x&n1ql=31000", NULL, 400,
         "Cannot set external ports [\"n1ql\"] as services are unavailable on the node."},
        {"alternate_set", NULL, "hostname=e.x&kv=31000", NULL, 200, ""},
        {"alternate_clear", NULL, "", NULL, 200, ""},
        {"rebalance", NULL, "knownNodes=", NULL, 400, "{\"empty_known_nodes\":1}"},
        {"rebalance", NULL, "knownNodes=ns_1@127.0.0.9", NULL, 400, "{\"mismatch\":1}"},
        {"rebalance", NULL, "knownNodes=n_9000@127.0.0.1", NULL, 200, "rebalance_id"},
        {"group_add", NULL, "name=Group 1", NULL, 400, "already exists"},
        {"group_delete", "0", "", NULL, 400, "group is not empty"},
        {"paths", NULL, "path=", NULL, 400, "[\"path cannot contain empty string\"]"},
        {"paths", NULL, "path=rel/path", NULL, 400, "[\"An absolute path is required for path\"]"},
        {"node_hello", NULL, "", "{}", 400, "a node needs a uuid and a host"},
        {"expect_nodes", NULL, "nodes=0", NULL, 400, "range from 1 to 100"},
    };
    struct cluster c;
    cluster_open(&c);
    RUN(&c, rows);
    assert_false(c.doc->auto_failover.enabled);
    assert_int_equal(c.doc->auto_failover.max_count, 2);
    cluster_close(&c);
}

/* ---- revisions */

static void a_configuration_gets_a_new_revision_only_when_it_says_something_new(void **state)
{
    struct cluster c;
    cluster_open(&c);
    cluster_must(&c, "bucket_create", NULL, "name=A&" QUOTA);
    cluster_must(&c, "bucket_create", NULL, "name=B&" QUOTA);
    int64_t a = c.doc->buckets[0].rev, b = c.doc->buckets[1].rev, nodes = c.doc->nodes_rev;
    assert_true(b > a);
    cluster_must(&c, "user_put", "local u", "password=secret1&roles=admin");
    cluster_must(&c, "bucket_edit", "A", "maxTTL=5");
    assert_int_equal(c.doc->buckets[0].rev, a);
    cluster_must(&c, "scope_create", "A", "name=s");
    assert_int_equal(c.doc->buckets[0].rev, c.doc->revision.rev);
    assert_int_equal(c.doc->buckets[1].rev, b);
    assert_int_equal(c.doc->nodes_rev, nodes);
    cluster_must(&c, "alternate_set", NULL, "hostname=ext.example.com");
    assert_int_equal(c.doc->nodes_rev, c.doc->revision.rev);
    assert_int_equal(c.doc->buckets[1].rev, c.doc->revision.rev);
    cluster_close(&c);
}

/* ---- maps over several nodes */

static void check_balance(const struct doc_vbmap *m, size_t nodes)
{
    size_t active[8] = {0}, replica[8][8] = {{0}};
    for (unsigned v = 0; v < m->vbuckets; v++) {
        const int16_t *row = m->entries + (size_t)v * m->row;
        assert_in_range(row[0], 0, nodes - 1);
        active[row[0]]++;
        for (unsigned c = 1; c < m->row; c++) {
            if (c >= nodes) {
                assert_int_equal(row[c], -1);
                continue;
            }
            for (unsigned k = 0; k < c; k++) assert_int_not_equal(row[c], row[k]);
            if (c == 1) replica[row[0]][row[c]]++;
        }
    }
    for (size_t i = 0; i < nodes; i++) {
        assert_in_range(active[i], m->vbuckets / nodes, m->vbuckets / nodes + 1);
        for (size_t k = 0; k < nodes && m->row > 1 && nodes > 1; k++)
            if (k != i) assert_in_range(replica[i][k], active[i] / (nodes - 1), active[i] / (nodes - 1) + 1);
    }
}

static void maps_spread_copies_evenly(void **state)
{
    for (unsigned nodes = 1; nodes <= 5; nodes++)
        for (unsigned replicas = 0; replicas <= 3; replicas++) {
            struct cluster c = {.doc = doc_new(), .node = NODE_A};
            char form[100], uuid[33];
            rng_init(&c.rng, nodes);
            c.doc->vbuckets = 64;
            snprintf(form, sizeof form, "nodes=%u", nodes);
            cluster_must(&c, "expect_nodes", NULL, form);
            snprintf(form, sizeof form, "name=B&" QUOTA "&replicaNumber=%u", replicas);
            cluster_must(&c, "bucket_create", NULL, form);
            for (unsigned i = 0; i < nodes; i++) {
                assert_null(c.doc->buckets[0].map.entries); /* waits for all of them */
                snprintf(uuid, sizeof uuid, "%032x", i + 1);
                snprintf(form, sizeof form, "127.0.0.%u", i + 1);
                cluster_hello(&c, uuid, form, 9000);
            }
            const struct doc_vbmap *m = &c.doc->buckets[0].map;
            assert_non_null(m->entries);
            assert_int_equal(m->row, replicas + 1);
            assert_int_equal(m->server_count, nodes);
            check_balance(m, nodes);
            cluster_close(&c);
        }
}

static void a_node_that_comes_back_keeps_its_place(void **state)
{
    struct cluster c;
    cluster_open(&c);
    cluster_must(&c, "bucket_create", NULL, "name=B&" QUOTA);
    cluster_hello(&c, NODE_A, "127.0.0.1", 9500);
    assert_int_equal(c.doc->node_count, 1);
    assert_int_equal(c.doc->nodes[0].ports.plain[SVC_KV], 9510);
    assert_int_equal(c.doc->buckets[0].rev, c.doc->revision.rev);
    cluster_hello(&c, NODE_B, "127.0.0.2", 9500); /* nobody expected it: it waits to be added */
    assert_int_equal(c.doc->nodes[1].membership, DOC_INACTIVE_ADDED);
    assert_int_equal(c.doc->buckets[0].map.server_count, 1);
    cluster_close(&c);
}

static void memory_that_runs_out_changes_nothing(void **state)
{
    struct cluster c;
    cluster_open(&c);
    cluster_fill(&c);
    int64_t live = mem_live();
    char *before = doc_json(c.doc);
    for (uint64_t n = 1; n < 400; n++) {
        struct manager_field form[] = {{divan_str("name"), divan_str("N")},
                                       {divan_str("ramQuotaMB"), divan_str("100")}};
        struct manager_request request = {
            .op = "bucket_create", .form = form, .form_count = 2, .node = NODE_A, .user = ""};
        struct plan_input in = {c.doc, &request, &c.rng, 0};
        struct plan_reply reply = {0};
        struct doc *next = NULL;
        mem_fail_at(n);
        plan_run(&in, &next, &reply);
        mem_fail_at(0);
        assert_true(next ? reply.status == 202 : reply.status == 500);
        plan_reply_fini(&reply);
        doc_release(next);
    }
    char *after = doc_json(c.doc);
    assert_string_equal(before, after);
    mem_free(before);
    mem_free(after);
    assert_int_equal(mem_live(), live);
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets),
        cmocka_unit_test(collections),
        cmocka_unit_test(ids_of_collections_are_never_used_twice),
        cmocka_unit_test(users),
        cmocka_unit_test(setting_up),
        cmocka_unit_test(settings),
        cmocka_unit_test(a_configuration_gets_a_new_revision_only_when_it_says_something_new),
        cmocka_unit_test(maps_spread_copies_evenly),
        cmocka_unit_test(a_node_that_comes_back_keeps_its_place),
        cmocka_unit_test(memory_that_runs_out_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
