#include "manager/vbplan.h"

#include <string.h>

#include "base/alloc.h"

struct work {
    const struct vbplan *p;
    int16_t *from, *out; /* from: with leaving nodes renamed to coming ones */
    int16_t *place;      /* [vbuckets] scratch of the assignment of one position */
    bool *seen;          /* [servers] visited by the search */
    size_t nodes;        /* kept ones */
    unsigned count[VBPLAN_NODES_MAX], quota[VBPLAN_NODES_MAX];
    uint16_t *shares; /* [servers][servers]: how many copies of an active's vBuckets a node takes, of one position */
    uint16_t *pair;   /* the line of the active in work */
};

static int16_t *row_of(const struct vbplan *p, int16_t *map, unsigned v)
{
    return map + (size_t)v * p->row;
}

static bool holds(const int16_t *row, unsigned length, int16_t who)
{
    for (unsigned c = 0; c < length; c++)
        if (row[c] == who) return true;
    return false;
}

/* ---- as many come as leave: they take over their places */

static bool in_map(const struct work *w, int16_t who)
{
    for (size_t i = 0; i < (size_t)w->p->vbuckets * w->p->row; i++)
        if (w->from[i] == who) return true;
    return false;
}

static void rename_leaving(struct work *w)
{
    const struct vbplan *p = w->p;
    size_t next = 0;
    for (size_t old = 0; old < p->servers; old++) {
        if (p->keep[old] || !in_map(w, (int16_t)old)) continue;
        while (next < p->servers && (!p->keep[next] || in_map(w, (int16_t)next))) next++;
        if (next == p->servers) return;
        for (size_t i = 0; i < (size_t)p->vbuckets * p->row; i++)
            if (w->from[i] == (int16_t)old) w->from[i] = (int16_t)next;
    }
}

/* ---- actives */

/* Equal shares; the odd ones go to those who have most anyway. */
static void share_actives(struct work *w)
{
    const struct vbplan *p = w->p;
    unsigned floor = (unsigned)(p->vbuckets / w->nodes), extra = (unsigned)(p->vbuckets % w->nodes);
    for (size_t i = 0; i < p->servers; i++) w->quota[i] = p->keep[i] ? floor : 0;
    for (; extra; extra--) {
        size_t best = p->servers;
        for (size_t i = 0; i < p->servers; i++)
            if (p->keep[i] && w->quota[i] == floor && (best == p->servers || w->count[i] > w->count[best])) best = i;
        w->quota[best]++;
    }
}

/* How good a vBucket is to give away: it has a copy at somebody who wants more. */
static bool has_taker(const struct work *w, unsigned v)
{
    const int16_t *row = row_of(w->p, w->from, v);
    for (unsigned c = 1; c < w->p->row; c++)
        if (row[c] >= 0 && w->p->keep[row[c]] && w->count[row[c]] < w->quota[row[c]]) return true;
    return false;
}

static void give_away(struct work *w, bool with_taker_only)
{
    const struct vbplan *p = w->p;
    for (unsigned v = 0; v < p->vbuckets; v++) {
        int16_t *active = &row_of(p, w->out, v)[0];
        if (*active < 0 || w->count[*active] <= w->quota[*active] || (with_taker_only && !has_taker(w, v))) continue;
        w->count[*active]--;
        *active = -1;
        if (!with_taker_only) continue;
        for (unsigned c = 1; c < p->row && *active < 0; c++) {
            int16_t taker = row_of(p, w->from, v)[c];
            if (taker < 0 || !p->keep[taker] || w->count[taker] >= w->quota[taker]) continue;
            *active = taker;
            w->count[taker]++;
        }
    }
}

/* A place for one that has none: at the neediest of those who hold a copy, else at the neediest. */
static void find_active(struct work *w, unsigned v)
{
    const struct vbplan *p = w->p;
    const int16_t *row = row_of(p, w->from, v);
    int best = -1;
    for (int pass = 0; pass < 2 && best < 0; pass++)
        for (size_t i = 0; i < p->servers; i++) {
            if (!p->keep[i] || w->count[i] >= w->quota[i] || (!pass && !holds(row, p->row, (int16_t)i))) continue;
            if (best < 0 || w->quota[i] - w->count[i] > w->quota[best] - w->count[best]) best = (int)i;
        }
    row_of(p, w->out, v)[0] = (int16_t)best;
    w->count[best]++;
}

static void place_actives(struct work *w)
{
    const struct vbplan *p = w->p;
    for (unsigned v = 0; v < p->vbuckets; v++) {
        int16_t active = row_of(p, w->from, v)[0];
        bool stays = active >= 0 && p->keep[active];
        row_of(p, w->out, v)[0] = stays ? active : -1;
        if (stays) w->count[active]++;
    }
    share_actives(w);
    give_away(w, true);
    give_away(w, false);
    for (int pass = 0; pass < 2; pass++) /* those with copies first: others can go anywhere */
        for (unsigned v = 0; v < p->vbuckets; v++)
            if (row_of(p, w->out, v)[0] < 0 && (pass || has_taker(w, v))) find_active(w, v);
}

/* ---- copies: position by position, and for the vBuckets of one active at a time */

static bool other_groups_suffice(const struct vbplan *p, int active)
{
    unsigned others = 0;
    for (size_t i = 0; p->group && i < p->servers; i++) others += p->keep[i] && p->group[i] != p->group[active];
    return others + 1 >= p->row;
}

static bool may_hold(const struct work *w, int active, size_t node)
{
    const struct vbplan *p = w->p;
    if (!p->keep[node] || (int)node == active) return false;
    return !p->group || p->group[node] != p->group[active] || !other_groups_suffice(p, active);
}

static uint16_t *share_of(const struct work *w, size_t active)
{
    return w->shares + active * w->p->servers;
}

static unsigned takers_of(const struct work *w, size_t active)
{
    unsigned n = 0;
    for (size_t i = 0; w->p->keep[active] && i < w->p->servers; i++) n += may_hold(w, (int)active, i);
    return n;
}

/* Equal shares of the copies of one active; the odd ones to whoever holds most of them already. */
static void share_copies(struct work *w, size_t active, unsigned position)
{
    const struct vbplan *p = w->p;
    uint16_t *share = share_of(w, active);
    unsigned have[VBPLAN_NODES_MAX] = {0}, copies = 0, takers = takers_of(w, active);
    for (unsigned v = 0; v < p->vbuckets; v++) {
        if (row_of(p, w->out, v)[0] != (int16_t)active) continue;
        copies++;
        int16_t there = row_of(p, w->from, v)[position];
        if (there >= 0) have[there]++;
    }
    if (!takers) return;
    unsigned floor = copies / takers;
    for (size_t i = 0; i < p->servers; i++)
        if (may_hold(w, (int)active, i)) share[i] = (uint16_t)floor;
    for (unsigned extra = copies % takers; extra; extra--) {
        size_t best = p->servers;
        for (size_t i = 0; i < p->servers; i++)
            if (may_hold(w, (int)active, i) && share[i] == floor && (best == p->servers || have[i] > have[best]))
                best = i;
        share[best]++;
    }
}

/* One odd copy from `from` to `to`, straight or over a third node: whether some active's shares allow it. */
static bool shift(struct work *w, size_t from, size_t to, unsigned depth)
{
    const struct vbplan *p = w->p;
    for (size_t a = 0; a < p->servers; a++) {
        uint16_t *share = share_of(w, a);
        if (!p->keep[a] || !may_hold(w, (int)a, from) || !may_hold(w, (int)a, to) || share[from] <= share[to]) continue;
        share[from]--, share[to]++;
        return true;
    }
    for (size_t over = 0; depth && over < p->servers; over++) {
        if (over == from || over == to || !p->keep[over] || !shift(w, from, over, depth - 1)) continue;
        if (shift(w, over, to, depth - 1)) return true;
        shift(w, over, from, 0); /* back */
    }
    return false;
}

/* Shares that are equal for every active can still add up to more for one node than for another. */
static void even_out(struct work *w)
{
    const struct vbplan *p = w->p;
    for (unsigned round = 0; round < VBPLAN_NODES_MAX * 4; round++) {
        size_t least = p->servers, most = p->servers;
        memset(w->count, 0, sizeof w->count);
        for (size_t a = 0; a < p->servers; a++)
            for (size_t i = 0; p->keep[a] && i < p->servers; i++) w->count[i] += share_of(w, a)[i];
        for (size_t i = 0; i < p->servers; i++) {
            if (!p->keep[i]) continue;
            if (least == p->servers || w->count[i] < w->count[least]) least = i;
            if (most == p->servers || w->count[i] > w->count[most]) most = i;
        }
        if (w->count[most] - w->count[least] <= 1 || !shift(w, most, least, 1)) return;
    }
}

static bool fits(const struct work *w, unsigned v, unsigned position, size_t node)
{
    const int16_t *row = w->out + (size_t)v * w->p->row;
    return w->pair[node] > 0 && !holds(row, position, (int16_t)node);
}

static unsigned taken(const struct work *w, int active, size_t node)
{
    unsigned n = 0;
    for (unsigned v = 0; v < w->p->vbuckets; v++)
        n += w->out[(size_t)v * w->p->row] == active && w->place[v] == (int16_t)node;
    return n;
}

/* A place for v, pushing others elsewhere where that helps: an augmenting path. */
static bool augment(struct work *w, int active, unsigned position, unsigned v)
{
    const struct vbplan *p = w->p;
    for (size_t node = 0; node < p->servers; node++)
        if (!w->seen[node] && fits(w, v, position, node) && taken(w, active, node) < w->pair[node]) {
            w->place[v] = (int16_t)node;
            return true;
        }
    for (size_t node = 0; node < p->servers; node++) {
        if (w->seen[node] || !fits(w, v, position, node)) continue;
        w->seen[node] = true;
        for (unsigned u = 0; u < p->vbuckets; u++) {
            if (w->out[(size_t)u * p->row] != active || w->place[u] != (int16_t)node) continue;
            w->place[u] = -1;
            if (augment(w, active, position, u)) {
                w->place[v] = (int16_t)node;
                return true;
            }
            w->place[u] = (int16_t)node;
        }
    }
    return false;
}

/* Somebody, whoever has least: longer chains and groups can make the shares impossible. */
static int16_t least_loaded(const struct work *w, unsigned v, unsigned position)
{
    const struct vbplan *p = w->p;
    const int16_t *row = w->out + (size_t)v * p->row;
    int best = -1;
    for (size_t i = 0; i < p->servers; i++)
        if (p->keep[i] && !holds(row, position, (int16_t)i) && (best < 0 || w->count[i] < w->count[best]))
            best = (int)i;
    return (int16_t)best;
}

static void keep_copies(struct work *w, int active, unsigned position)
{
    const struct vbplan *p = w->p;
    unsigned used[VBPLAN_NODES_MAX] = {0};
    for (int pass = 0; pass < 2; pass++) /* the same position first, then any other copy, the old active included */
        for (unsigned v = 0; v < p->vbuckets; v++) {
            const int16_t *row = row_of(p, w->from, v);
            if (row_of(p, w->out, v)[0] != active || w->place[v] >= 0) continue;
            for (unsigned i = 0; i < p->row && w->place[v] < 0; i++) {
                unsigned c = (position + i) % p->row;
                if ((!pass && i) || row[c] < 0 || !fits(w, v, position, (size_t)row[c]) ||
                    used[row[c]] >= w->pair[row[c]])
                    continue;
                w->place[v] = row[c];
                used[row[c]]++;
            }
        }
}

static void place_copies_of(struct work *w, int active, unsigned position)
{
    const struct vbplan *p = w->p;
    w->pair = share_of(w, (size_t)active);
    for (unsigned v = 0; v < p->vbuckets; v++) w->place[v] = -1;
    keep_copies(w, active, position);
    for (unsigned v = 0; v < p->vbuckets; v++) {
        if (row_of(p, w->out, v)[0] != active) continue;
        memset(w->seen, 0, p->servers * sizeof *w->seen);
        if (w->place[v] < 0 && !augment(w, active, position, v)) w->place[v] = least_loaded(w, v, position);
    }
    for (unsigned v = 0; v < p->vbuckets; v++)
        if (row_of(p, w->out, v)[0] == active) row_of(p, w->out, v)[position] = w->place[v];
}

static void place_copies(struct work *w, unsigned position)
{
    const struct vbplan *p = w->p;
    memset(w->shares, 0, p->servers * p->servers * sizeof *w->shares);
    for (size_t a = 0; a < p->servers; a++)
        if (p->keep[a]) share_copies(w, a, position);
    even_out(w);
    for (size_t a = 0; a < p->servers; a++)
        if (p->keep[a]) place_copies_of(w, (int)a, position);
}

/* ---- */

static bool sensible(const struct vbplan *p)
{
    size_t kept = 0;
    if (!p->vbuckets || !p->row || p->row > VBPLAN_ROW_MAX || !p->servers || p->servers > VBPLAN_NODES_MAX)
        return false;
    for (size_t i = 0; i < p->servers; i++) kept += p->keep[i];
    return kept > 0;
}

bool vbplan_target(const struct vbplan *p, int16_t *out)
{
    struct work w = {.p = p, .out = out};
    size_t entries = (size_t)p->vbuckets * p->row;
    if (!sensible(p)) return false;
    w.from = mem_alloc(entries * sizeof *w.from);
    w.place = mem_alloc(p->vbuckets * sizeof *w.place);
    w.seen = mem_alloc(p->servers * sizeof *w.seen);
    w.shares = mem_alloc(p->servers * p->servers * sizeof *w.shares);
    bool able = w.from && w.place && w.seen && w.shares;
    for (size_t i = 0; i < p->servers; i++) w.nodes += p->keep[i];
    for (size_t i = 0; able && i < entries; i++) w.from[i] = p->from ? p->from[i] : -1, out[i] = -1;
    if (able) {
        if (p->from) rename_leaving(&w);
        place_actives(&w);
        for (unsigned c = 1; c < p->row && c < w.nodes; c++) place_copies(&w, c);
    }
    mem_free(w.from);
    mem_free(w.place);
    mem_free(w.seen);
    mem_free(w.shares);
    return able;
}

bool vbplan_balanced(const struct vbplan *p)
{
    unsigned per[2][VBPLAN_NODES_MAX] = {{0}};
    size_t nodes = 0;
    if (!sensible(p) || !p->from) return false;
    for (size_t i = 0; i < p->servers; i++) nodes += p->keep[i];
    for (unsigned v = 0; v < p->vbuckets; v++) {
        const int16_t *row = p->from + (size_t)v * p->row;
        for (unsigned c = 0; c < p->row; c++) {
            if (c >= nodes ? row[c] >= 0 : row[c] < 0 || !p->keep[row[c]]) return false;
            if (c < 2 && row[c] >= 0) per[c][row[c]]++;
        }
    }
    for (unsigned c = 0; c < 2 && c < p->row && c < nodes; c++) {
        unsigned least = UINT16_MAX, most = 0;
        for (size_t i = 0; i < p->servers; i++) {
            if (!p->keep[i]) continue;
            if (per[c][i] < least) least = per[c][i];
            if (per[c][i] > most) most = per[c][i];
        }
        if (most - least > 1 && !(c && p->group)) return false;
    }
    return true;
}

bool vbplan_drop(int16_t *row, uint8_t length, const bool *gone)
{
    int16_t first = row[0];
    unsigned n = 0;
    for (unsigned c = 0; c < length; c++)
        if (row[c] >= 0 && !gone[row[c]]) row[n++] = row[c];
    while (n < length) row[n++] = -1;
    return row[0] != first;
}

bool vbplan_graceful(const int16_t *from, uint16_t vbuckets, uint8_t row, const bool *gone, int16_t *out)
{
    bool possible = true;
    memcpy(out, from, (size_t)vbuckets * row * sizeof *out);
    for (unsigned v = 0; v < vbuckets; v++) {
        int16_t *r = out + (size_t)v * row;
        unsigned c = 0;
        if (r[0] < 0 || !gone[r[0]]) continue;
        while (c < row && (r[c] < 0 || gone[r[c]])) c++;
        if (c == row) {
            possible = false;
            continue;
        }
        int16_t next = r[c];
        memmove(r + 1, r, c * sizeof *r);
        r[0] = next;
    }
    return possible;
}
