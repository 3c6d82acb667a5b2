/* The public interface against a real node: three ways to complete, many threads, closing, fork. */
#include "unit/engine_thread.h"

#include <divan/divan.h>
#include <poll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "text/json.h"

struct stage {
    struct engine_thread node;
    divan_cluster *cluster;
    divan_collection *people, *other;
};

static divan_cluster *open_at(const struct engine_thread *node)
{
    struct divan_error err;
    divan_cluster *cluster = NULL;
    const struct divan_cluster_options o = {.username = "u", .password = "p"};
    engine_must(divan_cluster_open(&cluster, node->connstr, &o, &err), &err);
    return cluster;
}

static int set(void **state)
{
    struct stage *t = calloc(1, sizeof *t);
    struct divan_error err;
    engine_thread_start(&t->node);
    t->cluster = open_at(&t->node);
    t->people = divan_cluster_collection(t->cluster, NULL, NULL, NULL, &err);
    t->other = divan_cluster_collection(t->cluster, "default", "s", "c", &err);
    assert_non_null(t->people);
    assert_non_null(t->other);
    *state = t;
    return 0;
}

static int strike(void **state)
{
    struct stage *t = *state;
    divan_cluster_close(t->cluster);
    engine_thread_stop(&t->node);
    free(t);
    return 0;
}

static uint64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool value_is(const divan_result *r, const char *text)
{
    return bytes_equal(divan_result_value(r), divan_str(text));
}

#define MUST(call) assert_int_equal((call), DIVAN_OK)

/* ---- blocking */

static void each_operation_does_what_it_says(void **state)
{
    struct stage *t = *state;
    divan_collection *both[] = {t->people, t->other};
    for (int i = 0; i < 2; i++) {
        divan_collection *c = both[i];
        divan_result *r = NULL;
        struct divan_error err;
        const struct divan_bytes k = divan_str("k"), n = divan_str("n");
        assert_int_equal(divan_get(c, k, NULL, &r, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND);
        assert_string_equal(err.op, "get");
        assert_null(r);
        MUST(divan_insert(c, k, divan_str("one"), &(struct divan_insert_options){.flags = 77}, &r, &err));
        uint64_t cas = divan_result_cas(r);
        assert_int_not_equal(cas, 0);
        assert_int_not_equal(divan_result_token(r).seqno, 0);
        divan_result_release(r);
        assert_int_equal(divan_insert(c, k, divan_str("one"), NULL, NULL, &err), DIVAN_ERR_DOCUMENT_EXISTS);
        MUST(divan_get(c, k, NULL, &r, &err));
        assert_true(value_is(r, "one"));
        assert_int_equal(divan_result_flags(r), 77);
        assert_int_equal(divan_result_cas(r), cas);
        assert_true(bytes_equal(divan_result_key(r), k));
        divan_result_release(r);
        MUST(divan_replace(c, k, divan_str("two"), &(struct divan_replace_options){.cas = cas}, NULL, &err));
        assert_int_equal(divan_replace(c, k, divan_str("3"), &(struct divan_replace_options){.cas = cas}, NULL, &err),
                         DIVAN_ERR_CAS_MISMATCH);
        MUST(divan_append(c, k, divan_str("!"), NULL, NULL, &err));
        MUST(divan_prepend(c, k, divan_str("<"), NULL, NULL, &err));
        MUST(divan_get_and_touch(c, k, 100, NULL, &r, &err));
        assert_true(value_is(r, "<two!"));
        divan_result_release(r);
        MUST(divan_touch(c, k, 0, NULL, NULL, &err));
        MUST(divan_exists(c, k, NULL, &r, &err));
        assert_true(divan_result_exists(r));
        divan_result_release(r);
        MUST(divan_upsert(c, k, divan_str(""), NULL, NULL, &err));
        MUST(divan_get(c, k, NULL, &r, &err));
        assert_int_equal(divan_result_value(r).len, 0);
        divan_result_release(r);
        MUST(divan_remove(c, k, NULL, NULL, &err));
        MUST(divan_exists(c, k, NULL, &r, &err));
        assert_false(divan_result_exists(r));
        divan_result_release(r);
        assert_int_equal(divan_touch(c, k, 5, NULL, NULL, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND);
        assert_int_equal(divan_append(c, k, divan_str("x"), NULL, NULL, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND);
        assert_int_equal(divan_increment(c, n, 5, NULL, NULL, &err), DIVAN_ERR_DOCUMENT_NOT_FOUND);
        const struct divan_counter_options make = {.create = true, .initial = 10};
        MUST(divan_increment(c, n, 5, &make, &r, &err));
        assert_int_equal(divan_result_number(r), 10);
        divan_result_release(r);
        MUST(divan_increment(c, n, 5, &make, &r, &err));
        assert_int_equal(divan_result_number(r), 15);
        divan_result_release(r);
        MUST(divan_decrement(c, n, 100, NULL, &r, &err));
        assert_int_equal(divan_result_number(r), 0);
        divan_result_release(r);
        MUST(divan_remove(c, n, NULL, NULL, &err));
    }
}

static void values_of_all_sizes_come_back(void **state)
{
    struct stage *t = *state;
    static const size_t sizes[] = {1, 31, 32, 255, 4095, 4096, 4097, 20000, 65536, 300000, 5000000, 20 * 1024 * 1024};
    char *data = malloc(20 * 1024 * 1024);
    for (int compressible = 0; compressible < 2; compressible++)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            struct divan_error err;
            divan_result *r = NULL;
            uint32_t x = 12345;
            for (size_t at = 0; at < sizes[i]; at++) {
                x = x * 1664525 + 1013904223;
                data[at] = compressible ? (char)(at / 100) : (char)(x >> 24);
            }
            const struct divan_upsert_options slow = {.timeout_ms = 20000};
            engine_must(divan_upsert(t->people, divan_str("big"), bytes_of(data, sizes[i]), &slow, NULL, &err), &err);
            engine_must(
                divan_get(t->people, divan_str("big"), &(struct divan_get_options){.timeout_ms = 20000}, &r, &err),
                &err);
            assert_true(bytes_equal(divan_result_value(r), bytes_of(data, sizes[i])));
            divan_result_release(r);
        }
    free(data);
}

static void a_short_deadline_passes_in_time(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_collection *missing = divan_cluster_collection(t->cluster, "default", "s", "nowhere", &err);
    uint64_t start = now_ms();
    assert_int_equal(divan_get(missing, divan_str("k"), &(struct divan_get_options){.timeout_ms = 50}, NULL, &err),
                     DIVAN_ERR_COLLECTION_NOT_FOUND);
    assert_in_range(now_ms() - start, 50, 500);
    assert_in_range(err.elapsed_ms, 50, 500);
}

static void a_bucket_that_does_not_exist_is_told(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_collection *c = divan_cluster_collection(t->cluster, "nowhere", NULL, NULL, &err);
    assert_int_equal(divan_get(c, divan_str("k"), NULL, NULL, &err), DIVAN_ERR_BUCKET_NOT_FOUND);
    assert_true(err.elapsed_ms < 2000);
}

/* ---- callbacks */

struct tally {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned count, good, refused_inside;
    divan_collection *collection;
    divan_result *kept;
};

static void count_one(divan_result *r, void *user)
{
    struct tally *tally = user;
    pthread_mutex_lock(&tally->lock);
    tally->count++;
    tally->good += divan_result_error(r) == NULL;
    pthread_cond_signal(&tally->changed);
    pthread_mutex_unlock(&tally->lock);
}

static void await(struct tally *tally, unsigned count)
{
    pthread_mutex_lock(&tally->lock);
    while (tally->count < count) pthread_cond_wait(&tally->changed, &tally->lock);
    pthread_mutex_unlock(&tally->lock);
}

static void tally_init(struct tally *tally, divan_collection *c)
{
    memset(tally, 0, sizeof *tally);
    pthread_mutex_init(&tally->lock, NULL);
    pthread_cond_init(&tally->changed, NULL);
    tally->collection = c;
}

static void callbacks_come_once_each(void **state)
{
    enum { N = 2000 };
    struct stage *t = *state;
    struct tally tally;
    struct divan_error err;
    tally_init(&tally, t->people);
    for (int i = 0; i < N; i++)
        MUST(divan_upsert_start(t->people, divan_str("k"), divan_str("v"), NULL,
                                (struct divan_done){.fn = count_one, .user = &tally}, &err));
    await(&tally, N);
    assert_int_equal(tally.good, N);
}

static void chain(divan_result *r, void *user)
{
    struct tally *tally = user;
    struct divan_error err;
    if (divan_get(tally->collection, divan_str("k"), NULL, NULL, &err) == DIVAN_ERR_WRONG_THREAD)
        tally->refused_inside++;
    if (tally->count < 100)
        divan_increment_start(tally->collection, divan_str("chain"), 1, &(struct divan_counter_options){.create = true},
                              (struct divan_done){.fn = chain, .user = tally}, &err);
    if (tally->count == 50) tally->kept = divan_result_retain(r);
    count_one(r, user);
}

static void callbacks_may_start_operations_but_not_wait(void **state)
{
    struct stage *t = *state;
    struct tally tally;
    struct divan_error err;
    tally_init(&tally, t->people);
    MUST(divan_increment_start(t->people, divan_str("chain"), 1, &(struct divan_counter_options){.create = true},
                               (struct divan_done){.fn = chain, .user = &tally}, &err));
    await(&tally, 101);
    assert_int_equal(tally.good, 101);
    assert_int_equal(tally.refused_inside, 101);
    assert_int_equal(divan_result_number(tally.kept), 49 + 1);
    divan_result_release(tally.kept);
}

/* ---- queues */

static void a_queue_is_driven_by_popping(void **state)
{
    enum { N = 5000, WINDOW = 100 };
    struct stage *t = *state;
    struct divan_error err;
    divan_queue *q = divan_queue_new(t->cluster);
    size_t started = 0, popped = 0;
    MUST(divan_upsert(t->people, divan_str("q"), divan_str("value"), NULL, NULL, &err));
    while (popped < N) {
        divan_result *done[32];
        for (; started < N && started - popped < WINDOW; started++)
            MUST(divan_get_start(t->people, divan_str("q"), NULL, (struct divan_done){.queue = q, .user = &started},
                                 &err));
        size_t n = divan_queue_pop(q, done, 32, 1000);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++) {
            assert_true(value_is(done[i], "value"));
            assert_ptr_equal(divan_result_user(done[i]), &started);
            divan_result_release(done[i]);
        }
        popped += n;
    }
    divan_result *none;
    assert_int_equal(divan_queue_pop(q, &none, 1, -1), 0); /* nothing is in flight: at once */
    divan_queue_free(q);
}

/* Started and then left alone: the background thread looks after it. */
static void nobody_needs_to_pop_for_progress(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_queue *q = divan_queue_new(t->cluster);
    for (int i = 0; i < 10; i++)
        MUST(divan_increment_start(t->people, divan_str("left alone"), 1,
                                   &(struct divan_counter_options){.create = true}, (struct divan_done){.queue = q},
                                   &err));
    divan_result *done[10];
    size_t n = 0;
    for (uint64_t start = now_ms(); n < 10 && now_ms() - start < 5000;) {
        poll(NULL, 0, 1);
        n += divan_queue_pop(q, done + n, 10 - n, 0);
    }
    assert_int_equal(n, 10);
    for (size_t i = 0; i < n; i++) divan_result_release(done[i]);
    divan_queue_free(q);
}

/* Neither does a program that goes on starting operations and never looks. */
static void what_is_started_leaves_even_when_nobody_pops(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_cluster *watcher = open_at(&t->node);
    divan_collection *c = divan_cluster_collection(watcher, NULL, NULL, NULL, &err);
    divan_queue *q = divan_queue_new(t->cluster);
    uint64_t seen = 0;
    for (int i = 0; i < 200 && seen < 50; i++) {
        divan_result *r = NULL;
        MUST(divan_increment_start(t->people, divan_str("seen"), 1,
                                   &(struct divan_counter_options){.create = true, .initial = 1},
                                   (struct divan_done){.queue = q}, &err));
        poll(NULL, 0, 1);
        if (divan_get(c, divan_str("seen"), NULL, &r, &err)) continue;
        struct divan_bytes text = divan_result_value(r);
        char number[24] = "";
        memcpy(number, text.data, text.len < sizeof number ? text.len : sizeof number - 1);
        seen = strtoull(number, NULL, 10);
        divan_result_release(r);
    }
    assert_true(seen >= 50);
    divan_queue_free(q);
    divan_cluster_close(watcher);
}

static void a_queue_can_be_polled(void **state)
{
    enum { N = 500 };
    struct stage *t = *state;
    struct divan_error err;
    divan_queue *q = divan_queue_new(t->cluster);
    int fd = divan_queue_fd(q);
    assert_true(fd >= 0);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < N; i++)
            MUST(divan_upsert_start(t->people, divan_str("q"), divan_str("value"), NULL,
                                    (struct divan_done){.queue = q}, &err));
        for (size_t popped = 0; popped < N;) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            divan_result *done[64];
            assert_int_equal(poll(&p, 1, 5000), 1);
            size_t n = divan_queue_pop(q, done, 64, 0);
            for (size_t i = 0; i < n; i++) divan_result_release(done[i]);
            popped += n;
        }
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 0), 0);
    }
    divan_queue_free(q);
}

static void a_queue_may_be_freed_with_operations_in_flight(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    for (int round = 0; round < 20; round++) {
        divan_queue *q = divan_queue_new(t->cluster);
        if (round % 2) divan_queue_fd(q);
        for (int i = 0; i < 50; i++)
            MUST(divan_get_start(t->people, divan_str("q"), NULL, (struct divan_done){.queue = q}, &err));
        divan_result *one;
        if (round % 3 == 0 && divan_queue_pop(q, &one, 1, 1000)) divan_result_release(one);
        divan_queue_free(q);
    }
    MUST(divan_upsert(t->people, divan_str("after"), divan_str("v"), NULL, NULL, &err));
}

static void results_outlive_the_cluster(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    divan_cluster *cluster = open_at(&t->node);
    divan_collection *c = divan_cluster_collection(cluster, NULL, NULL, NULL, &err);
    divan_queue *q = divan_queue_new(cluster);
    divan_result *kept = NULL, *done[8];
    MUST(divan_upsert(c, divan_str("k"), divan_str("value"), NULL, NULL, &err));
    MUST(divan_get(c, divan_str("k"), NULL, &kept, &err));
    for (int i = 0; i < 8; i++) MUST(divan_get_start(c, divan_str("k"), NULL, (struct divan_done){.queue = q}, &err));
    divan_cluster_close(cluster);
    assert_true(value_is(kept, "value"));
    divan_result_release(kept);
    size_t n = divan_queue_pop(q, done, 8, -1);
    assert_int_equal(n, 8);
    for (size_t i = 0; i < n; i++) {
        const struct divan_error *e = divan_result_error(done[i]);
        assert_true(!e || e->code == DIVAN_ERR_CANCELLED);
        divan_result_release(done[i]);
    }
    divan_queue_free(q);
}

/* ---- threads */

struct worker {
    pthread_t thread;
    struct stage *stage;
    int number, rounds;
    unsigned done, cancelled;
    divan_collection *collection;
    divan_cluster *cluster;
};

static void *work(void *user)
{
    struct worker *w = user;
    char key[32];
    struct divan_error err;
    struct tally tally;
    tally_init(&tally, w->collection);
    divan_queue *q = divan_queue_new(w->cluster);
    if (w->number % 4 == 3) divan_queue_fd(q);
    for (int i = 0; i < w->rounds; i++) {
        divan_result *r = NULL;
        snprintf(key, sizeof key, "w%d.%d", w->number, i % 10);
        MUST(divan_upsert(w->collection, divan_str(key), divan_str(key), NULL, NULL, &err));
        MUST(divan_get_start(w->collection, divan_str(key), NULL, (struct divan_done){.queue = q}, &err));
        if (w->number % 2)
            MUST(divan_get_start(w->collection, divan_str(key), NULL,
                                 (struct divan_done){.fn = count_one, .user = &tally}, &err));
        MUST(divan_get(w->collection, divan_str(key), NULL, &r, &err));
        assert_true(value_is(r, key));
        divan_result_release(r);
        while (!divan_queue_pop(q, &r, 1, 1000)) {}
        assert_true(value_is(r, key));
        divan_result_release(r);
        w->done++;
    }
    if (w->number % 2) await(&tally, (unsigned)w->rounds);
    divan_queue_free(q);
    return NULL;
}

static void many_threads_share_a_cluster(void **state)
{
    enum { THREADS = 8, ROUNDS = 300 };
    struct stage *t = *state;
    struct worker w[THREADS];
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.stage = t,
                               .number = i,
                               .rounds = ROUNDS,
                               .collection = i % 2 ? t->other : t->people,
                               .cluster = t->cluster};
        pthread_create(&w[i].thread, NULL, work, &w[i]);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(w[i].thread, NULL);
    for (int i = 0; i < THREADS; i++) assert_int_equal(w[i].done, ROUNDS);
}

static void *read_until_closed(void *user)
{
    struct worker *w = user;
    struct divan_error err;
    for (;;) {
        enum divan_code rc = divan_increment(w->collection, divan_str("n"), 1,
                                             &(struct divan_counter_options){.create = true}, NULL, &err);
        if (rc == DIVAN_ERR_CANCELLED) {
            w->cancelled++;
            return NULL;
        }
        assert_int_equal(rc, DIVAN_OK);
        w->done++;
    }
}

static void await_in_flight(divan_cluster *cluster, int count)
{
    char words[40];
    snprintf(words, sizeof words, "\"in_flight\":%d,", count);
    for (bool there = false; !there; poll(NULL, 0, 1)) {
        char *text = divan_cluster_metrics(cluster);
        there = strstr(text, words) != NULL;
        free(text);
    }
}

/* The engine is paused, so that operations are certainly in flight when the handle is closed. */
static void closing_completes_what_is_in_flight(void **state)
{
    struct stage *t = *state;
    for (int round = 0; round < 10; round++) {
        struct worker w[4];
        struct tally tally;
        struct divan_error err;
        struct engine_thread node;
        engine_thread_start(&node);
        divan_cluster *cluster = open_at(&node);
        divan_collection *c = divan_cluster_collection(cluster, NULL, NULL, NULL, &err);
        MUST(divan_upsert(c, divan_str("k"), divan_str("v"), NULL, NULL, &err));
        atomic_store(&node.stop, true); /* the node's loop ends: nothing is answered any more */
        io_wake(node.loop);
        pthread_join(node.thread, NULL);
        tally_init(&tally, c);
        for (int i = 0; i < 4; i++) {
            w[i] = (struct worker){.collection = c, .cluster = cluster};
            pthread_create(&w[i].thread, NULL, read_until_closed, &w[i]);
        }
        for (int i = 0; i < 100; i++)
            MUST(divan_get_start(c, divan_str("k"), NULL, (struct divan_done){.fn = count_one, .user = &tally}, &err));
        await_in_flight(cluster, 104); /* no thread may still be about to use the handle */
        poll(NULL, 0, round);
        uint64_t start = now_ms();
        divan_cluster_close(cluster);
        assert_true(now_ms() - start < 100);
        assert_int_equal(tally.count, 100);
        assert_int_equal(tally.good, 0);
        for (int i = 0; i < 4; i++) pthread_join(w[i].thread, NULL);
        for (int i = 0; i < 4; i++) assert_int_equal(w[i].cancelled, 1);
        pthread_create(&node.thread, NULL, engine_run, &node);
        engine_thread_stop(&node);
    }
    (void)t;
}

/* ---- the rest */

static void a_child_leaves_the_parent_alone(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    MUST(divan_upsert(t->people, divan_str("k"), divan_str("v"), NULL, NULL, &err));
    divan_queue *q = divan_queue_new(t->cluster);
    pid_t child = fork();
    if (!child) {
        int bad = divan_get(t->people, divan_str("k"), NULL, NULL, &err) != DIVAN_ERR_CLUSTER_CLOSED;
        bad |= divan_get_start(t->people, divan_str("k"), NULL, (struct divan_done){.queue = q}, &err) !=
               DIVAN_ERR_CLUSTER_CLOSED;
        bad |= divan_cluster_collection(t->cluster, NULL, NULL, NULL, &err) != NULL;
        bad |= divan_cluster_metrics(t->cluster) != NULL;
        bad |= divan_queue_new(t->cluster) != NULL;
        divan_queue_free(q);
        divan_cluster_close(t->cluster);
        _exit(bad);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    MUST(divan_get(t->people, divan_str("k"), NULL, NULL, &err));
    divan_queue_free(q);
}

static void metrics_are_json(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    for (int i = 0; i < 10; i++) MUST(divan_upsert(t->people, divan_str("k"), divan_str("v"), NULL, NULL, &err));
    char *text = divan_cluster_metrics(t->cluster);
    assert_non_null(text);
    assert_true(json_is_valid(divan_str(text)));
    struct json_value all = json_value_of(divan_str(text));
    struct json_value upsert = json_member(json_member(all, "operations"), "upsert");
    int64_t count = 0;
    assert_true(json_to_i64(json_member(upsert, "ok"), &count));
    assert_true(count >= 10);
    free(text);
}

static void lines_are_logged_to_the_program(void *user, enum divan_log_level level, const char *text)
{
    _Atomic unsigned *lines = user;
    if (level && *text) atomic_fetch_add(lines, 1);
}

static void the_log_callback_gets_lines(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    _Atomic unsigned lines = 0;
    divan_cluster *cluster = NULL;
    const struct divan_cluster_options o = {.username = "u",
                                            .password = "p",
                                            .log = lines_are_logged_to_the_program,
                                            .log_user = &lines,
                                            .log_level = DIVAN_LOG_DEBUG};
    engine_must(divan_cluster_open(&cluster, t->node.connstr, &o, &err), &err);
    divan_cluster_close(cluster);
    assert_true(atomic_load(&lines) > 3);
}

static void nothing_is_allocated_in_steady_state(void **state)
{
    struct stage *t = *state;
    struct divan_error err;
    char value[4096];
    divan_result *r;
    memset(value, 'x', sizeof value);
    uint64_t before = 0;
    for (int i = 0; i < 200; i++) {
        if (i == 100) before = mem_count();
        MUST(divan_upsert(t->people, divan_str("k"), bytes_of(value, sizeof value), NULL, NULL, &err));
        MUST(divan_get(t->people, divan_str("k"), NULL, &r, &err));
        divan_result_release(r);
    }
    /* The node of this test allocates in the same process; the benchmark counts the client alone. */
    assert_true(mem_count() - before < 100 * 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set, strike)
    const struct CMUnitTest tests[] = {
        TEST(each_operation_does_what_it_says),
        TEST(values_of_all_sizes_come_back),
        TEST(a_short_deadline_passes_in_time),
        TEST(a_bucket_that_does_not_exist_is_told),
        TEST(callbacks_come_once_each),
        TEST(callbacks_may_start_operations_but_not_wait),
        TEST(a_queue_is_driven_by_popping),
        TEST(nobody_needs_to_pop_for_progress),
        TEST(what_is_started_leaves_even_when_nobody_pops),
        TEST(a_queue_can_be_polled),
        TEST(a_queue_may_be_freed_with_operations_in_flight),
        TEST(results_outlive_the_cluster),
        TEST(many_threads_share_a_cluster),
        TEST(closing_completes_what_is_in_flight),
        TEST(a_child_leaves_the_parent_alone),
        TEST(metrics_are_json),
        TEST(the_log_callback_gets_lines),
        TEST(nothing_is_allocated_in_steady_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
