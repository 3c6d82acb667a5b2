/* What a program may get wrong when it calls the client, and what a server may send: each with its own code and a sentence
 * that says what is wrong, where, and what to do. Part of the list of 200 malformed inputs. */
#include "unit/engine_thread.h"

#include <divan/divan.h>

#include "client/call.h"
#include "client/cluster.h"

struct stage {
    struct engine_thread node;
    divan_cluster *cluster, *second;
    divan_collection *people, *named;
    divan_queue *foreign_queue, *queue;
};

static struct stage stage;
static char long_text[21 * 1024 * 1024 + 2];

static divan_cluster *open_one(void)
{
    struct divan_error err;
    divan_cluster *cluster = NULL;
    const struct divan_cluster_options o = {.username = "u", .password = "p"};
    engine_must(divan_cluster_open(&cluster, stage.node.connstr, &o, &err), &err);
    return cluster;
}

static int set(void **state)
{
    struct divan_error err;
    memset(long_text, 'x', sizeof long_text - 1);
    engine_thread_start(&stage.node);
    stage.cluster = open_one();
    stage.second = open_one();
    stage.people = divan_cluster_collection(stage.cluster, NULL, NULL, NULL, &err);
    stage.named = divan_cluster_collection(stage.cluster, NULL, "s", "c", &err);
    stage.queue = divan_queue_new(stage.cluster);
    stage.foreign_queue = divan_queue_new(stage.second);
    return 0;
}

static int strike(void **state)
{
    divan_queue_free(stage.queue);
    divan_queue_free(stage.foreign_queue);
    divan_cluster_close(stage.cluster);
    divan_cluster_close(stage.second);
    engine_thread_stop(&stage.node);
    return 0;
}

/* A sentence: not empty, begins small, has no line break, and names `word`. */
static void check_sentence(const struct divan_error *err, enum divan_code code, const char *word)
{
    if (err->code != code)
        fail_msg("expected %s, got %s: %s", divan_code_name(code), divan_code_name(err->code), err->message);
    assert_true(strlen(err->message) > 15);
    assert_null(strchr(err->message, '\n'));
    if (!strstr(err->message, word)) fail_msg("\"%s\" does not say \"%s\"", err->message, word);
}

/* ---- opening */

static void nothing(divan_result *r, void *user) {}

static void options_and_strings(void **state)
{
    static const struct {
        const char *connstr;
        struct divan_cluster_options o;
        enum divan_code code;
        const char *word;
    } rows[] = {
        {NULL, {.username = NULL}, DIVAN_ERR_CONNSTR_EMPTY, "NULL"},
        {"", {.username = NULL}, DIVAN_ERR_CONNSTR_EMPTY, "empty"},
        {"couchbase://", {.username = NULL}, DIVAN_ERR_CONNSTR_NO_HOST, "host"},
        {"redis://h", {.username = NULL}, DIVAN_ERR_CONNSTR_SCHEME, "redis"},
        {"couchbase://h:0", {.username = NULL}, DIVAN_ERR_CONNSTR_PORT, ""},
        {"couchbase://h:65536", {.username = NULL}, DIVAN_ERR_CONNSTR_PORT, ""},
        {"couchbase://h:x", {.username = NULL}, DIVAN_ERR_CONNSTR_PORT, ""},
        {"couchbase://u:p@h", {.username = NULL}, DIVAN_ERR_CONNSTR_USER, ""},
        {"couchbase://h/a b", {.username = NULL}, DIVAN_ERR_CONNSTR_CHARACTER, ""},
        {"couchbase://h/%2Fx", {.username = NULL}, DIVAN_ERR_BUCKET_NAME, "\"/\""},
        {"couchbase://h?kv_timout=3s", {.username = NULL}, DIVAN_ERR_OPTION_UNKNOWN, "kv_timeout"},
        {"couchbase://h?kv_timeout=soon", {.username = NULL}, DIVAN_ERR_OPTION_NOT_DURATION, "kv_timeout"},
        {"couchbase://h?kv_timeout=0", {.username = NULL}, DIVAN_ERR_OPTION_RANGE, "kv_timeout"},
        {"couchbase://h?enable_compression=maybe",
         {.username = NULL},
         DIVAN_ERR_OPTION_NOT_BOOLEAN,
         "enable_compression"},
        {"couchbase://h?ip_protocol=v7", {.username = NULL}, DIVAN_ERR_OPTION_CHOICE, "ip_protocol"},
        {"couchbase://h?num_kv_connections=x", {.username = NULL}, DIVAN_ERR_OPTION_NOT_NUMBER, "num_kv_connections"},
        {"couchbase://h?allowed_sasl_mechanisms=MD5", {.username = NULL}, DIVAN_ERR_OPTION_CHOICE, "MD5"},
        {"couchbase://h?allowed_sasl_mechanisms=,",
         {.username = NULL},
         DIVAN_ERR_OPTION_CHOICE,
         "allowed_sasl_mechanisms"},
        {"couchbase://h", {.retry = (enum divan_retry)9}, DIVAN_ERR_OPTION_CHOICE, "retry is 9"},
        {"couchbase://h", {.retry = (enum divan_retry) - 1}, DIVAN_ERR_OPTION_CHOICE, "retry is -1"},
        {"couchbase://h", {.log_level = (enum divan_log_level)6}, DIVAN_ERR_OPTION_CHOICE, "log_level is 6"},
        {"couchbase://h", {.kv_timeout_ms = 86400001}, DIVAN_ERR_TIMEOUT_RANGE, "kv_timeout_ms"},
        {"couchbase://h", {.kv_durable_timeout_ms = UINT32_MAX}, DIVAN_ERR_TIMEOUT_RANGE, "kv_durable_timeout_ms"},
        {"couchbase://h", {.open_timeout_ms = 86400001}, DIVAN_ERR_TIMEOUT_RANGE, "open_timeout_ms"},
        {"couchbase://h", {.password = "p"}, DIVAN_ERR_CREDENTIALS, "without a user name"},
        {"couchbase://h", {.username = long_text + sizeof long_text - 130}, DIVAN_ERR_CREDENTIALS, "129 bytes"},
        {"couchbase://h",
         {.username = "u", .password = long_text + sizeof long_text - 1026},
         DIVAN_ERR_CREDENTIALS,
         "1025 bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct divan_error err;
        divan_cluster *cluster = NULL;
        enum divan_code rc = divan_cluster_open(&cluster, rows[i].connstr, &rows[i].o, &err);
        assert_int_equal(rc, err.code);
        check_sentence(&err, rows[i].code, rows[i].word);
        assert_string_equal(err.op, "open");
        assert_null(cluster);
        assert_int_equal(divan_cluster_open(&cluster, rows[i].connstr, &rows[i].o, NULL), rc); /* err may be NULL */
    }
}

static void handles(void **state)
{
    struct divan_error err;
    divan_cluster *cluster = NULL;
    assert_int_equal(divan_cluster_open_versioned(0, &cluster, "couchbase://h", NULL, &err),
                     DIVAN_ERR_OPTION_API_VERSION);
    assert_int_equal(divan_cluster_open_versioned(99, &cluster, "couchbase://h", NULL, &err),
                     DIVAN_ERR_OPTION_API_VERSION);
    check_sentence(&err, DIVAN_ERR_OPTION_API_VERSION, "99");
    assert_int_equal(divan_cluster_open(NULL, "couchbase://h", NULL, &err), DIVAN_ERR_HANDLE_NULL);
    assert_null(divan_cluster_collection(NULL, "b", NULL, NULL, &err));
    check_sentence(&err, DIVAN_ERR_HANDLE_NULL, "NULL");
    assert_int_equal(divan_get(NULL, divan_str("k"), NULL, NULL, &err), DIVAN_ERR_HANDLE_NULL);
    assert_string_equal(err.op, "get");
    assert_int_equal(
        divan_upsert_start(NULL, divan_str("k"), divan_str("v"), NULL, (struct divan_done){.fn = nothing}, &err),
        DIVAN_ERR_HANDLE_NULL);
    assert_null(divan_queue_new(NULL));
    assert_int_equal(divan_queue_fd(NULL), -1);
    assert_int_equal(divan_queue_pop(NULL, NULL, 1, 0), 0);
    assert_int_equal(divan_queue_pop(stage.queue, NULL, 1, 0), 0);
    assert_null(divan_cluster_metrics(NULL));
    divan_cluster_close(NULL);
    divan_queue_free(NULL);
    divan_result_release(NULL);
    assert_null(divan_result_error(NULL));
    assert_int_equal(divan_result_value(NULL).len, 0);
    assert_null(divan_result_retain(NULL));
}

static void names(void **state)
{
    static const struct {
        const char *bucket, *scope, *name;
        enum divan_code code;
        const char *word;
    } rows[] = {
        {"", NULL, NULL, DIVAN_ERR_BUCKET_NAME, "empty"},
        {"a b", NULL, NULL, DIVAN_ERR_BUCKET_NAME, "\" \" at character 2"},
        {"a/b", NULL, NULL, DIVAN_ERR_BUCKET_NAME, "\"/\""},
        {"caf\xc3\xa9", NULL, NULL, DIVAN_ERR_BUCKET_NAME, "0xc3"},
        {"a\nb", NULL, NULL, DIVAN_ERR_BUCKET_NAME, "0x0a"},
        {long_text + sizeof long_text - 102, NULL, NULL, DIVAN_ERR_BUCKET_NAME, "101 characters"},
        {"b", "a.b", NULL, DIVAN_ERR_SCOPE_NAME, "\".\""},
        {"b", "%a", NULL, DIVAN_ERR_SCOPE_NAME, "begins with %"},
        {"b", "a b", NULL, DIVAN_ERR_SCOPE_NAME, "character 2"},
        {"b", long_text + sizeof long_text - 253, NULL, DIVAN_ERR_SCOPE_NAME, "252 characters"},
        {"b", "s", "a.b", DIVAN_ERR_COLLECTION_NAME, "collection"},
        {"b", "s", "%a", DIVAN_ERR_COLLECTION_NAME, "begins with %"},
        {"b", "s", "a\x01", DIVAN_ERR_COLLECTION_NAME, "0x01"},
        {"b", "s", long_text + sizeof long_text - 253, DIVAN_ERR_COLLECTION_NAME, "252 characters"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct divan_error err;
        assert_null(divan_cluster_collection(stage.cluster, rows[i].bucket, rows[i].scope, rows[i].name, &err));
        check_sentence(&err, rows[i].code, rows[i].word);
    }
}

static void no_bucket_at_all(void **state)
{
    struct divan_error err;
    char connstr[64];
    divan_cluster *cluster = NULL;
    const struct divan_cluster_options o = {.username = "u", .password = "p"};
    snprintf(connstr, sizeof connstr, "couchbase://127.0.0.1:%u", stage.node.port);
    engine_must(divan_cluster_open(&cluster, connstr, &o, &err), &err);
    assert_null(divan_cluster_collection(cluster, NULL, NULL, NULL, &err));
    check_sentence(&err, DIVAN_ERR_NO_BUCKET, "connection string");
    divan_cluster_close(cluster);
}

/* ---- operations */

struct argument_row {
    struct call call;
    enum divan_code code;
    const char *word;
    bool named;
};

#define K                                                                                                              \
    {                                                                                                                  \
        "k", 1                                                                                                         \
    }
static const struct argument_row argument_rows[] = {
    {{.kind = KIND_GET, .key = {NULL, 0}}, DIVAN_ERR_KEY_EMPTY, "1 to 250", false},
    {{.kind = KIND_GET, .key = {"", 0}}, DIVAN_ERR_KEY_EMPTY, "1 to 246", true},
    {{.kind = KIND_GET, .key = {NULL, 5}}, DIVAN_ERR_KEY_NULL, "5 bytes", false},
    {{.kind = KIND_GET, .key = {long_text, 251}}, DIVAN_ERR_KEY_TOO_LONG, "251", false},
    {{.kind = KIND_GET, .key = {long_text, 247}}, DIVAN_ERR_KEY_TOO_LONG, "246", true},
    {{.kind = KIND_GET, .key = {long_text, 70000}}, DIVAN_ERR_KEY_TOO_LONG, "70000", false},
    {{.kind = KIND_GET, .key = K, .timeout_ms = 86400001}, DIVAN_ERR_TIMEOUT_RANGE, "86400001", false},
    {{.kind = KIND_GET, .key = K, .timeout_ms = UINT32_MAX}, DIVAN_ERR_TIMEOUT_RANGE, "one day", false},
    {{.kind = KIND_GET, .key = K, .retry = (enum divan_retry)3}, DIVAN_ERR_INVALID_ARGUMENT, "retry is 3", false},
    {{.kind = KIND_GET, .key = K, .retry = (enum divan_retry) - 7}, DIVAN_ERR_INVALID_ARGUMENT, "retry is -7", false},
    {{.kind = KIND_EXISTS, .key = {NULL, 0}}, DIVAN_ERR_KEY_EMPTY, "empty", false},
    {{.kind = KIND_TOUCH, .key = {NULL, 0}}, DIVAN_ERR_KEY_EMPTY, "empty", false},
    {{.kind = KIND_TOUCH, .key = K, .expiry_s = UINT32_MAX}, DIVAN_ERR_EXPIRY_RANGE, "time span", false},
    {{.kind = KIND_GET_AND_TOUCH, .key = K, .expiry_s = 1800000000}, DIVAN_ERR_EXPIRY_RANGE, "50 years", false},
    {{.kind = KIND_INSERT, .key = {NULL, 0}}, DIVAN_ERR_KEY_EMPTY, "empty", false},
    {{.kind = KIND_INSERT, .key = K, .value = {NULL, 9}}, DIVAN_ERR_VALUE_NULL, "9 bytes", false},
    {{.kind = KIND_INSERT, .key = K, .expiry_s = 1700000000}, DIVAN_ERR_EXPIRY_RANGE, "1700000000", false},
    {{.kind = KIND_INSERT, .key = K, .durability = (enum divan_durability)4},
     DIVAN_ERR_DURABILITY_LEVEL,
     "is 4",
     false},
    {{.kind = KIND_UPSERT, .key = K, .value = {NULL, 1}}, DIVAN_ERR_VALUE_NULL, "NULL", false},
    {{.kind = KIND_UPSERT, .key = K, .value = {long_text, 20 * 1024 * 1024 + 1}},
     DIVAN_ERR_VALUE_TOO_LARGE,
     "20971521",
     false},
    {{.kind = KIND_UPSERT, .key = K, .value = {"v", SIZE_MAX}}, DIVAN_ERR_VALUE_TOO_LARGE, "20 MiB", false},
    {{.kind = KIND_UPSERT, .key = K, .expiry_s = 5, .keep_expiry = true},
     DIVAN_ERR_EXPIRY_CONFLICT,
     "5 seconds",
     false},
    {{.kind = KIND_UPSERT, .key = K, .durability = (enum divan_durability) - 1},
     DIVAN_ERR_DURABILITY_LEVEL,
     "is -1",
     false},
    {{.kind = KIND_UPSERT, .key = {long_text, 251}, .value = {"v", 1}}, DIVAN_ERR_KEY_TOO_LONG, "250", false},
    {{.kind = KIND_REPLACE, .key = {NULL, 3}}, DIVAN_ERR_KEY_NULL, "3 bytes", true},
    {{.kind = KIND_REPLACE, .key = K, .expiry_s = 1, .keep_expiry = true},
     DIVAN_ERR_EXPIRY_CONFLICT,
     "keep_expiry",
     false},
    {{.kind = KIND_REPLACE, .key = K, .value = {long_text, 20971521}}, DIVAN_ERR_VALUE_TOO_LARGE, "split", true},
    {{.kind = KIND_REMOVE, .key = {NULL, 0}}, DIVAN_ERR_KEY_EMPTY, "empty", false},
    {{.kind = KIND_REMOVE, .key = K, .durability = (enum divan_durability)99}, DIVAN_ERR_DURABILITY_LEVEL, "99", false},
    {{.kind = KIND_REMOVE, .key = K, .timeout_ms = 90000000}, DIVAN_ERR_TIMEOUT_RANGE, "90000000", false},
    {{.kind = KIND_APPEND, .key = K, .value = {NULL, 2}}, DIVAN_ERR_VALUE_NULL, "2 bytes", false},
    {{.kind = KIND_APPEND, .key = {long_text, 300}}, DIVAN_ERR_KEY_TOO_LONG, "300", false},
    {{.kind = KIND_PREPEND, .key = K, .value = {long_text, 20971521}}, DIVAN_ERR_VALUE_TOO_LARGE, "20971520", false},
    {{.kind = KIND_PREPEND, .key = {NULL, 0}}, DIVAN_ERR_KEY_EMPTY, "empty", true},
    {{.kind = KIND_INCREMENT, .key = K, .delta = 0}, DIVAN_ERR_DELTA_RANGE, "0", false},
    {{.kind = KIND_INCREMENT, .key = {NULL, 0}, .delta = 1}, DIVAN_ERR_KEY_EMPTY, "empty", false},
    {{.kind = KIND_INCREMENT, .key = K, .delta = 1, .create = true, .expiry_s = UINT32_MAX},
     DIVAN_ERR_EXPIRY_RANGE,
     "50 years",
     false},
    {{.kind = KIND_INCREMENT, .key = K, .delta = 1, .expiry_s = 9, .keep_expiry = true},
     DIVAN_ERR_EXPIRY_CONFLICT,
     "9",
     false},
    {{.kind = KIND_DECREMENT, .key = K, .delta = 0}, DIVAN_ERR_DELTA_RANGE, "at least 1", true},
    {{.kind = KIND_DECREMENT, .key = {long_text, 247}, .delta = 1}, DIVAN_ERR_KEY_TOO_LONG, "outside", true},
};

static void arguments(void **state)
{
    for (size_t i = 0; i < sizeof argument_rows / sizeof argument_rows[0]; i++) {
        const struct argument_row *row = &argument_rows[i];
        struct call call = row->call;
        struct divan_error err;
        divan_result *result = NULL;
        call.collection = row->named ? stage.named : stage.people;
        assert_int_equal(call_run(&call, &result, &err), row->code);
        check_sentence(&err, row->code, row->word);
        assert_string_equal(err.op, kind_facts[call.kind].name);
        assert_null(result);
        assert_int_equal(call_start(&call, (struct divan_done){.queue = stage.queue}, &err), row->code);
        check_sentence(&err, row->code, row->word);
        assert_int_equal(call_run(&call, NULL, NULL), row->code);
    }
    assert_int_equal(divan_queue_pop(stage.queue, &(divan_result *){NULL}, 1, -1), 0); /* nothing was started */
}

static void completions(void **state)
{
    struct divan_error err;
    const struct divan_bytes k = divan_str("k");
    assert_int_equal(divan_get_start(stage.people, k, NULL, (struct divan_done){.user = &err}, &err),
                     DIVAN_ERR_COMPLETION);
    check_sentence(&err, DIVAN_ERR_COMPLETION, "neither");
    assert_int_equal(
        divan_get_start(stage.people, k, NULL, (struct divan_done){.fn = nothing, .queue = stage.queue}, &err),
        DIVAN_ERR_COMPLETION);
    check_sentence(&err, DIVAN_ERR_COMPLETION, "both");
    assert_int_equal(divan_get_start(stage.people, k, NULL, (struct divan_done){.queue = stage.foreign_queue}, &err),
                     DIVAN_ERR_COMPLETION);
    check_sentence(&err, DIVAN_ERR_COMPLETION, "another cluster");
}

static void wrong_credentials(void **state)
{
    struct divan_error err;
    divan_cluster *cluster = NULL;
    assert_int_equal(divan_cluster_open(&cluster, stage.node.connstr,
                                        &(struct divan_cluster_options){.username = "u", .password = "wrong"}, &err),
                     DIVAN_ERR_AUTHENTICATION_FAILURE);
    check_sentence(&err, DIVAN_ERR_AUTHENTICATION_FAILURE, "\"u\"");
    assert_true(err.flags & DIVAN_IS_FATAL);
    assert_int_equal(divan_cluster_open(&cluster, stage.node.connstr,
                                        &(struct divan_cluster_options){.username = "nobody", .password = "p"}, &err),
                     DIVAN_ERR_AUTHENTICATION_FAILURE);
    assert_int_equal(divan_cluster_open(&cluster, "couchbase://127.0.0.1:1/default",
                                        &(struct divan_cluster_options){.username = "u", .password = "p"}, &err),
                     DIVAN_ERR_UNREACHABLE);
    check_sentence(&err, DIVAN_ERR_UNREACHABLE, "127.0.0.1:1");
    assert_null(cluster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_strings), cmocka_unit_test(handles),   cmocka_unit_test(names),
        cmocka_unit_test(no_bucket_at_all),    cmocka_unit_test(arguments), cmocka_unit_test(completions),
        cmocka_unit_test(wrong_credentials),
    };
    return cmocka_run_group_tests(tests, set, strike);
}
