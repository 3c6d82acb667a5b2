/* Two programs in a simulated world do what the input says, and the world breaks as it says: every byte that arrives is the
 * one that was sent at its place, `closed` comes once for every stream, nothing is left. Addresses are parsed from the
 * same bytes. */
#include <stdlib.h>

#include "base/alloc.h"
#include "io/sim.h"

enum { STREAMS = 8 };

struct side {
    struct io_stream *stream;
    uint64_t sent, received; /* byte i is value(i) */
    bool told_closed, keep;
};

static struct script {
    struct sim *sim;
    struct io_loop *loop[2];
    struct io_listener *listener;
    struct side sides[STREAMS][2];
} script;

static uint8_t value(uint64_t at)
{
    return (uint8_t)(at * 29 + (at >> 7));
}

static void on_data(void *user)
{
    struct side *s = user;
    if (!s->stream || s->told_closed) abort();
    struct divan_bytes in = io_stream_input(s->stream);
    if (s->keep && in.len < 100000) return;
    for (size_t i = 0; i < in.len; i++)
        if (((const uint8_t *)in.data)[i] != value(s->received + i)) abort();
    s->received += in.len;
    io_stream_consume(s->stream, in.len);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct side *s = user;
    if (s->told_closed) abort();
    s->told_closed = true;
    s->stream = NULL;
}

static void on_event(void *user)
{
    if (((struct side *)user)->told_closed) abort();
}

static const struct io_handler handler = {on_event, on_data, on_event, on_closed};

static void on_accept(void *user, struct io_stream *stream)
{
    for (int i = 0; i < STREAMS; i++) { /* by the client's port, which both ends know */
        struct side *client = &script.sides[i][0], *server = &script.sides[i][1];
        if (!client->stream || server->stream || server->told_closed) continue;
        if (!io_addr_equal(io_stream_local(client->stream), io_stream_peer(stream))) continue;
        server->stream = stream;
        io_stream_handle(stream, &handler, server);
        return;
    }
    io_stream_close(stream, false);
}

static void send_some(struct side *s, size_t n)
{
    if (!s->stream) return;
    uint8_t *at = buf_grow(io_stream_output(s->stream), n);
    for (size_t i = 0; at && i < n; i++) at[i] = value(s->sent + i);
    s->sent += n;
    io_stream_flush(s->stream);
}

static void world_op(unsigned op, unsigned argument)
{
    struct sim_link link = sim_link_default();
    link.piece_max = argument % 4 ? 0 : 1 + argument;
    link.send_bytes = (size_t)1 << (argument % 18);
    switch (op % 6) {
    case 0:
        sim_flow_set(script.sim, NULL, NULL, (enum sim_flow)(argument % 3));
        break;
    case 1:
        sim_reset(script.sim, NULL, NULL);
        break;
    case 2:
        sim_host_set(script.sim, "10.0.0.2", (enum sim_host_state)(argument % 4));
        break;
    case 3:
        sim_link_set(script.sim, argument & 16 ? "10.0.0.1" : NULL, NULL, &link);
        break;
    default:
        sim_run_for(script.sim, (uint64_t)argument << (op % 24));
        break;
    }
}

static void side_op(struct side *s, unsigned op, unsigned argument)
{
    if (!s->stream) return;
    switch (op % 6) {
    case 0:
        io_stream_pause(s->stream, argument & 1);
        break;
    case 1:
        io_stream_close(s->stream, argument & 1);
        break;
    case 2:
        s->keep = argument & 1;
        break;
    default:
        send_some(s, (size_t)argument << (op % 10));
        break;
    }
}

static void connect_one(unsigned i)
{
    struct side *s = &script.sides[i][0];
    if (s->stream || s->told_closed) return;
    s->stream = io_connect(script.loop[0], io_listener_addr(script.listener), &handler, s, NULL);
}

static void addresses(struct divan_bytes input)
{
    char text[64], shown[64];
    struct io_addr addr, again;
    size_t n = input.len < sizeof text - 1 ? input.len : sizeof text - 1;
    if (n) memcpy(text, input.data, n);
    text[n] = 0;
    if (!io_addr_parse(&addr, text, 11210)) return;
    if (!io_addr_parse(&again, addr.host, 11210) || !io_addr_equal(&addr, &again)) abort();
    if (strlen(io_addr_text(&addr, shown, sizeof shown)) < 6) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct io_addr at;
    int64_t live = mem_live();
    addresses(bytes_of(data, size));
    memset(&script, 0, sizeof script);
    script.sim = sim_new(size ? data[0] : 0);
    script.loop[0] = sim_host(script.sim, "10.0.0.1");
    script.loop[1] = sim_host(script.sim, "10.0.0.2");
    io_addr_parse(&at, "10.0.0.2", 11210);
    script.listener = io_listen(script.loop[1], &at, on_accept, NULL, NULL);
    for (size_t i = 0; i + 3 <= size && i < 900; i += 3) {
        unsigned which = data[i] % STREAMS, op = data[i + 1], argument = data[i + 2];
        if (data[i] & 0x80) world_op(op, argument);
        else if (data[i] & 0x40) connect_one(which);
        else side_op(&script.sides[which][data[i] >> 5 & 1], op, argument);
    }
    sim_run_for(script.sim, NS_PER_S);
    for (int i = 0; i < STREAMS; i++)
        for (int end = 0; end < 2; end++)
            if (script.sides[i][end].received > script.sides[i][!end].sent) abort();
    sim_free(script.sim);
    for (int i = 0; i < STREAMS; i++)
        if (script.sides[i][0].stream || script.sides[i][1].stream) abort();
    if (mem_live() != live) abort();
    return 0;
}
