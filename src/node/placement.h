/* What the map of a bucket makes of this node: the role of each vBucket, and whom it follows. */
#ifndef DIVAN_NODE_PLACEMENT_H
#define DIVAN_NODE_PLACEMENT_H

#include "manager/doc.h"
#include "node/engine.h"

/** The name and password of the user by which nodes of a cluster know each other; the password is the secret of d. */
extern const char placement_user[];

/** What node `self` is for vBucket v; modes only. */
enum vbucket_mode placement_mode(const struct doc *d, const struct doc_bucket *b, unsigned v, const char *self);

/** Sets roles and sources of a bucket. Errors of engine_set_roles() and replication_set(). */
enum divan_code placement_set(struct engine *, const struct doc *, const struct doc_bucket *, const char *self,
                              struct divan_error *err);

#endif
