/* Buckets, scopes, collections, users and groups, over the management port of the cluster.
 *
 * Each call blocks until the outcome is known, or timeout_ms is over; not from inside a callback. Reading twice is the same as
 * reading once, so reads are retried; changes are retried only while they were certainly not carried out. What only some
 * versions of the server know goes into `extra`: form fields "a=1&b=2", sent as they are. Lists come as the server's
 * JSON text in divan_result_value(). */
#ifndef DIVAN_MANAGEMENT_H
#define DIVAN_MANAGEMENT_H

#include <divan/divan.h>

#ifdef __cplusplus
extern "C" {
#endif

struct divan_management_options {
    uint32_t timeout_ms; /**< 0 = 75000 */
    enum divan_retry retry;
};

/* ------------------------------------------------------------------ buckets */

enum divan_bucket_type { DIVAN_BUCKET_COUCHBASE, DIVAN_BUCKET_EPHEMERAL };
enum divan_bucket_eviction {
    DIVAN_EVICTION_DEFAULT,
    DIVAN_EVICTION_VALUE_ONLY, /**< Couchbase buckets */
    DIVAN_EVICTION_FULL,
    DIVAN_EVICTION_NONE, /**< ephemeral buckets */
    DIVAN_EVICTION_NOT_RECENTLY_USED,
};
enum divan_bucket_compression {
    DIVAN_COMPRESSION_DEFAULT, /**< passive */
    DIVAN_COMPRESSION_OFF,
    DIVAN_COMPRESSION_PASSIVE,
    DIVAN_COMPRESSION_ACTIVE,
};
enum divan_bucket_conflict { DIVAN_CONFLICT_DEFAULT, DIVAN_CONFLICT_SEQNO, DIVAN_CONFLICT_TIMESTAMP };
enum divan_choice { DIVAN_UNSET, DIVAN_NO, DIVAN_YES };

/** Zero fields: on create the stated default, on update left as it is. */
struct divan_bucket_settings {
    const char *name;
    enum divan_bucket_type type;    /**< create only */
    uint32_t ram_quota_mib;         /**< per node; 0 = 100 */
    enum divan_choice has_replicas; /**< NO: none; else */
    uint32_t replicas;              /**< 1 to 3; 0 = 1 unless has_replicas is NO */
    enum divan_choice flush;        /**< may be emptied; default no */
    enum divan_bucket_eviction eviction;
    enum divan_bucket_compression compression;
    enum divan_bucket_conflict conflict; /**< create only */
    enum divan_durability min_durability;
    uint32_t max_expiry_s;
    const char *extra;
};

/** BUCKET_EXISTS, INVALID_ARGUMENT (with the server's reasons). Does not wait until the bucket can be used: operations do. */
DIVAN_API enum divan_code divan_bucket_create(divan_cluster *, const struct divan_bucket_settings *,
                                              const struct divan_management_options *, struct divan_error *err);
/** BUCKET_NOT_FOUND, INVALID_ARGUMENT. */
DIVAN_API enum divan_code divan_bucket_update(divan_cluster *, const struct divan_bucket_settings *,
                                              const struct divan_management_options *, struct divan_error *err);
/** BUCKET_NOT_FOUND. */
DIVAN_API enum divan_code divan_bucket_drop(divan_cluster *, const char *name, const struct divan_management_options *,
                                            struct divan_error *err);
/** Removes all documents. BUCKET_NOT_FOUND, BUCKET_NOT_FLUSHABLE. */
DIVAN_API enum divan_code divan_bucket_flush(divan_cluster *, const char *name, const struct divan_management_options *,
                                             struct divan_error *err);
/** One bucket as JSON object. BUCKET_NOT_FOUND. */
DIVAN_API enum divan_code divan_bucket_get(divan_cluster *, const char *name, const struct divan_management_options *,
                                           divan_result **out, struct divan_error *err);
/** All buckets as JSON array. */
DIVAN_API enum divan_code divan_bucket_list(divan_cluster *, const struct divan_management_options *,
                                            divan_result **out, struct divan_error *err);

/* ------------------------------------------------------------------ scopes and collections */

/* bucket NULL = the one in the connection string; scope NULL or "" = _default. Of a success divan_result_number() is the
 * uid of the collections manifest that has the change. */

struct divan_collection_settings {
    int64_t max_expiry_s;      /**< 0 = the bucket's, -1 = documents never expire */
    enum divan_choice history; /**< keep the change history */
    const char *extra;
};

/** SCOPE_EXISTS, BUCKET_NOT_FOUND, SCOPE_NAME. */
DIVAN_API enum divan_code divan_scope_create(divan_cluster *, const char *bucket, const char *scope,
                                             const struct divan_management_options *, divan_result **out,
                                             struct divan_error *err);
/** With all of its collections. SCOPE_NOT_FOUND, BUCKET_NOT_FOUND. */
DIVAN_API enum divan_code divan_scope_drop(divan_cluster *, const char *bucket, const char *scope,
                                           const struct divan_management_options *, divan_result **out,
                                           struct divan_error *err);
/** COLLECTION_EXISTS, SCOPE_NOT_FOUND, BUCKET_NOT_FOUND, COLLECTION_NAME. settings may be NULL. */
DIVAN_API enum divan_code divan_collection_create(divan_cluster *, const char *bucket, const char *scope,
                                                  const char *name, const struct divan_collection_settings *settings,
                                                  const struct divan_management_options *, divan_result **out,
                                                  struct divan_error *err);
/** COLLECTION_NOT_FOUND, SCOPE_NOT_FOUND, BUCKET_NOT_FOUND. */
DIVAN_API enum divan_code divan_collection_update(divan_cluster *, const char *bucket, const char *scope,
                                                  const char *name, const struct divan_collection_settings *settings,
                                                  const struct divan_management_options *, divan_result **out,
                                                  struct divan_error *err);
/** With its documents. COLLECTION_NOT_FOUND, SCOPE_NOT_FOUND, BUCKET_NOT_FOUND. */
DIVAN_API enum divan_code divan_collection_drop(divan_cluster *, const char *bucket, const char *scope,
                                                const char *name, const struct divan_management_options *,
                                                divan_result **out, struct divan_error *err);
/** The manifest, scopes with their collections, as JSON object. BUCKET_NOT_FOUND. */
DIVAN_API enum divan_code divan_collection_list(divan_cluster *, const char *bucket,
                                                const struct divan_management_options *, divan_result **out,
                                                struct divan_error *err);

/* ------------------------------------------------------------------ users and groups */

/** The domain of a user: NULL or "local", or "external". */
struct divan_user {
    const char *domain, *name;
    const char *display_name; /**< NULL = none */
    const char *password;     /**< needed for a new local user; NULL = keep */
    const char *const *roles; /**< "admin", "data_reader[travel]", "data_writer[travel:inventory:hotels]" */
    size_t role_count;
    const char *const *groups;
    size_t group_count;
};
struct divan_group {
    const char *name, *description; /**< description NULL = none */
    const char *const *roles;
    size_t role_count;
    const char *ldap_group; /**< NULL = none */
};

/** Creates or replaces. INVALID_ARGUMENT with the server's reasons (unknown role, password too short). */
DIVAN_API enum divan_code divan_user_upsert(divan_cluster *, const struct divan_user *,
                                            const struct divan_management_options *, struct divan_error *err);
/** USER_NOT_FOUND. */
DIVAN_API enum divan_code divan_user_drop(divan_cluster *, const char *domain, const char *name,
                                          const struct divan_management_options *, struct divan_error *err);
/** JSON object. USER_NOT_FOUND. */
DIVAN_API enum divan_code divan_user_get(divan_cluster *, const char *domain, const char *name,
                                         const struct divan_management_options *, divan_result **out,
                                         struct divan_error *err);
/** JSON array; domain NULL = all. */
DIVAN_API enum divan_code divan_user_list(divan_cluster *, const char *domain, const struct divan_management_options *,
                                          divan_result **out, struct divan_error *err);
/** Of the user this handle is authenticated as; the handle goes on with the old one: open another. */
DIVAN_API enum divan_code divan_password_change(divan_cluster *, const char *password,
                                                const struct divan_management_options *, struct divan_error *err);
DIVAN_API enum divan_code divan_group_upsert(divan_cluster *, const struct divan_group *,
                                             const struct divan_management_options *, struct divan_error *err);
/** GROUP_NOT_FOUND. */
DIVAN_API enum divan_code divan_group_drop(divan_cluster *, const char *name, const struct divan_management_options *,
                                           struct divan_error *err);
DIVAN_API enum divan_code divan_group_get(divan_cluster *, const char *name, const struct divan_management_options *,
                                          divan_result **out, struct divan_error *err);
DIVAN_API enum divan_code divan_group_list(divan_cluster *, const struct divan_management_options *, divan_result **out,
                                           struct divan_error *err);
/** All roles the server knows, as JSON array. */
DIVAN_API enum divan_code divan_role_list(divan_cluster *, const struct divan_management_options *, divan_result **out,
                                          struct divan_error *err);

/* ------------------------------------------------------------------ anything else */

/** A request as it goes over the wire. */
struct divan_http_request {
    const char *method;       /**< NULL = "GET" */
    const char *path;         /**< with query, escaped: "/pools/default" */
    const char *content_type; /**< NULL = form fields */
    struct divan_bytes body;
    bool repeatable; /**< may be sent twice; GET and HEAD always may */
};

/** Asks the management service of any node. DIVAN_OK for every answer below 300: its body is divan_result_value(), its status
 * divan_result_http_status(). Above: AUTHENTICATION_FAILURE (401, 403), INVALID_ARGUMENT (400), RATE_LIMITED (429),
 * UNSUPPORTED_OPERATION (404, 405), INTERNAL_SERVER_FAILURE, with the server's words in the sentence. */
DIVAN_API enum divan_code divan_http(divan_cluster *, const struct divan_http_request *,
                                     const struct divan_management_options *, divan_result **out,
                                     struct divan_error *err);
DIVAN_API enum divan_code divan_http_start(divan_cluster *, const struct divan_http_request *,
                                           const struct divan_management_options *, struct divan_done,
                                           struct divan_error *err);
DIVAN_API unsigned divan_result_http_status(const divan_result *); /**< 0 = it was no such request */

#ifdef __cplusplus
}
#endif
#endif
