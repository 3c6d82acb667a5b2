#include "cli/local/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "cli/local/child.h"
#include "cli/local/ports.h"
#include "cli/local/state.h"
#include "manager/manager.h"

enum { STOP_GRACE_MS = 3000 };

struct local {
    const struct local_options *options;
    struct manager *manager;
    char *program;
    uint16_t base;
    int64_t *pids; /* 0 = ended */
    struct record record;
};

/* ---- starting */

/* A folder of the state folder, made when it is missing; yours. */
static char *data_folder(const struct local_options *o, const char *name, struct divan_error *err)
{
    char *path = state_file(o->dir, name);
    if (!path) return err_oom(err), NULL;
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return path;
    err_sys(err, DIVAN_ERR_STATE_DIR, errno, "cannot make the folder %s", path);
    mem_free(path);
    return NULL;
}

/* What was kept is of a cluster with so many nodes: each has a part of the documents. */
static bool fits(const struct manager *m, const struct local_options *o, struct divan_error *err)
{
    size_t known = manager_doc(m)->node_count;
    if (!o->data || !known || known == o->nodes) return true;
    err_set(err, DIVAN_ERR_INVALID_ARGUMENT,
            "the folder %s keeps a cluster of %zu node%s: start it with -n %zu, or use another --dir", o->dir, known,
            known == 1 ? "" : "s", known);
    return false;
}

static struct manager *start_manager(struct io_loop *loop, const struct local_options *o, struct divan_error *err)
{
    /* nodes that live in memory start empty, so the decisions about them are not kept either */
    char *dir = o->data ? data_folder(o, "data", err) : NULL;
    if (o->data && !dir) return NULL;
    const struct manager_options options = {
        .dir = dir, .vbuckets = o->vbuckets, .listen_host = "127.0.0.1", .log = o->log};
    const struct manager_setup setup = {
        .user = o->user,
        .password = o->password,
        .cluster_name = "divan",
        .buckets = o->buckets,
        .bucket_count = o->bucket_count,
        .nodes = o->nodes,
    };
    struct manager *m = manager_new(loop, &options, err);
    mem_free(dir);
    if (m && (!fits(m, o, err) || manager_provision(m, &setup, err))) {
        manager_free(m);
        m = NULL;
    }
    return m;
}

static char *log_path(const struct local *l, unsigned node)
{
    char name[32];
    snprintf(name, sizeof name, "log/node-%u.log", node + 1);
    return state_file(l->options->dir, name);
}

static enum divan_code start_node(struct local *l, unsigned i, struct divan_error *err)
{
    struct place place = place_of(i, l->base);
    char vbuckets[8], base[8], manager[64], token[256], name[32];
    snprintf(name, sizeof name, "data/node-%u", i + 1);
    char *data = l->options->data ? data_folder(l->options, name, err) : NULL;
    if (l->options->data && !data) return err->code;
    snprintf(vbuckets, sizeof vbuckets, "%u", l->options->vbuckets);
    snprintf(base, sizeof base, "%u", place.base);
    io_addr_text(manager_address(l->manager), manager, sizeof manager);
    snprintf(token, sizeof token, "DIVAN_MANAGER_TOKEN=%s", manager_token(l->manager));
    const char *argv[16] = {"divand", "--host", place.host, "--vbuckets", vbuckets, "--manager", manager};
    size_t n = 7;
    argv[n++] = data ? "--data" : "--memory";
    if (data) argv[n++] = data;
    if (place.base) argv[n++] = "--port-base", argv[n++] = base;
    char *log = log_path(l, i);
    const struct child_options child = {.program = l->program, .argv = argv, .variable = token, .log = log};
    int64_t pid = log ? child_start(&child, err) : -1;
    enum divan_code rc = !log ? err_oom(err) : pid < 0 ? err->code : DIVAN_OK;
    if (!rc) l->pids[i] = pid;
    mem_free(log);
    mem_free(data);
    return rc;
}

struct local *local_new(struct io_loop *loop, const struct local_options *o, struct divan_error *err)
{
    struct local *l = mem_zalloc(sizeof *l);
    if (!l) return err_oom(err), NULL;
    *l = (struct local){.options = o, .base = o->port_base, .pids = mem_zalloc(o->nodes * sizeof *l->pids)};
    enum divan_code rc = l->pids ? DIVAN_OK : (err_oom(err), DIVAN_ERR_OUT_OF_MEMORY);
    if (!rc && o->find_ports) rc = ports_find(loop, o->nodes, &l->base, err);
    if (!rc) rc = ports_check(loop, o->nodes, l->base, err);
    if (!rc && !(l->program = child_program(err))) rc = err->code;
    if (!rc && !(l->manager = start_manager(loop, o, err))) rc = err->code;
    for (unsigned i = 0; !rc && i < o->nodes; i++) rc = start_node(l, i, err);
    if (!rc) return l;
    local_free(l);
    return NULL;
}

void local_free(struct local *l)
{
    if (!l) return;
    if (l->pids) child_stop_all(l->pids, l->options->nodes, STOP_GRACE_MS);
    manager_free(l->manager);
    record_fini(&l->record);
    mem_free(l->pids);
    mem_free(l->program);
    mem_free(l);
}

/* ---- how it stands */

bool local_ready(const struct local *l)
{
    return manager_linked(l->manager) == l->options->nodes && manager_up_to_date(l->manager) == l->options->nodes;
}

static const struct doc_node *find_node(const struct doc *doc, const struct place *place)
{
    for (size_t i = 0; i < doc->node_count; i++)
        if (!strcmp(doc->nodes[i].host, place->host) && doc->nodes[i].ports.plain[SVC_MGMT] == place->mgmt)
            return &doc->nodes[i];
    return NULL;
}

static void fill_node(const struct local *l, unsigned i, struct record_node *out)
{
    struct place place = place_of(i, l->base);
    const struct doc_node *node = find_node(manager_doc(l->manager), &place);
    *out = (struct record_node){.id = i + 1, .pid = l->pids[i], .mgmt = place.mgmt, .kv = place.kv};
    text_copy(out->host, sizeof out->host, place.host);
    if (!node) return;
    out->kv = node->ports.plain[SVC_KV];
    out->kv_tls = node->ports.tls[SVC_KV];
    out->views = node->ports.plain[SVC_VIEWS];
    out->query = node->ports.plain[SVC_QUERY];
}

static char *connection_string(const struct record *r)
{
    struct buf text = {.limit = 1 << 16};
    buf_put_str(&text, "couchbase://");
    for (size_t i = 0; i < r->node_count; i++) {
        buf_printf(&text, "%s%s", i ? "," : "", r->nodes[i].host);
        if (r->nodes[i].kv != place_of(0, 0).kv) buf_printf(&text, ":%u", r->nodes[i].kv);
    }
    char *out = buf_take_text(&text);
    buf_fini(&text);
    return out;
}

static bool fill_buckets(const struct local_options *o, struct record *r)
{
    r->buckets = mem_zalloc((o->bucket_count + 1) * sizeof *r->buckets);
    for (size_t i = 0; r->buckets && i < o->bucket_count; i++) {
        r->buckets[i] = mem_strdup(o->buckets[i]);
        if (!r->buckets[i]) return false;
        r->bucket_count++;
    }
    return r->buckets != NULL;
}

const struct record *local_record(struct local *l)
{
    const struct local_options *o = l->options;
    struct record r = {
        .username = mem_strdup(o->user),
        .password = mem_strdup(o->password),
        .dir = mem_strdup(o->dir),
        .pid = getpid(),
        .nodes = mem_zalloc(o->nodes * sizeof(struct record_node)),
        .node_count = o->nodes,
    };
    for (unsigned i = 0; r.nodes && i < o->nodes; i++) fill_node(l, i, &r.nodes[i]);
    if (r.nodes) r.connection_string = connection_string(&r);
    record_fini(&l->record);
    if (fill_buckets(o, &r) && r.username && r.password && r.dir && r.connection_string) l->record = r;
    else record_fini(&r);
    return l->record.dir ? &l->record : NULL;
}

/* ---- nodes that end */

void local_reap(struct local *l, local_ended_fn *fn, void *user)
{
    char how[80], words[256];
    for (unsigned i = 0; i < l->options->nodes; i++) {
        if (!*child_ended(l->pids[i], how, sizeof how)) continue;
        char *log = log_path(l, i);
        l->pids[i] = 0;
        fn(user, i, how, log ? child_last_words(log, words, sizeof words) : "");
        mem_free(log);
    }
}

bool local_node_alive(const struct local *l, unsigned node)
{
    return l->pids[node] > 0;
}

unsigned local_alive(const struct local *l)
{
    unsigned n = 0;
    for (unsigned i = 0; i < l->options->nodes; i++) n += local_node_alive(l, i);
    return n;
}
