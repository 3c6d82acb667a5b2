#include "cli/local/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/value.h"

/* ---- paths */

static char *joined(const char *a, const char *b)
{
    struct buf path = {.limit = 1 << 16};
    buf_printf(&path, "%s%s%s", a, *b ? "/" : "", b);
    char *text = buf_take_text(&path);
    buf_fini(&path);
    return text;
}

/* The folder of everything that divan remembers for this user; NULL = there is no home. */
static char *base_path(const char *below)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    struct buf path = {.limit = 1 << 16};
    if (state && state[0] == '/') buf_printf(&path, "%s/divan/%s", state, below);
    else if (home && *home) buf_printf(&path, "%s/.local/state/divan/%s", home, below);
    char *text = path.len ? buf_take_text(&path) : NULL;
    buf_fini(&path);
    return text;
}

char *state_path(const char *given, struct divan_error *err)
{
    if (!given) {
        char *path = base_path("default");
        if (!path)
            err_set(err, DIVAN_ERR_STATE_DIR,
                    "there is no folder for the state: set HOME or XDG_STATE_HOME, or name a folder with --dir");
        return path;
    }
    char *here = given[0] == '/' ? mem_strdup("") : getcwd(NULL, 0);
    char *path = !here ? NULL : *here ? joined(here, given) : mem_strdup(given);
    if (given[0] == '/') mem_free(here);
    else free(here); /* getcwd's own */
    if (!path) err_oom(err);
    for (size_t len = path ? strlen(path) : 0; len > 1 && path[len - 1] == '/';) path[--len] = 0;
    return path;
}

char *state_file(const char *dir, const char *name)
{
    return joined(dir, name);
}

static bool make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!ok) return false;
    }
    return mkdir(path, 0700) == 0 || errno == EEXIST;
}

enum divan_code state_make(const char *dir, struct divan_error *err)
{
    char *log = state_file(dir, "log");
    enum divan_code rc = log ? DIVAN_OK : err_oom(err);
    if (!rc && !make_parents(log))
        rc = err_sys(err, DIVAN_ERR_STATE_DIR, errno, "the state folder %s cannot be made", dir);
    mem_free(log);
    return rc;
}

/* ---- the lock */

static int open_lock(const char *dir, int flags)
{
    char *path = state_file(dir, "lock");
    int fd = path ? open(path, flags | O_RDWR | O_CLOEXEC, 0600) : -1;
    mem_free(path);
    return fd;
}

static int64_t written_pid(int fd)
{
    char text[24] = {0};
    return pread(fd, text, sizeof text - 1, 0) > 0 ? strtoll(text, NULL, 10) : 0;
}

enum divan_code state_lock(const char *dir, int *lock, struct divan_error *err)
{
    char text[24];
    int fd = open_lock(dir, O_CREAT);
    if (fd < 0) return err_sys(err, DIVAN_ERR_STATE_DIR, errno, "the state folder %s cannot be used", dir);
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        int64_t pid = written_pid(fd);
        close(fd);
        return err_set(err, DIVAN_ERR_STATE_DIR,
                       "a cluster is running on %s already (process %" PRId64
                       "): stop it with divan down --dir %s, or choose another folder with --dir",
                       dir, pid, dir);
    }
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)len, 0) != len) {
        int error = errno;
        close(fd);
        return err_sys(err, DIVAN_ERR_STATE_DIR, error, "cannot write into the state folder %s", dir);
    }
    *lock = fd;
    return DIVAN_OK;
}

int64_t state_owner(const char *dir)
{
    int fd = open_lock(dir, 0);
    if (fd < 0) return 0;
    int64_t pid = 0;
    if (flock(fd, LOCK_SH | LOCK_NB)) pid = written_pid(fd); /* shared: two who look do not disturb each other */
    close(fd);
    return pid;
}

/* ---- the record, and the list of clusters: one file per folder, named by a hash of its path, with the path in it */

static char *list_entry(const char *dir)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a: a file name, nothing more */
    char name[40];
    for (const char *c = dir; *c; c++) hash = (hash ^ (uint8_t)*c) * 1099511628211u;
    snprintf(name, sizeof name, "clusters/%016" PRIx64, hash);
    return base_path(name);
}

static bool replace_file(const char *path, struct divan_bytes content)
{
    struct buf name = {.limit = 1 << 16};
    buf_printf(&name, "%s.new", path);
    const char *other = buf_text(&name);
    int fd = other ? open(other, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600) : -1;
    bool ok = fd >= 0 && write(fd, content.data, content.len) == (ssize_t)content.len;
    if (fd >= 0 && close(fd)) ok = false;
    ok = ok && rename(other, path) == 0;
    buf_fini(&name);
    return ok;
}

static void list_add(const char *dir)
{
    char *folder = base_path("clusters"), *entry = list_entry(dir);
    /* the list only serves `divan down --all`: without a home there is none */
    if (folder && entry && make_parents(folder)) replace_file(entry, divan_str(dir));
    mem_free(folder);
    mem_free(entry);
}

enum divan_code state_publish(const char *dir, const struct record *r, struct divan_error *err)
{
    struct buf json = {.limit = 1 << 24};
    char *path = state_file(dir, "cluster.json");
    record_json(r, &json);
    buf_u8(&json, '\n');
    enum divan_code rc = json.failed || !path ? err_oom(err) : DIVAN_OK;
    if (!rc && !replace_file(path, buf_view(&json)))
        rc = err_sys(err, DIVAN_ERR_FILE_WRITE, errno, "cannot write %s", path);
    if (!rc) list_add(dir);
    mem_free(path);
    buf_fini(&json);
    return rc;
}

static void remove_and_free(char *path)
{
    if (path) unlink(path);
    mem_free(path);
}

void state_retract(const char *dir)
{
    remove_and_free(state_file(dir, "cluster.json"));
    remove_and_free(list_entry(dir));
}

bool state_read(const char *dir, struct record *out, struct divan_error *err)
{
    *err = (struct divan_error){0};
    int64_t owner = state_owner(dir);
    if (!owner) return false;
    struct buf text = {0};
    char *path = state_file(dir, "cluster.json");
    enum divan_code rc = path ? value_load_file(path, &text, err) : err_oom(err);
    if (rc == DIVAN_ERR_FILE_READ) {
        err_set(err, DIVAN_ERR_STATE_DIR, "the cluster on %s (process %" PRId64 ") is still starting: try again", dir,
                owner);
    } else if (!rc) {
        rc = record_parse(buf_view(&text), out, err);
    }
    mem_free(path);
    buf_fini(&text);
    return !rc;
}

void state_each(void (*fn)(void *user, const char *dir), void *user)
{
    char *folder = base_path("clusters");
    DIR *list = folder ? opendir(folder) : NULL;
    for (struct dirent *entry; list && (entry = readdir(list));) {
        struct buf dir = {0};
        char *path = entry->d_name[0] == '.' ? NULL : joined(folder, entry->d_name);
        const char *text = path && !value_load_file(path, &dir, NULL) ? buf_text(&dir) : NULL;
        if (text && state_owner(text)) fn(user, text);
        else if (path) unlink(path);
        mem_free(path);
        buf_fini(&dir);
    }
    if (list) closedir(list);
    mem_free(folder);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    remove(path);
    return 0;
}

void state_remove(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
