#include "manager/failover.h"

enum { CANDIDATES = 12, NODES_MAX = 128 };

/* ---- one vBucket */

struct candidates {
    int16_t list[CANDIDATES];
    unsigned count;
};

static void add(struct candidates *c, const int16_t *row, unsigned length, const bool *gone)
{
    for (unsigned i = 0; row && i < length; i++) {
        bool known = row[i] < 0 || gone[row[i]];
        for (unsigned k = 0; k < c->count && !known; k++) known = c->list[k] == row[i];
        if (!known && c->count < CANDIDATES) c->list[c->count++] = row[i];
    }
}

static const int16_t *line(const int16_t *map, const struct doc_vbmap *m, unsigned v)
{
    return map ? map + (size_t)v * m->row : NULL;
}

static const struct copy_figures *figures_of(const struct failover *f, const struct doc_vbmap *m, int16_t who,
                                             unsigned v)
{
    static const struct copy_figures unknown;
    return f->figures ? &f->figures[(size_t)who * m->vbuckets + v] : &unknown;
}

/* Who is active already goes before everybody; who has nothing is chosen last. */
static bool is_better(const struct copy_figures *a, const struct copy_figures *b)
{
    bool active_a = a->known && a->mode == COPY_ACTIVE, active_b = b->known && b->mode == COPY_ACTIVE;
    bool has_a = a->known && a->mode != COPY_ABSENT, has_b = b->known && b->mode != COPY_ABSENT;
    if (active_a != active_b) return active_a;
    if (active_a && a->prepared == b->prepared && a->high == b->high) return true; /* a took over after b was read */
    if (has_a != has_b) return has_a;
    if (a->prepared != b->prepared) return a->prepared > b->prepared;
    return a->high > b->high;
}

static bool moves(const struct doc_vbmap *m, unsigned v)
{
    return m->moving && line(m->moving, m, v)[0] >= 0;
}

static int16_t choose(const struct doc_vbmap *m, unsigned v, const struct failover *f)
{
    struct candidates c = {.count = 0};
    const int16_t *row = line(m->entries, m, v);
    if (row[0] >= 0 && !f->gone[row[0]] && !moves(m, v)) return row[0];
    add(&c, row, m->row, f->gone);
    if (moves(m, v)) {
        add(&c, line(m->moving, m, v), m->row, f->gone);
        add(&c, line(m->forward, m, v), m->row, f->gone);
    }
    int16_t best = c.count ? c.list[0] : -1;
    for (unsigned i = 1; i < c.count; i++)
        if (is_better(figures_of(f, m, c.list[i], v), figures_of(f, m, best, v))) best = c.list[i];
    if (best < 0) return f->demote ? row[0] : -1;
    const struct copy_figures *found = figures_of(f, m, best, v);
    return f->demote && (!found->known || found->mode == COPY_ABSENT) ? row[0] : best; /* nobody known has it */
}

void failover_row(const struct doc_vbmap *m, unsigned v, const struct failover *f, int16_t *row)
{
    const int16_t *before = line(m->entries, m, v);
    unsigned n = 0;
    int16_t head = choose(m, v, f);
    if (head >= 0) row[n++] = head;
    for (unsigned pass = 0; pass < 1u + f->demote; pass++) /* who is back and empty comes last */
        for (unsigned c = 0; c < m->row && n < m->row; c++)
            if (before[c] >= 0 && before[c] != head && f->gone[before[c]] == (pass == 1)) row[n++] = before[c];
    while (n < m->row) row[n++] = -1;
}

/* ---- a document */

void vbmap_set_servers(struct doc *d, struct doc_vbmap *m, const char *const *uuids, size_t count)
{
    int16_t *maps[] = {m->entries, m->forward, m->moving}, place[NODES_MAX];
    size_t entries = (size_t)m->vbuckets * m->row;
    for (size_t s = 0; s < m->server_count && s < NODES_MAX; s++) {
        place[s] = -1;
        for (size_t i = 0; i < count; i++)
            if (strcmp(uuids[i], m->servers[s]) == 0) place[s] = (int16_t)i;
    }
    for (size_t k = 0; k < sizeof maps / sizeof *maps; k++)
        for (size_t i = 0; maps[k] && i < entries; i++)
            if (maps[k][i] >= 0) maps[k][i] = place[maps[k][i]];
    const char **servers = doc_alloc(d, (count + 1) * sizeof *servers);
    if (!servers) return;
    for (size_t i = 0; i < count; i++) servers[i] = uuids[i];
    m->servers = NULL, m->server_count = 0;
    for (size_t i = 0; i < count; i++) {
        const char **at = doc_insert(d, &m->servers, &m->server_count, i, sizeof *at);
        if (at) *at = servers[i];
    }
}

static bool is_named(const char *uuid, const char *const *uuids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(uuid, uuids[i]) == 0) return true;
    return false;
}

static void mark(const struct doc_vbmap *m, const char *const *uuids, size_t count, bool gone[NODES_MAX])
{
    for (size_t s = 0; s < m->server_count && s < NODES_MAX; s++) gone[s] = is_named(m->servers[s], uuids, count);
}

void failover_remember(struct doc *d, struct doc_bucket *b)
{
    size_t entries = (size_t)b->map.vbuckets * b->map.row;
    if (b->map.forward || !b->map.entries) return;
    b->last = b->map;
    b->last.moving = NULL;
    b->last.servers = NULL, b->last.server_count = 0;
    b->last.entries = doc_alloc(d, entries * sizeof *b->last.entries);
    if (b->last.entries) memcpy(b->last.entries, b->map.entries, entries * sizeof *b->last.entries);
    for (size_t i = 0; i < b->map.server_count; i++) {
        const char **at = doc_insert(d, &b->last.servers, &b->last.server_count, i, sizeof *at);
        if (at) *at = b->map.servers[i];
    }
}

static void leave_servers(struct doc *d, struct doc_vbmap *m, const bool *gone)
{
    const char *left[NODES_MAX];
    size_t n = 0;
    for (size_t s = 0; s < m->server_count && s < NODES_MAX; s++)
        if (!gone[s]) left[n++] = m->servers[s];
    vbmap_set_servers(d, m, left, n);
}

static void fail_bucket(struct doc *d, struct doc_bucket *b, const char *const *uuids, size_t count,
                        const struct copy_figures *figures, bool demote)
{
    bool gone[NODES_MAX] = {false};
    struct doc_vbmap *m = &b->map;
    if (!m->entries) return;
    mark(m, uuids, count, gone);
    struct failover f = {.gone = gone, .figures = figures, .demote = demote};
    bool graceful = doc_is_busy(d) && d->task.kind == DOC_TASK_GRACEFUL; /* kept when it began */
    if (!demote && !graceful) failover_remember(d, b);
    for (unsigned v = 0; v < m->vbuckets; v++) {
        int16_t row[8];
        failover_row(m, v, &f, row);
        memcpy(m->entries + (size_t)v * m->row, row, m->row * sizeof *row);
    }
    m->forward = m->moving = NULL;
    if (!demote) leave_servers(d, m, gone);
}

void failover_nodes(struct doc *d, const char *const *uuids, size_t count, struct copy_figures *const *figures,
                    bool demote)
{
    for (size_t i = 0; i < d->bucket_count; i++)
        fail_bucket(d, &d->buckets[i], uuids, count, figures ? figures[i] : NULL, demote);
    for (size_t i = 0; i < d->node_count && !demote; i++) {
        if (!is_named(d->nodes[i].uuid, uuids, count)) continue;
        d->nodes[i].membership = DOC_INACTIVE_FAILED;
        d->nodes[i].recovery = DOC_RECOVERY_NONE;
    }
}

/* How many members of a chain stay and are up. */
static unsigned survivors(const struct doc_vbmap *m, unsigned v, const bool *away)
{
    unsigned n = 0;
    const int16_t *row = line(m->entries, m, v);
    for (unsigned c = 0; c < m->row; c++) n += row[c] >= 0 && !away[row[c]];
    return n;
}

static bool keeps(const struct doc *d, const char *const *uuids, size_t count, bool majority,
                  const struct doc_bucket **bucket)
{
    for (size_t i = 0; i < d->bucket_count; i++) {
        const struct doc_vbmap *m = &d->buckets[i].map;
        bool away[NODES_MAX] = {false};
        if (!m->entries) continue;
        for (size_t s = 0; s < m->server_count && s < NODES_MAX; s++) {
            const struct doc_node *n = doc_find_node(d, m->servers[s]);
            away[s] = !n || n->down || is_named(m->servers[s], uuids, count);
        }
        unsigned needed = majority ? m->row / 2u + 1 : 1;
        for (unsigned v = 0; v < m->vbuckets; v++) {
            if (line(m->entries, m, v)[0] < 0 || survivors(m, v, away) >= needed) continue;
            if (bucket) *bucket = &d->buckets[i];
            return false;
        }
    }
    return true;
}

bool failover_keeps_all(const struct doc *d, const char *const *uuids, size_t count, const struct doc_bucket **bucket)
{
    return keeps(d, uuids, count, false, bucket);
}

bool failover_keeps_majority(const struct doc *d, const char *const *uuids, size_t count)
{
    return keeps(d, uuids, count, true, NULL);
}

/* ---- by itself */

enum autofail_verdict autofail_decide(const struct doc *d, const struct autofail_node *nodes, size_t count,
                                      uint64_t now_ns, bool *chosen)
{
    const struct doc_auto_failover *f = &d->auto_failover;
    const char *uuids[NODES_MAX];
    size_t active = 0, down = 0, due = 0;
    uint64_t timeout_ns = (uint64_t)f->timeout_s * 1000000000u;
    for (size_t i = 0; i < count && i < NODES_MAX; i++) {
        bool away = nodes[i].active && nodes[i].down_since_ns;
        chosen[i] = away && now_ns - nodes[i].down_since_ns >= timeout_ns;
        active += nodes[i].active;
        down += away;
        if (chosen[i]) uuids[due++] = nodes[i].uuid;
    }
    /* one that has just gone could be part of the same event: it is waited for */
    if (!f->enabled || !due || due < down) return AUTOFAIL_NOTHING;
    if ((active - due) * 2 <= active) return AUTOFAIL_MINORITY;
    if (!f->disable_max_count && f->count + due > f->max_count) return AUTOFAIL_COUNT;
    if (!failover_keeps_all(d, uuids, due, NULL)) return AUTOFAIL_DATA_LOSS;
    if (f->preserve_durability_majority && !failover_keeps_majority(d, uuids, due)) return AUTOFAIL_DURABILITY;
    return AUTOFAIL_GO;
}
