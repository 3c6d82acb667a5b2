#include "node/engine.h"

#include "base/alloc.h"
#include "base/error.h"
#include "node/dcp/events.h"
#include "node/dcp/held.h"
#include "node/dcp/peer.h"
#include "node/dcp/replica_state.h"
#include "node/disk/disk.h"
#include "node/session.h"

enum { MAX_SESSIONS = 10000, SWEEP_S = 60, SWEEP_STEP = 20000, SWEEP_PAUSE_NS = 10 * 1000 * 1000 };

struct engine_listener {
    struct link link;
    struct engine *engine;
    struct io_listener *io;
    bool tls;
};

/* ---- life */

void engine_read_clock(struct engine *e)
{
    e->clock.wall_ns = io_wall_ns(e->loop);
    e->clock.wall_s = (uint32_t)(e->clock.wall_ns / NS_PER_S);
    e->clock.now_ns = io_now_ns(e->loop);
}

static void on_sweep(void *user)
{
    struct engine *e = user;
    bool more = false;
    engine_read_clock(e);
    list_each(&e->buckets, link)
    {
        struct store *s = &container_of(link, struct bucket, link)->store;
        more |= store_sweep_step(s, &e->clock, SWEEP_STEP);
    }
    uint64_t pause_ns = more ? SWEEP_PAUSE_NS : e->sweep_s * NS_PER_S;
    if (!more) { list_each(&e->buckets, link) store_sweep_begin(&container_of(link, struct bucket, link)->store); }
    io_timer_start(&e->sweep_timer, e->clock.now_ns + pause_ns);
}

void engine_sweep_soon(struct engine *e)
{
    list_each(&e->buckets, link) store_sweep_begin(&container_of(link, struct bucket, link)->store);
    io_timer_start(&e->sweep_timer, io_now_ns(e->loop) + SWEEP_PAUSE_NS);
}

/* ---- the disk */

static void on_wake(void *user)
{
    struct engine *e = user;
    list_each(&e->buckets, link)
    {
        struct bucket *b = container_of(link, struct bucket, link);
        if (b->disk) disk_poll(b->disk);
    }
}

static void on_persisted_one(void *user, struct vbucket *v)
{
    struct engine *e = user;
    if (v->prepares && v->mode == VBUCKET_ACTIVE) {
        engine_read_clock(e);
        vbucket_settle(v, &e->clock);
    } else if (v->prepares) {
        replication_persisted(e, v);
    }
}

static void on_persisted(void *user, const struct store *s)
{
    (void)s;
    dcp_pump_all(user); /* commits, and answers that were let go */
}

static enum divan_code open_disk(struct engine *e, struct bucket *b, struct divan_error *err)
{
    if (!e->data_dir[0] || b->spec.type == BUCKET_EPHEMERAL) return DIVAN_OK;
    const struct disk_options options = {.dir = e->data_dir,
                                         .vfs = e->data_vfs[0] ? e->data_vfs : NULL,
                                         .bucket = b->name,
                                         .uuid = b->uuid,
                                         .log = e->log,
                                         .persisted = on_persisted,
                                         .persisted_one = on_persisted_one,
                                         .user = e};
    b->disk = disk_open(&b->store, e->loop, &options, err);
    return b->disk ? DIVAN_OK : err->code;
}

struct engine *engine_new(struct io_loop *loop, const struct engine_options *options, const struct log *log,
                          struct divan_error *err)
{
    static const struct engine_options defaults = {0};
    if (!options) options = &defaults;
    struct engine *e = mem_zalloc(sizeof *e);
    if (!e) {
        err_oom(err);
        return NULL;
    }
    e->loop = loop;
    e->log = log;
    e->max_sessions = options->max_connections ? options->max_connections : MAX_SESSIONS;
    e->sweep_s = options->sweep_s ? options->sweep_s : SWEEP_S;
    e->inflated.limit = e->body.limit = 64 * 1024 * 1024;
    text_copy(e->version, sizeof e->version, options->version ? options->version : "7.6.2-3721-enterprise");
    text_copy(e->data_dir, sizeof e->data_dir, options->data_dir ? options->data_dir : "");
    text_copy(e->data_vfs, sizeof e->data_vfs, options->data_vfs ? options->data_vfs : "");
    if (e->data_dir[0]) io_on_wake(loop, on_wake, e);
    subdoc_run_init(&e->subdoc);
    list_init(&e->listeners);
    list_init(&e->sessions);
    list_init(&e->buckets);
    list_init(&e->dcp_peers);
    held_init(e);
    engine_read_clock(e);
    e->clock.start_s = e->clock.wall_s;
    e->started_ns = e->clock.now_ns;
    io_timer_init(&e->sweep_timer, loop, on_sweep, e);
    if (!account_table_init(&e->accounts) ||
        !io_timer_start(&e->sweep_timer, e->clock.now_ns + e->sweep_s * NS_PER_S)) {
        engine_free(e);
        err_oom(err);
        return NULL;
    }
    return e;
}

static void close_listeners(struct engine *e, bool only_tls)
{
    list_each(&e->listeners, link)
    {
        struct engine_listener *l = container_of(link, struct engine_listener, link);
        if (only_tls && !l->tls) continue;
        list_remove(link);
        io_listener_close(l->io);
        mem_free(l);
    }
}

void engine_free(struct engine *e)
{
    if (!e) return;
    io_timer_stop(&e->sweep_timer);
    close_listeners(e, false);
    if (e->data_dir[0]) io_on_wake(e->loop, NULL, NULL);
    replication_free(e);
    list_each(&e->sessions, link) session_free(container_of(link, struct session, link));
    list_each(&e->buckets, link) node_bucket_free(container_of(link, struct bucket, link));
    held_fini(e);
    account_table_fini(&e->accounts);
    served_fini(&e->global);
    buf_fini(&e->inflated);
    buf_fini(&e->body);
    subdoc_run_fini(&e->subdoc);
    for (uint16_t i = 0; i < e->names.count; i++) mem_free(e->names.texts[i]);
    mem_free(e->names.texts);
    mem_free(e);
}

/* ---- listening */

static void on_accept(void *user, struct io_stream *stream)
{
    struct engine_listener *l = user;
    session_open(l->engine, stream);
}

static enum divan_code listen_on(struct engine *e, const struct io_addr *addr, struct io_tls *tls,
                                 struct io_addr *bound, struct divan_error *err)
{
    struct engine_listener *l = mem_zalloc(sizeof *l);
    if (!l) return err_oom(err);
    struct divan_error own;
    if (!err) err = &own;
    l->engine = e;
    l->tls = tls != NULL;
    l->io = tls ? io_listen_tls(e->loop, addr, tls, on_accept, l, err) : io_listen(e->loop, addr, on_accept, l, err);
    if (!l->io) {
        mem_free(l);
        return err->code;
    }
    list_append(&e->listeners, &l->link);
    if (bound) *bound = *io_listener_addr(l->io);
    return DIVAN_OK;
}

enum divan_code engine_listen_kv(struct engine *e, const struct io_addr *addr, struct io_addr *bound,
                                 struct divan_error *err)
{
    return listen_on(e, addr, NULL, bound, err);
}

enum divan_code engine_listen_kv_tls(struct engine *e, const struct io_addr *addr, struct io_tls *tls,
                                     struct io_addr *bound, struct divan_error *err)
{
    return listen_on(e, addr, tls, bound, err);
}

void engine_unlisten_kv_tls(struct engine *e)
{
    close_listeners(e, true);
}

const struct io_addr *engine_kv_addr(const struct engine *e)
{
    struct link *first = list_first(&e->listeners);
    return first ? io_listener_addr(container_of(first, struct engine_listener, link)->io) : NULL;
}

uint32_t engine_connections(const struct engine *e)
{
    return e->session_count;
}

/* ---- buckets */

struct bucket *engine_find_bucket(const struct engine *e, struct divan_bytes name)
{
    list_each(&e->buckets, link)
    {
        struct bucket *b = container_of(link, struct bucket, link);
        if (bytes_is(name, b->name)) return b;
    }
    return NULL;
}

static enum divan_code find(const struct engine *e, const char *name, struct bucket **out, struct divan_error *err)
{
    *out = engine_find_bucket(e, divan_str(name));
    return *out ? DIVAN_OK : err_set(err, DIVAN_ERR_BUCKET_NOT_FOUND, "this node has no bucket \"%s\"", name);
}

enum divan_code engine_bucket_create(struct engine *e, const struct bucket_spec *spec, struct divan_error *err)
{
    struct divan_error own;
    if (!err) err = &own;
    if (spec->name && engine_find_bucket(e, divan_str(spec->name)))
        return err_set(err, DIVAN_ERR_BUCKET_EXISTS, "the bucket \"%s\" exists already", spec->name);
    struct bucket *b = node_bucket_new(spec, io_rng(e->loop), err);
    if (!b) return err->code;
    if (open_disk(e, b, err)) {
        node_bucket_free(b);
        return err->code;
    }
    b->store.settled = held_settled;
    b->store.settled_user = e;
    list_append(&e->buckets, &b->link);
    return DIVAN_OK;
}

enum divan_code engine_bucket_update(struct engine *e, const struct bucket_spec *spec, struct divan_error *err)
{
    struct bucket *b;
    enum divan_code rc = find(e, spec->name, &b, err);
    if (!rc) bucket_update(b, spec);
    return rc;
}

enum divan_code engine_bucket_drop(struct engine *e, const char *name, struct divan_error *err)
{
    struct bucket *b;
    enum divan_code rc = find(e, name, &b, err);
    if (rc) return rc;
    list_each(&e->sessions, link)
    {
        struct session *s = container_of(link, struct session, link);
        if (s->bucket != b) continue;
        session_leave_bucket(s);
        session_close(s);
    }
    list_remove(&b->link);
    replication_drop_bucket(e, b);
    disk_remove(b->disk);
    b->disk = NULL;
    node_bucket_free(b);
    return DIVAN_OK;
}

enum divan_code engine_bucket_flush(struct engine *e, const char *name, struct divan_error *err)
{
    struct bucket *b;
    enum divan_code rc = find(e, name, &b, err);
    if (rc) return rc;
    store_flush(&b->store, io_rng(e->loop));
    events_reconcile_all(&b->store);
    return DIVAN_OK;
}

/* A chain by numbers of names. Roles without names are those of a node that has no other to ask. */
static bool number_chain(struct engine *e, const char *const *names, uint8_t length, struct chain *out)
{
    *out = (struct chain){0};
    if (!names || length > CHAIN_MAX) return true;
    out->length = length;
    for (uint8_t i = 0; i < length; i++) {
        if (!names[i] || !*names[i]) continue;
        out->nodes[i] = engine_name_number(e, divan_str(names[i]));
        if (!out->nodes[i]) return false;
    }
    return true;
}

static enum divan_code set_role(struct engine *e, struct vbucket *v, const struct vbucket_role *role,
                                struct divan_error *err)
{
    struct chain now, next;
    const char *me = e->replication ? replication_name(e->replication) : NULL;
    bool ok = number_chain(e, role->chain, role->chain_length, &now) &&
              number_chain(e, role->next_chain, role->next_length, &next) &&
              vbucket_set_chain(v, &now, &next, me ? engine_name_number(e, divan_str(me)) : now.nodes[0]);
    if (!ok) return err_oom(err);
    v->chain_length = role->chain_length;
    v->chain_filled = role->chain_filled;
    if (role->mode != VBUCKET_KEEP && !vbucket_set_mode(v, (enum vbucket_mode)role->mode, io_rng(e->loop)))
        return err_oom(err);
    events_reconcile(v, &v->store->manifest);
    vbucket_settle(v, &e->clock); /* what was inherited, or what a smaller chain makes enough */
    return DIVAN_OK;
}

enum divan_code engine_set_roles(struct engine *e, const char *bucket, const struct vbucket_role *roles, size_t count,
                                 struct divan_error *err)
{
    struct bucket *b;
    enum divan_code rc = find(e, bucket, &b, err);
    if (rc) return rc;
    if (count != b->store.vbucket_count)
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "bucket \"%s\" has %u vBuckets, %zu roles were given", bucket,
                       b->store.vbucket_count, count);
    engine_read_clock(e);
    for (size_t i = 0; i < count && !rc; i++) rc = set_role(e, &b->store.vbuckets[i], &roles[i], err);
    replication_roles_changed(e, b);
    return rc;
}

enum divan_code engine_set_role(struct engine *e, const char *bucket, uint16_t vbucket, const struct vbucket_role *role,
                                struct divan_error *err)
{
    struct bucket *b;
    enum divan_code rc = find(e, bucket, &b, err);
    if (rc) return rc;
    struct vbucket *v = store_vbucket(&b->store, vbucket);
    if (!v) return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "bucket \"%s\" has no vBucket %u", bucket, vbucket);
    engine_read_clock(e);
    rc = set_role(e, v, role, err);
    replication_roles_changed(e, b);
    return rc;
}

enum divan_code engine_own_all(struct engine *e, const char *bucket, struct divan_error *err)
{
    struct bucket *b;
    enum divan_code rc = find(e, bucket, &b, err);
    for (size_t i = 0; !rc && i < b->store.vbucket_count; i++) {
        struct vbucket *v = &b->store.vbuckets[i];
        static const struct chain alone = {0};
        v->chain_length = v->chain_filled = 0;
        vbucket_set_chain(v, &alone, &alone, 0);
        if (!vbucket_set_mode(v, VBUCKET_ACTIVE, io_rng(e->loop))) rc = err_oom(err);
        else events_reconcile(v, &v->store->manifest);
    }
    return rc;
}

enum divan_code engine_set_manifest(struct engine *e, const char *bucket, const struct manifest_spec *spec,
                                    struct divan_error *err)
{
    struct bucket *b;
    enum divan_code rc = find(e, bucket, &b, err);
    if (rc || spec->uid <= b->store.manifest.uid) return rc;
    rc = manifest_apply(&b->store.manifest, spec, err);
    for (size_t i = 0; !rc && i < b->store.manifest.collection_count; i++) {
        uint32_t id = b->store.manifest.collections[i].id;
        if (id > b->store.top_collection) b->store.top_collection = id;
    }
    if (!rc && b->disk) disk_manifest_changed(b->disk);
    if (!rc) events_reconcile_all(&b->store);
    if (!rc) engine_sweep_soon(e); /* documents of a dropped collection are gone already, their memory follows */
    return rc;
}

enum divan_code engine_set_config(struct engine *e, const char *bucket, struct map_revision revision,
                                  struct divan_bytes json, struct divan_error *err)
{
    struct bucket *b = NULL;
    enum divan_code rc = bucket ? find(e, bucket, &b, err) : DIVAN_OK;
    if (rc) return rc;
    struct served *config = b ? &b->config : &e->global;
    bool changed = false;
    if (!served_set(config, revision, json, &changed)) return err_oom(err);
    if (!changed) return DIVAN_OK;
    list_each(&e->sessions, link) session_push_config(container_of(link, struct session, link), b, config);
    return DIVAN_OK;
}

/* ---- users */

enum divan_code engine_set_user(struct engine *e, const struct engine_user *user, struct divan_error *err)
{
    return account_set(&e->accounts, user, err);
}

void engine_drop_user(struct engine *e, const char *name)
{
    account_drop(&e->accounts, name);
}

bool engine_check_password(struct engine *e, const char *name, struct divan_bytes password)
{
    return account_check_password(&e->accounts, account_find(&e->accounts, divan_str(name)), password);
}

/* ---- figures */

enum divan_code engine_bucket_stats(const struct engine *e, const char *name, struct bucket_stats *out,
                                    struct divan_error *err)
{
    struct bucket *b;
    enum divan_code rc = find(e, name, &b, err);
    if (!rc) bucket_read_stats(b, io_now_ns(e->loop), out);
    return rc;
}

uint64_t engine_collection_items(const struct engine *e, const char *bucket, uint32_t collection_id)
{
    const struct bucket *b = engine_find_bucket(e, divan_str(bucket));
    const struct collection *c = b ? manifest_find(&b->store.manifest, collection_id) : NULL;
    return c ? c->items : 0;
}
