#include "nullserver.h"

#include "mcbp.h"
#include "wire/sasl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { INPUT_BYTES = 1 << 20, OUTPUT_BYTES = 4 << 20, EVENTS = 64 };
enum { STATUS_OK = 0, STATUS_AUTH_FAILED = 0x20, STATUS_AUTH_CONTINUE = 0x21, STATUS_UNKNOWN = 0x81 };
enum { ITERATIONS = 4096 }; /* one login per connection is not what is measured */

struct session {
    int fd;
    size_t in_len, out_len, out_sent;
    uint8_t *in, *out;
    struct sasl_server sasl;
};

/* What every session answers with, made once. */
static struct {
    char config[16384];
    size_t config_len;
    uint8_t get[HEADER + 4 + NULL_VALUE_BYTES]; /* header, flags, value */
    uint8_t set[HEADER + 16];                   /* header, mutation token */
    struct sasl_secret secret;
} constant;

static const char error_map[] = "{\"version\":1,\"revision\":1,\"errors\":{}}";
static const char mechanisms[] = "SCRAM-SHA512 SCRAM-SHA256 SCRAM-SHA1 PLAIN";
static const char manifest[] = "{\"uid\":\"0\",\"scopes\":[{\"name\":\"_default\",\"uid\":\"0\",\"collections\":"
                               "[{\"name\":\"_default\",\"uid\":\"0\"}]}]}";

static void response_header(uint8_t *out, uint8_t op, unsigned status, size_t extras, size_t key, size_t value)
{
    memset(out, 0, HEADER);
    out[0] = 0x81, out[1] = op;
    store16(out + 2, (unsigned)key);
    out[4] = (uint8_t)extras;
    store16(out + 6, status);
    store32(out + 8, (uint32_t)(extras + key + value));
    out[23] = 1; /* CAS */
}

static void make_constants(uint16_t port)
{
    int n = snprintf(
        constant.config, sizeof constant.config,
        "{\"rev\":1,\"revEpoch\":1,\"name\":\"default\",\"nodeLocator\":\"vbucket\",\"uuid\":\"0\",\"uri\":"
        "\"/pools/default/buckets/default\",\"bucketCapabilities\":[\"collections\",\"durableWrite\","
        "\"cccp\"],\"nodes\":[{\"hostname\":\"$HOST:1\",\"ports\":{\"direct\":%u}}],\"nodesExt\":[{"
        "\"services\":{\"kv\":%u,\"mgmt\":1},\"thisNode\":true,\"hostname\":\"127.0.0.1\"}],"
        "\"vBucketServerMap\":{\"hashAlgorithm\":\"CRC\",\"numReplicas\":0,\"serverList\":[\"$HOST:%u\"],"
        "\"vBucketMap\":[",
        port, port, port);
    for (int i = 0; i < NULL_VBUCKETS; i++)
        n += snprintf(constant.config + n, sizeof constant.config - (size_t)n, "%s[0]", i ? "," : "");
    n += snprintf(constant.config + n, sizeof constant.config - (size_t)n, "]}}");
    constant.config_len = (size_t)n;
    response_header(constant.get, OP_GET, STATUS_OK, 4, 0, NULL_VALUE_BYTES);
    memset(constant.get + HEADER + 4, 'x', NULL_VALUE_BYTES);
    response_header(constant.set, OP_SET, STATUS_OK, 16, 0, 0);
    constant.set[HEADER + 7] = constant.set[HEADER + 15] = 1;
    if (sasl_secret_derive(divan_str(NULL_PASSWORD), ITERATIONS, &constant.secret, NULL)) abort();
}

static uint8_t *answer(struct session *s, uint8_t op, unsigned status, const uint8_t *opaque, const void *extras,
                       size_t extras_len, const void *value, size_t value_len)
{
    uint8_t *out = s->out + s->out_len;
    response_header(out, op, status, extras_len, 0, value_len);
    memcpy(out + 12, opaque, 4);
    if (extras_len) memcpy(out + HEADER, extras, extras_len);
    if (value_len) memcpy(out + HEADER + extras_len, value, value_len);
    s->out_len += HEADER + extras_len + value_len;
    return out;
}

/* Grants of the features asked those that a plain node without tracing has. */
static size_t grant_features(const uint8_t *asked, size_t len, uint8_t *out)
{
    static const uint8_t offered[] = {0x03, 0x04, 0x06, 0x07, 0x08, 0x0b, 0x0e, 0x10, 0x11, 0x12};
    size_t n = 0;
    for (size_t i = 0; i + 1 < len && n < 64; i += 2)
        if (!asked[i] && memchr(offered, asked[i + 1], sizeof offered)) out[n++] = 0, out[n++] = asked[i + 1];
    return n;
}

static void authenticate(struct session *s, uint8_t op, const uint8_t *opaque, struct divan_bytes mechanism,
                         struct divan_bytes payload)
{
    struct buf out = {.limit = 4096};
    char nonce[33];
    enum sasl_verdict verdict = op == OP_SASL_STEP ? sasl_server_step(&s->sasl, payload, &out)
                                                   : sasl_server_begin(&s->sasl, sasl_from_name(mechanism), payload);
    if (verdict == SASL_LOOKUP && sasl_nonce(nonce)) {
        const struct sasl_secret *secret = strcmp(s->sasl.user, NULL_USER) ? NULL : &constant.secret;
        verdict = sasl_server_answer(&s->sasl, secret, divan_str("pepper"), nonce, &out);
    }
    unsigned status = verdict == SASL_ACCEPTED   ? STATUS_OK
                      : verdict == SASL_CONTINUE ? STATUS_AUTH_CONTINUE
                                                 : STATUS_AUTH_FAILED;
    answer(s, op, status, opaque, NULL, 0, out.data, out.len);
    if (status != STATUS_AUTH_CONTINUE) sasl_server_reset(&s->sasl);
    buf_fini(&out);
}

/* Everything that is no GET and no SET: the handshake. */
static void answer_rare(struct session *s, const uint8_t *frame, size_t key_len, size_t body_len)
{
    static const uint8_t collection_id[12];
    uint8_t features[64], op = frame[1];
    const uint8_t *opaque = frame + 12, *value = frame + HEADER + frame[4] + key_len;
    size_t value_len = body_len - frame[4] - key_len;
    switch (op) {
    case OP_HELLO:
        answer(s, op, STATUS_OK, opaque, NULL, 0, features, grant_features(value, value_len, features));
        break;
    case OP_SASL_MECHS:
        answer(s, op, STATUS_OK, opaque, NULL, 0, mechanisms, sizeof mechanisms - 1);
        break;
    case OP_SASL_AUTH:
    case OP_SASL_STEP:
        authenticate(s, op, opaque, (struct divan_bytes){frame + HEADER + frame[4], key_len},
                     (struct divan_bytes){value, value_len});
        break;
    case OP_SELECT_BUCKET:
    case OP_NOOP:
        answer(s, op, STATUS_OK, opaque, NULL, 0, NULL, 0);
        break;
    case OP_ERROR_MAP:
        answer(s, op, STATUS_OK, opaque, NULL, 0, error_map, sizeof error_map - 1);
        break;
    case OP_CLUSTER_CONFIG:
        answer(s, op, STATUS_OK, opaque, NULL, 0, constant.config, constant.config_len)[5] = 1;
        break;
    case OP_MANIFEST:
        answer(s, op, STATUS_OK, opaque, NULL, 0, manifest, sizeof manifest - 1)[5] = 1;
        break;
    case OP_COLLECTION_ID:
        answer(s, op, STATUS_OK, opaque, collection_id, 12, NULL, 0);
        break;
    default:
        answer(s, op, STATUS_UNKNOWN, opaque, NULL, 0, NULL, 0);
    }
}

static void answer_one(struct session *s, const uint8_t *frame, size_t body_len)
{
    const uint8_t *fixed = NULL;
    size_t len = 0;
    if (frame[1] == OP_GET) fixed = constant.get, len = sizeof constant.get;
    if (frame[1] == OP_SET) fixed = constant.set, len = sizeof constant.set;
    if (!fixed) {
        bool framed = frame[0] == 0x08;
        answer_rare(s, frame, framed ? frame[3] : load16(frame + 2), body_len);
        return;
    }
    memcpy(s->out + s->out_len, fixed, len);
    memcpy(s->out + s->out_len + 12, frame + 12, 4);
    s->out_len += len;
}

/* Sends what waits; false when the connection is gone. */
static bool flush(struct session *s)
{
    while (s->out_sent < s->out_len) {
        ssize_t n = send(s->fd, s->out + s->out_sent, s->out_len - s->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return true;
        if (n < 0) return false;
        s->out_sent += (size_t)n;
    }
    s->out_sent = s->out_len = 0;
    return true;
}

static bool readable(struct session *s)
{
    ssize_t n = recv(s->fd, s->in + s->in_len, INPUT_BYTES - s->in_len, 0);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (!n) return false;
    s->in_len += (size_t)n;
    size_t at = 0;
    while (s->in_len - at >= HEADER && OUTPUT_BYTES - s->out_len > sizeof constant.config + HEADER) {
        size_t body = load32(s->in + at + 8);
        if (body > INPUT_BYTES - HEADER) return false;
        if (s->in_len - at < HEADER + body) break;
        answer_one(s, s->in + at, body);
        at += HEADER + body;
    }
    memmove(s->in, s->in + at, s->in_len - at);
    s->in_len -= at;
    return flush(s);
}

static void session_end(struct session *s)
{
    close(s->fd);
    sasl_server_fini(&s->sasl);
    free(s->in);
    free(s->out);
    free(s);
}

static void session_begin(int poller, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct session *s = calloc(1, sizeof *s);
    if (!s) abort();
    *s = (struct session){.fd = fd, .in = malloc(INPUT_BYTES), .out = malloc(OUTPUT_BYTES)};
    if (!s->in || !s->out) abort();
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = s});
}

void null_serve(int listener, uint16_t port)
{
    make_constants(port);
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
    for (;;) {
        int n = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct session *s = events[i].data.ptr;
            if (!s) session_begin(poller, listener);
            else if (!((events[i].events & ~(uint32_t)EPOLLOUT) ? readable(s) : flush(s))) session_end(s);
            else if (s->out_len || events[i].events & EPOLLOUT) /* a slow reader: be told when there is room */
                epoll_ctl(poller, EPOLL_CTL_MOD, s->fd,
                          &(struct epoll_event){.events = EPOLLIN | (s->out_len ? EPOLLOUT : 0u), .data.ptr = s});
        }
    }
}

int null_listen(uint16_t port, uint16_t *bound)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) || listen(fd, 64) ||
        getsockname(fd, (struct sockaddr *)&addr, &len)) {
        close(fd);
        return -1;
    }
    *bound = ntohs(addr.sin_port);
    return fd;
}

pid_t null_start(uint16_t *port)
{
    int listener = null_listen(0, port);
    if (listener < 0) return -1;
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        null_serve(listener, *port);
    }
    close(listener);
    return pid;
}

void null_stop(pid_t pid)
{
    if (pid <= 0) return;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}
