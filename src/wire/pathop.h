/* Sub-document messages: single-path commands and lists of specs, requests and answers, both directions. What a path does
 * to a document is not decided here. */
#ifndef DIVAN_WIRE_PATHOP_H
#define DIVAN_WIRE_PATHOP_H

#include "wire/kv.h"

enum { PATHOPS_MAX = 16, PATHOP_PATH_MAX = 1024, XATTR_KEY_MAX = 15 };

enum pathop_flag {
    PATHOP_MKDIR_P = 0x01,
    PATHOP_XATTR = 0x04,
    PATHOP_EXPAND_MACROS = 0x10,
    PATHOP_BINARY = 0x20,
};

enum pathop_doc_flag {
    DOC_MKDOC = 0x01, /* create when missing */
    DOC_ADD = 0x02,   /* only create */
    DOC_ACCESS_DELETED = 0x04,
    DOC_CREATE_AS_DELETED = 0x08,
    DOC_REVIVE = 0x10,
    DOC_REPLICA_READ = 0x20,
};

struct pathop {
    uint8_t opcode; /* OP_SUBDOC_*; in a list also OP_GET, OP_SET, OP_DELETE of the whole body, with an empty path */
    uint8_t flags;
    struct divan_bytes path, value;
};

struct pathop_request {
    bool mutation;
    bool has_expiry, has_user_flags; /* mutations; absent on the wire when false */
    uint32_t expiry, user_flags;     /* user flags need an expiry field on the wire: 0 is sent for it */
    uint8_t doc_flags;
    size_t count;
    struct pathop ops[PATHOPS_MAX];
};

/* ---- client */

/** SUBDOC_MULTI_LOOKUP or _MUTATION. Attribute paths have to come first: see pathop_sort. out->failed: no spec, or one
 * whose path is above 65535 bytes. */
void pathop_put_multi(struct buf *out, const struct kv_target *t, const struct pathop_request *r);
/** The same in two steps, for a request that may be sent again: the specs alone, then a frame around them. r->ops is not
 * looked at by the second. */
void pathop_put_specs(struct buf *out, const struct pathop_request *r);
void pathop_put_around(struct buf *out, const struct kv_target *t, const struct pathop_request *r,
                       struct divan_bytes specs);
/** ops[0] as a command of its own. */
void pathop_put_single(struct buf *out, const struct kv_target *t, const struct pathop_request *r);
/** Moves attribute paths to the front, each group in the order it had; order[i] tells which op the i-th was before. */
void pathop_sort(struct pathop_request *r, uint8_t order[PATHOPS_MAX]);

struct pathop_result {
    uint8_t index; /* which op, in the order of the request */
    uint16_t status;
    struct divan_bytes value;
};
/** Takes the next result of the value of a SUBDOC_MULTI_LOOKUP answer; false at the end or (r->bad) when malformed. The
 * caller counts: index is not written. */
bool pathop_next_lookup(struct rd *r, struct pathop_result *out);
/** The same for SUBDOC_MULTI_MUTATION; a value follows only a status of SUCCESS. */
bool pathop_next_mutation(struct rd *r, struct pathop_result *out);

/* ---- node */

/** Reads and checks a request of any sub-document opcode. SUCCESS, or what the measured server answers to the whole
 * command: EINVAL, SUBDOC_INVALID_COMBO, SUBDOC_INVALID_XATTR_ORDER, SUBDOC_XATTR_INVALID_FLAG_COMBO, XATTR_EINVAL;
 * *problem is a sentence for the error body. Views point into the frame. */
enum status pathop_read(const struct frame *f, struct pathop_request *out, const char **problem);

void pathop_put_lookup_result(struct buf *out, uint16_t status, struct divan_bytes value);
void pathop_put_mutation_result(struct buf *out, uint8_t index, struct divan_bytes value); /**< success with a value */
void pathop_put_mutation_failure(struct buf *out, uint8_t index, uint16_t status);

/* ---- facts about one opcode of a spec */

static inline bool pathop_is_whole_body(uint8_t opcode)
{
    return opcode == OP_GET || opcode == OP_SET || opcode == OP_DELETE;
}
/** Whether a successful mutation answers with a value. */
static inline bool pathop_answers_value(uint8_t opcode)
{
    return opcode == OP_SUBDOC_COUNTER;
}
/** The attribute a path names: up to the first '.' or '['. false: not an acceptable key. */
bool pathop_xattr_key(struct divan_bytes path, struct divan_bytes *key);

#endif
