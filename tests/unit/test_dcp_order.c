/* The order of a vBucket and who reads it; prepares in it; going back in it. */
#include "unit/unit.h"

#include <stdio.h>

#include "base/alloc.h"
#include "node/dcp/peer.h"
#include "node/kv/replica.h"
#include "node/kv/store_parts.h"

static struct store store;
static struct vbucket *v;
static struct rng rng;
static struct kv_clock now;
static unsigned settled_ok, settled_lost, settled_given_up;

static void on_settled(void *user, struct vbucket *at, uint64_t seqno, enum durable_end end)
{
    (void)user, (void)at, (void)seqno;
    end == DURABLE_COMMITTED ? settled_ok++ : end == DURABLE_LOST ? settled_lost++ : settled_given_up++;
}

static int open_store(void **state)
{
    struct divan_error err;
    rng_init(&rng, 1);
    now = (struct kv_clock){.wall_ns = 1000 * NS_PER_S, .wall_s = 1000};
    settled_ok = settled_lost = settled_given_up = 0;
    assert_int_equal(store_init(&store, 1, &rng, &err), DIVAN_OK);
    store.settled = on_settled;
    v = &store.vbuckets[0];
    assert_true(vbucket_set_mode(v, VBUCKET_ACTIVE, &rng));
    return 0;
}

static int close_store(void **state)
{
    store_fini(&store);
    return 0;
}

static struct item *find(const char *key)
{
    struct kv_key k = kv_key_of(0, key, strlen(key));
    return vbucket_find(v, &k, store_hash(&store, &k));
}

static struct item *put_level(const char *key, const char *value, uint8_t level)
{
    struct kv_key k = kv_key_of(0, key, strlen(key));
    struct item_change change = {.value = divan_str(value), .prepared = level};
    return vbucket_write(v, find(key), &k, store_hash(&store, &k), &change, &now);
}

static struct item *put(const char *key, const char *value)
{
    return put_level(key, value, 0);
}

static unsigned woken;

static void on_changed(struct order_cursor *c)
{
    (void)c;
    woken++;
}

/* Reads the open snapshot to its end as "key=value " texts. */
static const char *read_all(struct order_cursor *c)
{
    static char text[512];
    size_t len = 0;
    struct item *i;
    text[0] = '\0';
    while ((i = cursor_peek(c))) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%.*s=%.*s ", i->key_len, (const char *)i->bytes,
                                (int)i->value_len, (const char *)item_value(i).data);
        cursor_pass(c);
    }
    cursor_end(c);
    return text;
}

static void a_snapshot_stays_what_it_was(void **state)
{
    struct order_cursor c, other;
    put("a", "1"), put("b", "1"), put("c", "1");
    cursor_open(&c, v, 0, on_changed);
    cursor_open(&other, v, 0, on_changed);
    cursor_begin(&c);
    put("b", "2"); /* of the same length: in place but for the snapshot */
    put("c", "22");
    put("d", "1");
    assert_true(store.ghost_bytes > 0);
    assert_string_equal(read_all(&c), "a=1 b=1 c=1 ");
    assert_int_equal(store.ghost_bytes, 0);
    assert_int_equal(c.passed, 3);
    cursor_begin(&c);
    assert_string_equal(read_all(&c), "b=2 c=22 d=1 ");
    cursor_begin(&other);
    assert_string_equal(read_all(&other), "a=1 b=2 c=22 d=1 ");
    put("a", "9"); /* no snapshot is open: nothing is kept */
    assert_int_equal(store.ghost_bytes, 0);
    cursor_close(&c), cursor_close(&other);
}

static void two_snapshots_share_a_ghost(void **state)
{
    struct order_cursor a, b;
    put("x", "1"), put("y", "1");
    cursor_open(&a, v, 0, on_changed), cursor_open(&b, v, 0, on_changed);
    cursor_begin(&a), cursor_begin(&b);
    put("x", "2"), put("x", "3");
    assert_string_equal(read_all(&a), "x=1 y=1 ");
    assert_true(store.ghost_bytes > 0);
    cursor_close(&b); /* in the middle of its snapshot */
    assert_int_equal(store.ghost_bytes, 0);
    cursor_begin(&a);
    assert_string_equal(read_all(&a), "x=3 ");
    cursor_close(&a);
}

static void a_touched_document_is_shown_as_it_was(void **state)
{
    struct order_cursor c;
    struct item *x = put("x", "1");
    uint64_t cas = x->cas;
    cursor_open(&c, v, 0, on_changed);
    cursor_begin(&c);
    vbucket_restamp(v, x, &now);
    assert_int_equal(cursor_peek(&c)->cas, cas);
    assert_string_equal(read_all(&c), "x=1 ");
    cursor_begin(&c);
    assert_true(cursor_peek(&c)->cas > cas);
    cursor_close(&c);
}

static void a_cursor_begins_anywhere(void **state)
{
    char key[8];
    for (int i = 0; i < 20; i++) snprintf(key, sizeof key, "k%d", i), put(key, "v");
    for (uint64_t from = 0; from <= 21; from++) {
        struct order_cursor c;
        cursor_open(&c, v, from, on_changed);
        cursor_begin(&c);
        struct item *i = cursor_peek(&c);
        if (from < 20) assert_int_equal(i->seqno, from + 1);
        else assert_null(i);
        cursor_close(&c);
    }
}

static void changes_wake_and_modes_break(void **state)
{
    struct order_cursor c, staying;
    cursor_open(&c, v, 0, on_changed), cursor_open(&staying, v, 0, on_changed);
    staying.stays = true;
    woken = 0;
    put("a", "1");
    assert_int_equal(woken, 2);
    assert_true(vbucket_set_mode(v, VBUCKET_DEAD, &rng));
    assert_true(c.broken && !staying.broken);
    cursor_begin(&staying);
    assert_string_equal(read_all(&staying), "a=1 ");
    assert_true(vbucket_set_mode(v, VBUCKET_ABSENT, &rng));
    assert_true(staying.broken);
    assert_null(cursor_peek(&staying));
    cursor_close(&c), cursor_close(&staying);
}

static void who_keeps_too_much_is_told_to_begin_anew(void **state)
{
    struct order_cursor c;
    static char big[1024 * 1024];
    char key[8];
    memset(big, 'x', sizeof big - 1);
    for (int i = 0; i < 40; i++) snprintf(key, sizeof key, "k%d", i), put(key, big);
    cursor_open(&c, v, 0, on_changed);
    cursor_begin(&c);
    for (int i = 0; i < 40; i++) snprintf(key, sizeof key, "k%d", i), put(key, "small");
    assert_true(c.broken && c.slow);
    cursor_close(&c);
    assert_int_equal(store.ghost_bytes, 0);
}

/* ---- prepares */

static void others(uint8_t length)
{
    struct chain now_chain = {.length = length, .nodes = {1, 2, 3, 4}}, none = {0};
    if (length < CHAIN_MAX) memset(now_chain.nodes + length, 0, (CHAIN_MAX - length) * sizeof(uint16_t));
    assert_true(vbucket_set_chain(v, &now_chain, &none, 1));
}

static void a_prepare_waits_for_its_majority(void **state)
{
    others(3);
    put("d", "old");
    struct item *p = put_level("d", "new", 1);
    assert_true(p->state & ITEM_PREPARED);
    assert_ptr_equal(store.pending, p);
    assert_memory_equal(item_value(find("d")).data, "old", 3);
    vbucket_acknowledge(v, 9, 100, &now); /* no member */
    vbucket_acknowledge(v, 2, p->seqno - 1, &now);
    assert_int_equal(settled_ok, 0);
    vbucket_acknowledge(v, 2, p->seqno, &now);
    assert_int_equal(settled_ok, 1);
    assert_memory_equal(item_value(find("d")).data, "new", 3);
    assert_int_equal(find("d")->prepared_ago, 1);
    assert_null(v->prepares);
    assert_int_equal(v->high_completed_seqno, v->high_prepared_seqno);
}

static void prepares_end_in_their_order(void **state)
{
    others(2);
    struct item *first = put_level("a", "1", 1), *second = put_level("b", "1", 1);
    uint64_t one = first->seqno, two = second->seqno;
    assert_int_equal(put_level("c", "1", 1)->seqno, two + 1);
    vbucket_acknowledge(v, 2, two, &now);
    assert_int_equal(settled_ok, 2);
    assert_true(find("a")->seqno < find("b")->seqno);
    assert_int_equal(find("a")->seqno - find("a")->prepared_ago, one);
    assert_null(find("c"));
    vbucket_abort(v, v->prepares, 0, &now);
    assert_int_equal(settled_given_up, 1);
    assert_null(find("c"));
    vbucket_unacknowledge(v, 2, 0); /* it lost what it had */
    struct item *p = put_level("a", "2", 1);
    assert_true(p->state & ITEM_PREPARED);
    assert_true(vbucket_set_mode(v, VBUCKET_REPLICA, &rng));
    assert_int_equal(settled_lost, 1);
    assert_ptr_equal(v->prepares, p); /* but it is kept */
}

static void a_snapshot_shows_a_prepare_that_is_over(void **state)
{
    struct order_cursor c;
    others(2);
    struct item *p = put_level("a", "1", 1);
    uint64_t seqno = p->seqno;
    cursor_open(&c, v, 0, on_changed);
    cursor_begin(&c);
    vbucket_acknowledge(v, 2, seqno, &now);
    assert_int_equal(cursor_peek(&c)->seqno, seqno);
    assert_true(cursor_peek(&c)->state & ITEM_PREPARED);
    assert_string_equal(read_all(&c), "a=1 ");
    cursor_begin(&c);
    assert_false(cursor_peek(&c)->state & ITEM_PREPARED);
    assert_string_equal(read_all(&c), "a=1 ");
    cursor_close(&c);
    assert_int_equal(store.ghost_bytes, 0);
}

static void majorities_of_chains(void **state)
{
    static const struct {
        uint8_t length;
        uint16_t nodes[CHAIN_MAX];
        bool possible, elsewhere;
    } rows[] = {
        {1, {1}, true, false},          {2, {1, 2}, true, true},     {2, {1, 0}, false, true},
        {3, {1, 2, 0}, true, true},     {3, {1, 0, 0}, false, true}, {4, {1, 2, 3, 0}, true, true},
        {4, {1, 2, 0, 0}, false, true},
    };
    struct chain none = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct chain c = {.length = rows[i].length};
        memcpy(c.nodes, rows[i].nodes, sizeof c.nodes);
        assert_true(vbucket_set_chain(v, &c, &none, 1));
        assert_int_equal(vbucket_majority_exists(v), rows[i].possible);
        assert_int_equal(vbucket_must_wait(v, DURABLE_MAJORITY), rows[i].elsewhere);
    }
    assert_true(vbucket_set_chain(v, &none, &none, 1));
    assert_null(v->durability);
}

/* ---- going back */

static void rolling_back_goes_behind_what_was_overwritten(void **state)
{
    put("a", "1"), put("b", "1"), put("c", "1"); /* 1 2 3 */
    put("d", "1");                               /* 4 */
    put("b", "2");                               /* 5 */
    put("b", "3");                               /* 6 */
    put("e", "1");                               /* 7 */
    assert_int_equal(replica_rollback(v, 6), 6);
    assert_null(find("e"));
    assert_memory_equal(item_value(find("b")).data, "3", 1);
    assert_int_equal(replica_rollback(v, 4), 1); /* b was at 2 */
    assert_non_null(find("a"));
    assert_null(find("b"));
    assert_null(find("c"));
    assert_int_equal(v->high_seqno, 1);
}

static void rolling_back_behind_the_anchor_begins_anew(void **state)
{
    put("a", "1"), put("b", "1");                                /* 1 2 */
    for (int i = 0; i < 3; i++) now.wall_s += 10, put("c", "1"); /* 3 4 5: the anchor moves on */
    assert_true(v->anchor > 1);
    put("b", "2"), put("b", "3"); /* 6 7 */
    assert_int_equal(replica_rollback(v, 5), 1);
    put("x", "1");
    assert_int_equal(replica_rollback(v, 1), 1);
    for (int i = 0; i < 3; i++) now.wall_s += 10, put("a", "2");
    assert_int_equal(replica_rollback(v, 1), 0); /* what a was then, nobody knows */
    assert_int_equal(v->items, 0);
}

static void prepares_and_aborts_are_taken_back_too(void **state)
{
    others(2);
    put("a", "1");                               /* 1 */
    struct item *p = put_level("a", "2", 1);     /* 2 */
    put("b", "1");                               /* 3 */
    vbucket_abort(v, p, 0, &now);                /* 4 */
    assert_int_equal(replica_rollback(v, 3), 1); /* the prepare is wanted again */
    assert_null(v->prepares);
    assert_null(v->marks);
    assert_memory_equal(item_value(find("a")).data, "1", 1);
}

/* ---- the producer's verdict */

static void who_must_roll_back(void **state)
{
    static struct failover_entry log[] = {{0xb, 118}, {0xa, 0}};
    static const struct {
        uint64_t uuid, start, first, last;
        uint32_t flags;
        bool back;
        uint64_t to;
    } rows[] = {
        {0, 0, 0, 0, 0, false, 0},
        {0xdead, 0, 0, 0, 0, false, 0},
        {0xdead, 0, 0, 0, DCP_STREAM_STRICT_UUID, true, 0},
        {0, 10, 10, 10, 0, true, 0},
        {0xdead, 10, 10, 10, 0, true, 0},
        {0xa, 120, 110, 120, 0, true, 118},
        {0xa, 115, 110, 118, 0, false, 0},
        {0xa, 118, 118, 118, 0, false, 0},
        {0xa, 115, 110, 120, 0, true, 110},
        {0xa, 119, 119, 130, 0, true, 118},
        {0xb, 130, 120, 130, 0, false, 0},
        {0xb, 131, 131, 131, 0, true, 130},
        {0xb, 125, 120, 140, 0, true, 120},
        {0xb, 125, 125, 140, 0, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct vbucket at = {.failover = log, .failover_count = 2, .high_seqno = 130};
        struct dcp_stream_request r = {rows[i].flags, rows[i].start, DCP_FOREVER,
                                       rows[i].uuid,  rows[i].first, rows[i].last};
        uint64_t to = 0;
        bool back = dcp_needs_rollback(&at, &r, false, 0, &to);
        if (back != rows[i].back || (back && to != rows[i].to)) fail_msg("row %zu: %d to %d", i, back, (int)to);
        at.purge_seqno = 128; /* what is deleted may be missing */
        bool purged = rows[i].start && rows[i].start < 128;
        if (purged) assert_true(dcp_needs_rollback(&at, &r, false, 0, &to) && to == 0);
        if (purged) assert_int_equal(dcp_needs_rollback(&at, &r, true, 128, &to), rows[i].back);
    }
}

static void no_memory_is_survived(void **state)
{
    others(2);
    char key[8];
    for (uint64_t fail = 1; fail < 60; fail++) {
        struct order_cursor c;
        cursor_open(&c, v, 0, on_changed);
        cursor_begin(&c);
        mem_fail_at(fail);
        for (int i = 0; i < 12; i++) {
            snprintf(key, sizeof key, "k%d", i);
            put_level(key, i % 2 ? "v" : "longer", i % 3 == 0);
            if (v->prepares && i % 4 == 3) vbucket_acknowledge(v, 2, v->prepares->seqno, &now);
            if (v->prepares && i % 7 == 6) vbucket_abort(v, v->prepares, 0, &now);
            struct item *x = find("k1");
            if (x) vbucket_restamp(v, x, &now);
        }
        mem_fail_at(0);
        while (v->prepares) vbucket_abort(v, v->prepares, 0, &now);
        if (!c.broken) read_all(&c);
        cursor_close(&c);
        assert_int_equal(store.ghost_bytes, 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)
    const struct CMUnitTest tests[] = {
        TEST(a_snapshot_stays_what_it_was),
        TEST(two_snapshots_share_a_ghost),
        TEST(a_touched_document_is_shown_as_it_was),
        TEST(a_cursor_begins_anywhere),
        TEST(changes_wake_and_modes_break),
        TEST(who_keeps_too_much_is_told_to_begin_anew),
        TEST(a_prepare_waits_for_its_majority),
        TEST(prepares_end_in_their_order),
        TEST(a_snapshot_shows_a_prepare_that_is_over),
        TEST(majorities_of_chains),
        TEST(rolling_back_goes_behind_what_was_overwritten),
        TEST(rolling_back_behind_the_anchor_begins_anew),
        TEST(prepares_and_aborts_are_taken_back_too),
        TEST(who_must_roll_back),
        TEST(no_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
