/* The node against Debian's memcached with one thread, both driven by the same bare loop in interleaved rounds; and how
 * fast it is there, and how much memory it holds when idle. */
#include "floor.h"
#include "options.h"
#include "program.h"
#include "stats.h"

#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 100, VALUE_BYTES = 256, VBUCKETS = 1024, STARTS = 7, UP_OUTPUT = 16384 };

static struct bench_options options;
static char divan[PATH_MAX], folder[] = "/tmp/divan-bench-XXXXXX";

struct node {
    char user[64], password[64], bucket[64];
    uint16_t kv;
    pid_t pid;
};

static bool node_start(struct node *n)
{
    static char out[UP_OUTPUT];
    const char *argv[] = {divan, "up", "--detach", "--json", "--dir", folder, "--memory", "--port-base", "auto", NULL};
    if (program_run(argv, out, sizeof out)) return fprintf(stderr, "bench: divan up failed: %s\n", out), false;
    const char *nodes = strstr(out, "\"nodes\"");
    long kv = nodes ? json_number(nodes, "kv") : -1, pid = nodes ? json_number(nodes, "pid") : -1;
    if (kv <= 0 || pid <= 0 || !json_text(out, "username", n->user, sizeof n->user) ||
        !json_text(out, "password", n->password, sizeof n->password) ||
        !json_text(out, "bucket", n->bucket, sizeof n->bucket))
        return fprintf(stderr, "bench: divan up printed: %s\n", out), false;
    n->kv = (uint16_t)kv;
    n->pid = (pid_t)pid;
    return true;
}

static void node_stop(void)
{
    char out[1024];
    program_run((const char *const[]){divan, "down", "--dir", folder, NULL}, out, sizeof out);
}

/* From exec of `divan up` to the first document stored. */
static bool measure_start(struct series *ready_ms, struct series *idle_mb)
{
    for (int i = 0; i < STARTS; i++) {
        struct node node;
        struct floor floor;
        uint64_t begin = now_ns();
        bool right = node_start(&node) && floor_open(&floor, node.kv, 1, VBUCKETS) &&
                     floor_login(&floor, node.user, node.password, node.bucket) &&
                     floor_fill(&floor, VBUCKETS, VALUE_BYTES);
        series_add(ready_ms, (double)(now_ns() - begin) / 1e6);
        if (right) {
            floor_close(&floor);
            usleep(200000); /* let the start settle */
            series_add(idle_mb, (double)process_resident_kb(node.pid) / 1024);
        }
        node_stop();
        if (!right) return fputs("bench: the node did not take a document\n", stderr), false;
    }
    return true;
}

struct side {
    struct floor floor;
    pid_t pid;
    struct series rate, p50_us, cpu_us;
};

static bool side_round(struct side *s)
{
    static uint32_t latency[1 << 20];
    uint64_t cpu = process_cpu_ns(s->pid), begin = now_ns();
    for (unsigned i = 0; i < options.batch_calls; i++)
        if (!floor_get_batch(&s->floor)) return false;
    double ops = (double)options.batch_calls * BATCH;
    series_add(&s->rate, ops * 1e3 / (double)(now_ns() - begin));
    series_add(&s->cpu_us, (double)(process_cpu_ns(s->pid) - cpu) / ops / 1e3);
    uint64_t last = now_ns();
    for (unsigned i = 0; i < options.sync_calls; i++) {
        if (!floor_get(&s->floor)) return false;
        uint64_t now = now_ns();
        latency[i] = (uint32_t)(now - last);
        last = now;
    }
    sort_u32(latency, options.sync_calls);
    series_add(&s->p50_us, share_of_u32(latency, options.sync_calls, 0.5) / 1e3);
    return true;
}

static bool memcached_start(struct side *s)
{
    char port[8];
    uint16_t number = free_port();
    snprintf(port, sizeof port, "%u", number);
    const char *argv[] = {"memcached",
                          "-t",
                          "1",
                          "-B",
                          "binary",
                          "-l",
                          "127.0.0.1",
                          "-U",
                          "0",
                          "-p",
                          port,
                          "-u",
                          geteuid() ? NULL : "nobody",
                          NULL};
    if (geteuid()) argv[11] = NULL;
    s->pid = program_start(argv);
    return s->pid > 0 && port_wait(number, 3000) && floor_open(&s->floor, number, BATCH, 0) &&
           floor_fill(&s->floor, 0, VALUE_BYTES);
}

static bool compare(struct side *ours, struct side *theirs, struct series *rate, struct series *p50)
{
    struct node node;
    if (!node_start(&node)) return false;
    ours->pid = node.pid;
    bool right = floor_open(&ours->floor, node.kv, BATCH, VBUCKETS) &&
                 floor_login(&ours->floor, node.user, node.password, node.bucket) &&
                 floor_fill(&ours->floor, VBUCKETS, VALUE_BYTES);
    if (!right) return fputs("bench: the node does not serve\n", stderr), false;
    if (!memcached_start(theirs)) return fputs("bench: no memcached here: ./dev setup\n", stderr), false;
    pin(options.pin, PIN_CLIENT);
    for (unsigned i = 0; right && i < options.rounds; i++) {
        right = side_round(ours) && side_round(theirs);
        if (!right) break;
        series_add(rate, ours->rate.values[i] / theirs->rate.values[i]);
        series_add(p50, ours->p50_us.values[i] / theirs->p50_us.values[i]);
    }
    return right;
}

int main(int argc, char **argv)
{
    bench_options_parse(&options, argc, argv);
    char self[PATH_MAX] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0 || !mkdtemp(folder)) return perror("bench"), 2;
    snprintf(divan, sizeof divan, "%.4000s/../bin/divan", dirname(self));

    static struct side ours, theirs;
    static struct series ready_ms, idle_mb, rate, p50;
    bool right = measure_start(&ready_ms, &idle_mb);
    pin(options.pin, PIN_SERVER);
    right = right && compare(&ours, &theirs, &rate, &p50);
    floor_close(&ours.floor);
    floor_close(&theirs.floor);
    node_stop();
    program_stop(theirs.pid);
    rmdir(folder);
    if (!right) return 2;

    int json = options.json, met = 1;
    if (!json)
        printf("GET of %d bytes, one connection, %u rounds, %s\n", VALUE_BYTES, options.rounds, pin_text(options.pin));
    report_head(json);
    met &= report(json, "node_get_100_over_memcached", &rate, "ratio", GOAL_AT_LEAST, 0.8);
    met &= report(json, "node_ready_ms", &ready_ms, "ms", GOAL_AT_MOST, 100);
    met &= report(json, "node_idle_mb", &idle_mb, "MB", GOAL_AT_MOST, 20);
    report(json, "node_get_p50_over_memcached", &p50, "ratio", GOAL_NONE, 0);
    report(json, "node_get_100_throughput", &ours.rate, "M/s", GOAL_NONE, 0);
    report(json, "memcached_get_100_throughput", &theirs.rate, "M/s", GOAL_NONE, 0);
    report(json, "node_get_100_cpu", &ours.cpu_us, "us", GOAL_NONE, 0);
    report(json, "memcached_get_100_cpu", &theirs.cpu_us, "us", GOAL_NONE, 0);
    report(json, "node_get_p50", &ours.p50_us, "us", GOAL_NONE, 0);
    report(json, "memcached_get_p50", &theirs.p50_us, "us", GOAL_NONE, 0);
    return met ? 0 : 1;
}
