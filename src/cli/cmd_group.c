#include <stdio.h>

#include "cli/manage.h"

struct group_args {
    struct manage_args manage;
    const char *description, *ldap_group;
    struct opt_list roles;
};

#define ROW(...) OPT(struct group_args, __VA_ARGS__)
static const struct opt_row settings_rows[] = {
    ROW(roles, "role", 'r', OPT_LIST, "ROLE", "what its users may do, as in admin or data_reader[shop]"),
    ROW(description, "description", 0, OPT_TEXT, "TEXT", "what it is for"),
    ROW(ldap_group, "ldap-group", 0, OPT_TEXT, "NAME", "the LDAP group whose users belong to it"),
    {0},
};
static const struct opt_group groups[] = {
    {"Settings, of create", settings_rows, 0},
    {"Options", manage_rows, offsetof(struct group_args, manage)},
    {"Connection", connect_cluster_rows, offsetof(struct group_args, manage.connect)},
    {0},
};

static enum divan_code create(struct manage *m, const char *name)
{
    const struct group_args *args = (const struct group_args *)m->args;
    const struct divan_group group = {
        .name = name,
        .description = args->description,
        .roles = args->roles.items,
        .role_count = args->roles.count,
        .ldap_group = args->ldap_group,
    };
    return divan_group_upsert(m->cluster, &group, m->options, m->err);
}

static enum divan_code drop(struct manage *m, const char *name)
{
    return divan_group_drop(m->cluster, name, m->options, m->err);
}

static enum divan_code list(struct manage *m, const char *name)
{
    (void)name;
    return divan_group_list(m->cluster, m->options, &m->result, m->err);
}

static void list_rows(const struct manage *m, struct json_value read, struct table *t)
{
    struct json_walk walk = json_walk_begin(read);
    struct json_value group, role;
    (void)m;
    while (json_next_element(&walk, &group)) {
        char id[256], description[256];
        struct buf roles = {.limit = 64 << 10};
        struct json_walk inner = json_walk_begin(json_member(group, "roles"));
        while (json_next_element(&inner, &role)) manage_put_role(role, &roles);
        const char *const cells[] = {manage_text(group, "id", id, sizeof id), buf_text(&roles),
                                     manage_text(group, "description", description, sizeof description)};
        table_add_cells(t, cells);
        buf_fini(&roles);
    }
}

static const struct manage_action actions[] = {
    {"list", false, list, "group|roles|description", list_rows},
    {"create", true, create, NULL, NULL},
    {"remove", true, drop, NULL, NULL},
    {0},
};

static int run(const void *args, const struct operands *operands)
{
    return manage_run("group", actions, args, operands);
}

const struct command command_group = {
    .name = "group",
    .summary = "list, create and remove groups of users",
    .operands = "list|create|remove [NAME...]",
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .text = "create replaces a group that exists.",
    .example =
        "divan group create readers --role 'data_reader[*]'\ndivan user create ann --new-password - --group readers",
    .groups = groups,
    .args_size = sizeof(struct group_args),
    .run = run,
};
