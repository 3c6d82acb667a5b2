#include "node/kv/subdoc_plan.h"

#include "text/subdoc_path.h"
#include "wire/opcodes.h"

enum { DOCF_KNOWN = 0x3f };

/* What each operation takes. */
struct traits {
    uint8_t path_flags, doc_flags;
    bool lookup, mutation;        /* where it may stand */
    bool path, empty_path, value; /* has one, may be empty, has one */
};

#define LOOKUP_FLAGS (DOCF_ACCESS_DELETED | DOCF_REVIVE | DOCF_REPLICA)
#define EDIT_FLAGS   (DOCF_ADD | DOCF_ACCESS_DELETED | DOCF_REVIVE)
#define CREATE_FLAGS (EDIT_FLAGS | DOCF_MKDOC | DOCF_CREATE_AS_DELETED)

static bool traits_of(uint8_t opcode, struct traits *t)
{
    static const uint8_t X = PATH_XATTR, P = PATH_MKDIR, M = PATH_MACROS, B = PATH_BINARY;
    switch (opcode) {
    case OP_GET:
        *t = (struct traits){0, LOOKUP_FLAGS, true, false, false, false, false};
        break;
    case OP_SET:
        *t = (struct traits){0, DOCF_MKDOC | DOCF_ADD, false, true, false, false, true};
        break;
    case OP_DELETE:
        *t = (struct traits){0, DOCF_ACCESS_DELETED, false, true, false, false, false};
        break;
    case OP_SUBDOC_GET:
        *t = (struct traits){X | B, LOOKUP_FLAGS, true, false, true, false, false};
        break;
    case OP_SUBDOC_EXISTS:
        *t = (struct traits){X, LOOKUP_FLAGS, true, false, true, false, false};
        break;
    case OP_SUBDOC_GET_COUNT:
        *t = (struct traits){X, LOOKUP_FLAGS, true, false, true, true, false};
        break;
    case OP_SUBDOC_DICT_ADD:
    case OP_SUBDOC_DICT_UPSERT:
        *t = (struct traits){P | X | M | B, CREATE_FLAGS, false, true, true, false, true};
        break;
    case OP_SUBDOC_DELETE:
        *t = (struct traits){X, EDIT_FLAGS, false, true, true, false, false};
        break;
    case OP_SUBDOC_REPLACE:
        *t = (struct traits){X | M | B, EDIT_FLAGS, false, true, true, false, true};
        break;
    case OP_SUBDOC_ARRAY_PUSH_LAST:
    case OP_SUBDOC_ARRAY_PUSH_FIRST:
        *t = (struct traits){P | X | M, CREATE_FLAGS, false, true, true, true, true};
        break;
    case OP_SUBDOC_ARRAY_INSERT:
        *t = (struct traits){X | M, EDIT_FLAGS, false, true, true, false, true};
        break;
    case OP_SUBDOC_ARRAY_ADD_UNIQUE:
    case OP_SUBDOC_COUNTER:
        *t = (struct traits){P | X, CREATE_FLAGS, false, true, true, opcode == OP_SUBDOC_ARRAY_ADD_UNIQUE, true};
        break;
    case OP_SUBDOC_REPLACE_BODY_WITH_XATTR:
        *t = (struct traits){X | B, DOCF_ACCESS_DELETED | DOCF_REVIVE, false, true, true, false, false};
        break;
    default:
        return false;
    }
    return true;
}

static enum status refuse(enum status status, const char *text, const char **problem)
{
    *problem = text;
    return status;
}

/* ---- attribute keys */

/* The key ends at the first dot or bracket. It may begin with a letter, a digit, a blank, '_' (the system's), '$' (made up
 * by the server) or a byte above ASCII; measured. */
static bool read_xattr_key(struct subdoc_spec *s)
{
    const unsigned char *at = s->path.data;
    size_t len = 0;
    while (len < s->path.len && at[len] != '.' && at[len] != '[') {
        if (at[len] < ' ' || at[len] == 0x7f) return false;
        len++;
    }
    if (!len || len > XATTR_KEY_MAX) return false;
    bool word = (at[0] >= '0' && at[0] <= '9') || (at[0] >= 'A' && at[0] <= 'Z') || (at[0] >= 'a' && at[0] <= 'z');
    if (!word && at[0] != '_' && at[0] != '$' && at[0] != ' ' && at[0] < 0x80) return false;
    s->xattr_key_len = (uint8_t)len;
    return true;
}

/* ---- one spec */

static enum status check_flags(const struct subdoc_spec *s, const struct traits *t, const char **problem)
{
    if (s->flags & ~t->path_flags) return refuse(ST_EINVAL, "Request flags invalid", problem);
    bool xattr = s->flags & PATH_XATTR;
    if ((s->flags & PATH_MACROS) && !xattr)
        return refuse(ST_SUBDOC_XATTR_INVALID_FLAG_COMBO, "EXPAND_MACROS flag requires XATTR flag to be set", problem);
    if ((s->flags & PATH_BINARY) && !xattr)
        return refuse(ST_SUBDOC_XATTR_INVALID_FLAG_COMBO, "BINARY_VALUE flag requires XATTR flag to be set", problem);
    if ((s->flags & PATH_BINARY) && (s->flags & PATH_MACROS))
        return refuse(ST_SUBDOC_XATTR_INVALID_FLAG_COMBO, "BINARY_VALUE can't be used together with EXPAND_MACROS",
                      problem);
    return ST_SUCCESS;
}

static enum status check_parts(const struct subdoc_spec *s, const struct traits *t, const char **problem)
{
    if (!t->path && s->path.len)
        return refuse(ST_EINVAL, "Request must not include path for wholedoc operations", problem);
    if (s->path.len > SUBDOC_PATH_BYTES_MAX) return refuse(ST_EINVAL, "Request path length exceeds maximum", problem);
    if (t->value && !s->value.len) return refuse(ST_EINVAL, "Request must include value", problem);
    if (!t->value && s->value.len) return refuse(ST_EINVAL, "Request must not include value", problem);
    return ST_SUCCESS;
}

static enum status check_spec(struct subdoc_spec *s, const struct traits *t, uint8_t doc_flags, const char **problem)
{
    enum status status = check_flags(s, t, problem);
    if (status == ST_SUCCESS && (doc_flags & ~t->doc_flags))
        status = refuse(ST_EINVAL, "Request document flags invalid", problem);
    if (status == ST_SUCCESS) status = check_parts(s, t, problem);
    if (status != ST_SUCCESS) return status;
    if ((s->flags & PATH_XATTR) && !read_xattr_key(s))
        return refuse(ST_XATTR_EINVAL, "Request XATTR key invalid", problem);
    if (t->path && !t->empty_path && !s->path.len) return refuse(ST_EINVAL, "Request must include path", problem);
    return ST_SUCCESS;
}

static enum status check_doc_flags(const struct subdoc_plan *p, uint64_t cas, const char **problem)
{
    uint8_t f = p->doc_flags;
    if ((f & DOCF_ADD) && (f & DOCF_MKDOC))
        return refuse(ST_EINVAL, "Request must not contain both add and mkdoc flags", problem);
    if ((f & DOCF_ADD) && cas) return refuse(ST_EINVAL, "Request with add flag must have CAS 0", problem);
    if ((f & DOCF_REVIVE) && (f & DOCF_CREATE_AS_DELETED))
        return refuse(ST_EINVAL, "ReviveDocument can't be used with CreateAsDeleted", problem);
    if (!p->multi && (f & DOCF_CREATE_AS_DELETED) && !(f & (DOCF_MKDOC | DOCF_ADD)))
        return refuse(ST_EINVAL, "CreateAsDeleted requires Mkdoc or Add", problem);
    if (p->multi && (f & DOCF_REVIVE) && !(f & DOCF_ACCESS_DELETED))
        return refuse(ST_EINVAL, "ReviveDocument can't be used without AccessDeleted", problem);
    return ST_SUCCESS;
}

/* ---- extras: expiry, user flags, document flags, each only when there is room */

static void read_tail(struct rd *r, struct subdoc_plan *p)
{
    if (r->left >= 4) p->expiry = rd_u32be(r);
    if (r->left >= 4) {
        p->user_flags = rd_u32be(r);
        p->has_user_flags = true;
    }
    if (r->left) p->doc_flags = rd_u8(r);
}

static enum status read_single(const struct frame *f, struct subdoc_plan *p, const char **problem)
{
    struct rd r = rd_from(f->extras);
    struct traits t;
    size_t path_len = rd_u16be(&r);
    struct subdoc_spec *s = &p->specs[0];
    *s = (struct subdoc_spec){.opcode = f->opcode, .flags = rd_u8(&r)};
    read_tail(&r, p);
    if (!traits_of(f->opcode, &t)) return ST_UNKNOWN_COMMAND;
    if (p->doc_flags & ~DOCF_KNOWN) return refuse(ST_EINVAL, "Invalid extras section", problem);
    if (path_len > f->value.len) return refuse(ST_EINVAL, "Request path length exceeds the value", problem);
    s->path = bytes_slice(f->value, 0, path_len);
    s->value = bytes_slice(f->value, path_len, f->value.len);
    p->count = 1;
    p->mutates = t.mutation;
    enum status status = check_spec(s, &t, p->doc_flags, problem);
    return status == ST_SUCCESS ? check_doc_flags(p, f->cas, problem) : status;
}

static enum status read_spec(struct rd *r, struct subdoc_plan *p, const char **problem)
{
    struct subdoc_spec *s = &p->specs[p->count];
    struct traits t;
    *s = (struct subdoc_spec){.opcode = rd_u8(r), .flags = rd_u8(r)};
    size_t path_len = rd_u16be(r), value_len = p->mutates ? rd_u32be(r) : 0;
    s->path = rd_take(r, path_len);
    s->value = rd_take(r, value_len);
    if (!rd_ok(r))
        return refuse(ST_EINVAL, p->mutates ? "Multi mutation spec truncated" : "Multi lookup spec truncated", problem);
    if (!traits_of(s->opcode, &t))
        return refuse(ST_SUBDOC_INVALID_COMBO, "Subdoc and MCBP command must not both be invalid", problem);
    if (!(p->mutates ? t.mutation : t.lookup))
        return refuse(ST_SUBDOC_INVALID_COMBO, "Mutation opcodes only permitted for mutation commands", problem);
    p->count++;
    return check_spec(s, &t, p->doc_flags, problem);
}

/* Attributes come before the body; deleting the document leaves no body to work on. */
static enum status check_order(const struct subdoc_plan *p, const char **problem)
{
    size_t body = 0, deletes = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct subdoc_spec *s = &p->specs[i];
        bool xattr = s->flags & PATH_XATTR;
        if (xattr && body) return refuse(ST_SUBDOC_INVALID_XATTR_ORDER, "XATTR paths must come first", problem);
        body += !xattr;
        deletes += s->opcode == OP_DELETE;
    }
    if (deletes && body > 1)
        return refuse(ST_SUBDOC_INVALID_COMBO, "A document cannot be deleted and edited at once", problem);
    return ST_SUCCESS;
}

static enum status read_multi(const struct frame *f, struct subdoc_plan *p, const char **problem)
{
    struct rd r = rd_from(f->extras);
    p->multi = true;
    p->mutates = f->opcode == OP_SUBDOC_MULTI_MUTATION;
    read_tail(&r, p);
    if (p->doc_flags & ~DOCF_KNOWN) return refuse(ST_EINVAL, "Invalid extras section", problem);
    r = rd_from(f->value);
    enum status status = r.left ? ST_SUCCESS
                                : refuse(ST_SUBDOC_INVALID_COMBO, "Request must contain at least one path", problem);
    while (status == ST_SUCCESS && r.left) {
        if (p->count == SUBDOC_SPECS_MAX)
            return refuse(ST_SUBDOC_INVALID_COMBO, "Request must contain at most 16 paths", problem);
        status = read_spec(&r, p, problem);
    }
    if (status == ST_SUCCESS) status = check_order(p, problem);
    return status == ST_SUCCESS ? check_doc_flags(p, f->cas, problem) : status;
}

enum status subdoc_plan_read(const struct frame *f, struct subdoc_plan *out, const char **problem)
{
    *problem = NULL;
    out->count = out->doc_flags = 0;
    out->expiry = out->user_flags = 0;
    out->multi = out->mutates = out->has_user_flags = false;
    bool multi = f->opcode == OP_SUBDOC_MULTI_LOOKUP || f->opcode == OP_SUBDOC_MULTI_MUTATION;
    return multi ? read_multi(f, out, problem) : read_single(f, out, problem);
}
