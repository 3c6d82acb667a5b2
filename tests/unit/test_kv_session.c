/* Conversations with the engine over simulated connections, in virtual time. */
#include "unit/unit.h"

#include <stdio.h>

#include "base/alloc.h"
#include "io/sim.h"
#include "node/engine.h"
#include "wire/hello.h"
#include "wire/session.h"

#define SERVER "10.0.0.1"
#define CLIENT "10.0.0.2"

static struct sim *sim;
static struct engine *engine;
static struct io_addr address;

/* A client that sends frames and keeps what comes back. Static in the tests: a failed one leaves its connection open. */
struct client {
    struct io_stream *stream;
    struct buf got;
    size_t read; /* of got */
    bool open, closed;
    uint32_t opaque;
};

static void on_open(void *user)
{
    ((struct client *)user)->open = true;
}

static void on_data(void *user)
{
    struct client *c = user;
    struct divan_bytes in = io_stream_input(c->stream);
    buf_put_bytes(&c->got, in);
    io_stream_consume(c->stream, in.len);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct client *c = user;
    c->closed = true;
    c->stream = NULL;
}

static const struct io_handler handler = {.opened = on_open, .data = on_data, .closed = on_closed};

static void client_open(struct client *c)
{
    *c = (struct client){.got = {.limit = 1u << 30}};
    c->stream = io_connect(sim_host(sim, CLIENT), &address, &handler, c, NULL);
    sim_run_for(sim, 20 * NS_PER_MS);
    assert_true(c->open);
}

static void client_close(struct client *c)
{
    if (c->stream) io_stream_close(c->stream, false);
    sim_run_for(sim, 20 * NS_PER_MS);
    buf_fini(&c->got);
}

static void client_send(struct client *c, const struct frame *f)
{
    struct frame with = *f;
    if (!with.magic) with.magic = MAGIC_REQUEST;
    with.opaque = ++c->opaque;
    if (c->stream) frame_encode(io_stream_output(c->stream), &with);
}

static void client_flush(struct client *c)
{
    if (c->stream) io_stream_flush(c->stream);
    sim_run_for(sim, 50 * NS_PER_MS);
}

/* The next frame that has come; false = none. */
static bool client_next(struct client *c, struct frame *out)
{
    size_t size = 0;
    struct divan_bytes rest = bytes_slice(buf_view(&c->got), c->read, c->got.len);
    if (frame_decode(rest, FRAME_MAX, out, &size, NULL) != FRAME_COMPLETE) return false;
    c->read += size;
    return true;
}

static struct frame ask(struct client *c, struct frame f)
{
    struct frame answer = {0};
    client_send(c, &f);
    client_flush(c);
    if (!client_next(c, &answer)) answer.status = 0xffff; /* nobody's status: no answer */
    return answer;
}

static struct frame named(uint8_t opcode, const char *key, const char *value)
{
    return (struct frame){.opcode = opcode, .key = divan_str(key), .value = divan_str(value)};
}

static struct frame set_frame(const char *key, const char *value)
{
    struct frame f = named(OP_SET, key, value);
    f.extras = bytes_of("\0\0\0\0\0\0\0", 8);
    return f;
}

static void client_hello(struct client *c, feature_set ask_for)
{
    struct buf features = {.limit = 1024};
    hello_put_features(&features, ask_for);
    struct frame f = named(OP_HELLO, "test", "");
    f.value = buf_view(&features);
    assert_int_equal(ask(c, f).status, ST_SUCCESS);
    buf_fini(&features);
}

static void client_login(struct client *c, const char *user)
{
    char payload[64];
    int len = snprintf(payload, sizeof payload, "%c%s%cpassword", 0, user, 0);
    struct frame f = named(OP_SASL_AUTH, "PLAIN", "");
    f.value = bytes_of(payload, (size_t)len);
    assert_int_equal(ask(c, f).status, ST_SUCCESS);
}

enum { MODERN = 1, COLLECTIONS = 2, PUSH_BRIEF = 4, PUSH_FULL = 8, DEDUPE = 16 };

static void client_start(struct client *c, int features)
{
    feature_set set = 0;
    if (features & MODERN) set |= FEATURE(FEATURE_XERROR) | FEATURE(FEATURE_JSON) | FEATURE(FEATURE_MUTATION_SEQNO);
    if (features & COLLECTIONS) set |= FEATURE(FEATURE_COLLECTIONS);
    if (features & (PUSH_BRIEF | PUSH_FULL)) set |= FEATURE(FEATURE_DUPLEX);
    if (features & PUSH_BRIEF) set |= FEATURE(FEATURE_CLUSTERMAP_CHANGE_BRIEF);
    if (features & PUSH_FULL) set |= FEATURE(FEATURE_CLUSTERMAP_CHANGE);
    if (features & DEDUPE) set |= FEATURE(FEATURE_DEDUPE_NMVB);
    client_open(c);
    client_hello(c, set);
    client_login(c, "admin");
    assert_int_equal(ask(c, named(OP_SELECT_BUCKET, "b", "")).status, ST_SUCCESS);
}

static void add_user(const char *name, bool admin, uint32_t privileges)
{
    struct user_grant grant = {.bucket = "b", .privileges = privileges};
    struct engine_user user = {.name = name, .admin = admin, .grants = &grant, .grant_count = 1};
    assert_int_equal(sasl_secret_derive(divan_str("password"), 1, &user.secret, NULL), DIVAN_OK);
    assert_int_equal(engine_set_user(engine, &user, NULL), DIVAN_OK);
}

static int start_engine(const struct engine_options *options)
{
    sim = sim_new(11);
    engine = engine_new(sim_host(sim, SERVER), options, NULL, NULL);
    struct io_addr wanted;
    io_addr_parse(&wanted, SERVER, 11210);
    assert_int_equal(engine_listen_kv(engine, &wanted, &address, NULL), DIVAN_OK);
    const struct bucket_spec spec = {.name = "b", .uuid = "00000000000000000000000000000001", .vbuckets = 16};
    assert_int_equal(engine_bucket_create(engine, &spec, NULL), DIVAN_OK);
    assert_int_equal(engine_own_all(engine, "b", NULL), DIVAN_OK);
    assert_int_equal(engine_set_config(engine, "b", (struct map_revision){1, 5}, divan_str("{\"rev\":5}"), NULL),
                     DIVAN_OK);
    add_user("admin", true, 0);
    return 0;
}

static int setup(void **state)
{
    return start_engine(NULL);
}

static int teardown(void **state)
{
    engine_free(engine);
    sim_free(sim);
    return 0;
}

static void frames_cut_anywhere_are_served(void **state)
{
    struct sim_link link = sim_link_default();
    link.piece_max = 1;
    sim_link_set(sim, NULL, NULL, &link);
    static struct client c;
    client_start(&c, MODERN);
    assert_int_equal(ask(&c, set_frame("k", "value")).status, ST_SUCCESS);
    assert_true(bytes_is(ask(&c, named(OP_GET, "k", "")).value, "value"));
    client_close(&c);
}

static void a_batch_is_answered_in_order(void **state)
{
    static struct client c;
    struct frame answer, f = set_frame("k", "1");
    client_start(&c, MODERN);
    uint32_t first = c.opaque;
    for (int i = 0; i < 200; i++) {
        client_send(&c, &f);
        f = i % 2 ? set_frame("k", "1") : named(OP_GET, "k", "");
    }
    client_flush(&c);
    for (uint32_t i = 1; i <= 200; i++) {
        assert_true(client_next(&c, &answer));
        assert_int_equal(answer.opaque, first + i);
        assert_int_equal(answer.status, ST_SUCCESS);
    }
    assert_false(client_next(&c, &answer));
    client_close(&c);
}

static void a_large_frame_before_authentication_ends_the_connection(void **state)
{
    static struct client c;
    static char value[1024];
    client_open(&c);
    struct frame f = named(OP_SASL_AUTH, "PLAIN", "");
    f.value = bytes_of(value, 1000 - 5);
    assert_int_equal(ask(&c, f).status, ST_EINVAL);
    f.value.len++;
    client_send(&c, &f);
    client_flush(&c);
    assert_true(c.closed);
    client_close(&c);
}

static void old_clients_are_closed_where_new_ones_are_told(void **state)
{
    static struct client c;
    add_user("reader", false, PRIV_READ);
    for (int modern = 0; modern < 2; modern++) {
        client_open(&c);
        if (modern) client_hello(&c, FEATURE(FEATURE_XERROR));
        client_login(&c, "reader");
        assert_int_equal(ask(&c, named(OP_SELECT_BUCKET, "b", "")).status, ST_SUCCESS);
        assert_int_equal(ask(&c, set_frame("k", "v")).status, modern ? ST_EACCESS : 0xffff);
        assert_int_equal(c.closed, !modern);
        client_close(&c);
    }
}

static void rights_follow_a_user_on_live_connections(void **state)
{
    static struct client c;
    add_user("u", false, PRIV_READ);
    client_open(&c);
    client_hello(&c, FEATURE(FEATURE_XERROR));
    client_login(&c, "u");
    ask(&c, named(OP_SELECT_BUCKET, "b", ""));
    assert_int_equal(ask(&c, set_frame("k", "v")).status, ST_EACCESS);
    add_user("u", false, PRIV_READ | PRIV_UPSERT);
    assert_int_equal(ask(&c, set_frame("k", "v")).status, ST_SUCCESS);
    engine_drop_user(engine, "u");
    assert_int_equal(ask(&c, named(OP_GET, "k", "")).status, ST_AUTH_STALE);
    client_close(&c);
}

static void a_client_that_does_not_read_stalls_and_goes_on(void **state)
{
    enum { VALUE = 100 * 1024, GETS = 100 };
    static char value[VALUE + 1];
    memset(value, 'v', VALUE);
    static struct client c;
    client_start(&c, MODERN);
    assert_int_equal(ask(&c, set_frame("k", value)).status, ST_SUCCESS);
    io_stream_pause(c.stream, true);
    struct frame f = named(OP_GET, "k", ""), answer;
    for (int i = 0; i < GETS; i++) client_send(&c, &f);
    client_flush(&c);
    struct bucket_stats stats;
    engine_bucket_stats(engine, "b", &stats, NULL);
    assert_true(stats.gets < GETS);
    io_stream_pause(c.stream, false);
    sim_run_for(sim, 5 * NS_PER_S);
    for (int i = 0; i < GETS; i++) {
        assert_true(client_next(&c, &answer));
        assert_int_equal(answer.value.len, VALUE);
    }
    client_close(&c);
}

static void a_new_configuration_is_pushed_in_the_form_asked_for(void **state)
{
    static struct client brief, full, plain;
    struct frame push;
    client_start(&brief, MODERN | PUSH_BRIEF);
    client_start(&full, MODERN | PUSH_FULL);
    client_start(&plain, MODERN);
    engine_set_config(engine, "b", (struct map_revision){1, 6}, divan_str("{\"rev\":6}"), NULL);
    engine_set_config(engine, "b", (struct map_revision){1, 4}, divan_str("{\"rev\":4}"), NULL);
    sim_run_for(sim, 50 * NS_PER_MS);
    assert_true(client_next(&brief, &push));
    assert_int_equal(push.magic, MAGIC_SERVER_REQUEST);
    assert_int_equal(push.value.len, 0);
    assert_int_equal(get_u64be((const uint8_t *)push.extras.data + 8), 6);
    assert_false(client_next(&brief, &push));
    assert_true(client_next(&full, &push));
    assert_true(bytes_is(push.value, "{\"rev\":6}"));
    assert_true(bytes_is(push.key, "b"));
    assert_false(client_next(&plain, &push));
    client_close(&brief);
    client_close(&full);
    client_close(&plain);
}

static void the_map_comes_once_with_dedupe(void **state)
{
    static struct client c;
    client_start(&c, MODERN | DEDUPE);
    struct frame f = named(OP_GET, "k", "");
    f.vbucket = 99;
    assert_true(bytes_is(ask(&c, f).value, "{\"rev\":5}"));
    struct frame again = ask(&c, f);
    assert_int_equal(again.status, ST_NOT_MY_VBUCKET);
    assert_int_equal(again.value.len, 0);
    engine_set_config(engine, "b", (struct map_revision){1, 6}, divan_str("{\"rev\":6}"), NULL);
    assert_true(bytes_is(ask(&c, f).value, "{\"rev\":6}"));
    client_close(&c);
}

static struct frame persistence(uint8_t extras[8], uint64_t seqno)
{
    put_u64be(extras, seqno);
    return (struct frame){.opcode = OP_SEQNO_PERSISTENCE, .extras = bytes_of(extras, 8)};
}

static void waiting_for_a_seqno_ends_with_the_write_or_in_time(void **state)
{
    static struct client c, other;
    struct frame answer, get = named(OP_GET, "k", "");
    uint8_t extras[8];
    client_start(&c, MODERN);
    client_start(&other, MODERN);
    struct frame wait = persistence(extras, 1);
    client_send(&c, &wait);
    client_send(&c, &get);
    client_flush(&c);
    assert_false(client_next(&c, &answer)); /* the GET waits behind */
    assert_int_equal(ask(&other, set_frame("k", "v")).status, ST_SUCCESS);
    sim_run_for(sim, 100 * NS_PER_MS);
    assert_true(client_next(&c, &answer));
    assert_int_equal(answer.opcode, OP_SEQNO_PERSISTENCE);
    assert_int_equal(answer.status, ST_SUCCESS);
    assert_true(client_next(&c, &answer));
    assert_int_equal(answer.status, ST_SUCCESS);
    wait = persistence(extras, 1000);
    client_send(&c, &wait);
    client_flush(&c);
    sim_run_for(sim, 29 * NS_PER_S);
    assert_false(client_next(&c, &answer));
    sim_run_for(sim, 2 * NS_PER_S);
    assert_true(client_next(&c, &answer));
    assert_int_equal(answer.status, ST_ETMPFAIL);
    client_close(&c);
    client_close(&other);
}

static void a_dropped_bucket_takes_its_connections_along(void **state)
{
    static struct client c, other;
    client_start(&c, MODERN);
    client_open(&other);
    client_login(&other, "admin");
    assert_int_equal(engine_bucket_drop(engine, "b", NULL), DIVAN_OK);
    sim_run_for(sim, 50 * NS_PER_MS);
    assert_true(c.closed);
    assert_int_equal(ask(&other, named(OP_NOOP, "", "")).status, ST_SUCCESS);
    assert_int_equal(ask(&other, named(OP_SELECT_BUCKET, "b", "")).status, ST_EACCESS);
    client_close(&c);
    client_close(&other);
}

static void a_flush_begins_a_new_history(void **state)
{
    static struct client c;
    client_start(&c, MODERN);
    struct frame first = ask(&c, set_frame("k", "v"));
    uint64_t uuid = get_u64be(first.extras.data);
    assert_int_equal(engine_bucket_flush(engine, "b", NULL), DIVAN_OK);
    assert_int_equal(ask(&c, named(OP_GET, "k", "")).status, ST_KEY_ENOENT);
    struct frame second = ask(&c, set_frame("k", "v"));
    assert_int_equal(get_u64be((const uint8_t *)second.extras.data + 8), 1);
    assert_true(get_u64be(second.extras.data) != uuid);
    client_close(&c);
}

static void a_dropped_collection_is_unknown_at_once(void **state)
{
    static struct client c;
    const struct collection_spec in[] = {{.name = "_default"}, {.name = "c", .id = 8}};
    struct scope_spec scope = {.name = "_default", .collections = in, .collection_count = 2};
    engine_set_manifest(engine, "b", &(struct manifest_spec){2, &scope, 1}, NULL);
    client_start(&c, MODERN | COLLECTIONS);
    assert_int_equal(ask(&c, set_frame("\x08k", "v")).status, ST_SUCCESS);
    assert_int_equal(engine_collection_items(engine, "b", 8), 1);
    scope.collection_count = 1;
    engine_set_manifest(engine, "b", &(struct manifest_spec){3, &scope, 1}, NULL);
    struct frame answer = ask(&c, named(OP_GET, "\x08k", ""));
    assert_int_equal(answer.status, ST_UNKNOWN_COLLECTION);
    assert_non_null(memmem(answer.value.data, answer.value.len, "\"manifest_uid\":\"3\"", 18));
    sim_run_for(sim, NS_PER_S);
    struct bucket_stats stats;
    engine_bucket_stats(engine, "b", &stats, NULL);
    assert_int_equal(stats.mem_used_bytes, 0);
    client_close(&c);
}

static void the_sweep_finds_what_nobody_asks_for(void **state)
{
    static struct client c;
    struct bucket_stats stats;
    client_start(&c, MODERN);
    struct frame f = set_frame("k", "v");
    f.extras = bytes_of("\0\0\0\0\0\0\0\x05", 8);
    assert_int_equal(ask(&c, f).status, ST_SUCCESS);
    sim_run_for(sim, 130 * NS_PER_S);
    engine_bucket_stats(engine, "b", &stats, NULL);
    assert_int_equal(stats.items, 0);
    assert_int_equal(stats.expired, 1);
    client_close(&c);
}

static void too_many_connections_are_refused_and_the_others_serve(void **state)
{
    static struct client a, b, c;
    teardown(state);
    start_engine(&(struct engine_options){.max_connections = 2});
    client_start(&a, MODERN);
    client_open(&b);
    client_open(&c);
    sim_run_for(sim, 50 * NS_PER_MS);
    assert_true(c.closed);
    assert_int_equal(ask(&a, named(OP_NOOP, "", "")).status, ST_SUCCESS);
    client_close(&b);
    client_close(&c);
    client_open(&b);
    client_login(&b, "admin");
    client_close(&a);
    client_close(&b);
}

/* What a conversation does when its n-th allocation fails: any answer, or the end of the connection, and no harm. */
static bool converse(uint64_t n)
{
    struct client c = {.got = {.limit = 1 << 20}};
    c.stream = io_connect(sim_host(sim, CLIENT), &address, &handler, &c, NULL);
    sim_run_for(sim, 20 * NS_PER_MS);
    uint64_t before = mem_count();
    mem_fail_at(n);
    struct frame auth = named(OP_SASL_AUTH, "PLAIN", ""), append = named(OP_APPEND, "k", "more");
    auth.value = bytes_of("\0admin\0password", 15);
    struct frame frames[] = {named(OP_HELLO, "x", ""),
                             auth,
                             named(OP_SELECT_BUCKET, "b", ""),
                             set_frame("k", "value"),
                             append,
                             named(OP_GET, "k", ""),
                             named(OP_GET, "", ""),
                             named(OP_STAT, "vbucket-seqno", ""),
                             named(OP_DELETE, "k", "")};
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) client_send(&c, &frames[i]);
    client_flush(&c);
    bool reached = mem_count() - before >= n;
    mem_fail_at(0);
    client_close(&c);
    return reached;
}

static void a_failed_allocation_harms_one_connection_at_most(void **state)
{
    static struct client c;
    for (uint64_t n = 1; converse(n) && n < 500; n++) {}
    client_start(&c, MODERN);
    assert_int_equal(ask(&c, set_frame("k", "v")).status, ST_SUCCESS);
    client_close(&c);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(frames_cut_anywhere_are_served),
        CASE(a_batch_is_answered_in_order),
        CASE(a_large_frame_before_authentication_ends_the_connection),
        CASE(old_clients_are_closed_where_new_ones_are_told),
        CASE(rights_follow_a_user_on_live_connections),
        CASE(a_client_that_does_not_read_stalls_and_goes_on),
        CASE(a_new_configuration_is_pushed_in_the_form_asked_for),
        CASE(the_map_comes_once_with_dedupe),
        CASE(waiting_for_a_seqno_ends_with_the_write_or_in_time),
        CASE(a_dropped_bucket_takes_its_connections_along),
        CASE(a_flush_begins_a_new_history),
        CASE(a_dropped_collection_is_unknown_at_once),
        CASE(the_sweep_finds_what_nobody_asks_for),
        CASE(too_many_connections_are_refused_and_the_others_serve),
        CASE(a_failed_allocation_harms_one_connection_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
