/* Where the copies of vBuckets live. */
#include <stdlib.h>

#include "manager/plan_parts.h"

static int by_name(const void *a, const void *b)
{
    const struct doc_node *const *x = a, *const *y = b;
    return strcmp((*x)->otp, (*y)->otp);
}

/* Actives in equal runs of neighbours; the copies of a run spread over all other nodes in turn, so that no pair of nodes
 * carries more than its share and a failed node's load goes to everybody. */
static void place(struct doc_vbmap *m, size_t nodes)
{
    for (size_t v = 0; v < m->vbuckets; v++) {
        size_t active = v * nodes / m->vbuckets;
        int16_t *row = m->entries + v * m->row;
        row[0] = (int16_t)active;
        for (size_t c = 1; c < m->row; c++)
            row[c] = c < nodes ? (int16_t)((active + 1 + (v + c - 1) % (nodes - 1)) % nodes) : -1;
    }
}

void plan_map_build(struct plan *p, struct doc_bucket *b)
{
    struct doc *d = p->doc;
    size_t count = 0;
    if (b->type == DOC_MEMCACHED || b->map.entries) return;
    const struct doc_node **nodes = doc_alloc(d, (d->node_count + 1) * sizeof *nodes);
    for (size_t i = 0; nodes && i < d->node_count; i++)
        if (d->nodes[i].membership == DOC_ACTIVE) nodes[count++] = &d->nodes[i];
    if (!count || count < d->expected_nodes) return;
    qsort(nodes, count, sizeof *nodes, by_name);

    struct doc_vbmap *m = &b->map;
    m->row = (uint8_t)(b->replicas + 1);
    m->entries = doc_alloc(d, (size_t)m->vbuckets * m->row * sizeof *m->entries);
    m->servers = NULL, m->server_count = 0;
    for (size_t i = 0; i < count; i++) {
        const char **server = doc_insert(d, &m->servers, &m->server_count, i, sizeof *server);
        if (server) *server = nodes[i]->uuid;
    }
    if (m->entries) place(m, count);
}
