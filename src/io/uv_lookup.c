/* Names by c-ares: its sockets are watched by our loop, its timeouts by our timer. One channel per loop, made at need. */
#include <ares.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/uv.h"

enum { TRY_MS = 1500, TRIES = 3 };

struct uv_resolver {
    struct uv_io *u;
    ares_channel channel;
    struct io_timer timer;
    struct list sockets;
    unsigned running;
};

struct ares_socket {
    struct uv_poller poller;
    struct uv_resolver *r;
    struct link link;
    ares_socket_t fd;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;
static int library_status;

static void init_library(void)
{
    library_status = ares_library_init(ARES_LIB_INIT_ALL);
}

static void on_timer(void *user);

/* c-ares asks to be called at the latest when its timeout is over. */
static void plan(struct uv_resolver *r)
{
    struct timeval tv;
    if (r->running && ares_timeout(r->channel, NULL, &tv)) {
        uint64_t in_ns = (uint64_t)tv.tv_sec * NS_PER_S + (uint64_t)tv.tv_usec * 1000;
        io_timer_start(&r->timer, r->u->base.now_ns + in_ns);
    } else io_timer_stop(&r->timer);
}

static void on_timer(void *user)
{
    struct uv_resolver *r = user;
    ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    plan(r);
}

static void on_ready(struct uv_poller *p, int events)
{
    struct ares_socket *s = container_of(p, struct ares_socket, poller);
    struct uv_resolver *r = s->r;
    ares_socket_t fd = s->fd;
    r->u->base.events++;
    ares_process_fd(r->channel, events & UV_READABLE ? fd : ARES_SOCKET_BAD,
                    events & UV_WRITABLE ? fd : ARES_SOCKET_BAD);
    plan(r);
}

static void on_gone(struct uv_poller *p)
{
    mem_free(container_of(p, struct ares_socket, poller));
}

static struct ares_socket *find_socket(struct uv_resolver *r, ares_socket_t fd)
{
    list_each(&r->sockets, it)
    {
        struct ares_socket *s = container_of(it, struct ares_socket, link);
        if (s->fd == fd) return s;
    }
    return NULL;
}

static struct ares_socket *watch(struct uv_resolver *r, ares_socket_t fd)
{
    struct ares_socket *s = mem_zalloc(sizeof *s);
    if (!s) return NULL; /* the query runs into its timeout */
    s->r = r;
    s->fd = fd;
    uv_poller_init(&s->poller, r->u, fd);
    s->poller.borrowed = true; /* c-ares closes it */
    s->poller.ready = on_ready;
    s->poller.gone = on_gone;
    list_append(&r->sockets, &s->link);
    return s;
}

static void on_socket_state(void *user, ares_socket_t fd, int readable, int writable)
{
    struct uv_resolver *r = user;
    struct ares_socket *s = find_socket(r, fd);
    if (!s && (readable || writable)) s = watch(r, fd);
    if (!s) return;
    if (readable || writable) uv_poller_want(&s->poller, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0));
    else {
        list_remove(&s->link);
        uv_poller_close(&s->poller);
    }
}

static struct uv_resolver *resolver_new(struct uv_io *u, int *status)
{
    pthread_once(&library_once, init_library);
    struct uv_resolver *r = library_status ? NULL : mem_zalloc(sizeof *r);
    *status = library_status ? library_status : ARES_ENOMEM;
    if (!r) return NULL;
    r->u = u;
    list_init(&r->sockets);
    io_timer_init(&r->timer, &u->base, on_timer, r);
    struct ares_options options = {
        .timeout = TRY_MS, .tries = TRIES, .sock_state_cb = on_socket_state, .sock_state_cb_data = r};
    *status = ares_init_options(&r->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
    if (!*status) return r;
    mem_free(r);
    return NULL;
}

void uv_resolver_free(struct uv_resolver *r)
{
    if (!r) return;
    ares_destroy(r->channel); /* answers every query with an error, closes the sockets */
    io_timer_stop(&r->timer);
    mem_free(r);
}

/* ---- queries */

static void describe(struct divan_error *err, const struct io_lookup *q, int status)
{
    if (status == ARES_ENOMEM) err_oom(err);
    else if (q->srv)
        err_set(err, DIVAN_ERR_NAME_NOT_RESOLVED, "the DNS SRV query for %s gave nothing: %s", q->name,
                ares_strerror(status));
    else
        err_set(err, DIVAN_ERR_NAME_NOT_RESOLVED,
                "the host name %s cannot be resolved: %s; check the name and the DNS settings", q->name,
                ares_strerror(status));
}

static void answered(struct io_lookup *q)
{
    struct uv_resolver *r = uv_io_of(q->loop)->resolver;
    if (r) r->running--;
}

static void on_addresses(void *user, int status, int timeouts, struct ares_addrinfo *answer)
{
    struct io_lookup *q = user;
    struct io_addr addrs[LOOKUP_MAX];
    struct divan_error err;
    size_t count = 0;
    answered(q);
    for (struct ares_addrinfo_node *n = answer ? answer->nodes : NULL; n && count < LOOKUP_MAX; n = n->ai_next) {
        struct sockaddr_storage at;
        if (n->ai_family != AF_INET && n->ai_family != AF_INET6) continue;
        memcpy(&at, n->ai_addr, n->ai_addrlen < sizeof at ? n->ai_addrlen : sizeof at);
        addr_from_sockaddr(&addrs[count], &at);
        addrs[count++].port = q->port;
    }
    if (answer) ares_freeaddrinfo(answer);
    if (!count) describe(&err, q, status ? status : ARES_ENODATA);
    lookup_done(q, addrs, count, &err);
}

static size_t parse_srv(struct io_srv *out, const unsigned char *packet, int len, int *status)
{
    struct ares_srv_reply *replies = NULL;
    size_t count = 0;
    *status = ares_parse_srv_reply(packet, len, &replies);
    for (struct ares_srv_reply *r = *status ? NULL : replies; r && count < LOOKUP_MAX; r = r->next) {
        struct io_srv *srv = &out[count];
        *srv = (struct io_srv){.port = r->port, .priority = r->priority, .weight = r->weight};
        text_copy(srv->target, sizeof srv->target, r->host);
        size_t n = strlen(srv->target);
        if (n && srv->target[n - 1] == '.') srv->target[--n] = 0;
        if (n) count++; /* the target "." says: no such service here */
    }
    if (replies) ares_free_data(replies);
    return count;
}

static void on_srv(void *user, int status, int timeouts, unsigned char *packet, int len)
{
    struct io_lookup *q = user;
    struct divan_error err;
    answered(q);
    struct io_srv *srv = mem_alloc(LOOKUP_MAX * sizeof *srv);
    size_t count = 0;
    if (!srv) status = ARES_ENOMEM;
    else if (!status) count = parse_srv(srv, packet, len, &status);
    if (!count) describe(&err, q, status ? status : ARES_ENODATA);
    lookup_srv_done(q, srv, count, &err);
    mem_free(srv);
}

static void no_resolver(struct io_lookup *q, int status)
{
    struct divan_error err;
    describe(&err, q, status);
    if (q->srv) lookup_srv_done(q, NULL, 0, &err);
    else lookup_done(q, NULL, 0, &err);
}

static struct uv_resolver *resolver_of(struct uv_io *u, int *status)
{
    if (!u->resolver) u->resolver = resolver_new(u, status);
    return u->resolver;
}

enum divan_code uv_set_dns_servers(struct io_loop *l, const char *servers, struct divan_error *err)
{
    int status = 0;
    struct uv_resolver *r = resolver_of(uv_io_of(l), &status);
    if (r) status = ares_set_servers_ports_csv(r->channel, servers);
    if (!status) return DIVAN_OK;
    if (status == ARES_ENOMEM) return err_oom(err);
    return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "\"%s\" is not a list of DNS servers: %s", servers,
                   ares_strerror(status));
}

void uv_resolve(struct io_lookup *q)
{
    int status = 0;
    struct uv_resolver *r = resolver_of(uv_io_of(q->loop), &status);
    if (!r) {
        no_resolver(q, status);
        return;
    }
    r->running++;
    if (q->srv) ares_query(r->channel, q->name, 1 /* IN */, 33 /* SRV */, on_srv, q);
    else {
        static const int families[] = {[IO_ANY] = AF_UNSPEC, [IO_V4] = AF_INET, [IO_V6] = AF_INET6};
        struct ares_addrinfo_hints hints = {.ai_family = families[q->family], .ai_socktype = SOCK_STREAM};
        ares_getaddrinfo(r->channel, q->name, NULL, &hints, on_addresses, q);
    }
    plan(r);
}
