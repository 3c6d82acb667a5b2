#include "node/dcp/held.h"

#include "base/alloc.h"
#include "node/dcp/peer.h"

struct held_answer {
    struct link link;         /* in the engine, by deadline */
    struct link vbucket_link; /* in the vBucket, by seqno of the prepare */
    struct link session_link;
    struct engine *engine;
    struct session *session; /* NULL = it is gone */
    struct vbucket *vbucket;
    uint64_t prepared_seqno, deadline_ns, began_ns;
    uint32_t opaque;
    uint8_t opcode;
    bool blocks;      /* the session serves nothing else meanwhile */
    struct buf bytes; /* the answer; empty for quiet commands */
};

/* ---- life */

static void on_time(void *user);

void held_init(struct engine *e)
{
    list_init(&e->held);
    list_init(&e->answered);
    io_timer_init(&e->held_timer, e->loop, on_time, e);
}

static void drop(struct held_answer *h)
{
    list_remove(&h->link);
    list_remove(&h->vbucket_link);
    list_remove(&h->session_link);
    buf_fini(&h->bytes);
    mem_free(h);
}

void held_fini(struct engine *e)
{
    io_timer_stop(&e->held_timer);
    list_each(&e->held, it) drop(container_of(it, struct held_answer, link));
}

void held_leave(struct session *s)
{
    list_remove(&s->answered);
    list_each(&s->held, it)
    {
        struct held_answer *h = container_of(it, struct held_answer, session_link);
        list_remove(it);
        h->session = NULL;
    }
}

/* ---- time */

static void watch(struct engine *e)
{
    struct link *first = list_first(&e->held);
    uint64_t at_ns = first ? container_of(first, struct held_answer, link)->deadline_ns : IO_NEVER;
    if (!list_empty(&e->answered)) at_ns = io_now_ns(e->loop);
    if (at_ns == IO_NEVER) io_timer_stop(&e->held_timer);
    else io_timer_start(&e->held_timer, at_ns);
}

static void insert_by_deadline(struct engine *e, struct held_answer *h)
{
    struct link *at = e->held.head.prev;
    while (at != &e->held.head && container_of(at, struct held_answer, link)->deadline_ns > h->deadline_ns)
        at = at->prev;
    list_insert_before(at->next, &h->link);
    if (list_first(&e->held) == &h->link) watch(e);
}

static void on_time(void *user)
{
    struct engine *e = user;
    struct link *first;
    engine_read_clock(e);
    while ((first = list_first(&e->held))) {
        struct held_answer *h = container_of(first, struct held_answer, link);
        if (h->deadline_ns > e->clock.now_ns) break;
        struct vbucket *v = h->vbucket;
        struct item *p = vbucket_prepare_at(v, h->prepared_seqno);
        if (p && v->mode == VBUCKET_ACTIVE) vbucket_abort(v, p, 0, &e->clock); /* tells held_settled() */
        else held_settled(e, v, h->prepared_seqno, DURABLE_GIVEN_UP);
    }
    dcp_pump_all(e);
    watch(e);
}

/* ---- holding */

/* Nothing can be held: the write goes on, what becomes of it the client must find out. */
static void answer_ambiguous(const struct request *rq)
{
    reply_status(rq, ST_SYNC_WRITE_AMBIGUOUS);
}

void held_take(struct request *rq, size_t from)
{
    struct engine *e = rq->engine;
    struct session *s = rq->session;
    struct buf *out = reply_out(rq);
    struct item *prepare = rq->bucket->store.pending;
    rq->bucket->store.pending = NULL;
    struct held_answer *h = mem_zalloc(sizeof *h);
    if (h) {
        h->bytes.limit = out->limit;
        buf_put_bytes(&h->bytes, bytes_slice(buf_view(out), from, out->len));
    }
    out->len = from;
    if (!h || h->bytes.failed) {
        mem_free(h);
        answer_ambiguous(rq);
        return;
    }
    uint32_t limit_ms = rq->framing.durable_ms ? rq->framing.durable_ms : DURABLE_DEFAULT_MS;
    h->engine = e;
    h->session = s;
    h->vbucket = rq->vbucket;
    h->prepared_seqno = prepare->seqno;
    h->deadline_ns = e->clock.now_ns + limit_ms * NS_PER_MS;
    h->began_ns = rq->began_ns;
    h->opaque = rq->frame.opaque;
    h->opcode = rq->frame.opcode;
    h->blocks = !session_has(s, FEATURE_UNORDERED);
    list_append(&rq->vbucket->held, &h->vbucket_link);
    list_append(&s->held, &h->session_link);
    insert_by_deadline(e, h);
    if (h->blocks) session_block(s);
}

/* ---- letting go */

/* The answer was made long ago: its duration was not known then. */
static void correct_duration(struct held_answer *h)
{
    enum { DURATION_AT = FRAME_HEADER + 1 };
    bool timed = h->bytes.len > DURATION_AT + 2 && h->bytes.data[0] == MAGIC_ALT_RESPONSE && h->began_ns;
    if (!timed) return;
    uint64_t us = (io_now_ns(h->engine->loop) - h->began_ns) / 1000;
    put_u16be(h->bytes.data + DURATION_AT, duration_encode(us));
}

static void let_go(struct held_answer *h, enum durable_end end)
{
    struct session *s = h->session;
    struct engine *e = h->engine;
    if (s && s->state != SESSION_CLOSING) {
        struct request rq = {.session = s, .engine = e, .began_ns = h->began_ns};
        rq.frame.opcode = h->opcode;
        rq.frame.opaque = h->opaque;
        if (h->blocks) s->unblock = true;
        if (!link_in_list(&s->answered)) list_append(&e->answered, &s->answered);
        if (end == DURABLE_COMMITTED) {
            correct_duration(h);
            buf_put_bytes(io_stream_output(s->stream), buf_view(&h->bytes));
        } else {
            answer_ambiguous(&rq);
        }
    }
    drop(h);
    e->dcp_dirty = true;
    watch(e);
}

void held_settled(void *user, struct vbucket *v, uint64_t prepared_seqno, enum durable_end end)
{
    list_each(&v->held, it)
    {
        struct held_answer *h = container_of(it, struct held_answer, vbucket_link);
        if (h->prepared_seqno != prepared_seqno) continue;
        let_go(h, end);
        return;
    }
}

void held_flush(struct engine *e)
{
    struct link *first;
    while ((first = list_take_first(&e->answered))) {
        struct session *s = container_of(first, struct session, answered);
        if (s->state == SESSION_CLOSING) continue;
        bool unblock = s->unblock;
        s->unblock = false;
        io_stream_flush(s->stream);
        if (unblock) session_resume(s);
    }
}
