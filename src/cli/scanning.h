/* What divan scan and divan export share: which documents, and the loop over them. */
#ifndef DIVAN_CLI_SCANNING_H
#define DIVAN_CLI_SCANNING_H

#include <divan/divan.h>

#include "cli/connect.h"

struct scanning_args {
    const char *from, *to, *prefix;
    bool exclude_from, exclude_to;
    bool ids_only; /* no row: the command decides */
    struct opt_number sample, seed, limit, concurrency, timeout_ms;
};
extern const struct opt_row scanning_rows[]; /* the group "Documents" over a struct scanning_args */

/** One document, borrowed for the call. False ends the scan. */
typedef bool scanning_fn(void *user, const struct divan_scan_item *item);

/** Walks the documents; DIVAN_OK when all were seen, the limit was reached or fn said so. Errors: those of the scan. */
enum divan_code scanning_run(divan_collection *collection, const struct scanning_args *args, scanning_fn *fn,
                             void *user, struct divan_error *err);

#endif
