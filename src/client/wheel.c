#include "client/wheel.h"

void wheel_init(struct wheel *w, uint64_t now_ns)
{
    for (size_t i = 0; i < WHEEL_SLOTS; i++) list_init(&w->slots[i]);
    for (size_t i = 0; i < WHEEL_SLOTS / 64; i++) w->used[i] = 0;
    w->tick = now_ns / WHEEL_TICK_NS;
    w->count = 0;
}

/* The first tick at which the deadline has passed. */
static uint64_t tick_of(uint64_t at_ns)
{
    return at_ns / WHEEL_TICK_NS + (at_ns % WHEEL_TICK_NS != 0);
}

void wheel_start(struct wheel *w, struct wheel_entry *e, uint64_t at_ns)
{
    wheel_stop(w, e);
    uint64_t tick = tick_of(at_ns);
    if (tick <= w->tick) tick = w->tick + 1;
    size_t slot = tick % WHEEL_SLOTS;
    e->at_ns = at_ns;
    list_append(&w->slots[slot], &e->link);
    w->used[slot / 64] |= UINT64_C(1) << slot % 64;
    w->count++;
}

void wheel_stop(struct wheel *w, struct wheel_entry *e)
{
    if (!wheel_running(e)) return;
    list_remove(&e->link);
    w->count--;
}

void wheel_take(struct wheel *w, uint64_t now_ns, struct list *out)
{
    uint64_t now = now_ns / WHEEL_TICK_NS;
    if (now <= w->tick) return;
    uint64_t turns = now - w->tick;
    if (turns > WHEEL_SLOTS) turns = WHEEL_SLOTS;
    for (uint64_t tick = now - turns + 1; tick <= now; tick++) {
        size_t slot = tick % WHEEL_SLOTS;
        uint64_t bit = UINT64_C(1) << slot % 64;
        if (!(w->used[slot / 64] & bit)) continue;
        list_each(&w->slots[slot], it)
        {
            struct wheel_entry *e = container_of(it, struct wheel_entry, link);
            if (tick_of(e->at_ns) > now) continue;
            list_remove(it);
            list_append(out, it);
        }
        if (list_empty(&w->slots[slot])) w->used[slot / 64] &= ~bit;
    }
    w->tick = now;
}

uint64_t wheel_next_ns(const struct wheel *w)
{
    if (!w->count) return UINT64_MAX;
    for (uint64_t step = 1; step <= WHEEL_SLOTS;) {
        size_t slot = (w->tick + step) % WHEEL_SLOTS;
        uint64_t bits = w->used[slot / 64] >> slot % 64;
        if (!bits) {
            step += 64 - slot % 64;
            continue;
        }
        step += (uint64_t)__builtin_ctzll(bits);
        slot = (w->tick + step) % WHEEL_SLOTS;
        if (!list_empty(&w->slots[slot])) return (w->tick + step) * WHEEL_TICK_NS;
        step++; /* emptied by wheel_stop() */
    }
    return (w->tick + WHEEL_SLOTS) * WHEEL_TICK_NS;
}
