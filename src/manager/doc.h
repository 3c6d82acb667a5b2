/* The cluster document: everything one local cluster has decided, as a value. Only the manager makes a new one; everybody
 * else holds a reference to one that never changes. JSON in and out is the form on links and in the manager's file.
 *
 * A document owns its memory as a whole (an arena): pointers inside live as long as the document, strings are never NULL
 * unless said, and nothing inside is freed on its own. A failed allocation sticks, see doc_failed(). One thread. */
#ifndef DIVAN_MANAGER_DOC_H
#define DIVAN_MANAGER_DOC_H

#include "base/bytes.h"
#include "topology/map.h"

struct doc;

/* ---- users */

enum { DOC_SALT_MAX = 64, DOC_KEY_MAX = 64 };
enum doc_hash { DOC_SHA1, DOC_SHA256, DOC_SHA512, DOC_HASHES };

/* What SCRAM needs to know of a password (RFC 5802), and all that is kept of it. */
struct doc_key {
    uint32_t iterations; /* 0 = there is none */
    uint8_t salt[DOC_SALT_MAX];
    uint8_t salt_len;
    uint8_t stored[DOC_KEY_MAX], server[DOC_KEY_MAX]; /* as long as the hash: 20, 32, 64 */
};

struct doc_role {
    const char *role;
    const char *bucket, *scope, *collection; /* NULL = the role has no such parameter, "*" = all */
};

struct doc_user {
    const char *id, *name;
    const char *uuid;
    bool external;                /* domain "external": no password here */
    bool changed;                 /* password_changed_ms holds */
    uint64_t password_changed_ms; /* since 1970 */
    struct doc_key keys[DOC_HASHES];
    struct doc_role *roles;
    size_t role_count;
    const char **groups;
    size_t group_count;
};

struct doc_group {
    const char *id, *description, *ldap_ref;
    struct doc_role *roles;
    size_t role_count;
};

/* ---- nodes */

enum doc_membership { DOC_ACTIVE, DOC_INACTIVE_ADDED, DOC_INACTIVE_FAILED };
enum doc_recovery { DOC_RECOVERY_NONE, DOC_RECOVERY_DELTA, DOC_RECOVERY_FULL };

struct doc_alternate_port {
    const char *service; /* "kv", "mgmtSSL" ... */
    uint16_t port;
};

struct doc_node {
    const char *uuid;       /* 32 hex digits: who it is, whatever its name */
    const char *host;       /* numeric address or name, no brackets */
    const char *address;    /* numeric, where other nodes reach it */
    bool named;             /* the host is told to clients; else they use the one they came by ("$HOST") */
    bool renamed;           /* somebody gave it its name: a restart does not take it away */
    uint32_t memory_mb;     /* of the machine it runs on; 0 = unknown */
    const char *otp;        /* "ns_1@127.0.0.1" */
    const char *group;      /* uuid of its server group */
    struct map_ports ports; /* what really listens; 0 = not offered */
    uint32_t services;      /* bits 1 << enum map_service it was set up for */
    enum doc_membership membership;
    enum doc_recovery recovery;
    bool down;                  /* not heard of: shown as unhealthy, and nothing is asked of it */
    const char *data_path;      /* "" = memory */
    const char *boot;           /* changes with every start of its process: what was in memory only is gone then */
    const char *alternate_host; /* NULL = no alternate address */
    struct doc_alternate_port *alternate_ports;
    size_t alternate_port_count; /* 0 with a host: the same ports as inside */
};

struct doc_server_group {
    const char *uuid, *name;
};

/* ---- buckets */

enum doc_bucket_type { DOC_COUCHBASE, DOC_EPHEMERAL, DOC_MEMCACHED };
enum doc_eviction { DOC_VALUE_ONLY, DOC_FULL_EVICTION, DOC_NO_EVICTION, DOC_NRU_EVICTION };
enum doc_durability { DOC_DUR_NONE, DOC_DUR_MAJORITY, DOC_DUR_MAJORITY_PERSIST_ACTIVE, DOC_DUR_PERSIST_MAJORITY };
enum doc_compression { DOC_COMPRESSION_OFF, DOC_COMPRESSION_PASSIVE, DOC_COMPRESSION_ACTIVE };
enum doc_conflict { DOC_SEQNO, DOC_LWW, DOC_CUSTOM };

struct doc_collection {
    uint32_t id;
    const char *name;
    int64_t max_ttl_s; /* 0 = as the bucket, -1 = never */
    bool history;
};

struct doc_scope {
    uint32_t id;
    const char *name;
    struct doc_collection *collections;
    size_t collection_count;
};

struct doc_manifest {
    uint64_t uid;
    uint32_t next_scope, next_collection; /* never handed out again */
    struct doc_scope *scopes;
    size_t scope_count;
};

struct doc_vbmap {
    uint16_t vbuckets;    /* 0 = no map yet, or a memcached bucket */
    uint8_t row;          /* copies per vBucket: 1 + replicas */
    const char **servers; /* node uuids; entries are positions here */
    size_t server_count;
    int16_t *entries; /* vbuckets * row, -1 = nobody */
    int16_t *forward; /* the same, where a rebalance leads; NULL = none */
    /* The same: the chain from before a move that is not over, first entry -1 = no move; NULL = none at all. Equal to the
     * entries: the active copy is being taken over, and whoever has it keeps it whatever the entries say. Different: the
     * new chain holds, the old copies stay until the new ones have everything. */
    int16_t *moving;
};

struct doc_bucket {
    const char *name, *uuid;
    enum doc_bucket_type type;
    uint32_t quota_mb;
    uint8_t replicas;
    bool replica_index, flush_enabled;
    enum doc_eviction eviction;
    enum doc_durability durability_min;
    enum doc_compression compression;
    enum doc_conflict conflict;
    uint32_t max_ttl_s;
    uint8_t threads;
    uint16_t rank;
    uint64_t flushes; /* grows with every flush: a node that sees it grow empties the bucket */
    int64_t rev;      /* the document's rev when something that its configuration shows changed */
    struct doc_manifest manifest;
    struct doc_vbmap map;
    struct doc_vbmap last; /* how it was before a node was failed over: where its recovery leads; vbuckets 0 = none */
};

/* ---- what the manager is at: kept, so that it goes on after a crash */

enum doc_task_kind { DOC_TASK_REBALANCE, DOC_TASK_GRACEFUL, DOC_TASK_FAILOVER };
enum doc_task_stage {
    DOC_TASK_IDLE,    /* nothing runs; the rest tells of the last one */
    DOC_TASK_MOVING,  /* vBuckets move, bucket by bucket */
    DOC_TASK_LEAVING, /* what leaves is still listed, so that clients learn of it where they are */
};

struct doc_task {
    enum doc_task_kind kind;
    enum doc_task_stage stage;
    bool stopping;               /* somebody asked it to stop: moves that began end */
    const char *id;              /* of the rebalance, as the REST call answered; "" = there never was one */
    const char *status, *report; /* ids that change with every start and end */
    const char *error;           /* why the last one failed; "" = it did not */
    const char **keep, **eject, **delta,
        **fail; /* uuids: nodes that stay, leave, keep their documents, are failed over */
    size_t keep_count, eject_count, delta_count, fail_count;
    const char **done; /* uuids of buckets that are finished */
    size_t done_count;
    uint32_t moves;                /* vBuckets of the present bucket that had to change when it began */
    uint64_t started_ms, leave_ms; /* since 1970; when what leaves goes */
};

struct doc_counters { /* since the cluster began */
    uint32_t rebalance_start, rebalance_success, rebalance_fail, rebalance_stop;
    uint32_t failover, failover_complete, graceful_start, graceful_success;
};

/* ---- settings */

struct doc_auto_failover {
    bool enabled, on_disk_issues, can_abort_rebalance, preserve_durability_majority, disable_max_count;
    uint32_t timeout_s, disk_issue_period_s, max_count, count;
};

struct doc_quotas { /* MiB per node */
    uint32_t kv, index, fts, cbas, eventing, query;
};

struct doc_setting {  /* settings that are kept and given back, and no more */
    const char *path; /* "/settings/stats" */
    const char *json; /* the body of its GET */
};

struct doc {
    struct map_revision revision; /* of the whole document; only grows */
    int64_t nodes_rev;            /* the document's rev when something that the global configuration shows changed */
    const char *uuid;             /* the cluster's */
    const char *name;
    bool provisioned;             /* an administrator exists: from now on credentials count */
    const char *admin;            /* "" until then */
    const char *ca_cert, *ca_key; /* PEM: the authority that signs the certificates of nodes */
    struct doc_key admin_keys[DOC_HASHES];
    uint16_t vbuckets;       /* of new buckets */
    uint32_t expected_nodes; /* buckets get their first map when this many are there; 0 = at once */
    struct doc_node *nodes;
    size_t node_count;
    struct doc_server_group *groups;
    size_t group_count;
    struct doc_bucket *buckets; /* by name */
    size_t bucket_count;
    struct doc_user *users; /* by (id, domain) */
    size_t user_count;
    struct doc_group *user_groups; /* by id */
    size_t user_group_count;
    struct doc_quotas quotas;
    struct doc_auto_failover auto_failover;
    struct doc_setting *settings;
    size_t setting_count;
    struct doc_task task;
    struct doc_counters counters;
    uint16_t link_port; /* where the manager listened last */
    const char *secret; /* what the nodes of this cluster present to each other and to the manager */
    struct {
        uint32_t refs;
        bool failed;
        struct doc_block *blocks;
    } memory; /* private */
};

/** An empty document (revision 1/1, defaults, one server group "Group 1", no node). One reference, yours; NULL = out of
 * memory. The uuids are left "" for the manager to fill. */
struct doc *doc_new(void);
/** A changeable copy of everything, revision included. NULL = out of memory. */
struct doc *doc_copy(const struct doc *);
struct doc *doc_retain(const struct doc *);
void doc_release(const struct doc *); /**< NULL is fine */

/** Whether an allocation inside failed since it was made: do not use or publish it then. */
bool doc_failed(const struct doc *);
/** Zeroed memory that lives with the document; never NULL for callers that check doc_failed() at the end only: a failed
 * one returns NULL and sticks. */
void *doc_alloc(struct doc *, size_t size);
const char *doc_text(struct doc *, const char *text);           /**< a copy; NULL in, NULL out; "" on failure */
const char *doc_text_of(struct doc *, struct divan_bytes text); /**< the same from a view; stops at its end */
/** Inserts a zeroed element at `at` (<= *count) into an array of the document and returns it; NULL on failure. */
void *doc_insert(struct doc *, void *array_pointer, size_t *count, size_t at, size_t element_size);
/** Removes the element at `at`. */
void doc_remove(void *array, size_t *count, size_t at, size_t element_size);

/** The JSON form, complete and compact. false: out of memory (out->failed). */
bool doc_to_json(const struct doc *, struct buf *out);
/** Parses and checks it (ranges, references, bounds): what comes back needs no further checks. One reference, yours.
 * Errors: CONFIG_NOT_JSON, CONFIG_NOT_OBJECT, CONFIG_FIELD_TYPE, CONFIG_FIELD_RANGE, CONFIG_VBUCKETS, CONFIG_NODE_INDEX,
 * OUT_OF_MEMORY, each with the path of the field. */
enum divan_code doc_from_json(struct divan_bytes json, struct doc **out, struct divan_error *err);

/** One node of a document, as it introduces itself to the manager. key NULL = the whole text. Strings of what is read live
 * with `d`; missing fields are "" and zero. Errors as doc_from_json(). */
void doc_node_to_json(const struct doc_node *, const char *key, struct buf *out);
enum divan_code doc_node_from_json(struct divan_bytes json, struct doc *d, struct doc_node *out,
                                   struct divan_error *err);

/** Whether a rebalance, or what works like one, is going on. */
static inline bool doc_is_busy(const struct doc *d)
{
    return d->task.stage != DOC_TASK_IDLE;
}
/** Whether there is nothing for a rebalance to do: all nodes active, every map spread over them evenly. */
bool doc_is_balanced(const struct doc *);
/** The position of a node in the server list of a map; -1 = none. */
int doc_server_of(const struct doc_vbmap *, const char *uuid);

/** Whether administrator, users and groups are the same in both. */
bool doc_same_users(const struct doc *, const struct doc *);

/* ---- looking things up; NULL = not there */

struct doc_node *doc_find_node(const struct doc *, const char *uuid);
struct doc_node *doc_find_otp(const struct doc *, const char *otp);
struct doc_bucket *doc_find_bucket(const struct doc *, struct divan_bytes name); /**< exact */
struct doc_bucket *doc_find_bucket_uuid(const struct doc *, const char *uuid);
struct doc_scope *doc_find_scope(const struct doc_bucket *, struct divan_bytes name);
struct doc_collection *doc_find_collection(const struct doc_scope *, struct divan_bytes name);
struct doc_user *doc_find_user(const struct doc *, struct divan_bytes id, bool external);
struct doc_group *doc_find_group(const struct doc *, struct divan_bytes id);
struct doc_server_group *doc_find_server_group(const struct doc *, const char *uuid);
const char *doc_setting(const struct doc *, const char *path); /**< its JSON text */

/** Bytes of a key and salt of a hash: 20, 32, 64. */
size_t doc_hash_len(enum doc_hash);

/* ---- words; the lists end with NULL */

extern const char *const doc_bucket_type_words[],
    *const doc_eviction_words[], *const doc_durability_words[], *const doc_compression_words[],
                                                                    *const doc_conflict_words[],
                                                                        *const doc_membership_words[],
                                                                            *const doc_recovery_words[],
                                                                                *const doc_service_words[],
                                                                                    *const doc_task_kind_words[],
                                                                                        *const doc_task_stage_words[];

const char *
    doc_bucket_type_name(enum doc_bucket_type); /**< "membase", "ephemeral", "memcached", as configurations say it */
const char *doc_eviction_name(enum doc_eviction);
const char *doc_durability_name(enum doc_durability);
const char *doc_compression_name(enum doc_compression);
const char *doc_conflict_name(enum doc_conflict);
const char *doc_membership_name(enum doc_membership);
const char *doc_recovery_name(enum doc_recovery);
const char *doc_task_kind_name(enum doc_task_kind); /**< "rebalance", "gracefulFailover", "failover" */
const char *doc_task_stage_name(enum doc_task_stage);
/** "kv", "n1ql", "capi", "fts", "cbas", "eventing", "mgmt" as configurations and forms name a service. */
const char *doc_service_name(enum map_service);

/* ---- what clients are told (spec section 4.1); the same text goes over key-value connections and REST */

/** The terse configuration of a bucket as the node `self` (uuid) shows it. */
void doc_bucket_config(const struct doc *, const struct doc_bucket *, const char *self, struct buf *out);
/** The global configuration. */
void doc_global_config(const struct doc *, const char *self, struct buf *out);
/** host or "[v6]" with ":port", as addresses are written; what `n` is told as: "$HOST" unless it is named. */
void doc_put_address(const struct doc_node *n, uint16_t port, struct buf *out);
/** Whether two documents tell clients the same, revisions aside. */
bool doc_same_bucket_config(const struct doc *, const struct doc_bucket *, const struct doc *,
                            const struct doc_bucket *);
bool doc_same_global_config(const struct doc *, const struct doc *);
/** Service names with their ports as configurations list them ("mgmt", "mgmtSSL", "kv" ...), alternates resolved. */
uint16_t doc_alternate_port(const struct doc_node *, const char *service);
/** ,"alternateAddresses":{...} of a node, nothing when it has none. */
enum doc_alternate_view { DOC_ALTERNATE_ALL, DOC_ALTERNATE_PLAIN, DOC_ALTERNATE_NO_KV_TLS };
void doc_put_alternate(const struct doc_node *, enum doc_alternate_view, struct buf *out);
/** The fields a bucket's terse and full form share: name ... collectionsManifestUid. */
void doc_put_bucket_head(const struct doc_bucket *, struct buf *out);
/** ,"vBucketServerMap":{...}; host_of writes the address of a key-value server. */
void doc_put_vbmap(const struct doc *, const struct doc_bucket *,
                   void (*host_of)(const struct doc_node *, uint16_t, struct buf *), struct buf *out);
/** Nodes that serve the bucket, in the order of its server list (all active ones where it has no map), written to out
 * (room for node_count). Returns how many. */
size_t doc_bucket_nodes(const struct doc *, const struct doc_bucket *, const struct doc_node **out);
/** The collections manifest; `rest` adds what only REST shows (maxTTL 0, history). */
void doc_manifest_json(const struct doc_manifest *, bool rest, struct buf *out);

#endif
