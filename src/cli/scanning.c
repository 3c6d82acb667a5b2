#include "cli/scanning.h"

#include "base/error.h"

#define ROW(...) OPT(struct scanning_args, __VA_ARGS__)
const struct opt_row scanning_rows[] = {
    ROW(prefix, "prefix", 0, OPT_TEXT, "TEXT", "keys that begin with it"),
    ROW(from, "from", 0, OPT_TEXT, "KEY", "keys from this one on, in the order of their bytes"),
    ROW(to, "to", 0, OPT_TEXT, "KEY", "keys up to this one"),
    ROW(exclude_from, "exclude-from", 0, OPT_FLAG, NULL, "not the key of --from itself"),
    ROW(exclude_to, "exclude-to", 0, OPT_FLAG, NULL, "not the key of --to itself"),
    ROW(sample, "sample", 0, OPT_NUMBER, "N", "about so many random documents, never more", .min = 1),
    ROW(seed, "seed", 0, OPT_NUMBER, "N", "with --sample: what the random choice begins with", .min = 1),
    ROW(limit, "limit", 'n', OPT_NUMBER, "N", "stop after so many documents", .min = 1),
    ROW(concurrency, "concurrency", 0, OPT_NUMBER, "N", "vBuckets scanned at once (default 16)", .min = 1, .max = 1024),
    ROW(timeout_ms, "timeout", 0, OPT_MS, "MS",
        "give up when the server is silent for so long; connecting too (default 75s and 10s)", .env = "DIVAN_TIMEOUT",
        .min = 1, .max = 3600000),
    {0},
};

static struct divan_scan what(const struct scanning_args *args)
{
    return (struct divan_scan){
        .from = divan_str(args->from),
        .to = divan_str(args->to),
        .exclude_from = args->exclude_from,
        .exclude_to = args->exclude_to,
        .prefix = divan_str(args->prefix),
        .sample = args->sample.value,
        .sample_seed = args->seed.value,
    };
}

enum divan_code scanning_run(divan_collection *collection, const struct scanning_args *args, scanning_fn *fn,
                             void *user, struct divan_error *err)
{
    const struct divan_scan scan = what(args);
    const struct divan_scan_options options = {
        .timeout_ms = (uint32_t)args->timeout_ms.value,
        .ids_only = args->ids_only,
        .concurrency = (uint32_t)args->concurrency.value,
    };
    divan_scanner *scanner = NULL;
    struct divan_scan_item item;
    uint64_t count = 0, limit = args->limit.given ? args->limit.value : UINT64_MAX;
    enum divan_code rc = divan_scan_open(collection, &scan, &options, &scanner, err);
    while (!rc && count < limit) {
        rc = divan_scan_next(scanner, &item, err);
        if (!rc && !fn(user, &item)) break;
        count += !rc;
    }
    divan_scan_close(scanner);
    return rc == DIVAN_ERR_RANGE_SCAN_COMPLETED ? DIVAN_OK : rc;
}
