#include "client/connection.h"

#include "base/alloc.h"
#include "base/error.h"
#include "client/answer.h"
#include "client/canary.h"
#include "client/collections.h"
#include "client/node.h"
#include "client/observe.h"
#include "client/retry.h"
#include "client/scanner.h"
#include "client/specs.h"
#include "client/strategy.h"
#include "client/watch.h"
#include "wire/compress.h"
#include "wire/history.h"
#include "wire/session.h"

enum {
    FLUSH_ABOVE = 32 * 1024, /* output is not held back beyond this */
    DRAIN_MS = 10000,        /* how long a connection that is no longer needed waits for its answers */
    OPAQUE_FIRST = 0x10000,  /* above the handshake's */
    SILENCE_MS = 2000,       /* a connection that says nothing for so long, although asked, is dead */
};

#define TO(state) (1u << CONN_##state)
static const unsigned allowed[CONN_STATES] = {
    [CONN_DIAL] = TO(HANDSHAKE) | TO(CLOSED),
    [CONN_HANDSHAKE] = TO(BUCKET) | TO(READY) | TO(CLOSED),
    [CONN_BUCKET] = TO(READY) | TO(CLOSED),
    [CONN_READY] = TO(BUCKET) | TO(DRAIN) | TO(CLOSED), /* BUCKET: a bucket-less one is adopted */
    [CONN_DRAIN] = TO(CLOSED),
};

/* The one place that changes the state. A move that is not in the table is a defect: the connection is given up, which
 * is always safe, instead of the host process. */
static bool move(struct connection *conn, enum connection_state to)
{
    bool ok = (allowed[conn->state] & 1u << to) != 0;
    if (!ok) LOG_E(conn->client->log, "connection: no move from state %d to %d", conn->state, to);
    conn->state = ok ? to : CONN_CLOSED;
    return ok;
}

static const char *peer_of(const struct connection *conn)
{
    return conn->node ? conn->node->name : "a node";
}

/* ---- ending */

static void cancel_operation(struct client *c, struct operation *op, bool ambiguous)
{
    op->ambiguous = ambiguous;
    client_cancel(c, op);
}

static void lose_operation(struct connection *conn, struct operation *op, const struct divan_error *why)
{
    struct client *c = conn->client;
    bool idempotent = op_facts_of(op)->is_idempotent;
    enum loss loss = op->out_end > conn->flushed ? LOSS_NOT_SENT : LOSS_SENT;
    enum retry_reason reason = loss == LOSS_SENT ? RETRY_SOCKET_CLOSED_WHILE_IN_FLIGHT : RETRY_SOCKET_NOT_AVAILABLE;
    bool may_go_on = op->kind < KIND_DOCUMENT_COUNT && (idempotent || loss == LOSS_NOT_SENT);
    bool impatient = may_go_on && strategy_is_impatient(c, op, reason);
    struct verdict v = verdict_of_loss(idempotent, loss, impatient);
    op->connection = NULL;
    if (op->kind >= KIND_DOCUMENT_COUNT) {
        client_fail_with(c, op, why);
        return;
    }
    if (c->state == CLIENT_CLOSED) {
        cancel_operation(c, op, loss == LOSS_SENT && !idempotent);
        return;
    }
    if (loss == LOSS_NOT_SENT) op->rejected = true; /* the node never saw it */
    if (v.act == ACT_RETRY) {
        client_note_reason(c, op, v.reason);
        op->retries++;
        c->meter.retries++;
        client_route(c, op);
        return;
    }
    client_note_reason(c, op, v.reason);
    bool ambiguous = loss == LOSS_SENT && !idempotent;
    op->ambiguous = ambiguous;
    client_fail(c, op, DIVAN_ERR_CONNECTION_LOST,
                "%s was sent to %s but the connection was lost before the answer%s: %s", op_facts_of(op)->name,
                peer_of(conn), ambiguous ? " (it may have been applied: read before writing again)" : "", why->message);
}

/* Stops everything but the stream. The operations are taken out first: routing them again must not find this
 * connection. */
static void shut(struct connection *conn, const struct divan_error *why)
{
    list_remove(&conn->dirty);
    if (conn->client->latest == conn) conn->client->latest = NULL;
    io_timer_stop(&conn->timer);
    conn->client->meter.bytes_out += conn->flushed;
    struct list lost;
    list_init(&lost);
    struct operation *op;
    while (conn->slots.ring && (op = slots_take_any(&conn->slots)) != NULL) list_append(&lost, &op->link);
    struct link *link;
    while ((link = list_take_first(&lost)) != NULL)
        lose_operation(conn, container_of(link, struct operation, link), why);
}

/* Tells the node last: it may dial again at once. */
void connection_fail(struct connection *conn, const struct divan_error *why)
{
    if (conn->state == CONN_CLOSED) return;
    bool was_ready = conn->state == CONN_READY || conn->state == CONN_DRAIN;
    struct divan_error reason = *why; /* may live in what is about to go */
    struct node *node = conn->node;
    LOG_D(conn->client->log, "connection to %s ends: %s", peer_of(conn), reason.message);
    if (was_ready) conn->client->meter.connections_lost++;
    else conn->client->meter.connects_failed++;
    move(conn, CONN_CLOSED);
    if (node && node->connection == conn) node->connection = NULL;
    shut(conn, &reason);
    conn->node = NULL;
    if (conn->stream) io_stream_close(conn->stream, false);
    if (node) node_lost(node, &reason);
}

void connection_abandon(struct connection *conn, const struct divan_error *why)
{
    if (!conn) return;
    if (conn->node && conn->node->connection == conn) conn->node->connection = NULL;
    if (conn->state == CONN_CLOSED) return;
    move(conn, CONN_CLOSED);
    shut(conn, why);
    conn->node = NULL;
    if (conn->stream) io_stream_close(conn->stream, false);
}

static void connection_destroy(struct connection *conn)
{
    io_timer_stop(&conn->timer);
    list_remove(&conn->dirty);
    handshake_fini(&conn->handshake);
    slots_fini(&conn->slots);
    mem_free(conn);
}

static void end_drain(struct connection *conn)
{
    struct divan_error why;
    err_set(&why, DIVAN_ERR_CONNECTION_LOST, "the node is no longer part of the bucket");
    connection_fail(conn, &why);
}

void connection_drain(struct connection *conn)
{
    if (!conn || conn->state == CONN_CLOSED || conn->state == CONN_DRAIN) return;
    if (conn->state != CONN_READY || !conn->slots.used) {
        end_drain(conn);
        return;
    }
    move(conn, CONN_DRAIN);
    connection_flush(conn);
    io_timer_start(&conn->timer, io_now_ns(conn->client->loop) + DRAIN_MS * NS_PER_MS);
}

static void on_timer(void *user)
{
    struct connection *conn = user;
    struct divan_error why;
    if (conn->state == CONN_DRAIN) {
        end_drain(conn);
        return;
    }
    if (conn->state == CONN_READY) {
        canary_due(conn);
        return;
    }
    err_set(&why, DIVAN_ERR_UNAMBIGUOUS_TIMEOUT, "%s did not %s within %u ms", peer_of(conn),
            conn->state == CONN_DIAL ? "accept the connection" : "finish the handshake",
            conn->client->config.options.kv_connect_timeout_ms);
    connection_fail(conn, &why);
}

/* ---- handshake */

static void become_ready(struct connection *conn, bool has_map)
{
    io_timer_stop(&conn->timer);
    if (!move(conn, CONN_READY)) return;
    conn->features = conn->handshake.features;
    conn->client->mechanism_known = conn->handshake.sasl.mechanism + 1u;
    conn->client->meter.connects++;
    LOG_D(conn->client->log, "connection to %s is ready, features %llx", peer_of(conn),
          (unsigned long long)conn->features);
    node_ready(conn->node, has_map);
}

static void learn_error_map(struct connection *conn, const struct frame *f)
{
    struct client *c = conn->client;
    struct divan_bytes text;
    struct errmap *map = NULL;
    if (!answer_text(f, &c->scratch, &text) || errmap_parse(text, &map, NULL)) return;
    if (!c->errmap || map->revision > c->errmap->revision) {
        errmap_free(c->errmap);
        c->errmap = map;
    } else errmap_free(map);
}

static void on_handshake(struct connection *conn, const struct frame *f)
{
    struct divan_error err;
    struct divan_bytes text;
    enum handshake_verdict verdict = handshake_answer(&conn->handshake, f, io_stream_output(conn->stream), &err);
    if (verdict == HANDSHAKE_ERROR_MAP) learn_error_map(conn, f);
    if (verdict == HANDSHAKE_BUCKET) move(conn, CONN_BUCKET);
    if (verdict == HANDSHAKE_FAILED) {
        connection_fail(conn, &err);
        return;
    }
    if (verdict == HANDSHAKE_NOT_MINE) {
        err_set(&err, DIVAN_ERR_FRAME_OPAQUE, "%s answered a request that was not sent (opaque 0x%x)", peer_of(conn),
                f->opaque);
        connection_fail(conn, &err);
        return;
    }
    io_stream_flush(conn->stream);
    if (verdict == HANDSHAKE_CONFIG && answer_text(f, &conn->client->scratch, &text)) {
        struct node *node = conn->node;
        watch_map(node->bucket, text, node->host, node);
        if (conn->state != CONN_CLOSED) become_ready(conn, true); /* the map may have sent this node away */
    } else if (verdict == HANDSHAKE_CONFIG || verdict == HANDSHAKE_READY) become_ready(conn, false);
}

/* ---- events of the stream */

static void on_opened(void *user)
{
    struct connection *conn = user;
    struct client *c = conn->client;
    struct divan_error err;
    const struct handshake_plan plan = {
        .config = &c->config,
        .bucket = conn->node->bucket->name,
        .client_id = c->id,
        .connection_id = rng_u64(io_rng(c->loop)),
        .first = c->mechanism_known ? (enum sasl_mechanism)(c->mechanism_known - 1) : SASL_NONE,
    };
    move(conn, CONN_HANDSHAKE);
    if (handshake_begin(&conn->handshake, &plan, io_stream_output(conn->stream), &err)) connection_fail(conn, &err);
    else io_stream_flush(conn->stream);
}

static void on_frame(struct connection *conn, const struct frame *f, struct chunk *chunk)
{
    struct operation *op;
    if (frame_is_response(f)) conn->asked_ns = 0; /* a push comes without our having reached the node */
    if (frame_is_response(f) && (op = slots_take(&conn->slots, f->opaque)) != NULL) {
        answer_take(conn, op, f, chunk);
        return;
    }
    if (f->magic == MAGIC_SERVER_REQUEST) {
        watch_push(conn, f);
        return;
    }
    if (frame_is_response(f) && slots_knows(&conn->slots, f->opaque)) {
        conn->client->meter.orphans++;
        return;
    }
    if (frame_is_response(f) && (conn->state == CONN_HANDSHAKE || conn->state == CONN_BUCKET)) {
        on_handshake(conn, f);
        return;
    }
    struct divan_error err;
    err_set(&err, DIVAN_ERR_PROTOCOL_ERROR, "%s sent a frame that nothing asked for (magic 0x%02x, opaque 0x%x)",
            peer_of(conn), f->magic, f->opaque);
    connection_fail(conn, &err);
}

static bool is_stranger(struct connection *conn, struct divan_bytes input)
{
    struct divan_error err;
    if (conn->received || !input.len || !handshake_recognise(input, peer_of(conn), &err)) return false;
    connection_fail(conn, &err);
    return true;
}

static void on_data(void *user)
{
    struct connection *conn = user;
    struct divan_bytes input = io_stream_input(conn->stream);
    struct chunk *chunk = io_stream_chunk(conn->stream);
    struct divan_error err;
    size_t used = 0;
    conn->heard_ns = io_now_ns(conn->client->loop);
    if (conn->state == CONN_HANDSHAKE && is_stranger(conn, input)) return;
    while (conn->state != CONN_CLOSED) {
        struct frame f;
        size_t size;
        enum frame_verdict verdict = frame_decode(bytes_slice(input, used, input.len), FRAME_MAX, &f, &size, &err);
        if (verdict == FRAME_BROKEN) {
            connection_fail(conn, &err);
            break;
        }
        if (verdict == FRAME_PARTIAL) {
            if (used) io_stream_consume(conn->stream, used);
            io_stream_expect(conn->stream, size);
            break;
        }
        used += size;
        conn->received += size;
        on_frame(conn, &f, chunk);
    }
    if (conn->state == CONN_CLOSED) return;
    if (conn->state == CONN_DRAIN && !conn->slots.used) end_drain(conn);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct connection *conn = user;
    struct divan_error err;
    conn->client->meter.bytes_in += conn->received;
    if (conn->state != CONN_CLOSED) {
        if (conn->state == CONN_HANDSHAKE && !conn->received && why->code != DIVAN_ERR_UNREACHABLE)
            handshake_recognise(bytes_of(NULL, 0), peer_of(conn), &err);
        else if (why->code) err = *why;
        else err_set(&err, DIVAN_ERR_CONNECTION_LOST, "%s closed the connection", peer_of(conn));
        conn->stream = NULL;
        connection_fail(conn, &err);
    }
    connection_destroy(conn);
}

static const struct io_handler handler = {.opened = on_opened, .data = on_data, .closed = on_closed};

struct connection *connection_new(struct node *node, const struct io_addr *addr, struct divan_error *err)
{
    struct client *c = node->bucket->client;
    struct connection *conn = mem_zalloc(sizeof *conn);
    if (!conn || !slots_init(&conn->slots, OPAQUE_FIRST + (uint32_t)rng_below(io_rng(c->loop), 1u << 30))) {
        mem_free(conn);
        err_oom(err);
        return NULL;
    }
    conn->client = c;
    conn->node = node;
    io_timer_init(&conn->timer, c->loop, on_timer, conn);
    conn->stream = c->config.tls ? io_connect_tls(c->loop, addr, c->config.tls_context, node->host, &handler, conn, err)
                                 : io_connect(c->loop, addr, &handler, conn, err);
    uint64_t until = io_now_ns(c->loop) + c->config.options.kv_connect_timeout_ms * NS_PER_MS;
    if (conn->stream && io_timer_start(&conn->timer, until)) return conn;
    if (conn->stream) { /* its memory goes with the stream */
        conn->state = CONN_CLOSED;
        conn->node = NULL;
        io_stream_close(conn->stream, false);
        err_oom(err);
    } else connection_destroy(conn);
    return NULL;
}

void connection_adopt(struct connection *conn, struct node *node)
{
    conn->node = node;
    node->connection = conn;
    if (!move(conn, CONN_BUCKET)) return;
    struct buf *out = io_stream_output(conn->stream);
    handshake_select(&conn->handshake, node->bucket->name, out);
    io_stream_flush(conn->stream);
    io_timer_start(&conn->timer,
                   io_now_ns(conn->client->loop) + conn->client->config.options.kv_connect_timeout_ms * NS_PER_MS);
}

/* ---- sending */

static uint16_t durable_ms(const struct operation *op)
{
    uint64_t ms = (uint64_t)op->timeout_ms * 9 / 10; /* the server gives up before we do */
    return (uint16_t)(ms < 1 ? 1 : ms > 65000 ? 65000 : ms);
}

static struct kv_store store_of(struct connection *conn, struct operation *op)
{
    const struct options *o = &conn->client->config.options;
    struct kv_store s = {.flags = op->flags, .expiry = op->expiry, .value = op->value};
    struct buf *room = &conn->client->scratch;
    if (!o->enable_compression || op->value.len < o->compression_min_size ||
        !feature_has(conn->features, FEATURE_SNAPPY))
        return s;
    buf_clear(room);
    if (value_compress(op->value, (unsigned)(o->compression_min_ratio * 100), room)) {
        s.value = buf_view(room);
        s.datatype = DATATYPE_SNAPPY;
    }
    return s;
}

static void put_document(struct connection *conn, struct operation *op, struct buf *out)
{
    const struct kind_facts *facts = op_facts_of(op);
    const struct kv_target target = {
        .opaque = op->opaque,
        .vbucket = op->vbucket,
        .collections = feature_has(conn->features, FEATURE_COLLECTIONS),
        .collection = op->collection->id,
        .key = op_key(op),
        .cas = op->cas,
        .durability = op->durability,
        .durable_ms = op->durability ? durable_ms(op) : 0,
        .keep_ttl = op->keep_expiry,
    };
    switch ((enum op_kind)op->kind) {
    case KIND_LOOKUP_IN:
    case KIND_MUTATE_IN:
    case KIND_GET_PROJECTED:
        specs_put_frame(out, &target, op);
        break;
    case KIND_GET_AND_LOCK:
        kv_put_getl(out, &target, op->expiry);
        break;
    case KIND_GET:
    case KIND_GET_REPLICA:
    case KIND_REMOVE:
    case KIND_UNLOCK:
        kv_put_get(out, facts->opcode, &target);
        break;
    case KIND_EXISTS:
        kv_put_get_meta(out, &target, false);
        break;
    case KIND_TOUCH:
    case KIND_GET_AND_TOUCH:
        kv_put_touch(out, facts->opcode, &target, op->expiry);
        break;
    case KIND_INCREMENT:
    case KIND_DECREMENT: {
        const struct kv_counter counter = {.delta = op->number, .initial = op->initial, .expiry = op->expiry};
        kv_put_counter(out, facts->opcode, &target, &counter);
        break;
    }
    case KIND_APPEND:
    case KIND_PREPEND: {
        const struct kv_store store = {.value = op->value};
        kv_put_concat(out, facts->opcode, &target, &store);
        break;
    }
    default: {
        const struct kv_store store = store_of(conn, op);
        kv_put_store(out, facts->opcode, &target, &store);
    }
    }
}

static void put_internal(struct connection *conn, struct operation *op, struct buf *out)
{
    if (op->kind == KIND_CONFIG) {
        const struct map *map = conn->node->bucket->map;
        struct config_version known = {0, 0};
        bool tell = map && map->revision.rev > 0 && feature_has(conn->features, FEATURE_CONFIG_KNOWN_VERSION);
        if (tell) known = (struct config_version){map->revision.epoch, map->revision.rev};
        session_put_get_config(out, op->opaque, tell ? &known : NULL);
    } else if (op->kind == KIND_OBSERVE) observe_seqno_put_request(out, op->opaque, op->vbucket, op->number);
    else session_put_request(out, op_facts_of(op)->opcode, op->opaque, bytes_of(NULL, 0), op->value);
}

/* What this connection cannot do for the operation; NULL = nothing. */
static const char *missing_feature(const struct connection *conn, const struct operation *op)
{
    if (op->durability &&
        !(feature_has(conn->features, FEATURE_SYNC_REPLICATION) && feature_has(conn->features, FEATURE_ALT_REQUEST)))
        return "durable writes";
    if (op->keep_expiry && !feature_has(conn->features, FEATURE_PRESERVE_TTL)) return "keeping the expiry";
    if (op->doc_flags & DOC_CREATE_AS_DELETED && !feature_has(conn->features, FEATURE_CREATE_AS_DELETED))
        return "creating deleted documents";
    if (op->doc_flags & DOC_REPLICA_READ && !feature_has(conn->features, FEATURE_REPLICA_READ))
        return "looking into replicas";
    if (observe_is_wanted(op) && !feature_has(conn->features, FEATURE_MUTATION_SEQNO))
        return "mutation tokens, which persist_to and replicate_to need (or the option enable_mutation_tokens is off)";
    bool named = op->kind == KIND_COLLECTION_ID || (op->collection && !op->collection->is_default);
    if (named && !feature_has(conn->features, FEATURE_COLLECTIONS)) return "collections";
    return NULL;
}

void connection_send(struct connection *conn, struct operation *op)
{
    struct client *c = conn->client;
    const char *missing = missing_feature(conn, op);
    if (missing) {
        client_fail(c, op, DIVAN_ERR_FEATURE_NOT_AVAILABLE, "%s does not offer %s", peer_of(conn), missing);
        return;
    }
    struct buf *out = io_stream_output(conn->stream);
    size_t before = out->len;
    bool was_idle = !conn->slots.used;
    if (!slots_put(&conn->slots, op)) {
        client_fail(c, op, DIVAN_ERR_OUT_OF_MEMORY, "memory for the request could not be allocated");
        return;
    }
    if (op_is_scan(op)) scanner_put_frame(out, op);
    else if (op->kind < KIND_DOCUMENT_COUNT) put_document(conn, op, out);
    else put_internal(conn, op, out);
    if (out->failed) {
        out->len = before;
        out->failed = false;
        slots_take(&conn->slots, op->opaque);
        client_fail(c, op, DIVAN_ERR_OUT_OF_MEMORY, "memory for the request could not be allocated");
        return;
    }
    conn->appended += out->len - before;
    op->out_end = conn->appended;
    if (!conn->asked_ns) conn->asked_ns = io_now_ns(c->loop);
    op->state = OP_SENT;
    op->connection = conn;
    c->latest = conn;
    op->endpoint = conn->node->name;
    op->rejected = false;
    op->attempts++;
    if ((was_idle && !op->may_linger) || out->len > FLUSH_ABOVE) connection_flush(conn);
    else if (!link_in_list(&conn->dirty)) list_append(&c->dirty, &conn->dirty);
}

void connection_forget(struct connection *conn, struct operation *op)
{
    slots_take(&conn->slots, op->opaque);
    op->connection = NULL;
    if (conn->state == CONN_DRAIN && !conn->slots.used) io_timer_start(&conn->timer, io_now_ns(conn->client->loop));
}

void connection_doubt(struct connection *conn)
{
    uint64_t now = io_now_ns(conn->client->loop);
    struct divan_error why;
    if (conn->state != CONN_READY) return;
    if (!conn->asked_ns) conn->asked_ns = now;
    if (now - conn->asked_ns < SILENCE_MS * NS_PER_MS) return;
    err_set(&why, DIVAN_ERR_CONNECTION_LOST, "%s said nothing for %u s although it was asked", peer_of(conn),
            SILENCE_MS / 1000);
    connection_fail(conn, &why);
}

void connection_flush(struct connection *conn)
{
    list_remove(&conn->dirty);
    conn->flushed = conn->appended;
    if (conn->state != CONN_CLOSED && conn->stream) io_stream_flush(conn->stream);
}
