#include "node/disk/batch.h"

#include "base/error.h"

static void put(struct batch *b, const struct record *r, const void *key, const void *value)
{
    buf_put(&b->bytes, r, sizeof *r);
    if (r->key_len) buf_put(&b->bytes, key, r->key_len);
    if (r->value_len) buf_put(&b->bytes, value, r->value_len);
}

void batch_put_state(struct batch *b, const struct vbucket *v)
{
    struct disk_state s = {.mode = v->mode,
                           .failover_count = v->failover_count,
                           .high_seqno = v->high_seqno,
                           .purge_seqno = v->purge_seqno,
                           .max_cas = v->max_cas,
                           .max_deleted_revision = v->max_deleted_revision,
                           .high_prepared_seqno = v->high_prepared_seqno,
                           .high_completed_seqno = v->high_completed_seqno,
                           .snapshot_start = v->snapshot_start,
                           .snapshot_end = v->snapshot_end,
                           .events_uid = v->events_uid,
                           .anchor = v->anchor,
                           .next_anchor = v->next_anchor};
    if (v->failover_count) memcpy(s.failover, v->failover, v->failover_count * sizeof *s.failover);
    put(b, &(struct record){.kind = RECORD_STATE, .vbucket = v->id, .value_len = sizeof s}, NULL, &s);
}

void batch_put_wipe(struct batch *b, uint16_t vbucket)
{
    put(b, &(struct record){.kind = RECORD_WIPE, .vbucket = vbucket}, NULL, NULL);
}

void batch_put_item(struct batch *b, const struct vbucket *v, const struct item *i)
{
    struct record r = {.kind = RECORD_ITEM,
                       .key_len = i->key_len,
                       .datatype = i->datatype,
                       .state = i->state & (uint8_t) ~(ITEM_LOCKED | ITEM_GHOST),
                       .level = i->level,
                       .vbucket = v->id,
                       .collection = i->collection,
                       .expiry_s = i->expiry_s,
                       .flags = i->flags,
                       .prepared_ago = i->prepared_ago,
                       .back_ago = i->back_ago,
                       .value_len = i->value_len,
                       .seqno = i->seqno,
                       .cas = i->cas,
                       .revision = i->revision};
    put(b, &r, i->bytes, i->bytes + i->key_len);
}

void batch_put_forget(struct batch *b, const struct record *r, const void *key)
{
    put(b, r, key, NULL);
}

void batch_put_manifest(struct batch *b, const struct store *s)
{
    const struct manifest *m = &s->manifest;
    struct disk_manifest head = {.uid = m->uid,
                                 .top_collection = s->top_collection,
                                 .scopes = (uint32_t)m->scope_count,
                                 .collections = (uint32_t)m->collection_count};
    size_t size = sizeof head + head.scopes * sizeof(struct disk_scope) +
                  head.collections * sizeof(struct disk_collection);
    struct record r = {.kind = RECORD_MANIFEST, .value_len = (uint32_t)size};
    buf_put(&b->bytes, &r, sizeof r);
    buf_put(&b->bytes, &head, sizeof head);
    for (size_t i = 0; i < m->scope_count; i++) {
        struct disk_scope scope = {.id = m->scopes[i].id};
        text_copy(scope.name, sizeof scope.name, m->scopes[i].name);
        buf_put(&b->bytes, &scope, sizeof scope);
    }
    for (size_t i = 0; i < m->collection_count; i++) {
        const struct collection *from = &m->collections[i];
        struct disk_collection c = {
            .id = from->id, .scope_id = from->scope_id, .max_ttl_s = from->max_ttl_s, .history = from->history};
        text_copy(c.name, sizeof c.name, from->name);
        buf_put(&b->bytes, &c, sizeof c);
    }
}

bool batch_next(const struct batch *b, size_t *at, struct record *r, struct divan_bytes *key, struct divan_bytes *value)
{
    if (b->bytes.len - *at < sizeof *r) return false;
    memcpy(r, b->bytes.data + *at, sizeof *r);
    *at += sizeof *r;
    *key = bytes_of(b->bytes.data + *at, r->key_len);
    *value = bytes_of(b->bytes.data + *at + r->key_len, r->value_len);
    *at += r->key_len + r->value_len;
    return true;
}
