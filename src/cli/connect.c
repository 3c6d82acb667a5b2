#include "cli/connect.h"

#include "base/alloc.h"
#include "base/error.h"
#include "cli/local/state.h"
#include "text/connstr.h"

#define ROW(...) OPT(struct connect_args, __VA_ARGS__)
#define ROWS_WHO                                                                                                       \
    ROW(connstr, "connstr", 'C', OPT_TEXT, "STRING",                                                                   \
        "connection string, as in couchbase://host1,host2/bucket; without it the local cluster that runs, else "       \
        "couchbase://127.0.0.1",                                                                                       \
        .env = "DIVAN_CONNSTR CB_CONNECTION_STRING"),                                                                  \
        ROW(username, "username", 'u', OPT_TEXT, "NAME", "who connects", .env = "DIVAN_USERNAME CB_USERNAME"),         \
        ROW(password, "password", 'p', OPT_TEXT, "TEXT",                                                               \
            "the password; better by the environment, for other users of the machine can see arguments",               \
            .env = "DIVAN_PASSWORD CB_PASSWORD")
#define ROW_BUCKET ROW(bucket, "bucket", 'b', OPT_TEXT, "NAME", "the bucket", .env = "DIVAN_BUCKET CB_BUCKET")
#define ROW_CA                                                                                                         \
    ROW(ca, "ca", 0, OPT_TEXT, "FILE", "PEM file with the certificates to trust; with couchbases://", .env = "DIVAN_CA")
#define ROW_DIR                                                                                                        \
    ROW(dir, "dir", 0, OPT_TEXT, "FOLDER", "state folder of the local cluster to look at", .env = "DIVAN_DIR")

const struct opt_row connect_rows[] = {
    ROWS_WHO,
    ROW_BUCKET,
    ROW(scope, "scope", 0, OPT_TEXT, "NAME", "the scope", .preset = "_default", .env = "DIVAN_SCOPE CB_SCOPE"),
    ROW(collection, "collection", 0, OPT_TEXT, "NAME", "the collection", .preset = "_default",
        .env = "DIVAN_COLLECTION CB_COLLECTION"),
    ROW_CA,
    ROW_DIR,
    {0},
};
const struct opt_row connect_bucket_rows[] = {ROWS_WHO, ROW_BUCKET, ROW_CA, ROW_DIR, {0}};
const struct opt_row connect_cluster_rows[] = {ROWS_WHO, ROW_CA, ROW_DIR, {0}};

static bool is_loopback(const struct connstr *cs)
{
    for (size_t i = 0; i < cs->host_count; i++) {
        const char *name = cs->hosts[i].name;
        if (strcmp(name, "localhost") != 0 && strcmp(name, "::1") != 0 && strncmp(name, "127.", 4) != 0) return false;
    }
    return cs->host_count > 0;
}

/* Whether the connection string leads to the local cluster: it names one of its key-value or management addresses. */
static bool leads_to(const struct connstr *cs, const struct record *local)
{
    for (size_t h = 0; h < cs->host_count; h++)
        for (size_t n = 0; n < local->node_count; n++) {
            const struct record_node *node = &local->nodes[n];
            const char *name = cs->hosts[h].name;
            bool host = !strcmp(name, node->host) || (!strcmp(name, "localhost") && !strcmp(node->host, "127.0.0.1"));
            uint16_t kv = connstr_kv_port(cs, &cs->hosts[h]), mgmt = connstr_mgmt_port(cs, &cs->hosts[h]);
            if (host && ((kv && kv == node->kv) || (mgmt && mgmt == node->mgmt))) return true;
        }
    return false;
}

static const char *or_else(const char *text, const char *other)
{
    return text ? text : other;
}

static enum divan_code find_local(const char *dir_given, struct target *out, struct divan_error *err)
{
    struct divan_error why;
    char *dir = state_path(dir_given, &why);
    if (!dir && !dir_given) return DIVAN_OK; /* no home: no local cluster either */
    if (!dir) return *err = why, why.code;
    out->is_local = state_read(dir, &out->local, &why);
    mem_free(dir);
    if (!out->is_local && why.code) return *err = why, why.code;
    if (!out->is_local && dir_given)
        return err_set(err, DIVAN_ERR_STATE_DIR, "no cluster is running on %s: start one with divan up --dir %s",
                       dir_given, dir_given);
    return DIVAN_OK;
}

enum divan_code target_choose(const struct connect_args *args, struct target *out, struct divan_error *err)
{
    struct connstr cs = {0};
    struct target t = {
        .connstr = args->connstr, .username = args->username, .password = args->password, .bucket = args->bucket};
    struct divan_error local_err;
    enum divan_code rc = args->connstr ? connstr_parse(args->connstr, &cs, err) : DIVAN_OK;
    bool loopback = !args->connstr || (!rc && is_loopback(&cs));
    enum divan_code local_rc = !rc && (loopback || args->dir) ? find_local(args->dir, &t, &local_err) : DIVAN_OK;
    /* an unreadable local cluster matters only to those who mean it */
    if (local_rc && (!args->connstr || args->dir)) rc = local_rc, *err = local_err;
    bool local = t.is_local && (!args->connstr || leads_to(&cs, &t.local));
    if (local) {
        t.connstr = or_else(t.connstr, t.local.connection_string);
        if (!t.username) t.password = or_else(t.password, t.local.password);
        t.username = or_else(t.username, t.local.username);
        if (!strcmp(t.username, t.local.username)) t.password = or_else(t.password, t.local.password);
        if (!t.bucket && !cs.bucket && t.local.bucket_count) t.bucket = t.local.buckets[0];
    } else if (loopback) {
        t.connstr = or_else(t.connstr, "couchbase://127.0.0.1");
        if (!t.username) t.password = or_else(t.password, "password");
        t.username = or_else(t.username, "Administrator");
        if (!t.bucket && !cs.bucket) t.bucket = "default";
    }
    t.is_local = local;
    connstr_fini(&cs);
    if (rc) target_fini(&t);
    else *out = t;
    return rc;
}

void target_fini(struct target *t)
{
    record_fini(&t->local);
    *t = (struct target){0};
}

enum divan_code connection_open_cluster(const struct connect_args *args, uint32_t timeout_ms, struct connection *out,
                                        struct divan_error *err)
{
    *out = (struct connection){0};
    enum divan_code rc = target_choose(args, &out->target, err);
    if (rc) return rc;
    const struct divan_cluster_options options = {
        .username = out->target.username,
        .password = out->target.password,
        .ca_file = args->ca,
        .open_timeout_ms = timeout_ms,
        .kv_timeout_ms = timeout_ms,
        .kv_durable_timeout_ms = timeout_ms,
    };
    return divan_cluster_open(&out->cluster, out->target.connstr, &options, err);
}

enum divan_code connection_open(const struct connect_args *args, uint32_t timeout_ms, struct connection *out,
                                struct divan_error *err)
{
    enum divan_code rc = connection_open_cluster(args, timeout_ms, out, err);
    if (rc) return rc;
    out->collection = divan_cluster_collection(out->cluster, out->target.bucket, args->scope, args->collection, err);
    return out->collection ? DIVAN_OK : err->code;
}

void connection_close(struct connection *c)
{
    divan_cluster_close(c->cluster);
    target_fini(&c->target);
    *c = (struct connection){0};
}
