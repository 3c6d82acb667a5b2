#include "manager/manager.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/selfsigned.h"
#include "manager/channel.h"
#include "manager/link.h"
#include "manager/plan.h"
#include "manager/store.h"
#include "wire/sasl.h"

enum { VBUCKETS_DEFAULT = 1024, DEFAULT_QUOTA_MB = 256 };

struct member {
    struct link links;
    struct manager *manager;
    struct channel *channel;
    char uuid[33]; /* "" until it introduced itself */
    struct map_revision applied;
};

/* A reply to the manager's own process, on its way. */
struct answer {
    struct link answers;
    manager_reply_fn *fn;
    void *user;
    struct plan_reply reply;
};

struct manager {
    struct io_loop *loop;
    const struct log *log;
    struct doc *doc;
    struct store *store;
    struct io_listener *listener;
    char token[129];
    struct list members, answers;
    struct io_timer deliver, republish;
};

/* ---------------------------------------------------------------- telling */

static void member_free(struct member *m)
{
    list_remove(&m->links);
    channel_free(m->channel);
    mem_free(m);
}

static void tell(struct member *m, struct buf *text)
{
    if (text->failed || !channel_send(m->channel, buf_view(text)))
        LOG_W(m->manager->log, "a message to node %s could not be sent", m->uuid);
}

/* A document that could not be told (memory) is told a moment later: nobody may be left with the old one. */
static void publish(void *user)
{
    enum { AGAIN_MS = 200 };
    struct manager *mg = user;
    struct buf text = {.limit = CHANNEL_MESSAGE_MAX};
    link_put_document(&text, mg->doc);
    if (text.failed) io_timer_start(&mg->republish, io_now_ns(mg->loop) + AGAIN_MS * NS_PER_MS);
    list_each(&mg->members, it)
    {
        struct member *m = container_of(it, struct member, links);
        if (m->uuid[0] && !text.failed) tell(m, &text);
    }
    buf_fini(&text);
}

static void refuse(struct member *m, const char *why)
{
    struct buf text = {.limit = 4096};
    LOG_W(m->manager->log, "a node was refused: %s", why);
    link_put_refused(&text, why);
    tell(m, &text);
    buf_fini(&text);
    member_free(m);
}

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
static void execute(struct manager *mg, const struct manager_request *request, struct plan_reply *reply)
{
    struct plan_input in = {
        .now = mg->doc, .request = request, .rng = io_rng(mg->loop), .wall_ms = io_wall_ns(mg->loop) / NS_PER_MS};
    struct doc *next = NULL;
    struct divan_error err = {0};
    plan_run(&in, &next, reply);
    if (!next) return;
    if (save(mg, next, &err)) {
        LOG_E(mg->log, "%s", err.message);
        plan_reply_fini(reply);
        reply->status = 500;
        reply->body.limit = 1024;
        buf_put_str(&reply->body, err.message);
        doc_release(next);
        return;
    }
    doc_release(mg->doc);
    mg->doc = next;
    publish(mg);
}

static struct manager_reply reply_view(const struct plan_reply *r)
{
    return (struct manager_reply){.status = r->status,
                                  .body = buf_view(&r->body),
                                  .json = r->json,
                                  .location = r->location[0] ? r->location : NULL};
}

/* ---------------------------------------------------------------- links */

static void on_hello(struct member *m, const struct link_message *msg)
{
    struct manager *mg = m->manager;
    struct plan_reply reply;
    struct divan_error err = {0};
    struct doc *scratch = doc_new();
    struct doc_node said = {0};
    if (!scratch || doc_node_from_json(msg->node, scratch, &said, &err) || strlen(said.uuid) != 32)
        refuse(m, err.code ? err.message : "a node needs a uuid of 32 digits");
    else if (strlen(msg->token) != strlen(mg->token) || strcmp(msg->token, mg->token) != 0)
        refuse(m, "the token is not the one this manager was started with");
    else if (m->uuid[0] && strcmp(m->uuid, said.uuid) != 0) refuse(m, "the node says that it is another one now");
    else if (revision_compare(msg->revision, mg->doc->revision) > 0)
        refuse(m, "the node has a newer document than this manager: it belongs to another cluster or to a lost state");
    else {
        snprintf(m->uuid, sizeof m->uuid, "%s", said.uuid);
        channel_trust(m->channel);
        execute(mg, &(struct manager_request){.op = "node_hello", .body = msg->node, .user = ""}, &reply);
        buf_u8(&reply.body, 0);
        if (reply.status >= 300) refuse(m, reply.body.failed ? "out of memory" : (char *)reply.body.data);
        plan_reply_fini(&reply);
    }
    doc_release(scratch);
}

static void on_ask(struct member *m, struct link_message *msg)
{
    struct plan_reply reply;
    struct buf text = {.limit = CHANNEL_MESSAGE_MAX};
    msg->request.node = m->uuid;
    execute(m->manager, &msg->request, &reply);
    struct manager_reply view = reply_view(&reply);
    link_put_reply(&text, msg->id, &view);
    tell(m, &text);
    buf_fini(&text);
    plan_reply_fini(&reply);
}

static void on_message(void *user, struct divan_bytes text)
{
    struct member *m = user;
    struct link_message msg;
    struct divan_error err = {0};
    enum divan_code rc = link_read(text, &msg, &err);
    if (rc) refuse(m, err.message);
    else if (msg.type == LINK_HELLO) on_hello(m, &msg);
    else if (msg.type == LINK_ASK && m->uuid[0]) on_ask(m, &msg);
    else if (msg.type == LINK_APPLIED && m->uuid[0]) m->applied = msg.revision;
    else refuse(m, "that message is not due");
    link_message_fini(&msg);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct member *m = user;
    if (m->uuid[0]) LOG_I(m->manager->log, "node %s is no longer linked", m->uuid);
    member_free(m);
}

static const struct channel_handler member_handler = {.message = on_message, .closed = on_closed};

/* Takes the channel. */
static bool member_add(struct manager *mg, struct channel *c)
{
    struct member *m = c ? mem_zalloc(sizeof *m) : NULL;
    if (!m) {
        channel_free(c);
        return false;
    }
    m->manager = mg;
    m->channel = c;
    list_append(&mg->members, &m->links);
    channel_handle(c, &member_handler, m);
    return true;
}

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
        struct answer *a = container_of(l, struct answer, answers);
        struct manager_reply view = reply_view(&a->reply);
        a->fn(a->user, &view);
        plan_reply_fini(&a->reply);
        mem_free(a);
    }
}

bool manager_ask(struct manager *mg, const struct manager_request *request, manager_reply_fn *fn, void *user)
{
    struct answer *a = mem_zalloc(sizeof *a);
    if (!a || !io_timer_start(&mg->deliver, 0)) {
        mem_free(a);
        return false;
    }
    a->fn = fn;
    a->user = user;
    execute(mg, request, &a->reply);
    list_append(&mg->answers, &a->answers);
    return true;
}

static enum divan_code must(struct manager *mg, const char *op, const struct manager_field *form, size_t count,
                            struct divan_error *err)
{
    struct plan_reply reply;
    struct manager_request request = {.op = op, .form = form, .form_count = count, .user = ""};
    execute(mg, &request, &reply);
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

static enum divan_code start_listening(struct manager *mg, const struct manager_options *o, struct divan_error *err)
{
    struct io_addr addr;
    if (!o->listen_host) return DIVAN_OK;
    if (!io_addr_parse(&addr, o->listen_host, o->listen_port))
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the manager listens on a numeric address, not on \"%s\"",
                       o->listen_host);
    mg->listener = io_listen(mg->loop, &addr, on_accept, mg, err);
    return mg->listener ? DIVAN_OK : err->code;
}

static bool choose_token(struct manager *mg, const char *given)
{
    char nonce[33];
    if (!given && !sasl_nonce(nonce)) return false;
    text_copy(mg->token, sizeof mg->token, given ? given : nonce);
    return true;
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
    io_timer_init(&mg->deliver, loop, deliver_answers, mg);
    io_timer_init(&mg->republish, loop, publish, mg);
    if (!choose_token(mg, o->token))
        err_set(err, DIVAN_ERR_SYSTEM, "the system has no randomness for the token of the manager");
    else if (!load(mg, o, err) && !start_listening(mg, o, err)) return mg;
    manager_free(mg);
    return NULL;
}

void manager_free(struct manager *mg)
{
    if (!mg) return;
    io_timer_stop(&mg->deliver);
    io_timer_stop(&mg->republish);
    io_listener_close(mg->listener);
    list_each(&mg->members, it) member_free(container_of(it, struct member, links));
    for (struct link *l; (l = list_take_first(&mg->answers));) {
        struct answer *a = container_of(l, struct answer, answers);
        plan_reply_fini(&a->reply);
        mem_free(a);
    }
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
