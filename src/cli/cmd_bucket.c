#include <stdio.h>

#include "cli/document.h"
#include "cli/format.h"
#include "cli/manage.h"

static const char *const types[] = {"couchbase", "ephemeral", NULL};
static const char *const yes_no[] = {"no", "yes", NULL};
static const char *const evictions[] = {"value-only", "full", "none", "not-recently-used", NULL};
static const char *const compressions[] = {"off", "passive", "active", NULL};
static const char *const conflicts[] = {"seqno", "timestamp", NULL};

struct bucket_args {
    struct manage_args manage;
    struct opt_choice type, flush, eviction, compression, conflict, min_durability;
    struct opt_number ram, replicas, max_expiry_s;
    const char *extra;
};

#define ROW(...) OPT(struct bucket_args, __VA_ARGS__)
static const struct opt_row settings_rows[] = {
    ROW(type, "type", 0, OPT_CHOICE, "TYPE", "of a new bucket; ephemeral ones live in memory alone",
        .preset = "couchbase", .choices = types),
    ROW(ram, "ram", 0, OPT_SIZE, "BYTES",
        "memory on each node, as in 256M; the server wants 100M or more (default 100M)", .min = 1 << 20,
        .max = UINT64_C(1) << 50),
    ROW(replicas, "replicas", 0, OPT_NUMBER, "N", "copies beside the active one (default 1)", .max = 3),
    ROW(flush, "flush", 0, OPT_CHOICE, "YES|NO", "whether divan bucket flush may empty it (default no)",
        .choices = yes_no),
    ROW(eviction, "eviction", 0, OPT_CHOICE, "HOW", "what leaves the memory when it is full", .choices = evictions),
    ROW(compression, "compression", 0, OPT_CHOICE, "MODE", "of documents in memory (default passive)",
        .choices = compressions),
    ROW(conflict, "conflict", 0, OPT_CHOICE, "HOW",
        "which of two clusters' writes wins, of a new bucket (default seqno)", .choices = conflicts),
    ROW(min_durability, "min-durability", 0, OPT_CHOICE, "LEVEL", "the least durability of every write",
        .choices = durability_names),
    ROW(max_expiry_s, "max-expiry", 0, OPT_SECONDS, "S", "no document lives longer; 0 = no limit", .max = INT32_MAX),
    ROW(extra, "extra", 0, OPT_TEXT, "FIELDS", "more form fields for the server, as in threadsNumber=8"),
    {0},
};
static const struct opt_group groups[] = {
    {"Settings, of create and update", settings_rows, 0},
    {"Options", manage_rows, offsetof(struct bucket_args, manage)},
    {"Connection", connect_cluster_rows, offsetof(struct bucket_args, manage.connect)},
    {0},
};

/* Fields that were not given stay zero: the server's default, or as it is. */
static struct divan_bucket_settings settings_of(const struct manage *m, const char *name)
{
    const struct bucket_args *args = (const struct bucket_args *)m->args;
    struct divan_bucket_settings s = {.name = name, .extra = args->extra};
    s.type = (enum divan_bucket_type)args->type.index;
    s.ram_quota_mib = (uint32_t)((args->ram.value + (1 << 20) - 1) >> 20);
    if (args->replicas.given) s.has_replicas = args->replicas.value ? DIVAN_YES : DIVAN_NO;
    s.replicas = (uint32_t)args->replicas.value;
    if (args->flush.given) s.flush = args->flush.index ? DIVAN_YES : DIVAN_NO;
    if (args->eviction.given) s.eviction = (enum divan_bucket_eviction)(args->eviction.index + 1);
    if (args->compression.given) s.compression = (enum divan_bucket_compression)(args->compression.index + 1);
    if (args->conflict.given) s.conflict = (enum divan_bucket_conflict)(args->conflict.index + 1);
    s.min_durability = (enum divan_durability)args->min_durability.index;
    s.max_expiry_s = (uint32_t)args->max_expiry_s.value;
    return s;
}

static enum divan_code create(struct manage *m, const char *name)
{
    struct divan_bucket_settings s = settings_of(m, name);
    return divan_bucket_create(m->cluster, &s, m->options, m->err);
}

static enum divan_code update(struct manage *m, const char *name)
{
    struct divan_bucket_settings s = settings_of(m, name);
    return divan_bucket_update(m->cluster, &s, m->options, m->err);
}

static enum divan_code flush(struct manage *m, const char *name)
{
    return divan_bucket_flush(m->cluster, name, m->options, m->err);
}

static enum divan_code drop(struct manage *m, const char *name)
{
    return divan_bucket_drop(m->cluster, name, m->options, m->err);
}

static enum divan_code list(struct manage *m, const char *name)
{
    (void)name;
    return divan_bucket_list(m->cluster, m->options, &m->result, m->err);
}

static void list_rows(const struct manage *m, struct json_value read, struct table *t)
{
    struct json_walk walk = json_walk_begin(read);
    struct json_value b;
    (void)m;
    while (json_next_element(&walk, &b)) {
        char name[128], type[32], quota[24], replicas[8], items[32], memory[24], expiry[32];
        struct json_value stats = json_member(b, "basicStats");
        bool flushes = json_member(json_member(b, "controllers"), "flush").type == JSON_STRING;
        manage_text(b, "bucketType", type, sizeof type);
        const char *const cells[] = {
            manage_text(b, "name", name, sizeof name),
            strcmp(type, "membase") == 0 ? "couchbase" : type, /* its name on the wire is from long ago */
            format_bytes(quota, sizeof quota, manage_number(json_member(b, "quota"), "rawRAM")),
            manage_text(b, "replicaNumber", replicas, sizeof replicas),
            format_count(items, sizeof items, manage_number(stats, "itemCount")),
            format_bytes(memory, sizeof memory, manage_number(stats, "memUsed")),
            flushes ? "yes" : "no",
            manage_number(b, "maxTTL") ? manage_text(b, "maxTTL", expiry, sizeof expiry) : "",
        };
        table_add_cells(t, cells);
    }
}

static const struct manage_action actions[] = {
    {"list", false, list, "bucket|type|>ram per node|>replicas|>documents|>memory|flush|>max expiry s", list_rows},
    {"create", true, create, NULL, NULL},
    {"update", true, update, NULL, NULL},
    {"flush", true, flush, NULL, NULL},
    {"remove", true, drop, NULL, NULL},
    {0},
};

static int run(const void *args, const struct operands *operands)
{
    return manage_run("bucket", actions, args, operands);
}

const struct command command_bucket = {
    .name = "bucket",
    .summary = "list, create, update, flush and remove buckets",
    .operands = "list|create|update|flush|remove [NAME...]",
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .text =
        "flush removes all documents of a bucket whose settings allow it. update leaves what is not given as it is.",
    .example = "divan bucket create shop --ram 256M --replicas 0 --flush yes\ndivan bucket list --json | jq '.[].name'",
    .groups = groups,
    .args_size = sizeof(struct bucket_args),
    .run = run,
};
