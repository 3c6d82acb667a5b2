#include "node/http/auth.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "manager/keys.h"

bool auth_init(struct auth_cache *c)
{
    *c = (struct auth_cache){0};
    return RAND_bytes(c->key, sizeof c->key) == 1;
}

/* The stored key is part of it: a changed password makes what was remembered worthless. */
static bool digest(const struct auth_cache *c, const struct doc_key *key, struct divan_bytes user,
                   struct divan_bytes password, uint8_t out[AUTH_DIGEST])
{
    struct buf text = {.limit = 16 * 1024};
    unsigned len = 0;
    buf_u32be(&text, (uint32_t)user.len);
    buf_put_bytes(&text, user);
    buf_put(&text, key->stored, sizeof key->stored);
    buf_put_bytes(&text, password);
    bool done = !text.failed && HMAC(EVP_sha256(), c->key, sizeof c->key, text.data, text.len, out, &len);
    buf_fini(&text);
    return done;
}

static bool password_is(struct auth_cache *c, const struct doc_key keys[DOC_HASHES], struct divan_bytes user,
                        struct divan_bytes password)
{
    uint8_t d[AUTH_DIGEST];
    if (!digest(c, &keys[DOC_SHA256], user, password, d)) return keys_check(keys, password);
    struct auth_known *slot = &c->known[d[0] % AUTH_CACHE];
    if (slot->used && memcmp(slot->digest, d, sizeof d) == 0) return true;
    if (!keys_check(keys, password)) return false;
    memcpy(slot->digest, d, sizeof d);
    slot->used = true;
    return true;
}

static bool check(struct auth_cache *c, const struct doc *d, struct divan_bytes user, struct divan_bytes password,
                  struct identity *who)
{
    const struct doc_user *u = doc_find_user(d, user, false);
    if (bytes_is(user, d->admin) && password_is(c, d->admin_keys, user, password)) {
        *who = (struct identity){.admin = true, .doc = d};
        return true;
    }
    if (!u || !password_is(c, u->keys, user, password)) return false;
    *who = (struct identity){.doc = d, .user = u};
    return true;
}

enum auth_verdict auth_identify(struct auth_cache *c, const struct doc *d, const struct http_message *m,
                                struct identity *who, struct buf *name)
{
    struct divan_bytes header = http_header(m, "authorization"), user = {0}, password = {0};
    struct buf scratch = {.limit = 16 * 1024};
    enum auth_verdict verdict = AUTH_WRONG;
    if (!d->provisioned) {
        *who = (struct identity){.admin = true, .anonymous = true, .doc = d};
        verdict = AUTH_NOBODY;
    } else if (!header.data) {
        *who = (struct identity){.anonymous = true, .doc = d};
        verdict = AUTH_NOBODY;
    } else if (basic_auth_decode(header, &scratch, &user, &password) && check(c, d, user, password, who)) {
        buf_put_bytes(name, user);
        verdict = AUTH_SOMEBODY;
    }
    buf_u8(name, 0);
    buf_fini(&scratch);
    return name->failed ? AUTH_WRONG : verdict;
}
