/* Keeps the documents of one bucket in a file. The store stays what it is; this reads the order of its seqnos as a
 * follower would, and so has no queue of its own: what is overwritten before it was written is written once.
 *
 * What is in the file is, for every vBucket, the state at one of its seqnos, whenever the process ends: a transaction takes
 * vBuckets up to a seqno as a whole. It is on the disk (fsync) when vbucket.persisted_seqno says so.
 * Memory: one batch of about a megabyte, and what of the vBucket being written is overwritten meanwhile. */
#ifndef DIVAN_NODE_DISK_DISK_H
#define DIVAN_NODE_DISK_DISK_H

#include "base/log.h"
#include "io/io.h"
#include "node/kv/store.h"

struct disk;

struct disk_options {
    const char *dir;       /* exists */
    const char *vfs;       /* of SQLite; NULL = the system's */
    const char *bucket;    /* name */
    const char *uuid;      /* of this bucket, not of one of that name before */
    bool no_thread;        /* writes on the loop, in tests that want to know when */
    size_t batch_bytes;    /* 0 = 1 MiB */
    uint32_t delay_ms;     /* how long plain writes are gathered; 0 = 20 */
    const struct log *log; /* borrowed; may be NULL */
    /* vBuckets have more on the disk now than before; on the loop. */
    void (*persisted)(void *user, const struct store *);
    void (*persisted_one)(void *user, struct vbucket *); /* before that, for each of them */
    void *user;
};

/** Opens the file of the bucket or makes it, removing files of other buckets that had this name; fills the store with what
 * is in it, vBuckets in the modes they had; from then on what the store becomes is written. After an unclean end vBuckets
 * that were active are dead: becoming active again they get a new entry in their failover logs. The store must be empty. The caller sees to it that
 * disk_poll() is called after io_wake(). NULL with err filled: STATE_DIR, OUT_OF_MEMORY, SYSTEM. */
struct disk *disk_open(struct store *, struct io_loop *, const struct disk_options *, struct divan_error *err);
/** Writes what is left, as far as it can be written, and closes; before store_fini(). NULL is fine. */
void disk_close(struct disk *);
/** Closes without writing and removes the file: the bucket is no more. */
void disk_remove(struct disk *);

/** Looks whether the writer is done. */
void disk_poll(struct disk *);
/** The collections of the bucket changed. */
void disk_manifest_changed(struct disk *);
/** Somebody waits: begin now. NULL is fine. */
void disk_hurry(struct disk *);
/** Ends when everything was written, or writing failed. For tests. */
bool disk_flush(struct disk *);

struct disk_figures {
    uint64_t commits, failures, items_written;
    uint64_t dirty_bytes; /* written by clients and not on the disk, overwritten ones included */
    bool failing;         /* the last attempt failed */
};
void disk_read_figures(const struct disk *, struct disk_figures *);

#endif
