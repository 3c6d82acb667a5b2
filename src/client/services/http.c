#include "client/services/http.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "client/bucket.h"
#include "client/retry.h"
#include "client/strategy.h"
#include "text/http.h"
#include "text/json.h"

enum {
    CONNECTIONS_MAX = 12, /* to one endpoint */
    IDLE_MS = 2000,       /* below what servers allow, so that none is closed under a request */
    BODY_MAX = 64 * 1024 * 1024,
    ADDRS_MAX = 8,
};

enum http_state {
    HTTP_LOOKUP,
    HTTP_DIAL,
    HTTP_IDLE, /* kept alive */
    HTTP_BUSY, /* a request was sent */
    HTTP_CLOSED,
};

struct http {
    struct client *client;
    struct list connections;
    struct list waiting; /* operations without a free connection */
    unsigned turn;       /* which node is asked next */
    struct divan_error trouble;
};

struct http_connection {
    struct link link; /* in http->connections */
    struct http *http;
    uint64_t id;
    enum http_state state;
    const char *host, *endpoint; /* interned */
    uint16_t port;
    struct io_lookup *lookup;
    struct io_addr addrs[ADDRS_MAX];
    size_t addr_count, addr_next;
    struct io_stream *stream;
    struct http_reader *reader;
    struct operation *op;  /* LOOKUP, DIAL, BUSY; NULL = nobody waits any more */
    struct io_timer timer; /* end of dialling, of idleness */
};

/* ---- requests as bytes: the parts with their lengths in front */

bool http_put(struct operation *op, const struct http_parts *parts, enum http_subject subject)
{
    const struct divan_bytes all[] = {parts->method, parts->path, parts->content_type, parts->body};
    buf_clear(&op->own);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        buf_u32be(&op->own, (uint32_t)all[i].len);
        buf_put_bytes(&op->own, all[i]);
    }
    op->value = buf_view(&op->own);
    op->doc_flags = (uint8_t)subject;
    return !op->own.failed;
}

static struct http_parts parts_of(const struct operation *op)
{
    struct rd r = rd_from(op->value);
    struct http_parts parts;
    parts.method = rd_take(&r, rd_u32be(&r));
    parts.path = rd_take(&r, rd_u32be(&r));
    parts.content_type = rd_take(&r, rd_u32be(&r));
    parts.body = rd_take(&r, rd_u32be(&r));
    return parts;
}

static void put_text(struct buf *out, const char *before, struct divan_bytes text, const char *after)
{
    buf_put_str(out, before);
    buf_put_bytes(out, text);
    buf_put_str(out, after);
}

static void put_request(struct http_connection *conn, struct buf *out)
{
    const struct client_config *config = &conn->http->client->config;
    const struct http_parts parts = parts_of(conn->op);
    buf_put_bytes(out, parts.method);
    put_text(out, " ", parts.path, " HTTP/1.1\r\n");
    http_put_header(out, "Host", conn->endpoint);
    http_put_header(out, "User-Agent", "divan/" DIVAN_VERSION);
    http_put_header(out, "Accept", "application/json");
    if (config->username)
        http_put_basic_auth(out, divan_str(config->username), divan_str(config->password ? config->password : ""));
    if (parts.content_type.len) put_text(out, "Content-Type: ", parts.content_type, "\r\n");
    http_put_body(out, parts.body);
}

/* ---- the end of connections */

static void give_up(struct http_connection *conn)
{
    if (conn->state == HTTP_CLOSED) return;
    conn->state = HTTP_CLOSED;
    list_remove(&conn->link);
    io_timer_stop(&conn->timer);
    io_lookup_cancel(conn->lookup);
    conn->lookup = NULL;
    if (conn->stream) io_stream_close(conn->stream, false); /* on_closed() frees */
    else {
        http_reader_free(conn->reader);
        mem_free(conn);
    }
}

static void serve_waiting(struct http *http)
{
    struct link *link = list_take_first(&http->waiting);
    if (link) client_route(http->client, container_of(link, struct operation, link));
}

/* The operation goes on without the connection. */
static struct operation *take_op(struct http_connection *conn)
{
    struct operation *op = conn->op;
    conn->op = NULL;
    return op;
}

static void again(struct client *c, struct operation *op, enum retry_reason reason, const struct divan_error *why)
{
    bool idempotent = op_facts_of(op)->is_idempotent;
    op->state = OP_IDLE;
    if (retry_allowed(reason, idempotent, op->fail_fast || (op->strategy && strategy_stops(c, op, reason)))) {
        client_retry_later(c, op, reason, NULL);
        return;
    }
    client_note_reason(c, op, reason);
    bool ambiguous = !idempotent && reason == RETRY_SOCKET_CLOSED_WHILE_IN_FLIGHT;
    op->ambiguous = ambiguous;
    client_fail(c, op, why->code, "%s%s", why->message,
                ambiguous ? "; the request may have been carried out: look before you repeat it" : "");
}

static void lose(struct http_connection *conn, enum retry_reason reason, const struct divan_error *why)
{
    struct http *http = conn->http;
    struct operation *op = take_op(conn);
    http->trouble = *why;
    give_up(conn);
    if (op) again(http->client, op, reason, why);
    serve_waiting(http);
}

/* ---- sending and answers */

static void send_request(struct http_connection *conn)
{
    struct operation *op = conn->op;
    struct divan_error err;
    struct buf *out = io_stream_output(conn->stream);
    put_request(conn, out);
    if (out->failed) {
        take_op(conn);
        give_up(conn);
        err_oom(&err);
        client_fail_with(op->client, op, &err);
        return;
    }
    conn->state = HTTP_BUSY;
    io_timer_stop(&conn->timer);
    op->state = OP_SENT;
    op->endpoint = conn->endpoint;
    op->rejected = false;
    op->attempts++;
    io_stream_flush(conn->stream);
}

/* Collections: the manifest that has the change, {"uid":"5"} in hexadecimal. */
static uint64_t uid_of(struct divan_bytes body)
{
    char text[24] = "";
    struct json_value uid = json_member(json_value_of(body), "uid");
    if (uid.type != JSON_STRING || uid.text.len < 3 || uid.text.len > 18) return 0;
    memcpy(text, (const char *)uid.text.data + 1, uid.text.len - 2);
    return strtoull(text, NULL, 16);
}

static void refuse(struct client *c, struct operation *op, unsigned status, struct divan_bytes body)
{
    char words[200];
    enum divan_code code = http_code((enum http_subject)op->doc_flags, status, body);
    http_words(body, words, sizeof words);
    op->rejected = true;
    client_fail(c, op, code, "%s (HTTP status %u)%s%s", err_code_text(code), status, *words ? ": " : "", words);
}

static void answer(struct client *c, struct operation *op, const struct http_message *m)
{
    struct divan_error err;
    op->status = (uint16_t)m->status;
    op->state = OP_IDLE;
    if (m->status == 503 && !op->fail_fast) { /* certainly not carried out */
        err_set(&err, DIVAN_ERR_SERVICE_NOT_AVAILABLE, "%s answered that it is not available", op->endpoint);
        op->rejected = true;
        again(c, op, RETRY_SERVICE_NOT_AVAILABLE, &err);
        return;
    }
    if (m->status >= 300) {
        refuse(c, op, m->status, m->body);
        return;
    }
    if (op->doc_flags == ABOUT_SCOPE || op->doc_flags == ABOUT_COLLECTION) op->number = uid_of(m->body);
    if (op_own_value(op, m->body)) client_succeed(c, op);
    else {
        err_oom(&err);
        client_fail_with(c, op, &err);
    }
}

static void on_idle_end(struct http_connection *conn)
{
    give_up(conn);
}

static void keep_or_close(struct http_connection *conn, bool keep)
{
    struct http *http = conn->http;
    if (!keep || io_stream_input(conn->stream).len) {
        give_up(conn);
        return;
    }
    conn->state = HTTP_IDLE;
    if (!io_timer_start(&conn->timer, io_now_ns(http->client->loop) + IDLE_MS * NS_PER_MS)) give_up(conn);
}

static void on_done(struct http_connection *conn, const struct http_message *m)
{
    struct http *http = conn->http;
    struct operation *op = take_op(conn);
    bool keep = m->keep_alive;
    if (op) answer(http->client, op, m);
    if (conn->state == HTTP_CLOSED) return; /* the client was closed by what came of it */
    keep_or_close(conn, keep);
    serve_waiting(http);
}

static void on_data(void *user)
{
    struct http_connection *conn = user;
    struct divan_bytes input = io_stream_input(conn->stream), rest = input;
    const struct http_message *message = NULL;
    struct divan_error err;
    if (conn->state != HTTP_BUSY) { /* nothing was asked */
        err_set(&err, DIVAN_ERR_PROTOCOL_ERROR, "%s sent something that nothing asked for", conn->endpoint);
        lose(conn, RETRY_SOCKET_NOT_AVAILABLE, &err);
        return;
    }
    enum http_event event = http_reader_feed(conn->reader, &rest, &message, &err);
    io_stream_consume(conn->stream, input.len - rest.len);
    if (event == HTTP_DONE) on_done(conn, message);
    else if (event == HTTP_BROKEN) lose(conn, RETRY_SOCKET_CLOSED_WHILE_IN_FLIGHT, &err);
}

/* ---- connecting */

static void dial(struct http_connection *conn);

static void on_opened(void *user)
{
    struct http_connection *conn = user;
    if (conn->op) send_request(conn);
    else keep_or_close(conn, true);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct http_connection *conn = user;
    const struct http_message *message = NULL;
    struct divan_error err;
    enum http_state before = conn->state;
    conn->stream = NULL;
    if (before == HTTP_CLOSED) {
        http_reader_free(conn->reader);
        mem_free(conn);
        return;
    }
    if (before == HTTP_BUSY && http_reader_finish(conn->reader, &message, &err) == HTTP_DONE) {
        struct http *http = conn->http;
        struct operation *op = take_op(conn);
        if (op) answer(http->client, op, message);
        give_up(conn);
        serve_waiting(http);
        return;
    }
    if (before == HTTP_DIAL && conn->addr_next < conn->addr_count) {
        dial(conn);
        return;
    }
    err_set(&err, why->code ? why->code : DIVAN_ERR_CONNECTION_LOST, "%s %s%s%s", conn->endpoint,
            before == HTTP_BUSY ? "closed the connection before it answered" : "does not accept connections",
            why->code ? ": " : "", why->code ? why->message : "");
    lose(conn, before == HTTP_BUSY ? RETRY_SOCKET_CLOSED_WHILE_IN_FLIGHT : RETRY_SOCKET_NOT_AVAILABLE, &err);
}

static const struct io_handler handler = {.opened = on_opened, .data = on_data, .closed = on_closed};

static void dial(struct http_connection *conn)
{
    struct client *c = conn->http->client;
    struct divan_error err;
    conn->state = HTTP_DIAL;
    while (conn->addr_next < conn->addr_count && !conn->stream) {
        const struct io_addr *addr = &conn->addrs[conn->addr_next++];
        conn->stream = c->config.tls
                           ? io_connect_tls(c->loop, addr, c->config.tls_context, conn->host, &handler, conn, &err)
                           : io_connect(c->loop, addr, &handler, conn, &err);
    }
    if (!conn->stream) lose(conn, RETRY_SOCKET_NOT_AVAILABLE, &err);
}

static void on_addresses(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *why)
{
    struct http_connection *conn = user;
    conn->lookup = NULL;
    if (!count) {
        lose(conn, RETRY_SOCKET_NOT_AVAILABLE, why);
        return;
    }
    conn->addr_count = count < ADDRS_MAX ? count : ADDRS_MAX;
    memcpy(conn->addrs, addrs, conn->addr_count * sizeof *addrs);
    dial(conn);
}

static void on_timer(void *user)
{
    struct http_connection *conn = user;
    struct divan_error err;
    if (conn->state == HTTP_IDLE) {
        on_idle_end(conn);
        return;
    }
    err_set(&err, DIVAN_ERR_UNREACHABLE, "%s did not accept the connection in time", conn->endpoint);
    lose(conn, RETRY_SOCKET_NOT_AVAILABLE, &err);
}

const char *http_endpoint_name(struct client *c, const char *host, uint16_t port)
{
    char name[300];
    snprintf(name, sizeof name, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
    return client_intern(c, name);
}

static struct http_connection *connection_to(struct http *http, const char *host, uint16_t port,
                                             struct divan_error *err)
{
    struct client *c = http->client;
    const struct http_limits limits = {.body_bytes = BODY_MAX};
    struct http_connection *conn = mem_zalloc(sizeof *conn);
    if (!conn) {
        err_oom(err);
        return NULL;
    }
    conn->http = http;
    conn->id = rng_u64(io_rng(c->loop));
    conn->host = client_intern(c, host);
    conn->endpoint = http_endpoint_name(c, host, port);
    conn->port = port;
    io_timer_init(&conn->timer, c->loop, on_timer, conn);
    uint64_t until = io_now_ns(c->loop) + c->config.options.kv_connect_timeout_ms * NS_PER_MS;
    conn->reader = http_reader_new(HTTP_READS_RESPONSES, &limits);
    if (conn->reader) conn->lookup = io_lookup_start(c->loop, host, port, IO_ANY, on_addresses, conn, err);
    else err_oom(err);
    if (conn->lookup && io_timer_start(&conn->timer, until)) {
        list_append(&http->connections, &conn->link);
        return conn;
    }
    if (conn->lookup) err_oom(err);
    give_up(conn);
    return NULL;
}

/* ---- choosing */

static struct http_connection *idle_to(struct http *http, const char *host, uint16_t port, size_t *count)
{
    struct http_connection *found = NULL;
    *count = 0;
    list_each(&http->connections, it)
    {
        struct http_connection *conn = container_of(it, struct http_connection, link);
        if (conn->port != port || strcmp(conn->host, host)) continue;
        ++*count;
        if (conn->state == HTTP_IDLE) found = conn;
    }
    return found;
}

/* An operation may be for one node of the map alone: its vbucket is then 1 + the position. */
static bool choose(struct http *http, const struct operation *op, const char **host, uint16_t *port)
{
    struct client *c = http->client;
    const struct map *map = client_best_map(c);
    if (op->vbucket)
        return map && c->network && op->vbucket <= map->node_count &&
               map_endpoint(map, op->vbucket - 1u, c->network, SVC_MGMT, c->config.tls, host, port);
    for (size_t i = 0; map && c->network && i < map->node_count; i++) {
        size_t at = (http->turn + i) % map->node_count;
        if (!map_endpoint(map, at, c->network, SVC_MGMT, c->config.tls, host, port)) continue;
        return true;
    }
    return false;
}

static struct http *http_of(struct client *c)
{
    if (c->http) return c->http;
    struct http *http = mem_zalloc(sizeof *http);
    if (!http) return NULL;
    http->client = c;
    list_init(&http->connections);
    list_init(&http->waiting);
    http->turn = (unsigned)rng_below(io_rng(c->loop), 1024);
    c->http = http;
    return http;
}

void http_route(struct client *c, struct operation *op)
{
    struct http *http = http_of(c);
    struct divan_error err;
    const char *host;
    uint16_t port;
    size_t count;
    if (!http) {
        err_oom(&err);
        client_fail_with(c, op, &err);
        return;
    }
    if (op->retries) http->turn++; /* another node */
    if (!choose(http, op, &host, &port)) {
        err_set(&err, DIVAN_ERR_SERVICE_NOT_AVAILABLE, "no node of the cluster map offers the management service");
        http->trouble = err;
        again(c, op, RETRY_SERVICE_NOT_AVAILABLE, &err);
        return;
    }
    struct http_connection *conn = idle_to(http, host, port, &count);
    op->state = OP_WAITING;
    if (conn) {
        conn->op = op;
        send_request(conn);
    } else if (count >= CONNECTIONS_MAX) list_append(&http->waiting, &op->link);
    else if ((conn = connection_to(http, host, port, &err)) != NULL) conn->op = op;
    else again(c, op, RETRY_SOCKET_NOT_AVAILABLE, &err);
}

void http_forget(struct client *c, struct operation *op)
{
    struct http *http = c->http;
    if (!http) return;
    list_each(&http->connections, it)
    {
        struct http_connection *conn = container_of(it, struct http_connection, link);
        if (conn->op != op) continue;
        conn->op = NULL;
        if (conn->state == HTTP_BUSY) give_up(conn); /* one that is only connecting may serve another */
        return;
    }
}

const char *http_trouble(const struct client *c)
{
    return c->http && c->http->trouble.code ? c->http->trouble.message : "";
}

void http_each(const struct client *c, void (*fn)(void *user, const struct http_endpoint *e), void *user)
{
    if (!c->http) return;
    list_each(&c->http->connections, it)
    {
        const struct http_connection *conn = container_of(it, struct http_connection, link);
        bool is_up = conn->state == HTTP_IDLE || conn->state == HTTP_BUSY;
        const struct http_endpoint e = {conn->id, conn->endpoint, is_up ? conn->stream : NULL};
        fn(user, &e);
    }
}

void http_stop(struct client *c)
{
    struct http *http = c->http;
    struct link *link;
    if (!http) return;
    while ((link = list_first(&http->connections)) != NULL) give_up(container_of(link, struct http_connection, link));
    mem_free(http);
    c->http = NULL;
}
