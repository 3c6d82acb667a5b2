#include <divan/divan.h>

#include "base/alloc.h"
#include "base/error.h"
#include "client/call.h"
#include "client/cluster.h"
#include "client/names.h"
#include "client/scanner.h"

enum {
    SCAN_TIMEOUT_MS = 75000,
    CONCURRENCY = 16,
    CONCURRENCY_MAX = 1024,
    PAGE_ITEMS = 1000,
    PAGE_BYTES = 128 * 1024,
    BUFFERED_BYTES = 16 * 1024 * 1024,
};

struct divan_scanner {
    struct divan_cluster *cluster;
    struct scanner *core;
    struct waiter *waiter;    /* of a blocking call, NULL = none */
    struct operation *ticket; /* of a started page: how it is to be delivered, NULL = none */
    divan_result *page;       /* of divan_scan_next() */
    size_t cursor;
};

/* ---- what is asked for */

static enum divan_code check_key_bound(struct divan_bytes key, const char *what, struct divan_error *err)
{
    if (key.len && !key.data)
        return err_set(err, DIVAN_ERR_SCAN_RANGE, "%s has %zu bytes but its data pointer is NULL", what, key.len);
    if (key.len > KEY_MAX)
        return err_set(err, DIVAN_ERR_SCAN_RANGE, "%s has %zu bytes, keys have at most %d", what, key.len, KEY_MAX);
    return DIVAN_OK;
}

static enum divan_code check_scan(const struct divan_scan *scan, struct divan_error *err)
{
    bool has_range = scan->from.len || scan->to.len;
    if (has_range + (scan->prefix.len != 0) + (scan->sample != 0) > 1)
        return err_set(err, DIVAN_ERR_SCAN_RANGE,
                       "a scan is of a range, of a prefix or a sample: leave the others out");
    if ((scan->exclude_from && !scan->from.len) || (scan->exclude_to && !scan->to.len))
        return err_set(err, DIVAN_ERR_SCAN_RANGE, "an end of the range is excluded but not given");
    enum divan_code rc = check_key_bound(scan->from, "the first key", err);
    if (!rc) rc = check_key_bound(scan->to, "the last key", err);
    if (!rc) rc = check_key_bound(scan->prefix, "the prefix", err);
    if (!rc && scan->prefix.len == KEY_MAX)
        rc = err_set(err, DIVAN_ERR_SCAN_RANGE, "the prefix is as long as the longest key: get it instead");
    if (!rc && scan->from.len && scan->to.len && bytes_compare(scan->from, scan->to) > 0)
        rc = err_set(err, DIVAN_ERR_SCAN_RANGE, "the range ends before it begins: exchange from and to");
    return rc;
}

static enum divan_code check_options(const struct divan_scan_options *o, struct divan_error *err)
{
    enum divan_code rc = check_timeout(o->timeout_ms, err);
    if (!rc && o->concurrency > CONCURRENCY_MAX)
        rc = err_set(err, DIVAN_ERR_SCAN_RANGE, "the concurrency is %u, the highest is %d", o->concurrency,
                     CONCURRENCY_MAX);
    if (!rc && o->consistent_count && !o->consistent_with)
        rc = err_set(err, DIVAN_ERR_SCAN_RANGE, "consistent_count is %zu but consistent_with is NULL",
                     o->consistent_count);
    return rc;
}

static void set_range(struct scan_create *c, const struct divan_scan *scan)
{
    scan_set_prefix(c, scan->prefix);
    if (scan->from.len) scan_bound_set(&c->start, scan->from, scan->exclude_from);
    if (scan->to.len) scan_bound_set(&c->end, scan->to, scan->exclude_to);
}

static struct scanner_plan plan_of(struct collection *collection, const struct divan_scan *scan,
                                   const struct divan_scan_options *o)
{
    struct scanner_plan plan = {
        .collection = collection,
        .timeout_ms = o->timeout_ms ? o->timeout_ms : SCAN_TIMEOUT_MS,
        .page_items = o->page_items ? o->page_items : PAGE_ITEMS,
        .page_bytes = o->page_bytes ? o->page_bytes : PAGE_BYTES,
        .concurrency = o->concurrency ? o->concurrency : CONCURRENCY,
        .buffered_max = o->buffered_bytes ? o->buffered_bytes : BUFFERED_BYTES,
        .tokens = o->consistent_with,
        .token_count = o->consistent_count,
        .samples = scan->sample,
    };
    plan.wanted.key_only = o->ids_only;
    plan.wanted.sampling = scan->sample != 0;
    plan.wanted.samples = scan->sample;
    plan.wanted.seed = (uint32_t)(scan->sample_seed ^ scan->sample_seed >> 32);
    if (!plan.wanted.sampling) set_range(&plan.wanted, scan);
    return plan;
}

/* ---- pages and the end, the lock held */

/* A page or the reason why there is none; false: not yet. */
static bool take(struct divan_scanner *s, struct operation **page, struct divan_error *err)
{
    struct scanner *core = s->core;
    err->code = DIVAN_OK;
    *page = scanner_take(core);
    if (*page) return true;
    if (core->error.code) *err = core->error;
    else if (scanner_is_complete(core)) err_set(err, DIVAN_ERR_RANGE_SCAN_COMPLETED, "the scan is finished");
    return err->code != DIVAN_OK;
}

static void deliver_page(struct divan_scanner *s)
{
    struct operation *ticket = s->ticket, *page;
    struct divan_error err;
    if (!take(s, &page, &err)) return;
    s->ticket = NULL;
    if (page) {
        page->how = ticket->how;
        page->done = ticket->done;
        page->user = ticket->user;
        op_release(ticket);
    } else {
        page = ticket;
        if (op_error(page)) *page->error = err;
    }
    cluster_deliver(s->cluster, page);
}

static void on_ready(void *user)
{
    struct divan_scanner *s = user;
    if (s->waiter) cluster_finish_waiter(s->cluster, s->waiter);
    else if (s->ticket) deliver_page(s);
}

/* ---- public */

static enum divan_code check_open(const struct divan_collection *c, const struct divan_scan *scan,
                                  const struct divan_scan_options *o, divan_scanner *const *out,
                                  struct divan_error *err)
{
    const struct collection *collection = (const struct collection *)(const void *)c;
    if (!c) return err_set(err, DIVAN_ERR_HANDLE_NULL, "the collection handle is NULL");
    if (!out) return err_set(err, DIVAN_ERR_HANDLE_NULL, "the pointer for the scanner is NULL");
    if (cluster_is_forked(cluster_of(collection))) return cluster_forked_error(err);
    enum divan_code rc = check_scan(scan, err);
    return rc ? rc : check_options(o, err);
}

static enum divan_code open_locked(struct divan_scanner *s, const struct scanner_plan *plan, struct divan_error *err)
{
    struct divan_cluster *cluster = s->cluster;
    if (cluster->closed)
        return err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed: open another one");
    cluster_fresh_clock(cluster);
    s->core = scanner_new(cluster->client, plan, on_ready, s);
    if (!s->core) return err_oom(err);
    cluster->refs++;
    scanner_begin(s->core);
    cluster_started(cluster);
    return DIVAN_OK;
}

enum divan_code divan_scan_open(divan_collection *c, const struct divan_scan *scan, const struct divan_scan_options *o,
                                divan_scanner **out, struct divan_error *err)
{
    static const struct divan_scan everything;
    static const struct divan_scan_options defaults;
    if (!scan) scan = &everything;
    if (!o) o = &defaults;
    enum divan_code rc = check_open(c, scan, o, out, err);
    struct divan_scanner *s = rc ? NULL : mem_zalloc(sizeof *s);
    if (!rc && !s) rc = err_oom(err);
    if (!rc) {
        const struct scanner_plan plan = plan_of((struct collection *)(void *)c, scan, o);
        s->cluster = cluster_of(plan.collection);
        cluster_lock(s->cluster);
        rc = open_locked(s, &plan, err);
        cluster_unlock(s->cluster);
    }
    if (!rc) *out = s;
    else {
        mem_free(s);
        err_where(err, "scan", NULL);
    }
    return rc;
}

static enum divan_code check_use(const divan_scanner *s, struct divan_error *err)
{
    if (!s) return err_set(err, DIVAN_ERR_HANDLE_NULL, "the scanner is NULL");
    if (cluster_is_forked(s->cluster)) return cluster_forked_error(err);
    return DIVAN_OK;
}

static enum divan_code check_wait(const divan_scanner *s, struct divan_error *err)
{
    enum divan_code rc = check_use(s, err);
    if (!rc && cluster_is_own_thread(s->cluster))
        rc = err_set(err, DIVAN_ERR_WRONG_THREAD,
                     "a blocking call inside a completion callback would wait for itself: use divan_scan_page_start()");
    return rc;
}

static enum divan_code wait_for_page(divan_scanner *s, struct operation **page, struct divan_error *err)
{
    struct divan_cluster *cluster = s->cluster;
    struct divan_error why;
    enum divan_code rc = DIVAN_OK;
    cluster_lock(cluster);
    if (s->ticket) rc = err_set(&why, DIVAN_ERR_INVALID_ARGUMENT, "a started page of this scan is not delivered yet");
    while (!rc && !take(s, page, &why)) {
        struct waiter w = {.done = false};
        s->waiter = &w;
        cluster_wait(cluster, &w, IO_NEVER);
        s->waiter = NULL;
    }
    cluster_unlock(cluster);
    if (err) *err = why;
    return rc ? rc : why.code;
}

enum divan_code divan_scan_page(divan_scanner *s, divan_result **out, struct divan_error *err)
{
    struct operation *page = NULL;
    enum divan_code rc = check_wait(s, err);
    if (!rc) rc = wait_for_page(s, &page, err);
    if (rc) err_where(err, "scan", NULL);
    else if (out) *out = op_result(page);
    else op_release(page);
    return rc;
}

enum divan_code divan_scan_page_start(divan_scanner *s, struct divan_done done, struct divan_error *err)
{
    enum divan_code rc = check_use(s, err);
    if (!rc) rc = done_check(&done, s->cluster, err);
    if (rc) {
        err_where(err, "scan", NULL);
        return rc;
    }
    struct divan_cluster *cluster = s->cluster;
    struct operation *ticket = NULL;
    cluster_lock(cluster);
    if (cluster->closed) rc = err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed");
    else if (s->ticket)
        rc = err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "a started page of this scan is not delivered yet");
    else if (!(ticket = client_take(cluster->client))) rc = err_oom(err);
    if (!rc) {
        ticket->kind = KIND_SCAN_CONTINUE;
        ticket->state = OP_DONE;
        done_set(cluster, ticket, &done);
        s->ticket = ticket;
        deliver_page(s);
        cluster_started(cluster);
    }
    cluster_unlock(cluster);
    if (rc) err_where(err, "scan", NULL);
    return rc;
}

bool divan_result_item(const divan_result *page, size_t *cursor, struct divan_scan_item *out)
{
    struct scan_item item;
    const struct operation *op = page ? result_op(page) : NULL;
    if (!op || op->kind != KIND_SCAN_CONTINUE || op->error || !scanner_item(op, cursor, &item)) return false;
    *out = (struct divan_scan_item){
        .key = item.key, .value = item.value, .cas = item.cas, .expiry = item.expiry, .flags = item.flags};
    return true;
}

enum divan_code divan_scan_next(divan_scanner *s, struct divan_scan_item *out, struct divan_error *err)
{
    struct divan_scan_item unused;
    if (!out) out = &unused;
    if (s && s->page && divan_result_item(s->page, &s->cursor, out)) return DIVAN_OK;
    for (;;) {
        divan_result *page = NULL;
        enum divan_code rc = divan_scan_page(s, &page, err);
        if (rc) return rc;
        divan_result_release(s->page);
        s->page = page;
        s->cursor = 0;
        if (divan_result_item(page, &s->cursor, out)) return DIVAN_OK;
    }
}

void divan_scan_close(divan_scanner *s)
{
    if (!s || cluster_is_forked(s->cluster)) return;
    struct divan_cluster *cluster = s->cluster;
    struct divan_error why;
    cluster_lock(cluster);
    if (s->ticket) {
        struct operation *ticket = s->ticket;
        err_set(&why, DIVAN_ERR_CANCELLED, "the scan was closed");
        err_where(&why, "scan", NULL);
        s->ticket = NULL;
        if (op_error(ticket)) *ticket->error = why;
        cluster_deliver(cluster, ticket);
    }
    if (!cluster->closed) cluster_fresh_clock(cluster);
    scanner_free(s->core);
    if (!cluster->closed) cluster_started(cluster);
    cluster_unlock_release(cluster);
    divan_result_release(s->page);
    mem_free(s);
}
