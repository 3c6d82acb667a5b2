#include <divan/divan.h>

#include "base/error.h"
#include "text/json.h"
#include "text/utf8.h"

/* Common flags: three bits of compression (none is in use), one reserved, four of format. Older clients wrote only the low
 * bits; there Python and Java have the same numbers where they agree at all. */
enum { COMMON_SHIFT = 24, LEGACY_MASK = 0x07 };

static const struct {
    const char *name;
    uint32_t flags;
} formats[] = {
    [DIVAN_FORMAT_UNKNOWN] = {"unknown", 0},
    [DIVAN_FORMAT_PRIVATE] = {"private", DIVAN_FLAGS_PRIVATE},
    [DIVAN_FORMAT_JSON] = {"json", DIVAN_FLAGS_JSON},
    [DIVAN_FORMAT_BINARY] = {"binary", DIVAN_FLAGS_BINARY},
    [DIVAN_FORMAT_STRING] = {"string", DIVAN_FLAGS_STRING},
};

static bool is_format(enum divan_format format)
{
    return (unsigned)format < sizeof formats / sizeof formats[0];
}

enum divan_format divan_format_of_flags(uint32_t flags)
{
    uint32_t common = flags >> COMMON_SHIFT;
    if (common) return common <= DIVAN_FORMAT_STRING ? (enum divan_format)common : DIVAN_FORMAT_UNKNOWN;
    switch (flags & LEGACY_MASK) {
    case 1:
        return DIVAN_FORMAT_PRIVATE;
    case 2:
        return DIVAN_FORMAT_BINARY;
    case 4:
        return DIVAN_FORMAT_STRING;
    default:
        return DIVAN_FORMAT_UNKNOWN;
    }
}

uint32_t divan_format_flags(enum divan_format format)
{
    return is_format(format) ? formats[format].flags : 0;
}

const char *divan_format_name(enum divan_format format)
{
    return formats[is_format(format) ? format : DIVAN_FORMAT_UNKNOWN].name;
}

/* Offset of the first byte that is no UTF-8; the length when there is none. */
static size_t utf8_prefix(struct divan_bytes text)
{
    const uint8_t *at = text.data;
    size_t i = 0;
    while (i < text.len) {
        size_t len = utf8_length(at + i, text.len - i);
        if (!len) break;
        i += len;
    }
    return i;
}

enum divan_format divan_format_detect(struct divan_bytes value, uint32_t flags)
{
    enum divan_format told = divan_format_of_flags(flags);
    if (told != DIVAN_FORMAT_UNKNOWN) return told;
    if (json_check(value, JSON_UTF8, 0, NULL) == JSON_VALID) return DIVAN_FORMAT_JSON;
    return utf8_prefix(value) == value.len ? DIVAN_FORMAT_STRING : DIVAN_FORMAT_BINARY;
}

enum divan_code divan_format_check(struct divan_bytes value, enum divan_format format, struct divan_error *err)
{
    size_t at = 0;
    if (value.len && !value.data)
        return err_set(err, DIVAN_ERR_VALUE_NULL, "the value has %zu bytes but its data pointer is NULL", value.len);
    if (format == DIVAN_FORMAT_JSON && json_check(value, JSON_UTF8, 0, &at) != JSON_VALID) {
        if (at >= value.len)
            return err_set(err, DIVAN_ERR_VALUE_NOT_JSON, "the value is not JSON: it ends too early, after %zu bytes",
                           value.len);
        return err_set(err, DIVAN_ERR_VALUE_NOT_JSON, "the value is not JSON: byte %zu (0x%02x) does not fit there", at,
                       ((const uint8_t *)value.data)[at]);
    }
    if (format == DIVAN_FORMAT_STRING && (at = utf8_prefix(value)) != value.len)
        return err_set(err, DIVAN_ERR_VALUE_NOT_UTF8, "the value is not UTF-8: byte %zu (0x%02x) does not fit there",
                       at, ((const uint8_t *)value.data)[at]);
    return DIVAN_OK;
}
