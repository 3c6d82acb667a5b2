#include "cli/kvline.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "wire/opcodes.h"
#include "wire/sasl.h"
#include "wire/session.h"
#include "wire/statuses.h"

static int dial(const struct addrinfo *a, uint32_t timeout_ms)
{
    const struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait); /* of connect too */
    if (connect(fd, a->ai_addr, a->ai_addrlen) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

enum divan_code kvline_open(struct kvline *k, const char *host, uint16_t port, uint32_t timeout_ms,
                            struct divan_error *err)
{
    char service[8];
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    *k = (struct kvline){.fd = -1, .in = {.limit = FRAME_MAX + (1 << 20)}};
    snprintf(k->where, sizeof k->where, strchr(host, ':') ? "[%.255s]:%u" : "%.255s:%u", host, port);
    snprintf(service, sizeof service, "%u", port);
    int rc = getaddrinfo(host, service, &hints, &found);
    if (rc) return err_set(err, DIVAN_ERR_NAME_NOT_RESOLVED, "cannot resolve %s: %s", host, gai_strerror(rc));
    for (const struct addrinfo *a = found; a && k->fd < 0; a = a->ai_next) k->fd = dial(a, timeout_ms);
    int why = errno;
    freeaddrinfo(found);
    return k->fd >= 0 ? DIVAN_OK : err_sys(err, DIVAN_ERR_UNREACHABLE, why, "cannot connect to %s", k->where);
}

void kvline_close(struct kvline *k)
{
    if (k->fd > STDERR_FILENO) close(k->fd);
    buf_fini(&k->in);
    k->fd = -1;
}

enum divan_code kvline_send(struct kvline *k, const struct buf *frames, struct divan_error *err)
{
    if (frames->failed) return err_oom(err);
    for (size_t at = 0; at < frames->len;) {
        ssize_t n = send(k->fd, frames->data + at, frames->len - at, MSG_NOSIGNAL);
        if (n <= 0) return err_sys(err, DIVAN_ERR_CONNECTION_LOST, errno, "cannot send to %s", k->where);
        at += (size_t)n;
    }
    return DIVAN_OK;
}

static enum divan_code receive(struct kvline *k, struct divan_error *err)
{
    if (!buf_reserve(&k->in, 64 << 10)) return err_oom(err);
    ssize_t n = recv(k->fd, k->in.data + k->in.len, 64 << 10, 0);
    if (n == 0) return err_set(err, DIVAN_ERR_CONNECTION_LOST, "%s closed the connection", k->where);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return err_set(err, DIVAN_ERR_UNAMBIGUOUS_TIMEOUT, "%s did not answer in time", k->where);
    if (n < 0) return err_sys(err, DIVAN_ERR_CONNECTION_LOST, errno, "cannot receive from %s", k->where);
    k->in.len += (size_t)n;
    return DIVAN_OK;
}

enum divan_code kvline_next(struct kvline *k, struct frame *out, struct divan_error *err)
{
    size_t size;
    buf_drop_front(&k->in, k->used);
    k->used = 0;
    for (;;) {
        enum frame_verdict verdict = frame_decode(buf_view(&k->in), FRAME_MAX, out, &size, err);
        if (verdict == FRAME_BROKEN) return err->code;
        if (verdict == FRAME_COMPLETE) return k->used = size, DIVAN_OK;
        enum divan_code rc = receive(k, err);
        if (rc) return rc;
    }
}

static enum divan_code ask(struct kvline *k, struct buf *request, struct frame *out, struct divan_error *err)
{
    enum divan_code rc = kvline_send(k, request, err);
    buf_clear(request);
    return rc ? rc : kvline_next(k, out, err);
}

enum divan_code kvline_authenticate(struct kvline *k, const char *user, const char *password, struct divan_error *err)
{
    char nonce[33] = "";
    struct sasl_client sasl = {0};
    struct frame f;
    struct buf payload = {.limit = 4096}, request = {.limit = 8192};
    sasl_nonce(nonce);
    enum divan_code rc = sasl_client_init(&sasl, SASL_SCRAM_SHA512, divan_str(user), divan_str(password), nonce, err);
    if (!rc) rc = sasl_client_first(&sasl, &payload, err);
    if (!rc) session_put_sasl(&request, OP_SASL_AUTH, 1, SASL_SCRAM_SHA512, buf_view(&payload));
    if (!rc) rc = ask(k, &request, &f, err);
    buf_clear(&payload);
    if (!rc && f.status == ST_AUTH_CONTINUE) {
        rc = sasl_client_step(&sasl, f.value, &payload, err);
        session_put_sasl(&request, OP_SASL_STEP, 2, SASL_SCRAM_SHA512, buf_view(&payload));
        if (!rc) rc = ask(k, &request, &f, err);
    }
    if (!rc && f.status != ST_SUCCESS)
        rc = err_set(err, DIVAN_ERR_AUTHENTICATION_FAILURE, "%s refused the user name or password of \"%s\"", k->where,
                     user);
    sasl_client_fini(&sasl);
    buf_fini(&payload);
    buf_fini(&request);
    return rc;
}

enum divan_code kvline_select(struct kvline *k, const char *bucket, struct divan_error *err)
{
    struct frame f;
    struct buf request = {.limit = 4096};
    session_put_select_bucket(&request, 3, bucket);
    enum divan_code rc = ask(k, &request, &f, err);
    if (!rc && f.status != ST_SUCCESS)
        rc = err_set(err, DIVAN_ERR_BUCKET_NOT_FOUND, "%s has no bucket \"%s\", or this user may not see it", k->where,
                     bucket);
    buf_fini(&request);
    return rc;
}
