/* Where a thread sleeps until it is called: one word and the kernel's futex. The caller may wake after the sleeper's memory
 * is gone already, which a condition variable would not allow: only the address is used. */
#ifndef DIVAN_CLIENT_PARKING_H
#define DIVAN_CLIENT_PARKING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct parking {
    _Atomic uint32_t called;
};

static inline void parking_reset(struct parking *p)
{
    atomic_store_explicit(&p->called, 0, memory_order_relaxed);
}
/** Notes the call; the sleeper must still be there. Follow with parking_wake(). */
static inline void parking_call(struct parking *p)
{
    atomic_store_explicit(&p->called, 1, memory_order_release);
}
/** Sleeps until called or until_ns (CLOCK_MONOTONIC; UINT64_MAX = for ever). False: not called in time. */
bool parking_wait(struct parking *p, uint64_t until_ns);
/** Wakes the sleeper that was called. p may point to memory that is gone. */
void parking_wake(const struct parking *p);

#endif
