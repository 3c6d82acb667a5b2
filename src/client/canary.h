/* The circuit breaker of a connection at work: counts what ends, refuses while it is open, sends the probe. */
#ifndef DIVAN_CLIENT_CANARY_H
#define DIVAN_CLIENT_CANARY_H

#include "client/connection.h"

struct node;

/** From the options. */
struct breaker_limits canary_limits(const struct options *options);
/** A request of this connection was answered, or its deadline passed without an answer (failed). */
void canary_note(struct connection *conn, bool failed);
/** An operation is not to be sent now: it waits for the probe; a fail-fast one fails. */
void canary_refuse(struct node *node, struct operation *op);
/** The timer of a ready connection is due. */
void canary_due(struct connection *conn);

#endif
