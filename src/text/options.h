/* Client options: one table (defs/options.def) gives the struct, the parser, the defaults and the reference list. */
#ifndef DIVAN_TEXT_OPTIONS_H
#define DIVAN_TEXT_OPTIONS_H

#include "text/connstr.h"

/* Choices, in the order of their names in defs/options.def. */
enum ip_protocol { IP_ANY, IP_FORCE_IPV4, IP_FORCE_IPV6 };
enum tls_verify { TLS_VERIFY_PEER, TLS_VERIFY_NONE };

/* Values of all options. Strings are owned; NULL = not given. Durations are milliseconds. */
struct options {
#define OPTION_DURATION(name, aliases, standard, min, max, text)  uint32_t name##_ms;
#define OPTION_BOOL(name, aliases, standard, text)                bool name;
#define OPTION_INT(name, aliases, standard, min, max, unit, text) uint32_t name;
#define OPTION_RATIO(name, aliases, standard, min, max, text)     double name;
#define OPTION_CHOICE(name, aliases, choices, standard, text)     int name;
#define OPTION_STRING(name, aliases, standard, text)              char *name;
#define OPTION_IGNORED(name, text)
#include "../../defs/options.def"
    uint8_t was_set[32]; /* bit i: row i of options_list() was given; see options_was_set() */
};

enum option_type { OPT_DURATION, OPT_BOOL, OPT_INT, OPT_RATIO, OPT_CHOICE, OPT_STRING, OPT_IGNORED };

/* A row of the table, for parsing, help, bindings and the reference page. */
struct option_info {
    const char *name;
    const char *aliases; /* "a,b"; "" = none */
    enum option_type type;
    const char *unit;     /* "ms", "bytes", "" */
    const char *standard; /* the default as text; "" = none */
    double min, max;      /* durations (ms), ints, ratios */
    const char *choices;  /* "any|force_ipv4|force_ipv6"; synonyms "peer=on|none=no_verify" */
    const char *text;     /* what it does, one sentence */
    size_t offset;        /* of the field in struct options */
};
/** All rows in the order of the table; static. */
const struct option_info *options_list(size_t *count);
/** The row of a name or alias (any case); NULL when unknown. */
const struct option_info *options_find(struct divan_bytes name);
/** Appends up to three names that resemble `name`, "a, b, c"; nothing when none does. */
void options_near(struct divan_bytes name, struct buf *out);

/** All defaults. String defaults are NULL in the struct. A struct that was initialised is freed with options_fini(). */
void options_init(struct options *o);
void options_fini(struct options *o); /**< a zeroed one is fine */

/** Sets one option from text. name_column and value_column: where they stand in a connection string, 1-based, for the
 * sentence; 0 = not from a string. value NULL = no "=" was written (accepted for booleans as true). Ignored options are
 * accepted with any value. Errors: OPTION_UNKNOWN (with near names), OPTION_NO_VALUE, OPTION_NOT_BOOLEAN,
 * OPTION_NOT_NUMBER, OPTION_NOT_DURATION, OPTION_RANGE, OPTION_CHOICE, OUT_OF_MEMORY. On error nothing changes. */
enum divan_code options_set(struct options *o, const char *name, const char *value, size_t name_column,
                            size_t value_column, struct divan_error *err);
/** Sets every parameter of the string in order (the last of a repeated one holds) and checks the result. *o must be
 * initialised and keeps what was set before an error. Errors: as options_set() and options_check(). */
enum divan_code options_from_connstr(struct options *o, const struct connstr *cs, struct divan_error *err);
/** Contradictions between options, and between options and the string. Errors: OPTION_CONFLICT. */
enum divan_code options_check(const struct options *o, const struct connstr *cs, struct divan_error *err);
bool options_was_set(const struct options *o, const char *name);

/** Appends all values as one JSON object {"kv_timeout":2500,...}: durations in ms, passwords as "***". */
void options_json(const struct options *o, struct buf *out);

#endif
