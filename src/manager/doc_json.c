/* The document as JSON and back. One table per struct drives both directions, so a field cannot be written and not read. */
#include <stdio.h>

#include "base/error.h"
#include "manager/doc.h"
#include "manager/json_writer.h"

enum kind {
    K_TEXT,  /* const char *, never NULL */
    K_MAYBE, /* const char *, absent = NULL */
    K_BOOL,
    K_U8,
    K_U16,
    K_U32,
    K_U64,
    K_I64,
    K_WORD,     /* int-sized enum, a word of `words` */
    K_OBJECT,   /* struct inside */
    K_ARRAY,    /* pointer and count of structs */
    K_TEXTS,    /* const char ** and count */
    K_KEYS,     /* struct doc_key[DOC_HASHES] */
    K_PORTS,    /* struct map_ports */
    K_SERVICES, /* uint32_t bits */
    K_ENTRIES,  /* int16_t *, vbuckets * row of the struct doc_vbmap around it */
};

struct shape;
struct field {
    const char *name;
    enum kind kind;
    size_t offset, count_offset;
    uint64_t max; /* of numbers; 0 = what the type holds */
    const char *const *words;
    const struct shape *shape;
};
struct shape {
    const struct field *fields;
    size_t count, size;
};

#define SHAPE(name_, type)                                                                                             \
    static const struct shape name_##_shape = {name_##_fields, sizeof name_##_fields / sizeof *name_##_fields,         \
                                               sizeof(type)}
#define F(type, kind_, json, member, ...)                                                                              \
    {                                                                                                                  \
        .name = json, .kind = kind_, .offset = offsetof(type, member), ##__VA_ARGS__                                   \
    }
#define A(type, json, member, count_, shape_)                                                                          \
    {                                                                                                                  \
        .name = json, .kind = K_ARRAY, .offset = offsetof(type, member), .count_offset = offsetof(type, count_),       \
        .shape = &shape_                                                                                               \
    }

static const struct field role_fields[] = {
    F(struct doc_role, K_TEXT, "role", role),
    F(struct doc_role, K_MAYBE, "bucket", bucket),
    F(struct doc_role, K_MAYBE, "scope", scope),
    F(struct doc_role, K_MAYBE, "collection", collection),
};
SHAPE(role, struct doc_role);

static const struct field user_fields[] = {
    F(struct doc_user, K_TEXT, "id", id),
    F(struct doc_user, K_TEXT, "name", name),
    F(struct doc_user, K_TEXT, "uuid", uuid),
    F(struct doc_user, K_BOOL, "external", external),
    F(struct doc_user, K_BOOL, "changed", changed),
    F(struct doc_user, K_U64, "passwordChangedMs", password_changed_ms),
    F(struct doc_user, K_KEYS, "keys", keys),
    A(struct doc_user, "roles", roles, role_count, role_shape),
    {.name = "groups",
     .kind = K_TEXTS,
     .offset = offsetof(struct doc_user, groups),
     .count_offset = offsetof(struct doc_user, group_count)},
};
SHAPE(user, struct doc_user);

static const struct field user_group_fields[] = {
    F(struct doc_group, K_TEXT, "id", id),
    F(struct doc_group, K_TEXT, "description", description),
    F(struct doc_group, K_TEXT, "ldap", ldap_ref),
    A(struct doc_group, "roles", roles, role_count, role_shape),
};
SHAPE(user_group, struct doc_group);

static const struct field alternate_fields[] = {
    F(struct doc_alternate_port, K_TEXT, "service", service),
    F(struct doc_alternate_port, K_U16, "port", port),
};
SHAPE(alternate, struct doc_alternate_port);

static const struct field node_fields[] = {
    F(struct doc_node, K_TEXT, "uuid", uuid),
    F(struct doc_node, K_TEXT, "host", host),
    F(struct doc_node, K_TEXT, "address", address),
    F(struct doc_node, K_BOOL, "named", named),
    F(struct doc_node, K_BOOL, "renamed", renamed),
    F(struct doc_node, K_U32, "memoryMB", memory_mb),
    F(struct doc_node, K_TEXT, "otp", otp),
    F(struct doc_node, K_TEXT, "group", group),
    F(struct doc_node, K_PORTS, "ports", ports),
    F(struct doc_node, K_SERVICES, "services", services),
    F(struct doc_node, K_WORD, "membership", membership, .words = doc_membership_words),
    F(struct doc_node, K_WORD, "recovery", recovery, .words = doc_recovery_words),
    F(struct doc_node, K_BOOL, "down", down),
    F(struct doc_node, K_TEXT, "dataPath", data_path),
    F(struct doc_node, K_TEXT, "boot", boot),
    F(struct doc_node, K_MAYBE, "alternateHost", alternate_host),
    A(struct doc_node, "alternatePorts", alternate_ports, alternate_port_count, alternate_shape),
};
SHAPE(node, struct doc_node);

static const struct field server_group_fields[] = {
    F(struct doc_server_group, K_TEXT, "uuid", uuid),
    F(struct doc_server_group, K_TEXT, "name", name),
};
SHAPE(server_group, struct doc_server_group);

static const struct field collection_fields[] = {
    F(struct doc_collection, K_U32, "id", id),
    F(struct doc_collection, K_TEXT, "name", name),
    F(struct doc_collection, K_I64, "maxTTL", max_ttl_s),
    F(struct doc_collection, K_BOOL, "history", history),
};
SHAPE(collection, struct doc_collection);

static const struct field scope_fields[] = {
    F(struct doc_scope, K_U32, "id", id),
    F(struct doc_scope, K_TEXT, "name", name),
    A(struct doc_scope, "collections", collections, collection_count, collection_shape),
};
SHAPE(scope, struct doc_scope);

static const struct field manifest_fields[] = {
    F(struct doc_manifest, K_U64, "uid", uid),
    F(struct doc_manifest, K_U32, "nextScope", next_scope),
    F(struct doc_manifest, K_U32, "nextCollection", next_collection),
    A(struct doc_manifest, "scopes", scopes, scope_count, scope_shape),
};
SHAPE(manifest, struct doc_manifest);

/* The entries come after the figures that say how many they are. */
static const struct field vbmap_fields[] = {
    F(struct doc_vbmap, K_U16, "vbuckets", vbuckets, .max = 1024),
    F(struct doc_vbmap, K_U8, "row", row, .max = 4),
    {.name = "servers",
     .kind = K_TEXTS,
     .offset = offsetof(struct doc_vbmap, servers),
     .count_offset = offsetof(struct doc_vbmap, server_count)},
    F(struct doc_vbmap, K_ENTRIES, "entries", entries),
    F(struct doc_vbmap, K_ENTRIES, "forward", forward),
    F(struct doc_vbmap, K_ENTRIES, "moving", moving),
};
SHAPE(vbmap, struct doc_vbmap);

static const struct field bucket_fields[] = {
    F(struct doc_bucket, K_TEXT, "name", name),
    F(struct doc_bucket, K_TEXT, "uuid", uuid),
    F(struct doc_bucket, K_WORD, "type", type, .words = doc_bucket_type_words),
    F(struct doc_bucket, K_U32, "quotaMB", quota_mb),
    F(struct doc_bucket, K_U8, "replicas", replicas, .max = 3),
    F(struct doc_bucket, K_BOOL, "replicaIndex", replica_index),
    F(struct doc_bucket, K_BOOL, "flushEnabled", flush_enabled),
    F(struct doc_bucket, K_WORD, "eviction", eviction, .words = doc_eviction_words),
    F(struct doc_bucket, K_WORD, "durabilityMin", durability_min, .words = doc_durability_words),
    F(struct doc_bucket, K_WORD, "compression", compression, .words = doc_compression_words),
    F(struct doc_bucket, K_WORD, "conflict", conflict, .words = doc_conflict_words),
    F(struct doc_bucket, K_U32, "maxTTL", max_ttl_s, .max = INT32_MAX),
    F(struct doc_bucket, K_U8, "threads", threads),
    F(struct doc_bucket, K_U16, "rank", rank),
    F(struct doc_bucket, K_U64, "flushes", flushes),
    F(struct doc_bucket, K_I64, "rev", rev),
    F(struct doc_bucket, K_OBJECT, "manifest", manifest, .shape = &manifest_shape),
    F(struct doc_bucket, K_OBJECT, "map", map, .shape = &vbmap_shape),
    F(struct doc_bucket, K_OBJECT, "last", last, .shape = &vbmap_shape),
};
SHAPE(bucket, struct doc_bucket);

static const struct field quota_fields[] = {
    F(struct doc_quotas, K_U32, "kv", kv),
    F(struct doc_quotas, K_U32, "index", index),
    F(struct doc_quotas, K_U32, "fts", fts),
    F(struct doc_quotas, K_U32, "cbas", cbas),
    F(struct doc_quotas, K_U32, "eventing", eventing),
    F(struct doc_quotas, K_U32, "query", query),
};
SHAPE(quota, struct doc_quotas);

static const struct field failover_fields[] = {
    F(struct doc_auto_failover, K_BOOL, "enabled", enabled),
    F(struct doc_auto_failover, K_BOOL, "onDiskIssues", on_disk_issues),
    F(struct doc_auto_failover, K_BOOL, "canAbortRebalance", can_abort_rebalance),
    F(struct doc_auto_failover, K_BOOL, "preserveDurabilityMajority", preserve_durability_majority),
    F(struct doc_auto_failover, K_BOOL, "disableMaxCount", disable_max_count),
    F(struct doc_auto_failover, K_U32, "timeout", timeout_s),
    F(struct doc_auto_failover, K_U32, "diskIssuePeriod", disk_issue_period_s),
    F(struct doc_auto_failover, K_U32, "maxCount", max_count),
    F(struct doc_auto_failover, K_U32, "count", count),
};
SHAPE(failover, struct doc_auto_failover);

static const struct field setting_fields[] = {
    F(struct doc_setting, K_TEXT, "path", path),
    F(struct doc_setting, K_TEXT, "json", json),
};
SHAPE(setting, struct doc_setting);

#define T(type, json, member, count_)                                                                                  \
    {                                                                                                                  \
        .name = json, .kind = K_TEXTS, .offset = offsetof(type, member), .count_offset = offsetof(type, count_)        \
    }
static const struct field task_fields[] = {
    F(struct doc_task, K_WORD, "kind", kind, .words = doc_task_kind_words),
    F(struct doc_task, K_WORD, "stage", stage, .words = doc_task_stage_words),
    F(struct doc_task, K_BOOL, "stopping", stopping),
    F(struct doc_task, K_TEXT, "id", id),
    F(struct doc_task, K_TEXT, "status", status),
    F(struct doc_task, K_TEXT, "report", report),
    F(struct doc_task, K_TEXT, "error", error),
    T(struct doc_task, "keep", keep, keep_count),
    T(struct doc_task, "eject", eject, eject_count),
    T(struct doc_task, "delta", delta, delta_count),
    T(struct doc_task, "fail", fail, fail_count),
    T(struct doc_task, "done", done, done_count),
    F(struct doc_task, K_U32, "moves", moves),
    F(struct doc_task, K_U64, "startedMs", started_ms),
    F(struct doc_task, K_U64, "leaveMs", leave_ms),
};
SHAPE(task, struct doc_task);

static const struct field counters_fields[] = {
    F(struct doc_counters, K_U32, "rebalanceStart", rebalance_start),
    F(struct doc_counters, K_U32, "rebalanceSuccess", rebalance_success),
    F(struct doc_counters, K_U32, "rebalanceFail", rebalance_fail),
    F(struct doc_counters, K_U32, "rebalanceStop", rebalance_stop),
    F(struct doc_counters, K_U32, "failover", failover),
    F(struct doc_counters, K_U32, "failoverComplete", failover_complete),
    F(struct doc_counters, K_U32, "gracefulStart", graceful_start),
    F(struct doc_counters, K_U32, "gracefulSuccess", graceful_success),
};
SHAPE(counters, struct doc_counters);

static const struct field doc_fields[] = {
    F(struct doc, K_I64, "epoch", revision.epoch),
    F(struct doc, K_I64, "rev", revision.rev),
    F(struct doc, K_I64, "nodesRev", nodes_rev),
    F(struct doc, K_TEXT, "uuid", uuid),
    F(struct doc, K_TEXT, "name", name),
    F(struct doc, K_BOOL, "provisioned", provisioned),
    F(struct doc, K_TEXT, "admin", admin),
    F(struct doc, K_TEXT, "caCert", ca_cert),
    F(struct doc, K_TEXT, "caKey", ca_key),
    F(struct doc, K_KEYS, "adminKeys", admin_keys),
    F(struct doc, K_U16, "vbuckets", vbuckets, .max = 1024),
    F(struct doc, K_U32, "expectedNodes", expected_nodes),
    A(struct doc, "nodes", nodes, node_count, node_shape),
    A(struct doc, "groups", groups, group_count, server_group_shape),
    A(struct doc, "buckets", buckets, bucket_count, bucket_shape),
    A(struct doc, "users", users, user_count, user_shape),
    A(struct doc, "userGroups", user_groups, user_group_count, user_group_shape),
    F(struct doc, K_OBJECT, "quotas", quotas, .shape = &quota_shape),
    F(struct doc, K_OBJECT, "autoFailover", auto_failover, .shape = &failover_shape),
    A(struct doc, "settings", settings, setting_count, setting_shape),
    F(struct doc, K_OBJECT, "task", task, .shape = &task_shape),
    F(struct doc, K_OBJECT, "counters", counters, .shape = &counters_shape),
    F(struct doc, K_U16, "linkPort", link_port),
    F(struct doc, K_TEXT, "secret", secret),
};
SHAPE(doc, struct doc);

/* Places in a struct are reached by offset. Pointers of whatever type go through memcpy, which no aliasing rule minds. */
static void *load_pointer(const uint8_t *at)
{
    void *p;
    memcpy(&p, at, sizeof p);
    return p;
}
#define LOAD(type, at)         (*(const type *)(const void *)(at))
#define STORE(type, at, value) (*(type *)(void *)(at) = (value))

/* ---------------------------------------------------------------- writing */

static void put_hex(struct buf *out, const char *key, const uint8_t *data, size_t len)
{
    jw_key(out, key);
    buf_u8(out, '"');
    for (size_t i = 0; i < len; i++) buf_printf(out, "%02x", data[i]);
    buf_u8(out, '"');
}

static void put_keys(struct buf *out, const char *name, const struct doc_key *keys)
{
    jw_open(out, name, '[');
    for (int h = 0; h < DOC_HASHES; h++) {
        jw_open(out, NULL, '{');
        jw_uint(out, "iterations", keys[h].iterations);
        if (keys[h].iterations) {
            put_hex(out, "salt", keys[h].salt, keys[h].salt_len);
            put_hex(out, "stored", keys[h].stored, doc_hash_len((enum doc_hash)h));
            put_hex(out, "server", keys[h].server, doc_hash_len((enum doc_hash)h));
        }
        jw_close(out, '}');
    }
    jw_close(out, ']');
}

static void put_ports(struct buf *out, const char *name, const struct map_ports *ports)
{
    jw_open(out, name, '{');
    for (int tls = 0; tls < 2; tls++) {
        jw_open(out, tls ? "tls" : "plain", '[');
        for (int s = 0; s < SVC_COUNT; s++) jw_uint(out, NULL, tls ? ports->tls[s] : ports->plain[s]);
        jw_close(out, ']');
    }
    jw_close(out, '}');
}

/* One string "0,1,-1,...": thousands of numbers that a reader steps over at once when it looks for another field. */
static void put_entries(struct buf *out, const char *name, const int16_t *entries, const struct doc_vbmap *map)
{
    enum { DIGITS_MAX = 7 };
    size_t count = (size_t)map->vbuckets * map->row;
    if (!entries) return;
    jw_key(out, name);
    buf_u8(out, '"');
    for (size_t i = 0; i < count && buf_reserve(out, DIGITS_MAX); i++) {
        char digits[DIGITS_MAX], *at = digits + sizeof digits;
        unsigned n = entries[i] < 0 ? 0u - (unsigned)entries[i] : (unsigned)entries[i];
        do *--at = (char)('0' + n % 10);
        while (n /= 10);
        if (entries[i] < 0) *--at = '-';
        if (i) buf_u8(out, ',');
        buf_put(out, at, (size_t)(digits + sizeof digits - at));
    }
    buf_u8(out, '"');
}

static void put_struct(struct buf *out, const char *key, const struct shape *shape, const uint8_t *base);

static void put_field(struct buf *out, const struct field *f, const uint8_t *base)
{
    const uint8_t *at = base + f->offset;
    switch (f->kind) {
    case K_TEXT:
        jw_str(out, f->name, load_pointer(at));
        break;
    case K_MAYBE:
        if (load_pointer(at)) jw_str(out, f->name, load_pointer(at));
        break;
    case K_BOOL:
        jw_bool(out, f->name, LOAD(bool, at));
        break;
    case K_U8:
        jw_uint(out, f->name, LOAD(uint8_t, at));
        break;
    case K_U16:
        jw_uint(out, f->name, LOAD(uint16_t, at));
        break;
    case K_U32:
        jw_uint(out, f->name, LOAD(uint32_t, at));
        break;
    case K_U64:
        jw_uint(out, f->name, LOAD(uint64_t, at));
        break;
    case K_I64:
        jw_int(out, f->name, LOAD(int64_t, at));
        break;
    case K_WORD:
        jw_str(out, f->name, f->words[LOAD(unsigned, at)]);
        break;
    case K_OBJECT:
        put_struct(out, f->name, f->shape, at);
        break;
    case K_ARRAY:
        jw_open(out, f->name, '[');
        for (size_t i = 0; i < LOAD(size_t, base + f->count_offset); i++)
            put_struct(out, NULL, f->shape, (uint8_t *)load_pointer(at) + i * f->shape->size);
        jw_close(out, ']');
        break;
    case K_TEXTS:
        jw_open(out, f->name, '[');
        for (size_t i = 0; i < LOAD(size_t, base + f->count_offset); i++)
            jw_str(out, NULL, ((const char **)load_pointer(at))[i]);
        jw_close(out, ']');
        break;
    case K_KEYS:
        put_keys(out, f->name, (const struct doc_key *)(const void *)at);
        break;
    case K_PORTS:
        put_ports(out, f->name, (const struct map_ports *)(const void *)at);
        break;
    case K_SERVICES:
        jw_open(out, f->name, '[');
        for (int s = 0; s < SVC_COUNT; s++)
            if (LOAD(uint32_t, at) >> s & 1) jw_str(out, NULL, doc_service_words[s]);
        jw_close(out, ']');
        break;
    case K_ENTRIES:
        put_entries(out, f->name, load_pointer(at), (const struct doc_vbmap *)(const void *)base);
        break;
    }
}

static void put_struct(struct buf *out, const char *key, const struct shape *shape, const uint8_t *base)
{
    jw_open(out, key, '{');
    for (size_t i = 0; i < shape->count; i++) put_field(out, &shape->fields[i], base);
    jw_close(out, '}');
}

bool doc_to_json(const struct doc *d, struct buf *out)
{
    put_struct(out, NULL, &doc_shape, (const uint8_t *)d);
    return !out->failed;
}

static void put_users(const struct doc *d, struct buf *out)
{
    static const char *const fields[] = {"provisioned", "admin", "adminKeys", "users", "userGroups"};
    for (size_t i = 0; i < doc_shape.count; i++)
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
            if (strcmp(doc_shape.fields[i].name, fields[f]) == 0)
                put_field(out, &doc_shape.fields[i], (const uint8_t *)d);
}

bool doc_same_users(const struct doc *a, const struct doc *b)
{
    struct buf x = {.limit = 0}, y = {.limit = 0};
    put_users(a, &x);
    put_users(b, &y);
    bool same = !x.failed && !y.failed && bytes_equal(buf_view(&x), buf_view(&y));
    buf_fini(&x);
    buf_fini(&y);
    return same;
}

void doc_node_to_json(const struct doc_node *n, const char *key, struct buf *out)
{
    put_struct(out, key, &node_shape, (const uint8_t *)n);
}

/* ---------------------------------------------------------------- reading */

struct reader {
    struct doc *doc;
    struct buf text; /* scratch for unescaping */
    struct divan_error *err;
    enum divan_code code; /* first failure; sticks */
    char path[120];
    size_t path_len;
};

static void fail(struct reader *r, enum divan_code code, const char *what)
{
    if (r->code) return;
    r->code = err_set(r->err, code, "the cluster document is not usable: %s %s", r->path_len ? r->path : "it", what);
}

static size_t enter(struct reader *r, const char *name)
{
    size_t before = r->path_len;
    int n = snprintf(r->path + before, sizeof r->path - before, before ? ".%s" : "%s", name);
    r->path_len = n < 0 || before + (size_t)n >= sizeof r->path ? sizeof r->path - 1 : before + (size_t)n;
    return before;
}

static void leave(struct reader *r, size_t before)
{
    r->path_len = before;
    r->path[before] = 0;
}

static const char *get_text(struct reader *r, struct json_value v)
{
    buf_clear(&r->text);
    if (v.type != JSON_STRING || !json_unescape(v.text, &r->text)) {
        if (r->text.failed) fail(r, DIVAN_ERR_OUT_OF_MEMORY, "does not fit into memory");
        fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "must be a string");
        return "";
    }
    if (r->text.len && memchr(r->text.data, 0, r->text.len)) fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, "contains a NUL");
    return doc_text_of(r->doc, buf_view(&r->text));
}

static uint64_t get_number(struct reader *r, struct json_value v, uint64_t max)
{
    uint64_t n = 0;
    if (v.type != JSON_NUMBER) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "must be a number");
    else if (!json_to_u64(v, &n) || n > max) fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, "is out of range");
    return r->code ? 0 : n;
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The number of bytes written, at most cap. */
static size_t get_hex(struct reader *r, struct json_value v, uint8_t *out, size_t cap)
{
    const uint8_t *text = v.text.data;
    size_t digits = v.type == JSON_STRING && v.text.len >= 2 ? v.text.len - 2 : SIZE_MAX;
    if (digits % 2 || digits / 2 > cap) {
        fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "must be a string of hexadecimal digits that fits");
        return 0;
    }
    for (size_t i = 0; i < digits / 2; i++) {
        int high = hex_digit(text[1 + 2 * i]), low = hex_digit(text[2 + 2 * i]);
        if (high < 0 || low < 0) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "must be a string of hexadecimal digits");
        out[i] = (uint8_t)(high * 16 + low);
    }
    return digits / 2;
}

static bool is_array(struct reader *r, struct json_value v)
{
    if (v.type != JSON_ARRAY) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "must be an array");
    return !r->code;
}

static void get_key(struct reader *r, struct json_value v, enum doc_hash hash, struct doc_key *key)
{
    size_t len = doc_hash_len(hash);
    key->iterations = (uint32_t)get_number(r, json_member(v, "iterations"), UINT32_MAX);
    if (r->code || !key->iterations) return;
    key->salt_len = (uint8_t)get_hex(r, json_member(v, "salt"), key->salt, sizeof key->salt);
    if (get_hex(r, json_member(v, "stored"), key->stored, len) != len ||
        get_hex(r, json_member(v, "server"), key->server, len) != len)
        fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, "has a key of the wrong length");
}

static void get_keys(struct reader *r, struct json_value v, struct doc_key *keys)
{
    if (!is_array(r, v)) return;
    struct json_walk w = json_walk_begin(v);
    struct json_value element;
    for (int h = 0; h < DOC_HASHES && json_next_element(&w, &element); h++)
        get_key(r, element, (enum doc_hash)h, &keys[h]);
}

static void get_ports(struct reader *r, struct json_value v, struct map_ports *ports)
{
    for (int tls = 0; tls < 2; tls++) {
        struct json_value list = json_member(v, tls ? "tls" : "plain"), element;
        if (!is_array(r, list)) return;
        struct json_walk w = json_walk_begin(list);
        for (int s = 0; s < SVC_COUNT && json_next_element(&w, &element); s++)
            (tls ? ports->tls : ports->plain)[s] = (uint16_t)get_number(r, element, UINT16_MAX);
    }
}

static unsigned get_word(struct reader *r, struct json_value v, const char *const *words)
{
    for (unsigned i = 0; words[i]; i++)
        if (v.type == JSON_STRING && json_string_is(v.text, divan_str(words[i]))) return i;
    fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, "is not one of the known words");
    return 0;
}

static uint32_t get_services(struct reader *r, struct json_value v)
{
    uint32_t bits = 0;
    if (!is_array(r, v)) return 0;
    struct json_walk w = json_walk_begin(v);
    for (struct json_value element; json_next_element(&w, &element);)
        bits |= 1u << get_word(r, element, doc_service_words);
    return bits;
}

/* The next number of "0,1,-1"; false: there is none. */
static bool next_entry(const char **at, const char *end, int64_t *out)
{
    bool minus = *at < end && **at == '-';
    const char *first = *at += minus;
    int64_t n = 0;
    while (*at < end && **at >= '0' && **at <= '9' && *at - first < 6) n = n * 10 + (*(*at)++ - '0');
    if (*at == first || (*at < end && *(*at)++ != ',')) return false;
    *out = minus ? -n : n;
    return true;
}

static int16_t *get_entries(struct reader *r, struct json_value v, const struct doc_vbmap *map)
{
    size_t count = (size_t)map->vbuckets * map->row, n = 0;
    if (v.type != JSON_STRING) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "must be a string of numbers");
    int16_t *entries = !r->code && count ? doc_alloc(r->doc, count * sizeof *entries) : NULL;
    if (!entries) return NULL;
    const char *at = (const char *)v.text.data + 1, *end = at + v.text.len - 2;
    for (int64_t who = 0; n < count && next_entry(&at, end, &who); n++) {
        if (who < -1 || who >= (int64_t)map->server_count)
            fail(r, DIVAN_ERR_CONFIG_NODE_INDEX, "names a server that is not there");
        entries[n] = (int16_t)who;
    }
    if (n != count || at != end) fail(r, DIVAN_ERR_CONFIG_VBUCKETS, "has the wrong number of entries");
    return entries;
}

static void get_struct(struct reader *r, struct json_value v, const struct shape *shape, uint8_t *base);

static void get_array(struct reader *r, struct json_value v, const struct field *f, uint8_t *base)
{
    if (!is_array(r, v)) return;
    size_t *count = (size_t *)(void *)(base + f->count_offset);
    *count = 0;
    struct json_walk w = json_walk_begin(v);
    for (struct json_value element; !r->code && json_next_element(&w, &element);) {
        void *place = doc_insert(r->doc, base + f->offset, count, *count, f->shape ? f->shape->size : sizeof(char *));
        if (!place) return;
        if (f->shape) get_struct(r, element, f->shape, place);
        else STORE(const char *, place, get_text(r, element));
    }
}

static void get_field(struct reader *r, struct json_value v, const struct field *f, uint8_t *base)
{
    uint8_t *at = base + f->offset;
    switch (f->kind) {
    case K_TEXT:
    case K_MAYBE:
        STORE(const char *, at, get_text(r, v));
        break;
    case K_BOOL:
        if (v.type != JSON_TRUE && v.type != JSON_FALSE) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "must be true or false");
        STORE(bool, at, v.type == JSON_TRUE);
        break;
    case K_U8:
        STORE(uint8_t, at, (uint8_t)get_number(r, v, f->max ? f->max : UINT8_MAX));
        break;
    case K_U16:
        STORE(uint16_t, at, (uint16_t)get_number(r, v, f->max ? f->max : UINT16_MAX));
        break;
    case K_U32:
        STORE(uint32_t, at, (uint32_t)get_number(r, v, f->max ? f->max : UINT32_MAX));
        break;
    case K_U64:
        STORE(uint64_t, at, get_number(r, v, UINT64_MAX));
        break;
    case K_I64: {
        int64_t n = 0;
        if (v.type != JSON_NUMBER || !json_to_i64(v, &n))
            fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "must be a whole number");
        STORE(int64_t, at, n);
        break;
    }
    case K_WORD:
        STORE(unsigned, at, get_word(r, v, f->words));
        break;
    case K_OBJECT:
        get_struct(r, v, f->shape, at);
        break;
    case K_ARRAY:
    case K_TEXTS:
        get_array(r, v, f, base);
        break;
    case K_KEYS:
        get_keys(r, v, (struct doc_key *)(void *)at);
        break;
    case K_PORTS:
        get_ports(r, v, (struct map_ports *)(void *)at);
        break;
    case K_SERVICES:
        STORE(uint32_t, at, get_services(r, v));
        break;
    case K_ENTRIES:
        STORE(int16_t *, at, get_entries(r, v, (struct doc_vbmap *)(void *)base));
        break;
    }
}

/* Fields are taken in the order of the table, not of the text: later ones may depend on earlier ones. A missing one keeps
 * its default, so that a document of an older version still loads; texts are never NULL even then. */
static void get_struct(struct reader *r, struct json_value v, const struct shape *shape, uint8_t *base)
{
    if (v.type != JSON_OBJECT) {
        fail(r, DIVAN_ERR_CONFIG_NOT_OBJECT, "must be an object");
        return;
    }
    for (size_t i = 0; i < shape->count && !r->code; i++) {
        const struct field *f = &shape->fields[i];
        struct json_value member = json_member(v, f->name);
        if (f->kind == K_TEXT && !load_pointer(base + f->offset)) STORE(const char *, base + f->offset, "");
        if (member.type == JSON_NONE) continue;
        size_t before = enter(r, f->name);
        get_field(r, member, f, base);
        leave(r, before);
    }
}

/* What the types do not say. */
static void check(struct reader *r)
{
    const struct doc *d = r->doc;
    for (size_t i = 0; i < d->bucket_count; i++) {
        const struct doc_vbmap *m = &d->buckets[i].map;
        /* a bucket that waits for its nodes knows how many vBuckets it will have, and no more */
        bool waits = !m->row && !m->server_count;
        if (m->vbuckets && !m->entries && !waits) fail(r, DIVAN_ERR_CONFIG_VBUCKETS, "has a map without entries");
        for (size_t s = 0; s < m->server_count; s++)
            if (!doc_find_node(d, m->servers[s]))
                fail(r, DIVAN_ERR_CONFIG_NODE_INDEX, "has a map with an unknown node");
    }
    for (size_t i = 0; i < d->setting_count; i++)
        if (!json_is_valid(divan_str(d->settings[i].json)))
            fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "has a broken setting");
    if (!d->vbuckets) fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, "has no number of vBuckets");
}

static enum divan_code read_into(struct divan_bytes json, const struct shape *shape, struct doc *d, void *base,
                                 struct divan_error *err)
{
    struct reader r = {.doc = d, .text = {.limit = 64 << 20}, .err = err};
    size_t at = 0;
    if (json_check(json, JSON_UTF8, 32, &at) != JSON_VALID)
        r.code = err_set(err, DIVAN_ERR_CONFIG_NOT_JSON, "the cluster document is not JSON from byte %zu on", at);
    else get_struct(&r, json_value_of(json), shape, base);
    if (!r.code && shape == &doc_shape) check(&r);
    if (!r.code && doc_failed(d)) r.code = err_oom(err);
    buf_fini(&r.text);
    return r.code;
}

enum divan_code doc_from_json(struct divan_bytes json, struct doc **out, struct divan_error *err)
{
    struct doc *d = doc_new();
    enum divan_code rc = d ? DIVAN_OK : err_oom(err);
    if (d) d->group_count = 0, d->groups = NULL;
    if (d) rc = read_into(json, &doc_shape, d, d, err);
    if (!rc) *out = d, d = NULL;
    doc_release(d);
    return rc;
}

enum divan_code doc_node_from_json(struct divan_bytes json, struct doc *d, struct doc_node *out,
                                   struct divan_error *err)
{
    struct doc_node n = {0};
    enum divan_code rc = read_into(json, &node_shape, d, &n, err);
    if (!rc) *out = n;
    return rc;
}
