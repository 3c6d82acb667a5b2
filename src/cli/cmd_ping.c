#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "cli/endpoints.h"

struct ping_args {
    struct connect_args connect;
    struct opt_number timeout_ms;
    bool json;
};

#define PING(...) OPT(struct ping_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    PING(timeout_ms, "timeout", 0, OPT_MS, "MS",
         "give up after so long: connecting, and each endpoint (default 10s and 2500ms)", .env = "DIVAN_TIMEOUT",
         .min = 1, .max = 3600000),
    PING(json, "json", 0, OPT_FLAG, NULL, "print the report as JSON, in the form of the Couchbase SDKs"),
    {0},
};
static const struct opt_group groups[] = {
    {"Options", rows, 0}, {"Connection", connect_bucket_rows, offsetof(struct ping_args, connect)}, {0}};

static int run(const void *given, const struct operands *operands)
{
    const struct ping_args *args = given;
    uint32_t timeout_ms = (uint32_t)args->timeout_ms.value;
    const struct divan_ping_options options = {.timeout_ms = timeout_ms};
    struct divan_error err;
    divan_cluster *cluster = NULL;
    char *report = NULL;
    size_t bad = 0;
    enum divan_code rc = endpoints_open(&args->connect, timeout_ms, &cluster, &err);
    if (!rc) rc = divan_cluster_ping(cluster, &options, &report, &err);
    if (!rc && args->json) puts(report);
    else if (!rc) bad = endpoints_print(report);
    free(report);
    divan_cluster_close(cluster);
    if (rc) return command_fail("ping", &err);
    return bad ? EXIT_REFUSED : EXIT_DONE;
}

const struct command command_ping = {
    .name = "ping",
    .summary = "ask every endpoint of the cluster for a sign of life",
    .operands = "",
    .text =
        "Sends a NOOP on every key-value connection and a request to every management port, and prints one line for "
        "each: service, address, bucket, outcome, time. Exits with 1 when one does not answer.",
    .example = "divan ping\ndivan ping -C couchbases://db1 --ca ca.pem --json | jq .services.kv",
    .groups = groups,
    .args_size = sizeof(struct ping_args),
    .run = run,
};
