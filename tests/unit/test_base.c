#include "unit/unit.h"

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/list.h"
#include "base/rand.h"

static void cursor_sticks_after_a_short_read(void **state)
{
    struct rd r = rd_from(bytes_of("\x01\x02\x03\x04\x05", 5));
    assert_int_equal(rd_u16be(&r), 0x0102);
    assert_int_equal(rd_u32be(&r), 0);
    assert_false(rd_ok(&r));
    assert_int_equal(rd_u8(&r), 0);
}

static void buffer_stops_at_its_limit(void **state)
{
    struct buf b = {.limit = 6};
    buf_u32be(&b, 0xdeadbeef);
    buf_u16be(&b, 0x0102);
    assert_false(b.failed);
    buf_u8(&b, 1);
    assert_true(b.failed);
    assert_int_equal(b.len, 6);
    buf_fini(&b);
}

static void buffer_survives_a_failed_allocation(void **state)
{
    struct buf b = {.limit = 1 << 20};
    mem_fail_at(1);
    buf_put_str(&b, "text");
    mem_fail_at(0);
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

static void buffer_prints_and_gives_its_text_away(void **state)
{
    struct buf b = {.limit = 1 << 20};
    for (int i = 0; i < 200; i++) buf_printf(&b, "%d,", i % 10);
    assert_int_equal(b.len, 400);
    buf_drop_front(&b, 396);
    char *text = buf_take_text(&b);
    assert_string_equal(text, "8,9,");
    assert_null(b.data);
    mem_free(text);
}

static void error_takes_flags_and_name_from_the_table(void **state)
{
    struct divan_error err;
    assert_int_equal(err_set(&err, DIVAN_ERR_AMBIGUOUS_TIMEOUT, "after %d ms", 7), DIVAN_ERR_AMBIGUOUS_TIMEOUT);
    assert_int_equal(err.flags, DIVAN_IS_AMBIGUOUS | DIVAN_IS_RETRYABLE);
    assert_string_equal(err.message, "after 7 ms");
    assert_string_equal(err_code_name(err.code), "DIVAN_ERR_AMBIGUOUS_TIMEOUT");
    err_set(&err, DIVAN_ERR_FAILED, "again: %s", err.message);
    assert_string_equal(err.message, "again: after 7 ms");
    assert_int_equal(sizeof err, 512);
}

static void list_keeps_order_through_removals(void **state)
{
    struct list l;
    struct link n[4] = {0};
    list_init(&l);
    for (int i = 0; i < 4; i++) list_append(&l, &n[i]);
    list_remove(&n[1]);
    assert_ptr_equal(list_take_first(&l), &n[0]);
    assert_ptr_equal(list_take_first(&l), &n[2]);
    assert_false(link_in_list(&n[1]));
    assert_ptr_equal(list_take_first(&l), &n[3]);
    assert_true(list_empty(&l));
}

static void random_numbers_repeat_from_the_seed(void **state)
{
    struct rng a, b;
    rng_init(&a, 42);
    rng_init(&b, 42);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(rng_u64(&a), rng_u64(&b));
        assert_true(rng_below(&a, 10) < 10);
        rng_below(&b, 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursor_sticks_after_a_short_read),
        cmocka_unit_test(buffer_stops_at_its_limit),
        cmocka_unit_test(buffer_survives_a_failed_allocation),
        cmocka_unit_test(buffer_prints_and_gives_its_text_away),
        cmocka_unit_test(error_takes_flags_and_name_from_the_table),
        cmocka_unit_test(list_keeps_order_through_removals),
        cmocka_unit_test(random_numbers_repeat_from_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
