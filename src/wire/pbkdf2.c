/* The functions below are marked as deprecated because they work on the processor only, not on a hardware module: that is
 * what makes them fast for inputs of one block. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "wire/pbkdf2.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

/* HMAC hashes (key ^ ipad, text) and then (key ^ opad, that). The states behind the first block of each are kept, so that
 * a round is two copies of a state and two blocks. */
#define PBKDF2(name, CTX, HASH, BLOCK, DIGEST)                                                                         \
    struct name##_keyed {                                                                                              \
        CTX inner, outer;                                                                                              \
    };                                                                                                                 \
                                                                                                                       \
    static void name##_key(struct name##_keyed *k, struct divan_bytes key)                                             \
    {                                                                                                                  \
        uint8_t block[BLOCK] = {0};                                                                                    \
        if (key.len > BLOCK) HASH(key.data, key.len, block);                                                           \
        else if (key.len) memcpy(block, key.data, key.len);                                                            \
        for (size_t i = 0; i < BLOCK; i++) block[i] ^= 0x36;                                                           \
        HASH##_Init(&k->inner);                                                                                        \
        HASH##_Update(&k->inner, block, BLOCK);                                                                        \
        for (size_t i = 0; i < BLOCK; i++) block[i] ^= 0x36 ^ 0x5c;                                                    \
        HASH##_Init(&k->outer);                                                                                        \
        HASH##_Update(&k->outer, block, BLOCK);                                                                        \
        OPENSSL_cleanse(block, sizeof block);                                                                          \
    }                                                                                                                  \
                                                                                                                       \
    static void name##_mac(const struct name##_keyed *k, struct divan_bytes a, struct divan_bytes b, uint8_t *out)     \
    {                                                                                                                  \
        CTX state = k->inner;                                                                                          \
        if (a.len) HASH##_Update(&state, a.data, a.len);                                                               \
        if (b.len) HASH##_Update(&state, b.data, b.len);                                                               \
        HASH##_Final(out, &state);                                                                                     \
        state = k->outer;                                                                                              \
        HASH##_Update(&state, out, DIGEST);                                                                            \
        HASH##_Final(out, &state);                                                                                     \
    }                                                                                                                  \
                                                                                                                       \
    void pbkdf2_##name(struct divan_bytes password, struct divan_bytes salt, uint32_t iterations, uint8_t *out)        \
    {                                                                                                                  \
        static const uint8_t first_block[4] = {0, 0, 0, 1};                                                            \
        struct name##_keyed keyed;                                                                                     \
        uint8_t round[DIGEST];                                                                                         \
        name##_key(&keyed, password);                                                                                  \
        name##_mac(&keyed, salt, bytes_of(first_block, sizeof first_block), round);                                    \
        memcpy(out, round, DIGEST);                                                                                    \
        for (uint32_t i = 1; i < iterations; i++) {                                                                    \
            name##_mac(&keyed, bytes_of(round, DIGEST), bytes_of(NULL, 0), round);                                     \
            for (size_t j = 0; j < DIGEST; j++) out[j] ^= round[j];                                                    \
        }                                                                                                              \
        OPENSSL_cleanse(&keyed, sizeof keyed);                                                                         \
        OPENSSL_cleanse(round, sizeof round);                                                                          \
    }

PBKDF2(sha1, SHA_CTX, SHA1, SHA_CBLOCK, SHA_DIGEST_LENGTH)
PBKDF2(sha256, SHA256_CTX, SHA256, SHA256_CBLOCK, SHA256_DIGEST_LENGTH)
PBKDF2(sha512, SHA512_CTX, SHA512, SHA512_CBLOCK, SHA512_DIGEST_LENGTH)
