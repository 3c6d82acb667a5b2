#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "cli/near.h"
#include "text/duration.h"

/* ---- one value */

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit units_none[] = {{"", 1}, {0}};
static const struct unit units_s[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {0}};
static const struct unit units_size[] = {{"", 1},          {"K", 1 << 10},   {"M", 1 << 20},   {"G", 1 << 30},
                                         {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {0}};

static bool whole_parse(const char *text, const struct unit *units, uint64_t *out)
{
    if (!isdigit((unsigned char)text[0])) return false; /* strtoull would take signs and spaces */
    bool hex = units == units_none && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, hex ? 16 : 10);
    if (errno) return false;
    for (const struct unit *u = units; u->name; u++) {
        if (strcasecmp(u->name, end) != 0) continue;
        if (n > UINT64_MAX / u->factor) return false;
        *out = n * u->factor;
        return true;
    }
    return false;
}

/* Rounded up: a time that was given is never cut to none. */
static bool duration_in(const char *text, int64_t unit_ns, uint64_t *out)
{
    int64_t ns;
    if (!duration_parse(divan_str(text), &ns, NULL) || ns < 0) return false;
    *out = (uint64_t)(ns / unit_ns + (ns % unit_ns != 0));
    return true;
}

static bool number_parse(enum opt_kind kind, const char *text, uint64_t *out)
{
    switch (kind) {
    case OPT_SIZE:
        return whole_parse(text, units_size, out);
    case OPT_MS:
        return duration_in(text, 1000000, out);
    case OPT_SECONDS:
        return whole_parse(text, units_s, out) || duration_in(text, 1000000000, out);
    default:
        return whole_parse(text, units_none, out);
    }
}

static const char *const number_names[] = {
    [OPT_NUMBER] = "a whole number",
    [OPT_SIZE] = "a size in bytes such as 512, 4K or 20M",
    [OPT_MS] = "a time in milliseconds such as 2500, or with its unit as in 2.5s",
    [OPT_SECONDS] = "a time in seconds such as 30, or with its unit as in 10m, 2h, 7d",
};

static enum divan_code number_set(const struct opt_row *row, const char *text, struct opt_number *field, bool given,
                                  struct divan_error *err)
{
    uint64_t n;
    if (!number_parse(row->kind, text, &n))
        return err_set(err, DIVAN_ERR_USAGE, "--%s takes %s, not \"%s\"", row->name, number_names[row->kind], text);
    if (row->max && n > row->max)
        return err_set(err, DIVAN_ERR_USAGE, "--%s %s is too large: at most %" PRIu64, row->name, text, row->max);
    if (n < row->min)
        return err_set(err, DIVAN_ERR_USAGE, "--%s %s is too small: at least %" PRIu64, row->name, text, row->min);
    *field = (struct opt_number){n, given};
    return DIVAN_OK;
}

static const char *skip_marks(const char *text)
{
    while (*text == '-' || *text == '_') text++;
    return text;
}

/* "majority-and-persist", "MAJORITY_AND_PERSIST" and "majorityAndPersist" are one name */
static bool same_choice(const char *a, const char *b)
{
    for (;; a++, b++) {
        a = skip_marks(a);
        b = skip_marks(b);
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) return false;
        if (!*a) return true;
    }
}

static enum divan_code choice_set(const struct opt_row *row, const char *text, struct opt_choice *field, bool given,
                                  struct divan_error *err)
{
    struct buf names = {.limit = 256};
    for (int i = 0; row->choices[i]; i++) {
        if (same_choice(row->choices[i], text)) {
            *field = (struct opt_choice){i, given};
            buf_fini(&names);
            return DIVAN_OK;
        }
        buf_printf(&names, "%s%s", i ? ", " : "", row->choices[i]);
    }
    const char *known = buf_text(&names);
    enum divan_code rc = err_set(err, DIVAN_ERR_USAGE, "--%s takes one of %s, not \"%s\"", row->name,
                                 known ? known : "its choices", text);
    buf_fini(&names);
    return rc;
}

enum divan_code opt_set(const struct opt_row *row, const char *text, void *field, bool given, struct divan_error *err)
{
    switch (row->kind) {
    case OPT_FLAG:
        *(bool *)field = true;
        return DIVAN_OK;
    case OPT_TEXT:
        *(const char **)field = text;
        return DIVAN_OK;
    case OPT_CHOICE:
        return choice_set(row, text, field, given, err);
    case OPT_LIST: {
        struct opt_list *list = field;
        if (list->count == OPT_LIST_MAX)
            return err_set(err, DIVAN_ERR_USAGE, "--%s is given more than %d times", row->name, OPT_LIST_MAX);
        list->items[list->count++] = text;
        return DIVAN_OK;
    }
    default:
        return number_set(row, text, field, given, err);
    }
}

/* ---- finding rows */

struct found {
    const struct opt_row *row;
    void *field;
};

static struct found find(const struct opt_group *groups, const char *name, size_t len, char letter, void *args)
{
    for (const struct opt_group *g = groups; g && g->title; g++)
        for (const struct opt_row *row = g->rows; row->name; row++) {
            bool named = name && strlen(row->name) == len && memcmp(row->name, name, len) == 0;
            if (named || (letter && row->letter == letter))
                return (struct found){row, (char *)args + g->base + row->offset};
        }
    return (struct found){0};
}

static enum divan_code unknown_option(const struct opt_group *groups, const char *arg, struct divan_error *err)
{
    char wanted[80];
    size_t len = strcspn(arg + 2, "=");
    if (len >= sizeof wanted) len = sizeof wanted - 1;
    memcpy(wanted, arg + 2, len);
    wanted[len] = 0;
    struct near near = {.wanted = wanted};
    for (const struct opt_group *g = groups; g && g->title; g++)
        for (const struct opt_row *row = g->rows; row->name; row++) near_offer(&near, row->name);
    near_offer(&near, "help");
    const char *best = near_answer(&near);
    if (best) return err_set(err, DIVAN_ERR_USAGE, "unknown option --%s: did you mean --%s?", wanted, best);
    return err_set(err, DIVAN_ERR_USAGE, "unknown option --%s: --help lists the options", wanted);
}

/* ---- the environment and presets */

static enum divan_code from_environment(const struct opt_row *row, void *field, bool *found, struct divan_error *err)
{
    char name[64];
    for (const char *at = row->env; at && *at;) {
        size_t len = strcspn(at, " ");
        snprintf(name, sizeof name, "%.*s", (int)len, at);
        const char *value = getenv(name);
        if (value && *value) {
            *found = true;
            enum divan_code rc = opt_set(row, value, field, true, err);
            if (!rc || !err) return rc;
            char message[sizeof err->message];
            memcpy(message, err->message, sizeof message);
            return err_set(err, rc, "%s (from the environment variable %s)", message, name);
        }
        at += len;
        at += strspn(at, " ");
    }
    return DIVAN_OK;
}

static enum divan_code fill_defaults(const struct opt_group *groups, void *args, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    for (const struct opt_group *g = groups; g && g->title; g++)
        for (const struct opt_row *row = g->rows; !rc && row->name; row++) {
            void *field = (char *)args + g->base + row->offset;
            bool found = false;
            rc = from_environment(row, field, &found, err);
            if (!rc && !found && row->preset && row->kind != OPT_LIST)
                rc = opt_set(row, row->preset, field, false, err);
        }
    return rc;
}

/* A list given on the command line replaces its preset, so the preset comes last. */
static enum divan_code fill_lists(const struct opt_group *groups, void *args, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    for (const struct opt_group *g = groups; g && g->title; g++)
        for (const struct opt_row *row = g->rows; !rc && row->name; row++) {
            struct opt_list *list = (void *)((char *)args + g->base + row->offset);
            if (row->kind == OPT_LIST && row->preset && !list->count) rc = opt_set(row, row->preset, list, false, err);
        }
    return rc;
}

/* ---- the command line */

struct scan {
    const struct opt_group *groups;
    char **argv;
    int argc, at; /* at: the next argument to look at */
    void *args;
    struct operands *operands;
    bool help;
    struct divan_error *err;
};

static enum divan_code take_value(struct scan *s, struct found f, const char *attached, const char *shown)
{
    if (!attached && s->at == s->argc)
        return err_set(s->err, DIVAN_ERR_USAGE, "%s needs a value: %s", shown, f.row->placeholder);
    return opt_set(f.row, attached ? attached : s->argv[s->at++], f.field, true, s->err);
}

static enum divan_code take_long(struct scan *s, const char *arg)
{
    const char *name = arg + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] ? name + len + 1 : NULL;
    if (len == 4 && memcmp(name, "help", 4) == 0) return s->help = true, DIVAN_OK;
    struct found f = find(s->groups, name, len, 0, s->args);
    if (!f.row) return unknown_option(s->groups, arg, s->err);
    if (f.row->kind != OPT_FLAG) return take_value(s, f, value, arg);
    if (value) return err_set(s->err, DIVAN_ERR_USAGE, "--%s takes no value, but got \"%s\"", f.row->name, value);
    return opt_set(f.row, NULL, f.field, true, s->err);
}

/* "-n3", "-n 3", and flags together as in "-vq" */
static enum divan_code take_short(struct scan *s, const char *arg)
{
    for (const char *c = arg + 1; *c; c++) {
        if (*c == 'h' && !find(s->groups, NULL, 0, 'h', s->args).row) return s->help = true, DIVAN_OK;
        struct found f = find(s->groups, NULL, 0, *c, s->args);
        char shown[3] = {'-', *c, 0};
        if (!f.row)
            return err_set(
                s->err, DIVAN_ERR_USAGE,
                "unknown option %s in \"%s\": --help lists the options, and what follows a lone -- is taken as it is",
                shown, arg);
        if (f.row->kind != OPT_FLAG) return take_value(s, f, c[1] ? c + 1 : NULL, shown);
        enum divan_code rc = opt_set(f.row, NULL, f.field, true, s->err);
        if (rc) return rc;
    }
    return DIVAN_OK;
}

static enum divan_code take_all(struct scan *s)
{
    bool only_operands = false;
    enum divan_code rc = DIVAN_OK;
    while (!rc && !s->help && s->at < s->argc) {
        const char *arg = s->argv[s->at++];
        if (only_operands || arg[0] != '-' || !arg[1]) s->operands->items[s->operands->count++] = arg;
        else if (arg[1] != '-') rc = take_short(s, arg);
        else if (arg[2]) rc = take_long(s, arg);
        else only_operands = true;
    }
    return rc;
}

enum divan_code opt_parse(const struct opt_group *groups, int argc, char **argv, void *args, struct operands *operands,
                          bool *help, struct divan_error *err)
{
    struct scan s = {.groups = groups, .argv = argv, .argc = argc, .args = args, .operands = operands, .err = err};
    /* help wins over a bad environment, so the command line is scanned even when the defaults fail */
    struct divan_error env_err;
    enum divan_code env_rc = fill_defaults(groups, args, &env_err);
    enum divan_code rc = take_all(&s);
    *help = s.help;
    if (rc || s.help) return rc;
    if (env_rc) return err ? (*err = env_err, env_rc) : env_rc;
    return fill_lists(groups, args, err);
}
