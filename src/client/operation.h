/* An operation from the call to its result: one pooled, reference-counted object that starts as a request and becomes the
 * divan_result the application reads. Until it is complete it belongs to the client and is touched under the client's
 * lock only; afterwards nothing in it changes, so any thread may read it. */
#ifndef DIVAN_CLIENT_OPERATION_H
#define DIVAN_CLIENT_OPERATION_H

#include <stdatomic.h>

#include <divan/divan.h>

#include "base/bytes.h"
#include "base/chunk.h"
#include "base/list.h"
#include "client/kinds.h"
#include "client/wheel.h"
#include "wire/kv.h"

struct client;
struct collection;
struct connection;
struct node;
struct operation;
struct op_pool;

/* Where an operation is. It is in exactly one place, so `link` serves all of them. */
enum op_state {
    OP_IDLE,    /* being filled, or in the pool */
    OP_WAITING, /* in a waiting list of a bucket, collection or node; perhaps with a retry running */
    OP_SENT,    /* in a slot of a connection */
    OP_DONE,    /* complete: in a queue, in the list of callbacks, or with the caller */
};

enum op_done { DONE_NOWHERE, DONE_WAITER, DONE_CALLBACK, DONE_QUEUE, DONE_INTERNAL };

typedef void op_internal_fn(struct client *client, struct operation *op);

enum { SPECS_MAX = 16 };
enum { OP_VALUE_KEEP = 16 * 1024 }; /* a larger buffer is not kept when the operation goes back to the pool */

struct operation {
    _Atomic uint32_t refs;
    uint8_t kind;  /* enum op_kind */
    uint8_t state; /* enum op_state */
    uint8_t how;   /* enum op_done */
    uint8_t key_len;
    uint8_t durability;
    uint8_t moved;    /* not-my-vbucket answers so far: every second attempt follows the forward map */
    uint8_t datatype; /* of the request value, then of the answer */
    bool keep_expiry, fail_fast;
    bool may_linger;    /* its owner drives the loop soon: it need not be sent at once */
    bool waits_for_map; /* not-my-vbucket: a newer map sends it again before the back-off is over */
    bool rejected;      /* the last answer said that it was not applied */
    bool ambiguous;     /* it failed, but may have been applied */
    bool exists;
    uint8_t strategy;  /* 1 + place of a retry strategy of the program; 0 = built in */
    bool is_race;      /* one of several copies that are read at once, see race.h */
    uint8_t copy;      /* which copy it is for: 0 = the active one */
    uint8_t read_from; /* of a race: enum divan_read_from */
    bool is_deleted;   /* sub-document: the document is a tombstone */
    bool has_flags;    /* mutate_in: flags are sent */
    bool with_expiry;  /* projection: the first spec is the expiry */
    uint8_t doc_flags, spec_count;
    uint8_t spec_failed;              /* 1 + place of the spec that was refused; 0 = none */
    uint8_t persist_to, replicate_to; /* enum divan_persist_to, divan_replicate_to */
    bool is_observed;                 /* the write was applied: its copies are watched, see observe.h */
    uint8_t persisted, replicated;    /* copies that have it, bits */
    uint16_t exists_mask;             /* specs that ask for existence */
    uint8_t spec_order[SPECS_MAX];    /* which spec of the program is the i-th on the wire */
    uint16_t attempts, retries, vbucket, status;
    struct link link;
    struct op_pool *pool;
    struct client *client; /* until complete */
    struct collection *collection;
    struct connection *connection; /* OP_SENT */
    struct wheel_entry deadline, retry;
    uint64_t start_ns;
    uint64_t out_end; /* OP_SENT: how many bytes the connection had appended behind this frame */
    uint32_t timeout_ms, opaque;
    uint32_t pause_ms; /* before the next attempt, as the program's strategy wants it; 0 = built in */
    uint32_t reasons;  /* bits of enum retry_reason */
    size_t charged;    /* bytes counted against the limit of the client */

    /* how it is delivered */
    union {
        divan_done_fn *fn;
        struct divan_queue *queue;
        op_internal_fn *internal;
        void *waiter; /* of the driver */
    } done;
    void *user;
    void *owner; /* DONE_INTERNAL: what it is about */

    /* request */
    uint32_t flags, expiry;
    uint64_t cas;             /* asked, then answered */
    uint64_t number, initial; /* delta, then the new value */
    struct divan_bytes value; /* request: own or the blocked caller's. Answer: own, or in chunk */

    /* answer */
    struct mutation_token token;
    uint16_t server_time;      /* as on the wire, 0 = not told */
    const char *endpoint;      /* of the last dispatch, interned by the client; NULL = none yet */
    struct chunk *chunk;       /* pinned, or NULL */
    struct divan_error *error; /* NULL = success */
    struct operation *next_free;
    struct buf own; /* the request's value, then a small answer's */
    uint8_t key[KEY_MAX];
};

/* The pool of one client. Taking is for the client's lock, giving back for any thread at any time, also after the client
 * is gone: the pool dies with its last operation. */
struct op_pool *op_pool_new(void);
/** No more takes; frees the pool now or with the last operation outside. NULL is fine. */
void op_pool_close(struct op_pool *pool);
/** One reference, every field zeroed but the kept buffer; NULL when out of memory. */
struct operation *op_take(struct op_pool *pool);
static inline void op_retain(struct operation *op)
{
    atomic_fetch_add_explicit(&op->refs, 1, memory_order_relaxed);
}
/** Any thread. NULL is fine. */
void op_release(struct operation *op);

static inline bool op_is_http(const struct operation *op)
{
    return op->kind == KIND_HTTP || op->kind == KIND_HTTP_READ;
}
static inline struct divan_bytes op_key(const struct operation *op)
{
    return bytes_of(op->key, op->key_len);
}
static inline const struct kind_facts *op_facts_of(const struct operation *op)
{
    return &kind_facts[op->kind];
}
/** Copies bytes into the operation's own buffer and points value at them. false: out of memory. */
bool op_own_value(struct operation *op, struct divan_bytes value);
/** The error struct of the operation, made when needed, zeroed; a shared constant for "out of memory" when there is none,
 * which must not be written: false. */
bool op_error(struct operation *op);

static inline divan_result *op_result(struct operation *op)
{
    return (divan_result *)(void *)op;
}
static inline struct operation *result_op(const divan_result *result)
{
    return (struct operation *)(uintptr_t)result;
}

#endif
