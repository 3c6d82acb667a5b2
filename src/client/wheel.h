/* A timing wheel: thousands of deadlines with O(1) start and stop and no memory of their own. One tick is 1 ms; what lies
 * beyond one turn of the wheel stays in its slot for another turn. An entry never fires early and at most one tick late. */
#ifndef DIVAN_CLIENT_WHEEL_H
#define DIVAN_CLIENT_WHEEL_H

#include <stdint.h>

#include "base/list.h"

enum { WHEEL_SLOTS = 1024 };
#define WHEEL_TICK_NS UINT64_C(1000000)

struct wheel_entry {
    struct link link; /* not in a list: not running */
    uint64_t at_ns;
    uint8_t tag; /* the user's: what the entry is for */
};

struct wheel {
    struct list slots[WHEEL_SLOTS];
    uint64_t used[WHEEL_SLOTS / 64]; /* bit = the slot may hold entries */
    uint64_t tick;                   /* everything due up to and including this tick has fired */
    size_t count;
};

void wheel_init(struct wheel *w, uint64_t now_ns);
/** (Re)starts. A time in the past fires with the next wheel_take(). */
void wheel_start(struct wheel *w, struct wheel_entry *e, uint64_t at_ns);
void wheel_stop(struct wheel *w, struct wheel_entry *e); /**< fine when not running */
static inline bool wheel_running(const struct wheel_entry *e)
{
    return link_in_list(&e->link);
}
/** Moves every entry that is due into out (through its link); the caller takes them out one by one, and may stop or
 * restart others meanwhile. wheel_stop() is what takes an entry out of `out`. */
void wheel_take(struct wheel *w, uint64_t now_ns, struct list *out);
/** When wheel_take() is worth calling next; UINT64_MAX = nothing is running. May be earlier than the first deadline when
 * that lies beyond one turn. */
uint64_t wheel_next_ns(const struct wheel *w);

#endif
