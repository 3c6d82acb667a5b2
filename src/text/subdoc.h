/* Sub-document commands as pure functions: document text in, edited text out. What an edit does not touch stays byte for
 * byte. Paths as in text/subdoc_path.h; works on bodies and on the value of one extended attribute alike. */
#ifndef DIVAN_TEXT_SUBDOC_H
#define DIVAN_TEXT_SUBDOC_H

#include "text/subdoc_path.h"

/* Numbers are the opcodes on the wire. */
enum subdoc_op {
    SUBDOC_GET = 0xc5,
    SUBDOC_EXISTS = 0xc6,
    SUBDOC_DICT_ADD = 0xc7,
    SUBDOC_DICT_UPSERT = 0xc8,
    SUBDOC_DELETE = 0xc9,
    SUBDOC_REPLACE = 0xca,
    SUBDOC_ARRAY_PUSH_LAST = 0xcb,
    SUBDOC_ARRAY_PUSH_FIRST = 0xcc,
    SUBDOC_ARRAY_INSERT = 0xcd,
    SUBDOC_ARRAY_ADD_UNIQUE = 0xce,
    SUBDOC_COUNTER = 0xcf,
    SUBDOC_GET_COUNT = 0xd2,
};

struct subdoc_reply {
    struct divan_bytes value; /* GET: a view of the document; GET_COUNT, COUNTER: of `number`; else empty */
    char number[24];
};

/** Runs a lookup (GET, EXISTS, GET_COUNT). *reply is written on SUBDOC_OK; value points into the document or into *reply,
 * so do not copy the struct. */
enum subdoc_status subdoc_lookup(enum subdoc_op op, struct divan_bytes document, struct divan_bytes path,
                                 struct subdoc_reply *reply);
/** Runs a mutation and appends the edited document to *out (nothing is appended on failure). mkdir_p creates missing
 * objects on the way. out must not hold the document itself. reply may be NULL. */
enum subdoc_status subdoc_mutate(enum subdoc_op op, struct divan_bytes document, struct divan_bytes path,
                                 struct divan_bytes value, bool mkdir_p, struct buf *out, struct subdoc_reply *reply);
/** The same two for a document that json_check() found valid with at most SUBDOC_KNOWN_DEPTH open containers, when it was
 * stored perhaps: it is not checked again. */
enum { SUBDOC_KNOWN_DEPTH = SUBDOC_LEVELS_MAX - 1 };
enum subdoc_status subdoc_lookup_known(enum subdoc_op op, struct divan_bytes document, struct divan_bytes path,
                                       struct subdoc_reply *reply);
enum subdoc_status subdoc_mutate_known(enum subdoc_op op, struct divan_bytes document, struct divan_bytes path,
                                       struct divan_bytes value, bool mkdir_p, struct buf *out,
                                       struct subdoc_reply *reply);
/** Whether op may have an empty path, and whether it carries a value. */
bool subdoc_takes_empty_path(enum subdoc_op op);
bool subdoc_takes_value(enum subdoc_op op);
static inline bool subdoc_is_lookup(enum subdoc_op op)
{
    return op == SUBDOC_GET || op == SUBDOC_EXISTS || op == SUBDOC_GET_COUNT;
}

#endif
