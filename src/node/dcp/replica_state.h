/* Inside replication: which vBuckets are followed, from where, over which connections. */
#ifndef DIVAN_NODE_DCP_REPLICA_STATE_H
#define DIVAN_NODE_DCP_REPLICA_STATE_H

#include "node/engine_state.h"
#include "node/kv/replica.h"
#include "node/replication.h"
#include "wire/dcp.h"

enum { NODE_NAME_MAX = 200, PASSWORD_MAX = 200, PROBLEM_MAX = 160 };

struct replication {
    struct engine *engine;
    struct list buckets; /* struct followed_bucket */
    char node[NODE_NAME_MAX + 1];
    char user[SASL_USER_MAX + 1], password[PASSWORD_MAX + 1];
};

struct followed_bucket {
    struct link link;
    struct replication *replication;
    struct bucket *bucket;
    char *fenced; /* names of nodes, separated by commas; NULL = none */
    uint64_t fenced_until_ns;
    struct list consumers;   /* struct consumer, one per source */
    struct follow **follows; /* by vBucket; NULL = not followed */
};

struct source {
    struct io_addr addr;
    char node[NODE_NAME_MAX + 1];
};

/* A vBucket that is followed, by the list or by a task. */
struct follow {
    struct link link; /* in the consumer */
    struct followed_bucket *home;
    struct vbucket *vbucket;
    bool listed; /* by replication_set() */
    bool stays;  /* a build left it behind */
    struct source list_source, task_source;
    struct replication_task *task; /* NULL = none */
    struct consumer *consumer;     /* NULL = none */
    enum replication_state state;
    char problem[PROBLEM_MAX];
    uint32_t opaque;          /* of its stream; 0 = there is none */
    uint64_t requested_start; /* of STREAM_REQ */
    uint64_t snapshot_end, high_completed;
    uint64_t acknowledged; /* prepares, on this stream */
    uint64_t source_seqno; /* what the source had when last asked */
    bool source_known;     /* asked since the stream began */
    unsigned lost_seen;    /* the loss of the connection that it heard of last */
    uint64_t retry_ns;     /* when a refused stream is asked for again; 0 = not */
};

struct replication_task {
    struct follow *follow;
    bool takeover;
    uint64_t until; /* 0 = what the source had */
    unsigned losses;
    replication_done_fn *fn;
    void *user;
};

enum consumer_state { CONSUMER_PAUSING, CONSUMER_DIALLING, CONSUMER_SHAKING, CONSUMER_READY, CONSUMER_STATES };

/* A connection to one source. */
struct consumer {
    struct link link; /* in the followed bucket */
    struct followed_bucket *home;
    struct source source;
    struct list follows;
    enum consumer_state state;
    struct io_stream *stream; /* NULL while pausing */
    struct io_timer timer;
    uint64_t deadline_ns; /* of dialling and shaking */
    uint64_t heard_ns, asked_ns;
    uint64_t pause_ns; /* before the next try; grows */
    uint32_t next_opaque;
    unsigned answers_due; /* of the handshake */
    uint64_t unacked_bytes;
    bool asking;     /* for seqnos */
    bool serving;    /* frames are being read: do not free */
    bool doomed;     /* freed, but for its memory */
    unsigned losses; /* of the connection, so far */
    char problem[PROBLEM_MAX];
};

/* ---- replication.c */

/** Ends a task; its callback may do anything. why->code DIVAN_OK = done. */
void task_end(struct follow *, const struct divan_error *why);
/** The connection of a follow was lost: a task that cannot go on ends, true, and the follow may be gone. */
bool follow_lost(struct follow *, const struct divan_error *why);

/** Of the engine: a replica vBucket has more on the disk than before. */
void replication_persisted(struct engine *, struct vbucket *);
/** How this node is called in chains; NULL = nobody said. */
const char *replication_name(const struct replication *);
/** Of the engine: roles of a bucket changed, a bucket goes away, everything does. */
void replication_roles_changed(struct engine *, const struct bucket *);
void replication_drop_bucket(struct engine *, const struct bucket *);
void replication_free(struct engine *);

/** Whether the source of a follow is not to be followed for now. */
bool follow_is_fenced(const struct follow *);

/* ---- consumer.c */

/** The connection to a source, dialled when it is new. NULL = out of memory. */
struct consumer *consumer_get(struct followed_bucket *, const struct source *);
/** Its follows are left without one. While it serves frames its memory stays until that is over. */
void consumer_free(struct consumer *);
void consumer_attach(struct consumer *, struct follow *);
/** Ends its stream, if any. A consumer without follows goes away. */
void consumer_detach(struct follow *);
/** Asks for the stream if everything is ready for it, ends it if the vBucket is no replica any more. */
void follow_try(struct follow *);
void consumer_send(struct consumer *, const struct dcp_message *);
void follow_set_problem(struct follow *, const char *text);

/* ---- follow.c */

void follow_request(struct follow *);
/** A message of its stream. */
void follow_message(struct follow *, const struct dcp_message *);
/** The answer to STREAM_REQ. */
void follow_answer(struct follow *, const struct frame *);
/** Prepares that had to be on the disk first may be acknowledged now. */
void follow_persisted(struct follow *);
/** The source has so much. */
void follow_source_seqno(struct follow *, uint64_t seqno);

#endif
