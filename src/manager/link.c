#include "manager/link.h"

#include "base/alloc.h"
#include "base/error.h"
#include "manager/json_writer.h"

static const char *const type_words[] = {"hello",   "ask",   "applied", "document", "reply",
                                         "refused", "order", "result",  "alive"};
static const char *const order_words[] = {"build", "takeOver", "read"};
enum { ORDER_KINDS = sizeof order_words / sizeof *order_words, FIGURES_MAX = 1024, FIGURE_NUMBERS = 3 };

/* ---------------------------------------------------------------- writing */

static void begin(struct buf *out, enum link_type type)
{
    jw_open(out, NULL, '{');
    jw_str(out, "type", type_words[type]);
}

static void put_revision(struct buf *out, struct map_revision r)
{
    jw_int(out, "epoch", r.epoch);
    jw_int(out, "rev", r.rev);
}

void link_put_hello(struct buf *out, const char *token, const struct doc_node *node, struct map_revision have)
{
    begin(out, LINK_HELLO);
    jw_str(out, "token", token);
    put_revision(out, have);
    doc_node_to_json(node, "node", out);
    jw_close(out, '}');
}

void link_put_ask(struct buf *out, uint64_t id, const struct manager_request *r)
{
    begin(out, LINK_ASK);
    jw_uint(out, "id", id);
    jw_str(out, "op", r->op);
    jw_open(out, "args", '[');
    for (size_t i = 0; i < r->arg_count; i++) jw_bytes(out, NULL, r->args[i]);
    jw_close(out, ']');
    jw_open(out, "form", '[');
    for (size_t i = 0; i < r->form_count; i++) {
        jw_bytes(out, NULL, r->form[i].name);
        jw_bytes(out, NULL, r->form[i].value);
    }
    jw_close(out, ']');
    if (r->body.len) jw_bytes(out, "body", r->body);
    jw_str(out, "user", r->user);
    jw_bool(out, "external", r->external);
    jw_close(out, '}');
}

void link_put_applied(struct buf *out, struct map_revision r)
{
    begin(out, LINK_APPLIED);
    put_revision(out, r);
    jw_close(out, '}');
}

void link_put_document(struct buf *out, const struct doc *d)
{
    begin(out, LINK_DOCUMENT);
    jw_key(out, "document");
    doc_to_json(d, out);
    jw_close(out, '}');
}

void link_put_reply(struct buf *out, uint64_t id, const struct manager_reply *r)
{
    begin(out, LINK_REPLY);
    jw_uint(out, "id", id);
    jw_int(out, "status", r->status);
    jw_bytes(out, "body", r->body);
    jw_bool(out, "json", r->json);
    if (r->location) jw_str(out, "location", r->location);
    jw_close(out, '}');
}

void link_put_refused(struct buf *out, const char *why)
{
    begin(out, LINK_REFUSED);
    jw_str(out, "why", why);
    jw_close(out, '}');
}

void link_put_order(struct buf *out, const struct order *o)
{
    begin(out, LINK_ORDER);
    jw_uint(out, "id", o->id);
    jw_str(out, "kind", order_words[o->kind]);
    jw_str(out, "bucket", o->bucket);
    jw_uint(out, "vbucket", o->vbucket);
    jw_bool(out, "fresh", o->fresh);
    jw_uint(out, "until", o->until);
    jw_str(out, "node", o->node);
    jw_str(out, "host", o->host);
    jw_uint(out, "port", o->port);
    jw_close(out, '}');
}

void link_put_result(struct buf *out, const struct order_result *r)
{
    begin(out, LINK_RESULT);
    jw_uint(out, "id", r->id);
    jw_str(out, "problem", r->problem);
    jw_uint(out, "seqno", r->seqno);
    jw_open(out, "figures", '[');
    for (size_t i = 0; i < r->figure_count; i++) {
        jw_uint(out, NULL, r->figures[i].mode);
        jw_uint(out, NULL, r->figures[i].prepared);
        jw_uint(out, NULL, r->figures[i].high);
    }
    jw_close(out, ']');
    jw_close(out, '}');
}

void link_put_alive(struct buf *out)
{
    begin(out, LINK_ALIVE);
    jw_close(out, '}');
}

/* ---------------------------------------------------------------- reading */

struct reader {
    struct link_message *m;
    struct json_value whole;
    struct divan_error *err;
    enum divan_code code;
};

static void fail(struct reader *r, enum divan_code code, const char *name, const char *what)
{
    if (!r->code)
        r->code = err_set(r->err, code, "a message on the link to the manager has a field \"%s\" that %s", name, what);
}

/* All texts go into one buffer that never moves: it was made as large as the message. */
static struct divan_bytes unescaped(struct reader *r, const char *name, struct json_value v)
{
    struct buf *text = &r->m->memory.text;
    size_t from = text->len;
    if (v.type == JSON_NONE) return (struct divan_bytes){NULL, 0};
    if (v.type != JSON_STRING || !json_unescape(v.text, text)) {
        fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, name, "is not a string");
        return (struct divan_bytes){NULL, 0};
    }
    size_t len = text->len - from;
    buf_u8(text, 0);
    return bytes_of(text->data + from, len);
}

static const char *get_text(struct reader *r, const char *name)
{
    struct divan_bytes b = unescaped(r, name, json_member(r->whole, name));
    if (b.data && memchr(b.data, 0, b.len)) fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, name, "contains a NUL");
    return b.data;
}

static int64_t get_int(struct reader *r, const char *name)
{
    int64_t n = 0;
    if (!json_to_i64(json_member(r->whole, name), &n))
        fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, name, "is not a whole number");
    return n;
}

static bool get_bool(struct reader *r, const char *name)
{
    return json_member(r->whole, name).type == JSON_TRUE;
}

static struct divan_bytes get_object(struct reader *r, const char *name)
{
    struct json_value v = json_member(r->whole, name);
    if (v.type != JSON_OBJECT) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, name, "is not an object");
    return v.text;
}

/* Calls for each string of an array; false at the first that does not fit. */
static size_t get_strings(struct reader *r, const char *name, struct divan_bytes *out, size_t cap)
{
    struct json_value list = json_member(r->whole, name), v;
    size_t n = 0;
    if (list.type != JSON_ARRAY) {
        fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, name, "is not an array");
        return 0;
    }
    struct json_walk w = json_walk_begin(list);
    while (!r->code && json_next_element(&w, &v)) {
        if (n == cap) fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, name, "has too many elements");
        else out[n++] = unescaped(r, name, v);
    }
    return r->code ? 0 : n;
}

static void get_request(struct reader *r)
{
    struct link_message *m = r->m;
    struct manager_request *q = &m->request;
    q->op = get_text(r, "op");
    q->user = get_text(r, "user");
    q->external = get_bool(r, "external");
    q->body = unescaped(r, "body", json_member(r->whole, "body"));
    q->args = m->memory.args;
    q->arg_count = get_strings(r, "args", m->memory.args, LINK_ARGS_MAX);
    m->memory.fields = mem_zalloc(sizeof *m->memory.fields * LINK_FIELDS_MAX);
    if (!m->memory.fields) {
        r->code = err_oom(r->err);
        return;
    }
    /* Names and values in turn are laid out as an array of fields is. */
    _Static_assert(sizeof(struct manager_field) == 2 * sizeof(struct divan_bytes), "a field is two views");
    size_t n = get_strings(r, "form", &m->memory.fields->name, 2 * LINK_FIELDS_MAX);
    if (n % 2) fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, "form", "has a name without a value");
    q->form = m->memory.fields;
    q->form_count = n / 2;
    if (!q->op) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "op", "is not there");
    if (!q->user) q->user = "";
}

static uint64_t get_uint(struct reader *r, const char *name, uint64_t max)
{
    uint64_t n = 0;
    if (!json_to_u64(json_member(r->whole, name), &n)) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, name, "is not a number");
    if (n > max) fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, name, "is out of range");
    return r->code ? 0 : n;
}

static const char *get_needed(struct reader *r, const char *name)
{
    const char *text = get_text(r, name);
    if (!text) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, name, "is not there");
    return text ? text : "";
}

static void get_order(struct reader *r)
{
    struct order *o = &r->m->order;
    const char *kind = get_needed(r, "kind");
    size_t k = 0;
    while (k < ORDER_KINDS && strcmp(kind, order_words[k]) != 0) k++;
    if (k == ORDER_KINDS) fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, "kind", "is not a known word");
    *o = (struct order){.kind = (enum order_kind)k,
                        .id = get_uint(r, "id", UINT64_MAX),
                        .bucket = get_needed(r, "bucket"),
                        .vbucket = (uint16_t)get_uint(r, "vbucket", UINT16_MAX),
                        .fresh = get_bool(r, "fresh"),
                        .until = get_uint(r, "until", UINT64_MAX),
                        .node = get_needed(r, "node"),
                        .host = get_needed(r, "host"),
                        .port = (uint16_t)get_uint(r, "port", UINT16_MAX)};
}

static void put_figure(struct copy_figures *f, size_t number, uint64_t n)
{
    f->known = true;
    if (number == 0) f->mode = n <= COPY_DEAD ? (enum copy_mode)n : COPY_ABSENT;
    else *(number == 1 ? &f->prepared : &f->high) = n;
}

static void get_result(struct reader *r)
{
    struct order_result *o = &r->m->result;
    struct json_value list = json_member(r->whole, "figures"), v;
    size_t n = 0;
    o->id = get_uint(r, "id", UINT64_MAX);
    o->problem = get_needed(r, "problem");
    o->seqno = get_uint(r, "seqno", UINT64_MAX);
    if (list.type != JSON_ARRAY) fail(r, DIVAN_ERR_CONFIG_FIELD_TYPE, "figures", "is not an array");
    if (r->code) return;
    r->m->memory.figures = mem_zalloc(sizeof *r->m->memory.figures * FIGURES_MAX);
    if (!r->m->memory.figures) {
        r->code = err_oom(r->err);
        return;
    }
    struct json_walk w = json_walk_begin(list);
    for (uint64_t number = 0; !r->code && json_next_element(&w, &v); n++) {
        if (n == FIGURES_MAX * FIGURE_NUMBERS || !json_to_u64(v, &number))
            fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, "figures", "are too many, or no numbers");
        else put_figure(&r->m->memory.figures[n / FIGURE_NUMBERS], n % FIGURE_NUMBERS, number);
    }
    o->figures = r->m->memory.figures;
    o->figure_count = n / FIGURE_NUMBERS;
}

static void get_body(struct reader *r)
{
    struct link_message *m = r->m;
    switch (m->type) {
    case LINK_HELLO:
        m->token = get_text(r, "token");
        if (!m->token) m->token = "";
        m->revision = (struct map_revision){get_int(r, "epoch"), get_int(r, "rev")};
        m->node = get_object(r, "node");
        break;
    case LINK_ASK:
        m->id = (uint64_t)get_int(r, "id");
        get_request(r);
        break;
    case LINK_APPLIED:
        m->revision = (struct map_revision){get_int(r, "epoch"), get_int(r, "rev")};
        break;
    case LINK_DOCUMENT:
        m->document = get_object(r, "document");
        break;
    case LINK_REPLY:
        m->id = (uint64_t)get_int(r, "id");
        m->reply.status = (int)get_int(r, "status");
        m->reply.body = unescaped(r, "body", json_member(r->whole, "body"));
        m->reply.json = get_bool(r, "json");
        m->reply.location = get_text(r, "location");
        if (m->reply.status < 100 || m->reply.status > 599)
            fail(r, DIVAN_ERR_CONFIG_FIELD_RANGE, "status", "is no status of HTTP");
        break;
    case LINK_REFUSED:
        m->why = get_text(r, "why");
        if (!m->why) m->why = "no reason was given";
        break;
    case LINK_ORDER:
        get_order(r);
        break;
    case LINK_RESULT:
        get_result(r);
        break;
    case LINK_ALIVE:
        break;
    }
}

enum divan_code link_read(struct divan_bytes text, struct link_message *out, struct divan_error *err)
{
    struct reader r = {.m = out, .err = err};
    size_t at = 0;
    *out = (struct link_message){0};
    if (json_check(text, JSON_UTF8, 64, &at) != JSON_VALID)
        return err_set(err, DIVAN_ERR_JSON_SYNTAX, "a message on the link to the manager is not JSON from byte %zu on",
                       at);
    r.whole = json_value_of(text);
    struct json_value type = json_member(r.whole, "type");
    size_t t = 0, types = sizeof type_words / sizeof *type_words;
    while (t < types && !(type.type == JSON_STRING && json_string_is(type.text, divan_str(type_words[t])))) t++;
    out->type = (enum link_type)t;
    /* Unescaped text is never longer than the escaped one with its quotes, which leaves room for the NULs. */
    if (t != LINK_DOCUMENT && !buf_reserve(&out->memory.text, text.len + 1)) return err_oom(err);
    if (t == types) fail(&r, DIVAN_ERR_CONFIG_FIELD_RANGE, "type", "is not a known word");
    else get_body(&r);
    return r.code;
}

void link_message_fini(struct link_message *m)
{
    buf_fini(&m->memory.text);
    mem_free(m->memory.fields);
    mem_free(m->memory.figures);
    *m = (struct link_message){0};
}
