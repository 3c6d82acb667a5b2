#include "io/sim_impl.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_NS      NS_PER_S
#define WALL_FIRST_NS (UINT64_C(1704067200) * NS_PER_S) /* 2024-01-01 00:00:00 UTC */

static const struct {
    const char *text;
    bool of_program;
} kinds[SIM_KIND_COUNT] = {
#define X(name, text, of_program) [SIM_##name] = {text, of_program},
    SIM_KINDS(X)
#undef X
};

static void *must(void *memory)
{
    if (!memory) abort();
    return memory;
}

void *sim_calloc(size_t size)
{
    return must(calloc(1, size));
}

void sim_grow(void *array, size_t *cap, size_t count, size_t item)
{
    void **at = array;
    if (count < *cap) return;
    *cap = count < 8 ? 16 : 2 * count;
    *at = must(realloc(*at, *cap * item));
}

/* ---- trace */

static void mix(struct sim *s, uint64_t v)
{
    s->hash ^= v;
    s->hash *= UINT64_C(0x9e3779b97f4a7c15);
    s->hash ^= s->hash >> 29;
}

void sim_note(struct sim *s, enum sim_kind kind, const struct sim_host *host, uint64_t a, uint64_t b)
{
    s->count++;
    mix(s, s->now_ns);
    mix(s, (uint64_t)kind << 32 | host->id);
    mix(s, a);
    mix(s, b);
    if (!s->trace) return;
    char line[160];
    snprintf(line, sizeof line, "%3" PRIu64 ".%09" PRIu64 " %-15s %-8s %" PRIu64 " %" PRIu64, s->now_ns / NS_PER_S,
             s->now_ns % NS_PER_S, host->address[0], kinds[kind].text, a, b);
    s->trace(s->trace_user, line);
}

uint64_t sim_trace_hash(const struct sim *s)
{
    return s->hash;
}

uint64_t sim_events(const struct sim *s)
{
    return s->count;
}

void sim_trace_to(struct sim *s, void (*fn)(void *user, const char *line), void *user)
{
    s->trace = fn;
    s->trace_user = user;
}

/* ---- the heap of events */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void heap_add(struct sim *s, struct sim_event event)
{
    sim_grow(&s->heap, &s->heap_cap, s->heap_count, sizeof event);
    size_t at = s->heap_count++;
    for (; at && before(&event, &s->heap[(at - 1) / 2]); at = (at - 1) / 2) s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = event;
}

static struct sim_event heap_take(struct sim *s)
{
    struct sim_event first = s->heap[0], last = s->heap[--s->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < s->heap_count; at = child) {
        if (child + 1 < s->heap_count && before(&s->heap[child + 1], &s->heap[child])) child++;
        if (!before(&s->heap[child], &last)) break;
        s->heap[at] = s->heap[child];
    }
    if (s->heap_count) s->heap[at] = last;
    return first;
}

void sim_push(struct sim *s, struct sim_event event)
{
    event.order = rng_u64(&s->rng);
    if (event.at_ns < s->now_ns) event.at_ns = s->now_ns;
    heap_add(s, event);
}

static void hold(struct sim *s, struct sim_event event)
{
    sim_grow(&s->held, &s->held_cap, s->held_count, sizeof event);
    s->held[s->held_count++] = event;
}

void sim_release_held(struct sim *s, struct sim_host *host)
{
    size_t kept = 0, count = s->held_count;
    for (size_t i = 0; i < count; i++) {
        if (s->held[i].host == host) sim_push(s, s->held[i]);
        else s->held[kept++] = s->held[i];
    }
    s->held_count = kept;
}

/* The answer is for nobody any more, but the lookup has to be freed. */
static void forget(struct sim_event *event, struct io_loop *l)
{
    if (!event->lookup || event->lookup->loop != l) return;
    struct io_lookup *q = event->lookup;
    struct divan_error err = {0};
    event->lookup = NULL;
    q->cancelled = true;
    if (q->srv) lookup_srv_done(q, NULL, 0, &err);
    else lookup_done(q, NULL, 0, &err);
}

void sim_drop_lookups(struct sim *s, struct io_loop *l)
{
    for (size_t i = 0; i < s->heap_count; i++) forget(&s->heap[i], l);
    for (size_t i = 0; i < s->held_count; i++) forget(&s->held[i], l);
}

/* ---- steps */

static void set_now(struct sim *s, uint64_t now_ns)
{
    s->now_ns = now_ns;
    list_each(&s->hosts, it)
    {
        struct sim_host *h = container_of(it, struct sim_host, link);
        if (h->loop) {
            h->loop->base.now_ns = now_ns;
            h->loop->base.wall_ns = 0;
        }
    }
}

/* When the loop has work of its own. */
static uint64_t turn_due(const struct sim *s, const struct sim_host *h)
{
    if (h->state != SIM_UP || !h->loop) return IO_NEVER;
    if (h->loop->woken || !list_empty(&h->loop->base.tasks)) return s->now_ns;
    uint64_t at = timers_next(&h->loop->base.timers);
    return at < s->now_ns ? s->now_ns : at;
}

/* The next thing: a host's turn, or the first event of the heap (NULL). Ties are decided by the seed. */
static uint64_t choose(struct sim *s, struct sim_host **turn)
{
    uint64_t best = s->heap_count ? s->heap[0].at_ns : IO_NEVER;
    unsigned ties = 1;
    *turn = NULL;
    list_each(&s->hosts, it)
    {
        struct sim_host *h = container_of(it, struct sim_host, link);
        uint64_t at = turn_due(s, h);
        if (at == IO_NEVER || at > best) continue;
        ties = at < best ? 1 : ties + 1;
        if (ties > 1 && rng_below(&s->rng, ties)) continue;
        best = at;
        *turn = h;
    }
    return best;
}

static void run_turn(struct sim *s, struct sim_host *h)
{
    struct io_loop *l = &h->loop->base;
    sim_note(s, SIM_TURN, h, h->loop->woken, l->timers.count);
    if (h->loop->woken) {
        h->loop->woken = false;
        l->events++;
        if (l->on_wake) l->on_wake(l->wake_user);
    }
    if (h->loop) loop_run_tasks(l);
    if (h->loop) loop_run_timers(l);
}

static void run_event(struct sim *s)
{
    struct sim_event event = heap_take(s);
    if (kinds[event.kind].of_program && event.host->state != SIM_UP) {
        hold(s, event);
        return;
    }
    if (event.kind == SIM_LOOKUP) {
        sim_note(s, SIM_LOOKUP, event.host, 0, 0);
        if (event.lookup) sim_answer(s, event.lookup);
    } else sim_conn_event(s, &event);
    if (event.conn) sim_conn_release(event.conn);
}

bool sim_step(struct sim *s, uint64_t until_ns)
{
    struct sim_host *turn;
    assert(!s->stepping && "io_run_once() inside a callback");
    uint64_t at = choose(s, &turn);
    if (at == IO_NEVER || at > until_ns) {
        if (until_ns != IO_NEVER && until_ns > s->now_ns) set_now(s, until_ns);
        return false;
    }
    s->stepping = true;
    if (at > s->now_ns) set_now(s, at);
    if (turn) run_turn(s, turn);
    else run_event(s);
    s->stepping = false;
    return true;
}

void sim_run_until(struct sim *s, uint64_t until_ns)
{
    while (sim_step(s, until_ns)) {}
}

uint64_t sim_now(const struct sim *s)
{
    return s->now_ns;
}

void sim_wall_shift(struct sim *s, int64_t ns)
{
    s->wall_base_ns += (uint64_t)ns;
    set_now(s, s->now_ns);
}

/* ---- life */

struct sim *sim_new(uint64_t seed)
{
    struct sim *s = sim_calloc(sizeof *s);
    s->now_ns = FIRST_NS;
    s->wall_base_ns = WALL_FIRST_NS - FIRST_NS;
    s->hash = seed;
    rng_init(&s->rng, seed);
    list_init(&s->hosts);
    list_init(&s->conns);
    list_init(&s->names);
    return s;
}

void sim_free(struct sim *s)
{
    if (!s) return;
    list_each(&s->hosts, it)
    {
        struct sim_host *h = container_of(it, struct sim_host, link);
        if (h->loop) io_loop_free(&h->loop->base);
    }
    while (s->heap_count) {
        struct sim_event event = heap_take(s);
        if (event.conn) sim_conn_release(event.conn);
    }
    for (size_t i = 0; i < s->held_count; i++)
        if (s->held[i].conn) sim_conn_release(s->held[i].conn);
    list_each(&s->hosts, it) free(container_of(it, struct sim_host, link));
    list_each(&s->names, it) free(container_of(it, struct sim_name, link));
    free(s->heap);
    free(s->held);
    free(s->rules);
    free(s);
}
