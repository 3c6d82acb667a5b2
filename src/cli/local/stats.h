/* Items and operations per second of the buckets, asked for over REST in the background. */
#ifndef DIVAN_CLI_LOCAL_STATS_H
#define DIVAN_CLI_LOCAL_STATS_H

#include "cli/local/record.h"
#include "io/io.h"

enum { STATS_BUCKETS_MAX = 16 };

struct stats_bucket {
    char name[104];
    uint64_t items, memory_bytes;
    double ops_per_s;
};

struct stats {
    struct stats_bucket buckets[STATS_BUCKETS_MAX];
    size_t count;
    bool known; /* an answer came */
};

/** Reads the answer of GET /pools/default/buckets. false: it is not one (out untouched). */
bool stats_parse(struct divan_bytes json, struct stats *out);
/** Asks one node and waits. Errors of rest_do(), PARSING_FAILURE. */
enum divan_code stats_fetch(const struct record *r, size_t node, struct stats *out, struct divan_error *err);

struct rest_call;
struct stats_poll {
    struct stats stats; /* the newest */
    struct rest_call *call;
};
/** Starts a question unless one is under way. A failed one changes nothing. */
void stats_poll_start(struct stats_poll *p, struct io_loop *loop, const struct record *r, size_t node);
void stats_poll_stop(struct stats_poll *p);

#endif
