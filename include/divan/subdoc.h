/* Reading and changing parts of a document.
 *
 *     const struct divan_lookup specs[] = {divan_lookup_get("name"), divan_lookup_exists("tags[0]"),
 *                                          divan_lookup_xattr(divan_lookup_get("_audit.by"))};
 *     rc = divan_lookup_in(people, divan_str("u:1"), specs, 3, NULL, &result, &err);
 *
 * A list of up to 16 specs is one request, applied by the server as one: a mutation changes all of its paths or none.
 * Specs are in any order; results come in the same order. */
#ifndef DIVAN_SUBDOC_H
#define DIVAN_SUBDOC_H

#include <divan/divan.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { DIVAN_SPECS_MAX = 16, DIVAN_PATH_MAX = 1024 };

/* Names of virtual attributes and macros the server fills in. */
#define DIVAN_XATTR_DOCUMENT "$document"                    /**< facts: CAS, exptime, revid, value_bytes, ... */
#define DIVAN_XATTR_EXPIRY   "$document.exptime"            /**< seconds since 1970, 0 = never */
#define DIVAN_XATTR_NAMES    "$XTOC"                        /**< names of all extended attributes */
#define DIVAN_MACRO_CAS      "\"${Mutation.CAS}\""          /**< CAS of this mutation, bytes in reverse */
#define DIVAN_MACRO_SEQNO    "\"${Mutation.seqno}\""        /**< its sequence number */
#define DIVAN_MACRO_CRC32C   "\"${Mutation.value_crc32c}\"" /**< checksum of the new value */

/* ------------------------------------------------------------------ lookup */

enum divan_lookup_op {
    DIVAN_LOOKUP_GET,    /**< the value at the path; "" = the whole document */
    DIVAN_LOOKUP_EXISTS, /**< whether there is one */
    DIVAN_LOOKUP_COUNT,  /**< how many elements the array or members the object there has */
};

/** One question. Set it with the functions below or with designated initialisers. */
struct divan_lookup {
    enum divan_lookup_op op;
    struct divan_bytes path; /**< "a.b[0]", "a[-1]"; `a\`.b` quotes; at most 1024 bytes; borrowed for the call */
    bool xattr;              /**< the path is in the extended attributes */
    bool binary;             /**< xattr only: the attribute holds binary data, give the bytes themselves */
};

static inline struct divan_lookup divan_lookup_get(const char *path)
{
    struct divan_lookup spec = {DIVAN_LOOKUP_GET, divan_str(path), false, false};
    return spec;
}
static inline struct divan_lookup divan_lookup_exists(const char *path)
{
    struct divan_lookup spec = {DIVAN_LOOKUP_EXISTS, divan_str(path), false, false};
    return spec;
}
static inline struct divan_lookup divan_lookup_count(const char *path)
{
    struct divan_lookup spec = {DIVAN_LOOKUP_COUNT, divan_str(path), false, false};
    return spec;
}
/** The whole document, beside paths of it. */
static inline struct divan_lookup divan_lookup_document(void)
{
    return divan_lookup_get("");
}
/** The same question about the extended attributes. */
static inline struct divan_lookup divan_lookup_xattr(struct divan_lookup spec)
{
    spec.xattr = true;
    return spec;
}

struct divan_lookup_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
    bool access_deleted; /**< look into the extended attributes of a deleted document too */
};

/** Asks. DIVAN_OK when the document was found, whatever the paths: each has its own code, see divan_result_spec(). Servers
 * refuse this while the document is locked, though divan_get() works: it is waited for (fail-fast: DOCUMENT_LOCKED).
 * Errors: DOCUMENT_NOT_FOUND, SPEC_COUNT (0 or more than 16), PATH_TOO_LONG, SPEC_INVALID. */
DIVAN_API enum divan_code divan_lookup_in(divan_collection *, struct divan_bytes key, const struct divan_lookup *specs,
                                          size_t count, const struct divan_lookup_options *, divan_result **out,
                                          struct divan_error *err);
DIVAN_API enum divan_code divan_lookup_in_start(divan_collection *, struct divan_bytes key,
                                                const struct divan_lookup *specs, size_t count,
                                                const struct divan_lookup_options *, struct divan_done,
                                                struct divan_error *err);

/* ------------------------------------------------------------------ mutation */

enum divan_mutate_op {
    DIVAN_MUTATE_INSERT,       /**< object member that is not there yet: PATH_EXISTS */
    DIVAN_MUTATE_UPSERT,       /**< object member, old or new; "" = the whole document */
    DIVAN_MUTATE_REPLACE,      /**< what is there: PATH_NOT_FOUND; "" = the whole document */
    DIVAN_MUTATE_REMOVE,       /**< what is there; "" = the whole document */
    DIVAN_MUTATE_ARRAY_APPEND, /**< value "1,2,3" appends three */
    DIVAN_MUTATE_ARRAY_PREPEND,
    DIVAN_MUTATE_ARRAY_INSERT,     /**< before the element at "a[2]" */
    DIVAN_MUTATE_ARRAY_ADD_UNIQUE, /**< unless it is there: PATH_EXISTS; primitives only */
    DIVAN_MUTATE_INCREMENT,        /**< delta, below 0 too, not 0; the result has the new number */
    DIVAN_MUTATE_BODY_FROM_XATTR,  /**< the document becomes the value of the attribute at the path, which goes */
};

/** One change. */
struct divan_mutation {
    enum divan_mutate_op op;
    struct divan_bytes path;
    struct divan_bytes value; /**< JSON text, or with binary any bytes; borrowed for the call */
    int64_t delta;            /**< of INCREMENT */
    bool create_path;         /**< create the missing objects on the way */
    bool xattr;
    bool expand_macros; /**< xattr only: the value is one of DIVAN_MACRO_* */
    bool binary;        /**< xattr only: the value is not JSON */
};

static inline struct divan_mutation divan_mutation_of(enum divan_mutate_op op, const char *path,
                                                      struct divan_bytes value)
{
    struct divan_mutation spec;
    memset(&spec, 0, sizeof spec);
    spec.op = op;
    spec.path = divan_str(path);
    spec.value = value;
    return spec;
}
static inline struct divan_mutation divan_mutate_insert(const char *path, struct divan_bytes json)
{
    return divan_mutation_of(DIVAN_MUTATE_INSERT, path, json);
}
static inline struct divan_mutation divan_mutate_upsert(const char *path, struct divan_bytes json)
{
    return divan_mutation_of(DIVAN_MUTATE_UPSERT, path, json);
}
static inline struct divan_mutation divan_mutate_replace(const char *path, struct divan_bytes json)
{
    return divan_mutation_of(DIVAN_MUTATE_REPLACE, path, json);
}
static inline struct divan_mutation divan_mutate_remove(const char *path)
{
    return divan_mutation_of(DIVAN_MUTATE_REMOVE, path, divan_str(NULL));
}
static inline struct divan_mutation divan_mutate_array_append(const char *path, struct divan_bytes json)
{
    return divan_mutation_of(DIVAN_MUTATE_ARRAY_APPEND, path, json);
}
static inline struct divan_mutation divan_mutate_array_prepend(const char *path, struct divan_bytes json)
{
    return divan_mutation_of(DIVAN_MUTATE_ARRAY_PREPEND, path, json);
}
static inline struct divan_mutation divan_mutate_array_insert(const char *path, struct divan_bytes json)
{
    return divan_mutation_of(DIVAN_MUTATE_ARRAY_INSERT, path, json);
}
static inline struct divan_mutation divan_mutate_array_add_unique(const char *path, struct divan_bytes json)
{
    return divan_mutation_of(DIVAN_MUTATE_ARRAY_ADD_UNIQUE, path, json);
}
static inline struct divan_mutation divan_mutate_increment(const char *path, int64_t delta)
{
    struct divan_mutation spec = divan_mutation_of(DIVAN_MUTATE_INCREMENT, path, divan_str(NULL));
    spec.delta = delta;
    return spec;
}
/** The whole document, beside changes of its extended attributes. */
static inline struct divan_mutation divan_mutate_document(struct divan_bytes json)
{
    return divan_mutation_of(DIVAN_MUTATE_UPSERT, "", json);
}
static inline struct divan_mutation divan_mutate_remove_document(void)
{
    return divan_mutate_remove("");
}
/** The same change, creating what is missing on the way. */
static inline struct divan_mutation divan_mutate_create_path(struct divan_mutation spec)
{
    spec.create_path = true;
    return spec;
}
/** The same change in the extended attributes. */
static inline struct divan_mutation divan_mutate_xattr(struct divan_mutation spec)
{
    spec.xattr = true;
    return spec;
}
/** An extended attribute that the server fills in: macro is one of DIVAN_MACRO_*. */
static inline struct divan_mutation divan_mutate_macro(const char *path, const char *macro)
{
    struct divan_mutation spec = divan_mutation_of(DIVAN_MUTATE_UPSERT, path, divan_str(macro));
    spec.xattr = spec.expand_macros = spec.create_path = true;
    return spec;
}

/** What to do about the document itself. */
enum divan_store { DIVAN_STORE_REPLACE /**< it must exist */, DIVAN_STORE_UPSERT, DIVAN_STORE_INSERT };

struct divan_mutate_options {
    uint32_t timeout_ms;
    enum divan_retry retry;
    enum divan_store store;
    uint32_t expiry_s; /**< 0 = never */
    bool keep_expiry;
    uint64_t cas; /**< not with DIVAN_STORE_INSERT */
    enum divan_durability durability;
    enum divan_persist_to persist_to;
    enum divan_replicate_to replicate_to;
    bool access_deleted;    /**< extended attributes of a deleted document */
    bool create_as_deleted; /**< the new document begins as deleted: attributes only. With UPSERT or INSERT */
    bool revive; /**< makes a deleted document live again; CANNOT_REVIVE_LIVING_DOCUMENT. With access_deleted */
    bool has_flags;
    uint32_t flags; /**< with has_flags: the application's 32 bits of the document */
};

/** Changes. On DIVAN_OK divan_result_spec() has the new numbers of DIVAN_MUTATE_INCREMENT. Otherwise nothing was changed; the
 * code is that of the first path that failed, which the sentence names, and divan_result_spec_failed() its position
 * (started operations only: a blocking call gives no result). Errors: DOCUMENT_NOT_FOUND, DOCUMENT_EXISTS (INSERT), CAS_MISMATCH,
 * PATH_*, VALUE_*, DOCUMENT_NOT_JSON, NUMBER_TOO_BIG, DELTA_INVALID, XATTR_*, DURABILITY_*, SPEC_COUNT, PATH_TOO_LONG,
 * SPEC_INVALID. */
DIVAN_API enum divan_code divan_mutate_in(divan_collection *, struct divan_bytes key,
                                          const struct divan_mutation *specs, size_t count,
                                          const struct divan_mutate_options *, divan_result **out,
                                          struct divan_error *err);
DIVAN_API enum divan_code divan_mutate_in_start(divan_collection *, struct divan_bytes key,
                                                const struct divan_mutation *specs, size_t count,
                                                const struct divan_mutate_options *, struct divan_done,
                                                struct divan_error *err);

/* ------------------------------------------------------------------ results, of both */

/** What became of one spec. */
struct divan_spec_result {
    enum divan_code code;     /**< DIVAN_OK, PATH_NOT_FOUND, PATH_MISMATCH, ... */
    uint16_t status;          /**< as on the wire */
    bool exists;              /**< the path is there */
    struct divan_bytes value; /**< JSON text, or binary; borrowed until the result is released */
};

/** How many specs the request had. */
DIVAN_API size_t divan_result_spec_count(const divan_result *);
/** The outcome of spec i, also its code: DIVAN_ERR_INVALID_ARGUMENT when there is no such spec. *out is always written. */
DIVAN_API enum divan_code divan_result_spec(const divan_result *, size_t i, struct divan_spec_result *out);
/** The value of spec i; empty when it has none or failed. */
static inline struct divan_bytes divan_result_spec_value(const divan_result *result, size_t i)
{
    struct divan_spec_result spec;
    divan_result_spec(result, i, &spec);
    return spec.value;
}
/** Of a failed mutation: which spec was refused; -1 = none, the whole request was. */
DIVAN_API int divan_result_spec_failed(const divan_result *);
/** Whether the document is deleted (seen with access_deleted). */
DIVAN_API bool divan_result_deleted(const divan_result *);

#ifdef __cplusplus
}
#endif
#endif
