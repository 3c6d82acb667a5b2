/* What to do with an answer: a pure function of the operation, the status and the error map. No clock, no socket. */
#ifndef DIVAN_CLIENT_RETRY_H
#define DIVAN_CLIENT_RETRY_H

#include <divan/types.h>

#include "client/kinds.h"

enum retry_reason {
#define X(name, text, allows, always) RETRY_##name,
#include "../../defs/retry_reasons.def"
#undef X
    RETRY_REASON_COUNT
};

struct retry_facts {
    const char *name;
    bool allows_non_idempotent, always;
};
extern const struct retry_facts retry_facts[RETRY_REASON_COUNT];

/** The pause before the next attempt, by how many retries there were: 1, 10, 50, 100, 500, then 1000 ms. */
uint64_t retry_backoff_ns(unsigned retries);
/** Whether a request that failed for this reason is sent again. */
bool retry_allowed(enum retry_reason reason, bool idempotent, bool fail_fast);

enum act {
    ACT_FINISH,     /* code says how; DIVAN_OK = success */
    ACT_RETRY,      /* pause, then send again */
    ACT_NEW_MAP,    /* the body may be a map: apply it, send again at once if the way changed, else as RETRY */
    ACT_COLLECTION, /* the collection id is outdated: resolve it again, then send */
};

struct verdict {
    enum act act;
    enum divan_code
        code; /* of ACT_FINISH; for the others what to say when no time is left and nothing better is known */
    enum retry_reason reason; /* unless FINISH without reason: RETRY_REASON_COUNT */
    bool drop_connection;     /* its state is no longer what the client believes */
};

struct verdict_input {
    enum op_kind kind;
    uint16_t status;
    bool has_cas, fail_fast;
    uint32_t map_attrs; /* of the server's error map for this status, enum status_attr; 0 = none */
};

struct verdict verdict_of(const struct verdict_input *in);

enum loss { LOSS_NOT_SENT, LOSS_SENT };
/** What a status means by itself, whatever the operation; FAILED when this build does not know it. */
enum divan_code code_of_status(uint16_t status);
/** The connection was lost under the operation: RETRY, or FINISH with CONNECTION_LOST (ambiguous when it was sent and is
 * not idempotent). */
struct verdict verdict_of_loss(bool idempotent, enum loss loss, bool fail_fast);
/** The code of a deadline that passed: ambiguous iff a write may have been applied. */
enum divan_code verdict_of_timeout(bool idempotent, bool unanswered);

#endif
