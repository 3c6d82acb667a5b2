#include "client/bucket.h"

#include "base/alloc.h"
#include "base/error.h"
#include "client/collections.h"
#include "client/race.h"
#include "client/retry.h"
#include "client/strategy.h"
#include "client/watch.h"

enum { STAGGER_MS = 250, LOSSES_BEFORE_SEEDS = 2, SEEDS_FLOOR_MS = 1000 };

static void on_stagger(void *user);
static void on_fetch_due(void *user);

struct bucket *bucket_new(struct client *client, const char *name)
{
    struct bucket *bucket = mem_zalloc(sizeof *bucket);
    if (!bucket) return NULL;
    bucket->client = client;
    bucket->told = (struct map_revision){-1, 0};
    list_init(&bucket->nodes);
    list_init(&bucket->waiting);
    list_init(&bucket->collections);
    io_timer_init(&bucket->stagger, client->loop, on_stagger, bucket);
    io_timer_init(&bucket->fetch_timer, client->loop, on_fetch_due, bucket);
    bucket->name = mem_strdup(name);
    if (bucket->name || !name) return bucket;
    mem_free(bucket);
    return NULL;
}

void bucket_free(struct bucket *bucket)
{
    if (!bucket) return;
    struct link *link;
    struct list orphans; /* stays empty: every operation was cancelled before */
    list_init(&orphans);
    io_timer_stop(&bucket->stagger);
    while ((link = list_first(&bucket->nodes)) != NULL) node_free(container_of(link, struct node, link), &orphans);
    io_timer_stop(&bucket->fetch_timer);
    while ((link = list_take_first(&bucket->collections)) != NULL)
        collection_free(container_of(link, struct collection, link));
    mem_free(bucket->by_position);
    map_release(bucket->map);
    mem_free(bucket->name);
    mem_free(bucket);
}

struct bucket *bucket_find(const struct client *client, const char *name)
{
    list_each(&client->buckets, it)
    {
        struct bucket *bucket = container_of(it, struct bucket, link);
        if (!strcmp(bucket->name, name)) return bucket;
    }
    return NULL;
}

struct bucket *bucket_named(struct client *client, const char *name)
{
    struct bucket *bucket = bucket_find(client, name);
    if (bucket) return bucket;
    bucket = bucket_new(client, name);
    if (bucket) list_append(&client->buckets, &bucket->link);
    return bucket;
}

/* ---- finding nodes to learn the map from */

static struct node *node_named(const struct bucket *bucket, const char *host, uint16_t port)
{
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (node->state != NODE_GONE && node->port == port && !strcmp(node->host, host)) return node;
    }
    return NULL;
}

static void add_candidate(struct bucket *bucket, const char *host, uint16_t port)
{
    if (!node_named(bucket, host, port)) node_new(bucket, host, port);
}

static void add_seeds(struct bucket *bucket)
{
    const struct client_config *config = &bucket->client->config;
    for (size_t i = 0; i < config->seed_count; i++) add_candidate(bucket, config->seeds[i].host, config->seeds[i].port);
}

static void add_known(struct bucket *bucket)
{
    const struct client *c = bucket->client;
    const struct map *map = client_best_map(c);
    const char *host;
    uint16_t port;
    for (size_t i = 0; map && c->network && i < map->node_count; i++)
        if (map_endpoint(map, i, c->network, SVC_KV, c->config.tls, &host, &port)) add_candidate(bucket, host, port);
}

static void shuffle(struct bucket *bucket)
{
    struct list mixed;
    size_t n = 0;
    list_init(&mixed);
    list_each(&bucket->nodes, it) n++;
    for (; n; n--) {
        struct link *pick = bucket->nodes.head.next;
        for (uint64_t skip = rng_below(io_rng(bucket->client->loop), n); skip; skip--) pick = pick->next;
        list_remove(pick);
        list_append(&mixed, pick);
    }
    list_move_all(&bucket->nodes, &mixed);
}

/* One candidate after the other, the next when one failed or after a moment. */
static void dial_next(struct bucket *bucket)
{
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (node->state != NODE_IDLE) continue;
        node_dial(node);
        io_timer_start(&bucket->stagger, io_now_ns(bucket->client->loop) + STAGGER_MS * NS_PER_MS);
        return;
    }
}

static void on_stagger(void *user)
{
    struct bucket *bucket = user;
    if (!bucket->map && !bucket_any_connection(bucket)) dial_next(bucket);
}

/* The bucket-less connection of the beginning becomes this bucket's first one. */
static bool adopt(struct bucket *bucket)
{
    struct bucket *level = bucket->client->cluster_level;
    struct connection *conn = bucket_any_connection(level);
    if (!bucket->name || !conn) return false;
    struct node *from = conn->node, *node = node_named(bucket, from->host, from->port);
    if (node && node->state != NODE_IDLE) return false;
    if (!node) node = node_new(bucket, from->host, from->port);
    if (!node) return false;
    struct list orphans;
    list_init(&orphans);
    level->is_wanted = false;
    from->connection = NULL;
    node_free(from, &orphans);
    node_adopt(node, conn);
    return true;
}

static bool has_nodes(const struct bucket *bucket)
{
    list_each(&bucket->nodes, it) if (container_of(it, struct node, link)->state != NODE_GONE) return true;
    return false;
}

void bucket_open(struct bucket *bucket)
{
    bucket->is_wanted = true;
    if (bucket_any_connection(bucket)) return;
    if (!has_nodes(bucket)) {
        if (adopt(bucket)) return;
        add_known(bucket);
        if (!has_nodes(bucket)) add_seeds(bucket);
        if (!bucket->client->config.options.preserve_bootstrap_nodes_order) shuffle(bucket);
        if (!has_nodes(bucket)) {
            err_oom(&bucket->cause);
            client_opening_step(bucket->client);
        } else dial_next(bucket);
        return;
    }
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (node->state == NODE_PAUSE) node_dial(node);
    }
}

struct connection *bucket_any_connection(struct bucket *bucket)
{
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (node->state != NODE_READY || !connection_is_ready(node->connection)) continue;
        list_remove(it); /* another one the next time */
        list_append(&bucket->nodes, it);
        return node->connection;
    }
    return NULL;
}

/* ---- when it cannot be opened */

static int weight_of(const struct divan_error *err)
{
    switch ((int)err->code) {
    case DIVAN_ERR_AUTHENTICATION_FAILURE:
        return 4;
    case DIVAN_ERR_BUCKET_NOT_FOUND:
        return 3;
    case DIVAN_ERR_TLS_EXPECTED:
    case DIVAN_ERR_TLS_NOT_OFFERED:
    case DIVAN_ERR_TLS_CERTIFICATE:
        return 2;
    case DIVAN_ERR_UNREACHABLE:
    case DIVAN_ERR_NAME_NOT_RESOLVED:
        return 0;
    default:
        return 1;
    }
}

static void fail_waiting(struct bucket *bucket)
{
    struct list all;
    struct link *link;
    list_init(&all);
    list_move_all(&all, &bucket->waiting);
    list_each(&bucket->nodes, it) list_move_all(&all, &container_of(it, struct node, link)->waiting);
    while ((link = list_take_first(&all)) != NULL)
        client_fail_with(bucket->client, container_of(link, struct operation, link), &bucket->cause);
}

/* The most telling of the reasons; with several nodes the sentence tells of each. */
static void give_up(struct bucket *bucket, const struct node *telling, size_t nodes)
{
    bucket->cause = telling->last;
    if (nodes > 1) {
        struct buf all = {.limit = 4096};
        bucket_describe(bucket, &all);
        const char *text = buf_text(&all);
        if (text) err_set(&bucket->cause, telling->last.code, "%s [%s]", telling->last.message, text);
        bucket->cause.server_status = telling->last.server_status;
        buf_fini(&all);
    }
    text_copy(bucket->cause.endpoint, sizeof bucket->cause.endpoint, telling->name);
    fail_waiting(bucket);
}

void bucket_try_seeds(struct bucket *bucket)
{
    add_seeds(bucket);
    dial_next(bucket);
}

/* Everything known is lost: the seeds may know better, though not every moment. */
static void ask_seeds(struct bucket *bucket)
{
    uint64_t now = io_now_ns(bucket->client->loop);
    if (bucket->seeded_ns && now - bucket->seeded_ns < SEEDS_FLOOR_MS * NS_PER_MS) return;
    bucket->seeded_ns = now;
    client_refresh_seeds(bucket->client);
    bucket_try_seeds(bucket);
}

/* The cluster level needs one connection only, a bucket none beside those of its map. */
static void dismiss_candidates(struct bucket *bucket)
{
    struct list orphans;
    const struct connection *keep = bucket->name ? NULL : bucket_any_connection(bucket);
    if (bucket->name ? !bucket_has_map(bucket) : !keep) return;
    list_init(&orphans);
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (!node->in_map && (!keep || node->connection != keep)) node_leave(node, &orphans);
    }
    client_route_all(bucket->client, &orphans);
}

void bucket_step(struct bucket *bucket)
{
    struct client *c = bucket->client;
    const struct node *telling = NULL;
    size_t nodes = 0, definite = 0, often = 0;
    if (c->state == CLIENT_CLOSED) return;
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (node->state == NODE_GONE) continue;
        nodes++;
        if (node->state == NODE_READY) {
            bucket->cause.code = DIVAN_OK;
            dismiss_candidates(bucket);
            client_opening_step(c);
            return;
        }
        if (node->state != NODE_PAUSE) continue;
        definite += node->is_definite;
        often += node->failures >= LOSSES_BEFORE_SEEDS;
        if (node->is_definite && (!telling || weight_of(&node->last) > weight_of(&telling->last))) telling = node;
    }
    if (!bucket->map) dial_next(bucket);
    if (nodes && definite == nodes) give_up(bucket, telling, nodes);
    else if (nodes && often == nodes && bucket->map) ask_seeds(bucket);
    client_opening_step(c);
}

void bucket_wait(struct bucket *bucket, struct operation *op, unsigned reason)
{
    struct client *c = bucket->client;
    client_note_reason(c, op, reason);
    if (reason == RETRY_NODE_NOT_AVAILABLE && strategy_is_impatient(c, op, reason)) {
        client_fail(c, op, DIVAN_ERR_NODE_NOT_AVAILABLE, "no node owns vBucket %u of bucket %s at the moment",
                    op->vbucket, bucket->name);
        return;
    }
    op->state = OP_WAITING;
    list_append(&bucket->waiting, &op->link);
    if (!bucket_has_map(bucket) || !bucket_any_connection(bucket)) bucket_open(bucket);
    else watch_want(bucket, NULL);
}

/* ---- the map */

/* A lone candidate that brought the map is one of its nodes even if the map has another name for it. */
static struct node *node_at(struct bucket *bucket, const struct map *map, size_t position, struct node *source)
{
    struct client *c = bucket->client;
    const char *host;
    uint16_t port;
    if (!map->nodes[position].serves_bucket ||
        !map_endpoint(map, position, c->network, SVC_KV, c->config.tls, &host, &port))
        return NULL;
    struct node *node = node_named(bucket, host, port);
    if (!node && source && !source->in_map && source->bucket == bucket && map->nodes[position].this_node) {
        node_rename(source, host, port);
        node = source;
    }
    return node ? node : node_new(bucket, host, port);
}

static bool choose_network(struct bucket *bucket, const struct map *map, const struct node *source)
{
    struct client *c = bucket->client;
    if (c->network || !source) return c->network != NULL;
    const char *wanted = c->config.options.network ? c->config.options.network : "auto";
    const char *network = map_choose_network(map, wanted, source->host, source->port, &bucket->cause);
    if (network) {
        c->network = mem_strdup(network);
        if (!c->network) err_oom(&bucket->cause);
    }
    if (!c->network) client_opening_step(c);
    return c->network != NULL;
}

static void place_nodes(struct bucket *bucket, struct node **places, struct node *source)
{
    const struct map *map = bucket->map;
    list_each(&bucket->nodes, it) container_of(it, struct node, link)->in_map = false;
    for (size_t i = 0; i < map->node_count; i++) {
        places[i] = node_at(bucket, map, i, source);
        if (places[i]) places[i]->in_map = true;
    }
}

/* Everything that waits finds its way by the new map; connections to nodes that left are drained. */
static void rearrange(struct bucket *bucket)
{
    struct client *c = bucket->client;
    struct list all;
    list_init(&all);
    list_move_all(&all, &bucket->waiting);
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        list_move_all(&all, &node->waiting);
        if (!node->in_map && node->state != NODE_GONE && bucket->map->vbuckets) node_leave(node, &all);
    }
    list_each(&bucket->nodes, it)
    {
        struct node *node = container_of(it, struct node, link);
        if (node->in_map && !c->config.options.enable_lazy_connections) node_dial(node);
    }
    client_route_all(c, &all);
}

/* Another bucket under the same name: deleted and made again, or the cluster was set up anew. */
static bool is_another(const struct bucket *bucket, const struct map *map)
{
    const char *had = bucket->map ? bucket->map->bucket_uuid : NULL;
    return had && map->bucket_uuid && strcmp(had, map->bucket_uuid) != 0;
}

/* An older revision counts when everything known is lost and a node greets us with the map of another bucket: then the
 * cluster was set up anew, and its revisions began from the start. */
static bool is_welcome(struct bucket *bucket, const struct map *map, const struct node *source)
{
    if (map_supersedes(bucket->map, map)) return true;
    return source && source->state == NODE_CONNECT && is_another(bucket, map) && !bucket_any_connection(bucket);
}

static void forget_collections(struct bucket *bucket)
{
    list_each(&bucket->collections, it) collection_forget(container_of(it, struct collection, link));
}

bool bucket_apply(struct bucket *bucket, struct map *map, struct node *source)
{
    struct client *c = bucket->client;
    if (!is_welcome(bucket, map, source) || !choose_network(bucket, map, source)) {
        c->meter.maps_ignored++;
        map_release(map);
        return false;
    }
    struct node **places = bucket->name ? mem_zalloc((map->node_count + 1) * sizeof(struct node *)) : NULL;
    if (bucket->name && !places) {
        map_release(map);
        return false;
    }
    c->meter.maps_applied++;
    LOG_I(c->log, "map of %s: revision %lld.%lld, %zu nodes, %u vBuckets", bucket->name ? bucket->name : "the cluster",
          (long long)map->revision.epoch, (long long)map->revision.rev, map->node_count, map->vbuckets);
    if (is_another(bucket, map)) {
        forget_collections(bucket); /* the same ids may belong to other collections now */
        bucket->told = map->revision;
    }
    map_release(bucket->map);
    bucket->map = map;
    if (bucket->name) {
        mem_free(bucket->by_position);
        bucket->by_position = places;
        place_nodes(bucket, places, source);
        rearrange(bucket);
    }
    client_opening_step(c);
    return true;
}

static struct node *node_of_position(struct bucket *bucket, int at)
{
    const struct map *map = bucket->map;
    if (at < 0 || (size_t)at >= map->node_count) return NULL;
    if (!bucket->by_position[at]) bucket->by_position[at] = node_at(bucket, map, (size_t)at, NULL);
    return bucket->by_position[at]; /* not there: on another network, or memory was short before */
}

struct node *bucket_target(struct bucket *bucket, struct operation *op)
{
    const struct map *map = bucket->map;
    if (!map || !map->vbuckets) return NULL;
    if (op_facts_of(op)->is_document) op->vbucket = map_vbucket(map, op_key(op));
    int at = op->is_race ? race_position(bucket->client, map, op) : map_owner(map, op->vbucket, 0);
    if (op->moved % 2 && map->forward) {
        int ahead = map_forward_owner(map, op->vbucket, op->copy);
        if (ahead >= 0) at = ahead;
    }
    return node_of_position(bucket, at);
}

struct node *bucket_copy(struct bucket *bucket, uint16_t vbucket, unsigned copy)
{
    return bucket_has_map(bucket) ? node_of_position(bucket, map_owner(bucket->map, vbucket, copy)) : NULL;
}

static void on_fetch_due(void *user)
{
    watch_want(user, NULL);
}

void bucket_describe(const struct bucket *bucket, struct buf *out)
{
    bool first = true;
    if (bucket->name && !bucket_has_map(bucket)) buf_printf(out, "no map of bucket \"%s\" yet; ", bucket->name);
    list_each(&bucket->nodes, it)
    {
        if (!first) buf_put_str(out, "; ");
        first = false;
        node_describe(container_of(it, struct node, link), out);
    }
    if (first) buf_put_str(out, "no node is known");
}
