#include "node/kv/order.h"

#include "base/alloc.h"
#include "node/kv/store.h"

enum { GHOSTS_MIN = 32 * 1024 * 1024 };

#define each_cursor(v, c)                                                                                              \
    list_each(&(v)->cursors, it) for (struct order_cursor *c = container_of(it, struct order_cursor, link); c; c = NULL)

static struct item *item_at(struct link *l)
{
    return container_of(l, struct item, order);
}

static size_t ghost_size(const struct item *i)
{
    return sizeof *i + i->key_len + i->value_len;
}

void order_append(struct vbucket *v, struct item *i)
{
    list_append(&v->order, &i->order);
    each_cursor(v, c)
    {
        if (c->at == &v->order.head) c->at = &i->order;
        c->changed(c);
    }
}

void order_remove(struct vbucket *v, struct item *i)
{
    each_cursor(v, c)
    {
        if (c->at == &i->order) c->at = i->order.next;
    }
    list_remove(&i->order);
}

bool order_shows(const struct vbucket *v, const struct item *i)
{
    each_cursor(v, c)
    {
        if (c->passed < i->seqno && i->seqno <= c->until && !c->broken) return true;
    }
    return false;
}

void order_keep_ghost(struct vbucket *v, struct item *i)
{
    struct store *s = v->store;
    uint64_t share = s->quota_bytes / 4 > GHOSTS_MIN ? s->quota_bytes / 4 : GHOSTS_MIN;
    i->state |= ITEM_GHOST;
    s->ghost_bytes += ghost_size(i);
    if (s->ghost_bytes <= share) return;
    each_cursor(v, c)
    {
        if (!c->until || c->stays) continue;
        c->broken = c->slow = true;
        c->changed(c);
    }
}

void order_replace_by_ghost(struct vbucket *v, struct item *i, struct item *copy)
{
    list_insert_before(&i->order, &copy->order);
    each_cursor(v, c)
    {
        if (c->at == &i->order) c->at = &copy->order;
    }
    list_remove(&i->order);
    order_keep_ghost(v, copy);
}

void order_break(struct vbucket *v, bool all)
{
    each_cursor(v, c)
    {
        if (c->stays && !all) continue;
        c->broken = true;
        c->changed(c);
    }
}

/* ---- cursors */

/* From the nearer end: who goes on where he was is near the tail, who begins anew is at the head. */
static struct link *find_behind(struct vbucket *v, uint64_t seqno)
{
    struct link *head = &v->order.head, *l;
    if (list_empty(&v->order) || item_at(head->prev)->seqno <= seqno) return head;
    if (seqno < v->high_seqno / 2) {
        for (l = head->next; l != head && item_at(l)->seqno <= seqno;) l = l->next;
        return l;
    }
    for (l = head->prev; l->prev != head && item_at(l->prev)->seqno > seqno;) l = l->prev;
    return l;
}

void cursor_open(struct order_cursor *c, struct vbucket *v, uint64_t from, void (*changed)(struct order_cursor *))
{
    *c = (struct order_cursor){.vbucket = v, .passed = from, .changed = changed};
    c->at = find_behind(v, from);
    list_append(&v->cursors, &c->link);
}

static void free_unseen(struct vbucket *v, struct item *i)
{
    if (!(i->state & ITEM_GHOST) || order_shows(v, i)) return;
    order_remove(v, i);
    v->store->ghost_bytes -= ghost_size(i);
    mem_free(i);
}

void cursor_close(struct order_cursor *c)
{
    struct vbucket *v = c->vbucket;
    if (!v || !link_in_list(&c->link)) return;
    list_remove(&c->link);
    for (struct link *l = c->at, *next; c->until && l != &v->order.head && item_at(l)->seqno <= c->until; l = next) {
        next = l->next;
        free_unseen(v, item_at(l));
    }
    c->vbucket = NULL;
}

void cursor_begin(struct order_cursor *c)
{
    c->until = c->vbucket->high_seqno;
}

struct item *cursor_peek(const struct order_cursor *c)
{
    if (c->broken || c->at == &c->vbucket->order.head) return NULL;
    struct item *i = item_at(c->at);
    return i->seqno <= c->until ? i : NULL;
}

void cursor_pass(struct order_cursor *c)
{
    struct item *i = item_at(c->at);
    c->passed = i->seqno;
    c->at = c->at->next;
    free_unseen(c->vbucket, i);
}

void cursor_end(struct order_cursor *c)
{
    if (c->until > c->passed) c->passed = c->until;
    c->until = 0;
}
