/* The REST interface of a whole node in a simulated network: conversations at any split, streams, rights, and what the
 * key-value side is told. */
#include <stdio.h>

#include "unit/unit.h"

#include "base/alloc.h"
#include "base/error.h"
#include "io/sim.h"
#include "node/node.h"
#include "text/http.h"
#include "text/json.h"

struct answer {
    unsigned status;
    char body[20000];
    char type[60], location[100], challenge[80];
};

struct world {
    struct sim *sim;
    struct io_loop *node_loop, *client_loop;
    struct node *node;
    int ready;
    struct io_stream *stream;
    struct http_reader *reader;
    struct answer answers[12];
    size_t answered;
    bool closed;
    struct buf streamed; /* pieces of a streaming answer */
    bool streaming;
};

/* ---------------------------------------------------------------- a client */

static void keep(struct world *w, const struct http_message *m)
{
    struct answer *a = &w->answers[w->answered++];
    struct divan_bytes type = http_header(m, "content-type"), location = http_header(m, "location"),
                       challenge = http_header(m, "www-authenticate");
    a->status = m->status;
    snprintf(a->body, sizeof a->body, "%.*s", (int)m->body.len, m->body.len ? (const char *)m->body.data : "");
    snprintf(a->type, sizeof a->type, "%.*s", (int)type.len, type.len ? (const char *)type.data : "");
    snprintf(a->location, sizeof a->location, "%.*s", (int)location.len,
             location.len ? (const char *)location.data : "");
    snprintf(a->challenge, sizeof a->challenge, "%.*s", (int)challenge.len,
             challenge.len ? (const char *)challenge.data : "");
}

static void on_data(void *user)
{
    struct world *w = user;
    struct divan_bytes all = io_stream_input(w->stream), in = all;
    const struct http_message *m;
    struct divan_error err;
    for (enum http_event e; (e = http_reader_feed(w->reader, &in, &m, &err)) != HTTP_MORE;) {
        if (e == HTTP_BROKEN) fail_msg("%s", err.message);
        if (e == HTTP_HEADERS && w->streaming) keep(w, m);
        if (e == HTTP_BODY) buf_put_bytes(&w->streamed, m->body);
        if (e == HTTP_DONE && !w->streaming) keep(w, m);
    }
    io_stream_consume(w->stream, all.len);
}

static void on_opened(void *user) {}

static void on_closed(void *user, const struct divan_error *why)
{
    struct world *w = user;
    w->closed = true;
    w->stream = NULL;
}

static const struct io_handler handler = {on_opened, on_data, NULL, on_closed};

static void hang_up(struct world *w)
{
    if (w->stream) io_stream_close(w->stream, false);
    sim_run_for(w->sim, NS_PER_S);
    http_reader_free(w->reader);
    w->reader = NULL;
    buf_clear(&w->streamed);
}

static void call(struct world *w, bool streaming)
{
    struct divan_error err;
    struct io_addr at;
    if (w->reader) hang_up(w);
    assert_true(io_addr_parse(&at, "10.0.0.1", 8091));
    w->reader = http_reader_new(HTTP_READS_RESPONSES, &(struct http_limits){.stream_body = streaming});
    w->stream = io_connect(w->client_loop, &at, &handler, w, &err);
    w->answered = 0;
    w->closed = false;
    w->streaming = streaming;
    w->streamed.limit = 1 << 20;
    memset(w->answers, 0, sizeof w->answers);
}

static void say(struct world *w, const char *text)
{
    buf_put_str(io_stream_output(w->stream), text);
    io_stream_flush(w->stream);
    sim_run_for(w->sim, NS_PER_S);
}

#define ADMIN "Authorization: Basic QWRtaW5pc3RyYXRvcjpwYXNzd29yZA==\r\n"

/* One request on a connection of its own. auth NULL = the administrator, "" = nobody. */
static struct answer *request(struct world *w, const char *method, const char *path, const char *form, const char *auth)
{
    struct buf text = {.limit = 1 << 20};
    call(w, false);
    buf_printf(&text, "%s %s HTTP/1.1\r\nHost: x\r\n", method, path);
    if (!auth) buf_put_str(&text, ADMIN);
    if (auth && auth[0]) {
        struct divan_bytes colon = divan_str(strchr(auth, ':'));
        http_put_basic_auth(&text, bytes_of(auth, strlen(auth) - colon.len), bytes_slice(colon, 1, colon.len));
    }
    if (form)
        buf_printf(&text, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %zu\r\n", strlen(form));
    buf_put_str(&text, "\r\n");
    if (form) buf_put_str(&text, form);
    say(w, buf_text(&text));
    buf_fini(&text);
    if (w->answered != 1) fail_msg("%s %s: %zu answers", method, path, w->answered);
    return &w->answers[0];
}

static void expect(struct world *w, const char *method, const char *path, const char *form, const char *auth,
                   unsigned status, const char *body)
{
    struct answer *a = request(w, method, path, form, auth);
    if (a->status != status || !strstr(a->body, body))
        fail_msg("%s %s %s: %u %s (wanted %u %s)", method, path, form ? form : "", a->status, a->body, status, body);
    if (strcmp(a->type, "application/json") == 0) assert_true(json_is_valid(divan_str(a->body)));
}

/* ---------------------------------------------------------------- a node */

static void on_ready(void *user)
{
    ((struct world *)user)->ready++;
}

static void open_world(struct world *w, uint64_t seed, bool set_up)
{
    struct divan_error err;
    static const char *const buckets[] = {"B"};
    static const struct manager_setup setup = {
        .user = "Administrator", .password = "password", .cluster_name = "rec", .buckets = buckets, .bucket_count = 1};
    memset(w, 0, sizeof *w);
    w->sim = sim_new(seed);
    w->node_loop = sim_host(w->sim, "10.0.0.1");
    w->client_loop = sim_host(w->sim, "10.0.0.2");
    struct node_options o = {.host = "10.0.0.1", .vbuckets = 16, .setup = set_up ? &setup : NULL};
    w->node = node_start(w->node_loop, &o, on_ready, w, &err);
    if (!w->node) fail_msg("%s", err.message);
    assert_int_equal(w->ready, 0);
    sim_run_for(w->sim, NS_PER_S);
    assert_int_equal(w->ready, 1);
}

static void close_world(struct world *w)
{
    if (w->reader) hang_up(w);
    node_stop(w->node);
    sim_run_for(w->sim, NS_PER_S);
    buf_fini(&w->streamed);
    sim_free(w->sim);
}

/* ---------------------------------------------------------------- tests */

static void a_lone_node_is_set_up_step_by_step(void **state)
{
    struct world w;
    open_world(&w, 1, false);
    expect(&w, "GET", "/pools", NULL, "", 200, "\"pools\":[]");
    expect(&w, "GET", "/pools/default", NULL, "", 404, "\"unknown pool\"");
    expect(&w, "GET", "/pools/default/nodeServices", NULL, "x:not yet there", 200, "\"kvSSL\":11207");
    expect(&w, "POST", "/node/controller/rename", "hostname=10.0.0.1", "", 200, "");
    expect(&w, "POST", "/node/controller/rename", "hostname=10.0.0.77", "", 400, "eaddrnotavail");
    expect(&w, "POST", "/node/controller/rename", "hostname=nowhere.example", "", 400, "Unable to resolve");
    expect(&w, "POST", "/node/controller/rename", "hostname=short", "", 400, "Short names are not allowed");
    expect(&w, "POST", "/node/controller/setupServices", "services=kv", "", 200, "");
    expect(&w, "POST", "/pools/default", "memoryQuota=512&clusterName=c", "", 200, "");
    expect(&w, "POST", "/settings/web", "username=Administrator&password=password&port=SAME", "", 200,
           "\"newBaseUri\"");
    expect(&w, "GET", "/pools", NULL, "", 401, "");
    assert_string_equal(w.answers[0].challenge, "Basic realm=\"Couchbase Server Admin / REST\"");
    expect(&w, "GET", "/pools/default", NULL, NULL, 200, "\"clusterName\":\"c\"");
    close_world(&w);
}

static void buckets_come_and_go(void **state)
{
    struct world w;
    open_world(&w, 2, true);
    expect(&w, "POST", "/pools/default/buckets", "name=a%25b&ramQuotaMB=100", NULL, 202, "");
    assert_string_equal(w.answers[0].location, "/pools/default/buckets/a%25b");
    expect(&w, "GET", "/pools/default/b/a%25b", NULL, NULL, 200, "\"vBucketMap\":[[0,-1],");
    expect(&w, "GET", "/pools/default/b/a%25b", NULL, NULL, 200, "\"hostname\":\"10.0.0.1\"");
    expect(&w, "GET", "/pools/default/buckets/a%25b?bucket_uuid=7", NULL, NULL, 404, "Bucket uuid does not match");
    expect(&w, "GET", "/pools/default/buckets?uuid=7", NULL, NULL, 404, "Cluster uuid does not match");
    expect(&w, "POST", "/pools/default/buckets/B/scopes", "name=s", NULL, 200, "{\"uid\":\"2\"}");
    expect(&w, "POST", "/pools/default/buckets/B/scopes/s/collections", "name=c&maxTTL=5", NULL, 200,
           "{\"uid\":\"3\"}");
    expect(&w, "GET", "/pools/default/buckets/B/scopes", NULL, NULL, 200, "{\"name\":\"c\",\"uid\":\"a\",\"maxTTL\":5");
    expect(&w, "POST", "/pools/default/buckets/B/scopes/@ensureManifest/3", "", NULL, 200, "");
    expect(&w, "POST", "/pools/default/buckets/B/scopes/@ensureManifest/4", "timeout=300", NULL, 504, "timeout");
    expect(&w, "POST", "/pools/default/buckets/B/controller/doFlush", "", NULL, 200, "");
    expect(&w, "DELETE", "/pools/default/buckets/B", NULL, NULL, 200, "");
    expect(&w, "GET", "/pools/default/b/B", NULL, NULL, 404, "Requested resource not found.\r\n");
    close_world(&w);
}

static void wrong_ways_are_answered_as_the_server_does(void **state)
{
    static const struct {
        const char *method, *path;
        unsigned status;
        const char *body;
    } table[] = {
        {"GET", "/nope", 404, "Not found."},
        {"GET", "/pools/default/", 200, "\"name\":\"default\""},
        {"GET", "//pools//default", 200, "\"name\":\"default\""},
        {"GET", "/%zz", 404, "Not found."},
        {"GET", "/pools/default/b/%zz", 404, "Requested resource not found."},
        {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o", 404, "Not found."},
        {"POST", "/pools/default/b/B", 404, "Requested resource not found.\r\n"},
        {"PUT", "/pools/default/buckets/B", 404, "Object Not Found"},
        {"DELETE", "/pools/default", 404, "Object Not Found"},
        {"PATCH", "/pools/default", 404, "Object Not Found"},
        {"OPTIONS", "/pools/default", 405, "Method Not Allowed"},
        {"GET", "/settings/nope", 404, "Not found."},
        {"GET", "/settings/rbac/users/bogus", 404, "\"Unknown user domain.\""},
        {"GET", "/pools/default/tasks", 200, "\"status\":\"notRunning\""},
        {"GET", "/", 301, "Moved"},
    };
    struct world w;
    open_world(&w, 3, true);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        expect(&w, table[i].method, table[i].path, NULL, NULL, table[i].status, table[i].body);
    close_world(&w);
}

static void rights_are_those_of_the_roles(void **state)
{
    struct world w;
    open_world(&w, 4, true);
    expect(&w, "PUT", "/settings/rbac/users/local/rd", "password=reader1&roles=data_reader[B]", NULL, 200, "\"\"");
    expect(&w, "PUT", "/settings/rbac/users/local/no", "password=nothing1&roles=", NULL, 200, "\"\"");
    expect(&w, "GET", "/pools/default/buckets", NULL, "rd:reader1", 200, "\"name\":\"B\"");
    expect(
        &w, "GET", "/pools/default/tasks", NULL, "rd:reader1", 403,
        "{\"message\":\"Forbidden. User needs the following permissions\",\"permissions\":[\"cluster.tasks!read\"]}");
    expect(&w, "GET", "/pools/default/b/nope", NULL, "rd:reader1", 403, "cluster.bucket[nope].settings!read");
    expect(&w, "POST", "/pools/default/buckets", "name=Q&ramQuotaMB=100", "rd:reader1", 403, "cluster.buckets!create");
    expect(&w, "GET", "/pools", NULL, "no:nothing1", 401, "");
    expect(&w, "GET", "/whoami", NULL, "no:nothing1", 200, "\"id\":\"no\"");
    expect(&w, "GET", "/whoami", NULL, "no:wrong", 401, "");
    expect(&w, "GET", "/whoami", NULL, "", 200, "{\"roles\":[],\"id\":\"\",\"domain\":\"anonymous\"}");
    expect(&w, "POST", "/controller/changePassword", "password=reader2", "rd:reader1", 200, "");
    expect(&w, "GET", "/whoami", NULL, "rd:reader1", 401, "");
    expect(&w, "GET", "/whoami", NULL, "rd:reader2", 200, "\"id\":\"rd\"");
    expect(&w, "PUT", "/settings/rbac/users/local/bad", "password=%ff%ff%ff%ff%ff%ff", NULL, 400, "must be UTF-8");
    expect(&w, "DELETE", "/settings/rbac/users/local/rd", NULL, NULL, 200, "\"\"");
    expect(&w, "GET", "/pools", NULL, "rd:reader2", 401, "");
    close_world(&w);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    static const char text[] = "GET /whoami HTTP/1.1\r\n" ADMIN "\r\n"
                               "POST /pools/default/buckets HTTP/1.1\r\n" ADMIN
                               "Content-Length: 22\r\n\r\nname=P&ramQuotaMB=100&"
                               "GET /pools/default/b/P HTTP/1.1\r\n" ADMIN "\r\n"
                               "DELETE /pools/default/buckets/P HTTP/1.1\r\n" ADMIN "\r\n"
                               "GET /pools/default/b/P HTTP/1.1\r\nConnection: close\r\n" ADMIN "\r\n";
    static const unsigned statuses[] = {200, 202, 200, 200, 404};
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world w;
        open_world(&w, seed, true);
        struct sim_link link = sim_link_default();
        link.piece_max = seed % 2; /* one by one, or cut anywhere */
        sim_link_set(w.sim, NULL, NULL, &link);
        call(&w, false);
        say(&w, text);
        sim_run_for(w.sim, 3 * NS_PER_S);
        assert_int_equal(w.answered, 5);
        for (size_t i = 0; i < 5; i++) assert_int_equal(w.answers[i].status, statuses[i]);
        assert_non_null(strstr(w.answers[2].body, "\"name\":\"P\"")); /* a node's reads see its own writes */
        assert_true(w.closed);
        close_world(&w);
    }
}

static void a_head_has_the_length_and_no_body(void **state)
{
    struct world w;
    open_world(&w, 9, true);
    call(&w, false);
    http_reader_expect_no_body(w.reader);
    say(&w, "HEAD /pools HTTP/1.1\r\n" ADMIN "\r\n");
    say(&w, "GET /whoami HTTP/1.1\r\n" ADMIN "\r\n");
    assert_int_equal(w.answered, 2);
    assert_int_equal(w.answers[0].status, 200);
    assert_string_equal(w.answers[1].body,
                        "{\"roles\":[{\"role\":\"admin\"}],\"id\":\"Administrator\",\"domain\":\"admin\"}");
    close_world(&w);
}

static void broken_requests_are_refused_and_the_connection_ends(void **state)
{
    static const struct {
        const char *text;
        unsigned status;
    } table[] = {
        {"\x80\x01\r\n\r\n", 501},
        {"GET / HTTP/9.9\r\n\r\n", 505},
        {"POST /pools/default HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413},
        {"GET /pools HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400},
    };
    struct world w;
    open_world(&w, 5, true);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        call(&w, false);
        say(&w, table[i].text);
        assert_int_equal(w.answered, 1);
        if (w.answers[0].status / 100 != table[i].status / 100) fail_msg("row %zu: %u", i, w.answers[0].status);
        assert_true(w.closed);
    }
    expect(&w, "GET", "/pools", NULL, NULL, 200, "");
    close_world(&w);
}

static size_t records(const struct world *w)
{
    size_t n = 0;
    for (size_t i = 0; i + 3 < w->streamed.len; i++) n += memcmp(w->streamed.data + i, "\n\n\n\n", 4) == 0;
    return n;
}

static void streams_tell_every_change_and_end_with_their_bucket(void **state)
{
    struct world w, *writer = &w;
    struct world other;
    open_world(&w, 6, true);
    call(&w, true);
    say(&w, "GET /pools/default/bs/B HTTP/1.1\r\n" ADMIN "\r\n");
    assert_int_equal(w.answered, 1);
    assert_int_equal(records(&w), 1);

    /* A second client on the same network, with a book of its own. */
    other = (struct world){.sim = w.sim, .node_loop = w.node_loop, .client_loop = w.client_loop};
    writer = &other;
    expect(writer, "POST", "/pools/default/buckets/B/scopes", "name=s", NULL, 200, "");
    assert_int_equal(records(&w), 2);
    assert_non_null(strstr(buf_text(&w.streamed), "\"collectionsManifestUid\":\"2\""));
    expect(writer, "POST", "/pools/default/buckets/B", "maxTTL=5", NULL, 200, "");
    assert_int_equal(records(&w), 2); /* nothing a client would see */
    expect(writer, "DELETE", "/pools/default/buckets/B", NULL, NULL, 200, "");
    assert_true(w.closed);
    hang_up(writer);
    buf_fini(&other.streamed);
    close_world(&w);
}

static void a_long_poll_ends_with_a_change_or_with_its_time(void **state)
{
    struct world w;
    char path[200];
    open_world(&w, 7, true);
    expect(&w, "GET", "/pools/default?waitChange=10", NULL, NULL, 200, "{\"etag\":\"");
    char etag[24] = {0};
    sscanf(w.answers[0].body, "{\"etag\":\"%23[0-9]", etag);
    snprintf(path, sizeof path, "GET /pools/default?waitChange=5000&etag=%s HTTP/1.1\r\n" ADMIN "\r\n", etag);
    call(&w, false);
    say(&w, path);
    assert_int_equal(w.answered, 0);
    sim_run_for(w.sim, 6 * NS_PER_S);
    assert_int_equal(w.answered, 1);

    call(&w, false);
    say(&w, path);
    struct world other = {.sim = w.sim, .node_loop = w.node_loop, .client_loop = w.client_loop};
    expect(&other, "POST", "/pools/default", "clusterName=new", NULL, 200, "");
    assert_int_equal(w.answered, 1);
    assert_non_null(strstr(w.answers[0].body, "\"clusterName\":\"new\""));
    hang_up(&other);
    buf_fini(&other.streamed);
    close_world(&w);
}

/* A node of another process that comes up before its manager. */
static void who_comes_too_early_waits(void **state)
{
    struct divan_error err;
    struct world w = {.sim = sim_new(11)};
    w.node_loop = sim_host(w.sim, "10.0.0.1");
    w.client_loop = sim_host(w.sim, "10.0.0.2");
    struct io_loop *manager_loop = sim_host(w.sim, "10.0.0.3");
    struct node_options o = {
        .host = "10.0.0.1", .manager_host = "10.0.0.3", .manager_port = 7000, .manager_token = "t"};
    w.node = node_start(w.node_loop, &o, on_ready, &w, &err);
    assert_non_null(w.node);
    call(&w, false);
    say(&w, "GET /pools HTTP/1.1\r\n\r\nGET /whoami HTTP/1.1\r\n\r\n");
    assert_int_equal(w.answered, 0);
    struct manager_options m = {.listen_host = "10.0.0.3", .listen_port = 7000, .token = "t", .vbuckets = 16};
    struct manager *manager = manager_new(manager_loop, &m, &err);
    assert_non_null(manager);
    sim_run_for(w.sim, 3 * NS_PER_S);
    assert_int_equal(w.ready, 1);
    assert_int_equal(w.answered, 2);
    assert_non_null(strstr(w.answers[0].body, "\"pools\":[]"));
    assert_int_equal(w.answers[1].status, 200);
    const struct doc_node *known = doc_find_node(node_doc(w.node), node_uuid(w.node));
    assert_int_equal(known->ports.tls[SVC_KV], 11207); /* introduced again, once it could sign a certificate */

    node_stop(w.node);
    manager_free(manager);
    sim_run_for(w.sim, NS_PER_S);
    w.ready = 0;
    w.node = node_start(w.node_loop, &o, on_ready, &w, &err);
    call(&w, false);
    say(&w, "GET /pools HTTP/1.1\r\n\r\n");
    sim_run_for(w.sim, 10 * NS_PER_S);
    assert_int_equal(w.answered, 1);
    assert_int_equal(w.answers[0].status, 503);
    close_world(&w);
}

/* The client goes while the manager is still thinking, waiting or streaming; then the node goes. */
static void whoever_leaves_first_nothing_is_left(void **state)
{
    static const char *const texts[] = {
        "POST /pools/default/buckets HTTP/1.1\r\n" ADMIN "Content-Length: 21\r\n\r\nname=P&ramQuotaMB=100",
        "POST /pools/default/buckets/B/scopes/@ensureManifest/9 HTTP/1.1\r\n" ADMIN "Content-Length: 0\r\n\r\n",
        "GET /pools/default/bs/B HTTP/1.1\r\n" ADMIN "\r\n",
        "POST /node/controller/rename HTTP/1.1\r\n" ADMIN "Content-Length: 21\r\n\r\nhostname=some.example",
        "GET /pools",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (uint64_t steps = 0; steps < 30; steps += 3) {
            struct world w;
            int64_t live = mem_live();
            open_world(&w, i + 1, true);
            call(&w, true);
            sim_run_for(w.sim, NS_PER_S);
            buf_put_str(io_stream_output(w.stream), texts[i]);
            io_stream_flush(w.stream);
            for (uint64_t s = 0; s < steps; s++) sim_step(w.sim, sim_now(w.sim) + NS_PER_MS);
            if (steps % 2) {
                node_stop(w.node);
                w.node = NULL;
            } else if (w.stream) io_stream_close(w.stream, false);
            sim_run_for(w.sim, NS_PER_S);
            close_world(&w);
            assert_int_equal(mem_live(), live);
        }
}

static void a_port_that_is_taken_fails_the_start_and_is_named(void **state)
{
    struct world w;
    struct divan_error err = {0};
    open_world(&w, 8, true);
    struct node_options o = {.host = "10.0.0.1", .vbuckets = 16};
    assert_null(node_start(w.node_loop, &o, NULL, NULL, &err));
    assert_int_equal(err.code, DIVAN_ERR_PORT_IN_USE);
    assert_non_null(strstr(err.message, "11210"));
    o.host = "not an address";
    assert_null(node_start(w.node_loop, &o, NULL, NULL, &err));
    assert_int_equal(err.code, DIVAN_ERR_INVALID_ARGUMENT);
    close_world(&w);
}

static void memory_that_runs_out_stops_the_start_cleanly_or_is_made_good(void **state)
{
    static const char *const buckets[] = {"B"};
    static const struct manager_setup setup = {
        .user = "a", .password = "password", .buckets = buckets, .bucket_count = 1};
    bool done = false;
    for (uint64_t n = 1; !done && n < 100000; n += 1 + n / 30) {
        struct sim *sim = sim_new(1);
        struct io_loop *loop = sim_host(sim, "10.0.0.1");
        struct world w = {0};
        struct divan_error err = {0};
        struct node_options o = {.host = "10.0.0.1", .vbuckets = 16, .setup = &setup};
        uint64_t before = mem_count();
        mem_fail_at(n);
        struct node *node = node_start(loop, &o, on_ready, &w, &err);
        if (!node) assert_true(err.code != DIVAN_OK);
        sim_run_for(sim, 3 * NS_PER_S);
        done = mem_count() - before < n;
        mem_fail_at(0);
        if (node && w.ready != 1) fail_msg("allocation %u failed: ready %d times", (unsigned)n, w.ready);
        node_stop(node);
        sim_run_for(sim, NS_PER_S);
        sim_free(sim);
    }
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_node_is_set_up_step_by_step),
        cmocka_unit_test(buckets_come_and_go),
        cmocka_unit_test(wrong_ways_are_answered_as_the_server_does),
        cmocka_unit_test(rights_are_those_of_the_roles),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_head_has_the_length_and_no_body),
        cmocka_unit_test(broken_requests_are_refused_and_the_connection_ends),
        cmocka_unit_test(streams_tell_every_change_and_end_with_their_bucket),
        cmocka_unit_test(a_long_poll_ends_with_a_change_or_with_its_time),
        cmocka_unit_test(who_comes_too_early_waits),
        cmocka_unit_test(whoever_leaves_first_nothing_is_left),
        cmocka_unit_test(a_port_that_is_taken_fails_the_start_and_is_named),
        cmocka_unit_test(memory_that_runs_out_stops_the_start_cleanly_or_is_made_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
