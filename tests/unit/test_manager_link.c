/* Messages between manager and node, the channels that carry them, and both ends talking in a simulated network. */
#include <stdlib.h>
#include <unistd.h>

#include "unit/manager_support.h"

#include "io/sim.h"
#include "manager/channel.h"
#include "manager/link.h"
#include "node/uplink.h"

/* ---------------------------------------------------------------- messages */

static void messages_are_read_as_they_were_written(void **state)
{
    static const uint8_t odd[] = "a\"\\\n\x01\xc3\xa9";
    struct divan_bytes args[] = {divan_str("B"), divan_str("s\"1")};
    struct manager_field form[] = {{divan_str("name"), bytes_of(odd, sizeof odd - 1)},
                                   {divan_str("?x"), divan_str("")}};
    struct manager_request request = {.op = "op",
                                      .args = args,
                                      .arg_count = 2,
                                      .form = form,
                                      .form_count = 2,
                                      .body = divan_str("{\"a\":1}"),
                                      .user = "u\xc3\xbc",
                                      .external = true};
    struct buf text = {.limit = 1 << 20};
    struct link_message m;
    struct divan_error err;
    link_put_ask(&text, 77, &request);
    if (link_read(buf_view(&text), &m, &err)) fail_msg("%s", err.message);
    assert_int_equal(m.type, LINK_ASK);
    assert_int_equal(m.id, 77);
    assert_string_equal(m.request.op, "op");
    assert_int_equal(m.request.arg_count, 2);
    assert_true(bytes_is(m.request.args[1], "s\"1"));
    assert_int_equal(m.request.form_count, 2);
    assert_true(bytes_equal(m.request.form[0].value, bytes_of(odd, sizeof odd - 1)));
    assert_true(bytes_is(m.request.form[1].name, "?x"));
    assert_non_null(m.request.form[1].value.data);
    assert_true(bytes_is(m.request.body, "{\"a\":1}"));
    assert_string_equal(m.request.user, "u\xc3\xbc");
    assert_true(m.request.external);
    link_message_fini(&m);

    buf_clear(&text);
    link_put_reply(&text, 5,
                   &(struct manager_reply){.status = 202, .body = divan_str("x"), .json = true, .location = "/a"});
    assert_int_equal(link_read(buf_view(&text), &m, &err), DIVAN_OK);
    assert_int_equal(m.reply.status, 202);
    assert_string_equal(m.reply.location, "/a");
    assert_true(m.reply.json && bytes_is(m.reply.body, "x"));
    link_message_fini(&m);

    buf_clear(&text);
    link_put_applied(&text, (struct map_revision){2, 9});
    assert_int_equal(link_read(buf_view(&text), &m, &err), DIVAN_OK);
    assert_int_equal(m.revision.epoch, 2);
    assert_int_equal(m.revision.rev, 9);
    link_message_fini(&m);
    buf_fini(&text);
}

static void malformed_messages_are_refused(void **state)
{
    static const char *const table[] = {
        "",
        "x",
        "[]",
        "{}",
        "{\"type\":1}",
        "{\"type\":\"nosuch\"}",
        "{\"type\":\"hello\"}",
        "{\"type\":\"hello\",\"token\":\"t\",\"epoch\":1,\"rev\":1,\"node\":3}",
        "{\"type\":\"hello\",\"token\":\"a\\u0000b\",\"epoch\":1,\"rev\":1,\"node\":{}}",
        "{\"type\":\"ask\"}",
        "{\"type\":\"ask\",\"id\":1,\"args\":[],\"form\":[]}",
        "{\"type\":\"ask\",\"id\":1,\"op\":\"o\",\"args\":[1],\"form\":[]}",
        "{\"type\":\"ask\",\"id\":1,\"op\":\"o\",\"args\":[],\"form\":[\"a\"]}",
        "{\"type\":\"ask\",\"id\":1,\"op\":\"o\",\"args\":{},\"form\":[]}",
        "{\"type\":\"ask\",\"id\":1,\"op\":\"o\",\"args\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"],\"form\":[]}",
        "{\"type\":\"ask\",\"id\":\"1\",\"op\":\"o\",\"args\":[],\"form\":[]}",
        "{\"type\":\"reply\",\"id\":1,\"status\":99,\"body\":\"\"}",
        "{\"type\":\"reply\",\"id\":1,\"status\":600,\"body\":\"\"}",
        "{\"type\":\"document\"}",
        "{\"type\":\"document\",\"document\":[]}",
        "{\"type\":\"applied\",\"epoch\":1}",
        "{\"type\":\"refused\",\"why\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct link_message m;
        struct divan_error err = {0};
        if (link_read(divan_str(table[i]), &m, &err) == DIVAN_OK) fail_msg("accepted: %s", table[i]);
        assert_true(err.message[0]);
        link_message_fini(&m);
    }
}

/* ---------------------------------------------------------------- channels */

struct listener {
    struct buf got;
    int messages, closed;
};

static void on_message(void *user, struct divan_bytes text)
{
    struct listener *l = user;
    l->messages++;
    buf_put_bytes(&l->got, text);
    buf_u8(&l->got, '|');
}

static void on_closed(void *user, const struct divan_error *why)
{
    ((struct listener *)user)->closed++;
}
static const struct channel_handler listener_handler = {on_message, on_closed};

static void a_pair_delivers_in_order_and_never_at_once(void **state)
{
    struct sim *sim = sim_new(1);
    struct io_loop *loop = sim_host(sim, "10.0.0.1");
    struct channel *a = NULL, *b = NULL;
    struct listener at_a = {0}, at_b = {0};
    assert_true(channel_pair(loop, &a, &b));
    channel_handle(a, &listener_handler, &at_a);
    channel_handle(b, &listener_handler, &at_b);
    channel_send(a, divan_str("one"));
    channel_send(a, divan_str(""));
    channel_send(b, divan_str("back"));
    assert_int_equal(at_b.messages, 0);
    channel_send(a, divan_str("two"));
    sim_run_for(sim, NS_PER_MS);
    assert_string_equal(buf_text(&at_b.got), "one||two|");
    assert_string_equal(buf_text(&at_a.got), "back|");
    channel_send(a, divan_str("last"));
    channel_free(a);
    sim_run_for(sim, NS_PER_MS);
    assert_string_equal(buf_text(&at_b.got), "one||two|last|");
    assert_int_equal(at_b.closed, 1);
    assert_false(channel_send(b, divan_str("nobody")));
    channel_free(b);
    buf_fini(&at_a.got);
    buf_fini(&at_b.got);
    sim_free(sim);
}

/* ---------------------------------------------------------------- manager and node */

struct world {
    struct sim *sim;
    struct io_loop *manager_loop, *node_loop;
    struct manager *manager;
    struct uplink *uplink;
    struct doc_node self;
    struct doc *doc;
    int docs, replies, status;
    char body[300];
    int64_t rev_at_reply;
};

static void on_doc(void *user, const struct doc *d)
{
    struct world *w = user;
    if (w->doc) assert_true(revision_compare(d->revision, w->doc->revision) >= 0);
    doc_release(w->doc);
    w->doc = doc_retain(d);
    w->docs++;
}

static void on_reply(void *user, const struct manager_reply *r)
{
    struct world *w = user;
    w->replies++;
    w->status = r->status;
    w->rev_at_reply = w->doc ? w->doc->revision.rev : 0;
    snprintf(w->body, sizeof w->body, "%.*s", (int)r->body.len, r->body.len ? (const char *)r->body.data : "");
}

static void start_manager(struct world *w, const char *dir)
{
    struct divan_error err;
    struct manager_options o = {
        .dir = dir, .vbuckets = 16, .listen_host = "10.0.0.1", .listen_port = 7000, .token = "t"};
    w->manager_loop = sim_host(w->sim, "10.0.0.1");
    w->manager = manager_new(w->manager_loop, &o, &err);
    if (!w->manager) fail_msg("%s", err.message);
}

static void stop_manager(struct world *w)
{
    manager_free(w->manager);
    w->manager = NULL;
    io_loop_free(w->manager_loop);
}

static void start_node(struct world *w, const char *token)
{
    struct divan_error err;
    w->node_loop = sim_host(w->sim, "10.0.0.2");
    w->self = (struct doc_node){
        .uuid = NODE_A, .host = "10.0.0.2", .named = true, .otp = "", .group = "", .data_path = ""};
    w->self.ports.plain[SVC_KV] = 11210;
    w->self.ports.plain[SVC_MGMT] = 8091;
    struct uplink_options o = {
        .host = "10.0.0.1", .port = 7000, .token = token, .self = &w->self, .on_doc = on_doc, .user = w};
    w->uplink = uplink_new(w->node_loop, &o, &err);
    assert_non_null(w->uplink);
}

static void world_open(struct world *w, uint64_t seed, const char *dir)
{
    *w = (struct world){.sim = sim_new(seed)};
    start_manager(w, dir);
    start_node(w, "t");
    sim_run_for(w->sim, NS_PER_S);
}

static void world_close(struct world *w)
{
    uplink_free(w->uplink);
    manager_free(w->manager);
    doc_release(w->doc);
    sim_free(w->sim);
}

static void ask(struct world *w, const char *name)
{
    struct manager_field form[] = {{divan_str("name"), divan_str(name)}, {divan_str("ramQuotaMB"), divan_str("100")}};
    assert_true(uplink_ask(w->uplink,
                           &(struct manager_request){.op = "bucket_create", .form = form, .form_count = 2, .user = ""},
                           on_reply, w));
}

static void a_node_sees_what_its_own_question_changed(void **state)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct world w;
        world_open(&w, seed, NULL);
        assert_non_null(w.doc);
        assert_true(uplink_is_up(w.uplink));
        assert_int_equal(manager_linked(w.manager), 1);
        assert_int_equal(manager_up_to_date(w.manager), 1);
        ask(&w, "B");
        assert_int_equal(w.replies, 0);
        sim_run_for(w.sim, NS_PER_S);
        assert_int_equal(w.replies, 1);
        assert_int_equal(w.status, 202);
        assert_int_equal(w.rev_at_reply, manager_doc(w.manager)->revision.rev);
        assert_non_null(doc_find_bucket(w.doc, divan_str("B")));
        ask(&w, "B");
        sim_run_for(w.sim, NS_PER_S);
        assert_int_equal(w.status, 400);
        world_close(&w);
    }
}

static void a_wrong_token_gets_nothing(void **state)
{
    struct world w = {.sim = sim_new(3)};
    start_manager(&w, NULL);
    start_node(&w, "wrong");
    sim_run_for(w.sim, 3 * NS_PER_S);
    assert_null(w.doc);
    assert_int_equal(manager_linked(w.manager), 0);
    assert_int_equal(manager_doc(w.manager)->node_count, 0);
    world_close(&w);
}

static void questions_fail_while_the_manager_is_away_and_go_on_when_it_is_back(void **state)
{
    char dir[] = "/tmp/divan-test-XXXXXX", file[100];
    assert_non_null(mkdtemp(dir));
    struct world w;
    world_open(&w, 4, dir);
    ask(&w, "B");
    sim_run_for(w.sim, NS_PER_S);
    int64_t rev = w.doc->revision.rev;
    char uuid[33];
    snprintf(uuid, sizeof uuid, "%s", w.doc->uuid);

    stop_manager(&w);
    ask(&w, "C");
    sim_run_for(w.sim, 2 * NS_PER_S);
    assert_int_equal(w.replies, 2);
    assert_int_equal(w.status, 503);
    assert_false(uplink_is_up(w.uplink));
    assert_non_null(doc_find_bucket(w.doc, divan_str("B"))); /* what it has it keeps */

    start_manager(&w, dir);
    assert_string_equal(manager_doc(w.manager)->uuid, uuid);
    assert_true(manager_doc(w.manager)->revision.rev >= rev);
    sim_run_for(w.sim, 5 * NS_PER_S);
    assert_true(uplink_is_up(w.uplink));
    ask(&w, "C");
    sim_run_for(w.sim, NS_PER_S);
    assert_int_equal(w.status, 202);
    assert_non_null(doc_find_bucket(w.doc, divan_str("C")));
    world_close(&w);

    static const char *const files[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < 4; i++) snprintf(file, sizeof file, "%s/manager.sqlite%s", dir, files[i]), unlink(file);
    assert_int_equal(rmdir(dir), 0);
}

/* A manager that lost its file must not take the cluster back in time. */
static void an_older_manager_is_refused(void **state)
{
    struct world w;
    world_open(&w, 5, NULL);
    for (int i = 0; i < 3; i++) {
        char name[] = {(char)('A' + i), 0};
        ask(&w, name);
    }
    sim_run_for(w.sim, NS_PER_S);
    int64_t rev = w.doc->revision.rev;
    int docs = w.docs;
    stop_manager(&w);
    start_manager(&w, NULL);
    sim_run_for(w.sim, 5 * NS_PER_S);
    assert_int_equal(w.doc->revision.rev, rev);
    assert_int_equal(w.docs, docs);
    assert_false(uplink_is_up(w.uplink));
    assert_int_equal(manager_linked(w.manager), 0);
    world_close(&w);
}

static void a_manager_that_says_nothing_is_given_up(void **state)
{
    struct world w;
    world_open(&w, 6, NULL);
    sim_flow_set(w.sim, NULL, NULL, SIM_SWALLOWS);
    ask(&w, "B");
    sim_run_for(w.sim, 1500 * NS_PER_MS);
    assert_int_equal(w.replies, 0);
    sim_run_for(w.sim, 2 * NS_PER_S);
    assert_int_equal(w.replies, 1);
    assert_int_equal(w.status, 503);
    world_close(&w);
}

static void strangers_on_the_port_do_no_harm(void **state)
{
    static const char *const table[] = {"GET / HTTP/1.1\r\n\r\n", "\xff\xff\xff\xff", "\0\0\0\2{}", "\0\0\0\0"};
    static const size_t lengths[] = {18, 4, 6, 4};
    static const struct io_handler nothing;
    struct world w;
    world_open(&w, 7, NULL);
    struct io_loop *stranger = sim_host(w.sim, "10.0.0.9");
    for (size_t i = 0; i < 4; i++) {
        struct io_addr at;
        struct divan_error err;
        io_addr_parse(&at, "10.0.0.1", 7000);
        static const struct io_handler deaf = {.opened = NULL};
        (void)nothing;
        struct listener l = {0};
        struct io_stream *s = io_connect(stranger, &at, &deaf, NULL, &err);
        assert_non_null(s);
        struct channel *c = channel_over(stranger, s, 1000);
        channel_handle(c, &listener_handler, &l);
        buf_put(io_stream_output(s), table[i], lengths[i]);
        io_stream_flush(s);
        sim_run_for(w.sim, NS_PER_S);
        assert_int_equal(l.closed, 1);
        channel_free(c);
        buf_fini(&l.got);
    }
    assert_int_equal(manager_linked(w.manager), 1);
    ask(&w, "B");
    sim_run_for(w.sim, NS_PER_S);
    assert_int_equal(w.status, 202);
    world_close(&w);
}

static void a_cluster_can_be_provisioned_before_its_nodes_come(void **state)
{
    struct world w = {.sim = sim_new(8)};
    struct divan_error err;
    const char *buckets[] = {"default", "other"};
    struct manager_setup setup = {
        .user = "Administrator", .password = "password", .buckets = buckets, .bucket_count = 2};
    start_manager(&w, NULL);
    if (manager_provision(w.manager, &setup, &err)) fail_msg("%s", err.message);
    assert_int_equal(manager_provision(w.manager, &setup, &err), DIVAN_OK); /* again: nothing happens */
    start_node(&w, "t");
    sim_run_for(w.sim, NS_PER_S);
    assert_int_equal(w.doc->bucket_count, 2);
    assert_int_equal(w.doc->buckets[0].map.vbuckets, 16);
    assert_non_null(w.doc->buckets[0].map.entries);
    assert_true(w.doc->provisioned);
    world_close(&w);

    w = (struct world){.sim = sim_new(8)};
    start_manager(&w, NULL);
    buckets[1] = "a b";
    assert_int_equal(manager_provision(w.manager, &setup, &err), DIVAN_ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "Bucket name can only contain"));
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_read_as_they_were_written),
        cmocka_unit_test(malformed_messages_are_refused),
        cmocka_unit_test(a_pair_delivers_in_order_and_never_at_once),
        cmocka_unit_test(a_node_sees_what_its_own_question_changed),
        cmocka_unit_test(a_wrong_token_gets_nothing),
        cmocka_unit_test(questions_fail_while_the_manager_is_away_and_go_on_when_it_is_back),
        cmocka_unit_test(an_older_manager_is_refused),
        cmocka_unit_test(a_manager_that_says_nothing_is_given_up),
        cmocka_unit_test(strangers_on_the_port_do_no_harm),
        cmocka_unit_test(a_cluster_can_be_provisioned_before_its_nodes_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
