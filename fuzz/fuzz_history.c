/* Observe, lists of seqnos, writes with metadata, random documents. The first byte is the length of the extras. */
#include <stdlib.h>

#include "wire/history.h"
#include "wire/withmeta.h"

static void read_lists(struct divan_bytes value)
{
    struct buf again = {.limit = 1 << 20};
    struct observed o;
    struct vbucket_seqno pair;
    struct failover_entry entry;
    struct rd r = rd_from(value);
    while (observe_next_key(&r, &o)) observe_put_key(&again, &o);
    if (!bytes_equal(buf_view(&again), bytes_slice(value, 0, again.len))) abort();
    buf_clear(&again), r = rd_from(value);
    while (observe_next_state(&r, &o)) observe_put_state(&again, &o);
    if (!bytes_equal(buf_view(&again), bytes_slice(value, 0, again.len))) abort();
    buf_clear(&again), r = rd_from(value);
    while (seqnos_next(&r, &pair)) seqnos_put(&again, pair);
    if (again.len != value.len - value.len % 10) abort();
    buf_clear(&again), r = rd_from(value);
    while (failover_next(&r, &entry)) failover_put(&again, entry);
    if (again.len != value.len - value.len % 16) abort();
    buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame f = {.magic = MAGIC_REQUEST};
    struct observe_seqno seqno;
    struct seqnos_request seqnos;
    struct with_meta meta;
    struct random_request random;
    struct random_document document;
    struct divan_error err;
    uint64_t number;
    if (!size) return 0;
    struct rd r = rd_from(bytes_of(data + 1, size - 1));
    f.extras = rd_take(&r, data[0] & 31);
    f.value = rd_rest(&r);
    f.key = bytes_slice(f.value, 0, 8);
    read_lists(f.value);
    observe_seqno_read(f.value, &seqno, &err);
    observe_seqno_read_request(&f, &number, &err);
    seqnos_read_request(&f, &seqnos, &err);
    seqno_persistence_read(&f, &number, &err);
    if (!with_meta_read(&f, &meta, &err) && meta.value.len + meta.extended.len != f.value.len) abort();
    for (int collections = 0; collections < 2; collections++) {
        random.collections = collections;
        random_read_request(&f, &random, &err);
        if (!random_read_reply(&f, collections, &document, &err) && !document.key.len) abort();
    }
    return 0;
}
