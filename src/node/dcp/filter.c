#include "node/dcp/filter.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "wire/dcp.h"

void dcp_filter_fini(struct dcp_filter *f)
{
    mem_free(f->collections);
    f->collections = NULL;
    f->collection_count = 0;
}

/* Hexadecimal digits, all of the text. */
static bool read_hex(const json_t *v, uint32_t *out)
{
    const char *text = json_string_value(v);
    if (!text || !*text || strlen(text) > 8) return false;
    char *end;
    *out = (uint32_t)strtoul(text, &end, 16);
    return !*end;
}

static enum status read_collections(const json_t *list, const struct manifest *m, struct dcp_filter *f)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list)) return ST_EINVAL;
    f->all = !count; /* an empty list is taken for none, as measured */
    if (!count) return ST_SUCCESS;
    f->collections = mem_alloc(count * sizeof *f->collections);
    if (!f->collections) return ST_ENOMEM;
    for (size_t i = 0; i < count; i++) {
        uint32_t id = 0;
        if (!read_hex(json_array_get(list, i), &id)) return ST_EINVAL;
        if (!manifest_find(m, id)) return ST_UNKNOWN_COLLECTION;
        f->collections[f->collection_count++] = id;
    }
    return ST_SUCCESS;
}

static enum status read_scope(const json_t *v, const struct manifest *m, struct dcp_filter *f)
{
    if (!read_hex(v, &f->scope)) return ST_EINVAL;
    f->all = false;
    f->has_scope = true;
    for (size_t i = 0; i < m->scope_count; i++) {
        if (m->scopes[i].id == f->scope) return ST_SUCCESS;
    }
    return ST_UNKNOWN_SCOPE;
}

static enum status read_sid(const json_t *v, struct dcp_filter *f)
{
    json_int_t sid = json_integer_value(v);
    if (!json_is_integer(v)) return ST_EINVAL;
    f->has_sid = true;
    f->sid = sid > 0 && sid <= UINT16_MAX ? (uint16_t)sid : 0; /* 0: refused where stream ids are looked at */
    return ST_SUCCESS;
}

static enum status read_field(const char *key, const json_t *v, const struct manifest *m, struct dcp_filter *f)
{
    if (!strcmp(key, "collections")) return read_collections(v, m, f);
    if (!strcmp(key, "scope")) return read_scope(v, m, f);
    if (!strcmp(key, "sid")) return read_sid(v, f);
    if (!strcmp(key, "uid")) return json_is_string(v) ? ST_SUCCESS : ST_EINVAL; /* any text, as measured */
    if (!strcmp(key, "purge_seqno") && json_is_string(v)) {
        f->has_purge_seqno = true;
        f->purge_seqno = strtoull(json_string_value(v), NULL, 10);
        return ST_SUCCESS;
    }
    return ST_EINVAL;
}

enum status dcp_filter_read(struct divan_bytes text, const struct manifest *m, struct dcp_filter *out)
{
    struct dcp_filter f = {.all = true};
    json_t *doc = text.len ? json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    enum status status = ST_SUCCESS;
    const char *key;
    json_t *v;
    *out = f;
    if (!text.len) return ST_SUCCESS;
    if (!json_is_object(doc) || !json_object_size(doc)) status = ST_EINVAL;
    if (json_object_get(doc, "collections") && json_object_get(doc, "scope")) status = ST_EINVAL;
    if (status == ST_SUCCESS) {
        json_object_foreach(doc, key, v)
        {
            status = read_field(key, v, m, &f);
            if (status != ST_SUCCESS) break;
        }
    }
    json_decref(doc);
    if (status != ST_SUCCESS) dcp_filter_fini(&f);
    else *out = f;
    return status;
}

bool dcp_filter_passes(const struct dcp_filter *f, const struct manifest *m, uint32_t id)
{
    if (f->default_only) return id == 0;
    const struct collection *c = manifest_find(m, id);
    if (!c) return false; /* dropped */
    if (f->all) return true;
    if (f->has_scope) return c->scope_id == f->scope;
    for (size_t i = 0; i < f->collection_count; i++) {
        if (f->collections[i] == id) return true;
    }
    return false;
}

bool dcp_filter_passes_event(const struct dcp_filter *f, const struct item *i)
{
    if (f->default_only) return false;
    if (f->all) return true;
    struct dcp_event_value v;
    struct dcp_message m = {.event = i->flags, .event_version = i->level, .value = item_value(i)};
    if (dcp_read_event_value(&m, &v, NULL)) return false;
    if (f->has_scope) return v.scope_id == f->scope;
    if (i->flags != DCP_EVENT_CREATE_COLLECTION && i->flags != DCP_EVENT_DROP_COLLECTION) return false;
    for (size_t n = 0; n < f->collection_count; n++) {
        if (f->collections[n] == v.collection_id) return true;
    }
    return false;
}
