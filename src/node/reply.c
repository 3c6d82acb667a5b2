#include <openssl/rand.h>
#include <stdio.h>

#include "base/error.h"
#include "node/request.h"
#include "wire/compress.h"
#include "wire/errorbody.h"
#include "wire/leb128.h"

struct kv_reply reply_begin(const struct request *rq, enum status status)
{
    struct kv_reply r = {.opcode = rq->frame.opcode, .status = (uint16_t)status, .opaque = rq->frame.opaque};
    if (session_has(rq->session, FEATURE_TRACING)) {
        r.traced = true;
        r.duration_us = (uint32_t)((io_refresh_now(rq->engine->loop) - rq->began_ns) / 1000);
    }
    return r;
}

uint8_t reply_datatype(const struct session *s, uint8_t datatype)
{
    uint8_t known = 0;
    if (session_has(s, FEATURE_JSON)) known |= DATATYPE_JSON;
    if (session_takes_snappy(s)) known |= DATATYPE_SNAPPY;
    if (session_has(s, FEATURE_XATTR)) known |= DATATYPE_XATTR;
    return datatype & known;
}

void reply_plain(const struct request *rq, enum status status)
{
    struct kv_reply r = reply_begin(rq, status);
    kv_put_reply(reply_out(rq), &r);
}

static void reply_body(const struct request *rq, enum status status, const struct error_body *body)
{
    struct buf *text = &rq->engine->body;
    buf_clear(text);
    error_body_write(body, text);
    struct kv_reply r = reply_begin(rq, status);
    if (!text->failed && text->len) {
        r.value = buf_view(text);
        r.datatype = reply_datatype(rq->session, DATATYPE_JSON);
    }
    kv_put_reply(reply_out(rq), &r);
}

void reply_problem(const struct request *rq, enum status status, const char *text)
{
    struct error_body body = {.context = ""};
    if (text) text_copy(body.context, sizeof body.context, text);
    reply_body(rq, status, &body);
}

/* Statuses that a client without extended errors has never heard of: the connection ends, as measured. */
static bool ends_old_client(enum status status)
{
    switch (status) {
    case ST_NO_BUCKET:
    case ST_EACCESS:
    case ST_AUTH_STALE:
    case ST_DURABILITY_INVALID_LEVEL:
    case ST_DURABILITY_IMPOSSIBLE:
    case ST_SYNC_WRITE_AMBIGUOUS:
    case ST_RANGE_SCAN_CANCELLED:
    case ST_RANGE_SCAN_MORE:
    case ST_RANGE_SCAN_COMPLETE:
    case ST_VBUUID_NOT_EQUAL:
    case ST_CANCELLED:
        return true;
    default:
        return false;
    }
}

void reply_status_problem(const struct request *rq, enum status status, const char *text)
{
    if (!session_has(rq->session, FEATURE_XERROR) && ends_old_client(status)) session_close(rq->session);
    else reply_problem(rq, status, text);
}

void reply_status(const struct request *rq, enum status status)
{
    reply_status_problem(rq, status, NULL);
}

void reply_result(const struct request *rq, enum kv_result result)
{
    static const struct {
        uint16_t status, old; /* old: for clients without extended errors */
    } statuses[KV_RESULTS] = {
        [KV_OK] = {ST_SUCCESS, ST_SUCCESS},
        [KV_MISSING] = {ST_KEY_ENOENT, ST_KEY_ENOENT},
        [KV_EXISTS] = {ST_KEY_EEXISTS, ST_KEY_EEXISTS},
        [KV_NOT_STORED] = {ST_NOT_STORED, ST_NOT_STORED},
        [KV_BAD_DELTA] = {ST_DELTA_BADVAL, ST_DELTA_BADVAL},
        [KV_TOO_BIG] = {ST_E2BIG, ST_E2BIG},
        [KV_INVALID] = {ST_EINVAL, ST_EINVAL},
        [KV_LOCKED] = {ST_LOCKED, ST_KEY_EEXISTS},
        [KV_LOCKED_TMP] = {ST_LOCKED, ST_ETMPFAIL},
        [KV_NOT_LOCKED] = {ST_NOT_LOCKED, ST_ETMPFAIL},
        [KV_FULL] = {ST_ETMPFAIL, ST_ETMPFAIL},
        [KV_NO_MEMORY] = {ST_ENOMEM, ST_ENOMEM},
        [KV_IMPOSSIBLE] = {ST_DURABILITY_IMPOSSIBLE, ST_DURABILITY_IMPOSSIBLE},
    };
    bool modern = session_has(rq->session, FEATURE_XERROR);
    enum status status = modern ? statuses[result].status : statuses[result].old;
    if (result == KV_FULL && rq->bucket->store.refuse_when_full) status = ST_ENOMEM;
    reply_status(rq, status);
}

void reply_mutation(const struct request *rq, const struct kv_done *done)
{
    if (rq->quiet) return;
    struct kv_reply r = reply_begin(rq, ST_SUCCESS);
    r.cas = done->cas;
    const struct mutation_token token = {vbucket_uuid(rq->vbucket), done->seqno};
    kv_put_reply_token(reply_out(rq), &r, session_has(rq->session, FEATURE_MUTATION_SEQNO) ? &token : NULL);
}

/* The body in the form that the client takes. false: out of memory. */
static bool body_for(const struct request *rq, const struct item *i, struct divan_bytes *body, uint8_t *datatype)
{
    *body = item_value(i);
    *datatype = i->datatype;
    bool inflate = (i->datatype & DATATYPE_SNAPPY) &&
                   ((i->datatype & DATATYPE_XATTR) || !session_takes_snappy(rq->session));
    if (inflate) {
        if (!item_plain_value(i, &rq->engine->inflated, body)) return false;
        *datatype &= (uint8_t)~DATATYPE_SNAPPY;
    }
    struct divan_bytes section;
    value_split(*body, *datatype, &section, body);
    *datatype = reply_datatype(rq->session, *datatype & (uint8_t)~DATATYPE_XATTR);
    return true;
}

void reply_document(const struct request *rq, const struct item *i, uint64_t cas, bool with_key)
{
    struct kv_reply r = reply_begin(rq, ST_SUCCESS);
    r.cas = cas;
    if (!(i->datatype & (DATATYPE_SNAPPY | DATATYPE_XATTR))) {
        r.value = item_value(i);
        r.datatype = session_has(rq->session, FEATURE_JSON) ? i->datatype : 0;
    } else if (!body_for(rq, i, &r.value, &r.datatype)) {
        reply_plain(rq, ST_ENOMEM);
        return;
    }
    if (with_key) r.key = rq->frame.key;
    kv_put_reply_flags(reply_out(rq), &r, i->flags);
}

void reply_value(const struct request *rq, struct divan_bytes value, uint8_t datatype)
{
    struct kv_reply r = reply_begin(rq, ST_SUCCESS);
    r.value = value;
    r.datatype = reply_datatype(rq->session, datatype);
    kv_put_reply(reply_out(rq), &r);
}

bool reply_knows_collections(const struct session *s)
{
    return session_has(s, FEATURE_COLLECTIONS) || session_has(s, FEATURE_XERROR);
}

void reply_unknown_collection(const struct request *rq, enum status status)
{
    struct error_body body = {.context = "Unknown scope or collection in operation", .has_manifest_uid = true};
    body.manifest_uid = rq->bucket->store.manifest.uid;
    reply_body(rq, reply_knows_collections(rq->session) ? status : ST_EINVAL, &body);
}

void reply_config(const struct request *rq, enum status status, struct served *config)
{
    struct kv_reply r = reply_begin(rq, status);
    bool packed = false;
    r.value = served_text(config, session_has(rq->session, FEATURE_SNAPPY_EVERYWHERE), &packed);
    r.datatype = reply_datatype(rq->session, DATATYPE_JSON);
    if (packed) r.datatype |= DATATYPE_SNAPPY;
    rq->session->known = config->revision;
    kv_put_reply(reply_out(rq), &r);
}

void reply_not_my_vbucket(const struct request *rq)
{
    struct served *config = &rq->bucket->config;
    bool known = session_has(rq->session, FEATURE_DEDUPE_NMVB) &&
                 revision_compare(config->revision, rq->session->known) <= 0;
    if (known || !served_any(config)) reply_plain(rq, ST_NOT_MY_VBUCKET);
    else reply_config(rq, ST_NOT_MY_VBUCKET, config);
}

/* A version 4 uuid, as the reference under which a refusal is logged. */
static void new_ref(char out[37])
{
    uint8_t b[16] = {0};
    if (RAND_bytes(b, sizeof b) != 1) b[0] = 1;
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

void reply_denied(const struct request *rq, const char *privilege)
{
    struct error_body body = {.context = ""};
    new_ref(body.ref);
    snprintf(body.context, sizeof body.context,
             "Authorization failure: can't execute %s operation without the %s privilege", op_name(rq->frame.opcode),
             privilege);
    LOG_D(rq->engine->log, "kv: %s by %s refused: no %s privilege; ref %s", op_name(rq->frame.opcode),
          rq->session->account->name, privilege, body.ref);
    if (session_has(rq->session, FEATURE_XERROR)) reply_body(rq, ST_EACCESS, &body);
    else session_close(rq->session);
}

void reply_auth_error(const struct request *rq, enum status status)
{
    struct error_body body = {.context = ""};
    new_ref(body.ref);
    LOG_D(rq->engine->log, "kv: authentication refused; ref %s", body.ref);
    reply_body(rq, status, &body);
}
