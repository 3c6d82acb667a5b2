/* Writes one JSON text with its commas in the right places. */
#ifndef DIVAN_CLI_JSON_OUT_H
#define DIVAN_CLI_JSON_OUT_H

#include "base/bytes.h"

struct json_out {
    struct buf *out;
    bool comma;
};

void json_open(struct json_out *j, const char *key, char bracket); /**< '{' or '['; key NULL inside arrays and at the top */
void json_close(struct json_out *j, char bracket);
void json_str(struct json_out *j, const char *key, const char *value);
void json_bytes(struct json_out *j, const char *key, struct divan_bytes value);
void json_u64(struct json_out *j, const char *key, uint64_t value);
void json_u64_text(struct json_out *j, const char *key, uint64_t value); /**< "123": for numbers above 2^53 */
void json_number(struct json_out *j, const char *key, double value, int decimals);
void json_bool(struct json_out *j, const char *key, bool value);
void json_raw(struct json_out *j, const char *key, struct divan_bytes json); /**< valid JSON, written without its blanks */

#endif
