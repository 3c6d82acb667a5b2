/* The reading half of HTTP: http-parser does the grammar, this file keeps the message and the limits. */
#include <http_parser.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/ascii.h"
#include "text/http.h"

enum { HEADERS_MAX = 256, HEAD_BYTES = 64 * 1024, BODY_BYTES = 20 * 1024 * 1024 };

/* A piece of `head`: offsets, because the buffer moves while it grows. */
struct span {
    size_t from, len;
};

struct http_reader {
    http_parser parser;
    struct http_limits limits;
    struct buf head, path, body;
    struct span target, reason, names[HEADERS_MAX], values[HEADERS_MAX];
    struct http_header headers[HEADERS_MAX];
    size_t header_count;
    struct http_message message;
    bool in_value;        /* the last piece of a header was a part of its value */
    bool head_done;       /* views of the head are made; trailers are dropped */
    bool tell_headers;    /* HTTP_HEADERS is due */
    bool complete;        /* HTTP_DONE is due */
    bool stale;           /* what was given last is given up by the next feed */
    bool expects_no_body; /* the next response has none */
    size_t bytes;         /* of this message so far */
    unsigned broken;      /* status for the answer; 0 = fine */
    bool no_memory;
    char why[96];
};

static struct http_reader *self(http_parser *p)
{
    return p->data;
}

/* Makes the parser stop; the first reason stays. */
static int refuse(struct http_reader *r, unsigned status, const char *why)
{
    if (!r->broken) {
        r->broken = status;
        text_copy(r->why, sizeof r->why, why);
    }
    return -1;
}

static int refuse_memory(struct http_reader *r)
{
    r->no_memory = true;
    return refuse(r, 503, "memory could not be allocated");
}

/* ---- what the parser reports */

static int on_begin(http_parser *p)
{
    struct http_reader *r = self(p);
    buf_clear(&r->head);
    buf_clear(&r->path);
    buf_clear(&r->body);
    r->header_count = 0;
    r->target = r->reason = (struct span){0};
    r->in_value = r->head_done = r->tell_headers = r->complete = false;
    r->message = (struct http_message){0};
    return 0;
}

static int append(struct http_reader *r, struct span *to, const char *data, size_t len)
{
    if (r->head_done) return 0;
    if (len > r->limits.head_bytes || r->head.len > r->limits.head_bytes - len)
        return refuse(r, 431, "the head of the message is too long");
    if (!to->len) to->from = r->head.len;
    buf_put(&r->head, data, len);
    to->len += len;
    return r->head.failed ? refuse_memory(r) : 0;
}

static int on_target(http_parser *p, const char *at, size_t len)
{
    return append(self(p), &self(p)->target, at, len);
}
static int on_reason(http_parser *p, const char *at, size_t len)
{
    return append(self(p), &self(p)->reason, at, len);
}

static int on_name(http_parser *p, const char *at, size_t len)
{
    struct http_reader *r = self(p);
    if (r->head_done) return 0;
    /* The parser may be built to let blanks pass, which is how requests are smuggled past proxies. */
    if (memchr(at, ' ', len) || memchr(at, '\t', len)) return refuse(r, 400, "a header name holds a blank");
    if (r->header_count == 0 || r->in_value) {
        if (r->header_count == HEADERS_MAX) return refuse(r, 431, "the message has too many headers");
        r->names[r->header_count] = r->values[r->header_count] = (struct span){0};
        r->header_count++;
        r->in_value = false;
    }
    return append(r, &r->names[r->header_count - 1], at, len);
}

static int on_value(http_parser *p, const char *at, size_t len)
{
    struct http_reader *r = self(p);
    r->in_value = true;
    return r->header_count ? append(r, &r->values[r->header_count - 1], at, len) : 0;
}

static struct divan_bytes view(const struct http_reader *r, struct span s)
{
    return bytes_slice(buf_view(&r->head), s.from, s.len);
}

static struct divan_bytes trimmed(struct divan_bytes text)
{
    const char *p = text.data;
    while (text.len && (p[text.len - 1] == ' ' || p[text.len - 1] == '\t')) text.len--;
    return text;
}

/* "/p?q" or "http://host/p?q" (what proxies send) into path and query. */
static void split_target(struct http_reader *r)
{
    struct divan_bytes target = view(r, r->target);
    const char *text = target.data, *mark = target.len ? memchr(text, '?', target.len) : NULL;
    size_t end = mark ? (size_t)(mark - text) : target.len, from = 0;
    if (end > 7 && ascii_equal(text, 7, "http://", 7))
        for (from = 7; from < end && text[from] != '/';) from++;
    struct divan_bytes path = bytes_slice(target, from, end - from);
    r->message.target = target;
    r->message.query = mark ? bytes_slice(target, end + 1, target.len) : bytes_of(NULL, 0);
    if (!percent_decode(path, false, &r->path, NULL)) {
        buf_clear(&r->path);
        buf_put_bytes(&r->path, path);
    }
    r->message.path = buf_view(&r->path);
}

static void make_message(struct http_reader *r)
{
    struct http_message *m = &r->message;
    for (size_t i = 0; i < r->header_count; i++)
        r->headers[i] = (struct http_header){view(r, r->names[i]), trimmed(view(r, r->values[i]))};
    m->headers = r->headers;
    m->header_count = r->header_count;
    m->version_major = r->parser.http_major;
    m->version_minor = r->parser.http_minor;
    m->keep_alive = http_should_keep_alive(&r->parser);
    m->upgrade = r->parser.upgrade;
    if (r->parser.type == HTTP_REQUEST) {
        m->method = divan_str(http_method_str((enum http_method)r->parser.method));
        m->expect_continue = http_header_has(m, "expect", "100-continue");
        split_target(r);
    } else {
        m->status = r->parser.status_code;
        m->reason = view(r, r->reason);
    }
}

static int on_headers(http_parser *p)
{
    struct http_reader *r = self(p);
    if (p->http_major != 1) return refuse(r, 505, "only HTTP/1 is spoken");
    if (!r->limits.stream_body && p->content_length != UINT64_MAX && p->content_length > r->limits.body_bytes)
        return refuse(r, 413, "the body is too long");
    /* Upgrades are offers, and none is taken: the message is an ordinary one (Java clients always offer h2c). */
    if (p->type != HTTP_REQUEST || p->method != HTTP_CONNECT) p->upgrade = 0;
    make_message(r);
    if (r->path.failed) return refuse_memory(r);
    r->head_done = true;
    r->tell_headers = r->limits.stream_body || r->message.expect_continue;
    if (r->tell_headers) http_parser_pause(p, 1);
    bool no_body = r->expects_no_body && p->type == HTTP_RESPONSE && p->status_code / 100 != 1;
    if (no_body) r->expects_no_body = false;
    return no_body ? 1 : 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
    struct http_reader *r = self(p);
    if (!r->limits.stream_body && (len > r->limits.body_bytes || r->body.len > r->limits.body_bytes - len))
        return refuse(r, 413, "the body is too long");
    buf_put(&r->body, at, len);
    return r->body.failed ? refuse_memory(r) : 0;
}

static int on_complete(http_parser *p)
{
    self(p)->complete = true;
    http_parser_pause(p, 1);
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_begin,
    .on_url = on_target,
    .on_status = on_reason,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* ---- the reader */

struct http_reader *http_reader_new(enum http_side side, const struct http_limits *limits)
{
    struct http_reader *r = mem_zalloc(sizeof *r);
    if (!r) return NULL;
    if (limits) r->limits = *limits;
    if (!r->limits.head_bytes) r->limits.head_bytes = HEAD_BYTES;
    if (!r->limits.body_bytes) r->limits.body_bytes = BODY_BYTES;
    http_parser_init(&r->parser, side == HTTP_READS_REQUESTS ? HTTP_REQUEST : HTTP_RESPONSE);
    r->parser.data = r;
    return r;
}

void http_reader_free(struct http_reader *r)
{
    if (!r) return;
    buf_fini(&r->head);
    buf_fini(&r->path);
    buf_fini(&r->body);
    mem_free(r);
}

void http_reader_expect_no_body(struct http_reader *r)
{
    r->expects_no_body = true;
}
unsigned http_reader_broken_status(const struct http_reader *r)
{
    return r->broken ? r->broken : 400;
}

static enum http_event broken(struct http_reader *r, struct divan_error *err)
{
    if (r->no_memory) err_oom(err);
    else err_set(err, DIVAN_ERR_HTTP_MESSAGE, "HTTP message, byte %zu: %s; close the connection", r->bytes, r->why);
    return HTTP_BROKEN;
}

static unsigned status_of(enum http_errno error)
{
    switch (error) {
    case HPE_HEADER_OVERFLOW:
        return 431;
    case HPE_INVALID_VERSION:
        return 505;
    case HPE_INVALID_METHOD:
        return 501;
    default:
        return 400;
    }
}

/* Runs the parser over the input and takes what it used off its front. len 0 tells it that the peer closed. */
static void run(struct http_reader *r, struct divan_bytes *input)
{
    size_t used = http_parser_execute(&r->parser, &settings, input->len ? input->data : "", input->len);
    enum http_errno error = HTTP_PARSER_ERRNO(&r->parser);
    if (used > input->len) used = input->len;
    r->bytes += used;
    *input = bytes_slice(*input, used, input->len);
    if (error == HPE_PAUSED) http_parser_pause(&r->parser, 0);
    else if (error != HPE_OK) refuse(r, status_of(error), http_errno_description(error));
}

/* The event that is due, in the order headers, body, done; HTTP_MORE when none is. */
static enum http_event take_event(struct http_reader *r, const struct http_message **message)
{
    enum http_event event = HTTP_MORE;
    r->message.body = bytes_of(NULL, 0);
    if (r->tell_headers) {
        r->tell_headers = false;
        event = HTTP_HEADERS;
    } else if (r->limits.stream_body && r->body.len) {
        event = HTTP_BODY;
        r->message.body = buf_view(&r->body);
        r->stale = true;
    } else if (r->complete) {
        event = HTTP_DONE;
        r->message.body = buf_view(&r->body);
        r->complete = false;
        r->bytes = 0;
    }
    if (event != HTTP_MORE) *message = &r->message;
    return event;
}

static void drop_given_body(struct http_reader *r)
{
    if (r->stale) buf_clear(&r->body);
    r->stale = false;
}

enum http_event http_reader_feed(struct http_reader *r, struct divan_bytes *input, const struct http_message **message,
                                 struct divan_error *err)
{
    if (r->broken) return broken(r, err);
    drop_given_body(r);
    enum http_event event = take_event(r, message);
    while (event == HTTP_MORE && input->len) {
        run(r, input);
        if (r->broken) return broken(r, err);
        event = take_event(r, message);
    }
    return event;
}

enum http_event http_reader_finish(struct http_reader *r, const struct http_message **message, struct divan_error *err)
{
    struct divan_bytes nothing = {0};
    if (r->broken) return broken(r, err);
    drop_given_body(r);
    enum http_event event = take_event(r, message);
    if (event != HTTP_MORE) return event;
    run(r, &nothing);
    if (r->broken) {
        text_copy(r->why, sizeof r->why, "the connection was closed in the middle of it");
        return broken(r, err);
    }
    return take_event(r, message);
}

/* ---- headers */

struct divan_bytes http_header(const struct http_message *m, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < m->header_count; i++)
        if (ascii_equal(m->headers[i].name.data, m->headers[i].name.len, name, len)) return m->headers[i].value;
    return bytes_of(NULL, 0);
}

static struct divan_bytes trim_front(struct divan_bytes text)
{
    const char *p = text.data;
    while (text.len && (*p == ' ' || *p == '\t')) p++, text.len--;
    return bytes_of(p, text.len);
}

static struct divan_bytes take_item(struct divan_bytes *list, char separator)
{
    const char *at = list->len ? memchr(list->data, separator, list->len) : NULL;
    size_t len = at ? (size_t)(at - (const char *)list->data) : list->len;
    struct divan_bytes item = trimmed(trim_front(bytes_slice(*list, 0, len)));
    *list = bytes_slice(*list, at ? len + 1 : len, list->len);
    return item;
}

bool http_header_has(const struct http_message *m, const char *name, const char *token)
{
    struct divan_bytes list = http_header(m, name);
    while (list.len) {
        struct divan_bytes item = take_item(&list, ',');
        if (ascii_equal(item.data, item.len, token, strlen(token))) return true;
    }
    return false;
}

bool http_content_is(const struct http_message *m, const char *type)
{
    struct divan_bytes value = http_header(m, "content-type"), media = take_item(&value, ';');
    return ascii_equal(media.data, media.len, type, strlen(type));
}
