#include "unit/unit.h"

#include <stdio.h>

#include "cli/command.h"
#include "cli/near.h"
#include "cli/options.h"

struct inner {
    const char *host;
};
struct args {
    struct inner inner;
    bool verbose, quiet;
    const char *text;
    struct opt_list list;
    struct opt_number number, size, ms, seconds;
    struct opt_choice choice;
};

static const char *const colours[] = {"red", "dark-green", "blue", NULL};
static const struct opt_row rows[] = {
    OPT(struct args, verbose, "verbose", 'v', OPT_FLAG, NULL, "say more"),
    OPT(struct args, quiet, "quiet", 'q', OPT_FLAG, NULL, "say less"),
    OPT(struct args, text, "text", 't', OPT_TEXT, "TEXT", "a text", .env = "DIVAN_TEST_TEXT DIVAN_TEST_OTHER"),
    OPT(struct args, list, "item", 'i', OPT_LIST, "TEXT", "texts", .preset = "one"),
    OPT(struct args, number, "number", 'n', OPT_NUMBER, "N", "a number", .preset = "7", .min = 1, .max = 1000,
        .env = "DIVAN_TEST_NUMBER"),
    OPT(struct args, size, "size", 0, OPT_SIZE, "BYTES", "a size"),
    OPT(struct args, ms, "timeout", 0, OPT_MS, "MS", "a time"),
    OPT(struct args, seconds, "expiry", 0, OPT_SECONDS, "S", "a long time", .max = UINT32_MAX),
    OPT(struct args, choice, "colour", 'c', OPT_CHOICE, "NAME", "a colour", .preset = "red", .choices = colours),
    {0},
};
static const struct opt_row inner_rows[] = {
    OPT(
        struct { const char *host; }, host, "host", 'H', OPT_TEXT, "HOST", "a host"),
    {0},
};
static const struct opt_group groups[] = {
    {"Options", rows, 0}, {"More", inner_rows, offsetof(struct args, inner)}, {0}};

static struct args parsed;
static struct operands operands;
static const char *items[32];
static struct divan_error err;
static bool help;

static enum divan_code parse(const char *line)
{
    static char text[512];
    static char *argv[32];
    int argc = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *word = strtok(text, " "); word; word = strtok(NULL, " ")) argv[argc++] = word;
    memset(&parsed, 0, sizeof parsed);
    operands = (struct operands){items, 0};
    return opt_parse(groups, argc, argv, &parsed, &operands, &help, &err);
}

static void presets_hold_when_nothing_is_given(void **state)
{
    assert_int_equal(parse(""), DIVAN_OK);
    assert_int_equal(parsed.number.value, 7);
    assert_false(parsed.number.given);
    assert_int_equal(parsed.choice.index, 0);
    assert_int_equal(parsed.list.count, 1);
    assert_string_equal(parsed.list.items[0], "one");
    assert_null(parsed.text);
    assert_int_equal(operands.count, 0);
}

static void every_spelling_of_an_option_is_read(void **state)
{
    assert_int_equal(
        parse("key -vq -n3 --text=a=b -i two --item three value -c BLUE -H h --expiry 2h --timeout 1s --size 4k"), 0);
    assert_true(parsed.verbose && parsed.quiet);
    assert_int_equal(parsed.number.value, 3);
    assert_true(parsed.number.given);
    assert_string_equal(parsed.text, "a=b");
    assert_int_equal(parsed.list.count, 2);
    assert_string_equal(parsed.list.items[1], "three");
    assert_int_equal(parsed.choice.index, 2);
    assert_string_equal(parsed.inner.host, "h");
    assert_int_equal(parsed.seconds.value, 7200);
    assert_int_equal(parsed.ms.value, 1000);
    assert_int_equal(parsed.size.value, 4096);
    assert_int_equal(operands.count, 2);
    assert_string_equal(operands.items[1], "value");
}

static void times_have_units(void **state)
{
    static const struct {
        const char *line;
        uint64_t ms, s;
    } cases[] = {
        {"--timeout 2.5s --expiry 1h30m", 2500, 5400},
        {"--timeout 1 --expiry 1500ms", 1, 2},
        {"--timeout 10us --expiry 7d", 1, 604800},
        {"--timeout 0 --expiry 0", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(cases[i].line), DIVAN_OK);
        assert_int_equal(parsed.ms.value, cases[i].ms);
        assert_int_equal(parsed.seconds.value, cases[i].s);
    }
}

static void dashes_end_the_options(void **state)
{
    assert_int_equal(parse("- -v -- -x --text"), 0);
    assert_int_equal(operands.count, 3);
    assert_string_equal(operands.items[0], "-");
    assert_string_equal(operands.items[1], "-x");
    assert_string_equal(operands.items[2], "--text");
    assert_null(parsed.text);
}

static void choices_ignore_case_and_dashes(void **state)
{
    static const char *const spellings[] = {"dark-green", "darkGreen", "DARK_GREEN", "darkgreen"};
    for (size_t i = 0; i < 4; i++) {
        char line[64];
        snprintf(line, sizeof line, "--colour %s", spellings[i]);
        assert_int_equal(parse(line), DIVAN_OK);
        assert_int_equal(parsed.choice.index, 1);
    }
}

static void mistakes_get_a_sentence(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"--numbr 3", "unknown option --numbr: did you mean --number?"},
        {"--nmuber=3", "unknown option --nmuber: did you mean --number?"},
        {"--time 3", "did you mean --timeout?"},
        {"--xyzzyxyzzy", "--help lists"},
        {"-x", "unknown option -x"},
        {"-vx", "unknown option -x in \"-vx\""},
        {"--number", "--number needs a value: N"},
        {"-n", "-n needs a value: N"},
        {"--number x", "takes a whole number, not \"x\""},
        {"--number -3", "not \"-3\""},
        {"--number 3s", "takes a whole number"},
        {"--number 0", "too small: at least 1"},
        {"--number 1001", "too large: at most 1000"},
        {"--number 99999999999999999999", "takes a whole number"},
        {"--number 0xfffff", "too large"},
        {"--size 4Q", "takes a size"},
        {"--size 99999999999G", "takes a size"},
        {"--timeout 2d", "takes a time in milliseconds"},
        {"--timeout -5s", "takes a time"},
        {"--timeout 300y", "takes a time"},
        {"--expiry 9999999d", "too large"},
        {"--colour green", "takes one of red, dark-green, blue, not \"green\""},
        {"--verbose=yes", "--verbose takes no value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(parse(cases[i].line), DIVAN_ERR_USAGE);
        if (!strstr(err.message, cases[i].says)) fail_msg("\"%s\" got: %s", cases[i].line, err.message);
    }
}

static void a_list_has_an_end(void **state)
{
    char *argv[OPT_LIST_MAX + 1], word[] = "-ix";
    for (size_t i = 0; i <= OPT_LIST_MAX; i++) argv[i] = word;
    operands = (struct operands){items, 0};
    memset(&parsed, 0, sizeof parsed);
    assert_int_equal(opt_parse(groups, OPT_LIST_MAX, argv, &parsed, &operands, &help, &err), DIVAN_OK);
    memset(&parsed, 0, sizeof parsed);
    assert_int_equal(opt_parse(groups, OPT_LIST_MAX + 1, argv, &parsed, &operands, &help, &err), DIVAN_ERR_USAGE);
}

static void the_environment_comes_before_presets_and_after_options(void **state)
{
    setenv("DIVAN_TEST_OTHER", "from env", 1);
    setenv("DIVAN_TEST_NUMBER", "9", 1);
    assert_int_equal(parse(""), DIVAN_OK);
    assert_string_equal(parsed.text, "from env");
    assert_int_equal(parsed.number.value, 9);
    assert_true(parsed.number.given);
    assert_int_equal(parse("-n 5 -t given"), DIVAN_OK);
    assert_int_equal(parsed.number.value, 5);
    assert_string_equal(parsed.text, "given");
    setenv("DIVAN_TEST_NUMBER", "many", 1);
    assert_int_equal(parse(""), DIVAN_ERR_USAGE);
    assert_non_null(strstr(err.message, "DIVAN_TEST_NUMBER"));
    assert_int_equal(parse("--help"), DIVAN_OK); /* help is there even then */
    assert_true(help);
    unsetenv("DIVAN_TEST_NUMBER");
    unsetenv("DIVAN_TEST_OTHER");
}

static void near_names_are_found(void **state)
{
    assert_int_equal(near_distance("upsert", "upsrt"), 1);
    assert_int_equal(near_distance("get", "gte"), 1);
    assert_int_equal(near_distance("", "abc"), 3);
    assert_int_equal(near_distance("kitten", "sitting"), 3);
    struct near n = {.wanted = "upset"};
    near_offer(&n, "get");
    near_offer(&n, "upsert");
    assert_string_equal(near_answer(&n), "upsert");
    struct near far = {.wanted = "qqq"};
    near_offer(&far, "upsert");
    assert_null(near_answer(&far));
}

/* What a table promises of itself, for all commands: unique options, presets that parse, texts. */
static void every_command_describes_itself(void **state)
{
    for (const struct command *const *c = commands; *c; c++) {
        assert_ptr_equal(command_find((*c)->name), *c);
        assert_non_null((*c)->summary);
        assert_non_null((*c)->run);
        void *args = test_calloc(1, (*c)->args_size + 1);
        struct operands none = {items, 0};
        if (opt_parse((*c)->groups, 0, NULL, args, &none, &help, &err)) fail_msg("%s: %s", (*c)->name, err.message);
        for (const struct opt_group *g = (*c)->groups; g && g->title; g++)
            for (const struct opt_row *row = g->rows; row->name; row++) {
                assert_non_null(row->text);
                if (row->kind != OPT_FLAG) assert_non_null(row->placeholder);
                if (row->kind == OPT_CHOICE) assert_non_null(row->choices);
                assert_true(g->base + row->offset < (*c)->args_size);
                for (const struct opt_group *h = (*c)->groups; h->title; h++)
                    for (const struct opt_row *other = h->rows; other->name; other++) {
                        if (other == row) continue;
                        assert_string_not_equal(other->name, row->name);
                        if (row->letter) assert_int_not_equal(other->letter, row->letter);
                    }
            }
        test_free(args);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_hold_when_nothing_is_given),
        cmocka_unit_test(every_spelling_of_an_option_is_read),
        cmocka_unit_test(times_have_units),
        cmocka_unit_test(dashes_end_the_options),
        cmocka_unit_test(choices_ignore_case_and_dashes),
        cmocka_unit_test(mistakes_get_a_sentence),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(the_environment_comes_before_presets_and_after_options),
        cmocka_unit_test(near_names_are_found),
        cmocka_unit_test(every_command_describes_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
