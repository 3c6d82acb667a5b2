/* Parts of documents as the command line writes them: [OP=]PATH to read, OP=PATH[=VALUE] to change.
 *
 *     name   count=tags   exists=a.b[0]   xattr:_audit.by
 *     upsert=name='"Ada"'   upsert=name==Ada   incr=visits   append=tags='"x"'   macro=_audit.cas=cas
 *
 * Names of members that hold = or begin with "xattr:" are written in backquotes. */
#ifndef DIVAN_CLI_SPEC_H
#define DIVAN_CLI_SPEC_H

#include <divan/divan.h>

#include "base/bytes.h"

/** The path is borrowed from text. Errors: USAGE. */
enum divan_code spec_lookup_parse(const char *text, struct divan_lookup *out, struct divan_error *err);
const char *spec_lookup_name(enum divan_lookup_op op); /**< "get" */

struct spec_change {
    struct divan_mutation mutation; /* the path is borrowed from the text, the value from `value` */
    struct buf value;
    bool creates; /* create_path may be set */
};
/** Values are JSON; ==TEXT is a string, @FILE the content of a file, - standard input. out is filled, spec_change_fini() in any
 * case. Errors: USAGE, VALUE_NOT_JSON, FILE_READ, VALUE_TOO_LARGE, OUT_OF_MEMORY. */
enum divan_code spec_change_parse(const char *text, struct spec_change *out, struct divan_error *err);
void spec_change_fini(struct spec_change *c);
const char *spec_change_name(enum divan_mutate_op op); /**< "upsert" */

#endif
