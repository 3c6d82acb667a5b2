/* Answers that take time: from the manager, after a change, as a stream. */
#include "node/http/connection.h"
#include "text/utf8.h"

enum { STREAM_BACKLOG_MAX = 8 * 1024 * 1024 /* a reader of a stream that falls this far behind is cut */ };

static void on_reply(void *user, const struct manager_reply *reply)
{
    struct connection *c = user;
    c->asked--;
    if (!c->stream) {
        if (!c->asked) connection_free(c);
        return;
    }
    x_reply(&c->x, reply);
    connection_read_on(c);
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
    connection_move(c, CONN_ASKING);
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
    connection_move(c, CONN_ASKING);
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

void connection_try(struct connection *c, bool last)
{
    if (!rebind(c)) x_unauthorized(&c->x);
    else if (!c->try_again(&c->x, last)) return;
    io_timer_stop(&c->timer);
    connection_read_on(c);
}

void connection_on_time(void *user)
{
    struct connection *c = user;
    if (c->state != CONN_HELD) {
        connection_try(c, true);
        return;
    }
    x_text(&c->x, 503, "the node has not heard from its manager yet\n");
    connection_read_on(c);
}

void connection_release(struct connection *c)
{
    io_timer_stop(&c->timer);
    connection_move(c, CONN_READING);
    if (!connection_dispatch(c)) connection_end(c, false);
    connection_read_on(c);
}

void x_wait(struct exchange *x, try_fn *try_again, uint64_t ms)
{
    struct connection *c = x->conn;
    if (try_again(x, !ms)) return;
    c->try_again = try_again;
    connection_move(c, CONN_WAITING);
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
    connection_move(c, CONN_STREAM);
    c->render = render;
    answer_begin(c, out, 200);
    http_put_header(out, "Content-Type", "application/json; charset=utf-8");
    http_put_chunked(out);
    if (!stream_record(c, true)) connection_end(c, false);
}

void connection_stream_again(struct connection *c)
{
    if (rebind(c) && stream_record(c, false)) return;
    if (c->state == CONN_ENDED) return;
    http_put_last_chunk(io_stream_output(c->stream));
    connection_end(c, true);
}
