#include "client/breaker.h"

bool breaker_note(struct breaker *b, const struct breaker_limits *limits, uint64_t now_ns, bool failed)
{
    if (!limits->enabled || b->state != BREAKER_CLOSED) return false; /* what was on its way decides nothing any more */
    if (!b->total || now_ns - b->since_ns >= limits->window_ns) {
        b->since_ns = now_ns;
        b->total = b->failed = 0;
    }
    b->total++;
    b->failed += failed;
    bool opens = failed && b->total >= limits->volume &&
                 (uint64_t)b->failed * 100 >= (uint64_t)b->total * limits->percent;
    if (!opens) return false;
    b->state = BREAKER_OPEN;
    b->since_ns = now_ns;
    b->opened++;
    return true;
}

uint64_t breaker_probe_ns(const struct breaker *b, const struct breaker_limits *limits)
{
    return b->since_ns + limits->sleep_ns;
}

bool breaker_probe(struct breaker *b, const struct breaker_limits *limits, uint64_t now_ns)
{
    if (b->state != BREAKER_OPEN || now_ns < breaker_probe_ns(b, limits)) return false;
    b->state = BREAKER_HALF_OPEN;
    return true;
}

void breaker_probed(struct breaker *b, uint64_t now_ns, bool ok)
{
    if (b->state != BREAKER_HALF_OPEN) return;
    b->state = ok ? BREAKER_CLOSED : BREAKER_OPEN;
    b->total = b->failed = 0;
    b->since_ns = now_ns;
    b->opened += !ok;
}

const char *breaker_name(enum breaker_state state)
{
    static const char *const names[] = {"closed", "open", "half_open"};
    return names[state];
}
