/* Intrusive doubly linked list. A list is a struct list initialised with list_init(); a link not in a list is zeroed. */
#ifndef DIVAN_BASE_LIST_H
#define DIVAN_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct link {
    struct link *prev, *next;
};
struct list {
    struct link head;
};

static inline void list_init(struct list *l)
{
    l->head.prev = l->head.next = &l->head;
}
static inline bool list_empty(const struct list *l)
{
    return l->head.next == &l->head;
}
static inline bool link_in_list(const struct link *n)
{
    return n->next != NULL;
}
static inline void list_insert_before(struct link *at, struct link *n)
{
    n->prev = at->prev;
    n->next = at;
    at->prev->next = n;
    at->prev = n;
}
static inline void list_append(struct list *l, struct link *n)
{
    list_insert_before(&l->head, n);
}
static inline void list_prepend(struct list *l, struct link *n)
{
    list_insert_before(l->head.next, n);
}
static inline void list_remove(struct link *n) /* a link in no list is left alone */
{
    if (!n->next) return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->prev = n->next = NULL;
}
static inline struct link *list_first(const struct list *l)
{
    return list_empty(l) ? NULL : l->head.next;
}
static inline struct link *list_take_first(struct list *l)
{
    struct link *n = list_first(l);
    if (n) list_remove(n);
    return n;
}
static inline void list_move_all(struct list *to, struct list *from) /* appends, leaves `from` empty */
{
    if (list_empty(from)) return;
    from->head.next->prev = to->head.prev;
    to->head.prev->next = from->head.next;
    from->head.prev->next = &to->head;
    to->head.prev = from->head.prev;
    list_init(from);
}

#define container_of(link_, type, member) ((type *)(void *)((char *)(link_)-offsetof(type, member)))
/** Safe against removal of the current entry. */
#define list_each(list_, it)                                                                                           \
    for (struct link *it = (list_)->head.next, *it##_next = it->next; it != &(list_)->head;                            \
         it = it##_next, it##_next = it->next)

#endif
