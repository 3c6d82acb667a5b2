#include "client/ping.h"

#include "base/alloc.h"
#include "base/error.h"
#include "client/report.h"
#include "client/services/http.h"
#include "text/json.h"

enum { MANAGEMENT_TIMEOUT_MS = 10000 };

enum answer { NO_ANSWER, ANSWER_OK, ANSWER_TIMEOUT, ANSWER_ERROR };

struct target {
    struct ping *ping;
    enum divan_service service;
    const char *remote; /* interned */
    const char *bucket; /* of the bucket, which lives as long as the client */
    uint64_t sent_ns, took_ns;
    enum answer answer;
    char error[200];
    struct buf ids; /* members "id" and "local" */
};

struct ping {
    struct client *client;
    struct target *targets;
    size_t count, left;
    bool is_starting;
    ping_done_fn *done;
    void *user;
};

bool ping_is_done(const struct ping *ping)
{
    return !ping->left;
}

void ping_free(struct ping *ping)
{
    if (!ping) return;
    for (size_t i = 0; i < ping->count; i++) buf_fini(&ping->targets[i].ids);
    mem_free(ping->targets);
    mem_free(ping);
}

/* ---- answers */

static void settle(struct target *t, enum answer answer, const char *error)
{
    struct ping *ping = t->ping;
    t->answer = answer;
    t->took_ns = io_refresh_now(ping->client->loop) - t->sent_ns;
    if (error) text_copy(t->error, sizeof t->error, error);
    if (!--ping->left && !ping->is_starting) ping->done(ping->user);
}

static void on_answer(struct client *c, struct operation *op)
{
    struct target *t = op->owner;
    bool answered = !op->error || (op_is_http(op) && op->status); /* a refusal is a sign of life too */
    if (answered) settle(t, ANSWER_OK, NULL);
    else
        settle(t, op->error->code == DIVAN_ERR_UNAMBIGUOUS_TIMEOUT ? ANSWER_TIMEOUT : ANSWER_ERROR, op->error->message);
}

/* ---- asking */

static struct operation *make(struct target *t, enum op_kind kind, uint32_t timeout_ms)
{
    struct operation *op = client_take(t->ping->client);
    if (!op) return NULL;
    op->kind = (uint8_t)kind;
    op->how = DONE_INTERNAL;
    op->done.internal = on_answer;
    op->owner = t;
    op->fail_fast = true;
    op->timeout_ms = timeout_ms;
    return op;
}

static void ask_node(struct target *t, struct node *node, uint32_t timeout_ms)
{
    struct client *c = t->ping->client;
    struct buf words = {.limit = 1024};
    t->service = DIVAN_SERVICE_KV;
    t->remote = node->name;
    t->bucket = node->bucket->name;
    t->ids.limit = 200;
    t->sent_ns = io_refresh_now(c->loop);
    if (!connection_is_ready(node->connection)) {
        node_describe(node, &words);
        const char *text = buf_text(&words);
        settle(t, ANSWER_ERROR, text ? text : "not connected");
        buf_fini(&words);
        return;
    }
    report_connection(node->connection, &t->ids);
    struct operation *op = make(t, KIND_NOOP, timeout_ms ? timeout_ms : c->config.options.kv_timeout_ms);
    if (op && !client_start(c, op, NULL)) connection_send(node->connection, op);
    else {
        op_release(op);
        settle(t, ANSWER_ERROR, "memory could not be allocated");
    }
}

static void ask_management(struct target *t, size_t position, const char *remote, uint32_t timeout_ms)
{
    struct client *c = t->ping->client;
    const struct http_parts parts = {.method = divan_str("GET"), .path = divan_str("/")};
    t->service = DIVAN_SERVICE_MANAGEMENT;
    t->remote = remote;
    t->sent_ns = io_refresh_now(c->loop);
    struct operation *op = make(t, KIND_HTTP_READ, timeout_ms ? timeout_ms : MANAGEMENT_TIMEOUT_MS);
    if (op) op->vbucket = (uint16_t)(position + 1); /* this node and no other */
    if (op && http_put(op, &parts, ABOUT_ANYTHING) && !client_start(c, op, NULL)) return;
    op_release(op);
    settle(t, ANSWER_ERROR, "memory could not be allocated");
}

static bool is_asked(const struct node *node)
{
    return node->state != NODE_GONE && (node->in_map || node->state == NODE_READY);
}

/* Buckets in the order of the report: the level of the cluster first. */
static size_t count_nodes(const struct client *c)
{
    size_t n = 0;
    if (c->cluster_level) list_each(&c->cluster_level->nodes, it) n++;
    list_each(&c->buckets, b) list_each(&container_of(b, struct bucket, link)->nodes, it) n++;
    const struct map *map = client_best_map(c);
    return n + (map ? map->node_count : 0);
}

/* Asking may end at once and so change the lists: the nodes are looked up first. */
static size_t gather(const struct bucket *bucket, struct node **nodes)
{
    size_t n = 0;
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (is_asked(node)) nodes[n++] = node;
    }
    return n;
}

static void ask_all_nodes(struct ping *ping, struct node **nodes, uint32_t timeout_ms)
{
    struct client *c = ping->client;
    size_t n = c->cluster_level ? gather(c->cluster_level, nodes) : 0;
    list_each(&c->buckets, it) n += gather(container_of(it, struct bucket, link), nodes + n);
    for (size_t i = 0; i < n; i++) {
        struct target *t = &ping->targets[ping->count++];
        t->ping = ping;
        ping->left++;
        ask_node(t, nodes[i], timeout_ms);
    }
}

static void ask_all_managements(struct ping *ping, uint32_t timeout_ms)
{
    struct client *c = ping->client;
    const struct map *map = client_best_map(c);
    const char *host;
    uint16_t port;
    for (size_t i = 0; map && c->network && i < map->node_count; i++) {
        if (!map_endpoint(map, i, c->network, SVC_MGMT, c->config.tls, &host, &port)) continue;
        struct target *t = &ping->targets[ping->count++];
        t->ping = ping;
        ping->left++;
        ask_management(t, i, http_endpoint_name(c, host, port), timeout_ms);
    }
}

struct ping *ping_start(struct client *c, unsigned services, uint32_t timeout_ms, ping_done_fn *fn, void *user)
{
    size_t most = count_nodes(c) + 1;
    struct ping *ping = mem_zalloc(sizeof *ping);
    struct node **nodes = ping ? mem_zalloc(most * sizeof(struct node *)) : NULL;
    if (nodes) ping->targets = mem_zalloc(most * sizeof *ping->targets);
    if (!nodes || !ping->targets) {
        mem_free(nodes);
        mem_free(ping);
        return NULL;
    }
    ping->client = c;
    ping->done = fn;
    ping->user = user;
    ping->is_starting = true;
    if (!services || services & DIVAN_SERVICE_KV) ask_all_nodes(ping, nodes, timeout_ms);
    if (!services || services & DIVAN_SERVICE_MANAGEMENT) ask_all_managements(ping, timeout_ms);
    ping->is_starting = false;
    mem_free(nodes);
    return ping;
}

/* ---- the report */

void ping_count(const struct ping *ping, enum divan_service service, size_t *all, size_t *ok)
{
    *all = *ok = 0;
    for (size_t i = 0; i < ping->count; i++) {
        if (ping->targets[i].service != service) continue;
        ++*all;
        *ok += ping->targets[i].answer == ANSWER_OK;
    }
}

static void put_target(const struct target *t, struct buf *out)
{
    static const char *const names[] = {"error", "ok", "timeout", "error"};
    buf_u8(out, '{');
    if (t->ids.len) buf_put_bytes(out, buf_view(&t->ids));
    else buf_put_str(out, "\"id\":\"\"");
    buf_put_str(out, ",\"remote\":");
    json_put_str(out, t->remote);
    if (t->bucket) {
        buf_put_str(out, ",\"namespace\":");
        json_put_str(out, t->bucket);
    }
    buf_printf(out, ",\"latency_us\":%llu,\"state\":\"%s\"", (unsigned long long)(t->took_ns / 1000), names[t->answer]);
    if (t->error[0]) {
        buf_put_str(out, ",\"error\":");
        json_put_str(out, t->error);
    }
    buf_u8(out, '}');
}

static void put_service(const struct ping *ping, enum divan_service service, struct buf *out)
{
    bool first = true;
    buf_printf(out, "\"%s\":[", service == DIVAN_SERVICE_KV ? "kv" : "mgmt");
    for (size_t i = 0; i < ping->count; i++) {
        if (ping->targets[i].service != service) continue;
        if (!first) buf_u8(out, ',');
        first = false;
        put_target(&ping->targets[i], out);
    }
    buf_u8(out, ']');
}

void ping_json(const struct ping *ping, const char *id, struct buf *out)
{
    struct client *c = ping->client;
    const struct map *map = client_best_map(c);
    report_begin(c, id, out);
    buf_printf(out, ",\"config_rev\":%lld,\"services\":{", map ? (long long)map->revision.rev : 0);
    put_service(ping, DIVAN_SERVICE_KV, out);
    buf_u8(out, ',');
    put_service(ping, DIVAN_SERVICE_MANAGEMENT, out);
    buf_put_str(out, "}}");
}

void ping_describe(const struct ping *ping, unsigned services, struct buf *out)
{
    for (size_t i = 0; i < ping->count; i++) {
        const struct target *t = &ping->targets[i];
        if (t->answer == ANSWER_OK || (services && !(services & (unsigned)t->service))) continue;
        bool named = !strncmp(t->error, t->remote, strlen(t->remote));
        buf_printf(out, "%s%s%s%s", out->len ? "; " : "", named ? "" : t->remote, named ? "" : ": ", t->error);
    }
}
