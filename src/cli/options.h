/* Option tables: the rows of a command are its parser, its help and its reference page. A row says where in the command's
 * argument struct its value goes; environment variables and defaults are texts that pass the same parser as the command
 * line, so what the help prints is what the program does. */
#ifndef DIVAN_CLI_OPTIONS_H
#define DIVAN_CLI_OPTIONS_H

#include <divan/types.h>

enum opt_kind {
    OPT_FLAG,    /* bool, no value */
    OPT_TEXT,    /* const char *, borrowed; NULL = not given and no default */
    OPT_LIST,    /* struct opt_list: repeatable text */
    OPT_NUMBER,  /* struct opt_number: decimal, or hexadecimal after 0x */
    OPT_SIZE,    /* struct opt_number: bytes; K, M and G multiply by 1024 */
    OPT_MS,      /* struct opt_number: milliseconds; with a unit as in text/duration.h, rounded up */
    OPT_SECONDS, /* struct opt_number: seconds; a unit may follow (d too), rounded up */
    OPT_CHOICE,  /* struct opt_choice: index in the NULL-terminated `choices`; case and "-", "_" do not matter */
};

struct opt_number {
    uint64_t value;
    bool given; /* by the user: neither default nor absent */
};
struct opt_choice {
    int index;
    bool given;
};
enum { OPT_LIST_MAX = 32 };
struct opt_list {
    const char *items[OPT_LIST_MAX];
    size_t count;
};

struct opt_row {
    const char *name; /* without dashes; NULL ends a table */
    char letter;      /* 0 = none */
    enum opt_kind kind;
    size_t offset; /* of the field in the argument struct of the group */
    const char *placeholder, *text;
    const char *preset; /* default as text; NULL = none */
    const char *env;    /* variables, first set one wins: "A B"; NULL = none */
    uint64_t min, max;  /* of numbers; max 0 = no limit */
    const char *const *choices;
};

/** A row; what follows the text are further fields: .preset = "1", .max = 10. */
#define OPT(type_, field_, name_, letter_, kind_, placeholder_, text_, ...)                                            \
    {                                                                                                                  \
        .name = name_, .letter = letter_, .kind = kind_, .offset = offsetof(type_, field_),                            \
        .placeholder = placeholder_, .text = text_, __VA_ARGS__                                                        \
    }

struct opt_group {
    const char *title; /* NULL ends a list of groups */
    const struct opt_row *rows;
    size_t base; /* where the group's struct starts in the command's */
};

struct operands {
    const char **items;
    size_t count;
};

/** Fills args (zeroed by the caller) from presets, environment and argv (without program and command name). operands->items
 * must have room for argc entries. All texts are borrowed from argv and the environment. Stops at --help with *help set.
 * Errors: USAGE, with the nearest option named. */
enum divan_code opt_parse(const struct opt_group *groups, int argc, char **argv, void *args, struct operands *operands,
                          bool *help, struct divan_error *err);

/** Parses one value of a row into its field; for tests and for values that come from elsewhere. Errors: USAGE. */
enum divan_code opt_set(const struct opt_row *row, const char *text, void *field, bool given, struct divan_error *err);

#endif
