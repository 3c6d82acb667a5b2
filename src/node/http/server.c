#include "node/http/server.h"

#include "base/alloc.h"
#include "base/error.h"
#include "node/http/calendar.h"
#include "text/utf8.h"

enum {
    HEAD_MAX = 64 * 1024,
    BODY_MAX = 20 * 1024 * 1024,
    STREAM_BACKLOG_MAX = 8 * 1024 * 1024, /* a reader of a stream that falls this far behind is cut */
};

enum conn_state {
    CONN_READING, /* no request is being answered */
    CONN_HELD,    /* one came before the node knows its cluster */
    CONN_ASKING,  /* the manager has it */
    CONN_WAITING, /* x_wait() */
    CONN_STREAM,  /* x_stream(): for the rest of the connection's life */
    CONN_ENDED,   /* closed, or closing */
    CONN_STATES
};

#define TO(s) (1u << CONN_##s)
static const unsigned conn_next[CONN_STATES] = {
    [CONN_READING] = TO(HELD) | TO(ASKING) | TO(WAITING) | TO(STREAM) | TO(ENDED),
    [CONN_HELD] = TO(READING) | TO(ENDED),
    [CONN_ASKING] = TO(READING) | TO(ENDED),
    [CONN_WAITING] = TO(READING) | TO(ENDED),
    [CONN_STREAM] = TO(ENDED),
    [CONN_ENDED] = 0,
};

struct connection {
    struct link links;
    struct rest *rest;
    enum rest_service service;
    struct io_stream *stream; /* NULL: gone */
    struct http_reader *reader;
    enum conn_state state;
    bool answered, parsing;
    unsigned asked; /* replies of the manager that are still to come */
    struct exchange x;
    render_fn *render;
    struct buf last; /* what a stream sent last */
    try_fn *try_again;
    void (*cancel)(void *arg); /* of x_pause(); NULL = not paused */
    void *cancel_arg;
    struct io_timer timer;
};

static void move(struct connection *c, enum conn_state to)
{
    if (c->state == to) return;
    if (!(conn_next[c->state] & 1u << to))
        LOG_E(c->rest->options.log, "REST connection moved from %d to %d", c->state, to);
    c->state = to;
}

/* ---------------------------------------------------------------- life of a connection */

static void exchange_clear(struct exchange *x)
{
    buf_clear(&x->text);
    buf_clear(&x->body);
    x->field_count = x->arg_count = 0;
    x->user = "";
    x->who = (struct identity){.anonymous = true};
    doc_release(x->doc);
    x->doc = NULL;
}

static void connection_free(struct connection *c)
{
    list_remove(&c->links);
    io_timer_stop(&c->timer);
    exchange_clear(&c->x);
    buf_fini(&c->x.text);
    buf_fini(&c->x.body);
    buf_fini(&c->last);
    http_reader_free(c->reader);
    mem_free(c);
}

static void end(struct connection *c, bool flush)
{
    if (c->state == CONN_ENDED) return;
    move(c, CONN_ENDED);
    io_timer_stop(&c->timer);
    if (c->stream) io_stream_close(c->stream, flush);
}

/* The manager's reply may still point here: then the connection waits for it. */
static void on_closed(void *user, const struct divan_error *why)
{
    struct connection *c = user;
    c->stream = NULL;
    if (c->state != CONN_ENDED) move(c, CONN_ENDED);
    io_timer_stop(&c->timer);
    if (!c->asked) connection_free(c);
}

/* ---------------------------------------------------------------- answers */

static void put_common(struct connection *c, struct buf *out, unsigned status)
{
    char date[40];
    http_put_status(out, status, status == 404 ? "Object Not Found" : NULL);
    http_put_header(out, "Server", "Divan/" DIVAN_VERSION);
    http_put_header(out, "Date", calendar_http(io_wall_ns(c->rest->loop) / NS_PER_S, date, sizeof date));
    http_put_header(out, "Cache-Control", "no-cache,no-store,must-revalidate");
    if (!c->x.request || !c->x.request->keep_alive) http_put_header(out, "Connection", "close");
}

/* Sends an answer with its head done except for what follows the type. */
static void finish(struct connection *c, struct buf *out, struct divan_bytes body)
{
    const struct http_message *m = c->x.request;
    if (m && bytes_is(m->method, "HEAD")) {
        buf_printf(out, "Content-Length: %zu\r\n\r\n", body.len);
    } else http_put_body(out, body);
    bool keep = m && m->keep_alive;
    c->answered = true;
    if (out->failed) {
        end(c, false);
        return;
    }
    io_stream_flush(c->stream);
    if (c->state == CONN_ENDED) return;
    move(c, CONN_READING);
    if (!keep) end(c, true);
}

static void answer(struct exchange *x, unsigned status, const char *type, const char *more, const char *value,
                   struct divan_bytes body)
{
    struct connection *c = x->conn;
    if (c->state == CONN_ENDED || !c->stream) return;
    struct buf *out = io_stream_output(c->stream);
    put_common(c, out, status);
    if (type) http_put_header(out, "Content-Type", type);
    if (more) http_put_header(out, more, value);
    finish(c, out, body);
}

void x_text(struct exchange *x, unsigned status, const char *text)
{
    answer(x, status, text[0] ? "text/plain" : NULL, NULL, NULL, divan_str(text));
}

void x_json(struct exchange *x, unsigned status)
{
    if (x->body.failed) x_text(x, 500, "out of memory");
    else answer(x, status, "application/json", NULL, NULL, buf_view(&x->body));
}

void x_json_text(struct exchange *x, unsigned status, const char *json)
{
    answer(x, status, "application/json", NULL, NULL, divan_str(json));
}

void x_not_found(struct exchange *x)
{
    x_text(x, 404, "Requested resource not found.\r\n");
}

void x_unauthorized(struct exchange *x)
{
    answer(x, 401, NULL, "WWW-Authenticate", "Basic realm=\"Couchbase Server Admin / REST\"", (struct divan_bytes){0});
}

void x_forbidden(struct exchange *x, const char *permission)
{
    buf_clear(&x->body);
    jw_open(&x->body, NULL, '{');
    jw_str(&x->body, "message", "Forbidden. User needs the following permissions");
    jw_open(&x->body, "permissions", '[');
    jw_str(&x->body, NULL, permission);
    jw_close(&x->body, ']');
    jw_close(&x->body, '}');
    x_json(x, 403);
}

void x_redirect(struct exchange *x, const char *location, const char *html)
{
    answer(x, 301, "text/html", "Location", location, divan_str(html));
}

void x_reply(struct exchange *x, const struct manager_reply *r)
{
    const char *type = !r->body.len ? NULL : r->json ? "application/json" : "text/plain";
    answer(x, (unsigned)r->status, type, r->location ? "Location" : NULL, r->location, r->body);
}

/* ---------------------------------------------------------------- reading */

static bool dispatch(struct connection *c)
{
    c->x.doc = doc_retain(c->rest->doc);
    router_dispatch(&c->x, c->service);
    return !c->x.text.failed;
}

/* The first moments of a node: it listens before it has heard from its manager, and who comes then waits for that. */
static bool handle(struct connection *c, const struct http_message *m)
{
    enum { PATIENCE_S = 10 };
    exchange_clear(&c->x);
    c->x.request = m;
    c->answered = false;
    if (c->rest->doc) return dispatch(c);
    move(c, CONN_HELD);
    return io_timer_start(&c->timer, io_now_ns(c->rest->loop) + PATIENCE_S * NS_PER_S);
}

static void answer_broken(struct connection *c)
{
    c->x.request = NULL;
    answer(&c->x, http_reader_broken_status(c->reader), NULL, NULL, NULL, (struct divan_bytes){0});
}

/* Feeds the reader as long as nothing is being answered; what is left in the stream waits. */
static void read_on(struct connection *c)
{
    if (c->parsing) return; /* an answer given at once: the loop below goes on */
    c->parsing = true;
    while (c->state == CONN_READING && c->stream) {
        struct divan_bytes all = io_stream_input(c->stream), in = all;
        const struct http_message *m = NULL;
        struct divan_error err;
        if (!all.len) break;
        enum http_event event = http_reader_feed(c->reader, &in, &m, &err);
        io_stream_consume(c->stream, all.len - in.len);
        if (event == HTTP_HEADERS && m->expect_continue) {
            http_put_continue(io_stream_output(c->stream));
            io_stream_flush(c->stream);
        } else if (event == HTTP_DONE) {
            if (!handle(c, m)) end(c, false);
        } else if (event == HTTP_BROKEN) {
            answer_broken(c);
            end(c, true);
        }
    }
    c->parsing = false;
}

static void on_data(void *user)
{
    read_on(user);
}

static const struct io_handler connection_handler = {.data = on_data, .closed = on_closed};

/* ---------------------------------------------------------------- answers that take time */

static void on_reply(void *user, const struct manager_reply *reply)
{
    struct connection *c = user;
    c->asked--;
    if (!c->stream) {
        if (!c->asked) connection_free(c);
        return;
    }
    x_reply(&c->x, reply);
    read_on(c);
}

static bool is_utf8(struct divan_bytes text)
{
    const uint8_t *at = text.data;
    for (size_t i = 0, n; i < text.len; i += n)
        if (!(n = utf8_length(at + i, text.len - i))) return false;
    return true;
}

/* Links speak JSON, which would change other bytes on the way: a password that nobody could log in with. */
static bool can_be_passed_on(const struct exchange *x)
{
    bool good = is_utf8(x->request->body);
    for (size_t i = 0; i < x->arg_count; i++) good = good && is_utf8(x->args[i]);
    for (size_t i = 0; i < x->field_count; i++)
        good = good && is_utf8(x->fields[i].name) && is_utf8(x->fields[i].value);
    return good;
}

void x_forward(struct exchange *x, const char *op)
{
    struct connection *c = x->conn;
    const struct rest_options *o = &c->rest->options;
    struct manager_request request = {.op = op,
                                      .args = x->args,
                                      .arg_count = x->arg_count,
                                      .form = x->fields,
                                      .form_count = x->field_count,
                                      .body = x->request->body,
                                      .node = o->self,
                                      .user = x->user,
                                      .external = x->who.user && x->who.user->external};
    if (!can_be_passed_on(x)) {
        x_json_text(x, 400, "{\"errors\":{\"_\":\"The request must be UTF-8\"}}");
        return;
    }
    move(c, CONN_ASKING);
    c->asked++;
    if (o->ask(o->ask_user, &request, on_reply, c)) return;
    c->asked--;
    x_text(x, 500, "out of memory");
}

/* Goes on with the document that holds now; false when the user is gone from it. */
static bool rebind(struct connection *c)
{
    struct exchange *x = &c->x;
    doc_release(x->doc);
    x->doc = x->who.doc = doc_retain(c->rest->doc);
    if (!x->who.user) return true;
    x->who.user = doc_find_user(x->doc, divan_str(x->user), false);
    return x->who.user != NULL;
}

void x_pause(struct exchange *x, void (*cancel)(void *arg), void *arg)
{
    struct connection *c = x->conn;
    move(c, CONN_ASKING);
    c->asked++;
    c->cancel = cancel;
    c->cancel_arg = arg;
}

bool x_resume(struct exchange *x)
{
    struct connection *c = x->conn;
    c->asked--;
    c->cancel = NULL;
    if (c->stream) return true;
    if (!c->asked) connection_free(c);
    return false;
}

static void try_now(struct connection *c, bool last)
{
    if (!rebind(c)) x_unauthorized(&c->x);
    else if (!c->try_again(&c->x, last)) return;
    io_timer_stop(&c->timer);
    read_on(c);
}

static void on_timer(void *user)
{
    struct connection *c = user;
    if (c->state != CONN_HELD) {
        try_now(c, true);
        return;
    }
    x_text(&c->x, 503, "the node has not heard from its manager yet\n");
    read_on(c);
}

static void release_held(struct connection *c)
{
    io_timer_stop(&c->timer);
    move(c, CONN_READING);
    if (!dispatch(c)) end(c, false);
    read_on(c);
}

void x_wait(struct exchange *x, try_fn *try_again, uint64_t ms)
{
    struct connection *c = x->conn;
    if (try_again(x, !ms)) return;
    c->try_again = try_again;
    move(c, CONN_WAITING);
    if (!io_timer_start(&c->timer, io_now_ns(c->rest->loop) + ms * NS_PER_MS)) try_again(x, true);
}

/* One record and its separator; false when the stream is over. */
static bool stream_record(struct connection *c, bool first)
{
    struct exchange *x = &c->x;
    struct buf *out = io_stream_output(c->stream);
    buf_clear(&x->body);
    if (!c->render(x, &x->body) || x->body.failed) return false;
    if (!first && bytes_equal(buf_view(&x->body), buf_view(&c->last))) return true;
    if (io_stream_backlog(c->stream) > STREAM_BACKLOG_MAX) return false;
    http_put_chunk(out, buf_view(&x->body));
    http_put_chunk(out, divan_str("\n\n\n\n"));
    io_stream_flush(c->stream);
    buf_clear(&c->last);
    buf_put_bytes(&c->last, buf_view(&x->body));
    return !out->failed && !c->last.failed;
}

void x_stream(struct exchange *x, render_fn *render)
{
    struct connection *c = x->conn;
    struct buf *out = io_stream_output(c->stream);
    buf_clear(&x->body);
    if (!render(x, &x->body)) {
        x_not_found(x);
        return;
    }
    move(c, CONN_STREAM);
    c->render = render;
    put_common(c, out, 200);
    http_put_header(out, "Content-Type", "application/json; charset=utf-8");
    http_put_chunked(out);
    if (!stream_record(c, true)) end(c, false);
}

static void stream_again(struct connection *c)
{
    if (rebind(c) && stream_record(c, false)) return;
    if (c->state == CONN_ENDED) return;
    http_put_last_chunk(io_stream_output(c->stream));
    end(c, true);
}

/* ---------------------------------------------------------------- the whole */

static void on_accept(struct rest *r, struct io_stream *stream, enum rest_service service)
{
    static const struct http_limits limits = {.head_bytes = HEAD_MAX, .body_bytes = BODY_MAX};
    struct connection *c = mem_zalloc(sizeof *c);
    struct http_reader *reader = c ? http_reader_new(HTTP_READS_REQUESTS, &limits) : NULL;
    if (!reader) {
        mem_free(c);
        io_stream_close(stream, false);
        return;
    }
    c->rest = r;
    c->service = service;
    c->stream = stream;
    c->reader = reader;
    c->x.rest = r;
    c->x.conn = c;
    c->x.text.limit = c->x.body.limit = c->last.limit = 32 << 20;
    io_timer_init(&c->timer, r->loop, on_timer, c);
    list_append(&r->connections, &c->links);
    io_stream_handle(stream, &connection_handler, c);
}

static void accept_management(void *user, struct io_stream *stream)
{
    on_accept(user, stream, REST_MANAGEMENT);
}
static void accept_views(void *user, struct io_stream *stream)
{
    on_accept(user, stream, REST_VIEWS);
}

struct rest *rest_new(struct io_loop *loop, const struct rest_options *o, struct divan_error *err)
{
    struct rest *r = mem_zalloc(sizeof *r);
    if (!r || !auth_init(&r->auth)) {
        mem_free(r);
        err_oom(err);
        return NULL;
    }
    r->loop = loop;
    r->options = *o;
    r->started_ns = io_now_ns(loop);
    list_init(&r->connections);
    return r;
}

enum divan_code rest_listen(struct rest *r, const struct io_addr *addr, struct io_tls *tls, enum rest_service service,
                            struct io_addr *bound, struct divan_error *err)
{
    struct divan_error local;
    struct rest_listener *l = NULL;
    io_accept_fn *fn = service == REST_VIEWS ? accept_views : accept_management;
    if (!err) err = &local;
    for (size_t i = 0; i < sizeof r->listeners / sizeof *r->listeners && !l; i++)
        if (!r->listeners[i].io) l = &r->listeners[i];
    if (!l) return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the REST interface listens on too many addresses");
    l->io = tls ? io_listen_tls(r->loop, addr, tls, fn, r, err) : io_listen(r->loop, addr, fn, r, err);
    if (!l->io) return err->code;
    l->tls = tls != NULL;
    if (bound) *bound = *io_listener_addr(l->io);
    return DIVAN_OK;
}

static void close_listeners(struct rest *r, bool only_tls)
{
    for (size_t i = 0; i < sizeof r->listeners / sizeof *r->listeners; i++) {
        struct rest_listener *l = &r->listeners[i];
        if (!l->io || (only_tls && !l->tls)) continue;
        io_listener_close(l->io);
        l->io = NULL;
    }
}

void rest_unlisten_tls(struct rest *r)
{
    close_listeners(r, true);
}

void rest_set_doc(struct rest *r, const struct doc *d)
{
    const struct doc *old = r->doc;
    r->doc = doc_retain(d);
    list_each(&r->connections, it)
    {
        struct connection *c = container_of(it, struct connection, links);
        if (c->state == CONN_HELD) release_held(c);
        else if (c->state == CONN_STREAM) stream_again(c);
        else if (c->state == CONN_WAITING) try_now(c, false);
    }
    doc_release(old);
}

/* Streams end with the loop, so connections give up their pointer to the rest now and are freed by their closing. */
void rest_free(struct rest *r)
{
    if (!r) return;
    close_listeners(r, false);
    list_each(&r->connections, it)
    {
        struct connection *c = container_of(it, struct connection, links);
        if (c->cancel) c->cancel(c->cancel_arg);
        c->asked = 0;
        if (!c->stream) {
            connection_free(c);
            continue;
        }
        end(c, true);
        list_remove(&c->links);
    }
    doc_release(r->doc);
    mem_free(r);
}

struct divan_bytes x_field(const struct exchange *x, const char *name)
{
    for (size_t i = 0; i < x->field_count; i++)
        if (bytes_is(x->fields[i].name, name)) return x->fields[i].value.data ? x->fields[i].value : divan_str("");
    return (struct divan_bytes){NULL, 0};
}

int64_t x_number(const struct exchange *x, const char *name, int64_t fallback)
{
    struct divan_bytes v = x_field(x, name);
    int64_t n = 0;
    if (!v.len || v.len > 15) return fallback;
    for (size_t i = 0; i < v.len; i++) {
        char c = ((const char *)v.data)[i];
        if (c < '0' || c > '9') return fallback;
        n = n * 10 + (c - '0');
    }
    return n;
}

struct doc_bucket *x_bucket(struct exchange *x)
{
    struct doc_bucket *b = doc_find_bucket(x->doc, x->args[0]);
    struct divan_bytes uuid = x_field(x, "?bucket_uuid");
    if (!b) x_not_found(x);
    else if (uuid.data && !bytes_is(uuid, b->uuid))
        x_text(x, 404, "Bucket uuid does not match the requested.\r\n"), b = NULL;
    return b;
}

const char *x_local_host(const struct exchange *x)
{
    return x->conn->stream ? io_stream_local(x->conn->stream)->host : "127.0.0.1";
}

const struct doc_node *x_self(const struct exchange *x)
{
    return doc_find_node(x->doc, x->rest->options.self);
}
