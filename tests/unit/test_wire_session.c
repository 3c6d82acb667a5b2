#include "unit/wire_support.h"

#include <jansson.h>

#include "base/alloc.h"
#include "wire/compress.h"
#include "wire/errmap.h"
#include "wire/errorbody.h"
#include "wire/hello.h"
#include "wire/session.h"

static struct frame decode(const struct buf *b)
{
    struct frame f;
    size_t size;
    struct divan_error err;
    assert_int_equal(frame_decode(buf_view(b), FRAME_MAX, &f, &size, &err), FRAME_COMPLETE);
    return f;
}

static void handshake_frames_have_the_bytes_of_the_protocol(void **state)
{
    struct buf out = {.limit = 4096};
    hello_put_request(&out, 1, divan_str("a"), FEATURE(FEATURE_XERROR) | FEATURE(FEATURE_BINARY_XATTR));
    assert_hex(buf_view(&out), "80 1f 0001 00 00 0000 00000005 00000001 0000000000000000 61 0007 0021");
    buf_clear(&out), session_put_get_error_map(&out, 2, 2);
    assert_hex(buf_view(&out), "80 fe 0000 00 00 0000 00000002 00000002 0000000000000000 0002");
    struct frame f = decode(&out);
    assert_int_equal(session_read_error_map_version(&f), 2);
    buf_clear(&out), session_put_sasl(&out, OP_SASL_AUTH, 3, SASL_PLAIN, bytes_of("\0u\0p", 4));
    assert_hex(buf_view(&out), "80 21 0005 00 00 0000 00000009 00000003 0000000000000000 504c41494e 00750070");
    buf_clear(&out), session_put_select_bucket(&out, 4, "b");
    assert_hex(buf_view(&out), "80 89 0001 00 00 0000 00000001 00000004 0000000000000000 62");
    buf_clear(&out), session_put_noop(&out, 5);
    assert_hex(buf_view(&out), "80 0a 0000 00 00 0000 00000000 00000005 0000000000000000");
    buf_fini(&out);
}

static void cluster_map_messages_go_both_ways(void **state)
{
    struct buf out = {.limit = 4096};
    struct config_version v = {1, 1074}, got;
    struct divan_bytes bucket;
    struct divan_error err;
    bool has;
    session_put_get_config(&out, 1, NULL);
    struct frame f = decode(&out);
    assert_int_equal(session_read_get_config(&f, &has, &got, &err), DIVAN_OK);
    assert_false(has);
    buf_clear(&out), session_put_get_config(&out, 1, &v), f = decode(&out);
    assert_int_equal(session_read_get_config(&f, &has, &got, &err), DIVAN_OK);
    assert_true(has && got.epoch == 1 && got.rev == 1074);
    v.rev = 0;
    buf_clear(&out), session_put_get_config(&out, 1, &v), f = decode(&out);
    assert_int_equal(session_read_get_config(&f, &has, &got, &err), DIVAN_ERR_FRAME_EXTRAS);
    f.extras.len = 4;
    assert_int_equal(session_read_get_config(&f, &has, &got, &err), DIVAN_ERR_FRAME_EXTRAS);
    v.rev = 1074;
    buf_clear(&out), session_put_config_push(&out, "default", v, 0, bytes_of(NULL, 0));
    assert_hex(buf_view(&out), "82 01 0007 10 00 0000 00000017 00000000 0000000000000000 0000000000000001"
                               "0000000000000432 64656661756c74");
    f = decode(&out);
    assert_int_equal(session_read_config_push(&f, &bucket, &got, &err), DIVAN_OK);
    assert_text(bucket, "default");
    assert_true(got.epoch == 1 && got.rev == 1074);
    f.extras.len = 8;
    assert_int_equal(session_read_config_push(&f, &bucket, &got, &err), DIVAN_ERR_PROTOCOL_ERROR);
    f.magic = MAGIC_REQUEST;
    assert_int_equal(session_read_config_push(&f, &bucket, &got, &err), DIVAN_ERR_PROTOCOL_ERROR);
    buf_fini(&out);
}

static void collection_paths_are_read_as_measured(void **state)
{
    static const struct {
        uint8_t opcode;
        const char *key, *value, *scope, *collection; /* scope NULL = refused */
    } rows[] = {
        {OP_GET_COLLECTION_ID, "", "s.c", "s", "c"},
        {OP_GET_COLLECTION_ID, "s.c", "", "s", "c"},
        {OP_GET_COLLECTION_ID, "", ".c", "_default", "c"},
        {OP_GET_COLLECTION_ID, "", "s.", "s", "_default"},
        {OP_GET_COLLECTION_ID, "", ".", "_default", "_default"},
        {OP_GET_COLLECTION_ID, "", "", NULL, NULL},
        {OP_GET_COLLECTION_ID, "", "s", NULL, NULL},
        {OP_GET_COLLECTION_ID, "", "s.c.d", NULL, NULL},
        {OP_GET_COLLECTION_ID, "s.c", "s.c", NULL, NULL},
        {OP_GET_SCOPE_ID, "", "s", "s", "_default"},
        {OP_GET_SCOPE_ID, "", "s.c", "s", "c"},
        {OP_GET_SCOPE_ID, "", "", "_default", "_default"},
        {OP_GET_SCOPE_ID, "", "s.c.d", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct frame f = {.magic = MAGIC_REQUEST, .opcode = rows[i].opcode};
        struct collection_path path;
        struct divan_error err;
        f.key = divan_str(rows[i].key), f.value = divan_str(rows[i].value);
        enum divan_code rc = session_read_collection_path(&f, &path, &err);
        enum divan_code refused = *rows[i].key ? DIVAN_ERR_FRAME_KEY : DIVAN_ERR_FRAME_VALUE;
        if (rc != (rows[i].scope ? DIVAN_OK : refused)) fail_msg("row %zu: %d", i, rc);
        if (rc) continue;
        assert_text(path.scope, rows[i].scope);
        assert_text(path.collection, rows[i].collection);
    }
}

static void collection_ids_go_both_ways(void **state)
{
    struct buf out = {.limit = 4096};
    struct kv_reply r = {.opcode = OP_GET_COLLECTION_ID, .opaque = 1};
    struct collection_id id = {0x1f, 8}, got;
    struct divan_error err;
    session_put_get_collection_id(&out, 1, "s", "c");
    assert_text(decode(&out).value, "s.c");
    buf_clear(&out), session_put_get_collection_id(&out, 1, NULL, "");
    assert_text(decode(&out).value, "_default._default");
    buf_clear(&out), session_put_get_scope_id(&out, 1, "s");
    assert_text(decode(&out).value, "s");
    buf_clear(&out), session_put_reply_collection_id(&out, &r, &id);
    assert_hex(buf_view(&out), "81 bb 0000 0c 00 0000 0000000c 00000001 0000000000000000 000000000000001f 00000008");
    struct frame f = decode(&out);
    assert_int_equal(session_read_collection_id(&f, &got, &err), DIVAN_OK);
    assert_true(got.manifest_uid == 0x1f && got.id == 8);
    f.extras.len = 8;
    assert_int_equal(session_read_collection_id(&f, &got, &err), DIVAN_ERR_PROTOCOL_ERROR);
    buf_fini(&out);
}

static void features_are_granted_as_measured(void **state)
{
#define F(x) FEATURE(FEATURE_##x)
    const struct {
        feature_set asked, granted;
        bool good;
    } rows[] = {
        {0, 0, true},
        {F(TLS) | F(COLLECTIONS_OLD) | F(DATATYPE_OLD) | F(REPORT_UNIT_USAGE), 0, true},
        {F(JSON) | F(XERROR), F(JSON) | F(XERROR), true},
        {F(PITR) | F(TCP_DELAY), F(PITR) | F(TCP_DELAY), true},
        {F(TCP_NODELAY) | F(TCP_DELAY), 0, false},
        {F(CLUSTERMAP_CHANGE), 0, false},
        {F(CLUSTERMAP_CHANGE_BRIEF), 0, false},
        {F(VATTR), 0, false},
        {F(DOCUMENT_MACRO), 0, false},
        {F(DOCUMENT_MACRO) | F(XATTR), F(DOCUMENT_MACRO) | F(XATTR), true},
        {F(DUPLEX) | F(CLUSTERMAP_CHANGE), F(DUPLEX) | F(CLUSTERMAP_CHANGE), true},
        {F(DUPLEX) | F(CLUSTERMAP_CHANGE) | F(CLUSTERMAP_CHANGE_BRIEF), F(DUPLEX) | F(CLUSTERMAP_CHANGE_BRIEF), true},
        {F(RANGE_SCAN_XATTR) | F(XATTR), F(XATTR), true},
        {F(BINARY_XATTR) | F(MULTIPLE_XATTR_KEYS), F(BINARY_XATTR) | F(MULTIPLE_XATTR_KEYS), true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        feature_set granted = 0;
        const char *problem = NULL;
        bool good = hello_grant(rows[i].asked, hello_offered_by_node(), &granted, &problem);
        if (good != rows[i].good || granted != rows[i].granted)
            fail_msg("row %zu: %llx", i, (unsigned long long)granted);
        assert_int_equal(problem != NULL, !good);
    }
    struct hex h;
    feature_set set;
    struct divan_error err;
    assert_int_equal(hello_read_features(hex_read(&h, "0000 0027 0100 ffff 000b 000b"), &set, &err), DIVAN_OK);
    assert_true(set == (FEATURE(0) | FEATURE(0x27) | F(JSON)));
    assert_int_equal(hello_read_features(hex_read(&h, "000b00"), &set, &err), DIVAN_ERR_FRAME_VALUE);
}

static void agents_go_both_ways_and_stay_short(void **state)
{
    struct buf out = {.limit = 4096};
    struct hello_agent agent;
    hello_put_agent(&out, "divan/1.0 (\"os\\\n)", 0x0123456789abcdef, 0xf);
    assert_text(buf_view(&out), "{\"a\":\"divan/1.0 (\\\"os\\\\ )\",\"i\":\"0123456789abcdef/000000000000000f\"}");
    hello_read_agent(buf_view(&out), &agent);
    assert_string_equal(agent.agent, "divan/1.0 (\"os\\ )");
    assert_string_equal(agent.connection, "0123456789abcdef/000000000000000f");
    static char longer[600];
    for (int quotes = 0; quotes < 2; quotes++) {
        memset(longer, quotes ? '"' : 'x', sizeof longer - 1);
        buf_clear(&out), hello_put_agent(&out, longer, 1, 2);
        assert_true(out.len <= 250);
        hello_read_agent(buf_view(&out), &agent);
        assert_string_equal(agent.connection, "0000000000000001/0000000000000002");
        assert_true(strlen(agent.agent) > 90);
    }
    hello_read_agent(divan_str("plain text"), &agent);
    assert_string_equal(agent.agent, "plain text");
    hello_read_agent(divan_str("{broken"), &agent);
    assert_string_equal(agent.agent, "{broken");
    hello_read_agent(divan_str("{\"a\":7,\"i\":[]}"), &agent);
    assert_string_equal(agent.agent, "");
    hello_read_agent(divan_str(""), &agent);
    assert_string_equal(agent.agent, "");
    buf_fini(&out);
}

static void compression_has_limits(void **state)
{
    static char text[100000];
    struct buf small = {.limit = 1 << 20}, big = {.limit = 1 << 20};
    struct divan_error err;
    memset(text, 'a', sizeof text);
    assert_false(value_compress(divan_str("short"), COMPRESS_MIN_RATIO_PCT, &small));
    assert_int_equal(small.len, 0);
    buf_put_str(&small, "head");
    assert_true(value_compress(bytes_of(text, sizeof text), COMPRESS_MIN_RATIO_PCT, &small));
    struct divan_bytes packed = bytes_slice(buf_view(&small), 4, small.len);
    assert_true(packed.len < sizeof text / 10);
    assert_true(value_is_compressed(packed, sizeof text));
    assert_false(value_is_compressed(packed, sizeof text - 1));
    assert_int_equal(value_inflate(packed, sizeof text, &big, &err), DIVAN_OK);
    assert_true(bytes_equal(buf_view(&big), bytes_of(text, sizeof text)));
    assert_int_equal(value_inflate(packed, sizeof text - 1, &big, &err), DIVAN_ERR_FRAME_COMPRESSION);
    assert_int_equal(big.len, sizeof text);
    assert_int_equal(value_inflate(bytes_slice(packed, 0, packed.len - 1), sizeof text, &big, &err),
                     DIVAN_ERR_FRAME_COMPRESSION);
    assert_int_equal(big.len, sizeof text);
    static const char *const bad[] = {"",    "c8010461626364fe0500fe0500fe0500", "ffffffffffff", "80808080c00061", "01",
                                      "0000"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct hex h;
        if (value_inflate(hex_read(&h, bad[i]), INFLATE_MAX, &big, &err) != DIVAN_ERR_FRAME_COMPRESSION)
            fail_msg("%s was inflated", bad[i]);
    }
    assert_int_equal(value_inflate(bytes_of("\0", 1), 0, &big, &err), DIVAN_OK); /* the empty value */
    struct buf none = {.limit = 1 << 20};
    mem_fail_at(1);
    assert_int_equal(value_inflate(packed, sizeof text, &none, &err), DIVAN_ERR_OUT_OF_MEMORY);
    mem_fail_at(1);
    buf_clear(&none);
    assert_false(value_compress(bytes_of(text, sizeof text), 83, &none));
    mem_fail_at(0);
    assert_false(none.failed);
    buf_fini(&small), buf_fini(&big), buf_fini(&none);
}

static void the_nodes_error_map_is_read_back_by_the_client(void **state)
{
    for (unsigned version = 1; version <= 3; version++) {
        struct buf out = {.limit = 1 << 20};
        struct errmap *m = NULL;
        struct divan_error err;
        uint32_t dropped = version > 1 ? 0 : ATTR_RATE_LIMIT | ATTR_SYSTEM_CONSTRAINT | ATTR_NO_RETRY;
        errmap_write(&out, version);
        assert_int_equal(errmap_parse(buf_view(&out), &m, &err), DIVAN_OK);
        assert_int_equal(m->version, version > 1 ? 2 : 1);
        assert_int_equal(m->count, 80);
        for (size_t i = 0; i < status_count; i++) {
            const struct errmap_entry *e = errmap_find(m, status_table[i].code);
            assert_int_equal(e != NULL, status_table[i].map_name != NULL);
            if (e) assert_int_equal(e->attrs, status_attrs(status_table[i].code) & ~dropped);
        }
        assert_null(errmap_find(m, 0x1234));
        errmap_free(m);
        buf_fini(&out);
    }
    assert_null(errmap_find(NULL, 1));
}

static void error_maps_of_others_are_read_with_care(void **state)
{
    static const struct {
        const char *json, *says; /* says NULL = good */
    } rows[] = {
        {"", "empty"},
        {"{", "byte 1"},
        {"[]", "not an object"},
        {"{\"version\":0,\"revision\":1,\"errors\":{}}", "version"},
        {"{\"version\":2,\"revision\":\"1\",\"errors\":{}}", "revision"},
        {"{\"version\":2,\"revision\":1}", "errors"},
        {"{\"version\":2,\"revision\":1,\"errors\":{\"xyz\":{}}}", "xyz"},
        {"{\"version\":2,\"revision\":1,\"errors\":{\"12345\":{}}}", "12345"},
        {"{\"version\":2,\"revision\":1,\"errors\":{\"\":{}}}", "hexadecimal"},
        {"{\"version\":2,\"revision\":1,\"errors\":{\"1\":[]}}", "not an object"},
        {"{\"version\":2,\"revision\":1,\"errors\":{\"1\":{\"name\":\"A\"}}}", "attrs"},
        {"{\"version\":2,\"revision\":1,\"errors\":{\"1\":{\"attrs\":[],\"attrs\":[]}}}", "duplicate"},
        {"{\"version\":2,\"revision\":1,\"errors\":{}}", NULL},
        {"{\"version\":2,\"revision\":1,\"errors\":{\"FFF0\":{\"attrs\":[\"temp\",\"of the future\",7]}}}", NULL},
    };
    struct divan_error err;
    struct errmap *m;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        m = NULL;
        enum divan_code rc = errmap_parse(divan_str(rows[i].json), &m, &err);
        assert_int_equal(rc, rows[i].says ? DIVAN_ERR_ERROR_MAP : DIVAN_OK);
        if (rows[i].says && !strstr(err.message, rows[i].says)) fail_msg("row %zu: %s", i, err.message);
        errmap_free(m);
    }
    assert_int_equal(
        errmap_parse(divan_str("{\"version\":1,\"revision\":4,\"errors\":{\"7ff0\":{\"name\":\"N\",\"desc\":"
                               "\"D\",\"attrs\":[\"auto-retry\"],\"retry\":{\"strategy\":\"linear\","
                               "\"interval\":10,\"after\":50,\"ceil\":-1,\"max-duration\":99999999999}}}}"),
                     &m, &err),
        DIVAN_OK);
    const struct errmap_entry *e = errmap_find(m, 0x7ff0);
    assert_int_equal(e->attrs, ATTR_AUTO_RETRY);
    assert_int_equal(e->strategy, ERRMAP_LINEAR);
    assert_int_equal(e->interval_ms, 10);
    assert_int_equal(e->after_ms, 50);
    assert_int_equal(e->ceil_ms, 0);
    assert_true(e->max_duration_ms == UINT32_MAX);
    assert_string_equal(e->name, "N");
    errmap_free(m);
}

static void error_map_survives_failed_allocations(void **state)
{
    int64_t live = mem_live();
    struct divan_error err;
    struct errmap *m = NULL;
    for (uint64_t n = 1; n < 10 && !m; n++) {
        mem_fail_at(n);
        enum divan_code rc = errmap_parse(
            divan_str("{\"version\":2,\"revision\":1,\"errors\":{\"1\":{\"attrs\":[]},\"2\":{\"attrs\":[]}}}"), &m,
            &err);
        mem_fail_at(0);
        if (rc) assert_int_equal(rc, DIVAN_ERR_OUT_OF_MEMORY);
        if (rc) assert_true(mem_live() == live);
        if (n == 1) assert_int_equal(rc, DIVAN_ERR_OUT_OF_MEMORY);
    }
    assert_non_null(m);
    errmap_free(m);
}

static void error_bodies_go_both_ways(void **state)
{
    struct buf out = {.limit = 4096};
    struct error_body body = {.context = "a \"b\"\n\x01", .ref = "r-1", .has_manifest_uid = true, .manifest_uid = 0x1f},
                      got;
    error_body_write(&body, &out);
    assert_text(buf_view(&out),
                "{\"error\":{\"context\":\"a \\\"b\\\"\\u000a\\u0001\",\"ref\":\"r-1\"},\"manifest_uid\":\"1f\"}");
    assert_true(error_body_read(buf_view(&out), &got));
    assert_memory_equal(&body, &got, sizeof body);
    buf_clear(&out), error_body_write(&(struct error_body){.ref = "r"}, &out);
    assert_text(buf_view(&out), "{\"error\":{\"ref\":\"r\"}}");
    buf_clear(&out), error_body_write(&(struct error_body){.context = ""}, &out);
    assert_int_equal(out.len, 0);
    static const char *const bad[] = {"", "x", "[]", "\"error\"", "{\"error\":", "7"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(error_body_read(divan_str(bad[i]), &got));
    assert_true(error_body_read(divan_str("{\"error\":7,\"manifest_uid\":\"xyz\",\"more\":{}}"), &got));
    assert_false(got.has_manifest_uid);
    assert_string_equal(got.context, "");
    buf_clear(&out);
    buf_put_str(&out, "{\"error\":{\"context\":\"x");
    for (int i = 0; i < 200; i++) buf_put_str(&out, "\xc3\xa9");
    buf_put_str(&out, "\"}}");
    assert_true(error_body_read(buf_view(&out), &got));
    assert_int_equal(strlen(got.context), 255); /* one byte and 127 whole characters */
    assert_true((unsigned char)got.context[254] == 0xa9);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_frames_have_the_bytes_of_the_protocol),
        cmocka_unit_test(cluster_map_messages_go_both_ways),
        cmocka_unit_test(collection_paths_are_read_as_measured),
        cmocka_unit_test(collection_ids_go_both_ways),
        cmocka_unit_test(features_are_granted_as_measured),
        cmocka_unit_test(agents_go_both_ways_and_stay_short),
        cmocka_unit_test(compression_has_limits),
        cmocka_unit_test(the_nodes_error_map_is_read_back_by_the_client),
        cmocka_unit_test(error_maps_of_others_are_read_with_care),
        cmocka_unit_test(error_map_survives_failed_allocations),
        cmocka_unit_test(error_bodies_go_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
