/* Dates as text, in UTC. */
#ifndef DIVAN_NODE_HTTP_CALENDAR_H
#define DIVAN_NODE_HTTP_CALENDAR_H

#include <stddef.h>
#include <stdint.h>

/** "Fri, 20 Nov 2026 10:30:46 GMT"; returns out. */
const char *calendar_http(uint64_t unix_s, char *out, size_t cap);
/** "2026-11-20T10:13:06.000Z"; returns out. */
const char *calendar_iso(uint64_t unix_ms, char *out, size_t cap);

#endif
