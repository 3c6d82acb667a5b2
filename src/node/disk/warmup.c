#include "node/disk/warmup.h"

#include "base/alloc.h"
#include "base/error.h"
#include "node/kv/replica.h"
#include "node/kv/store_parts.h"

struct warmup {
    struct store *store;
    bool clean;
};

static struct store *store_of(void *user)
{
    return ((struct warmup *)user)->store;
}

static bool take_manifest(void *user, const struct manifest_spec *m, uint32_t top_collection)
{
    struct store *s = store_of(user);
    s->top_collection = top_collection;
    return manifest_apply(&s->manifest, m, NULL) == DIVAN_OK;
}

static bool take_state(void *user, uint16_t id, const struct disk_state *d)
{
    struct vbucket *v = store_vbucket(store_of(user), id);
    if (!v || d->mode == VBUCKET_ABSENT || d->mode > VBUCKET_DEAD) return true;
    if (!replica_adopt_log(v, d->failover, d->failover_count)) return false;
    bool ended = d->mode == VBUCKET_ACTIVE && !((struct warmup *)user)->clean;
    v->mode = ended ? VBUCKET_DEAD : d->mode;
    v->high_seqno = d->high_seqno;
    v->purge_seqno = d->purge_seqno;
    v->max_cas = d->max_cas;
    v->max_deleted_revision = d->max_deleted_revision;
    v->high_prepared_seqno = d->high_prepared_seqno;
    v->high_completed_seqno = d->high_completed_seqno;
    v->snapshot_start = d->snapshot_start;
    v->snapshot_end = d->snapshot_end;
    v->events_uid = d->events_uid;
    v->anchor = d->anchor;
    v->next_anchor = d->next_anchor;
    if (v->mode == VBUCKET_ACTIVE) v->inherited_seqno = v->high_seqno;
    return true;
}

static struct item *make_item(const struct store *s, const struct record *r, const void *bytes,
                              struct divan_bytes value)
{
    struct kv_key key = kv_key_of(r->collection, bytes, r->key_len);
    struct item *i = item_new(&key, r->state & ITEM_EVENT ? 0 : store_hash(s, &key), value.len);
    if (!i) return NULL;
    i->cas = r->cas;
    i->seqno = r->seqno;
    i->revision = r->revision;
    i->expiry_s = r->expiry_s;
    i->flags = r->flags;
    i->prepared_ago = r->prepared_ago;
    i->back_ago = r->back_ago;
    i->datatype = r->datatype;
    i->state = r->state;
    i->level = r->level;
    i->value_len = (uint32_t)value.len;
    if (value.len) memcpy(i->bytes + i->key_len, value.data, value.len);
    return i;
}

static bool take_item(void *user, const struct record *r, const void *bytes, struct divan_bytes value)
{
    struct store *s = store_of(user);
    struct vbucket *v = store_vbucket(s, r->vbucket);
    if (!v || v->mode == VBUCKET_ABSENT) return true;
    bool document = !(r->state & ITEM_APART);
    if (document && !vbucket_make_slot(v)) return false;
    struct item *i = make_item(s, r, bytes, value);
    if (!i) return false;
    struct collection *c = manifest_find(&s->manifest, i->collection);
    if (c && c->high_seqno < i->seqno) c->high_seqno = i->seqno;
    if (document) {
        vbucket_place(v, NULL, i);
        return true;
    }
    if (i->state & ITEM_PREPARED) {
        *v->prepares_end = i;
        v->prepares_end = &i->chain;
    } else {
        if (i->state & ITEM_EVENT) vbucket_trim_events(v, i);
        i->chain = v->marks;
        v->marks = i;
    }
    if (!(i->state & ITEM_EVENT)) s->mem_bytes += item_bytes(i);
    order_append(v, i);
    return true;
}

enum divan_code warm_up(struct db *db, struct store *s, bool clean, struct divan_error *err)
{
    struct warmup w = {s, clean};
    const struct db_reader reader = {.manifest = take_manifest, .state = take_state, .item = take_item, .user = &w};
    return db_load(db, &reader, err);
}
