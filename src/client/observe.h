/* persist_to and replicate_to: a write that was applied is watched until enough copies have it. The operation waits meanwhile,
 * with its deadline running; questions to the copies are operations of the client's own. */
#ifndef DIVAN_CLIENT_OBSERVE_H
#define DIVAN_CLIENT_OBSERVE_H

#include "client/bucket.h"

static inline bool observe_is_wanted(const struct operation *op)
{
    return op->persist_to || op->replicate_to;
}
/** Before the write is sent: whether the map has copies enough. False: the operation failed with DURABILITY_IMPOSSIBLE. */
bool observe_check(struct client *c, struct operation *op);
/** The write was applied and answered its token. */
void observe_begin(struct client *c, struct operation *op);
/** Asks the copies (again). */
void observe_poll(struct client *c, struct operation *op);
/** The deadline passed, or the handle is closed, while it waits. */
void observe_give_up(struct client *c, struct operation *op, const char *why);

#endif
