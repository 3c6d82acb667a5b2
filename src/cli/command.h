/* One command = one file with one self-describing entry; the table of them is in commands.c. */
#ifndef DIVAN_CLI_COMMAND_H
#define DIVAN_CLI_COMMAND_H

#include "cli/options.h"

/** Exit statuses, the same for every command. */
enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_TROUBLE = 2 };

struct command {
    const char *name;
    const char *summary;               /* one line, begins lower-case, no full stop */
    const char *operands;              /* "KEY [VALUE]" */
    size_t operands_min, operands_max; /* max 0 with min 0: none */
    const char *text;                  /* the paragraphs of its help; NULL = the summary says it all */
    const char *example;               /* command lines, one per line; NULL = none */
    const struct opt_group *groups;
    size_t args_size; /* of the struct the groups point into; run() gets it filled */
    int (*run)(const void *args, const struct operands *operands);
    bool hidden; /* not in the list of commands */
};

extern const struct command *const commands[]; /* NULL-terminated, in the order of the help */

const struct command *command_find(const char *name); /**< NULL: no such command */
/** Parses and runs one command line (argv[0] is the program). Returns the exit status. */
int command_main(int argc, char **argv);

/** "divan NAME: sentence" on standard error; for what is wrong with the call. Returns EXIT_TROUBLE. */
int command_fail(const char *name, const struct divan_error *err);

#endif
