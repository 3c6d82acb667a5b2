/* Reading of requests with the checks of the measured server, in its order. */
#include "wire/pathop.h"

enum allowed { NOT, YES, MUST };

/* What each opcode allows. Whole-body commands exist in lists only and take no path. */
struct rule {
    uint8_t opcode;
    bool mutation;
    uint8_t path, value; /* enum allowed: YES = may be empty, MUST = may not */
    uint8_t flags;       /* path flags that it knows */
    uint8_t doc_flags;   /* of the single-path command */
};

#define LOOKUP_DOC (DOC_ACCESS_DELETED | DOC_REPLICA_READ | DOC_REVIVE)
#define CHANGE_DOC (DOC_ACCESS_DELETED | DOC_REVIVE)
#define CREATE_DOC (CHANGE_DOC | DOC_MKDOC | DOC_ADD | DOC_CREATE_AS_DELETED)
/* The measured server lets these two pass with ADD: KEY_EEXISTS on a document, EINTERNAL on none. */
#define INSERT_DOC (CHANGE_DOC | DOC_ADD | DOC_CREATE_AS_DELETED)
#define P          PATHOP_MKDIR_P
#define X          PATHOP_XATTR
#define M          PATHOP_EXPAND_MACROS
#define B          PATHOP_BINARY

static const struct rule rules[] = {
    {OP_SUBDOC_GET, false, MUST, NOT, X | B, LOOKUP_DOC},
    {OP_SUBDOC_EXISTS, false, MUST, NOT, X, LOOKUP_DOC},
    {OP_SUBDOC_GET_COUNT, false, YES, NOT, X, LOOKUP_DOC},
    {OP_SUBDOC_DICT_ADD, true, MUST, MUST, P | X | M | B, CREATE_DOC},
    {OP_SUBDOC_DICT_UPSERT, true, MUST, MUST, P | X | M | B, CREATE_DOC},
    {OP_SUBDOC_DELETE, true, MUST, NOT, X, CHANGE_DOC},
    {OP_SUBDOC_REPLACE, true, MUST, MUST, X | M | B, CHANGE_DOC | DOC_ADD},
    {OP_SUBDOC_ARRAY_PUSH_LAST, true, YES, MUST, P | X | M, CREATE_DOC},
    {OP_SUBDOC_ARRAY_PUSH_FIRST, true, YES, MUST, P | X | M, CREATE_DOC},
    {OP_SUBDOC_ARRAY_INSERT, true, MUST, MUST, X | M, INSERT_DOC},
    {OP_SUBDOC_ARRAY_ADD_UNIQUE, true, YES, MUST, P | X, CREATE_DOC},
    {OP_SUBDOC_COUNTER, true, MUST, MUST, P | X, CREATE_DOC},
    {OP_SUBDOC_REPLACE_BODY_WITH_XATTR, true, MUST, NOT, X | B, CHANGE_DOC},
    {OP_GET, false, NOT, NOT, 0, 0},
    {OP_SET, true, NOT, MUST, 0, 0},
    {OP_DELETE, true, NOT, NOT, 0, 0},
};

#undef P
#undef X
#undef M
#undef B

static const struct rule *rule_of(uint8_t opcode)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (rules[i].opcode == opcode) return &rules[i];
    return NULL;
}

static enum status refuse(enum status status, const char **problem, const char *why)
{
    *problem = why;
    return status;
}

/* Virtual attributes begin with $, system ones with _; punctuation and control characters are reserved otherwise. */
static bool may_begin_key(uint8_t c)
{
    if (c >= 0x80 || c == '_' || c == '$' || c == ' ') return true;
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool pathop_xattr_key(struct divan_bytes path, struct divan_bytes *key)
{
    const uint8_t *at = path.data;
    size_t len = 0;
    while (len < path.len && at[len] != '.' && at[len] != '[') len++;
    if (!len || len > XATTR_KEY_MAX || !may_begin_key(at[0]) || memchr(at, 0, len)) return false;
    *key = bytes_of(at, len);
    return true;
}

static enum status check_flags(const struct rule *rule, const struct pathop *op, const char **problem)
{
    bool xattr = op->flags & PATHOP_XATTR, macros = op->flags & PATHOP_EXPAND_MACROS;
    if (op->flags & ~rule->flags) return refuse(ST_EINVAL, problem, "Request flags invalid");
    if (macros && !xattr)
        return refuse(ST_SUBDOC_XATTR_INVALID_FLAG_COMBO, problem, "EXPAND_MACROS flag requires XATTR flag to be set");
    if (op->flags & PATHOP_BINARY && !xattr)
        return refuse(ST_SUBDOC_XATTR_INVALID_FLAG_COMBO, problem, "BINARY_VALUE flag requires XATTR flag to be set");
    if (op->flags & PATHOP_BINARY && macros)
        return refuse(ST_SUBDOC_XATTR_INVALID_FLAG_COMBO, problem,
                      "BINARY_VALUE can't be used together with EXPAND_MACROS");
    if (op->opcode == OP_SUBDOC_REPLACE_BODY_WITH_XATTR && !xattr)
        return refuse(ST_EINVAL, problem, "REPLACE_BODY_WITH_XATTR requires the XATTR flag");
    return ST_SUCCESS;
}

static enum status check_op(const struct rule *rule, const struct pathop *op, const char **problem)
{
    struct divan_bytes key;
    if (op->path.len > PATHOP_PATH_MAX) return refuse(ST_EINVAL, problem, "Request path length exceeds maximum");
    if (rule->value == NOT && op->value.len) return refuse(ST_EINVAL, problem, "Request must not include value");
    if (rule->value == MUST && !op->value.len) return refuse(ST_EINVAL, problem, "Request must include value");
    enum status status = check_flags(rule, op, problem);
    if (status != ST_SUCCESS) return status;
    if (rule->path == NOT && op->path.len)
        return refuse(ST_EINVAL, problem, "Request must not include path for wholedoc operations");
    if (op->flags & PATHOP_XATTR && !pathop_xattr_key(op->path, &key))
        return refuse(ST_XATTR_EINVAL, problem, "Request XATTR key invalid");
    if (rule->path == MUST && !op->path.len) return refuse(ST_EINVAL, problem, "Request must include path");
    return ST_SUCCESS;
}

static enum status check_doc_flags(const struct frame *f, const struct pathop_request *r, uint8_t allowed,
                                   const char **problem)
{
    if (r->doc_flags & ~allowed) return refuse(ST_EINVAL, problem, "Request document flags invalid");
    if (r->doc_flags & DOC_MKDOC && r->doc_flags & DOC_ADD)
        return refuse(ST_EINVAL, problem, "Request must not contain both add and mkdoc flags");
    if (r->doc_flags & DOC_ADD && f->cas) return refuse(ST_EINVAL, problem, "Request with add flag must have CAS 0");
    return ST_SUCCESS;
}

/* The length of the extras alone tells which of expiry, user flags and document flags are there. */
static void read_tail(struct rd *r, struct pathop_request *out)
{
    out->has_expiry = r->left >= 4;
    if (out->has_expiry) out->expiry = rd_u32be(r);
    out->has_user_flags = r->left >= 4;
    if (out->has_user_flags) out->user_flags = rd_u32be(r);
    if (r->left) out->doc_flags = rd_u8(r);
}

static bool extras_len_fits(const struct frame *f)
{
    return f->extras.len < 64 && op_facts[f->opcode].extras >> f->extras.len & 1;
}

static enum status read_single(const struct frame *f, struct pathop_request *out, const char **problem)
{
    const struct rule *rule = rule_of(f->opcode);
    struct rd extras = rd_from(f->extras), value = rd_from(f->value);
    struct pathop *op = &out->ops[0];
    if (!rule || pathop_is_whole_body(f->opcode) || !extras_len_fits(f))
        return refuse(ST_EINVAL, problem, "Invalid extras section");
    uint16_t path_len = rd_u16be(&extras);
    op->opcode = f->opcode;
    op->flags = rd_u8(&extras);
    out->count = 1;
    out->mutation = rule->mutation;
    read_tail(&extras, out);
    op->path = rd_take(&value, path_len);
    if (!rd_ok(&value)) return refuse(ST_EINVAL, problem, "Request path length exceeds the value");
    op->value = rd_rest(&value);
    enum status status = check_op(rule, op, problem);
    if (status == ST_SUCCESS) status = check_doc_flags(f, out, rule->doc_flags, problem);
    if (status == ST_SUCCESS && out->doc_flags & DOC_CREATE_AS_DELETED && !(out->doc_flags & (DOC_MKDOC | DOC_ADD)))
        status = refuse(ST_EINVAL, problem, "CreateAsDeleted requires Mkdoc or Add");
    return status;
}

static enum status read_spec(struct rd *r, struct pathop_request *out, const char **problem)
{
    struct pathop *op = &out->ops[out->count];
    op->opcode = rd_u8(r);
    op->flags = rd_u8(r);
    uint16_t path_len = rd_u16be(r);
    uint32_t value_len = out->mutation ? rd_u32be(r) : 0;
    const struct rule *rule = rule_of(op->opcode);
    if (!rd_ok(r)) return refuse(ST_EINVAL, problem, "Multi spec truncated");
    if (!rule) return refuse(ST_SUBDOC_INVALID_COMBO, problem, "The command of a spec is not a sub-document command");
    if (rule->mutation != out->mutation)
        return refuse(ST_SUBDOC_INVALID_COMBO, problem, "Lookups and mutations must not be mixed in one command");
    op->path = rd_take(r, path_len);
    op->value = rd_take(r, value_len);
    if (!rd_ok(r)) return refuse(ST_EINVAL, problem, "Multi path or value truncated");
    return check_op(rule, op, problem);
}

static enum status check_combination(const struct pathop_request *r, const char **problem)
{
    size_t bodies = 0;
    bool deletes = false;
    for (size_t i = 0; i < r->count; i++) {
        bool xattr = r->ops[i].flags & PATHOP_XATTR;
        if (xattr && bodies)
            return refuse(ST_SUBDOC_INVALID_XATTR_ORDER, problem, "Attribute paths must come before body paths");
        bodies += !xattr;
        deletes |= r->ops[i].opcode == OP_DELETE;
    }
    if (deletes && bodies > 1)
        return refuse(ST_SUBDOC_INVALID_COMBO, problem, "A deletion of the body must be the only body command");
    return ST_SUCCESS;
}

static enum status check_multi_doc_flags(const struct frame *f, const struct pathop_request *r, const char **problem)
{
    uint8_t flags = r->doc_flags;
    bool whole = false; /* a list that writes the whole body */
    enum status status = check_doc_flags(f, r, r->mutation ? CREATE_DOC : LOOKUP_DOC, problem);
    for (size_t i = 0; i < r->count; i++) whole |= r->mutation && pathop_is_whole_body(r->ops[i].opcode);
    if (status != ST_SUCCESS) return status;
    if (flags & DOC_REVIVE && !(flags & DOC_ACCESS_DELETED))
        return refuse(ST_EINVAL, problem, "ReviveDocument can't be used without AccessDeleted");
    if (flags & DOC_REVIVE && flags & DOC_CREATE_AS_DELETED)
        return refuse(ST_EINVAL, problem, "ReviveDocument can't be used with CreateAsDeleted");
    if (flags & (DOC_CREATE_AS_DELETED | DOC_REVIVE) && whole)
        return refuse(ST_EINVAL, problem, "Request document flags invalid");
    return ST_SUCCESS;
}

static enum status read_multi(const struct frame *f, struct pathop_request *out, const char **problem)
{
    struct rd extras = rd_from(f->extras), value = rd_from(f->value);
    enum status status = ST_SUCCESS;
    if (!extras_len_fits(f)) return refuse(ST_EINVAL, problem, "Request extras invalid");
    out->mutation = f->opcode == OP_SUBDOC_MULTI_MUTATION;
    read_tail(&extras, out);
    if (!value.left) return refuse(ST_SUBDOC_INVALID_COMBO, problem, "Request must contain at least one path");
    for (; value.left && status == ST_SUCCESS; out->count++) {
        if (out->count == PATHOPS_MAX)
            return refuse(ST_SUBDOC_INVALID_COMBO, problem, "Request must contain at most 16 paths");
        status = read_spec(&value, out, problem);
    }
    if (status == ST_SUCCESS) status = check_combination(out, problem);
    if (status == ST_SUCCESS) status = check_multi_doc_flags(f, out, problem);
    return status;
}

enum status pathop_read(const struct frame *f, struct pathop_request *out, const char **problem)
{
    bool multi = f->opcode == OP_SUBDOC_MULTI_LOOKUP || f->opcode == OP_SUBDOC_MULTI_MUTATION;
    struct pathop_request request;
    memset(&request, 0, sizeof request);
    *problem = NULL;
    enum status status = multi ? read_multi(f, &request, problem) : read_single(f, &request, problem);
    if (status == ST_SUCCESS) *out = request;
    return status;
}
