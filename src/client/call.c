#include "client/call.h"

#include "base/error.h"
#include "client/cluster.h"
#include "client/names.h"
#include "client/queue.h"
#include "client/specs.h"
#include "client/strategy.h"

static struct collection *collection_at(const struct call *call)
{
    return (struct collection *)(void *)call->collection;
}

/* ---- the arguments, in the order of the parameters */

static enum divan_code check_counter(const struct call *call, struct divan_error *err)
{
    if (call->kind != KIND_INCREMENT && call->kind != KIND_DECREMENT) return DIVAN_OK;
    if (!call->delta)
        return err_set(err, DIVAN_ERR_DELTA_RANGE,
                       "the delta of a counter is 0: it must be at least 1 (get reads a counter)");
    return DIVAN_OK;
}

static enum divan_code check_lock(const struct call *call, struct divan_error *err)
{
    if (call->lock_s > DIVAN_LOCK_MAX_S)
        return err_set(err, DIVAN_ERR_LOCK_RANGE, "a lock of %u seconds was asked for, the longest is %d", call->lock_s,
                       DIVAN_LOCK_MAX_S);
    if (call->kind == KIND_UNLOCK && !call->cas)
        return err_set(err, DIVAN_ERR_CAS_REQUIRED,
                       "the CAS is 0: give the one divan_get_and_lock() answered, it is the key of the lock");
    return DIVAN_OK;
}

static enum divan_code check_observe(const struct call *call, struct divan_error *err)
{
    if ((unsigned)call->persist_to > DIVAN_PERSIST_TO_FOUR || (unsigned)call->replicate_to > DIVAN_REPLICATE_TO_THREE)
        return err_set(err, DIVAN_ERR_OBSERVE_RANGE, "persist_to %d or replicate_to %d is not one of its enum",
                       (int)call->persist_to, (int)call->replicate_to);
    if (call->durability && (call->persist_to || call->replicate_to))
        return err_set(err, DIVAN_ERR_OBSERVE_RANGE,
                       "a durability level and persist_to or replicate_to were given: the level says it all, leave the "
                       "others out");
    return DIVAN_OK;
}

enum divan_code call_check(const struct call *call, struct divan_error *err)
{
    const struct collection *collection = collection_at(call);
    if (!collection) return err_set(err, DIVAN_ERR_HANDLE_NULL, "the collection handle is NULL");
    if (cluster_is_forked(cluster_of(collection))) return cluster_forked_error(err);
    enum divan_code rc = check_key(call->key, collection->is_default, err);
    if (!rc && call->value.len) rc = check_value(call->value, err);
    if (!rc) rc = check_counter(call, err);
    if (!rc) rc = check_lock(call, err);
    if (!rc && (call->persist_to || call->replicate_to)) rc = check_observe(call, err);
    if (!rc && call->timeout_ms) rc = check_timeout(call->timeout_ms, err);
    if (!rc && call->retry) rc = check_retry(call->retry, err);
    if (!rc && call->durability) rc = check_durability(call->durability, err);
    if (!rc && call->keep_expiry && call->expiry_s)
        rc = err_set(err, DIVAN_ERR_EXPIRY_CONFLICT,
                     "an expiry of %u seconds and keep_expiry were given: leave one out", call->expiry_s);
    return rc;
}

/* ---- into an operation */

static enum divan_code set_expiry(struct client *c, const struct call *call, struct operation *op,
                                  struct divan_error *err)
{
    bool is_counter = call->kind == KIND_INCREMENT || call->kind == KIND_DECREMENT;
    if (is_counter && !call->create) {
        op->expiry = COUNTER_NO_CREATE;
        return DIVAN_OK;
    }
    op->expiry = call->lock_s;
    if (!call->expiry_s) return DIVAN_OK;
    return expiry_on_wire(call->expiry_s, io_wall_ns(c->loop), &op->expiry, err);
}

static uint32_t timeout_of(const struct client *c, const struct call *call)
{
    if (call->timeout_ms) return call->timeout_ms;
    bool is_durable = call->durability || call->persist_to || call->replicate_to;
    return is_durable ? c->config.options.kv_durable_timeout_ms : c->config.options.kv_timeout_ms;
}

static enum divan_code fill(struct client *c, const struct call *call, struct operation *op, struct divan_error *err)
{
    op->kind = (uint8_t)call->kind;
    op->collection = collection_at(call);
    op->key_len = (uint8_t)call->key.len;
    memcpy(op->key, call->key.data, call->key.len);
    op->value = call->value;
    op->flags = call->flags;
    op->cas = call->cas;
    op->number = call->delta;
    op->initial = call->initial;
    op->durability = (uint8_t)call->durability;
    op->keep_expiry = call->keep_expiry;
    op->persist_to = (uint8_t)call->persist_to;
    op->replicate_to = (uint8_t)call->replicate_to;
    if (call->specs && !specs_put(op, call->specs)) return err_oom(err);
    op->timeout_ms = timeout_of(c, call);
    enum divan_code rc = strategy_set(c, op, call->retry, err);
    return rc ? rc : set_expiry(c, call, op, err);
}

enum divan_code call_take(struct divan_cluster *cluster, const struct call *call, struct operation **out,
                          struct divan_error *err)
{
    if (cluster->closed)
        return err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed: open another one");
    cluster_fresh_clock(cluster);
    struct operation *op = client_take(cluster->client);
    if (!op) return err_oom(err);
    enum divan_code rc = fill(cluster->client, call, op, err);
    if (!rc) *out = op;
    else op_release(op);
    return rc;
}

/* ---- blocking */

static enum divan_code wait_for(struct divan_cluster *cluster, struct operation *op, struct divan_error *err)
{
    struct waiter w = {.done = false};
    op->how = DONE_WAITER;
    op->done.waiter = &w;
    enum divan_code rc = client_start(cluster->client, op, err);
    if (rc) return rc;
    if (!w.done) cluster_wait(cluster, &w, IO_NEVER);
    if (op->error && err) *err = *op->error;
    return op->error ? op->error->code : DIVAN_OK;
}

static enum divan_code refuse(const struct call *call, enum divan_code rc, struct divan_error *err)
{
    err_where(err, kind_facts[call->kind].name, NULL);
    return rc;
}

enum divan_code call_run(const struct call *call, divan_result **out, struct divan_error *err)
{
    struct operation *op = NULL;
    enum divan_code rc = call_check(call, err);
    if (rc) return refuse(call, rc, err);
    struct divan_cluster *cluster = cluster_of(collection_at(call));
    if (cluster_is_own_thread(cluster))
        return refuse(call,
                      err_set(err, DIVAN_ERR_WRONG_THREAD,
                              "a blocking %s inside a completion callback would wait for itself: use divan_%s_start()",
                              kind_facts[call->kind].name, kind_facts[call->kind].name),
                      err);
    cluster_lock(cluster);
    rc = call_take(cluster, call, &op, err);
    if (!rc) rc = wait_for(cluster, op, err);
    cluster_unlock(cluster);
    if (!rc && err) err->code = DIVAN_OK;
    if (!rc && out) *out = op_result(op);
    else op_release(op);
    return rc ? refuse(call, rc, err) : rc;
}

/* ---- started */

enum divan_code done_check(const struct divan_done *done, struct divan_cluster *cluster, struct divan_error *err)
{
    if (!done->fn == !done->queue)
        return err_set(err, DIVAN_ERR_COMPLETION,
                       done->fn ? "both a callback and a queue were given: leave one out"
                                : "neither a callback nor a queue was given");
    if (done->queue && done->queue->cluster != cluster)
        return err_set(err, DIVAN_ERR_COMPLETION, "the queue belongs to another cluster handle");
    return DIVAN_OK;
}

void done_set(struct divan_cluster *cluster, struct operation *op, const struct divan_done *done)
{
    op->user = done->user;
    if (done->queue) {
        op->how = DONE_QUEUE;
        op->done.queue = done->queue;
        queue_expect(done->queue);
        op->may_linger = queue_is_popped(done->queue);
    } else {
        op->how = DONE_CALLBACK;
        op->done.fn = done->fn;
        cluster->needs_thread++;
    }
}

void done_unset(struct divan_cluster *cluster, const struct divan_done *done)
{
    if (done->queue) queue_forget(done->queue);
    else cluster->needs_thread--;
}

enum divan_code call_start(const struct call *call, struct divan_done done, struct divan_error *err)
{
    struct operation *op = NULL;
    enum divan_code rc = call_check(call, err);
    if (rc) return refuse(call, rc, err);
    struct divan_cluster *cluster = cluster_of(collection_at(call));
    rc = done_check(&done, cluster, err);
    if (rc) return refuse(call, rc, err);
    cluster_lock(cluster);
    rc = call_take(cluster, call, &op, err);
    if (!rc && call->value.len && !op_own_value(op, call->value)) rc = err_oom(err);
    if (!rc) {
        done_set(cluster, op, &done);
        rc = client_start(cluster->client, op, err);
        if (!rc) cluster_started(cluster);
        else done_unset(cluster, &done);
    }
    if (rc) op_release(op);
    cluster_unlock(cluster);
    return rc ? refuse(call, rc, err) : rc;
}
