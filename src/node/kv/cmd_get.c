/* GET, GETK, GET_REPLICA, GET_META, GET_RANDOM_KEY and their quiet forms. */
#include "node/command.h"

static void miss(struct request *rq)
{
    rq->bucket->store.counters.misses++;
    if (!rq->quiet) reply_plain(rq, ST_KEY_ENOENT);
}

void run_get(struct request *rq)
{
    struct item *i = NULL;
    rq->bucket->store.counters.gets++;
    rq->op.collection->gets++;
    if (kv_get(&rq->op, &i)) miss(rq);
    else reply_document(rq, i, kv_visible_cas(&rq->op, i), rq->command == OP_GETK);
}

/* A replica never expires a document by itself: it only hides what has run out. */
void run_get_replica(struct request *rq)
{
    rq->bucket->store.counters.gets++;
    struct item *i = vbucket_find(rq->vbucket, &rq->op.key, rq->op.hash);
    if (!i || !item_is_live(i) || item_is_expired(i, rq->op.clock)) miss(rq);
    else reply_document(rq, i, i->cas, false);
}

void run_get_meta(struct request *rq)
{
    struct item *i = NULL;
    bool with_datatype = rq->frame.extras.len && *(const uint8_t *)rq->frame.extras.data == 2;
    if (rq->frame.extras.len && !with_datatype && *(const uint8_t *)rq->frame.extras.data != 1) {
        reply_problem(rq, ST_EINVAL, "Request extras invalid");
        return;
    }
    if (kv_get_any(&rq->op, &i)) {
        miss(rq);
        return;
    }
    struct kv_reply r = reply_begin(rq, ST_SUCCESS);
    r.cas = kv_visible_cas(&rq->op, i);
    const struct kv_meta meta = {.deleted = !item_is_live(i),
                                 .flags = i->flags,
                                 .expiry = i->expiry_s,
                                 .seqno = i->revision,
                                 .has_datatype = with_datatype,
                                 .datatype = i->datatype};
    kv_put_reply_meta(reply_out(rq), &r, &meta);
}

/* ---- random key */

static bool fits(const struct item *i, uint32_t collection, const struct kv_clock *t)
{
    return item_is_live(i) && i->collection == collection && !item_is_expired(i, t);
}

static struct item *any_in(struct vbucket *v, uint32_t collection, uint64_t start, const struct kv_clock *t)
{
    for (uint32_t n = 0; n < v->slots; n++) {
        for (struct item *i = v->table[(start + n) & (v->slots - 1)]; i; i = i->chain) {
            if (fits(i, collection, t)) return i;
        }
    }
    return NULL;
}

static void answer_random(struct request *rq, uint32_t id, const struct item *i)
{
    uint8_t key[LEB128_MAX + KEY_MAX];
    bool prefixed = session_has(rq->session, FEATURE_COLLECTIONS);
    size_t before = prefixed ? leb128_put(key, id) : 0;
    memcpy(key + before, i->bytes, i->key_len);
    rq->frame.key = bytes_of(key, before + i->key_len);
    reply_document(rq, i, i->cas, true);
}

static void pick(struct request *rq, uint32_t id)
{
    struct store *s = &rq->bucket->store;
    uint64_t start = rng_u64(io_rng(rq->engine->loop));
    for (uint32_t n = 0; n < s->vbucket_count; n++) {
        struct vbucket *v = &s->vbuckets[(start + n) % s->vbucket_count];
        if (v->mode != VBUCKET_ACTIVE || !v->items) continue;
        const struct item *i = any_in(v, id, start >> 32, &rq->engine->clock);
        if (!i) continue;
        answer_random(rq, id, i);
        return;
    }
    reply_plain(rq, ST_KEY_ENOENT);
}

void run_get_random_key(struct request *rq)
{
    struct session *s = rq->session;
    if (!s->bucket || s->access_lost) { /* as measured: not NO_BUCKET */
        reply_plain(rq, ST_NOT_SUPPORTED);
        return;
    }
    rq->bucket = s->bucket;
    bool prefixed = session_has(s, FEATURE_COLLECTIONS);
    if (prefixed != (rq->frame.extras.len == 4)) {
        reply_problem(rq, ST_EINVAL, "Request extras invalid");
        return;
    }
    uint32_t id = prefixed ? get_u32be(rq->frame.extras.data) : 0;
    const struct collection *c = manifest_find(&rq->bucket->store.manifest, id);
    if (!c) reply_unknown_collection(rq, ST_EACCESS); /* measured: not UNKNOWN_COLLECTION */
    else if (!(account_collection_privileges(s->account, rq->bucket->name, c) & PRIV_READ)) reply_denied(rq, "Read");
    else pick(rq, id);
}
