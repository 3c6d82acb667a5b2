/* Help and reference pages, made from the tables of the commands. */
#ifndef DIVAN_CLI_HELP_H
#define DIVAN_CLI_HELP_H

#include "base/bytes.h"
#include "cli/command.h"
#include "cli/term.h"

void help_overview(struct buf *out, const struct term *term);
void help_command(const struct command *c, struct buf *out, const struct term *term);
/** docs/cli.md as a whole. */
void help_reference(struct buf *out);

#endif
