/* TOUCH, GAT, GETL, UNLOCK, EVICT_KEY. */
#include "node/command.h"

/* The frame may ask for durability, but nothing below can give it: measured as NOT_SUPPORTED. */
static bool refuse_durable(struct request *rq)
{
    if (rq->framing.durability) reply_plain(rq, ST_NOT_SUPPORTED);
    return rq->framing.durability;
}

static enum kv_result touch(struct request *rq, struct item **out)
{
    enum kv_result rc = kv_touch(&rq->op, get_u32be(rq->frame.extras.data), out);
    rq->bucket->store.counters.sets++;
    rq->op.collection->stores++;
    return rc;
}

void run_touch(struct request *rq)
{
    struct item *i = NULL;
    if (refuse_durable(rq)) return;
    enum kv_result rc = touch(rq, &i);
    if (rc) {
        reply_result(rq, rc);
        return;
    }
    struct kv_reply r = reply_begin(rq, ST_SUCCESS);
    r.cas = i->cas;
    kv_put_reply(reply_out(rq), &r);
}

void run_get_and_touch(struct request *rq)
{
    struct item *i = NULL;
    if (refuse_durable(rq)) return;
    enum kv_result rc = touch(rq, &i);
    if (rc == KV_MISSING && rq->quiet) return;
    if (rc) reply_result(rq, rc);
    else reply_document(rq, i, i->cas, false);
}

void run_get_and_lock(struct request *rq)
{
    struct item *i = NULL;
    uint64_t cas = 0;
    uint32_t lock_s = rq->frame.extras.len ? get_u32be(rq->frame.extras.data) : 0;
    enum kv_result rc = kv_lock(&rq->op, lock_s, &i, &cas);
    rq->bucket->store.counters.gets++;
    if (rc) reply_result(rq, rc);
    else reply_document(rq, i, cas, false);
}

void run_unlock(struct request *rq)
{
    enum kv_result rc = kv_unlock(&rq->op);
    if (rc) reply_result(rq, rc);
    else reply_plain(rq, ST_SUCCESS);
}

/* Nothing is ever evicted from memory on request: the answers of a server whose document has not reached the disk. */
void run_evict(struct request *rq)
{
    struct item *i = NULL;
    if (kv_get(&rq->op, &i)) reply_problem(rq, ST_KEY_ENOENT, "Not found.");
    else reply_problem(rq, ST_KEY_EEXISTS, "Can't eject: Dirty object.");
}
