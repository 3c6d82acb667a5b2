/* Keeping a window of operations in flight through a completion queue, and timing each. */
#ifndef DIVAN_CLI_DRIVE_H
#define DIVAN_CLI_DRIVE_H

#include <divan/divan.h>

#include "cli/latency.h"

struct drive_plan {
    size_t window;  /* operations in flight, 1 or more */
    uint64_t total; /* how many in all; UINT64_MAX = until turn() says no */
    void *user;
    /** Starts operation i with the completion given. An error ends the run (what is in flight is still collected). */
    enum divan_code (*start)(void *user, uint64_t i, struct divan_done done, struct divan_error *err);
    /** Operation i was refused by start(), nothing is in flight: true = go on with the next. NULL = always false. */
    bool (*refused)(void *user, uint64_t i, const struct divan_error *err);
    /** Operation i is done; result is borrowed. An error ends the run with *err, which it fills. */
    enum divan_code (*done)(void *user, uint64_t i, const divan_result *result, uint64_t ns, struct divan_error *err);
    /** Once per batch, finished = operations done so far; false = start no more. NULL = always true. */
    bool (*turn)(void *user, uint64_t finished);
};

/** Runs it; the caller's thread does the work. Errors: those of the callbacks, OUT_OF_MEMORY. */
enum divan_code drive(divan_cluster *cluster, const struct drive_plan *plan, struct divan_error *err);

#endif
