#include "unit/wire_support.h"

#include "wire/dcp.h"

static struct frame decode(const struct buf *b)
{
    struct frame f;
    size_t size;
    struct divan_error err;
    assert_int_equal(frame_decode(buf_view(b), FRAME_MAX, &f, &size, &err), FRAME_COMPLETE);
    assert_int_equal(size, b->len);
    return f;
}

/* Encodes, decodes and compares what matters for every message. */
static struct dcp_message there_and_back(struct buf *out, const struct dcp_message *m)
{
    struct dcp_message got;
    struct divan_error err;
    buf_clear(out);
    dcp_put(out, m);
    assert_false(out->failed);
    struct frame f = decode(out);
    if (dcp_read(&f, m->collections, &got, &err)) fail_msg("%s", err.message);
    assert_int_equal(got.opcode, m->opcode);
    assert_int_equal(got.vbucket, m->vbucket);
    assert_int_equal(got.opaque, m->opaque);
    assert_int_equal(got.has_stream_id, m->has_stream_id);
    assert_int_equal(got.stream_id, m->stream_id);
    assert_int_equal(got.seqno, m->seqno);
    assert_int_equal(got.prepared_seqno, m->prepared_seqno);
    assert_int_equal(got.collection, m->collection);
    assert_int_equal(got.cas, m->cas);
    assert_true(bytes_equal(got.key, m->key));
    return got;
}

static void requests_of_a_consumer(void **state)
{
    struct buf out = {.limit = 4096};
    struct dcp_message m = {.opcode = OP_DCP_OPEN, .opaque = 1, .key = divan_str("n"), .flags = DCP_OPEN_PRODUCER};
    there_and_back(&out, &m);
    assert_hex(buf_view(&out), "80 50 0001 08 00 0000 00000009 00000001 0000000000000000 00000000 00000001 6e");
    m = (struct dcp_message){.opcode = OP_DCP_CONTROL, .key = divan_str("enable_noop"), .value = divan_str("true")};
    assert_text(there_and_back(&out, &m).value, "true");
    m = (struct dcp_message){.opcode = OP_DCP_STREAM_REQ, .vbucket = 7, .opaque = 9, .value = divan_str("{}")};
    m.request = (struct dcp_stream_request){1, 2, 3, 4, 5, 6};
    struct dcp_message got = there_and_back(&out, &m);
    assert_memory_equal(&got.request, &m.request, sizeof m.request);
    assert_int_equal(out.len, 24 + 48 + 2);
    m = (struct dcp_message){.opcode = OP_DCP_BUFFER_ACK, .ack_bytes = 0x12345678};
    assert_int_equal(there_and_back(&out, &m).ack_bytes, 0x12345678);
    m = (struct dcp_message){.opcode = OP_DCP_SEQNO_ACKNOWLEDGED, .vbucket = 3, .seqno = 77};
    there_and_back(&out, &m);
    for (uint8_t op = OP_DCP_CLOSE_STREAM;; op = OP_DCP_GET_FAILOVER_LOG) {
        m = (struct dcp_message){.opcode = op, .vbucket = 1};
        there_and_back(&out, &m);
        assert_int_equal(out.len, 24);
        if (op == OP_DCP_GET_FAILOVER_LOG) break;
    }
    m = (struct dcp_message){.opcode = OP_DCP_ADD_STREAM, .flags = 5};
    assert_int_equal(there_and_back(&out, &m).flags, 5);
    buf_fini(&out);
}

static void documents_carry_their_collection(void **state)
{
    struct buf out = {.limit = 4096};
    struct dcp_message m = {.opcode = OP_DCP_MUTATION,
                            .opaque = 1,
                            .vbucket = 2,
                            .collections = true,
                            .collection = 0x88,
                            .key = divan_str("k"),
                            .value = divan_str("v"),
                            .cas = 3,
                            .seqno = 4,
                            .revision = 5,
                            .flags = 6,
                            .expiry = 7,
                            .nru = 1};
    struct dcp_message got = there_and_back(&out, &m);
    assert_hex(buf_view(&out), "80 57 0003 1f 00 0002 00000023 00000001 0000000000000003"
                               "0000000000000004 0000000000000005 00000006 00000007 00000000 0000 01 8801 6b 76");
    assert_int_equal(got.revision, 5);
    assert_int_equal(got.flags, 6);
    assert_int_equal(got.expiry, 7);
    m.collections = false, m.collection = 0;
    there_and_back(&out, &m);
    assert_int_equal(out.len, 24 + 31 + 2);
    m.has_stream_id = true, m.stream_id = 5;
    there_and_back(&out, &m);
    assert_hex(bytes_slice(buf_view(&out), 0, 4), "08 57 03 01");
    assert_hex(bytes_slice(buf_view(&out), 24, 3), "22 0005");
    m.opcode = OP_DCP_PREPARE, m.deleted = true, m.level = 3;
    got = there_and_back(&out, &m);
    assert_true(got.deleted);
    assert_int_equal(got.level, 3);
    buf_fini(&out);
}

static void deletions_have_two_forms(void **state)
{
    struct buf out = {.limit = 4096};
    struct dcp_message m = {.opcode = OP_DCP_DELETION, .key = divan_str("k"), .seqno = 1, .revision = 2};
    there_and_back(&out, &m);
    assert_int_equal(out.len, 24 + 18 + 1);
    m.delete_times = true, m.delete_s = 99;
    struct dcp_message got = there_and_back(&out, &m);
    assert_true(got.delete_times);
    assert_int_equal(got.delete_s, 99);
    assert_int_equal(out.len, 24 + 21 + 1);
    m.opcode = OP_DCP_EXPIRATION, m.delete_times = false;
    assert_int_equal(there_and_back(&out, &m).delete_s, 99);
    for (uint8_t op = OP_DCP_COMMIT;; op = OP_DCP_ABORT) {
        m = (struct dcp_message){
            .opcode = op, .prepared_seqno = 8, .seqno = 9, .collections = true, .key = divan_str("k")};
        there_and_back(&out, &m);
        assert_int_equal(out.len, 24 + 16 + 2);
        if (op == OP_DCP_ABORT) break;
    }
    buf_fini(&out);
}

static void markers_have_three_versions(void **state)
{
    static const struct {
        uint8_t version;
        size_t len;
    } rows[] = {{1, 44}, {20, 61}, {22, 77}};
    struct buf out = {.limit = 4096};
    for (size_t i = 0; i < 3; i++) {
        struct dcp_message m = {.opcode = OP_DCP_SNAPSHOT_MARKER, .vbucket = 4};
        m.marker = (struct dcp_marker){.start = 1, .end = 2, .flags = DCP_MARKER_DISK, .version = rows[i].version};
        if (rows[i].version > 1) m.marker.max_visible = 2, m.marker.high_completed = 1;
        if (rows[i].version > 20) m.marker.high_prepared = 7, m.marker.purge = 8;
        struct dcp_message got = there_and_back(&out, &m);
        assert_int_equal(out.len, rows[i].len);
        assert_memory_equal(&got.marker, &m.marker, sizeof m.marker);
        uint8_t bad = out.data[24];
        struct frame f = decode(&out);
        struct divan_error err;
        if (rows[i].version == 1) continue;
        f.value.len--;
        assert_int_equal(dcp_read(&f, true, &got, &err), DIVAN_ERR_FRAME_VALUE);
        f.value.len++, bad = 9, f.extras = bytes_of(&bad, 1);
        assert_int_equal(dcp_read(&f, true, &got, &err), DIVAN_ERR_FRAME_EXTRAS);
    }
    buf_fini(&out);
}

static void the_rest_of_a_stream(void **state)
{
    struct buf out = {.limit = 4096}, value = {.limit = 64};
    struct dcp_message m = {.opcode = OP_DCP_STREAM_END, .reason = DCP_END_TOO_SLOW};
    assert_int_equal(there_and_back(&out, &m).reason, DCP_END_TOO_SLOW);
    m = (struct dcp_message){.opcode = OP_DCP_SET_VBUCKET_STATE, .state = DCP_VB_PENDING};
    assert_int_equal(there_and_back(&out, &m).state, DCP_VB_PENDING);
    m = (struct dcp_message){.opcode = OP_DCP_SEQNO_ADVANCED, .seqno = 5};
    there_and_back(&out, &m);
    m = (struct dcp_message){.opcode = OP_DCP_OSO_SNAPSHOT, .flags = 2};
    assert_int_equal(there_and_back(&out, &m).flags, 2);
    m = (struct dcp_message){.opcode = OP_DCP_NOOP};
    there_and_back(&out, &m);
    struct dcp_event_value v = {.manifest_uid = 1,
                                .scope_id = 8,
                                .collection_id = 9,
                                .has_max_ttl = true,
                                .max_ttl_s = 7},
                           w;
    struct divan_error err;
    dcp_put_event_value(&value, DCP_EVENT_CREATE_COLLECTION, &v);
    m = (struct dcp_message){.opcode = OP_DCP_SYSTEM_EVENT, .seqno = 6, .event_version = 1, .key = divan_str("c")};
    m.value = buf_view(&value);
    struct dcp_message got = there_and_back(&out, &m);
    assert_int_equal(dcp_read_event_value(&got, &w, &err), DIVAN_OK);
    assert_true(w.manifest_uid == 1 && w.scope_id == 8 && w.collection_id == 9 && w.max_ttl_s == 7);
    got.event_version = 0;
    assert_int_equal(dcp_read_event_value(&got, &w, &err), DIVAN_ERR_FRAME_VALUE);
    got.event_version = 2;
    assert_int_equal(dcp_read_event_value(&got, &w, &err), DIVAN_ERR_FRAME_VALUE);
    buf_clear(&value), dcp_put_event_value(&value, DCP_EVENT_DROP_SCOPE, &v);
    assert_int_equal(value.len, 12);
    got.event = DCP_EVENT_DROP_SCOPE, got.event_version = 0, got.value = buf_view(&value);
    assert_int_equal(dcp_read_event_value(&got, &w, &err), DIVAN_OK);
    buf_fini(&out), buf_fini(&value);
}

static void answers(void **state)
{
    struct buf out = {.limit = 4096};
    struct divan_error err;
    uint64_t seqno;
    dcp_put_answer(&out, OP_DCP_STREAM_REQ, 3, ST_ROLLBACK, bytes_of("\0\0\0\0\0\0\0\x05", 8));
    struct frame f = decode(&out);
    assert_int_equal(f.status, ST_ROLLBACK);
    assert_int_equal(dcp_read_rollback(&f, &seqno, &err), DIVAN_OK);
    assert_int_equal(seqno, 5);
    f.value.len = 7;
    assert_int_equal(dcp_read_rollback(&f, &seqno, &err), DIVAN_ERR_PROTOCOL_ERROR);
    buf_fini(&out);
}

static void flow_control_counts_what_is_streamed(void **state)
{
    assert_true(dcp_flow_counts(OP_DCP_MUTATION) && dcp_flow_counts(OP_DCP_STREAM_END));
    assert_false(dcp_flow_counts(OP_DCP_NOOP) || dcp_flow_counts(OP_DCP_CONTROL) || dcp_flow_counts(OP_DCP_BUFFER_ACK));
    assert_int_equal(dcp_flow_bytes(OP_DCP_PREPARE, 100), 102);
    assert_int_equal(dcp_flow_bytes(OP_DCP_MUTATION, 100), 100);
}

static void what_is_malformed_is_refused(void **state)
{
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_GET};
    struct dcp_message m;
    struct divan_error err;
    uint8_t zeros[31] = {0}, meta[31] = {0};
    assert_int_equal(dcp_read(&f, true, &m, &err), DIVAN_ERR_PROTOCOL_ERROR);
    f.opcode = OP_DCP_MUTATION;
    assert_int_equal(dcp_read(&f, true, &m, &err), DIVAN_ERR_FRAME_EXTRAS);
    f.extras = bytes_of(zeros, 31);
    assert_int_equal(dcp_read(&f, true, &m, &err), DIVAN_ERR_FRAME_LEB128);
    assert_int_equal(dcp_read(&f, false, &m, &err), DIVAN_ERR_FRAME_KEY);
    f.key = divan_str("k");
    meta[29] = 1, f.extras = bytes_of(meta, 31);
    assert_int_equal(dcp_read(&f, false, &m, &err), DIVAN_ERR_PROTOCOL_ERROR);
    struct buf out = {.limit = 4096};
    m = (struct dcp_message){.opcode = OP_GET};
    dcp_put(&out, &m);
    assert_true(out.failed);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_a_consumer),       cmocka_unit_test(documents_carry_their_collection),
        cmocka_unit_test(deletions_have_two_forms),     cmocka_unit_test(markers_have_three_versions),
        cmocka_unit_test(the_rest_of_a_stream),         cmocka_unit_test(answers),
        cmocka_unit_test(what_is_malformed_is_refused), cmocka_unit_test(flow_control_counts_what_is_streamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
