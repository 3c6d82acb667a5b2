/* TLS streams behave as streams, and say why they do not come about. On both backends. */
#include "unit/io_world.h"

#include <time.h>

#include "io/selfsigned.h"
#include "io/tls.h"

#define SIM_NOW_S INT64_C(1704067200) /* where the wall clock of a simulation begins */

static bool simulated;
static struct selfsigned ca, other_ca, node, app;
static const uint64_t seed = 99;

struct tls_world {
    struct world w;
    struct io_tls *client_tls, *server_tls;
    struct server server;
    struct end client, peer;
    const char *name;
};

static int64_t now_s(void)
{
    return simulated ? SIM_NOW_S : (int64_t)time(NULL);
}

static struct io_pem pem(const char *text)
{
    return (struct io_pem){.text = divan_str(text)};
}

static void certificate(const char *const *hosts, size_t count, int64_t at_s, unsigned days, struct selfsigned *out)
{
    struct divan_error err;
    if (selfsigned_cert(&ca, hosts, count, at_s, days, out, &err)) fail_msg("%s", err.message);
}

static struct io_tls *client_context(const struct io_tls_client_options *o)
{
    struct divan_error err;
    struct io_tls *tls = io_tls_client_new(o, &err);
    if (!tls) fail_msg("%s", err.message);
    return tls;
}

static struct io_tls *server_context(const struct io_tls_server_options *o)
{
    struct divan_error err;
    struct io_tls *tls = io_tls_server_new(o, &err);
    if (!tls) fail_msg("%s", err.message);
    return tls;
}

static void make_certificates(void)
{
    static const char *const hosts[] = {"node.example", "*.wild.example", "127.0.0.1", "10.0.0.2", "::1"};
    static const char *const app_host[] = {"app.example"};
    struct divan_error err;
    assert_int_equal(selfsigned_ca("Test root", now_s(), 365, &ca, &err), DIVAN_OK);
    assert_int_equal(selfsigned_ca("Other root", now_s(), 365, &other_ca, &err), DIVAN_OK);
    certificate(hosts, 5, now_s(), 30, &node);
    certificate(app_host, 1, now_s(), 30, &app);
}

static void free_certificates(void)
{
    selfsigned_fini(&ca);
    selfsigned_fini(&other_ca);
    selfsigned_fini(&node);
    selfsigned_fini(&app);
}

static void open_world(struct tls_world *t)
{
    memset(t, 0, sizeof *t);
    make_certificates();
    world_open(&t->w, simulated, seed);
    t->client_tls = client_context(&(struct io_tls_client_options){.ca = pem(ca.cert_pem)});
    t->server_tls = server_context(
        &(struct io_tls_server_options){.cert = pem(node.cert_pem), .key = pem(node.key_pem)});
    t->name = "node.example";
}

static void close_world(struct tls_world *t)
{
    world_close(&t->w);
    io_tls_release(t->client_tls);
    io_tls_release(t->server_tls);
    end_fini(&t->client);
    end_fini(&t->peer);
    free_certificates();
}

static void listen_tls(struct tls_world *t)
{
    struct divan_error err;
    t->server.listener = io_listen_tls(t->w.server, &t->w.at, t->server_tls, server_accept, &t->server, &err);
    if (!t->server.listener) fail_msg("%s", err.message);
    t->w.at = *io_listener_addr(t->server.listener);
    t->server.next = &t->peer;
}

static void connect_tls(struct tls_world *t)
{
    struct divan_error err;
    t->client.stream = io_connect_tls(t->w.client, &t->w.at, t->client_tls, t->name, &end_handler, &t->client, &err);
    if (!t->client.stream) fail_msg("%s", err.message);
}

static void open_pair(struct tls_world *t)
{
    open_world(t);
    listen_tls(t);
    connect_tls(t);
    world_run(&t->w, t->client.closed || (t->client.opened && t->peer.stream));
    if (t->client.closed) fail_msg("%s", t->client.why.message);
}

/* ---- as any stream */

static void echo_comes_back(void **state)
{
    struct tls_world t;
    open_pair(&t);
    t.peer.echo = true;
    end_send(&t.client, "hello", 5);
    world_run(&t.w, t.client.got.len == 5);
    assert_memory_equal(t.client.got.data, "hello", 5);
    assert_int_equal(t.client.opened, 1);
    assert_true(io_addr_equal(io_stream_local(t.client.stream), io_stream_peer(t.peer.stream)));
    char subject[80];
    assert_true(io_tls_peer_subject(t.client.stream, subject, sizeof subject));
    assert_string_equal(subject, "CN=node.example,O=Divan");
    assert_false(io_tls_peer_subject(t.peer.stream, subject, sizeof subject));
    close_world(&t);
    assert_int_equal(t.client.closed, 1);
    assert_int_equal(t.peer.closed, 1);
}

static void output_flushed_before_the_handshake_goes_out(void **state)
{
    struct tls_world t;
    open_world(&t);
    listen_tls(&t);
    connect_tls(&t);
    end_send(&t.client, "early", 5);
    world_run(&t.w, t.peer.got.len == 5);
    close_world(&t);
}

static void large_transfer_is_intact(void **state)
{
    enum { SIZE = 20 * 1024 * 1024 };
    struct tls_world t;
    struct buf data = {.limit = SIZE};
    open_pair(&t);
    put_pattern(&data, SIZE);
    t.peer.expect = SIZE / 2;
    end_send(&t.client, data.data, SIZE / 2);
    end_send(&t.client, data.data + SIZE / 2, SIZE / 2);
    world_run(&t.w, t.peer.got.len >= SIZE / 2);
    t.peer.expect = 0;
    world_run(&t.w, t.peer.got.len == SIZE || io_stream_input(t.peer.stream).len == SIZE - t.peer.got.len);
    struct divan_bytes rest = io_stream_input(t.peer.stream);
    buf_put_bytes(&t.peer.got, rest);
    assert_pattern(t.peer.got.data, SIZE);
    assert_int_equal(io_stream_backlog(t.client.stream), 0);
    assert_int_equal(t.client.drained, 1);
    buf_fini(&data);
    close_world(&t);
}

static void pause_holds_everything_back(void **state)
{
    enum { SIZE = 24 * 1024 * 1024 };
    struct tls_world t;
    struct buf data = {.limit = SIZE};
    open_pair(&t);
    put_pattern(&data, SIZE);
    io_stream_pause(t.peer.stream, true);
    end_send(&t.client, data.data, SIZE);
    uint64_t until_ns = io_refresh_now(t.w.client) + 50 * NS_PER_MS;
    while (io_refresh_now(t.w.client) < until_ns) io_run_once(t.w.client, until_ns);
    assert_int_equal(t.peer.got.len, 0);
    assert_true(io_stream_backlog(t.client.stream) > 0);
    assert_int_equal(t.client.drained, 0);
    io_stream_pause(t.peer.stream, false);
    world_run(&t.w, t.peer.got.len == SIZE);
    assert_pattern(t.peer.got.data, SIZE);
    world_run(&t.w, t.client.drained == 1);
    buf_fini(&data);
    close_world(&t);
}

static void close_with_flush_delivers_all(void **state)
{
    enum { SIZE = 3 * 1024 * 1024 };
    struct tls_world t;
    struct buf data = {.limit = SIZE};
    open_pair(&t);
    put_pattern(&data, SIZE);
    end_send(&t.client, data.data, SIZE);
    io_stream_close(t.client.stream, true);
    world_run(&t.w, t.client.closed && t.peer.closed);
    assert_int_equal(t.peer.got.len, SIZE);
    assert_pattern(t.peer.got.data, SIZE);
    assert_int_equal(t.peer.why.code, DIVAN_OK);
    assert_int_equal(t.client.why.code, DIVAN_OK);
    buf_fini(&data);
    close_world(&t);
}

static void close_is_told_to_the_peer(void **state)
{
    struct tls_world t;
    open_pair(&t);
    t.peer.close_on_data = true;
    end_send(&t.client, "x", 1);
    world_run(&t.w, t.client.closed && t.peer.closed);
    assert_int_equal(t.client.why.code, DIVAN_OK);
    close_world(&t);
}

static void steady_exchange_does_not_allocate(void **state)
{
    struct tls_world t;
    open_pair(&t);
    t.peer.echo = true;
    uint64_t before = 0;
    char request[1000] = {1};
    for (int i = 0; i < 200; i++) {
        buf_clear(&t.client.got);
        buf_clear(&t.peer.got);
        end_send(&t.client, request, sizeof request);
        world_run(&t.w, t.client.got.len == sizeof request);
        if (i == 50) before = mem_count();
    }
    assert_int_equal(mem_count() - before, 0);
    close_world(&t);
}

/* ---- who is who */

static void expect_refusal(struct tls_world *t, enum divan_code code, const char *const *words)
{
    listen_tls(t);
    connect_tls(t);
    world_run(&t->w, t->client.closed);
    if (t->client.why.code != code) fail_msg("%s: %s", err_code_name(t->client.why.code), t->client.why.message);
    for (; *words; words++)
        if (!strstr(t->client.why.message, *words)) fail_msg("no \"%s\" in: %s", *words, t->client.why.message);
    assert_int_equal(t->client.opened, 0);
    world_run(&t->w, !t->peer.stream);
    close_world(t);
}

static void expect_acceptance(const char *name)
{
    struct tls_world t;
    open_world(&t);
    t.name = name;
    listen_tls(&t);
    connect_tls(&t);
    world_run(&t.w, t.client.opened || t.client.closed);
    if (t.client.closed) fail_msg("%s: %s", name, t.client.why.message);
    close_world(&t);
}

static void names_of_the_certificate_are_accepted(void **state)
{
    expect_acceptance("node.example");
    expect_acceptance("node.example.");
    expect_acceptance("NODE.example");
    expect_acceptance("a.wild.example");
    expect_acceptance("127.0.0.1");
    expect_acceptance("10.0.0.2");
    expect_acceptance("0:0:0::1");
}

static void other_name_is_refused(void **state)
{
    static const char *const words[] = {"evil.example", "node.example", "10.0.0.2", "CN=Test root", NULL};
    struct tls_world t;
    open_world(&t);
    t.name = "evil.example";
    expect_refusal(&t, DIVAN_ERR_TLS_CERTIFICATE, words);
}

static void other_address_is_refused(void **state)
{
    static const char *const words[] = {"10.0.0.3", "node.example", NULL};
    struct tls_world t;
    open_world(&t);
    t.name = "10.0.0.3";
    expect_refusal(&t, DIVAN_ERR_TLS_CERTIFICATE, words);
}

static void unknown_root_is_refused(void **state)
{
    static const char *const words[] = {"unable to get local issuer certificate", "CN=node.example", "CN=Test root",
                                        NULL};
    struct tls_world t;
    open_world(&t);
    io_tls_release(t.client_tls);
    t.client_tls = client_context(&(struct io_tls_client_options){.ca = pem(other_ca.cert_pem)});
    expect_refusal(&t, DIVAN_ERR_TLS_CERTIFICATE, words);
}

static void expired_certificate_is_refused(void **state)
{
    static const char *const hosts[] = {"node.example"};
    static const char *const words[] = {"certificate has expired", NULL};
    struct selfsigned old;
    struct tls_world t;
    open_world(&t);
    certificate(hosts, 1, now_s() - 100 * 86400, 30, &old);
    io_tls_release(t.server_tls);
    t.server_tls = server_context(&(struct io_tls_server_options){.cert = pem(old.cert_pem), .key = pem(old.key_pem)});
    selfsigned_fini(&old);
    expect_refusal(&t, DIVAN_ERR_TLS_CERTIFICATE, words);
}

static void without_verification_all_is_accepted(void **state)
{
    struct tls_world t;
    open_world(&t);
    io_tls_release(t.client_tls);
    t.client_tls = client_context(&(struct io_tls_client_options){.no_verify = true});
    t.name = "anything.example";
    listen_tls(&t);
    connect_tls(&t);
    world_run(&t.w, t.client.opened);
    char subject[80];
    assert_false(io_tls_peer_subject(t.client.stream, subject, sizeof subject));
    close_world(&t);
}

static void client_certificate_is_known_to_the_server(void **state)
{
    struct tls_world t;
    open_world(&t);
    io_tls_release(t.client_tls);
    io_tls_release(t.server_tls);
    t.client_tls = client_context(&(struct io_tls_client_options){
        .ca = pem(ca.cert_pem), .cert = pem(app.cert_pem), .key = pem(app.key_pem), .only_tls13 = true});
    t.server_tls = server_context(&(struct io_tls_server_options){.cert = pem(node.cert_pem),
                                                                  .key = pem(node.key_pem),
                                                                  .client_ca = pem(ca.cert_pem),
                                                                  .client_cert_needed = true});
    listen_tls(&t);
    connect_tls(&t);
    world_run(&t.w, t.peer.stream);
    char subject[80];
    assert_true(io_tls_peer_subject(t.peer.stream, subject, sizeof subject));
    assert_string_equal(subject, "CN=app.example,O=Divan");
    close_world(&t);
}

static void missing_client_certificate_is_refused(void **state)
{
    struct tls_world t;
    open_world(&t);
    io_tls_release(t.server_tls);
    t.server_tls = server_context(&(struct io_tls_server_options){.cert = pem(node.cert_pem),
                                                                  .key = pem(node.key_pem),
                                                                  .client_ca = pem(ca.cert_pem),
                                                                  .client_cert_needed = true});
    listen_tls(&t);
    connect_tls(&t);
    world_run(&t.w, t.client.closed);
    assert_int_not_equal(t.client.why.code, DIVAN_OK);
    assert_int_equal(t.server.accepted, 0);
    assert_non_null(strstr(t.client.why.message, "certificate required"));
    close_world(&t);
}

/* ---- peers that do not speak TLS */

static void plain_answer_is_recognised(void **state)
{
    static const char *const answers[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", "\x81\x00\x00\x00", "ERROR\r\n"};
    for (size_t i = 0; i < 3; i++) {
        struct tls_world t;
        open_world(&t);
        server_open(&t.w, &t.server);
        t.server.next = &t.peer;
        connect_tls(&t);
        world_run(&t.w, t.peer.got.len > 0);
        end_send(&t.peer, answers[i], strlen(answers[i]) + (i == 1));
        world_run(&t.w, t.client.closed);
        assert_int_equal(t.client.why.code, DIVAN_ERR_TLS_NOT_OFFERED);
        assert_non_null(strstr(t.client.why.message, t.w.at.host));
        close_world(&t);
    }
}

static void hanging_up_on_the_hello_is_recognised(void **state)
{
    struct tls_world t;
    open_world(&t);
    server_open(&t.w, &t.server);
    t.server.next = &t.peer;
    connect_tls(&t);
    world_run(&t.w, t.peer.got.len);
    uint64_t until_ns = io_refresh_now(t.w.client) + 20 * NS_PER_MS; /* the rest, when it came in pieces */
    while (io_refresh_now(t.w.client) < until_ns) io_run_once(t.w.client, until_ns);
    io_stream_close(t.peer.stream, true);
    world_run(&t.w, t.client.closed);
    assert_int_equal(t.client.why.code, DIVAN_ERR_TLS_NOT_OFFERED);
    close_world(&t);
}

static void refused_connection_is_unreachable(void **state)
{
    struct tls_world t;
    open_world(&t);
    listen_tls(&t);
    io_listener_close(t.server.listener);
    connect_tls(&t);
    world_run(&t.w, t.client.closed);
    assert_int_equal(t.client.why.code, DIVAN_ERR_UNREACHABLE);
    close_world(&t);
}

static void plain_client_is_dropped(void **state)
{
    struct tls_world t;
    open_world(&t);
    listen_tls(&t);
    end_connect(&t.w, &t.client);
    end_send(&t.client, "GET / HTTP/1.1\r\n\r\n", 18);
    world_run(&t.w, t.client.closed);
    assert_int_equal(t.server.accepted, 0);
    close_world(&t);
}

static void silent_client_is_dropped_in_time(void **state)
{
    struct tls_world t;
    if (!simulated) return; /* ten real seconds prove nothing more */
    open_world(&t);
    listen_tls(&t);
    end_connect(&t.w, &t.client);
    uint64_t start_ns = sim_now(t.w.sim);
    world_run(&t.w, t.client.closed);
    assert_true(sim_now(t.w.sim) - start_ns >= 10 * NS_PER_S && sim_now(t.w.sim) - start_ns < 12 * NS_PER_S);
    assert_int_equal(t.server.accepted, 0);
    close_world(&t);
}

static void listener_closed_in_the_handshake(void **state)
{
    struct tls_world t;
    open_world(&t);
    listen_tls(&t);
    end_connect(&t.w, &t.client); /* plain, and silent: the handshake waits */
    world_run(&t.w, t.client.opened);
    for (int i = 0; i < 20; i++) io_run_once(t.w.client, io_refresh_now(t.w.client) + NS_PER_MS);
    io_listener_close(t.server.listener);
    world_run(&t.w, t.client.closed);
    assert_int_equal(t.server.accepted, 0);
    close_world(&t);
}

/* Cut anywhere: the handshake and the records come together again. */
static void any_cutting_is_survived(void **state)
{
    struct tls_world t;
    if (!simulated) return;
    open_world(&t);
    struct sim_link link = sim_link_default();
    link.piece_max = 1;
    sim_link_set(t.w.sim, NULL, NULL, &link);
    listen_tls(&t);
    connect_tls(&t);
    t.peer.echo = true;
    end_send(&t.client, "byte by byte", 12);
    world_run(&t.w, t.client.got.len == 12);
    close_world(&t);
}

static void reset_is_told(void **state)
{
    struct tls_world t;
    if (!simulated) return;
    open_pair(&t);
    sim_reset(t.w.sim, NULL, NULL);
    world_run(&t.w, t.client.closed && t.peer.closed);
    assert_int_equal(t.client.why.code, DIVAN_ERR_CONNECTION_LOST);
    assert_int_equal(t.peer.why.code, DIVAN_ERR_CONNECTION_LOST);
    close_world(&t);
}

/* ---- contexts */

static void bad_material_is_refused(void **state)
{
    struct divan_error err;
    make_certificates();
    assert_null(io_tls_client_new(&(struct io_tls_client_options){.ca = {.file = "/nonexistent/ca.pem"}}, &err));
    assert_int_equal(err.code, DIVAN_ERR_FILE_READ);
    assert_non_null(strstr(err.message, "/nonexistent/ca.pem"));
    assert_null(io_tls_client_new(&(struct io_tls_client_options){.ca = pem("no certificate")}, &err));
    assert_int_equal(err.code, DIVAN_ERR_INVALID_ARGUMENT);
    assert_null(io_tls_client_new(&(struct io_tls_client_options){.cert = pem(app.cert_pem)}, &err));
    assert_int_equal(err.code, DIVAN_ERR_INVALID_ARGUMENT);
    assert_null(
        io_tls_server_new(&(struct io_tls_server_options){.cert = pem(node.cert_pem), .key = pem(app.key_pem)}, &err));
    assert_int_equal(err.code, DIVAN_ERR_INVALID_ARGUMENT);
    assert_null(io_tls_server_new(&(struct io_tls_server_options){.cert = pem(node.cert_pem), .key = pem("x")}, &err));
    assert_int_equal(err.code, DIVAN_ERR_INVALID_ARGUMENT);
    assert_null(io_tls_server_new(&(struct io_tls_server_options){0}, &err));
    struct selfsigned none;
    static const char *const bad[] = {"evil,DNS:other"};
    assert_int_equal(selfsigned_cert(&ca, bad, 1, now_s(), 1, &none, &err), DIVAN_ERR_INVALID_ARGUMENT);
    assert_int_equal(selfsigned_cert(&ca, NULL, 0, now_s(), 1, &none, &err), DIVAN_ERR_INVALID_ARGUMENT);
    assert_int_equal(selfsigned_cert(&(struct selfsigned){(char[]){""}, (char[]){""}}, (const char *const[]){"a"}, 1,
                                     now_s(), 1, &none, &err),
                     DIVAN_ERR_INVALID_ARGUMENT);
    io_tls_release(NULL);
    free_certificates();
}

/* ---- memory */

static bool conversation_with_failure(uint64_t n)
{
    struct tls_world t;
    struct divan_error err;
    open_world(&t);
    listen_tls(&t);
    uint64_t count = mem_count();
    mem_fail_at(n);
    t.peer.echo = true;
    t.client.stream = io_connect_tls(t.w.client, &t.w.at, t.client_tls, t.name, &end_handler, &t.client, &err);
    if (!t.client.stream) assert_int_equal(err.code, DIVAN_ERR_OUT_OF_MEMORY);
    for (int step = 0; step < 3 && t.client.stream; step++) {
        struct buf *out = io_stream_output(t.client.stream);
        uint8_t *room = buf_grow(out, (size_t)1 << (8 + 5 * step));
        if (room) memset(room, 'x', (size_t)1 << (8 + 5 * step));
        io_stream_flush(t.client.stream);
        for (int i = 0; i < 100 && t.client.stream && !t.client.got.len; i++)
            io_run_once(t.w.client, io_refresh_now(t.w.client) + NS_PER_MS);
        buf_clear(&t.client.got);
        buf_clear(&t.peer.got);
    }
    if (t.client.stream) io_stream_close(t.client.stream, true);
    for (int i = 0; i < 3000 && t.client.stream; i++) io_run_once(t.w.client, io_refresh_now(t.w.client) + NS_PER_MS);
    bool reached = mem_count() - count >= n;
    mem_fail_at(0);
    close_world(&t);
    assert_null(t.client.stream);
    assert_null(t.peer.stream);
    return reached;
}

static void any_failed_allocation_is_survived(void **state)
{
    int64_t live = mem_live();
    uint64_t n = 1;
    while (conversation_with_failure(n)) n++;
    assert_true(n > 8);
    assert_int_equal(mem_live(), live);
}

/* ---- both backends */

static int choose_uv(void **state)
{
    simulated = false;
    return 0;
}

static int choose_sim(void **state)
{
    simulated = true;
    return 0;
}

#define ON_BOTH(test)                                                                                                  \
    {"uv: " #test, test, choose_uv, NULL, NULL},                                                                       \
    {                                                                                                                  \
        "sim: " #test, test, choose_sim, NULL, NULL                                                                    \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_BOTH(echo_comes_back),
        ON_BOTH(output_flushed_before_the_handshake_goes_out),
        ON_BOTH(large_transfer_is_intact),
        ON_BOTH(pause_holds_everything_back),
        ON_BOTH(close_with_flush_delivers_all),
        ON_BOTH(close_is_told_to_the_peer),
        ON_BOTH(steady_exchange_does_not_allocate),
        ON_BOTH(names_of_the_certificate_are_accepted),
        ON_BOTH(other_name_is_refused),
        ON_BOTH(other_address_is_refused),
        ON_BOTH(unknown_root_is_refused),
        ON_BOTH(expired_certificate_is_refused),
        ON_BOTH(without_verification_all_is_accepted),
        ON_BOTH(client_certificate_is_known_to_the_server),
        ON_BOTH(missing_client_certificate_is_refused),
        ON_BOTH(plain_answer_is_recognised),
        ON_BOTH(hanging_up_on_the_hello_is_recognised),
        ON_BOTH(refused_connection_is_unreachable),
        ON_BOTH(plain_client_is_dropped),
        ON_BOTH(silent_client_is_dropped_in_time),
        ON_BOTH(listener_closed_in_the_handshake),
        ON_BOTH(any_cutting_is_survived),
        ON_BOTH(reset_is_told),
        ON_BOTH(bad_material_is_refused),
        ON_BOTH(any_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
