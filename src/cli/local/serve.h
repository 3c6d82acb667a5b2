/* Running a local cluster until it is asked to stop: the loop of `divan up`, whoever looks at it. */
#ifndef DIVAN_CLI_LOCAL_SERVE_H
#define DIVAN_CLI_LOCAL_SERVE_H

#include "cli/local/cluster.h"
#include "cli/local/screen.h"

/* Who looks; any function may be NULL. What they are given is borrowed for the call. */
struct serve_view {
    void *user;
    void (*ready)(void *user, const struct record *record);
    void (*event)(void *user, const char *text);      /* a node ended ... */
    void (*frame)(void *user, const struct screen *); /* every frame_ms, and after events */
    uint32_t frame_ms;                                /* 0 = no frames */
    bool keys;                                        /* the key q stops, see events_new() */
};

/** Takes the lock of the folder, starts, publishes the record, runs until a signal or key asks to stop, stops the nodes and
 * takes the record back. The lock goes with the process, so this runs once in one. DIVAN_OK: it was ready and was stopped.
 * Errors: those of state_lock() and local_new(), FAILED (a node ended before it was ready, or the last one ended),
 * UNAMBIGUOUS_TIMEOUT (not ready in time). */
enum divan_code serve(const struct local_options *, const struct serve_view *, struct divan_error *err);

#endif
