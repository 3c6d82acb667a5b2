#include "text/connstr.h"

#include <stdarg.h>
#include <stdio.h>

#include "text/ascii.h"
#include "text/connstr_parse.h"
#include "text/http.h"

enum divan_code connstr_fail(const struct connstr_scan *s, enum divan_code code, size_t offset, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(s->err, code, "connection string, column %zu: %s", offset + 1, text);
}

enum divan_code connstr_decode(const struct connstr_scan *s, struct range part, char **out)
{
    struct buf b = {.limit = CONNSTR_MAX};
    size_t at = 0;
    enum divan_code rc = DIVAN_OK;
    if (!percent_decode(bytes_of(s->text + part.from, part.to - part.from), false, &b, &at))
        rc = connstr_fail(s, DIVAN_ERR_CONNSTR_ESCAPE, part.from + at,
                          "%% must be followed by two hexadecimal digits; write %%25 for a percent sign");
    else if (!b.failed && b.len && memchr(b.data, 0, b.len))
        rc = connstr_fail(s, DIVAN_ERR_CONNSTR_ESCAPE, part.from, "%%00 is not allowed; remove it");
    if (!rc && !(*out = buf_take_text(&b))) rc = err_oom(s->err);
    buf_fini(&b);
    return rc;
}

static const struct scheme {
    const char *name;
    enum connstr_scheme scheme;
    bool tls, srv;
} schemes[] = {
    {"couchbase", CONNSTR_COUCHBASE, false, false},
    {"couchbases", CONNSTR_COUCHBASES, true, false},
    {"http", CONNSTR_HTTP, false, false},
    {"https", CONNSTR_HTTPS, true, false},
    {"ns_server", CONNSTR_HTTP, false, false},
    {"ns_servers", CONNSTR_HTTPS, true, false},
    {"couchbase+dnssrv", CONNSTR_COUCHBASE, false, true},
    {"couchbases+dnssrv", CONNSTR_COUCHBASES, true, true},
};

static enum divan_code set_scheme(struct connstr_scan *s, size_t len)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (!ascii_equal(s->text, len, schemes[i].name, strlen(schemes[i].name))) continue;
        s->out->has_scheme = true;
        s->out->scheme = schemes[i].scheme;
        s->out->tls = schemes[i].tls;
        s->out->force_srv = schemes[i].srv;
        return DIVAN_OK;
    }
    if (ascii_equal(s->text, len, "couchbase2", 10))
        return connstr_fail(s, DIVAN_ERR_CONNSTR_SCHEME, 0,
                            "the gateway protocol couchbase2:// is not spoken; use couchbase:// or couchbases://");
    return connstr_fail(s, DIVAN_ERR_CONNSTR_SCHEME, 0,
                        "scheme \"%.*s\" is not known; use couchbase:// or couchbases://", len > 40 ? 40 : (int)len,
                        s->text);
}

/* Blanks are fine behind a separator of hosts; everywhere else they are a slip that would end up in a name. */
static enum divan_code check_characters(const struct connstr_scan *s, struct range hosts, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s->text[i];
        bool in_hosts = i >= hosts.from && i < hosts.to;
        if (c == ' ' && in_hosts && i > hosts.from && strchr(",; ", s->text[i - 1])) continue;
        if (c == ' ')
            return connstr_fail(s, DIVAN_ERR_CONNSTR_CHARACTER, i,
                                "a blank is not allowed here; remove it or write %%20");
        if (c < 32 || c == 127)
            return connstr_fail(s, DIVAN_ERR_CONNSTR_CHARACTER, i,
                                "control character 0x%02x is not allowed; remove it (a line end from a file?)", c);
    }
    return DIVAN_OK;
}

static size_t find(const char *text, size_t from, size_t to, const char *any)
{
    for (; from < to; from++)
        if (strchr(any, text[from])) break;
    return from;
}

static enum divan_code check_length(const struct connstr_scan *s, size_t len)
{
    if (len == 0 || strspn(s->text, " \t\r\n") == len)
        return err_set(s->err, DIVAN_ERR_CONNSTR_EMPTY,
                       "connection string: it is empty; give one such as couchbase://127.0.0.1");
    if (len > CONNSTR_MAX)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_TOO_LONG, CONNSTR_MAX,
                            "it has %zu bytes, %d are allowed; name fewer hosts", len, CONNSTR_MAX);
    return DIVAN_OK;
}

static bool ends_with(const char *name, const char *suffix)
{
    size_t len = strlen(name), tail = strlen(suffix);
    return len >= tail && ascii_equal(name + len - tail, tail, suffix, tail);
}

/* localhost is never a DNS name (RFC 6761). */
static bool is_dns_name(const struct connstr_host *h)
{
    return h->family == CONNSTR_NAME && !ascii_equal(h->name, strlen(h->name), "localhost", 9) &&
           !ends_with(h->name, ".localhost");
}

/* What depends on the host list as a whole. */
static enum divan_code judge_hosts(struct connstr_scan *s, size_t hosts_at)
{
    struct connstr *cs = s->out;
    const struct connstr_host *only = cs->host_count == 1 ? &cs->hosts[0] : NULL;
    bool fits = only && is_dns_name(only) && !only->kv_port && !only->mgmt_port;
    if (cs->force_srv && !fits)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_SRV, hosts_at,
                            "+dnssrv needs exactly one host name without a port; drop \"+dnssrv\" or name one host");
    cs->srv_eligible = fits && cs->scheme <= CONNSTR_COUCHBASES;
    for (size_t i = 0; i < cs->host_count; i++)
        if (!cs->tls && ends_with(cs->hosts[i].name, ".cloud.couchbase.com")) cs->capella_plain = true;
    return DIVAN_OK;
}

static enum divan_code parse(struct connstr_scan *s)
{
    size_t len = strlen(s->text), query = 0;
    enum divan_code rc = check_length(s, len);
    if (rc) return rc;
    query = find(s->text, 0, len, "?");
    /* A scheme only counts before the query: option values may be URLs. */
    const char *mark = strstr(s->text, "://");
    size_t scheme = mark ? (size_t)(mark - s->text) : len;
    /* In "h1:1,http://h2" the mark belongs to a host. */
    bool has_scheme = scheme < query && find(s->text, 0, scheme, ",;/[@") == scheme;
    size_t hosts = has_scheme ? scheme + 3 : 0;
    size_t path = find(s->text, hosts, query, "/");
    rc = check_characters(s, (struct range){hosts, path}, len);
    if (!rc && has_scheme) rc = set_scheme(s, scheme);
    if (!rc) rc = connstr_parse_hosts(s, (struct range){hosts, path});
    if (!rc) rc = judge_hosts(s, hosts);
    if (!rc) rc = connstr_parse_bucket(s, (struct range){path + 1, query});
    if (!rc) rc = connstr_parse_params(s, (struct range){query + 1, len});
    if (!rc && s->out->host_count == 0 && path == len)
        rc = connstr_fail(s, DIVAN_ERR_CONNSTR_NO_HOST, hosts,
                          "no host is named; write one such as couchbase://127.0.0.1");
    return rc;
}

enum divan_code connstr_parse(const char *text, struct connstr *out, struct divan_error *err)
{
    struct connstr cs = {0};
    struct connstr_scan s = {.text = text ? text : "", .out = &cs, .err = err};
    enum divan_code rc = parse(&s);
    if (!rc) {
        *out = cs;
        cs = (struct connstr){0};
    }
    connstr_fini(&cs);
    return rc;
}

void connstr_fini(struct connstr *cs)
{
    for (size_t i = 0; i < cs->host_count; i++) mem_free(cs->hosts[i].name);
    for (size_t i = 0; i < cs->param_count; i++) {
        mem_free(cs->params[i].key);
        mem_free(cs->params[i].value);
    }
    mem_free(cs->hosts);
    mem_free(cs->params);
    mem_free(cs->bucket);
    *cs = (struct connstr){0};
}

enum divan_code connstr_check_seeds(const struct connstr *cs, struct divan_error *err)
{
    if (cs->host_count) return DIVAN_OK;
    return err_set(err, DIVAN_ERR_CONNSTR_NO_HOST,
                   "connection string: no host is named; write one behind ://, such as couchbase://127.0.0.1");
}

uint16_t connstr_kv_port(const struct connstr *cs, const struct connstr_host *host)
{
    if (host->kv_port) return host->kv_port;
    if (host->mgmt_port && host->mgmt_port != MGMT_PORT && host->mgmt_port != MGMT_TLS_PORT) return 0;
    return cs->tls ? KV_TLS_PORT : KV_PORT;
}

uint16_t connstr_mgmt_port(const struct connstr *cs, const struct connstr_host *host)
{
    if (host->mgmt_port) return host->mgmt_port;
    if (host->kv_port && host->kv_port != KV_PORT && host->kv_port != KV_TLS_PORT) return 0;
    return cs->tls ? MGMT_TLS_PORT : MGMT_PORT;
}

const char *connstr_param(const struct connstr *cs, const char *key)
{
    for (size_t i = cs->param_count; i > 0; i--)
        if (!strcmp(cs->params[i - 1].key, key)) return cs->params[i - 1].value ? cs->params[i - 1].value : "";
    return NULL;
}
