/* Reading from the copies of a document: the answer may be older than what the active node has, but comes even when that
 * node does not answer. */
#ifndef DIVAN_REPLICA_H
#define DIVAN_REPLICA_H

#include <divan/subdoc.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DIVAN_COPIES_MAX = 4 }; /**< the active one and three replicas */

/** Which copies are read. The preferred server group is the option server_group of the connection string. */
enum divan_read_from {
    DIVAN_READ_ALL,          /**< every copy */
    DIVAN_READ_GROUP,        /**< only copies on nodes of the preferred server group */
    DIVAN_READ_GROUP_OR_ALL, /**< these, or every copy when the group has none of this document */
};

struct divan_replica_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
    enum divan_read_from read_from;
    bool access_deleted; /**< lookups only */
};

/** The document from whichever copy answers first; all are asked at the same time. divan_result_is_replica() tells which it
 * was. Errors: DOCUMENT_UNRETRIEVABLE (no copy could be read; the sentence tells of each), INVALID_ARGUMENT (read_from means
 * a group, but there is no server_group in the connection string), UNAMBIGUOUS_TIMEOUT when copies did not answer. */
DIVAN_API enum divan_code divan_get_any_replica(divan_collection *, struct divan_bytes key,
                                                const struct divan_replica_options *, divan_result **out,
                                                struct divan_error *err);
DIVAN_API enum divan_code divan_get_any_replica_start(divan_collection *, struct divan_bytes key,
                                                      const struct divan_replica_options *, struct divan_done,
                                                      struct divan_error *err);
/** Every copy that can be read, the active one first: results must have room for DIVAN_COPIES_MAX; *count of them are
 * written and yours. Waits for all copies until the deadline; DIVAN_OK as soon as there is one. Errors as of
 * divan_get_any_replica(). */
DIVAN_API enum divan_code divan_get_all_replicas(divan_collection *, struct divan_bytes key,
                                                 const struct divan_replica_options *, divan_result **results,
                                                 size_t *count, struct divan_error *err);

/** Parts of the document from whichever copy answers first, see divan_lookup_in(). Also FEATURE_NOT_AVAILABLE (servers
 * before 7.6). */
DIVAN_API enum divan_code divan_lookup_in_any_replica(divan_collection *, struct divan_bytes key,
                                                      const struct divan_lookup *specs, size_t count,
                                                      const struct divan_replica_options *, divan_result **out,
                                                      struct divan_error *err);
DIVAN_API enum divan_code divan_lookup_in_any_replica_start(divan_collection *, struct divan_bytes key,
                                                            const struct divan_lookup *specs, size_t count,
                                                            const struct divan_replica_options *, struct divan_done,
                                                            struct divan_error *err);
/** The same from every copy, as divan_get_all_replicas(). */
DIVAN_API enum divan_code divan_lookup_in_all_replicas(divan_collection *, struct divan_bytes key,
                                                       const struct divan_lookup *specs, size_t spec_count,
                                                       const struct divan_replica_options *, divan_result **results,
                                                       size_t *count, struct divan_error *err);

/** Whether it came from a replica: then it may be older than what the active node has. */
DIVAN_API bool divan_result_is_replica(const divan_result *result);

#ifdef __cplusplus
}
#endif
#endif
