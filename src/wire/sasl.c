/* Names and choice of mechanisms, and the keys a server stores. */
#include "wire/sasl.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <strings.h>

#include "base/error.h"
#include "wire/scram.h"

static const struct {
    const char *name;
    size_t digest_len;
} mechanisms[] = {
    [SASL_SCRAM_SHA1] = {"SCRAM-SHA1", 20},
    [SASL_SCRAM_SHA256] = {"SCRAM-SHA256", 32},
    [SASL_SCRAM_SHA512] = {"SCRAM-SHA512", 64},
    [SASL_PLAIN] = {"PLAIN", 0},
    [SASL_NONE] = {"", 0},
};

/* Strongest first. PLAIN comes last: whoever allows it decided that the connection is safe for it. */
static const enum sasl_mechanism preference[] = {SASL_SCRAM_SHA512, SASL_SCRAM_SHA256, SASL_SCRAM_SHA1, SASL_PLAIN};

const char *sasl_name(enum sasl_mechanism m)
{
    return mechanisms[m <= SASL_NONE ? m : SASL_NONE].name;
}

size_t sasl_digest_len(enum sasl_mechanism m)
{
    return mechanisms[m <= SASL_NONE ? m : SASL_NONE].digest_len;
}

enum sasl_mechanism sasl_from_name(struct divan_bytes name)
{
    for (int m = 0; m < SASL_NONE; m++)
        if (strlen(mechanisms[m].name) == name.len && !strncasecmp(mechanisms[m].name, name.data, name.len))
            return (enum sasl_mechanism)m;
    return SASL_NONE;
}

unsigned sasl_list_read(struct divan_bytes list)
{
    struct rd r = rd_from(list);
    unsigned bits = 0;
    while (r.left) {
        const uint8_t *space = memchr(r.at, ' ', r.left);
        enum sasl_mechanism m = sasl_from_name(rd_take(&r, space ? (size_t)(space - r.at) : r.left));
        if (space) rd_take(&r, 1);
        if (m != SASL_NONE) bits |= 1u << m;
    }
    return bits;
}

enum sasl_mechanism sasl_choose(unsigned offered, unsigned allowed)
{
    for (size_t i = 0; i < sizeof preference / sizeof preference[0]; i++)
        if (offered & allowed & 1u << preference[i]) return preference[i];
    return SASL_NONE;
}

bool sasl_nonce(char out[33])
{
    uint8_t random[16];
    if (RAND_bytes(random, sizeof random) != 1) return false;
    for (size_t i = 0; i < sizeof random; i++) snprintf(out + 2 * i, 3, "%02x", random[i]);
    return true;
}

bool scram_keys_derive(enum sasl_mechanism m, struct divan_bytes password, struct divan_bytes salt, uint32_t iterations,
                       struct scram_keys *out)
{
    struct scram_keys keys = {.salt_len = (uint8_t)salt.len, .iterations = iterations};
    uint8_t salted[SCRAM_DIGEST_MAX], client_key[SCRAM_DIGEST_MAX];
    struct divan_bytes salted_view = bytes_of(salted, sasl_digest_len(m));
    if (!salt.len || salt.len > SCRAM_SALT_MAX) return false;
    memcpy(keys.salt, salt.data, salt.len);
    bool ok = scram_salted_password(m, password, salt, iterations, salted) &&
              scram_hmac(m, salted_view, divan_str("Client Key"), client_key) &&
              scram_hash(m, bytes_of(client_key, sasl_digest_len(m)), keys.stored_key) &&
              scram_hmac(m, salted_view, divan_str("Server Key"), keys.server_key);
    if (ok) *out = keys;
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client_key, sizeof client_key);
    OPENSSL_cleanse(&keys, sizeof keys);
    return ok;
}

enum divan_code sasl_secret_derive(struct divan_bytes password, uint32_t iterations, struct sasl_secret *out,
                                   struct divan_error *err)
{
    struct sasl_secret secret;
    memset(&secret, 0, sizeof secret);
    if (password.len > SASL_PASSWORD_MAX)
        return err_set(err, DIVAN_ERR_CREDENTIALS, "the password has %zu bytes, at most %d are allowed", password.len,
                       SASL_PASSWORD_MAX);
    for (int m = 0; m < SCRAM_HASHES; m++) {
        uint8_t salt[SCRAM_SALT_MAX];
        size_t len = sasl_digest_len((enum sasl_mechanism)m);
        if (RAND_bytes(salt, (int)len) != 1 ||
            !scram_keys_derive((enum sasl_mechanism)m, password, bytes_of(salt, len), iterations, &secret.scram[m]))
            return err_set(err, DIVAN_ERR_FAILED, "the keys of the password could not be derived: OpenSSL refused");
    }
    *out = secret;
    OPENSSL_cleanse(&secret, sizeof secret);
    return DIVAN_OK;
}

bool sasl_secret_check(const struct sasl_secret *secret, struct divan_bytes password)
{
    const struct scram_keys *keys = &secret->scram[SASL_SCRAM_SHA256];
    struct scram_keys again;
    if (!scram_keys_derive(SASL_SCRAM_SHA256, password, bytes_of(keys->salt, keys->salt_len), keys->iterations, &again))
        return false;
    bool same = CRYPTO_memcmp(again.stored_key, keys->stored_key, sasl_digest_len(SASL_SCRAM_SHA256)) == 0;
    OPENSSL_cleanse(&again, sizeof again);
    return same;
}
