/* A file or standard input, line by line, with the place of each. */
#ifndef DIVAN_CLI_LINES_H
#define DIVAN_CLI_LINES_H

#include "base/bytes.h"

enum { LINES_MAX_BYTES = 64 << 20 }; /* of one line */

struct lines {
    int fd;
    const char *name; /* for messages; borrowed */
    struct buf data;
    size_t at, searched; /* in data: the next line; up to here there is no end of it */
    bool ended, too_long;
    uint64_t number; /* of the line given last, from 1 */
    uint64_t offset; /* behind it, in bytes */
    uint64_t size;   /* of a regular file; 0 = not known */
};

enum lines_event {
    LINES_LINE,
    LINES_TOO_LONG, /* the line was passed over */
    LINES_END,
    LINES_INTERRUPTED, /* a signal came while waiting */
    LINES_FAILED,
};

/** path "-" is standard input. lines_close() in any case. FILE_READ. */
enum divan_code lines_open(struct lines *l, const char *path, struct divan_error *err);
/** Goes behind a line: to the offset in a file, else by reading that many lines. FILE_READ, USAGE when offset is not the
 * beginning of a line or the input is shorter. offset 0 = not known. */
enum divan_code lines_skip(struct lines *l, uint64_t offset, uint64_t number, struct divan_error *err);
/** The line without its end ("\n" or "\r\n"), borrowed until the next call. The last one may lack it. err is filled with FAILED:
 * FILE_READ, OUT_OF_MEMORY. */
enum lines_event lines_next(struct lines *l, struct divan_bytes *out, struct divan_error *err);
/** Whether lines_next() has something at once; for who could do other work meanwhile. */
bool lines_ready(const struct lines *l);
void lines_close(struct lines *l);

#endif
