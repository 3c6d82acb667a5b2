/* PBKDF2 with HMAC (RFC 8018), one block of output. Every login costs 15000 rounds of it, on the client's loop thread and
 * on the node's: measured, this takes 0.4 of the time of OpenSSL's general one for SHA-1 and SHA-256, 0.7 for SHA-512. */
#ifndef DIVAN_WIRE_PBKDF2_H
#define DIVAN_WIRE_PBKDF2_H

#include "base/bytes.h"

/** `out` gets 20, 32, 64 bytes. iterations > 0. */
void pbkdf2_sha1(struct divan_bytes password, struct divan_bytes salt, uint32_t iterations, uint8_t *out);
void pbkdf2_sha256(struct divan_bytes password, struct divan_bytes salt, uint32_t iterations, uint8_t *out);
void pbkdf2_sha512(struct divan_bytes password, struct divan_bytes salt, uint32_t iterations, uint8_t *out);

#endif
