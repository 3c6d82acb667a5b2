/* Requests to the services that speak HTTP, on the loop of the client: kept-alive connections, one request at a time on
 * each, retried like everything else. A request is an operation of KIND_HTTP or KIND_HTTP_READ. */
#ifndef DIVAN_CLIENT_SERVICES_HTTP_H
#define DIVAN_CLIENT_SERVICES_HTTP_H

#include <divan/management.h>

#include "client/client.h"

struct http;

/* What a request is about: decides what the refusals of the server mean. */
enum http_subject {
    ABOUT_ANYTHING,
    ABOUT_BUCKET,
    ABOUT_SCOPE,
    ABOUT_COLLECTION,
    ABOUT_USER,
    ABOUT_GROUP,
};

struct http_parts {
    struct divan_bytes method, path, content_type, body;
};

/** Puts the request into the operation; it may be sent again and again. false: out of memory. */
bool http_put(struct operation *op, const struct http_parts *parts, enum http_subject subject);

/** Sends it, or lets it wait until a connection is there. Called by client_route(). */
void http_route(struct client *c, struct operation *op);
/** The operation ended: its connection, if it has one, carries an answer that nobody wants. */
void http_forget(struct client *c, struct operation *op);
/** Why connecting failed last, for the sentence of a timeout; "" = it did not. */
const char *http_trouble(const struct client *c);
/** "host:port" of an endpoint, interned by the client. */
const char *http_endpoint_name(struct client *c, const char *host, uint16_t port);
/** Tells of every connection. */
struct http_endpoint {
    uint64_t id;
    const char *remote;
    const struct io_stream *stream; /* NULL = not connected yet */
};
void http_each(const struct client *c, void (*fn)(void *user, const struct http_endpoint *e), void *user);
void http_stop(struct client *c); /**< closes the connections; the operations were completed before */

/** What an answer of 300 and above means. */
enum divan_code http_code(enum http_subject subject, unsigned status, struct divan_bytes body);
/** The server's own words out of the body, in one line; "" = it has none. */
void http_words(struct divan_bytes body, char *out, size_t cap);

#endif
