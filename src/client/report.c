#include "client/report.h"

#include "client/services/http.h"
#include "text/json.h"

/* ---- states */

enum report_state report_bucket_state(const struct bucket *bucket)
{
    size_t nodes = 0, ready = 0;
    list_each(&bucket->nodes, it)
    {
        const struct node *node = container_of(it, struct node, link);
        if (node->state == NODE_GONE || (bucket->name && !node->in_map)) continue;
        nodes++;
        ready += connection_is_usable(node->connection);
    }
    if (!ready || (bucket->name && !bucket_has_map(bucket))) return REPORT_OFFLINE;
    return ready == nodes || !bucket->name ? REPORT_ONLINE : REPORT_DEGRADED;
}

enum report_state report_state_of(const struct client *c)
{
    enum report_state worst = REPORT_ONLINE;
    bool any = false;
    list_each(&c->buckets, it)
    {
        const struct bucket *bucket = container_of(it, struct bucket, link);
        if (!bucket->is_wanted) continue;
        enum report_state its = report_bucket_state(bucket);
        if (its < worst) worst = its;
        any = true;
    }
    return any ? worst : c->cluster_level ? report_bucket_state(c->cluster_level) : REPORT_OFFLINE;
}

static const char *node_state_name(const struct node *node)
{
    static const char *const names[NODE_STATES] = {
        [NODE_IDLE] = "disconnected", [NODE_LOOKUP] = "connecting",  [NODE_CONNECT] = "connecting",
        [NODE_READY] = "connected",   [NODE_PAUSE] = "disconnected", [NODE_GONE] = "disconnecting",
    };
    return names[node->state];
}

/* ---- JSON */

void report_begin(struct client *c, const char *id, struct buf *out)
{
    buf_put_str(out, "{\"version\":2,\"id\":");
    if (id) json_put_str(out, id);
    else {
        uint64_t a = rng_u64(io_rng(c->loop)), b = rng_u64(io_rng(c->loop));
        buf_printf(out, "\"%08x-%04x-4%03x-%04x-%012llx\"", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
                   (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)),
                   (unsigned long long)(b & 0xffffffffffff));
    }
    buf_put_str(out, ",\"sdk\":\"divan/" DIVAN_VERSION "\"");
}

void report_connection(const struct connection *conn, struct buf *out)
{
    char local[64];
    buf_printf(out, "\"id\":\"%016llx\"", (unsigned long long)conn->handshake.plan.connection_id);
    if (!conn->stream || conn->state == CONN_DIAL) return;
    buf_put_str(out, ",\"local\":");
    json_put_str(out, io_addr_text(io_stream_local(conn->stream), local, sizeof local));
}

static void put_details(const struct node *node, struct buf *out)
{
    const struct connection *conn = node->connection;
    struct buf words = {.limit = 2048};
    if (conn && conn->breaker.state != BREAKER_CLOSED)
        buf_printf(&words, "circuit breaker %s", breaker_name(conn->breaker.state));
    if (node->state != NODE_READY && node->last.code)
        buf_printf(&words, "%s%s", words.len ? "; " : "", node->last.message);
    if (words.len) {
        buf_put_str(out, ",\"details\":");
        json_put_string(out, buf_view(&words));
    }
    buf_fini(&words);
}

static void put_node(struct client *c, const struct node *node, struct buf *out)
{
    buf_u8(out, '{');
    if (node->connection) report_connection(node->connection, out);
    else buf_put_str(out, "\"id\":\"\"");
    buf_put_str(out, ",\"remote\":");
    json_put_str(out, node->name);
    buf_printf(out, ",\"state\":\"%s\"", node_state_name(node));
    if (node->bucket->name) {
        buf_put_str(out, ",\"namespace\":");
        json_put_str(out, node->bucket->name);
    }
    if (node->connection && node->connection->heard_ns)
        buf_printf(out, ",\"last_activity_us\":%llu",
                   (unsigned long long)((io_now_ns(c->loop) - node->connection->heard_ns) / 1000));
    put_details(node, out);
    buf_u8(out, '}');
}

static void put_bucket(struct client *c, const struct bucket *bucket, bool *first, struct buf *out)
{
    list_each(&bucket->nodes, it)
    {
        if (!*first) buf_u8(out, ',');
        *first = false;
        put_node(c, container_of(it, struct node, link), out);
    }
}

struct put_http {
    struct buf *out;
    bool first;
};

static void put_http(void *user, const struct http_endpoint *e)
{
    struct put_http *p = user;
    char local[64];
    buf_printf(p->out, "%s{\"id\":\"%016llx\",\"remote\":", p->first ? "" : ",", (unsigned long long)e->id);
    json_put_str(p->out, e->remote);
    if (e->stream) {
        buf_put_str(p->out, ",\"local\":");
        json_put_str(p->out, io_addr_text(io_stream_local(e->stream), local, sizeof local));
    }
    buf_printf(p->out, ",\"state\":\"%s\"}", e->stream ? "connected" : "connecting");
    p->first = false;
}

void report_diagnostics(struct client *c, const char *id, struct buf *out)
{
    static const char *const states[] = {"offline", "degraded", "online"};
    struct put_http http = {.out = out, .first = true};
    bool first = true;
    report_begin(c, id, out);
    buf_printf(out, ",\"state\":\"%s\",\"services\":{\"kv\":[", states[report_state_of(c)]);
    if (c->cluster_level) put_bucket(c, c->cluster_level, &first, out);
    list_each(&c->buckets, it) put_bucket(c, container_of(it, struct bucket, link), &first, out);
    buf_put_str(out, "],\"mgmt\":[");
    http_each(c, put_http, &http);
    buf_put_str(out, "]}}");
}
