/* Many operations in one call. */
#include "base/error.h"
#include "client/call.h"
#include "client/cluster.h"
#include "client/names.h"
#include "client/specs.h"

/* One call with its operations; on the stack of its thread. */
struct bulk {
    struct divan_cluster *cluster;
    divan_result **results;
    size_t left;          /* in flight */
    struct waiter *waits; /* for left to become 0; NULL = not yet */
    uint64_t until_ns;
    size_t first_bad; /* the lowest place that failed so far, and how */
    struct divan_error *err;
    enum divan_code rc;
};

static void note_error(struct bulk *b, size_t at, const struct divan_error *why)
{
    if (b->rc && at >= b->first_bad) return;
    b->first_bad = at;
    b->rc = why->code;
    if (b->err) *b->err = *why;
}

static void on_done(struct client *client, struct operation *op)
{
    struct bulk *b = op->owner;
    size_t at = (uintptr_t)op->user;
    op->user = NULL;
    if (op->error) note_error(b, at, op->error);
    if (b->results) {
        op_retain(op);
        b->results[at] = op_result(op);
    }
    if (!--b->left && b->waits) cluster_finish_waiter(b->cluster, b->waits);
}

/* One that was never started has a result too. */
static void put_refused(struct bulk *b, size_t at, const struct call *call, const struct divan_error *why)
{
    struct divan_error where = *why;
    err_where(&where, kind_facts[call->kind].name, NULL);
    note_error(b, at, &where);
    struct operation *op = b->results && b->cluster->client ? client_take(b->cluster->client) : NULL;
    if (!op) return;
    op->kind = (uint8_t)call->kind;
    op->state = OP_DONE;
    if (call->key.data && call->key.len <= KEY_MAX) {
        op->key_len = (uint8_t)call->key.len;
        memcpy(op->key, call->key.data, call->key.len);
    }
    if (op_error(op)) *op->error = where;
    b->results[at] = op_result(op);
}

static uint32_t left_ms(const struct bulk *b)
{
    uint64_t now = io_now_ns(b->cluster->loop);
    return now < b->until_ns ? (uint32_t)((b->until_ns - now + NS_PER_MS - 1) / NS_PER_MS) : 0;
}

static enum divan_code start_one(struct bulk *b, size_t at, const struct call *call, struct divan_error *err)
{
    struct divan_cluster *cluster = b->cluster;
    struct operation *op = NULL;
    enum divan_code rc = call_check(call, err);
    if (!rc) cluster_wait_room(cluster, call->value.len + KEY_MAX + sizeof *op, b->until_ns);
    if (!rc) rc = call_take(cluster, call, &op, err);
    if (rc) return rc;
    op->timeout_ms = left_ms(b);
    op->how = DONE_INTERNAL;
    op->done.internal = on_done;
    op->owner = b;
    op->user = (void *)(uintptr_t)at;
    b->left++;
    if (!op->timeout_ms) rc = err_set(err, DIVAN_ERR_UNAMBIGUOUS_TIMEOUT, "the deadline passed before it was started");
    if (!rc) rc = client_start(cluster->client, op, err);
    if (!rc) return DIVAN_OK;
    b->left--;
    op_release(op);
    return rc;
}

static void wait_for_all(struct bulk *b)
{
    struct waiter w = {.done = false};
    if (!b->left) return;
    b->waits = &w;
    cluster_wait(b->cluster, &w, IO_NEVER);
}

/* What the calls differ in. */
struct items {
    const struct divan_bytes *keys;
    const struct divan_document *documents;
    size_t count;
};

static void run_all(struct bulk *b, struct call *call, const struct items *items)
{
    struct divan_cluster *cluster = b->cluster;
    struct divan_error err;
    cluster_lock(cluster);
    cluster_enter(cluster);
    if (!cluster->closed) {
        const struct options *o = &cluster->client->config.options;
        uint32_t ms = call->timeout_ms   ? call->timeout_ms
                      : call->durability ? o->kv_durable_timeout_ms
                                         : o->kv_timeout_ms;
        cluster_fresh_clock(cluster);
        b->until_ns = io_now_ns(cluster->loop) + ms * NS_PER_MS;
    }
    for (size_t i = 0; i < items->count; i++) {
        call->key = items->documents ? items->documents[i].key : items->keys[i];
        if (items->documents) call->value = items->documents[i].value;
        if (start_one(b, i, call, &err)) put_refused(b, i, call, &err);
    }
    wait_for_all(b);
    cluster_leave(cluster);
    cluster_unlock(cluster);
}

static enum divan_code run_many(struct call *call, const struct items *items, divan_result **results,
                                struct divan_error *err)
{
    const struct collection *collection = (struct collection *)(void *)call->collection;
    enum divan_code rc = DIVAN_OK;
    if (results) memset(results, 0, items->count * sizeof *results);
    if (!collection) rc = err_set(err, DIVAN_ERR_HANDLE_NULL, "the collection handle is NULL");
    else if (items->count && !items->keys && !items->documents)
        rc = err_set(err, DIVAN_ERR_HANDLE_NULL, "the array of %zu keys is NULL", items->count);
    else if (cluster_is_forked(cluster_of(collection))) rc = cluster_forked_error(err);
    else if (cluster_is_own_thread(cluster_of(collection)))
        rc = err_set(err, DIVAN_ERR_WRONG_THREAD, "a blocking call inside a completion callback would wait for itself");
    else if (call->timeout_ms) rc = check_timeout(call->timeout_ms, err);
    if (rc) {
        err_where(err, kind_facts[call->kind].name, NULL);
        return rc;
    }
    struct bulk b = {.cluster = cluster_of(collection), .results = results, .err = err};
    run_all(&b, call, items);
    return b.rc;
}

/* ---- public */

enum divan_code divan_get_many(divan_collection *c, const struct divan_bytes *keys, size_t count,
                               const struct divan_get_options *o, divan_result **results, struct divan_error *err)
{
    struct call_specs specs;
    struct call call = {.collection = c, .kind = KIND_GET};
    const struct items items = {.keys = keys, .count = count};
    if (o) call.timeout_ms = o->timeout_ms, call.retry = o->retry;
    if (o && (o->with_expiry || o->project_count)) {
        enum divan_code rc = specs_from_projection(&specs, o, err);
        if (rc) return rc;
        call.kind = KIND_GET_PROJECTED;
        call.specs = &specs;
    }
    return run_many(&call, &items, results, err);
}

enum divan_code divan_exists_many(divan_collection *c, const struct divan_bytes *keys, size_t count,
                                  const struct divan_exists_options *o, divan_result **results, struct divan_error *err)
{
    struct call call = {.collection = c, .kind = KIND_EXISTS};
    const struct items items = {.keys = keys, .count = count};
    if (o) call.timeout_ms = o->timeout_ms, call.retry = o->retry;
    return run_many(&call, &items, results, err);
}

enum divan_code divan_upsert_many(divan_collection *c, const struct divan_document *documents, size_t count,
                                  const struct divan_upsert_options *o, divan_result **results, struct divan_error *err)
{
    struct call call = {.collection = c, .kind = KIND_UPSERT};
    const struct items items = {.documents = documents, .count = count};
    if (o) {
        call.timeout_ms = o->timeout_ms;
        call.retry = o->retry;
        call.expiry_s = o->expiry_s;
        call.flags = o->flags;
        call.durability = o->durability;
        call.keep_expiry = o->keep_expiry;
        call.persist_to = o->persist_to;
        call.replicate_to = o->replicate_to;
    }
    return run_many(&call, &items, results, err);
}

enum divan_code divan_insert_many(divan_collection *c, const struct divan_document *documents, size_t count,
                                  const struct divan_insert_options *o, divan_result **results, struct divan_error *err)
{
    struct call call = {.collection = c, .kind = KIND_INSERT};
    const struct items items = {.documents = documents, .count = count};
    if (o) {
        call.timeout_ms = o->timeout_ms;
        call.retry = o->retry;
        call.expiry_s = o->expiry_s;
        call.flags = o->flags;
        call.durability = o->durability;
        call.persist_to = o->persist_to;
        call.replicate_to = o->replicate_to;
    }
    return run_many(&call, &items, results, err);
}

enum divan_code divan_remove_many(divan_collection *c, const struct divan_bytes *keys, size_t count,
                                  const struct divan_remove_options *o, divan_result **results, struct divan_error *err)
{
    struct call call = {.collection = c, .kind = KIND_REMOVE};
    const struct items items = {.keys = keys, .count = count};
    if (o) {
        call.timeout_ms = o->timeout_ms;
        call.retry = o->retry;
        call.durability = o->durability;
        call.persist_to = o->persist_to;
        call.replicate_to = o->replicate_to;
        call.cas = o->cas;
    }
    return run_many(&call, &items, results, err);
}

void divan_result_release_many(divan_result **results, size_t count)
{
    for (size_t i = 0; results && i < count; i++) {
        divan_result_release(results[i]);
        results[i] = NULL;
    }
}
