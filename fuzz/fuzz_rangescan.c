/* The JSON that starts a scan, and the items that come back. */
#include <stdlib.h>

#include "wire/rangescan.h"

static void read_items(struct divan_bytes input, enum scan_kind kind)
{
    struct buf again = {.limit = 1 << 20};
    struct scan_item item;
    struct rd r = rd_from(input);
    while (scan_next(&r, kind, &item)) scan_put_item(&again, kind, &item);
    if (!again.failed && !bytes_equal(buf_view(&again), bytes_slice(input, 0, again.len))) abort();
    if (rd_ok(&r) && again.len != input.len) abort();
    buf_fini(&again);
}

static void write_again(const struct scan_create *c)
{
    struct buf out = {.limit = 1 << 20};
    struct scan_create again;
    struct divan_error err;
    struct frame f;
    size_t size;
    const char *problem;
    scan_put_create(&out, 1, 2, c);
    if (frame_decode(buf_view(&out), FRAME_MAX, &f, &size, &err) != FRAME_COMPLETE) abort();
    if (scan_read_create(&f, &again, &problem) != SCAN_GOOD) abort();
    if (again.collection != c->collection || again.samples != c->samples || again.seqno != c->seqno) abort();
    if (again.start.len != c->start.len || memcmp(again.start.key, c->start.key, c->start.len)) abort();
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct divan_bytes input = bytes_of(data, size);
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = OP_RANGE_SCAN_CREATE, .datatype = DATATYPE_JSON};
    struct scan_create create;
    struct scan_continue go_on;
    struct scan_id id;
    struct divan_error err;
    enum scan_kind kind;
    const char *problem;
    f.value = input;
    if (scan_read_create(&f, &create, &problem) == SCAN_GOOD) write_again(&create);
    f.extras = bytes_slice(input, 0, 28);
    scan_read_continue(&f, &go_on, &err);
    scan_read_created(&f, &id, &err);
    f.extras = bytes_slice(input, 0, 4);
    scan_read_kind(&f, &kind, &err);
    read_items(input, SCAN_KEYS);
    read_items(input, SCAN_DOCUMENTS);
    return 0;
}
