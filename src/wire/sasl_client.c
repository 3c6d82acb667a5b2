#include <openssl/crypto.h>

#include "base/error.h"
#include "wire/base64.h"
#include "wire/scram.h"

static enum divan_code fail(struct sasl_client *c, struct divan_error *err, enum divan_code code, const char *why)
{
    c->state = SASL_CLIENT_FAILED;
    return err_set(err, code, "%s: %s", sasl_name(c->mechanism), why);
}

static bool has_nul(struct divan_bytes b)
{
    return b.len && memchr(b.data, 0, b.len);
}

enum divan_code sasl_client_init(struct sasl_client *c, enum sasl_mechanism m, struct divan_bytes user,
                                 struct divan_bytes password, const char *nonce, struct divan_error *err)
{
    memset(c, 0, sizeof *c);
    c->mechanism = m;
    c->user = user;
    c->password = password;
    if (m >= SASL_NONE) return fail(c, err, DIVAN_ERR_SASL_MECHANISM, "no mechanism was chosen");
    if (!user.len || user.len > SASL_USER_MAX || has_nul(user))
        return fail(c, err, DIVAN_ERR_CREDENTIALS, "the user name must have 1 to 128 bytes, none of them 0");
    if (password.len > SASL_PASSWORD_MAX || has_nul(password))
        return fail(c, err, DIVAN_ERR_CREDENTIALS, "the password must have at most 1024 bytes, none of them 0");
    if (m == SASL_PLAIN) return DIVAN_OK;
    if (!scram_is_nonce(divan_str(nonce)) || strlen(nonce) > SCRAM_NONCE_MAX)
        return fail(c, err, DIVAN_ERR_SASL_MESSAGE, "the nonce must be 1 to 128 printable characters without comma");
    text_copy(c->nonce, sizeof c->nonce, nonce);
    return DIVAN_OK;
}

static void put_first_bare(const struct sasl_client *c, struct buf *out)
{
    buf_put_str(out, "n=");
    scram_put_user(out, c->user);
    buf_put_str(out, ",r=");
    buf_put_str(out, c->nonce);
}

enum divan_code sasl_client_first(struct sasl_client *c, struct buf *out, struct divan_error *err)
{
    if (c->state != SASL_CLIENT_START) return fail(c, err, DIVAN_ERR_SASL_MECHANISM, "the exchange was started before");
    if (c->mechanism == SASL_PLAIN) {
        buf_u8(out, 0);
        buf_put_bytes(out, c->user);
        buf_u8(out, 0);
        buf_put_bytes(out, c->password);
    } else {
        buf_put_str(out, "n,,");
        put_first_bare(c, out);
    }
    if (out->failed) return err_oom(err);
    c->state = c->mechanism == SASL_PLAIN ? SASL_CLIENT_VERIFY : SASL_CLIENT_CHALLENGE;
    return DIVAN_OK;
}

struct challenge {
    struct divan_bytes nonce;
    uint8_t salt[SCRAM_SALT_MAX * 4];
    size_t salt_len;
    uint32_t iterations;
};

/* Returns what is wrong with it; NULL = nothing. */
static const char *read_challenge(const struct sasl_client *c, struct divan_bytes text, struct challenge *out)
{
    struct rd r = rd_from(text);
    struct divan_bytes value;
    char name;
    size_t ours = strlen(c->nonce);
    while (r.left) {
        if (!scram_attribute(&r, &name, &value)) return "the challenge of the server is not well-formed";
        if (name == 'r' && !out->nonce.len && scram_is_nonce(value)) out->nonce = value;
        else if (name == 's' && !out->salt_len &&
                 base64_decode_into(value, out->salt, sizeof out->salt, &out->salt_len))
            continue;
        else if (name != 'i' || out->iterations || !scram_iterations(value, &out->iterations))
            return "the challenge of the server has an attribute that is unknown, repeated or out of range";
    }
    if (!out->nonce.len || !out->salt_len || !out->iterations) return "the challenge of the server lacks an attribute";
    if (out->nonce.len <= ours || memcmp(out->nonce.data, c->nonce, ours))
        return "the challenge of the server does not extend our nonce: it is no answer to this exchange";
    return NULL;
}

/* proof = client key XOR HMAC(H(client key), messages) */
static bool sign(struct sasl_client *c, const struct challenge *ch, struct divan_bytes messages,
                 uint8_t proof[SCRAM_DIGEST_MAX])
{
    enum sasl_mechanism m = c->mechanism;
    size_t len = sasl_digest_len(m);
    uint8_t salted[SCRAM_DIGEST_MAX], key[SCRAM_DIGEST_MAX], signature[SCRAM_DIGEST_MAX];
    bool ok = scram_salted_password(m, c->password, bytes_of(ch->salt, ch->salt_len), ch->iterations, salted) &&
              scram_hmac(m, bytes_of(salted, len), divan_str("Client Key"), proof) &&
              scram_hash(m, bytes_of(proof, len), key) && scram_hmac(m, bytes_of(key, len), messages, signature) &&
              scram_hmac(m, bytes_of(salted, len), divan_str("Server Key"), key) &&
              scram_hmac(m, bytes_of(key, len), messages, c->server_signature);
    if (ok) scram_xor(proof, signature, len);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(key, sizeof key);
    return ok;
}

enum divan_code sasl_client_step(struct sasl_client *c, struct divan_bytes challenge, struct buf *out,
                                 struct divan_error *err)
{
    struct challenge ch = {{NULL, 0}, {0}, 0, 0};
    struct buf messages = {.limit = SCRAM_MESSAGE_MAX};
    uint8_t proof[SCRAM_DIGEST_MAX];
    enum divan_code rc = DIVAN_OK;
    if (c->state != SASL_CLIENT_CHALLENGE) return fail(c, err, DIVAN_ERR_SASL_MESSAGE, "no challenge was expected");
    const char *wrong = challenge.len > SCRAM_MESSAGE_MAX / 4 ? "the challenge of the server is too long"
                                                              : read_challenge(c, challenge, &ch);
    if (wrong) return fail(c, err, DIVAN_ERR_SASL_MESSAGE, wrong);
    put_first_bare(c, &messages);
    buf_put_str(&messages, ",");
    buf_put_bytes(&messages, challenge);
    buf_put_str(&messages, ",");
    size_t final_at = messages.len;
    buf_put_str(&messages, "c=biws,r="); /* biws = base64 of "n,,": no channel binding */
    buf_put_bytes(&messages, ch.nonce);
    if (messages.failed) rc = err_oom(err);
    else if (!sign(c, &ch, buf_view(&messages), proof))
        rc = fail(c, err, DIVAN_ERR_FAILED, "OpenSSL refused to compute the proof");
    if (!rc) {
        buf_put_bytes(out, bytes_slice(buf_view(&messages), final_at, messages.len));
        buf_put_str(out, ",p=");
        base64_append(out, bytes_of(proof, sasl_digest_len(c->mechanism)));
        if (out->failed) rc = err_oom(err);
    }
    if (!rc) c->state = SASL_CLIENT_VERIFY;
    buf_fini(&messages);
    return rc;
}

enum divan_code sasl_client_finish(struct sasl_client *c, struct divan_bytes outcome, struct divan_error *err)
{
    struct rd r = rd_from(outcome);
    struct divan_bytes value;
    uint8_t signature[SCRAM_DIGEST_MAX];
    size_t len = 0;
    char name;
    if (c->state != SASL_CLIENT_VERIFY)
        return fail(c, err, DIVAN_ERR_SASL_SERVER_SIGNATURE,
                    "the server ended the exchange before it proved that it knows the password");
    if (c->mechanism != SASL_PLAIN) {
        if (!scram_attribute(&r, &name, &value) || name != 'v' || r.left ||
            !base64_decode_into(value, signature, sizeof signature, &len))
            return fail(c, err, DIVAN_ERR_SASL_MESSAGE, "the last message of the server is not well-formed");
        if (len != sasl_digest_len(c->mechanism) || CRYPTO_memcmp(signature, c->server_signature, len))
            return fail(c, err, DIVAN_ERR_SASL_SERVER_SIGNATURE,
                        "the server could not prove that it knows the password: it may not be the one it claims");
    }
    c->state = SASL_CLIENT_DONE;
    return DIVAN_OK;
}

void sasl_client_fini(struct sasl_client *c)
{
    OPENSSL_cleanse(c->server_signature, sizeof c->server_signature);
    c->user = c->password = bytes_of(NULL, 0);
}
