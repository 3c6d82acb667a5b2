/* Divan: a client for Couchbase clusters.
 *
 * Ownership in one sentence: you own what you are handed by out-parameter or pop, and you borrow the rest.
 * Every call is thread-safe unless it says otherwise. Options structs: NULL means defaults, a zero field means its
 * stated default, so structs may grow; set them with designated initialisers. */
#ifndef DIVAN_H
#define DIVAN_H

#include <divan/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DIVAN_API_VERSION 1u

typedef struct divan_cluster divan_cluster;       /**< thread-safe; one per process                  */
typedef struct divan_collection divan_collection; /**< borrowed from its cluster, never freed        */
typedef struct divan_queue divan_queue;           /**< completion queue; one consumer thread         */
typedef struct divan_result divan_result;         /**< immutable, refcounted                         */

/** Version of the library as text, "1.2.3". */
DIVAN_API const char *divan_version(void);
/** Name of a code, "DIVAN_ERR_DOCUMENT_NOT_FOUND"; never NULL. */
DIVAN_API const char *divan_code_name(enum divan_code code);
/** Meaning of a code in one clause; never NULL. */
DIVAN_API const char *divan_code_text(enum divan_code code);
/** Names of the retry reasons in divan_error.retry_reasons as "a,b", truncated to cap. Returns the full length. */
DIVAN_API size_t divan_retry_reasons(uint32_t reasons, char *out, size_t cap);

/* ------------------------------------------------------------------ cluster */

enum divan_log_level {
    DIVAN_LOG_OFF,
    DIVAN_LOG_ERROR,
    DIVAN_LOG_WARN,
    DIVAN_LOG_INFO,
    DIVAN_LOG_DEBUG,
    DIVAN_LOG_TRACE
};
/** Runs on any thread, must not call back into the library. text is one line without its newline, borrowed. */
typedef void divan_log_fn(void *user, enum divan_log_level level, const char *text);

enum divan_retry { DIVAN_RETRY_DEFAULT, DIVAN_RETRY_BEST_EFFORT, DIVAN_RETRY_FAIL_FAST };

struct divan_cluster_options {
    const char *username, *password; /**< copied; NULL: from the connection string's options or anonymous */
    uint32_t open_timeout_ms;        /**< 0 = 10000 */
    uint32_t kv_timeout_ms;          /**< 0 = 2500; whole operation, retries included */
    uint32_t kv_durable_timeout_ms;  /**< 0 = 10000; operations with a durability level */
    enum divan_retry retry;          /**< default best effort */
    divan_log_fn *log;               /**< NULL: to standard error when DIVAN_LOG is set */
    void *log_user;
    enum divan_log_level log_level; /**< 0 = from the environment variable DIVAN_LOG (error..trace), else off */
    uint32_t max_in_flight;         /**< operations; 0 = 65536; beyond: DIVAN_ERR_OVERLOADED */
    size_t max_in_flight_bytes;     /**< 0 = 256 MiB */
    /** couchbases:// only: PEM file with the certificates to trust, instead of the string's trust_certificate; without
     * both those of the operating system. */
    const char *ca_file;
};

/** Connects: resolves the seeds, authenticates and learns the cluster map. Blocks until that is done or
 * open_timeout_ms is over. connstr: "couchbase://host1,host2:port/bucket?option=value"; a bucket named there is opened
 * too. *out is written only on DIVAN_OK and is closed with divan_cluster_close(). err may be NULL.
 * Errors: DIVAN_ERR_CONNSTR_*, DIVAN_ERR_OPTION_*, NAME_NOT_RESOLVED, UNREACHABLE, HANDSHAKE_FAILED, TLS_EXPECTED,
 * TLS_NOT_OFFERED, TLS_CERTIFICATE, FILE_READ (ca_file),
 * AUTHENTICATION_FAILURE, BUCKET_NOT_FOUND, UNAMBIGUOUS_TIMEOUT, OUT_OF_MEMORY. A cause that retrying cannot
 * remove is reported at once. */
DIVAN_API enum divan_code divan_cluster_open_versioned(uint32_t api_version, divan_cluster **out, const char *connstr,
                                                       const struct divan_cluster_options *options,
                                                       struct divan_error *err);
static inline enum divan_code divan_cluster_open(divan_cluster **out, const char *connstr,
                                                 const struct divan_cluster_options *options, struct divan_error *err)
{
    return divan_cluster_open_versioned(DIVAN_API_VERSION, out, connstr, options, err);
}
/** Completes every operation in flight with DIVAN_ERR_CANCELLED, delivers those completions, then frees. No callback
 * runs after it returns. Queues stay poppable until divan_queue_free(). NULL is fine. Not from a callback. */
DIVAN_API void divan_cluster_close(divan_cluster *cluster);

/** A handle for a collection; "" or NULL for scope and name mean _default. Borrowed, lives as long as the cluster;
 * the same names give the same handle. No I/O: a bucket that is not open yet is opened by the first operation.
 * NULL with err filled: DIVAN_ERR_NO_BUCKET, BUCKET_NAME, SCOPE_NAME, COLLECTION_NAME, OUT_OF_MEMORY. bucket NULL means
 * the one in the connection string. */
DIVAN_API divan_collection *divan_cluster_collection(divan_cluster *cluster, const char *bucket, const char *scope,
                                                     const char *name, struct divan_error *err);

/** Everything the client counts, as one JSON text (stable schema, see docs/metrics.md). Yours: free() it. NULL when
 * out of memory. */
DIVAN_API char *divan_cluster_metrics(divan_cluster *cluster);

/* ------------------------------------------------------------------ completion */

/** Runs on an I/O thread and must not block; the result is borrowed (divan_result_retain() to keep it). */
typedef void divan_done_fn(divan_result *result, void *user);

/** How a started operation is delivered: set fn or queue, not both. */
struct divan_done {
    divan_done_fn *fn;
    divan_queue *queue;
    void *user;
};

/** NULL when out of memory. One thread pops; any thread may start operations into it. */
DIVAN_API divan_queue *divan_queue_new(divan_cluster *cluster);
/** A descriptor that is readable while the queue is not empty: for poll, epoll, asyncio, libuv. Never read or close it.
 * After this call a background thread does the I/O; without it divan_queue_pop() does. */
DIVAN_API int divan_queue_fd(divan_queue *queue);
/** Takes up to max results, waiting up to wait_ms (-1 = for ever, 0 = not) for the first. They are yours:
 * divan_result_release(). Returns 0 at once when nothing is in flight into the queue. */
DIVAN_API size_t divan_queue_pop(divan_queue *queue, divan_result **out, size_t max, int wait_ms);
/** Unpopped results are released; operations still in flight complete into nothing. NULL is fine. */
DIVAN_API void divan_queue_free(divan_queue *queue);

/* ------------------------------------------------------------------ results */

/** A place in the history of a vBucket: what a consistent query waits for. */
struct divan_mutation_token {
    uint64_t vbucket_uuid, seqno; /**< both 0: none (reads, or not offered by the server) */
    uint16_t vbucket;
};

DIVAN_API const struct divan_error *divan_result_error(const divan_result *result); /**< NULL = success; borrowed */
DIVAN_API struct divan_bytes divan_result_key(const divan_result *result);          /**< borrowed until release */
DIVAN_API struct divan_bytes divan_result_value(const divan_result *result); /**< borrowed: pins the read buffer */
DIVAN_API uint64_t divan_result_cas(const divan_result *result);
DIVAN_API uint32_t divan_result_flags(const divan_result *result);  /**< the application's 32 bits beside the value */
DIVAN_API uint64_t divan_result_number(const divan_result *result); /**< of increment and decrement */
DIVAN_API bool divan_result_exists(const divan_result *result);     /**< of exists */
/** Of get with with_expiry: seconds since 1970, 0 = never, or not asked for. */
DIVAN_API uint64_t divan_result_expiry(const divan_result *result);
DIVAN_API uint32_t divan_result_server_us(const divan_result *result); /**< time in the server; 0 = not told */
DIVAN_API struct divan_mutation_token divan_result_token(const divan_result *result);
DIVAN_API void *divan_result_user(const divan_result *result);
DIVAN_API divan_result *divan_result_retain(divan_result *result);
DIVAN_API void divan_result_release(divan_result *result); /**< NULL is fine */

/* ------------------------------------------------------------------ operations on documents */

enum divan_durability {
    DIVAN_DURABILITY_NONE,
    DIVAN_DURABILITY_MAJORITY,
    DIVAN_DURABILITY_MAJORITY_AND_PERSIST_TO_ACTIVE,
    DIVAN_DURABILITY_PERSIST_TO_MAJORITY,
};

/* Durability as clients waited for it before servers had levels: the write is acknowledged first and watched afterwards. When
 * the copies do not get there in time the write stays, and the error is ambiguous. Excludes a durability level. */
enum divan_persist_to {
    DIVAN_PERSIST_TO_NONE,
    DIVAN_PERSIST_TO_ACTIVE, /**< on disk of the active node */
    DIVAN_PERSIST_TO_ONE,    /**< on disk of so many nodes, whichever */
    DIVAN_PERSIST_TO_TWO,
    DIVAN_PERSIST_TO_THREE,
    DIVAN_PERSIST_TO_FOUR,
};
enum divan_replicate_to {
    DIVAN_REPLICATE_TO_NONE,
    DIVAN_REPLICATE_TO_ONE, /**< in the memory of so many replicas */
    DIVAN_REPLICATE_TO_TWO,
    DIVAN_REPLICATE_TO_THREE,
};

/* Expiry everywhere: expiry_s is seconds from now, any length; 0 = never. It is sent as an absolute time when it
 * exceeds 30 days. CAS: 0 = do not check. timeout_ms: 0 = the cluster's. retry: default = the cluster's. */

struct divan_get_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
    /** divan_result_expiry() tells when the document expires. This and a projection read as divan_lookup_in() does: the flags
     * of the document are not told, and a locked one is waited for. */
    bool with_expiry;
    /** Only these parts of it, "name", "address.city", "tags[0]": the value is a JSON object that has nothing else, paths that
     * the document does not have are left out. */
    const char *const *project;
    size_t project_count;
};
struct divan_exists_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
};
struct divan_touch_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
};
struct divan_insert_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
    uint32_t expiry_s, flags;
    enum divan_durability durability;
    enum divan_persist_to persist_to;
    enum divan_replicate_to replicate_to;
};
struct divan_upsert_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
    uint32_t expiry_s, flags;
    enum divan_durability durability;
    bool keep_expiry; /**< keep the document's present expiry; excludes expiry_s */
    enum divan_persist_to persist_to;
    enum divan_replicate_to replicate_to;
};
struct divan_replace_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
    uint32_t expiry_s, flags;
    enum divan_durability durability;
    bool keep_expiry;
    uint64_t cas;
    enum divan_persist_to persist_to;
    enum divan_replicate_to replicate_to;
};
struct divan_remove_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
    enum divan_durability durability;
    uint64_t cas;
    enum divan_persist_to persist_to;
    enum divan_replicate_to replicate_to;
};
struct divan_append_options { /**< also of prepend */
    uint32_t timeout_ms;
    enum divan_retry retry;
    enum divan_durability durability;
    uint64_t cas;
    enum divan_persist_to persist_to;
    enum divan_replicate_to replicate_to;
};
struct divan_counter_options { /**< of increment and decrement */
    uint32_t timeout_ms;
    enum divan_retry retry;
    enum divan_durability durability;
    bool create; /**< create a missing counter with `initial`; otherwise DIVAN_ERR_DOCUMENT_NOT_FOUND */
    uint64_t initial;
    uint32_t expiry_s; /**< of a created counter */
    bool keep_expiry;
    enum divan_persist_to persist_to;
    enum divan_replicate_to replicate_to;
};

/* Each operation comes twice.
 *
 * Blocking: waits for the outcome. On DIVAN_OK *out is yours (divan_result_release()); out and err may be NULL. Not from
 * inside a callback (DIVAN_ERR_WRONG_THREAD).
 *
 * _start: key and value are copied before it returns. Anything but DIVAN_OK means rejected: err is filled, nothing
 * will be delivered. DIVAN_OK means exactly one completion, never from inside this call.
 *
 * Errors of all: DIVAN_ERR_HANDLE_NULL, KEY_EMPTY, KEY_TOO_LONG, KEY_NULL, TIMEOUT_RANGE, OVERLOADED, OUT_OF_MEMORY,
 * UNAMBIGUOUS_TIMEOUT, AMBIGUOUS_TIMEOUT (writes only), CANCELLED, CLUSTER_CLOSED, BUCKET_NOT_FOUND,
 * SCOPE_NOT_FOUND, COLLECTION_NOT_FOUND, AUTHENTICATION_FAILURE, TEMPORARY_FAILURE (fail-fast only). */

/** The document. DIVAN_ERR_DOCUMENT_NOT_FOUND. */
DIVAN_API enum divan_code divan_get(divan_collection *, struct divan_bytes key, const struct divan_get_options *,
                                    divan_result **out, struct divan_error *err);
DIVAN_API enum divan_code divan_get_start(divan_collection *, struct divan_bytes key, const struct divan_get_options *,
                                          struct divan_done, struct divan_error *err);
/** DIVAN_OK in both cases; divan_result_exists() tells. */
DIVAN_API enum divan_code divan_exists(divan_collection *, struct divan_bytes key, const struct divan_exists_options *,
                                       divan_result **out, struct divan_error *err);
DIVAN_API enum divan_code divan_exists_start(divan_collection *, struct divan_bytes key,
                                             const struct divan_exists_options *, struct divan_done,
                                             struct divan_error *err);
/** The document, and a new expiry for it. DIVAN_ERR_DOCUMENT_NOT_FOUND, DOCUMENT_LOCKED (fail-fast). */
DIVAN_API enum divan_code divan_get_and_touch(divan_collection *, struct divan_bytes key, uint32_t expiry_s,
                                              const struct divan_touch_options *, divan_result **out,
                                              struct divan_error *err);
DIVAN_API enum divan_code divan_get_and_touch_start(divan_collection *, struct divan_bytes key, uint32_t expiry_s,
                                                    const struct divan_touch_options *, struct divan_done,
                                                    struct divan_error *err);
/** A new expiry. DIVAN_ERR_DOCUMENT_NOT_FOUND. */
DIVAN_API enum divan_code divan_touch(divan_collection *, struct divan_bytes key, uint32_t expiry_s,
                                      const struct divan_touch_options *, divan_result **out, struct divan_error *err);
DIVAN_API enum divan_code divan_touch_start(divan_collection *, struct divan_bytes key, uint32_t expiry_s,
                                            const struct divan_touch_options *, struct divan_done,
                                            struct divan_error *err);
/** Creates. DIVAN_ERR_DOCUMENT_EXISTS, VALUE_TOO_LARGE, DURABILITY_*. */
DIVAN_API enum divan_code divan_insert(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                       const struct divan_insert_options *, divan_result **out,
                                       struct divan_error *err);
DIVAN_API enum divan_code divan_insert_start(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                             const struct divan_insert_options *, struct divan_done,
                                             struct divan_error *err);
/** Creates or replaces. VALUE_TOO_LARGE, DURABILITY_*. */
DIVAN_API enum divan_code divan_upsert(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                       const struct divan_upsert_options *, divan_result **out,
                                       struct divan_error *err);
DIVAN_API enum divan_code divan_upsert_start(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                             const struct divan_upsert_options *, struct divan_done,
                                             struct divan_error *err);
/** Replaces. DIVAN_ERR_DOCUMENT_NOT_FOUND, CAS_MISMATCH, VALUE_TOO_LARGE, DURABILITY_*. */
DIVAN_API enum divan_code divan_replace(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                        const struct divan_replace_options *, divan_result **out,
                                        struct divan_error *err);
DIVAN_API enum divan_code divan_replace_start(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                              const struct divan_replace_options *, struct divan_done,
                                              struct divan_error *err);
/** Deletes. DIVAN_ERR_DOCUMENT_NOT_FOUND, CAS_MISMATCH, DURABILITY_*. */
DIVAN_API enum divan_code divan_remove(divan_collection *, struct divan_bytes key, const struct divan_remove_options *,
                                       divan_result **out, struct divan_error *err);
DIVAN_API enum divan_code divan_remove_start(divan_collection *, struct divan_bytes key,
                                             const struct divan_remove_options *, struct divan_done,
                                             struct divan_error *err);
/** Adds bytes at the end. DIVAN_ERR_DOCUMENT_NOT_FOUND, CAS_MISMATCH, VALUE_TOO_LARGE, DURABILITY_*. */
DIVAN_API enum divan_code divan_append(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                       const struct divan_append_options *, divan_result **out,
                                       struct divan_error *err);
DIVAN_API enum divan_code divan_append_start(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                             const struct divan_append_options *, struct divan_done,
                                             struct divan_error *err);
/** Adds bytes at the beginning. Errors as append. */
DIVAN_API enum divan_code divan_prepend(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                        const struct divan_append_options *, divan_result **out,
                                        struct divan_error *err);
DIVAN_API enum divan_code divan_prepend_start(divan_collection *, struct divan_bytes key, struct divan_bytes value,
                                              const struct divan_append_options *, struct divan_done,
                                              struct divan_error *err);
/** Adds delta (not 0), wraps at 2^64; divan_result_number() is the new value. DOCUMENT_NOT_FOUND, DELTA_INVALID,
 * DURABILITY_*. Never applied twice: a lost answer is DIVAN_ERR_AMBIGUOUS_TIMEOUT or an ambiguous CONNECTION_LOST. */
DIVAN_API enum divan_code divan_increment(divan_collection *, struct divan_bytes key, uint64_t delta,
                                          const struct divan_counter_options *, divan_result **out,
                                          struct divan_error *err);
DIVAN_API enum divan_code divan_increment_start(divan_collection *, struct divan_bytes key, uint64_t delta,
                                                const struct divan_counter_options *, struct divan_done,
                                                struct divan_error *err);
/** Subtracts delta (not 0), stops at 0. As increment. */
DIVAN_API enum divan_code divan_decrement(divan_collection *, struct divan_bytes key, uint64_t delta,
                                          const struct divan_counter_options *, divan_result **out,
                                          struct divan_error *err);
DIVAN_API enum divan_code divan_decrement_start(divan_collection *, struct divan_bytes key, uint64_t delta,
                                                const struct divan_counter_options *, struct divan_done,
                                                struct divan_error *err);

#ifdef __cplusplus
}
#endif

#include <divan/bulk.h>
#include <divan/diagnostics.h>
#include <divan/format.h>
#include <divan/lock.h>
#include <divan/management.h>
#include <divan/replica.h>
#include <divan/retry.h>
#include <divan/scan.h>
#include <divan/subdoc.h>

#endif
