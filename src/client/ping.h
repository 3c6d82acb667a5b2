/* A sign of life from every endpoint: NOOP on key-value connections, GET / on management ports. */
#ifndef DIVAN_CLIENT_PING_H
#define DIVAN_CLIENT_PING_H

#include <divan/diagnostics.h>

#include "client/client.h"

struct ping;
typedef void ping_done_fn(void *user);

/** Asks all endpoints of the services now. NULL: out of memory. fn runs once, later, unless ping_is_done() already. Free it only
 * when it is done. timeout_ms 0 = those of the services. */
struct ping *ping_start(struct client *c, unsigned services, uint32_t timeout_ms, ping_done_fn *fn, void *user);
bool ping_is_done(const struct ping *ping);
void ping_free(struct ping *ping); /**< NULL is fine */
/** How many endpoints a service has, and how many of them answered. */
void ping_count(const struct ping *ping, enum divan_service service, size_t *all, size_t *ok);
/** The report of one that is done. */
void ping_json(const struct ping *ping, const char *id, struct buf *out);
/** Those that did not answer, "10.0.0.1:8091: ...; ...". */
void ping_describe(const struct ping *ping, unsigned services, struct buf *out);

#endif
