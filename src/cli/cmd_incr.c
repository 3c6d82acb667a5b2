#include <stddef.h>

#include "cli/document.h"

static const struct opt_row rows[] = {
    DOC(delta, "delta", 'n', OPT_NUMBER, "N", "by how much", .preset = "1", .min = 1),
    DOC(initial, "initial", 0, OPT_NUMBER, "N",
        "create a missing counter with this value; without it, that is an error"),
    DOC(expiry_s, "expiry", 0, OPT_SECONDS, "S", "of a counter that is created; 0 = never", .max = UINT32_MAX),
    ROW_DURABILITY,
    ROW_TIMEOUT,
    ROW_JSON,
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

static enum divan_code op(const struct document *d, divan_result **out, struct divan_error *err)
{
    const struct divan_counter_options options = {
        .timeout_ms = (uint32_t)d->args->timeout_ms.value,
        .durability = (enum divan_durability)d->args->durability.index,
        .create = d->args->initial.given,
        .initial = d->args->initial.value,
        .expiry_s = (uint32_t)d->args->expiry_s.value,
    };
    return divan_increment(d->collection, d->key, d->args->delta.value, &options, out, err);
}

static int run(const void *args, const struct operands *operands)
{
    static const struct document_plan plan = {.name = "incr", .op = op, .show = SHOW_NUMBER};
    return document_run(&plan, args, operands);
}

const struct command command_incr = {
    .name = "incr",
    .summary = "add to a counter",
    .operands = "KEY",
    .operands_min = 1,
    .operands_max = 1,
    .text = "Adds N and prints the new value; it wraps at 2^64.",
    .example = "divan incr visits --initial 1",
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
