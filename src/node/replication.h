/* Copies of vBuckets that live on other nodes: this node dials their key-value ports, asks for the changes of vBuckets (DCP)
 * and applies them to its own replica vBuckets; and the moves of a rebalance, which are the same with an end.
 *
 * Who calls: the glue that brings the cluster document to the engine, and whoever executes a rebalance on behalf of the
 * manager. Same thread and lifetime rules as engine.h: nothing blocks, everything passed in is copied, callbacks run on the
 * loop and never from inside the call that caused them. engine_free() and engine_bucket_drop() end all of it (callbacks of
 * unfinished tasks do not run then); a callback may do all but engine_free().
 *
 * What keeps a durable write alive: the active counts acknowledgements by the names of chain members given with
 * engine_set_roles() (struct vbucket_role.chain); this node acknowledges under the name given to
 * replication_identify(). Both must be the same spelling of a node, whatever that is (the node's uuid is a good one). */
#ifndef DIVAN_NODE_REPLICATION_H
#define DIVAN_NODE_REPLICATION_H

#include "node/engine.h"

/** Who this node is to others: its name in chains, and the user and password it authenticates with on every source (a user
 * that each node got by engine_set_user(), with admin or DCP privileges). To be called before anything below; again
 * when the password changes (later connections use it). OUT_OF_MEMORY, INVALID_ARGUMENT (name empty or above 200 bytes). */
enum divan_code replication_identify(struct engine *, const char *node_name, const char *user, const char *password,
                                     struct divan_error *err);

struct replication_source {
    uint16_t vbucket;
    const char *host;      /* numeric address of the active's node */
    uint16_t port;         /* its key-value port */
    const char *node_name; /* its name, for states and logs */
};

/** The steady state of a bucket: from whom this node follows which vBuckets. Replaces the list before: streams of vBuckets
 * that stay with the same source go on, others end, new ones begin. One vBucket at most once. The mode of the vBuckets is
 * not touched: a stream waits while its vBucket is not a replica here (so the order of this call and engine_set_roles()
 * does not matter) and begins by itself when it becomes one. Lost connections are retried for ever, after 20 ms up to 1 s
 * (a source that refuses is asked again, too). Tasks below are apart from this list: neither touches the
 * other, and when a task works on a vBucket the list's entry waits until it ends.
 * BUCKET_NOT_FOUND, INVALID_ARGUMENT (vBucket or address), OUT_OF_MEMORY; then the list before holds on. */
enum divan_code replication_set(struct engine *, const char *bucket, const struct replication_source *sources,
                                size_t count, struct divan_error *err);

/* ---- moves */

struct replication_task;
/** The end of a task, exactly once unless cancelled; the task is gone afterwards. why->code DIVAN_OK = done; CONNECTION_LOST,
 * UNREACHABLE, CREDENTIALS, ... = it failed and what the vBucket has is kept (see each call). high_seqno is what the
 * vBucket has now. why is borrowed. */
typedef void replication_done_fn(void *user, uint16_t vbucket, uint64_t high_seqno, const struct divan_error *why);

/** Makes this node a replica of a vBucket: an absent or dead one becomes a replica first (a dead one keeps its documents
 * and rolls back to what it shares with the source: delta recovery). Done when it has everything up to until_seqno, 0 = what
 * the source had when the stream began; afterwards it goes on following until replication_forget(), a
 * takeover, or a replication_set() that names the vBucket. A lost connection is dialled again five times, then it
 * fails. NULL with err filled: BUCKET_NOT_FOUND, INVALID_ARGUMENT, OUT_OF_MEMORY. */
struct replication_task *replication_build(struct engine *, const char *bucket, const struct replication_source *,
                                           uint64_t until_seqno, replication_done_fn *, void *user,
                                           struct divan_error *err);

/** Takes the vBucket over from its active node, which must be the source: what is missing is fetched, the source stops
 * serving it (it is dead there), the rest is fetched, and it becomes active here with the failover log of the source: no
 * rollback for anyone. Writes that came to the source go on or are told NOT_MY_VBUCKET within milliseconds. May be called
 * without a build before: the source serves on while the most is fetched.
 * Durable writes: give both nodes the chain with the next one by engine_set_role(VBUCKET_KEEP) before, for what this node
 * has no chain for is impossible on it; the source lets those under way end first, for half a second at most, and new ones
 * are told to try again.
 * Failure: this node is left a replica (or pending when the end is uncertain: the source handed over, but its last word was
 * lost; then nobody serves the vBucket until the caller decides by engine_set_roles() — it may make it active
 * here when replication_read() on the source says dead and both high seqnos are the same, or active there). Not retried.
 * NULL with err filled as replication_build(). */
struct replication_task *replication_take_over(struct engine *, const char *bucket, const struct replication_source *,
                                               replication_done_fn *, void *user, struct divan_error *err);

/** Gives a running task up: its callback does not run. The vBucket stays what it is at this moment. */
void replication_cancel(struct replication_task *);
/** Ends the following that a build left behind. Fine when there is none. */
void replication_forget(struct engine *, const char *bucket, uint16_t vbucket);

/** Before others are promoted in place of nodes (names, separated by commas): ends the following of those in this bucket, so
 * that they cannot win a majority any more and what replication_read() says stays true. It holds for for_ms, whatever
 * replication_set() says meanwhile, but not for vBuckets that get another source; 0 lifts it. Asking all that are left to do
 * this, then what they have, then promoting is what makes acknowledged durable writes survive a node that was only slow.
 * BUCKET_NOT_FOUND, OUT_OF_MEMORY. */
enum divan_code replication_fence(struct engine *, const char *bucket, const char *node_names, uint32_t for_ms,
                                  struct divan_error *err);

/* ---- looking */

enum replication_state {
    REPLICATION_NONE,       /* nobody is followed */
    REPLICATION_WAITING,    /* this vBucket is not a replica (yet), or its source is fenced off */
    REPLICATION_CONNECTING, /* to the source: dialling, authenticating, or pausing before the next try */
    REPLICATION_REQUESTED,  /* the stream is asked for, perhaps after a rollback */
    REPLICATION_STREAMING,  /* changes come, it is behind */
    REPLICATION_CAUGHT_UP,  /* everything the source had when last asked (every 0.5 s) */
    REPLICATION_FAILED,     /* refused: tried again after 1 s; `problem` says why */
};

/* One vBucket as this node has it, whether it follows anybody or not. */
struct vbucket_figures {
    enum vbucket_mode mode;
    uint64_t uuid;                         /* of the newest branch of its history; 0 = none */
    uint64_t high_seqno;                   /* the last change it has */
    uint64_t high_prepared_seqno;          /* the last durable write it holds or held; promotion goes to the greatest */
    uint64_t snapshot_start, snapshot_end; /* of the last snapshot; start <= high < end: it is cut, not consistent */
    uint64_t items;
    enum replication_state state;
    const char *source;    /* node name; NULL = none; borrowed until the loop runs again */
    uint64_t source_seqno; /* what the source had when last asked */
    uint64_t lag;          /* source_seqno - high_seqno, not below 0 */
    const char *problem;   /* "" = none; borrowed likewise */
};
/** BUCKET_NOT_FOUND, INVALID_ARGUMENT. */
enum divan_code replication_read(const struct engine *, const char *bucket, uint16_t vbucket,
                                 struct vbucket_figures *out, struct divan_error *err);
/** Whether every vBucket of the list of replication_set() is CAUGHT_UP; an unknown bucket is not. */
bool replication_caught_up(const struct engine *, const char *bucket);

#endif
