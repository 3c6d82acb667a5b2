#include "cli/local/stats.h"

#include <stdlib.h>

#include "base/error.h"
#include "cli/rest.h"
#include "text/json.h"

static double number_of(struct json_value value)
{
    char text[40];
    if (value.type != JSON_NUMBER || value.text.len >= sizeof text) return 0;
    memcpy(text, value.text.data, value.text.len);
    text[value.text.len] = 0;
    return strtod(text, NULL);
}

static void take_bucket(struct json_value bucket, struct stats_bucket *out)
{
    struct buf name = {.limit = 4096};
    struct json_value basic = json_member(bucket, "basicStats");
    if (json_unescape(json_member(bucket, "name").text, &name)) text_copy(out->name, sizeof out->name, buf_text(&name));
    buf_fini(&name);
    double items = number_of(json_member(basic, "itemCount")), memory = number_of(json_member(basic, "memUsed"));
    out->items = items > 0 ? (uint64_t)items : 0;
    out->memory_bytes = memory > 0 ? (uint64_t)memory : 0;
    out->ops_per_s = number_of(json_member(basic, "opsPerSec"));
}

bool stats_parse(struct divan_bytes json, struct stats *out)
{
    struct stats s = {.known = true};
    struct json_value bucket, list = json_value_of(json);
    if (!json_is_valid(json) || list.type != JSON_ARRAY) return false;
    struct json_walk walk = json_walk_begin(list);
    while (s.count < STATS_BUCKETS_MAX && json_next_element(&walk, &bucket)) take_bucket(bucket, &s.buckets[s.count++]);
    *out = s;
    return true;
}

static struct rest_request question(const struct record *r, size_t node)
{
    return (struct rest_request){
        .host = r->nodes[node].host,
        .port = r->nodes[node].mgmt,
        .user = r->username,
        .password = r->password,
        .method = "GET",
        .target = "/pools/default/buckets",
        .timeout_ms = 2000,
    };
}

enum divan_code stats_fetch(const struct record *r, size_t node, struct stats *out, struct divan_error *err)
{
    struct buf body = {0};
    struct rest_request request = question(r, node);
    enum divan_code rc = rest_do(&request, &body, err);
    if (!rc && !stats_parse(buf_view(&body), out))
        rc = err_set(err, DIVAN_ERR_PARSING_FAILURE, "the list of buckets that %s gave is not one", request.host);
    buf_fini(&body);
    return rc;
}

static void answered(void *user, unsigned status, struct divan_bytes body, const struct divan_error *err)
{
    struct stats_poll *p = user;
    p->call = NULL;
    if (status == 200) stats_parse(body, &p->stats);
}

void stats_poll_start(struct stats_poll *p, struct io_loop *loop, const struct record *r, size_t node)
{
    struct divan_error err;
    struct rest_request request = question(r, node);
    if (!p->call) p->call = rest_start(loop, &request, answered, p, &err);
}

void stats_poll_stop(struct stats_poll *p)
{
    rest_cancel(p->call);
    p->call = NULL;
}
