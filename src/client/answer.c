#include "client/answer.h"

#include <stdio.h>

#include "base/error.h"
#include "client/canary.h"
#include "client/collections.h"
#include "client/observe.h"
#include "client/retry.h"
#include "client/scanner.h"
#include "client/specs.h"
#include "client/strategy.h"
#include "client/watch.h"
#include "wire/compress.h"
#include "wire/errorbody.h"

/* Values up to this size are copied out of the read buffer, so that a small result does not hold a large chunk and the
 * chunk can be read into again. */
enum { VALUE_COPY_MAX = 4096 };

bool answer_text(const struct frame *f, struct buf *room, struct divan_bytes *text)
{
    *text = f->value;
    if (!(f->datatype & DATATYPE_SNAPPY)) return true;
    buf_clear(room);
    if (value_inflate(f->value, INFLATE_MAX, room, NULL)) return false;
    *text = buf_view(room);
    return true;
}

/* ---- success */

static enum divan_code take_value(struct operation *op, const struct frame *f, struct chunk *chunk,
                                  struct divan_error *err)
{
    op->value = (struct divan_bytes){NULL, 0};
    if (f->datatype & DATATYPE_SNAPPY) {
        buf_clear(&op->own);
        enum divan_code rc = value_inflate(f->value, INFLATE_MAX, &op->own, err);
        if (!rc) op->value = buf_view(&op->own);
        op->datatype = f->datatype & (uint8_t)~DATATYPE_SNAPPY;
        return rc;
    }
    op->datatype = f->datatype;
    if (f->value.len <= VALUE_COPY_MAX) return op_own_value(op, f->value) ? DIVAN_OK : err_oom(err);
    op->chunk = chunk_retain(chunk);
    op->value = f->value;
    return DIVAN_OK;
}

static enum divan_code take_meta(struct operation *op, const struct frame *f, struct divan_error *err)
{
    struct kv_meta meta;
    enum divan_code rc = kv_read_meta(f, &meta, err);
    if (!rc) op->exists = !meta.deleted;
    return rc;
}

static enum divan_code take_specs(struct operation *op, const struct frame *f, struct chunk *chunk,
                                  struct divan_error *err)
{
    op->is_deleted = f->status == ST_SUBDOC_SUCCESS_DELETED || f->status == ST_SUBDOC_MULTI_PATH_FAILURE_DELETED;
    return take_value(op, f, chunk, err);
}

static enum divan_code take_success(struct connection *conn, struct operation *op, const struct frame *f,
                                    struct chunk *chunk, struct divan_error *err)
{
    const struct kind_facts *facts = op_facts_of(op);
    enum divan_code rc = DIVAN_OK;
    op->cas = f->cas;
    if (facts->answers_flags) {
        rc = kv_read_flags(f, &op->flags, err);
        if (!rc) rc = take_value(op, f, chunk, err);
        return rc;
    }
    if (facts->answers_token && f->extras.len) rc = kv_read_token(f, &op->token, err);
    if (rc) return rc;
    switch ((enum op_kind)op->kind) {
    case KIND_LOOKUP_IN:
    case KIND_MUTATE_IN:
        return take_specs(op, f, chunk, err);
    case KIND_GET_PROJECTED:
        return specs_project(op, f, &conn->client->scratch, err);
    case KIND_SCAN_CREATE:
        rc = scanner_take_created(op, f, err);
        break;
    case KIND_EXISTS:
        rc = take_meta(op, f, err);
        break;
    case KIND_INCREMENT:
    case KIND_DECREMENT:
        rc = kv_read_counter_value(f, &op->number, err);
        break;
    default:
        break;
    }
    op->value = (struct divan_bytes){NULL, 0};
    return rc;
}

/* The client's own operations look at the frame while it is there. */
static void take_internal(struct connection *conn, struct operation *op, const struct frame *f)
{
    struct client *c = conn->client;
    if (!op_own_value(op, f->value)) {
        client_fail(c, op, DIVAN_ERR_OUT_OF_MEMORY, "memory could not be allocated");
        return;
    }
    op->datatype = f->datatype;
    op->cas = f->cas;
    if (op->kind == KIND_COLLECTION_ID && f->status == ST_SUCCESS && f->extras.len == 12) {
        op->token.seqno = get_u64be(f->extras.data); /* the manifest */
        op->number = get_u32be((const uint8_t *)f->extras.data + 8);
    }
    client_succeed(c, op);
}

static void note_server_time(struct operation *op, const struct frame *f)
{
    const uint8_t *at = f->framing.data;
    op->server_time = 0;
    if (f->framing.len >= 3 && at[0] == 0x02) { /* the usual case: one element, the duration */
        op->server_time = get_u16be(at + 1);
        return;
    }
    struct rd r = rd_from(f->framing);
    struct framing_element element;
    while (f->framing.len && framing_next(&r, &element))
        if (element.id == FRAMING_SERVER_DURATION && element.data.len == 2)
            op->server_time = get_u16be(element.data.data);
}

/* ---- refusals */

struct refusal {
    struct error_body body;
    bool has_body;
};

static void read_refusal(struct connection *conn, const struct frame *f, struct refusal *out)
{
    struct divan_bytes text;
    memset(out, 0, sizeof *out);
    if (f->status == ST_NOT_MY_VBUCKET || !(f->datatype & DATATYPE_JSON) || !f->value.len) return;
    if (answer_text(f, &conn->client->scratch, &text)) out->has_body = error_body_read(text, &out->body);
}

static void fail_refused(struct connection *conn, struct operation *op, enum divan_code code, const struct refusal *r)
{
    char key[64], words[300] = "";
    size_t shown = op->key_len < 40 ? op->key_len : 40;
    snprintf(key, sizeof key, "%.*s%s", (int)shown, (const char *)op->key, shown < op->key_len ? "..." : "");
    for (char *at = key; *at; at++)
        if ((unsigned char)*at < 0x20) *at = '?';
    if (r->body.context[0]) snprintf(words, sizeof words, "; the server says: %s", r->body.context);
    client_fail(conn->client, op, code, "%s of \"%s\": %s (%s)%s", op_facts_of(op)->name, key, err_code_text(code),
                status_name(op->status), words);
    if (op->error && op->error->code == code) text_copy(op->error->ref, sizeof op->error->ref, r->body.ref);
}

/* One path of a mutation was refused, and so nothing was changed. */
static void fail_spec(struct client *c, struct operation *op, size_t spec, uint16_t status)
{
    char path[64];
    struct divan_bytes given = specs_path(op, spec);
    snprintf(path, sizeof path, "%.*s%s", (int)(given.len < 50 ? given.len : 50), (const char *)given.data,
             given.len > 50 ? "..." : "");
    enum divan_code code = code_of_status(status);
    if (status == ST_EACCESS) code = DIVAN_ERR_XATTR_NO_ACCESS;
    op->spec_failed = (uint8_t)(spec + 1);
    op->status = status;
    op->rejected = true;
    client_fail(c, op, code, "%s: spec %zu, path \"%s\": %s (%s); nothing was changed", op_facts_of(op)->name, spec,
                path, err_code_text(code), status_name(status));
}

static uint32_t map_attrs(const struct client *c, uint16_t status)
{
    const struct errmap_entry *entry = errmap_find(c->errmap, status);
    return entry ? entry->attrs : 0;
}

/* Not my vBucket: the body may be a newer map. When it leads elsewhere the operation follows at once; otherwise it waits
 * for the back-off or the next map, whichever comes first. */
static void follow_map(struct connection *conn, struct operation *op, const struct frame *f)
{
    struct client *c = conn->client;
    struct bucket *bucket = op->collection->bucket;
    struct divan_bytes text;
    bool newer = false;
    if (f->status == ST_NOT_MY_VBUCKET && f->value.len && conn->node && answer_text(f, &c->scratch, &text))
        newer = watch_map(bucket, text, conn->node->host, conn->node);
    if (op->moved < UINT8_MAX) op->moved++;
    client_note_reason(c, op, f->status == ST_NOT_MY_VBUCKET ? RETRY_KV_NOT_MY_VBUCKET : RETRY_KV_CONFIG_ONLY);
    if (!newer) watch_want(bucket, f->status == ST_NOT_MY_VBUCKET ? conn : NULL);
    bool elsewhere = bucket_target(bucket, op) != conn->node;
    if (bucket->map && (newer || bucket->map->forward) && elsewhere && op->moved < 16) {
        op->retries++;
        c->meter.retries++;
        client_route(c, op);
        return;
    }
    op->waits_for_map = true;
    client_retry_later(c, op, f->status == ST_NOT_MY_VBUCKET ? RETRY_KV_NOT_MY_VBUCKET : RETRY_KV_CONFIG_ONLY,
                       &bucket->waiting);
}

static void follow_collection(struct connection *conn, struct operation *op, const struct refusal *r)
{
    struct client *c = conn->client;
    struct collection *collection = op->collection;
    if (collection->is_default ||
        (collection->state == COLLECTION_KNOWN && !collection_refused(collection, r->body.manifest_uid))) {
        client_retry_later(c, op, RETRY_KV_COLLECTION_OUTDATED, NULL); /* only this node is behind */
        return;
    }
    client_note_reason(c, op, RETRY_KV_COLLECTION_OUTDATED);
    op->retries++;
    c->meter.retries++;
    collection_wait(collection, op);
}

static void judge(struct connection *conn, struct operation *op, const struct frame *f)
{
    struct client *c = conn->client;
    const struct verdict_input in = {
        .kind = (enum op_kind)op->kind,
        .status = f->status,
        .has_cas = op->cas != 0,
        .fail_fast = op->fail_fast,
        .map_attrs = map_attrs(c, f->status),
    };
    struct verdict v = verdict_of(&in);
    if (v.act == ACT_RETRY && op->strategy && strategy_stops(c, op, v.reason)) {
        v.act = ACT_FINISH;
        client_note_reason(c, op, v.reason);
    }
    struct refusal refusal;
    read_refusal(conn, f, &refusal);
    op->rejected = true;
    switch (v.act) {
    case ACT_FINISH:
        if (!v.code) { /* exists: no such document */
            op->exists = false;
            op->cas = 0;
            client_succeed(c, op);
        } else fail_refused(conn, op, v.code, &refusal);
        break;
    case ACT_RETRY:
        client_retry_later(c, op, v.reason, NULL);
        break;
    case ACT_NEW_MAP:
        follow_map(conn, op, f);
        break;
    case ACT_COLLECTION:
        follow_collection(conn, op, &refusal);
        break;
    }
    if (v.drop_connection) {
        struct divan_error why;
        err_set(&why, DIVAN_ERR_CONNECTION_LOST, "%s answered %s, so the connection is given up",
                conn->node ? conn->node->name : "the node", status_name(f->status));
        connection_fail(conn, &why);
    }
}

/* A scan answers in pieces under one opaque. */
static void take_piece(struct connection *conn, struct operation *op, const struct frame *f, struct chunk *chunk)
{
    struct divan_error err;
    if (scanner_take_piece(op, f, chunk, &err)) client_fail_with(conn->client, op, &err);
    else if (f->status != ST_SUCCESS) client_succeed(conn->client, op);
    else {
        slots_put_back(&conn->slots, op);
        op->connection = conn;
        scanner_tell(op);
    }
}

void answer_take(struct connection *conn, struct operation *op, const struct frame *f, struct chunk *chunk)
{
    op->connection = NULL;
    op->status = f->status;
    note_server_time(op, f);
    if (conn->client->breaker_limits.enabled) canary_note(conn, false);
    if (op->kind >= KIND_DOCUMENT_COUNT) {
        take_internal(conn, op, f);
        return;
    }
    if (op->kind == KIND_SCAN_CONTINUE && scanner_is_page(f->status)) {
        take_piece(conn, op, f, chunk);
        return;
    }
    struct divan_error err;
    size_t spec;
    uint16_t status;
    if (f->status != ST_SUCCESS && !specs_has_results(op, f->status)) {
        if (specs_failure(op, f, &spec, &status)) fail_spec(conn->client, op, spec, status);
        else judge(conn, op, f);
        return;
    }
    enum divan_code rc = take_success(conn, op, f, chunk, &err);
    if (rc) client_fail_with(conn->client, op, &err);
    else if (observe_is_wanted(op)) observe_begin(conn->client, op);
    else client_succeed(conn->client, op);
}
