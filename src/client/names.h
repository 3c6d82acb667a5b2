/* The rules for names, keys, values and numbers that a program passes in: a code and a sentence for each mistake. */
#ifndef DIVAN_CLIENT_NAMES_H
#define DIVAN_CLIENT_NAMES_H

#include <divan/divan.h>
#include <divan/retry.h>

enum { TIMEOUT_MAX_MS = 86400000, BUCKET_NAME_MAX = 100, COLLECTION_NAME_MAX = 251 };

enum divan_code check_bucket_name(const char *name, struct divan_error *err);
/** NULL and "" are fine: _default. code: SCOPE_NAME or COLLECTION_NAME. */
enum divan_code check_collection_name(const char *name, enum divan_code code, struct divan_error *err);
enum divan_code check_key(struct divan_bytes key, bool default_collection, struct divan_error *err);
enum divan_code check_value(struct divan_bytes value, struct divan_error *err);
enum divan_code check_timeout(uint32_t timeout_ms, struct divan_error *err);
enum divan_code check_durability(enum divan_durability level, struct divan_error *err);
enum divan_code check_retry(enum divan_retry retry, struct divan_error *err);
/** Seconds from now to what is sent: as they are up to 30 days, absolute beyond. EXPIRY_RANGE. */
enum divan_code expiry_on_wire(uint32_t expiry_s, uint64_t wall_ns, uint32_t *out, struct divan_error *err);

#endif
