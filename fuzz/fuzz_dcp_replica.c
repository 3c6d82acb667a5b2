/* A vBucket as replication treats it: changes, durable writes and their ends, snapshots that are read meanwhile, going back,
 * changing its mode. Whatever comes, the order ascends, the accounts are right, and nothing is left behind. */
#include <stdlib.h>

#include "node/kv/replica.h"
#include "node/kv/store_parts.h"

static void on_changed(struct order_cursor *c) {}

static void check(const struct store *s, const struct vbucket *v)
{
    uint64_t last = 0, bytes = 0, ghosts = 0, live = 0, dead = 0, prepared = 0, listed = 0;
    for (const struct link *l = v->order.head.next; l != &v->order.head; l = l->next) {
        const struct item *i = container_of(l, struct item, order);
        if (i->seqno <= last || i->seqno > v->high_seqno || i->prepared_ago > i->seqno) abort();
        last = i->seqno;
        if (i->state & ITEM_GHOST) {
            ghosts += sizeof *i + i->key_len + i->value_len;
            continue;
        }
        if (!(i->state & ITEM_EVENT)) bytes += item_bytes(i);
        prepared += (i->state & ITEM_PREPARED) != 0;
        if (!item_in_table(i)) continue;
        struct kv_key key = item_key(i);
        if (vbucket_find(v, &key, i->hash) != i) abort();
        item_is_live(i) ? live++ : dead++;
    }
    for (const struct item *p = v->prepares; p; p = p->chain) listed++;
    if (live != v->items || dead != v->tombstones || bytes != s->mem_bytes || ghosts != s->ghost_bytes) abort();
    if (prepared != listed) abort();
}

struct play {
    struct store store;
    struct vbucket *v;
    struct rng rng;
    struct kv_clock now;
    struct order_cursor cursors[2];
    bool open[2];
};

static void change(struct play *p, uint8_t op, uint8_t arg)
{
    char name[2] = {(char)('a' + arg % 6), 0}, text[8] = "xxxxxxx";
    struct kv_key key = kv_key_of(0, name, 1);
    uint32_t hash = store_hash(&p->store, &key);
    bool active = p->v->mode == VBUCKET_ACTIVE;
    struct item_change c = {.value = bytes_of(text, arg % 8), .cas = arg + 1u, .revision = 1};
    if (arg & 64) c.state = ITEM_DELETED, c.value.len = 0;
    if (!active) c.seqno = p->v->high_seqno + 1 + arg % 3;
    struct item *old = vbucket_find(p->v, &key, hash), *prepare = vbucket_find_prepare(p->v, &key, hash);
    switch (op) {
    case 0:
        if (active && prepare) return; /* commands see to that */
        if (active) vbucket_write(p->v, old, &key, hash, &c, &p->now);
        else replica_document(p->v, &key, &c, &p->now);
        return;
    case 1:
        if (active && prepare) return;
        c.prepared = 1;
        if (active) vbucket_write(p->v, old, &key, hash, &c, &p->now);
        else replica_prepare(p->v, &key, &c, &p->now);
        return;
    case 2:
        if (active) vbucket_acknowledge(p->v, 2, p->v->high_prepared_seqno - arg % 2, &p->now);
        else replica_commit(p->v, &key, prepare ? prepare->seqno : arg, p->v->high_seqno + 1, &p->now);
        return;
    case 3:
        if (active && prepare) vbucket_abort(p->v, prepare, 0, &p->now);
        else if (!active) replica_abort(p->v, &key, prepare ? prepare->seqno : arg, p->v->high_seqno + 1, &p->now);
        return;
    case 4:
        if (active && old) vbucket_restamp(p->v, old, &p->now);
        else if (!active) replica_advance(p->v, p->v->high_seqno + arg % 4);
        return;
    default:
        if (old) vbucket_forget(p->v, old);
    }
}

static void read(struct play *p, uint8_t op, uint8_t arg)
{
    struct order_cursor *c = &p->cursors[arg & 1];
    bool *open = &p->open[arg & 1];
    if (!*open) {
        cursor_open(c, p->v, p->v->high_seqno * (arg >> 1) / 127, on_changed);
        *open = true;
    } else if (op == 6 && !c->until) {
        cursor_begin(c);
    } else if (op == 6) {
        for (unsigned n = 0; n <= arg / 32u && cursor_peek(c); n++) {
            if (cursor_peek(c)->seqno <= c->passed) abort();
            cursor_pass(c);
        }
        if (!cursor_peek(c) && !c->broken) cursor_end(c);
    } else {
        cursor_close(c);
        *open = false;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct play p = {.now = {.wall_ns = UINT64_C(1) << 40, .wall_s = 1000}};
    static const uint8_t modes[] = {VBUCKET_ACTIVE, VBUCKET_REPLICA, VBUCKET_DEAD, VBUCKET_PENDING};
    rng_init(&p.rng, 1);
    if (store_init(&p.store, 1, &p.rng, NULL)) return 0;
    p.v = &p.store.vbuckets[0];
    const struct chain chain = {.length = 2, .nodes = {1, 2}}, none = {0};
    vbucket_set_chain(p.v, &chain, &none, 1);
    vbucket_set_mode(p.v, VBUCKET_ACTIVE, &p.rng);
    for (size_t i = 0; i + 1 < size; i += 2) {
        uint8_t op = data[i] % 10, arg = data[i + 1];
        if (op < 6) change(&p, op, arg);
        else if (op < 8) read(&p, op, arg);
        else if (op == 8 && p.v->mode != VBUCKET_ACTIVE) replica_rollback(p.v, p.v->high_seqno * arg / 255);
        else if (op == 9) vbucket_set_mode(p.v, (enum vbucket_mode)modes[arg % 4], &p.rng);
        if (arg % 5 == 0) p.now.wall_s += 7;
        check(&p.store, p.v);
    }
    for (int i = 0; i < 2; i++)
        if (p.open[i]) cursor_close(&p.cursors[i]);
    if (p.store.ghost_bytes) abort();
    check(&p.store, p.v);
    vbucket_set_mode(p.v, VBUCKET_ABSENT, &p.rng);
    if (p.store.mem_bytes || !list_empty(&p.v->order)) abort();
    store_fini(&p.store);
    return 0;
}
