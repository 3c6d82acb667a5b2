/* A key-value connection that waits, for questions the library does not ask: authenticate, select a bucket, talk. */
#ifndef DIVAN_CLI_KVLINE_H
#define DIVAN_CLI_KVLINE_H

#include "wire/frame.h"

struct kvline {
    int fd;
    struct buf in;
    size_t used; /* of in: the frame given last */
    char where[300];
};

/** Connects within timeout_ms, which every later wait takes at most too. kvline_close() in any case. NAME_NOT_RESOLVED,
 * UNREACHABLE. */
enum divan_code kvline_open(struct kvline *k, const char *host, uint16_t port, uint32_t timeout_ms,
                            struct divan_error *err);
/** SCRAM-SHA512. AUTHENTICATION_FAILURE and what kvline_next() gives. */
enum divan_code kvline_authenticate(struct kvline *k, const char *user, const char *password, struct divan_error *err);
/** BUCKET_NOT_FOUND and what kvline_next() gives. */
enum divan_code kvline_select(struct kvline *k, const char *bucket, struct divan_error *err);
/** Sends encoded frames. CONNECTION_LOST, OUT_OF_MEMORY when the buffer has failed. */
enum divan_code kvline_send(struct kvline *k, const struct buf *frames, struct divan_error *err);
/** The next frame, borrowed until the next call. CONNECTION_LOST, UNAMBIGUOUS_TIMEOUT, FRAME_*. */
enum divan_code kvline_next(struct kvline *k, struct frame *out, struct divan_error *err);
void kvline_close(struct kvline *k);

#endif
