/* The handshake of a key-value connection without I/O: answers in, requests out.
 *
 * First write: HELLO, GET_ERROR_MAP, SASL_LIST_MECHS and SASL_AUTH with the strongest mechanism allowed. When the server
 * does not offer that one, the exchange restarts with another, ignoring what is still on its way. Then SELECT_BUCKET and
 * GET_CLUSTER_CONFIG in one write. */
#ifndef DIVAN_CLIENT_HANDSHAKE_H
#define DIVAN_CLIENT_HANDSHAKE_H

#include "client/config.h"
#include "wire/frame.h"
#include "wire/hello.h"
#include "wire/sasl.h"

struct handshake_plan {
    const struct client_config *config; /* borrowed for the handshake's life */
    const char *bucket;                 /* NULL = none; borrowed alike */
    uint64_t client_id, connection_id;
    enum sasl_mechanism first; /* worked before; SASL_NONE = choose the strongest */
};

enum handshake_stage { STAGE_AUTH, STAGE_BUCKET, STAGE_DONE };

struct handshake {
    struct handshake_plan plan;
    enum handshake_stage stage;
    uint32_t base; /* opaques of the present exchange: base + step */
    feature_set features;
    unsigned offered; /* mechanisms, bits; 0 = not told yet */
    unsigned refused; /* mechanisms that the server did not take */
    bool hello_done, selected;
    struct sasl_client sasl;
};

enum handshake_verdict {
    HANDSHAKE_MORE,      /* wait for the next answer; requests may have been appended */
    HANDSHAKE_ERROR_MAP, /* the same, and the value of this answer is an error map */
    HANDSHAKE_BUCKET,    /* authenticated, the second write is appended */
    HANDSHAKE_CONFIG,    /* done, the value of this answer is the map */
    HANDSHAKE_READY,     /* done, the server has no map to give */
    HANDSHAKE_FAILED,    /* err says why */
    HANDSHAKE_NOT_MINE,  /* the opaque is none of the handshake's */
};

/** Appends the first write. CREDENTIALS, SASL_MECHANISM, OUT_OF_MEMORY. */
enum divan_code handshake_begin(struct handshake *h, const struct handshake_plan *plan, struct buf *out,
                                struct divan_error *err);
/** Appends the second write for a connection that is authenticated already. */
void handshake_select(struct handshake *h, const char *bucket, struct buf *out);
enum handshake_verdict handshake_answer(struct handshake *h, const struct frame *f, struct buf *out,
                                        struct divan_error *err);
void handshake_fini(struct handshake *h);

/** What it means when a peer answered the first write with these bytes, or (len 0) closed without any: err is filled with
 * TLS_EXPECTED, HANDSHAKE_FAILED (HTTP, or silence) or PROTOCOL_ERROR. True when `input` cannot be a Couchbase node. */
bool handshake_recognise(struct divan_bytes input, const char *endpoint, struct divan_error *err);

/** The features a client with these options asks for. */
feature_set handshake_features(const struct options *options);

#endif
