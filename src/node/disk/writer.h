/* The thread that writes: one batch at a time, handed over and handed back. Everything but writer_run() and what it calls
 * belongs to the loop's thread; a batch belongs to the writer from writer_give() until writer_take(). */
#ifndef DIVAN_NODE_DISK_WRITER_H
#define DIVAN_NODE_DISK_WRITER_H

#include "node/disk/db.h"

struct writer;

/** Takes the database over. told(user) is called from the writer's thread after each batch (io_wake is fine there). NULL
 * with err filled, the database is the caller's still: OUT_OF_MEMORY, SYSTEM. */
struct writer *writer_new(struct db *, void (*told)(void *user), void *user, struct divan_error *err);
/** Waits for the batch under way, ends the thread and gives the database back. */
struct db *writer_free(struct writer *);

/** One batch at a time: the one before must have been taken back. Borrowed until then. */
void writer_give(struct writer *, const struct batch *);
/** true: the batch is done, *err says how (code DIVAN_OK = well). false: not yet, or there is none. */
bool writer_take(struct writer *, struct divan_error *err);
/** The same, but waits when there is one. */
bool writer_wait(struct writer *, struct divan_error *err);

#endif
