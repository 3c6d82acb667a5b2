/* One connection of the REST interface: the states it goes through, and what the files that make them share.
 * server.c listens and opens connections, connection.c reads requests, answer.c writes answers given at once, later.c those
 * that take time. */
#ifndef DIVAN_NODE_HTTP_CONNECTION_H
#define DIVAN_NODE_HTTP_CONNECTION_H

#include "node/http/server.h"

enum conn_state {
    CONN_READING, /* no request is being answered */
    CONN_HELD,    /* one came before the node knows its cluster */
    CONN_ASKING,  /* the manager has it */
    CONN_WAITING, /* x_wait() */
    CONN_STREAM,  /* x_stream(): for the rest of the connection's life */
    CONN_ENDED,   /* closed, or closing */
    CONN_STATES
};

struct connection {
    struct link links;
    struct rest *rest;
    enum rest_service service;
    struct io_stream *stream; /* NULL: gone */
    struct http_reader *reader;
    enum conn_state state;
    bool parsing;   /* connection_read_on() is at work */
    unsigned asked; /* replies of the manager that are still to come */
    struct exchange x;
    render_fn *render;
    struct buf last; /* what a stream sent last */
    try_fn *try_again;
    void (*cancel)(void *arg); /* of x_pause(); NULL = not paused */
    void *cancel_arg;
    struct io_timer timer;
};

/** A connection for an accepted stream, which it owns from now on; closes the stream when out of memory. */
void rest_connection_open(struct rest *, struct io_stream *, enum rest_service);
/** Frees at once: only for one whose stream is gone and that nothing points to. */
void connection_free(struct connection *);
void connection_move(struct connection *, enum conn_state);
/** Ends it; `closed` frees it later. */
void connection_end(struct connection *, bool flush);
/** Goes on with the requests that have come, as long as nothing is being answered. */
void connection_read_on(struct connection *);
/** Hands the request to the router; false: out of memory. */
bool connection_dispatch(struct connection *);
/** The first document is here: a request that was held goes on. */
void connection_release(struct connection *);
/** A stream: another record, if the document changed what it shows. */
void connection_stream_again(struct connection *);
/** A waiting request: once more. */
void connection_try(struct connection *, bool last);
void connection_on_time(void *connection); /**< its timer */

/** Status line and the headers every answer has. */
void answer_begin(struct connection *, struct buf *out, unsigned status);
void answer_empty(struct connection *, unsigned status); /**< no body; also without a request */

#endif
