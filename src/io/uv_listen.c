#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/uv.h"

enum { BACKLOG = 1024, ACCEPTS_PER_EVENT = 64 };
#define PAUSE_NS (100 * NS_PER_MS) /* without free descriptors accepting would only spin */

struct uv_listener {
    struct io_listener base;
    struct uv_poller poller;
    struct io_timer resume;
};

static void on_resume(void *user)
{
    uv_poller_want(&((struct uv_listener *)user)->poller, UV_READABLE);
}

static void rest(struct uv_listener *u)
{
    struct io_loop *l = u->base.loop;
    if (io_timer_start(&u->resume, l->now_ns + PAUSE_NS)) uv_poller_want(&u->poller, 0);
}

static void accepted(struct uv_listener *u, int fd, const struct sockaddr_storage *from)
{
    struct io_addr peer;
    addr_from_sockaddr(&peer, from);
    struct io_stream *s = uv_stream_accepted(u->poller.u, fd, &peer);
    u->base.loop->events++;
    if (s) u->base.fn(u->base.user, s);
}

static void on_ready(struct uv_poller *p, int events)
{
    struct uv_listener *u = container_of(p, struct uv_listener, poller);
    for (int i = 0; i < ACCEPTS_PER_EVENT && !p->closing; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        int fd = accept4(p->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) accepted(u, fd, &from);
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(u);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) return; /* others concern the one connection that died */
    }
}

static void on_gone(struct uv_poller *p)
{
    mem_free(container_of(p, struct uv_listener, poller));
}

void uv_listener_close(struct io_listener *listener)
{
    struct uv_listener *u = container_of(listener, struct uv_listener, base);
    io_timer_stop(&u->resume);
    uv_poller_close(&u->poller);
}

static enum divan_code listen_failed(int problem)
{
    if (problem == EADDRINUSE) return DIVAN_ERR_PORT_IN_USE;
    return problem == EADDRNOTAVAIL || problem == EAFNOSUPPORT ? DIVAN_ERR_INVALID_ARGUMENT : DIVAN_ERR_SYSTEM;
}

/* A listening socket, or -1 with errno. */
static int open_socket(const struct io_addr *addr)
{
    struct sockaddr_storage at;
    unsigned len = addr_to_sockaddr(addr, &at);
    int on = 1, fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* a restarted node takes its port back at once */
    if (addr->v6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (!bind(fd, (const struct sockaddr *)&at, len) && !listen(fd, BACKLOG)) return fd;
    int problem = errno;
    close(fd);
    errno = problem;
    return -1;
}

struct io_listener *uv_listener_new(struct io_loop *l, const struct io_addr *addr, struct divan_error *err)
{
    char text[64];
    struct uv_listener *u = mem_zalloc(sizeof *u);
    if (!u) {
        err_oom(err);
        return NULL;
    }
    int fd = open_socket(addr);
    if (fd < 0) {
        err_sys(err, listen_failed(errno), errno, "cannot listen on %s", io_addr_text(addr, text, sizeof text));
        mem_free(u);
        return NULL;
    }
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    u->base.addr = *addr;
    if (!getsockname(fd, (struct sockaddr *)&bound, &len)) addr_from_sockaddr(&u->base.addr, &bound);
    io_timer_init(&u->resume, l, on_resume, u);
    uv_poller_init(&u->poller, uv_io_of(l), fd);
    u->poller.ready = on_ready;
    u->poller.gone = on_gone;
    uv_poller_want(&u->poller, UV_READABLE);
    return &u->base;
}
