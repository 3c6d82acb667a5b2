/* What a program without any library reaches: a blocking socket, requests made beforehand, answers only skipped. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { FLOOR_BATCH_MAX = 1024, FLOOR_KEY_BYTES = 16 };

struct floor {
    int fd;
    uint8_t *requests, *input;
    size_t request_size, batch;
};

/** Connects and makes `batch` GET requests of keys 0..batch-1, spread over `vbuckets` (0: field left 0). */
bool floor_open(struct floor *f, uint16_t port, size_t batch, uint16_t vbuckets);
/** Authenticates with PLAIN and selects a bucket, as a node with data wants. */
bool floor_login(struct floor *f, const char *user, const char *password, const char *bucket);
/** Stores a value of value_len bytes under each of the keys. */
bool floor_fill(struct floor *f, uint16_t vbuckets, size_t value_len);
/** Sends one request and waits for its answer. false: connection gone or an answer that is no success. */
bool floor_get(struct floor *f);
/** Sends the whole batch in one write and reads all answers. */
bool floor_get_batch(struct floor *f);
void floor_close(struct floor *f);

/** The text of key number n: FLOOR_KEY_BYTES characters, no NUL counted. */
static inline void floor_key(char out[FLOOR_KEY_BYTES + 1], unsigned n)
{
    snprintf(out, FLOOR_KEY_BYTES + 1, "bench-key-%06u", n % 1000000);
}

#endif
