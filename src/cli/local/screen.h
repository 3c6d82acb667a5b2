/* The live status of `divan up`, as text. */
#ifndef DIVAN_CLI_LOCAL_SCREEN_H
#define DIVAN_CLI_LOCAL_SCREEN_H

#include "base/bytes.h"
#include "cli/local/record.h"
#include "cli/local/stats.h"
#include "cli/term.h"

struct screen {
    const struct record *record;
    const struct stats *stats;
    const bool *alive; /* per node; NULL = all */
    uint64_t uptime_s;
    const char *event; /* the last thing that happened; NULL = nothing */
    bool keys;         /* q stops */
    bool once;         /* not live: no uptime, no word on how to stop */
};

/** Appends the screen: lines with newlines, none wider than the terminal, no more lines than it has. Returns how many. */
size_t screen_draw(const struct screen *s, const struct term *term, struct buf *out);

#endif
