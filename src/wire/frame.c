#include "wire/frame.h"

#include <math.h>

#include "base/error.h"

enum { FRAMING_ESCAPE = 15, DURATION_MAX_US = 120125042 };

static bool magic_is_alt(uint8_t magic)
{
    return magic == MAGIC_ALT_REQUEST || magic == MAGIC_ALT_RESPONSE;
}

static bool magic_is_known(uint8_t magic)
{
    return magic_is_alt(magic) || (magic >= MAGIC_REQUEST && magic <= MAGIC_SERVER_RESPONSE);
}

/* What a peer of another protocol most likely speaks: the commonest mistake behind a bad magic is a wrong port. */
static const char *magic_hint(uint8_t magic)
{
    if (magic >= 0x14 && magic <= 0x17) return "it looks like TLS: use couchbases:// with the TLS port";
    if (magic >= 0x20 && magic < 0x7f) return "it looks like text: this may be the port of another service";
    return "this may be the port of another service";
}

enum frame_verdict frame_decode(struct divan_bytes input, size_t max, struct frame *out, size_t *size,
                                struct divan_error *err)
{
    const uint8_t *at = input.data;
    if (input.len && !magic_is_known(at[0])) {
        err_set(err, DIVAN_ERR_FRAME_MAGIC, "byte 0 of the frame is 0x%02x, which is no known magic; %s", at[0],
                magic_hint(at[0]));
        return FRAME_BROKEN;
    }
    if (input.len < FRAME_HEADER) {
        *size = FRAME_HEADER;
        return FRAME_PARTIAL;
    }
    struct frame f = {
        .magic = at[0], .opcode = at[1], .datatype = at[5], .opaque = get_u32be(at + 12), .cas = get_u64be(at + 16)};
    size_t framing = magic_is_alt(at[0]) ? at[2] : 0;
    size_t key = magic_is_alt(at[0]) ? at[3] : get_u16be(at + 2);
    size_t extras = at[4], body = get_u32be(at + 8);
    if (framing + extras + key > body) {
        err_set(err, DIVAN_ERR_FRAME_LENGTH,
                "byte 8 of the frame: a body of %zu bytes cannot hold framing, extras and key of %zu bytes", body,
                framing + extras + key);
        return FRAME_BROKEN;
    }
    if (max < FRAME_HEADER || body > max - FRAME_HEADER) {
        err_set(err, DIVAN_ERR_FRAME_TOO_LARGE,
                "byte 8 of the frame: %zu bytes are more than the %zu allowed: send smaller values",
                FRAME_HEADER + body, max);
        return FRAME_BROKEN;
    }
    *size = FRAME_HEADER + body;
    if (input.len < *size) return FRAME_PARTIAL;
    if (frame_is_response(&f)) f.status = get_u16be(at + 6);
    else f.vbucket = get_u16be(at + 6);
    struct rd r = rd_from(bytes_slice(input, FRAME_HEADER, body));
    f.framing = rd_take(&r, framing);
    f.extras = rd_take(&r, extras);
    f.key = rd_take(&r, key);
    f.value = rd_rest(&r);
    *out = f;
    return FRAME_COMPLETE;
}

static uint8_t magic_for(uint8_t magic, bool framing)
{
    if (!framing) return magic;
    if (magic == MAGIC_REQUEST) return MAGIC_ALT_REQUEST;
    return magic == MAGIC_RESPONSE ? MAGIC_ALT_RESPONSE : magic;
}

static bool lengths_fit(const struct frame *f, uint8_t magic, size_t value_len)
{
    size_t key_max = magic_is_alt(magic) ? UINT8_MAX : UINT16_MAX;
    size_t framing_max = magic_is_alt(magic) ? UINT8_MAX : 0;
    return f->framing.len <= framing_max && f->key.len <= key_max && f->extras.len <= UINT8_MAX &&
           value_len <= UINT32_MAX - FRAME_HEADER - 3 * (size_t)UINT16_MAX;
}

void frame_encode_head(struct buf *out, const struct frame *f, size_t value_len)
{
    uint8_t magic = magic_for(f->magic, f->framing.len != 0);
    if (!lengths_fit(f, magic, value_len)) {
        out->failed = true;
        return;
    }
    size_t before = f->framing.len + f->extras.len + f->key.len;
    uint8_t *at = buf_grow(out, FRAME_HEADER + before);
    if (!at) return;
    at[0] = magic;
    at[1] = f->opcode;
    if (magic_is_alt(magic)) at[2] = (uint8_t)f->framing.len, at[3] = (uint8_t)f->key.len;
    else put_u16be(at + 2, (uint16_t)f->key.len);
    at[4] = (uint8_t)f->extras.len;
    at[5] = f->datatype;
    put_u16be(at + 6, frame_is_response(f) ? f->status : f->vbucket);
    put_u32be(at + 8, (uint32_t)(before + value_len));
    put_u32be(at + 12, f->opaque);
    put_u64be(at + 16, f->cas);
    at += FRAME_HEADER;
    if (f->framing.len) memcpy(at, f->framing.data, f->framing.len);
    at += f->framing.len;
    if (f->extras.len) memcpy(at, f->extras.data, f->extras.len);
    at += f->extras.len;
    if (f->key.len) memcpy(at, f->key.data, f->key.len);
}

void frame_encode(struct buf *out, const struct frame *f)
{
    frame_encode_head(out, f, f->value.len);
    buf_put_bytes(out, f->value);
}

/* A nibble of 15 stands for 15 plus the next byte; the byte of the id comes before that of the length. */
static unsigned framing_nibble(struct rd *r, unsigned nibble)
{
    return nibble == FRAMING_ESCAPE ? nibble + rd_u8(r) : nibble;
}

bool framing_next(struct rd *r, struct framing_element *out)
{
    if (r->bad || !r->left) return false;
    uint8_t head = rd_u8(r);
    unsigned id = framing_nibble(r, head >> 4);
    unsigned len = framing_nibble(r, head & 0x0f);
    struct divan_bytes data = rd_take(r, len);
    if (!rd_ok(r)) return false;
    *out = (struct framing_element){id, data};
    return true;
}

void framing_put(struct buf *out, unsigned id, struct divan_bytes data)
{
    if (id > FRAMING_ESCAPE + UINT8_MAX || data.len > FRAMING_ESCAPE + UINT8_MAX) {
        out->failed = true;
        return;
    }
    unsigned id_nibble = id < FRAMING_ESCAPE ? id : FRAMING_ESCAPE;
    unsigned len_nibble = data.len < FRAMING_ESCAPE ? (unsigned)data.len : FRAMING_ESCAPE;
    buf_u8(out, (uint8_t)(id_nibble << 4 | len_nibble));
    if (id_nibble == FRAMING_ESCAPE) buf_u8(out, (uint8_t)(id - FRAMING_ESCAPE));
    if (len_nibble == FRAMING_ESCAPE) buf_u8(out, (uint8_t)(data.len - FRAMING_ESCAPE));
    buf_put_bytes(out, data);
}

/* The curve is e^1.74 / 2 microseconds. */
uint16_t duration_encode(uint64_t us)
{
    if (us > DURATION_MAX_US) us = DURATION_MAX_US;
    double encoded = pow((double)us * 2, 1 / 1.74) + 0.5;
    return encoded >= UINT16_MAX ? UINT16_MAX : (uint16_t)encoded;
}

uint32_t duration_decode(uint16_t encoded)
{
    return (uint32_t)(pow(encoded, 1.74) / 2 + 0.5);
}
