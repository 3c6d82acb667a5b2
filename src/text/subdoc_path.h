/* Paths into a JSON document: "a.b[2].`x.y`[-1]". Pure functions on text, no memory. */
#ifndef DIVAN_TEXT_SUBDOC_PATH_H
#define DIVAN_TEXT_SUBDOC_PATH_H

#include "text/json.h"

enum {
    SUBDOC_PATH_BYTES_MAX = 1024,
    SUBDOC_COMPONENTS_MAX = 32,
    SUBDOC_DEPTH_MAX = 31, /* open containers of a document; measured: 31 are fine, 32 are too deep */
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
    uint64_t index;          /* saturated */
    struct divan_bytes name; /* as JSON string content (escapes as in JSON), a view of the path; "``" stands for "`" */
    bool doubled_backticks;  /* name holds "``" */
};

struct subdoc_path {
    struct subdoc_component components[SUBDOC_COMPONENTS_MAX];
    size_t count; /* 0: the document itself */
};

/** Parses a path; the views in *out point into text. SUBDOC_OK, EINVAL (too long), PATH_EINVAL, PATH_E2BIG. */
enum subdoc_status subdoc_path_parse(struct divan_bytes text, struct subdoc_path *out);

#endif
