#include "client/names.h"

#include <ctype.h>

#include "base/error.h"
#include "wire/kv.h"

enum { RELATIVE_MAX_S = 30 * 24 * 3600, EXPIRY_YEARS_MAX = 50 };
#define YEAR_S UINT64_C(31557600)

static size_t allowed_length(const char *name, const char *punctuation)
{
    size_t n = 0;
    while (name[n] && (isalnum((unsigned char)name[n]) || strchr(punctuation, name[n]))) n++;
    return n;
}

/* A character as it can be shown: itself, or its number. */
static const char *show(char c, char out[8])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char u = (unsigned char)c;
    if (isprint(u)) out[0] = c, out[1] = 0;
    else out[0] = '0', out[1] = 'x', out[2] = hex[u >> 4], out[3] = hex[u & 15], out[4] = 0;
    return out;
}

enum divan_code check_bucket_name(const char *name, struct divan_error *err)
{
    char shown[8];
    size_t good = allowed_length(name, "_-.%");
    if (!*name) return err_set(err, DIVAN_ERR_BUCKET_NAME, "the bucket name is empty");
    if (name[good])
        return err_set(err, DIVAN_ERR_BUCKET_NAME,
                       "the bucket name has \"%s\" at character %zu: letters, digits and _ - . %% are allowed",
                       show(name[good], shown), good + 1);
    if (good > BUCKET_NAME_MAX)
        return err_set(err, DIVAN_ERR_BUCKET_NAME, "the bucket name has %zu characters, the limit is %d", good,
                       BUCKET_NAME_MAX);
    return DIVAN_OK;
}

enum divan_code check_collection_name(const char *name, enum divan_code code, struct divan_error *err)
{
    char shown[8];
    const char *what = code == DIVAN_ERR_SCOPE_NAME ? "scope" : "collection";
    if (!name || !*name) return DIVAN_OK;
    size_t good = allowed_length(name, "_-%");
    if (name[0] == '%') return err_set(err, code, "the %s name begins with %%: begin with a letter or digit", what);
    if (name[good])
        return err_set(err, code, "the %s name has \"%s\" at character %zu: letters, digits and _ - %% are allowed",
                       what, show(name[good], shown), good + 1);
    if (good > COLLECTION_NAME_MAX)
        return err_set(err, code, "the %s name has %zu characters, the limit is %d", what, good, COLLECTION_NAME_MAX);
    return DIVAN_OK;
}

enum divan_code check_key(struct divan_bytes key, bool default_collection, struct divan_error *err)
{
    size_t most = default_collection ? KEY_MAX : KEY_COLLECTION_MAX;
    if (!key.len) return err_set(err, DIVAN_ERR_KEY_EMPTY, "the key is empty: give 1 to %zu bytes", most);
    if (!key.data)
        return err_set(err, DIVAN_ERR_KEY_NULL, "the key has %zu bytes but its data pointer is NULL", key.len);
    if (key.len > most)
        return err_set(err, DIVAN_ERR_KEY_TOO_LONG, "the key has %zu bytes, the limit %s is %zu", key.len,
                       default_collection ? "in the default collection" : "outside the default collection", most);
    return DIVAN_OK;
}

enum divan_code check_value(struct divan_bytes value, struct divan_error *err)
{
    if (value.len && !value.data)
        return err_set(err, DIVAN_ERR_VALUE_NULL, "the value has %zu bytes but its data pointer is NULL", value.len);
    if (value.len > VALUE_MAX)
        return err_set(err, DIVAN_ERR_VALUE_TOO_LARGE,
                       "the value has %zu bytes, the server stores at most %d (20 MiB): split the document", value.len,
                       VALUE_MAX);
    return DIVAN_OK;
}

enum divan_code check_timeout(uint32_t timeout_ms, struct divan_error *err)
{
    if (timeout_ms <= TIMEOUT_MAX_MS) return DIVAN_OK;
    return err_set(err, DIVAN_ERR_TIMEOUT_RANGE, "the timeout is %u ms, the longest is one day (%d ms)", timeout_ms,
                   TIMEOUT_MAX_MS);
}

enum divan_code check_durability(enum divan_durability level, struct divan_error *err)
{
    if ((unsigned)level <= DIVAN_DURABILITY_PERSIST_TO_MAJORITY) return DIVAN_OK;
    return err_set(err, DIVAN_ERR_DURABILITY_LEVEL, "durability is %d, not one of enum divan_durability (0 to 3)",
                   (int)level);
}

enum divan_code check_retry(enum divan_retry retry, struct divan_error *err)
{
    unsigned value = (unsigned)retry;
    if (value <= DIVAN_RETRY_FAIL_FAST ||
        (value >= DIVAN_RETRY_CUSTOM && value < DIVAN_RETRY_CUSTOM + DIVAN_RETRY_CUSTOM_MAX))
        return DIVAN_OK; /* whether a strategy of that number was added, the client knows */
    return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "retry is %d, not one of enum divan_retry (0 to 2)", (int)retry);
}

enum divan_code expiry_on_wire(uint32_t expiry_s, uint64_t wall_ns, uint32_t *out, struct divan_error *err)
{
    uint64_t at = wall_ns / UINT64_C(1000000000) + expiry_s;
    if (expiry_s <= RELATIVE_MAX_S) {
        *out = expiry_s;
        return DIVAN_OK;
    }
    if (expiry_s > EXPIRY_YEARS_MAX * YEAR_S || at > UINT32_MAX)
        return err_set(
            err, DIVAN_ERR_EXPIRY_RANGE,
            "the expiry of %u seconds is more than 50 years away: it is a time span from now, not a point in time",
            expiry_s);
    *out = (uint32_t)at;
    return DIVAN_OK;
}
