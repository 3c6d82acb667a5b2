/* Connection strings: whatever parses shows as valid JSON, and its parts obey their limits. */
#include <stdlib.h>

#include "base/alloc.h"
#include "text/connstr.h"
#include "text/duration.h"
#include "text/json.h"

static void check_parse(const struct connstr *cs)
{
    struct buf json = {.limit = 1 << 24};
    connstr_json(cs, &json);
    if (!json.failed && !json_is_valid(buf_view(&json))) abort();
    if (cs->srv_eligible && cs->host_count != 1) abort();
    for (size_t i = 0; i < cs->host_count; i++)
        if (!*cs->hosts[i].name || (!connstr_kv_port(cs, &cs->hosts[i]) && !connstr_mgmt_port(cs, &cs->hosts[i])))
            abort();
    buf_fini(&json);
}

/* A duration that is read is written so that it is read as the same again. */
static void check_duration(struct divan_bytes text)
{
    char written[DURATION_TEXT];
    int64_t first, again;
    if (!duration_parse(text, &first, NULL)) return;
    duration_format(first, written);
    if (!duration_parse(divan_str(written), &again, NULL) || first != again) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct connstr cs;
    struct divan_error err = {0};
    char *text = mem_dup(data, size);
    check_duration(bytes_of(data, size));
    if (connstr_parse(text, &cs, &err) == DIVAN_OK) {
        check_parse(&cs);
        connstr_fini(&cs);
    } else if (!err.code || !*err.message) abort();
    mem_free(text);
    return 0;
}
