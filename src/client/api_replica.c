#include "base/error.h"
#include "client/call.h"
#include "client/cluster.h"
#include "client/names.h"
#include "client/race.h"
#include "client/specs.h"

static enum divan_code check(const struct call *call, const struct divan_replica_options *o, struct divan_error *err)
{
    enum divan_code rc = call_check(call, err);
    if (rc) return rc;
    const struct collection *collection = (struct collection *)(void *)call->collection;
    if ((unsigned)o->read_from > DIVAN_READ_GROUP_OR_ALL)
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "read_from is %d, not one of enum divan_read_from",
                       (int)o->read_from);
    const char *group = collection->bucket->client->config.options.server_group;
    if (o->read_from && !(group && *group))
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT,
                       "read_from asks for the preferred server group, but none is set: add server_group=NAME to the "
                       "connection string");
    return DIVAN_OK;
}

/* One operation for each copy there may be; which of them exist the map decides when it is there. */
static enum divan_code enter_all(struct race *race, struct divan_cluster *cluster, const struct call *call,
                                 const struct divan_replica_options *o, struct operation **active,
                                 struct divan_error *err)
{
    for (unsigned copy = 0; copy < DIVAN_COPIES_MAX; copy++) {
        struct operation *op = NULL;
        enum divan_code rc = call_take(cluster, call, &op, err);
        if (rc) return rc;
        race_enter(race, op, o->read_from);
        if (!copy) *active = op;
    }
    return DIVAN_OK;
}

static enum divan_code refuse(enum divan_code rc, const char *name, struct divan_error *err)
{
    err_where(err, name, NULL);
    return rc;
}

static enum divan_code begin(const struct call *call, const struct divan_replica_options *o, const char *name, bool all,
                             struct race_outcome *outcome, struct race **out, struct operation **active,
                             struct divan_error *err)
{
    struct divan_cluster *cluster = cluster_of((struct collection *)(void *)call->collection);
    if (cluster->closed)
        return err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed: open another one");
    struct race *race = race_new(cluster->client, name, all, outcome);
    enum divan_code rc = race ? enter_all(race, cluster, call, o, active, err) : err_oom(err);
    if (rc) race_abandon(race);
    else *out = race;
    return rc;
}

static const struct divan_replica_options none;

static enum divan_code run(const struct call *call, const struct divan_replica_options *given, const char *name,
                           bool all, struct race_outcome *outcome, struct divan_error *err)
{
    const struct divan_replica_options *o = given ? given : &none;
    struct waiter w = {.done = false};
    struct race *race = NULL;
    struct operation *active = NULL;
    enum divan_code rc = check(call, o, err);
    if (rc) return refuse(rc, name, err);
    struct divan_cluster *cluster = cluster_of((struct collection *)(void *)call->collection);
    if (cluster_is_own_thread(cluster))
        return refuse(
            err_set(err, DIVAN_ERR_WRONG_THREAD, "a blocking read inside a completion callback would wait for itself"),
            name, err);
    cluster_lock(cluster);
    rc = begin(call, o, name, all, outcome, &race, &active, err);
    if (!rc) {
        active->how = DONE_WAITER;
        active->done.waiter = &w;
        rc = race_start(race, err);
        if (!rc && !w.done) cluster_wait(cluster, &w, IO_NEVER);
    }
    cluster_unlock(cluster);
    if (rc) return refuse(rc, name, err);
    if (!outcome->failed) {
        if (err) err->code = DIVAN_OK;
        return DIVAN_OK;
    }
    rc = outcome->failed->error->code;
    if (err) *err = *outcome->failed->error;
    op_release(outcome->failed);
    return rc;
}

static enum divan_code run_any(const struct call *call, const struct divan_replica_options *o, const char *name,
                               divan_result **out, struct divan_error *err)
{
    struct race_outcome outcome;
    enum divan_code rc = run(call, o, name, false, &outcome, err);
    if (rc) return rc;
    if (out) *out = op_result(outcome.results[0]);
    else op_release(outcome.results[0]);
    return DIVAN_OK;
}

static enum divan_code run_all(const struct call *call, const struct divan_replica_options *o, const char *name,
                               divan_result **results, size_t *count, struct divan_error *err)
{
    struct race_outcome outcome;
    size_t n = 0;
    if (!results || !count)
        return refuse(
            err_set(err, DIVAN_ERR_HANDLE_NULL, "the array for the results, or the pointer for their number, is NULL"),
            name, err);
    enum divan_code rc = run(call, o, name, true, &outcome, err);
    if (rc) return rc;
    for (size_t i = 0; i < DIVAN_COPIES_MAX; i++)
        if (outcome.results[i]) results[n++] = op_result(outcome.results[i]);
    *count = n;
    return DIVAN_OK;
}

static enum divan_code start(const struct call *call, const struct divan_replica_options *given, const char *name,
                             struct divan_done done, struct divan_error *err)
{
    const struct divan_replica_options *o = given ? given : &none;
    struct race *race = NULL;
    struct operation *active = NULL;
    enum divan_code rc = check(call, o, err);
    if (rc) return refuse(rc, name, err);
    struct divan_cluster *cluster = cluster_of((struct collection *)(void *)call->collection);
    rc = done_check(&done, cluster, err);
    if (rc) return refuse(rc, name, err);
    cluster_lock(cluster);
    rc = begin(call, o, name, false, NULL, &race, &active, err);
    if (!rc) {
        done_set(cluster, active, &done);
        rc = race_start(race, err);
        if (!rc) cluster_started(cluster);
        else done_unset(cluster, &done);
    }
    cluster_unlock(cluster);
    return rc ? refuse(rc, name, err) : rc;
}

/* ---- documents */

static struct call get_call(divan_collection *c, struct divan_bytes key, const struct divan_replica_options *o)
{
    struct call call = {.collection = c, .kind = KIND_GET, .key = key};
    if (o) call.timeout_ms = o->timeout_ms, call.retry = o->retry;
    return call;
}

enum divan_code divan_get_any_replica(divan_collection *c, struct divan_bytes key,
                                      const struct divan_replica_options *o, divan_result **out,
                                      struct divan_error *err)
{
    const struct call call = get_call(c, key, o);
    return run_any(&call, o, "get_any_replica", out, err);
}

enum divan_code divan_get_any_replica_start(divan_collection *c, struct divan_bytes key,
                                            const struct divan_replica_options *o, struct divan_done done,
                                            struct divan_error *err)
{
    const struct call call = get_call(c, key, o);
    return start(&call, o, "get_any_replica", done, err);
}

enum divan_code divan_get_all_replicas(divan_collection *c, struct divan_bytes key,
                                       const struct divan_replica_options *o, divan_result **results, size_t *count,
                                       struct divan_error *err)
{
    const struct call call = get_call(c, key, o);
    return run_all(&call, o, "get_all_replicas", results, count, err);
}

/* ---- parts of them */

static enum divan_code lookup_call(struct call *call, struct call_specs *list, const struct divan_lookup *specs,
                                   size_t count, const struct divan_replica_options *o, struct divan_error *err)
{
    call->kind = KIND_LOOKUP_IN;
    call->specs = list;
    if (o) call->timeout_ms = o->timeout_ms, call->retry = o->retry;
    enum divan_code rc = specs_from_lookups(list, specs, count, o && o->access_deleted, err);
    return rc ? refuse(rc, "lookup_in", err) : rc;
}

enum divan_code divan_lookup_in_any_replica(divan_collection *c, struct divan_bytes key,
                                            const struct divan_lookup *specs, size_t count,
                                            const struct divan_replica_options *o, divan_result **out,
                                            struct divan_error *err)
{
    struct call_specs list;
    struct call call = {.collection = c, .key = key};
    enum divan_code rc = lookup_call(&call, &list, specs, count, o, err);
    return rc ? rc : run_any(&call, o, "lookup_in", out, err);
}

enum divan_code divan_lookup_in_any_replica_start(divan_collection *c, struct divan_bytes key,
                                                  const struct divan_lookup *specs, size_t count,
                                                  const struct divan_replica_options *o, struct divan_done done,
                                                  struct divan_error *err)
{
    struct call_specs list;
    struct call call = {.collection = c, .key = key};
    enum divan_code rc = lookup_call(&call, &list, specs, count, o, err);
    return rc ? rc : start(&call, o, "lookup_in", done, err);
}

enum divan_code divan_lookup_in_all_replicas(divan_collection *c, struct divan_bytes key,
                                             const struct divan_lookup *specs, size_t spec_count,
                                             const struct divan_replica_options *o, divan_result **results,
                                             size_t *count, struct divan_error *err)
{
    struct call_specs list;
    struct call call = {.collection = c, .key = key};
    enum divan_code rc = lookup_call(&call, &list, specs, spec_count, o, err);
    return rc ? rc : run_all(&call, o, "lookup_in", results, count, err);
}

bool divan_result_is_replica(const divan_result *result)
{
    return result && !result_op(result)->error && result_op(result)->copy > 0;
}
