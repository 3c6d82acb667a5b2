/* The key-value service of a node: listeners, sessions, buckets and their documents. The management side of the node
 * tells it what to be (buckets, collections, users, cluster map); it never decides any of that itself.
 *
 * One thread: everything here runs on the loop given to engine_new(). Nothing blocks. Every pointer passed in is
 * borrowed for the call and copied where it must live on. Setters are idempotent and take effect for live connections
 * at their next request. A setter that fails leaves the old state as it was. */
#ifndef DIVAN_NODE_ENGINE_H
#define DIVAN_NODE_ENGINE_H

#include "base/log.h"
#include "io/tls.h"
#include "topology/map.h"
#include "wire/sasl.h"

struct engine;

struct engine_options {
    const char *version;      /* answer to VERSION; NULL = "7.6.2-3721-enterprise" */
    uint32_t max_connections; /* 0 = 10000; one more is accepted, told and closed */
    const char *data_dir;     /* where documents are kept; it must exist; NULL = in memory alone */
    const char *data_vfs;     /* of SQLite, for tests; NULL = the system's */
    uint32_t sweep_s;         /* how often expired documents are looked for; 0 = 60 */
};

/** options and log may be NULL; log is borrowed for the engine's life. NULL with err filled: OUT_OF_MEMORY. */
struct engine *engine_new(struct io_loop *, const struct engine_options *, const struct log *, struct divan_error *err);
/** Closes listeners and connections and frees everything; the loop must still live. NULL is fine. */
void engine_free(struct engine *);

/** Listens for key-value clients; *bound (may be NULL) is the address with the real port. Errors of io_listen(). */
enum divan_code engine_listen_kv(struct engine *, const struct io_addr *, struct io_addr *bound,
                                 struct divan_error *err);
/** The same with TLS beneath; tls is retained. */
enum divan_code engine_listen_kv_tls(struct engine *, const struct io_addr *, struct io_tls *tls, struct io_addr *bound,
                                     struct divan_error *err);
/** Stops listening with TLS (a new certificate is due); connections stay. */
void engine_unlisten_kv_tls(struct engine *);
/** The address of the first listener; NULL = none yet. */
const struct io_addr *engine_kv_addr(const struct engine *);
uint32_t engine_connections(const struct engine *); /**< open client connections */

/* ------------------------------------------------------------------ buckets */

enum bucket_type { BUCKET_COUCHBASE, BUCKET_EPHEMERAL };
enum bucket_compression { COMPRESSION_PASSIVE, COMPRESSION_OFF, COMPRESSION_ACTIVE };
enum bucket_eviction { EVICTION_VALUE_ONLY, EVICTION_FULL, EVICTION_NONE, EVICTION_NRU };
enum bucket_conflict { CONFLICT_SEQNO, CONFLICT_LWW };
enum durability_level { DURABLE_NONE, DURABLE_MAJORITY, DURABLE_MAJORITY_AND_PERSIST, DURABLE_PERSIST_TO_MAJORITY };

struct bucket_spec {
    const char *name; /* 1..100 bytes */
    const char *uuid; /* 32 hex digits */
    enum bucket_type type;
    uint16_t vbuckets;        /* 0 = 1024; fixed at creation */
    uint8_t replicas;         /* 0..3: copies wanted besides the active one */
    uint64_t ram_quota_bytes; /* 0 = 100 MiB */
    enum bucket_compression compression;
    enum bucket_eviction eviction;
    enum bucket_conflict conflict; /* fixed at creation */
    enum durability_level durability_min;
    uint32_t max_ttl_s; /* 0 = none */
    bool flush_enabled;
};

/** Creates the bucket empty: all vBuckets absent, manifest 0 with _default alone, no configuration. With a data folder a
 * bucket that is not ephemeral has what it had under this uuid before, vBuckets in the modes they had (dead
 * instead of active when the node was not stopped in order). Errors:
 * BUCKET_EXISTS, BUCKET_NAME, INVALID_ARGUMENT, OUT_OF_MEMORY, STATE_DIR, SYSTEM. */
enum divan_code engine_bucket_create(struct engine *, const struct bucket_spec *, struct divan_error *err);
/** Changes what may change (quota, replicas, compression, TTL, durability minimum, flush). BUCKET_NOT_FOUND. */
enum divan_code engine_bucket_update(struct engine *, const struct bucket_spec *, struct divan_error *err);
/** Removes it with all documents; connections that selected it are closed. BUCKET_NOT_FOUND. */
enum divan_code engine_bucket_drop(struct engine *, const char *name, struct divan_error *err);
/** Removes all documents; vBuckets begin a new history (new vbuuid, seqno 0). BUCKET_NOT_FOUND. */
enum divan_code engine_bucket_flush(struct engine *, const char *name, struct divan_error *err);

/* Absent: not of this node, its documents are dropped. Dead: not served, but the documents stay (failed over). Keep is no
 * mode, but an order to leave the present one: for vBuckets that a move changes by itself. A cluster document that was made
 * before a takeover and arrives after it would undo it otherwise, and what was written since would be lost. */
enum vbucket_mode { VBUCKET_ABSENT, VBUCKET_ACTIVE, VBUCKET_REPLICA, VBUCKET_PENDING, VBUCKET_DEAD, VBUCKET_KEEP };

/* What this node is for one vBucket, and how the chain of its copies looks: decides whether a majority is possible. */
struct vbucket_role {
    uint8_t mode;         /* enum vbucket_mode */
    uint8_t chain_length; /* places in the chain: 1 + replicas; 0 = from the bucket's replicas */
    uint8_t chain_filled; /* places with a node; 0 = one (this node alone) */
    /* The members by name, the active first, NULL = an empty place: chain_length of them; who acknowledges durable writes.
     * chain NULL = nobody else does. While the vBucket moves, next_chain is how it will look: then a durable write needs a
     * majority of both. Names as given to replication_identify() on the nodes. */
    const char *const *chain, *const *next_chain;
    uint8_t next_length;
};

/** Sets the roles of all vBuckets at once: roles[count], count = the bucket's vBuckets. A vBucket that becomes active and
 * was not gets a new entry in its failover log (its first one when it is new). BUCKET_NOT_FOUND, INVALID_ARGUMENT,
 * OUT_OF_MEMORY. */
enum divan_code engine_set_roles(struct engine *, const char *bucket, const struct vbucket_role *roles, size_t count,
                                 struct divan_error *err);
/** The same for one vBucket, as a move needs it. */
enum divan_code engine_set_role(struct engine *, const char *bucket, uint16_t vbucket, const struct vbucket_role *,
                                struct divan_error *err);
/** The common case: this node is active for everything and the chain has no other member. */
enum divan_code engine_own_all(struct engine *, const char *bucket, struct divan_error *err);

/* ------------------------------------------------------------------ collections */

enum { MAX_TTL_INHERIT = 0, MAX_TTL_NONE = -1 };

struct collection_spec {
    const char *name;
    uint32_t id;
    int64_t max_ttl_s; /* MAX_TTL_INHERIT, MAX_TTL_NONE or seconds */
    bool history;
};
struct scope_spec {
    const char *name;
    uint32_t id;
    const struct collection_spec *collections;
    size_t collection_count;
};
struct manifest_spec {
    uint64_t uid;
    const struct scope_spec *scopes;
    size_t scope_count;
};

/** Replaces the collections of a bucket. A collection whose id is gone loses its documents. A manifest with a uid not
 * above the present one is ignored (DIVAN_OK). BUCKET_NOT_FOUND, INVALID_ARGUMENT, OUT_OF_MEMORY. */
enum divan_code engine_set_manifest(struct engine *, const char *bucket, const struct manifest_spec *,
                                    struct divan_error *err);

/* ------------------------------------------------------------------ cluster map */

/** The configuration served and pushed: bucket NULL = the global one. json is the terse form with $HOST left in. An
 * older or equal revision is ignored (DIVAN_OK). Subscribed connections are told. BUCKET_NOT_FOUND, OUT_OF_MEMORY. */
enum divan_code engine_set_config(struct engine *, const char *bucket, struct map_revision, struct divan_bytes json,
                                  struct divan_error *err);

/* ------------------------------------------------------------------ users */

/* What a user may do, bits. Grants say where. */
enum privilege {
    PRIV_READ = 1 << 0,
    PRIV_INSERT = 1 << 1,
    PRIV_UPSERT = 1 << 2, /* also replace, touch, counters, append */
    PRIV_DELETE = 1 << 3,
    PRIV_META_READ = 1 << 4,
    PRIV_META_WRITE = 1 << 5,
    PRIV_SYSTEM_XATTR_READ = 1 << 6,
    PRIV_SYSTEM_XATTR_WRITE = 1 << 7,
    PRIV_RANGE_SCAN = 1 << 8,
    PRIV_STATS = 1 << 9,         /* statistics of the bucket */
    PRIV_DCP_PRODUCER = 1 << 10, /* may stream changes */
    PRIV_DCP_CONSUMER = 1 << 11,
    PRIV_DCP_STREAM = 1 << 12,
    PRIV_SYSTEM_SETTINGS = 1 << 13, /* the global configuration; every real role has it */
    PRIV_ADMIN = 1 << 14,           /* cluster-internal commands */
};
enum {
    PRIV_DATA_READER = PRIV_READ | PRIV_META_READ | PRIV_RANGE_SCAN | PRIV_STATS,
    PRIV_DATA_WRITER = PRIV_INSERT | PRIV_UPSERT | PRIV_DELETE
};

struct user_grant {
    const char *bucket;     /* NULL = every bucket, now and later */
    const char *scope;      /* NULL = every scope */
    const char *collection; /* NULL = every collection */
    uint32_t privileges;    /* enum privilege */
};

struct engine_user {
    const char *name;
    struct sasl_secret secret; /* proofs of the password, never the password; see sasl_secret_derive() */
    bool admin;                /* everything everywhere; grants are not looked at */
    const struct user_grant *grants;
    size_t grant_count;
};

/** Adds or replaces a user; live connections of that user follow at once. OUT_OF_MEMORY, CREDENTIALS (name). */
enum divan_code engine_set_user(struct engine *, const struct engine_user *, struct divan_error *err);
/** Removes it: its connections answer AUTH_STALE. An unknown name is fine. */
void engine_drop_user(struct engine *, const char *name);
/** Whether the password is the user's, for HTTP basic authentication. Constant work for unknown names. */
bool engine_check_password(struct engine *, const char *name, struct divan_bytes password);

/* ------------------------------------------------------------------ figures */

struct bucket_stats {
    uint64_t items;                              /* live documents in active vBuckets */
    uint64_t replica_items, tombstones, expired; /* expired: so far */
    uint64_t mem_used_bytes, quota_bytes, value_bytes;
    uint64_t gets, sets, deletes, misses, ops; /* so far; ops = all commands on documents */
    double ops_per_s;                          /* over the last few seconds */
    uint64_t oom_errors, tmp_oom_errors;
    uint32_t connections; /* that have the bucket selected */
    uint16_t vbuckets_active, vbuckets_replica;
    uint64_t high_seqno_sum;
};

/** BUCKET_NOT_FOUND. */
enum divan_code engine_bucket_stats(const struct engine *, const char *name, struct bucket_stats *out,
                                    struct divan_error *err);
/** Documents in one collection, all active vBuckets; 0 when unknown. */
uint64_t engine_collection_items(const struct engine *, const char *bucket, uint32_t collection_id);

#endif
