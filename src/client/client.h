/* The core of the client: one state machine on one loop, without threads and locks. Everything here is called under the
 * lock of the cluster (cluster.h) or, in a simulation, from its only thread. */
#ifndef DIVAN_CLIENT_CLIENT_H
#define DIVAN_CLIENT_CLIENT_H

#include <divan/retry.h>

#include "client/breaker.h"
#include "client/config.h"
#include "client/meter.h"
#include "client/operation.h"
#include "client/wheel.h"
#include "io/io.h"
#include "topology/map.h"
#include "wire/errmap.h"

struct bucket;
struct http;

/* A retry strategy of the program. */
struct client_strategy {
    divan_retry_fn *fn;
    void *user;
};

enum client_state { CLIENT_NEW, CLIENT_OPENING, CLIENT_OPEN, CLIENT_CLOSED };

typedef void client_opened_fn(void *user, const struct divan_error *err);
/** Called when an operation is complete whose delivery is not the core's business: waiter, callback, queue. */
typedef void client_deliver_fn(void *user, struct operation *op);

struct client {
    struct io_loop *loop; /* borrowed */
    struct client_config config;
    struct log *log; /* in config */
    enum client_state state;
    uint64_t id; /* of this client in the server's logs */

    struct op_pool *pool;
    struct wheel wheel; /* deadlines and retries of all operations */
    struct io_timer wheel_timer;
    size_t in_flight, in_flight_bytes;
    client_deliver_fn *deliver;
    void (*made_room)(void *user); /* an operation ended that is not delivered; NULL = nobody waits for room */
    void *deliver_user;            /* of both */

    struct bucket *cluster_level; /* the bucket-less connection that learns the first map */
    struct list buckets;          /* with a name */
    unsigned dialing;             /* nodes that are being connected to; bounded */
    struct list dirty;            /* connections with output that is not flushed */
    struct connection *latest;    /* the one that got the latest operation; NULL = none, or gone */
    struct list scanners;         /* open ones */
    struct list endpoints;        /* interned texts "host:port" */
    char *network;                /* chosen with the first map; NULL = not yet */
    const char *seed_host;        /* the seed that gave the first map, interned in config */
    uint16_t seed_port;
    struct errmap *errmap;    /* newest of all servers; NULL = none */
    unsigned mechanism_known; /* enum sasl_mechanism + 1 that worked, 0 = none yet */
    struct buf scratch;       /* compressed values, payloads */

    struct io_timer poll_timer;
    unsigned poll_turn;

    client_opened_fn *opened;
    void *opened_user;
    struct io_timer open_timer;
    struct bucket *open_bucket; /* of the connection string, NULL = none */
    struct io_lookup *srv_lookup;
    uint64_t srv_asked_ns; /* when the records were last asked for again; 0 = not yet */

    struct http *http; /* of the services; NULL = not needed yet */

    struct breaker_limits breaker_limits;
    enum divan_retry retry; /* of operations that do not say */
    struct client_strategy strategies[DIVAN_RETRY_CUSTOM_MAX];
    size_t strategy_count;
    struct meter meter;
};

/** Takes *config over (also on failure). NULL with err: OUT_OF_MEMORY. The loop must outlive the client and is not run
 * by it. */
struct client *client_new(struct io_loop *loop, struct client_config *config, client_deliver_fn *deliver, void *user,
                          struct divan_error *err);
/** Starts connecting; fn runs once, later, with NULL or the reason. */
void client_open(struct client *c, client_opened_fn *fn, void *user);
/** Completes everything in flight with CANCELLED and closes the connections. Afterwards no callback of the core runs. */
void client_close(struct client *c);
/** After the loop is gone. NULL is fine. */
void client_free(struct client *c);

/** A fresh operation; NULL when out of memory. */
struct operation *client_take(struct client *c);
/** Starts an operation that has kind, collection, key, value and options: it now belongs to the client until delivered.
 * timeout_ms 0 = the default. On error (CLUSTER_CLOSED, OVERLOADED) the caller keeps it. */
enum divan_code client_start(struct client *c, struct operation *op, struct divan_error *err);
/** Sends what was appended and not flushed yet. */
void client_flush(struct client *c);
/** The stream on which the answer to the only operation in flight must come, when there is nothing else to look after for
 * a while; NULL = run the loop. */
struct io_stream *client_only_stream(const struct client *c);
/** Cheap: whether client_flush() would do anything. */
static inline bool client_is_dirty(const struct client *c)
{
    return !list_empty(&c->dirty);
}

/* ---- for the parts of the core */

/** Sends a waiting or fresh operation on its way, or lets it wait where it must. */
void client_route(struct client *c, struct operation *op);
/** Every operation of the list again, in order. The list is empty afterwards. */
void client_route_all(struct client *c, struct list *ops);
/** Not now: notes the reason, pauses by the back-off, then routes again. The operation is in no list; it is put into
 * `where` (NULL = none) meanwhile. */
void client_retry_later(struct client *c, struct operation *op, unsigned reason, struct list *where);
/** Routes a waiting operation again at this time. False: out of memory. */
bool client_wake_at(struct client *c, struct operation *op, uint64_t at_ns);
void client_note_reason(struct client *c, struct operation *op, unsigned reason);

/** CANCELLED: the handle is being closed. */
void client_cancel(struct client *c, struct operation *op);
void client_succeed(struct client *c, struct operation *op);
/** Fails with a sentence of the caller, to which where and how often are added in the struct. */
void client_fail(struct client *c, struct operation *op, enum divan_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** Fails with a ready error. */
void client_fail_with(struct client *c, struct operation *op, const struct divan_error *why);

const char *client_intern(struct client *c, const char *text); /**< lives as long as the client; never NULL ("?") */
/** The newest map of all, bucket or global; NULL = none. Borrowed. */
const struct map *client_best_map(const struct client *c);
/** Every node of a bucket is lost: the SRV records, if the connection string has any, may name others by now. */
void client_refresh_seeds(struct client *c);
/** A definite failure or a success of bucket-opening: the opening of the client may be decided. */
void client_opening_step(struct client *c);

#endif
