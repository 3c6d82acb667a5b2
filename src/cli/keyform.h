/* Keys made from documents: "user::{id}", "{type}-{address.zip}", "doc-{#}" with the number of the line. "{{" and "}}" are
 * braces. */
#ifndef DIVAN_CLI_KEYFORM_H
#define DIVAN_CLI_KEYFORM_H

#include "base/bytes.h"

/** Whether the form can be understood. Errors: USAGE, with the place. */
enum divan_code keyform_check(const char *form, struct divan_error *err);
/** Appends the key of a document, which is well-formed JSON. Strings go in as they are, numbers and truth values as they are
 * written. Errors: USAGE (it has no such member, or one that is no scalar), OUT_OF_MEMORY. */
enum divan_code keyform_make(const char *form, struct divan_bytes json, uint64_t number, struct buf *out,
                             struct divan_error *err);

#endif
