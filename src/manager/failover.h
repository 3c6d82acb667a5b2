/* What is left when nodes are gone: whom each vBucket belongs to then. Pure. */
#ifndef DIVAN_MANAGER_FAILOVER_H
#define DIVAN_MANAGER_FAILOVER_H

#include "manager/doc.h"

/* One vBucket as a node says it has it. */
enum copy_mode { COPY_ABSENT, COPY_ACTIVE, COPY_REPLICA, COPY_PENDING, COPY_DEAD };
struct copy_figures {
    bool known; /* false: nobody could be asked */
    enum copy_mode mode;
    uint64_t prepared, high; /* the last durable write, the last change */
};

struct failover {
    const bool *gone;                   /* by position in the server list */
    const struct copy_figures *figures; /* [servers][vbuckets]; NULL = nobody could be asked */
    /* Who is gone is back, but what it had in memory is not: where somebody else says that he has a copy, it follows at the
     * end of the chain instead of leaving it; elsewhere it stays what it was. */
    bool demote;
};

/** The chain of vBucket v from now on, into row (m->row places). Its active becomes who is active, else who has most (the
 * last durable write counts before the last change), of the chain, and of the chains before and after a move that is
 * not over; nobody when no copy is left. */
void failover_row(const struct doc_vbmap *m, unsigned v, const struct failover *, int16_t *row);

/** Fails nodes (uuids) over in a whole document: maps without them and without moves, membership inactiveFailed (with demote
 * the nodes stay). figures holds one array per bucket, by position in d->buckets, or NULL. The maps from before are
 * kept for a recovery. */
void failover_nodes(struct doc *d, const char *const *uuids, size_t count, struct copy_figures *const *figures,
                    bool demote);

/** Keeps the map of a bucket as where a recovery leads; one in the middle of a rebalance is no aim, and is not kept. */
void failover_remember(struct doc *, struct doc_bucket *);

/** Whether every vBucket keeps a copy on a node that is neither named nor down; *bucket (may be NULL) tells where not. */
bool failover_keeps_all(const struct doc *, const char *const *uuids, size_t count, const struct doc_bucket **bucket);
/** Whether every vBucket keeps a majority of its chain. */
bool failover_keeps_majority(const struct doc *, const char *const *uuids, size_t count);

/** Makes the server list of a map the given one (uuids): entries and forward are renumbered, who is not listed becomes
 * nobody. */
void vbmap_set_servers(struct doc *, struct doc_vbmap *, const char *const *uuids, size_t count);

/* ---- by itself */

struct autofail_node {
    const char *uuid;
    bool active;            /* member, and counts */
    uint64_t down_since_ns; /* 0 = up */
};

enum autofail_verdict {
    AUTOFAIL_NOTHING,   /* all is well, it is off, or nobody has been away for long enough */
    AUTOFAIL_GO,        /* those marked in chosen[] */
    AUTOFAIL_MINORITY,  /* who is left would not be a majority */
    AUTOFAIL_COUNT,     /* as many as may be failed over by itself were */
    AUTOFAIL_DATA_LOSS, /* some vBucket has no other copy */
    AUTOFAIL_DURABILITY /* some vBucket would lose the majority of its chain */
};
/** Whom the cluster fails over by itself now. chosen[count] is written. */
enum autofail_verdict autofail_decide(const struct doc *, const struct autofail_node *, size_t count, uint64_t now_ns,
                                      bool *chosen);

#endif
