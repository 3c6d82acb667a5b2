#include <stddef.h>

#include "base/error.h"
#include "cli/document.h"

static const struct opt_row rows[] = {
    ROW_EXPIRY,
    DOC(with_expiry, "with-expiry", 0, OPT_FLAG, NULL,
        "with --json: tell when the document expires, in seconds since 1970"),
    DOC(project, "project", 0, OPT_LIST, "PATH", "only this part of it, as in a.b[0]"),
    ROW_TIMEOUT,
    ROW_JSON,
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

static enum divan_code op(const struct document *d, divan_result **out, struct divan_error *err)
{
    uint32_t timeout_ms = (uint32_t)d->args->timeout_ms.value;
    const struct divan_get_options get = {
        .timeout_ms = timeout_ms,
        .with_expiry = d->args->with_expiry,
        .project = d->args->project.items,
        .project_count = d->args->project.count,
    };
    if (d->args->expiry_s.given && (get.with_expiry || get.project_count))
        return err_set(err, DIVAN_ERR_USAGE, "--expiry cannot go with --with-expiry or --project");
    const struct divan_touch_options touch = {.timeout_ms = timeout_ms};
    uint32_t expiry_s = (uint32_t)d->args->expiry_s.value;
    return d->args->expiry_s.given ? divan_get_and_touch(d->collection, d->key, expiry_s, &touch, out, err)
                                   : divan_get(d->collection, d->key, &get, out, err);
}

static int run(const void *args, const struct operands *operands)
{
    static const struct document_plan plan = {.name = "get", .op = op, .show = SHOW_VALUE};
    return document_run(&plan, args, operands);
}

const struct command command_get = {
    .name = "get",
    .summary = "print a document",
    .operands = "KEY",
    .operands_min = 1,
    .operands_max = 1,
    .text = "The value goes to standard output byte for byte; on a terminal a newline follows when it has none. With "
            "--expiry the "
            "document gets a new expiry in the same step.",
    .example = "divan get user::1\ndivan get -C couchbase://db1 -u app -b users --json user::1 | jq .cas",
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
