/* Completion queues. Everything under the lock of the cluster. */
#ifndef DIVAN_CLIENT_QUEUE_H
#define DIVAN_CLIENT_QUEUE_H

#include "client/cluster.h"

struct divan_queue {
    struct divan_cluster *cluster;
    struct list ready;
    size_t in_flight;
    int fd;                /* eventfd, -1 = nobody asked for it */
    bool is_abandoned;     /* freed by its owner: dies with the last operation in flight */
    struct waiter *popper; /* waits for the first result */
};

/** An operation into this queue was started. */
void queue_expect(struct divan_queue *queue);
/** Whether its owner drives the loop by popping; else the background thread does. */
static inline bool queue_is_popped(const struct divan_queue *queue)
{
    return queue->fd < 0;
}
/** It was not started after all. */
void queue_forget(struct divan_queue *queue);
/** A result is there; takes the reference over. */
void queue_push(struct divan_queue *queue, struct operation *op);

#endif
