/* Paths into a JSON document: "a.b[2].`x.y`[-1]". Pure functions on text, no memory. */
#ifndef DIVAN_TEXT_SUBDOC_PATH_H
#define DIVAN_TEXT_SUBDOC_PATH_H

#include "text/json.h"

enum {
    SUBDOC_PATH_BYTES_MAX = 1024,
    SUBDOC_LEVELS_MAX = 32,     /* of a document: a scalar is one level, {"a":1} has two (measured on 7.6.2) */
    SUBDOC_COMPONENTS_MAX = 31, /* the document itself is the first level */
};

/* Numbers are the statuses on the wire. */
enum subdoc_status {
    SUBDOC_OK = 0,
    SUBDOC_EINVAL = 0x04,    /* a missing value, a path that is too long or not allowed for the command */
    SUBDOC_NO_MEMORY = 0x82, /* or the result would exceed the buffer's limit */
    SUBDOC_PATH_ENOENT = 0xc0,
    SUBDOC_PATH_MISMATCH = 0xc1,
    SUBDOC_PATH_EINVAL = 0xc2,
    SUBDOC_PATH_E2BIG = 0xc3,
    SUBDOC_DOC_E2DEEP = 0xc4,
    SUBDOC_VALUE_CANTINSERT = 0xc5,
    SUBDOC_DOC_NOTJSON = 0xc6,
    SUBDOC_NUM_ERANGE = 0xc7,
    SUBDOC_DELTA_EINVAL = 0xc8,
    SUBDOC_PATH_EEXISTS = 0xc9,
    SUBDOC_VALUE_ETOODEEP = 0xca,
};

struct subdoc_component {
    bool is_index;
    bool is_last;            /* [-1] */
    uint64_t index;          /* of [n] */
    struct divan_bytes name; /* what a member's name must unescape to; in the scratch of the path */
    struct divan_bytes json; /* the same as content of a JSON string, for writing it; in the scratch too */
};

struct subdoc_path {
    struct subdoc_component components[SUBDOC_COMPONENTS_MAX];
    size_t count; /* 0: the document itself */
    char scratch[2 * SUBDOC_PATH_BYTES_MAX];
};

/** Parses a path into *out, which points into itself: do not copy it. Syntax: names separated by dots, [n], [-1] for the
 * last element, [] for the first; a trailing dot does not count. Between backticks dots and brackets are ordinary and a
 * doubled backtick is one. Quotes and backslashes in names are escaped as in JSON.
 * SUBDOC_OK, EINVAL (too long), PATH_EINVAL, PATH_E2BIG. */
enum subdoc_status subdoc_path_parse(struct divan_bytes text, struct subdoc_path *out);

#endif
