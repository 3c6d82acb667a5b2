/* The manager inside: manager.c (life, deciding), members.c (links), health.c (who is up), follow.c (answers that wait). */
#ifndef DIVAN_MANAGER_MANAGER_PARTS_H
#define DIVAN_MANAGER_MANAGER_PARTS_H

#include "manager/channel.h"
#include "manager/conductor.h"
#include "manager/link.h"
#include "manager/plan.h"
#include "manager/store.h"

enum {
    HEALTH_TICK_MS = 100,
    SILENT_MS = 5 * LINK_ALIVE_MS, /* a node that says nothing for this long is down */
};

struct member {
    struct link links;
    struct manager *manager;
    struct channel *channel;
    char uuid[33]; /* "" until it introduced itself */
    struct map_revision applied;
    uint64_t heard_ns;
    struct buf hello; /* a new process of a known node: it waits until others are active in its place */
    uint64_t waits_since_ns;
    bool demoting, may_come;
};

/* When a node of the document was heard of last, link or not. */
struct pulse {
    struct link pulses;
    char uuid[33];
    uint64_t heard_ns;
};

/* Somebody who gets an answer later. */
struct asker {
    struct link askers;
    struct manager *manager;
    struct member *member; /* NULL = the manager's own process */
    uint64_t id;
    manager_reply_fn *fn;
    void *user;
    struct plan_reply reply;
    struct call *call; /* to another node; NULL = none */
    struct io_timer timer;
    char uuid[33], group[40], host[256]; /* of a node that joins */
    uint16_t port;
};

struct manager {
    struct io_loop *loop;
    const struct log *log;
    struct doc *doc;
    struct store *store;
    struct io_listener *listener;
    char token[129];
    struct list members, answers, askers, pulses;
    struct io_timer deliver, republish, health;
    struct conductor *conductor;
    uint64_t started_ns, looked_ns;
    int verdict; /* enum autofail_verdict told last */
};

/* ---- manager.c */

/** Runs a request; what it decides holds when this returns. */
void manager_execute(struct manager *, const struct manager_request *, struct plan_reply *);
/** Makes next the document that holds: raises revisions, saves, tells everybody. Takes next. */
bool manager_commit(struct manager *, struct doc *next);
struct manager_reply plan_reply_view(const struct plan_reply *);

/* ---- members.c */

bool member_add(struct manager *, struct channel *); /**< takes the channel; NULL is fine */
void member_free(struct member *);
/** Sends the document to everybody; again later when memory fails. Timer function: user = the manager. */
void members_publish(void *user);
bool members_send(struct manager *, const char *uuid, struct buf *text);
bool members_ready(const struct manager *, const char *uuid, int64_t rev);
/** Whether there is a link, be it that the node still waits to be welcome. */
bool members_linked(const struct manager *, const char *uuid);
/** The newest link of a node that is welcome; NULL = none. */
struct member *member_find(const struct manager *, const char *uuid);
/** Nodes that wait to be welcome: their turn may have come. */
void members_retry(struct manager *);
void member_tell(struct member *, struct buf *text);

/* ---- health.c */

void health_tick(void *user);
void health_heard(struct manager *, const char *uuid);
uint64_t health_silent_since(struct manager *, const char *uuid, uint64_t now_ns); /**< 0 = up */
void health_fini(struct manager *);

/* ---- follow.c */

/** Answers an asker (takes it): at once, or after what the reply says is to follow. */
void follow_ask(struct asker *, const struct manager_request *);
/** The member is gone: nobody to answer. */
void follow_member_gone(struct member *);
void follow_node_joined(struct manager *, const char *uuid);
void follow_fini(struct manager *);
void asker_free(struct asker *);

/* ---- call.c */

/* A form to post to the management port of another node. */
struct call_request {
    const char *host;
    uint16_t port;
    bool tls, may_fall_back; /* no TLS there: try without */
    struct divan_bytes user, password;
    const char *target;
    struct divan_bytes form; /* encoded */
};
/** What it answered; status 0 = nothing, `why` is a sentence. Runs once, later. */
typedef void call_done_fn(void *user, unsigned status, struct divan_bytes body, const char *why);
/** NULL: out of memory. What is given is copied. */
struct call *call_open(struct io_loop *, const struct call_request *, call_done_fn *, void *user);
void call_cancel(struct call *); /**< fn does not run; NULL is fine */
/** Appends "name=value", escaped, to a form. */
void call_put_pair(struct buf *form, const char *name, struct divan_bytes value);

#endif
