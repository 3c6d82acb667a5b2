#include "unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cli/checkpoint.h"
#include "cli/keyform.h"
#include "cli/line.h"
#include "cli/lines.h"
#include "cli/spec.h"
#include "text/json.h"

static struct divan_error err;

/* ---- parts of documents */

static void lookups_are_op_and_path(void **state)
{
    static const struct {
        const char *text, *path;
        enum divan_lookup_op op;
        bool xattr;
    } rows[] = {
        {"name", "name", DIVAN_LOOKUP_GET, false},
        {"", "", DIVAN_LOOKUP_GET, false},
        {"get=a[0].b", "a[0].b", DIVAN_LOOKUP_GET, false},
        {"count=tags", "tags", DIVAN_LOOKUP_COUNT, false},
        {"exists=a=b", "a=b", DIVAN_LOOKUP_EXISTS, false},
        {"`a=b`.c", "`a=b`.c", DIVAN_LOOKUP_GET, false},
        {"xattr:$document.exptime", "$document.exptime", DIVAN_LOOKUP_GET, true},
        {"count=xattr:_a", "_a", DIVAN_LOOKUP_COUNT, true},
        {"`xattr:x`", "`xattr:x`", DIVAN_LOOKUP_GET, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct divan_lookup l;
        assert_int_equal(spec_lookup_parse(rows[i].text, &l, &err), DIVAN_OK);
        assert_true(bytes_is(l.path, rows[i].path));
        assert_int_equal(l.op, rows[i].op);
        assert_int_equal(l.xattr, rows[i].xattr);
    }
    struct divan_lookup l;
    assert_int_equal(spec_lookup_parse("cuont=x", &l, &err), DIVAN_ERR_USAGE);
    assert_non_null(strstr(err.message, "did you mean \"count\"?"));
}

static void changes_are_op_path_and_value(void **state)
{
    static const struct {
        const char *text, *path, *value;
        enum divan_mutate_op op;
        int64_t delta;
    } rows[] = {
        {"upsert=a.b=1", "a.b", "1", DIVAN_MUTATE_UPSERT, 0},
        {"upsert=a={\"x\":\"=\"}", "a", "{\"x\":\"=\"}", DIVAN_MUTATE_UPSERT, 0},
        {"insert=a==b\"=c", "a", "\"b\\\"=c\"", DIVAN_MUTATE_INSERT, 0},
        {"replace=`k=v`=true", "`k=v`", "true", DIVAN_MUTATE_REPLACE, 0},
        {"upsert=={}", "", "{}", DIVAN_MUTATE_UPSERT, 0},
        {"remove=a", "a", "", DIVAN_MUTATE_REMOVE, 0},
        {"append=l=1,2, 3", "l", "1,2, 3", DIVAN_MUTATE_ARRAY_APPEND, 0},
        {"insert-at=l[0]=null", "l[0]", "null", DIVAN_MUTATE_ARRAY_INSERT, 0},
        {"add=l==@x", "l", "\"@x\"", DIVAN_MUTATE_ARRAY_ADD_UNIQUE, 0},
        {"incr=n", "n", "", DIVAN_MUTATE_INCREMENT, 1},
        {"incr=n=-5", "n", "", DIVAN_MUTATE_INCREMENT, -5},
        {"decr=n=9223372036854775807", "n", "", DIVAN_MUTATE_INCREMENT, -INT64_MAX},
        {"body-from=_a", "_a", "", DIVAN_MUTATE_BODY_FROM_XATTR, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct spec_change c;
        assert_int_equal(spec_change_parse(rows[i].text, &c, &err), DIVAN_OK);
        assert_true(bytes_is(c.mutation.path, rows[i].path));
        assert_true(bytes_is(c.mutation.value, rows[i].value));
        assert_int_equal(c.mutation.op, rows[i].op);
        assert_int_equal(c.mutation.delta, rows[i].delta);
        spec_change_fini(&c);
    }
    struct spec_change c;
    assert_int_equal(spec_change_parse("macro=_a.cas=cas", &c, &err), DIVAN_OK);
    assert_true(c.mutation.xattr && c.mutation.expand_macros && bytes_is(c.mutation.value, DIVAN_MACRO_CAS));
    spec_change_fini(&c);
}

static void what_is_no_change_is_told(void **state)
{
    static const struct {
        const char *text;
        enum divan_code code;
        const char *word;
    } rows[] = {
        {"upsert=a=Ada", DIVAN_ERR_VALUE_NOT_JSON, "write == in front"},
        {"upsert=a=1,2", DIVAN_ERR_VALUE_NOT_JSON, "byte 1"},
        {"append=a=1,", DIVAN_ERR_VALUE_NOT_JSON, ""},
        {"append=a=1]", DIVAN_ERR_VALUE_NOT_JSON, ""},
        {"upsert=a=", DIVAN_ERR_VALUE_NOT_JSON, ""},
        {"upsert=a", DIVAN_ERR_USAGE, "has no value"},
        {"upsert", DIVAN_ERR_USAGE, "has no path"},
        {"remove=a=1", DIVAN_ERR_USAGE, "no value"},
        {"incr=a=0", DIVAN_ERR_USAGE, "whole number"},
        {"incr=a=1.5", DIVAN_ERR_USAGE, "whole number"},
        {"incr=a=99999999999999999999", DIVAN_ERR_USAGE, "whole number"},
        {"incr=a=", DIVAN_ERR_USAGE, "whole number"},
        {"macro=a=now", DIVAN_ERR_USAGE, "crc32c"},
        {"upset=a=1", DIVAN_ERR_USAGE, "did you mean \"upsert\"?"},
        {"=a", DIVAN_ERR_USAGE, "unknown operation"},
        {"upsert=a=@/no/such/file", DIVAN_ERR_FILE_READ, "/no/such/file"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct spec_change c;
        assert_int_equal(spec_change_parse(rows[i].text, &c, &err), rows[i].code);
        assert_non_null(strstr(err.message, rows[i].word));
        spec_change_fini(&c);
    }
}

/* ---- keys from documents */

static void keys_are_made_from_documents(void **state)
{
    static const char json[] = "{\"id\":7,\"a\":{\"b\":\"x\\ny\"},\"ok\":true,\"no\":null,\"l\":[1]}";
    static const struct {
        const char *form, *key; /* NULL = cannot be made */
    } rows[] = {
        {"u::{id}", "u::7"}, {"{a.b}", "x\ny"}, {"{ok}-{#}", "true-12"}, {"{{{id}}}", "{7}"}, {"plain", "plain"},
        {"{no}", NULL},      {"{l}", NULL},     {"{zip}", NULL},         {"{id.x}", NULL},    {"{a}", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf out = {.limit = 100};
        assert_int_equal(keyform_check(rows[i].form, &err), DIVAN_OK);
        enum divan_code rc = keyform_make(rows[i].form, divan_str(json), 12, &out, &err);
        assert_int_equal(rc, rows[i].key ? DIVAN_OK : DIVAN_ERR_USAGE);
        if (rows[i].key) assert_true(bytes_is(buf_view(&out), rows[i].key));
        buf_fini(&out);
    }
    static const char *const bad[] = {"", "{", "a{", "}", "{}", "{a", "{a{b}}", "x}y", "{{{"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(keyform_check(bad[i], &err), DIVAN_ERR_USAGE);
}

/* ---- documents as lines */

static void a_line_gives_back_what_it_was_made_from(void **state)
{
    static const struct divan_scan_item items[] = {
        {.key = {"k", 1}, .value = {"{\"a\": [1, 2]}", 13}, .flags = 0x02000006},
        {.key = {"k\n\"\xc3\xbc", 5}, .value = {"text\n", 5}, .flags = 0x04000004, .expiry = 1893456000},
        {.key = {"\xff\x00k", 3}, .value = {"\xff\x00", 2}, .flags = 0x03000000},
        {.key = {"e", 1}, .value = {"", 0}, .flags = 7},
        {.key = {"old", 3}, .value = {"12", 2}, .flags = 0},
        {.key = {"raw", 3}, .value = {"{}", 2}, .flags = 0x03000000},
    };
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        struct buf text = {.limit = 1000}, texts = {.limit = 1000};
        struct line line;
        line_put(&text, &items[i], false, true);
        assert_int_equal(text.data[text.len - 1], '\n');
        assert_null(memchr(text.data, '\n', text.len - 1));
        assert_true(json_is_valid(buf_view(&text)));
        assert_int_equal(line_read(buf_view(&text), &texts, &line, &err), DIVAN_OK);
        assert_true(bytes_equal(line_part(&texts, line.key_at, line.key_len), items[i].key));
        assert_true(bytes_equal(line_part(&texts, line.value_at, line.value_len), items[i].value));
        assert_int_equal(line.flags, items[i].flags);
        assert_int_equal(line.expiry, items[i].expiry);
        buf_fini(&text);
        buf_fini(&texts);
    }
}

static void bad_lines_say_what_is_wrong(void **state)
{
    static const struct {
        const char *text, *word;
    } rows[] = {
        {"", "not JSON"},
        {"{\"key\":\"k\",\"value\":1} x", "byte 22"},
        {"[1]", "not a JSON object"},
        {"{\"key\":\"k\"}", "\"value\""},
        {"{\"key\":1,\"value\":1}", "\"key\" is not a string"},
        {"{\"key\":\"k\",\"value\":1,\"format\":\"text\"}", "\"value\" is not a string"},
        {"{\"key\":\"k\",\"value_base64\":\"/\"}", "base64"},
        {"{\"key\":\"k\",\"value\":1,\"flags\":4294967296}", "\"flags\""},
        {"{\"key\":\"k\",\"value\":1,\"expiry\":-1}", "\"expiry\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf texts = {.limit = 1000};
        struct line line;
        assert_int_not_equal(line_read(divan_str(rows[i].text), &texts, &line, &err), DIVAN_OK);
        assert_non_null(strstr(err.message, rows[i].word));
        buf_fini(&texts);
    }
}

/* ---- files of lines */

static char path[] = "/tmp/divan-test-XXXXXX";

static void put_file(const char *text, size_t len)
{
    memcpy(path, "/tmp/divan-test-XXXXXX", sizeof path);
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
}

static void lines_are_told_with_their_places(void **state)
{
    static const struct {
        const char *line;
        uint64_t number, offset;
    } rows[] = {{"a", 1, 2}, {"", 2, 3}, {"bc", 3, 7}, {"last", 4, 11}};
    struct lines l;
    struct divan_bytes line;
    put_file("a\n\nbc\r\nlast", 11);
    assert_int_equal(lines_open(&l, path, &err), DIVAN_OK);
    assert_int_equal(l.size, 11);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(lines_next(&l, &line, &err), LINES_LINE);
        assert_true(bytes_is(line, rows[i].line));
        assert_int_equal(l.number, rows[i].number);
        assert_int_equal(l.offset, rows[i].offset);
    }
    assert_int_equal(lines_next(&l, &line, &err), LINES_END);
    assert_int_equal(lines_next(&l, &line, &err), LINES_END);
    lines_close(&l);
    unlink(path);
}

static void lines_go_on_behind_a_place(void **state)
{
    struct lines l;
    struct divan_bytes line;
    static const struct {
        uint64_t offset, number;
        const char *next; /* NULL = refused, "" = the end */
    } rows[] = {{3, 2, "bc"}, {0, 2, "bc"}, {0, 0, "a"},   {0, 4, ""},
                {11, 4, ""},  {5, 3, NULL}, {12, 4, NULL}, {0, 5, NULL}};
    put_file("a\n\nbc\r\nlast", 11);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(lines_open(&l, path, &err), DIVAN_OK);
        enum divan_code rc = lines_skip(&l, rows[i].offset, rows[i].number, &err);
        assert_int_equal(rc, rows[i].next ? DIVAN_OK : DIVAN_ERR_USAGE);
        if (!rc) {
            enum lines_event event = lines_next(&l, &line, &err);
            assert_int_equal(event, *rows[i].next ? LINES_LINE : LINES_END);
            if (*rows[i].next) assert_true(bytes_is(line, rows[i].next));
        }
        lines_close(&l);
    }
    unlink(path);
}

static void a_line_too_long_is_passed_over(void **state)
{
    size_t len = (size_t)LINES_MAX_BYTES + (4 << 20);
    char *text = mem_alloc(len + 6);
    struct lines l;
    struct divan_bytes line;
    assert_non_null(text);
    memset(text, 'x', len);
    memcpy(text, "a\n", 2);
    memcpy(text + len, "\nnext\n", 6);
    put_file(text, len + 6);
    assert_int_equal(lines_open(&l, path, &err), DIVAN_OK);
    assert_int_equal(lines_next(&l, &line, &err), LINES_LINE);
    assert_int_equal(lines_next(&l, &line, &err), LINES_TOO_LONG);
    assert_int_equal(l.number, 2);
    assert_int_equal(l.offset, len + 1);
    assert_int_equal(lines_next(&l, &line, &err), LINES_LINE);
    assert_true(bytes_is(line, "next"));
    assert_int_equal(lines_next(&l, &line, &err), LINES_END);
    lines_close(&l);
    mem_free(text);
    unlink(path);
}

static void a_checkpoint_comes_back(void **state)
{
    const struct checkpoint place = {.line = 12, .offset = 345, .stored = 10, .bad = 2, .rejects_bytes = 99};
    struct checkpoint read = {0};
    bool found = true;
    put_file("", 0);
    unlink(path);
    assert_int_equal(checkpoint_read(path, "in", &read, &found, &err), DIVAN_OK);
    assert_false(found);
    assert_int_equal(checkpoint_write(path, "in", &place, &err), DIVAN_OK);
    assert_int_equal(checkpoint_read(path, "in", &read, &found, &err), DIVAN_OK);
    assert_true(found);
    assert_memory_equal(&read, &place, sizeof place);
    assert_int_equal(checkpoint_read(path, "other", &read, &found, &err), DIVAN_ERR_USAGE);
    assert_non_null(strstr(err.message, "belongs to the input \"in\""));
    checkpoint_remove(path);
    put_file("{\"input\":\"in\"}", 14);
    assert_int_equal(checkpoint_read(path, "in", &read, &found, &err), DIVAN_ERR_USAGE);
    unlink(path);
    assert_int_equal(checkpoint_write("/no/such/folder/x", "in", &place, &err), DIVAN_ERR_FILE_WRITE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lookups_are_op_and_path),
        cmocka_unit_test(changes_are_op_path_and_value),
        cmocka_unit_test(what_is_no_change_is_told),
        cmocka_unit_test(keys_are_made_from_documents),
        cmocka_unit_test(a_line_gives_back_what_it_was_made_from),
        cmocka_unit_test(bad_lines_say_what_is_wrong),
        cmocka_unit_test(lines_are_told_with_their_places),
        cmocka_unit_test(lines_go_on_behind_a_place),
        cmocka_unit_test(a_line_too_long_is_passed_over),
        cmocka_unit_test(a_checkpoint_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
