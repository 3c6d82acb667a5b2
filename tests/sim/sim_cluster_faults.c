/* The schedule of faults: made from the seed as a list, then played. What a link is like follows from the faults that
 * hold at the moment, so that they may overlap. */
#include <stdio.h>

#include "sim/sim_cluster.h"

static const struct kind_of_fault {
    const char *name;
    unsigned weight;
    uint32_t least_ms, most_ms; /* how long */
} kinds[FAULT_KINDS] = {
    [FAULT_SLOW] = {"slow", 10, 20, 2000},     [FAULT_PIECES] = {"pieces", 6, 20, 2000},
    [FAULT_RESET] = {"reset", 14, 0, 0},       [FAULT_STALL] = {"stall", 10, 5, 3000},
    [FAULT_SWALLOW] = {"swallow", 6, 5, 1500}, [FAULT_CUT] = {"cut", 6, 5, 1500},
    [FAULT_REFUSE] = {"refuse", 6, 5, 1500},   [FAULT_FREEZE] = {"freeze", 10, 5, 3000},
    [FAULT_GONE] = {"gone", 6, 50, 2000},      [FAULT_WALL] = {"wall clock", 2, 0, 0},
    [FAULT_ADD_NODE] = {"add node", 0, 0, 0},  [FAULT_FAIL_OVER] = {"fail over", 0, 0, 0},
    [FAULT_GRACEFUL] = {"graceful", 0, 0, 0},  [FAULT_RECOVER] = {"recover", 0, 0, 0},
    [FAULT_REMOVE_NODE] = {"remove", 0, 0, 0}, [FAULT_SWAP_NODE] = {"swap", 0, 0, 0},
    [FAULT_CRASH] = {"crash", 0, 50, 2000},
};

static uint64_t below(struct world *w, uint64_t n)
{
    return rng_below(&w->rng, n);
}

/* ---- making */

static enum fault_kind draw_kind(struct world *w)
{
    unsigned sum = 0;
    for (size_t k = 0; k < FAULT_KINDS; k++) sum += kinds[k].weight;
    uint64_t dice = below(w, sum);
    size_t k = 0;
    for (; dice >= kinds[k].weight; k++) dice -= kinds[k].weight;
    return (enum fault_kind)k;
}

static int draw_node(struct world *w)
{
    return HOST_NODE + (int)below(w, w->plan.nodes);
}

static int draw_client(struct world *w)
{
    return HOST_CLIENT + (int)below(w, w->plan.clients);
}

/* Who is concerned: mostly a client and a node, in either direction; sometimes nodes and the manager. */
static void draw_hosts(struct world *w, struct fault *f)
{
    uint64_t dice = below(w, 10);
    f->a = draw_node(w);
    f->b = dice < 7 ? draw_client(w) : dice < 9 ? HOST_MANAGER : draw_node(w);
    if (f->b == f->a) f->b = draw_client(w);
    if (below(w, 2)) {
        int a = f->a;
        f->a = f->b;
        f->b = a;
    }
}

static void draw_machine(struct world *w, struct fault *f)
{
    uint64_t dice = below(w, 10);
    f->a = dice < 6 ? draw_node(w) : dice < 9 ? draw_client(w) : HOST_MANAGER;
    if (f->kind != FAULT_FREEZE) f->a = draw_node(w); /* a client that loses its own ends is another story */
    f->b = -1;
}

static void draw(struct world *w, struct fault *f)
{
    const struct kind_of_fault *k = &kinds[f->kind = draw_kind(w)];
    f->at_ns = below(w, w->plan.safety_ns);
    f->until_ns = f->at_ns + (k->least_ms + below(w, k->most_ms - k->least_ms + 1)) * NS_PER_MS;
    if (below(w, 3)) f->until_ns = f->at_ns + (f->until_ns - f->at_ns) / 10; /* most are short */
    if (f->until_ns > w->plan.safety_ns) f->until_ns = w->plan.safety_ns;
    switch (f->kind) {
    case FAULT_FREEZE:
    case FAULT_GONE:
        draw_machine(w, f);
        break;
    case FAULT_WALL:
        f->a = f->b = -1;
        f->amount = (uint32_t)below(w, 20000);
        break;
    default:
        draw_hosts(w, f);
        f->amount = f->kind == FAULT_SLOW ? 1 + (uint32_t)below(w, 300) : 1 + (uint32_t)below(w, 40);
    }
}

/* What whoever runs the cluster does: the first ones early, so that there is time for more. */
static void draw_change(struct world *w, struct fault *f)
{
    static const enum fault_kind planned[] = {FAULT_ADD_NODE, FAULT_REMOVE_NODE, FAULT_SWAP_NODE, FAULT_GRACEFUL,
                                              FAULT_RECOVER},
                                 any[] = {FAULT_ADD_NODE, FAULT_REMOVE_NODE, FAULT_SWAP_NODE, FAULT_GRACEFUL,
                                          FAULT_RECOVER,  FAULT_FAIL_OVER,   FAULT_CRASH};
    f->kind = w->plan.may_lose ? any[below(w, sizeof any / sizeof *any)]
                               : planned[below(w, sizeof planned / sizeof *planned)];
    f->a = f->b = -1;
    f->at_ns = f->until_ns = below(w, w->plan.safety_ns);
    f->amount = (uint32_t)below(w, 1000);
}

void faults_make(struct world *w)
{
    struct schedule *s = &w->schedule;
    s->count = w->plan.calm ? 0 : below(w, 2) ? below(w, 8) : below(w, FAULTS_MAX - CHANGES_MAX);
    for (size_t i = 0; i < s->count; i++) draw(w, &s->faults[i]);
    for (size_t i = 0; i < w->plan.changes; i++) draw_change(w, &s->faults[s->count++]);
}

bool fault_is_of_operator(const struct fault *f)
{
    return f->kind >= FAULT_ADD_NODE;
}

void fault_describe(const struct world *w, const struct fault *f, char *out, size_t cap)
{
    snprintf(out, cap, "%s %s%s%s at %u ms for %u ms (%u)", kinds[f->kind].name, f->a >= 0 ? w->hosts[f->a] : "",
             f->b >= 0 ? " -> " : "", f->b >= 0 ? w->hosts[f->b] : "", (unsigned)(f->at_ns / NS_PER_MS),
             (unsigned)((f->until_ns - f->at_ns) / NS_PER_MS), f->amount);
}

/* ---- playing */

static void weigh(struct sim_link *link, const struct fault *f)
{
    switch (f->kind) {
    case FAULT_SLOW:
        link->latency_max_ns += f->amount * NS_PER_MS;
        break;
    case FAULT_PIECES:
        link->piece_max = f->amount;
        break;
    case FAULT_STALL:
        if (link->flow == SIM_FLOWS) link->flow = SIM_STALLS;
        break;
    case FAULT_SWALLOW:
    case FAULT_CUT:
        link->flow = SIM_SWALLOWS;
        break;
    case FAULT_REFUSE:
        link->refuse = true;
        break;
    default:
        break;
    }
}

static void set_link(struct world *w, int from, int to)
{
    struct sim_link link = sim_link_default();
    for (size_t i = 0; i < w->schedule.count; i++) {
        const struct fault *f = &w->schedule.faults[i];
        bool same = f->a == from && f->b == to, turned = f->kind == FAULT_CUT && f->a == to && f->b == from;
        if (f->running && (same || turned)) weigh(&link, f);
    }
    sim_link_set(w->sim, w->hosts[from], w->hosts[to], &link);
}

static void set_machine(struct world *w, int host)
{
    enum sim_host_state state = SIM_UP;
    for (size_t i = 0; i < w->schedule.count; i++) {
        const struct fault *f = &w->schedule.faults[i];
        if (!f->running || f->a != host) continue;
        if (f->kind == FAULT_GONE) state = SIM_GONE;
        if (f->kind == FAULT_FREEZE && state == SIM_UP) state = SIM_FROZEN;
    }
    bool was = w->frozen[host];
    w->frozen[host] = state != SIM_UP;
    if (was && !w->frozen[host]) w->thawed_ns[host] = sim_now(w->sim);
    sim_host_set(w->sim, w->hosts[host], state);
}

static void change(struct world *w, struct fault *f, bool begins)
{
    char text[160];
    f->running = begins;
    if (begins) {
        fault_describe(w, f, text, sizeof text);
        world_say(w, "FAULT %s", text);
    }
    switch (f->kind) {
    case FAULT_RESET:
        if (begins) sim_reset(w->sim, w->hosts[f->a], w->hosts[f->b]);
        break;
    case FAULT_WALL:
        if (begins) sim_wall_shift(w->sim, (int64_t)(f->amount * NS_PER_MS));
        break;
    case FAULT_FREEZE:
    case FAULT_GONE:
        set_machine(w, f->a);
        break;
    default:
        set_link(w, f->a, f->b);
        if (f->kind == FAULT_CUT) set_link(w, f->b, f->a);
    }
}

uint64_t faults_step(struct world *w, uint64_t now_ns)
{
    uint64_t next = IO_NEVER;
    for (size_t i = 0; i < w->schedule.count; i++) {
        struct fault *f = &w->schedule.faults[i];
        if (f->off || f->done || fault_is_of_operator(f)) continue;
        if (!f->running && f->at_ns <= now_ns) change(w, f, true);
        if (f->running && f->until_ns <= now_ns) {
            change(w, f, false);
            f->done = true;
            continue;
        }
        uint64_t due = f->running ? f->until_ns : f->at_ns;
        if (due < next) next = due;
    }
    return next;
}

void faults_end_all(struct world *w)
{
    for (size_t i = 0; i < w->schedule.count; i++) {
        struct fault *f = &w->schedule.faults[i];
        if (f->running) change(w, f, false);
        f->done = true;
    }
}
