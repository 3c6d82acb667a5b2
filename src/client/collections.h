/* Collections: names to ids. One lookup at a time for a collection, whoever waits for it. */
#ifndef DIVAN_CLIENT_COLLECTIONS_H
#define DIVAN_CLIENT_COLLECTIONS_H

#include "client/bucket.h"

enum collection_state { COLLECTION_UNKNOWN, COLLECTION_ASKING, COLLECTION_KNOWN };

struct collection {
    struct link link; /* in bucket->collections */
    struct bucket *bucket;
    enum collection_state state;
    bool is_default;
    uint32_t id;
    uint64_t manifest_uid; /* of the answer the id came from */
    uint16_t missing;      /* the last lookup's refusal: UNKNOWN_COLLECTION or UNKNOWN_SCOPE; 0 = none */
    uint64_t missing_uid;  /* the manifest that does not have it */
    struct list waiting;   /* operations */
    unsigned refusals;     /* lookups in a row */
    struct io_timer timer; /* next lookup after a refusal */
    char *scope, *name;
};

/** The handle of these names, made when needed; the same names give the same one. "" and NULL mean _default. NULL: out of
 * memory. */
struct collection *collection_of(struct bucket *bucket, const char *scope, const char *name);
/** For closing, when no operation is left. */
void collection_free(struct collection *collection);
/** The operation waits for the id. */
void collection_wait(struct collection *collection, struct operation *op);
/** A node did not know the id. manifest_uid: its manifest, 0 = not told. True when the id was dropped, false when only
 * that node is behind. */
bool collection_refused(struct collection *collection, uint64_t manifest_uid);
/** The bucket is another one: the id must be asked for again. */
void collection_forget(struct collection *collection);
/** Whether the server said that it does not exist: fills the words for it. */
bool collection_is_missing(const struct collection *collection, enum divan_code *code, char *words, size_t cap);

#endif
