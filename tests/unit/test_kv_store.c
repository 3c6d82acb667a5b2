#include "unit/unit.h"

#include "base/alloc.h"
#include "node/kv/ops.h"

#include <stdio.h>

static struct store store;
static struct kv_clock now;
static struct rng rng;

static int setup(void **state)
{
    rng_init(&rng, 7);
    now = (struct kv_clock){
        .wall_ns = UINT64_C(1700000000000000000), .now_ns = 1000, .wall_s = 1700000000, .start_s = 1699999000};
    assert_int_equal(store_init(&store, 4, &rng, NULL), DIVAN_OK);
    for (uint16_t i = 0; i < 4; i++) assert_true(vbucket_set_mode(&store.vbuckets[i], VBUCKET_ACTIVE, &rng));
    return 0;
}

static int teardown(void **state)
{
    store_fini(&store);
    return 0;
}

static void pass_s(uint32_t seconds)
{
    now.wall_s += seconds;
    now.wall_ns += seconds * UINT64_C(1000000000);
    now.now_ns += seconds * UINT64_C(1000000000);
}

static struct kv_op op_of(const char *key, uint64_t cas)
{
    struct kv_op op = {.vbucket = &store.vbuckets[1], .clock = &now, .cas = cas};
    op.key = kv_key_of(0, key, strlen(key));
    op.hash = store_hash(&store, &op.key);
    op.collection = manifest_find(&store.manifest, 0);
    return op;
}

static enum kv_result put_mode(enum kv_set_mode mode, const char *key, const char *value, uint64_t cas, uint32_t expiry,
                               struct kv_done *out)
{
    struct kv_done ignored;
    struct kv_op op = op_of(key, cas);
    struct kv_input in = {.sent = divan_str(value), .body = divan_str(value), .flags = 5, .expiry = expiry};
    return kv_set(&op, mode, &in, out ? out : &ignored);
}

static enum kv_result put(const char *key, const char *value, uint64_t cas, struct kv_done *out)
{
    return put_mode(KV_SET, key, value, cas, 0, out);
}

static enum kv_result get(const char *key, struct item **out)
{
    struct item *ignored;
    struct kv_op op = op_of(key, 0);
    return kv_get(&op, out ? out : &ignored);
}

static void assert_value(const char *key, const char *value)
{
    struct item *i = NULL;
    assert_int_equal(get(key, &i), KV_OK);
    assert_true(bytes_is(item_value(i), value));
}

static void a_write_gives_the_next_seqno_and_a_greater_cas(void **state)
{
    struct kv_done first, second;
    assert_int_equal(put("k", "1", 0, &first), KV_OK);
    assert_int_equal(put("k", "22", 0, &second), KV_OK);
    assert_int_equal(first.seqno, 1);
    assert_int_equal(second.seqno, 2);
    assert_true(second.cas > first.cas);
    assert_int_equal(second.item->revision, 2);
    assert_int_equal(second.item->datatype, DATATYPE_JSON);
    assert_value("k", "22");
    assert_int_equal(store.items, 1);
}

static void modes_and_cas_decide(void **state)
{
    struct kv_done done;
    assert_int_equal(put_mode(KV_REPLACE, "k", "v", 0, 0, NULL), KV_MISSING);
    assert_int_equal(put("k", "v", 77, NULL), KV_MISSING);
    assert_int_equal(put_mode(KV_ADD, "k", "v", 0, 0, &done), KV_OK);
    assert_int_equal(put_mode(KV_ADD, "k", "w", 0, 0, NULL), KV_EXISTS);
    assert_int_equal(put("k", "w", done.cas + 1, NULL), KV_EXISTS);
    assert_int_equal(put("k", "w", done.cas, NULL), KV_OK);
    assert_value("k", "w");
}

static void a_deleted_document_leaves_a_tombstone_with_the_next_revision(void **state)
{
    struct kv_op op = op_of("k", 0);
    struct kv_done done;
    struct item *i = NULL;
    put("k", "v", 0, NULL);
    assert_int_equal(kv_delete(&op, &done), KV_OK);
    assert_int_equal(get("k", NULL), KV_MISSING);
    assert_int_equal(kv_get_any(&op, &i), KV_OK);
    assert_false(item_is_live(i));
    assert_int_equal(i->revision, 2);
    assert_int_equal(kv_delete(&op, &done), KV_MISSING);
    assert_int_equal(store.items, 0);
    assert_int_equal(store.tombstones, 1);
    assert_int_equal(put("k", "v", done.cas, NULL), KV_MISSING);
    assert_int_equal(put("k", "v", 0, &done), KV_OK);
    assert_int_equal(done.item->revision, 3);
}

static void a_document_expires_on_access_and_by_the_sweep(void **state)
{
    put_mode(KV_SET, "a", "v", 0, 10, NULL);
    put_mode(KV_SET, "b", "v", 0, 10, NULL);
    pass_s(9);
    assert_int_equal(get("a", NULL), KV_OK);
    pass_s(1);
    assert_int_equal(get("a", NULL), KV_MISSING);
    assert_int_equal(store.items, 1);
    store_sweep_begin(&store);
    while (store_sweep_step(&store, &now, 3)) {}
    assert_int_equal(store.items, 0);
    assert_int_equal(store.counters.expired, 2);
    pass_s(TOMBSTONE_LIFE_S);
    store_sweep_begin(&store);
    while (store_sweep_step(&store, &now, 3)) {}
    assert_int_equal(store.tombstones, 0);
    assert_int_equal(store.mem_bytes, 0);
    assert_int_equal(store.vbuckets[1].purge_seqno, 4);
}

static void expiry_is_relative_up_to_thirty_days_and_capped_by_the_bucket(void **state)
{
    struct kv_op op = op_of("k", 0);
    static const struct {
        uint32_t wire;
        uint32_t ttl;
        int64_t expected;
    } cases[] = {
        {0, 0, 0},
        {1, 0, 1700000001},
        {2592000, 0, 1702592000},
        {2592001, 0, 1699999000},
        {1700000060, 0, 1700000060},
        {1600000000, 0, 1699999000},
        {0, 100, 1700000100},
        {50, 100, 1700000050},
        {200, 100, 1700000100},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store.max_ttl_s = cases[i].ttl;
        assert_int_equal(kv_expiry(&op, cases[i].wire), cases[i].expected);
    }
    store.max_ttl_s = 100;
    op.collection->max_ttl_s = MAX_TTL_NONE;
    assert_int_equal(kv_expiry(&op, 0), 0);
    op.collection->max_ttl_s = 7;
    assert_int_equal(kv_expiry(&op, 0), 1700000007);
}

static void a_lock_hides_the_cas_and_gives_it_back(void **state)
{
    struct kv_done done;
    struct item *i = NULL;
    uint64_t cas = 0;
    put("k", "v", 0, &done);
    struct kv_op op = op_of("k", 0);
    assert_int_equal(kv_lock(&op, 5, &i, &cas), KV_OK);
    assert_true(cas > done.cas);
    assert_int_equal(kv_visible_cas(&op, i), UINT64_MAX);
    assert_int_equal(kv_lock(&op, 5, &i, &cas), KV_LOCKED_TMP);
    assert_int_equal(put("k", "w", 0, NULL), KV_LOCKED);
    assert_int_equal(put("k", "w", done.cas, NULL), KV_LOCKED);
    op.cas = done.cas;
    assert_int_equal(kv_unlock(&op), KV_LOCKED_TMP);
    op.cas = cas;
    assert_int_equal(kv_unlock(&op), KV_OK);
    assert_int_equal(kv_visible_cas(&op, i), done.cas);
    assert_int_equal(kv_unlock(&op), KV_NOT_LOCKED);
}

static void a_lock_runs_out_and_a_write_with_its_cas_ends_it(void **state)
{
    struct item *i = NULL;
    uint64_t cas = 0;
    put("k", "v", 0, NULL);
    struct kv_op op = op_of("k", 0);
    kv_lock(&op, 5, &i, &cas);
    pass_s(5);
    assert_int_equal(put("k", "w", 0, NULL), KV_OK);
    kv_lock(&op, 31, &i, &cas);
    pass_s(14);
    assert_int_equal(put("k", "x", 0, NULL), KV_LOCKED);
    assert_int_equal(put("k", "xyz", cas, NULL), KV_OK);
    assert_int_equal(put("k", "z", 0, NULL), KV_OK);
    assert_null(store.vbuckets[1].locks);
}

static void counters_wrap_up_and_stop_at_zero_down(void **state)
{
    static const struct {
        const char *stored;
        bool down;
        uint64_t delta;
        int result;
        uint64_t value;
    } cases[] = {
        {"10", false, 5, KV_OK, 15},
        {"10", true, 11, KV_OK, 0},
        {" 1", false, 1, KV_OK, 2},
        {"1 ", false, 1, KV_OK, 2},
        {"+5", false, 1, KV_OK, 6},
        {"00012", true, 2, KV_OK, 10},
        {"18446744073709551615", false, 2, KV_OK, 1},
        {"18446744073709551616", false, 1, KV_BAD_DELTA, 0},
        {"", false, 1, KV_BAD_DELTA, 0},
        {"-1", false, 1, KV_BAD_DELTA, 0},
        {"1a", false, 1, KV_BAD_DELTA, 0},
        {"1.5", false, 1, KV_BAD_DELTA, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kv_op op = op_of("c", 0);
        struct kv_done done;
        uint64_t value = 0;
        put("c", cases[i].stored, 0, NULL);
        assert_int_equal(kv_count(&op, cases[i].down, cases[i].delta, 0, 0, &value, &done), cases[i].result);
        assert_int_equal(value, cases[i].value);
    }
}

static void attributes_stay_with_a_replaced_body_and_partly_with_a_tombstone(void **state)
{
    static const uint8_t value[] = "\0\0\0\x16\0\0\0\x07_s\0{}5\0\0\0\0\x07us\0{}6\0{}";
    struct kv_op op = op_of("k", 0);
    struct with_meta meta = {.seqno = 1, .cas = 1, .datatype = DATATYPE_XATTR, .value = bytes_of(value, 28)};
    struct meta_write write = {.meta = &meta};
    struct kv_done done;
    struct item *i = NULL;
    assert_int_equal(kv_write_meta(&op, &write, &done), KV_OK);
    assert_int_equal(put("k", "[1]", 0, NULL), KV_OK);
    get("k", &i);
    assert_int_equal(i->datatype, DATATYPE_XATTR | DATATYPE_JSON);
    struct divan_bytes section, body;
    value_split(item_value(i), i->datatype, &section, &body);
    assert_true(bytes_is(body, "[1]"));
    assert_int_equal(kv_delete(&op, &done), KV_OK);
    assert_int_equal(done.item->datatype, DATATYPE_XATTR);
    assert_int_equal(done.item->value_len, 15);
}

static void a_full_bucket_refuses_or_makes_room(void **state)
{
    char key[16];
    int written = 0;
    store.quota_bytes = 20000;
    for (; written < 1000; written++) {
        snprintf(key, sizeof key, "k%d", written);
        if (put(key, "0123456789", 0, NULL) != KV_OK) break;
    }
    assert_in_range(written, 100, 250);
    assert_int_equal(put(key, "v", 0, NULL), KV_FULL);
    assert_int_equal(store.counters.tmp_oom_errors, 2);
    store.evict_when_full = true;
    assert_int_equal(put(key, "v", 0, NULL), KV_OK);
    assert_int_equal(get("k0", NULL), KV_MISSING);
}

static void documents_of_a_dropped_collection_go_with_the_sweep(void **state)
{
    const struct collection_spec some[] = {{.name = "_default"}, {.name = "c", .id = 8}};
    struct scope_spec scope = {.name = "_default", .collections = some, .collection_count = 2};
    assert_int_equal(manifest_apply(&store.manifest, &(struct manifest_spec){2, &scope, 1}, NULL), DIVAN_OK);
    struct kv_op op = op_of("k", 0);
    op.key.collection = 8;
    op.hash = store_hash(&store, &op.key);
    struct kv_input in = {.body = divan_str("v")};
    struct kv_done done;
    assert_int_equal(kv_set(&op, KV_SET, &in, &done), KV_OK);
    put("k", "w", 0, NULL);
    assert_value("k", "w");
    assert_int_equal(manifest_find(&store.manifest, 8)->items, 1);
    scope.collection_count = 1;
    assert_int_equal(manifest_apply(&store.manifest, &(struct manifest_spec){3, &scope, 1}, NULL), DIVAN_OK);
    store_sweep_begin(&store);
    while (store_sweep_step(&store, &now, 100)) {}
    assert_int_equal(store.items, 1);
    assert_int_equal(manifest_find(&store.manifest, 0)->items, 1);
}

static void durability_needs_a_majority(void **state)
{
    static const struct {
        uint8_t replicas, length;
        bool possible;
    } cases[] = {{0, 0, true}, {1, 0, false}, {2, 1, true}, {0, 3, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store.replicas = cases[i].replicas;
        store.vbuckets[1].chain_length = cases[i].length;
        assert_int_equal(kv_durable_possible(&store.vbuckets[1], DURABLE_MAJORITY), cases[i].possible);
    }
    store.vbuckets[1].chain_length = 1;
    struct kv_op op = op_of("k", 0);
    op.durability = DURABLE_MAJORITY;
    struct kv_input in = {.body = divan_str("v")};
    struct kv_done done;
    assert_int_equal(kv_set(&op, KV_SET, &in, &done), KV_OK);
    assert_int_equal(done.seqno, 1);
    assert_int_equal(store.vbuckets[1].high_seqno, 2);
}

static void many_documents_are_found_and_stay_in_order(void **state)
{
    char key[16];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "key%d", i % 2500);
        assert_int_equal(put(key, key, 0, NULL), KV_OK);
    }
    for (int i = 0; i < 2500; i++) {
        snprintf(key, sizeof key, "key%d", i);
        assert_value(key, key);
    }
    uint64_t last = 0;
    list_each(&store.vbuckets[1].order, link)
    {
        uint64_t seqno = container_of(link, struct item, order)->seqno;
        assert_true(seqno > last);
        last = seqno;
    }
    assert_int_equal(last, 5000);
}

static void every_failed_allocation_leaves_the_old_document(void **state)
{
    struct item *i = NULL;
    put("k", "old", 0, NULL);
    for (int n = 1; n < 4; n++) {
        mem_fail_at((uint64_t)n);
        enum kv_result rc = put("k", "a new one", 0, NULL);
        mem_fail_at(0);
        assert_int_equal(get("k", &i), KV_OK);
        if (rc == KV_OK) break;
        assert_int_equal(rc, KV_NO_MEMORY);
        assert_true(bytes_is(item_value(i), "old"));
    }
}

static void becoming_active_starts_a_branch_and_absence_forgets(void **state)
{
    struct vbucket *v = &store.vbuckets[1];
    uint64_t first = vbucket_uuid(v);
    put("k", "v", 0, NULL);
    assert_true(vbucket_set_mode(v, VBUCKET_REPLICA, &rng));
    assert_int_equal(store.items, 0);
    assert_int_equal(store.replica_items, 1);
    assert_true(vbucket_set_mode(v, VBUCKET_ACTIVE, &rng));
    assert_int_equal(v->failover_count, 2);
    assert_int_equal(v->failover[0].seqno, 1);
    assert_int_equal(v->failover[1].uuid, first);
    assert_true(vbucket_set_mode(v, VBUCKET_ABSENT, &rng));
    assert_int_equal(v->high_seqno, 0);
    assert_int_equal(store.items + store.replica_items, 0);
    assert_int_equal(store.mem_bytes, 0);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_write_gives_the_next_seqno_and_a_greater_cas),
        CASE(modes_and_cas_decide),
        CASE(a_deleted_document_leaves_a_tombstone_with_the_next_revision),
        CASE(a_document_expires_on_access_and_by_the_sweep),
        CASE(expiry_is_relative_up_to_thirty_days_and_capped_by_the_bucket),
        CASE(a_lock_hides_the_cas_and_gives_it_back),
        CASE(a_lock_runs_out_and_a_write_with_its_cas_ends_it),
        CASE(counters_wrap_up_and_stop_at_zero_down),
        CASE(attributes_stay_with_a_replaced_body_and_partly_with_a_tombstone),
        CASE(a_full_bucket_refuses_or_makes_room),
        CASE(documents_of_a_dropped_collection_go_with_the_sweep),
        CASE(durability_needs_a_majority),
        CASE(many_documents_are_found_and_stay_in_order),
        CASE(every_failed_allocation_leaves_the_old_document),
        CASE(becoming_active_starts_a_branch_and_absence_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
