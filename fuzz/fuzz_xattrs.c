/* Sections of extended attributes. */
#include <stdlib.h>

#include "wire/xattrs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct divan_bytes section, body, value, input = bytes_of(data, size);
    struct buf copy = {.limit = 1 << 20}, edited = {.limit = 1 << 20};
    if (!xattrs_split(input, &section, &body)) return 0;
    struct rd r = rd_from(section);
    struct xattr a;
    while (xattrs_next(&r, &a)) {
        xattrs_put(&copy, a.key, a.value);
        if (!xattrs_find(section, a.key, &value) || !bytes_equal(value, a.value)) abort();
    }
    if (!bytes_equal(buf_view(&copy), section)) abort();
    xattrs_replace(&edited, section, divan_str("key"), divan_str("1"));
    if (!xattrs_find(buf_view(&edited), divan_str("key"), &value) || !bytes_is(value, "1")) abort();
    buf_clear(&copy);
    xattrs_replace(&copy, buf_view(&edited), divan_str("key"), bytes_of(NULL, 0));
    if (xattrs_find(buf_view(&copy), divan_str("key"), &value)) abort();
    buf_clear(&edited);
    xattrs_keep_system(&edited, section);
    if (edited.len > section.len) abort();
    buf_clear(&copy);
    xattrs_join(&copy, section, body);
    if (section.len && !bytes_equal(buf_view(&copy), input)) abort();
    buf_fini(&copy), buf_fini(&edited);
    return 0;
}
