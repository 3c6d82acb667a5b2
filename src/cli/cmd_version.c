#include <stdio.h>

#include <divan/divan.h>

#include "cli/command.h"

static int run(const void *args, const struct operands *operands)
{
    printf("divan %s\n", divan_version());
    return EXIT_DONE;
}

const struct command command_version = {
    .name = "version",
    .summary = "show the version",
    .run = run,
};
