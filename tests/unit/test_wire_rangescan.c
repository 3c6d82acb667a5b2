#include "unit/wire_support.h"

#include "base/alloc.h"
#include "wire/rangescan.h"

static struct frame decode(const struct buf *b)
{
    struct frame f;
    size_t size;
    struct divan_error err;
    assert_int_equal(frame_decode(buf_view(b), FRAME_MAX, &f, &size, &err), FRAME_COMPLETE);
    assert_int_equal(size, b->len);
    return f;
}

static void ranges_are_written_as_json(void **state)
{
    struct buf out = {.limit = 8192};
    struct scan_create c = {.collection = 0x1f, .key_only = true, .name = "a \"name\""};
    assert_true(scan_bound_set(&c.start, divan_str("a"), true));
    assert_true(scan_bound_set(&c.end, divan_str("b"), false));
    scan_put_create(&out, 1, 2, &c);
    struct frame f = decode(&out);
    assert_int_equal(f.datatype, DATATYPE_JSON);
    assert_int_equal(f.vbucket, 2);
    assert_text(f.value,
                "{\"collection\":\"1f\",\"key_only\":true,\"range\":{\"excl_start\":\"YQ==\",\"end\":\"Yg==\"},"
                "\"name\":\"a  name \"}");
    struct scan_create sample = {.sampling = true, .samples = 10, .seed = 3};
    buf_clear(&out), scan_put_create(&out, 1, 2, &sample);
    assert_text(decode(&out).value, "{\"collection\":\"0\",\"sampling\":{\"samples\":10,\"seed\":3}}");
    struct scan_create prefix = {.collection = 0};
    assert_true(scan_set_prefix(&prefix, divan_str("ab")));
    buf_clear(&out), scan_put_create(&out, 1, 2, &prefix);
    assert_text(decode(&out).value, "{\"collection\":\"0\",\"range\":{\"start\":\"YWI=\",\"end\":\"YWL/\"}}");
    assert_true(scan_set_prefix(&prefix, divan_str("")));
    buf_clear(&out), scan_put_create(&out, 1, 2, &prefix);
    assert_text(decode(&out).value, "{\"collection\":\"0\",\"range\":{\"start\":\"AA==\",\"end\":\"/w==\"}}");
    static char longer[300];
    assert_false(scan_set_prefix(&prefix, bytes_of(longer, 250)));
    assert_false(scan_bound_set(&prefix.start, bytes_of(longer, 256), false));
    buf_clear(&out);
    mem_fail_at(1), scan_put_create(&out, 1, 2, &prefix), mem_fail_at(0);
    assert_true(out.failed);
    buf_fini(&out);
}

static void creations_survive_the_way(void **state)
{
    struct buf out = {.limit = 8192};
    struct scan_create c, got;
    const char *problem;
    memset(&c, 0, sizeof c); /* with its padding: compared as memory below */
    c.collection = UINT32_MAX, c.include_xattrs = true, c.has_snapshot = true;
    c.vbucket_uuid = UINT64_MAX, c.seqno = 77, c.seqno_exists = true, c.timeout_ms = 1500;
    scan_bound_set(&c.start, divan_str("start"), false);
    scan_bound_set(&c.end, divan_str("\xff"), true);
    scan_put_create(&out, 1, 2, &c);
    struct frame f = decode(&out);
    assert_int_equal(scan_read_create(&f, &got, &problem), SCAN_GOOD);
    assert_memory_equal(&c, &got, sizeof c);
    buf_fini(&out);
}

static void creations_are_refused_as_measured(void **state)
{
    static const struct {
        const char *json;
        enum scan_verdict verdict;
    } rows[] = {
        {"{}", SCAN_GOOD},
        {"[]", SCAN_GOOD},
        {"{\"whatever\":1}", SCAN_GOOD},
        {"{\"sampling\":{\"samples\":0}}", SCAN_GOOD},
        {"{\"range\":{\"start\":\"YQ==\",\"end\":\"Yg==\"}}", SCAN_GOOD},
        {"x", SCAN_INVALID},
        {"", SCAN_INVALID},
        {"{\"range\":{}}", SCAN_INVALID},
        {"{\"range\":{\"start\":\"YQ==\"}}", SCAN_INVALID},
        {"{\"range\":{\"end\":\"YQ==\"}}", SCAN_INVALID},
        {"{\"range\":{\"start\":\"YQ==\",\"end\":\"Yg==\"},\"sampling\":{\"samples\":5}}", SCAN_INVALID},
        {"{\"name\":\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\"}", SCAN_GOOD},
        {"{\"name\":\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\"}", SCAN_INVALID},
        {"{\"name\":5}", SCAN_DISCONNECT},
        {"{\"range\":5}", SCAN_DISCONNECT},
        {"{\"range\":{\"start\":\"!!!\",\"end\":\"YQ==\"}}", SCAN_DISCONNECT},
        {"{\"range\":{\"start\":5,\"end\":\"YQ==\"}}", SCAN_DISCONNECT},
        {"{\"range\":{\"start\":\"\",\"end\":\"YQ==\"}}", SCAN_GOOD}, /* from the first key on */
        {"{\"range\":{\"start\":\"YQ==\",\"end\":\"\"}}", SCAN_DISCONNECT},
        {"{\"sampling\":{\"samples\":5,\"seed\":18446744073709551615}}", SCAN_GOOD},
        {"{\"sampling\":{\"samples\":5,\"seed\":36893488147419103232}}", SCAN_DISCONNECT},
        {"{\"sampling\":{\"samples\":5.5,\"seed\":1}}", SCAN_DISCONNECT},
        {"{\"range\":{\"start\":\"YQ==\",\"excl_start\":\"YQ==\",\"end\":\"YQ==\"}}", SCAN_DISCONNECT},
        {"{\"sampling\":{}}", SCAN_DISCONNECT},
        {"{\"sampling\":{\"samples\":\"x\"}}", SCAN_DISCONNECT},
        {"{\"sampling\":5}", SCAN_DISCONNECT},
        {"{\"sampling\":{\"samples\":-1}}", SCAN_DISCONNECT},
        {"{\"collection\":8}", SCAN_DISCONNECT},
        {"{\"collection\":\"0x8\"}", SCAN_DISCONNECT},
        {"{\"collection\":\"\"}", SCAN_DISCONNECT},
        {"{\"collection\":\"100000000\"}", SCAN_DISCONNECT},
        {"{\"key_only\":\"true\"}", SCAN_DISCONNECT},
        {"{\"snapshot_requirements\":{\"vb_uuid\":12345,\"seqno\":1}}", SCAN_DISCONNECT},
        {"{\"snapshot_requirements\":{\"seqno\":1}}", SCAN_DISCONNECT},
        {"{\"snapshot_requirements\":{\"vb_uuid\":\"1\"}}", SCAN_DISCONNECT},
        {"{\"snapshot_requirements\":{}}", SCAN_DISCONNECT},
        {"{\"snapshot_requirements\":5}", SCAN_DISCONNECT},
        {"7", SCAN_DISCONNECT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scan_create got;
        const char *problem = NULL;
        struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_RANGE_SCAN_CREATE, .datatype = DATATYPE_JSON};
        f.value = divan_str(rows[i].json);
        enum scan_verdict verdict = scan_read_create(&f, &got, &problem);
        if (verdict != rows[i].verdict) fail_msg("row %zu: %d (%s)", i, verdict, problem ? problem : "-");
    }
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_RANGE_SCAN_CREATE, .value = divan_str("{}")};
    struct scan_create got;
    const char *problem;
    assert_int_equal(scan_read_create(&f, &got, &problem), SCAN_INVALID);
}

static void continue_and_cancel_go_both_ways(void **state)
{
    struct buf out = {.limit = 4096};
    struct scan_continue c = {.item_limit = 1, .time_limit_ms = 2, .byte_limit = 3}, got;
    struct scan_id id;
    struct divan_error err;
    for (int i = 0; i < SCAN_ID_LEN; i++) c.id.bytes[i] = (uint8_t)i;
    scan_put_continue(&out, 1, 2, &c);
    assert_hex(buf_view(&out), "80 db 0000 1c 00 0002 0000001c 00000001 0000000000000000"
                               "000102030405060708090a0b0c0d0e0f 00000001 00000002 00000003");
    struct frame f = decode(&out);
    assert_int_equal(scan_read_continue(&f, &got, &err), DIVAN_OK);
    assert_memory_equal(&c, &got, sizeof c);
    f.extras.len = 16;
    assert_int_equal(scan_read_continue(&f, &got, &err), DIVAN_ERR_FRAME_EXTRAS);
    buf_clear(&out), scan_put_cancel(&out, 1, 2, &c.id), f = decode(&out);
    assert_int_equal(scan_read_cancel(&f, &id, &err), DIVAN_OK);
    assert_memory_equal(&c.id, &id, sizeof id);
    f.value = f.extras;
    assert_int_equal(scan_read_created(&f, &id, &err), DIVAN_OK);
    f.value.len = f.extras.len = 15;
    assert_int_equal(scan_read_created(&f, &id, &err), DIVAN_ERR_PROTOCOL_ERROR);
    assert_int_equal(scan_read_cancel(&f, &id, &err), DIVAN_ERR_FRAME_EXTRAS);
    buf_fini(&out);
}

static void items_go_both_ways_and_may_be_cut_nowhere(void **state)
{
    static char big[300];
    struct buf out = {.limit = 4096};
    struct scan_item item = {.key = divan_str("k"), .flags = 1, .expiry = 2, .seqno = 3, .cas = 4, .datatype = 1}, got;
    item.value = bytes_of(big, sizeof big);
    scan_put_item(&out, SCAN_KEYS, &item);
    scan_put_item(&out, SCAN_KEYS, &item);
    assert_hex(buf_view(&out), "016b 016b");
    struct rd r = rd_from(buf_view(&out));
    assert_true(scan_next(&r, SCAN_KEYS, &got) && scan_next(&r, SCAN_KEYS, &got) && !scan_next(&r, SCAN_KEYS, &got));
    assert_true(rd_ok(&r));
    buf_clear(&out), scan_put_item(&out, SCAN_DOCUMENTS, &item);
    assert_hex(bytes_slice(buf_view(&out), 0, 29), "00000001 00000002 0000000000000003 0000000000000004 01 016b ac02");
    r = rd_from(buf_view(&out));
    assert_true(scan_next(&r, SCAN_DOCUMENTS, &got));
    assert_true(got.flags == 1 && got.expiry == 2 && got.seqno == 3 && got.cas == 4 && got.datatype == 1);
    assert_text(got.key, "k");
    assert_true(bytes_equal(got.value, item.value));
    for (size_t n = 1; n < out.len; n++) {
        r = rd_from(bytes_slice(buf_view(&out), 0, n));
        assert_false(scan_next(&r, SCAN_DOCUMENTS, &got));
        assert_false(rd_ok(&r));
    }
    struct hex h;
    r = rd_from(hex_read(&h, "8000 6b"));
    assert_false(scan_next(&r, SCAN_KEYS, &got));
    r = rd_from(hex_read(&h, "ffffffff1f 6b"));
    assert_false(scan_next(&r, SCAN_KEYS, &got));
    buf_fini(&out);
}

static void answers_say_which_kind_they_carry(void **state)
{
    static const struct {
        const char *extras, *value;
        int kind; /* -1 = refused */
    } rows[] = {{"00000000", "016b", SCAN_KEYS},
                {"00000001", "016b", SCAN_DOCUMENTS},
                {"00000002", "016b", -1},
                {"0000", "016b", -1},
                {"", "016b", -1},
                {"", "", SCAN_KEYS}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex e, v;
        struct divan_error err;
        enum scan_kind kind;
        struct frame f = {.magic = MAGIC_RESPONSE, .opcode = OP_RANGE_SCAN_CONTINUE};
        f.extras = hex_read(&e, rows[i].extras), f.value = hex_read(&v, rows[i].value);
        enum divan_code rc = scan_read_kind(&f, &kind, &err);
        assert_int_equal(rc, rows[i].kind < 0 ? DIVAN_ERR_PROTOCOL_ERROR : DIVAN_OK);
        if (!rc) assert_int_equal((int)kind, rows[i].kind);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_written_as_json),
        cmocka_unit_test(creations_survive_the_way),
        cmocka_unit_test(creations_are_refused_as_measured),
        cmocka_unit_test(continue_and_cancel_go_both_ways),
        cmocka_unit_test(items_go_both_ways_and_may_be_cut_nowhere),
        cmocka_unit_test(answers_say_which_kind_they_carry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
