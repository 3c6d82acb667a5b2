/* Projections: a JSON object that has only some paths of a document. Pure functions on text. */
#ifndef DIVAN_CLIENT_PROJECT_H
#define DIVAN_CLIENT_PROJECT_H

#include "base/bytes.h"

struct projection_node;

/* {.nodes = NULL} is a valid empty one. */
struct projection {
    struct projection_node *nodes; /* [0] is the root */
    size_t count, cap;
    struct buf names; /* of members, as content of JSON strings */
};

/** Puts value (JSON text, borrowed until projection_put()) at a path. PATH_INVALID, PATH_TOO_BIG, OUT_OF_MEMORY. */
enum divan_code projection_add(struct projection *p, struct divan_bytes path, struct divan_bytes value,
                               struct divan_error *err);
/** Finds the path in a valid JSON document and adds what is there, if anything. */
enum divan_code projection_take(struct projection *p, struct divan_bytes path, struct divan_bytes document,
                                struct divan_error *err);
/** Appends the object. Members are in the order in which they were added; of arrays only the elements that were added
 * remain, in the order of their index. OUT_OF_MEMORY. */
enum divan_code projection_put(const struct projection *p, struct buf *out, struct divan_error *err);
void projection_fini(struct projection *p);

#endif
