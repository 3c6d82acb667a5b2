/* The DCP side of a session: opening, commands, turns of the streams, noops. */
#include "node/dcp/peer.h"

#include <jansson.h>

#include "base/alloc.h"
#include "node/dcp/held.h"

enum {
    OPEN_FLAGS = DCP_OPEN_PRODUCER | DCP_OPEN_XATTRS | DCP_OPEN_NO_VALUE | DCP_OPEN_DELETE_TIMES |
                 DCP_OPEN_NO_VALUE_KEEP_DATATYPE | DCP_OPEN_DELETED_USER_XATTRS,
    TURN_BYTES = 256 * 1024, /* of output before others come to their turn */
    TURNS_MAX = 20000,
    NAMES_MAX = 4096,
};
#define NOOP_DEFAULT_NS (180 * NS_PER_S)

/* ---- names of nodes */

static uint16_t find_name(const struct engine *e, struct divan_bytes name)
{
    for (uint16_t i = 0; i < e->names.count; i++) {
        if (bytes_is(name, e->names.texts[i])) return (uint16_t)(i + 1);
    }
    return 0;
}

/* Names of consumers make no numbers: anybody may invent those. But nodes (they stream as administrators) say what they have
 * while they are built, before a chain names them. */
uint16_t dcp_peer_node(struct dcp_peer *p)
{
    const struct account *account = p->session->account;
    struct divan_bytes name = divan_str(p->consumer_name);
    if (p->node || !name.len) return p->node;
    bool is_node = account && account->admin;
    p->node = is_node ? engine_name_number(p->session->engine, name) : find_name(p->session->engine, name);
    return p->node;
}

uint16_t engine_name_number(struct engine *e, struct divan_bytes name)
{
    uint16_t known = find_name(e, name);
    if (known || !name.len) return known;
    if (e->names.count == NAMES_MAX) return 0;
    char **texts = mem_realloc(e->names.texts, (e->names.count + 1u) * sizeof *texts);
    if (!texts) return 0;
    e->names.texts = texts;
    texts[e->names.count] = mem_dup(name.data, name.len);
    return texts[e->names.count] ? ++e->names.count : 0;
}

/* ---- turns */

static void run_pump(void *user)
{
    dcp_peer_pump(user);
}

static void pump_soon(struct dcp_peer *p, uint64_t at_ns)
{
    if (io_timer_running(&p->pump_timer) && p->pump_timer.at_ns <= at_ns) return;
    if (!io_timer_start(&p->pump_timer, at_ns)) session_close(p->session);
}

void dcp_stream_wake(struct dcp_stream *s)
{
    struct dcp_peer *p = s->peer;
    if (!link_in_list(&s->ready_link)) list_append(&p->ready, &s->ready_link);
    struct engine *e = p->session->engine;
    e->dcp_dirty = true;
    pump_soon(p, io_now_ns(e->loop));
}

static bool may_send(const struct dcp_peer *p)
{
    return p->session->state != SESSION_CLOSING && (!p->window_bytes || p->unacked_bytes < p->window_bytes) &&
           io_stream_backlog(p->session->stream) <= IO_BACKLOG_HIGH;
}

/* Takeovers that wait for durable writes wait no longer than that. */
static void watch_takeovers(struct dcp_peer *p, bool wake)
{
    uint64_t now_ns = io_now_ns(p->session->engine->loop);
    if (!p->takeovers) return;
    list_each(&p->streams, link)
    {
        struct dcp_stream *s = container_of(link, struct dcp_stream, link);
        if (s->state != STREAM_DRAINING || link_in_list(&s->ready_link)) continue;
        if (wake && s->drain_until_ns <= now_ns) list_append(&p->ready, &s->ready_link);
        else if (!wake) pump_soon(p, s->drain_until_ns);
    }
}

/* One message of the stream whose turn it is. */
static void take_turn(struct dcp_peer *p)
{
    struct dcp_stream *s = container_of(list_take_first(&p->ready), struct dcp_stream, ready_link);
    bool more = dcp_stream_step(s);
    if (more && !link_in_list(&s->ready_link)) list_append(&p->ready, &s->ready_link);
    else if (!more && s->state == STREAM_OVER) dcp_stream_free(s);
}

void dcp_peer_pump(struct dcp_peer *p)
{
    io_timer_stop(&p->pump_timer);
    if (p->session->state == SESSION_CLOSING) return;
    struct buf *out = io_stream_output(p->session->stream);
    size_t began = out->len;
    watch_takeovers(p, true);
    for (size_t turns = 0; !list_empty(&p->ready) && may_send(p); turns++) {
        if (out->len - began > TURN_BYTES || turns > TURNS_MAX) break;
        take_turn(p);
    }
    if (out->failed) {
        session_close(p->session);
        return;
    }
    io_stream_flush(p->session->stream);
    if (!list_empty(&p->ready) && may_send(p)) pump_soon(p, io_now_ns(p->session->engine->loop));
    watch_takeovers(p, false);
}

void dcp_pump_all(struct engine *e)
{
    if (!e->dcp_dirty) return;
    e->dcp_dirty = false;
    held_flush(e);
    list_each(&e->dcp_peers, link)
    {
        struct dcp_peer *p = container_of(link, struct dcp_peer, link);
        if (io_timer_running(&p->pump_timer)) dcp_peer_pump(p);
    }
}

/* ---- noop */

static void on_noop(void *user)
{
    struct dcp_peer *p = user;
    uint64_t now_ns = io_now_ns(p->session->engine->loop);
    if (p->session->state == SESSION_CLOSING) return;
    if (p->noop_open) {
        LOG_W(p->session->engine->log, "dcp: \"%s\" does not answer: closed", p->name);
        session_close(p->session);
        return;
    }
    if (p->noop) {
        struct dcp_message m = {.opcode = OP_DCP_NOOP, .opaque = ++p->next_opaque};
        dcp_put(io_stream_output(p->session->stream), &m);
        p->noop_open = true;
        io_stream_flush(p->session->stream);
    }
    if (!io_timer_start(&p->noop_timer, now_ns + p->noop_ns)) session_close(p->session);
}

static void restart_noop(struct dcp_peer *p)
{
    if (!io_timer_start(&p->noop_timer, io_now_ns(p->session->engine->loop) + p->noop_ns)) session_close(p->session);
}

void dcp_peer_answer(struct dcp_peer *p, const struct frame *f)
{
    if (f->opcode == OP_DCP_NOOP) {
        p->noop_open = false;
        return;
    }
    if (f->opcode != OP_DCP_SET_VBUCKET_STATE) return;
    list_each(&p->streams, link)
    {
        struct dcp_stream *s = container_of(link, struct dcp_stream, link);
        if (s->opaque != f->opaque) continue;
        if (f->status == ST_SUCCESS) dcp_stream_state_taken(s);
        else dcp_stream_end(s, DCP_END_STATE_CHANGED), dcp_stream_wake(s);
        return;
    }
}

/* ---- life */

void dcp_peer_leave(struct dcp_peer *p)
{
    if (!p) return;
    list_each(&p->streams, link) dcp_stream_free(container_of(link, struct dcp_stream, link));
}

void dcp_peer_free(struct dcp_peer *p)
{
    if (!p) return;
    dcp_peer_leave(p);
    io_timer_stop(&p->pump_timer);
    io_timer_stop(&p->noop_timer);
    list_remove(&p->link);
    buf_fini(&p->scratch);
    mem_free(p);
}

static const char *open_problem(const struct request *rq, uint32_t flags)
{
    if (flags & ~(uint32_t)OPEN_FLAGS) return "Request contains invalid flags";
    if ((flags & DCP_OPEN_DELETED_USER_XATTRS) && !(flags & DCP_OPEN_XATTRS))
        return "Request contains invalid flags combination - IncludeDeletedUserXattrs but not IncludeXattrs";
    if ((flags & DCP_OPEN_NO_VALUE) && (flags & DCP_OPEN_NO_VALUE_KEEP_DATATYPE))
        return "Request contains invalid flags combination (NO_VALUE && NO_VALUE_WITH_UNDERLYING_DATATYPE)";
    if (!rq->frame.value.len) return NULL;
    if (rq->frame.datatype != DATATYPE_JSON) return "datatype should be set to JSON for non-empty value";
    json_t *doc = json_loadb(rq->frame.value.data, rq->frame.value.len, 0, NULL);
    const json_t *name = json_object_get(doc, "consumer_name");
    const char *problem = NULL;
    if (!json_is_object(doc) || json_object_size(doc) > (name ? 1u : 0u)) problem = "Unsupported JSON property";
    else if (name && (flags & DCP_OPEN_PRODUCER)) problem = "consumer_name only valid for Consumer connections";
    json_decref(doc);
    return problem;
}

/* Who opens under a name in use takes it over: the older connection ends. */
static void close_namesake(struct engine *e, const struct dcp_peer *mine)
{
    list_each(&e->dcp_peers, link)
    {
        struct dcp_peer *p = container_of(link, struct dcp_peer, link);
        if (p == mine || p->session->bucket != mine->session->bucket || strcmp(p->name, mine->name) != 0) continue;
        LOG_D(e->log, "dcp: \"%s\" is opened anew: the older connection is closed", p->name);
        session_close(p->session);
    }
}

void run_dcp_open(struct request *rq)
{
    struct session *s = rq->session;
    uint32_t flags = get_u32be((const uint8_t *)rq->frame.extras.data + 4);
    const char *problem = s->dcp ? "The connection is already opened as a DCP connection" : NULL;
    if (!problem && session_has(s, FEATURE_UNORDERED)) {
        reply_problem(rq, ST_NOT_SUPPORTED, "DCP on connections with unordered execution is not supported");
        return;
    }
    if (!problem) problem = open_problem(rq, flags);
    if (problem) {
        reply_problem(rq, ST_EINVAL, problem);
        return;
    }
    struct dcp_peer *p = mem_zalloc(sizeof *p);
    if (!p) {
        reply_plain(rq, ST_ENOMEM);
        return;
    }
    p->session = s;
    p->flags = flags;
    p->produces = flags & DCP_OPEN_PRODUCER;
    p->collections = session_has(s, FEATURE_COLLECTIONS);
    p->noop_ns = NOOP_DEFAULT_NS;
    p->scratch.limit = 64 * 1024 * 1024;
    memcpy(p->name, rq->frame.key.data, rq->frame.key.len); /* at most 250: checked with the form */
    list_init(&p->streams);
    list_init(&p->ready);
    io_timer_init(&p->pump_timer, rq->engine->loop, run_pump, p);
    io_timer_init(&p->noop_timer, rq->engine->loop, on_noop, p);
    list_append(&rq->engine->dcp_peers, &p->link);
    s->dcp = p;
    restart_noop(p);
    close_namesake(rq->engine, p);
    reply_plain(rq, ST_SUCCESS);
}

/* ---- commands */

static void run_control(struct request *rq)
{
    struct dcp_peer *p = rq->session->dcp;
    char problem[200] = "";
    enum status status = dcp_control(p, rq->frame.key, rq->frame.value, problem);
    if (status && *problem) reply_problem(rq, status, problem);
    else reply_plain(rq, status);
    if (!status) restart_noop(p);
}

static void run_close_stream(struct request *rq)
{
    struct dcp_peer *p = rq->session->dcp;
    struct dcp_stream *s = dcp_peer_find(p, rq->frame.vbucket, rq->framing.has_stream_id, rq->framing.stream_id);
    reply_plain(rq, s ? ST_SUCCESS : ST_KEY_ENOENT);
    if (!s) return;
    if (p->end_on_close) dcp_stream_end(s, DCP_END_CLOSED);
    dcp_stream_free(s);
}

static void run_failover_log_of(struct request *rq)
{
    const struct vbucket *v = store_vbucket(&rq->bucket->store, rq->frame.vbucket);
    if (!v || v->mode == VBUCKET_ABSENT) {
        reply_not_my_vbucket(rq);
        return;
    }
    struct buf *out = &rq->engine->body;
    buf_clear(out);
    for (uint8_t i = 0; i < v->failover_count; i++) failover_put(out, v->failover[i]);
    reply_value(rq, buf_view(out), 0);
}

static void run_buffer_ack(struct request *rq)
{
    struct dcp_peer *p = rq->session->dcp;
    uint32_t bytes = get_u32be(rq->frame.extras.data);
    p->unacked_bytes -= bytes < p->unacked_bytes ? bytes : p->unacked_bytes;
    if (!list_empty(&p->ready)) pump_soon(p, io_now_ns(rq->engine->loop)), rq->engine->dcp_dirty = true;
}

static void run_acknowledged(struct request *rq)
{
    struct dcp_peer *p = rq->session->dcp;
    struct vbucket *v = store_vbucket(&rq->bucket->store, rq->frame.vbucket);
    uint64_t seqno = get_u64be(rq->frame.extras.data);
    if (!v || v->mode != VBUCKET_ACTIVE) reply_plain(rq, ST_NOT_MY_VBUCKET);
    else if (!*p->consumer_name || !p->sync_writes) reply_plain(rq, ST_EINVAL);
    else vbucket_acknowledge(v, dcp_peer_node(p), seqno, &rq->engine->clock);
}

/* What only a consumer's peer sends. Zero seqnos are told, as measured; everything else ends the connection. */
static void run_foreign(struct request *rq)
{
    uint8_t op = rq->frame.opcode;
    bool numbered = op == OP_DCP_MUTATION || op == OP_DCP_DELETION || op == OP_DCP_EXPIRATION || op == OP_DCP_PREPARE;
    if (numbered && !get_u64be(rq->frame.extras.data)) {
        reply_problem(rq, ST_EINVAL, "Invalid seqno(0) for DCP mutation");
        return;
    }
    session_close(rq->session);
}

static void run_as_consumer(struct request *rq)
{
    if (rq->frame.opcode == OP_DCP_ADD_STREAM) reply_not_my_vbucket(rq); /* nobody feeds us this way */
    else if (rq->frame.opcode == OP_DCP_CLOSE_STREAM) reply_plain(rq, ST_KEY_ENOENT);
    else session_close(rq->session);
}

void run_dcp(struct request *rq)
{
    const struct dcp_peer *p = rq->session->dcp;
    if (!p) {
        reply_problem(rq, ST_EINVAL, "The command can only be sent on a DCP connection");
        return;
    }
    if (!p->produces) {
        run_as_consumer(rq);
        return;
    }
    switch (rq->frame.opcode) {
    case OP_DCP_CONTROL:
        run_control(rq);
        return;
    case OP_DCP_STREAM_REQ:
        run_dcp_stream_request(rq);
        return;
    case OP_DCP_CLOSE_STREAM:
        run_close_stream(rq);
        return;
    case OP_DCP_GET_FAILOVER_LOG:
        run_failover_log_of(rq);
        return;
    case OP_DCP_BUFFER_ACK:
        run_buffer_ack(rq);
        return;
    case OP_DCP_SEQNO_ACKNOWLEDGED:
        run_acknowledged(rq);
        return;
    default:
        run_foreign(rq);
    }
}
