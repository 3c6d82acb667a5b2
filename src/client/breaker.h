/* A circuit breaker: whether a connection that answers late, or not at all, is still worth asking. Pure: times come in, what to
 * do goes out.
 *
 * CLOSED: everything passes and is counted. When, within a window, at least `volume` requests ended and `percent` of them
 * failed, it opens. OPEN: nothing passes until `sleep_ns` is over. HALF_OPEN: a single probe decides, nothing else passes. */
#ifndef DIVAN_CLIENT_BREAKER_H
#define DIVAN_CLIENT_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker_limits {
    bool enabled;
    uint32_t volume, percent;
    uint64_t sleep_ns, window_ns;
};

struct breaker {
    enum breaker_state state;
    uint32_t total, failed; /* of this window */
    uint64_t since_ns;      /* CLOSED: when the window began; OPEN: when it opened */
    uint32_t opened;        /* how often, in all */
};

/** A request ended. True when it opened because of that. */
bool breaker_note(struct breaker *b, const struct breaker_limits *limits, uint64_t now_ns, bool failed);
/** When the probe is due; of an open one. */
uint64_t breaker_probe_ns(const struct breaker *b, const struct breaker_limits *limits);
/** OPEN and slept long enough: becomes HALF_OPEN, send the probe: true. */
bool breaker_probe(struct breaker *b, const struct breaker_limits *limits, uint64_t now_ns);
/** The probe ended: CLOSED with an empty window, or OPEN for another sleep. */
void breaker_probed(struct breaker *b, uint64_t now_ns, bool ok);
const char *breaker_name(enum breaker_state state);

#endif
