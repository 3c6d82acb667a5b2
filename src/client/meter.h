/* What the client counts, always on: a few additions per operation under the lock it holds anyway, and no clock of its
 * own. Text is made only when somebody asks. */
#ifndef DIVAN_CLIENT_METER_H
#define DIVAN_CLIENT_METER_H

#include "base/bytes.h"
#include "client/kinds.h"

/* Latencies in a log-linear histogram: values below 16 us exactly, then 8 steps per doubling (error below 12.5 %). */
enum { HISTOGRAM_LINEAR = 16, HISTOGRAM_STEPS = 8, HISTOGRAM_CELLS = HISTOGRAM_LINEAR + 25 * HISTOGRAM_STEPS };

struct histogram {
    uint32_t cells[HISTOGRAM_CELLS];
    uint64_t count, sum_us, max_us;
};

void histogram_add(struct histogram *h, uint64_t us);
/** The upper bound of the cell that holds the q-quantile (0..1); 0 when empty. */
uint64_t histogram_quantile(const struct histogram *h, double q);
/** Bounds of a cell: values v with low <= v < low of the next. */
uint64_t histogram_low(unsigned cell);

enum meter_outcome {
    OUTCOME_OK,
    OUTCOME_REFUSED,
    OUTCOME_TIMEOUT,
    OUTCOME_AMBIGUOUS,
    OUTCOME_CANCELLED,
    OUTCOME_FAILED,
    OUTCOME_COUNT
};

struct meter {
    struct histogram latency[KIND_DOCUMENT_COUNT];
    uint64_t outcomes[KIND_DOCUMENT_COUNT][OUTCOME_COUNT];
    uint64_t retries, rejected_overload, orphans, connects, connects_failed, connections_lost;
    uint64_t maps_applied, maps_ignored, pushes, collection_lookups, deadline_passed, breakers_opened, bytes_out,
        bytes_in;
};

enum meter_outcome meter_outcome_of(enum divan_code code);
static inline void meter_done(struct meter *m, enum op_kind kind, enum divan_code code, uint64_t elapsed_ns)
{
    if (kind >= KIND_DOCUMENT_COUNT) return;
    histogram_add(&m->latency[kind], elapsed_ns / 1000);
    m->outcomes[kind][code ? meter_outcome_of(code) : OUTCOME_OK]++;
}
/** Appends the members "operations":{...},"client":{...} (no braces around them). */
void meter_json(const struct meter *m, struct buf *out);

#endif
