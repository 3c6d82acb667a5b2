/* The state folder of a local cluster: who runs it is whoever holds the lock on its file "lock", so a folder left behind by
 * a crash is never mistaken for a running cluster, and a reused process id never for ours. */
#ifndef DIVAN_CLI_LOCAL_STATE_H
#define DIVAN_CLI_LOCAL_STATE_H

#include "base/bytes.h"
#include "cli/local/record.h"

/** The absolute path of the folder: as given, or default under $XDG_STATE_HOME/divan or ~/.local/state/divan. Yours:
 * mem_free(). NULL: err STATE_DIR (no home), OUT_OF_MEMORY. */
char *state_path(const char *given, struct divan_error *err);
/** The path of a file in the folder, yours; NULL = out of memory. */
char *state_file(const char *dir, const char *name);

/** Creates the folder with its parents (mode 0700 for what is new) and "log" in it. Errors: STATE_DIR. */
enum divan_code state_make(const char *dir, struct divan_error *err);
/** Takes the lock and writes this process into it. *lock is a descriptor to keep open; closing it gives the lock back.
 * Errors: STATE_DIR (a cluster is running on the folder; the sentence names its process and what to do). */
enum divan_code state_lock(const char *dir, int *lock, struct divan_error *err);
/** The process that runs a cluster on the folder; 0 = nobody. */
int64_t state_owner(const char *dir);

/** Publishes the record in the folder (mode 0600, replaced as a whole) and the folder in the list of clusters. */
enum divan_code state_publish(const char *dir, const struct record *r, struct divan_error *err);
/** Takes both back; missing ones are fine. */
void state_retract(const char *dir);
/** The record of the cluster that runs on the folder. false with err->code DIVAN_OK: none runs; else the record is not
 * readable (a cluster that is just starting has none yet: STATE_DIR). */
bool state_read(const char *dir, struct record *out, struct divan_error *err);

/** Calls fn with every folder that a cluster was published from and forgets those where none runs any more. */
void state_each(void (*fn)(void *user, const char *dir), void *user);

/** Removes the folder with all that is in it. */
void state_remove(const char *dir);

#endif
