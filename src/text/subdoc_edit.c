#include "text/subdoc_edit.h"

/* ---- splicing */

static const char *start_of(const struct subdoc_edit *e)
{
    return e->document.data;
}
static const char *end_of(const struct subdoc_edit *e)
{
    return start_of(e) + e->document.len;
}

static void put_range(struct subdoc_edit *e, const char *from, const char *to)
{
    buf_put(e->out, from, (size_t)(to - from));
}

/* The document with before, text and after in the place of [from, to). */
static enum subdoc_status splice(struct subdoc_edit *e, const char *from, const char *to, const char *before,
                                 struct divan_bytes text, const char *after)
{
    size_t kept = e->document.len - (size_t)(to - from);
    if (!buf_reserve(e->out, kept + strlen(before) + text.len + strlen(after))) return SUBDOC_NO_MEMORY;
    put_range(e, start_of(e), from);
    buf_put_str(e->out, before);
    buf_put_bytes(e->out, text);
    buf_put_str(e->out, after);
    put_range(e, to, end_of(e));
    return SUBDOC_OK;
}

enum subdoc_status subdoc_replace(struct subdoc_edit *e, struct json_value old, struct divan_bytes text)
{
    const char *from = old.text.data;
    return splice(e, from, from + old.text.len, "", text, "");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* An entry goes with the comma behind it, the last one with the comma before it. */
enum subdoc_status subdoc_remove(struct subdoc_edit *e, const struct subdoc_place *place)
{
    const char *from = place->entry, *to = (const char *)place->value.text.data + place->value.text.len, *next = to;
    const char *before = from;
    while (is_blank(*next)) next++; /* the container's bracket stops both */
    while (is_blank(before[-1])) before--;
    if (*next == ',') {
        for (next++; is_blank(*next);) next++;
        to = next;
    } else if (before[-1] == ',') from = before - 1;
    return splice(e, from, to, "", bytes_of(NULL, 0), "");
}

enum subdoc_status subdoc_append(struct subdoc_edit *e, struct json_value array)
{
    bool empty;
    const char *at = subdoc_append_at(array, &empty);
    return splice(e, at, at, empty ? "" : ",", e->value, "");
}

enum subdoc_status subdoc_insert_before(struct subdoc_edit *e, const char *at)
{
    return splice(e, at, at, "", e->value, ",");
}

enum subdoc_status subdoc_prepend(struct subdoc_edit *e, struct json_value array)
{
    bool empty;
    subdoc_append_at(array, &empty);
    const char *at = (const char *)array.text.data + 1;
    return empty ? splice(e, at, at, "", e->value, "") : subdoc_insert_before(e, at);
}

/* ---- new members */

/* Only objects come into being on the way: an index of what does not exist leads nowhere. */
static bool can_create(const struct subdoc_edit *e, size_t from)
{
    if (from + 1 < e->path->count && !e->mkdir_p) return false;
    for (size_t i = from; i < e->path->count; i++)
        if (e->path->components[i].is_index) return false;
    return true;
}

/* What stands before the new value, without the comma: "a":{"b":[ */
static void put_opening(struct subdoc_edit *e, size_t from, bool in_array, struct buf *out)
{
    for (size_t i = from; i < e->path->count; i++) {
        buf_put_str(out, i > from ? "{\"" : "\"");
        buf_put_bytes(out, e->path->components[i].json);
        buf_put_str(out, "\":");
    }
    if (in_array) buf_u8(out, '[');
}

static void put_closing(size_t objects, bool in_array, struct buf *out)
{
    if (in_array) buf_u8(out, ']');
    for (; objects > 0; objects--) buf_u8(out, '}');
}

enum subdoc_status subdoc_create(struct subdoc_edit *e, const struct subdoc_place *place, struct divan_bytes text,
                                 bool in_array)
{
    enum { AROUND_NAMES = 6 * SUBDOC_COMPONENTS_MAX + 8 };
    uint8_t memory[SUBDOC_PATH_BYTES_MAX + AROUND_NAMES];
    struct buf opening = {.data = memory, .cap = sizeof memory, .limit = sizeof memory};
    bool empty, push_without_mkdir = in_array && !e->mkdir_p;
    if (push_without_mkdir || !can_create(e, place->missing)) return SUBDOC_PATH_ENOENT;
    const char *at = subdoc_append_at(place->value, &empty);
    size_t objects = e->path->count - place->missing - 1;
    put_opening(e, place->missing, in_array, &opening);
    if (!buf_reserve(e->out, e->document.len + !empty + opening.len + text.len + in_array + objects))
        return SUBDOC_NO_MEMORY;
    put_range(e, start_of(e), at);
    if (!empty) buf_u8(e->out, ',');
    buf_put_bytes(e->out, buf_view(&opening));
    buf_put_bytes(e->out, text);
    put_closing(objects, in_array, e->out);
    put_range(e, at, end_of(e));
    return SUBDOC_OK;
}

/* ---- values */

static bool is_list_op(enum subdoc_op op)
{
    return op == SUBDOC_ARRAY_PUSH_LAST || op == SUBDOC_ARRAY_PUSH_FIRST || op == SUBDOC_ARRAY_INSERT;
}

/* The end of the element at `from`, when it is valid JSON by itself; 0 when not. */
static size_t take_element(struct divan_bytes list, size_t from)
{
    size_t to = json_skip(list, from);
    return to && json_is_valid(bytes_slice(list, from, to - from)) ? to : 0;
}

static size_t after_blanks(struct divan_bytes text, size_t at)
{
    while (at < text.len && is_blank(((const char *)text.data)[at])) at++;
    return at;
}

static bool is_word_or_number(char c)
{
    return c != '"' && c != '{' && c != '[';
}

/* One or more elements. The measured server lets two numbers or words stand side by side without a comma, and stores what
 * is no JSON any more; so does this. */
static bool is_list(struct divan_bytes list)
{
    const char *text = list.data;
    for (size_t at = after_blanks(list, 0);;) {
        size_t to = take_element(list, at);
        if (!to) return false;
        char first = text[at];
        at = after_blanks(list, to);
        if (at == list.len) return true;
        if (text[at] == ',') at = after_blanks(list, at + 1);
        else if (at == to || !is_word_or_number(first) || !is_word_or_number(text[at])) return false;
    }
}

static bool is_acceptable(const struct subdoc_edit *e)
{
    if (is_list_op(e->op)) return is_list(e->value);
    struct json_value value = json_is_valid(e->value) ? json_value_of(e->value) : (struct json_value){0};
    bool container = value.type == JSON_OBJECT || value.type == JSON_ARRAY;
    return value.type && !(container && e->op == SUBDOC_ARRAY_ADD_UNIQUE);
}

/* The document must stay within its levels: the value stands below as many as the path has, one more in an array. */
static bool is_too_deep(const struct subdoc_edit *e)
{
    bool in_array = e->op == SUBDOC_ARRAY_PUSH_LAST || e->op == SUBDOC_ARRAY_PUSH_FIRST ||
                    e->op == SUBDOC_ARRAY_ADD_UNIQUE;
    return e->path->count + in_array + subdoc_levels(e->value) > SUBDOC_LEVELS_MAX;
}

enum subdoc_status subdoc_check_value(const struct subdoc_edit *e)
{
    if (!subdoc_takes_value(e->op) || e->op == SUBDOC_COUNTER) return SUBDOC_OK;
    if (!is_acceptable(e)) return SUBDOC_VALUE_CANTINSERT;
    return is_too_deep(e) ? SUBDOC_VALUE_ETOODEEP : SUBDOC_OK;
}

bool subdoc_read_delta(struct divan_bytes text, int64_t *out)
{
    struct json_value number = {JSON_NUMBER, text};
    int64_t delta;
    if (json_check(text, 0, 0, NULL) != JSON_VALID || json_value_of(text).text.len != text.len) return false;
    if (json_value_of(text).type != JSON_NUMBER || !json_to_i64(number, &delta) || delta == 0) return false;
    *out = delta;
    return true;
}

static bool is_whole(struct divan_bytes number)
{
    return !memchr(number.data, '.', number.len) && !memchr(number.data, 'e', number.len) &&
           !memchr(number.data, 'E', number.len);
}

enum subdoc_status subdoc_read_counter(struct json_value value, int64_t *out)
{
    if (value.type != JSON_NUMBER || !is_whole(value.text)) return SUBDOC_PATH_MISMATCH;
    return json_to_i64(value, out) ? SUBDOC_OK : SUBDOC_NUM_ERANGE;
}
