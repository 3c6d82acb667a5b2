#include "client/meter.h"

static unsigned cell_of(uint64_t us)
{
    if (us < HISTOGRAM_LINEAR) return (unsigned)us;
    unsigned top = 63u - (unsigned)__builtin_clzll(us); /* >= 4 */
    unsigned cell = HISTOGRAM_LINEAR + (top - 4) * HISTOGRAM_STEPS + (unsigned)(us >> (top - 3) & 7);
    return cell < HISTOGRAM_CELLS ? cell : HISTOGRAM_CELLS - 1;
}

uint64_t histogram_low(unsigned cell)
{
    if (cell < HISTOGRAM_LINEAR) return cell;
    unsigned top = (cell - HISTOGRAM_LINEAR) / HISTOGRAM_STEPS + 4;
    return (UINT64_C(8) + (cell - HISTOGRAM_LINEAR) % HISTOGRAM_STEPS) << (top - 3);
}

void histogram_add(struct histogram *h, uint64_t us)
{
    h->cells[cell_of(us)]++;
    h->count++;
    h->sum_us += us;
    if (us > h->max_us) h->max_us = us;
}

uint64_t histogram_quantile(const struct histogram *h, double q)
{
    if (!h->count) return 0;
    uint64_t rank = (uint64_t)(q * (double)h->count), seen = 0;
    if (rank >= h->count) rank = h->count - 1;
    for (unsigned cell = 0; cell < HISTOGRAM_CELLS; cell++) {
        seen += h->cells[cell];
        if (seen <= rank) continue;
        uint64_t high = cell + 1 < HISTOGRAM_CELLS ? histogram_low(cell + 1) - 1 : h->max_us;
        return high < h->max_us ? high : h->max_us;
    }
    return h->max_us;
}

enum meter_outcome meter_outcome_of(enum divan_code code)
{
    switch ((int)code) {
    case DIVAN_OK:
        return OUTCOME_OK;
    case DIVAN_ERR_DOCUMENT_NOT_FOUND:
    case DIVAN_ERR_DOCUMENT_EXISTS:
    case DIVAN_ERR_CAS_MISMATCH:
    case DIVAN_ERR_DOCUMENT_LOCKED:
    case DIVAN_ERR_DELTA_INVALID:
    case DIVAN_ERR_VALUE_TOO_LARGE:
        return OUTCOME_REFUSED;
    case DIVAN_ERR_UNAMBIGUOUS_TIMEOUT:
        return OUTCOME_TIMEOUT;
    case DIVAN_ERR_AMBIGUOUS_TIMEOUT:
    case DIVAN_ERR_DURABILITY_AMBIGUOUS:
        return OUTCOME_AMBIGUOUS;
    case DIVAN_ERR_CANCELLED:
        return OUTCOME_CANCELLED;
    default:
        return OUTCOME_FAILED;
    }
}

static const char *const outcome_names[OUTCOME_COUNT] = {"ok",        "refused",   "timeout",
                                                         "ambiguous", "cancelled", "failed"};

static void put_operation(const struct meter *m, enum op_kind kind, struct buf *out)
{
    const struct histogram *h = &m->latency[kind];
    buf_printf(out, "\"%s\":{\"count\":%llu", kind_facts[kind].name, (unsigned long long)h->count);
    for (int i = 0; i < OUTCOME_COUNT; i++)
        buf_printf(out, ",\"%s\":%llu", outcome_names[i], (unsigned long long)m->outcomes[kind][i]);
    buf_printf(out, ",\"latency_us\":{\"sum\":%llu,\"max\":%llu", (unsigned long long)h->sum_us,
               (unsigned long long)h->max_us);
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p999", 0.999}};
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        buf_printf(out, ",\"%s\":%llu", quantiles[i].name, (unsigned long long)histogram_quantile(h, quantiles[i].q));
    buf_put_str(out, ",\"buckets\":[");
    bool first = true;
    for (unsigned cell = 0; cell < HISTOGRAM_CELLS; cell++) {
        if (!h->cells[cell]) continue;
        buf_printf(out, "%s[%llu,%u]", first ? "" : ",", (unsigned long long)histogram_low(cell), h->cells[cell]);
        first = false;
    }
    buf_put_str(out, "]}}");
}

void meter_json(const struct meter *m, struct buf *out)
{
    bool first = true;
    buf_put_str(out, "\"operations\":{");
    for (int kind = 0; kind < KIND_DOCUMENT_COUNT; kind++) {
        if (!m->latency[kind].count) continue;
        if (!first) buf_u8(out, ',');
        first = false;
        put_operation(m, (enum op_kind)kind, out);
    }
    buf_put_str(out, "},\"client\":{");
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"retries", m->retries},
        {"deadlines_passed", m->deadline_passed},
        {"rejected_overload", m->rejected_overload},
        {"breakers_opened", m->breakers_opened},
        {"late_answers", m->orphans},
        {"connects", m->connects},
        {"connects_failed", m->connects_failed},
        {"connections_lost", m->connections_lost},
        {"maps_applied", m->maps_applied},
        {"maps_ignored", m->maps_ignored},
        {"pushes", m->pushes},
        {"collection_lookups", m->collection_lookups},
        {"bytes_out", m->bytes_out},
        {"bytes_in", m->bytes_in},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        buf_printf(out, "%s\"%s\":%llu", i ? "," : "", rows[i].name, (unsigned long long)rows[i].value);
    buf_u8(out, '}');
}
