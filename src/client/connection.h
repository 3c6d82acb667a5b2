/* One connection to the key-value service of a node: handshake, then requests matched with answers by their opaque. */
#ifndef DIVAN_CLIENT_CONNECTION_H
#define DIVAN_CLIENT_CONNECTION_H

#include "client/client.h"
#include "client/handshake.h"
#include "client/slots.h"

enum connection_state {
    CONN_DIAL,      /* connecting */
    CONN_HANDSHAKE, /* HELLO, authentication */
    CONN_BUCKET,    /* selecting the bucket, first map */
    CONN_READY,
    CONN_DRAIN, /* takes no new operation, waits for its answers */
    CONN_CLOSED,
    CONN_STATES
};

struct connection {
    struct client *client;
    struct node *node; /* NULL once it let go of us */
    struct io_stream *stream;
    enum connection_state state;
    feature_set features;
    struct handshake handshake;
    struct slots slots;
    struct link dirty; /* in client->dirty */
    struct breaker breaker;
    uint64_t appended; /* bytes of requests put into the output buffer in all */
    uint64_t flushed;  /* of these, what may have left: a node cannot have seen anything behind it */
    uint64_t received; /* bytes in all */
    uint64_t heard_ns; /* when bytes came last; 0 = not yet */
    uint64_t asked_ns; /* when it was first asked something since bytes came last; 0 = not since */
    struct io_timer timer;
    struct map_revision asked; /* newest revision a push told of and that was asked for */
};

/** Starts connecting. NULL with err filled. The node hears of success and loss by node_ready() and node_lost(). */
struct connection *connection_new(struct node *node, const struct io_addr *addr, struct divan_error *err);
/** Ends the connection for this reason: operations in flight get the verdict for a lost connection, then node_lost(). */
void connection_fail(struct connection *conn, const struct divan_error *why);
/** Closes and forgets: operations in flight get the verdict for a lost connection; the node is not told. The memory goes
 * when the stream is gone. NULL is fine. */
void connection_abandon(struct connection *conn, const struct divan_error *why);
/** No new operations; closes itself when the last answer came or after a while. */
void connection_drain(struct connection *conn);
/** Moves a bucket-less ready connection into a bucket of its new owner. */
void connection_adopt(struct connection *conn, struct node *node);

/** Appends the request to the output. The operation is in no list. Everything that can go wrong ends in its
 * completion. */
void connection_send(struct connection *conn, struct operation *op);
/** Takes an operation out of its slot: its answer will be late. */
void connection_forget(struct connection *conn, struct operation *op);
/** An operation got no answer in time: a connection on which nothing at all has come for long, although it was asked, is given up. */
void connection_doubt(struct connection *conn);
void connection_flush(struct connection *conn);
static inline bool connection_is_ready(const struct connection *conn)
{
    return conn && conn->state == CONN_READY;
}

/** Ready, and its circuit breaker lets requests pass. */
static inline bool connection_is_usable(const struct connection *conn)
{
    return conn && conn->state == CONN_READY && conn->breaker.state == BREAKER_CLOSED;
}

#endif
