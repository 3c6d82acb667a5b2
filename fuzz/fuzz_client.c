/* A client in the simulated network against a server that says anything: every operation must complete once, nothing may
 * crash, hang or leak.
 *
 * Input: first byte: bit 0 = the handshake is answered properly before the input is used; bit 1 = collections in use; the rest
 * seeds the network. Then records: u16 length, and so many bytes that answer the next request; an even length keeps the
 * opaque of the request (bytes 12 to 15 are overwritten). What is left after the last record is silence. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "client/client.h"
#include "client/collections.h"
#include "io/sim.h"
#include "wire/hello.h"
#include "wire/kv.h"
#include "wire/session.h"

enum { OPERATIONS = 6, RECORD_MAX = 60000 };

struct server {
    struct io_stream *stream;
    const uint8_t *data;
    size_t left;
    bool polite;
};

static size_t completed;

static const char map_json[] =
    "{\"rev\":3,\"revEpoch\":1,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"uuid\":\"aa\",\"nodes\":[{\"hostname\":"
    "\"10.0.0.1:8091\","
    "\"ports\":{\"direct\":11210}}],\"nodesExt\":[{\"services\":{\"mgmt\":8091,\"kv\":11210},\"hostname\":\"10.0.0.1\","
    "\"thisNode\":true}],\"vBucketServerMap\":{\"hashAlgorithm\":\"CRC\",\"numReplicas\":0,\"serverList\":[\"10.0.0.1:"
    "11210\"],"
    "\"vBucketMap\":[[0],[0],[0],[0]]}}";

static void answer(struct server *s, const struct frame *f, struct divan_bytes value)
{
    const struct kv_reply r = {.opcode = f->opcode, .opaque = f->opaque, .value = value};
    kv_put_reply(io_stream_output(s->stream), &r);
}

static bool answer_properly(struct server *s, const struct frame *f)
{
    struct buf out = {.limit = 4096};
    feature_set asked = 0;
    switch (f->opcode) {
    case OP_HELLO:
        hello_read_features(f->value, &asked, NULL);
        hello_put_features(&out, asked);
        break;
    case OP_GET_CLUSTER_CONFIG:
        buf_put_str(&out, map_json);
        break;
    case OP_GET_ERROR_MAP:
        buf_put_str(&out, "{\"version\":2,\"revision\":1,\"errors\":{}}");
        break;
    case OP_SASL_LIST_MECHS:
        buf_put_str(&out, "PLAIN");
        break;
    case OP_SASL_AUTH:
    case OP_SELECT_BUCKET:
        break;
    default:
        return false;
    }
    answer(s, f, buf_view(&out));
    buf_fini(&out);
    return true;
}

static void answer_anything(struct server *s, const struct frame *f)
{
    if (s->left < 2) return;
    size_t len = get_u16be(s->data);
    s->data += 2;
    s->left -= 2;
    if (len > s->left) len = s->left;
    struct buf *out = io_stream_output(s->stream);
    uint8_t *at = buf_grow(out, len);
    if (at && len) memcpy(at, s->data, len);
    if (at && len % 2 == 0 && len >= 16) put_u32be(at + 12, f->opaque);
    s->data += len;
    s->left -= len;
}

static void on_data(void *user)
{
    struct server *s = user;
    struct frame f;
    size_t size;
    while (frame_decode(io_stream_input(s->stream), FRAME_MAX, &f, &size, NULL) == FRAME_COMPLETE) {
        if (!s->polite || !answer_properly(s, &f)) answer_anything(s, &f);
        io_stream_consume(s->stream, size);
    }
    io_stream_flush(s->stream);
}

static void on_closed(void *user, const struct divan_error *why)
{
    ((struct server *)user)->stream = NULL;
}

static void on_accept(void *user, struct io_stream *stream)
{
    static const struct io_handler handler = {.data = on_data, .closed = on_closed};
    struct server *s = user;
    if (s->stream) {
        io_stream_close(stream, false);
        return;
    }
    s->stream = stream;
    io_stream_handle(stream, &handler, s);
}

static void on_deliver(void *user, struct operation *op)
{
    completed++;
    op_release(op);
}

static void on_opened(void *user, const struct divan_error *err)
{
    *(bool *)user = true;
}

static size_t start(struct client *c, bool named)
{
    static const enum op_kind kinds[OPERATIONS] = {KIND_GET,    KIND_UPSERT, KIND_INCREMENT,
                                                   KIND_EXISTS, KIND_REMOVE, KIND_GET_AND_TOUCH};
    struct bucket *bucket = bucket_find(c, "b");
    struct collection *collection = bucket ? collection_of(bucket, named ? "s" : NULL, named ? "c" : NULL) : NULL;
    size_t started = 0;
    for (int i = 0; collection && i < OPERATIONS; i++) {
        struct operation *op = client_take(c);
        op->kind = (uint8_t)kinds[i];
        op->collection = collection;
        op->key_len = 1;
        op->key[0] = 'k';
        op->timeout_ms = 1000;
        op->durability = i == 4;
        if (client_start(c, op, NULL)) op_release(op);
        else started++;
    }
    return started;
}

static void run(struct sim *sim, struct client *c, bool named)
{
    bool opened = false;
    size_t started = 0;
    uint64_t until = sim_now(sim) + 3 * NS_PER_S;
    completed = 0;
    client_open(c, on_opened, &opened);
    do {
        client_flush(c);
        if (opened && !started) started = start(c, named);
    } while (sim_step(sim, until));
    if (completed != started) abort();
    started += start(c, named);
    client_close(c);
    if (completed != started) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_config config;
    struct divan_error err;
    struct io_addr at;
    if (size < 1) return 0;
    int64_t before = mem_live();
    struct sim *sim = sim_new(data[0]);
    struct io_loop *here = sim_host(sim, "10.0.0.100");
    struct server server = {.data = data + 1, .left = size - 1, .polite = data[0] & 1};
    io_addr_parse(&at, "10.0.0.1", 11210);
    if (!io_listen(sim_host(sim, "10.0.0.1"), &at, on_accept, &server, &err)) abort();
    const struct divan_cluster_options o = {.username = "u", .password = "p", .open_timeout_ms = 1000};
    if (client_config_make(&config, "couchbase://10.0.0.1/b?allowed_sasl_mechanisms=PLAIN", &o, &err)) abort();
    struct client *c = client_new(here, &config, on_deliver, NULL, &err);
    run(sim, c, data[0] & 2);
    io_loop_free(here);
    client_free(c);
    sim_free(sim);
    if (mem_live() != before) abort();
    return 0;
}
