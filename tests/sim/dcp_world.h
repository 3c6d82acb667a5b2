/* Some nodes that replicate to each other in the simulated network, and a client that speaks frames. */
#ifndef TESTS_SIM_DCP_WORLD_H
#define TESTS_SIM_DCP_WORLD_H

#include "unit/unit.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/sim.h"
#include "node/dcp/peer.h"
#include "node/kv/ops.h"
#include "node/kv/replica.h"
#include "node/replication.h"
#include "wire/session.h"

enum { NODES = 3, VBUCKETS = 4, ANSWERS = 4096, KV_PORT = 11210 };

struct told {
    bool there;
    uint16_t status;
    uint64_t cas, seqno;
    uint64_t at_ns;
};

/* A connection of the client to one node. */
struct wire_client {
    struct io_stream *stream;
    bool opened, closed;
    unsigned shaken;
    uint32_t next_opaque;
    struct io_loop *loop;
    struct told *told; /* by opaque */
};

struct dcp_node {
    char host[16], name[8];
    struct io_loop *loop;
    struct engine *engine;
};

struct dcp_world {
    struct sim *sim;
    struct dcp_node nodes[NODES];
    unsigned count;
    struct io_loop *client;
    struct rng rng;
    uint64_t writes;
};

#define must(call)                                                                                                     \
    do {                                                                                                               \
        struct divan_error err_ = {0};                                                                                 \
        struct divan_error *must_err = &err_;                                                                          \
        if (call) fail_msg("%s: %s", #call, err_.message);                                                             \
    } while (0)

/* ---- nodes */

static inline void node_start(struct dcp_world *w, unsigned n)
{
    static const struct collection_spec collections[] = {{"_default", 0, 0, false}, {"c", 8, 0, false}};
    static const struct scope_spec scope = {"_default", 0, collections, 2};
    struct dcp_node *node = &w->nodes[n];
    struct divan_error err;
    struct io_addr addr;
    struct engine_user user = {.name = "@divan", .admin = true};
    const struct bucket_spec spec = {.name = "default",
                                     .uuid = "0123456789abcdef0123456789abcdef",
                                     .vbuckets = VBUCKETS,
                                     .replicas = (uint8_t)(w->count - 1),
                                     .ram_quota_bytes = 1 << 30};
    snprintf(node->host, sizeof node->host, "10.0.0.%u", n + 1);
    snprintf(node->name, sizeof node->name, "n%u", n);
    node->loop = sim_host(w->sim, node->host);
    node->engine = engine_new(node->loop, NULL, NULL, &err);
    assert_non_null(node->engine);
    if (sasl_secret_derive(divan_str("secret"), 10, &user.secret, &err)) fail_msg("%s", err.message);
    must(engine_set_user(node->engine, &user, must_err));
    must(engine_bucket_create(node->engine, &spec, must_err));
    must(engine_set_manifest(node->engine, "default", &(struct manifest_spec){2, &scope, 1}, must_err));
    assert_true(io_addr_parse(&addr, node->host, KV_PORT));
    must(engine_listen_kv(node->engine, &addr, NULL, must_err));
    must(replication_identify(node->engine, node->name, "@divan", "secret", must_err));
}

static inline void node_stop(struct dcp_world *w, unsigned n)
{
    engine_free(w->nodes[n].engine);
    w->nodes[n].engine = NULL;
}

static inline void dcp_world_open(struct dcp_world *w, unsigned count, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->sim = sim_new(seed);
    w->count = count;
    rng_init(&w->rng, seed);
    w->client = sim_host(w->sim, "10.0.0.9");
    for (unsigned n = 0; n < count; n++) node_start(w, n);
}

static inline void dcp_world_close(struct dcp_world *w)
{
    for (unsigned n = 0; n < w->count; n++) engine_free(w->nodes[n].engine);
    sim_free(w->sim);
}

static inline struct bucket *bucket_of(struct dcp_world *w, unsigned n)
{
    return engine_find_bucket(w->nodes[n].engine, divan_str("default"));
}

static inline struct vbucket *vb(struct dcp_world *w, unsigned n, uint16_t id)
{
    return store_vbucket(&bucket_of(w, n)->store, id);
}

static inline struct replication_source source_of(struct dcp_world *w, unsigned n, uint16_t id)
{
    return (struct replication_source){id, w->nodes[n].host, KV_PORT, w->nodes[n].name};
}

/* Every vBucket: active on the first of chain, replicas on the others (-1 = an empty place); they follow it. */
static inline void set_chain(struct dcp_world *w, const int *chain, unsigned length)
{
    const char *names[CHAIN_MAX];
    for (unsigned i = 0; i < length; i++) names[i] = chain[i] < 0 ? NULL : w->nodes[chain[i]].name;
    for (unsigned n = 0; n < w->count; n++) {
        struct vbucket_role roles[VBUCKETS];
        struct replication_source sources[VBUCKETS];
        uint8_t mode = VBUCKET_DEAD, filled = 0;
        if (!w->nodes[n].engine) continue;
        for (unsigned i = 0; i < length; i++) {
            filled += chain[i] >= 0;
            if (chain[i] == (int)n) mode = i ? VBUCKET_REPLICA : VBUCKET_ACTIVE;
        }
        for (uint16_t i = 0; i < VBUCKETS; i++) {
            roles[i] = (struct vbucket_role){
                .mode = mode, .chain_length = (uint8_t)length, .chain_filled = filled, .chain = names};
            sources[i] = source_of(w, (unsigned)chain[0], i);
        }
        must(engine_set_roles(w->nodes[n].engine, "default", roles, VBUCKETS, must_err));
        must(replication_set(w->nodes[n].engine, "default", sources, mode == VBUCKET_REPLICA ? VBUCKETS : 0, must_err));
    }
}

#define run_until(w, seconds, condition)                                                                               \
    do {                                                                                                               \
        uint64_t give_up_ = sim_now((w)->sim) + (uint64_t)(seconds)*NS_PER_S;                                          \
        while (!(condition)) {                                                                                         \
            if (!sim_step((w)->sim, give_up_)) fail_msg("never came true: %s", #condition);                            \
        }                                                                                                              \
    } while (0)

/* ---- writing without a client */

static inline enum kv_result put_key(struct dcp_world *w, unsigned n, uint16_t id, uint32_t collection, const char *key,
                                     const char *value, bool remove)
{
    struct engine *e = w->nodes[n].engine;
    struct bucket *b = bucket_of(w, n);
    struct kv_done done;
    engine_read_clock(e);
    struct kv_op op = {.vbucket = vb(w, n, id), .key = kv_key_of(collection, key, strlen(key)), .clock = &e->clock};
    op.hash = store_hash(&b->store, &op.key);
    op.collection = manifest_find(&b->store.manifest, collection);
    struct kv_input in = {.sent = divan_str(value), .body = divan_str(value), .flags = 7};
    return remove ? kv_delete(&op, &done) : kv_set(&op, KV_SET, &in, &done);
}

/* Random sets and deletions of few keys, so that much is overwritten. */
static inline void scribble(struct dcp_world *w, unsigned n, unsigned writes)
{
    for (unsigned i = 0; i < writes; i++) {
        char key[16], value[48];
        snprintf(key, sizeof key, "k%u", (unsigned)rng_below(&w->rng, 40));
        snprintf(value, sizeof value, "{\"n\":%llu}%.*s", (unsigned long long)++w->writes, (int)rng_below(&w->rng, 20),
                 "                        ");
        put_key(w, n, (uint16_t)rng_below(&w->rng, VBUCKETS), rng_below(&w->rng, 4) ? 0 : 8, key, value,
                rng_below(&w->rng, 5) == 0);
    }
}

/* ---- comparing */

static inline struct item *next_item(const struct vbucket *v, struct link **l)
{
    for (*l = (*l)->next; *l != &v->order.head; *l = (*l)->next) {
        struct item *i = container_of(*l, struct item, order);
        if (!(i->state & ITEM_GHOST)) return i;
    }
    return NULL;
}

static inline bool same_item(const struct item *a, const struct item *b)
{
    enum { MASK = ITEM_DELETED | ITEM_EXPIRED | ITEM_APART };
    if (a->state & ITEM_ABORTED) return a->seqno == b->seqno && a->key_len == b->key_len;
    return a->seqno == b->seqno && a->cas == b->cas && a->revision == b->revision && a->collection == b->collection &&
           (a->state & MASK) == (b->state & MASK) && a->datatype == b->datatype && a->key_len == b->key_len &&
           a->value_len == b->value_len && memcmp(a->bytes, b->bytes, a->key_len + a->value_len) == 0 &&
           (!item_is_live(a) || a->flags == b->flags);
}

static inline bool same_vbucket(const struct vbucket *a, const struct vbucket *b)
{
    struct link *la = (struct link *)&a->order.head, *lb = (struct link *)&b->order.head;
    if (a->high_seqno != b->high_seqno || a->items != b->items) return false;
    for (;;) {
        const struct item *ia = next_item(a, &la), *ib = next_item(b, &lb);
        while (ia && (ia->state & ITEM_ABORTED)) ia = next_item(a, &la);
        while (ib && (ib->state & ITEM_ABORTED)) ib = next_item(b, &lb);
        if (!ia || !ib) return ia == ib;
        if (!same_item(ia, ib)) return false;
    }
}

static inline bool same_node(struct dcp_world *w, unsigned a, unsigned b)
{
    for (uint16_t i = 0; i < VBUCKETS; i++) {
        if (!same_vbucket(vb(w, a, i), vb(w, b, i))) return false;
    }
    return true;
}

static inline bool same_history(struct dcp_world *w, unsigned a, unsigned b)
{
    for (uint16_t i = 0; i < VBUCKETS; i++) {
        const struct vbucket *va = vb(w, a, i), *vb_ = vb(w, b, i);
        if (va->failover_count != vb_->failover_count) return false;
        if (memcmp(va->failover, vb_->failover, va->failover_count * sizeof *va->failover)) return false;
    }
    return true;
}

/* ---- a client */

static inline void client_opened(void *user)
{
    struct wire_client *c = user;
    c->opened = true;
}

static inline void client_data(void *user)
{
    struct wire_client *c = user;
    struct divan_bytes input = io_stream_input(c->stream);
    size_t used = 0, size;
    struct frame f;
    struct divan_error err;
    while (frame_decode(bytes_slice(input, used, input.len), FRAME_MAX, &f, &size, &err) == FRAME_COMPLETE) {
        used += size;
        if (f.opaque == 0) c->shaken++;
        if (f.opaque >= ANSWERS) continue;
        struct told *t = &c->told[f.opaque];
        if (f.opaque && t->there) fail_msg("two answers to %u", f.opaque);
        *t = (struct told){.there = true, .status = f.status, .cas = f.cas, .at_ns = io_now_ns(c->loop)};
        if (f.extras.len == 16) t->seqno = get_u64be((const uint8_t *)f.extras.data + 8);
    }
    if (used) io_stream_consume(c->stream, used);
}

static inline void client_closed(void *user, const struct divan_error *why)
{
    struct wire_client *c = user;
    c->closed = true;
    c->stream = NULL;
}

static inline void client_open(struct dcp_world *w, struct wire_client *c, unsigned n, feature_set more)
{
    static const struct io_handler handler = {.opened = client_opened, .data = client_data, .closed = client_closed};
    struct divan_error err;
    struct io_addr addr;
    *c = (struct wire_client){.loop = w->client, .told = mem_zalloc(ANSWERS * sizeof(struct told))};
    assert_true(io_addr_parse(&addr, w->nodes[n].host, KV_PORT));
    c->stream = io_connect(w->client, &addr, &handler, c, &err);
    assert_non_null(c->stream);
    struct buf *out = io_stream_output(c->stream);
    hello_put_request(out, 0, divan_str("test"),
                      FEATURE(FEATURE_XERROR) | FEATURE(FEATURE_MUTATION_SEQNO) | FEATURE(FEATURE_SELECT_BUCKET) |
                          FEATURE(FEATURE_ALT_REQUEST) | FEATURE(FEATURE_SYNC_REPLICATION) | more);
    session_put_sasl(out, OP_SASL_AUTH, 0, SASL_PLAIN, bytes_of("\0@divan\0secret", 14));
    session_put_select_bucket(out, 0, "default");
    run_until(w, 5, c->opened);
    io_stream_flush(c->stream);
    run_until(w, 5, c->shaken == 3);
}

static inline void client_close(struct dcp_world *w, struct wire_client *c)
{
    if (c->stream) io_stream_close(c->stream, false);
    run_until(w, 10, c->closed);
    mem_free(c->told);
}

/* Sends a SET (value NULL: a GET) and returns its opaque. */
static inline uint32_t client_send(struct wire_client *c, uint16_t id, const char *key, const char *value,
                                   uint8_t level, uint16_t durable_ms)
{
    struct kv_target t = {.opaque = ++c->next_opaque,
                          .vbucket = id,
                          .key = divan_str(key),
                          .durability = level,
                          .durable_ms = durable_ms};
    assert_true(t.opaque < ANSWERS);
    if (!c->stream) return t.opaque;
    if (value) kv_put_store(io_stream_output(c->stream), OP_SET, &t, &(struct kv_store){.value = divan_str(value)});
    else kv_put_get(io_stream_output(c->stream), OP_GET, &t);
    io_stream_flush(c->stream);
    return t.opaque;
}

#endif
