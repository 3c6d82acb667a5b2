#include "base/chunk.h"

#include "base/alloc.h"

struct chunk *chunk_new(size_t cap)
{
    struct chunk *c = mem_alloc(sizeof *c + cap);
    if (!c) return NULL;
    atomic_init(&c->refs, 1);
    c->cap = cap;
    return c;
}

void chunk_release(struct chunk *c)
{
    if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) mem_free(c);
}
