#include "manager/keys.h"

#include "wire/sasl.h"

_Static_assert((int)DOC_SHA1 == SASL_SCRAM_SHA1 && (int)DOC_SHA512 == SASL_SCRAM_SHA512, "hashes are numbered alike");
_Static_assert((int)DOC_KEY_MAX >= (int)SCRAM_DIGEST_MAX && (int)DOC_SALT_MAX >= (int)SCRAM_SALT_MAX, "keys fit");

/* The least that SDKs accept. A local cluster is started and its clients connect over and over, each paying this price,
 * while its passwords guard test data on one machine. */
enum { ITERATIONS = 4096 };

enum divan_code keys_derive(struct divan_bytes password, struct doc_key out[DOC_HASHES], struct divan_error *err)
{
    struct sasl_secret secret;
    enum divan_code rc = sasl_secret_derive(password, ITERATIONS, &secret, err);
    for (int h = 0; !rc && h < DOC_HASHES; h++) {
        const struct scram_keys *k = &secret.scram[h];
        out[h] = (struct doc_key){.iterations = k->iterations, .salt_len = k->salt_len};
        memcpy(out[h].salt, k->salt, k->salt_len);
        memcpy(out[h].stored, k->stored_key, doc_hash_len((enum doc_hash)h));
        memcpy(out[h].server, k->server_key, doc_hash_len((enum doc_hash)h));
    }
    return rc;
}

/* One hash is enough, and SHA-256 is the quickest that is not SHA-1. */
bool keys_check(const struct doc_key keys[DOC_HASHES], struct divan_bytes password)
{
    const enum doc_hash hash = DOC_SHA256;
    const struct doc_key *k = &keys[hash];
    struct scram_keys made;
    if (!k->iterations || !k->salt_len ||
        !scram_keys_derive((enum sasl_mechanism)hash, password, bytes_of(k->salt, k->salt_len), k->iterations, &made))
        return false;
    uint8_t different = 0; /* takes as long wherever they differ */
    for (size_t i = 0; i < doc_hash_len(hash); i++) different |= made.stored_key[i] ^ k->stored[i];
    return !different;
}
