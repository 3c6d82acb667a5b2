#include "cli/rest.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/http.h"

struct rest_call {
    struct io_loop *loop;
    struct io_lookup *lookup; /* while the name is looked up */
    struct io_stream *stream; /* after that; its end frees the call */
    struct io_timer timer;
    struct http_reader *reader;
    struct buf request;
    struct divan_error err; /* why there is no answer */
    rest_done_fn *fn;       /* NULL: told, or cancelled */
    void *user;
    char where[64];
};

static void call_free(struct rest_call *c)
{
    io_timer_stop(&c->timer);
    http_reader_free(c->reader);
    buf_fini(&c->request);
    mem_free(c);
}

/* The memory goes when the stream has ended; without a stream, now. */
static void let_go(struct rest_call *c)
{
    io_lookup_cancel(c->lookup);
    if (c->stream) io_stream_close(c->stream, false);
    else call_free(c);
}

/* Tells the outcome once. */
static void finish(struct rest_call *c, unsigned status, struct divan_bytes body, const struct divan_error *err)
{
    rest_done_fn *fn = c->fn;
    c->fn = NULL;
    io_timer_stop(&c->timer);
    if (fn) fn(c->user, status, body, err);
    let_go(c);
}

static void on_opened(void *user)
{
    struct rest_call *c = user;
    buf_put_bytes(io_stream_output(c->stream), buf_view(&c->request));
    io_stream_flush(c->stream);
}

static void on_event(struct rest_call *c, enum http_event event, const struct http_message *m)
{
    if (event == HTTP_DONE && m->status >= 200) finish(c, m->status, m->body, NULL);
    if (event == HTTP_BROKEN) finish(c, 0, bytes_of(NULL, 0), &c->err);
}

static void on_data(void *user)
{
    struct rest_call *c = user;
    struct divan_bytes input = io_stream_input(c->stream), left = input;
    const struct http_message *m;
    enum http_event event;
    do {
        event = http_reader_feed(c->reader, &left, &m, &c->err);
        if (event == HTTP_MORE) io_stream_consume(c->stream, input.len);
        else on_event(c, event, m);
    } while (event != HTTP_MORE && c->fn);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct rest_call *c = user;
    const struct http_message *m;
    rest_done_fn *fn = c->fn;
    c->fn = NULL;
    if (fn && why->code) {
        fn(c->user, 0, bytes_of(NULL, 0), why);
    } else if (fn) { /* a body may go on until the end of the connection */
        enum http_event event = http_reader_finish(c->reader, &m, &c->err);
        if (event == HTTP_MORE) err_set(&c->err, DIVAN_ERR_CONNECTION_LOST, "%s closed without an answer", c->where);
        if (event == HTTP_DONE) fn(c->user, m->status, m->body, NULL);
        else fn(c->user, 0, bytes_of(NULL, 0), &c->err);
    }
    call_free(c);
}

static void on_timeout(void *user)
{
    struct rest_call *c = user;
    err_set(&c->err, DIVAN_ERR_UNAMBIGUOUS_TIMEOUT, "%s did not answer in time", c->where);
    finish(c, 0, bytes_of(NULL, 0), &c->err);
}

static const struct io_handler handler = {.opened = on_opened, .data = on_data, .closed = on_closed};

static void put_request(const struct rest_request *r, struct buf *out)
{
    char host[300];
    snprintf(host, sizeof host, strchr(r->host, ':') ? "[%.255s]:%u" : "%.255s:%u", r->host, r->port);
    http_put_request(out, r->method, r->target);
    http_put_header(out, "Host", host);
    if (r->user) http_put_basic_auth(out, divan_str(r->user), divan_str(r->password ? r->password : ""));
    http_put_header(out, "Accept", "application/json");
    http_put_header(out, "Connection", "close");
    if (r->form.len) http_put_header(out, "Content-Type", "application/x-www-form-urlencoded");
    http_put_body(out, r->form);
}

static void on_address(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *err)
{
    struct rest_call *c = user;
    c->lookup = NULL;
    if (count) c->stream = io_connect(c->loop, &addrs[0], &handler, c, &c->err);
    else c->err = *err;
    if (!c->stream) finish(c, 0, bytes_of(NULL, 0), &c->err);
}

struct rest_call *rest_start(struct io_loop *loop, const struct rest_request *r, rest_done_fn *fn, void *user,
                             struct divan_error *err)
{
    struct rest_call *c = mem_zalloc(sizeof *c);
    if (!c) return err_oom(err), NULL;
    *c = (struct rest_call){.loop = loop, .request = {.limit = 1 << 20}, .fn = fn, .user = user};
    snprintf(c->where, sizeof c->where, "%.50s:%u", r->host, r->port);
    io_timer_init(&c->timer, loop, on_timeout, c);
    c->reader = http_reader_new(HTTP_READS_RESPONSES, NULL);
    put_request(r, &c->request);
    uint64_t timeout_ns = (r->timeout_ms ? r->timeout_ms : 5000) * NS_PER_MS;
    bool ok = c->reader && !c->request.failed && io_timer_start(&c->timer, io_now_ns(loop) + timeout_ns);
    if (!ok) err_oom(err);
    else c->lookup = io_lookup_start(loop, r->host, r->port, IO_ANY, on_address, c, err);
    if (c->lookup) return c;
    call_free(c);
    return NULL;
}

void rest_cancel(struct rest_call *c)
{
    if (!c || !c->fn) return;
    c->fn = NULL;
    io_timer_stop(&c->timer);
    let_go(c);
}

/* ---- waiting */

struct waiting {
    bool done;
    unsigned status;
    struct buf body;
    struct divan_error err;
};

static void waited(void *user, unsigned status, struct divan_bytes body, const struct divan_error *err)
{
    struct waiting *w = user;
    w->done = true;
    w->status = status;
    buf_put_bytes(&w->body, body);
    if (err) w->err = *err;
}

enum divan_code rest_do(const struct rest_request *r, struct buf *body, struct divan_error *err)
{
    struct waiting w = {.body = {.limit = 64 << 20}};
    struct io_loop *loop = io_loop_new_uv(err);
    struct rest_call *call = loop ? rest_start(loop, r, waited, &w, err) : NULL;
    while (call && !w.done) io_run_once(loop, IO_NEVER);
    enum divan_code rc = call ? DIVAN_OK : err->code;
    if (!rc && w.err.code) *err = w.err, rc = w.err.code;
    if (!rc && w.body.failed) rc = err_oom(err);
    if (!rc && (w.status == 401 || w.status == 403))
        rc = err_set(err, DIVAN_ERR_AUTHENTICATION_FAILURE,
                     "%s port %u refused the user name or password of \"%s\": check both", r->host, r->port,
                     r->user ? r->user : "");
    if (!rc && w.status / 100 != 2)
        rc = err_set(err, DIVAN_ERR_FAILED, "%s %s on %s port %u was answered with %u: %.*s", r->method, r->target,
                     r->host, r->port, w.status, (int)(w.body.len < 200 ? w.body.len : 200),
                     w.body.data ? (const char *)w.body.data : "");
    io_loop_free(loop); /* ends the stream, which frees the call */
    if (!rc && body) *body = w.body;
    else buf_fini(&w.body);
    return rc;
}
