#include "sim/checker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static bool found(struct finding *out, uint64_t first, uint64_t second, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Always false, so that a check can return it. */
static bool found(struct finding *out, uint64_t first, uint64_t second, const char *format, ...)
{
    va_list args;
    if (!out) return false;
    va_start(args, format);
    vsnprintf(out->text, sizeof out->text, format, args);
    va_end(args);
    out->first = first;
    out->second = second;
    return false;
}

static int order(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

#define ULL(x) ((unsigned long long)(x))

/* ---------------------------------------------------------------- registers */

/* A write and the reads that saw it. f: the earliest end, s: the latest start of them. Forward (f < s): the value was
 * certainly there from f to s. Backward: the write and all its reads may share one moment in [s, f]. */
struct zone {
    uint64_t value, f, s, write_start;
    uint64_t id; /* of the write, or of a read when there is none */
    bool written, refused, seen, certain;
};

static int by_value(const void *x, const void *y)
{
    const struct register_op *a = x, *b = y;
    int c = order(a->value, b->value);
    if (c) return c;
    c = (int)b->is_write - (int)a->is_write; /* the write first */
    return c ? c : order(a->start, b->start);
}

static int by_begin(const void *x, const void *y)
{
    const struct zone *a = x, *b = y;
    uint64_t p = a->f < a->s ? a->f : a->s, q = b->f < b->s ? b->f : b->s;
    return order(p, q);
}

static void widen(struct zone *z, const struct register_op *op)
{
    uint64_t end = op->is_write && op->outcome == TOLD_AMBIGUOUS ? UINT64_MAX : op->end;
    if (end < z->f) z->f = end;
    if (op->start > z->s) z->s = op->start;
}

static bool add_to_zone(struct zone *z, const struct register_op *op, struct finding *out)
{
    if (op->is_write) {
        if (z->written) return found(out, z->id, op->id, "the history writes value %llu twice", ULL(op->value));
        z->written = true;
        z->refused = op->outcome == TOLD_REFUSED;
        z->certain = op->outcome == TOLD_DONE;
        z->write_start = op->start;
        z->id = op->id;
        if (!z->refused) widen(z, op);
        return true;
    }
    if (op->outcome != TOLD_DONE) return true;
    if (op->value && !z->written)
        return found(out, op->id, UINT64_MAX, "a read saw value %llu, which nobody wrote", ULL(op->value));
    if (z->refused)
        return found(out, z->id, op->id, "a read saw value %llu, the write of which was refused", ULL(op->value));
    if (op->value && op->end < z->write_start)
        return found(out, z->id, op->id, "a read saw value %llu before its write began", ULL(op->value));
    z->seen = true;
    widen(z, op);
    return true;
}

/* Zones of the values in sorted ops, those that count only. Returns how many, SIZE_MAX = something is wrong. */
static size_t make_zones(const struct register_op *ops, size_t count, struct zone *zones, struct finding *out)
{
    size_t made = 0;
    for (size_t i = 0; i < count;) {
        struct zone z = {.value = ops[i].value, .f = UINT64_MAX, .id = ops[i].id};
        if (!z.value) { /* the state before everything: as if written at time 0 */
            z.written = z.certain = true;
            z.f = 0;
        }
        for (; i < count && ops[i].value == z.value; i++)
            if (!add_to_zone(&z, &ops[i], out)) return SIZE_MAX;
        if (z.refused || !(z.certain || z.seen)) continue;
        zones[made++] = z;
    }
    return made;
}

static bool zones_fit(struct zone *zones, size_t count, struct finding *out)
{
    const struct zone *forward = NULL; /* the one that reaches farthest */
    qsort(zones, count, sizeof *zones, by_begin);
    for (size_t i = 0; i < count; i++) {
        const struct zone *z = &zones[i];
        bool is_forward = z->f < z->s;
        uint64_t end = is_forward ? z->s : z->f;
        if (forward && is_forward && z->f < forward->s)
            return found(
                out, forward->id, z->id,
                "values %llu and %llu were each seen while the other was certainly the newest (a stale or lost one)",
                ULL(forward->value), ULL(z->value));
        if (forward && !is_forward && end < forward->s)
            return found(
                out, forward->id, z->id,
                "value %llu was written and gone while value %llu stayed the newest: a stale read or a lost write",
                ULL(z->value), ULL(forward->value));
        if (is_forward && (!forward || z->s > forward->s)) forward = z;
    }
    return true;
}

bool check_register(struct register_op *ops, size_t count, enum register_rule rule, struct finding *out)
{
    struct zone *zones = calloc(count + 1, sizeof *zones);
    if (!zones) return found(out, UINT64_MAX, UINT64_MAX, "out of memory");
    qsort(ops, count, sizeof *ops, by_value);
    size_t made = make_zones(ops, count, zones, out);
    bool fine = made != SIZE_MAX && (rule == REGISTER_MAY_LOSE || zones_fit(zones, made, out));
    free(zones);
    return fine;
}

/* ---------------------------------------------------------------- counters */

static int counter_by_result(const void *x, const void *y)
{
    const struct counter_op *a = x, *b = y;
    int c = order(a->result, b->result);
    return c ? c : order(a->is_read, b->is_read);
}

static int counter_by_start(const void *x, const void *y)
{
    return order(((const struct counter_op *)x)->start, ((const struct counter_op *)y)->start);
}

static int counter_by_end(const void *x, const void *y)
{
    return order(((const struct counter_op *)x)->end, ((const struct counter_op *)y)->end);
}

/* What ended before another began must not show more than it. */
static bool counts_grow(const struct counter_op *ops, size_t count, struct finding *out)
{
    struct counter_op *ends = calloc(count + 1, sizeof *ends), *starts = calloc(count + 1, sizeof *starts);
    const struct counter_op *most = NULL;
    bool fine = ends && starts;
    for (size_t i = 0; fine && i < count; i++) ends[i] = starts[i] = ops[i];
    if (fine) {
        qsort(ends, count, sizeof *ends, counter_by_end);
        qsort(starts, count, sizeof *starts, counter_by_start);
    }
    for (size_t i = 0, e = 0; fine && i < count; i++) {
        for (; e < count && ends[e].end < starts[i].start; e++)
            if (ends[e].outcome == TOLD_DONE && (!most || ends[e].result > most->result)) most = &ends[e];
        const struct counter_op *now = &starts[i];
        if (now->outcome != TOLD_DONE || !most) continue;
        if (now->result < most->result || (now->result == most->result && !now->is_read))
            fine = found(out, most->id, now->id, "the counter showed %llu, and later %llu", ULL(most->result),
                         ULL(now->result));
    }
    free(ends);
    free(starts);
    return fine;
}

bool check_counter(struct counter_op *ops, size_t count, uint64_t final, bool may_lose, struct finding *out)
{
    uint64_t sure = 0, perhaps = 0;
    for (size_t i = 0; i < count; i++) {
        if (ops[i].is_read) continue;
        if (ops[i].outcome == TOLD_DONE) sure += ops[i].delta;
        if (ops[i].outcome == TOLD_AMBIGUOUS) perhaps += ops[i].delta;
    }
    if (final > sure + perhaps)
        return found(out, UINT64_MAX, UINT64_MAX,
                     "the counter is %llu, but only %llu were acknowledged and %llu more are ambiguous: applied twice",
                     ULL(final), ULL(sure), ULL(perhaps));
    if (may_lose) return true;
    if (final < sure)
        return found(out, UINT64_MAX, UINT64_MAX, "the counter is %llu, but %llu were acknowledged: lost", ULL(final),
                     ULL(sure));
    qsort(ops, count, sizeof *ops, counter_by_result);
    for (size_t i = 1; i < count; i++)
        if (!ops[i].is_read && !ops[i - 1].is_read && ops[i].outcome == TOLD_DONE && ops[i - 1].outcome == TOLD_DONE &&
            ops[i].result == ops[i - 1].result)
            return found(out, ops[i - 1].id, ops[i].id, "two increments were both told %llu", ULL(ops[i].result));
    return counts_grow(ops, count, out);
}

/* ---------------------------------------------------------------- sets */

static bool check_insert(const struct element_op *in, const struct element_op *op, bool may_lose, struct finding *out)
{
    if (in->outcome == TOLD_REFUSED && in->data_refusal)
        return found(out, in->id, UINT64_MAX, "an insert that nobody else made was told that the document exists");
    if (op->act != ELEMENT_LOOK || op->outcome != TOLD_DONE) return true;
    if (op->there && in->outcome == TOLD_REFUSED)
        return found(out, in->id, op->id, "a document is there although its insert was refused");
    if (op->there && op->end < in->start)
        return found(out, in->id, op->id, "a document was there before it was inserted");
    return true;
}

bool check_element(struct element_op *ops, size_t count, bool may_lose, struct finding *out)
{
    const struct element_op *in = NULL, *away = NULL;
    for (size_t i = 0; i < count; i++) {
        if (ops[i].act == ELEMENT_INSERT) in = &ops[i];
        if (ops[i].act == ELEMENT_REMOVE) away = &ops[i];
    }
    if (!in) return found(out, UINT64_MAX, UINT64_MAX, "the history never inserts the document");
    for (size_t i = 0; i < count; i++) {
        const struct element_op *op = &ops[i];
        bool sure = op->act == ELEMENT_LOOK && op->outcome == TOLD_DONE;
        if (!check_insert(in, op, may_lose, out)) return false;
        if (sure && op->there && away && away->outcome == TOLD_DONE && op->start > away->end && !may_lose)
            return found(out, away->id, op->id, "a document that was removed came back");
        bool may_be_gone = away && away->outcome != TOLD_REFUSED && op->end >= away->start;
        if (sure && !op->there && in->outcome == TOLD_DONE && op->start > in->end && !may_be_gone && !may_lose)
            return found(out, in->id, op->id, "a document that was inserted is not there");
    }
    if (away && away->outcome == TOLD_REFUSED && away->data_refusal && in->outcome == TOLD_DONE &&
        away->start > in->end && !may_lose)
        return found(out, in->id, away->id, "a document that was inserted was not found when it was to be removed");
    if (away && away->outcome == TOLD_DONE && in->outcome == TOLD_REFUSED)
        return found(out, in->id, away->id, "a document was removed although its insert was refused");
    return true;
}

/* ---------------------------------------------------------------- tokens */

static int by_history(const void *x, const void *y)
{
    const struct token_op *a = x, *b = y;
    int c = order(a->vbucket, b->vbucket);
    if (!c) c = order(a->vbuuid, b->vbuuid);
    return c ? c : order(a->seqno, b->seqno);
}

static int by_cas(const void *x, const void *y)
{
    const struct token_op *a = x, *b = y;
    int c = order(a->key, b->key);
    if (!c) c = order(a->cas, b->cas);
    return c ? c : order(b->seqno != 0, a->seqno != 0); /* the write first */
}

/* In sorted order, within a group that belongs together: what comes later must not have ended before what comes earlier
 * began. `later` holds the greatest start seen so far. */
static bool seqnos_fit(const struct token_op *ops, size_t count, struct finding *out)
{
    const struct token_op *later = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct token_op *op = &ops[i];
        if (!op->seqno) continue;
        if (later && (later->vbucket != op->vbucket || later->vbuuid != op->vbuuid)) later = NULL;
        if (i && ops[i - 1].seqno == op->seqno && ops[i - 1].vbuuid == op->vbuuid && ops[i - 1].vbucket == op->vbucket)
            return found(out, ops[i - 1].id, op->id, "two writes have seqno %llu of vBucket %u", ULL(op->seqno),
                         op->vbucket);
        if (later && op->end < later->start)
            return found(out, op->id, later->id,
                         "seqno %llu of vBucket %u was acknowledged before the write with seqno %llu began",
                         ULL(op->seqno), op->vbucket, ULL(later->seqno));
        if (!later || op->start > later->start) later = op;
    }
    return true;
}

static bool cas_fits(const struct token_op *ops, size_t count, bool may_lose, struct finding *out)
{
    const struct token_op *later = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct token_op *op = &ops[i], *last = i ? &ops[i - 1] : NULL;
        if (!op->cas) continue;
        if (later && later->key != op->key) later = NULL;
        if (last && last->key == op->key && last->cas == op->cas) {
            if (last->seqno && op->seqno)
                return found(out, last->id, op->id, "two writes of a document have the same CAS %llu", ULL(op->cas));
            if (last->value && op->value && last->value != op->value)
                return found(out, last->id, op->id, "CAS %llu stands for values %llu and %llu", ULL(op->cas),
                             ULL(last->value), ULL(op->value));
        }
        if (!op->seqno || may_lose) continue; /* stale reads are for the registers to find */
        if (later && op->end < later->start)
            return found(out, op->id, later->id, "CAS %llu of a later write is below that of an earlier one",
                         ULL(op->cas));
        if (!later || op->start > later->start) later = op;
    }
    return true;
}

bool check_tokens(struct token_op *ops, size_t count, bool may_lose, struct finding *out)
{
    qsort(ops, count, sizeof *ops, by_history);
    if (!seqnos_fit(ops, count, out)) return false;
    qsort(ops, count, sizeof *ops, by_cas);
    return cas_fits(ops, count, may_lose, out);
}

/* ---------------------------------------------------------------- completions */

bool check_completions(const struct completion *ops, size_t count, uint64_t slack_ns, struct finding *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct completion *op = &ops[i];
        if (op->times != 1) return found(out, op->id, UINT64_MAX, "the operation completed %u times", op->times);
        if (op->end_ns > op->deadline_ns + slack_ns)
            return found(out, op->id, UINT64_MAX, "the operation completed %llu us after its deadline",
                         ULL((op->end_ns - op->deadline_ns) / 1000));
    }
    return true;
}
