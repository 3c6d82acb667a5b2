/* The processes of the nodes. */
#ifndef DIVAN_CLI_LOCAL_CHILD_H
#define DIVAN_CLI_LOCAL_CHILD_H

#include <divan/types.h>

/** The divand to run: named by the environment variable DIVAN_DIVAND, beside this program, or on PATH. Yours (mem_free);
 * NULL: err FILE_READ says where it was looked for. */
char *child_program(struct divan_error *err);

struct child_options {
    const char *program;
    const char *const *argv; /* NULL-terminated, argv[0] included */
    const char *variable;    /* "NAME=value", added to the environment; what argv would show to others */
    const char *log;         /* standard error is written to this file */
    int output;              /* standard output goes to this descriptor; 0 = nowhere */
};
/** Starts a process that is killed when this thread ends, whatever the reason, and that no key of the terminal reaches.
 * Returns its id, -1 with err filled: SYSTEM, OUT_OF_MEMORY. */
int64_t child_start(const struct child_options *, struct divan_error *err);

/** How a process ended, "exited with status 2" or "was killed by signal 9 (Killed)"; "" while it runs. */
const char *child_ended(int64_t pid, char *out, size_t cap);
/** Asks them all to end and waits up to grace_ms, then kills. Ids of 0 are skipped. */
void child_stop_all(int64_t *pids, size_t count, unsigned grace_ms);

/** The last line of a log that says something, without line end; "" when there is none. */
const char *child_last_words(const char *log, char *out, size_t cap);

#endif
