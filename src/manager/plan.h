/* The plan: what a request makes of the document. Pure: the present document, the request, random numbers and the time go
 * in; a new document (or none) and the reply come out. No I/O, so that tests are tables. */
#ifndef DIVAN_MANAGER_PLAN_H
#define DIVAN_MANAGER_PLAN_H

#include "base/rand.h"
#include "manager/manager.h"

struct plan_reply {
    int status;
    struct buf body;
    bool json;
    char location[400]; /* "" = none */
};
void plan_reply_fini(struct plan_reply *);

struct plan_input {
    const struct doc *now;
    const struct manager_request *request;
    struct rng *rng;  /* uuids */
    uint64_t wall_ms; /* since 1970 */
};

/** Runs a request. *next (one reference, yours) is the document that should hold now, with its revisions raised; NULL when
 * nothing changes. *reply is always filled: status 200..599. An unknown op answers 404. Out of memory answers 500 and
 * changes nothing. */
void plan_run(const struct plan_input *, struct doc **next, struct plan_reply *reply);

/** Fills in what a new cluster needs: its uuid. false: out of memory. */
bool plan_found(struct doc *, struct rng *);

#endif
