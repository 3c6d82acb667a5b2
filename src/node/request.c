/* The checks between a frame and its command, in the order of the real server: authentication, form, bucket, rights,
 * vBucket, collection. */
#include "node/request.h"

#include <stdio.h>

#include "node/command.h"
#include "node/dcp/held.h"
#include "wire/check.h"
#include "wire/compress.h"

enum verdict { GO_ON, ANSWERED };

static enum verdict refuse(const struct request *rq, enum status status, const char *problem)
{
    reply_problem(rq, status, problem);
    return ANSWERED;
}

/* ---- form */

static enum verdict check_value(struct request *rq)
{
    rq->input.sent = rq->input.body = rq->frame.value;
    if (rq->frame.datatype & DATATYPE_SNAPPY) {
        struct buf *plain = &rq->engine->inflated;
        size_t size = 0;
        buf_clear(plain);
        if (value_inflated_len(rq->frame.value, &size) && size > INFLATE_MAX)
            return refuse(rq, ST_EINVAL, "Inflated data is too big");
        enum divan_code rc = value_inflate(rq->frame.value, INFLATE_MAX, plain, NULL);
        if (rc == DIVAN_ERR_OUT_OF_MEMORY) return refuse(rq, ST_ENOMEM, NULL);
        if (rc) return refuse(rq, ST_EINVAL, "Failed to inflate payload");
        rq->input.body = buf_view(plain);
        rq->input.compressed = true;
    }
    struct divan_bytes section, body;
    if ((rq->frame.datatype & DATATYPE_XATTR) && !xattrs_split(rq->input.body, &section, &body))
        return refuse(rq, ST_XATTR_EINVAL, NULL);
    return GO_ON;
}

static enum verdict check_user(struct request *rq)
{
    if (!rq->framing.has_user) return GO_ON;
    char text[200];
    struct divan_bytes name = rq->framing.user;
    if (*(const char *)name.data == '^')
        return refuse(rq, ST_NOT_SUPPORTED, "External authentication service not configured");
    if (account_find(&rq->engine->accounts, name)) return GO_ON;
    snprintf(text, sizeof text, "User \"%.*s\" is not a Couchbase user", (int)(name.len > 128 ? 128 : name.len),
             (const char *)name.data);
    return refuse(rq, ST_EACCESS, text);
}

static enum verdict check_key(struct request *rq)
{
    uint32_t collection = 0;
    struct divan_bytes key = rq->frame.key;
    struct divan_error err;
    if (kv_read_key(&rq->frame, session_has(rq->session, FEATURE_COLLECTIONS), &collection, &key, &err))
        return refuse(rq, ST_EINVAL, err.message);
    rq->op.key = kv_key_of(collection, key.data, key.len);
    return GO_ON;
}

static enum verdict check_form(struct request *rq, const struct command *command)
{
    const char *problem = NULL;
    enum status status = request_check(&rq->frame, rq->session->features, &problem);
    if (status != ST_SUCCESS) return refuse(rq, status, problem);
    if (rq->input.sent.data != rq->frame.value.data || rq->frame.datatype) {
        if (check_value(rq) == ANSWERED) return ANSWERED;
    }
    if (rq->frame.framing.len) {
        status = kv_read_framing(&rq->frame, &rq->framing, &problem);
        if (status != ST_SUCCESS) return refuse(rq, status, problem);
        if (check_user(rq) == ANSWERED) return ANSWERED;
    }
    if ((command->needs & NEED_DOCUMENT) && check_key(rq) == ANSWERED) return ANSWERED;
    return command->check && !command->check(rq) ? ANSWERED : GO_ON;
}

/* ---- place and rights */

static void refresh_rights(struct session *s)
{
    if (s->epoch == s->engine->accounts.epoch) return;
    s->epoch = s->engine->accounts.epoch;
    s->privileges = s->bucket ? account_bucket_privileges(s->account, s->bucket->name) : 0;
}

static enum verdict denied(const struct request *rq, const struct command *command)
{
    reply_denied(rq, command->privilege_name);
    return ANSWERED;
}

static bool vbucket_fits(const struct vbucket *v, uint8_t needs)
{
    if (!v) return false;
    if (needs & NEED_ACTIVE) return v->mode == VBUCKET_ACTIVE;
    if (needs & NEED_REPLICA) return v->mode == VBUCKET_REPLICA;
    return v->mode != VBUCKET_ABSENT && v->mode != VBUCKET_DEAD;
}

static enum verdict check_vbucket(struct request *rq)
{
    rq->vbucket = store_vbucket(&rq->bucket->store, rq->frame.vbucket);
    if (vbucket_fits(rq->vbucket, rq->needs)) return GO_ON;
    /* A pending vBucket becomes active within milliseconds: trying again is better than going elsewhere. */
    if (rq->vbucket && rq->vbucket->mode == VBUCKET_PENDING) reply_plain(rq, ST_ETMPFAIL);
    else reply_not_my_vbucket(rq);
    return ANSWERED;
}

/* Rights everywhere in the bucket let the vBucket be looked at first, as measured; lesser users learn of a collection
 * before. */
static enum verdict check_place(struct request *rq, const struct command *command)
{
    struct session *s = rq->session;
    bool everywhere = !command->privileges || (s->privileges & command->privileges);
    rq->privileges = s->privileges;
    if (everywhere && (command->needs & (NEED_ACTIVE | NEED_REPLICA | NEED_VBUCKET)) && check_vbucket(rq) == ANSWERED)
        return ANSWERED;
    if (command->needs & NEED_DOCUMENT) {
        rq->op.collection = manifest_find(&rq->bucket->store.manifest, rq->op.key.collection);
        if (!rq->op.collection) {
            reply_unknown_collection(rq, ST_UNKNOWN_COLLECTION);
            return ANSWERED;
        }
    }
    if (everywhere) return GO_ON;
    if (!(command->needs & NEED_DOCUMENT)) return denied(rq, command);
    rq->privileges = account_collection_privileges(s->account, rq->bucket->name, rq->op.collection);
    if (!rq->privileges) { /* what a user has no business with is not there */
        reply_unknown_collection(rq, ST_UNKNOWN_COLLECTION);
        return ANSWERED;
    }
    if (!(rq->privileges & command->privileges)) return denied(rq, command);
    return check_vbucket(rq);
}

static enum verdict check_bucket(struct request *rq)
{
    struct session *s = rq->session;
    if (!s->bucket) {
        reply_status(rq, ST_NO_BUCKET);
        return ANSWERED;
    }
    if (s->access_lost) {
        reply_status(rq, ST_EACCESS);
        return ANSWERED;
    }
    rq->bucket = s->bucket;
    return GO_ON;
}

/* A document with a durable write under way takes no other change; one that was inherited from another active is not even
 * shown, for it may have been seen as committed. */
static enum verdict check_durable(struct request *rq)
{
    struct vbucket *v = rq->vbucket;
    if (rq->bucket->store.writes_refused && op_has(rq->command, OPT_WRITE)) {
        reply_status(rq, ST_ETMPFAIL);
        return ANSWERED;
    }
    if (v->mode != VBUCKET_ACTIVE || (!v->prepares && !v->handing_over)) return GO_ON;
    const struct item *p = vbucket_find_prepare(v, &rq->op.key, rq->op.hash);
    bool changes = op_has(rq->command, OPT_WRITE) || rq->command == OP_GETL || rq->command == OP_UNLOCK;
    enum status status = ST_SUCCESS;
    if (p && p->seqno <= v->inherited_seqno) status = ST_SYNC_WRITE_RE_COMMIT_IN_PROGRESS;
    else if (p && changes) status = ST_SYNC_WRITE_IN_PROGRESS;
    else if (v->handing_over && changes && kv_durability(&rq->op)) status = ST_ETMPFAIL;
    if (status == ST_SUCCESS) return GO_ON;
    reply_status(rq, status);
    return ANSWERED;
}

/* Runs the command; the answer to a durable write that other copies must have first is held back. */
static void run(struct request *rq, const struct command *command)
{
    struct store *store = rq->bucket ? &rq->bucket->store : NULL;
    size_t from = reply_out(rq)->len;
    if (store) store->pending = NULL;
    command->run(rq);
    if (store && store->pending) held_take(rq, from);
}

static void aim(struct request *rq)
{
    struct kv_op *op = &rq->op;
    op->vbucket = rq->vbucket;
    op->hash = store_hash(&rq->bucket->store, &op->key);
    op->clock = &rq->engine->clock;
    op->cas = rq->frame.cas;
    op->durability = rq->framing.durability;
    op->keep_ttl = rq->framing.keep_ttl;
    rq->bucket->store.counters.ops++;
}

void request_serve(struct session *s, const struct frame *frame)
{
    struct request rq = {.session = s, .engine = s->engine, .frame = *frame};
    rq.command = op_loud(frame->opcode);
    rq.quiet = rq.command != frame->opcode || op_has(frame->opcode, OPT_QUIET);
    rq.input.sent = rq.input.body = frame->value;
    if (session_has(s, FEATURE_TRACING)) rq.began_ns = io_refresh_now(s->engine->loop);
    if (!s->account && !op_has(frame->opcode, OPT_EARLY)) {
        reply_plain(&rq, ST_EACCESS);
        return;
    }
    if (s->account && s->account->removed && !op_has(frame->opcode, OPT_EARLY)) {
        reply_status(&rq, ST_AUTH_STALE);
        return;
    }
    const struct command *command = &kv_commands[rq.command];
    if (!command->run) { /* commands of newer servers are as unknown as those of nobody */
        reply_plain(&rq, op_has(frame->opcode, OPT_RETIRED | OPT_INTERNAL | OPT_DCP) ? ST_NOT_SUPPORTED
                                                                                     : ST_UNKNOWN_COMMAND);
        return;
    }
    rq.needs = command->needs;
    if (check_form(&rq, command) == ANSWERED) return;
    if (s->account) refresh_rights(s);
    if (command->needs & NEED_BUCKET) {
        if (check_bucket(&rq) == ANSWERED || check_place(&rq, command) == ANSWERED) return;
        if (command->needs & NEED_DOCUMENT) aim(&rq);
        if ((command->needs & NEED_DOCUMENT) && check_durable(&rq) == ANSWERED) return;
    }
    run(&rq, command);
}
