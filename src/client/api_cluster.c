#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "client/cluster.h"
#include "client/names.h"

/* ---- opening */

static void on_opened(void *user, const struct divan_error *err)
{
    struct divan_cluster *cluster = user;
    cluster->opened = true;
    if (err) cluster->open_error = *err;
    else cluster->open_error.code = DIVAN_OK;
}

/* Frees everything but the shell. The lock is not held and nobody else uses the handle. */
static void dismantle(struct divan_cluster *cluster)
{
    if (cluster->client) client_close(cluster->client);
    if (cluster->loop) {
        io_set_wait_hooks(cluster->loop, NULL, NULL, NULL);
        io_loop_free(cluster->loop);
    }
    client_free(cluster->client);
    cluster->client = NULL;
    cluster->loop = NULL;
}

static void destroy_shell(struct divan_cluster *cluster)
{
    pthread_mutex_destroy(&cluster->lock);
    pthread_cond_destroy(&cluster->left);
    pthread_cond_destroy(&cluster->doze);
    mem_free(cluster);
}

void cluster_unlock_release(struct divan_cluster *cluster)
{
    bool last = --cluster->refs == 0;
    cluster_unlock(cluster);
    if (last) destroy_shell(cluster);
}

static struct divan_cluster *new_shell(void)
{
    struct divan_cluster *cluster = mem_zalloc(sizeof *cluster);
    if (!cluster) return NULL;
    pthread_mutexattr_t spin; /* the lock is held for moments only */
    pthread_mutexattr_init(&spin);
    pthread_mutexattr_settype(&spin, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&cluster->lock, &spin); /* these cannot fail with such attributes on this platform */
    pthread_mutexattr_destroy(&spin);
    pthread_cond_init(&cluster->left, NULL);
    pthread_cond_init(&cluster->doze, NULL);
    list_init(&cluster->waiters);
    list_init(&cluster->callbacks);
    list_init(&cluster->starved);
    cluster->refs = 1;
    return cluster;
}

/* loop NULL = one of its own; else taken over. */
static enum divan_code connect_core(struct divan_cluster *cluster, struct io_loop *loop, struct client_config *config,
                                    struct divan_error *err)
{
    cluster->loop = loop ? loop : io_loop_new_uv(err);
    if (!cluster->loop) {
        client_config_fini(config);
        return err->code;
    }
    cluster_hook_loop(cluster);
    cluster->client = client_new(cluster->loop, config, cluster_deliver, cluster, err);
    if (!cluster->client) return err->code;
    cluster->client->made_room = cluster_made_room;
    cluster_lock(cluster);
    cluster->driver = DRIVER_APPLICATION;
    client_open(cluster->client, on_opened, cluster);
    while (!cluster->opened) {
        client_flush(cluster->client);
        io_run_once(cluster->loop, IO_NEVER);
    }
    cluster->driver = DRIVER_NONE;
    cluster_unlock(cluster);
    if (cluster->open_error.code) *err = cluster->open_error;
    return cluster->open_error.code;
}

static enum divan_code open_cluster(struct io_loop *loop, struct divan_cluster **out, const char *connstr,
                                    const struct divan_cluster_options *options, struct divan_error *err)
{
    struct client_config config;
    enum divan_code rc = client_config_make(&config, connstr, options, err);
    if (rc) return rc;
    rc = config.bucket ? check_bucket_name(config.bucket, err) : DIVAN_OK;
    if (rc) {
        client_config_fini(&config);
        return rc;
    }
    if (options && options->log) {
        config.log.fn = (void (*)(void *, int, const char *))(void *)options->log;
        config.log.user = options->log_user;
    }
    struct divan_cluster *cluster = new_shell();
    if (!cluster) {
        client_config_fini(&config);
        return err_oom(err);
    }
    rc = connect_core(cluster, loop, &config, err);
    if (!rc && !loop && !cluster_start_thread(cluster))
        rc = err_set(err, DIVAN_ERR_SYSTEM, "a thread could not be started");
    if (!rc) {
        *out = cluster;
        return DIVAN_OK;
    }
    dismantle(cluster);
    destroy_shell(cluster);
    return rc;
}

static enum divan_code check_open(uint32_t api_version, divan_cluster **out, const char *connstr,
                                  struct divan_error *err)
{
    if (!api_version || api_version > DIVAN_API_VERSION)
        return err_set(
            err, DIVAN_ERR_OPTION_API_VERSION,
            "the program was built with header version %u, this library knows up to %u: install a newer library",
            api_version, DIVAN_API_VERSION);
    if (!out) return err_set(err, DIVAN_ERR_HANDLE_NULL, "the pointer for the cluster handle is NULL");
    if (!connstr) return err_set(err, DIVAN_ERR_CONNSTR_EMPTY, "the connection string is NULL");
    return DIVAN_OK;
}

enum divan_code divan_cluster_open_versioned(uint32_t api_version, divan_cluster **out, const char *connstr,
                                             const struct divan_cluster_options *options, struct divan_error *err)
{
    struct divan_error unused;
    if (!err) err = &unused;
    memset(err, 0, sizeof *err);
    enum divan_code rc = check_open(api_version, out, connstr, err);
    if (!rc) rc = open_cluster(NULL, out, connstr, options, err);
    if (rc) err_where(err, "open", NULL);
    return rc;
}

enum divan_code cluster_open_on(struct io_loop *loop, divan_cluster **out, const char *connstr,
                                const struct divan_cluster_options *options, struct divan_error *err)
{
    return open_cluster(loop, out, connstr, options, err);
}

/* ---- closing */

void divan_cluster_close(divan_cluster *cluster)
{
    if (!cluster || cluster_is_forked(cluster)) return; /* the child leaves what belongs to the parent alone */
    if (cluster_is_own_thread(cluster)) {
        LOG_E(cluster->client->log, "divan_cluster_close() was called inside a callback: nothing was closed");
        return;
    }
    cluster_lock(cluster);
    cluster->closed = true;
    cluster->is_closing = true;
    client_close(cluster->client);
    io_wake(cluster->loop);
    list_each(&cluster->waiters, it) cluster_finish_waiter(cluster, container_of(it, struct waiter, link));
    cluster_unlock(cluster);
    cluster_lock(cluster);
    while (cluster->inside) pthread_cond_wait(&cluster->left, &cluster->lock);
    cluster_unlock(cluster);
    cluster_stop_thread(cluster);
    dismantle(cluster);
    cluster_lock(cluster);
    cluster_unlock_release(cluster);
}

/* ---- handles */

static const char *bucket_name_of(const struct divan_cluster *cluster, const char *bucket)
{
    return bucket ? bucket : cluster->client->config.bucket;
}

divan_collection *divan_cluster_collection(divan_cluster *cluster, const char *bucket, const char *scope,
                                           const char *name, struct divan_error *err)
{
    enum divan_code rc = DIVAN_OK;
    if (!cluster) rc = err_set(err, DIVAN_ERR_HANDLE_NULL, "the cluster handle is NULL");
    else if (cluster_is_forked(cluster)) rc = cluster_forked_error(err);
    if (rc) return NULL;
    const char *in = bucket_name_of(cluster, bucket);
    if (!in)
        rc = err_set(err, DIVAN_ERR_NO_BUCKET,
                     "no bucket was named: give its name here or in the connection string (couchbase://host/bucket)");
    if (!rc) rc = check_bucket_name(in, err);
    if (!rc) rc = check_collection_name(scope, DIVAN_ERR_SCOPE_NAME, err);
    if (!rc) rc = check_collection_name(name, DIVAN_ERR_COLLECTION_NAME, err);
    if (rc) return NULL;
    cluster_lock(cluster);
    struct bucket *home = bucket_named(cluster->client, in);
    struct collection *collection = home ? collection_of(home, scope, name) : NULL;
    cluster_unlock(cluster);
    if (!collection) err_oom(err);
    return (divan_collection *)(void *)collection;
}

/* ---- what it counts */

static size_t add_live(struct bucket *bucket, struct meter *m)
{
    size_t ready = 0;
    list_each(&bucket->nodes, it)
    {
        const struct node *node = container_of(it, struct node, link);
        ready += node->state == NODE_READY;
        if (!node->connection) continue;
        m->bytes_out += node->connection->flushed;
        m->bytes_in += node->connection->received;
    }
    return ready;
}

static void put_metrics(struct client *c, struct buf *out)
{
    struct meter m = c->meter;
    size_t connections = add_live(c->cluster_level, &m);
    list_each(&c->buckets, it) connections += add_live(container_of(it, struct bucket, link), &m);
    buf_printf(out, "{\"schema\":1,\"version\":\"%s\",", DIVAN_VERSION);
    meter_json(&m, out);
    buf_printf(out, ",\"now\":{\"in_flight\":%zu,\"in_flight_bytes\":%zu,\"connections\":%zu}}", c->in_flight,
               c->in_flight_bytes, connections);
}

char *divan_cluster_metrics(divan_cluster *cluster)
{
    if (!cluster || cluster_is_forked(cluster)) return NULL;
    struct buf text = {.limit = 4 << 20};
    cluster_lock(cluster);
    put_metrics(cluster->client, &text);
    cluster_unlock(cluster);
    char *end = buf_text(&text), *out = end ? strdup(end) : NULL; /* for the caller's free() */
    buf_fini(&text);
    return out;
}

enum divan_code cluster_forked_error(struct divan_error *err)
{
    return err_set(err, DIVAN_ERR_CLUSTER_CLOSED,
                   "the cluster handle was opened before fork(): open another one in the child process");
}
