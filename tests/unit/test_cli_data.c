#include "unit/unit.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/bench.h"
#include "cli/connect.h"
#include "cli/demo_data.h"
#include "cli/document.h"
#include "cli/local/child.h"
#include "cli/local/ports.h"
#include "cli/local/state.h"
#include "cli/value.h"
#include "text/json.h"

static struct divan_error err;

static void values_come_from_where_they_are_named(void **state)
{
    struct buf out = {0};
    char path[] = "/tmp/divan-test-XXXXXX", operand[64];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "a\0b\xff", 4), 4);
    close(fd);
    snprintf(operand, sizeof operand, "@%s", path);
    assert_int_equal(value_load(operand, &out, &err), DIVAN_OK);
    assert_true(bytes_equal(buf_view(&out), bytes_of("a\0b\xff", 4)));
    buf_fini(&out);
    unlink(path);
    assert_int_equal(value_load(operand, &out, &err), DIVAN_ERR_FILE_READ);
    assert_non_null(strstr(err.message, path));
    buf_fini(&out);
    assert_int_equal(value_load("@@me", &out, &err), DIVAN_OK);
    assert_true(bytes_is(buf_view(&out), "@me"));
    buf_fini(&out);
    assert_int_equal(value_load("", &out, &err), DIVAN_OK);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
    assert_int_equal(value_load_file("/", &out, &err), DIVAN_ERR_FILE_READ);
    buf_fini(&out);
}

static void flags_tell_what_a_value_is(void **state)
{
    assert_int_equal(value_flags_of(divan_str("{\"a\":1}")), VALUE_FLAGS_JSON);
    assert_int_equal(value_flags_of(divan_str("17")), VALUE_FLAGS_JSON);
    assert_int_equal(value_flags_of(divan_str("Grüße")), VALUE_FLAGS_UTF8);
    assert_int_equal(value_flags_of(divan_str("")), VALUE_FLAGS_UTF8);
    assert_int_equal(value_flags_of(divan_str("{\"a\":}")), VALUE_FLAGS_UTF8);
    assert_int_equal(value_flags_of(bytes_of("\xff\xfe", 2)), VALUE_FLAGS_RAW);
    assert_int_equal(value_flags_of(bytes_of("\xed\xa0\x80", 3)), VALUE_FLAGS_RAW); /* a surrogate */
    assert_int_equal(value_flags_of(bytes_of("\"\xff\"", 3)), VALUE_FLAGS_RAW);     /* nearly JSON */
}

static void shown_is(struct divan_bytes value, uint32_t flags, const char *expected)
{
    struct buf out = {.limit = 4096};
    buf_u8(&out, '{');
    value_show(&out, value, flags);
    buf_u8(&out, '}');
    assert_string_equal(buf_text(&out), expected);
    assert_true(json_is_valid(buf_view(&out)));
    buf_fini(&out);
}

static void a_value_is_shown_as_what_it_is(void **state)
{
    shown_is(divan_str("{ \"a\" : 1.10 }"), VALUE_FLAGS_JSON, "{\"format\":\"json\",\"value\":{\"a\":1.10}}");
    shown_is(divan_str("17"), 0, "{\"format\":\"json\",\"value\":17}");
    shown_is(divan_str("17"), VALUE_FLAGS_UTF8, "{\"format\":\"text\",\"value\":\"17\"}");
    shown_is(divan_str("not \"JSON\""), VALUE_FLAGS_JSON, "{\"format\":\"text\",\"value\":\"not \\\"JSON\\\"\"}");
    shown_is(bytes_of("\xff\0a", 3), 0, "{\"format\":\"base64\",\"value_base64\":\"/wBh\"}");
    shown_is(divan_str("abc"), VALUE_FLAGS_RAW, "{\"format\":\"base64\",\"value_base64\":\"YWJj\"}");
    shown_is(bytes_of("\xff", 1), VALUE_FLAGS_UTF8, "{\"format\":\"base64\",\"value_base64\":\"/w==\"}");
}

static void exit_statuses_tell_data_from_trouble(void **state)
{
    assert_int_equal(document_exit(DIVAN_OK), EXIT_DONE);
    assert_int_equal(document_exit(DIVAN_ERR_DOCUMENT_NOT_FOUND), EXIT_REFUSED);
    assert_int_equal(document_exit(DIVAN_ERR_DOCUMENT_EXISTS), EXIT_REFUSED);
    assert_int_equal(document_exit(DIVAN_ERR_CAS_MISMATCH), EXIT_REFUSED);
    assert_int_equal(document_exit(DIVAN_ERR_DELTA_INVALID), EXIT_REFUSED);
    assert_int_equal(document_exit(DIVAN_ERR_AUTHENTICATION_FAILURE), EXIT_TROUBLE);
    assert_int_equal(document_exit(DIVAN_ERR_AMBIGUOUS_TIMEOUT), EXIT_TROUBLE);
    assert_int_equal(document_exit(DIVAN_ERR_COLLECTION_NOT_FOUND), EXIT_TROUBLE);
    assert_int_equal(document_exit(DIVAN_ERR_USAGE), EXIT_TROUBLE);
}

static void bench_values_are_json_of_their_size(void **state)
{
    char value[300];
    for (size_t len = 1; len < sizeof value; len++) {
        bench_value(value, len);
        if (!json_is_valid(bytes_of(value, len))) fail_msg("%zu bytes: %.*s", len, (int)len, value);
    }
}

static void demo_documents_are_compact_and_keyed(void **state)
{
    struct demo_set set = {0};
    static const char countries[] = "{ \"3166-1\" : [ { \"alpha_2\" : \"DE\", \"name\" : \"Germany\" },\n"
                                    " {\"alpha_2\":\"AX\",\"name\":\"Åland \\\"Islands\\\"\"} ] }";
    assert_int_equal(demo_set_add(&set, 0, divan_str(countries), &err), DIVAN_OK);
    assert_int_equal(set.count, 2);
    assert_int_equal(set.per_source[0], 2);
    assert_true(bytes_is(demo_key(&set, 0), "country::DE"));
    assert_true(bytes_is(demo_body(&set, 0), "{\"alpha_2\":\"DE\",\"name\":\"Germany\"}"));
    assert_true(bytes_is(demo_body(&set, 1), "{\"alpha_2\":\"AX\",\"name\":\"Åland \\\"Islands\\\"\"}"));
    assert_int_equal(demo_set_add(&set, 0, divan_str("{\"3166-1\":[{\"name\":\"x\"}]}"), &err), DIVAN_ERR_JSON_SYNTAX);
    assert_int_equal(demo_set_add(&set, 0, divan_str("{\"3166-2\":[]}"), &err), DIVAN_ERR_JSON_SYNTAX);
    assert_int_equal(demo_set_add(&set, 0, divan_str("{\"3166-1\":["), &err), DIVAN_ERR_JSON_SYNTAX);
    demo_set_fini(&set);
    assert_int_equal(demo_set_load(&set, "/nowhere", &err), DIVAN_ERR_FILE_READ);
    assert_non_null(strstr(err.message, "iso-codes"));
    demo_set_fini(&set);
}

static void demo_survives_failing_allocations(void **state)
{
    static const char countries[] = "{\"3166-1\":[{\"alpha_2\":\"DE\"}]}";
    int64_t before = mem_live();
    enum divan_code rc = DIVAN_ERR_OUT_OF_MEMORY;
    for (uint64_t n = 1; rc; n++) {
        struct demo_set set = {0};
        mem_fail_at(n);
        rc = demo_set_add(&set, 0, divan_str(countries), &err);
        mem_fail_at(0);
        demo_set_fini(&set);
        if (rc) assert_int_equal(rc, DIVAN_ERR_OUT_OF_MEMORY);
    }
    assert_int_equal(mem_live(), before);
}

/* ---- state folders */

static char home[64];

static int make_home(void **state)
{
    snprintf(home, sizeof home, "/tmp/divan-test-XXXXXX");
    if (!mkdtemp(home)) return -1;
    setenv("XDG_STATE_HOME", home, 1);
    unsetenv("DIVAN_DIR");
    return 0;
}

static int remove_home(void **state)
{
    state_remove(home);
    return 0;
}

static struct record sample(char *dir, struct record_node *node)
{
    static char *buckets[] = {(char *)"app", (char *)"b \"2\""};
    *node = (struct record_node){.id = 1, .pid = 77, .host = "127.0.0.1", .mgmt = 12000, .kv = 12010};
    return (struct record){.connection_string = (char *)"couchbase://127.0.0.1:12010",
                           .username = (char *)"Administrator",
                           .password = (char *)"p\\\"w",
                           .dir = dir,
                           .buckets = buckets,
                           .bucket_count = 2,
                           .pid = getpid(),
                           .nodes = node,
                           .node_count = 1};
}

static void a_record_survives_its_json(void **state)
{
    struct record_node node;
    struct record read, written = sample((char *)"/d", &node);
    struct buf json = {.limit = 1 << 16}, again = {.limit = 1 << 16};
    record_json(&written, &json);
    assert_true(json_is_valid(buf_view(&json)));
    assert_non_null(strstr(buf_text(&json), "\"bucket\":\"app\""));
    assert_non_null(strstr(buf_text(&json), "\"host\":\"127.0.0.1\",\"kv\":12010,\"mgmt\":12000}"));
    assert_int_equal(record_parse(buf_view(&json), &read, &err), DIVAN_OK);
    record_json(&read, &again);
    assert_true(bytes_equal(buf_view(&json), buf_view(&again)));
    record_fini(&read);
    for (size_t len = 0; len < json.len; len++)
        assert_int_equal(record_parse(bytes_of(json.data, len), &read, &err), DIVAN_ERR_STATE_DIR);
    buf_fini(&json);
    buf_fini(&again);
}

static void one_cluster_runs_on_a_folder(void **state)
{
    int lock = -1, second = -1;
    struct record_node node;
    struct record read;
    char *dir = state_path(NULL, &err);
    assert_non_null(dir);
    assert_int_equal(strncmp(dir, home, strlen(home)), 0);
    assert_int_equal(state_owner(dir), 0);
    assert_int_equal(state_make(dir, &err), DIVAN_OK);
    assert_int_equal(state_lock(dir, &lock, &err), DIVAN_OK);
    assert_int_equal(state_owner(dir), getpid());
    assert_int_equal(state_lock(dir, &second, &err), DIVAN_ERR_STATE_DIR);
    assert_non_null(strstr(err.message, "divan down"));
    assert_false(state_read(dir, &read, &err)); /* runs, but is not ready */
    assert_int_equal(err.code, DIVAN_ERR_STATE_DIR);

    struct record written = sample(dir, &node);
    assert_int_equal(state_publish(dir, &written, &err), DIVAN_OK);
    assert_true(state_read(dir, &read, &err));
    assert_string_equal(read.connection_string, written.connection_string);
    record_fini(&read);

    struct connect_args args = {0};
    struct target target;
    assert_int_equal(target_choose(&args, &target, &err), DIVAN_OK);
    assert_true(target.is_local);
    assert_string_equal(target.connstr, "couchbase://127.0.0.1:12010");
    assert_string_equal(target.password, "p\\\"w");
    assert_string_equal(target.bucket, "app");
    target_fini(&target);

    args.connstr = "couchbase://localhost:12010/other"; /* the same cluster, named */
    assert_int_equal(target_choose(&args, &target, &err), DIVAN_OK);
    assert_true(target.is_local);
    assert_string_equal(target.connstr, args.connstr);
    assert_string_equal(target.password, "p\\\"w");
    assert_null(target.bucket);
    target_fini(&target);

    args.username = "somebody"; /* the password of another user is not his */
    assert_int_equal(target_choose(&args, &target, &err), DIVAN_OK);
    assert_null(target.password);
    target_fini(&target);

    close(lock); /* a crash: everything is still there but the lock */
    assert_int_equal(state_owner(dir), 0);
    assert_false(state_read(dir, &read, &err));
    assert_int_equal(err.code, DIVAN_OK);
    assert_int_equal(state_lock(dir, &lock, &err), DIVAN_OK);
    close(lock);
    state_retract(dir);
    mem_free(dir);
}

static void without_a_cluster_it_is_loopback_or_what_is_given(void **state)
{
    struct connect_args args = {0};
    struct target target;
    assert_int_equal(target_choose(&args, &target, &err), DIVAN_OK);
    assert_string_equal(target.connstr, "couchbase://127.0.0.1");
    assert_string_equal(target.username, "Administrator");
    assert_string_equal(target.bucket, "default");
    target_fini(&target);
    args.connstr = "couchbase://db.example.com";
    assert_int_equal(target_choose(&args, &target, &err), DIVAN_OK);
    assert_null(target.username); /* no password is sent to strangers unasked */
    assert_null(target.bucket);
    target_fini(&target);
    args.connstr = "couchbase://host:port";
    assert_int_equal(target_choose(&args, &target, &err), DIVAN_ERR_CONNSTR_PORT);
    args = (struct connect_args){.dir = "/nowhere/at/all"};
    assert_int_equal(target_choose(&args, &target, &err), DIVAN_ERR_STATE_DIR);
}

static void forget(void *user, const char *dir)
{
    (*(int *)user)++;
}

static void the_list_forgets_clusters_that_ended(void **state)
{
    int lock, seen = 0;
    struct record_node node;
    char *dir = state_path(NULL, &err);
    struct record written = sample(dir, &node);
    assert_int_equal(state_make(dir, &err), DIVAN_OK);
    assert_int_equal(state_lock(dir, &lock, &err), DIVAN_OK);
    assert_int_equal(state_publish(dir, &written, &err), DIVAN_OK);
    state_each(forget, &seen);
    assert_int_equal(seen, 1);
    close(lock);
    state_each(forget, &seen);
    assert_int_equal(seen, 1);
    mem_free(dir);
}

/* ---- nodes */

static void places_follow_the_port_base(void **state)
{
    struct place p = place_of(2, 0);
    assert_string_equal(p.host, "127.0.0.3");
    assert_int_equal(p.mgmt, 8091);
    assert_int_equal(p.kv, 11210);
    p = place_of(2, 12000);
    assert_string_equal(p.host, "127.0.0.1");
    assert_int_equal(p.mgmt, 12200);
    assert_int_equal(p.kv, 12210);
}

static void a_taken_port_is_named(void **state)
{
    struct io_loop *loop = io_loop_new_uv(&err);
    uint16_t base = 0;
    assert_int_equal(ports_find(loop, 2, &base, &err), DIVAN_OK);
    assert_int_equal(ports_check(loop, 2, base, &err), DIVAN_OK);
    struct io_addr addr;
    io_addr_parse(&addr, "127.0.0.1", (uint16_t)(base + 110)); /* key-value of the second node */
    struct io_listener *taken = io_listen(loop, &addr, NULL, NULL, &err);
    assert_non_null(taken);
    assert_int_equal(ports_check(loop, 2, base, &err), DIVAN_ERR_PORT_IN_USE);
    char named[8];
    snprintf(named, sizeof named, "%u", base + 110);
    assert_non_null(strstr(err.message, named));
    assert_non_null(strstr(err.message, "--port-base"));
    io_listener_close(taken);
    io_loop_free(loop);
}

static void children_are_told_apart_by_their_end(void **state)
{
    char how[80], words[64], log[80];
    snprintf(log, sizeof log, "%s/child.log", home);
    const char *argv[] = {"sh", "-c", "echo first; echo last $VALUE >&2; exit 3", NULL};
    struct child_options options = {.program = "/bin/sh", .argv = argv, .variable = "VALUE=words", .log = log};
    int64_t pid = child_start(&options, &err);
    assert_true(pid > 0);
    siginfo_t info;
    waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
    assert_string_equal(child_ended(pid, how, sizeof how), "exited with status 3");
    assert_string_equal(child_last_words(log, words, sizeof words), "last words");

    const char *stubborn[] = {"sh", "-c", "trap '' TERM; echo ready; while :; do read x </dev/zero; done", NULL};
    options.argv = stubborn;
    pid = child_start(&options, &err);
    assert_true(pid > 0);
    child_stop_all(&pid, 1, 50);
    assert_int_equal(pid, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_from_where_they_are_named),
        cmocka_unit_test(flags_tell_what_a_value_is),
        cmocka_unit_test(a_value_is_shown_as_what_it_is),
        cmocka_unit_test(exit_statuses_tell_data_from_trouble),
        cmocka_unit_test(bench_values_are_json_of_their_size),
        cmocka_unit_test(demo_documents_are_compact_and_keyed),
        cmocka_unit_test(demo_survives_failing_allocations),
        cmocka_unit_test(a_record_survives_its_json),
        cmocka_unit_test(one_cluster_runs_on_a_folder),
        cmocka_unit_test(without_a_cluster_it_is_loopback_or_what_is_given),
        cmocka_unit_test(the_list_forgets_clusters_that_ended),
        cmocka_unit_test(places_follow_the_port_base),
        cmocka_unit_test(a_taken_port_is_named),
        cmocka_unit_test(children_are_told_apart_by_their_end),
    };
    return cmocka_run_group_tests(tests, make_home, remove_home);
}
