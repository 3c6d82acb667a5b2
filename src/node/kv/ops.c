#include "node/kv/ops.h"

#include "wire/compress.h"

enum {
    KEEP_PACKED_PCT = 83 /* a compressed value is kept so when at most this remains: the real server's ratio of 1.2 */
};

/* ---- helpers shared by the operations */

static struct store *store_of(const struct kv_op *op)
{
    return op->vbucket->store;
}

bool kv_durable_possible(const struct vbucket *v, uint8_t level)
{
    return !level || vbucket_majority_exists(v);
}

uint8_t kv_durability(const struct kv_op *op)
{
    uint8_t least = store_of(op)->durability_min;
    return op->durability > least ? op->durability : least;
}

static enum kv_result durable_check(const struct kv_op *op)
{
    return kv_durable_possible(op->vbucket, kv_durability(op)) ? KV_OK : KV_IMPOSSIBLE;
}

static enum kv_result room_check(const struct kv_op *op, size_t value_len)
{
    return store_has_room(store_of(op), op->key.len + value_len, op->clock) ? KV_OK : KV_FULL;
}

static int64_t max_ttl_of(const struct kv_op *op)
{
    if (op->collection && op->collection->max_ttl_s == MAX_TTL_NONE) return 0;
    if (op->collection && op->collection->max_ttl_s != MAX_TTL_INHERIT) return op->collection->max_ttl_s;
    return store_of(op)->max_ttl_s;
}

/* An expiry that has passed is kept as the start of the process, as measured: it is certainly over and yet not zero. */
uint32_t kv_expiry(const struct kv_op *op, uint32_t wire)
{
    const struct kv_clock *t = op->clock;
    uint32_t at = wire;
    if (wire && wire <= RELATIVE_EXPIRY_MAX_S) at = t->wall_s + wire;
    else if (wire && wire <= t->wall_s) at = t->start_s;
    int64_t ttl = max_ttl_of(op), latest = (int64_t)t->wall_s + ttl;
    if (ttl && (!at || at > latest)) at = latest > UINT32_MAX ? UINT32_MAX : (uint32_t)latest;
    return at;
}

static struct item *find(const struct kv_op *op)
{
    return vbucket_find(op->vbucket, &op->key, op->hash);
}

/* Makes `out` what a tombstone of the item keeps. false: out of memory. */
static bool keep_system(struct store *s, const struct item *i, struct buf *out)
{
    struct divan_bytes plain, section, body;
    buf_clear(out);
    if (!(i->datatype & DATATYPE_XATTR)) return true;
    if (!item_plain_value(i, &s->scratch[1], &plain)) return false;
    value_split(plain, i->datatype, &section, &body);
    value_keep_system(section, out);
    return !out->failed;
}

static struct item *find_live(const struct kv_op *op)
{
    struct item *i = find(op);
    if (i && item_is_expired(i, op->clock)) kv_expire(op->vbucket, i, op->clock), i = NULL;
    return i && item_is_live(i) ? i : NULL;
}

struct item *kv_expire(struct vbucket *v, struct item *i, const struct kv_clock *t)
{
    if (v->mode != VBUCKET_ACTIVE) return NULL; /* the active decides, and its decision comes over */
    struct buf *kept = &v->store->scratch[0];
    if (!keep_system(v->store, i, kept)) return NULL;
    return vbucket_bury(v, i, buf_view(kept), true, DURABLE_NONE, t);
}

/* A write with the lock's CAS goes through and unlocks; any other is refused while the lock holds. */
static enum kv_result write_check(const struct kv_op *op, struct item *i)
{
    struct item_lock *lock = vbucket_lock_of(op->vbucket, i, op->clock);
    if (lock) return op->cas == lock->cas ? KV_OK : KV_LOCKED;
    return op->cas && op->cas != i->cas ? KV_EXISTS : KV_OK;
}

/* A durable write is known by the seqno of its prepare. */
static void done(struct kv_done *out, struct item *i)
{
    *out = (struct kv_done){i, i->cas, i->seqno - i->prepared_ago};
}

/* ---- reading */

enum kv_result kv_get(const struct kv_op *op, struct item **out)
{
    struct item *i = find_live(op);
    if (!i) return KV_MISSING;
    *out = i;
    return KV_OK;
}

enum kv_result kv_get_any(const struct kv_op *op, struct item **out)
{
    struct item *i = find(op);
    if (i && item_is_expired(i, op->clock)) i = kv_expire(op->vbucket, i, op->clock);
    if (!i) return KV_MISSING;
    *out = i;
    return KV_OK;
}

uint64_t kv_visible_cas(const struct kv_op *op, struct item *i)
{
    return (i->state & ITEM_LOCKED) && vbucket_lock_of(op->vbucket, i, op->clock) ? UINT64_MAX : i->cas;
}

/* ---- storing */

/* Puts together what will be stored: the attributes of the old document, then the body; compressed as it came where the
 * bucket keeps that and it is worth it. `change->value` is a view of op's input or of
 * scratch[0]. */
static enum kv_result compose(const struct kv_op *op, const struct item *old, const struct kv_input *in,
                              struct item_change *change)
{
    struct store *s = store_of(op);
    change->datatype = value_detect(in->body, &change->state);
    if (old && (old->datatype & DATATYPE_XATTR)) {
        struct divan_bytes plain, section, body;
        if (!item_plain_value(old, &s->scratch[1], &plain)) return KV_NO_MEMORY;
        value_split(plain, old->datatype, &section, &body);
        buf_clear(&s->scratch[0]);
        xattrs_join(&s->scratch[0], section, in->body);
        if (s->scratch[0].failed) return KV_NO_MEMORY;
        change->value = buf_view(&s->scratch[0]);
        change->datatype |= DATATYPE_XATTR;
        return change->value.len > VALUE_MAX + SYSTEM_XATTR_MAX ? KV_TOO_BIG : KV_OK;
    }
    change->value = in->body;
    if (s->compression == COMPRESSION_OFF) return KV_OK;
    struct divan_bytes packed = {0};
    if (in->compressed) packed = in->sent;
    else if (s->compression == COMPRESSION_ACTIVE && in->body.len >= COMPRESS_MIN_SIZE) {
        buf_clear(&s->scratch[0]);
        if (value_compress(in->body, KEEP_PACKED_PCT, &s->scratch[0])) packed = buf_view(&s->scratch[0]);
    }
    if (packed.len && packed.len * 100 <= in->body.len * KEEP_PACKED_PCT) {
        change->value = packed;
        change->datatype |= DATATYPE_SNAPPY;
    }
    return KV_OK;
}

enum kv_result kv_set(const struct kv_op *op, enum kv_set_mode mode, const struct kv_input *in, struct kv_done *out)
{
    enum kv_result rc = durable_check(op);
    if (!rc && in->body.len > VALUE_MAX) rc = KV_TOO_BIG;
    if (rc) return rc;
    struct item *old = mode == KV_REPLACE ? find_live(op) : find(op);
    bool live = old && item_is_live(old) && !item_is_expired(old, op->clock);
    if (!live && (mode == KV_REPLACE || op->cas)) return KV_MISSING;
    if (live && mode == KV_ADD) return KV_EXISTS;
    if (live) rc = write_check(op, old);
    struct item_change change = {.flags = in->flags, .prepared = kv_durability(op)};
    change.expiry_s = live && op->keep_ttl ? old->expiry_s : kv_expiry(op, in->expiry);
    if (!rc) rc = compose(op, live ? old : NULL, in, &change);
    if (!rc) rc = room_check(op, change.value.len);
    if (rc) return rc;
    struct item *i = vbucket_write(op->vbucket, find(op), &op->key, op->hash, &change, op->clock);
    if (!i) return KV_NO_MEMORY;
    done(out, i);
    return KV_OK;
}

enum kv_result kv_concat(const struct kv_op *op, enum kv_concat_mode mode, struct divan_bytes body, struct kv_done *out)
{
    enum kv_result rc = durable_check(op);
    struct item *old = rc ? NULL : find_live(op);
    if (!rc && !old) rc = KV_NOT_STORED;
    if (!rc) rc = write_check(op, old);
    if (rc) return rc;
    struct store *s = store_of(op);
    struct divan_bytes plain, section, before;
    if (!item_plain_value(old, &s->scratch[1], &plain)) return KV_NO_MEMORY;
    value_split(plain, old->datatype, &section, &before);
    if (before.len + body.len > VALUE_MAX) return KV_TOO_BIG;
    struct buf *whole = &s->scratch[0];
    buf_clear(whole);
    xattrs_join(whole, section, mode == KV_APPEND ? before : body);
    buf_put_bytes(whole, mode == KV_APPEND ? body : before);
    if (whole->failed) return KV_NO_MEMORY;
    struct item_change change = {
        .value = buf_view(whole), .flags = old->flags, .expiry_s = old->expiry_s, .prepared = kv_durability(op)};
    size_t body_at = whole->len - before.len - body.len;
    change.datatype = (uint8_t)(section.len ? DATATYPE_XATTR : 0);
    change.datatype |= value_detect(bytes_slice(change.value, body_at, whole->len), &change.state);
    rc = room_check(op, body.len);
    if (rc) return rc;
    struct item *i = vbucket_write(op->vbucket, find(op), &op->key, op->hash, &change, op->clock);
    if (!i) return KV_NO_MEMORY;
    done(out, i);
    return KV_OK;
}

/* ---- counters */

/* Decimal digits of a u64 with blanks around and a plus sign before them, as measured. */
static bool parse_counter(struct divan_bytes text, uint64_t *out)
{
    const char *at = text.data, *end = at + text.len;
    while (at < end && (*at == ' ' || (*at >= '\t' && *at <= '\r'))) at++;
    if (at < end && *at == '+') at++;
    uint64_t value = 0;
    const char *digits = at;
    for (; at < end && *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (value > (UINT64_MAX - digit) / 10) return false;
        value = value * 10 + digit;
    }
    if (at == digits) return false;
    while (at < end && (*at == ' ' || (*at >= '\t' && *at <= '\r'))) at++;
    *out = value;
    return at == end;
}

static struct divan_bytes format_counter(uint64_t value, char text[20])
{
    size_t at = 20;
    do text[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return bytes_of(text + at, 20 - at);
}

static enum kv_result count_new(const struct kv_op *op, uint64_t initial, uint32_t expiry, struct kv_done *out)
{
    char text[20];
    struct item_change change = {.value = format_counter(initial, text),
                                 .datatype = DATATYPE_JSON,
                                 .expiry_s = kv_expiry(op, expiry),
                                 .prepared = kv_durability(op)};
    enum kv_result rc = room_check(op, change.value.len);
    if (rc) return rc;
    struct item *i = vbucket_write(op->vbucket, find(op), &op->key, op->hash, &change, op->clock);
    if (!i) return KV_NO_MEMORY;
    done(out, i);
    return KV_OK;
}

enum kv_result kv_count(const struct kv_op *op, bool down, uint64_t delta, uint64_t initial, uint32_t expiry,
                        uint64_t *value, struct kv_done *out)
{
    enum kv_result rc = durable_check(op);
    struct item *old = rc ? NULL : find_live(op);
    if (!rc && !old) {
        if (expiry == UINT32_MAX) return KV_MISSING;
        *value = initial;
        return count_new(op, initial, expiry, out);
    }
    if (!rc) rc = write_check(op, old);
    if (rc) return rc;
    struct store *s = store_of(op);
    struct divan_bytes plain, section, body;
    if (!item_plain_value(old, &s->scratch[1], &plain)) return KV_NO_MEMORY;
    value_split(plain, old->datatype, &section, &body);
    uint64_t now;
    if (!parse_counter(body, &now)) return KV_BAD_DELTA;
    now = down ? (now < delta ? 0 : now - delta) : now + delta;
    char text[20];
    buf_clear(&s->scratch[0]);
    xattrs_join(&s->scratch[0], section, format_counter(now, text));
    if (s->scratch[0].failed) return KV_NO_MEMORY;
    struct item_change change = {.value = buf_view(&s->scratch[0]),
                                 .flags = old->flags,
                                 .expiry_s = old->expiry_s,
                                 .prepared = kv_durability(op)};
    change.datatype = (uint8_t)(DATATYPE_JSON | (section.len ? DATATYPE_XATTR : 0));
    struct item *i = vbucket_write(op->vbucket, old, &op->key, op->hash, &change, op->clock);
    if (!i) return KV_NO_MEMORY;
    *value = now;
    done(out, i);
    return KV_OK;
}

/* ---- deleting, touching, locking */

enum kv_result kv_delete(const struct kv_op *op, struct kv_done *out)
{
    enum kv_result rc = durable_check(op);
    if (rc) return rc;
    struct item *i = find_live(op);
    if (!i) return KV_MISSING;
    rc = write_check(op, i);
    if (rc == KV_LOCKED && op->cas) rc = KV_LOCKED_TMP;
    if (rc) return rc;
    struct buf *kept = &store_of(op)->scratch[0];
    uint8_t prepared = kv_durability(op);
    if (!keep_system(store_of(op), i, kept)) return KV_NO_MEMORY;
    i = vbucket_bury(op->vbucket, i, buf_view(kept), false, prepared, op->clock);
    if (!i) return KV_NO_MEMORY;
    done(out, i);
    return KV_OK;
}

enum kv_result kv_touch(const struct kv_op *op, uint32_t expiry, struct item **out)
{
    struct item *i = find_live(op);
    if (!i) return KV_MISSING;
    if (vbucket_lock_of(op->vbucket, i, op->clock)) return KV_LOCKED;
    uint32_t at = kv_expiry(op, expiry);
    if (at != i->expiry_s) {
        i->expiry_s = at;
        vbucket_restamp(op->vbucket, i, op->clock);
    }
    *out = i;
    return KV_OK;
}

enum kv_result kv_lock(const struct kv_op *op, uint32_t lock_s, struct item **out, uint64_t *cas)
{
    struct item *i = find_live(op);
    if (!i) return KV_MISSING;
    if (vbucket_lock_of(op->vbucket, i, op->clock)) return KV_LOCKED_TMP;
    if (!lock_s || lock_s > LOCK_MAX_S) lock_s = LOCK_DEFAULT_S;
    uint64_t lock_cas = vbucket_next_cas(op->vbucket, op->clock);
    if (!vbucket_lock(op->vbucket, i, lock_cas, op->clock->now_ns + lock_s * UINT64_C(1000000000))) return KV_NO_MEMORY;
    *out = i;
    *cas = lock_cas;
    return KV_OK;
}

enum kv_result kv_unlock(const struct kv_op *op)
{
    struct item *i = find_live(op);
    if (!i) return KV_MISSING;
    struct item_lock *lock = vbucket_lock_of(op->vbucket, i, op->clock);
    if (!lock) return KV_NOT_LOCKED;
    if (lock->cas != op->cas) return KV_LOCKED_TMP;
    vbucket_unlock(op->vbucket, i);
    return KV_OK;
}
