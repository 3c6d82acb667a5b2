/* Sub-document commands, single and multi path. */
#include "node/command.h"

#include "node/kv/subdoc_xattr.h"

bool check_subdoc(struct request *rq)
{
    const char *problem = NULL;
    enum status status = pathop_read(&rq->frame, &rq->engine->plan, &problem);
    if (status != ST_SUCCESS) {
        reply_problem(rq, status, problem);
        return false;
    }
    rq->needs = (uint8_t)(rq->needs & ~(NEED_ACTIVE | NEED_REPLICA));
    rq->needs |= rq->engine->plan.doc_flags & DOC_REPLICA_READ ? NEED_REPLICA : NEED_ACTIVE;
    return true;
}

static bool is_multi(const struct request *rq)
{
    return rq->command == OP_SUBDOC_MULTI_LOOKUP || rq->command == OP_SUBDOC_MULTI_MUTATION;
}

/* Attributes of the system are for those who may see them. */
static bool may(struct request *rq)
{
    const struct pathop_request *p = &rq->engine->plan;
    uint32_t right = p->mutation ? PRIV_SYSTEM_XATTR_WRITE : PRIV_SYSTEM_XATTR_READ;
    for (uint8_t i = 0; i < p->count; i++) {
        const struct pathop *s = &p->ops[i];
        if (!(s->flags & PATHOP_XATTR) || !xattrs_is_system(spec_key(s)) || (rq->privileges & right)) continue;
        reply_denied(rq, p->mutation ? "SystemXattrWrite" : "SystemXattrRead");
        return false;
    }
    return true;
}

static struct divan_bytes value_of(const struct subdoc_run *r, const struct subdoc_outcome *o)
{
    return o->has_value ? bytes_slice(buf_view(&r->values), o->at, o->len) : (struct divan_bytes){0};
}

/* Appends an answer with a value made in the engine's body buffer. */
static void answer(struct request *rq, enum status status, const struct subdoc_end *end, struct divan_bytes value,
                   bool json)
{
    const struct pathop_request *p = &rq->engine->plan;
    struct kv_reply r = reply_begin(rq, status);
    r.cas = end->done.cas;
    r.value = value;
    r.datatype = json ? reply_datatype(rq->session, DATATYPE_JSON) : 0;
    const struct mutation_token token = {vbucket_uuid(rq->vbucket), end->done.seqno};
    bool with_token = p->mutation && session_has(rq->session, FEATURE_MUTATION_SEQNO);
    kv_put_reply_token(reply_out(rq), &r, with_token ? &token : NULL);
}

static void answer_single(struct request *rq, const struct subdoc_end *end)
{
    const struct subdoc_run *r = &rq->engine->subdoc;
    const struct subdoc_outcome *o = &r->outcomes[0];
    if (o->status != ST_SUCCESS) reply_plain(rq, o->status);
    else answer(rq, end->status, end, value_of(r, o), o->has_value && !o->raw);
}

static void answer_lookups(struct request *rq, const struct subdoc_end *end)
{
    const struct subdoc_run *r = &rq->engine->subdoc;
    struct buf *out = &rq->engine->body;
    bool failed = false;
    buf_clear(out);
    for (uint8_t i = 0; i < rq->engine->plan.count; i++) {
        struct divan_bytes value = value_of(r, &r->outcomes[i]);
        failed |= r->outcomes[i].status != ST_SUCCESS;
        pathop_put_lookup_result(out, (uint16_t)r->outcomes[i].status, value);
    }
    enum status status = end->status;
    if (failed) status = status == ST_SUCCESS ? ST_SUBDOC_MULTI_PATH_FAILURE : ST_SUBDOC_MULTI_PATH_FAILURE_DELETED;
    if (out->failed) reply_plain(rq, ST_ENOMEM);
    else answer(rq, status, end, buf_view(out), false);
}

static void answer_mutations(struct request *rq, const struct subdoc_end *end)
{
    const struct subdoc_run *r = &rq->engine->subdoc;
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    for (uint8_t i = 0; i < rq->engine->plan.count; i++) {
        if (r->outcomes[i].has_value) pathop_put_mutation_result(out, i, value_of(r, &r->outcomes[i]));
    }
    answer(rq, end->status, end, buf_view(out), false);
}

static void answer_failed_spec(struct request *rq, const struct subdoc_end *end)
{
    if (!is_multi(rq)) {
        reply_plain(rq, end->status);
        return;
    }
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    pathop_put_mutation_failure(out, end->failed, (uint16_t)end->status);
    struct kv_reply r = reply_begin(rq, ST_SUBDOC_MULTI_PATH_FAILURE);
    r.value = buf_view(out);
    kv_put_reply(reply_out(rq), &r);
}

static bool is_end(enum status status)
{
    return status == ST_SUCCESS || status == ST_SUBDOC_SUCCESS_DELETED;
}

void run_subdoc(struct request *rq)
{
    struct subdoc_end end;
    const struct pathop_request *p = &rq->engine->plan;
    struct subdoc_run *r = &rq->engine->subdoc;
    struct store_counters *n = &rq->bucket->store.counters;
    if (!may(rq)) return;
    r->sees_system = rq->privileges & PRIV_SYSTEM_XATTR_READ;
    if (p->mutation) {
        n->sets++;
        rq->op.collection->stores++;
        subdoc_run_mutation(r, &rq->op, p, &end);
    } else {
        n->gets++;
        rq->op.collection->gets++;
        subdoc_run_lookup(r, &rq->op, p, &end);
    }
    if (end.result) reply_result(rq, end.result);
    else if (end.spec_failed) answer_failed_spec(rq, &end);
    else if (!is_end(end.status)) reply_plain(rq, end.status);
    else if (!is_multi(rq)) answer_single(rq, &end);
    else if (p->mutation) answer_mutations(rq, &end);
    else answer_lookups(rq, &end);
}
