/* The framing extras of requests, as the measured server takes them: an element may be repeated, the last one counts. */
#include "wire/kv.h"

enum { FRAMING_USER = 4, FRAMING_PRIVILEGE = 6, LEVEL_MAX = 3 };

struct framing_state {
    struct kv_framing out;
    uint8_t opcode;
    const char *problem;
};

static enum status refuse(struct framing_state *s, enum status status, const char *problem)
{
    s->problem = problem;
    return status;
}

static enum status take_barrier(struct framing_state *s, struct divan_bytes data)
{
    if (data.len) return refuse(s, ST_EINVAL, "Barrier should not contain value");
    s->out.barrier = true;
    return ST_SUCCESS;
}

static enum status take_durability(struct framing_state *s, struct divan_bytes data)
{
    if (data.len != 1 && data.len != 3) return refuse(s, ST_EINVAL, "The durability frame must be of 1 or 3 bytes");
    if (!op_has(s->opcode, OPT_DURABLE))
        return refuse(s, ST_EINVAL, "The requested command does not support durability requirements");
    struct rd r = rd_from(data);
    uint8_t level = rd_u8(&r);
    uint16_t timeout_ms = data.len == 3 ? rd_u16be(&r) : 0;
    if (data.len == 3 && (!timeout_ms || timeout_ms == UINT16_MAX))
        return refuse(s, ST_DURABILITY_INVALID_LEVEL, "The timeout of the durability frame must be 1 to 65534 ms");
    if (!level || level > LEVEL_MAX)
        return refuse(s, ST_DURABILITY_INVALID_LEVEL, "The level of the durability frame must be 1, 2 or 3");
    s->out.durability = level;
    s->out.durable_ms = timeout_ms;
    return ST_SUCCESS;
}

static enum status take_stream_id(struct framing_state *s, struct divan_bytes data)
{
    if (data.len != 2) return refuse(s, ST_EINVAL, "The stream id must be of 2 bytes");
    s->out.has_stream_id = true;
    s->out.stream_id = get_u16be(data.data);
    return ST_SUCCESS;
}

static enum status take_user(struct framing_state *s, struct divan_bytes data)
{
    if (!data.len) return refuse(s, ST_EINVAL, "Impersonated user must be set");
    s->out.has_user = true;
    s->out.user = data;
    return ST_SUCCESS;
}

static enum status take_preserve_ttl(struct framing_state *s, struct divan_bytes data)
{
    if (data.len) return refuse(s, ST_EINVAL, "PreserveTtl should not contain value");
    if (!op_has(s->opcode, OPT_KEEP_TTL))
        return refuse(s, ST_NOT_SUPPORTED, "This command does not support PreserveTtl");
    s->out.keep_ttl = true;
    return ST_SUCCESS;
}

static enum status take_privilege(struct framing_state *s, struct divan_bytes data)
{
    return refuse(s, ST_EINVAL, data.len ? "Failed to look up the privilege" : "Privilege name must be set");
}

static enum status take_element(struct framing_state *s, const struct framing_element *e)
{
    switch (e->id) {
    case FRAMING_BARRIER:
        return take_barrier(s, e->data);
    case FRAMING_DURABILITY:
        return take_durability(s, e->data);
    case FRAMING_STREAM_ID:
        return take_stream_id(s, e->data);
    case FRAMING_USER:
        return take_user(s, e->data);
    case FRAMING_PRESERVE_TTL:
        return take_preserve_ttl(s, e->data);
    case FRAMING_PRIVILEGE:
        return take_privilege(s, e->data);
    default:
        return ST_UNKNOWN_FRAME_INFO;
    }
}

enum status kv_read_framing(const struct frame *f, struct kv_framing *out, const char **problem)
{
    struct framing_state s = {.opcode = f->opcode};
    struct framing_element element;
    struct rd r = rd_from(f->framing);
    enum status status = ST_SUCCESS;
    while (status == ST_SUCCESS && framing_next(&r, &element)) status = take_element(&s, &element);
    if (status == ST_SUCCESS && !rd_ok(&r)) status = refuse(&s, ST_EINVAL, "Invalid encoding in FrameExtras");
    if (status == ST_SUCCESS) *out = s.out;
    if (problem) *problem = s.problem;
    return status;
}
