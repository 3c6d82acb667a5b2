#include "client/project.h"

#include "base/alloc.h"
#include "base/error.h"
#include "text/subdoc_find.h"

enum { NONE = 0 }; /* the root is nobody's child */

struct projection_node {
    struct divan_bytes value; /* a leaf, when it has data: what is below does not count any more */
    size_t name_at, name_len; /* in projection.names */
    uint64_t index;           /* of an element */
    bool is_element;
    size_t first, next; /* children of one kind: members in order of arrival, elements in order of index */
};

static size_t new_node(struct projection *p, const struct subdoc_component *c)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        struct projection_node *nodes = mem_realloc(p->nodes, cap * sizeof *nodes);
        if (!nodes) return NONE;
        p->nodes = nodes;
        p->cap = cap;
    }
    struct projection_node *node = &p->nodes[p->count];
    memset(node, 0, sizeof *node);
    if (!c) return p->count++;
    node->is_element = c->is_index;
    node->index = c->is_last ? UINT64_MAX : c->index;
    node->name_at = p->names.len;
    if (!p->names.limit) p->names.limit = 64 << 20;
    if (!c->is_index) buf_put_bytes(&p->names, c->json);
    node->name_len = p->names.len - node->name_at;
    return p->names.failed ? NONE : p->count++;
}

static bool is_same(const struct projection *p, const struct projection_node *node, const struct subdoc_component *c)
{
    if (node->is_element != c->is_index) return false;
    if (c->is_index) return node->index == (c->is_last ? UINT64_MAX : c->index);
    return bytes_equal(bytes_slice(buf_view(&p->names), node->name_at, node->name_len), c->json);
}

static bool goes_before(const struct projection_node *a, const struct projection_node *b)
{
    return a->is_element && b->is_element && a->index < b->index;
}

/* The child for a component, made when it is not there yet. NONE: out of memory. */
static size_t child_of(struct projection *p, size_t parent, const struct subdoc_component *c)
{
    for (size_t at = p->nodes[parent].first; at != NONE; at = p->nodes[at].next)
        if (is_same(p, &p->nodes[at], c)) return at;
    size_t made = new_node(p, c);
    if (made == NONE) return NONE;
    size_t *link = &p->nodes[parent].first;
    while (*link != NONE && !goes_before(&p->nodes[made], &p->nodes[*link])) link = &p->nodes[*link].next;
    p->nodes[made].next = *link;
    *link = made;
    return made;
}

static enum divan_code parse(struct divan_bytes text, struct subdoc_path *path, struct divan_error *err)
{
    enum subdoc_status status = subdoc_path_parse(text, path);
    if (!status) return DIVAN_OK;
    enum divan_code code = status == SUBDOC_PATH_E2BIG ? DIVAN_ERR_PATH_TOO_BIG : DIVAN_ERR_PATH_INVALID;
    return err_set(err, code, "path \"%.*s\" of the projection: %s", (int)(text.len < 80 ? text.len : 80),
                   (const char *)text.data, err_code_text(code));
}

static enum divan_code put_at(struct projection *p, const struct subdoc_path *path, struct divan_bytes value,
                              struct divan_error *err)
{
    if (!p->count) {
        new_node(p, NULL);
        if (!p->count) return err_oom(err);
    }
    size_t at = 0;
    for (size_t i = 0; i < path->count; i++) {
        at = child_of(p, at, &path->components[i]);
        if (at == NONE) return err_oom(err);
        if (p->nodes[at].value.data) return DIVAN_OK; /* all of it is there already */
    }
    p->nodes[at].value = value;
    return DIVAN_OK;
}

enum divan_code projection_add(struct projection *p, struct divan_bytes path, struct divan_bytes value,
                               struct divan_error *err)
{
    struct subdoc_path parsed;
    enum divan_code rc = parse(path, &parsed, err);
    return rc ? rc : put_at(p, &parsed, value, err);
}

enum divan_code projection_take(struct projection *p, struct divan_bytes path, struct divan_bytes document,
                                struct divan_error *err)
{
    struct subdoc_path parsed;
    enum divan_code rc = parse(path, &parsed, err);
    if (rc) return rc;
    struct subdoc_place place = subdoc_find(json_value_of(document), &parsed, parsed.count);
    return place.match == SUBDOC_FOUND ? put_at(p, &parsed, place.value.text, err) : DIVAN_OK;
}

/* Levels are those of a path: a recursion of at most 31. */
static void put_node(const struct projection *p, size_t at, struct buf *out)
{
    const struct projection_node *node = &p->nodes[at];
    if (node->value.data) {
        buf_put_bytes(out, node->value);
        return;
    }
    bool is_array = node->first != NONE && p->nodes[node->first].is_element;
    buf_u8(out, is_array ? '[' : '{');
    for (size_t child = node->first; child != NONE; child = p->nodes[child].next) {
        const struct projection_node *it = &p->nodes[child];
        if (it->is_element != is_array) continue; /* a document has one or the other */
        if (child != node->first) buf_u8(out, ',');
        if (!is_array) {
            buf_u8(out, '"');
            buf_put_bytes(out, bytes_slice(buf_view(&p->names), it->name_at, it->name_len));
            buf_put_str(out, "\":");
        }
        put_node(p, child, out);
    }
    buf_u8(out, is_array ? ']' : '}');
}

enum divan_code projection_put(const struct projection *p, struct buf *out, struct divan_error *err)
{
    if (p->count) put_node(p, 0, out);
    else buf_put_str(out, "{}");
    return out->failed ? err_oom(err) : DIVAN_OK;
}

void projection_fini(struct projection *p)
{
    mem_free(p->nodes);
    buf_fini(&p->names);
    memset(p, 0, sizeof *p);
}
