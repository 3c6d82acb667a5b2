#include "cli/local/record.h"

#include "base/alloc.h"
#include "base/error.h"
#include "manager/json_writer.h"
#include "text/json.h"

/* ---- writing */

/* A service that is not offered has no member. */
static void port_json(struct buf *out, const char *name, uint16_t port)
{
    if (port) jw_uint(out, name, port);
}

static void node_json(const struct record_node *n, struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_uint(out, "id", n->id);
    jw_uint(out, "pid", (uint64_t)n->pid);
    jw_str(out, "host", n->host);
    port_json(out, "kv", n->kv);
    port_json(out, "kv_tls", n->kv_tls);
    port_json(out, "mgmt", n->mgmt);
    port_json(out, "views", n->views);
    port_json(out, "query", n->query);
    jw_close(out, '}');
}

void record_json(const struct record *r, struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_str(out, "connection_string", r->connection_string);
    jw_str(out, "username", r->username);
    jw_str(out, "password", r->password);
    jw_str(out, "bucket", r->bucket_count ? r->buckets[0] : "");
    jw_open(out, "buckets", '[');
    for (size_t i = 0; i < r->bucket_count; i++) jw_str(out, NULL, r->buckets[i]);
    jw_close(out, ']');
    jw_str(out, "dir", r->dir);
    jw_uint(out, "pid", (uint64_t)r->pid);
    jw_open(out, "nodes", '[');
    for (size_t i = 0; i < r->node_count; i++) node_json(&r->nodes[i], out);
    jw_close(out, ']');
    jw_close(out, '}');
}

/* ---- reading */

static bool take_text(struct json_value object, const char *name, char **out)
{
    struct buf text = {.limit = 1 << 20};
    struct json_value value = json_member(object, name);
    bool ok = value.type == JSON_STRING && json_unescape(value.text, &text);
    *out = ok ? buf_take_text(&text) : NULL;
    buf_fini(&text);
    return *out != NULL;
}

static uint64_t take_number(struct json_value object, const char *name)
{
    uint64_t n = 0;
    return json_to_u64(json_member(object, name), &n) ? n : 0;
}

static bool take_node(struct json_value object, struct record_node *out)
{
    char *host;
    if (!take_text(object, "host", &host)) return false;
    text_copy(out->host, sizeof out->host, host);
    mem_free(host);
    out->id = (unsigned)take_number(object, "id");
    out->pid = (int64_t)take_number(object, "pid");
    out->mgmt = (uint16_t)take_number(object, "mgmt");
    out->views = (uint16_t)take_number(object, "views");
    out->query = (uint16_t)take_number(object, "query");
    out->kv = (uint16_t)take_number(object, "kv");
    out->kv_tls = (uint16_t)take_number(object, "kv_tls");
    return true;
}

static size_t count_elements(struct json_value array)
{
    size_t n = 0;
    struct json_value value;
    struct json_walk walk = json_walk_begin(array);
    while (json_next_element(&walk, &value)) n++;
    return n;
}

static bool take_nodes(struct json_value array, struct record *out)
{
    struct json_value value;
    struct json_walk walk = json_walk_begin(array);
    out->nodes = mem_zalloc((count_elements(array) + 1) * sizeof *out->nodes);
    while (out->nodes && json_next_element(&walk, &value))
        if (!take_node(value, &out->nodes[out->node_count++])) return false;
    return out->nodes != NULL;
}

static bool take_buckets(struct json_value array, struct record *out)
{
    struct json_value value;
    struct json_walk walk = json_walk_begin(array);
    out->buckets = mem_zalloc((count_elements(array) + 1) * sizeof *out->buckets);
    while (out->buckets && json_next_element(&walk, &value)) {
        struct buf name = {.limit = 1024};
        if (json_unescape(value.text, &name)) out->buckets[out->bucket_count] = buf_take_text(&name);
        buf_fini(&name);
        if (!out->buckets[out->bucket_count]) return false;
        out->bucket_count++;
    }
    return out->buckets != NULL;
}

enum divan_code record_parse(struct divan_bytes json, struct record *out, struct divan_error *err)
{
    struct record r = {0};
    struct json_value top = json_value_of(json);
    bool ok = json_is_valid(json) && take_text(top, "connection_string", &r.connection_string) &&
              take_text(top, "username", &r.username) && take_text(top, "password", &r.password) &&
              take_text(top, "dir", &r.dir) && take_buckets(json_member(top, "buckets"), &r) &&
              take_nodes(json_member(top, "nodes"), &r);
    r.pid = (int64_t)take_number(top, "pid");
    if (ok) *out = r;
    else record_fini(&r);
    return ok ? DIVAN_OK
              : err_set(err, DIVAN_ERR_STATE_DIR,
                        "the record of the local cluster is not readable: stop it with divan down");
}

void record_fini(struct record *r)
{
    for (size_t i = 0; i < r->bucket_count; i++) mem_free(r->buckets[i]);
    mem_free(r->buckets);
    mem_free(r->nodes);
    mem_free(r->connection_string);
    mem_free(r->username);
    mem_free(r->password);
    mem_free(r->dir);
    *r = (struct record){0};
}
