#include "base/alloc.h"
#include "io/loop.h"

static void place(struct timers *t, size_t at, struct io_timer *timer)
{
    t->heap[at] = timer;
    timer->position = at;
}

static void sift_up(struct timers *t, struct io_timer *timer, size_t at)
{
    for (; at > 1 && t->heap[at / 2]->at_ns > timer->at_ns; at /= 2) place(t, at, t->heap[at / 2]);
    place(t, at, timer);
}

static void sift_down(struct timers *t, struct io_timer *timer, size_t at)
{
    for (size_t child; (child = 2 * at) <= t->count; at = child) {
        if (child < t->count && t->heap[child + 1]->at_ns < t->heap[child]->at_ns) child++;
        if (t->heap[child]->at_ns >= timer->at_ns) break;
        place(t, at, t->heap[child]);
    }
    place(t, at, timer);
}

static void settle(struct timers *t, struct io_timer *timer, size_t at)
{
    if (at > 1 && t->heap[at / 2]->at_ns > timer->at_ns) sift_up(t, timer, at);
    else sift_down(t, timer, at);
}

static bool make_room(struct timers *t)
{
    if (t->count + 1 < t->cap) return true;
    size_t cap = t->cap ? 2 * t->cap : 32;
    struct io_timer **heap = mem_realloc(t->heap, cap * sizeof(struct io_timer *));
    if (!heap) return false;
    t->heap = heap;
    t->cap = cap;
    return true;
}

void io_timer_init(struct io_timer *timer, struct io_loop *loop, void (*fn)(void *user), void *user)
{
    *timer = (struct io_timer){.loop = loop, .fn = fn, .user = user};
}

bool io_timer_start(struct io_timer *timer, uint64_t at_ns)
{
    struct timers *t = &timer->loop->timers;
    uint64_t first = timers_next(t);
    size_t at = timer->position;
    if (!at) {
        if (!make_room(t)) return false;
        at = ++t->count;
        t->heap[at] = timer; /* so that settle() may compare with its parent */
    }
    timer->at_ns = at_ns;
    settle(t, timer, at);
    if (at_ns < first && timer->loop->asleep) io_wake(timer->loop);
    return true;
}

void io_timer_stop(struct io_timer *timer)
{
    if (!timer->position) return;
    struct timers *t = &timer->loop->timers;
    size_t at = timer->position;
    struct io_timer *last = t->heap[t->count--];
    timer->position = 0;
    if (last != timer) settle(t, last, at);
}

void loop_run_timers(struct io_loop *l)
{
    /* A timer that starts itself again for now waits for the next turn: only so many run as were there. */
    for (size_t n = l->timers.count; n && timers_next(&l->timers) <= l->now_ns; n--) {
        struct io_timer *due = l->timers.heap[1];
        io_timer_stop(due);
        l->events++;
        due->fn(due->user);
    }
}
