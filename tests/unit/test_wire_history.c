#include "unit/wire_support.h"

#include "wire/history.h"
#include "wire/withmeta.h"
#include "wire/xattrs.h"

static struct frame decode(const struct buf *b)
{
    struct frame f;
    size_t size;
    struct divan_error err;
    assert_int_equal(frame_decode(buf_view(b), FRAME_MAX, &f, &size, &err), FRAME_COMPLETE);
    assert_int_equal(size, b->len);
    return f;
}

static void observe_goes_both_ways(void **state)
{
    struct buf out = {.limit = 4096};
    struct kv_target t = {.opaque = 1, .vbucket = 5, .collections = true, .collection = 8, .key = divan_str("k")};
    struct observed o = {.vbucket = 5, .key = divan_str("k"), .state = OBSERVE_PERSISTED, .cas = 9}, got;
    observe_put_request(&out, &t);
    assert_hex(buf_view(&out), "80 92 0000 00 00 0005 00000006 00000001 0000000000000000 0005 0002 086b");
    struct frame f = decode(&out);
    struct rd r = rd_from(f.value);
    assert_true(observe_next_key(&r, &got));
    assert_int_equal(got.vbucket, 5);
    assert_hex(got.key, "086b");
    assert_false(observe_next_key(&r, &got));
    assert_true(rd_ok(&r));
    buf_clear(&out), observe_put_state(&out, &o);
    assert_hex(buf_view(&out), "0005 0001 6b 01 0000000000000009");
    r = rd_from(buf_view(&out));
    assert_true(observe_next_state(&r, &got));
    assert_true(got.state == OBSERVE_PERSISTED && got.cas == 9);
    for (size_t n = 1; n < out.len; n++) {
        r = rd_from(bytes_slice(buf_view(&out), 0, n));
        assert_false(observe_next_state(&r, &got));
        assert_false(rd_ok(&r));
    }
    buf_fini(&out);
}

static void observe_seqno_has_two_forms(void **state)
{
    struct buf out = {.limit = 4096};
    struct observe_seqno o = {.vbucket = 1, .uuid = 2, .persisted = 3, .current = 4}, got;
    struct divan_error err;
    uint64_t uuid;
    observe_seqno_put_request(&out, 7, 1, 0xabc);
    struct frame f = decode(&out);
    assert_int_equal(observe_seqno_read_request(&f, &uuid, &err), DIVAN_OK);
    assert_int_equal(uuid, 0xabc);
    f.value.len = 7;
    assert_int_equal(observe_seqno_read_request(&f, &uuid, &err), DIVAN_ERR_FRAME_VALUE);
    for (int failed_over = 0; failed_over < 2; failed_over++) {
        o.failed_over = failed_over, o.old_uuid = failed_over ? 5 : 0, o.old_last = failed_over ? 6 : 0;
        buf_clear(&out), observe_seqno_put(&out, &o);
        assert_int_equal(out.len, failed_over ? 43 : 27);
        assert_int_equal(observe_seqno_read(buf_view(&out), &got, &err), DIVAN_OK);
        assert_true(got.failed_over == o.failed_over && got.vbucket == 1 && got.uuid == 2 && got.persisted == 3 &&
                    got.current == 4 && got.old_uuid == o.old_uuid && got.old_last == o.old_last);
        for (size_t n = 0; n < out.len; n++)
            assert_int_equal(observe_seqno_read(bytes_slice(buf_view(&out), 0, n), &got, &err),
                             DIVAN_ERR_PROTOCOL_ERROR);
    }
    out.data[0] = 2;
    assert_int_equal(observe_seqno_read(buf_view(&out), &got, &err), DIVAN_ERR_PROTOCOL_ERROR);
    buf_fini(&out);
}

static void lists_of_seqnos_go_both_ways(void **state)
{
    struct buf out = {.limit = 4096};
    struct seqnos_request ask = {.state = 1, .has_collection = true, .collection = 8}, asked;
    struct vbucket_seqno pair;
    struct failover_entry entry;
    struct divan_error err;
    uint64_t seqno;
    seqnos_put_request(&out, 1, &ask);
    assert_hex(decode(&out).extras, "00000001 00000008");
    struct frame f = decode(&out);
    assert_int_equal(seqnos_read_request(&f, &asked, &err), DIVAN_OK);
    assert_true(asked.state == 1 && asked.has_collection && asked.collection == 8);
    buf_clear(&out), seqnos_put_request(&out, 1, &(struct seqnos_request){.state = 0});
    f = decode(&out);
    assert_int_equal(f.extras.len, 0);
    assert_int_equal(seqnos_read_request(&f, &asked, &err), DIVAN_OK);
    f.extras = divan_str("\0\0\0\5"), f.extras.len = 4;
    assert_int_equal(seqnos_read_request(&f, &asked, &err), DIVAN_ERR_FRAME_EXTRAS);
    f.extras.len = 3;
    assert_int_equal(seqnos_read_request(&f, &asked, &err), DIVAN_ERR_FRAME_EXTRAS);
    buf_clear(&out), seqnos_put(&out, (struct vbucket_seqno){7, 8});
    struct rd r = rd_from(buf_view(&out));
    assert_true(seqnos_next(&r, &pair) && pair.vbucket == 7 && pair.seqno == 8);
    r = rd_from(bytes_slice(buf_view(&out), 0, 9));
    assert_false(seqnos_next(&r, &pair));
    buf_clear(&out), failover_put(&out, (struct failover_entry){7, 8});
    r = rd_from(buf_view(&out));
    assert_true(failover_next(&r, &entry) && entry.uuid == 7 && entry.seqno == 8);
    assert_false(failover_next(&r, &entry));
    buf_clear(&out), seqno_persistence_put(&out, 1, 2, 99), f = decode(&out);
    assert_int_equal(seqno_persistence_read(&f, &seqno, &err), DIVAN_OK);
    assert_int_equal(seqno, 99);
    f.extras.len = 4;
    assert_int_equal(seqno_persistence_read(&f, &seqno, &err), DIVAN_ERR_FRAME_EXTRAS);
    buf_fini(&out);
}

static void writes_with_metadata_go_both_ways(void **state)
{
    struct kv_target t = {.opaque = 1, .vbucket = 5, .key = divan_str("k")};
    for (unsigned bits = 0; bits < 4; bits++) {
        struct buf out = {.limit = 4096};
        struct with_meta m = {.flags = 1, .expiry = 2, .seqno = 3, .cas = 4, .datatype = 1}, got;
        struct divan_error err;
        m.value = divan_str("{}");
        if (bits & 1) m.options = WITH_META_FORCE;
        if (bits & 2) m.extended = divan_str("more");
        with_meta_put(&out, OP_SET_WITH_META, &t, &m);
        struct frame f = decode(&out);
        assert_int_equal(f.extras.len, 24 + (bits & 1 ? 4 : 0) + (bits & 2 ? 2 : 0));
        assert_int_equal(with_meta_read(&f, &got, &err), DIVAN_OK);
        assert_true(got.flags == 1 && got.expiry == 2 && got.seqno == 3 && got.cas == 4 && got.options == m.options);
        assert_text(got.value, "{}");
        assert_text(got.extended, bits & 2 ? "more" : "");
        for (size_t n = 0; n < 40; n++) {
            uint8_t extras[40] = {0};
            f.extras = bytes_of(extras, n);
            bool fits = n == 24 || n == 26 || n == 28 || n == 30;
            assert_int_equal(with_meta_read(&f, &got, &err), fits ? DIVAN_OK : DIVAN_ERR_FRAME_EXTRAS);
        }
        uint8_t extras[26] = {0};
        extras[25] = 10;
        f.extras = bytes_of(extras, sizeof extras);
        assert_int_equal(with_meta_read(&f, &got, &err), DIVAN_ERR_FRAME_VALUE);
        buf_fini(&out);
    }
}

static void random_documents_go_both_ways(void **state)
{
    struct buf out = {.limit = 4096};
    struct divan_error err;
    struct random_document d;
    for (int collections = 0; collections < 2; collections++) {
        struct random_request ask = {.collections = collections, .collection = 8}, asked = {.collections = collections};
        buf_clear(&out), random_put_request(&out, 1, &ask);
        struct frame f = decode(&out);
        assert_int_equal(random_read_request(&f, &asked, &err), DIVAN_OK);
        assert_int_equal(asked.collection, collections ? 8 : 0);
        asked.collections = !collections;
        assert_int_equal(random_read_request(&f, &asked, &err), DIVAN_ERR_FRAME_EXTRAS);
        struct kv_reply reply = {.opcode = OP_GET_RANDOM_KEY, .key = divan_str("\x08k"), .value = divan_str("v")};
        buf_clear(&out), kv_put_reply_flags(&out, &reply, 6), f = decode(&out);
        assert_int_equal(random_read_reply(&f, collections, &d, &err), DIVAN_OK);
        assert_text(d.key, collections ? "k" : "\x08k");
        assert_int_equal(d.collection, collections ? 8 : 0);
        assert_int_equal(d.flags, 6);
        f.key.len = collections;
        assert_int_equal(random_read_reply(&f, collections, &d, &err), DIVAN_ERR_PROTOCOL_ERROR);
    }
    buf_fini(&out);
}

static void attributes_are_edited_in_place(void **state)
{
    struct buf section = {.limit = 4096}, next = {.limit = 4096}, document = {.limit = 4096};
    struct divan_bytes found, pairs, body;
    xattrs_put(&section, divan_str("_sys"), divan_str("1"));
    xattrs_put(&section, divan_str("usr"), divan_str("{\"a\":2}"));
    assert_hex(buf_view(&section), "00000007 5f737973 00 31 00 0000000c 757372 00 7b2261223a327d 00");
    assert_true(xattrs_find(buf_view(&section), divan_str("usr"), &found));
    assert_text(found, "{\"a\":2}");
    assert_false(xattrs_find(buf_view(&section), divan_str("us"), &found));
    xattrs_join(&document, buf_view(&section), divan_str("body"));
    assert_true(xattrs_split(buf_view(&document), &pairs, &body));
    assert_true(bytes_equal(pairs, buf_view(&section)));
    assert_text(body, "body");
    for (size_t n = 0; n < document.len - 4; n++)
        assert_false(xattrs_split(bytes_slice(buf_view(&document), 0, n), &pairs, &body));
    xattrs_replace(&next, buf_view(&section), divan_str("_sys"), divan_str("22"));
    assert_hex(buf_view(&next), "00000008 5f737973 00 3232 00 0000000c 757372 00 7b2261223a327d 00");
    buf_clear(&next), xattrs_replace(&next, buf_view(&section), divan_str("_sys"), bytes_of(NULL, 0));
    assert_hex(buf_view(&next), "0000000c 757372 00 7b2261223a327d 00");
    buf_clear(&next), xattrs_replace(&next, buf_view(&section), divan_str("z"), divan_str("0"));
    assert_int_equal(next.len, section.len + 8);
    buf_clear(&next), xattrs_replace(&next, buf_view(&section), divan_str("none"), bytes_of(NULL, 0));
    assert_true(bytes_equal(buf_view(&next), buf_view(&section)));
    buf_clear(&next), xattrs_keep_system(&next, buf_view(&section));
    assert_hex(buf_view(&next), "00000007 5f737973 00 31 00");
    buf_clear(&document), xattrs_join(&document, bytes_of(NULL, 0), divan_str("body"));
    assert_text(buf_view(&document), "body");
    buf_clear(&next), xattrs_put(&next, divan_str(""), divan_str("1"));
    assert_true(next.failed);
    buf_clear(&next), xattrs_put(&next, divan_str("k"), bytes_of("a\0b", 3));
    assert_true(next.failed);
    buf_fini(&section), buf_fini(&next), buf_fini(&document);
}

static void malformed_attributes_are_refused(void **state)
{
    static const struct {
        const char *hex;
        bool good;
    } rows[] = {
        {"00000000", true},
        {"00000000 7b7d", true},
        {"", false},
        {"000000", false},
        {"00000008 00000004 61 00 31 00", true},
        {"00000009 00000005 61 00 31 00 00", false},                   /* a byte behind the last NUL */
        {"00000008 00000004 61 00 31 31", false},                      /* the value has no NUL */
        {"00000008 00000004 00 61 31 00", false},                      /* no key */
        {"00000007 00000003 61 00 00", true},                          /* an empty value */
        {"00000006 00000002 61 00", false},                            /* no value at all */
        {"00000008 00000005 61 00 31 00", false},                      /* a pair beyond the section */
        {"00000009 00000004 61 00 31 00", false},                      /* a section beyond the document */
        {"00000010 00000004 61 00 31 00 00000004 61 00 32 00", false}, /* a key twice */
        {"00000010 00000004 61 00 31 00 00000004 62 00 32 00", true},
        {"00000008 ffffffff 61 00 31 00", false},
        {"ffffffff 00000004 61 00 31 00", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hex h;
        struct divan_bytes section, body;
        if (xattrs_split(hex_read(&h, rows[i].hex), &section, &body) != rows[i].good) fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(observe_goes_both_ways),           cmocka_unit_test(observe_seqno_has_two_forms),
        cmocka_unit_test(lists_of_seqnos_go_both_ways),     cmocka_unit_test(writes_with_metadata_go_both_ways),
        cmocka_unit_test(random_documents_go_both_ways),    cmocka_unit_test(attributes_are_edited_in_place),
        cmocka_unit_test(malformed_attributes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
