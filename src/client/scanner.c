#include "client/scanner.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "client/retry.h"
#include "wire/compress.h"

enum {
    PAGE_COPY_MAX = 4096, /* larger pages pin the read buffer */
    PAGE_COST = 512,      /* of a page beside its bytes */
    SAMPLE_SPARE = 4,     /* samples of a vBucket above its share: they are not filled evenly */
};

static void step(struct scan_stream *stream);
static void fill(struct scanner *s);

/* ---- life */

static void on_pause_end(void *user)
{
    step(user);
}

struct scanner *scanner_new(struct client *c, const struct scanner_plan *plan, scanner_notify_fn *notify, void *user)
{
    struct scanner *s = mem_zalloc(sizeof *s);
    if (!s) return NULL;
    s->client = c;
    s->collection = plan->collection;
    s->wanted = plan->wanted;
    s->timeout_ms = plan->timeout_ms;
    s->page_items = plan->page_items;
    s->page_bytes = plan->page_bytes;
    s->concurrency = plan->concurrency;
    s->buffered_max = plan->buffered_max;
    s->samples_left = plan->samples;
    if (!s->wanted.seed) s->wanted.seed = (uint32_t)rng_u64(io_rng(c->loop));
    s->notify = notify;
    s->user = user;
    list_init(&s->ready);
    s->streams = mem_zalloc(plan->concurrency * sizeof *s->streams);
    if (s->streams && plan->token_count) {
        s->tokens = mem_alloc(plan->token_count * sizeof *s->tokens);
        if (s->tokens) memcpy(s->tokens, plan->tokens, plan->token_count * sizeof *s->tokens);
        s->token_count = plan->token_count;
    }
    list_append(&c->scanners, &s->link);
    if (!s->streams || (plan->token_count && !s->tokens)) {
        scanner_free(s);
        return NULL;
    }
    for (size_t i = 0; i < s->concurrency; i++) {
        s->streams[i].scanner = s;
        io_timer_init(&s->streams[i].timer, c->loop, on_pause_end, &s->streams[i]);
    }
    return s;
}

static void on_cancelled(struct client *c, struct operation *op) {}

/* Tells the server, which would keep the scan until it times out. Nobody waits for the answer. */
static void cancel_at_server(struct scan_stream *stream)
{
    struct scanner *s = stream->scanner;
    struct operation *op = client_take(s->client);
    if (!op) return;
    op->kind = KIND_SCAN_CANCEL;
    op->how = DONE_INTERNAL;
    op->done.internal = on_cancelled;
    op->collection = s->collection;
    op->vbucket = stream->vbucket;
    op->timeout_ms = s->timeout_ms;
    op->fail_fast = true;
    memcpy(op->key, stream->id.bytes, SCAN_ID_LEN);
    if (client_start(s->client, op, NULL)) op_release(op);
}

/* The state is changed first: the operation, when it ends, finds that nobody waits for it. */
static void stop_stream(struct scan_stream *stream, bool tell)
{
    struct operation *op = stream->op;
    enum stream_state before = stream->state;
    if (before == STREAM_FREE) return;
    stream->state = STREAM_FREE;
    stream->op = NULL;
    stream->scanner->active--;
    io_timer_stop(&stream->timer);
    if (op) {
        op->owner = NULL;
        client_cancel(stream->scanner->client, op);
    }
    if (tell && (before == STREAM_CONTINUE || before == STREAM_HOLD)) cancel_at_server(stream);
}

static void stop_all(struct scanner *s, bool tell)
{
    for (size_t i = 0; s->streams && i < s->concurrency; i++) stop_stream(&s->streams[i], tell);
    s->left = 0;
}

static void drop_pages(struct scanner *s)
{
    struct link *link;
    while ((link = list_take_first(&s->ready)) != NULL) op_release(container_of(link, struct operation, link));
    s->buffered = 0;
}

void scanner_free(struct scanner *s)
{
    if (!s) return;
    if (s->client) stop_all(s, true);
    drop_pages(s);
    list_remove(&s->link);
    mem_free(s->streams);
    mem_free(s->begun);
    mem_free(s->tokens);
    mem_free(s);
}

static void fail(struct scanner *s, const struct divan_error *why)
{
    if (s->error.code) return;
    s->error = *why;
    stop_all(s, true);
    s->notify(s->user);
}

void scanner_stop(struct scanner *s)
{
    struct divan_error why;
    err_set(&why, DIVAN_ERR_CANCELLED, "the scan was cancelled because the cluster handle was closed");
    if (!s->error.code) s->error = why;
    stop_all(s, false);
    s->client = NULL;
    list_remove(&s->link);
    s->notify(s->user);
}

/* ---- requests */

static void set_snapshot(const struct scanner *s, uint16_t vbucket, struct scan_create *c)
{
    for (size_t i = 0; i < s->token_count; i++) {
        const struct divan_mutation_token *t = &s->tokens[i];
        if (t->vbucket != vbucket || (c->has_snapshot && t->seqno < c->seqno)) continue;
        c->has_snapshot = true;
        c->vbucket_uuid = t->vbucket_uuid;
        c->seqno = t->seqno;
        c->timeout_ms = s->timeout_ms;
    }
}

static void put_create(struct buf *out, const struct operation *op)
{
    const struct scan_stream *stream = op->owner;
    const struct scanner *s = stream->scanner;
    struct scan_create c = s->wanted;
    c.collection = op->collection->id;
    if (stream->last.len) c.start = stream->last;            /* on behind what was seen */
    size_t vbuckets = op->collection->bucket->map->vbuckets; /* it is sent by a map */
    if (c.sampling) c.samples = (2 * s->wanted.samples + vbuckets - 1) / vbuckets + SAMPLE_SPARE;
    set_snapshot(s, op->vbucket, &c);
    scan_put_create(out, op->opaque, op->vbucket, &c);
}

void scanner_put_frame(struct buf *out, const struct operation *op)
{
    struct scan_continue c;
    memcpy(c.id.bytes, op->key, SCAN_ID_LEN);
    if (op->kind == KIND_SCAN_CREATE) {
        if (op->owner) put_create(out, op);
        else out->failed = true;
    } else if (op->kind == KIND_SCAN_CANCEL) scan_put_cancel(out, op->opaque, op->vbucket, &c.id);
    else {
        c.item_limit = op->flags;
        c.byte_limit = op->expiry;
        c.time_limit_ms = 0;
        scan_put_continue(out, op->opaque, op->vbucket, &c);
    }
}

static void on_answer(struct client *c, struct operation *op);

static void pause_stream(struct scan_stream *stream)
{
    struct io_loop *loop = stream->scanner->client->loop;
    struct divan_error err;
    stream->state = STREAM_PAUSE;
    if (io_timer_start(&stream->timer, io_now_ns(loop) + retry_backoff_ns(stream->troubles++))) return;
    err_oom(&err);
    fail(stream->scanner, &err);
}

static void request(struct scan_stream *stream, enum op_kind kind, enum stream_state state)
{
    struct scanner *s = stream->scanner;
    struct divan_error err;
    struct operation *op = client_take(s->client);
    if (!op) {
        err_oom(&err);
        fail(s, &err);
        return;
    }
    op->kind = (uint8_t)kind;
    op->how = DONE_INTERNAL;
    op->done.internal = on_answer;
    op->owner = stream;
    op->collection = s->collection;
    op->vbucket = stream->vbucket;
    op->timeout_ms = s->timeout_ms;
    op->flags = s->page_items;
    op->expiry = s->page_bytes;
    memcpy(op->key, stream->id.bytes, SCAN_ID_LEN);
    stream->state = state;
    stream->op = op;
    enum divan_code rc = client_start(s->client, op, &err);
    if (!rc) return;
    stream->op = NULL;
    op_release(op);
    if (rc == DIVAN_ERR_OVERLOADED) pause_stream(stream);
    else fail(s, &err);
}

/* ---- which vBucket next */

static int owner_of(const struct scanner *s, uint16_t vbucket)
{
    const struct map *map = s->collection->bucket->map;
    return map ? map_owner(map, vbucket, 0) : -1;
}

static size_t load_of(const struct scanner *s, int owner)
{
    size_t n = 0;
    for (size_t i = 0; i < s->concurrency; i++)
        n += s->streams[i].state != STREAM_FREE && owner_of(s, s->streams[i].vbucket) == owner;
    return n;
}

/* The first one of the node that has the least to do; for a sample any, so that it is not that of the first vBuckets. */
static uint16_t choose(const struct scanner *s)
{
    size_t best = s->vbuckets, least = SIZE_MAX;
    int seen = -2;
    if (s->wanted.sampling) {
        size_t at = (size_t)rng_below(io_rng(s->client->loop), s->vbuckets);
        while (s->begun[at]) at = (at + 1) % s->vbuckets;
        return (uint16_t)at;
    }
    for (size_t vb = 0; vb < s->vbuckets && least; vb++) {
        if (s->begun[vb]) continue;
        int owner = owner_of(s, (uint16_t)vb);
        if (owner == seen) continue;
        seen = owner;
        size_t load = load_of(s, owner);
        if (load >= least) continue;
        least = load;
        best = vb;
    }
    return (uint16_t)best;
}

static void begin_stream(struct scan_stream *stream, uint16_t vbucket)
{
    struct scanner *s = stream->scanner;
    stream->vbucket = vbucket;
    stream->troubles = 0;
    stream->last.len = 0;
    stream->progress_ns = io_now_ns(s->client->loop);
    s->active++;
    if (s->begun) {
        s->begun[vbucket] = 1;
        s->left--;
    }
    request(stream, KIND_SCAN_CREATE, STREAM_CREATE);
}

static bool learn_vbuckets(struct scanner *s)
{
    const struct map *map = s->collection->bucket->map;
    struct divan_error err;
    if (s->vbuckets) return true;
    if (!bucket_has_map(s->collection->bucket) || !map->vbuckets) return false;
    s->begun = mem_zalloc(map->vbuckets);
    if (!s->begun) {
        err_oom(&err);
        fail(s, &err);
        return false;
    }
    s->vbuckets = s->left = map->vbuckets;
    for (size_t i = 0; i < s->concurrency; i++) /* the one that waited for the map */
        if (s->streams[i].state != STREAM_FREE) s->begun[s->streams[i].vbucket] = 1, s->left--;
    return true;
}

/* vBuckets are known with the first map only: until then the bucket's waiting list holds one request, for vBucket 0. */
static void fill(struct scanner *s)
{
    bool known = learn_vbuckets(s);
    if (s->error.code) return;
    if (!known) {
        if (!s->active) begin_stream(&s->streams[0], 0);
        return;
    }
    for (size_t i = 0; i < s->concurrency && s->left && !s->error.code; i++)
        if (s->streams[i].state == STREAM_FREE) begin_stream(&s->streams[i], choose(s));
}

void scanner_begin(struct scanner *s)
{
    fill(s);
}

/* ---- a stream's way */

static void step(struct scan_stream *stream)
{
    struct scanner *s = stream->scanner;
    if (s->error.code || !s->client) return;
    if (stream->state == STREAM_PAUSE) request(stream, KIND_SCAN_CREATE, STREAM_CREATE);
    else if (s->buffered >= s->buffered_max) stream->state = STREAM_HOLD;
    else request(stream, KIND_SCAN_CONTINUE, STREAM_CONTINUE);
}

static void finish_stream(struct scan_stream *stream)
{
    struct scanner *s = stream->scanner;
    stream->state = STREAM_FREE;
    stream->op = NULL;
    s->active--;
    if (!s->error.code) fill(s);
}

/* Lost at the server or on the way: begun again behind the last key. */
static bool is_lost(const struct operation *op)
{
    if (op->error->code == DIVAN_ERR_CONNECTION_LOST) return true;
    if (op->kind != KIND_SCAN_CONTINUE) return false;
    switch (op->status) {
    case ST_KEY_ENOENT:
    case ST_NOT_MY_VBUCKET:
    case ST_RANGE_SCAN_CANCELLED:
    case ST_EBUSY:
    case ST_ETMPFAIL:
    case ST_UNKNOWN_COLLECTION:
        return op->rejected;
    default:
        return false;
    }
}

static void report(struct scan_stream *stream, const struct operation *op)
{
    struct divan_error why = *op->error;
    if (why.code == DIVAN_ERR_UNSUPPORTED_OPERATION)
        err_set(&why, DIVAN_ERR_FEATURE_NOT_AVAILABLE, "%s does not offer range scans: they came with version 7.6",
                op->endpoint ? op->endpoint : "the node");
    else
        snprintf(why.message, sizeof why.message, "the scan stopped at vBucket %u: %.270s", stream->vbucket,
                 op->error->message);
    if (why.code == DIVAN_ERR_AMBIGUOUS_TIMEOUT) why.code = DIVAN_ERR_UNAMBIGUOUS_TIMEOUT; /* it only reads */
    why.flags = err_flags(why.code);
    fail(stream->scanner, &why);
}

static void resume(struct scan_stream *stream, const struct operation *op)
{
    struct scanner *s = stream->scanner;
    uint64_t waited = io_now_ns(s->client->loop) - stream->progress_ns;
    if (s->wanted.sampling) finish_stream(stream); /* another sample of it would have some twice */
    else if (waited > s->timeout_ms * NS_PER_MS) report(stream, op);
    else pause_stream(stream);
}

static void on_created(struct scan_stream *stream, const struct operation *op)
{
    if (!op->error) {
        memcpy(stream->id.bytes, op->key, SCAN_ID_LEN);
        stream->progress_ns = io_now_ns(stream->scanner->client->loop);
        stream->state = STREAM_HOLD;
        step(stream);
    } else if (op->error->code == DIVAN_ERR_DOCUMENT_NOT_FOUND) finish_stream(stream); /* nothing in the range */
    else if (is_lost(op)) resume(stream, op);
    else report(stream, op);
}

static void on_continued(struct scan_stream *stream, const struct operation *op)
{
    struct scanner *s = stream->scanner;
    if (s->wanted.sampling && !s->samples_left) { /* there are enough */
        stop_all(s, true);
        return;
    }
    if (op->error && is_lost(op)) resume(stream, op);
    else if (op->error) report(stream, op);
    else if (op->status == ST_RANGE_SCAN_COMPLETE) finish_stream(stream);
    else {
        stream->state = STREAM_HOLD;
        step(stream);
    }
}

static void on_answer(struct client *c, struct operation *op)
{
    struct scan_stream *stream = op->owner;
    if (!stream) return;
    struct scanner *s = stream->scanner;
    stream->op = NULL;
    if (op->kind == KIND_SCAN_CREATE) on_created(stream, op);
    else on_continued(stream, op);
    if (!s->error.code && s->client) fill(s); /* the first map may be there now */
    if (!list_empty(&s->ready) || scanner_is_complete(s)) s->notify(s->user);
}

void scanner_tell(struct operation *op)
{
    struct scan_stream *stream = op->owner;
    if (stream && !list_empty(&stream->scanner->ready)) stream->scanner->notify(stream->scanner->user);
}

enum divan_code scanner_take_created(struct operation *op, const struct frame *f, struct divan_error *err)
{
    struct scan_id id;
    enum divan_code rc = scan_read_created(f, &id, err);
    if (!rc) memcpy(op->key, id.bytes, SCAN_ID_LEN);
    return rc;
}

/* ---- pages */

static enum divan_code inflate(const struct scan_item *item, struct buf *room, struct buf *out, struct divan_error *err)
{
    struct scan_item plain = *item;
    if (item->datatype & DATATYPE_SNAPPY) {
        buf_clear(room);
        enum divan_code rc = value_inflate(item->value, INFLATE_MAX, room, err);
        if (rc) return rc;
        plain.value = buf_view(room);
        plain.datatype &= (uint8_t)~DATATYPE_SNAPPY;
    }
    scan_put_item(out, SCAN_DOCUMENTS, &plain);
    return out->failed ? err_oom(err) : DIVAN_OK;
}

/* Compressed documents are inflated here, once, so that reading a page needs no memory. */
static enum divan_code inflate_page(struct operation *page, struct divan_bytes items, struct divan_error *err)
{
    struct rd r = rd_from(items);
    struct scan_item item;
    struct buf room = {.limit = INFLATE_MAX};
    enum divan_code rc = DIVAN_OK;
    buf_clear(&page->own);
    while (!rc && scan_next(&r, SCAN_DOCUMENTS, &item)) rc = inflate(&item, &room, &page->own, err);
    page->value = buf_view(&page->own);
    buf_fini(&room);
    return rc;
}

struct survey {
    size_t count, len; /* items, and the bytes they take */
    struct divan_bytes last;
    bool compressed;
};

/* Looks at all items, but at most `most` of them. */
static enum divan_code survey_page(struct divan_bytes items, enum scan_kind kind, uint64_t most, struct survey *out,
                                   struct divan_error *err)
{
    struct rd r = rd_from(items);
    struct scan_item item;
    while (out->count < most && scan_next(&r, kind, &item)) {
        out->count++;
        out->last = item.key;
        out->compressed |= kind == SCAN_DOCUMENTS && (item.datatype & DATATYPE_SNAPPY);
    }
    out->len = items.len - r.left;
    if (r.bad || (out->count && out->last.len > KEY_MAX))
        return err_set(err, DIVAN_ERR_PROTOCOL_ERROR, "item %zu of a page of the scan is not well-formed", out->count);
    return DIVAN_OK;
}

static enum divan_code make_page(struct scanner *s, const struct frame *f, struct chunk *chunk, enum scan_kind kind,
                                 const struct survey *survey, struct divan_error *err)
{
    struct divan_bytes items = bytes_slice(f->value, 0, survey->len);
    struct operation *page = client_take(s->client);
    enum divan_code rc = DIVAN_OK;
    if (!page) return err_oom(err);
    page->kind = KIND_SCAN_CONTINUE;
    page->state = OP_DONE;
    page->collection = s->collection;
    page->doc_flags = (uint8_t)kind;
    if (survey->compressed) rc = inflate_page(page, items, err);
    else if (items.len <= PAGE_COPY_MAX) rc = op_own_value(page, items) ? DIVAN_OK : err_oom(err);
    else {
        page->chunk = chunk_retain(chunk);
        page->value = items;
    }
    if (rc) {
        op_release(page);
        return rc;
    }
    page->charged = page->value.len + PAGE_COST;
    s->buffered += page->charged;
    list_append(&s->ready, &page->link);
    return DIVAN_OK;
}

enum divan_code scanner_take_piece(struct operation *op, const struct frame *f, struct chunk *chunk,
                                   struct divan_error *err)
{
    struct scan_stream *stream = op->owner;
    struct scanner *s = stream ? stream->scanner : NULL;
    struct survey survey = {.count = 0};
    enum scan_kind kind;
    if (!s) return DIVAN_OK;
    enum divan_code rc = scan_read_kind(f, &kind, err);
    if (!rc) rc = survey_page(f->value, kind, s->wanted.sampling ? s->samples_left : SIZE_MAX, &survey, err);
    if (rc || !survey.count) return rc;
    scan_bound_set(&stream->last, survey.last, true);
    stream->progress_ns = io_now_ns(s->client->loop);
    stream->troubles = 0;
    rc = make_page(s, f, chunk, kind, &survey, err);
    if (!rc && s->wanted.sampling) s->samples_left -= survey.count;
    return rc;
}

struct operation *scanner_take(struct scanner *s)
{
    struct link *link = list_take_first(&s->ready);
    if (!link) return NULL;
    struct operation *page = container_of(link, struct operation, link);
    s->buffered -= page->charged;
    page->charged = 0;
    for (size_t i = 0; i < s->concurrency && s->buffered < s->buffered_max && s->client; i++)
        if (s->streams[i].state == STREAM_HOLD) step(&s->streams[i]);
    return page;
}

bool scanner_item(const struct operation *page, size_t *cursor, struct scan_item *out)
{
    struct rd r = rd_from(bytes_slice(page->value, *cursor, page->value.len));
    struct scan_item item;
    if (!scan_next(&r, (enum scan_kind)page->doc_flags, &item)) return false;
    *cursor = page->value.len - r.left;
    *out = item;
    return true;
}
