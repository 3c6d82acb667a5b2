/* Retry strategies of the program: for a whole cluster, or for single operations. */
#ifndef DIVAN_RETRY_H
#define DIVAN_RETRY_H

#include <divan/divan.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DIVAN_RETRY_CUSTOM = 16, DIVAN_RETRY_CUSTOM_MAX = 16 };

/** An operation that cannot go on at the moment. */
struct divan_retry_request {
    const char *op;          /**< "get" */
    const char *reason_name; /**< "key_value_locked" */
    uint32_t reason;         /**< its bit, as in divan_error.retry_reasons */
    bool idempotent;
    uint32_t attempts;            /**< how often it was sent */
    uint32_t retries;             /**< how often it was put off */
    uint32_t elapsed_ms, left_ms; /**< since it was started; until its deadline */
};
/** Returns the pause before the next attempt in ms, 0 for the built-in one (1, 10, 50, 100, 500, then 1000 ms), or a negative
 * number: give up, the operation fails with what stopped it. An operation that waits for a connection, or for a node to own
 * its vBucket, goes on as soon as that is there, whatever the pause. Not asked when the map of the cluster or a collection
 * id was outdated, which is always tried again, and when a write may have been applied, which never is.
 *
 * Runs on any thread with the cluster locked: it must not block and not call the library. */
typedef int32_t divan_retry_fn(void *user, const struct divan_retry_request *request);

/** Adds a strategy. The value stands in the `retry` of any operation's options from then on. At most DIVAN_RETRY_CUSTOM_MAX of
 * a cluster. DIVAN_RETRY_DEFAULT with err filled: HANDLE_NULL, INVALID_ARGUMENT (too many), CLUSTER_CLOSED. */
DIVAN_API enum divan_retry divan_cluster_add_retry(divan_cluster *cluster, divan_retry_fn *fn, void *user,
                                                   struct divan_error *err);
/** What operations with DIVAN_RETRY_DEFAULT do from now on. HANDLE_NULL, INVALID_ARGUMENT, CLUSTER_CLOSED. */
DIVAN_API enum divan_code divan_cluster_set_retry(divan_cluster *cluster, enum divan_retry retry,
                                                  struct divan_error *err);

#ifdef __cplusplus
}
#endif
#endif
