/* The n-th malloc, calloc or realloc of a whole life of the client fails, wherever it is made, in libraries too: for every n
 * in a process of its own, against a node in another process. Nothing may crash or hang. */
#include "unit/engine_thread.h"

#include <divan/divan.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define INTERPOSED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define INTERPOSED 0
#endif
#endif
#if !defined(INTERPOSED) && defined(__GLIBC__)
#define INTERPOSED 1
#endif

static _Atomic long made, fail_at = -1;

#if INTERPOSED
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool refuse(void)
{
    if (atomic_load_explicit(&fail_at, memory_order_relaxed) < 0) return false;
    if (atomic_fetch_add(&made, 1) != atomic_load(&fail_at)) return false;
    errno = ENOMEM;
    return true;
}
void *malloc(size_t size)
{
    return refuse() ? NULL : __libc_malloc(size);
}
void *calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __libc_calloc(n, size);
}
void *realloc(void *old, size_t size)
{
    return refuse() ? NULL : __libc_realloc(old, size);
}
#endif

enum { SURVIVED = 10, REFUSED, NEVER_REACHED, LIMIT_S = 20 };

/* The life: open, store, read, count, close. Exit status: how it went. */
static int live(const char *connstr, long n)
{
    struct divan_error err = {.code = DIVAN_OK};
    divan_cluster *cluster = NULL;
    divan_result *result = NULL;
    atomic_store(&made, 0);
    atomic_store(&fail_at, n);
    const struct divan_cluster_options o = {
        .username = "u", .password = "p", .open_timeout_ms = 3000, .kv_timeout_ms = 1500};
    enum divan_code rc = divan_cluster_open(&cluster, connstr, &o, &err);
    if (!rc) {
        divan_collection *c = divan_cluster_collection(cluster, NULL, NULL, NULL, &err);
        divan_collection *named = divan_cluster_collection(cluster, NULL, "s", "c", &err);
        if (c) divan_upsert(c, divan_str("k"), divan_str("value"), NULL, NULL, &err);
        if (c && !divan_get(c, divan_str("k"), NULL, &result, &err)) divan_result_release(result);
        if (named)
            divan_increment(named, divan_str("n"), 1, &(struct divan_counter_options){.create = true}, NULL, &err);
        free(divan_cluster_metrics(cluster));
    }
    divan_cluster_close(cluster);
    if (atomic_load(&made) <= n) return NEVER_REACHED;
    return rc ? REFUSED : SURVIVED;
}

/* An engine in a process of its own; it ends with its parent. */
static pid_t start_node(char *connstr, size_t cap)
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    pid_t node = fork();
    if (!node) {
        static struct engine_thread t;
        pid_t parent = getppid();
        engine_thread_start(&t);
        if (write(pipes[1], t.connstr, sizeof t.connstr) < 0) _exit(1);
        while (getppid() == parent) sleep(1);
        _exit(0);
    }
    assert_true(read(pipes[0], connstr, cap) > 0);
    close(pipes[0]);
    close(pipes[1]);
    return node;
}

/* The exit status, or minus the signal; hanging ends with SIGALRM. */
static int one_life(const char *connstr, long n)
{
    int status = 0;
    pid_t child = fork();
    if (!child) {
        alarm(LIMIT_S);
        _exit(live(connstr, n));
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void no_failed_allocation_kills_the_process(void **state)
{
    char connstr[80] = "";
    if (!INTERPOSED) skip();
    pid_t node = start_node(connstr, sizeof connstr);
    unsigned survived = 0, refused = 0, killed = 0;
    for (long n = 0;; n++) {
        int how = one_life(connstr, n);
        if (how == NEVER_REACHED) break;
        survived += how == SURVIVED;
        refused += how == REFUSED;
        if (how < 0) {
            killed++;
            print_message("allocation %ld: signal %d\n", n, -how);
        }
    }
    print_message("%u points: %u opened all the same, %u were told at opening, %u died\n", survived + refused + killed,
                  survived, refused, killed);
    kill(node, SIGTERM);
    waitpid(node, NULL, 0);
    assert_true(survived + refused > 100);
    assert_int_equal(killed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_failed_allocation_kills_the_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
