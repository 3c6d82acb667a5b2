#include "cli/endpoints.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "text/json.h"

enum { READY_MS = 2500 };

enum divan_code endpoints_open(const struct connect_args *args, uint32_t timeout_ms, divan_cluster **out,
                               struct divan_error *err)
{
    struct target target = {0};
    enum divan_code rc = target_choose(args, &target, err);
    const struct divan_cluster_options options = {
        .username = target.username,
        .password = target.password,
        .ca_file = args->ca,
        .open_timeout_ms = timeout_ms,
    };
    const struct divan_ready_options ready = {.bucket = target.bucket, .services = DIVAN_SERVICE_KV};
    if (!rc) rc = divan_cluster_open(out, target.connstr, &options, err);
    if (!rc) divan_cluster_wait_until_ready(*out, timeout_ms ? timeout_ms : READY_MS, &ready, NULL);
    target_fini(&target);
    return rc;
}

/* A string member as text; "" when there is none. */
static void text_of(struct json_value object, const char *name, char *out, size_t cap)
{
    struct buf text = {.limit = 4096};
    struct json_value value = json_member(object, name);
    out[0] = 0;
    if (value.type == JSON_STRING && json_unescape(value.text, &text)) text_copy(out, cap, buf_text(&text));
    buf_fini(&text);
}

static bool print_endpoint(const char *service, struct json_value e)
{
    char remote[300], bucket[120], state[20], details[300], took[32] = "";
    uint64_t us;
    text_of(e, "remote", remote, sizeof remote);
    text_of(e, "namespace", bucket, sizeof bucket);
    text_of(e, "state", state, sizeof state);
    text_of(e, "error", details, sizeof details);
    if (!details[0]) text_of(e, "details", details, sizeof details);
    if (json_to_u64(json_member(e, "latency_us"), &us)) snprintf(took, sizeof took, "%llu us", (unsigned long long)us);
    printf("%-5s %-24s %-16s %-13s %10s%s%s\n", service, remote, *bucket ? bucket : "-", state, took,
           *details ? "  " : "", details);
    return !strcmp(state, "ok") || !strcmp(state, "connected");
}

size_t endpoints_print(const char *report)
{
    struct json_walk services, endpoints;
    struct json_value list, endpoint;
    struct divan_bytes name;
    size_t bad = 0;
    services = json_walk_begin(json_member(json_value_of(divan_str(report)), "services"));
    while (json_next_member(&services, &name, &list)) {
        char service[16];
        snprintf(service, sizeof service, "%.*s", name.len > 2 ? (int)name.len - 2 : 0, (const char *)name.data + 1);
        endpoints = json_walk_begin(list);
        while (json_next_element(&endpoints, &endpoint)) bad += !print_endpoint(service, endpoint);
    }
    return bad;
}
