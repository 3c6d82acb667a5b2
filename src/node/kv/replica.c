#include "node/kv/replica.h"

#include "base/alloc.h"
#include "node/kv/store_parts.h"

static bool in_place(const struct vbucket *v, uint64_t seqno)
{
    return seqno > v->high_seqno;
}

enum applied replica_document(struct vbucket *v, const struct kv_key *key, const struct item_change *change,
                              const struct kv_clock *t)
{
    if (!in_place(v, change->seqno)) return APPLY_OUT_OF_PLACE;
    uint32_t hash = store_hash(v->store, key);
    if (!vbucket_write(v, vbucket_find(v, key, hash), key, hash, change, t)) return APPLY_NO_MEMORY;
    struct item *prepare = vbucket_find_prepare(v, key, hash); /* its commit was folded into this */
    if (prepare) vbucket_drop_prepare(v, prepare);
    return APPLIED;
}

enum applied replica_prepare(struct vbucket *v, const struct kv_key *key, const struct item_change *change,
                             const struct kv_clock *t)
{
    if (!in_place(v, change->seqno)) return APPLY_OUT_OF_PLACE;
    uint32_t hash = store_hash(v->store, key);
    return vbucket_prepare(v, vbucket_find(v, key, hash), key, hash, change, t) ? APPLIED : APPLY_NO_MEMORY;
}

/* The prepare that an end is about. */
static struct item *prepare_of(const struct vbucket *v, const struct kv_key *key)
{
    return vbucket_find_prepare(v, key, store_hash(v->store, key));
}

enum applied replica_commit(struct vbucket *v, const struct kv_key *key, uint64_t prepared, uint64_t seqno,
                            const struct kv_clock *t)
{
    struct item *p = prepare_of(v, key);
    if (!in_place(v, seqno) || !p || p->seqno != prepared) return APPLY_OUT_OF_PLACE;
    return vbucket_commit(v, p, seqno, t) ? APPLIED : APPLY_NO_MEMORY;
}

enum applied replica_abort(struct vbucket *v, const struct kv_key *key, uint64_t prepared, uint64_t seqno,
                           const struct kv_clock *t)
{
    struct item *p = prepare_of(v, key);
    if (!in_place(v, seqno)) return APPLY_OUT_OF_PLACE;
    if (p && p->seqno == prepared) vbucket_abort(v, p, seqno, t);
    else v->high_seqno = seqno; /* the abort of a prepare that was left out of a snapshot */
    return APPLIED;
}

enum applied vbucket_add_event(struct vbucket *v, uint64_t seqno, uint32_t event, uint8_t version,
                               struct divan_bytes name, struct divan_bytes value)
{
    if (seqno && !in_place(v, seqno)) return APPLY_OUT_OF_PLACE;
    struct kv_key key = kv_key_of(UINT32_MAX, name.data, name.len);
    struct item *i = item_new(&key, 0, value.len);
    if (!i) return APPLY_NO_MEMORY;
    i->state = ITEM_EVENT;
    i->flags = event;
    i->level = version;
    i->value_len = (uint32_t)value.len;
    if (value.len) memcpy(i->bytes + i->key_len, value.data, value.len);
    i->seqno = v->high_seqno = seqno ? seqno : v->high_seqno + 1;
    vbucket_trim_events(v, i);
    i->chain = v->marks;
    v->marks = i;
    order_append(v, i);
    return APPLIED;
}

enum applied replica_advance(struct vbucket *v, uint64_t seqno)
{
    if (!in_place(v, seqno)) return APPLY_OUT_OF_PLACE;
    v->high_seqno = seqno;
    return APPLIED;
}

void replica_snapshot_begins(struct vbucket *v, uint64_t start, uint64_t end)
{
    v->snapshot_start = start;
    v->snapshot_end = end;
}

void replica_snapshot_ends(struct vbucket *v, uint64_t high_completed)
{
    while (v->prepares && v->prepares->seqno <= high_completed) vbucket_drop_prepare(v, v->prepares);
    if (v->high_completed_seqno < high_completed) v->high_completed_seqno = high_completed;
}

/* ---- rolling back */

static struct item *last_of(const struct vbucket *v)
{
    return list_empty(&v->order) ? NULL : container_of(v->order.head.prev, struct item, order);
}

/* From where the stream must go on when an item behind `to` is taken away. */
static uint64_t resume_for(const struct vbucket *v, const struct item *i, uint64_t to)
{
    uint64_t resume = to, back = i->seqno - i->back_ago, prepared = i->seqno - i->prepared_ago;
    if (i->state & ITEM_APART) back = i->seqno;
    if (i->back_ago == UINT32_MAX) return 0;
    if (to < v->anchor && i->back_ago && back > to) return 0; /* the state at `to` was forgotten */
    if (i->back_ago && back <= to) resume = back - 1;
    if (i->prepared_ago && prepared <= resume) resume = prepared - 1;
    return resume;
}

static void mark_unlink(struct vbucket *v, const struct item *i)
{
    for (struct item **at = &v->marks; *at; at = &(*at)->chain) {
        if (*at != i) continue;
        *at = i->chain;
        return;
    }
}

static void take_back(struct vbucket *v, struct item *i)
{
    uint64_t purged = v->purge_seqno;
    if (i->state & ITEM_GHOST) {
        vbucket_forget_apart(v, i);
    } else if (i->state & ITEM_PREPARED) {
        vbucket_drop_prepare(v, i);
    } else if (i->state & ITEM_APART) {
        mark_unlink(v, i);
        vbucket_forget_apart(v, i);
    } else {
        vbucket_forget(v, i);
    }
    v->purge_seqno = purged;
}

uint64_t replica_rollback(struct vbucket *v, uint64_t to)
{
    if (v->store->keeper) v->store->keeper->rolled_back(v->store->keeper_user, v);
    order_break(v, false);
    uint64_t resume = to < v->purge_seqno ? 0 : to;
    for (struct link *l = v->order.head.prev; resume && l != &v->order.head; l = l->prev) {
        const struct item *i = container_of(l, struct item, order);
        if (i->seqno <= to) break;
        uint64_t needed = i->state & ITEM_GHOST ? to : resume_for(v, i, to);
        if (needed < resume) resume = needed;
    }
    to = resume;
    for (struct item *i = last_of(v); i && i->seqno > to; i = last_of(v)) take_back(v, i);
    if (!to) v->purge_seqno = 0;
    v->high_seqno = to;
    if (v->high_prepared_seqno > to) v->high_prepared_seqno = to;
    if (v->high_completed_seqno > to) v->high_completed_seqno = to;
    v->snapshot_start = v->snapshot_end = to;
    if (v->anchor > to) v->anchor = to;
    if (v->next_anchor > to) v->next_anchor = to;
    return to;
}

bool replica_adopt_log(struct vbucket *v, const struct failover_entry *log, size_t count)
{
    if (count > FAILOVER_MAX) count = FAILOVER_MAX;
    struct failover_entry *copy = mem_alloc((count ? count : 1) * sizeof *copy);
    if (!copy) return false;
    if (count) memcpy(copy, log, count * sizeof *copy);
    mem_free(v->failover);
    v->failover = copy;
    v->failover_count = (uint8_t)count;
    if (v->store->keeper) v->store->keeper->changed(v->store->keeper_user, v);
    return true;
}
