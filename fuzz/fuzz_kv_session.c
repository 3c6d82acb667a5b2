/* Bytes of a client against the whole key-value service, in a simulated world: first byte: how it begins (authenticated
 * and with which features), the rest is what it sends. */
#include <assert.h>

#include "io/sim.h"
#include "node/engine.h"
#include "wire/frame.h"
#include "wire/hello.h"
#include "wire/opcodes.h"

static void on_data(void *user)
{
    struct io_stream *s = *(struct io_stream **)user;
    io_stream_consume(s, io_stream_input(s).len);
}

static void on_closed(void *user, const struct divan_error *why)
{
    *(struct io_stream **)user = NULL;
}

static void on_open(void *user) {}

static const struct io_handler handler = {.opened = on_open, .data = on_data, .closed = on_closed};

static void start_engine(struct engine *engine, struct io_addr *address)
{
    static struct sasl_secret secret;
    if (!secret.scram[0].iterations) sasl_secret_derive(divan_str("p"), 1, &secret, NULL);
    struct io_addr wanted;
    io_addr_parse(&wanted, "10.0.0.1", 11210);
    engine_listen_kv(engine, &wanted, address, NULL);
    engine_bucket_create(engine, &(struct bucket_spec){.name = "b", .vbuckets = 4}, NULL);
    engine_own_all(engine, "b", NULL);
    const struct collection_spec in[] = {{.name = "_default"}, {.name = "c", .id = 8}};
    const struct scope_spec scope = {.name = "_default", .collections = in, .collection_count = 2};
    engine_set_manifest(engine, "b", &(struct manifest_spec){1, &scope, 1}, NULL);
    engine_set_config(engine, "b", (struct map_revision){1, 1}, divan_str("{}"), NULL);
    struct engine_user user = {.name = "u", .secret = secret, .admin = true};
    engine_set_user(engine, &user, NULL);
}

static void begin(struct buf *out, uint8_t how)
{
    uint8_t features[64];
    struct buf value = {.limit = sizeof features};
    feature_set ask = FEATURE(FEATURE_XATTR) | FEATURE(FEATURE_JSON) | FEATURE(FEATURE_SNAPPY);
    if (how & 2) ask |= FEATURE(FEATURE_COLLECTIONS);
    if (how & 4) ask |= FEATURE(FEATURE_XERROR) | FEATURE(FEATURE_MUTATION_SEQNO);
    if (how & 8) ask |= FEATURE(FEATURE_TRACING);
    hello_put_features(&value, ask);
    const struct frame frames[] = {
        {.magic = MAGIC_REQUEST, .opcode = OP_HELLO, .value = buf_view(&value)},
        {.magic = MAGIC_REQUEST, .opcode = OP_SASL_AUTH, .key = divan_str("PLAIN"), .value = bytes_of("\0u\0p", 4)},
        {.magic = MAGIC_REQUEST, .opcode = OP_SELECT_BUCKET, .key = divan_str("b")},
    };
    for (size_t i = 0; i < 3; i++) frame_encode(out, &frames[i]);
    buf_fini(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    struct io_addr address;
    struct io_stream *stream = NULL;
    struct sim *sim = sim_new(1);
    struct engine *engine = engine_new(sim_host(sim, "10.0.0.1"), NULL, NULL, NULL);
    start_engine(engine, &address);
    stream = io_connect(sim_host(sim, "10.0.0.2"), &address, &handler, &stream, NULL);
    sim_run_for(sim, NS_PER_MS * 5);
    if (stream) {
        if (data[0] & 1) begin(io_stream_output(stream), data[0]);
        buf_put(io_stream_output(stream), data + 1, size - 1);
        io_stream_flush(stream);
        sim_run_for(sim, 40 * NS_PER_S); /* past every wait */
    }
    engine_free(engine);
    sim_free(sim);
    return 0;
}
