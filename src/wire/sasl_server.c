#include <openssl/crypto.h>

#include "base/error.h"
#include "wire/base64.h"
#include "wire/scram.h"

static enum sasl_verdict end(struct sasl_server *s, enum sasl_verdict verdict)
{
    s->state = SASL_SERVER_CLOSED;
    OPENSSL_cleanse(s->password, sizeof s->password);
    OPENSSL_cleanse(&s->keys, sizeof s->keys);
    return verdict;
}

void sasl_server_fini(struct sasl_server *s)
{
    end(s, SASL_REFUSED);
    buf_fini(&s->auth_message);
}

void sasl_server_reset(struct sasl_server *s)
{
    sasl_server_fini(s);
    memset(s, 0, sizeof *s);
}

/* authzid NUL user NUL password; who the client wants to act as is not looked at. */
static bool read_plain(struct sasl_server *s, struct divan_bytes payload)
{
    struct rd r = rd_from(payload);
    const uint8_t *nul = r.left ? memchr(r.at, 0, r.left) : NULL;
    if (!nul) return false;
    rd_take(&r, (size_t)(nul - r.at) + 1);
    nul = r.left ? memchr(r.at, 0, r.left) : NULL;
    if (!nul) return false;
    struct divan_bytes user = rd_take(&r, (size_t)(nul - r.at));
    rd_take(&r, 1);
    struct divan_bytes password = rd_rest(&r);
    if (!user.len || user.len > SASL_USER_MAX || password.len > SASL_PASSWORD_MAX) return false;
    memcpy(s->user, user.data, user.len);
    if (password.len) memcpy(s->password, password.data, password.len);
    s->password_len = password.len;
    return true;
}

/* "n,," n=user,r=nonce. Channel binding and acting for somebody else are not offered, as in the measured server. */
static bool read_client_first(struct sasl_server *s, struct divan_bytes payload)
{
    struct divan_bytes user = {0}, nonce = {0}, value;
    char name;
    if (!bytes_is(bytes_slice(payload, 0, 3), "n,,")) return false;
    struct divan_bytes bare = bytes_slice(payload, 3, payload.len);
    struct rd r = rd_from(bare);
    while (r.left) {
        if (!scram_attribute(&r, &name, &value)) return false;
        if (name == 'n' && !user.data) user = value;
        else if (name == 'r' && !nonce.data) nonce = value;
        else return false;
    }
    if (!scram_is_nonce(nonce) || nonce.len > SCRAM_NONCE_MAX || !scram_take_user(user, s->user, sizeof s->user))
        return false;
    memcpy(s->nonce, nonce.data, nonce.len);
    s->auth_message.limit = SCRAM_MESSAGE_MAX;
    buf_put_bytes(&s->auth_message, bare);
    return true;
}

enum sasl_verdict sasl_server_begin(struct sasl_server *s, enum sasl_mechanism m, struct divan_bytes payload)
{
    if (s->state == SASL_SERVER_LOOKUP || s->state == SASL_SERVER_PROOF) return SASL_SEQUENCE;
    sasl_server_reset(s);
    if (m >= SASL_NONE) return end(s, SASL_REFUSED);
    s->mechanism = m;
    if (payload.len > SCRAM_MESSAGE_MAX / 2) return end(s, SASL_MALFORMED);
    if (!(m == SASL_PLAIN ? read_plain(s, payload) : read_client_first(s, payload))) return end(s, SASL_MALFORMED);
    if (s->auth_message.failed) return end(s, SASL_EXHAUSTED);
    s->state = SASL_SERVER_LOOKUP;
    return SASL_LOOKUP;
}

/* A salt that is the same whenever the same unknown user is tried; the keys cannot be met by any password. */
static bool make_up_keys(struct sasl_server *s, struct divan_bytes pepper)
{
    size_t len = sasl_digest_len(s->mechanism);
    s->keys.salt_len = (uint8_t)len;
    s->keys.iterations = SCRAM_ITERATIONS;
    return scram_hmac(s->mechanism, pepper, divan_str(s->user), s->keys.salt) &&
           scram_hmac(s->mechanism, bytes_of(s->keys.salt, len), pepper, s->keys.stored_key);
}

static enum sasl_verdict answer_plain(struct sasl_server *s, const struct sasl_secret *secret)
{
    bool good = secret && sasl_secret_check(secret, bytes_of(s->password, s->password_len));
    return end(s, good ? SASL_ACCEPTED : SASL_REFUSED);
}

enum sasl_verdict sasl_server_answer(struct sasl_server *s, const struct sasl_secret *secret, struct divan_bytes pepper,
                                     const char *nonce, struct buf *out)
{
    if (s->state != SASL_SERVER_LOOKUP) return SASL_SEQUENCE;
    if (s->mechanism == SASL_PLAIN) return answer_plain(s, secret);
    size_t theirs = strlen(s->nonce);
    if (!scram_is_nonce(divan_str(nonce)) || strlen(nonce) > SCRAM_NONCE_MAX) return end(s, SASL_EXHAUSTED);
    text_copy(s->nonce + theirs, sizeof s->nonce - theirs, nonce);
    s->known = secret != NULL && secret->scram[s->mechanism].salt_len;
    if (s->known) s->keys = secret->scram[s->mechanism];
    else if (!make_up_keys(s, pepper)) return end(s, SASL_EXHAUSTED);
    buf_put_str(&s->auth_message, ",");
    size_t start = s->auth_message.len;
    buf_put_str(&s->auth_message, "r=");
    buf_put_str(&s->auth_message, s->nonce);
    buf_put_str(&s->auth_message, ",s=");
    base64_append(&s->auth_message, bytes_of(s->keys.salt, s->keys.salt_len));
    buf_printf(&s->auth_message, ",i=%u", (unsigned)s->keys.iterations);
    buf_put_bytes(out, bytes_slice(buf_view(&s->auth_message), start, s->auth_message.len));
    if (s->auth_message.failed || out->failed) return end(s, SASL_EXHAUSTED);
    s->state = SASL_SERVER_PROOF;
    return SASL_CONTINUE;
}

struct client_final {
    struct divan_bytes channel, nonce;
    uint8_t proof[SCRAM_DIGEST_MAX];
    size_t proof_len, unsigned_len; /* the message without ",p=..." */
};

static bool read_client_final(struct divan_bytes payload, struct client_final *out)
{
    struct rd r = rd_from(payload);
    struct divan_bytes value;
    char name;
    while (r.left) {
        size_t at = payload.len - r.left;
        if (!scram_attribute(&r, &name, &value)) return false;
        if (name == 'c' && !out->channel.data && !at) out->channel = value;
        else if (name == 'r' && !out->nonce.data) out->nonce = value;
        else if (name == 'p' && at && !r.left &&
                 base64_decode_into(value, out->proof, sizeof out->proof, &out->proof_len))
            out->unsigned_len = at - 1;
        else return false;
    }
    return out->channel.len && out->nonce.len && out->proof_len;
}

/* H(proof XOR HMAC(stored key, messages)) must be the stored key again. */
static bool proof_holds(struct sasl_server *s, struct client_final *final)
{
    enum sasl_mechanism m = s->mechanism;
    size_t len = sasl_digest_len(m);
    uint8_t signature[SCRAM_DIGEST_MAX], again[SCRAM_DIGEST_MAX];
    if (final->proof_len != len ||
        !scram_hmac(m, bytes_of(s->keys.stored_key, len), buf_view(&s->auth_message), signature))
        return false;
    scram_xor(final->proof, signature, len);
    return scram_hash(m, bytes_of(final->proof, len), again) && !CRYPTO_memcmp(again, s->keys.stored_key, len);
}

enum sasl_verdict sasl_server_step(struct sasl_server *s, struct divan_bytes payload, struct buf *out)
{
    struct client_final final = {.proof_len = 0};
    uint8_t signature[SCRAM_DIGEST_MAX];
    size_t len = sasl_digest_len(s->mechanism);
    if (s->state != SASL_SERVER_PROOF) return SASL_SEQUENCE;
    if (payload.len > SCRAM_MESSAGE_MAX / 4 || !read_client_final(payload, &final)) return end(s, SASL_MALFORMED);
    /* The measured server compares neither nonce nor channel binding, which lets an old exchange be replayed: we do. */
    if (!bytes_is(final.nonce, s->nonce) || !bytes_is(final.channel, "biws")) return end(s, SASL_REFUSED);
    buf_put_str(&s->auth_message, ",");
    buf_put_bytes(&s->auth_message, bytes_slice(payload, 0, final.unsigned_len));
    if (s->auth_message.failed) return end(s, SASL_EXHAUSTED);
    if (!proof_holds(s, &final) || !s->known) return end(s, SASL_REFUSED);
    if (!scram_hmac(s->mechanism, bytes_of(s->keys.server_key, len), buf_view(&s->auth_message), signature))
        return end(s, SASL_EXHAUSTED);
    buf_put_str(out, "v=");
    base64_append(out, bytes_of(signature, len));
    return end(s, out->failed ? SASL_EXHAUSTED : SASL_ACCEPTED);
}
