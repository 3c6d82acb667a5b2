#include "node/disk/disk.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "node/disk/warmup.h"
#include "node/disk/writer.h"

enum {
    BATCH_BYTES = 1024 * 1024,
    FORGOTTEN_MAX = 256 * 1024, /* of one vBucket: beyond that it is written anew as a whole */
    DIRTY_MIN = 64 * 1024 * 1024,
    DELAY_MS = 20,
    RETRY_MS = 100,
    RETRY_MAX_MS = 1000,
};

/* A vBucket as the disk sees it. */
struct kept {
    struct order_cursor cursor;
    struct link dirty; /* there is something to write */
    struct link open;  /* it is part of the transaction under way */
    struct disk *disk;
    struct buf forgotten, forgetting; /* records and keys; those of the transaction under way */
    uint64_t until;                   /* what it has when the transaction commits */
    uint64_t dirty_bytes;
    bool wipe, wiping;
};

struct disk {
    struct store *store;
    struct io_loop *loop;
    struct disk_options options;
    struct writer *writer; /* NULL = no thread: */
    struct db *db;
    struct kept *kept; /* by vBucket */
    struct list dirty, open;
    struct kept *current; /* its snapshot goes on in the next batch */
    struct batch batch;
    bool in_flight, urgent, manifest_dirty, manifest_open, closing;
    uint32_t retry_ms;
    struct io_timer timer;
    struct disk_figures figures;
    char path[1200];
};

static struct vbucket *vbucket_of(const struct kept *k)
{
    return &k->disk->store->vbuckets[k - k->disk->kept];
}

/* ---- what is to be done, and when */

static void refuse_or_not(struct disk *d)
{
    uint64_t limit = d->store->quota_bytes / 2 > DIRTY_MIN ? d->store->quota_bytes / 2 : DIRTY_MIN;
    bool high = d->figures.dirty_bytes > (d->store->writes_refused ? limit / 2 : limit);
    d->store->writes_refused = d->figures.failing || high;
}

static void schedule(struct disk *d)
{
    bool work = !list_empty(&d->dirty) || d->manifest_dirty || d->current;
    if (d->in_flight || !work || d->closing) return;
    uint32_t delay_ms = d->options.delay_ms ? d->options.delay_ms : DELAY_MS;
    if (d->figures.failing) delay_ms = d->retry_ms;
    else if (d->urgent || d->current) delay_ms = 0;
    uint64_t at_ns = io_now_ns(d->loop) + delay_ms * NS_PER_MS;
    if (!io_timer_running(&d->timer) || delay_ms == 0) io_timer_start(&d->timer, at_ns);
}

static void mark_dirty(struct kept *k)
{
    if (!link_in_list(&k->dirty)) list_append(&k->disk->dirty, &k->dirty);
    schedule(k->disk);
}

/* What the file has of it is not to be relied on any more. */
static void mark_wipe(struct kept *k)
{
    k->wipe = true;
    vbucket_of(k)->persisted_seqno = 0;
    buf_clear(&k->forgotten);
    mark_dirty(k);
}

static void on_order(struct order_cursor *c)
{
    struct kept *k = container_of(c, struct kept, cursor);
    struct disk *d = k->disk;
    if (c->broken) {
        mark_wipe(k);
        return;
    }
    const struct item *i = container_of(c->vbucket->order.head.prev, struct item, order);
    size_t size = sizeof *i + i->key_len + i->value_len;
    k->dirty_bytes += size;
    d->figures.dirty_bytes += size;
    if ((i->state & ITEM_PREPARED) && i->level >= DURABLE_MAJORITY_AND_PERSIST) d->urgent = true;
    refuse_or_not(d);
    mark_dirty(k);
}

static struct kept *kept_of(void *user, const struct vbucket *v)
{
    return &((struct disk *)user)->kept[v->id];
}

static void on_changed(void *user, struct vbucket *v)
{
    mark_dirty(kept_of(user, v));
}

static void on_rolled_back(void *user, struct vbucket *v)
{
    kept_of(user, v)->cursor.broken = true; /* a snapshot that is being written shows what is gone */
    mark_wipe(kept_of(user, v));
}

/* Those of a dropped collection go all at once. */
static bool of_dropped(const struct store *s, uint32_t collection)
{
    return collection <= s->top_collection && !manifest_find(&s->manifest, collection);
}

static void on_forgot(void *user, struct vbucket *v, const struct item *i)
{
    struct kept *k = kept_of(user, v);
    struct record r = {.kind = RECORD_FORGET,
                       .key_len = i->key_len,
                       .state = i->state & ITEM_PREPARED,
                       .vbucket = v->id,
                       .collection = i->collection,
                       .seqno = i->seqno};
    if (k->wipe || k->cursor.broken || of_dropped(k->disk->store, i->collection)) return;
    buf_put(&k->forgotten, &r, sizeof r);
    buf_put(&k->forgotten, i->bytes, i->key_len);
    if (k->forgotten.failed || k->forgotten.len > FORGOTTEN_MAX) mark_wipe(k);
    else mark_dirty(k);
}

static const struct store_keeper keeper = {.changed = on_changed, .rolled_back = on_rolled_back, .forgot = on_forgot};

/* ---- gathering a batch */

static void begin(struct kept *k)
{
    struct disk *d = k->disk;
    struct vbucket *v = vbucket_of(k);
    list_remove(&k->dirty);
    if (!link_in_list(&k->open)) list_append(&d->open, &k->open);
    if (k->wipe || v->mode == VBUCKET_ABSENT) {
        batch_put_wipe(&d->batch, v->id);
        cursor_close(&k->cursor);
        cursor_open(&k->cursor, v, 0, on_order);
        k->cursor.stays = true;
        k->wiping = true;
        k->wipe = false;
        buf_clear(&k->forgetting);
    }
    buf_put_bytes(&k->forgetting, buf_view(&k->forgotten));
    if (k->forgotten.len) buf_put_bytes(&d->batch.bytes, buf_view(&k->forgotten));
    buf_clear(&k->forgotten);
    if (k->forgetting.failed) d->batch.bytes.failed = true;
    d->figures.dirty_bytes -= k->dirty_bytes;
    k->dirty_bytes = 0;
    k->until = v->high_seqno;
    if (v->mode != VBUCKET_ABSENT) batch_put_state(&d->batch, v);
    cursor_begin(&k->cursor);
}

/* false: the batch is full, the snapshot is not at its end. */
static bool copy(struct kept *k)
{
    struct disk *d = k->disk;
    struct vbucket *v = vbucket_of(k);
    struct item *i;
    if (k->cursor.broken) {
        k->wipe = true;
        begin(k);
    }
    while ((i = cursor_peek(&k->cursor))) {
        if (d->batch.bytes.len >= d->options.batch_bytes) return false;
        bool event = i->state & ITEM_EVENT;
        if (event || !of_dropped(d->store, i->collection)) {
            batch_put_item(&d->batch, v, i);
            d->figures.items_written++;
        }
        cursor_pass(&k->cursor);
    }
    cursor_end(&k->cursor);
    return true;
}

static void fill(struct disk *d)
{
    buf_clear(&d->batch.bytes);
    d->batch.bytes.failed = false;
    if (d->manifest_dirty) {
        batch_put_manifest(&d->batch, d->store);
        d->manifest_dirty = false;
        d->manifest_open = true;
    }
    while (d->batch.bytes.len < d->options.batch_bytes) {
        struct link *first = list_first(&d->dirty);
        struct kept *k = d->current;
        if (!k && !first) break;
        if (!k) begin(k = container_of(first, struct kept, dirty));
        d->current = copy(k) ? NULL : k;
    }
    d->batch.commit = !d->current;
}

/* ---- the end of a batch */

static void committed(struct disk *d)
{
    struct link *first;
    d->manifest_open = false;
    d->figures.commits++;
    while ((first = list_take_first(&d->open))) {
        struct kept *k = container_of(first, struct kept, open);
        struct vbucket *v = vbucket_of(k);
        k->wiping = false;
        buf_clear(&k->forgetting);
        if (k->wipe) continue; /* it was reset meanwhile */
        v->persisted_seqno = k->until;
        if (d->options.persisted_one) d->options.persisted_one(d->options.user, v);
    }
    if (d->options.persisted) d->options.persisted(d->options.user, d->store);
}

/* Nothing of the transaction is in the file: all of it is to be done again. */
static void undone(struct disk *d)
{
    struct link *first;
    d->current = NULL;
    d->manifest_dirty |= d->manifest_open;
    d->manifest_open = false;
    while ((first = list_take_first(&d->open))) {
        struct kept *k = container_of(first, struct kept, open);
        struct vbucket *v = vbucket_of(k);
        k->wipe |= k->wiping || k->forgetting.failed;
        k->wiping = false;
        buf_put_bytes(&k->forgetting, buf_view(&k->forgotten));
        struct buf both = k->forgetting;
        k->forgetting = k->forgotten;
        k->forgotten = both;
        buf_clear(&k->forgetting);
        k->wipe |= k->forgotten.failed;
        cursor_close(&k->cursor);
        cursor_open(&k->cursor, v, k->wipe ? 0 : v->persisted_seqno, on_order);
        k->cursor.stays = true;
        mark_dirty(k);
    }
}

static void failed(struct disk *d, const struct divan_error *why)
{
    if (!d->figures.failing) LOG_E(d->options.log, "%s; writes are refused until it succeeds", why->message);
    d->retry_ms = d->figures.failing && d->retry_ms * 2 <= RETRY_MAX_MS ? d->retry_ms * 2 : RETRY_MS;
    if (!d->figures.failing) d->retry_ms = RETRY_MS;
    d->figures.failing = true;
    d->figures.failures++;
    undone(d);
}

static void finished(struct disk *d, const struct divan_error *result)
{
    d->in_flight = false;
    if (result->code) {
        failed(d, result);
    } else {
        if (d->figures.failing && d->batch.commit) {
            LOG_W(d->options.log, "documents can be written again");
            d->figures.failing = false;
        }
        if (d->batch.commit) committed(d);
    }
    refuse_or_not(d);
    schedule(d);
}

static void submit(struct disk *d)
{
    struct divan_error err = {0};
    if (d->in_flight) return;
    d->urgent = false;
    fill(d);
    if (d->batch.bytes.failed) {
        err_oom(&err);
        /* What the writer has of this transaction must not be committed by a later one. */
        buf_clear(&d->batch.bytes);
        d->batch.bytes.failed = false;
        failed(d, &err);
        refuse_or_not(d);
        schedule(d);
        return;
    }
    if (!d->batch.bytes.len) return;
    d->in_flight = true;
    if (d->writer) {
        writer_give(d->writer, &d->batch);
        return;
    }
    db_apply(d->db, &d->batch, &err);
    finished(d, &err);
}

static void on_time(void *user)
{
    submit(user);
}

void disk_poll(struct disk *d)
{
    struct divan_error err = {0};
    if (d->in_flight && d->writer && writer_take(d->writer, &err)) finished(d, &err);
}

void disk_manifest_changed(struct disk *d)
{
    d->manifest_dirty = true;
    schedule(d);
}

void disk_hurry(struct disk *d)
{
    if (!d) return;
    d->urgent = true;
    schedule(d);
}

bool disk_flush(struct disk *d)
{
    uint64_t failures = d->figures.failures;
    for (;;) {
        struct divan_error err = {0};
        if (d->in_flight && writer_wait(d->writer, &err)) finished(d, &err);
        if (d->figures.failures != failures) return false;
        if (list_empty(&d->dirty) && !d->manifest_dirty && !d->current) return true;
        submit(d);
    }
}

void disk_read_figures(const struct disk *d, struct disk_figures *out)
{
    *out = d->figures;
}

/* ---- files */

static const char suffix[] = ".documents.sqlite";

/* Of a bucket that had this name before, while this node was away. */
static void remove_others(const struct disk_options *o)
{
    char own[400], path[1400];
    size_t name = strlen(o->bucket), uuid = strlen(o->uuid), end = strlen(suffix);
    snprintf(own, sizeof own, "%s.%s%s", o->bucket, o->uuid, suffix);
    DIR *dir = opendir(o->dir);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        size_t len = strlen(e->d_name);
        bool alike = len >= name + 1 + uuid + end && strncmp(e->d_name, o->bucket, name) == 0 &&
                     e->d_name[name] == '.' && strncmp(e->d_name + name + 1 + uuid, suffix, end) == 0;
        if (!alike || strncmp(e->d_name, own, strlen(own)) == 0) continue;
        snprintf(path, sizeof path, "%s/%s", o->dir, e->d_name);
        unlink(path);
    }
    if (dir) closedir(dir);
}

static void remove_files(const char *path)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    char name[1300];
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        snprintf(name, sizeof name, "%s%s", path, tails[i]);
        unlink(name);
    }
}

/* ---- life */

static void told(void *user)
{
    io_wake(((struct disk *)user)->loop);
}

static void let_go(struct disk *d, bool write, bool remove)
{
    d->options.persisted = NULL; /* nobody is there any more to be told */
    d->options.persisted_one = NULL;
    bool whole = write && disk_flush(d);
    d->closing = true;
    io_timer_stop(&d->timer);
    if (d->writer) d->db = writer_free(d->writer);
    for (uint16_t i = 0; d->kept && i < d->store->vbucket_count; i++) {
        struct kept *k = &d->kept[i];
        cursor_close(&k->cursor);
        buf_fini(&k->forgotten);
        buf_fini(&k->forgetting);
    }
    d->store->keeper = NULL;
    d->store->writes_refused = false;
    db_close(d->db, whole);
    if (remove) remove_files(d->path);
    buf_fini(&d->batch.bytes);
    mem_free(d->kept);
    mem_free(d);
}

void disk_close(struct disk *d)
{
    if (d) let_go(d, true, false);
}

void disk_remove(struct disk *d)
{
    if (d) let_go(d, false, true);
}

/* From here on the store is watched. */
static void watch(struct disk *d)
{
    d->store->keeper = &keeper;
    d->store->keeper_user = d;
    for (uint16_t i = 0; i < d->store->vbucket_count; i++) {
        struct kept *k = &d->kept[i];
        struct vbucket *v = &d->store->vbuckets[i];
        v->persisted_seqno = v->high_seqno;
        cursor_open(&k->cursor, v, v->high_seqno, on_order);
        k->cursor.stays = true;
    }
}

struct disk *disk_open(struct store *s, struct io_loop *loop, const struct disk_options *o, struct divan_error *err)
{
    bool clean = true;
    struct disk *d = mem_zalloc(sizeof *d);
    struct kept *kept = mem_zalloc(s->vbucket_count * sizeof *kept);
    if (!d || !kept) {
        mem_free(d);
        mem_free(kept);
        err_oom(err);
        return NULL;
    }
    *d = (struct disk){.store = s, .loop = loop, .options = *o, .kept = kept};
    d->batch.bytes.limit = 512 * 1024 * 1024;
    if (!d->options.batch_bytes) d->options.batch_bytes = BATCH_BYTES;
    list_init(&d->dirty);
    list_init(&d->open);
    io_timer_init(&d->timer, loop, on_time, d);
    for (uint16_t i = 0; i < s->vbucket_count; i++) {
        kept[i].disk = d;
        kept[i].forgotten.limit = kept[i].forgetting.limit = 4 * FORGOTTEN_MAX;
    }
    remove_others(o);
    snprintf(d->path, sizeof d->path, "%s/%s.%s%s", o->dir, o->bucket, o->uuid, suffix);
    d->db = db_open(d->path, o->vfs, &clean, err);
    enum divan_code rc = d->db ? warm_up(d->db, s, clean, err) : err->code;
    if (!rc && !o->no_thread && !(d->writer = writer_new(d->db, told, d, err))) rc = err->code;
    if (!rc) {
        watch(d);
        return d;
    }
    let_go(d, false, false);
    return NULL;
}
