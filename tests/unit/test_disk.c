/* Documents on the disk: what comes back, after every moment at which the process or the machine may stop, and with a disk
 * that fails. */
#include "unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "node/disk/disk.h"
#include "node/kv/ops.h"
#include "node/kv/replica.h"
#include "unit/support_fault_vfs.h"

enum { VBUCKETS = 3, KEYS = 12, HISTORY_MAX = 4096 };

/* ---- a bucket with its disk, without threads or sockets */

static struct store store;
static struct disk *disk;
static struct io_loop *loop;
static struct kv_clock now;
static struct rng rng;
static char dir[64], crash_dir[64];
static unsigned persisted_calls;
static bool threaded;
static size_t batch_bytes;
static const char uuid[] = "00112233445566778899aabbccddeeff";

static void settle(void *user, struct vbucket *v)
{
    persisted_calls++;
    vbucket_settle(v, &now);
}

static struct disk *open_at(const char *where, struct store *s, const char *vfs, struct divan_error *err)
{
    const struct disk_options o = {.dir = where,
                                   .vfs = vfs,
                                   .bucket = "b",
                                   .uuid = uuid,
                                   .no_thread = !threaded,
                                   .batch_bytes = batch_bytes,
                                   .delay_ms = threaded ? 1 : 0,
                                   .persisted_one = settle};
    return disk_open(s, loop, &o, err);
}

static void open_bucket(const char *vfs)
{
    struct divan_error err = {0};
    assert_int_equal(store_init(&store, VBUCKETS, &rng, NULL), DIVAN_OK);
    store.quota_bytes = 100 * 1024 * 1024;
    disk = open_at(dir, &store, vfs, &err);
    if (!disk) fail_msg("%s", err.message);
}

static void activate(void)
{
    for (uint16_t i = 0; i < VBUCKETS; i++) assert_true(vbucket_set_mode(&store.vbuckets[i], VBUCKET_ACTIVE, &rng));
}

static void close_bucket(void)
{
    disk_close(disk);
    disk = NULL;
    store_fini(&store);
}

static void empty_folder(const char *path)
{
    char name[400];
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        unlink(name);
    }
    if (d) closedir(d);
}

/* In memory where that can be had: what a sync would keep is decided by the test, not by the disk. */
static void make_folder(char *out, size_t cap)
{
    text_copy(out, cap, access("/dev/shm", W_OK) ? "/tmp/divan-disk-XXXXXX" : "/dev/shm/divan-disk-XXXXXX");
    assert_non_null(mkdtemp(out));
}

static void copy_file(const char *from, const char *to)
{
    static char block[1 << 16];
    int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    for (ssize_t n; in >= 0 && out >= 0 && (n = read(in, block, sizeof block)) > 0;)
        assert_int_equal(write(out, block, (size_t)n), n);
    if (in >= 0) close(in);
    if (out >= 0) close(out);
}

static void copy_folder(const char *from, const char *to)
{
    char a[400], b[400];
    empty_folder(to);
    DIR *d = opendir(from);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        copy_file(a, b);
    }
    if (d) closedir(d);
}

/* After a crash: the node becomes active again. */
static void reopen(void)
{
    open_bucket(NULL);
    for (uint16_t i = 0; i < VBUCKETS; i++) {
        struct vbucket *v = &store.vbuckets[i];
        if (v->mode == VBUCKET_DEAD) assert_true(vbucket_set_mode(v, VBUCKET_ACTIVE, &rng));
    }
}

/* What a kill of the process leaves: the files as they are now, without a chance to close them. */
static void crash(void)
{
    copy_folder(dir, crash_dir);
    close_bucket();
    copy_folder(crash_dir, dir);
}

static int setup(void **state)
{
    struct divan_error err;
    rng_init(&rng, 11);
    now = (struct kv_clock){
        .wall_ns = UINT64_C(1700000000000000000), .now_ns = 1000, .wall_s = 1700000000, .start_s = 1699999000};
    make_folder(dir, sizeof dir);
    make_folder(crash_dir, sizeof crash_dir);
    loop = io_loop_new_uv(&err);
    assert_non_null(loop);
    fault_vfs();
    fault_vfs_reset();
    persisted_calls = 0;
    threaded = false;
    batch_bytes = 0;
    return 0;
}

static int teardown(void **state)
{
    io_loop_free(loop);
    empty_folder(dir);
    empty_folder(crash_dir);
    rmdir(dir);
    rmdir(crash_dir);
    return 0;
}

/* ---- operations */

static struct kv_op op_of(uint16_t vbucket, const char *key, uint32_t collection)
{
    struct kv_op op = {.vbucket = &store.vbuckets[vbucket], .clock = &now};
    op.key = kv_key_of(collection, key, strlen(key));
    op.hash = store_hash(&store, &op.key);
    op.collection = manifest_find(&store.manifest, collection);
    return op;
}

static struct kv_done put_in(uint16_t vbucket, const char *key, uint32_t collection, const char *value, uint8_t level)
{
    struct kv_op op = op_of(vbucket, key, collection);
    struct kv_done done = {0};
    struct kv_input in = {.sent = divan_str(value), .body = divan_str(value), .flags = 77};
    op.durability = level;
    now.wall_ns += 1000000;
    assert_int_equal(kv_set(&op, KV_SET, &in, &done), KV_OK);
    return done;
}

static struct kv_done put(uint16_t vbucket, const char *key, const char *value)
{
    return put_in(vbucket, key, 0, value, 0);
}

static bool del(uint16_t vbucket, const char *key, struct kv_done *done)
{
    struct kv_op op = op_of(vbucket, key, 0);
    now.wall_ns += 1000000;
    return kv_delete(&op, done) == KV_OK;
}

static const struct item *find(struct store *s, uint16_t vbucket, const char *key, uint32_t collection)
{
    struct kv_key k = kv_key_of(collection, key, strlen(key));
    return vbucket_find(&s->vbuckets[vbucket], &k, store_hash(s, &k));
}

static void assert_value(uint16_t vbucket, const char *key, const char *value)
{
    const struct item *i = find(&store, vbucket, key, 0);
    assert_non_null(i);
    assert_true(item_is_live(i));
    assert_true(bytes_is(item_value(i), value));
}

/* ---- what comes back */

static void everything_comes_back_after_a_clean_end(void **state)
{
    open_bucket(NULL);
    activate();
    struct kv_done a = put(0, "a", "{\"x\":1}"), b = put(1, "b", "plain"), gone = {0};
    put(0, "t", "to be deleted");
    assert_true(del(0, "t", &gone));
    struct kv_op op = op_of(0, "a", 0);
    struct item *touched = NULL;
    assert_int_equal(kv_touch(&op, 3600, &touched), KV_OK);
    uint64_t uuid0 = vbucket_uuid(&store.vbuckets[0]), high0 = store.vbuckets[0].high_seqno,
             cas0 = store.vbuckets[0].max_cas;
    a.cas = touched->cas;
    close_bucket();

    open_bucket(NULL);
    const struct vbucket *v = &store.vbuckets[0];
    assert_int_equal(v->mode, VBUCKET_ACTIVE);
    assert_int_equal(v->high_seqno, high0);
    assert_int_equal(v->persisted_seqno, high0);
    assert_int_equal(v->max_cas, cas0);
    assert_int_equal(vbucket_uuid(v), uuid0); /* nothing was lost: the same branch */
    assert_int_equal(v->failover_count, 1);
    assert_value(0, "a", "{\"x\":1}");
    const struct item *i = find(&store, 0, "a", 0);
    assert_int_equal(i->cas, a.cas);
    assert_int_equal(i->flags, 77);
    assert_int_equal(i->expiry_s, now.wall_s + 3600);
    assert_true(i->datatype & DATATYPE_JSON);
    assert_int_equal(i->revision, 2);
    i = find(&store, 1, "b", 0);
    assert_int_equal(i->cas, b.cas);
    assert_int_equal(i->seqno, b.seqno);
    i = find(&store, 0, "t", 0);
    assert_true(i && !item_is_live(i));
    assert_int_equal(i->seqno, gone.seqno);
    assert_int_equal(store.items, 2);
    assert_int_equal(store.tombstones, 1);
    assert_true(put(0, "a", "next").cas > cas0);
    close_bucket();
}

static void an_unclean_end_begins_a_branch(void **state)
{
    open_bucket(NULL);
    activate();
    put(0, "a", "kept");
    assert_true(disk_flush(disk));
    uint64_t before = vbucket_uuid(&store.vbuckets[0]);
    struct kv_done lost = put(0, "a", "lost");
    assert_int_equal(store.vbuckets[0].persisted_seqno, 1);
    crash();
    reopen();
    const struct vbucket *v = &store.vbuckets[0];
    assert_int_equal(v->high_seqno, 1);
    assert_value(0, "a", "kept");
    assert_int_equal(v->failover_count, 2);
    assert_true(v->failover[0].uuid != before);
    assert_int_equal(v->failover[0].seqno, 1);
    assert_int_equal(v->failover[1].uuid, before);
    now.wall_ns += 1000000;
    assert_true(put(0, "a", "again").cas > lost.cas);
    close_bucket();
}

static void replicas_keep_their_history(void **state)
{
    open_bucket(NULL);
    struct vbucket *v = &store.vbuckets[2];
    const struct failover_entry log[] = {{12, 4}, {11, 0}};
    assert_true(vbucket_set_mode(v, VBUCKET_REPLICA, &rng));
    assert_true(replica_adopt_log(v, log, 2));
    replica_snapshot_begins(v, 3, 9);
    struct item_change c = {.value = divan_str("v"), .cas = 99, .seqno = 5, .revision = 7};
    struct kv_key key = kv_key_of(0, "k", 1);
    assert_int_equal(replica_document(v, &key, &c, &now), APPLIED);
    assert_true(disk_flush(disk));
    crash();
    reopen();
    v = &store.vbuckets[2];
    assert_int_equal(v->mode, VBUCKET_REPLICA);
    assert_int_equal(v->failover_count, 2); /* not ours to change */
    assert_int_equal(v->failover[0].uuid, 12);
    assert_int_equal(v->snapshot_start, 3);
    assert_int_equal(v->snapshot_end, 9);
    assert_int_equal(v->high_seqno, 5);
    assert_int_equal(find(&store, 2, "k", 0)->revision, 7);
    /* A rollback is written, too. */
    assert_int_equal(replica_rollback(v, 0), 0);
    assert_int_equal(vbucket_persisted(v), 0); /* what comes now under the same numbers is not on the disk */
    assert_true(disk_flush(disk));
    crash();
    reopen();
    assert_int_equal(store.vbuckets[2].high_seqno, 0);
    assert_null(find(&store, 2, "k", 0));
    close_bucket();
}

static void durable_writes_wait_for_the_disk(void **state)
{
    open_bucket(NULL);
    activate();
    struct vbucket *v = &store.vbuckets[0];
    put_in(0, "m", 0, "memory is enough", DURABLE_MAJORITY);
    assert_null(v->prepares);
    put_in(0, "p", 0, "disk", DURABLE_MAJORITY_AND_PERSIST);
    assert_non_null(v->prepares);
    assert_null(find(&store, 0, "p", 0));
    /* On the disk, but not yet committed: it comes back as a prepare and is committed then. */
    struct disk_figures f;
    assert_true(disk_flush(disk));
    assert_null(v->prepares);
    assert_value(0, "p", "disk");
    disk_read_figures(disk, &f);
    assert_true(f.commits >= 2);
    put_in(0, "q", 0, "other", DURABLE_PERSIST_TO_MAJORITY);
    assert_non_null(v->prepares);
    vbucket_settle(v, &now);
    assert_non_null(v->prepares);
    crash();
    reopen();
    assert_null(find(&store, 0, "q", 0)); /* was never acknowledged */
    assert_null(store.vbuckets[0].prepares);
    assert_value(0, "p", "disk");
    assert_value(0, "m", "memory is enough");
    close_bucket();
}

static void waiting_prepares_come_back(void **state)
{
    open_bucket(NULL);
    activate();
    struct vbucket *v = &store.vbuckets[0];
    const struct chain two = {.length = 2, .nodes = {1, 2}}, none = {0};
    assert_true(vbucket_set_chain(v, &two, &none, 1));
    put_in(0, "p", 0, "prepared", DURABLE_MAJORITY);
    put_in(0, "a", 0, "aborted", DURABLE_MAJORITY);
    vbucket_abort(v, v->prepares->chain, 0, &now);
    assert_true(disk_flush(disk));
    uint64_t seqno = v->prepares->seqno, high = v->high_seqno;
    crash();
    reopen();
    v = &store.vbuckets[0];
    assert_non_null(v->prepares);
    assert_null(v->prepares->chain);
    assert_int_equal(v->prepares->seqno, seqno);
    assert_int_equal(v->high_seqno, high);
    assert_true(v->marks && (v->marks->state & ITEM_ABORTED));
    assert_true(v->inherited_seqno >= seqno);
    vbucket_settle(v, &now); /* alone now: a majority by itself */
    assert_value(0, "p", "prepared");
    assert_true(disk_flush(disk));
    crash();
    reopen();
    assert_null(store.vbuckets[0].prepares);
    assert_value(0, "p", "prepared");
    close_bucket();
}

static void collections_come_back_and_dropped_ones_do_not(void **state)
{
    static const struct collection_spec both[] = {{"c", 8, 30, true}, {"d", 9, MAX_TTL_NONE, false}};
    static const struct scope_spec with[] = {{"s", 8, both, 2}}, without[] = {{"s", 8, both, 1}};
    open_bucket(NULL);
    activate();
    assert_int_equal(manifest_apply(&store.manifest, &(struct manifest_spec){5, with, 1}, NULL), DIVAN_OK);
    store.top_collection = 9;
    disk_manifest_changed(disk);
    put_in(0, "k", 8, "in c", 0);
    put_in(0, "k", 9, "in d", 0);
    put_in(1, "k", 9, "in d", 0);
    assert_true(disk_flush(disk));
    assert_int_equal(manifest_apply(&store.manifest, &(struct manifest_spec){6, without, 1}, NULL), DIVAN_OK);
    disk_manifest_changed(disk);
    assert_true(disk_flush(disk));
    crash();
    reopen();
    assert_int_equal(store.manifest.uid, 6);
    const struct collection *c = manifest_find(&store.manifest, 8);
    assert_true(c && c->max_ttl_s == 30 && c->history && c->items == 1);
    assert_string_equal(c->name, "c");
    assert_string_equal(c->scope_name, "s");
    assert_null(manifest_find(&store.manifest, 0)); /* the default one was dropped */
    assert_non_null(find(&store, 0, "k", 8));
    assert_null(find(&store, 0, "k", 9));
    assert_null(find(&store, 1, "k", 9));
    assert_int_equal(store.top_collection, 9);
    close_bucket();
}

static void what_is_dropped_stays_dropped(void **state)
{
    open_bucket(NULL);
    activate();
    for (uint16_t v = 0; v < VBUCKETS; v++) put(v, "k", "v");
    assert_true(disk_flush(disk));
    assert_true(vbucket_set_mode(&store.vbuckets[1], VBUCKET_ABSENT, &rng));
    vbucket_forget(&store.vbuckets[2], (struct item *)find(&store, 2, "k", 0));
    assert_true(disk_flush(disk));
    crash();
    reopen();
    assert_value(0, "k", "v");
    assert_int_equal(store.vbuckets[1].mode, VBUCKET_ABSENT);
    assert_int_equal(store.vbuckets[1].high_seqno, 0);
    assert_null(find(&store, 2, "k", 0));
    store_flush(&store, &rng);
    put(2, "n", "new");
    assert_true(disk_flush(disk));
    uint64_t after = vbucket_uuid(&store.vbuckets[2]);
    crash();
    reopen();
    assert_null(find(&store, 0, "k", 0));
    assert_value(2, "n", "new");
    assert_int_equal(store.vbuckets[2].high_seqno, 1);
    assert_int_equal(store.vbuckets[2].failover[1].uuid, after);
    disk_remove(disk);
    disk = NULL;
    store_fini(&store);
    open_bucket(NULL);
    assert_int_equal(store.vbuckets[2].mode, VBUCKET_ABSENT);
    close_bucket();
}

static void a_file_of_another_bucket_of_that_name_goes(void **state)
{
    char stale[200], other[200];
    snprintf(stale, sizeof stale, "%s/b.ffffffffffffffffffffffffffffffff.documents.sqlite", dir);
    snprintf(other, sizeof other, "%s/b.b.ffffffffffffffffffffffffffffffff.documents.sqlite", dir);
    fclose(fopen(stale, "w"));
    fclose(fopen(other, "w"));
    open_bucket(NULL);
    assert_int_equal(access(stale, F_OK), -1);
    assert_int_equal(access(other, F_OK), 0);
    close_bucket();
}

static void what_cannot_be_used_is_refused(void **state)
{
    struct divan_error err = {0};
    char path[200];
    struct store s;
    open_bucket(NULL);
    assert_int_equal(store_init(&s, VBUCKETS, &rng, NULL), DIVAN_OK);
    /* SQLite's locks are those of a process: within one, another connection is refused all the same. */
    assert_null(open_at(dir, &s, NULL, &err));
    assert_int_equal(err.code, DIVAN_ERR_STATE_DIR);
    close_bucket();
    snprintf(path, sizeof path, "%s/b.%s.documents.sqlite", dir, uuid);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 1000; i++) fputs("no database ", f);
    fclose(f);
    assert_null(open_at(dir, &s, NULL, &err));
    assert_int_equal(err.code, DIVAN_ERR_STATE_DIR);
    assert_non_null(strstr(err.message, path));
    assert_null(open_at("/nonexistent", &s, NULL, &err));
    assert_int_equal(err.code, DIVAN_ERR_STATE_DIR);
    store_fini(&s);
}

/* ---- a load whose every state is remembered */

struct change {
    char key[8], value[24];
    bool live, made;
};
static struct change history[VBUCKETS][HISTORY_MAX]; /* by seqno */

static void remember(uint16_t vbucket, uint64_t seqno, const char *key, const char *value)
{
    assert_true(seqno < HISTORY_MAX);
    struct change *c = &history[vbucket][seqno];
    c->made = true;
    c->live = value != NULL;
    text_copy(c->key, sizeof c->key, key);
    text_copy(c->value, sizeof c->value, value ? value : "");
}

static void random_change(struct rng *r, unsigned n)
{
    char key[8], value[24];
    uint16_t v = (uint16_t)(rng_u64(r) % VBUCKETS);
    struct kv_done done = {0};
    snprintf(key, sizeof key, "k%u", (unsigned)(rng_u64(r) % KEYS));
    snprintf(value, sizeof value, "v%u", n);
    if (rng_u64(r) % 4) remember(v, put(v, key, value).seqno, key, value);
    else if (del(v, key, &done)) remember(v, done.seqno, key, NULL);
}

/* The state of every vBucket must be that at one of its seqnos, not before what was persisted. */
static void assert_prefix(struct store *s, const uint64_t persisted[VBUCKETS])
{
    for (uint16_t v = 0; v < VBUCKETS; v++) {
        uint64_t high = s->vbuckets[v].high_seqno;
        if (high < persisted[v])
            fail_msg("vBucket %u came back to %llu, %llu was persisted", v, (unsigned long long)high,
                     (unsigned long long)persisted[v]);
        for (unsigned k = 0; k < KEYS; k++) {
            char key[8];
            const struct change *last = NULL;
            snprintf(key, sizeof key, "k%u", k);
            for (uint64_t at = 1; at <= high; at++) {
                if (history[v][at].made && strcmp(history[v][at].key, key) == 0) last = &history[v][at];
            }
            const struct item *i = find(s, v, key, 0);
            bool live = i && item_is_live(i);
            if (live != (last && last->live) || (live && !bytes_is(item_value(i), last->value)))
                fail_msg("vBucket %u is at %llu, and %s is not what it was then", v, (unsigned long long)high, key);
        }
    }
}

static void check_folder(const char *path, const uint64_t persisted[VBUCKETS])
{
    struct store s;
    struct divan_error err = {0};
    assert_int_equal(store_init(&s, VBUCKETS, &rng, NULL), DIVAN_OK);
    struct disk *d = open_at(path, &s, NULL, &err);
    if (!d) fail_msg("%s", err.message);
    assert_prefix(&s, persisted);
    disk_close(d);
    store_fini(&s);
}

/* ---- crashes */

struct crashes {
    char durable[64]; /* the files as of their last sync */
    char work[64];
    unsigned states, changes;
    struct rng *mid; /* writes go on while a transaction is open */
    bool busy, looked_for_loss, lost;
};

static void persisted_now(uint64_t out[VBUCKETS])
{
    for (uint16_t v = 0; v < VBUCKETS; v++) out[v] = store.vbuckets ? store.vbuckets[v].persisted_seqno : 0;
}

static void at_every_change(void *user, const char *path, bool synced)
{
    struct crashes *c = user;
    uint64_t persisted[VBUCKETS];
    char to[400];
    if (c->busy || strncmp(path, dir, strlen(dir)) != 0) return;
    c->busy = true;
    persisted_now(persisted);
    copy_folder(dir, c->work); /* the process ends here */
    check_folder(c->work, persisted);
    c->states++;
    if (synced) { /* the machine does */
        snprintf(to, sizeof to, "%s/%s", c->durable, strrchr(path, '/') + 1);
        if (access(path, F_OK)) unlink(to);
        else copy_file(path, to);
    }
    copy_folder(c->durable, c->work);
    check_folder(c->work, persisted);
    c->states++;
    if (rng_u64(c->mid) % 4 == 0) random_change(c->mid, ++c->changes);
    c->busy = false;
}

static void run_crashes(struct crashes *c, uint64_t seed, unsigned rounds)
{
    struct rng r;
    rng_init(&r, seed);
    c->mid = &r;
    batch_bytes = seed % 2 ? 0 : 300; /* several batches in a transaction */
    memset(history, 0, sizeof history);
    make_folder(c->durable, sizeof c->durable);
    make_folder(c->work, sizeof c->work);
    struct fault_vfs *f = fault_vfs();
    open_bucket(f->name);
    activate();
    assert_true(disk_flush(disk));
    copy_folder(dir, c->durable);
    f->changed = at_every_change;
    f->user = c;
    for (unsigned n = 0; n < rounds; n++) {
        unsigned changes = 1 + (unsigned)(rng_u64(&r) % 8);
        for (unsigned i = 0; i < changes; i++) random_change(&r, ++c->changes);
        assert_true(disk_flush(disk));
    }
    f->changed = NULL;
    close_bucket();
    empty_folder(c->durable);
    empty_folder(c->work);
    rmdir(c->durable);
    rmdir(c->work);
    empty_folder(dir);
}

static void every_crash_leaves_a_prefix_with_all_that_was_persisted(void **state)
{
    const char *more = getenv("DIVAN_CRASH_SEEDS");
    unsigned seeds = more ? (unsigned)atoi(more) : 5, total = 0;
    for (unsigned seed = 1; seed <= seeds; seed++) {
        struct crashes c = {0};
        run_crashes(&c, seed, 25);
        total += c.states;
    }
    assert_true(total > 1000);
    print_message("%u crash states\n", total);
}

static void keep_synced(void *user, const char *path, bool synced)
{
    char to[400];
    if (!synced) return;
    snprintf(to, sizeof to, "%s/%s", crash_dir, strrchr(path, '/') + 1);
    if (access(path, F_OK)) unlink(to);
    else copy_file(path, to);
}

/* A test of the test: without fsync what the machine loses is noticed. */
static void a_missing_sync_is_noticed(void **state)
{
    for (int honest = 0; honest < 2; honest++) {
        struct store s;
        struct fault_vfs *f = fault_vfs();
        fault_vfs_reset();
        open_bucket(f->name);
        activate();
        assert_true(disk_flush(disk));
        copy_folder(dir, crash_dir);
        f->changed = keep_synced;
        f->no_sync = !honest;
        put(0, "k", "v");
        assert_true(disk_flush(disk));
        assert_int_equal(store.vbuckets[0].persisted_seqno, 1);
        f->changed = NULL;
        assert_int_equal(store_init(&s, VBUCKETS, &rng, NULL), DIVAN_OK);
        struct disk *d = open_at(crash_dir, &s, NULL, NULL);
        assert_non_null(d);
        assert_int_equal(find(&s, 0, "k", 0) != NULL, honest);
        disk_close(d);
        store_fini(&s);
        close_bucket();
        empty_folder(dir);
    }
}

/* ---- a disk that fails */

static void fail_and_recover(enum fault_kind kind, uint64_t at, uint64_t times, bool *over)
{
    struct rng r;
    uint64_t all[VBUCKETS];
    rng_init(&r, 5);
    memset(history, 0, sizeof history);
    fault_vfs_reset();
    struct fault_vfs *f = fault_vfs();
    open_bucket(f->name);
    activate();
    assert_true(disk_flush(disk));
    f->kind = kind;
    f->at = f->changes + at;
    f->times = times;
    unsigned refused = 0;
    for (unsigned n = 0; n < 12; n++) {
        for (unsigned i = 0; i < 6; i++) random_change(&r, n * 10 + i);
        if (n == 6) vbucket_forget(&store.vbuckets[0], (struct item *)find(&store, 0, "k1", 0));
        if (n == 6) remember(0, store.vbuckets[0].high_seqno, "k1", NULL);
        while (!disk_flush(disk)) {
            assert_true(store.writes_refused);
            refused++;
            assert_true(refused <= times);
        }
        assert_false(store.writes_refused);
    }
    *over = f->faults == 0;
    for (uint16_t v = 0; v < VBUCKETS; v++) {
        all[v] = store.vbuckets[v].high_seqno;
        assert_int_equal(store.vbuckets[v].persisted_seqno, all[v]);
    }
    crash();
    check_folder(dir, all);
    empty_folder(dir);
}

static void each_failing_write_is_survived(void **state)
{
    for (int kind = FAULT_IO; kind <= FAULT_SHORT; kind++) {
        bool over = false;
        for (uint64_t at = 1; !over; at += 3) fail_and_recover((enum fault_kind)kind, at, 1 + at % 3, &over);
    }
}

static void a_full_disk_refuses_and_recovers_by_itself(void **state)
{
    struct fault_vfs *f = fault_vfs();
    open_bucket(f->name);
    activate();
    put(0, "a", "before");
    assert_true(disk_flush(disk));
    f->kind = FAULT_FULL;
    f->at = 0;
    f->times = UINT64_MAX;
    put(0, "a", "while full");
    put_in(0, "d", 0, "durable", DURABLE_PERSIST_TO_MAJORITY);
    for (int i = 0; i < 5; i++) assert_false(disk_flush(disk));
    assert_true(store.writes_refused);
    assert_int_equal(store.vbuckets[0].persisted_seqno, 1);
    assert_non_null(store.vbuckets[0].prepares);
    f->kind = FAULT_NONE;
    uint64_t until_ns = io_refresh_now(loop) + 10 * NS_PER_S;
    while (store.writes_refused && io_refresh_now(loop) < until_ns) io_run_once(loop, until_ns);
    assert_false(store.writes_refused);
    assert_true(disk_flush(disk));
    assert_value(0, "a", "while full");
    assert_value(0, "d", "durable");
    crash();
    reopen();
    assert_value(0, "a", "while full");
    assert_value(0, "d", "durable");
    close_bucket();
}

/* A snapshot larger than a batch is one transaction, and what is overwritten meanwhile does not get into it. */
static void large_snapshots_are_whole(void **state)
{
    static char value[100001];
    memset(value, 'x', sizeof value - 1);
    open_bucket(NULL);
    activate();
    for (unsigned i = 0; i < 100; i++) {
        char key[16];
        snprintf(key, sizeof key, "big%u", i);
        put(1, key, value);
    }
    assert_true(disk_flush(disk));
    assert_int_equal(store.vbuckets[1].persisted_seqno, 100);
    crash();
    reopen();
    assert_int_equal(store.items, 100);
    assert_value(1, "big99", value);
    close_bucket();
}

static void lack_of_memory_loses_nothing(void **state)
{
    for (uint64_t n = 1; n < 400; n += 3) {
        struct divan_error err = {0};
        open_bucket(NULL);
        activate();
        put(0, "a", "one");
        put_in(1, "b", 0, "two", DURABLE_MAJORITY_AND_PERSIST);
        mem_fail_at(n);
        while (!disk_flush(disk)) {}
        mem_fail_at(0);
        assert_true(disk_flush(disk));
        crash();
        assert_int_equal(store_init(&store, VBUCKETS, &rng, NULL), DIVAN_OK);
        mem_fail_at(n);
        disk = open_at(dir, &store, NULL, &err);
        mem_fail_at(0);
        if (!disk) {
            assert_int_equal(err.code, DIVAN_ERR_OUT_OF_MEMORY);
            store_fini(&store);
            open_bucket(NULL);
        }
        activate();
        assert_value(0, "a", "one");
        vbucket_settle(&store.vbuckets[1], &now);
        assert_value(1, "b", "two");
        close_bucket();
        empty_folder(dir);
    }
}

/* ---- the thread */

static void poll_disk(void *user)
{
    if (disk) disk_poll(disk);
}

static void the_thread_writes_while_the_loop_goes_on(void **state)
{
    struct rng r;
    uint64_t all[VBUCKETS];
    rng_init(&r, 9);
    memset(history, 0, sizeof history);
    threaded = true;
    batch_bytes = 300;
    io_on_wake(loop, poll_disk, NULL);
    open_bucket(NULL);
    activate();
    for (unsigned n = 0; n < 3000; n++) {
        random_change(&r, n);
        if (n % 50 == 0) put_in(0, "durable", 0, "x", DURABLE_PERSIST_TO_MAJORITY);
        while (store.vbuckets[0].prepares) io_run_once(loop, io_refresh_now(loop) + 5 * NS_PER_S);
        if (n % 10 == 0) io_run_once(loop, 0);
    }
    assert_true(persisted_calls > 60);
    assert_true(disk_flush(disk));
    for (uint16_t v = 0; v < VBUCKETS; v++) all[v] = store.vbuckets[v].high_seqno;
    close_bucket();
    io_on_wake(loop, NULL, NULL);
    threaded = false;
    check_folder(dir, all);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(everything_comes_back_after_a_clean_end),
        CASE(an_unclean_end_begins_a_branch),
        CASE(replicas_keep_their_history),
        CASE(durable_writes_wait_for_the_disk),
        CASE(waiting_prepares_come_back),
        CASE(collections_come_back_and_dropped_ones_do_not),
        CASE(what_is_dropped_stays_dropped),
        CASE(a_file_of_another_bucket_of_that_name_goes),
        CASE(what_cannot_be_used_is_refused),
        CASE(every_crash_leaves_a_prefix_with_all_that_was_persisted),
        CASE(a_missing_sync_is_noticed),
        CASE(each_failing_write_is_survived),
        CASE(a_full_disk_refuses_and_recovers_by_itself),
        CASE(large_snapshots_are_whole),
        CASE(lack_of_memory_loses_nothing),
        CASE(the_thread_writes_while_the_loop_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
