/* Cluster configurations: what parses is consistent, and written out it parses to the same again. */
#include <stdlib.h>

#include "topology/map.h"

static void check_indexes(const struct map *m)
{
    size_t total = (size_t)m->vbuckets * m->row;
    for (size_t i = 0; i < total; i++) {
        if (m->entries[i] < -1 || m->entries[i] >= (int)m->node_count) abort();
        if (m->forward && (m->forward[i] < -1 || m->forward[i] >= (int)m->node_count)) abort();
    }
    if (m->vbuckets && !m->row) abort();
}

static void use(const struct map *m)
{
    const char *host = NULL, *network;
    uint16_t port = 0;
    struct divan_error err;
    network = map_choose_network(m, "auto", m->node_count ? m->nodes[0].hostname : "h", 11210, NULL);
    if (!network) abort();
    map_choose_network(m, "external", NULL, 0, &err);
    for (size_t i = 0; i <= m->node_count; i++)
        if (map_endpoint(m, i, network, SVC_KV, true, &host, &port) && (!host || !port)) abort();
    if (map_vbucket(m, divan_str("key")) >= (m->vbuckets ? m->vbuckets : 1)) abort();
}

/* Names and ports that configurations of real clusters have; a host name may hold anything, and then addresses made of it
 * cannot be taken apart again. */
static bool is_ordinary(const struct map *m)
{
    bool before_end = true;
    for (size_t i = 0; i < m->node_count; i++) {
        const struct map_node *n = &m->nodes[i];
        if (!*n->hostname || strspn(n->hostname, "abcdefghijklmnopqrstuvwxyz0123456789.-") != strlen(n->hostname))
            return false;
        if (n->serves_bucket && !before_end) return false; /* not the beginning of nodesExt */
        before_end = n->serves_bucket;
        for (size_t j = 0; j < i; j++)
            if (n->ports.plain[SVC_KV] == m->nodes[j].ports.plain[SVC_KV] ||
                n->ports.plain[SVC_MGMT] == m->nodes[j].ports.plain[SVC_MGMT])
                return false;
        for (size_t j = 0; j < n->alternate_count; j++)
            for (size_t k = 0; k < j; k++)
                if (!strcmp(n->alternates[j].network, n->alternates[k].network)) return false;
        if (!n->ports.plain[SVC_KV]) return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct map *m = NULL, *again = NULL;
    struct divan_error err = {0};
    if (map_parse(bytes_of(data, size), "source", &m, &err)) {
        if (!*err.message) abort();
        return 0;
    }
    check_indexes(m);
    use(m);
    struct buf text = {.limit = 1 << 26};
    map_serialise(m, &text);
    bool parsed = !text.failed && map_parse(buf_view(&text), "other", &again, &err) == DIVAN_OK;
    if (is_ordinary(m) && (!parsed || !map_equal(m, again))) abort();
    if (parsed) {
        map_difference(m, again);
        map_supersedes(m, again);
    }
    map_release(m);
    map_release(again);
    buf_fini(&text);
    return 0;
}
