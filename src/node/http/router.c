/* From a request to its handler: path, identity, permission, form. */
#include <stdio.h>

#include "node/http/routes.h"
#include "node/http/server.h"

enum { SEGMENTS_MAX = 12, PERMISSION_MAX = 700 };

/* ---- paths: segments as sent, decoded one by one, so that an escaped slash stays inside its segment */

struct path {
    struct divan_bytes segments[SEGMENTS_MAX];
    size_t count;
    bool broken;
};

static void split(struct divan_bytes target, struct path *out)
{
    const char *at = target.data;
    size_t end = 0, i = 0;
    *out = (struct path){0};
    while (end < target.len && at[end] != '?') end++;
    while (i < end) {
        size_t from = i + (at[i] == '/');
        for (i = from; i < end && at[i] != '/'; i++) {}
        if (i == from) continue; /* "//", or a slash at the end */
        if (out->count == SEGMENTS_MAX) {
            out->broken = true;
            return;
        }
        out->segments[out->count++] = bytes_of(at + from, i - from);
    }
}

static bool matches(const char *pattern, const struct path *path)
{
    size_t n = 0;
    while (*pattern == '/' && pattern[1]) {
        size_t len = strcspn(++pattern, "/");
        struct divan_bytes want = bytes_of(pattern, len);
        if (n == path->count || (!bytes_is(want, "*") && !bytes_equal(want, path->segments[n]))) return false;
        pattern += len;
        n++;
    }
    return n == path->count;
}

static bool decode(struct exchange *x, struct divan_bytes text, bool form, struct divan_bytes *out)
{
    size_t from = x->text.len;
    if (!percent_decode(text, form, &x->text, NULL)) { /* malformed: taken as it stands */
        x->text.len = from;
        buf_put_bytes(&x->text, text);
    }
    *out = (struct divan_bytes){.data = (void *)(uintptr_t)from,
                                .len = x->text.len - from}; /* an offset until place() */
    buf_u8(&x->text, 0);
    return !x->text.failed;
}

/* The text has stopped moving: offsets become pointers. */
static void place(struct exchange *x, struct divan_bytes *b)
{
    b->data = x->text.data + (uintptr_t)b->data;
}

static void capture(struct exchange *x, const char *pattern, const struct path *path)
{
    for (size_t n = 0; *pattern == '/' && pattern[1]; n++) {
        size_t len = strcspn(++pattern, "/");
        if (len == 1 && *pattern == '*' && x->arg_count < EXCHANGE_ARGS)
            decode(x, path->segments[n], false, &x->args[x->arg_count++]);
        pattern += len;
    }
}

/* ---- forms */

static void take_form(struct exchange *x, struct divan_bytes form, bool query)
{
    struct buf key = {.limit = 1 << 20}, value = {.limit = 1 << 20};
    while (x->field_count < EXCHANGE_FIELDS && form_next(&form, &key, &value)) {
        struct manager_field *f = &x->fields[x->field_count++];
        size_t from = x->text.len;
        if (query) buf_u8(&x->text, '?');
        buf_put_bytes(&x->text, buf_view(&key));
        f->name = (struct divan_bytes){.data = (void *)(uintptr_t)from, .len = x->text.len - from};
        from = x->text.len;
        buf_put_bytes(&x->text, buf_view(&value));
        f->value = (struct divan_bytes){.data = (void *)(uintptr_t)from, .len = x->text.len - from};
    }
    if (key.failed || value.failed) x->text.failed = true;
    buf_fini(&key);
    buf_fini(&value);
}

static bool is_form(const struct http_message *m)
{
    return !http_header(m, "content-type").data || http_content_is(m, "application/x-www-form-urlencoded");
}

/* ---- the answer when there is no route: each method has its own in the real server */

static void no_route(struct exchange *x)
{
    struct divan_bytes method = x->request->method;
    if (bytes_is(method, "GET") || bytes_is(method, "HEAD")) x_text(x, 404, "Not found.");
    else if (bytes_is(method, "POST")) x_not_found(x);
    else if (bytes_is(method, "PUT") || bytes_is(method, "DELETE") || bytes_is(method, "PATCH"))
        x_text(x, 404, "Object Not Found");
    else x_text(x, 405, "Method Not Allowed");
}

/* ---- rights */

static void put_permission(const struct exchange *x, const char *pattern, char out[PERMISSION_MAX])
{
    size_t n = 0;
    for (; *pattern && n + 1 < PERMISSION_MAX; pattern++) {
        if (*pattern != '$') {
            out[n++] = *pattern;
            continue;
        }
        struct divan_bytes arg = x->args[*++pattern - '0'];
        size_t len = arg.len < PERMISSION_MAX - 1 - n ? arg.len : PERMISSION_MAX - 1 - n;
        memcpy(out + n, arg.data, len);
        n += len;
    }
    out[n] = 0;
}

/* true: may go on. */
static bool permitted(struct exchange *x, const struct route *route, enum auth_verdict verdict)
{
    char permission[PERMISSION_MAX];
    bool unprovisioned = !x->doc->provisioned;
    if (verdict == AUTH_WRONG) {
        x_unauthorized(x);
        return false;
    }
    if (!route->permission || unprovisioned) return true;
    if (!route->permission[0]) {
        if (verdict == AUTH_SOMEBODY) return true;
        x_unauthorized(x);
        return false;
    }
    put_permission(x, route->permission, permission);
    if (identity_may(&x->who, permission)) return true;
    if (identity_has_roles(&x->who)) x_forbidden(x, permission);
    else x_unauthorized(x); /* nobody, or somebody with no rights at all */
    return false;
}

static bool same_cluster(struct exchange *x)
{
    struct divan_bytes uuid = x_field(x, "?uuid");
    if (!uuid.data || bytes_is(uuid, x->doc->uuid)) return true;
    x_text(x, 404, "Cluster uuid does not match the requested.\r\n");
    return false;
}

/* ---- dispatch */

static const struct route *find(const struct exchange *x, enum rest_service service, const struct path *path)
{
    bool views = service == REST_VIEWS;
    const struct route *routes = views ? views_routes : management_routes;
    size_t count = views ? views_route_count : management_route_count;
    struct divan_bytes method = x->request->method;
    if (bytes_is(method, "HEAD")) method = divan_str("GET");
    for (size_t i = 0; i < count && !path->broken; i++)
        if (bytes_is(method, routes[i].method) && matches(routes[i].pattern, path)) return &routes[i];
    return NULL;
}

void router_dispatch(struct exchange *x, enum rest_service service)
{
    struct path path;
    split(x->request->target, &path);
    const struct route *route = find(x, service, &path);
    if (!route) {
        service == REST_VIEWS
            ? x_json_text(x, 404, "{\"error\":\"not_found\",\"reason\":\"this cluster has no views yet\"}")
            : no_route(x);
        return;
    }
    struct buf name = {.limit = 4096};
    enum auth_verdict verdict = auth_identify(&x->rest->auth, x->doc, x->request, &x->who, &name);
    capture(x, route->pattern, &path);
    take_form(x, x->request->query, true);
    if (is_form(x->request)) take_form(x, x->request->body, false);
    size_t name_at = x->text.len;
    buf_put_bytes(&x->text, buf_view(&name));
    buf_u8(&x->text, 0);
    buf_fini(&name);
    if (x->text.failed) {
        x_text(x, 413, "the request is too large\n");
        return;
    }
    for (size_t i = 0; i < x->arg_count; i++) place(x, &x->args[i]);
    for (size_t i = 0; i < x->field_count; i++) place(x, &x->fields[i].name), place(x, &x->fields[i].value);
    x->user = (const char *)x->text.data + name_at;

    if (!permitted(x, route, verdict) || !same_cluster(x)) return;
    if (route->handler) route->handler(x);
    else x_forward(x, route->op);
}
