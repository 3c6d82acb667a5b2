#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/connect.h"
#include "cli/kvline.h"
#include "cli/table.h"
#include "manager/json_writer.h"
#include "text/connstr.h"
#include "text/http.h"
#include "topology/map.h"
#include "wire/opcodes.h"
#include "wire/session.h"
#include "wire/statuses.h"

enum { DEFAULT_MS = 5000 };

struct stats_args {
    struct connect_args connect;
    struct opt_number timeout_ms;
    const char *network;
    bool json;
};

#define ROW(...) OPT(struct stats_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    ROW(network, "network", 0, OPT_TEXT, "NAME", "ask at the addresses of this network", .preset = "default"),
    ROW(timeout_ms, "timeout", 0, OPT_MS, "MS", "give a node up that is silent for so long (default 5s)",
        .env = "DIVAN_TIMEOUT", .min = 1, .max = 3600000),
    ROW(json, "json", 0, OPT_FLAG, NULL,
        "print one JSON object: a member for each node, with a member for each figure"),
    {0},
};
static const struct opt_group groups[] = {
    {"Options", rows, 0}, {"Connection", connect_bucket_rows, offsetof(struct stats_args, connect)}, {0}};

struct stats {
    const struct stats_args *args;
    const char *group; /* NULL = the general ones */
    const char *bucket;
    struct connection connection;
    struct connstr connstr;
    struct map *map;
    struct table table;
    struct buf json;
    bool many; /* nodes: the table says whose a figure is */
    uint32_t timeout_ms;
    struct divan_error *err;
};

/* ---- which nodes there are */

static enum divan_code find_nodes(struct stats *s)
{
    struct buf path = {.limit = 4096};
    divan_result *result = NULL;
    const struct divan_management_options options = {.timeout_ms = s->timeout_ms};
    enum divan_code rc = connection_open_cluster(&s->args->connect, (uint32_t)s->args->timeout_ms.value, &s->connection,
                                                 s->err);
    if (!rc) rc = connstr_parse(s->connection.target.connstr, &s->connstr, s->err);
    if (!rc && s->connstr.tls)
        rc = err_set(s->err, DIVAN_ERR_FEATURE_NOT_AVAILABLE, "divan stats does not ask over TLS");
    s->bucket = s->connection.target.bucket ? s->connection.target.bucket : s->connstr.bucket;
    if (!rc && !s->bucket) rc = err_set(s->err, DIVAN_ERR_NO_BUCKET, "name the bucket with --bucket");
    if (rc) return rc;
    buf_put_str(&path, "/pools/default/b/");
    percent_encode(divan_str(s->bucket), false, &path);
    const struct divan_http_request request = {.path = buf_text(&path)};
    rc = request.path ? divan_http(s->connection.cluster, &request, &options, &result, s->err) : err_oom(s->err);
    if (rc == DIVAN_ERR_UNSUPPORTED_OPERATION) /* what any path that is not there means */
        rc = err_set(s->err, DIVAN_ERR_BUCKET_NOT_FOUND, "there is no bucket \"%s\", or this user may not see it",
                     s->bucket);
    if (!rc) rc = map_parse(divan_result_value(result), s->connstr.hosts[0].name, &s->map, s->err);
    divan_result_release(result);
    buf_fini(&path);
    return rc;
}

/* ---- what one says */

static void put_figure(struct stats *s, const char *where, const struct frame *f)
{
    struct buf name = {.limit = 64 << 10}, value = {.limit = 1 << 20};
    buf_put_bytes(&name, f->key);
    buf_put_bytes(&value, f->value);
    const char *key = buf_text(&name), *text = buf_text(&value);
    if (!key || !text) s->json.failed = s->table.cells.failed = true;
    else if (!s->args->json)
        table_add_cells(&s->table,
                        s->many ? (const char *const[]){key, where, text} : (const char *const[]){key, text});
    else {
        jw_key(&s->json, NULL);
        json_put_str(&s->json, key);
        buf_u8(&s->json, ':');
        json_put_str(&s->json, text);
    }
    buf_fini(&name);
    buf_fini(&value);
}

static enum divan_code refused(const struct stats *s, const struct kvline *k, uint16_t status)
{
    const char *group = s->group ? s->group : "";
    if (status == ST_KEY_ENOENT || status == ST_EINVAL)
        return err_set(s->err, DIVAN_ERR_INVALID_ARGUMENT, "%s has no statistics \"%s\"", k->where, group);
    if (status == ST_EACCESS)
        return err_set(s->err, DIVAN_ERR_AUTHENTICATION_FAILURE, "%s does not tell this user the statistics \"%s\"",
                       k->where, group);
    return err_set(s->err, DIVAN_ERR_FAILED, "%s refused the statistics \"%s\" with status 0x%x", k->where, group,
                   status);
}

/* One answer for each figure, an empty one at the end. */
static enum divan_code ask_node(struct stats *s, const char *host, uint16_t port)
{
    struct kvline k = {.fd = -1};
    struct frame f;
    struct buf request = {.limit = 4096};
    const struct target *t = &s->connection.target;
    enum divan_code rc = kvline_open(&k, host, port, s->timeout_ms, s->err);
    if (!rc) rc = kvline_authenticate(&k, t->username ? t->username : "", t->password ? t->password : "", s->err);
    if (!rc) rc = kvline_select(&k, s->bucket, s->err);
    session_put_request(&request, OP_STAT, 4, divan_str(s->group), bytes_of(NULL, 0));
    if (!rc) rc = kvline_send(&k, &request, s->err);
    jw_open(&s->json, k.where, '{');
    bool more = !rc;
    while (more) {
        rc = kvline_next(&k, &f, s->err);
        if (!rc && f.status != ST_SUCCESS) rc = refused(s, &k, f.status);
        more = !rc && f.key.len;
        if (more) put_figure(s, k.where, &f);
    }
    jw_close(&s->json, '}');
    kvline_close(&k);
    buf_fini(&request);
    return rc;
}

static enum divan_code ask_all(struct stats *s)
{
    const char *host;
    uint16_t port;
    const char *network = map_choose_network(s->map, s->args->network, s->connstr.hosts[0].name, 0, s->err);
    enum divan_code rc = network ? DIVAN_OK : s->err->code;
    size_t count = 0;
    for (size_t i = 0; network && i < s->map->node_count; i++)
        count += s->map->nodes[i].serves_bucket && map_endpoint(s->map, i, network, SVC_KV, false, &host, &port);
    s->many = count > 1;
    table_init(&s->table, s->many ? "figure|node|>value" : "figure|>value");
    jw_open(&s->json, NULL, '{');
    for (size_t i = 0; !rc && network && i < s->map->node_count; i++)
        if (s->map->nodes[i].serves_bucket && map_endpoint(s->map, i, network, SVC_KV, false, &host, &port))
            rc = ask_node(s, host, port);
    jw_close(&s->json, '}');
    buf_u8(&s->json, '\n');
    if (!rc && !count)
        rc = err_set(s->err, DIVAN_ERR_CONFIG_VBUCKETS,
                     "no node that serves the bucket has an address on the network %s", s->args->network);
    return rc;
}

static int run(const void *args_, const struct operands *operands)
{
    struct divan_error err;
    struct buf out = {.limit = 64 << 20};
    struct term term = term_of(STDOUT_FILENO);
    struct stats s = {.args = args_, .err = &err, .json = {.limit = 64 << 20}};
    s.group = operands->count ? operands->items[0] : NULL;
    s.timeout_ms = s.args->timeout_ms.given ? (uint32_t)s.args->timeout_ms.value : DEFAULT_MS;
    enum divan_code rc = find_nodes(&s);
    if (!rc) rc = ask_all(&s);
    if (!rc && !s.args->json) table_draw(&s.table, &term, 0, &out);
    const struct buf *shown = s.args->json ? &s.json : &out;
    if (!rc && shown->failed) rc = err_oom(&err);
    if (!rc && shown->data) fwrite(shown->data, 1, shown->len, stdout);
    if (rc) command_fail("stats", &err);
    buf_fini(&out);
    buf_fini(&s.json);
    table_fini(&s.table);
    map_release(s.map);
    connstr_fini(&s.connstr);
    connection_close(&s.connection);
    return rc ? EXIT_TROUBLE : EXIT_DONE;
}

const struct command command_stats = {
    .name = "stats",
    .summary = "print the statistics of a bucket, node by node",
    .operands = "[GROUP]",
    .operands_max = 1,
    .text = "Without GROUP the general ones. Groups that every node knows are vbucket, vbucket-details, vbucket-seqno, "
            "collections, scopes, failovers, memory and diskinfo; some take an argument, as in \"vbucket-details 7\".",
    .example = "divan stats | grep curr_items\ndivan stats vbucket-details --json | jq .",
    .groups = groups,
    .args_size = sizeof(struct stats_args),
    .run = run,
};
