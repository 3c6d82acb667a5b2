#include <stddef.h>

#include "cli/document.h"

static const struct opt_row rows[] = {
    DOC(lock_s, "for", 0, OPT_SECONDS, "S", "the lock opens by itself after so long", .preset = "15", .min = 1,
        .max = DIVAN_LOCK_MAX_S),
    ROW_TIMEOUT,
    ROW_JSON,
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

static enum divan_code op(const struct document *d, divan_result **out, struct divan_error *err)
{
    const struct divan_lock_options options = {.timeout_ms = (uint32_t)d->args->timeout_ms.value};
    return divan_get_and_lock(d->collection, d->key, (uint32_t)d->args->lock_s.value, &options, out, err);
}

static int run(const void *args, const struct operands *operands)
{
    static const struct document_plan plan = {.name = "lock", .op = op, .show = SHOW_CAS};
    return document_run(&plan, args, operands);
}

const struct command command_lock = {
    .name = "lock",
    .summary = "lock a document against writers",
    .operands = "KEY",
    .operands_min = 1,
    .operands_max = 1,
    .text =
        "Prints the CAS, which is the key to the lock: divan replace and divan remove with that --cas write and open "
        "it, divan unlock opens it. With --json the document is printed too. A lock of somebody else is waited for.",
    .example = "cas=$(divan lock user::1)\ndivan replace user::1 '{\"n\":2}' --cas $cas",
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
