#include "manager/channel.h"

#include "base/alloc.h"
#include "base/error.h"

enum { LENGTH_BYTES = 4 };

/* An end in one process holds what came in and a timer that is due at once; an end over a stream leaves both to the
 * stream. A freed end stays for as long as its stream does. */
struct channel {
    struct io_loop *loop;
    const struct channel_handler *handler;
    void *user;
    struct io_stream *stream;
    size_t max;
    struct channel *peer; /* in one process; NULL = gone */
    struct buf inbox;
    struct io_timer deliver;
    bool ended, told, freed, busy, closing;
    struct divan_error why;
};

static void destroy(struct channel *c)
{
    io_timer_stop(&c->deliver);
    buf_fini(&c->inbox);
    mem_free(c);
}

static void tell_closed(struct channel *c)
{
    if (c->told || c->freed) return;
    c->told = true;
    if (c->handler) c->handler->closed(c->user, &c->why);
}

/* Hands out the whole messages in `in` and returns how many bytes they were. The handler may free the channel. */
static size_t deliver_from(struct channel *c, struct divan_bytes in)
{
    size_t used = 0;
    while (!c->freed && in.len - used >= LENGTH_BYTES) {
        size_t len = get_u32be((const uint8_t *)in.data + used);
        if (len > c->max) {
            err_set(&c->why, DIVAN_ERR_FRAME_TOO_LARGE, "a message of %zu bytes on a link is over the limit of %zu",
                    len, c->max);
            c->ended = true;
            return used;
        }
        if (in.len - used - LENGTH_BYTES < len) {
            if (c->stream) io_stream_expect(c->stream, LENGTH_BYTES + len);
            break;
        }
        struct divan_bytes text = bytes_slice(in, used + LENGTH_BYTES, len);
        used += LENGTH_BYTES + len;
        if (c->handler) c->handler->message(c->user, text);
    }
    return used;
}

/* ---- in one process */

static void deliver_now(void *user)
{
    struct channel *c = user;
    struct buf in = c->inbox; /* what comes in meanwhile waits for the next turn */
    c->inbox = (struct buf){.limit = in.limit};
    c->busy = true;
    deliver_from(c, buf_view(&in));
    c->busy = false;
    buf_fini(&in);
    if (c->freed) destroy(c);
    else if (c->inbox.len) io_timer_start(&c->deliver, 0);
    else if (c->ended) tell_closed(c);
}

static struct channel *end_new(struct io_loop *loop)
{
    struct channel *c = mem_zalloc(sizeof *c);
    if (!c) return NULL;
    c->loop = loop;
    c->inbox.limit = 2 * (size_t)CHANNEL_MESSAGE_MAX;
    c->max = CHANNEL_MESSAGE_MAX;
    io_timer_init(&c->deliver, loop, deliver_now, c);
    return c;
}

bool channel_pair(struct io_loop *loop, struct channel **a, struct channel **b)
{
    struct channel *x = end_new(loop), *y = end_new(loop);
    if (!x || !y) {
        mem_free(x);
        mem_free(y);
        return false;
    }
    x->peer = y, y->peer = x;
    *a = x, *b = y;
    return true;
}

/* ---- over a stream */

static void close_stream(struct channel *c, bool flush)
{
    if (c->stream && !c->closing) io_stream_close(c->stream, flush);
    c->closing = true;
}

static void on_data(void *user)
{
    struct channel *c = user;
    c->busy = true;
    size_t used = deliver_from(c, io_stream_input(c->stream));
    c->busy = false;
    if (!c->freed && used) io_stream_consume(c->stream, used);
    if (c->freed || c->ended) close_stream(c, true);
}

static void on_opened(void *user) {}

static void on_closed(void *user, const struct divan_error *why)
{
    struct channel *c = user;
    c->stream = NULL;
    if (c->freed) {
        destroy(c);
        return;
    }
    if (!c->ended) c->why = *why;
    c->ended = true;
    tell_closed(c);
}

static const struct io_handler stream_handler = {.opened = on_opened, .data = on_data, .closed = on_closed};

struct channel *channel_over(struct io_loop *loop, struct io_stream *stream, size_t max)
{
    struct channel *c = end_new(loop);
    if (!c) {
        io_stream_close(stream, false);
        return NULL;
    }
    c->stream = stream;
    c->max = max;
    io_stream_handle(stream, &stream_handler, c);
    return c;
}

/* ---- both */

void channel_handle(struct channel *c, const struct channel_handler *handler, void *user)
{
    c->handler = handler;
    c->user = user;
}

void channel_trust(struct channel *c)
{
    c->max = CHANNEL_MESSAGE_MAX;
}

static bool put_message(struct buf *out, struct divan_bytes text)
{
    buf_u32be(out, (uint32_t)text.len);
    buf_put_bytes(out, text);
    return !out->failed;
}

bool channel_send(struct channel *c, struct divan_bytes text)
{
    if (c->ended || text.len > CHANNEL_MESSAGE_MAX || (!c->stream && !c->peer)) return false;
    bool sent = put_message(c->stream ? io_stream_output(c->stream) : &c->peer->inbox, text);
    if (sent && c->stream) io_stream_flush(c->stream);
    if (sent && c->peer) sent = io_timer_start(&c->peer->deliver, 0);
    if (sent) return true;
    err_oom(&c->why);
    c->ended = true;
    if (c->stream) close_stream(c, false);
    else io_timer_start(&c->deliver, 0);
    return false;
}

void channel_free(struct channel *c)
{
    if (!c) return;
    c->freed = true;
    if (c->peer) {
        c->peer->peer = NULL;
        c->peer->ended = true;
        io_timer_start(&c->peer->deliver, 0);
        c->peer = NULL;
    }
    if (c->stream) close_stream(c, true); /* on_closed() destroys */
    else if (!c->busy) destroy(c);
}
