#include "client/client.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "client/canary.h"
#include "client/collections.h"
#include "client/race.h"
#include "client/observe.h"
#include "client/retry.h"
#include "client/scanner.h"
#include "client/services/http.h"
#include "client/watch.h"

enum { SRV_FLOOR_MS = 10000 };
enum timer_tag { TAG_DEADLINE, TAG_RETRY };

struct endpoint {
    struct link link;
    char text[];
};

/* ---- life */

static void on_wheel(void *user);
static void on_open_deadline(void *user);

struct client *client_new(struct io_loop *loop, struct client_config *config, client_deliver_fn *deliver, void *user,
                          struct divan_error *err)
{
    struct client *c = mem_zalloc(sizeof *c);
    if (!c) {
        client_config_fini(config);
        err_oom(err);
        return NULL;
    }
    c->loop = loop;
    c->config = *config;
    memset(config, 0, sizeof *config);
    c->log = &c->config.log;
    c->retry = c->config.fail_fast ? DIVAN_RETRY_FAIL_FAST : DIVAN_RETRY_BEST_EFFORT;
    c->breaker_limits = canary_limits(&c->config.options);
    c->deliver = deliver;
    c->deliver_user = user;
    c->id = rng_u64(io_rng(loop));
    c->scratch.limit = (size_t)FRAME_MAX;
    list_init(&c->buckets);
    list_init(&c->dirty);
    list_init(&c->endpoints);
    list_init(&c->scanners);
    wheel_init(&c->wheel, io_now_ns(loop));
    io_timer_init(&c->wheel_timer, loop, on_wheel, c);
    io_timer_init(&c->open_timer, loop, on_open_deadline, c);
    c->pool = op_pool_new();
    c->cluster_level = c->pool ? bucket_new(c, NULL) : NULL;
    if (c->cluster_level) return c;
    err_oom(err);
    client_free(c);
    return NULL;
}

/* Every operation in flight has its deadline on the wheel, wherever else it is. */
static void cancel_all(struct client *c)
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++) list_each(&c->wheel.slots[i], it)
        {
            struct wheel_entry *e = container_of(it, struct wheel_entry, link);
            if (e->tag != TAG_DEADLINE) continue;
            struct operation *op = container_of(e, struct operation, deadline);
            op->ambiguous = op->is_observed || (op->state == OP_SENT && !op_facts_of(op)->is_idempotent);
            client_cancel(c, op);
            it_next = c->wheel.slots[i].head.next; /* the list changed under us */
        }
}

static void end_opening(struct client *c, const struct divan_error *err);

void client_close(struct client *c)
{
    struct divan_error closed;
    struct link *link;
    if (c->state == CLIENT_CLOSED) return;
    err_set(&closed, DIVAN_ERR_CANCELLED, "the cluster handle was closed");
    if (c->state == CLIENT_OPENING) end_opening(c, &closed);
    c->state = CLIENT_CLOSED;
    while ((link = list_first(&c->scanners)) != NULL) scanner_stop(container_of(link, struct scanner, link));
    cancel_all(c);
    http_stop(c);
    bucket_free(c->cluster_level);
    c->cluster_level = NULL;
    while ((link = list_take_first(&c->buckets)) != NULL) bucket_free(container_of(link, struct bucket, link));
    io_lookup_cancel(c->srv_lookup);
    c->srv_lookup = NULL;
    io_timer_stop(&c->wheel_timer);
    io_timer_stop(&c->open_timer);
    watch_stop(c);
}

void client_free(struct client *c)
{
    if (!c) return;
    struct link *link;
    client_close(c);
    while ((link = list_take_first(&c->endpoints)) != NULL) mem_free(container_of(link, struct endpoint, link));
    op_pool_close(c->pool);
    errmap_free(c->errmap);
    buf_fini(&c->scratch);
    mem_free(c->network);
    client_config_fini(&c->config);
    mem_free(c);
}

const char *client_intern(struct client *c, const char *text)
{
    list_each(&c->endpoints, it)
    {
        struct endpoint *e = container_of(it, struct endpoint, link);
        if (!strcmp(e->text, text)) return e->text;
    }
    size_t len = strlen(text);
    struct endpoint *e = mem_zalloc(sizeof *e + len + 1);
    if (!e) return "?";
    memcpy(e->text, text, len);
    list_append(&c->endpoints, &e->link);
    return e->text;
}

const struct map *client_best_map(const struct client *c)
{
    const struct map *best = c->cluster_level ? c->cluster_level->map : NULL;
    list_each(&c->buckets, it)
    {
        const struct map *map = container_of(it, struct bucket, link)->map;
        if (map && (!best || revision_compare(map->revision, best->revision) > 0)) best = map;
    }
    return best;
}

/* ---- opening */

static void end_opening(struct client *c, const struct divan_error *err)
{
    client_opened_fn *fn = c->opened;
    io_timer_stop(&c->open_timer);
    if (c->state == CLIENT_OPENING) c->state = err ? CLIENT_NEW : CLIENT_OPEN;
    c->opened = NULL;
    if (fn) fn(c->opened_user, err);
}

static void on_open_deadline(void *user)
{
    struct client *c = user;
    struct divan_error err;
    struct buf states = {.limit = 4096};
    const struct bucket *bucket = bucket_has_map(c->cluster_level) && c->open_bucket ? c->open_bucket
                                                                                     : c->cluster_level;
    bucket_describe(bucket, &states);
    const char *text = buf_text(&states);
    err_set(&err, DIVAN_ERR_UNAMBIGUOUS_TIMEOUT, "opening the cluster took longer than %u ms; %s",
            c->config.open_timeout_ms, text ? text : "");
    buf_fini(&states);
    end_opening(c, &err);
}

void client_opening_step(struct client *c)
{
    if (c->state != CLIENT_OPENING) return;
    struct bucket *level = c->cluster_level, *bucket = c->open_bucket;
    if (bucket && bucket->cause.code) {
        end_opening(c, &bucket->cause);
        return;
    }
    if (bucket && bucket_has_map(bucket) && bucket_any_connection(bucket)) {
        end_opening(c, NULL);
        return;
    }
    if (level->cause.code && !bucket_has_map(level)) {
        end_opening(c, &level->cause);
        return;
    }
    bool level_ready = bucket_any_connection(level) != NULL;
    if (!level_ready) return;
    if (bucket) bucket_open(bucket);
    else end_opening(c, NULL); /* without a global map (old servers) the first bucket brings one */
}

/* The records take the place of the seeds. */
static bool take_seeds(struct client *c, const struct io_srv *srv, size_t count)
{
    struct seed *seeds = count ? mem_zalloc(count * sizeof *seeds) : NULL;
    size_t made = 0;
    for (; seeds && made < count; made++) {
        seeds[made] = (struct seed){mem_strdup(srv[made].target), srv[made].port};
        if (!seeds[made].host) break;
    }
    if (!made) {
        mem_free(seeds);
        return false;
    }
    for (size_t i = 0; i < c->config.seed_count; i++) mem_free(c->config.seeds[i].host);
    mem_free(c->config.seeds);
    c->config.seeds = seeds;
    c->config.seed_count = made;
    return true;
}

static void on_srv(void *user, const struct io_srv *srv, size_t count, const struct divan_error *err)
{
    struct client *c = user;
    c->srv_lookup = NULL;
    take_seeds(c, srv, count);
    bucket_open(c->cluster_level);
}

static void on_srv_again(void *user, const struct io_srv *srv, size_t count, const struct divan_error *err)
{
    struct client *c = user;
    c->srv_lookup = NULL;
    if (!take_seeds(c, srv, count)) return;
    list_each(&c->buckets, it)
    {
        struct bucket *bucket = container_of(it, struct bucket, link);
        if (bucket->is_wanted && !bucket_any_connection(bucket)) bucket_try_seeds(bucket);
    }
}

void client_refresh_seeds(struct client *c)
{
    uint64_t now = io_now_ns(c->loop);
    if (!c->config.srv_name || c->srv_lookup || c->state != CLIENT_OPEN) return;
    if (c->srv_asked_ns && now - c->srv_asked_ns < SRV_FLOOR_MS * NS_PER_MS) return;
    c->srv_asked_ns = now;
    c->srv_lookup = io_lookup_srv_start(c->loop, c->config.srv_name, on_srv_again, c, NULL);
}

void client_open(struct client *c, client_opened_fn *fn, void *user)
{
    c->opened = fn;
    c->opened_user = user;
    c->state = CLIENT_OPENING;
    uint64_t until = io_now_ns(c->loop) + c->config.open_timeout_ms * NS_PER_MS;
    bool ok = io_timer_start(&c->open_timer, until);
    if (ok && c->config.bucket) {
        c->open_bucket = bucket_new(c, c->config.bucket);
        ok = c->open_bucket != NULL;
        if (ok) list_append(&c->buckets, &c->open_bucket->link);
    }
    if (!ok) {
        struct divan_error err;
        err_oom(&err);
        end_opening(c, &err);
        return;
    }
    watch_start(c);
    if (c->config.srv_name) c->srv_lookup = io_lookup_srv_start(c->loop, c->config.srv_name, on_srv, c, NULL);
    if (!c->srv_lookup) bucket_open(c->cluster_level);
}

/* ---- operations */

struct operation *client_take(struct client *c)
{
    struct operation *op = op_take(c->pool);
    if (op) op->deadline.tag = TAG_DEADLINE, op->retry.tag = TAG_RETRY;
    return op;
}

static bool arm(struct client *c, struct wheel_entry *e, uint64_t at_ns)
{
    wheel_start(&c->wheel, e, at_ns);
    return (io_timer_running(&c->wheel_timer) && c->wheel_timer.at_ns <= at_ns) ||
           io_timer_start(&c->wheel_timer, at_ns);
}

enum divan_code client_start(struct client *c, struct operation *op, struct divan_error *err)
{
    size_t charge = op->value.len + op->key_len + sizeof *op;
    if (c->state != CLIENT_OPEN && c->state != CLIENT_OPENING)
        return err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed: open another one");
    bool too_many = c->in_flight >= c->config.max_in_flight;
    if (op->kind < KIND_DOCUMENT_COUNT && (too_many || c->in_flight_bytes + charge > c->config.max_in_flight_bytes)) {
        c->meter.rejected_overload++;
        return err_set(
            err, DIVAN_ERR_OVERLOADED,
            "%zu operations with %zu bytes are in flight, the limit of %s: wait for some to complete, or raise %s",
            c->in_flight, c->in_flight_bytes, too_many ? "operations" : "bytes",
            too_many ? "max_in_flight" : "max_in_flight_bytes");
    }
    op->start_ns = io_now_ns(c->loop);
    if (!arm(c, &op->deadline, op->start_ns + op->timeout_ms * NS_PER_MS)) {
        wheel_stop(&c->wheel, &op->deadline);
        return err_oom(err);
    }
    c->in_flight++;
    c->in_flight_bytes += charge;
    op->charged = charge;
    op->client = c;
    if (op->kind < KIND_DOCUMENT_COUNT || op_is_http(op)) client_route(c, op);
    return DIVAN_OK;
}

bool client_wake_at(struct client *c, struct operation *op, uint64_t at_ns)
{
    return arm(c, &op->retry, at_ns);
}

void client_note_reason(struct client *c, struct operation *op, unsigned reason)
{
    if (reason < 32) op->reasons |= 1u << reason;
}

static void unlink_waiting(struct client *c, struct operation *op)
{
    list_remove(&op->link);
    wheel_stop(&c->wheel, &op->retry);
    op->waits_for_map = false;
    op->state = OP_IDLE;
}

void client_route(struct client *c, struct operation *op)
{
    struct collection *collection = op->collection;
    unlink_waiting(c, op);
    if (c->state == CLIENT_CLOSED) {
        client_cancel(c, op);
        return;
    }
    if (!collection) {
        http_route(c, op);
        return;
    }
    if (op->is_observed) {
        observe_poll(c, op);
        return;
    }
    struct bucket *bucket = collection->bucket;
    if (!bucket_has_map(bucket)) bucket_wait(bucket, op, RETRY_BUCKET_OPEN_IN_PROGRESS);
    else if (collection->state != COLLECTION_KNOWN) collection_wait(collection, op);
    else {
        if (observe_is_wanted(op) && !observe_check(c, op)) return;
        struct node *node = bucket_target(bucket, op);
        if (!node) {
            if (!op->is_race || !race_give_up(c, op)) bucket_wait(bucket, op, RETRY_NODE_NOT_AVAILABLE);
        } else if (connection_is_usable(node->connection)) connection_send(node->connection, op);
        else if (connection_is_ready(node->connection)) canary_refuse(node, op);
        else node_wait(node, op);
    }
}

void client_route_all(struct client *c, struct list *ops)
{
    struct list work; /* what has to wait again goes to another list, perhaps the same one */
    list_init(&work);
    list_move_all(&work, ops);
    struct link *link;
    while ((link = list_take_first(&work)) != NULL) client_route(c, container_of(link, struct operation, link));
}

void client_retry_later(struct client *c, struct operation *op, unsigned reason, struct list *where)
{
    client_note_reason(c, op, reason);
    uint64_t pause = op->pause_ms ? op->pause_ms * NS_PER_MS : retry_backoff_ns(op->retries);
    op->retries++;
    op->pause_ms = 0;
    c->meter.retries++;
    list_remove(&op->link);
    op->state = OP_WAITING;
    if (where) list_append(where, &op->link);
    arm(c, &op->retry, io_now_ns(c->loop) + pause);
}

/* ---- time */

static void put_cause(struct client *c, const struct operation *op, struct buf *out)
{
    const struct collection *collection = op->collection;
    enum divan_code code;
    char words[200];
    if (op->attempts)
        buf_printf(out, "sent %u time%s, last to %s, %s", op->attempts, op->attempts == 1 ? "" : "s", op->endpoint,
                   op->rejected ? "which refused it for the moment" : "without an answer");
    else buf_put_str(out, "never sent");
    if (op->reasons) {
        char reasons[200];
        divan_retry_reasons(op->reasons, reasons, sizeof reasons);
        buf_printf(out, " (%s)", reasons);
    }
    if (op_is_http(op) && *http_trouble(c)) buf_printf(out, "; %s", http_trouble(c));
    if (!collection) return;
    if (collection_is_missing(collection, &code, words, sizeof words)) buf_printf(out, "; %s", words);
    buf_put_str(out, "; ");
    bucket_describe(collection->bucket, out);
}

static void pass_deadline(struct client *c, struct operation *op)
{
    bool unanswered = op->attempts > 0 && !op->rejected;
    struct connection *silent = op->connection;
    enum divan_code code = verdict_of_timeout(op_facts_of(op)->is_idempotent, unanswered);
    char words[200];
    c->meter.deadline_passed++;
    if (op->is_observed) {
        observe_give_up(c, op, "the deadline passed");
        return;
    }
    if (silent) canary_note(silent, true);
    if (op->state == OP_WAITING && op->collection && op->collection->state != COLLECTION_KNOWN &&
        collection_is_missing(op->collection, &code, words, sizeof words)) {
        client_fail(c, op, code, "%s; it was looked for until the deadline of %u ms passed", words, op->timeout_ms);
        return;
    }
    struct buf cause = {.limit = 2048};
    put_cause(c, op, &cause);
    const char *text = buf_text(&cause);
    client_fail(c, op, code, "%s took longer than %u ms: %s%s", op_facts_of(op)->name, op->timeout_ms, text ? text : "",
                code == DIVAN_ERR_AMBIGUOUS_TIMEOUT ? "; it may have been applied" : "");
    buf_fini(&cause);
    if (silent) connection_doubt(silent);
}

static void on_wheel(void *user)
{
    struct client *c = user;
    struct list due;
    list_init(&due);
    wheel_take(&c->wheel, io_now_ns(c->loop), &due);
    struct link *link;
    while ((link = list_first(&due)) != NULL) {
        struct wheel_entry *e = container_of(link, struct wheel_entry, link);
        wheel_stop(&c->wheel, e);
        if (e->tag == TAG_DEADLINE) pass_deadline(c, container_of(e, struct operation, deadline));
        else client_route(c, container_of(e, struct operation, retry));
    }
    uint64_t next = wheel_next_ns(&c->wheel);
    if (next != UINT64_MAX) io_timer_start(&c->wheel_timer, next);
}

/* ---- the end of an operation */

static void complete(struct client *c, struct operation *op, enum divan_code code)
{
    uint64_t now = io_now_ns(c->loop);
    uint64_t elapsed = now > op->start_ns ? now - op->start_ns : 0;
    if (op->connection) connection_forget(op->connection, op);
    if (op_is_http(op)) http_forget(c, op);
    if (op->state == OP_WAITING) unlink_waiting(c, op);
    wheel_stop(&c->wheel, &op->deadline);
    op->state = OP_DONE;
    if (code) op->value = bytes_of(NULL, 0); /* it may be the caller's */
    c->in_flight--;
    c->in_flight_bytes -= op->charged;
    meter_done(&c->meter, (enum op_kind)op->kind, code, elapsed);
    if (op->error && op->error->code == code) op->error->elapsed_ms = (uint32_t)(elapsed / NS_PER_MS);
    if (op->how == DONE_INTERNAL) {
        op->done.internal(c, op);
        op_release(op);
        if (c->made_room) c->made_room(c->deliver_user);
    } else c->deliver(c->deliver_user, op);
}

void client_succeed(struct client *c, struct operation *op)
{
    complete(c, op, DIVAN_OK);
}

void client_cancel(struct client *c, struct operation *op)
{
    client_fail(c, op, DIVAN_ERR_CANCELLED, "%s was cancelled because the cluster handle was closed%s",
                op_facts_of(op)->name, op->ambiguous ? "; it may have been applied" : "");
}

static void add_where(struct operation *op)
{
    struct divan_error *e = op->error;
    e->server_status = op->rejected ? op->status : 0;
    e->attempts = op->attempts;
    e->opaque = op->attempts ? op->opaque : 0;
    e->retry_reasons = op->reasons;
    if (op->ambiguous) e->flags |= DIVAN_IS_AMBIGUOUS;
    err_where(e, op_facts_of(op)->name, op->endpoint);
}

void client_fail(struct client *c, struct operation *op, enum divan_code code, const char *format, ...)
{
    if (op_error(op)) {
        char message[sizeof op->error->message];
        va_list args;
        va_start(args, format);
        vsnprintf(message, sizeof message, format, args);
        va_end(args);
        err_set(op->error, code, "%s", message);
        add_where(op);
    }
    complete(c, op, code);
}

void client_fail_with(struct client *c, struct operation *op, const struct divan_error *why)
{
    if (op_error(op)) {
        *op->error = *why;
        add_where(op);
    }
    complete(c, op, why->code);
}

struct io_stream *client_only_stream(const struct client *c)
{
    const struct connection *conn = c->latest;
    if (c->in_flight != 1 || !conn || conn->state != CONN_READY || conn->slots.used != 1 || client_is_dirty(c))
        return NULL;
    /* The wheel is not looked at meanwhile, so its next stop must be some way off. */
    return c->wheel_timer.at_ns > io_now_ns(c->loop) + 2 * IO_WAIT_MS * NS_PER_MS ? conn->stream : NULL;
}

void client_flush(struct client *c)
{
    struct link *link;
    while ((link = list_first(&c->dirty)) != NULL) connection_flush(container_of(link, struct connection, dirty));
}
