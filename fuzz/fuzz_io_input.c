/* Where streams read to, against a model: whatever is read, consumed, expected and pinned in whatever order, the unread
 * bytes are the ones that came, contiguous, and pinned bytes never change. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/rand.h"
#include "io/input.h"

enum { STREAMS = 3, PINS = 16, EXPECT_MAX = 3 * CHUNK_SIZE };

struct model {
    struct input in;
    uint64_t read, consumed; /* byte i of a stream is value(i) */
};

struct pin {
    struct chunk *chunk;
    struct divan_bytes bytes;
    uint64_t first;
    unsigned stream;
};

static uint8_t value(unsigned stream, uint64_t at)
{
    return (uint8_t)(at * 37 + (at >> 9) + stream * 101);
}

static void check_bytes(struct divan_bytes bytes, unsigned stream, uint64_t first)
{
    const uint8_t *at = bytes.data;
    size_t step = bytes.len > 4096 ? 61 : 1; /* large ones by samples, and to their end */
    for (size_t i = 0; i < bytes.len; i += step)
        if (at[i] != value(stream, first + i)) abort();
    if (bytes.len && at[bytes.len - 1] != value(stream, first + bytes.len - 1)) abort();
}

static void read_some(struct model *m, unsigned stream, struct chunk_pool *pool, size_t want)
{
    uint8_t *at;
    size_t room = input_room(&m->in, pool, &at), left = m->in.to - m->in.from;
    if (!room) abort();
    if (m->in.expect > left && room < m->in.expect - left) abort(); /* what is expected fits behind what is here */
    size_t n = want < room ? want : room;
    for (size_t i = 0; i < n; i++) at[i] = value(stream, m->read + i);
    input_added(&m->in, n);
    m->read += n;
}

static void pin_some(struct model *m, unsigned stream, struct pin *pin)
{
    if (pin->chunk) check_bytes(pin->bytes, pin->stream, pin->first);
    chunk_release(pin->chunk);
    pin->chunk = NULL;
    if (!m->in.chunk) return;
    *pin = (struct pin){chunk_retain(m->in.chunk), input_view(&m->in), m->consumed, stream};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct model models[STREAMS] = {0};
    struct pin pins[PINS] = {0};
    struct chunk_pool pool = {0};
    int64_t live = mem_live();
    for (size_t i = 0; i + 3 <= size && i < 3000; i += 3) {
        unsigned stream = data[i] % STREAMS, op = data[i] / STREAMS % 5;
        size_t amount = (size_t)data[i + 1] << (data[i + 2] % 11);
        struct model *m = &models[stream];
        size_t left = m->in.to - m->in.from;
        if (op == 0 && left < EXPECT_MAX) read_some(m, stream, &pool, amount);
        else if (op == 1) {
            size_t n = amount < left ? amount : left;
            input_consume(&m->in, n);
            m->consumed += n;
        } else if (op == 2) m->in.expect = amount % EXPECT_MAX;
        else if (op == 3) input_settle(&m->in, &pool);
        else pin_some(m, stream, &pins[data[i + 2] % PINS]);
        struct divan_bytes view = input_view(&m->in);
        if (view.len != m->read - m->consumed) abort();
        check_bytes(view, stream, m->consumed);
    }
    for (int i = 0; i < STREAMS; i++) input_fini(&models[i].in, &pool);
    chunk_pool_fini(&pool);
    for (int i = 0; i < PINS; i++) {
        if (pins[i].chunk) check_bytes(pins[i].bytes, pins[i].stream, pins[i].first);
        chunk_release(pins[i].chunk);
    }
    if (mem_live() != live) abort();
    return 0;
}
