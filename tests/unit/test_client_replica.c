/* Reading copies through the public interface, against a node that has the only one. */
#include "unit/node_thread.h"

#include <divan/divan.h>

struct world {
    struct node_thread node;
    divan_cluster *cluster;
    divan_collection *things;
};

static int open_world(void **state)
{
    struct divan_error err;
    struct world *w = calloc(1, sizeof *w);
    const struct divan_cluster_options o = {.username = "Administrator", .password = "password"};
    node_thread_start(&w->node);
    if (divan_cluster_open(&w->cluster, w->node.connstr, &o, &err)) fail_msg("%s", err.message);
    w->things = divan_cluster_collection(w->cluster, "default", NULL, NULL, &err);
    assert_non_null(w->things);
    *state = w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    divan_cluster_close(w->cluster);
    node_thread_stop(&w->node);
    free(w);
    return 0;
}

static void store(struct world *w, const char *key, const char *value)
{
    struct divan_error err;
    if (divan_upsert(w->things, divan_str(key), divan_str(value), NULL, NULL, &err)) fail_msg("%s", err.message);
}

static void any_copy_blocking(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    divan_result *r = NULL;
    store(w, "k", "{\"a\":1}");
    if (divan_get_any_replica(w->things, divan_str("k"), NULL, &r, &err)) fail_msg("%s", err.message);
    assert_true(divan_result_value(r).len == 7);
    assert_false(divan_result_is_replica(r));
    assert_true(divan_result_cas(r) != 0);
    divan_result_release(r);
    assert_int_equal(divan_get_any_replica(w->things, divan_str("k"), NULL, NULL, NULL), DIVAN_OK);
}

static void none_of_a_missing_document(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    divan_result *r = NULL, *all[DIVAN_COPIES_MAX];
    size_t count = 77;
    assert_int_equal(divan_get_any_replica(w->things, divan_str("none"), NULL, &r, &err),
                     DIVAN_ERR_DOCUMENT_UNRETRIEVABLE);
    assert_null(r);
    assert_string_equal(err.op, "get_any_replica");
    assert_int_equal(divan_get_all_replicas(w->things, divan_str("none"), NULL, all, &count, &err),
                     DIVAN_ERR_DOCUMENT_UNRETRIEVABLE);
    assert_int_equal(count, 77);
}

static void all_copies(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    divan_result *all[DIVAN_COPIES_MAX];
    size_t count = 0;
    store(w, "k", "value");
    if (divan_get_all_replicas(w->things, divan_str("k"), NULL, all, &count, &err)) fail_msg("%s", err.message);
    assert_int_equal(count, 1);
    divan_result_release(all[0]);
}

static void lookups(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    struct divan_spec_result spec;
    divan_result *r = NULL, *all[DIVAN_COPIES_MAX];
    size_t count = 0;
    const struct divan_lookup specs[] = {{.path = divan_str("a")}, {.path = divan_str("b")}};
    store(w, "k", "{\"a\":41}");
    if (divan_lookup_in_any_replica(w->things, divan_str("k"), specs, 2, NULL, &r, &err)) fail_msg("%s", err.message);
    assert_int_equal(divan_result_spec(r, 0, &spec), DIVAN_OK);
    assert_int_equal(spec.value.len, 2);
    assert_int_equal(divan_result_spec(r, 1, &spec), DIVAN_ERR_PATH_NOT_FOUND);
    divan_result_release(r);
    if (divan_lookup_in_all_replicas(w->things, divan_str("k"), specs, 2, NULL, all, &count, &err))
        fail_msg("%s", err.message);
    assert_int_equal(count, 1);
    divan_result_release_many(all, count);
}

static void into_a_queue(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    divan_result *r = NULL;
    divan_queue *queue = divan_queue_new(w->cluster);
    int tag;
    const struct divan_done done = {.queue = queue, .user = &tag};
    store(w, "k", "value");
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "none" : "k";
        assert_int_equal(divan_get_any_replica_start(w->things, divan_str(key), NULL, done, &err), DIVAN_OK);
        assert_int_equal(divan_queue_pop(queue, &r, 1, 5000), 1);
        assert_ptr_equal(divan_result_user(r), &tag);
        const struct divan_error *why = divan_result_error(r);
        assert_int_equal(why ? why->code : DIVAN_OK, i ? DIVAN_ERR_DOCUMENT_UNRETRIEVABLE : DIVAN_OK);
        divan_result_release(r);
    }
    divan_queue_free(queue);
}

static void wrong_arguments(void **state)
{
    struct world *w = *state;
    struct divan_error err;
    const struct divan_replica_options group = {.read_from = DIVAN_READ_GROUP}, odd = {.read_from = 9};
    const struct divan_done nowhere = {.user = NULL};
    assert_int_equal(divan_get_any_replica(NULL, divan_str("k"), NULL, NULL, &err), DIVAN_ERR_HANDLE_NULL);
    assert_int_equal(divan_get_any_replica(w->things, divan_str(""), NULL, NULL, &err), DIVAN_ERR_KEY_EMPTY);
    assert_int_equal(divan_get_any_replica(w->things, divan_str("k"), &group, NULL, &err), DIVAN_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "server_group"));
    assert_int_equal(divan_get_any_replica(w->things, divan_str("k"), &odd, NULL, &err), DIVAN_ERR_INVALID_ARGUMENT);
    assert_int_equal(divan_get_any_replica_start(w->things, divan_str("k"), NULL, nowhere, &err), DIVAN_ERR_COMPLETION);
    assert_int_equal(divan_get_all_replicas(w->things, divan_str("k"), NULL, NULL, NULL, &err), DIVAN_ERR_HANDLE_NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_copy_blocking), cmocka_unit_test(none_of_a_missing_document),
        cmocka_unit_test(all_copies),        cmocka_unit_test(lookups),
        cmocka_unit_test(into_a_queue),      cmocka_unit_test(wrong_arguments),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
