#include "unit/unit.h"

#include <stdio.h>

#include "base/rand.h"
#include "text/json.h"
#include "unit/support_json_oracle.h"

static void any_value_with_blanks_around_it_is_valid(void **state)
{
    static const char *const good[] = {
        "{}",
        "[]",
        "0",
        "-0",
        "1",
        "-12.5e+3",
        "1E5",
        "1e-0",
        "0.1",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        " \t\r\n1 \n",
        "{\"a\":1}",
        "{ \"a\" : [ 1 , 2 , { } ] , \"\" : null }",
        "[[],[[]],{}]",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00Ff\"",
        "\"\\ud800\"",
        "{\"a\":1,\"a\":2}",
        "[1,2]",
        "\"0123456789abcdef\"",
        "\"\x7f\"",
        "\"0123456\\n9\"",
        "[\"1234567890\",\"\"]",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (json_check(divan_str(good[i]), JSON_UTF8, 0, NULL) != JSON_VALID) fail_msg("%s", good[i]);
}

static void what_is_not_json_is_refused_at_its_place(void **state)
{
    const struct {
        const char *text;
        size_t at;
    } bad[] = {
        {"", 0},
        {" ", 1},
        {"tru", 3},
        {"trux", 3},
        {"nul", 3},
        {"01", 1},
        {"-", 1},
        {"1.", 2},
        {"1.e5", 2},
        {"1e", 2},
        {"1e+", 3},
        {"+1", 0},
        {".5", 0},
        {"1 2", 2},
        {"[", 1},
        {"[1", 2},
        {"[1,", 3},
        {"[1,]", 3},
        {"[,1]", 1},
        {"]", 0},
        {"[1}", 2},
        {"{", 1},
        {"{\"a\"", 4},
        {"{\"a\":", 5},
        {"{\"a\":1", 6},
        {"{\"a\":1,", 7},
        {"{\"a\":1,}", 7},
        {"{a:1}", 1},
        {"{1:1}", 1},
        {"{\"a\" 1}", 5},
        {"{\"a\":1]", 6},
        {"\"", 1},
        {"\"a", 2},
        {"\"\\x\"", 2},
        {"\"\\u12g4\"", 5},
        {"\"\\u123", 6},
        {"\"a\nb\"", 2},
        {"'a'", 0},
        {"\"0123456789\x01\"", 11},
        {"NaN", 0},
        {"Infinity", 0},
        {"[1]x", 3},
        {"{}{}", 2},
        {"\xef\xbb\xbf{}", 0},
        {"/**/1", 0},
        {"True", 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t at = 999;
        if (json_check(divan_str(bad[i].text), 0, 0, &at) != JSON_INVALID) fail_msg("%s is accepted", bad[i].text);
        if (at != bad[i].at) fail_msg("%s fails at %zu", bad[i].text, at);
    }
    assert_int_equal(json_check(bytes_of("1\0", 2), 0, 0, NULL), JSON_INVALID);
    assert_int_equal(json_check(bytes_of("\"\0\"", 3), 0, 0, NULL), JSON_INVALID);
}

static void depth_is_limited(void **state)
{
    static char text[2 * JSON_DEPTH_MAX + 2];
    for (size_t depth = 1; depth <= JSON_DEPTH_MAX; depth = depth * 3 + 1) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(json_check(bytes_of(text, 2 * depth), 0, (unsigned)depth, NULL), JSON_VALID);
        size_t at = 0;
        if (depth == 1) continue;
        assert_int_equal(json_check(bytes_of(text, 2 * depth), 0, (unsigned)depth - 1, &at), JSON_TOO_DEEP);
        assert_int_equal(at, depth - 1);
    }
    memset(text, '[', sizeof text);
    assert_int_equal(json_check(bytes_of(text, sizeof text), 0, 0, NULL), JSON_TOO_DEEP);
    assert_int_equal(json_check(bytes_of(text, JSON_DEPTH_MAX), 0, 0, NULL), JSON_INVALID);
}

static void bytes_in_strings_are_utf8_on_demand(void **state)
{
    static const char *const good[] = {"\xc2\x80",     "\xdf\xbf",         "\xe0\xa0\x80",    "\xed\x9f\xbf",
                                       "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xe2\x82",
                                      "\xc2\x41"};
    char text[32];
    for (size_t i = 0; i < sizeof good / sizeof good[0] + sizeof bad / sizeof bad[0]; i++) {
        bool right = i < sizeof good / sizeof good[0];
        snprintf(text, sizeof text, "\"12345%s\"", right ? good[i] : bad[i - sizeof good / sizeof good[0]]);
        assert_int_equal(json_check(divan_str(text), JSON_UTF8, 0, NULL) == JSON_VALID, right);
        assert_int_equal(json_check(divan_str(text), 0, 0, NULL), JSON_VALID);
    }
}

/* ---- against another parser, on texts that are nearly JSON */

static void put_random(struct rng *rng, struct buf *out, int depth)
{
    static const char *const scalars[] = {"0",    "-1",   "3.25",         "1e3",      "true",         "false",
                                          "null", "\"\"", "\"a\\u00e9\"", "\"\\\"\"", "\"\xc3\xa9\"", "12345678901"};
    static const char *const blanks[] = {"", "", "", " ", "\n", "\t "};
    uint64_t kind = depth > 5 ? 0 : rng_below(rng, 4);
    size_t count = rng_below(rng, 4);
    if (kind < 2) {
        buf_put_str(out, scalars[rng_below(rng, sizeof scalars / sizeof scalars[0])]);
        return;
    }
    buf_put_str(out, kind == 2 ? "[" : "{");
    for (size_t i = 0; i < count; i++) {
        if (i) buf_put_str(out, ",");
        buf_put_str(out, blanks[rng_below(rng, 6)]);
        if (kind == 3) buf_printf(out, "\"k%d\":", (int)rng_below(rng, 3));
        put_random(rng, out, depth + 1);
        buf_put_str(out, blanks[rng_below(rng, 6)]);
    }
    buf_put_str(out, kind == 2 ? "]" : "}");
}

static void mutate(struct rng *rng, struct buf *text)
{
    static const char bytes[] = "{}[]\",:\\0-1.eEtfnul \n\x01\x80\xc3u/";
    for (uint64_t n = rng_below(rng, 3); n > 0 && text->len; n--) {
        size_t at = rng_below(rng, text->len);
        if (rng_below(rng, 3) == 0) text->len = at;
        else text->data[at] = (uint8_t)bytes[rng_below(rng, sizeof bytes - 1)];
    }
}

static void the_verdict_is_the_one_of_another_parser(void **state)
{
    struct rng rng;
    struct buf text = {.limit = 1 << 20};
    size_t valid = 0, invalid = 0;
    rng_init(&rng, 11);
    for (int i = 0; i < 60000; i++) {
        buf_clear(&text);
        put_random(&rng, &text, 0);
        mutate(&rng, &text);
        enum oracle_verdict other = json_oracle(text.data, text.len);
        bool ours = json_check(buf_view(&text), JSON_UTF8, 0, NULL) == JSON_VALID;
        if (other == ORACLE_NO_OPINION) continue;
        if ((other == ORACLE_VALID) != ours)
            fail_msg("%.*s: the other parser disagrees", (int)text.len, (char *)text.data);
        ours ? valid++ : invalid++;
    }
    assert_true(valid > 10000 && invalid > 10000);
    buf_fini(&text);
}

/* ---- walking */

static void members_and_elements_come_in_order(void **state)
{
    struct json_value root = json_value_of(divan_str(" { \"a\" : [1, \"x,]\" ,{\"b\":null}] ,\"c\\\"\":\"}\" } "));
    struct json_walk w = json_walk_begin(root);
    struct divan_bytes key;
    struct json_value value;
    assert_int_equal(root.type, JSON_OBJECT);
    assert_true(json_next_member(&w, &key, &value));
    assert_true(bytes_is(key, "\"a\"") && value.type == JSON_ARRAY);
    struct json_walk inner = json_walk_begin(value);
    assert_true(json_next_element(&inner, &value) && bytes_is(value.text, "1"));
    assert_true(json_next_element(&inner, &value) && bytes_is(value.text, "\"x,]\""));
    assert_true(json_next_element(&inner, &value) && bytes_is(value.text, "{\"b\":null}"));
    assert_false(json_next_element(&inner, &value));
    assert_false(inner.bad);
    assert_true(json_next_member(&w, &key, &value) && bytes_is(value.text, "\"}\""));
    assert_true(json_string_is(key, divan_str("c\"")));
    assert_false(json_next_member(&w, &key, &value));
    assert_false(w.bad);
    assert_int_equal(json_member(root, "c\"").type, JSON_STRING);
    assert_int_equal(json_member(root, "d").type, JSON_NONE);
    assert_int_equal(json_skip(divan_str("[1,[2]],3"), 0), 7);
    assert_int_equal(json_skip(divan_str("[1,[2]"), 0), 0);
}

static void a_walk_over_rubbish_ends(void **state)
{
    static const char *const texts[] = {"{",     "[1 2]", "{\"a\" 1}",         "{\"a\":}", "[,]",
                                        "{a:1}", "[\"x]", "{\"a\":1 \"b\":2}", "[1,]",     "[x]"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct json_value root = json_value_of(divan_str(texts[i])), value;
        struct json_walk w = json_walk_begin(root);
        struct divan_bytes key;
        int steps = 0;
        while (w.is_object ? json_next_member(&w, &key, &value) : json_next_element(&w, &value))
            assert_true(++steps < 5);
        assert_true(w.bad);
    }
}

static void strings_and_numbers_are_read(void **state)
{
    struct buf b = {.limit = 100};
    assert_true(json_unescape(divan_str("\"a\\n\\u00e9\\ud83d\\ude00\\ud800x\\/\""), &b));
    assert_string_equal(buf_text(&b), "a\n\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbdx/");
    assert_false(json_unescape(divan_str("\"a\\q\""), &b));
    assert_false(json_unescape(divan_str("a"), &b));
    assert_true(json_string_is(divan_str("\"\\u0061b\""), divan_str("ab")));
    assert_false(json_string_is(divan_str("\"ab\""), divan_str("abc")));
    assert_false(json_string_is(divan_str("\"abc\""), divan_str("ab")));
    int64_t i = 0;
    uint64_t u = 0;
    assert_true(json_to_i64(json_value_of(divan_str("-9223372036854775808")), &i) && i == INT64_MIN);
    assert_false(json_to_i64(json_value_of(divan_str("9223372036854775808")), &i));
    assert_true(json_to_u64(json_value_of(divan_str("18446744073709551615")), &u) && u == UINT64_MAX);
    assert_false(json_to_u64(json_value_of(divan_str("18446744073709551616")), &u));
    assert_false(json_to_i64(json_value_of(divan_str("1.0")), &i) || json_to_i64(json_value_of(divan_str("1e3")), &i));
    buf_fini(&b);
}

static void what_is_written_is_valid_and_reads_back(void **state)
{
    struct buf b = {.limit = 1 << 16}, back = {.limit = 1 << 16};
    json_put_string(&b, bytes_of("q\" b\\ n\n \x01\x1f\0 \xc3\xa9 \xff\xc3 end", 22));
    assert_string_equal(buf_text(&b),
                        "\"q\\\" b\\\\ n\\n \\u0001\\u001f\\u0000 \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd end\"");
    struct rng rng;
    rng_init(&rng, 5);
    for (int i = 0; i < 3000; i++) {
        uint8_t raw[40];
        size_t len = rng_below(&rng, sizeof raw);
        for (size_t j = 0; j < len; j++) raw[j] = (uint8_t)rng_below(&rng, i % 2 ? 128 : 256);
        buf_clear(&b);
        buf_clear(&back);
        json_put_string(&b, bytes_of(raw, len));
        assert_int_equal(json_check(buf_view(&b), JSON_UTF8, 0, NULL), JSON_VALID);
        assert_true(json_unescape(buf_view(&b), &back));
        if (i % 2) assert_true(bytes_equal(buf_view(&back), bytes_of(raw, len)));
    }
    buf_clear(&b);
    json_put_compact(&b, divan_str(" { \"a b\" : [ 1 , \"\\\" \" ] } "));
    assert_string_equal(buf_text(&b), "{\"a b\":[1,\"\\\" \"]}");
    buf_fini(&b);
    buf_fini(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_value_with_blanks_around_it_is_valid),
        cmocka_unit_test(what_is_not_json_is_refused_at_its_place),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(bytes_in_strings_are_utf8_on_demand),
        cmocka_unit_test(the_verdict_is_the_one_of_another_parser),
        cmocka_unit_test(members_and_elements_come_in_order),
        cmocka_unit_test(a_walk_over_rubbish_ends),
        cmocka_unit_test(strings_and_numbers_are_read),
        cmocka_unit_test(what_is_written_is_valid_and_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
