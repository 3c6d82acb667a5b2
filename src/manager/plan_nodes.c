/* Nodes: how they come, what they are called from outside, which group they are in. */
#include <stdio.h>

#include "manager/json_writer.h"
#include "manager/plan_parts.h"

/* ---- a node introduces itself: the body is a doc_node */

/* "ns_1@host" as usual; nodes that share a host are told apart by the port of their management. */
const char *plan_free_otp(const struct plan *p, const char *host, uint16_t port, const struct doc_node *self)
{
    enum { USUAL_PORT = 8091 };
    char otp[300];
    for (int i = 1;; i++) {
        if (i == 1 && port && port != USUAL_PORT) snprintf(otp, sizeof otp, "n_%u@%.250s", port, host);
        else snprintf(otp, sizeof otp, "ns_%d@%.250s", i, host);
        const struct doc_node *other = doc_find_otp(p->doc, otp);
        if (!other || other == self) return doc_text(p->doc, otp);
    }
}

/* Half of what a node may give to quotas at all. */
static uint32_t default_quota_mb(const struct doc_node *n)
{
    uint32_t mb = plan_allowed_mb(n) / 2;
    return mb < 256 ? 256 : mb;
}

/* A node that was here before keeps its place and the name it was given; ports and memory are what they are now. */
static void welcome_back(struct doc_node *n, const struct doc_node *said)
{
    n->ports = said->ports;
    n->memory_mb = said->memory_mb;
    n->data_path = said->data_path;
    n->boot = said->boot;
    n->address = said->address[0] ? said->address : said->host;
    n->down = false;
    if (!n->renamed) n->host = said->host, n->named = said->named;
}

static size_t active_nodes(const struct doc *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->node_count; i++) n += d->nodes[i].membership == DOC_ACTIVE;
    return n;
}

static void welcome(struct plan *p, const struct doc_node *said)
{
    struct doc *d = p->doc;
    bool first = !d->node_count;
    const char *otp = plan_free_otp(p, said->host, said->ports.plain[SVC_MGMT], NULL);
    struct doc_node *n = doc_insert(d, &d->nodes, &d->node_count, d->node_count, sizeof *n);
    if (!n) return;
    *n = *said;
    n->otp = otp;
    if (!n->address[0]) n->address = n->host;
    n->group = d->group_count ? d->groups[0].uuid : "";
    n->services = 1u << SVC_KV;
    n->membership = first || active_nodes(d) <= d->expected_nodes ? DOC_ACTIVE : DOC_INACTIVE_ADDED;
    if (first && said->memory_mb && !d->provisioned) d->quotas.kv = default_quota_mb(said);
}

void plan_node_hello(struct plan *p)
{
    struct doc_node said;
    struct divan_error err = {0};
    if (doc_node_from_json(p->req->body, p->doc, &said, &err) || strlen(said.uuid) != 32 || !said.host[0]) {
        plan_answer_text(p, 400, err.code ? err.message : "a node needs a uuid and a host");
        return;
    }
    struct doc_node *known = doc_find_node(p->doc, said.uuid);
    if (known) welcome_back(known, &said);
    else welcome(p, &said);
    for (size_t i = 0; i < p->doc->bucket_count; i++) plan_map_build(p, &p->doc->buckets[i]);
    if (active_nodes(p->doc) >= p->doc->expected_nodes)
        p->doc->expected_nodes = 0; /* later ones are added, not expected */
    plan_done(p);
}

/* Whoever starts a cluster of several says so first, so that buckets are laid out once, over all of them. */
void plan_expect_nodes(struct plan *p)
{
    int64_t n = 0;
    if (!plan_to_int(plan_field(p, "nodes"), &n) || n < 1 || n > 100)
        plan_error(p, "nodes", "The value must be in range from 1 to 100");
    if (plan_refuse(p, 400)) return;
    p->doc->expected_nodes = (uint32_t)n;
    plan_done(p);
}

/* ---- alternate addresses */

static const char *const kv_ports[] = {"kv", "kvSSL", "capi", "capiSSL", "projector", "mgmt", "mgmtSSL", NULL};
static const char *const other_ports[] = {"n1ql",
                                          "n1qlSSL",
                                          "fts",
                                          "ftsSSL",
                                          "ftsGRPC",
                                          "ftsGRPCSSL",
                                          "cbas",
                                          "cbasSSL",
                                          "eventingAdminPort",
                                          "eventingSSL",
                                          "eventingDebug",
                                          "indexAdmin",
                                          "indexScan",
                                          "indexHttp",
                                          "indexHttps",
                                          "indexStreamInit",
                                          "indexStreamCatchup",
                                          "indexStreamMaint",
                                          "backupAPI",
                                          "backupAPIHTTPS",
                                          "backupGRPC",
                                          NULL};

static bool listed(const char *const *list, struct divan_bytes name)
{
    for (; *list; list++)
        if (bytes_is(name, *list)) return true;
    return false;
}

static bool host_fits(struct divan_bytes host)
{
    const char *at = host.data;
    bool dot = false;
    for (size_t i = 0; i < host.len; i++) {
        char c = at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr(".-_:", c)) || !c)
            return false;
        dot = dot || c == '.' || c == ':';
    }
    return host.len && host.len <= 1000 && (dot || bytes_is(host, "localhost"));
}

/* The ports of the form into *n; false with the answer given. */
static bool take_ports(struct plan *p, struct doc_node *n)
{
    struct buf absent = {.limit = 500};
    char flaw[600] = "";
    for (size_t i = 0; i < p->req->form_count && !flaw[0]; i++) {
        struct divan_bytes name = p->req->form[i].name, value = p->req->form[i].value;
        int shown = (int)(name.len < 100 ? name.len : 100);
        int64_t port = 0;
        if (bytes_is(name, "hostname") || (name.len && *(const char *)name.data == '?')) continue;
        bool here = listed(kv_ports, name);
        if (!here && !listed(other_ports, name))
            snprintf(flaw, sizeof flaw, "Invalid Port \"%.*s\" : No such port.", shown, (const char *)name.data);
        else if (!plan_to_int(value, &port))
            snprintf(flaw, sizeof flaw, "Invalid Port \"%.*s\" : Port must be a number.", shown,
                     (const char *)name.data);
        else if (port < 1024 || port > 65535)
            snprintf(flaw, sizeof flaw,
                     "Invalid Port \"%.*s\" : The port number must be greater than 1023 and less than 65536.", shown,
                     (const char *)name.data);
        else if (!here) buf_printf(&absent, absent.len ? ",\"%.*s\"" : "\"%.*s\"", shown, (const char *)name.data);
        else {
            struct doc_alternate_port *a = doc_insert(p->doc, &n->alternate_ports, &n->alternate_port_count,
                                                      n->alternate_port_count, sizeof *a);
            if (a) *a = (struct doc_alternate_port){doc_text_of(p->doc, name), (uint16_t)port};
        }
    }
    if (!flaw[0] && absent.len)
        snprintf(flaw, sizeof flaw, "Cannot set external ports [%.480s] as services are unavailable on the node.",
                 buf_text(&absent));
    if (flaw[0]) plan_answer_text(p, 400, flaw);
    buf_fini(&absent);
    return !flaw[0];
}

void plan_alternate_set(struct plan *p)
{
    struct divan_bytes host = plan_field(p, "hostname");
    struct doc_node *self = plan_self(p);
    if (!self) {
        plan_answer_text(p, 404, "Not found.");
        return;
    }
    if (!host.data) {
        plan_answer_text(p, 400, "hostname should be specified");
        return;
    }
    if (!host_fits(host)) {
        plan_answer_text(
            p, 400,
            "Invalid hostname specified. Hostname should be 1000 characters or less and either a valid IPv4, "
            "IPv6, or FQDN");
        return;
    }
    self->alternate_ports = NULL, self->alternate_port_count = 0;
    if (!take_ports(p, self)) return;
    self->alternate_host = doc_text_of(p->doc, host);
    plan_done(p);
}

void plan_alternate_clear(struct plan *p)
{
    struct doc_node *self = plan_self(p);
    if (self) self->alternate_host = NULL, self->alternate_ports = NULL, self->alternate_port_count = 0;
    plan_done(p);
}

/* ---- storage paths: chosen where the node is started, so a request may only confirm them */

static const char *path_flaw(const char *field, struct divan_bytes path, char *text, size_t cap)
{
    if (!path.data) return NULL;
    if (!path.len) snprintf(text, cap, "%s cannot contain empty string", field);
    else if (*(const char *)path.data != '/') snprintf(text, cap, "An absolute path is required for %s", field);
    else return NULL;
    return text;
}

void plan_paths(struct plan *p)
{
    static const char *const fields[] = {"path", "data_path", "index_path", "cbas_path", "eventing_path", NULL};
    const struct doc_node *self = plan_self(p);
    struct buf *out = &p->reply->body;
    char text[200];
    const char *flaw = NULL;
    for (const char *const *f = fields; *f && !flaw; f++) {
        struct divan_bytes path = plan_field(p, *f);
        flaw = path_flaw(*f, path, text, sizeof text);
        if (!flaw && path.data && self && self->data_path[0] && !bytes_is(path, self->data_path))
            flaw = "Could not set the storage path. It must be a directory writable by 'couchbase' user.";
        if (!flaw && path.data && self && !self->data_path[0])
            flaw = "Could not set the storage path. It must be a directory writable by 'couchbase' user.";
    }
    if (!flaw) {
        plan_answer(p, 200);
        return;
    }
    p->reply->status = 400;
    p->reply->json = true;
    jw_open(out, NULL, '[');
    jw_str(out, NULL, flaw);
    jw_close(out, ']');
}

/* ---- server groups */

void plan_group_add(struct plan *p)
{
    struct divan_bytes name = plan_field(p, "name");
    if (!name.data) plan_error(p, "name", "The value must be supplied");
    if (name.data && !name.len) plan_error(p, "name", "cannot be empty");
    if (name.len > 64) plan_error(p, "name", "cannot contain more than 64 characters");
    for (size_t i = 0; i < p->doc->group_count; i++)
        if (bytes_is(name, p->doc->groups[i].name)) plan_error(p, "name", "already exists");
    if (plan_refuse(p, 400)) return;
    struct doc_server_group *g = doc_insert(p->doc, &p->doc->groups, &p->doc->group_count, p->doc->group_count,
                                            sizeof *g);
    if (g) *g = (struct doc_server_group){.uuid = plan_uuid(p, false), .name = doc_text_of(p->doc, name)};
    plan_done(p);
}

static struct doc_server_group *group_of(struct plan *p)
{
    struct divan_bytes uuid = plan_arg(p, 0);
    for (size_t i = 0; i < p->doc->group_count; i++)
        if (bytes_is(uuid, p->doc->groups[i].uuid)) return &p->doc->groups[i];
    plan_answer_text(p, 404, "Not found.");
    return NULL;
}

void plan_group_rename(struct plan *p)
{
    struct doc_server_group *g = group_of(p);
    struct divan_bytes name = plan_field(p, "name");
    if (!g) return;
    if (!name.len) plan_error(p, "name", "cannot be empty");
    if (plan_refuse(p, 400)) return;
    g->name = doc_text_of(p->doc, name);
    plan_done(p);
}

void plan_group_delete(struct plan *p)
{
    struct doc_server_group *g = group_of(p);
    if (!g) return;
    bool used = p->doc->group_count == 1;
    for (size_t i = 0; i < p->doc->node_count; i++) used = used || strcmp(p->doc->nodes[i].group, g->uuid) == 0;
    if (used) plan_error(p, "_", "group is not empty");
    if (plan_refuse(p, 400)) return;
    doc_remove(p->doc->groups, &p->doc->group_count, (size_t)(g - p->doc->groups), sizeof *g);
    plan_done(p);
}
