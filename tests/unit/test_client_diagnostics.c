/* Diagnostics, ping and waiting until ready, against a node. */
#include "unit/node_thread.h"

#include <divan/divan.h>

#include "text/json.h"

struct world {
    struct node_thread node;
    bool is_stopped;
    divan_cluster *cluster;
};

static int open_world(void **state)
{
    struct divan_error err;
    struct world *w = calloc(1, sizeof *w);
    char connstr[120];
    const struct divan_cluster_options o = {.username = "Administrator", .password = "password"};
    node_thread_start(&w->node);
    snprintf(connstr, sizeof connstr, "%s/default", w->node.connstr);
    if (divan_cluster_open(&w->cluster, connstr, &o, &err)) fail_msg("%s", err.message);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    divan_cluster_close(w->cluster);
    if (!w->is_stopped) node_thread_stop(&w->node);
    free(w);
    return 0;
}

static struct json_value service(const char *text, const char *name)
{
    assert_true(json_is_valid(divan_str(text)));
    return json_member(json_member(json_value_of(divan_str(text)), "services"), name);
}

static size_t count_endpoints(const char *text, const char *name, const char *state)
{
    struct json_walk walk = json_walk_begin(service(text, name));
    struct json_value endpoint;
    size_t n = 0;
    while (json_next_element(&walk, &endpoint))
        n += json_string_is(json_member(endpoint, "state").text, divan_str(state));
    return n;
}

static void diagnostics_tell_of_connections(void **state)
{
    struct world *w = *state;
    char *text = divan_cluster_diagnostics(w->cluster, "my id");
    assert_non_null(text);
    assert_non_null(strstr(text, "\"version\":2,\"id\":\"my id\",\"sdk\":\"divan/"));
    assert_non_null(strstr(text, "\"state\":\"online\""));
    assert_non_null(strstr(text, "\"namespace\":\"default\""));
    assert_non_null(strstr(text, "\"last_activity_us\":"));
    assert_int_equal(count_endpoints(text, "kv", "connected"), 1);
    free(text);
    text = divan_cluster_diagnostics(w->cluster, NULL);
    assert_int_equal(json_member(json_value_of(divan_str(text)), "id").text.len, 36 + 2);
    free(text);
    assert_null(divan_cluster_diagnostics(NULL, NULL));
}

static void ping_hears_of_every_service(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    char *text = NULL;
    if (divan_cluster_ping(w->cluster, NULL, &text, &err)) fail_msg("%s", err.message);
    assert_int_equal(count_endpoints(text, "kv", "ok"), 1);
    assert_int_equal(count_endpoints(text, "mgmt", "ok"), 1);
    assert_non_null(strstr(text, "\"config_rev\":"));
    free(text);
    const struct divan_ping_options only_kv = {.services = DIVAN_SERVICE_KV, .report_id = "r"};
    if (divan_cluster_ping(w->cluster, &only_kv, &text, &err)) fail_msg("%s", err.message);
    assert_non_null(strstr(text, "\"mgmt\":[]"));
    free(text);
}

static void wrong_arguments(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    char *text = NULL;
    const struct divan_ping_options odd = {.services = 64};
    const struct divan_ready_options odder = {.desired = 7}, name = {.bucket = "a/b"};
    assert_int_equal(divan_cluster_ping(NULL, NULL, &text, &err), DIVAN_ERR_HANDLE_NULL);
    assert_int_equal(divan_cluster_ping(w->cluster, NULL, NULL, &err), DIVAN_ERR_HANDLE_NULL);
    assert_int_equal(divan_cluster_ping(w->cluster, &odd, &text, &err), DIVAN_ERR_INVALID_ARGUMENT);
    assert_int_equal(divan_cluster_wait_until_ready(w->cluster, 0, &odder, &err), DIVAN_ERR_INVALID_ARGUMENT);
    assert_int_equal(divan_cluster_wait_until_ready(w->cluster, 0, &name, &err), DIVAN_ERR_BUCKET_NAME);
}

static void a_ready_cluster_is_told_at_once(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    const struct divan_ready_options some = {.desired = DIVAN_READY_DEGRADED, .bucket = "default"};
    if (divan_cluster_wait_until_ready(w->cluster, 5000, NULL, &err)) fail_msg("%s", err.message);
    if (divan_cluster_wait_until_ready(w->cluster, 5000, &some, NULL)) fail_msg("not ready");
}

static void what_is_missing_is_named(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    const struct divan_ready_options ghost = {.bucket = "ghost"};
    assert_int_equal(divan_cluster_wait_until_ready(w->cluster, 300, &ghost, &err), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_non_null(strstr(err.message, "no map of bucket \"ghost\""));
    assert_string_equal(err.op, "wait_until_read"); /* cut to its field */
    assert_true(err.elapsed_ms == 0 || err.elapsed_ms >= 300);
}

static void a_bucket_that_comes_later_is_waited_for(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    const struct divan_bucket_settings settings = {.name = "later", .ram_quota_mib = 100};
    const struct divan_ready_options later = {.bucket = "later"};
    if (divan_bucket_create(w->cluster, &settings, NULL, &err)) fail_msg("%s", err.message);
    if (divan_cluster_wait_until_ready(w->cluster, 8000, &later, &err)) fail_msg("%s", err.message);
}

/* The last test: afterwards there is no node. */
static void a_dead_node_is_part_of_the_report(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    char *text = NULL;
    node_thread_stop(&w->node);
    w->is_stopped = true;
    const struct divan_ping_options o = {.timeout_ms = 500};
    if (divan_cluster_ping(w->cluster, &o, &text, &err)) fail_msg("%s", err.message);
    assert_int_equal(count_endpoints(text, "kv", "ok"), 0);
    assert_int_equal(count_endpoints(text, "mgmt", "ok"), 0);
    assert_non_null(strstr(text, "\"error\":"));
    free(text);
    assert_int_equal(divan_cluster_wait_until_ready(w->cluster, 200, NULL, &err), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_non_null(strstr(err.message, "127.0.0.1:"));
    text = divan_cluster_diagnostics(w->cluster, NULL);
    assert_non_null(strstr(text, "\"state\":\"offline\""));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diagnostics_tell_of_connections),
        cmocka_unit_test(ping_hears_of_every_service),
        cmocka_unit_test(wrong_arguments),
        cmocka_unit_test(a_ready_cluster_is_told_at_once),
        cmocka_unit_test(what_is_missing_is_named),
        cmocka_unit_test(a_bucket_that_comes_later_is_waited_for),
        cmocka_unit_test(a_dead_node_is_part_of_the_report),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
