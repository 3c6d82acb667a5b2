/* The frame of the memcached binary protocol with Couchbase's framing extras, both directions. No I/O, no memory: a
 * decoded frame is a set of views into the input. */
#ifndef DIVAN_WIRE_FRAME_H
#define DIVAN_WIRE_FRAME_H

#include "base/bytes.h"

enum frame_magic {
    MAGIC_REQUEST = 0x80,
    MAGIC_RESPONSE = 0x81,
    MAGIC_ALT_REQUEST = 0x08,  /* request with framing extras */
    MAGIC_ALT_RESPONSE = 0x18, /* response with framing extras */
    MAGIC_SERVER_REQUEST = 0x82,
    MAGIC_SERVER_RESPONSE = 0x83,
};

enum { FRAME_HEADER = 24, FRAME_MAX = 30 * 1024 * 1024 /* header and body, as the real server */ };

enum frame_datatype { DATATYPE_JSON = 1, DATATYPE_SNAPPY = 2, DATATYPE_XATTR = 4 };

struct frame {
    uint8_t magic, opcode, datatype;
    uint16_t vbucket; /* requests */
    uint16_t status;  /* responses; the same two bytes on the wire */
    uint32_t opaque;
    uint64_t cas;
    struct divan_bytes framing, extras, key, value; /* in wire order */
};

static inline bool frame_is_response(const struct frame *f)
{
    return f->magic == MAGIC_RESPONSE || f->magic == MAGIC_ALT_RESPONSE || f->magic == MAGIC_SERVER_RESPONSE;
}

enum frame_verdict {
    FRAME_COMPLETE, /* *out is filled, *size is its length */
    FRAME_PARTIAL,  /* *size is how many bytes are needed to go on (the header's, then the whole frame's) */
    FRAME_BROKEN,   /* err: FRAME_MAGIC, FRAME_LENGTH, FRAME_TOO_LARGE; close the connection */
};

/** Decodes the first frame of input. max bounds header + body. */
enum frame_verdict frame_decode(struct divan_bytes input, size_t max, struct frame *out, size_t *size,
                                struct divan_error *err);

/** Appends the frame. Alt magics are used iff f->framing is not empty (the magic is chosen: give the plain one). Key and
 * framing lengths must fit (key 65535, with framing 255/255): else out->failed. */
void frame_encode(struct buf *out, const struct frame *f);
/** Appends header and everything before the value, for a value that is appended by the caller later. */
void frame_encode_head(struct buf *out, const struct frame *f, size_t value_len);

/* In place changes of an encoded frame: what a resend needs. */
static inline void frame_set_opaque(uint8_t *frame, uint32_t opaque)
{
    put_u32be(frame + 12, opaque);
}
static inline void frame_set_vbucket(uint8_t *frame, uint16_t vbucket)
{
    put_u16be(frame + 6, vbucket);
}

/* ---- framing extras: elements of id, data */

struct framing_element {
    unsigned id;
    struct divan_bytes data;
};
/** Takes the next element; false at the end or (r->bad) when malformed. */
bool framing_next(struct rd *r, struct framing_element *out);
void framing_put(struct buf *out, unsigned id, struct divan_bytes data);

enum {
    FRAMING_BARRIER = 0,
    FRAMING_DURABILITY = 1,
    FRAMING_STREAM_ID = 2,
    FRAMING_PRESERVE_TTL = 5,
    FRAMING_SERVER_DURATION = 0
};

/** Server duration: u16 on the wire <-> microseconds (0..120125042). */
uint16_t duration_encode(uint64_t us);
uint32_t duration_decode(uint16_t encoded);

#endif
