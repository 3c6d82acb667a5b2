/* Writes with metadata: another cluster's document comes with its own CAS, revision, expiry and flags, and whichever
 * version wins stays. */
#include "node/kv/ops.h"

/* Which of two is the later one. Ties go on to the next property; flags decide last, the higher wins (measured). */
static bool incoming_wins(const struct meta_write *w, const struct item *i)
{
    const struct with_meta *m = w->meta;
    uint64_t first[2] = {m->seqno, i->revision}, second[2] = {m->cas, i->cas};
    if (w->lww) first[0] = m->cas, first[1] = i->cas, second[0] = m->seqno, second[1] = i->revision;
    if (first[0] != first[1]) return first[0] > first[1];
    if (second[0] != second[1]) return second[0] > second[1];
    if (w->del || !item_is_live(i)) return false; /* a tombstone has neither expiry nor flags to compare */
    if (m->expiry != i->expiry_s) return m->expiry > i->expiry_s;
    return m->flags > i->flags;
}

static enum kv_result check(const struct kv_op *op, struct item *old, const struct meta_write *w)
{
    bool live = old && item_is_live(old) && !item_is_expired(old, op->clock);
    if (live) {
        struct item_lock *lock = vbucket_lock_of(op->vbucket, old, op->clock);
        if (lock && op->cas != lock->cas) return KV_LOCKED;
        if (w->add) return KV_EXISTS;
        if (!lock && op->cas && op->cas != old->cas) return KV_EXISTS;
    } else if (op->cas) {
        return KV_MISSING;
    }
    bool judged = old && !(w->meta->options & (WITH_META_FORCE | WITH_META_SKIP_RESOLUTION));
    return judged && !incoming_wins(w, old) ? KV_EXISTS : KV_OK;
}

/* A deletion keeps attributes and nothing else. */
static void describe(const struct meta_write *w, struct item_change *change)
{
    struct divan_bytes section, body;
    value_split(w->meta->value, w->meta->datatype, &section, &body);
    if (section.len) change->datatype = DATATYPE_XATTR;
    change->value = w->meta->value;
    if (w->del) change->value.len = section.len ? change->value.len - body.len : 0;
    else change->datatype |= value_detect(body, &change->state);
}

enum kv_result kv_write_meta(const struct kv_op *op, const struct meta_write *w, struct kv_done *out)
{
    const struct with_meta *m = w->meta;
    struct item *old = vbucket_find(op->vbucket, &op->key, op->hash);
    if (m->value.len > VALUE_MAX + SYSTEM_XATTR_MAX) return KV_TOO_BIG;
    enum kv_result rc = check(op, old, w);
    if (!rc && !store_has_room(op->vbucket->store, op->key.len + m->value.len, op->clock)) rc = KV_FULL;
    if (rc) return rc;
    struct item_change change = {
        .flags = m->flags,
        .expiry_s = w->del ? op->clock->wall_s : m->expiry,
        .state = w->del ? ITEM_DELETED : 0,
        .cas = m->options & WITH_META_REGENERATE_CAS ? 0 : m->cas,
        .revision = m->seqno,
    };
    describe(w, &change);
    struct item *i = vbucket_write(op->vbucket, vbucket_find(op->vbucket, &op->key, op->hash), &op->key, op->hash,
                                   &change, op->clock);
    if (!i) return KV_NO_MEMORY;
    *out = (struct kv_done){i, i->cas, i->seqno};
    return KV_OK;
}
