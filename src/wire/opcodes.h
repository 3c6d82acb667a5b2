/* The opcodes and what each of them allows, from defs/opcodes.def. */
#ifndef DIVAN_WIRE_OPCODES_H
#define DIVAN_WIRE_OPCODES_H

#include <stdbool.h>
#include <stdint.h>

enum opcode {
#define X(name, code, twin, extras, key, value, cas, traits) OP_##name = code,
#include "../../defs/opcodes.def"
#undef X
};

/* Opcodes of MAGIC_SERVER_REQUEST: a number space of its own. */
enum server_opcode {
    SERVER_OP_CLUSTERMAP = 0x01,
    SERVER_OP_AUTHENTICATE = 0x02,
    SERVER_OP_ACTIVE_EXTERNAL_USERS = 0x03
};

enum op_trait {
    OPT_KNOWN = 1 << 0,    /* in the table at all */
    OPT_READ = 1 << 1,     /* changes nothing: may be sent again at will */
    OPT_WRITE = 1 << 2,    /* changes a document */
    OPT_QUIET = 1 << 3,    /* answers only when there is news */
    OPT_VB = 1 << 4,       /* addressed to a vBucket */
    OPT_DURABLE = 1 << 5,  /* takes the durability frame */
    OPT_KEEP_TTL = 1 << 6, /* takes the preserve-TTL frame */
    OPT_REORDER = 1 << 7,  /* may be overtaken and overtake under unordered execution */
    OPT_EARLY = 1 << 8,    /* allowed before authentication */
    OPT_BODY = 1 << 9,     /* the value is a document body: may be compressed or marked as JSON */
    OPT_SUBDOC = 1 << 10,
    OPT_DCP = 1 << 11,
    OPT_RETIRED = 1 << 12,  /* known, but not served by anyone (NOT_SUPPORTED) */
    OPT_INTERNAL = 1 << 13, /* between nodes only */
    OPT_VB_ZERO = 1 << 14,  /* the vBucket field has to be 0 */
    OPT_NEWER = 1 << 15,    /* unknown to the version that a node of ours announces */
};

enum op_key { OP_KEY_NO, OP_KEY_DOC /* collection prefix when negotiated */, OP_KEY_NAME, OP_KEY_MAY };
enum op_value { OP_VALUE_NO, OP_VALUE_MUST, OP_VALUE_MAY };
enum op_cas { OP_CAS_ZERO, OP_CAS_ANY, OP_CAS_SET };

struct op_facts {
    const char *name;        /* "GET"; NULL = unknown opcode (traits 0) */
    uint64_t extras;         /* bit n: a request may have n bytes of extras */
    uint32_t traits;         /* enum op_trait */
    uint8_t twin;            /* quiet form of a loud opcode and the other way round; itself when there is one form */
    uint8_t key, value, cas; /* enum op_key, op_value, op_cas */
};

extern const struct op_facts op_facts[256];

static inline bool op_has(uint8_t opcode, uint32_t trait)
{
    return (op_facts[opcode].traits & trait) != 0;
}
static inline bool op_is_known(uint8_t opcode)
{
    return op_has(opcode, OPT_KNOWN);
}
static inline bool op_takes_document_key(uint8_t opcode)
{
    return op_facts[opcode].key == OP_KEY_DOC;
}
/** The form that always answers. */
static inline uint8_t op_loud(uint8_t opcode)
{
    return op_has(opcode, OPT_QUIET) ? op_facts[opcode].twin : opcode;
}
/** The form that answers only news; the opcode itself when there is none. */
static inline uint8_t op_quiet(uint8_t opcode)
{
    return op_has(opcode, OPT_QUIET) ? opcode : op_facts[opcode].twin;
}
/** "GET"; "OP_0xNN" in a static table for unknown ones; never NULL. */
const char *op_name(uint8_t opcode);
/** The opcode of a name as in the table, any case; -1 = none. */
int op_from_name(const char *name);

#endif
