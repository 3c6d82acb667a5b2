#include "options.h"

#include "stats.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const pin_names[] = {"none", "same", "apart"};

static void usage(const char *program)
{
    fprintf(stderr,
            "usage: %s [--json] [--rounds N] [--calls N] [--batches N] [--pin none|same|apart] [--query OPTIONS]\n"
            "  --rounds    interleaved rounds, 1..%d (default 15)\n"
            "  --calls     blocking operations per round and side (default 20000)\n"
            "  --batches   batches of 100 per round and side (default 5000)\n"
            "  --pin       processors of client and server: anywhere, the same one, one each (default same)\n"
            "  --query     options for the connection string\n"
            "Exit status 1: a goal was missed by the whole 10-90 %% range.\n",
            program, ROUNDS_MAX);
    exit(2);
}

static unsigned number(const char *program, const char *text, unsigned max)
{
    char *end = NULL;
    unsigned long v = text ? strtoul(text, &end, 10) : 0;
    if (!v || v > max || *end) usage(program);
    return (unsigned)v;
}

void bench_options_parse(struct bench_options *o, int argc, char **argv)
{
    *o = (struct bench_options){.rounds = 15, .sync_calls = 20000, .batch_calls = 5000, .pin = PIN_SAME};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(name, "--json")) {
            o->json = true;
            continue;
        }
        i++;
        if (!strcmp(name, "--rounds")) o->rounds = number(argv[0], value, ROUNDS_MAX);
        else if (!strcmp(name, "--calls")) o->sync_calls = number(argv[0], value, 1 << 20);
        else if (!strcmp(name, "--batches")) o->batch_calls = number(argv[0], value, 1 << 20);
        else if (!strcmp(name, "--query") && value) o->query = value;
        else if (!strcmp(name, "--pin") && value) {
            unsigned mode = 0;
            while (mode < 3 && strcmp(value, pin_names[mode])) mode++;
            if (mode == 3) usage(argv[0]);
            o->pin = (enum pin_mode)mode;
        } else usage(argv[0]);
    }
}

void pin(enum pin_mode mode, enum pin_role role)
{
    static cpu_set_t allowed;
    if (mode == PIN_NONE) return;
    if (!CPU_COUNT(&allowed)) sched_getaffinity(0, sizeof allowed, &allowed);
    int first = -1, second = -1;
    for (int i = 0; i < CPU_SETSIZE && second < 0; i++)
        if (CPU_ISSET(i, &allowed)) *(first < 0 ? &first : &second) = i;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(mode == PIN_APART && role == PIN_SERVER && second >= 0 ? second : first, &one);
    sched_setaffinity(0, sizeof one, &one);
}

const char *pin_text(enum pin_mode mode)
{
    switch (mode) {
    case PIN_SAME:
        return "client and server on one processor";
    case PIN_APART:
        return "client and server on a processor each";
    case PIN_NONE:
        break;
    }
    return "client and server anywhere";
}
