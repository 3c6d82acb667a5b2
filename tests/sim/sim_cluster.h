/* A whole cluster with its clients in one process, from one seed: a manager, one to five nodes and some clients, each on a
 * loop of its own in the simulated network; a load of operations, a schedule of faults, and a judge.
 *
 * A run has two phases. Safety: load and faults; whatever happens, nobody may be told a lie. Liveness: the faults end, the
 * load goes on, and after a grace everything must succeed. Then everything is read back and the history is judged. */
#ifndef TESTS_SIM_SIM_CLUSTER_H
#define TESTS_SIM_SIM_CLUSTER_H

#include "base/rand.h"
#include "client/client.h"
#include "client/collections.h"
#include "io/sim.h"
#include "manager/manager.h"
#include "node/node.h"
#include "sim/checker.h"

enum {
    WORLD_NODES = 6, /* at most; some may come later only */
    WORLD_CLIENTS = 3,
    WORKERS = 8, /* per client, at most: what bounds the operations in flight */
    KEYS = 6,    /* of each kind that is shared */
    ELEMENTS = 400,
};

/* ---- what happened */

enum entry_what { DO_WRITE, DO_READ, DO_COUNT, DO_READ_COUNT, DO_INSERT, DO_REMOVE, DO_LOOK, DO_KINDS };

/* One operation of the load, and all that its caller was told. */
struct entry {
    uint64_t id;
    uint8_t what; /* enum entry_what */
    uint8_t client;
    uint8_t durability;
    bool of_end; /* of the final read-back */
    unsigned times;
    char key[24];
    uint64_t start, end; /* numbers of events of the history: strictly growing */
    uint64_t start_ns, end_ns, deadline_ns;
    uint64_t value; /* written, seen, or the counter's new value */
    enum told outcome;
    bool there, data_refusal, spoilt; /* spoilt: the value read is not one that anybody wrote */
    uint16_t code, attempts, vbucket;
    uint32_t reasons;
    uint64_t cas, vbuuid, seqno;
    const char *endpoint;
};

struct history {
    struct entry *entries;
    size_t count, cap;
    uint64_t clock;
};

/* ---- faults: made from the seed as a list, so that a failing run can be repeated with some of them left out */

enum fault_kind {
    FAULT_SLOW,     /* latency up to `amount` ms between two hosts, one direction */
    FAULT_PIECES,   /* bytes arrive in pieces of `amount` */
    FAULT_RESET,    /* connections between two hosts are reset, once */
    FAULT_STALL,    /* nothing moves in one direction, nothing is lost */
    FAULT_SWALLOW,  /* what is sent in one direction is lost for good */
    FAULT_CUT,      /* the same in both */
    FAULT_REFUSE,   /* no new connections */
    FAULT_FREEZE,   /* a program stands still */
    FAULT_GONE,     /* a machine is off the net */
    FAULT_WALL,     /* all wall clocks jump by `amount` ms */
    FAULT_ADD_NODE, /* the cluster changes: see actions */
    FAULT_FAIL_OVER,
    FAULT_GRACEFUL,
    FAULT_RECOVER,
    FAULT_REMOVE_NODE,
    FAULT_SWAP_NODE,
    FAULT_CRASH, /* a program is killed; it is started again when the fault ends */
    FAULT_KINDS
};

struct fault {
    enum fault_kind kind;
    uint64_t at_ns, until_ns; /* since the beginning of the safety phase */
    int a, b;                 /* hosts, see world.hosts; -1 = none */
    uint32_t amount;
    bool off;           /* left out: minimising */
    bool running, done; /* private */
};

enum { FAULTS_MAX = 40, CHANGES_MAX = 6 };
struct schedule {
    struct fault faults[FAULTS_MAX];
    size_t count;
};

/* ---- the world */

struct plan_of_world { /* follows from the seed */
    size_t nodes, clients, workers, operations, changes;
    unsigned replicas, vbuckets, value_max;
    uint64_t safety_ns;
    uint32_t timeout_ms;      /* of every operation; 0 = various */
    bool may_lose;            /* plain writes may be lost: nodes are failed over */
    bool may_be_old;          /* reads may be old for a while: nodes that are failed over may live on */
    bool calm;                /* no faults but planned changes: nobody may notice anything */
    uint32_t auto_failover_s; /* 0 = off */
};

enum { HOST_MANAGER, HOST_NODE, HOST_CLIENT = HOST_NODE + WORLD_NODES, HOSTS = HOST_CLIENT + WORLD_CLIENTS };

struct member {
    struct world *world;
    const char *host;
    struct io_loop *loop;
    struct node *node; /* NULL = not started, or dead */
    struct log log;
    bool ready;
    uint64_t left_ns; /* since when it is no part of the cluster any more */
};

struct worker {
    struct caller *caller;
    struct io_timer timer;
    struct operation *op; /* delivered, not looked at yet */
    size_t entry;         /* of the one under way, SIZE_MAX = none */
};

struct caller {
    struct world *world;
    unsigned number;
    const char *host;
    struct io_loop *loop;
    struct client *client;
    struct collection *collection;
    bool opened;
    struct divan_error open_error;
    struct worker workers[WORKERS];
};

enum phase { PHASE_SETUP, PHASE_SAFETY, PHASE_HEAL, PHASE_GRACE, PHASE_LIVENESS, PHASE_END };

enum operator_doing {
    OPERATOR_IDLE,
    OPERATOR_JOINING,
    OPERATOR_RECOVERING,
    OPERATOR_ASKED,
    OPERATOR_FAILING,
    OPERATOR_REBALANCING,
};

struct operator_state {
    enum operator_doing state;
    bool asked, needs_rebalance;
    int status, tries;
    uint64_t again_ns;
    size_t joining;
    char leaving[80], failing[80], answer[200];
};

struct world {
    uint64_t seed;
    const char *connstr, *bucket, *mechanisms; /* NULL = of the simulated nodes, "b", all */
    struct plan_of_world plan;
    struct schedule schedule;
    struct sim *sim;
    struct rng rng; /* of the load */
    char hosts[HOSTS][16];
    bool frozen[HOSTS];
    uint64_t thawed_ns[HOSTS]; /* when its last freeze ended */
    bool crashed[WORLD_NODES]; /* its program is dead, to be started again */
    struct operator_state ops;
    struct manager *manager;
    struct log log; /* of the manager */
    struct member members[WORLD_NODES];
    struct caller callers[WORLD_CLIENTS];
    struct history history;
    enum phase phase;
    uint64_t phase_ns;  /* when it began */
    uint64_t lively_ns; /* from here on everything must succeed */
    uint64_t next_value, next_element;
    size_t started, in_flight;
    uint64_t elements_removed[(ELEMENTS + 63) / 64];
    size_t read_back;   /* next of the final read-back */
    bool too_few_nodes; /* at the end: for durable writes */
    bool failed;
    struct finding finding;
    char stage[40]; /* where the finding comes from */
    void (*tell)(void *user, const char *line);
    void *tell_user;
};

/** Notes the first thing that is wrong; later ones are dropped. Always false. */
bool world_fail(struct world *w, const char *stage, const char *format, ...) __attribute__((format(printf, 3, 4)));
/** A line for whoever watches. */
void world_say(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* sim_cluster_world.c */
void world_plan(struct world *w); /**< decides size and schedule from the seed */
bool world_build(struct world *w);
void world_demolish(struct world *w);
/** One event, not later than until_ns; false = the time is over. */
bool world_step(struct world *w, uint64_t until_ns);
int world_host(const struct world *w, const char *address);
bool world_start_node(struct world *w, size_t i);
void world_stop_node(struct world *w, size_t i); /**< as kill -9 when its host is crashed before */

/* sim_cluster_load.c */
bool load_open(struct world *w);
void load_start(struct world *w);     /**< sets the workers to work */
bool load_read_back(struct world *w); /**< reads everything once more, by one client */
void load_close(struct world *w);
bool load_is_idle(const struct world *w);

/* sim_cluster_faults.c */
void faults_make(struct world *w);
/** What is due at now_ns since the phase began is begun or ended; returns when something is due next, IO_NEVER = nothing. */
uint64_t faults_step(struct world *w, uint64_t now_ns);
void faults_end_all(struct world *w);
void fault_describe(const struct world *w, const struct fault *f, char *out, size_t cap);

bool fault_is_of_operator(const struct fault *f);

/* sim_cluster_operator.c */
void operator_step(struct world *w);
/** Goes on bringing the cluster back in order; true = it is. */
bool operator_heal(struct world *w);
size_t operator_active_nodes(const struct world *w);
void operator_describe(const struct world *w, struct buf *out);

/* sim_cluster_judge.c */
bool judge(struct world *w);
void judge_describe(const struct entry *e, char *out, size_t cap);

/* sim_cluster_run.c */
struct run_options {
    uint64_t seed;
    size_t operations;                           /* 0 = from the seed */
    uint64_t left_out;                           /* bits: faults that do not happen */
    void (*tell)(void *user, const char *line);  /* may be NULL: a line per fault, per operation */
    void (*trace)(void *user, const char *line); /* may be NULL: events of the network */
    void *user;
};
struct run_result {
    bool failed;
    char stage[40];
    struct finding finding;
    size_t faults, operations, done, ambiguous, refused;
    uint64_t hash, events, virtual_ns;
    char story[8][160]; /* entries concerned */
    size_t story_count;
    char fault_text[FAULTS_MAX][120];
};
void run_seed(const struct run_options *o, struct run_result *out);

/* sim_cluster_cheap.c: one round instead of 15000, and randomness from the seed; linked in place of the real ones */
void cheap_random(uint64_t seed);

#endif
