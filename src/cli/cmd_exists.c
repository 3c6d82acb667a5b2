#include <stddef.h>

#include "cli/document.h"

static const struct opt_row rows[] = {
    ROW_TIMEOUT,
    ROW_JSON,
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

static enum divan_code op(const struct document *d, divan_result **out, struct divan_error *err)
{
    const struct divan_exists_options options = {
        .timeout_ms = (uint32_t)d->args->timeout_ms.value,
    };
    return divan_exists(d->collection, d->key, &options, out, err);
}

static int run(const void *args, const struct operands *operands)
{
    static const struct document_plan plan = {.name = "exists", .op = op, .show = SHOW_EXISTS};
    return document_run(&plan, args, operands);
}

const struct command command_exists = {
    .name = "exists",
    .summary = "tell whether a document exists",
    .operands = "KEY",
    .operands_min = 1,
    .operands_max = 1,
    .text = "Prints true or false and exits with 0 or 1.",
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
