#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/endpoints.h"

struct diagnostics_args {
    struct connect_args connect;
    struct opt_number timeout_ms;
    bool json;
};

#define DIAGNOSTICS(...) OPT(struct diagnostics_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    DIAGNOSTICS(timeout_ms, "timeout", 0, OPT_MS, "MS", "give up connecting after so long (default 10s)",
                .env = "DIVAN_TIMEOUT", .min = 1, .max = 3600000),
    DIAGNOSTICS(json, "json", 0, OPT_FLAG, NULL, "print the report as JSON, in the form of the Couchbase SDKs"),
    {0},
};
static const struct opt_group groups[] = {
    {"Options", rows, 0}, {"Connection", connect_bucket_rows, offsetof(struct diagnostics_args, connect)}, {0}};

static int run(const void *given, const struct operands *operands)
{
    const struct diagnostics_args *args = given;
    struct divan_error err;
    divan_cluster *cluster = NULL;
    size_t bad = 0;
    enum divan_code rc = endpoints_open(&args->connect, (uint32_t)args->timeout_ms.value, &cluster, &err);
    char *report = rc ? NULL : divan_cluster_diagnostics(cluster, NULL);
    if (!rc && !report) rc = err_oom(&err);
    if (!rc && args->json) puts(report);
    else if (!rc) bad = endpoints_print(report);
    free(report);
    divan_cluster_close(cluster);
    if (rc) return command_fail("diagnostics", &err);
    return bad ? EXIT_REFUSED : EXIT_DONE;
}

const struct command command_diagnostics = {
    .name = "diagnostics",
    .summary = "connect and show the state of every connection",
    .operands = "",
    .text =
        "Opens the cluster and the bucket as a program would, and prints one line for each connection with the reason "
        "when it is not there. Exits with 1 when one is missing.",
    .example = "divan diagnostics -C couchbase://db1/app",
    .groups = groups,
    .args_size = sizeof(struct diagnostics_args),
    .run = run,
};
