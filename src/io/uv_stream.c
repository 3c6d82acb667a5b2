#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "io/uv.h"

enum { KEEPALIVE_S = 60, READS_PER_EVENT = 16 };

struct uv_stream {
    struct io_stream base;
    struct uv_poller poller;
    bool may_wait; /* the socket blocks, with a time limit: all but io_wait_sleep() ask not to */
    bool reserved; /* a waiter reads: see io_wait_begin() */
    bool dropped;  /* meanwhile */
};

static struct uv_stream *of_stream(struct io_stream *s)
{
    return container_of(s, struct uv_stream, base);
}

static ptrdiff_t socket_send(struct io_stream *s, struct divan_bytes bytes)
{
    ssize_t n;
    do n = send(of_stream(s)->poller.fd, bytes.data, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0) return n;
    return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

static void socket_update(struct io_stream *s)
{
    uv_poller_want(&of_stream(s)->poller,
                   (stream_wants_read(s) ? UV_READABLE : 0) | (stream_wants_write(s) ? UV_WRITABLE : 0));
}

static void socket_finish(struct io_stream *s)
{
    shutdown(of_stream(s)->poller.fd, SHUT_WR);
}

static void socket_drop(struct io_stream *s)
{
    struct uv_stream *u = of_stream(s);
    if (u->reserved) { /* the descriptor must not be closed, and perhaps used again, under the waiter */
        u->dropped = true;
        shutdown(u->poller.fd, SHUT_RDWR);
    } else uv_poller_close(&u->poller);
}

static int socket_reserve(struct io_stream *s)
{
    struct uv_stream *u = of_stream(s);
    if (!u->may_wait || u->reserved || s->state != STREAM_OPEN || s->paused) return -1;
    u->reserved = true;
    return u->poller.fd;
}

static bool socket_unreserve(struct io_stream *s)
{
    struct uv_stream *u = of_stream(s);
    u->reserved = false;
    if (u->dropped) uv_poller_close(&u->poller);
    return !u->dropped;
}

static const struct stream_ops socket_ops = {
    .send = socket_send,
    .update = socket_update,
    .finish = socket_finish,
    .drop = socket_drop,
    .reserve = socket_reserve,
    .unreserve = socket_unreserve,
};

static void read_socket(struct uv_stream *u)
{
    struct io_stream *s = &u->base;
    for (int i = 0; i < READS_PER_EVENT && stream_wants_read(s); i++) {
        uint8_t *at;
        size_t room = stream_room(s, &at);
        if (!room) return;
        ssize_t n = recv(u->poller.fd, at, room, MSG_DONTWAIT);
        if (n > 0) stream_received(s, (size_t)n);
        else if (n == 0) stream_ended(s, DIVAN_OK, 0, NULL);
        else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
            stream_ended(s, DIVAN_ERR_CONNECTION_LOST, errno, "the connection broke to");
        if (n != (ssize_t)room) return; /* a short read has emptied the socket */
    }
}

static void read_local_address(struct uv_stream *u)
{
    struct sockaddr_storage local;
    socklen_t len = sizeof local;
    if (!getsockname(u->poller.fd, (struct sockaddr *)&local, &len)) addr_from_sockaddr(&u->base.local, &local);
}

/* From now on the socket blocks where nobody says MSG_DONTWAIT, which only io_wait_sleep() does not, and not for long. */
static void let_wait(struct uv_stream *u)
{
    const struct timeval most = {.tv_usec = IO_WAIT_MS * 1000};
    int off = 0;
    u->may_wait = !setsockopt(u->poller.fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most) &&
                  !ioctl(u->poller.fd, FIONBIO, &off);
}

static void finish_connect(struct uv_stream *u)
{
    int problem = 0;
    socklen_t len = sizeof problem;
    if (getsockopt(u->poller.fd, SOL_SOCKET, SO_ERROR, &problem, &len)) problem = errno;
    if (problem) {
        stream_ended(&u->base, DIVAN_ERR_UNREACHABLE, problem, "cannot connect to");
        return;
    }
    read_local_address(u);
    let_wait(u);
    stream_opened(&u->base);
}

static void on_ready(struct uv_poller *p, int events)
{
    struct uv_stream *u = container_of(p, struct uv_stream, poller);
    if (u->base.state == STREAM_CONNECTING) {
        finish_connect(u);
        return;
    }
    if (events & UV_WRITABLE && stream_wants_write(&u->base)) stream_writable(&u->base);
    if (events & UV_READABLE && !u->reserved) read_socket(u);
}

static void on_gone(struct uv_poller *p)
{
    struct uv_stream *u = container_of(p, struct uv_stream, poller);
    stream_gone(&u->base);
    mem_free(u);
}

static struct uv_stream *stream_new(struct uv_io *io, int fd, enum stream_state state)
{
    struct uv_stream *u = mem_zalloc(sizeof *u);
    if (!u) return NULL;
    stream_init(&u->base, &io->base, &socket_ops, state);
    uv_poller_init(&u->poller, io, fd);
    u->poller.ready = on_ready;
    u->poller.gone = on_gone;
    return u;
}

static void tune(int fd)
{
    int on = 1, idle_s = KEEPALIVE_S; /* wishes: a socket works without */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
}

struct io_stream *uv_stream_accepted(struct uv_io *io, int fd, const struct io_addr *peer)
{
    struct uv_stream *u = stream_new(io, fd, STREAM_OPEN);
    if (!u) {
        close(fd);
        return NULL;
    }
    tune(fd);
    u->base.peer = *peer;
    read_local_address(u);
    socket_update(&u->base);
    return &u->base;
}

struct io_stream *uv_stream_connect(struct io_loop *l, const struct io_addr *addr, struct divan_error *err)
{
    struct sockaddr_storage to;
    char text[64];
    unsigned len = addr_to_sockaddr(addr, &to);
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        err_sys(err, DIVAN_ERR_SYSTEM, errno, "cannot make a socket to connect to %s",
                io_addr_text(addr, text, sizeof text));
        return NULL;
    }
    struct uv_stream *u = stream_new(uv_io_of(l), fd, STREAM_CONNECTING);
    if (!u) {
        close(fd);
        err_oom(err);
        return NULL;
    }
    tune(fd);
    u->base.peer = *addr;
    int rc;
    do rc = connect(fd, (const struct sockaddr *)&to, len);
    while (rc < 0 && errno == EINTR);
    if (rc < 0 && errno != EINPROGRESS) stream_ended(&u->base, DIVAN_ERR_UNREACHABLE, errno, "cannot connect to");
    else socket_update(&u->base);
    return &u->base;
}
