#include "floor.h"

#include "mcbp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_BYTES = 1 << 20 };

/* CRC-32, a bit at a time: only used to make requests. */
static uint16_t vbucket_of(const char *key, uint16_t vbuckets)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < FLOOR_KEY_BYTES; i++) {
        crc ^= (uint8_t)key[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return vbuckets ? (uint16_t)((~crc >> 16 & 0x7fff) % vbuckets) : 0;
}

static bool send_all(int fd, const uint8_t *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads until `count` answers are complete; false when one is no success. */
static bool skip_answers(struct floor *f, size_t count)
{
    size_t have = 0, at = 0;
    while (count) {
        while (have - at >= HEADER) {
            size_t size = HEADER + load32(f->input + at + 8);
            if (have - at < size) break;
            if (load16(f->input + at + 6)) return false;
            at += size;
            if (!--count) return true;
        }
        if (at && have == at) have = at = 0;
        if (have == INPUT_BYTES) {
            memmove(f->input, f->input + at, have - at);
            have -= at;
            at = 0;
        }
        ssize_t n = recv(f->fd, f->input + have, INPUT_BYTES - have, 0);
        if (n <= 0) return false;
        have += (size_t)n;
    }
    return true;
}

bool floor_open(struct floor *f, uint16_t port, size_t batch, uint16_t vbuckets)
{
    struct sockaddr_in addr = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    *f = (struct floor){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .batch = batch};
    f->request_size = HEADER + FLOOR_KEY_BYTES;
    f->requests = malloc(batch * f->request_size);
    f->input = malloc(INPUT_BYTES);
    if (f->fd < 0 || !f->requests || !f->input) return false;
    for (unsigned i = 0; i < batch; i++) {
        uint8_t *at = f->requests + i * f->request_size;
        char key[FLOOR_KEY_BYTES + 1];
        floor_key(key, i);
        put_request(at, OP_GET, vbucket_of(key, vbuckets), 0, FLOOR_KEY_BYTES, 0);
        memcpy(at + HEADER, key, FLOOR_KEY_BYTES);
    }
    if (connect(f->fd, (struct sockaddr *)&addr, sizeof addr)) return false;
    setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return true;
}

static bool ask(struct floor *f, uint8_t op, const char *key, const void *value, size_t value_len)
{
    uint8_t out[512];
    size_t key_len = strlen(key), n = put_request(out, op, 0, 0, key_len, value_len);
    if (n + key_len + value_len > sizeof out) return false;
    memcpy(out + n, key, key_len);
    if (value_len) memcpy(out + n + key_len, value, value_len);
    return send_all(f->fd, out, n + key_len + value_len) && skip_answers(f, 1);
}

bool floor_login(struct floor *f, const char *user, const char *password, const char *bucket)
{
    char plain[256];
    int n = snprintf(plain, sizeof plain, "%c%s%c%s", 0, user, 0, password);
    return n > 0 && (size_t)n < sizeof plain && ask(f, OP_SASL_AUTH, "PLAIN", plain, (size_t)n) &&
           ask(f, OP_SELECT_BUCKET, bucket, NULL, 0);
}

bool floor_fill(struct floor *f, uint16_t vbuckets, size_t value_len)
{
    uint8_t out[HEADER + 8 + FLOOR_KEY_BYTES + 4096];
    if (value_len > 4096) return false;
    memset(out, 'x', sizeof out);
    for (unsigned i = 0; i < f->batch; i++) {
        char key[FLOOR_KEY_BYTES + 1];
        floor_key(key, i);
        size_t n = put_request(out, OP_SET, vbucket_of(key, vbuckets), 8, FLOOR_KEY_BYTES, value_len);
        memset(out + n, 0, 8);
        memcpy(out + n + 8, key, FLOOR_KEY_BYTES);
        if (!send_all(f->fd, out, n + 8 + FLOOR_KEY_BYTES + value_len) || !skip_answers(f, 1)) return false;
    }
    return true;
}

bool floor_get(struct floor *f)
{
    return send_all(f->fd, f->requests, f->request_size) && skip_answers(f, 1);
}

bool floor_get_batch(struct floor *f)
{
    return send_all(f->fd, f->requests, f->batch * f->request_size) && skip_answers(f, f->batch);
}

void floor_close(struct floor *f)
{
    if (f->fd >= 0) close(f->fd);
    free(f->requests);
    free(f->input);
    *f = (struct floor){.fd = -1};
}
