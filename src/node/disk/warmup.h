/* Filling a store with what a file has. */
#ifndef DIVAN_NODE_DISK_WARMUP_H
#define DIVAN_NODE_DISK_WARMUP_H

#include "node/disk/db.h"

/** clean false: what clients were told after the last commit is lost. vBuckets that were active are dead then: when they
 * become active again they begin a new branch, and when another node has them they follow it on the branch both know.
 * STATE_DIR, OUT_OF_MEMORY; then the store has a part of it. */
enum divan_code warm_up(struct db *, struct store *, bool clean, struct divan_error *err);

#endif
