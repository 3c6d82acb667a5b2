/* Conversations with the management service: what is sent, kept alive, retried, and what is not. */
#include "sim/support_script.h"

#include <stdio.h>

#include "base/error.h"
#include "client/services/http.h"
#include "text/http.h"

#define HOST_1 "10.0.0.1"
#define HOST_2 "10.0.0.2"

enum { PORT = 8091, ANSWERS = 32, CONNECTIONS = 32 };

/* A server that answers the n-th request with the n-th line: a whole response, NULL = closes, "" = says nothing. */
struct server {
    struct io_loop *loop;
    struct io_listener *listener;
    const char *answers[ANSWERS];
    size_t requests, accepted;
    char last[600];
    struct caller {
        struct server *server;
        struct io_stream *stream;
        struct http_reader *reader;
    } callers[CONNECTIONS];
};

struct stage {
    struct sim *sim;
    struct script *a, *b;
    struct server http;
    struct probe client;
};

static void serve(struct caller *c, const struct http_message *m)
{
    struct server *s = c->server;
    const char *answer = s->requests < ANSWERS ? s->answers[s->requests] : NULL;
    struct divan_bytes auth = http_header(m, "Authorization");
    snprintf(s->last, sizeof s->last, "%.*s %.*s %s %.*s", (int)m->method.len, (const char *)m->method.data,
             (int)m->target.len, (const char *)m->target.data, bytes_is(auth, "Basic dTpw") ? "u:p" : "?",
             (int)m->body.len, (const char *)m->body.data);
    s->requests++;
    if (!answer) {
        io_stream_close(c->stream, false);
        c->stream = NULL;
        return;
    }
    buf_put_str(io_stream_output(c->stream), answer);
    io_stream_flush(c->stream);
}

static void on_data(void *user)
{
    struct caller *c = user;
    struct divan_bytes input = io_stream_input(c->stream), rest = input;
    const struct http_message *m = NULL;
    struct divan_error err;
    enum http_event event = http_reader_feed(c->reader, &rest, &m, &err);
    io_stream_consume(c->stream, input.len - rest.len);
    if (event == HTTP_DONE) serve(c, m);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct caller *c = user;
    c->stream = NULL;
    http_reader_free(c->reader);
    c->reader = NULL;
}

static const struct io_handler handler = {.data = on_data, .closed = on_closed};

static void on_accept(void *user, struct io_stream *stream)
{
    struct server *s = user;
    assert_true(s->accepted < CONNECTIONS);
    struct caller *c = &s->callers[s->accepted++];
    *c = (struct caller){s, stream, http_reader_new(HTTP_READS_REQUESTS, NULL)};
    io_stream_handle(stream, &handler, c);
}

static void listen_at(struct server *s, struct sim *sim, const char *host)
{
    struct io_addr at;
    struct divan_error err;
    memset(s, 0, sizeof *s);
    s->loop = sim_host(sim, host);
    assert_true(io_addr_parse(&at, host, PORT));
    s->listener = io_listen(s->loop, &at, on_accept, s, &err);
    assert_non_null(s->listener);
}

static const char *const two_hosts[] = {HOST_1, HOST_2};

/* The management service is on the second node only; the first refuses connections to it. */
static void set(struct stage *t, uint64_t seed)
{
    memset(t, 0, sizeof *t);
    t->sim = sim_new(seed);
    t->a = script_new(t->sim, HOST_1);
    t->b = script_new(t->sim, HOST_2);
    struct script *both[] = {t->a, t->b};
    for (int i = 0; i < 2; i++)
        script_make_config(both[i]->config, sizeof both[i]->config, 1, 10, two_hosts, 2, (const int[]){0}, 1, 8);
    listen_at(&t->http, t->sim, HOST_2);
    assert_int_equal(probe_open_wait(&t->client, t->sim, "couchbase://10.0.0.1/b", NULL), DIVAN_OK);
}

static void strike(struct stage *t)
{
    probe_close(&t->client);
    sim_free(t->sim);
    script_free(t->a);
    script_free(t->b);
}

static void start(struct stage *t, const char *method, const char *path, const char *body, uint32_t timeout_ms,
                  bool fail_fast)
{
    struct client *c = t->client.client;
    struct divan_error err;
    const struct http_parts parts = {divan_str(method), divan_str(path), divan_str("text/plain"), divan_str(body)};
    struct operation *op = client_take(c);
    assert_non_null(op);
    op->kind = strcmp(method, "GET") ? KIND_HTTP : KIND_HTTP_READ;
    op->how = DONE_WAITER; /* the probe takes all that is delivered */
    op->timeout_ms = timeout_ms;
    op->fail_fast = fail_fast;
    assert_true(http_put(op, &parts, ABOUT_ANYTHING));
    assert_int_equal(client_start(c, op, &err), DIVAN_OK);
}

static struct operation *ask(struct stage *t, const char *method, const char *path, uint32_t timeout_ms, bool fail_fast)
{
    size_t n = t->client.count;
    start(t, method, path, "", timeout_ms, fail_fast);
    probe_wait(&t->client, n + 1);
    return t->client.results[n];
}

#define OK_BODY     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define OK_CHUNKED  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"
#define OK_CLOSING  "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi"
#define BUSY        "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
#define NOT_ALLOWED "HTTP/1.1 403 Forbidden\r\nContent-Length: 17\r\n\r\n{\"message\":\"no!\"}"

static void requests_share_connections(void **state)
{
    struct stage t;
    set(&t, 1);
    for (int i = 0; i < 4; i++) t.http.answers[i] = i == 2 ? OK_CHUNKED : OK_BODY;
    for (int i = 0; i < 4; i++) {
        struct operation *op = ask(&t, "GET", "/pools", 5000, false);
        assert_int_equal(probe_code(op), DIVAN_OK);
        assert_true(bytes_is(op->value, "hi"));
        assert_int_equal(op->status, 200);
        assert_string_equal(op->endpoint, HOST_2 ":8091");
    }
    assert_string_equal(t.http.last, "GET /pools u:p ");
    assert_int_equal(t.http.requests, 4);
    assert_int_equal(t.http.accepted, 1);
    strike(&t);
}

static void many_at_once_wait_for_connections(void **state)
{
    struct stage t;
    set(&t, 2);
    for (int i = 0; i < 30; i++) t.http.answers[i] = OK_BODY;
    for (int i = 0; i < 30; i++) start(&t, "GET", "/x", "", 5000, false);
    probe_wait(&t.client, 30);
    for (int i = 0; i < 30; i++) assert_int_equal(probe_code(t.client.results[i]), DIVAN_OK);
    assert_int_equal(t.http.requests, 30);
    assert_true(t.http.accepted <= 12);
    strike(&t);
}

static void an_answer_may_end_with_the_connection(void **state)
{
    struct stage t;
    set(&t, 3);
    t.http.answers[0] = OK_CLOSING;
    t.http.answers[1] = OK_BODY;
    start(&t, "GET", "/a", "", 5000, false);
    probe_run_for(&t.client, 200 * NS_PER_MS);
    for (size_t i = 0; i < t.http.accepted; i++)
        if (t.http.callers[i].stream) io_stream_close(t.http.callers[i].stream, true);
    probe_wait(&t.client, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_OK);
    assert_true(bytes_is(t.client.results[0]->value, "hi"));
    assert_int_equal(probe_code(ask(&t, "GET", "/b", 5000, false)), DIVAN_OK);
    strike(&t);
}

static void what_was_not_carried_out_is_sent_again(void **state)
{
    struct stage t;
    set(&t, 4);
    t.http.answers[0] = BUSY;
    t.http.answers[1] = BUSY;
    t.http.answers[2] = OK_BODY;
    struct operation *op = ask(&t, "POST", "/change", 5000, false);
    assert_int_equal(probe_code(op), DIVAN_OK);
    assert_int_equal(t.http.requests, 3);
    assert_true(op->attempts >= 3);
    t.http.answers[3] = BUSY;
    op = ask(&t, "POST", "/change", 5000, true);
    assert_true(probe_code(op) == DIVAN_ERR_SERVICE_NOT_AVAILABLE || probe_code(op) == DIVAN_ERR_UNREACHABLE);
    strike(&t);
}

static void a_read_is_repeated_after_a_loss_and_a_change_is_not(void **state)
{
    struct stage t;
    set(&t, 5);
    t.http.answers[0] = NULL;
    t.http.answers[1] = NULL;
    t.http.answers[2] = OK_BODY;
    assert_int_equal(probe_code(ask(&t, "GET", "/read", 5000, false)), DIVAN_OK);
    assert_int_equal(t.http.requests, 3);
    t.http.answers[3] = NULL;
    struct operation *op = ask(&t, "POST", "/change", 5000, false);
    assert_int_equal(probe_code(op), DIVAN_ERR_CONNECTION_LOST);
    assert_true(op->error->flags & DIVAN_IS_AMBIGUOUS);
    assert_int_equal(t.http.requests, 4);
    strike(&t);
}

static void deadlines_are_kept(void **state)
{
    struct stage t;
    set(&t, 6);
    for (int i = 0; i < 4; i++) t.http.answers[i] = "";
    uint64_t begin = sim_now(t.sim);
    assert_int_equal(probe_code(ask(&t, "GET", "/read", 700, false)), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_in_range(sim_now(t.sim) - begin, 700 * NS_PER_MS, 705 * NS_PER_MS);
    struct operation *op = ask(&t, "POST", "/change", 700, false);
    assert_int_equal(probe_code(op), DIVAN_ERR_AMBIGUOUS_TIMEOUT);
    io_listener_close(t.http.listener);
    op = ask(&t, "POST", "/change", 700, false);
    assert_int_equal(probe_code(op), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_non_null(strstr(op->error->message, "does not accept connections"));
    strike(&t);
}

static void refusals_carry_the_words_of_the_server(void **state)
{
    struct stage t;
    set(&t, 7);
    t.http.answers[0] = NOT_ALLOWED;
    t.http.answers[1] = "HTTP/1.1 2OO nonsense\r\n\r\n";
    struct operation *op = ask(&t, "POST", "/change", 5000, false);
    assert_int_equal(probe_code(op), DIVAN_ERR_AUTHENTICATION_FAILURE);
    assert_non_null(strstr(op->error->message, "(HTTP status 403): no!"));
    assert_int_equal(op->error->server_status, 403);
    assert_int_equal(probe_code(ask(&t, "POST", "/change", 5000, false)), DIVAN_ERR_HTTP_MESSAGE);
    strike(&t);
}

static void closing_completes_what_is_under_way(void **state)
{
    struct stage t;
    set(&t, 8);
    for (int i = 0; i < 20; i++) t.http.answers[i] = "";
    for (int i = 0; i < 20; i++) start(&t, "GET", "/x", "", 5000, false);
    probe_run_for(&t.client, 100 * NS_PER_MS);
    assert_int_equal(t.client.count, 0);
    client_close(t.client.client);
    assert_int_equal(t.client.count, 20);
    for (int i = 0; i < 20; i++) assert_int_equal(probe_code(t.client.results[i]), DIVAN_ERR_CANCELLED);
    strike(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_share_connections),
        cmocka_unit_test(many_at_once_wait_for_connections),
        cmocka_unit_test(an_answer_may_end_with_the_connection),
        cmocka_unit_test(what_was_not_carried_out_is_sent_again),
        cmocka_unit_test(a_read_is_repeated_after_a_loss_and_a_change_is_not),
        cmocka_unit_test(deadlines_are_kept),
        cmocka_unit_test(refusals_carry_the_words_of_the_server),
        cmocka_unit_test(closing_completes_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
