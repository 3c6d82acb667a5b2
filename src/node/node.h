/* A node: the key-value engine, the REST interface and the link to a manager, put together on one loop. This file is what
 * `divand` and tests start; the parts know each other only through it. */
#ifndef DIVAN_NODE_NODE_H
#define DIVAN_NODE_NODE_H

#include "base/log.h"
#include "io/io.h"
#include "manager/manager.h"
#include "topology/map.h"

struct node;

struct node_options {
    const char *host;     /**< numeric address to listen on; NULL = "127.0.0.1" */
    uint16_t port_base;   /**< +0 management, +2 views, +3 query, +7 kv TLS, +10 kv, +50/52/53 HTTP over TLS; 0 = the
                                    standard ports (8091, 11210 ...) unless any_port */
    bool any_port;        /**< every port is a free one: tests */
    bool named;           /**< tell clients the host as the node's name; else they use the one they came by. A
                                    loopback address other than 127.0.0.1 is always told */
    const char *data_dir; /**< NULL = memory */
    uint16_t vbuckets;    /**< of new buckets; 0 = 1024 (its own manager only) */
    const char *manager_host; /**< manager to link to; NULL = the node carries its own */
    uint16_t manager_port;
    const char *manager_token;
    struct manager *manager;           /**< a manager on the same loop, borrowed; NULL = see manager_host */
    const struct manager_setup *setup; /**< what its own manager provisions on the first start; NULL = uninitialised */
    const struct log *log;             /**< borrowed; NULL = silent */
};

/** Listens on all its ports (one that is taken fails the whole: PORT_IN_USE names it) and starts its parts. ready (may be
 * NULL) runs once, later: the first document has come from the manager and is served. NULL with err filled. */
struct node *node_start(struct io_loop *, const struct node_options *, void (*ready)(void *user), void *user,
                        struct divan_error *err);
/** Closes connections and frees. NULL is fine. */
void node_stop(struct node *);

const struct map_ports *node_ports(const struct node *); /**< 0 = not offered */
const char *node_uuid(const struct node *);
const char *node_host(const struct node *);
/** The document the node serves; NULL before the first came. Borrowed until the loop runs again. */
const struct doc *node_doc(const struct node *);

#endif
