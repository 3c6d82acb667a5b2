#include <stddef.h>

#include "base/error.h"
#include "cli/document.h"

static const struct opt_row rows[] = {
    DOC(cas, "cas", 0, OPT_NUMBER, "N", "what divan lock printed; needed", .min = 1),
    ROW_TIMEOUT,
    ROW_JSON,
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, GROUP_CONNECTION, {0}};

static enum divan_code op(const struct document *d, divan_result **out, struct divan_error *err)
{
    const struct divan_lock_options options = {.timeout_ms = (uint32_t)d->args->timeout_ms.value};
    return divan_unlock(d->collection, d->key, d->args->cas.value, &options, out, err);
}

static int run(const void *args_, const struct operands *operands)
{
    static const struct document_plan plan = {.name = "unlock", .op = op};
    const struct document_args *args = args_;
    struct divan_error err;
    if (args->cas.given) return document_run(&plan, args, operands);
    err_set(&err, DIVAN_ERR_USAGE, "--cas is missing: divan lock printed it");
    return command_fail("unlock", &err);
}

const struct command command_unlock = {
    .name = "unlock",
    .summary = "open the lock of a document",
    .operands = "KEY",
    .operands_min = 1,
    .operands_max = 1,
    .groups = groups,
    .args_size = sizeof(struct document_args),
    .run = run,
};
