/* Many documents in one call: as fast as a queue, as simple as a loop. All are in flight at once as far as the limits of the
 * cluster handle allow; beyond them the call waits instead of failing with OVERLOADED.
 *
 * results: an array of count pointers, filled in the order of the keys, each yours to release (divan_result_release_many());
 * none is NULL on return unless memory ran out or the arguments were refused as a whole. May be NULL.
 * Returns DIVAN_OK when all succeeded, else the first error in the order of the keys, also in err: the others are in their
 * results. timeout_ms of the options is one deadline for all. Not from inside a callback. */
#ifndef DIVAN_BULK_H
#define DIVAN_BULK_H

#include <divan/divan.h>

#ifdef __cplusplus
extern "C" {
#endif

struct divan_document {
    struct divan_bytes key, value; /**< borrowed for the call */
};

DIVAN_API enum divan_code divan_get_many(divan_collection *, const struct divan_bytes *keys, size_t count,
                                         const struct divan_get_options *, divan_result **results,
                                         struct divan_error *err);
DIVAN_API enum divan_code divan_exists_many(divan_collection *, const struct divan_bytes *keys, size_t count,
                                            const struct divan_exists_options *, divan_result **results,
                                            struct divan_error *err);
DIVAN_API enum divan_code divan_upsert_many(divan_collection *, const struct divan_document *documents, size_t count,
                                            const struct divan_upsert_options *, divan_result **results,
                                            struct divan_error *err);
DIVAN_API enum divan_code divan_insert_many(divan_collection *, const struct divan_document *documents, size_t count,
                                            const struct divan_insert_options *, divan_result **results,
                                            struct divan_error *err);
DIVAN_API enum divan_code divan_remove_many(divan_collection *, const struct divan_bytes *keys, size_t count,
                                            const struct divan_remove_options *, divan_result **results,
                                            struct divan_error *err);
/** Releases count results and sets them to NULL; NULL entries are fine. */
DIVAN_API void divan_result_release_many(divan_result **results, size_t count);

/** Waits until another operation may be started: after DIVAN_ERR_OVERLOADED of a _start call. One that is popped or
 * delivered makes room. wait_ms -1 = for ever. Errors: UNAMBIGUOUS_TIMEOUT, CLUSTER_CLOSED, WRONG_THREAD. */
DIVAN_API enum divan_code divan_cluster_wait_capacity(divan_cluster *, int wait_ms, struct divan_error *err);

#ifdef __cplusplus
}
#endif
#endif
