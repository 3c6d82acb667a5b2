/* The conductor: carries out what the document says is to be done about vBuckets. It looks at the document (the task, the
 * maps with where they lead, moves that are not over), orders nodes, and changes the document step by step; it keeps
 * nothing that it could not find out again, so a manager that was killed goes on where it was.
 *
 * A move of one vBucket: new copies are built; the document says that it moves; the new active takes over; the document
 * says the new chain; the copies follow the new active; the document says that the move is over, and old copies go. A
 * failover asks everybody who is left what they have and changes the maps at once. */
#ifndef DIVAN_MANAGER_CONDUCTOR_H
#define DIVAN_MANAGER_CONDUCTOR_H

#include "base/log.h"
#include "io/io.h"
#include "manager/order.h"

struct conductor;

/* What it needs of the manager around it. */
struct conductor_host {
    void *user;
    const struct doc *(*doc)(void *user); /**< that holds now; borrowed until the next commit */
    /** Makes `next` the document that holds, saved and told to all nodes; takes it, whatever happens. false: it was not. */
    bool (*commit)(void *user, struct doc *next);
    /** Sends an order; false: the node is not linked. Results come by conductor_result(). */
    bool (*send)(void *user, const char *node, const struct order *);
    /** Whether the node is linked, was heard of lately and applies this revision of the document (0 = any). */
    bool (*ready)(void *user, const char *node, int64_t rev);
    uint64_t (*wall_ms)(void *user);
};

struct conductor_options {
    uint32_t leave_ms;    /* how long nodes that leave are still listed; 0 = 2000 */
    uint32_t patience_ms; /* how long a node may be away in a rebalance before that fails; 0 = 15000 */
    uint32_t read_ms;     /* how long a failover waits for answers; 0 = 1000 */
};

/** NULL = out of memory. What it is given is borrowed, options are copied. */
struct conductor *conductor_new(struct io_loop *, const struct conductor_host *, const struct conductor_options *,
                                const struct log *);
void conductor_free(struct conductor *); /**< NULL is fine; failovers under way are not answered */

/** Something changed (the document, a node's state, what a node applies): it looks what is to be done, soon. */
void conductor_wake(struct conductor *);
/** The node's link is gone: what it was ordered is not answered any more. */
void conductor_node_gone(struct conductor *, const char *node);
void conductor_result(struct conductor *, const char *node, const struct order_result *);

typedef void conductor_done_fn(void *user, bool done);
/** Fails nodes over: a rebalance under way ends with `why` as its error. fn (may be NULL) runs once, later, unless the
 * conductor is freed. demote: see failover.h. false: out of memory, or another one is under way (fn does not run). */
bool conductor_fail_over(struct conductor *, const char *const *uuids, size_t count, bool demote, const char *why,
                         conductor_done_fn *fn, void *user);
bool conductor_is_failing(const struct conductor *);

#endif
