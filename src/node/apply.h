/* From the cluster document to what the key-value engine should be. */
#ifndef DIVAN_NODE_APPLY_H
#define DIVAN_NODE_APPLY_H

#include "base/log.h"
#include "manager/doc.h"

struct engine;

/** Empties the buckets that were flushed between two documents. Once for each step: what was written since must stay. */
void apply_flushes(struct engine *, const struct doc *before, const struct doc *after);
/** Brings the engine from `before` (NULL = it is fresh) to `after`, as the node `self`. What the engine refuses is logged
 * and left; returns how many calls it refused. */
unsigned apply_doc(struct engine *, const struct doc *before, const struct doc *after, const char *self,
                   const struct log *log);

#endif
