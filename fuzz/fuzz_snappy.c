/* Values marked as compressed. */
#include <stdlib.h>

#include "wire/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf plain = {.limit = 1 << 20}, packed = {.limit = 1 << 20}, again = {.limit = 1 << 20};
    struct divan_bytes input = bytes_of(data, size);
    struct divan_error err;
    bool good = value_is_compressed(input, 1 << 16);
    enum divan_code rc = value_inflate(input, 1 << 16, &plain, &err);
    if (good != (rc == DIVAN_OK) || (rc && rc != DIVAN_ERR_FRAME_COMPRESSION) || (rc && plain.len)) abort();
    if (value_compress(input, 1000, &packed)) {
        if (value_inflate(buf_view(&packed), size, &again, &err) || !bytes_equal(buf_view(&again), input)) abort();
    }
    buf_fini(&plain), buf_fini(&packed), buf_fini(&again);
    return 0;
}
