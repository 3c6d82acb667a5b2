/* Splicing one edit into a document, and judging the values that go in. Between the sub-document files only. */
#ifndef DIVAN_TEXT_SUBDOC_EDIT_H
#define DIVAN_TEXT_SUBDOC_EDIT_H

#include "text/subdoc.h"
#include "text/subdoc_find.h"

struct subdoc_edit {
    enum subdoc_op op;
    struct divan_bytes document;
    struct json_value root;
    const struct subdoc_path *path;
    struct divan_bytes value;
    bool mkdir_p;
    struct buf *out;
    struct subdoc_reply *reply;
};

/** Whether the value may go in for this command: VALUE_CANTINSERT, VALUE_ETOODEEP. */
enum subdoc_status subdoc_check_value(const struct subdoc_edit *e);
/** A delta: a whole number other than 0 in its canonical form. */
bool subdoc_read_delta(struct divan_bytes text, int64_t *out);
/** An existing counter: PATH_MISMATCH (no whole number), NUM_ERANGE. */
enum subdoc_status subdoc_read_counter(struct json_value value, int64_t *out);

/* The edits: each appends the whole new document to e->out. SUBDOC_NO_MEMORY. */
enum subdoc_status subdoc_replace(struct subdoc_edit *e, struct json_value old, struct divan_bytes text);
enum subdoc_status subdoc_remove(struct subdoc_edit *e, const struct subdoc_place *place);
enum subdoc_status subdoc_append(struct subdoc_edit *e, struct json_value array);
enum subdoc_status subdoc_prepend(struct subdoc_edit *e, struct json_value array);
enum subdoc_status subdoc_insert_before(struct subdoc_edit *e, const char *at);
/** Adds the missing member at a place, with mkdir_p the objects on the way; in_array: as the only element of a new array.
 * PATH_ENOENT when that is not possible. */
enum subdoc_status subdoc_create(struct subdoc_edit *e, const struct subdoc_place *place, struct divan_bytes text,
                                 bool in_array);

#endif
