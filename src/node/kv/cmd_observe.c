/* What has become of a write: OBSERVE, OBSERVE_SEQNO, GET_ALL_VB_SEQNOS, GET_FAILOVER_LOG, SEQNO_PERSISTENCE. A bucket in
 * memory counts as persisted at once. */
#include "node/command.h"

#include "wire/leb128.h"

enum observe_state { OBSERVED_PERSISTED = 1, OBSERVED_MISSING = 0x80, OBSERVED_DELETED = 0x81 };

static struct vbucket *readable(const struct request *rq, uint16_t id)
{
    struct vbucket *v = store_vbucket(&rq->bucket->store, id);
    return v && (v->mode == VBUCKET_ACTIVE || v->mode == VBUCKET_REPLICA) ? v : NULL;
}

/* One key of an OBSERVE, appended to the answer. SUCCESS or why it cannot be. */
static enum status observe_key(const struct request *rq, struct rd *in, struct buf *out)
{
    uint16_t id = rd_u16be(in), len = rd_u16be(in);
    struct divan_bytes wire = rd_take(in, len);
    if (!rd_ok(in)) return ST_EINVAL;
    struct vbucket *v = readable(rq, id);
    if (!v) return ST_NOT_MY_VBUCKET;
    struct rd r = rd_from(wire);
    uint32_t collection = 0;
    if (session_has(rq->session, FEATURE_COLLECTIONS) && leb128_take(&r, &collection) > LEB128_OVERFLOW)
        return ST_EINVAL;
    if (r.bad || r.left > KEY_MAX) return ST_EINVAL;
    if (!manifest_find(&rq->bucket->store.manifest, collection)) return ST_UNKNOWN_COLLECTION;
    struct kv_key key = kv_key_of(collection, r.at, r.left);
    const struct item *i = vbucket_find(v, &key, store_hash(&rq->bucket->store, &key));
    bool gone = !i || item_is_expired(i, &rq->engine->clock);
    buf_u16be(out, id);
    buf_u16be(out, len);
    buf_put_bytes(out, wire);
    buf_u8(out, gone ? OBSERVED_MISSING : item_is_live(i) ? OBSERVED_PERSISTED : OBSERVED_DELETED);
    buf_u64be(out, gone ? 0 : i->cas);
    return ST_SUCCESS;
}

void run_observe(struct request *rq)
{
    struct buf *out = &rq->engine->body;
    struct rd in = rd_from(rq->frame.value);
    enum status status = ST_SUCCESS;
    buf_clear(out);
    while (status == ST_SUCCESS && in.left) status = observe_key(rq, &in, out);
    if (status == ST_NOT_MY_VBUCKET) reply_not_my_vbucket(rq);
    else if (status == ST_UNKNOWN_COLLECTION) reply_unknown_collection(rq, status);
    else if (status != ST_SUCCESS) reply_problem(rq, status, "Invalid packet structure");
    else reply_value(rq, buf_view(out), 0);
}

/* The entry of the failover log that a uuid names; -1 = none. */
static int branch_of(const struct vbucket *v, uint64_t uuid)
{
    for (int i = 0; i < v->failover_count; i++) {
        if (v->failover[i].uuid == uuid) return i;
    }
    return -1;
}

void run_observe_seqno(struct request *rq)
{
    const struct vbucket *v = rq->vbucket;
    if (rq->frame.value.len != 8) {
        reply_problem(rq, ST_EINVAL, "Request value must be of length 8");
        return;
    }
    uint64_t uuid = get_u64be(rq->frame.value.data);
    int branch = branch_of(v, uuid);
    if (branch < 0) {
        reply_plain(rq, ST_KEY_ENOENT);
        return;
    }
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    buf_u8(out, branch > 0);
    buf_u16be(out, v->id);
    buf_u64be(out, vbucket_uuid(v));
    buf_u64be(out, v->high_seqno);
    buf_u64be(out, v->high_seqno);
    if (branch > 0) {
        buf_u64be(out, uuid);
        buf_u64be(out, v->failover[branch - 1].seqno);
    }
    reply_value(rq, buf_view(out), 0);
}

/* The highest seqno that documents of one collection have in a vBucket. */
static uint64_t collection_seqno(const struct vbucket *v, uint32_t id)
{
    for (const struct link *l = v->order.head.prev; l != &v->order.head; l = l->prev) {
        const struct item *i = container_of(l, struct item, order);
        if (i->collection == id) return i->seqno;
    }
    return 0;
}

static bool mode_wanted(const struct vbucket *v, uint32_t mode)
{
    if (mode) return v->mode == mode;
    return v->mode != VBUCKET_ABSENT && v->mode != VBUCKET_DEAD;
}

void run_all_vb_seqnos(struct request *rq)
{
    struct rd r = rd_from(rq->frame.extras);
    uint32_t mode = r.left ? rd_u32be(&r) : 0;
    bool one = r.left != 0;
    uint32_t id = one ? rd_u32be(&r) : 0;
    if (mode > VBUCKET_DEAD || (one && !session_has(rq->session, FEATURE_COLLECTIONS))) {
        reply_problem(rq, ST_EINVAL, "Request extras invalid");
        return;
    }
    const struct store *s = &rq->bucket->store;
    if (one && !manifest_find(&s->manifest, id)) {
        reply_unknown_collection(rq, ST_UNKNOWN_COLLECTION);
        return;
    }
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    for (uint16_t i = 0; i < s->vbucket_count; i++) {
        const struct vbucket *v = &s->vbuckets[i];
        if (!mode_wanted(v, mode)) continue;
        buf_u16be(out, v->id);
        buf_u64be(out, one ? collection_seqno(v, id) : v->high_seqno);
    }
    reply_value(rq, buf_view(out), 0);
}

void run_failover_log(struct request *rq)
{
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    for (size_t i = 0; i < rq->vbucket->failover_count; i++) {
        buf_u64be(out, rq->vbucket->failover[i].uuid);
        buf_u64be(out, rq->vbucket->failover[i].seqno);
    }
    reply_value(rq, buf_view(out), 0);
}

/* ---- waiting for a seqno */

static void answer_waiting(struct session *s, enum status status)
{
    struct request rq = {
        .session = s, .engine = s->engine, .frame = {.opcode = s->waiting.opcode, .opaque = s->waiting.opaque}};
    rq.began_ns = io_now_ns(s->engine->loop);
    reply_plain(&rq, status);
}

static void check_persisted(struct session *s, void *data, bool last)
{
    const struct vbucket *v = s->bucket ? store_vbucket(&s->bucket->store, s->waiting.vbucket) : NULL;
    bool there = v && v->mode != VBUCKET_ABSENT && v->high_seqno >= s->waiting.number;
    if (v && !there && !last) return;
    answer_waiting(s, there ? ST_SUCCESS : ST_ETMPFAIL);
    session_resume(s);
}

enum { PERSISTENCE_LIMIT_MS = 30000 };

void run_seqno_persistence(struct request *rq)
{
    uint64_t seqno = get_u64be(rq->frame.extras.data);
    if (seqno <= rq->vbucket->high_seqno) {
        reply_plain(rq, ST_SUCCESS);
        return;
    }
    struct session *s = rq->session;
    s->waiting.number = seqno;
    s->waiting.opaque = rq->frame.opaque;
    s->waiting.opcode = rq->frame.opcode;
    s->waiting.vbucket = rq->frame.vbucket;
    session_wait(s, check_persisted, PERSISTENCE_LIMIT_MS);
}
