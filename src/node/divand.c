/* divand: one node of a local cluster. */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "node/node.h"

enum { EXIT_USAGE = 2, VBUCKETS_MAX = 1024 };

static const char help[] =
    "usage: divand [OPTIONS]\n"
    "\n"
    "One node of a Couchbase-compatible local cluster, for development and tests. Alone it is a cluster of one, not "
    "yet\n"
    "set up: do that over REST, as with Couchbase Server (couchbase-cli cluster-init, testcontainers), or use `divan "
    "up`.\n"
    "\n"
    "  --memory             keep everything in memory (default)\n"
    "  --data DIR           keep documents and the set-up of the cluster (buckets, collections, users) in DIR, which "
    "must\n"
    "                       exist. All documents are in memory as well; those of ephemeral buckets are there alone\n"
    "  --host ADDRESS       address to listen on (default 127.0.0.1)\n"
    "  --port-base P        management on P, key-value on P+10, with TLS on P+50 and P+7; without it the standard "
    "ports\n"
    "                       8091, 11210, 18091, 11207 (P+2, P+52, 8092 and 18092 are kept for views, which come "
    "later)\n"
    "  --any-port           free ports, see the line printed when ready\n"
    "  --vbuckets N         vBuckets of new buckets, 1 to 1024 (default 1024)\n"
    "  --manager HOST:PORT  be a node of the cluster of this manager; its token is in --token or in the environment\n"
    "                       variable DIVAN_MANAGER_TOKEN\n"
    "  --token TOKEN        the manager's token (others on this machine can see it: prefer the variable)\n"
    "  --init USER:PASSWORD[:BUCKET,...]\n"
    "                       set the cluster up at the first start: administrator and buckets\n"
    "  --json               print one JSON object when ready, instead of a line\n"
    "  --log LEVEL          error, warn, info, debug or trace, to standard error (default warn; also DIVAN_LOG)\n"
    "  --help, --version\n";

struct arguments {
    struct node_options node;
    char manager_host[64];
    char init[512];
    const char *buckets[32];
    struct manager_setup setup;
    enum log_level level;
    bool json;
};

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "divand: %s%s%s. See divand --help.\n", what, value ? " " : "", value ? value : "");
    return EXIT_USAGE;
}

/* ---- options */

static bool take_number(const char *text, long low, long high, uint16_t *out)
{
    char *end = NULL;
    long n = strtol(text, &end, 10);
    if (!*text || *end || n < low || n > high) return false;
    *out = (uint16_t)n;
    return true;
}

/* "127.0.0.1:5000" or "[::1]:5000" */
static bool take_address(const char *text, struct arguments *a)
{
    const char *colon = strrchr(text, ':');
    bool brackets = text[0] == '[';
    size_t len = colon ? (size_t)(colon - text) : 0;
    if (brackets) text++, len = len > 2 ? len - 2 : 0;
    if (!len || len >= sizeof a->manager_host || !take_number(colon + 1, 1, 65535, &a->node.manager_port)) return false;
    snprintf(a->manager_host, sizeof a->manager_host, "%.*s", (int)len, text);
    a->node.manager_host = a->manager_host;
    return true;
}

static bool take_init(const char *text, struct arguments *a)
{
    text_copy(a->init, sizeof a->init, text);
    char *password = strchr(a->init, ':'), *buckets = password ? strchr(password + 1, ':') : NULL;
    if (!password) return false;
    *password++ = 0;
    if (buckets) *buckets++ = 0;
    a->setup = (struct manager_setup){.user = a->init, .password = password, .buckets = a->buckets};
    for (char *name = buckets ? strtok(buckets, ",") : NULL; name; name = strtok(NULL, ",")) {
        if (a->setup.bucket_count == sizeof a->buckets / sizeof *a->buckets) return false;
        a->buckets[a->setup.bucket_count++] = name;
    }
    a->node.setup = &a->setup;
    return true;
}

static bool take_level(const char *text, struct arguments *a)
{
    int level = log_level_parse(text);
    if (level >= 0) a->level = (enum log_level)level;
    return level >= 0;
}

enum option_kind {
    OPT_MEMORY = 1,
    OPT_DATA,
    OPT_HOST,
    OPT_BASE,
    OPT_ANY,
    OPT_VBUCKETS,
    OPT_MANAGER,
    OPT_TOKEN,
    OPT_INIT,
    OPT_JSON,
    OPT_LOG,
    OPT_HELP,
    OPT_VERSION
};

static const struct option_row {
    const char *name;
    enum option_kind option;
    bool value;
} rows[] = {
    {"memory", OPT_MEMORY, false},   {"data", OPT_DATA, true},     {"host", OPT_HOST, true},
    {"port-base", OPT_BASE, true},   {"any-port", OPT_ANY, false}, {"vbuckets", OPT_VBUCKETS, true},
    {"manager", OPT_MANAGER, true},  {"token", OPT_TOKEN, true},   {"init", OPT_INIT, true},
    {"json", OPT_JSON, false},       {"log", OPT_LOG, true},       {"help", OPT_HELP, false},
    {"version", OPT_VERSION, false},
};
enum { ROWS = sizeof rows / sizeof *rows };

/* -1: go on; else the exit status. */
static int take_option(struct arguments *a, enum option_kind o, const char *value)
{
    bool fits = true;
    switch (o) {
    case OPT_MEMORY:
        a->node.data_dir = NULL;
        break;
    case OPT_DATA:
        a->node.data_dir = value;
        break;
    case OPT_HOST:
        a->node.host = value;
        break;
    case OPT_BASE:
        fits = take_number(value, 1024, 65000, &a->node.port_base);
        break;
    case OPT_ANY:
        a->node.any_port = true;
        break;
    case OPT_VBUCKETS:
        fits = take_number(value, 1, VBUCKETS_MAX, &a->node.vbuckets);
        break;
    case OPT_MANAGER:
        fits = take_address(value, a);
        break;
    case OPT_TOKEN:
        a->node.manager_token = value;
        break;
    case OPT_INIT:
        fits = take_init(value, a);
        break;
    case OPT_JSON:
        a->json = true;
        break;
    case OPT_LOG:
        fits = take_level(value, a);
        break;
    case OPT_HELP:
        fputs(help, stdout);
        return 0;
    case OPT_VERSION:
        puts("divand " DIVAN_VERSION);
        return 0;
    }
    return fits ? -1 : usage("this value is not acceptable:", value);
}

static int parse(int argc, char **argv, struct arguments *a)
{
    struct option longs[ROWS + 1] = {0};
    for (int i = 0; i < ROWS; i++)
        longs[i] = (struct option){rows[i].name, rows[i].value ? required_argument : no_argument, NULL,
                                   (int)rows[i].option};
    opterr = 0;
    for (int o; (o = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        if (o == '?') return usage("unknown option, or one without its value:", argv[optind - 1]);
        int status = take_option(a, (enum option_kind)o, optarg);
        if (status >= 0) return status;
    }
    if (optind < argc) return usage("what is this:", argv[optind]);
    return -1;
}

/* ---- the end: signals are taken by a thread of their own, because a handler may do next to nothing */

struct ending {
    struct io_loop *loop;
    sigset_t signals;
    _Atomic bool asked;
};

static void *wait_for_signal(void *user)
{
    struct ending *e = user;
    int which = 0;
    while (sigwait(&e->signals, &which) != 0) {}
    atomic_store(&e->asked, true);
    io_wake(e->loop);
    return NULL;
}

static bool watch_signals(struct ending *e, pthread_t *thread)
{
    sigemptyset(&e->signals);
    sigaddset(&e->signals, SIGTERM);
    sigaddset(&e->signals, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    return pthread_sigmask(SIG_BLOCK, &e->signals, NULL) == 0 && pthread_create(thread, NULL, wait_for_signal, e) == 0;
}

/* ---- running */

struct running {
    struct node *node;
    bool json, ready;
};

static void on_ready(void *user)
{
    ((struct running *)user)->ready = true;
}

static void announce(const struct running *r)
{
    const struct map_ports *p = node_ports(r->node);
    const char *host = node_host(r->node);
    bool v6 = strchr(host, ':') != NULL;
    if (r->json)
        printf("{\"pid\":%ld,\"host\":\"%s\",\"uuid\":\"%s\",\"mgmt\":%u,\"kv\":%u,\"views\":%u}\n", (long)getpid(),
               host, node_uuid(r->node), p->plain[SVC_MGMT], p->plain[SVC_KV], p->plain[SVC_VIEWS]);
    else
        printf("divand %s is ready: management http://%s%s%s:%u, key-value port %u\n", DIVAN_VERSION, v6 ? "[" : "",
               host, v6 ? "]" : "", p->plain[SVC_MGMT], p->plain[SVC_KV]);
    fflush(stdout);
}

static void run(struct running *r, struct ending *e)
{
    bool announced = false;
    while (!atomic_load(&e->asked)) {
        io_run_once(e->loop, IO_NEVER);
        if (r->ready && !announced) announce(r), announced = true;
    }
}

/* Goodbyes still have to leave: a node that stops ends its connections in order. */
static void wind_down(struct io_loop *loop)
{
    enum { LONGEST_MS = 200 };
    uint64_t until_ns = io_refresh_now(loop) + LONGEST_MS * NS_PER_MS;
    while (io_run_once(loop, 0) && io_refresh_now(loop) < until_ns) {}
}

int main(int argc, char **argv)
{
    struct arguments a = {.level = LOG_WARN};
    struct divan_error err = {0};
    struct ending ending = {0};
    pthread_t thread;
    if (getenv("DIVAN_LOG")) take_level(getenv("DIVAN_LOG"), &a);
    a.node.manager_token = getenv("DIVAN_MANAGER_TOKEN");
    int status = parse(argc, argv, &a);
    if (status >= 0) return status;

    struct log log = {.level = a.level, .fn = log_to_stderr};
    struct running r = {.json = a.json};
    a.node.log = &log;
    ending.loop = io_loop_new_uv(&err);
    if (ending.loop && !watch_signals(&ending, &thread)) err_set(&err, DIVAN_ERR_SYSTEM, "signals cannot be watched");
    if (!err.code) r.node = node_start(ending.loop, &a.node, on_ready, &r, &err);
    if (r.node) {
        run(&r, &ending);
        pthread_join(thread, NULL);
    } else fprintf(stderr, "divand: %s\n", err.message);
    node_stop(r.node);
    if (ending.loop) wind_down(ending.loop);
    if (r.node || !ending.loop)
        io_loop_free(ending.loop); /* else the thread may still use it; the process ends anyway */
    return r.node ? 0 : 1;
}
