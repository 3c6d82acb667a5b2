#include "wire/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "wire/pbkdf2.h"

static const EVP_MD *digest_of(enum sasl_mechanism m)
{
    switch (m) {
    case SASL_SCRAM_SHA1:
        return EVP_sha1();
    case SASL_SCRAM_SHA256:
        return EVP_sha256();
    case SASL_SCRAM_SHA512:
        return EVP_sha512();
    default:
        return NULL;
    }
}

/* OpenSSL takes lengths as int. */
static bool fits_int(size_t n)
{
    return n <= INT32_MAX;
}

static const char *text_of(struct divan_bytes b)
{
    return b.len ? b.data : "";
}

bool scram_salted_password(enum sasl_mechanism m, struct divan_bytes password, struct divan_bytes salt,
                           uint32_t iterations, uint8_t *out)
{
    if (!iterations || iterations > SCRAM_ITERATIONS_MAX) return false;
    switch (m) {
    case SASL_SCRAM_SHA1:
        pbkdf2_sha1(password, salt, iterations, out);
        return true;
    case SASL_SCRAM_SHA256:
        pbkdf2_sha256(password, salt, iterations, out);
        return true;
    case SASL_SCRAM_SHA512:
        pbkdf2_sha512(password, salt, iterations, out);
        return true;
    default:
        return false;
    }
}

bool scram_hmac(enum sasl_mechanism m, struct divan_bytes key, struct divan_bytes text, uint8_t *out)
{
    const EVP_MD *md = digest_of(m);
    return md && fits_int(key.len) &&
           HMAC(md, text_of(key), (int)key.len, (const uint8_t *)text_of(text), text.len, out, NULL);
}

bool scram_hash(enum sasl_mechanism m, struct divan_bytes data, uint8_t *out)
{
    const EVP_MD *md = digest_of(m);
    return md && EVP_Digest(text_of(data), data.len, out, NULL, md, NULL) == 1;
}

void scram_xor(uint8_t *into, const uint8_t *with, size_t len)
{
    for (size_t i = 0; i < len; i++) into[i] ^= with[i];
}

bool scram_attribute(struct rd *r, char *name, struct divan_bytes *value)
{
    struct divan_bytes head = rd_take(r, 2);
    const char *at = head.data;
    if (!at || at[1] != '=') return false;
    *name = at[0];
    const void *comma = r->left ? memchr(r->at, ',', r->left) : NULL;
    *value = rd_take(r, comma ? (size_t)((const uint8_t *)comma - r->at) : r->left);
    if (comma) rd_take(r, 1);
    return true;
}

bool scram_is_nonce(struct divan_bytes text)
{
    const uint8_t *at = text.data;
    for (size_t i = 0; i < text.len; i++)
        if (at[i] < 0x20 || at[i] > 0x7e || at[i] == ',') return false;
    return text.len > 0;
}

bool scram_iterations(struct divan_bytes text, uint32_t *out)
{
    uint32_t sum = 0;
    const uint8_t *at = text.data;
    if (!text.len || text.len > 7) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        sum = sum * 10 + (uint32_t)(at[i] - '0');
    }
    if (sum < SCRAM_ITERATIONS_MIN || sum > SCRAM_ITERATIONS_MAX) return false;
    *out = sum;
    return true;
}

void scram_put_user(struct buf *out, struct divan_bytes user)
{
    const uint8_t *at = user.data;
    for (size_t i = 0; i < user.len; i++) {
        if (at[i] == '=') buf_put_str(out, "=3D");
        else if (at[i] == ',') buf_put_str(out, "=2C");
        else buf_u8(out, at[i]);
    }
}

bool scram_take_user(struct divan_bytes escaped, char *out, size_t cap)
{
    struct rd r = rd_from(escaped);
    size_t n = 0;
    while (r.left) {
        uint8_t c = rd_u8(&r);
        if (c == '=') {
            struct divan_bytes code = rd_take(&r, 2);
            if (bytes_is(code, "2C")) c = ',';
            else if (!bytes_is(code, "3D")) return false;
        }
        if (!c || n + 1 >= cap) return false;
        out[n++] = (char)c;
    }
    out[n] = 0;
    return n > 0;
}
