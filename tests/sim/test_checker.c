/* The checker must accept whatever a correct store could have done, and find what was spoilt on purpose. */
#include "unit/unit.h"

#include <stdio.h>

#include "base/rand.h"
#include "sim/checker.h"

enum { OPS = 200, CLIENTS = 8 };

/* A history of a correct register: 8 clients, each operation takes effect at one moment of its own; some writes are
 * ambiguous (applied or not), some refused. Ops are in order of effect. */
static size_t make_history(struct rng *r, struct register_op *ops)
{
    uint64_t now = 1, busy_until[CLIENTS] = {0}, state = 0, next_value = 1;
    size_t n = 0;
    while (n < OPS) {
        now += 1 + rng_below(r, 10);
        size_t client = rng_below(r, CLIENTS);
        if (busy_until[client] >= now) continue;
        struct register_op *op = &ops[n];
        uint64_t earliest = busy_until[client] + 1, reach = rng_below(r, 40);
        *op = (struct register_op){.id = n, .is_write = rng_below(r, 2) == 0};
        op->start = now > reach && now - reach > earliest ? now - reach : earliest;
        op->end = busy_until[client] = now + rng_below(r, 40);
        if (op->is_write) {
            op->value = next_value++;
            uint64_t luck = rng_below(r, 100);
            op->outcome = luck < 5 ? TOLD_AMBIGUOUS : luck < 8 ? TOLD_REFUSED : TOLD_DONE;
            if (op->outcome == TOLD_DONE || (op->outcome == TOLD_AMBIGUOUS && rng_below(r, 2))) state = op->value;
        } else op->value = state;
        n++;
    }
    return n;
}

static void correct_registers_are_accepted(void **state)
{
    struct register_op ops[OPS];
    struct finding f;
    struct rng r;
    rng_init(&r, 1);
    for (int i = 0; i < 2000; i++) {
        size_t n = make_history(&r, ops);
        if (!check_register(ops, n, REGISTER_LINEARIZABLE, &f)) fail_msg("history %d: %s", i, f.text);
        assert_true(check_register(ops, n, REGISTER_MAY_LOSE, &f));
    }
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const struct register_op *)a)->id, y = ((const struct register_op *)b)->id;
    return (x > y) - (x < y);
}

/* A read that ended before a certain write began is followed, after that write, by a read made to see the old value. */
static bool make_stale(struct register_op *ops, size_t n, size_t from)
{
    for (size_t i = from; i < n; i++) {
        const struct register_op *w = &ops[i];
        if (!w->is_write || w->outcome != TOLD_DONE) continue;
        for (size_t k = i; k-- > 0;) {
            const struct register_op *old = &ops[k];
            if (!old->is_write || old->outcome != TOLD_DONE || old->end >= w->start) continue;
            for (size_t m = i + 1; m < n; m++)
                if (!ops[m].is_write && ops[m].start > w->end) {
                    ops[m].value = old->value;
                    return true;
                }
        }
    }
    return false;
}

static void stale_reads_are_found(void **state)
{
    struct register_op ops[OPS];
    struct finding f;
    struct rng r;
    size_t spoilt = 0, caught = 0;
    rng_init(&r, 2);
    for (int i = 0; i < 1000; i++) {
        size_t n = make_history(&r, ops);
        qsort(ops, n, sizeof *ops, by_id);
        if (!make_stale(ops, n, rng_below(&r, OPS / 2))) continue;
        spoilt++;
        caught += !check_register(ops, n, REGISTER_LINEARIZABLE, &f);
    }
    assert_true(spoilt > 900);
    assert_int_equal(caught, spoilt); /* the old write, the new one and the read follow each other: never legal */
}

/* Lost writes: an acknowledged value that nobody may see any more. Legal only when every read after it overlaps. */
static void lost_writes_are_found(void **state)
{
    struct register_op ops[3] = {
        {.id = 1, .start = 1, .end = 2, .value = 7, .is_write = true},
        {.id = 2, .start = 3, .end = 4, .value = 8, .is_write = true},
        {.id = 3, .start = 5, .end = 6, .value = 7},
    };
    struct finding f;
    assert_false(check_register(ops, 3, REGISTER_LINEARIZABLE, &f));
    assert_true(check_register(ops, 3, REGISTER_MAY_LOSE, &f));
    struct register_op gone[2] = {
        {.id = 1, .start = 1, .end = 2, .value = 7, .is_write = true},
        {.id = 2, .start = 3, .end = 4, .value = 0},
    };
    assert_false(check_register(gone, 2, REGISTER_LINEARIZABLE, &f));
    assert_true(check_register(gone, 2, REGISTER_MAY_LOSE, &f));
}

static void what_cannot_be_is_found(void **state)
{
    static const struct {
        struct register_op write, read;
        const char *words;
    } rows[] = {
        {{1, 1, 2, 7, true, TOLD_REFUSED}, {2, 3, 4, 7, false, TOLD_DONE}, "refused"},
        {{1, 5, 6, 7, true, TOLD_DONE}, {2, 3, 4, 7, false, TOLD_DONE}, "before its write"},
        {{1, 5, 6, 7, true, TOLD_DONE}, {2, 8, 9, 9, false, TOLD_DONE}, "nobody wrote"},
        {{1, 5, 6, 7, true, TOLD_DONE}, {2, 8, 9, 7, true, TOLD_DONE}, "twice"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct register_op ops[2] = {rows[i].write, rows[i].read};
        struct finding f;
        assert_false(check_register(ops, 2, REGISTER_MAY_LOSE, &f));
        assert_non_null(strstr(f.text, rows[i].words));
    }
}

/* An ambiguous write may take effect long after its caller gave up, but once seen it stays. */
static void ambiguous_writes_may_come_late(void **state)
{
    struct register_op ops[] = {
        {.id = 1, .start = 1, .end = 2, .value = 7, .is_write = true},
        {.id = 2, .start = 3, .end = 4, .value = 8, .is_write = true, .outcome = TOLD_AMBIGUOUS},
        {.id = 3, .start = 5, .end = 6, .value = 7},
        {.id = 4, .start = 7, .end = 8, .value = 8},
    };
    struct finding f;
    assert_true(check_register(ops, 4, REGISTER_LINEARIZABLE, &f));
    struct register_op back[] = {ops[0], ops[1], ops[2], ops[3], {.id = 5, .start = 9, .end = 10}};
    for (size_t i = 0; i < 4; i++)
        if (back[i].id == 1) back[4].value = back[i].value;
    assert_false(check_register(back, 5, REGISTER_LINEARIZABLE, &f));
}

static void counters_are_bounded(void **state)
{
    struct counter_op ops[] = {
        {.id = 1, .start = 1, .end = 2, .delta = 2, .result = 2},
        {.id = 2, .start = 3, .end = 4, .delta = 3, .outcome = TOLD_AMBIGUOUS},
        {.id = 3, .start = 5, .end = 6, .delta = 4, .outcome = TOLD_REFUSED},
    };
    static const struct {
        uint64_t final;
        bool may_lose, fine;
    } rows[] = {{2, false, true},  {5, false, true}, {6, false, false}, {9, true, false},
                {1, false, false}, {1, true, true},  {0, true, true}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct finding f;
        assert_int_equal(check_counter(ops, 3, rows[i].final, rows[i].may_lose, &f), rows[i].fine);
    }
}

static void counters_never_go_back(void **state)
{
    struct finding f;
    struct counter_op twice[] = {{.id = 1, .start = 1, .end = 5, .delta = 1, .result = 1},
                                 {.id = 2, .start = 2, .end = 6, .delta = 1, .result = 1},
                                 {.id = 3, .start = 2, .end = 6, .delta = 1, .result = 2}};
    assert_false(check_counter(twice, 3, 3, false, &f));
    struct counter_op back[] = {{.id = 1, .start = 1, .end = 2, .delta = 1, .result = 2},
                                {.id = 2, .start = 3, .end = 4, .delta = 1, .result = 1}};
    assert_false(check_counter(back, 2, 2, false, &f));
    struct counter_op read[] = {{.id = 1, .start = 1, .end = 2, .delta = 1, .result = 1},
                                {.id = 2, .start = 3, .end = 4, .result = 0, .is_read = true}};
    assert_false(check_counter(read, 2, 1, false, &f));
    struct counter_op good[] = {{.id = 1, .start = 1, .end = 9, .delta = 1, .result = 2},
                                {.id = 2, .start = 3, .end = 4, .delta = 1, .result = 1},
                                {.id = 3, .start = 5, .end = 6, .result = 1, .is_read = true}};
    if (!check_counter(good, 3, 2, false, &f)) fail_msg("%s", f.text);
}

#define IN(o)                                                                                                          \
    {                                                                                                                  \
        1, 1, 2, ELEMENT_INSERT, o, false, false                                                                       \
    }
#define AWAY(o)                                                                                                        \
    {                                                                                                                  \
        2, 5, 6, ELEMENT_REMOVE, o, false, false                                                                       \
    }
#define LOOK(at, what)                                                                                                 \
    {                                                                                                                  \
        3, at, at, ELEMENT_LOOK, TOLD_DONE, what, false                                                                \
    }

static void set_elements_stay_and_go(void **state)
{
    static const struct {
        struct element_op ops[3];
        size_t count;
        bool fine, fine_with_loss;
    } rows[] = {
        {{IN(TOLD_DONE), LOOK(8, true)}, 2, true, true},
        {{IN(TOLD_DONE), LOOK(8, false)}, 2, false, true},
        {{IN(TOLD_REFUSED), LOOK(8, true)}, 2, false, false},
        {{IN(TOLD_AMBIGUOUS), LOOK(8, true)}, 2, true, true},
        {{IN(TOLD_AMBIGUOUS), LOOK(8, false)}, 2, true, true},
        {{IN(TOLD_DONE), AWAY(TOLD_DONE), LOOK(8, false)}, 3, true, true},
        {{IN(TOLD_DONE), AWAY(TOLD_DONE), LOOK(8, true)}, 3, false, true},
        {{IN(TOLD_DONE), AWAY(TOLD_REFUSED), LOOK(8, false)}, 3, false, true},
        {{IN(TOLD_DONE), AWAY(TOLD_AMBIGUOUS), LOOK(8, false)}, 3, true, true},
        {{IN(TOLD_DONE), AWAY(TOLD_AMBIGUOUS), LOOK(3, false)}, 3, false, true},
        {{IN(TOLD_REFUSED), AWAY(TOLD_DONE)}, 2, false, false},
        {{{1, 1, 2, ELEMENT_INSERT, TOLD_REFUSED, true, true}}, 1, false, false},
        {{IN(TOLD_DONE), {2, 5, 6, ELEMENT_REMOVE, TOLD_REFUSED, false, true}}, 2, false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct element_op ops[3];
        struct finding f = {{0}, 0, 0};
        memcpy(ops, rows[i].ops, sizeof ops);
        if (check_element(ops, rows[i].count, false, &f) != rows[i].fine) fail_msg("row %zu: %s", i, f.text);
        if (check_element(ops, rows[i].count, true, &f) != rows[i].fine_with_loss)
            fail_msg("row %zu, with loss: %s", i, f.text);
    }
}

static void tokens_tell_the_order(void **state)
{
    static const struct {
        struct token_op a, b;
        bool fine;
    } rows[] = {
        {{1, 1, 2, 1, 10, 5, 7, 9, 1}, {2, 3, 4, 1, 11, 6, 7, 9, 2}, true},
        {{1, 1, 2, 1, 10, 5, 7, 9, 1}, {2, 3, 4, 2, 11, 6, 7, 9, 1}, false}, /* the same seqno */
        {{1, 1, 2, 1, 10, 5, 7, 9, 1}, {2, 3, 4, 2, 11, 6, 7, 8, 1}, true},  /* of another history */
        {{1, 1, 2, 1, 10, 5, 7, 9, 2}, {2, 3, 4, 2, 11, 6, 7, 9, 1}, false}, /* backwards */
        {{1, 1, 9, 1, 10, 5, 7, 9, 2}, {2, 3, 4, 2, 11, 6, 7, 9, 1}, true},  /* at the same time */
        {{1, 1, 2, 1, 10, 5, 7, 9, 1}, {2, 3, 4, 1, 9, 6, 7, 9, 2}, false},  /* CAS backwards */
        {{1, 1, 2, 1, 10, 5, 7, 9, 1}, {2, 3, 4, 1, 10, 5, 7, 0, 0}, true},  /* a read of it */
        {{1, 1, 2, 1, 10, 5, 7, 9, 1}, {2, 3, 4, 1, 10, 6, 7, 0, 0}, false}, /* a read of something else */
        {{1, 1, 2, 1, 10, 5, 7, 9, 1}, {2, 3, 4, 1, 10, 6, 8, 9, 2}, false}, /* one CAS, two writes */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct token_op ops[2] = {rows[i].a, rows[i].b};
        struct finding f = {{0}, 0, 0};
        if (check_tokens(ops, 2, false, &f) != rows[i].fine) fail_msg("row %zu: %s", i, f.text);
        struct token_op turned[2] = {rows[i].b, rows[i].a};
        assert_int_equal(check_tokens(turned, 2, false, &f), rows[i].fine);
    }
}

static void operations_complete_once_and_in_time(void **state)
{
    static const struct {
        struct completion op;
        bool fine;
    } rows[] = {{{1, 0, 99, 100, 1}, true},
                {{1, 0, 105, 100, 1}, true},
                {{1, 0, 106, 100, 1}, false},
                {{1, 0, 50, 100, 0}, false},
                {{1, 0, 50, 100, 2}, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct finding f;
        assert_int_equal(check_completions(&rows[i].op, 1, 5, &f), rows[i].fine);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correct_registers_are_accepted), cmocka_unit_test(stale_reads_are_found),
        cmocka_unit_test(lost_writes_are_found),          cmocka_unit_test(what_cannot_be_is_found),
        cmocka_unit_test(ambiguous_writes_may_come_late), cmocka_unit_test(counters_are_bounded),
        cmocka_unit_test(counters_never_go_back),         cmocka_unit_test(set_elements_stay_and_go),
        cmocka_unit_test(tokens_tell_the_order),          cmocka_unit_test(operations_complete_once_and_in_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
