/* Shared between the files of the connection string parser only. */
#ifndef DIVAN_TEXT_CONNSTR_PARSE_H
#define DIVAN_TEXT_CONNSTR_PARSE_H

#include "base/alloc.h"
#include "base/error.h"
#include "text/connstr.h"

/* The whole text with what is known so far; parts are given as half-open ranges of offsets. */
struct connstr_scan {
    const char *text;
    struct connstr *out;
    struct divan_error *err;
};

struct range {
    size_t from, to;
};
static inline bool range_empty(struct range r)
{
    return r.from >= r.to;
}

/** Fails at an offset: the sentence begins with the column. Returns code. */
enum divan_code connstr_fail(const struct connstr_scan *s, enum divan_code code, size_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/** A NUL-terminated copy with percent escapes decoded; *out is yours. Errors: CONNSTR_ESCAPE, OUT_OF_MEMORY. */
enum divan_code connstr_decode(const struct connstr_scan *s, struct range part, char **out);

enum divan_code connstr_parse_hosts(struct connstr_scan *s, struct range hosts);
enum divan_code connstr_parse_bucket(struct connstr_scan *s, struct range bucket);
enum divan_code connstr_parse_params(struct connstr_scan *s, struct range params);

#endif
