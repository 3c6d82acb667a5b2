/* HTTP/1.1 messages, both directions, no I/O: bytes in, events out. For servers and clients, complete bodies or
 * streamed ones, keep-alive and pipelining. */
#ifndef DIVAN_TEXT_HTTP_H
#define DIVAN_TEXT_HTTP_H

#include "base/bytes.h"

enum http_side {
    HTTP_READS_REQUESTS,  /* we are a server */
    HTTP_READS_RESPONSES, /* we are a client */
};

struct http_limits {
    size_t head_bytes; /* start line and headers; 0 = 64 KiB */
    size_t body_bytes; /* a complete body, or with stream_body nothing; 0 = 20 MiB */
    bool stream_body;  /* deliver HTTP_HEADERS and HTTP_BODY events; false: one HTTP_DONE with the whole message */
};

struct http_header {
    struct divan_bytes name, value; /* as sent, blanks around the value removed */
};

/* Views live until the next http_reader_feed() or http_reader_free(). */
struct http_message {
    struct divan_bytes method; /* requests: "GET" */
    struct divan_bytes target; /* requests: as sent, "/a%20b?x=1" */
    struct divan_bytes path;   /* requests: percent-decoded, without the query: "/a b" */
    struct divan_bytes query;  /* requests: not decoded, without "?": form_next() reads it */
    unsigned status;           /* responses */
    struct divan_bytes reason; /* responses */
    unsigned version_major, version_minor;
    const struct http_header *headers;
    size_t header_count;
    struct divan_bytes body; /* HTTP_DONE without stream_body: all of it; HTTP_BODY: this piece */
    bool keep_alive;         /* the connection may carry another message after this one */
    bool upgrade;            /* CONNECT or Upgrade: what follows is not HTTP */
    bool expect_continue;    /* requests: the client waits for http_put_continue() before it sends the body */
};

enum http_event {
    HTTP_MORE,    /* all input is used, feed more */
    HTTP_HEADERS, /* start line and headers are known (stream_body, or expect_continue) */
    HTTP_BODY,    /* a piece of the body (stream_body) */
    HTTP_DONE,    /* the message is complete; what is left of *input belongs to the next one */
    HTTP_BROKEN,  /* not HTTP or over a limit: close. err: HTTP_MESSAGE with the byte offset in the message */
};

struct http_reader;
struct http_reader *http_reader_new(enum http_side side, const struct http_limits *limits); /**< NULL: out of memory */
void http_reader_free(struct http_reader *r);                                               /**< NULL is fine */

/** Uses bytes from the front of *input and returns the first event; call again until HTTP_MORE. *message is borrowed and
 * written for HEADERS, BODY and DONE. err: HTTP_MESSAGE, OUT_OF_MEMORY. After HTTP_BROKEN every further call repeats it. */
enum http_event http_reader_feed(struct http_reader *r, struct divan_bytes *input, const struct http_message **message,
                                 struct divan_error *err);
/** The peer closed: HTTP_DONE when that ends the body of a response, HTTP_MORE between messages, else HTTP_BROKEN. With
 * stream_body a last HTTP_BODY was delivered before. */
enum http_event http_reader_finish(struct http_reader *r, const struct http_message **message, struct divan_error *err);
/** Client: the next response answers a HEAD request, so it has no body. */
void http_reader_expect_no_body(struct http_reader *r);
/** For an answer to a broken request: the status that fits (400, 413, 431, 501, 505). */
unsigned http_reader_broken_status(const struct http_reader *r);

/** The first header of this name (any case), {NULL,0} when there is none. */
struct divan_bytes http_header(const struct http_message *m, const char *name);
/** Whether a comma separated header contains a token (any case). */
bool http_header_has(const struct http_message *m, const char *name, const char *token);
/** The media type of Content-Type without parameters equals `type` (any case). */
bool http_content_is(const struct http_message *m, const char *type);

/* ---- writers: append to out */

/** Start line of a response; add headers with http_put_header(), end with http_put_body() or http_put_chunked(). */
void http_put_status(struct buf *out, unsigned status, const char *reason); /**< reason NULL = the usual one */
void http_put_request(struct buf *out, const char *method, const char *target);
/** CR, LF and NUL in a value are written as blanks. */
void http_put_header(struct buf *out, const char *name, const char *value);
void http_put_basic_auth(struct buf *out, struct divan_bytes user, struct divan_bytes password); /**< Authorization: */
/** Content-Length, the empty line and the body. */
void http_put_body(struct buf *out, struct divan_bytes body);
/** Transfer-Encoding: chunked and the empty line; then http_put_chunk() as often as wanted. */
void http_put_chunked(struct buf *out);
void http_put_chunk(struct buf *out, struct divan_bytes piece); /**< an empty piece writes nothing */
void http_put_last_chunk(struct buf *out);
void http_put_continue(struct buf *out);
const char *http_reason(unsigned status); /**< "OK", "Not Found"; "Unknown" */

/* ---- the encodings around it */

/** Appends text with %XX (and with plus_is_space "+") decoded. False when an escape is malformed; *error_at (may be NULL)
 * is its offset. NUL bytes are passed on. */
bool percent_decode(struct divan_bytes text, bool plus_is_space, struct buf *out, size_t *error_at);
/** Appends text with everything but letters, digits and -._~ escaped. keep_slash leaves "/" as it is. */
void percent_encode(struct divan_bytes text, bool keep_slash, struct buf *out);

/** Walks "a=1&b=2" (query or application/x-www-form-urlencoded body): takes the next pair off *form and appends the decoded
 * key and value to the two buffers, which it clears first. False at the end. A malformed escape is taken literally. */
bool form_next(struct divan_bytes *form, struct buf *key, struct buf *value);
/** The decoded value of the first pair of this key, yours (mem_free); NULL when absent or out of memory. */
char *form_value(struct divan_bytes form, const char *key);

void base64_encode(struct divan_bytes data, struct buf *out);
/** Standard alphabet, padding required. False when malformed. */
bool base64_decode(struct divan_bytes text, struct buf *out);
/** Splits the value of an Authorization header "Basic ..."; user and password are views into scratch. False: it is none. */
bool basic_auth_decode(struct divan_bytes header, struct buf *scratch, struct divan_bytes *user,
                       struct divan_bytes *password);

#endif
