/* The cluster document: what is accepted can be written, read and shown, and is the same again. */
#include <stdlib.h>

#include "manager/doc.h"
#include "text/json.h"

static void show(const struct doc *d)
{
    struct buf out = {.limit = 1 << 26};
    const char *self = d->node_count ? d->nodes[0].uuid : "";
    doc_global_config(d, self, &out);
    for (size_t i = 0; i < d->bucket_count; i++) {
        buf_clear(&out);
        doc_bucket_config(d, &d->buckets[i], self, &out);
        if (!out.failed && !json_is_valid(buf_view(&out))) abort();
        buf_clear(&out);
        doc_manifest_json(&d->buckets[i].manifest, true, &out);
        if (!out.failed && !json_is_valid(buf_view(&out))) abort();
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct doc *d = NULL, *again = NULL;
    struct divan_error err = {0};
    if (doc_from_json(bytes_of(data, size), &d, &err)) {
        if (!*err.message) abort();
        return 0;
    }
    struct buf first = {.limit = 1 << 26}, second = {.limit = 1 << 26};
    show(d);
    if (doc_to_json(d, &first)) {
        if (doc_from_json(buf_view(&first), &again, &err)) abort();
        if (!doc_to_json(again, &second) || !bytes_equal(buf_view(&first), buf_view(&second))) abort();
        if (!doc_same_users(d, again) || !doc_same_global_config(d, again)) abort();
    }
    doc_release(d);
    doc_release(again);
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}
