/* The conductor against nodes made of numbers: whatever order messages take, whoever dies or forgets, a vBucket has one
 * active copy, nothing that a majority had is lost, and the cluster ends balanced. CLUSTER_SEEDS and CLUSTER_SEED choose. */
#include "unit/manager_support.h"

#include "io/sim.h"
#include "manager/conductor.h"
#include "manager/vbplan.h"
#include "node/placement.h"

enum { NODES = 5, VBUCKETS = 16, QUEUE = 4096, TASKS = 64, MS = 1000000 };

struct message {
    uint64_t at_ns;
    struct doc *doc; /* NULL = an order */
    struct order order;
    char source[33];
};

struct copy {
    enum vbucket_mode mode;
    uint64_t seqno;
};

struct job {
    bool used;
    struct order order;
    char source[33];
    uint64_t at_ns;
};

struct fake {
    char uuid[33];
    bool up, linked, member; /* up: its process runs */
    struct message queue[QUEUE];
    size_t head, tail;
    uint64_t last_ns; /* messages stay in order */
    struct doc *doc;
    struct copy vb[VBUCKETS];
    struct job jobs[TASKS];
};

struct world {
    struct sim *sim;
    struct io_loop *loop;
    struct cluster c;
    struct conductor *conductor;
    struct fake nodes[NODES];
    struct rng rng;
    uint64_t acked[VBUCKETS], seed;
    unsigned failure_percent;
    bool failed_over;
};

static uint64_t now(const struct world *w)
{
    return sim_now(w->sim);
}

static struct fake *node_of(struct world *w, const char *uuid)
{
    for (int i = 0; i < NODES; i++)
        if (strcmp(w->nodes[i].uuid, uuid) == 0) return &w->nodes[i];
    return NULL;
}

/* ---- links */

static struct message *push(struct world *w, struct fake *n)
{
    uint64_t at = now(w) + (1 + rng_u64(&w->rng) % 8) * MS;
    if (at < n->last_ns) at = n->last_ns;
    n->last_ns = at;
    assert_true(n->tail - n->head < QUEUE);
    struct message *m = &n->queue[n->tail++ % QUEUE];
    *m = (struct message){.at_ns = at};
    return m;
}

static void unlink_node(struct world *w, struct fake *n)
{
    for (; n->head < n->tail; n->head++) doc_release(n->queue[n->head % QUEUE].doc);
    n->linked = false;
    if (w->conductor) conductor_node_gone(w->conductor, n->uuid);
}

static void link_node(struct world *w, struct fake *n)
{
    n->linked = true;
    push(w, n)->doc = doc_retain(w->c.doc);
}

/* ---- what the conductor sees */

static const struct doc *host_doc(void *user)
{
    return ((struct world *)user)->c.doc;
}

static void adopt(struct world *w, struct doc *next)
{
    if (next != w->c.doc) doc_release(w->c.doc);
    w->c.doc = next;
    for (int i = 0; i < NODES; i++)
        if (w->nodes[i].linked) push(w, &w->nodes[i])->doc = doc_retain(next);
}

static bool host_commit(void *user, struct doc *next)
{
    struct world *w = user;
    plan_raise_revisions(w->c.doc, next);
    adopt(w, next);
    return true;
}

static bool host_send(void *user, const char *uuid, const struct order *o)
{
    struct world *w = user;
    struct fake *n = node_of(w, uuid);
    if (!n || !n->linked) return false;
    struct message *m = push(w, n);
    m->order = *o;
    text_copy(m->source, sizeof m->source, o->node);
    return true;
}

static bool host_ready(void *user, const char *uuid, int64_t rev)
{
    struct world *w = user;
    const struct fake *n = node_of(w, uuid);
    return n && n->linked && n->up && n->doc && n->doc->revision.rev >= rev;
}

static uint64_t host_wall(void *user)
{
    return now(user) / MS;
}

static void start_conductor(struct world *w)
{
    const struct conductor_host host = {w, host_doc, host_commit, host_send, host_ready, host_wall};
    const struct conductor_options options = {.leave_ms = 50, .patience_ms = 400, .read_ms = 100};
    w->conductor = conductor_new(w->loop, &host, &options, NULL);
    assert_non_null(w->conductor);
}

/* ---- a node */

static const struct doc_bucket *bucket(const struct doc *d)
{
    return d && d->bucket_count ? &d->buckets[0] : NULL;
}

static void apply(struct fake *n, struct doc *d)
{
    const struct doc_bucket *b = bucket(d);
    doc_release(n->doc);
    n->doc = d;
    for (unsigned v = 0; b && b->map.entries && v < VBUCKETS; v++) {
        enum vbucket_mode mode = placement_mode(d, b, v, n->uuid);
        if (mode == VBUCKET_KEEP) continue;
        n->vb[v].mode = mode;
        if (mode == VBUCKET_ABSENT) n->vb[v].seqno = 0;
    }
    if (d->task.stage == DOC_TASK_IDLE) memset(n->jobs, 0, sizeof n->jobs);
}

static struct copy_figures figures(const struct copy *c)
{
    static const enum copy_mode modes[] = {COPY_ABSENT, COPY_ACTIVE, COPY_REPLICA, COPY_PENDING, COPY_DEAD};
    return (struct copy_figures){true, modes[c->mode], 0, c->seqno};
}

static void read_all(struct world *w, struct fake *n, const struct order *o)
{
    struct copy_figures f[VBUCKETS];
    bool all = o->vbucket == ORDER_ALL;
    for (int i = 0; i < TASKS; i++)
        if (all || n->jobs[i].order.vbucket == o->vbucket) n->jobs[i].used = false;
    for (unsigned v = 0; v < VBUCKETS; v++) f[v] = figures(&n->vb[v]);
    conductor_result(w->conductor, n->uuid,
                     &(struct order_result){o->id, "", 0, all ? f : &f[o->vbucket], all ? VBUCKETS : 1});
}

static void take_order(struct world *w, struct fake *n, const struct message *m)
{
    struct job *free_job = NULL;
    if (m->order.kind == ORDER_READ) {
        read_all(w, n, &m->order);
        return;
    }
    for (int i = 0; i < TASKS; i++) {
        struct job *j = &n->jobs[i];
        if (j->used && j->order.vbucket == m->order.vbucket) j->used = false;
        if (!j->used) free_job = j;
    }
    assert_non_null(free_job);
    *free_job = (struct job){true, m->order, "", now(w) + (1 + rng_u64(&w->rng) % 12) * MS};
    memcpy(free_job->source, m->source, sizeof m->source);
}

static void finish_job(struct world *w, struct fake *n, struct job *j)
{
    struct fake *s = node_of(w, j->source);
    unsigned v = j->order.vbucket;
    struct copy *mine = &n->vb[v], *theirs = s ? &s->vb[v] : NULL;
    struct order_result r = {.id = j->order.id, .problem = ""};
    bool unlucky = rng_u64(&w->rng) % 100 < w->failure_percent;
    j->used = false;
    if (mine->mode == VBUCKET_ACTIVE) r.problem = j->order.kind == ORDER_TAKE_OVER ? "" : "active here";
    else if (!s || !s->up || theirs->mode != VBUCKET_ACTIVE || (unlucky && j->order.kind == ORDER_BUILD))
        r.problem = "the source does not serve it";
    else if (j->order.kind == ORDER_BUILD) *mine = (struct copy){VBUCKET_REPLICA, theirs->seqno};
    else {
        theirs->mode = VBUCKET_DEAD;
        *mine = (struct copy){unlucky ? VBUCKET_PENDING : VBUCKET_ACTIVE, theirs->seqno};
        if (unlucky) r.problem = "its last word was lost";
    }
    r.seqno = mine->seqno;
    if (n->linked) conductor_result(w->conductor, n->uuid, &r);
}

static void step_node(struct world *w, struct fake *n)
{
    while (n->up && n->linked && n->head < n->tail && n->queue[n->head % QUEUE].at_ns <= now(w)) {
        struct message m = n->queue[n->head++ % QUEUE];
        if (m.doc) {
            apply(n, m.doc);
            conductor_wake(w->conductor);
        } else take_order(w, n, &m);
    }
    for (int i = 0; n->up && i < TASKS; i++)
        if (n->jobs[i].used && n->jobs[i].at_ns <= now(w)) finish_job(w, n, &n->jobs[i]);
}

/* ---- clients and copies */

static struct fake *active_of(struct world *w, unsigned v)
{
    struct fake *found = NULL;
    for (int i = 0; i < NODES; i++) {
        struct fake *n = &w->nodes[i];
        const struct doc_node *known = doc_find_node(w->c.doc, n->uuid);
        if (!n->up || n->vb[v].mode != VBUCKET_ACTIVE || !known || known->membership != DOC_ACTIVE) continue;
        if (found)
            fail_msg("seed %llu: vBucket %u is active twice at %llu ms", (unsigned long long)w->seed, v,
                     (unsigned long long)(now(w) / MS));
        found = n;
    }
    return found;
}

static uint64_t majority_of(struct world *w, const struct doc_vbmap *m, const int16_t *row, unsigned v)
{
    uint64_t least = UINT64_MAX; /* two copies: both */
    for (unsigned c = 0; c < m->row; c++) {
        const struct fake *n = row[c] >= 0 ? node_of(w, m->servers[row[c]]) : NULL;
        uint64_t seqno = n && n->up && n->vb[v].mode != VBUCKET_ABSENT ? n->vb[v].seqno : 0;
        if (seqno < least) least = seqno;
    }
    return least;
}

static void write_and_copy(struct world *w, unsigned v)
{
    struct fake *a = active_of(w, v);
    const struct doc_bucket *b = a ? bucket(a->doc) : NULL;
    if (!b) return;
    a->vb[v].seqno++;
    for (int i = 0; i < NODES; i++) {
        struct fake *n = &w->nodes[i];
        if (n->up && n != a && n->vb[v].mode == VBUCKET_REPLICA && rng_u64(&w->rng) % 2)
            n->vb[v].seqno = a->vb[v].seqno;
    }
    const struct doc_vbmap *m = &b->map;
    size_t at = (size_t)v * m->row;
    if (m->entries[at] != doc_server_of(m, a->uuid))
        return; /* it has not heard of its chain yet: nothing is acknowledged */
    uint64_t acked = majority_of(w, m, m->entries + at, v);
    if (m->moving && m->moving[at] >= 0 && m->forward && memcmp(m->moving + at, m->entries + at, m->row * 2) == 0) {
        uint64_t next = majority_of(w, m, m->forward + at, v);
        if (next < acked) acked = next;
    }
    if (acked > w->acked[v]) w->acked[v] = acked;
}

static void tick(struct world *w)
{
    sim_run_for(w->sim, MS);
    for (int i = 0; i < NODES; i++) step_node(w, &w->nodes[i]);
    for (unsigned v = 0; v < VBUCKETS; v++) write_and_copy(w, v);
}

static void run_ms(struct world *w, unsigned ms)
{
    while (ms--) tick(w);
}

/* ---- requests */

static int ask(struct world *w, const char *op, const char *form)
{
    struct doc *before = doc_retain(w->c.doc);
    int status = cluster_run(&w->c, op, NULL, form, NULL);
    if (w->c.doc != before) adopt(w, w->c.doc);
    doc_release(before);
    conductor_wake(w->conductor);
    return status;
}

static void set_down(struct world *w, const struct fake *n, bool down)
{
    struct doc *next = doc_copy(w->c.doc);
    struct doc_node *known = doc_find_node(next, n->uuid);
    if (known) known->down = down;
    host_commit(w, next);
}

static void join(struct world *w, int i)
{
    struct fake *n = &w->nodes[i];
    char host[16];
    snprintf(host, sizeof host, "127.0.0.%u", (unsigned)(i + 1) % 10);
    n->up = true;
    if (i) cluster_hello(&w->c, n->uuid, host, 9000);
    n->member = true;
    adopt(w, w->c.doc);
    link_node(w, n);
}

static int rebalance(struct world *w, const char *eject)
{
    char form[600];
    int at = snprintf(form, sizeof form, "ejectedNodes=%s&knownNodes=", eject);
    for (size_t i = 0; i < w->c.doc->node_count; i++)
        at += snprintf(form + at, sizeof form - (size_t)at, i ? ",%s" : "%s", w->c.doc->nodes[i].otp);
    return ask(w, "rebalance", form);
}

static void wait_idle(struct world *w)
{
    for (int i = 0; i < 20000 && (doc_is_busy(w->c.doc) || conductor_is_failing(w->conductor)); i++) tick(w);
    if (doc_is_busy(w->c.doc)) fail_msg("seed %llu: it never ends", (unsigned long long)w->seed);
}

static void on_failed_over(void *user, bool done)
{
    ((struct world *)user)->failed_over = done;
}

static void fail_over(struct world *w, int i)
{
    const char *uuid = w->nodes[i].uuid;
    w->failed_over = false;
    while (conductor_is_failing(w->conductor)) tick(w);
    assert_true(conductor_fail_over(w->conductor, &uuid, 1, false, "it failed", on_failed_over, w));
    for (int k = 0; k < 1000 && !w->failed_over; k++) tick(w);
    assert_true(w->failed_over);
}

/* The process dies, with all that was in its memory. */
static void crash(struct world *w, int i)
{
    struct fake *n = &w->nodes[i];
    n->up = false;
    memset(n->vb, 0, sizeof n->vb);
    memset(n->jobs, 0, sizeof n->jobs);
    doc_release(n->doc);
    n->doc = NULL;
    unlink_node(w, n);
    set_down(w, n, true);
}

static void open_world(struct world *w, uint64_t seed, int nodes)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    rng_init(&w->rng, seed);
    w->sim = sim_new(seed);
    w->loop = sim_host(w->sim, "127.0.0.1");
    for (int i = 0; i < NODES; i++) snprintf(w->nodes[i].uuid, 33, "%032x", 10 + i);
    cluster_open(&w->c);
    w->c.doc->vbuckets = VBUCKETS;
    start_conductor(w);
    for (int i = 0; i < nodes; i++) join(w, i);
    assert_int_equal(ask(w, "bucket_create", "name=B&ramQuotaMB=100&replicaNumber=1"), 202);
    if (nodes > 1) assert_int_equal(rebalance(w, ""), 200);
    wait_idle(w);
    run_ms(w, 20);
}

static void close_world(struct world *w)
{
    conductor_free(w->conductor);
    w->conductor = NULL;
    for (int i = 0; i < NODES; i++) {
        unlink_node(w, &w->nodes[i]);
        doc_release(w->nodes[i].doc);
    }
    cluster_close(&w->c);
    sim_free(w->sim);
}

static void check_end(struct world *w)
{
    wait_idle(w);
    run_ms(w, 60);
    if (!doc_is_balanced(w->c.doc)) fail_msg("seed %llu: it is not balanced", (unsigned long long)w->seed);
    assert_null(w->c.doc->buckets[0].map.forward);
    assert_null(w->c.doc->buckets[0].map.moving);
    for (unsigned v = 0; v < VBUCKETS; v++) {
        const struct fake *a = active_of(w, v);
        if (!a || a->vb[v].seqno < w->acked[v])
            fail_msg("seed %llu: vBucket %u has %llu, a majority had %llu", (unsigned long long)w->seed, v,
                     a ? (unsigned long long)a->vb[v].seqno : 0ull, (unsigned long long)w->acked[v]);
        assert_true(w->acked[v] > 0);
    }
}

/* ---- stories */

static void nodes_come_and_go(void **state)
{
    static struct world w;
    open_world(&w, 1, 1);
    join(&w, 1);
    assert_false(doc_is_balanced(w.c.doc));
    assert_int_equal(rebalance(&w, ""), 200);
    assert_int_equal(rebalance(&w, ""), 200); /* it goes on */
    check_end(&w);
    join(&w, 2);
    assert_int_equal(rebalance(&w, "n_9000@127.0.0.2"), 200); /* a swap */
    check_end(&w);
    assert_null(doc_find_node(w.c.doc, w.nodes[1].uuid));
    assert_int_equal(w.c.doc->counters.rebalance_success, 2);
    close_world(&w);
}

static void graceful_failover_and_recovery(void **state)
{
    static struct world w;
    int16_t before[VBUCKETS * 2];
    open_world(&w, 2, 3);
    memcpy(before, w.c.doc->buckets[0].map.entries, sizeof before);
    assert_int_equal(ask(&w, "graceful_fail_over", "otpNode=n_9000@127.0.0.2"), 200);
    assert_int_equal(ask(&w, "fail_over", "otpNode=n_9000@127.0.0.3"), 503);
    wait_idle(&w);
    run_ms(&w, 30);
    assert_int_equal(doc_find_node(w.c.doc, w.nodes[1].uuid)->membership, DOC_INACTIVE_FAILED);
    for (unsigned v = 0; v < VBUCKETS; v++) assert_int_not_equal(w.nodes[1].vb[v].mode, VBUCKET_ACTIVE);
    assert_int_equal(ask(&w, "recovery_type", "otpNode=n_9000@127.0.0.2&recoveryType=delta"), 200);
    assert_int_equal(rebalance(&w, ""), 200);
    check_end(&w);
    assert_memory_equal(before, w.c.doc->buckets[0].map.entries, sizeof before); /* everybody is where he was */
    close_world(&w);
}

static void a_stopped_rebalance_goes_on_later(void **state)
{
    static struct world w;
    open_world(&w, 3, 2);
    join(&w, 2);
    assert_int_equal(rebalance(&w, ""), 200);
    run_ms(&w, 25);
    assert_int_equal(ask(&w, "stop_rebalance", NULL), 200);
    wait_idle(&w);
    assert_non_null(w.c.doc->buckets[0].map.forward); /* as the real one leaves it */
    assert_string_equal(w.c.doc->task.error, "");
    assert_int_equal(w.c.doc->counters.rebalance_stop, 1);
    run_ms(&w, 30);
    assert_int_equal(rebalance(&w, ""), 200);
    check_end(&w);
    close_world(&w);
}

static void a_rebalance_without_its_node_fails(void **state)
{
    static struct world w;
    open_world(&w, 4, 2);
    join(&w, 2);
    assert_int_equal(rebalance(&w, ""), 200);
    run_ms(&w, 20);
    w.nodes[2].up = false;
    unlink_node(&w, &w.nodes[2]);
    set_down(&w, &w.nodes[2], true);
    run_ms(&w, 700);
    w.nodes[2].up = true;
    link_node(&w, &w.nodes[2]);
    set_down(&w, &w.nodes[2], false);
    wait_idle(&w);
    assert_string_equal(w.c.doc->task.error, "Rebalance failed. See logs for detailed reason. You can try again.");
    assert_int_equal(rebalance(&w, ""), 200);
    check_end(&w);
    close_world(&w);
}

static void memory_that_runs_out_only_delays(void **state)
{
    static struct world w;
    for (uint64_t n = 1; n < 2000; n += 1 + n / 6) {
        open_world(&w, 5, 2);
        join(&w, 2);
        assert_int_equal(rebalance(&w, "n_9000@127.0.0.2"), 200);
        mem_fail_at(n);
        run_ms(&w, 60);
        mem_fail_at(0);
        check_end(&w);
        fail_over(&w, 2);
        close_world(&w);
    }
}

/* What may happen in the middle. */
static void disturb(struct world *w)
{
    int i = (int)(rng_u64(&w->rng) % 4);
    switch (rng_u64(&w->rng) % 6) {
    case 0: /* the manager dies and begins anew */
    case 1:
        conductor_free(w->conductor);
        start_conductor(w);
        break;
    case 2:
    case 3: /* a link breaks */
        if (!w->nodes[i].linked) break;
        unlink_node(w, &w->nodes[i]);
        run_ms(w, (unsigned)(rng_u64(&w->rng) % 60));
        link_node(w, &w->nodes[i]);
        break;
    case 4:
        ask(w, "stop_rebalance", NULL);
        wait_idle(w);
        rebalance(w, "");
        break;
    default: /* a node hangs for a while */
        w->nodes[i].up = false;
        run_ms(w, (unsigned)(rng_u64(&w->rng) % 60));
        w->nodes[i].up = true;
    }
}

static void one_seed(uint64_t seed)
{
    static struct world w;
    open_world(&w, seed, 3);
    w.failure_percent = 15;
    join(&w, 3);
    assert_int_equal(rebalance(&w, ""), 200);
    for (int k = 0; k < 6 && doc_is_busy(w.c.doc); k++) {
        run_ms(&w, (unsigned)(rng_u64(&w.rng) % 40));
        disturb(&w);
    }
    bool crashes = rng_u64(&w.rng) % 2;
    int victim = (int)(rng_u64(&w.rng) % 4);
    if (crashes) { /* whatever is moving just now */
        run_ms(&w, 30);
        crash(&w, victim);
        run_ms(&w, (unsigned)(rng_u64(&w.rng) % 100));
        fail_over(&w, victim);
    }
    wait_idle(&w);
    w.failure_percent = 0;
    run_ms(&w, 50);
    assert_int_equal(rebalance(&w, ""), 200);
    check_end(&w);
    close_world(&w);
}

static void nothing_is_lost_whatever_happens(void **state)
{
    const char *count = getenv("CLUSTER_SEEDS"), *one = getenv("CLUSTER_SEED");
    uint64_t seeds = count ? strtoull(count, NULL, 10) : 150;
    if (one) one_seed(strtoull(one, NULL, 10));
    for (uint64_t seed = 100; !one && seed < 100 + seeds; seed++) one_seed(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_come_and_go),
        cmocka_unit_test(graceful_failover_and_recovery),
        cmocka_unit_test(a_stopped_rebalance_goes_on_later),
        cmocka_unit_test(a_rebalance_without_its_node_fails),
        cmocka_unit_test(memory_that_runs_out_only_delays),
        cmocka_unit_test(nothing_is_lost_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
