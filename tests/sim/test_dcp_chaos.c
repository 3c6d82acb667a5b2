/* Three nodes, four vBuckets, and everything at once: durable and plain writes, broken and stalled connections, nodes that
 * vanish and come back, failovers, recoveries, moves. A test that plays the manager keeps to its rules: it promotes who has
 * most, and moves with both chains in force. In the end all copies are the same, and no durable write that was acknowledged
 * is missing. DIVAN_SEEDS=N runs more seeds, DIVAN_SEED=N that one. */
#include <stdlib.h>

#include "sim/dcp_world.h"

enum { WRITES_MAX = 3000, ROUNDS = 12, COPIES = 3 /* at most */ };

struct write {
    uint32_t opaque;
    uint16_t vbucket;
    uint8_t node;
    bool durable, acknowledged;
    char key[16];
};

struct game {
    struct dcp_world w;
    int chain[VBUCKETS][COPIES]; /* nodes, -1 = an empty place */
    bool gone[NODES];
    struct wire_client clients[NODES];
    struct write writes[WRITES_MAX];
    int copies; /* places in each chain */
    unsigned count, moves, failovers, uncertain;
};

static struct game g;

/* ---- roles */

static unsigned filled(const int *chain)
{
    unsigned n = 0;
    for (int i = 0; i < COPIES; i++) n += chain[i] >= 0;
    return n;
}

static void name_chain(const int *chain, const char **names)
{
    for (int i = 0; i < COPIES; i++) names[i] = chain[i] < 0 ? NULL : g.w.nodes[chain[i]].name;
}

static bool in_chain(const int *chain, int node)
{
    for (int i = 0; i < COPIES; i++) {
        if (chain[i] == node) return true;
    }
    return false;
}

/* Tells one node what it is for all vBuckets, as a document from the manager does. */
static void tell(unsigned n)
{
    struct vbucket_role roles[VBUCKETS] = {0};
    struct replication_source sources[VBUCKETS];
    const char *names[VBUCKETS][COPIES];
    size_t count = 0;
    if (g.gone[n]) return;
    for (uint16_t i = 0; i < VBUCKETS; i++) {
        const int *chain = g.chain[i];
        bool member = in_chain(chain, (int)n);
        name_chain(chain, names[i]);
        roles[i] = (struct vbucket_role){.mode = chain[0] == (int)n ? VBUCKET_ACTIVE
                                                 : member           ? VBUCKET_REPLICA
                                                                    : VBUCKET_DEAD,
                                         .chain_length = (uint8_t)g.copies,
                                         .chain_filled = (uint8_t)filled(chain),
                                         .chain = names[i]};
        if (member && chain[0] != (int)n) sources[count++] = source_of(&g.w, (unsigned)chain[0], i);
    }
    must(engine_set_roles(g.w.nodes[n].engine, "default", roles, VBUCKETS, must_err));
    must(replication_set(g.w.nodes[n].engine, "default", sources, count, must_err));
}

static void tell_all(void)
{
    unsigned first = (unsigned)rng_below(&g.w.rng, NODES);
    for (unsigned i = 0; i < NODES; i++) {
        tell((first + i) % NODES);
        sim_run_for(g.w.sim, rng_below(&g.w.rng, 2 * NS_PER_MS)); /* not at the same moment */
    }
}

/* ---- load */

static void connect_clients(void)
{
    for (unsigned n = 0; n < NODES; n++) {
        struct wire_client *c = &g.clients[n];
        if (g.gone[n] || (c->told && !c->closed)) continue;
        struct told *told = c->told;
        uint32_t next = c->next_opaque;
        client_open(&g.w, c, n, FEATURE(FEATURE_UNORDERED));
        if (told) {
            memcpy(c->told, told, ANSWERS * sizeof *told);
            mem_free(told);
        }
        c->next_opaque = next;
    }
}

static void look_at_answers(void)
{
    for (unsigned i = 0; i < g.count; i++) {
        struct write *x = &g.writes[i];
        const struct told *t = &g.clients[x->node].told[x->opaque];
        if (t->there && t->status == ST_SUCCESS) x->acknowledged = true;
    }
}

static void write_some(unsigned n)
{
    for (unsigned i = 0; i < n && g.count < WRITES_MAX; i++) {
        uint16_t id = (uint16_t)rng_below(&g.w.rng, VBUCKETS);
        int node = g.chain[id][0];
        if (node < 0 || g.gone[node]) continue;
        struct wire_client *c = &g.clients[node];
        if (!c->told || c->closed || c->next_opaque + 2 >= ANSWERS) continue;
        struct write *x = &g.writes[g.count];
        *x = (struct write){.vbucket = id, .node = (uint8_t)node, .durable = rng_below(&g.w.rng, 3) > 0};
        snprintf(x->key, sizeof x->key, "d%u", g.count++);
        x->opaque = client_send(c, id, x->key, x->key, x->durable ? 1 : 0, 3000);
        if (rng_below(&g.w.rng, 2) && vb(&g.w, (unsigned)node, id)->mode == VBUCKET_ACTIVE)
            put_key(&g.w, (unsigned)node, id, 0, rng_below(&g.w.rng, 2) ? "hot" : "hotter", x->key, false);
    }
}

static void pass(unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        write_some((unsigned)rng_below(&g.w.rng, 3));
        sim_run_for(g.w.sim, NS_PER_MS);
        if (rng_below(&g.w.rng, 60) == 0)
            sim_reset(g.w.sim, g.w.nodes[rng_below(&g.w.rng, NODES)].host, g.w.nodes[rng_below(&g.w.rng, NODES)].host);
    }
}

/* ---- failover and recovery */

static bool has_more(uint16_t id, int a, int b)
{
    const struct vbucket *va = vb(&g.w, (unsigned)a, id), *vb_ = vb(&g.w, (unsigned)b, id);
    if (va->high_prepared_seqno != vb_->high_prepared_seqno) return va->high_prepared_seqno > vb_->high_prepared_seqno;
    return va->high_seqno > vb_->high_seqno;
}

static void remove_from_chain(uint16_t id, int lost)
{
    int *chain = g.chain[id], rest[COPIES] = {-1, -1, -1}, n = 0;
    bool was_active = chain[0] == lost;
    for (int i = 0; i < COPIES; i++) {
        if (chain[i] >= 0 && chain[i] != lost) rest[n++] = chain[i];
    }
    if (was_active && n > 1 && has_more(id, rest[1], rest[0])) {
        int first = rest[0];
        rest[0] = rest[1];
        rest[1] = first;
    }
    memcpy(chain, rest, sizeof rest);
}

static void fail_over(int lost)
{
    g.failovers++;
    g.gone[lost] = true;
    look_at_answers(); /* what a client was told before counts */
    for (uint16_t i = 0; i < VBUCKETS; i++) {
        if (filled(g.chain[i]) > 1 && in_chain(g.chain[i], lost)) remove_from_chain(i, lost);
    }
    tell_all();
}

static void recover(int node)
{
    g.gone[node] = false;
    sim_host_set(g.w.sim, g.w.nodes[node].host, SIM_UP);
    for (unsigned n = 0; n < NODES; n++) sim_flow_set(g.w.sim, g.w.nodes[node].host, g.w.nodes[n].host, SIM_FLOWS);
    for (uint16_t i = 0; i < VBUCKETS; i++) {
        for (int k = 0; k < g.copies && !in_chain(g.chain[i], node); k++) {
            if (g.chain[i][k] < 0) g.chain[i][k] = node;
        }
    }
    tell_all();
}

static void wait_for_replicas(void)
{
    uint64_t give_up = sim_now(g.w.sim) + 20 * NS_PER_S;
    for (bool all = false; !all;) {
        if (!sim_step(g.w.sim, give_up)) fail_msg("replicas do not catch up");
        all = true;
        for (unsigned n = 0; n < NODES; n++)
            all = all && (g.gone[n] || replication_caught_up(g.w.nodes[n].engine, "default"));
    }
}

static void lose_and_recover(void)
{
    int lost = (int)rng_below(&g.w.rng, NODES);
    if (rng_below(&g.w.rng, 2)) {
        sim_host_set(g.w.sim, g.w.nodes[lost].host, SIM_GONE);
    } else { /* cut off from the others, but clients still reach it */
        for (int n = 0; n < NODES; n++) {
            if (n != lost) sim_flow_set(g.w.sim, g.w.nodes[lost].host, g.w.nodes[n].host, SIM_STALLS);
        }
    }
    pass((unsigned)rng_below(&g.w.rng, 30));
    fail_over(lost);
    pass((unsigned)rng_below(&g.w.rng, 60));
    recover(lost);
    connect_clients();
    pass((unsigned)rng_below(&g.w.rng, 30));
    wait_for_replicas(); /* only then the next node may be lost */
}

/* ---- moves */

struct moved {
    bool done;
    enum divan_code code;
};

static void on_moved(void *user, uint16_t vbucket, uint64_t high_seqno, const struct divan_error *why)
{
    struct moved *m = user;
    m->done = true;
    m->code = why->code;
}

static void set_both_chains(uint16_t id, const int *next)
{
    const char *names[COPIES], *next_names[COPIES];
    name_chain(g.chain[id], names);
    name_chain(next, next_names);
    const struct vbucket_role role = {.mode = VBUCKET_KEEP,
                                      .chain_length = (uint8_t)g.copies,
                                      .chain_filled = (uint8_t)filled(g.chain[id]),
                                      .chain = names,
                                      .next_chain = next_names,
                                      .next_length = (uint8_t)g.copies};
    must(engine_set_role(g.w.nodes[g.chain[id][0]].engine, "default", id, &role, must_err));
    must(engine_set_role(g.w.nodes[next[0]].engine, "default", id, &role, must_err));
}

/* Whether the new place holds: it said so, or both sides have the same and the old one has let go. */
static bool went_over(uint16_t id, const struct moved *m, int from, int to)
{
    const struct vbucket *a = vb(&g.w, (unsigned)from, id), *b = vb(&g.w, (unsigned)to, id);
    assert_false(a->mode == VBUCKET_ACTIVE && b->mode == VBUCKET_ACTIVE);
    if (!m->code || b->mode == VBUCKET_ACTIVE) return true;
    if (a->mode != VBUCKET_DEAD) return false;
    g.uncertain++;
    return a->high_seqno == b->high_seqno;
}

static void move_one(void)
{
    uint16_t id = (uint16_t)rng_below(&g.w.rng, VBUCKETS);
    int *chain = g.chain[id], from = chain[0], to = (from + 1 + (int)rng_below(&g.w.rng, NODES - 1)) % NODES;
    int next[COPIES];
    struct moved m = {0};
    struct divan_error err;
    bool member = in_chain(chain, to);
    memcpy(next, chain, sizeof next);
    for (int i = 0; i < COPIES; i++) { /* a member changes places, another one pushes out the last */
        if (member ? next[i] == to : i == g.copies - 1) next[i] = from;
    }
    next[0] = to;
    set_both_chains(id, next);
    const struct replication_source source = source_of(&g.w, (unsigned)from, id);
    if (!replication_take_over(g.w.nodes[to].engine, "default", &source, on_moved, &m, &err))
        fail_msg("%s", err.message);
    unsigned cut = rng_below(&g.w.rng, 3) ? 1000 : (unsigned)rng_below(&g.w.rng, 12);
    for (unsigned i = 0; !m.done; i++) {
        write_some(2);
        sim_run_for(g.w.sim, NS_PER_MS / 2);
        if (i == cut) sim_reset(g.w.sim, g.w.nodes[from].host, g.w.nodes[to].host);
        if (i > 40000) fail_msg("a move does not end");
    }
    g.moves++;
    sim_run_for(g.w.sim, 10 * NS_PER_MS);
    if (went_over(id, &m, from, to)) memcpy(chain, next, sizeof next);
    tell_all();
}

/* ---- the whole */

static bool present(const struct write *x)
{
    struct kv_key key = kv_key_of(0, x->key, strlen(x->key));
    struct vbucket *v = vb(&g.w, (unsigned)g.chain[x->vbucket][0], x->vbucket);
    const struct item *i = vbucket_find(v, &key, store_hash(v->store, &key));
    return i && item_is_live(i);
}

static void play(uint64_t seed)
{
    memset(&g, 0, sizeof g);
    g.copies = seed % 2 ? 3 : 2;
    dcp_world_open(&g.w, NODES, seed);
    for (uint16_t i = 0; i < VBUCKETS; i++) {
        for (int k = 0; k < COPIES; k++) g.chain[i][k] = k < g.copies ? (i + k) % NODES : -1;
    }
    tell_all();
    connect_clients();
    for (int round = 0; round < ROUNDS; round++) {
        pass((unsigned)rng_below(&g.w.rng, 40));
        if (rng_below(&g.w.rng, 3) == 0) lose_and_recover();
        else move_one();
        connect_clients();
    }
    wait_for_replicas();
    sim_run_for(g.w.sim, 5 * NS_PER_S);
    look_at_answers();
    for (uint16_t i = 0; i < VBUCKETS; i++) {
        for (int k = 1; k < COPIES && g.chain[i][k] >= 0; k++) {
            const struct vbucket *a = vb(&g.w, (unsigned)g.chain[i][0], i), *b = vb(&g.w, (unsigned)g.chain[i][k], i);
            if (!same_vbucket(a, b)) fail_msg("seed %u: copies of vBucket %u differ", (unsigned)seed, i);
            if (a->prepares || b->prepares) fail_msg("seed %u: vBucket %u holds a prepare for ever", (unsigned)seed, i);
        }
    }
    for (unsigned i = 0; i < g.count; i++) {
        const struct write *x = &g.writes[i];
        if (x->durable && x->acknowledged && !present(x))
            fail_msg("seed %u: %s of vBucket %u was acknowledged and is gone", (unsigned)seed, x->key, x->vbucket);
    }
    for (unsigned n = 0; n < NODES; n++) {
        assert_int_equal(bucket_of(&g.w, n)->store.ghost_bytes, 0);
        mem_free(g.clients[n].told);
    }
    dcp_world_close(&g.w);
}

static void chaos(void **state)
{
    const char *seeds = getenv("DIVAN_SEEDS"), *only = getenv("DIVAN_SEED");
    uint64_t count = seeds ? strtoull(seeds, NULL, 10) : 60, acknowledged = 0, moves = 0, failovers = 0, uncertain = 0;
    if (only) {
        play(strtoull(only, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= count; seed++) {
        play(seed);
        for (unsigned i = 0; i < g.count; i++) acknowledged += g.writes[i].durable && g.writes[i].acknowledged;
        moves += g.moves, failovers += g.failovers, uncertain += g.uncertain;
    }
    print_message("%u acknowledged, %u moves (%u uncertain), %u failovers\n", (unsigned)acknowledged, (unsigned)moves,
                  (unsigned)uncertain, (unsigned)failovers);
    assert_true(acknowledged > 50 * count && moves > count && failovers > count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(chaos)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
