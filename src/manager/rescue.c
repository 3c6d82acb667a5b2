/* A failover: everybody who is left says what they have, then the maps change at once. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manager/conductor_parts.h"

enum { NAMES_MAX = VBPLAN_NODES_MAX };

/* What one node was asked about one bucket. */
struct reading {
    struct link readings;
    uint64_t id;
    char bucket[40], node[UUID_SIZE];
    bool done;
    struct copy_figures *figures; /* NULL = no answer */
    size_t count;
};

struct rescue {
    char names[NAMES_MAX][UUID_SIZE];
    const char *uuids[NAMES_MAX];
    size_t count;
    bool demote, asked;
    char why[300];
    struct list readings;
    uint64_t deadline_ns;
    conductor_done_fn *fn;
    void *user;
};

bool conductor_is_failing(const struct conductor *c)
{
    return c->rescue != NULL;
}

bool conductor_fail_over(struct conductor *c, const char *const *uuids, size_t count, bool demote, const char *why,
                         conductor_done_fn *fn, void *user)
{
    struct rescue *r = c->rescue || count > NAMES_MAX ? NULL : mem_zalloc(sizeof *r);
    if (!r) return false;
    for (size_t i = 0; i < count; i++) {
        text_copy(r->names[i], sizeof r->names[i], uuids[i]);
        r->uuids[i] = r->names[i];
    }
    r->count = count;
    r->demote = demote;
    text_copy(r->why, sizeof r->why, why ? why : "");
    r->fn = fn;
    r->user = user;
    list_init(&r->readings);
    c->rescue = r;
    conductor_wake(c);
    return true;
}

static void free_readings(struct rescue *r)
{
    for (struct link *l; (l = list_take_first(&r->readings));) {
        struct reading *reading = container_of(l, struct reading, readings);
        mem_free(reading->figures);
        mem_free(reading);
    }
}

void rescue_free(struct conductor *c)
{
    if (!c->rescue) return;
    free_readings(c->rescue);
    mem_free(c->rescue);
    c->rescue = NULL;
}

/* ---- asking */

static bool is_named(const struct rescue *r, const char *uuid)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->names[i], uuid) == 0) return true;
    return false;
}

/* Those that are to be failed over must win no majority from the moment the others are asked: they may only be slow. */
static void name_gone(const struct rescue *r, char *out, size_t cap)
{
    size_t len = 0;
    for (size_t i = 0; i < r->count && len < cap; i++)
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i ? "," : "", r->names[i]);
}

static void ask_one(struct conductor *c, const struct doc_bucket *b, const char *node)
{
    struct reading *reading = mem_zalloc(sizeof *reading);
    if (!reading) return;
    reading->id = ++c->next_id;
    text_copy(reading->bucket, sizeof reading->bucket, b->uuid);
    text_copy(reading->node, sizeof reading->node, node);
    char gone[NAMES_MAX * UUID_SIZE] = "";
    name_gone(c->rescue, gone, sizeof gone);
    struct order o = {
        .kind = ORDER_READ, .id = reading->id, .bucket = b->uuid, .vbucket = ORDER_ALL, .node = gone, .host = ""};
    reading->done = !c->host.send(c->host.user, node, &o);
    list_append(&c->rescue->readings, &reading->readings);
}

static void ask(struct conductor *c)
{
    struct rescue *r = c->rescue;
    const struct doc *d = c->host.doc(c->host.user);
    for (size_t i = 0; i < d->bucket_count; i++)
        for (size_t s = 0; s < d->buckets[i].map.server_count; s++) {
            const char *node = d->buckets[i].map.servers[s];
            if (!is_named(r, node) && c->host.ready(c->host.user, node, 0)) ask_one(c, &d->buckets[i], node);
        }
    r->asked = true;
    r->deadline_ns = io_now_ns(c->loop) + c->options.read_ms * NS_PER_MS;
}

static bool all_answered(const struct rescue *r)
{
    for (const struct link *l = r->readings.head.next; l != &r->readings.head; l = l->next)
        if (!container_of((struct link *)(uintptr_t)l, struct reading, readings)->done) return false;
    return true;
}

bool rescue_result(struct conductor *c, const char *node, const struct order_result *result)
{
    if (!c->rescue) return false;
    list_each(&c->rescue->readings, it)
    {
        struct reading *reading = container_of(it, struct reading, readings);
        if (reading->id != result->id || strcmp(reading->node, node) != 0) continue;
        reading->done = true;
        if (result->problem[0] || !result->figure_count) return true;
        mem_free(reading->figures);
        reading->figures = mem_alloc(result->figure_count * sizeof *reading->figures);
        if (!reading->figures) return true;
        memcpy(reading->figures, result->figures, result->figure_count * sizeof *reading->figures);
        reading->count = result->figure_count;
        return true;
    }
    return false;
}

void rescue_node_gone(struct conductor *c, const char *node)
{
    if (!c->rescue) return;
    list_each(&c->rescue->readings, it)
    {
        struct reading *reading = container_of(it, struct reading, readings);
        if (strcmp(reading->node, node) == 0) reading->done = true;
    }
}

/* ---- deciding */

static struct copy_figures *table_of(const struct rescue *r, struct doc *d, const struct doc_bucket *b)
{
    const struct doc_vbmap *m = &b->map;
    struct copy_figures *table = doc_alloc(d, (m->server_count + 1) * m->vbuckets * sizeof *table);
    for (const struct link *l = r->readings.head.next; table && l != &r->readings.head; l = l->next) {
        const struct reading *reading = container_of((struct link *)(uintptr_t)l, struct reading, readings);
        int server = doc_server_of(m, reading->node);
        if (strcmp(reading->bucket, b->uuid) != 0 || server < 0) continue;
        for (size_t v = 0; v < reading->count && v < m->vbuckets; v++)
            table[(size_t)server * m->vbuckets + v] = reading->figures[v];
    }
    return table;
}

static bool interrupts(const struct doc *d, const struct rescue *r)
{
    return r->why[0] && doc_is_busy(d);
}

static void change(struct conductor *c, struct doc *next)
{
    struct rescue *r = c->rescue;
    struct copy_figures **figures = doc_alloc(next, (next->bucket_count + 1) * sizeof *figures);
    for (size_t i = 0; figures && i < next->bucket_count; i++)
        figures[i] = next->buckets[i].map.entries ? table_of(r, next, &next->buckets[i]) : NULL;
    if (!figures) return;
    failover_nodes(next, r->uuids, r->count, figures, r->demote);
    if (r->demote) return;
    next->counters.failover++;
    next->counters.failover_complete++;
    if (interrupts(next, r)) {
        next->counters.rebalance_fail++;
        task_close(c, next, r->why);
    } else if (!doc_is_busy(next)) {
        next->task.kind = DOC_TASK_FAILOVER;
        next->task.error = "";
        task_new_ids(c, next);
    }
}

static void finish(struct conductor *c)
{
    struct rescue *r = c->rescue;
    struct doc *next = doc_copy(c->host.doc(c->host.user));
    if (next) change(c, next);
    bool done = next && !doc_failed(next);
    if (next && !done) doc_release(next);
    if (done) {
        list_each(&c->flights, it) flight_free(container_of(it, struct flight, flights));
        done = c->host.commit(c->host.user, next);
    }
    conductor_done_fn *fn = r->fn;
    void *user = r->user;
    rescue_free(c);
    if (fn) fn(user, done);
    conductor_wake(c);
}

void rescue_step(struct conductor *c)
{
    struct rescue *r = c->rescue;
    if (!r->asked) ask(c);
    if (all_answered(r) || io_now_ns(c->loop) >= r->deadline_ns) finish(c);
}
