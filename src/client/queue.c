#include "client/queue.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"

/* Whose business it is that the operations of this queue make progress. */
static size_t *counter(struct divan_queue *queue)
{
    struct divan_cluster *cluster = queue->cluster;
    return queue->fd >= 0 || queue->is_abandoned ? &cluster->needs_thread : &cluster->undriven;
}

void queue_expect(struct divan_queue *queue)
{
    queue->in_flight++;
    ++*counter(queue);
}

void queue_forget(struct divan_queue *queue)
{
    queue->in_flight--;
    --*counter(queue);
}

static void make_readable(struct divan_queue *queue)
{
    const uint64_t one = 1;
    if (queue->fd >= 0 && write(queue->fd, &one, sizeof one) < 0) return; /* full means readable */
}

static void make_unreadable(struct divan_queue *queue)
{
    uint64_t ignored;
    if (queue->fd >= 0 && read(queue->fd, &ignored, sizeof ignored) < 0) return;
}

static void destroy(struct divan_queue *queue)
{
    if (queue->fd >= 0) close(queue->fd);
    mem_free(queue);
}

void queue_push(struct divan_queue *queue, struct operation *op)
{
    queue_forget(queue);
    if (queue->is_abandoned) {
        op_release(op);
        if (!queue->in_flight) destroy(queue);
        return;
    }
    bool was_empty = list_empty(&queue->ready);
    list_append(&queue->ready, &op->link);
    if (was_empty) make_readable(queue);
    if (queue->popper) cluster_finish_waiter(queue->cluster, queue->popper);
}

/* ---- public */

divan_queue *divan_queue_new(divan_cluster *cluster)
{
    if (!cluster || cluster_is_forked(cluster)) return NULL;
    struct divan_queue *queue = mem_zalloc(sizeof *queue);
    if (!queue) return NULL;
    queue->cluster = cluster;
    queue->fd = -1;
    list_init(&queue->ready);
    cluster_lock(cluster);
    cluster->refs++;
    cluster_unlock(cluster);
    return queue;
}

int divan_queue_fd(divan_queue *queue)
{
    if (!queue || cluster_is_forked(queue->cluster)) return -1;
    struct divan_cluster *cluster = queue->cluster;
    cluster_lock(cluster);
    if (queue->fd < 0) {
        *counter(queue) -= queue->in_flight;
        queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        *counter(queue) += queue->in_flight;
        if (!list_empty(&queue->ready)) make_readable(queue);
        cluster_started(cluster);
    }
    int fd = queue->fd;
    cluster_unlock(cluster);
    return fd;
}

static size_t take(struct divan_queue *queue, divan_result **out, size_t max)
{
    size_t n = 0;
    struct link *link;
    while (n < max && (link = list_take_first(&queue->ready)) != NULL)
        out[n++] = op_result(container_of(link, struct operation, link));
    if (n && list_empty(&queue->ready)) make_unreadable(queue);
    return n;
}

static void wait_for_first(struct divan_queue *queue, int wait_ms)
{
    struct divan_cluster *cluster = queue->cluster;
    struct waiter w = {.done = false};
    uint64_t until = IO_NEVER;
    if (wait_ms > 0) {
        cluster->clock_is_fresh = false;
        cluster_fresh_clock(cluster);
        until = io_now_ns(cluster->loop) + (uint64_t)wait_ms * NS_PER_MS;
    }
    queue->popper = &w;
    cluster_wait(cluster, &w, until);
    queue->popper = NULL;
}

size_t divan_queue_pop(divan_queue *queue, divan_result **out, size_t max, int wait_ms)
{
    if (!queue || !out || !max || cluster_is_forked(queue->cluster)) return 0;
    struct divan_cluster *cluster = queue->cluster;
    cluster_lock(cluster);
    if (list_empty(&queue->ready) && queue->in_flight && !cluster->closed) {
        if (!wait_ms || cluster_is_own_thread(cluster)) cluster_glance(cluster);
        else wait_for_first(queue, wait_ms);
    }
    size_t n = take(queue, out, max);
    cluster_unlock(cluster);
    return n;
}

void divan_queue_free(divan_queue *queue)
{
    if (!queue || cluster_is_forked(queue->cluster)) return;
    struct divan_cluster *cluster = queue->cluster;
    struct link *link;
    cluster_lock(cluster);
    while ((link = list_take_first(&queue->ready)) != NULL) op_release(container_of(link, struct operation, link));
    *counter(queue) -= queue->in_flight;
    queue->is_abandoned = true;
    *counter(queue) += queue->in_flight;
    if (!queue->in_flight) destroy(queue);
    else cluster_started(cluster);
    cluster_unlock_release(cluster);
}
