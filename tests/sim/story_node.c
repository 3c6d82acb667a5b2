#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "sim/story.h"
#include "wire/errmap.h"
#include "wire/kv.h"
#include "wire/session.h"

void body_free(struct body *b)
{
    free(b->text);
    map_release(b->map);
    *b = (struct body){0};
}

/* ---- answers */

static void answer(struct story_conn *c, const struct frame *f, uint16_t status, uint8_t datatype,
                   struct divan_bytes value)
{
    const struct kv_reply r = {
        .opcode = f->opcode, .status = status, .opaque = f->opaque, .value = value, .datatype = datatype};
    kv_put_reply(io_stream_output(c->stream), &r);
}

static void answer_text(struct story_conn *c, const struct frame *f, uint16_t status, const char *text)
{
    answer(c, f, status, text && *text == '{' ? DATATYPE_JSON : 0, divan_str(text));
}

static feature_set granted_of(const struct story *s)
{
    feature_set offered = hello_offered_by_node() & ~FEATURE(FEATURE_SNAPPY) & ~FEATURE(FEATURE_SNAPPY_EVERYWHERE);
    if (s->push == PUSH_NONE)
        offered &= ~(FEATURE(FEATURE_CLUSTERMAP_CHANGE) | FEATURE(FEATURE_CLUSTERMAP_CHANGE_BRIEF) |
                     FEATURE(FEATURE_CONFIG_KNOWN_VERSION) | FEATURE(FEATURE_DEDUPE_NMVB));
    return offered;
}

static void on_hello(struct story_conn *c, const struct frame *f)
{
    struct buf value = {.limit = 1024};
    feature_set asked = 0;
    hello_read_features(f->value, &asked, NULL);
    c->features = asked & granted_of(c->node->story);
    hello_put_features(&value, c->features);
    answer(c, f, ST_SUCCESS, 0, buf_view(&value));
    buf_fini(&value);
}

static void on_error_map(struct story_conn *c, const struct frame *f)
{
    struct buf map = {.limit = 1 << 20};
    errmap_write(&map, 2);
    answer(c, f, ST_SUCCESS, DATATYPE_JSON, buf_view(&map));
    buf_fini(&map);
}

static void on_config(struct story_conn *c, const struct frame *f)
{
    const struct story_node *n = c->node;
    const struct body *b = c->selected ? &n->bucket : &n->global;
    struct config_version known;
    bool has_known = false;
    session_read_get_config(f, &has_known, &known, NULL);
    if (n->config_status && c->selected) answer_text(c, f, n->config_status, NULL);
    else if (!b->text) answer_text(c, f, c->selected ? ST_KEY_ENOENT : ST_NO_BUCKET, NULL);
    else if (has_known && revision_compare((struct map_revision){known.epoch, known.rev}, b->map->revision) >= 0)
        answer_text(c, f, ST_SUCCESS, NULL);
    else answer_text(c, f, ST_SUCCESS, b->text);
}

static void on_select(struct story_conn *c, const struct frame *f)
{
    const struct story_node *n = c->node;
    uint16_t status = n->select_status;
    if (!status && !(n->bucket.text && bytes_is(f->key, n->story->bucket_name))) status = ST_KEY_ENOENT;
    c->selected = status == ST_SUCCESS;
    answer_text(c, f, status, NULL);
}

/* ---- documents */

static struct story_doc *find_doc(struct story *s, struct divan_bytes key)
{
    for (size_t i = 0; i < s->doc_count; i++)
        if (bytes_is(key, s->docs[i].key)) return &s->docs[i];
    if (s->doc_count == STORY_DOCS || key.len >= sizeof s->docs[0].key) abort();
    struct story_doc *d = &s->docs[s->doc_count++];
    memcpy(d->key, key.data, key.len);
    return d;
}

static bool owns(const struct story_node *n, uint16_t vbucket)
{
    const struct map *m = n->bucket.map;
    int at = m ? map_owner(m, vbucket, 0) : -1;
    return at >= 0 && m->nodes[at].this_node;
}

static void refuse(struct story_conn *c, const struct frame *f)
{
    const struct body *b = &c->node->bucket;
    bool told = feature_has(c->features, FEATURE_DEDUPE_NMVB) && b->map && c->told_rev >= b->map->revision.rev;
    c->node->refused++;
    if (b->map) c->told_rev = b->map->revision.rev;
    answer_text(c, f, ST_NOT_MY_VBUCKET, told ? NULL : b->text);
}

static void put_value(struct story_doc *d, struct divan_bytes value)
{
    free(d->value);
    d->value = malloc(value.len + 1);
    if (!d->value) abort();
    if (value.len) memcpy(d->value, value.data, value.len);
    d->len = value.len;
    d->exists = true;
}

static void count_up(struct story_doc *d, const struct frame *f)
{
    struct kv_counter in;
    char text[24];
    kv_read_counter(f, &in, NULL);
    d->number = d->exists ? d->number + in.delta : in.initial;
    snprintf(text, sizeof text, "%llu", (unsigned long long)d->number);
    put_value(d, divan_str(text));
}

static uint16_t change(struct story_doc *d, const struct frame *f)
{
    struct kv_store in;
    switch (f->opcode) {
    case OP_ADD:
        if (d->exists) return ST_KEY_EEXISTS;
        break;
    case OP_DELETE:
        if (!d->exists) return ST_KEY_ENOENT;
        d->exists = false;
        return ST_SUCCESS;
    case OP_INCR:
        count_up(d, f);
        return ST_SUCCESS;
    default:
        break;
    }
    kv_read_store(f, &in, NULL);
    put_value(d, in.value);
    return ST_SUCCESS;
}

static void on_document(struct story_conn *c, const struct frame *f)
{
    struct story *s = c->node->story;
    struct kv_reply r = {.opcode = f->opcode, .opaque = f->opaque};
    struct divan_bytes key;
    uint32_t collection;
    c->node->requests++;
    if (!c->selected || kv_read_key(f, feature_has(c->features, FEATURE_COLLECTIONS), &collection, &key, NULL)) {
        answer_text(c, f, ST_NO_BUCKET, NULL);
        return;
    }
    uint16_t vbucket = c->node->bucket.map ? map_vbucket(c->node->bucket.map, key) : 0;
    if (f->vbucket != vbucket)
        world_fail(s->world, "routing", "a request for vBucket %u was sent for a key of %u", f->vbucket, vbucket);
    if (!owns(c->node, f->vbucket)) {
        refuse(c, f);
        return;
    }
    struct story_doc *d = find_doc(s, key);
    struct buf *out = io_stream_output(c->stream);
    if (f->opcode == OP_GET) {
        r.status = d->exists ? ST_SUCCESS : ST_KEY_ENOENT;
        r.cas = d->cas;
        r.value = d->exists ? bytes_of(d->value, d->len) : bytes_of(NULL, 0);
        if (d->exists) kv_put_reply_flags(out, &r, 0);
        else kv_put_reply(out, &r);
        return;
    }
    r.status = change(d, f);
    if (r.status) {
        kv_put_reply(out, &r);
        return;
    }
    r.cas = d->cas = ++s->cas;
    const struct mutation_token token = {1000 + f->vbucket, s->cas};
    if (f->opcode == OP_INCR) kv_put_reply_counter(out, &r, &token, d->number);
    else kv_put_reply_token(out, &r, &token);
}

/* ---- connections */

static void on_frame(struct story_conn *c, const struct frame *f)
{
    switch (f->opcode) {
    case OP_HELLO:
        on_hello(c, f);
        break;
    case OP_GET_ERROR_MAP:
        on_error_map(c, f);
        break;
    case OP_SASL_LIST_MECHS:
        answer_text(c, f, ST_SUCCESS, "PLAIN");
        break;
    case OP_SASL_AUTH:
        answer_text(c, f, c->node->auth_status, NULL);
        break;
    case OP_SELECT_BUCKET:
        on_select(c, f);
        break;
    case OP_GET_CLUSTER_CONFIG:
        on_config(c, f);
        break;
    default:
        on_document(c, f);
    }
}

static void on_data(void *user)
{
    struct story_conn *c = user;
    struct frame f;
    size_t size;
    while (frame_decode(io_stream_input(c->stream), FRAME_MAX, &f, &size, NULL) == FRAME_COMPLETE) {
        on_frame(c, &f);
        io_stream_consume(c->stream, size);
    }
    io_stream_flush(c->stream);
}

static void on_closed(void *user, const struct divan_error *why)
{
    struct story_conn *c = user;
    if (c->node->conns[c->place] == c) c->node->conns[c->place] = NULL;
    free(c);
}

static void on_accept(void *user, struct io_stream *stream)
{
    static const struct io_handler handler = {.data = on_data, .closed = on_closed};
    struct story_node *n = user;
    struct story_conn *c = calloc(1, sizeof *c);
    size_t place = 0;
    while (place < STORY_CONNS && n->conns[place]) place++;
    if (!c || place == STORY_CONNS) abort();
    *c = (struct story_conn){.node = n, .stream = stream, .place = place};
    n->conns[place] = c;
    io_stream_handle(stream, &handler, c);
}

bool story_node_listen(struct story_node *n)
{
    struct io_addr at;
    struct divan_error err;
    n->exists = true;
    if (n->listener) return true;
    if (!io_addr_parse(&at, n->host, n->port)) abort();
    n->listener = io_listen(n->loop, &at, on_accept, n, &err);
    return n->listener || world_fail(n->story->world, "setup", "%s", err.message);
}

void story_node_refuse(struct story_node *n)
{
    io_listener_close(n->listener);
    n->listener = NULL;
}

void story_node_drop(struct story_node *n)
{
    for (size_t i = 0; i < STORY_CONNS; i++)
        if (n->conns[i]) io_stream_close(n->conns[i]->stream, false);
}

size_t story_node_connections(const struct story_node *n)
{
    size_t count = 0;
    for (size_t i = 0; i < STORY_CONNS; i++) count += n->conns[i] != NULL;
    return count;
}

static void push_to(struct story_conn *c, const struct body *b, bool is_bucket)
{
    const struct story *s = c->node->story;
    struct buf *out = io_stream_output(c->stream);
    const struct config_version version = {b->map->revision.epoch, b->map->revision.rev};
    bool full = s->push == PUSH_FULL;
    if (!feature_has(c->features, FEATURE_CLUSTERMAP_CHANGE_BRIEF)) return; /* it did not ask, or not yet */
    if (is_bucket && !c->selected) return;
    session_put_config_push(out, is_bucket ? s->bucket_name : "", version, full ? DATATYPE_JSON : 0,
                            full ? divan_str(b->text) : bytes_of(NULL, 0));
    io_stream_flush(c->stream);
}

void story_node_take(struct story_node *n, struct body *body, bool is_bucket, bool push)
{
    struct body *now = is_bucket ? &n->bucket : &n->global;
    body_free(now);
    *now = *body;
    *body = (struct body){0};
    n->exists = true;
    for (size_t i = 0; push && n->story->push != PUSH_NONE && i < STORY_CONNS; i++)
        if (n->conns[i]) push_to(n->conns[i], now, is_bucket);
}
