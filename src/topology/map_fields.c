/* Reading JSON members by tables: types and ranges are checked here, with the place in the sentence. */
#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/ascii.h"
#include "topology/map_make.h"

enum divan_code map_fail(const struct map_parse *p, enum divan_code code, struct json_value at, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t offset = at.text.data ? (size_t)((const char *)at.text.data - (const char *)p->json.data) : 0;
    return err_set(p->err, code, "cluster configuration, byte %zu: %s", offset, text);
}

static const char *const type_names[] = {
    [JSON_NONE] = "nothing",    [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
    [JSON_NUMBER] = "a number", [JSON_TRUE] = "true",        [JSON_FALSE] = "false",    [JSON_NULL] = "null",
};

enum divan_code map_expect(const struct map_parse *p, struct json_value value, enum json_type type, const char *what)
{
    if (value.type == type) return DIVAN_OK;
    return map_fail(p, DIVAN_ERR_CONFIG_FIELD_TYPE, value, "%s must be %s but is %s", what, type_names[type],
                    type_names[value.type]);
}

static const struct map_field *find_field(const struct map_field *fields, size_t count, struct divan_bytes key)
{
    for (size_t i = 0; i < count; i++)
        if (json_string_is(key, divan_str(fields[i].key))) return &fields[i];
    return NULL;
}

enum divan_code map_read_object(struct map_parse *p, struct json_value object, const struct map_field *fields,
                                size_t count, void *target)
{
    enum divan_code rc = map_expect(p, object, JSON_OBJECT, "this");
    struct json_walk w = json_walk_begin(object);
    struct divan_bytes key;
    struct json_value value;
    for (uint32_t seen = 0; !rc && json_next_member(&w, &key, &value);) {
        const struct map_field *field = find_field(fields, count, key);
        uint32_t bit = field ? 1u << (field - fields) : 0;
        if (!field || value.type == JSON_NULL) continue;
        if (seen & bit)
            rc = map_fail(p, DIVAN_ERR_CONFIG_NOT_JSON, value, "\"%s\" occurs twice in one object", field->key);
        else rc = field->read(p, (char *)target + field->offset, value);
        seen |= bit;
    }
    return rc;
}

size_t map_count_elements(struct json_value array)
{
    struct json_walk w = json_walk_begin(array);
    struct json_value value;
    size_t n = 0;
    while (json_next_element(&w, &value)) n++;
    return n;
}

enum divan_code map_copy_string(const struct map_parse *p, struct json_value value, char **out)
{
    enum divan_code rc = map_expect(p, value, JSON_STRING, "this");
    if (rc) return rc;
    struct buf b = {.limit = value.text.len};
    if (!json_unescape(value.text, &b) || (b.len && memchr(b.data, 0, b.len)))
        rc = map_fail(p, DIVAN_ERR_CONFIG_FIELD_TYPE, value, "this string holds a NUL character");
    char *text = rc ? NULL : buf_take_text(&b);
    if (!rc && !text) rc = err_oom(p->err);
    if (!rc) *out = text;
    buf_fini(&b);
    return rc;
}

enum divan_code map_read_string(struct map_parse *p, void *target, struct json_value value)
{
    return map_copy_string(p, value, target);
}

enum divan_code map_read_value(struct map_parse *p, void *target, struct json_value value)
{
    *(struct json_value *)target = value;
    return DIVAN_OK;
}

enum divan_code map_read_bool(struct map_parse *p, void *target, struct json_value value)
{
    if (value.type != JSON_TRUE && value.type != JSON_FALSE)
        return map_fail(p, DIVAN_ERR_CONFIG_FIELD_TYPE, value, "this must be true or false");
    *(bool *)target = value.type == JSON_TRUE;
    return DIVAN_OK;
}

/* A fraction or exponent is no whole number even where its value would be one: revisions must not lose a bit. */
static bool is_whole(struct json_value value)
{
    const char *text = value.text.data;
    for (size_t i = 0; i < value.text.len; i++)
        if (!ascii_is_digit(text[i]) && text[i] != '-') return false;
    return true;
}

enum divan_code map_read_natural(struct map_parse *p, void *target, struct json_value value)
{
    int64_t number;
    if (value.type != JSON_NUMBER || !is_whole(value))
        return map_fail(p, DIVAN_ERR_CONFIG_FIELD_TYPE, value, "this must be a whole number");
    if (!json_to_i64(value, &number) || number < 0)
        return map_fail(p, DIVAN_ERR_CONFIG_FIELD_RANGE, value, "this number is negative or does not fit into 63 bits");
    *(int64_t *)target = number;
    return DIVAN_OK;
}

enum divan_code map_read_port(struct map_parse *p, void *target, struct json_value value)
{
    int64_t number = 0;
    enum divan_code rc = map_read_natural(p, &number, value);
    if (rc) return rc;
    if (number > 65535) return map_fail(p, DIVAN_ERR_CONFIG_FIELD_RANGE, value, "a port is at most 65535");
    *(uint16_t *)target = (uint16_t)number;
    return DIVAN_OK;
}

/* ---- addresses */

/* The port behind the last colon that is not inside brackets; -1 = not a number up to 65535. */
static long read_port_text(const char *text)
{
    long port = 0;
    if (!*text) return -1;
    for (; *text; text++) {
        if (!ascii_is_digit(*text)) return -1;
        port = port * 10 + (*text - '0');
        if (port > 65535) return -1;
    }
    return port;
}

enum divan_code map_split_address(const struct map_parse *p, struct json_value value, char **host, uint16_t *port)
{
    char *text = NULL, *copy = NULL;
    enum divan_code rc = map_copy_string(p, value, &text);
    if (rc) return rc;
    char *close = *text == '[' ? strrchr(text, ']') : NULL, *colon = strrchr(close ? close : text, ':');
    long number = colon ? read_port_text(colon + 1) : 0;
    if (number < 0)
        rc = map_fail(p, DIVAN_ERR_CONFIG_FIELD_RANGE, value, "the port of this address is not a number up to 65535");
    else {
        if (colon) *colon = 0;
        if (close) *close = 0;
        const char *name = close ? text + 1 : text;
        copy = mem_strdup(!*name || !strcmp(name, "$HOST") ? p->source_host : name);
        if (!copy) rc = err_oom(p->err);
    }
    mem_free(text);
    if (rc) return rc;
    *host = copy;
    *port = (uint16_t)number;
    return DIVAN_OK;
}
