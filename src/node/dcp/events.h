/* The events of collections in the history of a vBucket: which scopes and collections began and ended, and when. */
#ifndef DIVAN_NODE_DCP_EVENTS_H
#define DIVAN_NODE_DCP_EVENTS_H

#include "node/kv/store.h"

/** Adds to an active vBucket the events between what its history tells and what the manifest says now: after a change of the
 * manifest, and when the vBucket becomes active (the one before may not have told everything). false: out of memory,
 * the rest follows with the next call. */
bool events_reconcile(struct vbucket *, const struct manifest *);
/** The same for all active vBuckets. */
void events_reconcile_all(struct store *);

#endif
