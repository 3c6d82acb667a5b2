/* Writes that bring their own metadata (as replication between clusters does), and reading of a random document. */
#ifndef DIVAN_WIRE_WITHMETA_H
#define DIVAN_WIRE_WITHMETA_H

#include "wire/kv.h"

enum with_meta_option {
    WITH_META_FORCE = 1,          /* store although an equal or newer version is there */
    WITH_META_FORCE_ACCEPT = 2,   /* needed on buckets that resolve by time, refused on others */
    WITH_META_REGENERATE_CAS = 4, /* take a fresh CAS; needs SKIP_RESOLUTION */
    WITH_META_SKIP_RESOLUTION = 8,
};

struct with_meta {
    uint32_t flags, expiry;      /* expiry is absolute; of a deletion it is the time of the deletion */
    uint64_t seqno, cas;         /* revision seqno and CAS of the document to be */
    uint32_t options;            /* unknown bits are kept: the measured server ignores them */
    struct divan_bytes extended; /* at the end of the value; nothing of use is known to be in it */
    uint8_t datatype;
    struct divan_bytes value; /* with DATATYPE_XATTR: an attribute section and the body */
};

/** {SET,ADD,DEL}_WITH_META and quiet forms. t->cas is what must be there now (0 = anything). */
void with_meta_put(struct buf *out, uint8_t opcode, const struct kv_target *t, const struct with_meta *m);
/** FRAME_EXTRAS: length not 24, 26, 28, 30. FRAME_VALUE: the extended part is longer than the value. */
enum divan_code with_meta_read(const struct frame *f, struct with_meta *out, struct divan_error *err);

/* ---- GET_RANDOM_KEY */

struct random_request {
    bool collections; /* negotiated: the collection is sent */
    uint32_t collection;
};
void random_put_request(struct buf *out, uint32_t opaque, const struct random_request *r);
/** FRAME_EXTRAS: four bytes are needed with collections, none without. */
enum divan_code random_read_request(const struct frame *f, struct random_request *r, struct divan_error *err);

struct random_document {
    uint32_t flags, collection;
    struct divan_bytes key, value; /* key without prefix */
};
/** PROTOCOL_ERROR. */
enum divan_code random_read_reply(const struct frame *f, bool collections, struct random_document *out,
                                  struct divan_error *err);

#endif
