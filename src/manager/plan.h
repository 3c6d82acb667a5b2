/* The plan: what a request makes of the document. Pure: the present document, the request, random numbers and the time go
 * in; a new document (or none) and the reply come out. No I/O, so that tests are tables. */
#ifndef DIVAN_MANAGER_PLAN_H
#define DIVAN_MANAGER_PLAN_H

#include "base/rand.h"
#include "manager/manager.h"

/* What the manager does next, before it answers; the reply is the one for success. */
enum plan_follow {
    PLAN_ANSWER,
    PLAN_FAIL_OVER,       /* the nodes of the request */
    PLAN_START_FAIL_OVER, /* the same, but the answer does not wait */
    PLAN_ADD_NODE,        /* call the node that the request names, see plan_address() */
    PLAN_ASK_TO_BE_ADDED, /* call the cluster that the request names, so that it adds the node it came in by */
};

struct plan_reply {
    enum plan_follow follow;
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

/** The node an addNode request names: "host", "host:port", "http://host:port", "[v6]:port"; the port is the one for TLS
 * unless the scheme is http. NULL, or why it cannot be used. host has room for 256. */
const char *plan_address(const struct manager_request *, char *host, uint16_t *port, bool *tls);
/** The nodes named in the fields otpNode, each once: uuids of d. */
size_t plan_named_nodes(const struct doc *d, const struct manager_request *, const char **uuids, size_t cap);
/** Raises the revision of a changed document, and those of configurations that say something new. */
void plan_raise_revisions(const struct doc *now, struct doc *next);

/** Fills in what a new cluster needs: its uuid. false: out of memory. */
bool plan_found(struct doc *, struct rng *);

#endif
