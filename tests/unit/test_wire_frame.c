#include "unit/wire_support.h"

#include "base/alloc.h"
#include "wire/dissect.h"
#include "wire/frame.h"
#include "wire/leb128.h"

#define SET_DURABLE                                                                                                    \
    "08 01 04 03 08 01 01 23 00 00 00 16 00 00 00 07 0000000000000000 13 01 03 e8 02000000 00000000"                   \
    "08 6b 31 7b 22 61 22 3a 31 7d"
#define SET_REPLY                                                                                                      \
    "18 01 03 00 10 00 00 00 00 00 00 13 00 00 00 07 1122334455667788 02 00 24 0000abcdef012345 000000000000002a"

static struct frame decoded(struct hex *h, const char *text)
{
    struct frame f;
    size_t size = 0;
    struct divan_error err;
    struct divan_bytes input = hex_read(h, text);
    assert_int_equal(frame_decode(input, FRAME_MAX, &f, &size, &err), FRAME_COMPLETE);
    assert_int_equal(size, input.len);
    return f;
}

static void request_with_framing_is_read_and_written(void **state)
{
    struct hex h;
    struct frame f = decoded(&h, SET_DURABLE);
    assert_int_equal(f.opcode, 1);
    assert_int_equal(f.vbucket, 0x123);
    assert_int_equal(f.opaque, 7);
    assert_int_equal(f.datatype, DATATYPE_JSON);
    assert_hex(f.framing, "130103e8");
    assert_hex(f.extras, "0200000000000000");
    assert_hex(f.key, "086b31");
    assert_text(f.value, "{\"a\":1}");
    struct buf out = {.limit = 4096};
    f.magic = MAGIC_REQUEST;
    frame_encode(&out, &f);
    assert_hex(buf_view(&out), SET_DURABLE);
    buf_fini(&out);
}

static void response_with_duration_is_read_and_written(void **state)
{
    struct hex h;
    struct frame f = decoded(&h, SET_REPLY);
    assert_int_equal(f.status, 0);
    assert_int_equal(f.vbucket, 0);
    assert_true(f.cas == 0x1122334455667788);
    struct rd r = rd_from(f.framing);
    struct framing_element e;
    assert_true(framing_next(&r, &e));
    assert_int_equal(e.id, FRAMING_SERVER_DURATION);
    assert_int_equal(duration_encode(250), get_u16be(e.data.data));
    assert_false(framing_next(&r, &e));
    assert_true(rd_ok(&r));
    struct buf out = {.limit = 4096};
    f.magic = MAGIC_RESPONSE;
    frame_encode(&out, &f);
    assert_hex(buf_view(&out), SET_REPLY);
    buf_fini(&out);
}

static void every_prefix_is_partial_and_tells_what_is_needed(void **state)
{
    struct hex h;
    struct divan_bytes whole = hex_read(&h, SET_DURABLE);
    for (size_t n = 0; n < whole.len; n++) {
        struct frame f;
        size_t size = 0;
        struct divan_error err;
        uint8_t *copy = mem_alloc(n); /* of exactly this size, so that a sanitizer sees a read beyond */
        if (n) memcpy(copy, whole.data, n);
        assert_int_equal(frame_decode(bytes_of(copy, n), FRAME_MAX, &f, &size, &err), FRAME_PARTIAL);
        assert_int_equal(size, n < FRAME_HEADER ? FRAME_HEADER : whole.len);
        mem_free(copy);
    }
}

static void broken_frames_are_told_apart(void **state)
{
    static const struct {
        const char *hex;
        enum divan_code code;
        const char *says;
    } rows[] = {
        {"16 03 01", DIVAN_ERR_FRAME_MAGIC, "TLS"},
        {"48 54 54 50 2f", DIVAN_ERR_FRAME_MAGIC, "text"},
        {"00", DIVAN_ERR_FRAME_MAGIC, "0x00"},
        {"84", DIVAN_ERR_FRAME_MAGIC, "0x84"},
        {"7f", DIVAN_ERR_FRAME_MAGIC, "another service"},
        {"80 00 00 05 00 00 0000 00000004 00000000 0000000000000000", DIVAN_ERR_FRAME_LENGTH, "4 bytes"},
        {"80 00 00 00 ff 00 0000 000000fe 00000000 0000000000000000", DIVAN_ERR_FRAME_LENGTH, "255"},
        {"08 00 ff ff ff 00 0000 000002fc 00000000 0000000000000000", DIVAN_ERR_FRAME_LENGTH, "765"},
        {"81 00 ff ff 00 00 0000 0000fffe 00000000 0000000000000000", DIVAN_ERR_FRAME_LENGTH, "65535"},
        {"80 00 00 00 00 00 0000 01dfffe9 00000000 0000000000000000", DIVAN_ERR_FRAME_TOO_LARGE, "31457281"},
        {"80 00 00 00 00 00 0000 ffffffff 00000000 0000000000000000", DIVAN_ERR_FRAME_TOO_LARGE, "4294967319"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex h;
        struct frame f;
        size_t size;
        struct divan_error err;
        assert_int_equal(frame_decode(hex_read(&h, rows[i].hex), FRAME_MAX, &f, &size, &err), FRAME_BROKEN);
        assert_int_equal(err.code, rows[i].code);
        if (!strstr(err.message, rows[i].says)) fail_msg("\"%s\" does not say %s", err.message, rows[i].says);
    }
}

static void the_largest_frame_counts_its_header(void **state)
{
    struct hex h;
    struct frame f;
    size_t size;
    struct divan_error err;
    struct divan_bytes largest = hex_read(
        &h, "80 00 00 00 00 00 0000 01dfffe8 00000000 0000000000000000"); /* 30 MiB with header */
    assert_int_equal(frame_decode(largest, FRAME_MAX, &f, &size, &err), FRAME_PARTIAL);
    assert_int_equal(size, FRAME_MAX);
    assert_int_equal(frame_decode(largest, 23, &f, &size, &err), FRAME_BROKEN);
}

static void lengths_that_do_not_fit_fail_the_buffer(void **state)
{
    static uint8_t text[70000];
    struct buf out = {.limit = 1 << 20};
    struct frame f = {.magic = MAGIC_REQUEST, .key = {text, 65536}};
    frame_encode(&out, &f);
    assert_true(out.failed);
    buf_clear(&out);
    f.key.len = 256, f.framing = bytes_of(text, 1); /* an alt frame has one byte for the key's length */
    frame_encode(&out, &f);
    assert_true(out.failed);
    buf_clear(&out);
    f.key.len = 255, f.framing.len = 256;
    frame_encode(&out, &f);
    assert_true(out.failed);
    buf_clear(&out);
    f.framing.len = 0, f.extras = bytes_of(text, 256);
    frame_encode(&out, &f);
    assert_true(out.failed);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void framing_elements_escape_large_ids_and_lengths(void **state)
{
    static const struct {
        unsigned id;
        size_t len;
        const char *head;
    } rows[] = {{0, 0, "00"},         {1, 3, "13"},     {14, 14, "ee"},        {15, 0, "f0 00"},
                {20, 15, "ff 05 00"}, {3, 20, "3f 05"}, {270, 270, "ff ff ff"}};
    static uint8_t data[300];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = {.limit = 4096};
        struct framing_element e;
        struct hex h;
        struct divan_bytes head = hex_read(&h, rows[i].head);
        framing_put(&out, rows[i].id, bytes_of(data, rows[i].len));
        assert_hex(bytes_slice(buf_view(&out), 0, head.len), rows[i].head);
        assert_int_equal(out.len, head.len + rows[i].len);
        struct rd r = rd_from(buf_view(&out));
        assert_true(framing_next(&r, &e));
        assert_int_equal(e.id, rows[i].id);
        assert_int_equal(e.data.len, rows[i].len);
        assert_false(framing_next(&r, &e));
        assert_true(rd_ok(&r));
        r = rd_from(bytes_slice(buf_view(&out), 0, out.len - 1));
        if (out.len > 1) assert_false(framing_next(&r, &e));
        buf_clear(&out);
        framing_put(&out, 271, bytes_of(NULL, 0));
        assert_true(out.failed);
        buf_fini(&out);
    }
}

static void durations_follow_the_curve(void **state)
{
    static const struct {
        uint32_t us;
        uint16_t encoded;
        uint32_t decoded;
    } rows[] = {{0, 0, 0},
                {1, 1, 1},
                {10, 6, 11},
                {100, 21, 100},
                {250, 36, 255},
                {1000, 79, 1002},
                {12345, 335, 12375},
                {1000000, 4181, 999994},
                {120125042, 65535, 120125042}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(duration_encode(rows[i].us), rows[i].encoded);
        assert_int_equal(duration_decode(rows[i].encoded), rows[i].decoded);
    }
    assert_int_equal(duration_encode(UINT64_MAX), 65535);
}

static void leb128_is_canonical(void **state)
{
    static const struct {
        uint32_t value;
        const char *hex;
    } rows[] = {{0, "00"},
                {8, "08"},
                {0x7f, "7f"},
                {0x80, "8001"},
                {0x555, "d50a"},
                {0x7fff, "ffff01"},
                {0xbfff, "ffff02"},
                {0xffff, "ffff03"},
                {0x8000, "808002"},
                {0x5555, "d5aa01"},
                {0xcafef00, "80debf65"},
                {0xcafef00d, "8de0fbd70c"},
                {624485, "e58e26"},
                {0xffffffff, "ffffffff0f"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = {.limit = 64};
        uint32_t value = 1;
        leb128_append(&out, rows[i].value);
        assert_hex(buf_view(&out), rows[i].hex);
        buf_u8(&out, 0xaa);
        struct rd r = rd_from(buf_view(&out));
        assert_int_equal(leb128_take(&r, &value), LEB128_OK);
        assert_true(value == rows[i].value);
        assert_int_equal(r.left, 1);
        buf_fini(&out);
    }
}

static void leb128_refuses_what_is_not_canonical(void **state)
{
    static const struct {
        const char *hex;
        enum leb128_verdict verdict;
    } rows[] = {{"", LEB128_UNFINISHED},           {"80", LEB128_UNFINISHED},           {"ffffffff", LEB128_UNFINISHED},
                {"8080808080", LEB128_UNFINISHED}, {"ffffffffff01", LEB128_UNFINISHED}, {"8000", LEB128_OVERLONG},
                {"8100", LEB128_OVERLONG},         {"808000", LEB128_OVERLONG},         {"8080808000", LEB128_OVERLONG},
                {"ffffffff1f", LEB128_OVERFLOW},   {"8080808010", LEB128_OVERFLOW}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex h;
        uint32_t value;
        struct rd r = rd_from(hex_read(&h, rows[i].hex));
        assert_int_equal(leb128_take(&r, &value), rows[i].verdict);
        assert_int_equal(r.bad, rows[i].verdict != LEB128_OVERFLOW);
    }
}

static void dissector_fits_in_one_line(void **state)
{
    char line[DISSECT_MAX];
    struct hex h;
    struct divan_bytes request = hex_read(&h, SET_DURABLE);
    assert_string_equal(bytes_dissect(request, true, line, sizeof line),
                        "SET vb=291 durability=1 cid=0x8 key=k1 opaque=0x7 extras=0200000000000000 "
                        "value[7]json={\"a\":1}");
    assert_non_null(strstr(bytes_dissect(request, false, line, sizeof line), "key=\\x08k1"));
    assert_string_equal(bytes_dissect(bytes_slice(request, 0, 30), true, line, 32), "partial frame, 30 of 46 bytes: ");
    assert_non_null(strstr(bytes_dissect(hex_read(&h, SET_REPLY), true, line, sizeof line),
                           "SET SUCCESS took=255us opaque=0x7 cas=0x1122334455667788"));
    assert_non_null(strstr(bytes_dissect(hex_read(&h, "16"), true, line, sizeof line), "no frame"));
    struct frame secret = {
        .magic = MAGIC_REQUEST, .opcode = 0x21, .key = divan_str("PLAIN"), .value = divan_str("\1u\1p")};
    assert_string_equal(frame_dissect(&secret, true, line, sizeof line),
                        "SASL_AUTH vb=0 key=PLAIN opaque=0x0 value[4]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_with_framing_is_read_and_written),
        cmocka_unit_test(response_with_duration_is_read_and_written),
        cmocka_unit_test(every_prefix_is_partial_and_tells_what_is_needed),
        cmocka_unit_test(broken_frames_are_told_apart),
        cmocka_unit_test(the_largest_frame_counts_its_header),
        cmocka_unit_test(lengths_that_do_not_fit_fail_the_buffer),
        cmocka_unit_test(framing_elements_escape_large_ids_and_lengths),
        cmocka_unit_test(durations_follow_the_curve),
        cmocka_unit_test(leb128_is_canonical),
        cmocka_unit_test(leb128_refuses_what_is_not_canonical),
        cmocka_unit_test(dissector_fits_in_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
