/* A pipe for messages, both ways, between a manager and a node: in one process as a pair, between processes over a stream
 * (four bytes of length, then the text). Whoever uses one does not see which. Messages arrive whole and in order, never
 * from inside the call that sent them. */
#ifndef DIVAN_MANAGER_CHANNEL_H
#define DIVAN_MANAGER_CHANNEL_H

#include "io/io.h"

struct channel;

enum { CHANNEL_MESSAGE_MAX = 64 * 1024 * 1024, CHANNEL_FIRST_MAX = 64 * 1024 };

struct channel_handler {
    void (*message)(void *user, struct divan_bytes text); /* borrowed for the call */
    /** The end, exactly once, not after channel_free(). */
    void (*closed)(void *user, const struct divan_error *why);
};

/** Two ends in one process. false: out of memory. Free both. */
bool channel_pair(struct io_loop *, struct channel **a, struct channel **b);
/** Over a connected or connecting stream, which the channel owns from now on (closed on failure, too). NULL: out of
 * memory. `max` bounds a message that comes in until channel_trust(): strangers get little. */
struct channel *channel_over(struct io_loop *, struct io_stream *, size_t max);
void channel_handle(struct channel *, const struct channel_handler *, void *user);
void channel_trust(struct channel *); /**< messages up to CHANNEL_MESSAGE_MAX from now on */
/** false: out of memory or closed; the message is lost and the channel closes. */
bool channel_send(struct channel *, struct divan_bytes text);
/** No handler is called any more. The other end sees `closed` after what was sent. NULL is fine. */
void channel_free(struct channel *);

#endif
