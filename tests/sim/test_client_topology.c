/* The cluster changes under a client: nodes join, leave, die, are failed over and come back. */
#include "sim/support_script.h"

#include <stdio.h>

#include "base/alloc.h"
#include "client/bucket.h"
#include "client/retry.h"
#include "wire/session.h"

enum { NODES = 4, VBUCKETS = 16, KEYS = 24 };

static const char *const hosts[NODES] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"};

struct stage {
    struct sim *sim;
    struct script *node[NODES];
    struct probe client;
    int64_t rev;
    size_t in_map;
};

/* The first `count` nodes are in the map; vBucket i belongs to owners[i % n]. Nodes outside keep the map they had. */
static void give_map_to(struct stage *t, size_t first, size_t last, size_t count, const int *owners, size_t n)
{
    for (size_t i = first; i < last; i++)
        script_make_config(t->node[i]->config, sizeof t->node[i]->config, 1, t->rev, hosts, count, owners, n, VBUCKETS);
    t->in_map = count;
}

static void give_map(struct stage *t, size_t count, const int *owners, size_t n)
{
    t->rev++;
    give_map_to(t, 0, NODES, count, owners, n);
}

#define OWNERS(...) (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int)

static void set_with(struct stage *t, uint64_t seed, feature_set without, const char *options, size_t count,
                     const int *owners, size_t n)
{
    char connstr[120];
    memset(t, 0, sizeof *t);
    t->sim = sim_new(seed);
    t->rev = 9;
    for (size_t i = 0; i < NODES; i++) {
        t->node[i] = script_new(t->sim, hosts[i]);
        t->node[i]->features &= ~without;
    }
    give_map(t, count, owners, n);
    snprintf(connstr, sizeof connstr, "couchbase://10.0.0.1/b%s", options);
    assert_int_equal(probe_open_wait(&t->client, t->sim, connstr, NULL), DIVAN_OK);
    probe_run_for(&t->client, 100 * NS_PER_MS);
}

static void set(struct stage *t, size_t count, const int *owners, size_t n)
{
    set_with(t, 21, 0, "", count, owners, n);
}

static void strike(struct stage *t)
{
    probe_close(&t->client);
    sim_free(t->sim);
    for (size_t i = 0; i < NODES; i++) script_free(t->node[i]);
}

static struct bucket *bucket_of(const struct stage *t)
{
    return bucket_find(t->client.client, "b");
}

static int64_t revision(const struct stage *t)
{
    const struct map *map = bucket_of(t)->map;
    return map ? map->revision.rev : -1;
}

static size_t open_connections(const struct script *s)
{
    size_t n = 0;
    for (size_t i = 0; i < SCRIPT_CONNS; i++) n += s->conns[i] != NULL;
    return n;
}

/* Key i of many; their vBuckets spread. */
static const char *key_of(int i)
{
    static char key[16];
    snprintf(key, sizeof key, "key%d", i);
    return key;
}

static void begin(struct stage *t, enum op_kind kind, int i, uint32_t timeout_ms)
{
    struct divan_error err;
    assert_int_equal(probe_start(&t->client, probe_collection(&t->client, "b", NULL, NULL), kind, key_of(i),
                                 kind == KIND_UPSERT ? "v" : NULL, timeout_ms, NULL, &err),
                     DIVAN_OK);
}

/* A write of every key succeeds, each at the node that owns it by the newest map. */
static void all_keys_work(struct stage *t)
{
    size_t n = t->client.count;
    for (int i = 0; i < KEYS; i++) begin(t, KIND_UPSERT, i, 0);
    probe_wait(&t->client, n + KEYS);
    const struct map *map = bucket_of(t)->map;
    for (size_t i = n; i < n + KEYS; i++) {
        const struct operation *op = t->client.results[i];
        char want[64];
        if (op->error) fail_msg("%s", op->error->message);
        snprintf(want, sizeof want, "%s:%d", hosts[map_owner(map, op->vbucket, 0)], SCRIPT_PORT);
        assert_string_equal(op->endpoint, want);
    }
    probe_clear(&t->client);
}

/* A key whose vBucket belongs to this node now. */
static int key_at(const struct stage *t, int node)
{
    const struct map *map = bucket_of(t)->map;
    for (int i = 0; i < 1000; i++)
        if (map_owner(map, map_vbucket(map, divan_str(key_of(i))), 0) == node) return i;
    fail_msg("no key for node %d", node);
    return 0;
}

/* ---- every way in which a newer map comes */

static void push_brief(struct stage *t)
{
    script_push(t->node[0], "b", 1, t->rev);
}

static void push_full(struct stage *t)
{
    struct buf out = {.limit = 1 << 16};
    session_put_config_push(&out, "b", (struct config_version){1, t->rev}, DATATYPE_JSON,
                            divan_str(t->node[0]->config));
    script_send_all(t->node[0], out.data, out.len);
    buf_fini(&out);
}

static void refuse_with_map(struct stage *t)
{
    script_expect(t->node[0], "SET");
    script_reply(t->node[0], ST_NOT_MY_VBUCKET, t->node[0]->config);
    begin(t, KIND_UPSERT, 0, 0);
}

static void refuse_without_map(struct stage *t)
{
    script_expect(t->node[0], "SET");
    script_reply(t->node[0], ST_NOT_MY_VBUCKET, NULL);
    begin(t, KIND_UPSERT, 0, 0);
}

static void drop(struct stage *t)
{
    script_drop_connections(t->node[0]);
}

static void nothing(struct stage *t) {}

static void a_node_joins_whatever_tells_of_it(void **state)
{
    static const struct {
        const char *name;
        void (*tell)(struct stage *t);
        feature_set without;
        uint64_t within_ms;
    } rows[] = {
        {"brief push", push_brief, 0, 20},
        {"full push", push_full, 0, 20},
        {"refusal with map", refuse_with_map, 0, 20},
        {"refusal without map", refuse_without_map, 0, 60},
        {"new connection", drop, 0, 60},
        {"poll", nothing, FEATURE(FEATURE_CLUSTERMAP_CHANGE_BRIEF), 2600},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct stage t;
        set_with(&t, 30 + i, rows[i].without, "", 1, OWNERS(0));
        all_keys_work(&t);
        give_map(&t, 2, OWNERS(0, 1));
        rows[i].tell(&t);
        probe_run_for(&t.client, rows[i].within_ms * NS_PER_MS);
        if (revision(&t) != t.rev) fail_msg("%s: revision %d", rows[i].name, (int)revision(&t));
        all_keys_work(&t);
        assert_int_equal(open_connections(t.node[1]), 1);
        strike(&t);
    }
}

static void an_older_map_changes_nothing(void **state)
{
    struct stage t;
    set(&t, 2, OWNERS(0, 1));
    int64_t newest = t.rev;
    t.rev = 5;
    give_map(&t, 1, OWNERS(0));
    push_brief(&t);
    push_full(&t);
    script_drop_connections(t.node[0]);
    probe_run_for(&t.client, 500 * NS_PER_MS);
    assert_int_equal(revision(&t), newest);
    all_keys_work(&t);
    assert_true(t.client.client->meter.maps_ignored > 0);
    strike(&t);
}

/* ---- nodes go */

static void a_node_that_leaves_answers_to_the_end(void **state)
{
    struct stage t;
    set(&t, 2, OWNERS(0, 1));
    script_expect(t.node[1], "SET");
    script_reply_after(t.node[1], 300 * NS_PER_MS, ST_SUCCESS, NULL);
    begin(&t, KIND_UPSERT, key_at(&t, 1), 0); /* a write: it must not be sent twice */
    probe_run_for(&t.client, 10 * NS_PER_MS);
    give_map(&t, 1, OWNERS(0));
    push_brief(&t);
    probe_run_for(&t.client, 50 * NS_PER_MS);
    assert_int_equal(revision(&t), t.rev);
    assert_int_equal(open_connections(t.node[1]), 1); /* drains */
    probe_wait(&t.client, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_OK);
    assert_int_equal(t.client.results[0]->attempts, 1);
    probe_run_for(&t.client, 50 * NS_PER_MS);
    assert_int_equal(open_connections(t.node[1]), 0);
    probe_clear(&t.client);
    all_keys_work(&t);
    script_check(t.node[1]);
    strike(&t);
}

static void draining_has_an_end(void **state)
{
    struct stage t;
    set(&t, 2, OWNERS(0, 1));
    t.node[1]->is_deaf = true;
    begin(&t, KIND_GET, key_at(&t, 1), 30000);
    begin(&t, KIND_UPSERT, key_at(&t, 1), 30000);
    probe_run_for(&t.client, 10 * NS_PER_MS);
    uint64_t start = sim_now(t.sim);
    give_map(&t, 1, OWNERS(0));
    push_brief(&t);
    probe_wait(&t.client, 2);
    assert_true(sim_now(t.sim) - start < 10500 * NS_PER_MS);
    for (int i = 0; i < 2; i++) {
        const struct operation *op = t.client.results[i];
        if (op->kind == KIND_GET) assert_int_equal(probe_code(op), DIVAN_ERR_DOCUMENT_NOT_FOUND); /* asked elsewhere */
        else {
            assert_int_equal(probe_code(op), DIVAN_ERR_CONNECTION_LOST);
            assert_true(op->error->flags & DIVAN_IS_AMBIGUOUS);
        }
    }
    probe_run_for(&t.client, 50 * NS_PER_MS);
    assert_int_equal(open_connections(t.node[1]), 0);
    strike(&t);
}

static void a_dead_node_is_failed_over(void **state)
{
    struct stage t;
    set(&t, 3, OWNERS(0, 1, 2));
    all_keys_work(&t);
    int key = key_at(&t, 2);
    sim_host_set(t.sim, hosts[2], SIM_CRASHED);
    probe_run_for(&t.client, 5 * NS_PER_MS);
    begin(&t, KIND_UPSERT, key, 10000);
    begin(&t, KIND_GET, key, 10000);
    probe_run_for(&t.client, 3000 * NS_PER_MS);
    assert_int_equal(t.client.count, 0); /* they wait for the owner */
    give_map(&t, 2, OWNERS(0, 1));
    push_brief(&t);
    uint64_t start = sim_now(t.sim);
    probe_wait(&t.client, 2);
    assert_true(sim_now(t.sim) - start < 20 * NS_PER_MS);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_OK);
    probe_clear(&t.client);
    all_keys_work(&t);

    /* it comes back, by the next map */
    sim_host_set(t.sim, hosts[2], SIM_UP);
    give_map(&t, 3, OWNERS(0, 1, 2));
    push_brief(&t);
    probe_run_for(&t.client, 200 * NS_PER_MS);
    all_keys_work(&t);
    strike(&t);
}

static void a_node_that_restarts_is_found_again_soon(void **state)
{
    struct stage t;
    set(&t, 2, OWNERS(0, 1));
    sim_host_set(t.sim, hosts[1], SIM_CRASHED);
    probe_run_for(&t.client, 60 * NS_PER_S);
    uint64_t tries = t.client.client->meter.connects_failed;
    assert_true(tries >= 30 && tries < 150); /* about once a second, with jitter */
    sim_host_set(t.sim, hosts[1], SIM_UP);
    uint64_t start = sim_now(t.sim);
    all_keys_work(&t);
    assert_true(sim_now(t.sim) - start < 100 * NS_PER_MS); /* whoever waits cuts the pause short */
    strike(&t);
}

static void a_vbucket_without_a_master_is_waited_for(void **state)
{
    struct stage t;
    set(&t, 2, OWNERS(0, -1));
    int key = key_at(&t, -1);
    begin(&t, KIND_UPSERT, key, 10000);
    probe_run_for(&t.client, 1000 * NS_PER_MS);
    assert_int_equal(t.client.count, 0);
    assert_int_equal(t.node[0]->requests + t.node[1]->requests, 0);
    give_map(&t, 2, OWNERS(0, 1));
    push_brief(&t);
    probe_wait(&t.client, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_OK);
    assert_string_equal(t.client.results[0]->endpoint, "10.0.0.2:11210");
    strike(&t);
}

static void add_forward(struct script *s, int owner)
{
    char *end = strstr(s->config, "]]}}");
    assert_non_null(end);
    struct buf b = {.limit = 4096};
    buf_put_str(&b, "]],\"vBucketMapForward\":[");
    for (int i = 0; i < VBUCKETS; i++) buf_printf(&b, "%s[%d]", i ? "," : "", owner);
    buf_put_str(&b, "]}}");
    assert_true((size_t)(end - s->config) + b.len < sizeof s->config);
    strcpy(end, buf_text(&b));
    buf_fini(&b);
}

static void a_refusal_leads_to_where_the_vbucket_goes(void **state)
{
    struct stage t;
    set(&t, 2, OWNERS(0));
    give_map(&t, 2, OWNERS(0));
    for (int i = 0; i < 2; i++) add_forward(t.node[i], 1);
    push_brief(&t);
    probe_run_for(&t.client, 50 * NS_PER_MS);
    script_expect(t.node[0], "SET");
    script_reply(t.node[0], ST_NOT_MY_VBUCKET, NULL);
    begin(&t, KIND_UPSERT, 0, 0);
    uint64_t start = sim_now(t.sim);
    probe_wait(&t.client, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_OK);
    assert_string_equal(t.client.results[0]->endpoint, "10.0.0.2:11210");
    assert_true(sim_now(t.sim) - start < 10 * NS_PER_MS); /* without a pause */
    strike(&t);
}

static void learned_nodes_take_the_place_of_the_seed(void **state)
{
    struct stage t;
    set(&t, 3, OWNERS(0, 1, 2));
    /* the seed is removed and gone for good; so are, for a while, the others */
    t.rev++;
    for (size_t i = 0; i < NODES; i++)
        script_make_config(t.node[i]->config, sizeof t.node[i]->config, 1, t.rev, hosts + 1, 2, (const int[]){0, 1}, 2,
                           VBUCKETS);
    script_push(t.node[1], "b", 1, t.rev);
    probe_run_for(&t.client, 100 * NS_PER_MS);
    sim_host_set(t.sim, hosts[0], SIM_GONE);
    script_drop_connections(t.node[1]);
    script_drop_connections(t.node[2]);
    probe_run_for(&t.client, 2 * NS_PER_MS);
    begin(&t, KIND_UPSERT, 1, 0);
    probe_wait(&t.client, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_OK);
    strike(&t);
}

static void a_cluster_that_moved_is_found_by_its_records(void **state)
{
    static const char records[] = "_couchbase._tcp.db.example";
    struct stage t;
    memset(&t, 0, sizeof t);
    t.sim = sim_new(77);
    t.rev = 9;
    for (size_t i = 0; i < NODES; i++) t.node[i] = script_new(t.sim, hosts[i]);
    give_map(&t, 1, OWNERS(0));
    sim_name_add_srv(t.sim, records, "n1.example", SCRIPT_PORT, 0, 0);
    sim_name_add(t.sim, "n1.example", hosts[0]);
    assert_int_equal(probe_open_wait(&t.client, t.sim, "couchbase://db.example/b", NULL), DIVAN_OK);
    probe_run_for(&t.client, 100 * NS_PER_MS);

    sim_host_set(t.sim, hosts[0], SIM_CRASHED);
    t.rev++;
    script_make_config(t.node[1]->config, sizeof t.node[1]->config, 1, t.rev, hosts + 1, 1, (const int[]){0}, 1,
                       VBUCKETS);
    sim_name_clear(t.sim, records);
    sim_name_add_srv(t.sim, records, "n2.example", SCRIPT_PORT, 0, 0);
    sim_name_add(t.sim, "n2.example", hosts[1]);
    probe_run_for(&t.client, 5 * NS_PER_MS);
    begin(&t, KIND_UPSERT, 0, 5000);
    probe_wait(&t.client, 1);
    assert_int_equal(probe_code(t.client.results[0]), DIVAN_OK);
    assert_string_equal(t.client.results[0]->endpoint, "10.0.0.2:11210");
    strike(&t);
}

static void many_nodes_are_not_dialled_at_once(void **state)
{
    enum { MANY = 50, ALIVE = 49 };
    struct stage t;
    static char names[MANY][16];
    const char *many[MANY];
    int owners[MANY];
    unsigned most = 0;
    set(&t, 1, OWNERS(0));
    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "10.0.1.%d", i + 1);
        many[i] = i == ALIVE ? hosts[1] : i ? names[i] : hosts[0];
        owners[i] = i;
        if (i && i != ALIVE) sim_host(t.sim, many[i]), sim_host_set(t.sim, many[i], SIM_GONE);
    }
    owners[0] = ALIVE; /* whatever else happens, this one has something to do */
    t.rev++;
    script_make_config(t.node[0]->config, sizeof t.node[0]->config, 1, t.rev, many, MANY, owners, 1, VBUCKETS);
    push_brief(&t);
    for (int i = 0; i < 300; i++) {
        probe_run_for(&t.client, 10 * NS_PER_MS);
        if (t.client.client->dialing > most) most = t.client.client->dialing;
    }
    assert_int_equal(revision(&t), t.rev);
    assert_int_equal(most, 32);
    begin(&t, KIND_GET, 0, 5000);
    probe_wait(&t.client, 1);
    probe_close(&t.client);
    sim_free(t.sim);
    for (size_t i = 0; i < NODES; i++) script_free(t.node[i]);
}

/* ---- a thousand changes */

static size_t all_connections(const struct stage *t)
{
    size_t n = 0;
    for (size_t i = 0; i < NODES; i++) n += open_connections(t->node[i]);
    return n;
}

static void change(struct stage *t, int i)
{
    static const int owners[NODES][NODES] = {{0}, {0, 1}, {1, 0, 2}, {3, 2, 1, 0}};
    size_t count = 1 + (size_t)(i * 7 % NODES);
    give_map(t, count, owners[count - 1], count);
    if (i % 3 == 0) push_full(t);
    else push_brief(t);
    probe_run_for(&t->client, 60 * NS_PER_MS);
    assert_int_equal(revision(t), t->rev);
    if (i % 4 == 0) all_keys_work(t);
}

static void a_thousand_changes_leave_nothing_behind(void **state)
{
    struct stage t;
    int64_t live = 0;
    set(&t, 2, OWNERS(0, 1));
    for (int i = 0; i < 1000; i++) {
        change(&t, i);
        if (i % 100 != 99) continue; /* always the same number of nodes */
        probe_run_for(&t.client, 500 * NS_PER_MS);
        assert_int_equal(all_connections(&t), t.in_map);
        if (i == 199) live = mem_live();
        else if (i > 199) assert_in_range(mem_live(), live - 4, live + 4); /* an operation has an error, or not */
    }
    assert_true(t.client.client->meter.maps_applied >= 1000);
    strike(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_joins_whatever_tells_of_it),
        cmocka_unit_test(an_older_map_changes_nothing),
        cmocka_unit_test(a_node_that_leaves_answers_to_the_end),
        cmocka_unit_test(draining_has_an_end),
        cmocka_unit_test(a_dead_node_is_failed_over),
        cmocka_unit_test(a_node_that_restarts_is_found_again_soon),
        cmocka_unit_test(a_vbucket_without_a_master_is_waited_for),
        cmocka_unit_test(a_refusal_leads_to_where_the_vbucket_goes),
        cmocka_unit_test(learned_nodes_take_the_place_of_the_seed),
        cmocka_unit_test(a_cluster_that_moved_is_found_by_its_records),
        cmocka_unit_test(many_nodes_are_not_dialled_at_once),
        cmocka_unit_test(a_thousand_changes_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
