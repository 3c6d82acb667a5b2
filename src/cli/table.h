/* A small text table: a header, rows, and an optional last row set apart. Cells are copied. */
#ifndef DIVAN_CLI_TABLE_H
#define DIVAN_CLI_TABLE_H

#include "base/bytes.h"
#include "cli/term.h"

enum { TABLE_COLUMNS = 10 };

struct table {
    struct buf cells; /* NUL-terminated texts, row after row */
    size_t columns, rows;
    bool right[TABLE_COLUMNS]; /* aligned to the right */
    bool total;                /* the last row is a sum: a rule before it */
};

/** The header, one text per column separated by '|'; a text that begins with '>' is aligned to the right. */
void table_init(struct table *t, const char *header);
/** Adds one row of t->columns cells, in the same form. */
void table_add(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Adds one row of t->columns texts; NULL = "". For texts from outside, which may contain the separator. */
void table_add_cells(struct table *t, const char *const *cells);
/** Appends the drawn table, each line after `indent` spaces. A table that ran out of memory sets out->failed. */
void table_draw(const struct table *t, const struct term *term, int indent, struct buf *out);
void table_fini(struct table *t);

#endif
