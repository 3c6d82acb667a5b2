/* Management calls: what they send, what refusals mean, and all of them against a real node. */
#include "unit/node_thread.h"

#include <divan/divan.h>

#include "client/management.h"
#include "text/json.h"

struct stage {
    struct node_thread node;
    divan_cluster *cluster;
};

static void assert_code(enum divan_code got, enum divan_code want, const struct divan_error *err)
{
    if (got != want) fail_msg("got %s, want %s: %s", divan_code_name(got), divan_code_name(want), err->message);
}

static void must(enum divan_code rc, const struct divan_error *err)
{
    assert_code(rc, DIVAN_OK, err);
}

static divan_cluster *open_as(const struct stage *t, const char *user, const char *password)
{
    struct divan_error err;
    divan_cluster *cluster = NULL;
    const struct divan_cluster_options o = {.username = user, .password = password};
    must(divan_cluster_open(&cluster, t->node.connstr, &o, &err), &err);
    return cluster;
}

static int set(void **state)
{
    struct stage *t = calloc(1, sizeof *t);
    node_thread_start(&t->node);
    t->cluster = open_as(t, "Administrator", "password");
    *state = t;
    return 0;
}

static int strike(void **state)
{
    struct stage *t = *state;
    divan_cluster_close(t->cluster);
    node_thread_stop(&t->node);
    free(t);
    return 0;
}

static bool says(const divan_result *r, const char *text)
{
    struct divan_bytes v = divan_result_value(r);
    return v.len && memmem(v.data, v.len, text, strlen(text)) != NULL;
}

static void assert_has(divan_result *r, const char *text)
{
    struct divan_bytes v = divan_result_value(r);
    if (!says(r, text)) fail_msg("no %s in %.*s", text, (int)v.len, (const char *)v.data);
    assert_true(json_is_valid(v));
    divan_result_release(r);
}

/* ---- buckets */

static void buckets_come_and_go(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    const struct divan_bucket_settings travel = {.name = "travel",
                                                 .ram_quota_mib = 128,
                                                 .has_replicas = DIVAN_NO,
                                                 .flush = DIVAN_YES,
                                                 .compression = DIVAN_COMPRESSION_ACTIVE,
                                                 .max_expiry_s = 3600};
    must(divan_bucket_create(t->cluster, &travel, NULL, &err), &err);
    assert_code(divan_bucket_create(t->cluster, &travel, NULL, &err), DIVAN_ERR_BUCKET_EXISTS, &err);
    assert_string_equal(err.op, "bucket_create");
    assert_int_equal(err.server_status, 400);
    assert_non_null(strstr(err.message, "name: Bucket with given name already exists"));
    must(divan_bucket_get(t->cluster, "travel", NULL, &r, &err), &err);
    assert_int_equal(divan_result_http_status(r), 200);
    assert_has(r, "\"maxTTL\":3600");
    must(divan_bucket_list(t->cluster, NULL, &r, &err), &err);
    assert_true(says(r, "\"default\""));
    assert_has(r, "\"travel\"");
    divan_collection *c = divan_cluster_collection(t->cluster, "travel", NULL, NULL, &err);
    must(divan_upsert(c, divan_str("k"), divan_str("1"), NULL, NULL, &err), &err); /* waits until it can be used */
    must(divan_bucket_flush(t->cluster, "travel", NULL, &err), &err);
    assert_code(divan_get(c, divan_str("k"), NULL, NULL, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND, &err);
    must(divan_bucket_update(t->cluster,
                             &(struct divan_bucket_settings){.name = "travel", .flush = DIVAN_NO, .max_expiry_s = 60},
                             NULL, &err),
         &err);
    assert_code(divan_bucket_flush(t->cluster, "travel", NULL, &err), DIVAN_ERR_BUCKET_NOT_FLUSHABLE, &err);
    must(divan_bucket_get(t->cluster, "travel", NULL, &r, &err), &err);
    assert_has(r, "\"maxTTL\":60");
    must(divan_bucket_drop(t->cluster, "travel", NULL, &err), &err);
    assert_code(divan_bucket_drop(t->cluster, "travel", NULL, &err), DIVAN_ERR_BUCKET_NOT_FOUND, &err);
    assert_code(divan_bucket_get(t->cluster, "travel", NULL, NULL, &err), DIVAN_ERR_BUCKET_NOT_FOUND, &err);
    assert_code(divan_bucket_create(t->cluster, &(struct divan_bucket_settings){.name = "small", .ram_quota_mib = 5},
                                    NULL, &err),
                DIVAN_ERR_INVALID_ARGUMENT, &err);
    assert_non_null(strstr(err.message, "100 MiB"));
}

/* ---- scopes and collections */

static void scopes_and_collections_come_and_go(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    must(divan_scope_create(t->cluster, "default", "inventory", NULL, &r, &err), &err);
    uint64_t first = divan_result_number(r);
    assert_true(first > 0);
    divan_result_release(r);
    assert_code(divan_scope_create(t->cluster, "default", "inventory", NULL, NULL, &err), DIVAN_ERR_SCOPE_EXISTS, &err);
    must(divan_collection_create(t->cluster, "default", "inventory", "hotels",
                                 &(struct divan_collection_settings){.max_expiry_s = 77}, NULL, &r, &err),
         &err);
    assert_true(divan_result_number(r) > first);
    divan_result_release(r);
    assert_code(divan_collection_create(t->cluster, "default", "inventory", "hotels", NULL, NULL, NULL, &err),
                DIVAN_ERR_COLLECTION_EXISTS, &err);
    assert_code(divan_collection_create(t->cluster, "default", "none", "hotels", NULL, NULL, NULL, &err),
                DIVAN_ERR_SCOPE_NOT_FOUND, &err);
    assert_code(divan_collection_create(t->cluster, "none", "s", "hotels", NULL, NULL, NULL, &err),
                DIVAN_ERR_BUCKET_NOT_FOUND, &err);
    must(divan_collection_list(t->cluster, "default", NULL, &r, &err), &err);
    assert_true(says(r, "\"hotels\""));
    assert_has(r, "\"maxTTL\":77");
    divan_collection *hotels = divan_cluster_collection(t->cluster, "default", "inventory", "hotels", &err);
    must(divan_upsert(hotels, divan_str("h"), divan_str("{}"), NULL, NULL, &err), &err);
    must(divan_collection_update(t->cluster, "default", "inventory", "hotels",
                                 &(struct divan_collection_settings){.max_expiry_s = -1}, NULL, NULL, &err),
         &err);
    must(divan_collection_create(t->cluster, "default", NULL, "in_default", NULL, NULL, NULL, &err), &err);
    must(divan_collection_drop(t->cluster, "default", "inventory", "hotels", NULL, NULL, &err), &err);
    assert_code(divan_collection_drop(t->cluster, "default", "inventory", "hotels", NULL, NULL, &err),
                DIVAN_ERR_COLLECTION_NOT_FOUND, &err);
    assert_code(divan_get(hotels, divan_str("h"), &(struct divan_get_options){.timeout_ms = 300}, NULL, &err),
                DIVAN_ERR_COLLECTION_NOT_FOUND, &err);
    must(divan_scope_drop(t->cluster, "default", "inventory", NULL, NULL, &err), &err);
    assert_code(divan_scope_drop(t->cluster, "default", "inventory", NULL, NULL, &err), DIVAN_ERR_SCOPE_NOT_FOUND,
                &err);
}

/* ---- users and groups */

static void users_and_groups_come_and_go(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    static const char *const roles[] = {"data_reader[default]", "data_writer[default]"};
    static const char *const bad[] = {"emperor"};
    static const char *const groups[] = {"staff"};
    const struct divan_group staff = {.name = "staff", .description = "those here", .roles = roles, .role_count = 1};
    must(divan_group_upsert(t->cluster, &staff, NULL, &err), &err);
    const struct divan_user ann = {.name = "ann",
                                   .display_name = "Ann & Co",
                                   .password = "secret1",
                                   .roles = roles,
                                   .role_count = 2,
                                   .groups = groups,
                                   .group_count = 1};
    must(divan_user_upsert(t->cluster, &ann, NULL, &err), &err);
    must(divan_user_get(t->cluster, NULL, "ann", NULL, &r, &err), &err);
    assert_true(says(r, "Ann & Co"));
    assert_has(r, "\"staff\"");
    must(divan_user_list(t->cluster, NULL, NULL, &r, &err), &err);
    assert_has(r, "\"ann\"");
    must(divan_group_list(t->cluster, NULL, &r, &err), &err);
    assert_has(r, "those here");
    must(divan_role_list(t->cluster, NULL, &r, &err), &err);
    assert_has(r, "\"data_reader\"");

    divan_cluster *as_ann = open_as(t, "ann", "secret1");
    divan_collection *c = divan_cluster_collection(as_ann, "default", NULL, NULL, &err);
    must(divan_upsert(c, divan_str("k"), divan_str("1"), NULL, NULL, &err), &err);
    assert_code(divan_bucket_drop(as_ann, "default", NULL, &err), DIVAN_ERR_AUTHENTICATION_FAILURE, &err);
    must(divan_password_change(as_ann, "secret2", NULL, &err), &err);
    divan_cluster_close(as_ann);
    as_ann = open_as(t, "ann", "secret2");
    divan_cluster_close(as_ann);

    assert_code(
        divan_user_upsert(t->cluster,
                          &(struct divan_user){.name = "bob", .roles = bad, .role_count = 1, .password = "secret1"},
                          NULL, &err),
        DIVAN_ERR_INVALID_ARGUMENT, &err);
    assert_non_null(strstr(err.message, "emperor"));
    must(divan_user_drop(t->cluster, NULL, "ann", NULL, &err), &err);
    assert_code(divan_user_drop(t->cluster, "local", "ann", NULL, &err), DIVAN_ERR_USER_NOT_FOUND, &err);
    must(divan_group_drop(t->cluster, "staff", NULL, &err), &err);
    assert_code(divan_group_drop(t->cluster, "staff", NULL, &err), DIVAN_ERR_GROUP_NOT_FOUND, &err);
    assert_code(divan_group_get(t->cluster, "staff", NULL, NULL, &err), DIVAN_ERR_GROUP_NOT_FOUND, &err);
}

/* ---- anything */

static void plain_requests(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    must(divan_http(t->cluster, &(struct divan_http_request){.path = "/pools"}, NULL, &r, &err), &err);
    assert_has(r, "\"implementationVersion\"");
    assert_code(divan_http(t->cluster, &(struct divan_http_request){.path = "/no/such/thing"}, NULL, NULL, &err),
                DIVAN_ERR_UNSUPPORTED_OPERATION, &err);
    assert_int_equal(err.server_status, 404);
    divan_queue *queue = divan_queue_new(t->cluster);
    for (int i = 0; i < 40; i++) /* more than there are connections */
        must(divan_http_start(t->cluster, &(struct divan_http_request){.path = "/pools/default"}, NULL,
                              (struct divan_done){.queue = queue}, &err),
             &err);
    for (size_t n = 0; n < 40; n++) {
        assert_int_equal(divan_queue_pop(queue, &r, 1, 5000), 1);
        if (divan_result_error(r)) fail_msg("%s", divan_result_error(r)->message);
        divan_result_release(r);
    }
    divan_queue_free(queue);
}

/* Not about management, but a bucket as a cluster makes it: not one of the engine alone. */
static void copies_are_waited_for_the_old_way(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_collection *c = divan_cluster_collection(t->cluster, "default", NULL, NULL, &err);
    const struct divan_upsert_options active = {.persist_to = DIVAN_PERSIST_TO_ACTIVE};
    const struct divan_upsert_options one = {.persist_to = DIVAN_PERSIST_TO_ONE};
    const struct divan_upsert_options replica = {.replicate_to = DIVAN_REPLICATE_TO_ONE};
    must(divan_upsert(c, divan_str("k"), divan_str("1"), &active, NULL, &err), &err);
    must(divan_upsert(c, divan_str("k"), divan_str("2"), &one, NULL, &err), &err);
    assert_code(divan_upsert(c, divan_str("k"), divan_str("3"), &replica, NULL, &err), DIVAN_ERR_DURABILITY_IMPOSSIBLE,
                &err);
    divan_result *r = NULL;
    must(divan_get(c, divan_str("k"), NULL, &r, &err), &err);
    assert_memory_equal(divan_result_value(r).data, "2", 1);
    divan_result_release(r);
    const struct divan_mutation change[] = {divan_mutate_upsert("a", divan_str("1"))};
    const struct divan_mutate_options with = {.store = DIVAN_STORE_UPSERT, .persist_to = DIVAN_PERSIST_TO_ACTIVE};
    must(divan_mutate_in(c, divan_str("d"), change, 1, &with, NULL, &err), &err);
}

static void closing_ends_requests(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    divan_queue *queue = divan_queue_new(t->cluster);
    for (int i = 0; i < 20; i++)
        must(divan_http_start(t->cluster, &(struct divan_http_request){.path = "/pools/default"}, NULL,
                              (struct divan_done){.queue = queue}, &err),
             &err);
    divan_cluster_close(t->cluster);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(divan_queue_pop(queue, &r, 1, 0), 1);
        const struct divan_error *why = divan_result_error(r); /* NULL: it was quicker */
        if (why) assert_code(why->code, DIVAN_ERR_CANCELLED, why);
        divan_result_release(r);
    }
    divan_queue_free(queue);
    t->cluster = open_as(t, "Administrator", "password");
}

static void wrong_arguments(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    static char long_name[140];
    memset(long_name, 'n', 129);
    divan_cluster *c = t->cluster;
    const struct {
        enum divan_code got, want;
    } rows[] = {
        {divan_bucket_create(NULL, NULL, NULL, &err), DIVAN_ERR_NO_BUCKET},
        {divan_bucket_drop(NULL, "b", NULL, &err), DIVAN_ERR_HANDLE_NULL},
        {divan_bucket_drop(c, NULL, NULL, &err), DIVAN_ERR_NO_BUCKET},
        {divan_bucket_drop(c, "a/b", NULL, &err), DIVAN_ERR_BUCKET_NAME},
        {divan_bucket_drop(c, "", NULL, &err), DIVAN_ERR_BUCKET_NAME},
        {divan_bucket_create(c, &(struct divan_bucket_settings){.name = "b", .flush = (enum divan_choice)9}, NULL,
                             &err),
         DIVAN_ERR_INVALID_ARGUMENT},
        {divan_bucket_create(c, &(struct divan_bucket_settings){.name = "b", .eviction = (enum divan_bucket_eviction)9},
                             NULL, &err),
         DIVAN_ERR_INVALID_ARGUMENT},
        {divan_bucket_create(c, &(struct divan_bucket_settings){.name = "b", .replicas = 2, .has_replicas = DIVAN_NO},
                             NULL, &err),
         DIVAN_ERR_INVALID_ARGUMENT},
        {divan_bucket_create(c, &(struct divan_bucket_settings){.name = "b", .extra = "a=b\r\nX: y"}, NULL, &err),
         DIVAN_ERR_HTTP_REQUEST},
        {divan_scope_create(c, NULL, "s", NULL, NULL, &err), DIVAN_ERR_NO_BUCKET},
        {divan_scope_create(c, "default", "", NULL, NULL, &err), DIVAN_ERR_SCOPE_NAME},
        {divan_scope_create(c, "default", "a b", NULL, NULL, &err), DIVAN_ERR_SCOPE_NAME},
        {divan_collection_create(c, "default", "s", NULL, NULL, NULL, NULL, &err), DIVAN_ERR_COLLECTION_NAME},
        {divan_collection_create(c, "default", "s", "c", &(struct divan_collection_settings){.max_expiry_s = -2}, NULL,
                                 NULL, &err),
         DIVAN_ERR_EXPIRY_RANGE},
        {divan_user_upsert(c, NULL, NULL, &err), DIVAN_ERR_USER_NAME},
        {divan_user_drop(c, NULL, long_name, NULL, &err), DIVAN_ERR_USER_NAME},
        {divan_user_drop(c, "moon", "u", NULL, &err), DIVAN_ERR_INVALID_ARGUMENT},
        {divan_user_upsert(c, &(struct divan_user){.name = "u", .role_count = 1}, NULL, &err),
         DIVAN_ERR_INVALID_ARGUMENT},
        {divan_group_drop(c, "", NULL, &err), DIVAN_ERR_USER_NAME},
        {divan_password_change(c, NULL, NULL, &err), DIVAN_ERR_CREDENTIALS},
        {divan_http(c, NULL, NULL, NULL, &err), DIVAN_ERR_HTTP_REQUEST},
        {divan_http(c, &(struct divan_http_request){.path = "pools"}, NULL, NULL, &err), DIVAN_ERR_HTTP_REQUEST},
        {divan_http(c, &(struct divan_http_request){.path = "/a b"}, NULL, NULL, &err), DIVAN_ERR_HTTP_REQUEST},
        {divan_http(c, &(struct divan_http_request){.path = "/a\r\nX: y"}, NULL, NULL, &err), DIVAN_ERR_HTTP_REQUEST},
        {divan_http(c, &(struct divan_http_request){.path = "/", .method = "GET /x"}, NULL, NULL, &err),
         DIVAN_ERR_HTTP_REQUEST},
        {divan_http(c, &(struct divan_http_request){.path = "/", .body = {NULL, 3}}, NULL, NULL, &err),
         DIVAN_ERR_VALUE_NULL},
        {divan_bucket_list(c, &(struct divan_management_options){.timeout_ms = UINT32_MAX}, NULL, &err),
         DIVAN_ERR_TIMEOUT_RANGE},
        {divan_http_start(c, &(struct divan_http_request){.path = "/"}, NULL, (struct divan_done){.fn = NULL}, &err),
         DIVAN_ERR_COMPLETION},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].got != rows[i].want) fail_msg("row %zu: %s", i, divan_code_name(rows[i].got));
}

/* ---- pure: what refusals mean. Bodies as a 7.6.2 cluster sent them. */

static void refusals_have_codes(void **state)
{
    const struct {
        enum http_subject subject;
        unsigned status;
        const char *body;
        enum divan_code code;
        const char *words;
    } rows[] = {
        {ABOUT_BUCKET, 400, "{\"errors\":{\"name\":\"Bucket with given name already exists\"},\"summaries\":{}}",
         DIVAN_ERR_BUCKET_EXISTS, "name: Bucket with given name already exists"},
        {ABOUT_BUCKET, 404, "Requested resource not found.\r\n", DIVAN_ERR_BUCKET_NOT_FOUND,
         "Requested resource not found.  "},
        {ABOUT_SCOPE, 400, "{\"errors\":{\"_\":\"Scope with name \\\"s1\\\" already exists\"}}", DIVAN_ERR_SCOPE_EXISTS,
         "Scope with name \"s1\" already exists"},
        {ABOUT_COLLECTION, 400,
         "{\"errors\":{\"_\":\"Collection with name \\\"c1\\\" in scope \\\"s1\\\" already exists\"}}",
         DIVAN_ERR_COLLECTION_EXISTS, "Collection with name \"c1\" in scope \"s1\" already exists"},
        {ABOUT_COLLECTION, 404, "{\"errors\":{\"_\":\"Scope with name \\\"nope\\\" is not found\"}}",
         DIVAN_ERR_SCOPE_NOT_FOUND, "Scope with name \"nope\" is not found"},
        {ABOUT_COLLECTION, 404,
         "{\"errors\":{\"_\":\"Collection with name \\\"nope\\\" in scope \\\"s1\\\" is not found\"}}",
         DIVAN_ERR_COLLECTION_NOT_FOUND, "Collection with name \"nope\" in scope \"s1\" is not found"},
        {ABOUT_COLLECTION, 404, "Requested resource not found.\r\n", DIVAN_ERR_BUCKET_NOT_FOUND,
         "Requested resource not found.  "},
        {ABOUT_USER, 404, "\"Unknown user.\"", DIVAN_ERR_USER_NOT_FOUND, "Unknown user."},
        {ABOUT_USER, 404, "\"Unknown user domain.\"", DIVAN_ERR_INVALID_ARGUMENT, "Unknown user domain."},
        {ABOUT_GROUP, 404, "\"Unknown group.\"", DIVAN_ERR_GROUP_NOT_FOUND, "Unknown group."},
        {ABOUT_USER, 403,
         "{\"message\":\"Forbidden. User needs the following permissions\",\"permissions\":[\"cluster.tasks!read\"]}",
         DIVAN_ERR_AUTHENTICATION_FAILURE,
         "Forbidden. User needs the following permissions; permissions: [\"cluster.tasks!read\"]"},
        {ABOUT_USER, 400, "{\"errors\":{\"a\":\"x\",\"b\":\"y\"}}", DIVAN_ERR_INVALID_ARGUMENT, "a: x; b: y"},
        {ABOUT_ANYTHING, 400, "[\"one\",\"two\"]", DIVAN_ERR_INVALID_ARGUMENT, "one; two"},
        {ABOUT_BUCKET, 400, "{\"_\":\"Flush is disabled for the bucket\"}", DIVAN_ERR_BUCKET_NOT_FLUSHABLE,
         "Flush is disabled for the bucket"},
        {ABOUT_COLLECTION, 429, "{\"errors\":{\"_\":\"Maximum number of collections has been reached for scope\"}}",
         DIVAN_ERR_QUOTA_LIMITED, "Maximum number of collections has been reached for scope"},
        {ABOUT_ANYTHING, 429, "Limit(s) exceeded [ingress]", DIVAN_ERR_RATE_LIMITED, "Limit(s) exceeded [ingress]"},
        {ABOUT_ANYTHING, 401, "", DIVAN_ERR_AUTHENTICATION_FAILURE, ""},
        {ABOUT_ANYTHING, 404, "Not found.", DIVAN_ERR_UNSUPPORTED_OPERATION, "Not found."},
        {ABOUT_ANYTHING, 405, "", DIVAN_ERR_UNSUPPORTED_OPERATION, ""},
        {ABOUT_ANYTHING, 500, "[\"Unexpected server error, request logged.\"]", DIVAN_ERR_INTERNAL_SERVER_FAILURE,
         "Unexpected server error, request logged."},
        {ABOUT_ANYTHING, 503, "", DIVAN_ERR_SERVICE_NOT_AVAILABLE, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char words[200];
        struct divan_bytes body = divan_str(rows[i].body);
        enum divan_code code = http_code(rows[i].subject, rows[i].status, body);
        if (code != rows[i].code) fail_msg("row %zu: %s", i, divan_code_name(code));
        http_words(body, words, sizeof words);
        assert_string_equal(words, rows[i].words);
    }
}

static void names_are_escaped(void **state)
{
    struct mgmt_call call;
    mgmt_user(&call, "user_drop", "DELETE", NULL, "a/b c@d");
    assert_string_equal(buf_text(&call.path), "/settings/rbac/users/local/a%2Fb%20c%40d");
    buf_fini(&call.path);
    buf_fini(&call.form);
    mgmt_bucket_save(&call, &(struct divan_bucket_settings){.name = "b%1", .extra = "x=1"}, true);
    assert_string_equal(buf_text(&call.path), "/pools/default/buckets");
    assert_string_equal(buf_text(&call.form), "name=b%251&bucketType=couchbase&ramQuotaMB=100&replicaNumber=1&x=1");
    buf_fini(&call.path);
    buf_fini(&call.form);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_have_codes),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test_setup_teardown(buckets_come_and_go, set, strike),
        cmocka_unit_test_setup_teardown(scopes_and_collections_come_and_go, set, strike),
        cmocka_unit_test_setup_teardown(users_and_groups_come_and_go, set, strike),
        cmocka_unit_test_setup_teardown(plain_requests, set, strike),
        cmocka_unit_test_setup_teardown(copies_are_waited_for_the_old_way, set, strike),
        cmocka_unit_test_setup_teardown(closing_ends_requests, set, strike),
        cmocka_unit_test_setup_teardown(wrong_arguments, set, strike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
