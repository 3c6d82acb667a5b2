/* A node as one bucket sees it: its address, its connection, the operations that wait for it. */
#ifndef DIVAN_CLIENT_NODE_H
#define DIVAN_CLIENT_NODE_H

#include "client/connection.h"

enum node_state {
    NODE_IDLE,    /* known, nobody needed it yet */
    NODE_LOOKUP,  /* resolving its name */
    NODE_CONNECT, /* connecting or shaking hands */
    NODE_READY,
    NODE_PAUSE, /* the last attempt failed: waits before the next */
    NODE_GONE,  /* left the map: its connection drains */
    NODE_STATES
};

enum { NODE_ADDRS_MAX = 8 };

struct node {
    struct link link; /* in bucket->nodes */
    struct bucket *bucket;
    enum node_state state;
    const char *host; /* interned */
    uint16_t port;
    const char *name; /* "host:port", interned */
    bool in_map;      /* else a candidate to learn the map from */
    struct connection *connection;
    struct list waiting; /* operations for this node */
    struct io_lookup *lookup;
    struct io_addr addrs[NODE_ADDRS_MAX];
    unsigned addr_count, addr_next;
    struct io_timer timer;     /* end of NODE_PAUSE, deadline of NODE_LOOKUP */
    unsigned failures;         /* attempts in a row */
    uint64_t attempt_ns;       /* when the last attempt began */
    uint64_t missing_since_ns; /* since when the node says the bucket does not exist; 0 = it does not */
    struct divan_error last;   /* why the last attempt failed; code DIVAN_OK = it did not */
    bool is_dialing;           /* counts among those that dial at the same time */
    bool is_definite;          /* trying again cannot help */
};

/** NULL: out of memory. */
struct node *node_new(struct bucket *bucket, const char *host, uint16_t port);
/** Abandons its connection; operations waiting for it are moved to `orphans`. */
void node_free(struct node *node, struct list *orphans);
/** Starts connecting unless that is under way; a pause is cut short. */
void node_dial(struct node *node);
/** The operation waits for the connection; fail-fast ones fail when the last attempt failed. */
void node_wait(struct node *node, struct operation *op);
/** The node left the map: no new operation, its connection drains. `orphans` gets what waits for it. */
void node_leave(struct node *node, struct list *orphans);
/** One clause about it for error sentences, "10.0.0.1:11210: connecting". */
void node_describe(const struct node *node, struct buf *out);

/** Gets a connection that had no bucket before. */
void node_adopt(struct node *node, struct connection *conn);
/** A candidate is known under another name in the map: same connection, new address for the next dial. */
void node_rename(struct node *node, const char *host, uint16_t port);

/* Called by its connection. */
void node_ready(struct node *node, bool has_map);
/** The connection ended; it is gone for the node. */
void node_lost(struct node *node, const struct divan_error *why);

#endif
