/* Tasks: what runs, bucket by bucket; moves are in flight.c, failovers in rescue.c. */
#include "manager/conductor.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manager/conductor_parts.h"
#include "manager/settings.h"
#include "text/json.h"

/* Moves are small here: several of them share what the setting means for the big ones of a real data service. */
enum { MOVES_FACTOR = 8, MOVES_DEFAULT = 4, SERVERS_MAX = VBPLAN_NODES_MAX };
static const char failed_text[] = "Rebalance failed. See logs for detailed reason. You can try again.";

static const struct doc *now(const struct conductor *c)
{
    return c->host.doc(c->host.user);
}

static bool listed(const char *const *list, size_t count, const char *uuid)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], uuid) == 0) return true;
    return false;
}

static void add_text(struct doc *d, const char ***list, size_t *count, const char *text)
{
    const char **at = doc_insert(d, list, count, *count, sizeof *at);
    if (at) *at = doc_text(d, text);
}

/* ---- the task */

void task_new_ids(struct conductor *c, struct doc *next)
{
    char text[40];
    struct rng *r = io_rng(c->loop);
    const char **ids[] = {&next->task.status, &next->task.report};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)rng_u64(r), (unsigned long long)rng_u64(r));
        *ids[i] = doc_text(next, text);
    }
}

void task_close(struct conductor *c, struct doc *next, const char *error)
{
    next->task.stage = DOC_TASK_IDLE;
    next->task.stopping = false;
    next->task.error = doc_text(next, error);
    next->task.done_count = 0, next->task.done = NULL;
    next->task.moves = 0;
    for (size_t i = 0; i < next->bucket_count; i++) next->buckets[i].map.moving = NULL;
    task_new_ids(c, next);
}

static void commit(struct conductor *c, struct doc *next)
{
    if (next && doc_failed(next)) {
        doc_release(next);
        next = NULL;
    }
    if (!next || !c->host.commit(c->host.user, next)) LOG_E(c->log, "the cluster could not be changed; trying again");
    conductor_wake(c);
}

/* ---- a bucket begins */

static bool is_done(const struct doc *d, const struct doc_bucket *b)
{
    return !b->map.entries || listed(d->task.done, d->task.done_count, b->uuid);
}

static int by_name(const void *a, const void *b)
{
    const struct doc_node *const *x = a, *const *y = b;
    return strcmp((*x)->otp, (*y)->otp);
}

/* Servers of the map, and everybody who stays. */
static void list_servers(struct doc *d, struct doc_vbmap *m)
{
    const struct doc_node *nodes[SERVERS_MAX];
    const char *uuids[SERVERS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < d->node_count && n < SERVERS_MAX; i++) {
        const char *uuid = d->nodes[i].uuid;
        if (doc_server_of(m, uuid) >= 0 || listed(d->task.keep, d->task.keep_count, uuid)) nodes[n++] = &d->nodes[i];
    }
    qsort(nodes, n, sizeof *nodes, by_name);
    for (size_t i = 0; i < n; i++) uuids[i] = nodes[i]->uuid;
    vbmap_set_servers(d, m, uuids, n);
}

/* The number of copies may have been changed since the map was made. */
static void set_row(struct doc *d, struct doc_vbmap *m, uint8_t row)
{
    int16_t *entries = row == m->row ? NULL : doc_alloc(d, (size_t)m->vbuckets * row * sizeof *entries);
    if (!entries) return;
    for (size_t v = 0; v < m->vbuckets; v++)
        for (unsigned c = 0; c < row; c++)
            entries[v * row + c] = (int16_t)(c < m->row ? m->entries[v * m->row + c] : -1);
    m->entries = entries;
    m->row = row;
}

/* The map from before a failover, when exactly those nodes are to be there again. */
static bool take_last(const struct doc *d, const struct doc_bucket *b, const bool *keep, int16_t *out)
{
    const struct doc_vbmap *last = &b->last, *m = &b->map;
    if (!d->task.delta_count || !last->entries || last->vbuckets != m->vbuckets || last->row != m->row ||
        last->server_count != d->task.keep_count)
        return false;
    for (size_t s = 0; s < last->server_count; s++)
        if (!listed(d->task.keep, d->task.keep_count, last->servers[s])) return false;
    for (size_t i = 0; i < (size_t)m->vbuckets * m->row; i++)
        out[i] = (int16_t)(last->entries[i] < 0 ? -1 : doc_server_of(m, last->servers[last->entries[i]]));
    return vbplan_balanced(&(struct vbplan){m->vbuckets, m->row, m->server_count, keep, NULL, out});
}

static bool plan_bucket(const struct doc *d, const struct doc_bucket *b, int16_t *out)
{
    const struct doc_vbmap *m = &b->map;
    bool keep[SERVERS_MAX] = {false}, gone[SERVERS_MAX] = {false};
    int group[SERVERS_MAX] = {0};
    for (size_t s = 0; s < m->server_count && s < SERVERS_MAX; s++) {
        const struct doc_node *n = doc_find_node(d, m->servers[s]);
        keep[s] = listed(d->task.keep, d->task.keep_count, m->servers[s]);
        gone[s] = listed(d->task.fail, d->task.fail_count, m->servers[s]);
        for (size_t g = 0; n && g < d->group_count; g++)
            if (strcmp(d->groups[g].uuid, n->group) == 0) group[s] = (int)g;
    }
    struct vbplan p = {m->vbuckets, m->row, m->server_count, keep, d->group_count > 1 ? group : NULL, m->entries};
    if (d->task.kind == DOC_TASK_GRACEFUL) {
        vbplan_graceful(m->entries, m->vbuckets, m->row, gone, out);
        return true;
    }
    return take_last(d, b, keep, out) || vbplan_target(&p, out);
}

static bool row_differs(const struct doc_vbmap *m, unsigned v)
{
    size_t at = (size_t)v * m->row;
    bool moving = m->moving && m->moving[at] >= 0;
    return moving || (m->forward && memcmp(m->entries + at, m->forward + at, m->row * sizeof *m->entries) != 0);
}

static void begin_bucket(struct conductor *c, const char *uuid)
{
    struct doc *next = doc_copy(now(c));
    struct doc_bucket *b = next ? doc_find_bucket_uuid(next, uuid) : NULL;
    if (b) {
        list_servers(next, &b->map);
        set_row(next, &b->map, (uint8_t)(b->replicas + 1));
        b->map.forward = doc_alloc(next, (size_t)b->map.vbuckets * b->map.row * sizeof *b->map.forward);
        if (b->map.forward && !plan_bucket(next, b, b->map.forward)) next->memory.failed = true; /* tried again */
        next->task.moves = 0;
        for (unsigned v = 0; b->map.forward && v < b->map.vbuckets; v++) next->task.moves += row_differs(&b->map, v);
        if (!next->task.moves) {
            b->map.forward = NULL;
            add_text(next, &next->task.done, &next->task.done_count, uuid);
        }
    }
    commit(c, next);
}

static void end_bucket(struct conductor *c, const char *uuid)
{
    struct doc *next = doc_copy(now(c));
    struct doc_bucket *b = next ? doc_find_bucket_uuid(next, uuid) : NULL;
    if (b) {
        b->map.forward = b->map.moving = NULL;
        add_text(next, &next->task.done, &next->task.done_count, uuid);
    }
    commit(c, next);
}

/* ---- moves of the bucket in work */

static unsigned moves_per_node(const struct doc *d)
{
    const char *json = setting_json(d, "/settings/rebalance");
    int64_t n = 0;
    if (!json || !json_to_i64(json_member(json_value_of(divan_str(json)), "rebalanceMovesPerNode"), &n) || n < 1 ||
        n > 64)
        n = MOVES_DEFAULT;
    return (unsigned)n * MOVES_FACTOR;
}

static bool has_room(const struct conductor *c, const struct doc_vbmap *m, unsigned v, unsigned limit)
{
    const int16_t *row = m->entries + (size_t)v * m->row, *to = m->forward ? m->forward + (size_t)v * m->row : row;
    for (unsigned i = 0; i < m->row; i++)
        if (to[i] >= 0 && flights_at(c, m->servers[to[i]]) >= limit) return false;
    return row[0] < 0 || flights_at(c, m->servers[row[0]]) < limit;
}

static bool is_marked(const struct doc_vbmap *m, unsigned v)
{
    return m->moving && m->moving[(size_t)v * m->row] >= 0;
}

/* Begins what may begin; returns how many vBuckets are not where they belong. */
static unsigned begin_moves(struct conductor *c, const struct doc_bucket *b, bool only_marked)
{
    const struct doc *d = now(c);
    unsigned limit = moves_per_node(d), left = 0;
    for (unsigned v = 0; v < b->map.vbuckets; v++) {
        if (!row_differs(&b->map, v) || (only_marked && !is_marked(&b->map, v))) continue;
        left++;
        if (flight_find(c, b->uuid, v) || !has_room(c, &b->map, v, limit)) continue;
        flight_begin(c, b, v);
    }
    return left;
}

static void step_moves(struct conductor *c)
{
    bool wanted = false;
    list_each(&c->flights, it)
    {
        struct flight *f = container_of(it, struct flight, flights);
        flight_step(c, f);
        if (f->state == FLIGHT_OVER) flight_free(f);
        else wanted = wanted || flight_wants(f);
    }
    struct doc *next = wanted ? doc_copy(now(c)) : NULL;
    if (!next) return;
    list_each(&c->flights, it) if (flight_wants(container_of(it, struct flight, flights)))
        flight_write(container_of(it, struct flight, flights), next);
    if (doc_failed(next) || !c->host.commit(c->host.user, doc_retain(next))) {
        doc_release(next);
        return; /* with the next tick */
    }
    int64_t rev = now(c)->revision.rev;
    doc_release(next);
    list_each(&c->flights, it) if (flight_wants(container_of(it, struct flight, flights)))
        flight_written(container_of(it, struct flight, flights), rev);
    conductor_wake(c);
}

static void drop_flights(struct conductor *c, bool only_building)
{
    list_each(&c->flights, it)
    {
        struct flight *f = container_of(it, struct flight, flights);
        if (!only_building || f->state == FLIGHT_BUILD) flight_free(f);
    }
}

/* ---- the end */

static bool leaves_a_map(const struct doc *d)
{
    const char *const *leaving = d->task.kind == DOC_TASK_GRACEFUL ? d->task.fail : d->task.eject;
    size_t count = d->task.kind == DOC_TASK_GRACEFUL ? d->task.fail_count : d->task.eject_count;
    for (size_t i = 0; i < d->bucket_count; i++)
        for (size_t s = 0; s < d->buckets[i].map.server_count; s++)
            if (listed(leaving, count, d->buckets[i].map.servers[s])) return true;
    return false;
}

static void begin_leaving(struct conductor *c)
{
    struct doc *next = doc_copy(now(c));
    if (next) {
        uint32_t ms = c->options.leave_ms;
        next->task.stage = DOC_TASK_LEAVING;
        next->task.leave_ms = c->host.wall_ms(c->host.user) + (leaves_a_map(next) ? ms : 0);
    }
    commit(c, next);
}

static void keep_servers(struct doc *d, struct doc_vbmap *m)
{
    const char *left[SERVERS_MAX];
    size_t n = 0;
    for (size_t s = 0; s < m->server_count && n < SERVERS_MAX; s++)
        if (!listed(d->task.eject, d->task.eject_count, m->servers[s])) left[n++] = m->servers[s];
    vbmap_set_servers(d, m, left, n);
}

static void finish_rebalance(struct conductor *c)
{
    struct doc *next = doc_copy(now(c));
    if (next) {
        for (size_t i = 0; i < next->bucket_count; i++) {
            if (next->buckets[i].map.entries) keep_servers(next, &next->buckets[i].map);
            next->buckets[i].last = (struct doc_vbmap){0};
        }
        for (size_t i = next->node_count; i-- > 0;)
            if (listed(next->task.eject, next->task.eject_count, next->nodes[i].uuid))
                doc_remove(next->nodes, &next->node_count, i, sizeof *next->nodes);
        next->counters.rebalance_success++;
        next->auto_failover.count = 0;
        task_close(c, next, "");
    }
    LOG_I(c->log, "the rebalance is done");
    commit(c, next);
}

static void on_failed_over(void *user, bool done)
{
    struct conductor *c = user;
    c->failing_task = false;
    struct doc *next = done ? doc_copy(now(c)) : NULL;
    if (next) {
        next->counters.graceful_success++;
        task_close(c, next, "");
    }
    if (done) commit(c, next);
}

static void finish(struct conductor *c)
{
    const struct doc *d = now(c);
    if (d->task.kind != DOC_TASK_GRACEFUL) finish_rebalance(c);
    else if (!c->failing_task)
        c->failing_task = conductor_fail_over(c, d->task.fail, d->task.fail_count, false, NULL, on_failed_over, c);
}

static void stop(struct conductor *c)
{
    struct doc *next = doc_copy(now(c));
    if (next) {
        bool failed = next->task.error[0];
        if (failed) next->counters.rebalance_fail++;
        else next->counters.rebalance_stop++;
        task_close(c, next, next->task.error);
    }
    drop_flights(c, false);
    commit(c, next);
}

static void fail_task(struct conductor *c, const char *why)
{
    struct doc *next = doc_copy(now(c));
    LOG_E(c->log, "the rebalance fails: %s", why);
    if (next) {
        next->task.stopping = true;
        next->task.error = failed_text;
    }
    commit(c, next);
}

/* ---- looking after it */

/* Somebody the rebalance needs is away: for a while that is waited for. */
static bool is_out_of_patience(struct conductor *c, const struct doc *d)
{
    bool away = false;
    for (size_t i = 0; i < d->node_count; i++)
        away = away || (d->nodes[i].down && d->nodes[i].membership == DOC_ACTIVE);
    if (!away) c->away_since_ns = 0;
    else if (!c->away_since_ns) c->away_since_ns = io_now_ns(c->loop);
    return away && io_now_ns(c->loop) - c->away_since_ns >= c->options.patience_ms * NS_PER_MS;
}

static void step_moving(struct conductor *c)
{
    const struct doc *d = now(c);
    const struct doc_bucket *b = NULL;
    unsigned left = 0;
    for (size_t i = 0; i < d->bucket_count && !b; i++)
        if (!is_done(d, &d->buckets[i])) b = &d->buckets[i];
    if (!d->task.stopping && is_out_of_patience(c, d)) {
        fail_task(c, "a node is away");
        return;
    }
    if (d->task.stopping) drop_flights(c, true);
    if (b && b->map.forward) left = begin_moves(c, b, d->task.stopping);
    step_moves(c);
    if (left || !list_empty(&c->flights)) return;
    if (d->task.stopping) stop(c);
    else if (!b) begin_leaving(c);
    else if (b->map.forward) end_bucket(c, b->uuid);
    else begin_bucket(c, b->uuid);
}

static void step(void *user)
{
    struct conductor *c = user;
    const struct doc *d = now(c);
    io_timer_start(&c->timer, io_now_ns(c->loop) + CONDUCTOR_TICK_MS * NS_PER_MS);
    if (c->rescue) {
        rescue_step(c);
        return;
    }
    switch (d->task.stage) {
    case DOC_TASK_IDLE:
        drop_flights(c, false);
        break;
    case DOC_TASK_MOVING:
        step_moving(c);
        break;
    case DOC_TASK_LEAVING:
        if (d->task.stopping) stop(c);
        else if (c->host.wall_ms(c->host.user) >= d->task.leave_ms) finish(c);
        break;
    }
}

/* ---- life, and what comes in */

struct conductor *conductor_new(struct io_loop *loop, const struct conductor_host *host,
                                const struct conductor_options *o, const struct log *log)
{
    struct conductor *c = mem_zalloc(sizeof *c);
    if (!c) return NULL;
    c->loop = loop;
    c->host = *host;
    c->log = log;
    if (o) c->options = *o;
    if (!c->options.leave_ms) c->options.leave_ms = 2000;
    if (!c->options.patience_ms) c->options.patience_ms = 15000;
    if (!c->options.read_ms) c->options.read_ms = 1000;
    c->next_id = (rng_u64(io_rng(loop)) & UINT32_MAX) << 20; /* a node may still answer orders of an earlier life */
    list_init(&c->flights);
    io_timer_init(&c->timer, loop, step, c);
    if (io_timer_start(&c->timer, 0)) return c;
    mem_free(c);
    return NULL;
}

void conductor_free(struct conductor *c)
{
    if (!c) return;
    io_timer_stop(&c->timer);
    drop_flights(c, false);
    rescue_free(c);
    mem_free(c);
}

/* A moment later, so that what happens together is done together. */
void conductor_wake(struct conductor *c)
{
    enum { TOGETHER_NS = 1000000 };
    io_timer_start(&c->timer, io_now_ns(c->loop) + TOGETHER_NS);
}

void conductor_node_gone(struct conductor *c, const char *node)
{
    flight_node_gone(c, node);
    rescue_node_gone(c, node);
    conductor_wake(c);
}

void conductor_result(struct conductor *c, const char *node, const struct order_result *r)
{
    if (flight_result(c, node, r) || rescue_result(c, node, r)) conductor_wake(c);
}
