/* Stands in for wire/pbkdf2.c in simulations: deriving a key costs nothing there, and both sides do it alike. And secrets
 * from OpenSSL follow from the seed, so that certificates and nonces have the same length in each run. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/rand.h>

#include "sim/sim_cluster.h"
#include "topology/map.h"
#include "wire/pbkdf2.h"

static void derive(struct divan_bytes password, struct divan_bytes salt, uint32_t iterations, uint8_t *out, size_t len)
{
    struct rng r;
    rng_init(&r, ((uint64_t)crc32_of(password) << 32 | crc32_of(salt)) ^ iterations ^ (uint64_t)len << 20);
    for (size_t i = 0; i < len; i++) out[i] = (uint8_t)rng_u64(&r);
}

void pbkdf2_sha1(struct divan_bytes password, struct divan_bytes salt, uint32_t iterations, uint8_t *out)
{
    derive(password, salt, iterations, out, 20);
}

void pbkdf2_sha256(struct divan_bytes password, struct divan_bytes salt, uint32_t iterations, uint8_t *out)
{
    derive(password, salt, iterations, out, 32);
}

void pbkdf2_sha512(struct divan_bytes password, struct divan_bytes salt, uint32_t iterations, uint8_t *out)
{
    derive(password, salt, iterations, out, 64);
}

static struct rng secrets;

static int random_bytes(unsigned char *out, int count)
{
    for (int i = 0; i < count; i++) out[i] = (unsigned char)rng_u64(&secrets);
    return 1;
}

static int random_ready(void)
{
    return 1;
}

void cheap_random(uint64_t seed)
{
    static const RAND_METHOD method = {.bytes = random_bytes, .pseudorand = random_bytes, .status = random_ready};
    rng_init(&secrets, seed);
    RAND_set_rand_method(&method);
}
