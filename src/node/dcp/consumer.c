/* The connection to a source: dialling, the handshake, frames, flow control, liveness. */
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "node/dcp/peer.h"
#include "node/dcp/replica_state.h"
#include "wire/hello.h"
#include "wire/session.h"

enum {
    WINDOW_BYTES = 8 * 1024 * 1024,
    ACK_BYTES = 1024 * 1024,
    HANDSHAKE_OPAQUE = 0xd0000000,
    ASK_OPAQUE = 0xe0000000
};
#define PAUSE_FIRST_NS (20 * NS_PER_MS)
#define PAUSE_MAX_NS   NS_PER_S
#define SHAKE_NS       (2 * NS_PER_S)
#define TICK_NS        (100 * NS_PER_MS)
#define ASK_NS         (500 * NS_PER_MS)
#define SILENCE_NS     (3 * NS_PER_S) /* a noop comes every second */

#define TO(state) (1u << CONSUMER_##state)
static const unsigned allowed[CONSUMER_STATES] = {
    [CONSUMER_PAUSING] = TO(DIALLING),
    [CONSUMER_DIALLING] = TO(SHAKING) | TO(PAUSING),
    [CONSUMER_SHAKING] = TO(READY) | TO(PAUSING),
    [CONSUMER_READY] = TO(PAUSING),
};

static bool move(struct consumer *c, enum consumer_state to)
{
    if (!(allowed[c->state] >> to & 1)) return false;
    c->state = to;
    return true;
}

static struct engine *engine_of(const struct consumer *c)
{
    return c->home->replication->engine;
}

static uint64_t now_of(const struct consumer *c)
{
    return io_now_ns(engine_of(c)->loop);
}

static void tick_at(struct consumer *c, uint64_t at_ns)
{
    io_timer_start(&c->timer, at_ns); /* a failure is made good by the next event */
}

/* ---- the end of a connection */

static void orphan_closed(void *user, const struct divan_error *why) {}
static const struct io_handler orphan = {.closed = orphan_closed};

static void hang_up(struct consumer *c)
{
    if (!c->stream) return;
    io_stream_handle(c->stream, &orphan, NULL);
    io_stream_close(c->stream, false);
    c->stream = NULL;
}

/* The connection is no more: every stream of it will be asked for again. */
static void lose(struct consumer *c, const struct divan_error *why)
{
    if (!move(c, CONSUMER_PAUSING)) return;
    hang_up(c);
    text_copy(c->problem, sizeof c->problem, why->message);
    LOG_D(engine_of(c)->log, "replication: connection to %s: %s", c->source.node, why->message);
    bool serving = c->serving;
    c->serving = true;
    c->losses++;
    c->pause_ns = c->pause_ns ? c->pause_ns * 2 : PAUSE_FIRST_NS;
    if (c->pause_ns > PAUSE_MAX_NS) c->pause_ns = PAUSE_MAX_NS;
    tick_at(c, now_of(c) + c->pause_ns);
    list_each(&c->follows, it)
    {
        struct follow *f = container_of(it, struct follow, link);
        f->opaque = 0;
        f->retry_ns = 0;
        f->state = REPLICATION_CONNECTING;
        follow_set_problem(f, why->message);
    }
    /* The end of a task may change the list: then it is looked at from the start. */
    for (struct link *it = c->follows.head.next; !c->doomed && it != &c->follows.head;) {
        struct follow *f = container_of(it, struct follow, link);
        struct link *next = it->next;
        if (f->lost_seen != c->losses) {
            f->lost_seen = c->losses;
            if (follow_lost(f, why)) next = c->follows.head.next;
        }
        it = next;
    }
    c->serving = serving;
    if (c->doomed && !serving) mem_free(c);
}

static void on_closed(void *user, const struct divan_error *why)
{
    static const struct divan_error ended = {.code = DIVAN_ERR_CONNECTION_LOST, .message = "the source ended it"};
    struct consumer *c = user;
    c->stream = NULL;
    lose(c, why->code ? why : &ended);
}

static void give_up(struct consumer *c, enum divan_code code, const char *text)
{
    struct divan_error err;
    err_set(&err, code, "%s", text);
    lose(c, &err);
}

/* ---- handshake: everything is sent at once, the answers come in order */

void consumer_send(struct consumer *c, const struct dcp_message *m)
{
    struct dcp_message with = *m;
    with.collections = true;
    if (c->stream) dcp_put(io_stream_output(c->stream), &with);
}

static void put_control(struct consumer *c, const char *key, const char *value)
{
    consumer_send(
        c, &(struct dcp_message){
               .opcode = OP_DCP_CONTROL, .opaque = HANDSHAKE_OPAQUE, .key = divan_str(key), .value = divan_str(value)});
    c->answers_due++;
}

static void put_login(struct consumer *c)
{
    static const feature_set features = FEATURE(FEATURE_XATTR) | FEATURE(FEATURE_XERROR) | FEATURE(FEATURE_SNAPPY) |
                                        FEATURE(FEATURE_JSON) | FEATURE(FEATURE_SELECT_BUCKET) |
                                        FEATURE(FEATURE_COLLECTIONS) | FEATURE(FEATURE_ALT_REQUEST);
    const struct replication *r = c->home->replication;
    struct buf *out = io_stream_output(c->stream);
    char plain[sizeof r->user + sizeof r->password + 2];
    int len = snprintf(plain, sizeof plain, "%c%s%c%s", 0, r->user, 0, r->password);
    hello_put_request(out, HANDSHAKE_OPAQUE, divan_str("divan-replication"), features);
    session_put_sasl(out, OP_SASL_AUTH, HANDSHAKE_OPAQUE, SASL_PLAIN, bytes_of(plain, (size_t)len));
    session_put_select_bucket(out, HANDSHAKE_OPAQUE, c->home->bucket->name);
    c->answers_due = 3;
}

static void on_opened(void *user)
{
    struct consumer *c = user;
    const struct replication *r = c->home->replication;
    char name[DCP_NAME_MAX + 1], window[16];
    if (!move(c, CONSUMER_SHAKING)) return;
    put_login(c);
    snprintf(name, sizeof name, "divan:%.60s>%.60s:%.60s", c->source.node, r->node, c->home->bucket->name);
    consumer_send(c, &(struct dcp_message){.opcode = OP_DCP_OPEN,
                                           .opaque = HANDSHAKE_OPAQUE,
                                           .key = divan_str(name),
                                           .flags = DCP_OPEN_PRODUCER | DCP_OPEN_XATTRS | DCP_OPEN_DELETE_TIMES |
                                                    DCP_OPEN_DELETED_USER_XATTRS});
    c->answers_due++;
    snprintf(window, sizeof window, "%d", WINDOW_BYTES);
    put_control(c, "enable_noop", "true");
    put_control(c, "set_noop_interval", "1");
    put_control(c, "connection_buffer_size", window);
    put_control(c, "send_stream_end_on_client_close_stream", "false");
    put_control(c, "enable_expiry_opcode", "true");
    put_control(c, "enable_sync_writes", "true");
    put_control(c, "consumer_name", r->node);
    io_stream_flush(c->stream);
}

static void shaken(struct consumer *c)
{
    if (!move(c, CONSUMER_READY)) return;
    c->pause_ns = 0;
    c->unacked_bytes = 0;
    c->asked_ns = 0;
    c->asking = false;
    c->problem[0] = '\0';
    list_each(&c->follows, it) follow_try(container_of(it, struct follow, link));
}

static void handshake_answer(struct consumer *c, const struct frame *f)
{
    char text[PROBLEM_MAX];
    if (f->status != ST_SUCCESS) {
        snprintf(text, sizeof text, "the source refuses %s with status 0x%02x", op_name(f->opcode), f->status);
        c->pause_ns = PAUSE_MAX_NS; /* it will not be different in a moment */
        give_up(c, f->opcode == OP_SASL_AUTH ? DIVAN_ERR_CREDENTIALS : DIVAN_ERR_UNREACHABLE, text);
        return;
    }
    if (c->answers_due && !--c->answers_due) shaken(c);
}

/* ---- frames */

static struct follow *follow_of(const struct consumer *c, uint16_t vbucket)
{
    if (vbucket >= c->home->bucket->store.vbucket_count) return NULL;
    struct follow *f = c->home->follows[vbucket];
    return f && f->consumer == c ? f : NULL;
}

static struct follow *follow_by_opaque(const struct consumer *c, uint32_t opaque)
{
    list_each(&c->follows, it)
    {
        struct follow *f = container_of(it, struct follow, link);
        if (f->opaque == opaque) return f;
    }
    return NULL;
}

static void seqnos_answer(struct consumer *c, const struct frame *f)
{
    struct rd r = rd_from(f->value);
    struct vbucket_seqno pair;
    c->asking = false;
    while (f->status == ST_SUCCESS && seqnos_next(&r, &pair) && c->state == CONSUMER_READY) {
        struct follow *follow = follow_of(c, pair.vbucket);
        /* asked before the stream began: it may be less than what the source had then */
        if (follow && follow->opaque && follow->state >= REPLICATION_STREAMING && follow->state != REPLICATION_FAILED &&
            f->opaque - ASK_OPAQUE >= follow->opaque)
            follow_source_seqno(follow, pair.seqno);
    }
}

static void take_answer(struct consumer *c, const struct frame *f)
{
    if (c->state == CONSUMER_SHAKING) {
        handshake_answer(c, f);
        return;
    }
    if (f->opcode == OP_GET_ALL_VB_SEQNOS) {
        seqnos_answer(c, f);
        return;
    }
    if (f->opcode != OP_DCP_STREAM_REQ) return;
    struct follow *follow = follow_by_opaque(c, f->opaque);
    if (follow && follow->state == REPLICATION_REQUESTED) follow_answer(follow, f);
}

static void count_bytes(struct consumer *c, uint8_t opcode, size_t bytes)
{
    if (!dcp_flow_counts(opcode)) return;
    c->unacked_bytes += dcp_flow_bytes(opcode, bytes);
    if (c->unacked_bytes < ACK_BYTES) return;
    consumer_send(c, &(struct dcp_message){.opcode = OP_DCP_BUFFER_ACK, .ack_bytes = (uint32_t)c->unacked_bytes});
    c->unacked_bytes = 0;
}

static void take_request(struct consumer *c, const struct frame *f, size_t bytes)
{
    struct dcp_message m;
    struct divan_error err;
    if (f->opcode == OP_DCP_NOOP) {
        dcp_put_answer(io_stream_output(c->stream), OP_DCP_NOOP, f->opaque, ST_SUCCESS, (struct divan_bytes){0});
        return;
    }
    if (dcp_read(f, true, &m, &err)) {
        lose(c, &err);
        return;
    }
    count_bytes(c, f->opcode, bytes);
    struct follow *follow = follow_of(c, m.vbucket);
    if (follow && follow->opaque && follow->opaque == m.opaque) follow_message(follow, &m);
}

static size_t take_frames(struct consumer *c, struct divan_bytes input)
{
    size_t used = 0;
    while (c->stream && !c->doomed && used < input.len) {
        struct frame f;
        struct divan_error err;
        size_t size = 0;
        enum frame_verdict verdict = frame_decode(bytes_slice(input, used, input.len), FRAME_MAX, &f, &size, &err);
        if (verdict == FRAME_PARTIAL) {
            io_stream_expect(c->stream, used + size);
            break;
        }
        if (verdict == FRAME_BROKEN) {
            lose(c, &err);
            break;
        }
        if (frame_is_response(&f)) take_answer(c, &f);
        else if (f.magic != MAGIC_SERVER_REQUEST) take_request(c, &f, size);
        used += size;
    }
    return used;
}

/* Asks what the source has: for lags, and for builds to know their end. The opaque tells which streams had begun. */
static void ask(struct consumer *c, uint64_t now_ns)
{
    static const struct seqnos_request active = {.state = 1};
    if (c->asking || now_ns - c->asked_ns < ASK_NS) return;
    c->asking = true;
    c->asked_ns = now_ns;
    seqnos_put_request(io_stream_output(c->stream), ASK_OPAQUE + c->next_opaque, &active);
}

static void on_data(void *user)
{
    struct consumer *c = user;
    struct engine *e = engine_of(c);
    engine_read_clock(e);
    c->heard_ns = e->clock.now_ns;
    c->serving = true;
    size_t used = take_frames(c, io_stream_input(c->stream));
    c->serving = false;
    if (c->stream && !c->doomed) {
        if (used) io_stream_consume(c->stream, used);
        if (c->state == CONSUMER_READY) ask(c, e->clock.now_ns);
        io_stream_flush(c->stream);
    }
    if (c->doomed) mem_free(c);
    dcp_pump_all(e); /* who follows us gets it at once */
}

/* ---- dialling and time */

static const struct io_handler handler = {.opened = on_opened, .data = on_data, .closed = on_closed};

static void dial(struct consumer *c)
{
    struct divan_error err;
    uint64_t now_ns = now_of(c);
    if (!move(c, CONSUMER_DIALLING)) return;
    c->stream = io_connect(engine_of(c)->loop, &c->source.addr, &handler, c, &err);
    c->deadline_ns = now_ns + SHAKE_NS;
    c->heard_ns = now_ns;
    if (!c->stream) lose(c, &err);
    else tick_at(c, c->deadline_ns);
}

static void retry_refused(struct consumer *c, uint64_t now_ns)
{
    list_each(&c->follows, it)
    {
        struct follow *f = container_of(it, struct follow, link);
        if (f->retry_ns && f->retry_ns <= now_ns) follow_try(f);
    }
}

static void on_tick(void *user)
{
    struct consumer *c = user;
    uint64_t now_ns = now_of(c);
    if (c->state == CONSUMER_PAUSING) {
        dial(c);
        return;
    }
    if (c->state != CONSUMER_READY) {
        if (now_ns >= c->deadline_ns) give_up(c, DIVAN_ERR_UNREACHABLE, "the source does not answer");
        else tick_at(c, c->deadline_ns);
        return;
    }
    if (now_ns - c->heard_ns > SILENCE_NS) {
        give_up(c, DIVAN_ERR_CONNECTION_LOST, "the source is silent");
        return;
    }
    retry_refused(c, now_ns);
    ask(c, now_ns);
    io_stream_flush(c->stream);
    tick_at(c, now_ns + TICK_NS);
}

void follow_try(struct follow *f)
{
    struct consumer *c = f->consumer;
    if (!c || c->state != CONSUMER_READY) {
        f->state = c ? REPLICATION_CONNECTING : REPLICATION_NONE;
        return;
    }
    bool taking = f->task && f->task->takeover && f->vbucket->mode == VBUCKET_PENDING;
    bool fenced = follow_is_fenced(f);
    if (f->vbucket->mode == VBUCKET_REPLICA && !fenced) {
        if (!f->opaque) follow_request(f);
    } else if (!taking || fenced) {
        if (f->opaque)
            consumer_send(c, &(struct dcp_message){.opcode = OP_DCP_CLOSE_STREAM, .vbucket = f->vbucket->id});
        f->opaque = 0;
        f->retry_ns = fenced ? f->home->fenced_until_ns : 0;
        f->state = REPLICATION_WAITING;
    }
    tick_at(c, now_of(c)); /* sends it, and looks at the clock */
}

/* ---- life */

static bool same_source(const struct source *a, const struct source *b)
{
    return io_addr_equal(&a->addr, &b->addr);
}

struct consumer *consumer_get(struct followed_bucket *home, const struct source *source)
{
    list_each(&home->consumers, it)
    {
        struct consumer *c = container_of(it, struct consumer, link);
        if (same_source(&c->source, source) && !c->doomed) return c;
    }
    struct consumer *c = mem_zalloc(sizeof *c);
    if (!c) return NULL;
    c->home = home;
    c->source = *source;
    list_init(&c->follows);
    io_timer_init(&c->timer, home->replication->engine->loop, on_tick, c);
    list_append(&home->consumers, &c->link);
    tick_at(c, now_of(c)); /* dials in the loop's next turn */
    return c;
}

void consumer_free(struct consumer *c)
{
    if (c->doomed) return;
    list_each(&c->follows, it)
    {
        list_remove(it);
        container_of(it, struct follow, link)->consumer = NULL;
    }
    io_timer_stop(&c->timer);
    hang_up(c);
    list_remove(&c->link);
    c->doomed = true;
    if (!c->serving) mem_free(c);
}

void consumer_attach(struct consumer *c, struct follow *f)
{
    f->consumer = c;
    f->lost_seen = c->losses;
    f->opaque = 0;
    f->retry_ns = 0;
    list_append(&c->follows, &f->link);
    follow_try(f);
}

void consumer_detach(struct follow *f)
{
    struct consumer *c = f->consumer;
    if (!c) return;
    if (f->opaque && c->state == CONSUMER_READY) {
        consumer_send(c, &(struct dcp_message){.opcode = OP_DCP_CLOSE_STREAM, .vbucket = f->vbucket->id});
        tick_at(c, now_of(c));
    }
    f->opaque = 0;
    f->consumer = NULL;
    f->state = REPLICATION_NONE;
    list_remove(&f->link);
    if (list_empty(&c->follows)) consumer_free(c);
}
