/* Answers that wait for something: a failover that is done, a node that has joined. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "manager/json_writer.h"
#include "manager/manager_parts.h"

enum { JOIN_MS = 15 * 1000, NODES_MAX = 128 };

void asker_free(struct asker *a)
{
    list_remove(&a->askers);
    io_timer_stop(&a->timer);
    join_cancel(a->join);
    plan_reply_fini(&a->reply);
    mem_free(a);
}

/* The asker in this process is told later, one at a link now. */
static void answer(struct asker *a)
{
    struct buf text = {.limit = CHANNEL_MESSAGE_MAX};
    list_remove(&a->askers);
    if (a->fn) {
        list_append(&a->manager->answers, &a->askers);
        io_timer_start(&a->manager->deliver, 0);
        return;
    }
    struct manager_reply view = plan_reply_view(&a->reply);
    link_put_reply(&text, a->id, &view);
    if (a->member) member_tell(a->member, &text);
    buf_fini(&text);
    asker_free(a);
}

static void answer_sentence(struct asker *a, int status, const char *sentence)
{
    plan_reply_fini(&a->reply);
    a->reply = (struct plan_reply){.status = status, .json = true, .body = {.limit = 8192}};
    jw_open(&a->reply.body, NULL, '[');
    jw_str(&a->reply.body, NULL, sentence);
    jw_close(&a->reply.body, ']');
    answer(a);
}

void follow_member_gone(struct member *m)
{
    list_each(&m->manager->askers, it)
    {
        struct asker *a = container_of(it, struct asker, askers);
        if (a->member == m) a->member = NULL;
    }
}

void follow_fini(struct manager *mg)
{
    for (struct link *l; (l = list_first(&mg->askers));) asker_free(container_of(l, struct asker, askers));
}

/* ---- failover */

static void on_failed_over(void *user, bool done)
{
    struct asker *a = user;
    if (!done) {
        a->reply.status = 500;
        buf_put_str(&a->reply.body, "Failed to synchronize config to other nodes");
    }
    answer(a);
}

static void fail_over(struct asker *a, const struct manager_request *request)
{
    struct manager *mg = a->manager;
    const char *uuids[NODES_MAX];
    bool waits = a->reply.follow == PLAN_FAIL_OVER;
    size_t n = plan_named_nodes(mg->doc, request, uuids, NODES_MAX);
    bool begun = conductor_fail_over(mg->conductor, uuids, n, false, NULL, waits ? on_failed_over : NULL, a);
    if (begun && waits) return;
    if (!begun) {
        a->reply.status = 503;
        buf_put_str(&a->reply.body, "Cannot failover during rebalance");
    }
    answer(a);
}

/* ---- joining */

static void give_up(void *user)
{
    struct asker *a = user;
    char text[400];
    snprintf(text, sizeof text,
             "Timeout connecting to \"%s\" on port %u.  This could be due to an incorrect host/port "
             "combination or a firewall in place between the servers.",
             a->host, a->port);
    answer_sentence(a, 400, text);
}

static void finish_join(struct asker *a)
{
    struct divan_bytes args[] = {divan_str(a->uuid), divan_str(a->group)};
    struct manager_request request = {.op = "node_joins", .args = args, .arg_count = 2, .user = ""};
    plan_reply_fini(&a->reply);
    manager_execute(a->manager, &request, &a->reply);
    answer(a);
}

void follow_node_joined(struct manager *mg, const char *uuid)
{
    list_each(&mg->askers, it)
    {
        struct asker *a = container_of(it, struct asker, askers);
        if (strcmp(a->uuid, uuid) == 0) finish_join(a);
    }
}

static void on_agreed(void *user, const char *uuid, const char *why)
{
    struct asker *a = user;
    char text[900];
    a->join = NULL;
    if (!uuid) {
        snprintf(text, sizeof text, "Prepare join failed. %s", why);
        answer_sentence(a, 400, text);
    } else if (doc_find_node(a->manager->doc, uuid) && member_find(a->manager, uuid)) {
        text_copy(a->uuid, sizeof a->uuid, uuid);
        finish_join(a); /* it was quicker than its answer */
    } else text_copy(a->uuid, sizeof a->uuid, uuid);
}

static struct divan_bytes field_of(const struct manager_request *r, const char *name)
{
    for (size_t i = 0; i < r->form_count; i++)
        if (bytes_is(r->form[i].name, name)) return r->form[i].value;
    return (struct divan_bytes){NULL, 0};
}

static void add_node(struct asker *a, const struct manager_request *request)
{
    struct manager *mg = a->manager;
    const struct io_addr *at = manager_address(mg);
    struct join_request r = {.user = field_of(request, "user"),
                             .password = field_of(request, "password"),
                             .manager_host = at ? at->host : "",
                             .manager_port = at ? at->port : 0,
                             .token = mg->token,
                             .cluster = mg->doc->uuid};
    const char *flaw = plan_address(request, a->host, &r.port, &r.tls);
    r.host = a->host;
    a->port = r.port;
    struct divan_bytes name = field_of(request, "hostname");
    r.may_fall_back = r.tls && !(name.len > 8 && memcmp(name.data, "https://", 8) == 0);
    if (request->arg_count)
        snprintf(a->group, sizeof a->group, "%.*s", (int)(request->args[0].len < 39 ? request->args[0].len : 39),
                 (const char *)request->args[0].data);
    if (!at) flaw = "The manager of this cluster cannot be linked to from other processes.";
    io_timer_init(&a->timer, mg->loop, give_up, a);
    if (!flaw) a->join = join_start(mg->loop, &r, on_agreed, a);
    if (flaw) answer_sentence(a, 400, flaw);
    else if (!a->join || !io_timer_start(&a->timer, io_now_ns(mg->loop) + JOIN_MS * NS_PER_MS))
        answer_sentence(a, 500, "Unexpected server error, request logged.");
}

/* ---- */

void follow_ask(struct asker *a, const struct manager_request *request)
{
    list_append(&a->manager->askers, &a->askers);
    manager_execute(a->manager, request, &a->reply);
    switch (a->reply.status < 300 ? a->reply.follow : PLAN_ANSWER) {
    case PLAN_ANSWER:
        answer(a);
        break;
    case PLAN_FAIL_OVER:
    case PLAN_START_FAIL_OVER:
        fail_over(a, request);
        break;
    case PLAN_ADD_NODE:
        add_node(a, request);
        break;
    }
}
