/* Which operations go on after a set-back: the built-in strategies and those of the program. */
#ifndef DIVAN_CLIENT_STRATEGY_H
#define DIVAN_CLIENT_STRATEGY_H

#include <divan/retry.h>

#include "client/client.h"

/** Of a strategy that the program added, or tries to name: INVALID_ARGUMENT when it is not known. */
enum divan_code strategy_set_custom(const struct client *c, struct operation *op, enum divan_retry retry,
                                    struct divan_error *err);
/** Gives a filled operation its strategy; DEFAULT = that of the client. INVALID_ARGUMENT: not known. */
static inline enum divan_code strategy_set(const struct client *c, struct operation *op, enum divan_retry given,
                                           struct divan_error *err)
{
    enum divan_retry retry = given ? given : c->retry;
    op->fail_fast = retry == DIVAN_RETRY_FAIL_FAST;
    op->strategy = 0;
    return (unsigned)retry <= DIVAN_RETRY_FAIL_FAST ? DIVAN_OK : strategy_set_custom(c, op, retry, err);
}
/** Asks the program, and keeps the pause it wants for client_retry_later(). */
bool strategy_stops(struct client *c, struct operation *op, unsigned reason);
/** Whether the operation is to fail rather than to wait or to be tried again for this reason. */
static inline bool strategy_is_impatient(struct client *c, struct operation *op, unsigned reason)
{
    bool stops = op->fail_fast || (op->strategy && strategy_stops(c, op, reason));
    op->pause_ms = 0; /* what waits goes on when it can */
    return stops;
}

#endif
