/* The thread-safe shell around the core: one lock, and the question who runs the loop.
 *
 * Whoever runs it ("the driver") holds the lock except while the loop sleeps in the kernel. An application thread that
 * waits for a result drives itself when nobody does, so a blocking call needs no thread switch; otherwise it waits and is
 * handed the role when the driver leaves. The background thread drives while callbacks or queues watched by descriptor
 * have operations in flight, and when the application is idle; while the application is active it stays away and looks
 * every moment whether something is in flight that nobody drives. Callbacks run on the background thread only. */
#ifndef DIVAN_CLIENT_CLUSTER_H
#define DIVAN_CLIENT_CLUSTER_H

#include <pthread.h>

#include "client/client.h"
#include "client/collections.h"
#include "client/parking.h"

enum { CALLED_MAX = 64 };
enum driver { DRIVER_NONE, DRIVER_APPLICATION, DRIVER_BACKGROUND };

struct divan_cluster {
    pthread_mutex_t lock;
    size_t refs; /* the handle and every queue; under the lock */
    bool closed;
    unsigned generation; /* of the process that opened it, see cluster_is_forked() */
    struct io_loop *loop;
    struct client *client;
    bool clock_is_fresh; /* read since the loop ran last */
    uint64_t turned_ns;  /* when it did */

    enum driver driver;
    bool asleep;                        /* the driver is in the kernel: whoever holds the lock may need to wake it */
    struct list waiters;                /* application threads that wait while another drives */
    struct parking *called[CALLED_MAX]; /* those to be woken once the lock is free */
    size_t called_count;
    size_t inside;       /* application threads in a waiting call */
    pthread_cond_t left; /* inside became 0 */

    pthread_t thread;
    bool has_thread, is_closing;
    bool is_delivering;    /* it runs callbacks of the program */
    bool is_dozing;        /* the background thread sleeps longer than a moment */
    pthread_cond_t doze;   /* wakes it */
    uint64_t activity;     /* counts calls of the application */
    size_t needs_thread;   /* operations in flight that only the background thread may drive */
    size_t undriven;       /* operations in flight into queues that their owner drives by popping */
    struct list callbacks; /* complete, their callback is due */
    struct list starved;   /* who waits until another operation may be started */

    bool opened;
    struct divan_error open_error;
};

/* An application thread that waits; on its stack. */
struct waiter {
    struct link link; /* in cluster->waiters while parked and not called */
    struct parking parking;
    bool done;
};

/* Waits for room for another operation; on the stack of its thread. */
struct starving {
    struct link link; /* in cluster->starved */
    struct waiter waiter;
};

/** For tests: opens on a loop that it takes over, without a thread: blocking calls and queues drive, callbacks never run. err
 * is not NULL. */
enum divan_code cluster_open_on(struct io_loop *loop, struct divan_cluster **out, const char *connstr,
                                const struct divan_cluster_options *options, struct divan_error *err);

static inline struct divan_cluster *cluster_of(const struct collection *collection)
{
    return collection->bucket->client->deliver_user;
}

/** Whether this process is not the one that opened the cluster: then nothing of it may be touched. */
bool cluster_is_forked(const struct divan_cluster *cluster);
enum divan_code cluster_forked_error(struct divan_error *err);
/** Whether the caller is inside a callback of this cluster. */
bool cluster_is_own_thread(const struct divan_cluster *cluster);

static inline void cluster_lock(struct divan_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
}
/** Also wakes whom was called meanwhile, after the lock is free: a woken thread finds it so. */
void cluster_unlock(struct divan_cluster *cluster);

/* With the lock held: */

/** Drives, or waits for the driver, until w->done or until_ns. */
void cluster_wait(struct divan_cluster *cluster, struct waiter *w, uint64_t until_ns);
/** Lets the loop handle what is there without waiting, if nobody drives. */
void cluster_glance(struct divan_cluster *cluster);
/** Marks a waiter as done and calls its thread. */
void cluster_finish_waiter(struct divan_cluster *cluster, struct waiter *w);
/** After operations were started: makes sure that somebody sends and drives them. */
void cluster_started(struct divan_cluster *cluster);
/** The clock for a new operation, read once per batch. */
void cluster_fresh_clock(struct divan_cluster *cluster);
/** Delivery of a complete operation, see client_deliver_fn. */
void cluster_deliver(void *user, struct operation *op);
/** Between these two the parts of the cluster stay there even when another thread closes it: for a call that goes on after
 * it waited. */
void cluster_enter(struct divan_cluster *cluster);
void cluster_leave(struct divan_cluster *cluster);
/** Waits until an operation with a value of this size may be started, or until_ns. False: not in time, or closed. */
bool cluster_wait_room(struct divan_cluster *cluster, size_t value_bytes, uint64_t until_ns);
/** An operation ended: wakes those who wait for room. user is the cluster. */
void cluster_made_room(void *user);
/** Drops a reference; unlocks; frees the shell with the last one. */
void cluster_unlock_release(struct divan_cluster *cluster);

bool cluster_start_thread(struct divan_cluster *cluster);
/** Wakes and joins it; the lock is not held. */
void cluster_stop_thread(struct divan_cluster *cluster);
/** Hooks of the loop. */
void cluster_hook_loop(struct divan_cluster *cluster);

#endif
