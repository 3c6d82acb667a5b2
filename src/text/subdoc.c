#include "text/subdoc.h"

#include <stdio.h>

#include "text/subdoc_edit.h"
#include "text/subdoc_find.h"

bool subdoc_takes_empty_path(enum subdoc_op op)
{
    return op == SUBDOC_GET_COUNT || op == SUBDOC_ARRAY_PUSH_LAST || op == SUBDOC_ARRAY_PUSH_FIRST ||
           op == SUBDOC_ARRAY_ADD_UNIQUE;
}

bool subdoc_takes_value(enum subdoc_op op)
{
    return !subdoc_is_lookup(op) && op != SUBDOC_DELETE;
}

/* A document has at most 32 levels. Most have few, so the cheap limit of the validator is asked first: with 31 open
 * containers no scalar is deeper than level 32. */
static enum subdoc_status open_document(struct divan_bytes text, bool known, struct json_value *root)
{
    if (known) {
        *root = json_value_known(text);
        return root->type == JSON_STRING || root->type == JSON_NONE ? SUBDOC_DOC_NOTJSON : SUBDOC_OK;
    }
    enum json_verdict verdict = json_check(text, 0, SUBDOC_LEVELS_MAX - 1, NULL);
    bool deep = verdict == JSON_TOO_DEEP;
    if (deep) verdict = json_check(text, 0, 0, NULL);
    if (verdict != JSON_VALID) return deep && verdict == JSON_TOO_DEEP ? SUBDOC_DOC_E2DEEP : SUBDOC_DOC_NOTJSON;
    *root = json_value_of(text);
    if (root->type == JSON_STRING) return SUBDOC_DOC_NOTJSON;
    return deep && subdoc_levels(text) > SUBDOC_LEVELS_MAX ? SUBDOC_DOC_E2DEEP : SUBDOC_OK;
}

/* What is wrong with the path is told before the depth of the document, but after its not being JSON at all. */
static enum subdoc_status prepare(enum subdoc_op op, struct divan_bytes document, bool known, struct divan_bytes text,
                                  struct subdoc_path *path, struct json_value *root)
{
    if (!text.len && !subdoc_takes_empty_path(op)) return SUBDOC_EINVAL;
    enum subdoc_status opened = open_document(document, known, root);
    if (opened == SUBDOC_DOC_NOTJSON) return opened;
    enum subdoc_status parsed = subdoc_path_parse(text, path);
    return parsed ? parsed : opened;
}

static enum subdoc_status status_of(enum subdoc_match match)
{
    static const enum subdoc_status statuses[] = {
        [SUBDOC_FOUND] = SUBDOC_OK,
        [SUBDOC_MISSING] = SUBDOC_PATH_ENOENT,
        [SUBDOC_MISMATCH] = SUBDOC_PATH_MISMATCH,
    };
    return statuses[match];
}

static bool is_container(struct json_value v)
{
    return v.type == JSON_OBJECT || v.type == JSON_ARRAY;
}

static void reply_number(struct subdoc_reply *reply, long long number)
{
    snprintf(reply->number, sizeof reply->number, "%lld", number);
    reply->value = divan_str(reply->number);
}

static enum subdoc_status lookup(enum subdoc_op op, struct divan_bytes document, bool known,
                                 struct divan_bytes path_text, struct subdoc_reply *reply)
{
    struct subdoc_path path;
    struct json_value root = {0};
    enum subdoc_status status = prepare(op, document, known, path_text, &path, &root);
    if (status) return status;
    struct subdoc_place place = subdoc_find(root, &path, path.count);
    status = status_of(place.match);
    if (!status && op == SUBDOC_GET_COUNT && !is_container(place.value)) status = SUBDOC_PATH_MISMATCH;
    if (status) return status;
    reply->value = bytes_of(NULL, 0);
    if (op == SUBDOC_GET) reply->value = place.value.text;
    else if (op == SUBDOC_GET_COUNT) reply_number(reply, (long long)subdoc_count(place.value));
    return SUBDOC_OK;
}

enum subdoc_status subdoc_lookup(enum subdoc_op op, struct divan_bytes document, struct divan_bytes path,
                                 struct subdoc_reply *reply)
{
    return lookup(op, document, false, path, reply);
}

enum subdoc_status subdoc_lookup_known(enum subdoc_op op, struct divan_bytes document, struct divan_bytes path,
                                       struct subdoc_reply *reply)
{
    return lookup(op, document, true, path, reply);
}

/* ---- mutations */

static enum subdoc_status edit_dict(struct subdoc_edit *e)
{
    struct subdoc_place place = subdoc_find(e->root, e->path, e->path->count);
    if (place.match == SUBDOC_MISMATCH) return SUBDOC_PATH_MISMATCH;
    if (e->path->components[e->path->count - 1].is_index) return SUBDOC_PATH_EINVAL;
    if (place.match == SUBDOC_MISSING) return subdoc_create(e, &place, e->value, false);
    return e->op == SUBDOC_DICT_ADD ? SUBDOC_PATH_EEXISTS : subdoc_replace(e, place.value, e->value);
}

static enum subdoc_status edit_replace(struct subdoc_edit *e)
{
    struct subdoc_place place = subdoc_find(e->root, e->path, e->path->count);
    return place.match == SUBDOC_FOUND ? subdoc_replace(e, place.value, e->value) : status_of(place.match);
}

static enum subdoc_status edit_delete(struct subdoc_edit *e)
{
    struct subdoc_place place = subdoc_find(e->root, e->path, e->path->count);
    return place.match == SUBDOC_FOUND ? subdoc_remove(e, &place) : status_of(place.match);
}

/* ARRAY_ADD_UNIQUE compares texts, and the first element that is equal or a container decides (measured). */
static enum subdoc_status check_unique(struct json_value array, struct divan_bytes value)
{
    struct json_walk w = json_walk_begin(array);
    struct json_value element, added = json_value_of(value);
    while (json_next_element(&w, &element)) {
        if (is_container(element)) return SUBDOC_PATH_MISMATCH;
        if (bytes_equal(element.text, added.text)) return SUBDOC_PATH_EEXISTS;
    }
    return SUBDOC_OK;
}

static enum subdoc_status edit_push(struct subdoc_edit *e)
{
    struct subdoc_place place = subdoc_find(e->root, e->path, e->path->count);
    if (place.match == SUBDOC_MISSING) return subdoc_create(e, &place, e->value, true);
    if (place.match == SUBDOC_MISMATCH) return SUBDOC_PATH_MISMATCH;
    bool unique = e->op == SUBDOC_ARRAY_ADD_UNIQUE;
    if (place.value.type != JSON_ARRAY) {
        bool scalar_document = !e->path->count && !is_container(place.value);
        return scalar_document && !unique ? SUBDOC_DOC_NOTJSON : SUBDOC_PATH_MISMATCH;
    }
    enum subdoc_status status = unique ? check_unique(place.value, e->value) : SUBDOC_OK;
    if (status) return status;
    return e->op == SUBDOC_ARRAY_PUSH_FIRST ? subdoc_prepend(e, place.value) : subdoc_append(e, place.value);
}

static enum subdoc_status edit_insert(struct subdoc_edit *e)
{
    const struct subdoc_component *last = &e->path->components[e->path->count - 1];
    if (!last->is_index || last->is_last) return SUBDOC_PATH_EINVAL;
    struct subdoc_place place = subdoc_find(e->root, e->path, e->path->count - 1);
    if (place.match != SUBDOC_FOUND) return status_of(place.match);
    if (place.value.type != JSON_ARRAY) return SUBDOC_PATH_MISMATCH;
    const char *at = subdoc_element_at(place.value, last->index);
    if (at) return subdoc_insert_before(e, at);
    return subdoc_count(place.value) == last->index ? subdoc_append(e, place.value) : SUBDOC_PATH_ENOENT;
}

static enum subdoc_status edit_counter(struct subdoc_edit *e)
{
    struct subdoc_place place = subdoc_find(e->root, e->path, e->path->count);
    int64_t delta, number = 0;
    if (!subdoc_read_delta(e->value, &delta)) return SUBDOC_DELTA_EINVAL;
    if (place.match == SUBDOC_MISMATCH) return SUBDOC_PATH_MISMATCH;
    if (place.match == SUBDOC_FOUND) {
        enum subdoc_status status = subdoc_read_counter(place.value, &number);
        if (status) return status;
    }
    if (__builtin_add_overflow(number, delta, &number)) return SUBDOC_VALUE_CANTINSERT;
    reply_number(e->reply, number);
    struct divan_bytes text = divan_str(e->reply->number);
    return place.match == SUBDOC_FOUND ? subdoc_replace(e, place.value, text) : subdoc_create(e, &place, text, false);
}

static enum subdoc_status edit(struct subdoc_edit *e)
{
    switch (e->op) {
    case SUBDOC_DICT_ADD:
    case SUBDOC_DICT_UPSERT:
        return edit_dict(e);
    case SUBDOC_REPLACE:
        return edit_replace(e);
    case SUBDOC_DELETE:
        return edit_delete(e);
    case SUBDOC_ARRAY_PUSH_LAST:
    case SUBDOC_ARRAY_PUSH_FIRST:
    case SUBDOC_ARRAY_ADD_UNIQUE:
        return edit_push(e);
    case SUBDOC_ARRAY_INSERT:
        return edit_insert(e);
    case SUBDOC_COUNTER:
        return edit_counter(e);
    case SUBDOC_GET:
    case SUBDOC_EXISTS:
    case SUBDOC_GET_COUNT:
        break;
    }
    return SUBDOC_EINVAL;
}

static enum subdoc_status mutate(enum subdoc_op op, struct divan_bytes document, bool known,
                                 struct divan_bytes path_text, struct divan_bytes value, bool mkdir_p, struct buf *out,
                                 struct subdoc_reply *reply)
{
    struct subdoc_path path;
    struct subdoc_reply ignored;
    struct subdoc_edit e = {
        .op = op, .document = document, .path = &path, .value = value, .mkdir_p = mkdir_p, .out = out};
    e.reply = reply ? reply : &ignored;
    e.reply->value = bytes_of(NULL, 0);
    if (subdoc_takes_value(op) != (value.len > 0)) return SUBDOC_EINVAL;
    enum subdoc_status status = prepare(op, document, known, path_text, &path, &e.root);
    if (!status) status = subdoc_check_value(&e);
    return status ? status : edit(&e);
}

enum subdoc_status subdoc_mutate(enum subdoc_op op, struct divan_bytes document, struct divan_bytes path,
                                 struct divan_bytes value, bool mkdir_p, struct buf *out, struct subdoc_reply *reply)
{
    return mutate(op, document, false, path, value, mkdir_p, out, reply);
}

enum subdoc_status subdoc_mutate_known(enum subdoc_op op, struct divan_bytes document, struct divan_bytes path,
                                       struct divan_bytes value, bool mkdir_p, struct buf *out,
                                       struct subdoc_reply *reply)
{
    return mutate(op, document, true, path, value, mkdir_p, out, reply);
}
