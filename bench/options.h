/* The command line that both benchmarks share, and where their processes run. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>

enum pin_mode {
    PIN_NONE,  /* wherever the scheduler likes */
    PIN_SAME,  /* client and server on one processor: repeats best, and is where a scheduler puts a pair like this */
    PIN_APART, /* a processor each */
};
enum pin_role { PIN_SERVER, PIN_CLIENT };

struct bench_options {
    unsigned rounds, sync_calls, batch_calls;
    enum pin_mode pin;
    bool json;
    const char *query; /* options appended to the connection string */
};

/** Exits with a usage text when something is not understood. */
void bench_options_parse(struct bench_options *o, int argc, char **argv);
/** Moves this process (and what it starts from now on) to its processor. */
void pin(enum pin_mode mode, enum pin_role role);
const char *pin_text(enum pin_mode mode);

#endif
