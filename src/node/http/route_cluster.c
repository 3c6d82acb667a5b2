/* Who is in the cluster and what becomes of it: tasks, states, joining. What changes the cluster is answered by the manager,
 * see the table of routes. */
#include <stdio.h>

#include "manager/failover.h"
#include "node/http/render.h"
#include "node/http/routes.h"
#include "node/http/server.h"

/* ---- the task */

static const struct doc_bucket *bucket_in_work(const struct doc *d)
{
    for (size_t i = 0; i < d->bucket_count && d->task.stage == DOC_TASK_MOVING; i++)
        if (d->buckets[i].map.forward) return &d->buckets[i];
    return NULL;
}

static unsigned moves_left(const struct doc_vbmap *m)
{
    unsigned n = 0;
    for (size_t v = 0; v < m->vbuckets; v++)
        n += memcmp(m->entries + v * m->row, m->forward + v * m->row, m->row * sizeof *m->entries) != 0;
    return n;
}

static unsigned buckets_with_map(const struct doc *d)
{
    unsigned n = 0;
    for (size_t i = 0; i < d->bucket_count; i++) n += d->buckets[i].map.entries != NULL;
    return n;
}

/* 0 to 100. Buckets count the same, and in the one that is worked on its vBuckets do. */
static double progress_of(const struct doc *d)
{
    const struct doc_bucket *b = bucket_in_work(d);
    unsigned buckets = buckets_with_map(d), left = b ? moves_left(&b->map) : 0, total = d->task.moves;
    if (d->task.stage == DOC_TASK_LEAVING || !buckets) return 100;
    double done = (double)d->task.done_count;
    if (b && total >= left && total) done += (double)(total - left) / total;
    return done * 100 / buckets;
}

static void put_names(const struct doc *d, const char *key, const char *const *uuids, size_t count, struct buf *out)
{
    jw_open(out, key, '[');
    for (size_t i = 0; i < count; i++) {
        const struct doc_node *n = doc_find_node(d, uuids[i]);
        if (n) jw_str(out, NULL, n->otp);
    }
    jw_close(out, ']');
}

static void put_nodes_info(const struct doc *d, struct buf *out)
{
    const struct doc_task *t = &d->task;
    jw_open(out, "nodesInfo", '{');
    jw_open(out, "active_nodes", '[');
    for (size_t i = 0; i < d->node_count; i++)
        if (d->nodes[i].membership == DOC_ACTIVE) jw_str(out, NULL, d->nodes[i].otp);
    jw_close(out, ']');
    if (t->kind == DOC_TASK_REBALANCE) {
        put_names(d, "keep_nodes", t->keep, t->keep_count, out);
        put_names(d, "eject_nodes", t->eject, t->eject_count, out);
        put_names(d, "delta_nodes", t->delta, t->delta_count, out);
        jw_raw(out, "failed_nodes", "[]");
    } else put_names(d, "failover_nodes", t->fail, t->fail_count, out);
    jw_close(out, '}');
}

static void put_per_node(const struct doc *d, double progress, double scale, bool nested, struct buf *out)
{
    if (nested) jw_open(out, "perNode", '{');
    for (size_t i = 0; i < d->node_count; i++) {
        if (d->nodes[i].membership != DOC_ACTIVE) continue;
        jw_open(out, d->nodes[i].otp, '{');
        jw_key(out, "progress");
        buf_printf(out, "%.15g", progress * scale);
        jw_close(out, '}');
    }
    if (nested) jw_close(out, '}');
}

static void put_detail(const struct doc *d, struct buf *out)
{
    const struct doc_bucket *b = bucket_in_work(d);
    jw_open(out, "detailedProgress", '{');
    if (b) {
        jw_str(out, "bucket", b->name);
        jw_uint(out, "bucketNumber", d->task.done_count + 1);
        jw_uint(out, "bucketsCount", buckets_with_map(d));
        jw_uint(out, "vBucketsLeft", moves_left(&b->map));
    }
    jw_close(out, '}');
}

static void put_task(const struct doc *d, struct buf *out)
{
    const struct doc_task *t = &d->task;
    bool running = doc_is_busy(d);
    jw_open(out, NULL, '{');
    if (t->status[0]) jw_str(out, "statusId", t->status);
    jw_str(out, "type", "rebalance");
    jw_str(out, "subtype", doc_task_kind_name(t->kind));
    if (running) {
        jw_raw(out, "recommendedRefreshPeriod", "0.25");
        jw_str(out, "status", "running");
        jw_key(out, "progress");
        buf_printf(out, "%.15g", progress_of(d));
        put_per_node(d, progress_of(d), 1, true, out);
        put_detail(d, out);
        jw_raw(out, "stageInfo", "{}");
        jw_str(out, "rebalanceId", t->id);
        put_nodes_info(d, out);
        jw_str(out, "masterNode", d->node_count ? d->nodes[0].otp : "");
    } else {
        jw_str(out, "status", "notRunning");
        jw_bool(out, "statusIsStale", false);
        jw_bool(out, "masterRequestTimedOut", false);
        if (t->error[0]) jw_str(out, "errorMessage", t->error);
        if (t->report[0]) jw_printf(out, "lastReportURI", "/logs/rebalanceReport?reportID=%s", t->report);
    }
    jw_close(out, '}');
}

void get_tasks(struct exchange *x)
{
    jw_open(&x->body, NULL, '[');
    put_task(x->doc, &x->body);
    jw_close(&x->body, ']');
    x_json(x, 200);
}

void get_rebalance_progress(struct exchange *x)
{
    const struct doc *d = x->doc;
    jw_open(&x->body, NULL, '{');
    jw_str(&x->body, "status", doc_is_busy(d) ? "running" : "none");
    if (doc_is_busy(d)) put_per_node(d, progress_of(d), 0.01, false, &x->body);
    else if (d->task.error[0]) jw_str(&x->body, "errorMessage", d->task.error);
    jw_close(&x->body, '}');
    x_json(x, 200);
}

void get_rebalance_report(struct exchange *x)
{
    const struct doc *d = x->doc;
    jw_open(&x->body, NULL, '{');
    jw_bool(&x->body, "is_rebalancing", doc_is_busy(d));
    if (bytes_is(x_field(x, "?reportID"), d->task.report)) {
        jw_str(&x->body, "rebalanceId", d->task.id);
        put_nodes_info(d, &x->body);
        jw_str(&x->body, "completionMessage", d->task.error[0] ? d->task.error : "Rebalance completed successfully.");
    }
    jw_close(&x->body, '}');
    x_json(x, 200);
}

/* ---- states */

void get_terse_cluster_info(struct exchange *x)
{
    const struct doc_node *self = x_self(x);
    const struct doc *d = x->doc;
    struct buf *out = &x->body;
    if (!d->provisioned) {
        x_json_text(x, 404, "\"unknown pool\"");
        return;
    }
    jw_open(out, NULL, '{');
    jw_str(out, "clusterUUID", d->uuid);
    if (bytes_is(x_field(x, "?all"), "true")) {
        jw_open(out, "autoFailover", '{');
        jw_bool(out, "enabled", d->auto_failover.enabled);
        jw_uint(out, "timeout", d->auto_failover.timeout_s);
        jw_close(out, '}');
        jw_open(out, "quotaInfo", '{');
        render_quotas(d, out);
        jw_close(out, '}');
    }
    jw_str(out, "orchestrator", d->node_count ? d->nodes[0].otp : self ? self->otp : "");
    jw_bool(out, "isBalanced", doc_is_balanced(d));
    jw_str(out, "clusterCompatVersion", "7.6");
    jw_close(out, '}');
    x_json(x, 200);
}

static bool may_fail_gracefully(const struct doc *d, const struct doc_node *n)
{
    size_t active = 0;
    if (!d->bucket_count) return true;
    for (size_t i = 0; i < d->node_count; i++) active += d->nodes[i].membership == DOC_ACTIVE;
    return active > 1 && n->membership == DOC_ACTIVE && !n->down && failover_keeps_all(d, &n->uuid, 1, NULL);
}

void get_node_statuses(struct exchange *x)
{
    struct buf *out = &x->body;
    char at[300];
    jw_open(out, NULL, '{');
    for (size_t i = 0; i < x->doc->node_count; i++) {
        const struct doc_node *n = &x->doc->nodes[i];
        bool graceful = may_fail_gracefully(x->doc, n);
        jw_open(out, render_address(x, n, n->ports.plain[SVC_MGMT], at), '{');
        jw_str(out, "status", n->down ? "unhealthy" : "healthy");
        jw_bool(out, "gracefulFailoverPossible", graceful);
        jw_str(out, "otpNode", n->otp);
        jw_bool(out, "dataless", false);
        jw_int(out, "replication", graceful);
        jw_close(out, '}');
    }
    jw_close(out, '}');
    x_json(x, 200);
}

/* ---- joining and leaving */

static const char *text_of(struct divan_bytes b, char *out, size_t cap)
{
    snprintf(out, cap, "%.*s", (int)(b.len < cap ? b.len : cap - 1), b.data ? (const char *)b.data : "");
    return out;
}

static void answer_sentence(struct exchange *x, unsigned status, const char *sentence)
{
    jw_open(&x->body, NULL, '[');
    jw_str(&x->body, NULL, sentence);
    jw_close(&x->body, ']');
    x_json(x, status);
}

/* From the manager of another cluster: be a node of it. */
void post_join(struct exchange *x)
{
    const struct rest_options *o = &x->rest->options;
    char host[64], token[130], cluster[40];
    int64_t port = x_number(x, "port", 0);
    text_of(x_field(x, "host"), host, sizeof host);
    text_of(x_field(x, "token"), token, sizeof token);
    text_of(x_field(x, "cluster"), cluster, sizeof cluster);
    const char *flaw = !host[0] || !token[0] || port < 1 || port > 65535 ? "host, port, token and cluster are needed."
                       : !o->join                                        ? "This node cannot join."
                                  : o->join(o->ask_user, host, (uint16_t)port, token, cluster);
    if (flaw) answer_sentence(x, 400, flaw);
    else x_text(x, 200, o->self);
}

void post_hard_reset(struct exchange *x)
{
    const struct rest_options *o = &x->rest->options;
    if (o->reset) o->reset(o->ask_user);
    x_text(x, 200, "");
}
