/* Sub-document requests of a program: checked, put into the order of the wire, and their answers put back into the order
 * of the program. */
#ifndef DIVAN_CLIENT_SPECS_H
#define DIVAN_CLIENT_SPECS_H

#include <divan/divan.h>

#include "client/operation.h"
#include "wire/pathop.h"

enum { NUMBER_ROOM = 24 }; /* a signed 64-bit number as text */

/* A checked list. Views point to what the program gave, and into numbers: do not copy it. */
struct call_specs {
    struct pathop_request request;
    uint8_t order[PATHOPS_MAX]; /* which spec of the program is the i-th on the wire */
    uint16_t exists_mask;       /* specs that ask for existence, by their place in the program's list */
    bool with_expiry;           /* a projection whose first path is the expiry */
    const char *const *project; /* of a projection: the paths that are wanted */
    size_t project_count;
    char numbers[PATHOPS_MAX][NUMBER_ROOM];
};

/** SPEC_COUNT, SPEC_INVALID, PATH_NULL, PATH_TOO_LONG. The sentence counts specs from 0, as the program does. */
enum divan_code specs_from_lookups(struct call_specs *s, const struct divan_lookup *specs, size_t count,
                                   bool access_deleted, struct divan_error *err);
/** Also VALUE_NULL, VALUE_TOO_LARGE, DELTA_RANGE, STORE_CONFLICT. */
enum divan_code specs_from_mutations(struct call_specs *s, const struct divan_mutation *specs, size_t count,
                                     const struct divan_mutate_options *options, struct divan_error *err);
/** What get needs for its expiry and projection: the paths, or the whole document when they are too many for a request. */
enum divan_code specs_from_projection(struct call_specs *s, const struct divan_get_options *options,
                                      struct divan_error *err);

/** Puts the request into the operation: its value, order and flags. false: out of memory. */
bool specs_put(struct operation *op, const struct call_specs *s);
/** Writes the frame of an operation that specs_put() filled. */
void specs_put_frame(struct buf *out, const struct kv_target *t, const struct operation *op);

/** Whether a status that is not SUCCESS carries results all the same. */
bool specs_has_results(const struct operation *op, uint16_t status);
/** Of an answer without success to a mutation: the spec that failed (its place in the program's list) and its status. False
 * when the answer does not name one. */
bool specs_failure(const struct operation *op, const struct frame *f, size_t *spec, uint16_t *status);
/** The path of a spec, out of the request that is still in the operation. */
struct divan_bytes specs_path(const struct operation *op, size_t spec);
/** Turns the answer to a projecting get into its value and expiry. scratch is used on the way. DOCUMENT_NOT_JSON, PROTOCOL_ERROR,
 * OUT_OF_MEMORY. */
enum divan_code specs_project(struct operation *op, const struct frame *f, struct buf *scratch,
                              struct divan_error *err);

#endif
