#include "text/subdoc_find.h"

static const char *end_of(struct json_value v)
{
    return (const char *)v.text.data + v.text.len;
}

static bool find_member(struct json_value object, struct divan_bytes name, struct subdoc_place *out)
{
    struct json_walk w = json_walk_begin(object);
    struct divan_bytes key;
    struct json_value value;
    while (json_next_member(&w, &key, &value)) {
        if (!json_string_is(key, name)) continue;
        out->value = value;
        out->entry = key.data;
        return true;
    }
    return false;
}

static bool find_element(struct json_value array, const struct subdoc_component *c, struct subdoc_place *out)
{
    struct json_walk w = json_walk_begin(array);
    struct json_value value, found = {0};
    for (uint64_t i = 0; json_next_element(&w, &value); i++) {
        if (!c->is_last && i != c->index) continue;
        found = value;
        if (!c->is_last) break;
    }
    if (!found.type) return false;
    out->value = found;
    out->entry = found.text.data;
    return true;
}

struct subdoc_place subdoc_find(struct json_value root, const struct subdoc_path *path, size_t count)
{
    struct subdoc_place place = {.match = SUBDOC_FOUND, .value = root};
    for (size_t i = 0; i < count && place.match == SUBDOC_FOUND; i++) {
        const struct subdoc_component *c = &path->components[i];
        bool found = false;
        if (place.value.type != (c->is_index ? JSON_ARRAY : JSON_OBJECT)) place.match = SUBDOC_MISMATCH;
        else if (c->is_index) found = find_element(place.value, c, &place);
        else found = find_member(place.value, c->name, &place);
        if (place.match == SUBDOC_FOUND && !found) {
            place.match = SUBDOC_MISSING;
            place.missing = i;
        }
    }
    return place;
}

static bool next_entry(struct json_walk *w, struct json_value *value)
{
    struct divan_bytes key;
    return w->is_object ? json_next_member(w, &key, value) : json_next_element(w, value);
}

size_t subdoc_count(struct json_value container)
{
    struct json_walk w = json_walk_begin(container);
    struct json_value value;
    size_t n = 0;
    while (next_entry(&w, &value)) n++;
    return n;
}

const char *subdoc_append_at(struct json_value container, bool *empty)
{
    struct json_walk w = json_walk_begin(container);
    struct json_value value;
    const char *at = (const char *)container.text.data + 1;
    *empty = true;
    while (next_entry(&w, &value)) {
        *empty = false;
        at = end_of(value);
    }
    return at;
}

const char *subdoc_element_at(struct json_value array, uint64_t index)
{
    struct json_walk w = json_walk_begin(array);
    struct json_value value;
    for (uint64_t i = 0; json_next_element(&w, &value); i++)
        if (i == index) return value.text.data;
    return NULL;
}

/* A string counts like any scalar, a key like the value it names. */
unsigned subdoc_levels(struct divan_bytes text)
{
    unsigned open = 0, most = 1;
    const char *p = text.data;
    for (size_t i = 0; i < text.len;) {
        char c = p[i];
        bool closes = c == '}' || c == ']', opens = c == '{' || c == '[';
        if (closes) open--;
        else if (!strchr(" \t\r\n,:", c) && open + 1 > most) most = open + 1;
        if (opens) open++;
        size_t after = c == '"' ? json_skip(text, i) : i + 1;
        if (!after) break;
        i = after;
    }
    return most;
}
