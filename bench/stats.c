#include "stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cpu_ns(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return ((uint64_t)u.ru_utime.tv_sec + (uint64_t)u.ru_stime.tv_sec) * 1000000000u +
           ((uint64_t)u.ru_utime.tv_usec + (uint64_t)u.ru_stime.tv_usec) * 1000u;
}

static int by_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void sort_u32(uint32_t *values, size_t count)
{
    qsort(values, count, sizeof *values, by_u32);
}
void sort_doubles(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_double);
}

static size_t position(size_t count, double share)
{
    size_t at = (size_t)(share * (double)(count - 1) + 0.5);
    return at < count ? at : count - 1;
}

uint32_t share_of_u32(const uint32_t *sorted, size_t count, double share)
{
    return count ? sorted[position(count, share)] : 0;
}

double share_of_doubles(const double *sorted, size_t count, double share)
{
    return count ? sorted[position(count, share)] : 0;
}

void series_add(struct series *s, double value)
{
    if (s->count < ROUNDS_MAX) s->values[s->count++] = value;
}

struct summary series_summary(const struct series *s)
{
    struct series sorted = *s;
    sort_doubles(sorted.values, sorted.count);
    return (struct summary){
        .median = share_of_doubles(sorted.values, sorted.count, 0.5),
        .low = share_of_doubles(sorted.values, sorted.count, 0.1),
        .high = share_of_doubles(sorted.values, sorted.count, 0.9),
    };
}

void report_head(int json)
{
    if (!json) printf("%-34s %10s  %-19s %-8s %-9s\n", "", "median", "10 % .. 90 %", "unit", "goal");
}

int report(int json, const char *name, const struct series *s, const char *unit, enum goal_kind kind, double goal)
{
    struct summary v = series_summary(s);
    int met = kind == GOAL_AT_MOST ? v.median <= goal : kind == GOAL_AT_LEAST ? v.median >= goal : 1;
    int missed = kind == GOAL_AT_MOST ? v.low > goal : kind == GOAL_AT_LEAST ? v.high < goal : 0;
    if (json) {
        char bound[32] = "null";
        if (kind != GOAL_NONE) snprintf(bound, sizeof bound, "%g", goal);
        printf("{\"name\": \"%s\", \"value\": %.4g, \"unit\": \"%s\", \"goal\": %s, \"goal_kind\": %s, \"low\": %.4g, "
               "\"high\": %.4g, \"rounds\": %zu, \"met\": %s}\n",
               name, v.median, unit, bound,
               kind == GOAL_NONE      ? "null"
               : kind == GOAL_AT_MOST ? "\"at_most\""
                                      : "\"at_least\"",
               v.low, v.high, s->count, met ? "true" : "false");
    } else {
        char range[32], bound[32] = "";
        snprintf(range, sizeof range, "%.4g .. %.4g", v.low, v.high);
        if (kind != GOAL_NONE) snprintf(bound, sizeof bound, "%s %g", kind == GOAL_AT_MOST ? "<=" : ">=", goal);
        printf("%-34s %10.4g  %-19s %-8s %-9s %s\n", name, v.median, range, unit, bound,
               kind == GOAL_NONE ? ""
               : met             ? "met"
               : missed          ? "MISSED"
                                 : "missed within the range");
    }
    fflush(stdout);
    return !missed;
}
