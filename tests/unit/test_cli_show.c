#include "unit/unit.h"

#include <stdio.h>

#include "cli/format.h"
#include "cli/help.h"
#include "cli/latency.h"
#include "cli/local/screen.h"
#include "cli/progress.h"
#include "cli/table.h"

static const struct term plain = {.columns = 80, .rows = 24};
static const struct term rich = {.columns = 60, .rows = 24, .live = true, .colour = true, .utf8 = true};

static void figures_read_well(void **state)
{
    char out[32];
    assert_string_equal(format_count(out, sizeof out, 0), "0");
    assert_string_equal(format_count(out, sizeof out, 999), "999");
    assert_string_equal(format_count(out, sizeof out, 14282), "14,282");
    assert_string_equal(format_count(out, sizeof out, 1234567), "1,234,567");
    assert_string_equal(format_count(out, sizeof out, UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(format_rate(out, sizeof out, 0), "0/s");
    assert_string_equal(format_rate(out, sizeof out, 845.4), "845/s");
    assert_string_equal(format_rate(out, sizeof out, 123456), "123 k/s");
    assert_string_equal(format_rate(out, sizeof out, 1234567), "1.23 M/s");
    assert_string_equal(format_ns(out, sizeof out, 840), "840 ns");
    assert_string_equal(format_ns(out, sizeof out, 18240), "18.2 us");
    assert_string_equal(format_ns(out, sizeof out, 999400), "999 us");
    assert_string_equal(format_ns(out, sizeof out, 999600), "1.00 ms");
    assert_string_equal(format_ns(out, sizeof out, UINT64_C(12000000000)), "12.0 s");
    assert_string_equal(format_bytes(out, sizeof out, 1023), "1023 B");
    assert_string_equal(format_bytes(out, sizeof out, 1536), "1.50 KiB");
    assert_string_equal(format_bytes(out, sizeof out, 20u << 20), "20.0 MiB");
    assert_string_equal(format_elapsed(out, sizeof out, 7), "0:07");
    assert_string_equal(format_elapsed(out, sizeof out, 7391), "2:03:11");
}

static void a_table_lines_up(void **state)
{
    struct table t;
    struct buf out = {.limit = 4096};
    table_init(&t, "name|>n");
    table_add(&t, "Åland|%d", 7);
    table_add_cells(&t, (const char *[]){"a|b", "1234"});
    t.total = true;
    table_add(&t, "all|1241");
    table_draw(&t, &plain, 2, &out);
    assert_string_equal(buf_text(&out),
                        "  name      n\n  -----  ----\n  Åland     7\n  a|b    1234\n  -----  ----\n  all    1241\n");
    buf_fini(&out);
    table_fini(&t);
}

static void a_bar_fits_its_terminal(void **state)
{
    struct buf out = {.limit = 4096};
    struct progress p;
    progress_begin(&p, stdout, &plain, "loading", 14282);
    progress_draw(&p, 7141, 123456, &out);
    assert_string_equal(buf_text(&out),
                        "  loading    ################................  50 %   7,141 of 14,282   123 k/s");
    for (int columns = 20; columns < 130; columns++) {
        buf_clear(&out);
        p.term = rich;
        p.term.colour = false;
        p.term.columns = columns;
        progress_draw(&p, 9999, 1e6, &out);
        if (columns >= 52) assert_true(text_columns(buf_text(&out)) < (size_t)columns);
    }
    buf_clear(&out);
    progress_begin(&p, stdout, &plain, "reading", 0); /* who does not know the end shows no bar */
    progress_draw(&p, 1234, 50, &out);
    assert_string_equal(buf_text(&out), "  reading             1,234      50/s");
    buf_clear(&out);
    p.part = 0.25;
    progress_draw(&p, 1234, 50, &out);
    assert_string_equal(buf_text(&out),
                        "  reading    ########...........................  25 %          1,234      50/s");
    buf_fini(&out);
}

static void quantiles_are_within_a_cell(void **state)
{
    static struct latency l, other;
    assert_int_equal(latency_at(&l, 0.5), 0);
    for (uint64_t i = 1; i <= 100000; i++) latency_add(i % 2 ? &l : &other, i * 1000);
    latency_merge(&l, &other);
    assert_int_equal(l.count, 100000);
    static const double qs[] = {0.01, 0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < 5; i++) {
        double exact = qs[i] * 1e8, got = (double)latency_at(&l, qs[i]);
        if (got < exact * 0.999 || got > exact * 1.017) fail_msg("q %g: %g, not %g", qs[i], got, exact);
    }
    assert_int_equal(latency_at(&l, 1), 100000000);
    latency_add(&l, UINT64_MAX); /* far beyond the last cell */
    assert_true(latency_at(&l, 1) == UINT64_MAX);
    static struct latency small;
    for (uint64_t i = 0; i < 256; i++) latency_add(&small, i);
    for (int i = 0; i < 128; i++) assert_int_equal(latency_at(&small, i / 256.0), i); /* exact down there */
}

static struct record_node nodes[] = {{1, 4711, "127.0.0.1", 8091, 0, 0, 11210, 0},
                                     {2, 4712, "127.0.0.2", 8091, 0, 0, 11210, 0}};
static const struct record record = {
    .connection_string = (char *)"couchbase://127.0.0.1,127.0.0.2",
    .username = (char *)"Administrator",
    .password = (char *)"password",
    .dir = (char *)"/a/folder/with/a/rather/long/name/that/a/narrow/terminal/cannot/show",
    .nodes = nodes,
    .node_count = 2,
};

static void the_status_fits_its_terminal(void **state)
{
    struct buf out = {.limit = 1 << 16};
    const bool alive[] = {true, false};
    struct stats stats = {
        .known = true, .count = 1, .buckets = {{.name = "default", .items = 14282, .ops_per_s = 4800}}};
    const struct screen screen = {
        .record = &record, .stats = &stats, .alive = alive, .uptime_s = 67, .event = "node 2 was killed"};
    size_t lines = screen_draw(&screen, &plain, &out);
    const char *text = buf_text(&out);
    static const char *const shown[] = {"2 nodes, up 1:07",
                                        "couchbase://127.0.0.1,127.0.0.2",
                                        "1     up",
                                        "2     DOWN",
                                        "http://127.0.0.2:8091",
                                        "14,282",
                                        "4800/s",
                                        "node 2 was killed",
                                        "Ctrl-C stops"};
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        if (!strstr(text, shown[i])) fail_msg("no \"%s\" in:\n%s", shown[i], text);
    size_t newlines = 0;
    for (const char *c = text; *c; c++) newlines += *c == '\n';
    assert_int_equal(newlines, lines);

    struct term small = {.columns = 40, .rows = 9};
    buf_clear(&out);
    assert_int_equal(screen_draw(&screen, &small, &out), 8);
    text = buf_text(&out);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) assert_true(strcspn(line, "\n") <= 40);
    assert_null(strstr(text, "\033"));
    buf_fini(&out);
}

static void colours_do_not_count_as_columns(void **state)
{
    struct buf out = {.limit = 1 << 16};
    struct stats stats = {0};
    struct term narrow = rich;
    narrow.columns = 44;
    screen_draw(&(struct screen){.record = &record, .stats = &stats}, &narrow, &out);
    assert_non_null(strstr(buf_text(&out), "\033[2mpassword\033[0m  password\n"));
    buf_fini(&out);
}

static void statistics_are_read_from_rest(void **state)
{
    struct stats stats = {0};
    static const char json[] =
        "[{\"name\":\"a\",\"basicStats\":{\"opsPerSec\":12.5,\"itemCount\":3,\"memUsed\":1e6}},{\"name\":\"b\"}]";
    assert_true(stats_parse(divan_str(json), &stats));
    assert_int_equal(stats.count, 2);
    assert_string_equal(stats.buckets[0].name, "a");
    assert_int_equal(stats.buckets[0].items, 3);
    assert_int_equal(stats.buckets[0].memory_bytes, 1000000);
    assert_true(stats.buckets[0].ops_per_s == 12.5);
    assert_false(stats_parse(divan_str("{}"), &stats));
    assert_false(stats_parse(divan_str("[{"), &stats));
    assert_false(stats_parse(divan_str(""), &stats));
    assert_int_equal(stats.count, 2);
}

static void help_comes_from_the_tables(void **state)
{
    struct buf out = {.limit = 1 << 20};
    for (const struct command *const *c = commands; *c; c++) {
        buf_clear(&out);
        help_command(*c, &out, &plain);
        const char *text = buf_text(&out);
        assert_non_null(strstr(text, (*c)->summary));
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
            if (strcspn(line, "\n") > 120) fail_msg("%s: %.*s", (*c)->name, (int)strcspn(line, "\n"), line);
    }
    buf_clear(&out);
    help_overview(&out, &plain);
    assert_non_null(strstr(buf_text(&out), "upsert"));
    assert_null(strstr(buf_text(&out), "\033"));
    buf_fini(&out);
}

/* docs/cli.md is checked in; it must be what the tables say. */
static void the_reference_page_is_up_to_date(void **state)
{
    struct buf out = {.limit = 1 << 20};
    help_reference(&out);
    FILE *file = fopen(DIVAN_SOURCE_DIR "/docs/cli.md", "r");
    if (!file) fail_msg("docs/cli.md is missing: divan help --reference >docs/cli.md");
    char *page = test_calloc(1, out.len + 2);
    size_t n = fread(page, 1, out.len + 1, file);
    fclose(file);
    if (n != out.len || memcmp(page, out.data, n)) fail_msg("docs/cli.md is old: divan help --reference >docs/cli.md");
    test_free(page);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_read_well),
        cmocka_unit_test(a_table_lines_up),
        cmocka_unit_test(a_bar_fits_its_terminal),
        cmocka_unit_test(quantiles_are_within_a_cell),
        cmocka_unit_test(the_status_fits_its_terminal),
        cmocka_unit_test(colours_do_not_count_as_columns),
        cmocka_unit_test(statistics_are_read_from_rest),
        cmocka_unit_test(help_comes_from_the_tables),
        cmocka_unit_test(the_reference_page_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
