/* What is followed: the list of the steady state, tasks, and which of them a vBucket obeys. */
#include "node/replication.h"

#include "base/alloc.h"
#include "base/error.h"
#include "node/dcp/replica_state.h"

enum { LOSSES_MAX = 5 };

/* ---- finding */

static struct replication *get(struct engine *e, struct divan_error *err)
{
    if (e->replication) return e->replication;
    struct replication *r = mem_zalloc(sizeof *r);
    if (!r) {
        err_oom(err);
        return NULL;
    }
    r->engine = e;
    list_init(&r->buckets);
    return e->replication = r;
}

static struct followed_bucket *find_home(const struct engine *e, const struct bucket *b)
{
    if (!e->replication) return NULL;
    list_each(&e->replication->buckets, it)
    {
        struct followed_bucket *home = container_of(it, struct followed_bucket, link);
        if (home->bucket == b) return home;
    }
    return NULL;
}

static struct followed_bucket *get_home(struct engine *e, struct bucket *b, struct divan_error *err)
{
    struct replication *r = get(e, err);
    struct followed_bucket *home = r ? find_home(e, b) : NULL;
    if (!r || home) return home;
    home = mem_zalloc(sizeof *home);
    struct follow **follows = home ? mem_zalloc(b->store.vbucket_count * sizeof(struct follow *)) : NULL;
    if (!follows) {
        mem_free(home);
        err_oom(err);
        return NULL;
    }
    home->replication = r;
    home->bucket = b;
    home->follows = follows;
    list_init(&home->consumers);
    list_append(&r->buckets, &home->link);
    return home;
}

static struct bucket *find_bucket(const struct engine *e, const char *name, struct divan_error *err)
{
    struct bucket *b = engine_find_bucket(e, divan_str(name));
    if (!b) err_set(err, DIVAN_ERR_BUCKET_NOT_FOUND, "this node has no bucket \"%s\"", name);
    return b;
}

static enum divan_code read_source(const struct bucket *b, const struct replication_source *given, struct source *out,
                                   struct divan_error *err)
{
    *out = (struct source){0};
    if (given->vbucket >= b->store.vbucket_count)
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "bucket \"%s\" has no vBucket %u", b->name, given->vbucket);
    if (!given->host || !given->port || !io_addr_parse(&out->addr, given->host, given->port))
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the source \"%s\" of vBucket %u is no numeric address",
                       given->host ? given->host : "", given->vbucket);
    text_copy(out->node, sizeof out->node, given->node_name ? given->node_name : given->host);
    return DIVAN_OK;
}

/* ---- follows */

static struct follow *get_follow(struct followed_bucket *home, uint16_t vbucket, struct divan_error *err)
{
    struct follow *f = home->follows[vbucket];
    if (f) return f;
    f = mem_zalloc(sizeof *f);
    if (!f) {
        err_oom(err);
        return NULL;
    }
    f->home = home;
    f->vbucket = store_vbucket(&home->bucket->store, vbucket);
    return home->follows[vbucket] = f;
}

static void free_follow(struct follow *f)
{
    consumer_detach(f);
    f->home->follows[f->vbucket->id] = NULL;
    mem_free(f->task);
    mem_free(f);
}

/* Who is followed: a task's source before the list's. */
static const struct source *wanted(const struct follow *f)
{
    if (f->task || f->stays) return &f->task_source;
    return f->listed ? &f->list_source : NULL;
}

/* Brings a follow to the connection it needs; what nobody wants is gone afterwards. false: out of memory, it is tried
 * again with the next change. */
static bool aim(struct follow *f)
{
    const struct source *source = wanted(f);
    if (!source) {
        free_follow(f);
        return true;
    }
    struct consumer *c = consumer_get(f->home, source);
    if (!c) return false;
    if (f->consumer == c) {
        follow_try(f);
        return true;
    }
    consumer_detach(f);
    consumer_attach(c, f);
    return true;
}

/* ---- the list */

enum divan_code replication_identify(struct engine *e, const char *node_name, const char *user, const char *password,
                                     struct divan_error *err)
{
    struct divan_error own;
    struct replication *r = get(e, err ? err : &own);
    if (!r) return DIVAN_ERR_OUT_OF_MEMORY;
    if (!node_name || !*node_name || strlen(node_name) > NODE_NAME_MAX)
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the name of a node has 1 to %d bytes", NODE_NAME_MAX);
    text_copy(r->node, sizeof r->node, node_name);
    text_copy(r->user, sizeof r->user, user ? user : "");
    text_copy(r->password, sizeof r->password, password ? password : "");
    return DIVAN_OK;
}

static enum divan_code check_list(const struct bucket *b, const struct replication_source *sources, size_t count,
                                  struct divan_error *err)
{
    struct source ignored;
    enum divan_code rc = DIVAN_OK;
    for (size_t i = 0; i < count && !rc; i++) rc = read_source(b, &sources[i], &ignored, err);
    return rc;
}

/* First all memory, then the changes. */
static enum divan_code reserve(struct followed_bucket *home, const struct replication_source *sources, size_t count,
                               struct divan_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!get_follow(home, sources[i].vbucket, err)) return DIVAN_ERR_OUT_OF_MEMORY;
    }
    return DIVAN_OK;
}

enum divan_code replication_set(struct engine *e, const char *bucket, const struct replication_source *sources,
                                size_t count, struct divan_error *err)
{
    struct divan_error own;
    if (!err) err = &own;
    struct bucket *b = find_bucket(e, bucket, err);
    if (!b) return err->code;
    enum divan_code rc = check_list(b, sources, count, err);
    if (rc) return rc;
    struct followed_bucket *home = get_home(e, b, err);
    if (!home) return err->code;
    rc = reserve(home, sources, count, err);
    for (uint16_t i = 0; !rc && i < b->store.vbucket_count; i++) {
        if (home->follows[i]) home->follows[i]->listed = false;
    }
    for (size_t i = 0; !rc && i < count; i++) {
        struct follow *f = home->follows[sources[i].vbucket];
        read_source(b, &sources[i], &f->list_source, NULL);
        f->listed = true;
        f->stays = false;
    }
    bool ok = true;
    for (uint16_t i = 0; i < b->store.vbucket_count; i++) {
        if (home->follows[i]) ok &= aim(home->follows[i]);
    }
    return rc || ok ? rc : err_oom(err);
}

/* ---- tasks */

void task_end(struct follow *f, const struct divan_error *why)
{
    struct replication_task *task = f->task;
    struct divan_error said = *why;
    uint16_t vbucket = f->vbucket->id;
    uint64_t high_seqno = f->vbucket->high_seqno;
    if (!task) return;
    f->task = NULL;
    if (!task->takeover) f->stays = !said.code;
    else if (!said.code) f->stays = false;
    aim(f);
    task->fn(task->user, vbucket, high_seqno, &said);
    mem_free(task);
}

bool follow_lost(struct follow *f, const struct divan_error *why)
{
    if (!f->task || (!f->task->takeover && ++f->task->losses <= LOSSES_MAX)) return false;
    task_end(f, why);
    return true;
}

static enum divan_code make_replica(struct engine *e, struct vbucket *v, struct divan_error *err)
{
    if (v->mode == VBUCKET_REPLICA) return DIVAN_OK;
    if (v->mode == VBUCKET_ACTIVE)
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "vBucket %u is active on this node already", v->id);
    return vbucket_set_mode(v, VBUCKET_REPLICA, io_rng(e->loop)) ? DIVAN_OK : err_oom(err);
}

static struct replication_task *start(struct engine *e, const char *bucket, const struct replication_source *given,
                                      const struct replication_task *wish, struct divan_error *err)
{
    struct divan_error own;
    struct source source;
    if (!err) err = &own;
    struct bucket *b = find_bucket(e, bucket, err);
    if (!b || read_source(b, given, &source, err)) return NULL;
    struct followed_bucket *home = get_home(e, b, err);
    struct follow *f = home ? get_follow(home, given->vbucket, err) : NULL;
    if (!f) return NULL;
    struct replication_task *task = mem_alloc(sizeof *task);
    if (f->task) err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "vBucket %u is being moved already", given->vbucket);
    else if (!task) err_oom(err);
    else if (!make_replica(e, f->vbucket, err)) f->task = task;
    if (f->task != task || !task) {
        mem_free(task);
        if (!wanted(f)) free_follow(f);
        return NULL;
    }
    *task = *wish;
    task->follow = f;
    f->task_source = source;
    f->source_known = false;
    if (f->state == REPLICATION_CAUGHT_UP) f->state = REPLICATION_STREAMING;
    if (f->consumer) f->consumer->asked_ns = 0;
    if (task->takeover) consumer_detach(f); /* another kind of stream */
    if (aim(f)) return task;
    f->task = NULL;
    mem_free(task);
    aim(f);
    err_oom(err);
    return NULL;
}

struct replication_task *replication_build(struct engine *e, const char *bucket,
                                           const struct replication_source *source, uint64_t until_seqno,
                                           replication_done_fn *fn, void *user, struct divan_error *err)
{
    const struct replication_task wish = {.until = until_seqno, .fn = fn, .user = user};
    return start(e, bucket, source, &wish, err);
}

struct replication_task *replication_take_over(struct engine *e, const char *bucket,
                                               const struct replication_source *source, replication_done_fn *fn,
                                               void *user, struct divan_error *err)
{
    const struct replication_task wish = {.takeover = true, .fn = fn, .user = user};
    return start(e, bucket, source, &wish, err);
}

void replication_cancel(struct replication_task *task)
{
    struct follow *f = task->follow;
    f->task = NULL;
    if (task->takeover) consumer_detach(f);
    mem_free(task);
    aim(f);
}

void replication_forget(struct engine *e, const char *bucket, uint16_t vbucket)
{
    const struct bucket *b = engine_find_bucket(e, divan_str(bucket));
    struct followed_bucket *home = b ? find_home(e, b) : NULL;
    if (!home || vbucket >= b->store.vbucket_count || !home->follows[vbucket]) return;
    home->follows[vbucket]->stays = false;
    aim(home->follows[vbucket]);
}

static bool is_named(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = names; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, len) == 0 && (at[len] == ',' || !at[len])) return true;
    }
    return false;
}

bool follow_is_fenced(const struct follow *f)
{
    const struct followed_bucket *home = f->home;
    const struct source *source = wanted(f);
    if (!home->fenced || !source || io_now_ns(home->replication->engine->loop) >= home->fenced_until_ns) return false;
    return is_named(home->fenced, source->node);
}

enum divan_code replication_fence(struct engine *e, const char *bucket, const char *node_names, uint32_t for_ms,
                                  struct divan_error *err)
{
    struct divan_error own;
    if (!err) err = &own;
    struct bucket *b = find_bucket(e, bucket, err);
    struct followed_bucket *home = b ? get_home(e, b, err) : NULL;
    char *names = home ? mem_strdup(node_names) : NULL;
    if (!home) return err->code;
    if (!names) return err_oom(err);
    mem_free(home->fenced);
    home->fenced = names;
    home->fenced_until_ns = for_ms ? io_now_ns(e->loop) + for_ms * NS_PER_MS : 0;
    for (uint16_t i = 0; i < b->store.vbucket_count; i++) {
        if (home->follows[i]) follow_try(home->follows[i]);
    }
    return DIVAN_OK;
}

/* ---- looking */

enum divan_code replication_read(const struct engine *e, const char *bucket, uint16_t vbucket,
                                 struct vbucket_figures *out, struct divan_error *err)
{
    struct divan_error own;
    const struct bucket *b = find_bucket(e, bucket, err ? err : &own);
    if (!b) return DIVAN_ERR_BUCKET_NOT_FOUND;
    const struct vbucket *v = store_vbucket(&b->store, vbucket);
    if (!v) return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "bucket \"%s\" has no vBucket %u", bucket, vbucket);
    const struct followed_bucket *home = find_home(e, b);
    const struct follow *f = home ? home->follows[vbucket] : NULL;
    *out = (struct vbucket_figures){.mode = (enum vbucket_mode)v->mode,
                                    .uuid = vbucket_uuid(v),
                                    .high_seqno = v->high_seqno,
                                    .high_prepared_seqno = v->high_prepared_seqno,
                                    .snapshot_start = v->snapshot_start,
                                    .snapshot_end = v->snapshot_end,
                                    .items = v->items,
                                    .problem = ""};
    if (!f) return DIVAN_OK;
    out->state = f->state;
    out->source = wanted(f) ? wanted(f)->node : NULL;
    out->source_seqno = f->source_seqno;
    out->lag = f->source_seqno > v->high_seqno ? f->source_seqno - v->high_seqno : 0;
    out->problem = f->problem;
    return DIVAN_OK;
}

bool replication_caught_up(const struct engine *e, const char *bucket)
{
    const struct bucket *b = engine_find_bucket(e, divan_str(bucket));
    const struct followed_bucket *home = b ? find_home(e, b) : NULL;
    for (uint16_t i = 0; home && i < b->store.vbucket_count; i++) {
        if (home->follows[i] && home->follows[i]->listed && home->follows[i]->state != REPLICATION_CAUGHT_UP)
            return false;
    }
    return b != NULL;
}

/* ---- of the engine */

void replication_persisted(struct engine *e, struct vbucket *v)
{
    struct followed_bucket *home = find_home(e, container_of(v->store, struct bucket, store));
    struct follow *f = home ? home->follows[v->id] : NULL;
    if (f) follow_persisted(f);
}

const char *replication_name(const struct replication *r)
{
    return *r->node ? r->node : NULL;
}

void replication_roles_changed(struct engine *e, const struct bucket *b)
{
    struct followed_bucket *home = find_home(e, b);
    for (uint16_t i = 0; home && i < b->store.vbucket_count; i++) {
        struct follow *f = home->follows[i];
        if (!f) continue;
        bool fits = f->vbucket->mode == VBUCKET_REPLICA || f->vbucket->mode == VBUCKET_PENDING;
        if (fits == (f->state == REPLICATION_WAITING) || !fits) follow_try(f);
    }
}

static void free_home(struct followed_bucket *home)
{
    for (uint16_t i = 0; i < home->bucket->store.vbucket_count; i++) {
        struct follow *f = home->follows[i];
        if (!f) continue;
        mem_free(f->task);
        f->task = NULL;
        free_follow(f);
    }
    list_each(&home->consumers, it) consumer_free(container_of(it, struct consumer, link));
    list_remove(&home->link);
    mem_free(home->fenced);
    mem_free(home->follows);
    mem_free(home);
}

void replication_drop_bucket(struct engine *e, const struct bucket *b)
{
    struct followed_bucket *home = find_home(e, b);
    if (home) free_home(home);
}

void replication_free(struct engine *e)
{
    if (!e->replication) return;
    list_each(&e->replication->buckets, it) free_home(container_of(it, struct followed_bucket, link));
    mem_free(e->replication);
    e->replication = NULL;
}
