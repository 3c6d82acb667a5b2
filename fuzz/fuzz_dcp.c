/* Messages of DCP: what decodes must encode to the same message again. The first byte says whether keys carry collections. */
#include <stdlib.h>

#include "wire/dcp.h"

static void again(const struct dcp_message *m)
{
    struct buf out = {.limit = 1 << 20};
    struct frame f;
    struct dcp_message second;
    struct divan_error err;
    size_t size;
    dcp_put(&out, m);
    if (out.failed) abort();
    if (frame_decode(buf_view(&out), FRAME_MAX, &f, &size, &err) != FRAME_COMPLETE || size != out.len) abort();
    if (dcp_read(&f, m->collections, &second, &err)) abort();
    if (second.seqno != m->seqno || second.collection != m->collection || !bytes_equal(second.key, m->key)) abort();
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame f;
    struct dcp_message m;
    struct dcp_event_value event;
    struct divan_error err;
    uint64_t seqno;
    size_t used;
    if (!size) return 0;
    if (frame_decode(bytes_of(data + 1, size - 1), FRAME_MAX, &f, &used, &err) != FRAME_COMPLETE) return 0;
    dcp_read_rollback(&f, &seqno, &err);
    if (dcp_read(&f, data[0] & 1, &m, &err)) return 0;
    if (!dcp_read_event_value(&m, &event, &err) && m.value.len < 12) abort();
    if (f.key.len <= 255) again(&m); /* a longer one cannot stand beside a stream id */
    return 0;
}
