/* Latencies of a measurement: log-linear cells in nanoseconds, 64 steps per doubling (error below 1.6 %), no memory of its
 * own beyond the struct. One thread writes; merge when they are done. */
#ifndef DIVAN_CLI_LATENCY_H
#define DIVAN_CLI_LATENCY_H

#include <stddef.h>
#include <stdint.h>

enum { LATENCY_STEPS = 64, LATENCY_DOUBLINGS = 32, LATENCY_CELLS = LATENCY_STEPS * (LATENCY_DOUBLINGS + 1) };

struct latency {
    uint64_t cells[LATENCY_CELLS];
    uint64_t count, sum_ns, max_ns;
};

void latency_add(struct latency *l, uint64_t ns); /**< up to about 270 s, beyond is counted there */
void latency_merge(struct latency *into, const struct latency *from);
/** The value that the part q (0..1) does not exceed, to the width of a cell; 0 when empty. q = 1 is the exact maximum. */
uint64_t latency_at(const struct latency *l, double q);

#endif
