#include "manager/store.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"

struct store {
    sqlite3 *db;
    sqlite3_stmt *save;
    char path[1024];
};

static enum divan_code fail(struct store *s, enum divan_code code, const char *what, struct divan_error *err)
{
    return err_set(err, code, "%s %s: %s; no other process may use the folder, and it must be writable", what, s->path,
                   s->db ? sqlite3_errmsg(s->db) : "out of memory");
}

/* Exclusive: a second manager on the same folder would be a second authority. FULL: a document somebody heard of must
 * survive the loss of power. */
static const char setup[] =
    "PRAGMA locking_mode=EXCLUSIVE;"
    "PRAGMA journal_mode=WAL;"
    "PRAGMA synchronous=FULL;"
    "CREATE TABLE IF NOT EXISTS state(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;";
static const char save_sql[] = "INSERT INTO state VALUES('document', ?1) ON CONFLICT(name) DO UPDATE SET value = ?1";

struct store *store_open(const char *dir, struct divan_error *err)
{
    struct store *s = mem_zalloc(sizeof *s);
    if (!s) {
        err_oom(err);
        return NULL;
    }
    snprintf(s->path, sizeof s->path, "%s/manager.sqlite", dir);
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) ||
        sqlite3_exec(s->db, setup, NULL, NULL, NULL) || sqlite3_prepare_v2(s->db, save_sql, -1, &s->save, NULL)) {
        fail(s, DIVAN_ERR_STATE_DIR, "cannot open", err);
        store_close(s);
        return NULL;
    }
    return s;
}

void store_close(struct store *s)
{
    if (!s) return;
    sqlite3_finalize(s->save);
    sqlite3_close(s->db);
    mem_free(s);
}

enum divan_code store_load(struct store *s, struct buf *out, struct divan_error *err)
{
    sqlite3_stmt *load = NULL;
    enum divan_code rc = DIVAN_OK;
    int step = sqlite3_prepare_v2(s->db, "SELECT value FROM state WHERE name='document'", -1, &load, NULL);
    if (!step) step = sqlite3_step(load);
    if (step == SQLITE_ROW) buf_put(out, sqlite3_column_blob(load, 0), (size_t)sqlite3_column_bytes(load, 0));
    else if (step != SQLITE_DONE) rc = fail(s, DIVAN_ERR_STATE_DIR, "cannot read", err);
    if (!rc && out->failed) rc = err_oom(err);
    sqlite3_finalize(load);
    return rc;
}

enum divan_code store_save(struct store *s, struct divan_bytes document, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    if (document.len > INT32_MAX || sqlite3_bind_text(s->save, 1, document.data, (int)document.len, SQLITE_STATIC) ||
        sqlite3_step(s->save) != SQLITE_DONE)
        rc = fail(s, DIVAN_ERR_FILE_WRITE, "cannot write", err);
    sqlite3_reset(s->save);
    sqlite3_clear_bindings(s->save);
    return rc;
}
