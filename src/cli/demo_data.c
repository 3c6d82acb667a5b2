#include "cli/demo_data.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/value.h"
#include "text/json.h"

const struct demo_source demo_sources[] = {
    {"iso_3166-1.json", "3166-1", "countries", "country::", "alpha_2"},
    {"iso_3166-2.json", "3166-2", "subdivisions", "subdivision::", "code"},
    {"iso_3166-3.json", "3166-3", "former_countries", "former::", "alpha_4"},
    {"iso_639-3.json", "639-3", "languages", "language::", "alpha_3"},
    {"iso_639-2.json", "639-2", "library_languages", "library_language::", "alpha_3"},
    {"iso_639-5.json", "639-5", "language_families", "family::", "alpha_3"},
    {"iso_4217.json", "4217", "currencies", "currency::", "alpha_3"},
    {"iso_15924.json", "15924", "scripts", "script::", "alpha_4"},
    {0},
};

static struct demo_document *next_document(struct demo_set *set)
{
    if (set->count == set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 1024;
        struct demo_document *more = mem_realloc(set->documents, cap * sizeof *more);
        if (!more) return NULL;
        set->documents = more;
        set->cap = cap;
    }
    return &set->documents[set->count];
}

static enum divan_code add_entry(struct demo_set *set, uint32_t source, struct json_value entry,
                                 struct divan_error *err)
{
    const struct demo_source *s = &demo_sources[source];
    struct json_value id = json_member(entry, s->field);
    struct demo_document *d = next_document(set);
    if (!d) return err_oom(err);
    *d = (struct demo_document){.source = source, .key = set->texts.len};
    buf_put_str(&set->texts, s->prefix);
    if (id.type != JSON_STRING || !json_unescape(id.text, &set->texts))
        return err_set(err, DIVAN_ERR_JSON_SYNTAX, "entry %zu of %s has no text in \"%s\"", set->per_source[source] + 1,
                       s->file, s->field);
    d->key_len = set->texts.len - d->key;
    d->body = set->texts.len;
    json_put_compact(&set->texts, entry.text);
    d->body_len = set->texts.len - d->body;
    set->count++;
    set->per_source[source]++;
    return set->texts.failed ? err_oom(err) : DIVAN_OK;
}

enum divan_code demo_set_add(struct demo_set *set, uint32_t source, struct divan_bytes json, struct divan_error *err)
{
    const struct demo_source *s = &demo_sources[source];
    size_t at = 0;
    set->texts.limit = (size_t)1 << 30;
    if (json_check(json, JSON_UTF8, 0, &at) != JSON_VALID)
        return err_set(err, DIVAN_ERR_JSON_SYNTAX, "%s is not JSON: byte %zu", s->file, at);
    struct json_value entry, list = json_member(json_value_of(json), s->list);
    if (list.type != JSON_ARRAY) return err_set(err, DIVAN_ERR_JSON_SYNTAX, "%s has no list \"%s\"", s->file, s->list);
    struct json_walk walk = json_walk_begin(list);
    enum divan_code rc = DIVAN_OK;
    while (!rc && json_next_element(&walk, &entry)) rc = add_entry(set, source, entry, err);
    return rc;
}

static enum divan_code add_file(struct demo_set *set, uint32_t source, const char *folder, struct divan_error *err)
{
    struct buf path = {.limit = 1 << 16}, json = {0};
    struct divan_error why;
    buf_printf(&path, "%s/%s", folder, demo_sources[source].file);
    const char *name = buf_text(&path);
    enum divan_code rc = name ? value_load_file(name, &json, &why) : err_oom(&why);
    if (rc) err_set(err, rc, "%s (it belongs to the Debian package iso-codes: apt install iso-codes)", why.message);
    else rc = demo_set_add(set, source, buf_view(&json), err);
    buf_fini(&path);
    buf_fini(&json);
    return rc;
}

enum divan_code demo_set_load(struct demo_set *set, const char *folder, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    for (uint32_t i = 0; !rc && demo_sources[i].collection; i++) rc = add_file(set, i, folder, err);
    return rc;
}

void demo_set_fini(struct demo_set *set)
{
    buf_fini(&set->texts);
    mem_free(set->documents);
    *set = (struct demo_set){0};
}
