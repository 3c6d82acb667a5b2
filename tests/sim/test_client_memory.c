/* The n-th allocation fails, for every n from opening to closing: nothing crashes, hangs or leaks, every operation
 * completes once, and the client works again afterwards. The node shares the process, so some of the failures hit it: to
 * the client these are faults of the network. */
#include "sim/support_script.h"

#include <stdio.h>

#include "base/alloc.h"

#define HOST "10.0.0.1"

struct tally {
    unsigned runs, opened, completed, out_of_memory, other;
};

static void count(struct tally *tally, enum divan_code code)
{
    if (!code) tally->completed++;
    else if (code == DIVAN_ERR_OUT_OF_MEMORY) tally->out_of_memory++;
    else tally->other++;
}

static void session(struct sim *sim, struct script *node, struct tally *tally)
{
    static const struct {
        enum op_kind kind;
        const char *key, *value, *scope;
    } rows[] = {
        {KIND_UPSERT, "k", "value", NULL},
        {KIND_GET, "k", NULL, NULL},
        {KIND_INCREMENT, "n", NULL, "s"},
        {KIND_GET, "missing", NULL, NULL},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct probe p;
    struct divan_error err;
    enum divan_code rc = probe_open_wait(&p, sim, "couchbase://10.0.0.1/b?bootstrap_timeout=4s", NULL);
    if (rc) count(tally, rc);
    else {
        tally->opened++;
        for (size_t i = 0; i < ROWS; i++) {
            size_t n = p.count;
            rc = probe_start(&p, probe_collection(&p, "b", rows[i].scope, rows[i].scope ? "c" : NULL), rows[i].kind,
                             rows[i].key, rows[i].value, 0, NULL, &err);
            if (!rc) probe_wait(&p, n + 1);
            else assert_int_equal(rc, DIVAN_ERR_OUT_OF_MEMORY);
            count(tally, rc ? rc : probe_code(probe_last(&p)));
        }
    }
    probe_close(&p);
}

/* One whole life with the n-th allocation failing. False when there were fewer. */
static bool life(uint64_t n, struct tally *tally)
{
    struct sim *sim = sim_new(1);
    struct script *node = script_new(sim, HOST);
    assert_non_null(sim_host(sim, "10.0.0.100"));
    int64_t before = mem_live();
    uint64_t count_before = mem_count();
    mem_fail_at(n);
    session(sim, node, tally);
    bool failed = mem_count() - count_before >= n;
    mem_fail_at(0);
    tally->runs++;
    script_drop_connections(node);
    sim_run_for(sim, NS_PER_S);
    sim_free(sim);
    script_free(node);
    assert_true(mem_live() <= before); /* the host's own loop went too */
    return failed;
}

static void every_allocation_may_fail(void **state)
{
    struct tally tally = {0};
    uint64_t n = 1;
    while (life(n, &tally)) n++;
    print_message("%u runs: %u opened; operations: %u done, %u out of memory, %u other errors\n", tally.runs,
                  tally.opened, tally.completed, tally.out_of_memory, tally.other);
    assert_true(n > 50);
    assert_true(tally.opened * 2 > tally.runs);
}

/* In an open client, over and over: afterwards it still works. */
static void an_open_client_recovers(void **state)
{
    struct sim *sim = sim_new(2);
    struct script *node = script_new(sim, HOST);
    struct probe p;
    struct divan_error err;
    assert_int_equal(probe_open_wait(&p, sim, "couchbase://10.0.0.1/b", NULL), DIVAN_OK);
    for (uint64_t n = 1; n < 40; n++) {
        script_drop_connections(node); /* so that there is something to rebuild */
        mem_fail_at(n);
        size_t had = p.count;
        enum divan_code rc = probe_start(&p, probe_collection(&p, "b", NULL, NULL), KIND_GET, "k", NULL, 0, NULL, &err);
        if (!rc) probe_wait(&p, had + 1);
        mem_fail_at(0);
        bool works = false; /* the fault may have hit the node's side of the new connection */
        for (int tries = 0; tries < 3 && !works; tries++) works = !probe_code(probe_do(&p, KIND_UPSERT, "k", "value"));
        assert_true(works);
    }
    probe_close(&p);
    sim_free(sim);
    script_free(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(an_open_client_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
