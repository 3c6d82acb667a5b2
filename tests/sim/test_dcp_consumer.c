/* The consumer against a scripted source: what it asks, acknowledges, takes and refuses. */
#include "sim/dcp_world.h"

/* A source that answers the handshake by itself and leaves streams to the test. */
struct script {
    struct io_stream *stream;
    struct io_listener *listener;
    unsigned connections, requests, closes, acks, buffer_acks, noops, states;
    uint32_t opaque; /* of the last stream request */
    struct dcp_stream_request request;
    uint64_t acked;
    char consumer_name[32];
    uint16_t state_status;
};

static struct dcp_world w;
static struct script s;

static void take(const struct frame *f)
{
    struct buf *out = io_stream_output(s.stream);
    struct dcp_message m;
    struct divan_error err;
    if (frame_is_response(f)) {
        if (f->opcode == OP_DCP_NOOP) s.noops++;
        if (f->opcode == OP_DCP_SET_VBUCKET_STATE) s.states++, s.state_status = f->status;
        return;
    }
    if (f->opcode == OP_GET_ALL_VB_SEQNOS) return;
    if (!op_has(f->opcode, OPT_DCP)) {
        dcp_put_answer(out, f->opcode, f->opaque, ST_SUCCESS, (struct divan_bytes){0});
        return;
    }
    if (dcp_read(f, true, &m, &err)) fail_msg("%s", err.message);
    switch (f->opcode) {
    case OP_DCP_STREAM_REQ:
        s.requests++;
        s.request = m.request;
        s.opaque = m.opaque;
        return;
    case OP_DCP_CLOSE_STREAM:
        s.closes++;
        return;
    case OP_DCP_SEQNO_ACKNOWLEDGED:
        s.acks++;
        s.acked = m.seqno;
        return;
    case OP_DCP_BUFFER_ACK:
        s.buffer_acks++;
        return;
    case OP_DCP_CONTROL:
        if (bytes_is(m.key, "consumer_name"))
            snprintf(s.consumer_name, sizeof s.consumer_name, "%.*s", (int)m.value.len, (const char *)m.value.data);
        dcp_put_answer(out, f->opcode, f->opaque, ST_SUCCESS, (struct divan_bytes){0});
        return;
    default:
        dcp_put_answer(out, f->opcode, f->opaque, ST_SUCCESS, (struct divan_bytes){0});
    }
}

static void on_data(void *user)
{
    struct divan_bytes input = io_stream_input(s.stream);
    struct frame f;
    struct divan_error err;
    size_t used = 0, size;
    while (frame_decode(bytes_slice(input, used, input.len), FRAME_MAX, &f, &size, &err) == FRAME_COMPLETE) {
        take(&f);
        used += size;
    }
    if (used) io_stream_consume(s.stream, used);
    io_stream_flush(s.stream);
}

static void on_closed(void *user, const struct divan_error *why)
{
    s.stream = NULL;
}

static void on_accept(void *user, struct io_stream *stream)
{
    static const struct io_handler handler = {.data = on_data, .closed = on_closed};
    s.connections++;
    s.stream = stream;
    io_stream_handle(stream, &handler, NULL);
}

static int open_world(void **state)
{
    struct io_addr addr;
    struct divan_error err;
    struct vbucket_role roles[VBUCKETS] = {0};
    memset(&s, 0, sizeof s);
    dcp_world_open(&w, 1, 3);
    assert_true(io_addr_parse(&addr, "10.0.0.8", KV_PORT));
    s.listener = io_listen(sim_host(w.sim, "10.0.0.8"), &addr, on_accept, NULL, &err);
    assert_non_null(s.listener);
    roles[0].mode = VBUCKET_REPLICA;
    must(engine_set_roles(w.nodes[0].engine, "default", roles, VBUCKETS, must_err));
    const struct replication_source source = {0, "10.0.0.8", KV_PORT, "source"};
    must(replication_set(w.nodes[0].engine, "default", &source, 1, must_err));
    run_until(&w, 5, s.requests == 1);
    return 0;
}

static int close_world(void **state)
{
    dcp_world_close(&w);
    return 0;
}

static void send_message(struct dcp_message m)
{
    m.opaque = s.opaque;
    m.collections = true;
    dcp_put(io_stream_output(s.stream), &m);
    io_stream_flush(s.stream);
}

static void answer_request(enum status status, uint64_t number)
{
    uint8_t value[16] = {0};
    put_u64be(value, number);
    dcp_put_answer(io_stream_output(s.stream), OP_DCP_STREAM_REQ, s.opaque, status,
                   bytes_of(value, status == ST_SUCCESS    ? 16
                                   : status == ST_ROLLBACK ? 8
                                                           : 0));
    io_stream_flush(s.stream);
}

static void send_marker(uint64_t start, uint64_t end, uint32_t flags, uint64_t completed)
{
    struct dcp_message m = {.opcode = OP_DCP_SNAPSHOT_MARKER};
    m.marker = (struct dcp_marker){start, end, flags, 20, end, completed, 0, 0};
    send_message(m);
}

static void send_document(uint8_t opcode, uint64_t seqno, const char *key)
{
    send_message((struct dcp_message){.opcode = opcode,
                                      .seqno = seqno,
                                      .revision = 1,
                                      .cas = 77,
                                      .level = 1,
                                      .key = divan_str(key),
                                      .value = divan_str("v")});
}

static void send_end(uint8_t opcode, uint64_t prepared, uint64_t seqno, const char *key)
{
    send_message(
        (struct dcp_message){.opcode = opcode, .prepared_seqno = prepared, .seqno = seqno, .key = divan_str(key)});
}

static void settle(void)
{
    sim_run_for(w.sim, 50 * NS_PER_MS);
}

static struct vbucket *here(void)
{
    return vb(&w, 0, 0);
}

static void it_introduces_itself(void **state)
{
    assert_string_equal(s.consumer_name, "n0");
    assert_int_equal(s.request.start, 0);
    assert_int_equal(s.request.end, DCP_FOREVER);
    assert_int_equal(s.request.flags, DCP_STREAM_ACTIVE_ONLY);
    answer_request(ST_SUCCESS, 0xabc);
    settle();
    assert_int_equal(vbucket_uuid(here()), 0xabc);
    assert_int_equal(here()->failover_count, 1);
}

static void a_prepare_is_acknowledged_when_its_snapshot_is_whole(void **state)
{
    answer_request(ST_SUCCESS, 0xabc);
    send_marker(0, 3, DCP_MARKER_MEMORY, 0);
    send_document(OP_DCP_PREPARE, 1, "d");
    send_document(OP_DCP_MUTATION, 2, "m");
    settle();
    assert_int_equal(here()->high_seqno, 2);
    assert_int_equal(s.acks, 0);
    send_document(OP_DCP_PREPARE, 3, "e");
    settle();
    assert_int_equal(s.acks, 1);
    assert_int_equal(s.acked, 3);
    send_marker(4, 5, DCP_MARKER_MEMORY, 0);
    send_end(OP_DCP_COMMIT, 1, 4, "d");
    send_end(OP_DCP_ABORT, 3, 5, "e");
    settle();
    assert_int_equal(s.acks, 1); /* nothing new was prepared */
    assert_null(here()->prepares);
    assert_int_equal(here()->items, 2);
    assert_int_equal(here()->high_seqno, 5);
}

static void a_disk_snapshot_tells_what_has_ended(void **state)
{
    answer_request(ST_SUCCESS, 0xabc);
    send_marker(0, 2, DCP_MARKER_MEMORY, 0);
    send_document(OP_DCP_PREPARE, 1, "d");
    send_document(OP_DCP_PREPARE, 2, "e");
    send_marker(2, 9, DCP_MARKER_DISK, 1);
    send_document(OP_DCP_MUTATION, 9, "m");
    settle();
    assert_non_null(here()->prepares);
    assert_int_equal(here()->prepares->seqno, 2);
    assert_null(here()->prepares->chain);
    send_marker(10, 12, DCP_MARKER_DISK, 1);
    send_document(OP_DCP_MUTATION, 12, "e"); /* its commit, folded */
    settle();
    assert_null(here()->prepares);
}

static void it_rolls_back_and_asks_again(void **state)
{
    answer_request(ST_SUCCESS, 0xabc);
    send_marker(0, 3, DCP_MARKER_MEMORY, 0);
    for (uint64_t i = 1; i <= 3; i++) send_document(OP_DCP_MUTATION, i, i == 1 ? "a" : i == 2 ? "b" : "c");
    settle();
    io_stream_close(s.stream, false);
    run_until(&w, 10, s.requests == 2);
    assert_int_equal(s.request.start, 3);
    assert_int_equal(s.request.uuid, 0xabc);
    assert_int_equal(s.request.snapshot_end, 3);
    answer_request(ST_ROLLBACK, 2);
    run_until(&w, 10, s.requests == 3);
    assert_int_equal(s.request.start, 2);
    assert_int_equal(here()->items, 2);
    answer_request(ST_ROLLBACK, 2); /* a source that turns in circles: begin anew */
    run_until(&w, 10, s.requests == 4);
    assert_int_equal(s.request.start, 0);
    assert_int_equal(here()->items, 0);
}

static void a_cut_snapshot_is_gone_on_with(void **state)
{
    answer_request(ST_SUCCESS, 0xabc);
    send_marker(0, 9, DCP_MARKER_DISK, 0);
    send_document(OP_DCP_MUTATION, 4, "a");
    settle();
    io_stream_close(s.stream, false);
    run_until(&w, 10, s.requests == 2);
    assert_int_equal(s.request.start, 4);
    assert_int_equal(s.request.snapshot_start, 0);
    assert_int_equal(s.request.snapshot_end, 9);
}

static void what_does_not_fit_is_asked_for_again(void **state)
{
    answer_request(ST_SUCCESS, 0xabc);
    send_marker(0, 5, DCP_MARKER_MEMORY, 0);
    send_document(OP_DCP_MUTATION, 2, "a");
    send_document(OP_DCP_MUTATION, 2, "b"); /* passed already */
    run_until(&w, 10, s.requests == 2);
    assert_int_equal(s.request.start, 2);
    answer_request(ST_SUCCESS, 0xabc);
    send_marker(2, 5, DCP_MARKER_MEMORY, 0);
    send_end(OP_DCP_COMMIT, 1, 3, "never prepared");
    run_until(&w, 10, s.requests == 3);
    assert_int_equal(s.request.start, 0); /* something was missed: all of it anew */
    assert_int_equal(s.closes, 2);
}

static void an_old_stream_is_not_heard(void **state)
{
    answer_request(ST_SUCCESS, 0xabc);
    send_marker(0, 1, DCP_MARKER_MEMORY, 0);
    s.opaque += 1000;
    send_document(OP_DCP_MUTATION, 1, "a");
    settle();
    assert_int_equal(here()->high_seqno, 0);
}

static void a_state_is_taken_only_in_a_takeover(void **state)
{
    answer_request(ST_SUCCESS, 0xabc);
    send_message((struct dcp_message){.opcode = OP_DCP_SET_VBUCKET_STATE, .state = DCP_VB_ACTIVE});
    run_until(&w, 5, s.states == 1);
    assert_int_equal(s.state_status, ST_EINVAL);
    assert_int_equal(here()->mode, VBUCKET_REPLICA);
}

static void garbage_ends_the_connection_and_it_comes_again(void **state)
{
    static const uint8_t garbage[24] = {0x42};
    buf_put(io_stream_output(s.stream), garbage, sizeof garbage);
    io_stream_flush(s.stream);
    run_until(&w, 10, s.connections == 2 && s.requests == 2);
    dcp_put(io_stream_output(s.stream), &(struct dcp_message){.opcode = OP_DCP_NOOP, .opaque = 5});
    io_stream_flush(s.stream);
    run_until(&w, 5, s.noops == 1);
}

static void a_refusing_source_is_asked_again(void **state)
{
    struct vbucket_figures f;
    answer_request(ST_NOT_MY_VBUCKET, 0);
    settle();
    must(replication_read(w.nodes[0].engine, "default", 0, &f, must_err));
    assert_int_equal(f.state, REPLICATION_FAILED);
    assert_true(*f.problem);
    run_until(&w, 5, s.requests == 2);
}

static void much_is_acknowledged_by_bytes(void **state)
{
    static char big[400000];
    memset(big, 'x', sizeof big - 1);
    answer_request(ST_SUCCESS, 0xabc);
    send_marker(0, 10, DCP_MARKER_MEMORY, 0);
    for (uint64_t i = 1; i <= 10; i++)
        send_message((struct dcp_message){.opcode = OP_DCP_MUTATION,
                                          .seqno = i,
                                          .revision = 1,
                                          .cas = 1,
                                          .key = divan_str("k"),
                                          .value = divan_str(big)});
    run_until(&w, 10, here()->high_seqno == 10);
    settle();
    assert_int_equal(s.buffer_acks, 3);
}

static void events_are_kept_in_their_place(void **state)
{
    uint8_t value[16] = {0};
    answer_request(ST_SUCCESS, 0xabc);
    put_u32be(value + 12, 9);
    send_marker(0, 2, DCP_MARKER_MEMORY, 0);
    send_message((struct dcp_message){.opcode = OP_DCP_SYSTEM_EVENT,
                                      .seqno = 1,
                                      .event = DCP_EVENT_CREATE_COLLECTION,
                                      .key = divan_str("c9"),
                                      .value = bytes_of(value, 16)});
    send_message((struct dcp_message){.opcode = OP_DCP_SEQNO_ADVANCED, .seqno = 2});
    settle();
    assert_int_equal(here()->high_seqno, 2);
    assert_non_null(here()->marks);
    assert_true(here()->marks->state & ITEM_EVENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(it_introduces_itself),
        TEST(a_prepare_is_acknowledged_when_its_snapshot_is_whole),
        TEST(a_disk_snapshot_tells_what_has_ended),
        TEST(it_rolls_back_and_asks_again),
        TEST(a_cut_snapshot_is_gone_on_with),
        TEST(what_does_not_fit_is_asked_for_again),
        TEST(an_old_stream_is_not_heard),
        TEST(a_state_is_taken_only_in_a_takeover),
        TEST(garbage_ends_the_connection_and_it_comes_again),
        TEST(a_refusing_source_is_asked_again),
        TEST(much_is_acknowledged_by_bytes),
        TEST(events_are_kept_in_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
