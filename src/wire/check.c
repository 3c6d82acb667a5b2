#include "wire/check.h"

#include "wire/kv.h"
#include "wire/opcodes.h"

enum { DATATYPE_ALL = DATATYPE_JSON | DATATYPE_SNAPPY | DATATYPE_XATTR };

static const char *check_datatype(const struct frame *f, const struct op_facts *op, feature_set features)
{
    uint8_t allowed = op->traits & OPT_BODY ? DATATYPE_JSON | DATATYPE_SNAPPY : 0;
    if (f->opcode == OP_RANGE_SCAN_CREATE || f->opcode == OP_STAT) allowed |= DATATYPE_JSON;
    if (f->opcode >= OP_SET_WITH_META && f->opcode <= OP_DELQ_WITH_META) allowed |= DATATYPE_XATTR;
    if (op->traits & OPT_DCP) allowed = DATATYPE_ALL;
    if (f->datatype & ~allowed) return "Request datatype invalid";
    if (f->datatype & DATATYPE_JSON && !feature_has(features, FEATURE_JSON))
        return "Datatype (json) not enabled for the connection";
    if (f->datatype & DATATYPE_SNAPPY && !feature_has(features, FEATURE_SNAPPY) &&
        !feature_has(features, FEATURE_SNAPPY_EVERYWHERE))
        return "Datatype (snappy) not enabled for the connection";
    if (f->datatype & DATATYPE_XATTR && !feature_has(features, FEATURE_XATTR))
        return "Datatype (xattr) not enabled for the connection";
    return NULL;
}

static const char *check_extras(const struct frame *f, const struct op_facts *op)
{
    if (op->extras == UINT64_MAX || (f->extras.len < 64 && op->extras >> f->extras.len & 1)) return NULL;
    return op->extras == 1 ? "Request must not include extras" : "Request must include extras of another length";
}

static const char *check_key(const struct frame *f, const struct op_facts *op, feature_set features)
{
    bool prefixed = op->key == OP_KEY_DOC && feature_has(features, FEATURE_COLLECTIONS);
    if (op->key == OP_KEY_NO) return f->key.len ? "Request must not include key" : NULL;
    if (op->key != OP_KEY_MAY && !f->key.len) return "Request must include key";
    return f->key.len > KEY_MAX + (prefixed ? LEB128_MAX : 0) ? "Key length exceeds 250" : NULL;
}

static const char *check_value(const struct frame *f, const struct op_facts *op)
{
    if (op->value == OP_VALUE_NO && f->value.len) return "Request must not include value";
    return op->value == OP_VALUE_MUST && !f->value.len ? "Request must include value" : NULL;
}

static const char *check_cas(const struct frame *f, const struct op_facts *op)
{
    if (op->cas == OP_CAS_ZERO && f->cas) return "Request CAS must not be set";
    return op->cas == OP_CAS_SET && !f->cas ? "Request CAS must be set" : NULL;
}

enum status request_check(const struct frame *f, feature_set features, const char **problem)
{
    const struct op_facts *op = &op_facts[f->opcode];
    const char *why = NULL;
    *problem = NULL;
    if (!(op->traits & OPT_KNOWN) || op->traits & OPT_NEWER) return ST_UNKNOWN_COMMAND;
    if (op->traits & OPT_RETIRED) return ST_NOT_SUPPORTED;
    if (f->datatype & ~DATATYPE_ALL) why = "Request datatype invalid";
    if (!why) why = check_extras(f, op);
    if (!why) why = check_key(f, op, features);
    if (!why) why = check_value(f, op);
    if (!why) why = check_cas(f, op);
    if (!why && op->traits & OPT_VB_ZERO && f->vbucket) why = "Request vbucket id must be 0";
    if (!why) why = check_datatype(f, op, features);
    *problem = why;
    return why ? ST_EINVAL : ST_SUCCESS;
}
