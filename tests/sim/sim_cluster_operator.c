/* Whoever runs the cluster: adds, removes, swaps, fails over and recovers nodes through the manager's requests, one thing
 * after the other, and brings the cluster back in order at the end. */
#include <stdio.h>
#include <stdlib.h>

#include "sim/sim_cluster.h"

enum { AGAIN_MS = 500, LEAVE_MS = 1000, TRIES_MAX = 40 };

/* ---- looking */

static const struct doc *doc_of(const struct world *w)
{
    return manager_doc(w->manager);
}

static struct doc_node *node_at_host(const struct world *w, size_t i)
{
    struct member *m = (struct member *)(uintptr_t)&w->members[i];
    return m->node ? doc_find_node(doc_of(w), node_uuid(m->node)) : NULL;
}

static size_t count_nodes(const struct world *w, enum doc_membership membership)
{
    size_t n = 0;
    for (size_t i = 0; i < doc_of(w)->node_count; i++) n += doc_of(w)->nodes[i].membership == membership;
    return n;
}

static bool is_active(const struct doc *d, const char *otp)
{
    const struct doc_node *n = doc_find_otp(d, otp);
    return n && n->membership == DOC_ACTIVE;
}

/* Every copy is where it should be: the next mishap costs nothing that was promised. */
static bool is_whole(const struct world *w)
{
    const struct doc *d = doc_of(w);
    if (doc_is_busy(d) || w->ops.needs_rebalance) return false;
    for (size_t i = 0; i < d->node_count; i++)
        if (d->nodes[i].membership != DOC_ACTIVE || d->nodes[i].down) return false;
    return true;
}

/* A member that is active and up, chosen by the fault; WORLD_NODES = there is none to spare. */
static size_t choose_active(const struct world *w, uint32_t amount)
{
    size_t list[WORLD_NODES], n = 0;
    for (size_t i = 0; i < WORLD_NODES; i++) {
        const struct doc_node *node = node_at_host(w, i);
        if (node && node->membership == DOC_ACTIVE) list[n++] = i;
    }
    return n > 1 ? list[amount % n] : WORLD_NODES;
}

static size_t choose_free(const struct world *w)
{
    for (size_t i = 0; i < WORLD_NODES; i++)
        if (!w->members[i].loop && !w->crashed[i]) return i;
    return WORLD_NODES;
}

/* ---- asking */

static void on_answer(void *user, const struct manager_reply *reply)
{
    struct operator_state *o = user;
    o->asked = false;
    o->status = reply->status;
    snprintf(o->answer, sizeof o->answer, "%.*s", (int)reply->body.len, (const char *)reply->body.data);
}

static void ask(struct world *w, const char *op, const char *const *form)
{
    struct manager_field fields[4];
    struct operator_state *o = &w->ops;
    size_t n = 0;
    for (; form[2 * n]; n++) fields[n] = (struct manager_field){divan_str(form[2 * n]), divan_str(form[2 * n + 1])};
    const struct manager_request request = {.op = op, .form = fields, .form_count = n, .user = ""};
    world_say(w, "OPERATOR %s %s=%s", op, n ? form[0] : "", n ? form[1] : "");
    o->asked = true;
    o->status = 0;
    if (!manager_ask(w->manager, &request, on_answer, o)) abort();
}

static void ask_rebalance(struct world *w)
{
    const struct doc *d = doc_of(w);
    struct buf known = {.limit = 4096}, eject = {.limit = 4096};
    for (size_t i = 0; i < d->node_count; i++) {
        const struct doc_node *n = &d->nodes[i];
        buf_printf(&known, "%s%s", i ? "," : "", n->otp);
        bool leaves = !strcmp(n->otp, w->ops.leaving) || n->membership == DOC_INACTIVE_FAILED;
        if (leaves) buf_printf(&eject, "%s%s", eject.len ? "," : "", n->otp);
    }
    const char *out = eject.len ? buf_text(&eject) : "";
    ask(w, "rebalance", (const char *[]){"knownNodes", buf_text(&known), "ejectedNodes", out, NULL});
    buf_fini(&known);
    buf_fini(&eject);
    w->ops.needs_rebalance = true;
    w->ops.state = OPERATOR_REBALANCING;
}

/* ---- one fault of the schedule */

static void leave(struct world *w, size_t i)
{
    snprintf(w->ops.leaving, sizeof w->ops.leaving, "%s", node_at_host(w, i)->otp);
}

static void begin_add(struct world *w)
{
    size_t i = choose_free(w);
    if (i == WORLD_NODES || !world_start_node(w, i)) return;
    w->ops.joining = i;
    w->ops.needs_rebalance = true;
    w->ops.state = OPERATOR_JOINING;
}

static void begin_recovery(struct world *w, const struct fault *f)
{
    for (size_t i = 0; i < WORLD_NODES; i++) {
        const struct doc_node *n = node_at_host(w, i);
        if (!n || n->membership != DOC_INACTIVE_FAILED || n->down) continue;
        w->ops.state = OPERATOR_RECOVERING;
        ask(w, "recovery_type",
            (const char *[]){"otpNode", n->otp, "recoveryType", f->amount % 2 ? "delta" : "full", NULL});
        return;
    }
}

/* The program is killed; its memory is gone, so it comes back as another node. */
static void begin_crash(struct world *w, size_t i)
{
    struct operator_state *o = &w->ops;
    snprintf(o->failing, sizeof o->failing, "%s", node_at_host(w, i)->otp);
    sim_host_set(w->sim, w->hosts[HOST_NODE + i], SIM_CRASHED);
    world_stop_node(w, i);
    w->crashed[i] = true;
    o->status = 0;
    o->needs_rebalance = true;
    o->again_ns = sim_now(w->sim) + AGAIN_MS * NS_PER_MS;
    o->state = OPERATOR_FAILING;
}

static void begin(struct world *w, struct fault *f)
{
    char text[160];
    size_t i = choose_active(w, f->amount);
    bool can_lose_one = is_whole(w) && i < WORLD_NODES && w->plan.replicas > 0;
    fault_describe(w, f, text, sizeof text);
    world_say(w, "FAULT %s", text);
    w->ops.tries = 0;
    w->ops.leaving[0] = 0;
    switch (f->kind) {
    case FAULT_ADD_NODE:
        begin_add(w);
        break;
    case FAULT_REMOVE_NODE:
        if (!is_whole(w) || i == WORLD_NODES) break;
        leave(w, i);
        ask_rebalance(w);
        break;
    case FAULT_SWAP_NODE:
        if (!is_whole(w) || i == WORLD_NODES) break;
        leave(w, i);
        begin_add(w);
        break;
    case FAULT_FAIL_OVER:
    case FAULT_GRACEFUL:
        if (!can_lose_one) break;
        w->ops.needs_rebalance = true;
        w->ops.state = OPERATOR_ASKED;
        ask(w, f->kind == FAULT_GRACEFUL ? "graceful_fail_over" : "fail_over",
            (const char *[]){"otpNode", node_at_host(w, i)->otp, NULL});
        break;
    case FAULT_RECOVER:
        begin_recovery(w, f);
        break;
    case FAULT_CRASH:
        if (can_lose_one) begin_crash(w, i);
        break;
    default:
        break;
    }
}

/* ---- going on */

static void stop_those_who_left(struct world *w)
{
    for (size_t i = 0; i < WORLD_NODES; i++) {
        struct member *m = &w->members[i];
        if (!m->node || !m->ready || node_at_host(w, i)) {
            m->left_ns = 0;
            continue;
        }
        if (!m->left_ns) m->left_ns = sim_now(w->sim);
        if (sim_now(w->sim) - m->left_ns < LEAVE_MS * NS_PER_MS) continue;
        world_say(w, "OPERATOR stops the node at %s, which left", m->host);
        m->left_ns = 0;
        world_stop_node(w, i);
    }
}

static void start_the_crashed(struct world *w)
{
    for (size_t i = 0; i < WORLD_NODES; i++) {
        if (!w->crashed[i]) continue;
        w->crashed[i] = false;
        sim_host_set(w->sim, w->hosts[HOST_NODE + i], SIM_UP);
        world_start_node(w, i);
        return;
    }
}

static bool try_again(struct world *w, const char *what)
{
    struct operator_state *o = &w->ops;
    if (++o->tries > TRIES_MAX)
        return world_fail(w, "operator", "%s failed %d times, at last with %d %s%s", what, TRIES_MAX, o->status,
                          o->answer, doc_of(w)->task.error);
    o->again_ns = sim_now(w->sim) + AGAIN_MS * NS_PER_MS;
    return true;
}

static void go_on(struct world *w)
{
    struct operator_state *o = &w->ops;
    const struct doc *d = doc_of(w);
    if (o->asked || sim_now(w->sim) < o->again_ns) return;
    switch (o->state) {
    case OPERATOR_IDLE:
        break;
    case OPERATOR_JOINING:
        if (node_at_host(w, o->joining) && !doc_is_busy(d)) ask_rebalance(w);
        break;
    case OPERATOR_RECOVERING:
        if (o->status == 200) ask_rebalance(w);
        else o->state = OPERATOR_IDLE;
        break;
    case OPERATOR_ASKED: /* a failover: it was refused, is done, or goes on gracefully */
        if (!doc_is_busy(d)) o->state = OPERATOR_IDLE;
        break;
    case OPERATOR_FAILING:
        if (o->status == 200 || !is_active(d, o->failing)) {
            o->status = 0;
            o->state = OPERATOR_IDLE;
        } else if (try_again(w, "the failover of a dead node"))
            ask(w, "fail_over", (const char *[]){"otpNode", o->failing, "allowUnsafe", "true", NULL});
        break;
    case OPERATOR_REBALANCING:
        if (doc_is_busy(d)) break;
        if (o->status == 200 && !d->task.error[0]) {
            o->needs_rebalance = count_nodes(w, DOC_ACTIVE) < d->node_count;
            o->leaving[0] = 0;
            o->state = OPERATOR_IDLE;
        } else if (try_again(w, "the rebalance")) ask_rebalance(w);
    }
}

static struct fault *due_fault(struct world *w, uint64_t now_ns)
{
    for (size_t i = 0; i < w->schedule.count; i++) {
        struct fault *f = &w->schedule.faults[i];
        if (fault_is_of_operator(f) && !f->off && !f->done && f->at_ns <= now_ns) return f;
    }
    return NULL;
}

void operator_step(struct world *w)
{
    struct operator_state *o = &w->ops;
    if (w->frozen[HOST_MANAGER] || w->failed) return;
    stop_those_who_left(w);
    go_on(w);
    if (o->state != OPERATOR_IDLE || o->asked || w->phase != PHASE_SAFETY) return;
    struct fault *f = due_fault(w, sim_now(w->sim) - w->phase_ns);
    if (!f) return;
    f->done = true;
    begin(w, f);
}

/* After the faults: everybody is back, nothing is left half done. */
bool operator_heal(struct world *w)
{
    struct operator_state *o = &w->ops;
    operator_step(w);
    if (o->state != OPERATOR_IDLE || o->asked || w->failed) return false;
    const struct doc *d = doc_of(w);
    start_the_crashed(w);
    for (size_t i = 0; i < WORLD_NODES; i++)
        if (w->members[i].node && (!w->members[i].ready || w->members[i].left_ns)) return false;
    for (size_t i = 0; i < d->node_count; i++)
        if (d->nodes[i].down && d->nodes[i].membership != DOC_INACTIVE_FAILED) return false;
    if (doc_is_busy(d)) return false;
    if (o->needs_rebalance || count_nodes(w, DOC_ACTIVE) < d->node_count) {
        ask_rebalance(w);
        return false;
    }
    return manager_up_to_date(w->manager) == d->node_count;
}

size_t operator_active_nodes(const struct world *w)
{
    return count_nodes(w, DOC_ACTIVE);
}

void operator_describe(const struct world *w, struct buf *out)
{
    static const char *const doing[] = {"idle", "joining", "recovering", "asked", "failing", "rebalancing"};
    const struct doc *d = doc_of(w);
    buf_printf(out, "%s%s, %zu of %zu linked nodes up to date;", doing[w->ops.state],
               doc_is_busy(d) ? " and the manager is at it" : "", manager_up_to_date(w->manager),
               manager_linked(w->manager));
    for (size_t i = 0; i < d->node_count; i++)
        buf_printf(out, " %s %s%s", d->nodes[i].host, doc_membership_name(d->nodes[i].membership),
                   d->nodes[i].down ? " (down)" : "");
    if (d->task.error[0]) buf_printf(out, "; %s", d->task.error);
}
