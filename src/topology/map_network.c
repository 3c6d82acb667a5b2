/* Which addresses of the nodes to use. */
#include "base/error.h"
#include "text/address.h"
#include "topology/map.h"

static const char standard[] = "default", external[] = "external";

static const struct map_alternate *alternate_of(const struct map_node *n, const char *network)
{
    for (size_t i = 0; i < n->alternate_count; i++)
        if (!strcmp(n->alternates[i].network, network)) return &n->alternates[i];
    return NULL;
}

static bool has_port(const struct map_ports *ports, uint16_t port)
{
    return port && (port == ports->plain[SVC_KV] || port == ports->tls[SVC_KV] || port == ports->plain[SVC_MGMT] ||
                    port == ports->tls[SVC_MGMT]);
}

static bool is_at(const char *hostname, const struct map_ports *ports, const char *host, uint16_t port)
{
    return has_port(ports, port) && address_equal(hostname, host);
}

/* The network of a seed; NULL = it is nobody's address. The default network is asked first for all nodes: an external
 * name may equal another node's internal one. */
static const char *network_of_seed(const struct map *m, const char *host, uint16_t port)
{
    if (!host) return NULL;
    for (size_t i = 0; i < m->node_count; i++)
        if (is_at(m->nodes[i].hostname, &m->nodes[i].ports, host, port)) return standard;
    for (size_t i = 0; i < m->node_count; i++)
        for (size_t j = 0; j < m->nodes[i].alternate_count; j++) {
            const struct map_alternate *a = &m->nodes[i].alternates[j];
            if (is_at(a->hostname, a->has_ports ? &a->ports : &m->nodes[i].ports, host, port)) return a->network;
        }
    return NULL;
}

static const char *offered(const struct map *m, const char *network)
{
    if (!strcmp(network, standard)) return standard;
    for (size_t i = 0; i < m->node_count; i++) {
        const struct map_alternate *a = alternate_of(&m->nodes[i], network);
        if (a) return a->network;
    }
    return NULL;
}

/* "default, external": each name once. */
static void put_names(const struct map *m, struct buf *out)
{
    buf_put_str(out, standard);
    for (size_t i = 0; i < m->node_count; i++)
        for (size_t j = 0; j < m->nodes[i].alternate_count; j++) {
            const char *name = m->nodes[i].alternates[j].network;
            if (offered(m, name) == name && strcmp(name, standard) != 0) buf_printf(out, ", %s", name);
        }
}

static const char *refuse(const struct map *m, const char *wanted, struct divan_error *err)
{
    struct buf names = {.limit = 4096};
    put_names(m, &names);
    const char *text = buf_text(&names);
    err_set(err, DIVAN_ERR_CONFIG_NETWORK, "network \"%.60s\" is not offered by any node; offered are: %.150s", wanted,
            text ? text : standard);
    buf_fini(&names);
    return NULL;
}

const char *map_choose_network(const struct map *m, const char *wanted, const char *seed_host, uint16_t seed_port,
                               struct divan_error *err)
{
    bool decide = !wanted || !*wanted || !strcmp(wanted, "auto");
    const char *found = decide ? network_of_seed(m, seed_host, seed_port) : offered(m, wanted);
    if (found) return found;
    if (!decide) return refuse(m, wanted, err);
    found = offered(m, external);
    return found ? found : standard;
}

bool map_endpoint(const struct map *m, size_t position, const char *network, enum map_service service, bool tls,
                  const char **host, uint16_t *port)
{
    if (position >= m->node_count) return false;
    const struct map_node *n = &m->nodes[position];
    const struct map_ports *ports = &n->ports;
    const char *name = n->hostname;
    if (network && strcmp(network, standard) != 0) {
        const struct map_alternate *a = alternate_of(n, network);
        if (!a) return false;
        name = a->hostname;
        if (a->has_ports) ports = &a->ports;
    }
    uint16_t found = tls ? ports->tls[service] : ports->plain[service];
    if (!found) return false;
    *host = name;
    *port = found;
    return true;
}
