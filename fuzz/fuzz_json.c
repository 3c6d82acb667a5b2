/* JSON: a valid text can be walked to its leaves and compacted; a walk over anything ends. */
#include <stdlib.h>

#include "text/json.h"

static size_t walk(struct json_value value, int depth, bool valid)
{
    struct json_walk w;
    struct divan_bytes key;
    struct json_value inner;
    size_t count = 1;
    if (depth > 100 || (value.type != JSON_OBJECT && value.type != JSON_ARRAY)) return count;
    w = json_walk_begin(value);
    while (w.is_object ? json_next_member(&w, &key, &inner) : json_next_element(&w, &inner))
        count += walk(inner, depth + 1, valid);
    if (valid && w.bad) abort();
    return count;
}

static void check_compact(struct divan_bytes text)
{
    struct buf once = {.limit = text.len + 1}, twice = {.limit = text.len + 1};
    json_put_compact(&once, text);
    if (once.failed || !json_is_valid(buf_view(&once))) abort();
    json_put_compact(&twice, buf_view(&once));
    if (!bytes_equal(buf_view(&once), buf_view(&twice))) abort();
    buf_fini(&once);
    buf_fini(&twice);
}

/* Any bytes written as a string are valid, and read back when they are UTF-8. */
static void check_string(struct divan_bytes raw)
{
    struct buf text = {.limit = 6 * raw.len + 2}, back = {.limit = 3 * raw.len + 1};
    json_put_string(&text, raw);
    if (json_check(buf_view(&text), JSON_UTF8, 0, NULL) != JSON_VALID || !json_unescape(buf_view(&text), &back))
        abort();
    bool was_utf8 = !memmem(back.data ? back.data : (uint8_t *)"", back.len, "\xef\xbf\xbd", 3);
    if (was_utf8 && !bytes_equal(raw, buf_view(&back))) abort();
    if (was_utf8 && !json_string_is(buf_view(&text), raw)) abort();
    buf_fini(&text);
    buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct divan_bytes text = bytes_of(data, size);
    size_t at = 0;
    bool valid = json_check(text, 0, 0, &at) == JSON_VALID;
    if (!valid && at > size) abort();
    if (json_check(text, JSON_UTF8, 8, NULL) == JSON_VALID && !valid) abort();
    struct json_value root = json_value_of(text);
    if (valid && !root.type) abort();
    walk(root, 0, valid);
    if (valid) check_compact(text);
    check_string(text);
    return 0;
}
