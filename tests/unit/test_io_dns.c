/* Names over the wire: the libuv backend asks a DNS server of this test, on loopback. */
#include "unit/io_world.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum kind { ANSWER, SILENCE, GARBAGE, TRUNCATED_RECORD, NO_SUCH_NAME, EMPTY_TARGET };

static struct world w;
static int dns = -1;
static enum kind kind;
static int asked;

static struct answer {
    int calls;
    size_t count;
    struct io_addr addrs[8];
    struct io_srv srv[8];
    struct divan_error err;
} answer;

static void got_addresses(void *user, const struct io_addr *addrs, size_t count, const struct divan_error *err)
{
    answer.calls++;
    answer.count = count;
    if (!count) answer.err = *err;
    for (size_t i = 0; i < count && i < 8; i++) answer.addrs[i] = addrs[i];
}

static void got_srv(void *user, const struct io_srv *srv, size_t count, const struct divan_error *err)
{
    answer.calls++;
    answer.count = count;
    if (!count) answer.err = *err;
    for (size_t i = 0; i < count && i < 8; i++) answer.srv[i] = srv[i];
}

static void put_name(struct buf *out, const char *name)
{
    while (*name) {
        size_t len = strcspn(name, ".");
        buf_u8(out, (uint8_t)len);
        buf_put(out, name, len);
        name += len + (name[len] == '.');
    }
    buf_u8(out, 0);
}

static void put_record(struct buf *out, uint16_t type, const struct buf *data)
{
    buf_u16be(out, 0xc00c); /* the name of the question */
    buf_u16be(out, type);
    buf_u16be(out, 1);
    buf_u32be(out, 60);
    buf_u16be(out, (uint16_t)data->len);
    buf_put_bytes(out, buf_view(data));
}

static void put_srv(struct buf *out, uint16_t priority, uint16_t weight, uint16_t port, const char *target)
{
    struct buf data = {.limit = 512};
    buf_u16be(&data, priority);
    buf_u16be(&data, weight);
    buf_u16be(&data, port);
    put_name(&data, target);
    put_record(out, 33, &data);
    buf_fini(&data);
}

static void put_address(struct buf *out, uint8_t last)
{
    struct buf data = {.limit = 16};
    buf_u32be(&data, 0x0a000000u | last);
    put_record(out, 1, &data);
    buf_fini(&data);
}

/* Header, question as asked, then what the test wants. */
static void put_reply(struct buf *out, const uint8_t *query, size_t len)
{
    uint16_t type = get_u16be(query + len - 4);
    bool srv = type == 33, v4 = type == 1;
    unsigned records = kind == ANSWER && (srv || v4) ? 3 : kind == EMPTY_TARGET || kind == TRUNCATED_RECORD;
    buf_put(out, query, 2);
    buf_u16be(out, kind == NO_SUCH_NAME ? 0x8183 : 0x8180);
    buf_u16be(out, 1);
    buf_u16be(out, (uint16_t)records);
    buf_u32be(out, 0);
    buf_put(out, query + 12, len - 12);
    if (kind == ANSWER && srv) {
        put_srv(out, 10, 1, 11210, "b.example");
        put_srv(out, 10, 5, 11211, "a.example");
        put_srv(out, 1, 0, 11212, "first.example");
    } else if (kind == ANSWER && v4) {
        for (uint8_t i = 1; i <= 3; i++) put_address(out, i);
    } else if (kind == EMPTY_TARGET) put_srv(out, 0, 0, 0, "");
    else if (kind == TRUNCATED_RECORD) {
        put_srv(out, 1, 1, 1, "cut.example");
        out->len -= 5;
    }
}

/* Answers what has come; never blocks. */
static void serve(void)
{
    uint8_t query[512];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    ssize_t n;
    while ((n = recvfrom(dns, query, sizeof query, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len)) > 12) {
        struct buf reply = {.limit = 4096};
        asked++;
        for (ssize_t at = n; at > 12 + 16; at--) /* an OPT record may follow the question: leave it out */
            if (query[11] && query[at - 11] == 0 && get_u16be(query + at - 10) == 41) n = at - 11;
        if (kind == GARBAGE) buf_put_str(&reply, "this is not a DNS message at all");
        else put_reply(&reply, query, (size_t)n);
        if (kind != SILENCE) sendto(dns, reply.data, reply.len, 0, (struct sockaddr *)&from, from_len);
        buf_fini(&reply);
    }
}

static void run_until_answered(uint64_t limit_ns)
{
    uint64_t end_ns = io_refresh_now(w.client) + limit_ns;
    while (!answer.calls && io_refresh_now(w.client) < end_ns) {
        io_run_once(w.client, io_refresh_now(w.client) + NS_PER_MS);
        serve();
    }
}

static int set_up(void **state)
{
    char servers[64];
    struct divan_error err;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    dns = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(dns, (struct sockaddr *)&at, sizeof at) || getsockname(dns, (struct sockaddr *)&at, &len)) return -1;
    world_open(&w, false, 0);
    snprintf(servers, sizeof servers, "127.0.0.1:%u", ntohs(at.sin_port));
    memset(&answer, 0, sizeof answer);
    asked = 0;
    return io_set_dns_servers(w.client, servers, &err);
}

static int tear_down(void **state)
{
    world_close(&w);
    close(dns);
    return 0;
}

static void ask_srv(enum kind how)
{
    struct divan_error err;
    kind = how;
    assert_non_null(io_lookup_srv_start(w.client, "_couchbase._tcp.cluster.example", got_srv, NULL, &err));
    run_until_answered(20 * NS_PER_S);
    assert_int_equal(answer.calls, 1);
    assert_true(asked >= 1);
}

static void srv_records_come_sorted(void **state)
{
    ask_srv(ANSWER);
    assert_int_equal(answer.count, 3);
    assert_string_equal(answer.srv[0].target, "first.example");
    assert_int_equal(answer.srv[0].port, 11212);
    assert_string_equal(answer.srv[1].target, "a.example");
    assert_string_equal(answer.srv[2].target, "b.example");
}

static void missing_srv_is_told(void **state)
{
    ask_srv(NO_SUCH_NAME);
    assert_int_equal(answer.count, 0);
    assert_int_equal(answer.err.code, DIVAN_ERR_NAME_NOT_RESOLVED);
    assert_non_null(strstr(answer.err.message, "_couchbase._tcp.cluster.example"));
}

static void srv_without_a_target_is_nothing(void **state)
{
    ask_srv(EMPTY_TARGET);
    assert_int_equal(answer.count, 0);
}

static void malformed_answer_is_an_error(void **state)
{
    ask_srv(TRUNCATED_RECORD);
    assert_int_equal(answer.count, 0);
    assert_int_equal(answer.err.code, DIVAN_ERR_NAME_NOT_RESOLVED);
}

static void addresses_come_with_the_port(void **state)
{
    struct divan_error err;
    kind = ANSWER;
    assert_non_null(io_lookup_start(w.client, "node.cluster.example", 8091, IO_ANY, got_addresses, NULL, &err));
    run_until_answered(20 * NS_PER_S);
    assert_int_equal(answer.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(answer.addrs[i].port, 8091);
        assert_memory_equal(answer.addrs[i].host, "10.0.0.", 7);
    }
}

/* A server that does not answer, or answers rubbish, costs no more than the owner's patience: it cancels. */
static void silent_server_is_waited_for_and_cancelled(void **state)
{
    static const enum kind kinds[] = {SILENCE, GARBAGE};
    for (int i = 0; i < 2; i++) {
        struct divan_error err;
        kind = kinds[i];
        struct io_lookup *q = io_lookup_start(w.client, "slow.example", 1, IO_V4, got_addresses, NULL, &err);
        run_until_answered(100 * NS_PER_MS);
        assert_int_equal(answer.calls, 0);
        io_lookup_cancel(q);
    }
    assert_true(asked >= 2);
}

static void bad_server_lists_are_refused(void **state)
{
    struct divan_error err;
    assert_int_equal(io_set_dns_servers(w.client, "not an address", &err), DIVAN_ERR_INVALID_ARGUMENT);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(srv_records_come_sorted),         WITH_SERVER(missing_srv_is_told),
        WITH_SERVER(srv_without_a_target_is_nothing), WITH_SERVER(malformed_answer_is_an_error),
        WITH_SERVER(addresses_come_with_the_port),    WITH_SERVER(silent_server_is_waited_for_and_cancelled),
        WITH_SERVER(bad_server_lists_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
