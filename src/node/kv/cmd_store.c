/* SET, ADD, REPLACE, DELETE, INCR, DECR, APPEND, PREPEND and their quiet forms. */
#include "node/command.h"

static void finish(struct request *rq, enum kv_result rc, const struct kv_done *done)
{
    rq->bucket->store.counters.sets++;
    rq->op.collection->stores++;
    if (rc) reply_result(rq, rc);
    else reply_mutation(rq, done);
}

void run_store(struct request *rq)
{
    struct kv_done done = {0};
    enum kv_set_mode mode = rq->command == OP_ADD ? KV_ADD : rq->command == OP_REPLACE ? KV_REPLACE : KV_SET;
    rq->input.flags = get_u32be(rq->frame.extras.data);
    rq->input.expiry = get_u32be((const uint8_t *)rq->frame.extras.data + 4);
    finish(rq, kv_set(&rq->op, mode, &rq->input, &done), &done);
}

void run_concat(struct request *rq)
{
    struct kv_done done = {0};
    enum kv_concat_mode mode = rq->command == OP_APPEND ? KV_APPEND : KV_PREPEND;
    enum kv_result rc = kv_concat(&rq->op, mode, rq->input.body, &done);
    rq->quiet = false; /* the quiet forms answer as well, as measured */
    finish(rq, rc, &done);
}

void run_counter(struct request *rq)
{
    struct kv_done done = {0};
    struct kv_counter c = {0};
    uint64_t value = 0;
    if (kv_read_counter(&rq->frame, &c, NULL)) {
        reply_plain(rq, ST_EINVAL);
        return;
    }
    enum kv_result rc = kv_count(&rq->op, rq->command == OP_DECR, c.delta, c.initial, c.expiry, &value, &done);
    rq->bucket->store.counters.sets++;
    rq->op.collection->stores++;
    if (rc) reply_result(rq, rc);
    if (rc || rq->quiet) return;
    struct kv_reply r = reply_begin(rq, ST_SUCCESS);
    r.cas = done.cas;
    const struct mutation_token token = {vbucket_uuid(rq->vbucket), done.seqno};
    kv_put_reply_counter(reply_out(rq), &r, session_has(rq->session, FEATURE_MUTATION_SEQNO) ? &token : NULL, value);
}

void run_delete(struct request *rq)
{
    struct kv_done done = {0};
    enum kv_result rc = kv_delete(&rq->op, &done);
    rq->bucket->store.counters.deletes++;
    rq->op.collection->deletes++;
    if (rc) reply_result(rq, rc);
    else reply_mutation(rq, &done);
}
