/* Percent escapes and forms, the encodings of URLs. */
#include "base/alloc.h"
#include "text/ascii.h"
#include "text/http.h"

bool percent_decode(struct divan_bytes text, bool plus_is_space, struct buf *out, size_t *error_at)
{
    const char *p = text.data;
    for (size_t i = 0; i < text.len; i++) {
        int high = 0, low = 0;
        if (p[i] == '%') {
            high = i + 1 < text.len ? ascii_hex((unsigned char)p[i + 1]) : -1;
            low = i + 2 < text.len ? ascii_hex((unsigned char)p[i + 2]) : -1;
            if (high < 0 || low < 0) {
                if (error_at) *error_at = i;
                return false;
            }
            buf_u8(out, (uint8_t)(high << 4 | low));
            i += 2;
        } else buf_u8(out, (uint8_t)(p[i] == '+' && plus_is_space ? ' ' : p[i]));
    }
    return true;
}

void percent_encode(struct divan_bytes text, bool keep_slash, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";
    const uint8_t *p = text.data;
    for (size_t i = 0; i < text.len; i++) {
        bool plain = ascii_is_letter(p[i]) || ascii_is_digit(p[i]) || (p[i] && strchr("-._~", p[i]));
        if (plain || (p[i] == '/' && keep_slash)) buf_u8(out, p[i]);
        else {
            uint8_t escape[3] = {'%', (uint8_t)hex[p[i] >> 4], (uint8_t)hex[p[i] & 15]};
            buf_put(out, escape, 3);
        }
    }
}

static struct divan_bytes take_until(struct divan_bytes *text, char separator)
{
    const char *at = text->len ? memchr(text->data, separator, text->len) : NULL;
    size_t len = at ? (size_t)(at - (const char *)text->data) : text->len;
    struct divan_bytes taken = bytes_of(text->data, len);
    *text = bytes_slice(*text, at ? len + 1 : len, text->len);
    return taken;
}

/* A form is user input seen by servers that are lenient with it, so a bad escape stands for itself. */
static void decode_leniently(struct divan_bytes text, struct buf *out)
{
    buf_clear(out);
    if (percent_decode(text, true, out, NULL)) return;
    buf_clear(out);
    buf_put_bytes(out, text);
}

bool form_next(struct divan_bytes *form, struct buf *key, struct buf *value)
{
    while (form->len) {
        struct divan_bytes pair = take_until(form, '&');
        if (!pair.len) continue;
        decode_leniently(take_until(&pair, '='), key);
        decode_leniently(pair, value);
        return true;
    }
    return false;
}

char *form_value(struct divan_bytes form, const char *key)
{
    struct buf k = {.limit = form.len}, v = {.limit = form.len + 1};
    char *found = NULL;
    while (!found && form_next(&form, &k, &v)) {
        if (k.failed || v.failed) break;
        if (bytes_is(buf_view(&k), key)) found = buf_take_text(&v);
    }
    buf_fini(&k);
    buf_fini(&v);
    return found;
}
