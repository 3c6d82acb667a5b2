/* Finding the place of a path in a document. Between the sub-document files only. */
#ifndef DIVAN_TEXT_SUBDOC_FIND_H
#define DIVAN_TEXT_SUBDOC_FIND_H

#include "text/subdoc_path.h"

enum subdoc_match {
    SUBDOC_FOUND,
    SUBDOC_MISSING,  /* a member or element does not exist */
    SUBDOC_MISMATCH, /* a component does not fit the kind of its container */
};

struct subdoc_place {
    enum subdoc_match match;
    struct json_value value; /* found: what is there; missing: the deepest container that exists */
    const char *entry;       /* found, below the root: where its entry begins, the key in an object */
    size_t missing;          /* missing: position of the first component that does not exist */
};

/** Follows the first `count` components from root, whose text must be valid JSON. */
struct subdoc_place subdoc_find(struct json_value root, const struct subdoc_path *path, size_t count);

size_t subdoc_count(struct json_value container);
/** The last entry's end, or the opening bracket's when there is none: where another may be appended. */
const char *subdoc_append_at(struct json_value container, bool *empty);
/** The start of element `index`; NULL when there are not that many. */
const char *subdoc_element_at(struct json_value array, uint64_t index);
/** Levels of a value: 1 for a scalar or an empty container, one more around. The text must be valid JSON. */
unsigned subdoc_levels(struct divan_bytes text);

#endif
