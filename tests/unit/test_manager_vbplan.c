/* Maps: balanced whatever the figures, and no move that could be spared. */
#include "unit/unit.h"

#include <stdio.h>

#include "base/alloc.h"
#include "manager/vbplan.h"

enum { MOST = 1024 * VBPLAN_ROW_MAX };

struct figures {
    unsigned active[VBPLAN_NODES_MAX], copies[VBPLAN_NODES_MAX], pair[VBPLAN_NODES_MAX][VBPLAN_NODES_MAX];
};

static struct figures count(const struct vbplan *p, const int16_t *map)
{
    struct figures f = {0};
    for (unsigned v = 0; v < p->vbuckets; v++) {
        const int16_t *row = map + (size_t)v * p->row;
        f.active[row[0]]++;
        for (unsigned c = 1; c < p->row; c++) {
            if (row[c] < 0) continue;
            f.copies[row[c]]++;
            if (c == 1) f.pair[row[0]][row[1]]++;
            for (unsigned d = 0; d < c; d++) assert_int_not_equal(row[c], row[d]);
        }
    }
    return f;
}

static unsigned spread(const struct vbplan *p, const unsigned *of, int but)
{
    unsigned least = UINT32_MAX, most = 0;
    for (size_t i = 0; i < p->servers; i++) {
        if (!p->keep[i] || (int)i == but) continue;
        if (of[i] < least) least = of[i];
        if (of[i] > most) most = of[i];
    }
    return most >= least ? most - least : 0;
}

static void check_balance(const struct vbplan *p, const int16_t *map, size_t kept)
{
    struct figures f = count(p, map);
    for (size_t i = 0; i < p->servers; i++)
        if (!p->keep[i]) assert_int_equal(f.active[i] + f.copies[i], 0);
    assert_true(spread(p, f.active, -1) <= 1);
    unsigned chain = p->row < kept ? p->row : (unsigned)kept;
    for (unsigned v = 0; v < p->vbuckets; v++)
        for (unsigned c = 0; c < p->row; c++) assert_true((map[(size_t)v * p->row + c] >= 0) == (c < chain));
    if (p->row == 2) {
        if (spread(p, f.copies, -1) > 1) fail_msg("copies differ by %u on %zu nodes", spread(p, f.copies, -1), kept);
        for (size_t i = 0; i < p->servers; i++)
            if (p->keep[i]) assert_true(spread(p, f.pair[i], (int)i) <= 1);
    } else if (spread(p, f.copies, -1) > p->row) fail_msg("copies differ by %u", spread(p, f.copies, -1));
    assert_true(vbplan_balanced(&(struct vbplan){p->vbuckets, p->row, p->servers, p->keep, NULL, map}) || p->row > 2);
}

static unsigned actives_moved(const struct vbplan *p, const int16_t *a, const int16_t *b)
{
    unsigned n = 0;
    for (unsigned v = 0; v < p->vbuckets; v++) n += a[(size_t)v * p->row] != b[(size_t)v * p->row];
    return n;
}

/* Copies that nobody has yet: what has to be sent over the network. */
static unsigned built(const struct vbplan *p, const int16_t *a, const int16_t *b)
{
    unsigned n = 0;
    for (unsigned v = 0; v < p->vbuckets; v++)
        for (unsigned c = 0; c < p->row; c++) {
            int16_t who = b[(size_t)v * p->row + c];
            bool there = who < 0;
            for (unsigned d = 0; d < p->row; d++) there = there || a[(size_t)v * p->row + d] == who;
            n += !there;
        }
    return n;
}

static void maps_from_nothing_are_balanced(void **state)
{
    static int16_t map[MOST];
    bool keep[12];
    memset(keep, true, sizeof keep);
    for (unsigned vbuckets = 1; vbuckets <= 1024; vbuckets = vbuckets == 1 ? 64 : vbuckets * 16)
        for (size_t nodes = 1; nodes <= 12; nodes++)
            for (uint8_t row = 1; row <= VBPLAN_ROW_MAX; row++) {
                struct vbplan p = {(uint16_t)vbuckets, row, nodes, keep, NULL, NULL};
                assert_true(vbplan_target(&p, map));
                if (vbuckets > 1) check_balance(&p, map, nodes);
            }
}

/* name, nodes at first (bits), nodes then (bits), actives that may move, copies that may be built (replicas 1, 1024) */
static const struct story {
    const char *name;
    unsigned before, after, actives, copies;
} stories[] = {
    {"nothing changes", 07, 07, 0, 0},    {"one to two", 01, 03, 512, 1024},
    {"two to three", 03, 07, 342, 700},   {"three to four", 07, 017, 257, 700},
    {"four to three", 017, 07, 257, 700}, {"three to two", 07, 03, 342, 700},
    {"two to one", 03, 01, 512, 0},       {"swap", 07, 013, 342, 684},
    {"two swapped", 017, 063, 512, 1024}, {"in and out at once", 07, 032, 1024, 2048},
};

static size_t take_bits(unsigned bits, bool *keep, size_t servers)
{
    size_t n = 0;
    for (size_t i = 0; i < servers; i++) n += keep[i] = bits >> i & 1;
    return n;
}

static void moves_are_minimal(void **state)
{
    static int16_t before[MOST], after[MOST], again[MOST];
    for (size_t s = 0; s < sizeof stories / sizeof *stories; s++) {
        const struct story *t = &stories[s];
        bool keep[6];
        struct vbplan p = {1024, 2, 6, keep, NULL, NULL};
        take_bits(t->before, keep, 6);
        assert_true(vbplan_target(&p, before));
        size_t kept = take_bits(t->after, keep, 6);
        p.from = before;
        assert_true(vbplan_target(&p, after));
        check_balance(&p, after, kept);
        if (actives_moved(&p, before, after) > t->actives)
            fail_msg("%s: %u actives move", t->name, actives_moved(&p, before, after));
        if (built(&p, before, after) > t->copies)
            fail_msg("%s: %u copies are built", t->name, built(&p, before, after));
        p.from = after;
        assert_true(vbplan_target(&p, again));
        assert_memory_equal(after, again, 1024 * 2 * sizeof *after); /* a balanced map is left alone */
    }
}

static void a_swap_is_a_renaming(void **state)
{
    static int16_t before[MOST], after[MOST];
    bool keep[4] = {true, true, true, false};
    struct vbplan p = {64, 3, 4, keep, NULL, NULL};
    assert_true(vbplan_target(&p, before));
    keep[1] = false, keep[3] = true, p.from = before;
    assert_true(vbplan_target(&p, after));
    for (size_t i = 0; i < 64 * 3; i++) assert_int_equal(after[i], before[i] == 1 ? 3 : before[i]);
}

static void copies_avoid_the_group_of_their_active(void **state)
{
    static int16_t map[MOST];
    const bool keep[4] = {true, true, true, true};
    const int group[4] = {0, 0, 1, 1};
    struct vbplan p = {64, 2, 4, keep, group, NULL};
    assert_true(vbplan_target(&p, map));
    for (unsigned v = 0; v < 64; v++) assert_int_not_equal(group[map[2 * v]], group[map[2 * v + 1]]);
    struct figures f = count(&p, map);
    assert_true(spread(&p, f.active, -1) <= 1 && spread(&p, f.copies, -1) <= 1);
    const int lonely[4] = {0, 0, 0, 1}; /* too few elsewhere for two copies: groups are given up there, not copies */
    struct vbplan three = {64, 3, 4, keep, lonely, NULL};
    assert_true(vbplan_target(&three, map));
    count(&three, map);
}

static void lost_vbuckets_are_made_anew(void **state)
{
    static int16_t after[MOST];
    const int16_t before[8] = {-1, -1, 0, -1, -1, -1, 0, -1};
    const bool keep[2] = {true, true};
    struct vbplan p = {4, 2, 2, keep, NULL, before};
    assert_true(vbplan_target(&p, after));
    check_balance(&p, after, 2);
    assert_int_equal(after[2], 0);
    assert_int_equal(after[6], 0);
}

static void failed_servers_leave_their_rows(void **state)
{
    static const struct {
        int16_t row[3], expected[3];
        bool promoted;
    } cases[] = {
        {{0, 1, 2}, {0, 2, -1}, false},    {{1, 0, 2}, {0, 2, -1}, true},       {{2, 0, -1}, {2, 0, -1}, false},
        {{1, -1, -1}, {-1, -1, -1}, true}, {{-1, -1, -1}, {-1, -1, -1}, false},
    };
    const bool gone[3] = {false, true, false};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int16_t row[3];
        memcpy(row, cases[i].row, sizeof row);
        assert_int_equal(vbplan_drop(row, 3, gone), cases[i].promoted);
        assert_memory_equal(row, cases[i].expected, sizeof row);
    }
}

static void graceful_hands_over_to_copies(void **state)
{
    const int16_t from[9] = {1, 0, 2, 0, 1, 2, 1, -1, 2}, lonely[3] = {1, -1, -1};
    const int16_t expected[9] = {0, 1, 2, 0, 1, 2, 2, 1, -1};
    const bool gone[3] = {false, true, false};
    int16_t out[9];
    assert_true(vbplan_graceful(from, 3, 3, gone, out));
    assert_memory_equal(out, expected, sizeof out);
    assert_false(vbplan_graceful(lonely, 1, 3, gone, out));
}

static void nonsense_and_hunger_are_refused(void **state)
{
    int16_t map[8];
    const bool none[2] = {false, false}, both[2] = {true, true};
    assert_false(vbplan_target(&(struct vbplan){4, 2, 2, none, NULL, NULL}, map));
    assert_false(vbplan_target(&(struct vbplan){0, 2, 2, both, NULL, NULL}, map));
    assert_false(vbplan_target(&(struct vbplan){4, 5, 2, both, NULL, NULL}, map));
    for (uint64_t n = 1; n <= 4; n++) {
        int64_t live = mem_live();
        mem_fail_at(n);
        assert_false(vbplan_target(&(struct vbplan){4, 2, 2, both, NULL, NULL}, map));
        mem_fail_at(0);
        assert_int_equal(mem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_from_nothing_are_balanced), cmocka_unit_test(moves_are_minimal),
        cmocka_unit_test(a_swap_is_a_renaming),           cmocka_unit_test(copies_avoid_the_group_of_their_active),
        cmocka_unit_test(lost_vbuckets_are_made_anew),    cmocka_unit_test(failed_servers_leave_their_rows),
        cmocka_unit_test(graceful_hands_over_to_copies),  cmocka_unit_test(nonsense_and_hunger_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
