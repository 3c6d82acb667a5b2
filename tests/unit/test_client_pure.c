/* The parts of the client that decide and do nothing else: verdicts, back-off, deadlines, slots, histogram, handshake. */
#include "unit/unit.h"

#include "base/alloc.h"
#include "base/rand.h"
#include "client/handshake.h"
#include "client/meter.h"
#include "client/names.h"
#include "client/operation.h"
#include "client/retry.h"
#include "client/slots.h"
#include "client/wheel.h"
#include "wire/kv.h"
#include "wire/session.h"

/* ---- verdicts */

static struct verdict judge(enum op_kind kind, uint16_t status, bool cas, bool fail_fast, uint32_t attrs)
{
    return verdict_of(&(struct verdict_input){kind, status, cas, fail_fast, attrs});
}

static void every_status_has_its_verdict(void **state)
{
    static const struct {
        uint16_t status;
        enum act best_effort, fail_fast;
        enum divan_code code;
        bool drop;
    } rows[] = {
        {ST_SUCCESS, ACT_FINISH, ACT_FINISH, DIVAN_OK, false},
        {ST_KEY_ENOENT, ACT_FINISH, ACT_FINISH, DIVAN_ERR_DOCUMENT_NOT_FOUND, false},
        {ST_E2BIG, ACT_FINISH, ACT_FINISH, DIVAN_ERR_VALUE_TOO_LARGE, false},
        {ST_EINVAL, ACT_FINISH, ACT_FINISH, DIVAN_ERR_INVALID_ARGUMENT, false},
        {ST_NOT_MY_VBUCKET, ACT_NEW_MAP, ACT_NEW_MAP, DIVAN_ERR_NODE_NOT_AVAILABLE, false},
        {ST_NO_BUCKET, ACT_RETRY, ACT_FINISH, DIVAN_ERR_BUCKET_NOT_FOUND, true},
        {ST_LOCKED, ACT_RETRY, ACT_FINISH, DIVAN_ERR_DOCUMENT_LOCKED, false},
        {ST_EWOULD_THROTTLE, ACT_RETRY, ACT_FINISH, DIVAN_ERR_TEMPORARY_FAILURE, false},
        {ST_ECONFIG_ONLY, ACT_NEW_MAP, ACT_NEW_MAP, DIVAN_ERR_TEMPORARY_FAILURE, false},
        {ST_AUTH_STALE, ACT_RETRY, ACT_FINISH, DIVAN_ERR_AUTHENTICATION_FAILURE, true},
        {ST_EACCESS, ACT_FINISH, ACT_FINISH, DIVAN_ERR_AUTHENTICATION_FAILURE, false},
        {ST_NOT_INITIALIZED, ACT_RETRY, ACT_FINISH, DIVAN_ERR_TEMPORARY_FAILURE, true},
        {ST_RATE_LIMITED_MAX_COMMANDS, ACT_FINISH, ACT_FINISH, DIVAN_ERR_RATE_LIMITED, false},
        {ST_BUCKET_SIZE_LIMIT_EXCEEDED, ACT_FINISH, ACT_FINISH, DIVAN_ERR_QUOTA_LIMITED, false},
        {ST_UNKNOWN_COMMAND, ACT_FINISH, ACT_FINISH, DIVAN_ERR_UNSUPPORTED_OPERATION, false},
        {ST_ENOMEM, ACT_RETRY, ACT_FINISH, DIVAN_ERR_TEMPORARY_FAILURE, false},
        {ST_EINTERNAL, ACT_FINISH, ACT_FINISH, DIVAN_ERR_INTERNAL_SERVER_FAILURE, true},
        {ST_EBUSY, ACT_RETRY, ACT_FINISH, DIVAN_ERR_TEMPORARY_FAILURE, false},
        {ST_ETMPFAIL, ACT_RETRY, ACT_FINISH, DIVAN_ERR_TEMPORARY_FAILURE, false},
        {ST_UNKNOWN_COLLECTION, ACT_COLLECTION, ACT_COLLECTION, DIVAN_ERR_COLLECTION_NOT_FOUND, false},
        {ST_UNKNOWN_SCOPE, ACT_COLLECTION, ACT_COLLECTION, DIVAN_ERR_SCOPE_NOT_FOUND, false},
        {ST_DURABILITY_IMPOSSIBLE, ACT_FINISH, ACT_FINISH, DIVAN_ERR_DURABILITY_IMPOSSIBLE, false},
        {ST_SYNC_WRITE_IN_PROGRESS, ACT_RETRY, ACT_FINISH, DIVAN_ERR_DURABLE_WRITE_IN_PROGRESS, false},
        {ST_SYNC_WRITE_AMBIGUOUS, ACT_FINISH, ACT_FINISH, DIVAN_ERR_DURABILITY_AMBIGUOUS, false},
        {ST_SYNC_WRITE_RE_COMMIT_IN_PROGRESS, ACT_RETRY, ACT_FINISH, DIVAN_ERR_DURABLE_WRITE_RE_COMMIT_IN_PROGRESS,
         false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct verdict v = judge(KIND_UPSERT, rows[i].status, false, false, 0);
        assert_int_equal(v.act, rows[i].best_effort);
        assert_int_equal(v.code, rows[i].code);
        assert_int_equal(v.drop_connection, rows[i].drop);
        assert_int_equal(judge(KIND_UPSERT, rows[i].status, false, true, 0).act, rows[i].fail_fast);
    }
}

static void some_statuses_depend_on_the_operation(void **state)
{
    assert_int_equal(judge(KIND_INSERT, ST_KEY_EEXISTS, false, false, 0).code, DIVAN_ERR_DOCUMENT_EXISTS);
    assert_int_equal(judge(KIND_REPLACE, ST_KEY_EEXISTS, true, false, 0).code, DIVAN_ERR_CAS_MISMATCH);
    assert_int_equal(judge(KIND_APPEND, ST_NOT_STORED, false, false, 0).code, DIVAN_ERR_DOCUMENT_NOT_FOUND);
    assert_int_equal(judge(KIND_INSERT, ST_NOT_STORED, false, false, 0).code, DIVAN_ERR_DOCUMENT_EXISTS);
    assert_int_equal(judge(KIND_EXISTS, ST_KEY_ENOENT, false, false, 0).code, DIVAN_OK);
}

static void unknown_statuses_follow_the_error_map(void **state)
{
    static const struct {
        uint32_t attrs;
        enum act act;
        enum divan_code code;
        bool drop;
    } rows[] = {
        {0, ACT_FINISH, DIVAN_ERR_FAILED, false},
        {ATTR_RETRY_NOW, ACT_RETRY, DIVAN_ERR_TEMPORARY_FAILURE, false},
        {ATTR_RETRY_LATER | ATTR_TEMP, ACT_RETRY, DIVAN_ERR_TEMPORARY_FAILURE, false},
        {ATTR_AUTO_RETRY, ACT_RETRY, DIVAN_ERR_TEMPORARY_FAILURE, false},
        {ATTR_TEMP, ACT_FINISH, DIVAN_ERR_TEMPORARY_FAILURE, false},
        {ATTR_AUTH, ACT_FINISH, DIVAN_ERR_AUTHENTICATION_FAILURE, false},
        {ATTR_INTERNAL, ACT_FINISH, DIVAN_ERR_INTERNAL_SERVER_FAILURE, false},
        {ATTR_CONN_STATE_INVALIDATED, ACT_FINISH, DIVAN_ERR_FAILED, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct verdict v = judge(KIND_GET, 0xff12, false, false, rows[i].attrs);
        assert_int_equal(v.act, rows[i].act);
        assert_int_equal(v.code, rows[i].code);
        assert_int_equal(v.drop_connection, rows[i].drop);
    }
}

static void losses_are_honest(void **state)
{
    assert_int_equal(verdict_of_loss(true, LOSS_SENT, false).act, ACT_RETRY);
    assert_int_equal(verdict_of_loss(true, LOSS_SENT, true).act, ACT_FINISH);
    assert_int_equal(verdict_of_loss(false, LOSS_SENT, false).act, ACT_FINISH);
    assert_int_equal(verdict_of_loss(false, LOSS_NOT_SENT, false).act, ACT_RETRY);
    assert_int_equal(verdict_of_loss(false, LOSS_NOT_SENT, true).act, ACT_FINISH);
    assert_int_equal(verdict_of_timeout(true, true), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    assert_int_equal(verdict_of_timeout(false, true), DIVAN_ERR_AMBIGUOUS_TIMEOUT);
    assert_int_equal(verdict_of_timeout(false, false), DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
}

static void only_reads_are_idempotent(void **state)
{
    const unsigned reads = 1u << KIND_GET | 1u << KIND_EXISTS | 1u << KIND_LOOKUP_IN | 1u << KIND_GET_PROJECTED |
                           1u << KIND_GET_REPLICA | 1u << KIND_SCAN_CREATE |
                           1u << KIND_SCAN_CANCEL; /* continuing a scan moves it on */
    for (int kind = 0; kind < KIND_DOCUMENT_COUNT; kind++)
        assert_int_equal(kind_facts[kind].is_idempotent, reads >> kind & 1);
}

static void pauses_grow_to_a_second(void **state)
{
    static const unsigned ms[] = {1, 10, 50, 100, 500, 1000, 1000, 1000};
    for (unsigned i = 0; i < sizeof ms / sizeof ms[0]; i++) assert_int_equal(retry_backoff_ns(i), ms[i] * 1000000ull);
    assert_int_equal(retry_backoff_ns(1000000), 1000000000ull);
}

static void reasons_have_names(void **state)
{
    char text[100];
    assert_int_equal(divan_retry_reasons(0, text, sizeof text), 0);
    assert_string_equal(text, "");
    size_t len = divan_retry_reasons(1u << RETRY_KV_LOCKED | 1u << RETRY_KV_NOT_MY_VBUCKET, text, sizeof text);
    assert_string_equal(text, "key_value_not_my_vbucket,key_value_locked");
    assert_int_equal(len, strlen(text));
    assert_int_equal(divan_retry_reasons(1u << RETRY_KV_LOCKED, text, 5), strlen("key_value_locked"));
    assert_string_equal(text, "key_");
    assert_int_equal(divan_retry_reasons(1u << RETRY_KV_LOCKED, NULL, 0), strlen("key_value_locked"));
}

/* ---- the timing wheel against a plain array */

static void the_wheel_never_fires_early_and_hardly_late(void **state)
{
    enum { N = 500 };
    struct wheel w;
    struct wheel_entry e[N];
    struct rng rng;
    uint64_t now = 123456789, latest = 0;
    memset(e, 0, sizeof e);
    rng_init(&rng, 1);
    wheel_init(&w, now);
    for (int i = 0; i < N; i++) {
        uint64_t at = now + rng_below(&rng, 5000 * WHEEL_TICK_NS);
        wheel_start(&w, &e[i], at);
        if (at > latest) latest = at;
    }
    for (int i = 0; i < N; i += 7) wheel_stop(&w, &e[i]);
    size_t fired = 0;
    while (w.count) {
        uint64_t next = wheel_next_ns(&w);
        assert_true(next > now);
        assert_true(next <= latest + WHEEL_TICK_NS);
        now = next;
        struct list due;
        list_init(&due);
        wheel_take(&w, now, &due);
        struct link *link;
        while ((link = list_first(&due)) != NULL) {
            struct wheel_entry *one = container_of(link, struct wheel_entry, link);
            assert_true(one->at_ns <= now && now - one->at_ns < WHEEL_TICK_NS);
            wheel_stop(&w, one);
            fired++;
        }
    }
    assert_int_equal(fired, N - (N + 6) / 7);
    assert_int_equal(wheel_next_ns(&w), UINT64_MAX);
}

static void the_wheel_survives_long_sleeps_and_the_past(void **state)
{
    struct wheel w;
    struct wheel_entry e = {.at_ns = 0};
    struct list due;
    list_init(&due);
    wheel_init(&w, 0);
    wheel_start(&w, &e, 3600 * UINT64_C(1000000000));
    wheel_take(&w, 3599 * UINT64_C(1000000000), &due);
    assert_true(list_empty(&due));
    wheel_take(&w, 3601 * UINT64_C(1000000000), &due);
    assert_false(list_empty(&due));
    wheel_stop(&w, &e);
    wheel_start(&w, &e, 5); /* long ago: with the next tick */
    assert_true(wheel_next_ns(&w) <= 3601 * UINT64_C(1000000000) + WHEEL_TICK_NS);
    wheel_take(&w, wheel_next_ns(&w), &due);
    assert_false(list_empty(&due));
    wheel_stop(&w, &e);
    wheel_stop(&w, &e);
    assert_int_equal(w.count, 0);
}

/* ---- slots */

static void slots_find_by_opaque_across_the_wrap(void **state)
{
    enum { N = 300 };
    struct slots s;
    static struct operation ops[N];
    assert_true(slots_init(&s, UINT32_MAX - 100));
    for (int i = 0; i < N; i++) assert_true(slots_put(&s, &ops[i]));
    assert_null(slots_take(&s, UINT32_MAX - 101));
    for (int i = 0; i < N; i += 2) assert_ptr_equal(slots_take(&s, ops[i].opaque), &ops[i]);
    for (int i = 0; i < N; i += 2) {
        assert_null(slots_take(&s, ops[i].opaque));
        assert_true(slots_knows(&s, ops[i].opaque));
    }
    assert_false(slots_knows(&s, s.next));
    assert_false(slots_knows(&s, UINT32_MAX - 101));
    for (int i = 1; i < N; i += 2) assert_ptr_equal(slots_take(&s, ops[i].opaque), &ops[i]);
    assert_int_equal(s.used, 0);
    slots_fini(&s);
}

static void one_slow_operation_does_not_block_the_ring(void **state)
{
    struct slots s;
    static struct operation slow, quick;
    assert_true(slots_init(&s, 0x10000));
    assert_true(slots_put(&s, &slow));
    for (int i = 0; i < 100000; i++) {
        assert_true(slots_put(&s, &quick));
        assert_ptr_equal(slots_take(&s, quick.opaque), &quick);
    }
    assert_true(s.mask < 1024);
    assert_ptr_equal(slots_take_any(&s), &slow);
    assert_null(slots_take_any(&s));
    slots_fini(&s);
}

static void a_full_ring_without_memory_says_so(void **state)
{
    enum { N = 100 };
    struct slots s;
    static struct operation ops[N];
    int put = 0;
    assert_true(slots_init(&s, 1));
    mem_fail_at(1);
    while (put < N && slots_put(&s, &ops[put])) put++;
    mem_fail_at(0);
    assert_true(put > 0 && put < N);
    assert_int_equal(s.used, put);
    assert_true(slots_put(&s, &ops[put]));
    slots_fini(&s);
}

/* ---- the pool */

static void operations_outlive_their_pool(void **state)
{
    int64_t before = mem_live();
    struct op_pool *pool = op_pool_new();
    struct operation *a = op_take(pool), *b = op_take(pool), *c = op_take(pool);
    assert_true(op_own_value(a, divan_str("kept")));
    op_release(b);
    op_retain(c);
    op_release(c);
    op_pool_close(pool);
    assert_true(bytes_is(a->value, "kept"));
    op_release(c);
    op_release(a);
    assert_int_equal(mem_live(), before);
}

static void operations_are_used_again_without_allocation(void **state)
{
    struct op_pool *pool = op_pool_new();
    struct operation *op = op_take(pool);
    assert_true(op_own_value(op, bytes_of("0123456789", 10)));
    op_release(op);
    uint64_t before = mem_count();
    for (int i = 0; i < 1000; i++) {
        op = op_take(pool);
        assert_int_equal(op->value.len, 0);
        assert_null(op->error);
        assert_true(op_own_value(op, bytes_of("0123456789", 10)));
        op_release(op);
    }
    assert_int_equal(mem_count(), before);
    op_pool_close(pool);
}

/* ---- the histogram */

static void the_histogram_is_close(void **state)
{
    static struct histogram h;
    for (unsigned cell = 1; cell < HISTOGRAM_CELLS; cell++) assert_true(histogram_low(cell) > histogram_low(cell - 1));
    for (uint64_t us = 0; us < 100000; us++) histogram_add(&h, us);
    assert_int_equal(h.count, 100000);
    assert_int_equal(h.max_us, 99999);
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    for (size_t i = 0; i < 4; i++) {
        double exact = quantiles[i] * 100000, told = (double)histogram_quantile(&h, quantiles[i]);
        assert_true(told >= exact * 0.999 && told <= exact * 1.13);
    }
    histogram_add(&h, UINT64_MAX / 2);
    assert_int_equal(histogram_quantile(&h, 1), UINT64_MAX / 2);
}

/* ---- expiry */

static void expiry_beyond_thirty_days_is_a_point_in_time(void **state)
{
    const uint64_t wall = UINT64_C(1700000000) * 1000000000;
    uint32_t out = 0;
    assert_int_equal(expiry_on_wire(1, wall, &out, NULL), DIVAN_OK);
    assert_int_equal(out, 1);
    assert_int_equal(expiry_on_wire(30 * 86400, wall, &out, NULL), DIVAN_OK);
    assert_int_equal(out, 30 * 86400);
    assert_int_equal(expiry_on_wire(30 * 86400 + 1, wall, &out, NULL), DIVAN_OK);
    assert_int_equal(out, 1700000000 + 30 * 86400 + 1);
    assert_int_equal(expiry_on_wire(UINT32_MAX, wall, &out, NULL), DIVAN_ERR_EXPIRY_RANGE);
    assert_int_equal(expiry_on_wire(1700000000, wall, &out, NULL), DIVAN_ERR_EXPIRY_RANGE);
}

/* ---- the handshake, without any I/O */

struct shake {
    struct client_config config;
    struct handshake h;
    struct buf out;
    struct divan_error err;
};

static void shake_begin(struct shake *s, const char *user, unsigned mechanisms, const char *bucket)
{
    memset(s, 0, sizeof *s);
    s->out.limit = 1 << 16;
    options_init(&s->config.options);
    s->config.username = (char *)(uintptr_t)user;
    s->config.password = (char *)(uintptr_t) "p";
    s->config.mechanisms = mechanisms;
    const struct handshake_plan plan = {.config = &s->config, .bucket = bucket, .first = SASL_NONE};
    assert_int_equal(handshake_begin(&s->h, &plan, &s->out, &s->err), DIVAN_OK);
}

static void shake_end(struct shake *s)
{
    handshake_fini(&s->h);
    buf_fini(&s->out);
    options_fini(&s->config.options);
}

static size_t requests(struct shake *s, uint8_t *opcodes, uint32_t *opaques, size_t max)
{
    struct frame f;
    size_t size, n = 0;
    while (n < max && s->out.len && frame_decode(buf_view(&s->out), FRAME_MAX, &f, &size, NULL) == FRAME_COMPLETE) {
        opcodes[n] = f.opcode;
        opaques[n++] = f.opaque;
        buf_drop_front(&s->out, size);
    }
    return n;
}

static enum handshake_verdict answer(struct shake *s, uint32_t opaque, uint16_t status, const char *value)
{
    const struct frame f = {.magic = MAGIC_RESPONSE, .opaque = opaque, .status = status, .value = divan_str(value)};
    return handshake_answer(&s->h, &f, &s->out, &s->err);
}

static void the_first_write_has_everything_before_the_password(void **state)
{
    struct shake s;
    uint8_t op[8];
    uint32_t opaque[8];
    shake_begin(&s, "u", 1u << SASL_SCRAM_SHA256, "b");
    assert_true(s.out.len < 1024);
    assert_int_equal(requests(&s, op, opaque, 8), 4);
    assert_int_equal(op[0], OP_HELLO);
    assert_int_equal(op[1], OP_GET_ERROR_MAP);
    assert_int_equal(op[2], OP_SASL_LIST_MECHS);
    assert_int_equal(op[3], OP_SASL_AUTH);
    shake_end(&s);
}

static void plain_needs_one_exchange_and_then_the_bucket(void **state)
{
    struct shake s;
    uint8_t op[8];
    uint32_t opaque[8];
    shake_begin(&s, "u", 1u << SASL_PLAIN, "b");
    assert_int_equal(requests(&s, op, opaque, 8), 4);
    assert_int_equal(answer(&s, opaque[0], ST_SUCCESS, NULL), HANDSHAKE_MORE);
    assert_int_equal(answer(&s, opaque[1], ST_SUCCESS, "{}"), HANDSHAKE_ERROR_MAP);
    assert_int_equal(answer(&s, opaque[2], ST_SUCCESS, "PLAIN"), HANDSHAKE_MORE);
    assert_int_equal(answer(&s, opaque[3], ST_SUCCESS, NULL), HANDSHAKE_BUCKET);
    assert_int_equal(requests(&s, op, opaque, 8), 2);
    assert_int_equal(op[0], OP_SELECT_BUCKET);
    assert_int_equal(op[1], OP_GET_CLUSTER_CONFIG);
    assert_int_equal(answer(&s, opaque[0], ST_SUCCESS, NULL), HANDSHAKE_MORE);
    assert_int_equal(answer(&s, opaque[1], ST_SUCCESS, "{}"), HANDSHAKE_CONFIG);
    assert_int_equal(answer(&s, opaque[1], ST_SUCCESS, "{}"), HANDSHAKE_NOT_MINE);
    shake_end(&s);
}

static void another_mechanism_is_tried_on_the_same_connection(void **state)
{
    struct shake s;
    uint8_t op[8];
    uint32_t opaque[8], again[8];
    shake_begin(&s, "u", 7, "b");
    assert_int_equal(s.h.sasl.mechanism, SASL_SCRAM_SHA512);
    assert_int_equal(requests(&s, op, opaque, 8), 4);
    assert_int_equal(answer(&s, opaque[0], ST_SUCCESS, NULL), HANDSHAKE_MORE);
    assert_int_equal(answer(&s, opaque[2], ST_SUCCESS, "SCRAM-SHA1 PLAIN"), HANDSHAKE_MORE);
    assert_int_equal(answer(&s, opaque[3], ST_AUTH_ERROR, NULL), HANDSHAKE_MORE);
    assert_int_equal(s.h.sasl.mechanism, SASL_SCRAM_SHA1);
    assert_int_equal(requests(&s, op, again, 8), 1);
    assert_int_equal(op[0], OP_SASL_AUTH);
    assert_int_not_equal(again[0], opaque[3]);
    assert_int_equal(answer(&s, opaque[3], ST_SUCCESS, NULL), HANDSHAKE_MORE); /* of the exchange that was given up */
    assert_int_equal(answer(&s, again[0], ST_AUTH_ERROR, NULL), HANDSHAKE_FAILED);
    assert_int_equal(s.err.code, DIVAN_ERR_AUTHENTICATION_FAILURE);
    shake_end(&s);
}

static void a_server_that_cannot_prove_itself_is_refused(void **state)
{
    struct shake s;
    uint8_t op[8];
    uint32_t opaque[8];
    shake_begin(&s, "u", 1u << SASL_SCRAM_SHA1, "b");
    requests(&s, op, opaque, 8);
    assert_int_equal(answer(&s, opaque[3], ST_SUCCESS, "v=AAAA"), HANDSHAKE_FAILED);
    shake_end(&s);
    shake_begin(&s, "u", 1u << SASL_SCRAM_SHA1, "b");
    requests(&s, op, opaque, 8);
    assert_int_equal(answer(&s, opaque[3], ST_AUTH_CONTINUE, "r=other,s=QSXCR+Q6sek8bf92,i=4096"), HANDSHAKE_FAILED);
    assert_int_equal(s.err.code, DIVAN_ERR_SASL_MESSAGE);
    shake_end(&s);
}

static void options_choose_the_features(void **state)
{
    struct options o;
    options_init(&o);
    feature_set all = handshake_features(&o);
    assert_true(feature_has(all, FEATURE_CLUSTERMAP_CHANGE_BRIEF) && feature_has(all, FEATURE_UNORDERED));
    assert_true(feature_has(all, FEATURE_DUPLEX) && feature_has(all, FEATURE_COLLECTIONS));
    o.enable_clustermap_notification = o.enable_unordered_execution = o.enable_mutation_tokens = false;
    o.enable_compression = o.enable_server_durations = false;
    feature_set few = handshake_features(&o);
    static const enum feature gone[] = {FEATURE_CLUSTERMAP_CHANGE_BRIEF, FEATURE_UNORDERED,
                                        FEATURE_MUTATION_SEQNO,          FEATURE_SNAPPY,
                                        FEATURE_SNAPPY_EVERYWHERE,       FEATURE_TRACING};
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) assert_false(feature_has(few, gone[i]));
    options_fini(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_its_verdict),
        cmocka_unit_test(some_statuses_depend_on_the_operation),
        cmocka_unit_test(unknown_statuses_follow_the_error_map),
        cmocka_unit_test(losses_are_honest),
        cmocka_unit_test(only_reads_are_idempotent),
        cmocka_unit_test(pauses_grow_to_a_second),
        cmocka_unit_test(reasons_have_names),
        cmocka_unit_test(the_wheel_never_fires_early_and_hardly_late),
        cmocka_unit_test(the_wheel_survives_long_sleeps_and_the_past),
        cmocka_unit_test(slots_find_by_opaque_across_the_wrap),
        cmocka_unit_test(one_slow_operation_does_not_block_the_ring),
        cmocka_unit_test(a_full_ring_without_memory_says_so),
        cmocka_unit_test(operations_outlive_their_pool),
        cmocka_unit_test(operations_are_used_again_without_allocation),
        cmocka_unit_test(the_histogram_is_close),
        cmocka_unit_test(expiry_beyond_thirty_days_is_a_point_in_time),
        cmocka_unit_test(the_first_write_has_everything_before_the_password),
        cmocka_unit_test(plain_needs_one_exchange_and_then_the_bucket),
        cmocka_unit_test(another_mechanism_is_tried_on_the_same_connection),
        cmocka_unit_test(a_server_that_cannot_prove_itself_is_refused),
        cmocka_unit_test(options_choose_the_features),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
