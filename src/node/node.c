#include "node/node.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "node/apply.h"
#include "node/engine.h"
#include "node/http/facts.h"
#include "node/http/rest.h"
#include "node/secure.h"
#include "node/uplink.h"

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

static uint16_t port_for(const struct node_options *o, enum map_service service, bool tls)
{
    const struct place *p = &places[service];
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

/* With a folder the node is the same one after a restart. */
static enum divan_code choose_uuid(struct node *n, struct divan_error *err)
{
    char path[1100];
    struct rng *r = io_rng(n->loop);
    snprintf(path, sizeof path, "%s/node.uuid", n->data_dir);
    if (n->data_dir[0] && read_uuid(path, n->uuid)) return DIVAN_OK;
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
    if (!io_addr_parse(&at, n->listen_host, port_for(&n->options, service, tls != NULL)))
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

static void on_doc(void *user, const struct doc *d)
{
    struct node *n = user;
    struct doc *before = n->doc;
    struct divan_error err = {0};
    n->doc = doc_retain(d);
    if (open_tls(n, n->doc, &err)) LOG_E(n->log, "the node does without TLS: %s", err.message);
    if (!ports_are_known(n) && !n->introduced_again) {
        n->introduced_again = true; /* once: should the manager not take it, the rest works all the same */
        uplink_introduce(n->uplink);
    } else n->introduced_again = false;
    if (before) apply_flushes(n->engine, before, n->doc);
    apply_now(n);
    rest_set_doc(n->rest, n->doc);
    doc_release(before);
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
    n->self.memory_mb = (uint32_t)(facts.memory_total >> 20);
}

static enum divan_code start_manager(struct node *n, const struct node_options *o, struct divan_error *err)
{
    struct manager_options m = {.dir = o->data_dir, .vbuckets = o->vbuckets, .log = o->log};
    if (o->manager || o->manager_host) return DIVAN_OK;
    n->own = manager_new(n->loop, &m, err);
    if (!n->own) return err->code;
    return o->setup ? manager_provision(n->own, o->setup, err) : DIVAN_OK;
}

static enum divan_code start_parts(struct node *n, const struct node_options *o, struct divan_error *err)
{
    struct rest_options rest = {
        .self = n->uuid, .data_dir = n->data_dir[0] ? n->data_dir : NULL, .log = o->log, .ask = on_ask, .ask_user = n};
    enum divan_code rc = choose_uuid(n, err);
    if (!rc && !(n->engine = engine_new(n->loop, NULL, o->log, err))) rc = err->code;
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
                                .user = n};
    describe(n, o);
    n->uplink = uplink_new(n->loop, &up, err);
    return n->uplink ? DIVAN_OK : err->code;
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
    n->options = *o;
    text_copy(n->data_dir, sizeof n->data_dir, o->data_dir ? o->data_dir : "");
    choose_host(n, o);
    if (start_parts(n, o, err) == DIVAN_OK) return n;
    node_stop(n);
    return NULL;
}

/* Who asks goes before who answers. */
void node_stop(struct node *n)
{
    if (!n) return;
    uplink_free(n->uplink);
    rest_free(n->rest);
    manager_free(n->own);
    engine_free(n->engine);
    secure_fini(&n->secure);
    io_timer_stop(&n->reapply);
    doc_release(n->applied);
    doc_release(n->doc);
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
