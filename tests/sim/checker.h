/* Did a store behave? Pure functions over what clients asked, when, and what they were told; no clock, no network, so that
 * a history made by hand tests the tests. An operation takes effect at one moment between its start and its end, and one
 * whose outcome is ambiguous at any moment after its start or never. Starts and ends may be of any clock that grows; the
 * number of the event is sharper than the time.
 *
 * Registers have unique written values, so that a read names the write it saw: then linearizability needs no search
 * (Gibbons & Korach 1997, "zones"): O(n log n). */
#ifndef TESTS_SIM_CHECKER_H
#define TESTS_SIM_CHECKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum told {
    TOLD_DONE,      /* success: it was applied */
    TOLD_REFUSED,   /* certainly not applied, ever */
    TOLD_AMBIGUOUS, /* applied once or not at all */
};

/** What is wrong, as one sentence, and the operations concerned (their `id`; UINT64_MAX = none). */
struct finding {
    char text[600];
    uint64_t first, second;
};

/* ---- one register: a document that is overwritten and read */

struct register_op {
    uint64_t id;
    uint64_t start, end;
    uint64_t value; /* written or seen; 0 = not there (the state before the first write) */
    bool is_write;
    enum told outcome;
};

enum register_rule {
    REGISTER_LINEARIZABLE, /* every read sees the newest write */
    REGISTER_MAY_LOSE,     /* acknowledged writes may be lost, but nothing is made up: a value seen was written, was not
                              refused, and was not seen before it was written */
};
/** The operations of one key in any order (sorted by the call). True = fine. */
bool check_register(struct register_op *ops, size_t count, enum register_rule rule, struct finding *out);

/* ---- one counter, only counted up, from 0 */

struct counter_op {
    uint64_t id;
    uint64_t start, end;
    uint64_t delta, result; /* result: of one that is DONE; is_read: what was seen */
    bool is_read;
    enum told outcome;
};

/** final: what is there at the end (0 = no document). may_lose: acknowledged counts may be missing, but none may be
 * too many. Checks the bounds, that no result came twice, and that results grow with time. */
bool check_counter(struct counter_op *ops, size_t count, uint64_t final, bool may_lose, struct finding *out);

/* ---- one element of a set: put in once, perhaps taken out once, looked for */

enum element_act { ELEMENT_INSERT, ELEMENT_REMOVE, ELEMENT_LOOK };

struct element_op {
    uint64_t id;
    uint64_t start, end;
    enum element_act act;
    enum told outcome;
    bool there; /* LOOK: it was. INSERT: refused because it is there already. REMOVE that was refused: it was not there
                   = false */
    bool data_refusal; /* refused because of what is there (exists, not found), not for another reason */
};

/** Looks after the end are part of the history. may_lose as above (a lost removal never brings it back, though). */
bool check_element(struct element_op *ops, size_t count, bool may_lose, struct finding *out);

/* ---- the order the server tells: CAS per document, (vbuuid, seqno) per vBucket */

struct token_op {
    uint64_t id;
    uint64_t start, end;
    uint64_t key; /* which document */
    uint64_t cas;
    uint64_t value; /* of a register that was written or read; 0 = do not compare */
    uint16_t vbucket;
    uint64_t vbuuid, seqno; /* 0 = none told (reads) */
};

/** Successful operations only. No seqno twice in one history of a vBucket, seqnos grow with time within one, CAS values of
 * a document grow with time, and a CAS stands for one value. may_lose: only within one vbuuid. */
bool check_tokens(struct token_op *ops, size_t count, bool may_lose, struct finding *out);

/* ---- every operation: once, and in time */

struct completion {
    uint64_t id;
    uint64_t start_ns, end_ns, deadline_ns;
    unsigned times; /* how often it completed */
};
/** slack_ns: how much later than its deadline an operation may end. */
bool check_completions(const struct completion *ops, size_t count, uint64_t slack_ns, struct finding *out);

#endif
