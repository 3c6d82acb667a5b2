/* A node's end of the link to its manager: introduces the node, takes documents (never an older one), passes questions on
 * and brings the answers. While the manager is away it tries again and again, and questions are answered with 503. */
#ifndef DIVAN_NODE_UPLINK_H
#define DIVAN_NODE_UPLINK_H

#include "base/log.h"
#include "io/io.h"
#include "manager/manager.h"
#include "manager/order.h"

struct uplink;

struct uplink_options {
    struct manager *manager; /* in this process, borrowed; NULL = at host and port */
    const char *host;        /* numeric */
    uint16_t port;
    const char *token;
    const struct doc_node *self; /* who introduces himself; borrowed for life */
    const struct log *log;
    /** A new document; borrowed for the call. */
    void (*on_doc)(void *user, const struct doc *);
    /** An order of the manager; uplink_result() answers it. NULL = nobody carries orders out. */
    void (*on_order)(void *user, const struct order *);
    void *user;
};

/** Starts linking. NULL with err filled: OUT_OF_MEMORY, INVALID_ARGUMENT (host). */
struct uplink *uplink_new(struct io_loop *, const struct uplink_options *, struct divan_error *err);
/** Pending questions get no answer. NULL is fine. */
void uplink_free(struct uplink *);
/** Says again who the node is: its ports have changed. Nothing while the manager is away: that is said when it is back. */
void uplink_introduce(struct uplink *);
/** fn runs exactly once, later. false: out of memory. */
bool uplink_ask(struct uplink *, const struct manager_request *, manager_reply_fn *fn, void *arg);
/** Answers an order; nothing while the manager is away: it orders again when it is back. */
void uplink_result(struct uplink *, const struct order_result *);
/** Answers what is asked, now: the link is about to end for good. 503; but 200 to who asked to join, when the node does. */
void uplink_drain(struct uplink *, bool joins);
bool uplink_is_up(const struct uplink *);

#endif
