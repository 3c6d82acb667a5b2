/* Scans, bulk calls and waiting for room through the public interface, against a real node. */
#include "unit/engine_thread.h"

#include <divan/divan.h>
#include <time.h>

enum { DOCUMENTS = 3000 };

struct stage {
    struct engine_thread node;
    divan_cluster *cluster;
    divan_collection *things;
    uint8_t seen[DOCUMENTS];
};

static void assert_code(enum divan_code got, enum divan_code want)
{
    if (got != want) fail_msg("got %s, want %s", divan_code_name(got), divan_code_name(want));
}

static void open_with(struct stage *t, const struct divan_cluster_options *o)
{
    struct divan_error err;
    engine_must(divan_cluster_open(&t->cluster, t->node.connstr, o, &err), &err);
    t->things = divan_cluster_collection(t->cluster, "default", "s", "c", &err);
    assert_non_null(t->things);
}

static void load(struct stage *t)
{
    static char keys[DOCUMENTS][16], values[DOCUMENTS][64];
    static struct divan_document documents[DOCUMENTS];
    struct divan_error err;
    for (int i = 0; i < DOCUMENTS; i++) {
        snprintf(keys[i], sizeof keys[i], "k:%05d", i);
        snprintf(values[i], sizeof values[i], "{\"n\":%d,\"pad\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", i);
        documents[i] = (struct divan_document){divan_str(keys[i]), divan_str(values[i])};
    }
    engine_must(divan_upsert_many(t->things, documents, DOCUMENTS,
                                  &(struct divan_upsert_options){.timeout_ms = 20000, .flags = 77}, NULL, &err),
                &err);
}

static int set(void **state)
{
    struct stage *t = calloc(1, sizeof *t);
    engine_thread_start(&t->node);
    open_with(t, &(struct divan_cluster_options){.username = "u", .password = "p"});
    load(t);
    *state = t;
    return 0;
}

static int strike(void **state)
{
    struct stage *t = *state;
    divan_cluster_close(t->cluster);
    engine_thread_stop(&t->node);
    free(t);
    return 0;
}

static void note(struct stage *t, struct divan_bytes key)
{
    char text[16] = "";
    assert_int_equal(key.len, 7);
    memcpy(text, key.data, 7);
    int i = atoi(text + 2);
    assert_in_range(i, 0, DOCUMENTS - 1);
    if (t->seen[i]++) fail_msg("%s came twice", text);
}

static size_t scan_all(struct stage *t, const struct divan_scan *scan, const struct divan_scan_options *o,
                       enum divan_code *end)
{
    struct divan_error err;
    struct divan_scan_item item;
    divan_scanner *scanner;
    size_t n = 0;
    memset(t->seen, 0, sizeof t->seen);
    engine_must(divan_scan_open(t->things, scan, o, &scanner, &err), &err);
    while (!(*end = divan_scan_next(scanner, &item, &err))) {
        note(t, item.key);
        n++;
    }
    divan_scan_close(scanner);
    return n;
}

static void every_document_comes_once(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    struct divan_scan_item item;
    divan_scanner *scanner;
    enum divan_code rc;
    size_t n = 0;
    engine_must(divan_scan_open(t->things, NULL, NULL, &scanner, &err), &err);
    while (!(rc = divan_scan_next(scanner, &item, &err))) {
        char want[64], key[8] = "";
        note(t, item.key);
        memcpy(key, item.key.data, 7);
        snprintf(want, sizeof want, "{\"n\":%d,\"pad\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", atoi(key + 2));
        assert_true(bytes_is(item.value, want));
        assert_int_equal(item.flags, 77);
        assert_true(item.cas != 0);
        n++;
    }
    assert_code(rc, DIVAN_ERR_RANGE_SCAN_COMPLETED);
    assert_int_equal(n, DOCUMENTS);
    assert_code(divan_scan_next(scanner, &item, &err), DIVAN_ERR_RANGE_SCAN_COMPLETED);
    divan_scan_close(scanner);
}

static void small_pages_and_little_room(void **state)
{
    struct stage *t = *state;
    enum divan_code end;
    const struct divan_scan_options rows[] = {
        {.page_items = 1, .concurrency = 3},
        {.page_bytes = 100, .buffered_bytes = 1},
        {.concurrency = 1},
        {.concurrency = 64, .ids_only = true, .buffered_bytes = 2000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(scan_all(t, NULL, &rows[i], &end), DOCUMENTS);
        assert_code(end, DIVAN_ERR_RANGE_SCAN_COMPLETED);
    }
}

static void ranges_and_prefixes(void **state)
{
    struct stage *t = *state;
    enum divan_code end;
    const struct {
        struct divan_scan scan;
        size_t count;
    } rows[] = {
        {{.prefix = divan_str("k:0001")}, 10},
        {{.prefix = divan_str("x")}, 0},
        {{.from = divan_str("k:02990")}, 10},
        {{.to = divan_str("k:00009")}, 10},
        {{.to = divan_str("k:00009"), .exclude_to = true}, 9},
        {{.from = divan_str("k:00100"), .to = divan_str("k:00199")}, 100},
        {{.from = divan_str("k:00100"), .to = divan_str("k:00199"), .exclude_from = true, .exclude_to = true}, 98},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t n = scan_all(t, &rows[i].scan, &(struct divan_scan_options){.ids_only = true}, &end);
        assert_code(end, DIVAN_ERR_RANGE_SCAN_COMPLETED);
        if (n != rows[i].count) fail_msg("row %zu: %zu documents, want %zu", i, n, rows[i].count);
    }
}

static void samples_are_not_more_than_asked_for(void **state)
{
    struct stage *t = *state;
    enum divan_code end;
    size_t n = scan_all(t, &(struct divan_scan){.sample = 100, .sample_seed = 5}, NULL, &end);
    assert_code(end, DIVAN_ERR_RANGE_SCAN_COMPLETED);
    assert_in_range(n, 80, 100);
    n = scan_all(t, &(struct divan_scan){.sample = 1}, NULL, &end);
    assert_int_equal(n, 1);
    n = scan_all(t, &(struct divan_scan){.sample = 1000000}, NULL, &end);
    assert_int_equal(n, DOCUMENTS);
}

static void pages_come_through_a_queue(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    struct divan_scan_item item;
    divan_scanner *scanner;
    divan_queue *queue = divan_queue_new(t->cluster);
    size_t n = 0;
    engine_must(divan_scan_open(t->things, NULL, &(struct divan_scan_options){.page_items = 50}, &scanner, &err), &err);
    for (;;) {
        divan_result *page = NULL;
        size_t cursor = 0;
        engine_must(divan_scan_page_start(scanner, (struct divan_done){.queue = queue, .user = t}, &err), &err);
        assert_int_equal(divan_queue_pop(queue, &page, 1, -1), 1);
        assert_ptr_equal(divan_result_user(page), t);
        const struct divan_error *end = divan_result_error(page);
        if (end) assert_code(end->code, DIVAN_ERR_RANGE_SCAN_COMPLETED);
        while (divan_result_item(page, &cursor, &item)) n++, note(t, item.key);
        bool is_end = end != NULL;
        divan_result_release(page);
        if (is_end) break;
    }
    assert_int_equal(n, DOCUMENTS);
    divan_scan_close(scanner);
    divan_queue_free(queue);
}

static void a_scan_is_left_in_the_middle(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    struct divan_scan_item item;
    divan_scanner *scanner;
    divan_result *page = NULL;
    divan_queue *queue = divan_queue_new(t->cluster);
    const struct divan_scan_options o = {.page_items = 5, .buffered_bytes = 1};
    engine_must(divan_scan_open(t->things, NULL, &o, &scanner, &err), &err);
    engine_must(divan_scan_next(scanner, &item, &err), &err);
    engine_must(divan_scan_page(scanner, &page, &err), &err);
    divan_scan_close(scanner);
    size_t cursor = 0;
    assert_true(divan_result_item(page, &cursor, &item)); /* a page outlives its scan */
    divan_result_release(page);
    engine_must(divan_scan_open(t->things, NULL, &o, &scanner, &err), &err);
    engine_must(divan_scan_page_start(scanner, (struct divan_done){.queue = queue}, &err), &err);
    divan_scan_close(scanner); /* the started page comes all the same, or its cancellation */
    assert_int_equal(divan_queue_pop(queue, &page, 1, -1), 1);
    divan_result_release(page);
    divan_queue_free(queue);
    divan_scan_close(NULL);
    /* a scanner that outlives its cluster is an error, but no crash */
    engine_must(divan_scan_open(t->things, NULL, &o, &scanner, &err), &err);
    divan_cluster_close(t->cluster);
    enum divan_code rc;
    while (!(rc = divan_scan_next(scanner, &item, &err))) {}
    assert_code(rc, DIVAN_ERR_CANCELLED);
    divan_scan_close(scanner);
    open_with(t, &(struct divan_cluster_options){.username = "u", .password = "p"});
}

static void badly_described_scans(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    static char long_key[260];
    divan_scanner *scanner = NULL;
    memset(long_key, 'k', 251);
    const struct {
        struct divan_scan scan;
        struct divan_scan_options options;
        enum divan_code code;
    } rows[] = {
        {{.from = divan_str("a"), .prefix = divan_str("b")}, {0}, DIVAN_ERR_SCAN_RANGE},
        {{.sample = 5, .prefix = divan_str("b")}, {0}, DIVAN_ERR_SCAN_RANGE},
        {{.from = divan_str("b"), .to = divan_str("a")}, {0}, DIVAN_ERR_SCAN_RANGE},
        {{.from = divan_str(long_key)}, {0}, DIVAN_ERR_SCAN_RANGE},
        {{.from = {NULL, 5}}, {0}, DIVAN_ERR_SCAN_RANGE},
        {{.prefix = {long_key, 250}}, {0}, DIVAN_ERR_SCAN_RANGE},
        {{.exclude_from = true}, {0}, DIVAN_ERR_SCAN_RANGE},
        {{.from = divan_str("a"), .exclude_to = true}, {0}, DIVAN_ERR_SCAN_RANGE},
        {{.sample = 0}, {.concurrency = 5000}, DIVAN_ERR_SCAN_RANGE},
        {{.sample = 0}, {.consistent_count = 1}, DIVAN_ERR_SCAN_RANGE},
        {{.sample = 0}, {.timeout_ms = UINT32_MAX}, DIVAN_ERR_TIMEOUT_RANGE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum divan_code rc = divan_scan_open(t->things, &rows[i].scan, &rows[i].options, &scanner, &err);
        if (rc != rows[i].code) fail_msg("row %zu: %s", i, divan_code_name(rc));
        assert_null(scanner);
    }
    assert_code(divan_scan_open(NULL, NULL, NULL, &scanner, &err), DIVAN_ERR_HANDLE_NULL);
    assert_code(divan_scan_open(t->things, NULL, NULL, NULL, &err), DIVAN_ERR_HANDLE_NULL);
    assert_code(divan_scan_next(NULL, NULL, &err), DIVAN_ERR_HANDLE_NULL);
}

static void a_missing_collection_is_told(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_scanner *scanner;
    divan_collection *none = divan_cluster_collection(t->cluster, "default", "s", "none", &err);
    engine_must(divan_scan_open(none, NULL, &(struct divan_scan_options){.timeout_ms = 200}, &scanner, &err), &err);
    assert_code(divan_scan_next(scanner, NULL, &err), DIVAN_ERR_COLLECTION_NOT_FOUND);
    divan_scan_close(scanner);
}

static void consistent_with_a_write(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *r = NULL;
    enum divan_code end;
    engine_must(divan_upsert(t->things, divan_str("k:00001"), divan_str("1"), NULL, &r, &err), &err);
    struct divan_mutation_token token = divan_result_token(r);
    divan_result_release(r);
    const struct divan_scan_options o = {.consistent_with = &token, .consistent_count = 1};
    assert_int_equal(scan_all(t, NULL, &o, &end), DOCUMENTS);
    token.vbucket_uuid ^= 1;
    scan_all(t, NULL, &o, &end);
    assert_code(end, DIVAN_ERR_MUTATION_TOKEN_OUTDATED);
}

/* ---- bulk */

static void bulk_results_are_in_order(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_result *results[6];
    const struct divan_bytes keys[] = {divan_str("k:00005"), divan_str("none"),    divan_str("k:00001"),
                                       divan_str(""),        divan_str("k:00002"), divan_str("k:00005")};
    assert_code(divan_get_many(t->things, keys, 6, NULL, results, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND);
    for (int i = 0; i < 6; i++) assert_non_null(results[i]);
    assert_non_null(strstr(divan_result_value(results[0]).data, "\"n\":5"));
    assert_code(divan_result_error(results[1])->code, DIVAN_ERR_DOCUMENT_NOT_FOUND);
    assert_non_null(strstr(divan_result_value(results[2]).data, "\"n\":1"));
    assert_code(divan_result_error(results[3])->code, DIVAN_ERR_KEY_EMPTY);
    assert_true(bytes_is(divan_result_key(results[4]), "k:00002"));
    assert_null(divan_result_user(results[5]));
    divan_result_release_many(results, 6);
    assert_null(results[0]);
    const char *const paths[] = {"n"};
    const struct divan_get_options project = {.project = paths, .project_count = 1};
    engine_must(divan_get_many(t->things, &keys[4], 2, &project, results, &err), &err);
    assert_true(bytes_is(divan_result_value(results[0]), "{\"n\":2}"));
    divan_result_release_many(results, 2);
    engine_must(divan_exists_many(t->things, keys, 3, NULL, results, &err), &err);
    assert_false(divan_result_exists(results[1]));
    assert_true(divan_result_exists(results[2]));
    divan_result_release_many(results, 3);
    const struct divan_document fresh[] = {{divan_str("n1"), divan_str("1")}, {divan_str("k:00001"), divan_str("1")}};
    assert_code(divan_insert_many(t->things, fresh, 2, NULL, results, &err), DIVAN_ERR_DOCUMENT_EXISTS);
    assert_null(divan_result_error(results[0]));
    divan_result_release_many(results, 2);
    const struct divan_bytes gone[] = {divan_str("n1")};
    engine_must(divan_remove_many(t->things, gone, 1, NULL, NULL, &err), &err);
    engine_must(divan_remove_many(t->things, NULL, 0, NULL, NULL, &err), &err);
    assert_code(divan_get_many(t->things, NULL, 3, NULL, results, &err), DIVAN_ERR_HANDLE_NULL);
    assert_code(divan_get_many(NULL, gone, 1, NULL, results, &err), DIVAN_ERR_HANDLE_NULL);
}

static void bulk_waits_for_room(void **state)
{
    struct stage *t = *state;
    divan_cluster_close(t->cluster);
    open_with(t, &(struct divan_cluster_options){.username = "u", .password = "p", .max_in_flight = 7});
    load(t);
    enum divan_code end;
    assert_int_equal(scan_all(t, NULL, NULL, &end), DOCUMENTS); /* more vBuckets at once than may be in flight */
}

static void overload_can_be_waited_for(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_cluster_close(t->cluster);
    open_with(t, &(struct divan_cluster_options){.username = "u", .password = "p", .max_in_flight = 10});
    divan_queue *queue = divan_queue_new(t->cluster);
    size_t overloads = 0;
    for (int i = 0; i < 500; i++) {
        enum divan_code rc;
        while (
            (rc = divan_get_start(t->things, divan_str("k:00001"), NULL, (struct divan_done){.queue = queue}, &err))) {
            assert_code(rc, DIVAN_ERR_OVERLOADED);
            overloads++;
            engine_must(divan_cluster_wait_capacity(t->cluster, 5000, &err), &err);
        }
    }
    assert_true(overloads > 10);
    divan_result *out[500];
    size_t n = 0;
    while (n < 500) n += divan_queue_pop(queue, out + n, 500 - n, -1);
    divan_result_release_many(out, 500);
    divan_queue_free(queue);
    assert_code(divan_cluster_wait_capacity(NULL, 0, &err), DIVAN_ERR_HANDLE_NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_document_comes_once, set, strike),
        cmocka_unit_test_setup_teardown(small_pages_and_little_room, set, strike),
        cmocka_unit_test_setup_teardown(ranges_and_prefixes, set, strike),
        cmocka_unit_test_setup_teardown(samples_are_not_more_than_asked_for, set, strike),
        cmocka_unit_test_setup_teardown(pages_come_through_a_queue, set, strike),
        cmocka_unit_test_setup_teardown(a_scan_is_left_in_the_middle, set, strike),
        cmocka_unit_test_setup_teardown(badly_described_scans, set, strike),
        cmocka_unit_test_setup_teardown(a_missing_collection_is_told, set, strike),
        cmocka_unit_test_setup_teardown(consistent_with_a_write, set, strike),
        cmocka_unit_test_setup_teardown(bulk_results_are_in_order, set, strike),
        cmocka_unit_test_setup_teardown(bulk_waits_for_room, set, strike),
        cmocka_unit_test_setup_teardown(overload_can_be_waited_for, set, strike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
