#include "cli/latency.h"

/* Values below LATENCY_STEPS have a cell each; above, the highest six bits after the leading one choose the step. */
static size_t cell_of(uint64_t ns)
{
    if (ns < LATENCY_STEPS) return (size_t)ns;
    unsigned top = 63u - (unsigned)__builtin_clzll(ns), doubling = top - 5; /* 64 = 2^6 is the first of doubling 1 */
    if (doubling > LATENCY_DOUBLINGS) return LATENCY_CELLS - 1;
    return doubling * LATENCY_STEPS + (size_t)(ns >> (doubling - 1)) % LATENCY_STEPS;
}

static uint64_t cell_high(size_t cell)
{
    uint64_t doubling = cell / LATENCY_STEPS, step = cell % LATENCY_STEPS;
    if (!doubling) return step;
    return ((LATENCY_STEPS + step + 1) << (doubling - 1)) - 1;
}

void latency_add(struct latency *l, uint64_t ns)
{
    l->cells[cell_of(ns)]++;
    l->count++;
    l->sum_ns += ns;
    if (ns > l->max_ns) l->max_ns = ns;
}

void latency_merge(struct latency *into, const struct latency *from)
{
    for (size_t i = 0; i < LATENCY_CELLS; i++) into->cells[i] += from->cells[i];
    into->count += from->count;
    into->sum_ns += from->sum_ns;
    if (from->max_ns > into->max_ns) into->max_ns = from->max_ns;
}

uint64_t latency_at(const struct latency *l, double q)
{
    uint64_t rank = (uint64_t)(q * (double)l->count), seen = 0;
    if (!l->count) return 0;
    if (rank >= l->count) return l->max_ns;
    for (size_t i = 0; i < LATENCY_CELLS; i++) {
        seen += l->cells[i];
        if (seen > rank) return cell_high(i) < l->max_ns ? cell_high(i) : l->max_ns;
    }
    return l->max_ns;
}
