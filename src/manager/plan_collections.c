/* Scopes and collections of a bucket. Every change makes a new manifest; ids are never used twice. */
#include <inttypes.h>
#include <stdio.h>

#include "manager/plan_parts.h"
#include "text/json.h"

enum { NAMES_MAX = 1200, NAME_MAX_BYTES = 251 };
/* What the server keeps for itself: ids of its own collections, and the first for others. */
enum { SYSTEM_SCOPE = 8, MOBILE_COLLECTION = 8, QUERY_COLLECTION = 9, FIRST_SCOPE = 9, FIRST_COLLECTION = 10 };

#define NAME_FORMAT  "%.*s"
#define NAME_ARGS(b) (int)(b).len, (const char *)((b).len ? (b).data : "")

/* ---- building */

static struct doc_scope *scope_add(struct plan *p, struct doc_manifest *m, uint32_t id, const char *name)
{
    struct doc_scope *s = doc_insert(p->doc, &m->scopes, &m->scope_count, m->scope_count, sizeof *s);
    if (s) *s = (struct doc_scope){.id = id, .name = name};
    return s;
}

static void collection_add(struct plan *p, struct doc_scope *s, uint32_t id, const char *name, int64_t max_ttl_s)
{
    if (!s) return;
    struct doc_collection *c = doc_insert(p->doc, &s->collections, &s->collection_count, s->collection_count,
                                          sizeof *c);
    if (c) *c = (struct doc_collection){.id = id, .name = name, .max_ttl_s = max_ttl_s};
}

void plan_manifest_init(struct plan *p, struct doc_manifest *m)
{
    *m = (struct doc_manifest){.uid = 1, .next_scope = FIRST_SCOPE, .next_collection = FIRST_COLLECTION};
    struct doc_scope *system = scope_add(p, m, SYSTEM_SCOPE, "_system");
    collection_add(p, system, MOBILE_COLLECTION, "_mobile", -1);
    collection_add(p, system, QUERY_COLLECTION, "_query", -1);
    struct doc_scope *own = scope_add(p, m, 0, "_default");
    collection_add(p, own, 0, "_default", 0);
}

/* ---- what a request names */

static struct doc_bucket *bucket_of(struct plan *p)
{
    struct doc_bucket *b = doc_find_bucket(p->doc, plan_arg(p, 0));
    if (!b) plan_answer_not_found(p);
    else if (b->type == DOC_MEMCACHED) plan_answer_text(p, 400, "Not allowed on this type of bucket"), b = NULL;
    return b;
}

static struct doc_scope *scope_of(struct plan *p, const struct doc_bucket *b)
{
    struct divan_bytes name = plan_arg(p, 1);
    struct doc_scope *s = doc_find_scope(b, name);
    if (!s) plan_error(p, "_", "Scope with name \"" NAME_FORMAT "\" is not found", NAME_ARGS(name));
    return s;
}

static struct doc_collection *collection_of(struct plan *p, const struct doc_scope *s)
{
    struct divan_bytes name = plan_arg(p, 2);
    struct doc_collection *c = doc_find_collection(s, name);
    if (!c)
        plan_error(p, "_", "Collection with name \"" NAME_FORMAT "\" in scope \"%s\" is not found", NAME_ARGS(name),
                   s->name);
    return c;
}

static bool name_fits(struct plan *p, struct divan_bytes name)
{
    const char *at = name.data;
    bool good = true;
    if (!name.data) {
        plan_error(p, "name", "The value must be supplied");
        return false;
    }
    if (!name.len || name.len > NAME_MAX_BYTES) {
        plan_error(p, "name", "Name length (%zu) must be in the range from 1 to %d, inclusive", name.len,
                   NAME_MAX_BYTES);
        return false;
    }
    for (size_t i = 0; i < name.len; i++)
        good = good && at[i] &&
               ((at[i] >= 'a' && at[i] <= 'z') || (at[i] >= 'A' && at[i] <= 'Z') || (at[i] >= '0' && at[i] <= '9') ||
                strchr("_-%", at[i]));
    if (!good)
        plan_error(p, "name",
                   "Invalid value \"" NAME_FORMAT
                   "\" : \"Can only contain characters A-Z, a-z, 0-9 and the following symbols _ - %%\"",
                   NAME_ARGS(name));
    else if (at[0] == '_' || at[0] == '%') plan_error(p, "name", "First character must not be _ or %%");
    return !plan_failed(p);
}

/* false with an error; *out is left alone when the field is absent. */
static bool ttl_fits(struct plan *p, int64_t *out)
{
    struct divan_bytes v = plan_field(p, "maxTTL");
    int64_t s = 0;
    if (!v.data) return true;
    if (!plan_to_int(v, &s)) plan_error(p, "maxTTL", "The value must be an integer");
    else if (s < -1 || s > INT32_MAX) plan_error(p, "maxTTL", "The value must be in range from -1 to 2147483647");
    else *out = s;
    return !plan_failed(p);
}

/* History is kept by a storage engine that is not here. true: refused. */
static bool history_refused(struct plan *p)
{
    if (!plan_has(p, "history") || plan_bool(p, "history") != 1) return plan_refuse(p, 400);
    plan_answer_text(p, 400, "Not allowed on this type of bucket");
    return true;
}

static size_t count_collections(const struct doc *d)
{
    size_t n = 0;
    for (size_t b = 0; b < d->bucket_count; b++)
        for (size_t s = 0; s < d->buckets[b].manifest.scope_count; s++)
            n += d->buckets[b].manifest.scopes[s].collection_count;
    return n;
}

static size_t count_scopes(const struct doc *d)
{
    size_t n = 0;
    for (size_t b = 0; b < d->bucket_count; b++) n += d->buckets[b].manifest.scope_count;
    return n;
}

static void answer_uid(struct plan *p, const struct doc_bucket *b)
{
    plan_answer_json(p, 200, "{\"uid\":\"%" PRIx64 "\"}", b->manifest.uid);
}

static void publish(struct plan *p, struct doc_bucket *b)
{
    b->manifest.uid++;
    p->changed = true;
    answer_uid(p, b);
}

/* ---- operations */

void plan_scope_create(struct plan *p)
{
    static const char *const known[] = {"name", NULL};
    struct doc_bucket *b = bucket_of(p);
    if (!b) return;
    struct divan_bytes name = plan_field(p, "name");
    plan_only(p, known);
    if (plan_refuse(p, 400)) return;
    if (name_fits(p, name) && doc_find_scope(b, name))
        plan_error(p, "_", "Scope with name \"" NAME_FORMAT "\" already exists", NAME_ARGS(name));
    if (plan_refuse(p, 400)) return;
    if (count_scopes(p->doc) >= NAMES_MAX) {
        plan_error(p, "_", "Maximum number of scopes (%d) for this cluster has been reached", NAMES_MAX);
        plan_refuse(p, 429);
        return;
    }
    scope_add(p, &b->manifest, b->manifest.next_scope++, doc_text_of(p->doc, name));
    publish(p, b);
}

void plan_scope_drop(struct plan *p)
{
    struct doc_bucket *b = bucket_of(p);
    struct doc_scope *s = b ? scope_of(p, b) : NULL;
    if (!b || plan_refuse(p, 404)) return;
    if (s->name[0] == '_') plan_error(p, "_", "Deleting %s scope is not allowed", s->name);
    if (plan_refuse(p, 400)) return;
    doc_remove(b->manifest.scopes, &b->manifest.scope_count, (size_t)(s - b->manifest.scopes), sizeof *s);
    publish(p, b);
}

void plan_collection_create(struct plan *p)
{
    static const char *const known[] = {"name", "maxTTL", "history", NULL};
    struct doc_bucket *b = bucket_of(p);
    struct divan_bytes name = plan_field(p, "name");
    int64_t max_ttl_s = 0;
    if (!b) return;
    plan_only(p, known);
    if (!plan_failed(p)) name_fits(p, name);
    ttl_fits(p, &max_ttl_s);
    if (plan_refuse(p, 400) || history_refused(p)) return;

    struct doc_scope *s = scope_of(p, b);
    if (plan_refuse(p, 404)) return;
    if (strcmp(s->name, "_system") == 0) plan_error(p, "_", "cannot create collection in '_system' scope");
    else if (doc_find_collection(s, name))
        plan_error(p, "_", "Collection with name \"" NAME_FORMAT "\" in scope \"%s\" already exists", NAME_ARGS(name),
                   s->name);
    if (plan_refuse(p, 400)) return;
    if (count_collections(p->doc) >= NAMES_MAX) {
        plan_error(p, "_", "Maximum number of collections (%d) for this cluster has been reached", NAMES_MAX);
        plan_refuse(p, 429);
        return;
    }
    collection_add(p, s, b->manifest.next_collection++, doc_text_of(p->doc, name), max_ttl_s);
    publish(p, b);
}

void plan_collection_edit(struct plan *p)
{
    static const char *const known[] = {"maxTTL", "history", NULL};
    struct doc_bucket *b = bucket_of(p);
    int64_t max_ttl_s = INT64_MIN;
    if (!b) return;
    plan_only(p, known);
    ttl_fits(p, &max_ttl_s);
    if (plan_refuse(p, 400) || history_refused(p)) return;
    struct doc_scope *s = scope_of(p, b);
    struct doc_collection *c = s ? collection_of(p, s) : NULL;
    if (plan_refuse(p, 404)) return;
    if (max_ttl_s == INT64_MIN || max_ttl_s == c->max_ttl_s) {
        answer_uid(p, b);
        return;
    }
    c->max_ttl_s = max_ttl_s;
    publish(p, b);
}

void plan_collection_drop(struct plan *p)
{
    struct doc_bucket *b = bucket_of(p);
    struct doc_scope *s = b ? scope_of(p, b) : NULL;
    struct doc_collection *c = s ? collection_of(p, s) : NULL;
    if (!b || plan_refuse(p, 404)) return;
    if (strcmp(s->name, "_system") == 0)
        plan_error(p, "_", "Cannot drop system collection \"%s\" for scope \"%s\"", c->name, s->name);
    if (plan_refuse(p, 400)) return;
    doc_remove(s->collections, &s->collection_count, (size_t)(c - s->collections), sizeof *c);
    publish(p, b);
}

/* ---- the whole manifest at once */

static struct divan_bytes text_of(struct plan *p, struct json_value v)
{
    struct buf text = {.limit = 4096};
    struct divan_bytes copy = {NULL, 0};
    if (v.type == JSON_STRING && json_unescape(v.text, &text)) copy = divan_str(doc_text_of(p->doc, buf_view(&text)));
    buf_fini(&text);
    return copy;
}

static void put_collection(struct plan *p, struct doc_manifest *m, const struct doc_scope *before, struct doc_scope *s,
                           struct json_value wish)
{
    struct divan_bytes name = text_of(p, json_member(wish, "name"));
    const struct doc_collection *old = before && name.len ? doc_find_collection(before, name) : NULL;
    int64_t max_ttl_s = old ? old->max_ttl_s : 0;
    struct json_value ttl = json_member(wish, "maxTTL");
    if (ttl.type != JSON_NONE && (!json_to_i64(ttl, &max_ttl_s) || max_ttl_s < -1 || max_ttl_s > INT32_MAX))
        plan_error(p, "maxTTL", "The value must be in range from -1 to 2147483647");
    if (!old && bytes_is(name, "_default"))
        plan_error(p, "_",
                   "Cannot create _default collection in scope \"%s\". Creation of _default collection is not allowed.",
                   s->name);
    else if (doc_find_collection(s, name))
        plan_error(p, "_", "Duplicate collection name \"" NAME_FORMAT "\"", NAME_ARGS(name));
    else if (old || name_fits(p, name))
        collection_add(p, s, old ? old->id : m->next_collection++, doc_text_of(p->doc, name), max_ttl_s);
}

static void put_scope(struct plan *p, const struct doc_bucket *b, struct doc_manifest *m, struct json_value wish)
{
    struct divan_bytes name = text_of(p, json_member(wish, "name"));
    const struct doc_scope *old = name.len ? doc_find_scope(b, name) : NULL;
    struct doc_bucket next = {.manifest = *m};
    if (bytes_is(name, "_system")) return; /* stays what it is */
    if (name.len && doc_find_scope(&next, name))
        plan_error(p, "_", "Duplicate scope name \"" NAME_FORMAT "\"", NAME_ARGS(name));
    else if (old || name_fits(p, name)) {
        struct doc_scope *s = scope_add(p, m, old ? old->id : m->next_scope++, doc_text_of(p->doc, name));
        struct json_value list = json_member(wish, "collections"), one;
        struct json_walk w = json_walk_begin(list);
        while (s && list.type == JSON_ARRAY && json_next_element(&w, &one)) put_collection(p, m, old, s, one);
    }
}

void plan_manifest_put(struct plan *p)
{
    struct doc_bucket *b = bucket_of(p);
    if (!b) return;
    struct json_value whole = json_value_of(p->req->body), scopes = json_member(whole, "scopes"), one;
    struct divan_bytes valid_on = plan_field(p, "?validOnUid");
    char uid[20];
    snprintf(uid, sizeof uid, "%" PRIx64, b->manifest.uid);
    if (json_check(p->req->body, JSON_UTF8, 16, NULL) != JSON_VALID) plan_error(p, "_", "Invalid Json");
    else if (scopes.type != JSON_ARRAY) plan_error(p, "scopes", "The value must be supplied");
    else if (valid_on.data && !bytes_is(valid_on, uid))
        plan_error(p, "_", "validOnUid doesn't match the current manifest Uid");
    if (plan_refuse(p, 400)) return;

    struct doc_manifest m = b->manifest;
    m.scopes = NULL, m.scope_count = 0;
    struct doc_scope *system = doc_find_scope(b, divan_str("_system")), *own = doc_find_scope(b, divan_str("_default"));
    if (system) {
        struct doc_scope *s = scope_add(p, &m, system->id, system->name);
        if (s) *s = *system;
    }
    struct json_walk w = json_walk_begin(scopes);
    while (json_next_element(&w, &one)) put_scope(p, b, &m, one);
    struct doc_bucket next = {.manifest = m};
    if (own && !doc_find_scope(&next, divan_str("_default"))) {
        struct doc_scope *s = scope_add(p, &m, own->id, own->name); /* cannot go, but loses what it had */
        if (s && own->collection_count && own->collections[0].id == 0) collection_add(p, s, 0, "_default", 0);
    }
    if (plan_refuse(p, 400)) return;
    b->manifest = m;
    publish(p, b);
}
