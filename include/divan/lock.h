/* Pessimistic locks: nobody else changes a locked document until its lock is opened or runs out. */
#ifndef DIVAN_LOCK_H
#define DIVAN_LOCK_H

#include <divan/divan.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DIVAN_LOCK_MAX_S = 30, DIVAN_LOCK_DEFAULT_S = 15 };

struct divan_lock_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
};

/** The document, locked for lock_s seconds (0 = 15, at most 30). The CAS of the result is the key of the lock: a replace or
 * remove with it succeeds and unlocks; other writers get DIVAN_ERR_CAS_MISMATCH or wait. A lock of somebody else is waited
 * for until the deadline (fail-fast: DOCUMENT_LOCKED). Errors: DOCUMENT_NOT_FOUND, LOCK_RANGE. */
DIVAN_API enum divan_code divan_get_and_lock(divan_collection *, struct divan_bytes key, uint32_t lock_s,
                                             const struct divan_lock_options *, divan_result **out,
                                             struct divan_error *err);
DIVAN_API enum divan_code divan_get_and_lock_start(divan_collection *, struct divan_bytes key, uint32_t lock_s,
                                                   const struct divan_lock_options *, struct divan_done,
                                                   struct divan_error *err);
/** Opens the lock of this CAS (not 0: CAS_REQUIRED). Errors: DOCUMENT_NOT_FOUND, CAS_MISMATCH (locked with another CAS),
 * DOCUMENT_NOT_LOCKED. */
DIVAN_API enum divan_code divan_unlock(divan_collection *, struct divan_bytes key, uint64_t cas,
                                       const struct divan_lock_options *, divan_result **out, struct divan_error *err);
DIVAN_API enum divan_code divan_unlock_start(divan_collection *, struct divan_bytes key, uint64_t cas,
                                             const struct divan_lock_options *, struct divan_done,
                                             struct divan_error *err);

#ifdef __cplusplus
}
#endif
#endif
