/* A second opinion on JSON, by another parser. Apart, because its names collide with those of text/json.h. */
#ifndef TESTS_UNIT_SUPPORT_JSON_ORACLE_H
#define TESTS_UNIT_SUPPORT_JSON_ORACLE_H

#include <stddef.h>

/* NO_OPINION: refused for a reason beyond the grammar (NUL, lone surrogates, numbers that do not fit its types). */
enum oracle_verdict { ORACLE_VALID, ORACLE_INVALID, ORACLE_NO_OPINION };

enum oracle_verdict json_oracle(const void *text, size_t len);

#endif
