#include "unit/support_fault_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

static struct fault_vfs state = {.name = "fault"};
static sqlite3_vfs *below;
static sqlite3_vfs above;

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
    char path[1200];
};

static sqlite3_file *real(sqlite3_file *f)
{
    return ((struct fault_file *)f)->real;
}

static const char *path_of(sqlite3_file *f)
{
    return ((struct fault_file *)f)->path;
}

/* Whether the next change goes wrong. */
static enum fault_kind next_fault(void)
{
    uint64_t n = ++state.changes;
    if (state.kind == FAULT_NONE || n < state.at || state.faults >= state.times) return FAULT_NONE;
    state.faults++;
    return state.kind;
}

static int done(int rc, const char *path, bool synced)
{
    if (rc == SQLITE_OK && state.changed) state.changed(state.user, path, synced);
    return rc;
}

/* ---- files */

static int on_close(sqlite3_file *f)
{
    return real(f)->pMethods->xClose(real(f));
}
static int on_read(sqlite3_file *f, void *out, int len, sqlite3_int64 at)
{
    return real(f)->pMethods->xRead(real(f), out, len, at);
}
static int on_write(sqlite3_file *f, const void *data, int len, sqlite3_int64 at)
{
    enum fault_kind fault = next_fault();
    if (fault == FAULT_IO) return SQLITE_IOERR_WRITE;
    if (fault == FAULT_SHORT) real(f)->pMethods->xWrite(real(f), data, len / 2, at);
    if (fault) return SQLITE_FULL;
    return done(real(f)->pMethods->xWrite(real(f), data, len, at), path_of(f), false);
}
static int on_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    if (next_fault()) return SQLITE_IOERR_TRUNCATE;
    return done(real(f)->pMethods->xTruncate(real(f), size), path_of(f), false);
}
static int on_sync(sqlite3_file *f, int flags)
{
    state.syncs++;
    if (next_fault()) return SQLITE_IOERR_FSYNC;
    if (state.no_sync) return SQLITE_OK;
    return done(real(f)->pMethods->xSync(real(f), flags), path_of(f), true);
}
static int on_size(sqlite3_file *f, sqlite3_int64 *out)
{
    return real(f)->pMethods->xFileSize(real(f), out);
}
static int on_lock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xLock(real(f), level);
}
static int on_unlock(sqlite3_file *f, int level)
{
    return real(f)->pMethods->xUnlock(real(f), level);
}
static int on_check(sqlite3_file *f, int *out)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
static int on_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}
static int on_sector(sqlite3_file *f)
{
    return real(f)->pMethods->xSectorSize(real(f));
}
static int on_traits(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

/* No shared memory: the index of the log is kept in the process. */
static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = on_close,
                                           .xRead = on_read,
                                           .xWrite = on_write,
                                           .xTruncate = on_truncate,
                                           .xSync = on_sync,
                                           .xFileSize = on_size,
                                           .xLock = on_lock,
                                           .xUnlock = on_unlock,
                                           .xCheckReservedLock = on_check,
                                           .xFileControl = on_control,
                                           .xSectorSize = on_sector,
                                           .xDeviceCharacteristics = on_traits};

static int on_open(sqlite3_vfs *v, const char *name, sqlite3_file *out, int flags, int *out_flags)
{
    struct fault_file *f = (struct fault_file *)out;
    memset(f, 0, sizeof *f);
    f->real = (sqlite3_file *)(f + 1);
    snprintf(f->path, sizeof f->path, "%s", name ? name : "");
    int rc = below->xOpen(below, name, f->real, flags, out_flags);
    if (rc == SQLITE_OK) f->base.pMethods = &methods;
    return rc;
}

static int on_delete(sqlite3_vfs *v, const char *name, int sync_dir)
{
    if (next_fault()) return SQLITE_IOERR_DELETE;
    return done(below->xDelete(below, name, sync_dir), name, true);
}

struct fault_vfs *fault_vfs(void)
{
    if (below) return &state;
    below = sqlite3_vfs_find(NULL);
    above = *below;
    above.pNext = NULL;
    above.zName = state.name;
    above.szOsFile = (int)sizeof(struct fault_file) + below->szOsFile;
    above.xOpen = on_open;
    above.xDelete = on_delete;
    sqlite3_vfs_register(&above, 0);
    return &state;
}

void fault_vfs_reset(void)
{
    state = (struct fault_vfs){.name = "fault"};
}
