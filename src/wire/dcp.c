#include "wire/dcp.h"

#include "base/error.h"
#include "wire/leb128.h"

/* ---- encoding */

enum { EXTRAS_MAX = 64 };

static void document_extras(struct buf *x, const struct dcp_message *m)
{
    buf_u64be(x, m->seqno);
    buf_u64be(x, m->revision);
    switch (m->opcode) {
    case OP_DCP_DELETION:
        if (m->delete_times) buf_u32be(x, m->delete_s), buf_u8(x, 0);
        else buf_u16be(x, 0);
        return;
    case OP_DCP_EXPIRATION:
        buf_u32be(x, m->delete_s);
        return;
    default:
        buf_u32be(x, m->flags);
        buf_u32be(x, m->expiry);
        buf_u32be(x, m->lock_s);
        if (m->opcode == OP_DCP_MUTATION) {
            buf_u16be(x, 0);
            buf_u8(x, m->nru);
        } else {
            buf_u8(x, m->nru);
            buf_u8(x, m->deleted);
            buf_u8(x, m->level);
        }
    }
}

static void request_extras(struct buf *x, const struct dcp_stream_request *r)
{
    buf_u32be(x, r->flags);
    buf_u32be(x, 0);
    buf_u64be(x, r->start);
    buf_u64be(x, r->end);
    buf_u64be(x, r->uuid);
    buf_u64be(x, r->snapshot_start);
    buf_u64be(x, r->snapshot_end);
}

static void marker_fields(struct buf *x, const struct dcp_marker *k)
{
    buf_u64be(x, k->start);
    buf_u64be(x, k->end);
    buf_u32be(x, k->flags);
    if (k->version == 1) return;
    buf_u64be(x, k->max_visible);
    buf_u64be(x, k->high_completed);
    if (k->version != 22) return;
    buf_u64be(x, k->high_prepared);
    buf_u64be(x, k->purge);
}

/* false: no such message. */
static bool put_extras(struct buf *x, const struct dcp_message *m)
{
    switch (m->opcode) {
    case OP_DCP_OPEN:
        buf_u32be(x, 0);
        buf_u32be(x, m->flags);
        return true;
    case OP_DCP_ADD_STREAM:
    case OP_DCP_OSO_SNAPSHOT:
        buf_u32be(x, m->flags);
        return true;
    case OP_DCP_CLOSE_STREAM:
    case OP_DCP_GET_FAILOVER_LOG:
    case OP_DCP_NOOP:
    case OP_DCP_CONTROL:
        return true;
    case OP_DCP_STREAM_REQ:
        request_extras(x, &m->request);
        return true;
    case OP_DCP_STREAM_END:
        buf_u32be(x, m->reason);
        return true;
    case OP_DCP_SNAPSHOT_MARKER:
        if (m->marker.version == 1) marker_fields(x, &m->marker);
        else buf_u8(x, m->marker.version == 22 ? 2 : 0);
        return true;
    case OP_DCP_MUTATION:
    case OP_DCP_DELETION:
    case OP_DCP_EXPIRATION:
    case OP_DCP_PREPARE:
        document_extras(x, m);
        return true;
    case OP_DCP_COMMIT:
    case OP_DCP_ABORT:
        buf_u64be(x, m->prepared_seqno);
        buf_u64be(x, m->seqno);
        return true;
    case OP_DCP_SEQNO_ACKNOWLEDGED:
    case OP_DCP_SEQNO_ADVANCED:
        buf_u64be(x, m->seqno);
        return true;
    case OP_DCP_SET_VBUCKET_STATE:
        buf_u8(x, m->state);
        return true;
    case OP_DCP_BUFFER_ACK:
        buf_u32be(x, m->ack_bytes);
        return true;
    case OP_DCP_SYSTEM_EVENT:
        buf_u64be(x, m->seqno);
        buf_u32be(x, m->event);
        buf_u8(x, m->event_version);
        return true;
    default:
        return false;
    }
}

static void put_u8_at(uint8_t **at, uint8_t v)
{
    *(*at)++ = v;
}

void dcp_put_head(struct buf *out, const struct dcp_message *m, size_t value_len)
{
    uint8_t space[EXTRAS_MAX], prefix[LEB128_MAX], framing[3];
    struct buf extras = {.data = space, .cap = sizeof space, .limit = sizeof space};
    if (!put_extras(&extras, m) || extras.failed) {
        out->failed = true;
        return;
    }
    size_t prefix_len = m->collections && op_takes_document_key(m->opcode) ? leb128_put(prefix, m->collection) : 0;
    size_t framing_len = m->has_stream_id ? sizeof framing : 0, key_len = prefix_len + m->key.len;
    size_t head = FRAME_HEADER + framing_len + extras.len + key_len;
    bool fields_follow = m->opcode == OP_DCP_SNAPSHOT_MARKER && m->marker.version != 1;
    if (fields_follow) value_len = m->marker.version == 22 ? 52 : 36;
    if (key_len > (framing_len ? UINT8_MAX : UINT16_MAX) || value_len > UINT32_MAX / 2) {
        out->failed = true;
        return;
    }
    size_t body = head - FRAME_HEADER + value_len;
    framing[0] = FRAMING_STREAM_ID << 4 | 2;
    put_u16be(framing + 1, m->stream_id);
    uint8_t *at = buf_grow(out, head);
    if (!at) return;
    put_u8_at(&at, framing_len ? MAGIC_ALT_REQUEST : MAGIC_REQUEST);
    put_u8_at(&at, m->opcode);
    if (framing_len) put_u8_at(&at, (uint8_t)framing_len), put_u8_at(&at, (uint8_t)key_len);
    else put_u16be(at, (uint16_t)key_len), at += 2;
    put_u8_at(&at, (uint8_t)extras.len);
    put_u8_at(&at, m->datatype);
    put_u16be(at, m->vbucket);
    put_u32be(at + 2, (uint32_t)body);
    put_u32be(at + 6, m->opaque);
    put_u64be(at + 10, m->cas);
    at += 18;
    if (framing_len) memcpy(at, framing, framing_len), at += framing_len;
    memcpy(at, space, extras.len), at += extras.len;
    memcpy(at, prefix, prefix_len), at += prefix_len;
    if (m->key.len) memcpy(at, m->key.data, m->key.len);
    if (fields_follow) marker_fields(out, &m->marker);
}

void dcp_put(struct buf *out, const struct dcp_message *m)
{
    dcp_put_head(out, m, m->value.len);
    if (m->opcode != OP_DCP_SNAPSHOT_MARKER) buf_put_bytes(out, m->value);
}

bool dcp_flow_counts(uint8_t opcode)
{
    switch (opcode) {
    case OP_DCP_STREAM_END:
    case OP_DCP_SNAPSHOT_MARKER:
    case OP_DCP_MUTATION:
    case OP_DCP_DELETION:
    case OP_DCP_EXPIRATION:
    case OP_DCP_SET_VBUCKET_STATE:
    case OP_DCP_SYSTEM_EVENT:
    case OP_DCP_PREPARE:
    case OP_DCP_COMMIT:
    case OP_DCP_ABORT:
    case OP_DCP_SEQNO_ADVANCED:
    case OP_DCP_OSO_SNAPSHOT:
        return true;
    default:
        return false;
    }
}

size_t dcp_flow_bytes(uint8_t opcode, size_t frame_bytes)
{
    return opcode == OP_DCP_PREPARE ? frame_bytes + 2 : frame_bytes;
}

void dcp_put_answer(struct buf *out, uint8_t opcode, uint32_t opaque, enum status status, struct divan_bytes value)
{
    struct frame f = {
        .magic = MAGIC_RESPONSE, .opcode = opcode, .opaque = opaque, .status = (uint16_t)status, .value = value};
    frame_encode(out, &f);
}

enum divan_code dcp_read_rollback(const struct frame *f, uint64_t *seqno, struct divan_error *err)
{
    if (f->value.len != 8)
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "the answer to a stream request asks for a rollback in %zu bytes",
                       f->value.len);
    *seqno = get_u64be(f->value.data);
    return DIVAN_OK;
}

/* ---- decoding */

static void read_document(struct rd *x, struct dcp_message *m, bool *old_meta)
{
    m->seqno = rd_u64be(x);
    m->revision = rd_u64be(x);
    switch (m->opcode) {
    case OP_DCP_DELETION:
        m->delete_times = x->left == 5;
        if (m->delete_times) m->delete_s = rd_u32be(x), (void)rd_u8(x);
        else *old_meta = rd_u16be(x) != 0;
        return;
    case OP_DCP_EXPIRATION:
        m->delete_s = rd_u32be(x);
        return;
    default:
        m->flags = rd_u32be(x);
        m->expiry = rd_u32be(x);
        m->lock_s = rd_u32be(x);
        if (m->opcode == OP_DCP_MUTATION) {
            *old_meta = rd_u16be(x) != 0;
            m->nru = rd_u8(x);
        } else {
            m->nru = rd_u8(x);
            m->deleted = rd_u8(x) != 0;
            m->level = rd_u8(x);
        }
    }
}

static void read_marker_fields(struct rd *r, struct dcp_marker *k)
{
    k->start = rd_u64be(r);
    k->end = rd_u64be(r);
    k->flags = rd_u32be(r);
    if (k->version == 1) return;
    k->max_visible = rd_u64be(r);
    k->high_completed = rd_u64be(r);
    if (k->version != 22) return;
    k->high_prepared = rd_u64be(r);
    k->purge = rd_u64be(r);
}

static enum divan_code read_marker(const struct frame *f, struct rd *x, struct dcp_marker *k, struct divan_error *err)
{
    if (f->extras.len == 20) {
        k->version = 1;
        read_marker_fields(x, k);
        return f->value.len ? err_set(err, DIVAN_ERR_FRAME_VALUE, "a snapshot marker of version 1 has a value")
                            : DIVAN_OK;
    }
    uint8_t version = rd_u8(x);
    if (version != 0 && version != 2)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "a snapshot marker has version 2.%u, known are 2.0 and 2.2",
                       version);
    k->version = version == 2 ? 22 : 20;
    struct rd r = rd_from(f->value);
    read_marker_fields(&r, k);
    if (!rd_ok(&r) || r.left)
        return err_set(err, DIVAN_ERR_FRAME_VALUE, "a snapshot marker of version 2.%u has a value of %zu bytes",
                       version, f->value.len);
    return DIVAN_OK;
}

static enum divan_code read_extras(const struct frame *f, struct dcp_message *m, struct divan_error *err)
{
    struct rd x = rd_from(f->extras);
    bool old_meta = false;
    switch (m->opcode) {
    case OP_DCP_OPEN:
        (void)rd_u32be(&x);
        m->flags = rd_u32be(&x);
        break;
    case OP_DCP_ADD_STREAM:
    case OP_DCP_OSO_SNAPSHOT:
        m->flags = rd_u32be(&x);
        break;
    case OP_DCP_STREAM_REQ:
        m->request.flags = rd_u32be(&x);
        (void)rd_u32be(&x);
        m->request.start = rd_u64be(&x);
        m->request.end = rd_u64be(&x);
        m->request.uuid = rd_u64be(&x);
        m->request.snapshot_start = rd_u64be(&x);
        m->request.snapshot_end = rd_u64be(&x);
        break;
    case OP_DCP_STREAM_END:
        m->reason = rd_u32be(&x);
        break;
    case OP_DCP_SNAPSHOT_MARKER:
        return read_marker(f, &x, &m->marker, err);
    case OP_DCP_MUTATION:
    case OP_DCP_DELETION:
    case OP_DCP_EXPIRATION:
    case OP_DCP_PREPARE:
        read_document(&x, m, &old_meta);
        break;
    case OP_DCP_COMMIT:
    case OP_DCP_ABORT:
        m->prepared_seqno = rd_u64be(&x);
        m->seqno = rd_u64be(&x);
        break;
    case OP_DCP_SEQNO_ACKNOWLEDGED:
    case OP_DCP_SEQNO_ADVANCED:
        m->seqno = rd_u64be(&x);
        break;
    case OP_DCP_SET_VBUCKET_STATE:
        m->state = rd_u8(&x);
        break;
    case OP_DCP_BUFFER_ACK:
        m->ack_bytes = rd_u32be(&x);
        break;
    case OP_DCP_SYSTEM_EVENT:
        m->seqno = rd_u64be(&x);
        m->event = rd_u32be(&x);
        m->event_version = rd_u8(&x);
        break;
    default:
        break;
    }
    if (!rd_ok(&x) || x.left)
        return err_set(err, DIVAN_ERR_FRAME_EXTRAS, "%s has %zu bytes of extras", op_name(f->opcode), f->extras.len);
    if (old_meta)
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "%s carries extended metadata, which is not understood",
                       op_name(f->opcode));
    return DIVAN_OK;
}

static enum divan_code read_key(const struct frame *f, struct dcp_message *m, struct divan_error *err)
{
    m->key = f->key;
    if (!op_takes_document_key(m->opcode)) return DIVAN_OK;
    struct rd r = rd_from(f->key);
    if (m->collections && leb128_take(&r, &m->collection) != LEB128_OK)
        return err_set(err, DIVAN_ERR_FRAME_LEB128, "%s: the collection before the key is malformed",
                       op_name(f->opcode));
    m->key = rd_rest(&r);
    if (!m->key.len || m->key.len > 250)
        return err_set(err, DIVAN_ERR_FRAME_KEY, "%s has a key of %zu bytes", op_name(f->opcode), m->key.len);
    return DIVAN_OK;
}

enum divan_code dcp_read(const struct frame *f, bool collections, struct dcp_message *out, struct divan_error *err)
{
    if (!op_has(f->opcode, OPT_DCP) || op_has(f->opcode, OPT_RETIRED))
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "%s is no message of DCP", op_name(f->opcode));
    *out = (struct dcp_message){.opcode = f->opcode,
                                .datatype = f->datatype,
                                .collections = collections,
                                .vbucket = f->vbucket,
                                .opaque = f->opaque,
                                .cas = f->cas,
                                .value = f->value};
    struct rd framing = rd_from(f->framing);
    struct framing_element e;
    while (framing_next(&framing, &e)) {
        if (e.id != FRAMING_STREAM_ID || e.data.len != 2) continue;
        out->has_stream_id = true;
        out->stream_id = get_u16be(e.data.data);
    }
    enum divan_code rc = read_extras(f, out, err);
    return rc ? rc : read_key(f, out, err);
}

/* ---- system events */

void dcp_put_event_value(struct buf *out, enum dcp_event event, const struct dcp_event_value *v)
{
    buf_u64be(out, v->manifest_uid);
    buf_u32be(out, v->scope_id);
    if (event == DCP_EVENT_CREATE_SCOPE || event == DCP_EVENT_DROP_SCOPE) return;
    buf_u32be(out, v->collection_id);
    if (v->has_max_ttl) buf_u32be(out, v->max_ttl_s);
}

enum divan_code dcp_read_event_value(const struct dcp_message *m, struct dcp_event_value *out, struct divan_error *err)
{
    struct rd r = rd_from(m->value);
    struct dcp_event_value v = {0};
    bool scope = m->event == DCP_EVENT_CREATE_SCOPE || m->event == DCP_EVENT_DROP_SCOPE;
    bool known = scope || m->event == DCP_EVENT_CREATE_COLLECTION || m->event == DCP_EVENT_DROP_COLLECTION;
    v.manifest_uid = rd_u64be(&r);
    v.scope_id = rd_u32be(&r);
    if (!scope) v.collection_id = rd_u32be(&r);
    v.has_max_ttl = m->event == DCP_EVENT_CREATE_COLLECTION && m->event_version == 1;
    if (v.has_max_ttl) v.max_ttl_s = rd_u32be(&r);
    if (!known || m->event_version > 1 || !rd_ok(&r) || r.left)
        return err_set(err, DIVAN_ERR_FRAME_VALUE, "system event %u of version %u has a value of %zu bytes", m->event,
                       m->event_version, m->value.len);
    *out = v;
    return DIVAN_OK;
}
