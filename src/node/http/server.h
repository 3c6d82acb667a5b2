/* Connections of the REST interface: reads requests one after the other (pipelined ones wait their turn), hands them to the
 * router, writes answers. */
#ifndef DIVAN_NODE_HTTP_SERVER_H
#define DIVAN_NODE_HTTP_SERVER_H

#include "node/http/exchange.h"

struct rest {
    struct io_loop *loop;
    struct rest_options options;
    const struct doc *doc; /* NULL before the first */
    struct rest_listener {
        struct io_listener *io; /* NULL = free */
        bool tls;
    } listeners[8];
    struct list connections;
    struct auth_cache auth;
    uint64_t started_ns;
    bool closing;
};

/** Finds the route and calls its handler, or answers itself. Never fails to answer. */
void router_dispatch(struct exchange *, enum rest_service);

#endif
