#include "node/orders.h"

#include "base/alloc.h"
#include "base/error.h"
#include "node/replication.h"

enum { FENCE_MS = 5000 /* a failover that was begun ends before, or not at all */ };

struct running {
    struct link links;
    struct orders *orders;
    struct order order; /* its texts are not kept but for the bucket */
    char bucket[128];   /* name */
    struct replication_task *task;
};

struct orders {
    struct engine *engine;
    const struct log *log;
    struct list running;
    orders_result_fn *fn;
    void *user;
};

struct orders *orders_new(struct engine *e, const struct log *log, orders_result_fn *fn, void *user)
{
    struct orders *o = mem_zalloc(sizeof *o);
    if (!o) return NULL;
    *o = (struct orders){.engine = e, .log = log, .fn = fn, .user = user};
    list_init(&o->running);
    return o;
}

static void give_up(struct running *r)
{
    list_remove(&r->links);
    if (r->task) replication_cancel(r->task);
    mem_free(r);
}

void orders_cancel(struct orders *o, const char *bucket)
{
    list_each(&o->running, it)
    {
        struct running *r = container_of(it, struct running, links);
        if (!bucket || strcmp(r->bucket, bucket) == 0) give_up(r);
    }
}

void orders_free(struct orders *o)
{
    if (!o) return;
    orders_cancel(o, NULL);
    mem_free(o);
}

/* ---- answers */

static void answer(struct orders *o, uint64_t id, const char *problem, uint64_t seqno)
{
    o->fn(o->user, &(struct order_result){.id = id, .problem = problem, .seqno = seqno});
}

static void on_done(void *user, uint16_t vbucket, uint64_t high_seqno, const struct divan_error *why)
{
    struct running *r = user;
    struct orders *o = r->orders;
    uint64_t id = r->order.id;
    list_remove(&r->links);
    mem_free(r);
    answer(o, id, why->code ? why->message : "", high_seqno);
}

/* ---- reading */

static struct copy_figures figures_of(const struct vbucket_figures *f)
{
    static const enum copy_mode modes[] = {[VBUCKET_ABSENT] = COPY_ABSENT,
                                           [VBUCKET_ACTIVE] = COPY_ACTIVE,
                                           [VBUCKET_REPLICA] = COPY_REPLICA,
                                           [VBUCKET_PENDING] = COPY_PENDING,
                                           [VBUCKET_DEAD] = COPY_DEAD};
    enum copy_mode mode = f->mode < VBUCKET_KEEP ? modes[f->mode] : COPY_ABSENT;
    return (struct copy_figures){true, mode, f->high_prepared_seqno, f->high_seqno};
}

static void cancel_one(struct orders *o, const char *bucket, uint16_t vbucket)
{
    list_each(&o->running, it)
    {
        struct running *r = container_of(it, struct running, links);
        if (r->order.vbucket == vbucket && strcmp(r->bucket, bucket) == 0) give_up(r);
    }
}

static void read_figures(struct orders *o, const struct doc_bucket *b, const struct order *order)
{
    bool all = order->vbucket == ORDER_ALL;
    size_t count = all ? b->map.vbuckets : 1;
    struct copy_figures *figures = mem_zalloc(count * sizeof *figures);
    struct divan_error err = {0};
    enum divan_code rc = figures ? DIVAN_OK : err_oom(&err);
    for (size_t i = 0; !rc && i < count; i++) {
        struct vbucket_figures f = {0};
        rc = replication_read(o->engine, b->name, (uint16_t)(all ? i : order->vbucket), &f, &err);
        figures[i] = figures_of(&f);
    }
    o->fn(o->user, &(struct order_result){.id = order->id,
                                          .problem = rc ? err.message : "",
                                          .seqno = count == 1 && figures ? figures[0].high : 0,
                                          .figures = figures,
                                          .figure_count = rc ? 0 : count});
    mem_free(figures);
}

/* ---- building and taking over */

/* One that comes again: a takeover under way goes on and answers to the new id; anything else begins anew. */
static bool goes_on(struct orders *o, const char *bucket, const struct order *order)
{
    list_each(&o->running, it)
    {
        struct running *r = container_of(it, struct running, links);
        if (r->order.vbucket != order->vbucket || strcmp(r->bucket, bucket) != 0) continue;
        if (r->order.kind == ORDER_TAKE_OVER && order->kind == ORDER_TAKE_OVER) {
            r->order.id = order->id;
            return true;
        }
        give_up(r);
    }
    return false;
}

static void begin(struct orders *o, const struct doc_bucket *b, const struct order *order)
{
    struct replication_source source = {order->vbucket, order->host, order->port, order->node};
    struct running *r = mem_zalloc(sizeof *r);
    struct divan_error err = {0};
    if (!r) {
        answer(o, order->id, "out of memory", 0);
        return;
    }
    *r = (struct running){.orders = o, .order = {.kind = order->kind, .id = order->id, .vbucket = order->vbucket}};
    text_copy(r->bucket, sizeof r->bucket, b->name);
    if (order->kind == ORDER_TAKE_OVER) r->task = replication_take_over(o->engine, b->name, &source, on_done, r, &err);
    else r->task = replication_build(o->engine, b->name, &source, order->until, on_done, r, &err);
    if (r->task) list_append(&o->running, &r->links);
    else {
        answer(o, order->id, err.message, 0);
        mem_free(r);
    }
}

static void carry_out(struct orders *o, const struct doc_bucket *b, const struct order *order)
{
    struct vbucket_figures f = {0};
    struct divan_error err = {0};
    if (replication_read(o->engine, b->name, order->vbucket, &f, &err)) answer(o, order->id, err.message, 0);
    else if (f.mode == VBUCKET_ACTIVE && order->kind == ORDER_TAKE_OVER) answer(o, order->id, "", f.high_seqno);
    else if (f.mode == VBUCKET_ACTIVE) answer(o, order->id, "the vBucket is active at this node", 0);
    else {
        if (f.mode == VBUCKET_DEAD && order->fresh)
            engine_set_role(o->engine, b->name, order->vbucket, &(struct vbucket_role){.mode = VBUCKET_ABSENT}, NULL);
        begin(o, b, order);
    }
}

/* A failover begins: no move goes on, and those to be failed over are not followed any more. */
static void give_way(struct orders *o, const char *bucket, const char *gone)
{
    orders_cancel(o, bucket);
    if (gone && *gone) replication_fence(o->engine, bucket, gone, FENCE_MS, NULL);
}

void orders_take(struct orders *o, const struct doc *d, const struct order *order)
{
    const struct doc_bucket *b = doc_find_bucket_uuid(d, order->bucket);
    if (!b || !b->map.entries) {
        answer(o, order->id, "there is no such bucket here", 0);
        return;
    }
    if (order->kind == ORDER_READ) {
        if (order->vbucket == ORDER_ALL) give_way(o, b->name, order->node);
        else cancel_one(o, b->name, order->vbucket);
        read_figures(o, b, order);
    } else if (!goes_on(o, b->name, order)) carry_out(o, b, order);
}
