/* The operations in flight on a connection, found by opaque: a ring indexed by the low bits. Opaques are handed out in
 * sequence; an answer whose opaque was handed out but has no operation any more is late, any other is a protocol error. */
#ifndef DIVAN_CLIENT_SLOTS_H
#define DIVAN_CLIENT_SLOTS_H

#include "client/operation.h"

struct slots {
    struct operation **ring;
    uint32_t mask; /* capacity - 1 */
    uint32_t next; /* opaque of the next request */
    uint32_t first;
    size_t used;
};

/** first: the opaque to begin with. false: out of memory. */
bool slots_init(struct slots *s, uint32_t first);
void slots_fini(struct slots *s);
/** Gives the operation an opaque and a place; false: out of memory. */
bool slots_put(struct slots *s, struct operation *op);
/** The operation of an opaque, taken out; NULL = none. */
static inline struct operation *slots_take(struct slots *s, uint32_t opaque)
{
    struct operation *op = s->ring[opaque & s->mask];
    if (!op || op->opaque != opaque) return NULL;
    s->ring[opaque & s->mask] = NULL;
    s->used--;
    return op;
}
/** Puts an operation back that was taken by the opaque it has: more answers follow. */
static inline void slots_put_back(struct slots *s, struct operation *op)
{
    s->ring[op->opaque & s->mask] = op;
    s->used++;
}
/** Whether this opaque was ever handed out. */
static inline bool slots_knows(const struct slots *s, uint32_t opaque)
{
    return opaque - s->first < s->next - s->first;
}
/** Any operation, taken out; NULL = none left. For closing. In order of opaque as far as possible. */
struct operation *slots_take_any(struct slots *s);

#endif
