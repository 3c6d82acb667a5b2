/* Answers given at once. */
#include "base/error.h"
#include "node/http/calendar.h"
#include "node/http/connection.h"

void answer_begin(struct connection *c, struct buf *out, unsigned status)
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
    if (out->failed) {
        connection_end(c, false);
        return;
    }
    io_stream_flush(c->stream);
    if (c->state == CONN_ENDED) return;
    connection_move(c, CONN_READING);
    if (!keep) connection_end(c, true);
}

static void answer_with(struct exchange *x, unsigned status, const char *type, const char *more, const char *value,
                        struct divan_bytes body)
{
    struct connection *c = x->conn;
    if (c->state == CONN_ENDED || !c->stream) return;
    struct buf *out = io_stream_output(c->stream);
    answer_begin(c, out, status);
    if (type) http_put_header(out, "Content-Type", type);
    if (more) http_put_header(out, more, value);
    finish(c, out, body);
}

void answer_empty(struct connection *c, unsigned status)
{
    answer_with(&c->x, status, NULL, NULL, NULL, (struct divan_bytes){0});
}

void x_text(struct exchange *x, unsigned status, const char *text)
{
    answer_with(x, status, text[0] ? "text/plain" : NULL, NULL, NULL, divan_str(text));
}

void x_json(struct exchange *x, unsigned status)
{
    if (x->body.failed) x_text(x, 500, "out of memory");
    else answer_with(x, status, "application/json", NULL, NULL, buf_view(&x->body));
}

void x_json_text(struct exchange *x, unsigned status, const char *json)
{
    answer_with(x, status, "application/json", NULL, NULL, divan_str(json));
}

void x_not_found(struct exchange *x)
{
    x_text(x, 404, "Requested resource not found.\r\n");
}

void x_unauthorized(struct exchange *x)
{
    answer_with(x, 401, NULL, "WWW-Authenticate", "Basic realm=\"Couchbase Server Admin / REST\"",
                (struct divan_bytes){0});
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
    answer_with(x, 301, "text/html", "Location", location, divan_str(html));
}

void x_reply(struct exchange *x, const struct manager_reply *r)
{
    const char *type = !r->body.len ? NULL : r->json ? "application/json" : "text/plain";
    answer_with(x, (unsigned)r->status, type, r->location ? "Location" : NULL, r->location, r->body);
}

/* ---- what handlers ask of an exchange */

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
