#include "wire/opcodes.h"

#include <stddef.h>
#include <strings.h>

/* The words of the table. */
#define L(n)    ((uint64_t)1 << (n))
#define ANY_LEN UINT64_MAX
#define SINGLE  (L(3) | L(4) | L(7) | L(8) | L(11) | L(12))

#define KEY_NO   OP_KEY_NO
#define KEY_DOC  OP_KEY_DOC
#define KEY_NAME OP_KEY_NAME
#define KEY_MAY  OP_KEY_MAY

#define VALUE_NO   OP_VALUE_NO
#define VALUE_MUST OP_VALUE_MUST
#define VALUE_MAY  OP_VALUE_MAY

#define CAS_ZERO OP_CAS_ZERO
#define CAS_ANY  OP_CAS_ANY
#define CAS_SET  OP_CAS_SET

#define READ         OPT_READ
#define WRITE        OPT_WRITE
#define QUIET        OPT_QUIET
#define VB           OPT_VB
#define VB_ZERO      OPT_VB_ZERO
#define DURABLE      OPT_DURABLE
#define KEEP_TTL     OPT_KEEP_TTL
#define REORDER      OPT_REORDER
#define EARLY        OPT_EARLY
#define BODY         OPT_BODY
#define SUBDOC       OPT_SUBDOC
#define DCP          OPT_DCP
#define RETIRED      OPT_RETIRED
#define NEWER        OPT_NEWER
#define INTERNAL     OPT_INTERNAL
#define SUBDOC_WRITE (WRITE | VB | DURABLE | KEEP_TTL | REORDER | SUBDOC)

const struct op_facts op_facts[256] = {
#define X(name_, code, twin_, extras_, key_, value_, cas_, traits_)                                                    \
    [code] = {.name = #name_,                                                                                          \
              .extras = extras_,                                                                                       \
              .traits = OPT_KNOWN | (traits_),                                                                         \
              .twin = OP_##twin_,                                                                                      \
              .key = KEY_##key_,                                                                                       \
              .value = VALUE_##value_,                                                                                 \
              .cas = CAS_##cas_},
#include "../../defs/opcodes.def"
#undef X
};

/* Names of what the table does not have, so that a name never needs memory. */
#define U1(n) "OP_0x" #n
#define U16(h)                                                                                                         \
    U1(h##0), U1(h##1), U1(h##2), U1(h##3), U1(h##4), U1(h##5), U1(h##6), U1(h##7), U1(h##8), U1(h##9), U1(h##a),      \
        U1(h##b), U1(h##c), U1(h##d), U1(h##e), U1(h##f)
static const char *const unknown[256] = {U16(0), U16(1), U16(2), U16(3), U16(4), U16(5), U16(6), U16(7),
                                         U16(8), U16(9), U16(a), U16(b), U16(c), U16(d), U16(e), U16(f)};

const char *op_name(uint8_t opcode)
{
    return op_facts[opcode].name ? op_facts[opcode].name : unknown[opcode];
}

int op_from_name(const char *name)
{
    for (int i = 0; name && i < 256; i++)
        if (op_facts[i].name && !strcasecmp(op_facts[i].name, name)) return i;
    return -1;
}
