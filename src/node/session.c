#include "node/session.h"

#include "base/alloc.h"
#include "node/dcp/held.h"
#include "node/dcp/peer.h"
#include "node/request.h"
#include "wire/session.h"

enum { EARLY_MAX = 1024 /* a whole frame before authentication, as measured */, WAIT_STEP_NS = 5 * 1000 * 1000 };

#define TO(state) (1u << SESSION_##state)
static const unsigned allowed[SESSION_STATES] = {
    [SESSION_OPEN] = TO(STALLED) | TO(WAITING) | TO(CLOSING),
    [SESSION_STALLED] = TO(OPEN) | TO(CLOSING),
    [SESSION_WAITING] = TO(OPEN) | TO(CLOSING),
    [SESSION_CLOSING] = 0,
};

static bool move(struct session *s, enum session_state to)
{
    if (!(allowed[s->state] >> to & 1)) return false;
    s->state = to;
    return true;
}

/* ---- bucket */

void session_leave_bucket(struct session *s)
{
    dcp_peer_leave(s->dcp);
    if (s->bucket) s->bucket->sessions--;
    s->bucket = NULL;
    s->access_lost = false;
    s->privileges = 0;
    s->known = (struct map_revision){-1, 0};
}

void session_enter_bucket(struct session *s, struct bucket *b)
{
    session_leave_bucket(s);
    s->bucket = b;
    b->sessions++;
    s->privileges = account_bucket_privileges(s->account, b->name);
    s->epoch = s->engine->accounts.epoch;
}

/* ---- end */

static void release(struct session *s)
{
    held_leave(s);
    io_timer_stop(&s->wait_timer);
    session_leave_bucket(s);
    dcp_peer_free(s->dcp);
    list_remove(&s->link);
    s->engine->session_count--;
    account_release(s->account);
    if (s->sasl) sasl_server_fini(s->sasl);
    mem_free(s->sasl);
    mem_free(s);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct session *s = user;
    if (why->code) LOG_D(s->engine->log, "kv: connection ended: %s", why->message);
    release(s);
}

void session_close(struct session *s)
{
    if (!move(s, SESSION_CLOSING)) return;
    io_timer_stop(&s->wait_timer);
    io_stream_close(s->stream, true);
}

static void orphan_closed(void *user, const struct divan_error *why) {}

void session_free(struct session *s)
{
    static const struct io_handler nobody = {.closed = orphan_closed};
    io_stream_handle(s->stream, &nobody, NULL);
    if (s->state != SESSION_CLOSING) io_stream_close(s->stream, false);
    release(s);
}

/* ---- frames */

static void refuse_frame(struct session *s, const struct divan_error *err)
{
    char peer[64];
    LOG_D(s->engine->log, "kv: %s: %s", io_addr_text(io_stream_peer(s->stream), peer, sizeof peer), err->message);
    session_close(s);
}

/* Serves the frames at the front of the input and returns how many bytes they were. */
static size_t serve(struct session *s, struct divan_bytes input)
{
    size_t used = 0;
    while (s->state == SESSION_OPEN && used < input.len) {
        struct frame frame;
        struct divan_error err;
        size_t size = 0, max = s->account ? FRAME_MAX : EARLY_MAX;
        enum frame_verdict verdict = frame_decode(bytes_slice(input, used, input.len), max, &frame, &size, &err);
        if (verdict == FRAME_PARTIAL) {
            io_stream_expect(s->stream, used + size);
            break;
        }
        bool ours = verdict == FRAME_COMPLETE && (frame.magic == MAGIC_REQUEST || frame.magic == MAGIC_ALT_REQUEST);
        if (ours) {
            request_serve(s, &frame);
        } else if (verdict == FRAME_BROKEN) {
            refuse_frame(s, &err);
        } else if (s->dcp && frame_is_response(&frame)) {
            dcp_peer_answer(s->dcp, &frame);
        } else if (frame.magic != MAGIC_SERVER_RESPONSE) { /* an answer to a push is taken in silence */
            session_close(s);
        }
        used += size;
        if (io_stream_output(s->stream)->failed) session_close(s);
        if (io_stream_backlog(s->stream) > IO_BACKLOG_HIGH) {
            io_stream_flush(s->stream);
            if (io_stream_backlog(s->stream) > IO_BACKLOG_HIGH && move(s, SESSION_STALLED))
                io_stream_pause(s->stream, true);
        }
    }
    return used;
}

static void work(struct session *s)
{
    if (s->state != SESSION_OPEN) return;
    engine_read_clock(s->engine);
    size_t used = serve(s, io_stream_input(s->stream));
    if (s->state == SESSION_CLOSING) return;
    if (used) io_stream_consume(s->stream, used);
    io_stream_flush(s->stream);
    dcp_pump_all(s->engine);
}

static void on_data(void *user)
{
    work(user);
}

static void on_drained(void *user)
{
    struct session *s = user;
    if (s->dcp) dcp_peer_pump(s->dcp);
    if (s->state != SESSION_STALLED || !move(s, SESSION_OPEN)) return;
    io_stream_pause(s->stream, false);
    work(s);
}

/* ---- waiting */

static void on_wait(void *user)
{
    struct session *s = user;
    uint64_t now_ns = io_now_ns(s->engine->loop);
    bool last = now_ns >= s->wait_until_ns;
    s->wait_check(s, NULL, last);
    if (s->state == SESSION_WAITING && !io_timer_start(&s->wait_timer, now_ns + WAIT_STEP_NS)) session_close(s);
}

void session_wait(struct session *s, void (*check)(struct session *, void *data, bool last), uint32_t limit_ms)
{
    uint64_t now_ns = io_now_ns(s->engine->loop);
    if (!move(s, SESSION_WAITING)) return;
    s->wait_check = check;
    s->wait_until_ns = now_ns + limit_ms * NS_PER_MS;
    io_stream_pause(s->stream, true);
    if (!io_timer_start(&s->wait_timer, now_ns + WAIT_STEP_NS)) session_close(s);
}

void session_block(struct session *s)
{
    if (move(s, SESSION_WAITING)) io_stream_pause(s->stream, true);
}

void session_resume(struct session *s)
{
    if (s->state != SESSION_WAITING || !move(s, SESSION_OPEN)) return;
    io_timer_stop(&s->wait_timer);
    io_stream_pause(s->stream, false);
    work(s);
    if (s->state == SESSION_OPEN) io_stream_flush(s->stream);
}

/* ---- begin */

static const struct io_handler handler = {.data = on_data, .drained = on_drained, .closed = on_closed};

void session_open(struct engine *e, struct io_stream *stream)
{
    struct session *s = e->session_count < e->max_sessions ? mem_zalloc(sizeof *s) : NULL;
    if (!s) {
        LOG_W(e->log, "kv: connection refused: %u are open", e->session_count);
        io_stream_close(stream, false);
        return;
    }
    s->engine = e;
    s->stream = stream;
    s->known = (struct map_revision){-1, 0};
    io_timer_init(&s->wait_timer, e->loop, on_wait, s);
    list_init(&s->held);
    list_append(&e->sessions, &s->link);
    e->session_count++;
    io_stream_handle(stream, &handler, s);
}

/* ---- pushes */

void session_push_config(struct session *s, struct bucket *bucket, struct served *config)
{
    bool brief = session_has(s, FEATURE_CLUSTERMAP_CHANGE_BRIEF), full = session_has(s, FEATURE_CLUSTERMAP_CHANGE);
    if (!s->account || s->state == SESSION_CLOSING || !(brief || full)) return;
    if (bucket && (s->bucket != bucket || s->access_lost)) return;
    if (revision_compare(config->revision, s->known) <= 0) return;
    bool packed = false;
    struct divan_bytes value = {0};
    uint8_t datatype = 0;
    if (!brief) {
        value = served_text(config, session_has(s, FEATURE_SNAPPY_EVERYWHERE), &packed);
        datatype = (uint8_t)((session_has(s, FEATURE_JSON) ? DATATYPE_JSON : 0) | (packed ? DATATYPE_SNAPPY : 0));
        if (bucket) s->known = config->revision;
    }
    session_put_config_push(io_stream_output(s->stream), bucket ? bucket->name : NULL,
                            (struct config_version){config->revision.epoch, config->revision.rev}, datatype, value);
    io_stream_flush(s->stream);
}
