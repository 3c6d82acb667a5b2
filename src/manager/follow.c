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
    call_cancel(a->call);
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

/* The sentence of an answer ["..."]; false: it has none. */
static bool read_sentence(struct divan_bytes body, char *out, size_t cap)
{
    struct json_value first;
    struct buf text = {.limit = cap - 1};
    struct json_walk w = json_walk_begin(json_is_valid(body) ? json_value_of(body) : (struct json_value){0});
    if (json_is_valid(body) && json_value_of(body).type == JSON_ARRAY && json_next_element(&w, &first) &&
        first.type == JSON_STRING && json_unescape(first.text, &text))
        snprintf(out, cap, "%s", buf_text(&text));
    bool there = text.len != 0;
    buf_fini(&text);
    return there;
}

static void on_agreed(void *user, unsigned status, struct divan_bytes body, const char *why)
{
    struct asker *a = user;
    char text[900], sentence[600];
    a->call = NULL;
    if (status == 200 && body.len + 1 == sizeof a->uuid) {
        snprintf(a->uuid, sizeof a->uuid, "%.*s", (int)body.len, (const char *)body.data);
        if (doc_find_node(a->manager->doc, a->uuid) && member_find(a->manager, a->uuid)) finish_join(a);
        return; /* else it will link, and that is seen */
    }
    if (!status) snprintf(sentence, sizeof sentence, "%s", why);
    else if (status == 401) snprintf(sentence, sizeof sentence, "Authentication failed. Verify username and password.");
    else if (!read_sentence(body, sentence, sizeof sentence))
        snprintf(sentence, sizeof sentence,
                 "Got HTTP status %u from REST call post to %s:%u/divan/join. Is it a node of a local cluster?", status,
                 a->host, a->port);
    snprintf(text, sizeof text, "Prepare join failed. %s", sentence);
    answer_sentence(a, 400, text);
}

static struct divan_bytes field_of(const struct manager_request *r, const char *name)
{
    for (size_t i = 0; i < r->form_count; i++)
        if (bytes_is(r->form[i].name, name)) return r->form[i].value;
    return (struct divan_bytes){NULL, 0};
}

static bool is_https(const struct manager_request *r)
{
    struct divan_bytes name = field_of(r, "hostname");
    return name.len > 8 && memcmp(name.data, "https://", 8) == 0;
}

/* Calls the node that the request names; the asker is answered here when that cannot be done. */
static void call_node(struct asker *a, const struct manager_request *request, struct call_request *r, call_done_fn *fn)
{
    struct manager *mg = a->manager;
    const char *flaw = plan_address(request, a->host, &r->port, &r->tls);
    r->host = a->host;
    a->port = r->port;
    r->user = field_of(request, "user");
    r->password = field_of(request, "password");
    r->may_fall_back = r->tls && !is_https(request);
    io_timer_init(&a->timer, mg->loop, give_up, a);
    if (!flaw) a->call = call_open(mg->loop, r, fn, a);
    if (flaw) answer_sentence(a, 400, flaw);
    else if (!a->call || !io_timer_start(&a->timer, io_now_ns(mg->loop) + JOIN_MS * NS_PER_MS))
        answer_sentence(a, 500, "Unexpected server error, request logged.");
}

static void add_node(struct asker *a, const struct manager_request *request)
{
    struct manager *mg = a->manager;
    const struct io_addr *at = manager_address(mg);
    struct buf form = {.limit = 4096};
    char port[8];
    if (!at) {
        answer_sentence(a, 400, "The manager of this cluster cannot be linked to from other processes.");
        return;
    }
    struct divan_bytes group = request->arg_count ? request->args[0] : divan_str("");
    snprintf(a->group, sizeof a->group, "%.*s", (int)(group.len < 39 ? group.len : 39),
             group.len ? (const char *)group.data : "");
    snprintf(port, sizeof port, "%u", at->port);
    call_put_pair(&form, "host", divan_str(at->host));
    call_put_pair(&form, "port", divan_str(port));
    call_put_pair(&form, "token", divan_str(mg->token));
    call_put_pair(&form, "cluster", divan_str(mg->doc->uuid));
    struct call_request r = {.target = "/divan/join", .form = buf_view(&form)};
    call_node(a, request, &r, on_agreed);
    buf_fini(&form);
}

/* ---- asking to be added: the other cluster calls back */

static void on_added(void *user, unsigned status, struct divan_bytes body, const char *why)
{
    struct asker *a = user;
    char text[900], sentence[600];
    a->call = NULL;
    if (status == 200) {
        answer(a);
        return;
    }
    if (status && status != 401 && read_sentence(body, sentence, sizeof sentence)) {
        answer_sentence(a, 400, sentence);
        return;
    }
    snprintf(text, sizeof text, "Failed to connect to https://%s:%u. %s", a->host, a->port,
             status == 401 ? "Authentication failed. Verify username and password."
             : why         ? why
                           : "It did not agree.");
    answer_sentence(a, 400, status == 401 ? "Authentication failed. Verify username and password." : text);
}

static void ask_to_be_added(struct asker *a, const struct manager_request *request)
{
    const struct doc_node *self = request->node ? doc_find_node(a->manager->doc, request->node) : NULL;
    struct buf form = {.limit = 4096};
    char where[300];
    if (!self) {
        answer_sentence(a, 400, "This process is not a node.");
        return;
    }
    snprintf(where, sizeof where, strchr(self->host, ':') ? "http://[%.250s]:%u" : "http://%.250s:%u", self->host,
             self->ports.plain[SVC_MGMT]);
    call_put_pair(&form, "hostname", divan_str(where));
    call_put_pair(&form, "user", divan_str(""));
    call_put_pair(&form, "password", divan_str(""));
    call_put_pair(&form, "services", divan_str("kv"));
    struct call_request r = {.target = "/controller/addNode", .form = buf_view(&form)};
    call_node(a, request, &r, on_added);
    buf_fini(&form);
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
    case PLAN_ASK_TO_BE_ADDED:
        ask_to_be_added(a, request);
        break;
    }
}
