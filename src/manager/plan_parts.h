/* What the files of the plan share. */
#ifndef DIVAN_MANAGER_PLAN_PARTS_H
#define DIVAN_MANAGER_PLAN_PARTS_H

#include "manager/plan.h"

struct plan {
    struct doc *doc; /* the working copy: change it freely; it is dropped unless `changed` */
    const struct manager_request *req;
    struct rng *rng;
    uint64_t wall_ms;
    struct plan_reply *reply;
    bool changed;
    struct buf errors;         /* members of "errors", see plan_error() */
    uint64_t error_hashes[32]; /* names given so far: the first sentence of a field stays */
    size_t error_count;
};

typedef void plan_fn(struct plan *);
/* One function per operation, see the table in plan.c. */
plan_fn plan_cluster_init, plan_pools_default, plan_web, plan_services, plan_rename, plan_paths, plan_alternate_set,
    plan_alternate_clear, plan_auto_failover, plan_auto_failover_reset, plan_setting, plan_rebalance,
    plan_stop_rebalance, plan_fail_over, plan_start_fail_over, plan_graceful_fail_over, plan_recovery_type, plan_re_add,
    plan_re_fail_over, plan_eject, plan_add_node, plan_ask_to_join, plan_node_joins, plan_node_hello, plan_expect_nodes,
    plan_group_add, plan_group_rename, plan_group_delete, plan_bucket_create, plan_bucket_edit, plan_bucket_delete,
    plan_bucket_flush, plan_scope_create, plan_scope_drop, plan_collection_create, plan_collection_edit,
    plan_collection_drop, plan_manifest_put, plan_user_put, plan_user_patch, plan_user_delete, plan_user_group_put,
    plan_user_group_delete, plan_change_password;

/* ---- the request */

/** The value of a field; .data NULL when absent. Fields of the query begin with "?". */
struct divan_bytes plan_field(const struct plan *, const char *name);
static inline bool plan_has(const struct plan *p, const char *name)
{
    return plan_field(p, name).data != NULL;
}
/** The i-th captured word; the empty view when there are fewer. */
struct divan_bytes plan_arg(const struct plan *, size_t i);
/** A whole number, sign allowed. */
bool plan_to_int(struct divan_bytes text, int64_t *out);
/** Errors "Unsupported key" for every field of the body that is not in the list (NULL-terminated). */
void plan_only(struct plan *, const char *const *names);

/* ---- the answer */

/** Adds a sentence for a field ("_" = the request as a whole); the first one for a field stays. */
void plan_error(struct plan *, const char *field, const char *format, ...) __attribute__((format(printf, 3, 4)));
static inline bool plan_failed(const struct plan *p)
{
    return p->error_count != 0;
}
/** 400 {"errors":{...}} when there were errors: true. */
bool plan_refuse(struct plan *, int status);
void plan_answer(struct plan *, int status);                        /**< empty body */
void plan_answer_text(struct plan *, int status, const char *text); /**< text/plain */
void plan_answer_json(struct plan *, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
void plan_answer_not_found(struct plan *); /**< what an unknown bucket gets */
static inline void plan_done(struct plan *p)
{
    p->changed = true;
    plan_answer(p, 200);
}

/* ---- checks shared by several operations; each adds its own error */

enum { PLAN_BAD = -1 };
/** true/false as a form says it; PLAN_BAD with an error. */
int plan_bool(struct plan *, const char *field);
/** A password of acceptable length; false with an error. */
bool plan_password_fits(struct plan *, const char *field, bool required);
/** NULL, or why a user or group name is not acceptable: a sentence that begins with `what`. */
const char *plan_name_flaw(struct divan_bytes name, bool group);

/* ---- things of the document */

const char *plan_uuid(struct plan *, bool dashes); /**< 32 hex digits, or 8-4-4-4-12 */
size_t plan_active_nodes(const struct doc *);      /**< those that count for buckets: active, or still expected */
/** What the quotas of a node may add up to: all but 1 GiB, or 80 % where that is more. */
uint32_t plan_allowed_mb(const struct doc_node *);
/** The name of a node at this host and management port among the nodes of the cluster, `self` left out. */
const char *plan_free_otp(const struct plan *, const char *host, uint16_t port, const struct doc_node *self);
/** The node the request came by; NULL = the manager's own process. */
struct doc_node *plan_self(const struct plan *);
/** Builds the vBucket map of a bucket from scratch over the active nodes. Does nothing for a bucket that has one, of a
 * kind without one, or while nodes are still expected. */
void plan_map_build(struct plan *, struct doc_bucket *);
/** 503 while vBuckets move: `what` ("create", "delete", "flush") cannot be done to buckets then. true = refused. */
bool plan_refuse_busy(struct plan *, const char *what);
/** The entry of nodes that the whole cluster knows by this name; NULL = none. */
struct doc_node *plan_otp(const struct plan *, struct divan_bytes otp);
/** A manifest with what every bucket starts with. */
void plan_manifest_init(struct plan *, struct doc_manifest *);
/** Sets the administrator. false with an error under `field`. */
bool plan_set_admin(struct plan *, struct divan_bytes user, struct divan_bytes password, const char *field);

#endif
