/* The manager's file: one SQLite database with the document that holds. A user can open it; a crash at any point leaves
 * the old document or the new one. Calls block for the time of a commit (some milliseconds on a disk). */
#ifndef DIVAN_MANAGER_STORE_H
#define DIVAN_MANAGER_STORE_H

#include "base/bytes.h"

struct store;

/** Opens or creates DIR/manager.sqlite; the folder must exist. One process at a time. NULL with err filled: STATE_DIR (what
 * is wrong with it, and what to do), OUT_OF_MEMORY. */
struct store *store_open(const char *dir, struct divan_error *err);
void store_close(struct store *); /**< NULL is fine */
/** Appends the stored document to out; nothing when there is none yet. Errors: STATE_DIR, OUT_OF_MEMORY. */
enum divan_code store_load(struct store *, struct buf *out, struct divan_error *err);
/** Replaces it; on DIVAN_OK it is on the disk. Errors: FILE_WRITE. */
enum divan_code store_save(struct store *, struct divan_bytes document, struct divan_error *err);

#endif
