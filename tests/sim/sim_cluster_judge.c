/* The verdict over a history: per document by what it was, per vBucket by the order the server told, and per operation. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim/sim_cluster.h"

enum { SLACK_MS = 5, LIVELY_MS = 1000 };

static const char *const what_names[DO_KINDS] = {"write", "read", "count", "read_count", "insert", "remove", "look"};

void judge_describe(const struct entry *e, char *out, size_t cap)
{
    static const char *const outcomes[] = {"done", "refused", "ambiguous"};
    snprintf(out, cap, "#%" PRIu64 " client %u %s%s %s = %" PRIu64 ": %s %s, %u to %u ms, %u tries, vb %u at %s", e->id,
             e->client, e->durability ? "durable " : "", what_names[e->what], e->key, e->value, outcomes[e->outcome],
             e->code ? divan_code_name((enum divan_code)e->code) : "", (unsigned)(e->start_ns / NS_PER_MS),
             (unsigned)(e->end_ns / NS_PER_MS), e->attempts, e->vbucket, e->endpoint ? e->endpoint : "-");
}

static bool blame(struct world *w, const char *stage, const char *key, const struct finding *f)
{
    world_fail(w, stage, "%s: %s", key, f->text);
    w->finding.first = f->first;
    w->finding.second = f->second;
    return false;
}

static bool is_mutation(const struct entry *e)
{
    return e->what == DO_WRITE || e->what == DO_COUNT || e->what == DO_INSERT || e->what == DO_REMOVE;
}

/* ---- documents */

struct bench { /* room for the operations of one document */
    struct register_op *registers;
    struct counter_op *counters;
    struct element_op elements[4096];
};

static bool judge_register(struct world *w, struct bench *b, const size_t *at, size_t count, bool may_lose)
{
    struct finding f;
    const char *key = w->history.entries[at[0]].key;
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &w->history.entries[at[i]];
        b->registers[i] = (struct register_op){.id = e->id,
                                               .start = e->start,
                                               .end = e->end,
                                               .value = e->value,
                                               .is_write = e->what == DO_WRITE,
                                               .outcome = e->outcome};
    }
    return check_register(b->registers, count, may_lose ? REGISTER_MAY_LOSE : REGISTER_LINEARIZABLE, &f) ||
           blame(w, "register", key, &f);
}

static bool judge_counter(struct world *w, struct bench *b, const size_t *at, size_t count, bool may_lose)
{
    struct finding f;
    const char *key = w->history.entries[at[0]].key;
    uint64_t final = 0;
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &w->history.entries[at[i]];
        b->counters[i] = (struct counter_op){.id = e->id,
                                             .start = e->start,
                                             .end = e->end,
                                             .delta = e->what == DO_COUNT ? 1 : 0,
                                             .result = e->value,
                                             .is_read = e->what == DO_READ_COUNT,
                                             .outcome = e->outcome};
        if (e->of_end) final = e->value;
    }
    return check_counter(b->counters, count, final, may_lose, &f) || blame(w, "counter", key, &f);
}

static bool judge_element(struct world *w, struct bench *b, const size_t *at, size_t count, bool may_lose)
{
    struct finding f;
    const char *key = w->history.entries[at[0]].key;
    for (size_t i = 0; i < count && i < 4096; i++) {
        const struct entry *e = &w->history.entries[at[i]];
        b->elements[i] = (struct element_op){.id = e->id,
                                             .start = e->start,
                                             .end = e->end,
                                             .act = e->what == DO_INSERT   ? ELEMENT_INSERT
                                                    : e->what == DO_REMOVE ? ELEMENT_REMOVE
                                                                           : ELEMENT_LOOK,
                                             .outcome = e->outcome,
                                             .there = e->there,
                                             .data_refusal = e->data_refusal};
    }
    return check_element(b->elements, count, may_lose, &f) || blame(w, "set", key, &f);
}

static const struct entry *sorting;

static int by_key(const void *x, const void *y)
{
    const struct entry *a = &sorting[*(const size_t *)x], *b = &sorting[*(const size_t *)y];
    int c = strcmp(a->key, b->key);
    return c ? c : (a->id > b->id) - (a->id < b->id);
}

/* Where reads may be old for a while only those of the end count. */
static size_t leave_out_old_reads(const struct world *w, size_t *at, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &w->history.entries[at[i]];
        if (is_mutation(e) || e->of_end) at[kept++] = at[i];
    }
    return kept;
}

static bool judge_document(struct world *w, struct bench *b, size_t *at, size_t count)
{
    if (w->plan.may_be_old) count = leave_out_old_reads(w, at, count);
    if (!count) return true;
    const struct entry *e = &w->history.entries[at[0]];
    unsigned number = (unsigned)atoi(e->key + 1);
    switch (e->key[0]) {
    case 'd':
        return judge_register(w, b, at, count, false);
    case 'r':
        return judge_register(w, b, at, count, w->plan.may_lose);
    case 'c':
        return judge_counter(w, b, at, count, w->plan.may_lose && number % 2 == 0);
    default:
        return judge_element(w, b, at, count, w->plan.may_lose && number % 2 == 1);
    }
}

static bool judge_documents(struct world *w)
{
    size_t n = w->history.count;
    size_t *at = calloc(n + 1, sizeof *at);
    struct bench *b = calloc(1, sizeof *b);
    if (!at || !b) abort();
    b->registers = calloc(n + 1, sizeof *b->registers);
    b->counters = calloc(n + 1, sizeof *b->counters);
    if (!b->registers || !b->counters) abort();
    for (size_t i = 0; i < n; i++) at[i] = i;
    sorting = w->history.entries;
    qsort(at, n, sizeof *at, by_key);
    bool fine = true;
    for (size_t i = 0, k; fine && i < n;
         i = k) { /* documents are judged in place: keys before k are not looked at again */
        for (k = i + 1; k < n && !strcmp(sorting[at[k]].key, sorting[at[i]].key);) k++;
        fine = judge_document(w, b, at + i, k - i);
    }
    free(b->registers);
    free(b->counters);
    free(b);
    free(at);
    return fine;
}

/* ---- tokens */

static uint64_t hash_of(const char *key)
{
    uint64_t h = 14695981039346656037u;
    for (; *key; key++) h = (h ^ (uint8_t)*key) * 1099511628211u;
    return h;
}

static bool judge_tokens(struct world *w)
{
    struct finding f;
    size_t n = 0;
    struct token_op *ops = calloc(w->history.count + 1, sizeof *ops);
    if (!ops) abort();
    for (size_t i = 0; i < w->history.count; i++) {
        const struct entry *e = &w->history.entries[i];
        if (e->outcome != TOLD_DONE || !e->cas) continue;
        bool named = e->what == DO_WRITE || e->what == DO_READ;
        ops[n++] = (struct token_op){.id = e->id,
                                     .start = e->start,
                                     .end = e->end,
                                     .key = hash_of(e->key),
                                     .cas = e->cas,
                                     .value = named ? e->value : 0,
                                     .vbucket = e->vbucket,
                                     .vbuuid = e->vbuuid,
                                     .seqno = e->seqno};
    }
    bool fine = check_tokens(ops, n, w->plan.may_lose, &f) || blame(w, "order", "tokens", &f);
    free(ops);
    return fine;
}

/* ---- each operation */

static bool judge_completions(struct world *w)
{
    struct finding f;
    for (size_t i = 0; i < w->history.count; i++) {
        const struct entry *e = &w->history.entries[i];
        const struct completion c = {e->id, e->start_ns, e->end_ns, e->deadline_ns, e->times};
        if (!check_completions(&c, 1, SLACK_MS * NS_PER_MS, &f)) return blame(w, "completion", e->key, &f);
        f = (struct finding){.first = e->id, .second = UINT64_MAX};
        if (e->spoilt) {
            snprintf(f.text, sizeof f.text, "a read got bytes that nobody wrote there");
            return blame(w, "value", e->key, &f);
        }
        if (e->outcome == TOLD_DONE && is_mutation(e) && (!e->cas || !e->seqno)) {
            snprintf(f.text, sizeof f.text, "a write succeeded without CAS or mutation token");
            return blame(w, "order", e->key, &f);
        }
    }
    return true;
}

/* Refused because of what is there, or because the cluster has too few nodes for what was asked: both are true. */
static bool is_natural(const struct entry *e, bool too_few_nodes)
{
    return is_mutation(e) && (e->data_refusal || (too_few_nodes && e->code == DIVAN_ERR_DURABILITY_IMPOSSIBLE));
}

/* After the faults and a grace nothing may fail, and the map must be right: reads go to the owner at once. */
static bool judge_liveness(struct world *w, uint64_t from_ns)
{
    for (size_t i = 0; i < w->history.count; i++) {
        const struct entry *e = &w->history.entries[i];
        struct finding f = {.first = e->id, .second = UINT64_MAX};
        if (e->start_ns < from_ns) continue;
        if (e->outcome != TOLD_DONE && !is_natural(e, w->too_few_nodes)) {
            snprintf(f.text, sizeof f.text, "an operation failed although the faults were over");
            return blame(w, "liveness", e->key, &f);
        }
        if (e->end_ns - e->start_ns > LIVELY_MS * NS_PER_MS) {
            snprintf(f.text, sizeof f.text, "an operation took %u ms although the faults were over",
                     (unsigned)((e->end_ns - e->start_ns) / NS_PER_MS));
            return blame(w, "liveness", e->key, &f);
        }
        if (e->of_end && e->attempts != 1) {
            snprintf(f.text, sizeof f.text, "a read needed %u tries although nothing changed any more", e->attempts);
            return blame(w, "liveness", e->key, &f);
        }
    }
    return true;
}

static bool has_graceful(const struct world *w)
{
    for (size_t i = 0; i < w->schedule.count; i++)
        if (w->schedule.faults[i].kind == FAULT_GRACEFUL) return true;
    return false;
}

/* Planned changes alone: the application does not notice. */
static bool judge_calm(struct world *w)
{
    for (size_t i = 0; w->plan.calm && i < w->history.count; i++) {
        const struct entry *e = &w->history.entries[i];
        struct finding f = {.first = e->id, .second = UINT64_MAX};
        if (e->outcome == TOLD_DONE || is_natural(e, true)) continue;
        /* A durable write that was on its way when the one other copy was failed over cannot be finished. */
        if (e->code == DIVAN_ERR_DURABILITY_AMBIGUOUS && w->plan.replicas == 1 && has_graceful(w)) continue;
        snprintf(f.text, sizeof f.text, "an operation failed although the cluster was only changed as planned");
        return blame(w, "calm", e->key, &f);
    }
    return true;
}

bool judge(struct world *w)
{
    return judge_calm(w) && judge_completions(w) && judge_documents(w) && judge_tokens(w) &&
           judge_liveness(w, w->lively_ns);
}
