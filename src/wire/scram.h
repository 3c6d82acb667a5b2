/* The arithmetic and the message syntax of SCRAM, shared by the client's and the server's half. */
#ifndef DIVAN_WIRE_SCRAM_H
#define DIVAN_WIRE_SCRAM_H

#include "wire/sasl.h"

enum { SCRAM_MESSAGE_MAX = 4096 /* all messages of an exchange together stay far below */ };

/** PBKDF2 with the hash of m; `out` gets sasl_digest_len(m) bytes. */
bool scram_salted_password(enum sasl_mechanism m, struct divan_bytes password, struct divan_bytes salt,
                           uint32_t iterations, uint8_t *out);
bool scram_hmac(enum sasl_mechanism m, struct divan_bytes key, struct divan_bytes text, uint8_t *out);
bool scram_hash(enum sasl_mechanism m, struct divan_bytes data, uint8_t *out);
void scram_xor(uint8_t *into, const uint8_t *with, size_t len);

/** Takes "x=value" up to the next comma (which is taken as well); false at the end or when it is not of this form. */
bool scram_attribute(struct rd *r, char *name, struct divan_bytes *value);
/** Printable ASCII without comma. RFC 5802 leaves the blank out, but the official SDKs send nonces with blanks. */
bool scram_is_nonce(struct divan_bytes text);
/** 1..SCRAM_ITERATIONS_MAX in plain digits. */
bool scram_iterations(struct divan_bytes text, uint32_t *out);
/** The user name with = and , escaped, and back (at most cap - 1 bytes and a NUL; false: not well-formed). */
void scram_put_user(struct buf *out, struct divan_bytes user);
bool scram_take_user(struct divan_bytes escaped, char *out, size_t cap);

#endif
