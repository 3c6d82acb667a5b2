/* Clocks, processor time and the arithmetic of measurements. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

uint64_t now_ns(void);      /**< monotonic */
uint64_t cpu_ns(void);      /**< user + system time of this process, all threads */
uint64_t allocations(void); /**< malloc, calloc and realloc calls of this process so far (bench/count_alloc.c) */

void sort_u32(uint32_t *values, size_t count);
void sort_doubles(double *values, size_t count);
/** The value below which `share` (0..1) of the sorted values lie. */
uint32_t share_of_u32(const uint32_t *sorted, size_t count, double share);
double share_of_doubles(const double *sorted, size_t count, double share);

/* A quantity measured once per round. The gate looks at the whole 10-90 % range, as single rounds are noisy. */
enum { ROUNDS_MAX = 101 };
struct series {
    double values[ROUNDS_MAX];
    size_t count;
};
void series_add(struct series *s, double value);
struct summary {
    double median, low, high; /* 10 % and 90 % */
};
struct summary series_summary(const struct series *s);

enum goal_kind { GOAL_NONE, GOAL_AT_MOST, GOAL_AT_LEAST };
/** One line of the result: a table row, or with json one JSON object {name, value, unit, goal, ...}. Returns false when
 * the goal is missed by the whole range. */
int report(int json, const char *name, const struct series *s, const char *unit, enum goal_kind kind, double goal);
void report_head(int json);

#endif
