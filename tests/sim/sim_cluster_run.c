#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "sim/sim_cluster.h"

enum { GRACE_MS = 3000, LIVENESS_MS = 1500, OPERATOR_MS = 20, HEAL_S = 60 };

static void begin(struct world *w, enum phase phase)
{
    static const char *const names[] = {"setup", "safety", "heal", "grace", "liveness", "end"};
    w->phase = phase;
    w->phase_ns = sim_now(w->sim);
    world_say(w, "---- %s", names[phase]);
}

static void run_for(struct world *w, uint64_t ns)
{
    uint64_t until = sim_now(w->sim) + ns;
    while (!w->failed && world_step(w, until)) {}
}

static uint64_t operators_turn(const struct world *w, uint64_t until)
{
    uint64_t turn = sim_now(w->sim) + OPERATOR_MS * NS_PER_MS;
    return w->plan.changes && turn < until ? turn : until;
}

static void run_safety(struct world *w)
{
    begin(w, PHASE_SAFETY);
    uint64_t end = w->phase_ns + w->plan.safety_ns;
    load_start(w);
    while (!w->failed && sim_now(w->sim) < end) {
        uint64_t next = faults_step(w, sim_now(w->sim) - w->phase_ns);
        uint64_t until = next == IO_NEVER || w->phase_ns + next > end ? end : w->phase_ns + next;
        until = operators_turn(w, until);
        while (!w->failed && world_step(w, until)) {}
        if (w->plan.changes) operator_step(w);
    }
    faults_end_all(w);
}

static void give_up_healing(struct world *w)
{
    struct buf text = {.limit = 1000};
    operator_describe(w, &text);
    world_fail(w, "heal", "not in order after %d s: %s", HEAL_S, buf_text(&text));
    buf_fini(&text);
}

/* The faults are over; whoever runs the cluster brings it back in order. */
static void run_heal(struct world *w)
{
    begin(w, PHASE_HEAL);
    uint64_t end = sim_now(w->sim) + HEAL_S * NS_PER_S;
    while (!w->failed && !operator_heal(w)) {
        if (sim_now(w->sim) >= end) give_up_healing(w);
        run_for(w, OPERATOR_MS * NS_PER_MS);
    }
    w->too_few_nodes = w->plan.replicas && operator_active_nodes(w) < 2;
}

static void run_phases(struct world *w)
{
    run_safety(w);
    if (w->plan.changes) run_heal(w);
    begin(w, PHASE_GRACE);
    run_for(w, GRACE_MS * NS_PER_MS);
    begin(w, PHASE_LIVENESS);
    w->lively_ns = w->phase_ns;
    run_for(w, LIVENESS_MS * NS_PER_MS);
    begin(w, PHASE_END);
    uint64_t until = sim_now(w->sim) + 20 * NS_PER_S;
    while (!w->failed && !load_is_idle(w))
        if (!world_step(w, until)) world_fail(w, "end", "%zu operations never completed", w->in_flight);
    if (!w->failed) load_read_back(w);
}

static void count(const struct world *w, struct run_result *out)
{
    out->operations = w->history.count;
    for (size_t i = 0; i < w->history.count; i++) {
        enum told o = w->history.entries[i].outcome;
        out->done += o == TOLD_DONE;
        out->ambiguous += o == TOLD_AMBIGUOUS;
        out->refused += o == TOLD_REFUSED;
    }
}

static void tell_story(const struct world *w, struct run_result *out)
{
    const uint64_t concerned[] = {w->finding.first, w->finding.second};
    for (size_t i = 0; i < 2; i++)
        if (concerned[i] < w->history.count)
            judge_describe(&w->history.entries[concerned[i]], out->story[out->story_count++], sizeof out->story[0]);
}

static void check_memory(struct world *w, int64_t before)
{
    int64_t left = mem_live() - before;
    if (left) world_fail(w, "memory", "%lld blocks were not freed", (long long)left);
}

void run_seed(const struct run_options *o, struct run_result *out)
{
    struct world *w = calloc(1, sizeof *w);
    int64_t before = mem_live();
    if (!w) abort();
    memset(out, 0, sizeof *out);
    w->seed = o->seed;
    w->tell = o->tell;
    w->tell_user = o->user;
    w->plan.operations = o->operations;
    world_plan(w);
    for (size_t i = 0; i < w->schedule.count; i++) w->schedule.faults[i].off = o->left_out >> i & 1;
    if (world_build(w)) {
        if (o->trace) sim_trace_to(w->sim, o->trace, o->user);
        run_phases(w);
        if (!w->failed) judge(w);
    }
    out->faults = w->schedule.count;
    for (size_t i = 0; i < w->schedule.count; i++)
        fault_describe(w, &w->schedule.faults[i], out->fault_text[i], sizeof out->fault_text[i]);
    out->hash = sim_trace_hash(w->sim);
    out->events = sim_events(w->sim);
    out->virtual_ns = sim_now(w->sim);
    count(w, out);
    tell_story(w, out);
    sim_trace_to(w->sim, NULL, NULL);
    world_demolish(w);
    check_memory(w, before);
    out->failed = w->failed;
    out->finding = w->finding;
    snprintf(out->stage, sizeof out->stage, "%s", w->stage);
    free(w->history.entries);
    free(w);
}
