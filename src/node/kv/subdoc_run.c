#include "node/kv/subdoc_run.h"

#include "node/kv/subdoc_xattr.h"
#include "text/json.h"
#include "text/subdoc.h"
#include "wire/base64.h"
#include "wire/opcodes.h"

#define BINARY_PREFIX "cb-content-base64-encoded:"

static void give_value(struct subdoc_run *r, struct subdoc_outcome *o, struct divan_bytes value)
{
    o->at = (uint32_t)r->values.len;
    o->len = (uint32_t)value.len;
    o->has_value = true;
    buf_put_bytes(&r->values, value);
}

/* ---- lookups */

/* The bytes behind a value that was stored as binary. */
static enum status decode_binary(struct divan_bytes json, struct buf *out)
{
    size_t prefix = sizeof BINARY_PREFIX; /* and the quote before it */
    size_t len = 0;
    if (json.len < prefix + 1 || memcmp(json.data, "\"" BINARY_PREFIX, prefix) != 0)
        return ST_SUBDOC_FIELD_NOT_BINARY_VALUE;
    struct divan_bytes text = bytes_slice(json, prefix, json.len - prefix - 1);
    if (!buf_reserve(out, text.len + 1)) return ST_ENOMEM;
    if (!base64_decode_into(text, out->data + out->len, text.len, &len)) return ST_SUBDOC_FIELD_NOT_BINARY_VALUE;
    out->len += len;
    return ST_SUCCESS;
}

static void look(struct subdoc_run *r, const struct pathop *s, bool known, struct divan_bytes document,
                 struct subdoc_outcome *o)
{
    struct subdoc_reply reply = {{0}, {0}};
    o->status = (enum status)(known ? subdoc_lookup_known : subdoc_lookup)((enum subdoc_op)s->opcode, document, s->path,
                                                                           &reply);
    if (o->status != ST_SUCCESS || s->opcode == OP_SUBDOC_EXISTS) return;
    if (!(s->flags & PATHOP_BINARY)) {
        give_value(r, o, reply.value);
        return;
    }
    o->at = (uint32_t)r->values.len;
    o->status = decode_binary(reply.value, &r->values);
    o->len = (uint32_t)(r->values.len - o->at);
    o->has_value = o->raw = o->status == ST_SUCCESS;
}

/* The object that has the attribute of a path as its one member; empty when there is none. */
static bool wrap_xattr(struct divan_bytes section, const struct pathop *s, struct buf *out)
{
    struct divan_bytes key = spec_key(s), value = {0};
    bool there = xattrs_find(section, key, &value);
    buf_clear(out);
    if (!there) {
        buf_put_str(out, "{}");
        return false;
    }
    buf_put_str(out, "{\"");
    buf_put_bytes(out, key);
    buf_put_str(out, "\":");
    buf_put_bytes(out, value);
    buf_put_str(out, "}");
    return true;
}

static void look_at_xattr(struct subdoc_run *r, const struct pathop *s, const struct document_view *d,
                          struct subdoc_outcome *o)
{
    if (spec_is_virtual(s)) {
        buf_clear(&r->work);
        if (!xattr_virtual(d, spec_key(s), r->sees_system, &r->work)) {
            o->status = ST_SUBDOC_XATTR_UNKNOWN_VATTR;
            return;
        }
    } else {
        wrap_xattr(d->section, s, &r->work);
    }
    if (r->work.failed) o->status = ST_ENOMEM;
    else look(r, s, false, buf_view(&r->work), o);
}

static void look_at_whole(struct subdoc_run *r, const struct document_view *d, struct subdoc_outcome *o)
{
    o->status = d->body.len ? ST_SUCCESS : ST_SUBDOC_PATH_ENOENT;
    if (d->body.len) give_value(r, o, d->body);
}

static void run_lookup(struct subdoc_run *r, const struct pathop *s, const struct document_view *d,
                       struct subdoc_outcome *o)
{
    bool is_json = d->item && (d->item->datatype & DATATYPE_JSON);
    *o = (struct subdoc_outcome){.status = ST_SUCCESS};
    if (s->flags & PATHOP_XATTR) look_at_xattr(r, s, d, o);
    else if (pathop_is_whole_body(s->opcode)) look_at_whole(r, d, o);
    else if (!is_json) o->status = ST_SUBDOC_DOC_NOTJSON;
    else look(r, s, d->item->state & ITEM_SHALLOW, d->body, o);
}

/* The attributes and the body of an item, uncompressed. false: out of memory. */
static bool view_item(const struct kv_op *op, const struct item *i, struct buf *scratch, struct document_view *d)
{
    *d = (struct document_view){.vbucket = op->vbucket, .item = i, .clock = op->clock};
    if (!i) return true;
    struct divan_bytes plain;
    if (!item_plain_value(i, scratch, &plain)) return false;
    value_split(plain, i->datatype, &d->section, &d->body);
    return true;
}

/* The item as the document flags let it be seen. */
static struct item *visible(const struct kv_op *op, uint8_t doc_flags)
{
    struct item *i = NULL;
    if (op->vbucket->mode != VBUCKET_ACTIVE) {
        i = vbucket_find(op->vbucket, &op->key, op->hash);
        if (i && item_is_expired(i, op->clock)) i = NULL;
    } else if (kv_get_any(op, &i)) {
        i = NULL;
    }
    return i && (item_is_live(i) || (doc_flags & DOC_ACCESS_DELETED)) ? i : NULL;
}

static bool ended(struct subdoc_end *end, enum kv_result result)
{
    end->result = result;
    return result != KV_OK;
}

static bool failed(struct subdoc_end *end, enum status status)
{
    end->status = status;
    return status != ST_SUCCESS;
}

void subdoc_run_lookup(struct subdoc_run *r, const struct kv_op *op, const struct pathop_request *p,
                       struct subdoc_end *end)
{
    *end = (struct subdoc_end){.result = KV_OK};
    buf_clear(&r->values);
    struct item *i = visible(op, p->doc_flags);
    if (!i && ended(end, KV_MISSING)) return;
    if (vbucket_lock_of(op->vbucket, i, op->clock) && ended(end, KV_LOCKED_TMP)) return;
    if (op->cas && op->cas != i->cas && ended(end, KV_EXISTS)) return;
    if ((p->doc_flags & DOC_REVIVE) && item_is_live(i) && failed(end, ST_SUBDOC_CAN_ONLY_REVIVE_DELETED_DOCUMENTS))
        return;
    struct document_view d;
    if (!view_item(op, i, &op->vbucket->store->scratch[1], &d) && ended(end, KV_NO_MEMORY)) return;
    for (uint8_t n = 0; n < p->count; n++) run_lookup(r, &p->ops[n], &d, &r->outcomes[n]);
    if (r->values.failed && ended(end, KV_NO_MEMORY)) return;
    end->status = item_is_live(i) ? ST_SUCCESS : ST_SUBDOC_SUCCESS_DELETED;
    end->done = (struct kv_done){i, i->cas, i->seqno};
}

/* ---- mutations */

/* A document on its way from what it was to what it will be. */
struct change {
    struct subdoc_run *run;
    const struct kv_op *op;
    const struct pathop_request *plan;
    struct document_view before;
    struct mutation_facts facts;
    bool exists;                /* live, or a tombstone that may be touched */
    bool body_json, body_known; /* known: see subdoc_mutate_known() */
    bool body_changed;          /* both are of the body before */
    bool deletes;               /* the document goes */
};

static void swap(struct buf *a, struct buf *b)
{
    struct buf kept = *a;
    *a = *b;
    *b = kept;
}

static void detect(struct change *c, struct divan_bytes body)
{
    uint8_t state = 0;
    c->body_json = value_detect(body, &state);
    c->body_known = state & ITEM_SHALLOW;
    c->body_changed = false;
}

static enum status edit(struct change *c, const struct pathop *s, bool known, struct divan_bytes document,
                        struct divan_bytes value, struct subdoc_outcome *o)
{
    struct subdoc_reply reply = {{0}, {0}};
    bool mkdir = (s->flags & PATHOP_MKDIR_P) || (c->plan->doc_flags & (DOC_MKDOC | DOC_ADD));
    buf_clear(&c->run->edited);
    enum status status = (enum status)(known ? subdoc_mutate_known : subdoc_mutate)(
        (enum subdoc_op)s->opcode, document, s->path, value, mkdir, &c->run->edited, &reply);
    if (status == ST_SUCCESS && s->opcode == OP_SUBDOC_COUNTER) give_value(c->run, o, reply.value);
    return status;
}

static enum status edit_body(struct change *c, const struct pathop *s, struct subdoc_outcome *o)
{
    if (!c->body_json) return ST_SUBDOC_DOC_NOTJSON;
    bool known = c->body_known && !c->body_changed;
    enum status status = edit(c, s, known, buf_view(&c->run->body), s->value, o);
    if (status != ST_SUCCESS) return status;
    swap(&c->run->body, &c->run->edited);
    c->body_changed = true;
    return ST_SUCCESS;
}

/* The value that a spec stores in an attribute: as it came, a macro's, or bytes in their JSON form. */
static enum status spec_value(struct change *c, const struct pathop *s, struct buf *out, struct divan_bytes *value)
{
    *value = s->value;
    if (s->flags & PATHOP_EXPAND_MACROS) {
        enum status status = macro_expand(&c->before, &c->facts, s->value, out);
        if (status != ST_SUCCESS) return status;
        *value = buf_view(out);
    } else if (s->flags & PATHOP_BINARY) {
        buf_put_str(out, "\"" BINARY_PREFIX);
        base64_append(out, s->value);
        buf_put_str(out, "\"");
        *value = buf_view(out);
    }
    return out->failed ? ST_ENOMEM : ST_SUCCESS;
}

/* Puts what an edit left of the wrapped attribute back into the block. */
static enum status keep_xattr(struct change *c, const struct pathop *s)
{
    struct subdoc_run *r = c->run;
    struct json_walk w = json_walk_begin(json_value_of(buf_view(&r->edited)));
    struct json_value value = {.type = JSON_NONE};
    struct divan_bytes name;
    if (!json_next_member(&w, &name, &value)) value.text = (struct divan_bytes){0};
    buf_clear(&r->work);
    if (value.type != JSON_NONE) xattr_normalise(value.text, &r->work);
    buf_clear(&r->edited);
    struct divan_bytes kept = r->work.len ? buf_view(&r->work) : (struct divan_bytes){NULL, 0};
    xattrs_replace(&r->edited, buf_view(&r->section), spec_key(s), kept);
    if (r->work.failed || r->edited.failed) return ST_ENOMEM;
    swap(&r->section, &r->edited);
    return ST_SUCCESS;
}

static enum status edit_xattr(struct change *c, const struct pathop *s, struct subdoc_outcome *o)
{
    if (spec_is_virtual(s)) return ST_SUBDOC_XATTR_CANT_MODIFY_VATTR;
    struct buf made = {.limit = SUBDOC_WORK_MAX};
    struct divan_bytes value;
    enum status status = spec_value(c, s, &made, &value);
    if (status == ST_SUCCESS) {
        wrap_xattr(buf_view(&c->run->section), s, &c->run->work);
        status = c->run->work.failed ? ST_ENOMEM : edit(c, s, false, buf_view(&c->run->work), value, o);
    }
    if (status == ST_SUCCESS) status = keep_xattr(c, s);
    buf_fini(&made);
    return status;
}

static enum status replace_body(struct change *c, const struct pathop *s)
{
    struct subdoc_run *r = c->run;
    struct subdoc_reply reply;
    wrap_xattr(buf_view(&r->section), s, &r->work);
    enum status status = (enum status)subdoc_lookup(SUBDOC_GET, buf_view(&r->work), s->path, &reply);
    if (status != ST_SUCCESS) return status;
    buf_clear(&r->edited);
    if (s->flags & PATHOP_BINARY) status = decode_binary(reply.value, &r->edited);
    else buf_put_bytes(&r->edited, reply.value);
    if (r->edited.failed) status = ST_ENOMEM;
    if (status != ST_SUCCESS) return status;
    swap(&r->body, &r->edited);
    detect(c, buf_view(&r->body));
    return ST_SUCCESS;
}

static enum status set_whole(struct change *c, const struct pathop *s)
{
    buf_clear(&c->run->body);
    buf_put_bytes(&c->run->body, s->value);
    detect(c, s->value);
    return c->run->body.failed ? ST_ENOMEM : ST_SUCCESS;
}

static enum status run_spec(struct change *c, const struct pathop *s, struct subdoc_outcome *o)
{
    *o = (struct subdoc_outcome){.status = ST_SUCCESS};
    if (s->opcode == OP_SUBDOC_REPLACE_BODY_WITH_XATTR) return replace_body(c, s);
    if (s->flags & PATHOP_XATTR) return edit_xattr(c, s, o);
    if (s->opcode == OP_SET) return set_whole(c, s);
    if (s->opcode != OP_DELETE) return edit_body(c, s, o);
    c->deletes = true;
    return ST_SUCCESS;
}

/* A new document begins as the container that its first path needs. */
static const char *root_of(const struct pathop_request *p)
{
    for (uint8_t i = 0; i < p->count; i++) {
        const struct pathop *s = &p->ops[i];
        if (s->flags & PATHOP_XATTR) continue;
        bool array_op = s->opcode >= OP_SUBDOC_ARRAY_PUSH_LAST && s->opcode <= OP_SUBDOC_ARRAY_ADD_UNIQUE;
        bool array = (array_op && !s->path.len) || (s->path.len && *(const char *)s->path.data == '[');
        return array ? "[]" : "{}";
    }
    return "{}";
}

static void start(struct change *c)
{
    struct subdoc_run *r = c->run;
    const struct item *i = c->before.item;
    buf_clear(&r->values);
    buf_clear(&r->section);
    buf_clear(&r->body);
    c->deletes = c->body_changed = false;
    if (c->exists) {
        buf_put_bytes(&r->section, c->before.section);
        buf_put_bytes(&r->body, c->before.body);
        c->body_json = i->datatype & DATATYPE_JSON;
        c->body_known = i->state & ITEM_SHALLOW;
    } else {
        bool hidden = c->plan->doc_flags & DOC_CREATE_AS_DELETED;
        if (!hidden) buf_put_str(&r->body, root_of(c->plan));
        c->body_json = c->body_known = !hidden;
    }
}

static enum status run_all(struct change *c, uint8_t *index)
{
    start(c);
    for (uint8_t i = 0; i < c->plan->count; i++) {
        enum status status = run_spec(c, &c->plan->ops[i], &c->run->outcomes[i]);
        *index = i;
        if (status != ST_SUCCESS) return status;
    }
    return ST_SUCCESS;
}

/* What the document flags and the document say to each other before anything is done. */
static bool admit(struct change *c, struct item *i, struct subdoc_end *end)
{
    const struct kv_op *op = c->op;
    uint8_t f = c->plan->doc_flags;
    bool any = i && (item_is_live(i) || (f & DOC_ACCESS_DELETED));
    c->exists = any;
    if (any && (f & DOC_ADD)) return !ended(end, KV_EXISTS);
    if (!any) {
        if (!(f & (DOC_MKDOC | DOC_ADD))) return !ended(end, KV_MISSING);
        if (f & DOC_REVIVE) return !failed(end, ST_SUBDOC_CAN_ONLY_REVIVE_DELETED_DOCUMENTS);
        return true; /* a CAS is not looked at: there is nothing to compare it with, measured */
    }
    struct item_lock *lock = vbucket_lock_of(op->vbucket, i, op->clock);
    if (lock && op->cas != lock->cas) return !ended(end, op->cas ? KV_LOCKED : KV_LOCKED_TMP);
    if (!lock && op->cas && op->cas != i->cas) return !ended(end, KV_EXISTS);
    if ((f & DOC_REVIVE) && item_is_live(i)) return !failed(end, ST_SUBDOC_CAN_ONLY_REVIVE_DELETED_DOCUMENTS);
    return true;
}

static bool check_macros(const struct pathop_request *p, struct subdoc_end *end)
{
    for (uint8_t i = 0; i < p->count; i++) {
        if ((p->ops[i].flags & PATHOP_EXPAND_MACROS) && failed(end, macro_check(p->ops[i].value))) return false;
    }
    return true;
}

/* Runs the specs; a second time when a macro needed the checksum of the body that only the first time made known. */
static bool work_out(struct change *c, struct subdoc_end *end)
{
    uint8_t index = 0;
    enum status status = run_all(c, &index);
    if (status == ST_SUCCESS && c->facts.wants_crc) {
        c->facts.crc32c = crc32c_of(buf_view(&c->run->body));
        status = run_all(c, &index);
    }
    if (c->run->values.failed || c->run->section.failed || c->run->body.failed) status = ST_ENOMEM;
    if (status == ST_ENOMEM) return !ended(end, KV_NO_MEMORY);
    end->failed = index;
    end->spec_failed = status != ST_SUCCESS;
    end->status = status;
    return status == ST_SUCCESS;
}

static bool fits(const struct subdoc_run *r, struct subdoc_end *end)
{
    size_t system, user;
    xattr_sizes(buf_view(&r->section), &system, &user);
    if (system > SYSTEM_XATTR_MAX || user + r->body.len > VALUE_MAX) return !ended(end, KV_TOO_BIG);
    return true;
}

/* The whole new value in r->edited. */
static bool assemble(struct change *c, struct item_change *out)
{
    struct subdoc_run *r = c->run;
    struct divan_bytes section = buf_view(&r->section);
    buf_clear(&r->edited);
    if (c->deletes) {
        value_keep_system(section, &r->edited);
        out->datatype = r->edited.len ? DATATYPE_XATTR : 0;
    } else {
        xattrs_join(&r->edited, section, buf_view(&r->body));
        if (c->body_changed) detect(c, buf_view(&r->body));
        out->datatype = (uint8_t)((section.len ? DATATYPE_XATTR : 0) | (c->body_json ? DATATYPE_JSON : 0));
        if (c->body_known) out->state |= ITEM_SHALLOW;
    }
    out->value = buf_view(&r->edited);
    return !r->edited.failed;
}

static void store(struct change *c, struct item *old, struct subdoc_end *end)
{
    const struct kv_op *op = c->op;
    const struct pathop_request *p = c->plan;
    bool was_dead = c->exists ? !item_is_live(old) : (p->doc_flags & DOC_CREATE_AS_DELETED) != 0;
    bool dead = c->deletes || (was_dead && !(p->doc_flags & DOC_REVIVE));
    uint8_t durable = kv_durability(op);
    struct item_change change = {.cas = c->facts.cas, .state = dead ? ITEM_DELETED : 0, .prepared = durable};
    change.flags = p->has_user_flags ? p->user_flags : c->exists ? old->flags : 0;
    if (dead) change.expiry_s = op->clock->wall_s;
    else change.expiry_s = c->exists && op->keep_ttl ? old->expiry_s : kv_expiry(op, p->expiry);
    if (!assemble(c, &change) && ended(end, KV_NO_MEMORY)) return;
    if (!store_has_room(op->vbucket->store, op->key.len + change.value.len, op->clock) && ended(end, KV_FULL)) return;
    struct item *i = vbucket_write(op->vbucket, vbucket_find(op->vbucket, &op->key, op->hash), &op->key, op->hash,
                                   &change, op->clock);
    if (!i && ended(end, KV_NO_MEMORY)) return;
    end->done = (struct kv_done){i, i->cas, i->seqno - i->prepared_ago};
    end->status = dead && !c->deletes ? ST_SUBDOC_SUCCESS_DELETED : ST_SUCCESS;
}

void subdoc_run_mutation(struct subdoc_run *r, const struct kv_op *op, const struct pathop_request *p,
                         struct subdoc_end *end)
{
    *end = (struct subdoc_end){.result = KV_OK};
    struct item *i = NULL;
    struct change c = {.run = r, .op = op, .plan = p};
    if (!kv_durable_possible(op->vbucket, kv_durability(op)) && ended(end, KV_IMPOSSIBLE)) return;
    if (kv_get_any(op, &i)) i = NULL;
    if (!admit(&c, i, end) || !check_macros(p, end)) return;
    if (!view_item(op, c.exists ? i : NULL, &op->vbucket->store->scratch[1], &c.before) && ended(end, KV_NO_MEMORY))
        return;
    c.facts.cas = vbucket_next_cas(op->vbucket, op->clock);
    c.facts.seqno = op->vbucket->high_seqno + 1;
    if (!work_out(&c, end) || !fits(r, end)) return;
    store(&c, i, end);
}
