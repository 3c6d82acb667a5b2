/* The cluster as a whole: pools, node services, tasks, who am I. */
#include <stdio.h>

#include "node/http/calendar.h"
#include "node/http/render.h"
#include "node/http/routes.h"
#include "node/http/server.h"

void get_pools(struct exchange *x)
{
    const struct doc *d = x->doc;
    struct buf *out = &x->body;
    jw_open(out, NULL, '{');
    jw_bool(out, "isAdminCreds", true); /* of everybody who gets this far, as the real server says */
    jw_bool(out, "isROAdminCreds", false);
    jw_bool(out, "isEnterprise", true);
    jw_str(out, "configProfile", "default");
    jw_raw(out, "allowedServices", "[\"kv\"]");
    jw_bool(out, "isDeveloperPreview", false);
    jw_str(out, "packageVariant", "");
    if (d->provisioned) {
        jw_open(out, "pools", '[');
        jw_open(out, NULL, '{');
        jw_str(out, "name", "default");
        jw_printf(out, "uri", "/pools/default?uuid=%s", d->uuid);
        jw_printf(out, "streamingUri", "/poolsStreaming/default?uuid=%s", d->uuid);
        jw_close(out, '}');
        jw_close(out, ']');
        jw_raw(out, "settings", "{}");
        jw_str(out, "uuid", d->uuid);
    } else jw_raw(out, NULL, "\"pools\":[],\"settings\":[],\"uuid\":[]");
    jw_str(out, "implementationVersion", server_version);
    jw_open(out, "componentsVersion", '{');
    jw_str(out, "ns_server", server_version);
    jw_str(out, "divan", DIVAN_VERSION);
    jw_close(out, '}');
    jw_close(out, '}');
    x_json(x, 200);
}

void get_versions(struct exchange *x)
{
    jw_open(&x->body, NULL, '{');
    jw_str(&x->body, "implementationVersion", server_version);
    jw_open(&x->body, "componentsVersion", '{');
    jw_str(&x->body, "ns_server", server_version);
    jw_str(&x->body, "divan", DIVAN_VERSION);
    jw_close(&x->body, '}');
    jw_close(&x->body, '}');
    x_json(x, 200);
}

/* ---- /pools/default, which can wait for a change */

static bool no_pool(struct exchange *x)
{
    if (x->doc->provisioned) return false;
    x_json_text(x, 404, "\"unknown pool\"");
    return true;
}

static bool try_pool(struct exchange *x, bool last)
{
    char now[24];
    if (!last && bytes_is(x_field(x, "?etag"), render_etag(x->doc, now))) return false;
    buf_clear(&x->body);
    render_pool(x, true, &x->body);
    x_json(x, 200);
    return true;
}

void get_pool(struct exchange *x)
{
    enum { LONGEST_MS = 600 * 1000 };
    int64_t ms = x_number(x, "?waitChange", 0);
    if (no_pool(x)) return;
    if (x_field(x, "?waitChange").data) {
        x_wait(x, try_pool, (uint64_t)(ms > LONGEST_MS ? LONGEST_MS : ms));
        return;
    }
    render_pool(x, false, &x->body);
    x_json(x, 200);
}

static bool render_pool_record(struct exchange *x, struct buf *out)
{
    render_pool(x, false, out);
    return true;
}

void get_pool_stream(struct exchange *x)
{
    if (!no_pool(x)) x_stream(x, render_pool_record);
}

/* ---- node services */

static bool render_services(struct exchange *x, struct buf *out)
{
    doc_global_config(x->doc, x->rest->options.self, out);
    return true;
}

void get_node_services(struct exchange *x)
{
    render_services(x, &x->body);
    x_json(x, 200);
}

void get_node_services_stream(struct exchange *x)
{
    x_stream(x, render_services);
}

/* ---- tasks */

void get_pending_retry(struct exchange *x)
{
    x_json_text(x, 200, "{\"retry_rebalance\":\"not_pending\"}");
}

/* ---- who am I */

static void put_role(void *user, const struct doc_role *r, const char *group)
{
    struct buf *out = user;
    jw_open(out, NULL, '{');
    jw_str(out, "role", r->role);
    if (r->bucket) jw_str(out, "bucket_name", r->bucket);
    if (r->scope) jw_str(out, "scope_name", r->scope);
    if (r->collection) jw_str(out, "collection_name", r->collection);
    jw_close(out, '}');
}

void get_whoami(struct exchange *x)
{
    const struct identity *who = &x->who;
    struct buf *out = &x->body;
    char date[40];
    jw_open(out, NULL, '{');
    jw_open(out, "roles", '[');
    if (who->admin) jw_raw(out, NULL, "{\"role\":\"admin\"}");
    identity_each_role(who, put_role, out);
    jw_close(out, ']');
    jw_str(out, "id", x->user);
    jw_str(out, "domain", who->anonymous ? "anonymous" : who->admin ? "admin" : "local");
    if (who->user && who->user->changed)
        jw_str(out, "password_change_date", calendar_iso(who->user->password_changed_ms, date, sizeof date));
    jw_close(out, '}');
    x_json(x, 200);
}

/* ---- the rest */

void get_root(struct exchange *x)
{
    const struct doc_node *self = x_self(x);
    char at[300], location[340], html[800];
    render_address(x, self, self ? self->ports.plain[SVC_MGMT] : 0, at);
    snprintf(location, sizeof location, "http://%s/ui/index.html", at);
    snprintf(
        html, sizeof html,
        "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\"><html><head><title>301 Moved Permanently</title></head>"
        "<body><h1>Moved Permanently</h1><p>The document has moved <a href=\"%s\">here</a>.</p></body></html>\n",
        location);
    x_redirect(x, location, html);
}

void get_ui(struct exchange *x)
{
    x_text(x, 200, "This is a Divan node. It has no web console; see `divan --help`.\n");
}

void get_certificate(struct exchange *x)
{
    if (x->doc->ca_cert[0]) x_text(x, 200, x->doc->ca_cert);
    else x_not_found(x);
}

void get_views_root(struct exchange *x)
{
    jw_open(&x->body, NULL, '{');
    jw_str(&x->body, "couchdb", "Welcome");
    jw_str(&x->body, "version", server_version);
    jw_close(&x->body, '}');
    x_json(x, 200);
}
