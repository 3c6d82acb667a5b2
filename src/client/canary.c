#include "client/canary.h"

#include "base/error.h"
#include "client/bucket.h"
#include "client/retry.h"
#include "client/strategy.h"

enum { PROBE_TIMEOUT_MS = 2500 };

struct breaker_limits canary_limits(const struct options *o)
{
    return (struct breaker_limits){
        .enabled = o->enable_circuit_breaker,
        .volume = o->circuit_breaker_volume,
        .percent = o->circuit_breaker_percent,
        .sleep_ns = o->circuit_breaker_sleep_ms * NS_PER_MS,
        .window_ns = o->circuit_breaker_window_ms * NS_PER_MS,
    };
}

static void sleep_on(struct connection *conn)
{
    const struct client *c = conn->client;
    io_timer_start(&conn->timer, breaker_probe_ns(&conn->breaker, &c->breaker_limits));
}

void canary_note(struct connection *conn, bool failed)
{
    struct client *c = conn->client;
    if (!breaker_note(&conn->breaker, &c->breaker_limits, io_now_ns(c->loop), failed)) return;
    LOG_W(c->log, "%s: %u of %u requests got no answer in time, nothing is sent to it for %u ms",
          conn->node ? conn->node->name : "a node", conn->breaker.failed, conn->breaker.total,
          c->config.options.circuit_breaker_sleep_ms);
    c->meter.breakers_opened++;
    if (conn->state == CONN_READY) sleep_on(conn);
}

void canary_refuse(struct node *node, struct operation *op)
{
    struct client *c = node->bucket->client;
    client_note_reason(c, op, RETRY_CIRCUIT_BREAKER_OPEN);
    if (strategy_is_impatient(c, op, RETRY_CIRCUIT_BREAKER_OPEN)) {
        client_fail(c, op, DIVAN_ERR_TEMPORARY_FAILURE,
                    "the circuit breaker of %s is open, because too many requests got no answer in time", node->name);
        return;
    }
    op->state = OP_WAITING;
    list_append(&node->waiting, &op->link);
}

static void on_probed(struct client *c, struct operation *op)
{
    struct connection *conn = op->owner;
    if (c->state == CLIENT_CLOSED || conn->state != CONN_READY) return;
    breaker_probed(&conn->breaker, io_now_ns(c->loop), !op->error);
    if (op->error) sleep_on(conn);
    else {
        LOG_I(c->log, "%s answers again", conn->node->name);
        client_route_all(c, &conn->node->waiting);
    }
}

void canary_due(struct connection *conn)
{
    struct client *c = conn->client;
    if (!breaker_probe(&conn->breaker, &c->breaker_limits, io_now_ns(c->loop))) return;
    struct operation *op = client_take(c);
    if (op) {
        op->kind = KIND_NOOP;
        op->how = DONE_INTERNAL;
        op->done.internal = on_probed;
        op->owner = conn;
        op->timeout_ms = PROBE_TIMEOUT_MS;
    }
    if (op && !client_start(c, op, NULL)) {
        connection_send(conn, op);
        return;
    }
    op_release(op);
    breaker_probed(&conn->breaker, io_now_ns(c->loop), false); /* no memory: another time */
    sleep_on(conn);
}
