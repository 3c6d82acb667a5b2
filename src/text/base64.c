/* Base64 with the standard alphabet, and the one place HTTP needs it. */
#include "text/ascii.h"
#include "text/http.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct divan_bytes data, struct buf *out)
{
    const uint8_t *p = data.data;
    for (size_t i = 0; i < data.len; i += 3) {
        size_t n = data.len - i < 3 ? data.len - i : 3;
        uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
        char quad[4] = {alphabet[v >> 18], alphabet[v >> 12 & 63], n > 1 ? alphabet[v >> 6 & 63] : '=',
                        n > 2 ? alphabet[v & 63] : '='};
        buf_put(out, quad, 4);
    }
}

static int digit(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool base64_decode(struct divan_bytes text, struct buf *out)
{
    const char *p = text.data;
    if (text.len % 4) return false;
    for (size_t i = 0; i < text.len; i += 4) {
        bool last = i + 4 == text.len;
        size_t pad = last && p[i + 3] == '=' ? (p[i + 2] == '=' ? 2 : 1) : 0;
        uint32_t v = 0;
        for (size_t j = 0; j < 4; j++) {
            int d = j >= 4 - pad ? 0 : digit(p[i + j]);
            if (d < 0) return false;
            v = v << 6 | (uint32_t)d;
        }
        if (v & (pad == 2 ? 0xffff : pad == 1 ? 0xff : 0)) return false; /* bits nobody wrote */
        uint8_t bytes[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        buf_put(out, bytes, 3 - pad);
    }
    return true;
}

bool basic_auth_decode(struct divan_bytes header, struct buf *scratch, struct divan_bytes *user,
                       struct divan_bytes *password)
{
    if (header.len < 6 || !ascii_equal(header.data, 6, "Basic ", 6)) return false;
    struct divan_bytes coded = bytes_slice(header, 6, header.len);
    while (coded.len && *(const char *)coded.data == ' ') coded = bytes_slice(coded, 1, coded.len);
    buf_clear(scratch);
    if (!base64_decode(coded, scratch) || scratch->failed) return false;
    const char *colon = scratch->len ? memchr(scratch->data, ':', scratch->len) : NULL;
    if (!colon) return false;
    size_t at = (size_t)(colon - (const char *)scratch->data);
    *user = bytes_slice(buf_view(scratch), 0, at);
    *password = bytes_slice(buf_view(scratch), at + 1, scratch->len);
    return true;
}
