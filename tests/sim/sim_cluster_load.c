/* The load: workers that each have one operation in flight. Everything they do happens on the loop of their client's host,
 * so that a frozen program asks nothing. */
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "sim/sim_cluster.h"

enum { OPEN_MS = 15000 };

/* ---- values: a read must be able to tell whose value it got, whole */

static void make_value(const char *key, uint64_t value, size_t len, struct buf *out)
{
    buf_clear(out);
    buf_printf(out, "%s=%llu;", key, (unsigned long long)value);
    for (size_t i = out->len; i < len; i++) buf_u8(out, (uint8_t)('a' + (i * 7 + value) % 26));
}

static size_t value_len(const struct world *w, uint64_t value)
{
    return value * 2654435761u % w->plan.value_max;
}

static bool read_value(const struct world *w, const char *key, struct divan_bytes got, uint64_t *value)
{
    struct buf expected = {.limit = 1 << 20};
    const char *text = got.data;
    size_t at = strlen(key);
    *value = 0;
    if (got.len <= at + 2 || memcmp(text, key, at) || text[at] != '=') return false;
    for (at++; at < got.len && text[at] >= '0' && text[at] <= '9'; at++)
        *value = *value * 10 + (uint64_t)(text[at] - '0');
    make_value(key, *value, value_len(w, *value), &expected);
    bool same = bytes_equal(got, buf_view(&expected));
    buf_fini(&expected);
    return same;
}

static bool read_number(struct divan_bytes got, uint64_t *value)
{
    const char *text = got.data;
    *value = 0;
    for (size_t i = 0; i < got.len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        *value = *value * 10 + (uint64_t)(text[i] - '0');
    }
    return got.len > 0;
}

/* ---- what happened */

static bool is_read(const struct entry *e)
{
    return e->what == DO_READ || e->what == DO_READ_COUNT || e->what == DO_LOOK;
}

static enum told outcome_of(const struct operation *op)
{
    if (!op->error) return TOLD_DONE;
    return op->error->flags & DIVAN_IS_AMBIGUOUS ? TOLD_AMBIGUOUS : TOLD_REFUSED;
}

static void take_answer(struct world *w, struct entry *e, const struct operation *op)
{
    e->outcome = outcome_of(op);
    e->code = op->error ? (uint16_t)op->error->code : 0;
    e->attempts = op->attempts;
    e->reasons = op->reasons;
    e->vbucket = op->vbucket;
    e->endpoint = op->endpoint;
    e->data_refusal = e->code == DIVAN_ERR_DOCUMENT_EXISTS || e->code == DIVAN_ERR_DOCUMENT_NOT_FOUND;
    e->there = e->outcome == TOLD_DONE || e->code == DIVAN_ERR_DOCUMENT_EXISTS;
    if (is_read(e) && e->code == DIVAN_ERR_DOCUMENT_NOT_FOUND) {
        e->outcome = TOLD_DONE;
        e->value = 0;
        return;
    }
    if (e->outcome != TOLD_DONE) return;
    e->cas = op->cas;
    e->vbuuid = op->token.vbucket_uuid;
    e->seqno = op->token.seqno;
    if (e->what == DO_COUNT) e->value = op->number;
    else if (e->what == DO_READ_COUNT) e->spoilt = !read_number(op->value, &e->value);
    else if (is_read(e)) e->spoilt = !read_value(w, e->key, op->value, &e->value);
}

/* On the loop of the client, within its core: only notes. */
static void on_deliver(void *user, struct operation *op)
{
    struct worker *worker = op->user;
    struct world *w = worker->caller->world;
    if (worker->entry == SIZE_MAX || worker->op) {
        world_fail(w, "completion", "an operation completed twice or after it was gone (%s)", op_facts_of(op)->name);
        return;
    }
    struct entry *e = &w->history.entries[worker->entry];
    e->end = ++w->history.clock;
    e->end_ns = sim_now(w->sim);
    e->times++;
    /* A program that stood still completes what was due meanwhile when it moves again. */
    uint64_t thawed = w->thawed_ns[HOST_CLIENT + e->client];
    if (thawed > e->deadline_ns) e->deadline_ns = thawed;
    take_answer(w, e, op);
    worker->op = op;
    w->in_flight--;
    if (w->tell) {
        char line[160];
        judge_describe(e, line, sizeof line);
        world_say(w, "%s%s%s", line, op->error ? ": " : "", op->error ? op->error->message : "");
    }
    io_timer_start(&worker->timer, 0);
}

/* ---- what to do next */

static struct entry *new_entry(struct world *w)
{
    struct history *h = &w->history;
    if (h->count == h->cap) {
        h->cap = h->cap ? 2 * h->cap : 1024;
        h->entries = realloc(h->entries, h->cap * sizeof *h->entries);
        if (!h->entries) abort();
    }
    struct entry *e = &h->entries[h->count];
    memset(e, 0, sizeof *e);
    e->id = h->count++;
    return e;
}

static void name(struct entry *e, char kind, uint64_t number)
{
    snprintf(e->key, sizeof e->key, "%c%u", kind, (unsigned)number);
}

static bool choose_remove(struct world *w, struct entry *e)
{
    if (!w->next_element) return false;
    uint64_t n = rng_below(&w->rng, w->next_element);
    if (w->elements_removed[n / 64] >> n % 64 & 1) return false;
    w->elements_removed[n / 64] |= UINT64_C(1) << n % 64;
    e->what = DO_REMOVE;
    e->durability = n % 2 ? 0 : 1;
    name(e, 's', n);
    return true;
}

static void choose(struct world *w, struct entry *e)
{
    struct rng *r = &w->rng;
    uint64_t dice = rng_below(r, 100);
    if (dice >= 90 && choose_remove(w, e)) return;
    if (dice >= 80 && w->next_element < ELEMENTS) {
        uint64_t n = w->next_element++;
        e->what = DO_INSERT;
        e->durability = n % 2 ? 0 : 1;
        e->value = ++w->next_value;
        name(e, 's', n);
        return;
    }
    if (dice >= 75 && w->next_element) {
        e->what = DO_LOOK;
        name(e, 's', rng_below(r, w->next_element));
        return;
    }
    uint64_t n = rng_below(r, KEYS);
    if (dice >= 50) {
        e->what = dice >= 70 ? DO_READ_COUNT : DO_COUNT;
        e->durability = e->what == DO_COUNT && n % 2;
        name(e, 'c', n);
        return;
    }
    bool durable = rng_below(r, 2);
    e->what = dice < 25 ? DO_WRITE : DO_READ;
    if (e->what == DO_WRITE) {
        e->value = ++w->next_value;
        e->durability = durable;
    }
    name(e, durable ? 'd' : 'r', n);
}

static bool choose_read_back(struct world *w, struct entry *e)
{
    size_t i = w->read_back - 1;
    e->of_end = true;
    if (i < 3 * KEYS) {
        e->what = i < 2 * KEYS ? DO_READ : DO_READ_COUNT;
        name(e, "rdc"[i / KEYS], i % KEYS);
    } else if (i - 3 * KEYS < w->next_element) {
        e->what = DO_LOOK;
        name(e, 's', i - 3 * KEYS);
    } else return false;
    w->read_back++;
    return true;
}

/* ---- asking */

static uint32_t timeout_of(struct world *w, const struct entry *e)
{
    static const uint32_t plain[] = {200, 500, 1000, 2500};
    if (w->plan.timeout_ms) return w->plan.timeout_ms;
    if (w->phase != PHASE_SAFETY) return 2500;
    return e->durability ? 2500 : plain[rng_below(&w->rng, 4)];
}

static void fill(struct world *w, const struct entry *e, struct operation *op)
{
    static const enum op_kind kinds[DO_KINDS] = {
        [DO_WRITE] = KIND_UPSERT,  [DO_READ] = KIND_GET,      [DO_COUNT] = KIND_INCREMENT, [DO_READ_COUNT] = KIND_GET,
        [DO_INSERT] = KIND_INSERT, [DO_REMOVE] = KIND_REMOVE, [DO_LOOK] = KIND_GET,
    };
    op->kind = (uint8_t)kinds[e->what];
    op->how = DONE_NOWHERE;
    op->key_len = (uint8_t)strlen(e->key);
    memcpy(op->key, e->key, op->key_len);
    op->durability = e->durability;
    op->number = op->initial = e->what == DO_COUNT ? 1 : 0; /* the first one makes it, with its own delta */
    if (e->what != DO_WRITE && e->what != DO_INSERT) return;
    struct buf value = {.limit = 1 << 20};
    make_value(e->key, e->value, value_len(w, e->value), &value);
    if (!op_own_value(op, buf_view(&value))) abort();
    buf_fini(&value);
}

static void ask(struct worker *worker, struct entry *e)
{
    struct caller *caller = worker->caller;
    struct world *w = caller->world;
    struct operation *op = client_take(caller->client);
    struct divan_error err;
    if (!op) abort();
    fill(w, e, op);
    op->user = worker;
    op->collection = caller->collection;
    op->timeout_ms = timeout_of(w, e);
    e->client = (uint8_t)caller->number;
    e->start = ++w->history.clock;
    e->start_ns = sim_now(w->sim);
    e->deadline_ns = e->start_ns + op->timeout_ms * NS_PER_MS;
    worker->entry = (size_t)e->id;
    w->started++;
    w->in_flight++;
    if (client_start(caller->client, op, &err)) {
        world_fail(w, "load", "an operation was not accepted: %s", err.message);
        op_release(op);
    }
}

static uint64_t pause_ns(struct world *w)
{
    uint64_t workers = w->plan.workers * w->plan.clients;
    uint64_t mean = w->plan.safety_ns * workers / (w->plan.operations + 1);
    return rng_below(&w->rng, 2 * mean + 1);
}

static void next_one(struct worker *worker)
{
    struct world *w = worker->caller->world;
    struct entry *e;
    if (w->phase == PHASE_SETUP || !worker->caller->client || w->failed) return;
    if (w->phase == PHASE_END) {
        if (!w->read_back) return;
        e = new_entry(w);
        if (!choose_read_back(w, e)) {
            w->history.count--;
            return;
        }
    } else choose(w, e = new_entry(w));
    ask(worker, e);
}

static void on_timer(void *user)
{
    struct worker *worker = user;
    struct world *w = worker->caller->world;
    if (worker->op) {
        op_release(worker->op);
        worker->op = NULL;
        worker->entry = SIZE_MAX;
        if (w->phase != PHASE_END && rng_below(&w->rng, 4)) {
            io_timer_start(&worker->timer, sim_now(w->sim) + pause_ns(w));
            return;
        }
    }
    if (worker->entry == SIZE_MAX) next_one(worker);
}

/* ---- life */

static void on_opened(void *user, const struct divan_error *err)
{
    struct caller *c = user;
    c->opened = true;
    if (err) c->open_error = *err;
}

static void on_log(void *user, int level, const char *text)
{
    const struct caller *c = user;
    world_say(c->world, "  client %u: %s", c->number, text);
}

static const char *bucket_name(const struct world *w)
{
    return w->bucket ? w->bucket : "b";
}

static bool make_client(struct world *w, struct caller *c)
{
    struct client_config config;
    struct divan_error err;
    struct buf connstr = {.limit = 1024};
    struct divan_cluster_options o = {.username = "u", .password = "password", .log_level = DIVAN_LOG_OFF};
    if (w->connstr) buf_put_str(&connstr, w->connstr);
    else buf_put_str(&connstr, "couchbase://");
    for (size_t i = 0; i < w->plan.nodes; i++) buf_printf(&connstr, "%s%s", i ? "," : "", w->members[i].host);
    buf_printf(&connstr, "/%s", bucket_name(w));
    if (w->mechanisms) buf_printf(&connstr, "?allowed_sasl_mechanisms=%s", w->mechanisms);
    enum divan_code rc = client_config_make(&config, buf_text(&connstr), &o, &err);
    buf_fini(&connstr);
    if (!rc) config.log = (struct log){w->tell ? LOG_DEBUG : LOG_OFF, on_log, c};
    if (!rc) c->client = client_new(c->loop, &config, on_deliver, c, &err);
    return c->client || world_fail(w, "setup", "client: %s", err.message);
}

static bool open_one(struct world *w, size_t i)
{
    struct caller *c = &w->callers[i];
    c->world = w;
    c->number = (unsigned)i;
    c->host = w->hosts[HOST_CLIENT + i];
    c->loop = sim_host(w->sim, c->host);
    for (size_t k = 0; k < WORKERS; k++) {
        c->workers[k] = (struct worker){.caller = c, .entry = SIZE_MAX};
        io_timer_init(&c->workers[k].timer, c->loop, on_timer, &c->workers[k]);
    }
    if (!make_client(w, c)) return false;
    client_open(c->client, on_opened, c);
    return true;
}

bool load_open(struct world *w)
{
    uint64_t until = sim_now(w->sim) + OPEN_MS * NS_PER_MS;
    for (size_t i = 0; i < w->plan.clients; i++)
        if (!open_one(w, i)) return false;
    for (size_t i = 0; i < w->plan.clients; i++) {
        struct caller *c = &w->callers[i];
        while (!c->opened)
            if (!world_step(w, until)) return world_fail(w, "setup", "client %zu never opened", i);
        if (c->open_error.code) return world_fail(w, "setup", "client %zu: %s", i, c->open_error.message);
        c->collection = collection_of(bucket_find(c->client, bucket_name(w)), NULL, NULL);
    }
    return true;
}

static void set_to_work(struct world *w, struct caller *c, size_t workers)
{
    for (size_t k = 0; k < workers; k++)
        io_timer_start(&c->workers[k].timer, sim_now(w->sim) + (w->read_back ? 0 : pause_ns(w)));
}

void load_start(struct world *w)
{
    for (size_t i = 0; i < w->plan.clients; i++) set_to_work(w, &w->callers[i], w->plan.workers);
}

bool load_is_idle(const struct world *w)
{
    return w->in_flight == 0;
}

bool load_read_back(struct world *w)
{
    uint64_t until = sim_now(w->sim) + 20 * NS_PER_S;
    w->read_back = 1;
    set_to_work(w, &w->callers[0], WORKERS);
    while (!w->failed && (w->in_flight || w->read_back - 1 < 3 * KEYS + w->next_element))
        if (!world_step(w, until)) return world_fail(w, "read back", "it did not end");
    return !w->failed;
}

static void close_one(struct world *w, struct caller *c)
{
    if (!c->client) return;
    client_close(c->client);
    if (c->client->in_flight) world_fail(w, "close", "%zu operations are left after close", c->client->in_flight);
    for (size_t k = 0; k < WORKERS; k++) {
        io_timer_stop(&c->workers[k].timer);
        op_release(c->workers[k].op);
        c->workers[k].op = NULL;
    }
    io_loop_free(c->loop);
    c->loop = NULL;
    client_free(c->client);
    c->client = NULL;
}

void load_close(struct world *w)
{
    for (size_t i = 0; i < w->plan.clients; i++) close_one(w, &w->callers[i]);
    if (w->in_flight && !w->failed) world_fail(w, "close", "%zu operations never completed", w->in_flight);
}
