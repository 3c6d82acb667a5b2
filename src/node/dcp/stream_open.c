/* STREAM_REQ: whether a stream can be had, and from where. */
#include "base/alloc.h"
#include "node/dcp/peer.h"
#include "node/request.h"

enum {
    KNOWN_FLAGS = DCP_STREAM_TAKEOVER | DCP_STREAM_DISK_ONLY | DCP_STREAM_TO_LATEST | DCP_STREAM_ACTIVE_ONLY |
                  DCP_STREAM_STRICT_UUID | DCP_STREAM_FROM_LATEST | DCP_STREAM_IGNORE_PURGED
};

struct dcp_stream *dcp_peer_find(const struct dcp_peer *p, uint16_t vbucket, bool has_sid, uint16_t sid)
{
    list_each(&p->streams, link)
    {
        struct dcp_stream *s = container_of(link, struct dcp_stream, link);
        if (s->vbucket == vbucket && s->state != STREAM_OVER && s->filter.has_sid == has_sid &&
            (!has_sid || s->filter.sid == sid))
            return s;
    }
    return NULL;
}

bool dcp_needs_rollback(const struct vbucket *v, const struct dcp_stream_request *r, bool has_purge, uint64_t purge,
                        uint64_t *to)
{
    uint64_t first = r->snapshot_start, last = r->snapshot_end, upper = v->high_seqno;
    *to = 0;
    if (!r->start && (!(r->flags & DCP_STREAM_STRICT_UUID) || !r->uuid)) return false;
    bool purged = r->start && r->start < v->purge_seqno && !(r->flags & DCP_STREAM_IGNORE_PURGED);
    if (purged && !(has_purge && purge == v->purge_seqno)) return true;
    uint8_t branch = 0;
    while (branch < v->failover_count && v->failover[branch].uuid != r->uuid) branch++;
    if (branch == v->failover_count) return true;
    if (branch) upper = v->failover[branch - 1].seqno; /* the next branch began there */
    if (r->start == first) last = r->start;
    if (last <= upper) return false;
    if (r->start == last) first = r->start;
    *to = upper < first ? upper : first;
    return true;
}

static enum status check_range(const struct dcp_stream_request *r)
{
    if (r->start > r->end || r->start < r->snapshot_start || r->start > r->snapshot_end) return ST_ERANGE;
    if ((r->flags & DCP_STREAM_DISK_ONLY) && r->start == r->end) return ST_ERANGE;
    return ST_SUCCESS;
}

static bool refuse_vbucket(struct request *rq, const struct vbucket *v, uint32_t flags)
{
    bool here = v && v->mode != VBUCKET_ABSENT && v->mode != VBUCKET_DEAD && v->mode != VBUCKET_PENDING;
    if (here && !((flags & (DCP_STREAM_ACTIVE_ONLY | DCP_STREAM_TAKEOVER)) && v->mode != VBUCKET_ACTIVE)) return false;
    reply_not_my_vbucket(rq);
    return true;
}

static void on_changed(struct order_cursor *c)
{
    dcp_stream_wake(container_of(c, struct dcp_stream, cursor));
}

static void answer_log(struct request *rq, const struct vbucket *v)
{
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    for (uint8_t i = 0; i < v->failover_count; i++) failover_put(out, v->failover[i]);
    reply_value(rq, buf_view(out), 0);
}

static void answer_rollback(struct request *rq, uint64_t to)
{
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    buf_u64be(out, to);
    struct kv_reply r = reply_begin(rq, ST_ROLLBACK);
    r.value = buf_view(out);
    kv_put_reply(reply_out(rq), &r);
}

/* Everything is in order: the stream begins. Takes the filter. */
static void begin(struct request *rq, struct vbucket *v, const struct dcp_stream_request *r, struct dcp_filter *f)
{
    struct dcp_peer *p = rq->session->dcp;
    struct dcp_stream *s = mem_zalloc(sizeof *s);
    if (!s) {
        reply_plain(rq, ST_ENOMEM);
        return;
    }
    s->peer = p;
    s->filter = *f;
    *f = (struct dcp_filter){0};
    s->vbucket = v->id;
    s->opaque = rq->frame.opaque;
    s->flags = r->flags;
    s->end = r->end;
    s->backlog_end = v->high_seqno;
    cursor_open(&s->cursor, v, r->start, on_changed);
    list_append(&p->streams, &s->link);
    if (r->flags & DCP_STREAM_TAKEOVER) p->takeovers++;
    /* What it acknowledged beyond where it begins now, it does not have any more. */
    vbucket_unacknowledge(v, dcp_peer_node(p), r->start);
    answer_log(rq, v);
    dcp_stream_wake(s);
}

static void open_filtered(struct request *rq, struct dcp_message *m, struct dcp_filter *f)
{
    struct dcp_peer *p = rq->session->dcp;
    struct dcp_stream_request *r = &m->request;
    struct vbucket *v = store_vbucket(&rq->bucket->store, m->vbucket);
    uint64_t to = 0;
    enum status status;
    f->default_only = !p->collections;
    if (p->stream_ids ? !f->has_sid || !f->sid : f->has_sid) {
        reply_plain(rq, ST_DCP_STREAMID_INVALID);
        return;
    }
    if (refuse_vbucket(rq, v, r->flags)) return;
    if (dcp_peer_find(p, m->vbucket, f->has_sid, f->sid)) {
        reply_plain(rq, ST_KEY_EEXISTS);
        return;
    }
    if (r->flags & DCP_STREAM_FROM_LATEST) r->start = r->snapshot_start = r->snapshot_end = v->high_seqno;
    if (r->flags & DCP_STREAM_TO_LATEST) r->end = v->high_seqno;
    if ((status = check_range(r))) reply_plain(rq, status);
    else if (dcp_needs_rollback(v, r, f->has_purge_seqno, f->purge_seqno, &to)) answer_rollback(rq, to);
    else begin(rq, v, r, f);
}

void run_dcp_stream_request(struct request *rq)
{
    struct dcp_peer *p = rq->session->dcp;
    struct dcp_message m;
    struct dcp_filter filter;
    struct divan_error err;
    if (!p->collections && rq->frame.value.len) {
        reply_problem(rq, ST_EINVAL, "Request must not include value");
        return;
    }
    if (dcp_read(&rq->frame, p->collections, &m, &err) || (m.request.flags & ~(uint32_t)KNOWN_FLAGS) || m.datatype) {
        reply_problem(rq, ST_EINVAL, "Request contains invalid flags");
        return;
    }
    if (p->collections && !p->noop) {
        reply_plain(rq, ST_NOT_SUPPORTED);
        return;
    }
    enum status status = dcp_filter_read(m.value, &rq->bucket->store.manifest, &filter);
    if (status == ST_UNKNOWN_COLLECTION || status == ST_UNKNOWN_SCOPE) reply_unknown_collection(rq, status);
    else if (status) reply_plain(rq, status);
    if (status) return;
    open_filtered(rq, &m, &filter);
    dcp_filter_fini(&filter);
}
