#include "node/kv/collections.h"

#include "base/alloc.h"
#include "base/error.h"
#include "text/json.h"

#include <stdlib.h>

static int by_id(const void *a, const void *b)
{
    const struct collection *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

struct collection *manifest_find_slow(const struct manifest *m, uint32_t id)
{
    size_t low = 0, high = m->collection_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->collections[middle].id == id) return &m->collections[middle];
        if (m->collections[middle].id < id) low = middle + 1;
        else high = middle;
    }
    return NULL;
}

const struct scope *manifest_find_scope(const struct manifest *m, struct divan_bytes name)
{
    for (size_t i = 0; i < m->scope_count; i++) {
        if (bytes_is(name, m->scopes[i].name)) return &m->scopes[i];
    }
    return NULL;
}

const struct collection *manifest_find_collection(const struct manifest *m, const struct scope *scope,
                                                  struct divan_bytes name)
{
    for (size_t i = 0; i < m->collection_count; i++) {
        const struct collection *c = &m->collections[i];
        if (c->scope_id == scope->id && bytes_is(name, c->name)) return c;
    }
    return NULL;
}

/* Clients are told what is set and nothing else: an inherited TTL and an absent history are left out. */
static void put_collection(struct buf *out, const struct collection *c, bool first)
{
    buf_put_str(out, first ? "" : ",");
    buf_put_str(out, "{\"name\":");
    json_put_str(out, c->name);
    buf_printf(out, ",\"uid\":\"%x\"", c->id);
    if (c->max_ttl_s != MAX_TTL_INHERIT) buf_printf(out, ",\"maxTTL\":%lld", (long long)c->max_ttl_s);
    if (c->history) buf_put_str(out, ",\"history\":true");
    buf_put_str(out, "}");
}

static void write_json(struct manifest *m)
{
    buf_printf(&m->json, "{\"uid\":\"%llx\",\"scopes\":[", (unsigned long long)m->uid);
    for (size_t s = 0; s < m->scope_count; s++) {
        buf_put_str(&m->json, s ? "," : "");
        buf_put_str(&m->json, "{\"name\":");
        json_put_str(&m->json, m->scopes[s].name);
        buf_printf(&m->json, ",\"uid\":\"%x\",\"collections\":[", m->scopes[s].id);
        bool first = true;
        for (size_t c = 0; c < m->collection_count; c++) {
            if (m->collections[c].scope_id != m->scopes[s].id) continue;
            put_collection(&m->json, &m->collections[c], first);
            first = false;
        }
        buf_put_str(&m->json, "]}");
    }
    buf_put_str(&m->json, "]}");
}

void manifest_fini(struct manifest *m)
{
    mem_free(m->scopes);
    mem_free(m->collections);
    buf_fini(&m->json);
    *m = (struct manifest){0};
}

static size_t count_collections(const struct manifest_spec *spec)
{
    size_t n = 0;
    for (size_t i = 0; i < spec->scope_count; i++) n += spec->scopes[i].collection_count;
    return n;
}

static bool name_fits(const char *name)
{
    return name && *name && strlen(name) < sizeof((struct scope *)0)->name;
}

static enum divan_code fill(struct manifest *m, const struct manifest_spec *spec, struct divan_error *err)
{
    for (size_t s = 0; s < spec->scope_count; s++) {
        const struct scope_spec *from = &spec->scopes[s];
        struct scope *scope = &m->scopes[m->scope_count++];
        if (!name_fits(from->name))
            return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the name of scope %x has no or more than 251 bytes",
                           from->id);
        scope->id = from->id;
        text_copy(scope->name, sizeof scope->name, from->name);
        for (size_t c = 0; c < from->collection_count; c++) {
            const struct collection_spec *spec_c = &from->collections[c];
            struct collection *to = &m->collections[m->collection_count++];
            if (!name_fits(spec_c->name))
                return err_set(err, DIVAN_ERR_INVALID_ARGUMENT,
                               "the name of collection %x has no or more than 251 bytes", spec_c->id);
            to->id = spec_c->id;
            to->scope_id = from->id;
            to->max_ttl_s = spec_c->max_ttl_s;
            to->history = spec_c->history;
            text_copy(to->name, sizeof to->name, spec_c->name);
            text_copy(to->scope_name, sizeof to->scope_name, from->name);
        }
    }
    qsort(m->collections, m->collection_count, sizeof *m->collections, by_id);
    for (size_t i = 1; i < m->collection_count; i++) {
        if (m->collections[i].id == m->collections[i - 1].id)
            return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the manifest has collection id %x twice",
                           m->collections[i].id);
    }
    return DIVAN_OK;
}

static void keep_counters(struct manifest *next, const struct manifest *old)
{
    for (size_t i = 0; i < next->collection_count; i++) {
        struct collection *to = &next->collections[i];
        const struct collection *from = manifest_find(old, to->id);
        if (!from) continue;
        to->items = from->items;
        to->mem_bytes = from->mem_bytes;
        to->gets = from->gets;
        to->stores = from->stores;
        to->deletes = from->deletes;
        to->high_seqno = from->high_seqno;
    }
}

enum divan_code manifest_apply(struct manifest *m, const struct manifest_spec *spec, struct divan_error *err)
{
    struct manifest next = {.uid = spec->uid, .json = {.limit = 16 * 1024 * 1024}};
    size_t collections = count_collections(spec);
    next.scopes = mem_zalloc(spec->scope_count * sizeof *next.scopes);
    next.collections = mem_zalloc(collections * sizeof *next.collections);
    enum divan_code rc = next.scopes && next.collections ? fill(&next, spec, err) : err_oom(err);
    if (!rc) {
        write_json(&next);
        if (next.json.failed) rc = err_oom(err);
    }
    if (!rc) {
        keep_counters(&next, m);
        struct manifest old = *m;
        *m = next;
        next = old;
    }
    manifest_fini(&next);
    return rc;
}

bool manifest_init(struct manifest *m)
{
    *m = (struct manifest){0};
    const struct collection_spec collection = {.name = "_default"};
    const struct scope_spec scope = {.name = "_default", .collections = &collection, .collection_count = 1};
    return manifest_apply(m, &(struct manifest_spec){.scopes = &scope, .scope_count = 1}, NULL) == DIVAN_OK;
}
