#include "text/options.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "text/ascii.h"
#include "text/duration.h"
#include "text/json.h"

void options_init(struct options *o)
{
    *o = (struct options){
#define OPTION_DURATION(name, aliases, standard, min, max, text)  .name##_ms = standard,
#define OPTION_BOOL(name, aliases, standard, text)                .name = standard,
#define OPTION_INT(name, aliases, standard, min, max, unit, text) .name = standard,
#define OPTION_RATIO(name, aliases, standard, min, max, text)     .name = standard,
#define OPTION_CHOICE(name, aliases, choices, standard, text)     .name = standard,
#define OPTION_STRING(name, aliases, standard, text)
#define OPTION_IGNORED(name, text)
#include "../../defs/options.def"
    };
}

void options_fini(struct options *o)
{
#define OPTION_DURATION(name, aliases, standard, min, max, text)
#define OPTION_BOOL(name, aliases, standard, text)
#define OPTION_INT(name, aliases, standard, min, max, unit, text)
#define OPTION_RATIO(name, aliases, standard, min, max, text)
#define OPTION_CHOICE(name, aliases, choices, standard, text)
#define OPTION_STRING(name, aliases, standard, text) mem_free(o->name);
#define OPTION_IGNORED(name, text)
#include "../../defs/options.def"
    *o = (struct options){0};
}

/* ---- one value being set */

struct setting {
    struct options *options;
    const struct option_info *row;
    const char *name, *value; /* as the user wrote them */
    size_t name_column, value_column;
    struct divan_error *err;
};

static void *field(const struct setting *s)
{
    return (char *)s->options + s->row->offset;
}

/** The sentence begins with the option's name and, from a connection string, the column of the value. */
__attribute__((format(printf, 3, 4))) static enum divan_code refuse(const struct setting *s, enum divan_code code,
                                                                    const char *format, ...)
{
    char text[200], column[40] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (s->value_column) snprintf(column, sizeof column, " (column %zu)", s->value_column);
    return err_set(s->err, code, "option \"%.60s\"%s: %s", s->name, column, text);
}

static bool one_of(const char *value, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ascii_equal(value, strlen(value), names[i], strlen(names[i]))) return true;
    return false;
}

/* 1, 0, or -1 when it is neither. */
static int read_bool(const char *value)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    return one_of(value, yes, 4) ? 1 : one_of(value, no, 4) ? 0 : -1;
}

static enum divan_code set_bool(const struct setting *s)
{
    int value = s->value ? read_bool(s->value) : 1;
    if (value < 0) return refuse(s, DIVAN_ERR_OPTION_NOT_BOOLEAN, "\"%.40s\" is neither true nor false", s->value);
    *(bool *)field(s) = value;
    return DIVAN_OK;
}

static enum divan_code refuse_range(const struct setting *s)
{
    const char *blank = *s->row->unit ? " " : "";
    return refuse(s, DIVAN_ERR_OPTION_RANGE, "\"%.40s\" is out of range; give %.12g to %.12g%s%s", s->value,
                  s->row->min, s->row->max, blank, s->row->unit);
}

/* Digits with an optional fraction; no sign, no exponent. *whole tells whether there was none. False: no number. */
static bool read_number(const char *text, double *out, bool *whole)
{
    double value = 0, scale = 1;
    size_t digits = 0;
    *whole = true;
    for (; ascii_is_digit(*text); text++, digits++) value = value * 10 + (*text - '0');
    if (*text == '.') {
        *whole = false;
        for (text++; ascii_is_digit(*text); text++, digits++) value += (*text - '0') * (scale /= 10);
    }
    *out = value;
    return digits > 0 && !*text;
}

static enum divan_code set_number(const struct setting *s)
{
    bool whole = true, negative = *s->value == '-', real = s->row->type == OPT_RATIO;
    double value;
    if (!read_number(s->value + negative, &value, &whole) || (!whole && !real))
        return refuse(s, DIVAN_ERR_OPTION_NOT_NUMBER, "\"%.40s\" is no %snumber", s->value, real ? "" : "whole ");
    if (negative) value = -value;
    if (value < s->row->min || value > s->row->max) return refuse_range(s);
    if (real) *(double *)field(s) = value;
    else *(uint32_t *)field(s) = (uint32_t)value;
    return DIVAN_OK;
}

static enum divan_code set_duration(const struct setting *s)
{
    int64_t ns;
    size_t at = 0;
    if (!duration_parse(divan_str(s->value), &ns, &at))
        return refuse(
            s, DIVAN_ERR_OPTION_NOT_DURATION,
            "\"%.40s\" is no duration (character %zu); write 2500ms, 2.5s, 1m30s or a whole number of milliseconds",
            s->value, at + 1);
    int64_t ms = ns > 0 ? ns / 1000000 + (ns % 1000000 != 0) : ns < 0 ? -1 : 0; /* never shorter than asked */
    if ((double)ms < s->row->min || (double)ms > s->row->max) return refuse_range(s);
    *(uint32_t *)field(s) = (uint32_t)ms;
    return DIVAN_OK;
}

static enum divan_code set_choice(const struct setting *s)
{
    int index = 0;
    for (const char *at = s->row->choices; *at;) {
        size_t len = strcspn(at, "|=");
        if (ascii_equal(at, len, s->value, strlen(s->value))) {
            *(int *)field(s) = index;
            return DIVAN_OK;
        }
        index += at[len] == '|';
        at += len + (at[len] != 0);
    }
    return refuse(s, DIVAN_ERR_OPTION_CHOICE, "\"%.40s\" is not one of %s", s->value, s->row->choices);
}

static enum divan_code check_mechanisms(const struct setting *s)
{
    static const char *const known[] = {"PLAIN", "SCRAM-SHA1", "SCRAM-SHA256", "SCRAM-SHA512"};
    for (const char *at = s->value;;) {
        char name[24];
        size_t len = strcspn(at, ", ");
        snprintf(name, sizeof name, "%.*s", len < sizeof name ? (int)len : (int)sizeof name - 1, at);
        if (!one_of(name, known, 4))
            return refuse(s, DIVAN_ERR_OPTION_CHOICE,
                          "\"%s\" is not one of PLAIN, SCRAM-SHA1, SCRAM-SHA256, SCRAM-SHA512", name);
        at += len;
        if (!*at) return DIVAN_OK;
        at++;
    }
}

static enum divan_code set_string(const struct setting *s)
{
    char **to = field(s);
    enum divan_code rc = to == &s->options->allowed_sasl_mechanisms ? check_mechanisms(s) : DIVAN_OK;
    if (rc) return rc;
    char *copy = mem_strdup(s->value);
    if (!copy) return err_oom(s->err);
    mem_free(*to);
    *to = copy;
    return DIVAN_OK;
}

static enum divan_code set_ignored(const struct setting *s)
{
    return DIVAN_OK;
}

static enum divan_code refuse_unknown(const struct setting *s)
{
    char column[40] = "";
    struct buf near = {.limit = 512};
    options_near(divan_str(s->name), &near);
    const char *names = near.len ? buf_text(&near) : NULL;
    if (s->name_column) snprintf(column, sizeof column, " (column %zu)", s->name_column);
    err_set(s->err, DIVAN_ERR_OPTION_UNKNOWN, "option \"%.60s\"%s is not known%s%.120s%s", s->name, column,
            names ? "; did you mean " : "; see the list of options", names ? names : "", names ? "?" : "");
    buf_fini(&near);
    return DIVAN_ERR_OPTION_UNKNOWN;
}

static bool may_be_empty(const struct setting *s)
{
    return s->row->type == OPT_IGNORED || (s->row->type == OPT_BOOL && !s->value) ||
           (s->value && s->row->offset == offsetof(struct options, password));
}

enum divan_code options_set(struct options *o, const char *name, const char *value, size_t name_column,
                            size_t value_column, struct divan_error *err)
{
    static enum divan_code (*const setters[])(const struct setting *) = {
        [OPT_DURATION] = set_duration, [OPT_BOOL] = set_bool,     [OPT_INT] = set_number,      [OPT_RATIO] = set_number,
        [OPT_CHOICE] = set_choice,     [OPT_STRING] = set_string, [OPT_IGNORED] = set_ignored,
    };
    struct setting s = {o, options_find(divan_str(name)), name, value, name_column, value_column, err};
    if (!s.row) return refuse_unknown(&s);
    if ((!value || !*value) && !may_be_empty(&s))
        return refuse(&s, DIVAN_ERR_OPTION_NO_VALUE, "a value is missing; write %.60s=VALUE", name);
    enum divan_code rc = setters[s.row->type](&s);
    size_t index = (size_t)(s.row - options_list(NULL));
    if (!rc) o->was_set[index / 8] |= (uint8_t)(1u << index % 8);
    return rc;
}

bool options_was_set(const struct options *o, const char *name)
{
    const struct option_info *row = options_find(divan_str(name));
    size_t index = row ? (size_t)(row - options_list(NULL)) : 0;
    return row && (o->was_set[index / 8] >> index % 8 & 1);
}

/* ---- from a connection string */

/* "ssl" of libcouchbase says whether to use TLS as well as whom to trust; here the scheme says the former. */
static enum divan_code set_ssl(struct options *o, const struct connstr *cs, const struct connstr_param *p,
                               struct divan_error *err)
{
    int wanted = p->value ? read_bool(p->value) : 1;
    if (wanted < 0) return options_set(o, p->key, p->value, p->key_column, p->value_column, err);
    if (wanted == cs->tls) return DIVAN_OK;
    return err_set(err, DIVAN_ERR_OPTION_CONFLICT,
                   "option \"ssl\" (column %zu) contradicts the scheme; write couchbase%s:// and drop it",
                   p->key_column, wanted ? "s" : "");
}

enum divan_code options_from_connstr(struct options *o, const struct connstr *cs, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    for (size_t i = 0; i < cs->param_count && !rc; i++) {
        const struct connstr_param *p = &cs->params[i];
        if (ascii_equal(p->key, strlen(p->key), "ssl", 3)) rc = set_ssl(o, cs, p, err);
        else rc = options_set(o, p->key, p->value, p->key_column, p->value ? p->value_column : 0, err);
    }
    return rc ? rc : options_check(o, cs, err);
}

enum divan_code options_check(const struct options *o, const struct connstr *cs, struct divan_error *err)
{
    const char *why = NULL;
    if (o->config_poll_floor_ms > o->config_poll_interval_ms)
        why = "config_poll_floor is longer than config_poll_interval; make it shorter";
    else if (o->password && !o->username) why = "password is given without username; give both";
    else if (!o->certificate_path != !o->key_path)
        why = "certificate_path and key_path belong together; give both or neither";
    else if (o->certificate_path && o->username)
        why = "certificate_path and username are two ways to authenticate; give one";
    else if (o->certificate_path && cs && !cs->tls) why = "certificate_path needs TLS; write couchbases://";
    else if (cs && cs->force_srv && !o->enable_dns_srv)
        why = "enable_dns_srv=false contradicts the scheme ending in +dnssrv; drop one";
    return why ? err_set(err, DIVAN_ERR_OPTION_CONFLICT, "options: %s", why) : DIVAN_OK;
}

/* ---- as text */

static void put_choice(struct buf *out, const char *choices, int index)
{
    for (; index > 0; index--) choices += strcspn(choices, "|") + 1;
    json_put_string(out, bytes_of(choices, strcspn(choices, "|=")));
}

/* printf would write the decimal sign of the locale. */
static void put_ratio(struct buf *out, double value)
{
    unsigned millionths = (unsigned)(value * 1e6 + 0.5);
    buf_printf(out, "%u.%06u", millionths / 1000000, millionths % 1000000);
}

static void put_value(struct buf *out, const struct options *o, const struct option_info *row)
{
    const void *at = (const char *)o + row->offset;
    switch (row->type) {
    case OPT_DURATION:
    case OPT_INT:
        buf_printf(out, "%u", *(const uint32_t *)at);
        break;
    case OPT_BOOL:
        buf_put_str(out, *(const bool *)at ? "true" : "false");
        break;
    case OPT_RATIO:
        put_ratio(out, *(const double *)at);
        break;
    case OPT_CHOICE:
        put_choice(out, row->choices, *(const int *)at);
        break;
    case OPT_STRING: {
        const char *text = *(char *const *)at;
        if (text && row->offset == offsetof(struct options, password)) text = "***";
        if (!text && *row->standard) text = row->standard;
        if (text) json_put_str(out, text);
        else buf_put_str(out, "null");
        break;
    }
    case OPT_IGNORED:
        break;
    }
}

void options_json(const struct options *o, struct buf *out)
{
    size_t count;
    const struct option_info *rows = options_list(&count);
    buf_put_str(out, "{");
    for (size_t i = 0; i < count; i++) {
        if (rows[i].type == OPT_IGNORED) continue;
        buf_printf(out, "%s\"%s\":", i ? "," : "", rows[i].name);
        put_value(out, o, &rows[i]);
    }
    buf_put_str(out, "}");
}
