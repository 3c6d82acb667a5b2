/* STAT: groups of figures, one answer each, ended by an empty one. The names are those of the real server, as far as the
 * figure exists here; what only its own engine can have is left out. */
#include "node/command.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct stat_call {
    struct request *rq;
    const struct bucket *bucket;
    const struct store *store;
    char argument[512]; /* "" = none */
};

static void put(const struct stat_call *c, const char *value, const char *name, ...)
    __attribute__((format(printf, 3, 4)));
static void put(const struct stat_call *c, const char *value, const char *name, ...)
{
    char key[560];
    va_list args;
    va_start(args, name);
    int len = vsnprintf(key, sizeof key, name, args);
    va_end(args);
    if (len > UINT8_MAX) len = UINT8_MAX;
    struct kv_reply r = {
        .opcode = OP_STAT, .opaque = c->rq->frame.opaque, .key = bytes_of(key, (size_t)len), .value = divan_str(value)};
    kv_put_reply(reply_out(c->rq), &r);
}

static const char *number(uint64_t n)
{
    static char text[24];
    snprintf(text, sizeof text, "%" PRIu64, n);
    return text;
}

static const char *seconds(const struct stat_call *c)
{
    return number((c->rq->engine->clock.now_ns - c->rq->engine->started_ns) / NS_PER_S);
}

/* The vBucket that the argument names. *all: it names none. */
static enum status argument_vbucket(const struct stat_call *c, bool *all, const struct vbucket **out)
{
    char *end = NULL;
    *all = !*c->argument;
    if (*all) return ST_SUCCESS;
    unsigned long id = strtoul(c->argument, &end, 10);
    if (*end || end == c->argument || id > UINT16_MAX) return ST_EINVAL;
    *out = store_vbucket(c->store, (uint16_t)id);
    if (!*out) return ST_EINVAL;
    return (*out)->mode == VBUCKET_ABSENT ? ST_NOT_MY_VBUCKET : ST_SUCCESS;
}

/* Calls one() for the vBucket in the argument, or for each that is here. */
static enum status each_vbucket(const struct stat_call *c,
                                void (*one)(const struct stat_call *, const struct vbucket *))
{
    bool all = false;
    const struct vbucket *v = NULL;
    enum status status = argument_vbucket(c, &all, &v);
    if (status != ST_SUCCESS) return status;
    if (!all) one(c, v);
    for (uint16_t i = 0; all && i < c->store->vbucket_count; i++) {
        if (c->store->vbuckets[i].mode != VBUCKET_ABSENT) one(c, &c->store->vbuckets[i]);
    }
    return ST_SUCCESS;
}

/* ---- vBuckets */

static const char *mode_name(const struct vbucket *v)
{
    static const char *const names[] = {"absent", "active", "replica", "pending", "dead"};
    return names[v->mode];
}

static void one_state(const struct stat_call *c, const struct vbucket *v)
{
    put(c, mode_name(v), "vb_%u", v->id);
}

static enum status stat_vbucket(const struct stat_call *c)
{
    if (*c->argument) return ST_KEY_ENOENT;
    return each_vbucket(c, one_state);
}

static void one_details(const struct stat_call *c, const struct vbucket *v)
{
    put(c, mode_name(v), "vb_%u", v->id);
    put(c, number(v->items), "vb_%u:num_items", v->id);
    put(c, number(v->tombstones), "vb_%u:num_temp_items", v->id);
    put(c, number(v->slots * sizeof(void *)), "vb_%u:ht_memory", v->id);
    put(c, number(v->slots), "vb_%u:ht_size", v->id);
    put(c, number(v->high_seqno), "vb_%u:high_seqno", v->id);
    put(c, number(v->purge_seqno), "vb_%u:purge_seqno", v->id);
    put(c, number(v->max_cas), "vb_%u:max_cas", v->id);
    put(c, number(v->max_deleted_revision), "vb_%u:max_deleted_revid", v->id);
    put(c, number(vbucket_uuid(v)), "vb_%u:uuid", v->id);
}

static enum status stat_vbucket_details(const struct stat_call *c)
{
    return each_vbucket(c, one_details);
}

static void one_seqno(const struct stat_call *c, const struct vbucket *v)
{
    const char *high = number(v->high_seqno);
    uint64_t persisted = vbucket_persisted(v);
    put(c, high, "vb_%u:high_seqno", v->id);
    put(c, high, "vb_%u:abs_high_seqno", v->id);
    put(c, number(persisted), "vb_%u:last_persisted_seqno", v->id);
    put(c, number(persisted), "vb_%u:last_persisted_snap_start", v->id);
    put(c, number(persisted), "vb_%u:last_persisted_snap_end", v->id);
    put(c, number(v->high_seqno), "vb_%u:max_visible_seqno", v->id);
    put(c, number(v->purge_seqno), "vb_%u:purge_seqno", v->id);
    put(c, number(v->high_prepared_seqno), "vb_%u:high_prepared_seqno", v->id);
    put(c, number(v->high_completed_seqno), "vb_%u:high_completed_seqno", v->id);
    put(c, number(vbucket_uuid(v)), "vb_%u:uuid", v->id);
}

static enum status stat_vbucket_seqno(const struct stat_call *c)
{
    return each_vbucket(c, one_seqno);
}

static void one_failovers(const struct stat_call *c, const struct vbucket *v)
{
    put(c, number(v->failover_count), "vb_%u:num_entries", v->id);
    put(c, "0", "vb_%u:num_erroneous_entries_erased", v->id);
    for (unsigned i = 0; i < v->failover_count; i++) {
        put(c, number(v->failover[i].uuid), "vb_%u:%u:id", v->id, i);
        put(c, number(v->failover[i].seqno), "vb_%u:%u:seq", v->id, i);
    }
}

static enum status stat_failovers(const struct stat_call *c)
{
    enum status status = each_vbucket(c, one_failovers);
    if (status != ST_EINVAL) return status;
    struct stat_call all = *c; /* measured: an unknown vBucket gives all of them */
    *all.argument = 0;
    return each_vbucket(&all, one_failovers);
}

/* ---- collections */

static void one_collection(const struct stat_call *c, const struct collection *x)
{
    unsigned s = x->scope_id, id = x->id;
    put(c, x->name, "0x%x:0x%x:name", s, id);
    put(c, x->scope_name, "0x%x:0x%x:scope_name", s, id);
    put(c, number(x->items), "0x%x:0x%x:items", s, id);
    put(c, number(x->mem_bytes), "0x%x:0x%x:collections_mem_used", s, id);
    put(c, number(x->mem_bytes), "0x%x:0x%x:data_size", s, id);
    put(c, number(x->gets), "0x%x:0x%x:ops_get", s, id);
    put(c, number(x->stores), "0x%x:0x%x:ops_store", s, id);
    put(c, number(x->deletes), "0x%x:0x%x:ops_delete", s, id);
    put(c, x->history ? "true" : "false", "0x%x:0x%x:history", s, id);
    put(c, "no", "0x%x:0x%x:metered", s, id);
    if (x->max_ttl_s > 0) put(c, number((uint64_t)x->max_ttl_s), "0x%x:0x%x:maxTTL", s, id);
}

static const struct collection *named_collection(const struct stat_call *c)
{
    const char *dot = strchr(c->argument, '.');
    if (!dot) return NULL;
    const struct manifest *m = &c->store->manifest;
    const struct scope *scope = manifest_find_scope(m, bytes_of(c->argument, (size_t)(dot - c->argument)));
    return scope ? manifest_find_collection(m, scope, divan_str(dot + 1)) : NULL;
}

static void put_manifest_uid(const struct stat_call *c)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIx64, c->store->manifest.uid);
    put(c, text, "manifest_uid");
}

static enum status stat_collections(const struct stat_call *c)
{
    const struct collection *one = *c->argument ? named_collection(c) : NULL;
    if (*c->argument && !one) return ST_UNKNOWN_COLLECTION;
    put_manifest_uid(c);
    if (one) one_collection(c, one);
    for (size_t i = 0; !one && i < c->store->manifest.collection_count; i++)
        one_collection(c, &c->store->manifest.collections[i]);
    return ST_SUCCESS;
}

static enum status stat_collections_byid(const struct stat_call *c)
{
    const struct collection *one = manifest_find(&c->store->manifest, (uint32_t)strtoul(c->argument, NULL, 16));
    if (!one) return ST_UNKNOWN_COLLECTION;
    put_manifest_uid(c);
    one_collection(c, one);
    return ST_SUCCESS;
}

static enum status stat_scopes(const struct stat_call *c)
{
    const struct manifest *m = &c->store->manifest;
    put_manifest_uid(c);
    for (size_t i = 0; i < m->scope_count; i++) {
        uint64_t collections = 0, items = 0;
        for (size_t n = 0; n < m->collection_count; n++) {
            if (m->collections[n].scope_id != m->scopes[i].id) continue;
            collections++;
            items += m->collections[n].items;
        }
        put(c, m->scopes[i].name, "0x%x:name", m->scopes[i].id);
        put(c, number(collections), "0x%x:collections", m->scopes[i].id);
        put(c, number(items), "0x%x:items", m->scopes[i].id);
    }
    return ST_SUCCESS;
}

/* ---- the bucket */

static enum status stat_general(const struct stat_call *c)
{
    const struct store *s = c->store;
    const struct store_counters *n = &s->counters;
    uint64_t active = 0, replica = 0;
    for (uint16_t i = 0; i < s->vbucket_count; i++) {
        active += s->vbuckets[i].mode == VBUCKET_ACTIVE;
        replica += s->vbuckets[i].mode == VBUCKET_REPLICA;
    }
    put(c, c->bucket->uuid, "uuid");
    put(c, seconds(c), "uptime");
    put(c, number(c->rq->engine->clock.wall_s), "time");
    put(c, c->rq->engine->version, "version");
    put(c, c->rq->engine->version, "ep_version");
    put(c, number(c->rq->engine->session_count), "curr_connections");
    put(c, number(c->rq->engine->max_sessions), "max_connections");
    put(c, number(s->items), "curr_items");
    put(c, number(s->items + s->replica_items), "curr_items_tot");
    put(c, number(s->items), "vb_active_curr_items");
    put(c, number(s->replica_items), "vb_replica_curr_items");
    put(c, number(active), "vb_active_num");
    put(c, number(replica), "vb_replica_num");
    put(c, number(s->mem_bytes), "mem_used");
    put(c, number(s->mem_bytes), "ep_kv_size");
    put(c, number(s->value_bytes), "ep_value_size");
    put(c, number(s->quota_bytes), "ep_max_size");
    put(c, number(n->gets), "cmd_get");
    put(c, number(n->sets), "cmd_set");
    put(c, number(n->deletes), "cmd_delete");
    put(c, number(n->gets - n->misses), "get_hits");
    put(c, number(n->misses), "get_misses");
    put(c, number(n->ops), "cmd_total_ops");
    put(c, number(n->expired), "ep_expired_access");
    put(c, number(n->oom_errors), "ep_oom_errors");
    put(c, number(n->tmp_oom_errors), "ep_tmp_oom_errors");
    put(c, number(n->evicted), "ep_num_value_ejects");
    put(c, c->bucket->spec.type == BUCKET_EPHEMERAL ? "ephemeral" : "persistent", "ep_bucket_type");
    put(c, number(s->max_ttl_s), "ep_max_ttl");
    return ST_SUCCESS;
}

static enum status stat_memory(const struct stat_call *c)
{
    const struct store *s = c->store;
    put(c, number(s->mem_bytes), "bytes");
    put(c, number(s->mem_bytes), "mem_used");
    put(c, number(s->mem_bytes), "mem_used_estimate");
    put(c, number(s->mem_bytes), "ep_kv_size");
    put(c, number(s->value_bytes), "ep_value_size");
    put(c, number(s->quota_bytes), "ep_max_size");
    put(c, number(s->items + s->replica_items + s->tombstones), "ep_item_num");
    put(c, number(s->counters.oom_errors), "ep_oom_errors");
    put(c, number(s->counters.tmp_oom_errors), "ep_tmp_oom_errors");
    return ST_SUCCESS;
}

static enum status stat_uuid(const struct stat_call *c)
{
    put(c, c->bucket->uuid, "uuid");
    return ST_SUCCESS;
}

static enum status stat_diskinfo(const struct stat_call *c)
{
    static const char *const names[] = {"ep_db_data_size", "ep_db_file_size", "ep_db_history_file_size",
                                        "ep_db_history_start_timestamp", "ep_db_prepare_size"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) put(c, "0", "%s", names[i]);
    return ST_SUCCESS;
}

static enum status stat_bucket_details(const struct stat_call *c)
{
    struct buf text = {.limit = 1024 * 1024};
    buf_put_str(&text, "{\"buckets\":[");
    list_each(&c->rq->engine->buckets, link)
    {
        const struct bucket *b = container_of(link, struct bucket, link);
        buf_printf(&text, "%s{\"name\":\"%s\",\"clients\":%u,\"state\":\"ready\",\"type\":\"EWouldBlock\"}",
                   text.len > 12 ? "," : "", b->name, b->sessions);
    }
    buf_put_str(&text, "]}");
    char *json = buf_text(&text);
    if (json) put(c, json, "bucket details");
    buf_fini(&text);
    return json ? ST_SUCCESS : ST_ENOMEM;
}

static enum status stat_nothing(const struct stat_call *c)
{
    return ST_SUCCESS;
}

static enum status stat_not_supported(const struct stat_call *c)
{
    return ST_NOT_SUPPORTED;
}

/* ---- groups */

static const struct {
    const char *name;
    enum status (*run)(const struct stat_call *);
    bool admin;
} groups[] = {
    {"", stat_general, false},
    {"bucket_details", stat_bucket_details, true},
    {"collections", stat_collections, false},
    {"collections-byid", stat_collections_byid, false},
    {"dcp", stat_nothing, false},
    {"dcpagg", stat_nothing, false},
    {"diskinfo", stat_diskinfo, false},
    {"durability-monitor", stat_not_supported, false},
    {"eviction", stat_nothing, false},
    {"failovers", stat_failovers, false},
    {"memory", stat_memory, false},
    {"prev-vbucket", stat_vbucket, false},
    {"reset", stat_nothing, true},
    {"scopes", stat_scopes, false},
    {"uuid", stat_uuid, false},
    {"vbucket", stat_vbucket, false},
    {"vbucket-details", stat_vbucket_details, false},
    {"vbucket-seqno", stat_vbucket_seqno, false},
    {"audit", stat_nothing, true},
    {"connections", stat_nothing, true},
};

static enum status run_group(struct stat_call *c, struct divan_bytes key)
{
    const char *space = key.len ? memchr(key.data, ' ', key.len) : NULL;
    size_t name_len = space ? (size_t)(space - (const char *)key.data) : key.len;
    struct divan_bytes argument = space ? bytes_slice(key, name_len + 1, sizeof c->argument - 1)
                                        : (struct divan_bytes){0};
    if (argument.len) memcpy(c->argument, argument.data, argument.len);
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (!bytes_is(bytes_slice(key, 0, name_len), groups[i].name)) continue;
        if (groups[i].admin && !(c->rq->privileges & PRIV_ADMIN)) return ST_EACCESS;
        return groups[i].run(c);
    }
    return ST_KEY_ENOENT;
}

void run_stat(struct request *rq)
{
    if (rq->frame.value.len && !(rq->frame.datatype & DATATYPE_JSON)) {
        reply_problem(rq, ST_EINVAL, "Datatype must be JSON");
        return;
    }
    struct stat_call c = {.rq = rq, .bucket = rq->bucket, .store = &rq->bucket->store};
    enum status status = run_group(&c, rq->frame.key);
    if (status == ST_EACCESS) reply_denied(rq, "Stats");
    else if (status == ST_NOT_MY_VBUCKET) reply_not_my_vbucket(rq);
    else if (status == ST_UNKNOWN_COLLECTION) reply_unknown_collection(rq, status);
    else if (status != ST_SUCCESS) reply_plain(rq, status);
    else {
        struct kv_reply end = {.opcode = OP_STAT, .opaque = rq->frame.opaque};
        kv_put_reply(reply_out(rq), &end);
    }
}
