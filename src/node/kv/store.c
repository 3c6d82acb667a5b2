#include "node/kv/store_parts.h"

#include "base/alloc.h"
#include "base/error.h"
#include "wire/frame.h"

enum { ITEM_OVERHEAD = 24 /* the allocator's head and the slot of the table */, FIRST_SLOTS = 8, ANCHOR_S = 10 };

/* ---- hashing: two rounds of multiply and fold per 16 bytes; seeded, so that a client cannot aim at one chain */

static uint64_t fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const uint8_t *at, size_t n)
{
    uint64_t v = 0;
    memcpy(&v, at, n < 8 ? n : 8);
    return v;
}

uint32_t store_hash(const struct store *s, const struct kv_key *key)
{
    uint64_t h = s->seed ^ ((uint64_t)key->collection << 8 | key->len);
    const uint8_t *at = key->data;
    size_t left = key->len;
    for (; left > 8; at += 8, left -= 8) h = fold(h ^ load(at, 8), UINT64_C(0x9e3779b97f4a7c15));
    h = fold(h ^ load(at, left), UINT64_C(0xd6e8feb86659fd93));
    return (uint32_t)(h ^ h >> 32);
}

/* ---- life of a store */

static uint64_t new_uuid(struct rng *r)
{
    uint64_t uuid; /* 48 bits, as JSON numbers carry it */
    do uuid = rng_u64(r) & UINT64_C(0xffffffffffff);
    while (!uuid);
    return uuid;
}

enum divan_code store_init(struct store *s, uint16_t vbuckets, struct rng *r, struct divan_error *err)
{
    *s = (struct store){.vbucket_count = vbuckets, .seed = rng_u64(r)};
    for (size_t i = 0; i < 2; i++) s->scratch[i].limit = 64 * 1024 * 1024;
    s->vbuckets = mem_zalloc(vbuckets * sizeof *s->vbuckets);
    if (!s->vbuckets || !manifest_init(&s->manifest)) {
        store_fini(s);
        return err_oom(err);
    }
    for (uint16_t i = 0; i < vbuckets; i++) {
        s->vbuckets[i].store = s;
        s->vbuckets[i].id = i;
        list_init(&s->vbuckets[i].order);
        list_init(&s->vbuckets[i].cursors);
        list_init(&s->vbuckets[i].held);
        s->vbuckets[i].prepares_end = &s->vbuckets[i].prepares;
    }
    return DIVAN_OK;
}

static void drop_locks(struct vbucket *v)
{
    while (v->locks) {
        struct item_lock *next = v->locks->next;
        mem_free(v->locks);
        v->locks = next;
    }
}

static void drop_items(struct vbucket *v)
{
    order_break(v, true);
    vbucket_disown(v);
    list_each(&v->order, link)
    {
        struct item *i = container_of(link, struct item, order);
        if (item_in_table(i)) vbucket_forget(v, i);
    }
    while (!list_empty(&v->order)) vbucket_forget_apart(v, container_of(list_first(&v->order), struct item, order));
    v->prepares = v->marks = NULL;
    v->prepares_end = &v->prepares;
    drop_locks(v);
    mem_free(v->table);
    v->table = NULL;
    v->slots = 0;
}

/* As never used: what comes next begins a new history. */
static void reset(struct vbucket *v)
{
    drop_items(v);
    mem_free(v->failover);
    v->failover = NULL;
    v->failover_count = 0;
    v->high_seqno = v->purge_seqno = v->max_cas = v->max_deleted_revision = 0;
    v->high_prepared_seqno = v->high_completed_seqno = v->snapshot_start = v->snapshot_end = 0;
    v->anchor = v->next_anchor = v->events_uid = 0;
    v->handing_over = false;
}

void store_fini(struct store *s)
{
    for (uint16_t i = 0; s->vbuckets && i < s->vbucket_count; i++) {
        if (!s->vbuckets[i].store) continue;
        reset(&s->vbuckets[i]);
        mem_free(s->vbuckets[i].durability);
    }
    mem_free(s->vbuckets);
    manifest_fini(&s->manifest);
    for (size_t i = 0; i < 2; i++) buf_fini(&s->scratch[i]);
    *s = (struct store){0};
}

/* A snapshot of which only a part came does not count: what it shows is a mixture of two moments. */
static uint64_t consistent_seqno(const struct vbucket *v)
{
    bool cut = v->snapshot_start < v->high_seqno && v->high_seqno < v->snapshot_end;
    return cut ? v->snapshot_start : v->high_seqno;
}

bool vbucket_new_branch(struct vbucket *v, struct rng *r)
{
    uint64_t from = consistent_seqno(v);
    struct failover_entry *log = mem_alloc(FAILOVER_MAX * sizeof *log);
    if (!log) return false;
    uint8_t count = 0;
    log[count++] = (struct failover_entry){new_uuid(r), from};
    for (uint8_t i = 0; i < v->failover_count && count < FAILOVER_MAX; i++) {
        if (v->failover[i].seqno <= from) log[count++] = v->failover[i];
    }
    mem_free(v->failover);
    v->failover = log;
    v->failover_count = count;
    return true;
}

void store_flush(struct store *s, struct rng *r)
{
    for (uint16_t i = 0; i < s->vbucket_count; i++) {
        struct vbucket *v = &s->vbuckets[i];
        if (v->mode == VBUCKET_ABSENT) continue;
        drop_items(v);
        v->high_seqno = v->purge_seqno = v->max_deleted_revision = v->high_prepared_seqno = v->high_completed_seqno = 0;
        v->snapshot_start = v->snapshot_end = v->anchor = v->next_anchor = v->events_uid = 0;
        /* The log keeps its memory: a flush must not fail halfway. */
        if (v->failover_count) v->failover[0] = (struct failover_entry){new_uuid(r), 0}, v->failover_count = 1;
    }
}

static void count_items_of_mode(struct vbucket *v, int sign)
{
    uint64_t *total = v->mode == VBUCKET_ACTIVE ? &v->store->items : &v->store->replica_items;
    *total += (uint64_t)((int64_t)v->items * sign);
    if (v->mode != VBUCKET_ACTIVE || !v->items) return;
    list_each(&v->order, link)
    {
        const struct item *i = container_of(link, struct item, order);
        struct collection *c = item_in_table(i) && item_is_live(i) ? manifest_find(&v->store->manifest, i->collection)
                                                                   : NULL;
        if (c) c->items += (uint64_t)(int64_t)sign;
    }
}

static void tell_changed(struct vbucket *v)
{
    if (v->store->keeper) v->store->keeper->changed(v->store->keeper_user, v);
}

bool vbucket_set_mode(struct vbucket *v, enum vbucket_mode mode, struct rng *r)
{
    if (v->mode == mode) return true;
    bool branch = mode == VBUCKET_ACTIVE && v->mode != VBUCKET_PENDING;
    if (mode != VBUCKET_ABSENT && (branch || !v->failover_count) && !vbucket_new_branch(v, r)) return false;
    count_items_of_mode(v, -1);
    bool leaves = v->mode == VBUCKET_ACTIVE;
    v->mode = (uint8_t)mode;
    count_items_of_mode(v, +1);
    v->handing_over = false;
    order_break(v, false);
    if (leaves) vbucket_disown(v);
    if (mode == VBUCKET_ACTIVE) v->snapshot_start = v->snapshot_end = 0, v->inherited_seqno = v->high_seqno;
    if (mode == VBUCKET_ABSENT) reset(v);
    tell_changed(v);
    if (mode != VBUCKET_ACTIVE) {
        list_each(&v->order, link) container_of(link, struct item, order)->state &= (uint8_t)~ITEM_LOCKED;
        drop_locks(v);
    }
    return true;
}

/* ---- table */

struct item *vbucket_find(const struct vbucket *v, const struct kv_key *key, uint32_t hash)
{
    if (!v->slots) return NULL;
    for (struct item *i = v->table[hash & (v->slots - 1)]; i; i = i->chain) {
        if (i->hash == hash && i->key_len == key->len && i->collection == key->collection &&
            memcmp(i->bytes, key->data, key->len) == 0)
            return i;
    }
    return NULL;
}

static struct item **slot_of(struct vbucket *v, const struct item *item)
{
    struct item **at = &v->table[item->hash & (v->slots - 1)];
    while (*at && *at != item) at = &(*at)->chain;
    return at;
}

/* Makes the table fit one more item. A table that cannot grow serves on with longer chains. */
bool vbucket_make_slot(struct vbucket *v)
{
    uint32_t used = v->items + v->tombstones;
    if (v->slots && (used < v->slots || v->slots >= 1u << 30)) return true;
    uint32_t slots = v->slots ? v->slots * 2 : FIRST_SLOTS;
    struct item **table = mem_zalloc(slots * sizeof *table);
    if (!table) return v->slots != 0;
    for (uint32_t s = 0; s < v->slots; s++) {
        for (struct item *i = v->table[s], *next; i; i = next) {
            next = i->chain;
            i->chain = table[i->hash & (slots - 1)];
            table[i->hash & (slots - 1)] = i;
        }
    }
    mem_free(v->table);
    v->table = table;
    v->slots = slots;
    return true;
}

/* ---- accounts */

size_t item_bytes(const struct item *i)
{
    return sizeof *i + i->key_len + i->value_len + ITEM_OVERHEAD;
}

static void count(struct vbucket *v, const struct item *i, int sign)
{
    struct store *s = v->store;
    struct collection *c = manifest_find(&s->manifest, i->collection);
    uint64_t one = (uint64_t)(int64_t)sign, bytes = (uint64_t)((int64_t)item_bytes(i) * sign);
    s->mem_bytes += bytes;
    s->value_bytes += (uint64_t)((int64_t)i->value_len * sign);
    if (c) c->mem_bytes += bytes;
    if (item_is_live(i)) {
        v->items += (uint32_t)sign;
        if (v->mode == VBUCKET_ACTIVE) s->items += one;
        else s->replica_items += one;
        if (c && v->mode == VBUCKET_ACTIVE) c->items += one;
    } else {
        v->tombstones += (uint32_t)sign;
        s->tombstones += one;
    }
}

static struct item *oldest_live(struct vbucket *v)
{
    list_each(&v->order, link)
    {
        struct item *i = container_of(link, struct item, order);
        if (item_in_table(i) && item_is_live(i) && !(i->state & ITEM_LOCKED)) return i;
    }
    return NULL;
}

/* Takes the longest unchanged document of the next vBuckets until `more` bytes fit. */
static void evict(struct store *s, size_t more, const struct kv_clock *t)
{
    for (uint32_t idle = 0; s->mem_bytes + more > s->quota_bytes && idle < s->vbucket_count;) {
        struct vbucket *v = &s->vbuckets[s->evict_vbucket++ % s->vbucket_count];
        struct item *i = v->mode == VBUCKET_ACTIVE ? oldest_live(v) : NULL;
        if (!i || !vbucket_bury(v, i, (struct divan_bytes){0}, false, DURABLE_NONE, t)) {
            idle++;
            continue;
        }
        s->counters.evicted++;
        idle = 0;
    }
}

bool store_has_room(struct store *s, size_t more, const struct kv_clock *t)
{
    more += sizeof(struct item) + ITEM_OVERHEAD;
    if (!s->quota_bytes || s->mem_bytes + more <= s->quota_bytes) return true;
    if (s->evict_when_full) evict(s, more, t);
    if (s->mem_bytes + more <= s->quota_bytes) return true;
    if (s->refuse_when_full) s->counters.oom_errors++;
    else s->counters.tmp_oom_errors++;
    return false;
}

/* ---- locks */

static void lock_remove(struct vbucket *v, struct item *item)
{
    for (struct item_lock **at = &v->locks; *at; at = &(*at)->next) {
        if ((*at)->item != item) continue;
        struct item_lock *gone = *at;
        *at = gone->next;
        mem_free(gone);
        break;
    }
    item->state &= (uint8_t)~ITEM_LOCKED;
}

struct item_lock *vbucket_lock_of(struct vbucket *v, struct item *item, const struct kv_clock *t)
{
    if (!(item->state & ITEM_LOCKED)) return NULL;
    struct item_lock *lock = v->locks;
    while (lock && lock->item != item) lock = lock->next;
    if (lock && lock->until_ns > t->now_ns) return lock;
    lock_remove(v, item);
    return NULL;
}

bool vbucket_lock(struct vbucket *v, struct item *item, uint64_t cas, uint64_t until_ns)
{
    struct item_lock *lock = mem_alloc(sizeof *lock);
    if (!lock) return false;
    if (item->state & ITEM_LOCKED) lock_remove(v, item);
    *lock = (struct item_lock){v->locks, item, cas, until_ns};
    v->locks = lock;
    item->state |= ITEM_LOCKED;
    return true;
}

void vbucket_unlock(struct vbucket *v, struct item *item)
{
    if (item->state & ITEM_LOCKED) lock_remove(v, item);
}

/* ---- writing */

uint64_t vbucket_next_cas(struct vbucket *v, const struct kv_clock *t)
{
    uint64_t wall = t->wall_ns & ~UINT64_C(0xffff);
    v->max_cas = wall > v->max_cas ? wall : v->max_cas + 1;
    return v->max_cas;
}

uint32_t seqno_distance(uint64_t from, uint64_t to)
{
    return to - from < UINT32_MAX ? (uint32_t)(to - from) : UINT32_MAX;
}

uint64_t vbucket_back(const struct vbucket *v, const struct item *old)
{
    if (!old) return 0;
    if (old->seqno <= v->anchor || !old->back_ago) return old->seqno;
    return old->back_ago == UINT32_MAX ? 1 : old->seqno - old->back_ago;
}

static void move_anchor(struct vbucket *v, const struct kv_clock *t)
{
    if (t->wall_s - v->anchored_s < ANCHOR_S) return;
    v->anchor = v->next_anchor;
    v->next_anchor = v->high_seqno;
    v->anchored_s = t->wall_s;
}

void vbucket_stamp(struct vbucket *v, struct item *i, const struct item_change *change, const struct kv_clock *t)
{
    move_anchor(v, t);
    bool at_once = change->prepared && !change->seqno && !(i->state & ITEM_PREPARED);
    if (at_once) v->high_prepared_seqno = v->high_completed_seqno = ++v->high_seqno;
    i->prepared_ago = at_once;
    i->level = change->prepared;
    i->cas = change->cas ? change->cas : vbucket_next_cas(v, t);
    if (change->cas > v->max_cas && change->cas != UINT64_MAX) v->max_cas = change->cas;
    i->seqno = v->high_seqno = change->seqno ? change->seqno : v->high_seqno + 1;
    struct collection *c = manifest_find(&v->store->manifest, i->collection);
    if (c && c->high_seqno < i->seqno) c->high_seqno = i->seqno;
    if (!item_is_live(i) && i->revision > v->max_deleted_revision) v->max_deleted_revision = i->revision;
}

static void discount(struct vbucket *v, struct item *i)
{
    if (i->state & ITEM_LOCKED) lock_remove(v, i);
    count(v, i, -1);
}

/* Out of the accounts and the order; the table has forgotten it already. */
static void retire(struct vbucket *v, struct item *i)
{
    discount(v, i);
    if (order_shows(v, i)) {
        order_keep_ghost(v, i);
        return;
    }
    order_remove(v, i);
    mem_free(i);
}

void item_set_content(struct item *i, const struct item_change *change)
{
    i->flags = change->flags;
    i->expiry_s = change->expiry_s;
    i->datatype = change->datatype;
    i->state = change->state & (ITEM_DELETED | ITEM_EXPIRED | ITEM_SHALLOW);
    i->value_len = (uint32_t)change->value.len;
    if (change->value.len) memmove(i->bytes + i->key_len, change->value.data, change->value.len);
}

struct item *item_new(const struct kv_key *key, uint32_t hash, size_t value_len)
{
    struct item *i = mem_alloc(sizeof *i + key->len + value_len);
    if (!i) return NULL;
    *i = (struct item){.collection = key->collection, .hash = hash, .key_len = key->len};
    if (key->len) memcpy(i->bytes, key->data, key->len);
    return i;
}

void vbucket_place(struct vbucket *v, struct item *old, struct item *i)
{
    struct item **at = old ? slot_of(v, old) : &v->table[i->hash & (v->slots - 1)];
    i->chain = old ? old->chain : *at;
    *at = i;
    if (old) retire(v, old);
    count(v, i, +1);
    order_append(v, i);
}

static void rewrite(struct vbucket *v, struct item *i, const struct item_change *change, const struct kv_clock *t)
{
    discount(v, i);
    order_remove(v, i);
    item_set_content(i, change);
    vbucket_stamp(v, i, change, t);
    count(v, i, +1);
}

struct item *vbucket_write(struct vbucket *v, struct item *old, const struct kv_key *key, uint32_t hash,
                           const struct item_change *change, const struct kv_clock *t)
{
    v->store->pending = NULL;
    if (change->prepared && !change->seqno && vbucket_must_wait(v, change->prepared)) {
        if (old && (old->state & ITEM_LOCKED)) lock_remove(v, old);
        return v->store->pending = vbucket_prepare(v, old, key, hash, change, t);
    }
    if (!old && !vbucket_make_slot(v)) return NULL;
    bool in_place = old && old->value_len == change->value.len && !order_shows(v, old);
    struct item *i = in_place ? old : item_new(key, hash, change->value.len);
    if (!i) return NULL;
    uint64_t back = vbucket_back(v, old);
    i->revision = change->revision ? change->revision : (old ? old->revision : v->max_deleted_revision) + 1;
    if (in_place) {
        rewrite(v, i, change, t);
    } else {
        item_set_content(i, change);
        vbucket_stamp(v, i, change, t);
    }
    i->back_ago = back ? seqno_distance(back, i->seqno) : 0;
    if (in_place) order_append(v, i);
    else vbucket_place(v, old, i);
    return i;
}

/* Moves an item to the end of the order; where a snapshot shows it, a copy stays. */
static void move_to_end(struct vbucket *v, struct item *i)
{
    struct kv_key key = item_key(i);
    struct item *copy = order_shows(v, i) ? item_new(&key, i->hash, i->value_len) : NULL;
    if (copy) {
        memcpy(copy, i, sizeof *i + i->key_len + i->value_len);
        copy->order = (struct link){0};
        order_replace_by_ghost(v, i, copy);
        return;
    }
    if (order_shows(v, i)) order_break(v, false); /* no memory for it: better no snapshot than a wrong one */
    order_remove(v, i);
}

void vbucket_restamp(struct vbucket *v, struct item *i, const struct kv_clock *t)
{
    static const struct item_change nothing = {0};
    uint64_t back = vbucket_back(v, i);
    move_to_end(v, i);
    i->revision++;
    vbucket_stamp(v, i, &nothing, t);
    i->back_ago = seqno_distance(back, i->seqno);
    order_append(v, i);
}

struct item *vbucket_bury(struct vbucket *v, struct item *i, struct divan_bytes value, bool expired, uint8_t prepared,
                          const struct kv_clock *t)
{
    struct item_change change = {
        .value = value,
        .flags = i->flags,
        .expiry_s = t->wall_s,
        .datatype = value.len ? DATATYPE_XATTR : 0,
        .state = expired ? ITEM_DELETED | ITEM_EXPIRED : ITEM_DELETED,
        .prepared = prepared,
    };
    struct kv_key key = item_key(i);
    struct item *tombstone = vbucket_write(v, i, &key, i->hash, &change, t);
    if (tombstone && expired) v->store->counters.expired++;
    return tombstone;
}

void vbucket_forget(struct vbucket *v, struct item *i)
{
    if (i->seqno > v->purge_seqno && !item_is_live(i)) v->purge_seqno = i->seqno;
    if (v->store->keeper) v->store->keeper->forgot(v->store->keeper_user, v, i);
    *slot_of(v, i) = i->chain;
    retire(v, i);
}
