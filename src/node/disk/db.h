/* The file of one bucket: an SQLite database in write-ahead mode. A commit is on the disk (fsync) when it returns. One
 * thread at a time. */
#ifndef DIVAN_NODE_DISK_DB_H
#define DIVAN_NODE_DISK_DB_H

#include "node/disk/batch.h"

struct db;

/** Opens or creates the file; vfs NULL = that of the system. NULL with err filled: STATE_DIR (it is no such file, it belongs
 * to a newer version, another process has it, it cannot be written), OUT_OF_MEMORY. *clean: the last use was ended by
 * db_close() with nothing left out; from here on it is unclean. */
struct db *db_open(const char *path, const char *vfs, bool *clean, struct divan_error *err);
/** clean: everything is in it. NULL is fine. */
void db_close(struct db *, bool clean);

/** Applies a batch, beginning a transaction when none is open, and commits if it says so. On failure the whole transaction
 * is undone; err says why: STATE_DIR. */
enum divan_code db_apply(struct db *, const struct batch *, struct divan_error *err);

/* Who reads it all back: states of vBuckets, then items by vBucket and seqno. false stops. */
struct db_reader {
    bool (*manifest)(void *user, const struct manifest_spec *, uint32_t top_collection);
    bool (*state)(void *user, uint16_t vbucket, const struct disk_state *);
    bool (*item)(void *user, const struct record *, const void *key, struct divan_bytes value);
    void *user;
};
/** STATE_DIR: it cannot be read; OUT_OF_MEMORY: the reader stopped. */
enum divan_code db_load(struct db *, const struct db_reader *, struct divan_error *err);

#endif
