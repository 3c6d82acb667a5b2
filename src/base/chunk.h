/* Refcounted memory that sockets read into. Values of results point into it and pin it, so nothing is copied. */
#ifndef DIVAN_BASE_CHUNK_H
#define DIVAN_BASE_CHUNK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { CHUNK_SIZE = 64 * 1024 };

struct chunk {
    _Atomic uint32_t refs;
    size_t cap;
    uint8_t data[];
};

struct chunk *chunk_new(size_t cap); /**< one reference, yours; NULL when out of memory */
static inline struct chunk *chunk_retain(struct chunk *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}
void chunk_release(struct chunk *c); /**< NULL is fine; any thread */
/** True when nobody but the caller holds it: it may be overwritten. */
static inline int chunk_only_mine(const struct chunk *c)
{
    return atomic_load_explicit(&c->refs, memory_order_acquire) == 1;
}

#endif
