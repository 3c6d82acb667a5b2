#include <stdlib.h>

#include "base/error.h"
#include "client/cluster.h"
#include "client/names.h"
#include "client/ping.h"
#include "client/report.h"

enum { READY_TIMEOUT_MS = 10000, LOOK_AGAIN_MS = 10, OPEN_AGAIN_MS = 250, ASK_AGAIN_MS = 50, PING_LIMIT = 16 << 20 };

static char *text_for_caller(struct buf *text)
{
    char *end = buf_text(text), *out = end ? strdup(end) : NULL; /* for the caller's free() */
    buf_fini(text);
    return out;
}

char *divan_cluster_diagnostics(divan_cluster *cluster, const char *report_id)
{
    if (!cluster || cluster_is_forked(cluster)) return NULL;
    struct buf text = {.limit = PING_LIMIT};
    cluster_lock(cluster);
    cluster_fresh_clock(cluster);
    report_diagnostics(cluster->client, report_id, &text);
    cluster_unlock(cluster);
    return text_for_caller(&text);
}

static enum divan_code check(divan_cluster *cluster, unsigned services, struct divan_error *err)
{
    if (!cluster) return err_set(err, DIVAN_ERR_HANDLE_NULL, "the cluster handle is NULL");
    if (cluster_is_forked(cluster)) return cluster_forked_error(err);
    if (cluster_is_own_thread(cluster))
        return err_set(err, DIVAN_ERR_WRONG_THREAD, "waiting inside a completion callback would wait for itself");
    if (services & ~(unsigned)(DIVAN_SERVICE_KV | DIVAN_SERVICE_MANAGEMENT))
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "services has bits (0x%x) that are not in enum divan_service",
                       services);
    return DIVAN_OK;
}

static enum divan_code closed_error(struct divan_error *err)
{
    return err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed: open another one");
}

/* ---- ping */

struct waiting {
    struct divan_cluster *cluster;
    struct waiter waiter;
};

static void on_pinged(void *user)
{
    struct waiting *w = user;
    cluster_finish_waiter(w->cluster, &w->waiter);
}

/* The lock is held, the cluster entered. NULL with err: CLUSTER_CLOSED, OUT_OF_MEMORY. Otherwise it is done: closing ends what
 * is in flight before it lets go of the lock. */
static struct ping *ping_all(struct divan_cluster *cluster, unsigned services, uint32_t timeout_ms,
                             struct divan_error *err)
{
    struct waiting w = {.cluster = cluster, .waiter = {.done = false}};
    if (cluster->closed) {
        closed_error(err);
        return NULL;
    }
    cluster_fresh_clock(cluster);
    struct ping *ping = ping_start(cluster->client, services, timeout_ms, on_pinged, &w);
    if (!ping) {
        err_oom(err);
        return NULL;
    }
    if (!ping_is_done(ping)) cluster_wait(cluster, &w.waiter, IO_NEVER);
    return ping;
}

enum divan_code divan_cluster_ping(divan_cluster *cluster, const struct divan_ping_options *given, char **json,
                                   struct divan_error *err)
{
    const struct divan_ping_options o = given ? *given : (struct divan_ping_options){.services = 0};
    struct buf text = {.limit = PING_LIMIT};
    enum divan_code rc = check(cluster, o.services, err);
    if (!rc && !json) rc = err_set(err, DIVAN_ERR_HANDLE_NULL, "the pointer for the report is NULL");
    if (!rc && o.timeout_ms) rc = check_timeout(o.timeout_ms, err);
    if (rc) goto out;
    struct divan_error why;
    cluster_lock(cluster);
    cluster_enter(cluster);
    struct ping *ping = ping_all(cluster, o.services, o.timeout_ms, &why);
    if (ping && !cluster->closed) ping_json(ping, o.report_id, &text);
    else if (ping) closed_error(&why);
    if (!ping || cluster->closed) rc = why.code;
    ping_free(ping);
    cluster_leave(cluster);
    cluster_unlock(cluster);
    if (rc && err) *err = why;
    char *out = text_for_caller(&text);
    if (!rc && !out) rc = err_oom(err);
    if (!rc) *json = out;
    else free(out);
out:
    if (rc) err_where(err, "ping", NULL);
    else if (err) err->code = DIVAN_OK;
    return rc;
}

/* ---- waiting until it is ready */

struct readiness {
    struct divan_cluster *cluster;
    struct divan_ready_options o;
    struct bucket *bucket; /* the one that is meant; NULL = all */
    uint64_t open_again_ns;
    struct buf missing;
};

static bool wants(const struct readiness *r, enum divan_service service)
{
    return !r->o.services || r->o.services & (unsigned)service;
}

static bool is_enough(const struct readiness *r, enum report_state state)
{
    return state >= (r->o.desired == DIVAN_READY_DEGRADED ? REPORT_DEGRADED : REPORT_ONLINE);
}

/* With lazy connections nobody else would dial. */
static void dial_all(struct bucket *bucket)
{
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (node->in_map && node->state == NODE_IDLE) node_dial(node);
    }
}

/* Cuts the pauses of nodes short, but not every moment: a bucket that was just made is soon known everywhere. */
static bool bucket_is_ready(struct readiness *r, struct bucket *bucket)
{
    bool is_time = io_now_ns(r->cluster->loop) >= r->open_again_ns;
    if (is_time) r->open_again_ns = io_now_ns(r->cluster->loop) + OPEN_AGAIN_MS * NS_PER_MS;
    if (bucket->name && (!bucket->is_wanted || is_time)) bucket_open(bucket);
    dial_all(bucket);
    if (is_enough(r, report_bucket_state(bucket))) return true;
    if (r->missing.len) buf_put_str(&r->missing, "; ");
    if (bucket->name && bucket_has_map(bucket)) buf_printf(&r->missing, "bucket \"%s\": ", bucket->name);
    bucket_describe(bucket, &r->missing);
    return false;
}

static bool is_connected(struct readiness *r)
{
    struct client *c = r->cluster->client;
    bool ready = true, any = false;
    buf_clear(&r->missing);
    if (!wants(r, DIVAN_SERVICE_KV)) return true;
    if (r->bucket) return bucket_is_ready(r, r->bucket);
    list_each(&c->buckets, it)
    {
        struct bucket *bucket = container_of(it, struct bucket, link);
        if (!bucket->is_wanted) continue;
        any = true;
        ready = bucket_is_ready(r, bucket) && ready;
    }
    return any ? ready : bucket_is_ready(r, c->cluster_level);
}

static bool service_answers(const struct readiness *r, const struct ping *ping, enum divan_service service)
{
    size_t all, ok;
    if (!wants(r, service)) return true;
    ping_count(ping, service, &all, &ok);
    return r->o.desired == DIVAN_READY_DEGRADED ? ok > 0 : all > 0 && ok == all;
}

static bool does_answer(struct readiness *r, uint32_t timeout_ms, struct divan_error *err)
{
    struct ping *ping = ping_all(r->cluster, r->o.services, timeout_ms, err);
    if (!ping || r->cluster->closed) {
        ping_free(ping);
        return false;
    }
    bool kv = service_answers(r, ping, DIVAN_SERVICE_KV), mgmt = service_answers(r, ping, DIVAN_SERVICE_MANAGEMENT);
    if (!kv || !mgmt) ping_describe(ping, r->o.services, &r->missing);
    if (!mgmt && !r->missing.len) buf_put_str(&r->missing, "no node offers the management service");
    ping_free(ping);
    return kv && mgmt;
}

static void pause_ms(struct divan_cluster *cluster, uint32_t ms, uint64_t until_ns)
{
    struct waiter w = {.done = false};
    uint64_t next = io_now_ns(cluster->loop) + ms * NS_PER_MS;
    cluster_wait(cluster, &w, next < until_ns ? next : until_ns);
}

static enum divan_code wait_ready(struct readiness *r, uint32_t timeout_ms, struct divan_error *err)
{
    struct divan_cluster *cluster = r->cluster;
    if (cluster->closed) return closed_error(err);
    cluster_fresh_clock(cluster);
    uint64_t now = io_now_ns(cluster->loop), until = now + timeout_ms * NS_PER_MS;
    while (!cluster->closed) {
        bool connected = is_connected(r);
        now = io_now_ns(cluster->loop);
        uint32_t left_ms = now < until ? (uint32_t)((until - now) / NS_PER_MS) + 1 : 1;
        if (connected && does_answer(r, left_ms, err)) return DIVAN_OK;
        if (cluster->closed) break;
        now = io_refresh_now(cluster->loop);
        if (now >= until) {
            const char *text = buf_text(&r->missing);
            return err_set(err, DIVAN_ERR_UNAMBIGUOUS_TIMEOUT, "not ready after %u ms: %s", timeout_ms,
                           text && *text ? text : "no endpoint answered");
        }
        pause_ms(cluster, connected ? ASK_AGAIN_MS : LOOK_AGAIN_MS, until);
    }
    return closed_error(err);
}

static enum divan_code check_ready(divan_cluster *cluster, uint32_t timeout_ms, const struct divan_ready_options *o,
                                   struct divan_error *err)
{
    enum divan_code rc = check(cluster, o->services, err);
    if (!rc && timeout_ms) rc = check_timeout(timeout_ms, err);
    if (!rc && (unsigned)o->desired > DIVAN_READY_DEGRADED)
        rc = err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "desired is %d, not one of enum divan_readiness",
                     (int)o->desired);
    if (!rc && o->bucket) rc = check_bucket_name(o->bucket, err);
    return rc;
}

enum divan_code divan_cluster_wait_until_ready(divan_cluster *cluster, uint32_t timeout_ms,
                                               const struct divan_ready_options *options, struct divan_error *err)
{
    struct divan_error why;
    struct readiness r = {.cluster = cluster, .missing = {.limit = 4096}};
    if (options) r.o = *options;
    enum divan_code rc = check_ready(cluster, timeout_ms, &r.o, &why);
    if (!rc) {
        cluster_lock(cluster);
        cluster_enter(cluster);
        if (r.o.bucket && !cluster->closed) {
            r.bucket = bucket_named(cluster->client, r.o.bucket);
            if (!r.bucket) rc = err_oom(&why);
        }
        if (!rc) rc = wait_ready(&r, timeout_ms ? timeout_ms : READY_TIMEOUT_MS, &why);
        cluster_leave(cluster);
        cluster_unlock(cluster);
    }
    buf_fini(&r.missing);
    if (rc) err_where(&why, "wait_until_ready", NULL);
    else why.code = DIVAN_OK;
    if (err) *err = why;
    return rc;
}
