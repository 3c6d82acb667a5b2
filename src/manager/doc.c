#include "manager/doc.h"

#include <strings.h>

#include "base/alloc.h"

/* ---- memory: blocks in a list, freed together */

struct doc_block {
    struct doc_block *next;
    size_t used, cap;
    _Alignas(max_align_t) uint8_t data[];
};

enum { BLOCK_FIRST = 4096, BLOCK_MAX = 256 * 1024 };

static struct doc_block *block_new(struct doc *d, size_t size)
{
    size_t cap = d->memory.blocks ? d->memory.blocks->cap * 2 : BLOCK_FIRST;
    if (cap > BLOCK_MAX) cap = BLOCK_MAX;
    if (cap < size) cap = size;
    struct doc_block *b = mem_alloc(sizeof *b + cap);
    if (!b) return NULL;
    *b = (struct doc_block){.next = d->memory.blocks, .cap = cap};
    return d->memory.blocks = b;
}

void *doc_alloc(struct doc *d, size_t size)
{
    enum { ALIGN = _Alignof(max_align_t) };
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    struct doc_block *b = d->memory.blocks;
    if (!b || size > b->cap - b->used) b = block_new(d, size);
    if (!b) {
        d->memory.failed = true;
        return NULL;
    }
    void *at = b->data + b->used;
    b->used += size;
    return memset(at, 0, size);
}

bool doc_failed(const struct doc *d)
{
    return d->memory.failed;
}

const char *doc_text_of(struct doc *d, struct divan_bytes text)
{
    char *copy = doc_alloc(d, text.len + 1);
    if (copy && text.len) memcpy(copy, text.data, text.len);
    return copy ? copy : "";
}

const char *doc_text(struct doc *d, const char *text)
{
    return text ? doc_text_of(d, divan_str(text)) : NULL;
}

/* The capacity follows from the count: the next power of two. So an array grows by doubling without a field for it. */
void *doc_insert(struct doc *d, void *array_pointer, size_t *count, size_t at, size_t element_size)
{
    uint8_t *array;
    memcpy(&array, array_pointer, sizeof array);
    if (!(*count & (*count - 1))) {
        uint8_t *grown = doc_alloc(d, (*count ? *count * 2 : 1) * element_size);
        if (!grown) return NULL;
        if (*count) memcpy(grown, array, *count * element_size);
        array = grown;
        memcpy(array_pointer, &array, sizeof array);
    }
    uint8_t *place = array + at * element_size;
    memmove(place + element_size, place, (*count - at) * element_size);
    memset(place, 0, element_size);
    ++*count;
    return place;
}

void doc_remove(void *array, size_t *count, size_t at, size_t element_size)
{
    uint8_t *place = (uint8_t *)array + at * element_size;
    --*count;
    memmove(place, place + element_size, (*count - at) * element_size);
}

/* ---- life */

static void doc_defaults(struct doc *d)
{
    d->revision = (struct map_revision){1, 1};
    d->uuid = d->name = d->admin = d->ca_cert = d->ca_key = d->secret = "";
    d->task.id = d->task.status = d->task.report = d->task.error = "";
    d->vbuckets = 1024;
    d->quotas = (struct doc_quotas){.kv = 2048, .index = 512, .fts = 512, .cbas = 1024, .eventing = 256};
    d->auto_failover = (struct doc_auto_failover){
        .enabled = true, .timeout_s = 120, .disk_issue_period_s = 120, .max_count = 1, .can_abort_rebalance = true};
}

struct doc *doc_new(void)
{
    struct doc *d = mem_zalloc(sizeof *d);
    if (!d) return NULL;
    d->memory.refs = 1;
    doc_defaults(d);
    struct doc_server_group *g = doc_insert(d, &d->groups, &d->group_count, 0, sizeof *g);
    if (g) *g = (struct doc_server_group){.uuid = "0", .name = "Group 1"};
    if (!d->memory.failed) return d;
    doc_release(d);
    return NULL;
}

struct doc *doc_copy(const struct doc *d)
{
    struct buf json = {.limit = 0};
    struct doc *copy = NULL;
    if (doc_to_json(d, &json)) doc_from_json(buf_view(&json), &copy, NULL);
    buf_fini(&json);
    return copy;
}

/* References are counted on values that are otherwise never changed, hence the casts. */
struct doc *doc_retain(const struct doc *d)
{
    struct doc *mine = (struct doc *)(uintptr_t)d;
    mine->memory.refs++;
    return mine;
}

void doc_release(const struct doc *d)
{
    struct doc *mine = (struct doc *)(uintptr_t)d;
    if (!mine || --mine->memory.refs) return;
    for (struct doc_block *b = mine->memory.blocks, *next; b; b = next) {
        next = b->next;
        mem_free(b);
    }
    mem_free(mine);
}

/* ---- looking things up */

struct doc_node *doc_find_node(const struct doc *d, const char *uuid)
{
    for (size_t i = 0; i < d->node_count; i++)
        if (strcmp(d->nodes[i].uuid, uuid) == 0) return &d->nodes[i];
    return NULL;
}

struct doc_node *doc_find_otp(const struct doc *d, const char *otp)
{
    for (size_t i = 0; i < d->node_count; i++)
        if (strcmp(d->nodes[i].otp, otp) == 0) return &d->nodes[i];
    return NULL;
}

int doc_server_of(const struct doc_vbmap *m, const char *uuid)
{
    for (size_t i = 0; i < m->server_count; i++)
        if (strcmp(m->servers[i], uuid) == 0) return (int)i;
    return -1;
}

struct doc_bucket *doc_find_bucket(const struct doc *d, struct divan_bytes name)
{
    for (size_t i = 0; i < d->bucket_count; i++)
        if (bytes_is(name, d->buckets[i].name)) return &d->buckets[i];
    return NULL;
}

struct doc_bucket *doc_find_bucket_uuid(const struct doc *d, const char *uuid)
{
    for (size_t i = 0; i < d->bucket_count; i++)
        if (strcmp(d->buckets[i].uuid, uuid) == 0) return &d->buckets[i];
    return NULL;
}

struct doc_scope *doc_find_scope(const struct doc_bucket *b, struct divan_bytes name)
{
    for (size_t i = 0; i < b->manifest.scope_count; i++)
        if (bytes_is(name, b->manifest.scopes[i].name)) return &b->manifest.scopes[i];
    return NULL;
}

struct doc_collection *doc_find_collection(const struct doc_scope *s, struct divan_bytes name)
{
    for (size_t i = 0; i < s->collection_count; i++)
        if (bytes_is(name, s->collections[i].name)) return &s->collections[i];
    return NULL;
}

struct doc_user *doc_find_user(const struct doc *d, struct divan_bytes id, bool external)
{
    for (size_t i = 0; i < d->user_count; i++)
        if (d->users[i].external == external && bytes_is(id, d->users[i].id)) return &d->users[i];
    return NULL;
}

struct doc_group *doc_find_group(const struct doc *d, struct divan_bytes id)
{
    for (size_t i = 0; i < d->user_group_count; i++)
        if (bytes_is(id, d->user_groups[i].id)) return &d->user_groups[i];
    return NULL;
}

struct doc_server_group *doc_find_server_group(const struct doc *d, const char *uuid)
{
    for (size_t i = 0; i < d->group_count; i++)
        if (strcmp(d->groups[i].uuid, uuid) == 0) return &d->groups[i];
    return NULL;
}

const char *doc_setting(const struct doc *d, const char *path)
{
    for (size_t i = 0; i < d->setting_count; i++)
        if (strcmp(d->settings[i].path, path) == 0) return d->settings[i].json;
    return NULL;
}

size_t doc_hash_len(enum doc_hash hash)
{
    return hash == DOC_SHA1 ? 20 : hash == DOC_SHA256 ? 32 : 64;
}

/* ---- words */

#define WORDS(name, type, ...)                                                                                         \
    const char *const name##_words[] = {__VA_ARGS__, NULL};                                                            \
    const char *name##_name(type value)                                                                                \
    {                                                                                                                  \
        return (size_t)value + 1 < sizeof name##_words / sizeof *name##_words ? name##_words[value] : "";              \
    }

WORDS(doc_bucket_type, enum doc_bucket_type, "membase", "ephemeral", "memcached")
WORDS(doc_eviction, enum doc_eviction, "valueOnly", "fullEviction", "noEviction", "nruEviction")
WORDS(doc_durability, enum doc_durability, "none", "majority", "majorityAndPersistActive", "persistToMajority")
WORDS(doc_compression, enum doc_compression, "off", "passive", "active")
WORDS(doc_conflict, enum doc_conflict, "seqno", "lww", "custom")
WORDS(doc_membership, enum doc_membership, "active", "inactiveAdded", "inactiveFailed")
WORDS(doc_recovery, enum doc_recovery, "none", "delta", "full")
WORDS(doc_task_kind, enum doc_task_kind, "rebalance", "gracefulFailover", "failover")
WORDS(doc_task_stage, enum doc_task_stage, "idle", "moving", "leaving")
WORDS(doc_service, enum map_service, "kv", "mgmt", "capi", "n1ql", "fts", "cbas", "eventing")
