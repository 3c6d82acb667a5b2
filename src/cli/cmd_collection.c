#include <stdio.h>

#include "base/error.h"
#include "cli/manage.h"

static const char *const yes_no[] = {"no", "yes", NULL};

struct collection_args {
    struct manage_args manage;
    struct opt_number max_expiry_s;
    struct opt_choice history;
    bool no_expiry;
};

#define ROW(...) OPT(struct collection_args, __VA_ARGS__)
static const struct opt_row settings_rows[] = {
    ROW(max_expiry_s, "max-expiry", 0, OPT_SECONDS, "S", "no document lives longer; 0 = as long as the bucket says",
        .max = INT32_MAX),
    ROW(no_expiry, "no-expiry", 0, OPT_FLAG, NULL, "the bucket's limit does not count here"),
    ROW(history, "history", 0, OPT_CHOICE, "YES|NO", "keep the history of changes", .choices = yes_no),
    {0},
};
static const struct opt_group groups[] = {
    {"Settings, of create and update", settings_rows, 0},
    {"Options", manage_rows, offsetof(struct collection_args, manage)},
    {"Connection", connect_bucket_rows, offsetof(struct collection_args, manage.connect)},
    {0},
};

enum { NAME_MAX_BYTES = 251 };

/* "scope.name", or "name" of the default scope. A dot is in no name. */
struct path {
    char scope[NAME_MAX_BYTES + 1];
    const char *name;
};

static struct path path_of(const char *text)
{
    struct path p = {.scope = "_default", .name = text};
    const char *dot = strchr(text, '.');
    if (!dot) return p;
    snprintf(p.scope, sizeof p.scope, "%.*s", dot - text < NAME_MAX_BYTES ? (int)(dot - text) : NAME_MAX_BYTES, text);
    p.name = dot + 1;
    return p;
}

static enum divan_code save(struct manage *m, const char *text, bool create)
{
    const struct collection_args *args = (const struct collection_args *)m->args;
    struct path p = path_of(text);
    struct divan_collection_settings s = {.max_expiry_s = args->no_expiry ? -1 : (int64_t)args->max_expiry_s.value};
    if (args->no_expiry && args->max_expiry_s.given)
        return err_set(m->err, DIVAN_ERR_USAGE, "--max-expiry and --no-expiry do not agree: leave one out");
    if (args->history.given) s.history = args->history.index ? DIVAN_YES : DIVAN_NO;
    return create ? divan_collection_create(m->cluster, m->bucket, p.scope, p.name, &s, m->options, NULL, m->err)
                  : divan_collection_update(m->cluster, m->bucket, p.scope, p.name, &s, m->options, NULL, m->err);
}

static enum divan_code create(struct manage *m, const char *text)
{
    return save(m, text, true);
}

static enum divan_code update(struct manage *m, const char *text)
{
    return save(m, text, false);
}

static enum divan_code drop(struct manage *m, const char *text)
{
    struct path p = path_of(text);
    return divan_collection_drop(m->cluster, m->bucket, p.scope, p.name, m->options, NULL, m->err);
}

static enum divan_code list(struct manage *m, const char *name)
{
    (void)name;
    return divan_collection_list(m->cluster, m->bucket, m->options, &m->result, m->err);
}

static const char *expiry_text(struct json_value collection, char *out, size_t cap)
{
    int64_t s = 0;
    json_to_i64(json_member(collection, "maxTTL"), &s);
    snprintf(out, cap, "%lld", (long long)s);
    return s < 0 ? "never" : s ? out : "";
}

static void list_rows(const struct manage *m, struct json_value read, struct table *t)
{
    struct json_walk scopes = json_walk_begin(json_member(read, "scopes"));
    struct json_value scope, c;
    (void)m;
    while (json_next_element(&scopes, &scope)) {
        struct json_walk collections = json_walk_begin(json_member(scope, "collections"));
        while (json_next_element(&collections, &c)) {
            char in[256], name[256], uid[24], expiry[24], path[sizeof in + sizeof name];
            snprintf(path, sizeof path, "%s.%s", manage_text(scope, "name", in, sizeof in),
                     manage_text(c, "name", name, sizeof name));
            const char *const cells[] = {
                path,
                manage_text(c, "uid", uid, sizeof uid),
                expiry_text(c, expiry, sizeof expiry),
                json_member(c, "history").type == JSON_TRUE ? "yes" : "no",
            };
            table_add_cells(t, cells);
        }
    }
}

static const struct manage_action actions[] = {
    {"list", false, list, "collection|>id|>max expiry s|history", list_rows},
    {"create", true, create, NULL, NULL},
    {"update", true, update, NULL, NULL},
    {"remove", true, drop, NULL, NULL},
    {0},
};

static int run(const void *args, const struct operands *operands)
{
    return manage_run("collection", actions, args, operands);
}

const struct command command_collection = {
    .name = "collection",
    .summary = "list, create, update and remove collections",
    .operands = "list|create|update|remove [[SCOPE.]NAME...]",
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .text =
        "A collection is named with its scope, as in inventory.hotels; without one it is in _default. The scope must "
        "exist. remove takes the documents with it.",
    .example = "divan scope create inventory\ndivan collection create inventory.hotels --max-expiry 30d\n"
               "divan upsert --scope inventory --collection hotels h1 '{}'",
    .groups = groups,
    .args_size = sizeof(struct collection_args),
    .run = run,
};
