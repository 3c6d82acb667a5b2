#include "node/node.h"

#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "node/apply.h"
#include "node/engine.h"
#include "node/http/facts.h"
#include "node/http/rest.h"
#include "node/orders.h"
#include "node/secure.h"
#include "node/uplink.h"

enum { LEAVE_MS = 1000 }; /* a node that is out still shows who is in for so long */

struct node {
    struct io_loop *loop;
    const struct log *log;
    struct engine *engine;
    struct rest *rest;
    struct manager *own; /* NULL = somebody else's */
    struct uplink *uplink;
    struct doc *doc;         /* what REST shows */
    struct doc *applied;     /* what the engine is; behind `doc` only after a failure */
    struct io_timer reapply; /* tries again */
    struct doc_node self;
    struct secure secure;
    struct node_options options; /* numbers and flags; texts are in the arrays below */
    char uuid[33], host[64], listen_host[64], data_dir[1024];
    char link_host[64], link_token[130], boot[17]; /* of a manager that was joined */
    struct orders *orders;
    struct map_ports own_ports; /* where it listened first: it does so again after joining and leaving */
    struct io_timer change;     /* joins or leaves, a moment after the answer to that */
    bool joining, leaving;
    bool introduced_again;
    void (*ready)(void *user);
    void *ready_user;
};

/* ---------------------------------------------------------------- who and where */

/* Offsets from --port-base, and Couchbase's standard ports; with TLS in the second half. */
static const struct place {
    uint16_t offset, standard, tls_offset, tls_standard;
} places[SVC_COUNT] = {
    [SVC_KV] = {10, 11210, 7, 11207},
    [SVC_MGMT] = {0, 8091, 50, 18091},
    [SVC_VIEWS] = {2, 8092, 52, 18092},
};

static uint16_t port_for(const struct node *n, enum map_service service, bool tls)
{
    const struct node_options *o = &n->options;
    const struct place *p = &places[service];
    uint16_t before = (tls ? n->own_ports.tls : n->own_ports.plain)[service];
    if (before) return before;
    if (o->any_port) return 0;
    if (o->port_base) return (uint16_t)(o->port_base + (tls ? p->tls_offset : p->offset));
    return tls ? p->tls_standard : p->standard;
}

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0) return true;
    return false;
}

/* A client on this machine reaches a node on the usual loopback by the address it came by; any other address has a name
 * that must be told. What listens on all addresses has none. */
static void choose_host(struct node *n, const struct node_options *o)
{
    static const char *const all[] = {"0.0.0.0", "::", NULL}, *const usual[] = {"127.0.0.1", "::1", NULL};
    const char *host = o->host ? o->host : "127.0.0.1";
    bool everywhere = is_one_of(host, all);
    text_copy(n->listen_host, sizeof n->listen_host, host);
    text_copy(n->host, sizeof n->host, everywhere ? (strchr(host, ':') ? "::1" : "127.0.0.1") : host);
    n->self.named = o->named || !is_one_of(n->host, usual);
}

static bool read_uuid(const char *path, char out[33])
{
    FILE *f = fopen(path, "re");
    bool good = f && fread(out, 1, 32, f) == 32 && strspn(out, "0123456789abcdef") == 32;
    if (f) fclose(f);
    return good;
}

/* Without a folder a node is known by its place, so that it is the same one after a restart, too: FNV-1a, twice. */
static void place_uuid(struct node *n)
{
    uint64_t hash[2] = {14695981039346656037u, 1099511628211u};
    char place[80];
    snprintf(place, sizeof place, "%s:%u", n->listen_host, port_for(n, SVC_MGMT, false));
    for (int h = 0; h < 2; h++)
        for (const char *c = place; *c; c++) hash[h] = (hash[h] ^ (uint8_t)*c) * 1099511628211u;
    snprintf(n->uuid, sizeof n->uuid, "%016llx%016llx", (unsigned long long)hash[0], (unsigned long long)hash[1]);
}

/* With a folder the node is the same one after a restart. */
static enum divan_code choose_uuid(struct node *n, struct divan_error *err)
{
    char path[1100];
    struct rng *r = io_rng(n->loop);
    snprintf(n->boot, sizeof n->boot, "%016llx", (unsigned long long)rng_u64(r));
    if (n->uuid[0]) return DIVAN_OK; /* it joined or left, and is who it was */
    snprintf(path, sizeof path, "%s/node.uuid", n->data_dir);
    if (n->data_dir[0] && read_uuid(path, n->uuid)) return DIVAN_OK;
    if (!n->data_dir[0] && !n->options.any_port) {
        place_uuid(n);
        return DIVAN_OK;
    }
    snprintf(n->uuid, sizeof n->uuid, "%016llx%016llx", (unsigned long long)rng_u64(r), (unsigned long long)rng_u64(r));
    if (!n->data_dir[0]) return DIVAN_OK;
    FILE *f = fopen(path, "we");
    bool written = f && fprintf(f, "%s\n", n->uuid) > 0;
    if (f && fclose(f)) written = false;
    return written
               ? DIVAN_OK
               : err_set(err, DIVAN_ERR_STATE_DIR, "cannot write %s: the data folder must exist and be writable", path);
}

/* ---------------------------------------------------------------- ports */

static enum divan_code listen_one(struct node *n, enum map_service service, struct io_tls *tls, struct divan_error *err)
{
    struct io_addr at, bound;
    enum divan_code rc = DIVAN_OK;
    if (!io_addr_parse(&at, n->listen_host, port_for(n, service, tls != NULL)))
        return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "a node listens on a numeric address, not on \"%s\"",
                       n->listen_host);
    if (service != SVC_KV)
        rc = rest_listen(n->rest, &at, tls, service == SVC_VIEWS ? REST_VIEWS : REST_MANAGEMENT, &bound, err);
    else if (tls) rc = engine_listen_kv_tls(n->engine, &at, tls, &bound, err);
    else rc = engine_listen_kv(n->engine, &at, &bound, err);
    if (!rc) (tls ? n->self.ports.tls : n->self.ports.plain)[service] = bound.port;
    return rc;
}

static enum divan_code listen_all(struct node *n, struct io_tls *tls, struct divan_error *err)
{
    static const enum map_service services[] = {SVC_KV, SVC_MGMT, SVC_VIEWS};
    enum divan_code rc = DIVAN_OK;
    for (size_t i = 0; !rc && i < sizeof services / sizeof *services; i++) rc = listen_one(n, services[i], tls, err);
    return rc;
}

/* Listens with TLS as soon as there is an authority to sign a certificate, and again when the node gets a name that its
 * certificate does not have. */
static enum divan_code open_tls(struct node *n, const struct doc *d, struct divan_error *err)
{
    const struct doc_node *known = doc_find_node(d, n->uuid);
    const char *name = known ? known->host : n->host;
    if (!d->ca_cert[0] || secure_has(&n->secure, name)) return DIVAN_OK;
    rest_unlisten_tls(n->rest);
    engine_unlisten_kv_tls(n->engine);
    memset(n->self.ports.tls, 0, sizeof n->self.ports.tls);
    enum divan_code rc = secure_make(&n->secure, d, name, (int64_t)(io_wall_ns(n->loop) / NS_PER_S), err);
    return rc ? rc : listen_all(n, n->secure.tls, err);
}

/* ---------------------------------------------------------------- the document */

static bool ports_are_known(const struct node *n)
{
    const struct doc_node *known = doc_find_node(n->doc, n->uuid);
    return known && memcmp(&known->ports, &n->self.ports, sizeof known->ports) == 0;
}

/* What the engine could not take (memory, most likely) is tried again, so that one bad moment does not last. */
static void apply_now(void *user)
{
    enum { AGAIN_MS = 500 };
    struct node *n = user;
    if (apply_doc(n->engine, n->applied, n->doc, n->uuid, n->log)) {
        io_timer_start(&n->reapply, io_now_ns(n->loop) + AGAIN_MS * NS_PER_MS);
        return;
    }
    io_timer_stop(&n->reapply);
    doc_release(n->applied);
    n->applied = doc_retain(n->doc);
}

/* ---------------------------------------------------------------- joining and leaving */

static void on_order(void *user, const struct order *order)
{
    struct node *n = user;
    orders_take(n->orders, n->doc, order);
}

static void on_order_result(void *user, const struct order_result *result)
{
    struct node *n = user;
    uplink_result(n->uplink, result);
}

/* Out of the cluster: clients still see what it knows now, then it is a lone node that nobody has set up. */
static void leave_soon(struct node *n, uint64_t ms)
{
    if (n->leaving || n->joining) return;
    n->leaving = true;
    io_timer_start(&n->change, io_now_ns(n->loop) + ms * NS_PER_MS);
}

static const char *on_join(void *user, const char *host, uint16_t port, const char *token, const char *cluster)
{
    enum { AFTER_ANSWER_MS = 50 };
    struct node *n = user;
    if (n->own && n->doc && strcmp(n->doc->uuid, cluster) == 0) return "Joining node to itself is not allowed.";
    if (!n->own || !n->doc || n->doc->node_count > 1 || n->joining || n->leaving)
        return "Node is already part of cluster.";
    text_copy(n->link_host, sizeof n->link_host, host);
    text_copy(n->link_token, sizeof n->link_token, token);
    n->options.manager_host = n->link_host;
    n->options.manager_port = port;
    n->options.manager_token = n->link_token;
    n->joining = true;
    io_timer_start(&n->change, io_now_ns(n->loop) + AFTER_ANSWER_MS * NS_PER_MS);
    return NULL;
}

static void on_reset(void *user)
{
    leave_soon(user, 50);
}

static void on_doc(void *user, const struct doc *d)
{
    struct node *n = user;
    struct doc *before = n->doc;
    struct divan_error err = {0};
    n->doc = doc_retain(d);
    if (open_tls(n, n->doc, &err)) LOG_E(n->log, "the node does without TLS: %s", err.message);
    bool member = doc_find_node(n->doc, n->uuid) != NULL;
    if (member && !ports_are_known(n) && !n->introduced_again) {
        n->introduced_again = true; /* once: should the manager not take it, the rest works all the same */
        uplink_introduce(n->uplink);
    } else n->introduced_again = false;
    if (before) apply_flushes(n->engine, before, n->doc);
    apply_now(n);
    rest_set_doc(n->rest, n->doc);
    if (n->doc->task.stage == DOC_TASK_IDLE) orders_cancel(n->orders, NULL);
    doc_release(before);
    if (!member) leave_soon(n, LEAVE_MS);
    if (!n->introduced_again && n->ready) {
        n->ready(n->ready_user);
        n->ready = NULL;
    }
}

static bool on_ask(void *user, const struct manager_request *request, manager_reply_fn *fn, void *arg)
{
    struct node *n = user;
    return uplink_ask(n->uplink, request, fn, arg);
}

/* ---------------------------------------------------------------- parts */

static void describe(struct node *n, const struct node_options *o)
{
    struct facts facts;
    facts_read(o->data_dir, &facts);
    n->self.uuid = n->uuid;
    n->self.host = n->host;
    n->self.otp = n->self.group = "";
    n->self.data_path = n->data_dir;
    n->self.address = n->host;
    n->self.boot = n->boot;
    n->self.memory_mb = (uint32_t)(facts.memory_total >> 20);
}

static enum divan_code start_manager(struct node *n, const struct node_options *o, struct divan_error *err)
{
    struct manager_options m = {.dir = o->data_dir, .vbuckets = o->vbuckets, .listen_host = n->host, .log = o->log};
    if (o->manager || o->manager_host) return DIVAN_OK;
    n->own = manager_new(n->loop, &m, err);
    if (!n->own) return err->code;
    return o->setup ? manager_provision(n->own, o->setup, err) : DIVAN_OK;
}

static enum divan_code start_parts(struct node *n, const struct node_options *o, struct divan_error *err)
{
    struct rest_options rest = {.self = n->uuid,
                                .data_dir = n->data_dir[0] ? n->data_dir : NULL,
                                .log = o->log,
                                .ask = on_ask,
                                .join = on_join,
                                .reset = on_reset,
                                .ask_user = n};
    struct engine_options e = {.data_dir = n->data_dir[0] ? n->data_dir : NULL};
    enum divan_code rc = choose_uuid(n, err);
    if (!rc && !(n->engine = engine_new(n->loop, &e, o->log, err))) rc = err->code;
    if (!rc && !(n->orders = orders_new(n->engine, o->log, on_order_result, n))) rc = err_oom(err);
    rest.engine = n->engine;
    if (!rc && !(n->rest = rest_new(n->loop, &rest, err))) rc = err->code;
    if (!rc) rc = listen_all(n, NULL, err);
    if (!rc) rc = start_manager(n, o, err);
    if (!rc && (n->own || o->manager)) rc = open_tls(n, manager_doc(n->own ? n->own : o->manager), err);
    if (rc) return rc;

    struct uplink_options up = {.manager = n->own ? n->own : o->manager,
                                .host = o->manager_host,
                                .port = o->manager_port,
                                .token = o->manager_token ? o->manager_token : "",
                                .self = &n->self,
                                .log = o->log,
                                .on_doc = on_doc,
                                .on_order = on_order,
                                .user = n};
    describe(n, o);
    n->own_ports = n->self.ports;
    n->uplink = uplink_new(n->loop, &up, err);
    return n->uplink ? DIVAN_OK : err->code;
}

/* Who asks goes before who answers. */
static void stop_parts(struct node *n)
{
    uplink_free(n->uplink);
    orders_free(n->orders);
    rest_free(n->rest);
    manager_free(n->own);
    engine_free(n->engine);
    secure_fini(&n->secure);
    io_timer_stop(&n->reapply);
    doc_release(n->applied);
    doc_release(n->doc);
    n->uplink = NULL, n->orders = NULL, n->rest = NULL, n->own = NULL, n->engine = NULL;
    n->applied = n->doc = NULL;
}

/* ---------------------------------------------------------------- changing clusters: everything begins anew */

static const char *in_data_dir(const struct node *n, const char *name, char out[1200])
{
    snprintf(out, 1200, "%s/%s", n->data_dir, name);
    return out;
}

/* With a folder the node finds the manager it joined after a restart, too. */
static void take_link_file(struct node *n)
{
    char path[1200], line[300] = "";
    FILE *f = n->data_dir[0] && !n->options.manager_host && !n->options.manager
                  ? fopen(in_data_dir(n, "manager.link", path), "re")
                  : NULL;
    unsigned port = 0;
    if (f && fgets(line, sizeof line, f) && sscanf(line, "%63s %u %129s", n->link_host, &port, n->link_token) == 3) {
        n->options.manager_host = n->link_host;
        n->options.manager_port = (uint16_t)port;
        n->options.manager_token = n->link_token;
    }
    if (f) fclose(f);
}

static void write_link_file(struct node *n)
{
    char path[1200];
    in_data_dir(n, "manager.link", path);
    if (!n->data_dir[0]) return;
    if (!n->options.manager_host) {
        unlink(path);
        return;
    }
    FILE *f = fopen(path, "we");
    bool written = f && fprintf(f, "%s %u %s\n", n->link_host, n->options.manager_port, n->link_token) > 0;
    if (f && fclose(f)) written = false;
    if (!written) LOG_E(n->log, "%s cannot be written: after a restart the node will not find its cluster", path);
}

/* What its own manager knew, and what its buckets held, is of a cluster it is not in any more. */
static void forget(struct node *n)
{
    static const char *const files[] = {"manager.sqlite", "manager.sqlite-wal", "manager.sqlite-shm"};
    char path[1200];
    for (size_t i = 0; n->applied && i < n->applied->bucket_count; i++)
        engine_bucket_drop(n->engine, n->applied->buckets[i].name, NULL);
    stop_parts(n);
    for (size_t i = 0; n->data_dir[0] && i < sizeof files / sizeof *files; i++) unlink(in_data_dir(n, files[i], path));
}

static void change(void *user)
{
    enum { AGAIN_MS = 500 };
    struct node *n = user;
    struct divan_error err = {0};
    if (n->engine) {
        if (n->leaving) n->options.manager_host = NULL, n->options.manager = NULL;
        LOG_I(n->log, n->leaving ? "the node leaves its cluster" : "the node joins a cluster");
        if (n->uplink) uplink_drain(n->uplink, n->joining && !n->leaving);
        forget(n);
        n->options.setup = NULL;
        n->options.data_dir = n->data_dir[0] ? n->data_dir : NULL;
        write_link_file(n);
        memset(n->self.ports.tls, 0, sizeof n->self.ports.tls);
    }
    if (start_parts(n, &n->options, &err)) {
        LOG_E(n->log, "the node cannot start anew, and tries again: %s", err.message);
        stop_parts(n);
        io_timer_start(&n->change, io_now_ns(n->loop) + AGAIN_MS * NS_PER_MS);
        return;
    }
    n->leaving = n->joining = false;
    n->introduced_again = false;
}

struct node *node_start(struct io_loop *loop, const struct node_options *o, void (*ready)(void *user), void *user,
                        struct divan_error *err)
{
    struct divan_error local;
    struct node *n = mem_zalloc(sizeof *n);
    if (!err) err = &local;
    if (!n) {
        err_oom(err);
        return NULL;
    }
    n->loop = loop;
    n->log = o->log;
    n->ready = ready;
    n->ready_user = user;
    io_timer_init(&n->reapply, loop, apply_now, n);
    io_timer_init(&n->change, loop, change, n);
    n->options = *o;
    text_copy(n->data_dir, sizeof n->data_dir, o->data_dir ? o->data_dir : "");
    choose_host(n, o);
    take_link_file(n);
    if (start_parts(n, &n->options, err) == DIVAN_OK) return n;
    node_stop(n);
    return NULL;
}

void node_stop(struct node *n)
{
    if (!n) return;
    stop_parts(n);
    io_timer_stop(&n->change);
    mem_free(n);
}

const struct map_ports *node_ports(const struct node *n)
{
    return &n->self.ports;
}
const char *node_uuid(const struct node *n)
{
    return n->uuid;
}
const char *node_host(const struct node *n)
{
    return n->host;
}
const struct doc *node_doc(const struct node *n)
{
    return n->doc;
}
