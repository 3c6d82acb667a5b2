#include "unit/support_json_oracle.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

enum oracle_verdict json_oracle(const void *text, size_t len)
{
    json_error_t error;
    json_t *tree = json_loadb(text, len, JSON_DECODE_ANY, &error);
    if (tree) {
        json_decref(tree);
        return ORACLE_VALID;
    }
    enum json_error_code code = json_error_code(&error);
    bool beyond = code == json_error_null_character || code == json_error_numeric_overflow || strstr(error.text, "\\u");
    return beyond ? ORACLE_NO_OPINION : ORACLE_INVALID;
}
