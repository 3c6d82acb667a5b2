/* JSON that servers and clients send inside frames: error maps, error bodies, agents. */
#include <stdlib.h>

#include "wire/errmap.h"
#include "wire/errorbody.h"
#include "wire/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct divan_bytes input = bytes_of(data, size);
    struct errmap *map = NULL;
    struct error_body body, again;
    struct hello_agent agent;
    struct divan_error err;
    if (!errmap_parse(input, &map, &err)) {
        for (size_t i = 0; i < map->count; i++)
            if (!errmap_find(map, map->entries[i].code)) abort();
    } else if (err.code != DIVAN_ERR_ERROR_MAP) {
        abort();
    }
    errmap_free(map);
    if (error_body_read(input, &body)) {
        struct buf out = {.limit = 1 << 16};
        error_body_write(&body, &out);
        if (out.len && (!error_body_read(buf_view(&out), &again) || memcmp(&body, &again, sizeof body))) abort();
        buf_fini(&out);
    }
    hello_read_agent(input, &agent);
    return 0;
}
