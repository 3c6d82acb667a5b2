#include "unit/unit.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers" /* rows of the table name what differs */

#include <stdio.h>

#include "base/alloc.h"
#include "text/http.h"

static const char *text_of(struct buf *scratch, struct divan_bytes view)
{
    buf_clear(scratch);
    buf_put_bytes(scratch, view);
    return buf_text(scratch);
}

/* Appends what the reader says of one message as a line: "GET /a b?q=1 [Host=x] body keep". */
static void describe(struct buf *out, enum http_event event, const struct http_message *m)
{
    static const char *const names[] = {"more", "headers", "body", "done", "broken"};
    buf_printf(out, "%s ", names[event]);
    if (m->method.len) {
        buf_put_bytes(out, m->method);
        buf_put_str(out, " ");
        buf_put_bytes(out, m->path);
        buf_put_str(out, "?");
        buf_put_bytes(out, m->query);
    } else {
        buf_printf(out, "%u ", m->status);
        buf_put_bytes(out, m->reason);
    }
    for (size_t i = 0; i < m->header_count; i++) {
        buf_put_str(out, " [");
        buf_put_bytes(out, m->headers[i].name);
        buf_put_str(out, "=");
        buf_put_bytes(out, m->headers[i].value);
        buf_put_str(out, "]");
    }
    buf_put_str(out, " <");
    buf_put_bytes(out, m->body);
    buf_printf(out, ">%s%s\n", m->keep_alive ? " keep" : "", m->upgrade ? " upgrade" : "");
}

/* Feeds text in pieces of `step` bytes, then the end of the stream; says what came out. Bodies of HTTP_BODY are joined. */
static char *conversation(enum http_side side, struct http_limits limits, const char *text, size_t step, bool end)
{
    struct http_reader *r = http_reader_new(side, &limits);
    struct buf out = {.limit = 1 << 20}, body = {.limit = 1 << 20};
    const struct http_message *m = NULL;
    struct divan_error err = {0};
    enum http_event event = HTTP_MORE;
    for (size_t at = 0, len = strlen(text); at < len && event != HTTP_BROKEN; at += step) {
        struct divan_bytes input = bytes_slice(divan_str(text), at, step);
        while ((event = http_reader_feed(r, &input, &m, &err)) != HTTP_MORE && event != HTTP_BROKEN) {
            if (event == HTTP_BODY) buf_put_bytes(&body, m->body);
            else {
                describe(&out, event, m);
                if (event == HTTP_DONE && body.len) buf_printf(&out, "streamed <%s>\n", buf_text(&body));
            }
        }
        if (event == HTTP_MORE) assert_int_equal(input.len, 0);
    }
    if (end && event != HTTP_BROKEN && (event = http_reader_finish(r, &m, &err)) == HTTP_DONE) describe(&out, event, m);
    if (event == HTTP_BROKEN) buf_printf(&out, "broken %u", http_reader_broken_status(r));
    http_reader_free(r);
    buf_fini(&body);
    if (!out.data) buf_put_str(&out, "");
    char *said = buf_take_text(&out);
    buf_fini(&out);
    return said;
}

static const struct {
    const char *text, *meaning;
    enum http_side side;
    struct http_limits limits;
    bool end;
} cases[] = {
    {"GET /a%20b?x=1&y=%20 HTTP/1.1\r\nHost: h \r\nX:\r\n\r\n", "done GET /a b?x=1&y=%20 [Host=h] [X=] <> keep\n"},
    {"POST /p HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nConnection: close\r\n\r\n",
     "done POST /p? [Content-Length=5] <hello> keep\ndone GET /? [Connection=close] <>\n"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n",
     "done POST /? [Transfer-Encoding=chunked] <abc0123456789> keep\n"},
    {"GET http://h:8091/pools?a HTTP/1.0\r\n\r\n", "done GET /pools?a <>\n"},
    {"GET /%zz HTTP/1.1\r\n\r\n", "done GET /%zz? <> keep\n"},
    {"GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
     "done GET /? [Connection=Upgrade, HTTP2-Settings] [Upgrade=h2c] <> keep\ndone GET /2? <> keep\n"},
    {"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
     "headers PUT /? [Expect=100-continue] [Content-Length=2] <> keep\ndone PUT /? [Expect=100-continue] "
     "[Content-Length=2] <ok> keep\n"},
    {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 404 Object Not Found\r\nContent-Length: 0\r\n\r\n",
     "done 200 OK [Content-Length=2] <ok> keep\ndone 404 Object Not Found [Content-Length=0] <> keep\n",
     HTTP_READS_RESPONSES},
    {"HTTP/1.1 200 OK\r\n\r\nuntil the end", "done 200 OK <until the end>\n", HTTP_READS_RESPONSES, {0}, true},
    {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "broken 400", HTTP_READS_RESPONSES, {0}, true},
    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{}\n\n\r\n2\r\n\n\n\r\n0\r\n\r\n",
     "headers 200 OK [Transfer-Encoding=chunked] <> keep\ndone 200 OK [Transfer-Encoding=chunked] <> keep\nstreamed "
     "<{}\n\n\n\n>\n",
     HTTP_READS_RESPONSES,
     {.stream_body = true}},
    {"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", "broken 413", HTTP_READS_REQUESTS, {.body_bytes = 4}},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
     "broken 413",
     HTTP_READS_REQUESTS,
     {.body_bytes = 4}},
    {"GET /long HTTP/1.1\r\nA: 1234567890\r\n\r\n", "broken 431", HTTP_READS_REQUESTS, {.head_bytes = 12}},
    {"\x80\x01\x02\x03 binary", "broken 501"},
    {"GET / HTTP/2.0\r\n\r\n", "broken 505"},
    {"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "broken 400"},
    {"GET / HTTP/1.1\r\nBad Header: x\r\n\r\n", "broken 400"},
    {"", ""},
    {"GET / HTTP/1.1\r\nHost: h\r\n", "broken 400", HTTP_READS_REQUESTS, {0}, true},
    {"GET / HTTP/1.1\r\n\r\n", "done GET /? <> keep\n", HTTP_READS_REQUESTS, {0}, true},
};

static void messages_are_read_however_they_are_cut(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t step = 1; step < 80; step += step < 4 ? 1 : 19) {
            char *said = conversation(cases[i].side, cases[i].limits, cases[i].text, step, cases[i].end);
            if (strcmp(said, cases[i].meaning) != 0) fail_msg("case %zu in steps of %zu:\n%s", i, step, said);
            mem_free(said);
        }
}

static void a_response_to_head_has_no_body(void **state)
{
    struct http_reader *r = http_reader_new(HTTP_READS_RESPONSES, NULL);
    struct divan_bytes input = divan_str("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
                                         "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    const struct http_message *m;
    http_reader_expect_no_body(r);
    assert_int_equal(http_reader_feed(r, &input, &m, NULL), HTTP_DONE);
    assert_int_equal(m->status, 100);
    assert_int_equal(http_reader_feed(r, &input, &m, NULL), HTTP_DONE);
    assert_int_equal(m->status, 200);
    assert_int_equal(http_reader_feed(r, &input, &m, NULL), HTTP_DONE);
    assert_int_equal(m->status, 201);
    assert_int_equal(http_reader_feed(r, &input, &m, NULL), HTTP_MORE);
    http_reader_free(r);
}

static void a_broken_reader_stays_broken_and_says_where(void **state)
{
    struct http_reader *r = http_reader_new(HTTP_READS_REQUESTS, NULL);
    struct divan_bytes input = divan_str("GET / HTTP/1.1\r\n@bad: x\r\n\r\n");
    const struct http_message *m;
    struct divan_error err;
    assert_int_equal(http_reader_feed(r, &input, &m, &err), HTTP_BROKEN);
    assert_int_equal(err.code, DIVAN_ERR_HTTP_MESSAGE);
    assert_non_null(strstr(err.message, "byte 16"));
    input = divan_str("GET / HTTP/1.1\r\n\r\n");
    assert_int_equal(http_reader_feed(r, &input, &m, &err), HTTP_BROKEN);
    http_reader_free(r);
}

static void every_failed_allocation_is_survived(void **state)
{
    for (uint64_t n = 1;; n++) {
        struct divan_bytes input = divan_str("POST /a%20b?x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
        const struct http_message *m = NULL;
        struct divan_error err;
        int64_t live = mem_live();
        mem_fail_at(n);
        struct http_reader *r = http_reader_new(HTTP_READS_REQUESTS, NULL);
        enum http_event event = r ? http_reader_feed(r, &input, &m, &err) : HTTP_BROKEN;
        mem_fail_at(0);
        if (r && event == HTTP_BROKEN) {
            assert_int_equal(err.code, DIVAN_ERR_OUT_OF_MEMORY);
            assert_int_equal(http_reader_broken_status(r), 503);
        }
        http_reader_free(r);
        assert_int_equal(mem_live(), live);
        if (event == HTTP_DONE) return;
        assert_int_equal(event, HTTP_BROKEN);
    }
}

static void headers_are_found_in_any_case(void **state)
{
    struct http_reader *r = http_reader_new(HTTP_READS_REQUESTS, NULL);
    struct divan_bytes input = divan_str(
        "GET / HTTP/1.1\r\ncontent-TYPE: Application/JSON; charset=utf-8\r\nAccept: a/b , text/plain\r\n\r\n");
    const struct http_message *m;
    assert_int_equal(http_reader_feed(r, &input, &m, NULL), HTTP_DONE);
    assert_true(http_content_is(m, "application/json"));
    assert_false(http_content_is(m, "application/js"));
    assert_true(http_header_has(m, "accept", "TEXT/plain"));
    assert_false(http_header_has(m, "accept", "text"));
    assert_null(http_header(m, "host").data);
    http_reader_free(r);
}

static void messages_are_written(void **state)
{
    struct buf b = {.limit = 4096};
    http_put_status(&b, 404, NULL);
    http_put_header(&b, "X", "a\r\nInjected: b");
    http_put_body(&b, divan_str("no"));
    assert_string_equal(buf_text(&b), "HTTP/1.1 404 Not Found\r\nX: a  Injected: b\r\nContent-Length: 2\r\n\r\nno");
    buf_clear(&b);
    http_put_request(&b, "POST", "/p?q");
    http_put_basic_auth(&b, divan_str("Administrator"), divan_str("password"));
    http_put_chunked(&b);
    http_put_chunk(&b, divan_str("0123456789abcdef"));
    http_put_chunk(&b, divan_str(""));
    http_put_last_chunk(&b);
    assert_string_equal(buf_text(&b), "POST /p?q HTTP/1.1\r\nAuthorization: Basic QWRtaW5pc3RyYXRvcjpwYXNzd29yZA==\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n");
    buf_fini(&b);
}

static void escapes_forms_and_base64_are_coded(void **state)
{
    struct buf b = {.limit = 4096}, k = {.limit = 64}, v = {.limit = 64}, scratch = {.limit = 64};
    size_t at = 0;
    assert_true(percent_decode(divan_str("a%2Fb+c%c3%A9"), true, &b, &at));
    assert_string_equal(buf_text(&b), "a/b c\xc3\xa9");
    assert_false(percent_decode(divan_str("abc%2"), false, &b, &at));
    assert_int_equal(at, 3);
    buf_clear(&b);
    percent_encode(divan_str("a/b c~\xc3"), true, &b);
    assert_string_equal(buf_text(&b), "a/b%20c~%C3");
    struct divan_bytes form = divan_str("name=b+1&&flag&bad=%zz&ramQuotaMB=100");
    assert_true(form_next(&form, &k, &v));
    assert_string_equal(text_of(&scratch, buf_view(&v)), "b 1");
    assert_true(form_next(&form, &k, &v));
    assert_string_equal(text_of(&scratch, buf_view(&k)), "flag");
    assert_int_equal(v.len, 0);
    assert_true(form_next(&form, &k, &v));
    assert_string_equal(text_of(&scratch, buf_view(&v)), "%zz");
    assert_true(form_next(&form, &k, &v));
    assert_false(form_next(&form, &k, &v));
    char *value = form_value(divan_str("a=1&b=%32&b=3"), "b");
    assert_string_equal(value, "2");
    mem_free(value);
    assert_null(form_value(divan_str("a=1"), "b"));
    const char *const pairs[][2] = {{"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
                                    {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe", "//4="}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        buf_clear(&b);
        base64_encode(divan_str(pairs[i][0]), &b);
        assert_string_equal(buf_text(&b), pairs[i][1]);
        buf_clear(&b);
        assert_true(base64_decode(divan_str(pairs[i][1]), &b));
        assert_string_equal(buf_text(&b), pairs[i][0]);
    }
    static const char *const wrong[] = {"Zg", "Zg=", "Zg==Zg==", "Z===", "Zh==", "Zm9=", "Zm 9", "Zm9v\n", "===="};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (base64_decode(divan_str(wrong[i]), &b)) fail_msg("%s", wrong[i]);
    struct divan_bytes user, password;
    assert_true(basic_auth_decode(divan_str("basic QWRtaW5pc3RyYXRvcjpwYXNzOndvcmQ="), &b, &user, &password));
    assert_true(bytes_is(user, "Administrator") && bytes_is(password, "pass:word"));
    assert_false(basic_auth_decode(divan_str("Bearer abc"), &b, &user, &password));
    assert_false(basic_auth_decode(divan_str("Basic Zm9v"), &b, &user, &password));
    buf_fini(&b);
    buf_fini(&k);
    buf_fini(&v);
    buf_fini(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_read_however_they_are_cut),
        cmocka_unit_test(a_response_to_head_has_no_body),
        cmocka_unit_test(a_broken_reader_stays_broken_and_says_where),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(headers_are_found_in_any_case),
        cmocka_unit_test(messages_are_written),
        cmocka_unit_test(escapes_forms_and_base64_are_coded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
