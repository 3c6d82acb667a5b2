#include "topology/map.h"

#include "base/alloc.h"
#include "text/address.h"
#include "topology/map_make.h"

/* ---- life */

struct map *map_retain(const struct map *m)
{
    struct map *shared = (struct map *)(uintptr_t)m; /* immutable but for its count */
    if (shared) atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

static void node_fini(struct map_node *n)
{
    for (size_t i = 0; i < n->alternate_count; i++) {
        mem_free(n->alternates[i].network);
        mem_free(n->alternates[i].hostname);
    }
    mem_free(n->alternates);
    mem_free(n->hostname);
    mem_free(n->uuid);
    mem_free(n->server_group);
    mem_free(n->app_telemetry_path);
}

void map_release(const struct map *m)
{
    struct map *dead = (struct map *)(uintptr_t)m;
    if (!dead || atomic_fetch_sub_explicit(&dead->refs, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < dead->node_count; i++) node_fini(&dead->nodes[i]);
    mem_free(dead->nodes);
    mem_free(dead->entries);
    mem_free(dead->forward);
    mem_free(dead->bucket);
    mem_free(dead->bucket_uuid);
    mem_free(dead->cluster_uuid);
    mem_free(dead->cluster_name);
    mem_free(dead);
}

/* ---- order */

static int order(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int revision_compare(struct map_revision a, struct map_revision b)
{
    return a.epoch != b.epoch ? order(a.epoch, b.epoch) : order(a.rev, b.rev);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

/* One bucket never changes its number of vBuckets; one of the same name with another uuid is another bucket. */
static bool fits_bucket(const struct map *now, const struct map *next)
{
    if (!same_text(now->bucket, next->bucket)) return false;
    bool same_bucket = now->bucket_uuid && next->bucket_uuid ? same_text(now->bucket_uuid, next->bucket_uuid) : true;
    return !same_bucket || now->vbuckets == 0 || now->vbuckets == next->vbuckets;
}

bool map_supersedes(const struct map *now, const struct map *next)
{
    if (!now) return true;
    if (!fits_bucket(now, next)) return false;
    if (next->revision.rev == 0 && next->revision.epoch < 0) return true;
    return revision_compare(next->revision, now->revision) > 0;
}

int map_forward_owner(const struct map *m, uint16_t vbucket, unsigned copy)
{
    if (!m->forward || vbucket >= m->vbuckets || copy >= m->row) return -1;
    return m->forward[(size_t)vbucket * m->row + copy];
}

/* ---- comparing */

static bool same_alternate(const struct map_alternate *a, const struct map_alternate *b)
{
    return same_text(a->network, b->network) && same_text(a->hostname, b->hostname) && a->has_ports == b->has_ports &&
           !memcmp(&a->ports, &b->ports, sizeof a->ports);
}

static bool same_node(const struct map_node *a, const struct map_node *b)
{
    if (!same_text(a->hostname, b->hostname) || !same_text(a->uuid, b->uuid) ||
        !same_text(a->server_group, b->server_group) || !same_text(a->app_telemetry_path, b->app_telemetry_path) ||
        memcmp(&a->ports, &b->ports, sizeof a->ports) != 0 || a->this_node != b->this_node ||
        a->serves_bucket != b->serves_bucket || a->alternate_count != b->alternate_count)
        return false;
    for (size_t i = 0; i < a->alternate_count; i++)
        if (!same_alternate(&a->alternates[i], &b->alternates[i])) return false;
    return true;
}

static bool same_entries(const struct map *a, const struct map *b)
{
    size_t bytes = (size_t)a->vbuckets * a->row * sizeof *a->entries;
    if (a->vbuckets != b->vbuckets || a->row != b->row || !a->forward != !b->forward) return false;
    return !bytes ||
           (!memcmp(a->entries, b->entries, bytes) && (!a->forward || !memcmp(a->forward, b->forward, bytes)));
}

bool map_equal(const struct map *a, const struct map *b)
{
    if (revision_compare(a->revision, b->revision) != 0 || !same_text(a->bucket, b->bucket) ||
        !same_text(a->bucket_uuid, b->bucket_uuid) || !same_text(a->cluster_uuid, b->cluster_uuid) ||
        !same_text(a->cluster_name, b->cluster_name) || a->is_vbucket != b->is_vbucket ||
        a->ephemeral != b->ephemeral || a->manifest_uid != b->manifest_uid || a->capabilities != b->capabilities ||
        a->cluster_capabilities != b->cluster_capabilities || a->replicas != b->replicas || !same_entries(a, b) ||
        a->node_count != b->node_count)
        return false;
    for (size_t i = 0; i < a->node_count; i++)
        if (!same_node(&a->nodes[i], &b->nodes[i])) return false;
    return true;
}

static uint16_t identity_port(const struct map_node *n)
{
    return n->ports.plain[SVC_MGMT] ? n->ports.plain[SVC_MGMT] : n->ports.tls[SVC_MGMT];
}

/* Whether two maps mean the same node: external names and ports are not unique, so these are never asked. */
static bool is_same_node(const struct map_node *a, const struct map_node *b)
{
    if (a->uuid && b->uuid) return !strcmp(a->uuid, b->uuid);
    return identity_port(a) == identity_port(b) && address_equal(a->hostname, b->hostname);
}

/* Nodes nearly always keep their position, so that is asked first. */
static int find_node(const struct map *m, const struct map_node *node, size_t hint)
{
    if (m && hint < m->node_count && is_same_node(&m->nodes[hint], node)) return (int)hint;
    for (size_t i = 0; m && i < m->node_count; i++)
        if (is_same_node(&m->nodes[i], node)) return (int)i;
    return -1;
}

static size_t count_unmatched(const struct map *of, const struct map *in)
{
    size_t n = 0;
    for (size_t i = 0; of && i < of->node_count; i++) n += find_node(in, &of->nodes[i], i) < 0;
    return n;
}

static size_t count_moved(const struct map *before, const struct map *after)
{
    size_t moved = 0;
    if (!before || !after || before->vbuckets != after->vbuckets) return after ? after->vbuckets : 0;
    for (uint16_t vb = 0; vb < after->vbuckets; vb++) {
        int old = map_owner(before, vb, 0), now = map_owner(after, vb, 0);
        if (old < 0 || now < 0) moved += old != now;
        else moved += !is_same_node(&before->nodes[old], &after->nodes[now]);
    }
    return moved;
}

struct map_change map_difference(const struct map *before, const struct map *after)
{
    return (struct map_change){
        .nodes_added = count_unmatched(after, before),
        .nodes_removed = count_unmatched(before, after),
        .vbuckets_moved = count_moved(before, after),
    };
}
