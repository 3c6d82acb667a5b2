#include "unit/wire_support.h"

#include "base/alloc.h"
#include "wire/check.h"
#include "wire/kv.h"

static struct frame decode(const struct buf *b)
{
    struct frame f;
    size_t size;
    struct divan_error err;
    assert_int_equal(frame_decode(buf_view(b), FRAME_MAX, &f, &size, &err), FRAME_COMPLETE);
    assert_int_equal(size, b->len);
    return f;
}

static struct kv_target target(const char *key)
{
    return (struct kv_target){
        .opaque = 7, .vbucket = 0x123, .collections = true, .collection = 8, .key = divan_str(key)};
}

static void requests_have_the_bytes_of_the_protocol(void **state)
{
    struct buf out = {.limit = 4096};
    struct kv_target t = target("k1");
    struct kv_store s = {.flags = 0x02000000, .datatype = DATATYPE_JSON, .value = divan_str("{\"a\":1}")};
    t.durability = 1, t.durable_ms = 1000;
    kv_put_store(&out, OP_SET, &t, &s);
    assert_hex(buf_view(&out), "08 01 04 03 08 01 01 23 00000016 00000007 0000000000000000 13 01 03e8"
                               "02000000 00000000 086b31 7b2261223a317d");
    buf_clear(&out);
    t.durability = 3, t.durable_ms = 0, t.keep_ttl = true, t.cas = 0x1122334455667788;
    kv_put_store(&out, OP_REPLACE, &t, &s);
    assert_hex(buf_view(&out), "08 03 03 03 08 01 01 23 00000015 00000007 1122334455667788 11 03 50"
                               "02000000 00000000 086b31 7b2261223a317d");
    buf_clear(&out);
    t = target("k1");
    kv_put_get(&out, OP_GET, &t);
    assert_hex(buf_view(&out), "80 00 00 03 00 00 01 23 00000003 00000007 0000000000000000 086b31");
    buf_clear(&out);
    t.collections = false;
    kv_put_get(&out, OP_DELETE, &t);
    assert_hex(buf_view(&out), "80 04 00 02 00 00 01 23 00000002 00000007 0000000000000000 6b31");
    buf_clear(&out);
    struct kv_counter c = {.delta = 1, .initial = 10, .expiry = COUNTER_NO_CREATE};
    kv_put_counter(&out, OP_INCR, &t, &c);
    assert_hex(buf_view(&out), "80 05 00 02 14 00 01 23 00000016 00000007 0000000000000000"
                               "0000000000000001 000000000000000a ffffffff 6b31");
    buf_clear(&out);
    kv_put_touch(&out, OP_GAT, &t, 60);
    assert_hex(buf_view(&out), "80 1d 00 02 04 00 01 23 00000006 00000007 0000000000000000 0000003c 6b31");
    buf_clear(&out);
    kv_put_getl(&out, &t, 0);
    assert_hex(buf_view(&out), "80 94 00 02 00 00 01 23 00000002 00000007 0000000000000000 6b31");
    buf_clear(&out);
    kv_put_get_meta(&out, &t, true);
    assert_hex(buf_view(&out), "80 a0 00 02 01 00 01 23 00000003 00000007 0000000000000000 02 6b31");
    buf_clear(&out);
    kv_put_concat(&out, OP_APPEND, &t, &s);
    assert_hex(buf_view(&out), "80 0e 00 02 00 01 01 23 00000009 00000007 0000000000000000 6b31 7b2261223a317d");
    buf_fini(&out);
}

static void a_head_leaves_the_value_to_the_caller(void **state)
{
    struct buf whole = {.limit = 4096}, head = {.limit = 4096};
    struct kv_target t = target("key");
    struct kv_store s = {.flags = 1, .expiry = 2, .value = divan_str("value")};
    kv_put_store(&whole, OP_ADD, &t, &s);
    kv_put_store_head(&head, OP_ADD, &t, &s);
    buf_put_str(&head, "value");
    assert_true(bytes_equal(buf_view(&whole), buf_view(&head)));
    buf_fini(&whole), buf_fini(&head);
}

static void requests_survive_the_way_to_the_node(void **state)
{
    struct buf out = {.limit = 4096};
    struct kv_target t = target("key");
    struct kv_store s = {.flags = 1, .expiry = 2, .datatype = 1, .value = divan_str("{}")}, s2;
    struct kv_counter c = {.delta = 3, .initial = 4, .expiry = 5}, c2;
    struct kv_framing framing;
    struct divan_bytes key;
    uint32_t collection, n;
    bool flag;
    t.durability = 2, t.durable_ms = 1500, t.keep_ttl = true, t.collection = 0xcafef00d;
    kv_put_store(&out, OP_SET, &t, &s);
    struct frame f = decode(&out);
    assert_int_equal(kv_read_store(&f, &s2, NULL), DIVAN_OK);
    assert_int_equal(s2.flags, 1);
    assert_int_equal(s2.expiry, 2);
    assert_int_equal(s2.datatype, 1);
    assert_text(s2.value, "{}");
    assert_int_equal(kv_read_key(&f, true, &collection, &key, NULL), DIVAN_OK);
    assert_true(collection == 0xcafef00d);
    assert_text(key, "key");
    assert_int_equal(kv_read_framing(&f, &framing, NULL), ST_SUCCESS);
    assert_int_equal(framing.durability, 2);
    assert_int_equal(framing.durable_ms, 1500);
    assert_true(framing.keep_ttl);
    t = target("key");
    buf_clear(&out), kv_put_counter(&out, OP_DECR, &t, &c), f = decode(&out);
    assert_int_equal(kv_read_counter(&f, &c2, NULL), DIVAN_OK);
    assert_true(c2.delta == 3 && c2.initial == 4 && c2.expiry == 5);
    buf_clear(&out), kv_put_touch(&out, OP_TOUCH, &t, 77), f = decode(&out);
    assert_int_equal(kv_read_touch(&f, &n, NULL), DIVAN_OK);
    assert_int_equal(n, 77);
    buf_clear(&out), kv_put_getl(&out, &t, 20), f = decode(&out);
    assert_int_equal(kv_read_getl(&f, &n, NULL), DIVAN_OK);
    assert_int_equal(n, 20);
    buf_clear(&out), kv_put_get_meta(&out, &t, true), f = decode(&out);
    assert_int_equal(kv_read_get_meta(&f, &flag, NULL), DIVAN_OK);
    assert_true(flag);
    buf_clear(&out), kv_put_concat(&out, OP_PREPEND, &t, &s), f = decode(&out);
    assert_int_equal(kv_read_store(&f, &s2, NULL), DIVAN_OK);
    assert_text(s2.value, "{}");
    buf_fini(&out);
}

static void answers_survive_the_way_to_the_client(void **state)
{
    struct buf out = {.limit = 4096};
    struct kv_reply r = {.opcode = OP_SET, .opaque = 7, .cas = 9, .traced = true, .duration_us = 250};
    struct mutation_token token = {0xabcdef012345, 42}, token2;
    struct kv_meta meta = {.deleted = true, .flags = 1, .expiry = 2, .seqno = 3, .has_datatype = true, .datatype = 5},
                   m2;
    uint32_t flags;
    uint64_t value;
    kv_put_reply_token(&out, &r, &token);
    assert_hex(buf_view(&out), "18 01 03 00 10 00 00 00 00000013 00000007 0000000000000009 02 0024"
                               "0000abcdef012345 000000000000002a");
    struct frame f = decode(&out);
    assert_int_equal(kv_read_token(&f, &token2, NULL), DIVAN_OK);
    assert_memory_equal(&token, &token2, sizeof token);
    assert_int_equal(kv_server_duration_us(&f), 255);
    r.traced = false;
    buf_clear(&out), kv_put_reply_token(&out, &r, NULL), f = decode(&out);
    assert_int_equal(f.magic, MAGIC_RESPONSE);
    assert_int_equal(kv_read_token(&f, &token2, NULL), DIVAN_OK);
    assert_true(!token2.vbucket_uuid && !token2.seqno);
    assert_int_equal(kv_server_duration_us(&f), -1);
    r.opcode = OP_GETK, r.key = divan_str("k"), r.value = divan_str("doc");
    buf_clear(&out), kv_put_reply_flags(&out, &r, 0x02000006), f = decode(&out);
    assert_int_equal(kv_read_flags(&f, &flags, NULL), DIVAN_OK);
    assert_int_equal(flags, 0x02000006);
    assert_text(f.key, "k");
    assert_text(f.value, "doc");
    r.key.len = r.value.len = 0;
    buf_clear(&out), kv_put_reply_counter(&out, &r, &token, UINT64_MAX), f = decode(&out);
    assert_int_equal(kv_read_counter_value(&f, &value, NULL), DIVAN_OK);
    assert_true(value == UINT64_MAX);
    buf_clear(&out), kv_put_reply_meta(&out, &r, &meta), f = decode(&out);
    assert_int_equal(kv_read_meta(&f, &m2, NULL), DIVAN_OK);
    assert_true(m2.deleted && m2.flags == 1 && m2.expiry == 2 && m2.seqno == 3 && m2.has_datatype && m2.datatype == 5);
    r.status = ST_KEY_ENOENT, r.value = divan_str("{}"), r.datatype = 1;
    buf_clear(&out), kv_put_reply(&out, &r), f = decode(&out);
    assert_int_equal(f.status, ST_KEY_ENOENT);
    assert_text(f.value, "{}");
    buf_fini(&out);
}

static void keys_are_checked_as_measured(void **state)
{
    static char text[300];
    static const struct {
        const char *prefix; /* hexadecimal */
        size_t pad;         /* bytes behind it */
        bool collections;
        enum divan_code code;
        uint32_t collection;
    } rows[] = {
        {"", 0, false, DIVAN_ERR_FRAME_KEY, 0},
        {"", 1, false, DIVAN_OK, 0},
        {"", 250, false, DIVAN_OK, 0},
        {"", 251, false, DIVAN_ERR_FRAME_KEY, 0},
        {"00", 0, true, DIVAN_ERR_FRAME_KEY, 0},
        {"80", 0, true, DIVAN_ERR_FRAME_KEY, 0},
        {"00", 1, true, DIVAN_OK, 0},
        {"00", 250, true, DIVAN_OK, 0},
        {"00", 251, true, DIVAN_ERR_FRAME_KEY, 0},
        {"08", 246, true, DIVAN_OK, 8},
        {"08", 247, true, DIVAN_ERR_FRAME_KEY, 0},
        {"8801", 0, true, DIVAN_ERR_FRAME_KEY, 0},
        {"8801", 1, true, DIVAN_OK, 136},
        {"01", 3, true, DIVAN_ERR_FRAME_KEY, 0},
        {"07", 3, true, DIVAN_ERR_FRAME_KEY, 0},
        {"8000", 3, true, DIVAN_ERR_FRAME_LEB128, 0},
        {"8800", 3, true, DIVAN_ERR_FRAME_LEB128, 0},
        {"808080808001", 3, true, DIVAN_ERR_FRAME_LEB128, 0},
        {"ffffffff0f", 3, true, DIVAN_OK, UINT32_MAX},
        {"ffffffff1f", 3, true, DIVAN_OK, UINT32_MAX},
    };
    memset(text, 'k', sizeof text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex h;
        struct buf key = {.limit = 1024};
        struct divan_bytes logical;
        struct divan_error err;
        uint32_t collection = 0;
        buf_put_bytes(&key, hex_read(&h, rows[i].prefix));
        buf_put(&key, text, rows[i].pad);
        struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_GET, .key = buf_view(&key)};
        if (kv_read_key(&f, rows[i].collections, &collection, &logical, &err) != rows[i].code)
            fail_msg("row %zu: %d", i, err.code);
        if (!rows[i].code) {
            assert_true(collection == rows[i].collection);
            assert_int_equal(logical.len, rows[i].pad);
        }
        buf_fini(&key);
    }
}

static void framing_is_checked_as_measured(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *framing;
        enum status status;
        bool says_why;
    } rows[] = {
        {OP_SET, "", ST_SUCCESS, false},
        {OP_SET, "00", ST_SUCCESS, false},
        {OP_SET, "01 01", ST_EINVAL, true},
        {OP_SET, "0f 05 0000000000000000000000000000000000000000", ST_EINVAL, true},
        {OP_SET, "10", ST_EINVAL, true},
        {OP_SET, "11 01", ST_SUCCESS, false},
        {OP_SET, "11 00", ST_DURABILITY_INVALID_LEVEL, true},
        {OP_SET, "11 04", ST_DURABILITY_INVALID_LEVEL, true},
        {OP_SET, "12 0120", ST_EINVAL, true},
        {OP_SET, "13 010001", ST_SUCCESS, false},
        {OP_SET, "13 010000", ST_DURABILITY_INVALID_LEVEL, true},
        {OP_SET, "13 01ffff", ST_DURABILITY_INVALID_LEVEL, true},
        {OP_SET, "14 01000100", ST_EINVAL, true},
        {OP_SETQ, "11 01", ST_EINVAL, true},
        {OP_GET, "11 01", ST_EINVAL, true},
        {OP_GETL, "11 01", ST_EINVAL, true},
        {OP_TOUCH, "11 01", ST_SUCCESS, false},
        {OP_SUBDOC_MULTI_MUTATION, "11 03 50", ST_SUCCESS, false},
        {OP_SUBDOC_MULTI_LOOKUP, "11 03", ST_EINVAL, true},
        {OP_SET, "22 0001", ST_SUCCESS, false},
        {OP_SET, "23 000100", ST_EINVAL, true},
        {OP_SET, "30", ST_UNKNOWN_FRAME_INFO, false},
        {OP_GET, "46 726561646572", ST_SUCCESS, false},
        {OP_SET, "40", ST_EINVAL, true},
        {OP_SET, "50", ST_SUCCESS, false},
        {OP_SET, "50 50 1101 1102", ST_SUCCESS, false},
        {OP_SET, "51 01", ST_EINVAL, true},
        {OP_ADD, "50", ST_NOT_SUPPORTED, true},
        {OP_GET, "50", ST_NOT_SUPPORTED, true},
        {OP_TOUCH, "50", ST_NOT_SUPPORTED, true},
        {OP_SET, "60", ST_EINVAL, true},
        {OP_SET, "61 01", ST_EINVAL, true},
        {OP_SET, "72 0001", ST_UNKNOWN_FRAME_INFO, false},
        {OP_SET, "00 90", ST_UNKNOWN_FRAME_INFO, false},
        {OP_SET, "f0 05", ST_UNKNOWN_FRAME_INFO, false},
        {OP_SET, "13", ST_EINVAL, true},
        {OP_SET, "13 01", ST_EINVAL, true},
        {OP_SET, "f0", ST_EINVAL, true},
        {OP_SET, "0f", ST_EINVAL, true},
        {OP_SET, "ff", ST_EINVAL, true},
        {OP_SET, "ff 01", ST_EINVAL, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex h;
        struct kv_framing framing = {.durability = 9};
        const char *problem = "unset";
        struct frame f = {.magic = MAGIC_ALT_REQUEST, .opcode = rows[i].opcode};
        f.framing = hex_read(&h, rows[i].framing);
        if (kv_read_framing(&f, &framing, &problem) != rows[i].status) fail_msg("row %zu (%s)", i, rows[i].framing);
        if ((problem != NULL) != rows[i].says_why) fail_msg("row %zu: problem %s", i, problem ? problem : "none");
        assert_int_equal(framing.durability == 9, rows[i].status != ST_SUCCESS);
    }
}

static void requests_are_checked_before_anything_else(void **state)
{
    const feature_set none = 0, json = FEATURE(FEATURE_JSON);
    static char longer[260];
    memset(longer, 'k', sizeof longer - 1);
    const struct {
        struct frame f;
        feature_set features;
        enum status status;
        const char *problem;
    } rows[] = {
        {{.opcode = OP_NOOP}, none, ST_SUCCESS, NULL},
        {{.opcode = OP_NOOP, .cas = 1}, none, ST_EINVAL, "CAS must not"},
        {{.opcode = OP_NOOP, .key = divan_str("k")}, none, ST_EINVAL, "not include key"},
        {{.opcode = OP_NOOP, .value = divan_str("v")}, none, ST_EINVAL, "not include value"},
        {{.opcode = OP_NOOP, .extras = divan_str("e")}, none, ST_EINVAL, "not include extras"},
        {{.opcode = OP_NOOP, .datatype = 1}, json, ST_EINVAL, "datatype invalid"},
        {{.opcode = 0x2d}, none, ST_UNKNOWN_COMMAND, NULL},
        {{.opcode = 0xe0, .cas = 1}, none, ST_UNKNOWN_COMMAND, NULL},
        {{.opcode = OP_FLUSH, .key = divan_str("k")}, none, ST_NOT_SUPPORTED, NULL},
        {{.opcode = OP_GET, .key = divan_str("k")}, none, ST_SUCCESS, NULL},
        {{.opcode = OP_GET}, none, ST_EINVAL, "must include key"},
        {{.opcode = OP_GET, .key = divan_str(longer)}, none, ST_EINVAL, "Key length"},
        {{.opcode = OP_GET, .key = divan_str("k"), .datatype = 8}, none, ST_EINVAL, "datatype invalid"},
        {{.opcode = OP_SET, .key = divan_str("k")}, none, ST_EINVAL, "extras"},
        {{.opcode = OP_SET, .key = divan_str("k"), .extras = divan_str("12345678")}, none, ST_SUCCESS, NULL},
        {{.opcode = OP_SET, .key = divan_str("k"), .extras = divan_str("12345678"), .datatype = 1},
         json,
         ST_SUCCESS,
         NULL},
        {{.opcode = OP_SET, .key = divan_str("k"), .extras = divan_str("12345678"), .datatype = 1},
         none,
         ST_EINVAL,
         "json"},
        {{.opcode = OP_SET, .key = divan_str("k"), .extras = divan_str("12345678"), .datatype = 2},
         json,
         ST_EINVAL,
         "snappy"},
        {{.opcode = OP_SET, .key = divan_str("k"), .extras = divan_str("12345678"), .datatype = 4},
         json,
         ST_EINVAL,
         "datatype"},
        {{.opcode = OP_ADD, .key = divan_str("k"), .extras = divan_str("12345678"), .cas = 1}, none, ST_EINVAL, "CAS"},
        {{.opcode = OP_UNLOCK, .key = divan_str("k")}, none, ST_EINVAL, "CAS must be set"},
        {{.opcode = OP_GET_ERROR_MAP, .value = divan_str("\1\2"), .vbucket = 1},
         none,
         ST_EINVAL,
         "vbucket id must be 0"},
        {{.opcode = OP_OBSERVE}, none, ST_EINVAL, "must include value"},
        {{.opcode = OP_SUBDOC_DICT_UPSERT,
          .key = divan_str("k"),
          .extras = divan_str("123"),
          .value = divan_str("a1"),
          .datatype = 2},
         FEATURE(FEATURE_SNAPPY),
         ST_EINVAL,
         "datatype"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *problem = "unset";
        if (request_check(&rows[i].f, rows[i].features, &problem) != rows[i].status) fail_msg("row %zu", i);
        if (!rows[i].problem) assert_null(problem);
        else if (!problem || !strstr(problem, rows[i].problem)) fail_msg("row %zu says %s", i, problem ? problem : "-");
    }
}

static void wrong_lengths_are_refused_by_both_sides(void **state)
{
    static const char bytes[64];
    struct kv_store s;
    struct kv_counter c;
    struct kv_meta meta;
    struct mutation_token token;
    struct divan_error err;
    uint32_t n;
    uint64_t big;
    bool flag;
    for (size_t len = 0; len < 40; len++) {
        struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_SET, .extras = {bytes, len}, .value = {bytes, len}};
        assert_int_equal(kv_read_store(&f, &s, &err) == DIVAN_OK, len == 8);
        assert_int_equal(kv_read_counter(&f, &c, &err) == DIVAN_OK, len == 20);
        assert_int_equal(kv_read_touch(&f, &n, &err) == DIVAN_OK, len == 4);
        assert_int_equal(kv_read_getl(&f, &n, &err) == DIVAN_OK, len == 0 || len == 4);
        assert_int_equal(kv_read_get_meta(&f, &flag, &err) == DIVAN_OK, len == 0);
        assert_int_equal(kv_read_flags(&f, &n, &err) == DIVAN_OK, len == 4);
        assert_int_equal(kv_read_token(&f, &token, &err) == DIVAN_OK, len == 0 || len == 16);
        assert_int_equal(kv_read_counter_value(&f, &big, &err) == DIVAN_OK, len == 8);
        assert_int_equal(kv_read_meta(&f, &meta, &err) == DIVAN_OK, len == 20 || len == 21);
    }
}

static void failures_leave_no_half_frame(void **state)
{
    static char longer[300];
    struct buf out = {.limit = 64};
    memset(longer, 'k', sizeof longer - 1);
    struct kv_target t = target(longer);
    kv_put_get(&out, OP_GET, &t);
    assert_true(out.failed && !out.len);
    buf_clear(&out);
    t = target("k");
    struct kv_store s = {.value = {longer, 200}};
    kv_put_store(&out, OP_SET, &t, &s);
    assert_true(out.failed && !out.len);
    buf_fini(&out);
    struct buf fresh = {.limit = 1 << 20};
    mem_fail_at(1);
    kv_put_store(&fresh, OP_SET, &t, &s);
    mem_fail_at(0);
    assert_true(fresh.failed && !fresh.len);
    buf_fini(&fresh);
}

static void the_tables_agree_with_themselves(void **state)
{
    for (int i = 0; i < 256; i++) {
        uint8_t op = (uint8_t)i;
        if (!op_is_known(op)) continue;
        assert_int_equal(op_facts[op_facts[op].twin].twin, op);
        assert_int_equal(op_from_name(op_name(op)), op);
        if (op_has(op, OPT_QUIET)) assert_int_not_equal(op_loud(op), op);
        if (op_has(op, OPT_DURABLE | OPT_KEEP_TTL)) assert_true(op_has(op, OPT_WRITE));
        assert_false(op_has(op, OPT_READ) && op_has(op, OPT_WRITE));
    }
    assert_string_equal(op_name(0xe0), "OP_0xe0");
    assert_int_equal(op_quiet(OP_SET), OP_SETQ);
    assert_int_equal(op_loud(OP_GETKQ), OP_GETK);
    assert_int_equal(op_quiet(OP_TOUCH), OP_TOUCH);
    for (size_t i = 0; i < status_count; i++) {
        assert_int_equal(status_from_name(status_table[i].name), status_table[i].code);
        if (i) assert_true(status_table[i - 1].code < status_table[i].code);
        assert_int_equal(status_attrs(status_table[i].code) != 0, status_table[i].map_name != NULL);
    }
    assert_true(status_attrs(ST_LOCKED) == (ATTR_ITEM_LOCKED | ATTR_ITEM_ONLY | ATTR_RETRY_NOW));
    assert_string_equal(status_name(0xfff0), "UNKNOWN_STATUS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_have_the_bytes_of_the_protocol),
        cmocka_unit_test(a_head_leaves_the_value_to_the_caller),
        cmocka_unit_test(requests_survive_the_way_to_the_node),
        cmocka_unit_test(answers_survive_the_way_to_the_client),
        cmocka_unit_test(keys_are_checked_as_measured),
        cmocka_unit_test(framing_is_checked_as_measured),
        cmocka_unit_test(requests_are_checked_before_anything_else),
        cmocka_unit_test(wrong_lengths_are_refused_by_both_sides),
        cmocka_unit_test(failures_leave_no_half_frame),
        cmocka_unit_test(the_tables_agree_with_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
