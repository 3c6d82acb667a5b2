#include "node/disk/db.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"

enum { FORMAT = 1 };

/* Exclusive locking keeps other processes out and the index of the log in memory. */
static const char setup[] =
    "PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "PRAGMA journal_size_limit=8388608;"
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS vbuckets(id INTEGER PRIMARY KEY, mode INTEGER, high_seqno INTEGER, purge_seqno INTEGER,"
    " max_cas INTEGER, max_deleted_revision INTEGER, high_prepared INTEGER, high_completed INTEGER,"
    " snapshot_start INTEGER, snapshot_end INTEGER, events_uid INTEGER, anchor INTEGER, next_anchor INTEGER,"
    " failover BLOB);"
    "CREATE TABLE IF NOT EXISTS scopes(id INTEGER PRIMARY KEY, name TEXT);"
    "CREATE TABLE IF NOT EXISTS collections(id INTEGER PRIMARY KEY, scope INTEGER, max_ttl INTEGER, history INTEGER,"
    " name TEXT);"
    "CREATE TABLE IF NOT EXISTS documents(vbucket INTEGER, collection INTEGER, key BLOB, seqno INTEGER, cas INTEGER,"
    " revision INTEGER, expiry INTEGER, flags INTEGER, datatype INTEGER, state INTEGER, level INTEGER,"
    " prepared_ago INTEGER, back_ago INTEGER, value BLOB, PRIMARY KEY(vbucket, collection, key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS prepares(vbucket INTEGER, collection INTEGER, key BLOB, seqno INTEGER, cas INTEGER,"
    " revision INTEGER, expiry INTEGER, flags INTEGER, datatype INTEGER, state INTEGER, level INTEGER,"
    " prepared_ago INTEGER, back_ago INTEGER, value BLOB, PRIMARY KEY(vbucket, collection, key)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS events(vbucket INTEGER, collection INTEGER, key BLOB, seqno INTEGER, cas INTEGER,"
    " revision INTEGER, expiry INTEGER, flags INTEGER, datatype INTEGER, state INTEGER, level INTEGER,"
    " prepared_ago INTEGER, back_ago INTEGER, value BLOB, PRIMARY KEY(vbucket, seqno)) WITHOUT ROWID;";

enum statement {
    PUT_DOCUMENT,
    PUT_PREPARE,
    PUT_EVENT,
    PUT_STATE,
    END_PREPARE,
    FORGET_DOCUMENT,
    FORGET_PREPARE,
    WIPE_STATE,
    WIPE_DOCUMENTS,
    WIPE_PREPARES,
    WIPE_EVENTS,
    PUT_FACT,
    PUT_SCOPE,
    PUT_COLLECTION,
    PURGE_DOCUMENTS,
    PURGE_PREPARES,
    STATEMENTS
};

#define VALUES14 " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14)"
static const char *const sql[STATEMENTS] = {
    [PUT_DOCUMENT] = "REPLACE INTO documents" VALUES14,
    [PUT_PREPARE] = "REPLACE INTO prepares" VALUES14,
    [PUT_EVENT] = "REPLACE INTO events" VALUES14,
    [PUT_STATE] = "REPLACE INTO vbuckets" VALUES14,
    [END_PREPARE] = "DELETE FROM prepares WHERE vbucket=?1 AND collection=?2 AND key=?3",
    [FORGET_DOCUMENT] = "DELETE FROM documents WHERE vbucket=?1 AND collection=?2 AND key=?3 AND seqno<=?4",
    [FORGET_PREPARE] = "DELETE FROM prepares WHERE vbucket=?1 AND collection=?2 AND key=?3 AND seqno<=?4",
    [WIPE_STATE] = "DELETE FROM vbuckets WHERE id=?1",
    [WIPE_DOCUMENTS] = "DELETE FROM documents WHERE vbucket=?1",
    [WIPE_PREPARES] = "DELETE FROM prepares WHERE vbucket=?1",
    [WIPE_EVENTS] = "DELETE FROM events WHERE vbucket=?1",
    [PUT_FACT] = "REPLACE INTO facts VALUES(?1,?2)",
    [PUT_SCOPE] = "REPLACE INTO scopes VALUES(?1,?2)",
    [PUT_COLLECTION] = "REPLACE INTO collections VALUES(?1,?2,?3,?4,?5)",
    [PURGE_DOCUMENTS] = "DELETE FROM documents WHERE vbucket=?1 AND collection=?2",
    [PURGE_PREPARES] = "DELETE FROM prepares WHERE vbucket=?1 AND collection=?2",
};

struct db {
    sqlite3 *sqlite;
    sqlite3_stmt *statements[STATEMENTS];
    bool prepares; /* there may be some: only then a document looks for its own */
    char path[1200];
};

static enum divan_code fail(struct db *db, const char *what, struct divan_error *err)
{
    return err_set(err, DIVAN_ERR_STATE_DIR, "%s %s: %s", what, db->path,
                   db->sqlite ? sqlite3_errmsg(db->sqlite) : "out of memory");
}

/* ---- single statements */

static bool run(struct db *db, enum statement which)
{
    sqlite3_stmt *s = db->statements[which];
    int rc = sqlite3_step(s);
    int reset = sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc == SQLITE_DONE && reset == SQLITE_OK;
}

static void bind_u64(sqlite3_stmt *s, int at, uint64_t value)
{
    sqlite3_bind_int64(s, at, (sqlite3_int64)value);
}

static bool set_fact(struct db *db, const char *name, uint64_t value)
{
    sqlite3_bind_text(db->statements[PUT_FACT], 1, name, -1, SQLITE_STATIC);
    bind_u64(db->statements[PUT_FACT], 2, value);
    return run(db, PUT_FACT);
}

/* The number a query gives; `none` when it gives nothing or cannot be asked. */
static uint64_t ask(struct db *db, const char *query, uint64_t none)
{
    sqlite3_stmt *s = NULL;
    uint64_t value = none;
    if (sqlite3_prepare_v2(db->sqlite, query, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        value = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return value;
}

static bool execute(struct db *db, const char *text)
{
    return sqlite3_exec(db->sqlite, text, NULL, NULL, NULL) == SQLITE_OK;
}

/* ---- life */

static void free_db(struct db *db)
{
    for (size_t i = 0; i < STATEMENTS; i++) sqlite3_finalize(db->statements[i]);
    sqlite3_close(db->sqlite);
    mem_free(db);
}

static enum divan_code prepare_all(struct db *db, bool *clean, struct divan_error *err)
{
    if (!execute(db, setup)) return fail(db, "cannot use", err);
    uint64_t format = ask(db, "SELECT value FROM facts WHERE name='format'", FORMAT);
    if (format != FORMAT)
        return err_set(err, DIVAN_ERR_STATE_DIR, "%s has format %llu, this version knows %d: use the one that wrote it",
                       db->path, (unsigned long long)format, FORMAT);
    for (size_t i = 0; i < STATEMENTS; i++) {
        if (sqlite3_prepare_v3(db->sqlite, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL))
            return fail(db, "cannot use", err);
    }
    *clean = ask(db, "SELECT value FROM facts WHERE name='clean'", 1) != 0;
    db->prepares = ask(db, "SELECT count(*) FROM prepares", 1) != 0;
    bool ok = set_fact(db, "format", FORMAT) && set_fact(db, "clean", 0) && execute(db, "COMMIT");
    return ok ? DIVAN_OK : fail(db, "cannot write", err);
}

struct db *db_open(const char *path, const char *vfs, bool *clean, struct divan_error *err)
{
    struct db *db = mem_zalloc(sizeof *db);
    if (!db) {
        err_oom(err);
        return NULL;
    }
    text_copy(db->path, sizeof db->path, path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    enum divan_code rc = DIVAN_OK;
    if (sqlite3_open_v2(path, &db->sqlite, flags, vfs)) rc = fail(db, "cannot open", err);
    if (!rc) rc = prepare_all(db, clean, err);
    if (!rc) return db;
    free_db(db);
    return NULL;
}

void db_close(struct db *db, bool clean)
{
    if (!db) return;
    if (!sqlite3_get_autocommit(db->sqlite)) execute(db, "ROLLBACK");
    if (clean) set_fact(db, "clean", 1);
    free_db(db);
}

/* ---- writing */

static bool put_item(struct db *db, enum statement which, const struct record *r, struct divan_bytes key,
                     struct divan_bytes value)
{
    sqlite3_stmt *s = db->statements[which];
    sqlite3_bind_int(s, 1, r->vbucket);
    bind_u64(s, 2, r->collection);
    sqlite3_bind_blob(s, 3, key.len ? key.data : "", (int)key.len, SQLITE_STATIC);
    bind_u64(s, 4, r->seqno);
    bind_u64(s, 5, r->cas);
    bind_u64(s, 6, r->revision);
    bind_u64(s, 7, r->expiry_s);
    bind_u64(s, 8, r->flags);
    sqlite3_bind_int(s, 9, r->datatype);
    sqlite3_bind_int(s, 10, r->state);
    sqlite3_bind_int(s, 11, r->level);
    bind_u64(s, 12, r->prepared_ago);
    bind_u64(s, 13, r->back_ago);
    sqlite3_bind_blob(s, 14, value.len ? value.data : "", (int)value.len, SQLITE_STATIC);
    return run(db, which);
}

static bool by_key(struct db *db, enum statement which, const struct record *r, struct divan_bytes key)
{
    sqlite3_stmt *s = db->statements[which];
    sqlite3_bind_int(s, 1, r->vbucket);
    bind_u64(s, 2, r->collection);
    sqlite3_bind_blob(s, 3, key.len ? key.data : "", (int)key.len, SQLITE_STATIC);
    if (which != END_PREPARE) bind_u64(s, 4, r->seqno);
    return run(db, which);
}

static bool apply_item(struct db *db, const struct record *r, struct divan_bytes key, struct divan_bytes value)
{
    if (r->state & ITEM_EVENT) return put_item(db, PUT_EVENT, r, key, value);
    if (r->state & (ITEM_PREPARED | ITEM_ABORTED)) {
        db->prepares = true;
        return put_item(db, PUT_PREPARE, r, key, value);
    }
    /* A document ends the prepare of its key: it is the commit, or came later. */
    if (db->prepares && !by_key(db, END_PREPARE, r, key)) return false;
    return put_item(db, PUT_DOCUMENT, r, key, value);
}

static bool apply_state(struct db *db, uint16_t vbucket, const struct disk_state *d)
{
    sqlite3_stmt *s = db->statements[PUT_STATE];
    const uint64_t columns[] = {
        d->high_seqno,           d->purge_seqno,    d->max_cas,      d->max_deleted_revision, d->high_prepared_seqno,
        d->high_completed_seqno, d->snapshot_start, d->snapshot_end, d->events_uid,           d->anchor,
        d->next_anchor};
    sqlite3_bind_int(s, 1, vbucket);
    sqlite3_bind_int(s, 2, d->mode);
    for (int i = 0; i < 11; i++) bind_u64(s, 3 + i, columns[i]);
    uint8_t log[FAILOVER_MAX * 16];
    for (size_t i = 0; i < d->failover_count; i++) {
        put_u64be(log + i * 16, d->failover[i].uuid);
        put_u64be(log + i * 16 + 8, d->failover[i].seqno);
    }
    sqlite3_bind_blob(s, 14, log, d->failover_count * 16, SQLITE_STATIC);
    return run(db, PUT_STATE);
}

static bool wipe(struct db *db, uint16_t vbucket)
{
    bool ok = true;
    for (int which = WIPE_STATE; ok && which <= WIPE_EVENTS; which++) {
        sqlite3_bind_int(db->statements[which], 1, vbucket);
        ok = run(db, (enum statement)which);
    }
    return ok;
}

/* ---- collections */

static bool purge_collection(struct db *db, uint32_t id)
{
    uint64_t last = ask(db, "SELECT max(id) FROM vbuckets", 0);
    bool ok = true;
    for (uint64_t v = 0; ok && v <= last; v++) {
        for (int which = PURGE_DOCUMENTS; ok && which <= PURGE_PREPARES; which++) {
            bind_u64(db->statements[which], 1, v);
            bind_u64(db->statements[which], 2, id);
            ok = run(db, (enum statement)which);
        }
    }
    return ok;
}

static bool has_collection(const struct disk_manifest *m, const uint8_t *at, uint32_t id)
{
    struct disk_collection c;
    for (uint32_t i = 0; i < m->collections; i++) {
        memcpy(&c, at + i * sizeof c, sizeof c);
        if (c.id == id) return true;
    }
    return false;
}

/* Documents of collections that are gone. */
static bool purge_dropped(struct db *db, const struct disk_manifest *m, const uint8_t *collections)
{
    sqlite3_stmt *s = NULL;
    bool ok = sqlite3_prepare_v2(db->sqlite, "SELECT id FROM collections", -1, &s, NULL) == SQLITE_OK;
    int step = SQLITE_DONE;
    while (ok && (step = sqlite3_step(s)) == SQLITE_ROW) {
        uint32_t id = (uint32_t)sqlite3_column_int64(s, 0);
        if (!has_collection(m, collections, id)) ok = purge_collection(db, id);
    }
    sqlite3_finalize(s);
    return ok && step == SQLITE_DONE;
}

static bool apply_manifest(struct db *db, struct divan_bytes value)
{
    struct disk_manifest m;
    memcpy(&m, value.data, sizeof m);
    const uint8_t *scopes = (const uint8_t *)value.data + sizeof m;
    const uint8_t *collections = scopes + m.scopes * sizeof(struct disk_scope);
    bool ok = purge_dropped(db, &m, collections) && execute(db, "DELETE FROM scopes; DELETE FROM collections") &&
              set_fact(db, "manifest_uid", m.uid) && set_fact(db, "top_collection", m.top_collection);
    for (uint32_t i = 0; ok && i < m.scopes; i++) {
        struct disk_scope scope;
        memcpy(&scope, scopes + i * sizeof scope, sizeof scope);
        bind_u64(db->statements[PUT_SCOPE], 1, scope.id);
        sqlite3_bind_text(db->statements[PUT_SCOPE], 2, scope.name, -1, SQLITE_TRANSIENT);
        ok = run(db, PUT_SCOPE);
    }
    for (uint32_t i = 0; ok && i < m.collections; i++) {
        struct disk_collection c;
        memcpy(&c, collections + i * sizeof c, sizeof c);
        sqlite3_stmt *s = db->statements[PUT_COLLECTION];
        bind_u64(s, 1, c.id);
        bind_u64(s, 2, c.scope_id);
        sqlite3_bind_int64(s, 3, c.max_ttl_s);
        sqlite3_bind_int(s, 4, c.history);
        sqlite3_bind_text(s, 5, c.name, -1, SQLITE_TRANSIENT);
        ok = run(db, PUT_COLLECTION);
    }
    return ok;
}

static bool apply_record(struct db *db, const struct record *r, struct divan_bytes key, struct divan_bytes value)
{
    struct disk_state state;
    switch ((enum record_kind)r->kind) {
    case RECORD_STATE:
        memcpy(&state, value.data, sizeof state);
        return apply_state(db, r->vbucket, &state);
    case RECORD_WIPE:
        return wipe(db, r->vbucket);
    case RECORD_ITEM:
        return apply_item(db, r, key, value);
    case RECORD_FORGET:
        return by_key(db, r->state & ITEM_PREPARED ? FORGET_PREPARE : FORGET_DOCUMENT, r, key);
    case RECORD_MANIFEST:
        return apply_manifest(db, value);
    }
    return false;
}

enum divan_code db_apply(struct db *db, const struct batch *b, struct divan_error *err)
{
    struct record r;
    struct divan_bytes key, value;
    size_t at = 0;
    bool ok = !sqlite3_get_autocommit(db->sqlite) || execute(db, "BEGIN IMMEDIATE");
    while (ok && batch_next(b, &at, &r, &key, &value)) ok = apply_record(db, &r, key, value);
    if (ok && b->commit) ok = execute(db, "COMMIT");
    if (ok) return DIVAN_OK;
    fail(db, "cannot write", err);
    if (!sqlite3_get_autocommit(db->sqlite)) execute(db, "ROLLBACK");
    return err->code;
}

/* ---- reading */

static bool prepare_query(struct db *db, const char *query, sqlite3_stmt **out)
{
    return sqlite3_prepare_v2(db->sqlite, query, -1, out, NULL) == SQLITE_OK;
}

static uint64_t column_u64(sqlite3_stmt *s, int at)
{
    return (uint64_t)sqlite3_column_int64(s, at);
}

static enum divan_code load_states(struct db *db, const struct db_reader *r, struct divan_error *err)
{
    sqlite3_stmt *s = NULL;
    bool wanted = true;
    int step = SQLITE_ERROR;
    if (prepare_query(db, "SELECT * FROM vbuckets ORDER BY id", &s)) {
        while (wanted && (step = sqlite3_step(s)) == SQLITE_ROW) {
            struct disk_state d = {.mode = (uint8_t)sqlite3_column_int(s, 1),
                                   .high_seqno = column_u64(s, 2),
                                   .purge_seqno = column_u64(s, 3),
                                   .max_cas = column_u64(s, 4),
                                   .max_deleted_revision = column_u64(s, 5),
                                   .high_prepared_seqno = column_u64(s, 6),
                                   .high_completed_seqno = column_u64(s, 7),
                                   .snapshot_start = column_u64(s, 8),
                                   .snapshot_end = column_u64(s, 9),
                                   .events_uid = column_u64(s, 10),
                                   .anchor = column_u64(s, 11),
                                   .next_anchor = column_u64(s, 12)};
            const uint8_t *log = sqlite3_column_blob(s, 13);
            size_t count = (size_t)sqlite3_column_bytes(s, 13) / 16;
            d.failover_count = (uint8_t)(count < FAILOVER_MAX ? count : FAILOVER_MAX);
            for (size_t i = 0; log && i < d.failover_count; i++)
                d.failover[i] = (struct failover_entry){get_u64be(log + i * 16), get_u64be(log + i * 16 + 8)};
            wanted = r->state(r->user, (uint16_t)sqlite3_column_int(s, 0), &d);
        }
    }
    enum divan_code rc = DIVAN_OK;
    if (!wanted) rc = err_oom(err);
    else if (step != SQLITE_DONE) rc = fail(db, "cannot read", err);
    sqlite3_finalize(s);
    return rc;
}

static bool take_item(const struct db_reader *r, sqlite3_stmt *s)
{
    struct record rec = {.kind = RECORD_ITEM,
                         .vbucket = (uint16_t)sqlite3_column_int(s, 0),
                         .collection = (uint32_t)sqlite3_column_int64(s, 1),
                         .key_len = (uint8_t)sqlite3_column_bytes(s, 2),
                         .seqno = column_u64(s, 3),
                         .cas = column_u64(s, 4),
                         .revision = column_u64(s, 5),
                         .expiry_s = (uint32_t)sqlite3_column_int64(s, 6),
                         .flags = (uint32_t)sqlite3_column_int64(s, 7),
                         .datatype = (uint8_t)sqlite3_column_int(s, 8),
                         .state = (uint8_t)sqlite3_column_int(s, 9),
                         .level = (uint8_t)sqlite3_column_int(s, 10),
                         .prepared_ago = (uint32_t)sqlite3_column_int64(s, 11),
                         .back_ago = (uint32_t)sqlite3_column_int64(s, 12)};
    const void *key = sqlite3_column_blob(s, 2);
    struct divan_bytes value = bytes_of(sqlite3_column_blob(s, 13), (size_t)sqlite3_column_bytes(s, 13));
    rec.value_len = (uint32_t)value.len;
    return r->item(r->user, &rec, key, value);
}

static enum divan_code load_items(struct db *db, const struct db_reader *r, struct divan_error *err)
{
    /* One vBucket at a time: what must be sorted is small. */
    static const char query[] = "SELECT * FROM documents WHERE vbucket=?1 UNION ALL "
                                "SELECT * FROM prepares WHERE vbucket=?1 UNION ALL "
                                "SELECT * FROM events WHERE vbucket=?1 ORDER BY seqno";
    uint64_t last = ask(db, "SELECT max(id) FROM vbuckets", 0);
    sqlite3_stmt *s = NULL;
    bool wanted = true;
    int step = prepare_query(db, query, &s) ? SQLITE_DONE : SQLITE_ERROR;
    for (uint64_t v = 0; wanted && step == SQLITE_DONE && v <= last; v++) {
        bind_u64(s, 1, v);
        while (wanted && (step = sqlite3_step(s)) == SQLITE_ROW) wanted = take_item(r, s);
        if (step == SQLITE_DONE) sqlite3_reset(s);
    }
    enum divan_code rc = DIVAN_OK;
    if (!wanted) rc = err_oom(err);
    else if (step != SQLITE_DONE) rc = fail(db, "cannot read", err);
    sqlite3_finalize(s);
    return rc;
}

static size_t count_rows(struct db *db, const char *query)
{
    return (size_t)ask(db, query, 0);
}

/* Names of rows live in `names`. */
static bool read_manifest(struct db *db, struct manifest_spec *m, struct scope_spec *scopes,
                          struct collection_spec *collections, struct disk_scope *names)
{
    sqlite3_stmt *s = NULL, *c = NULL;
    size_t n = 0, used = 0;
    bool ok = prepare_query(db, "SELECT id, name FROM scopes ORDER BY id", &s) &&
              prepare_query(db, "SELECT id, max_ttl, history, name FROM collections WHERE scope=?1 ORDER BY id", &c);
    for (; ok && sqlite3_step(s) == SQLITE_ROW; m->scope_count++) {
        struct scope_spec *scope = &scopes[m->scope_count];
        text_copy(names[used].name, sizeof names->name, (const char *)sqlite3_column_text(s, 1));
        *scope = (struct scope_spec){names[used++].name, (uint32_t)sqlite3_column_int64(s, 0), collections + n, 0};
        sqlite3_bind_int64(c, 1, sqlite3_column_int64(s, 0));
        for (; sqlite3_step(c) == SQLITE_ROW; n++, scope->collection_count++) {
            text_copy(names[used].name, sizeof names->name, (const char *)sqlite3_column_text(c, 3));
            collections[n] = (struct collection_spec){names[used++].name, (uint32_t)sqlite3_column_int64(c, 0),
                                                      sqlite3_column_int64(c, 1), sqlite3_column_int(c, 2) != 0};
        }
        sqlite3_reset(c);
    }
    sqlite3_finalize(s);
    sqlite3_finalize(c);
    return ok;
}

static enum divan_code load_manifest(struct db *db, const struct db_reader *r, struct divan_error *err)
{
    size_t scope_count = count_rows(db, "SELECT count(*) FROM scopes");
    size_t collection_count = count_rows(db, "SELECT count(*) FROM collections");
    if (!scope_count) return DIVAN_OK; /* never written: the default one */
    struct manifest_spec m = {.uid = ask(db, "SELECT value FROM facts WHERE name='manifest_uid'", 0), .scope_count = 0};
    struct scope_spec *scopes = mem_zalloc(scope_count * sizeof *scopes);
    struct collection_spec *collections = mem_zalloc((collection_count + 1) * sizeof *collections);
    struct disk_scope *names = mem_zalloc((scope_count + collection_count) * sizeof *names);
    enum divan_code rc = scopes && collections && names ? DIVAN_OK : err_oom(err);
    m.scopes = scopes;
    if (!rc && !read_manifest(db, &m, scopes, collections, names)) rc = fail(db, "cannot read", err);
    uint32_t top = (uint32_t)ask(db, "SELECT value FROM facts WHERE name='top_collection'", 0);
    if (!rc && !r->manifest(r->user, &m, top)) rc = err_oom(err);
    mem_free(scopes);
    mem_free(collections);
    mem_free(names);
    return rc;
}

enum divan_code db_load(struct db *db, const struct db_reader *r, struct divan_error *err)
{
    enum divan_code rc = load_manifest(db, r, err);
    if (!rc) rc = load_states(db, r, err);
    if (!rc) rc = load_items(db, r, err);
    return rc;
}
