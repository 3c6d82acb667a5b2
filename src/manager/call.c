/* A call to the management of a node that is in another cluster (or in one of its own): over TLS where that is offered. The
 * certificate is not checked: that cluster has an authority of its own, which nobody here can know. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/tls.h"
#include "manager/manager_parts.h"
#include "text/http.h"

struct call {
    struct io_loop *loop;
    struct io_lookup *lookup;
    struct io_stream *stream; /* its end frees the call */
    struct io_tls *tls;
    struct http_reader *reader;
    struct buf request;
    struct io_addr addr;
    char host[256];
    uint16_t port;
    bool may_fall_back, cancelled;
    call_done_fn *fn; /* NULL = told */
    void *user;
};

static void release(struct call *c)
{
    io_tls_release(c->tls);
    http_reader_free(c->reader);
    buf_fini(&c->request);
    mem_free(c);
}

static void tell(struct call *c, unsigned status, struct divan_bytes body, const char *why)
{
    call_done_fn *fn = c->fn;
    c->fn = NULL;
    if (fn) fn(c->user, status, body, why);
}

static void fail(struct call *c, const char *why)
{
    tell(c, 0, (struct divan_bytes){NULL, 0}, why);
}

static void on_opened(void *user)
{
    struct call *c = user;
    buf_put_bytes(io_stream_output(c->stream), buf_view(&c->request));
    io_stream_flush(c->stream);
}

static void on_data(void *user)
{
    struct call *c = user;
    struct divan_bytes input = io_stream_input(c->stream), left = input;
    const struct http_message *m;
    struct divan_error err = {0};
    enum http_event event = http_reader_feed(c->reader, &left, &m, &err);
    if (event == HTTP_DONE) tell(c, m->status, m->body, NULL);
    if (event == HTTP_BROKEN) fail(c, err.message);
    io_stream_consume(c->stream, input.len - left.len);
    if (event != HTTP_MORE) io_stream_close(c->stream, false);
}

static void why_not(const struct call *c, const struct divan_error *why, char *out, size_t cap)
{
    if (why->code == DIVAN_ERR_UNREACHABLE)
        snprintf(out, cap,
                 "Could not connect to \"%s\" on port %u.  This could be due to an incorrect host/port "
                 "combination or a firewall in place between the servers.",
                 c->host, c->port);
    else snprintf(out, cap, "%s", why->code ? why->message : "The connection was closed without an answer.");
}

static bool dial(struct call *c, bool tls, struct divan_error *err);

static void on_closed(void *user, const struct divan_error *why)
{
    struct call *c = user;
    struct divan_error err = *why;
    char text[600];
    bool no_tls = why->code == DIVAN_ERR_TLS_NOT_OFFERED || why->code == DIVAN_ERR_HANDSHAKE_FAILED;
    c->stream = NULL;
    if (c->fn && no_tls && c->may_fall_back && !c->cancelled) {
        c->may_fall_back = false;
        if (dial(c, false, &err)) return;
    }
    why_not(c, &err, text, sizeof text);
    if (!c->cancelled) fail(c, text);
    release(c);
}

static const struct io_handler handler = {.opened = on_opened, .data = on_data, .closed = on_closed};

static bool dial(struct call *c, bool tls, struct divan_error *err)
{
    c->stream = tls ? io_connect_tls(c->loop, &c->addr, c->tls, c->host, &handler, c, err)
                    : io_connect(c->loop, &c->addr, &handler, c, err);
    return c->stream != NULL;
}

static void on_address(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *why)
{
    struct call *c = user;
    struct divan_error err = count ? (struct divan_error){0} : *why;
    char text[600];
    c->lookup = NULL;
    if (count) c->addr = addrs[0];
    if (count && dial(c, c->tls != NULL, &err)) return;
    if (count) why_not(c, &err, text, sizeof text);
    else
        snprintf(text, sizeof text,
                 "Failed to resolve address for \"%s\".  The hostname may be incorrect or not resolvable.", c->host);
    fail(c, text);
    release(c);
}

void call_put_pair(struct buf *form, const char *name, struct divan_bytes value)
{
    if (form->len) buf_u8(form, '&');
    buf_put_str(form, name);
    buf_u8(form, '=');
    percent_encode(value, false, form);
}

static void put_request(const struct call_request *r, struct buf *out)
{
    char host[300];
    snprintf(host, sizeof host, strchr(r->host, ':') ? "[%.250s]:%u" : "%.250s:%u", r->host, r->port);
    http_put_request(out, "POST", r->target);
    http_put_header(out, "Host", host);
    if (r->user.len) http_put_basic_auth(out, r->user, r->password);
    http_put_header(out, "Content-Type", "application/x-www-form-urlencoded");
    http_put_header(out, "Connection", "close");
    http_put_body(out, r->form);
}

struct call *call_open(struct io_loop *loop, const struct call_request *r, call_done_fn *fn, void *user)
{
    struct call *c = mem_zalloc(sizeof *c);
    struct divan_error err = {0};
    if (!c) return NULL;
    *c = (struct call){.loop = loop, .port = r->port, .may_fall_back = r->may_fall_back, .fn = fn, .user = user};
    text_copy(c->host, sizeof c->host, r->host);
    c->request.limit = 16 * 1024;
    put_request(r, &c->request);
    c->reader = http_reader_new(HTTP_READS_RESPONSES, NULL);
    if (r->tls) c->tls = io_tls_client_new(&(struct io_tls_client_options){.no_verify = true}, &err);
    if (c->reader && !c->request.failed && (c->tls || !r->tls))
        c->lookup = io_lookup_start(loop, c->host, c->port, IO_ANY, on_address, c, &err);
    if (c->lookup) return c;
    release(c);
    return NULL;
}

void call_cancel(struct call *c)
{
    if (!c) return;
    c->cancelled = true;
    c->fn = NULL;
    if (c->lookup) {
        io_lookup_cancel(c->lookup);
        release(c);
    } else if (c->stream) io_stream_close(c->stream, false);
}
