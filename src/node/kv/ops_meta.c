/* Writes with metadata: another cluster's document comes with its own CAS, revision, expiry and flags, and whichever
 * version wins stays. */
#include "node/kv/ops.h"

#include "text/json.h"

/* Which of two is the later one. Ties go on to the next property; flags decide last, the higher wins (measured). */
static bool incoming_wins(const struct meta_write *m, const struct item *i, bool lww)
{
    uint64_t first[2] = {m->revision, i->revision}, second[2] = {m->cas, i->cas};
    if (lww) first[0] = m->cas, first[1] = i->cas, second[0] = m->revision, second[1] = i->revision;
    if (first[0] != first[1]) return first[0] > first[1];
    if (second[0] != second[1]) return second[0] > second[1];
    if (m->del || !item_is_live(i)) return false; /* a tombstone has neither expiry nor flags to compare */
    if (m->expiry_s != i->expiry_s) return m->expiry_s > i->expiry_s;
    return m->flags > i->flags;
}

static enum kv_result check(const struct kv_op *op, struct item *old, const struct meta_write *m, bool lww)
{
    bool live = old && item_is_live(old) && !item_is_expired(old, op->clock);
    if (live) {
        struct item_lock *lock = vbucket_lock_of(op->vbucket, old, op->clock);
        if (lock && op->cas != lock->cas) return KV_LOCKED;
        if (m->add) return KV_EXISTS;
        if (!lock && op->cas && op->cas != old->cas) return KV_EXISTS;
    } else if (op->cas) {
        return KV_MISSING;
    }
    bool judged = old && !(m->options & (META_FORCE | META_NO_CONFLICT_CHECK));
    return judged && !incoming_wins(m, old, lww) ? KV_EXISTS : KV_OK;
}

enum kv_result kv_write_meta(const struct kv_op *op, const struct meta_write *m, const struct kv_input *in,
                             uint8_t datatype, bool lww, struct kv_done *out)
{
    if (in->body.len > VALUE_MAX + SYSTEM_XATTR_MAX) return KV_TOO_BIG;
    struct item *old = vbucket_find(op->vbucket, &op->key, op->hash);
    enum kv_result rc = check(op, old, m, lww);
    if (!rc && !store_has_room(op->vbucket->store, op->key.len + in->body.len, op->clock)) rc = KV_FULL;
    if (rc) return rc;
    struct item_change change = {
        .value = in->body,
        .flags = m->flags,
        .expiry_s = m->del ? op->clock->wall_s : m->expiry_s,
        .datatype = datatype & DATATYPE_XATTR,
        .state = m->del ? ITEM_DELETED : 0,
        .cas = m->options & META_NEW_CAS ? 0 : m->cas,
        .revision = m->revision,
    };
    struct divan_bytes body = datatype & DATATYPE_XATTR ? xattr_body(in->body) : in->body;
    if (!m->del && json_is_valid(body)) change.datatype |= DATATYPE_JSON;
    struct item *i = vbucket_write(op->vbucket, vbucket_find(op->vbucket, &op->key, op->hash), &op->key, op->hash,
                                   &change, op->clock);
    if (!i) return KV_NO_MEMORY;
    *out = (struct kv_done){i, i->cas, i->seqno};
    return KV_OK;
}
