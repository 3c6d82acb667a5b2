/* From an item of the order to the messages of a stream. */
#include "node/dcp/peer.h"
#include "node/request.h"
#include "wire/xattrs.h"

static const struct manifest *manifest_of(const struct dcp_stream *s)
{
    return &s->cursor.vbucket->store->manifest;
}

bool dcp_shows(const struct dcp_stream *s, const struct item *i)
{
    if (i->state & ITEM_EVENT) return dcp_filter_passes_event(&s->filter, i);
    if ((i->state & (ITEM_PREPARED | ITEM_ABORTED)) && !s->peer->sync_writes) return false;
    return dcp_filter_passes(&s->filter, manifest_of(s), i->collection);
}

void dcp_send(struct dcp_stream *s, struct dcp_message *m)
{
    struct buf *out = io_stream_output(s->peer->session->stream);
    size_t before = out->len;
    m->opaque = s->opaque;
    m->vbucket = s->vbucket;
    m->collections = s->peer->collections;
    m->has_stream_id = s->filter.has_sid;
    m->stream_id = s->filter.sid;
    dcp_put(out, m);
    if (dcp_flow_counts(m->opcode)) s->peer->unacked_bytes += dcp_flow_bytes(m->opcode, out->len - before);
}

/* The value as the consumer asked for it: attributes or not, body or not, inflated where it must be. false: out of
 * memory. */
static bool shape_value(struct dcp_stream *s, const struct item *i, struct dcp_message *m)
{
    struct dcp_peer *p = s->peer;
    bool no_body = p->flags & (DCP_OPEN_NO_VALUE | DCP_OPEN_NO_VALUE_KEEP_DATATYPE);
    bool attributes = i->datatype & DATATYPE_XATTR, deleted = !item_is_live(i);
    bool take = attributes && (p->flags & DCP_OPEN_XATTRS);
    bool drop_user = take && deleted && !(p->flags & DCP_OPEN_DELETED_USER_XATTRS);
    bool as_is = !no_body && take == attributes && !drop_user;
    if (as_is && (!(i->datatype & DATATYPE_SNAPPY) || session_takes_snappy(p->session))) {
        m->value = item_value(i);
        m->datatype = reply_datatype(p->session, i->datatype);
        return true;
    }
    struct divan_bytes plain, section = {0}, body;
    struct buf *inflated = &p->session->engine->inflated, *made = &p->scratch;
    if (!item_plain_value(i, inflated, &plain)) return false;
    value_split(plain, i->datatype, &section, &body);
    buf_clear(made);
    if (drop_user) value_keep_system(section, made);
    else xattrs_join(made, take ? section : (struct divan_bytes){0}, no_body ? (struct divan_bytes){0} : body);
    if (made->failed) return false;
    m->value = buf_view(made);
    m->datatype = take && made->len ? DATATYPE_XATTR : 0;
    if (!no_body) m->datatype |= i->datatype & DATATYPE_JSON;
    if (p->flags & DCP_OPEN_NO_VALUE_KEEP_DATATYPE)
        m->datatype = i->datatype & (take ? UINT8_MAX : (uint8_t)~DATATYPE_XATTR);
    m->datatype = reply_datatype(p->session, m->datatype);
    return true;
}

static uint8_t opcode_of(const struct dcp_stream *s, const struct item *i)
{
    if (item_is_live(i)) return OP_DCP_MUTATION;
    bool expiration = (i->state & ITEM_EXPIRED) && s->peer->expiry_opcode && (s->peer->flags & DCP_OPEN_DELETE_TIMES);
    return expiration ? OP_DCP_EXPIRATION : OP_DCP_DELETION;
}

static bool send_document(struct dcp_stream *s, const struct item *i, uint8_t opcode, uint64_t seqno)
{
    struct dcp_message m = {
        .opcode = opcode,
        .cas = i->cas,
        .seqno = seqno,
        .revision = i->revision,
        .collection = i->collection,
        .key = bytes_of(i->bytes, i->key_len),
        .flags = i->flags,
        .expiry = item_is_live(i) || opcode == OP_DCP_PREPARE ? i->expiry_s : 0,
        .delete_times = opcode == OP_DCP_DELETION && (s->peer->flags & DCP_OPEN_DELETE_TIMES),
        .delete_s = i->expiry_s,
        .deleted = !item_is_live(i),
        .level = i->level,
    };
    if (!shape_value(s, i, &m)) return false;
    dcp_send(s, &m);
    return true;
}

static void send_end(struct dcp_stream *s, const struct item *i, uint8_t opcode)
{
    struct dcp_message m = {.opcode = opcode,
                            .prepared_seqno = i->seqno - i->prepared_ago,
                            .seqno = i->seqno,
                            .collection = i->collection,
                            .key = bytes_of(i->bytes, i->key_len)};
    dcp_send(s, &m);
}

static void send_event(struct dcp_stream *s, const struct item *i)
{
    struct dcp_message m = {.opcode = OP_DCP_SYSTEM_EVENT,
                            .seqno = i->seqno,
                            .event = i->flags,
                            .event_version = i->level,
                            .key = bytes_of(i->bytes, i->key_len),
                            .value = item_value(i)};
    dcp_send(s, &m);
}

bool dcp_emit(struct dcp_stream *s, const struct item *i)
{
    if (i->state & ITEM_EVENT) {
        send_event(s, i);
        return true;
    }
    if (i->state & ITEM_ABORTED) {
        send_end(s, i, OP_DCP_ABORT);
        return true;
    }
    if (i->state & ITEM_PREPARED) return send_document(s, i, OP_DCP_PREPARE, i->seqno);
    if (!i->prepared_ago || !s->peer->sync_writes) return send_document(s, i, opcode_of(s, i), i->seqno);
    /* The prepare was sent when it was one; or it is told now, where nothing lies between; or it is left out. */
    bool known = i->seqno - i->prepared_ago <= s->opened_at;
    if (!known && (s->disk || i->prepared_ago != 1)) return send_document(s, i, opcode_of(s, i), i->seqno);
    if (!known && !send_document(s, i, OP_DCP_PREPARE, i->seqno - 1)) return false;
    send_end(s, i, OP_DCP_COMMIT);
    return true;
}
