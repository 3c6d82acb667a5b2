/* A cluster to plan on: what the tests of the manager share. */
#ifndef TESTS_UNIT_MANAGER_SUPPORT_H
#define TESTS_UNIT_MANAGER_SUPPORT_H

#include <stdio.h>

#include "unit/unit.h"

#include "base/alloc.h"
#include "base/error.h"
#include "manager/json_writer.h"
#include "manager/plan.h"

#define NODE_A "0000000000000000000000000000000a"
#define NODE_B "0000000000000000000000000000000b"

struct cluster {
    struct doc *doc;
    struct rng rng;
    const char *node; /* by which requests come in */
    struct plan_reply reply;
};

/* "name=value&name=value" into fields; the text is cut up in place. */
static inline size_t split_form(char *text, struct manager_field *out, size_t cap)
{
    size_t n = 0;
    for (char *at = text; at && *at && n < cap; n++) {
        char *value = strchr(at, '='), *next = value ? strchr(value, '&') : NULL;
        assert_non_null(value);
        *value++ = 0;
        if (next) *next++ = 0;
        out[n] = (struct manager_field){divan_str(at), divan_str(value)};
        at = next;
    }
    return n;
}

/* Runs an operation: args are separated by blanks; what it decides holds from then on. Returns the status. */
static inline int cluster_run(struct cluster *c, const char *op, const char *args, const char *form, const char *body)
{
    struct manager_field fields[32];
    struct divan_bytes words[4];
    size_t count = 0;
    char *form_text = mem_strdup(form ? form : ""), *args_text = mem_strdup(args ? args : "");
    for (char *w = strtok(args_text, " "); w && count < 4; w = strtok(NULL, " ")) words[count++] = divan_str(w);
    struct manager_request request = {.op = op,
                                      .args = words,
                                      .arg_count = count,
                                      .form = fields,
                                      .form_count = split_form(form_text, fields, 32),
                                      .body = divan_str(body),
                                      .node = c->node,
                                      .user = "Administrator"};
    struct plan_input in = {c->doc, &request, &c->rng, 1700000000000};
    struct doc *next = NULL;
    plan_reply_fini(&c->reply);
    plan_run(&in, &next, &c->reply);
    mem_free(form_text);
    mem_free(args_text);
    if (next) {
        assert_true(next->revision.rev > c->doc->revision.rev);
        assert_false(doc_failed(next));
        doc_release(c->doc);
        c->doc = next;
    }
    return c->reply.status;
}

static inline const char *cluster_body(struct cluster *c)
{
    const char *text = buf_text(&c->reply.body);
    return text ? text : "";
}

static inline void cluster_hello(struct cluster *c, const char *uuid, const char *host, uint16_t base)
{
    struct doc_node n = {.uuid = uuid, .host = host, .otp = "", .group = "", .data_path = "", .memory_mb = 16384};
    struct buf json = {.limit = 1 << 16};
    n.named = strcmp(host, "127.0.0.1") != 0;
    n.ports.plain[SVC_KV] = base + 10;
    n.ports.plain[SVC_MGMT] = base;
    n.ports.tls[SVC_KV] = base + 7;
    n.ports.tls[SVC_MGMT] = base + 50;
    doc_node_to_json(&n, NULL, &json);
    assert_int_equal(cluster_run(c, "node_hello", NULL, NULL, buf_text(&json)), 200);
    buf_fini(&json);
}

/* One node, set up, nothing in it. */
static inline void cluster_open(struct cluster *c)
{
    *c = (struct cluster){.doc = doc_new(), .node = NODE_A};
    rng_init(&c->rng, 7);
    assert_true(plan_found(c->doc, &c->rng));
    c->doc->vbuckets = 64;
    cluster_hello(c, NODE_A, "127.0.0.1", 9000);
    assert_int_equal(
        cluster_run(c, "cluster_init", NULL,
                    "hostname=127.0.0.1&username=Administrator&password=password&services=kv&memoryQuota=1500&"
                    "port=SAME&clusterName=rec",
                    NULL),
        200);
}

static inline void cluster_close(struct cluster *c)
{
    plan_reply_fini(&c->reply);
    doc_release(c->doc);
    *c = (struct cluster){0};
}

static inline void cluster_must(struct cluster *c, const char *op, const char *args, const char *form)
{
    int status = cluster_run(c, op, args, form, NULL);
    if (status >= 300) fail_msg("%s %s %s: %d %s", op, args ? args : "", form ? form : "", status, cluster_body(c));
}

static inline char *doc_json(const struct doc *d)
{
    struct buf json = {.limit = 0};
    assert_true(doc_to_json(d, &json));
    char *text = buf_take_text(&json);
    assert_non_null(text);
    return text;
}

/* Something of everything. */
static inline void cluster_fill(struct cluster *c)
{
    cluster_must(c, "bucket_create", NULL, "name=B&ramQuotaMB=110&flushEnabled=1");
    cluster_must(c, "bucket_create", NULL,
                 "name=E&ramQuotaMB=100&bucketType=ephemeral&maxTTL=60&compressionMode=active");
    cluster_must(c, "bucket_create", NULL, "name=M&ramQuotaMB=100&bucketType=memcached");
    cluster_must(c, "scope_create", "B", "name=s1");
    cluster_must(c, "collection_create", "B s1", "name=c1&maxTTL=-1");
    cluster_must(c, "user_group_put", "g1", "roles=ro_admin,data_reader[B]&description=\xc3\xa9\"\\");
    cluster_must(c, "user_put", "local u1",
                 "password=secret1&roles=data_reader[B:s1:c1],bucket_admin[*]&groups=g1&name=N");
    cluster_must(c, "user_put", "external e1", "roles=admin");
    cluster_must(c, "alternate_set", NULL, "hostname=ext.example.com&kv=31000&mgmtSSL=31003");
    cluster_must(c, "setting", "/settings/stats", "sendStats=true");
    cluster_must(c, "group_add", NULL, "name=Group 2");
}

#endif
