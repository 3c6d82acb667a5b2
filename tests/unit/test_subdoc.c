#include "unit/unit.h"

#include <stdio.h>

#include "base/alloc.h"
#include "text/subdoc.h"

/* ---- measured behaviour: tests/data/subdoc.json is a list of [name, steps] with the steps
 * ["set", document], [OP, path, flags, value, status, reply] and ["get", document]. */

static const struct {
    const char *name;
    enum subdoc_op op;
} ops[] = {
    {"GET", SUBDOC_GET},
    {"EXISTS", SUBDOC_EXISTS},
    {"GET_COUNT", SUBDOC_GET_COUNT},
    {"DICT_ADD", SUBDOC_DICT_ADD},
    {"DICT_UPSERT", SUBDOC_DICT_UPSERT},
    {"DELETE", SUBDOC_DELETE},
    {"REPLACE", SUBDOC_REPLACE},
    {"ARRAY_PUSH_LAST", SUBDOC_ARRAY_PUSH_LAST},
    {"ARRAY_PUSH_FIRST", SUBDOC_ARRAY_PUSH_FIRST},
    {"ARRAY_INSERT", SUBDOC_ARRAY_INSERT},
    {"ARRAY_ADD_UNIQUE", SUBDOC_ARRAY_ADD_UNIQUE},
    {"COUNTER", SUBDOC_COUNTER},
};

struct replay {
    char name[80];
    struct buf document;
    size_t steps, failed;
};

struct step {
    struct buf words[6];
    size_t count;
};

static void read_step(struct json_value list, struct step *s)
{
    struct json_walk w = json_walk_begin(list);
    struct json_value value;
    s->count = 0;
    while (s->count < 6 && json_next_element(&w, &value)) {
        struct buf *word = &s->words[s->count++];
        buf_clear(word);
        if (value.type == JSON_STRING) assert_true(json_unescape(value.text, word));
        else buf_put_bytes(word, value.text);
    }
}

static enum subdoc_op op_named(struct divan_bytes name)
{
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (bytes_is(name, ops[i].name)) return ops[i].op;
    fail_msg("unknown operation");
    return 0;
}

static void complain(struct replay *r, const struct step *s, unsigned status, struct divan_bytes said)
{
    r->failed++;
    print_error("%s: %.*s path=%.*s value=%.*s gives %02x <%.*s>\n", r->name, (int)s->words[0].len,
                (char *)s->words[0].data, (int)s->words[1].len, (char *)s->words[1].data, (int)s->words[3].len,
                (char *)s->words[3].data, status, (int)said.len, (const char *)said.data);
}

static void run_op(struct replay *r, struct step *s)
{
    enum subdoc_op op = op_named(buf_view(&s->words[0]));
    struct divan_bytes path = buf_view(&s->words[1]), value = buf_view(&s->words[3]);
    bool mkdir_p = atoi(buf_text(&s->words[2])) & 1;
    unsigned expected = (unsigned)atoi(buf_text(&s->words[4]));
    struct buf edited = {.limit = 1 << 22};
    struct subdoc_reply reply = {0};
    enum subdoc_status status;
    if (subdoc_is_lookup(op))
        status = value.len ? SUBDOC_EINVAL : subdoc_lookup(op, buf_view(&r->document), path, &reply);
    else status = subdoc_mutate(op, buf_view(&r->document), path, value, mkdir_p, &edited, &reply);
    if (status != expected || (!status && !bytes_equal(reply.value, buf_view(&s->words[5]))))
        complain(r, s, status, reply.value);
    if (!status && !subdoc_is_lookup(op)) {
        buf_fini(&r->document);
        r->document = edited;
    } else {
        assert_int_equal(edited.len, 0);
        buf_fini(&edited);
    }
    r->steps++;
}

static void run_step(struct replay *r, struct step *s)
{
    struct divan_bytes kind = buf_view(&s->words[0]);
    if (bytes_is(kind, "set")) {
        buf_clear(&r->document);
        buf_put_bytes(&r->document, buf_view(&s->words[1]));
    } else if (bytes_is(kind, "get")) {
        if (bytes_equal(buf_view(&s->words[1]), buf_view(&r->document))) return;
        r->failed++;
        print_error("%s: document is %.*s\n", r->name, (int)r->document.len, (char *)r->document.data);
    } else run_op(r, s);
}

static void run_scenario(struct replay *r, struct json_value scenario)
{
    struct json_walk w = json_walk_begin(scenario), steps;
    struct json_value name, list, step;
    struct step s = {0};
    assert_true(json_next_element(&w, &name));
    assert_true(json_next_element(&w, &list));
    snprintf(r->name, sizeof r->name, "%.*s", (int)name.text.len, (const char *)name.text.data);
    steps = json_walk_begin(list);
    while (json_next_element(&steps, &step)) {
        read_step(step, &s);
        run_step(r, &s);
    }
    for (size_t i = 0; i < 6; i++) buf_fini(&s.words[i]);
}

static void what_was_measured_is_repeated(void **state)
{
    FILE *f = fopen(DIVAN_SOURCE_DIR "/tests/data/subdoc.json", "rb");
    static char text[1 << 20];
    assert_non_null(f);
    size_t len = fread(text, 1, sizeof text, f);
    fclose(f);
    struct replay r = {.document = {.limit = 1 << 22}};
    struct json_walk w = json_walk_begin(json_value_of(bytes_of(text, len)));
    struct json_value scenario;
    while (json_next_element(&w, &scenario)) run_scenario(&r, scenario);
    assert_false(w.bad);
    print_message("%zu measured operations\n", r.steps);
    assert_true(r.steps > 500);
    assert_int_equal(r.failed, 0);
    buf_fini(&r.document);
}

/* ---- what the measurements do not cover */

static void check(enum subdoc_op op, const char *document, const char *path, const char *value, bool mkdir_p,
                  enum subdoc_status status, const char *after)
{
    struct buf out = {.limit = 1 << 20};
    enum subdoc_status got = subdoc_mutate(op, divan_str(document), divan_str(path), divan_str(value), mkdir_p, &out,
                                           NULL);
    const char *text = buf_text(&out);
    if (got != status || strcmp(text, after) != 0) fail_msg("%s %s: %02x %s", document, path, got, text);
    buf_fini(&out);
}

static void blanks_stay_where_they_are(void **state)
{
    check(SUBDOC_DICT_UPSERT, " { \"a\" : 1 , \"b\" : [ ] } ", "a", "2", false, SUBDOC_OK,
          " { \"a\" : 2 , \"b\" : [ ] } ");
    check(SUBDOC_DICT_UPSERT, " { \"a\" : 1 } ", "b", "2", false, SUBDOC_OK, " { \"a\" : 1,\"b\":2 } ");
    check(SUBDOC_DICT_UPSERT, "{ }", "b", "2", false, SUBDOC_OK, "{\"b\":2 }");
    check(SUBDOC_DELETE, "{ \"a\" : 1 , \"b\" : 2 }", "a", NULL, false, SUBDOC_OK, "{ \"b\" : 2 }");
    check(SUBDOC_DELETE, "{ \"a\" : 1 , \"b\" : 2 }", "b", NULL, false, SUBDOC_OK, "{ \"a\" : 1  }");
    check(SUBDOC_DELETE, "{ \"a\" : 1 }", "a", NULL, false, SUBDOC_OK, "{  }");
    check(SUBDOC_ARRAY_PUSH_LAST, "[ 1 , 2 ]", "", "3", false, SUBDOC_OK, "[ 1 , 2,3 ]");
    check(SUBDOC_ARRAY_PUSH_FIRST, "[ ]", "", "3", false, SUBDOC_OK, "[3 ]");
    check(SUBDOC_ARRAY_INSERT, "[ 1 , 2 ]", "[1]", "3", false, SUBDOC_OK, "[ 1 , 3,2 ]");
    check(SUBDOC_ARRAY_INSERT, "[ 1 , 2 ]", "[2]", "3,4", false, SUBDOC_OK, "[ 1 , 2,3,4 ]");
}

static void names_are_written_as_they_were_given(void **state)
{
    check(SUBDOC_DICT_UPSERT, "{}", "a\\u0062.`c.d`.`e``f`", "1", true, SUBDOC_OK,
          "{\"a\\u0062\":{\"c.d\":{\"e`f\":1}}}");
    check(SUBDOC_DICT_UPSERT, "{\"ab\":1}", "a\\u0062", "2", false, SUBDOC_OK, "{\"ab\":2}");
    check(SUBDOC_DICT_UPSERT, "{\"\\u0061\":1}", "a", "2", false, SUBDOC_OK, "{\"\\u0061\":2}");
    check(SUBDOC_DICT_UPSERT, "{}", "\xc3\xa9", "1", false, SUBDOC_OK, "{\"\xc3\xa9\":1}");
    check(SUBDOC_DICT_UPSERT, "{}", "a\\q", "1", false, SUBDOC_PATH_EINVAL, "");
    check(SUBDOC_DICT_UPSERT, "{}", "a\\", "1", false, SUBDOC_PATH_EINVAL, "");
    check(SUBDOC_DICT_UPSERT, "{}", "a]", "1", false, SUBDOC_PATH_EINVAL, "");
    check(SUBDOC_REPLACE, "{\"a\":[1]}", "a[0]b", "1", false, SUBDOC_PATH_EINVAL, "");
    check(SUBDOC_REPLACE, "{\"a\":[1]}", "a[0].", "2", false, SUBDOC_OK, "{\"a\":[2]}");
}

static void new_objects_are_made_only_on_demand_and_never_arrays(void **state)
{
    check(SUBDOC_COUNTER, "{}", "a.b", "5", true, SUBDOC_OK, "{\"a\":{\"b\":5}}");
    check(SUBDOC_COUNTER, "{}", "a.b", "5", false, SUBDOC_PATH_ENOENT, "");
    check(SUBDOC_ARRAY_ADD_UNIQUE, "{\"x\":{}}", "x.a.b", "5", true, SUBDOC_OK, "{\"x\":{\"a\":{\"b\":[5]}}}");
    check(SUBDOC_DICT_UPSERT, "{}", "a[0].b", "5", true, SUBDOC_PATH_ENOENT, "");
    check(SUBDOC_DICT_UPSERT, "{\"a\":[]}", "a[0].b", "5", true, SUBDOC_PATH_ENOENT, "");
}

static void documents_never_get_deeper_than_they_may(void **state)
{
    char path[80] = "a", value[80] = "";
    for (int i = 0; i < 20; i++) strcat(path, ".a");
    struct buf document = {.limit = 1 << 16};
    assert_int_equal(
        subdoc_mutate(SUBDOC_DICT_UPSERT, divan_str("{}"), divan_str(path), divan_str("[]"), true, &document, NULL),
        SUBDOC_OK);
    for (int levels = 1; levels < 14; levels++) { /* 21 names above, the value one level below the array */
        struct buf out = {.limit = 1 << 16};
        memset(value, '[', (size_t)levels);
        memset(value + levels, ']', (size_t)levels);
        enum subdoc_status status = subdoc_mutate(SUBDOC_ARRAY_PUSH_LAST, buf_view(&document), divan_str(path),
                                                  divan_str(value), false, &out, NULL);
        assert_int_equal(status, 21 + 1 + levels <= SUBDOC_LEVELS_MAX ? SUBDOC_OK : SUBDOC_VALUE_ETOODEEP);
        struct subdoc_reply reply;
        if (!status) assert_int_equal(subdoc_lookup(SUBDOC_GET, buf_view(&out), divan_str("a"), &reply), SUBDOC_OK);
        buf_fini(&out);
    }
    buf_fini(&document);
}

static void a_full_buffer_and_failed_memory_leave_it_as_it_was(void **state)
{
    struct buf small = {.limit = 20};
    buf_put_str(&small, "kept");
    assert_int_equal(subdoc_mutate(SUBDOC_DICT_UPSERT, divan_str("{\"a\":1}"), divan_str("b"),
                                   divan_str("\"0123456789\""), false, &small, NULL),
                     SUBDOC_NO_MEMORY);
    assert_int_equal(small.len, 4);
    buf_fini(&small);
    struct buf exact = {.limit = 22}; /* {"a":1,"b":{"c":[77]}} */
    assert_int_equal(subdoc_mutate(SUBDOC_ARRAY_PUSH_LAST, divan_str("{\"a\":1}"), divan_str("b.c"), divan_str("77"),
                                   true, &exact, NULL),
                     SUBDOC_OK);
    assert_int_equal(exact.len, 22);
    buf_fini(&exact);
    struct buf out = {.limit = 1 << 20};
    mem_fail_at(1);
    enum subdoc_status status = subdoc_mutate(SUBDOC_DELETE, divan_str("{\"a\":1}"), divan_str("a"), divan_str(NULL),
                                              false, &out, NULL);
    mem_fail_at(0);
    assert_int_equal(status, SUBDOC_NO_MEMORY);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_measured_is_repeated),
        cmocka_unit_test(blanks_stay_where_they_are),
        cmocka_unit_test(names_are_written_as_they_were_given),
        cmocka_unit_test(new_objects_are_made_only_on_demand_and_never_arrays),
        cmocka_unit_test(documents_never_get_deeper_than_they_may),
        cmocka_unit_test(a_full_buffer_and_failed_memory_leave_it_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
