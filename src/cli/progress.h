/* A progress bar: one line redrawn in place on a terminal, a plain line now and then elsewhere. */
#ifndef DIVAN_CLI_PROGRESS_H
#define DIVAN_CLI_PROGRESS_H

#include <stdio.h>

#include "base/bytes.h"
#include "cli/term.h"

struct progress {
    FILE *out;
    struct term term;
    const char *label; /* borrowed */
    uint64_t total;    /* 0 = not known */
    double part;       /* of the work that is done, where the total is not known; below 0 = not known either */
    uint64_t begun_ns, drawn_ns;
    unsigned quarters; /* said already, on a plain output */
    bool drawn;
};

/** label ("loading") is borrowed until progress_end(). total 0: it is not known; who knows how far it is sets p->part. */
void progress_begin(struct progress *p, FILE *out, const struct term *term, const char *label, uint64_t total);
/** Draws when enough time has passed since the last drawing; cheap otherwise, but reads the clock: call it per batch. */
void progress_update(struct progress *p, uint64_t done);
/** Makes room for a line of text: what follows begins at the left of an empty line. */
void progress_yield(struct progress *p);
/** Draws the end and leaves the line. */
void progress_end(struct progress *p, uint64_t done);
/** The bar as text, for progress_update and for tests: exactly one line, no newline, at most term->columns - 1 wide. */
void progress_draw(const struct progress *p, uint64_t done, double per_s, struct buf *out);

#endif
