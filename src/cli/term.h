/* What an output can show. Everything drawn asks here, so that a log file gets plain lines of plain characters. */
#ifndef DIVAN_CLI_TERM_H
#define DIVAN_CLI_TERM_H

#include <divan/types.h>

struct term {
    bool live;         /* a terminal that can redraw */
    bool colour;       /* live, and the user has not set NO_COLOR */
    bool utf8;         /* the locale writes UTF-8 */
    int columns, rows; /* 80 x 24 when not known */
};

/** Looks at a descriptor and the environment (TERM, NO_COLOR, COLUMNS, the locale). */
struct term term_of(int fd);

enum term_style { TERM_PLAIN, TERM_BOLD, TERM_DIM, TERM_GOOD, TERM_BAD, TERM_WARN, TERM_ACCENT };
/** The escape sequence that begins a style, "" without colour. TERM_PLAIN ends one. */
const char *term_style(const struct term *t, enum term_style style);

/** Columns a UTF-8 text takes: code points, which is right for what this program prints. */
size_t text_columns(const char *text);

#endif
