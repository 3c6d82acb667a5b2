/* Waiting for room: the answer to back-pressure. */
#include "base/error.h"
#include "client/cluster.h"

void cluster_enter(struct divan_cluster *cluster)
{
    cluster->inside++;
}

void cluster_leave(struct divan_cluster *cluster)
{
    if (!--cluster->inside && cluster->is_closing) pthread_cond_broadcast(&cluster->left);
}

/* With nothing in flight waiting would not help: starting then says what is wrong. */
static bool has_room(const struct client *c, size_t value_bytes)
{
    return c->in_flight < c->config.max_in_flight &&
           (!c->in_flight || c->in_flight_bytes + value_bytes <= c->config.max_in_flight_bytes);
}

bool cluster_wait_room(struct divan_cluster *cluster, size_t value_bytes, uint64_t until_ns)
{
    while (!cluster->closed && !has_room(cluster->client, value_bytes)) {
        struct starving s = {.waiter = {.done = false}};
        if (io_now_ns(cluster->loop) >= until_ns) return false;
        list_append(&cluster->starved, &s.link);
        cluster_wait(cluster, &s.waiter, until_ns);
        list_remove(&s.link);
    }
    return !cluster->closed;
}

void cluster_made_room(void *user)
{
    struct divan_cluster *cluster = user;
    struct link *link;
    while ((link = list_take_first(&cluster->starved)) != NULL)
        cluster_finish_waiter(cluster, &container_of(link, struct starving, link)->waiter);
}

enum divan_code divan_cluster_wait_capacity(divan_cluster *cluster, int wait_ms, struct divan_error *err)
{
    if (!cluster) return err_set(err, DIVAN_ERR_HANDLE_NULL, "the cluster handle is NULL");
    if (cluster_is_forked(cluster)) return cluster_forked_error(err);
    if (cluster_is_own_thread(cluster))
        return err_set(err, DIVAN_ERR_WRONG_THREAD, "waiting inside a completion callback would wait for itself");
    enum divan_code rc = DIVAN_OK;
    cluster_lock(cluster);
    cluster_enter(cluster);
    uint64_t until = IO_NEVER;
    if (wait_ms >= 0 && !cluster->closed) {
        cluster_fresh_clock(cluster);
        until = io_now_ns(cluster->loop) + (uint64_t)wait_ms * NS_PER_MS;
    }
    if (!cluster_wait_room(cluster, 0, until))
        rc = cluster->closed ? err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed")
                             : err_set(err, DIVAN_ERR_UNAMBIGUOUS_TIMEOUT,
                                       "after %d ms as many operations as allowed are still in flight", wait_ms);
    cluster_leave(cluster);
    cluster_unlock(cluster);
    return rc;
}
