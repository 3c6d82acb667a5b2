#include "io/input.h"

/* A tail smaller than this is not worth a system call of its own. */
enum { MIN_ROOM = CHUNK_SIZE / 4 };

void chunk_pool_fini(struct chunk_pool *pool)
{
    while (pool->count) chunk_release(pool->entries[--pool->count].chunk);
}

static void pool_give(struct chunk_pool *pool, struct chunk *chunk, size_t used)
{
    if (chunk->cap != CHUNK_SIZE) {
        chunk_release(chunk);
        return;
    }
    if (pool->count == POOL_CHUNKS) { /* the oldest is the one most likely pinned for long */
        chunk_release(pool->entries[0].chunk);
        memmove(pool->entries, pool->entries + 1, (POOL_CHUNKS - 1) * sizeof pool->entries[0]);
        pool->count--;
    }
    pool->entries[pool->count].chunk = chunk;
    pool->entries[pool->count++].used = used;
}

/* The youngest entry with room (warm in the cache), else a new chunk. *used = where free bytes begin. */
static struct chunk *pool_take(struct chunk_pool *pool, size_t *used)
{
    for (size_t i = pool->count; i-- > 0;) {
        struct chunk *chunk = pool->entries[i].chunk;
        size_t taken = chunk_only_mine(chunk) ? 0 : pool->entries[i].used;
        if (CHUNK_SIZE - taken < MIN_ROOM) continue;
        pool->count--;
        memmove(pool->entries + i, pool->entries + i + 1, (pool->count - i) * sizeof pool->entries[0]);
        *used = taken;
        return chunk;
    }
    *used = 0;
    return chunk_new(CHUNK_SIZE);
}

void input_consume(struct input *in, size_t n)
{
    size_t left = in->to - in->from;
    in->from += n < left ? n : left;
    if (n) in->expect = 0;
}

void input_settle(struct input *in, struct chunk_pool *pool)
{
    if (!in->chunk || in->from != in->to) return;
    pool_give(pool, in->chunk, in->to);
    in->chunk = NULL;
    in->from = in->to = 0;
}

void input_fini(struct input *in, struct chunk_pool *pool)
{
    in->from = in->to;
    input_settle(in, pool);
    in->expect = 0;
}

/* Moves the unread bytes to the front of a chunk of at least `need` bytes. */
static bool relocate(struct input *in, struct chunk_pool *pool, size_t need)
{
    size_t left = in->to - in->from, at = 0;
    if (chunk_only_mine(in->chunk) && need <= in->chunk->cap) {
        memmove(in->chunk->data, in->chunk->data + in->from, left);
    } else {
        size_t size = in->expect == need ? need : 2 * need; /* unread bytes pile up: grow in big steps */
        struct chunk *chunk = need <= CHUNK_SIZE ? pool_take(pool, &at) : chunk_new(size);
        if (chunk && chunk->cap - at < need) { /* a pinned one with too little room */
            pool_give(pool, chunk, at);
            at = 0;
            chunk = chunk_new(CHUNK_SIZE);
        }
        if (!chunk) return false;
        memcpy(chunk->data + at, in->chunk->data + in->from, left);
        pool_give(pool, in->chunk, in->to);
        in->chunk = chunk;
    }
    in->from = at;
    in->to = at + left;
    return true;
}

/* How many contiguous bytes are wanted from `from` on; more than is unread. */
static size_t wanted(const struct input *in)
{
    size_t left = in->to - in->from;
    return in->expect > left ? in->expect : left + MIN_ROOM;
}

size_t input_room(struct input *in, struct chunk_pool *pool, uint8_t **at)
{
    input_settle(in, pool);
    if (!in->chunk) {
        in->chunk = in->expect > CHUNK_SIZE ? chunk_new(in->expect) : pool_take(pool, &in->to);
        in->from = in->to;
        if (!in->chunk) return 0;
    }
    size_t need = wanted(in);
    if (need > in->chunk->cap - in->from && !relocate(in, pool, need)) return 0;
    *at = in->chunk->data + in->to;
    return in->chunk->cap - in->to;
}
