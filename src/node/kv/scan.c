#include "node/kv/scan.h"

#include <openssl/rand.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "node/kv/value.h"

void scan_table_init(struct scan_table *t)
{
    *t = (struct scan_table){0};
    list_init(&t->scans);
}

void scan_drop(struct scan_table *t, struct scan *s)
{
    list_remove(&s->link);
    t->count--;
    t->bytes -= s->items.len;
    buf_fini(&s->items);
    buf_fini(&s->ends);
    mem_free(s);
}

void scan_table_fini(struct scan_table *t)
{
    list_each(&t->scans, link) scan_drop(t, container_of(link, struct scan, link));
}

void scan_table_tidy(struct scan_table *t, uint64_t now_ns)
{
    list_each(&t->scans, link)
    {
        struct scan *s = container_of(link, struct scan, link);
        if (s->until_ns <= now_ns) scan_drop(t, s);
    }
}

struct scan *scan_find(struct scan_table *t, const struct scan_id *id, uint16_t vbucket)
{
    list_each(&t->scans, link)
    {
        struct scan *s = container_of(link, struct scan, link);
        if (s->vbucket == vbucket && memcmp(s->id.bytes, id->bytes, SCAN_ID_LEN) == 0) return s;
    }
    return NULL;
}

/* ---- choosing */

static struct divan_bytes key_bytes(const struct item *i)
{
    return bytes_of(i->bytes, i->key_len);
}

static bool in_range(const struct item *i, const struct scan_create *c)
{
    if (c->sampling || (!c->start.len && !c->end.len)) return true;
    int from = bytes_compare(key_bytes(i), bytes_of(c->start.key, c->start.len));
    int to = bytes_compare(key_bytes(i), bytes_of(c->end.key, c->end.len));
    return (c->start.exclusive ? from > 0 : from >= 0) && (c->end.exclusive ? to < 0 : to <= 0);
}

static int by_key(const void *a, const void *b)
{
    return bytes_compare(key_bytes(*(struct item *const *)a), key_bytes(*(struct item *const *)b));
}

/* The live documents in the range, as pointers, in any order. */
static void collect(const struct vbucket *v, const struct scan_create *c, const struct kv_clock *t, struct buf *out)
{
    for (uint32_t slot = 0; slot < v->slots; slot++) {
        for (struct item *i = v->table[slot]; i; i = i->chain) {
            bool wanted = i->collection == c->collection && item_is_live(i) && !item_is_expired(i, t);
            if (wanted && in_range(i, c)) buf_put(out, &i, sizeof i);
        }
    }
}

/* Keeps `samples` of them, each equally likely, in the order they had. */
static size_t sample(struct item **items, size_t count, uint64_t samples, uint32_t seed)
{
    struct rng r;
    size_t kept = 0;
    rng_init(&r, seed);
    for (size_t i = 0; i < count && kept < samples; i++) {
        if (rng_below(&r, count - i) < samples - kept) items[kept++] = items[i];
    }
    return kept;
}

/* ---- copying */

static bool put_item(struct scan *s, const struct item *i, bool snappy, struct buf *scratch)
{
    struct scan_item out = {
        .key = key_bytes(i), .flags = i->flags, .expiry = i->expiry_s, .seqno = i->seqno, .cas = i->cas};
    if (s->kind == SCAN_DOCUMENTS) {
        struct divan_bytes section;
        bool inflate = (i->datatype & DATATYPE_SNAPPY) && (!snappy || (i->datatype & DATATYPE_XATTR));
        out.value = item_value(i);
        out.datatype = i->datatype & (uint8_t)~DATATYPE_XATTR;
        if (inflate && !item_plain_value(i, scratch, &out.value)) return false;
        if (inflate) out.datatype &= (uint8_t)~DATATYPE_SNAPPY;
        if (i->datatype & DATATYPE_XATTR) value_split(out.value, i->datatype, &section, &out.value);
    }
    scan_put_item(&s->items, s->kind, &out);
    size_t end = s->items.len;
    buf_put(&s->ends, &end, sizeof end);
    s->count++;
    return !s->items.failed && !s->ends.failed;
}

static bool copy_items(struct scan *s, struct item **items, size_t count, bool snappy, struct buf *scratch)
{
    for (size_t i = 0; i < count; i++) {
        if (!put_item(s, items[i], snappy, scratch)) return false;
    }
    return true;
}

static struct scan *scan_new(const struct scan_table *t, const struct vbucket *v, const struct scan_create *c,
                             const struct kv_clock *clock)
{
    struct scan *s = mem_zalloc(sizeof *s);
    if (!s || RAND_bytes(s->id.bytes, SCAN_ID_LEN) != 1) {
        mem_free(s);
        return NULL;
    }
    s->vbucket = v->id;
    s->kind = c->key_only ? SCAN_KEYS : SCAN_DOCUMENTS;
    s->items.limit = SCANS_BYTES_MAX - t->bytes;
    s->ends.limit = SIZE_MAX;
    s->until_ns = clock->now_ns + SCAN_LIFE_S * UINT64_C(1000000000);
    return s;
}

enum scan_result scan_make(struct scan_table *t, struct vbucket *v, const struct scan_create *c, bool snappy,
                           const struct kv_clock *clock, struct scan **out)
{
    struct buf found = {.limit = SIZE_MAX};
    scan_table_tidy(t, clock->now_ns);
    if (t->count >= SCANS_MAX) return SCAN_TOO_MANY;
    struct scan *s = scan_new(t, v, c, clock);
    if (s) collect(v, c, clock, &found);
    enum scan_result result = !s || found.failed ? SCAN_NO_MEMORY : found.len ? SCAN_MADE : SCAN_NOTHING;
    if (result == SCAN_MADE) {
        struct item **items = (struct item **)(void *)found.data;
        size_t count = found.len / sizeof *items;
        if (c->sampling) count = sample(items, count, c->samples, c->seed);
        if (count) qsort(items, count, sizeof *items, by_key);
        if (!copy_items(s, items, count, snappy, &v->store->scratch[1])) result = SCAN_TOO_MANY;
    }
    buf_fini(&found);
    if (result != SCAN_MADE && s) {
        buf_fini(&s->items);
        buf_fini(&s->ends);
        mem_free(s);
    }
    if (result != SCAN_MADE) return result;
    list_append(&t->scans, &s->link);
    t->count++;
    t->bytes += s->items.len;
    *out = s;
    return SCAN_MADE;
}

/* ---- giving away */

static size_t end_of(const struct scan *s, size_t item)
{
    size_t end;
    memcpy(&end, s->ends.data + item * sizeof end, sizeof end);
    return end;
}

size_t scan_take(struct scan *s, const struct scan_limits *limits, size_t piece, struct buf *out)
{
    size_t begin = s->next ? end_of(s, s->next - 1) : 0, end = begin, taken = 0;
    while (s->next < s->count && !(limits->items && taken == limits->items)) {
        end = end_of(s, s->next++);
        taken++;
        if (end - begin >= piece) break;
    }
    buf_put_bytes(out, bytes_slice(buf_view(&s->items), begin, end - begin));
    return taken;
}
