/* The move of one vBucket, see conductor.h. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manager/conductor_parts.h"

enum { RETRY_MS = 200, TRIES_LOGGED = 5 };

/* ---- looking */

static bool touches(const struct flight *f, const char *uuid)
{
    if (strcmp(f->from[0], uuid) == 0) return true;
    for (unsigned c = 0; c < f->row; c++)
        if (strcmp(f->to[c], uuid) == 0) return true;
    return false;
}

unsigned flights_at(const struct conductor *c, const char *uuid)
{
    unsigned n = 0;
    for (const struct link *l = c->flights.head.next; l != &c->flights.head; l = l->next)
        n += touches(container_of((struct link *)(uintptr_t)l, struct flight, flights), uuid);
    return n;
}

struct flight *flight_find(const struct conductor *c, const char *bucket, unsigned vbucket)
{
    for (const struct link *l = c->flights.head.next; l != &c->flights.head; l = l->next) {
        struct flight *f = container_of((struct link *)(uintptr_t)l, struct flight, flights);
        if (f->vbucket == vbucket && strcmp(f->bucket, bucket) == 0) return f;
    }
    return NULL;
}

static bool among(char list[][UUID_SIZE], unsigned count, const char *uuid)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(list[i], uuid) == 0) return true;
    return false;
}

static bool active_changes(const struct flight *f)
{
    return f->from[0][0] && strcmp(f->from[0], f->to[0]) != 0;
}

/* ---- beginning and ending */

static void name_row(const struct doc_vbmap *m, const int16_t *row, char out[][UUID_SIZE])
{
    for (unsigned c = 0; c < m->row && c < VBPLAN_ROW_MAX; c++)
        text_copy(out[c], UUID_SIZE, row[c] >= 0 ? m->servers[row[c]] : "");
}

static void move_to(struct flight *f, enum flight_state state)
{
    f->state = state;
    f->ordered = false;
    f->order_count = 0;
}

struct flight *flight_begin(struct conductor *c, const struct doc_bucket *b, unsigned v)
{
    const struct doc_vbmap *m = &b->map;
    size_t at = (size_t)v * m->row;
    bool moving = m->moving && m->moving[at] >= 0;
    bool landed = moving && memcmp(m->moving + at, m->entries + at, m->row * sizeof *m->entries) != 0;
    struct flight *f = mem_zalloc(sizeof *f);
    if (!f) return NULL;
    text_copy(f->bucket, sizeof f->bucket, b->uuid);
    f->vbucket = (uint16_t)v;
    f->row = m->row;
    name_row(m, landed ? m->moving + at : m->entries + at, f->from);
    name_row(m, landed || !m->forward ? m->entries + at : m->forward + at, f->to);
    move_to(f, landed                 ? FLIGHT_SETTLE
               : moving && m->forward ? FLIGHT_ASK
               : moving               ? FLIGHT_TURN_BACK
               : f->from[0][0]        ? FLIGHT_BUILD
                                      : FLIGHT_LAND);
    list_append(&c->flights, &f->flights);
    return f;
}

void flight_free(struct flight *f)
{
    list_remove(&f->flights);
    mem_free(f);
}

/* ---- orders */

static bool order(struct conductor *c, struct flight *f, enum order_kind kind, const char *node, const char *source)
{
    const struct doc *d = c->host.doc(c->host.user);
    const struct doc_node *s = doc_find_node(d, source);
    bool delta = false;
    for (size_t i = 0; i < d->task.delta_count; i++) delta = delta || strcmp(d->task.delta[i], node) == 0;
    struct order o = {.kind = kind,
                      .id = ++c->next_id,
                      .bucket = f->bucket,
                      .vbucket = f->vbucket,
                      .fresh = !delta && f->state == FLIGHT_BUILD && !f->tries,
                      .until = f->state == FLIGHT_SETTLE ? f->seqno : 0,
                      .node = source,
                      .host = s ? s->address : "",
                      .port = s ? s->ports.plain[SVC_KV] : 0};
    struct flight_order *at = &f->orders[f->order_count];
    if (f->order_count == FLIGHT_ORDERS || !c->host.send(c->host.user, node, &o)) return false;
    *at = (struct flight_order){.id = o.id};
    text_copy(at->node, sizeof at->node, node);
    f->order_count++;
    return true;
}

static void again(struct conductor *c, struct flight *f, enum flight_state state)
{
    f->tries++;
    f->not_before_ns = io_now_ns(c->loop) + RETRY_MS * NS_PER_MS;
    move_to(f, state);
}

/* What each state orders; false: not now. */
static bool send_builds(struct conductor *c, struct flight *f)
{
    const char *source = f->state == FLIGHT_BUILD ? f->from[0] : f->to[0];
    if (!c->host.ready(c->host.user, source, 0)) return false;
    for (unsigned i = 0; i < f->row; i++) {
        const char *node = f->to[i];
        bool needed = f->state == FLIGHT_BUILD ? !among(f->from, f->row, node) : i > 0;
        if (!node[0] || !needed) continue;
        if (!c->host.ready(c->host.user, node, 0) || !order(c, f, ORDER_BUILD, node, source)) return false;
    }
    return true;
}

static bool send_take(struct conductor *c, struct flight *f)
{
    return c->host.ready(c->host.user, f->to[0], 0) && order(c, f, ORDER_TAKE_OVER, f->to[0], f->from[0]);
}

/* Both ends have to be heard: one that is away may be the active one. */
static bool send_asks(struct conductor *c, struct flight *f)
{
    if (!c->host.ready(c->host.user, f->from[0], 0) || !c->host.ready(c->host.user, f->to[0], 0)) return false;
    return order(c, f, ORDER_READ, f->state == FLIGHT_ASK ? f->to[0] : f->from[0], "");
}

/* ---- what came of it */

static bool all_done(const struct flight *f)
{
    for (unsigned i = 0; i < f->order_count; i++)
        if (!f->orders[i].done) return false;
    return f->ordered;
}

/* Old and new active have said how they have it. Whoever is active is; else nobody is, and both have the same or the new
 * one has less: the old one has everything in any case. */
static void decide(struct conductor *c, struct flight *f)
{
    const struct copy_figures *old = &f->orders[0].figures, *young = &f->young;
    if (young->mode == COPY_ACTIVE) f->seqno = young->high, move_to(f, FLIGHT_LAND);
    else if (old->mode == COPY_ACTIVE && f->tries < TRIES_LOGGED) again(c, f, FLIGHT_WAIT);
    else if (old->mode != COPY_ACTIVE && old->mode != COPY_ABSENT && young->mode != COPY_ABSENT &&
             old->high == young->high && old->prepared == young->prepared)
        f->seqno = young->high, move_to(f, FLIGHT_LAND);
    else move_to(f, FLIGHT_TURN_BACK);
}

static void advance(struct conductor *c, struct flight *f)
{
    switch (f->state) {
    case FLIGHT_BUILD:
        move_to(f, active_changes(f) ? FLIGHT_MARK : FLIGHT_LAND);
        break;
    case FLIGHT_TAKE:
        move_to(f, FLIGHT_LAND);
        break;
    case FLIGHT_SETTLE:
        move_to(f, FLIGHT_CLOSE);
        break;
    case FLIGHT_ASK:
        f->young = f->orders[0].figures;
        move_to(f, FLIGHT_ASK_OLD);
        break;
    case FLIGHT_ASK_OLD:
        decide(c, f);
        break;
    default:
        break;
    }
}

/* It did not work out, or the node is gone: what then. */
static enum flight_state after_failure(enum flight_state s)
{
    return s == FLIGHT_TAKE || s == FLIGHT_ASK_OLD ? FLIGHT_ASK : s;
}

void flight_step(struct conductor *c, struct flight *f)
{
    if (f->not_before_ns > io_now_ns(c->loop)) return;
    if (f->state == FLIGHT_WAIT && c->host.ready(c->host.user, f->from[0], f->marked_rev) &&
        c->host.ready(c->host.user, f->to[0], f->marked_rev))
        move_to(f, FLIGHT_TAKE);
    if (!f->ordered) {
        bool sent = f->state == FLIGHT_BUILD || f->state == FLIGHT_SETTLE  ? send_builds(c, f)
                    : f->state == FLIGHT_TAKE                              ? send_take(c, f)
                    : f->state == FLIGHT_ASK || f->state == FLIGHT_ASK_OLD ? send_asks(c, f)
                                                                           : false;
        f->ordered = sent;
        if (!sent && f->order_count) again(c, f, after_failure(f->state)); /* some of several: from the start */
    }
    if (all_done(f)) advance(c, f);
}

bool flight_result(struct conductor *c, const char *node, const struct order_result *r)
{
    list_each(&c->flights, it)
    {
        struct flight *f = container_of(it, struct flight, flights);
        for (unsigned i = 0; i < f->order_count; i++) {
            struct flight_order *o = &f->orders[i];
            if (o->id != r->id || strcmp(o->node, node) != 0) continue;
            if (r->problem[0]) {
                LOG_W(c->log, "vBucket %u does not move yet, at node %s: %s", f->vbucket, node, r->problem);
                again(c, f, after_failure(f->state));
            } else {
                o->done = true;
                if (r->figure_count) o->figures = r->figures[0];
                if (f->state == FLIGHT_TAKE) f->seqno = r->seqno;
            }
            return true;
        }
    }
    return false;
}

void flight_node_gone(struct conductor *c, const char *node)
{
    list_each(&c->flights, it)
    {
        struct flight *f = container_of(it, struct flight, flights);
        for (unsigned i = 0; i < f->order_count; i++)
            if (!f->orders[i].done && strcmp(f->orders[i].node, node) == 0) {
                again(c, f, after_failure(f->state));
                break;
            }
    }
}

/* ---- the document */

bool flight_wants(const struct flight *f)
{
    return f->state == FLIGHT_MARK || f->state == FLIGHT_LAND || f->state == FLIGHT_CLOSE ||
           f->state == FLIGHT_TURN_BACK;
}

static void put_row(const struct doc_vbmap *m, const char (*names)[UUID_SIZE], int16_t *row)
{
    for (unsigned c = 0; c < m->row; c++)
        row[c] = (int16_t)(c < VBPLAN_ROW_MAX && names[c][0] ? doc_server_of(m, names[c]) : -1);
}

static int16_t *moving_of(struct doc *d, struct doc_vbmap *m)
{
    size_t entries = (size_t)m->vbuckets * m->row;
    if (!m->moving) {
        m->moving = doc_alloc(d, entries * sizeof *m->moving);
        for (size_t i = 0; m->moving && i < entries; i++) m->moving[i] = -1;
    }
    return m->moving;
}

void flight_write(const struct flight *f, struct doc *next)
{
    struct doc_bucket *b = doc_find_bucket_uuid(next, f->bucket);
    int16_t *moving = b && b->map.entries && f->vbucket < b->map.vbuckets && b->map.row == f->row
                          ? moving_of(next, &b->map)
                          : NULL;
    if (!moving) return; /* the bucket is gone */
    int16_t *row = b->map.entries + (size_t)f->vbucket * f->row;
    moving += (size_t)f->vbucket * f->row;
    if (f->state == FLIGHT_MARK) memcpy(moving, row, f->row * sizeof *row);
    if (f->state == FLIGHT_LAND) put_row(&b->map, f->to, row);
    if (f->state == FLIGHT_CLOSE || f->state == FLIGHT_TURN_BACK)
        for (unsigned c = 0; c < f->row; c++) moving[c] = -1;
}

void flight_written(struct flight *f, int64_t rev)
{
    f->tries = 0;
    if (f->state == FLIGHT_MARK) {
        f->marked_rev = rev;
        move_to(f, FLIGHT_WAIT);
    } else move_to(f, f->state == FLIGHT_LAND && active_changes(f) ? FLIGHT_SETTLE : FLIGHT_OVER);
}
