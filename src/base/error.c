#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

#define RETRYABLE DIVAN_IS_RETRYABLE
#define AMBIGUOUS DIVAN_IS_AMBIGUOUS
#define FATAL     DIVAN_IS_FATAL

static const struct row {
    enum divan_code code;
    uint32_t flags;
    const char *name, *text;
} rows[] = {
    {DIVAN_OK, 0, "DIVAN_OK", "success"},
#define X(name, number, flags, text) {DIVAN_ERR_##name, flags, "DIVAN_ERR_" #name, text},
#include "../../defs/errors.def"
#undef X
};

static const struct row *row_of(enum divan_code code)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].code == code) return &rows[i];
    return NULL;
}

uint32_t err_flags(enum divan_code code)
{
    const struct row *row = row_of(code);
    return row ? row->flags : 0;
}

const char *err_code_name(enum divan_code code)
{
    const struct row *row = row_of(code);
    return row ? row->name : "DIVAN_ERR_?";
}

const char *err_code_text(enum divan_code code)
{
    const struct row *row = row_of(code);
    return row ? row->text : "unknown code";
}

void text_copy(char *out, size_t cap, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (!cap) return;
    if (len >= cap) len = cap - 1;
    if (len) memcpy(out, text, len);
    out[len] = 0;
}

static void fill(struct divan_error *err, enum divan_code code)
{
    memset(err, 0, sizeof *err);
    err->code = code;
    err->flags = err_flags(code);
}

enum divan_code err_set(struct divan_error *err, enum divan_code code, const char *format, ...)
{
    if (!err) return code;
    char message[sizeof err->message]; /* the arguments may point into *err */
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fill(err, code);
    memcpy(err->message, message, sizeof message);
    return code;
}

enum divan_code err_sys(struct divan_error *err, enum divan_code code, int errno_value, const char *format, ...)
{
    if (!err) return code;
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (n < 0) n = 0;
    if ((size_t)n < sizeof message) snprintf(message + n, sizeof message - (size_t)n, ": %s", strerror(errno_value));
    fill(err, code);
    memcpy(err->message, message, sizeof message);
    return code;
}

enum divan_code err_oom(struct divan_error *err)
{
    return err_set(err, DIVAN_ERR_OUT_OF_MEMORY, "memory could not be allocated: free some and try again");
}

void err_where(struct divan_error *err, const char *op, const char *endpoint)
{
    if (!err) return;
    if (op) text_copy(err->op, sizeof err->op, op);
    if (endpoint) text_copy(err->endpoint, sizeof err->endpoint, endpoint);
}
