/* Management calls: arguments into a path and a form, and the answer back. */
#include <stdio.h>

#include "base/error.h"
#include "client/call.h"
#include "client/cluster.h"
#include "client/management.h"
#include "client/names.h"
#include "client/strategy.h"
#include "text/http.h"

enum { MANAGEMENT_TIMEOUT_MS = 75000, REQUEST_MAX = 32 * 1024 * 1024 };

/* ---- one request, blocking or started */

static bool is_read(const struct mgmt_call *call)
{
    return !strcmp(call->method, "GET") || !strcmp(call->method, "HEAD") || call->repeatable;
}

static enum divan_code check(divan_cluster *cluster, const struct divan_management_options *o, struct divan_error *err)
{
    if (!cluster) return err_set(err, DIVAN_ERR_HANDLE_NULL, "the cluster handle is NULL");
    if (cluster_is_forked(cluster)) return cluster_forked_error(err);
    enum divan_code rc = o ? check_timeout(o->timeout_ms, err) : DIVAN_OK;
    return rc || !o ? rc : check_retry(o->retry, err);
}

/* The lock is held. */
static enum divan_code take(divan_cluster *cluster, const struct mgmt_call *call,
                            const struct divan_management_options *o, struct operation **out, struct divan_error *err)
{
    const struct http_parts parts = {divan_str(call->method), buf_view(&call->path), divan_str(call->content_type),
                                     call->raw_body.len ? call->raw_body : buf_view(&call->form)};
    if (cluster->closed)
        return err_set(err, DIVAN_ERR_CLUSTER_CLOSED, "the cluster handle is closed: open another one");
    cluster_fresh_clock(cluster);
    struct operation *op = client_take(cluster->client);
    if (!op) return err_oom(err);
    op->kind = is_read(call) ? KIND_HTTP_READ : KIND_HTTP;
    op->timeout_ms = o && o->timeout_ms ? o->timeout_ms : MANAGEMENT_TIMEOUT_MS;
    enum divan_code rc = strategy_set(cluster->client, op, o ? o->retry : DIVAN_RETRY_DEFAULT, err);
    if (rc) {
        op_release(op);
        return rc;
    }
    if (call->path.failed || call->form.failed || !http_put(op, &parts, call->subject)) {
        op_release(op);
        return err_oom(err);
    }
    *out = op;
    return DIVAN_OK;
}

static void call_fini(struct mgmt_call *call)
{
    buf_fini(&call->path);
    buf_fini(&call->form);
}

/* Takes the call over. */
static enum divan_code run(divan_cluster *cluster, struct mgmt_call *call, const struct divan_management_options *o,
                           divan_result **out, struct divan_error *err)
{
    struct operation *op = NULL;
    struct waiter w = {.done = false};
    enum divan_code rc = call->bad.code;
    if (rc && err) *err = call->bad;
    if (!rc) rc = check(cluster, o, err);
    if (!rc && cluster_is_own_thread(cluster))
        rc = err_set(err, DIVAN_ERR_WRONG_THREAD, "a blocking call inside a completion callback would wait for itself");
    if (!rc) {
        cluster_lock(cluster);
        rc = take(cluster, call, o, &op, err);
        if (!rc) {
            op->how = DONE_WAITER;
            op->done.waiter = &w;
            rc = client_start(cluster->client, op, err);
        }
        if (!rc && !w.done) cluster_wait(cluster, &w, IO_NEVER);
        if (!rc && op->error) {
            rc = op->error->code;
            if (err) *err = *op->error;
        }
        cluster_unlock(cluster);
    }
    if (rc) err_where(err, call->name, NULL);
    else if (err) err->code = DIVAN_OK;
    if (!rc && out) *out = op_result(op);
    else op_release(op);
    call_fini(call);
    return rc;
}

static enum divan_code start(divan_cluster *cluster, struct mgmt_call *call, const struct divan_management_options *o,
                             struct divan_done done, struct divan_error *err)
{
    struct operation *op = NULL;
    enum divan_code rc = call->bad.code;
    if (rc && err) *err = call->bad;
    if (!rc) rc = check(cluster, o, err);
    if (!rc) rc = done_check(&done, cluster, err);
    if (!rc) {
        cluster_lock(cluster);
        rc = take(cluster, call, o, &op, err);
        if (!rc) {
            done_set(cluster, op, &done);
            rc = client_start(cluster->client, op, err);
            if (!rc) cluster_started(cluster);
            else done_unset(cluster, &done), op_release(op);
        }
        cluster_unlock(cluster);
    }
    if (rc) err_where(err, call->name, NULL);
    call_fini(call);
    return rc;
}

/* ---- anything */

static bool is_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || *text == 0x7f) return false;
    return true;
}

static void raw_call(struct mgmt_call *call, const struct divan_http_request *r)
{
    mgmt_begin(call, "http", r && r->method ? r->method : "GET", ABOUT_ANYTHING);
    if (!r || !r->path || r->path[0] != '/')
        mgmt_bad(call, DIVAN_ERR_HTTP_REQUEST, "the path of the request does not begin with \"/\"");
    else if (!is_clean(r->path) || !is_clean(call->method) || !*call->method)
        mgmt_bad(call, DIVAN_ERR_HTTP_REQUEST,
                 "the method or path has a blank or control character: escape it in the path as %%20");
    else if (r->body.len && !r->body.data)
        mgmt_bad(call, DIVAN_ERR_VALUE_NULL, "the body has %zu bytes but its data pointer is NULL", r->body.len);
    else if (r->body.len > REQUEST_MAX)
        mgmt_bad(call, DIVAN_ERR_VALUE_TOO_LARGE, "the body has %zu bytes, the limit is %d", r->body.len, REQUEST_MAX);
    else if (r->content_type && strpbrk(r->content_type, "\r\n"))
        mgmt_bad(call, DIVAN_ERR_HTTP_REQUEST, "the content type has a line break");
    if (call->bad.code) return;
    buf_put_str(&call->path, r->path);
    call->raw_body = r->body;
    call->repeatable = r->repeatable;
    if (r->content_type) call->content_type = r->content_type;
    else if (!r->body.len) call->content_type = "";
}

enum divan_code divan_http(divan_cluster *cluster, const struct divan_http_request *request,
                           const struct divan_management_options *o, divan_result **out, struct divan_error *err)
{
    struct mgmt_call call;
    raw_call(&call, request);
    return run(cluster, &call, o, out, err);
}

enum divan_code divan_http_start(divan_cluster *cluster, const struct divan_http_request *request,
                                 const struct divan_management_options *o, struct divan_done done,
                                 struct divan_error *err)
{
    struct mgmt_call call;
    raw_call(&call, request);
    return start(cluster, &call, o, done, err);
}

unsigned divan_result_http_status(const divan_result *result)
{
    const struct operation *op = result ? result_op(result) : NULL;
    return op && op_is_http(op) ? op->status : 0;
}

/* ---- buckets */

#define RUN(fn, out, ...)                                                                                              \
    struct mgmt_call call;                                                                                             \
    fn(&call, __VA_ARGS__);                                                                                            \
    return run(cluster, &call, o, out, err)

enum divan_code divan_bucket_create(divan_cluster *cluster, const struct divan_bucket_settings *settings,
                                    const struct divan_management_options *o, struct divan_error *err)
{
    RUN(mgmt_bucket_save, NULL, settings, true);
}

enum divan_code divan_bucket_update(divan_cluster *cluster, const struct divan_bucket_settings *settings,
                                    const struct divan_management_options *o, struct divan_error *err)
{
    RUN(mgmt_bucket_save, NULL, settings, false);
}

enum divan_code divan_bucket_drop(divan_cluster *cluster, const char *name, const struct divan_management_options *o,
                                  struct divan_error *err)
{
    RUN(mgmt_bucket, NULL, "bucket_drop", "DELETE", name, "");
}

enum divan_code divan_bucket_flush(divan_cluster *cluster, const char *name, const struct divan_management_options *o,
                                   struct divan_error *err)
{
    RUN(mgmt_bucket, NULL, "bucket_flush", "POST", name, "/controller/doFlush");
}

enum divan_code divan_bucket_get(divan_cluster *cluster, const char *name, const struct divan_management_options *o,
                                 divan_result **out, struct divan_error *err)
{
    RUN(mgmt_bucket, out, "bucket_get", "GET", name, "");
}

enum divan_code divan_bucket_list(divan_cluster *cluster, const struct divan_management_options *o, divan_result **out,
                                  struct divan_error *err)
{
    RUN(mgmt_plain, out, "bucket_list", "/pools/default/buckets", ABOUT_BUCKET);
}

/* ---- scopes and collections. A bucket of NULL is that of the connection string. */

static const char *home(const divan_cluster *cluster, const char *bucket)
{
    if (bucket || !cluster || cluster_is_forked(cluster) || cluster->closed) return bucket;
    return cluster->client->config.bucket;
}

enum divan_code divan_scope_create(divan_cluster *cluster, const char *bucket, const char *scope,
                                   const struct divan_management_options *o, divan_result **out,
                                   struct divan_error *err)
{
    RUN(mgmt_scope, out, home(cluster, bucket), scope, true);
}

enum divan_code divan_scope_drop(divan_cluster *cluster, const char *bucket, const char *scope,
                                 const struct divan_management_options *o, divan_result **out, struct divan_error *err)
{
    RUN(mgmt_scope, out, home(cluster, bucket), scope, false);
}

enum divan_code divan_collection_create(divan_cluster *cluster, const char *bucket, const char *scope, const char *name,
                                        const struct divan_collection_settings *settings,
                                        const struct divan_management_options *o, divan_result **out,
                                        struct divan_error *err)
{
    RUN(mgmt_collection_save, out, home(cluster, bucket), scope, name, settings, true);
}

enum divan_code divan_collection_update(divan_cluster *cluster, const char *bucket, const char *scope, const char *name,
                                        const struct divan_collection_settings *settings,
                                        const struct divan_management_options *o, divan_result **out,
                                        struct divan_error *err)
{
    RUN(mgmt_collection_save, out, home(cluster, bucket), scope, name, settings, false);
}

enum divan_code divan_collection_drop(divan_cluster *cluster, const char *bucket, const char *scope, const char *name,
                                      const struct divan_management_options *o, divan_result **out,
                                      struct divan_error *err)
{
    RUN(mgmt_collection_drop, out, home(cluster, bucket), scope, name);
}

enum divan_code divan_collection_list(divan_cluster *cluster, const char *bucket,
                                      const struct divan_management_options *o, divan_result **out,
                                      struct divan_error *err)
{
    RUN(mgmt_bucket, out, "collection_list", "GET", home(cluster, bucket), "/scopes");
}

/* ---- users and groups */

enum divan_code divan_user_upsert(divan_cluster *cluster, const struct divan_user *user,
                                  const struct divan_management_options *o, struct divan_error *err)
{
    RUN(mgmt_user_save, NULL, user);
}

enum divan_code divan_user_drop(divan_cluster *cluster, const char *domain, const char *name,
                                const struct divan_management_options *o, struct divan_error *err)
{
    RUN(mgmt_user, NULL, "user_drop", "DELETE", domain, name);
}

enum divan_code divan_user_get(divan_cluster *cluster, const char *domain, const char *name,
                               const struct divan_management_options *o, divan_result **out, struct divan_error *err)
{
    RUN(mgmt_user, out, "user_get", "GET", domain, name);
}

enum divan_code divan_user_list(divan_cluster *cluster, const char *domain, const struct divan_management_options *o,
                                divan_result **out, struct divan_error *err)
{
    RUN(mgmt_user_list, out, domain);
}

enum divan_code divan_password_change(divan_cluster *cluster, const char *password,
                                      const struct divan_management_options *o, struct divan_error *err)
{
    RUN(mgmt_password, NULL, password);
}

enum divan_code divan_group_upsert(divan_cluster *cluster, const struct divan_group *group,
                                   const struct divan_management_options *o, struct divan_error *err)
{
    RUN(mgmt_group_save, NULL, group);
}

enum divan_code divan_group_drop(divan_cluster *cluster, const char *name, const struct divan_management_options *o,
                                 struct divan_error *err)
{
    RUN(mgmt_group, NULL, "group_drop", "DELETE", name);
}

enum divan_code divan_group_get(divan_cluster *cluster, const char *name, const struct divan_management_options *o,
                                divan_result **out, struct divan_error *err)
{
    RUN(mgmt_group, out, "group_get", "GET", name);
}

enum divan_code divan_group_list(divan_cluster *cluster, const struct divan_management_options *o, divan_result **out,
                                 struct divan_error *err)
{
    RUN(mgmt_plain, out, "group_list", "/settings/rbac/groups", ABOUT_ANYTHING);
}

enum divan_code divan_role_list(divan_cluster *cluster, const struct divan_management_options *o, divan_result **out,
                                struct divan_error *err)
{
    RUN(mgmt_plain, out, "role_list", "/settings/rbac/roles", ABOUT_ANYTHING);
}
