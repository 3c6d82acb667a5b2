/* Parts of answers that several routes show. Each writes members or elements with their commas. */
#ifndef DIVAN_NODE_HTTP_RENDER_H
#define DIVAN_NODE_HTTP_RENDER_H

#include "node/http/exchange.h"
#include "node/http/facts.h"

extern const char server_version[]; /* what the cluster announces itself as */
enum { COMPATIBILITY = 7 * 65536 + 6 };

/** "host:port" of a node's management, as this client reaches it, into out (room for 300); returns out. */
const char *render_address(const struct exchange *, const struct doc_node *, uint16_t port, char *out);
void render_facts(const struct exchange *, struct facts *out);

/** {...} of a node; bucket NULL = the form of /pools/default. Leaves the object open. */
void render_node_open(struct exchange *, const struct doc_node *, const struct doc_bucket *, const struct facts *,
                      struct buf *out);
/** The nodes that are in the cluster, closed objects in an array. */
void render_nodes(struct exchange *, const char *key, const struct facts *, struct buf *out);
/** "storageTotals":{...} */
void render_storage_totals(struct exchange *, const struct facts *, struct buf *out);
/** "memoryQuota":.. and the others. */
void render_quotas(const struct doc *, struct buf *out);

/** The full form of a bucket. */
void render_bucket(struct exchange *, const struct doc_bucket *, const struct facts *, struct buf *out);
/** Whether who asks may see it in lists. */
bool render_may_see(const struct exchange *, const struct doc_bucket *);

/** The whole of /pools/default. */
void render_pool(struct exchange *, bool etag, struct buf *out);
/** A word that changes with the document. */
const char *render_etag(const struct doc *, char out[24]);

#endif
