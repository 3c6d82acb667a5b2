#include "cli/drive.h"

#include "base/alloc.h"
#include "base/error.h"
#include "cli/clock.h"

struct slot {
    uint64_t i, begun_ns;
    struct slot *next_free;
};

struct drive {
    const struct drive_plan *plan;
    divan_queue *queue;
    struct slot *slots, *free;
    divan_result **results;
    uint64_t started, finished;
    bool stop;
    enum divan_code rc;
    struct divan_error *err;
};

static void start_some(struct drive *d)
{
    uint64_t now_ns = clock_ns();
    while (d->free && !d->stop && d->started < d->plan->total) {
        struct slot *slot = d->free;
        const struct divan_done done = {.queue = d->queue, .user = slot};
        slot->i = d->started;
        slot->begun_ns = now_ns;
        d->rc = d->plan->start(d->plan->user, slot->i, done, d->err);
        if (d->rc && d->plan->refused && d->plan->refused(d->plan->user, slot->i, d->err)) {
            d->rc = DIVAN_OK;
            d->started++;
            d->finished++;
            continue;
        }
        if (d->rc) {
            d->stop = true;
            return;
        }
        d->free = slot->next_free;
        d->started++;
    }
}

static void take_result(struct drive *d, divan_result *result, uint64_t now_ns)
{
    struct slot *slot = divan_result_user(result);
    struct divan_error err;
    enum divan_code rc = d->plan->done(d->plan->user, slot->i, result, now_ns - slot->begun_ns, &err);
    if (rc && !d->rc) { /* the first error is the one to tell */
        d->rc = rc;
        *d->err = err;
        d->stop = true;
    }
    slot->next_free = d->free;
    d->free = slot;
    d->finished++;
    divan_result_release(result);
}

static void run(struct drive *d)
{
    start_some(d);
    while (d->finished < d->started) {
        size_t n = divan_queue_pop(d->queue, d->results, d->plan->window, -1);
        uint64_t now_ns = clock_ns();
        for (size_t k = 0; k < n; k++) take_result(d, d->results[k], now_ns);
        if (d->plan->turn && !d->plan->turn(d->plan->user, d->finished)) d->stop = true;
        start_some(d);
    }
}

enum divan_code drive(divan_cluster *cluster, const struct drive_plan *plan, struct divan_error *err)
{
    struct divan_error own;
    struct drive d = {
        .plan = plan,
        .queue = divan_queue_new(cluster),
        .slots = mem_alloc(plan->window * sizeof *d.slots),
        .results = mem_alloc(plan->window * sizeof *d.results),
        .err = err ? err : &own,
    };
    if (d.queue && d.slots && d.results) {
        for (size_t k = 0; k < plan->window; k++) {
            d.slots[k].next_free = d.free;
            d.free = &d.slots[k];
        }
        run(&d);
    } else {
        d.rc = err_oom(d.err);
    }
    divan_queue_free(d.queue);
    mem_free(d.slots);
    mem_free(d.results);
    return d.rc;
}
