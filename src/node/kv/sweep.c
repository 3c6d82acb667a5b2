/* The sweep: a slow walk over all items that clears away what nobody asks for any more. It goes on between batches of
 * commands, so one step must stay short. */
#include "node/kv/ops.h"
#include "node/kv/store.h"

void store_sweep_begin(struct store *s)
{
    s->sweep.vbucket = s->sweep.slot = 0;
    s->sweep.running = true;
}

static void visit(struct vbucket *v, struct item *i, const struct kv_clock *t)
{
    /* A replica may hear of a new collection's documents before the node hears of the collection. */
    bool unheard_of = v->mode != VBUCKET_ACTIVE && i->collection > v->store->top_collection;
    if (unheard_of) return;
    if (!manifest_find(&v->store->manifest, i->collection)) vbucket_forget(v, i);
    else if (v->mode != VBUCKET_ACTIVE) return; /* the active node decides, and its decision comes over */
    else if (item_is_expired(i, t)) kv_expire(v, i, t);
    else if (!item_is_live(i) && i->expiry_s + TOMBSTONE_LIFE_S <= t->wall_s) vbucket_forget(v, i);
}

bool store_sweep_step(struct store *s, const struct kv_clock *t, uint32_t budget)
{
    while (s->sweep.running && budget) {
        if (s->sweep.vbucket >= s->vbucket_count) {
            s->sweep.running = false;
            break;
        }
        struct vbucket *v = &s->vbuckets[s->sweep.vbucket];
        for (; s->sweep.slot < v->slots && budget; s->sweep.slot++, budget--) {
            for (struct item *i = v->table[s->sweep.slot], *next; i; i = next) {
                next = i->chain;
                visit(v, i, t);
            }
        }
        if (s->sweep.slot < v->slots) break;
        s->sweep.slot = 0;
        s->sweep.vbucket++;
        budget--;
    }
    return s->sweep.running;
}
