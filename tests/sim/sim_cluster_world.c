#include "sim/sim_cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { SETUP_MS = 20000, MANAGER_PORT = 7000 };

bool world_fail(struct world *w, const char *stage, const char *format, ...)
{
    va_list args;
    if (w->failed) return false;
    w->failed = true;
    snprintf(w->stage, sizeof w->stage, "%s", stage);
    va_start(args, format);
    vsnprintf(w->finding.text, sizeof w->finding.text, format, args);
    va_end(args);
    w->finding.first = w->finding.second = UINT64_MAX;
    world_say(w, "FAILED %s: %s", stage, w->finding.text);
    return false;
}

void world_say(struct world *w, const char *format, ...)
{
    char line[400];
    va_list args;
    if (!w->tell) return;
    uint64_t now = w->sim ? sim_now(w->sim) : 0;
    int at = snprintf(line, sizeof line, "%3llu.%06llu ", (unsigned long long)(now / NS_PER_S),
                      (unsigned long long)(now % NS_PER_S / 1000));
    va_start(args, format);
    vsnprintf(line + at, sizeof line - (size_t)at, format, args);
    va_end(args);
    w->tell(w->tell_user, line);
}

int world_host(const struct world *w, const char *address)
{
    for (int i = 0; i < HOSTS; i++)
        if (!strcmp(w->hosts[i], address)) return i;
    return -1;
}

void world_plan(struct world *w)
{
    struct rng *r = &w->rng;
    struct plan_of_world *p = &w->plan;
    rng_init(r, w->seed * 2654435761u + 1);
    p->nodes = 1 + rng_below(r, 5);
    p->clients = 1 + rng_below(r, WORLD_CLIENTS);
    p->workers = 1 + rng_below(r, WORKERS);
    p->replicas = p->nodes > 1 ? (unsigned)rng_below(r, p->nodes > 2 ? 3 : 2) : 0;
    p->calm = w->seed % 4 == 0;
    p->changes = w->seed % 4 < 2 ? 1 + rng_below(r, CHANGES_MAX) : 0;
    p->may_lose = p->may_be_old = w->seed % 8 == 1;
    p->timeout_ms = p->calm ? 5000 : 0;
    /* Failing over by itself counts on others to be well: what it does is judged as if somebody had failed them over. */
    if (w->seed % 16 == 9 && p->replicas) p->auto_failover_s = 1 + (uint32_t)rng_below(r, 2);
    p->vbuckets = 16u << rng_below(r, 3);
    p->value_max = rng_below(r, 4) ? 200 : 20000;
    p->safety_ns = (3 + rng_below(r, 6)) * NS_PER_S;
    if (!p->operations) p->operations = 300 + rng_below(r, 1200);
    for (int i = 0; i < HOSTS; i++) {
        int number = i < HOST_NODE ? 200 : i < HOST_CLIENT ? i - HOST_NODE + 1 : i - HOST_CLIENT + 101;
        snprintf(w->hosts[i], sizeof w->hosts[i], "10.0.0.%d", number);
    }
    faults_make(w);
}

/* ---- manager and nodes */

struct question {
    bool answered;
    int status;
    char text[200];
};

static void on_answer(void *user, const struct manager_reply *reply)
{
    struct question *q = user;
    q->answered = true;
    q->status = reply->status;
    snprintf(q->text, sizeof q->text, "%.*s", (int)reply->body.len, (const char *)reply->body.data);
}

static bool ask(struct world *w, const char *op, const char *const *form)
{
    struct manager_field fields[8];
    struct question q = {0};
    size_t n = 0;
    for (; form[2 * n]; n++) fields[n] = (struct manager_field){divan_str(form[2 * n]), divan_str(form[2 * n + 1])};
    const struct manager_request request = {.op = op, .form = fields, .form_count = n, .user = ""};
    if (!manager_ask(w->manager, &request, on_answer, &q)) return world_fail(w, "setup", "no memory to ask");
    uint64_t until = sim_now(w->sim) + NS_PER_S;
    while (!q.answered && world_step(w, until)) {}
    if (q.answered && q.status < 300) return true;
    return world_fail(w, "setup", "%s: %d %s", op, q.status, q.text);
}

static void on_manager_log(void *user, int level, const char *text)
{
    world_say(user, "  manager: %s", text);
}

static bool start_manager(struct world *w)
{
    struct divan_error err;
    char replicas[8], nodes[8];
    const struct manager_options o = {.vbuckets = (uint16_t)w->plan.vbuckets,
                                      .listen_host = w->hosts[HOST_MANAGER],
                                      .listen_port = MANAGER_PORT,
                                      .token = "t",
                                      .log = &w->log};
    w->log = (struct log){w->tell ? LOG_DEBUG : LOG_OFF, on_manager_log, w};
    w->manager = manager_new(sim_host(w->sim, w->hosts[HOST_MANAGER]), &o, &err);
    if (!w->manager) return world_fail(w, "setup", "%s", err.message);
    snprintf(replicas, sizeof replicas, "%u", w->plan.replicas);
    snprintf(nodes, sizeof nodes, "%zu", w->plan.nodes);
    char timeout[8];
    snprintf(timeout, sizeof timeout, "%u", w->plan.auto_failover_s);
    const char *const on[] = {"enabled", "true", "timeout", timeout, NULL}, *const off[] = {"enabled", "false", NULL};
    return ask(w, "auto_failover", w->plan.auto_failover_s ? on : off) &&
           ask(w, "expect_nodes", (const char *[]){"nodes", nodes, NULL}) &&
           ask(w, "pools_default", (const char *[]){"clusterName", "sim", "memoryQuota", "1024", NULL}) &&
           ask(w, "web", (const char *[]){"username", "u", "password", "password", "port", "SAME", NULL}) &&
           ask(w, "bucket_create", (const char *[]){"name", "b", "ramQuotaMB", "256", "replicaNumber", replicas, NULL});
}

static void on_node_log(void *user, int level, const char *text)
{
    const struct member *m = user;
    world_say(m->world, "  node %s: %s", m->host, text);
}

static void on_ready(void *user)
{
    ((struct member *)user)->ready = true;
}

bool world_start_node(struct world *w, size_t i)
{
    struct member *m = &w->members[i];
    struct divan_error err;
    m->world = w;
    m->host = w->hosts[HOST_NODE + i];
    m->loop = sim_host(w->sim, m->host);
    m->ready = false;
    m->log = (struct log){w->tell ? LOG_DEBUG : LOG_OFF, on_node_log, m};
    const struct node_options o = {.host = m->host,
                                   .manager_host = w->hosts[HOST_MANAGER],
                                   .manager_port = MANAGER_PORT,
                                   .manager_token = "t",
                                   .log = &m->log};
    m->node = node_start(m->loop, &o, on_ready, m, &err);
    return m->node || world_fail(w, "setup", "node %zu: %s", i, err.message);
}

void world_stop_node(struct world *w, size_t i)
{
    struct member *m = &w->members[i];
    node_stop(m->node);
    m->node = NULL;
    io_loop_free(m->loop);
    m->loop = NULL;
}

bool world_step(struct world *w, uint64_t until_ns)
{
    for (size_t i = 0; i < w->plan.clients; i++) {
        struct client *c = w->callers[i].client;
        if (c && client_is_dirty(c) && !w->frozen[HOST_CLIENT + i]) client_flush(c);
    }
    return sim_step(w->sim, until_ns);
}

static bool all_ready(const struct world *w)
{
    for (size_t i = 0; i < w->plan.nodes; i++)
        if (!w->members[i].ready) return false;
    return manager_up_to_date(w->manager) == w->plan.nodes;
}

bool world_build(struct world *w)
{
    cheap_random(w->seed);
    w->sim = sim_new(w->seed);
    if (!start_manager(w)) return false;
    for (size_t i = 0; i < w->plan.nodes; i++)
        if (!world_start_node(w, i)) return false;
    uint64_t until = sim_now(w->sim) + SETUP_MS * NS_PER_MS;
    while (!all_ready(w))
        if (!world_step(w, until)) return world_fail(w, "setup", "the nodes did not become ready");
    return load_open(w);
}

void world_demolish(struct world *w)
{
    if (!w->sim) return;
    load_close(w);
    for (size_t i = 0; i < WORLD_NODES; i++)
        if (w->members[i].loop) world_stop_node(w, i);
    manager_free(w->manager);
    w->manager = NULL;
    sim_free(w->sim);
    w->sim = NULL;
}
