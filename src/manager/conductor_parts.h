/* The conductor inside: what conductor.c (tasks), flight.c (one move) and rescue.c (failovers) share. */
#ifndef DIVAN_MANAGER_CONDUCTOR_PARTS_H
#define DIVAN_MANAGER_CONDUCTOR_PARTS_H

#include "manager/conductor.h"
#include "manager/vbplan.h"

enum { UUID_SIZE = 33, FLIGHT_ORDERS = 2 * VBPLAN_ROW_MAX, CONDUCTOR_TICK_MS = 100 };

enum flight_state {
    FLIGHT_BUILD,     /* copies are made */
    FLIGHT_MARK,      /* wants the document to say that it moves */
    FLIGHT_WAIT,      /* until both ends know that */
    FLIGHT_TAKE,      /* the new active takes over */
    FLIGHT_ASK,       /* that failed, or nobody knows: what has the new one? That ends what it was at */
    FLIGHT_ASK_OLD,   /* and, now that nothing is under way, the old one? */
    FLIGHT_LAND,      /* wants the document to say the new chain */
    FLIGHT_SETTLE,    /* the copies get what the new active has */
    FLIGHT_CLOSE,     /* wants the document to say that the move is over */
    FLIGHT_TURN_BACK, /* the same, with the old chain */
    FLIGHT_OVER,
};

struct flight_order {
    uint64_t id;
    char node[UUID_SIZE];
    bool done;
    struct copy_figures figures;
};

/* One vBucket on its way. Nodes by uuid, "" = nobody: positions change with the server list. */
struct flight {
    struct link flights;
    char bucket[40];
    uint16_t vbucket;
    uint8_t row;
    enum flight_state state;
    char from[VBPLAN_ROW_MAX][UUID_SIZE], to[VBPLAN_ROW_MAX][UUID_SIZE];
    int64_t marked_rev;
    struct copy_figures young; /* what the new one said */
    uint64_t seqno;            /* of the new active when it had taken over */
    struct flight_order orders[FLIGHT_ORDERS];
    unsigned order_count, tries;
    bool ordered;           /* the orders of this state were sent */
    uint64_t not_before_ns; /* of the next try */
};

struct rescue; /* a failover under way */

struct conductor {
    struct io_loop *loop;
    struct conductor_host host;
    struct conductor_options options;
    const struct log *log;
    struct list flights;
    struct rescue *rescue;
    struct io_timer timer;
    uint64_t next_id, away_since_ns;
    bool failing_task; /* the failover that ends a graceful one was begun */
};

/* ---- flight.c */

/** Whether a node is touched by moves already as often as may be. */
unsigned flights_at(const struct conductor *, const char *uuid);
struct flight *flight_find(const struct conductor *, const char *bucket, unsigned vbucket);
/** Begins the move of v as the maps of b say; NULL = out of memory. */
struct flight *flight_begin(struct conductor *, const struct doc_bucket *b, unsigned v);
void flight_free(struct flight *);
/** Sends what is to be sent and looks at what came. */
void flight_step(struct conductor *, struct flight *);
bool flight_result(struct conductor *, const char *node, const struct order_result *); /**< false: not of a flight */
void flight_node_gone(struct conductor *, const char *node);
/** Whether it wants the document changed; flight_write() does that in the copy; flight_written() when it holds. */
bool flight_wants(const struct flight *);
void flight_write(const struct flight *, struct doc *next);
void flight_written(struct flight *, int64_t rev);

/* ---- rescue.c */

void rescue_step(struct conductor *);
bool rescue_result(struct conductor *, const char *node, const struct order_result *);
void rescue_node_gone(struct conductor *, const char *node);
void rescue_free(struct conductor *);

/* ---- shared */

/** A task that ends: what was is history. */
void task_close(struct conductor *, struct doc *next, const char *error);
/** Ids that tell the states of the task apart. */
void task_new_ids(struct conductor *, struct doc *next);

#endif
