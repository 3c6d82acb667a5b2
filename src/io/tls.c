/* A TLS stream: a stream whose transport is OpenSSL over another stream. */
#include "io/tls.h"

#include <errno.h>
#include <limits.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/stream.h"
#include "io/tls_impl.h"

#define HANDSHAKE_NS (10 * NS_PER_S) /* of an accepted stream; a connecting one has its owner's deadline */

struct tls_listener {
    struct io_tls *tls;
    io_accept_fn *fn;
    void *user;
    struct list handshakes; /* accepted streams nobody knows of yet */
};

struct tls_stream {
    struct io_stream base;
    struct io_stream *lower; /* NULL once it is closed or left to itself */
    struct io_tls *tls;
    SSL *ssl;
    struct tls_listener *listener; /* during the handshake of an accepted stream */
    struct link handshake_link;
    struct io_task pump, gone;
    struct tls_refusal refusal;
    bool shaken, heard; /* the handshake is done; anything came from the peer */
    char name[256];     /* who the peer should be; "" on a server */
};

static struct tls_stream *of_stream(struct io_stream *s)
{
    return container_of(s, struct tls_stream, base);
}

static const char *peer_text(struct tls_stream *t, char out[64])
{
    return io_addr_text(&t->base.peer, out, 64);
}

/* ---- downwards */

static void flush_lower(struct tls_stream *t)
{
    if (!t->lower) return;
    io_stream_flush(t->lower);
    if (io_stream_backlog(t->lower)) t->lower->congested = true; /* so that drained tells when there is room */
}

static ptrdiff_t tls_send(struct io_stream *s, struct divan_bytes bytes)
{
    struct tls_stream *t = of_stream(s);
    if (!t->lower) return -ECONNRESET;
    if (io_stream_backlog(t->lower) > IO_BACKLOG_LOW) return 0;
    size_t taken = 0, most = bytes.len < IO_BACKLOG_HIGH ? bytes.len : IO_BACKLOG_HIGH;
    int n = 1;
    ERR_clear_error();
    while (taken < most && (n = SSL_write(t->ssl, (const uint8_t *)bytes.data + taken, (int)(most - taken))) > 0)
        taken += (size_t)n;
    bool broken = n <= 0 && SSL_get_error(t->ssl, n) != SSL_ERROR_WANT_READ;
    ERR_clear_error();
    flush_lower(t);
    if (broken) return io_stream_output(t->lower)->failed ? -ENOMEM : -EPIPE;
    if (taken < bytes.len) t->lower->congested = true;
    if (taken < bytes.len && !io_stream_backlog(t->lower) && !link_in_list(&t->pump.link)) loop_post(s->loop, &t->pump);
    return (ptrdiff_t)taken;
}

static void tls_update(struct io_stream *s)
{
    struct tls_stream *t = of_stream(s);
    if (!t->lower || !t->shaken) return;
    bool read = stream_wants_read(s);
    bool waiting = SSL_has_pending(t->ssl) || io_stream_input(t->lower).len;
    io_stream_pause(t->lower, !read);
    if (read && waiting && !link_in_list(&t->pump.link)) loop_post(s->loop, &t->pump);
}

static void tls_finish(struct io_stream *s)
{
    struct tls_stream *t = of_stream(s);
    if (!t->shaken || !t->lower) return;
    SSL_shutdown(t->ssl);
    ERR_clear_error();
    flush_lower(t);
}

/* From here on the lower stream sends what it has and ends on its own. */
static void leave_lower(struct tls_stream *t)
{
    struct io_stream *lower = t->lower;
    t->lower = NULL;
    if (!lower) return;
    io_stream_handle(lower, NULL, NULL);
    io_stream_pause(lower, false);
    io_stream_close(lower, true);
}

static void leave_listener(struct tls_stream *t)
{
    list_remove(&t->handshake_link);
    t->listener = NULL;
}

static void tls_drop(struct io_stream *s)
{
    struct tls_stream *t = of_stream(s);
    if (!s->finished) tls_finish(s);
    leave_lower(t);
    leave_listener(t);
    loop_post(s->loop, &t->gone);
}

static const struct stream_ops tls_ops = {
    .send = tls_send, .update = tls_update, .finish = tls_finish, .drop = tls_drop};

static void tls_free(struct tls_stream *t)
{
    list_remove(&t->pump.link);
    SSL_free(t->ssl);
    X509_free(t->refusal.cert);
    io_tls_release(t->tls);
    mem_free(t);
}

static void run_gone(struct io_task *task)
{
    struct tls_stream *t = container_of(task, struct tls_stream, gone);
    stream_gone(&t->base);
    tls_free(t);
}

/* ---- upwards */

static void fail_foreign(struct tls_stream *t, const char *did)
{
    struct divan_error why;
    char peer[64];
    peer_text(t, peer);
    err_set(&why, DIVAN_ERR_TLS_NOT_OFFERED, "%s %s: it does not speak TLS on this port; check scheme and port", peer,
            did);
    err_where(&why, NULL, peer);
    stream_failed(&t->base, &why);
}

static void fail_handshake(struct tls_stream *t)
{
    struct divan_error why;
    char peer[64];
    tls_verdict(&t->refusal, peer_text(t, peer), t->name[0] ? t->name : NULL, &why);
    err_where(&why, NULL, peer);
    flush_lower(t); /* the alert */
    stream_failed(&t->base, &why);
}

static void handshake_done(struct tls_stream *t)
{
    struct tls_listener *listener = t->listener;
    t->shaken = true;
    io_timer_stop(&t->base.end_timer);
    leave_listener(t);
    stream_opened(&t->base);
    if (listener) listener->fn(listener->user, &t->base);
}

static void shake(struct tls_stream *t)
{
    struct divan_bytes in = io_stream_input(t->lower);
    if (in.len && !t->heard && tls_is_foreign(*(const uint8_t *)in.data)) {
        fail_foreign(t, "answered the TLS handshake with something else");
        return;
    }
    t->heard = t->heard || in.len;
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    int what = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, rc);
    flush_lower(t);
    if (what == SSL_ERROR_NONE) handshake_done(t);
    else if (what != SSL_ERROR_WANT_READ) fail_handshake(t);
}

/* Fills the room with as many records as have come: one callback for all. *what = SSL_ERROR_NONE when it is full. */
static size_t read_records(struct tls_stream *t, uint8_t *at, size_t room, int *what)
{
    size_t total = 0;
    int n = 1;
    ERR_clear_error();
    while (total < room && n > 0) {
        size_t most = room - total < INT_MAX ? room - total : INT_MAX;
        n = SSL_read(t->ssl, at + total, (int)most);
        if (n > 0) total += (size_t)n;
    }
    *what = n > 0 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, n);
    return total;
}

/* Whether reading has come to its end, and why. */
static bool reading_ended(struct tls_stream *t, int what, struct divan_error *why)
{
    char peer[64];
    if (what == SSL_ERROR_NONE || what == SSL_ERROR_WANT_READ) return false;
    memset(why, 0, sizeof *why);
    if (what != SSL_ERROR_ZERO_RETURN) {
        err_set(why, DIVAN_ERR_CONNECTION_LOST, "the TLS connection to %s broke: %s", peer_text(t, peer), tls_reason());
        err_where(why, NULL, peer);
    }
    ERR_clear_error();
    return true;
}

static void pump(struct tls_stream *t)
{
    if (t->lower && !t->shaken) shake(t);
    int what = SSL_ERROR_NONE;
    while (what == SSL_ERROR_NONE && t->shaken && t->lower && stream_wants_read(&t->base)) {
        struct divan_error why;
        uint8_t *at;
        size_t room = stream_room(&t->base, &at);
        if (!room) return;
        size_t n = read_records(t, at, room, &what);
        bool ended = reading_ended(t, what, &why); /* before the callback, which may use OpenSSL, too */
        if (n) stream_received(&t->base, n);
        if (ended) stream_failed(&t->base, &why);
    }
}

static void run_pump(struct io_task *task)
{
    struct tls_stream *t = container_of(task, struct tls_stream, pump);
    if (stream_wants_write(&t->base)) stream_writable(&t->base);
    pump(t);
}

static void lower_opened(void *user)
{
    struct tls_stream *t = user;
    t->base.local = *io_stream_local(t->lower);
    shake(t);
}

static void lower_data(void *user)
{
    pump(user);
}

static void lower_drained(void *user)
{
    struct tls_stream *t = user;
    if (stream_wants_write(&t->base) && t->shaken) stream_writable(&t->base);
}

static void lower_closed(void *user, const struct divan_error *why)
{
    struct tls_stream *t = user;
    t->lower = NULL;
    if (t->shaken || why->code == DIVAN_ERR_UNREACHABLE || why->code == DIVAN_ERR_OUT_OF_MEMORY)
        stream_failed(&t->base, why);
    else if (!why->code && !t->heard && t->name[0]) fail_foreign(t, "closed the connection at the first TLS message");
    else {
        struct divan_error error;
        char peer[64];
        err_set(&error, DIVAN_ERR_HANDSHAKE_FAILED, "%s closed the connection during the TLS handshake%s%s",
                peer_text(t, peer), why->code ? ": " : "", why->code ? why->message : "");
        err_where(&error, NULL, peer);
        stream_failed(&t->base, &error);
    }
}

static const struct io_handler lower_handler = {lower_opened, lower_data, lower_drained, lower_closed};

/* ---- making */

/* At what time certificates are judged: the loop's, which a simulation shifts. */
static void set_time(SSL *ssl, struct io_loop *l)
{
    X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), (time_t)(io_wall_ns(l) / NS_PER_S));
}

static bool set_name(struct tls_stream *t, const char *name)
{
    struct io_addr numeric;
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    text_copy(t->name, sizeof t->name, name);
    size_t len = strlen(t->name);
    if (len > 1 && t->name[len - 1] == '.') t->name[len - 1] = 0;
    if (io_addr_parse(&numeric, t->name, 0))
        return !t->tls->verify || X509_VERIFY_PARAM_set1_ip_asc(param, numeric.host) == 1;
    if (SSL_set_tlsext_host_name(t->ssl, t->name) != 1) return false;
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return !t->tls->verify || X509_VERIFY_PARAM_set1_host(param, t->name, 0) == 1;
}

/* Without a lower stream yet; NULL: out of memory. */
static struct tls_stream *tls_new(struct io_loop *l, struct io_tls *tls, const struct io_addr *peer)
{
    struct tls_stream *t = mem_zalloc(sizeof *t);
    if (!t) return NULL;
    stream_init(&t->base, l, &tls_ops, STREAM_CONNECTING);
    t->tls = io_tls_retain(tls);
    t->base.peer = *peer;
    t->pump.fn = run_pump;
    t->gone.fn = run_gone;
    t->ssl = SSL_new(tls->ctx);
    BIO *bio = t->ssl ? tls_bio_new(&t->lower) : NULL;
    if (bio) {
        SSL_set_bio(t->ssl, bio, bio);
        SSL_set_app_data(t->ssl, &t->refusal);
        set_time(t->ssl, l);
        return t;
    }
    stream_fini(&t->base);
    tls_free(t);
    return NULL;
}

struct io_stream *io_connect_tls(struct io_loop *l, const struct io_addr *addr, struct io_tls *tls, const char *name,
                                 const struct io_handler *handler, void *user, struct divan_error *err)
{
    struct tls_stream *t = tls_new(l, tls, addr);
    if (!t) err_oom(err);
    else if (!set_name(t, name))
        err_set(err, DIVAN_ERR_INVALID_ARGUMENT, "\"%s\" is not a name that a certificate can be checked for", name);
    else t->lower = io_connect(l, addr, &lower_handler, t, err);
    if (t && !t->lower) {
        stream_fini(&t->base);
        tls_free(t);
        t = NULL;
    }
    if (!t) return NULL;
    SSL_set_connect_state(t->ssl);
    io_stream_handle(&t->base, handler, user);
    return &t->base;
}

static void on_accept(void *user, struct io_stream *lower)
{
    struct tls_listener *listener = user;
    struct io_loop *l = lower->loop;
    struct tls_stream *t = tls_new(l, listener->tls, io_stream_peer(lower));
    if (!t || !io_timer_start(&t->base.end_timer, l->now_ns + HANDSHAKE_NS)) {
        if (t) stream_fini(&t->base);
        if (t) tls_free(t);
        io_stream_close(lower, false);
        return;
    }
    t->lower = lower;
    t->base.local = *io_stream_local(lower);
    t->listener = listener;
    list_append(&listener->handshakes, &t->handshake_link);
    SSL_set_accept_state(t->ssl);
    io_stream_handle(lower, &lower_handler, t);
}

static void listener_closed(void *layer)
{
    struct tls_listener *listener = layer;
    for (struct link *link; (link = list_first(&listener->handshakes));)
        io_stream_close(&container_of(link, struct tls_stream, handshake_link)->base, false); /* leaves the list */
    io_tls_release(listener->tls);
    mem_free(listener);
}

struct io_listener *io_listen_tls(struct io_loop *l, const struct io_addr *addr, struct io_tls *tls, io_accept_fn *fn,
                                  void *user, struct divan_error *err)
{
    struct tls_listener *layer = mem_zalloc(sizeof *layer);
    if (!layer) {
        err_oom(err);
        return NULL;
    }
    struct io_listener *listener = io_listen(l, addr, on_accept, layer, err);
    if (!listener) {
        mem_free(layer);
        return NULL;
    }
    layer->tls = io_tls_retain(tls);
    layer->fn = fn;
    layer->user = user;
    list_init(&layer->handshakes);
    listener->layer = layer;
    listener->layer_closed = listener_closed;
    return listener;
}

bool io_tls_peer_subject(const struct io_stream *s, char *out, size_t cap)
{
    if (s->ops != &tls_ops) return false;
    const struct tls_stream *t = container_of(s, const struct tls_stream, base);
    X509 *cert = t->tls->verify ? SSL_get0_peer_certificate(t->ssl) : NULL;
    if (!cert || SSL_get_verify_result(t->ssl) != X509_V_OK) return false;
    tls_name_text(X509_get_subject_name(cert), out, (int)cap);
    return true;
}
