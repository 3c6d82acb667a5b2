#include "sim/support_script.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "wire/dissect.h"
#include "wire/errmap.h"
#include "wire/session.h"

struct script_conn {
    struct script *script;
    struct io_stream *stream;
    size_t place;
    feature_set features;
    struct sasl_server sasl;
    bool authenticated, selected;
};

/* Delayed answers. */
struct later {
    struct io_timer timer;
    struct script *script;
    size_t place;
    struct io_stream *stream;
    struct buf bytes;
};

/* ---- the default behaviour: a handshake and a small store */

static void answer(struct script_conn *c, const struct frame *f, uint16_t status, uint8_t datatype,
                   struct divan_bytes value)
{
    const struct kv_reply r = {
        .opcode = f->opcode, .status = status, .opaque = f->opaque, .value = value, .datatype = datatype};
    kv_put_reply(io_stream_output(c->stream), &r);
}

static void answer_text(struct script_conn *c, const struct frame *f, uint16_t status, const char *text)
{
    answer(c, f, status, 0, divan_str(text));
}

static void on_hello(struct script_conn *c, const struct frame *f)
{
    struct buf value = {.limit = 1024};
    feature_set asked = 0;
    assert_int_equal(hello_read_features(f->value, &asked, NULL), DIVAN_OK);
    c->features = asked & c->script->features;
    hello_put_features(&value, c->features);
    if (value.failed) io_stream_close(c->stream, false); /* never agree to what the client does not hear of */
    else answer(c, f, c->script->hello_status, 0, buf_view(&value));
    buf_fini(&value);
}

static void on_list(struct script_conn *c, const struct frame *f)
{
    char list[100] = "";
    for (int m = SASL_NONE - 1; m >= 0; m--)
        if (c->script->listed & 1u << m) {
            strcat(list, *list ? " " : "");
            strcat(list, sasl_name((enum sasl_mechanism)m));
        }
    answer_text(c, f, ST_SUCCESS, list);
}

static void on_auth(struct script_conn *c, const struct frame *f)
{
    struct script *s = c->script;
    enum sasl_mechanism m = sasl_from_name(f->key);
    struct buf out = {.limit = 4096};
    enum sasl_verdict v;
    if (m == SASL_NONE || !(s->mechanisms & 1u << m)) {
        answer_text(c, f, ST_AUTH_ERROR, NULL);
        return;
    }
    if (f->opcode == OP_SASL_AUTH) {
        sasl_server_reset(&c->sasl);
        v = sasl_server_begin(&c->sasl, m, f->value);
        if (v == SASL_LOOKUP)
            v = sasl_server_answer(&c->sasl, strcmp(c->sasl.user, s->user) ? NULL : &s->secret, divan_str("pepper"),
                                   "servernonce", &out);
    } else v = sasl_server_step(&c->sasl, f->value, &out);
    uint16_t status = v == SASL_ACCEPTED   ? ST_SUCCESS
                      : v == SASL_CONTINUE ? ST_AUTH_CONTINUE
                      : v == SASL_REFUSED  ? ST_AUTH_ERROR
                                           : ST_EINVAL;
    c->authenticated = v == SASL_ACCEPTED;
    answer(c, f, status, 0, status == ST_AUTH_ERROR ? bytes_of(NULL, 0) : buf_view(&out));
    buf_fini(&out);
}

static void on_select(struct script_conn *c, const struct frame *f)
{
    struct script *s = c->script;
    uint16_t status = bytes_is(f->key, s->bucket) ? ST_SUCCESS : ST_KEY_ENOENT;
    s->selects++;
    if (s->select_status && (!s->select_refusals || s->selects <= s->select_refusals)) status = s->select_status;
    if (status == ST_SUCCESS) c->selected = true;
    answer_text(c, f, status, NULL);
}

void script_make_config(char *out, size_t cap, int64_t epoch, int64_t rev, const char *const *hosts, size_t hosts_count,
                        const int *owners, size_t owner_count, unsigned vbuckets)
{
    struct buf b = {.limit = cap};
    buf_printf(&b,
               "{\"rev\":%lld,\"revEpoch\":%lld,\"name\":\"b\",\"nodeLocator\":\"vbucket\",\"uuid\":\"aa\",\"nodes\":[",
               (long long)rev, (long long)epoch);
    for (size_t i = 0; i < hosts_count; i++)
        buf_printf(&b, "%s{\"hostname\":\"%s:8091\",\"ports\":{\"direct\":%d}}", i ? "," : "", hosts[i], SCRIPT_PORT);
    buf_put_str(&b, "],\"nodesExt\":[");
    for (size_t i = 0; i < hosts_count; i++)
        buf_printf(&b, "%s{\"services\":{\"mgmt\":8091,\"kv\":%d},\"hostname\":\"%s\"}", i ? "," : "", SCRIPT_PORT,
                   hosts[i]);
    buf_put_str(&b,
                "],\"bucketCapabilities\":[\"collections\",\"durableWrite\"],\"vBucketServerMap\":{\"hashAlgorithm\":"
                "\"CRC\",\"numReplicas\":0,\"serverList\":[");
    for (size_t i = 0; i < hosts_count; i++) buf_printf(&b, "%s\"%s:%d\"", i ? "," : "", hosts[i], SCRIPT_PORT);
    buf_put_str(&b, "],\"vBucketMap\":[");
    for (unsigned i = 0; i < vbuckets; i++) buf_printf(&b, "%s[%d]", i ? "," : "", owners[i % owner_count]);
    buf_put_str(&b, "]}}");
    const char *text = buf_text(&b);
    assert_non_null(text);
    text_copy(out, cap, text);
    buf_fini(&b);
}

static void put_global(struct script *s, struct buf *b)
{
    buf_printf(b,
               "{\"rev\":1,\"revEpoch\":1,\"nodesExt\":[{\"services\":{\"mgmt\":8091,\"kv\":%u},\"hostname\":\"%s\","
               "\"thisNode\":true}]}",
               s->port, s->host);
}

static void on_config(struct script_conn *c, const struct frame *f)
{
    struct script *s = c->script;
    s->config_requests++;
    if (s->config_status) {
        answer_text(c, f, s->config_status, NULL);
        return;
    }
    if (c->selected) {
        answer(c, f, ST_SUCCESS, DATATYPE_JSON, divan_str(s->config));
        return;
    }
    if (s->no_global) {
        answer_text(c, f, ST_NO_BUCKET, NULL);
        return;
    }
    struct buf b = {.limit = 4096};
    if (s->global) buf_put_str(&b, s->global);
    else put_global(s, &b);
    answer(c, f, ST_SUCCESS, DATATYPE_JSON, buf_view(&b));
    buf_fini(&b);
}

static void on_collection_id(struct script_conn *c, const struct frame *f)
{
    struct script *s = c->script;
    struct kv_reply r = {.opcode = f->opcode, .opaque = f->opaque};
    char body[100];
    bool known = s->has_collection && (bytes_is(f->value, "s.c") || bytes_is(f->value, "_default.c"));
    s->lookups++;
    if (known) {
        session_put_reply_collection_id(io_stream_output(c->stream), &r,
                                        &(struct collection_id){.manifest_uid = s->manifest, .id = s->collection});
        return;
    }
    snprintf(body, sizeof body, "{\"manifest_uid\":\"%llx\"}", (unsigned long long)s->manifest);
    answer(c, f, ST_UNKNOWN_COLLECTION, DATATYPE_JSON, divan_str(body));
}

static bool answers_flags(uint8_t opcode)
{
    return opcode == OP_GET || opcode == OP_GAT || opcode == OP_GET_REPLICA;
}

struct script_doc *script_doc(struct script *s, const char *key, bool make)
{
    struct script_doc *free_one = NULL;
    for (size_t i = 0; i < SCRIPT_KEYS; i++) {
        struct script_doc *d = &s->docs[i];
        if (d->used && !strcmp(d->key, key)) return d;
        if (!d->used && !free_one) free_one = d;
    }
    if (!make || !free_one) return NULL;
    memset(free_one, 0, sizeof *free_one);
    free_one->used = true;
    text_copy(free_one->key, sizeof free_one->key, key);
    return free_one;
}

static void store(struct script_conn *c, const struct frame *f, const char *key, struct kv_reply *r)
{
    struct kv_store in;
    struct script_doc *d = script_doc(c->script, key, f->opcode != OP_REPLACE);
    assert_int_equal(kv_read_store(f, &in, NULL), DIVAN_OK);
    assert_non_null(d);
    d->value_len = in.value.len < sizeof d->value ? in.value.len : sizeof d->value;
    if (d->value_len) memcpy(d->value, in.value.data, d->value_len);
    d->cas++;
    r->cas = d->cas;
    const struct mutation_token token = {0xabcd, d->cas};
    kv_put_reply_token(io_stream_output(c->stream), r,
                       feature_has(c->features, FEATURE_MUTATION_SEQNO) ? &token : NULL);
}

static void count_up(struct script_conn *c, const struct frame *f, const char *key, struct kv_reply *r)
{
    struct kv_counter in;
    struct script_doc *d = script_doc(c->script, key, true);
    assert_int_equal(kv_read_counter(f, &in, NULL), DIVAN_OK);
    d->number += f->opcode == OP_INCR ? in.delta : -in.delta;
    r->cas = ++d->cas;
    kv_put_reply_counter(io_stream_output(c->stream), r, NULL, d->number);
}

static void on_data_request(struct script_conn *c, const struct frame *f)
{
    char key[256];
    uint32_t collection;
    struct divan_bytes raw;
    struct kv_reply r = {.opcode = f->opcode, .opaque = f->opaque};
    assert_int_equal(kv_read_key(f, feature_has(c->features, FEATURE_COLLECTIONS), &collection, &raw, NULL), DIVAN_OK);
    snprintf(key, sizeof key, "%.*s", (int)raw.len, (const char *)raw.data);
    struct script_doc *d = script_doc(c->script, key, false);
    switch (f->opcode) {
    case OP_SET:
    case OP_ADD:
    case OP_REPLACE:
        store(c, f, key, &r);
        return;
    case OP_INCR:
    case OP_DECR:
        count_up(c, f, key, &r);
        return;
    default:
        break;
    }
    if (!d) {
        answer_text(c, f, ST_KEY_ENOENT, NULL);
        return;
    }
    r.cas = d->cas;
    r.value = bytes_of(d->value, d->value_len);
    if (answers_flags(f->opcode)) kv_put_reply_flags(io_stream_output(c->stream), &r, 7);
    else if (f->opcode == OP_GET_META)
        kv_put_reply_meta(io_stream_output(c->stream), &r, &(struct kv_meta){.seqno = 1});
    else {
        if (f->opcode == OP_DELETE) d->used = false;
        r.value.len = 0;
        kv_put_reply(io_stream_output(c->stream), &r);
    }
}

/* ---- the script */

static void on_later(void *user)
{
    struct later *l = user;
    struct script_conn *c = l->script->conns[l->place];
    if (c && c->stream == l->stream) {
        buf_put_bytes(io_stream_output(c->stream), buf_view(&l->bytes));
        io_stream_flush(c->stream);
    }
    buf_fini(&l->bytes);
    free(l);
}

static void answer_later(struct script_conn *c, struct divan_bytes bytes, uint64_t delay_ns)
{
    struct later *l = calloc(1, sizeof *l);
    l->script = c->script;
    l->place = c->place;
    l->stream = c->stream;
    l->bytes.limit = 1 << 20;
    buf_put_bytes(&l->bytes, bytes);
    io_timer_init(&l->timer, c->script->loop, on_later, l);
    io_timer_start(&l->timer, io_now_ns(c->script->loop) + delay_ns);
}

static bool contains_in_order(const char *text, const char *words)
{
    char copy[160];
    text_copy(copy, sizeof copy, words);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
        const char *at = strstr(text, word);
        if (!at) return false;
        text = at + strlen(word);
    }
    return true;
}

static void play(struct script_conn *c, const struct script_step *step, const struct frame *f)
{
    struct buf out = {.limit = 1 << 20};
    const struct kv_reply r = {.opcode = f->opcode,
                               .status = step->status,
                               .opaque = f->opaque,
                               .datatype = step->datatype,
                               .value = bytes_of(step->value, step->value_len)};
    switch (step->act) {
    case SCRIPT_SILENCE:
        return;
    case SCRIPT_CLOSE:
        io_stream_close(c->stream, false);
        return;
    case SCRIPT_RAW:
        buf_put(&out, step->value, step->value_len);
        break;
    case SCRIPT_REPLY:
        if (step->status == ST_SUCCESS && answers_flags(f->opcode)) kv_put_reply_flags(&out, &r, 0);
        else kv_put_reply(&out, &r);
    }
    if (step->delay_ns) answer_later(c, buf_view(&out), step->delay_ns);
    else buf_put_bytes(io_stream_output(c->stream), buf_view(&out));
    buf_fini(&out);
}

static void on_document(struct script_conn *c, const struct frame *f)
{
    struct script *s = c->script;
    char line[DISSECT_MAX];
    s->requests++;
    if (s->step_next == s->step_count) {
        on_data_request(c, f);
        return;
    }
    const struct script_step *step = &s->steps[s->step_next++];
    frame_dissect(f, feature_has(c->features, FEATURE_COLLECTIONS), line, sizeof line);
    if (!contains_in_order(line, step->expect) && !s->problem[0])
        snprintf(s->problem, sizeof s->problem, "step %zu: expected \"%.100s\", got \"%.150s\"", s->step_next,
                 step->expect, line);
    if (step->act == SCRIPT_REPLY && step->status == UINT16_MAX) on_data_request(c, f);
    else play(c, step, f);
}

static void on_frame(struct script_conn *c, const struct frame *f)
{
    struct script *s = c->script;
    s->by_opcode[f->opcode]++;
    switch (f->opcode) {
    case OP_HELLO:
        on_hello(c, f);
        break;
    case OP_GET_ERROR_MAP: {
        struct buf map = {.limit = 1 << 20};
        if (!s->errmap_status) errmap_write(&map, 2);
        answer(c, f, s->errmap_status, DATATYPE_JSON, buf_view(&map));
        buf_fini(&map);
        break;
    }
    case OP_SASL_LIST_MECHS:
        on_list(c, f);
        break;
    case OP_SASL_AUTH:
    case OP_SASL_STEP:
        on_auth(c, f);
        break;
    case OP_SELECT_BUCKET:
        on_select(c, f);
        break;
    case OP_GET_CLUSTER_CONFIG:
        on_config(c, f);
        break;
    case OP_GET_COLLECTION_ID:
        on_collection_id(c, f);
        break;
    case OP_NOOP:
        answer_text(c, f, ST_SUCCESS, NULL);
        break;
    default:
        on_document(c, f);
    }
}

static void on_data(void *user)
{
    struct script_conn *c = user;
    struct script *s = c->script;
    if (s->is_deaf) return;
    if (s->closes_at_once) {
        io_stream_close(c->stream, false);
        return;
    }
    if (s->greeting) {
        buf_put(io_stream_output(c->stream), s->greeting, s->greeting_len ? s->greeting_len : strlen(s->greeting));
        io_stream_close(c->stream, true);
        return;
    }
    struct frame f;
    size_t size;
    while (s->conns[c->place] == c &&
           frame_decode(io_stream_input(c->stream), FRAME_MAX, &f, &size, NULL) == FRAME_COMPLETE) {
        on_frame(c, &f);
        io_stream_consume(c->stream, size);
    }
    io_stream_flush(c->stream);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct script_conn *c = user;
    c->script->conns[c->place] = NULL;
    sasl_server_fini(&c->sasl);
    free(c);
}

static void on_accept(void *user, struct io_stream *stream)
{
    static const struct io_handler handler = {.data = on_data, .closed = on_closed};
    struct script *s = user;
    struct script_conn *c = calloc(1, sizeof *c);
    while (c->place < SCRIPT_CONNS && s->conns[c->place]) c->place++;
    assert_true(c->place < SCRIPT_CONNS);
    s->conns[c->place] = c;
    s->connections++;
    c->script = s;
    c->stream = stream;
    io_stream_handle(stream, &handler, c);
}

struct script *script_new(struct sim *sim, const char *host)
{
    struct script *s = calloc(1, sizeof *s);
    struct io_addr at;
    struct divan_error err;
    static struct sasl_secret secret;
    if (!secret.scram[0].salt_len) assert_int_equal(sasl_secret_derive(divan_str("p"), 5, &secret, &err), DIVAN_OK);
    s->sim = sim;
    s->loop = sim_host(sim, host);
    snprintf(s->host, sizeof s->host, "%s", host);
    s->port = SCRIPT_PORT;
    s->features = hello_offered_by_node();
    s->mechanisms = s->listed = 15;
    s->user = "u";
    s->password = "p";
    s->bucket = "b";
    s->secret = secret;
    s->manifest = 3;
    s->collection = 8;
    s->has_collection = true;
    script_make_config(s->config, sizeof s->config, 1, 10, (const char *const[]){host}, 1, (const int[]){0}, 1, 16);
    assert_true(io_addr_parse(&at, host, s->port));
    s->listener = io_listen(s->loop, &at, on_accept, s, &err);
    assert_non_null(s->listener);
    return s;
}

void script_listen_tls(struct script *s, uint16_t port, struct io_tls *tls)
{
    struct io_addr at;
    struct divan_error err;
    assert_true(io_addr_parse(&at, s->host, port));
    assert_non_null(io_listen_tls(s->loop, &at, tls, on_accept, s, &err));
}

void script_free(struct script *s)
{
    free(s);
}

void script_expect(struct script *s, const char *words)
{
    assert_true(s->step_count < SCRIPT_STEPS);
    struct script_step *step = &s->steps[s->step_count++];
    *step = (struct script_step){.status = UINT16_MAX};
    text_copy(step->expect, sizeof step->expect, words);
}

static struct script_step *last_step(struct script *s)
{
    assert_true(s->step_count > 0);
    return &s->steps[s->step_count - 1];
}

void script_reply_after(struct script *s, uint64_t delay_ns, uint16_t status, const char *value)
{
    struct script_step *step = last_step(s);
    step->act = SCRIPT_REPLY;
    step->status = status;
    step->delay_ns = delay_ns;
    step->value_len = value ? strlen(value) : 0;
    step->datatype = value && value[0] == '{' ? DATATYPE_JSON : 0;
    assert_true(step->value_len < sizeof step->value);
    if (value) memcpy(step->value, value, step->value_len);
}

void script_reply(struct script *s, uint16_t status, const char *value)
{
    script_reply_after(s, 0, status, value);
}

void script_silence(struct script *s)
{
    last_step(s)->act = SCRIPT_SILENCE;
}

void script_close(struct script *s)
{
    last_step(s)->act = SCRIPT_CLOSE;
}

void script_raw(struct script *s, const void *bytes, size_t len)
{
    struct script_step *step = last_step(s);
    assert_true(len <= sizeof step->value);
    step->act = SCRIPT_RAW;
    memcpy(step->value, bytes, len);
    step->value_len = len;
}

void script_check(const struct script *s)
{
    if (s->problem[0]) fail_msg("%s", s->problem);
    if (s->step_next != s->step_count)
        fail_msg("%zu of %zu requests came, \"%s\" did not", s->step_next, s->step_count,
                 s->steps[s->step_next].expect);
}

void script_drop_connections(struct script *s)
{
    for (size_t i = 0; i < SCRIPT_CONNS; i++)
        if (s->conns[i]) io_stream_close(s->conns[i]->stream, false);
}

void script_send_all(struct script *s, const void *bytes, size_t len)
{
    for (size_t i = 0; i < SCRIPT_CONNS; i++) {
        if (!s->conns[i]) continue;
        buf_put(io_stream_output(s->conns[i]->stream), bytes, len);
        io_stream_flush(s->conns[i]->stream);
    }
}

void script_push(struct script *s, const char *bucket, int64_t epoch, int64_t rev)
{
    struct buf out = {.limit = 1024};
    session_put_config_push(&out, bucket, (struct config_version){epoch, rev}, 0, bytes_of(NULL, 0));
    script_send_all(s, out.data, out.len);
    buf_fini(&out);
}

/* ---- the client */

static void on_deliver(void *user, struct operation *op)
{
    struct probe *p = user;
    assert_true(p->count < PROBE_RESULTS);
    assert_int_equal(op->state, OP_DONE);
    for (size_t i = 0; i < p->count; i++) assert_ptr_not_equal(p->results[i], op); /* exactly once */
    p->at_ns[p->count] = sim_now(p->sim);
    p->results[p->count++] = op;
}

static void on_opened(void *user, const struct divan_error *err)
{
    struct probe *p = user;
    assert_false(p->opened);
    p->opened = true;
    p->opened_ns = sim_now(p->sim);
    memset(&p->open_error, 0, sizeof p->open_error);
    if (err) p->open_error = *err;
}

void probe_open(struct probe *p, struct sim *sim, const char *connstr, const struct divan_cluster_options *options)
{
    struct client_config config;
    struct divan_error err;
    struct divan_cluster_options o = options ? *options : (struct divan_cluster_options){.log_level = DIVAN_LOG_OFF};
    memset(p, 0, sizeof *p);
    p->sim = sim;
    p->loop = sim_host(sim, CLIENT_HOST);
    if (!o.username && !strstr(connstr, "username=")) o.username = "u", o.password = "p";
    enum divan_code rc = client_config_make(&config, connstr, &o, &err);
    if (!rc) {
        p->client = client_new(p->loop, &config, on_deliver, p, &err);
        if (!p->client) rc = err.code;
    }
    if (rc) on_opened(p, &err);
    else client_open(p->client, on_opened, p);
}

void probe_run_for(struct probe *p, uint64_t ns)
{
    uint64_t until = sim_now(p->sim) + ns;
    do {
        if (p->client) client_flush(p->client);
    } while (sim_step(p->sim, until));
}

enum divan_code probe_open_wait(struct probe *p, struct sim *sim, const char *connstr,
                                const struct divan_cluster_options *options)
{
    probe_open(p, sim, connstr, options);
    uint64_t until = sim_now(sim) + 60 * NS_PER_S;
    while (!p->opened) {
        if (p->client) client_flush(p->client);
        if (!sim_step(sim, until)) fail_msg("the opening never ended");
    }
    return p->open_error.code;
}

void probe_wait(struct probe *p, size_t n)
{
    uint64_t until = sim_now(p->sim) + 60 * NS_PER_S;
    while (p->count < n) {
        client_flush(p->client);
        if (!sim_step(p->sim, until)) fail_msg("only %zu of %zu results came", p->count, n);
    }
}

struct collection *probe_collection(struct probe *p, const char *bucket, const char *scope, const char *name)
{
    struct bucket *b = bucket_find(p->client, bucket);
    if (!b) {
        b = bucket_new(p->client, bucket);
        if (b) list_append(&p->client->buckets, &b->link);
    }
    return b ? collection_of(b, scope, name) : NULL;
}

enum divan_code probe_start(struct probe *p, struct collection *c, enum op_kind kind, const char *key,
                            const char *value, uint32_t timeout_ms, probe_setup_fn *setup, struct divan_error *err)
{
    struct operation *op = c ? client_take(p->client) : NULL;
    if (!op) return err_oom(err);
    op->kind = (uint8_t)kind;
    op->how = DONE_NOWHERE;
    op->collection = c;
    op->key_len = (uint8_t)strlen(key);
    memcpy(op->key, key, op->key_len);
    op->timeout_ms = timeout_ms ? timeout_ms : 2500;
    if (kind == KIND_INCREMENT || kind == KIND_DECREMENT) op->number = 1;
    if (setup) setup(op);
    enum divan_code rc = value && !op_own_value(op, divan_str(value)) ? err_oom(err) : DIVAN_OK;
    if (!rc) rc = client_start(p->client, op, err);
    if (rc) op_release(op);
    return rc;
}

struct operation *probe_do(struct probe *p, enum op_kind kind, const char *key, const char *value)
{
    struct divan_error err;
    size_t n = p->count;
    assert_int_equal(probe_start(p, probe_collection(p, "b", NULL, NULL), kind, key, value, 0, NULL, &err), DIVAN_OK);
    probe_wait(p, n + 1);
    return p->results[n];
}

struct operation *probe_last(const struct probe *p)
{
    return p->count ? p->results[p->count - 1] : NULL;
}

enum divan_code probe_code(const struct operation *op)
{
    return op->error ? op->error->code : DIVAN_OK;
}

void probe_clear(struct probe *p)
{
    for (size_t i = 0; i < p->count; i++) op_release(p->results[i]);
    p->count = 0;
}

void probe_close(struct probe *p)
{
    if (p->client) client_close(p->client);
    if (p->loop) io_loop_free(p->loop);
    client_free(p->client);
    p->client = NULL;
    p->loop = NULL;
    probe_clear(p);
}
