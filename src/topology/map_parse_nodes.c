/* The lists of nodes. `nodesExt` is the one that counts; `nodes` says who is ready for the bucket; `serverList` is what
 * the rows of the vBucket map count in, and the only list that servers before 3.0 send. */
#include "base/alloc.h"
#include "base/error.h"
#include "text/address.h"
#include "topology/map_make.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- ports */

static enum divan_code read_services(struct map_parse *p, void *target, struct json_value value)
{
    struct map_ports *ports = target;
    struct map_field fields[2 * SVC_COUNT];
    for (size_t i = 0; i < SVC_COUNT; i++) {
        fields[i] = (struct map_field){map_service_names[i].plain, map_read_port, offsetof(struct map_ports, plain[i])};
        fields[SVC_COUNT + i] = (struct map_field){map_service_names[i].tls, map_read_port,
                                                   offsetof(struct map_ports, tls[i])};
    }
    return map_read_object(p, value, fields, COUNT(fields), ports);
}

/* ---- alternate addresses */

struct alternate_text {
    char *hostname;
    struct json_value ports;
};
static const struct map_field alternate_fields[] = {
    {"hostname", map_read_string, offsetof(struct alternate_text, hostname)},
    {"ports", map_read_value, offsetof(struct alternate_text, ports)},
};

static bool has_members(struct json_value object)
{
    struct json_walk w = json_walk_begin(object);
    struct divan_bytes key;
    struct json_value value;
    return json_next_member(&w, &key, &value);
}

/* An alternate without a host name leads nowhere and is left out. */
static enum divan_code add_alternate(struct map_parse *p, struct map_node *n, struct divan_bytes network,
                                     struct json_value value)
{
    struct alternate_text text = {0};
    struct map_alternate *a = &n->alternates[n->alternate_count];
    enum divan_code rc = map_read_object(p, value, alternate_fields, COUNT(alternate_fields), &text);
    if (!rc && text.ports.type) {
        a->has_ports = has_members(text.ports);
        rc = read_services(p, &a->ports, text.ports);
    }
    if (!rc && text.hostname && *text.hostname) {
        struct json_value name = {JSON_STRING, network};
        rc = map_copy_string(p, name, &a->network);
        if (!rc) {
            a->hostname = text.hostname;
            text.hostname = NULL;
            n->alternate_count++;
        }
    }
    if (!a->hostname) *a = (struct map_alternate){0};
    mem_free(text.hostname);
    return rc;
}

static enum divan_code read_alternates(struct map_parse *p, void *target, struct json_value value)
{
    struct map_node *n = target;
    enum divan_code rc = map_expect(p, value, JSON_OBJECT, "alternateAddresses");
    struct json_walk w = json_walk_begin(value);
    struct divan_bytes network;
    struct json_value address;
    size_t count = 0;
    while (!rc && json_next_member(&w, &network, &address)) count++;
    if (rc || !count) return rc;
    n->alternates = mem_zalloc(count * sizeof *n->alternates);
    if (!n->alternates) return err_oom(p->err);
    w = json_walk_begin(value);
    while (!rc && json_next_member(&w, &network, &address)) rc = add_alternate(p, n, network, address);
    return rc;
}

/* ---- nodesExt */

static enum divan_code read_hostname(struct map_parse *p, void *target, struct json_value value)
{
    char *name = NULL;
    enum divan_code rc = map_copy_string(p, value, &name);
    if (!rc && *name && strcmp(name, "$HOST") != 0) {
        *(char **)target = name;
        return DIVAN_OK;
    }
    mem_free(name); /* a placeholder, filled when the node is complete */
    return rc;
}

static const struct map_field node_fields[] = {
    {"hostname", read_hostname, offsetof(struct map_node, hostname)},
    {"services", read_services, offsetof(struct map_node, ports)},
    {"thisNode", map_read_bool, offsetof(struct map_node, this_node)},
    {"alternateAddresses", read_alternates, 0},
    {"serverGroup", map_read_string, offsetof(struct map_node, server_group)},
    {"nodeUUID", map_read_string, offsetof(struct map_node, uuid)},
    {"appTelemetryPath", map_read_string, offsetof(struct map_node, app_telemetry_path)},
};

static enum divan_code name_node(struct map_parse *p, struct map_node *n)
{
    if (!n->hostname) n->hostname = mem_strdup(p->source_host);
    return n->hostname ? DIVAN_OK : err_oom(p->err);
}

static enum divan_code reserve_nodes(struct map_parse *p, size_t count, struct json_value list)
{
    if (count > MAP_NODES_MAX)
        return map_fail(p, DIVAN_ERR_CONFIG_FIELD_RANGE, list, "%zu nodes are listed, %d are accepted", count,
                        MAP_NODES_MAX);
    p->map->nodes = count ? mem_zalloc(count * sizeof *p->map->nodes) : NULL;
    return p->map->nodes || !count ? DIVAN_OK : err_oom(p->err);
}

static enum divan_code parse_nodes_ext(struct map_parse *p)
{
    enum divan_code rc = map_expect(p, p->nodes_ext, JSON_ARRAY, "nodesExt");
    if (!rc) rc = reserve_nodes(p, map_count_elements(p->nodes_ext), p->nodes_ext);
    struct json_walk w = json_walk_begin(p->nodes_ext);
    struct json_value value;
    while (!rc && json_next_element(&w, &value)) {
        struct map_node *n = &p->map->nodes[p->map->node_count++];
        rc = map_read_object(p, value, node_fields, COUNT(node_fields), n);
        if (!rc) rc = name_node(p, n);
    }
    return rc;
}

/* ---- nodes: the legacy list, still the one that says who is ready */

struct legacy_node {
    struct json_value hostname, ports;
    uint16_t direct, mgmt, https_mgmt, https_capi;
    char *host;
};
static const struct map_field legacy_fields[] = {
    {"hostname", map_read_value, offsetof(struct legacy_node, hostname)},
    {"ports", map_read_value, offsetof(struct legacy_node, ports)},
};
static const struct map_field legacy_port_fields[] = {
    {"direct", map_read_port, offsetof(struct legacy_node, direct)},
    {"httpsMgmt", map_read_port, offsetof(struct legacy_node, https_mgmt)},
    {"httpsCAPI", map_read_port, offsetof(struct legacy_node, https_capi)},
};

static enum divan_code read_legacy(struct map_parse *p, struct json_value value, struct legacy_node *out)
{
    *out = (struct legacy_node){0};
    enum divan_code rc = map_read_object(p, value, legacy_fields, COUNT(legacy_fields), out);
    if (!rc && out->ports.type) rc = map_read_object(p, out->ports, legacy_port_fields, COUNT(legacy_port_fields), out);
    if (!rc && out->hostname.type) rc = map_split_address(p, out->hostname, &out->host, &out->mgmt);
    else if (!rc && !(out->host = mem_strdup(p->source_host))) rc = err_oom(p->err);
    return rc;
}

static bool fits(const struct map_node *n, const struct legacy_node *l)
{
    const struct map_ports *ports = &n->ports;
    bool mgmt = l->mgmt && (l->mgmt == ports->plain[SVC_MGMT] || l->mgmt == ports->tls[SVC_MGMT]);
    bool kv = l->direct && l->direct == ports->plain[SVC_KV];
    return (mgmt || kv) && address_equal(n->hostname, l->host);
}

/* By rule `nodes` is the beginning of nodesExt, so the same position is right even where names differ. */
static int position_of(const struct map *m, const struct legacy_node *l, size_t hint)
{
    if (hint < m->node_count && fits(&m->nodes[hint], l)) return (int)hint;
    for (size_t i = 0; i < m->node_count; i++)
        if (fits(&m->nodes[i], l)) return (int)i;
    return hint < m->node_count ? (int)hint : -1;
}

static enum divan_code mark_served(struct map_parse *p)
{
    size_t count = map_count_elements(p->nodes);
    p->served = count ? mem_zalloc(count * sizeof *p->served) : NULL;
    if (count && !p->served) return err_oom(p->err);
    enum divan_code rc = DIVAN_OK;
    struct json_walk w = json_walk_begin(p->nodes);
    struct json_value value;
    while (!rc && json_next_element(&w, &value)) {
        struct legacy_node l;
        rc = read_legacy(p, value, &l);
        int at = rc ? -1 : position_of(p->map, &l, p->served_count);
        if (at >= 0) p->map->nodes[at].serves_bucket = true;
        p->served[p->served_count++] = (int16_t)at;
        mem_free(l.host);
    }
    return rc;
}

/* A bucket configuration without the legacy list says nothing about readiness. */
static void assume_served(struct map *m)
{
    for (size_t i = 0; i < m->node_count; i++)
        m->nodes[i].serves_bucket = m->nodes[i].ports.plain[SVC_KV] || m->nodes[i].ports.tls[SVC_KV];
}

/* ---- without nodesExt */

static void take_legacy(struct map_node *n, struct legacy_node *l)
{
    n->hostname = l->host;
    l->host = NULL;
    n->ports.plain[SVC_KV] = l->direct;
    n->ports.plain[SVC_MGMT] = l->mgmt;
    n->ports.tls[SVC_MGMT] = l->https_mgmt;
    n->ports.tls[SVC_VIEWS] = l->https_capi;
    n->serves_bucket = true;
}

/* Servers before 3.0: the order of serverList holds, `nodes` knows the management ports. */
static enum divan_code add_from_server_list(struct map_parse *p, struct json_value list)
{
    struct json_walk w = json_walk_begin(list);
    struct json_value value;
    enum divan_code rc = DIVAN_OK;
    while (!rc && json_next_element(&w, &value)) {
        struct map_node *n = &p->map->nodes[p->map->node_count++];
        rc = map_split_address(p, value, &n->hostname, &n->ports.plain[SVC_KV]);
        n->serves_bucket = true;
    }
    return rc;
}

static enum divan_code merge_legacy(struct map_parse *p, struct json_value value)
{
    struct legacy_node l;
    enum divan_code rc = read_legacy(p, value, &l);
    for (size_t i = 0; !rc && i < p->map->node_count; i++) {
        struct map_node *n = &p->map->nodes[i];
        if (n->ports.plain[SVC_KV] != l.direct || !address_equal(n->hostname, l.host)) continue;
        n->ports.plain[SVC_MGMT] = l.mgmt;
        n->ports.tls[SVC_MGMT] = l.https_mgmt;
        n->ports.tls[SVC_VIEWS] = l.https_capi;
    }
    mem_free(l.host);
    return rc;
}

static enum divan_code add_legacy(struct map_parse *p, struct json_value value)
{
    struct legacy_node l;
    enum divan_code rc = read_legacy(p, value, &l);
    if (!rc) take_legacy(&p->map->nodes[p->map->node_count++], &l);
    mem_free(l.host);
    return rc;
}

static enum divan_code parse_old_lists(struct map_parse *p, struct json_value list)
{
    bool by_list = list.type == JSON_ARRAY && map_count_elements(list) > 0;
    enum divan_code rc = reserve_nodes(p, map_count_elements(by_list ? list : p->nodes), by_list ? list : p->nodes);
    if (!rc && by_list) rc = add_from_server_list(p, list);
    struct json_walk w = json_walk_begin(p->nodes);
    struct json_value value;
    while (!rc && json_next_element(&w, &value)) rc = by_list ? merge_legacy(p, value) : add_legacy(p, value);
    return rc;
}

/* ---- serverList */

static int find_by_kv(const struct map *m, const char *host, uint16_t port)
{
    for (size_t i = 0; i < m->node_count; i++) {
        const struct map_ports *ports = &m->nodes[i].ports;
        if (port && (port == ports->plain[SVC_KV] || port == ports->tls[SVC_KV]) &&
            address_equal(m->nodes[i].hostname, host))
            return (int)i;
    }
    return -1;
}

/* A list as long as `nodes` is the same list, whatever it says (clusters with TLS only write port 0 everywhere). A longer
 * one also names nodes that left the bucket and still stand in the map: then names decide. */
static enum divan_code translate_server(struct map_parse *p, struct json_value value, bool same_list, int16_t *out)
{
    char *host = NULL;
    uint16_t port = 0;
    size_t at = p->server_count;
    enum divan_code rc = map_split_address(p, value, &host, &port);
    if (rc) return rc;
    int found = -1;
    if (same_list) found = at < p->served_count ? p->served[at] : at < p->map->node_count ? (int)at : -1;
    else found = find_by_kv(p->map, host, port);
    *out = (int16_t)found;
    mem_free(host);
    return DIVAN_OK;
}

static enum divan_code translate_servers(struct map_parse *p, struct json_value list)
{
    size_t count = map_count_elements(list);
    if (count > MAP_NODES_MAX)
        return map_fail(p, DIVAN_ERR_CONFIG_FIELD_RANGE, list, "%zu servers are listed, %d are accepted", count,
                        MAP_NODES_MAX);
    bool same_list = p->nodes.type && p->nodes_ext.type ? count == p->served_count : count <= p->map->node_count;
    p->servers = count ? mem_zalloc(count * sizeof *p->servers) : NULL;
    if (count && !p->servers) return err_oom(p->err);
    enum divan_code rc = DIVAN_OK;
    struct json_walk w = json_walk_begin(list);
    struct json_value value;
    for (; !rc && json_next_element(&w, &value); p->server_count++)
        rc = translate_server(p, value, same_list, &p->servers[p->server_count]);
    return rc;
}

enum divan_code map_parse_nodes(struct map_parse *p)
{
    struct json_value list = json_member(p->server_map, "serverList");
    enum divan_code rc = DIVAN_OK;
    if (p->server_map.type) rc = map_expect(p, p->server_map, JSON_OBJECT, "vBucketServerMap");
    if (!rc && list.type) rc = map_expect(p, list, JSON_ARRAY, "serverList");
    if (!rc && p->nodes.type) rc = map_expect(p, p->nodes, JSON_ARRAY, "nodes");
    if (!rc) rc = p->nodes_ext.type ? parse_nodes_ext(p) : parse_old_lists(p, list);
    if (!rc && p->nodes_ext.type && p->nodes.type) rc = mark_served(p);
    else if (!rc && p->nodes_ext.type && p->map->bucket) assume_served(p->map);
    if (!rc && !p->map->node_count)
        rc = map_fail(p, DIVAN_ERR_CONFIG_NO_NODES, p->nodes_ext, "it names no node; ask another node");
    if (!rc && list.type) rc = translate_servers(p, list);
    return rc;
}
