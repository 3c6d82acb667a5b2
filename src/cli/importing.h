/* The work of divan import: lines are read into a batch, the batch is stored with many operations in flight, and then all of
 * its lines are done with, which is what a checkpoint says. */
#ifndef DIVAN_CLI_IMPORTING_H
#define DIVAN_CLI_IMPORTING_H

#include <stdio.h>

#include <divan/divan.h>

#include "cli/checkpoint.h"
#include "cli/line.h"
#include "cli/lines.h"

enum importing_form { IMPORT_DOCUMENTS /* lines of cli/line.h */, IMPORT_VALUES /* each line is a document */ };

struct importing_plan {
    enum importing_form form;
    const char *key_form; /* NULL = the line says its key */
    enum divan_store store;
    uint32_t timeout_ms, expiry_s; /* expiry_s: of lines that tell none; 0 = never */
    enum divan_durability durability;
    size_t window; /* operations in flight */
    FILE *rejects; /* lines that were refused, as they were; NULL = nowhere */
    void *user;
    /** A line was refused, for this reason. */
    void (*refused)(void *user, uint64_t line, const struct divan_error *err);
    /** Now and then: done is what has been stored or refused so far. False = stop after this batch. */
    bool (*turn)(void *user, uint64_t done);
};

struct importing {
    const struct importing_plan *plan;
    divan_cluster *cluster;
    divan_collection *collection;
    struct lines *lines;
    struct checkpoint place; /* everything up to here is done with */
    uint64_t expired;        /* documents that were not stored since their time is over */
    struct importing_batch *batch;
};

/** The next batch. *more is false at the end of the input and after an interruption. On an error `place` is where the batch
 * began: what it had stored already is stored again by who continues there. Errors: FILE_READ, FILE_WRITE, OUT_OF_MEMORY, and of
 * operations what says nothing about the document (timeouts, lost connections). */
enum divan_code importing_step(struct importing *im, bool *more, struct divan_error *err);
void importing_fini(struct importing *im);

#endif
