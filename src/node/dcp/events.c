#include "node/dcp/events.h"

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

/* The newest event of a scope or collection; NULL = none. Newest are first. */
static const struct item *find_event(const struct vbucket *v, bool of_scope, uint32_t id)
{
    for (const struct item *i = v->marks; i; i = i->chain) {
        struct dcp_event_value value;
        struct dcp_message m = {.event = i->flags, .event_version = i->level, .value = item_value(i)};
        if (!(i->state & ITEM_EVENT) || is_of_scope(i->flags) != of_scope) continue;
        if (!dcp_read_event_value(&m, &value, NULL) && (of_scope ? value.scope_id : value.collection_id) == id)
            return i;
    }
    return NULL;
}

static bool add(struct vbucket *v, enum dcp_event event, const struct dcp_event_value *value, const char *name)
{
    uint8_t space[32];
    struct buf out = {.data = space, .cap = sizeof space, .limit = sizeof space};
    dcp_put_event_value(&out, event, value);
    return vbucket_add_event(v, 0, event, value->has_max_ttl, divan_str(name), buf_view(&out)) == APPLIED;
}

static bool began(const struct vbucket *v, bool of_scope, uint32_t id)
{
    const struct item *i = find_event(v, of_scope, id);
    return i ? !is_drop(i->flags) : id == 0; /* _default is there without a word */
}

static bool add_beginnings(struct vbucket *v, const struct manifest *m)
{
    for (size_t i = 0; i < m->scope_count; i++) {
        struct dcp_event_value value = {.manifest_uid = m->uid, .scope_id = m->scopes[i].id};
        if (began(v, true, value.scope_id)) continue;
        if (!add(v, DCP_EVENT_CREATE_SCOPE, &value, m->scopes[i].name)) return false;
    }
    for (size_t i = 0; i < m->collection_count; i++) {
        const struct collection *c = &m->collections[i];
        struct dcp_event_value value = {.manifest_uid = m->uid, .scope_id = c->scope_id, .collection_id = c->id};
        value.has_max_ttl = c->max_ttl_s > 0;
        value.max_ttl_s = value.has_max_ttl ? (uint32_t)c->max_ttl_s : 0;
        if (began(v, false, c->id)) continue;
        if (!add(v, DCP_EVENT_CREATE_COLLECTION, &value, c->name)) return false;
    }
    return true;
}

static bool scope_lives(const struct manifest *m, uint32_t id)
{
    for (size_t i = 0; i < m->scope_count; i++) {
        if (m->scopes[i].id == id) return true;
    }
    return false;
}

/* Adds one end that is missing. false: there is none (or no memory). */
static bool add_end(struct vbucket *v, const struct manifest *m, bool of_scope)
{
    for (const struct item *i = v->marks; i; i = i->chain) {
        struct dcp_event_value value;
        struct dcp_message message = {.event = i->flags, .event_version = i->level, .value = item_value(i)};
        bool creation = (i->state & ITEM_EVENT) && !is_drop(i->flags) && is_of_scope(i->flags) == of_scope;
        if (!creation || dcp_read_event_value(&message, &value, NULL)) continue;
        uint32_t id = of_scope ? value.scope_id : value.collection_id;
        if (of_scope ? scope_lives(m, id) : manifest_find(m, id) != NULL) continue;
        if (!began(v, of_scope, id)) continue; /* its end is told already */
        value.manifest_uid = m->uid;
        value.has_max_ttl = false;
        return add(v, of_scope ? DCP_EVENT_DROP_SCOPE : DCP_EVENT_DROP_COLLECTION, &value, "");
    }
    return false;
}

bool events_reconcile(struct vbucket *v, const struct manifest *m)
{
    static const struct dcp_event_value of_default = {0};
    if (v->mode != VBUCKET_ACTIVE || v->events_uid == m->uid) return true;
    while (add_end(v, m, false)) {}
    while (add_end(v, m, true)) {}
    if (!manifest_find(m, 0) && began(v, false, 0) && !add(v, DCP_EVENT_DROP_COLLECTION, &of_default, "")) return false;
    if (!add_beginnings(v, m)) return false;
    v->events_uid = m->uid;
    return true;
}

void events_reconcile_all(struct store *s)
{
    for (uint16_t i = 0; i < s->vbucket_count; i++) events_reconcile(&s->vbuckets[i], &s->manifest);
}
