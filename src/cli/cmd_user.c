#include <stdio.h>

#include "base/error.h"
#include "cli/manage.h"
#include "cli/value.h"

static const char *const domains[] = {"local", "external", NULL};

struct user_args {
    struct manage_args manage;
    struct opt_choice domain;
    const char *password, *full_name;
    struct opt_list roles, groups;
};

#define ROW(...) OPT(struct user_args, __VA_ARGS__)
static const struct opt_row settings_rows[] = {
    ROW(password, "new-password", 0, OPT_TEXT, "TEXT",
        "of the user, 6 characters or more; @FILE takes it from a file, - from standard input",
        .env = "DIVAN_NEW_PASSWORD"),
    ROW(roles, "role", 'r', OPT_LIST, "ROLE",
        "what the user may do, as in admin, data_reader[shop] or "
        "data_writer[shop:inventory:hotels]"),
    ROW(groups, "group", 'g', OPT_LIST, "NAME", "a group the user is in"),
    ROW(full_name, "full-name", 0, OPT_TEXT, "TEXT", "how people call the user"),
    ROW(domain, "domain", 0, OPT_CHOICE, "WHERE", "external users have their password elsewhere", .preset = "local",
        .choices = domains),
    {0},
};
static const struct opt_group groups[] = {
    {"Settings, of create", settings_rows, 0},
    {"Options", manage_rows, offsetof(struct user_args, manage)},
    {"Connection", connect_cluster_rows, offsetof(struct user_args, manage.connect)},
    {0},
};

static const struct user_args *args_of(const struct manage *m)
{
    return (const struct user_args *)m->args;
}

/* The line without its end: files and echo put one there. */
static enum divan_code load_password(const char *operand, struct buf *out, struct divan_error *err)
{
    enum divan_code rc = value_load(operand, out, err);
    while (!rc && out->len && (out->data[out->len - 1] == '\n' || out->data[out->len - 1] == '\r')) out->len--;
    if (!rc && !buf_text(out)) rc = err_oom(err);
    return rc;
}

static enum divan_code create(struct manage *m, const char *name)
{
    const struct user_args *args = args_of(m);
    struct buf password = {.limit = 4096};
    enum divan_code rc = args->password ? load_password(args->password, &password, m->err) : DIVAN_OK;
    const struct divan_user user = {
        .domain = domains[args->domain.index],
        .name = name,
        .display_name = args->full_name,
        .password = args->password ? (const char *)password.data : NULL,
        .roles = args->roles.items,
        .role_count = args->roles.count,
        .groups = args->groups.items,
        .group_count = args->groups.count,
    };
    if (!rc) rc = divan_user_upsert(m->cluster, &user, m->options, m->err);
    buf_fini(&password);
    return rc;
}

static enum divan_code drop(struct manage *m, const char *name)
{
    return divan_user_drop(m->cluster, domains[args_of(m)->domain.index], name, m->options, m->err);
}

static enum divan_code list(struct manage *m, const char *name)
{
    (void)name;
    return divan_user_list(m->cluster, NULL, m->options, &m->result, m->err);
}

static void list_rows(const struct manage *m, struct json_value read, struct table *t)
{
    struct json_walk users = json_walk_begin(read);
    struct json_value user, role, group;
    (void)m;
    while (json_next_element(&users, &user)) {
        char id[256], domain[32], name[256];
        struct buf roles = {.limit = 64 << 10}, in = {.limit = 64 << 10};
        struct json_walk walk = json_walk_begin(json_member(user, "roles"));
        while (json_next_element(&walk, &role)) manage_put_role(role, &roles);
        walk = json_walk_begin(json_member(user, "groups"));
        while (json_next_element(&walk, &group)) {
            if (in.len) buf_put_str(&in, ", ");
            json_unescape(group.text, &in);
        }
        const char *const cells[] = {
            manage_text(user, "id", id, sizeof id),
            manage_text(user, "domain", domain, sizeof domain),
            buf_text(&roles),
            buf_text(&in),
            manage_text(user, "name", name, sizeof name),
        };
        table_add_cells(t, cells);
        buf_fini(&roles);
        buf_fini(&in);
    }
}

static const struct manage_action actions[] = {
    {"list", false, list, "user|domain|roles|groups|name", list_rows},
    {"create", true, create, NULL, NULL},
    {"remove", true, drop, NULL, NULL},
    {0},
};

static int run(const void *args, const struct operands *operands)
{
    return manage_run("user", actions, args, operands);
}

const struct command command_user = {
    .name = "user",
    .summary = "list, create and remove users",
    .operands = "list|create|remove [NAME...]",
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .text = "create replaces the roles and groups of a user that exists; without --new-password it keeps the password.",
    .example = "divan user create app --new-password @secret --role 'data_reader[shop]' --role 'data_writer[shop]'\n"
               "divan user list",
    .groups = groups,
    .args_size = sizeof(struct user_args),
    .run = run,
};
