#include "client/observe.h"

#include "client/collections.h"
#include "wire/history.h"

enum {
    POLL_MIN_MS = 5, /* doubles up to the longest pause */
    POLL_MAX_MS = 100,
    ANSWER_MS = 2500,
    COPIES_MAX = 4,
};

/* Copies that the wish needs in all, and of them replicas. */
static unsigned wanted_persisted(const struct operation *op)
{
    return op->persist_to <= DIVAN_PERSIST_TO_ACTIVE ? op->persist_to : op->persist_to - DIVAN_PERSIST_TO_ACTIVE;
}

static unsigned bits(unsigned mask)
{
    return (unsigned)__builtin_popcount(mask);
}

static bool is_reached(const struct operation *op)
{
    if (op->persist_to && bits(op->persisted) < wanted_persisted(op)) return false;
    if (op->persist_to == DIVAN_PERSIST_TO_ACTIVE && !(op->persisted & 1)) return false;
    return bits(op->replicated & ~1u) >= op->replicate_to;
}

bool observe_check(struct client *c, struct operation *op)
{
    const struct map *map = op->collection->bucket->map;
    unsigned there = 0;
    uint16_t vbucket = map_vbucket(map, op_key(op));
    for (unsigned copy = 0; copy < COPIES_MAX; copy++) there += map_owner(map, vbucket, copy) >= 0;
    if (map->ephemeral && op->persist_to) {
        client_fail(c, op, DIVAN_ERR_DURABILITY_IMPOSSIBLE,
                    "persist_to was asked for, but the bucket is kept in memory alone");
        return false;
    }
    if (wanted_persisted(op) <= there && op->replicate_to + 1u <= there) return true;
    if (wanted_persisted(op) <= there && !op->replicate_to) return true;
    client_fail(
        c, op, DIVAN_ERR_DURABILITY_IMPOSSIBLE,
        "persist_to %u and replicate_to %u were asked for, but the document has only %u cop%s; nothing was written",
        op->persist_to, op->replicate_to, there, there == 1 ? "y" : "ies");
    return false;
}

static void fail_lost(struct client *c, struct operation *op)
{
    client_fail(c, op, DIVAN_ERR_DURABILITY_AMBIGUOUS,
                "the write was applied, but a failover took place before it had been copied: it is lost, or will be");
}

/* What one copy says. */
static void note(struct client *c, struct operation *op, unsigned copy, const struct observe_seqno *o)
{
    if (o->failed_over && op->token.seqno > o->old_last) {
        fail_lost(c, op);
        return;
    }
    if (o->persisted >= op->token.seqno) op->persisted |= (uint8_t)(1u << copy);
    if (o->current >= op->token.seqno) op->replicated |= (uint8_t)(1u << copy);
    if (is_reached(op)) client_succeed(c, op);
}

static void on_observed(struct client *c, struct operation *question)
{
    struct operation *op = question->owner;
    struct observe_seqno o;
    bool answered = !question->error && question->status == ST_SUCCESS;
    if (op->is_observed && op->state != OP_DONE && answered && !observe_seqno_read(question->value, &o, NULL))
        note(c, op, question->copy, &o);
    op_release(op);
}

static void ask(struct client *c, struct operation *op, struct node *node, unsigned copy)
{
    if (!connection_is_ready(node->connection)) {
        node_dial(node);
        return;
    }
    struct operation *question = client_take(c);
    if (!question) return; /* the next poll may have memory */
    question->kind = KIND_OBSERVE;
    question->how = DONE_INTERNAL;
    question->done.internal = on_observed;
    question->owner = op;
    question->vbucket = op->vbucket;
    question->copy = (uint8_t)copy;
    question->number = op->token.vbucket_uuid;
    question->timeout_ms = ANSWER_MS;
    if (client_start(c, question, NULL)) {
        op_release(question);
        return;
    }
    op_retain(op);
    connection_send(node->connection, question);
}

void observe_poll(struct client *c, struct operation *op)
{
    struct bucket *bucket = op->collection->bucket;
    uint64_t pause_ms = op->retries < 5 ? (uint64_t)POLL_MIN_MS << op->retries : POLL_MAX_MS;
    if (pause_ms > POLL_MAX_MS) pause_ms = POLL_MAX_MS;
    op->state = OP_WAITING;
    op->retries++;
    if (!client_wake_at(c, op, io_now_ns(c->loop) + pause_ms * NS_PER_MS)) {
        observe_give_up(c, op, "memory could not be allocated");
        return;
    }
    for (unsigned copy = 0; copy < COPIES_MAX && op->state == OP_WAITING; copy++) {
        if (!copy && !op->persist_to) continue; /* the active one has it in memory */
        if (copy && !op->replicate_to && op->persist_to == DIVAN_PERSIST_TO_ACTIVE) break;
        struct node *node = bucket_copy(bucket, op->vbucket, copy);
        if (node) ask(c, op, node, copy);
    }
}

void observe_begin(struct client *c, struct operation *op)
{
    op->is_observed = true;
    op->retries = 0;
    if (op->token.seqno) observe_poll(c, op);
    else observe_give_up(c, op, "the answer had no mutation token to look for");
}

void observe_give_up(struct client *c, struct operation *op, const char *why)
{
    client_fail(
        c, op, DIVAN_ERR_DURABILITY_AMBIGUOUS,
        "the write was applied, but %s before enough copies had it: %u persisted it (persist_to %u), %u replicas "
        "have it (replicate_to %u)",
        why, bits(op->persisted), op->persist_to, bits(op->replicated & ~1u), op->replicate_to);
}
