/* Buckets: create, edit, delete, flush. Sentences are those of Couchbase Server 7.6; SDKs match some of them. */
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "manager/json_writer.h"
#include "manager/plan_parts.h"

enum { QUOTA_MIN_MB = 100, BUCKETS_MAX = 30, NAME_MAX_BYTES = 100, REPLICAS_MAX = 3, VBUCKETS_MAX = 1024 };

/* What a request asks for, checked field by field. */
struct wish {
    struct doc_bucket b;          /* starts as the defaults, or as the bucket to edit */
    const struct doc_bucket *old; /* NULL = create */
    int64_t quota_mb;             /* as understood, for the summary; 0 = not at all */
};

/* ---- the fields */

static int word_index(struct divan_bytes v, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (bytes_is(v, words[i])) return i;
    return -1;
}

static bool name_has_only_good_characters(struct divan_bytes name)
{
    const char *at = name.data;
    for (size_t i = 0; i < name.len; i++) {
        char c = at[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("_.%-", c);
        if (!good || !c) return false;
    }
    return true;
}

static bool begins(struct divan_bytes text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.data, with, strlen(with)) == 0;
}

static const char *name_flaw(const struct doc *d, struct divan_bytes name)
{
    if (!name.data) return "Bucket name needs to be specified";
    if (!name.len) return "Bucket name cannot be empty";
    if (begins(name, ".")) return "Bucket name cannot start with dot.";
    if (!name_has_only_good_characters(name))
        return "Bucket name can only contain characters in range A-Z, a-z, 0-9 as well as underscore, period, dash & "
               "percent. Consult the documentation.";
    if (name.len > NAME_MAX_BYTES) return "Bucket name cannot exceed 100 characters";
    if (begins(name, "_users.couch.") || begins(name, "_replicator.couch."))
        return "This name is reserved for the internal use.";
    for (size_t i = 0; i < d->bucket_count; i++)
        if (strlen(d->buckets[i].name) == name.len && strncasecmp(d->buckets[i].name, name.data, name.len) == 0)
            return "Bucket with given name already exists";
    return NULL;
}

static void take_name(struct plan *p, struct wish *w)
{
    if (w->old) return; /* a name cannot change; one that is sent anyway is ignored */
    struct divan_bytes name = plan_field(p, "name");
    const char *flaw = name_flaw(p->doc, name);
    if (flaw) plan_error(p, "name", "%s", flaw);
    else w->b.name = doc_text_of(p->doc, name);
}

static void take_type(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "bucketType");
    if (w->old || !v.data) return; /* ignored in an edit, as the server does */
    int type = bytes_is(v, "couchbase") ? DOC_COUCHBASE : word_index(v, doc_bucket_type_words);
    if (type < 0) plan_error(p, "bucketType", "invalid bucket type");
    else w->b.type = (enum doc_bucket_type)type;
}

static int64_t quota_of_others(const struct doc *d, const struct doc_bucket *but)
{
    int64_t mb = 0;
    for (size_t i = 0; i < d->bucket_count; i++)
        if (&d->buckets[i] != but) mb += d->buckets[i].quota_mb;
    return mb;
}

static void take_quota(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "ramQuota");
    if (!v.data) v = plan_field(p, "ramQuotaMB");
    w->quota_mb = w->old ? w->b.quota_mb : 0;
    if (!v.data && w->old) return;
    int64_t mb = 0;
    if (!plan_to_int(v, &mb) || mb <= 0) {
        plan_error(p, "ramQuota", "The RAM Quota must be specified and must be a positive integer.");
        return;
    }
    w->quota_mb = mb;
    if (mb < QUOTA_MIN_MB) plan_error(p, "ramQuota", "RAM quota cannot be less than 100 MiB");
    else if (mb > (int64_t)p->doc->quotas.kv - quota_of_others(p->doc, w->old))
        plan_error(p, "ramQuota", "RAM quota specified is too large to be provisioned into this cluster.");
    else w->b.quota_mb = (uint32_t)mb;
}

static void take_replicas(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "replicaNumber");
    int64_t n = 0;
    if (!v.data) return;
    if (w->b.type == DOC_MEMCACHED) plan_error(p, "replicaNumber", "replicaNumber is not valid for memcached buckets");
    else if (!plan_to_int(v, &n) || n < 0)
        plan_error(p, "replicaNumber", "The replica number must be specified and must be a non-negative integer.");
    else if (n > REPLICAS_MAX) plan_error(p, "replicaNumber", "Replica number larger than 3 is not supported.");
    else w->b.replicas = (uint8_t)n;
}

/* 0/1 switches; `field` is also the key of the error. */
static void take_switch(struct plan *p, const char *field, bool *out)
{
    struct divan_bytes v = plan_field(p, field);
    if (!v.data) return;
    if (bytes_is(v, "1") || bytes_is(v, "true")) *out = true;
    else if (bytes_is(v, "0") || bytes_is(v, "false")) *out = false;
    else plan_error(p, field, "%s can only be 1 or 0", field);
}

static void take_eviction(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "evictionPolicy");
    bool ephemeral = w->b.type == DOC_EPHEMERAL;
    if (!w->old) w->b.eviction = ephemeral ? DOC_NO_EVICTION : DOC_VALUE_ONLY;
    if (!v.data) return;
    int policy = word_index(v, doc_eviction_words);
    if (policy < 0 || (policy >= DOC_NO_EVICTION) != ephemeral)
        plan_error(p, "evictionPolicy",
                   ephemeral ? "Eviction policy must be either 'noEviction' or 'nruEviction' for ephemeral buckets"
                             : "Eviction policy must be either 'valueOnly' or 'fullEviction' for couchbase buckets");
    else w->b.eviction = (enum doc_eviction)policy;
}

static void take_durability(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "durabilityMinLevel");
    if (!v.data) return;
    int level = word_index(v, doc_durability_words);
    unsigned needed = (unsigned)(w->b.replicas + 1) / 2 + 1;
    if (level < 0)
        plan_error(p, "durability_min_level",
                   "Durability minimum level must be one of 'none', 'majority', 'majorityAndPersistActive', or "
                   "'persistToMajority'");
    else if (w->b.type == DOC_EPHEMERAL && level > DOC_DUR_MAJORITY)
        plan_error(p, "durability_min_level",
                   "Durability minimum level must be either 'none' or 'majority' for ephemeral buckets");
    else if (level > DOC_DUR_NONE && plan_active_nodes(p->doc) < needed)
        plan_error(p, "durability_min_level", "You do not have enough data servers to support this durability level");
    else w->b.durability_min = (enum doc_durability)level;
}

static void take_ttl(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "maxTTL");
    int64_t s = 0;
    if (!v.data) return;
    if (!plan_to_int(v, &s) || s < 0 || s > INT32_MAX)
        plan_error(p, "maxTTL", "Max TTL must be an integer between 0 and 2147483647");
    else w->b.max_ttl_s = (uint32_t)s;
}

static void take_compression(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "compressionMode");
    if (!v.data) return;
    int mode = word_index(v, doc_compression_words);
    if (mode < 0) plan_error(p, "compressionMode", "compressionMode can be set to 'off', 'passive' or 'active'");
    else w->b.compression = (enum doc_compression)mode;
}

static void take_conflict(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "conflictResolutionType");
    if (!v.data) return;
    int kind = word_index(v, doc_conflict_words);
    if (w->old) plan_error(p, "conflictResolutionType", "Conflict resolution type not allowed in update bucket");
    else if (kind < 0)
        plan_error(p, "conflictResolutionType", "Conflict resolution type must be 'seqno' or 'lww' or 'custom'");
    else w->b.conflict = (enum doc_conflict)kind;
}

static void take_backend(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "storageBackend");
    if (!v.data || bytes_is(v, "couchstore")) return;
    if (!bytes_is(v, "magma")) plan_error(p, "storage_mode", "storage backend must be couchstore or magma");
    else if (w->quota_mb < 1024) plan_error(p, "ramQuota", "Ram quota for magma must be at least 1024 MiB");
    else plan_error(p, "storage_mode", "this cluster has no magma storage; create the bucket with couchstore");
}

static void take_number(struct plan *p, const char *field, int64_t low, int64_t high, const char *flaw, uint16_t *out)
{
    struct divan_bytes v = plan_field(p, field);
    int64_t n = 0;
    if (!v.data) return;
    if (!plan_to_int(v, &n) || n < low || n > high) plan_error(p, field, "%s", flaw);
    else *out = (uint16_t)n;
}

static void take_threads(struct plan *p, struct wish *w)
{
    struct divan_bytes v = plan_field(p, "threadsNumber");
    if (!v.data) return;
    if (!bytes_is(v, "3") && !bytes_is(v, "8"))
        plan_error(p, "threadsNumber",
                   "The number of threads can't be anything but 3 (low priority) or 8 (high priority)");
    else w->b.threads = bytes_is(v, "3") ? 3 : 8;
}

static void take_all(struct plan *p, struct wish *w)
{
    take_type(p, w);
    take_name(p, w);
    take_quota(p, w);
    take_replicas(p, w);
    if (w->b.type == DOC_MEMCACHED) w->b.replicas = 0;
    take_switch(p, "flushEnabled", &w->b.flush_enabled);
    if (!w->old) take_switch(p, "replicaIndex", &w->b.replica_index);
    take_eviction(p, w);
    take_durability(p, w);
    take_ttl(p, w);
    take_compression(p, w);
    take_conflict(p, w);
    take_backend(p, w);
    take_threads(p, w);
    if (!w->old)
        take_number(p, "numVBuckets", 1, VBUCKETS_MAX, "Number of vbuckets must be an integer between 1 and 1024",
                    &w->b.map.vbuckets);
    take_number(p, "rank", 0, 1000, "Rank must be in the range 0-1000.", &w->b.rank);
}

/* ---- the answer with its sums */

static void put_summaries(struct plan *p, const struct wish *w)
{
    struct buf *out = &p->reply->body;
    const int64_t mib = 1024 * 1024, nodes = (int64_t)plan_active_nodes(p->doc);
    int64_t total = p->doc->quotas.kv * mib * nodes, others = quota_of_others(p->doc, w->old) * mib * nodes;
    jw_open(out, "summaries", '{');
    jw_open(out, "ramSummary", '{');
    jw_int(out, "total", total);
    jw_int(out, "otherBuckets", others);
    jw_int(out, "nodesCount", nodes);
    jw_int(out, "perNodeMegs", w->quota_mb);
    jw_int(out, "thisAlloc", w->quota_mb * mib * nodes);
    jw_int(out, "thisUsed", 0);
    jw_int(out, "free", total - others - w->quota_mb * mib * nodes);
    jw_close(out, '}');
    jw_open(out, "hddSummary", '{');
    jw_raw(out, NULL, "\"total\":0,\"otherData\":0,\"otherBuckets\":0,\"thisUsed\":0,\"free\":0");
    jw_close(out, '}');
    jw_close(out, '}');
}

static void answer_with_summaries(struct plan *p, const struct wish *w, int status)
{
    struct buf *out = &p->reply->body;
    p->reply->status = status;
    p->reply->json = true;
    buf_put_str(out, "{\"errors\":{");
    buf_put_bytes(out, buf_view(&p->errors));
    buf_put_str(out, "}");
    put_summaries(p, w);
    buf_put_str(out, "}");
}

/* ---- operations */

static void defaults(struct plan *p, struct doc_bucket *b)
{
    *b = (struct doc_bucket){.name = "",
                             .replicas = 1,
                             .replica_index = true,
                             .compression = DOC_COMPRESSION_PASSIVE,
                             .threads = 3,
                             .map = {.vbuckets = p->doc->vbuckets}};
}

static void set_location(struct plan *p, const char *name)
{
    char *at = p->reply->location;
    at += sprintf(at, "/pools/default/buckets/");
    for (; *name; name++) at += sprintf(at, *name == '%' ? "%%25" : "%c", *name);
}

static size_t place_by_name(const struct doc *d, const char *name)
{
    size_t at = 0;
    while (at < d->bucket_count && strcmp(d->buckets[at].name, name) < 0) at++;
    return at;
}

void plan_bucket_create(struct plan *p)
{
    struct wish w = {0};
    defaults(p, &w.b);
    take_all(p, &w);
    if (p->doc->bucket_count >= BUCKETS_MAX) plan_error(p, "_", "Cannot create more than %d buckets", BUCKETS_MAX);
    if (plan_failed(p) || plan_has(p, "?just_validate")) {
        answer_with_summaries(p, &w, plan_failed(p) ? 400 : 200);
        return;
    }
    if (plan_refuse_busy(p, "create")) return;
    w.b.uuid = plan_uuid(p, false);
    plan_manifest_init(p, &w.b.manifest);
    if (w.b.type == DOC_MEMCACHED) w.b.map.vbuckets = 0, w.b.compression = DOC_COMPRESSION_OFF;
    struct doc_bucket *b = doc_insert(p->doc, &p->doc->buckets, &p->doc->bucket_count, place_by_name(p->doc, w.b.name),
                                      sizeof *b);
    if (!b) return;
    *b = w.b;
    plan_map_build(p, b);
    p->changed = true;
    plan_answer(p, 202);
    set_location(p, b->name);
}

static struct doc_bucket *named(struct plan *p)
{
    struct doc_bucket *b = doc_find_bucket(p->doc, plan_arg(p, 0));
    if (!b) plan_answer_not_found(p);
    return b;
}

void plan_bucket_edit(struct plan *p)
{
    struct doc_bucket *b = named(p);
    if (!b) return;
    struct wish w = {.b = *b, .old = b};
    take_all(p, &w);
    if (plan_failed(p) || plan_has(p, "?just_validate")) {
        answer_with_summaries(p, &w, plan_failed(p) ? 400 : 200);
        return;
    }
    *b = w.b;
    plan_done(p);
}

void plan_bucket_delete(struct plan *p)
{
    struct doc_bucket *b = named(p);
    if (!b || plan_refuse_busy(p, "delete")) return;
    doc_remove(p->doc->buckets, &p->doc->bucket_count, (size_t)(b - p->doc->buckets), sizeof *b);
    plan_done(p);
}

void plan_bucket_flush(struct plan *p)
{
    struct doc_bucket *b = named(p);
    if (!b || plan_refuse_busy(p, "flush")) return;
    if (!b->flush_enabled) {
        plan_answer_json(p, 400, "{\"_\":\"Flush is disabled for the bucket\"}");
        return;
    }
    b->flushes++;
    plan_done(p);
}
