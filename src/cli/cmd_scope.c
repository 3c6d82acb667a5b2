#include <stdio.h>

#include "cli/manage.h"

struct scope_args {
    struct manage_args manage;
};
static const struct opt_group groups[] = {
    {"Options", manage_rows, offsetof(struct scope_args, manage)},
    {"Connection", connect_bucket_rows, offsetof(struct scope_args, manage.connect)},
    {0},
};

static enum divan_code create(struct manage *m, const char *name)
{
    return divan_scope_create(m->cluster, m->bucket, name, m->options, NULL, m->err);
}

static enum divan_code drop(struct manage *m, const char *name)
{
    return divan_scope_drop(m->cluster, m->bucket, name, m->options, NULL, m->err);
}

static enum divan_code list(struct manage *m, const char *name)
{
    (void)name;
    return divan_collection_list(m->cluster, m->bucket, m->options, &m->result, m->err);
}

static void list_rows(const struct manage *m, struct json_value read, struct table *t)
{
    struct json_walk scopes = json_walk_begin(json_member(read, "scopes"));
    struct json_value scope, collection;
    (void)m;
    while (json_next_element(&scopes, &scope)) {
        char name[256], uid[24], count[24];
        size_t n = 0;
        struct json_walk collections = json_walk_begin(json_member(scope, "collections"));
        while (json_next_element(&collections, &collection)) n++;
        snprintf(count, sizeof count, "%zu", n);
        table_add_cells(t, (const char *const[]){manage_text(scope, "name", name, sizeof name),
                                                 manage_text(scope, "uid", uid, sizeof uid), count});
    }
}

static const struct manage_action actions[] = {
    {"list", false, list, "scope|>id|>collections", list_rows},
    {"create", true, create, NULL, NULL},
    {"remove", true, drop, NULL, NULL},
    {0},
};

static int run(const void *args, const struct operands *operands)
{
    return manage_run("scope", actions, args, operands);
}

const struct command command_scope = {
    .name = "scope",
    .summary = "list, create and remove scopes of a bucket",
    .operands = "list|create|remove [NAME...]",
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .text = "remove takes its collections and their documents with it.",
    .example = "divan scope create inventory sales\ndivan scope list -b shop",
    .groups = groups,
    .args_size = sizeof(struct scope_args),
    .run = run,
};
