/* SASL without I/O, both sides: PLAIN and SCRAM with SHA-1, SHA-256, SHA-512 (RFC 4616, 5802, 7677). The payloads are
 * what SASL_AUTH and SASL_STEP carry as value. A server keeps derived keys only, never a password. Randomness comes from
 * the caller, so that an exchange can be repeated in a test. */
#ifndef DIVAN_WIRE_SASL_H
#define DIVAN_WIRE_SASL_H

#include "base/bytes.h"

enum sasl_mechanism { SASL_SCRAM_SHA1, SASL_SCRAM_SHA256, SASL_SCRAM_SHA512, SASL_PLAIN, SASL_NONE };

enum {
    SCRAM_HASHES = 3, /* the first three mechanisms */
    SCRAM_DIGEST_MAX = 64,
    SCRAM_SALT_MAX = 64,
    SCRAM_NONCE_MAX = 128,    /* one side's part, as text */
    SCRAM_ITERATIONS = 15000, /* what a node derives with */
    SCRAM_ITERATIONS_MIN = 1, /* what a client accepts: RFC wants 4096, old data has less */
    SCRAM_ITERATIONS_MAX = 1000000,
    SASL_USER_MAX = 128,
    SASL_PASSWORD_MAX = 1024,
};

/** "SCRAM-SHA512"; "" for SASL_NONE. */
const char *sasl_name(enum sasl_mechanism m);
/** Any case; SASL_NONE when unknown. */
enum sasl_mechanism sasl_from_name(struct divan_bytes name);
/** Bits 1 << mechanism of a space-separated list (answer to SASL_LIST_MECHS). */
unsigned sasl_list_read(struct divan_bytes list);
/** The strongest mechanism of `offered & allowed`; SASL_NONE when there is none. */
enum sasl_mechanism sasl_choose(unsigned offered, unsigned allowed);
/** Length of the digest in bytes: 20, 32, 64; 0 for PLAIN. */
size_t sasl_digest_len(enum sasl_mechanism m);
/** 32 hex digits of strong randomness and a NUL; false when the system has none. */
bool sasl_nonce(char out[33]);

/* ---- what a server stores */

struct scram_keys {
    uint8_t salt[SCRAM_SALT_MAX];
    uint8_t salt_len; /* 0 = not derived */
    uint32_t iterations;
    uint8_t stored_key[SCRAM_DIGEST_MAX], server_key[SCRAM_DIGEST_MAX]; /* sasl_digest_len() bytes each */
};

struct sasl_secret {
    struct scram_keys scram[SCRAM_HASHES]; /* by mechanism */
};

/** Derives the keys of one hash. false: no salt, too long, no iterations, or OpenSSL failed. Costs milliseconds. */
bool scram_keys_derive(enum sasl_mechanism m, struct divan_bytes password, struct divan_bytes salt, uint32_t iterations,
                       struct scram_keys *out);
/** All three with random salts of digest length. OUT_OF_MEMORY, FAILED (no randomness), CREDENTIALS (too long). */
enum divan_code sasl_secret_derive(struct divan_bytes password, uint32_t iterations, struct sasl_secret *out,
                                   struct divan_error *err);
/** Whether the password is the one the keys were derived from (constant time in the comparison). Costs milliseconds:
 * a node that sees many PLAIN logins remembers the outcome. */
bool sasl_secret_check(const struct sasl_secret *secret, struct divan_bytes password);

/* ---- client */

enum sasl_client_state {
    SASL_CLIENT_START,
    SASL_CLIENT_CHALLENGE,
    SASL_CLIENT_VERIFY,
    SASL_CLIENT_DONE,
    SASL_CLIENT_FAILED
};

struct sasl_client {
    enum sasl_mechanism mechanism;
    enum sasl_client_state state;
    struct divan_bytes user, password; /* borrowed, alive until the end */
    char nonce[SCRAM_NONCE_MAX + 1];
    uint8_t server_signature[SCRAM_DIGEST_MAX];
};

/** nonce: printable ASCII without comma, e.g. sasl_nonce(); may be "" for PLAIN. CREDENTIALS when user or password
 * cannot be sent (empty user, NUL, too long), SASL_MESSAGE when the nonce is not acceptable. */
enum divan_code sasl_client_init(struct sasl_client *c, enum sasl_mechanism m, struct divan_bytes user,
                                 struct divan_bytes password, const char *nonce, struct divan_error *err);
/** Appends the payload of SASL_AUTH. */
enum divan_code sasl_client_first(struct sasl_client *c, struct buf *out, struct divan_error *err);
/** After AUTH_CONTINUE: reads the challenge, appends the payload of SASL_STEP. SASL_MESSAGE when it is not well-formed
 * or its nonce is not ours. */
enum divan_code sasl_client_step(struct sasl_client *c, struct divan_bytes challenge, struct buf *out,
                                 struct divan_error *err);
/** After SUCCESS: checks that the server knows the keys (SCRAM). SASL_SERVER_SIGNATURE, SASL_MESSAGE, or
 * SASL_MECHANISM when the exchange was not at its end. */
enum divan_code sasl_client_finish(struct sasl_client *c, struct divan_bytes outcome, struct divan_error *err);
/** Wipes what is secret. */
void sasl_client_fini(struct sasl_client *c);

/* ---- server: begin -> (the caller looks up the user's secret) -> answer -> step */

enum sasl_verdict {
    SASL_LOOKUP,    /* s->user is the user: call sasl_server_answer with its secret */
    SASL_CONTINUE,  /* the appended payload goes out with AUTH_CONTINUE: call sasl_server_step with the answer */
    SASL_ACCEPTED,  /* the appended payload goes out with SUCCESS; s->user is authenticated */
    SASL_REFUSED,   /* AUTH_ERROR */
    SASL_MALFORMED, /* EINVAL */
    SASL_SEQUENCE,  /* EINVAL: not the message that is due */
    SASL_EXHAUSTED, /* memory or OpenSSL failed */
};

enum sasl_server_state { SASL_SERVER_IDLE, SASL_SERVER_LOOKUP, SASL_SERVER_PROOF, SASL_SERVER_CLOSED };

struct sasl_server {
    enum sasl_mechanism mechanism;
    enum sasl_server_state state;
    char user[SASL_USER_MAX + 1];
    char password[SASL_PASSWORD_MAX + 1]; /* PLAIN only, wiped by sasl_server_answer */
    size_t password_len;
    bool known; /* the secret was of a real user */
    struct scram_keys keys;
    struct buf auth_message;             /* client-first-bare, server-first, then client-final-without-proof */
    char nonce[2 * SCRAM_NONCE_MAX + 1]; /* both parts */
};

/** A fresh exchange: zero-filled {0} is valid, this resets one that ended. */
void sasl_server_reset(struct sasl_server *s);
/** SASL_AUTH. LOOKUP, MALFORMED, SEQUENCE (an exchange is open), EXHAUSTED. */
enum sasl_verdict sasl_server_begin(struct sasl_server *s, enum sasl_mechanism m, struct divan_bytes payload);
/** secret NULL = no such user: SCRAM goes on with made-up keys from user and `pepper` (any secret of the process, so
 * that asking twice gives the same salt) and ends in REFUSED. nonce as in sasl_client_init.
 * PLAIN: ACCEPTED, REFUSED. SCRAM: CONTINUE. EXHAUSTED. */
enum sasl_verdict sasl_server_answer(struct sasl_server *s, const struct sasl_secret *secret, struct divan_bytes pepper,
                                     const char *nonce, struct buf *out);
/** SASL_STEP. ACCEPTED, REFUSED, MALFORMED, SEQUENCE, EXHAUSTED. */
enum sasl_verdict sasl_server_step(struct sasl_server *s, struct divan_bytes payload, struct buf *out);
void sasl_server_fini(struct sasl_server *s); /**< wipes and frees */

#endif
