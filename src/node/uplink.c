#include "node/uplink.h"

#include "base/alloc.h"
#include "base/error.h"
#include "manager/channel.h"
#include "manager/link.h"

enum {
    RETRY_FIRST_MS = 20,
    RETRY_LAST_MS = 1000,
    ANSWER_MS = 30 * 1000,
    TICK_MS = 1000,
    DEAF_MS = 2000, /* ten answers of the manager that did not come */
};

struct question {
    struct link questions;
    uint64_t id, deadline_ns;
    bool lost;         /* the manager cannot answer it any more */
    bool asks_to_join; /* the answer is that the node begins anew elsewhere */
    manager_reply_fn *fn;
    void *arg;
};

struct uplink {
    struct io_loop *loop;
    struct uplink_options o;
    struct io_addr addr;
    struct channel *channel; /* NULL = away */
    struct list questions;
    struct doc *doc; /* the newest seen */
    uint64_t next_id;
    unsigned retry_ms;
    bool up; /* a document came since the link was made */
    struct io_timer retry, tick, alive;
    uint64_t heard_ns, alive_ns; /* something from the manager; the last turn of `alive` */
};

/* ---------------------------------------------------------------- questions */

static void answer(struct question *q, const struct manager_reply *reply)
{
    list_remove(&q->questions);
    q->fn(q->arg, reply);
    mem_free(q);
}

static void answer_away(struct question *q)
{
    answer(q, &(struct manager_reply){
                  .status = 503,
                  .body = divan_str("The manager of this cluster cannot be reached; data is still served. "
                                    "Try again when it is back.\n")});
}

static void on_tick(void *user)
{
    struct uplink *u = user;
    struct list due;
    uint64_t now = io_now_ns(u->loop);
    list_init(&due);
    list_each(&u->questions, it)
    {
        struct question *q = container_of(it, struct question, questions);
        if (!q->lost && now < q->deadline_ns) continue;
        list_remove(it);
        list_append(&due, it);
    }
    for (struct link *l; (l = list_first(&due));) answer_away(container_of(l, struct question, questions));
    if (!list_empty(&u->questions)) io_timer_start(&u->tick, now + TICK_MS * NS_PER_MS);
}

static void lose_questions(struct uplink *u)
{
    list_each(&u->questions, it) container_of(it, struct question, questions)->lost = true;
    if (!list_empty(&u->questions)) io_timer_start(&u->tick, 0);
}

bool uplink_ask(struct uplink *u, const struct manager_request *request, manager_reply_fn *fn, void *arg)
{
    struct buf text = {.limit = CHANNEL_MESSAGE_MAX};
    struct question *q = mem_zalloc(sizeof *q);
    uint64_t now = io_now_ns(u->loop);
    if (!q || (!io_timer_running(&u->tick) && !io_timer_start(&u->tick, now + TICK_MS * NS_PER_MS))) {
        mem_free(q);
        return false;
    }
    *q = (struct question){.id = ++u->next_id, .deadline_ns = now + ANSWER_MS * NS_PER_MS, .fn = fn, .arg = arg};
    q->asks_to_join = strcmp(request->op, "ask_to_join") == 0;
    list_append(&u->questions, &q->questions);
    link_put_ask(&text, q->id, request);
    q->lost = !u->up || text.failed || !channel_send(u->channel, buf_view(&text));
    if (q->lost) io_timer_start(&u->tick, 0);
    buf_fini(&text);
    return true;
}

void uplink_drain(struct uplink *u, bool joins)
{
    for (struct link *l; (l = list_first(&u->questions));) {
        struct question *q = container_of(l, struct question, questions);
        if (joins && q->asks_to_join) answer(q, &(struct manager_reply){.status = 200});
        else answer_away(q);
    }
}

/* ---------------------------------------------------------------- messages */

static void away(struct uplink *u)
{
    channel_free(u->channel);
    u->channel = NULL;
    u->up = false;
    lose_questions(u);
    io_timer_start(&u->retry, io_now_ns(u->loop) + u->retry_ms * NS_PER_MS);
    u->retry_ms = u->retry_ms * 2 > RETRY_LAST_MS ? RETRY_LAST_MS : u->retry_ms * 2;
}

static void say_applied(struct uplink *u)
{
    struct buf text = {.limit = 4096};
    link_put_applied(&text, u->doc->revision);
    if (!text.failed && u->channel) channel_send(u->channel, buf_view(&text));
    buf_fini(&text);
}

/* A document that cannot be read now (memory) is asked for again by linking anew. */
static void take_document(struct uplink *u, struct divan_bytes json)
{
    struct divan_error err = {0};
    struct doc *d = NULL;
    if (doc_from_json(json, &d, &err)) {
        LOG_E(u->o.log, "%s", err.message);
        away(u);
    } else if (u->doc && strcmp(u->doc->uuid, d->uuid) != 0)
        LOG_E(u->o.log, "the manager sent a document of another cluster (%s, not %s): refused", d->uuid, u->doc->uuid);
    else if (u->doc && revision_compare(d->revision, u->doc->revision) < 0)
        LOG_E(u->o.log, "the manager sent an older document (%lld, not %lld): refused", (long long)d->revision.rev,
              (long long)u->doc->revision.rev);
    else {
        doc_release(u->doc);
        u->doc = doc_retain(d);
        u->up = true;
        u->retry_ms = RETRY_FIRST_MS;
        u->o.on_doc(u->o.user, d);
        say_applied(u);
    }
    doc_release(d);
}

/* A connection that brings nothing any more (a firewall forgot it, the manager hangs) is made anew. */
static bool is_deaf(struct uplink *u)
{
    uint64_t now = io_now_ns(u->loop);
    bool stood_still = now - u->alive_ns >=
                       2 * LINK_ALIVE_MS * NS_PER_MS; /* this process did: look at what has come first */
    u->alive_ns = now;
    if (stood_still) u->heard_ns = now;
    return u->channel && now - u->heard_ns >= DEAF_MS * NS_PER_MS;
}

static void say_alive(void *user)
{
    struct uplink *u = user;
    struct buf text = {.limit = 256};
    io_timer_start(&u->alive, io_now_ns(u->loop) + LINK_ALIVE_MS * NS_PER_MS);
    if (is_deaf(u)) {
        LOG_W(u->o.log, "the manager said nothing for %d ms: linking anew", DEAF_MS);
        away(u);
    }
    link_put_alive(&text);
    if (u->up && u->channel && !text.failed) channel_send(u->channel, buf_view(&text));
    buf_fini(&text);
}

void uplink_result(struct uplink *u, const struct order_result *r)
{
    struct buf text = {.limit = CHANNEL_MESSAGE_MAX};
    link_put_result(&text, r);
    if (u->channel && !text.failed) channel_send(u->channel, buf_view(&text));
    buf_fini(&text);
}

static void take_reply(struct uplink *u, const struct link_message *m)
{
    list_each(&u->questions, it)
    {
        struct question *q = container_of(it, struct question, questions);
        if (q->id != m->id) continue;
        answer(q, &m->reply);
        return;
    }
}

static void on_message(void *user, struct divan_bytes text)
{
    struct uplink *u = user;
    struct link_message m;
    struct divan_error err = {0};
    u->heard_ns = io_now_ns(u->loop);
    if (link_read(text, &m, &err)) {
        LOG_E(u->o.log, "%s", err.message);
        away(u);
    } else if (m.type == LINK_DOCUMENT) take_document(u, m.document);
    else if (m.type == LINK_REPLY) take_reply(u, &m);
    else if (m.type == LINK_ORDER && u->o.on_order && u->up) u->o.on_order(u->o.user, &m.order);
    else if (m.type == LINK_REFUSED) LOG_E(u->o.log, "the manager refuses this node: %s", m.why);
    link_message_fini(&m);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct uplink *u = user;
    if (u->up) LOG_W(u->o.log, "the link to the manager is lost: %s", why->message);
    away(u);
}

static const struct channel_handler handler = {.message = on_message, .closed = on_closed};

/* ---------------------------------------------------------------- linking */

static struct channel *reach(struct uplink *u)
{
    struct divan_error err;
    if (u->o.manager) return manager_connect(u->o.manager);
    static const struct io_handler none; /* the channel puts its own in at once */
    struct io_stream *s = io_connect(u->loop, &u->addr, &none, NULL, &err);
    return s ? channel_over(u->loop, s, CHANNEL_MESSAGE_MAX) : NULL;
}

static bool say_hello(struct uplink *u)
{
    struct buf text = {.limit = 64 * 1024};
    link_put_hello(&text, u->o.manager ? manager_token(u->o.manager) : u->o.token, u->o.self,
                   u->doc ? u->doc->revision : (struct map_revision){0, 0});
    bool said = !text.failed && channel_send(u->channel, buf_view(&text));
    buf_fini(&text);
    return said;
}

void uplink_introduce(struct uplink *u)
{
    if (u->channel) say_hello(u);
}

static void connect_now(void *user)
{
    struct uplink *u = user;
    u->channel = reach(u);
    if (!u->channel) {
        away(u);
        return;
    }
    u->heard_ns = io_now_ns(u->loop);
    channel_handle(u->channel, &handler, u);
    if (!say_hello(u)) away(u);
}

struct uplink *uplink_new(struct io_loop *loop, const struct uplink_options *o, struct divan_error *err)
{
    struct uplink *u = mem_zalloc(sizeof *u);
    if (!u) {
        err_oom(err);
        return NULL;
    }
    u->loop = loop;
    u->o = *o;
    u->retry_ms = RETRY_FIRST_MS;
    list_init(&u->questions);
    io_timer_init(&u->retry, loop, connect_now, u);
    io_timer_init(&u->tick, loop, on_tick, u);
    io_timer_init(&u->alive, loop, say_alive, u);
    if (!o->manager && !io_addr_parse(&u->addr, o->host ? o->host : "", o->port))
        err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the manager is at a numeric address, not at \"%s\"",
                o->host ? o->host : "");
    else if (!io_timer_start(&u->retry, 0) || !io_timer_start(&u->alive, 0)) err_oom(err);
    else return u;
    mem_free(u);
    return NULL;
}

void uplink_free(struct uplink *u)
{
    if (!u) return;
    io_timer_stop(&u->retry);
    io_timer_stop(&u->tick);
    io_timer_stop(&u->alive);
    channel_free(u->channel);
    for (struct link *l; (l = list_take_first(&u->questions));) mem_free(container_of(l, struct question, questions));
    doc_release(u->doc);
    mem_free(u);
}

bool uplink_is_up(const struct uplink *u)
{
    return u->up;
}
