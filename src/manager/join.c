/* The call that asks a lone node to join: POST /divan/join on its management port, over TLS where it is offered. The
 * certificate is not checked: the node's cluster of one has an authority of its own, which nobody here can know. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/tls.h"
#include "manager/manager_parts.h"
#include "text/http.h"
#include "text/json.h"

struct join {
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
    join_done_fn *fn; /* NULL = told */
    void *user;
};

static void release(struct join *j)
{
    io_tls_release(j->tls);
    http_reader_free(j->reader);
    buf_fini(&j->request);
    mem_free(j);
}

static void tell(struct join *j, const char *uuid, const char *why)
{
    join_done_fn *fn = j->fn;
    j->fn = NULL;
    if (fn) fn(j->user, uuid, why);
}

static void on_answer(struct join *j, const struct http_message *m)
{
    char text[600];
    struct json_value list = json_is_valid(m->body) ? json_value_of(m->body) : (struct json_value){0}, first;
    struct buf sentence = {.limit = 500};
    if (m->status == 200 && m->body.len == 32) {
        snprintf(text, sizeof text, "%.32s", (const char *)m->body.data);
        tell(j, text, NULL);
    } else if (m->status == 401) tell(j, NULL, "Authentication failed. Verify username and password.");
    else {
        struct json_walk w = json_walk_begin(list);
        if (list.type == JSON_ARRAY && json_next_element(&w, &first) && first.type == JSON_STRING)
            json_unescape(first.text, &sentence);
        if (sentence.len) snprintf(text, sizeof text, "%s", buf_text(&sentence));
        else
            snprintf(text, sizeof text,
                     "Got HTTP status %u from REST call post to %s:%u/divan/join. Is it a node of a "
                     "local cluster?",
                     m->status, j->host, j->port);
        tell(j, NULL, text);
    }
    buf_fini(&sentence);
}

static void on_opened(void *user)
{
    struct join *j = user;
    buf_put_bytes(io_stream_output(j->stream), buf_view(&j->request));
    io_stream_flush(j->stream);
}

static void on_data(void *user)
{
    struct join *j = user;
    struct divan_bytes input = io_stream_input(j->stream), left = input;
    const struct http_message *m;
    struct divan_error err = {0};
    enum http_event event = http_reader_feed(j->reader, &left, &m, &err);
    if (event == HTTP_DONE) on_answer(j, m);
    if (event == HTTP_BROKEN) tell(j, NULL, err.message);
    io_stream_consume(j->stream, input.len - left.len);
    if (event != HTTP_MORE) io_stream_close(j->stream, false);
}

static void why_not(const struct join *j, const struct divan_error *why, char *out, size_t cap)
{
    if (why->code == DIVAN_ERR_UNREACHABLE)
        snprintf(out, cap,
                 "Could not connect to \"%s\" on port %u.  This could be due to an incorrect host/port "
                 "combination or a firewall in place between the servers.",
                 j->host, j->port);
    else snprintf(out, cap, "%s", why->code ? why->message : "The connection was closed without an answer.");
}

static bool dial(struct join *j, bool tls, struct divan_error *err);

static void on_closed(void *user, const struct divan_error *why)
{
    struct join *j = user;
    struct divan_error err = *why;
    char text[600];
    bool no_tls = why->code == DIVAN_ERR_TLS_NOT_OFFERED || why->code == DIVAN_ERR_HANDSHAKE_FAILED;
    j->stream = NULL;
    if (j->fn && no_tls && j->may_fall_back && !j->cancelled) {
        j->may_fall_back = false;
        if (dial(j, false, &err)) return;
    }
    why_not(j, &err, text, sizeof text);
    if (!j->cancelled) tell(j, NULL, text);
    release(j);
}

static const struct io_handler handler = {.opened = on_opened, .data = on_data, .closed = on_closed};

static bool dial(struct join *j, bool tls, struct divan_error *err)
{
    j->stream = tls ? io_connect_tls(j->loop, &j->addr, j->tls, j->host, &handler, j, err)
                    : io_connect(j->loop, &j->addr, &handler, j, err);
    return j->stream != NULL;
}

static void on_address(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *why)
{
    struct join *j = user;
    struct divan_error err = count ? (struct divan_error){0} : *why;
    char text[600];
    j->lookup = NULL;
    if (count) j->addr = addrs[0];
    if (count && dial(j, j->tls != NULL, &err)) return;
    if (count) why_not(j, &err, text, sizeof text);
    else
        snprintf(text, sizeof text,
                 "Failed to resolve address for \"%s\".  The hostname may be incorrect or not resolvable.", j->host);
    tell(j, NULL, text);
    release(j);
}

static void put_pair(struct buf *out, const char *name, const char *value)
{
    if (out->len) buf_u8(out, '&');
    buf_put_str(out, name);
    buf_u8(out, '=');
    percent_encode(divan_str(value), false, out);
}

static void put_request(const struct join_request *r, struct buf *out)
{
    struct buf form = {.limit = 4096};
    char host[300], port[8];
    snprintf(host, sizeof host, strchr(r->host, ':') ? "[%.250s]:%u" : "%.250s:%u", r->host, r->port);
    snprintf(port, sizeof port, "%u", r->manager_port);
    put_pair(&form, "host", r->manager_host);
    put_pair(&form, "port", port);
    put_pair(&form, "token", r->token);
    put_pair(&form, "cluster", r->cluster);
    http_put_request(out, "POST", "/divan/join");
    http_put_header(out, "Host", host);
    if (r->user.len) http_put_basic_auth(out, r->user, r->password);
    http_put_header(out, "Content-Type", "application/x-www-form-urlencoded");
    http_put_header(out, "Connection", "close");
    http_put_body(out, buf_view(&form));
    if (form.failed) out->failed = true;
    buf_fini(&form);
}

struct join *join_start(struct io_loop *loop, const struct join_request *r, join_done_fn *fn, void *user)
{
    struct join *j = mem_zalloc(sizeof *j);
    struct divan_error err = {0};
    if (!j) return NULL;
    *j = (struct join){.loop = loop, .port = r->port, .may_fall_back = r->may_fall_back, .fn = fn, .user = user};
    text_copy(j->host, sizeof j->host, r->host);
    j->request.limit = 16 * 1024;
    put_request(r, &j->request);
    j->reader = http_reader_new(HTTP_READS_RESPONSES, NULL);
    if (r->tls) j->tls = io_tls_client_new(&(struct io_tls_client_options){.no_verify = true}, &err);
    if (j->reader && !j->request.failed && (j->tls || !r->tls))
        j->lookup = io_lookup_start(loop, j->host, j->port, IO_ANY, on_address, j, &err);
    if (j->lookup) return j;
    release(j);
    return NULL;
}

void join_cancel(struct join *j)
{
    if (!j) return;
    j->cancelled = true;
    j->fn = NULL;
    if (j->lookup) {
        io_lookup_cancel(j->lookup);
        release(j);
    } else if (j->stream) io_stream_close(j->stream, false);
}
