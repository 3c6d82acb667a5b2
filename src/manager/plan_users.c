/* Users, groups, passwords. */
#include <stdio.h>

#include "manager/keys.h"
#include "manager/plan_parts.h"
#include "manager/roles.h"

/* ---- lists in one field: "a,b[c:d],e" */

static struct divan_bytes next_item(struct divan_bytes *list)
{
    const char *at = list->data;
    size_t n = 0, open = 0;
    while (n < list->len && (at[n] != ',' || open)) open += at[n] == '[', open -= open && at[n] == ']', n++;
    struct divan_bytes item = bytes_slice(*list, 0, n);
    *list = bytes_slice(*list, n + (n < list->len), list->len);
    while (item.len && *(const char *)item.data == ' ') item = bytes_slice(item, 1, item.len);
    while (item.len && ((const char *)item.data)[item.len - 1] == ' ') item.len--;
    return item;
}

struct role_list {
    struct doc_role *roles;
    size_t count;
};

static void note_bad(struct buf *bad, struct divan_bytes role)
{
    if (bad->len) buf_u8(bad, ',');
    buf_put_bytes(bad, role);
}

static struct role_list take_roles(struct plan *p)
{
    struct role_list out = {0};
    struct buf malformed = {.limit = 500}, undefined = {.limit = 500};
    for (struct divan_bytes list = plan_field(p, "roles"); list.len;) {
        struct divan_bytes text = next_item(&list);
        struct doc_role role = {0};
        if (!text.len) continue;
        enum role_verdict verdict = role_parse(p->doc, text, &role);
        struct doc_role *place = verdict == ROLE_FINE
                                     ? doc_insert(p->doc, &out.roles, &out.count, out.count, sizeof role)
                                     : NULL;
        if (place) *place = role;
        if (verdict != ROLE_FINE) note_bad(verdict == ROLE_MALFORMED ? &malformed : &undefined, text);
    }
    if (malformed.len || undefined.len)
        plan_error(p, "roles",
                   "Cannot assign roles to user because the following roles are unknown, malformed or role parameters "
                   "are undefined: [%.*s%s%.*s]",
                   (int)malformed.len, malformed.data ? (char *)malformed.data : "",
                   malformed.len && undefined.len ? "," : "", (int)undefined.len,
                   undefined.data ? (char *)undefined.data : "");
    buf_fini(&malformed);
    buf_fini(&undefined);
    return out;
}

static void take_groups(struct plan *p, struct doc_user *u)
{
    struct buf missing = {.limit = 500};
    u->groups = NULL, u->group_count = 0;
    for (struct divan_bytes list = plan_field(p, "groups"); list.len;) {
        struct divan_bytes name = next_item(&list);
        if (!name.len) continue;
        const struct doc_group *g = doc_find_group(p->doc, name);
        const char **place = g ? doc_insert(p->doc, &u->groups, &u->group_count, u->group_count, sizeof *place) : NULL;
        if (place) *place = g->id;
        if (!g) note_bad(&missing, name);
    }
    if (missing.len) plan_error(p, "groups", "Groups do not exist: %.*s", (int)missing.len, (char *)missing.data);
    buf_fini(&missing);
}

static void set_password(struct plan *p, struct doc_user *u, struct divan_bytes password)
{
    struct divan_error err = {0};
    if (keys_derive(password, u->keys, &err)) {
        plan_error(p, "password", "%s", err.message);
        return;
    }
    u->changed = true;
    u->password_changed_ms = p->wall_ms;
}

/* ---- users: args are domain and id */

static bool take_domain(struct plan *p, bool *external)
{
    struct divan_bytes domain = plan_arg(p, 0);
    *external = bytes_is(domain, "external");
    if (*external || bytes_is(domain, "local")) return true;
    plan_answer_json(p, 404, "\"Unknown user domain.\"");
    return false;
}

static size_t user_place(const struct doc *d, struct divan_bytes id, bool external)
{
    size_t at = 0;
    for (; at < d->user_count; at++) {
        int order = bytes_compare(divan_str(d->users[at].id), id);
        if (order > 0 || (order == 0 && d->users[at].external >= external)) break;
    }
    return at;
}

static void answer_empty_string(struct plan *p)
{
    p->changed = true;
    plan_answer_json(p, 200, "\"\"");
}

void plan_user_put(struct plan *p)
{
    static const char *const local_fields[] = {"name", "roles", "groups", "password", NULL};
    static const char *const external_fields[] = {"name", "roles", "groups", NULL};
    bool external;
    if (!take_domain(p, &external)) return;
    struct divan_bytes id = plan_arg(p, 1), password = plan_field(p, "password"), name = plan_field(p, "name");
    struct doc_user *old = doc_find_user(p->doc, id, external), u = {.name = ""};
    if (old) u = *old;

    const char *flaw = plan_name_flaw(id, false);
    if (flaw) plan_error(p, "_", "%s", flaw);
    plan_only(p, external ? external_fields : local_fields);
    if (!external && !old && !password.data) plan_error(p, "password", "Password is required for new user.");
    bool fits = external || plan_password_fits(p, "password", false);
    struct role_list roles = take_roles(p);
    u.roles = roles.roles, u.role_count = roles.count;
    take_groups(p, &u);
    if (plan_refuse(p, 400)) return;

    if (!old) u.id = doc_text_of(p->doc, id), u.uuid = plan_uuid(p, true), u.external = external;
    u.name = name.data ? doc_text_of(p->doc, name) : "";
    if (!external && fits && password.data) set_password(p, &u, password);
    if (plan_refuse(p, 400)) return;
    if (!old)
        old = doc_insert(p->doc, &p->doc->users, &p->doc->user_count, user_place(p->doc, id, external), sizeof *old);
    if (old) *old = u;
    answer_empty_string(p);
}

void plan_user_patch(struct plan *p)
{
    static const char *const known[] = {"password", NULL};
    bool external;
    if (!take_domain(p, &external)) return;
    struct doc_user *u = doc_find_user(p->doc, plan_arg(p, 1), external);
    plan_only(p, known);
    plan_password_fits(p, "password", true);
    if (plan_refuse(p, 400)) return;
    if (!u || external) {
        plan_answer_json(p, 404, "\"User was not found.\"");
        return;
    }
    set_password(p, u, plan_field(p, "password"));
    if (!plan_refuse(p, 400)) answer_empty_string(p);
}

void plan_user_delete(struct plan *p)
{
    bool external;
    if (!take_domain(p, &external)) return;
    struct doc_user *u = doc_find_user(p->doc, plan_arg(p, 1), external);
    if (!u) {
        plan_answer_json(p, 404, "\"User was not found.\"");
        return;
    }
    doc_remove(p->doc->users, &p->doc->user_count, (size_t)(u - p->doc->users), sizeof *u);
    answer_empty_string(p);
}

/* A user changes his own. */
void plan_change_password(struct plan *p)
{
    struct divan_bytes id = divan_str(p->req->user), password = plan_field(p, "password");
    struct doc_user *u = doc_find_user(p->doc, id, false);
    plan_password_fits(p, "password", true);
    if (plan_refuse(p, 400)) return;
    if (bytes_is(id, p->doc->admin) && id.len) plan_set_admin(p, id, password, "password");
    else if (u && !p->req->external) set_password(p, u, password);
    else {
        plan_answer_text(p, 404, "Changing of password is not allowed for this user.");
        return;
    }
    if (!plan_refuse(p, 400)) plan_done(p);
}

/* ---- groups */

void plan_user_group_put(struct plan *p)
{
    static const char *const known[] = {"description", "roles", "ldap_group_ref", NULL};
    struct divan_bytes id = plan_arg(p, 0), description = plan_field(p, "description"),
                       ldap = plan_field(p, "ldap_group_ref");
    struct doc_group *old = doc_find_group(p->doc, id), g = {0};
    const char *flaw = plan_name_flaw(id, true);
    if (flaw) plan_error(p, "_", "%s", flaw);
    plan_only(p, known);
    if (!plan_has(p, "roles")) plan_error(p, "roles", "The value must be supplied");
    struct role_list roles = take_roles(p);
    if (plan_refuse(p, 400)) return;

    g = (struct doc_group){.id = old ? old->id : doc_text_of(p->doc, id),
                           .description = doc_text_of(p->doc, description),
                           .ldap_ref = doc_text_of(p->doc, ldap),
                           .roles = roles.roles,
                           .role_count = roles.count};
    size_t at = 0;
    while (at < p->doc->user_group_count && bytes_compare(divan_str(p->doc->user_groups[at].id), id) < 0) at++;
    if (!old) old = doc_insert(p->doc, &p->doc->user_groups, &p->doc->user_group_count, at, sizeof *old);
    if (old) *old = g;
    answer_empty_string(p);
}

static void leave_group(struct doc_user *u, const char *id)
{
    for (size_t i = 0; i < u->group_count; i++)
        if (strcmp(u->groups[i], id) == 0) doc_remove(u->groups, &u->group_count, i, sizeof *u->groups), i--;
}

void plan_user_group_delete(struct plan *p)
{
    struct doc_group *g = doc_find_group(p->doc, plan_arg(p, 0));
    if (!g) {
        plan_answer_json(p, 404, "\"Group was not found.\"");
        return;
    }
    for (size_t i = 0; i < p->doc->user_count; i++) leave_group(&p->doc->users[i], g->id);
    doc_remove(p->doc->user_groups, &p->doc->user_group_count, (size_t)(g - p->doc->user_groups), sizeof *g);
    answer_empty_string(p);
}
