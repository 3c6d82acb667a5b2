#include "node/dcp/events.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "node/kv/replica.h"
#include "wire/dcp.h"

static bool is_drop(uint32_t event)
{
    return event == DCP_EVENT_DROP_COLLECTION || event == DCP_EVENT_DROP_SCOPE;
}

static bool is_of_scope(uint32_t event)
{
    return event == DCP_EVENT_CREATE_SCOPE || event == DCP_EVENT_DROP_SCOPE;
}

/* What the history of a vBucket tells of scopes, or of collections. There is one event at most of each: a newer one takes
 * the place of an older. */
struct told {
    struct subject {
        uint32_t id, scope;
    } * begun; /* and not ended, by id */
    size_t count;
    bool default_ended;
};

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const struct subject *)a)->id, y = ((const struct subject *)b)->id;
    return x < y ? -1 : x > y;
}

static bool read_event(const struct item *i, bool of_scopes, struct dcp_event_value *out)
{
    struct dcp_message m = {.event = i->flags, .event_version = i->level, .value = item_value(i)};
    return (i->state & ITEM_EVENT) && is_of_scope(i->flags) == of_scopes && !dcp_read_event_value(&m, out, NULL);
}

static bool told_read(const struct vbucket *v, bool of_scopes, struct told *out)
{
    struct dcp_event_value value;
    size_t events = 0;
    *out = (struct told){0};
    for (const struct item *i = v->marks; i; i = i->chain) events += (i->state & ITEM_EVENT) != 0;
    if (!events) return true;
    out->begun = mem_alloc(events * sizeof *out->begun);
    if (!out->begun) return false;
    for (const struct item *i = v->marks; i; i = i->chain) {
        if (!read_event(i, of_scopes, &value)) continue;
        uint32_t id = of_scopes ? value.scope_id : value.collection_id;
        if (!is_drop(i->flags)) out->begun[out->count++] = (struct subject){id, value.scope_id};
        else if (!id) out->default_ended = true;
    }
    qsort(out->begun, out->count, sizeof *out->begun, by_id);
    return true;
}

static bool told_has(const struct told *t, uint32_t id)
{
    const struct subject key = {.id = id};
    if (!id) return !t->default_ended; /* _default is there without a word */
    return t->count && bsearch(&key, t->begun, t->count, sizeof key, by_id);
}

static bool add(struct vbucket *v, enum dcp_event event, const struct dcp_event_value *value, const char *name)
{
    uint8_t space[32];
    struct buf out = {.data = space, .cap = sizeof space, .limit = sizeof space};
    dcp_put_event_value(&out, event, value);
    return vbucket_add_event(v, 0, event, value->has_max_ttl, divan_str(name), buf_view(&out)) == APPLIED;
}

static bool add_beginnings(struct vbucket *v, const struct manifest *m, const struct told *scopes,
                           const struct told *collections)
{
    for (size_t i = 0; i < m->scope_count; i++) {
        struct dcp_event_value value = {.manifest_uid = m->uid, .scope_id = m->scopes[i].id};
        if (told_has(scopes, value.scope_id)) continue;
        if (!add(v, DCP_EVENT_CREATE_SCOPE, &value, m->scopes[i].name)) return false;
    }
    for (size_t i = 0; i < m->collection_count; i++) {
        const struct collection *c = &m->collections[i];
        struct dcp_event_value value = {.manifest_uid = m->uid, .scope_id = c->scope_id, .collection_id = c->id};
        value.has_max_ttl = c->max_ttl_s > 0;
        value.max_ttl_s = value.has_max_ttl ? (uint32_t)c->max_ttl_s : 0;
        if (told_has(collections, c->id)) continue;
        if (!add(v, DCP_EVENT_CREATE_COLLECTION, &value, c->name)) return false;
    }
    return true;
}

static bool add_end(struct vbucket *v, const struct manifest *m, enum dcp_event event, const struct subject *s)
{
    const struct dcp_event_value value = {.manifest_uid = m->uid, .scope_id = s->scope, .collection_id = s->id};
    return add(v, event, &value, "");
}

static bool scope_lives(const struct manifest *m, uint32_t id)
{
    for (size_t i = 0; i < m->scope_count; i++) {
        if (m->scopes[i].id == id) return true;
    }
    return false;
}

static bool add_ends(struct vbucket *v, const struct manifest *m, const struct told *scopes,
                     const struct told *collections)
{
    static const struct subject of_default = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < collections->count; i++) {
        const struct subject *s = &collections->begun[i];
        if (s->id && !manifest_find(m, s->id)) ok = add_end(v, m, DCP_EVENT_DROP_COLLECTION, s);
    }
    if (ok && !manifest_find(m, 0) && told_has(collections, 0))
        ok = add_end(v, m, DCP_EVENT_DROP_COLLECTION, &of_default);
    for (size_t i = 0; ok && i < scopes->count; i++) {
        const struct subject *s = &scopes->begun[i];
        if (s->id && !scope_lives(m, s->id)) ok = add_end(v, m, DCP_EVENT_DROP_SCOPE, s);
    }
    return ok;
}

bool events_reconcile(struct vbucket *v, const struct manifest *m)
{
    struct told scopes = {0}, collections = {0};
    if (v->mode != VBUCKET_ACTIVE || v->events_uid == m->uid) return true;
    bool ok = told_read(v, true, &scopes) && told_read(v, false, &collections) &&
              add_ends(v, m, &scopes, &collections) && add_beginnings(v, m, &scopes, &collections);
    if (ok) v->events_uid = m->uid;
    mem_free(scopes.begun);
    mem_free(collections.begun);
    return ok;
}

void events_reconcile_all(struct store *s)
{
    for (uint16_t i = 0; i < s->vbucket_count; i++) events_reconcile(&s->vbuckets[i], &s->manifest);
}
