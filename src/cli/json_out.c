#include "cli/json_out.h"

#include <inttypes.h>

#include "text/json.h"

static void begin(struct json_out *j, const char *key)
{
    if (j->comma) buf_u8(j->out, ',');
    j->comma = true;
    if (!key) return;
    json_put_str(j->out, key);
    buf_u8(j->out, ':');
}

void json_open(struct json_out *j, const char *key, char bracket)
{
    begin(j, key);
    buf_u8(j->out, (uint8_t)bracket);
    j->comma = false;
}

void json_close(struct json_out *j, char bracket)
{
    buf_u8(j->out, (uint8_t)bracket);
    j->comma = true;
}

void json_bytes(struct json_out *j, const char *key, struct divan_bytes value)
{
    begin(j, key);
    json_put_string(j->out, value);
}

void json_str(struct json_out *j, const char *key, const char *value) { json_bytes(j, key, divan_str(value)); }

void json_u64(struct json_out *j, const char *key, uint64_t value)
{
    begin(j, key);
    buf_printf(j->out, "%" PRIu64, value);
}

void json_u64_text(struct json_out *j, const char *key, uint64_t value)
{
    begin(j, key);
    buf_printf(j->out, "\"%" PRIu64 "\"", value);
}

void json_number(struct json_out *j, const char *key, double value, int decimals)
{
    begin(j, key);
    buf_printf(j->out, "%.*f", decimals, value);
}

void json_bool(struct json_out *j, const char *key, bool value)
{
    begin(j, key);
    buf_put_str(j->out, value ? "true" : "false");
}

void json_raw(struct json_out *j, const char *key, struct divan_bytes json)
{
    begin(j, key);
    json_put_compact(j->out, json);
}
