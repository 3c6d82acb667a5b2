#include "node/kv/durable.h"

#include "base/alloc.h"
#include "node/kv/store_parts.h"

enum {
    MARKS_MAX = 4096 /* aborts in one vBucket */,
    ENDED_MAX = 256 /* dropped scopes and collections that are told of */
};

/* ---- chains */

static unsigned majority_of(unsigned length)
{
    return length / 2 + 1;
}

static unsigned plain_majority(const struct vbucket *v)
{
    return majority_of(v->chain_length ? v->chain_length : 1u + v->store->replicas);
}

static void take_acked(struct chain *c, const struct chain *from)
{
    for (unsigned i = 0; i < from->length; i++) {
        for (unsigned n = 0; n < c->length; n++) {
            if (c->nodes[n] == from->nodes[i] && c->acked[n] < from->acked[i]) c->acked[n] = from->acked[i];
        }
    }
}

static void keep_acked(struct chain *c, const struct durability *before)
{
    take_acked(c, &before->now);
    take_acked(c, &before->next);
    take_acked(c, &before->others);
}

bool vbucket_set_chain(struct vbucket *v, const struct chain *now, const struct chain *next, uint16_t self)
{
    if (!now->length) {
        mem_free(v->durability);
        v->durability = NULL;
        return true;
    }
    struct durability fresh = {*now, *next, self, {0}};
    if (v->durability) {
        fresh.others = v->durability->others;
        keep_acked(&fresh.now, v->durability);
        keep_acked(&fresh.next, v->durability);
    } else {
        v->durability = mem_alloc(sizeof fresh);
    }
    if (!v->durability) return false;
    *v->durability = fresh;
    return true;
}

static bool chain_is_filled(const struct chain *c)
{
    unsigned filled = 0;
    for (unsigned i = 0; i < c->length; i++) filled += c->nodes[i] != 0;
    return !c->length || filled >= majority_of(c->length);
}

bool vbucket_majority_exists(const struct vbucket *v)
{
    const struct durability *d = v->durability;
    return d ? chain_is_filled(&d->now) && chain_is_filled(&d->next) : plain_majority(v) <= 1;
}

/* Whether enough members have everything up to seqno; this node has by itself. */
static bool chain_has(const struct chain *c, uint16_t self, uint64_t seqno)
{
    unsigned have = 0;
    for (unsigned i = 0; i < c->length; i++) have += c->nodes[i] && (c->nodes[i] == self || c->acked[i] >= seqno);
    return !c->length || have >= majority_of(c->length);
}

static bool majority_has(const struct vbucket *v, uint64_t seqno)
{
    const struct durability *d = v->durability;
    if (!d) return plain_majority(v) <= 1;
    return chain_has(&d->now, d->self, seqno) && chain_has(&d->next, d->self, seqno);
}

static bool needs_disk(const struct vbucket *v, uint8_t level)
{
    return level >= DURABLE_MAJORITY_AND_PERSIST && v->store->keeper;
}

bool vbucket_must_wait(const struct vbucket *v, uint8_t level)
{
    return v->prepares || needs_disk(v, level) || (v->durability && !majority_has(v, UINT64_MAX));
}

/* Whether this copy has it as its level asks for. */
static bool self_has(const struct vbucket *v, const struct item *prepare)
{
    return !needs_disk(v, prepare->level) || vbucket_persisted(v) >= prepare->seqno;
}

uint64_t vbucket_acknowledgeable(const struct vbucket *v)
{
    for (const struct item *p = v->prepares; p; p = p->chain) {
        if (p->level == DURABLE_PERSIST_TO_MAJORITY && !self_has(v, p)) return p->seqno - 1;
    }
    return v->high_prepared_seqno;
}

/* ---- accounts and lists */

static void list_of_prepares_remove(struct vbucket *v, struct item *p)
{
    struct item **at = &v->prepares;
    while (*at && *at != p) at = &(*at)->chain;
    if (!*at) return;
    *at = p->chain;
    if (v->prepares_end == &p->chain) v->prepares_end = at;
    p->chain = NULL;
}

static void leave_order(struct vbucket *v, struct item *i)
{
    if (order_shows(v, i)) {
        order_keep_ghost(v, i);
        return;
    }
    order_remove(v, i);
    mem_free(i);
}

static bool is_of(const struct item *i, const struct kv_key *key, uint32_t hash)
{
    return i->hash == hash && i->key_len == key->len && i->collection == key->collection &&
           memcmp(i->bytes, key->data, key->len) == 0;
}

static void mark_remove(struct vbucket *v, struct item **at)
{
    struct item *gone = *at;
    *at = gone->chain;
    if (!(gone->state & ITEM_EVENT)) v->store->mem_bytes -= item_bytes(gone); /* events are not the users' memory */
    leave_order(v, gone);
}

/* At most one abort of a key, and not too many in all: the newest are in front. */
static void marks_trim(struct vbucket *v, const struct kv_key *key, uint32_t hash)
{
    unsigned count = 0;
    for (struct item **at = &v->marks; *at;) {
        bool same = ((*at)->state & ITEM_ABORTED) && is_of(*at, key, hash);
        bool too_many = ++count > MARKS_MAX && ((*at)->state & ITEM_ABORTED);
        if (same || too_many) mark_remove(v, at);
        else at = &(*at)->chain;
    }
}

/* The scope or collection that an event is about; the kinds are those of enum dcp_event. */
static bool event_subject(const struct item *i, bool *of_scope, uint32_t *id)
{
    enum { SCOPE_AT = 8, COLLECTION_AT = 12, CREATE_SCOPE = 3, DROP_SCOPE = 4 };
    *of_scope = i->flags == CREATE_SCOPE || i->flags == DROP_SCOPE;
    size_t at = *of_scope ? SCOPE_AT : COLLECTION_AT;
    if (!(i->state & ITEM_EVENT) || i->level > 1 || i->value_len < at + 4) return false;
    *id = get_u32be(i->bytes + i->key_len + at);
    return true;
}

void vbucket_trim_events(struct vbucket *v, const struct item *newest)
{
    bool of_scope, other_scope;
    uint32_t id, other;
    unsigned count = 0;
    if (!event_subject(newest, &of_scope, &id)) return;
    for (struct item **at = &v->marks; *at;) {
        bool event = event_subject(*at, &other_scope, &other);
        bool ended = event && ((*at)->flags == 1 || (*at)->flags == 4);
        bool same = event && other_scope == of_scope && other == id;
        if (same || (ended && ++count > ENDED_MAX)) mark_remove(v, at);
        else at = &(*at)->chain;
    }
}

void vbucket_forget_apart(struct vbucket *v, struct item *i)
{
    if (i->state & ITEM_GHOST) v->store->ghost_bytes -= sizeof *i + i->key_len + i->value_len;
    else if (!(i->state & ITEM_EVENT)) v->store->mem_bytes -= item_bytes(i);
    order_remove(v, i);
    mem_free(i);
}

/* ---- prepares */

struct item *vbucket_find_prepare(const struct vbucket *v, const struct kv_key *key, uint32_t hash)
{
    struct item *p = v->prepares;
    while (p && !is_of(p, key, hash)) p = p->chain;
    return p;
}

struct item *vbucket_prepare_at(const struct vbucket *v, uint64_t seqno)
{
    struct item *p = v->prepares;
    while (p && p->seqno != seqno) p = p->chain;
    return p;
}

struct item *vbucket_prepare(struct vbucket *v, struct item *old, const struct kv_key *key, uint32_t hash,
                             const struct item_change *change, const struct kv_clock *t)
{
    struct item *p = item_new(key, hash, change->value.len);
    if (!p) return NULL;
    struct item *before = vbucket_find_prepare(v, key, hash);
    if (before) vbucket_drop_prepare(v, before);
    marks_trim(v, key, hash);
    p->revision = change->revision ? change->revision : (old ? old->revision : v->max_deleted_revision) + 1;
    item_set_content(p, change);
    p->state |= ITEM_PREPARED;
    vbucket_stamp(v, p, change, t);
    v->high_prepared_seqno = p->seqno;
    *v->prepares_end = p;
    v->prepares_end = &p->chain;
    v->store->mem_bytes += item_bytes(p);
    order_append(v, p);
    return p;
}

static void tell(struct vbucket *v, uint64_t prepared_seqno, enum durable_end end)
{
    if (v->store->settled) v->store->settled(v->store->settled_user, v, prepared_seqno, end);
}

/* The block to go on with: the prepare itself out of the order, or a copy where a snapshot shows the prepare. NULL = out of
 * memory, nothing changed. */
static struct item *take_block(struct vbucket *v, struct item *p)
{
    if (!order_shows(v, p)) {
        v->store->mem_bytes -= item_bytes(p);
        order_remove(v, p);
        list_of_prepares_remove(v, p);
        return p;
    }
    struct kv_key key = item_key(p);
    struct item *copy = item_new(&key, p->hash, p->value_len);
    if (!copy) return NULL;
    memcpy(copy, p, sizeof *p + p->key_len + p->value_len);
    copy->order = (struct link){0};
    copy->chain = NULL;
    v->store->mem_bytes -= item_bytes(p);
    list_of_prepares_remove(v, p);
    order_keep_ghost(v, p);
    return copy;
}

static void complete(struct vbucket *v, struct item *i, uint64_t seqno)
{
    uint64_t prepared = i->seqno;
    if (v->high_completed_seqno < prepared) v->high_completed_seqno = prepared;
    i->seqno = v->high_seqno = seqno ? seqno : v->high_seqno + 1;
    i->prepared_ago = seqno_distance(prepared, i->seqno);
    if (i->prepared_ago == UINT32_MAX) i->prepared_ago = 0;
}

bool vbucket_commit(struct vbucket *v, struct item *p, uint64_t seqno, const struct kv_clock *t)
{
    (void)t;
    struct kv_key key = item_key(p);
    struct item *old = vbucket_find(v, &key, p->hash);
    uint64_t prepared = p->seqno, back = vbucket_back(v, old);
    if (!old && !vbucket_make_slot(v)) return false;
    struct item *i = take_block(v, p);
    if (!i) return false;
    i->state &= ITEM_DELETED | ITEM_EXPIRED | ITEM_SHALLOW;
    complete(v, i, seqno);
    i->back_ago = back ? seqno_distance(back, i->seqno) : 0;
    struct collection *c = manifest_find(&v->store->manifest, i->collection);
    if (c && c->high_seqno < i->seqno) c->high_seqno = i->seqno;
    vbucket_place(v, old, i);
    tell(v, prepared, DURABLE_COMMITTED);
    return true;
}

void vbucket_abort(struct vbucket *v, struct item *p, uint64_t seqno, const struct kv_clock *t)
{
    (void)t;
    uint64_t prepared = p->seqno;
    struct item *i = take_block(v, p);
    if (!i) { /* no memory for a copy: better no snapshot than a wrong one */
        order_break(v, false);
        i = take_block(v, p);
    }
    i->state = ITEM_ABORTED;
    i->value_len = 0;
    i->datatype = 0;
    complete(v, i, seqno);
    i->chain = v->marks;
    v->marks = i;
    v->store->mem_bytes += item_bytes(i);
    order_append(v, i);
    tell(v, prepared, DURABLE_GIVEN_UP);
}

void vbucket_drop_prepare(struct vbucket *v, struct item *p)
{
    uint64_t prepared = p->seqno;
    if (v->store->keeper) v->store->keeper->forgot(v->store->keeper_user, v, p);
    v->store->mem_bytes -= item_bytes(p);
    list_of_prepares_remove(v, p);
    leave_order(v, p);
    tell(v, prepared, DURABLE_LOST);
}

/* ---- acknowledgements */

static bool set_acked(struct chain *c, uint16_t node, uint64_t seqno, bool lower)
{
    bool found = false;
    for (unsigned i = 0; i < c->length; i++) {
        if (c->nodes[i] != node) continue;
        found = true;
        if (lower ? c->acked[i] > seqno : c->acked[i] < seqno) c->acked[i] = seqno;
    }
    return found;
}

/* The last few that are in no chain; the oldest is forgotten first. */
static void remember_other(struct chain *others, uint16_t node, uint64_t seqno)
{
    if (set_acked(others, node, seqno, false)) return;
    if (others->length < CHAIN_MAX) others->length++;
    for (unsigned i = others->length - 1u; i > 0; i--) {
        others->nodes[i] = others->nodes[i - 1];
        others->acked[i] = others->acked[i - 1];
    }
    others->nodes[0] = node;
    others->acked[0] = seqno;
}

void vbucket_acknowledge(struct vbucket *v, uint16_t node, uint64_t seqno, const struct kv_clock *t)
{
    if (!v->durability || !node) return;
    bool now = set_acked(&v->durability->now, node, seqno, false);
    bool next = set_acked(&v->durability->next, node, seqno, false);
    if (!now && !next) remember_other(&v->durability->others, node, seqno);
    vbucket_settle(v, t);
}

void vbucket_unacknowledge(struct vbucket *v, uint16_t node, uint64_t seqno)
{
    if (!v->durability || !node) return;
    set_acked(&v->durability->now, node, seqno, true);
    set_acked(&v->durability->next, node, seqno, true);
    set_acked(&v->durability->others, node, seqno, true);
}

void vbucket_settle(struct vbucket *v, const struct kv_clock *t)
{
    while (v->mode == VBUCKET_ACTIVE && v->prepares && self_has(v, v->prepares) &&
           majority_has(v, v->prepares->seqno)) {
        if (!vbucket_commit(v, v->prepares, 0, t)) break;
    }
}

void vbucket_disown(struct vbucket *v)
{
    for (const struct item *p = v->prepares; p; p = p->chain) tell(v, p->seqno, DURABLE_LOST);
}
