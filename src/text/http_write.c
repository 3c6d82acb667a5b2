/* The writing half of HTTP. */
#include "text/http.h"

#define NEW_LINE "\r\n"

static const struct {
    unsigned status;
    const char *reason;
} reasons[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Payload Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Entity"},
    {423, "Locked"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

const char *http_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status) return reasons[i].reason;
    return "Unknown";
}

/* A line end inside a value would let its author write headers of his own. */
static void put_safe(struct buf *out, const char *text)
{
    for (; *text; text++) buf_u8(out, *text == '\r' || *text == '\n' ? ' ' : (uint8_t)*text);
}

void http_put_status(struct buf *out, unsigned status, const char *reason)
{
    buf_printf(out, "HTTP/1.1 %u ", status);
    put_safe(out, reason ? reason : http_reason(status));
    buf_put_str(out, NEW_LINE);
}

void http_put_request(struct buf *out, const char *method, const char *target)
{
    put_safe(out, method);
    buf_put_str(out, " ");
    put_safe(out, target);
    buf_put_str(out, " HTTP/1.1" NEW_LINE);
}

void http_put_header(struct buf *out, const char *name, const char *value)
{
    put_safe(out, name);
    buf_put_str(out, ": ");
    put_safe(out, value);
    buf_put_str(out, NEW_LINE);
}

void http_put_basic_auth(struct buf *out, struct divan_bytes user, struct divan_bytes password)
{
    struct buf pair = {.limit = 64 * 1024};
    buf_put_bytes(&pair, user);
    buf_u8(&pair, ':');
    buf_put_bytes(&pair, password);
    buf_put_str(out, "Authorization: Basic ");
    base64_encode(buf_view(&pair), out);
    buf_put_str(out, NEW_LINE);
    out->failed |= pair.failed;
    buf_fini(&pair);
}

void http_put_body(struct buf *out, struct divan_bytes body)
{
    buf_printf(out, "Content-Length: %zu" NEW_LINE NEW_LINE, body.len);
    buf_put_bytes(out, body);
}

void http_put_chunked(struct buf *out)
{
    buf_put_str(out, "Transfer-Encoding: chunked" NEW_LINE NEW_LINE);
}

void http_put_chunk(struct buf *out, struct divan_bytes piece)
{
    if (!piece.len) return; /* a chunk of length 0 would end the body */
    buf_printf(out, "%zx" NEW_LINE, piece.len);
    buf_put_bytes(out, piece);
    buf_put_str(out, NEW_LINE);
}

void http_put_last_chunk(struct buf *out)
{
    buf_put_str(out, "0" NEW_LINE NEW_LINE);
}
void http_put_continue(struct buf *out)
{
    buf_put_str(out, "HTTP/1.1 100 Continue" NEW_LINE NEW_LINE);
}
