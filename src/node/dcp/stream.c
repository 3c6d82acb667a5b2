/* One stream: snapshots, their items, and the steps of a takeover. */
#include "base/alloc.h"
#include "node/dcp/peer.h"

enum { DRAIN_NS = 500 * 1000 * 1000 /* how long a takeover waits for durable writes */ };

#define TO(state) (1u << STREAM_##state)
static const unsigned allowed[] = {
    [STREAM_READING] = TO(DRAINING) | TO(OVER),
    [STREAM_DRAINING] = TO(READING) | TO(ASKED_PENDING) | TO(OVER),
    [STREAM_ASKED_PENDING] = TO(LAST_READING) | TO(OVER),
    [STREAM_LAST_READING] = TO(ASKED_ACTIVE) | TO(OVER),
    [STREAM_ASKED_ACTIVE] = TO(OVER),
    [STREAM_OVER] = 0,
};

static bool move(struct dcp_stream *s, enum dcp_stream_state to)
{
    if (!(allowed[s->state] >> to & 1)) return false;
    s->state = to;
    return true;
}

/* A takeover that ends before its time: the vBucket stays here. */
static void keep_serving(struct dcp_stream *s)
{
    if (s->cursor.vbucket && (s->state == STREAM_DRAINING || s->state == STREAM_ASKED_PENDING))
        s->cursor.vbucket->handing_over = false;
}

void dcp_stream_free(struct dcp_stream *s)
{
    keep_serving(s);
    cursor_close(&s->cursor);
    if (s->flags & DCP_STREAM_TAKEOVER) s->peer->takeovers--;
    list_remove(&s->link);
    list_remove(&s->ready_link);
    dcp_filter_fini(&s->filter);
    mem_free(s);
}

void dcp_stream_end(struct dcp_stream *s, enum dcp_end reason)
{
    struct dcp_message m = {.opcode = OP_DCP_STREAM_END, .reason = reason};
    keep_serving(s);
    if (s->state != STREAM_OVER) dcp_send(s, &m);
    move(s, STREAM_OVER);
}

/* ---- snapshots */

/* The last item up to the end that the consumer is shown; 0 = none. */
static uint64_t last_shown(const struct dcp_stream *s)
{
    const struct vbucket *v = s->cursor.vbucket;
    for (struct link *l = v->order.head.prev; l != &v->order.head; l = l->prev) {
        const struct item *i = container_of(l, struct item, order);
        if (i->seqno <= s->cursor.passed) break;
        if (i->seqno <= s->end && !(i->state & ITEM_GHOST) && dcp_shows(s, i)) return i->seqno;
    }
    return 0;
}

static void send_marker(struct dcp_stream *s, uint64_t end)
{
    const struct vbucket *v = s->cursor.vbucket;
    struct dcp_message m = {.opcode = OP_DCP_SNAPSHOT_MARKER};
    m.marker.start = s->any_marker ? s->cursor.passed + 1 : s->cursor.passed;
    m.marker.end = end;
    m.marker.flags = (s->disk ? DCP_MARKER_DISK : DCP_MARKER_MEMORY) | DCP_MARKER_CHECKPOINT;
    m.marker.version = s->peer->sync_writes ? 20 : 1;
    m.marker.max_visible = end;
    m.marker.high_completed = s->disk ? v->high_completed_seqno : 0;
    s->any_marker = true;
    dcp_send(s, &m);
}

/* Prepares and aborts that the consumer is not shown still take seqnos: one that counts along is told. */
static void send_advanced(struct dcp_stream *s, uint64_t seqno)
{
    struct dcp_message m = {.opcode = OP_DCP_SEQNO_ADVANCED, .seqno = seqno};
    send_marker(s, seqno);
    dcp_send(s, &m);
}

static void open_snapshot(struct dcp_stream *s)
{
    s->opened_at = s->cursor.passed;
    s->disk = s->cursor.passed < s->backlog_end;
    cursor_begin(&s->cursor);
    s->shown_until = last_shown(s);
    bool tell = !s->shown_until && s->filter.all && s->peer->collections && s->cursor.until <= s->end;
    if (s->shown_until) send_marker(s, s->shown_until);
    else if (tell) send_advanced(s, s->cursor.until);
}

/* Sends the next item that is shown; false: the snapshot is over. */
static bool read_on(struct dcp_stream *s)
{
    struct item *i;
    while ((i = cursor_peek(&s->cursor)) && i->seqno <= s->shown_until) {
        bool shown = dcp_shows(s, i), sent = !shown || dcp_emit(s, i);
        if (!sent) s->cursor.broken = true;
        if (!sent) return false;
        cursor_pass(&s->cursor);
        if (shown) return true;
    }
    /* behind the end of the stream nothing is left to be read */
    while (!s->cursor.broken && cursor_peek(&s->cursor)) cursor_pass(&s->cursor);
    cursor_end(&s->cursor);
    return false;
}

/* ---- takeover */

static void ask_state(struct dcp_stream *s, enum dcp_vbucket_state state)
{
    struct dcp_message m = {.opcode = OP_DCP_SET_VBUCKET_STATE, .state = (uint8_t)state};
    dcp_send(s, &m);
}

/* Everything was sent: what a takeover does next. false: it waits. */
static bool hand_over(struct dcp_stream *s)
{
    struct vbucket *v = s->cursor.vbucket;
    uint64_t now_ns = io_now_ns(s->peer->session->engine->loop);
    switch (s->state) {
    case STREAM_READING:
        move(s, STREAM_DRAINING);
        v->handing_over = true; /* no new durable writes: they would not be decided here */
        s->drain_until_ns = now_ns + DRAIN_NS;
        return true;
    case STREAM_DRAINING:
        if (v->prepares && now_ns < s->drain_until_ns) return false;
        move(s, STREAM_ASKED_PENDING);
        ask_state(s, DCP_VB_PENDING);
        return false;
    case STREAM_LAST_READING:
        move(s, STREAM_ASKED_ACTIVE);
        ask_state(s, DCP_VB_ACTIVE);
        return false;
    default:
        return false;
    }
}

void dcp_stream_state_taken(struct dcp_stream *s)
{
    struct vbucket *v = s->cursor.vbucket;
    if (s->state == STREAM_ASKED_PENDING) {
        s->cursor.stays = true;
        move(s, STREAM_LAST_READING);
        vbucket_set_mode(v, VBUCKET_DEAD, io_rng(s->peer->session->engine->loop));
    } else if (s->state == STREAM_ASKED_ACTIVE) {
        dcp_stream_end(s, DCP_END_OK);
    }
    dcp_stream_wake(s);
}

/* ---- steps */

static bool reads(const struct dcp_stream *s)
{
    return s->state != STREAM_ASKED_PENDING && s->state != STREAM_ASKED_ACTIVE && s->state != STREAM_OVER;
}

bool dcp_stream_step(struct dcp_stream *s)
{
    const struct vbucket *v = s->cursor.vbucket;
    if (s->state == STREAM_OVER) return false;
    if (s->cursor.broken) {
        dcp_stream_end(s, s->cursor.slow ? DCP_END_TOO_SLOW : DCP_END_STATE_CHANGED);
        return false;
    }
    if (!reads(s)) return false;
    if (s->cursor.until) {
        read_on(s);
        return true;
    }
    if (s->cursor.passed >= s->end) {
        dcp_stream_end(s, DCP_END_OK);
        return false;
    }
    if (v->high_seqno > s->cursor.passed) {
        open_snapshot(s);
        return true;
    }
    return (s->flags & DCP_STREAM_TAKEOVER) && hand_over(s);
}
