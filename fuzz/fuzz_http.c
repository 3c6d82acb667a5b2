/* HTTP: however a conversation is cut, the same messages come out. The first byte chooses side, mode and cut. */
#include <stdlib.h>

#include "text/http.h"

static void note(struct buf *log, enum http_event event, const struct http_message *m)
{
    if (event == HTTP_BODY) return;
    buf_printf(log, "%d %u %zu %d ", event, m->status, m->header_count, m->keep_alive);
    buf_put_bytes(log, m->method);
    buf_put_bytes(log, m->path);
    buf_put_bytes(log, m->query);
    for (size_t i = 0; i < m->header_count; i++) {
        buf_put_bytes(log, m->headers[i].name);
        buf_put_bytes(log, m->headers[i].value);
    }
    if (event == HTTP_DONE) buf_put_bytes(log, m->body);
}

static void converse(unsigned mode, struct divan_bytes text, size_t step, struct buf *log)
{
    struct http_limits limits = {.head_bytes = 4096, .body_bytes = 4096, .stream_body = mode & 2};
    struct http_reader *r = http_reader_new(mode & 1 ? HTTP_READS_RESPONSES : HTTP_READS_REQUESTS, &limits);
    const struct http_message *m = NULL;
    struct divan_error err = {0};
    enum http_event event = HTTP_MORE;
    if (!r) return;
    if (mode & 4) http_reader_expect_no_body(r);
    for (size_t at = 0; at < text.len && event != HTTP_BROKEN; at += step) {
        struct divan_bytes piece = bytes_slice(text, at, step);
        while ((event = http_reader_feed(r, &piece, &m, &err)) != HTTP_MORE && event != HTTP_BROKEN)
            note(log, event, m);
        if (event == HTTP_MORE && piece.len) abort();
    }
    if (event != HTTP_BROKEN && http_reader_finish(r, &m, &err) == HTTP_DONE) note(log, HTTP_DONE, m);
    if (event == HTTP_BROKEN && !*err.message) abort();
    http_reader_free(r);
}

static void check_forms(struct divan_bytes text)
{
    struct buf key = {.limit = text.len + 1}, value = {.limit = text.len + 1}, out = {.limit = 3 * text.len + 4};
    struct divan_bytes form = text, user, password;
    while (form_next(&form, &key, &value)) {}
    percent_encode(text, false, &out);
    if (!percent_decode(buf_view(&out), true, &key, NULL)) abort();
    buf_clear(&key);
    buf_clear(&out);
    base64_encode(text, &out);
    if (!base64_decode(buf_view(&out), &key) || !bytes_equal(buf_view(&key), text)) abort();
    basic_auth_decode(text, &value, &user, &password);
    buf_fini(&key);
    buf_fini(&value);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size || size > 20000) return 0;
    struct divan_bytes text = bytes_of(data + 1, size - 1);
    struct buf whole = {.limit = 1 << 24}, cut = {.limit = 1 << 24};
    converse(data[0] & 7, text, text.len ? text.len : 1, &whole);
    converse(data[0] & 7, text, 1 + data[0] / 8, &cut);
    if (!bytes_equal(buf_view(&whole), buf_view(&cut))) abort();
    check_forms(text);
    buf_fini(&whole);
    buf_fini(&cut);
    return 0;
}
