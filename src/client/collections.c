#include "client/collections.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "client/retry.h"
#include "wire/errorbody.h"

#define DEFAULT_NAME "_default"
enum { LOOKUP_TIMEOUT_MS = 2500 };

static void on_due(void *user);

static struct collection *collection_new(struct bucket *bucket, const char *scope, const char *name)
{
    struct collection *c = mem_zalloc(sizeof *c);
    if (!c) return NULL;
    c->bucket = bucket;
    c->scope = mem_strdup(scope);
    c->name = mem_strdup(name);
    c->is_default = !strcmp(scope, DEFAULT_NAME) && !strcmp(name, DEFAULT_NAME);
    c->state = c->is_default ? COLLECTION_KNOWN : COLLECTION_UNKNOWN;
    list_init(&c->waiting);
    io_timer_init(&c->timer, bucket->client->loop, on_due, c);
    if (c->scope && c->name) {
        list_append(&bucket->collections, &c->link);
        return c;
    }
    collection_free(c);
    return NULL;
}

struct collection *collection_of(struct bucket *bucket, const char *scope, const char *name)
{
    if (!scope || !*scope) scope = DEFAULT_NAME;
    if (!name || !*name) name = DEFAULT_NAME;
    list_each(&bucket->collections, it)
    {
        struct collection *c = container_of(it, struct collection, link);
        if (!strcmp(c->scope, scope) && !strcmp(c->name, name)) return c;
    }
    return collection_new(bucket, scope, name);
}

void collection_free(struct collection *collection)
{
    io_timer_stop(&collection->timer);
    mem_free(collection->scope);
    mem_free(collection->name);
    mem_free(collection);
}

/* ---- looking up */

static void pause_lookup(struct collection *c)
{
    struct client *client = c->bucket->client;
    c->state = COLLECTION_UNKNOWN;
    io_timer_start(&c->timer, io_now_ns(client->loop) + retry_backoff_ns(c->refusals++));
}

static uint64_t manifest_of(const struct operation *op)
{
    struct error_body body;
    return error_body_read(op->value, &body) && body.has_manifest_uid ? body.manifest_uid : 0;
}

static void fail_impatient(struct collection *c)
{
    enum divan_code code;
    char words[200];
    if (!collection_is_missing(c, &code, words, sizeof words)) return;
    list_each(&c->waiting, it)
    {
        struct operation *op = container_of(it, struct operation, link);
        if (op->fail_fast) client_fail(c->bucket->client, op, code, "%s", words);
    }
}

static void refuse_all(struct collection *c, const struct operation *lookup)
{
    struct link *link;
    while ((link = list_take_first(&c->waiting)) != NULL) {
        struct operation *op = container_of(link, struct operation, link);
        if (lookup->error) client_fail_with(c->bucket->client, op, lookup->error);
        else
            client_fail(c->bucket->client, op, DIVAN_ERR_AUTHENTICATION_FAILURE,
                        "the user may not look up collection %s.%s of bucket %s (%s)", c->scope, c->name,
                        c->bucket->name, status_name(lookup->status));
    }
}

static void on_answer(struct client *client, struct operation *op)
{
    struct collection *c = op->owner;
    if (client->state == CLIENT_CLOSED) return;
    c->state = COLLECTION_UNKNOWN;
    bool answered = op->error == NULL;
    if (answered && op->status == ST_SUCCESS) {
        c->state = COLLECTION_KNOWN;
        c->id = (uint32_t)op->number;
        c->manifest_uid = op->token.seqno;
        c->missing = 0;
        c->refusals = 0;
        client_route_all(client, &c->waiting);
        return;
    }
    if (!answered && op->error->code == DIVAN_ERR_FEATURE_NOT_AVAILABLE) refuse_all(c, op);
    else if (answered && op->status == ST_EACCESS) refuse_all(c, op);
    if (answered && (op->status == ST_UNKNOWN_COLLECTION || op->status == ST_UNKNOWN_SCOPE)) {
        c->missing = op->status;
        c->missing_uid = manifest_of(op);
        fail_impatient(c);
    }
    if (!list_empty(&c->waiting)) pause_lookup(c);
}

static void look_up(struct collection *c)
{
    struct client *client = c->bucket->client;
    struct connection *conn = bucket_any_connection(c->bucket);
    struct operation *op = conn ? client_take(client) : NULL;
    char path[600];
    if (!op) { /* not connected at the moment, or no memory */
        pause_lookup(c);
        return;
    }
    int len = snprintf(path, sizeof path, "%s.%s", c->scope, c->name);
    op->kind = KIND_COLLECTION_ID;
    op->how = DONE_INTERNAL;
    op->done.internal = on_answer;
    op->owner = c;
    op->timeout_ms = LOOKUP_TIMEOUT_MS;
    if (!op_own_value(op, bytes_of(path, (size_t)len)) || client_start(client, op, NULL)) {
        op_release(op);
        pause_lookup(c);
        return;
    }
    c->state = COLLECTION_ASKING;
    client->meter.collection_lookups++;
    connection_send(conn, op);
}

static void on_due(void *user)
{
    struct collection *c = user;
    if (c->state == COLLECTION_UNKNOWN && !list_empty(&c->waiting)) look_up(c);
}

void collection_wait(struct collection *collection, struct operation *op)
{
    op->state = OP_WAITING;
    list_append(&collection->waiting, &op->link);
    if (collection->state == COLLECTION_UNKNOWN && !io_timer_running(&collection->timer)) look_up(collection);
}

bool collection_refused(struct collection *collection, uint64_t manifest_uid)
{
    if (manifest_uid && manifest_uid < collection->manifest_uid) return false;
    collection->state = COLLECTION_UNKNOWN;
    collection->refusals = 0;
    return true;
}

void collection_forget(struct collection *collection)
{
    collection->manifest_uid = 0;
    collection->missing = 0;
    if (!collection->is_default && collection->state == COLLECTION_KNOWN) collection->state = COLLECTION_UNKNOWN;
}

bool collection_is_missing(const struct collection *collection, enum divan_code *code, char *words, size_t cap)
{
    if (!collection->missing || collection->state == COLLECTION_KNOWN) return false;
    bool scope = collection->missing == ST_UNKNOWN_SCOPE;
    *code = scope ? DIVAN_ERR_SCOPE_NOT_FOUND : DIVAN_ERR_COLLECTION_NOT_FOUND;
    snprintf(words, cap, "bucket %.80s has no %s \"%.60s\": create it or check the name", collection->bucket->name,
             scope ? "scope" : "collection", scope ? collection->scope : collection->name);
    return true;
}
