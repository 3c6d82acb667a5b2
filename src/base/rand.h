/* Seeded random numbers (xoshiro256**): everything random in the library comes from one of these, so that a simulation
 * repeats from its seed. Not for secrets: those come from OpenSSL. */
#ifndef DIVAN_BASE_RAND_H
#define DIVAN_BASE_RAND_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /**< 0 <= result < n; n = 0 gives 0 */
double rng_unit(struct rng *r);                /**< [0, 1) */
uint64_t rng_system_seed(void);                /**< from the operating system */

#endif
