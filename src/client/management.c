#include "client/management.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/error.h"
#include "client/names.h"
#include "text/http.h"

enum { FORM_MAX = 4 << 20, USER_NAME_MAX = 128 };

void mgmt_begin(struct mgmt_call *call, const char *name, const char *method, enum http_subject subject)
{
    memset(call, 0, sizeof *call);
    call->name = name;
    call->method = method;
    call->subject = subject;
    call->content_type = "";
    call->path.limit = call->form.limit = FORM_MAX;
    if (strcmp(method, "GET") && strcmp(method, "DELETE")) call->content_type = "application/x-www-form-urlencoded";
}

void mgmt_bad(struct mgmt_call *call, enum divan_code code, const char *format, ...)
{
    char message[sizeof call->bad.message];
    va_list args;
    if (call->bad.code) return;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    err_set(&call->bad, code, "%s", message);
}

/* ---- pieces */

static void put_segment(struct mgmt_call *call, const char *before, const char *name)
{
    buf_put_str(&call->path, before);
    percent_encode(divan_str(name), false, &call->path);
}

static void put_field(struct mgmt_call *call, const char *name, const char *value)
{
    if (!value) return;
    if (call->form.len) buf_u8(&call->form, '&');
    buf_put_str(&call->form, name);
    buf_u8(&call->form, '=');
    percent_encode(divan_str(value), false, &call->form);
}

static void put_number(struct mgmt_call *call, const char *name, long long value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", value);
    put_field(call, name, text);
}

static void put_choice(struct mgmt_call *call, const char *name, enum divan_choice choice, const char *no,
                       const char *yes)
{
    if ((unsigned)choice > DIVAN_YES)
        mgmt_bad(call, DIVAN_ERR_INVALID_ARGUMENT, "%s is %d, not one of enum divan_choice (0 to 2)", name,
                 (int)choice);
    else if (choice) put_field(call, name, choice == DIVAN_YES ? yes : no);
}

/* A name of an enum, [0] = NULL: not sent. */
static void put_named(struct mgmt_call *call, const char *field, unsigned value, const char *const *names, size_t count)
{
    if (value >= count) mgmt_bad(call, DIVAN_ERR_INVALID_ARGUMENT, "%s has no value %u", field, value);
    else put_field(call, field, names[value]);
}
#define PUT_NAMED(call, field, value, names)                                                                           \
    put_named(call, field, (unsigned)(value), names, sizeof(names) / sizeof(names)[0])

static void put_extra(struct mgmt_call *call, const char *extra)
{
    if (!extra || !*extra) return;
    if (strpbrk(extra, "\r\n "))
        mgmt_bad(call, DIVAN_ERR_HTTP_REQUEST, "extra is no form fields: escape blanks as %%20");
    if (call->form.len) buf_u8(&call->form, '&');
    buf_put_str(&call->form, extra);
}

static void put_list(struct mgmt_call *call, const char *field, const char *const *items, size_t count)
{
    struct buf list = {.limit = FORM_MAX};
    if (count && !items) {
        mgmt_bad(call, DIVAN_ERR_INVALID_ARGUMENT, "%zu %s are announced but the array is NULL", count, field);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!items[i]) {
            mgmt_bad(call, DIVAN_ERR_INVALID_ARGUMENT, "item %zu of %s is NULL", i, field);
            break;
        }
        if (i) buf_u8(&list, ',');
        buf_put_str(&list, items[i]);
    }
    const char *text = buf_text(&list);
    if (text) put_field(call, field, text);
    else call->form.failed = true;
    buf_fini(&list);
}

void mgmt_plain(struct mgmt_call *call, const char *name, const char *path, enum http_subject subject)
{
    mgmt_begin(call, name, "GET", subject);
    buf_put_str(&call->path, path);
}

/* ---- buckets */

static void put_bucket(struct mgmt_call *call, const char *bucket)
{
    struct divan_error err;
    buf_put_str(&call->path, "/pools/default/buckets");
    if (!bucket) mgmt_bad(call, DIVAN_ERR_NO_BUCKET, "no bucket was named");
    else if (check_bucket_name(bucket, &err)) mgmt_bad(call, err.code, "%s", err.message);
    else put_segment(call, "/", bucket);
}

void mgmt_bucket(struct mgmt_call *call, const char *name, const char *method, const char *bucket, const char *behind)
{
    mgmt_begin(call, name, method, ABOUT_BUCKET);
    put_bucket(call, bucket);
    buf_put_str(&call->path, behind);
}

static const char *const bucket_types[] = {"couchbase", "ephemeral"};
static const char *const evictions[] = {NULL, "valueOnly", "fullEviction", "noEviction", "nruEviction"};
static const char *const compressions[] = {NULL, "off", "passive", "active"};
static const char *const conflicts[] = {NULL, "seqno", "lww"};
static const char *const durabilities[] = {NULL, "majority", "majorityAndPersistActive", "persistToMajority"};

static void put_replicas(struct mgmt_call *call, const struct divan_bucket_settings *s, bool create)
{
    if (s->has_replicas == DIVAN_NO && s->replicas)
        mgmt_bad(call, DIVAN_ERR_INVALID_ARGUMENT, "%u replicas were asked for and has_replicas is DIVAN_NO",
                 s->replicas);
    if (s->has_replicas == DIVAN_NO) put_number(call, "replicaNumber", 0);
    else if (s->replicas) put_number(call, "replicaNumber", s->replicas);
    else if (create || s->has_replicas == DIVAN_YES) put_number(call, "replicaNumber", 1);
}

void mgmt_bucket_save(struct mgmt_call *call, const struct divan_bucket_settings *s, bool create)
{
    static const struct divan_bucket_settings none;
    if (!s) s = &none;
    mgmt_bucket(call, create ? "bucket_create" : "bucket_update", "POST", s->name, "");
    if (create) {
        buf_clear(&call->path);
        buf_put_str(&call->path, "/pools/default/buckets");
        put_field(call, "name", s->name);
        PUT_NAMED(call, "bucketType", s->type, bucket_types);
        PUT_NAMED(call, "conflictResolutionType", s->conflict, conflicts);
    }
    if (create || s->ram_quota_mib) put_number(call, "ramQuotaMB", s->ram_quota_mib ? s->ram_quota_mib : 100);
    put_replicas(call, s, create);
    put_choice(call, "flushEnabled", s->flush, "0", "1");
    PUT_NAMED(call, "evictionPolicy", s->eviction, evictions);
    PUT_NAMED(call, "compressionMode", s->compression, compressions);
    PUT_NAMED(call, "durabilityMinLevel", s->min_durability, durabilities);
    if (s->max_expiry_s) put_number(call, "maxTTL", s->max_expiry_s);
    put_extra(call, s->extra);
}

/* ---- scopes and collections */

static const char *or_default(const char *scope)
{
    return scope && *scope ? scope : "_default";
}

static void check_name(struct mgmt_call *call, const char *name, enum divan_code code)
{
    struct divan_error err;
    if (!name || !*name) mgmt_bad(call, code, "the name is missing");
    else if (check_collection_name(name, code, &err)) mgmt_bad(call, err.code, "%s", err.message);
}

void mgmt_scope(struct mgmt_call *call, const char *bucket, const char *scope, bool create)
{
    mgmt_bucket(call, create ? "scope_create" : "scope_drop", create ? "POST" : "DELETE", bucket, "/scopes");
    call->subject = ABOUT_SCOPE;
    check_name(call, scope, DIVAN_ERR_SCOPE_NAME);
    if (call->bad.code) return;
    if (create) put_field(call, "name", scope);
    else put_segment(call, "/", scope);
}

static void put_collections(struct mgmt_call *call, const char *scope)
{
    call->subject = ABOUT_COLLECTION;
    check_name(call, or_default(scope), DIVAN_ERR_SCOPE_NAME);
    put_segment(call, "/", or_default(scope));
    buf_put_str(&call->path, "/collections");
}

static void put_collection(struct mgmt_call *call, const char *scope, const char *name)
{
    put_collections(call, scope);
    check_name(call, name, DIVAN_ERR_COLLECTION_NAME);
    if (!call->bad.code) put_segment(call, "/", name);
}

void mgmt_collection_save(struct mgmt_call *call, const char *bucket, const char *scope, const char *name,
                          const struct divan_collection_settings *s, bool create)
{
    mgmt_bucket(call, create ? "coll_create" : "coll_update", create ? "POST" : "PATCH", bucket, "/scopes");
    if (create) {
        put_collections(call, scope);
        check_name(call, name, DIVAN_ERR_COLLECTION_NAME);
        put_field(call, "name", name);
    } else put_collection(call, scope, name);
    if (!s) return;
    if (s->max_expiry_s < -1 || s->max_expiry_s > INT32_MAX)
        mgmt_bad(call, DIVAN_ERR_EXPIRY_RANGE, "max_expiry_s is %lld: -1 = never, 0 = the bucket's, up to %d",
                 (long long)s->max_expiry_s, INT32_MAX);
    if (s->max_expiry_s || !create) put_number(call, "maxTTL", s->max_expiry_s);
    put_choice(call, "history", s->history, "false", "true");
    put_extra(call, s->extra);
}

void mgmt_collection_drop(struct mgmt_call *call, const char *bucket, const char *scope, const char *name)
{
    mgmt_bucket(call, "collection_drop", "DELETE", bucket, "/scopes");
    put_collection(call, scope, name);
}

/* ---- users and groups */

static void check_who(struct mgmt_call *call, const char *name)
{
    if (!name || !*name) mgmt_bad(call, DIVAN_ERR_USER_NAME, "the name of the user or group is empty");
    else if (strlen(name) > USER_NAME_MAX)
        mgmt_bad(call, DIVAN_ERR_USER_NAME, "the name has %zu bytes, the limit is %d", strlen(name), USER_NAME_MAX);
}

static void put_domain(struct mgmt_call *call, const char *domain)
{
    if (domain && strcmp(domain, "local") && strcmp(domain, "external"))
        mgmt_bad(call, DIVAN_ERR_INVALID_ARGUMENT, "the domain is neither \"local\" nor \"external\"");
    put_segment(call, "/settings/rbac/users/", domain ? domain : "local");
}

void mgmt_user(struct mgmt_call *call, const char *name, const char *method, const char *domain, const char *user)
{
    mgmt_begin(call, name, method, ABOUT_USER);
    check_who(call, user);
    put_domain(call, domain);
    if (!call->bad.code) put_segment(call, "/", user);
}

void mgmt_user_save(struct mgmt_call *call, const struct divan_user *user)
{
    static const struct divan_user none;
    if (!user) user = &none;
    mgmt_user(call, "user_upsert", "PUT", user->domain, user->name);
    put_list(call, "roles", user->roles, user->role_count);
    if (user->group_count) put_list(call, "groups", user->groups, user->group_count);
    put_field(call, "name", user->display_name);
    put_field(call, "password", user->password);
}

void mgmt_user_list(struct mgmt_call *call, const char *domain)
{
    mgmt_begin(call, "user_list", "GET", ABOUT_ANYTHING);
    if (domain) put_domain(call, domain);
    else buf_put_str(&call->path, "/settings/rbac/users");
}

void mgmt_password(struct mgmt_call *call, const char *password)
{
    mgmt_begin(call, "password_change", "POST", ABOUT_USER);
    buf_put_str(&call->path, "/controller/changePassword");
    if (!password) mgmt_bad(call, DIVAN_ERR_CREDENTIALS, "the new password is NULL");
    put_field(call, "password", password);
}

void mgmt_group(struct mgmt_call *call, const char *name, const char *method, const char *group)
{
    mgmt_begin(call, name, method, ABOUT_GROUP);
    check_who(call, group);
    if (!call->bad.code) put_segment(call, "/settings/rbac/groups/", group);
}

void mgmt_group_save(struct mgmt_call *call, const struct divan_group *group)
{
    static const struct divan_group none;
    if (!group) group = &none;
    mgmt_group(call, "group_upsert", "PUT", group->name);
    put_list(call, "roles", group->roles, group->role_count);
    put_field(call, "description", group->description);
    put_field(call, "ldap_group_ref", group->ldap_group);
}
