#include "cli/demo_cluster.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/local/child.h"
#include "cli/local/state.h"
#include "cli/rest.h"
#include "text/http.h"

enum { STOP_GRACE_MS = 8000 };

static enum divan_code make_dir(struct demo_cluster *c, struct divan_error *err)
{
    const char *base = getenv("TMPDIR");
    if (!base || !*base || strlen(base) > 32) base = "/tmp";
    snprintf(c->dir, sizeof c->dir, "%s/divan-demo-XXXXXX", base);
    if (mkdtemp(c->dir)) return DIVAN_OK;
    int error = errno;
    err_sys(err, DIVAN_ERR_SYSTEM, error, "cannot make a folder in %s", base);
    c->dir[0] = 0;
    return err->code;
}

static enum divan_code spawn(struct demo_cluster *c, unsigned nodes, const char *bucket, const char *log, int output,
                             struct divan_error *err)
{
    char count[16];
    snprintf(count, sizeof count, "%u", nodes);
    const char *argv[] = {"divan",    "up",          "--json", "--dir",  c->dir,          "--nodes",
                          count,      "--port-base", "auto",   "--user", "Administrator", "--password",
                          "password", "--bucket",    bucket,   NULL};
    const struct child_options options = {.program = "/proc/self/exe", .argv = argv, .log = log, .output = output};
    c->pid = child_start(&options, err);
    if (c->pid < 0) return c->pid = 0, err->code;
    return DIVAN_OK;
}

/* One line of JSON says that it is ready; the end of the output without one, that it is not. */
static enum divan_code wait_ready(struct demo_cluster *c, int input, const char *log, struct divan_error *err)
{
    char words[256];
    struct buf line = {.limit = 1 << 20};
    ssize_t n = 1;
    while (n > 0 && !(line.len && line.data[line.len - 1] == '\n')) {
        n = buf_reserve(&line, 4096) ? read(input, line.data + line.len, 4096) : 0;
        if (n > 0) line.len += (size_t)n;
        else if (n < 0 && errno == EINTR) n = 1;
    }
    enum divan_code rc = line.len ? record_parse(buf_view(&line), &c->record, err)
                                  : err_set(err, DIVAN_ERR_FAILED, "the cluster did not start: %s",
                                            child_last_words(log, words, sizeof words));
    buf_fini(&line);
    return rc;
}

enum divan_code demo_cluster_start(struct demo_cluster *c, unsigned nodes, const char *bucket, struct divan_error *err)
{
    int ends[2] = {-1, -1};
    *c = (struct demo_cluster){0};
    enum divan_code rc = make_dir(c, err);
    char *log = rc ? NULL : state_file(c->dir, "divan-up.log");
    if (!rc && !log) rc = err_oom(err);
    if (!rc && pipe2(ends, O_CLOEXEC)) rc = err_sys(err, DIVAN_ERR_SYSTEM, errno, "cannot make a pipe");
    if (!rc) rc = spawn(c, nodes, bucket, log, ends[1], err);
    if (ends[1] >= 0) close(ends[1]);
    if (!rc) rc = wait_ready(c, ends[0], log, err);
    if (ends[0] >= 0) close(ends[0]);
    mem_free(log);
    return rc;
}

static enum divan_code post(const struct demo_cluster *c, const char *target, const char *name, struct divan_error *err)
{
    struct buf form = {.limit = 4096};
    buf_put_str(&form, "name=");
    percent_encode(divan_str(name), false, &form);
    const struct rest_request request = {
        .host = c->record.nodes[0].host,
        .port = c->record.nodes[0].mgmt,
        .user = c->record.username,
        .password = c->record.password,
        .method = "POST",
        .target = target,
        .form = buf_view(&form),
    };
    enum divan_code rc = form.failed ? err_oom(err) : rest_do(&request, NULL, err);
    buf_fini(&form);
    return rc;
}

enum divan_code demo_cluster_collections(const struct demo_cluster *c, const char *scope,
                                         const char *const *collections, struct divan_error *err)
{
    char target[300];
    snprintf(target, sizeof target, "/pools/default/buckets/%s/scopes", c->record.buckets[0]);
    enum divan_code rc = post(c, target, scope, err);
    snprintf(target, sizeof target, "/pools/default/buckets/%s/scopes/%s/collections", c->record.buckets[0], scope);
    for (; !rc && *collections; collections++) rc = post(c, target, *collections, err);
    return rc;
}

void demo_cluster_stop(struct demo_cluster *c)
{
    if (c->pid) child_stop_all(&c->pid, 1, STOP_GRACE_MS);
    if (*c->dir) state_remove(c->dir);
    record_fini(&c->record);
    *c = (struct demo_cluster){0};
}
