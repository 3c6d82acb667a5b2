/* The engine inside: what sessions and commands reach. */
#ifndef DIVAN_NODE_ENGINE_STATE_H
#define DIVAN_NODE_ENGINE_STATE_H

#include "node/account.h"
#include "node/bucket.h"
#include "node/kv/subdoc_run.h"

struct replication;

struct engine {
    struct io_loop *loop;
    const struct log *log;
    struct list listeners; /* struct engine_listener */
    struct list sessions;
    uint32_t session_count, max_sessions;
    struct list buckets;
    struct account_table accounts;
    struct served global;
    struct kv_clock clock; /* of the batch being served */
    char version[64];
    struct io_timer sweep_timer;
    uint32_t sweep_s;
    struct buf inflated, body; /* of the request being served, as the next two */
    struct pathop_request plan;
    struct subdoc_run subdoc;
    struct scan_create scan;
    uint64_t started_ns;
    char data_dir[1024], data_vfs[32]; /* "" = none */
    struct replication *replication;   /* NULL = nobody is followed */
    struct list dcp_peers;             /* struct dcp_peer */
    bool dcp_dirty;                    /* one of them has something to send, or an answer was let go */
    struct list held;                  /* answers to durable writes, by deadline */
    struct list answered;              /* sessions with an answer that was let go */
    struct io_timer held_timer;
    struct {
        char **texts;
        uint16_t count;
    } names; /* of nodes in chains, by number - 1 */
};

struct bucket *engine_find_bucket(const struct engine *, struct divan_bytes name); /**< NULL = unknown; borrowed */
/** Reads the loop's clock into engine->clock. */
void engine_read_clock(struct engine *);
/** Lets the sweep begin now, after a change of collections. */
void engine_sweep_soon(struct engine *);

#endif
