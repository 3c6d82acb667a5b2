/* The host list of a connection string: "a,b:1;[::1]:2=kv". */
#include "text/address.h"
#include "text/ascii.h"
#include "text/connstr_parse.h"

enum port_kind { PORT_UNTYPED, PORT_KV, PORT_MGMT };

/* One element of the list while it is taken apart. */
struct element {
    struct range name, port, type; /* type: behind "=" */
    bool has_port, has_type, bracketed;
    enum port_kind kind;
    uint16_t number;
};

static const char *at(const struct connstr_scan *s, struct range r)
{
    return s->text + r.from;
}
static size_t length(struct range r)
{
    return range_empty(r) ? 0 : r.to - r.from;
}

static size_t find(const struct connstr_scan *s, struct range r, char c)
{
    while (r.from < r.to && s->text[r.from] != c) r.from++;
    return r.from;
}

/* ---- splitting an element */

static enum divan_code split_brackets(const struct connstr_scan *s, struct range all, struct element *e, size_t *rest)
{
    size_t close = find(s, all, ']');
    if (close == all.to)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_IPV6, all.from,
                            "\"[\" has no \"]\"; close the IPv6 address, as in [::1]");
    e->bracketed = true;
    e->name = (struct range){all.from + 1, close};
    *rest = close + 1;
    return DIVAN_OK;
}

static bool looks_like_ipv6(const struct connstr_scan *s, struct range r)
{
    for (size_t i = r.from; i < r.to; i++)
        if (ascii_hex((unsigned char)s->text[i]) < 0 && s->text[i] != ':' && s->text[i] != '.') return false;
    return true;
}

static enum divan_code split_plain(const struct connstr_scan *s, struct range all, struct element *e, size_t *rest)
{
    size_t colon = find(s, all, ':'), equals = find(s, all, '=');
    size_t second = colon < all.to ? find(s, (struct range){colon + 1, all.to}, ':') : all.to;
    e->name = (struct range){all.from, colon < equals ? colon : equals};
    *rest = e->name.to;
    if (second < equals && looks_like_ipv6(s, (struct range){all.from, equals}))
        return connstr_fail(s, DIVAN_ERR_CONNSTR_IPV6, all.from, "an IPv6 address needs brackets: [%.*s]",
                            (int)(equals - all.from > 60 ? 60 : equals - all.from), s->text + all.from);
    return DIVAN_OK;
}

static enum divan_code split(const struct connstr_scan *s, struct range all, struct element *e)
{
    size_t rest = all.to;
    enum divan_code rc = s->text[all.from] == '[' ? split_brackets(s, all, e, &rest) : split_plain(s, all, e, &rest);
    if (rc || rest == all.to) return rc;
    size_t equals = find(s, (struct range){rest, all.to}, '=');
    e->has_type = equals < all.to;
    e->type = (struct range){equals + 1, all.to};
    if (s->text[rest] == ':') {
        e->has_port = true;
        e->port = (struct range){rest + 1, equals};
    } else if (rest != equals)
        rc = connstr_fail(s, DIVAN_ERR_CONNSTR_HOST, rest, "only a port may follow \"]\", as in [::1]:11210");
    else rc = connstr_fail(s, DIVAN_ERR_CONNSTR_PORT, rest, "a port type needs a port before it, as in host:11210=kv");
    return rc;
}

/* ---- judging its parts */

static enum divan_code check_label(const struct connstr_scan *s, struct range label)
{
    if (range_empty(label))
        return connstr_fail(s, DIVAN_ERR_CONNSTR_HOST, label.from, "a host name has an empty part between its dots");
    if (length(label) > 63)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_HOST, label.from, "a part of a host name is longer than 63 bytes");
    if (s->text[label.from] == '-' || s->text[label.to - 1] == '-')
        return connstr_fail(s, DIVAN_ERR_CONNSTR_HOST, label.from, "a part of a host name begins or ends with \"-\"");
    for (size_t i = label.from; i < label.to; i++) {
        unsigned char c = (unsigned char)s->text[i];
        if (c >= 128)
            return connstr_fail(s, DIVAN_ERR_CONNSTR_HOST, i, "a host name is written in ASCII; use its xn-- form");
        if (!ascii_is_letter(c) && !ascii_is_digit(c) && c != '-' && c != '_')
            return connstr_fail(s, DIVAN_ERR_CONNSTR_HOST, i, "\"%c\" is not allowed in a host name", c);
    }
    return DIVAN_OK;
}

static enum divan_code check_name(const struct connstr_scan *s, struct range name)
{
    if (range_empty(name))
        return connstr_fail(s, DIVAN_ERR_CONNSTR_NO_HOST, name.from, "a host is missing before the port");
    if (length(name) > 253)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_HOST, name.from, "a host name is longer than 253 bytes");
    if (length(name) > 1 && s->text[name.to - 1] == '.') name.to--; /* the root, "example.com." */
    enum divan_code rc = DIVAN_OK;
    while (!rc && name.from <= name.to) {
        size_t dot = find(s, name, '.');
        rc = check_label(s, (struct range){name.from, dot});
        if (dot == name.to) break;
        name.from = dot + 1;
    }
    return rc;
}

static const struct port_type {
    const char *name;
    enum port_kind kind;
    bool tls;
} port_types[] = {
    {"kv", PORT_KV, false},     {"mcd", PORT_KV, false},       {"cccp", PORT_KV, false}, {"gcccp", PORT_KV, false},
    {"http", PORT_MGMT, false}, {"manager", PORT_MGMT, false}, {"mcds", PORT_KV, true},  {"https", PORT_MGMT, true},
};

static enum divan_code read_type(const struct connstr_scan *s, struct element *e)
{
    for (size_t i = 0; i < sizeof port_types / sizeof port_types[0]; i++) {
        const struct port_type *t = &port_types[i];
        if (!ascii_equal(at(s, e->type), length(e->type), t->name, strlen(t->name))) continue;
        if (t->tls && !s->out->tls)
            return connstr_fail(s, DIVAN_ERR_CONNSTR_PORT_AMBIGUOUS, e->type.from,
                                "port type %s means TLS but the scheme does not; use couchbases://", t->name);
        e->kind = t->kind;
        return DIVAN_OK;
    }
    return connstr_fail(s, DIVAN_ERR_CONNSTR_PORT_TYPE, e->type.from,
                        "port type \"%.*s\" is not known; use kv (key-value) or http (management)",
                        (int)(length(e->type) > 30 ? 30 : length(e->type)), at(s, e->type));
}

static enum divan_code read_number(const struct connstr_scan *s, struct element *e)
{
    if (range_empty(e->port)) {
        if (!strncmp(s->text + e->port.to, "//", 2))
            return connstr_fail(s, DIVAN_ERR_CONNSTR_HOST, e->name.from,
                                "the scheme is written once, at the beginning; name further hosts without it");
        return connstr_fail(s, DIVAN_ERR_CONNSTR_PORT, e->port.from,
                            "a port must follow \":\"; give one or drop the colon");
    }
    unsigned value = 0;
    for (size_t i = e->port.from; i < e->port.to; i++) {
        if (!ascii_is_digit(s->text[i]))
            return connstr_fail(s, DIVAN_ERR_CONNSTR_PORT, i, "a port is a number from 1 to 65535");
        value = value * 10 + (unsigned)(s->text[i] - '0');
        if (value > 65535) break;
    }
    if (value == 0 || value > 65535)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_PORT, e->port.from, "a port is a number from 1 to 65535");
    e->number = (uint16_t)value;
    return DIVAN_OK;
}

/* What an untyped port means depends on the scheme; a port that is known to be of the other kind is a slip. */
static enum divan_code choose_kind(const struct connstr_scan *s, struct element *e)
{
    bool mgmt_number = e->number == MGMT_PORT || e->number == MGMT_TLS_PORT;
    bool kv_number = e->number == KV_PORT || e->number == KV_TLS_PORT;
    bool http = s->out->scheme == CONNSTR_HTTP || s->out->scheme == CONNSTR_HTTPS;
    size_t column = e->port.from;
    if (!s->out->has_scheme) {
        if (e->number != MGMT_PORT && e->number != KV_PORT)
            return connstr_fail(
                s, DIVAN_ERR_CONNSTR_PORT_AMBIGUOUS, column,
                "without a scheme it is not clear what port %u speaks; write couchbase://host:%u or host:%u=http",
                e->number, e->number, e->number);
        e->kind = mgmt_number ? PORT_MGMT : PORT_KV;
    } else if (!http && mgmt_number)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_PORT_AMBIGUOUS, column,
                            "%u is the management port but %s:// takes key-value ports; leave it out, or write %u=http",
                            e->number, s->out->tls ? "couchbases" : "couchbase", e->number);
    else if (http && kv_number)
        return connstr_fail(
            s, DIVAN_ERR_CONNSTR_PORT_AMBIGUOUS, column,
            "%u is a key-value port but http:// takes management ports; use couchbase://, or write %u=kv", e->number,
            e->number);
    else e->kind = http ? PORT_MGMT : PORT_KV;
    return DIVAN_OK;
}

/* ---- adding it */

static enum divan_code check_ipv6(const struct connstr_scan *s, const struct element *e)
{
    uint8_t ip[16];
    size_t wrong = 0;
    if (address_parse_ipv6(bytes_of(at(s, e->name), length(e->name)), ip, &wrong)) return DIVAN_OK;
    return connstr_fail(s, DIVAN_ERR_CONNSTR_IPV6, e->name.from + wrong,
                        "this is no IPv6 address; brackets hold one such as [2001:db8::1]");
}

/* v4-mapped addresses are reached over IPv4, and maps name them so. */
static char *name_copy(const struct connstr_scan *s, const struct element *e, enum connstr_family *family)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct divan_bytes text = bytes_of(at(s, e->name), length(e->name));
    uint8_t ip[16];
    *family = e->bracketed ? CONNSTR_IPV6 : address_parse_ipv4(text, ip) ? CONNSTR_IPV4 : CONNSTR_NAME;
    if (!e->bracketed || !address_parse_ipv6(text, ip, NULL) || memcmp(ip, mapped, 12) != 0)
        return mem_dup(text.data, text.len);
    struct buf b = {.limit = 64};
    *family = CONNSTR_IPV4;
    buf_printf(&b, "%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
    char *name = buf_take_text(&b);
    buf_fini(&b);
    return name;
}

/* "h:1=kv,h:2=http" names one node with two ports. */
static bool merge(struct connstr *cs, const struct connstr_host *h)
{
    for (size_t i = 0; i < cs->host_count; i++) {
        struct connstr_host *old = &cs->hosts[i];
        bool fits = (h->kv_port && !old->kv_port && old->mgmt_port && !h->mgmt_port) ||
                    (h->mgmt_port && !old->mgmt_port && old->kv_port && !h->kv_port);
        if (!fits || !address_equal(old->name, h->name)) continue;
        old->kv_port |= h->kv_port;
        old->mgmt_port |= h->mgmt_port;
        return true;
    }
    return false;
}

static enum divan_code add(struct connstr_scan *s, const struct element *e)
{
    struct connstr *cs = s->out;
    struct connstr_host h = {.column = e->name.from + 1 - e->bracketed,
                             .kv_port = e->kind == PORT_KV ? e->number : 0,
                             .mgmt_port = e->kind == PORT_MGMT ? e->number : 0};
    h.name = name_copy(s, e, &h.family);
    if (!h.name) return err_oom(s->err);
    if (merge(cs, &h)) return mem_free(h.name), DIVAN_OK;
    cs->hosts[cs->host_count++] = h;
    return DIVAN_OK;
}

static enum divan_code parse_element(struct connstr_scan *s, struct range all)
{
    struct element e = {0};
    while (!range_empty(all) && s->text[all.from] == ' ') all.from++;
    while (!range_empty(all) && s->text[all.to - 1] == ' ') all.to--;
    if (range_empty(all))
        return connstr_fail(s, DIVAN_ERR_CONNSTR_NO_HOST, all.from,
                            "a host is missing here; remove the extra separator");
    enum divan_code rc = split(s, all, &e);
    if (!rc) rc = e.bracketed ? check_ipv6(s, &e) : DIVAN_OK;
    if (!rc && e.has_port) rc = read_number(s, &e);
    if (!rc && !e.bracketed) rc = check_name(s, e.name);
    if (!rc && e.has_type) rc = read_type(s, &e);
    else if (!rc && e.has_port) rc = choose_kind(s, &e);
    return rc ? rc : add(s, &e);
}

static size_t count_elements(const struct connstr_scan *s, struct range hosts)
{
    size_t n = 1;
    for (size_t i = hosts.from; i < hosts.to; i++) n += s->text[i] == ',' || s->text[i] == ';';
    return n;
}

enum divan_code connstr_parse_hosts(struct connstr_scan *s, struct range hosts)
{
    if (range_empty(hosts)) return DIVAN_OK;
    size_t user = find(s, hosts, '@'), count = count_elements(s, hosts);
    if (user < hosts.to)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_USER, user,
                            "credentials do not belong before the host; give user name and password as options");
    if (count > CONNSTR_HOSTS_MAX)
        return connstr_fail(s, DIVAN_ERR_CONNSTR_TOO_LONG, hosts.from,
                            "%zu hosts are named, %d are allowed; a few are enough", count, CONNSTR_HOSTS_MAX);
    s->out->hosts = mem_zalloc(count * sizeof *s->out->hosts);
    if (!s->out->hosts) return err_oom(s->err);
    enum divan_code rc = DIVAN_OK;
    for (size_t from = hosts.from, i = 0; i < count && !rc; i++) {
        size_t comma = find(s, (struct range){from, hosts.to}, ','),
               semicolon = find(s, (struct range){from, hosts.to}, ';');
        size_t end = comma < semicolon ? comma : semicolon;
        rc = parse_element(s, (struct range){from, end});
        from = end + 1;
    }
    return rc;
}
