#include "node/http/server.h"

#include "base/alloc.h"
#include "base/error.h"
#include "node/http/connection.h"

static void accept_management(void *user, struct io_stream *stream)
{
    rest_connection_open(user, stream, REST_MANAGEMENT);
}
static void accept_views(void *user, struct io_stream *stream)
{
    rest_connection_open(user, stream, REST_VIEWS);
}

struct rest *rest_new(struct io_loop *loop, const struct rest_options *o, struct divan_error *err)
{
    struct rest *r = mem_zalloc(sizeof *r);
    if (!r || !auth_init(&r->auth)) {
        mem_free(r);
        err_oom(err);
        return NULL;
    }
    r->loop = loop;
    r->options = *o;
    r->started_ns = io_now_ns(loop);
    list_init(&r->connections);
    return r;
}

enum divan_code rest_listen(struct rest *r, const struct io_addr *addr, struct io_tls *tls, enum rest_service service,
                            struct io_addr *bound, struct divan_error *err)
{
    struct divan_error local;
    struct rest_listener *l = NULL;
    io_accept_fn *fn = service == REST_VIEWS ? accept_views : accept_management;
    if (!err) err = &local;
    for (size_t i = 0; i < sizeof r->listeners / sizeof *r->listeners && !l; i++)
        if (!r->listeners[i].io) l = &r->listeners[i];
    if (!l) return err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "the REST interface listens on too many addresses");
    l->io = tls ? io_listen_tls(r->loop, addr, tls, fn, r, err) : io_listen(r->loop, addr, fn, r, err);
    if (!l->io) return err->code;
    l->tls = tls != NULL;
    if (bound) *bound = *io_listener_addr(l->io);
    return DIVAN_OK;
}

static void close_listeners(struct rest *r, bool only_tls)
{
    for (size_t i = 0; i < sizeof r->listeners / sizeof *r->listeners; i++) {
        struct rest_listener *l = &r->listeners[i];
        if (!l->io || (only_tls && !l->tls)) continue;
        io_listener_close(l->io);
        l->io = NULL;
    }
}

void rest_unlisten_tls(struct rest *r)
{
    close_listeners(r, true);
}

void rest_set_doc(struct rest *r, const struct doc *d)
{
    const struct doc *old = r->doc;
    r->doc = doc_retain(d);
    list_each(&r->connections, it)
    {
        struct connection *c = container_of(it, struct connection, links);
        if (c->state == CONN_HELD) connection_release(c);
        else if (c->state == CONN_STREAM) connection_stream_again(c);
        else if (c->state == CONN_WAITING) connection_try(c, false);
    }
    doc_release(old);
}

/* Streams end with the loop, so connections give up their pointer to the rest now and are freed by their closing. */
void rest_free(struct rest *r)
{
    if (!r) return;
    close_listeners(r, false);
    list_each(&r->connections, it)
    {
        struct connection *c = container_of(it, struct connection, links);
        if (c->cancel) c->cancel(c->cancel_arg);
        c->asked = 0;
        if (!c->stream) {
            connection_free(c);
            continue;
        }
        connection_end(c, true);
        list_remove(&c->links);
    }
    doc_release(r->doc);
    mem_free(r);
}
