#include <stddef.h>

#include "cli/document.h"

static const struct opt_row rows[] = {
    ROW_CAS, ROW_DURABILITY, ROW_TIMEOUT, ROW_JSON, {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

static enum divan_code op(const struct document *d, divan_result **out, struct divan_error *err)
{
    const struct divan_remove_options options = {
        .timeout_ms = (uint32_t)d->args->timeout_ms.value,
        .durability = (enum divan_durability)d->args->durability.index,
        .cas = d->args->cas.value,
    };
    return divan_remove(d->collection, d->key, &options, out, err);
}

static int run(const void *args, const struct operands *operands)
{
    static const struct document_plan plan = {.name = "remove", .op = op};
    return document_run(&plan, args, operands);
}

const struct command command_remove = {
    .name = "remove",
    .summary = "remove a document",
    .operands = "KEY",
    .operands_min = 1,
    .operands_max = 1,
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
