/* Users, groups, roles, permissions. */
#include <stdio.h>

#include "node/http/calendar.h"
#include "node/http/render.h"
#include "node/http/routes.h"
#include "node/http/server.h"

/* ---- roles with where they come from */

struct origin_list {
    const struct identity *who;
    struct buf *out;
};

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_role(const struct doc_role *a, const struct doc_role *b)
{
    return same_text(a->role, b->role) && same_text(a->bucket, b->bucket) && same_text(a->scope, b->scope) &&
           same_text(a->collection, b->collection);
}

static void put_role_fields(struct buf *out, const struct doc_role *r)
{
    jw_str(out, "role", r->role);
    if (r->bucket) jw_str(out, "bucket_name", r->bucket);
    if (r->scope) jw_str(out, "scope_name", r->scope);
    if (r->collection) jw_str(out, "collection_name", r->collection);
}

struct origin_search {
    const struct doc_role *role;
    struct buf *out; /* NULL: only look for an earlier one */
    const struct doc_role *first;
};

static void put_origin(void *user, const struct doc_role *r, const char *group)
{
    struct origin_search *s = user;
    if (!same_role(r, s->role)) return;
    if (!s->first) s->first = r;
    if (!s->out) return;
    jw_open(s->out, NULL, '{');
    jw_str(s->out, "type", group ? "group" : "user");
    if (group) jw_str(s->out, "name", group);
    jw_close(s->out, '}');
}

/* A role that comes from several places is shown once, with all of them. */
static void put_role(void *user, const struct doc_role *r, const char *group)
{
    struct origin_list *l = user;
    struct origin_search seen = {.role = r};
    identity_each_role(l->who, put_origin, &seen);
    if (seen.first != r) return;
    jw_open(l->out, NULL, '{');
    put_role_fields(l->out, r);
    jw_open(l->out, "origins", '[');
    identity_each_role(l->who, put_origin, &(struct origin_search){.role = r, .out = l->out});
    jw_close(l->out, ']');
    jw_close(l->out, '}');
}

/* ---- users */

static void put_user(const struct doc *d, const struct doc_user *u, struct buf *out)
{
    char date[40];
    struct identity who = {.doc = d, .user = u};
    struct origin_list list = {&who, out};
    jw_open(out, NULL, '{');
    jw_str(out, "id", u->id);
    jw_str(out, "domain", u->external ? "external" : "local");
    jw_open(out, "roles", '[');
    identity_each_role(&who, put_role, &list);
    jw_close(out, ']');
    if (u->name[0]) jw_str(out, "name", u->name);
    jw_open(out, "groups", '[');
    for (size_t i = 0; i < u->group_count; i++) jw_str(out, NULL, u->groups[i]);
    jw_close(out, ']');
    jw_raw(out, "external_groups", "[]");
    jw_str(out, "uuid", u->uuid);
    if (u->changed) jw_str(out, "password_change_date", calendar_iso(u->password_changed_ms, date, sizeof date));
    jw_close(out, '}');
}

enum domain { DOMAIN_ANY, DOMAIN_LOCAL, DOMAIN_EXTERNAL, DOMAIN_BOGUS };

static enum domain domain_of(struct divan_bytes word)
{
    return bytes_is(word, "local") ? DOMAIN_LOCAL : bytes_is(word, "external") ? DOMAIN_EXTERNAL : DOMAIN_BOGUS;
}

static bool in_domain(const struct doc_user *u, enum domain d)
{
    return d == DOMAIN_ANY || (d == DOMAIN_EXTERNAL) == u->external;
}

static void put_page_link(struct buf *out, const char *key, int64_t size, const struct doc_user *from)
{
    jw_printf(out, key, "/settings/rbac/users?pageSize=%lld&sortBy=id&order=asc&startFromDomain=%s&startFrom=%.128s",
              (long long)size, from->external ? "external" : "local", from->id);
}

/* One page of the users, which are sorted by id. */
static void put_page(struct exchange *x, enum domain domain, int64_t size)
{
    const struct doc *d = x->doc;
    struct buf *out = &x->body;
    struct divan_bytes from = x_field(x, "?startFrom");
    const struct doc_user *next = NULL, *last = NULL;
    int64_t total = 0, skipped = 0, shown = 0;
    for (size_t i = 0; i < d->user_count; i++) {
        const struct doc_user *u = &d->users[i];
        if (!in_domain(u, domain)) continue;
        total++;
        if (from.data && bytes_compare(divan_str(u->id), from) < 0) {
            skipped++;
            continue;
        }
        if (shown++ == size) next = u;
        if (shown > size && (shown - 1) % size == 0) last = u;
    }
    jw_open(out, NULL, '{');
    jw_int(out, "total", total);
    jw_open(out, "links", '{');
    if (next) put_page_link(out, "next", size, next);
    if (last) put_page_link(out, "last", size, last);
    jw_close(out, '}');
    jw_int(out, "skipped", skipped);
    jw_open(out, "users", '[');
    for (size_t i = 0, n = 0; i < d->user_count && n < (size_t)size; i++) {
        const struct doc_user *u = &d->users[i];
        if (!in_domain(u, domain) || (from.data && bytes_compare(divan_str(u->id), from) < 0)) continue;
        put_user(d, u, out);
        n++;
    }
    jw_close(out, ']');
    jw_close(out, '}');
    x_json(x, 200);
}

static void list_users(struct exchange *x, enum domain domain)
{
    int64_t size = x_number(x, "?pageSize", 0);
    if (size > 0) {
        put_page(x, domain, size);
        return;
    }
    jw_open(&x->body, NULL, '[');
    for (size_t i = 0; i < x->doc->user_count; i++)
        if (in_domain(&x->doc->users[i], domain)) put_user(x->doc, &x->doc->users[i], &x->body);
    jw_close(&x->body, ']');
    x_json(x, 200);
}

void get_users(struct exchange *x)
{
    list_users(x, DOMAIN_ANY);
}

void get_users_domain(struct exchange *x)
{
    enum domain domain = domain_of(x->args[0]);
    if (domain == DOMAIN_BOGUS) x_json_text(x, 404, "\"Unknown user domain.\"");
    else list_users(x, domain);
}

void get_user(struct exchange *x)
{
    enum domain domain = domain_of(x->args[0]);
    const struct doc_user *u = doc_find_user(x->doc, x->args[1], domain == DOMAIN_EXTERNAL);
    if (domain == DOMAIN_BOGUS || !u) {
        x_json_text(x, 404, domain == DOMAIN_BOGUS ? "\"Unknown user domain.\"" : "\"Unknown user.\"");
        return;
    }
    put_user(x->doc, u, &x->body);
    x_json(x, 200);
}

/* ---- groups */

static void put_group(const struct doc_group *g, struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_str(out, "id", g->id);
    jw_open(out, "roles", '[');
    for (size_t i = 0; i < g->role_count; i++) {
        jw_open(out, NULL, '{');
        put_role_fields(out, &g->roles[i]);
        jw_close(out, '}');
    }
    jw_close(out, ']');
    if (g->ldap_ref[0]) jw_str(out, "ldap_group_ref", g->ldap_ref);
    if (g->description[0]) jw_str(out, "description", g->description);
    jw_close(out, '}');
}

void get_groups(struct exchange *x)
{
    jw_open(&x->body, NULL, '[');
    for (size_t i = 0; i < x->doc->user_group_count; i++) put_group(&x->doc->user_groups[i], &x->body);
    jw_close(&x->body, ']');
    x_json(x, 200);
}

void get_group(struct exchange *x)
{
    const struct doc_group *g = doc_find_group(x->doc, x->args[0]);
    if (!g) {
        x_json_text(x, 404, "\"Unknown group.\"");
        return;
    }
    put_group(g, &x->body);
    x_json(x, 200);
}

/* ---- roles */

static void put_role_info(const struct role_info *r, struct buf *out)
{
    jw_open(out, NULL, '{');
    jw_str(out, "role", r->role);
    if (r->params >= ROLE_BUCKET) jw_str(out, "bucket_name", "*");
    if (r->params >= ROLE_SCOPE) jw_str(out, "scope_name", "*");
    if (r->params >= ROLE_COLLECTION) jw_str(out, "collection_name", "*");
    jw_str(out, "name", r->name);
    jw_str(out, "desc", r->desc);
    jw_close(out, '}');
}

/* Whether a role as such would hold a permission: asked of a user who has nothing else. */
static bool role_may(const struct doc *d, const struct role_info *r, const char *permission)
{
    struct doc_role role = {.role = r->role,
                            .bucket = r->params >= ROLE_BUCKET ? "*" : NULL,
                            .scope = r->params >= ROLE_SCOPE ? "*" : NULL,
                            .collection = r->params >= ROLE_COLLECTION ? "*" : NULL};
    struct doc_user user = {.id = "", .name = "", .roles = &role, .role_count = 1};
    return identity_may(&(struct identity){.doc = d, .user = &user}, permission);
}

void get_roles(struct exchange *x)
{
    struct divan_bytes permission = x_field(x, "?permission");
    jw_open(&x->body, NULL, '[');
    for (size_t i = 0; i < role_table_count; i++)
        if (!permission.data || role_may(x->doc, &role_table[i], permission.data))
            put_role_info(&role_table[i], &x->body);
    jw_close(&x->body, ']');
    x_json(x, 200);
}

/* ---- permissions of whoever asks */

void check_permissions(struct exchange *x)
{
    struct divan_bytes left = x->request->body;
    struct buf *out = &x->body, malformed = {.limit = 4096};
    jw_open(out, NULL, '{');
    while (left.len) {
        const char *comma = memchr(left.data, ',', left.len);
        size_t n = comma ? (size_t)(comma - (const char *)left.data) : left.len;
        struct divan_bytes one = bytes_slice(left, 0, n);
        char text[300];
        snprintf(text, sizeof text, "%.*s", (int)(n < 299 ? n : 299), (const char *)one.data);
        if (!permission_is_valid(one)) {
            if (malformed.len) buf_u8(&malformed, ',');
            buf_put_bytes(&malformed, one);
        }
        jw_comma(out);
        json_put_string(out, one);
        buf_put_str(out, identity_may(&x->who, text) ? ":true" : ":false");
        left = bytes_slice(left, n + (comma != NULL), left.len);
    }
    jw_close(out, '}');
    unsigned status = 200;
    if (malformed.len) {
        status = 400;
        buf_clear(out);
        jw_printf(out, NULL, "Malformed permissions: [%.400s].", buf_text(&malformed));
    }
    buf_fini(&malformed);
    x_json(x, status);
}

void change_password(struct exchange *x)
{
    x_forward(x, "change_password");
}

/* ---- what the web console keeps: nothing here */

void get_profiles(struct exchange *x)
{
    x_json_text(x, 200, "[]");
}
void get_profile(struct exchange *x)
{
    x_json_text(x, 404, "\"UI profile was not found.\"");
}
