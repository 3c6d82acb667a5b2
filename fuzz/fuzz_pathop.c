/* Sub-document requests and answers. The first byte is the opcode, the second the length of the extras. */
#include <stdlib.h>

#include "wire/pathop.h"

static void check_request(const struct pathop_request *r)
{
    uint8_t order[PATHOPS_MAX];
    struct pathop_request sorted = *r;
    if (!r->count || r->count > PATHOPS_MAX) abort();
    for (size_t i = 0; i < r->count; i++)
        if (r->ops[i].path.len > PATHOP_PATH_MAX) abort();
    pathop_sort(&sorted, order);
    for (size_t i = 0; i < r->count; i++)
        if (order[i] != i) abort(); /* what was accepted is sorted already */
}

/* A request that was accepted, written and read again, is the same. */
static void write_again(uint8_t opcode, const struct pathop_request *r)
{
    struct buf out = {.limit = 1 << 20};
    struct kv_target t = {.key = {"k", 1}};
    struct pathop_request again;
    struct divan_error err;
    struct frame f;
    size_t size;
    const char *problem;
    if (opcode == OP_SUBDOC_MULTI_LOOKUP || opcode == OP_SUBDOC_MULTI_MUTATION) pathop_put_multi(&out, &t, r);
    else pathop_put_single(&out, &t, r);
    if (frame_decode(buf_view(&out), FRAME_MAX, &f, &size, &err) != FRAME_COMPLETE || size != out.len) abort();
    if (pathop_read(&f, &again, &problem) != ST_SUCCESS || again.count != r->count) abort();
    if (again.doc_flags != r->doc_flags || again.expiry != r->expiry || again.user_flags != r->user_flags) abort();
    for (size_t i = 0; i < r->count; i++)
        if (!bytes_equal(again.ops[i].path, r->ops[i].path) || !bytes_equal(again.ops[i].value, r->ops[i].value))
            abort();
    buf_fini(&out);
}

static void read_results(struct divan_bytes value)
{
    struct pathop_result result;
    struct rd r = rd_from(value);
    while (pathop_next_lookup(&r, &result)) continue;
    r = rd_from(value);
    while (pathop_next_mutation(&r, &result))
        if (result.index >= PATHOPS_MAX) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pathop_request request;
    const char *problem;
    if (size < 2) return 0;
    struct frame f = {.magic = MAGIC_REQUEST, .opcode = data[0]};
    struct rd r = rd_from(bytes_of(data + 2, size - 2));
    f.extras = rd_take(&r, data[1] & 15);
    f.cas = data[1] >> 7;
    f.value = rd_rest(&r);
    read_results(f.value);
    if (pathop_read(&f, &request, &problem) != ST_SUCCESS) {
        if (!problem) abort();
        return 0;
    }
    check_request(&request);
    if (!f.cas) write_again(f.opcode, &request);
    return 0;
}
