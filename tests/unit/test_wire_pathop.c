#include "unit/wire_support.h"

#include "wire/pathop.h"

static struct frame decode(const struct buf *b)
{
    struct frame f;
    size_t size;
    struct divan_error err;
    assert_int_equal(frame_decode(buf_view(b), FRAME_MAX, &f, &size, &err), FRAME_COMPLETE);
    assert_int_equal(size, b->len);
    return f;
}

static const struct kv_target target = {.opaque = 7, .vbucket = 1, .key = {"k", 1}};

static struct pathop op(uint8_t opcode, uint8_t flags, const char *path, const char *value)
{
    return (struct pathop){opcode, flags, divan_str(path), divan_str(value)};
}

static void lists_have_the_bytes_of_the_protocol(void **state)
{
    struct buf out = {.limit = 4096};
    struct pathop_request r = {.count = 2, .ops = {op(OP_SUBDOC_GET, PATHOP_XATTR, "x", ""), op(OP_GET, 0, "", "")}};
    pathop_put_multi(&out, &target, &r);
    assert_hex(buf_view(&out), "80 d0 0001 00 00 0001 0000000a 00000007 0000000000000000 6b c5 04 0001 78 00 00 0000");
    r.doc_flags = DOC_ACCESS_DELETED;
    buf_clear(&out), pathop_put_multi(&out, &target, &r);
    assert_hex(buf_view(&out), "80 d0 0001 01 00 0001 0000000b 00000007 0000000000000000 04 6b"
                               "c5 04 0001 78 00 00 0000");
    struct pathop_request m = {.mutation = true, .count = 1, .ops = {op(OP_SUBDOC_DICT_UPSERT, 1, "a.b", "12")}};
    buf_clear(&out), pathop_put_multi(&out, &target, &m);
    assert_hex(buf_view(&out), "80 d1 0001 00 00 0001 0000000e 00000007 0000000000000000 6b"
                               "c8 01 0003 00000002 612e62 3132");
    m.has_user_flags = true, m.user_flags = 2, m.doc_flags = DOC_MKDOC;
    buf_clear(&out), pathop_put_multi(&out, &target, &m);
    assert_hex(buf_view(&out), "80 d1 0001 09 00 0001 00000017 00000007 0000000000000000 00000000 00000002 01 6b"
                               "c8 01 0003 00000002 612e62 3132");
    m.has_user_flags = false, m.has_expiry = true, m.expiry = 60, m.doc_flags = 0;
    buf_clear(&out), pathop_put_single(&out, &target, &m);
    assert_hex(buf_view(&out),
               "80 c8 0001 07 00 0001 0000000d 00000007 0000000000000000 0003 01 0000003c 6b 612e62 3132");
    buf_fini(&out);
}

static void every_combination_of_fields_survives_the_way(void **state)
{
    for (unsigned bits = 0; bits < 16; bits++) {
        struct buf out = {.limit = 4096};
        struct pathop_request r = {.mutation = true, .count = 1, .ops = {op(OP_SUBDOC_DICT_UPSERT, 0, "a", "1")}}, got;
        const char *problem;
        r.has_expiry = bits & 1, r.expiry = bits & 1 ? 60 : 0;
        r.has_user_flags = bits & 2, r.user_flags = bits & 2 ? 5 : 0;
        r.doc_flags = bits & 4 ? DOC_MKDOC : 0;
        if (bits & 8) pathop_put_single(&out, &target, &r);
        else pathop_put_multi(&out, &target, &r);
        struct frame f = decode(&out);
        assert_int_equal(pathop_read(&f, &got, &problem), ST_SUCCESS);
        assert_true(got.mutation && got.count == 1 && got.expiry == r.expiry && got.user_flags == r.user_flags);
        assert_int_equal(got.has_expiry, r.has_expiry || r.has_user_flags);
        assert_int_equal(got.has_user_flags, r.has_user_flags);
        assert_int_equal(got.doc_flags, r.doc_flags);
        assert_text(got.ops[0].path, "a");
        assert_text(got.ops[0].value, "1");
        buf_fini(&out);
    }
}

static void attributes_are_sorted_to_the_front(void **state)
{
    struct pathop_request r = {.count = 5,
                               .ops = {op(OP_SUBDOC_GET, 0, "a", ""), op(OP_SUBDOC_GET, PATHOP_XATTR, "x", ""),
                                       op(OP_GET, 0, "", ""), op(OP_SUBDOC_EXISTS, PATHOP_XATTR, "y", ""),
                                       op(OP_SUBDOC_GET_COUNT, 0, "b", "")}};
    static const uint8_t want[] = {1, 3, 0, 2, 4};
    uint8_t order[PATHOPS_MAX];
    pathop_sort(&r, order);
    assert_memory_equal(order, want, sizeof want);
    assert_text(r.ops[0].path, "x");
    assert_text(r.ops[1].path, "y");
    assert_text(r.ops[4].path, "b");
}

static void results_go_both_ways(void **state)
{
    struct buf out = {.limit = 4096};
    struct pathop_result got;
    pathop_put_lookup_result(&out, ST_SUCCESS, divan_str("\"v\""));
    pathop_put_lookup_result(&out, ST_SUBDOC_PATH_ENOENT, divan_str(""));
    assert_hex(buf_view(&out), "0000 00000003 227622 00c0 00000000");
    struct rd r = rd_from(buf_view(&out));
    assert_true(pathop_next_lookup(&r, &got));
    assert_text(got.value, "\"v\"");
    assert_true(pathop_next_lookup(&r, &got));
    assert_int_equal(got.status, ST_SUBDOC_PATH_ENOENT);
    assert_false(pathop_next_lookup(&r, &got));
    assert_true(rd_ok(&r));
    buf_clear(&out);
    pathop_put_mutation_result(&out, 2, divan_str("5"));
    assert_hex(buf_view(&out), "02 0000 00000001 35");
    pathop_put_mutation_failure(&out, 3, ST_SUBDOC_PATH_EEXISTS);
    r = rd_from(buf_view(&out));
    assert_true(pathop_next_mutation(&r, &got));
    assert_int_equal(got.index, 2);
    assert_text(got.value, "5");
    assert_true(pathop_next_mutation(&r, &got));
    assert_int_equal(got.index, 3);
    assert_int_equal(got.status, ST_SUBDOC_PATH_EEXISTS);
    assert_int_equal(got.value.len, 0);
    assert_false(pathop_next_mutation(&r, &got));
    for (size_t n = 1; n < out.len; n++) { /* cut anywhere: at most the whole results before it */
        if (n == 8) continue;
        r = rd_from(bytes_slice(buf_view(&out), 0, n));
        while (pathop_next_mutation(&r, &got)) assert_int_equal(got.index, 2);
        assert_false(rd_ok(&r));
    }
    struct hex h;
    r = rd_from(hex_read(&h, "10 00c0"));
    assert_false(pathop_next_mutation(&r, &got));
    assert_false(rd_ok(&r));
    r = rd_from(hex_read(&h, "0000 ffffffff 00"));
    assert_false(pathop_next_lookup(&r, &got));
    assert_false(rd_ok(&r));
    buf_fini(&out);
}

static void requests_are_refused_as_measured(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *extras, *value; /* hexadecimal */
        uint64_t cas;
        enum status status;
    } rows[] = {
        {OP_SUBDOC_GET, "0001 00", "61", 0, ST_SUCCESS},
        {OP_SUBDOC_GET, "0000 00", "", 0, ST_EINVAL},
        {OP_SUBDOC_GET, "0000 04", "", 0, ST_XATTR_EINVAL},
        {OP_SUBDOC_GET, "0002 00", "61", 0, ST_EINVAL},
        {OP_SUBDOC_GET, "0001 00", "6131", 0, ST_EINVAL},
        {OP_SUBDOC_GET, "0001 01", "61", 0, ST_EINVAL},
        {OP_SUBDOC_GET, "0001 20", "61", 0, ST_SUBDOC_XATTR_INVALID_FLAG_COMBO},
        {OP_SUBDOC_GET, "0001 24", "61", 0, ST_SUCCESS},
        {OP_SUBDOC_GET, "0001 00 02", "61", 0, ST_EINVAL},
        {OP_SUBDOC_GET, "0001 00 10", "61", 0, ST_SUCCESS},
        {OP_SUBDOC_GET, "0001 00 40", "61", 0, ST_EINVAL},
        {OP_SUBDOC_GET, "0001", "61", 0, ST_EINVAL},
        {OP_SUBDOC_GET_COUNT, "0000 00", "", 0, ST_SUCCESS},
        {OP_SUBDOC_DICT_UPSERT, "0001 00", "6131", 0, ST_SUCCESS},
        {OP_SUBDOC_DICT_UPSERT, "0001 00", "61", 0, ST_EINVAL},
        {OP_SUBDOC_DICT_UPSERT, "0001 10", "6131", 0, ST_SUBDOC_XATTR_INVALID_FLAG_COMBO},
        {OP_SUBDOC_DICT_UPSERT, "0001 34", "6131", 0, ST_SUBDOC_XATTR_INVALID_FLAG_COMBO},
        {OP_SUBDOC_DICT_UPSERT, "0001 00 03", "6131", 0, ST_EINVAL},
        {OP_SUBDOC_DICT_UPSERT, "0001 00 02", "6131", 5, ST_EINVAL},
        {OP_SUBDOC_DICT_UPSERT, "0001 00 08", "6131", 0, ST_EINVAL},
        {OP_SUBDOC_DICT_UPSERT, "0001 04 09", "6131", 0, ST_SUCCESS},
        {OP_SUBDOC_DICT_UPSERT, "0001 00 20", "6131", 0, ST_EINVAL},
        {OP_SUBDOC_DELETE, "0001 00", "61", 0, ST_SUCCESS},
        {OP_SUBDOC_DELETE, "0001 00 01", "61", 0, ST_EINVAL},
        {OP_SUBDOC_DELETE, "0001 00", "6131", 0, ST_EINVAL},
        {OP_SUBDOC_ARRAY_PUSH_LAST, "0000 00", "31", 0, ST_SUCCESS},
        {OP_SUBDOC_ARRAY_INSERT, "0000 00", "31", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_LOOKUP, "", "", 0, ST_SUBDOC_INVALID_COMBO},
        {OP_SUBDOC_MULTI_LOOKUP, "", "c5 00 0001 61", 0, ST_SUCCESS},
        {OP_SUBDOC_MULTI_LOOKUP, "", "c5 00 0001 61 00 00 0000", 0, ST_SUCCESS},
        {OP_SUBDOC_MULTI_LOOKUP, "", "c5 00 0001 61 c5", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_LOOKUP, "", "c5 00 0002 61", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_LOOKUP, "", "c8 00 0001 61", 0, ST_SUBDOC_INVALID_COMBO},
        {OP_SUBDOC_MULTI_LOOKUP, "", "50 00 0001 61", 0, ST_SUBDOC_INVALID_COMBO},
        {OP_SUBDOC_MULTI_LOOKUP, "", "00 00 0001 61", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_LOOKUP, "", "c5 00 0001 61 c5 04 0001 78", 0, ST_SUBDOC_INVALID_XATTR_ORDER},
        {OP_SUBDOC_MULTI_LOOKUP, "", "c5 04 0001 78 c5 00 0001 61", 0, ST_SUCCESS},
        {OP_SUBDOC_MULTI_LOOKUP, "10", "c5 00 0001 61", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_LOOKUP, "0000", "c5 00 0001 61", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_MUTATION, "", "c8 00 0001 00000001 61 31", 0, ST_SUCCESS},
        {OP_SUBDOC_MULTI_MUTATION, "", "c8 00 0001 00000002 61 31", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_MUTATION, "", "c8 00 0001 ffffffff 61 31", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_MUTATION, "", "c5 00 0001 00000000 61", 0, ST_SUBDOC_INVALID_COMBO},
        {OP_SUBDOC_MULTI_MUTATION, "", "01 00 0000 00000001 31", 0, ST_SUCCESS},
        {OP_SUBDOC_MULTI_MUTATION, "", "01 00 0000 00000000", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_MUTATION, "", "02 00 0000 00000001 31", 0, ST_SUBDOC_INVALID_COMBO},
        {OP_SUBDOC_MULTI_MUTATION, "", "04 00 0000 00000000", 0, ST_SUCCESS},
        {OP_SUBDOC_MULTI_MUTATION, "", "04 00 0000 00000000 c8 00 0001 00000001 61 31", 0, ST_SUBDOC_INVALID_COMBO},
        {OP_SUBDOC_MULTI_MUTATION, "00000000 0000", "c8 00 0001 00000001 61 31", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_MUTATION, "10", "c8 05 0001 00000001 78 31", 0, ST_EINVAL},
        {OP_SUBDOC_MULTI_MUTATION, "14", "c8 05 0001 00000001 78 31", 0, ST_SUCCESS},
        {OP_SUBDOC_MULTI_MUTATION, "14", "01 00 0000 00000001 31", 0, ST_EINVAL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex extras, value;
        struct pathop_request got;
        const char *problem = NULL;
        struct frame f = {.magic = MAGIC_REQUEST, .opcode = rows[i].opcode, .cas = rows[i].cas};
        f.extras = hex_read(&extras, rows[i].extras);
        f.value = hex_read(&value, rows[i].value);
        enum status status = pathop_read(&f, &got, &problem);
        if (status != rows[i].status) fail_msg("row %zu: %s (%s)", i, status_name((uint16_t)status), problem);
        assert_int_equal(problem != NULL, status != ST_SUCCESS);
    }
}

static void at_most_sixteen_specs(void **state)
{
    struct pathop_request r = {.count = PATHOPS_MAX}, got;
    struct buf out = {.limit = 4096};
    const char *problem;
    for (size_t i = 0; i < PATHOPS_MAX; i++) r.ops[i] = op(OP_SUBDOC_GET, 0, "a", "");
    pathop_put_multi(&out, &target, &r);
    struct frame f = decode(&out);
    assert_int_equal(pathop_read(&f, &got, &problem), ST_SUCCESS);
    assert_int_equal(got.count, PATHOPS_MAX);
    buf_put_str(&out, "\xc5");
    buf_put(&out, "\0\0\1a", 4);
    f.value = bytes_slice(buf_view(&out), out.len - 17 * 5, 17 * 5);
    assert_int_equal(pathop_read(&f, &got, &problem), ST_SUBDOC_INVALID_COMBO);
    buf_clear(&out);
    r.count = 17, pathop_put_multi(&out, &target, &r);
    assert_true(out.failed);
    buf_clear(&out);
    r.count = 0, pathop_put_multi(&out, &target, &r);
    assert_true(out.failed);
    buf_fini(&out);
}

static void attribute_keys_have_rules(void **state)
{
    static const struct {
        const char *path, *key; /* NULL = refused */
    } rows[] = {{"a", "a"},
                {"abc.d", "abc"},
                {"abc[0]", "abc"},
                {"_sys.x", "_sys"},
                {"$document.exptime", "$document"},
                {"1x", "1x"},
                {" x", " x"},
                {"123456789012345", "123456789012345"},
                {"1234567890123456", NULL},
                {"", NULL},
                {".x", NULL},
                {"[0]", NULL},
                {"`x`", NULL},
                {"-x", NULL},
                {":x", NULL},
                {"~x", NULL},
                {"\x01x", NULL},
                {"\xc3\xa9", "\xc3\xa9"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct divan_bytes key;
        bool good = pathop_xattr_key(divan_str(rows[i].path), &key);
        if (good != (rows[i].key != NULL)) fail_msg("row %zu: %s", i, rows[i].path);
        if (good) assert_text(key, rows[i].key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_have_the_bytes_of_the_protocol),
        cmocka_unit_test(every_combination_of_fields_survives_the_way),
        cmocka_unit_test(attributes_are_sorted_to_the_front),
        cmocka_unit_test(results_go_both_ways),
        cmocka_unit_test(requests_are_refused_as_measured),
        cmocka_unit_test(at_most_sixteen_specs),
        cmocka_unit_test(attribute_keys_have_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
