#include "node/apply.h"

#include "base/alloc.h"
#include "base/error.h"
#include "manager/roles.h"
#include "node/engine.h"
#include "node/placement.h"
#include "node/replication.h"

enum { MIB = 1024 * 1024, SECRET_ITERATIONS = 1000 }; /* the secret is random: no need to slow guessing down */

struct work {
    struct engine *engine;
    const struct doc *before, *after;
    const char *self;
    const struct log *log;
    unsigned refused;
};

static void check(struct work *w, const char *what, const char *name, enum divan_code rc, const struct divan_error *err)
{
    if (!rc) return;
    w->refused++;
    LOG_E(w->log, "%s %s: %s", what, name, err->message);
}

/* ---- buckets */

/* A bucket lives in the engine once it has a map; those of memcached type are known to the document only. */
static bool lives(const struct doc_bucket *b)
{
    return b && b->type != DOC_MEMCACHED && b->map.entries;
}

static const struct doc_bucket *earlier(const struct work *w, const struct doc_bucket *b)
{
    const struct doc_bucket *old = w->before ? doc_find_bucket_uuid(w->before, b->uuid) : NULL;
    return lives(old) ? old : NULL;
}

static struct bucket_spec spec_of(const struct doc_bucket *b)
{
    static const enum bucket_eviction eviction[] = {EVICTION_VALUE_ONLY, EVICTION_FULL, EVICTION_NONE, EVICTION_NRU};
    static const enum bucket_compression compression[] = {COMPRESSION_OFF, COMPRESSION_PASSIVE, COMPRESSION_ACTIVE};
    static const enum durability_level durability[] = {DURABLE_NONE, DURABLE_MAJORITY, DURABLE_MAJORITY_AND_PERSIST,
                                                       DURABLE_PERSIST_TO_MAJORITY};
    return (struct bucket_spec){.name = b->name,
                                .uuid = b->uuid,
                                .type = b->type == DOC_EPHEMERAL ? BUCKET_EPHEMERAL : BUCKET_COUCHBASE,
                                .vbuckets = b->map.vbuckets,
                                .replicas = b->replicas,
                                .ram_quota_bytes = (uint64_t)b->quota_mb * MIB,
                                .compression = compression[b->compression],
                                .eviction = eviction[b->eviction],
                                .conflict = b->conflict == DOC_LWW ? CONFLICT_LWW : CONFLICT_SEQNO,
                                .durability_min = durability[b->durability_min],
                                .max_ttl_s = b->max_ttl_s,
                                .flush_enabled = b->flush_enabled};
}

static bool same_entries(const struct doc_vbmap *m, const int16_t *a, const int16_t *b)
{
    if (!a || !b) return a == b;
    return memcmp(a, b, (size_t)m->vbuckets * m->row * sizeof *a) == 0;
}

/* Whether a node is the same for all vBuckets by both documents: maps, moves, where it follows, and what it is itself. */
static bool same_placement(const struct work *w, const struct doc_bucket *old, const struct doc_bucket *b)
{
    const struct doc_vbmap *x = &old->map, *y = &b->map;
    const struct doc_node *m = doc_find_node(w->before, w->self), *n = doc_find_node(w->after, w->self);
    if (x->vbuckets != y->vbuckets || x->row != y->row || x->server_count != y->server_count) return false;
    if (w->before->task.stage != w->after->task.stage || !m != !n) return false;
    if (m && (m->membership != n->membership || m->recovery != n->recovery)) return false;
    for (size_t i = 0; i < x->server_count; i++) {
        const struct doc_node *s = doc_find_node(w->before, x->servers[i]), *t = doc_find_node(w->after, y->servers[i]);
        if (strcmp(x->servers[i], y->servers[i]) != 0 || !s || !t || strcmp(s->address, t->address) != 0 ||
            s->ports.plain[SVC_KV] != t->ports.plain[SVC_KV])
            return false;
    }
    return same_entries(x, x->entries, y->entries) && same_entries(x, x->forward, y->forward) &&
           same_entries(x, x->moving, y->moving);
}

static void set_roles(struct work *w, const struct doc_bucket *b)
{
    struct divan_error err = {0};
    enum divan_code rc = placement_set(w->engine, w->after, b, w->self, &err);
    check(w, "the vBuckets of bucket", b->name, rc, &err);
}

static void set_manifest(struct work *w, const struct doc_bucket *b)
{
    const struct doc_manifest *m = &b->manifest;
    struct divan_error err = {0};
    size_t total = 0, n = 0;
    for (size_t s = 0; s < m->scope_count; s++) total += m->scopes[s].collection_count;
    struct scope_spec *scopes = mem_zalloc(sizeof *scopes * (m->scope_count + 1));
    struct collection_spec *collections = mem_zalloc(sizeof *collections * (total + 1));
    enum divan_code rc = scopes && collections ? DIVAN_OK : err_oom(&err);
    for (size_t s = 0; !rc && s < m->scope_count; s++) {
        const struct doc_scope *scope = &m->scopes[s];
        scopes[s] = (struct scope_spec){scope->name, scope->id, collections + n, scope->collection_count};
        for (size_t c = 0; c < scope->collection_count; c++) {
            const struct doc_collection *col = &scope->collections[c];
            collections[n++] = (struct collection_spec){col->name, col->id, col->max_ttl_s, col->history};
        }
    }
    struct manifest_spec spec = {m->uid, scopes, m->scope_count};
    if (!rc) rc = engine_set_manifest(w->engine, b->name, &spec, &err);
    check(w, "the collections of bucket", b->name, rc, &err);
    mem_free(scopes);
    mem_free(collections);
}

static void set_config(struct work *w, const struct doc_bucket *b)
{
    struct divan_error err = {0};
    struct buf json = {.limit = 16 << 20};
    int64_t rev = b ? b->rev : w->after->nodes_rev;
    if (b) doc_bucket_config(w->after, b, w->self, &json);
    else doc_global_config(w->after, w->self, &json);
    enum divan_code rc = json.failed ? err_oom(&err) : DIVAN_OK;
    if (!rc)
        rc = engine_set_config(w->engine, b ? b->name : NULL, (struct map_revision){w->after->revision.epoch, rev},
                               buf_view(&json), &err);
    check(w, "the configuration of", b ? b->name : "the cluster", rc, &err);
    buf_fini(&json);
}

static void apply_bucket(struct work *w, const struct doc_bucket *b)
{
    const struct doc_bucket *old = earlier(w, b);
    struct bucket_spec spec = spec_of(b);
    struct divan_error err = {0};
    enum divan_code made = old ? DIVAN_ERR_BUCKET_EXISTS : engine_bucket_create(w->engine, &spec, &err);
    if (made != DIVAN_ERR_BUCKET_EXISTS) /* it may be there from a try that failed half-way */
        check(w, "creating bucket", b->name, made, &err);
    else check(w, "changing bucket", b->name, engine_bucket_update(w->engine, &spec, &err), &err);
    if (!old || b->manifest.uid > old->manifest.uid) set_manifest(w, b);
    if (!old || !same_placement(w, old, b)) set_roles(w, b);
    if (!old || b->rev > old->rev) set_config(w, b);
}

static void drop_buckets(struct work *w)
{
    for (size_t i = 0; w->before && i < w->before->bucket_count; i++) {
        const struct doc_bucket *old = &w->before->buckets[i];
        struct divan_error err = {0};
        if (!lives(old) || doc_find_bucket_uuid(w->after, old->uuid)) continue;
        enum divan_code rc = engine_bucket_drop(w->engine, old->name, &err);
        if (rc != DIVAN_ERR_BUCKET_NOT_FOUND) check(w, "dropping bucket", old->name, rc, &err);
    }
}

/* ---- users */

static uint32_t privileges_of(uint32_t data)
{
    static const struct {
        uint32_t role, privileges;
    } table[] = {
        {ROLE_READ, PRIV_READ},
        {ROLE_INSERT, PRIV_INSERT},
        {ROLE_UPSERT, PRIV_UPSERT},
        {ROLE_DELETE, PRIV_DELETE},
        {ROLE_RANGE_SCAN, PRIV_RANGE_SCAN},
        {ROLE_META_READ, PRIV_META_READ},
        {ROLE_META_WRITE, PRIV_META_WRITE},
        {ROLE_SYSTEM_XATTR, PRIV_SYSTEM_XATTR_READ | PRIV_SYSTEM_XATTR_WRITE},
        {ROLE_DCP, PRIV_DCP_PRODUCER | PRIV_DCP_CONSUMER | PRIV_DCP_STREAM},
        {ROLE_STATS, PRIV_STATS},
    };
    uint32_t out = PRIV_SYSTEM_SETTINGS; /* whoever may do anything may know the cluster */
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (data & table[i].role) out |= table[i].privileges;
    return out;
}

enum { GRANTS_MAX = 256 };
struct grants {
    struct user_grant list[GRANTS_MAX];
    size_t count;
    bool admin;
};

static const char *any_is_null(const char *word)
{
    return word && strcmp(word, "*") != 0 ? word : NULL;
}

static void add_grant(void *user, const struct doc_role *r, const char *group)
{
    struct grants *g = user;
    const struct role_info *info = role_find(divan_str(r->role));
    if (!info || g->count == GRANTS_MAX) return;
    if (strcmp(info->role, "admin") == 0) g->admin = true;
    g->list[g->count++] = (struct user_grant){.bucket = any_is_null(r->bucket),
                                              .scope = any_is_null(r->scope),
                                              .collection = any_is_null(r->collection),
                                              .privileges = privileges_of(info->data)};
}

static void set_secret(struct sasl_secret *out, const struct doc_key keys[DOC_HASHES])
{
    for (int h = 0; h < DOC_HASHES; h++) {
        struct scram_keys *k = &out->scram[h];
        k->iterations = keys[h].iterations;
        k->salt_len = keys[h].salt_len;
        memcpy(k->salt, keys[h].salt, keys[h].salt_len);
        memcpy(k->stored_key, keys[h].stored, doc_hash_len((enum doc_hash)h));
        memcpy(k->server_key, keys[h].server, doc_hash_len((enum doc_hash)h));
    }
}

/* Who logs in by key-value: local users, but not one that hides behind the administrator's name. */
static bool logs_in(const struct doc *d, const struct doc_user *u)
{
    return !u->external && strcmp(u->id, d->admin) != 0;
}

static void set_user(struct work *w, const struct doc_user *u)
{
    struct grants grants = {0};
    struct divan_error err = {0};
    identity_each_role(&(struct identity){.doc = w->after, .user = u}, add_grant, &grants);
    struct engine_user user = {
        .name = u->id, .admin = grants.admin, .grants = grants.list, .grant_count = grants.count};
    set_secret(&user.secret, u->keys);
    check(w, "setting user", u->id, engine_set_user(w->engine, &user, &err), &err);
}

static void apply_users(struct work *w)
{
    const struct doc *a = w->after, *b = w->before;
    if (b && doc_same_users(a, b)) return;
    for (size_t i = 0; b && i < b->user_count; i++) {
        const struct doc_user *old = &b->users[i], *now = doc_find_user(a, divan_str(old->id), false);
        if (logs_in(b, old) && !(now && logs_in(a, now))) engine_drop_user(w->engine, old->id);
    }
    if (b && b->admin[0] && strcmp(b->admin, a->admin) != 0) engine_drop_user(w->engine, b->admin);
    for (size_t i = 0; i < a->user_count; i++)
        if (logs_in(a, &a->users[i])) set_user(w, &a->users[i]);
    if (!a->admin[0]) return;
    struct engine_user admin = {.name = a->admin, .admin = true};
    struct divan_error err = {0};
    set_secret(&admin.secret, a->admin_keys);
    check(w, "setting user", a->admin, engine_set_user(w->engine, &admin, &err), &err);
}

void apply_flushes(struct engine *engine, const struct doc *before, const struct doc *after)
{
    for (size_t i = 0; i < after->bucket_count; i++) {
        const struct doc_bucket *b = &after->buckets[i], *old = doc_find_bucket_uuid(before, b->uuid);
        if (old && b->flushes > old->flushes) engine_bucket_flush(engine, b->name, NULL); /* one not there is empty */
    }
}

/* The user by which nodes know each other; his password is the secret of the cluster. */
static void apply_secret(struct work *w)
{
    const char *secret = w->after->secret;
    struct engine_user user = {.name = placement_user, .admin = true};
    struct divan_error err = {0};
    if (!secret[0] || (w->before && strcmp(w->before->secret, secret) == 0)) return;
    enum divan_code rc = sasl_secret_derive(divan_str(secret), SECRET_ITERATIONS, &user.secret, &err);
    if (!rc) rc = engine_set_user(w->engine, &user, &err);
    if (!rc) rc = replication_identify(w->engine, w->self, placement_user, secret, &err);
    check(w, "setting user", placement_user, rc, &err);
}

unsigned apply_doc(struct engine *engine, const struct doc *before, const struct doc *after, const char *self,
                   const struct log *log)
{
    struct work w = {.engine = engine, .before = before, .after = after, .self = self, .log = log};
    apply_secret(&w);
    apply_users(&w); /* first: who may not any more must not see what comes */
    drop_buckets(&w);
    for (size_t i = 0; i < after->bucket_count; i++)
        if (lives(&after->buckets[i])) apply_bucket(&w, &after->buckets[i]);
    if (!before || after->nodes_rev > before->nodes_rev) set_config(&w, NULL);
    return w.refused;
}
