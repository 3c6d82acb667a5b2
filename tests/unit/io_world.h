/* Two programs that talk, on either backend: what the tests of src/io share. */
#ifndef TESTS_UNIT_IO_WORLD_H
#define TESTS_UNIT_IO_WORLD_H

#include "unit/unit.h"

#include "base/alloc.h"
#include "base/error.h"
#include "io/io.h"
#include "io/sim.h"

struct world {
    struct sim *sim; /* NULL: libuv, both programs on one loop */
    struct io_loop *client, *server;
    struct io_addr at; /* where the server listens */
};

static inline void world_open(struct world *w, bool simulated, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    if (simulated) {
        w->sim = sim_new(seed);
        w->client = sim_host(w->sim, "10.0.0.1");
        w->server = sim_host(w->sim, "10.0.0.2");
        assert_true(io_addr_parse(&w->at, "10.0.0.2", 0));
    } else {
        struct divan_error err;
        w->client = w->server = io_loop_new_uv(&err);
        assert_true(io_addr_parse(&w->at, "127.0.0.1", 0));
    }
    assert_non_null(w->client);
    assert_non_null(w->server);
}

static inline void world_close(struct world *w)
{
    if (w->sim) sim_free(w->sim);
    else io_loop_free(w->client);
    memset(w, 0, sizeof *w);
}

/* Runs until the condition holds; 20 s (virtual in the simulation) are a failure. */
#define world_run(w, condition)                                                                                        \
    do {                                                                                                               \
        uint64_t give_up_ = io_refresh_now((w)->client) + 20 * NS_PER_S;                                               \
        while (!(condition)) {                                                                                         \
            io_run_once((w)->client, give_up_);                                                                        \
            if (io_refresh_now((w)->client) >= give_up_) fail_msg("never came true: %s", #condition);                  \
        }                                                                                                              \
    } while (0)

/* One end of a conversation: collects what comes. */
struct end {
    struct io_stream *stream;
    int opened, drained, closed;
    struct divan_error why;
    struct buf got;
    size_t expect; /* > 0: consumes only when so many bytes are there */
    bool keep;     /* consumes nothing */
    bool echo;     /* sends back what comes */
    bool close_on_data, close_flush;
};

static inline void end_opened(void *user)
{
    ((struct end *)user)->opened++;
}

static inline void end_drained(void *user)
{
    ((struct end *)user)->drained++;
}

static inline void end_closed(void *user, const struct divan_error *why)
{
    struct end *e = user;
    e->closed++;
    e->why = *why;
    e->stream = NULL;
}

static inline void end_data(void *user)
{
    struct end *e = user;
    struct divan_bytes in = io_stream_input(e->stream);
    assert_true(in.len > 0);
    if (e->keep) return;
    if (in.len < e->expect) {
        io_stream_expect(e->stream, e->expect);
        return;
    }
    buf_put_bytes(&e->got, in);
    if (e->echo) buf_put_bytes(io_stream_output(e->stream), in);
    io_stream_consume(e->stream, in.len);
    assert_int_equal(io_stream_input(e->stream).len, 0);
    if (e->echo) io_stream_flush(e->stream);
    if (e->close_on_data) io_stream_close(e->stream, e->close_flush);
}

static const struct io_handler end_handler = {end_opened, end_data, end_drained, end_closed};

/* A server that gives the next stream to `next`; none = closes it. */
struct server {
    struct io_listener *listener;
    struct end *next;
    int accepted;
};

static inline void server_accept(void *user, struct io_stream *s)
{
    struct server *server = user;
    server->accepted++;
    struct end *e = server->next;
    server->next = NULL;
    if (!e) {
        io_stream_close(s, false);
        return;
    }
    e->stream = s;
    io_stream_handle(s, &end_handler, e);
}

static inline void server_open(struct world *w, struct server *server)
{
    struct divan_error err;
    server->listener = io_listen(w->server, &w->at, server_accept, server, &err);
    if (!server->listener) fail_msg("%s", err.message);
    w->at = *io_listener_addr(server->listener);
    assert_int_not_equal(w->at.port, 0);
}

static inline void end_connect(struct world *w, struct end *e)
{
    struct divan_error err;
    e->stream = io_connect(w->client, &w->at, &end_handler, e, &err);
    if (!e->stream) fail_msg("%s", err.message);
}

static inline void end_send(struct end *e, const void *data, size_t len)
{
    buf_put(io_stream_output(e->stream), data, len);
    assert_false(io_stream_output(e->stream)->failed);
    io_stream_flush(e->stream);
}

/* A connected pair. */
static inline void pair_open(struct world *w, struct server *server, struct end *client, struct end *peer)
{
    server_open(w, server);
    server->next = peer;
    end_connect(w, client);
    world_run(w, client->opened && peer->stream);
}

static inline void end_fini(struct end *e)
{
    buf_fini(&e->got);
}

/* Bytes that show where they belong. */
static inline uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static inline void assert_pattern(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != pattern(i)) fail_msg("byte %zu is %u, not %u", i, data[i], pattern(i));
}

static inline void put_pattern(struct buf *b, size_t len)
{
    uint8_t *at = buf_grow(b, len);
    assert_non_null(at);
    for (size_t i = 0; i < len; i++) at[i] = pattern(i);
}

#endif
