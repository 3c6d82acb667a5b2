/* The REST interface of a node: HTTP listeners over one table of routes. Reads are rendered from the node's copy of the
 * cluster document, writes are passed to the manager. One thread, the loop's. */
#ifndef DIVAN_NODE_HTTP_REST_H
#define DIVAN_NODE_HTTP_REST_H

#include "base/log.h"
#include "io/tls.h"
#include "manager/manager.h"

struct rest;
struct engine;

enum rest_service { REST_MANAGEMENT, REST_VIEWS };

/* What the interface needs of the node around it. */
struct rest_options {
    struct engine *engine; /**< for figures; NULL = all zero */
    const char *self;      /**< uuid of this node; borrowed for life */
    const char *data_dir;  /**< NULL = memory */
    const struct log *log; /**< borrowed; NULL = silent */
    /** Passes a request to the manager; fn runs exactly once, later, unless the rest is freed first. false: out of memory.
     * A manager that cannot be reached is a reply with status 503. */
    bool (*ask)(void *user, const struct manager_request *, manager_reply_fn *fn, void *arg);
    /** The node is asked to join the cluster of a manager: NULL = it will, in a moment; else a sentence why not. */
    const char *(*join)(void *user, const char *host, uint16_t port, const char *token, const char *cluster);
    /** The node is to leave its cluster and forget everything, in a moment. */
    void (*reset)(void *user);
    void *ask_user;
};

/** NULL with err filled: OUT_OF_MEMORY. Options are copied, what they point to is borrowed. */
struct rest *rest_new(struct io_loop *, const struct rest_options *, struct divan_error *err);
/** tls NULL = plain. Errors of io_listen(). bound may be NULL. */
enum divan_code rest_listen(struct rest *, const struct io_addr *, struct io_tls *tls, enum rest_service,
                            struct io_addr *bound, struct divan_error *err);
void rest_unlisten_tls(struct rest *); /**< stops listening with TLS; connections stay */
/** The document that holds from now on (a reference is kept): streams and waiting requests are told. */
void rest_set_doc(struct rest *, const struct doc *);
/** Closes listeners and connections. Pending questions must not be answered any more. NULL is fine. */
void rest_free(struct rest *);

#endif
