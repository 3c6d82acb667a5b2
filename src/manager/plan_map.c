/* Where the copies of vBuckets live. */
#include <stdlib.h>

#include "manager/plan_parts.h"
#include "manager/vbplan.h"

static int by_name(const void *a, const void *b)
{
    const struct doc_node *const *x = a, *const *y = b;
    return strcmp((*x)->otp, (*y)->otp);
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
    bool *keep = doc_alloc(d, count * sizeof *keep);
    int *group = doc_alloc(d, count * sizeof *group);
    if (!m->entries || !keep || !group) return;
    for (size_t i = 0; i < count; i++) {
        keep[i] = true;
        for (size_t g = 0; g < d->group_count; g++)
            if (strcmp(d->groups[g].uuid, nodes[i]->group) == 0) group[i] = (int)g;
    }
    struct vbplan plan = {m->vbuckets, m->row, count, keep, d->group_count > 1 ? group : NULL, NULL};
    if (!vbplan_target(&plan, m->entries)) d->memory.failed = true;
}

static bool map_is_balanced(const struct doc *d, const struct doc_bucket *b)
{
    const struct doc_vbmap *m = &b->map;
    bool keep[VBPLAN_NODES_MAX];
    size_t active = 0;
    if (!m->entries) return true;
    for (size_t i = 0; i < d->node_count; i++) {
        if (d->nodes[i].membership != DOC_ACTIVE) continue;
        active++;
        if (doc_server_of(m, d->nodes[i].uuid) < 0) return false;
    }
    if (active != m->server_count || active > VBPLAN_NODES_MAX || m->row != b->replicas + 1) return false;
    memset(keep, true, sizeof keep);
    struct vbplan p = {m->vbuckets, m->row, m->server_count, keep, NULL, m->entries};
    return d->group_count > 1 || vbplan_balanced(&p);
}

bool doc_is_balanced(const struct doc *d)
{
    for (size_t i = 0; i < d->node_count; i++)
        if (d->nodes[i].membership != DOC_ACTIVE) return false;
    for (size_t i = 0; i < d->bucket_count; i++)
        if (!map_is_balanced(d, &d->buckets[i])) return false;
    return true;
}
