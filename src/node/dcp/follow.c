/* The stream of one vBucket, on the side that takes it: request, rollback, applying, acknowledging, takeover. */
#include <stdio.h>

#include "base/error.h"
#include "node/dcp/replica_state.h"

#define RETRY_NS NS_PER_S

static struct engine *engine_of(const struct follow *f)
{
    return f->home->replication->engine;
}

void follow_set_problem(struct follow *f, const char *text)
{
    text_copy(f->problem, sizeof f->problem, text);
}

static void retry_later(struct follow *f, uint64_t after_ns)
{
    f->opaque = 0;
    f->retry_ns = io_now_ns(engine_of(f)->loop) + after_ns;
}

static void close_stream(struct follow *f)
{
    if (!f->opaque) return;
    consumer_send(f->consumer, &(struct dcp_message){.opcode = OP_DCP_CLOSE_STREAM, .vbucket = f->vbucket->id});
    f->opaque = 0;
}

/* ---- requesting */

void follow_request(struct follow *f)
{
    const struct vbucket *v = f->vbucket;
    bool takeover = f->task && f->task->takeover;
    struct dcp_message m = {.opcode = OP_DCP_STREAM_REQ, .vbucket = v->id};
    struct dcp_stream_request *r = &m.request;
    bool inside = v->snapshot_start <= v->high_seqno && v->high_seqno <= v->snapshot_end;
    r->flags = DCP_STREAM_ACTIVE_ONLY | (takeover ? DCP_STREAM_TAKEOVER : 0);
    r->start = v->high_seqno;
    r->end = DCP_FOREVER;
    r->uuid = vbucket_uuid(v);
    r->snapshot_start = inside ? v->snapshot_start : v->high_seqno;
    r->snapshot_end = inside ? v->snapshot_end : v->high_seqno;
    f->requested_start = r->start;
    f->opaque = m.opaque = ++f->consumer->next_opaque;
    f->retry_ns = 0;
    f->state = REPLICATION_REQUESTED;
    f->snapshot_end = f->high_completed = f->acknowledged = 0;
    f->source_known = false;
    consumer_send(f->consumer, &m);
}

static void roll_back(struct follow *f, const struct frame *answer)
{
    struct vbucket *v = f->vbucket;
    struct divan_error err;
    uint64_t to = 0, before = v->high_seqno;
    if (dcp_read_rollback(answer, &to, &err)) to = 0;
    if (to >= f->requested_start) to = 0; /* it would ask for the same again */
    to = replica_rollback(v, to);
    LOG_I(engine_of(f)->log, "replication: vBucket %u rolls back from %llu to %llu", v->id, (unsigned long long)before,
          (unsigned long long)to);
    f->opaque = 0;
    follow_request(f);
}

static void acknowledge(struct follow *f)
{
    struct vbucket *v = f->vbucket;
    uint64_t seqno = vbucket_acknowledgeable(v);
    if (seqno <= f->acknowledged) return;
    f->acknowledged = seqno;
    consumer_send(f->consumer, &(struct dcp_message){.opcode = OP_DCP_SEQNO_ACKNOWLEDGED,
                                                     .opaque = f->opaque,
                                                     .vbucket = v->id,
                                                     .seqno = f->acknowledged});
}

void follow_persisted(struct follow *f)
{
    bool whole = f->vbucket->high_seqno >= f->vbucket->snapshot_end;
    if (!f->opaque || !f->consumer || !f->consumer->stream || f->state == REPLICATION_REQUESTED || !whole) return;
    acknowledge(f);
    io_stream_flush(f->consumer->stream);
}

static void accepted(struct follow *f, const struct frame *answer)
{
    struct vbucket *v = f->vbucket;
    struct failover_entry log[FAILOVER_MAX];
    struct rd r = rd_from(answer->value);
    size_t count = 0;
    while (count < FAILOVER_MAX && failover_next(&r, &log[count])) count++;
    if (!count || !replica_adopt_log(v, log, count)) {
        close_stream(f);
        retry_later(f, RETRY_NS);
        return;
    }
    f->problem[0] = '\0';
    f->state = REPLICATION_STREAMING;
    f->consumer->asked_ns = 0; /* what has the source: ask now */
    bool whole = !(v->snapshot_start <= v->high_seqno && v->high_seqno < v->snapshot_end);
    if (whole) acknowledge(f);
}

void follow_answer(struct follow *f, const struct frame *answer)
{
    char text[PROBLEM_MAX];
    switch (answer->status) {
    case ST_SUCCESS:
        accepted(f, answer);
        return;
    case ST_ROLLBACK:
        roll_back(f, answer);
        return;
    default:
        break;
    }
    snprintf(text, sizeof text, "the source refuses the stream with status 0x%02x", answer->status);
    follow_set_problem(f, text);
    f->state = REPLICATION_FAILED;
    if (answer->status == ST_KEY_EEXISTS) close_stream(f);
    /* not active there: the document that makes it so is on its way */
    bool soon = answer->status == ST_KEY_EEXISTS || answer->status == ST_NOT_MY_VBUCKET;
    retry_later(f, soon ? 20 * NS_PER_MS : RETRY_NS);
    if (!f->task || !f->task->takeover) return;
    struct divan_error err;
    err_set(&err, DIVAN_ERR_UNREACHABLE, "vBucket %u cannot be taken over: %s", f->vbucket->id, text);
    task_end(f, &err);
}

/* ---- applying */

static struct item_change change_of(const struct dcp_message *m)
{
    struct item_change c = {.value = m->value,
                            .flags = m->flags,
                            .expiry_s = m->expiry,
                            .datatype = m->datatype,
                            .cas = m->cas,
                            .revision = m->revision,
                            .seqno = m->seqno};
    if (m->opcode == OP_DCP_DELETION || m->opcode == OP_DCP_EXPIRATION) {
        c.expiry_s = m->delete_s;
        c.state = m->opcode == OP_DCP_EXPIRATION ? ITEM_DELETED | ITEM_EXPIRED : ITEM_DELETED;
    }
    if (m->opcode == OP_DCP_PREPARE) {
        c.prepared = m->level;
        c.state = m->deleted ? ITEM_DELETED : 0;
    }
    return c;
}

static enum applied apply(struct follow *f, const struct dcp_message *m)
{
    struct vbucket *v = f->vbucket;
    const struct kv_clock *t = &engine_of(f)->clock;
    struct kv_key key = kv_key_of(m->collection, m->key.data, m->key.len);
    struct item_change change = change_of(m);
    switch (m->opcode) {
    case OP_DCP_MUTATION:
    case OP_DCP_DELETION:
    case OP_DCP_EXPIRATION:
        return replica_document(v, &key, &change, t);
    case OP_DCP_PREPARE:
        return replica_prepare(v, &key, &change, t);
    case OP_DCP_COMMIT:
        return replica_commit(v, &key, m->prepared_seqno, m->seqno, t);
    case OP_DCP_ABORT:
        return replica_abort(v, &key, m->prepared_seqno, m->seqno, t);
    case OP_DCP_SYSTEM_EVENT:
        return vbucket_add_event(v, m->seqno, m->event, m->event_version, m->key, m->value);
    default:
        return replica_advance(v, m->seqno);
    }
}

static void caught_up(struct follow *f)
{
    static const struct divan_error fine = {0};
    const struct vbucket *v = f->vbucket;
    if (f->source_known && f->state == REPLICATION_STREAMING && v->high_seqno >= f->source_seqno)
        f->state = REPLICATION_CAUGHT_UP;
    struct replication_task *task = f->task;
    if (!task || task->takeover) return;
    if (!task->until && f->source_known) task->until = f->source_seqno ? f->source_seqno : 1;
    bool there = task->until && (v->high_seqno >= task->until || (f->source_known && !f->source_seqno));
    bool whole = v->high_seqno >= v->snapshot_end;
    if (there && whole) task_end(f, &fine);
}

void follow_source_seqno(struct follow *f, uint64_t seqno)
{
    f->source_seqno = seqno;
    f->source_known = true;
    if (f->state == REPLICATION_CAUGHT_UP && f->vbucket->high_seqno < seqno) f->state = REPLICATION_STREAMING;
    caught_up(f);
}

/* Something does not fit what we have: the stream is asked for again, from the start when it cannot be mended. */
static void start_over(struct follow *f, const struct dcp_message *m, enum applied why)
{
    char text[PROBLEM_MAX];
    snprintf(text, sizeof text, "%s at seqno %llu %s", op_name(m->opcode), (unsigned long long)m->seqno,
             why == APPLY_NO_MEMORY ? "does not fit into memory" : "does not fit what is here");
    LOG_W(engine_of(f)->log, "replication: vBucket %u: %s", f->vbucket->id, text);
    follow_set_problem(f, text);
    close_stream(f);
    if (why == APPLY_OUT_OF_PLACE && m->opcode == OP_DCP_COMMIT) replica_rollback(f->vbucket, 0);
    f->state = REPLICATION_FAILED;
    retry_later(f, why == APPLY_NO_MEMORY ? RETRY_NS : 50 * NS_PER_MS);
}

static void apply_change(struct follow *f, const struct dcp_message *m)
{
    struct vbucket *v = f->vbucket;
    enum applied result = apply(f, m);
    if (result != APPLIED) {
        start_over(f, m, result);
        return;
    }
    if (v->high_seqno < f->snapshot_end) return;
    replica_snapshot_ends(v, f->high_completed);
    acknowledge(f);
    caught_up(f);
}

static void take_state(struct follow *f, const struct dcp_message *m)
{
    static const struct divan_error fine = {0};
    struct vbucket *v = f->vbucket;
    bool takeover = f->task && f->task->takeover;
    bool fits = takeover && (m->state == DCP_VB_PENDING || (m->state == DCP_VB_ACTIVE && v->mode == VBUCKET_PENDING));
    enum vbucket_mode mode = m->state == DCP_VB_ACTIVE ? VBUCKET_ACTIVE : VBUCKET_PENDING;
    bool done = fits && vbucket_set_mode(v, mode, io_rng(engine_of(f)->loop));
    dcp_put_answer(io_stream_output(f->consumer->stream), OP_DCP_SET_VBUCKET_STATE, m->opaque,
                   done ? ST_SUCCESS : ST_EINVAL, (struct divan_bytes){0});
    if (!done || mode != VBUCKET_ACTIVE) return;
    vbucket_settle(v, &engine_of(f)->clock);
    f->opaque = 0;
    task_end(f, &fine);
}

static void stream_ended(struct follow *f, const struct dcp_message *m)
{
    char text[PROBLEM_MAX];
    snprintf(text, sizeof text, "the source ended the stream with reason %u", m->reason);
    follow_set_problem(f, text);
    f->state = REPLICATION_FAILED;
    retry_later(f, 20 * NS_PER_MS);
    if (!f->task || !f->task->takeover) return;
    struct divan_error err;
    err_set(&err, DIVAN_ERR_CONNECTION_LOST, "vBucket %u was not taken over: %s", f->vbucket->id, text);
    task_end(f, &err);
}

void follow_message(struct follow *f, const struct dcp_message *m)
{
    struct vbucket *v = f->vbucket;
    bool ours = v->mode == VBUCKET_REPLICA || (v->mode == VBUCKET_PENDING && f->task && f->task->takeover);
    if (!ours) { /* its mode was changed meanwhile */
        follow_try(f);
        return;
    }
    switch (m->opcode) {
    case OP_DCP_SNAPSHOT_MARKER:
        f->snapshot_end = m->marker.end;
        f->high_completed = m->marker.version == 1 ? 0 : m->marker.high_completed;
        replica_snapshot_begins(v, m->marker.start, m->marker.end);
        return;
    case OP_DCP_MUTATION:
    case OP_DCP_DELETION:
    case OP_DCP_EXPIRATION:
    case OP_DCP_PREPARE:
    case OP_DCP_COMMIT:
    case OP_DCP_ABORT:
    case OP_DCP_SYSTEM_EVENT:
    case OP_DCP_SEQNO_ADVANCED:
        apply_change(f, m);
        return;
    case OP_DCP_SET_VBUCKET_STATE:
        take_state(f, m);
        return;
    case OP_DCP_STREAM_END:
        stream_ended(f, m);
        return;
    default:
        return;
    }
}
