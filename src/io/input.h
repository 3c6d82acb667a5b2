/* Where a stream reads to: one chunk at a time, filled from the front. Bytes that a consumer pinned stay where they are;
 * a partial frame moves to a new chunk when the old one has no room left. */
#ifndef DIVAN_IO_INPUT_H
#define DIVAN_IO_INPUT_H

#include "base/bytes.h"
#include "base/chunk.h"

/** Chunks of CHUNK_SIZE that streams of one loop share: a stream without unread bytes holds none. An entry may still be
 * pinned by a consumer: its first `used` bytes are then taboo. */
enum { POOL_CHUNKS = 8 };
struct chunk_pool {
    struct {
        struct chunk *chunk;
        size_t used;
    } entries[POOL_CHUNKS];
    size_t count;
};
void chunk_pool_fini(struct chunk_pool *);

struct input {
    struct chunk *chunk; /* NULL = nothing is here */
    size_t from, to;     /* unread bytes */
    size_t expect;       /* contiguous bytes the consumer needs for its next step; 0 = any */
};

static inline struct divan_bytes input_view(const struct input *in)
{
    return in->chunk ? bytes_of(in->chunk->data + in->from, in->to - in->from) : bytes_of(NULL, 0);
}
void input_consume(struct input *in, size_t n);
/** Room to read into behind the unread bytes; 0 = out of memory. Calls for input_added() or nothing. */
size_t input_room(struct input *in, struct chunk_pool *pool, uint8_t **at);
static inline void input_added(struct input *in, size_t n)
{
    in->to += n;
}
/** Between two reads: gives an emptied chunk back to the pool. */
void input_settle(struct input *in, struct chunk_pool *pool);
void input_fini(struct input *in, struct chunk_pool *pool);

#endif
