#include "node/placement.h"

#include "base/alloc.h"
#include "base/error.h"
#include "node/replication.h"

enum { ROW_MAX = 8 };

const char placement_user[] = "@divan";

static const int16_t *line(const int16_t *map, const struct doc_vbmap *m, unsigned v)
{
    return map ? map + (size_t)v * m->row : NULL;
}

static bool holds(const int16_t *row, const struct doc_vbmap *m, int who)
{
    for (unsigned c = 0; row && c < m->row; c++)
        if (row[c] == who) return true;
    return false;
}

/* A move that is not over: 0 = none, 1 = the active is being taken over, 2 = the new chain holds. */
static int stage_of(const struct doc_vbmap *m, unsigned v)
{
    const int16_t *before = line(m->moving, m, v);
    if (!before || before[0] < 0) return 0;
    return memcmp(before, line(m->entries, m, v), m->row * sizeof *before) == 0 ? 1 : 2;
}

/* Not a member: what is here is kept for a recovery when there may be one. */
static enum vbucket_mode outside(const struct doc *d, const char *self)
{
    const struct doc_node *n = doc_find_node(d, self);
    bool kept = n && (n->membership == DOC_INACTIVE_FAILED || n->recovery == DOC_RECOVERY_DELTA);
    for (size_t i = 0; i < d->task.delta_count && doc_is_busy(d); i++)
        kept = kept || strcmp(d->task.delta[i], self) == 0;
    return kept ? VBUCKET_DEAD : VBUCKET_ABSENT;
}

enum vbucket_mode placement_mode(const struct doc *d, const struct doc_bucket *b, unsigned v, const char *self)
{
    const struct doc_vbmap *m = &b->map;
    int me = doc_server_of(m, self), stage = stage_of(m, v);
    const int16_t *row = line(m->entries, m, v), *to = line(m->forward, m, v);
    if (me < 0) return outside(d, self);
    if (stage == 1 && (holds(row, m, me) || holds(to, m, me))) return VBUCKET_KEEP;
    if (row[0] == me) return VBUCKET_ACTIVE;
    if (holds(row, m, me)) return VBUCKET_REPLICA;
    if (stage == 2 && holds(line(m->moving, m, v), m, me)) return VBUCKET_DEAD;
    if (d->task.stage == DOC_TASK_MOVING && holds(to, m, me)) return VBUCKET_KEEP; /* perhaps it is being built */
    return outside(d, self);
}

struct chains {
    const char *now[ROW_MAX], *next[ROW_MAX];
};

static void name_row(const struct doc_vbmap *m, const int16_t *row, const char **out, uint8_t *filled)
{
    for (unsigned c = 0; c < m->row && c < ROW_MAX; c++) {
        out[c] = row[c] >= 0 ? m->servers[row[c]] : NULL;
        if (filled) *filled += out[c] != NULL;
    }
}

static void set_role(const struct doc *d, const struct doc_bucket *b, unsigned v, const char *self, struct chains *c,
                     struct vbucket_role *out)
{
    const struct doc_vbmap *m = &b->map;
    *out = (struct vbucket_role){
        .mode = (uint8_t)placement_mode(d, b, v, self), .chain_length = m->row, .chain = c->now};
    name_row(m, line(m->entries, m, v), c->now, &out->chain_filled);
    if (stage_of(m, v) != 1 || !m->forward) return;
    name_row(m, line(m->forward, m, v), c->next, NULL);
    out->next_chain = c->next;
    out->next_length = m->row;
}

static size_t list_sources(const struct doc *d, const struct doc_bucket *b, const char *self,
                           struct replication_source *out)
{
    const struct doc_vbmap *m = &b->map;
    int me = doc_server_of(m, self);
    size_t n = 0;
    for (unsigned v = 0; me >= 0 && v < m->vbuckets; v++) {
        const int16_t *row = line(m->entries, m, v);
        const struct doc_node *source = row[0] >= 0 && row[0] != me && holds(row, m, me)
                                            ? doc_find_node(d, m->servers[row[0]])
                                            : NULL;
        if (source)
            out[n++] = (struct replication_source){(uint16_t)v, source->address, source->ports.plain[SVC_KV],
                                                   source->uuid};
    }
    return n;
}

enum divan_code placement_set(struct engine *e, const struct doc *d, const struct doc_bucket *b, const char *self,
                              struct divan_error *err)
{
    size_t count = b->map.vbuckets;
    struct vbucket_role *roles = mem_zalloc(count * sizeof *roles);
    struct chains *chains = mem_zalloc(count * sizeof *chains);
    struct replication_source *sources = mem_zalloc(count * sizeof *sources);
    enum divan_code rc = roles && chains && sources ? DIVAN_OK : err_oom(err);
    for (unsigned v = 0; !rc && v < count; v++) set_role(d, b, v, self, &chains[v], &roles[v]);
    if (!rc) rc = engine_set_roles(e, b->name, roles, count, err);
    if (!rc) rc = replication_set(e, b->name, sources, list_sources(d, b, self, sources), err);
    mem_free(roles);
    mem_free(chains);
    mem_free(sources);
    return rc;
}
