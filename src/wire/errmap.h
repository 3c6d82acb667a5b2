/* The error map: what statuses mean that this build does not know (client), and the map our node answers with. */
#ifndef DIVAN_WIRE_ERRMAP_H
#define DIVAN_WIRE_ERRMAP_H

#include "base/bytes.h"
#include "wire/statuses.h"

enum errmap_strategy { ERRMAP_NO_STRATEGY, ERRMAP_CONSTANT, ERRMAP_LINEAR, ERRMAP_EXPONENTIAL };

struct errmap_entry {
    uint16_t code;
    uint32_t attrs; /* enum status_attr; unknown names are dropped */
    char *name, *text;
    /* Old maps only; all in milliseconds, 0 = not given. */
    enum errmap_strategy strategy;
    uint32_t interval_ms, after_ms, ceil_ms, max_duration_ms;
};

struct errmap {
    uint32_t version, revision;
    size_t count;
    struct errmap_entry *entries; /* by code */
};

/** Yours: errmap_free(). ERROR_MAP (position or path in the sentence), OUT_OF_MEMORY. Versions 1 and 2. */
enum divan_code errmap_parse(struct divan_bytes json, struct errmap **out, struct divan_error *err);
void errmap_free(struct errmap *m); /**< NULL is fine */
/** NULL when the map does not have it, or is NULL. */
const struct errmap_entry *errmap_find(const struct errmap *m, uint16_t status);

/** Appends the node's own map as JSON; version 1 or 2 (higher asks get 2). */
void errmap_write(struct buf *out, unsigned version);

#endif
