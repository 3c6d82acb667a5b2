/* The bytes of a document: where they come from, what kind they are, how JSON output shows them. */
#ifndef DIVAN_CLI_VALUE_H
#define DIVAN_CLI_VALUE_H

#include "base/bytes.h"

/* The flags all SDKs agree on say what a value is. */
enum value_flags {
    VALUE_FLAGS_JSON = 0x02000006,
    VALUE_FLAGS_UTF8 = 0x04000004,
    VALUE_FLAGS_RAW = 0x03000000,
};

/** Loads a value as the command line names it: "-" is standard input, "@FILE" a file, "@@text" the text "@text", anything
 * else stands for itself. out is filled, the caller's to buf_fini(). Errors: FILE_READ, VALUE_TOO_LARGE (more than can be
 * stored), OUT_OF_MEMORY. */
enum divan_code value_load(const char *operand, struct buf *out, struct divan_error *err);
/** The content of a file, "-" = standard input. Errors as value_load(). */
enum divan_code value_load_file(const char *path, struct buf *out, struct divan_error *err);

bool utf8_valid(struct divan_bytes text);
/** JSON, else UTF-8 text, else raw. */
uint32_t value_flags_of(struct divan_bytes value);

enum value_kind { VALUE_JSON, VALUE_TEXT, VALUE_BINARY };
/** What a value can be shown as: told from the flags where they speak and from the bytes where they do not, so that JSON
 * is valid and text is UTF-8. */
enum value_kind value_kind_of(struct divan_bytes value, uint32_t flags);

/** Members "format" and "value" (JSON or text), or "value_base64", by the kind: the output is always valid JSON. */
void value_show(struct buf *out, struct divan_bytes value, uint32_t flags);

#endif
