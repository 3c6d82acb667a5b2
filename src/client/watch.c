#include "client/watch.h"

#include "base/error.h"
#include "client/answer.h"
#include "wire/session.h"

enum {
    FETCH_TIMEOUT_MS = 2500,
    EMPTY_MAP_MS = 100, /* a bucket that was just created has no vBuckets yet: ask again after this */
};

static struct bucket *bucket_of_map(struct bucket *from, const struct map *map)
{
    if (!map->bucket) return from->client->cluster_level;
    if (from->name && !strcmp(from->name, map->bucket)) return from;
    return from->name ? bucket_find(from->client, map->bucket) : NULL;
}

static void look_again(struct bucket *bucket, uint64_t after_ms)
{
    if (io_timer_running(&bucket->fetch_timer)) return;
    io_timer_start(&bucket->fetch_timer, io_now_ns(bucket->client->loop) + after_ms * NS_PER_MS);
}

bool watch_map(struct bucket *bucket, struct divan_bytes json, const char *source_host, struct node *source)
{
    struct client *c = bucket->client;
    struct divan_error err;
    struct map *map = NULL;
    if (map_parse(json, source_host, &map, &err)) {
        LOG_W(c->log, "a map from %s is not usable: %s", source_host, err.message);
        return false;
    }
    struct bucket *owner = bucket_of_map(bucket, map);
    if (!owner) {
        LOG_D(c->log, "%s sent the map of bucket %s, which nobody opened", source_host, map->bucket);
        map_release(map);
        return false;
    }
    bool applied = bucket_apply(owner, map, source);
    if (owner->name && owner->map && !owner->map->vbuckets) look_again(owner, EMPTY_MAP_MS);
    return applied;
}

static bool is_newer_than_map(const struct bucket *bucket, struct map_revision revision)
{
    return !bucket->map || revision_compare(revision, bucket->map->revision) > 0;
}

bool watch_push(struct connection *conn, const struct frame *f)
{
    struct client *c = conn->client;
    struct divan_bytes name, text;
    struct config_version version;
    if (!conn->node || f->opcode != SERVER_OP_CLUSTERMAP || session_read_config_push(f, &name, &version, NULL))
        return false;
    c->meter.pushes++;
    struct bucket *bucket = conn->node->bucket;
    if (f->value.len) { /* the whole map */
        if (answer_text(f, &c->scratch, &text)) watch_map(bucket, text, conn->node->host, conn->node);
        return true;
    }
    /* Only a connection without a bucket can fetch the global map; the bucket's own has the same nodes. */
    bool is_own = bucket->name ? bytes_is(name, bucket->name) : name.len == 0;
    const struct map_revision revision = {version.epoch, version.rev};
    if (!is_own || !is_newer_than_map(bucket, revision)) return true;
    if (revision_compare(revision, bucket->told) > 0) bucket->told = revision;
    watch_want(bucket, conn);
    return true;
}

static void on_fetched(struct client *c, struct operation *op)
{
    struct bucket *bucket = op->owner;
    const char *host = op->user;
    const struct frame answer = {.datatype = op->datatype, .value = op->value};
    struct divan_bytes text;
    bucket->fetching = false;
    if (c->state == CLIENT_CLOSED) return;
    if (!op->error && op->status == ST_SUCCESS && op->value.len && answer_text(&answer, &c->scratch, &text))
        watch_map(bucket, text, host, NULL);
    bool behind = bucket->told.rev > 0 && is_newer_than_map(bucket, bucket->told);
    if (behind || (bucket->name && !bucket_has_map(bucket)))
        look_again(bucket, behind ? c->config.options.config_poll_floor_ms : EMPTY_MAP_MS);
}

static void fetch(struct bucket *bucket, struct connection *conn)
{
    struct client *c = bucket->client;
    struct operation *op = client_take(c);
    if (!op) return;
    op->kind = KIND_CONFIG;
    op->how = DONE_INTERNAL;
    op->done.internal = on_fetched;
    op->owner = bucket;
    op->user = (void *)(uintptr_t)conn->node->host;
    op->timeout_ms = FETCH_TIMEOUT_MS;
    if (client_start(c, op, NULL)) {
        op_release(op);
        return;
    }
    bucket->fetching = true;
    bucket->fetched_ns = io_now_ns(c->loop);
    connection_send(conn, op);
}

void watch_want(struct bucket *bucket, struct connection *conn)
{
    struct client *c = bucket->client;
    if (bucket->fetching || c->state == CLIENT_CLOSED) return;
    uint64_t soonest = bucket->fetched_ns + c->config.options.config_poll_floor_ms * NS_PER_MS;
    uint64_t now = io_now_ns(c->loop);
    if (bucket->fetched_ns && now < soonest) {
        if (!io_timer_running(&bucket->fetch_timer)) io_timer_start(&bucket->fetch_timer, soonest);
        return;
    }
    if (!connection_is_ready(conn) || !conn->node) conn = bucket_any_connection(bucket);
    if (conn) fetch(bucket, conn);
}

/* ---- the poll: nodes that pushed away our wish for pushes, and maps that are no good yet */

static struct connection *silent_connection(struct bucket *bucket)
{
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (!connection_is_ready(node->connection)) continue;
        if (feature_has(node->connection->features, FEATURE_CLUSTERMAP_CHANGE_BRIEF)) continue;
        list_remove(it); /* in turn */
        list_append(&bucket->nodes, it);
        return node->connection;
    }
    return NULL;
}

static void poll_bucket(struct bucket *bucket)
{
    struct connection *conn = silent_connection(bucket);
    if (conn || (bucket->name && bucket->is_wanted && !bucket_has_map(bucket))) watch_want(bucket, conn);
}

static void start_poll_timer(struct client *c)
{
    io_timer_start(&c->poll_timer, io_now_ns(c->loop) + c->config.options.config_poll_interval_ms * NS_PER_MS);
}

static void on_poll(void *user)
{
    struct client *c = user;
    poll_bucket(c->cluster_level);
    list_each(&c->buckets, it) poll_bucket(container_of(it, struct bucket, link));
    start_poll_timer(c);
}

void watch_start(struct client *client)
{
    io_timer_init(&client->poll_timer, client->loop, on_poll, client);
    start_poll_timer(client);
}

void watch_stop(struct client *client)
{
    io_timer_stop(&client->poll_timer);
}
