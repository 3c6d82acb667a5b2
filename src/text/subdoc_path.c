#include "text/subdoc_path.h"

#include "text/ascii.h"

struct parse {
    const char *at, *end;
    struct subdoc_path *out;
    size_t used; /* of the scratch */
};

static int peek(const struct parse *p)
{
    return p->at < p->end ? (unsigned char)*p->at : -1;
}

static struct subdoc_component *add_component(struct parse *p)
{
    if (p->out->count == SUBDOC_COMPONENTS_MAX) return NULL;
    struct subdoc_component *c = &p->out->components[p->out->count++];
    *c = (struct subdoc_component){0};
    return c;
}

/* Behind "[": up to and with "]". */
static enum subdoc_status parse_index(struct parse *p)
{
    struct subdoc_component *c = add_component(p);
    if (!c) return SUBDOC_PATH_E2BIG;
    c->is_index = true;
    if (p->end - p->at >= 3 && !memcmp(p->at, "-1]", 3)) {
        c->is_last = true;
        p->at += 3;
        return SUBDOC_OK;
    }
    for (; ascii_is_digit(peek(p)); p->at++)
        if (__builtin_mul_overflow(c->index, 10, &c->index) ||
            __builtin_add_overflow(c->index, (uint64_t)(*p->at - '0'), &c->index))
            return SUBDOC_PATH_EINVAL;
    return p->at < p->end && *p->at++ == ']' ? SUBDOC_OK : SUBDOC_PATH_EINVAL;
}

/* Copies the JSON content of a name into the scratch, backticks taken off. */
static bool copy_name(struct parse *p, struct divan_bytes *out)
{
    char *start = p->out->scratch + p->used, *to = start;
    bool quoted = false;
    for (; p->at < p->end && (quoted || (*p->at != '.' && *p->at != '[')); p->at++) {
        bool doubled = quoted && *p->at == '`' && p->end - p->at > 1 && p->at[1] == '`';
        if (doubled) p->at++;
        else if (*p->at == '`') {
            quoted = !quoted;
            continue;
        }
        if ((unsigned char)*p->at < 0x20 || (!quoted && *p->at == ']')) return false;
        *to++ = *p->at;
    }
    *out = bytes_of(start, (size_t)(to - start));
    p->used += out->len;
    return !quoted && out->len > 0;
}

/* The name without its escapes, also in the scratch; false when it is no content of a JSON string. */
static bool unescape_name(struct parse *p, struct divan_bytes json, struct divan_bytes *out)
{
    char quoted[SUBDOC_PATH_BYTES_MAX + 2];
    if (!memchr(json.data, '\\', json.len) && !memchr(json.data, '"', json.len)) return *out = json, true;
    quoted[0] = '"';
    memcpy(quoted + 1, json.data, json.len);
    quoted[json.len + 1] = '"';
    struct divan_bytes string = bytes_of(quoted, json.len + 2);
    if (json_check(string, 0, 0, NULL) != JSON_VALID) return false;
    /* Never longer than its escapes, so it fits beside them; the buffer is the scratch and does not grow. */
    struct buf plain = {.data = (uint8_t *)p->out->scratch + p->used, .cap = json.len, .limit = json.len};
    if (!json_unescape(string, &plain) || plain.failed) return false;
    *out = buf_view(&plain);
    p->used += plain.len;
    return true;
}

static enum subdoc_status parse_name(struct parse *p)
{
    struct subdoc_component *c = add_component(p);
    if (!c) return SUBDOC_PATH_E2BIG;
    return copy_name(p, &c->json) && unescape_name(p, c->json, &c->name) ? SUBDOC_OK : SUBDOC_PATH_EINVAL;
}

/* What may stand behind a component: the end, "[", or a dot with another name or the end behind it. */
static enum subdoc_status parse_separator(struct parse *p)
{
    if (peek(p) == '[' || p->at == p->end) return SUBDOC_OK;
    if (peek(p) != '.') return SUBDOC_PATH_EINVAL;
    p->at++;
    return peek(p) == '[' ? SUBDOC_PATH_EINVAL : SUBDOC_OK;
}

enum subdoc_status subdoc_path_parse(struct divan_bytes text, struct subdoc_path *out)
{
    if (text.len > SUBDOC_PATH_BYTES_MAX) return SUBDOC_EINVAL;
    struct parse p = {.at = text.len ? text.data : "", .out = out};
    p.end = p.at + text.len;
    out->count = 0;
    enum subdoc_status status = SUBDOC_OK;
    while (!status && p.at < p.end) {
        if (*p.at == '[') p.at++, status = parse_index(&p);
        else status = parse_name(&p);
        if (!status) status = parse_separator(&p);
    }
    return status;
}
