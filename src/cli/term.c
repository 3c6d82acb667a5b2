#include "cli/term.h"

#include <langinfo.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct term term_of(int fd)
{
    struct term t = {.columns = 80, .rows = 24};
    const char *kind = getenv("TERM"), *no_colour = getenv("NO_COLOR"), *columns = getenv("COLUMNS");
    t.live = isatty(fd) && kind && *kind && strcmp(kind, "dumb") != 0;
    t.colour = t.live && !(no_colour && *no_colour);
    t.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    struct winsize size;
    if (t.live && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col) {
        t.columns = size.ws_col;
        if (size.ws_row) t.rows = size.ws_row;
    } else if (columns && atoi(columns) >= 40) {
        t.columns = atoi(columns);
    }
    return t;
}

const char *term_style(const struct term *t, enum term_style style)
{
    static const char *const codes[] = {
        [TERM_PLAIN] = "\033[0m", [TERM_BOLD] = "\033[1m",  [TERM_DIM] = "\033[2m",     [TERM_GOOD] = "\033[32m",
        [TERM_BAD] = "\033[31m",  [TERM_WARN] = "\033[33m", [TERM_ACCENT] = "\033[36m",
    };
    return t->colour ? codes[style] : "";
}

size_t text_columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}
