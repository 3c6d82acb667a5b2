#include <stddef.h>

#include "cli/document.h"

static const struct opt_row rows[] = {
    ROW_CAS, ROW_DURABILITY, ROW_FILE, ROW_TIMEOUT, ROW_JSON, {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

static enum divan_code op(const struct document *d, divan_result **out, struct divan_error *err)
{
    const struct divan_append_options options = {
        .timeout_ms = (uint32_t)d->args->timeout_ms.value,
        .durability = (enum divan_durability)d->args->durability.index,
        .cas = d->args->cas.value,
    };
    return divan_prepend(d->collection, d->key, d->value, &options, out, err);
}

static int run(const void *args, const struct operands *operands)
{
    static const struct document_plan plan = {.name = "prepend", .op = op, .takes_value = true};
    return document_run(&plan, args, operands);
}

const struct command command_prepend = {
    .name = "prepend",
    .summary = "add bytes at the beginning of a document",
    .operands = "KEY [VALUE]",
    .operands_min = 1,
    .operands_max = 2,
    .text = TEXT_VALUE,
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
