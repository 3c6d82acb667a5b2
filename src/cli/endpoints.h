/* The endpoints of a cluster for commands that look at connections: opening without a collection, and reports as lines. */
#ifndef DIVAN_CLI_ENDPOINTS_H
#define DIVAN_CLI_ENDPOINTS_H

#include <divan/divan.h>

#include "cli/connect.h"

/** Opens, and gives the bucket, if one is named, as long to become ready; what is not ready then is for the report to tell.
 * Errors: those of target_choose() and divan_cluster_open(). */
enum divan_code endpoints_open(const struct connect_args *args, uint32_t timeout_ms, divan_cluster **out,
                               struct divan_error *err);
/** A line for each endpoint of a report (diagnostics or ping). Returns how many of them are not "ok" or "connected". */
size_t endpoints_print(const char *report);

#endif
