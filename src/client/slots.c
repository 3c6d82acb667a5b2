#include "client/slots.h"

#include "base/alloc.h"

enum { SLOTS_FIRST = 64 };

bool slots_init(struct slots *s, uint32_t first)
{
    *s = (struct slots){.next = first, .first = first, .mask = SLOTS_FIRST - 1};
    s->ring = mem_zalloc(SLOTS_FIRST * sizeof *s->ring);
    return s->ring != NULL;
}

void slots_fini(struct slots *s)
{
    mem_free(s->ring);
    s->ring = NULL;
}

/* Twice the room keeps every place: two opaques that differ in the low bits differ in more of them too. */
static bool grow(struct slots *s)
{
    size_t cap = ((size_t)s->mask + 1) * 2;
    struct operation **ring = mem_zalloc(cap * sizeof *ring);
    if (!ring) return false;
    for (size_t i = 0; i <= s->mask; i++)
        if (s->ring[i]) ring[s->ring[i]->opaque & (cap - 1)] = s->ring[i];
    mem_free(s->ring);
    s->ring = ring;
    s->mask = (uint32_t)(cap - 1);
    return true;
}

bool slots_put(struct slots *s, struct operation *op)
{
    /* Half empty at least, so that a place is found at once even when some answers are very late. */
    if (s->used * 2 > s->mask && !grow(s)) return false;
    while (s->ring[s->next & s->mask]) s->next++;
    op->opaque = s->next++;
    if (s->next - s->first > UINT32_MAX / 2) s->first = s->next - UINT32_MAX / 4; /* the sequence wraps */
    s->ring[op->opaque & s->mask] = op;
    s->used++;
    return true;
}

struct operation *slots_take_any(struct slots *s)
{
    if (!s->used) return NULL;
    for (uint32_t i = 0;; i++) {
        uint32_t at = (s->next + i) & s->mask; /* the oldest sits behind the newest */
        if (s->ring[at]) return slots_take(s, s->ring[at]->opaque);
    }
}
