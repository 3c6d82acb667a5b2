#include "manager/roles.h"

#include <stdio.h>

/* Groups of permissions roles are made of. */
enum grant {
    G_ALL = 1 << 0,          /* the whole cluster, security included */
    G_READ_ALL = 1 << 1,     /* reads everything but data */
    G_MANAGE = 1 << 2,       /* everything but security and data */
    G_BUCKET_ADMIN = 1 << 3, /* settings, collections, flush, delete of its bucket */
    G_BUCKET_READ = 1 << 4,  /* settings of its bucket: what a client needs to find it */
    G_COLLECTIONS = 1 << 5,  /* creates and drops collections where it applies */
    G_COLLECTIONS_READ = 1 << 6,
    G_SECURITY = 1 << 7, /* users and roles */
    G_FLUSH = 1 << 8,
    G_TASKS = 1 << 9,
    G_NODES = 1 << 10,
    G_STATS = 1 << 11,
    G_SECURITY_READ = 1 << 12,
    G_BUCKET_READ_ANY = 1 << 13, /* settings of every bucket, wherever the role applies */
};

enum {
    DATA_ALL = ROLE_READ | ROLE_INSERT | ROLE_UPSERT | ROLE_DELETE | ROLE_RANGE_SCAN | ROLE_META_READ | ROLE_STATS,
    DATA_SYNC = DATA_ALL | ROLE_META_WRITE | ROLE_SYSTEM_XATTR | ROLE_DCP,
    ADMIN_READ = G_READ_ALL | G_BUCKET_READ | G_COLLECTIONS_READ | G_TASKS | G_NODES | G_STATS,
};

const struct role_info role_table[] = {
    {"admin", "Full Admin", "Everything, data and security included.", ROLE_GLOBAL, DATA_SYNC, G_ALL},
    {"ro_admin", "Read-Only Admin", "Reads all settings and statistics, no data.", ROLE_GLOBAL, ROLE_STATS,
     ADMIN_READ | G_SECURITY_READ},
    {"security_admin_local", "Local User Security Admin", "Manages local users.", ROLE_GLOBAL, 0,
     ADMIN_READ | G_SECURITY},
    {"security_admin_external", "External User Security Admin", "Manages external users.", ROLE_GLOBAL, 0,
     ADMIN_READ | G_SECURITY},
    {"cluster_admin", "Cluster Admin", "Manages the cluster, but neither users nor data.", ROLE_GLOBAL, ROLE_STATS,
     ADMIN_READ | G_MANAGE},
    {"eventing_admin", "Eventing Full Admin", "Manages eventing functions.", ROLE_GLOBAL, DATA_SYNC, ADMIN_READ},
    {"backup_admin", "Backup Full Admin", "Takes and restores backups.", ROLE_GLOBAL, DATA_SYNC, ADMIN_READ | G_MANAGE},
    {"bucket_admin", "Bucket Admin", "Manages a bucket, but not its data.", ROLE_BUCKET, ROLE_STATS,
     G_BUCKET_ADMIN | G_BUCKET_READ_ANY | G_COLLECTIONS | G_COLLECTIONS_READ | G_FLUSH | G_TASKS | G_NODES | G_STATS},
    {"scope_admin", "Manage Scopes", "Creates and drops collections in a scope.", ROLE_SCOPE, 0,
     G_COLLECTIONS | G_COLLECTIONS_READ},
    {"bucket_full_access", "Application Access", "Reads and writes all data of a bucket, flushes it.", ROLE_BUCKET,
     DATA_SYNC, G_BUCKET_READ | G_COLLECTIONS_READ | G_FLUSH},
    {"views_admin", "Views Admin", "Manages the views of a bucket.", ROLE_BUCKET, DATA_ALL | ROLE_DCP,
     G_BUCKET_READ | G_COLLECTIONS_READ | G_STATS | G_TASKS},
    {"views_reader", "Views Reader", "Queries the views of a bucket.", ROLE_BUCKET, ROLE_READ | ROLE_META_READ,
     G_BUCKET_READ},
    {"replication_admin", "XDCR Admin", "Manages replication to other clusters.", ROLE_GLOBAL, DATA_SYNC, ADMIN_READ},
    {"data_reader", "Data Reader", "Reads documents.", ROLE_COLLECTION, ROLE_READ | ROLE_RANGE_SCAN | ROLE_META_READ,
     G_BUCKET_READ},
    {"data_writer", "Data Writer", "Writes documents, without reading them.", ROLE_COLLECTION,
     ROLE_INSERT | ROLE_UPSERT | ROLE_DELETE, G_BUCKET_READ},
    {"data_dcp_reader", "Data DCP Reader", "Streams changes.", ROLE_COLLECTION,
     ROLE_READ | ROLE_DCP | ROLE_META_READ | ROLE_SYSTEM_XATTR, G_BUCKET_READ | G_COLLECTIONS_READ},
    {"data_backup", "Data Backup & Restore", "Backs a bucket up and restores it.", ROLE_BUCKET, DATA_SYNC,
     G_BUCKET_READ | G_COLLECTIONS | G_COLLECTIONS_READ | G_STATS},
    {"data_monitoring", "Data Monitor", "Reads statistics.", ROLE_COLLECTION, ROLE_STATS,
     G_BUCKET_READ | G_TASKS | G_STATS},
    {"fts_admin", "Search Admin", "Manages search indexes.", ROLE_BUCKET, DATA_ALL | ROLE_DCP,
     G_BUCKET_READ | G_COLLECTIONS_READ},
    {"fts_searcher", "Search Reader", "Queries search indexes.", ROLE_COLLECTION, 0, G_BUCKET_READ},
    {"query_select", "Query Select", "Reads by query.", ROLE_COLLECTION, ROLE_READ | ROLE_META_READ, G_BUCKET_READ},
    {"query_update", "Query Update", "Updates by query.", ROLE_COLLECTION, ROLE_UPSERT | ROLE_RANGE_SCAN,
     G_BUCKET_READ},
    {"query_insert", "Query Insert", "Inserts by query.", ROLE_COLLECTION, ROLE_INSERT, G_BUCKET_READ},
    {"query_delete", "Query Delete", "Deletes by query.", ROLE_COLLECTION, ROLE_DELETE | ROLE_RANGE_SCAN,
     G_BUCKET_READ},
    {"query_manage_index", "Query Manage Index", "Manages indexes.", ROLE_COLLECTION, 0,
     G_BUCKET_READ | G_COLLECTIONS_READ},
    {"query_system_catalog", "Query System Catalog", "Reads the system catalogue.", ROLE_GLOBAL, 0, ADMIN_READ},
    {"query_external_access", "Query CURL Access", "Reads from outside by query.", ROLE_GLOBAL, 0, 0},
    {"query_manage_global_functions", "Manage Global Functions", "Manages global functions.", ROLE_GLOBAL, 0, 0},
    {"query_execute_global_functions", "Execute Global Functions", "Calls global functions.", ROLE_GLOBAL, 0, 0},
    {"query_manage_functions", "Manage Scope Functions", "Manages functions of a scope.", ROLE_SCOPE, 0,
     G_COLLECTIONS_READ},
    {"query_execute_functions", "Execute Scope Functions", "Calls functions of a scope.", ROLE_SCOPE, 0, 0},
    {"query_use_sequential_scans", "Query Use Sequential Scans", "Queries without an index.", ROLE_COLLECTION,
     ROLE_RANGE_SCAN, G_BUCKET_READ},
    {"query_manage_sequences", "Manage Sequences", "Manages sequences.", ROLE_SCOPE, 0, G_COLLECTIONS_READ},
    {"query_use_sequences", "Use Sequences", "Uses sequences.", ROLE_SCOPE, 0, 0},
    {"replication_target", "XDCR Inbound", "Receives replication from other clusters.", ROLE_BUCKET, DATA_SYNC,
     G_BUCKET_READ | G_COLLECTIONS_READ | G_STATS},
    {"mobile_sync_gateway", "Sync Gateway", "Everything a sync gateway does with a bucket.", ROLE_BUCKET, DATA_SYNC,
     G_BUCKET_READ | G_COLLECTIONS | G_COLLECTIONS_READ | G_FLUSH},
    {"external_stats_reader", "External Stats Reader", "Reads the metrics.", ROLE_GLOBAL, 0, G_STATS},
};
const size_t role_table_count = sizeof role_table / sizeof *role_table;

const struct role_info *role_find(struct divan_bytes role)
{
    for (size_t i = 0; i < role_table_count; i++)
        if (bytes_is(role, role_table[i].role)) return &role_table[i];
    return NULL;
}

/* ---- "role[bucket:scope:collection]" */

/* Splits the next word at `stop`; what is left after it stays in *text. */
static struct divan_bytes take_word(struct divan_bytes *text, char stop)
{
    const char *at = text->len ? memchr(text->data, stop, text->len) : NULL;
    size_t n = at ? (size_t)(at - (const char *)text->data) : text->len;
    struct divan_bytes word = bytes_slice(*text, 0, n);
    *text = bytes_slice(*text, n + (at != NULL), text->len);
    return word;
}

static bool params_exist(const struct doc *d, struct divan_bytes bucket, struct divan_bytes scope,
                         struct divan_bytes collection)
{
    if (bytes_is(bucket, "*")) return bytes_is(scope, "*") && bytes_is(collection, "*");
    const struct doc_bucket *b = doc_find_bucket(d, bucket);
    if (!b) return false;
    if (bytes_is(scope, "*")) return bytes_is(collection, "*");
    const struct doc_scope *s = doc_find_scope(b, scope);
    return s && (bytes_is(collection, "*") || doc_find_collection(s, collection));
}

enum role_verdict role_parse(struct doc *d, struct divan_bytes text, struct doc_role *out)
{
    bool brackets = text.len && ((const char *)text.data)[text.len - 1] == ']';
    struct divan_bytes inside = brackets ? bytes_slice(text, 0, text.len - 1) : text;
    struct divan_bytes name = take_word(&inside, '[');
    const struct role_info *info = role_find(name);
    if (!info || brackets != (info->params != ROLE_GLOBAL)) return ROLE_MALFORMED;
    *out = (struct doc_role){.role = info->role};
    if (info->params == ROLE_GLOBAL) return inside.len ? ROLE_MALFORMED : ROLE_FINE;

    struct divan_bytes words[3];
    for (int i = 0; i < 3; i++) {
        bool absent = !inside.len;
        words[i] = take_word(&inside, ':');
        if (absent && i) words[i] = divan_str("*");
        if (i >= (int)info->params && !absent) return ROLE_MALFORMED;
    }
    if (inside.len || !words[0].len) return ROLE_MALFORMED;
    if (!params_exist(d, words[0], words[1], words[2])) return ROLE_UNDEFINED;
    out->bucket = doc_text_of(d, words[0]);
    if (info->params >= ROLE_SCOPE) out->scope = doc_text_of(d, words[1]);
    if (info->params >= ROLE_COLLECTION) out->collection = doc_text_of(d, words[2]);
    return ROLE_FINE;
}

/* ---- permissions */

void identity_each_role(const struct identity *id, void (*fn)(void *user, const struct doc_role *, const char *group),
                        void *user)
{
    if (!id->user) return;
    for (size_t i = 0; i < id->user->role_count; i++) fn(user, &id->user->roles[i], NULL);
    for (size_t g = 0; g < id->user->group_count; g++) {
        const struct doc_group *group = doc_find_group(id->doc, divan_str(id->user->groups[g]));
        for (size_t i = 0; group && i < group->role_count; i++) fn(user, &group->roles[i], group->id);
    }
}

static void count_role(void *user, const struct doc_role *role, const char *group)
{
    ++*(size_t *)user;
}

bool identity_has_roles(const struct identity *id)
{
    size_t n = 0;
    identity_each_role(id, count_role, &n);
    return id->admin || n;
}

/* Which groups of permissions satisfy a permission: the first row whose object and operation match. An object ends in "["
 * where a bucket (or bucket:scope:collection) in brackets follows, then `rest`. */
struct permission_row {
    const char *object, *rest, *op;
    uint32_t grants;
    bool any_role; /* whoever has a role at all */
};
static const struct permission_row permission_rows[] = {
    {"cluster.pools", "", "read", 0, true},
    {"cluster.nodes", "", "read", G_NODES | G_READ_ALL, false},
    {"cluster.tasks", "", "read", G_TASKS | G_READ_ALL, false},
    {"cluster.stats", "", "read", G_STATS | G_READ_ALL, false},
    {"cluster.settings", "", "read", G_READ_ALL | G_MANAGE, false},
    {"cluster.server_groups", "", "read", G_READ_ALL, false},
    {"cluster.logs", "", "read", G_READ_ALL, false},
    {"cluster.settings", "", "write", G_MANAGE, false},
    {"cluster.pools", "", "write", G_MANAGE, false},
    {"cluster.nodes", "", "write", G_MANAGE, false},
    {"cluster.server_groups", "", "write", G_MANAGE, false},
    {"cluster.buckets", "", "create", G_MANAGE, false},
    {"cluster.admin.security", "", "read", G_SECURITY | G_SECURITY_READ, false},
    {"cluster.admin.security", "", "write", G_SECURITY, false},
    {"cluster.bucket[", ".settings", "read", G_BUCKET_READ | G_BUCKET_READ_ANY | G_READ_ALL, false},
    {"cluster.bucket[", ".settings", "write", G_BUCKET_ADMIN | G_MANAGE, false},
    {"cluster.bucket[", "", "flush", G_FLUSH | G_MANAGE, false},
    {"cluster.bucket[", ".stats", "read", G_STATS | G_READ_ALL, false},
    {"cluster.bucket[", ".collections", "write", G_COLLECTIONS | G_MANAGE, false},
    {"cluster.bucket[", ".collections", "read", G_COLLECTIONS_READ | G_READ_ALL, false},
    {"cluster.bucket[", "", "delete", G_BUCKET_ADMIN | G_MANAGE, false},
    {"cluster.bucket[", "", "compact", G_BUCKET_ADMIN | G_MANAGE, false},
    {"cluster.scope[", ".collections", "write", G_COLLECTIONS | G_MANAGE, false},
    {"cluster.collection[", ".collections", "read", G_COLLECTIONS_READ | G_READ_ALL, false},
    {"cluster.collection[", ".collections", "write", G_COLLECTIONS | G_MANAGE, false},
};

struct permission {
    struct divan_bytes object, inside, rest, op; /* inside: what stands in brackets */
};

static bool permission_split(struct divan_bytes text, struct permission *out)
{
    struct divan_bytes left = text;
    struct divan_bytes object = take_word(&left, '!');
    out->op = left;
    if (object.len == text.len || !left.len) return false;
    out->rest = object;
    struct divan_bytes head = take_word(&out->rest, '[');
    out->object = bytes_slice(object, 0, head.len + (head.len < object.len));
    out->inside = head.len < object.len ? take_word(&out->rest, ']') : (struct divan_bytes){0};
    if (head.len == object.len) out->rest = (struct divan_bytes){0};
    return head.len >= 7 && memcmp(head.data, "cluster", 7) == 0;
}

bool permission_is_valid(struct divan_bytes text)
{
    struct permission p;
    return permission_split(text, &p);
}

/* Whether where a role applies covers what the permission names; "." there means any. */
static bool covers_word(const char *role, struct divan_bytes asked)
{
    return !role || strcmp(role, "*") == 0 || !asked.len || bytes_is(asked, ".") || bytes_is(asked, role);
}

static bool covers(const struct doc_role *role, const struct permission *p, bool bucket_is_enough)
{
    if (!p->object.len || ((const char *)p->object.data)[p->object.len - 1] != '[') return true;
    struct divan_bytes left = p->inside, bucket = take_word(&left, ':'), scope = take_word(&left, ':');
    if (bucket_is_enough) return covers_word(role->bucket, bucket);
    if (role->scope && strcmp(role->scope, "*") != 0 && !scope.len) return false; /* needs more than the role gives */
    return covers_word(role->bucket, bucket) && covers_word(role->scope, scope) && covers_word(role->collection, left);
}

struct asked {
    const struct permission *permission;
    const struct permission_row *row;
    bool granted;
};

/* A role for one bucket gives nothing on the others, but what is not about a bucket it gives wherever it applies. */
static void grant_by_role(void *user, const struct doc_role *role, const char *group)
{
    struct asked *a = user;
    const struct role_info *info = role_find(divan_str(role->role));
    if (!info) return;
    if (info->grants & G_ALL) a->granted = true;
    else if (a->row && (a->row->any_role || (info->grants & a->row->grants & G_BUCKET_READ_ANY))) a->granted = true;
    else if (a->row && (info->grants & a->row->grants) &&
             covers(role, a->permission, info->grants & a->row->grants & G_BUCKET_READ))
        a->granted = true; /* whoever reads one collection must find its bucket */
}

bool identity_may(const struct identity *id, const char *permission)
{
    struct permission p;
    if (id->admin) return true;
    if (id->anonymous || !permission_split(divan_str(permission), &p)) return false;
    struct asked a = {.permission = &p};
    for (size_t i = 0; !a.row && i < sizeof permission_rows / sizeof *permission_rows; i++) {
        const struct permission_row *r = &permission_rows[i];
        if (bytes_is(p.object, r->object) && bytes_is(p.rest, r->rest) && bytes_is(p.op, r->op)) a.row = r;
    }
    identity_each_role(id, grant_by_role, &a);
    return a.granted;
}
