#include <stddef.h>

#include "cli/document.h"

static const struct opt_row rows[] = {
    ROW_EXPIRY, ROW_FLAGS, ROW_DURABILITY, ROW_FILE, ROW_TIMEOUT, ROW_JSON, {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

static enum divan_code op(const struct document *d, divan_result **out, struct divan_error *err)
{
    const struct divan_insert_options options = {
        .timeout_ms = (uint32_t)d->args->timeout_ms.value,
        .expiry_s = (uint32_t)d->args->expiry_s.value,
        .flags = d->flags,
        .durability = (enum divan_durability)d->args->durability.index,
    };
    return divan_insert(d->collection, d->key, d->value, &options, out, err);
}

static int run(const void *args, const struct operands *operands)
{
    static const struct document_plan plan = {.name = "insert", .op = op, .takes_value = true};
    return document_run(&plan, args, operands);
}

const struct command command_insert = {
    .name = "insert",
    .summary = "store a document that does not exist yet",
    .operands = "KEY [VALUE]",
    .operands_min = 1,
    .operands_max = 2,
    .text = TEXT_VALUE,
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
