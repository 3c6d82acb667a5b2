#include "node/http/connection.h"

#include "base/alloc.h"

enum {
    HEAD_MAX = 64 * 1024,
    BODY_MAX = 20 * 1024 * 1024,
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

void connection_move(struct connection *c, enum conn_state to)
{
    if (c->state == to) return;
    if (!(conn_next[c->state] & 1u << to))
        LOG_E(c->rest->options.log, "REST connection moved from %d to %d", c->state, to);
    c->state = to;
}

/* ---------------------------------------------------------------- life */

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

void connection_free(struct connection *c)
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

void connection_end(struct connection *c, bool flush)
{
    if (c->state == CONN_ENDED) return;
    connection_move(c, CONN_ENDED);
    io_timer_stop(&c->timer);
    if (c->stream) io_stream_close(c->stream, flush);
}

/* The manager's reply may still point here: then the connection waits for it. */
static void on_closed(void *user, const struct divan_error *why)
{
    struct connection *c = user;
    c->stream = NULL;
    if (c->state != CONN_ENDED) connection_move(c, CONN_ENDED);
    io_timer_stop(&c->timer);
    if (!c->asked) connection_free(c);
}

/* ---------------------------------------------------------------- reading */

bool connection_dispatch(struct connection *c)
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
    if (c->rest->doc) return connection_dispatch(c);
    connection_move(c, CONN_HELD);
    return io_timer_start(&c->timer, io_now_ns(c->rest->loop) + PATIENCE_S * NS_PER_S);
}

static void answer_broken(struct connection *c)
{
    c->x.request = NULL;
    answer_empty(c, http_reader_broken_status(c->reader));
}

/* Feeds the reader as long as nothing is being answered; what is left in the stream waits. */
void connection_read_on(struct connection *c)
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
            if (!handle(c, m)) connection_end(c, false);
        } else if (event == HTTP_BROKEN) {
            answer_broken(c);
            connection_end(c, true);
        }
    }
    c->parsing = false;
}

static void on_data(void *user)
{
    connection_read_on(user);
}

static const struct io_handler connection_handler = {.data = on_data, .closed = on_closed};

void rest_connection_open(struct rest *r, struct io_stream *stream, enum rest_service service)
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
    io_timer_init(&c->timer, r->loop, connection_on_time, c);
    list_append(&r->connections, &c->links);
    io_stream_handle(stream, &connection_handler, c);
}
