#include "node/bucket.h"

#include "base/alloc.h"
#include "base/error.h"
#include "node/disk/disk.h"

enum { QUOTA_DEFAULT = 100 * 1024 * 1024, VBUCKETS_DEFAULT = 1024, RATE_SPAN_NS = 1000000000 };

static void apply(struct bucket *b)
{
    struct store *s = &b->store;
    s->quota_bytes = b->spec.ram_quota_bytes ? b->spec.ram_quota_bytes : QUOTA_DEFAULT;
    s->max_ttl_s = b->spec.max_ttl_s;
    s->replicas = b->spec.replicas;
    s->compression = (uint8_t)b->spec.compression;
    s->durability_min = (uint8_t)b->spec.durability_min;
    s->evict_when_full = b->spec.type == BUCKET_EPHEMERAL && b->spec.eviction == EVICTION_NRU;
    s->refuse_when_full = b->spec.type == BUCKET_EPHEMERAL && b->spec.eviction != EVICTION_NRU;
}

struct bucket *node_bucket_new(const struct bucket_spec *spec, struct rng *r, struct divan_error *err)
{
    if (!spec->name || !*spec->name || strlen(spec->name) > BUCKET_NAME_MAX) {
        err_set(err, DIVAN_ERR_BUCKET_NAME, "a bucket name has 1 to %d bytes", BUCKET_NAME_MAX);
        return NULL;
    }
    if (spec->replicas > 3) {
        err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "a bucket has 0 to 3 replicas, not %u", spec->replicas);
        return NULL;
    }
    struct bucket *b = mem_zalloc(sizeof *b);
    if (!b || store_init(&b->store, spec->vbuckets ? spec->vbuckets : VBUCKETS_DEFAULT, r, err)) {
        mem_free(b);
        err_oom(err);
        return NULL;
    }
    text_copy(b->name, sizeof b->name, spec->name);
    text_copy(b->uuid, sizeof b->uuid, spec->uuid ? spec->uuid : "");
    scan_table_init(&b->scans);
    b->spec = *spec;
    b->spec.name = b->name;
    b->spec.uuid = b->uuid;
    b->spec.vbuckets = b->store.vbucket_count;
    apply(b);
    return b;
}

void node_bucket_free(struct bucket *b)
{
    if (!b) return;
    scan_table_fini(&b->scans);
    disk_close(b->disk);
    store_fini(&b->store);
    served_fini(&b->config);
    mem_free(b);
}

void bucket_update(struct bucket *b, const struct bucket_spec *spec)
{
    b->spec.replicas = spec->replicas;
    b->spec.ram_quota_bytes = spec->ram_quota_bytes;
    b->spec.compression = spec->compression;
    b->spec.eviction = spec->eviction;
    b->spec.durability_min = spec->durability_min;
    b->spec.max_ttl_s = spec->max_ttl_s;
    b->spec.flush_enabled = spec->flush_enabled;
    apply(b);
}

/* The rate needs no timer: it is taken between readings that are at least a second apart. */
static double rate(struct bucket *b, uint64_t now_ns)
{
    uint64_t ops = b->store.counters.ops, span_ns = now_ns - b->rate.at_ns;
    if (!b->rate.at_ns || span_ns >= RATE_SPAN_NS) {
        b->rate.per_s = b->rate.at_ns ? (double)(ops - b->rate.ops) * 1e9 / (double)span_ns : 0;
        b->rate.at_ns = now_ns;
        b->rate.ops = ops;
    }
    return b->rate.per_s;
}

void bucket_read_stats(struct bucket *b, uint64_t now_ns, struct bucket_stats *out)
{
    const struct store *s = &b->store;
    const struct store_counters *c = &s->counters;
    *out = (struct bucket_stats){
        .items = s->items,
        .replica_items = s->replica_items,
        .tombstones = s->tombstones,
        .expired = c->expired,
        .mem_used_bytes = s->mem_bytes,
        .quota_bytes = s->quota_bytes,
        .value_bytes = s->value_bytes,
        .gets = c->gets,
        .sets = c->sets,
        .deletes = c->deletes,
        .misses = c->misses,
        .ops = c->ops,
        .ops_per_s = rate(b, now_ns),
        .oom_errors = c->oom_errors,
        .tmp_oom_errors = c->tmp_oom_errors,
        .connections = b->sessions,
    };
    for (uint16_t i = 0; i < s->vbucket_count; i++) {
        const struct vbucket *v = &s->vbuckets[i];
        out->vbuckets_active += v->mode == VBUCKET_ACTIVE;
        out->vbuckets_replica += v->mode == VBUCKET_REPLICA;
        out->high_seqno_sum += v->high_seqno;
    }
}
