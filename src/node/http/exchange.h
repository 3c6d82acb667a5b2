/* One request and its answer, as the handlers of routes see it. Every handler answers exactly once: at once with one of
 * the answer functions, later by x_forward() (the manager's reply), x_stream() or x_wait(). */
#ifndef DIVAN_NODE_HTTP_EXCHANGE_H
#define DIVAN_NODE_HTTP_EXCHANGE_H

#include "manager/json_writer.h"
#include "manager/roles.h"
#include "node/http/auth.h"
#include "node/http/rest.h"
#include "text/http.h"

enum { EXCHANGE_ARGS = 4, EXCHANGE_FIELDS = 256 };

struct exchange {
    struct rest *rest;
    struct connection *conn;
    const struct doc *doc;              /* that holds; never NULL in a handler */
    const struct http_message *request; /* borrowed until the answer */
    struct identity who;
    const char *user;                       /* name, "" = nobody */
    struct divan_bytes args[EXCHANGE_ARGS]; /* captured from the path, decoded */
    size_t arg_count;
    struct manager_field fields[EXCHANGE_FIELDS]; /* of the query (names begin with "?"), then of a form body */
    size_t field_count;
    struct buf text;      /* what args and fields point into */
    struct buf body;      /* an answer in the making */
    uint64_t deadline_ns; /* of x_wait() */
};

typedef void handler_fn(struct exchange *);

/** The value of a field; .data NULL = absent. */
struct divan_bytes x_field(const struct exchange *, const char *name);
/** A whole number from a field, or fallback. */
int64_t x_number(const struct exchange *, const char *name, int64_t fallback);

/* ---- answers */

void x_text(struct exchange *, unsigned status, const char *text); /**< text/plain; "" = no body at all */
void x_json(struct exchange *, unsigned status);                   /**< x->body as JSON */
void x_json_text(struct exchange *, unsigned status, const char *json);
void x_not_found(struct exchange *); /**< what an unknown bucket gets */
void x_unauthorized(struct exchange *);
void x_forbidden(struct exchange *, const char *permission);
void x_redirect(struct exchange *, const char *location, const char *html);
void x_reply(struct exchange *, const struct manager_reply *);

/** Sends the request to the manager as operation `op` with args and form (or body), answers with its reply. */
void x_forward(struct exchange *, const char *op);

/** Renders the first record; false = there is nothing (any more): 404, or the end of the stream. */
typedef bool render_fn(struct exchange *, struct buf *out);
/** A stream of records: one now, one whenever the document changes what render writes. */
void x_stream(struct exchange *, render_fn *);
/** Tries now, again with every change of the document, and at last when ms have passed (last set): try answers and
 * returns true, or returns false to wait on. */
typedef bool try_fn(struct exchange *, bool last);
void x_wait(struct exchange *, try_fn *, uint64_t ms);

/** The answer needs something else first: keeps the exchange until x_resume(). cancel(arg) is called instead when the
 * interface is freed before. */
void x_pause(struct exchange *, void (*cancel)(void *arg), void *arg);
/** Back: answer now. false: the client is gone and the exchange with it. */
bool x_resume(struct exchange *);

/* ---- the parts of handlers in several files */

struct doc_bucket *x_bucket(struct exchange *); /**< args[0]; NULL with 404 answered */
const struct doc_node *x_self(const struct exchange *);
const char *x_local_host(const struct exchange *); /**< the address the client came by */

#endif
