#include "client/strategy.h"

#include "base/error.h"
#include "client/cluster.h"
#include "client/retry.h"

static bool is_known(const struct client *c, enum divan_retry retry)
{
    unsigned value = (unsigned)retry;
    return value <= DIVAN_RETRY_FAIL_FAST ||
           (value >= DIVAN_RETRY_CUSTOM && value < DIVAN_RETRY_CUSTOM + c->strategy_count);
}

static enum divan_code unknown_error(enum divan_retry retry, struct divan_error *err)
{
    return err_set(err, DIVAN_ERR_INVALID_ARGUMENT,
                   "retry is %d: not one of enum divan_retry (0 to 2), and no strategy that was added to this cluster",
                   (int)retry);
}

enum divan_code strategy_set_custom(const struct client *c, struct operation *op, enum divan_retry retry,
                                    struct divan_error *err)
{
    if (!is_known(c, retry)) return unknown_error(retry, err);
    op->strategy = (uint8_t)((unsigned)retry - DIVAN_RETRY_CUSTOM + 1);
    return DIVAN_OK;
}

bool strategy_stops(struct client *c, struct operation *op, unsigned reason)
{
    if (reason >= RETRY_REASON_COUNT || retry_facts[reason].always) return false;
    const struct client_strategy *strategy = &c->strategies[op->strategy - 1];
    uint64_t now = io_now_ns(c->loop), until = op->deadline.at_ns;
    const struct divan_retry_request request = {
        .op = op_facts_of(op)->name,
        .reason_name = retry_facts[reason].name,
        .reason = 1u << reason,
        .idempotent = op_facts_of(op)->is_idempotent,
        .attempts = op->attempts,
        .retries = op->retries,
        .elapsed_ms = (uint32_t)((now - op->start_ns) / NS_PER_MS),
        .left_ms = until > now ? (uint32_t)((until - now) / NS_PER_MS) : 0,
    };
    int32_t pause_ms = strategy->fn(strategy->user, &request);
    op->pause_ms = pause_ms > 0 ? (uint32_t)pause_ms : 0;
    return pause_ms < 0;
}

/* ---- public */

static enum divan_code check(divan_cluster *cluster, struct divan_error *err)
{
    if (!cluster) return err_set(err, DIVAN_ERR_HANDLE_NULL, "the cluster handle is NULL");
    return cluster_is_forked(cluster) ? cluster_forked_error(err) : DIVAN_OK;
}

static enum divan_code add(struct client *c, divan_retry_fn *fn, void *user, enum divan_retry *out,
                           struct divan_error *err)
{
    if (c->strategy_count == DIVAN_RETRY_CUSTOM_MAX)
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "a cluster takes %d retry strategies, and has them already",
                       DIVAN_RETRY_CUSTOM_MAX);
    *out = (enum divan_retry)(DIVAN_RETRY_CUSTOM + (int)c->strategy_count);
    c->strategies[c->strategy_count++] = (struct client_strategy){fn, user};
    return DIVAN_OK;
}

enum divan_retry divan_cluster_add_retry(divan_cluster *cluster, divan_retry_fn *fn, void *user,
                                         struct divan_error *err)
{
    enum divan_retry retry = DIVAN_RETRY_DEFAULT;
    enum divan_code rc = check(cluster, err);
    if (!rc && !fn) rc = err_set(err, DIVAN_ERR_HANDLE_NULL, "the function of the retry strategy is NULL");
    if (rc) return retry;
    cluster_lock(cluster);
    if (cluster->closed) err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed: open another one");
    else add(cluster->client, fn, user, &retry, err);
    cluster_unlock(cluster);
    return retry;
}

enum divan_code divan_cluster_set_retry(divan_cluster *cluster, enum divan_retry retry, struct divan_error *err)
{
    enum divan_code rc = check(cluster, err);
    if (rc) return rc;
    cluster_lock(cluster);
    if (cluster->closed) rc = err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed: open another one");
    else if (!is_known(cluster->client, retry)) rc = unknown_error(retry, err);
    else cluster->client->retry = retry ? retry : DIVAN_RETRY_BEST_EFFORT;
    cluster_unlock(cluster);
    return rc;
}
