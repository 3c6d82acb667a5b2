#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/near.h"

struct help_args {
    bool reference;
};

static const struct opt_row rows[] = {
    OPT(struct help_args, reference, "reference", 0, OPT_FLAG, NULL, "print the reference page as Markdown"),
    {0},
};
static const struct opt_group groups[] = {{"Options", rows, 0}, {0}};

static int unknown(const char *name)
{
    struct near near = {.wanted = name};
    struct divan_error err;
    for (const struct command *const *c = commands; *c; c++) near_offer(&near, (*c)->name);
    const char *best = near_answer(&near);
    err_set(&err, DIVAN_ERR_USAGE, "there is no command \"%s\"%s%s%s", name, best ? ": did you mean \"" : "",
            best ? best : "", best ? "\"?" : ": divan help lists the commands");
    return command_fail("help", &err);
}

static int run(const void *args_, const struct operands *operands)
{
    struct term term = term_of(STDOUT_FILENO);
    struct buf out = {.limit = 1 << 20};
    /* called for "divan COMMAND --help" too, with the arguments of that command */
    const struct command *c = operands->count ? command_find(operands->items[0]) : NULL;
    if (operands->count && !c) return unknown(operands->items[0]);
    if (c) help_command(c, &out, &term);
    else if (((const struct help_args *)args_)->reference) help_reference(&out);
    else help_overview(&out, &term);
    if (!out.failed) fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    return EXIT_DONE;
}

const struct command command_help = {
    .name = "help",
    .summary = "show what a command does and takes",
    .operands = "[COMMAND]",
    .operands_max = 1,
    .groups = groups,
    .args_size = sizeof(struct help_args),
    .run = run,
};
