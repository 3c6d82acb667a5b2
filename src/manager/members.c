/* Nodes at the other ends of links. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manager/manager_parts.h"
#include "manager/vbplan.h"

/* ---- telling */

void member_free(struct member *m)
{
    follow_member_gone(m);
    list_remove(&m->links);
    channel_free(m->channel);
    buf_fini(&m->hello);
    mem_free(m);
}

void member_tell(struct member *m, struct buf *text)
{
    if (text->failed || !channel_send(m->channel, buf_view(text)))
        LOG_W(m->manager->log, "a message to node %s could not be sent", m->uuid);
}

/* A document that could not be told (memory) is told a moment later: nobody may be left with the old one. */
void members_publish(void *user)
{
    enum { AGAIN_MS = 200 };
    struct manager *mg = user;
    struct buf text = {.limit = CHANNEL_MESSAGE_MAX};
    link_put_document(&text, mg->doc);
    if (text.failed) io_timer_start(&mg->republish, io_now_ns(mg->loop) + AGAIN_MS * NS_PER_MS);
    list_each(&mg->members, it)
    {
        struct member *m = container_of(it, struct member, links);
        if (m->uuid[0] && !m->hello.len && !text.failed) member_tell(m, &text);
    }
    buf_fini(&text);
}

static void refuse(struct member *m, const char *why)
{
    struct buf text = {.limit = 4096};
    LOG_W(m->manager->log, "a node was refused: %s", why);
    link_put_refused(&text, why);
    member_tell(m, &text);
    buf_fini(&text);
    member_free(m);
}

/* ---- finding */

/* The newest link counts: an older one of the same node has just not ended yet. */
struct member *member_find(const struct manager *mg, const char *uuid)
{
    struct member *found = NULL;
    for (const struct link *l = mg->members.head.next; l != &mg->members.head; l = l->next) {
        struct member *m = container_of((struct link *)(uintptr_t)l, struct member, links);
        if (m->uuid[0] && !m->hello.len && strcmp(m->uuid, uuid) == 0) found = m;
    }
    return found;
}

bool members_linked(const struct manager *mg, const char *uuid)
{
    for (const struct link *l = mg->members.head.next; l != &mg->members.head; l = l->next)
        if (strcmp(container_of((struct link *)(uintptr_t)l, struct member, links)->uuid, uuid) == 0) return true;
    return false;
}

bool members_send(struct manager *mg, const char *uuid, struct buf *text)
{
    struct member *m = member_find(mg, uuid);
    return m && !text->failed && channel_send(m->channel, buf_view(text));
}

bool members_ready(const struct manager *mg, const char *uuid, int64_t rev)
{
    const struct member *m = member_find(mg, uuid);
    return m && m->applied.rev >= rev && m->applied.rev && io_now_ns(mg->loop) - m->heard_ns < SILENT_MS * NS_PER_MS;
}

/* ---- a node says who it is */

enum company { COMPANY_NONE, COMPANY_READY, COMPANY_WAITS, COMPANY_MISSING };

/* How the node is that holds other copies of what `me` is active for: the most useful one counts. */
static enum company company_in(const struct manager *mg, const struct doc_vbmap *m, int me)
{
    bool other[VBPLAN_NODES_MAX] = {false}, waits = false, missing = false, ready = false;
    for (size_t v = 0; v < m->vbuckets; v++) {
        const int16_t *row = m->entries + v * m->row;
        for (unsigned c = 1; c < m->row && row[0] == me; c++)
            if (row[c] >= 0 && row[c] < VBPLAN_NODES_MAX) other[row[c]] = true;
    }
    for (size_t s = 0; s < m->server_count && s < VBPLAN_NODES_MAX; s++) {
        if (!other[s]) continue;
        if (members_ready(mg, m->servers[s], 0)) ready = true;
        else if (members_linked(mg, m->servers[s]) && !member_find(mg, m->servers[s])) waits = true;
        else missing = true;
    }
    return ready ? COMPANY_READY : missing ? COMPANY_MISSING : waits ? COMPANY_WAITS : COMPANY_NONE;
}

/* A new process of a known node: what it had in memory only is gone, and what it is active for may be more complete
 * elsewhere. Then that becomes active before the node hears that it is, or writes that others still have were lost. */
static enum company company_of(const struct manager *mg, const struct doc_node *said)
{
    const struct doc *d = mg->doc;
    const struct doc_node *known = doc_find_node(d, said->uuid);
    enum company best = COMPANY_NONE;
    if (!known || strcmp(known->boot, said->boot) == 0) return COMPANY_NONE;
    for (size_t i = 0; i < d->bucket_count; i++) {
        const struct doc_vbmap *m = &d->buckets[i].map;
        int me = m->entries ? doc_server_of(m, said->uuid) : -1;
        enum company c = me >= 0 ? company_in(mg, m, me) : COMPANY_NONE;
        if (best == COMPANY_NONE || c == COMPANY_READY || (c == COMPANY_MISSING && best == COMPANY_WAITS)) best = c;
    }
    return best;
}

static void welcome(struct member *m, struct divan_bytes node)
{
    struct manager *mg = m->manager;
    struct plan_reply reply;
    char uuid[33];
    text_copy(uuid, sizeof uuid, m->uuid);
    manager_execute(mg, &(struct manager_request){.op = "node_hello", .body = node, .user = ""}, &reply);
    buf_u8(&reply.body, 0);
    if (reply.status >= 300) refuse(m, reply.body.failed ? "out of memory" : (char *)reply.body.data);
    else follow_node_joined(mg, uuid);
    plan_reply_fini(&reply);
}

static void on_demoted(void *user, bool done)
{
    members_retry(user);
}

/* Whether the node has to wait on: for whoever has copies to link, and then for them to become active. When everybody
 * comes at once (the whole cluster was down) nobody waits for anybody. */
static bool has_to_wait(struct member *m, const struct doc_node *said)
{
    enum { OTHERS_MS = 2000 };
    struct manager *mg = m->manager;
    const char *uuid = m->uuid;
    if (m->demoting) return conductor_is_failing(mg->conductor);
    enum company c = company_of(mg, said);
    if (c == COMPANY_NONE || c == COMPANY_WAITS) return false;
    if (c == COMPANY_MISSING) return io_now_ns(mg->loop) - m->waits_since_ns < OTHERS_MS * NS_PER_MS;
    LOG_W(mg->log, "node %s is a new process: its copies elsewhere take its place", uuid);
    m->demoting = conductor_fail_over(mg->conductor, &uuid, 1, true, NULL, on_demoted, mg);
    return true;
}

static bool may_come(struct member *m)
{
    struct doc *scratch = doc_new();
    struct doc_node said = {0};
    bool waits = scratch && !doc_node_from_json(buf_view(&m->hello), scratch, &said, NULL) && has_to_wait(m, &said);
    doc_release(scratch);
    return scratch && !waits;
}

/* First who may come, then their coming: one that has come is ready for the others, who would wait for it then. */
void members_retry(struct manager *mg)
{
    list_each(&mg->members, it)
    {
        struct member *m = container_of(it, struct member, links);
        m->may_come = m->hello.len && may_come(m);
    }
    list_each(&mg->members, it)
    {
        struct member *m = container_of(it, struct member, links);
        struct buf hello = m->hello;
        if (!m->may_come) continue;
        m->hello = (struct buf){0};
        m->demoting = m->may_come = false;
        welcome(m, buf_view(&hello));
        buf_fini(&hello);
    }
}

/* An older link of the same node is dead, whether its end has been seen or not. */
static void drop_older_links(struct member *m)
{
    list_each(&m->manager->members, it)
    {
        struct member *other = container_of(it, struct member, links);
        if (other != m && strcmp(other->uuid, m->uuid) == 0) member_free(other);
    }
    if (m->manager->conductor) conductor_node_gone(m->manager->conductor, m->uuid);
}

static void tell_document(struct member *m)
{
    struct buf text = {.limit = CHANNEL_MESSAGE_MAX};
    link_put_document(&text, m->manager->doc);
    member_tell(m, &text);
    buf_fini(&text);
}

static void take_hello(struct member *m, const struct link_message *msg, const struct doc_node *said)
{
    struct manager *mg = m->manager;
    bool again = m->uuid[0] != 0;
    snprintf(m->uuid, sizeof m->uuid, "%s", said->uuid);
    channel_trust(m->channel);
    if (!again) drop_older_links(m);
    health_heard(mg, m->uuid);
    if (!doc_find_node(mg->doc, m->uuid) &&
        (again || msg->revision.rev > 0)) { /* it left, and has not heard of it yet */
        if (!again) tell_document(m);
        return;
    }
    if (again || company_of(mg, said) == COMPANY_NONE) {
        welcome(m, msg->node);
        return;
    }
    buf_fini(&m->hello);
    m->hello = (struct buf){.limit = 64 * 1024};
    m->waits_since_ns = io_now_ns(mg->loop);
    buf_put_bytes(&m->hello, msg->node);
    if (m->hello.failed) refuse(m, "out of memory");
    else members_retry(mg);
}

static void on_hello(struct member *m, const struct link_message *msg)
{
    struct manager *mg = m->manager;
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
    else take_hello(m, msg, &said);
    doc_release(scratch);
}

/* ---- messages */

static void on_ask(struct member *m, struct link_message *msg)
{
    struct asker *a = mem_zalloc(sizeof *a);
    if (!a) {
        refuse(m, "out of memory");
        return;
    }
    msg->request.node = m->uuid;
    a->manager = m->manager;
    a->member = m;
    a->id = msg->id;
    follow_ask(a, &msg->request);
}

/* So that the node finds out when what it is told gets lost on the way. */
static void answer_alive(struct member *m)
{
    struct buf text = {.limit = 256};
    link_put_alive(&text);
    member_tell(m, &text);
    buf_fini(&text);
}

static void on_message(void *user, struct divan_bytes text)
{
    struct member *m = user;
    struct manager *mg = m->manager;
    struct link_message msg;
    struct divan_error err = {0};
    enum divan_code rc = link_read(text, &msg, &err);
    m->heard_ns = io_now_ns(mg->loop);
    if (m->uuid[0]) health_heard(mg, m->uuid);
    if (rc) refuse(m, err.message);
    else if (msg.type == LINK_HELLO) on_hello(m, &msg);
    else if (msg.type == LINK_ALIVE && m->uuid[0]) answer_alive(m);
    else if (msg.type == LINK_ASK && m->uuid[0]) on_ask(m, &msg);
    else if (msg.type == LINK_RESULT && m->uuid[0]) conductor_result(mg->conductor, m->uuid, &msg.result);
    else if (msg.type == LINK_APPLIED && m->uuid[0]) {
        m->applied = msg.revision;
        conductor_wake(mg->conductor);
    } else refuse(m, "that message is not due");
    link_message_fini(&msg);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct member *m = user;
    struct manager *mg = m->manager;
    char uuid[33];
    text_copy(uuid, sizeof uuid, m->uuid);
    if (uuid[0]) LOG_I(mg->log, "node %s is no longer linked", uuid);
    member_free(m);
    if (!uuid[0]) return;
    conductor_node_gone(mg->conductor, uuid);
    io_timer_start(&mg->health, 0);
}

static const struct channel_handler member_handler = {.message = on_message, .closed = on_closed};

bool member_add(struct manager *mg, struct channel *c)
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
