#include "wire/statuses.h"

#include <string.h>
#include <strings.h>

const struct status_facts status_table[] = {
#define X(name_, code_, map_name_, attrs_, text_) {code_, #name_, map_name_, attrs_, text_},
#include "../../defs/statuses.def"
#undef X
};
const size_t status_count = sizeof status_table / sizeof status_table[0];

static const struct {
    const char *name;
    uint32_t bit;
} attributes[] = {
    {"success", ATTR_SUCCESS},
    {"item-only", ATTR_ITEM_ONLY},
    {"invalid-input", ATTR_INVALID_INPUT},
    {"fetch-config", ATTR_FETCH_CONFIG},
    {"conn-state-invalidated", ATTR_CONN_STATE_INVALIDATED},
    {"auth", ATTR_AUTH},
    {"special-handling", ATTR_SPECIAL_HANDLING},
    {"support", ATTR_SUPPORT},
    {"temp", ATTR_TEMP},
    {"internal", ATTR_INTERNAL},
    {"retry-now", ATTR_RETRY_NOW},
    {"retry-later", ATTR_RETRY_LATER},
    {"subdoc", ATTR_SUBDOC},
    {"dcp", ATTR_DCP},
    {"auto-retry", ATTR_AUTO_RETRY},
    {"item-locked", ATTR_ITEM_LOCKED},
    {"item-deleted", ATTR_ITEM_DELETED},
    {"rate-limit", ATTR_RATE_LIMIT},
    {"system-constraint", ATTR_SYSTEM_CONSTRAINT},
    {"no-retry", ATTR_NO_RETRY},
};

const struct status_facts *status_facts_of(uint16_t status)
{
    for (size_t i = 0; i < status_count; i++)
        if (status_table[i].code == status) return &status_table[i];
    return NULL;
}

const char *status_name(uint16_t status)
{
    const struct status_facts *facts = status_facts_of(status);
    return facts ? facts->name : "UNKNOWN_STATUS";
}

int status_from_name(const char *name)
{
    for (size_t i = 0; name && i < status_count; i++)
        if (!strcasecmp(status_table[i].name, name)) return status_table[i].code;
    return -1;
}

uint32_t status_attr_bit(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++)
        if (strlen(attributes[i].name) == len && !memcmp(attributes[i].name, name, len)) return attributes[i].bit;
    return 0;
}

uint32_t status_attrs(uint16_t status)
{
    const struct status_facts *facts = status_facts_of(status);
    uint32_t bits = 0;
    for (const char *at = facts ? facts->attrs : ""; *at;) {
        size_t len = strcspn(at, ",");
        bits |= status_attr_bit(at, len);
        at += len + (at[len] == ',');
    }
    return bits;
}

bool status_is_success(uint16_t status)
{
    switch (status) {
    case ST_SUCCESS:
    case ST_AUTH_CONTINUE:
    case ST_RANGE_SCAN_MORE:
    case ST_RANGE_SCAN_COMPLETE:
    case ST_SUBDOC_SUCCESS_DELETED:
        return true;
    default:
        return false;
    }
}
