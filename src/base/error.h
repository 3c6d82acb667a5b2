/* Filling the one error struct. The leaf says what and why; the boundary adds where; only the application logs. */
#ifndef DIVAN_BASE_ERROR_H
#define DIVAN_BASE_ERROR_H

#include <divan/types.h>

/** Overwrites *err (NULL is fine) with code, its flags from defs/errors.def and the sentence. Returns code. */
enum divan_code err_set(struct divan_error *err, enum divan_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** As err_set for DIVAN_ERR_SYSTEM-like failures: appends ": " and the text of errno_value. */
enum divan_code err_sys(struct divan_error *err, enum divan_code code, int errno_value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
enum divan_code err_oom(struct divan_error *err);
/** Flags of a code, enum divan_error_flags. */
uint32_t err_flags(enum divan_code code);
/** Adds "where" (endpoint text, operation name); either may be NULL to leave it. */
void err_where(struct divan_error *err, const char *op, const char *endpoint);

const char *err_code_name(enum divan_code code); /**< "DIVAN_ERR_…"; never NULL */
const char *err_code_text(enum divan_code code);

/** snprintf that always terminates and never warns about truncation; for fixed fields of structs. */
void text_copy(char *out, size_t cap, const char *text);

#endif
