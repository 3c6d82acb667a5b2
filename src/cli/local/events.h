/* Signals and keys for a program that waits in a loop: a small thread collects them and wakes the loop. */
#ifndef DIVAN_CLI_LOCAL_EVENTS_H
#define DIVAN_CLI_LOCAL_EVENTS_H

#include "io/io.h"

enum event_bits {
    EVENT_STOP = 1,   /* SIGINT, SIGTERM, SIGHUP, or the key q */
    EVENT_CHILD = 2,  /* a child process ended */
    EVENT_RESIZE = 4, /* the terminal has another size */
};

struct events;

/** Blocks the signals in this thread (and those it makes) and starts watching; keys: also standard input, which is switched
 * to single keys until events_free(). To be called before other threads exist. NULL with err filled: SYSTEM. */
struct events *events_new(struct io_loop *, bool keys, struct divan_error *err);
unsigned events_take(struct events *); /**< what came since the last call, enum event_bits */
void events_free(struct events *);     /**< gives the terminal and the signals back; NULL is fine */

#endif
