/* What is known of the endpoints, as the JSON of the SDKs. No I/O. */
#ifndef DIVAN_CLIENT_REPORT_H
#define DIVAN_CLIENT_REPORT_H

#include "client/bucket.h"

enum report_state { REPORT_OFFLINE, REPORT_DEGRADED, REPORT_ONLINE };

/** How the key-value nodes of a bucket do: online = it has a map and every node of it is connected. */
enum report_state report_bucket_state(const struct bucket *bucket);
/** Of all buckets that were opened, the worst; without one, of the connection that learns the first map. */
enum report_state report_state_of(const struct client *c);

/** Opens the object: version, id (NULL = random), sdk. */
void report_begin(struct client *c, const char *id, struct buf *out);
/** Members of an endpoint that diagnostics and ping have in common. */
void report_connection(const struct connection *conn, struct buf *out);
void report_diagnostics(struct client *c, const char *id, struct buf *out);

#endif
