#include "io/stream.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "base/error.h"

#define END_NS NS_PER_S                             /* how long close-with-flush may take */
enum { KEEP_BYTES = 1024 * 1024 };                  /* a larger output buffer is given back when empty */
static const size_t output_limit = (size_t)1 << 30; /* as io.h promises */

#define TO(state) (1u << STREAM_##state)
static const unsigned allowed[STREAM_STATES] = {
    [STREAM_CONNECTING] = TO(OPEN) | TO(DEAD),
    [STREAM_OPEN] = TO(ENDING) | TO(DEAD),
    [STREAM_ENDING] = TO(DEAD),
};

static void stream_move(struct io_stream *s, enum stream_state to)
{
    assert(allowed[s->state] & 1u << to);
    s->state = to;
}

static void end_now(void *user);

void stream_init(struct io_stream *s, struct io_loop *l, const struct stream_ops *ops, enum stream_state state)
{
    memset(s, 0, sizeof *s);
    s->loop = l;
    s->ops = ops;
    s->state = state;
    s->out.limit = s->sending.limit = output_limit;
    io_timer_init(&s->end_timer, l, end_now, s);
    list_append(&l->streams, &s->link);
}

void stream_fini(struct io_stream *s)
{
    io_timer_stop(&s->end_timer);
    list_remove(&s->link);
    input_fini(&s->in, &s->loop->chunks);
    buf_fini(&s->out);
    buf_fini(&s->sending);
}

void io_stream_handle(struct io_stream *s, const struct io_handler *handler, void *user)
{
    s->handler = handler;
    s->user = user;
}

/* ---- the end */

static void die(struct io_stream *s)
{
    if (s->state == STREAM_DEAD) return;
    stream_move(s, STREAM_DEAD);
    io_timer_stop(&s->end_timer);
    s->ops->drop(s);
}

void stream_failed(struct io_stream *s, const struct divan_error *why)
{
    if (s->state == STREAM_DEAD) return;
    if (s->state != STREAM_ENDING) s->why = *why; /* the owner has asked for the end: that is why */
    die(s);
}

void stream_ended(struct io_stream *s, enum divan_code code, int errno_value, const char *what)
{
    struct divan_error why;
    char peer[64];
    io_addr_text(&s->peer, peer, sizeof peer);
    memset(&why, 0, sizeof why);
    if (code && errno_value) err_sys(&why, code, errno_value, "%s %s", what, peer);
    else if (code) err_set(&why, code, "%s %s", what, peer);
    if (code) err_where(&why, NULL, peer);
    if (!code && s->send_errno)
        err_sys(&why, DIVAN_ERR_CONNECTION_LOST, s->send_errno, "the connection to %s broke while sending", peer);
    stream_failed(s, &why);
}

static void end_now(void *user)
{
    die(user);
}

static void start_ending(struct io_stream *s)
{
    stream_move(s, STREAM_ENDING);
    s->in.from = s->in.to;
    if (!io_timer_start(&s->end_timer, s->loop->now_ns + END_NS)) {
        die(s);
        return;
    }
    if (s->sending.len == s->sent) {
        s->finished = true;
        s->ops->finish(s);
    }
    s->ops->update(s);
}

void io_stream_close(struct io_stream *s, bool flush)
{
    if (s->state == STREAM_DEAD || s->state == STREAM_ENDING) {
        memset(&s->why, 0, sizeof s->why); /* dead already, but the owner closes: no failure to report */
        if (!flush) die(s);
        return;
    }
    if (flush) io_stream_flush(s);
    if (flush && s->state == STREAM_OPEN && !s->send_errno) start_ending(s);
    else die(s);
    memset(&s->why, 0, sizeof s->why);
}

void stream_gone(struct io_stream *s)
{
    const struct io_handler *handler = s->handler;
    struct divan_error why = s->why;
    stream_fini(s);
    s->loop->events++;
    if (handler) handler->closed(s->user, &why);
}

/* ---- input */

void stream_opened(struct io_stream *s)
{
    if (s->state != STREAM_CONNECTING) return;
    stream_move(s, STREAM_OPEN);
    s->loop->events++;
    s->ops->update(s);
    if (s->handler && s->handler->opened) s->handler->opened(s->user);
    if (s->state == STREAM_OPEN && s->flushed) io_stream_flush(s);
}

size_t stream_room(struct io_stream *s, uint8_t **at)
{
    size_t room = input_room(&s->in, &s->loop->chunks, at);
    if (!room) stream_ended(s, DIVAN_ERR_OUT_OF_MEMORY, 0, "no memory is left to read what comes from");
    return room;
}

void stream_received(struct io_stream *s, size_t n)
{
    s->loop->events++;
    input_added(&s->in, n);
    if (s->state == STREAM_OPEN && s->handler) s->handler->data(s->user);
    else s->in.from = s->in.to; /* ending, or nobody cares */
    input_settle(&s->in, &s->loop->chunks);
}

bool io_wait_begin(struct io_stream *s, struct io_wait *w)
{
    int fd = s->ops->reserve ? s->ops->reserve(s) : -1;
    if (fd < 0) return false;
    *w = (struct io_wait){.stream = s, .fd = fd};
    w->room = stream_room(s, &w->at);
    if (w->room) return true;
    s->ops->unreserve(s);
    return false;
}

void io_wait_sleep(struct io_wait *w)
{
    w->got = recv(w->fd, w->at, w->room, 0);
    w->problem = w->got < 0 ? errno : 0;
}

bool io_wait_end(struct io_wait *w)
{
    struct io_stream *s = w->stream;
    io_refresh_now(s->loop);
    if (!s->ops->unreserve(s)) return false;
    if (w->got > 0) stream_received(s, (size_t)w->got);
    else if (!w->got) stream_ended(s, DIVAN_OK, 0, NULL);
    else if (w->problem != EAGAIN && w->problem != EWOULDBLOCK && w->problem != EINTR)
        stream_ended(s, DIVAN_ERR_CONNECTION_LOST, w->problem, "the connection broke to");
    return w->got > 0;
}

struct divan_bytes io_stream_input(const struct io_stream *s)
{
    return input_view(&s->in);
}

struct chunk *io_stream_chunk(const struct io_stream *s)
{
    return s->in.chunk;
}

void io_stream_consume(struct io_stream *s, size_t n)
{
    input_consume(&s->in, n);
}

void io_stream_expect(struct io_stream *s, size_t n)
{
    s->in.expect = n;
}

void io_stream_pause(struct io_stream *s, bool paused)
{
    if (s->paused == paused) return;
    s->paused = paused;
    if (s->state == STREAM_OPEN) s->ops->update(s);
}

/* ---- output */

struct buf *io_stream_output(struct io_stream *s)
{
    return &s->out;
}

size_t io_stream_backlog(const struct io_stream *s)
{
    return s->out.len + s->sending.len - s->sent;
}

static void empty(struct buf *b)
{
    buf_clear(b);
    if (b->cap > KEEP_BYTES) buf_fini(b);
}

/* The transport takes no more for now or for ever: what was flushed waits in `sending`, the rest stays appendable. */
static bool put_aside(struct io_stream *s, size_t taken)
{
    struct buf free_one = s->sending;
    size_t ready = s->flushed;
    buf_clear(&free_one);
    buf_put(&free_one, s->out.data + ready, s->out.len - ready);
    if (free_one.failed) return false;
    s->sending = s->out;
    s->sending.len = ready;
    s->sent = taken;
    s->out = free_one;
    s->flushed = 0;
    return true;
}

static void send_broke(struct io_stream *s, int errno_value)
{
    s->send_errno = errno_value;
    s->sent = s->sending.len;
    empty(&s->out);
    s->flushed = 0;
    /* A peer that refused with an answer and closed is heard out; a reader that is stopped would wait for ever. */
    if (s->paused || s->state == STREAM_ENDING) stream_ended(s, DIVAN_OK, 0, NULL);
    else s->ops->update(s);
}

static void out_of_memory(struct io_stream *s)
{
    stream_ended(s, DIVAN_ERR_OUT_OF_MEMORY, 0, "no memory is left for what is sent to");
}

/* Sends what was flushed straight from `out`. */
static void send_out(struct io_stream *s)
{
    ptrdiff_t taken = s->ops->send(s, bytes_of(s->out.data, s->flushed));
    if (taken < 0) send_broke(s, (int)-taken);
    else if ((size_t)taken == s->out.len) {
        empty(&s->out);
        s->flushed = 0;
    } else if ((size_t)taken == s->flushed) {
        buf_drop_front(&s->out, s->flushed);
        s->flushed = 0;
    } else if (!put_aside(s, (size_t)taken)) out_of_memory(s);
    else {
        s->congested = s->congested || io_stream_backlog(s) > IO_BACKLOG_HIGH;
        s->ops->update(s);
    }
}

void io_stream_flush(struct io_stream *s)
{
    if (s->state == STREAM_DEAD || s->state == STREAM_ENDING) return;
    if (s->out.failed) {
        out_of_memory(s);
        return;
    }
    if (s->send_errno) {
        empty(&s->out);
        return;
    }
    s->flushed = s->out.len;
    if (s->state == STREAM_CONNECTING || !s->flushed) return;
    if (s->sending.len > s->sent) s->congested = s->congested || io_stream_backlog(s) > IO_BACKLOG_HIGH;
    else send_out(s);
}

static bool send_waiting(struct io_stream *s)
{
    ptrdiff_t taken = s->ops->send(s, bytes_of(s->sending.data + s->sent, s->sending.len - s->sent));
    if (taken < 0) send_broke(s, (int)-taken);
    else s->sent += (size_t)taken;
    return s->sent == s->sending.len;
}

void stream_writable(struct io_stream *s)
{
    if (s->state != STREAM_OPEN && s->state != STREAM_ENDING) return;
    s->loop->events++;
    if (s->sending.len > s->sent && send_waiting(s)) {
        empty(&s->sending);
        s->sent = 0;
        if (s->flushed && s->state != STREAM_DEAD) send_out(s);
    }
    if (s->state == STREAM_DEAD) return;
    if (s->state == STREAM_ENDING && s->sending.len == s->sent && !s->finished) {
        s->finished = true;
        s->ops->finish(s);
    }
    s->ops->update(s);
    if (!s->congested || io_stream_backlog(s) > IO_BACKLOG_LOW) return;
    s->congested = false;
    if (s->state == STREAM_OPEN && s->handler && s->handler->drained) s->handler->drained(s->user);
}

const struct io_addr *io_stream_peer(const struct io_stream *s)
{
    return &s->peer;
}

const struct io_addr *io_stream_local(const struct io_stream *s)
{
    return &s->local;
}
