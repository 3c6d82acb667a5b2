/* Nodes that join, leave, fail and come back, as far as a request decides it; the conductor does the rest. Sentences are
 * those of Couchbase Server 7.6: tools match them. */
#include <stdio.h>
#include <stdlib.h>

#include "manager/failover.h"
#include "manager/json_writer.h"
#include "manager/plan_parts.h"

enum { NODES_MAX = 128 };

/* ---- lists of names */

static struct divan_bytes next_word(struct divan_bytes *list)
{
    for (;;) {
        const char *comma = list->len ? memchr(list->data, ',', list->len) : NULL;
        size_t n = comma ? (size_t)(comma - (const char *)list->data) : list->len;
        struct divan_bytes word = bytes_slice(*list, 0, n);
        *list = bytes_slice(*list, n + (comma != NULL), list->len);
        if (word.len || !list->len) return word;
    }
}

struct doc_node *plan_otp(const struct plan *p, struct divan_bytes otp)
{
    for (size_t i = 0; i < p->doc->node_count; i++)
        if (bytes_is(otp, p->doc->nodes[i].otp)) return &p->doc->nodes[i];
    return NULL;
}

struct names {
    struct doc_node *list[NODES_MAX];
    size_t count;
};

static bool has(const struct names *n, const struct doc_node *node)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->list[i] == node) return true;
    return false;
}

static void add(struct names *n, struct doc_node *node)
{
    if (!has(n, node) && n->count < NODES_MAX) n->list[n->count++] = node;
}

/* A comma separated list; false: somebody unknown is named. */
static bool take_list(struct plan *p, const char *field, struct names *out)
{
    struct divan_bytes list = plan_field(p, field);
    while (list.len) {
        struct divan_bytes word = next_word(&list);
        struct doc_node *n = plan_otp(p, word);
        if (!n && word.len) return false;
        if (n) add(out, n);
    }
    return true;
}

static void set_list(struct plan *p, const char ***list, size_t *count, const struct names *from)
{
    *list = NULL, *count = 0;
    for (size_t i = 0; i < from->count; i++) {
        const char **at = doc_insert(p->doc, list, count, *count, sizeof *at);
        if (at) *at = from->list[i]->uuid;
    }
}

/* "['ns_1@a','ns_1@b']" */
static void put_atoms(const struct names *n, struct buf *out)
{
    buf_u8(out, '[');
    for (size_t i = 0; i < n->count; i++) buf_printf(out, i ? ",'%s'" : "'%s'", n->list[i]->otp);
    buf_u8(out, ']');
}

bool plan_refuse_busy(struct plan *p, const char *what)
{
    if (!doc_is_busy(p->doc)) return false;
    plan_answer_json(p, 503, "{\"_\":\"Cannot %s buckets during rebalance.\\r\\n\"}", what);
    return true;
}

/* ---- rebalance */

static void begin_task(struct plan *p, enum doc_task_kind kind)
{
    struct doc_task *t = &p->doc->task;
    *t = (struct doc_task){.kind = kind, .stage = DOC_TASK_MOVING, .started_ms = p->wall_ms, .error = ""};
    t->id = plan_uuid(p, false);
    t->status = plan_uuid(p, false);
    t->report = plan_uuid(p, false);
    for (size_t i = 0; i < p->doc->bucket_count; i++) p->doc->buckets[i].map.forward = NULL;
}

static bool delta_buckets_exist(struct plan *p)
{
    struct divan_bytes list = plan_field(p, "deltaRecoveryBuckets");
    while (list.len) {
        struct divan_bytes word = next_word(&list);
        if (word.len && !doc_find_bucket(p->doc, word)) return false;
    }
    return true;
}

/* Those the rebalance cannot do without and that are away: true with the answer given. */
static bool some_are_down(struct plan *p, const struct names *keep, const struct names *eject)
{
    struct names down = {.count = 0};
    for (size_t i = 0; i < keep->count; i++)
        if (keep->list[i]->down) add(&down, keep->list[i]);
    for (size_t i = 0; i < eject->count; i++)
        if (eject->list[i]->down && eject->list[i]->membership == DOC_ACTIVE) add(&down, eject->list[i]);
    if (!down.count) return false;
    p->reply->status = 503;
    buf_put_str(&p->reply->body, "Cannot contact the following nodes: ");
    put_atoms(&down, &p->reply->body);
    return true;
}

static void start_rebalance(struct plan *p, const struct names *keep, const struct names *eject,
                            const struct names *delta)
{
    struct doc_task *t = &p->doc->task;
    begin_task(p, DOC_TASK_REBALANCE);
    set_list(p, &t->keep, &t->keep_count, keep);
    set_list(p, &t->eject, &t->eject_count, eject);
    set_list(p, &t->delta, &t->delta_count, delta);
    for (size_t i = 0; i < keep->count; i++) {
        keep->list[i]->membership = DOC_ACTIVE;
        keep->list[i]->recovery = DOC_RECOVERY_NONE;
    }
    p->doc->counters.rebalance_start++;
    p->doc->expected_nodes = 0;
    p->changed = true;
    plan_answer_json(p, 200, "{\"rebalance_id\":\"%s\"}", t->id);
}

void plan_rebalance(struct plan *p)
{
    struct names known = {.count = 0}, ejected = {.count = 0}, keep = {.count = 0}, eject = {.count = 0},
                 delta = {.count = 0};
    if (!plan_field(p, "knownNodes").len) {
        plan_answer_json(p, 400, "{\"empty_known_nodes\":1}");
        return;
    }
    bool all_known = take_list(p, "knownNodes", &known) && take_list(p, "ejectedNodes", &ejected);
    for (size_t i = 0; i < p->doc->node_count; i++) all_known = all_known && has(&known, &p->doc->nodes[i]);
    for (size_t i = 0; i < known.count; i++) {
        struct doc_node *n = known.list[i];
        bool leaves = has(&ejected, n) || n->membership == DOC_INACTIVE_FAILED;
        add(leaves ? &eject : &keep, n);
        if (!leaves && n->recovery == DOC_RECOVERY_DELTA) add(&delta, n);
    }
    if (!all_known) plan_answer_json(p, 400, "{\"mismatch\":1}");
    else if (doc_is_busy(p->doc)) plan_answer(p, 200); /* it goes on */
    else if (!keep.count) plan_answer_text(p, 400, "No active nodes left");
    else if (!delta_buckets_exist(p)) plan_answer_json(p, 400, "{\"deltaRecoveryNotPossible\":1}");
    else if (!some_are_down(p, &keep, &eject)) start_rebalance(p, &keep, &eject, &delta);
}

void plan_stop_rebalance(struct plan *p)
{
    if (plan_has(p, "allowUnsafe")) plan_bool(p, "allowUnsafe");
    if (plan_refuse(p, 400)) return;
    if (!doc_is_busy(p->doc)) {
        plan_answer(p, 200);
        return;
    }
    p->doc->task.stopping = true;
    plan_done(p);
}

/* ---- failover */

size_t plan_named_nodes(const struct doc *d, const struct manager_request *r, const char **uuids, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < d->node_count && n < cap; i++)
        for (size_t f = 0; f < r->form_count; f++)
            if (bytes_is(r->form[f].name, "otpNode") && bytes_is(r->form[f].value, d->nodes[i].otp)) {
                uuids[n++] = d->nodes[i].uuid;
                break;
            }
    return n;
}

/* The nodes of the fields otpNode; false with the answer given. */
static bool take_nodes(struct plan *p, struct names *out)
{
    struct buf bad = {.limit = 2000};
    size_t fields = 0;
    for (size_t i = 0; i < p->req->form_count; i++) {
        if (!bytes_is(p->req->form[i].name, "otpNode")) continue;
        struct divan_bytes v = p->req->form[i].value;
        struct doc_node *n = plan_otp(p, v);
        fields++;
        if (n) add(out, n);
        else
            buf_printf(&bad, bad.len ? ",\"%.*s\"" : "\"%.*s\"", (int)(v.len < 300 ? v.len : 300),
                       (const char *)v.data);
    }
    if (!fields) plan_answer_text(p, 400, "No server specified.");
    else if (bad.len) {
        p->reply->status = 400;
        buf_printf(&p->reply->body, "Unknown server given [%s]", buf_text(&bad));
    }
    buf_fini(&bad);
    return p->reply->status != 400;
}

/* Whether these may go at all; false with the answer given. */
static bool may_fail(struct plan *p, const struct names *names)
{
    size_t active = 0, failing = 0, up = 0;
    for (size_t i = 0; i < p->doc->node_count; i++) {
        const struct doc_node *n = &p->doc->nodes[i];
        if (n->membership != DOC_ACTIVE) continue;
        active++;
        failing += has(names, n);
        up += !n->down;
    }
    if (doc_is_busy(p->doc)) plan_answer_text(p, 503, "Cannot failover during rebalance");
    else if (failing < names->count) plan_answer_text(p, 400, "Inactive server given.");
    else if (failing == active) plan_answer_text(p, 400, "Last active node cannot be failed over.");
    else if (up * 2 <= active && !bytes_is(plan_field(p, "allowUnsafe"), "true"))
        plan_answer_text(p, 504, "Cannot safely perform a failover at the moment");
    else return true;
    return false;
}

/* A bucket lives on some nodes only while a rebalance brings it to others. */
static bool is_last_of_a_bucket(struct plan *p, const struct names *names)
{
    for (size_t i = 0; i < p->doc->bucket_count; i++) {
        const struct doc_vbmap *m = &p->doc->buckets[i].map;
        size_t left = 0;
        for (size_t s = 0; s < m->server_count; s++) left += !has(names, doc_find_node(p->doc, m->servers[s]));
        if (!m->server_count || left) continue;
        p->reply->status = 400;
        buf_printf(&p->reply->body, "Last server for bucket \"%s\" cannot be failed over.", p->doc->buckets[i].name);
        return true;
    }
    return false;
}

static void fail_over(struct plan *p, enum plan_follow follow)
{
    struct names names = {.count = 0};
    p->reply->status = 200;
    if (!take_nodes(p, &names) || !may_fail(p, &names) || is_last_of_a_bucket(p, &names)) return;
    plan_answer(p, 200);
    p->reply->follow = follow;
}

void plan_fail_over(struct plan *p)
{
    fail_over(p, PLAN_FAIL_OVER);
}
void plan_start_fail_over(struct plan *p)
{
    fail_over(p, PLAN_START_FAIL_OVER);
}

void plan_graceful_fail_over(struct plan *p)
{
    struct names names = {.count = 0}, keep = {.count = 0};
    const char *uuids[NODES_MAX];
    p->reply->status = 200;
    if (!take_nodes(p, &names) || !may_fail(p, &names)) return;
    for (size_t i = 0; i < names.count; i++) uuids[i] = names.list[i]->uuid;
    bool down = false;
    for (size_t i = 0; i < names.count; i++) down = down || names.list[i]->down;
    if (down || !failover_keeps_all(p->doc, uuids, names.count, NULL)) {
        plan_answer_text(p, 400, "Failover cannot be done gracefully (would lose vbuckets).");
        return;
    }
    for (size_t i = 0; i < p->doc->node_count; i++)
        if (p->doc->nodes[i].membership == DOC_ACTIVE && !has(&names, &p->doc->nodes[i])) add(&keep, &p->doc->nodes[i]);
    begin_task(p, DOC_TASK_GRACEFUL);
    for (size_t i = 0; i < p->doc->bucket_count; i++) failover_remember(p->doc, &p->doc->buckets[i]);
    set_list(p, &p->doc->task.keep, &p->doc->task.keep_count, &keep);
    set_list(p, &p->doc->task.fail, &p->doc->task.fail_count, &names);
    p->doc->counters.graceful_start++;
    plan_done(p);
}

/* ---- recovery */

static void set_recovery(struct plan *p, struct divan_bytes type)
{
    struct doc_node *n = plan_otp(p, plan_field(p, "otpNode"));
    bool delta = bytes_is(type, "delta"), full = bytes_is(type, "full");
    bool failed = n && (n->membership == DOC_INACTIVE_FAILED ||
                        (n->membership == DOC_INACTIVE_ADDED && n->recovery != DOC_RECOVERY_NONE));
    struct buf *out = &p->reply->body;
    if (delta + full && failed) {
        n->membership = DOC_INACTIVE_ADDED;
        n->recovery = delta ? DOC_RECOVERY_DELTA : DOC_RECOVERY_FULL;
        p->changed = true;
        plan_answer_json(p, 200, "[]");
        return;
    }
    p->reply->status = 400;
    p->reply->json = true;
    jw_open(out, NULL, '{');
    if (!delta && !full) jw_str(out, "recoveryType", "recovery type must be either 'delta' or 'full'");
    if (!failed && (!n || delta + full))
        jw_str(out, "otpNode", "invalid node name or node can't be used for delta recovery");
    jw_close(out, '}');
}

void plan_recovery_type(struct plan *p)
{
    set_recovery(p, plan_field(p, "recoveryType"));
}

void plan_re_add(struct plan *p)
{
    set_recovery(p, divan_str("full"));
}

void plan_re_fail_over(struct plan *p)
{
    struct doc_node *n = plan_otp(p, plan_field(p, "otpNode"));
    if (!n || n->membership != DOC_INACTIVE_ADDED || n->recovery == DOC_RECOVERY_NONE) {
        plan_answer(p, 400);
        return;
    }
    n->membership = DOC_INACTIVE_FAILED;
    n->recovery = DOC_RECOVERY_NONE;
    plan_done(p);
}

/* ---- leaving and joining */

void plan_eject(struct plan *p)
{
    struct divan_bytes otp = plan_field(p, "otpNode");
    struct doc_node *n = bytes_is(otp, "Self") ? plan_self(p) : plan_otp(p, otp);
    if (!otp.data) plan_answer_text(p, 400, "Bad Request\n");
    else if (!n) plan_answer_text(p, 400, "Server does not exist.\n");
    else if (n->membership == DOC_ACTIVE) plan_answer_text(p, 400, "Cannot remove active server.\n");
    else if (doc_is_busy(p->doc)) plan_answer_text(p, 503, "Unable to leave cluster");
    else {
        doc_remove(p->doc->nodes, &p->doc->node_count, (size_t)(n - p->doc->nodes), sizeof *n);
        plan_done(p);
    }
}

static bool take_port(struct divan_bytes text, const char **flaw, uint16_t *port)
{
    int64_t n = 0;
    if (!plan_to_int(text, &n)) return false;
    if (n < 1024 || n > 65535) *flaw = "The port number must be greater than 1023 and less than 65536.";
    *port = (uint16_t)n;
    return true;
}

static struct divan_bytes field_of(const struct manager_request *r, const char *name)
{
    for (size_t i = 0; i < r->form_count; i++)
        if (bytes_is(r->form[i].name, name)) return r->form[i].value;
    return (struct divan_bytes){NULL, 0};
}

static bool starts(struct divan_bytes *text, const char *with)
{
    size_t n = strlen(with);
    if (text->len < n || memcmp(text->data, with, n) != 0) return false;
    *text = bytes_slice(*text, n, text->len);
    return true;
}

static bool is_blank(const char *c)
{
    return strchr(" \t\r\n", *c) != NULL && *c;
}

static struct divan_bytes trimmed(struct divan_bytes t)
{
    while (t.len && is_blank(t.data)) t = bytes_slice(t, 1, t.len);
    while (t.len && is_blank((const char *)t.data + t.len - 1)) t.len--;
    return t;
}

static _Thread_local char malformed[700]; /* the sentence names what was sent */

const char *plan_address(const struct manager_request *r, char *host, uint16_t *port, bool *tls)
{
    enum { PLAIN = 8091, TLS = 18091, HOST_MAX = 255 };
    struct divan_bytes sent = trimmed(field_of(r, "hostname")), text = sent;
    const char *flaw = NULL;
    char both[300];
    if (!sent.data && field_of(r, "clusterMemberHostIp").len &&
        field_of(r, "clusterMemberPort").len) { /* the older way */
        struct divan_bytes ip = field_of(r, "clusterMemberHostIp"), p = field_of(r, "clusterMemberPort");
        snprintf(both, sizeof both, "%.*s:%.*s", (int)(ip.len < 255 ? ip.len : 255), (const char *)ip.data,
                 (int)(p.len < 8 ? p.len : 8), (const char *)p.data);
        sent = text = divan_str(both);
    }
    if (!text.len) return "Hostname is required.";
    snprintf(malformed, sizeof malformed, "Malformed URL %.*s; if using IPv6, enclose in square brackets",
             (int)(sent.len < 500 ? sent.len : 500), (const char *)sent.data);
    *tls = !starts(&text, "http://");
    if (*tls) starts(&text, "https://");
    *port = *tls ? TLS : PLAIN;
    const char *at = text.data, *end = text.len ? memchr(at, '/', text.len) : NULL;
    if (end) text.len = (size_t)(end - at);
    bool brackets = text.len && at[0] == '[';
    const char *close = brackets ? memchr(at, ']', text.len) : NULL;
    const char *colon = brackets   ? (close && close + 1 < at + text.len ? close + 1 : NULL)
                        : text.len ? memchr(at, ':', text.len)
                                   : NULL;
    if (brackets && (!close || (colon && *colon != ':'))) return malformed;
    struct divan_bytes name = brackets ? bytes_of(at + 1, (size_t)(close - at - 1))
                                       : bytes_of(at, colon ? (size_t)(colon - at) : text.len);
    if (!name.len || name.len > HOST_MAX || memchr(name.data, 0, name.len)) return malformed;
    if (colon && !take_port(bytes_of(colon + 1, (size_t)(at + text.len - colon - 1)), &flaw, port)) return malformed;
    memcpy(host, name.data, name.len);
    host[name.len] = 0;
    return flaw;
}

/* Errors of an addNode request are sentences in an array. */
static void put_flaw(struct buf *out, const char *text)
{
    jw_str(out, NULL, text);
}

static void check_services(struct plan *p, struct buf *out)
{
    static const char *const known[] = {"kv", "n1ql", "index", "fts", "cbas", "eventing", "backup", NULL};
    struct divan_bytes list = plan_field(p, "services");
    struct buf unknown = {.limit = 400}, absent = {.limit = 400};
    while (list.len) {
        struct divan_bytes word = next_word(&list);
        bool is_known = false;
        for (const char *const *k = known; *k; k++) is_known = is_known || bytes_is(word, *k);
        struct buf *bad = is_known ? &absent : &unknown;
        if (word.len && !bytes_is(word, "kv"))
            buf_printf(bad, bad->len ? ",\"%.*s\"" : "\"%.*s\"", (int)(word.len < 60 ? word.len : 60),
                       (const char *)word.data);
    }
    char text[500];
    if (unknown.len) snprintf(text, sizeof text, "Unknown services: [%s]", buf_text(&unknown));
    else snprintf(text, sizeof text, "Services not available in this cluster: [%s]. Use kv.", buf_text(&absent));
    if (unknown.len || absent.len) put_flaw(out, text);
    buf_fini(&unknown);
    buf_fini(&absent);
}

static void check_fields(struct plan *p, struct buf *out)
{
    static const char *const known[] = {"hostname", "user", "password", "services", "clientCertAuth", NULL};
    struct buf bad = {.limit = 400};
    for (size_t i = 0; i < p->req->form_count; i++) {
        struct divan_bytes name = p->req->form[i].name;
        bool fine = name.len && *(const char *)name.data == '?';
        for (const char *const *k = known; *k; k++) fine = fine || bytes_is(name, *k);
        if (!fine)
            buf_printf(&bad, bad.len ? ",\"%.*s\"" : "\"%.*s\"", (int)(name.len < 60 ? name.len : 60),
                       (const char *)name.data);
    }
    char text[500];
    snprintf(text, sizeof text, "Got unknown parameters: [%s]", bad.len ? buf_text(&bad) : "");
    if (bad.len) put_flaw(out, text);
    buf_fini(&bad);
}

static void check_credentials(struct plan *p, struct buf *out)
{
    struct divan_bytes user = plan_field(p, "user"), password = plan_field(p, "password");
    if (!user.len && password.len) put_flaw(out, "If a username is not specified, a password must not be supplied.");
    if (user.len && !password.len) put_flaw(out, "A password must be supplied.");
}

void plan_add_node(struct plan *p)
{
    struct buf *out = &p->reply->body;
    char host[256];
    uint16_t port;
    bool tls;
    jw_open(out, NULL, '[');
    if (!plan_has(p, "user")) put_flaw(out, "user is missing");
    if (!plan_has(p, "password")) put_flaw(out, "password is missing");
    const char *flaw = plan_address(p->req, host, &port, &tls);
    if (flaw) put_flaw(out, flaw);
    check_fields(p, out);
    check_services(p, out);
    if (out->len == 1) check_credentials(p, out);
    bool group_known = !plan_arg(p, 0).len;
    for (size_t i = 0; i < p->doc->group_count; i++)
        group_known = group_known || bytes_is(plan_arg(p, 0), p->doc->groups[i].uuid);
    p->reply->status = out->len > 1 ? 400 : group_known ? 200 : 404;
    if (out->len == 1 && !group_known) put_flaw(out, "Could not find group with uuid");
    jw_close(out, ']');
    p->reply->json = true;
    if (p->reply->status != 200) return;
    buf_clear(out);
    p->reply->follow = PLAN_ADD_NODE;
}

void plan_ask_to_join(struct plan *p)
{
    struct buf *out = &p->reply->body;
    char host[256];
    uint16_t port;
    bool tls;
    jw_open(out, NULL, '[');
    if (p->doc->provisioned)
        put_flaw(out, "Node is already provisioned. To join use controller/addNode api of the cluster");
    else {
        if (!plan_has(p, "user")) put_flaw(out, "user is missing");
        if (!plan_has(p, "password")) put_flaw(out, "password is missing");
        const char *flaw = plan_address(p->req, host, &port, &tls);
        if (flaw) put_flaw(out, flaw);
        check_services(p, out);
    }
    jw_close(out, ']');
    p->reply->status = out->len > 2 ? 400 : 200;
    p->reply->json = out->len > 2;
    if (p->reply->status != 200) return;
    buf_clear(out);
    p->reply->follow = PLAN_ASK_TO_BE_ADDED;
}

/* From the manager itself: the node with uuid args[0] has joined by a request for the group args[1]. */
void plan_node_joins(struct plan *p)
{
    const char *uuid = doc_text_of(p->doc, plan_arg(p, 0));
    struct doc_node *n = doc_find_node(p->doc, uuid);
    if (!n) {
        plan_answer_not_found(p);
        return;
    }
    for (size_t i = 0; i < p->doc->group_count; i++)
        if (bytes_is(plan_arg(p, 1), p->doc->groups[i].uuid)) n->group = p->doc->groups[i].uuid;
    p->changed = true;
    plan_answer_json(p, 200, "{\"otpNode\":\"%s\"}", n->otp);
}
