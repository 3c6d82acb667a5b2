/* Setting a cluster up, and its settings. */
#include <stdio.h>

#include "manager/json_writer.h"
#include "manager/plan_parts.h"
#include "manager/settings.h"

enum { KV_QUOTA_MIN_MB = 256, RESERVED_MB = 1024 };

/* ---- services */

/* Those of Couchbase Server. This cluster offers some: naming another is an error with its own words, because a client that
 * was told it exists would wait for it. */
static const char *const known_services[] = {"kv", "n1ql", "index", "fts", "cbas", "eventing", "backup", NULL};

static int service_kind(struct divan_bytes word)
{
    for (int i = 0; known_services[i]; i++)
        if (bytes_is(word, known_services[i])) return i;
    return -1;
}

static struct divan_bytes next_word(struct divan_bytes *list)
{
    const char *at = list->len ? memchr(list->data, ',', list->len) : NULL;
    size_t n = at ? (size_t)(at - (const char *)list->data) : list->len;
    struct divan_bytes word = bytes_slice(*list, 0, n);
    *list = bytes_slice(*list, n + (at != NULL), list->len);
    return word;
}

/* Checks the field "services" for the first node of a cluster. */
static void take_services(struct plan *p)
{
    struct divan_bytes list = plan_field(p, "services");
    struct buf unknown = {.limit = 400}, absent = {.limit = 400};
    bool kv = false;
    if (!list.data) {
        plan_error(p, "services", "The value must be supplied");
        return;
    }
    if (!list.len) plan_error(p, "services", "At least one service has to be selected");
    while (list.len) {
        struct divan_bytes word = next_word(&list);
        int kind = service_kind(word);
        struct buf *bad = kind < 0 ? &unknown : &absent;
        kv = kv || kind == 0;
        if (kind != 0) buf_printf(bad, bad->len ? ",\"%.*s\"" : "\"%.*s\"", (int)word.len, (const char *)word.data);
    }
    if (unknown.len) plan_error(p, "services", "Unknown services: [%s]", buf_text(&unknown));
    else if (p->doc->provisioned) plan_error(p, "services", "cannot change node services after cluster is provisioned");
    else if (!kv && !plan_failed(p)) plan_error(p, "services", "cannot setup first cluster node without kv service");
    else if (absent.len)
        plan_error(p, "services", "Services not available in this cluster: [%s]. Use kv.", buf_text(&absent));
    buf_fini(&unknown);
    buf_fini(&absent);
}

void plan_services(struct plan *p)
{
    take_services(p);
    if (plan_refuse(p, 400)) return;
    struct doc_node *self = plan_self(p);
    if (self) self->services = 1u << SVC_KV;
    plan_done(p);
}

/* ---- quotas */

struct quota_field {
    const char *name, *service;
    size_t offset;
    uint32_t min_mb;
};
static const struct quota_field quota_fields[] = {
    {"memoryQuota", "data", offsetof(struct doc_quotas, kv), KV_QUOTA_MIN_MB},
    {"indexMemoryQuota", "index", offsetof(struct doc_quotas, index), 256},
    {"ftsMemoryQuota", "full text search", offsetof(struct doc_quotas, fts), 256},
    {"cbasMemoryQuota", "analytics", offsetof(struct doc_quotas, cbas), 1024},
    {"eventingMemoryQuota", "eventing", offsetof(struct doc_quotas, eventing), 256},
    {"queryMemoryQuota", "query", offsetof(struct doc_quotas, query), 0},
};

static uint32_t buckets_mb(const struct doc *d)
{
    uint32_t mb = 0;
    for (size_t i = 0; i < d->bucket_count; i++) mb += d->buckets[i].quota_mb;
    return mb;
}

static void take_quota(struct plan *p, const struct quota_field *f, struct doc_quotas *out)
{
    struct divan_bytes v = plan_field(p, f->name);
    bool kv = f == &quota_fields[0];
    uint32_t least = kv && buckets_mb(p->doc) > f->min_mb ? buckets_mb(p->doc) : f->min_mb;
    int64_t mb = 0;
    if (!v.data) return;
    if (!plan_to_int(v, &mb)) plan_error(p, f->name, "The value must be an integer");
    else if (mb < least)
        plan_error(
            p, f->name,
            kv ? "The %s service quota (%lldMB) cannot be less than %uMB (current total buckets quota, or at least "
                 "256MB)."
               : "The %s service quota (%lldMB) cannot be less than %uMB.",
            f->service, (long long)mb, least);
    else *(uint32_t *)(void *)((char *)out + f->offset) = (uint32_t)(mb > UINT32_MAX ? UINT32_MAX : mb);
}

uint32_t plan_allowed_mb(const struct doc_node *n)
{
    uint32_t most = n->memory_mb / 10 * 8;
    return n->memory_mb > RESERVED_MB && n->memory_mb - RESERVED_MB > most ? n->memory_mb - RESERVED_MB : most;
}

/* All quotas in the form; only the data service runs, so only its quota counts against the memory of a node. */
static void take_quotas(struct plan *p)
{
    struct doc_quotas q = p->doc->quotas;
    for (size_t i = 0; i < sizeof quota_fields / sizeof *quota_fields; i++) take_quota(p, &quota_fields[i], &q);
    for (size_t i = 0; i < p->doc->node_count && plan_has(p, "memoryQuota"); i++) {
        const struct doc_node *n = &p->doc->nodes[i];
        if (n->memory_mb && q.kv > plan_allowed_mb(n))
            plan_error(p, "_", "Total quota (%uMB) exceeds the maximum allowed quota (%uMB) on node '%s'", q.kv,
                       plan_allowed_mb(n), n->otp);
    }
    if (!plan_failed(p)) p->doc->quotas = q;
}

void plan_pools_default(struct plan *p)
{
    struct divan_bytes name = plan_field(p, "clusterName");
    take_quotas(p);
    if (plan_refuse(p, 400)) return;
    if (name.data) p->doc->name = doc_text_of(p->doc, name);
    plan_done(p);
}

/* ---- administrator */

static void take_credentials(struct plan *p)
{
    struct divan_bytes user = plan_field(p, "username");
    const char *flaw = plan_name_flaw(user, false);
    if (!user.data) plan_error(p, "username", "The value must be supplied");
    else if (flaw) plan_error(p, "username", "%s", flaw);
    plan_password_fits(p, "password", true);
}

/* The port cannot really be changed: whoever starts the node chose it. */
static void take_port(struct plan *p, bool required)
{
    struct divan_bytes v = plan_field(p, "port");
    int64_t port = 0;
    if (!v.data && !required) return;
    if (!v.data) plan_error(p, "port", "The value must be supplied");
    else if (bytes_is(v, "SAME")) return;
    else if (!plan_to_int(v, &port)) plan_error(p, "port", "Port must be a number.");
    else if (port < 1024 || port > 65535)
        plan_error(p, "port", "The port number must be greater than 1023 and less than 65536.");
    else if (plan_self(p) && plan_self(p)->ports.plain[SVC_MGMT] != port)
        plan_error(p, "port", "The port of a node of this cluster is chosen where it is started; use SAME.");
}

static void answer_base_uri(struct plan *p)
{
    const struct doc_node *self = plan_self(p);
    p->changed = true;
    plan_answer_json(p, 200, "{\"newBaseUri\":\"http://%s:%u/\"}", self ? self->host : "127.0.0.1",
                     self ? self->ports.plain[SVC_MGMT] : 8091);
}

void plan_web(struct plan *p)
{
    take_credentials(p);
    take_port(p, true);
    if (plan_refuse(p, 400)) return;
    plan_set_admin(p, plan_field(p, "username"), plan_field(p, "password"), "password");
    if (!plan_refuse(p, 400)) answer_base_uri(p);
}

/* ---- names. Whether a name resolves and is one of this machine's was found out by the node: args[0] is why not. */

static void set_host(struct plan *p, struct doc_node *n, struct divan_bytes host)
{
    n->host = doc_text_of(p->doc, host);
    n->named = !bytes_is(host, "127.0.0.1") && !bytes_is(host, "::1") && !bytes_is(host, "localhost");
    n->renamed = true;
    n->otp = plan_free_otp(p, n->host, n->ports.plain[SVC_MGMT], n);
}

void plan_rename(struct plan *p)
{
    struct divan_bytes host = plan_field(p, "hostname"), flaw = plan_arg(p, 0);
    struct doc_node *self = plan_self(p);
    struct buf *out = &p->reply->body;
    if (!host.data) flaw = divan_str("The name cannot be empty");
    if (!flaw.len && self && bytes_is(host, self->host)) {
        plan_answer(p, 200);
        return;
    }
    if (!flaw.len && p->doc->provisioned && p->doc->node_count > 1)
        flaw = divan_str("Renaming is disallowed for nodes that are already part of a cluster");
    if (!flaw.len && self) {
        set_host(p, self, host);
        plan_done(p);
        return;
    }
    p->reply->status = 400;
    p->reply->json = true;
    jw_open(out, NULL, '[');
    jw_bytes(out, NULL, flaw.len ? flaw : divan_str("this node is not known"));
    jw_close(out, ']');
}

/* Everything at once. */
void plan_cluster_init(struct plan *p)
{
    static const char *const known[] = {"hostname",
                                        "username",
                                        "password",
                                        "services",
                                        "memoryQuota",
                                        "indexMemoryQuota",
                                        "ftsMemoryQuota",
                                        "cbasMemoryQuota",
                                        "eventingMemoryQuota",
                                        "queryMemoryQuota",
                                        "port",
                                        "clusterName",
                                        "sendStats",
                                        "indexerStorageMode",
                                        "afamily",
                                        "nodeEncryption",
                                        "afamilyOnly",
                                        "allowedHosts",
                                        "dataPath",
                                        "indexPath",
                                        "eventingPath",
                                        "javaHome",
                                        "analyticsPath",
                                        "setDefaultMemQuotas",
                                        NULL};
    struct divan_bytes host = plan_field(p, "hostname"), flaw = plan_arg(p, 0), name = plan_field(p, "clusterName");
    plan_only(p, known);
    take_services(p);
    if (!p->doc->provisioned) {
        take_credentials(p);
        take_port(p, false);
        take_quotas(p);
        if (plan_has(p, "sendStats")) plan_bool(p, "sendStats");
        if (flaw.len) plan_error(p, "hostname", "%.*s", (int)flaw.len, (const char *)flaw.data);
    }
    if (plan_refuse(p, 400)) return;
    struct doc_node *self = plan_self(p);
    if (self) self->services = 1u << SVC_KV;
    if (self && host.len) set_host(p, self, host);
    if (name.data) p->doc->name = doc_text_of(p->doc, name);
    plan_set_admin(p, plan_field(p, "username"), plan_field(p, "password"), "password");
    if (!plan_refuse(p, 400)) answer_base_uri(p);
}

/* ---- automatic failover */

static bool in_range(struct plan *p, const char *field, int64_t low, int64_t high, uint32_t *out)
{
    struct divan_bytes v = plan_field(p, field);
    int64_t n = 0;
    if (!v.data) return false;
    if (!plan_to_int(v, &n)) plan_error(p, field, "The value must be an integer");
    else if (n < low || n > high)
        plan_error(p, field, "The value must be in range from %lld to %lld", (long long)low, (long long)high);
    else {
        *out = (uint32_t)n;
        return true;
    }
    return false;
}

static void take_flag(struct plan *p, const char *field, bool *out)
{
    int v = plan_has(p, field) ? plan_bool(p, field) : PLAN_BAD;
    if (v != PLAN_BAD) *out = v == 1;
}

void plan_auto_failover(struct plan *p)
{
    static const char *const known[] = {"enabled",
                                        "timeout",
                                        "maxCount",
                                        "failoverOnDataDiskIssues[enabled]",
                                        "failoverOnDataDiskIssues[timePeriod]",
                                        "failoverOnServerGroup",
                                        "canAbortRebalance",
                                        "failoverPreserveDurabilityMajority",
                                        "disableMaxCount",
                                        NULL};
    struct doc_auto_failover f = p->doc->auto_failover;
    plan_only(p, known);
    int enabled = plan_has(p, "enabled") ? plan_bool(p, "enabled") : PLAN_BAD;
    if (!plan_has(p, "enabled")) plan_error(p, "enabled", "The value must be supplied");
    bool timed = in_range(p, "timeout", 1, 3600, &f.timeout_s);
    if (enabled == 1 && !timed) plan_error(p, "_", "enabled is true. A value must be supplied for timeout");
    if (enabled != 1 && timed) plan_error(p, "_", "enabled must be true for timeout to take effect");
    in_range(p, "maxCount", 1, 100, &f.max_count);

    take_flag(p, "failoverOnDataDiskIssues[enabled]", &f.on_disk_issues);
    bool period = in_range(p, "failoverOnDataDiskIssues[timePeriod]", 5, 3600, &f.disk_issue_period_s);
    if (plan_has(p, "failoverOnDataDiskIssues[enabled]") && f.on_disk_issues && !period)
        plan_error(p, "_",
                   "failoverOnDataDiskIssues[enabled] is true. A value must be supplied for "
                   "failoverOnDataDiskIssues[timePeriod]");
    take_flag(p, "canAbortRebalance", &f.can_abort_rebalance);
    take_flag(p, "failoverPreserveDurabilityMajority", &f.preserve_durability_majority);
    take_flag(p, "disableMaxCount", &f.disable_max_count);
    if (plan_refuse(p, 400)) return;
    f.enabled = enabled == 1;
    if (!f.enabled) f.on_disk_issues = false, f.count = 0;
    p->doc->auto_failover = f;
    plan_done(p);
}

void plan_auto_failover_reset(struct plan *p)
{
    p->doc->auto_failover.count = 0;
    plan_done(p);
}

/* ---- settings that are kept and given back: args[0] is the path */

void plan_setting(struct plan *p)
{
    char path[100];
    struct divan_bytes name = plan_arg(p, 0);
    snprintf(path, sizeof path, "%.*s", (int)(name.len < 99 ? name.len : 99), (const char *)name.data);
    const char *before = setting_json(p->doc, path);
    if (!before) {
        plan_answer_text(p, 404, "Not found.");
        return;
    }
    struct buf json = {.limit = 64 * 1024};
    setting_merge(p, before, &json);
    if (!plan_refuse(p, 400)) {
        struct doc_setting *s = NULL;
        for (size_t i = 0; i < p->doc->setting_count; i++)
            if (strcmp(p->doc->settings[i].path, path) == 0) s = &p->doc->settings[i];
        if (!s) s = doc_insert(p->doc, &p->doc->settings, &p->doc->setting_count, p->doc->setting_count, sizeof *s);
        if (s) *s = (struct doc_setting){.path = doc_text(p->doc, path), .json = doc_text_of(p->doc, buf_view(&json))};
        plan_done(p);
    }
    buf_fini(&json);
}
