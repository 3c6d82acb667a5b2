#include "unit/unit.h"

#include "base/rand.h"
#include "text/duration.h"

static void go_durations_and_bare_milliseconds_are_read(void **state)
{
    const struct {
        const char *text;
        int64_t ns;
    } cases[] = {
        {"2500ms", 2500000000},
        {"2.5s", 2500000000},
        {"1m30s", 90000000000},
        {"4s2ms", 4002000000},
        {"5000", 5000000000},
        {"0", 0},
        {"0s", 0},
        {"-0", 0},
        {"1h", 3600000000000},
        {"1.5h", 5400000000000},
        {"1h0m0.000000001s", 3600000000001},
        {"100us", 100000},
        {"100\xc2\xb5s", 100000},
        {"100\xce\xbcs", 100000},
        {"7ns", 7},
        {"-1.5s", -1500000000},
        {"+3ms", 3000000},
        {".5s", 500000000},
        {"5.s", 5000000000},
        {"0.1ns", 0},
        {"1m1m", 120000000000},
        {"9223372036854775807ns", INT64_MAX},
        {"-9223372036854775808ns", INT64_MIN},
        {"0.3333333333333333333h", 1199999999999},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ns = -7;
        if (!duration_parse(divan_str(cases[i].text), &ns, NULL) || ns != cases[i].ns)
            fail_msg("%s gives %lld", cases[i].text, (long long)ns);
    }
}

static void what_is_no_duration_is_refused_at_its_place(void **state)
{
    const struct {
        const char *text;
        size_t at;
    } cases[] = {
        {"", 0},
        {"-", 1},
        {"s", 0},
        {"1x", 1},
        {"1.5", 3},
        {"1s2", 3},
        {"1s 2s", 2},
        {" 1s", 0},
        {"1s ", 2},
        {".", 1},
        {".s", 1},
        {"--1s", 1},
        {"1sm", 2},
        {"9223372036854775808ns", 0},
        {"300000h1000000000h", 0},
        {"99999999999999999999", 19},
        {"1d", 1},
        {"1 s", 1},
        {"1,5s", 1},
        {"1e3s", 1},
        {"ten", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ns = -7;
        size_t at = 99;
        if (duration_parse(divan_str(cases[i].text), &ns, &at))
            fail_msg("%s is read as %lld", cases[i].text, (long long)ns);
        assert_true(ns == -7);
        if (i != 14 && at != cases[i].at) fail_msg("%s fails at %zu", cases[i].text, at);
    }
}

static void what_is_written_is_short_and_read_back(void **state)
{
    const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1ns"},
        {1500, "1.5us"},
        {2500000, "2.5ms"},
        {2500000000, "2.5s"},
        {75000000000, "1m15s"},
        {3600000000000, "1h"},
        {3601000000000, "1h1s"},
        {-90000000000, "-1m30s"},
        {60000000001, "1m0.000000001s"},
    };
    char text[DURATION_TEXT];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        duration_format(cases[i].ns, text);
        assert_string_equal(text, cases[i].text);
    }
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)(rng_u64(&rng) >> rng_below(&rng, 64)), back = 0;
        if (rng_below(&rng, 2)) ns = -ns;
        if (i == 0) ns = INT64_MIN;
        duration_format(ns, text);
        assert_true(duration_parse(divan_str(text), &back, NULL));
        assert_true(back == ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go_durations_and_bare_milliseconds_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused_at_its_place),
        cmocka_unit_test(what_is_written_is_short_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
