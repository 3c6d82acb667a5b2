/* The load that `divan bench` makes: threads of operations on random keys, counted and timed. */
#ifndef DIVAN_CLI_BENCH_H
#define DIVAN_CLI_BENCH_H

#include <divan/divan.h>

#include "cli/latency.h"

enum bench_ops { BENCH_GET, BENCH_SET, BENCH_MIX };

struct bench_plan {
    divan_cluster *cluster;
    divan_collection *collection;
    enum bench_ops ops;
    size_t window; /* per thread: 1 = blocking calls, more = that many in flight through a queue */
    unsigned threads;
    uint32_t keys, value_bytes;
    uint64_t seconds;
};

struct bench_outcome {
    struct latency latency;
    uint64_t operations, gets, sets, missing, errors; /* operations: all of them, errors included */
    struct divan_error first_error;                   /* when errors > 0 */
    double seconds, cpu_s;                            /* measured; CPU of the whole process meanwhile */
};

/** Stores all keys once; told() hears how many are stored, often. Errors of upsert. */
enum divan_code bench_fill(const struct bench_plan *, void (*told)(void *user, uint64_t done), void *user,
                           struct divan_error *err);
/** Runs the load; told() hears the number of operations so far, some times per second. Failing operations are counted and
 * do not end it. Errors: SYSTEM (no thread), OUT_OF_MEMORY. */
enum divan_code bench_run(const struct bench_plan *, void (*told)(void *user, uint64_t done), void *user,
                          struct bench_outcome *out, struct divan_error *err);

/** Key i as text into out (cap at least 24). Returns out. */
const char *bench_key(uint32_t i, char *out, size_t cap);
/** A JSON value of exactly len bytes (1 or more): an object, or a number when it would not fit. */
void bench_value(char *out, size_t len);

#endif
