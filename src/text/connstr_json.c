/* What a connection string means, as text: for `divan connstr`, logs and the SRV query. */
#include "text/ascii.h"
#include "text/connstr.h"
#include "text/json.h"

static const char *const scheme_names[] = {
    [CONNSTR_COUCHBASE] = "couchbase",
    [CONNSTR_COUCHBASES] = "couchbases",
    [CONNSTR_HTTP] = "http",
    [CONNSTR_HTTPS] = "https",
};
static const char *const family_names[] = {[CONNSTR_NAME] = "name", [CONNSTR_IPV4] = "ipv4", [CONNSTR_IPV6] = "ipv6"};

void connstr_srv_name(const struct connstr *cs, struct buf *out)
{
    if (!cs->srv_eligible) return;
    const char *prefix = cs->tls ? "_couchbases._tcp." : "_couchbase._tcp.", *host = cs->hosts[0].name;
    size_t len = strlen(prefix);
    if (strlen(host) <= len || !ascii_equal(host, len, prefix, len)) buf_put_str(out, prefix);
    buf_put_str(out, host);
}

static void put_port(struct buf *out, const char *name, uint16_t port)
{
    if (port) buf_printf(out, ",\"%s\":%u", name, port);
    else buf_printf(out, ",\"%s\":null", name);
}

static void put_host(struct buf *out, const struct connstr *cs, const struct connstr_host *h)
{
    buf_put_str(out, "{\"host\":");
    json_put_str(out, h->name);
    buf_printf(out, ",\"family\":\"%s\"", family_names[h->family]);
    put_port(out, "port", h->kv_port ? h->kv_port : h->mgmt_port);
    buf_printf(out, ",\"type\":%s", h->kv_port ? "\"kv\"" : h->mgmt_port ? "\"http\"" : "null");
    put_port(out, "kv", connstr_kv_port(cs, h));
    put_port(out, "mgmt", connstr_mgmt_port(cs, h));
    buf_put_str(out, "}");
}

static void put_param(struct buf *out, const struct connstr_param *p)
{
    buf_put_str(out, "{\"key\":");
    json_put_str(out, p->key);
    buf_put_str(out, ",\"value\":");
    if (!p->value) buf_put_str(out, "null");
    else json_put_str(out, ascii_equal(p->key, strlen(p->key), "password", 8) ? "***" : p->value);
    buf_put_str(out, "}");
}

void connstr_json(const struct connstr *cs, struct buf *out)
{
    buf_printf(out, "{\"scheme\":\"%s\",\"has_scheme\":%s,\"tls\":%s,\"hosts\":[", scheme_names[cs->scheme],
               cs->has_scheme ? "true" : "false", cs->tls ? "true" : "false");
    for (size_t i = 0; i < cs->host_count; i++) {
        if (i) buf_put_str(out, ",");
        put_host(out, cs, &cs->hosts[i]);
    }
    buf_put_str(out, "],\"bucket\":");
    if (cs->bucket) json_put_str(out, cs->bucket);
    else buf_put_str(out, "null");
    buf_put_str(out, ",\"params\":[");
    for (size_t i = 0; i < cs->param_count; i++) {
        if (i) buf_put_str(out, ",");
        put_param(out, &cs->params[i]);
    }
    buf_put_str(out, "],\"srv\":");
    if (cs->srv_eligible) {
        struct buf name = {.limit = CONNSTR_MAX};
        connstr_srv_name(cs, &name);
        json_put_string(out, buf_view(&name));
        out->failed |= name.failed;
        buf_fini(&name);
    } else buf_put_str(out, "null");
    buf_printf(out, ",\"srv_required\":%s", cs->force_srv ? "true" : "false");
    if (cs->capella_plain) buf_put_str(out, ",\"warning\":\"Capella speaks only TLS: use couchbases://\"");
    buf_put_str(out, "}");
}
