/* What has become of a write: OBSERVE, OBSERVE_SEQNO, GET_ALL_VB_SEQNOS, GET_FAILOVER_LOG, SEQNO_PERSISTENCE. A bucket in
 * memory counts as persisted at once. */
#include "node/command.h"

#include "node/disk/disk.h"
#include "wire/leb128.h"

static struct vbucket *readable(const struct request *rq, uint16_t id)
{
    struct vbucket *v = store_vbucket(&rq->bucket->store, id);
    return v && (v->mode == VBUCKET_ACTIVE || v->mode == VBUCKET_REPLICA) ? v : NULL;
}

/* One key of an OBSERVE, appended to the answer. SUCCESS or why it cannot be. */
static enum status observe_key(const struct request *rq, struct rd *in, struct buf *out)
{
    struct observed o;
    if (!observe_next_key(in, &o)) return ST_EINVAL;
    struct vbucket *v = readable(rq, o.vbucket);
    if (!v) return ST_NOT_MY_VBUCKET;
    struct rd r = rd_from(o.key);
    uint32_t collection = 0;
    if (session_has(rq->session, FEATURE_COLLECTIONS) && leb128_take(&r, &collection) > LEB128_OVERFLOW)
        return ST_EINVAL;
    if (r.bad || r.left > KEY_MAX) return ST_EINVAL;
    if (!manifest_find(&rq->bucket->store.manifest, collection)) return ST_UNKNOWN_COLLECTION;
    struct kv_key key = kv_key_of(collection, r.at, r.left);
    const struct item *i = vbucket_find(v, &key, store_hash(&rq->bucket->store, &key));
    bool gone = !i || item_is_expired(i, &rq->engine->clock);
    uint8_t there = i && i->seqno <= vbucket_persisted(v) ? OBSERVE_PERSISTED : OBSERVE_MEMORY;
    o.state = gone ? OBSERVE_NOT_FOUND : item_is_live(i) ? there : OBSERVE_DELETED;
    o.cas = gone ? 0 : i->cas;
    observe_put_state(out, &o);
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
    uint64_t uuid = 0;
    if (observe_seqno_read_request(&rq->frame, &uuid, NULL)) {
        reply_problem(rq, ST_EINVAL, "Request value must be of length 8");
        return;
    }
    int branch = branch_of(v, uuid);
    if (branch < 0) {
        reply_plain(rq, ST_KEY_ENOENT);
        return;
    }
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    struct observe_seqno o = {
        .vbucket = v->id, .uuid = vbucket_uuid(v), .persisted = vbucket_persisted(v), .current = v->high_seqno};
    if (branch > 0) {
        o.failed_over = true;
        o.old_uuid = uuid;
        o.old_last = v->failover[branch - 1].seqno;
    }
    observe_seqno_put(out, &o);
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
    struct seqnos_request ask;
    if (seqnos_read_request(&rq->frame, &ask, NULL) ||
        (ask.has_collection && !session_has(rq->session, FEATURE_COLLECTIONS))) {
        reply_problem(rq, ST_EINVAL, "Request extras invalid");
        return;
    }
    const struct store *s = &rq->bucket->store;
    if (ask.has_collection && !manifest_find(&s->manifest, ask.collection)) {
        reply_unknown_collection(rq, ST_UNKNOWN_COLLECTION);
        return;
    }
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    for (uint16_t i = 0; i < s->vbucket_count; i++) {
        const struct vbucket *v = &s->vbuckets[i];
        uint64_t seqno = ask.has_collection ? collection_seqno(v, ask.collection) : v->high_seqno;
        if (mode_wanted(v, ask.state)) seqnos_put(out, (struct vbucket_seqno){v->id, seqno});
    }
    reply_value(rq, buf_view(out), 0);
}

void run_failover_log(struct request *rq)
{
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    for (size_t i = 0; i < rq->vbucket->failover_count; i++) failover_put(out, rq->vbucket->failover[i]);
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
    bool there = v && v->mode != VBUCKET_ABSENT && vbucket_persisted(v) >= s->waiting.number;
    if (v && !there && !last) return;
    answer_waiting(s, there ? ST_SUCCESS : ST_ETMPFAIL);
    session_resume(s);
}

enum { PERSISTENCE_LIMIT_MS = 30000 };

void run_seqno_persistence(struct request *rq)
{
    uint64_t seqno = get_u64be(rq->frame.extras.data);
    if (seqno <= vbucket_persisted(rq->vbucket)) {
        reply_plain(rq, ST_SUCCESS);
        return;
    }
    struct session *s = rq->session;
    disk_hurry(rq->bucket->disk);
    s->waiting.number = seqno;
    s->waiting.opaque = rq->frame.opaque;
    s->waiting.opcode = rq->frame.opcode;
    s->waiting.vbucket = rq->frame.vbucket;
    session_wait(s, check_persisted, PERSISTENCE_LIMIT_MS);
}
