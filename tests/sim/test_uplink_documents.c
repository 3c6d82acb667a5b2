/* A node takes what its manager sends, but never an older document or one of another cluster. */
#include "unit/unit.h"

#include "io/sim.h"
#include "manager/channel.h"
#include "manager/link.h"
#include "node/uplink.h"

#define NODE_HOST    "10.0.0.1"
#define MANAGER_HOST "10.0.0.9"

struct stage {
    struct sim *sim;
    struct io_listener *listener;
    struct channel *channel; /* the scripted manager's end */
    struct uplink *uplink;
    struct doc_node self;
    int64_t revs[8];
    size_t count;
};

static void on_message(void *user, struct divan_bytes text) {}

static void on_closed(void *user, const struct divan_error *why)
{
    struct stage *s = user;
    channel_free(s->channel);
    s->channel = NULL;
}

static const struct channel_handler handler = {.message = on_message, .closed = on_closed};

static void on_accept(void *user, struct io_stream *stream)
{
    struct stage *s = user;
    s->channel = channel_over(sim_host(s->sim, MANAGER_HOST), stream, CHANNEL_MESSAGE_MAX);
    assert_non_null(s->channel);
    channel_handle(s->channel, &handler, s);
}

static void on_doc(void *user, const struct doc *d)
{
    struct stage *s = user;
    assert_true(s->count < 8);
    s->revs[s->count++] = d->revision.rev;
}

static void set(struct stage *s)
{
    struct io_addr at;
    struct divan_error err;
    *s = (struct stage){.sim = sim_new(1)};
    s->self = (struct doc_node){.uuid = "0000000000000000000000000000000a", .host = NODE_HOST, .otp = "", .group = ""};
    s->self.data_path = s->self.address = s->self.boot = "";
    io_addr_parse(&at, MANAGER_HOST, 7000);
    s->listener = io_listen(sim_host(s->sim, MANAGER_HOST), &at, on_accept, s, &err);
    assert_non_null(s->listener);
    const struct uplink_options o = {
        .host = MANAGER_HOST, .port = 7000, .token = "t", .self = &s->self, .on_doc = on_doc, .user = s};
    s->uplink = uplink_new(sim_host(s->sim, NODE_HOST), &o, &err);
    assert_non_null(s->uplink);
    sim_run_for(s->sim, 100 * NS_PER_MS);
    assert_non_null(s->channel);
}

static void strike(struct stage *s)
{
    uplink_free(s->uplink);
    channel_free(s->channel);
    io_listener_close(s->listener);
    sim_free(s->sim);
}

static void send(struct stage *s, const char *uuid, int64_t epoch, int64_t rev)
{
    struct buf text = {.limit = CHANNEL_MESSAGE_MAX};
    struct doc *d = doc_new();
    assert_non_null(d);
    d->uuid = doc_text(d, uuid);
    d->revision = (struct map_revision){epoch, rev};
    link_put_document(&text, d);
    assert_true(channel_send(s->channel, buf_view(&text)));
    sim_run_for(s->sim, 50 * NS_PER_MS);
    buf_fini(&text);
    doc_release(d);
}

static void older_documents_are_refused(void **state)
{
    struct stage s;
    set(&s);
    send(&s, "aa", 1, 5);
    send(&s, "aa", 1, 4);
    assert_int_equal(s.count, 1);
    send(&s, "aa", 0, 9);
    assert_int_equal(s.count, 1);
    send(&s, "aa", 1, 6);
    send(&s, "aa", 2, 1);
    assert_int_equal(s.count, 3);
    assert_int_equal(s.revs[0], 5);
    assert_int_equal(s.revs[1], 6);
    assert_int_equal(s.revs[2], 1);
    strike(&s);
}

static void documents_of_another_cluster_are_refused(void **state)
{
    struct stage s;
    set(&s);
    send(&s, "aa", 1, 5);
    send(&s, "bb", 1, 9);
    assert_int_equal(s.count, 1);
    strike(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(older_documents_are_refused),
        cmocka_unit_test(documents_of_another_cluster_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
