/* What the manager orders this node to do with its vBuckets: builds, takeovers, readings; see manager/order.h. */
#ifndef DIVAN_NODE_ORDERS_H
#define DIVAN_NODE_ORDERS_H

#include "base/log.h"
#include "manager/order.h"

struct orders;
struct engine;

typedef void orders_result_fn(void *user, const struct order_result *);

/** fn is called for every order exactly once, unless a newer one replaced it or orders_free() came before; it may be called
 * from inside orders_take(). NULL: out of memory. What is given is borrowed. */
struct orders *orders_new(struct engine *, const struct log *, orders_result_fn *fn, void *user);
/** Gives up what runs. NULL is fine. */
void orders_free(struct orders *);
/** Carries an order out, with the buckets of d. */
void orders_take(struct orders *, const struct doc *d, const struct order *);
/** No task runs any more: what was built so far stays what it is, nobody is told. bucket NULL = of any. */
void orders_cancel(struct orders *, const char *bucket);

#endif
