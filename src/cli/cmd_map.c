#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/connect.h"
#include "cli/rest.h"
#include "cli/table.h"
#include "cli/value.h"
#include "manager/json_writer.h"
#include "text/connstr.h"
#include "text/http.h"
#include "topology/map.h"

struct map_args {
    struct connect_args connect;
    const char *config, *network;
    bool json;
};

#define MAP(...) OPT(struct map_args, __VA_ARGS__)
static const struct opt_row rows[] = {
    MAP(config, "config", 0, OPT_TEXT, "FILE",
        "take the cluster configuration (JSON) from a file, - is standard input; no network"),
    MAP(network, "network", 0, OPT_TEXT, "NAME", "show the addresses of this network", .preset = "default"),
    MAP(json, "json", 0, OPT_FLAG, NULL, "print one JSON object per key"),
    {0},
};
static const struct opt_group groups[] = {
    {"Options", rows, 0}, {"Connection", connect_rows, offsetof(struct map_args, connect)}, {0}};

/* ---- where the configuration comes from */

static enum divan_code fetch(const struct map_args *args, struct buf *json, char *host, size_t host_cap,
                             struct divan_error *err)
{
    struct target target = {0};
    struct connstr cs = {0};
    struct buf path = {.limit = 4096};
    enum divan_code rc = target_choose(&args->connect, &target, err);
    if (!rc) rc = connstr_parse(target.connstr, &cs, err);
    if (!rc) rc = connstr_check_seeds(&cs, err);
    if (!rc && cs.tls)
        rc = err_set(err, DIVAN_ERR_FEATURE_NOT_AVAILABLE,
                     "divan map does not ask over TLS: save the configuration of the bucket and give it with --config");
    const char *bucket = target.bucket ? target.bucket : cs.bucket;
    if (!rc && !bucket) rc = err_set(err, DIVAN_ERR_NO_BUCKET, "the map belongs to a bucket: name it with --bucket");
    uint16_t port = rc ? 0 : target.is_local ? target.local.nodes[0].mgmt : connstr_mgmt_port(&cs, &cs.hosts[0]);
    if (!rc && !port)
        rc = err_set(
            err, DIVAN_ERR_CONNSTR_PORT_TYPE,
            "divan map asks the management port, and the connection string names a key-value port alone: write "
            "%s:%u=http",
            cs.hosts[0].name, MGMT_PORT);
    if (!rc) {
        text_copy(host, host_cap, target.is_local ? target.local.nodes[0].host : cs.hosts[0].name);
        buf_put_str(&path, "/pools/default/b/");
        percent_encode(divan_str(bucket), false, &path);
        const struct rest_request request = {
            .host = host,
            .port = port,
            .user = target.username,
            .password = target.password,
            .method = "GET",
            .target = buf_text(&path),
        };
        rc = request.target ? rest_do(&request, json, err) : err_oom(err);
    }
    buf_fini(&path);
    connstr_fini(&cs);
    target_fini(&target);
    return rc;
}

static enum divan_code load(const struct map_args *args, struct map **out, struct divan_error *err)
{
    struct buf json = {0};
    char host[256] = "127.0.0.1";
    enum divan_code rc = args->config ? value_load_file(args->config, &json, err)
                                      : fetch(args, &json, host, sizeof host, err);
    if (!rc) rc = map_parse(buf_view(&json), host, out, err);
    if (!rc && !(*out)->vbuckets)
        rc = err_set(err, DIVAN_ERR_CONFIG_VBUCKETS,
                     "the configuration has no vBucket map: it is not of a bucket, or not ready");
    buf_fini(&json);
    return rc;
}

/* ---- what is shown */

static void owner_text(const struct map *m, int owner, const char *network, char *out, size_t cap)
{
    const char *host;
    uint16_t port;
    if (owner < 0) snprintf(out, cap, "-");
    else if (map_endpoint(m, (size_t)owner, network, SVC_KV, false, &host, &port))
        snprintf(out, cap, "%s:%u", host, port);
    else snprintf(out, cap, "node %d (not on this network)", owner);
}

static void key_json(const struct map *m, const char *key, const char *network, struct buf *out)
{
    uint16_t vbucket = map_vbucket(m, divan_str(key));
    char node[300];
    buf_u8(out, '{');
    jw_str(out, "key", key);
    jw_uint(out, "vbucket", vbucket);
    jw_open(out, "nodes", '[');
    for (unsigned copy = 0; copy < m->row; copy++) {
        owner_text(m, map_owner(m, vbucket, copy), network, node, sizeof node);
        jw_str(out, NULL, node);
    }
    jw_close(out, ']');
    buf_put_str(out, "}\n");
}

static void keys_table(const struct map *m, const struct operands *keys, const char *network, struct buf *out)
{
    struct table t;
    struct term term = term_of(STDOUT_FILENO);
    char number[8], active[300], replica[300];
    table_init(&t, m->row > 1 ? "key|>vBucket|active|replica" : "key|>vBucket|active");
    for (size_t i = 0; i < keys->count; i++) {
        uint16_t vbucket = map_vbucket(m, divan_str(keys->items[i]));
        owner_text(m, map_owner(m, vbucket, 0), network, active, sizeof active);
        owner_text(m, map_owner(m, vbucket, 1), network, replica, sizeof replica);
        snprintf(number, sizeof number, "%u", vbucket);
        table_add_cells(&t, (const char *[]){keys->items[i], number, active, replica});
    }
    table_draw(&t, &term, 0, out);
    table_fini(&t);
}

static int run(const void *args_, const struct operands *operands)
{
    const struct map_args *args = args_;
    struct map *map = NULL;
    struct divan_error err;
    struct buf out = {.limit = 16 << 20};
    enum divan_code rc = load(args, &map, &err);
    const char *network = rc ? NULL : map_choose_network(map, args->network, "127.0.0.1", 0, &err);
    if (!rc && !network) rc = err.code;
    for (size_t i = 0; !rc && args->json && i < operands->count; i++) key_json(map, operands->items[i], network, &out);
    if (!rc && !args->json) keys_table(map, operands, network, &out);
    if (!rc && out.failed) rc = err_oom(&err);
    if (!rc) fwrite(out.data, 1, out.len, stdout);
    buf_fini(&out);
    map_release(map);
    return rc ? command_fail("map", &err) : EXIT_DONE;
}

const struct command command_map = {
    .name = "map",
    .summary = "show the vBucket of keys and the nodes that hold it",
    .operands = "KEY...",
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .text = "Asks a node for the configuration of the bucket over its management port, or takes one that was saved.",
    .example = "divan map user::1 user::2\ndivan map --config saved.json user::1",
    .groups = groups,
    .args_size = sizeof(struct map_args),
    .run = run,
};
