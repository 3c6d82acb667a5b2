/* Filling a store with what a file has. */
#ifndef DIVAN_NODE_DISK_WARMUP_H
#define DIVAN_NODE_DISK_WARMUP_H

#include "node/disk/db.h"

/** clean false: what clients were told after the last commit is lost, so active vBuckets begin a new branch. STATE_DIR,
 * OUT_OF_MEMORY; then the store has a part of it. */
enum divan_code warm_up(struct db *, struct store *, struct rng *, bool clean, struct divan_error *err);

#endif
