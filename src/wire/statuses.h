/* The statuses of responses and their attributes, from defs/statuses.def. */
#ifndef DIVAN_WIRE_STATUSES_H
#define DIVAN_WIRE_STATUSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum status {
#define X(name, code, map_name, attrs, text) ST_##name = code,
#include "../../defs/statuses.def"
#undef X
};

/* Attributes of the error map (RFC 13, 69). */
enum status_attr {
    ATTR_SUCCESS = 1 << 0,
    ATTR_ITEM_ONLY = 1 << 1,
    ATTR_INVALID_INPUT = 1 << 2,
    ATTR_FETCH_CONFIG = 1 << 3,
    ATTR_CONN_STATE_INVALIDATED = 1 << 4, /* drop the connection */
    ATTR_AUTH = 1 << 5,
    ATTR_SPECIAL_HANDLING = 1 << 6,
    ATTR_SUPPORT = 1 << 7,
    ATTR_TEMP = 1 << 8,
    ATTR_INTERNAL = 1 << 9,
    ATTR_RETRY_NOW = 1 << 10,
    ATTR_RETRY_LATER = 1 << 11,
    ATTR_SUBDOC = 1 << 12,
    ATTR_DCP = 1 << 13,
    ATTR_AUTO_RETRY = 1 << 14, /* version 1 maps of old servers */
    ATTR_ITEM_LOCKED = 1 << 15,
    ATTR_ITEM_DELETED = 1 << 16,
    ATTR_RATE_LIMIT = 1 << 17,
    ATTR_SYSTEM_CONSTRAINT = 1 << 18,
    ATTR_NO_RETRY = 1 << 19,
};

struct status_facts {
    uint16_t code;
    const char *name;     /* "KEY_ENOENT" */
    const char *map_name; /* the name in the error map; NULL = not in it */
    const char *attrs;    /* "item-only,invalid-input", in the order of the map */
    const char *text;     /* what it means */
};

extern const struct status_facts status_table[];
extern const size_t status_count;

/** NULL when the table does not have it. */
const struct status_facts *status_facts_of(uint16_t status);
/** "KEY_ENOENT"; "UNKNOWN_STATUS" when the table does not have it; never NULL. */
const char *status_name(uint16_t status);
/** The status of a name as in the table; -1 = none. */
int status_from_name(const char *name);
/** Attribute bits by the table; 0 = none or unknown. */
uint32_t status_attrs(uint16_t status);
/** The bit of one attribute name ("retry-now"); 0 = unknown. */
uint32_t status_attr_bit(const char *name, size_t len);
/** Whether the answer carries what was asked: SUCCESS and its kin. AUTH_CONTINUE counts. */
bool status_is_success(uint16_t status);

#endif
