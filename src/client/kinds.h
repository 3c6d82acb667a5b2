/* The operations the client knows: what each puts on the wire and how it may be treated. */
#ifndef DIVAN_CLIENT_KINDS_H
#define DIVAN_CLIENT_KINDS_H

#include <stdbool.h>
#include <stdint.h>

enum op_kind {
    KIND_GET,
    KIND_EXISTS,
    KIND_GET_AND_TOUCH,
    KIND_TOUCH,
    KIND_INSERT,
    KIND_UPSERT,
    KIND_REPLACE,
    KIND_REMOVE,
    KIND_APPEND,
    KIND_PREPEND,
    KIND_INCREMENT,
    KIND_DECREMENT,
    KIND_GET_AND_LOCK,
    KIND_UNLOCK,
    KIND_LOOKUP_IN,
    KIND_MUTATE_IN,
    KIND_GET_PROJECTED, /* get with an expiry or a projection: a lookup that answers as get does */
    KIND_GET_REPLICA,
    KIND_SCAN_CREATE, /* the three of a scan have a vBucket, but no key */
    KIND_SCAN_CONTINUE,
    KIND_SCAN_CANCEL,
    KIND_DOCUMENT_COUNT, /* the kinds below are the client's own */
    KIND_CONFIG = KIND_DOCUMENT_COUNT,
    KIND_COLLECTION_ID,
    KIND_OBSERVE, /* of one node: how far a vBucket is */
    KIND_NOOP,    /* whether a connection answers */
    KIND_HTTP,    /* to a service that speaks HTTP: not on these connections */
    KIND_HTTP_READ,
    KIND_COUNT,
};

enum kind_extras {
    EXTRAS_NONE,
    EXTRAS_FLAGS_EXPIRY,
    EXTRAS_EXPIRY,
    EXTRAS_COUNTER,
    EXTRAS_META,
    EXTRAS_REVISION,
    EXTRAS_SPECS,
    EXTRAS_SCAN
};

struct kind_facts {
    const char *name;
    uint8_t opcode;
    uint8_t extras;     /* enum kind_extras of the request */
    bool is_idempotent; /* sending it twice is the same as sending it once */
    bool is_document;   /* has a key with a collection prefix, and a vBucket */
    bool answers_token; /* success carries a mutation token */
    bool answers_flags; /* success carries the flags of the document */
};

extern const struct kind_facts kind_facts[KIND_COUNT];

#endif
