/* Bytes from a peer through everything that reads frames; what decodes must encode to the same bytes again. */
#include <stdlib.h>

#include "base/alloc.h"
#include "wire/check.h"
#include "wire/dissect.h"
#include "wire/kv.h"
#include "wire/session.h"

static void read_as_request(const struct frame *f)
{
    struct kv_framing framing;
    struct kv_store store;
    struct kv_counter counter;
    struct collection_path path;
    struct config_version version;
    struct divan_bytes view;
    struct divan_error err;
    const char *problem;
    uint32_t n;
    bool flag;
    request_check(f, ~(feature_set)0, &problem);
    request_check(f, 0, &problem);
    if (kv_read_framing(f, &framing, &problem) == ST_SUCCESS && framing.durability > 3) abort();
    if (!kv_read_key(f, true, &n, &view, &err) && (!view.len || view.len > KEY_MAX)) abort();
    if (!kv_read_key(f, false, &n, &view, &err) && (!view.len || view.len > KEY_MAX)) abort();
    kv_read_store(f, &store, &err);
    kv_read_counter(f, &counter, &err);
    kv_read_touch(f, &n, &err);
    kv_read_getl(f, &n, &err);
    kv_read_get_meta(f, &flag, &err);
    session_read_error_map_version(f);
    session_read_get_config(f, &flag, &version, &err);
    session_read_collection_path(f, &path, &err);
    session_read_config_push(f, &view, &version, &err);
}

static void read_as_response(const struct frame *f)
{
    struct mutation_token token;
    struct kv_meta meta;
    struct collection_id id;
    struct divan_error err;
    uint64_t value;
    uint32_t flags;
    kv_read_flags(f, &flags, &err);
    kv_read_token(f, &token, &err);
    kv_read_counter_value(f, &value, &err);
    kv_read_meta(f, &meta, &err);
    kv_server_duration_us(f);
    session_read_collection_id(f, &id, &err);
}

/* An alternative magic without framing extras is legal but never written. */
static bool is_ours(const struct frame *f)
{
    return f->framing.len || (f->magic != MAGIC_ALT_REQUEST && f->magic != MAGIC_ALT_RESPONSE);
}

static void write_again(const struct frame *f, struct divan_bytes original)
{
    struct buf out = {.limit = FRAME_MAX};
    struct frame g = *f;
    if (g.magic == MAGIC_ALT_REQUEST) g.magic = MAGIC_REQUEST;
    if (g.magic == MAGIC_ALT_RESPONSE) g.magic = MAGIC_RESPONSE;
    frame_encode(&out, &g);
    if (!out.failed && is_ours(f) && !bytes_equal(buf_view(&out), original)) abort();
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[DISSECT_MAX];
    struct divan_error err;
    struct divan_bytes input = bytes_of(data, size);
    bytes_dissect(input, true, line, sizeof line);
    for (size_t taken = 0; taken < size;) {
        struct frame f;
        size_t len;
        if (frame_decode(bytes_slice(input, taken, size), FRAME_MAX, &f, &len, &err) != FRAME_COMPLETE) break;
        if (len < FRAME_HEADER || len > size - taken) abort();
        read_as_request(&f);
        read_as_response(&f);
        frame_dissect(&f, false, line, sizeof line);
        write_again(&f, bytes_slice(input, taken, len));
        taken += len;
    }
    return 0;
}
