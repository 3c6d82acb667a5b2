/* The producer against a consumer that speaks frames: what is streamed, in which snapshots, and when it stops. */
#include "sim/dcp_world.h"

enum { MESSAGES = 4096 };

/* What came, as texts: "marker 0-3 memory", "mutation 1 k=v" ... */
struct listener {
    struct io_stream *stream;
    bool opened, closed, mute; /* mute: noops are not answered */
    unsigned answers, messages, noops;
    uint16_t status; /* of the last answer */
    uint64_t number; /* its first eight bytes */
    size_t flow_bytes;
    char text[MESSAGES][64];
};

static struct dcp_world w;
static struct listener one, two;

static const char *name_of(uint8_t opcode)
{
    switch (opcode) {
    case OP_DCP_MUTATION:
        return "mutation";
    case OP_DCP_DELETION:
        return "deletion";
    case OP_DCP_EXPIRATION:
        return "expiration";
    case OP_DCP_PREPARE:
        return "prepare";
    case OP_DCP_COMMIT:
        return "commit";
    case OP_DCP_ABORT:
        return "abort";
    case OP_DCP_SEQNO_ADVANCED:
        return "advanced";
    default:
        return "other";
    }
}

static void describe(struct listener *l, const struct dcp_message *m)
{
    char *text = l->text[l->messages++ % MESSAGES];
    enum { SIZE = sizeof l->text[0] };
    if (m->opcode == OP_DCP_SNAPSHOT_MARKER)
        snprintf(text, SIZE, "marker %d-%d %s", (int)m->marker.start, (int)m->marker.end,
                 m->marker.flags & DCP_MARKER_DISK ? "disk" : "memory");
    else if (m->opcode == OP_DCP_STREAM_END) snprintf(text, SIZE, "end %u", m->reason);
    else if (m->opcode == OP_DCP_SET_VBUCKET_STATE) snprintf(text, SIZE, "state %u", m->state);
    else if (m->opcode == OP_DCP_SYSTEM_EVENT)
        snprintf(text, SIZE, "event %u %d %.*s", m->event, (int)m->seqno, (int)m->key.len, (const char *)m->key.data);
    else
        snprintf(text, SIZE, "%s %d %.*s%s%.*s", name_of(m->opcode), (int)m->seqno, (int)m->key.len,
                 m->key.len ? (const char *)m->key.data : "", m->value.len ? "=" : "",
                 (int)(m->value.len > 20 ? 20 : m->value.len), m->value.len ? (const char *)m->value.data : "");
}

static void listener_data(void *user)
{
    struct listener *l = user;
    struct divan_bytes input = io_stream_input(l->stream);
    struct frame f;
    struct divan_error err;
    struct dcp_message m;
    size_t used = 0, size;
    while (frame_decode(bytes_slice(input, used, input.len), FRAME_MAX, &f, &size, &err) == FRAME_COMPLETE) {
        used += size;
        if (frame_is_response(&f)) {
            l->answers++;
            l->status = f.status;
            l->number = f.value.len >= 8 ? get_u64be(f.value.data) : 0;
        } else if (f.opcode == OP_DCP_NOOP) {
            l->noops++;
            if (!l->mute)
                dcp_put_answer(io_stream_output(l->stream), OP_DCP_NOOP, f.opaque, ST_SUCCESS, (struct divan_bytes){0});
        } else if (dcp_read(&f, true, &m, &err)) {
            fail_msg("%s", err.message);
        } else {
            l->flow_bytes += dcp_flow_bytes(f.opcode, size);
            describe(l, &m);
        }
    }
    if (used) io_stream_consume(l->stream, used);
    io_stream_flush(l->stream);
}

static void listener_opened(void *user)
{
    ((struct listener *)user)->opened = true;
}

static void listener_closed(void *user, const struct divan_error *why)
{
    struct listener *l = user;
    l->closed = true;
    l->stream = NULL;
}

/* Sends and waits for the answer. */
static uint16_t ask(struct listener *l, const struct dcp_message *m)
{
    unsigned before = l->answers;
    struct dcp_message with = *m;
    with.collections = true;
    dcp_put(io_stream_output(l->stream), &with);
    io_stream_flush(l->stream);
    run_until(&w, 5, l->answers > before || l->closed);
    return l->status;
}

static uint16_t control(struct listener *l, const char *key, const char *value)
{
    return ask(l, &(struct dcp_message){.opcode = OP_DCP_CONTROL, .key = divan_str(key), .value = divan_str(value)});
}

static uint16_t request(struct listener *l, uint16_t id, struct dcp_stream_request r, const char *filter)
{
    struct dcp_message m = {.opcode = OP_DCP_STREAM_REQ, .opaque = 7, .vbucket = id, .request = r};
    m.value = divan_str(filter ? filter : "");
    return ask(l, &m);
}

static const struct dcp_stream_request from_zero = {.end = DCP_FOREVER};

static void listen_as(struct listener *l, const char *name, uint32_t flags)
{
    static const struct io_handler handler = {
        .opened = listener_opened, .data = listener_data, .closed = listener_closed};
    struct divan_error err;
    struct io_addr addr;
    memset(l, 0, sizeof *l);
    assert_true(io_addr_parse(&addr, w.nodes[0].host, KV_PORT));
    l->stream = io_connect(w.client, &addr, &handler, l, &err);
    struct buf *out = io_stream_output(l->stream);
    run_until(&w, 5, l->opened);
    hello_put_request(out, 0, divan_str("test"),
                      FEATURE(FEATURE_XERROR) | FEATURE(FEATURE_COLLECTIONS) | FEATURE(FEATURE_SELECT_BUCKET) |
                          FEATURE(FEATURE_JSON) | FEATURE(FEATURE_XATTR));
    session_put_sasl(out, OP_SASL_AUTH, 0, SASL_PLAIN, bytes_of("\0@divan\0secret", 14));
    session_put_select_bucket(out, 0, "default");
    io_stream_flush(l->stream);
    run_until(&w, 5, l->answers == 3);
    assert_int_equal(
        ask(l,
            &(struct dcp_message){.opcode = OP_DCP_OPEN, .key = divan_str(name), .flags = DCP_OPEN_PRODUCER | flags}),
        ST_SUCCESS);
    assert_int_equal(control(l, "enable_noop", "true"), ST_SUCCESS);
}

#define assert_heard(l, n, want)                                                                                       \
    do {                                                                                                               \
        run_until(&w, 5, (l)->messages > (n));                                                                         \
        assert_string_equal((l)->text[n], want);                                                                       \
    } while (0)

static void quiet(const struct listener *l, unsigned messages)
{
    sim_run_for(w.sim, 200 * NS_PER_MS);
    assert_int_equal(l->messages, messages);
}

static void put(const char *key, const char *value)
{
    assert_int_equal(put_key(&w, 0, 0, 0, key, value, false), KV_OK);
}

static int open_world(void **state)
{
    dcp_world_open(&w, 1, 11);
    must(engine_own_all(w.nodes[0].engine, "default", must_err));
    return 0;
}

static int close_world(void **state)
{
    dcp_world_close(&w);
    return 0;
}

static void history_first_then_what_happens(void **state)
{
    put("a", "1"), put("b", "1"), put("a", "2");
    listen_as(&one, "c", 0);
    assert_int_equal(request(&one, 0, from_zero, NULL), ST_SUCCESS);
    assert_heard(&one, 0, "marker 0-4 disk");
    assert_heard(&one, 1, "event 0 1 c");
    assert_heard(&one, 2, "mutation 3 b=1");
    assert_heard(&one, 3, "mutation 4 a=2");
    put("c", "1");
    assert_heard(&one, 4, "marker 5-5 memory");
    assert_heard(&one, 5, "mutation 5 c=1");
    put_key(&w, 0, 0, 0, "b", "", true);
    assert_heard(&one, 7, "deletion 6 b");
    quiet(&one, 8);
}

static void a_bounded_stream_ends_where_it_was_asked_to(void **state)
{
    struct dcp_stream_request r = from_zero;
    for (int i = 0; i < 6; i++) put("k", "v"), put(i % 2 ? "x" : "y", "v");
    listen_as(&one, "c", 0);
    r.end = 10;
    assert_int_equal(request(&one, 0, r, NULL), ST_SUCCESS);
    run_until(&w, 5, one.messages && !strncmp(one.text[one.messages - 1], "end", 3));
    assert_string_equal(one.text[one.messages - 1], "end 0");
    for (unsigned i = 0; i < one.messages; i++) assert_null(strstr(one.text[i], " 13 "));
    assert_int_equal(request(&one, 0, r, NULL), ST_SUCCESS); /* it is over, so it may be asked for again */
}

static void a_window_holds_it_back(void **state)
{
    char key[16], value[400];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    for (int i = 0; i < 200; i++) snprintf(key, sizeof key, "k%d", i), put(key, value);
    listen_as(&one, "c", 0);
    assert_int_equal(control(&one, "connection_buffer_size", "5000"), ST_SUCCESS);
    assert_int_equal(request(&one, 0, from_zero, NULL), ST_SUCCESS);
    sim_run_for(w.sim, NS_PER_S);
    assert_true(one.flow_bytes >= 5000 && one.flow_bytes < 5000 + 500);
    while (one.messages < 202) {
        size_t before = one.flow_bytes;
        dcp_put(io_stream_output(one.stream), &(struct dcp_message){.opcode = OP_DCP_BUFFER_ACK, .ack_bytes = 2000});
        io_stream_flush(one.stream);
        sim_run_for(w.sim, 100 * NS_PER_MS);
        assert_true(one.flow_bytes > before && one.flow_bytes - before <= 2500);
    }
}

static void a_slow_consumer_costs_no_backlog(void **state)
{
    char key[16];
    static char value[20000];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 300; i++) snprintf(key, sizeof key, "k%d", i), put(key, value);
    listen_as(&one, "c", 0);
    io_stream_pause(one.stream, true);
    struct dcp_message m = {.opcode = OP_DCP_STREAM_REQ, .opaque = 7, .request = from_zero};
    dcp_put(io_stream_output(one.stream), &m);
    io_stream_flush(one.stream);
    sim_run_for(w.sim, NS_PER_S);
    struct session *s = container_of(list_first(&w.nodes[0].engine->sessions), struct session, link);
    assert_true(io_stream_backlog(s->stream) < 2 * IO_BACKLOG_HIGH);
    io_stream_pause(one.stream, false);
    run_until(&w, 10, one.messages == 302);
}

static void filters_let_through_what_they_name(void **state)
{
    listen_as(&one, "c", 0), listen_as(&two, "d", 0);
    assert_int_equal(request(&one, 0, from_zero, "{\"collections\":[\"8\"]}"), ST_SUCCESS);
    assert_int_equal(request(&two, 0, from_zero, "{\"scope\":\"0\"}"), ST_SUCCESS);
    put("a", "1");
    put_key(&w, 0, 0, 8, "b", "2", false);
    assert_heard(&one, 1, "event 0 1 c");
    assert_heard(&one, 3, "mutation 3 b=2");
    run_until(&w, 5, strstr(two.text[two.messages - 1], "mutation 3"));
    quiet(&one, 4);
}

static void stream_ids_allow_several(void **state)
{
    listen_as(&one, "c", 0);
    assert_int_equal(control(&one, "enable_stream_id", "true"), ST_SUCCESS);
    assert_int_equal(request(&one, 0, from_zero, "{\"sid\":1,\"collections\":[\"0\"]}"), ST_SUCCESS);
    assert_int_equal(request(&one, 0, from_zero, "{\"sid\":2,\"collections\":[\"8\"]}"), ST_SUCCESS);
    assert_int_equal(request(&one, 0, from_zero, "{\"sid\":2}"), ST_KEY_EEXISTS);
    assert_int_equal(request(&one, 0, from_zero, NULL), ST_DCP_STREAMID_INVALID);
    struct dcp_message close = {.opcode = OP_DCP_CLOSE_STREAM, .has_stream_id = true, .stream_id = 2};
    assert_int_equal(ask(&one, &close), ST_SUCCESS);
    assert_int_equal(ask(&one, &close), ST_KEY_ENOENT);
}

static void a_closed_stream_says_so_when_asked_to(void **state)
{
    listen_as(&one, "c", 0);
    struct dcp_message close = {.opcode = OP_DCP_CLOSE_STREAM};
    request(&one, 1, from_zero, NULL);
    close.vbucket = 1;
    unsigned before = one.messages;
    assert_int_equal(ask(&one, &close), ST_SUCCESS);
    sim_run_for(w.sim, NS_PER_S);
    for (unsigned i = before; i < one.messages; i++) assert_null(strstr(one.text[i], "end"));
    assert_int_equal(control(&one, "send_stream_end_on_client_close_stream", "true"), ST_SUCCESS);
    request(&one, 1, from_zero, NULL);
    assert_int_equal(ask(&one, &close), ST_SUCCESS);
    run_until(&w, 5, !strcmp(one.text[one.messages - 1], "end 1"));
}

static void durable_writes_are_told_to_who_knows_them(void **state)
{
    struct wire_client c;
    const char *names[] = {"n0", "tester"};
    struct vbucket_role role = {.mode = VBUCKET_KEEP, 2, 2, .chain = names};
    must(engine_set_role(w.nodes[0].engine, "default", 0, &role, must_err));
    listen_as(&one, "c", 0), listen_as(&two, "d", 0);
    assert_int_equal(control(&one, "enable_sync_writes", "true"), ST_SUCCESS);
    assert_int_equal(control(&one, "consumer_name", "tester"), ST_SUCCESS);
    request(&one, 0, from_zero, NULL), request(&two, 0, from_zero, NULL);
    run_until(&w, 5, one.messages == 2 && two.messages == 2);
    client_open(&w, &c, 0, FEATURE(FEATURE_UNORDERED));
    uint32_t first = client_send(&c, 0, "d", "v", 1, 0);
    assert_heard(&one, 3, "prepare 2 d=v");
    assert_heard(&two, 3, "advanced 2 ");
    assert_false(c.told[first].there);
    dcp_put(io_stream_output(one.stream),
            &(struct dcp_message){.opcode = OP_DCP_SEQNO_ACKNOWLEDGED, .opaque = 7, .seqno = 2});
    io_stream_flush(one.stream);
    assert_heard(&one, 5, "commit 3 d");
    assert_heard(&two, 5, "mutation 3 d=v");
    run_until(&w, 5, c.told[first].there);
    uint32_t second = client_send(&c, 0, "d", "w", 1, 1500);
    run_until(&w, 10, c.told[second].there);
    assert_int_equal(c.told[second].status, ST_SYNC_WRITE_AMBIGUOUS);
    assert_heard(&one, 7, "prepare 4 d=w");
    assert_heard(&one, 9, "abort 5 d");
    client_close(&w, &c);
}

static void streams_end_with_the_role(void **state)
{
    listen_as(&one, "c", 0);
    request(&one, 2, from_zero, NULL);
    must(engine_set_role(w.nodes[0].engine, "default", 2, &(struct vbucket_role){.mode = VBUCKET_DEAD}, must_err));
    run_until(&w, 5, one.messages && !strcmp(one.text[one.messages - 1], "end 2"));
    assert_int_equal(request(&one, 2, from_zero, NULL), ST_NOT_MY_VBUCKET);
    must(engine_set_role(w.nodes[0].engine, "default", 2, &(struct vbucket_role){.mode = VBUCKET_REPLICA}, must_err));
    struct dcp_stream_request r = from_zero;
    assert_int_equal(request(&one, 2, r, NULL), ST_SUCCESS); /* a replica streams, too */
    r.flags = DCP_STREAM_ACTIVE_ONLY;
    assert_int_equal(request(&one, 3, r, NULL), ST_SUCCESS);
    must(engine_bucket_drop(w.nodes[0].engine, "default", must_err));
    run_until(&w, 5, one.closed);
}

static void who_does_not_answer_noops_is_cut_off(void **state)
{
    listen_as(&one, "c", 0), listen_as(&two, "d", 0);
    assert_int_equal(control(&one, "set_noop_interval", "1"), ST_SUCCESS);
    assert_int_equal(control(&two, "set_noop_interval", "1"), ST_SUCCESS);
    two.mute = true;
    sim_run_for(w.sim, 10 * NS_PER_S);
    assert_true(one.noops >= 9 && !one.closed);
    assert_int_equal(two.noops, 1);
    assert_true(two.closed);
}

static void the_name_goes_to_the_newest(void **state)
{
    listen_as(&one, "same", 0);
    request(&one, 0, from_zero, NULL);
    listen_as(&two, "same", 0);
    run_until(&w, 5, one.closed);
    assert_int_equal(request(&two, 0, from_zero, NULL), ST_SUCCESS);
}

static void dropped_collections_are_told_and_not_streamed(void **state)
{
    static const struct collection_spec left[] = {{"_default", 0, 0, false}, {"later", 9, 60, false}};
    static const struct scope_spec scopes[] = {{"_default", 0, left, 2}, {"s", 8, NULL, 0}};
    put_key(&w, 0, 0, 8, "gone", "v", false);
    must(engine_set_manifest(w.nodes[0].engine, "default", &(struct manifest_spec){3, scopes, 2}, must_err));
    listen_as(&one, "c", 0);
    request(&one, 0, from_zero, NULL);
    run_until(&w, 5, one.messages >= 4);
    assert_heard(&one, 1, "event 1 3 ");
    assert_heard(&one, 2, "event 3 4 s");
    assert_heard(&one, 3, "event 0 5 later");
    quiet(&one, 4);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)
    const struct CMUnitTest tests[] = {
        TEST(history_first_then_what_happens),
        TEST(a_bounded_stream_ends_where_it_was_asked_to),
        TEST(a_window_holds_it_back),
        TEST(a_slow_consumer_costs_no_backlog),
        TEST(filters_let_through_what_they_name),
        TEST(stream_ids_allow_several),
        TEST(a_closed_stream_says_so_when_asked_to),
        TEST(durable_writes_are_told_to_who_knows_them),
        TEST(streams_end_with_the_role),
        TEST(who_does_not_answer_noops_is_cut_off),
        TEST(the_name_goes_to_the_newest),
        TEST(dropped_collections_are_told_and_not_streamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
