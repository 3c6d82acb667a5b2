/* Who is up: a node that is linked and says so now and then. Failing over by itself. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manager/manager_parts.h"

enum { NODES_MAX = 128, FIRST_CHANCE_MS = 3000 };

static struct pulse *pulse_of(struct manager *mg, const char *uuid)
{
    list_each(&mg->pulses, it)
    {
        struct pulse *p = container_of(it, struct pulse, pulses);
        if (strcmp(p->uuid, uuid) == 0) return p;
    }
    struct pulse *p = mem_zalloc(sizeof *p);
    if (!p) return NULL;
    text_copy(p->uuid, sizeof p->uuid, uuid);
    list_append(&mg->pulses, &p->pulses);
    return p;
}

void health_heard(struct manager *mg, const char *uuid)
{
    struct pulse *p = pulse_of(mg, uuid);
    if (p) p->heard_ns = io_now_ns(mg->loop);
}

/* One without a link is down at once, one with a link after some silence. After a start everybody gets time to link. */
uint64_t health_silent_since(struct manager *mg, const char *uuid, uint64_t now_ns)
{
    struct pulse *p = pulse_of(mg, uuid);
    if (!p) return 0;
    if (!p->heard_ns)
        return now_ns - mg->started_ns < FIRST_CHANCE_MS * NS_PER_MS ? 0 : mg->started_ns ? mg->started_ns : 1;
    bool linked = members_linked(mg, uuid);
    return linked && now_ns - p->heard_ns < SILENT_MS * NS_PER_MS ? 0 : p->heard_ns;
}

void health_fini(struct manager *mg)
{
    for (struct link *l; (l = list_take_first(&mg->pulses));) mem_free(container_of(l, struct pulse, pulses));
}

/* This process itself was not running (stopped, a busy machine): nobody else's silence counts for that time. */
static void forgive(struct manager *mg, uint64_t now_ns)
{
    uint64_t gap = now_ns - mg->looked_ns;
    mg->looked_ns = now_ns;
    if (gap < 4 * HEALTH_TICK_MS * NS_PER_MS) return;
    list_each(&mg->pulses, it)
    {
        struct pulse *p = container_of(it, struct pulse, pulses);
        if (p->heard_ns && members_linked(mg, p->uuid)) p->heard_ns = now_ns;
    }
}

/* Puts who is down into the document, when that has changed. */
static void record(struct manager *mg, uint64_t now_ns)
{
    bool changed = false;
    for (size_t i = 0; i < mg->doc->node_count; i++) {
        const struct doc_node *n = &mg->doc->nodes[i];
        changed = changed || n->down != (health_silent_since(mg, n->uuid, now_ns) != 0);
    }
    struct doc *next = changed ? doc_copy(mg->doc) : NULL;
    if (!next) return;
    for (size_t i = 0; i < next->node_count; i++) {
        struct doc_node *n = &next->nodes[i];
        bool down = health_silent_since(mg, n->uuid, now_ns) != 0;
        if (down != n->down) LOG_W(mg->log, "node %s is %s", n->otp, down ? "down" : "up again");
        n->down = down;
    }
    manager_commit(mg, next);
}

/* ---- failing over by itself */

static void count_failover(void *user, bool done)
{
    struct manager *mg = user;
    struct doc *next = done ? doc_copy(mg->doc) : NULL;
    if (!next) return;
    next->auto_failover.count++;
    manager_commit(mg, next);
}

static void fail_over(struct manager *mg, const bool *chosen, size_t count)
{
    const char *uuids[NODES_MAX];
    char why[300];
    size_t n = 0;
    int at = snprintf(why, sizeof why, "Rebalance interrupted due to auto-failover of nodes [");
    for (size_t i = 0; i < count; i++) {
        const struct doc_node *node = &mg->doc->nodes[i];
        if (!chosen[i]) continue;
        if (at < (int)sizeof why)
            at += snprintf(why + at, sizeof why - (size_t)at, n ? ",\"%s\"" : "\"%s\"", node->otp);
        LOG_W(mg->log, "node %s has been down for %u s: failing it over", node->otp, mg->doc->auto_failover.timeout_s);
        uuids[n++] = node->uuid;
    }
    if (at < (int)sizeof why) snprintf(why + at, sizeof why - (size_t)at, "].");
    conductor_fail_over(mg->conductor, uuids, n, false, why, count_failover, mg);
}

static void look_for_failover(struct manager *mg, uint64_t now_ns)
{
    static const char *const texts[] = {NULL,
                                        NULL,
                                        "who is left would not be a majority",
                                        "as many were failed over by itself as the settings allow",
                                        "vBuckets without another copy would be lost",
                                        "vBuckets would lose the majority of their copies"};
    struct autofail_node nodes[NODES_MAX];
    bool chosen[NODES_MAX];
    size_t count = mg->doc->node_count < NODES_MAX ? mg->doc->node_count : NODES_MAX;
    if (conductor_is_failing(mg->conductor)) return;
    if (doc_is_busy(mg->doc) && !mg->doc->auto_failover.can_abort_rebalance) return;
    for (size_t i = 0; i < count; i++) {
        const struct doc_node *n = &mg->doc->nodes[i];
        nodes[i] = (struct autofail_node){n->uuid, n->membership == DOC_ACTIVE,
                                          health_silent_since(mg, n->uuid, now_ns)};
    }
    enum autofail_verdict v = autofail_decide(mg->doc, nodes, count, now_ns, chosen);
    if (v != (enum autofail_verdict)mg->verdict && texts[v]) LOG_W(mg->log, "nothing is failed over: %s", texts[v]);
    mg->verdict = v;
    if (v == AUTOFAIL_GO) fail_over(mg, chosen, count);
}

void health_tick(void *user)
{
    struct manager *mg = user;
    uint64_t now_ns = io_now_ns(mg->loop);
    io_timer_start(&mg->health, now_ns + HEALTH_TICK_MS * NS_PER_MS);
    forgive(mg, now_ns);
    record(mg, now_ns);
    members_retry(mg);
    look_for_failover(mg, now_ns);
}
