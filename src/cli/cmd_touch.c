#include <stddef.h>

#include "cli/document.h"

static const struct opt_row rows[] = {
    DOC(expiry_s, "expiry", 0, OPT_SECONDS, "S", "the new expiry: the document goes away after so long; 0 = never",
        .preset = "0", .max = UINT32_MAX),
    ROW_TIMEOUT,
    ROW_JSON,
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

static enum divan_code op(const struct document *d, divan_result **out, struct divan_error *err)
{
    const struct divan_touch_options options = {
        .timeout_ms = (uint32_t)d->args->timeout_ms.value,
    };
    return divan_touch(d->collection, d->key, (uint32_t)d->args->expiry_s.value, &options, out, err);
}

static int run(const void *args, const struct operands *operands)
{
    static const struct document_plan plan = {.name = "touch", .op = op};
    return document_run(&plan, args, operands);
}

const struct command command_touch = {
    .name = "touch",
    .summary = "give a document a new expiry",
    .operands = "KEY",
    .operands_min = 1,
    .operands_max = 1,
    .example = "divan touch session::4711 --expiry 30m",
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
