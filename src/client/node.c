#include "client/node.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "client/bucket.h"
#include "client/retry.h"
#include "client/strategy.h"
#include "client/watch.h"
#include "wire/statuses.h"

enum {
    PAUSE_FIRST_MS = 5, /* before the second attempt; doubles, with jitter */
    PAUSE_MAX_MS = 1000,
    PAUSE_DEFINITE_MS = 1000, /* when trying again can hardly help */
    PAUSE_DEFINITE_MAX_MS = 16000,
    DIALS_MAX = 32, /* at the same time: what comes to hundreds of nodes at once is spread */
    DIAL_LATER_MS = 10,
    DIAL_FLOOR_MS = 20,     /* an operation that waits cuts a pause short, but not below */
    MISSING_GRACE_MS = 500, /* a bucket that a node does not know may be on its way */
};

#define TO(state) (1u << NODE_##state)
static const unsigned allowed[NODE_STATES] = {
    [NODE_IDLE] = TO(LOOKUP) | TO(CONNECT) | TO(GONE) | TO(PAUSE),   [NODE_LOOKUP] = TO(CONNECT) | TO(PAUSE) | TO(GONE),
    [NODE_CONNECT] = TO(CONNECT) | TO(READY) | TO(PAUSE) | TO(GONE), [NODE_READY] = TO(PAUSE) | TO(GONE) | TO(IDLE),
    [NODE_PAUSE] = TO(LOOKUP) | TO(CONNECT) | TO(PAUSE) | TO(GONE),
};

static bool move(struct node *node, enum node_state to)
{
    bool ok = (allowed[node->state] & 1u << to) != 0;
    if (!ok) LOG_E(node->bucket->client->log, "node %s: no move from state %d to %d", node->name, node->state, to);
    if (ok) node->state = to;
    return ok;
}

static void on_timer(void *user);

void node_rename(struct node *node, const char *host, uint16_t port)
{
    char name[300];
    snprintf(name, sizeof name, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
    node->host = client_intern(node->bucket->client, host);
    node->port = port;
    node->name = client_intern(node->bucket->client, name);
}

struct node *node_new(struct bucket *bucket, const char *host, uint16_t port)
{
    struct node *node = mem_zalloc(sizeof *node);
    if (!node) return NULL;
    node->bucket = bucket;
    list_init(&node->waiting);
    io_timer_init(&node->timer, bucket->client->loop, on_timer, node);
    node_rename(node, host, port);
    if (!strcmp(node->host, "?")) { /* no memory for its name */
        mem_free(node);
        return NULL;
    }
    list_append(&bucket->nodes, &node->link);
    return node;
}

static void end_dial(struct node *node)
{
    if (node->is_dialing) node->bucket->client->dialing--;
    node->is_dialing = false;
}

static void stop_trying(struct node *node)
{
    end_dial(node);
    io_lookup_cancel(node->lookup);
    node->lookup = NULL;
    io_timer_stop(&node->timer);
}

void node_free(struct node *node, struct list *orphans)
{
    struct divan_error why;
    err_set(&why, DIVAN_ERR_CANCELLED, "the node is no longer needed");
    stop_trying(node);
    list_move_all(orphans, &node->waiting);
    connection_abandon(node->connection, &why);
    list_move_all(orphans, &node->waiting); /* what was in flight may have come back here */
    list_remove(&node->link);
    mem_free(node);
}

void node_leave(struct node *node, struct list *orphans)
{
    if (node->state == NODE_GONE) return;
    LOG_I(node->bucket->client->log, "%s left the map", node->name);
    stop_trying(node);
    list_move_all(orphans, &node->waiting);
    node->in_map = false;
    move(node, NODE_GONE);
    if (node->connection) connection_drain(node->connection);
    else node_free(node, orphans);
}

/* ---- failing */

static bool is_definite(const struct node *node, const struct divan_error *why, uint64_t now_ns)
{
    switch ((int)why->code) {
    case DIVAN_ERR_AUTHENTICATION_FAILURE:
    case DIVAN_ERR_TLS_EXPECTED:
    case DIVAN_ERR_TLS_NOT_OFFERED:
    case DIVAN_ERR_FEATURE_NOT_AVAILABLE:
    case DIVAN_ERR_SASL_MECHANISM:
    case DIVAN_ERR_SASL_SERVER_SIGNATURE:
    case DIVAN_ERR_CREDENTIALS:
        return true;
    case DIVAN_ERR_BUCKET_NOT_FOUND:
        return why->server_status != ST_KEY_ENOENT ||
               (node->missing_since_ns && now_ns - node->missing_since_ns >= MISSING_GRACE_MS * NS_PER_MS);
    case DIVAN_ERR_UNREACHABLE:
    case DIVAN_ERR_TLS_CERTIFICATE: /* one that was replaced comes back with a good one */
    case DIVAN_ERR_NAME_NOT_RESOLVED:
    case DIVAN_ERR_HANDSHAKE_FAILED:
    case DIVAN_ERR_PROTOCOL_ERROR: /* while opening nothing is known of this cluster: the address is most likely wrong */
        return node->bucket->client->state == CLIENT_OPENING;
    default:
        return false;
    }
}

static uint64_t pause_ns(const struct node *node)
{
    uint64_t first = node->is_definite ? PAUSE_DEFINITE_MS : PAUSE_FIRST_MS;
    uint64_t most = node->is_definite ? PAUSE_DEFINITE_MAX_MS : PAUSE_MAX_MS;
    unsigned doublings = node->failures ? node->failures - 1 : 0;
    uint64_t ms = doublings < 16 ? first << doublings : most;
    if (ms > most) ms = most;
    uint64_t ns = ms * NS_PER_MS;
    return ns / 2 + rng_below(io_rng(node->bucket->client->loop), ns / 2);
}

static void fail_impatient(struct node *node)
{
    list_each(&node->waiting, it)
    {
        struct operation *op = container_of(it, struct operation, link);
        if (!strategy_is_impatient(node->bucket->client, op, RETRY_SOCKET_NOT_AVAILABLE)) continue;
        client_note_reason(node->bucket->client, op, RETRY_SOCKET_NOT_AVAILABLE);
        client_fail_with(node->bucket->client, op, &node->last);
    }
}

static void node_fail(struct node *node, const struct divan_error *why)
{
    struct client *c = node->bucket->client;
    uint64_t now = io_now_ns(c->loop);
    node->last = *why;
    if (why->code != DIVAN_ERR_BUCKET_NOT_FOUND) node->missing_since_ns = 0;
    else if (!node->missing_since_ns) node->missing_since_ns = now;
    node->is_definite = is_definite(node, why, now);
    node->failures++;
    stop_trying(node);
    if (!move(node, NODE_PAUSE)) return;
    LOG_W(c->log, "%s: %s", node->name, why->message);
    io_timer_start(&node->timer, now + pause_ns(node));
    fail_impatient(node);
    bucket_step(node->bucket);
}

void node_lost(struct node *node, const struct divan_error *why)
{
    struct list orphans;
    list_init(&orphans);
    if (node->state == NODE_GONE) {
        struct client *c = node->bucket->client;
        node_free(node, &orphans);
        client_route_all(c, &orphans);
        return;
    }
    bool while_dialing = node->state == NODE_CONNECT &&
                         (why->code == DIVAN_ERR_UNREACHABLE || why->code == DIVAN_ERR_UNAMBIGUOUS_TIMEOUT);
    if (while_dialing && node->addr_next < node->addr_count) {
        struct divan_error err;
        node->connection = connection_new(node, &node->addrs[node->addr_next++], &err);
        if (!node->connection) node_fail(node, &err);
        return;
    }
    if (node->state == NODE_READY) node->failures = 0;
    node_fail(node, why);
}

/* ---- dialing */

static void connect_first(struct node *node)
{
    struct divan_error err;
    if (!move(node, NODE_CONNECT)) return;
    node->addr_next = 1;
    node->connection = connection_new(node, &node->addrs[0], &err);
    if (!node->connection) node_fail(node, &err);
}

static void on_lookup(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *err)
{
    struct node *node = user;
    node->lookup = NULL;
    io_timer_stop(&node->timer);
    if (!count) {
        node_fail(node, err);
        return;
    }
    node->addr_count = count < NODE_ADDRS_MAX ? (unsigned)count : NODE_ADDRS_MAX;
    memcpy(node->addrs, addrs, node->addr_count * sizeof *addrs);
    connect_first(node);
}

static void begin(struct node *node)
{
    struct client *c = node->bucket->client;
    const struct options *o = &c->config.options;
    enum io_family family = o->ip_protocol == IP_FORCE_IPV4 ? IO_V4 : o->ip_protocol == IP_FORCE_IPV6 ? IO_V6 : IO_ANY;
    struct divan_error err;
    io_timer_stop(&node->timer);
    if (c->dialing >= DIALS_MAX) {
        uint64_t later = DIAL_LATER_MS * NS_PER_MS;
        if (move(node, NODE_PAUSE))
            io_timer_start(&node->timer, io_now_ns(c->loop) + later + rng_below(io_rng(c->loop), later));
        return;
    }
    node->is_dialing = true;
    c->dialing++;
    node->attempt_ns = io_now_ns(c->loop);
    if (io_addr_parse(&node->addrs[0], node->host, node->port)) { /* no need to ask anybody */
        node->addr_count = 1;
        connect_first(node);
        return;
    }
    if (!move(node, NODE_LOOKUP)) return;
    node->lookup = io_lookup_start(c->loop, node->host, node->port, family, on_lookup, node, &err);
    if (!node->lookup) node_fail(node, &err);
    else io_timer_start(&node->timer, node->attempt_ns + o->resolve_timeout_ms * NS_PER_MS);
}

static void on_timer(void *user)
{
    struct node *node = user;
    struct divan_error err;
    if (node->state == NODE_PAUSE) begin(node);
    else if (node->state == NODE_LOOKUP) {
        err_set(&err, DIVAN_ERR_NAME_NOT_RESOLVED, "the name \"%s\" was not resolved within %u ms", node->host,
                node->bucket->client->config.options.resolve_timeout_ms);
        node_fail(node, &err);
    }
}

void node_dial(struct node *node)
{
    struct client *c = node->bucket->client;
    if (node->state == NODE_IDLE) begin(node);
    if (node->state != NODE_PAUSE) return;
    uint64_t soonest = node->attempt_ns + DIAL_FLOOR_MS * NS_PER_MS;
    if (node->timer.at_ns > soonest || !io_timer_running(&node->timer))
        io_timer_start(&node->timer, soonest > io_now_ns(c->loop) ? soonest : io_now_ns(c->loop));
}

void node_adopt(struct node *node, struct connection *conn)
{
    node->attempt_ns = io_now_ns(node->bucket->client->loop);
    if (move(node, NODE_CONNECT)) connection_adopt(conn, node);
}

void node_wait(struct node *node, struct operation *op)
{
    struct client *c = node->bucket->client;
    client_note_reason(c, op, RETRY_SOCKET_NOT_AVAILABLE);
    if (node->state == NODE_PAUSE && node->last.code && strategy_is_impatient(c, op, RETRY_SOCKET_NOT_AVAILABLE)) {
        client_fail_with(c, op, &node->last);
        return;
    }
    op->state = OP_WAITING;
    list_append(&node->waiting, &op->link);
    node_dial(node);
}

void node_ready(struct node *node, bool has_map)
{
    struct bucket *bucket = node->bucket;
    struct client *c = bucket->client;
    LOG_I(c->log, "%s is ready%s%s", node->name, bucket->name ? " for bucket " : "", bucket->name ? bucket->name : "");
    move(node, NODE_READY);
    end_dial(node);
    node->failures = 0;
    node->is_definite = false;
    node->missing_since_ns = 0;
    node->last.code = DIVAN_OK;
    client_route_all(c, &node->waiting);
    if (bucket->name && !(has_map && bucket_has_map(bucket))) watch_want(bucket, node->connection);
    bucket_step(bucket);
}

void node_describe(const struct node *node, struct buf *out)
{
    static const char *const words[NODE_STATES] = {
        [NODE_IDLE] = "not tried yet", [NODE_LOOKUP] = "resolving the name", [NODE_CONNECT] = "connecting",
        [NODE_READY] = "connected",    [NODE_PAUSE] = "not connected",       [NODE_GONE] = "left the cluster",
    };
    const char *state = words[node->state];
    if (node->connection && node->connection->state == CONN_HANDSHAKE) state = "authenticating";
    if (node->connection && node->connection->state == CONN_BUCKET) state = "selecting the bucket";
    buf_printf(out, "%s: %s", node->name, state);
    if (node->state != NODE_READY && node->last.code) buf_printf(out, " (%s)", node->last.message);
}
