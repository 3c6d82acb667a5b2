#include "manager/plan_parts.h"

#include <stdarg.h>
#include <stdio.h>

#include "manager/json_writer.h"
#include "manager/keys.h"

static const struct {
    const char *op;
    plan_fn *fn;
} ops[] = {
    {"cluster_init", plan_cluster_init},
    {"pools_default", plan_pools_default},
    {"web", plan_web},
    {"services", plan_services},
    {"rename", plan_rename},
    {"paths", plan_paths},
    {"alternate_set", plan_alternate_set},
    {"alternate_clear", plan_alternate_clear},
    {"auto_failover", plan_auto_failover},
    {"auto_failover_reset", plan_auto_failover_reset},
    {"setting", plan_setting},
    {"rebalance", plan_rebalance},
    {"stop_rebalance", plan_stop_rebalance},
    {"fail_over", plan_fail_over},
    {"start_fail_over", plan_start_fail_over},
    {"graceful_fail_over", plan_graceful_fail_over},
    {"recovery_type", plan_recovery_type},
    {"re_add", plan_re_add},
    {"re_fail_over", plan_re_fail_over},
    {"eject", plan_eject},
    {"add_node", plan_add_node},
    {"ask_to_join", plan_ask_to_join},
    {"node_joins", plan_node_joins},
    {"node_hello", plan_node_hello},
    {"expect_nodes", plan_expect_nodes},
    {"group_add", plan_group_add},
    {"group_rename", plan_group_rename},
    {"group_delete", plan_group_delete},
    {"bucket_create", plan_bucket_create},
    {"bucket_edit", plan_bucket_edit},
    {"bucket_delete", plan_bucket_delete},
    {"bucket_flush", plan_bucket_flush},
    {"scope_create", plan_scope_create},
    {"scope_drop", plan_scope_drop},
    {"collection_create", plan_collection_create},
    {"collection_edit", plan_collection_edit},
    {"collection_drop", plan_collection_drop},
    {"manifest_put", plan_manifest_put},
    {"user_put", plan_user_put},
    {"user_patch", plan_user_patch},
    {"user_delete", plan_user_delete},
    {"user_group_put", plan_user_group_put},
    {"user_group_delete", plan_user_group_delete},
    {"change_password", plan_change_password},
};

/* ---- the request */

struct divan_bytes plan_field(const struct plan *p, const char *name)
{
    for (size_t i = 0; i < p->req->form_count; i++)
        if (bytes_is(p->req->form[i].name, name)) {
            struct divan_bytes value = p->req->form[i].value;
            return value.data ? value : divan_str("");
        }
    return (struct divan_bytes){NULL, 0};
}

struct divan_bytes plan_arg(const struct plan *p, size_t i)
{
    return i < p->req->arg_count ? p->req->args[i] : (struct divan_bytes){NULL, 0};
}

bool plan_to_int(struct divan_bytes text, int64_t *out)
{
    const char *at = text.data;
    size_t i = text.len && at[0] == '-';
    int64_t n = 0;
    if (i == text.len || text.len > 18) return false;
    for (; i < text.len; i++) {
        if (at[i] < '0' || at[i] > '9') return false;
        n = n * 10 + (at[i] - '0');
    }
    *out = at[0] == '-' ? -n : n;
    return true;
}

void plan_only(struct plan *p, const char *const *names)
{
    for (size_t i = 0; i < p->req->form_count; i++) {
        struct divan_bytes name = p->req->form[i].name;
        bool known = name.len && *(const char *)name.data == '?';
        for (const char *const *n = names; *n && !known; n++) known = bytes_is(name, *n);
        char text[100];
        snprintf(text, sizeof text, "%.*s", (int)(name.len < 99 ? name.len : 99), (const char *)name.data);
        if (!known) plan_error(p, text, "Unsupported key");
    }
}

/* ---- the answer */

void plan_error(struct plan *p, const char *field, const char *format, ...)
{
    uint64_t hash = 14695981039346656037u;
    for (const char *c = field; *c; c++) hash = (hash ^ (uint8_t)*c) * 1099511628211u;
    for (size_t i = 0; i < p->error_count; i++)
        if (p->error_hashes[i] == hash) return;
    if (p->error_count == sizeof p->error_hashes / sizeof *p->error_hashes) return;
    p->error_hashes[p->error_count++] = hash;

    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (p->errors.len) buf_u8(&p->errors, ',');
    json_put_str(&p->errors, field);
    buf_u8(&p->errors, ':');
    json_put_str(&p->errors, text);
}

bool plan_refuse(struct plan *p, int status)
{
    if (!plan_failed(p)) return false;
    p->reply->status = status;
    p->reply->json = true;
    buf_put_str(&p->reply->body, "{\"errors\":{");
    buf_put_bytes(&p->reply->body, buf_view(&p->errors));
    buf_put_str(&p->reply->body, "}}");
    return true;
}

void plan_answer(struct plan *p, int status)
{
    p->reply->status = status;
}

void plan_answer_text(struct plan *p, int status, const char *text)
{
    p->reply->status = status;
    buf_put_str(&p->reply->body, text);
}

void plan_answer_json(struct plan *p, int status, const char *format, ...)
{
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    p->reply->status = status;
    p->reply->json = true;
    buf_put_str(&p->reply->body, text);
}

void plan_answer_not_found(struct plan *p)
{
    plan_answer_text(p, 404, "Requested resource not found.\r\n");
}

void plan_reply_fini(struct plan_reply *r)
{
    buf_fini(&r->body);
    *r = (struct plan_reply){0};
}

/* ---- shared checks */

int plan_bool(struct plan *p, const char *field)
{
    struct divan_bytes v = plan_field(p, field);
    if (bytes_is(v, "true")) return 1;
    if (bytes_is(v, "false")) return 0;
    plan_error(p, field, "The value must be one of the following: [true,false]");
    return PLAN_BAD;
}

bool plan_password_fits(struct plan *p, const char *field, bool required)
{
    struct divan_bytes v = plan_field(p, field);
    if (!v.data && !required) return true;
    if (!v.data) plan_error(p, field, "The value must be supplied");
    else if (v.len < 6) plan_error(p, field, "The password must be at least 6 characters long.");
    else if (v.len > 1024) plan_error(p, field, "The password must be at most 1024 characters long.");
    else return true;
    return false;
}

const char *plan_name_flaw(struct divan_bytes name, bool group)
{
    if (!name.len) return group ? "Group name must not be empty" : "Username must not be empty";
    if (name.len > 128)
        return group ? "Group name may not exceed 128 characters" : "Username may not exceed 128 characters";
    const uint8_t *at = name.data;
    for (size_t i = 0; i < name.len; i++)
        if (at[i] <= ' ' || at[i] == 0x7f || strchr("()<>,;:\\\"/[]?={}", at[i]))
            return group ? "Group name must not contain spaces, control or any of ()<>,;:\\\"/[]?={} characters and "
                           "must be "
                           "valid utf8"
                         : "Username must not contain spaces, control or any of ()<>,;:\\\"/[]?={} characters and must "
                           "be "
                           "valid utf8";
    return NULL;
}

/* ---- things of the document */

const char *plan_uuid(struct plan *p, bool dashes)
{
    uint64_t a = rng_u64(p->rng), b = rng_u64(p->rng);
    char text[40];
    if (dashes)
        snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
                 (unsigned)(a & 0xfff), (unsigned)(b >> 48 & 0x3fff) | 0x8000,
                 (unsigned long long)(b & 0xffffffffffff));
    else snprintf(text, sizeof text, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
    return doc_text(p->doc, text);
}

bool plan_found(struct doc *d, struct rng *rng)
{
    struct plan p = {.doc = d, .rng = rng};
    d->uuid = plan_uuid(&p, false);
    d->secret = plan_uuid(&p, false);
    return !doc_failed(d);
}

size_t plan_active_nodes(const struct doc *d)
{
    size_t n = 0;
    for (size_t i = 0; i < d->node_count; i++) n += d->nodes[i].membership == DOC_ACTIVE;
    return n > d->expected_nodes ? n : d->expected_nodes;
}

struct doc_node *plan_self(const struct plan *p)
{
    return p->req->node ? doc_find_node(p->doc, p->req->node) : NULL;
}

bool plan_set_admin(struct plan *p, struct divan_bytes user, struct divan_bytes password, const char *field)
{
    struct divan_error err = {0};
    if (keys_derive(password, p->doc->admin_keys, &err)) {
        plan_error(p, field, "%s", err.message);
        return false;
    }
    p->doc->admin = doc_text_of(p->doc, user);
    p->doc->provisioned = true;
    return true;
}

/* ---- running */

/* Every change raises the revision of the document; a configuration gets it only when it says something new, so that
 * clients hear of nothing they cannot see. */
void plan_raise_revisions(const struct doc *now, struct doc *next)
{
    next->revision.rev = now->revision.rev + 1;
    if (!doc_same_global_config(now, next)) next->nodes_rev = next->revision.rev;
    for (size_t i = 0; i < next->bucket_count; i++) {
        struct doc_bucket *b = &next->buckets[i];
        const struct doc_bucket *before = doc_find_bucket_uuid(now, b->uuid);
        if (!before || !doc_same_bucket_config(now, before, next, b)) b->rev = next->revision.rev;
    }
}

static void run(struct plan *p)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].op, p->req->op) == 0) {
            ops[i].fn(p);
            return;
        }
    plan_answer_text(p, 404, "Not found.");
}

void plan_run(const struct plan_input *in, struct doc **next, struct plan_reply *reply)
{
    struct plan p = {.doc = doc_copy(in->now),
                     .req = in->request,
                     .rng = in->rng,
                     .wall_ms = in->wall_ms,
                     .reply = reply,
                     .errors = {.limit = 64 * 1024}};
    *next = NULL;
    *reply = (struct plan_reply){.status = 500, .body = {.limit = 16 << 20}};
    if (p.doc) run(&p);
    if (!p.doc || doc_failed(p.doc) || p.errors.failed || reply->body.failed) {
        plan_reply_fini(reply);
        *reply = (struct plan_reply){.status = 500, .json = true, .body = {.limit = 4096}};
        buf_put_str(&reply->body, "[\"Unexpected server error, request logged.\"]");
    } else if (p.changed && reply->status < 300) {
        plan_raise_revisions(in->now, p.doc);
        *next = p.doc, p.doc = NULL;
    }
    buf_fini(&p.errors);
    doc_release(p.doc);
}
