#include "sim/story.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "client/bucket.h"

enum { SETTLE_MS = 4000, FIRST_PORT = 12000, LOAD_PER_S = 150 };

/* ---- the recording */

static double time_of(const json_t *event)
{
    return json_number_value(json_object_get(event, "t"));
}

static const char *word_of(const json_t *event, const char *key)
{
    const char *text = json_string_value(json_object_get(event, key));
    return text ? text : "";
}

static struct story_node *node_of(struct story *s, const json_t *event)
{
    size_t n = (size_t)json_integer_value(json_object_get(event, "node"));
    return n < STORY_NODES ? &s->nodes[n] : NULL;
}

/* The body of an event as its node showed it: recorded once for all nodes, without thisNode. */
static struct body body_of(struct story *s, const struct story_node *n, const json_t *event)
{
    struct body out = {0};
    struct divan_error err;
    json_t *tree = json_deep_copy(json_object_get(json_object_get(s->root, "bodies"), word_of(event, "body")));
    json_t *nodes = json_object_get(tree, "nodesExt");
    size_t i;
    json_t *node, *place;
    json_array_foreach(nodes, i, node) json_object_del(node, "thisNode");
    json_array_foreach(json_object_get(event, "thisNode"), i, place)
        json_object_set_new(json_array_get(nodes, (size_t)json_integer_value(place)), "thisNode", json_true());
    out.text = tree ? json_dumps(tree, JSON_COMPACT) : NULL;
    if (!out.text || map_parse(divan_str(out.text), n->host, &out.map, &err)) {
        world_fail(s->world, "recording", "%s: a body cannot be read: %s", word_of(event, "body"),
                   out.text ? err.message : "it is not there");
        body_free(&out);
    }
    json_decref(tree);
    return out;
}

/* ---- playing one event */

static void take_config(struct story *s, struct story_node *n, const json_t *event)
{
    const char *via = word_of(event, "via");
    bool push = !strcmp(via, "ccn") || !strcmp(via, "ccn_global");
    bool get = !strcmp(via, "get") || !strcmp(via, "ccn_get") || !strcmp(via, "ccn_global_get");
    if (!push && !get) return; /* HTTP streams: the client does not read them */
    struct body b = body_of(s, n, event);
    if (!b.map) return;
    bool is_bucket = b.map->bucket != NULL;
    struct body *had = is_bucket ? &n->bucket : &n->global;
    /* Several watchers were told the same: the node has it since the first of them. */
    if (had->map && revision_compare(had->map->revision, b.map->revision) >= 0 && !get) {
        body_free(&b);
        return;
    }
    bool is_member = json_array_size(json_object_get(event, "thisNode")) >
                     0; /* the client need not hear of the others */
    if (is_bucket && is_member && b.map->revision.rev > s->greatest_rev) {
        s->greatest_rev = b.map->revision.rev;
        body_free(&s->final);
        s->final = body_of(s, n, event);
        snprintf(s->bucket_name, sizeof s->bucket_name, "%s", b.map->bucket);
    }
    world_say(s->world, "STORY node %u has %s %lld by %s", n->number, is_bucket ? "bucket map" : "global map",
              (long long)b.map->revision.rev, via);
    /* A connection that was there before the watcher's heard of it by a push. */
    story_node_take(n, &b, is_bucket, push || (get && had->map));
}

static uint16_t status_in(const char *words)
{
    const char *at = strstr(words, "status 0x");
    return at ? (uint16_t)strtoul(at + 9, NULL, 16) : 0;
}

static bool is_watcher_error(const json_t *event)
{
    bool of_bucket = !strcmp(word_of(event, "via"), "ccn");
    return !strcmp(word_of(event, "kind"), "kv_error") && (of_bucket || strstr(word_of(event, "what"), "Refused"));
}

static void take_error(struct story *s, struct story_node *n, const json_t *event)
{
    const char *what = word_of(event, "what");
    world_say(s->world, "STORY node %u: %s", n->number, what);
    if (!strncmp(what, "auth:", 5)) n->auth_status = status_in(what);
    else if (!strncmp(what, "select:", 7)) n->select_status = status_in(what);
    else if (!strncmp(what, "get:", 4)) n->select_status = 0, n->config_status = status_in(what);
    else {
        if (strstr(what, "Refused")) story_node_refuse(n);
        story_node_drop(n);
    }
}

/* The watcher dialled again only 50 ms after it lost a connection: what it found then held from the loss on. */
static void take_next_error(struct story *s, struct story_node *n, size_t after)
{
    const json_t *events = json_object_get(s->root, "events");
    for (size_t i = after + 1; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        if (node_of(s, event) != n || strcmp(word_of(event, "via"), "ccn") != 0) continue;
        if (is_watcher_error(event)) take_error(s, n, event);
        if (strncmp(word_of(event, "kind"), "kv_", 3) == 0) return;
    }
}

static void take_open(struct story *s, struct story_node *n, const json_t *event)
{
    bool is_bucket = !strcmp(word_of(event, "via"), "ccn");
    n->auth_status = 0;
    if (is_bucket) n->select_status = n->config_status = 0;
    world_say(s->world, "STORY node %u opens", n->number);
    story_node_listen(n);
}

static void take_event(struct story *s, const json_t *event, size_t at)
{
    const char *kind = word_of(event, "kind");
    struct story_node *n = node_of(s, event);
    if (!n) return;
    if (!strcmp(kind, "config")) take_config(s, n, event);
    else if (is_watcher_error(event)) {
        take_error(s, n, event);
        if (strstr(word_of(event, "what"), "EOF")) take_next_error(s, n, at);
    } else if (!strcmp(kind, "kv_open")) take_open(s, n, event);
    else if (!strcmp(kind, "action") && strstr(word_of(event, "what"), "bucket delete"))
        for (size_t i = 0; i < s->doc_count; i++) s->docs[i].exists = false;
}

/* ---- when operations may fail: an owner by the newest map is not there */

static bool is_reachable(const struct story_node *n)
{
    return n->listener && !n->auth_status && !n->select_status && !n->config_status;
}

static struct story_node *node_at(struct story *s, const struct map *m, size_t position)
{
    for (size_t i = 0; i < STORY_NODES; i++) {
        uint16_t port = m->nodes[position].ports.plain[SVC_KV];
        if (s->nodes[i].port == port) return &s->nodes[i];
    }
    return NULL;
}

/* What the client can reach, it may use: a node counts as an owner while any node's map in force says so. */
static bool is_troubled(struct story *s)
{
    const struct map *m = s->final.map;
    if (!m || !m->vbuckets) return true;
    for (unsigned v = 0; v < m->vbuckets; v++) {
        int at = map_owner(m, (uint16_t)v, 0);
        struct story_node *n = at >= 0 ? node_at(s, m, (size_t)at) : NULL;
        if (!n || !is_reachable(n)) return true;
    }
    return false;
}

static void watch_trouble(struct story *s)
{
    bool now = is_troubled(s);
    uint64_t at = sim_now(s->world->sim);
    if (now && !s->in_trouble && s->trouble_count < 64) s->trouble[s->trouble_count++].from_ns = at;
    if (s->trouble_count && (now || s->in_trouble)) s->trouble[s->trouble_count - 1].until_ns = now ? UINT64_MAX : at;
    s->in_trouble = now;
}

static void note_moment_of_trouble(struct story *s)
{
    uint64_t at = sim_now(s->world->sim);
    if (s->in_trouble || s->trouble_count == 64) return;
    s->trouble[s->trouble_count].from_ns = s->trouble[s->trouble_count].until_ns = at;
    s->trouble_count++;
}

/* ---- the client meanwhile */

static struct bucket *bucket_of(struct story *s)
{
    struct client *c = s->world->callers[0].client;
    return c ? bucket_find(c, s->bucket_name) : NULL;
}

static void watch_client(struct story *s)
{
    struct bucket *b = bucket_of(s);
    if (!b || !b->map) return;
    if (revision_compare(b->map->revision, s->client_has) < 0)
        world_fail(s->world, "map", "the client went from revision %lld back to %lld", (long long)s->client_has.rev,
                   (long long)b->map->revision.rev);
    s->client_has = b->map->revision;
}

static void run_until(struct story *s, uint64_t until_ns)
{
    while (!s->world->failed && world_step(s->world, until_ns)) watch_client(s);
}

/* ---- verdict */

static bool may_fail(const struct story *s, const struct entry *e)
{
    for (size_t i = 0; i < s->trouble_count; i++)
        if (e->start_ns <= s->trouble[i].until_ns && e->end_ns >= s->trouble[i].from_ns) return true;
    return false;
}

static void check_operations(struct story *s)
{
    const struct history *h = &s->world->history;
    for (size_t i = 0; i < h->count; i++) {
        const struct entry *e = &h->entries[i];
        char text[200];
        bool natural = e->data_refusal && e->what != DO_READ;
        if (e->outcome == TOLD_DONE || natural || may_fail(s, e)) continue;
        judge_describe(e, text, sizeof text);
        world_fail(s->world, "load", "failed without need: %s", text);
    }
}

static void check_map(struct story *s)
{
    const struct bucket *b = bucket_of(s);
    const struct map *have = b ? b->map : NULL, *want = s->final.map;
    if (!have || !want || revision_compare(have->revision, want->revision) != 0) {
        world_fail(s->world, "map", "the client ends on revision %lld, the recording on %lld",
                   have ? (long long)have->revision.rev : -1, want ? (long long)want->revision.rev : -1);
        return;
    }
    for (unsigned v = 0; v < want->vbuckets; v++)
        if (map_owner(have, (uint16_t)v, 0) != map_owner(want, (uint16_t)v, 0))
            world_fail(s->world, "map", "vBucket %u has another owner than in the recording", v);
}

static void check_connections(struct story *s)
{
    const struct map *m = s->final.map;
    for (size_t i = 0; m && i < STORY_NODES; i++) {
        const struct story_node *n = &s->nodes[i];
        bool wanted = false;
        for (size_t k = 0; k < m->node_count; k++) wanted |= m->nodes[k].serves_bucket && node_at(s, m, k) == n;
        size_t have = story_node_connections(n);
        if (wanted && is_reachable(n) && !have)
            world_fail(s->world, "connections", "node %zu is in the final map but not connected", i);
        if (!wanted && have) world_fail(s->world, "connections", "node %zu left but has %zu connections", i, have);
        if (have > 1) world_fail(s->world, "connections", "node %zu has %zu connections", i, have);
    }
}

/* ---- the whole */

static void set_nodes(struct story *s)
{
    for (unsigned i = 0; i < STORY_NODES; i++) {
        struct story_node *n = &s->nodes[i];
        *n = (struct story_node){.story = s, .number = i, .port = (uint16_t)(FIRST_PORT + 2 * i)};
        snprintf(n->host, sizeof n->host, "127.0.0.%u", s->is_net ? 2 + i : 1);
        n->loop = sim_host(s->world->sim, n->host);
    }
}

/* A node that says something before it was opened was there from the beginning, though perhaps not in the map. */
static bool is_there_from_start(struct story *s, const struct story_node *n)
{
    size_t i;
    json_t *event;
    json_array_foreach(json_object_get(s->root, "events"), i, event)
    {
        const char *kind = word_of(event, "kind");
        if (node_of(s, event) != n || strcmp(word_of(event, "via"), "ccn") != 0) continue;
        if (!strcmp(kind, "kv_open")) return false;
        if (!strcmp(kind, "config")) return true;
        if (!strcmp(kind, "kv_error")) return strstr(word_of(event, "what"), "EOF") != NULL;
    }
    return false;
}

static void set_place(struct story *s, const json_t *get, struct story_node *n, int place)
{
    json_t *mine = json_deep_copy(get);
    json_object_set_new(mine, "thisNode", place < 0 ? json_array() : json_pack("[i]", place));
    take_config(s, n, mine);
    story_node_listen(n);
    json_decref(mine);
}

/* Nodes of the map that holds at the beginning are there, with that map. */
static void set_first_map(struct story *s)
{
    size_t i;
    json_t *event;
    json_array_foreach(json_object_get(s->root, "events"), i, event)
    {
        if (strcmp(word_of(event, "via"), "get") != 0) continue;
        struct body first = body_of(s, node_of(s, event), event);
        for (size_t k = 0; first.map && k < first.map->node_count; k++) {
            struct story_node *n = node_at(s, first.map, k);
            if (n) set_place(s, event, n, (int)k);
        }
        for (size_t k = 0; k < STORY_NODES; k++)
            if (!s->nodes[k].listener && is_there_from_start(s, &s->nodes[k])) set_place(s, event, &s->nodes[k], -1);
        body_free(&first);
        return;
    }
    story_node_listen(&s->nodes[0]);
}

static bool set_world(struct story *s, struct world *w, bool tell)
{
    s->world = w;
    w->seed = 1;
    w->sim = sim_new(1);
    rng_init(&w->rng, 1);
    for (int i = 0; i < HOSTS; i++) snprintf(w->hosts[i], sizeof w->hosts[i], "10.0.0.%d", 100 + i);
    size_t events = json_array_size(json_object_get(s->root, "events"));
    double last = time_of(json_array_get(json_object_get(s->root, "events"), events - 1));
    w->plan = (struct plan_of_world){.clients = 1, .workers = 4, .value_max = 200, .timeout_ms = 2500};
    w->plan.safety_ns = (uint64_t)(last * 1e6) + NS_PER_S;
    w->plan.operations = (size_t)(w->plan.safety_ns * LOAD_PER_S / NS_PER_S);
    w->connstr = s->is_net ? "couchbase://127.0.0.2:12000,127.0.0.3:12002,127.0.0.4:12004"
                           : "couchbase://127.0.0.1:12000,127.0.0.1:12002,127.0.0.1:12004";
    w->mechanisms = "PLAIN";
    return true;
}

/* The client starts as soon as the bucket can be used at all: two recordings begin before there is one. */
static bool start_client(struct story *s)
{
    struct world *w = s->world;
    if (w->callers[0].client || !s->final.map || !s->final.map->vbuckets || is_troubled(s)) return true;
    w->bucket = s->bucket_name;
    w->phase = PHASE_SAFETY;
    if (!load_open(w)) return false;
    load_start(w);
    return true;
}

static void play_events(struct story *s)
{
    size_t i;
    json_t *event;
    struct world *w = s->world;
    json_array_foreach(json_object_get(s->root, "events"), i, event)
    {
        uint64_t due = s->began_ns + (uint64_t)(time_of(event) * 1e6);
        if (due > sim_now(w->sim)) run_until(s, due);
        if (w->failed) return;
        bool drops = !strcmp(word_of(event, "kind"), "kv_error") && strstr(word_of(event, "what"), "push:");
        take_event(s, event, i);
        if (drops) note_moment_of_trouble(s);
        watch_trouble(s);
        if (!start_client(s)) return;
    }
}

static void finish(struct story *s)
{
    struct world *w = s->world;
    run_until(s, sim_now(w->sim) + SETTLE_MS * NS_PER_MS);
    w->phase = PHASE_END;
    uint64_t until = sim_now(w->sim) + 10 * NS_PER_S;
    while (!w->failed && !load_is_idle(w) && world_step(w, until)) watch_client(s);
    check_map(s);
    check_connections(s);
    if (!w->failed) load_read_back(w);
    check_operations(s);
    w->lively_ns = UINT64_MAX;
    if (!w->failed) judge(w);
}

static void free_story(struct story *s)
{
    struct world *w = s->world;
    load_close(w);
    for (size_t i = 0; i < STORY_NODES; i++) {
        struct story_node *n = &s->nodes[i];
        io_listener_close(n->listener);
        body_free(&n->bucket);
        body_free(&n->global);
    }
    sim_free(w->sim);
    for (size_t i = 0; i < s->doc_count; i++) free(s->docs[i].value);
    body_free(&s->final);
    free(s->docs);
    free(w->history.entries);
    json_decref(s->root);
}

static void say(void *user, const char *line)
{
    puts(line);
}

bool story_play(const char *path, enum story_push push, bool tell, char *problem, size_t cap)
{
    struct story s = {.name = path, .push = push, .is_net = strstr(path, "cfg64net") != NULL};
    struct world *w = calloc(1, sizeof *w);
    json_error_t error;
    s.docs = calloc(STORY_DOCS, sizeof *s.docs);
    s.root = json_load_file(path, 0, &error);
    if (!w || !s.docs) abort();
    if (!s.root) {
        snprintf(problem, cap, "%s: %s", path, error.text);
        free(w);
        free(s.docs);
        return false;
    }
    if (tell) w->tell = say;
    set_world(&s, w, tell);
    set_nodes(&s);
    set_first_map(&s);
    s.began_ns = sim_now(w->sim);
    watch_trouble(&s);
    if (start_client(&s)) play_events(&s);
    if (!w->failed && !w->callers[0].client) world_fail(w, "load", "the bucket could never be used");
    if (!w->failed) finish(&s);
    size_t operations = w->history.count;
    bool fine = !w->failed;
    if (fine) snprintf(problem, cap, "%zu operations", operations);
    else snprintf(problem, cap, "%s: %s", w->stage, w->finding.text);
    free_story(&s);
    free(w);
    return fine;
}
