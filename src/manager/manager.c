#include "manager/manager.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/selfsigned.h"
#include "manager/manager_parts.h"
#include "wire/sasl.h"

enum { VBUCKETS_DEFAULT = 1024, DEFAULT_QUOTA_MB = 256 };

/* ---------------------------------------------------------------- deciding */

static enum divan_code save(struct manager *mg, const struct doc *next, struct divan_error *err)
{
    struct buf json = {.limit = CHANNEL_MESSAGE_MAX};
    enum divan_code rc = DIVAN_OK;
    if (mg->store) rc = doc_to_json(next, &json) ? store_save(mg->store, buf_view(&json), err) : err_oom(err);
    buf_fini(&json);
    return rc;
}

/* Commit first, then tell, then answer: nobody hears of what a crash could take back. */
static enum divan_code adopt(struct manager *mg, struct doc *next, struct divan_error *err)
{
    enum divan_code rc = save(mg, next, err);
    if (rc) {
        LOG_E(mg->log, "%s", err->message);
        doc_release(next);
        return rc;
    }
    doc_release(mg->doc);
    mg->doc = next;
    members_publish(mg);
    if (mg->conductor) conductor_wake(mg->conductor);
    return DIVAN_OK;
}

bool manager_commit(struct manager *mg, struct doc *next)
{
    struct divan_error err = {0};
    plan_raise_revisions(mg->doc, next);
    return adopt(mg, next, &err) == DIVAN_OK;
}

void manager_execute(struct manager *mg, const struct manager_request *request, struct plan_reply *reply)
{
    struct plan_input in = {
        .now = mg->doc, .request = request, .rng = io_rng(mg->loop), .wall_ms = io_wall_ns(mg->loop) / NS_PER_MS};
    struct doc *next = NULL;
    struct divan_error err = {0};
    plan_run(&in, &next, reply);
    if (!next || adopt(mg, next, &err) == DIVAN_OK) return;
    plan_reply_fini(reply);
    reply->status = 500;
    reply->body.limit = 1024;
    buf_put_str(&reply->body, err.message);
}

struct manager_reply plan_reply_view(const struct plan_reply *r)
{
    return (struct manager_reply){.status = r->status,
                                  .body = buf_view(&r->body),
                                  .json = r->json,
                                  .location = r->location[0] ? r->location : NULL};
}

/* ---------------------------------------------------------------- what the conductor sees of it */

static const struct doc *host_doc(void *user)
{
    return ((struct manager *)user)->doc;
}

static bool host_commit(void *user, struct doc *next)
{
    return manager_commit(user, next);
}

static bool host_send(void *user, const char *node, const struct order *order)
{
    struct buf text = {.limit = 64 * 1024};
    link_put_order(&text, order);
    bool sent = members_send(user, node, &text);
    buf_fini(&text);
    return sent;
}

static bool host_ready(void *user, const char *node, int64_t rev)
{
    return members_ready(user, node, rev);
}

static uint64_t host_wall_ms(void *user)
{
    return io_wall_ns(((struct manager *)user)->loop) / NS_PER_MS;
}

/* ---------------------------------------------------------------- who links */

static void on_accept(void *user, struct io_stream *stream)
{
    struct manager *mg = user;
    member_add(mg, channel_over(mg->loop, stream, CHANNEL_FIRST_MAX));
}

struct channel *manager_connect(struct manager *mg)
{
    struct channel *mine = NULL, *theirs = NULL;
    if (!channel_pair(mg->loop, &mine, &theirs)) return NULL;
    if (member_add(mg, mine)) return theirs;
    channel_free(theirs);
    return NULL;
}

/* ---------------------------------------------------------------- the manager's own process */

static void deliver_answers(void *user)
{
    struct manager *mg = user;
    struct list due;
    list_init(&due);
    list_move_all(&due, &mg->answers);
    for (struct link *l; (l = list_take_first(&due));) {
        struct asker *a = container_of(l, struct asker, askers);
        struct manager_reply view = plan_reply_view(&a->reply);
        a->fn(a->user, &view);
        asker_free(a);
    }
}

bool manager_ask(struct manager *mg, const struct manager_request *request, manager_reply_fn *fn, void *user)
{
    struct asker *a = mem_zalloc(sizeof *a);
    if (!a || !io_timer_start(&mg->deliver, 0)) {
        mem_free(a);
        return false;
    }
    a->manager = mg;
    a->fn = fn;
    a->user = user;
    follow_ask(a, request);
    return true;
}

static enum divan_code must(struct manager *mg, const char *op, const struct manager_field *form, size_t count,
                            struct divan_error *err)
{
    struct plan_reply reply;
    struct manager_request request = {.op = op, .form = form, .form_count = count, .user = ""};
    manager_execute(mg, &request, &reply);
    enum divan_code rc = DIVAN_OK;
    if (reply.status >= 300)
        rc = err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the cluster cannot be set up (%s): %.*s", op,
                     (int)reply.body.len, reply.body.data ? (char *)reply.body.data : "");
    plan_reply_fini(&reply);
    return rc;
}

#define FIELD(name_, value_)                                                                                           \
    {                                                                                                                  \
        divan_str(name_), divan_str(value_)                                                                            \
    }

static enum divan_code make_bucket(struct manager *mg, const char *name, const struct manager_setup *s,
                                   struct divan_error *err)
{
    char mb[16];
    snprintf(mb, sizeof mb, "%u", s->quota_mb ? s->quota_mb : DEFAULT_QUOTA_MB);
    struct manager_field form[] = {FIELD("name", name), FIELD("ramQuotaMB", mb), FIELD("flushEnabled", "1"),
                                   FIELD("replicaNumber", s->nodes > 1 ? "1" : "0")};
    return must(mg, "bucket_create", form, sizeof form / sizeof *form, err);
}

enum divan_code manager_provision(struct manager *mg, const struct manager_setup *s, struct divan_error *err)
{
    if (mg->doc->provisioned) return DIVAN_OK;
    char quota[24];
    size_t mb = (s->quota_mb ? s->quota_mb : DEFAULT_QUOTA_MB) * s->bucket_count;
    snprintf(quota, sizeof quota, "%zu", mb < 2048 ? (size_t)2048 : mb);
    struct manager_field pools[] = {FIELD("clusterName", s->cluster_name ? s->cluster_name : ""),
                                    FIELD("memoryQuota", quota)};
    struct manager_field web[] = {FIELD("username", s->user), FIELD("password", s->password), FIELD("port", "SAME")};
    char nodes[16];
    snprintf(nodes, sizeof nodes, "%u", s->nodes ? s->nodes : 1);
    struct manager_field expect[] = {FIELD("nodes", nodes)};
    enum divan_code rc = must(mg, "expect_nodes", expect, 1, err);
    if (!rc) rc = must(mg, "pools_default", pools, sizeof pools / sizeof *pools, err);
    if (!rc) rc = must(mg, "web", web, sizeof web / sizeof *web, err);
    for (size_t i = 0; !rc && i < s->bucket_count; i++) rc = make_bucket(mg, s->buckets[i], s, err);
    return rc;
}

/* ---------------------------------------------------------------- life */

/* Certificates of nodes are signed by one authority, so that a client needs to trust one certificate for the cluster. */
static enum divan_code make_authority(struct manager *mg, struct divan_error *err)
{
    enum { DAYS = 3650 };
    struct selfsigned ca = {0};
    char name[64];
    snprintf(name, sizeof name, "Divan local cluster %.8s", mg->doc->uuid);
    enum divan_code rc = selfsigned_ca(name, (int64_t)(io_wall_ns(mg->loop) / NS_PER_S), DAYS, &ca, err);
    if (!rc) {
        mg->doc->ca_cert = doc_text(mg->doc, ca.cert_pem);
        mg->doc->ca_key = doc_text(mg->doc, ca.key_pem);
        if (doc_failed(mg->doc)) rc = err_oom(err);
    }
    selfsigned_fini(&ca);
    return rc;
}

static enum divan_code load(struct manager *mg, const struct manager_options *o, struct divan_error *err)
{
    struct buf json = {.limit = 0};
    enum divan_code rc = DIVAN_OK;
    if (o->dir && !(mg->store = store_open(o->dir, err))) rc = err ? err->code : DIVAN_ERR_STATE_DIR;
    if (!rc && mg->store) rc = store_load(mg->store, &json, err);
    if (!rc && json.len) rc = doc_from_json(buf_view(&json), &mg->doc, err);
    if (!rc && !mg->doc) {
        mg->doc = doc_new();
        if (!mg->doc || !plan_found(mg->doc, io_rng(mg->loop))) rc = err_oom(err);
        if (!rc) mg->doc->vbuckets = o->vbuckets ? o->vbuckets : VBUCKETS_DEFAULT;
        if (!rc) rc = make_authority(mg, err);
        if (!rc) rc = save(mg, mg->doc, err);
    }
    buf_fini(&json);
    return rc;
}

static struct io_listener *listen_at(struct manager *mg, const char *host, uint16_t port, struct divan_error *err)
{
    struct io_addr addr;
    if (io_addr_parse(&addr, host, port)) return io_listen(mg->loop, &addr, on_accept, mg, err);
    err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the manager listens on a numeric address, not on \"%s\"", host);
    return NULL;
}

/* At the port it had before, so that nodes find it again; another one when that is taken. */
static enum divan_code start_listening(struct manager *mg, const struct manager_options *o, struct divan_error *err)
{
    uint16_t before = o->listen_port ? o->listen_port : mg->doc->link_port;
    if (!o->listen_host) return DIVAN_OK;
    if (before) mg->listener = listen_at(mg, o->listen_host, before, err);
    if (!mg->listener && !o->listen_port) mg->listener = listen_at(mg, o->listen_host, 0, err);
    if (!mg->listener) return err->code;
    *err = (struct divan_error){0};
    mg->doc->link_port = io_listener_addr(mg->listener)->port;
    return save(mg, mg->doc, err);
}

/* The secret of the cluster serves unless somebody chose a token for links. */
static bool choose_token(struct manager *mg, const char *given)
{
    text_copy(mg->token, sizeof mg->token, given ? given : mg->doc->secret);
    return mg->token[0] != 0;
}

static bool start_conducting(struct manager *mg, const struct manager_options *o)
{
    const struct conductor_host host = {.user = mg,
                                        .doc = host_doc,
                                        .commit = host_commit,
                                        .send = host_send,
                                        .ready = host_ready,
                                        .wall_ms = host_wall_ms};
    const struct conductor_options options = {.leave_ms = o->leave_ms};
    mg->conductor = conductor_new(mg->loop, &host, &options, mg->log);
    mg->started_ns = mg->looked_ns = io_now_ns(mg->loop);
    return mg->conductor && io_timer_start(&mg->health, mg->started_ns + HEALTH_TICK_MS * NS_PER_MS);
}

struct manager *manager_new(struct io_loop *loop, const struct manager_options *o, struct divan_error *err)
{
    static const struct manager_options none;
    struct divan_error local;
    struct manager *mg = mem_zalloc(sizeof *mg);
    if (!o) o = &none;
    if (!err) err = &local;
    if (!mg) {
        err_oom(err);
        return NULL;
    }
    mg->loop = loop;
    mg->log = o->log;
    list_init(&mg->members);
    list_init(&mg->answers);
    list_init(&mg->askers);
    list_init(&mg->pulses);
    io_timer_init(&mg->deliver, loop, deliver_answers, mg);
    io_timer_init(&mg->republish, loop, members_publish, mg);
    io_timer_init(&mg->health, loop, health_tick, mg);
    enum divan_code rc = load(mg, o, err);
    if (!rc) rc = start_listening(mg, o, err);
    if (!rc && !choose_token(mg, o->token))
        rc = err_set(err, DIVAN_ERR_SYSTEM, "the cluster has no secret for the links of its nodes");
    if (!rc && !start_conducting(mg, o)) rc = err_oom(err);
    if (!rc) return mg;
    manager_free(mg);
    return NULL;
}

void manager_free(struct manager *mg)
{
    if (!mg) return;
    io_timer_stop(&mg->deliver);
    io_timer_stop(&mg->republish);
    io_timer_stop(&mg->health);
    io_listener_close(mg->listener);
    conductor_free(mg->conductor);
    follow_fini(mg);
    list_each(&mg->members, it) member_free(container_of(it, struct member, links));
    for (struct link *l; (l = list_take_first(&mg->answers));) asker_free(container_of(l, struct asker, askers));
    health_fini(mg);
    store_close(mg->store);
    doc_release(mg->doc);
    mem_free(mg);
}

const struct io_addr *manager_address(const struct manager *mg)
{
    return mg->listener ? io_listener_addr(mg->listener) : NULL;
}
const char *manager_token(const struct manager *mg)
{
    return mg->token;
}
const struct doc *manager_doc(const struct manager *mg)
{
    return mg->doc;
}

static size_t count_members(const struct manager *mg, bool up_to_date)
{
    size_t n = 0;
    for (const struct link *l = mg->members.head.next; l != &mg->members.head; l = l->next) {
        const struct member *m = container_of((struct link *)(uintptr_t)l, struct member, links);
        n += m->uuid[0] && (!up_to_date || revision_compare(m->applied, mg->doc->revision) >= 0);
    }
    return n;
}

size_t manager_linked(const struct manager *mg)
{
    return count_members(mg, false);
}
size_t manager_up_to_date(const struct manager *mg)
{
    return count_members(mg, true);
}
