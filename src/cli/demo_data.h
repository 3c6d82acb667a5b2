/* The documents of the demo: the ISO codes of Debian's iso-codes package, one document per entry. */
#ifndef DIVAN_CLI_DEMO_DATA_H
#define DIVAN_CLI_DEMO_DATA_H

#include "base/bytes.h"

/* One file: its entries become a collection. */
struct demo_source {
    const char *file, *list; /* "iso_3166-1.json", the member that holds its entries */
    const char *collection;
    const char *prefix, *field; /* of a key: "country::" and the value of "alpha_2" */
};
extern const struct demo_source demo_sources[]; /* collection NULL ends it */
enum { DEMO_SOURCES_MAX = 16 };

struct demo_document {
    uint32_t source;     /* index in demo_sources */
    size_t key, key_len; /* positions in the texts of the set */
    size_t body, body_len;
};

struct demo_set {
    struct buf texts; /* keys and bodies, one after the other */
    struct demo_document *documents;
    size_t count, cap;
    size_t per_source[DEMO_SOURCES_MAX];
};

/** Adds the entries of one file's content, each as compact JSON. Errors: JSON_SYNTAX (what is wrong with the file),
 * OUT_OF_MEMORY. The set may be partly filled then: demo_set_fini() in any case. */
enum divan_code demo_set_add(struct demo_set *set, uint32_t source, struct divan_bytes json, struct divan_error *err);
/** Adds all sources from the files in folder. Errors: FILE_READ (also tells how to install them), those of demo_set_add(). */
enum divan_code demo_set_load(struct demo_set *set, const char *folder, struct divan_error *err);
void demo_set_fini(struct demo_set *set);

static inline struct divan_bytes demo_key(const struct demo_set *set, size_t i)
{
    const struct demo_document *d = &set->documents[i];
    return bytes_slice(buf_view(&set->texts), d->key, d->key_len);
}
static inline struct divan_bytes demo_body(const struct demo_set *set, size_t i)
{
    const struct demo_document *d = &set->documents[i];
    return bytes_slice(buf_view(&set->texts), d->body, d->body_len);
}

#endif
