/* What a manager and a node say to each other: JSON objects, one per message of a channel. A node says `hello` first (and again when it listens on other ports), then
 * asks and tells what it applied; the manager pushes the document whenever it changes and answers, always in the order in
 * which things happened, so that the answer to a question comes after the document that the question made. */
#ifndef DIVAN_MANAGER_LINK_H
#define DIVAN_MANAGER_LINK_H

#include "manager/manager.h"
#include "manager/order.h"

enum link_type {
    LINK_HELLO,
    LINK_ASK,
    LINK_APPLIED,
    LINK_DOCUMENT,
    LINK_REPLY,
    LINK_REFUSED,
    LINK_ORDER,  /* manager: do something with a vBucket */
    LINK_RESULT, /* node: it is done, or failed */
    LINK_ALIVE,  /* node: every LINK_ALIVE_MS, so that one that hangs is told from one that has nothing to say; manager:
                    the answer, so that the node finds out when nothing reaches it any more */
};

enum { LINK_ALIVE_MS = 200 };
enum { LINK_ARGS_MAX = 8, LINK_FIELDS_MAX = 1000 };

void link_put_hello(struct buf *, const char *token, const struct doc_node *, struct map_revision have);
void link_put_ask(struct buf *, uint64_t id, const struct manager_request *);
void link_put_applied(struct buf *, struct map_revision);
void link_put_document(struct buf *, const struct doc *);
void link_put_reply(struct buf *, uint64_t id, const struct manager_reply *);
void link_put_refused(struct buf *, const char *why);
void link_put_order(struct buf *, const struct order *);
void link_put_result(struct buf *, const struct order_result *);
void link_put_alive(struct buf *);

struct link_message {
    enum link_type type;
    uint64_t id;                       /* ask, reply */
    struct map_revision revision;      /* hello: what it has; applied */
    const char *token, *why;           /* hello; refused */
    struct divan_bytes node, document; /* hello; document: JSON, part of the message */
    struct manager_request request;    /* ask */
    struct manager_reply reply;        /* reply */
    struct order order;
    struct order_result result;
    struct {
        struct buf text;
        struct divan_bytes args[LINK_ARGS_MAX];
        struct manager_field *fields;
        struct copy_figures *figures;
    } memory; /* private */
};

/** Reads a message; views and strings live as long as `text` and the message. Always link_message_fini() it, after a
 * failure, too. Errors: JSON_SYNTAX, CONFIG_FIELD_TYPE, CONFIG_FIELD_RANGE, OUT_OF_MEMORY. */
enum divan_code link_read(struct divan_bytes text, struct link_message *out, struct divan_error *err);
void link_message_fini(struct link_message *);

#endif
