/* One read of several copies of a document at once. Each copy is an operation of its own; the first success is the answer
 * (or all of them are), and only when none is left the failure is told. */
#ifndef DIVAN_CLIENT_RACE_H
#define DIVAN_CLIENT_RACE_H

#include <divan/replica.h>

#include "client/client.h"

struct race;

/* Where the outcome of a race goes that somebody waits for. */
struct race_outcome {
    struct operation *results[DIVAN_COPIES_MAX]; /* successes, yours; of a race for all by copy, NULL = not read */
    struct operation *failed;                    /* yours; NULL = there was a success */
};

/** NULL: out of memory. name: of the call, in errors; static. all: every copy counts, not the first. outcome NULL = the
 * result is delivered as that of any operation. */
struct race *race_new(struct client *c, const char *name, bool all, struct race_outcome *outcome);
/** Takes the filled operation over as the next copy, the active one first; how the race is delivered is taken from that one. */
void race_enter(struct race *race, struct operation *op, enum divan_read_from from);
/** Starts all; the race belongs to the client now. On error (as client_start()) nothing was started, nothing is delivered, and
 * everything is released. */
enum divan_code race_start(struct race *race, struct divan_error *err);

/** Instead of starting: releases everything. NULL is fine. */
void race_abandon(struct race *race);

/** For client_route(): the operation has no node that it could go to. True when it was ended because of that. */
bool race_give_up(struct client *c, struct operation *op);
/** For bucket_target(): the position of the node that has the copy, -1 = none that may be asked. */
int race_position(const struct client *c, const struct map *map, const struct operation *op);

#endif
