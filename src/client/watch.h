/* Keeping the maps fresh: every way in which a newer one is heard of ends here. */
#ifndef DIVAN_CLIENT_WATCH_H
#define DIVAN_CLIENT_WATCH_H

#include "client/bucket.h"

/** A map as JSON from a node: parsed, applied if newer. bucket: whose connection brought it; a map of another bucket or
 * the global one finds its place by its name. source_host: the host it came from. source: the node, NULL when that is not
 * certain any more. True when something was applied. */
bool watch_map(struct bucket *bucket, struct divan_bytes json, const char *source_host, struct node *source);
/** A push frame (magic 0x82). False when it is malformed. */
bool watch_push(struct connection *conn, const struct frame *f);
/** A newer map is wanted, from this connection or (NULL) any: at most one fetch at a time, not more often than the floor. */
void watch_want(struct bucket *bucket, struct connection *conn);
/** Starts the poll of nodes that do not push. */
void watch_start(struct client *client);
void watch_stop(struct client *client);

#endif
