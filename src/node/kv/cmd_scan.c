/* RANGE_SCAN_CREATE, _CONTINUE, _CANCEL. */
#include "node/command.h"

#include "node/kv/scan.h"

enum { PIECE_BYTES = 128 * 1024, PIECE_MIN = 4096, BACKLOG_PAUSE_MS = 60 * 1000 };

/* ---- create */

bool check_scan_create(struct request *rq)
{
    const char *problem = NULL;
    if (!(rq->frame.datatype & DATATYPE_JSON)) {
        reply_problem(rq, ST_EINVAL, "Datatype must be JSON");
        return false;
    }
    enum scan_verdict verdict = scan_read_create(&rq->frame, &rq->engine->scan, &problem);
    if (verdict == SCAN_INVALID) reply_problem(rq, ST_EINVAL, problem);
    if (verdict == SCAN_DISCONNECT) {
        LOG_D(rq->engine->log, "kv: range scan refused: %s", problem ? problem : "types");
        session_close(rq->session);
    }
    return verdict == SCAN_GOOD;
}

/* What the client wants to see in the snapshot. A seqno that is not there yet: try again, it may come. */
static enum status check_snapshot(const struct request *rq, const struct scan_create *c)
{
    const struct vbucket *v = rq->vbucket;
    if (!c->has_snapshot) return ST_SUCCESS;
    if (c->vbucket_uuid != vbucket_uuid(v)) return ST_VBUUID_NOT_EQUAL;
    if (c->seqno > v->high_seqno) return ST_ETMPFAIL;
    if (!c->seqno_exists) return ST_SUCCESS;
    list_each(&v->order, link)
    {
        const struct item *i = container_of(link, struct item, order);
        if (i->seqno == c->seqno) return ST_SUCCESS;
        if (i->seqno > c->seqno) break;
    }
    return ST_NOT_STORED;
}

static void create(struct request *rq, const struct scan_create *c)
{
    struct scan *s = NULL;
    switch (scan_make(&rq->bucket->scans, rq->vbucket, c, session_takes_snappy(rq->session), &rq->engine->clock, &s)) {
    case SCAN_MADE:
        reply_value(rq, bytes_of(s->id.bytes, SCAN_ID_LEN), 0);
        break;
    case SCAN_NOTHING:
        reply_problem(rq, ST_KEY_ENOENT, "RangeScan: no keys in the range");
        break;
    case SCAN_TOO_MANY:
        reply_plain(rq, ST_EBUSY);
        break;
    case SCAN_NO_MEMORY:
        reply_plain(rq, ST_ENOMEM);
        break;
    }
}

void run_scan_create(struct request *rq)
{
    const struct scan_create *c = &rq->engine->scan;
    const struct collection *in = manifest_find(&rq->bucket->store.manifest, c->collection);
    if (!in) {
        reply_unknown_collection(rq, ST_UNKNOWN_COLLECTION);
        return;
    }
    if (!(account_collection_privileges(rq->session->account, rq->bucket->name, in) & PRIV_RANGE_SCAN)) {
        reply_denied(rq, "RangeScan");
        return;
    }
    enum status status = check_snapshot(rq, c);
    if (status == ST_SUCCESS) create(rq, c);
    else if (status == ST_NOT_STORED) reply_problem(rq, status, "RangeScan: the seqno of the snapshot is not stored");
    else reply_status(rq, status);
}

/* ---- continue */

/* One answer: items, and whether there will be more by itself (SUCCESS), on demand (MORE), or no more. A limit of bytes is
 * looked at only when there is something worth sending, as measured. */
static enum status put_piece(const struct request *rq, struct scan *s, struct scan_limits *left)
{
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    size_t piece = !left->bytes || left->bytes > PIECE_BYTES ? PIECE_BYTES : left->bytes;
    size_t taken = scan_take(s, left, piece < PIECE_MIN ? PIECE_MIN : piece, out);
    bool full = left->items && taken == left->items;
    bool over = s->next == s->count && !full;
    bool limited = full || (left->bytes && out->len >= left->bytes);
    enum status status = over ? ST_RANGE_SCAN_COMPLETE : limited ? ST_RANGE_SCAN_MORE : ST_SUCCESS;
    struct kv_reply r = reply_begin(rq, status);
    r.value = buf_view(out);
    uint8_t *extras = kv_put_reply_head(reply_out(rq), &r, 4);
    if (extras) put_u32be(extras, s->kind);
    buf_put_bytes(reply_out(rq), r.value);
    if (left->items) left->items -= taken;
    if (left->bytes) left->bytes = out->len < left->bytes ? left->bytes - out->len : 1;
    return status;
}

/* Sends pieces until a limit or the end is reached, or the connection has enough to do. true: the command is done. */
static bool pump(const struct request *rq, struct scan *s, struct scan_limits *left)
{
    while (io_stream_backlog(rq->session->stream) < IO_BACKLOG_HIGH) {
        enum status status = put_piece(rq, s, left);
        if (status == ST_SUCCESS) continue;
        s->busy = false;
        if (status == ST_RANGE_SCAN_COMPLETE) scan_drop(&rq->bucket->scans, s);
        return true;
    }
    return false;
}

static struct request resumed(struct session *s)
{
    struct request rq = {.session = s, .engine = s->engine, .bucket = s->bucket};
    rq.frame.opcode = s->waiting.opcode;
    rq.frame.opaque = s->waiting.opaque;
    rq.began_ns = io_now_ns(s->engine->loop);
    return rq;
}

static void go_on(struct session *s, void *data, bool last)
{
    struct request rq = resumed(s);
    struct scan *scan = s->bucket ? scan_find(&s->bucket->scans, &s->waiting.scan, s->waiting.vbucket) : NULL;
    if (scan && !last && io_stream_backlog(s->stream) > IO_BACKLOG_LOW) return;
    if (scan && !last && !pump(&rq, scan, &s->waiting.left)) {
        io_stream_flush(s->stream);
        return;
    }
    if (!scan || last) {
        if (scan) scan->busy = false;
        reply_status(&rq, ST_RANGE_SCAN_CANCELLED);
    }
    session_resume(s);
}

void run_scan_continue(struct request *rq)
{
    struct scan_continue c;
    if (scan_read_continue(&rq->frame, &c, NULL)) {
        reply_plain(rq, ST_EINVAL);
        return;
    }
    scan_table_tidy(&rq->bucket->scans, rq->engine->clock.now_ns);
    struct scan *s = scan_find(&rq->bucket->scans, &c.id, rq->frame.vbucket);
    if (!s || s->busy) {
        reply_plain(rq, s ? ST_EBUSY : ST_KEY_ENOENT);
        return;
    }
    struct scan_limits left = {c.item_limit, c.byte_limit};
    if (pump(rq, s, &left)) return;
    s->busy = true;
    struct session *session = rq->session;
    session->waiting.left = left;
    session->waiting.scan = c.id;
    session->waiting.opaque = rq->frame.opaque;
    session->waiting.opcode = rq->frame.opcode;
    session->waiting.vbucket = rq->frame.vbucket;
    session_wait(session, go_on, BACKLOG_PAUSE_MS);
}

void run_scan_cancel(struct request *rq)
{
    struct scan_id id;
    if (scan_read_cancel(&rq->frame, &id, NULL)) {
        reply_plain(rq, ST_EINVAL);
        return;
    }
    struct scan *s = scan_find(&rq->bucket->scans, &id, rq->frame.vbucket);
    if (s && s->busy) s->until_ns = 0; /* goes with the next tidying */
    else if (s) scan_drop(&rq->bucket->scans, s);
    reply_plain(rq, s ? ST_SUCCESS : ST_KEY_ENOENT);
}
