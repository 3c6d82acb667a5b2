/* Options of connection strings: input is what follows the "?". */
#include <stdlib.h>

#include "text/json.h"
#include "text/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct connstr cs = {0};
    struct options o;
    struct divan_error err = {0};
    struct buf text = {.limit = 1 << 20}, json = {.limit = 1 << 22};
    buf_put_str(&text, size && data[0] & 1 ? "couchbases://h?" : "couchbase://h?");
    buf_put(&text, data, size);
    options_init(&o);
    enum divan_code rc = connstr_parse(buf_text(&text), &cs, &err);
    if (!rc) rc = options_from_connstr(&o, &cs, &err);
    if (rc && !*err.message) abort();
    options_json(&o, &json);
    if (!json.failed && !json_is_valid(buf_view(&json))) abort();
    if (!o.kv_timeout_ms || o.num_kv_connections > 16 || (unsigned)o.ip_protocol > IP_FORCE_IPV6) abort();
    options_fini(&o);
    connstr_fini(&cs);
    buf_fini(&text);
    buf_fini(&json);
    return 0;
}
