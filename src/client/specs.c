#include "client/specs.h"

#include <stdio.h>

#include "base/error.h"
#include "client/names.h"

/* ---- what every spec must obey */

static enum divan_code check_count(const void *specs, size_t count, struct divan_error *err)
{
    if (!specs || !count) return err_set(err, DIVAN_ERR_SPEC_COUNT, "no spec was given: at least one path is needed");
    if (count > DIVAN_SPECS_MAX)
        return err_set(err, DIVAN_ERR_SPEC_COUNT, "%zu specs were given, a request takes at most %d: use several",
                       count, DIVAN_SPECS_MAX);
    return DIVAN_OK;
}

static enum divan_code check_path(struct divan_bytes path, size_t i, struct divan_error *err)
{
    if (path.len && !path.data)
        return err_set(err, DIVAN_ERR_PATH_NULL, "the path of spec %zu has %zu bytes but its data pointer is NULL", i,
                       path.len);
    if (path.len > DIVAN_PATH_MAX)
        return err_set(err, DIVAN_ERR_PATH_TOO_LONG, "the path of spec %zu has %zu bytes, the limit is %d", i, path.len,
                       DIVAN_PATH_MAX);
    return DIVAN_OK;
}

static enum divan_code invalid(struct divan_error *err, size_t i, const char *why)
{
    return err_set(err, DIVAN_ERR_SPEC_INVALID, "spec %zu: %s", i, why);
}

static void add(struct call_specs *s, struct pathop op)
{
    s->request.ops[s->request.count++] = op;
}

/* ---- lookups */

static const uint8_t lookup_opcodes[] = {
    [DIVAN_LOOKUP_GET] = OP_SUBDOC_GET,
    [DIVAN_LOOKUP_EXISTS] = OP_SUBDOC_EXISTS,
    [DIVAN_LOOKUP_COUNT] = OP_SUBDOC_GET_COUNT,
};

static enum divan_code check_lookup(const struct divan_lookup *spec, size_t i, struct divan_error *err)
{
    if ((unsigned)spec->op > DIVAN_LOOKUP_COUNT) return invalid(err, i, "its op is not one of enum divan_lookup_op");
    enum divan_code rc = check_path(spec->path, i, err);
    if (rc) return rc;
    if (spec->binary && !spec->xattr) return invalid(err, i, "binary is for extended attributes: set xattr");
    if (spec->path.len) return DIVAN_OK;
    if (spec->xattr) return invalid(err, i, "an extended attribute needs a path: $XTOC lists their names");
    if (spec->op == DIVAN_LOOKUP_EXISTS) return invalid(err, i, "the path is empty: divan_exists() asks for documents");
    return DIVAN_OK;
}

enum divan_code specs_from_lookups(struct call_specs *s, const struct divan_lookup *specs, size_t count,
                                   bool access_deleted, struct divan_error *err)
{
    memset(s, 0, sizeof *s);
    enum divan_code rc = check_count(specs, count, err);
    for (size_t i = 0; i < count && !rc; i++) {
        const struct divan_lookup *spec = &specs[i];
        rc = check_lookup(spec, i, err);
        if (rc) break;
        struct pathop op = {.opcode = lookup_opcodes[spec->op], .path = spec->path};
        if (!spec->path.len && spec->op == DIVAN_LOOKUP_GET) op.opcode = OP_GET;
        if (spec->xattr) op.flags |= PATHOP_XATTR;
        if (spec->binary) op.flags |= PATHOP_BINARY;
        if (spec->op == DIVAN_LOOKUP_EXISTS) s->exists_mask |= (uint16_t)(1u << i);
        add(s, op);
    }
    if (access_deleted) s->request.doc_flags = DOC_ACCESS_DELETED;
    if (!rc) pathop_sort(&s->request, s->order);
    return rc;
}

/* ---- mutations */

enum trait { TAKES_VALUE = 1, TAKES_CREATE = 2, TAKES_ROOT = 4 /* "" as the document's own array or object */ };
static const struct mutation_facts {
    uint8_t opcode, document; /* document: of an empty path, 0 = the same */
    uint8_t traits;
} mutation_facts[] = {
    [DIVAN_MUTATE_INSERT] = {OP_SUBDOC_DICT_ADD, 0, TAKES_VALUE | TAKES_CREATE},
    [DIVAN_MUTATE_UPSERT] = {OP_SUBDOC_DICT_UPSERT, OP_SET, TAKES_VALUE | TAKES_CREATE | TAKES_ROOT},
    [DIVAN_MUTATE_REPLACE] = {OP_SUBDOC_REPLACE, OP_SET, TAKES_VALUE | TAKES_ROOT},
    [DIVAN_MUTATE_REMOVE] = {OP_SUBDOC_DELETE, OP_DELETE, TAKES_ROOT},
    [DIVAN_MUTATE_ARRAY_APPEND] = {OP_SUBDOC_ARRAY_PUSH_LAST, 0, TAKES_VALUE | TAKES_CREATE | TAKES_ROOT},
    [DIVAN_MUTATE_ARRAY_PREPEND] = {OP_SUBDOC_ARRAY_PUSH_FIRST, 0, TAKES_VALUE | TAKES_CREATE | TAKES_ROOT},
    [DIVAN_MUTATE_ARRAY_INSERT] = {OP_SUBDOC_ARRAY_INSERT, 0, TAKES_VALUE},
    [DIVAN_MUTATE_ARRAY_ADD_UNIQUE] = {OP_SUBDOC_ARRAY_ADD_UNIQUE, 0, TAKES_VALUE | TAKES_CREATE | TAKES_ROOT},
    [DIVAN_MUTATE_INCREMENT] = {OP_SUBDOC_COUNTER, 0, TAKES_CREATE},
    [DIVAN_MUTATE_BODY_FROM_XATTR] = {OP_SUBDOC_REPLACE_BODY_WITH_XATTR, 0, 0},
};

static enum divan_code check_attribute(const struct divan_mutation *spec, size_t i, struct divan_error *err)
{
    bool xattr = spec->xattr || spec->op == DIVAN_MUTATE_BODY_FROM_XATTR;
    if ((spec->expand_macros || spec->binary) && !xattr)
        return invalid(err, i, "macros and binary data are for extended attributes: set xattr");
    if (spec->expand_macros && spec->binary) return invalid(err, i, "binary data has no macros: leave one out");
    if (xattr && !spec->path.len) return invalid(err, i, "an extended attribute needs a path");
    return DIVAN_OK;
}

static enum divan_code check_mutation(const struct divan_mutation *spec, size_t i, struct divan_error *err)
{
    if ((unsigned)spec->op > DIVAN_MUTATE_BODY_FROM_XATTR)
        return invalid(err, i, "its op is not one of enum divan_mutate_op");
    const struct mutation_facts *facts = &mutation_facts[spec->op];
    enum divan_code rc = check_path(spec->path, i, err);
    if (!rc) rc = check_value(spec->value, err);
    if (!rc) rc = check_attribute(spec, i, err);
    if (rc) return rc;
    bool is_document = !spec->path.len && facts->document;
    if (!spec->path.len && !(facts->traits & TAKES_ROOT)) return invalid(err, i, "the path is empty");
    if (facts->traits & TAKES_VALUE && !spec->value.len && !spec->binary)
        return invalid(err, i, "the value is empty: give JSON text, a string with its quotes");
    if (!(facts->traits & TAKES_VALUE) && spec->value.len) return invalid(err, i, "this op takes no value");
    if (spec->create_path && (is_document || !(facts->traits & TAKES_CREATE)))
        return invalid(err, i, "this op cannot create a path");
    if (spec->op == DIVAN_MUTATE_INCREMENT && !spec->delta)
        return err_set(err, DIVAN_ERR_DELTA_RANGE, "spec %zu: the delta of a counter is 0", i);
    return DIVAN_OK;
}

static void add_mutation(struct call_specs *s, const struct divan_mutation *spec)
{
    const struct mutation_facts *facts = &mutation_facts[spec->op];
    struct pathop op = {.opcode = facts->opcode, .path = spec->path, .value = spec->value};
    if (!spec->path.len && facts->document) op.opcode = facts->document;
    if (spec->xattr || spec->op == DIVAN_MUTATE_BODY_FROM_XATTR) op.flags |= PATHOP_XATTR;
    if (spec->create_path) op.flags |= PATHOP_MKDIR_P;
    if (spec->expand_macros) op.flags |= PATHOP_EXPAND_MACROS;
    if (spec->binary) op.flags |= PATHOP_BINARY;
    if (spec->op == DIVAN_MUTATE_INCREMENT) {
        char *text = s->numbers[s->request.count];
        snprintf(text, NUMBER_ROOM, "%lld", (long long)spec->delta);
        op.value = divan_str(text);
    }
    add(s, op);
}

static enum divan_code check_store(const struct divan_mutate_options *o, struct divan_error *err)
{
    if ((unsigned)o->store > DIVAN_STORE_INSERT)
        return err_set(err, DIVAN_ERR_STORE_CONFLICT, "store is %d, not one of enum divan_store (0 to 2)",
                       (int)o->store);
    if (o->store == DIVAN_STORE_INSERT && o->cas)
        return err_set(err, DIVAN_ERR_STORE_CONFLICT, "a CAS was given for a document that must not exist yet");
    if (o->create_as_deleted && o->store == DIVAN_STORE_REPLACE)
        return err_set(err, DIVAN_ERR_STORE_CONFLICT,
                       "create_as_deleted creates a document: use it with DIVAN_STORE_INSERT or DIVAN_STORE_UPSERT");
    if (o->create_as_deleted && o->revive)
        return err_set(err, DIVAN_ERR_STORE_CONFLICT, "create_as_deleted and revive exclude each other");
    return DIVAN_OK;
}

static uint8_t doc_flags_of(const struct divan_mutate_options *o)
{
    unsigned flags = 0;
    if (o->store == DIVAN_STORE_UPSERT) flags |= DOC_MKDOC;
    if (o->store == DIVAN_STORE_INSERT) flags |= DOC_ADD;
    if (o->access_deleted || o->revive) flags |= DOC_ACCESS_DELETED;
    if (o->create_as_deleted) flags |= DOC_CREATE_AS_DELETED;
    if (o->revive) flags |= DOC_REVIVE;
    return (uint8_t)flags;
}

enum divan_code specs_from_mutations(struct call_specs *s, const struct divan_mutation *specs, size_t count,
                                     const struct divan_mutate_options *o, struct divan_error *err)
{
    size_t bytes = 0;
    memset(s, 0, sizeof *s);
    s->request.mutation = true;
    enum divan_code rc = check_count(specs, count, err);
    if (!rc) rc = check_store(o, err);
    for (size_t i = 0; i < count && !rc; i++) {
        rc = check_mutation(&specs[i], i, err);
        if (!rc) add_mutation(s, &specs[i]);
        bytes += specs[i].value.len;
    }
    if (!rc) rc = check_value(bytes_of("", bytes), err); /* all of them together */
    s->request.doc_flags = doc_flags_of(o);
    s->request.has_user_flags = o->has_flags;
    s->request.user_flags = o->flags;
    if (!rc) pathop_sort(&s->request, s->order);
    return rc;
}

/* ---- projections */

enum divan_code specs_from_projection(struct call_specs *s, const struct divan_get_options *o, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    memset(s, 0, sizeof *s);
    s->with_expiry = o->with_expiry;
    s->project = o->project;
    s->project_count = o->project_count;
    if (o->project_count && !o->project)
        return err_set(err, DIVAN_ERR_PATH_NULL, "project_count is %zu but project is NULL", o->project_count);
    if (o->with_expiry)
        add(s, (struct pathop){.opcode = OP_SUBDOC_GET, .flags = PATHOP_XATTR, .path = divan_str(DIVAN_XATTR_EXPIRY)});
    bool fits = o->project_count && s->request.count + o->project_count <= PATHOPS_MAX;
    for (size_t i = 0; i < o->project_count && !rc; i++) {
        struct divan_bytes path = divan_str(o->project[i]);
        rc = check_path(path, i, err);
        if (!rc && !path.len) rc = err_set(err, DIVAN_ERR_PATH_NULL, "path %zu of the projection is empty", i);
        if (!rc && fits) add(s, (struct pathop){.opcode = OP_SUBDOC_GET, .path = path});
    }
    if (!fits) add(s, (struct pathop){.opcode = OP_GET});
    for (size_t i = 0; i < s->request.count; i++) s->order[i] = (uint8_t)i;
    return rc;
}

/* ---- into an operation and onto the wire */

/* The own buffer of an operation: the specs, which are its value, and behind them the paths of a projection. */
bool specs_put(struct operation *op, const struct call_specs *s)
{
    buf_clear(&op->own);
    pathop_put_specs(&op->own, &s->request);
    size_t len = op->own.len;
    for (size_t i = 0; i < s->project_count; i++) {
        struct divan_bytes path = divan_str(s->project[i]);
        buf_u16be(&op->own, (uint16_t)path.len);
        buf_put_bytes(&op->own, path);
    }
    op->value = bytes_of(op->own.data, len);
    op->spec_count = (uint8_t)s->request.count;
    op->doc_flags = s->request.doc_flags;
    op->has_flags = s->request.has_user_flags;
    op->flags = s->request.user_flags;
    op->exists_mask = s->exists_mask;
    op->with_expiry = s->with_expiry;
    memcpy(op->spec_order, s->order, sizeof op->spec_order);
    return !op->own.failed;
}

void specs_put_frame(struct buf *out, const struct kv_target *t, const struct operation *op)
{
    bool mutation = op->kind == KIND_MUTATE_IN;
    struct pathop_request head;
    head.mutation = mutation;
    head.has_expiry = op->expiry != 0;
    head.expiry = op->expiry;
    head.has_user_flags = op->has_flags;
    head.user_flags = op->flags;
    head.doc_flags = op->doc_flags;
    pathop_put_around(out, t, &head, op->value);
}

struct divan_bytes specs_path(const struct operation *op, size_t spec)
{
    struct rd r = rd_from(op->value);
    for (size_t at = 0; at < op->spec_count; at++) {
        rd_u16be(&r); /* opcode, flags */
        uint16_t path_len = rd_u16be(&r);
        uint32_t value_len = op->kind == KIND_MUTATE_IN ? rd_u32be(&r) : 0;
        struct divan_bytes path = rd_take(&r, path_len);
        rd_take(&r, value_len);
        if (op->spec_order[at] == spec && rd_ok(&r)) return path;
    }
    return bytes_of(NULL, 0);
}
